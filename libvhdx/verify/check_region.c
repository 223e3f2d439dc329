/*
 * Both copies of the region table, MS-VHDX 2.2.3, seen through the replayed log. Overlaps of regions with the log and
 * with blocks are check_space.c. The one thing that is easy to get wrong: qemu writes Required = 0.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/sort_indices.h"

#include <stdio.h>
#include <string.h>

static uint64_t copy_offset(int copy)
{
    return copy == 0 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
}

static uint64_t entry_offset(int copy, uint32_t index)
{
    return copy_offset(copy) + VX_REGION_ENTRIES_OFFSET + (uint64_t)index * VX_REGION_ENTRY_SIZE;
}

#define NAME_ROOM 40

static const char *name_of(const struct vx_region *region, char text[NAME_ROOM])
{
    if (vx_guid_equal(&region->guid, &vx_guid_bat_region))
        return "BAT";
    if (vx_guid_equal(&region->guid, &vx_guid_metadata_region))
        return "metadata";
    vx_guid_format(&region->guid, text);
    return text;
}

static const char *what_is_wrong(const struct vx_survey_regions *regions)
{
    if (regions->status == VHDX_TRUNCATED)
        return "the file ends before it";
    if (regions->status != VHDX_OK)
        return "its signature is missing";
    return regions->rules & VX_REGION_BAD_CHECKSUM ? "its checksum is wrong" : "it breaks rules that matter";
}

/* Signature and checksum are right; what the table says is another question. */
static bool is_intact(const struct vx_survey_regions *regions)
{
    return regions->status == VHDX_OK && !(regions->rules & VX_REGION_BAD_CHECKSUM);
}

static bool say_the_same(const struct vx_region_table *a, const struct vx_region_table *b)
{
    if (a->count != b->count || a->reserved != b->reserved)
        return false;
    for (uint32_t i = 0; i < a->count && i < VX_REGION_MAX; i++) {
        const struct vx_region *left = &a->entries[i], *right = &b->entries[i];
        if (!vx_guid_equal(&left->guid, &right->guid) || left->file_offset != right->file_offset ||
            left->length != right->length || left->required != right->required)
            return false;
    }
    return true;
}

static void check_copies(struct vx_verification *v)
{
    const struct vx_survey_regions *regions = v->exam->survey->regions;
    bool intact[2] = {is_intact(&regions[0]), is_intact(&regions[1])};
    struct vx_finding finding;
    if (!intact[0] && !intact[1]) {
        finding = vx_finding_at(VX_FIND_REGION_TABLES_LOST, "region table", VX_REGION_TABLE1_OFFSET);
        bool alike = strcmp(what_is_wrong(&regions[0]), what_is_wrong(&regions[1])) == 0;
        finding.text = alike ? what_is_wrong(&regions[0]) : "signature or checksum is wrong";
        vx_verify_add(v, &finding);
    } else if (!intact[0] || !intact[1]) {
        int bad = intact[0] ? 1 : 0;
        finding =
            vx_finding_at_index(VX_FIND_REGION_TABLE_DAMAGED, "region table", copy_offset(bad), (uint64_t)bad + 1);
        finding.text = what_is_wrong(&regions[bad]);
        finding.length = VX_REGION_TABLE_SIZE;
        if (regions[bad].status == VHDX_OK)
            vx_finding_set_values(&finding, regions[bad].table.checksum, regions[bad].table.computed_checksum);
        vx_verify_add(v, &finding);
    } else if (!say_the_same(&regions[0].table, &regions[1].table)) {
        int used = v->exam->region_copy;
        finding = vx_finding_at_index(VX_FIND_REGION_TABLES_DIFFER, "region table", copy_offset(1 - used),
                                      (uint64_t)used + 1);
        vx_verify_add(v, &finding);
    }
}

