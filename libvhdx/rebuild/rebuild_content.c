/*
 * Lost blocks by what the guest wrote in them. See rebuild.h. First the block that the disk begins with, because
 * partitions are needed to understand file systems; then every structure that says where it belongs votes for its
 * block; then gaps between two blocks that stand in the file as they do on the disk are filled. Easy to get wrong: a
 * stale copy votes too; a block that is named for two places, or a place for which two are named, goes to the one with
 * more votes, and to none when they are equal.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "guest/anchors.h"
#include "guest/content.h"
#include "rebuild/rebuild_parts.h"

#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX ((size_t)1 << 22)

struct candidate {
    uint64_t file_offset, payload_block;
    uint32_t votes;
    bool taken;
};

struct search {
    struct vx_rebuilding *work;
    struct vx_anchor_map *map;
    uint64_t window_offset; /* in the file */
    struct candidate *candidates;
    size_t count, room;
    uint64_t first_block_offset;            /* in the file, of virtual block 0; 0 = not known */
    uint64_t last_block_offset, last_block; /* the one that holds the backup GPT; 0 = not known */
};

typedef vhdx_status (*window_fn)(struct search *search, struct vx_bytes window, vhdx_error *err);

/* Shows each MiB that nobody owns and that is not zero. */
static vhdx_status each_window(struct search *search, window_fn look, vhdx_error *err)
{
    const struct vx_rebuilt *out = search->work->out;
    uint8_t *bytes = vx_alloc((size_t)VX_MIB, 1);
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the file");
    for (size_t i = 0; status == VHDX_OK && i < out->stray_count; i++) {
        uint64_t end = out->strays[i].file_offset + out->strays[i].length;
        for (uint64_t at = out->strays[i].file_offset; status == VHDX_OK && at < end; at += VX_MIB) {
            size_t got = 0;
            search->window_offset = at;
            status = vx_file_read_some(search->work->view, bytes, (size_t)VX_MIB, at, &got, err);
            if (status == VHDX_OK)
                status = look(search, vx_bytes_of(bytes, got), err);
            if (status == VHDX_OK)
                status = vx_rebuild_progress(search->work, at, search->work->view_size, err);
        }
    }
    vx_free(bytes);
    return status;
}

/* ---- the beginning of the disk ---- */

/* Only what begins a block of the file can begin the disk. */
static vhdx_status look_for_beginning(struct search *search, struct vx_bytes window, vhdx_error *err)
{
    uint32_t sector = search->work->out->logical_sector;
    uint64_t own = 0, other = 0;
    (void)err;
    if (vx_anchor_gpt(window, sector, sector, &own, &other) && own == 1)
        search->first_block_offset = search->window_offset;
    else if (search->first_block_offset == 0 && vx_anchor_boot_record(window, 0))
        search->first_block_offset = search->window_offset;
    for (size_t at = 0; at + sector <= window.size; at += sector) {
        uint64_t place;
        if (!vx_anchor_gpt(window, at, sector, &own, &other) || own <= other || !vx_mul(own, sector, &place) ||
            place % VX_MIB != at || place >= search->work->out->virtual_size)
            continue;
        uint64_t block_size = search->work->out->block_size, in_block = place % block_size - at;
        if (in_block > search->window_offset)
            continue;
        search->last_block = place / block_size;
        search->last_block_offset = search->window_offset - in_block;
    }
    return VHDX_OK;
}

static bool read_known(struct search *search, uint64_t block, uint64_t *file_offset)
{
    const struct vx_rebuilt *out = search->work->out;
    uint8_t raw[VX_BAT_ENTRY_SIZE];
    size_t got;
    if (block >= out->geometry.payload_count)
        return false;
    uint64_t at = out->bat.file_offset + vx_geometry_payload_index(&out->geometry, block) * VX_BAT_ENTRY_SIZE;
    if (vx_file_read_some(search->work->view, raw, sizeof raw, at, &got, NULL) != VHDX_OK || got < sizeof raw)
        return false;
    struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(raw));
    *file_offset = entry.file_offset;
    if (entry.state == VX_PAYLOAD_FULLY_PRESENT && entry.file_offset > 0 && entry.file_offset < INT64_MAX / 2)
        return true;
    *file_offset = block == 0                    ? search->first_block_offset
                   : block == search->last_block ? search->last_block_offset
                                                 : 0;
    return *file_offset > 0;
}

