/*
 * The protocol of a merge in place. Invariants; the lines that uphold them name them:
 *
 *  M1  Nothing is written before every check has passed and every file that will be written is held exclusively.
 *  M2  The target gets its new identity only after the layer above it knows that identity as its second linkage: at every instant that
 *      layer's linkage or linkage2 is the target's DataWriteGuid.
 *  M3  The merged layers' content stays as it is until the target is complete and durable. What is overwritten in the target is hidden
 *      by them, so that reading the child gives the same bytes throughout.
 *  M4  A layer above the child is linked to the target only after the target is complete; its linkage2 then names the child, which tells a
 *      later run that the target holds all of the child.
 *  M5  A file is removed only after everything that needs it has been linked past it, durably.
 *  M6  Each step may be repeated: the same command after a crash finds one of these states and goes on.
 *
 *      check | linkage2 := g | target := g | blocks ... | size, items | linkage := g, linkage2 := 0 | uppers | removal
 */
/* SPDX-License-Identifier: MIT */
#include "merge/run.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "chain/fork.h"
#include "chain/link.h"
#include "image/header_update.h"
#include "io/path.h"
#include "merge/advice.h"
#include "merge/apply.h"
#include "merge/guard.h"
#include "merge/merge.h"
#include "merge/resize.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct merge_run {
    const vhdx_merge_options *options;
    const char *child_path;
    bool plan_only;
    struct vx_chain *chain;
    size_t into;
    struct vx_image *child, *bottom, *target; /* layers 0, into - 1, into */
    struct vx_neighbours neighbours;
    struct vx_guard guard;
    struct vx_image **uppers;
    size_t upper_count;
    struct vx_totals totals;
    vhdx_guid identity; /* the target's new one */
    vhdx_merge_report *report;
    bool begun;    /* something was written */
    bool complete; /* the target holds everything already */
};

vhdx_status vx_tell_copied(void *context, uint64_t copied, vhdx_error *err)
{
    struct vx_teller *teller = context;
    vhdx_progress progress = {VHDX_PHASE_COPY, copied, teller->total};
    if (!teller->options->progress || (copied - teller->told < 4 * VX_MIB && copied != teller->total))
        return VHDX_OK;
    teller->told = copied;
    if (teller->options->progress(teller->options->progress_context, &progress))
        return VHDX_OK;
    return vx_fail(err, VHDX_CANCELLED, vx_at_file(NULL), "the merge was cancelled");
}

vhdx_status vx_check_room(const vhdx_host *host, const char *path, const struct vx_image *target,
                          const struct vx_totals *totals, uint64_t further, vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_space space = {UINT64_MAX, UINT64_MAX};
    bool sparse = !(vx_file_facts(target->file)->attributes & VHDX_FILE_SPARSE_HARMS);
    uint64_t blocks = totals->blocks_to_allocate * target->geometry.block_size;
    uint64_t bitmaps = totals->bitmaps_to_allocate * VX_BITMAP_BLOCK_SIZE;
    uint64_t file_size;
    VX_TRY(vx_file_size(target->view, &file_size, err));
    report->bytes_needed = (sparse ? totals->new_bytes : blocks) + bitmaps + further;
    report->bytes_free = UINT64_MAX;
    if (host->space(host->context, path, &space, NULL) != VHDX_OK)
        return VHDX_OK;
    report->bytes_free = space.free_bytes;
    if (file_size + blocks + bitmaps + further > space.max_file_size)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(path),
                       "the disk may become %" PRIu64 " bytes long, files of this volume at most %" PRIu64,
                       file_size + blocks + bitmaps + further, space.max_file_size);
    if (report->bytes_needed > space.free_bytes)
        return vx_fail(err, VHDX_NO_SPACE, vx_at_file(path),
                       "the merge needs %" PRIu64 " bytes of free space, the volume has %" PRIu64,
                       report->bytes_needed, space.free_bytes);
    return VHDX_OK;
}

/* ---- checks ---- */

