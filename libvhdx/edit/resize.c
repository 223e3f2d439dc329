/*
 * Resizing. Invariants; the lines that uphold them name them:
 *
 *  Z1  Nothing is written before every check has passed.
 *  Z2  At every instant the disk opens, with its old size or its new one, and what lies below the smaller of the two
 *      reads as before, but for the sectors of the partition table and of the record that protects it.
 *  Z3  At every instant one copy of a GUID partition table that was valid is valid, and names no sector beyond the
 * disk. A disk that grows has its new size before its table says so, one that shrinks after. Z4  The same call after a
 * cut goes on: each step is found to be done or to be left.
 *
 *      check | new DataWriteGuid | grow: (BAT moves) entries, tail, size | table | shrink: size, entries, file's end
 */
/* SPDX-License-Identifier: MIT */
#include "edit/resize.h"

#include "base/alloc.h"
#include "base/notice.h"
#include "base/size_text.h"
#include "chain/merge_trace.h"
#include "edit/children.h"
#include "edit/grow.h"
#include "edit/resize_run.h"
#include "edit/shrink.h"
#include "image/protect.h"
#include "image/space.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what is to be done ---- */

static vhdx_status fail_size(const struct vx_resize_run *run, uint64_t size, vhdx_error *err)
{
    return vx_fail(err, VHDX_ARG, vx_at_file(vx_image_path(run->image)),
                   "%" PRIu64 " bytes are no size for a disk with sectors of %" PRIu32
                   " bytes: a multiple of that up to 64 TiB is",
                   size, run->image->geometry.logical_sector_size);
}

/* Whole MiB, as hosts and clouds want them; never more than there is. */
static vhdx_status find_minimum(struct vx_resize_run *run, vhdx_error *err)
{
    const struct vx_layout *layout = &run->layout;
    struct vx_where where = vx_at_file(vx_image_path(run->image));
    if (layout->kind == VX_LAYOUT_NOTHING || (layout->kind != VX_LAYOUT_GPT && layout->end == 0)) {
        vx_fail(err, VHDX_REFUSED, where, "nothing on the disk says where its content ends");
        return vx_advise(err, VHDX_REFUSED, "name a size");
    }
    uint64_t least = vx_layout_least(layout, !run->options->keep_gpt);
    run->size = vx_min(vx_ceil_div(least, VX_MIB) * VX_MIB, run->old_size);
    return VHDX_OK;
}

static vhdx_status find_size(struct vx_resize_run *run, vhdx_error *err)
{
    const struct vx_geometry *geometry = &run->image->geometry;
    run->size = run->options->virtual_size;
    if (run->options->to_minimum)
        VX_TRY(find_minimum(run, err));
    if (!vx_geometry_init(&run->geometry, run->size, geometry->block_size, geometry->logical_sector_size,
                          geometry->has_parent))
        return fail_size(run, run->size, err);
    return VHDX_OK;
}

/* Whether the headers of a GUID partition table are put right; where not, why not. */
static void find_table(struct vx_resize_run *run)
{
    const struct vx_layout *layout = &run->layout;
    const char *doubt = layout->doubt;
    run->report->gpt = VHDX_GPT_NONE;
    if (layout->kind != VX_LAYOUT_GPT && !(layout->kind == VX_LAYOUT_DAMAGED && layout->doubt))
        return;
    if (layout->kind == VX_LAYOUT_GPT && !doubt && run->size < vx_layout_least(layout, true))
        doubt = "there is no room for the second copy of the partition table";
    run->report->gpt = run->options->keep_gpt ? VHDX_GPT_KEPT : VHDX_GPT_LEFT;
    if (run->options->keep_gpt)
        return;
    if (layout->kind != VX_LAYOUT_GPT || doubt) {
        if (run->size > run->old_size) /* a smaller one is refused */
            vx_notice(run->options->notice, run->options->notice_context, VHDX_NOTICE_WARNING,
                      "%s; it is left as it is, and says another size of the disk", doubt);
        return;
    }
    vx_table_plan(layout, run->size, run->table);
    run->report->gpt = run->table->count > 0 ? VHDX_GPT_PUT_RIGHT : VHDX_GPT_RIGHT;
}

static bool changes(const struct vx_resize_run *run)
{
    return run->size != run->old_size || run->table->count > 0 || run->stray_padding;
}

