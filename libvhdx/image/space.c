/*
 * The map of owned MiB. See space.h. The BAT is changed by payload.c; this is only about who owns which bytes.
 */
/* SPDX-License-Identifier: MIT */
#include "image/space.h"

#include "base/alloc.h"
#include "image/bat_window.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNIT VX_OBJECT_ALIGNMENT

struct released {
    uint64_t slot, count;
};

struct vx_space {
    struct vx_image *image;
    uint8_t *bits;
    uint64_t room; /* slots that `bits` has room for */
    uint64_t end;  /* slots up to the end of what is owned or was in the file */
    uint64_t hint; /* no free run of a block's length begins before this slot */
    uint64_t file_size;
    uint64_t taken; /* bytes, ever */
    struct released *released;
    size_t released_count, released_room;
};

static bool is_used(const struct vx_space *space, uint64_t slot)
{
    return space->bits[slot / 8] >> (slot % 8) & 1;
}

static void set_used(struct vx_space *space, uint64_t slot, uint64_t count, bool used)
{
    for (uint64_t i = slot; i < slot + count; i++) {
        uint8_t mask = (uint8_t)(1u << (i % 8));
        space->bits[i / 8] = (uint8_t)(used ? space->bits[i / 8] | mask : space->bits[i / 8] & ~mask);
    }
}

static vhdx_status make_room(struct vx_space *space, uint64_t slots, vhdx_error *err)
{
    if (slots <= space->room)
        return VHDX_OK;
    if (slots > VX_LONGEST_FILE / UNIT)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_image_path(space->image)),
                       "the file would be longer than any disk needs (0x%" PRIx64 " MiB)", slots);
    uint64_t room = vx_max(slots, vx_min(space->room * 2, VX_LONGEST_FILE / UNIT));
    room = vx_round_down(room + 4095, 4096);
    uint8_t *bits = vx_resize(space->bits, (size_t)(room / 8), 1);
    if (!bits)
        return vx_fail_memory(err, "the map of used space");
    memset(bits + space->room / 8, 0, (size_t)((room - space->room) / 8));
    space->bits = bits;
    space->room = room;
    return VHDX_OK;
}

/* An owner of bytes, as far as it takes to name it. */
struct claim {
    const char *structure;
    uint64_t index;
    uint64_t offset, length;
};

/* Calls `visit` for each owner until it says stop. */
typedef vhdx_status (*claim_fn)(void *context, const struct claim *claim, bool *stop, vhdx_error *err);

static vhdx_status visit_fixed_owners(struct vx_image *image, claim_fn visit, void *context, bool *stop,
                                      vhdx_error *err)
{
    struct claim claim = {"header section", VHDX_NOWHERE, 0, VX_HEADER_SECTION_SIZE};
    VX_TRY(visit(context, &claim, stop, err));
    if (!*stop && image->header.log_length > 0) {
        claim = (struct claim){"log", VHDX_NOWHERE, image->header.log_offset, image->header.log_length};
        VX_TRY(visit(context, &claim, stop, err));
    }
    for (uint32_t i = 0; !*stop && i < image->regions->count; i++) {
        const struct vx_region *region = &image->regions->entries[i];
        claim = (struct claim){"region", i, region->file_offset, region->length};
        VX_TRY(visit(context, &claim, stop, err));
    }
    return VHDX_OK;
}

static bool claim_of_entry(const struct vx_image *image, uint64_t bat_index, const struct vx_bat_entry *entry,
                           struct claim *claim)
{
    uint64_t which;
    if (vx_geometry_is_payload(&image->geometry, bat_index, &which)) {
        *claim = (struct claim){"payload block", which, entry->file_offset, image->geometry.block_size};
        return vx_bat_payload_owns_space(entry);
    }
    *claim = (struct claim){"sector bitmap block", which, entry->file_offset, VX_BITMAP_BLOCK_SIZE};
    return entry->state == VX_BITMAP_PRESENT;
}

/* The BAT on the way from its first entry to its last, and the place from which sector bitmaps' entries are looked
 * up. */
struct scan {
    struct vx_image *image;
    struct vx_bat_window bat, bitmaps;
    uint64_t index;
    uint64_t chunk; /* that has its bitmap, UINT64_MAX = none yet */
};

