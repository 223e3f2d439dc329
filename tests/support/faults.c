/*
 * The images behind the table of findings. See faults.h. Each function builds a sound disk and then does one thing to
 * it.
 */
/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include "guest.h"
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "format/merge_mark.h"
#include "format/bat.h"
#include "io/io.h"

/* ---- makers ----------------------------------------------------------------------------------------------------- */

static void finish(struct fault_scene *s)
{
    vhdx_error err;
    BLD_DEMAND(bld_finish(s->b, s->host, FAULT_PATH, &err) == VHDX_OK, "a disk for a fault");
}

static struct bld_options usual(vhdx_kind kind)
{
    return (struct bld_options){.kind = kind, .virtual_size = FAULT_SIZE, .block_size = FAULT_BLOCK, .seed = 5};
}

/* A disk of the usual size with nothing in it. */
static void empty(struct fault_scene *s, vhdx_kind kind)
{
    struct bld_options options = usual(kind);
    s->b = bld_new(&options);
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(s->b, &(vhdx_guid){{1, 2, 3}}, NULL, ".\\parent.vhdx", NULL, "C:\\parent.vhdx");
}

/* Blocks 0, 3 and 5 hold something, and lie in the file in this order. */
static void fill(struct fault_scene *s)
{
    bld_write_random(s->b, 0, FAULT_BLOCK, 1);
    bld_write_random(s->b, 3 * (uint64_t)FAULT_BLOCK, FAULT_BLOCK, 2);
    bld_write_random(s->b, 5 * (uint64_t)FAULT_BLOCK, FAULT_BLOCK, 3);
}

static void dynamic(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    finish(s);
}

/* Blocks 0, 3 and 5 are partial, with their first sectors. */
static void child_content(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DIFFERENCING);
    bld_write_random(s->b, 0, 4096, 1);
    bld_write_random(s->b, 3 * (uint64_t)FAULT_BLOCK, 4096, 2);
    bld_write_random(s->b, 5 * (uint64_t)FAULT_BLOCK, 4096, 3);
}

static void child(struct fault_scene *s)
{
    child_content(s);
    finish(s);
}

static void fixed(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_FIXED);
    options.virtual_size = 8 * VX_MIB;
    s->b = bld_new(&options);
    finish(s);
}

static void with_options(struct fault_scene *s, const struct bld_options *options)
{
    s->b = bld_new(options);
    fill(s);
    finish(s);
}

static void dirty(struct fault_scene *s, const struct bld_log *log)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_log_dirty(s->b, log);
    finish(s);
}

/* One empty entry at the beginning of the ring. */
static void dirty_empty(struct fault_scene *s)
{
    dirty(s, &(struct bld_log){.sequence = 7});
}

/* One entry with pages of the BAT that are the same at home. */
static void dirty_pages(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BAT, .untouched_pages = true, .sequence = 7});
    finish(s);
}

/* ---- pokes ------------------------------------------------------------------------------------------------------ */

static void poke(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size)
{
    BLD_DEMAND(offset != VHDX_NOWHERE && bld_poke_int(s->host, FAULT_PATH, offset, value, size) == VHDX_OK, "poke");
}

static void poke_bytes(struct fault_scene *s, uint64_t offset, const void *bytes, size_t size)
{
    BLD_DEMAND(offset != VHDX_NOWHERE && bld_poke(s->host, FAULT_PATH, offset, bytes, size) == VHDX_OK, "poke");
}

static uint64_t peek(struct fault_scene *s, uint64_t offset, size_t size)
{
    uint8_t bytes[8] = {0};
    BLD_DEMAND(bld_peek(s->host, FAULT_PATH, offset, bytes, size) == VHDX_OK, "peek");
    return vx_get64(bytes);
}

static void poke_header(struct fault_scene *s, int copy, size_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    vx_put64(bytes, value);
    BLD_DEMAND(bld_poke_header(s->host, FAULT_PATH, copy, offset, bytes, size) == VHDX_OK, "poke a header");
}

static void poke_region(struct fault_scene *s, int copy, size_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    vx_put64(bytes, value);
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, copy, offset, bytes, size) == VHDX_OK, "poke a region table");
}

/* Into the first entry of the log, checksum mended. */
static void poke_entry(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    uint64_t log = bld_log_offset(s->b);
    vx_put64(bytes, value);
    BLD_DEMAND(bld_poke_log_entry(s->host, FAULT_PATH, log, VX_MIB, bld_log_entry_offset(s->b, 0) - log, offset, bytes,
                                  size) == VHDX_OK,
               "poke a log entry");
}

/* The same without mending. */
static void spoil_entry(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size)
{
    poke(s, bld_log_entry_offset(s->b, 0) + offset, value, size);
}

static void cut(struct fault_scene *s, uint64_t size)
{
    BLD_DEMAND(bld_resize(s->host, FAULT_PATH, size) == VHDX_OK, "resize");
}

/* Fields of structures, as they stand in the format */
enum {
    H_SEQUENCE = 8,
    H_FILE = 16,
    H_DATA = 32,
    H_LOG = 48,
    H_LOG_VERSION = 64,
    H_VERSION = 66,
    H_LENGTH = 68,
    H_OFFSET = 72
};
enum { R_COUNT = 8, R_RESERVED = 12, R_BAT = 16, R_METADATA = 48, R_OFFSET = 16, R_LENGTH = 24, R_REQUIRED = 28 };
enum {
    E_LENGTH = 8,
    E_TAIL = 12,
    E_SEQUENCE = 16,
    E_COUNT = 24,
    E_RESERVED = 28,
    E_FLUSHED = 48,
    E_LAST = 56,
    E_DESCRIPTOR = 64,
    E_TARGET = 80
};
enum { M_OFFSET = 16, M_LENGTH = 20, M_FLAGS = 24 };

/* ---- 1xx: file and headers -------------------------------------------------------------------------------------- */

static void file_short(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    finish(s);
    cut(s, VX_MIB / 2);
}

/* No log, and the BAT in its place. */
static void file_small(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    finish(s);
    poke_header(s, 3, H_LENGTH, 0, 4);
    poke_region(s, 3, R_BAT + R_OFFSET, VX_MIB, 8);
    cut(s, 3 * VX_MIB);
}

static void file_signature(struct fault_scene *s)
{
    dynamic(s);
    poke(s, 0, 0, 8);
}

static void file_unaligned(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.appended_bytes = 512;
    with_options(s, &options);
}

static void file_reserved(struct fault_scene *s)
{
    dynamic(s);
    poke(s, 0x60000, 1, 1);
}

static void file_creator(struct fault_scene *s)
{
    dynamic(s);
    poke(s, 8, 0x0041D800, 4);
}

static void beginning_lost(struct fault_scene *s)
{
    dynamic(s);
    uint8_t *zeros = calloc(1, (size_t)VX_MIB);
    BLD_DEMAND(zeros, "memory");
    poke_bytes(s, 0, zeros, (size_t)VX_MIB);
    free(zeros);
}

