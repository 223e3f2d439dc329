/*
 * Dirty logs for the image builder: which pages are right in the log only, the entries that hold them, and the company
 * they keep in the ring (entries already applied, of earlier times, torn). It writes entries by itself, from MS-VHDX
 * 2.3.1, zero descriptors included, so that the library's own encoder is not its own judge. The one thing that is easy
 * to get wrong: entries that must not be replayed need wrong content, or nobody would notice that they were.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"

/* ---- which pages ------------------------------------------------------------------------------------------------ */

static void add_untouched_pages(struct bld *b)
{
    if (b->log.what & BLD_LOG_BAT)
        for (uint64_t at = 0; at < b->regions[0].length; at += VX_PAGE)
            bld_page_at(b, b->regions[0].file_offset + at, BLD_LOG_BAT);
    size_t count;
    uint64_t *chunks = bld_map_keys(&b->chunks, &count);
    for (size_t i = 0; (b->log.what & BLD_LOG_BITMAPS) && i < count; i++)
        for (uint64_t at = 0; at < VX_BITMAP_BLOCK_SIZE; at += VX_PAGE)
            bld_page_at(b, bld_bitmap_offset(b, chunks[i]) + at, BLD_LOG_BITMAPS);
    free(chunks);
}

/* Pages that surely fit into the ring beside all that is to stand there too. */
static uint64_t page_budget(const struct bld *b)
{
    const struct bld_log *log = &b->log;
    uint64_t sectors = b->log_length / VX_PAGE;
    uint64_t others = 4 + log->empty_entries + 4 * log->applied_before + 16 * (uint64_t)log->older_sequence +
                      8 * (uint64_t)log->foreign_behind + 4 * (uint64_t)log->torn_behind + 3 * (uint64_t)log->entries;
    uint64_t room = sectors > others ? (sectors - others) * 120 / 124 : 0;
    return log->superseded ? room / 2 : room; /* as many again in wrong versions */
}

void bld_choose_logged(struct bld *b, uint64_t *chance)
{
    b->pages_logged = 0;
    if (!b->dirty)
        return;
    if (b->log.entries == 0)
        b->log.entries = 1;
    if (b->log.untouched_pages)
        add_untouched_pages(b);
    unsigned percent = b->log.percent ? b->log.percent : 100;
    uint64_t budget = page_budget(b);
    size_t count;
    uint64_t *keys = bld_map_keys(&b->pages, &count);
    for (size_t i = 0; i < count; i++) {
        struct bld_page *page = bld_map_get(&b->pages, keys[i]);
        page->logged = (page->what & b->log.what) != 0 && bld_random_below(chance, 100) < percent && budget > 0;
        if (!page->logged)
            continue;
        b->pages_logged++;
        if (!b->log.zero_descriptors || !vx_is_zero(page->bytes, VX_PAGE))
            budget--;
    }
    free(keys);
}

static void make_older(uint8_t *bytes, unsigned what, uint64_t chance)
{
    size_t step = what == BLD_LOG_BAT ? VX_BAT_ENTRY_SIZE : 1;
    if (what != BLD_LOG_BAT && what != BLD_LOG_BITMAPS)
        step = VX_PAGE;
    for (size_t at = 0; at < VX_PAGE; at += step)
        if (step == VX_PAGE || bld_random_below(&chance, 2))
            memset(bytes + at, 0, step);
}

void bld_home_bytes(const struct bld *b, const struct bld_page *page, uint64_t offset, uint8_t out[VX_PAGE])
{
    memcpy(out, page->bytes, VX_PAGE);
    if (!page->logged)
        return;
    if (b->log.home == BLD_HOME_ZERO)
        memset(out, 0, VX_PAGE);
    else if (b->log.home == BLD_HOME_GARBAGE)
        bld_random_bytes(b->options.seed ^ offset, 0, out, VX_PAGE);
    else
        make_older(out, page->what, b->options.seed ^ offset);
}

/* ---- one entry -------------------------------------------------------------------------------------------------- */

struct update {
    uint64_t offset, length; /* length: of zeros, or one page */
    uint8_t bytes[VX_PAGE];
    bool zero;
};

struct entry {
    struct update *updates;
    size_t count;
};

static struct update *add_update(struct entry *entry, uint64_t offset, const uint8_t *bytes)
{
    /* room for twice as many at each power of two: there may be thousands */
    if ((entry->count & (entry->count - 1)) == 0)
        entry->updates = bld_resized(entry->updates, entry->count ? 2 * entry->count : 1, sizeof(*entry->updates));
    struct update *update = &entry->updates[entry->count++];
    *update = (struct update){.offset = offset, .length = VX_PAGE, .zero = bytes == NULL};
    if (bytes)
        memcpy(update->bytes, bytes, VX_PAGE);
    return update;
}

