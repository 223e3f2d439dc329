/*
 * A merge that was cut off goes on where it was: by the mark in the target, as long as everything is what it was, and
 * from the beginning when anything is not. What was moved is counted by the library, never by a clock.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "crash_host.h"

#include "image/mark.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE "/d/base.vhdx"
#define CHILD "/d/child.avhdx"
#define UPPER "/d/upper.avhdx"
#define BLOCK ((uint32_t)VX_MIB)
#define SIZE (64 * VX_MIB)

struct scene {
    struct crash_host *files; /* that shares nothing: what is moved is copied */
    const vhdx_host *host;
    uint8_t content[16];
    vhdx_merge_report report;
    vhdx_error err;
    uint64_t stop_at; /* bytes; UINT64_MAX = never */
    uint64_t first_told, last_told;
    char heard[2048];
};

static void finish(struct scene *s, struct bld *disk, const char *path)
{
    cr_assert_eq(bld_finish(disk, s->host, path, &s->err), VHDX_OK, "%s", s->err.message);
}

static void hash(struct scene *s, const char *path, uint8_t content[16])
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = s->host};
    vhdx_chain *chain;
    cr_assert_eq(vhdx_chain_open(path, &options, &chain, &s->err), VHDX_OK, "%s", s->err.message);
    cr_assert_eq(vhdx_chain_hash(chain, content, NULL, &s->err), VHDX_OK, "%s", s->err.message);
    vhdx_chain_free(chain);
}

/* A child full of data; the base has every block too (`in_place`), or none. */
static struct scene begin(bool in_place)
{
    struct scene s = {.stop_at = UINT64_MAX};
    struct bld_options options = {.kind = VHDX_KIND_DYNAMIC, .virtual_size = SIZE, .block_size = BLOCK, .seed = 1};
    s.files = crash_host_new(5);
    s.host = crash_host_interface(s.files);
    struct bld *base = bld_new(&options);
    if (in_place)
        bld_write_random(base, 0, SIZE, 11);
    finish(&s, base, BASE);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed = 2;
    struct bld *child = bld_new(&options);
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    bld_write_random(child, 0, SIZE, 12);
    finish(&s, child, CHILD);
    bld_free(child);
    bld_free(base);
    hash(&s, CHILD, s.content);
    return s;
}

static void end(struct scene *s)
{
    crash_host_free(s->files);
}

static bool progress(void *context, const vhdx_progress *progress)
{
    struct scene *s = context;
    if (progress->phase != VHDX_PHASE_COPY)
        return true;
    if (s->first_told == 0)
        s->first_told = progress->bytes_done;
    s->last_told = progress->bytes_done;
    return progress->bytes_done < s->stop_at;
}

static void listen(void *context, const vhdx_notice *notice)
{
    struct scene *s = context;
    size_t used = strlen(s->heard);
    if (notice->kind == VHDX_NOTICE_NOTE)
        snprintf(s->heard + used, sizeof s->heard - used, "%s\n", notice->text);
}

/* The child reads the same afterwards, whatever came of it. */
static vhdx_status merge(struct scene *s, const char *path, vhdx_merge_options options)
{
    uint8_t content[16];
    options.struct_size = sizeof options;
    options.host = s->host;
    options.direction = VHDX_DIRECTION_DOWN;
    options.window_bytes = options.window_bytes ? options.window_bytes : VX_MIB;
    options.progress = progress;
    options.progress_context = s;
    options.notice = listen;
    options.notice_context = s;
    s->report = (vhdx_merge_report){.struct_size = sizeof s->report};
    s->first_told = 0;
    s->heard[0] = '\0';
    vhdx_status status = vhdx_merge(path, &options, &s->report, &s->err);
    hash(s, CHILD, content);
    cr_assert(memcmp(content, s->content, 16) == 0, "the child reads differently");
    return status;
}

static void cut_at_70_percent(struct scene *s, vhdx_merge_options options)
{
    s->stop_at = SIZE / 10 * 7;
    cr_assert_eq(merge(s, CHILD, options), VHDX_CANCELLED, "%s", s->err.message);
    s->stop_at = UINT64_MAX;
}

static bool has_mark(struct scene *s)
{
    struct vx_image *image;
    cr_assert_eq(vx_image_open(s->host, BASE, 0, &image, &s->err), VHDX_OK, "%s", s->err.message);
    bool found = false;
    for (uint32_t i = 0; i < image->items.table->count; i++)
        found |= memcmp(&image->items.table->entries[i].item_id, &vx_guid_merge_mark, 16) == 0;
    vx_image_close(image);
    return found;
}

