/*
 * What is known at a place of a damaged disk. See salvage.h. The rules of reading are runs.c's; here is what happens
 * where these end in a refusal, and how far an answer is to be trusted.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "format/bat_page.h"
#include "salvage/salvage.h"

#include <string.h>

#define BELOW_BUFFER ((size_t)(64 * VX_KIB))

static const char lost_entry[] = "the BAT entry of the block is lost";
static const char bad_entry[] = "the BAT entry of the block makes no sense";
static const char no_state[] = "the BAT gives the block a state that there is not, but a place that nobody else has";
static const char no_data[] =
    "the BAT says that the block holds no data, but names a place with content that nobody else has";
static const char no_owner[] =
    "the BAT says that the block holds no data, but the file holds content that no block owns";
static const char no_room[] =
    "the BAT says that the block of a fixed disk holds no data, but the file is too short for all "
    "blocks, so its entry may be lost";
static const char moved[] =
    "an entry of this part of the BAT stands in the slot of a sector bitmap, so all of them may have moved";
static const char behind_end[] = "it lies behind the end of the file";
static const char behind_certain_end[] = "where the disk ends is not certain";
static const char two_owners[] = "two blocks claim the same bytes of the file";
static const char one_shared[] =
    "another block or a structure claims a part of the same block, so its place may be wrong";
static const char by_evidence[] = "the block was put back by evidence";
static const char by_neighbours[] = "the block was put back because its neighbours stand in order";
static const char no_bitmap[] = "the sector bitmap is lost: which sectors are the layer's own was guessed";
static const char guessed_bitmap[] = "the sector bitmap was put back by evidence";
static const char old_bits[] = "the log has sectors of the block that its sector bitmap does not have";
static const char child_state[] = "a disk without parent has a partially present block";
static const char maybe_child[] = "the disk does not hold it, and whether it has a parent is not certain";
static const char no_parent[] = "it is held by a parent that is not there";

struct asked {
    struct vx_salvage_layers *layers;
    struct vx_salvage_piece *piece;
    uint64_t limit;
    const char *doubt; /* of a layer above that said "not mine" */
};

static void answer(struct asked *asked, size_t layer, uint64_t length, vhdx_salvage_kind kind, const char *reason)
{
    struct vx_salvage_piece *piece = asked->piece;
    const struct vx_salvage_layer *own = &asked->layers->items[layer];
    const char *doubt = own->doubt ? own->doubt : asked->doubt;
    piece->layer = layer;
    piece->length = vx_min(length, asked->limit);
    if (piece->virtual_offset < own->certain_end)
        piece->length = vx_min(piece->length, own->certain_end - piece->virtual_offset);
    else if (!doubt)
        doubt = behind_certain_end;
    piece->kind = kind;
    piece->reason = reason;
    if (kind == VHDX_SALVAGE_GOOD && doubt) {
        piece->kind = VHDX_SALVAGE_DOUBTFUL;
        piece->reason = doubt;
    }
    piece->parent_doubted = kind == VHDX_SALVAGE_MISSING && doubt;
    piece->only_unowned = doubt && (kind == VHDX_SALVAGE_GOOD || piece->parent_doubted) &&
                          (doubt == no_owner || vx_salvage_is_place_doubt(doubt));
}

/* Whether bytes of the block at that place of the file have another owner too. */
static bool is_contested(const struct vx_salvage_layer *layer, uint64_t block_offset)
{
    return vx_rebuilt_shared(layer->rebuilt, block_offset, layer->image->geometry.block_size);
}