static vhdx_status check_slack(struct vx_verification *v, int copy, uint8_t *bytes, vhdx_error *err)
{
    const struct vx_survey_regions *regions = &v->exam->survey->regions[copy];
    size_t got, end;
    if (!is_intact(regions) || regions->table.count > VX_REGION_MAX)
        return VHDX_OK;
    VX_TRY(vx_file_read_some(v->exam->view, bytes, VX_REGION_TABLE_SIZE, copy_offset(copy), &got, err));
    end = VX_REGION_ENTRIES_OFFSET + (size_t)regions->table.count * VX_REGION_ENTRY_SIZE;
    if (vx_is_zero(bytes + end, VX_REGION_TABLE_SIZE - end))
        return VHDX_OK;
    struct vx_finding finding =
        vx_finding_at_index(VX_FIND_REGION_SLACK, "region table", copy_offset(copy) + end, (uint64_t)copy + 1);
    vx_verify_add(v, &finding);
    return VHDX_OK;
}

/* ---- entries of the copy in use --------------------------------------------------------------------------------- */

struct entry_check {
    struct vx_verification *v;
    int copy;
    uint32_t index;
    const struct vx_region *region;
    char name[NAME_ROOM];
};

static bool is_known(const struct vx_region *region)
{
    return vx_guid_equal(&region->guid, &vx_guid_bat_region) || vx_guid_equal(&region->guid, &vx_guid_metadata_region);
}

static void add(struct entry_check *check, enum vx_find kind, uint64_t found, uint64_t expected)
{
    struct vx_finding finding =
        vx_finding_at_index(kind, "region table", entry_offset(check->copy, check->index), check->index);
    char room[NAME_ROOM];
    finding.text = name_of(check->region, room);
    vx_finding_set_values(&finding, found, expected);
    if (kind == VX_FIND_REGION_BEYOND_END && !is_known(check->region))
        finding.repair = VHDX_REPAIR_NONE; /* nobody knows what it should be */
    vx_verify_add(check->v, &finding);
}

static void check_place(struct entry_check *check, uint32_t rules)
{
    const struct vx_region *region = check->region;
    uint64_t size = check->v->exam->survey->file_size;
    if (rules & VX_REGION_UNALIGNED)
        add(check, VX_FIND_REGION_OFFSET, region->file_offset, VX_MIB);
    if (rules & VX_REGION_BAD_LENGTH)
        add(check, VX_FIND_REGION_LENGTH, region->length, VX_MIB);
    if (rules & VX_REGION_OVERFLOW)
        add(check, VX_FIND_REGION_BEYOND_END, UINT64_MAX, size);
    else if (!(rules & (VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH)) && region->file_offset + region->length > size)
        add(check, VX_FIND_REGION_BEYOND_END, region->file_offset + region->length, size);
}

static void check_required(struct entry_check *check, uint32_t rules)
{
    const struct vx_region *region = check->region;
    bool known = is_known(region);
    if (rules & VX_REGION_UNKNOWN_REQUIRED)
        add(check, VX_FIND_REGION_UNKNOWN_REQUIRED, region->required, 0);
    else if (!known)
        add(check, VX_FIND_REGION_UNKNOWN, region->required, 0);
    else if (!(region->required & 1))
        add(check, VX_FIND_REGION_NOT_REQUIRED, region->required, 1);
    if (rules & VX_REGION_REQUIRED_BITS)
        add(check, VX_FIND_REGION_REQUIRED_BITS, region->required, region->required & 1);
}

static bool guid_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_region_table *table = context;
    int order = memcmp(&table->entries[a].guid, &table->entries[b].guid, sizeof(vhdx_guid));
    return order < 0 || (order == 0 && a < b);
}

static bool offset_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_region_table *table = context;
    uint64_t left = table->entries[a].file_offset, right = table->entries[b].file_offset;
    return left < right || (left == right && a < b);
}

