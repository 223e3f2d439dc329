/*
 * Metadata table and items, MS-VHDX 2.6, but for the parent locator (check_locator.c). The one thing that is easy to
 * get wrong: only the first `count` entries are real; what Windows leaves behind them is no duplicate.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/sort_indices.h"
#include "format/merge_mark.h"

#include <string.h>

#define KNOWN_FLAGS (VX_ITEM_IS_USER | VX_ITEM_IS_VIRTUAL_DISK | VX_ITEM_IS_REQUIRED)
#define KNOWN_PARAMETERS (VX_PARAMETER_LEAVE_BLOCK_ALLOCATED | VX_PARAMETER_HAS_PARENT)
#define SYSTEM_MAX 1023u
#define CATEGORY_MAX (40 * VX_MIB)
#define NAME_ROOM 40
#define MISPLACED (VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE)

/* The items of MS-VHDX 2.6.2. */
struct known_item {
    const vhdx_guid *id;
    const char *name;
    uint32_t flags;
    uint32_t length; /* 0 = any */
    bool mandatory;
};

static const struct known_item known_items[] = {
    {&vx_guid_file_parameters, "file parameters", 4, 8, true},
    {&vx_guid_virtual_disk_size, "virtual disk size", 6, 8, true},
    {&vx_guid_virtual_disk_id, "virtual disk id", 6, 16, true},
    {&vx_guid_logical_sector_size, "logical sector size", 6, 4, true},
    {&vx_guid_physical_sector_size, "physical sector size", 6, 4, true},
    {&vx_guid_parent_locator, "parent locator", 4, 0, false},
};

#define KNOWN_ITEMS (sizeof known_items / sizeof known_items[0])

static const struct known_item *known_item(const struct vx_metadata_entry *entry)
{
    for (size_t i = 0; i < KNOWN_ITEMS; i++)
        if (!(entry->flags & VX_ITEM_IS_USER) && vx_guid_equal(&entry->item_id, known_items[i].id))
            return &known_items[i];
    return NULL;
}

static const char *name_of(const struct vx_metadata_entry *entry, char text[NAME_ROOM])
{
    const struct known_item *known = known_item(entry);
    if (known)
        return known->name;
    if (!(entry->flags & VX_ITEM_IS_USER) && vx_guid_equal(&entry->item_id, &vx_guid_incomplete_file))
        return "unfinished mark";
    vx_guid_format(&entry->item_id, text);
    return text;
}

static uint32_t held(const struct vx_metadata_table *table)
{
    return (uint32_t)vx_min(table->count, VX_METADATA_MAX);
}

static uint64_t entry_offset(const struct vx_verification *v, uint32_t index)
{
    return v->exam->metadata.file_offset + VX_METADATA_ENTRY_SIZE + (uint64_t)index * VX_METADATA_ENTRY_SIZE;
}

/* ---- single entries --------------------------------------------------------------------------------------------- */

static void add(struct vx_verification *v, enum vx_find kind, uint32_t index, uint64_t found, uint64_t expected)
{
    char name[NAME_ROOM];
    struct vx_finding finding = vx_finding_at_index(kind, "metadata entry", entry_offset(v, index), index);
    finding.text = name_of(&v->exam->table->entries[index], name);
    vx_finding_set_values(&finding, found, expected);
    vx_verify_add(v, &finding);
}

/* Microsoft's open engine refuses a table in which one stands before others. */
static bool is_before_others(const struct vx_verification *v, uint32_t index)
{
    const struct vx_metadata_table *table = v->exam->table;
    for (uint32_t i = index + 1; i < held(table); i++)
        if (!vx_guid_is_zero(&table->entries[i].item_id))
            return true;
    return false;
}

/* Where nothing stands at all, only the number of entries is wrong. */
static void add_nameless(struct vx_verification *v, uint32_t index, const struct vx_metadata_entry *entry)
{
    struct vx_finding finding =
        vx_finding_at_index(VX_FIND_METADATA_ITEM_NO_ID, "metadata entry", entry_offset(v, index), index);
    finding.gather = true;
    if (entry->offset == 0 && entry->length == 0 && entry->flags == 0)
        finding.repair = VHDX_REPAIR_LOSSLESS;
    if (is_before_others(v, index))
        finding.severity = VHDX_SEVERITY_ERROR;
    vx_verify_add(v, &finding);
}

