/*
 * Protection of a merge. See merge_protect.h. The list must be the same in
 * every run of one merge, whatever the run before has done already, or the undo file would be taken for that of another
 * one.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/merge_protect.h"

#include "base/alloc.h"
#include "base/size_text.h"
#include "image/protect.h"

/* Compression may make it less; how much is not known. A file that is there already holds a part of it. */
static vhdx_status check_room(const struct vx_merge_run *run, vhdx_error *err)
{
    const vhdx_host *host = run->chain->host;
    const char *path = run->options->undo;
    vhdx_space space = {UINT64_MAX, UINT64_MAX};
    struct vx_file *file;
    vhdx_status status = vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL);
    if (status == VHDX_OK)
        vx_file_close(file);
    if (status != VHDX_NOT_FOUND || host->space(host->context, path, &space, NULL) != VHDX_OK)
        return VHDX_OK;
    uint64_t needed = run->totals.old_bytes;
    if (space.free_bytes == run->report->bytes_free) /* the volume of the merge itself */
        needed += run->report->bytes_needed;
    if (needed <= space.free_bytes)
        return VHDX_OK;
    char wanted[VX_SIZE_TEXT], there[VX_SIZE_TEXT];
    vx_fail(err, VHDX_NO_SPACE, vx_at_file(path),
            "the undo file may need %s of free space, what the merge itself takes there included; the volume has %s",
            vx_size_text(needed, wanted), vx_size_text(space.free_bytes, there));
    return vx_advise_as(err, VHDX_NO_SPACE, VHDX_ADVICE_FREE_SPACE,
                        "put the undo file on another volume, or free space and run the command again");
}

vhdx_status vx_merge_protect(struct vx_merge_run *run, bool up, vhdx_error *err)
{
    struct vx_undo **undo = run->plan_only ? NULL : &run->undo;
    size_t count = 0;
    if (!run->options->undo)
        return VHDX_OK;
    VX_TRY(vx_chain_check_output(run->chain, run->options->undo, err));
    VX_TRY(check_room(run, err));
    struct vx_image **images = vx_alloc(run->upper_count + 3, sizeof *images);
    if (!images)
        return vx_fail_memory(err, "the files of a merge");
    images[count++] = up ? run->child : run->target;
    if (!up)
        images[count++] = run->bottom;
    if (!up && run->child != run->bottom)
        images[count++] = run->child;
    for (size_t i = 0; !up && i < run->upper_count; i++)
        images[count++] = run->uppers[i];
    vhdx_status status = vx_images_protect(images, count, run->options->undo, undo, err);
    vx_free(images);
    return status;
}

vhdx_status vx_merge_protect_end(struct vx_merge_run *run, vhdx_error *err)
{
    return run->undo ? vx_undo_end(run->undo, err) : VHDX_OK;
}
