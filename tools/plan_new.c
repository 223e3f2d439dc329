/*
 * The plan of a merge into a new disk. See plan_new.h. The count of blocks is an upper bound: the library may find
 * that a block holds nothing but zeros and leave it out.
 */
/* SPDX-License-Identifier: MIT */
#include "plan_new.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB UINT64_C(1048576)

static vhdx_status fail(vhdx_error *err, vhdx_status status, const char *path, const char *message, const char *advice)
{
    *err = (vhdx_error){.status = status, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err->path, sizeof err->path, "%s", path);
    snprintf(err->message, sizeof err->message, "%s", message);
    snprintf(err->advice_text, sizeof err->advice_text, "%s", advice);
    err->advice = VHDX_ADVICE_TEXT;
    return status;
}

/* Adds up the data extents and the blocks of the new disk that they touch; extents come in order, so a block that two
 * of them touch is the last one counted. */
static vhdx_status count_data(vhdx_chain *chain, uint64_t block_size, vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_walk *walk;
    uint64_t next_block = 0; /* all before it are counted */
    vhdx_status status = vhdx_walk_new(chain, 0, &walk, err);
    if (status != VHDX_OK)
        return status;
    for (;;) {
        vhdx_extent extent;
        status = vhdx_walk_next(walk, &extent, err);
        if (status != VHDX_OK || extent.length == 0)
            break;
        if (extent.state != VHDX_EXTENT_DATA)
            continue;
        uint64_t first = extent.virtual_offset / block_size;
        uint64_t end = (extent.virtual_offset + extent.length - 1) / block_size + 1;
        report->bytes_to_copy += extent.length;
        if (end > next_block) {
            report->blocks_to_allocate += end - (first > next_block ? first : next_block);
            next_block = end;
        }
    }
    vhdx_walk_free(walk);
    return status;
}

static vhdx_status check_absent(const char *path, vhdx_error *err)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    uint64_t size = 0;
    vhdx_status status = host->open(host->context, path, VHDX_OPEN_PEEK, &io, err);
    if (status == VHDX_NOT_FOUND)
        return VHDX_OK;
    if (status == VHDX_OK) {
        status = io.ops->size(io.file, &size, err);
        io.ops->close(io.file);
    }
    if (status != VHDX_OK)
        return fail(err, status, path, "cannot be looked at", "choose another name");
    if (size == 0)
        return VHDX_OK;
    return fail(err, VHDX_EXISTS, path, "a file of that name is already there",
                "choose another name, or add --overwrite to lose what it holds");
}

/* Headers, log and metadata take 4 MiB at most; the BAT has 8 bytes for every payload block and sector bitmap block. */
static uint64_t fixed_cost(const vhdx_info *leaf, uint64_t block_size)
{
    uint64_t blocks = leaf->virtual_size / block_size + 1;
    return 4 * MIB + (blocks * 16 + MIB - 1) / MIB * MIB;
}

static vhdx_status check_space(const char *path, vhdx_merge_report *report, vhdx_error *err)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_space space;
    report->bytes_free = UINT64_MAX;
    if (host->space(host->context, path, &space, err) == VHDX_OK)
        report->bytes_free = space.free_bytes;
    if (report->bytes_needed <= report->bytes_free)
        return VHDX_OK;
    char message[128];
    snprintf(message, sizeof message, "needs up to %" PRIu64 " bytes, but only %" PRIu64 " are free",
             report->bytes_needed, report->bytes_free);
    return fail(err, VHDX_NO_SPACE, path, message, "free space on the volume, or choose another one");
}

static vhdx_status fill(vhdx_chain *chain, const char *path, uint64_t block_size, vhdx_merge_report *report,
                        vhdx_error *err)
{
    size_t layers = vhdx_chain_layer_count(chain);
    const vhdx_info *leaf = vhdx_chain_layer(chain, 0);
    if (leaf->format != VHDX_FORMAT_VHDX)
        return fail(err, VHDX_NOT_VHDX, leaf->path, "this is no VHDX file: it is a VHD disk, the format before VHDX",
                    "'vhdx convert' makes a VHDX of it");
    if (block_size == 0)
        block_size = vhdx_chain_layer(chain, layers - 1)->block_size;
    snprintf(report->target, sizeof report->target, "%s", path);
    report->layers_merged = (uint32_t)layers;
    report->virtual_size = leaf->virtual_size;
    vhdx_status status = count_data(chain, block_size, report, err);
    if (status != VHDX_OK)
        return status;
    report->bytes_needed = report->blocks_to_allocate * block_size + fixed_cost(leaf, block_size);
    return check_space(path, report, err);
}

vhdx_status plan_new(const char *child, const char *path, bool overwrite, uint64_t block_size,
                     const vhdx_open_options *options, vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_chain *chain;
    vhdx_status status = vhdx_chain_open(child, options, &chain, err);
    if (status != VHDX_OK)
        return status;
    *report = (vhdx_merge_report){.struct_size = sizeof *report};
    status = overwrite ? VHDX_OK : check_absent(path, err);
    if (status == VHDX_OK)
        status = fill(chain, path, block_size, report, err);
    vhdx_chain_free(chain);
    return status;
}