static void check_flags(struct vx_verification *v, uint32_t index, const struct vx_metadata_entry *entry)
{
    const struct known_item *known = known_item(entry);
    uint32_t flags = entry->flags & KNOWN_FLAGS;
    if (known && flags != known->flags)
        add(v, VX_FIND_METADATA_ITEM_FLAGS, index, flags, known->flags);
    if ((flags & VX_ITEM_IS_USER) && (flags & VX_ITEM_IS_REQUIRED))
        add(v, VX_FIND_METADATA_USER_REQUIRED, index, flags, flags & ~VX_ITEM_IS_REQUIRED);
}

/* Our own mark of a merge on its way; of one that anything else has written behind, nothing is left to say. */
static void check_mark(struct vx_verification *v, const struct vx_metadata_entry *entry)
{
    const struct vx_exam *exam = v->exam;
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    struct vx_merge_mark mark;
    uint64_t offset = exam->metadata.file_offset + entry->offset;
    if (!(entry->flags & VX_ITEM_IS_USER) || !vx_guid_equal(&entry->item_id, &vx_guid_merge_mark) ||
        entry->length != sizeof bytes || !exam->header ||
        vx_file_read(exam->view, bytes, sizeof bytes, offset, NULL) != VHDX_OK ||
        vx_merge_mark_decode(vx_bytes_of(bytes, sizeof bytes), &mark) != VHDX_OK ||
        !vx_guid_equal(&mark.identity, &exam->header->data_write_guid))
        return;
    struct vx_finding finding = vx_finding_at(VX_FIND_MERGE_UNFINISHED, "metadata item", offset);
    finding.text = mark.child_name[0] ? mark.child_name : "a child";
    finding.advice_code = VHDX_ADVICE_MERGE_REPEAT;
    vx_verify_add(v, &finding);
}

static void check_entry(struct vx_verification *v, uint32_t index)
{
    const struct vx_metadata_entry *entry = &v->exam->table->entries[index];
    uint32_t region = v->exam->metadata.length;
    uint32_t rules = vx_metadata_entry_rules(entry, region);
    const struct known_item *known = known_item(entry);
    check_mark(v, entry);
    if (rules & VX_METADATA_ENTRY_RESERVED_SET)
        add(v, VX_FIND_METADATA_ENTRY_RESERVED, index, entry->flags, entry->flags & KNOWN_FLAGS);
    if (rules & VX_METADATA_ZERO_ID)
        add_nameless(v, index, entry);
    if (rules & VX_METADATA_UNKNOWN_REQUIRED)
        add(v, VX_FIND_METADATA_ITEM_UNKNOWN, index, entry->flags, entry->flags);
    if (rules & VX_METADATA_INCOMPLETE_FILE)
        add(v, VX_FIND_METADATA_INCOMPLETE, index, entry->flags, entry->flags);
    if (rules & VX_METADATA_EMPTY_WITH_OFFSET)
        add(v, VX_FIND_METADATA_ITEM_EMPTY, index, entry->offset, 0);
    if (rules & VX_METADATA_ITEM_TOO_LONG)
        add(v, VX_FIND_METADATA_ITEM_LONG, index, entry->length, VX_METADATA_ITEM_MAX);
    if (rules & VX_METADATA_ITEM_IN_TABLE)
        add(v, VX_FIND_METADATA_ITEM_IN_TABLE, index, entry->offset, VX_METADATA_TABLE_SIZE);
    if ((rules & VX_METADATA_ITEM_OUTSIDE) && !(rules & VX_METADATA_ITEM_TOO_LONG))
        add(v, VX_FIND_METADATA_ITEM_OUTSIDE, index, (uint64_t)entry->offset + entry->length, region);
    if (known && known->length > 0 && entry->length != known->length && !(rules & VX_METADATA_ITEM_TOO_LONG))
        add(v, VX_FIND_METADATA_ITEM_LENGTH, index, entry->length, known->length);
    check_flags(v, index, entry);
}

/* ---- the table as a whole --------------------------------------------------------------------------------------- */

static int compare_names(const struct vx_metadata_entry *a, const struct vx_metadata_entry *b)
{
    int order = memcmp(&a->item_id, &b->item_id, sizeof a->item_id);
    return order != 0 ? order : (int)(a->flags & VX_ITEM_IS_USER) - (int)(b->flags & VX_ITEM_IS_USER);
}

static bool name_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_metadata_table *table = context;
    int order = compare_names(&table->entries[a], &table->entries[b]);
    return order < 0 || (order == 0 && a < b);
}

static bool offset_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_metadata_table *table = context;
    return table->entries[a].offset < table->entries[b].offset;
}

/* Two entries for the same bytes are one too many, and nothing else is wrong. */
static bool lead_to_the_same(const struct vx_metadata_entry *a, const struct vx_metadata_entry *b)
{
    return a->offset == b->offset && a->length == b->length;
}

