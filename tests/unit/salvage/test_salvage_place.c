/*
 * Entries that lead to a place where their block is not, and those that say that there is none: no field tells, but the
 * content has no owner then. What a salvage calls good is true all the same, and verify lists what is in doubt.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "base/bytes.h"
#include "io/io.h"
#include "memory.h"

#include "io/rescue_map.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define DISK "/d/disk.vhdx"
#define RAW "/d/raw"
#define BLOCKS UINT64_C(16)
#define FILLED 6u

struct scene {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *b;
    uint8_t *truth;
    uint64_t size, block;
};

/* The first blocks are filled from end to end but for the second half of each. */
static struct scene make(vhdx_kind kind, uint32_t block_size)
{
    const struct bld_options options = {
        .kind = kind, .virtual_size = BLOCKS * block_size, .block_size = block_size, .seed = 5, .creator = "someone"};
    struct scene s = {.memory = vx_memory_host_new(7), .size = BLOCKS * block_size, .block = block_size};
    s.truth = calloc((size_t)s.size, 1);
    s.host = vx_memory_host_interface(s.memory);
    s.b = bld_new(&options);
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(s.b, &(vhdx_guid){{1}}, NULL, ".\\gone.vhdx", NULL, NULL);
    for (unsigned i = 1; i <= FILLED; i++)
        bld_write_random(s.b, i * s.block, block_size / 2, 40 + i);
    cr_assert_eq(bld_finish(s.b, s.host, DISK, NULL), VHDX_OK);
    bld_apply(s.b, s.truth);
    return s;
}

static void end(struct scene *s)
{
    bld_free(s->b);
    free(s->truth);
    vx_memory_host_free(s->memory);
}

static void set(const struct scene *s, uint64_t block, uint64_t raw)
{
    cr_assert_eq(bld_poke_int(s->host, DISK, bld_payload_entry_offset(s->b, block), raw, 8), VHDX_OK);
}

static uint8_t *read_all(const struct scene *s, const char *path, size_t *size)
{
    struct vx_file *file;
    uint64_t length;
    cr_assert_eq(vx_file_open(s->host, path, VHDX_OPEN_PEEK, &file, NULL), VHDX_OK, "%s", path);
    cr_assert_eq(vx_file_size(file, &length, NULL), VHDX_OK);
    uint8_t *bytes = malloc((size_t)length + 1);
    cr_assert_eq(vx_file_read(file, bytes, (size_t)length, 0, NULL), VHDX_OK);
    vx_file_close(file);
    *size = (size_t)length;
    return bytes;
}

/* What the map says of the block's beginning; all that it calls good must be true. */
static char status_of(const struct scene *s, uint64_t block)
{
    vhdx_salvage_options options = {.struct_size = sizeof options, .host = s->host};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    struct vx_rescue_map map;
    size_t size, line;
    char status = 0;
    s->host->remove(s->host->context, RAW, NULL);
    s->host->remove(s->host->context, RAW ".map", NULL);
    s->host->remove(s->host->context, RAW ".pieces", NULL);
    cr_assert_eq(vhdx_salvage(DISK, RAW, &options, &report, NULL), VHDX_OK);
    uint8_t *text = read_all(s, RAW ".map", &size);
    cr_assert_eq(vx_rescue_map_parse(vx_bytes_of(text, size), &map, &line), VHDX_OK);
    free(text);
    uint8_t *raw = read_all(s, RAW, &size);
    cr_assert_eq(size, s->size);
    for (size_t i = 0; i < map.count; i++) {
        const struct vx_rescue_range *range = &map.ranges[i];
        if (range->offset <= block * s->block && block * s->block - range->offset < range->length)
            status = range->status;
        if (range->status == VX_RESCUE_GOOD)
            cr_expect_eq(memcmp(raw + range->offset, s->truth + range->offset, (size_t)range->length), 0,
                         "what is called good at %llu is not", (unsigned long long)range->offset);
    }
    vx_rescue_map_clear(&map);
    free(raw);
    return status;
}

/* Whether verify warns of content without owner, and lists the block. */
static bool is_listed(const struct scene *s, uint64_t block)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = s->host};
    const vhdx_lost_range *lost;
    const vhdx_finding *finding;
    vhdx_report *report;
    bool warned = false, listed = false;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, NULL), VHDX_OK);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        warned |= strcmp(finding->id, "VHDX-BAT-UNOWNED") == 0 && finding->severity == VHDX_SEVERITY_WARNING;
    for (size_t i = 0; (lost = vhdx_report_lost(report, 0, i)) != NULL; i++)
        listed |= lost->offset <= block * s->block && block * s->block - lost->offset < lost->length && lost->doubtful;
    vhdx_report_free(report);
    return warned && listed;
}

