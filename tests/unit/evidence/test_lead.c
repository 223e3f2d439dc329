/*
 * Entries without data that lead to content nobody else owns: one wrong bit makes a block absent, and its place is all
 * that knows the content. No repair that calls itself lossless may clear it, what a salvage calls good is true, and
 * where the evidence proves what the entry was, a salvage puts it back. All states, in a base and in a child.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "files.h"

#include "base/bytes.h"
#include "io/io.h"
#include "memory.h"
#include "io/rescue_map.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK "/d/disk.vhdx"
#define RAW "/d/raw"
#define BLOCK VX_MIB
#define BLOCKS UINT64_C(16)
#define SIZE (BLOCKS * BLOCK)

struct scene {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *b;
    uint8_t *truth;
    uint64_t size; /* of the virtual disk */
};

static struct scene make(vhdx_kind kind, bool shuffled)
{
    const struct bld_options options = {
        .kind = kind, .virtual_size = SIZE, .block_size = BLOCK, .seed = 5, .shuffle_blocks = shuffled};
    struct scene s = {.memory = vx_memory_host_new(7), .truth = calloc(SIZE, 1), .size = SIZE};
    s.host = vx_memory_host_interface(s.memory);
    s.b = bld_new(&options);
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(s.b, &(vhdx_guid){{1}}, NULL, ".\\gone.vhdx", NULL, NULL);
    for (unsigned i = 0; i < 6; i++)
        bld_write_random(s.b, i * BLOCK, BLOCK / 2, 40 + i);
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

static uint64_t peek(const struct scene *s, uint64_t place)
{
    uint8_t raw[8];
    cr_assert_eq(bld_peek(s->host, DISK, place, raw, sizeof raw), VHDX_OK);
    return vx_get64(raw);
}

static void poke(const struct scene *s, uint64_t place, uint64_t raw)
{
    cr_assert_eq(bld_poke_int(s->host, DISK, place, raw, 8), VHDX_OK);
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

/* What `export --salvage` gets; what it calls good must be true. `status`: of the block afterwards. */
static uint8_t *salvage(const struct scene *s, uint64_t block, char *status)
{
    vhdx_salvage_options options = {.struct_size = sizeof options, .host = s->host};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    vhdx_error err;
    struct vx_rescue_map map;
    size_t size, line;
    s->host->remove(s->host->context, RAW, NULL);
    s->host->remove(s->host->context, RAW ".map", NULL);
    s->host->remove(s->host->context, RAW ".pieces", NULL);
    cr_assert_eq(vhdx_salvage(DISK, RAW, &options, &report, &err), VHDX_OK, "%s", err.message);
    uint8_t *text = read_all(s, RAW ".map", &size);
    cr_assert_eq(vx_rescue_map_parse(vx_bytes_of(text, size), &map, &line), VHDX_OK);
    free(text);
    uint8_t *raw = read_all(s, RAW, &size);
    cr_assert_eq(size, s->size);
    for (size_t i = 0; i < map.count; i++) {
        const struct vx_rescue_range *range = &map.ranges[i];
        if (range->offset <= block * BLOCK && block * BLOCK - range->offset < range->length)
            *status = range->status;
        if (range->status == VX_RESCUE_GOOD)
            cr_assert_eq(memcmp(raw + range->offset, s->truth + range->offset, (size_t)range->length), 0,
                         "what is called good at %llu is not", (unsigned long long)range->offset);
    }
    vx_rescue_map_clear(&map);
    return raw;
}

static vhdx_report *repair(const struct scene *s, bool with_salvage)
{
    vhdx_repair_options options = {
        .struct_size = sizeof options, .host = s->host, .salvage = with_salvage, .no_undo = true};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static const vhdx_finding *find(const vhdx_report *report, const char *id)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (strcmp(finding->id, id) == 0)
            return finding;
    return NULL;
}

/* The block's entry gets another state; repair and salvage are as they are promised to be. `back`: a salvage gets the
 * content. */
static void wrong_state(const struct scene *s, uint64_t block, unsigned state, bool back)
{
    uint64_t place = bld_payload_entry_offset(s->b, block), good = peek(s, place);
    char status = 0, status_after = 0;
    size_t n = BLOCK / 2;
    poke(s, place, (good & ~UINT64_C(7)) | state);
    uint8_t *before = salvage(s, block, &status);
    cr_expect_neq(status, VX_RESCUE_GOOD, "state %u: the map calls it good", state);
    cr_expect_eq(memcmp(before + block * BLOCK, s->truth + block * BLOCK, n) == 0, back, "state %u: export", state);
    vhdx_report_free(repair(s, false));
    cr_expect_eq(peek(s, place) & ~(VX_MIB - 1), good & ~(VX_MIB - 1), "state %u: plain repair clears it", state);
    uint8_t *after = salvage(s, block, &status_after);
    cr_expect_neq(status_after, VX_RESCUE_GOOD, "state %u: plain repair makes it good", state);
    cr_expect_eq(memcmp(before, after, SIZE), 0, "state %u: plain repair changes what salvage gets", state);
    free(after);
    vhdx_report *report = repair(s, true);
    if (back) {
        cr_expect_eq(peek(s, place), good, "state %u: salvage does not put it back", state);
        cr_expect_gt(vhdx_report_file(report, 0)->lost_count, 0);
        after = salvage(s, block, &status_after);
        cr_expect_eq(memcmp(before, after, SIZE), 0, "state %u: repair and export do not agree", state);
        free(after);
    } else {
        cr_expect_eq(peek(s, place) & ~(VX_MIB - 1), good & ~(VX_MIB - 1), "state %u: salvage clears it", state);
    }
    vhdx_report_free(report);
    free(before);
    poke(s, place, good);
}

Test(lead, no_state_of_a_base_hides_content)
{
    for (unsigned shuffled = 0; shuffled < 2; shuffled++)
        for (unsigned state = 0; state <= 5; state++) {
            struct scene s = make(VHDX_KIND_DYNAMIC, shuffled);
            wrong_state(&s, 2, state, state != 1 && state != 3);
            end(&s);
        }
}

/* The bits of the sector bitmap tell a partial block from a whole one. */
Test(lead, no_state_of_a_child_hides_content)
{
    for (unsigned state = 0; state <= 5; state++) {
        struct scene s = make(VHDX_KIND_DIFFERENCING, false);
        wrong_state(&s, 2, state, state >= 4);
        end(&s);
    }
}

/* A writer that leaves places in all its entries says nothing by one of them. */
Test(lead, places_that_a_writer_leaves_prove_nothing)
{
    struct scene s = make(VHDX_KIND_DYNAMIC, false);
    for (unsigned i = 0; i < 6; i++)
        poke(&s, bld_payload_entry_offset(s.b, 8 + i), peek(&s, bld_payload_entry_offset(s.b, 2)) & ~UINT64_C(7));
    wrong_state(&s, 2, 0, false);
    end(&s);
}

/* MS-VHDX 2.5.1.1: a place without content is noise, and state 5 is UNMAPPED. */
Test(lead, places_that_lead_to_nothing_are_cleared)
{
    for (unsigned state = 0; state <= 5; state += state == 0 ? 2 : 3) {
        struct scene s = make(VHDX_KIND_DYNAMIC, false);
        uint64_t place = bld_payload_entry_offset(s.b, 9), end_of_file = bld_file_size(s.b);
        cr_assert_eq(bld_resize(s.host, DISK, end_of_file + BLOCK), VHDX_OK);
        poke(&s, place, end_of_file | state);
        vhdx_report *report = repair(&s, false);
        cr_expect_eq(vhdx_report_file(report, 0)->lost_count, 0);
        cr_expect_eq(peek(&s, place), state == 5 ? 3 : state);
        vhdx_report_free(report);
        end(&s);
    }
}

/* As if the entries had moved by one: the slot of a sector bitmap, and what lies behind the last entry, lead to a
 * block. Of the second the size is in doubt, too. */
Test(lead, slots_and_padding_that_lead_to_content_are_no_lossless_repair)
{
    const struct bld_options options = {.virtual_size = 16 * VX_GIB, .block_size = 256 * VX_MIB, .seed = 5};
    struct scene s = {.memory = vx_memory_host_new(7), .truth = NULL};
    s.host = vx_memory_host_interface(s.memory);
    s.b = bld_new(&options);
    bld_write_random(s.b, 0, 4096, 1);
    bld_write_random(s.b, 15 * 256 * VX_MIB, 4096, 2);
    cr_assert_eq(bld_finish(s.b, s.host, DISK, NULL), VHDX_OK);
    uint64_t from = bld_payload_entry_offset(s.b, 15), good = peek(&s, from);
    const uint64_t to[] = {bld_bitmap_entry_offset(s.b, 0), bld_bat_entry_offset(s.b, 70)};
    const char *const ids[] = {"VHDX-BITMAP-IN-BASE", "VHDX-METADATA-CONTRADICTED"};
    for (int i = 0; i < 2; i++) {
        poke(&s, from, 0);
        poke(&s, to[i], good);
        vhdx_report *report = repair(&s, false);
        cr_assert_not_null(find(report, ids[i]), "%s", ids[i]);
        cr_expect_eq(find(report, ids[i])->repair, VHDX_REPAIR_SALVAGE, "%s", ids[i]);
        cr_expect_eq(peek(&s, to[i]), good, "%s is cleared", ids[i]);
        vhdx_report_free(report);
        poke(&s, to[i], good & ~UINT64_C(7)); /* whatever its state says */
        vhdx_report_free(repair(&s, false));
        cr_expect_eq(peek(&s, to[i]), good & ~UINT64_C(7), "%s is cleared", ids[i]);
        poke(&s, to[i], 0);
    }
    end(&s);
}

/* All of the first `length` bytes are listed, and nothing from `good_from` on. */
static void expect_listed(const vhdx_report *report, uint64_t length, uint64_t good_from)
{
    const vhdx_lost_range *lost;
    uint64_t end = 0;
    for (size_t i = 0; (lost = vhdx_report_lost(report, 0, i)) != NULL; i++) {
        if (lost->offset <= end && end < length)
            end = lost->offset + lost->length;
        cr_expect(lost->offset >= good_from + BLOCK || lost->offset + lost->length <= good_from);
    }
    cr_expect_geq(end, length);
}

/* Nothing before `good_from` is called good, and what begins there is. */
static void expect_map(const struct scene *s, uint64_t good_from)
{
    vhdx_salvage_options options = {.struct_size = sizeof options, .host = s->host};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    struct vx_rescue_map map;
    size_t size, line;
    cr_assert_eq(vhdx_salvage(DISK, RAW, &options, &report, NULL), VHDX_OK);
    uint8_t *text = read_all(s, RAW ".map", &size);
    cr_assert_eq(vx_rescue_map_parse(vx_bytes_of(text, size), &map, &line), VHDX_OK);
    free(text);
    bool good = false;
    for (size_t i = 0; i < map.count; i++) {
        good |= map.ranges[i].status == VX_RESCUE_GOOD && map.ranges[i].offset == good_from;
        cr_expect(map.ranges[i].status != VX_RESCUE_GOOD || map.ranges[i].offset >= good_from);
    }
    cr_expect(good);
    vx_rescue_map_clear(&map);
}

/* Entries that have moved by one read as other blocks: all of their page is in doubt, and what other pages have is not.
 */
Test(lead, a_block_in_the_slot_of_a_bitmap_puts_its_page_in_doubt)
{
    const uint64_t block = 256 * VX_MIB, of_page = 512 - 30; /* 30 are slots */
    const struct bld_options options = {.virtual_size = 500 * block, .block_size = 256 * VX_MIB, .seed = 5};
    struct scene s = {.memory = vx_memory_host_new(7), .truth = NULL};
    s.host = vx_memory_host_interface(s.memory);
    s.b = bld_new(&options);
    bld_write_random(s.b, 3 * block, 4096, 1);
    bld_write_random(s.b, 15 * block, 4096, 2);
    bld_write_random(s.b, 490 * block, 4096, 3);
    cr_assert_eq(bld_finish(s.b, s.host, DISK, NULL), VHDX_OK);
    uint64_t from = bld_payload_entry_offset(s.b, 15), good = peek(&s, from), last = bld_payload_entry_offset(s.b, 490);
    poke(&s, bld_bitmap_entry_offset(s.b, 0), good);
    poke(&s, from, 3); /* a state that says there is nothing */
    expect_map(&s, 490 * block);
    vhdx_report *report = repair(&s, false);
    cr_expect_eq(peek(&s, bld_bitmap_entry_offset(s.b, 0)), good);
    expect_listed(report, of_page * block, 490 * block);
    vhdx_report_free(report);
    report = repair(&s, true);
    cr_expect_eq(peek(&s, bld_bitmap_entry_offset(s.b, 0)), 0);
    expect_listed(report, of_page * block, 490 * block);
    cr_expect_neq(peek(&s, last), 0);
    vhdx_report_free(report);
    end(&s);
}

/* The entry of the bitmap lost its state, and remembers the place. */
Test(lead, a_bitmap_without_state_is_found_at_its_place)
{
    for (unsigned state = 0; state <= 5; state++) {
        struct scene s = make(VHDX_KIND_DIFFERENCING, false);
        uint64_t place = bld_bitmap_entry_offset(s.b, 0), good = peek(&s, place);
        char status = 0;
        poke(&s, place, (good & ~UINT64_C(7)) | state);
        uint8_t *before = salvage(&s, 2, &status);
        cr_expect_neq(status, VX_RESCUE_GOOD, "state %u", state);
        vhdx_report_free(repair(&s, state == 0));
        cr_expect_eq(peek(&s, place), good, "state %u", state);
        uint8_t *after = salvage(&s, 2, &status);
        cr_expect_eq(memcmp(before, after, SIZE), 0, "state %u", state);
        free(before);
        free(after);
        end(&s);
    }
}

/* State 1 with reserved bits and a place that no file has: its state is chance as well. */
Test(lead, an_entry_of_garbage_is_no_empty_block)
{
    struct scene s = make(VHDX_KIND_DYNAMIC, true);
    uint64_t place = bld_payload_entry_offset(s.b, 2), garbage = UINT64_C(0x9A387801A90B8331);
    char status = 0;
    poke(&s, place, garbage);
    free(salvage(&s, 2, &status));
    cr_expect_neq(status, VX_RESCUE_GOOD);
    vhdx_report *report = repair(&s, false);
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_ERRORS);
    cr_expect_eq(peek(&s, place), garbage);
    vhdx_report_free(report);
    report = repair(&s, true);
    cr_expect_gt(vhdx_report_file(report, 0)->lost_count, 0);
    vhdx_report_free(report);
    end(&s);
}

/* ---- entries that are zero and should not be ---- */

/* Each block of [0, filled) begins with something; `logged`: the BAT is in a log that was applied, and its order says
 * nothing. */
static struct scene make_full(vhdx_kind kind, uint64_t blocks, uint64_t filled, bool logged, uint64_t emptied)
{
    const struct bld_options options = {.kind = kind,
                                        .virtual_size = blocks * BLOCK,
                                        .block_size = BLOCK,
                                        .seed = 9,
                                        .shuffle_blocks = logged && kind == VHDX_KIND_DYNAMIC};
    struct scene s = {.memory = vx_memory_host_new(7), .size = blocks * BLOCK};
    s.truth = calloc((size_t)s.size, 1);
    s.host = vx_memory_host_interface(s.memory);
    s.b = bld_new(&options);
    for (uint64_t i = 0; i < filled; i++)
        bld_write_random(s.b, i * BLOCK, 4096, 100 + i);
    if (emptied != UINT64_MAX)
        bld_bat_raw(s.b, emptied, 0);
    if (logged)
        bld_log_dirty(s.b, &(struct bld_log){.what = BLD_LOG_BAT, .sequence = 7});
    cr_assert_eq(bld_finish(s.b, s.host, DISK, NULL), VHDX_OK);
    bld_apply(s.b, s.truth);
    if (!logged)
        return s;
    vhdx_report_free(repair(&s, false)); /* replays it, and leaves the ring */
    return s;
}

static vhdx_report *verify(const struct scene *s)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = s->host};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static void zero_entries(const struct scene *s, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        poke(s, bld_payload_entry_offset(s->b, first + i), 0);
}