static void check_duplicates(struct vx_verification *v, const struct vx_metadata_table *table)
{
    uint16_t order[VX_METADATA_MAX];
    char name[NAME_ROOM];
    vx_sort_indices(order, held(table), name_before, table);
    for (uint32_t i = 1; i < held(table); i++) {
        const struct vx_metadata_entry *first = &table->entries[order[i - 1]], *second = &table->entries[order[i]];
        if (compare_names(first, second) != 0 || vx_guid_is_zero(&first->item_id))
            continue;
        struct vx_finding finding =
            vx_finding_at_index(VX_FIND_METADATA_DUPLICATE, "metadata entry", entry_offset(v, order[i]), order[i]);
        finding.other = order[i - 1];
        finding.text = name_of(second, name);
        if (!lead_to_the_same(first, second))
            finding.repair = VHDX_REPAIR_NONE;
        vx_verify_add(v, &finding);
    }
}

/* Items of the same name that are the same bytes are a duplicate, not an overlap. */
static void check_overlaps(struct vx_verification *v, const struct vx_metadata_table *table)
{
    uint16_t order[VX_METADATA_MAX];
    const struct vx_metadata_entry *reach = NULL;
    vx_sort_indices(order, held(table), offset_before, table);
    for (uint32_t i = 0; i < held(table); i++) {
        const struct vx_metadata_entry *entry = &table->entries[order[i]];
        if (entry->length == 0 || (vx_metadata_entry_rules(entry, v->exam->metadata.length) & MISPLACED))
            continue; /* that it is not where it says has been told */
        bool shares = reach && entry->offset - reach->offset < reach->length;
        if (shares && !(compare_names(reach, entry) == 0 && lead_to_the_same(reach, entry))) {
            char name[NAME_ROOM], other[NAME_ROOM];
            struct vx_finding finding = vx_finding_at_index(VX_FIND_METADATA_ITEM_OVERLAP, "metadata entry",
                                                            entry_offset(v, order[i]), order[i]);
            finding.text = name_of(entry, name);
            finding.note = name_of(reach, other);
            vx_verify_add(v, &finding);
        }
        if (!shares || entry->length > reach->length - (entry->offset - reach->offset))
            reach = entry;
    }
}

static void check_totals(struct vx_verification *v, const struct vx_metadata_table *table)
{
    uint64_t count[2] = {0}, bytes[2] = {0};
    for (uint32_t i = 0; i < held(table); i++) {
        unsigned user = table->entries[i].flags & VX_ITEM_IS_USER;
        count[user]++;
        bytes[user] += table->entries[i].length;
    }
    struct vx_finding finding;
    if (count[1] > VX_METADATA_USER_MAX) {
        finding = vx_finding_at(VX_FIND_METADATA_USER_COUNT, "metadata table", v->exam->metadata.file_offset);
        vx_finding_set_values(&finding, count[1], VX_METADATA_USER_MAX);
        vx_verify_add(v, &finding);
    }
    if (count[0] > SYSTEM_MAX) {
        finding = vx_finding_at(VX_FIND_METADATA_SYSTEM_COUNT, "metadata table", v->exam->metadata.file_offset);
        vx_finding_set_values(&finding, count[0], SYSTEM_MAX);
        vx_verify_add(v, &finding);
    }
    for (int user = 0; user < 2; user++) {
        if (bytes[user] <= CATEGORY_MAX)
            continue;
        finding = vx_finding_at(VX_FIND_METADATA_TOTAL, "metadata table", v->exam->metadata.file_offset);
        finding.text = user ? "user" : "system";
        vx_finding_set_values(&finding, bytes[user], CATEGORY_MAX);
        vx_verify_add(v, &finding);
    }
}

