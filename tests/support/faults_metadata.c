/* Faults of the metadata region and its items (3xx). */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include "guest.h"
#include "inside.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "format/merge_mark.h"

static uint64_t metadata_at(const struct fault_scene *s)
{
    return bld_region_offset(s->b, &vx_guid_metadata_region);
}

uint64_t fault_item_at(const struct fault_scene *s, const vhdx_guid *id)
{
    return bld_item_offset(s->b, id, false);
}

static uint64_t entry_at(const struct fault_scene *s, const vhdx_guid *id)
{
    return bld_item_entry_offset(s->b, id, false);
}

/* With an optional item that nobody knows. */
static void with_item(struct fault_scene *s, uint32_t flags, uint32_t length)
{
    static const uint8_t bytes[64] = {1, 2, 3};
    fault_empty(s, VHDX_KIND_DYNAMIC);
    bld_item(s->b, &fault_unknown_id, flags, bytes, length);
    fault_finish(s);
}

static void metadata_signature(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, metadata_at(s), 0, 8);
}

static void metadata_head_lost(struct fault_scene *s)
{
    fault_dynamic(s);
    for (uint64_t at = 0; at < 512; at += 8)
        fault_poke(s, metadata_at(s) + at, 0, 8);
}

static void metadata_entry_lost(struct fault_scene *s)
{
    fault_dynamic(s);
    uint64_t entry = bld_item_entry_offset(s->b, &vx_guid_virtual_disk_size, false);
    for (uint64_t at = 0; at < VX_METADATA_ENTRY_SIZE; at += 8)
        fault_poke(s, entry + at, 0, 8);
}

static void metadata_count(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, metadata_at(s) + 10, 3000, 2);
}

static void metadata_reserved(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, metadata_at(s) + 12, 1, 4);
}

static void metadata_entry_reserved(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, entry_at(s, &vx_guid_physical_sector_size) + M_FLAGS, 0x106, 4);
}

static void metadata_duplicate(struct fault_scene *s)
{
    uint8_t entry[32];
    with_item(s, 0, 8);
    bld_peek(s->host, FAULT_PATH, entry_at(s, &vx_guid_physical_sector_size), entry, sizeof entry);
    fault_poke_bytes(s, entry_at(s, &fault_unknown_id), entry, sizeof entry);
}

static void many_items(struct fault_scene *s, uint32_t flags, unsigned count)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    for (unsigned i = 0; i < count; i++) {
        vhdx_guid id = fault_unknown_id;
        vx_put16(id.bytes + 4, (uint16_t)i);
        bld_item(s->b, &id, flags, NULL, 0);
    }
    fault_finish(s);
}

static void metadata_user_count(struct fault_scene *s)
{
    many_items(s, VX_ITEM_IS_USER, 1025);
}

static void metadata_system_count(struct fault_scene *s)
{
    many_items(s, 0, 1019);
}

static void metadata_item_long(struct fault_scene *s)
{
    with_item(s, 0, 8);
    fault_poke(s, entry_at(s, &fault_unknown_id) + M_LENGTH, VX_MIB + 1, 4);
}

static void metadata_item_empty(struct fault_scene *s)
{
    with_item(s, 0, 0);
    fault_poke(s, entry_at(s, &fault_unknown_id) + M_OFFSET, 0x20000, 4);
}

static void metadata_item_in_table(struct fault_scene *s)
{
    with_item(s, 0, 8);
    fault_poke(s, entry_at(s, &fault_unknown_id) + M_OFFSET, 0x8000, 4);
}

static void metadata_item_outside(struct fault_scene *s)
{
    with_item(s, 0, 8);
    fault_poke(s, entry_at(s, &fault_unknown_id) + M_OFFSET, 0xFFFFC, 4);
}

static void metadata_item_overlap(struct fault_scene *s)
{
    with_item(s, 0, 2);
    uint64_t other = fault_peek(s, entry_at(s, &vx_guid_physical_sector_size) + M_OFFSET, 4);
    fault_poke(s, entry_at(s, &fault_unknown_id) + M_OFFSET, other + 1, 4);
}

static void metadata_count_small(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, metadata_at(s) + 10, 2, 2);
}

static void metadata_count_large(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, metadata_at(s) + 10, 9, 2);
}

static void metadata_count_small_in_child(struct fault_scene *s)
{
    fault_child(s);
    fault_poke(s, metadata_at(s) + 10, 5, 2);
}

static void metadata_size_in_table(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, entry_at(s, &vx_guid_virtual_disk_size) + M_OFFSET, 0x8000, 4);
}

static void metadata_parameters_outside(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, entry_at(s, &vx_guid_file_parameters) + M_OFFSET, 0xFFFFFFFC, 4);
}

static void metadata_sector_long(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, entry_at(s, &vx_guid_logical_sector_size) + M_LENGTH, 0x40000004, 4);
}

