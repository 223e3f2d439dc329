/*
 * Counting what the BAT says about the sizes by which it is read. See sizes.h. One pass serves all sizes that are asked
 * about: which entries are those of sector bitmaps follows from each, and everything else follows from that. Easy to
 * get wrong: an entry that breaks rules is no witness of anything.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "format/bat.h"
#include "format/metadata.h"
#include "image/claims.h"
#include "evidence/sizes.h"

#include <stdlib.h>

#define WINDOW ((size_t)(256 * VX_KIB))
#define PLACES_MAX ((size_t)1 << 16) /* blocks whose distances are looked at; more of them prove no more */

struct place {
    uint64_t file_offset, bat_index;
};

struct counting {
    const struct vx_size_facts *facts;
    struct vx_census *items;
    size_t counted;
    struct vx_geometry stored; /* all zeros: the stored sizes are no disk's */
    struct vx_claims claims;
    bool has_claims;
    uint64_t claimed; /* bytes from the start of a block; not all of it where blocks may be smaller */
    uint64_t file_size;
    bool child;
    struct place *places;
    size_t place_count;
};

/* ---- entries ---- */

static bool has_place(const struct counting *counting, const struct vx_bat_entry *entry)
{
    return entry->file_offset >= VX_HEADER_SECTION_SIZE && entry->file_offset < counting->file_size;
}

static bool is_present(const struct counting *counting, const struct vx_bat_entry *entry)
{
    return (entry->state == VX_PAYLOAD_FULLY_PRESENT || entry->state == VX_PAYLOAD_PARTIALLY_PRESENT) &&
           entry->reserved == 0 && has_place(counting, entry);
}

/* Whether the entry means something for reading: a child's "zeros" hide what its parent has. */
static bool says_something(const struct counting *counting, const struct vx_bat_entry *entry)
{
    if (is_present(counting, entry))
        return true;
    if (entry->reserved != 0 || entry->state == VX_PAYLOAD_NOT_PRESENT || entry->state > VX_PAYLOAD_UNMAPPED)
        return false;
    return entry->file_offset != 0 ? has_place(counting, entry) : counting->child;
}

static void begin_chunk(struct vx_census *census, uint64_t chunk)
{
    census->partial = false;
    census->chunk = chunk;
    census->slot = (chunk + 1) * (census->ratio + 1) - 1;
}

/* Chunks that end before the entry; their slots are empty. */
static void pass_slots(struct vx_census *census, uint64_t bat_index, bool present)
{
    census->bitmapless += census->partial;
    census->hollow += present && census->previous == census->slot && bat_index == census->slot + 1;
    begin_chunk(census, bat_index / (census->ratio + 1));
}

/* `taken`: something before it claims the place. */
static void take_slot(const struct counting *counting, struct vx_census *census, const struct vx_bat_entry *entry,
                      bool taken)
{
    bool present = is_present(counting, entry);
    if (counting->child && present && entry->state == VX_BITMAP_PRESENT) {
        census->bitmaps += census->partial;
        census->slot_bitmaps += !taken;
    } else {
        census->in_slots += counting->child ? says_something(counting, entry) : present;
        census->bitmapless += census->partial;
    }
    begin_chunk(census, census->chunk + 1);
}

static void take_entry(const struct counting *counting, struct vx_census *census, uint64_t bat_index,
                       const struct vx_bat_entry *entry, bool taken)
{
    bool present = is_present(counting, entry);
    if (bat_index > census->slot)
        pass_slots(census, bat_index, present);
    if (bat_index == census->slot) {
        take_slot(counting, census, entry, taken);
    } else if (says_something(counting, entry)) {
        census->blocks = bat_index - census->chunk + 1;
        census->present += present;
        census->partial = census->partial || (counting->child && entry->state == VX_PAYLOAD_PARTIALLY_PRESENT);
    }
    if (present)
        census->previous = bat_index + 1; /* 0 = there is none */
}

/* ---- claims ---- */