/* A map of the disk calls nothing of `block` good; what it gets is the truth. */
static void salvage_gets_all(const struct scene *s, uint64_t block, bool doubtful)
{
    char status = 0;
    uint8_t *raw = salvage(s, block, &status);
    cr_expect_eq(status, doubtful ? VX_RESCUE_DOUBTFUL : VX_RESCUE_GOOD, "'%c'", status);
    cr_expect_eq(memcmp(raw, s->truth, (size_t)s->size), 0);
    free(raw);
}

Test(lead, a_lost_sector_of_a_fixed_disk_is_put_back_without_loss)
{
    const struct {
        uint64_t first, count;
    } lost[] = {{0, 64}, {64, 16}, {7, 1}};
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        struct scene s = make_full(VHDX_KIND_FIXED, 80, 80, false, UINT64_MAX);
        zero_entries(&s, lost[i].first, lost[i].count);
        vhdx_report *report = verify(&s);
        const vhdx_finding *finding = find(report, "VHDX-BAT-LOST-ENTRIES");
        cr_assert_not_null(finding);
        cr_expect_eq(finding->severity, VHDX_SEVERITY_ERROR);
        cr_expect_eq(finding->repair, VHDX_REPAIR_LOSSLESS);
        vhdx_report_free(report);
        salvage_gets_all(&s, lost[i].first, true);
        report = repair(&s, false);
        cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
        cr_expect_eq(vhdx_report_file(report, 0)->lost_count, 0);
        vhdx_report_free(report);
        salvage_gets_all(&s, lost[i].first, false);
        end(&s);
    }
}