/* The base alone reads as the child did, and nothing in it tells of the merge. */
static void must_be_merged(struct scene *s)
{
    uint8_t content[16];
    hash(s, BASE, content);
    cr_assert(memcmp(content, s->content, 16) == 0, "the base does not hold what the child does");
    cr_expect(!has_mark(s));
}

static void must_go_on(struct scene *s, vhdx_merge_options options)
{
    cr_assert_eq(merge(s, CHILD, options), VHDX_OK, "%s", s->err.message);
    cr_expect(s->report.begun_before);
    cr_expect_leq(s->report.bytes_copied, SIZE / 10 * 4);
    cr_expect_eq(s->report.bytes_done_before + s->report.bytes_copied, SIZE);
    cr_expect_geq(s->first_told, s->report.bytes_done_before, "progress begins at 0 again");
    cr_expect(strstr(s->heard, "continuing at 6") || strstr(s->heard, "continuing at 7"), "%s", s->heard);
    must_be_merged(s);
}

static void must_begin_anew(struct scene *s)
{
    cr_assert_eq(merge(s, CHILD, (vhdx_merge_options){0}), VHDX_OK, "%s", s->err.message);
    cr_expect_eq(s->report.bytes_copied, SIZE);
    cr_expect_eq(s->report.bytes_done_before, 0u);
    must_be_merged(s);
}

Test(resume, at_most_40_percent_of_a_merge_cut_at_70_is_done_again)
{
    for (int in_place = 0; in_place < 2; in_place++) {
        struct scene s = begin(in_place != 0);
        cut_at_70_percent(&s, (vhdx_merge_options){0});
        cr_expect(has_mark(&s));
        must_go_on(&s, (vhdx_merge_options){0});
        end(&s);
    }
}

Test(resume, a_plan_says_how_far_the_merge_was)
{
    struct scene s = begin(false);
    cut_at_70_percent(&s, (vhdx_merge_options){0});
    vhdx_merge_options options = {.struct_size = sizeof options, .host = s.host};
    s.report = (vhdx_merge_report){.struct_size = sizeof s.report};
    cr_assert_eq(vhdx_merge_plan(CHILD, &options, &s.report, &s.err), VHDX_OK, "%s", s.err.message);
    cr_expect(s.report.begun_before);
    cr_expect_eq(s.report.direction, VHDX_DIRECTION_DOWN);
    cr_expect_eq(s.report.bytes_done_before + s.report.bytes_to_copy, SIZE);
    cr_expect_leq(s.report.bytes_to_copy, SIZE / 10 * 4);
    end(&s);
}

Test(resume, a_merge_that_is_cut_off_again_and_again_comes_to_its_end)
{
    struct scene s = begin(false);
    uint64_t moved = 0;
    for (int run = 1; run < 6; run++) {
        s.stop_at = SIZE / 6 * (unsigned)run;
        cr_assert_eq(merge(&s, CHILD, (vhdx_merge_options){0}), VHDX_CANCELLED);
        moved += s.last_told - s.first_told + 4 * VX_MIB; /* it is told every 4 MiB */
    }
    s.stop_at = UINT64_MAX;
    cr_assert_eq(merge(&s, CHILD, (vhdx_merge_options){0}), VHDX_OK, "%s", s.err.message);
    cr_expect_leq(moved + s.report.bytes_copied, SIZE + 5 * 8 * VX_MIB);
    must_be_merged(&s);
    end(&s);
}

/* What the first run had read back is read back by the second one: nobody can ask the first. */
Test(resume, with_verify_all_of_it_is_read_back)
{
    struct scene s = begin(true);
    cut_at_70_percent(&s, (vhdx_merge_options){.verify = true});
    must_go_on(&s, (vhdx_merge_options){.verify = true});
    cr_expect_eq(s.report.bytes_verified, SIZE);
    end(&s);
}

Test(resume, with_reclaim)
{
    struct scene s = begin(true);
    cut_at_70_percent(&s, (vhdx_merge_options){.reclaim = true});
    cr_assert_eq(merge(&s, CHILD, (vhdx_merge_options){.reclaim = true}), VHDX_OK, "%s", s.err.message);
    cr_expect_leq(s.report.bytes_copied, SIZE / 10 * 4);
    must_be_merged(&s);
    end(&s);
}