/* Bytes of the file; the part that lies behind its end is a piece of its own, and lost. */
static void answer_data(struct asked *asked, size_t index, uint64_t file_offset, uint64_t length,
                        vhdx_salvage_kind kind, const char *reason)
{
    struct vx_salvage_layer *layer = &asked->layers->items[index];
    uint64_t in_block = asked->piece->virtual_offset % layer->image->geometry.block_size;
    if (file_offset >= layer->view_size) {
        answer(asked, index, length, VHDX_SALVAGE_LOST, behind_end);
        return;
    }
    length = vx_min(length, layer->view_size - file_offset);
    uint64_t to_mib = VX_MIB - file_offset % VX_MIB;
    if (kind == VHDX_SALVAGE_GOOD && is_contested(layer, file_offset - in_block)) {
        kind = VHDX_SALVAGE_DOUBTFUL;
        reason = one_shared;
    }
    if (kind == VHDX_SALVAGE_GOOD && !asked->doubt)
        asked->doubt = vx_salvage_doubt_place(layer, file_offset - in_block);
    if (vx_rebuilt_shared(layer->rebuilt, file_offset, 1)) {
        length = vx_min(length, to_mib);
        kind = kind == VHDX_SALVAGE_GOOD ? VHDX_SALVAGE_DOUBTFUL : kind;
        reason = two_owners;
    } else if (vx_rebuilt_shared(layer->rebuilt, file_offset, length)) {
        length = vx_min(length, to_mib);
    }
    asked->piece->file_offset = file_offset;
    answer(asked, index, length, kind, reason);
}

/* Whether the bits of a partially present block can be trusted. */
static bool bits_are_good(struct vx_salvage_layer *layer, uint64_t payload_block)
{
    const struct vx_geometry *geometry = &layer->image->geometry;
    uint64_t bad, bad_length, chunk = payload_block / geometry->chunk_ratio;
    struct vx_bat_entry entry;
    if (vx_bat_window_get(&layer->reader.bat, vx_geometry_bitmap_index(geometry, chunk), &entry, NULL) != VHDX_OK)
        return false;
    if (entry.state != VX_BITMAP_PRESENT || entry.file_offset == 0 || entry.file_offset >= layer->view_size)
        return false;
    uint64_t at = entry.file_offset + vx_geometry_bitmap_offset(geometry, payload_block);
    uint64_t end = at + vx_geometry_bitmap_length(geometry);
    if (layer->patient && vx_patient_next_bad(layer->patient, at, end, &bad, &bad_length))
        return false;
    return end <= layer->view_size && !vx_rebuilt_shared(layer->rebuilt, at, end - at);
}

/* Whether the entry is proposed by evidence that leaves another reading. */
static bool is_guess(const struct vx_salvage_layer *layer, uint64_t bat_index)
{
    enum vx_witness witness = vx_rebuilt_witness(layer->rebuilt, bat_index);
    return witness == VX_WITNESS_GEOMETRY || (witness != VX_WITNESS_STORED && !layer->rebuilt->placements_lossless);
}

static bool bits_are_guess(const struct vx_salvage_layer *layer, uint64_t payload_block)
{
    const struct vx_geometry *geometry = &layer->image->geometry;
    return is_guess(layer, vx_geometry_bitmap_index(geometry, payload_block / geometry->chunk_ratio));
}

/* How far one question may reach: beyond the block only where nothing has a place, or where all is lost alike. */
static uint64_t reach(struct vx_salvage_layer *layer, uint64_t virtual_offset, uint64_t limit)
{
    const struct vx_geometry *geometry = &layer->image->geometry;
    uint64_t left = geometry->block_size - virtual_offset % geometry->block_size, block;
    struct vx_bat_entry entry;
    uint64_t bat_index = vx_geometry_payload_index(geometry, virtual_offset / geometry->block_size);
    bool lost;
    uint64_t changed = vx_rebuilt_alike(layer->rebuilt, bat_index, &lost), set;
    if (changed == bat_index || vx_bat_window_get(&layer->reader.bat, bat_index, &entry, NULL) != VHDX_OK ||
        (!lost && entry.state != VX_PAYLOAD_NOT_PRESENT))
        return vx_min(limit, left);
    /* a partial block whose bits say "not mine" has a word of its own on them */
    if (!lost &&
        vx_bat_window_next_set(&layer->reader.bat, bat_index + 1, geometry->entry_count, &set, NULL) != VHDX_OK)
        return vx_min(limit, left);
    changed = lost ? changed : vx_min(changed, set);
    if (changed >= geometry->entry_count)
        return limit;
    if (!vx_geometry_is_payload(geometry, changed, &block))
        block = (block + 1) * geometry->chunk_ratio;
    return vx_min(limit, block * geometry->block_size - virtual_offset);
}

/* Blocks from this one on that all lie behind the end of the file: one answer is enough, a cut file may have lost
 * millions. */