static vhdx_status fail_siblings(const struct merge_run *run, vhdx_error *err)
{
    const struct vx_neighbour *first = run->guard.siblings[0];
    char more[64] = "";
    if (run->guard.sibling_count > 1)
        snprintf(more, sizeof more, " and %zu more", run->guard.sibling_count - 1);
    for (size_t i = 0; i < run->guard.sibling_count; i++)
        vx_notice(run->options->notice, run->options->notice_context, VHDX_NOTICE_WARNING, "sibling: %s",
                  run->guard.siblings[i]->path);
    vx_fail(err, VHDX_REFUSED, vx_at_file(run->child_path),
            first->is_busy ? "%s%s is in use and may be another child of a layer that this merge changes"
                           : "%s%s is another child of a layer that this merge changes, and would become invalid",
            first->path, more);
    return vx_advise(err, VHDX_REFUSED,
                     "merge into a new file with '-o NEW', or give that disk up with '--force-siblings'");
}

static vhdx_status check_siblings(const struct merge_run *run, vhdx_error *err)
{
    const vhdx_merge_options *options = run->options;
    for (size_t i = 0; i < run->neighbours.count; i++)
        if (!run->neighbours.items[i].is_disk && !run->neighbours.items[i].is_busy)
            vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING,
                      "%s cannot be read; whether it is a child of a layer that changes is not known",
                      run->neighbours.items[i].path);
    if (run->guard.sibling_count > 0 && !options->force_siblings)
        return fail_siblings(run, err);
    for (size_t i = 0; i < run->guard.sibling_count; i++)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING, "%s %s invalid",
                  run->guard.siblings[i]->path, run->plan_only ? "would become" : "becomes");
    if (run->neighbours.vhd_set && !options->force_siblings)
        return vx_fail(err, VHDX_REFUSED, vx_at_file(run->child_path),
                       "it may belong to the VHD set %s, whose bookkeeping would be wrong after a merge",
                       run->neighbours.vhd_set);
    return VHDX_OK;
}

#define COMPARE_BUFFER ((size_t)(256 * VX_KIB))

static vhdx_status same_bytes(const struct merge_run *run, const struct vx_piece *piece, uint8_t *buf, bool *same,
                              vhdx_error *err)
{
    for (uint64_t done = 0; *same && done < piece->length;) {
        size_t here = (size_t)vx_min(COMPARE_BUFFER, piece->length - done);
        uint8_t *other = buf + COMPARE_BUFFER;
        if (piece->kind == VX_RUN_DATA)
            VX_TRY(vx_file_read(run->chain->layers[piece->layer]->view, buf, here, piece->file_offset + done, err));
        else
            memset(buf, 0, here);
        VX_TRY(vx_chain_read(run->chain, run->into, other, here, piece->virtual_offset + done, err));
        *same = memcmp(buf, other, here) == 0;
        done += here;
    }
    return VHDX_OK;
}

static vhdx_status compare_pieces(const struct merge_run *run, struct vx_cursor *cursor, uint8_t *buf, bool *same,
                                  vhdx_error *err)
{
    uint64_t size = run->child->geometry.virtual_size;
    for (uint64_t at = 0; *same && at < size;) {
        struct vx_piece piece;
        VX_TRY(vx_cursor_at(cursor, at, size - at, &piece, err));
        if (piece.kind != VX_RUN_TRANSPARENT)
            VX_TRY(same_bytes(run, &piece, buf, same, err));
        at += piece.length;
    }
    return VHDX_OK;
}

/* Whether the target alone reads as the child does through it: everything was merged before. */
static vhdx_status target_has_all(const struct merge_run *run, bool *same, vhdx_error *err)
{
    struct vx_cursor *cursor = NULL;
    *same = run->child->geometry.virtual_size == run->target->geometry.virtual_size;
    if (!*same)
        return VHDX_OK;
    uint8_t *buf = vx_alloc(2, COMPARE_BUFFER);
    vhdx_status status = buf ? vx_cursor_open(run->chain, 0, run->into, true, &cursor, err)
                             : vx_fail_memory(err, "a buffer");
    if (status == VHDX_OK)
        status = compare_pieces(run, cursor, buf, same, err);
    vx_cursor_close(cursor);
    vx_free(buf);
    return status;
}

