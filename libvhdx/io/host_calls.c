/*
 * Calls of the host that are about names, and what its failures say. See io.h.
 */
/* SPDX-License-Identifier: MIT */
#include "io/host_calls.h"

#include "io/io.h"

#include <stddef.h>
#include <string.h>

vhdx_status vx_host_failed(vhdx_error *err, vhdx_status status, struct vx_where where, const char *action)
{
    if (!err)
        return status;
    if (err->status != status || !err->message[0]) {
        char message[sizeof err->message];
        memcpy(message, err->message, sizeof message);
        message[sizeof message - 1] = '\0';
        if (message[0])
            vx_fail_system(err, status, where, err->system_code, "%s", message);
        else
            vx_fail_system(err, status, where, err->system_code, "the file's host failed to %s", action);
    }
    vx_locate(err, where);
    return status;
}

vhdx_status vx_host_result(vhdx_status status, const char *path, const char *action, vhdx_error *err)
{
    return status == VHDX_OK ? VHDX_OK : vx_host_failed(err, status, vx_at_file(path), action);
}

const vhdx_host *vx_host_or_native(const vhdx_host *host)
{
    return host ? host : vhdx_native_host();
}

struct plain_names {
    vx_visit_entry_fn *visit;
    void *visitor;
};

static bool visit_plain_name(void *context, const char *name)
{
    const struct plain_names *names = context;
    return names->visit(names->visitor, name, VHDX_ENTRY_UNKNOWN);
}

vhdx_status vx_host_list_entries(const vhdx_host *host, const char *directory, vx_visit_entry_fn *visit, void *visitor,
                                 vhdx_error *err)
{
    bool tells = host->struct_size > offsetof(vhdx_host, list_entries) && host->list_entries;
    struct plain_names names = {visit, visitor};
    vx_clear(err);
    vhdx_status status = tells ? host->list_entries(host->context, directory, visit, visitor, err)
                               : host->list(host->context, directory, visit_plain_name, &names, err);
    return vx_host_result(status, directory, "read the directory", err);
}