static uint64_t reach_behind_end(struct vx_salvage_layer *layer, uint64_t virtual_offset, uint64_t limit)
{
    const struct vx_geometry *geometry = &layer->image->geometry;
    uint64_t block = virtual_offset / geometry->block_size,
             length = geometry->block_size - virtual_offset % geometry->block_size;
    uint64_t alike = 0;
    for (block++; length < limit && block < geometry->payload_count; block++, length += geometry->block_size) {
        uint64_t bat_index = vx_geometry_payload_index(geometry, block);
        struct vx_bat_entry entry;
        bool lost = false;
        if (bat_index >= alike)
            alike = vx_rebuilt_alike(layer->rebuilt, bat_index, &lost);
        if (lost || alike <= bat_index || vx_bat_window_get(&layer->reader.bat, bat_index, &entry, NULL) != VHDX_OK ||
            entry.state != VX_PAYLOAD_FULLY_PRESENT || entry.reserved != 0 || entry.file_offset < layer->view_size)
            break;
    }
    return vx_min(length, limit);
}

/* A block with data whose entry or sector bitmap rests on evidence. true: answered; `place`: of its first byte. */
static bool answer_by_evidence(struct asked *asked, size_t index, uint64_t block, const struct vx_bat_entry *entry,
                               uint64_t place, uint64_t left)
{
    struct vx_salvage_layer *layer = &asked->layers->items[index];
    uint64_t bat_index = vx_geometry_payload_index(&layer->image->geometry, block);
    bool by_geometry = vx_rebuilt_witness(layer->rebuilt, bat_index) == VX_WITNESS_GEOMETRY;
    const char *reason = by_geometry ? by_neighbours : by_evidence;
    if (entry->state == VX_PAYLOAD_FULLY_PRESENT && is_guess(layer, bat_index)) {
        answer_data(asked, index, place, left, VHDX_SALVAGE_DOUBTFUL, reason);
        return true;
    }
    if (entry->state != VX_PAYLOAD_PARTIALLY_PRESENT)
        return false;
    if (!bits_are_good(layer, block)) {
        asked->piece->mixed = true;
        answer_data(asked, index, place, left, VHDX_SALVAGE_DOUBTFUL, no_bitmap);
        return true;
    }
    if (is_guess(layer, bat_index))
        asked->doubt = reason;
    else if (bits_are_guess(layer, block))
        asked->doubt = guessed_bitmap;
    else if (vx_rebuilt_has_old_bits(layer->rebuilt, bat_index))
        asked->doubt = old_bits;
    return false;
}

/* The block's own entry, before runs.c is asked: what it would refuse, and what it cannot know. true: answered. */
static bool answer_block(struct asked *asked, size_t index, uint64_t virtual_offset, uint64_t left)
{
    struct vx_salvage_layer *layer = &asked->layers->items[index];
    const struct vx_geometry *geometry = &layer->image->geometry;
    uint64_t block = virtual_offset / geometry->block_size, in_block = virtual_offset % geometry->block_size;
    uint64_t bat_index = vx_geometry_payload_index(geometry, block);
    struct vx_bat_entry entry;
    if (vx_bat_window_get(&layer->reader.bat, bat_index, &entry, NULL) != VHDX_OK) {
        answer(asked, index, left, VHDX_SALVAGE_LOST, lost_entry);
        return true;
    }
    const enum vx_witness placed = vx_rebuilt_witness(layer->rebuilt, bat_index);
    if (placed == VX_WITNESS_STORED && vx_rebuilt_entry_lost(layer->rebuilt, bat_index)) {
        answer(asked, index, reach(layer, virtual_offset, asked->limit), VHDX_SALVAGE_LOST, lost_entry);
        return true;
    }
    if (!asked->doubt && vx_rebuilt_may_have_moved(layer->rebuilt, bat_index))
        asked->doubt = moved;
    uint32_t broken = vx_bat_payload_rules(&entry, geometry->has_parent);
    bool doubted = vx_rebuilt_doubted(layer->rebuilt, bat_index);
    const struct vx_bat_world world = {geometry, layer->view_size};
    if (vx_bat_entry_is_garbage(&world, &entry)) {
        answer(asked, index, left, VHDX_SALVAGE_LOST, bad_entry);
        return true;
    }
    bool empty = entry.state < VX_PAYLOAD_FULLY_PRESENT && !vx_bat_payload_owns_space(&entry);
    if (!asked->doubt && empty && (layer->rebuilt->unowned_block || layer->rebuilt->fixed_short))
        asked->doubt = layer->rebuilt->unowned_block ? no_owner : no_room;
    if (entry.state == VX_PAYLOAD_OLD_UNMAPPED && !doubted) { /* what the final format calls UNMAPPED */
        answer(asked, index, left, VHDX_SALVAGE_GOOD, "");
        return true;
    }
    if ((broken & VX_BAT_BAD_STATE) && vx_rebuilt_is_free(layer->rebuilt, entry.file_offset, geometry->block_size)) {
        answer_data(asked, index, entry.file_offset + in_block, left, VHDX_SALVAGE_DOUBTFUL, no_state);
        return true;
    }
    if ((broken & (VX_BAT_BAD_STATE | VX_BAT_NO_PLACE)) || entry.file_offset > INT64_MAX / 2) {
        answer(asked, index, left, VHDX_SALVAGE_LOST, bad_entry);
        return true;
    }
    if (doubted && !(entry.state == VX_PAYLOAD_NOT_PRESENT && geometry->has_parent)) {
        answer(asked, index, left, VHDX_SALVAGE_DOUBTFUL, no_data);
        return true;
    }
    asked->doubt = doubted ? no_data : asked->doubt; /* the stronger reason */
    if (broken & VX_BAT_STATE_FOR_CHILD) {
        answer_data(asked, index, entry.file_offset + in_block, left, VHDX_SALVAGE_DOUBTFUL, child_state);
        return true;
    }
    return answer_by_evidence(asked, index, block, &entry, entry.file_offset + in_block, left);
}

