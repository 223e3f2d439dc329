/*
 * Names for new files. See new_file.h.
 */
/* SPDX-License-Identifier: MIT */
#include "io/new_file.h"

#include "base/alloc.h"
#include "base/path.h"

vhdx_status vx_new_file_check(const vhdx_host *host, const char *path, bool replace, bool *replaces, vhdx_error *err)
{
    struct vx_file *file;
    uint64_t size;
    *replaces = false;
    vhdx_status status = vx_file_open(host, path, VHDX_OPEN_PEEK, &file, err);
    if (status == VHDX_NOT_FOUND) {
        vx_clear(err);
        return VHDX_OK;
    }
    VX_TRY(status);
    status = vx_file_size(file, &size, err);
    vx_file_close(file);
    if (status != VHDX_OK || size == 0)
        return status;
    if (!replace)
        return vx_fail(err, VHDX_EXISTS, vx_at_file(path), "a file of that name is there already");
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_WRITE, &file, err));
    vx_file_close(file);
    *replaces = true;
    return VHDX_OK;
}

/* Some hosts rename no file that is open. */
vhdx_status vx_new_file_give_name(const vhdx_host *host, const char *unfinished, const char *path, vhdx_error *err)
{
    char *directory = vx_path_directory(path, host->windows_paths);
    vhdx_status status = directory ? VHDX_OK : vx_fail_memory(err, "a path");
    if (status == VHDX_OK)
        status = vx_host_result(host->rename(host->context, unfinished, path, err), path, "rename it", err);
    if (status == VHDX_OK)
        status =
            vx_host_result(host->sync_directory(host->context, directory, err), path, "make its name durable", err);
    else
        host->remove(host->context, unfinished, NULL);
    vx_free(directory);
    return status;
}
