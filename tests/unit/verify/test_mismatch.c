/*
 * A parent of another id with NTFS inside, as verify, repair and relink speak of it: whether only its id differs, as
 * far as can be told, or files were written to it since.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "files.h"
#include "with_memory.h"
#include "ntfs_image.h"
#include "findings/findings.h"

#define SIZE (2u << 20)
#define BASE "/d/base.vhdx"
#define CHILD "/d/child.avhdx"

static uint8_t state[SIZE], after[SIZE], candidate[SIZE];

static void change(uint8_t *bytes, unsigned number, unsigned changed)
{
    const struct ntfs_image_file file = {1, 0, NTFS_IMAGE_TIME(200 + number), NTFS_IMAGE_TIME(changed), true};
    ntfs_image_write(bytes, number, &file);
}

static void setup(void)
{
    begin_memory();
    memset(state, 0, sizeof state);
    ntfs_image_make(state, 1, NTFS_IMAGE_TIME(100));
    for (unsigned i = 30; i < 40; i++)
        change(state, i, 300 + i);
    memcpy(candidate, state, sizeof state);
    memcpy(after, state, sizeof state);
    change(after, 31, 1000);
    change(after, 45, 1001);
}

TestSuite(mismatch, .init = setup, .fini = end_memory);

static void write_changes(struct bld *b, const uint8_t *from, const uint8_t *to)
{
    for (size_t at = 0; at < SIZE; at += 512)
        if (memcmp(from + at, to + at, 512) != 0)
            bld_write(b, at, to + at, 512);
}

/* The child on the candidate, whose identity it does not know. */
static void put_disks(void)
{
    static const uint8_t zeros[SIZE];
    struct bld_options options = {.virtual_size = SIZE, .block_size = 1 << 20, .seed = 1, .virtual_disk_id = {{5}}};
    struct bld *base = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed = 2;
    struct bld *child = bld_new(&options);
    write_changes(base, zeros, candidate);
    write_changes(child, state, after);
    bld_parent(child, &(vhdx_guid){{6, 6}}, NULL, ".\\base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(base, host, BASE, NULL), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, CHILD, NULL), VHDX_OK);
    bld_free(base);
    bld_free(child);
}

static void verify_says(vhdx_repair_class class, const char *text)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .chain = true};
    const vhdx_finding *finding;
    vhdx_report *report;
    vhdx_error err;
    bool found = false;
    cr_assert_eq(vhdx_verify(CHILD, &options, &report, &err), VHDX_OK, "%s", err.message);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++) {
        if (finding->number != VX_FIND_PARENT_MISMATCH)
            continue;
        found = true;
        cr_expect_eq(finding->repair, class, "%s", finding->message);
        cr_expect(strstr(finding->message, text), "%s", finding->message);
    }
    cr_assert(found);
    vhdx_report_free(report);
}

static void relink_says(const char *text, vhdx_advice advice)
{
    const vhdx_relink_options options = {.struct_size = sizeof options, .host = host};
    vhdx_error err;
    cr_assert_eq(vhdx_relink(CHILD, BASE, &options, &err), VHDX_PARENT_MISMATCH);
    cr_expect(strstr(err.message, "expected "), "%s", err.message);
    cr_expect(strstr(err.message, text), "%s", err.message);
    cr_expect_eq(err.advice, advice, "%s", err.advice_text);
    cr_assert_eq(vhdx_relink(CHILD, BASE, &options, NULL), VHDX_PARENT_MISMATCH);
}

/* Whether a repair has corrected it. */
static bool repair(bool salvage)
{
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = host, .salvage = salvage};
    const vhdx_finding *finding;
    vhdx_report *report;
    vhdx_error err;
    bool corrected = false;
    cr_assert_eq(vhdx_repair(CHILD, &options, &report, &err), VHDX_OK, "%s", err.message);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        corrected = corrected || (finding->number == VX_FIND_PARENT_MISMATCH && finding->corrected);
    vhdx_report_free(report);
    return corrected;
}

Test(mismatch, a_parent_of_which_only_the_id_differs)
{
    put_disks();
    verify_says(VHDX_REPAIR_SALVAGE, "the parent's content is what the child was made on and only its id differs");
    relink_says("the parent's content is what the child was made on and only its id differs", VHDX_ADVICE_LOSSY_LINKS);
    cr_expect_not(repair(false));
    cr_expect(repair(true));
}

Test(mismatch, a_parent_to_which_files_were_written_since)
{
    uint64_t before, now;
    change(candidate, 36, 2000);
    put_disks();
    cr_assert(files_digest(host, CHILD, &before));
    verify_says(VHDX_REPAIR_NONE, "files were written to the parent since (newest change 2019-04-17 19:13:20 UTC");
    relink_says("files were written to the parent since (newest change 2019-04-17 19:13:20 UTC",
                VHDX_ADVICE_RELINK_FORCED_MIXTURE);
    cr_expect_not(repair(false));
    cr_expect_not(repair(true));
    cr_assert(files_digest(host, CHILD, &now));
    cr_expect_eq(before, now);
}

Test(mismatch, a_parent_of_which_nothing_can_be_told)
{
    memcpy(after, state, sizeof state);
    memset(after + (1 << 20), 7, 512);
    put_disks();
    verify_says(VHDX_REPAIR_NONE, "the NTFS file system at 0x0 of the disk was asked and cannot tell: too little of "
                                  "its file table is in the child");
    relink_says("was asked and cannot tell", VHDX_ADVICE_RELINK_FORCED);
    cr_expect_not(repair(true));
}