static bool is_behind(const struct vx_geometry *stored, uint64_t bat_index)
{
    uint64_t which;
    if (stored->entry_count == 0)
        return false;
    bool payload = vx_geometry_is_payload(stored, bat_index, &which);
    return payload ? which >= stored->payload_count : which >= stored->chunk_count;
}

/* Entries come in order: those of the disk as it is stored have claimed what is theirs before those behind it. */
static vhdx_status contest(struct counting *counting, uint64_t bat_index, const struct vx_bat_entry *entry,
                           bool *contested, vhdx_error *err)
{
    *contested = false;
    if (!counting->has_claims || !has_place(counting, entry))
        return VHDX_OK;
    uint64_t length = vx_min(counting->claimed, counting->file_size - entry->file_offset);
    *contested =
        is_behind(&counting->stored, bat_index) && !vx_claims_is_free(&counting->claims, entry->file_offset, length);
    if (*contested || !is_present(counting, entry))
        return VHDX_OK;
    return vx_claims_take(&counting->claims, entry->file_offset, length, err);
}

static vhdx_status open_claims(struct counting *counting, vhdx_error *err)
{
    const struct vx_size_facts *facts = counting->facts;
    struct vx_claims *claims = &counting->claims;
    counting->has_claims = true;
    VX_TRY(vx_claims_open(counting->file_size, claims, err));
    VX_TRY(vx_claims_take(claims, 0, VX_HEADER_SECTION_SIZE, err));
    VX_TRY(vx_claims_take(claims, facts->bat.file_offset, facts->bat.length, err));
    VX_TRY(vx_claims_take(claims, facts->metadata.file_offset, facts->metadata.length, err));
    return vx_claims_take(claims, facts->log_offset, facts->log_length, err);
}

static vhdx_status take_window(struct counting *counting, const uint8_t *bytes, size_t count, uint64_t first,
                               vhdx_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t raw = vx_get64(bytes + i * VX_BAT_ENTRY_SIZE);
        bool contested;
        if (raw == 0)
            continue;
        const struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        bool taken = counting->has_claims && has_place(counting, &entry) &&
                     !vx_claims_is_free(&counting->claims, entry.file_offset, VX_MIB);
        VX_TRY(contest(counting, first + i, &entry, &contested, err));
        for (size_t k = 0; k < counting->counted && !contested; k++)
            take_entry(counting, &counting->items[k], first + i, &entry, taken);
        if (!contested && counting->place_count < PLACES_MAX && is_present(counting, &entry))
            counting->places[counting->place_count++] = (struct place){entry.file_offset, first + i};
    }
    return VHDX_OK;
}

static vhdx_status walk(struct counting *counting, uint8_t *bytes, vhdx_error *err)
{
    const struct vx_size_facts *facts = counting->facts;
    uint64_t at = 0, room = counting->file_size - vx_min(counting->file_size, facts->bat.file_offset);
    uint64_t length = vx_min(facts->bat.length, room), data, data_length;
    while (at < length) {
        size_t got, here = (size_t)vx_min(WINDOW, length - at);
        VX_TRY(vx_file_read_some(facts->view, bytes, here, facts->bat.file_offset + at, &got, err));
        at += here;
        if (!vx_is_zero(bytes, got)) {
            VX_TRY(take_window(counting, bytes, got / VX_BAT_ENTRY_SIZE, (at - here) / VX_BAT_ENTRY_SIZE, err));
            continue;
        }
        vx_file_next_data(facts->view, facts->bat.file_offset + at, &data, &data_length);
        if (data_length == 0)
            break;
        at = vx_max(at, vx_round_down(data - facts->bat.file_offset, WINDOW));
    }
    for (size_t k = 0; k < counting->counted; k++)
        counting->items[k].bitmapless += counting->items[k].partial;
    return VHDX_OK;
}

/* ---- distances ---- */