static void metadata_known_overlap(struct fault_scene *s)
{
    fault_dynamic(s);
    uint64_t other = fault_peek(s, entry_at(s, &vx_guid_physical_sector_size) + M_OFFSET, 4);
    fault_poke(s, entry_at(s, &vx_guid_virtual_disk_size) + M_OFFSET, other, 4);
}

static void metadata_locator_outside(struct fault_scene *s)
{
    fault_child(s);
    fault_poke(s, entry_at(s, &vx_guid_parent_locator) + M_OFFSET, 0xFFFFF, 4);
}

static void metadata_item_unknown(struct fault_scene *s)
{
    with_item(s, VX_ITEM_IS_REQUIRED, 8);
}

/* As merge leaves it when it is cut off. */
static void merge_unfinished(struct fault_scene *s)
{
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    struct vx_merge_mark mark = {.identity = *bld_data_write_guid(s->b), .child_name = "child.avhdx"};
    vx_merge_mark_encode(&mark, bytes);
    bld_item(s->b, &vx_guid_merge_mark, VX_ITEM_IS_USER, bytes, sizeof bytes);
    fault_finish(s);
}

static void metadata_incomplete(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.incomplete = true;
    fault_with_options(s, &options);
}

static void metadata_item_missing(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_item_remove(s->b, &vx_guid_physical_sector_size, false);
    fault_finish(s);
}

static void metadata_item_length(struct fault_scene *s)
{
    static const uint8_t bytes[8] = {0, 16};
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_item(s->b, &vx_guid_physical_sector_size, 6, bytes, sizeof bytes);
    fault_finish(s);
}

static void metadata_block_size(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, fault_item_at(s, &vx_guid_file_parameters), 3 * VX_MIB, 4);
}

static void metadata_parameter_bits(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, fault_item_at(s, &vx_guid_file_parameters) + 4, 0x10, 4);
}

static void metadata_fixed_child(struct fault_scene *s)
{
    fault_child(s);
    fault_poke(s, fault_item_at(s, &vx_guid_file_parameters) + 4, 3, 4);
}

static void metadata_virtual_size(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, fault_item_at(s, &vx_guid_virtual_disk_size), FAULT_SIZE + 1, 8);
}

static void metadata_logical_sector(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, fault_item_at(s, &vx_guid_logical_sector_size), 1024, 4);
}

static void metadata_physical_sector(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, fault_item_at(s, &vx_guid_physical_sector_size), 1024, 4);
}

static void metadata_item_flags(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, entry_at(s, &vx_guid_physical_sector_size) + M_FLAGS, 4, 4);
}

static void metadata_user_required(struct fault_scene *s)
{
    with_item(s, VX_ITEM_IS_USER | VX_ITEM_IS_REQUIRED, 8);
}

static void metadata_no_locator(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_finish(s);
    fault_poke(s, fault_item_at(s, &vx_guid_file_parameters) + 4, VX_PARAMETER_HAS_PARENT, 4);
}

static void metadata_left_locator(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DIFFERENCING);
    fault_finish(s);
    fault_poke(s, fault_item_at(s, &vx_guid_file_parameters) + 4, 0, 4);
}

static void metadata_disk_id(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, fault_item_at(s, &vx_guid_virtual_disk_id), 0, 8);
    fault_poke(s, fault_item_at(s, &vx_guid_virtual_disk_id) + 8, 0, 8);
}

/* The size becomes 4 MiB, and blocks behind that are there. */
static void metadata_contradicted(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    guest_gpt(s->b, FAULT_SIZE, 3, GUEST_GPT);
    fault_finish(s);
    fault_poke(s, fault_item_at(s, &vx_guid_virtual_disk_size), 4 * VX_MIB, 8);
}

static void metadata_region_long(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.metadata_region_length = VX_METADATA_REGION_MAX + VX_MIB;
    fault_with_options(s, &options);
}

static void metadata_total(struct fault_scene *s)
{
    uint8_t *bytes = bld_alloc(VX_METADATA_ITEM_MAX, 1);
    fault_empty(s, VHDX_KIND_DYNAMIC);
    for (unsigned i = 0; i < 41; i++) {
        vhdx_guid id = fault_unknown_id;
        id.bytes[4] = (uint8_t)i;
        bld_item(s->b, &id, VX_ITEM_IS_USER, bytes, VX_METADATA_ITEM_MAX);
    }
    free(bytes);
    fault_finish(s);
}

static void metadata_item_no_id(struct fault_scene *s)
{
    with_item(s, 0, 8);
    fault_poke(s, entry_at(s, &fault_unknown_id), 0, 8);
    fault_poke(s, entry_at(s, &fault_unknown_id) + 8, 0, 8);
}