static bool read_virtual(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    struct search *search = context;
    uint64_t block_size = search->work->out->block_size, file_offset;
    uint8_t *out = buf;
    while (length > 0) {
        size_t got, here = (size_t)vx_min(length, block_size - virtual_offset % block_size);
        if (!read_known(search, virtual_offset / block_size, &file_offset) ||
            vx_file_read_some(search->work->view, out, here, file_offset + virtual_offset % block_size, &got, NULL) !=
                VHDX_OK ||
            got < here)
            return false;
        out += here;
        virtual_offset += here;
        length -= here;
    }
    return true;
}

static void take_partitions(struct search *search, const struct vx_content *content)
{
    struct vx_anchor_map *map = search->map;
    const struct vx_rebuilt *out = search->work->out;
    for (uint32_t i = 0; i < content->partition_count && map->count < VX_ANCHOR_PARTITIONS; i++) {
        map->partitions[map->count].offset = content->partitions[i].offset;
        map->partitions[map->count++].length = content->partitions[i].length;
    }
    if (map->count == 0) /* a file system without partitions fills the disk */
        map->partitions[map->count++].length = out->virtual_size;
}

static vhdx_status find_partitions(struct search *search, vhdx_error *err)
{
    struct vx_content *content = vx_alloc(1, sizeof *content);
    const struct vx_content_source source = {search, read_virtual, search->work->out->virtual_size,
                                             search->work->out->logical_sector};
    if (!content)
        return vx_fail_memory(err, "a look inside of the disk");
    vx_content_look(&source, content);
    take_partitions(search, content);
    vx_free(content);
    return VHDX_OK;
}

/* Blocks that have their places may say how a file system is laid out, too. */
static vhdx_status learn_from_known(struct search *search, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc((size_t)VX_MIB, 1);
    if (!bytes)
        return vx_fail_memory(err, "a window of the disk");
    for (uint32_t i = 0; i < search->map->count; i++) {
        uint64_t at = vx_round_down(search->map->partitions[i].offset, VX_MIB);
        if (read_virtual(search, bytes, (size_t)VX_MIB, at))
            vx_anchors_learn(search->map, vx_bytes_of(bytes, (size_t)VX_MIB));
    }
    vx_free(bytes);
    return VHDX_OK;
}

static vhdx_status learn(struct search *search, struct vx_bytes window, vhdx_error *err)
{
    (void)err;
    vx_anchors_learn(search->map, window);
    return VHDX_OK;
}

/* ---- votes ---- */

static vhdx_status vote(struct search *search, uint64_t file_offset, uint64_t payload_block, vhdx_error *err)
{
    for (size_t i = search->count; i-- > 0 && search->count - i < 8;) {
        struct candidate *last = &search->candidates[i];
        if (last->file_offset == file_offset && last->payload_block == payload_block) {
            last->votes += last->votes < UINT32_MAX;
            return VHDX_OK;
        }
    }
    if (search->count == CANDIDATES_MAX)
        return VHDX_OK; /* enough is known */
    struct candidate *candidates = vx_room_for(search->candidates, search->count, &search->room, sizeof *candidates);
    if (!candidates)
        return vx_fail_memory(err, "the places of lost blocks");
    search->candidates = candidates;
    search->candidates[search->count++] = (struct candidate){file_offset, payload_block, 1, false};
    return VHDX_OK;
}

static vhdx_status take_anchor(void *context, size_t at, uint64_t virtual_offset, vhdx_error *err)
{
    struct search *search = context;
    const struct vx_rebuilt *out = search->work->out;
    uint64_t block_size = out->block_size, place = search->window_offset + at;
    if (virtual_offset >= out->virtual_size || place < virtual_offset % block_size + VX_MIB)
        return VHDX_OK;
    return vote(search, place - virtual_offset % block_size, virtual_offset / block_size, err);
}

