/*
 * The metadata table and the items of fixed size. Entries are changed where they stand, so that whatever is unknown in
 * the table stays; an entry that must go makes those behind it move up, as Windows does it. Values that are gone come
 * from rebuild.h with their evidence, or are such that any value will do (an id).
 *
 * Easy to get wrong: an item that is missing from the table may still lie in the region. Nothing is ever written over
 * bytes that some entry calls its own.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/header_update.h"
#include "verify/repair_class.h"
#include "rebuild/rebuild.h"

#include <string.h>

enum { TABLE_RESERVED = 8, TABLE_COUNT = 10, TABLE_RESERVED2 = 12, TABLE_RESERVED2_SIZE = 20, TABLE_HEADER = 32 };
enum { ENTRY_OFFSET = 16, ENTRY_LENGTH = 20, ENTRY_FLAGS = 24, ENTRY_RESERVED = 28 };

#define KNOWN_FLAGS (VX_ITEM_IS_USER | VX_ITEM_IS_VIRTUAL_DISK | VX_ITEM_IS_REQUIRED)

/* What the format says of the items it knows, MS-VHDX 2.6.2 */
static const struct known {
    const vhdx_guid *id;
    uint32_t flags, length; /* length 0: any */
} known_items[] = {
    {&vx_guid_file_parameters, VX_ITEM_IS_REQUIRED, 8},
    {&vx_guid_virtual_disk_size, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK, 8},
    {&vx_guid_virtual_disk_id, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK, 16},
    {&vx_guid_logical_sector_size, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK, 4},
    {&vx_guid_physical_sector_size, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK, 4},
    {&vx_guid_parent_locator, VX_ITEM_IS_REQUIRED, 0},
};

/* The table being mended: the bytes, changed step by step, each step put into the plan. */
struct table {
    struct vx_mending *m;
    uint64_t offset; /* of the region */
    uint64_t length;
    uint8_t *bytes;
};

static uint32_t count_of(const struct table *table)
{
    return (uint32_t)vx_min(vx_get16(table->bytes + TABLE_COUNT), VX_METADATA_MAX);
}

static uint8_t *entry_at(const struct table *table, uint32_t i)
{
    return table->bytes + TABLE_HEADER + (size_t)i * VX_METADATA_ENTRY_SIZE;
}

static bool entry_is(const uint8_t *entry, const vhdx_guid *id)
{
    return memcmp(entry, id->bytes, sizeof id->bytes) == 0;
}

static const struct known *known_item(const uint8_t *entry)
{
    for (size_t i = 0; i < sizeof known_items / sizeof known_items[0]; i++)
        if (entry_is(entry, known_items[i].id))
            return &known_items[i];
    return NULL;
}

static vhdx_status put_table(struct table *table, enum vx_find kind, bool salvage, const char *gives, const char *costs,
                             vhdx_error *err)
{
    const struct vx_reason reason = {kind, salvage, gives, costs};
    return vx_plan_put(table->m->plan, table->bytes, VX_METADATA_TABLE_SIZE, table->offset, &reason, err);
}

static void remove_entry(struct table *table, uint32_t i)
{
    uint32_t count = count_of(table);
    memmove(entry_at(table, i), entry_at(table, i + 1), (size_t)(count - i - 1) * VX_METADATA_ENTRY_SIZE);
    vx_put16(table->bytes + TABLE_COUNT, (uint16_t)(count - 1));
}

/* ---- head and single entries ---- */

static vhdx_status mend_head(struct table *table, vhdx_error *err)
{
    if (vx_mend_is_wanted(table->m, VX_FIND_METADATA_SIGNATURE)) {
        vx_put64(table->bytes, VX_SIG_METADATA);
        VX_TRY(
            put_table(table, VX_FIND_METADATA_SIGNATURE, false, "the metadata table is known as one again", NULL, err));
    }
    if (!vx_mend_is_wanted(table->m, VX_FIND_METADATA_RESERVED))
        return VHDX_OK;
    vx_put16(table->bytes + TABLE_RESERVED, 0);
    memset(table->bytes + TABLE_RESERVED2, 0, TABLE_RESERVED2_SIZE);
    return put_table(table, VX_FIND_METADATA_RESERVED, false, "the reserved bytes are zero", NULL, err);
}

static void clear_reserved(uint8_t *entry)
{
    vx_put32(entry + ENTRY_FLAGS, vx_get32(entry + ENTRY_FLAGS) & KNOWN_FLAGS);
    vx_put32(entry + ENTRY_RESERVED, 0);
}