static void file_unreadable(struct fault_scene *s)
{
    dynamic(s);
    s->bad_offset = bld_region_offset(s->b, &vx_guid_metadata_region) + 0x8000;
    s->bad_length = 512;
}

static void header_damaged(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.damaged_header = 1;
    with_options(s, &options);
}

static void headers_lost(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.damaged_header = 3;
    with_options(s, &options);
}

static void header_version(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_VERSION, 2, 2);
}

static void header_log_version(struct fault_scene *s)
{
    dirty_empty(s);
    poke_header(s, 3, H_LOG_VERSION, 1, 2);
}

static void header_idle_log_version(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_LOG_VERSION, 1, 2);
}

static void header_same_sequence(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.sequence[0] = options.sequence[1] = 1;
    with_options(s, &options);
}

static void header_tie(struct fault_scene *s)
{
    header_same_sequence(s);
    poke_header(s, 1, H_FILE, 99, 1);
}

static void header_sequence(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.sequence[0] = UINT64_MAX - 1;
    options.sequence[1] = UINT64_MAX;
    with_options(s, &options);
}

static void header_log_length(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_LENGTH, 0x180000, 4);
}

static void header_log_offset(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_OFFSET, 0x101000, 8);
}

static void header_log_low(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_OFFSET, 0, 8);
}

static void header_log_beyond_end(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_OFFSET, VX_GIB, 8);
}

static void header_no_log(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_LENGTH, 0, 4);
    poke_header(s, 3, H_LOG, 1, 8);
}

static void header_log_long(struct fault_scene *s)
{
    dynamic(s);
    uint64_t size = bld_file_size(s->b);
    poke_header(s, 3, H_OFFSET, size, 8);
    poke_header(s, 3, H_LENGTH, VX_GIB + VX_MIB, 4);
    cut(s, size + VX_GIB + VX_MIB);
}

static void header_file_guid(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_FILE, 0, 8);
    poke_header(s, 3, H_FILE + 8, 0, 8);
}

static void header_data_guid(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_DATA, 0, 8);
    poke_header(s, 3, H_DATA + 8, 0, 8);
}

static void header_reserved(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, 4000, 1, 1);
}

static void header_dirty(struct fault_scene *s)
{
    dirty(s, &(struct bld_log){.what = BLD_LOG_BAT, .sequence = 7});
}

static void header_other_log(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 1, H_OFFSET, 5 * VX_MIB, 8);
}

/* ---- 2xx: region tables ----------------------------------------------------------------------------------------- */

static void region_table_damaged(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.second_region_table_damaged = true;
    with_options(s, &options);
}

static void region_tables_lost(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.first_region_table_damaged = options.second_region_table_damaged = true;
    with_options(s, &options);
}

static void region_tables_differ(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 2, R_BAT + R_REQUIRED, 0, 4);
}

static void region_count(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_COUNT, 3000, 4);
}

static void region_reserved(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_RESERVED, 5, 4);
}

static const vhdx_guid unknown_id = {{0xAB, 0xCD, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}};

static void with_region(struct fault_scene *s, uint32_t required)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_region(s->b, &unknown_id, (uint32_t)VX_MIB, required);
    finish(s);
}

static void region_duplicate(struct fault_scene *s)
{
    with_region(s, 1);
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, 3, 80, &vx_guid_metadata_region, 16) == VHDX_OK, "poke");
}

static void region_offset(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_BAT + R_OFFSET, 0x301000, 8);
}

static void region_length(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_BAT + R_LENGTH, 0x80000, 4);
}

static void region_beyond_end(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    finish(s);
    poke_region(s, 3, R_BAT + R_LENGTH, 2 * VX_MIB, 4);
}

static void region_overlap(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_METADATA + R_LENGTH, 2 * VX_MIB, 4);
}

static void region_bat_over_metadata(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.layout = BLD_LAYOUT_QEMU;
    with_options(s, &options);
    poke_region(s, 3, R_BAT + R_LENGTH, 2 * VX_MIB, 4);
}

static void region_bat_over_blocks(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_BAT + R_LENGTH, 5 * VX_MIB, 4);
}

static void region_bat_elsewhere(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_BAT + R_OFFSET, bld_region_offset(s->b, &vx_guid_bat_region) ^ 4 * VX_MIB, 8);
}

static void region_bat_far(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_BAT + R_OFFSET, VX_TIB, 8);
}

static void clear_region_entry(struct fault_scene *s, size_t offset)
{
    for (size_t i = 0; i < 32; i += 8)
        poke_region(s, 3, offset + i, 0, 8);
}

static void region_no_bat(struct fault_scene *s)
{
    uint8_t metadata[32];
    dynamic(s);
    BLD_DEMAND(bld_peek(s->host, FAULT_PATH, VX_REGION_TABLE1_OFFSET + R_METADATA, metadata, 32) == VHDX_OK, "peek");
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, 3, R_BAT, metadata, 32) == VHDX_OK, "poke");
    clear_region_entry(s, R_METADATA);
    poke_region(s, 3, R_COUNT, 1, 4);
}

static void region_no_metadata(struct fault_scene *s)
{
    dynamic(s);
    clear_region_entry(s, R_METADATA);
    poke_region(s, 3, R_COUNT, 1, 4);
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
    dynamic(s);
    poke_region(s, 3, R_BAT + R_REQUIRED, 0, 4);
}

static void region_required_bits(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, R_BAT + R_REQUIRED, 3, 4);
}

static void region_slack(struct fault_scene *s)
{
    dynamic(s);
    poke_region(s, 3, 60000, 1, 1);
}

/* ---- 3xx: metadata ---------------------------------------------------------------------------------------------- */

static uint64_t metadata_at(const struct fault_scene *s)
{
    return bld_region_offset(s->b, &vx_guid_metadata_region);
}

static uint64_t item_at(const struct fault_scene *s, const vhdx_guid *id)
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
    empty(s, VHDX_KIND_DYNAMIC);
    bld_item(s->b, &unknown_id, flags, bytes, length);
    finish(s);
}

static void metadata_signature(struct fault_scene *s)
{
    dynamic(s);
    poke(s, metadata_at(s), 0, 8);
}

static void metadata_head_lost(struct fault_scene *s)
{
    dynamic(s);
    for (uint64_t at = 0; at < 512; at += 8)
        poke(s, metadata_at(s) + at, 0, 8);
}

static void metadata_entry_lost(struct fault_scene *s)
{
    dynamic(s);
    uint64_t entry = bld_item_entry_offset(s->b, &vx_guid_virtual_disk_size, false);
    for (uint64_t at = 0; at < VX_METADATA_ENTRY_SIZE; at += 8)
        poke(s, entry + at, 0, 8);
}

static void metadata_count(struct fault_scene *s)
{
    dynamic(s);
    poke(s, metadata_at(s) + 10, 3000, 2);
}

static void metadata_reserved(struct fault_scene *s)
{
    dynamic(s);
    poke(s, metadata_at(s) + 12, 1, 4);
}

static void metadata_entry_reserved(struct fault_scene *s)
{
    dynamic(s);
    poke(s, entry_at(s, &vx_guid_physical_sector_size) + M_FLAGS, 0x106, 4);
}