static vhdx_status find_anchors(struct search *search, struct vx_bytes window, vhdx_error *err)
{
    return vx_anchors_find(search->map, window, take_anchor, search, err);
}

static int by_votes(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->votes != right->votes)
        return left->votes > right->votes ? -1 : 1;
    if (left->payload_block != right->payload_block)
        return left->payload_block < right->payload_block ? -1 : 1;
    return (left->file_offset > right->file_offset) - (left->file_offset < right->file_offset);
}

static int by_place(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->file_offset != right->file_offset)
        return left->file_offset < right->file_offset ? -1 : 1;
    return (left->payload_block > right->payload_block) - (left->payload_block < right->payload_block);
}

static void join_votes(struct search *search)
{
    size_t kept = 0;
    if (search->count > 1)
        qsort(search->candidates, search->count, sizeof *search->candidates, by_place);
    for (size_t i = 0; i < search->count; i++) {
        struct candidate *last = kept > 0 ? &search->candidates[kept - 1] : NULL;
        if (last && last->file_offset == search->candidates[i].file_offset &&
            last->payload_block == search->candidates[i].payload_block)
            last->votes += (uint32_t)vx_min(search->candidates[i].votes, UINT32_MAX - last->votes);
        else
            search->candidates[kept++] = search->candidates[i];
    }
    search->count = kept;
}

/* ---- placing ---- */

/* Whether the block's entry says nothing and the space is nobody's. */
static bool is_open(const struct search *search, uint64_t payload_block, uint64_t file_offset)
{
    const struct vx_rebuilt *out = search->work->out;
    uint8_t raw[VX_BAT_ENTRY_SIZE];
    size_t got;
    if (payload_block >= out->geometry.payload_count || file_offset < VX_MIB || file_offset % VX_MIB != 0 ||
        file_offset >= search->work->view_size)
        return false;
    uint64_t index = vx_geometry_payload_index(&out->geometry, payload_block);
    if (!vx_rebuilt_entry_lost(out, index) || !vx_claims_is_free(&out->claims, file_offset, out->block_size))
        return false;
    return vx_file_read_some(search->work->view, raw, sizeof raw, out->bat.file_offset + index * VX_BAT_ENTRY_SIZE,
                             &got, NULL) == VHDX_OK &&
           vx_get64(raw) == 0;
}

static vhdx_status place(struct search *search, uint64_t payload_block, uint64_t file_offset, enum vx_witness witness,
                         vhdx_error *err)
{
    const struct vx_rebuilt *out = search->work->out;
    const struct vx_bat_entry entry = {.state = VX_PAYLOAD_FULLY_PRESENT, .file_offset = file_offset};
    const struct vx_placement placement = {vx_geometry_payload_index(&out->geometry, payload_block),
                                           vx_bat_entry_encode(&entry), witness, false};
    return vx_rebuild_place(search->work, &placement, err);
}

/* Two equally good claims on one block of the disk or on the same bytes of the file: nobody gets them. */
static bool has_equal(const struct search *search, size_t index)
{
    const struct candidate *own = &search->candidates[index];
    uint64_t block_size = search->work->out->block_size;
    for (size_t i = 0; i < search->count && i < index + 1024; i++) {
        const struct candidate *other = &search->candidates[i];
        if (i == index || other->votes != own->votes)
            continue;
        uint64_t apart = other->file_offset > own->file_offset ? other->file_offset - own->file_offset
                                                               : own->file_offset - other->file_offset;
        if (other->payload_block == own->payload_block || apart < block_size)
            return true;
    }
    return false;
}

static vhdx_status place_candidates(struct search *search, vhdx_error *err)
{
    if (search->count > 1)
        qsort(search->candidates, search->count, sizeof *search->candidates, by_votes);
    for (size_t i = 0; i < search->count; i++) {
        struct candidate *candidate = &search->candidates[i];
        if (!is_open(search, candidate->payload_block, candidate->file_offset) || has_equal(search, i))
            continue;
        candidate->taken = true;
        VX_TRY(place(search, candidate->payload_block, candidate->file_offset, VX_WITNESS_CONTENT, err));
    }
    return VHDX_OK;
}