/* M6: what an earlier run of the same merge has done already. */
static vhdx_status find_state(struct merge_run *run, vhdx_error *err)
{
    if (run->guard.leftover_count == 0 && !run->guard.merged_before)
        return VHDX_OK;
    VX_TRY(target_has_all(run, &run->complete, err)); /* a neighbour's word is not enough to give the child up */
    if (run->complete)
        return VHDX_OK;
    if (run->guard.merged_before)
        return vx_fail(err, VHDX_REFUSED, vx_at_file(run->child_path),
                       "a disk beside it is linked to %s as if this one had been merged, but its content is not there",
                       vx_image_path(run->target));
    /* Not the end of an earlier run after all: those files are siblings like others. */
    for (size_t i = 0; i < run->guard.leftover_count; i++)
        if (vx_guid_equal(&run->guard.leftovers[i]->linkage, &run->target->header.data_write_guid))
            run->guard.siblings[run->guard.sibling_count++] = run->guard.leftovers[i];
    run->guard.leftover_count = 0;
    return VHDX_OK;
}

static vhdx_status open_uppers(struct merge_run *run, vhdx_error *err)
{
    run->uppers = vx_alloc(run->guard.upper_count + 1, sizeof *run->uppers);
    if (!run->uppers)
        return vx_fail_memory(err, "the layers above");
    for (size_t i = 0; i < run->guard.upper_count; i++) {
        VX_TRY(vx_image_open(run->chain->host, run->guard.uppers[i]->path, run->plan_only ? 0 : VX_OPEN_WRITE,
                             &run->uppers[i], err));
        run->upper_count++;
    }
    return VHDX_OK;
}

/* Room for the child's own virtual-disk items; better known now than when the blocks have moved. */
static vhdx_status check_items(struct merge_run *run, vhdx_error *err)
{
    const struct vx_metadata_table *table = run->target->items.table;
    struct vx_fork_items items;
    uint64_t used = VX_METADATA_TABLE_SIZE, needed = 0;
    VX_TRY(vx_fork_read_items(run->child, &items, err));
    for (size_t i = 0; i < items.count; i++)
        needed += items.items[i].length;
    vx_fork_free_items(&items);
    for (uint32_t i = 0; i < table->count; i++)
        used += table->entries[i].length;
    if (needed > 0 && needed + used > run->target->metadata.length)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_image_path(run->target), "metadata region", run->target->metadata.file_offset),
                       "the child's metadata (%" PRIu64 " bytes) does not fit into it", needed);
    return VHDX_OK;
}

static void fill_report(struct merge_run *run)
{
    vhdx_merge_report *report = run->report;
    snprintf(report->target, sizeof report->target, "%s", vx_image_path(run->target));
    report->layers_merged = (uint32_t)run->into;
    report->virtual_size = run->child->geometry.virtual_size;
    report->bytes_to_copy = run->totals.bytes_to_copy;
    report->bytes_to_zero = run->totals.bytes_to_zero;
    report->blocks_to_allocate = run->totals.blocks_to_allocate;
    report->blocks_to_zero = run->totals.blocks_to_zero;
    report->relinked = (uint32_t)run->guard.upper_count;
    report->already_complete = run->complete;
}

static struct vx_merge_task merge_task(const struct merge_run *run)
{
    return (struct vx_merge_task){.chain = run->chain,
                                  .layer_count = run->into,
                                  .target = run->target,
                                  .virtual_size = run->child->geometry.virtual_size};
}

static vhdx_status plan_down(struct merge_run *run, vhdx_error *err)
{
    struct vx_merge_task task = merge_task(run);
    return vx_plan_totals(&task, &run->totals, err);
}

