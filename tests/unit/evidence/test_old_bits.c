/*
 * A log that was never replayed, and whose LogGuid is gone: the bits that it has and the sector bitmap has not. The
 * sectors are in doubt, and no plain repair overwrites the log, which is all that knows them.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "base/bytes.h"
#include "io/io.h"
#include "memory.h"

#include <criterion/criterion.h>
#include <string.h>

#define DISK "/d/disk.vhdx"
#define RAW "/d/raw"

struct scene {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *b;
};

/* `home`: what stands in the bitmap; the log has its last version. One copy of the region table is damaged. */
static struct scene make(enum bld_home home)
{
    static const uint8_t none[16];
    const struct bld_options options = {
        .kind = VHDX_KIND_DIFFERENCING, .virtual_size = 8 * VX_MIB, .block_size = VX_MIB, .seed = 5};
    struct scene s = {.memory = vx_memory_host_new(7)};
    s.host = vx_memory_host_interface(s.memory);
    s.b = bld_new(&options);
    bld_parent(s.b, &(vhdx_guid){{1}}, NULL, ".\\gone.vhdx", NULL, NULL);
    bld_write_random(s.b, 2 * VX_MIB, 65536, 40);
    bld_log_dirty(s.b, &(struct bld_log){.what = BLD_LOG_BITMAPS, .home = home, .sequence = 7});
    cr_assert_eq(bld_finish(s.b, s.host, DISK, NULL), VHDX_OK);
    cr_assert_eq(bld_poke_header(s.host, DISK, 3, 48, none, sizeof none), VHDX_OK);
    cr_assert_eq(bld_poke_int(s.host, DISK, VX_REGION_TABLE2_OFFSET + 8, 77, 4), VHDX_OK);
    return s;
}

static void end(struct scene *s)
{
    bld_free(s->b);
    vx_memory_host_free(s->memory);
}

static bool is_found(const struct scene *s, const char *id)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = s->host};
    const vhdx_finding *finding;
    vhdx_report *report;
    bool found = false;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, NULL), VHDX_OK);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        found |= strcmp(finding->id, id) == 0;
    vhdx_report_free(report);
    return found;
}

static vhdx_report *repair(const struct scene *s, bool salvage)
{
    vhdx_repair_options options = {.struct_size = sizeof options, .host = s->host, .salvage = salvage, .no_undo = true};
    vhdx_report *report;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, NULL), VHDX_OK);
    return report;
}

Test(old_bits, a_plain_repair_leaves_the_log_that_knows_more_alone)
{
    struct scene s = make(BLD_HOME_ZERO);
    cr_expect(is_found(&s, "VHDX-BITMAP-OLD"));
    vhdx_report_free(repair(&s, false));
    cr_expect(is_found(&s, "VHDX-BITMAP-OLD"), "the log was overwritten");
    vhdx_report *report = repair(&s, true);
    const vhdx_lost_range *lost;
    bool listed = false;
    for (size_t i = 0; (lost = vhdx_report_lost(report, 0, i)) != NULL; i++)
        listed |= lost->offset <= 2 * VX_MIB && 2 * VX_MIB < lost->offset + lost->length;
    cr_expect(listed, "a salvage overwrites it, and does not list the block");
    vhdx_report_free(report);
    end(&s);
}

static void count(void *context, const vhdx_notice *notice)
{
    unsigned *warnings = context;
    *warnings += notice->kind == VHDX_NOTICE_WARNING && strstr(notice->text, "its sector bitmaps do not have") != NULL;
}

Test(old_bits, a_bitmap_that_has_all_bits_of_the_log_is_not_old)
{
    struct scene s = make(BLD_HOME_OLDER);
    uint8_t ones[512];
    memset(ones, 0xFF, sizeof ones); /* a writer that does not log has added to it */
    cr_assert_eq(bld_poke(s.host, DISK, bld_bitmap_offset(s.b, 0), ones, sizeof ones), VHDX_OK);
    cr_assert_eq(bld_poke(s.host, DISK, bld_bitmap_offset(s.b, 0) + 512, ones, sizeof ones), VHDX_OK);
    cr_expect_not(is_found(&s, "VHDX-BITMAP-OLD"));
    vhdx_report_free(repair(&s, false));
    cr_expect_not(is_found(&s, "VHDX-REGION-CHECKSUM"));
    end(&s);
}

Test(old_bits, who_reads_the_disk_is_told)
{
    struct scene s = make(BLD_HOME_ZERO);
    unsigned warnings = 0;
    vhdx_open_options options = {
        .struct_size = sizeof options, .host = s.host, .notice = count, .notice_context = &warnings};
    vhdx_image *image;
    cr_assert_eq(vhdx_image_open(DISK, &options, &image, NULL), VHDX_OK);
    vhdx_image_free(image);
    cr_expect_eq(warnings, 1);
    end(&s);
}
