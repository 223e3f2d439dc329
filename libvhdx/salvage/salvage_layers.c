/*
 * Opening damaged layers. See salvage.h. Each is rebuilt in memory and then opened by the strict opener, so that the
 * rules of reading are written down once. Easy to get wrong: a parent that the caller names is believed only where
 * nothing proves another one, and what it shows stays doubtful.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/notice.h"
#include "image/traces.h"
#include "base/path.h"
#include "evidence/sizes.h"
#include "guest/partitions.h"
#include "salvage/salvage.h"

#include <stdio.h>
#include <string.h>

struct opening {
    struct vx_salvage_layers *layers;
    const vhdx_salvage_options *options;
    struct vx_chain chain; /* the same images, as resolve.c wants to see them */
    struct vx_parent_hint hint;
    bool has_hint;
};

static void say_evidence(const struct opening *opening, const char *path, const struct vx_rebuilt *rebuilt)
{
    const vhdx_salvage_options *options = opening->options;
    for (int i = 0; i < VX_PART_COUNT; i++) {
        const struct vx_clue *clue = &rebuilt->clues[i];
        if (clue->witness != VX_WITNESS_STORED)
            vx_notice(options->notice, options->notice_context,
                      clue->lossless ? VHDX_NOTICE_DETAIL : VHDX_NOTICE_WARNING, "%s: %s: %s", path,
                      vx_part_name((enum vx_part)i), clue->evidence);
    }
}

/* Nothing of a disk is there: what was asked for is something else. */
static bool is_foreign(const struct vx_rebuilt *rebuilt)
{
    return rebuilt->clues[VX_PART_FILE_ID].witness != VX_WITNESS_STORED &&
           rebuilt->clues[VX_PART_HEADER].witness == VX_WITNESS_DEFAULT &&
           rebuilt->clues[VX_PART_REGIONS].witness == VX_WITNESS_DEFAULT &&
           rebuilt->clues[VX_PART_METADATA].witness == VX_WITNESS_DEFAULT &&
           rebuilt->clues[VX_PART_VIRTUAL_SIZE].witness != VX_WITNESS_CONTENT;
}

/* Where a size that is a guess may be too large. */
static uint64_t last_block(const struct vx_geometry *geometry)
{
    return geometry->virtual_size > 0 ? vx_round_down(geometry->virtual_size - 1, geometry->block_size) : 0;
}

/* What the reading stands on. Ids, the physical sector size and the disk's end change no byte of what is read. */
static void judge_layer(struct vx_salvage_layer *layer)
{
    static const struct {
        enum vx_part part;
        const char *reason;
    } grounds[] = {
        {VX_PART_LOG, "what was in the log is not certain"},
        {VX_PART_REGIONS, "where the BAT lies is not certain"},
        {VX_PART_BLOCK_SIZE, "the block size is not certain"},
        {VX_PART_LOGICAL_SECTOR, "the sector size is not certain"},
    };
    const struct vx_clue *clues = layer->rebuilt->clues;
    const struct vx_size_answer *sizes = &layer->rebuilt->sizes;
    for (size_t i = 0; i < sizeof grounds / sizeof grounds[0] && !layer->doubt; i++)
        if (!clues[grounds[i].part].lossless && !(grounds[i].part == VX_PART_LOGICAL_SECTOR && sizes->by_guest_only))
            layer->doubt = grounds[i].reason;
    if (sizes->verdict == VX_SIZES_TIED && !layer->doubt)
        layer->doubt = "the disk's sizes contradict the BAT or what is in the disk, and more than one would do";
    if (sizes->contradicted && !layer->doubt)
        layer->doubt = "the blocks lie in the file as if they had another size";
    layer->certain_end = sizes->certain_end ? sizes->certain_end : UINT64_MAX;
    if (!clues[VX_PART_VIRTUAL_SIZE].lossless || layer->rebuilt->size_rounded)
        layer->certain_end = vx_min(layer->certain_end, last_block(&layer->rebuilt->geometry));
    bool left_locator = layer->rebuilt->locator && !(layer->rebuilt->parameter_flags & VX_PARAMETER_HAS_PARENT);
    layer->maybe_child = !clues[VX_PART_PARAMETER_FLAGS].lossless || left_locator;
}

