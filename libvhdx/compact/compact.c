/*
 * The protocol of a compaction. Invariants; the lines that uphold them name them:
 *
 *  C1  Nothing is written before every check has passed.
 *  C2  At every instant the disk reads the same, but for sectors that no file system of the guest uses, which may read
 *      as zeros already. Where those change the disk has a new DataWriteGuid before the first of them does.
 *  C3  A block's bytes are durable at their new place before the entry that leads there is, and its old place is given
 *      to nobody before that entry is durable (journal.h, J1 and J5).
 *  C4  The file is cut only when its log is empty, durably: an entry in it demands the length of then.
 *  C5  The same call goes on after a failure, a cancelled or a cut-off run: it plans anew from what is there.
 *
 *      check, plan | undo file | entries leave | blocks | bitmaps | regions | log empty | log moves | cut
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/notice.h"
#include "chain/merge_trace.h"
#include "chain/neighbours.h"
#include "compact/compact_run.h"
#include "image/header_update.h"
#include "image/protect.h"
#include "image/space.h"
#include "image/writing.h"

#include <string.h>

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static vhdx_status open_disk(struct vx_compact_run *run, vhdx_error *err)
{
    const vhdx_compact_options *options = run->options;
    struct vx_search search = {options->parents, options->parent_count};
    struct vx_chain_access access = {.write = !run->plan_only, .leaf_only = true, .may_be_base = true};
    size_t into;
    VX_TRY(vx_chain_open(options->host, run->path, &search, &access, &run->chain, &into, err));
    run->disk = vx_chain_leaf(run->chain);
    run->report->virtual_size = run->disk->geometry.virtual_size;
    run->report->file_size_before = run->report->file_size_after = run->disk->info.file_size;
    return VHDX_OK;
}

static bool punches(const struct vx_compact_run *run)
{
    return run->options->punch && !(vx_file_facts(run->disk->file)->attributes & VHDX_FILE_SPARSE_HARMS);
}

static vhdx_status check_kind(const struct vx_compact_run *run, vhdx_error *err)
{
    if (!vx_image_is_fixed(run->disk))
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, vx_at_file(run->path),
            "the disk is fixed: all of its blocks have their places for good");
    return vx_advise(err, VHDX_REFUSED, "nothing was changed; only a dynamic disk can give space back");
}

static vhdx_status check_all(struct vx_compact_run *run, vx_layer_check_fn *check_layer, vhdx_error *err)
{
    const vhdx_compact_options *options = run->options;
    VX_TRY(check_kind(run, err));
    if (options->punch && !punches(run))
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING,
                  "%s: no holes are punched, sparse files do harm where it lies", run->path);
    for (size_t i = 0; i < run->chain->count; i++)
        vx_image_tell(run->chain->layers[i], options->notice, options->notice_context);
    if (check_layer)
        VX_TRY(check_layer(run->disk, options->notice, options->notice_context, err));
    VX_TRY(vx_image_check_write(run->disk, err));
    return vx_check_no_merge(run->disk, &(struct vx_search){options->parents, options->parent_count}, err);
}

/* ---- what the guest does not use --------------------------------------------------------------------------------- */

/* Whether the disk's content is another one's parent, or may be. */
static bool hangs_on(const struct vx_neighbour *other, const vhdx_guid *identity)
{
    return other->is_obscure || other->is_busy || other->is_unreadable ||
           (other->has_linkage && vx_guid_equal(&other->linkage, identity)) ||
           (other->has_linkage2 && vx_guid_equal(&other->linkage2, identity));
}

static const char *find_child(const struct vx_compact_run *run, const struct vx_neighbours *neighbours)
{
    for (size_t i = 0; i < neighbours->count; i++)
        if (hangs_on(&neighbours->items[i], &run->disk->header.data_write_guid))
            return neighbours->items[i].path;
    return neighbours->vhd_set;
}

/* A child reads its parent's sectors as they are, also those that the parent's file systems do not use any more. */
static vhdx_status look_for_children(struct vx_compact_run *run, vhdx_error *err)
{
    const vhdx_compact_options *options = run->options;
    struct vx_neighbours neighbours = {0};
    VX_TRY(vx_neighbours_find(run->chain, 1, NULL, &neighbours, err));
    const char *child = find_child(run, &neighbours);
    if (child && options->force)
        run->keeps_identity = true;
    else if (child)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING,
                  "%s: other disks hang on it, or may (%s): only zeros are given back", run->path, child);
    run->report->zeros_only = child && !options->force;
    vx_neighbours_free(&neighbours);
    return VHDX_OK;
}