/* With space that nobody owns beside it the block may lie elsewhere. */
Test(lead, a_gap_of_a_fixed_disk_that_does_not_end_with_the_file_proves_nothing)
{
    struct scene s = make_full(VHDX_KIND_FIXED, 80, 80, false, UINT64_MAX);
    cr_assert_eq(bld_resize(s.host, DISK, bld_file_size(s.b) + VX_MIB), VHDX_OK);
    zero_entries(&s, 79, 1);
    vhdx_report *report = verify(&s);
    cr_assert_not_null(find(report, "VHDX-BAT-LOST-ENTRIES"));
    cr_expect_eq(find(report, "VHDX-BAT-LOST-ENTRIES")->repair, VHDX_REPAIR_SALVAGE);
    vhdx_report_free(report);
    end(&s);
}

/* Another writer has trimmed the block, through the log. */
Test(lead, an_entry_that_the_log_says_is_empty_is_empty)
{
    struct scene s = make_full(VHDX_KIND_FIXED, 80, 80, true, 7);
    vhdx_report *report = verify(&s);
    cr_expect_null(find(report, "VHDX-BAT-LOST-ENTRIES"));
    cr_assert_not_null(find(report, "VHDX-BAT-FIXED-ABSENT"));
    cr_expect_eq(find(report, "VHDX-BAT-FIXED-ABSENT")->severity, VHDX_SEVERITY_INFO);
    vhdx_report_free(report);
    end(&s);
}