static void metadata_duplicate(struct fault_scene *s)
{
    uint8_t entry[32];
    with_item(s, 0, 8);
    bld_peek(s->host, FAULT_PATH, entry_at(s, &vx_guid_physical_sector_size), entry, sizeof entry);
    poke_bytes(s, entry_at(s, &unknown_id), entry, sizeof entry);
}

static void many_items(struct fault_scene *s, uint32_t flags, unsigned count)
{
    empty(s, VHDX_KIND_DYNAMIC);
    for (unsigned i = 0; i < count; i++) {
        vhdx_guid id = unknown_id;
        vx_put16(id.bytes + 4, (uint16_t)i);
        bld_item(s->b, &id, flags, NULL, 0);
    }
    finish(s);
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
    poke(s, entry_at(s, &unknown_id) + M_LENGTH, VX_MIB + 1, 4);
}

static void metadata_item_empty(struct fault_scene *s)
{
    with_item(s, 0, 0);
    poke(s, entry_at(s, &unknown_id) + M_OFFSET, 0x20000, 4);
}

static void metadata_item_in_table(struct fault_scene *s)
{
    with_item(s, 0, 8);
    poke(s, entry_at(s, &unknown_id) + M_OFFSET, 0x8000, 4);
}

static void metadata_item_outside(struct fault_scene *s)
{
    with_item(s, 0, 8);
    poke(s, entry_at(s, &unknown_id) + M_OFFSET, 0xFFFFC, 4);
}

static void metadata_item_overlap(struct fault_scene *s)
{
    with_item(s, 0, 2);
    uint64_t other = peek(s, entry_at(s, &vx_guid_physical_sector_size) + M_OFFSET, 4);
    poke(s, entry_at(s, &unknown_id) + M_OFFSET, other + 1, 4);
}

/* ---- known items whose entries are damaged: their values stand where they always stood */

static void metadata_count_small(struct fault_scene *s)
{
    dynamic(s);
    poke(s, metadata_at(s) + 10, 2, 2);
}

static void metadata_count_large(struct fault_scene *s)
{
    dynamic(s);
    poke(s, metadata_at(s) + 10, 9, 2);
}

static void metadata_count_small_in_child(struct fault_scene *s)
{
    child(s);
    poke(s, metadata_at(s) + 10, 5, 2);
}

static void metadata_size_in_table(struct fault_scene *s)
{
    dynamic(s);
    poke(s, entry_at(s, &vx_guid_virtual_disk_size) + M_OFFSET, 0x8000, 4);
}

static void metadata_parameters_outside(struct fault_scene *s)
{
    dynamic(s);
    poke(s, entry_at(s, &vx_guid_file_parameters) + M_OFFSET, 0xFFFFFFFC, 4);
}

static void metadata_sector_long(struct fault_scene *s)
{
    dynamic(s);
    poke(s, entry_at(s, &vx_guid_logical_sector_size) + M_LENGTH, 0x40000004, 4);
}

static void metadata_known_overlap(struct fault_scene *s)
{
    dynamic(s);
    uint64_t other = peek(s, entry_at(s, &vx_guid_physical_sector_size) + M_OFFSET, 4);
    poke(s, entry_at(s, &vx_guid_virtual_disk_size) + M_OFFSET, other, 4);
}

static void metadata_locator_outside(struct fault_scene *s)
{
    child(s);
    poke(s, entry_at(s, &vx_guid_parent_locator) + M_OFFSET, 0xFFFFF, 4);
}

static void metadata_item_unknown(struct fault_scene *s)
{
    with_item(s, VX_ITEM_IS_REQUIRED, 8);
}

/* As merge leaves it when it is cut off. */
static void merge_unfinished(struct fault_scene *s)
{
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    struct vx_merge_mark mark = {.identity = *bld_data_write_guid(s->b), .child_name = "child.avhdx"};
    vx_merge_mark_encode(&mark, bytes);
    bld_item(s->b, &vx_guid_merge_mark, VX_ITEM_IS_USER, bytes, sizeof bytes);
    finish(s);
}

static void metadata_incomplete(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.incomplete = true;
    with_options(s, &options);
}

static void metadata_item_missing(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_item_remove(s->b, &vx_guid_physical_sector_size, false);
    finish(s);
}

static void metadata_item_length(struct fault_scene *s)
{
    static const uint8_t bytes[8] = {0, 16};
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_item(s->b, &vx_guid_physical_sector_size, 6, bytes, sizeof bytes);
    finish(s);
}

static void metadata_block_size(struct fault_scene *s)
{
    dynamic(s);
    poke(s, item_at(s, &vx_guid_file_parameters), 3 * VX_MIB, 4);
}

static void metadata_parameter_bits(struct fault_scene *s)
{
    dynamic(s);
    poke(s, item_at(s, &vx_guid_file_parameters) + 4, 0x10, 4);
}

static void metadata_fixed_child(struct fault_scene *s)
{
    child(s);
    poke(s, item_at(s, &vx_guid_file_parameters) + 4, 3, 4);
}

static void metadata_virtual_size(struct fault_scene *s)
{
    dynamic(s);
    poke(s, item_at(s, &vx_guid_virtual_disk_size), FAULT_SIZE + 1, 8);
}

static void metadata_logical_sector(struct fault_scene *s)
{
    dynamic(s);
    poke(s, item_at(s, &vx_guid_logical_sector_size), 1024, 4);
}

static void metadata_physical_sector(struct fault_scene *s)
{
    dynamic(s);
    poke(s, item_at(s, &vx_guid_physical_sector_size), 1024, 4);
}

static void metadata_item_flags(struct fault_scene *s)
{
    dynamic(s);
    poke(s, entry_at(s, &vx_guid_physical_sector_size) + M_FLAGS, 4, 4);
}

static void metadata_user_required(struct fault_scene *s)
{
    with_item(s, VX_ITEM_IS_USER | VX_ITEM_IS_REQUIRED, 8);
}

static void metadata_no_locator(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    finish(s);
    poke(s, item_at(s, &vx_guid_file_parameters) + 4, VX_PARAMETER_HAS_PARENT, 4);
}

static void metadata_left_locator(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DIFFERENCING);
    finish(s);
    poke(s, item_at(s, &vx_guid_file_parameters) + 4, 0, 4);
}

static void metadata_disk_id(struct fault_scene *s)
{
    dynamic(s);
    poke(s, item_at(s, &vx_guid_virtual_disk_id), 0, 8);
    poke(s, item_at(s, &vx_guid_virtual_disk_id) + 8, 0, 8);
}

/* The size becomes 4 MiB, and blocks behind that are there. */
static void metadata_contradicted(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    guest_gpt(s->b, FAULT_SIZE, 3, GUEST_GPT);
    finish(s);
    poke(s, item_at(s, &vx_guid_virtual_disk_size), 4 * VX_MIB, 8);
}

static void metadata_region_long(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.metadata_region_length = VX_METADATA_REGION_MAX + VX_MIB;
    with_options(s, &options);
}

