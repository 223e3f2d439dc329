/*
 * A chain as one new dynamic disk. No input is written; until its end the new file is marked as unfinished. Moving
 * bytes is merge_apply.c's, as for a merge in place: the new disk is an empty target, and all layers are merged.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/merge.h"

#include "base/path.h"
#include "chain/fork.h"
#include "image/create.h"
#include "image/writing.h"
#include "merge/aftermath.h"
#include "merge/merge_apply.h"
#include "merge/run.h"

#include <stdio.h>

static vhdx_status create_target(struct vx_chain *chain, const char *path, struct vx_image **target, vhdx_error *err)
{
    const struct vx_image *leaf = chain->layers[0], *base = chain->layers[chain->count - 1];
    struct vx_fork_items items;
    VX_TRY(vx_fork_read_items(chain->layers[0], &items, err));
    struct vx_create_spec spec = {.virtual_size = leaf->items.virtual_size,
                                  .block_size = base->geometry.block_size,
                                  .logical_sector_size = leaf->items.logical_sector_size,
                                  .physical_sector_size = leaf->items.physical_sector_size,
                                  .virtual_disk_id = leaf->items.virtual_disk_id,
                                  .inherited = items.items,
                                  .inherited_count = items.count};
    vhdx_status status = vx_create_unfinished(chain->host, path, &spec, target, err);
    vx_fork_free_items(&items);
    return status;
}

static struct vx_merge_task merge_task(struct vx_chain *chain, struct vx_image *target,
                                       const vhdx_merge_options *options)
{
    return (struct vx_merge_task){.chain = chain,
                                  .layer_count = chain->count,
                                  .target = target,
                                  .virtual_size = target->geometry.virtual_size,
                                  .keep_zeros = options->zero_detect == VHDX_ZERO_DETECT_OFF,
                                  .options = options};
}

static vhdx_status plan(const struct vx_merge_task *task, vhdx_merge_report *report, vhdx_error *err)
{
    struct vx_totals totals;
    const struct vx_room room = {.at_most = UINT64_MAX};
    VX_TRY(vx_merge_plan_totals(task, 0, false, &totals, err));
    report->layers_merged = (uint32_t)task->layer_count;
    report->virtual_size = task->virtual_size;
    report->bytes_to_copy = totals.bytes_to_copy;
    report->bytes_to_share = totals.bytes_to_share;
    report->blocks_to_allocate = totals.blocks_to_allocate;
    report->blocks_to_zero = totals.blocks_to_zero;
    return vx_merge_check_room(task->target, &totals, &room, report, err);
}

static vhdx_status fill(struct vx_chain *chain, struct vx_image *target, const vhdx_merge_options *options,
                        vhdx_merge_report *report, vhdx_error *err)
{
    struct vx_copier copier;
    struct vx_teller teller = {options, 0, 0, 0};
    struct vx_merge_task task = merge_task(chain, target, options);
    struct vx_totals done = {0};
    struct vx_apply_options how = {.done = &done};
    VX_TRY(plan(&task, report, err));
    teller.total = report->bytes_to_copy + report->bytes_to_share;
    VX_TRY(vx_image_begin_write(target, NULL, err));
    VX_TRY(vx_copier_open(&copier, target->file, err));
    vx_teller_attach(&teller, &copier);
    vhdx_status status = vx_apply_layers(&task, &copier, &how, err);
    vx_merge_report_done(report, &copier, &done);
    vx_copier_close(&copier);
    report->flushes = vx_file_counters(target->file)->flushes;
    return status;
}

static vhdx_status make_new(struct vx_chain *chain, const char *path, const vhdx_merge_options *options,
                            vhdx_merge_report *report, vhdx_error *err)
{
    struct vx_image *target;
    VX_TRY(vx_chain_check_output(chain, path, err));
    VX_TRY(create_target(chain, path, &target, err));
    vhdx_status status = fill(chain, target, options, report, err);
    vx_path_put(report->target, path);
    if (status == VHDX_OK)
        return vx_create_finish(target, path, err);
    vx_create_abandon(target);
    return status;
}

vhdx_status vx_flatten(const char *child, const char *path, const vhdx_merge_options *options,
                       const struct vx_merge_surroundings *around, vhdx_merge_report *report, vhdx_error *err)
{
    struct vx_search search = {options->parents, options->parent_count};
    struct vx_chain *chain;
    VX_TRY(vx_chain_open(options->host, child, &search, NULL, &chain, NULL, err));
    vhdx_status status = VHDX_OK;
    for (size_t i = 0; i < chain->count && status == VHDX_OK; i++) {
        vx_image_tell(chain->layers[i], options->notice, options->notice_context);
        if (around->check)
            status = around->check(chain->layers[i], options->notice, options->notice_context, err);
    }
    if (status == VHDX_OK)
        status = make_new(chain, path, options, report, err);
    vx_chain_close(chain);
    if (status == VHDX_OK) {
        struct vx_aftermath aftermath = {
            .child = child, .target = path, .new_file = true, .owner_known = around->owner_known};
        vx_tell_aftermath(&aftermath, options->notice, options->notice_context);
    }
    return status;
}