static vhdx_status check_bitmap(struct scan *scan, uint64_t payload_block, vhdx_error *err)
{
    const struct vx_geometry *geometry = &scan->image->geometry;
    uint64_t chunk = payload_block / geometry->chunk_ratio;
    uint64_t bat_index = vx_geometry_bitmap_index(geometry, chunk);
    struct vx_bat_entry entry;
    if (chunk == scan->chunk)
        return VHDX_OK;
    scan->chunk = chunk;
    VX_TRY(vx_bat_window_get(&scan->bitmaps, bat_index, &entry, err));
    if (entry.state == VX_BITMAP_PRESENT)
        return VHDX_OK;
    return vx_fail(
        err, VHDX_CORRUPT,
        vx_at_index(vx_image_path(scan->image), "BAT entry", vx_bat_entry_offset(scan->image, bat_index), bat_index),
        "a block is partially present, but its sector bitmap is not there (state %u)", entry.state);
}

/* Entries whose meaning is unknown: writing around them would make up an answer. */
static vhdx_status check_entry(struct scan *scan, const struct vx_bat_entry *entry, vhdx_error *err)
{
    const struct vx_geometry *geometry = &scan->image->geometry;
    struct vx_where where = vx_at_index(vx_image_path(scan->image), "BAT entry",
                                        vx_bat_entry_offset(scan->image, scan->index), scan->index);
    uint64_t which;
    bool is_payload = vx_geometry_is_payload(geometry, scan->index, &which);
    if (is_payload ? which >= geometry->payload_count : !geometry->has_parent)
        return VHDX_OK; /* it is never looked at */
    uint32_t rules = is_payload ? vx_bat_payload_rules(entry, geometry->has_parent)
                                : vx_bat_bitmap_rules(entry, geometry->has_parent);
    if (rules & VX_BAT_BAD_STATE)
        return vx_fail(err, VHDX_CORRUPT, where, "it has a reserved state (%u)", entry->state);
    if (rules & VX_BAT_STATE_FOR_CHILD)
        return vx_fail(err, VHDX_CORRUPT, where, "a block is partially present in a disk that has no parent");
    return is_payload && entry->state == VX_PAYLOAD_PARTIALLY_PRESENT ? check_bitmap(scan, which, err) : VHDX_OK;
}

static vhdx_status visit_entries(struct scan *scan, claim_fn visit, void *context, vhdx_error *err)
{
    uint64_t end = scan->image->geometry.entry_count;
    for (bool stop = false; !stop; scan->index++) {
        struct vx_bat_entry entry;
        struct claim claim;
        VX_TRY(vx_bat_window_next_set(&scan->bat, scan->index, end, &scan->index, err));
        if (scan->index >= end)
            break;
        VX_TRY(vx_bat_window_get(&scan->bat, scan->index, &entry, err));
        VX_TRY(check_entry(scan, &entry, err));
        if (claim_of_entry(scan->image, scan->index, &entry, &claim))
            VX_TRY(visit(context, &claim, &stop, err));
    }
    return VHDX_OK;
}

static vhdx_status visit_owners(struct vx_image *image, claim_fn visit, void *context, vhdx_error *err)
{
    struct scan scan = {.image = image, .chunk = UINT64_MAX};
    bool stop = false;
    VX_TRY(visit_fixed_owners(image, visit, context, &stop, err));
    if (stop)
        return VHDX_OK;
    vhdx_status status = vx_bat_window_open(image, VX_BAT_WINDOW_LARGE, &scan.bat, err);
    if (status == VHDX_OK)
        status = vx_bat_window_open(image, VX_BAT_WINDOW_SMALL, &scan.bitmaps, err);
    if (status == VHDX_OK)
        status = visit_entries(&scan, visit, context, err);
    vx_bat_window_close(&scan.bitmaps);
    vx_bat_window_close(&scan.bat);
    return status;
}

struct search {
    struct claim wanted, found;
    bool have;
};