static void metadata_total(struct fault_scene *s)
{
    uint8_t *bytes = bld_alloc(VX_METADATA_ITEM_MAX, 1);
    empty(s, VHDX_KIND_DYNAMIC);
    for (unsigned i = 0; i < 41; i++) {
        vhdx_guid id = unknown_id;
        id.bytes[4] = (uint8_t)i;
        bld_item(s->b, &id, VX_ITEM_IS_USER, bytes, VX_METADATA_ITEM_MAX);
    }
    free(bytes);
    finish(s);
}

static void metadata_item_no_id(struct fault_scene *s)
{
    with_item(s, 0, 8);
    poke(s, entry_at(s, &unknown_id), 0, 8);
    poke(s, entry_at(s, &unknown_id) + 8, 0, 8);
}

/* ---- 34x: parent locator ---------------------------------------------------------------------------------------- */

static void raw_locator(struct fault_scene *s, const vhdx_guid *type, uint16_t count)
{
    uint8_t bytes[VX_LOCATOR_HEADER_SIZE] = {0};
    child_content(s);
    memcpy(bytes, type, sizeof *type);
    vx_put16(bytes + 18, count);
    bld_locator_raw(s->b, bytes, sizeof bytes);
    finish(s);
}

static void locator_short(struct fault_scene *s)
{
    raw_locator(s, &vx_guid_locator_type_vhdx, 5);
}

static void locator_type(struct fault_scene *s)
{
    raw_locator(s, &unknown_id, 0);
}

static void locator_count(struct fault_scene *s)
{
    raw_locator(s, &vx_guid_locator_type_vhdx, 0);
}

#define SOME_GUID "{01020304-0000-0000-0000-000000000000}"

/* The pairs given, up to a NULL key. */
static void with_pairs(struct fault_scene *s, const char *const *pairs)
{
    child_content(s);
    bld_locator_forget(s->b);
    for (size_t i = 0; pairs[i]; i += 2)
        bld_locator_pair(s->b, pairs[i], pairs[i + 1]);
    finish(s);
}

static const char *const three_pairs[] = {
    "parent_linkage", SOME_GUID, "relative_path", ".\\a", "volume_path", "b", NULL};

static void locator_place(struct fault_scene *s)
{
    with_pairs(s, three_pairs);
    poke(s, item_at(s, &vx_guid_parent_locator) + 20 + 2 * 12, 0xFFFFFF, 4);
}

static void locator_nul(struct fault_scene *s)
{
    with_pairs(s, three_pairs);
    uint64_t item = item_at(s, &vx_guid_parent_locator);
    poke(s, item + peek(s, item + 20 + 12 + 4, 4) + 2, 0, 2);
}

static void locator_duplicate(struct fault_scene *s)
{
    static const char *const pairs[] = {"parent_linkage", SOME_GUID, "relative_path", ".\\a", "relative_path",
                                        ".\\b",           NULL};
    with_pairs(s, pairs);
}

static void locator_no_linkage(struct fault_scene *s)
{
    static const char *const pairs[] = {"relative_path", ".\\a", NULL};
    with_pairs(s, pairs);
}

static void locator_linkage(struct fault_scene *s)
{
    static const char *const pairs[] = {"parent_linkage", "nobody", "relative_path", ".\\a", NULL};
    with_pairs(s, pairs);
}

static void locator_no_path(struct fault_scene *s)
{
    static const char *const pairs[] = {"parent_linkage", SOME_GUID, NULL};
    with_pairs(s, pairs);
}

static void locator_reserved(struct fault_scene *s)
{
    child(s);
    poke(s, item_at(s, &vx_guid_parent_locator) + 16, 1, 2);
}

/* ---- 4xx: log --------------------------------------------------------------------------------------------------- */

static void log_damaged(struct fault_scene *s)
{
    dirty_empty(s);
    spoil_entry(s, 200, 1, 1);
}

/* As QEMU leaves it when it is killed: its name, and a LogGuid with the version where QEMU writes it. */
static void log_unbegun(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    static const uint8_t guid[16] = {1, 2, 3, 4, 5, 6, 0x47, 8, 0x89};
    options.creator = "QEMU v7.2.22";
    with_options(s, &options);
    BLD_DEMAND(bld_poke_header(s->host, FAULT_PATH, 3, H_LOG, guid, sizeof guid) == VHDX_OK, "poke a header");
}

/* The page of the BAT is at home; the log has it as it was before block 9 came, and knows only of a shorter file. */
static void log_stale(struct fault_scene *s)
{
    uint8_t page[264];
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_write_random(s->b, 9 * (uint64_t)FAULT_BLOCK, FAULT_BLOCK, 4);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BAT, .sequence = 7});
    finish(s);
    uint64_t entry = bld_log_entry_offset(s->b, 0);
    BLD_DEMAND(bld_peek(s->host, FAULT_PATH, entry + VX_PAGE, page, sizeof page) == VHDX_OK &&
                   bld_peek(s->host, FAULT_PATH, entry + E_DESCRIPTOR + 8, page, 8) == VHDX_OK,
               "peek at the log");
    poke_bytes(s, bld_region_offset(s->b, &vx_guid_bat_region), page, sizeof page);
    uint64_t known = vx_round_down(vx_get64(page + 72), VX_MIB);
    poke_entry(s, E_FLUSHED, known, 8);
    poke_entry(s, E_LAST, known, 8);
    poke_entry(s, VX_PAGE + 72, 0, 8);
}

static void log_no_sequence(struct fault_scene *s)
{
    dirty_empty(s);
    poke_entry(s, E_TAIL, 0x8000, 4);
}

static void log_file_cut(struct fault_scene *s)
{
    dirty(s, &(struct bld_log){.truncated = true});
}

static void log_entry_length(struct fault_scene *s)
{
    dirty_empty(s);
    spoil_entry(s, E_LENGTH, 0x1800, 4);
}

static void log_entry_tail(struct fault_scene *s)
{
    dirty_empty(s);
    spoil_entry(s, E_TAIL, 0x123, 4);
}

static void log_entry_sequence(struct fault_scene *s)
{
    dirty_empty(s);
    spoil_entry(s, E_SEQUENCE, 0, 8);
}

static void log_entry_count(struct fault_scene *s)
{
    dirty_empty(s);
    spoil_entry(s, E_COUNT, 1000, 4);
}

static void log_entry_size(struct fault_scene *s)
{
    dirty_empty(s);
    spoil_entry(s, E_LENGTH, 0x2000, 4);
}

static void log_entry_descriptor(struct fault_scene *s)
{
    dirty_pages(s);
    spoil_entry(s, E_DESCRIPTOR, 0, 4);
}

static void log_entry_data(struct fault_scene *s)
{
    dirty_pages(s);
    uint64_t sectors = (64 + 32 * bld_log_page_count(s->b) + 4095) / 4096;
    spoil_entry(s, sectors * VX_PAGE, 0, 4);
}

static void log_target_low(struct fault_scene *s)
{
    dirty_pages(s);
    poke_entry(s, E_TARGET, 0x10000, 8);
}

static void log_target_log(struct fault_scene *s)
{
    dirty_pages(s);
    poke_entry(s, E_TARGET, bld_log_offset(s->b), 8);
}