/* Nothing in the file speaks for a VHDX, but its name does, and it does not begin as something else. */
static vhdx_status was_one(const struct vx_salvage_layer *layer, const vhdx_host *host, bool *was, vhdx_error *err)
{
    const char *path = vx_file_path(layer->file);
    struct vx_traces traces;
    VX_TRY(vx_traces_look(layer->file, &traces, err));
    *was = !traces.foreign && layer->rebuilt->only_pieces &&
           (vx_path_has_extension(path, ".vhdx", host->windows_paths) ||
            vx_path_has_extension(path, ".avhdx", host->windows_paths));
    return VHDX_OK;
}

static vhdx_status refuse_foreign(const struct vx_salvage_layer *layer, vhdx_error *err)
{
    vx_fail(err, VHDX_NOT_VHDX, vx_at_file(vx_file_path(layer->file)),
            "nothing of a VHDX is recognized: no identifier, header, region table or metadata");
    return layer->rebuilt->only_pieces
               ? vx_advise(
                     err, VHDX_NOT_VHDX,
                     "if it was one, give it a name that ends in .vhdx: then what lies in it is written as pieces")
               : VHDX_NOT_VHDX;
}

static vhdx_status rebuild_layer(struct opening *opening, struct vx_salvage_layer *layer, vhdx_error *err)
{
    struct vx_rebuild_options options = {
        .host = opening->layers->host,
        .patient = layer->patient,
        .parent = opening->has_hint ? &opening->hint : NULL,
        .search_content = true,
        .progress = opening->options->progress,
        .progress_context = opening->options->progress_context,
    };
    if (layer == opening->layers->items) /* what the caller says is about the leaf */
        options.told =
            (struct vx_told_sizes){opening->options->assume_virtual_size, opening->options->assume_block_size,
                                   opening->options->assume_logical_sector};
    struct vx_file *view;
    VX_TRY(vx_rebuild(layer->file, &options, &layer->rebuilt, err));
    bool known = !is_foreign(layer->rebuilt);
    if (!known)
        VX_TRY(was_one(layer, opening->layers->host, &known, err));
    if (!known)
        return refuse_foreign(layer, err);
    if (layer->rebuilt->only_pieces) {
        vx_notice(opening->options->notice, opening->options->notice_context, VHDX_NOTICE_WARNING,
                  "%s: nothing tells the disk's size, or which block of it lies where: only pieces of it can be had",
                  vx_file_path(layer->file));
        return VHDX_OK;
    }
    layer->view_size = layer->rebuilt->claims.slots ? layer->rebuilt->file_size : 0;
    VX_TRY(vx_rebuilt_view(layer->rebuilt, &view, err));
    VX_TRY(vx_image_open_file(opening->layers->host, view, VX_OPEN_INSPECT | VX_OPEN_UNFINISHED, &layer->image, err));
    VX_TRY(vx_run_reader_open(layer->image, VX_BAT_WINDOW_LARGE, &layer->reader, err));
    layer->has_reader = true;
    judge_layer(layer);
    say_evidence(opening, vx_file_path(layer->file), layer->rebuilt);
    return VHDX_OK;
}

/* Room for one more layer. */
static vhdx_status add_layer(struct opening *opening, struct vx_salvage_layer **layer, vhdx_error *err)
{
    struct vx_salvage_layers *layers = opening->layers;
    struct vx_salvage_layer *items = vx_resize(layers->items, layers->count + 1, sizeof *items);
    if (!items)
        return vx_fail_memory(err, "a layer");
    layers->items = items;
    struct vx_image **images = vx_resize(opening->chain.layers, layers->count + 1, sizeof(struct vx_image *));
    if (!images)
        return vx_fail_memory(err, "a layer");
    opening->chain.layers = images;
    *layer = &items[layers->count];
    **layer = (struct vx_salvage_layer){.file = NULL};
    return VHDX_OK;
}

static vhdx_status open_layer(struct opening *opening, const char *path, bool doubtful, vhdx_error *err)
{
    struct vx_salvage_layers *layers = opening->layers;
    struct vx_salvage_layer *layer;
    VX_TRY(add_layer(opening, &layer, err));
    layer->doubt = doubtful ? "it comes from a parent that nothing proves to be the one" : NULL;
    const struct vx_rescue_map *bad = layers->count == 0 && layers->bad.count > 0 ? &layers->bad : NULL;
    VX_TRY(vx_patient_open_path(layers->host, path, VHDX_OPEN_READ, bad, &layer->file, &layer->patient, err));
    layers->count++;
    VX_TRY(rebuild_layer(opening, layer, err));
    if (layers->count > 1 && !layer->image)
        return vx_fail(err, VHDX_CORRUPT, vx_at_file(path), "nothing tells the disk's size");
    if (layer->image)
        opening->chain.layers[opening->chain.count++] = layer->image;
    return VHDX_OK;
}