static int by_place(const void *a, const void *b)
{
    uint64_t left = ((const struct place *)a)->file_offset, right = ((const struct place *)b)->file_offset;
    return (left > right) - (left < right);
}

/* A place that two blocks claim tells no distance. */
static void measure(const struct counting *counting, struct vx_census *census)
{
    uint64_t before = 0;
    for (size_t i = 0; i < counting->place_count; i++) {
        const struct place *place = &counting->places[i];
        if (place->bat_index % (census->ratio + 1) == census->ratio || place->file_offset == before)
            continue;
        uint64_t distance = place->file_offset - before;
        if (before != 0) {
            census->overlaps += distance < census->block_size;
            census->touching += distance == census->block_size;
            if (distance == census->block_size && census->touching_place == 0)
                census->touching_place = before;
            if (census->least_distance == 0 || distance < census->least_distance)
                census->least_distance = distance;
        }
        before = place->file_offset;
        census->first_place = census->first_place ? census->first_place : before;
    }
    census->last_place = before;
}

static vhdx_status count(struct counting *counting, const struct vx_count_request *request, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc(WINDOW, 1);
    counting->places = vx_alloc(PLACES_MAX, sizeof *counting->places);
    vhdx_status status = bytes && counting->places ? VHDX_OK : vx_fail_memory(err, "a window of the BAT");
    if (status == VHDX_OK && request->claims)
        status = open_claims(counting, err);
    if (status == VHDX_OK)
        status = walk(counting, bytes, err);
    vx_free(bytes);
    return status;
}

static bool is_child(const struct vx_size_facts *facts)
{
    return (facts->parameter_flags & VX_PARAMETER_HAS_PARENT) != 0;
}

vhdx_status vx_sizes_count(const struct vx_size_facts *facts, const struct vx_count_request *request, vhdx_error *err)
{
    const struct vx_sizes *stored = &facts->stored;
    struct counting counting = {.facts = facts, .items = request->items, .counted = request->counted};
    counting.child = is_child(facts);
    counting.claimed = stored->block_size;
    if (!vx_geometry_init(&counting.stored, stored->virtual_size, stored->block_size, stored->logical_sector,
                          counting.child))
        counting.stored = (struct vx_geometry){0};
    VX_TRY(vx_file_size(facts->view, &counting.file_size, err));
    for (size_t k = 0; k < request->count; k++) {
        struct vx_census *census = &request->items[k];
        census->ratio = VX_SECTORS_PER_CHUNK * census->logical_sector / census->block_size;
        begin_chunk(census, 0);
        counting.claimed = vx_min(counting.claimed, census->block_size);
    }
    vhdx_status status = count(&counting, request, err);
    if (status == VHDX_OK && counting.place_count > 1)
        qsort(counting.places, counting.place_count, sizeof *counting.places, by_place);
    for (size_t k = 0; status == VHDX_OK && k < request->count; k++)
        measure(&counting, &request->items[k]);
    vx_free(counting.places);
    vx_claims_close(&counting.claims);
    return status;
}

vhdx_status vx_sizes_ask_kind(const struct vx_size_facts *facts, bool *partial, bool *bitmaps, vhdx_error *err)
{
    struct vx_size_facts asked = *facts;
    struct vx_census census = {.block_size = facts->stored.block_size, .logical_sector = facts->stored.logical_sector};
    const struct vx_count_request request = {&census, 1, 1, true};
    asked.parameter_flags = VX_PARAMETER_HAS_PARENT;
    *partial = *bitmaps = false;
    if (census.block_size < VX_BLOCK_SIZE_MIN || census.block_size > VX_BLOCK_SIZE_MAX ||
        !vx_is_power_of_two(census.block_size) || (census.logical_sector != 512 && census.logical_sector != 4096))
        return VHDX_OK;
    VX_TRY(vx_sizes_count(&asked, &request, err));
    *partial = census.bitmaps > 0 || census.bitmapless > 0;
    *bitmaps = census.slot_bitmaps > 0;
    return VHDX_OK;
}