Test(salvage_place, a_block_of_zeros_is_in_doubt_where_content_has_no_owner)
{
    struct scene s = make(VHDX_KIND_DYNAMIC, VX_MIB);
    uint64_t end_of_file = bld_file_size(s.b);
    cr_assert_eq(bld_resize(s.host, DISK, end_of_file + VX_MIB), VHDX_OK);
    cr_expect_eq(status_of(&s, 2), VX_RESCUE_GOOD);
    set(&s, 2, end_of_file | 6);
    cr_expect_eq(status_of(&s, 2), VX_RESCUE_DOUBTFUL);
    cr_expect_eq(status_of(&s, 3), VX_RESCUE_GOOD, "its neighbour is not zeros");
    cr_expect(is_listed(&s, 2));
    cr_expect_not(is_listed(&s, 3));
    end(&s);
}

/* ZERO, UNMAPPED and UNDEFINED without a place are what one wrong entry makes of a block, as NOT_PRESENT is. */
Test(salvage_place, no_state_without_data_is_certain_where_content_has_no_owner)
{
    for (unsigned state = 0; state <= 3; state++) {
        struct scene s = make(VHDX_KIND_DYNAMIC, VX_MIB);
        set(&s, 2, state);
        set(&s, 9, state);
        cr_expect_eq(status_of(&s, 2), VX_RESCUE_DOUBTFUL, "state %u", state);
        cr_expect_eq(status_of(&s, 9), VX_RESCUE_DOUBTFUL, "state %u", state);
        cr_expect(is_listed(&s, 2) && is_listed(&s, 9), "state %u", state);
        end(&s);
    }
}

/* A part of the block has no owner, and is too small for a block. */
Test(salvage_place, a_block_beside_a_part_without_owner_is_in_doubt)
{
    struct scene s = make(VHDX_KIND_DYNAMIC, 2 * VX_MIB);
    cr_assert_eq(bld_resize(s.host, DISK, bld_file_size(s.b) + VX_MIB), VHDX_OK);
    set(&s, FILLED, (bld_payload_offset(s.b, FILLED) + VX_MIB) | 6);
    cr_expect_eq(status_of(&s, FILLED), VX_RESCUE_DOUBTFUL);
    cr_expect(is_listed(&s, FILLED));
    cr_expect_eq(status_of(&s, 1), VX_RESCUE_GOOD);
    end(&s);
}

/* A file that was cut off has a block, or a structure, directly before the one that reaches beyond its end. */
Test(salvage_place, a_block_that_reaches_beyond_the_end_is_in_doubt_behind_free_space)
{
    struct scene s = make(VHDX_KIND_DYNAMIC, 2 * VX_MIB);
    uint64_t place = bld_payload_offset(s.b, FILLED);
    cr_assert_eq(bld_resize(s.host, DISK, place + VX_MIB), VHDX_OK);
    cr_expect_eq(status_of(&s, FILLED), VX_RESCUE_GOOD, "cut off");
    cr_assert_eq(bld_resize(s.host, DISK, place + 2 * VX_MIB), VHDX_OK);
    uint8_t *zeros = calloc(1, 2 * VX_MIB);
    cr_assert_eq(bld_poke(s.host, DISK, place, zeros, 2 * VX_MIB), VHDX_OK);
    set(&s, FILLED, (place + VX_MIB) | 6);
    cr_expect_eq(status_of(&s, FILLED), VX_RESCUE_DOUBTFUL, "moved");
    free(zeros);
    end(&s);
}

/* Blocks that say nothing come before it, and its bits, which are another block's bytes, say nothing either. */
Test(salvage_place, a_partial_block_behind_absent_ones_has_a_word_of_its_own)
{
    struct scene s = make(VHDX_KIND_DIFFERENCING, VX_MIB);
    cr_expect_eq(status_of(&s, 1), VX_RESCUE_GOOD, "%c", status_of(&s, 1));
    uint8_t *zeros = calloc(1, VX_MIB);
    cr_assert_eq(bld_poke(s.host, DISK, bld_payload_offset(s.b, FILLED), zeros, VX_MIB), VHDX_OK);
    cr_assert_eq(bld_poke_int(s.host, DISK, bld_bitmap_entry_offset(s.b, 0), bld_payload_offset(s.b, FILLED) | 6, 8),
                 VHDX_OK);
    cr_expect_eq(status_of(&s, 1), VX_RESCUE_DOUBTFUL, "%c", status_of(&s, 1));
    free(zeros);
    end(&s);
}

/* Whichever of two blocks is not where its entry says, a partial one is not right because the other one was moved. */
Test(salvage_place, of_two_blocks_at_one_place_none_is_good)
{
    struct scene s = make(VHDX_KIND_DIFFERENCING, VX_MIB);
    set(&s, 2, bld_payload_offset(s.b, 4) | 6);
    cr_expect_neq(status_of(&s, 2), VX_RESCUE_GOOD);
    cr_expect_neq(status_of(&s, 4), VX_RESCUE_GOOD);
    end(&s);
}