static vhdx_status find_free(struct vx_compact_run *run, vhdx_error *err)
{
    const vhdx_compact_options *options = run->options;
    run->report->zeros_only = options->zeros_only;
    if (!options->zeros_only)
        VX_TRY(look_for_children(run, err));
    if (run->report->zeros_only)
        return VHDX_OK;
    VX_TRY(vx_free_map_fill(&run->free, run->chain, options->volume, options->volume_context, err));
    run->report->free_bytes = run->free.bytes;
    return VHDX_OK;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static bool is_packed(const struct vx_compact_run *run)
{
    const vhdx_compact_report *report = run->report;
    return report->blocks_zero == 0 && report->blocks_unused == 0 && report->bytes_to_move == 0 &&
           report->bytes_punched == 0 && report->file_size_after == report->file_size_before;
}

static vhdx_status protect(struct vx_compact_run *run, vhdx_error *err)
{
    if (!run->options->undo)
        return VHDX_OK;
    VX_TRY(vx_chain_check_output(run->chain, run->options->undo, err));
    return vx_images_protect(&run->disk, 1, run->options->undo, run->plan_only ? NULL : &run->undo, err);
}

/* C2 */
static vhdx_status begin(struct vx_compact_run *run, vhdx_error *err)
{
    vhdx_guid identity;
    bool renew = run->content_changes && !run->keeps_identity;
    if (renew)
        VX_TRY(vx_new_guid(run->options->host, &identity, err));
    run->begun = true;
    return vx_image_begin_write(run->disk, renew ? &identity : NULL, err);
}

/* Where the log moves to; its length 0: it stays. */
static struct vx_object log_move(const struct vx_compact_run *run)
{
    for (size_t i = 0; i < run->pack.count && !run->cancelled; i++)
        if (run->pack.objects[i].kind == VX_OBJECT_LOG && run->pack.objects[i].to != run->pack.objects[i].from)
            return run->pack.objects[i];
    return (struct vx_object){0};
}

/* The log is empty: only the header says where it is. */
static vhdx_status move_log(struct vx_image *disk, const struct vx_object *log, vhdx_error *err)
{
    struct vx_header header = disk->header;
    const struct vx_head head = vx_image_head(disk);
    if (log->length == 0)
        return VHDX_OK;
    header.log_offset = log->to;
    VX_TRY(vx_file_zero(disk->file, log->to, log->length, err));
    return vx_header_update(&head, &header, err);
}

/* C4 */
static vhdx_status finish(struct vx_compact_run *run, vhdx_error *err)
{
    struct vx_image *disk = run->disk;
    struct vx_object log = log_move(run);
    if (log.length > 0)
        VX_TRY(vx_space_release(disk->space, log.from, log.length, err));
    VX_TRY(vx_image_commit(disk, err));
    vx_space_committed(disk->space);
    uint64_t end = vx_space_end(disk->space);
    VX_TRY(vx_image_end_write(disk, err));
    VX_TRY(move_log(disk, &log, err));
    VX_TRY(vx_file_flush(disk->file, err));
    VX_TRY(vx_file_cut(disk->file, end, err));
    VX_TRY(vx_file_flush(disk->file, err));
    VX_TRY(vx_file_size(disk->file, &run->report->file_size_after, err));
    disk->info.file_size = run->report->file_size_after;
    return VHDX_OK;
}

/* A disk that came without a log has got one, in a place that the plan has given away. */
static vhdx_status plan_again(struct vx_compact_run *run, vhdx_error *err)
{
    vx_pack_clear(&run->pack);
    return vx_compact_plan_places(run, err);
}

static vhdx_status change(struct vx_compact_run *run, vhdx_error *err)
{
    bool has_log = run->disk->header.log_length > 0;
    VX_TRY(begin(run, err));
    if (!has_log)
        VX_TRY(plan_again(run, err));
    VX_TRY(vx_compact_drop(run, err));
    VX_TRY(vx_compact_move(run, err)); /* C3 */
    if (punches(run) && !run->cancelled)
        VX_TRY(vx_compact_punch(run, true, err));
    VX_TRY(finish(run, err));
    if (run->cancelled)
        return vx_fail(err, VHDX_CANCELLED, vx_at_file(run->path), "the compaction was cancelled");
    return run->undo ? vx_undo_end(run->undo, err) : VHDX_OK;
}

/* After the first write every message says what holds and how to go on. */
static vhdx_status explain(const struct vx_compact_run *run, vhdx_status status, vhdx_error *err)
{
    if (status == VHDX_OK || !run->begun || !err)
        return status;
    vx_locate(err, vx_at_file(run->path));
    return vx_advise_as(err, status, VHDX_ADVICE_CALL_AGAIN,
                        "the compaction is not finished, the disk reads as before; run it again to go on");
}

static vhdx_status run_all(struct vx_compact_run *run, vx_layer_check_fn *check_layer, vhdx_error *err)
{
    VX_TRY(open_disk(run, err));
    VX_TRY(check_all(run, check_layer, err));
    VX_TRY(find_free(run, err));
    VX_TRY(vx_compact_scan(run, err));
    VX_TRY(vx_compact_plan_places(run, err));
    if (punches(run))
        VX_TRY(vx_compact_punch(run, false, err));
    else
        vx_free_map_clear(&run->free);
    VX_TRY(protect(run, err)); /* C1 */
    if (run->plan_only || is_packed(run))
        return VHDX_OK;
    return change(run, err);
}

vhdx_status vx_compact(const char *path, const vhdx_compact_options *options, bool plan_only, vx_layer_check_fn *check,
                       vhdx_compact_report *report, vhdx_error *err)
{
    struct vx_compact_run run = {.options = options, .path = path, .plan_only = plan_only, .report = report};
    vhdx_status status = explain(&run, run_all(&run, check, err), err);
    if (run.disk && status != VHDX_OK)
        vx_image_abandon_write(run.disk);
    vx_undo_close(run.undo);
    vx_pack_clear(&run.pack);
    vx_free_map_clear(&run.free);
    vx_free(run.drop);
    vx_chain_close(run.chain);
    return status;
}