/* The first owner, other than the wanted one itself, that shares bytes with it. */
static vhdx_status find_rival(void *context, const struct claim *claim, bool *stop, vhdx_error *err)
{
    struct search *search = context;
    (void)err;
    bool same = claim->structure == search->wanted.structure && claim->index == search->wanted.index;
    if (!same && claim->offset < search->wanted.offset + search->wanted.length &&
        search->wanted.offset < claim->offset + claim->length) {
        search->found = *claim;
        search->have = true;
        *stop = true;
    }
    return VHDX_OK;
}

static vhdx_status fail_overlap(struct vx_space *space, const struct claim *claim, vhdx_error *err)
{
    struct search search = {.wanted = *claim};
    char name[64] = "something else";
    VX_TRY(visit_owners(space->image, find_rival, &search, err));
    if (search.have && search.found.index != VHDX_NOWHERE)
        snprintf(name, sizeof name, "%s %" PRIu64, search.found.structure, search.found.index);
    else if (search.have)
        snprintf(name, sizeof name, "the %s", search.found.structure);
    return vx_fail(err, VHDX_CORRUPT,
                   vx_at_index(vx_image_path(space->image), claim->structure, claim->offset, claim->index),
                   "it claims bytes of the file that %s claims too", name);
}

/* Bytes of a payload block that are on the virtual disk: a file may end behind them (qemu's fixed disks do). */
static uint64_t needed_length(const struct vx_image *image, const struct claim *claim)
{
    if (strcmp(claim->structure, "payload block") != 0 || claim->index >= image->geometry.payload_count)
        return claim->length;
    return vx_min(claim->length, image->geometry.virtual_size - claim->index * image->geometry.block_size);
}

static vhdx_status take_claim(void *context, const struct claim *claim, bool *stop, vhdx_error *err)
{
    struct vx_space *space = context;
    struct vx_where where = vx_at_index(vx_image_path(space->image), claim->structure, claim->offset, claim->index);
    (void)stop;
    if (claim->offset == 0 && claim->index != VHDX_NOWHERE)
        return vx_fail(err, VHDX_CORRUPT, where, "it is said to be present, but has no place in the file");
    if (claim->offset > space->file_size || needed_length(space->image, claim) > space->file_size - claim->offset)
        return vx_fail(err, VHDX_CORRUPT, where, "it is beyond the end of the file (0x%" PRIx64 " bytes)",
                       space->file_size);
    uint64_t slot = claim->offset / UNIT;
    uint64_t count = vx_ceil_div(claim->length, UNIT);
    VX_TRY(make_room(space, slot + count, err));
    for (uint64_t i = slot; i < slot + count; i++)
        if (is_used(space, i))
            return fail_overlap(space, claim, err);
    set_used(space, slot, count, true);
    space->end = vx_max(space->end, slot + count);
    return VHDX_OK;
}

vhdx_status vx_space_open(struct vx_image *image, struct vx_space **out, vhdx_error *err)
{
    struct vx_space *space = vx_alloc(1, sizeof *space);
    if (!space)
        return vx_fail_memory(err, "the map of used space");
    space->image = image;
    vhdx_status status = vx_file_size(image->view, &space->file_size, err);
    if (status == VHDX_OK) {
        space->end = vx_ceil_div(space->file_size, UNIT);
        status = make_room(space, space->end, err);
    }
    if (status == VHDX_OK)
        status = visit_owners(image, take_claim, space, err);
    if (status != VHDX_OK) {
        vx_space_close(space);
        return status;
    }
    *out = space;
    return VHDX_OK;
}

void vx_space_close(struct vx_space *space)
{
    if (!space)
        return;
    vx_free(space->bits);
    vx_free(space->released);
    vx_free(space);
}

/* A run of `count` free slots in [from, end); false when there is none. */
static bool find_free(const struct vx_space *space, uint64_t from, uint64_t end, uint64_t count, uint64_t *slot)
{
    uint64_t run = 0;
    for (uint64_t i = from; i < end; i++) {
        run = is_used(space, i) ? 0 : run + 1;
        if (run == count) {
            *slot = i + 1 - count;
            return true;
        }
    }
    return false;
}