/* Of an item that has a length the length is what is wrong. */
static void clear_offset(uint8_t *entry)
{
    const struct known *known = known_item(entry);
    bool fixed = known && known->length > 0 && !(vx_get32(entry + ENTRY_FLAGS) & VX_ITEM_IS_USER);
    if (!fixed && vx_get32(entry + ENTRY_LENGTH) == 0)
        vx_put32(entry + ENTRY_OFFSET, 0);
}

static void set_flags(uint8_t *entry)
{
    const struct known *known = known_item(entry);
    if (known)
        vx_put32(entry + ENTRY_FLAGS, known->flags);
}

static void clear_required(uint8_t *entry)
{
    uint32_t flags = vx_get32(entry + ENTRY_FLAGS);
    if (flags & VX_ITEM_IS_USER)
        vx_put32(entry + ENTRY_FLAGS, flags & ~VX_ITEM_IS_REQUIRED);
}

static const struct {
    enum vx_find kind;
    void (*mend)(uint8_t *entry);
    const char *gives;
} entry_menders[] = {
    {VX_FIND_METADATA_ENTRY_RESERVED, clear_reserved, "the reserved bits of the entry are zero"},
    {VX_FIND_METADATA_ITEM_EMPTY, clear_offset, "the empty item has offset 0"},
    {VX_FIND_METADATA_ITEM_FLAGS, set_flags, "the item has the flags that the format gives it"},
    {VX_FIND_METADATA_USER_REQUIRED, clear_required, "the user item is not required any more"},
};

static vhdx_status mend_entries(struct table *table, vhdx_error *err)
{
    for (size_t row = 0; row < sizeof entry_menders / sizeof entry_menders[0]; row++) {
        if (!vx_mend_is_wanted(table->m, entry_menders[row].kind))
            continue;
        for (uint32_t i = 0; i < count_of(table); i++)
            entry_menders[row].mend(entry_at(table, i));
        VX_TRY(put_table(table, entry_menders[row].kind, false, entry_menders[row].gives, NULL, err));
    }
    return VHDX_OK;
}

/* ---- entries that go ---- */

static bool lies_inside(const struct table *table, uint64_t offset, uint64_t length)
{
    return offset >= VX_METADATA_TABLE_SIZE && offset <= table->length && length <= table->length - offset;
}

static vhdx_status same_content(struct table *table, const uint8_t *a, const uint8_t *b, bool *same, vhdx_error *err)
{
    uint32_t length = vx_get32(a + ENTRY_LENGTH);
    uint64_t first = vx_get32(a + ENTRY_OFFSET), second = vx_get32(b + ENTRY_OFFSET);
    uint8_t left[512], right[512];
    *same =
        length == vx_get32(b + ENTRY_LENGTH) && lies_inside(table, first, length) && lies_inside(table, second, length);
    for (uint32_t at = 0; at < length && *same; at += (uint32_t)sizeof left) {
        size_t part = (size_t)vx_min(length - at, sizeof left);
        VX_TRY(vx_file_read(table->m->plan->sketch, left, part, table->offset + first + at, err));
        VX_TRY(vx_file_read(table->m->plan->sketch, right, part, table->offset + second + at, err));
        *same = memcmp(left, right, part) == 0;
    }
    return VHDX_OK;
}

static bool same_name(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, sizeof(vhdx_guid)) == 0 &&
           ((vx_get32(a + ENTRY_FLAGS) ^ vx_get32(b + ENTRY_FLAGS)) & VX_ITEM_IS_USER) == 0;
}

/* Of two entries with one name and one content the later one goes; with two contents only when things may be given
 * up. */
static vhdx_status drop_twins(struct table *table, uint32_t i, vhdx_error *err)
{
    for (uint32_t j = count_of(table); j-- > i + 1;) {
        bool same;
        if (!same_name(entry_at(table, i), entry_at(table, j)))
            continue;
        VX_TRY(same_content(table, entry_at(table, i), entry_at(table, j), &same, err));
        if (!same && !table->m->salvage)
            continue;
        remove_entry(table, j);
        VX_TRY(put_table(table, VX_FIND_METADATA_DUPLICATE, !same, "the item is there once",
                         same ? NULL : "what the later one of the two said", err));
    }
    return VHDX_OK;
}

static vhdx_status mend_duplicates(struct table *table, vhdx_error *err)
{
    if (!vx_mend_is_wanted(table->m, VX_FIND_METADATA_DUPLICATE))
        return VHDX_OK;
    for (uint32_t i = 0; i < count_of(table); i++)
        VX_TRY(drop_twins(table, i, err));
    return VHDX_OK;
}