static void log_target_stray(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_METADATA, .sequence = 7});
    finish(s);
    /* the entry's first page is moved from the metadata to a payload block; at home it is put right */
    uint64_t target = peek(s, bld_log_entry_offset(s->b, 0) + E_TARGET, 8);
    bld_free(s->b);
    dynamic(s);
    uint8_t page[VX_PAGE];
    bld_peek(s->host, FAULT_PATH, target, page, sizeof page);
    bld_free(s->b);
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_METADATA, .sequence = 7});
    finish(s);
    poke_bytes(s, target, page, sizeof page);
    poke_entry(s, E_TARGET, bld_payload_offset(s->b, 3), 8);
}

static void log_target_range(struct fault_scene *s)
{
    dirty_pages(s);
    poke_entry(s, E_TARGET, 66 * VX_TIB, 8);
}

static void log_file_offsets(struct fault_scene *s)
{
    dirty_empty(s);
    poke_entry(s, E_LAST, bld_file_size(s->b) + 512, 8);
}

static void log_last_offset(struct fault_scene *s)
{
    dirty_empty(s);
    poke_entry(s, E_LAST, VX_MIB, 8);
}

static void log_target_far(struct fault_scene *s)
{
    dirty_empty(s);
    poke_entry(s, E_LAST, 10 * VX_GIB, 8);
}

static void log_reserved(struct fault_scene *s)
{
    dirty_empty(s);
    poke_entry(s, E_RESERVED, 1, 4);
}

static void log_residue(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.log_residue = true;
    with_options(s, &options);
}

/* More pages than a replay in memory may hold. */
static void log_replay(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.log_length = 64 * VX_MIB;
    options.bat_region_length = 52 * VX_MIB;
    s->b = bld_new(&options);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BAT, .untouched_pages = true});
    finish(s);
}

/* ---- 5xx: BAT --------------------------------------------------------------------------------------------------- */

static void poke_block(struct fault_scene *s, uint64_t block, uint64_t raw)
{
    poke(s, bld_payload_entry_offset(s->b, block), raw, 8);
}

static uint64_t raw_of(struct fault_scene *s, uint64_t block)
{
    return peek(s, bld_payload_entry_offset(s->b, block), 8);
}

static void bat_overlap(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 7, raw_of(s, 3));
}

/* Half of one block is the other's. */
static void bat_overlap_half(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 7, raw_of(s, 5) - VX_MIB);
}

/* As if somebody had made the disk larger, and nothing else. */
static void grow_size(struct fault_scene *s)
{
    s->size = 400 * VX_GIB;
    poke(s, item_at(s, &vx_guid_virtual_disk_size), s->size, 8);
}

static void bat_short(struct fault_scene *s)
{
    dynamic(s);
    grow_size(s);
}

/* A BAT of two MiB: its second one begins with the entry of the block at 128 GiB or so. */
#define LONG_BLOCK ((uint32_t)VX_MIB)
#define LONG_SIZE (200 * VX_GIB)
#define LONG_PLACE (150 * VX_GIB)

static void long_disk(struct fault_scene *s, bool entries_behind)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = LONG_SIZE;
    options.block_size = LONG_BLOCK;
    s->b = bld_new(&options);
    bld_write_random(s->b, 0, LONG_BLOCK, 1);
    for (uint64_t i = 0; entries_behind && i < 3; i++)
        bld_write_random(s->b, LONG_PLACE + i * LONG_BLOCK, LONG_BLOCK, 2 + i);
    finish(s);
}

static void poke_bat_length(struct fault_scene *s, int copy, uint32_t length)
{
    uint8_t bytes[4];
    vx_put32(bytes, length);
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, copy, VX_REGION_ENTRIES_OFFSET + 24, bytes, sizeof bytes) ==
                   VHDX_OK,
               "the BAT's length");
}

static void bat_short_length(struct fault_scene *s)
{
    long_disk(s, true);
    poke_bat_length(s, 3, (uint32_t)VX_MIB);
}

static void bat_short_empty(struct fault_scene *s)
{
    long_disk(s, false);
    poke_bat_length(s, 3, (uint32_t)VX_MIB);
}

static void bat_short_lost(struct fault_scene *s)
{
    bat_short_length(s);
    for (uint64_t i = 0; i < 3; i++)
        poke(s, bld_payload_entry_offset(s->b, LONG_PLACE / LONG_BLOCK + i), 0, 8);
}

static void bat_short_size(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    guest_gpt(s->b, FAULT_SIZE, 7, GUEST_GPT);
    finish(s);
    poke(s, item_at(s, &vx_guid_virtual_disk_size), 400 * VX_GIB, 8);
}

static void bat_short_blocks(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = LONG_SIZE;
    s->b = bld_new(&options);
    fill(s);
    finish(s);
    poke(s, item_at(s, &vx_guid_file_parameters), LONG_BLOCK, 4);
}

static void bat_short_child(struct fault_scene *s)
{
    child(s);
    grow_size(s);
}

static void bat_short_in_one_copy(struct fault_scene *s)
{
    long_disk(s, true);
    poke_bat_length(s, 1, (uint32_t)VX_MIB);
}

static void bat_reserved(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 0, raw_of(s, 0) | 0x100);
}

/* What of a block of text could stand where all entries were: reserved bits, states and places at random. */
static void bat_nonsense(struct fault_scene *s)
{
    uint64_t noise = UINT64_C(0x9E3779B97F4A7C15);
    dynamic(s);
    for (uint64_t block = 0; block < FAULT_SIZE / FAULT_BLOCK; block++) {
        noise = noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        poke_block(s, block, noise | 0x1F000);
    }
}

static void bat_state(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 1, 4);
}

static void bat_old_state(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 1, 5);
}

static void bat_partial_in_base(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 3, raw_of(s, 3) | 7);
}

static void bat_no_place(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 1, 6);
}

static void bat_beyond_end(struct fault_scene *s)
{
    dynamic(s);
    cut(s, bld_file_size(s->b) - VX_MIB);
}

static void bat_far_beyond_end(struct fault_scene *s)
{
    dynamic(s);
    poke(s, bld_payload_entry_offset(s->b, 3), VX_GIB | VX_PAYLOAD_FULLY_PRESENT, 8);
}

static void bat_short_end(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = FAULT_SIZE + VX_MIB;
    s->b = bld_new(&options);
    bld_write_random(s->b, FAULT_SIZE, 4096, 1);
    finish(s);
    cut(s, bld_file_size(s->b) - VX_MIB);
}

static void bat_on_structure(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 1, bld_log_offset(s->b) | 6);
}

static void bat_far(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 1, 512 * VX_TIB | 6);
}

static void bat_anchor(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 1, VX_GIB | 3);
}

static void bat_anchor_on_block(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 1, (raw_of(s, 3) & ~UINT64_C(7)) | 1);
}

static void bat_stray_offset(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DYNAMIC);
    fill(s);
    bld_state(s->b, 1, VX_PAYLOAD_ZERO);
    bld_stray_offset(s->b, 1, 7 * VX_MIB);
    finish(s);
}