static size_t descriptor_place(size_t i)
{
    return VX_LOG_HEADER_SIZE +
           i * VX_LOG_DESCRIPTOR_SIZE; /* later sectors have no header: the formula holds for all */
}

static size_t data_count(const struct entry *entry)
{
    size_t count = 0;
    for (size_t i = 0; i < entry->count; i++)
        count += !entry->updates[i].zero;
    return count;
}

static size_t descriptor_length(const struct entry *entry)
{
    size_t used = descriptor_place(entry->count);
    return (used + VX_PAGE - 1) / VX_PAGE * VX_PAGE;
}

static size_t entry_length(const struct entry *entry)
{
    return descriptor_length(entry) + data_count(entry) * VX_PAGE;
}

struct stamp {
    uint64_t sequence, flushed, last;
    uint32_t tail;
    vhdx_guid guid;
};

static void put_descriptor(uint8_t *at, const struct update *update, uint64_t sequence)
{
    if (update->zero) {
        vx_put32(at, VX_SIG_LOG_ZERO);
        vx_put64(at + 8, update->length);
    } else {
        vx_put32(at, VX_SIG_LOG_DATA_DESC);
        memcpy(at + 4, update->bytes + VX_PAGE - 4, 4);
        memcpy(at + 8, update->bytes, 8);
    }
    vx_put64(at + 16, update->offset);
    vx_put64(at + 24, sequence);
}

static void put_data_sector(uint8_t *at, const struct update *update, uint64_t sequence)
{
    vx_put32(at, VX_SIG_LOG_DATA);
    vx_put32(at + 4, (uint32_t)(sequence >> 32));
    memcpy(at + 8, update->bytes + 8, VX_PAGE - 12);
    vx_put32(at + VX_PAGE - 4, (uint32_t)sequence);
}

/* The entry's bytes, to be freed. */
static uint8_t *encode_entry(const struct entry *entry, const struct stamp *stamp)
{
    size_t length = entry_length(entry), data = descriptor_length(entry);
    uint8_t *bytes = bld_alloc(length, 1);
    vx_put32(bytes, VX_SIG_LOG_ENTRY);
    vx_put32(bytes + 8, (uint32_t)length);
    vx_put32(bytes + 12, stamp->tail);
    vx_put64(bytes + 16, stamp->sequence);
    vx_put32(bytes + 24, (uint32_t)entry->count);
    memcpy(bytes + 32, stamp->guid.bytes, 16);
    vx_put64(bytes + 48, stamp->flushed);
    vx_put64(bytes + 56, stamp->last);
    for (size_t i = 0; i < entry->count; i++) {
        put_descriptor(bytes + descriptor_place(i), &entry->updates[i], stamp->sequence);
        if (entry->updates[i].zero)
            continue;
        put_data_sector(bytes + data, &entry->updates[i], stamp->sequence);
        data += VX_PAGE;
    }
    vx_put32(bytes + 4, vx_crc32c_table(0, bytes, length));
    return bytes;
}

/* ---- the ring --------------------------------------------------------------------------------------------------- */

static void put_in_ring(struct bld *b, uint64_t at, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += VX_PAGE)
        memcpy(b->ring + (at + i) % b->log_length, bytes + i, VX_PAGE);
}

/* Encodes the entry at `at` and returns where the next one begins. */
static uint64_t place_entry(struct bld *b, const struct entry *entry, const struct stamp *stamp, uint64_t at)
{
    uint8_t *bytes = encode_entry(entry, stamp);
    put_in_ring(b, at, bytes, entry_length(entry));
    free(bytes);
    return (at + entry_length(entry)) % b->log_length;
}

static void shuffle_updates(struct entry *entry, uint64_t *chance)
{
    for (size_t i = entry->count; i > 1; i--) {
        size_t j = (size_t)bld_random_below(chance, i);
        struct update kept = entry->updates[i - 1];
        entry->updates[i - 1] = entry->updates[j];
        entry->updates[j] = kept;
    }
}

/* One or two pages of the disk with wrong content, preferably such as the active sequence does not mend. */
static struct entry wrong_entry(const struct bld *b, uint64_t *chance)
{
    struct entry entry = {0};
    size_t count;
    uint64_t *keys = bld_map_keys(&b->pages, &count);
    for (unsigned tries = 0; tries < 40 && entry.count < 2; tries++) {
        uint64_t key = keys[bld_random_below(chance, count)];
        const struct bld_page *page = bld_map_get(&b->pages, key);
        if (page->logged && tries < 30)
            continue;
        uint8_t wrong[VX_PAGE];
        bld_random_bytes(bld_random(chance), 0, wrong, sizeof(wrong));
        add_update(&entry, key * VX_PAGE, bld_random_below(chance, 4) ? wrong : NULL);
    }
    free(keys);
    return entry;
}

