/*
 * Sources of the builder: a chain of whatever format, and a caller's function. See build.h.
 */
/* SPDX-License-Identifier: MIT */
#include "build/build.h"

#include "chain/fork.h"
#include "chain/layered.h"
#include "evidence/lost_entries.h"

#define AT_ONCE (64 * VX_MIB) /* of a file, so that its holes are found while their neighbours are in memory */

/* ---- a chain ---- */

struct from_chain {
    struct vx_chain *chain;
    struct vx_cursor *cursor;
    uint64_t at, size;
};

/* Holes of the layer's file are zeros that nobody has to read. */
static void leave_holes_out(struct vx_supply *supply)
{
    uint64_t data, length;
    vx_file_next_data(supply->file, supply->file_offset, &data, &length);
    if (length == 0) {
        supply->kind = VX_SUPPLY_ZEROS;
    } else if (data > supply->file_offset) {
        supply->kind = VX_SUPPLY_ZEROS;
        supply->length = vx_min(supply->length, data - supply->file_offset);
    } else {
        supply->length = vx_min(supply->length, length);
    }
}

static vhdx_status next_of_chain(void *context, struct vx_supply *supply, vhdx_error *err)
{
    struct from_chain *from = context;
    struct vx_piece piece;
    if (from->at >= from->size)
        return VHDX_OK;
    VX_TRY(vx_cursor_at(from->cursor, from->at, from->size - from->at, &piece, err));
    *supply = (struct vx_supply){.kind = VX_SUPPLY_ZEROS, .length = piece.length};
    if (piece.kind == VX_RUN_DATA) {
        *supply = (struct vx_supply){.kind = VX_SUPPLY_FILE,
                                     .length = vx_min(piece.length, AT_ONCE),
                                     .file = from->chain->layers[piece.layer]->view,
                                     .file_offset = piece.file_offset};
        leave_holes_out(supply);
    }
    from->at += supply->length;
    return VHDX_OK;
}

static uint32_t sector_size(const struct vx_image *leaf, uint32_t size)
{
    return leaf->format == VHDX_FORMAT_RAW ? 0 : size; /* a raw file says nothing of sectors */
}

static struct vx_source source_of(struct from_chain *from, const struct vx_fork_items *items)
{
    const struct vx_image *leaf = vx_chain_leaf(from->chain);
    struct vx_source source = {.next = next_of_chain, .context = from, .lasts = true, .virtual_size = from->size};
    source.block_size = from->chain->layers[from->chain->count - 1]->geometry.block_size;
    source.logical_sector_size = sector_size(leaf, leaf->info.logical_sector_size);
    if (leaf->format != VHDX_FORMAT_VHDX)
        return source;
    source.physical_sector_size = leaf->info.physical_sector_size;
    source.virtual_disk_id = &leaf->items.virtual_disk_id;
    source.inherited = items->items;
    source.inherited_count = items->count;
    return source;
}

vhdx_status vx_convert_chain(struct vx_chain *chain, const char *path, const vhdx_build_options *options,
                             bool plan_only, vhdx_build_report *report, vhdx_error *err)
{
    struct vx_image *leaf = vx_chain_leaf(chain);
    struct from_chain from = {.chain = chain, .size = leaf->geometry.virtual_size};
    struct vx_fork_items items = {0};
    if (leaf->format == VHDX_FORMAT_VHDX)
        VX_TRY(vx_fork_read_items(leaf, &items, err));
    vhdx_status status = vx_cursor_open(chain, 0, chain->count, true, &from.cursor, err);
    if (status == VHDX_OK) {
        const struct vx_source source = source_of(&from, &items);
        report->source_format = leaf->format;
        status = (plan_only ? vx_build_plan : vx_build)(path, options, &source, report, err);
    }
    vx_cursor_close(from.cursor);
    vx_fork_free_items(&items);
    return status;
}

static unsigned format_flags(vhdx_format format)
{
    switch (format) {
    case VHDX_FORMAT_VHDX:
        return 0;
    case VHDX_FORMAT_VHD:
        return VX_OPEN_VHD;
    case VHDX_FORMAT_RAW:
        return VX_OPEN_ONLY_RAW;
    }
    return VX_OPEN_VHD | VX_OPEN_RAW;
}

static void tell_of_layer(struct vx_image *layer, const vhdx_build_options *options)
{
    if (layer->format != VHDX_FORMAT_VHDX)
        return;
    vx_image_tell(layer, options->notice, options->notice_context);
    vx_lost_entries_tell(layer, VX_LOST_ALL, options->notice, options->notice_context);
}

static vhdx_status check_source(const struct vx_chain *chain, const vhdx_build_options *options, const char *path,
                                vhdx_error *err)
{
    const struct vx_image *leaf = vx_chain_leaf(chain);
    if (options->source_format && leaf->format != options->source_format)
        return vx_fail(err, VHDX_NOT_VHDX, vx_at_file(vx_image_path(leaf)),
                       "the source has another format than was said");
    VX_TRY(vx_chain_check_output(chain, path, err));
    for (size_t i = 0; i < chain->count; i++)
        tell_of_layer(chain->layers[i], options);
    return VHDX_OK;
}

vhdx_status vx_convert(const char *from, const char *path, const vhdx_build_options *options, bool plan_only,
                       vhdx_build_report *report, vhdx_error *err)
{
    const struct vx_search search = {options->parents, options->parent_count};
    struct vx_chain *chain;
    VX_TRY(vx_chain_open_any(options->host, from, &search, format_flags(options->source_format), &chain, err));
    vhdx_status status = check_source(chain, options, path, err);
    if (status == VHDX_OK)
        status = vx_convert_chain(chain, path, options, plan_only, report, err);
    vx_chain_close(chain);
    return status;
}

/* ---- a caller's function ---- */

struct from_caller {
    vhdx_source_fn source;
    void *context;
};

static vhdx_status next_of_caller(void *context, struct vx_supply *supply, vhdx_error *err)
{
    static const enum vx_supply_kind kinds[] = {VX_SUPPLY_END, VX_SUPPLY_BYTES, VX_SUPPLY_ZEROS, VX_SUPPLY_ABSENT};
    const struct from_caller *from = context;
    vhdx_piece piece = {.kind = VHDX_PIECE_END};
    VX_TRY(vx_host_result(from->source(from->context, &piece, err), NULL, "yield the disk's content", err));
    if (piece.kind > VHDX_PIECE_ABSENT || (piece.kind != VHDX_PIECE_END && piece.length == 0) ||
        (piece.kind == VHDX_PIECE_DATA && !piece.bytes))
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "the source yields a piece that is none");
    *supply = (struct vx_supply){.kind = kinds[piece.kind], .length = piece.length, .bytes = piece.bytes};
    return VHDX_OK;
}

vhdx_status vx_build_from(const char *path, const vhdx_build_options *options, vhdx_source_fn source, void *context,
                          vhdx_build_report *report, vhdx_error *err)
{
    struct from_caller from = {source, context};
    const struct vx_source adapted = {.next = next_of_caller, .context = &from};
    return vx_build(path, options, &adapted, report, err);
}
