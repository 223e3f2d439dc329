/*
 * File records of NTFS in two layers. See proof_ntfs_parts.h and the rules in proof_ntfs.c.
 *
 * The times of the records of the volume itself never change, and those of a file that was put back
 * from an archive may be older than the file. So a change of the child is dated by the newest time that its record
 * knows, and only where that is another one than below.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/proof_ntfs_parts.h"

#include "base/checked.h"

#include <string.h>

#define BYTES_MAX (256 * VX_MIB) /* of file records; a quarter of a million of them */
#define UPDATES_MAX 0x1000u      /* writes of one record within a child, where only their number tells */

/* One record, as both have it. */
struct both {
    uint64_t number;
    struct vx_ntfs_record above, under;
    bool has_above, has_under;
    bool same; /* byte for byte */
};

static bool has_own_times(uint64_t number)
{
    return number >= VX_NTFS_FIRST_FREE || number == VX_NTFS_ROOT;
}

/* The volume's own records are made with it and never again, but its root is one of them that has a time. */
static bool is_foreign(const struct both *both)
{
    const struct vx_ntfs_record *above = &both->above, *under = &both->under;
    return both->number < 12 && above->has_times && under->has_times && above->created != 0 && under->created != 0 &&
           above->created != under->created;
}

/* The one that was changed last below. */
static void keep_example(const struct both *both, struct vx_ntfs_pair *example)
{
    if (example->below_changed != 0 && example->below_changed >= both->under.changed)
        return;
    *example = (struct vx_ntfs_pair){both->number, both->above.created, both->under.created, both->under.changed};
}

/* Only the number of writes tells; they are few or nothing is told. */
static bool written_more_below(const struct both *both)
{
    uint16_t more = (uint16_t)(both->under.update - both->above.update);
    return !both->same && both->above.changed == both->under.changed && both->above.lsn == both->under.lsn &&
           more > 0 && more < UPDATES_MAX;
}

/* N3: a copy below that is later than the child's. */
static bool is_later_below(struct vx_ntfs_look *look, const struct both *both)
{
    const struct vx_ntfs_record *above = &both->above, *under = &both->under;
    bool later = false;
    if (vx_ntfs_is_later(under->sequence, above->sequence)) {
        look->reused_below++;
        later = true;
    }
    if (under->lsn > above->lsn) {
        look->later_lsn++;
        later = true;
    }
    bool newer = has_own_times(both->number) && under->in_use && under->sequence == above->sequence &&
                 under->changed > vx_max(above->changed, above->named);
    if (newer || written_more_below(both)) {
        look->later_time++;
        later = true;
    }
    return later;
}

/* When the child began to change things, as far as this record tells. */
static void add_change(struct vx_ntfs_look *look, const struct both *both)
{
    const struct vx_ntfs_record *above = &both->above, *under = &both->under;
    bool is_new = !both->has_under || !under->in_use || under->sequence != above->sequence;
    if (!above->in_use || both->same)
        return;
    if (above->lsn != 0 && (!both->has_under || above->lsn != under->lsn))
        look->first_lsn = vx_min(look->first_lsn, above->lsn);
    if (!has_own_times(both->number) || !above->has_times || (!is_new && above->changed == under->changed))
        return;
    look->first_change = vx_min(look->first_change, vx_max(above->changed, is_new ? above->named : 0));
}

static void look_at_pair(struct vx_ntfs_look *look, const struct both *both)
{
    if (both->has_above && both->has_under && is_foreign(both)) {
        look->foreign++;
        keep_example(both, &look->foreign_example);
        return;
    }
    if (!both->has_above)
        return;
    if (both->has_under && is_later_below(look, both)) {
        keep_example(both, &look->example);
        return;
    }
    add_change(look, both);
    if (both->has_under && both->above.in_use && both->under.in_use && both->above.created != 0 &&
        both->above.created == both->under.created && both->above.sequence == both->under.sequence)
        look->go_on++;
}

/* ---- the bitmap of records --------------------------------------------------------------------------------------- */

/* The bits of the records of one chunk. */
struct bits {
    bool known, child; /* whether the child says what is there */
    uint8_t above[VX_NTFS_CHUNK / VX_NTFS_STRIDE / 8 + 1], under[VX_NTFS_CHUNK / VX_NTFS_STRIDE / 8 + 1];
    bool known_below;
};

/* Bitmaps are right only on a volume that was unmounted. */
static struct bits read_bits(const struct vx_ntfs_look *look, uint64_t first, uint32_t count)
{
    struct bits bits = {0};
    size_t length = (size_t)vx_ceil_div(count, 8);
    bool clean = !look->whole.dirty && (!look->whole.has_restart || look->whole.restart.clean);
    enum vx_ntfs_held held = vx_ntfs_who(look, &look->whole.bitmap, first / 8, length);
    bits.child = held == VX_NTFS_HELD_ALL;
    bits.known = clean && first % 8 == 0 && (held == VX_NTFS_HELD_ALL || held == VX_NTFS_HELD_NONE) &&
                 vx_ntfs_read(look, false, &look->whole.bitmap, first / 8, bits.above, length);
    bits.known_below = vx_ntfs_read(look, true, &look->below.bitmap, first / 8, bits.under, length);
    return bits;
}