/* Whether a partial block says "not mine" by bits that may be another block's. */
static bool partial_is_contested(struct vx_salvage_layer *layer, uint64_t virtual_offset)
{
    const struct vx_geometry *geometry = &layer->image->geometry;
    struct vx_bat_entry entry;
    uint64_t bat_index = vx_geometry_payload_index(geometry, virtual_offset / geometry->block_size);
    return vx_bat_window_get(&layer->reader.bat, bat_index, &entry, NULL) == VHDX_OK &&
           entry.state == VX_PAYLOAD_PARTIALLY_PRESENT && is_contested(layer, entry.file_offset);
}

/* One layer's answer; *transparent: it has none, and the next one is to be asked for asked->limit bytes. */
static vhdx_status ask_layer(struct asked *asked, size_t index, uint64_t virtual_offset, bool *transparent,
                             vhdx_error *err)
{
    struct vx_salvage_layer *layer = &asked->layers->items[index];
    const struct vx_geometry *geometry = &layer->image->geometry;
    struct vx_run run;
    *transparent = false;
    if (virtual_offset >= geometry->virtual_size) { /* beyond the end of a smaller parent there are zeros */
        answer(asked, index, asked->limit, VHDX_SALVAGE_GOOD, "");
        return VHDX_OK;
    }
    uint64_t left = geometry->block_size - virtual_offset % geometry->block_size;
    asked->limit = vx_min(asked->limit, geometry->virtual_size - virtual_offset);
    if (answer_block(asked, index, virtual_offset, left))
        return VHDX_OK;
    vhdx_status status =
        vx_run_at(&layer->reader, virtual_offset, reach(layer, virtual_offset, asked->limit), &run, err);
    if (status == VHDX_NOMEM)
        return status;
    if (status != VHDX_OK) {
        vx_clear(err);
        answer(asked, index, left, VHDX_SALVAGE_LOST, bad_entry);
        return VHDX_OK;
    }
    if (run.kind == VX_RUN_DATA && run.file_offset >= layer->view_size && run.length == left)
        answer(asked, index, reach_behind_end(layer, virtual_offset, asked->limit), VHDX_SALVAGE_LOST, behind_end);
    else if (run.kind == VX_RUN_DATA)
        answer_data(asked, index, run.file_offset, run.length, VHDX_SALVAGE_GOOD, "");
    else if (run.kind == VX_RUN_ZERO)
        answer(asked, index, run.length, VHDX_SALVAGE_GOOD, "");
    else
        *transparent = true;
    if (*transparent && partial_is_contested(layer, virtual_offset))
        asked->doubt = one_shared;
    asked->limit = vx_min(asked->limit, run.length);
    asked->doubt = layer->doubt ? layer->doubt : asked->doubt;
    if (virtual_offset < layer->certain_end)
        asked->limit = vx_min(asked->limit, layer->certain_end - virtual_offset);
    else if (!asked->doubt)
        asked->doubt = behind_certain_end; /* whoever answers below */
    return VHDX_OK;
}

