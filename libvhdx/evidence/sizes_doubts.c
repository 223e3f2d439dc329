/*
 * What speaks against a set of sizes. See sizes.h. Nothing is decided here. Easy to get wrong: few blocks prove little;
 * what they only suggest may put sizes in doubt, never change them.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/sizes_parts.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define TOUCHING_LEAST 2u
#define TOUCHING_FOR_ONE_OVERLAP 8u

size_t vx_sizes_census_of(const struct vx_settling *s, uint32_t block_size, uint32_t logical_sector)
{
    size_t i = 0;
    while (i < s->count && (s->census[i].block_size != block_size || s->census[i].logical_sector != logical_sector))
        i++;
    return i;
}

/* Blocks that touch and do not overlap have that size. */
bool vx_sizes_stands_apart(const struct vx_census *census)
{
    return census->touching >= TOUCHING_LEAST && census->touching >= census->overlaps * TOUCHING_FOR_ONE_OVERLAP;
}

bool vx_sizes_has_bitmaps(const struct vx_settling *s, const struct vx_census *census)
{
    return s->child && census->bitmaps > 0 && census->bitmapless == 0 && census->in_slots == 0;
}

/* Log and regions are where no block is. */
static bool is_structure(const struct vx_settling *s, uint64_t offset, uint64_t length)
{
    const struct vx_size_facts *facts = s->facts;
    const uint64_t places[3] = {facts->bat.file_offset, facts->metadata.file_offset, facts->log_offset};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (places[i] >= offset && places[i] < offset + length)
            return true;
    return false;
}

bool vx_sizes_ends(const struct vx_settling *s, const struct vx_census *census)
{
    uint64_t end = vx_round_down(s->file_size, VX_MIB); /* the rest of a MiB is a tail of somebody else's */
    return census->last_place > 0 && census->last_place + census->block_size == end &&
           !is_structure(s, census->last_place, census->block_size);
}

/* Whether the file has content between the end of the block, as large as it is said to be, and that of a larger one. */
static bool goes_on(const struct vx_settling *s, uint64_t place, uint64_t block_size, uint64_t larger)
{
    uint8_t bytes[4096];
    uint64_t end = vx_min(place + larger, s->file_size), data, length;
    for (uint64_t at = place + block_size; place > 0 && at < end;) {
        size_t got;
        vx_file_next_data(s->facts->payload, at, &data, &length);
        at = vx_max(at, data);
        if (length == 0 || at >= end ||
            vx_file_read_some(s->facts->payload, bytes, (size_t)vx_min(sizeof bytes, end - at), at, &got, NULL) !=
                VHDX_OK)
            return false;
        if (!vx_is_zero(bytes, got))
            return true;
        at += sizeof bytes;
    }
    return false;
}

/* Whether blocks of the other size would lie side by side, or end with the file; those of the stored one do not. */
static bool fits_better(const struct vx_settling *s, const struct vx_census *stored, const struct vx_census *other)
{
    if (other->logical_sector != stored->logical_sector || other->block_size == stored->block_size ||
        stored->touching > 0 || vx_sizes_ends(s, stored) || other->overlaps > 0)
        return false;
    bool beside = other->touching > 0 && !is_structure(s, other->touching_place, other->block_size);
    return beside || vx_sizes_ends(s, other);
}

/* Whether the file has no room for the last block in it, even if that is the disk's last one and need not be whole. */
static bool is_cut(const struct vx_settling *s, const struct vx_census *stored)
{
    uint64_t rest = s->facts->stored.virtual_size % stored->block_size;
    return stored->last_place > 0 && stored->last_place + (rest ? rest : stored->block_size) >= s->file_size + VX_MIB;
}

/* Whether content is where the blocks go on if they have that larger size: behind one that touches the next one, or
 * behind the first and the last when that ends with the file. A program that was killed leaves a block without owner
 * too, but one. */
