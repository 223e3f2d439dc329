/*
 * Salvage: what the map calls good is what the disk held, what is lost is exactly what was taken away, and no layer is
 * written to. Disks are in memory; the host can be told to refuse ranges, as a failing medium does.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "builder.h"
#include "io/io.h"
#include "with_memory.h"
#include "io/rescue_map.h"
#include "salvage/salvage.h"

#define SIZE (16 * VX_MIB)

static struct bld *disk;
static uint8_t *expected;

/* ---- a medium with bad places ---------------------------------------------------------------------------------------
 */

struct medium {
    vhdx_host host;
    vhdx_io_ops ops;
    const vhdx_io_ops *inner;
    uint64_t bad_offset, bad_length;
    char path[64];
};
static struct medium medium;

static vhdx_status bad_read(void *file, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    if (offset < medium.bad_offset + medium.bad_length && offset + length > medium.bad_offset)
        return VHDX_IO;
    return medium.inner->read(file, buf, length, offset, err);
}

static vhdx_status bad_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    vhdx_status status = host->open(context, path, access, io, err);
    if (status == VHDX_OK && strcmp(path, medium.path) == 0) {
        medium.inner = io->ops;
        medium.ops = *io->ops;
        medium.ops.read = bad_read;
        io->ops = &medium.ops;
    }
    return status;
}

/* ---- scenes ---------------------------------------------------------------------------------------------------------
 */

static void begin(void)
{
    begin_memory();
    medium = (struct medium){.host = *host};
    medium.host.open = bad_open;
    expected = calloc(SIZE, 1);
}

static void finish(void)
{
    bld_free(disk);
    free(expected);
    end_memory();
}

static void make(vhdx_kind kind, const char *path, uint64_t seed)
{
    const struct bld_options options = {.kind = kind, .virtual_size = SIZE, .block_size = 2 * VX_MIB, .seed = seed};
    disk = bld_new(&options);
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(disk, &(vhdx_guid){{1}}, NULL, ".\\gone.vhdx", NULL, NULL);
    for (unsigned i = 0; i < 5; i++)
        bld_write_random(disk, (i * 3 % 8) * 2 * VX_MIB + 4096 * i, 65536, seed + i);
    cr_assert_eq(bld_finish(disk, host, path, NULL), VHDX_OK);
    bld_apply(disk, expected);
}

static vhdx_salvage_report salvage_with(vhdx_salvage_options options, vhdx_status wanted)
{
    vhdx_salvage_report report = {.struct_size = sizeof report};
    vhdx_error err;
    options.struct_size = sizeof options;
    if (!options.host)
        options.host = host;
    vhdx_status status = vhdx_salvage("/d/disk", "/d/raw", &options, &report, &err);
    cr_assert_eq(status, wanted, "%s: %s", vhdx_status_name(status), status == VHDX_OK ? "" : err.message);
    if (status == VHDX_OK)
        cr_assert_eq(report.bytes_good + report.bytes_doubtful + report.bytes_lost + report.bytes_missing,
                     report.virtual_size);
    return report;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    struct vx_file *file;
    uint64_t length;
    cr_assert_eq(vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL), VHDX_OK, "%s", path);
    cr_assert_eq(vx_file_size(file, &length, NULL), VHDX_OK);
    uint8_t *bytes = malloc((size_t)length + 1);
    cr_assert_eq(vx_file_read(file, bytes, (size_t)length, 0, NULL), VHDX_OK);
    vx_file_close(file);
    *size = (size_t)length;
    return bytes;
}

static struct vx_rescue_map read_map(const char *path)
{
    struct vx_rescue_map map;
    size_t size, line;
    uint8_t *text = read_file(path, &size);
    cr_assert_eq(vx_rescue_map_parse(vx_bytes_of(text, size), &map, &line), VHDX_OK, "line %zu", line);
    free(text);
    return map;
}