/* A run of wrong entries of one GUID from `at` on; returns where it ends. */
static uint64_t place_wrong_run(struct bld *b, unsigned count, uint64_t at, struct stamp stamp, uint64_t *chance)
{
    stamp.tail = (uint32_t)at;
    for (unsigned i = 0; i < count; i++, stamp.sequence++) {
        struct entry entry = wrong_entry(b, chance);
        at = place_entry(b, &entry, &stamp, at);
        free(entry.updates);
    }
    return at;
}

static void place_applied(struct bld *b, struct stamp stamp, uint64_t *chance)
{
    uint64_t at = b->log.ring_offset;
    for (unsigned i = 0; i < b->log.applied_before; i++) {
        struct entry entry = wrong_entry(b, chance);
        at = (at + b->log_length - entry_length(&entry)) % b->log_length;
        stamp.sequence--;
        stamp.tail = (uint32_t)at;
        place_entry(b, &entry, &stamp, at);
        free(entry.updates);
    }
}

/* The next entry, of whose last data sector only zeros reached the disk. */
static uint64_t place_torn(struct bld *b, struct stamp stamp, uint64_t at, uint64_t *chance)
{
    struct entry entry = {0};
    struct entry wrong = wrong_entry(b, chance);
    uint8_t bytes[VX_PAGE];
    bld_random_bytes(bld_random(chance), 0, bytes, sizeof(bytes));
    for (size_t i = 0; i < wrong.count; i++)
        add_update(&entry, wrong.updates[i].offset, bytes);
    uint8_t *encoded = encode_entry(&entry, &stamp);
    memset(encoded + entry_length(&entry) - VX_PAGE, 0, VX_PAGE);
    put_in_ring(b, at, encoded, entry_length(&entry));
    at = (at + entry_length(&entry)) % b->log_length;
    free(encoded);
    free(wrong.updates);
    free(entry.updates);
    return at;
}

/* ---- the active sequence ---------------------------------------------------------------------------------------- */

/* Adds zeros at `offset`, to the zero descriptor before if it ends there. */
static void add_zeros(struct entry *entry, uint64_t offset)
{
    struct update *last = entry->count ? &entry->updates[entry->count - 1] : NULL;
    if (last && last->zero && last->offset + last->length == offset)
        last->length += VX_PAGE;
    else
        add_update(entry, offset, NULL);
}

static void add_wrong_versions(const struct bld *b, struct entry *entries, size_t right, uint64_t offset,
                               uint64_t *room, uint64_t *chance)
{
    for (size_t e = 0; b->log.superseded && e<right && * room> 0; e++) {
        uint8_t wrong[VX_PAGE];
        if (bld_random_below(chance, 4))
            continue;
        --*room;
        bld_random_bytes(bld_random(chance), 0, wrong, sizeof(wrong));
        add_update(&entries[e], offset, bld_random_below(chance, 4) && b->log.zero_descriptors ? NULL : wrong);
    }
}

/* Spreads the logged pages over `total` entries, of which as many as were asked for stay empty. */
static void fill_entries(const struct bld *b, struct entry *entries, size_t total, uint64_t *chance)
{
    size_t count, last = 0;
    uint64_t room = page_budget(b);
    uint64_t *keys = bld_map_keys(&b->pages, &count);
    size_t *filled = bld_alloc(b->log.entries, sizeof(*filled));
    for (size_t e = 0; e < b->log.entries; e++) /* empties at random places: skip some on the way */
        filled[e] = last = last + (e ? 1 : 0) +
                           (size_t)bld_random_below(chance, total - (b->log.entries - e) - last - (e ? 1 : 0) + 1);
    for (size_t i = 0; i < count; i++) {
        const struct bld_page *page = bld_map_get(&b->pages, keys[i]);
        if (!page->logged)
            continue;
        size_t e = (size_t)bld_random_below(chance, b->log.entries);
        if (b->log.zero_descriptors && vx_is_zero(page->bytes, VX_PAGE))
            add_zeros(&entries[filled[e]], keys[i] * VX_PAGE);
        else
            add_update(&entries[filled[e]], keys[i] * VX_PAGE, page->bytes);
        add_wrong_versions(b, entries, filled[e], keys[i] * VX_PAGE, &room, chance);
    }
    free(filled);
    free(keys);
}