static void close_layer(struct vx_salvage_layer *layer)
{
    if (layer->has_reader)
        vx_run_reader_close(&layer->reader);
    vx_image_close(layer->image);
    vx_rebuild_free(layer->rebuilt);
    if (!layer->borrowed)
        vx_file_close(layer->file);
}

static void drop_last(struct opening *opening)
{
    struct vx_salvage_layers *layers = opening->layers;
    close_layer(&layers->items[layers->count - 1]);
    layers->count--;
    opening->chain.count = layers->count;
}

static vhdx_status try_parent(struct opening *opening, const char *path, bool doubtful, bool *opened, vhdx_error *err)
{
    size_t before = opening->layers->count;
    *opened = false;
    if (vx_chain_holds(&opening->chain, path) || before >= VX_CHAIN_MAX)
        return VHDX_OK;
    const vhdx_salvage_options *options = opening->options;
    vhdx_error why;
    vhdx_status status = open_layer(opening, path, doubtful, &why);
    if (vx_ends_all(status)) {
        if (err)
            *err = why;
        return status;
    }
    if (status == VHDX_OK && opening->layers->items[before].image->geometry.logical_sector_size !=
                                 opening->layers->items[before - 1].image->geometry.logical_sector_size) {
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING,
                  "%s: another logical sector size, so it is not the parent", path);
        drop_last(opening);
        return VHDX_OK;
    }
    if (status != VHDX_OK) {
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING, "%s: %s", path, why.message);
        if (opening->layers->count > before)
            drop_last(opening);
        return VHDX_OK;
    }
    *opened = true;
    return VHDX_OK;
}

static vhdx_status open_parent(struct opening *opening, bool *opened, vhdx_error *err)
{
    const vhdx_salvage_options *options = opening->options;
    struct vx_image *child = opening->chain.layers[opening->chain.count - 1];
    struct vx_search search = {options->parents, options->parent_count};
    vhdx_error why;
    char *path = NULL;
    *opened = false;
    const struct vx_child named = vx_child_of(child);
    vhdx_status status = vx_resolve_parent(&named, &search, &path, &why);
    if (status == VHDX_OK) {
        status = try_parent(opening, path, false, opened, err);
        vx_free(path);
        return status;
    }
    if (vx_ends_all(status)) {
        if (err)
            *err = why;
        return status;
    }
    for (size_t i = 0; i < options->parent_count && !*opened; i++) {
        VX_TRY(try_parent(opening, options->parents[i], true, opened, err));
        if (*opened)
            vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING,
                      "%s: taken as the parent because it was given; nothing proves that it is", options->parents[i]);
    }
    if (!*opened)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_WARNING,
                  "%s: %s; only what the layers above hold is written", vx_image_path(child), why.message);
    return VHDX_OK;
}

/* The disk as it reads through the layers from `first` on, up to the end of the first of them. */
struct chain_reading {
    struct vx_salvage_layers *layers;
    size_t first;
};

static bool read_chain(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    const struct chain_reading *reading = context;
    struct vx_salvage_layers *layers = reading->layers;
    uint64_t size = layers->items[reading->first].image->geometry.virtual_size;
    uint8_t *out = buf;
    if (virtual_offset >= size || length > size - virtual_offset)
        return false;
    while (length > 0) {
        struct vx_salvage_piece piece;
        if (vx_salvage_at(layers, reading->first, virtual_offset, length, &piece, NULL) != VHDX_OK)
            return false;
        size_t here = (size_t)vx_min(piece.length, length);
        if (piece.kind == VHDX_SALVAGE_LOST || piece.kind == VHDX_SALVAGE_MISSING ||
            vx_salvage_read(layers, &piece, 0, out, here, NULL) != VHDX_OK)
            return false;
        out += here;
        virtual_offset += here;
        length -= here;
    }
    return true;
}