/* Every good range reads as it did; returns how many bytes are of that status. */
static uint64_t good_is_good(const char *map_path, char status)
{
    size_t size;
    uint64_t sum = 0;
    uint8_t *raw = read_file("/d/raw", &size);
    struct vx_rescue_map map = read_map(map_path);
    cr_assert_eq(size, SIZE);
    for (size_t i = 0; i < map.count; i++) {
        const struct vx_rescue_range *range = &map.ranges[i];
        sum += range->status == status ? range->length : 0;
        if (range->status == VX_RESCUE_GOOD)
            cr_assert_eq(memcmp(raw + range->offset, expected + range->offset, (size_t)range->length), 0, "at %d",
                         (int)range->offset);
    }
    vx_rescue_map_clear(&map);
    free(raw);
    return sum;
}

/* ---- tests ----------------------------------------------------------------------------------------------------------
 */

Test(salvage, a_sound_disk_is_good_from_end_to_end)
{
    const vhdx_kind kinds[] = {VHDX_KIND_DYNAMIC, VHDX_KIND_FIXED};
    for (size_t i = 0; i < 2; i++) {
        begin();
        make(kinds[i], "/d/disk", i + 1);
        vhdx_salvage_report report = salvage_with((vhdx_salvage_options){0}, VHDX_OK);
        cr_assert_eq(report.bytes_good, SIZE);
        cr_assert_eq(report.layers, 1);
        cr_assert_str_eq(report.map, "/d/raw.map");
        cr_assert_str_eq(report.pieces, "");
        cr_assert_eq(good_is_good("/d/raw.map", VX_RESCUE_GOOD), SIZE);
        finish();
    }
}

Test(salvage, sectors_that_cannot_be_read_are_lost_and_nothing_else)
{
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    snprintf(medium.path, sizeof medium.path, "/d/disk");
    medium.bad_offset = bld_payload_offset(disk, 3) + 4096;
    medium.bad_length = 12288;
    vhdx_salvage_report report = salvage_with((vhdx_salvage_options){.host = &medium.host}, VHDX_OK);
    cr_assert_eq(report.bytes_lost, 12288);
    cr_assert_eq(report.bytes_good, SIZE - 12288);
    cr_assert_eq(good_is_good("/d/raw.map", VX_RESCUE_LOST), 12288);
    struct vx_rescue_map map = read_map("/d/raw.map");
    cr_assert_eq(map.count, 3);
    cr_assert_eq(map.ranges[1].offset, 3 * 2 * VX_MIB + 4096);
    vx_rescue_map_clear(&map);
    finish();
}

Test(salvage, bad_places_in_headers_and_tables_cost_no_content)
{
    const uint64_t places[] = {VX_HEADER1_OFFSET, VX_HEADER2_OFFSET, VX_REGION_TABLE1_OFFSET, VX_REGION_TABLE2_OFFSET};
    for (size_t i = 0; i < 4; i++) {
        begin();
        make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
        snprintf(medium.path, sizeof medium.path, "/d/disk");
        medium.bad_offset = places[i];
        medium.bad_length = 4096;
        vhdx_salvage_report report = salvage_with((vhdx_salvage_options){.host = &medium.host}, VHDX_OK);
        cr_assert_eq(report.bytes_good, SIZE, "at %llx", (unsigned long long)places[i]);
        good_is_good("/d/raw.map", VX_RESCUE_GOOD);
        finish();
    }
}

Test(salvage, a_map_of_bad_ranges_counts_as_much_as_the_medium)
{
    char text[256];
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    unsigned long long at = bld_payload_offset(disk, 0) + 512;
    int length = snprintf(text, sizeof text, "0 +\n0 %llu +\n%llu 512 -\n%llu 0x40000000 +\n", at, at, at + 512);
    cr_assert(vx_memory_host_put(memory, "/d/bad", text, (size_t)length));
    vhdx_salvage_report report =
        salvage_with((vhdx_salvage_options){.bad_ranges = "/d/bad", .map = "/d/other"}, VHDX_OK);
    cr_assert_eq(report.bytes_lost, 512);
    cr_assert_str_eq(report.map, "/d/other");
    cr_assert_eq(good_is_good("/d/other", VX_RESCUE_LOST), 512);
    finish();
}