static vhdx_status drop_item(struct table *table, const vhdx_guid *id, enum vx_find kind, bool salvage,
                             const char *gives, const char *costs, vhdx_error *err)
{
    if (!vx_mend_is_wanted(table->m, kind))
        return VHDX_OK;
    for (uint32_t i = count_of(table); i-- > 0;)
        if (entry_is(entry_at(table, i), id) && !(vx_get32(entry_at(table, i) + ENTRY_FLAGS) & VX_ITEM_IS_USER))
            remove_entry(table, i);
    return put_table(table, kind, salvage, gives, costs, err);
}

/* ---- values ---- */

/* The place of a system item that has the length that its values need; 0 = there is none. */
static uint64_t item_place(const struct table *table, const vhdx_guid *id, uint32_t length)
{
    for (uint32_t i = 0; i < count_of(table); i++) {
        const uint8_t *entry = entry_at(table, i);
        uint64_t offset = vx_get32(entry + ENTRY_OFFSET);
        if (entry_is(entry, id) && !(vx_get32(entry + ENTRY_FLAGS) & VX_ITEM_IS_USER) &&
            vx_get32(entry + ENTRY_LENGTH) == length && lies_inside(table, offset, length))
            return table->offset + offset;
    }
    return 0;
}

static vhdx_status put_item(struct table *table, const vhdx_guid *id, const uint8_t *bytes, uint32_t length,
                            const struct vx_reason *reason, vhdx_error *err)
{
    uint64_t place = item_place(table, id, length);
    return place == 0 ? VHDX_OK : vx_plan_put(table->m->plan, bytes, length, place, reason, err);
}

/* Verify says so where the BAT proves it. */
static bool is_unmarked_child(const struct vx_mending *m)
{
    return (m->classes[VX_FIND_METADATA_LEFT_LOCATOR] & 1u << VHDX_REPAIR_LOSSLESS) != 0;
}

static vhdx_status mend_parameters(struct table *table, vhdx_error *err)
{
    static const struct vx_reason reserved = {VX_FIND_METADATA_PARAMETER_BITS, false, "the reserved bits are zero",
                                              NULL};
    static const struct vx_reason mark = {VX_FIND_METADATA_LEFT_LOCATOR, false,
                                          "the disk is a child again, as its locator and its BAT say", NULL};
    uint8_t bytes[8];
    bool child = is_unmarked_child(table->m);
    if ((!child && !vx_mend_is_wanted(table->m, VX_FIND_METADATA_PARAMETER_BITS)) ||
        !vx_exam_knows(table->m->exam, VX_KNOWS_PARAMETERS))
        return VHDX_OK;
    struct vx_file_parameters parameters = table->m->exam->parameters;
    parameters.flags &= VX_PARAMETER_LEAVE_BLOCK_ALLOCATED | VX_PARAMETER_HAS_PARENT;
    if (child)
        parameters.flags = VX_PARAMETER_HAS_PARENT;
    vx_file_parameters_encode(&parameters, bytes);
    return put_item(table, &vx_guid_file_parameters, bytes, sizeof bytes, child ? &mark : &reserved, err);
}

/* A value that no content depends on: what the evidence says, else any that is allowed. */
static vhdx_status mend_told_value(struct table *table, enum vx_find kind, enum vx_part part, const vhdx_guid *id,
                                   const char *gives, vhdx_error *err)
{
    const struct vx_reason reason = {kind, false, gives, NULL};
    uint8_t bytes[16];
    if (!vx_mend_is_wanted(table->m, kind))
        return VHDX_OK;
    VX_TRY(vx_mending_rebuild(table->m, false, err));
    uint32_t length = vx_mend_value_of(table->m->rebuilt, part, bytes);
    return put_item(table, id, bytes, length, &reason, err);
}

static vhdx_status mend_physical_sector(struct table *table, vhdx_error *err)
{
    return mend_told_value(table, VX_FIND_METADATA_PHYSICAL_SECTOR, VX_PART_PHYSICAL_SECTOR,
                           &vx_guid_physical_sector_size, "the physical sector size is a possible one", err);
}

static vhdx_status mend_disk_id(struct table *table, vhdx_error *err)
{
    return mend_told_value(table, VX_FIND_METADATA_DISK_ID, VX_PART_DISK_ID, &vx_guid_virtual_disk_id,
                           "the virtual disk has an id", err);
}