static void bat_fixed_absent(struct fault_scene *s)
{
    fixed(s);
    poke_block(s, 1, 0);
}

/* A sector of zeros where the entries of the first blocks were. */
static void bat_lost_entries(struct fault_scene *s)
{
    struct bld_options options = usual(VHDX_KIND_FIXED);
    s->b = bld_new(&options);
    fill(s);
    finish(s);
    for (uint64_t block = 0; block < 8; block++)
        poke_block(s, block, 0);
}

static void bat_padding(struct fault_scene *s)
{
    dynamic(s);
    poke(s, bld_bat_entry_offset(s->b, bld_block_count(s->b)), 1, 8);
}

static void bat_fixed_short(struct fault_scene *s)
{
    fixed(s);
    poke_block(s, 3, 0);
    cut(s, bld_payload_offset(s->b, 3));
}

static void bat_empty(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 0, 0);
    poke_block(s, 3, 0);
    poke_block(s, 5, 0);
}

/* ---- 6xx: sector bitmaps ---------------------------------------------------------------------------------------- */

static void poke_bitmap(struct fault_scene *s, uint64_t raw)
{
    poke(s, bld_bitmap_entry_offset(s->b, 0), raw, 8);
}

static void bitmap_state(struct fault_scene *s)
{
    child(s);
    poke_bitmap(s, bld_bitmap_offset(s->b, 0) | 5);
}

/* A disk of more than one chunk. */
static void large(struct fault_scene *s, uint64_t slot)
{
    struct bld_options options = usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = 5 * VX_GIB;
    s->b = bld_new(&options);
    finish(s);
    poke(s, bld_bat_entry_offset(s->b, 2048), slot, 8);
}

static void bitmap_in_base(struct fault_scene *s)
{
    large(s, 5 * VX_MIB | 6);
}

static void bitmap_slot(struct fault_scene *s)
{
    large(s, 1);
}

static void bitmap_missing(struct fault_scene *s)
{
    child(s);
    poke_bitmap(s, 0);
}

static void bitmap_unused(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DIFFERENCING);
    bld_bitmap_block(s->b, 0);
    finish(s);
}

static void bitmap_beyond_end(struct fault_scene *s)
{
    child(s);
    poke_bitmap(s, VX_GIB | 6);
}

static void bitmap_no_place(struct fault_scene *s)
{
    child(s);
    poke_bitmap(s, 6);
}

static void bitmap_overlap(struct fault_scene *s)
{
    child(s);
    poke_bitmap(s, bld_log_offset(s->b) | 6);
}

/* Entries of the log that were never brought home, and no LogGuid. */
static void bitmap_old(struct fault_scene *s)
{
    static const uint8_t none[16];
    child_content(s);
    bld_write_random(s->b, FAULT_BLOCK, 4 * VX_PAGE, 9);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BITMAPS, .home = BLD_HOME_ZERO, .sequence = 7});
    finish(s);
    BLD_DEMAND(bld_poke_header(s->host, FAULT_PATH, 3, H_LOG, none, sizeof none) == VHDX_OK, "poke a header");
}

static void bitmap_no_bit(struct fault_scene *s)
{
    child_content(s);
    bld_state(s->b, 1, VX_PAYLOAD_PARTIALLY_PRESENT);
    finish(s);
}

static void bitmap_all_bits(struct fault_scene *s)
{
    child_content(s);
    bld_write_random(s->b, FAULT_BLOCK, FAULT_BLOCK, 9);
    finish(s);
}

static void bitmap_stale(struct fault_scene *s)
{
    child_content(s);
    bld_stale_bits(s->b, 1);
    finish(s);
}

static void bitmap_stray_offset(struct fault_scene *s)
{
    empty(s, VHDX_KIND_DIFFERENCING);
    finish(s);
    poke_bitmap(s, 5 * VX_MIB);
}

/* ---- 8xx: space ------------------------------------------------------------------------------------------------- */

static void space_log_overlap(struct fault_scene *s)
{
    dynamic(s);
    poke_header(s, 3, H_OFFSET, bld_region_offset(s->b, &vx_guid_metadata_region), 8);
}

static void space_leak(struct fault_scene *s)
{
    dynamic(s);
    poke_block(s, 3, 0);
}

static void space_leak_empty(struct fault_scene *s)
{
    static const uint8_t none[FAULT_BLOCK];
    dynamic(s);
    poke_block(s, 3, 0);
    poke_bytes(s, bld_payload_offset(s->b, 3), none, sizeof none);
}