Test(lead, a_lost_sector_of_a_dynamic_disk_is_found_by_the_gap_in_the_file)
{
    struct scene s = make_full(VHDX_KIND_DYNAMIC, 200, 190, false, UINT64_MAX);
    zero_entries(&s, 64, 64);
    vhdx_report *report = verify(&s);
    const vhdx_finding *finding = find(report, "VHDX-BAT-LOST-ENTRIES");
    cr_assert_not_null(finding);
    cr_expect_eq(finding->severity, VHDX_SEVERITY_WARNING);
    cr_expect_eq(finding->repair, VHDX_REPAIR_SALVAGE);
    vhdx_report_free(report);
    salvage_gets_all(&s, 64, true);
    vhdx_report_free(repair(&s, false));
    cr_expect_eq(peek(&s, bld_payload_entry_offset(s.b, 64)), 0);
    salvage_gets_all(&s, 64, true);
    report = repair(&s, true);
    cr_expect_gt(vhdx_report_file(report, 0)->lost_count, 0);
    vhdx_report_free(report);
    salvage_gets_all(&s, 64, false);
    end(&s);
}

/* No medium loses that, but a guest that trims a file does. */
Test(lead, blocks_that_were_given_back_are_not_missed)
{
    struct scene s = make_full(VHDX_KIND_DYNAMIC, 200, 190, false, UINT64_MAX);
    zero_entries(&s, 70, 30);
    vhdx_report *report = verify(&s);
    cr_expect_null(find(report, "VHDX-BAT-LOST-ENTRIES"));
    vhdx_report_free(report);
    end(&s);
}