/* An entry of a known item whose place is right and whose length is not. */
static vhdx_status mend_lengths(struct table *table, vhdx_error *err)
{
    if (!vx_mend_is_wanted(table->m, VX_FIND_METADATA_ITEM_LENGTH))
        return VHDX_OK;
    for (uint32_t i = 0; i < count_of(table); i++) {
        uint8_t *entry = entry_at(table, i);
        const struct known *known = known_item(entry);
        if (known && known->length > 0 && !(vx_get32(entry + ENTRY_FLAGS) & VX_ITEM_IS_USER) &&
            lies_inside(table, vx_get32(entry + ENTRY_OFFSET), known->length))
            vx_put32(entry + ENTRY_LENGTH, known->length);
    }
    return put_table(table, VX_FIND_METADATA_ITEM_LENGTH, false, "the item has the length that the format gives it",
                     NULL, err);
}

static vhdx_status mend_all(struct table *table, vhdx_error *err)
{
    VX_TRY(mend_head(table, err));
    VX_TRY(mend_entries(table, err));
    VX_TRY(mend_duplicates(table, err));
    VX_TRY(drop_item(table, &vx_guid_incomplete_file, VX_FIND_METADATA_INCOMPLETE, true, "the disk counts as finished",
                     "the certainty that its making had come to its end", err));
    if (!is_unmarked_child(table->m))
        VX_TRY(drop_item(table, &vx_guid_parent_locator, VX_FIND_METADATA_LEFT_LOCATOR, true,
                         "programs that refuse a disk without parent that has a locator can use it",
                         "the name of the parent, should the disk have one after all", err));
    VX_TRY(mend_lengths(table, err));
    VX_TRY(mend_parameters(table, err));
    VX_TRY(mend_physical_sector(table, err));
    VX_TRY(mend_disk_id(table, err));
    return vx_mend_values(table->m, err);
}

/* No signature, and what is behind it is no table either: signing that would not make it one. */
static bool is_nonsense(const struct vx_mending *m)
{
    return vx_mend_is_present(m, VX_FIND_METADATA_SIGNATURE) &&
           (!m->exam->table || vx_get16(m->exam->table_bytes + TABLE_COUNT) > VX_METADATA_MAX);
}

/* All of the table anew: entries that lead to the items that are there, and new items for those of which only the value
 * is known. */
static vhdx_status make_table(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_loss doubtful_sizes = {"the sizes of the disk are not certain", true, false};
    uint8_t *bytes;
    size_t size;
    VX_TRY(vx_mending_rebuild(m, false, err));
    vhdx_repair_class class = vx_evidence_table_class(m->rebuilt);
    bool sure = class == VHDX_REPAIR_LOSSLESS;
    const struct vx_reason reason = {is_nonsense(m) ? VX_FIND_METADATA_SIGNATURE : VX_FIND_METADATA_COUNT, !sure,
                                     sure ? "the metadata table leads to the items that are there"
                                          : "the disk has its metadata again, as far as the evidence tells it",
                                     sure ? NULL
                                          : "the certainty that it is right, and items that nobody knows of any more"};
    if (class == VHDX_REPAIR_NONE || (!sure && !m->salvage))
        return VHDX_OK;
    VX_TRY(vx_rebuilt_encode_metadata(m->rebuilt, &bytes, &size, err));
    vhdx_status status = vx_plan_put(m->plan, bytes, size, m->exam->metadata.file_offset, &reason, err);
    vx_free(bytes);
    if (!sure)
        m->plan->doubt = &doubtful_sizes;
    return status;
}

vhdx_status vx_mend_metadata(struct vx_mending *m, vhdx_error *err)
{
    struct table table = {.m = m};
    if (!m->exam->has_metadata || !m->exam->table_bytes)
        return VHDX_OK;
    uint64_t before = m->plan->changes;
    if (is_nonsense(m))
        return make_table(m, err);
    VX_TRY(vx_mend_structure(m, err));
    if (m->plan->changes != before)
        return VHDX_OK;
    if (vx_mend_is_present(m, VX_FIND_METADATA_COUNT)) /* and the entries do not tell it */
        return make_table(m, err);
    table.offset = m->exam->metadata.file_offset;
    table.length = m->exam->metadata.length;
    table.bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    if (!table.bytes)
        return vx_fail_memory(err, "the metadata table");
    memcpy(table.bytes, m->exam->table_bytes, VX_METADATA_TABLE_SIZE);
    vhdx_status status = mend_all(&table, err);
    vx_free(table.bytes);
    return status;
}