vhdx_status vx_salvage_at(struct vx_salvage_layers *layers, size_t first, uint64_t virtual_offset, uint64_t limit,
                          struct vx_salvage_piece *piece, vhdx_error *err)
{
    struct asked asked = {layers, piece, limit, NULL};
    *piece = (struct vx_salvage_piece){.virtual_offset = virtual_offset, .file_offset = VHDX_NOWHERE};
    for (size_t i = first; i < layers->count; i++) {
        bool transparent;
        VX_TRY(ask_layer(&asked, i, virtual_offset, &transparent, err));
        if (!transparent)
            return VHDX_OK;
    }
    if (layers->parent_missing)
        answer(&asked, layers->count - 1, asked.limit, VHDX_SALVAGE_MISSING, no_parent);
    else if (layers->count > 0 && layers->items[layers->count - 1].maybe_child)
        answer(&asked, layers->count - 1, asked.limit, VHDX_SALVAGE_DOUBTFUL, maybe_child);
    else
        answer(&asked, layers->count - 1, asked.limit, VHDX_SALVAGE_GOOD, "");
    return VHDX_OK;
}

static vhdx_status read_plain(struct vx_salvage_layers *layers, const struct vx_salvage_piece *piece, uint64_t done,
                              void *buf, size_t length, vhdx_error *err)
{
    size_t got;
    if (piece->file_offset == VHDX_NOWHERE) {
        memset(buf, 0, length);
        return VHDX_OK;
    }
    return vx_file_read_some(layers->items[piece->layer].image->view, buf, length, piece->file_offset + done, &got,
                             err);
}

/* What the layers from `first` on show, without a word on trust. */
static vhdx_status read_below(struct vx_salvage_layers *layers, size_t first, uint8_t *buf, size_t length,
                              uint64_t virtual_offset, vhdx_error *err)
{
    while (length > 0) {
        struct vx_salvage_piece piece;
        size_t here;
        memset(buf, 0, length);
        if (first >= layers->count)
            return VHDX_OK;
        VX_TRY(vx_salvage_at(layers, first, virtual_offset, length, &piece, err));
        here = (size_t)vx_min(piece.length, length);
        VX_TRY(read_plain(layers, &piece, 0, buf, here, err));
        buf += here;
        virtual_offset += here;
        length -= here;
    }
    return VHDX_OK;
}

/* New space in a file is zeros until the guest writes to it, so sectors that are not zero are the layer's own. */
static void mix(uint8_t *own, const uint8_t *below, size_t length, uint32_t sector)
{
    for (size_t at = 0; at < length; at += sector) {
        size_t here = (size_t)vx_min(sector, length - at);
        if (vx_is_zero(own + at, here))
            memcpy(own + at, below + at, here);
    }
}

vhdx_status vx_salvage_read(struct vx_salvage_layers *layers, const struct vx_salvage_piece *piece, uint64_t done,
                            void *buf, size_t length, vhdx_error *err)
{
    uint8_t *own = buf;
    VX_TRY(read_plain(layers, piece, done, own, length, err));
    if (!piece->mixed)
        return VHDX_OK;
    uint8_t *below = vx_alloc(BELOW_BUFFER, 1);
    vhdx_status status = below ? VHDX_OK : vx_fail_memory(err, "a buffer");
    uint32_t sector = layers->items[piece->layer].image->geometry.logical_sector_size;
    for (size_t at = 0; status == VHDX_OK && at < length; at += BELOW_BUFFER) {
        size_t here = (size_t)vx_min(BELOW_BUFFER, length - at);
        status = read_below(layers, piece->layer + 1, below, here, piece->virtual_offset + done + at, err);
        if (status == VHDX_OK)
            mix(own + at, below, here, sector);
    }
    vx_free(below);
    return status;
}