/* Whether the last sector of the layer, as it reads through those below, is the copy of a GPT. */
static bool ends_with_gpt(struct vx_salvage_layers *layers, size_t first)
{
    const struct vx_geometry *geometry = &layers->items[first].image->geometry;
    const uint32_t sector_size = geometry->logical_sector_size;
    struct chain_reading reading = {layers, first};
    uint8_t sector[4096];
    struct vx_gpt gpt = {0};
    if (!read_chain(&reading, sector, sector_size, geometry->virtual_size - sector_size))
        return false;
    vx_gpt_decode(vx_bytes_of(sector, sector_size), sector_size, &gpt);
    return gpt.found && (gpt.my_sector + 1) * sector_size == geometry->virtual_size;
}

/*
 * The partition table of a child may be its parent's: only through both it says that the disk should be larger. So does
 * its copy at the end of a larger parent, when the child does not end with one: who makes a disk smaller moves it.
 */
static vhdx_status doubt_end(struct vx_salvage_layers *layers, vhdx_error *err)
{
    struct vx_salvage_layer *leaf = &layers->items[0];
    const struct vx_geometry *geometry = &leaf->image->geometry;
    struct chain_reading reading = {layers, 0};
    struct vx_content_source source = {&reading, read_chain, UINT64_MAX, geometry->logical_sector_size};
    if (layers->count < 2)
        return VHDX_OK;
    struct vx_content *content = vx_alloc(1, sizeof *content);
    if (!content)
        return vx_fail_memory(err, "a look inside of the disk");
    vx_partitions_find(&source, content);
    bool behind = content->primary.found && content->implied_size > geometry->virtual_size;
    bool cut = layers->items[1].image->geometry.virtual_size > geometry->virtual_size && ends_with_gpt(layers, 1) &&
               !ends_with_gpt(layers, 0);
    if (behind || cut)
        leaf->certain_end = vx_min(leaf->certain_end, vx_max(last_block(geometry), 1));
    vx_free(content);
    return VHDX_OK;
}

static vhdx_status open_all(struct opening *opening, const char *path, vhdx_error *err)
{
    struct vx_salvage_layers *layers = opening->layers;
    bool opened = true;
    if (opening->options->bad_ranges)
        VX_TRY(vx_rescue_map_load(layers->host, opening->options->bad_ranges, &layers->bad, err));
    opening->has_hint =
        vx_parent_hint_find(layers->host, opening->options->parents, opening->options->parent_count, &opening->hint);
    VX_TRY(open_layer(opening, path, false, err));
    layers->only_pieces = !layers->items[0].image;
    if (layers->only_pieces)
        return VHDX_OK;
    while (opened && vx_image_has_parent(opening->chain.layers[opening->chain.count - 1]))
        VX_TRY(open_parent(opening, &opened, err));
    layers->parent_missing = !opened;
    return doubt_end(layers, err);
}

vhdx_status vx_salvage_open(const char *path, const vhdx_salvage_options *options, struct vx_salvage_layers *layers,
                            vhdx_error *err)
{
    *layers = (struct vx_salvage_layers){.host = vx_host_or_native(options->host)};
    struct opening opening = {.layers = layers, .options = options, .chain = {.host = layers->host}};
    vhdx_status status = open_all(&opening, path, err);
    vx_free(opening.chain.layers);
    return status;
}

static vhdx_status open_alone(struct opening *opening, struct vx_file *file, vhdx_error *err)
{
    struct vx_salvage_layers *layers = opening->layers;
    struct vx_salvage_layer *layer;
    VX_TRY(add_layer(opening, &layer, err));
    layer->file = file;
    layer->borrowed = true;
    layers->count++;
    VX_TRY(rebuild_layer(opening, layer, err));
    layers->only_pieces = !layer->image;
    layers->parent_missing = layer->image && vx_image_has_parent(layer->image);
    return VHDX_OK;
}

vhdx_status vx_salvage_open_file(struct vx_file *file, const vhdx_salvage_options *options,
                                 struct vx_salvage_layers *layers, vhdx_error *err)
{
    *layers = (struct vx_salvage_layers){.host = vx_host_or_native(options->host)};
    struct opening opening = {.layers = layers, .options = options, .chain = {.host = layers->host}};
    opening.has_hint = vx_parent_hint_find(layers->host, options->parents, options->parent_count, &opening.hint);
    vhdx_status status = open_alone(&opening, file, err);
    vx_free(opening.chain.layers);
    return status;
}

void vx_salvage_close(struct vx_salvage_layers *layers)
{
    for (size_t i = layers->count; i-- > 0;)
        close_layer(&layers->items[i]);
    vx_free(layers->items);
    vx_rescue_map_clear(&layers->bad);
    *layers = (struct vx_salvage_layers){0};
}