/* What a run that was cut off behind its commit has left: entries without meaning. */
static vhdx_status find_padding(struct vx_resize_run *run, vhdx_error *err)
{
    if (run->size != run->old_size)
        return VHDX_OK;
    return vx_padding_is_set(run->image, &run->stray_padding, err);
}

/* ---- what stands against it (Z1) ---- */

static vhdx_status check_disk(struct vx_resize_run *run, vx_layer_check_fn *look, vhdx_error *err)
{
    const vhdx_resize_options *options = run->options;
    for (size_t i = 0; i < run->chain->count; i++) {
        VX_TRY(vx_image_check_log(run->chain->layers[i], err));
        vx_image_tell(run->chain->layers[i], options->notice, options->notice_context);
    }
    if (look)
        VX_TRY(look(run->image, options->notice, options->notice_context, err));
    return vx_check_no_merge(run->image, &(struct vx_search){0}, err);
}

static vhdx_status check_changes(struct vx_resize_run *run, const struct vx_far_disks *far, vhdx_error *err)
{
    const vhdx_resize_options *options = run->options;
    const struct vx_children_wish wish = {.far = far,
                                          .advice = VHDX_ADVICE_RESIZE_LEAF,
                                          .notice = options->notice,
                                          .notice_context = options->notice_context};
    VX_TRY(vx_children_check(run->image, &wish, err));
    if (run->size < run->old_size)
        VX_TRY(vx_layout_check(&run->layout, run->size, !options->keep_gpt, options, err));
    VX_TRY(vx_image_check_write(run->image, err));
    VX_TRY(vx_resize_estimate(run, err));
    return vx_resize_check_room(run, err);
}

static vhdx_status protect(struct vx_resize_run *run, vhdx_error *err)
{
    const vhdx_resize_options *options = run->options;
    if (!options->undo)
        return VHDX_OK;
    VX_TRY(vx_chain_check_output(run->chain, options->undo, err));
    return vx_images_protect(&run->image, 1, options->undo, options->dry_run ? NULL : &run->undo, err);
}

/* ---- the change ---- */

/* Z3: where only the second copy is valid, it must not be searched for in vain when the disk has grown. */
static vhdx_status mend_first_copy(struct vx_resize_run *run, vhdx_error *err)
{
    if (run->table->count == 0 || run->layout.copies[0].right)
        return VHDX_OK;
    vx_table_plan_first(&run->layout, run->table);
    VX_TRY(vx_table_write(run->image, run->table, err));
    vx_layout_free(&run->layout);
    VX_TRY(vx_layout_read(run->chain, &run->layout, err));
    vx_table_plan(&run->layout, run->size, run->table);
    return VHDX_OK;
}

static vhdx_status change_size(struct vx_resize_run *run, vhdx_error *err)
{
    const vhdx_resize_options *options = run->options;
    const struct vx_growth growth = {
        .hidden_end = run->hidden_end, .progress = options->progress, .progress_context = options->progress_context};
    if (run->size > run->old_size) {
        VX_TRY(mend_first_copy(run, err));
        VX_TRY(vx_grow(run->image, run->size, &growth, err));
    }
    VX_TRY(vx_table_write(run->image, run->table, err)); /* Z3 */
    if (run->size < run->old_size)
        VX_TRY(vx_shrink(run->image, run->size, err));
    else if (run->stray_padding)
        VX_TRY(vx_clear_padding(run->image, err));
    return VHDX_OK;
}

static vhdx_status change(struct vx_resize_run *run, vhdx_error *err)
{
    struct vx_image *image = run->image;
    vhdx_guid content;
    VX_TRY(vx_new_guid(image->host, &content, err));
    run->begun = true;
    VX_TRY(vx_image_begin_write(image, &content, err));
    VX_TRY(change_size(run, err));
    uint64_t end = vx_space_end(image->space);
    VX_TRY(vx_image_end_write(image, err));
    if (run->size < run->old_size) { /* only when no log speaks of a longer file */
        VX_TRY(vx_file_cut(image->file, end, err));
        VX_TRY(vx_file_flush(image->file, err));
    }
    return vx_file_size(image->file, &run->report->file_size_after, err);
}