static const struct fault rows[] = {

    F(METADATA_SIGNATURE, "no signature, all else is there", metadata_signature, 0),
    F(METADATA_SIGNATURE, "the first sector of the table is zeros", metadata_head_lost, VX_FIND_METADATA_DERIVED),
    F(METADATA_COUNT, "3000 entries", metadata_count, 0),
    F(METADATA_RESERVED, "a reserved byte", metadata_reserved, 0),
    F(METADATA_ENTRY_RESERVED, "a reserved flag", metadata_entry_reserved, 0),
    F(METADATA_DUPLICATE, "the physical sector size twice", metadata_duplicate, 0),
    F(METADATA_USER_COUNT, "1025 user items", metadata_user_count, 0),
    F(METADATA_SYSTEM_COUNT, "1024 system items", metadata_system_count, 0),
    F(METADATA_ITEM_LONG, "an item of 1 MiB and a byte", metadata_item_long, 0),
    F(METADATA_ITEM_LONG, "a logical sector size of 1 GiB", metadata_sector_long, VX_FIND_METADATA_DERIVED,
      VX_FIND_METADATA_TOTAL),
    F(METADATA_ITEM_EMPTY, "an empty item with an offset", metadata_item_empty, 0),
    F(METADATA_ITEM_IN_TABLE, "an item inside the table", metadata_item_in_table, 0),
    F(METADATA_ITEM_IN_TABLE, "the disk's size inside the table", metadata_size_in_table, VX_FIND_METADATA_DERIVED),
    F(METADATA_ITEM_OUTSIDE, "an item over the region's end", metadata_item_outside, 0),
    F(METADATA_ITEM_OUTSIDE, "the parameters far behind the region's end", metadata_parameters_outside,
      VX_FIND_METADATA_DERIVED),
    F(METADATA_ITEM_OUTSIDE, "a child's locator over the region's end", metadata_locator_outside, 0),
    F(METADATA_ITEM_OVERLAP, "an item on the physical sector size", metadata_item_overlap, 0),
    F(METADATA_ITEM_OVERLAP, "the disk's size on the physical sector size", metadata_known_overlap,
      VX_FIND_METADATA_DERIVED),
    F(METADATA_ITEM_UNKNOWN, "a required item that nobody knows", metadata_item_unknown, 0),
    F(METADATA_INCOMPLETE, "creation was not finished", metadata_incomplete, 0),
    F(METADATA_ITEM_MISSING, "no physical sector size", metadata_item_missing, 0),
    F(METADATA_ITEM_MISSING, "two entries of five", metadata_count_small, VX_FIND_METADATA_DERIVED),
    F(METADATA_ITEM_LENGTH, "a physical sector size of 8 bytes", metadata_item_length, 0),
    F(METADATA_BLOCK_SIZE, "blocks of 3 MiB", metadata_block_size, VX_FIND_METADATA_DERIVED),
    F(METADATA_PARAMETER_BITS, "a reserved bit", metadata_parameter_bits, 0),
    F(METADATA_FIXED_CHILD, "fixed and differencing", metadata_fixed_child, 0),
    F(METADATA_VIRTUAL_SIZE, "a size of 64 MiB and a byte", metadata_virtual_size, VX_FIND_METADATA_DERIVED),
    F(METADATA_LOGICAL_SECTOR, "sectors of 1024 bytes", metadata_logical_sector, VX_FIND_METADATA_DERIVED),
    F(METADATA_PHYSICAL_SECTOR, "physical sectors of 1024 bytes", metadata_physical_sector, 0),
    F(METADATA_ITEM_FLAGS, "the physical sector size is said to be the file's", metadata_item_flags, 0),
    F(METADATA_USER_REQUIRED, "a required user item", metadata_user_required, 0),
    F(METADATA_NO_LOCATOR, "a child without locator", metadata_no_locator, 0),
    F(METADATA_NO_LOCATOR, "a child with five entries of six", metadata_count_small_in_child, 0),
    F(METADATA_LEFT_LOCATOR, "a base with locator", metadata_left_locator, 0),
    F(METADATA_DISK_ID, "no virtual disk id", metadata_disk_id, 0),
    F(METADATA_REGION_LONG, "a region of 129 MiB", metadata_region_long, 0),
    F(MERGE_UNFINISHED, "the mark of a merge on its way", merge_unfinished, 0),
    F(METADATA_TOTAL, "41 MiB of user items", metadata_total, 0),
    F(METADATA_ITEM_NO_ID, "an item without id", metadata_item_no_id, 0),
    F(METADATA_ITEM_NO_ID, "nine entries instead of five", metadata_count_large, 0),
    F(METADATA_ITEM_NO_ID, "the entry of the disk's size is zeros", metadata_entry_lost, VX_FIND_METADATA_ITEM_MISSING,
      VX_FIND_METADATA_DERIVED),
    F(METADATA_DERIVED, "no block size that can be", metadata_block_size, VX_FIND_METADATA_BLOCK_SIZE),
    F(METADATA_CONTRADICTED, "a size that blocks and partition table contradict", metadata_contradicted, 0),
};

const struct fault_rows faults_of_metadata = {rows, sizeof rows / sizeof rows[0]};
