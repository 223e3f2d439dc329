/*
 * Steps that several of the files of a merge take: links, items, the end of a file, progress. See run.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/notice.h"
#include "merge/run.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/path.h"
#include "chain/fork.h"
#include "image/mark.h"
#include "image/writing.h"

#include <string.h>

static vhdx_status tell_moved(void *context, uint64_t copied, vhdx_error *err)
{
    struct vx_teller *teller = context;
    copied += teller->before;
    vhdx_progress progress = {VHDX_PHASE_COPY, copied, teller->total};
    if (!teller->options->progress || (copied - teller->told < 4 * VX_MIB && copied != teller->total))
        return VHDX_OK;
    teller->told = copied;
    return vx_progress(teller->options->progress, teller->options->progress_context, &progress, NULL, "the merge", err);
}

void vx_teller_attach(struct vx_teller *teller, struct vx_copier *copier)
{
    copier->tell = tell_moved;
    copier->tell_context = teller;
    copier->sharing.notice = teller->options->notice;
    copier->sharing.notice_context = teller->options->notice_context;
}

vhdx_status vx_merge_link(struct vx_merge_run *run, struct vx_image *layer, const struct vx_link *link, vhdx_error *err)
{
    run->begun = true;
    vhdx_status status = vx_image_begin_metadata(layer, err);
    if (status == VHDX_OK)
        status = vx_link_write(layer, link, err);
    if (status == VHDX_OK)
        status = vx_image_end_write(layer, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(layer);
    return status;
}

/* The target's own virtual-disk items go, the child's come (MS-VHDX 2.6.1.2), with its size, sector size and id: one
 * log entry. */
static vhdx_status take_over_items(struct vx_merge_run *run, const struct vx_fork_items *own,
                                   const struct vx_fork_items *theirs, struct vx_item_change *changes, bool check_only,
                                   vhdx_error *err)
{
    const uint32_t disk = VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK;
    uint8_t size[8], sector[4];
    size_t count = 0;
    vx_put64(size, run->child->items.virtual_size);
    vx_put32(sector, run->child->items.physical_sector_size);
    changes[count++] = vx_mark_removal();
    changes[count++] = (struct vx_item_change){vx_guid_virtual_disk_size, disk, size, sizeof size};
    changes[count++] = (struct vx_item_change){vx_guid_physical_sector_size, disk, sector, sizeof sector};
    changes[count++] =
        (struct vx_item_change){vx_guid_virtual_disk_id, disk, run->child->items.virtual_disk_id.bytes, 16};
    for (size_t i = 0; i < own->count; i++) {
        bool replaced = false;
        for (size_t j = 0; j < theirs->count; j++)
            replaced |= vx_guid_equal(&own->items[i].item_id, &theirs->items[j].item_id) &&
                        ((own->items[i].flags ^ theirs->items[j].flags) & VX_ITEM_IS_USER) == 0;
        if (!replaced)
            changes[count++] = (struct vx_item_change){own->items[i].item_id, own->items[i].flags, NULL, 0};
    }
    for (size_t i = 0; i < theirs->count; i++)
        changes[count++] = theirs->items[i];
    return check_only ? vx_items_check(run->target, changes, count, err)
                      : vx_items_change(run->target, changes, count, err);
}

vhdx_status vx_merge_take_items(struct vx_merge_run *run, bool check_only, vhdx_error *err)
{
    struct vx_fork_items own = {0}, theirs = {0};
    vhdx_status status = vx_fork_read_items(run->target, &own, err);
    if (status == VHDX_OK)
        status = vx_fork_read_items(run->child, &theirs, err);
    struct vx_item_change *changes = status == VHDX_OK ? vx_alloc(4 + own.count + theirs.count, sizeof *changes) : NULL;
    if (changes)
        status = take_over_items(run, &own, &theirs, changes, check_only, err);
    else if (status == VHDX_OK)
        status = vx_fail_memory(err, "metadata items");
    vx_free(changes);
    vx_fork_free_items(&own);
    vx_fork_free_items(&theirs);
    return status;
}

struct vx_link vx_merge_upper_link(const struct vx_merge_run *run)
{
    return (struct vx_link){.linkage = run->identity,
                            .linkage2 = run->child->header.data_write_guid, /* M4 */
                            .parent_path = vx_image_path(run->target)};
}

void vx_merge_close(struct vx_merge_run *run)
{
    vx_undo_close(run->undo); /* before the files that it protects */
    run->undo = NULL;
    for (size_t i = 0; i < run->upper_count; i++)
        vx_image_close(run->uppers[i]);
    vx_free(run->uppers);
    vx_guard_free(&run->guard);
    vx_neighbours_free(&run->neighbours);
    vx_chain_close(run->chain);
    run->uppers = NULL;
    run->upper_count = 0;
    run->chain = NULL;
}

struct vx_link vx_merge_link_past(const struct vx_merge_run *run)
{
    return (struct vx_link){.linkage = run->chain->layers[1]->header.data_write_guid,
                            .linkage2 = run->identity,
                            .parent_path = vx_image_path(run->target)};
}

vhdx_status vx_merge_sync_directory(const vhdx_host *host, const char *path, vhdx_error *err)
{
    char *directory = vx_path_directory(path, host->windows_paths);
    if (!directory)
        return vx_fail_memory(err, "a path");
    vhdx_status status = vx_host_result(host->sync_directory(host->context, directory, err), path,
                                        "make the change of its name durable", err);
    vx_free(directory);
    return status;
}

vhdx_status vx_merge_remove_file(const vhdx_host *host, const char *path, vhdx_error *err)
{
    VX_TRY(vx_host_result(host->remove(host->context, path, err), path, "remove it", err));
    return vx_merge_sync_directory(host, path, err);
}