Test(salvage, no_map_is_refused_with_its_line)
{
    vhdx_error err;
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    cr_assert(vx_memory_host_put(memory, "/d/bad", "0 +\nhello\n", 10));
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host, .bad_ranges = "/d/bad"};
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/raw", &options, NULL, &err), VHDX_CORRUPT);
    cr_assert(strstr(err.message, "line 2"), "%s", err.message);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw"), UINT64_MAX);
    finish();
}

/* The first block's entry leads to the MiB before it, the BAT, and only half of it: the other half nobody else claims,
 * and it is not right either. */
Test(salvage, a_block_that_is_contested_in_part_is_doubtful_as_a_whole)
{
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    uint64_t first = bld_payload_offset(disk, 0);
    for (uint64_t block = 1; block < 8; block++)
        if (bld_block_state(disk, block) == 6)
            first = vx_min(first, bld_payload_offset(disk, block));
    bld_poke_int(host, "/d/disk", bld_bat_entry_offset(disk, 0), (first - VX_MIB) | VX_PAYLOAD_FULLY_PRESENT, 8);
    vhdx_salvage_report report = salvage_with((vhdx_salvage_options){0}, VHDX_OK);
    cr_assert_geq(report.bytes_doubtful, 2 * VX_MIB);
    good_is_good("/d/raw.map", VX_RESCUE_LOST);
    finish();
}

Test(salvage, a_file_that_was_cut_keeps_everything_before_the_cut)
{
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    uint64_t last = 0;
    for (uint64_t block = 0; block < 8; block++)
        if (bld_block_state(disk, block) == 6 && bld_payload_offset(disk, block) > bld_payload_offset(disk, last))
            last = block;
    cr_assert_eq(bld_resize(host, "/d/disk", bld_payload_offset(disk, last) + 4096), VHDX_OK);
    vhdx_salvage_report report = salvage_with((vhdx_salvage_options){0}, VHDX_OK);
    cr_assert_eq(report.bytes_lost, 2 * VX_MIB - 4096);
    cr_assert_eq(good_is_good("/d/raw.map", VX_RESCUE_LOST), 2 * VX_MIB - 4096);
    finish();
}

Test(salvage, without_its_parent_a_child_gives_its_own_sectors_and_says_what_is_missing)
{
    begin();
    make(VHDX_KIND_DIFFERENCING, "/d/disk", 1);
    vhdx_salvage_report report = salvage_with((vhdx_salvage_options){0}, VHDX_OK);
    cr_assert(report.parent_missing);
    cr_assert_eq(report.bytes_good, 5 * 65536);
    cr_assert_eq(report.bytes_missing, SIZE - 5 * 65536);
    cr_assert_eq(good_is_good("/d/raw.map", VX_RESCUE_UNTRIED), SIZE - 5 * 65536);
    finish();
}

Test(salvage, a_parent_without_proof_is_used_when_it_is_given_and_stays_doubtful)
{
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/base", 9);
    bld_free(disk);
    make(VHDX_KIND_DIFFERENCING, "/d/disk", 1);
    const char *parents[] = {"/d/base"};
    vhdx_salvage_report report = salvage_with((vhdx_salvage_options){.parents = parents, .parent_count = 1}, VHDX_OK);
    cr_assert(!report.parent_missing);
    cr_assert_eq(report.layers, 2);
    cr_assert_eq(report.bytes_doubtful, SIZE - 5 * 65536);
    size_t size;
    uint8_t *raw = read_file("/d/raw", &size);
    cr_assert_eq(memcmp(raw, expected, (size_t)SIZE), 0); /* bld_apply put the child over the base */
    free(raw);
    finish();
}