Test(lead, a_lost_sector_of_the_bat_is_still_in_the_log)
{
    struct scene s = make_full(VHDX_KIND_DYNAMIC, 200, 190, true, UINT64_MAX);
    uint64_t newer = bld_payload_entry_offset(s.b, 150), raw = peek(&s, newer);
    zero_entries(&s, 0, 64);
    vhdx_report *report = verify(&s);
    const vhdx_finding *finding = find(report, "VHDX-BAT-LOST-ENTRIES");
    cr_assert_not_null(finding);
    cr_expect_eq(finding->severity, VHDX_SEVERITY_ERROR);
    vhdx_report_free(report);
    salvage_gets_all(&s, 0, true);
    poke(&s, newer, raw & ~UINT64_C(7)); /* the writer does not log: the log is older than the BAT */
    report = verify(&s);
    cr_expect_null(find(report, "VHDX-BAT-LOST-ENTRIES"));
    vhdx_report_free(report);
    poke(&s, newer, raw);
    vhdx_report_free(repair(&s, true));
    salvage_gets_all(&s, 0, false);
    end(&s);
}

/* ---- an entry is zero, and nothing tells which one ------------------------------------------------------------- */

static struct scene make_by(const char *creator)
{
    const struct bld_options options = {
        .virtual_size = SIZE, .block_size = BLOCK, .seed = 5, .creator = creator, .shuffle_blocks = true};
    struct scene s = {.memory = vx_memory_host_new(7), .truth = calloc(SIZE, 1), .size = SIZE};
    s.host = vx_memory_host_interface(s.memory);
    s.b = bld_new(&options);
    for (unsigned i = 0; i < 6; i++)
        bld_write_random(s.b, i * BLOCK, BLOCK / 2, 40 + i);
    cr_assert_eq(bld_finish(s.b, s.host, DISK, NULL), VHDX_OK);
    bld_apply(s.b, s.truth);
    return s;
}