static void check_missing(struct vx_verification *v, const struct vx_metadata_table *table)
{
    for (size_t i = 0; i < KNOWN_ITEMS; i++) {
        if (!known_items[i].mandatory || vx_metadata_find(table, known_items[i].id))
            continue;
        struct vx_finding finding =
            vx_finding_at(VX_FIND_METADATA_ITEM_MISSING, "metadata table", v->exam->metadata.file_offset);
        finding.text = known_items[i].name;
        vx_verify_add(v, &finding);
    }
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static void add_value(struct vx_verification *v, enum vx_find kind, const vhdx_guid *id, uint64_t found,
                      uint64_t expected)
{
    const struct vx_metadata_entry *entry = vx_metadata_find(v->exam->table, id);
    struct vx_finding finding = vx_finding_at(kind, "metadata item", v->exam->metadata.file_offset + entry->offset);
    finding.length = entry->length;
    vx_finding_set_values(&finding, found, expected);
    vx_verify_add(v, &finding);
}

static void check_parameters(struct vx_verification *v)
{
    const struct vx_file_parameters *parameters = &v->exam->parameters;
    uint32_t rules = vx_values_rules(parameters, VX_MIB, 512, 512);
    if (rules & VX_VALUES_BAD_BLOCK_SIZE)
        add_value(v, VX_FIND_METADATA_BLOCK_SIZE, &vx_guid_file_parameters, parameters->block_size, VX_BLOCK_SIZE_MIN);
    if (rules & VX_VALUES_BAD_PARAMETER_FLAGS)
        add_value(v, VX_FIND_METADATA_PARAMETER_BITS, &vx_guid_file_parameters, parameters->flags,
                  parameters->flags & KNOWN_PARAMETERS);
    if (rules & VX_VALUES_FIXED_WITH_PARENT)
        add_value(v, VX_FIND_METADATA_FIXED_CHILD, &vx_guid_file_parameters, parameters->flags,
                  VX_PARAMETER_HAS_PARENT);
}

static void check_values(struct vx_verification *v)
{
    const struct vx_exam *exam = v->exam;
    const struct vx_file_parameters any = {VX_BLOCK_SIZE_MIN, 0};
    if (exam->knows & VX_KNOWS_PARAMETERS)
        check_parameters(v);
    uint32_t logical = exam->knows & VX_KNOWS_LOGICAL_SECTOR ? exam->logical_sector_size : 512;
    uint32_t physical = exam->knows & VX_KNOWS_PHYSICAL_SECTOR ? exam->physical_sector_size : 512;
    uint64_t size = exam->knows & VX_KNOWS_VIRTUAL_SIZE ? exam->virtual_size : VX_MIB;
    uint32_t rules = vx_values_rules(&any, size, logical, physical);
    if (rules & VX_VALUES_BAD_VIRTUAL_SIZE)
        add_value(v, VX_FIND_METADATA_VIRTUAL_SIZE, &vx_guid_virtual_disk_size, size, logical);
    if (rules & VX_VALUES_BAD_LOGICAL_SECTOR)
        add_value(v, VX_FIND_METADATA_LOGICAL_SECTOR, &vx_guid_logical_sector_size, logical, 512);
    if (rules & VX_VALUES_BAD_PHYSICAL_SECTOR)
        add_value(v, VX_FIND_METADATA_PHYSICAL_SECTOR, &vx_guid_physical_sector_size, physical, 4096);
    if ((exam->knows & VX_KNOWS_DISK_ID) && vx_guid_is_zero(&exam->disk_id))
        add_value(v, VX_FIND_METADATA_DISK_ID, &vx_guid_virtual_disk_id, 0, 1);
}

static void check_table(struct vx_verification *v)
{
    const struct vx_metadata_table *table = v->exam->table;
    if (table->count > VX_METADATA_MAX) {
        struct vx_finding finding =
            vx_finding_at(VX_FIND_METADATA_COUNT, "metadata table", v->exam->metadata.file_offset + 10);
        vx_finding_set_values(&finding, table->count, VX_METADATA_MAX);
        vx_verify_add(v, &finding);
        return;
    }
    if (table->reserved_set) {
        struct vx_finding finding =
            vx_finding_at(VX_FIND_METADATA_RESERVED, "metadata table", v->exam->metadata.file_offset);
        vx_verify_add(v, &finding);
    }
    for (uint32_t i = 0; i < held(table); i++)
        check_entry(v, i);
    check_duplicates(v, table);
    check_overlaps(v, table);
    check_totals(v, table);
    check_missing(v, table);
    check_values(v);
}

vhdx_status vx_check_metadata(struct vx_verification *v, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    (void)err;
    if (!exam->has_metadata)
        return VHDX_OK; /* check_region.c has told */
    if (exam->metadata.length > VX_METADATA_REGION_MAX) {
        struct vx_finding finding =
            vx_finding_at(VX_FIND_METADATA_REGION_LONG, "metadata region", exam->metadata.file_offset);
        vx_finding_set_values(&finding, exam->metadata.length, VX_METADATA_REGION_MAX);
        vx_verify_add(v, &finding);
    }
    if (exam->metadata.file_offset >= exam->survey->file_size)
        return VHDX_OK; /* there is nothing that could have a signature */
    if (!exam->table || exam->table_guessed) {
        struct vx_finding finding =
            vx_finding_at(VX_FIND_METADATA_SIGNATURE, "metadata table", exam->metadata.file_offset);
        vx_verify_add(v, &finding);
    }
    if (exam->table)
        check_table(v);
    return VHDX_OK;
}