Test(salvage, never_writes_onto_a_layer_or_another_disk)
{
    vhdx_error err;
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    cr_assert_eq(bld_finish(disk, host, "/d/other", NULL), VHDX_OK);
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
    const vhdx_salvage_options onto = {.struct_size = sizeof options, .host = host, .map = "/d/other"};
    uint64_t before = vx_memory_host_size(memory, "/d/other");
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/disk", &options, NULL, &err), VHDX_ARG);
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/other", &options, NULL, &err), VHDX_EXISTS);
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/raw", &onto, NULL, &err), VHDX_EXISTS);
    cr_assert_eq(vx_memory_host_size(memory, "/d/other"), before);
    finish();
}

Test(salvage, the_map_of_the_medium_is_never_replaced_and_then_no_output_is_touched)
{
    static const char text[] = "# Mapfile. Created by GNU ddrescue version 1.27\n0 +\n0 0x40000000 +\n";
    vhdx_error err;
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    cr_assert(vx_memory_host_put(memory, "/d/raw.map", text, sizeof text - 1));
    cr_assert(vx_memory_host_put(memory, "/d/raw", "earlier", 7));
    const vhdx_salvage_options beside = {.struct_size = sizeof beside, .host = host, .bad_ranges = "/d/raw.map"};
    const vhdx_salvage_options named = {.struct_size = sizeof named, .host = host, .map = "/d/raw.map"};
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/raw", &beside, NULL, &err), VHDX_EXISTS);
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/other", &named, NULL, &err), VHDX_EXISTS);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw"), 7);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw.map"), sizeof text - 1);
    finish();
}

Test(salvage, something_else_is_refused)
{
    vhdx_error err;
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    uint8_t *noise = malloc((size_t)(5 * VX_MIB));
    bld_random_bytes(4, 0, noise, (size_t)(5 * VX_MIB));
    cr_assert(vx_memory_host_put(memory, "/d/noise", noise, (size_t)(5 * VX_MIB)));
    free(noise);
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
    cr_assert_eq(vhdx_salvage("/d/noise", "/d/raw", &options, NULL, &err), VHDX_NOT_VHDX);
    cr_assert_eq(vhdx_salvage("/d/nothing", "/d/raw", &options, NULL, &err), VHDX_NOT_FOUND);
    cr_assert_eq(vhdx_salvage(NULL, "/d/raw", &options, NULL, &err), VHDX_ARG);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw"), UINT64_MAX);
    finish();
}

/* ---- nothing but pieces ---------------------------------------------------------------------------------------------
 */

static void wipe(const char *path, uint64_t offset, uint64_t length)
{
    uint8_t *zeros = calloc(1, (size_t)length);
    cr_assert_eq(bld_poke(host, path, offset, zeros, (size_t)length), VHDX_OK);
    free(zeros);
}

static unsigned piece_count;
static void count_pieces(void *context, const vhdx_salvage_range *range)
{
    uint64_t *next = context;
    cr_assert_eq(range->kind, VHDX_SALVAGE_PIECE);
    cr_assert_eq(range->offset % VX_MIB, 0);
    cr_assert_gt(range->file_offset, next[0], "in the order of the file");
    next[0] = range->file_offset;
    piece_count++;
}

/* All that the file holds behind its structures is in the pieces, in its order. */
static void pieces_hold_the_blocks(const char *path, uint64_t structures)
{
    size_t file_size, pieces_size;
    uint8_t *file = read_file(path, &file_size), *pieces = read_file("/d/raw.pieces", &pieces_size);
    size_t at = 0;
    for (uint64_t mib = structures; mib < file_size; mib += VX_MIB)
        if (!vx_is_zero(file + mib, (size_t)VX_MIB)) {
            cr_assert_leq(at + VX_MIB, pieces_size);
            cr_assert_eq(memcmp(file + mib, pieces + at, (size_t)VX_MIB), 0);
            at += (size_t)VX_MIB;
        }
    cr_assert_eq(at, pieces_size);
    free(file);
    free(pieces);
}