static void space_trailing(struct fault_scene *s)
{
    dynamic(s);
    cut(s, bld_file_size(s->b) + VX_MIB);
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

#define F(kind, text, make, ...)                                                                                       \
    {                                                                                                                  \
        VX_FIND_##kind, text, make, {__VA_ARGS__}, 0, 0                                                                \
    }
#define LOST(kind, text, make, offset, length, ...)                                                                    \
    {                                                                                                                  \
        VX_FIND_##kind, text, make, {__VA_ARGS__}, offset, length                                                      \
    }
#define BLOCKS(n) ((n) * (uint64_t)FAULT_BLOCK)

static const struct fault faults[] = {
    F(FILE_SHORT, "cut inside the header section", file_short, VX_FIND_HEADER_LOG_BEYOND_END,
      VX_FIND_REGION_BEYOND_END),
    F(FILE_SMALL, "no log, three MiB in all", file_small, 0),
    F(FILE_SIGNATURE, "no signature", file_signature, 0),
    F(FILE_UNALIGNED, "512 bytes appended", file_unaligned, VX_FIND_SPACE_TRAILING),
    F(FILE_RESERVED, "a byte behind the region tables", file_reserved, 0),
    F(FILE_CREATOR, "half a surrogate pair in the creator", file_creator, 0),
    F(FILE_UNREADABLE, "a bad sector behind the metadata table", file_unreadable, 0),
    F(FILE_BEGINNING_LOST, "the first MiB is zeros", beginning_lost, VX_FIND_FILE_SIGNATURE, VX_FIND_HEADERS_LOST,
      VX_FIND_REGION_TABLES_LOST, VX_FIND_METADATA_DERIVED),
    F(HEADER_DAMAGED, "the first header has a wrong checksum", header_damaged, 0),
    F(HEADERS_LOST, "both headers have wrong checksums", headers_lost, 0),
    F(HEADER_VERSION, "format version 2", header_version, 0),
    F(HEADER_LOG_VERSION, "log version 1 on a dirty disk", header_log_version, 0),
    F(HEADER_IDLE_LOG_VERSION, "log version 1 on a clean disk", header_idle_log_version, 0),
    F(HEADER_SAME_SEQUENCE, "equal headers, as Disk2vhd leaves them", header_same_sequence, 0),
    F(HEADER_TIE, "same sequence number, another FileWriteGuid", header_tie, 0),
    F(HEADER_SEQUENCE, "sequence number 2^64 - 1", header_sequence, 0),
    F(HEADER_LOG_LENGTH, "a log of one and a half MiB", header_log_length, VX_FIND_SPACE_LEAK),
    F(HEADER_LOG_OFFSET, "a log one page too late", header_log_offset, VX_FIND_SPACE_LEAK),
    F(HEADER_LOG_LOW, "a log at 0", header_log_low, VX_FIND_SPACE_LEAK),
    F(HEADER_LOG_BEYOND_END, "a log at 1 GiB", header_log_beyond_end, VX_FIND_SPACE_LEAK),
    F(HEADER_NO_LOG, "a LogGuid without a log", header_no_log, VX_FIND_SPACE_LEAK),
    F(HEADER_LOG_LONG, "a log of more than 1 GiB", header_log_long, VX_FIND_SPACE_LEAK),
    F(HEADER_FILE_GUID, "no FileWriteGuid", header_file_guid, 0),
    F(HEADER_DATA_GUID, "no DataWriteGuid", header_data_guid, 0),
    F(HEADER_RESERVED, "a reserved byte", header_reserved, 0),
    F(HEADER_DIRTY, "the BAT is in the log", header_dirty, 0),
    F(HEADER_OTHER_LOG, "the old header knows another log", header_other_log, 0),

    F(REGION_TABLE_DAMAGED, "the second copy has a wrong checksum", region_table_damaged, 0),
    F(REGION_TABLES_LOST, "both copies have wrong checksums", region_tables_lost, VX_FIND_METADATA_DERIVED),
    F(REGION_TABLES_DIFFER, "the second copy says not required", region_tables_differ, 0),
    F(REGION_TABLES_DIFFER, "a BAT too short for the disk in the first copy", bat_short_in_one_copy, 0),
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

    F(LOCATOR_SHORT, "five entries in 20 bytes", locator_short, 0),
    F(LOCATOR_TYPE, "a type that nobody knows", locator_type, 0),
    F(LOCATOR_COUNT, "no entries", locator_count, 0),
    F(LOCATOR_PLACE, "a key outside of the item", locator_place, 0),
    F(LOCATOR_NUL, "a NUL in a path", locator_nul, 0),
    F(LOCATOR_DUPLICATE, "relative_path twice", locator_duplicate, 0),
    F(LOCATOR_NO_LINKAGE, "no parent_linkage", locator_no_linkage, 0),
    F(LOCATOR_LINKAGE, "a parent_linkage that is no GUID", locator_linkage, 0),
    F(LOCATOR_NO_PATH, "no path", locator_no_path, 0),
    F(LOCATOR_RESERVED, "the reserved field is 1", locator_reserved, 0),

    F(LOG_DAMAGED, "the only entry has a wrong checksum", log_damaged, VX_FIND_LOG_ENTRY_CHECKSUM),
    F(LOG_NEVER_WRITTEN, "marked by QEMU before its first entry", log_unbegun, 0),
    F(LOG_NO_SEQUENCE, "the head's tail is not there", log_no_sequence, 0),
    F(LOG_FILE_CUT, "the file is shorter than FlushedFileOffset", log_file_cut, 0),
    F(LOG_ENTRY_LENGTH, "a length that is no multiple of a page", log_entry_length, VX_FIND_LOG_DAMAGED),
    F(LOG_ENTRY_TAIL, "a tail that is no multiple of a page", log_entry_tail, VX_FIND_LOG_DAMAGED),
    F(LOG_ENTRY_SEQUENCE, "sequence number 0", log_entry_sequence, VX_FIND_LOG_DAMAGED),
    F(LOG_ENTRY_COUNT, "1000 descriptors in a page", log_entry_count, VX_FIND_LOG_DAMAGED),
    F(LOG_ENTRY_SIZE, "a page too much", log_entry_size, VX_FIND_LOG_DAMAGED),
    F(LOG_ENTRY_DESCRIPTOR, "a descriptor without signature", log_entry_descriptor, VX_FIND_LOG_DAMAGED),
    F(LOG_ENTRY_DATA, "a data sector without signature", log_entry_data, VX_FIND_LOG_DAMAGED),
    F(LOG_ENTRY_CHECKSUM, "a wrong checksum", log_damaged, VX_FIND_LOG_DAMAGED),
    F(LOG_TARGET_LOW, "a page for a header", log_target_low, VX_FIND_LOG_DAMAGED),
    F(LOG_TARGET_LOG, "a page for the log itself", log_target_log, 0),
    F(LOG_TARGET_STRAY, "a page for a payload block", log_target_stray, VX_FIND_HEADER_DIRTY),
    F(LOG_TARGET_RANGE, "a page at 66 TiB", log_target_range, 0),
    F(LOG_FILE_OFFSETS, "a LastFileOffset that is no multiple of 1 MiB", log_file_offsets, VX_FIND_HEADER_DIRTY),
    F(LOG_LAST_OFFSET, "a LastFileOffset of 1 MiB", log_last_offset, VX_FIND_HEADER_DIRTY),
    F(LOG_TARGET_FAR, "a LastFileOffset of 10 GiB", log_target_far, VX_FIND_HEADER_DIRTY),
    F(LOG_RESERVED, "a reserved field", log_reserved, VX_FIND_HEADER_DIRTY),
    F(LOG_RESIDUE, "a ring full of the past", log_residue, 0),
    F(LOG_REPLAY, "more pages than replay in memory takes", log_replay, 0),
    F(LOG_STALE, "a block more at home than in the log", log_stale, 0),

    LOST(BAT_OVERLAP, "two blocks in one place", bat_overlap, BLOCKS(3), 0, 0),
    LOST(BAT_OVERLAP, "half of one block in another", bat_overlap_half, BLOCKS(3), 0, 0),
    LOST(BAT_SHORT, "a BAT too short for 400 GiB", bat_short, 0, 0, 0),
    LOST(BAT_SHORT, "a child's BAT too short for 400 GiB", bat_short_child, 0, 0, 0),
    LOST(BAT_SHORT, "half of the BAT behind its region's end", bat_short_length, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_SPACE_TRAILING),
    LOST(BAT_SHORT, "a region shorter than a BAT that is empty there", bat_short_empty, 0, 0, VX_FIND_SPACE_LEAK),
    LOST(BAT_SHORT, "half of the BAT gone, with three blocks", bat_short_lost, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_SPACE_TRAILING),
    LOST(BAT_SHORT, "a size of 400 GiB, and a GPT that knows better", bat_short_size, 0, 0, 0),
    LOST(BAT_SHORT, "blocks of 1 MiB that lie 2 MiB apart", bat_short_blocks, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_SPACE_TRAILING),
    F(BAT_RESERVED, "a reserved bit", bat_reserved, 0),
    LOST(BAT_STATE, "state 4", bat_state, BLOCKS(1), BLOCKS(1), 0),
    LOST(BAT_OLD_STATE, "state 5", bat_old_state, 0, 0, 0),
    LOST(BAT_PARTIAL_IN_BASE, "state 7 in a base", bat_partial_in_base, BLOCKS(3), BLOCKS(1), 0),
    LOST(BAT_NO_PLACE, "present at 0", bat_no_place, BLOCKS(1), BLOCKS(1), 0),
    LOST(BAT_BEYOND_END, "the last MiB cut off", bat_beyond_end, BLOCKS(5) + VX_MIB, VX_MIB, 0),
    LOST(BAT_BEYOND_END, "a block at 1 GiB, and its place nobody's", bat_far_beyond_end, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_BAT_UNOWNED),
    F(BAT_SHORT_END, "cut behind the disk's end, as qemu does", bat_short_end, 0),
    LOST(BAT_ON_STRUCTURE, "a block in the log", bat_on_structure, BLOCKS(1), BLOCKS(1), 0),
    LOST(BAT_FAR, "a block at 512 TiB", bat_far, BLOCKS(1), BLOCKS(1), 0),
    F(BAT_ANCHOR, "a place kept at 1 GiB", bat_anchor, 0),
    F(BAT_ANCHOR, "a place kept that is another block's", bat_anchor_on_block, 0),
    F(BAT_STRAY_OFFSET, "ZERO with an offset", bat_stray_offset, 0),
    F(BAT_FIXED_ABSENT, "a block missing in a fixed disk", bat_fixed_absent, VX_FIND_SPACE_LEAK),
    LOST(BAT_NONSENSE, "noise in place of all entries", bat_nonsense, 0, FAULT_SIZE, VX_FIND_SPACE_TRAILING),
    F(BAT_PADDING, "an entry behind the last", bat_padding, 0),
    F(BAT_FIXED_SHORT, "the last block of a fixed disk cut off", bat_fixed_short, VX_FIND_BAT_FIXED_ABSENT),
    F(BAT_LOST_ENTRIES, "a part of a fixed disk's BAT zeroed", bat_lost_entries, VX_FIND_SPACE_LEAK,
      VX_FIND_BAT_FIXED_ABSENT),
    LOST(BAT_UNOWNED, "the entry of a block in the middle is zero", space_leak, 0, 0, VX_FIND_SPACE_LEAK),
    F(BAT_EMPTY, "all entries zero", bat_empty, VX_FIND_SPACE_TRAILING),

    LOST(BITMAP_STATE, "state 5", bitmap_state, 0, 0, VX_FIND_SPACE_LEAK),
    F(BITMAP_IN_BASE, "a bitmap in a base", bitmap_in_base, 0),
    F(BITMAP_SLOT, "something else in its slot", bitmap_slot, 0),
    LOST(BITMAP_MISSING, "the bitmap's entry is zero", bitmap_missing, 0, 0, VX_FIND_SPACE_LEAK),
    F(BITMAP_UNUSED, "a bitmap and no partial block", bitmap_unused, 0),
    LOST(BITMAP_BEYOND_END, "a bitmap at 1 GiB", bitmap_beyond_end, 0, 0, VX_FIND_SPACE_LEAK),
    LOST(BITMAP_NO_PLACE, "a bitmap at 0", bitmap_no_place, 0, 0, VX_FIND_SPACE_LEAK),
    LOST(BITMAP_OVERLAP, "a bitmap in the log", bitmap_overlap, 0, 0, VX_FIND_SPACE_LEAK, VX_FIND_BITMAP_NO_BIT),
    F(BITMAP_NO_BIT, "a partial block that holds nothing", bitmap_no_bit, 0),
    LOST(BITMAP_OLD, "bits in a log that no header names", bitmap_old, 0, 0, VX_FIND_BITMAP_NO_BIT,
         VX_FIND_LOG_RESIDUE),
    F(BITMAP_ALL_BITS, "a partial block that holds all", bitmap_all_bits, 0),
    F(BITMAP_STALE, "bits of a block that is not there", bitmap_stale, 0),
    F(BITMAP_STRAY_OFFSET, "not present, with an offset", bitmap_stray_offset, 0),

    F(SPACE_LOG_OVERLAP, "the log in the metadata", space_log_overlap, VX_FIND_SPACE_LEAK),
    F(SPACE_LEAK, "room of a block without an owner, all zeros", space_leak_empty, 0),
    F(SPACE_TRAILING, "a MiB at the end", space_trailing, 0),
};

bool fault_wants_parent(const struct fault *fault)
{
    return fault->kind == VX_FIND_LOCATOR_SHORT || fault->kind == VX_FIND_LOCATOR_COUNT ||
           fault->kind == VX_FIND_LOCATOR_NO_LINKAGE || fault->kind == VX_FIND_LOCATOR_LINKAGE;
}

size_t fault_count(void)
{
    return sizeof faults / sizeof faults[0];
}

const struct fault *fault_at(size_t row)
{
    return &faults[row];
}

void fault_make(const struct fault *fault, struct fault_scene *scene)
{
    fault->make(scene);
}

void fault_end(struct fault_scene *scene)
{
    bld_free(scene->b);
    scene->b = NULL;
}

/* ---- a host with bad sectors ------------------------------------------------------------------------------------ */

struct bad_file {
    struct fault_bad_host *bad;
    vhdx_io io;
};

static vhdx_status bad_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct bad_file *file = context;
    if (offset < file->bad->offset + file->bad->length && file->bad->offset < offset + length) {
        file->bad->refused++;
        return VHDX_IO;
    }
    return file->io.ops->read(file->io.file, buf, length, offset, err);
}