/* From one placed block to the next: when both lie equally far apart in the file and on the disk, so does what is
 * between them. */
static vhdx_status fill_between(struct search *search, const struct candidate *from, const struct candidate *to,
                                vhdx_error *err)
{
    uint64_t block_size = search->work->out->block_size;
    if (to->payload_block <= from->payload_block ||
        to->file_offset - from->file_offset != (to->payload_block - from->payload_block) * block_size)
        return VHDX_OK;
    for (uint64_t block = from->payload_block + 1; block < to->payload_block; block++) {
        uint64_t file_offset = from->file_offset + (block - from->payload_block) * block_size;
        if (is_open(search, block, file_offset))
            VX_TRY(place(search, block, file_offset, VX_WITNESS_GEOMETRY, err));
    }
    return VHDX_OK;
}

/* All blocks that have a place agree on one order from end to end: a disk that was written in one go, or a fixed one.
 */
static vhdx_status fill_ends(struct search *search, const struct candidate *first, const struct candidate *last,
                             bool straight, vhdx_error *err)
{
    const struct vx_rebuilt *out = search->work->out;
    bool fixed = (out->parameter_flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED) != 0;
    if (!straight || !fixed)
        return VHDX_OK;
    for (uint64_t block = first->payload_block; block-- > 0;) {
        uint64_t back = (first->payload_block - block) * out->block_size;
        if (back > first->file_offset || !is_open(search, block, first->file_offset - back))
            break;
        VX_TRY(place(search, block, first->file_offset - back, VX_WITNESS_GEOMETRY, err));
    }
    for (uint64_t block = last->payload_block + 1; block < out->geometry.payload_count; block++) {
        uint64_t file_offset = last->file_offset + (block - last->payload_block) * out->block_size;
        if (!is_open(search, block, file_offset))
            break;
        VX_TRY(place(search, block, file_offset, VX_WITNESS_GEOMETRY, err));
    }
    return VHDX_OK;
}

static vhdx_status fill_gaps(struct search *search, vhdx_error *err)
{
    const struct candidate *first = NULL, *last = NULL;
    bool straight = true;
    uint64_t block_size = search->work->out->block_size;
    if (search->count > 1)
        qsort(search->candidates, search->count, sizeof *search->candidates, by_place);
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *here = &search->candidates[i];
        if (!here->taken)
            continue;
        if (last)
            VX_TRY(fill_between(search, last, here, err));
        straight = straight && (!last || here->file_offset - last->file_offset ==
                                             (here->payload_block - last->payload_block) * block_size);
        first = first ? first : here;
        last = here;
    }
    return first ? fill_ends(search, first, last, straight, err) : VHDX_OK;
}

static vhdx_status search_content(struct search *search, vhdx_error *err)
{
    const struct vx_rebuilt *out = search->work->out;
    search->map->sector_size = out->logical_sector;
    search->map->virtual_size = out->virtual_size;
    VX_TRY(each_window(search, look_for_beginning, err));
    if (search->first_block_offset)
        VX_TRY(vote(search, search->first_block_offset, 0, err));
    VX_TRY(find_partitions(search, err));
    VX_TRY(learn_from_known(search, err));
    VX_TRY(each_window(search, learn, err));
    VX_TRY(each_window(search, find_anchors, err));
    join_votes(search);
    VX_TRY(place_candidates(search, err));
    return fill_gaps(search, err);
}

vhdx_status vx_rebuild_content(struct vx_rebuilding *work, vhdx_error *err)
{
    struct search search = {.work = work};
    search.map = vx_alloc(1, sizeof *search.map);
    vhdx_status status = search.map ? search_content(&search, err) : vx_fail_memory(err, "the search for lost blocks");
    vx_free(search.candidates);
    vx_free(search.map);
    return status;
}