static void stamp_sizes(const struct bld *b, struct stamp *stamp, bool head, uint64_t *chance)
{
    uint64_t known = b->file_size / VX_MIB;
    stamp->last = (b->end + VX_MIB - 1) / VX_MIB * VX_MIB;
    stamp->flushed = (bld_random_below(chance, 2) ? known : bld_random_below(chance, known + 1)) * VX_MIB;
    if (!head)
        stamp->last -= bld_random_below(chance, stamp->last / VX_MIB) * VX_MIB;
    if (head && b->log.truncated)
        stamp->flushed = (known + 2) * VX_MIB;
}

static uint64_t place_active(struct bld *b, struct stamp *stamp, uint64_t *chance)
{
    size_t total = b->log.entries + b->log.empty_entries;
    struct entry *entries = bld_alloc(total, sizeof(*entries));
    fill_entries(b, entries, total, chance);
    b->entry_offsets = bld_resized(b->entry_offsets, total, sizeof(*b->entry_offsets));
    b->entry_total = (unsigned)total;
    uint64_t at = b->log.ring_offset, used = 0;
    stamp->tail = b->log.ring_offset;
    for (size_t e = 0; e < total; e++) {
        shuffle_updates(&entries[e], chance);
        stamp_sizes(b, stamp, e + 1 == total, chance);
        b->entry_offsets[e] = b->log_offset + at;
        used += entry_length(&entries[e]);
        BLD_DEMAND(used < b->log_length, "the log does not fit its ring");
        at = place_entry(b, &entries[e], stamp, at);
        stamp->sequence++;
        free(entries[e].updates);
    }
    free(entries);
    return at;
}

static void fill_with_residue(struct bld *b, uint64_t *chance)
{
    struct stamp stamp = {.guid = bld_random_guid(chance), .sequence = bld_random(chance) >> 2, .last = b->end};
    for (uint64_t at = 0; at + 16 * VX_PAGE < b->log_length;) {
        if (bld_random_below(chance, 8) == 0) {
            stamp.guid = bld_random_guid(chance);
            stamp.sequence = bld_random(chance) >> 2;
        }
        at = place_wrong_run(b, 1, at, stamp, chance);
        stamp.sequence++;
    }
}

static void place_dirty(struct bld *b, uint64_t *chance)
{
    struct stamp stamp = {.guid = b->log_guid, .sequence = b->log.sequence};
    if (stamp.sequence == 0)
        stamp.sequence = (bld_random(chance) >> 2) + 5000;
    struct stamp first = stamp;
    uint64_t at = place_active(b, &stamp, chance);
    first.last = stamp.last;
    place_applied(b, first, chance);
    if (b->log.torn_behind) {
        at = place_torn(b, stamp, at, chance);
        stamp.sequence++;
    }
    if (b->log.foreign_behind) {
        stamp.guid = bld_random_guid(chance);
        at = place_wrong_run(b, 2, at, stamp, chance);
    }
    if (b->log.older_sequence) {
        first.sequence -= 1000;
        place_wrong_run(b, 2, (at + (1 + bld_random_below(chance, 3)) * VX_PAGE) % b->log_length, first, chance);
    }
}

void bld_fill_ring(struct bld *b, uint64_t *chance)
{
    const struct bld_log *log = &b->log;
    b->entry_total = 0;
    b->log_guid = (vhdx_guid){{0}};
    if (!b->dirty && !b->options.log_residue)
        return;
    b->ring = bld_alloc(b->log_length, 1);
    if (!b->dirty) {
        fill_with_residue(b, chance);
        return;
    }
    BLD_DEMAND(log->ring_offset % VX_PAGE == 0 && log->ring_offset < b->log_length, "bad place in the ring");
    BLD_DEMAND(log->sequence == 0 || log->sequence > 1000 || (!log->older_sequence && !log->applied_before),
               "no room for smaller sequence numbers");
    if (b->options.garbage)
        bld_random_bytes(bld_random(chance), 0, b->ring, b->log_length);
    b->log_guid = bld_random_guid(chance);
    if (!log->no_valid_entry)
        place_dirty(b, chance);
}

/* ---- where everything is ---------------------------------------------------------------------------------------- */

unsigned bld_log_entry_count(const struct bld *b)
{
    return b->entry_total;
}

uint64_t bld_log_entry_offset(const struct bld *b, unsigned n)
{
    return n < b->entry_total ? b->entry_offsets[n] : VHDX_NOWHERE;
}

unsigned bld_log_page_count(const struct bld *b)
{
    return b->pages_logged;
}

bool bld_log_holds(const struct bld *b, uint64_t offset)
{
    const struct bld_page *page = bld_map_get(&b->pages, offset / VX_PAGE);
    return page && page->logged;
}