vhdx_status vx_space_take(struct vx_space *space, uint64_t length, uint64_t *offset, bool *fresh, vhdx_error *err)
{
    uint64_t count = vx_ceil_div(length, UNIT);
    uint64_t slot;
    *fresh = !find_free(space, space->hint, space->end, count, &slot);
    if (*fresh) {
        slot = space->end;
        VX_TRY(make_room(space, slot + count, err));
        space->end = slot + count;
    }
    space->hint = slot + count; /* shorter runs may be left; they are not worth a search for each block */
    set_used(space, slot, count, true);
    *offset = slot * UNIT;
    space->taken += length;
    return VHDX_OK;
}

bool vx_space_is_used(const struct vx_space *space, uint64_t offset)
{
    return offset / UNIT < space->end && is_used(space, offset / UNIT);
}

bool vx_space_find(const struct vx_space *space, uint64_t from, uint64_t end, uint64_t length, uint64_t *offset)
{
    uint64_t slot;
    if (!find_free(space, from / UNIT, vx_min(end / UNIT, space->end), vx_ceil_div(length, UNIT), &slot))
        return false;
    *offset = slot * UNIT;
    return true;
}

void vx_space_claim(struct vx_space *space, uint64_t offset, uint64_t length)
{
    set_used(space, offset / UNIT, vx_ceil_div(length, UNIT), true);
    space->taken += length;
}

uint64_t vx_space_taken(const struct vx_space *space)
{
    return space->taken;
}

vhdx_status vx_space_release(struct vx_space *space, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct released *released =
        vx_room_for(space->released, space->released_count, &space->released_room, sizeof *released);
    if (!released)
        return vx_fail_memory(err, "released space");
    space->released = released;
    space->released[space->released_count++] = (struct released){offset / UNIT, vx_ceil_div(length, UNIT)};
    return VHDX_OK;
}

void vx_space_committed(struct vx_space *space)
{
    for (size_t i = 0; i < space->released_count; i++) {
        set_used(space, space->released[i].slot, space->released[i].count, false);
        space->hint = vx_min(space->hint, space->released[i].slot);
    }
    space->released_count = 0;
}

vhdx_status vx_space_materialize(struct vx_space *space, vhdx_error *err)
{
    return vx_file_grow(space->image->file, space->end * UNIT, err);
}

uint64_t vx_space_end(const struct vx_space *space)
{
    uint64_t end = space->end;
    while (end > 0 && !is_used(space, end - 1))
        end--;
    return end * UNIT;
}

/* The next run of unallocated slots inside of the file, from *slot on. false: none. */
static bool next_unused(const struct vx_space *space, uint64_t *slot, uint64_t *count)
{
    uint64_t end = vx_min(space->end, vx_ceil_div(space->file_size, UNIT)), at = *slot;
    while (at < end && is_used(space, at))
        at++;
    for (*count = 0; at + *count < end && !is_used(space, at + *count);)
        ++*count;
    *slot = at;
    return *count > 0;
}

/* Bytes of a range of the file that are no holes. */
static uint64_t data_bytes(struct vx_file *file, uint64_t offset, uint64_t end)
{
    uint64_t bytes = 0;
    while (offset < end) {
        uint64_t data, length;
        vx_file_next_data(file, offset, &data, &length);
        if (length == 0 || data >= end)
            break;
        bytes += vx_min(length, end - data);
        offset = data + vx_min(length, end - data);
    }
    return bytes;
}

uint64_t vx_space_unused_bytes(const struct vx_space *space, uint64_t least)
{
    uint64_t bytes = 0, slot = 0, count;
    for (; next_unused(space, &slot, &count); slot += count)
        if (count * UNIT >= least)
            bytes += data_bytes(space->image->view, slot * UNIT, vx_min((slot + count) * UNIT, space->file_size));
    return bytes;
}

vhdx_status vx_space_give_back(struct vx_space *space, vhdx_error *err)
{
    struct vx_file *file = space->image->file;
    uint64_t slot = 0, count;
    for (; next_unused(space, &slot, &count); slot += count) {
        uint64_t offset = slot * UNIT, end = vx_min((slot + count) * UNIT, space->file_size);
        if (data_bytes(file, offset, end) > 0)
            VX_TRY(vx_file_give_back(file, offset, end - offset, err));
    }
    return VHDX_OK;
}