/* A disk that lost what it had called durable: the bytes just before the mark are not the child's. */
Test(resume, not_when_what_was_moved_is_not_there)
{
    struct scene s = begin(true);
    cut_at_70_percent(&s, (vhdx_merge_options){0});
    struct vx_image *image;
    struct vx_merge_mark mark;
    bool found;
    cr_assert_eq(vx_image_open(s.host, BASE, 0, &image, &s.err), VHDX_OK, "%s", s.err.message);
    cr_assert_eq(vx_mark_read(image, &found, &mark, &s.err), VHDX_OK);
    cr_assert(found && mark.done_end > 2 * VX_MIB && strcmp(mark.child_name, "child.avhdx") == 0);
    uint64_t place = 0;
    vx_image_close(image);
    vhdx_open_options open = {.struct_size = sizeof open, .host = s.host};
    vhdx_chain *chain;
    vhdx_walk *walk;
    vhdx_extent extent;
    cr_assert_eq(vhdx_chain_open(BASE, &open, &chain, &s.err), VHDX_OK, "%s", s.err.message);
    cr_assert_eq(vhdx_walk_new(chain, mark.done_end - VX_MIB, &walk, &s.err), VHDX_OK);
    cr_assert_eq(vhdx_walk_next(walk, &extent, &s.err), VHDX_OK);
    place = extent.file_offset;
    vhdx_walk_free(walk);
    vhdx_chain_free(chain);
    cr_assert_eq(bld_poke(s.host, BASE, place + 4096, "lost", 4), VHDX_OK);
    must_begin_anew(&s);
    cr_expect(strstr(s.heard, "starting again from the beginning"), "%s", s.heard);
    end(&s);
}

/* The child is another disk after a merge into it. */
Test(resume, not_when_a_merged_layer_was_written_to)
{
    struct scene s = begin(true);
    cut_at_70_percent(&s, (vhdx_merge_options){0});
    vhdx_create_options create = {.struct_size = sizeof create, .host = s.host, .parent = CHILD};
    cr_assert_eq(vhdx_create(UPPER, &create, &s.err), VHDX_OK, "%s", s.err.message);
    cr_assert_eq(merge(&s, UPPER, (vhdx_merge_options){0}), VHDX_OK, "%s", s.err.message);
    must_begin_anew(&s);
    end(&s);
}

/* With another child the run of before counts for nothing, and the mark is that child's. */
Test(resume, not_with_another_child)
{
    struct scene s = begin(true);
    cut_at_70_percent(&s, (vhdx_merge_options){0});
    vhdx_create_options create = {.struct_size = sizeof create, .host = s.host, .parent = CHILD};
    cr_assert_eq(vhdx_create(UPPER, &create, &s.err), VHDX_OK, "%s", s.err.message);
    s.stop_at = SIZE / 2;
    cr_assert_eq(merge(&s, UPPER, (vhdx_merge_options){.into = BASE}), VHDX_CANCELLED);
    cr_expect_eq(s.report.bytes_done_before, 0u);
    s.stop_at = UINT64_MAX;
    cr_assert_eq(merge(&s, UPPER, (vhdx_merge_options){.into = BASE}), VHDX_OK, "%s", s.err.message);
    cr_expect_geq(s.report.bytes_done_before, SIZE / 4);
    must_be_merged(&s);
    end(&s);
}

Test(resume, a_mark_reads_as_it_was_written_and_no_byte_of_it_may_change)
{
    struct vx_merge_mark mark = {.identity = {{1}},
                                 .child = {{2}},
                                 .layers_digest = 3,
                                 .layer_count = 4,
                                 .flags = 1,
                                 .virtual_size = 5,
                                 .done_end = 6,
                                 .moved = 7,
                                 .total = 8,
                                 .child_name = "büro.avhdx"};
    struct vx_merge_mark read;
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    vx_merge_mark_encode(&mark, bytes);
    cr_assert_eq(vx_merge_mark_decode(vx_bytes_of(bytes, sizeof bytes), &read), VHDX_OK);
    cr_expect(memcmp(&mark, &read, sizeof mark) == 0);
    cr_expect_eq(vx_merge_mark_decode(vx_bytes_of(bytes, sizeof bytes - 1), &read), VHDX_CORRUPT);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 0x10;
        cr_expect_eq(vx_merge_mark_decode(vx_bytes_of(bytes, sizeof bytes), &read), VHDX_CORRUPT, "byte %zu", i);
        bytes[i] ^= 0x10;
    }
    static const char *const names[] = {"../x", "a\\b", "..", "\xFF"};
    for (size_t i = 0; i < 4; i++) {
        strcpy(mark.child_name, names[i]);
        vx_merge_mark_encode(&mark, bytes);
        cr_expect_eq(vx_merge_mark_decode(vx_bytes_of(bytes, sizeof bytes), &read), VHDX_CORRUPT, "%s", names[i]);
    }
}
