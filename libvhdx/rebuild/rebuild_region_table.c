/*
 * A region table whose checksum is right and whose entries cannot be: a wrong number of them, an id with a wrong bit,
 * two entries of one name. Places and lengths are rebuild_settle.c's. The one thing that is easy to get wrong: an entry
 * that nobody knows may be a region of another program, and stays.
 */
/* SPDX-License-Identifier: MIT */
#include "base/guid.h"
#include "base/text.h"
#include "image/region_look.h"
#include "rebuild/rebuild_parts.h"

#include <stdio.h>
#include <string.h>

#define COUNT_AT 8u
#define WRONG_BITS 16u /* of 128: so near no two ids are by chance */

static const vhdx_guid *const known_ids[] = {&vx_guid_bat_region, &vx_guid_metadata_region};

static void say(struct vx_region_mended *mended, const char *what)
{
    struct vx_text text = vx_text_go_on(mended->evidence, sizeof mended->evidence);
    vx_text_add(&text, "%s%s", text.length ? "; " : "", what);
    mended->changed = true;
}

/* ---- the number of entries ---- */

static bool is_blank(const struct vx_region *region)
{
    return vx_guid_is_zero(&region->guid) && region->file_offset == 0 && region->length == 0 && region->required == 0;
}

static bool is_among(const struct vx_region_table *table, uint32_t begin, uint32_t end, const vhdx_guid *id)
{
    for (uint32_t i = begin; i < end; i++)
        if (vx_guid_equal(&table->entries[i].guid, id))
            return true;
    return false;
}

/* `bytes`: the table's; what stands behind its last entry is legal, and nobody's. */
static void mend_count(struct vx_region_table *table, uint8_t *bytes, struct vx_region_mended *mended)
{
    const uint32_t stored = table->count;
    uint32_t standing = 0, count = stored;
    vx_put32(bytes + COUNT_AT, VX_REGION_MAX);
    if (vx_region_table_decode(vx_bytes_of(bytes, VX_REGION_TABLE_SIZE), table) != VHDX_OK)
        return;
    while (standing < VX_REGION_MAX && !is_blank(&table->entries[standing]))
        standing++;
    if (stored > standing)
        count = standing;
    for (size_t i = 0; i < 2 && stored < standing; i++)
        if (!is_among(table, 0, stored, known_ids[i]) && is_among(table, stored, standing, known_ids[i]))
            count = standing;
    table->count = count;
    if (count != stored)
        say(mended, "the entries that stand in the table tell their number");
}

/* ---- ids ---- */

static unsigned wrong_bits(const vhdx_guid *a, const vhdx_guid *b)
{
    unsigned count = 0;
    for (size_t i = 0; i < sizeof a->bytes; i++)
        count += (unsigned)__builtin_popcount(a->bytes[i] ^ b->bytes[i]);
    return count;
}

static void mend_ids(struct vx_region_table *table, struct vx_region_mended *mended)
{
    for (size_t i = 0; i < 2; i++)
        for (uint32_t j = 0; j < table->count && !is_among(table, 0, table->count, known_ids[i]); j++)
            if (wrong_bits(&table->entries[j].guid, known_ids[i]) <= WRONG_BITS) {
                table->entries[j].guid = *known_ids[i];
                say(mended, i == 0 ? "the BAT's id has a wrong bit" : "the id of the metadata has a wrong bit");
            }
}

static unsigned weight_of(struct vx_file *view, const struct vx_region *region)
{
    uint64_t size;
    if (region->file_offset % VX_OBJECT_ALIGNMENT != 0 || vx_file_size(view, &size, NULL) != VHDX_OK)
        return 0;
    if (vx_guid_equal(&region->guid, &vx_guid_metadata_region))
        return vx_region_has_metadata(view, region->file_offset);
    return (unsigned)vx_region_bat_looks(view, size, region);
}

static bool is_unknown(const struct vx_region *region)
{
    return !vx_guid_equal(&region->guid, known_ids[0]) && !vx_guid_equal(&region->guid, known_ids[1]);
}

/* Of two regions one has its entry, and there is one other entry: whatever its id says, it is the second region's. */
static void take_last_one(struct vx_file *view, struct vx_region_table *table, struct vx_region_mended *mended)
{
    uint32_t unknown = 0;
    if (table->count != 2)
        return;
    for (uint32_t i = 0; i < 2; i++)
        unknown = is_unknown(&table->entries[i]) ? i : unknown;
    const vhdx_guid *other = &table->entries[1 - unknown].guid;
    if (!is_unknown(&table->entries[unknown]) || is_unknown(&table->entries[1 - unknown]))
        return;
    table->entries[unknown].guid = *known_ids[vx_guid_equal(other, known_ids[0]) ? 1 : 0];
    mended->gives_up = mended->gives_up || weight_of(view, &table->entries[unknown]) == 0;
    say(mended, "the other entry must be the region that is missed");
}

/* ---- two entries of one name ---- */

static void remove_entry(struct vx_region_table *table, uint32_t index)
{
    memmove(&table->entries[index], &table->entries[index + 1],
            (size_t)(table->count - index - 1) * sizeof table->entries[0]);
    table->count--;
}

static void mend_twins(struct vx_file *view, struct vx_region_table *table, const vhdx_guid *id,
                       struct vx_region_mended *mended)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t i = 0; i < table->count; i++) {
        if (!vx_guid_equal(&table->entries[i].guid, id))
            continue;
        if (first == UINT32_MAX) {
            first = i;
            continue;
        }
        if (weight_of(view, &table->entries[i]) > weight_of(view, &table->entries[first]))
            table->entries[first] = table->entries[i];
        remove_entry(table, i--);
        say(mended, "of two entries with one id the one that leads somewhere is taken");
        mended->gives_up = true;
    }
}

void vx_region_table_mend(struct vx_file *view, struct vx_region_table *table, uint8_t bytes[VX_REGION_TABLE_SIZE],
                          struct vx_region_mended *mended)
{
    *mended = (struct vx_region_mended){.changed = false};
    mend_count(table, bytes, mended);
    mend_ids(table, mended);
    take_last_one(view, table, mended);
    for (size_t i = 0; i < 2; i++)
        mend_twins(view, table, known_ids[i], mended);
}