static bool go_on(const struct vx_settling *s, uint64_t block_size, const struct vx_census *larger)
{
    if (larger->touching > 0 && goes_on(s, larger->touching_place, block_size, larger->block_size))
        return true;
    return vx_sizes_ends(s, larger) && larger->first_place < larger->last_place &&
           goes_on(s, larger->first_place, block_size, larger->block_size) &&
           goes_on(s, larger->last_place, block_size, larger->block_size);
}

bool vx_sizes_shaken(const struct vx_settling *s, size_t which)
{
    const struct vx_census *stored = &s->census[which];
    bool cut = is_cut(s, stored);
    for (size_t i = 0; i < s->count; i++) {
        const struct vx_census *other = &s->census[i];
        bool ends = vx_sizes_ends(s, other);
        if (!fits_better(s, stored, other))
            continue;
        bool nearer = stored->overlaps > VX_SIZES_LIKELY || (stored->overlaps > 0 && ends);
        if (other->block_size < stored->block_size && (cut || nearer))
            return true;
        if (other->block_size > stored->block_size && go_on(s, stored->block_size, other))
            return true;
    }
    return false;
}

bool vx_sizes_larger_fits(const struct vx_settling *s, size_t stored)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->census[i].block_size > s->census[stored].block_size && s->census[i].touching > 0 &&
            fits_better(s, &s->census[stored], &s->census[i]))
            return true;
    return false;
}

/* Most blocks are nearer to each other than their size; or all lie as far apart as larger ones, and some exactly. */
static bool is_wrong_distance(const struct vx_settling *s, size_t which)
{
    const struct vx_census *census = &s->census[which];
    if (census->overlaps >= VX_SIZES_LIKELY && census->touching < census->overlaps * TOUCHING_FOR_ONE_OVERLAP)
        return true;
    for (size_t i = 0; i < s->count && !s->guests[which].backup; i++) {
        const struct vx_census *other = &s->census[i];
        bool many = other->touching >= VX_SIZES_APART_LEAST ||
                    (other->touching >= TOUCHING_LEAST && vx_sizes_ends(s, other) && !vx_sizes_ends(s, census));
        if (other->logical_sector == census->logical_sector && other->block_size > census->block_size &&
            other->overlaps == 0 && many && census->touching == 0)
            return true;
    }
    return false;
}

/* A disk with blocks missing before its last one is hardly fixed, whatever it says; then its file proves no size. */
static bool fits_file(const struct vx_settling *s, const struct vx_geometry *geometry, const struct vx_census *census)
{
    return !s->fixed || census->present < census->blocks || census->present == geometry->payload_count ||
           geometry->payload_count <= vx_ceil_div(s->file_size, geometry->block_size);
}

/* Whether the other sector size would have empty entries where its bitmaps are, and this one has blocks missing. */
bool vx_sizes_is_hollow(const struct vx_settling *s, const struct vx_census *census)
{
    size_t other = vx_sizes_census_of(s, census->block_size, census->logical_sector == 512 ? 4096 : 512);
    return other < s->count && s->census[other].ratio < census->ratio && s->census[other].in_slots == 0 &&
           s->census[other].hollow >= (s->fixed ? 1 : VX_SIZES_LIKELY);
}

