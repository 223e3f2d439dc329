/*
 * The public functions of images, chains and walks: arguments are checked once, then one call goes down. No logic
 * belongs here. See vhdx.h for what each function promises, and api_*.c for the other operations.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "base/alloc.h"
#include "base/guid.h"
#include "base/options.h"
#include "base/quote.h"
#include "chain/export.h"
#include "chain/fork.h"
#include "chain/layered.h"
#include "evidence/lost_entries.h"

#include <stdatomic.h>
#include <string.h>

struct vhdx_image {
    struct vx_image *image;
};

struct vhdx_chain {
    struct vx_chain *chain;
    vhdx_notice_fn notice; /* NULL, or to hear of what only a walk of the BATs tells */
    void *notice_context;
    atomic_flag told; /* the first thread that reads the chain tells it */
};

struct vhdx_walk {
    struct vx_chain *chain;
    struct vx_cursor *cursor;
    uint64_t at;         /* where `next` begins */
    vhdx_extent pending; /* read already, not yet handed out; length 0: none */
};

size_t vhdx_quote(const char *name, vhdx_shell shell, char *text, size_t room)
{
    struct vx_arena arena = {0};
    const char *word = NULL;
    if (name && shell == VHDX_SHELL_POWERSHELL)
        word = vx_quote_powershell(&arena, name);
    else if (name)
        word = vx_quote_word(&arena, name, vhdx_native_host()->windows_paths);
    size_t length = word ? strlen(word) : 0;
    if (text && room > 0)
        text[0] = '\0';
    if (text && word && length < room)
        memcpy(text, word, length + 1);
    vx_arena_clear(&arena);
    return length;
}

void vhdx_guid_format(const vhdx_guid *guid, char text[37])
{
    vx_guid_format(guid, text);
}

vhdx_status vhdx_guid_parse(const char *text, vhdx_guid *guid)
{
    return text && guid && vx_guid_parse(text, strlen(text), guid) ? VHDX_OK : VHDX_ARG;
}

/* Whoever only reads may read a VHD. */
static unsigned reader_flags(const vhdx_open_options *options)
{
    return VX_OPEN_VHD | (options->inspect_only ? (unsigned)VX_OPEN_INSPECT : 0u);
}

vhdx_status vhdx_image_open(const char *path, const vhdx_open_options *given, vhdx_image **image, vhdx_error *err)
{
    vhdx_open_options options;
    vx_clear(err);
    if (!path || !image)
        return vx_refuse_argument(err, "vhdx_image_open: a path and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_image *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "an image");
    vhdx_status status = vx_image_open(options.host, path, reader_flags(&options), &handle->image, err);
    if (status != VHDX_OK) {
        vx_free(handle);
        return status;
    }
    vx_image_tell(handle->image, options.notice, options.notice_context);
    vx_lost_entries_tell(handle->image, VX_LOST_CHEAP, options.notice, options.notice_context);
    *image = handle;
    return VHDX_OK;
}

void vhdx_image_free(vhdx_image *image)
{
    if (image)
        vx_image_close(image->image);
    vx_free(image);
}

const vhdx_info *vhdx_image_info(const vhdx_image *image)
{
    return &image->image->info;
}

/* Once for each chain, before all of it is read. */
static void tell_lost_entries(vhdx_chain *chain)
{
    if (!chain->notice || atomic_flag_test_and_set(&chain->told))
        return;
    for (size_t i = 0; i < chain->chain->count; i++)
        vx_lost_entries_tell(chain->chain->layers[i], VX_LOST_ALL, chain->notice, chain->notice_context);
}

vhdx_status vhdx_chain_open(const char *path, const vhdx_open_options *given, vhdx_chain **chain, vhdx_error *err)
{
    vhdx_open_options options;
    vx_clear(err);
    if (!path || !chain)
        return vx_refuse_argument(err, "vhdx_chain_open: a path and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_chain_open: a parent has no name");
    struct vx_search search = {options.parents, options.parent_count};
    vhdx_chain *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "a chain");
    vhdx_status status = vx_chain_open_any(options.host, path, &search, VX_OPEN_VHD, &handle->chain, err);
    if (status != VHDX_OK) {
        vx_free(handle);
        return status;
    }
    for (size_t i = 0; i < handle->chain->count; i++)
        vx_image_tell(handle->chain->layers[i], options.notice, options.notice_context);
    atomic_flag_clear(&handle->told);
    handle->notice = options.notice;
    handle->notice_context = options.notice_context;
    *chain = handle;
    return VHDX_OK;
}