static bool is_set(const uint8_t *bits, uint32_t index)
{
    return bits[index / 8] >> index % 8 & 1;
}

/* N4. Bits that are not set, and records that are not in use, count for nothing that fits. */
static void look_at_bit(struct vx_ntfs_look *look, const struct bits *bits, uint32_t index, const struct both *both,
                        bool child)
{
    bool in_use = both->has_above && both->above.in_use;
    if (!bits->known || both->number < VX_NTFS_FIRST_FREE || bits->child == child)
        return;
    bool set = is_set(bits->above, index);
    if (set == in_use) {
        look->bits_fit += set;
        return;
    }
    if (look->bits_wrong++ == 0)
        look->wrong_bit = both->number;
    bool in_use_below = both->has_under && both->under.in_use;
    if (!bits->known_below || is_set(bits->under, index) != in_use_below)
        look->bits_wrong_below++;
}

/* ---- all records ------------------------------------------------------------------------------------------------- */

static bool decode(uint8_t *bytes, uint32_t size, struct vx_ntfs_record *record)
{
    uint16_t update = 0;
    bool right = memcmp(bytes, "FILE", 4) == 0 && vx_ntfs_fix(bytes, size, &update) &&
                 vx_ntfs_record_decode(vx_bytes_of(bytes, size), record);
    record->update = update;
    return right;
}

static void look_at_record(struct vx_ntfs_look *look, struct both *both, enum vx_ntfs_held held, uint8_t *above,
                           uint8_t *under)
{
    uint32_t size = look->whole.boot.record_size;
    bool meant = memcmp(above, "FILE", 4) == 0;
    both->same = memcmp(above, under, size) == 0;
    both->has_above = decode(above, size, &both->above);
    both->has_under = decode(under, size, &both->under);
    if (both->has_under) {
        look->below.newest_lsn = vx_max(look->below.newest_lsn, both->under.lsn);
        if (has_own_times(both->number) && both->under.in_use)
            look->newest_below = vx_max(look->newest_below, both->under.changed);
    }
    if (meant && !both->has_above) {
        look->torn += held == VX_NTFS_HELD_PART;
        look->damaged += held != VX_NTFS_HELD_PART;
    }
    if (held != VX_NTFS_HELD_NONE)
        look_at_pair(look, both);
}

/* Records [first, +count), of which the child may hold some. */
static void look_at_chunk(struct vx_ntfs_look *look, uint64_t first, uint32_t count)
{
    uint32_t size = look->whole.boot.record_size;
    uint64_t at = first * size;
    size_t length = (size_t)count * size;
    size_t under = at < look->below.records.size ? (size_t)vx_min(length, look->below.records.size - at) : 0;
    memset(look->under + under, 0, length - under);
    if (!vx_ntfs_read(look, true, &look->below.records, at, look->under, under) ||
        !vx_ntfs_read(look, false, &look->whole.records, at, look->above, length)) {
        look->unknown = true;
        return;
    }
    struct bits bits = read_bits(look, first, count);
    bool any = vx_ntfs_who(look, &look->whole.records, at, length) != VX_NTFS_HELD_NONE;
    for (uint32_t i = 0; i < count; i++) {
        struct both both = {.number = first + i};
        enum vx_ntfs_held held =
            any ? vx_ntfs_who(look, &look->whole.records, at + (uint64_t)i * size, size) : VX_NTFS_HELD_NONE;
        look_at_record(look, &both, held, look->above + (size_t)i * size, look->under + (size_t)i * size);
        if (held == VX_NTFS_HELD_ALL || held == VX_NTFS_HELD_NONE)
            look_at_bit(look, &bits, i, &both, held == VX_NTFS_HELD_ALL);
        else
            look->unknown = look->unknown || held == VX_NTFS_HELD_UNKNOWN;
    }
}

void vx_ntfs_look_at_records(struct vx_ntfs_look *look)
{
    uint32_t size = look->whole.boot.record_size, chunk = VX_NTFS_CHUNK / size;
    uint64_t all = look->whole.records.size / size, count = vx_min(all, BYTES_MAX / size);
    look->unknown = look->unknown || count < all || !look->whole.all_records || !look->below.all_records;
    for (uint64_t first = 0; first < count && !look->ended; first += chunk) {
        look->ended = !look->volume->views->go_on(look->volume->views->context);
        look_at_chunk(look, first, (uint32_t)vx_min(chunk, count - first));
    }
}