/* The block whose place is the last in the file, or the first. */
static uint64_t outermost(const struct scene *s, bool last)
{
    uint64_t found = 0;
    for (uint64_t i = 1; i < 6; i++)
        if ((bld_payload_offset(s->b, i) > bld_payload_offset(s->b, found)) == last)
            found = i;
    return found;
}

Test(lead, an_entry_of_zero_is_in_doubt_where_content_has_no_owner)
{
    struct scene s = make_by("someone");
    uint64_t block = outermost(&s, false);
    char status = 0;
    zero_entries(&s, block, 1);
    vhdx_report *report = verify(&s);
    const vhdx_finding *finding = find(report, "VHDX-BAT-UNOWNED");
    cr_assert_not_null(finding);
    cr_expect_eq(finding->severity, VHDX_SEVERITY_WARNING);
    cr_expect_eq(finding->repair, VHDX_REPAIR_NONE);
    cr_expect_gt(vhdx_report_file(report, 0)->lost_count, 0);
    vhdx_report_free(report);
    free(salvage(&s, block, &status));
    cr_expect_eq(status, VX_RESCUE_DOUBTFUL, "'%c'", status);
    free(salvage(&s, (block + 1) % 6, &status));
    cr_expect_eq(status, VX_RESCUE_GOOD, "a block with data: '%c'", status);
    end(&s);
}

/* QEMU writes a block before its entry: when it is killed the last block of the file has no owner. */
Test(lead, the_last_block_of_a_killed_qemu_says_nothing)
{
    for (unsigned last = 0; last < 2; last++) {
        struct scene s = make_by("QEMU v9.0.0");
        zero_entries(&s, outermost(&s, last), 1);
        vhdx_report *report = verify(&s);
        const vhdx_finding *finding = find(report, "VHDX-BAT-UNOWNED");
        cr_expect_eq(finding != NULL, !last);
        if (finding)
            cr_expect_eq(finding->severity, VHDX_SEVERITY_INFO);
        cr_expect_eq(vhdx_report_file(report, 0)->lost_count, 0);
        vhdx_report_free(report);
        end(&s);
    }
}

/* Among empty entries one of nonsense, in state 0, is lost like any other. */
Test(lead, garbage_between_empty_entries_is_not_empty)
{
    struct scene s = make(VHDX_KIND_DYNAMIC, true);
    char status = 0;
    poke(&s, bld_payload_entry_offset(s.b, 9), UINT64_C(0x14adf3f89d530418));
    free(salvage(&s, 9, &status));
    cr_expect_neq(status, VX_RESCUE_GOOD);
    free(salvage(&s, 8, &status));
    cr_expect_eq(status, VX_RESCUE_GOOD);
    end(&s);
}

/* The file has holes: the content is in the second half of its block. */
Test(lead, content_without_owner_is_found_behind_holes)
{
    for (uint64_t block = 0; block < 6; block++) {
        const struct bld_options options = {.virtual_size = SIZE, .block_size = 2 * BLOCK, .seed = 5};
        struct scene s = {.memory = vx_memory_host_new(7), .truth = calloc(SIZE, 1), .size = SIZE};
        s.host = vx_memory_host_interface(s.memory);
        s.b = bld_new(&options);
        for (unsigned i = 0; i < 6; i++)
            bld_write_random(s.b, i * 2 * BLOCK + 3 * BLOCK / 2, 4096, 40 + i);
        cr_assert_eq(bld_finish(s.b, s.host, DISK, NULL), VHDX_OK);
        zero_entries(&s, block, 1);
        vhdx_report *report = verify(&s);
        cr_expect(find(report, "VHDX-BAT-UNOWNED"), "block %llu", (unsigned long long)block);
        vhdx_report_free(report);
        end(&s);
    }
}