Test(salvage, without_any_size_only_pieces_are_written)
{
    static const struct {
        uint64_t from, to; /* MiB that are gone */
    } damage[] = {{0, 4}, {1, 4}};
    for (size_t i = 0; i < 2; i++) {
        uint64_t place = 0;
        begin();
        make(VHDX_KIND_DYNAMIC, "/d/disk.vhdx", 1);
        wipe("/d/disk.vhdx", damage[i].from * VX_MIB, (damage[i].to - damage[i].from) * VX_MIB);
        cr_assert(vx_memory_host_put(memory, "/d/raw", "mine", 4));
        const vhdx_salvage_options options = {
            .struct_size = sizeof options, .host = host, .range = count_pieces, .range_context = &place};
        vhdx_salvage_report report = {.struct_size = sizeof report};
        vhdx_error err;
        piece_count = 0;
        cr_assert_eq(vhdx_salvage("/d/disk.vhdx", "/d/raw", &options, &report, &err), VHDX_OK, "%s", err.message);
        cr_assert_eq(report.virtual_size, 0);
        cr_assert_eq(report.bytes_good + report.bytes_doubtful + report.bytes_lost + report.bytes_missing, 0);
        cr_assert_str_eq(report.pieces, "/d/raw.pieces");
        cr_assert_str_eq(report.map, "/d/raw.map");
        cr_assert_gt(piece_count, 0);
        pieces_hold_the_blocks("/d/disk.vhdx", 4 * VX_MIB);
        cr_assert_eq(vx_memory_host_size(memory, "/d/raw"), 4, "what lay there has changed");
        struct vx_rescue_map map = read_map("/d/raw.map");
        cr_assert_eq(map.ranges[map.count - 1].offset + map.ranges[map.count - 1].length, report.bytes_pieces);
        for (size_t n = 0; n < map.count; n++)
            cr_assert_eq(map.ranges[n].status, VX_RESCUE_DOUBTFUL);
        vx_rescue_map_clear(&map);
        finish();
    }
}

Test(salvage, what_lies_where_structures_usually_do_is_a_piece_too)
{
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk.vhdx", 1);
    uint64_t size = bld_file_size(disk);
    wipe("/d/disk.vhdx", 0, 4 * VX_MIB);
    for (uint64_t mib = 1; mib < 4; mib++) /* text, as a guest may have it */
        for (uint64_t at = 0; at < VX_MIB; at += 4096)
            cr_assert_eq(bld_poke(host, "/d/disk.vhdx", mib * VX_MIB + at, "content of some file", 20), VHDX_OK);
    vhdx_salvage_report report = {.struct_size = sizeof report};
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
    cr_assert_eq(vhdx_salvage("/d/disk.vhdx", "/d/raw", &options, &report, NULL), VHDX_OK);
    cr_assert_eq(report.virtual_size, 0);
    cr_assert_eq(bld_file_size(disk), size);
    pieces_hold_the_blocks("/d/disk.vhdx", VX_MIB);
    finish();
}

Test(salvage, pieces_of_what_was_never_a_vhdx_are_not_written)
{
    static const char *const paths[] = {"/d/disk", "/d/other.vhdx"};
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    bld_free(disk);
    make(VHDX_KIND_DYNAMIC, "/d/other.vhdx", 1);
    wipe("/d/disk", 0, 4 * VX_MIB);
    wipe("/d/other.vhdx", 0, 4 * VX_MIB);
    cr_assert_eq(bld_poke(host, "/d/other.vhdx", 510, "\x55\xAA", 2), VHDX_OK); /* begins as a raw disk */
    for (size_t i = 0; i < 2; i++) {
        const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
        cr_assert_eq(vhdx_salvage(paths[i], "/d/raw", &options, NULL, NULL), VHDX_NOT_VHDX);
        cr_assert_eq(vx_memory_host_size(memory, "/d/raw.pieces"), UINT64_MAX);
    }
    finish();
}

static bool stop(void *context, const vhdx_progress *now)
{
    (void)context;
    return now->bytes_done == 0;
}

