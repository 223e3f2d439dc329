/* Faults of region tables (2xx). */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include "inside.h"

#include "format/merge_mark.h"

static void region_table_damaged(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.second_region_table_damaged = true;
    fault_with_options(s, &options);
}

static void region_tables_lost(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.first_region_table_damaged = options.second_region_table_damaged = true;
    fault_with_options(s, &options);
}

static void region_tables_differ(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 2, R_BAT + R_REQUIRED, 0, 4);
}

static void region_count(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_COUNT, 3000, 4);
}

static void region_reserved(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_RESERVED, 5, 4);
}

const vhdx_guid fault_unknown_id = {{0xAB, 0xCD, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}};

static void with_region(struct fault_scene *s, uint32_t required)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_region(s->b, &fault_unknown_id, (uint32_t)VX_MIB, required);
    fault_finish(s);
}

static void region_duplicate(struct fault_scene *s)
{
    with_region(s, 1);
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, 3, 80, &vx_guid_metadata_region, 16) == VHDX_OK, "poke");
}

static void region_offset(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_BAT + R_OFFSET, 0x301000, 8);
}

static void region_length(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_BAT + R_LENGTH, 0x80000, 4);
}

static void region_beyond_end(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_finish(s);
    fault_poke_region(s, 3, R_BAT + R_LENGTH, 2 * VX_MIB, 4);
}

static void region_overlap(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_METADATA + R_LENGTH, 2 * VX_MIB, 4);
}

static void region_bat_over_metadata(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.layout = BLD_LAYOUT_QEMU;
    fault_with_options(s, &options);
    fault_poke_region(s, 3, R_BAT + R_LENGTH, 2 * VX_MIB, 4);
}

static void region_bat_over_blocks(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_BAT + R_LENGTH, 5 * VX_MIB, 4);
}

static void region_bat_elsewhere(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_BAT + R_OFFSET, bld_region_offset(s->b, &vx_guid_bat_region) ^ 4 * VX_MIB, 8);
}

static void region_bat_far(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_BAT + R_OFFSET, VX_TIB, 8);
}

static void clear_region_entry(struct fault_scene *s, size_t offset)
{
    for (size_t i = 0; i < 32; i += 8)
        fault_poke_region(s, 3, offset + i, 0, 8);
}

static void region_no_bat(struct fault_scene *s)
{
    uint8_t metadata[32];
    fault_dynamic(s);
    BLD_DEMAND(bld_peek(s->host, FAULT_PATH, VX_REGION_TABLE1_OFFSET + R_METADATA, metadata, 32) == VHDX_OK, "peek");
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, 3, R_BAT, metadata, 32) == VHDX_OK, "poke");
    clear_region_entry(s, R_METADATA);
    fault_poke_region(s, 3, R_COUNT, 1, 4);
}

static void region_no_metadata(struct fault_scene *s)
{
    fault_dynamic(s);
    clear_region_entry(s, R_METADATA);
    fault_poke_region(s, 3, R_COUNT, 1, 4);
}

static void region_unknown_required(struct fault_scene *s)
{
    with_region(s, 1);
}

static void region_unknown(struct fault_scene *s)
{
    with_region(s, 0);
}

static void region_not_required(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_BAT + R_REQUIRED, 0, 4);
}

static void region_required_bits(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, R_BAT + R_REQUIRED, 3, 4);
}

static void region_slack(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_region(s, 3, 60000, 1, 1);
}

static const struct fault rows[] = {

    F(REGION_TABLE_DAMAGED, "the second copy has a wrong checksum", region_table_damaged, 0),
    F(REGION_TABLES_LOST, "both copies have wrong checksums", region_tables_lost, VX_FIND_METADATA_DERIVED),
    F(REGION_TABLES_DIFFER, "the second copy says not required", region_tables_differ, 0),
    F(REGION_COUNT, "3000 entries", region_count, VX_FIND_METADATA_DERIVED),
    F(REGION_RESERVED, "the reserved field is 5", region_reserved, 0),
    F(REGION_DUPLICATE, "two metadata regions", region_duplicate, 0),
    F(REGION_OFFSET, "the BAT begins one page too late", region_offset, VX_FIND_METADATA_DERIVED),
    F(REGION_LENGTH, "the BAT has half a MiB", region_length, VX_FIND_METADATA_DERIVED),
    F(REGION_BEYOND_END, "the BAT has a MiB more than the file", region_beyond_end, 0),
    F(REGION_OVERLAP, "the metadata reaches into the BAT", region_overlap, 0),
    F(REGION_NO_BAT, "only the metadata is named", region_no_bat, VX_FIND_METADATA_DERIVED),
    F(REGION_NO_METADATA, "only the BAT is named", region_no_metadata, VX_FIND_METADATA_DERIVED),
    F(REGION_UNKNOWN_REQUIRED, "a required region that nobody knows", region_unknown_required, 0),
    F(REGION_UNKNOWN, "an optional region that nobody knows", region_unknown, 0),
    F(REGION_NOT_REQUIRED, "the BAT is not required, as qemu says", region_not_required, 0),
    F(REGION_REQUIRED_BITS, "Required is 3", region_required_bits, 0),
    F(REGION_SLACK, "a byte behind the last entry", region_slack, 0),
    F(REGION_CONTRADICTED, "a BAT that runs over all blocks", region_bat_over_blocks, 0),
    F(REGION_CONTRADICTED, "the BAT is 4 MiB higher by one bit", region_bat_elsewhere, 0),
    F(REGION_OVERLAP, "the BAT runs over the metadata", region_bat_over_metadata, VX_FIND_REGION_NOT_REQUIRED,
      VX_FIND_SPACE_LEAK),
    F(REGION_BEYOND_END, "the BAT is at 1 TiB", region_bat_far, 0),
};

const struct fault_rows faults_of_regions = {rows, sizeof rows / sizeof rows[0]};
