/*
 * A chain as one new disk. No input is written. Making the disk is the builder's (build/build.c), as for a conversion.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/merge.h"

#include "base/path.h"
#include "base/size_text.h"
#include "build/build.h"
#include "merge/aftermath.h"

static vhdx_build_options build_options(const vhdx_merge_options *options)
{
    return (vhdx_build_options){.struct_size = sizeof(vhdx_build_options),
                                .host = options->host,
                                .fixed = options->fixed_result,
                                .block_size = options->block_size,
                                .keep_zeros = options->zero_detect == VHDX_ZERO_DETECT_OFF,
                                .verify = options->verify,
                                .progress = options->progress,
                                .progress_context = options->progress_context,
                                .notice = options->notice,
                                .notice_context = options->notice_context};
}

/* Where files share bytes nobody can tell before how much room it takes. */
static bool may_share(const struct vx_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        if (vx_file_facts(chain->layers[i]->file)->attributes & VHDX_FILE_CAN_SHARE)
            return true;
    return false;
}

static vhdx_status check_room(const struct vx_chain *chain, const char *path, vhdx_merge_report *report,
                              vhdx_error *err)
{
    vhdx_space space = {.free_bytes = UINT64_MAX};
    char needed[VX_SIZE_TEXT], free_text[VX_SIZE_TEXT];
    if (chain->host->space(chain->host->context, path, &space, NULL) != VHDX_OK)
        space.free_bytes = UINT64_MAX;
    report->bytes_free = space.free_bytes;
    report->bytes_added = report->bytes_needed = may_share(chain) ? 0 : report->bytes_to_copy;
    if (report->bytes_needed <= space.free_bytes)
        return VHDX_OK;
    return vx_fail(err, VHDX_NO_SPACE, vx_at_file(path), "the new disk needs up to %s, the volume has %s free",
                   vx_size_text(report->bytes_needed, needed), vx_size_text(space.free_bytes, free_text));
}

static vhdx_status plan(struct vx_chain *chain, const char *path, const vhdx_build_options *build,
                        vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_build_report plan = {.struct_size = sizeof plan};
    vhdx_build_options quiet = *build;
    quiet.notice = NULL;
    VX_TRY(vx_convert_chain(chain, path, &quiet, true, &plan, err));
    report->layers_merged = (uint32_t)chain->count;
    report->virtual_size = plan.virtual_size;
    report->bytes_to_copy = plan.bytes_data;
    report->blocks_to_allocate = plan.blocks;
    return check_room(chain, path, report, err);
}

static vhdx_status make_new(struct vx_chain *chain, const char *path, const vhdx_merge_options *options,
                            vhdx_merge_report *report, vhdx_error *err)
{
    const vhdx_build_options build = build_options(options);
    vhdx_build_report done = {.struct_size = sizeof done};
    vx_path_put(report->target, path);
    VX_TRY(vx_chain_check_output(chain, path, err));
    VX_TRY(plan(chain, path, &build, report, err));
    vhdx_status status = vx_convert_chain(chain, path, &build, false, &done, err);
    report->bytes_copied = done.bytes_data - done.bytes_shared;
    report->bytes_shared = done.bytes_shared;
    report->bytes_verified = done.bytes_verified;
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