Test(salvage, what_is_cancelled_leaves_no_files)
{
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    salvage_with((vhdx_salvage_options){.progress = stop}, VHDX_CANCELLED);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw"), UINT64_MAX);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw.map"), UINT64_MAX);
    finish();
}

/* Beside a map of an earlier run it is that run's file; else it is somebody's. */
Test(salvage, a_file_that_is_called_like_the_pieces_is_replaced_only_when_an_earlier_run_has_made_it)
{
    vhdx_error err;
    vhdx_salvage_report report = {.struct_size = sizeof report};
    begin();
    make(VHDX_KIND_DYNAMIC, "/d/disk", 1);
    for (uint64_t block = 0; block < 8; block++)
        bld_poke_int(host, "/d/disk", bld_payload_entry_offset(disk, block), 0, 8);
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
    cr_assert(vx_memory_host_put(memory, "/d/raw", "earlier", 7));
    cr_assert(vx_memory_host_put(memory, "/d/raw.pieces", "precious", 8));
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/raw", &options, NULL, &err), VHDX_EXISTS);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw"), 7);
    cr_assert_eq(vx_memory_host_size(memory, "/d/raw.pieces"), 8);
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/other", &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_assert_gt(report.bytes_pieces, 0);
    cr_assert_eq(vhdx_salvage("/d/disk", "/d/other", &options, &report, &err), VHDX_OK, "%s", err.message);
    finish();
}

/* ---- many blocks in one answer --------------------------------------------------------------------------------------
 */

#define HUGE (4 * VX_TIB)
#define HUGE_BLOCKS (HUGE / VX_MIB)

static void make_huge(void (*fill)(void))
{
    const struct bld_options options = {.virtual_size = HUGE, .block_size = (uint32_t)VX_MIB, .seed = 6};
    disk = bld_new(&options);
    bld_write_random(disk, 0, 4096, 1);
    if (fill)
        fill();
    cr_assert_eq(bld_finish(disk, host, "/d/disk", NULL), VHDX_OK);
}

static void all_behind_the_end(void)
{
    for (uint64_t i = 1; i < HUGE_BLOCKS; i++)
        bld_bat_raw(disk, i + i / 4096, (20 * VX_TIB + i * VX_MIB) | 6);
}

/* How many questions it takes to get from one end of the disk to the other; all but the first block is lost for one
 * reason. */
static unsigned count_answers(const char *reason)
{
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
    struct vx_salvage_layers layers;
    unsigned count = 0;
    vhdx_error err;
    cr_assert_eq(vx_salvage_open("/d/disk", &options, &layers, &err), VHDX_OK, "%s", err.message);
    for (uint64_t at = 0; at < HUGE; count++) {
        struct vx_salvage_piece piece;
        cr_assert_eq(vx_salvage_at(&layers, 0, at, HUGE - at, &piece, &err), VHDX_OK, "%s", err.message);
        cr_assert_gt(piece.length, 0);
        if (at >= VX_MIB) {
            cr_assert_eq(piece.kind, VHDX_SALVAGE_LOST, "at %llx", (unsigned long long)at);
            cr_assert_str_eq(piece.reason, reason);
        }
        at += piece.length;
    }
    vx_salvage_close(&layers);
    return count;
}

Test(salvage, a_cut_file_is_not_asked_block_by_block)
{
    begin();
    make_huge(all_behind_the_end);
    cr_assert_leq(count_answers("it lies behind the end of the file"), 1024);
    finish();
}

Test(salvage, a_bat_that_says_nothing_is_not_asked_block_by_block)
{
    begin();
    make_huge(NULL);
    uint64_t bat = bld_region_offset(disk, &vx_guid_bat_region);
    uint8_t *garbage = malloc(32 * VX_MIB);
    memset(garbage, 0x5C, 32 * VX_MIB);
    cr_assert_eq(bld_poke(host, "/d/disk", bat, garbage, 32 * VX_MIB), VHDX_OK);
    free(garbage);
    cr_assert_leq(count_answers("the BAT entry of the block is lost"), 1024);
    finish();
}