static void check_duplicates(struct vx_verification *v, const struct vx_region_table *table, int copy, uint32_t count)
{
    uint16_t order[VX_REGION_MAX];
    char name[NAME_ROOM];
    vx_sort_indices(order, count, guid_before, table);
    for (uint32_t i = 1; i < count; i++) {
        if (!vx_guid_equal(&table->entries[order[i - 1]].guid, &table->entries[order[i]].guid))
            continue;
        struct vx_finding finding =
            vx_finding_at_index(VX_FIND_REGION_DUPLICATE, "region table", entry_offset(copy, order[i]), order[i]);
        finding.other = order[i - 1];
        finding.text = name_of(&table->entries[order[i]], name);
        vx_verify_add(v, &finding);
    }
}

/* Regions among themselves; in subtracting form, because ends may wrap around. */
static void check_overlaps(struct vx_verification *v, const struct vx_region_table *table, int copy, uint32_t count)
{
    uint16_t order[VX_REGION_MAX];
    const struct vx_region *reach = NULL;
    vx_sort_indices(order, count, offset_before, table);
    for (uint32_t i = 0; i < count; i++) {
        const struct vx_region *region = &table->entries[order[i]];
        if (region->length == 0)
            continue;
        if (reach && region->file_offset - reach->file_offset < reach->length) {
            char name[NAME_ROOM], other[NAME_ROOM], note[NAME_ROOM + 16];
            struct vx_finding finding =
                vx_finding_at_index(VX_FIND_REGION_OVERLAP, "region table", entry_offset(copy, order[i]), order[i]);
            snprintf(note, sizeof note, "the %s region", name_of(reach, other));
            finding.text = name_of(region, name);
            finding.note = note;
            vx_verify_add(v, &finding);
        }
        if (!reach || region->file_offset - reach->file_offset >= reach->length ||
            region->length > reach->length - (region->file_offset - reach->file_offset))
            reach = region;
    }
}

static void check_table(struct vx_verification *v, int copy)
{
    const struct vx_region_table *table = &v->exam->survey->regions[copy].table;
    uint32_t count = (uint32_t)vx_min(table->count, VX_REGION_MAX);
    struct vx_finding finding;
    if (table->count > VX_REGION_MAX) {
        finding = vx_finding_at(VX_FIND_REGION_COUNT, "region table", copy_offset(copy) + 8);
        vx_finding_set_values(&finding, table->count, VX_REGION_MAX);
        vx_verify_add(v, &finding);
        return; /* what stands in such a table is anybody's guess */
    }
    if (table->reserved != 0) {
        finding = vx_finding_at(VX_FIND_REGION_RESERVED, "region table", copy_offset(copy) + 12);
        vx_finding_set_values(&finding, table->reserved, 0);
        vx_verify_add(v, &finding);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct entry_check check = {.v = v, .copy = copy, .index = i, .region = &table->entries[i]};
        uint32_t rules = vx_region_rules(check.region);
        check_place(&check, rules);
        check_required(&check, rules);
    }
    check_duplicates(v, table, copy, count);
    check_overlaps(v, table, copy, count);
    if (!vx_region_find(table, &vx_guid_bat_region)) {
        finding = vx_finding_at(VX_FIND_REGION_NO_BAT, "region table", copy_offset(copy));
        vx_verify_add(v, &finding);
    }
    if (!vx_region_find(table, &vx_guid_metadata_region)) {
        finding = vx_finding_at(VX_FIND_REGION_NO_METADATA, "region table", copy_offset(copy));
        vx_verify_add(v, &finding);
    }
}

vhdx_status vx_check_regions(struct vx_verification *v, vhdx_error *err)
{
    check_copies(v);
    for (int copy = 0; copy < 2; copy++)
        if (is_intact(&v->exam->survey->regions[copy]) && copy == v->exam->region_copy)
            check_table(v, copy);
    /* both intact, but what they say is of no use: then neither is in use, and the first one's faults are told */
    if (v->exam->region_copy < 0 && is_intact(&v->exam->survey->regions[0]))
        check_table(v, 0);
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the region table");
    vhdx_status status = check_slack(v, 0, bytes, err);
    if (status == VHDX_OK)
        status = check_slack(v, 1, bytes, err);
    vx_free(bytes);
    return status;
}
