/* Faults of the log (4xx). */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include "inside.h"

#include "base/bytes.h"
#include "format/merge_mark.h"

static void log_damaged(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_spoil_entry(s, 200, 1, 1);
}

/* As QEMU leaves it when it is killed: its name, and a LogGuid with the version where QEMU writes it. */
static void log_unbegun(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    static const uint8_t guid[16] = {1, 2, 3, 4, 5, 6, 0x47, 8, 0x89};
    options.creator = "QEMU v7.2.22";
    fault_with_options(s, &options);
    BLD_DEMAND(bld_poke_header(s->host, FAULT_PATH, 3, H_LOG, guid, sizeof guid) == VHDX_OK, "poke a header");
}

/* The page of the BAT is at home; the log has it as it was before block 9 came, and knows only of a shorter file. */
static void log_stale(struct fault_scene *s)
{
    uint8_t page[264];
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_write_random(s->b, 9 * (uint64_t)FAULT_BLOCK, FAULT_BLOCK, 4);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BAT, .sequence = 7});
    fault_finish(s);
    uint64_t entry = bld_log_entry_offset(s->b, 0);
    BLD_DEMAND(bld_peek(s->host, FAULT_PATH, entry + VX_PAGE, page, sizeof page) == VHDX_OK &&
                   bld_peek(s->host, FAULT_PATH, entry + E_DESCRIPTOR + 8, page, 8) == VHDX_OK,
               "peek at the log");
    fault_poke_bytes(s, bld_region_offset(s->b, &vx_guid_bat_region), page, sizeof page);
    uint64_t known = vx_round_down(vx_get64(page + 72), VX_MIB);
    fault_poke_entry(s, E_FLUSHED, known, 8);
    fault_poke_entry(s, E_LAST, known, 8);
    fault_poke_entry(s, VX_PAGE + 72, 0, 8);
}

static void log_no_sequence(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_poke_entry(s, E_TAIL, 0x8000, 4);
}

static void log_file_cut(struct fault_scene *s)
{
    fault_dirty(s, &(struct bld_log){.truncated = true});
}

static void log_entry_length(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_spoil_entry(s, E_LENGTH, 0x1800, 4);
}

static void log_entry_tail(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_spoil_entry(s, E_TAIL, 0x123, 4);
}

static void log_entry_sequence(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_spoil_entry(s, E_SEQUENCE, 0, 8);
}

static void log_entry_count(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_spoil_entry(s, E_COUNT, 1000, 4);
}

static void log_entry_size(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_spoil_entry(s, E_LENGTH, 0x2000, 4);
}

static void log_entry_descriptor(struct fault_scene *s)
{
    fault_dirty_pages(s);
    fault_spoil_entry(s, E_DESCRIPTOR, 0, 4);
}

static void log_entry_data(struct fault_scene *s)
{
    fault_dirty_pages(s);
    uint64_t sectors = (64 + 32 * bld_log_page_count(s->b) + 4095) / 4096;
    fault_spoil_entry(s, sectors * VX_PAGE, 0, 4);
}

static void log_target_low(struct fault_scene *s)
{
    fault_dirty_pages(s);
    fault_poke_entry(s, E_TARGET, 0x10000, 8);
}

static void log_target_log(struct fault_scene *s)
{
    fault_dirty_pages(s);
    fault_poke_entry(s, E_TARGET, bld_log_offset(s->b), 8);
}

static void log_target_stray(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_METADATA, .sequence = 7});
    fault_finish(s);
    /* the entry's first page is moved from the metadata to a payload block; at home it is put right */
    uint64_t target = fault_peek(s, bld_log_entry_offset(s->b, 0) + E_TARGET, 8);
    bld_free(s->b);
    fault_dynamic(s);
    uint8_t page[VX_PAGE];
    bld_peek(s->host, FAULT_PATH, target, page, sizeof page);
    bld_free(s->b);
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_METADATA, .sequence = 7});
    fault_finish(s);
    fault_poke_bytes(s, target, page, sizeof page);
    fault_poke_entry(s, E_TARGET, bld_payload_offset(s->b, 3), 8);
}

static void log_target_range(struct fault_scene *s)
{
    fault_dirty_pages(s);
    fault_poke_entry(s, E_TARGET, 66 * VX_TIB, 8);
}

static void log_file_offsets(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_poke_entry(s, E_LAST, bld_file_size(s->b) + 512, 8);
}

static void log_last_offset(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_poke_entry(s, E_LAST, VX_MIB, 8);
}

static void log_target_far(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_poke_entry(s, E_LAST, 10 * VX_GIB, 8);
}

static void log_reserved(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_poke_entry(s, E_RESERVED, 1, 4);
}

static void log_residue(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.log_residue = true;
    fault_with_options(s, &options);
}

/* More pages than a replay in memory may hold. */
static void log_replay(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.log_length = 64 * VX_MIB;
    options.bat_region_length = 52 * VX_MIB;
    s->b = bld_new(&options);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BAT, .untouched_pages = true});
    fault_finish(s);
}

static const struct fault rows[] = {

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
};

const struct fault_rows faults_of_log = {rows, sizeof rows / sizeof rows[0]};