unsigned vx_sizes_doubts(const struct vx_settling *s, const struct vx_sizes *sizes, size_t which)
{
    const struct vx_size_facts *facts = s->facts;
    const struct vx_census *census = &s->census[which];
    const struct vx_size_guest *guest = &s->guests[which];
    struct vx_geometry geometry;
    unsigned doubts = 0;
    if (!vx_geometry_init(&geometry, sizes->virtual_size, sizes->block_size, sizes->logical_sector, s->child))
        doubts |= VX_SIZE_RULES;
    else if (geometry.entry_count > facts->bat.length / VX_BAT_ENTRY_SIZE)
        doubts |= VX_SIZE_ROOM;
    uint64_t payload_count = vx_ceil_div(sizes->virtual_size, sizes->block_size);
    doubts |= census->blocks > payload_count ? VX_SIZE_BEHIND : 0u;
    doubts |= census->in_slots > 0 ? VX_SIZE_SLOTS : 0u;
    doubts |= census->bitmapless > 0 ? VX_SIZE_BITMAPLESS : 0u;
    doubts |= vx_sizes_is_hollow(s, census) ? VX_SIZE_HOLLOW : 0u;
    doubts |= guest->gpt && guest->gpt_sector != sizes->logical_sector ? VX_SIZE_GPT_SECTOR : 0u;
    doubts |= guest->gpt_end > sizes->virtual_size ? VX_SIZE_GPT_END : 0u;
    doubts |= guest->backup && guest->gpt_end > sizes->virtual_size ? VX_SIZE_BACKUP : 0u;
    doubts |= guest->reach > sizes->virtual_size ? VX_SIZE_REACH : 0u;
    doubts |= facts->parent && facts->parent->logical_sector != sizes->logical_sector ? VX_SIZE_PARENT : 0u;
    bool shaken = s->shaken && sizes->block_size == facts->stored.block_size;
    doubts |= shaken || is_wrong_distance(s, which) ? VX_SIZE_SPACING : 0u;
    if (!(doubts & VX_SIZE_RULES) && !fits_file(s, &geometry, census))
        doubts |= VX_SIZE_FILE;
    return doubts;
}

/* ---- in words ---- */

static void say(struct vx_settling *s, const char *format, ...) VX_PRINTF(2, 3);
static void say(struct vx_settling *s, const char *format, ...)
{
    char *text = s->out->evidence;
    size_t used = 0, room = sizeof s->out->evidence;
    va_list values;
    while (text[used] != '\0')
        used++;
    if (used > 0 && used + 2 < room) {
        text[used++] = ';';
        text[used++] = ' ';
    }
    va_start(values, format);
    vsnprintf(text + used, room - used, format, values);
    va_end(values);
}

void vx_sizes_describe(struct vx_settling *s)
{
    const struct vx_sizes *stored = &s->facts->stored;
    size_t before = vx_sizes_census_of(s, stored->block_size, stored->logical_sector);
    size_t after = vx_sizes_census_of(s, s->best.sizes.block_size, s->best.sizes.logical_sector);
    const struct vx_size_guest *guest = &s->guests[after < s->count ? after : before];
    const struct vx_census *census = &s->census[before];
    if (s->doubts & VX_SIZE_RULES)
        say(s, "a size of %" PRIu64 " bytes is not a whole number of sectors of %" PRIu32, stored->virtual_size,
            stored->logical_sector);
    if (s->doubts & VX_SIZE_BACKUP)
        say(s, "the copy of the GPT is behind the end");
    if (s->doubts & VX_SIZE_BEHIND)
        say(s, "the BAT has entries of blocks up to number %" PRIu64, census->blocks - 1);
    if (s->doubts & VX_SIZE_SLOTS)
        say(s, "%" PRIu64 " entries of blocks are where sector bitmaps have theirs", census->in_slots);
    if (s->doubts & VX_SIZE_BITMAPLESS)
        say(s, "partially present blocks have no sector bitmap where it would be");
    if (s->doubts & VX_SIZE_HOLLOW)
        say(s, "entries are empty where only sector bitmaps of smaller sectors would be");
    if (s->doubts & VX_SIZE_SPACING)
        say(s, "the blocks in the file are not that far apart");
    if (s->doubts & VX_SIZE_FILE)
        say(s, "the file of a fixed disk has no room for it");
    if (s->doubts & VX_SIZE_PARENT)
        say(s, "the parent has sectors of %" PRIu32 " bytes", s->facts->parent->logical_sector);
    if (guest->gpt)
        say(s, "the GPT has sectors of %" PRIu32 " bytes and ends at %" PRIu64 "%s", guest->gpt_sector, guest->gpt_end,
            guest->backup ? ", where its backup is" : "");
    if (s->logged.virtual_size == s->best.sizes.virtual_size && s->best.sizes.virtual_size != stored->virtual_size)
        say(s, "the log has the other size");
}
