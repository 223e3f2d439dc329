/* Faults of the file and its headers (findings 1xx). */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include "inside.h"

#include <stdlib.h>

#include "format/merge_mark.h"

static void file_short(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_finish(s);
    fault_cut(s, VX_MIB / 2);
}

/* No log, and the BAT in its place. */
static void file_small(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_finish(s);
    fault_poke_header(s, 3, H_LENGTH, 0, 4);
    fault_poke_region(s, 3, R_BAT + R_OFFSET, VX_MIB, 8);
    fault_cut(s, 3 * VX_MIB);
}

static void file_signature(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, 0, 0, 8);
}

static void file_unaligned(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.appended_bytes = 512;
    fault_with_options(s, &options);
}

static void file_reserved(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, 0x60000, 1, 1);
}

static void file_creator(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, 8, 0x0041D800, 4);
}

static void beginning_lost(struct fault_scene *s)
{
    fault_dynamic(s);
    uint8_t *zeros = calloc(1, (size_t)VX_MIB);
    BLD_DEMAND(zeros, "memory");
    fault_poke_bytes(s, 0, zeros, (size_t)VX_MIB);
    free(zeros);
}

static void file_unreadable(struct fault_scene *s)
{
    fault_dynamic(s);
    s->bad_offset = bld_region_offset(s->b, &vx_guid_metadata_region) + 0x8000;
    s->bad_length = 512;
}

static void header_damaged(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.damaged_header = 1;
    fault_with_options(s, &options);
}

static void headers_lost(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.damaged_header = 3;
    fault_with_options(s, &options);
}

static void header_version(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_VERSION, 2, 2);
}

static void header_log_version(struct fault_scene *s)
{
    fault_dirty_empty(s);
    fault_poke_header(s, 3, H_LOG_VERSION, 1, 2);
}

static void header_idle_log_version(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_LOG_VERSION, 1, 2);
}

static void header_same_sequence(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.sequence[0] = options.sequence[1] = 1;
    fault_with_options(s, &options);
}

static void header_tie(struct fault_scene *s)
{
    header_same_sequence(s);
    fault_poke_header(s, 1, H_FILE, 99, 1);
}

static void header_sequence(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.sequence[0] = UINT64_MAX - 1;
    options.sequence[1] = UINT64_MAX;
    fault_with_options(s, &options);
}

static void header_log_length(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_LENGTH, 0x180000, 4);
}

static void header_log_offset(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_OFFSET, 0x101000, 8);
}

static void header_log_low(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_OFFSET, 0, 8);
}

static void header_log_beyond_end(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_OFFSET, VX_GIB, 8);
}

static void header_no_log(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_LENGTH, 0, 4);
    fault_poke_header(s, 3, H_LOG, 1, 8);
}

static void header_log_long(struct fault_scene *s)
{
    fault_dynamic(s);
    uint64_t size = bld_file_size(s->b);
    fault_poke_header(s, 3, H_OFFSET, size, 8);
    fault_poke_header(s, 3, H_LENGTH, VX_GIB + VX_MIB, 4);
    fault_cut(s, size + VX_GIB + VX_MIB);
}

static void header_file_guid(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_FILE, 0, 8);
    fault_poke_header(s, 3, H_FILE + 8, 0, 8);
}

static void header_data_guid(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_DATA, 0, 8);
    fault_poke_header(s, 3, H_DATA + 8, 0, 8);
}

static void header_reserved(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, 4000, 1, 1);
}

static void header_dirty(struct fault_scene *s)
{
    fault_dirty(s, &(struct bld_log){.what = BLD_LOG_BAT, .sequence = 7});
}

static void header_other_log(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 1, H_OFFSET, 5 * VX_MIB, 8);
}

static const struct fault rows[] = {
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
};

const struct fault_rows faults_of_headers = {rows, sizeof rows / sizeof rows[0]};