/* M1: what would refuse to be written later refuses now. */
static vhdx_status check_written(const struct merge_run *run, vhdx_error *err)
{
    if (!run->complete)
        VX_TRY(vx_image_check_write(run->target, err));
    VX_TRY(vx_image_check_write(run->bottom, err));
    if (run->child != run->bottom && run->options->delete_merged)
        VX_TRY(vx_image_check_write(run->child, err));
    for (size_t i = 0; i < run->upper_count; i++)
        VX_TRY(vx_image_check_write(run->uppers[i], err));
    return VHDX_OK;
}

static vhdx_status check(struct merge_run *run, vhdx_error *err)
{
    VX_TRY(vx_neighbours_find(run->chain, run->into + 1, &run->neighbours, err));
    VX_TRY(vx_guard_judge(run->chain, run->into, &run->neighbours, &run->guard, err));
    VX_TRY(find_state(run, err));
    VX_TRY(check_siblings(run, err));
    VX_TRY(open_uppers(run, err));
    VX_TRY(check_written(run, err));
    VX_TRY(check_items(run, err));
    if (!run->complete)
        VX_TRY(plan_down(run, err));
    fill_report(run);
    if (run->complete)
        return VHDX_OK;
    return vx_check_room(run->chain->host, vx_image_path(run->target), run->target, &run->totals,
                         vx_grow_needs(run->target, run->child->geometry.virtual_size), run->report, err);
}

/* ---- changes ---- */

/* One link in one layer, as a writable open of its own. */
static vhdx_status link_layer(struct merge_run *run, struct vx_image *layer, const struct vx_link *link,
                              vhdx_error *err)
{
    run->begun = true;
    vhdx_status status = vx_image_begin_write(layer, NULL, err);
    if (status == VHDX_OK)
        status = vx_link_write(layer, link, err);
    if (status == VHDX_OK)
        status = vx_image_end_write(layer, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(layer);
    return status;
}

/* M2: the layer above learns the new identity before the target takes it. So does a target that was begun before (M6): its identity of then is
 * a former one now, whichever linkage named it. */
static vhdx_status start_target(struct merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->target->header.data_write_guid};
    VX_TRY(vx_new_guid(run->chain->host, &run->identity, err));
    link.linkage2 = run->identity;
    VX_TRY(link_layer(run, run->bottom, &link, err));
    return vx_image_begin_write(run->target, &run->identity, err);
}

static vhdx_status move_payload(struct merge_run *run, vhdx_error *err)
{
    struct vx_copier copier;
    struct vx_teller teller = {run->options, run->totals.bytes_to_copy, 0};
    VX_TRY(vx_copier_open(&copier, run->target->file, err));
    copier.tell = vx_tell_copied;
    copier.tell_context = &teller;
    struct vx_merge_task task = merge_task(run);
    vhdx_status status = vx_apply_layers(&task, &copier, NULL, err);
    run->report->bytes_copied = copier.copied;
    vx_copier_close(&copier);
    return status;
}

/* The target's own virtual-disk items go, the child's come (MS-VHDX 2.6.1.2), with its size, sector size and id: one log entry. */
static vhdx_status take_over_items(struct merge_run *run, const struct vx_fork_items *own,
                                   const struct vx_fork_items *theirs, struct vx_item_change *changes, vhdx_error *err)
{
    const uint32_t disk = VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK;
    uint8_t size[8], sector[4];
    size_t count = 0;
    vx_put64(size, run->child->items.virtual_size);
    vx_put32(sector, run->child->items.physical_sector_size);
    changes[count++] = (struct vx_item_change){vx_guid_virtual_disk_size, disk, size, sizeof size};
    changes[count++] = (struct vx_item_change){vx_guid_physical_sector_size, disk, sector, sizeof sector};
    changes[count++] = (struct vx_item_change){vx_guid_virtual_disk_id, disk, run->child->items.virtual_disk_id.bytes, 16};
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
    return vx_items_change(run->target, changes, count, err);
}

