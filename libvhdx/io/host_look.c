/*
 * What a name leads to, also where the host cannot say it at once. See io.h.
 */
/* SPDX-License-Identifier: MIT */
#include "io/io.h"

#include "io/host_calls.h"

#include <stddef.h>
#include <string.h>

static bool stop_at_once(void *visitor, const char *name)
{
    (void)visitor;
    (void)name;
    return false;
}

vhdx_status vx_host_look(const vhdx_host *host, const char *path, vhdx_entry_type *type, vhdx_file_facts *facts,
                         vhdx_error *err)
{
    struct vx_file *file;
    vx_clear(err);
    memset(facts, 0, sizeof *facts);
    if (host->struct_size > offsetof(vhdx_host, look) && host->look)
        return vx_host_result(host->look(host->context, path, type, facts, err), path, "look at it", err);
    vhdx_status status = vx_file_open(host, path, VHDX_OPEN_PEEK, &file, err);
    if (status == VHDX_OK) {
        *type = VHDX_ENTRY_FILE;
        *facts = *vx_file_facts(file);
        vx_file_close(file);
    } else if (host->list(host->context, path, stop_at_once, NULL, NULL) == VHDX_OK) {
        *type = VHDX_ENTRY_DIRECTORY;
        vx_clear(err);
        status = VHDX_OK;
    }
    return status;
}