vhdx_status vhdx_chain_list(const char *path, const vhdx_open_options *given, vhdx_layer_fn layer, void *context,
                            vhdx_error *err)
{
    vhdx_open_options options;
    vx_clear(err);
    if (!path || !layer)
        return vx_refuse_argument(err, "vhdx_chain_list: a path and a function are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_chain_list: a parent has no name");
    struct vx_search search = {options.parents, options.parent_count};
    return vx_chain_list(options.host, path, &search, reader_flags(&options), layer, context, err);
}

void vhdx_chain_free(vhdx_chain *chain)
{
    if (chain)
        vx_chain_close(chain->chain);
    vx_free(chain);
}

size_t vhdx_chain_layer_count(const vhdx_chain *chain)
{
    return chain->chain->count;
}

const vhdx_info *vhdx_chain_layer(const vhdx_chain *chain, size_t layer)
{
    return layer < chain->chain->count ? &chain->chain->layers[layer]->info : NULL;
}

vhdx_status vhdx_chain_read(vhdx_chain *chain, void *buf, size_t length, uint64_t virtual_offset, vhdx_error *err)
{
    vx_clear(err);
    if (!chain || (!buf && length > 0))
        return vx_refuse_argument(err, "vhdx_chain_read: a chain and a buffer are needed");
    uint64_t size = vx_chain_leaf(chain->chain)->geometry.virtual_size;
    if (virtual_offset > size || length > size - virtual_offset)
        return vx_refuse_argument(err, "the range does not lie on the virtual disk");
    return vx_chain_read(chain->chain, 0, buf, length, virtual_offset, err);
}

vhdx_status vhdx_walk_new(vhdx_chain *chain, uint64_t virtual_offset, vhdx_walk **walk, vhdx_error *err)
{
    vx_clear(err);
    if (!chain || !walk || virtual_offset > vx_chain_leaf(chain->chain)->geometry.virtual_size)
        return vx_refuse_argument(err, "vhdx_walk_new: a chain, a place on its disk and one for the handle are needed");
    vhdx_walk *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "a walk");
    tell_lost_entries(chain);
    handle->chain = chain->chain;
    handle->at = virtual_offset;
    vhdx_status status = vx_cursor_open(chain->chain, 0, chain->chain->count, true, &handle->cursor, err);
    if (status == VHDX_OK)
        *walk = handle;
    else
        vx_free(handle);
    return status;
}

void vhdx_walk_free(vhdx_walk *walk)
{
    if (walk)
        vx_cursor_close(walk->cursor);
    vx_free(walk);
}

static vhdx_extent extent_of(const struct vx_piece *piece, size_t base)
{
    bool absent = piece->kind == VX_RUN_TRANSPARENT || piece->beyond_end;
    return (vhdx_extent){.virtual_offset = piece->virtual_offset,
                         .length = piece->length,
                         .file_offset = piece->kind == VX_RUN_DATA ? piece->file_offset : VHDX_NOWHERE,
                         .layer = absent ? base : piece->layer,
                         .state = absent                       ? VHDX_EXTENT_ABSENT
                                  : piece->kind == VX_RUN_DATA ? VHDX_EXTENT_DATA
                                                               : VHDX_EXTENT_ZERO};
}

static bool joins(const vhdx_extent *extent, const vhdx_extent *next)
{
    return extent->state == next->state && extent->layer == next->layer &&
           (extent->state != VHDX_EXTENT_DATA || extent->file_offset + extent->length == next->file_offset);
}

/* The next extent as one look at the chain tells it; length 0 at the end. */
static vhdx_status look_ahead(vhdx_walk *walk, vhdx_extent *extent, vhdx_error *err)
{
    uint64_t size = vx_chain_leaf(walk->chain)->geometry.virtual_size;
    struct vx_piece piece;
    *extent = (vhdx_extent){.virtual_offset = walk->at, .file_offset = VHDX_NOWHERE, .state = VHDX_EXTENT_ABSENT};
    if (walk->at >= size)
        return VHDX_OK;
    VX_TRY(vx_cursor_at(walk->cursor, walk->at, size - walk->at, &piece, err));
    *extent = extent_of(&piece, walk->chain->count - 1);
    walk->at += piece.length;
    return VHDX_OK;
}