static vhdx_status finish_items(struct merge_run *run, vhdx_error *err)
{
    struct vx_fork_items own = {0}, theirs = {0};
    vhdx_status status = vx_fork_read_items(run->target, &own, err);
    if (status == VHDX_OK)
        status = vx_fork_read_items(run->child, &theirs, err);
    struct vx_item_change *changes =
        status == VHDX_OK ? vx_alloc(3 + own.count + theirs.count, sizeof *changes) : NULL;
    if (changes)
        status = take_over_items(run, &own, &theirs, changes, err);
    else if (status == VHDX_OK)
        status = vx_fail_memory(err, "metadata items");
    vx_free(changes);
    vx_fork_free_items(&own);
    vx_fork_free_items(&theirs);
    return status;
}

static vhdx_status fill_target(struct merge_run *run, vhdx_error *err)
{
    VX_TRY(vx_grow(run->target, run->child->geometry.virtual_size, err));
    VX_TRY(move_payload(run, err)); /* M3 */
    VX_TRY(finish_items(run, err));
    VX_TRY(vx_clear_padding(run->target, err));
    return vx_image_end_write(run->target, err);
}

static vhdx_status merge_target(struct merge_run *run, vhdx_error *err)
{
    vhdx_status status = start_target(run, err);
    run->begun = true;
    if (status == VHDX_OK)
        status = fill_target(run, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(run->target);
    run->report->flushes = vx_file_counters(run->target->file)->flushes;
    return status;
}

static vhdx_status settle(struct merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->identity};
    return link_layer(run, run->bottom, &link, err);
}

static vhdx_status link_uppers(struct merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->identity,
                           .linkage2 = run->child->header.data_write_guid, /* M4 */
                           .parent_path = vx_image_path(run->target)};
    for (size_t i = 0; i < run->upper_count; i++)
        VX_TRY(link_layer(run, run->uppers[i], &link, err));
    return VHDX_OK;
}

/* M5: the child is linked past the layers in between, before they go. Its linkage goes on naming the one that was its parent: that is how a later run finds
 * what is left of them. */
static vhdx_status link_past(struct merge_run *run, vhdx_error *err)
{
    if (run->into == 1)
        return VHDX_OK;
    struct vx_link link = {.linkage = run->chain->layers[1]->header.data_write_guid,
                           .linkage2 = run->identity,
                           .parent_path = vx_image_path(run->target)};
    return link_layer(run, run->child, &link, err);
}

/* ---- removal ---- */

struct removal {
    const vhdx_host *host;
    char **paths; /* in the order in which they go */
    size_t count;
};

static vhdx_status add_removal(struct removal *removal, const char *path, vhdx_error *err)
{
    removal->paths[removal->count] = vx_copy_string(path);
    if (!removal->paths[removal->count])
        return vx_fail_memory(err, "a path");
    removal->count++;
    return VHDX_OK;
}

/* The lowest layers first, the child last: as long as the child is there, the same command can be given again. */
static vhdx_status list_removals(const struct merge_run *run, struct removal *removal, vhdx_error *err)
{
    removal->host = run->chain->host;
    removal->paths = vx_alloc(run->into + run->guard.leftover_count, sizeof *removal->paths);
    if (!removal->paths)
        return vx_fail_memory(err, "paths");
    for (size_t i = run->guard.leftover_count; i-- > 0;)
        VX_TRY(add_removal(removal, run->guard.leftovers[i]->path, err));
    for (size_t i = run->into; i-- > 0;)
        VX_TRY(add_removal(removal, vx_image_path(run->chain->layers[i]), err));
    return VHDX_OK;
}

static vhdx_status remove_one(const struct removal *removal, const char *path, vhdx_error *err)
{
    char *directory = vx_path_directory(path, removal->host->windows_paths);
    if (!directory)
        return vx_fail_memory(err, "a path");
    vhdx_status status = vx_host_result(removal->host->remove(removal->host->context, path, err), path, "remove it", err);
    if (status == VHDX_OK)
        status = vx_host_result(removal->host->sync_directory(removal->host->context, directory, err), path,
                                "make its removal durable", err);
    vx_free(directory);
    return status;
}