static vhdx_status bad_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->write(file->io.file, buf, length, offset, err);
}

static vhdx_status bad_size(void *context, uint64_t *size, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->size(file->io.file, size, err);
}

static vhdx_status bad_set_size(void *context, uint64_t size, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->set_size(file->io.file, size, err);
}

static vhdx_status bad_flush(void *context, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->flush(file->io.file, err);
}

static void bad_close(void *context)
{
    struct bad_file *file = context;
    file->io.ops->close(file->io.file);
    free(file);
}

static const vhdx_io_ops bad_ops = {.struct_size = sizeof bad_ops,
                                    .read = bad_read,
                                    .write = bad_write,
                                    .size = bad_size,
                                    .set_size = bad_set_size,
                                    .flush = bad_flush,
                                    .close = bad_close};

static vhdx_status bad_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    vhdx_io inner;
    VX_TRY(bad->host->open(bad->host->context, path, access, &inner, err));
    struct bad_file *file = bld_alloc(1, sizeof *file);
    *file = (struct bad_file){bad, inner};
    *io = (vhdx_io){&bad_ops, file};
    return VHDX_OK;
}

static vhdx_status bad_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    return bad->host->absolute(bad->host->context, path, text, text_size, err);
}

static vhdx_status bad_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                            void *visitor, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    return bad->host->list(bad->host->context, directory, visit, visitor, err);
}

static vhdx_status bad_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    return bad->host->random(bad->host->context, buf, length, err);
}

const vhdx_host *fault_bad_host(struct fault_bad_host *bad, const vhdx_host *host, uint64_t offset, uint64_t length)
{
    *bad = (struct fault_bad_host){.host = host, .offset = offset, .length = length};
    bad->shown = (vhdx_host){.struct_size = sizeof bad->shown,
                             .context = bad,
                             .open = bad_open,
                             .list = bad_list,
                             .absolute = bad_absolute,
                             .random = bad_random};
    return &bad->shown;
}