vhdx_status vhdx_walk_next(vhdx_walk *walk, vhdx_extent *extent, vhdx_error *err)
{
    vhdx_extent next;
    vx_clear(err);
    if (!walk || !extent)
        return vx_refuse_argument(err, "vhdx_walk_next: a walk and a place for the extent are needed");
    if (walk->pending.length == 0)
        VX_TRY(look_ahead(walk, &walk->pending, err));
    *extent = walk->pending;
    walk->pending.length = 0;
    while (extent->length > 0) {
        if (look_ahead(walk, &next, NULL) != VHDX_OK)
            break; /* the next call meets it again, and tells */
        if (next.length == 0 || !joins(extent, &next)) {
            walk->pending = next;
            break;
        }
        extent->length += next.length;
    }
    return VHDX_OK;
}

/* Where a stream begins is on the disk. */
static vhdx_status take_stream_options(vhdx_stream_options *options, const vhdx_stream_options *given,
                                       const vhdx_chain *chain, vhdx_error *err)
{
    VX_TRY(vx_take_options(options, sizeof *options, given, err));
    if (options->begin > vx_chain_leaf(chain->chain)->geometry.virtual_size)
        return vx_refuse_argument(err, "a stream cannot begin behind the end of the disk");
    if (options->end)
        *options->end = options->begin;
    return VHDX_OK;
}

vhdx_status vhdx_chain_stream(vhdx_chain *chain, vhdx_sink_fn sink, void *context, const vhdx_stream_options *given,
                              vhdx_error *err)
{
    vhdx_stream_options options;
    vx_clear(err);
    if (!chain || !sink)
        return vx_refuse_argument(err, "vhdx_chain_stream: a chain and a sink are needed");
    VX_TRY(take_stream_options(&options, given, chain, err));
    tell_lost_entries(chain);
    return vx_chain_stream(chain->chain, 0, sink, context, &options, err);
}

vhdx_status vhdx_chain_export(vhdx_chain *chain, const char *path, const vhdx_stream_options *given, vhdx_error *err)
{
    vhdx_stream_options options;
    vx_clear(err);
    if (!chain || !path)
        return vx_refuse_argument(err, "vhdx_chain_export: a chain and a path are needed");
    VX_TRY(take_stream_options(&options, given, chain, err));
    tell_lost_entries(chain);
    return vx_chain_export(chain->chain, path, &options, err);
}

vhdx_status vhdx_chain_hash(vhdx_chain *chain, uint8_t hash[16], const vhdx_stream_options *given, vhdx_error *err)
{
    vhdx_stream_options options;
    vx_clear(err);
    if (!chain || !hash)
        return vx_refuse_argument(err, "vhdx_chain_hash: a chain and a place for the hash are needed");
    VX_TRY(take_stream_options(&options, given, chain, err));
    if (options.begin > 0)
        return vx_refuse_argument(err, "vhdx_chain_hash: a hash is one of the whole disk");
    tell_lost_entries(chain);
    return vx_chain_hash(chain->chain, hash, &options, err);
}
vhdx_status vhdx_create(const char *path, const vhdx_create_options *given, vhdx_error *err)
{
    vhdx_create_options options;
    vx_clear(err);
    if (!path || !given)
        return vx_refuse_argument(err, "vhdx_create: a path and options are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    struct vx_create_spec spec = {.virtual_size = options.virtual_size,
                                  .block_size = options.block_size,
                                  .logical_sector_size = options.logical_sector_size,
                                  .physical_sector_size = options.physical_sector_size,
                                  .fixed = options.fixed};
    if (options.data_write_guid)
        spec.data_write_guid = *options.data_write_guid;
    if (options.virtual_disk_id)
        spec.virtual_disk_id = *options.virtual_disk_id;
    if (options.parent && options.virtual_disk_id)
        return vx_refuse_argument(err, "a differencing disk has the virtual disk id of its parent");
    if (options.parent && options.fixed)
        return vx_refuse_argument(err, "a differencing disk cannot be fixed");
    if (options.parent)
        return vx_fork(options.host, path, options.parent, &spec, err);
    return vx_create(options.host, path, &spec, err);
}