static void free_removal(struct removal *removal)
{
    for (size_t i = 0; i < removal->count; i++)
        vx_free(removal->paths[i]);
    vx_free(removal->paths);
}

/* The uppers' memory of the child ends with it. */
static vhdx_status forget_child(struct merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->identity};
    for (size_t i = 0; i < run->upper_count; i++)
        VX_TRY(link_layer(run, run->uppers[i], &link, err));
    return VHDX_OK;
}

static vhdx_status remove_merged(struct merge_run *run, vhdx_error *err)
{
    struct removal removal = {0};
    vhdx_status status = list_removals(run, &removal, err);
    if (status == VHDX_OK)
        status = link_past(run, err);
    if (status == VHDX_OK) {
        vx_chain_close(run->chain); /* some hosts remove no file that is open */
        run->chain = NULL;
        for (size_t i = 0; i < removal.count && status == VHDX_OK; i++)
            status = remove_one(&removal, removal.paths[i], err);
    }
    if (status == VHDX_OK)
        status = forget_child(run, err);
    free_removal(&removal);
    return status;
}

/* ---- all of it ---- */

static vhdx_status change(struct merge_run *run, vhdx_error *err)
{
    if (run->complete)
        run->identity = run->target->header.data_write_guid;
    else
        VX_TRY(merge_target(run, err));
    if (!run->complete || run->guard.leftover_count == 0)
        VX_TRY(settle(run, err));
    VX_TRY(link_uppers(run, err));
    return run->options->delete_merged ? remove_merged(run, err) : VHDX_OK;
}

/* After the first write every message says what holds and how to go on. */
static vhdx_status explain(const struct merge_run *run, vhdx_status status, vhdx_error *err)
{
    char advice[sizeof err->advice];
    if (status == VHDX_OK || !run->begun || !err)
        return status;
    const char *cure = status == VHDX_CANCELLED ? "run the same command again to go on" : err->advice;
    snprintf(advice, sizeof advice, "the merge is not finished, %.200s still reads as before; %.220s%s", run->child_path,
             cure, strstr(cure, "again") ? "" : ", then run the same command again");
    vx_locate(err, vx_at_file(run->child_path));
    return vx_advise(err, status, "%s", advice);
}

static vhdx_status run_merge(struct merge_run *run, vhdx_error *err)
{
    const vhdx_merge_options *options = run->options;
    struct vx_search search = {options->parents, options->parent_count};
    struct vx_chain_access access = {!run->plan_only, options->into};
    VX_TRY(vx_chain_open(options->host, run->child_path, &search, &access, &run->chain, &run->into, err));
    run->child = run->chain->layers[0];
    run->bottom = run->chain->layers[run->into - 1];
    run->target = run->chain->layers[run->into];
    VX_TRY(check(run, err)); /* M1 */
    if (run->plan_only)
        return VHDX_OK;
    VX_TRY(change(run, err));
    struct vx_aftermath aftermath = {.child = run->child_path,
                                     .target = run->report->target,
                                     .has_upper = run->upper_count > 0 || run->guard.merged_before,
                                     .deleted = options->delete_merged};
    vx_tell_aftermath(&aftermath, options->notice, options->notice_context);
    return VHDX_OK;
}

vhdx_status vx_merge(const char *child, const vhdx_merge_options *options, bool plan_only, vhdx_merge_report *report,
                     vhdx_error *err)
{
    struct merge_run run = {.options = options, .child_path = child, .plan_only = plan_only, .report = report};
    vhdx_status status = explain(&run, run_merge(&run, err), err);
    for (size_t i = 0; i < run.upper_count; i++)
        vx_image_close(run.uppers[i]);
    vx_free(run.uppers);
    vx_guard_free(&run.guard);
    vx_neighbours_free(&run.neighbours);
    vx_chain_close(run.chain);
    return status;
}