/* After the first write every message says what holds and how to go on. */
static vhdx_status explain(const struct vx_resize_run *run, vhdx_status status, vhdx_error *err)
{
    char cure[sizeof err->advice_text];
    if (status == VHDX_OK || !run->begun || !err)
        return status;
    snprintf(cure, sizeof cure, "%s", status == VHDX_CANCELLED ? "" : err->advice_text);
    bool again = VHDX_ADVICE_IS_AGAIN(err->advice) || cure[0] == '\0';
    return vx_advise_as(err, status, VHDX_ADVICE_CALL_AGAIN,
                        "the disk is whole, with its old size or its new one; %.300s%s%s", again ? "" : cure,
                        again ? "" : ", then ", "run the same command again to go on");
}

static void tell(const struct vx_resize_run *run)
{
    const vhdx_resize_options *options = run->options;
    char text[VX_SIZE_TEXT];
    if (run->report->gpt == VHDX_GPT_PUT_RIGHT)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NOTE,
                  "the partition table %s put right for the size: its second copy %s to the end of the disk",
                  options->dry_run ? "would be" : "was", options->dry_run ? "would go" : "went");
    if (run->size > run->old_size)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NEXT,
                  "In the guest, give the new %s to a partition and its file system.",
                  vx_size_text(run->size - run->old_size, text));
    if (run->size != run->old_size && vx_image_has_parent(run->image))
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NEXT,
                  "The layers below keep their size. Going back to a checkpoint goes back to the size it had.");
    vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NEXT,
              "A saved state no longer fits the disk, and the next backup must be a full one.");
}

static vhdx_status run_resize(struct vx_resize_run *run, const struct vx_far_disks *far, vx_layer_check_fn *look,
                              vhdx_error *err)
{
    vhdx_resize_report *report = run->report;
    VX_TRY(check_disk(run, look, err));
    VX_TRY(vx_layout_read(run->chain, &run->layout, err));
    VX_TRY(find_size(run, err));
    report->virtual_size = run->size;
    find_table(run);
    VX_TRY(find_padding(run, err));
    report->changed = changes(run);
    if (!report->changed)
        return VHDX_OK;
    VX_TRY(check_changes(run, far, err));
    VX_TRY(protect(run, err));
    if (!run->options->dry_run) {
        vhdx_status status = change(run, err);
        if (status != VHDX_OK)
            vx_image_abandon_write(run->image);
        if (status == VHDX_OK && run->undo)
            status = vx_undo_end(run->undo, err);
        VX_TRY(explain(run, status, err));
    }
    tell(run);
    return VHDX_OK;
}

/* A child's new blocks hide what its parent holds behind the child's former end, and there is nothing else to hide. */
static uint64_t hidden_end_of(const struct vx_chain *chain)
{
    return chain->count > 1 ? chain->layers[1]->geometry.virtual_size : 0;
}

static vhdx_status open_and_resize(struct vx_resize_run *run, const char *path, const struct vx_far_disks *far,
                                   vx_layer_check_fn *look, vhdx_error *err)
{
    const vhdx_resize_options *options = run->options;
    const struct vx_search search = {options->parents, options->parent_count};
    const struct vx_chain_access access = {.write = !options->dry_run, .leaf_only = true, .may_be_base = true};
    size_t into;
    VX_TRY(vx_chain_open(options->host, path, &search, &access, &run->chain, &into, err));
    run->image = vx_chain_leaf(run->chain);
    run->old_size = run->image->geometry.virtual_size;
    run->hidden_end = hidden_end_of(run->chain);
    run->report->virtual_size_before = run->report->virtual_size = run->old_size;
    run->report->file_size_before = run->report->file_size_after = run->image->info.file_size;
    return run_resize(run, far, look, err);
}

vhdx_status vx_disk_resize(const char *path, const vhdx_resize_options *options, const struct vx_far_disks *far,
                           vx_layer_check_fn *look, vhdx_resize_report *report, vhdx_error *err)
{
    struct vx_resize_run run = {.options = options, .report = report, .table = vx_alloc(1, sizeof *run.table)};
    if (!run.table)
        return vx_fail_memory(err, "a partition table");
    vhdx_status status = open_and_resize(&run, path, far, look, err);
    vx_undo_close(run.undo);
    vx_layout_free(&run.layout);
    vx_chain_close(run.chain);
    vx_free(run.table);
    return status;
}
