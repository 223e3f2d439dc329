/*
 * Logs that were never begun, and logs that are older than their disk: what is proven, and what only looks like it.
 * Each image differs from a proven one in one thing, because it is the near misses that would cost somebody their data.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "faults.h"

#include "base/bytes.h"
#include "image/image.h"
#include "image/survey.h"
#include "image/writing.h"
#include "with_memory.h"

#include <criterion/criterion.h>
#include <string.h>

#define DISK "/d/disk.vhdx"

static const uint8_t qemu_guid[16] = {1, 2, 3, 4, 5, 6, 0x47, 8, 0x89};
static const uint8_t windows_guid[16] = {1, 2, 3, 4, 5, 6, 7, 0x48, 0x89};

static struct bld *disk;

static void teardown(void)
{
    bld_free(disk);
    end_memory();
    disk = NULL;
}

TestSuite(log_past, .init = begin_memory, .fini = teardown);

/* Five blocks whose entries the log holds, in one entry at the ring's beginning; at home they are not yet. */
static void make_dirty(const char *creator, enum bld_home home)
{
    const struct bld_options options = {
        .virtual_size = 64 * VX_MIB, .block_size = (uint32_t)(2 * VX_MIB), .seed = 5, .creator = creator};
    disk = bld_new(&options);
    for (unsigned i = 0; i < 5; i++)
        bld_write_random(disk, i * 4 * VX_MIB, (size_t)(2 * VX_MIB), i + 1);
    bld_log_dirty(disk, &(struct bld_log){.what = BLD_LOG_BAT, .home = home, .sequence = 7});
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
}

static uint64_t entry_at(uint64_t offset)
{
    return bld_log_entry_offset(disk, 0) + offset;
}

/* The entry's header and the disk's headers; the entry's checksum is mended, whatever becomes of it later. */
static void set_guid(const uint8_t guid[16])
{
    uint64_t log = bld_log_offset(disk);
    cr_assert_eq(bld_poke_log_entry(host, DISK, log, VX_MIB, entry_at(0) - log, 32, guid, 16), VHDX_OK);
    cr_assert_eq(bld_poke_header(host, DISK, 3, 48, guid, 16), VHDX_OK);
}

static void wipe(uint64_t offset, size_t size)
{
    static const uint8_t zeros[VX_PAGE];
    cr_assert_eq(bld_poke(host, DISK, offset, zeros, size), VHDX_OK);
}

static enum vx_survey_log state_of(struct vx_survey_age *age)
{
    struct vx_file *file;
    struct vx_survey *survey;
    cr_assert_eq(vx_file_open(host, DISK, VHDX_OPEN_READ, &file, NULL), VHDX_OK);
    cr_assert_eq(vx_survey_make(file, &survey, NULL), VHDX_OK);
    enum vx_survey_log log = survey->log;
    if (age)
        *age = survey->age;
    vx_survey_free(survey);
    vx_file_close(file);
    return log;
}

/* ---- never begun ---- */

Test(log_past, a_first_entry_that_was_cut_off_is_no_entry)
{
    make_dirty("QEMU v7.2.22", BLD_HOME_OLDER);
    set_guid(qemu_guid);
    wipe(entry_at(VX_PAGE), VX_PAGE);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_UNBEGUN);
}

/* QEMU begins to count anew at each start: the sector of the data may be an older one with the same number. */
Test(log_past, so_it_is_when_an_old_sector_stands_in_the_place_of_its_data)
{
    uint8_t page[264] = {0};
    make_dirty(NULL, BLD_HOME_OLDER);
    set_guid(qemu_guid);
    bld_peek(host, DISK, bld_bat_entry_offset(disk, 0), page, sizeof page);
    cr_assert_eq(bld_poke(host, DISK, entry_at(72), page, 8), VHDX_OK); /* leading bytes, in the descriptor */
    cr_assert_eq(bld_poke(host, DISK, entry_at(VX_PAGE + 8), page + 8, sizeof page - 8), VHDX_OK);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_UNBEGUN);
}

Test(log_past, an_entry_that_was_whole_and_is_damaged_is_needed)
{
    make_dirty("QEMU v7.2.22", BLD_HOME_OLDER);
    set_guid(qemu_guid);
    bld_poke_int(host, DISK, entry_at(VX_PAGE + 4000), 0x55, 1);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_MISSING);
}

Test(log_past, one_that_goes_on_from_an_older_one_is_not_the_first)
{
    uint8_t tail[4] = {0, 0x80};
    make_dirty("QEMU v7.2.22", BLD_HOME_OLDER);
    set_guid(qemu_guid);
    uint64_t log = bld_log_offset(disk);
    cr_assert_eq(bld_poke_log_entry(host, DISK, log, VX_MIB, entry_at(0) - log, 12, tail, 4), VHDX_OK);
    wipe(entry_at(VX_PAGE), VX_PAGE);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_MISSING);
}

Test(log_past, one_that_another_writer_has_made_was_whole_before_its_log_was_marked)
{
    make_dirty(NULL, BLD_HOME_OLDER);
    set_guid(windows_guid);
    wipe(entry_at(VX_PAGE), VX_PAGE);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_MISSING);
}

Test(log_past, a_log_of_zeros_is_unbegun_only_if_qemu_has_marked_it)
{
    make_dirty("QEMU v7.2.22", BLD_HOME_OLDER);
    wipe(entry_at(0), VX_PAGE);
    wipe(entry_at(VX_PAGE), VX_PAGE);
    cr_assert_eq(bld_poke_header(host, DISK, 3, 48, windows_guid, 16), VHDX_OK);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_MISSING);
    cr_assert_eq(bld_poke_header(host, DISK, 3, 48, qemu_guid, 16), VHDX_OK);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_UNBEGUN);
}

/* A wrong LogGuid on a disk whose log is needed: whole entries of "earlier times", whose pages the disk has not. */
Test(log_past, entries_of_another_id_that_are_not_at_home_forbid_it)
{
    make_dirty("QEMU v7.2.22", BLD_HOME_OLDER);
    cr_assert_eq(bld_poke_header(host, DISK, 3, 48, qemu_guid, 16), VHDX_OK);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_MISSING);
}

/* ---- older than the disk ---- */

static void make_stale(struct fault_scene *scene)
{
    for (size_t i = 0; i < fault_count(); i++) {
        if (fault_at(i)->kind != VX_FIND_LOG_STALE)
            continue;
        *scene = (struct fault_scene){.host = host};
        fault_make(fault_at(i), scene);
    }
}

static void set_entry(const struct fault_scene *scene, uint64_t block, uint64_t raw)
{
    bld_poke_int(host, FAULT_PATH, bld_payload_entry_offset(scene->b, block), raw, 8);
}

static uint64_t entry_of(const struct fault_scene *scene, uint64_t block)
{
    uint8_t bytes[8];
    bld_peek(host, FAULT_PATH, bld_payload_entry_offset(scene->b, block), bytes, sizeof bytes);
    return vx_get64(bytes);
}

Test(log_past, a_log_that_would_take_a_block_away_is_not_replayed)
{
    struct fault_scene scene;
    struct vx_survey_age age;
    struct vx_image *image;
    vhdx_error err;
    make_stale(&scene);
    cr_expect_eq(state_of(&age), VX_SURVEY_LOG_STALE);
    cr_expect(age.newer_blocks == 1 && !age.log_is_needed);
    cr_assert_eq(vx_image_open(host, FAULT_PATH, VX_OPEN_WRITE, &image, &err), VHDX_OK);
    cr_expect_eq(image->info.log, VHDX_LOG_STATE_STALE);
    cr_expect_eq(vx_image_begin_write(image, NULL, &err), VHDX_REFUSED, "who writes settles it in silence");
    vx_image_close(image);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_STALE);
    fault_end(&scene);
}

Test(log_past, it_is_replayed_when_it_has_something_that_the_disk_lacks)
{
    struct fault_scene scene;
    struct vx_survey_age age;
    vhdx_error err;
    struct vx_image *image;
    make_stale(&scene);
    set_entry(&scene, 3, 0);
    cr_expect_eq(state_of(&age), VX_SURVEY_LOG_ACTIVE);
    cr_expect(age.newer_blocks == 1 && age.log_is_needed);
    cr_assert_eq(vx_image_open(host, FAULT_PATH, VX_OPEN_WRITE, &image, &err), VHDX_OK);
    cr_expect_eq(vx_image_begin_write(image, NULL, &err), VHDX_REFUSED);
    vx_image_close(image);
    fault_end(&scene);
}

/* A block of which the log could know, and has given it up: that is what a log is for. */
Test(log_past, a_block_below_the_end_that_the_log_knows_was_given_up)
{
    struct fault_scene scene;
    make_stale(&scene);
    uint64_t place = entry_of(&scene, 9);
    set_entry(&scene, 9, 0);
    set_entry(&scene, 7, entry_of(&scene, 3)); /* as if the log had taken it from block 7 */
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_ACTIVE);
    set_entry(&scene, 9, place);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_ACTIVE);
    fault_end(&scene);
}

Test(log_past, a_block_of_zeros_is_no_reason_to_doubt_a_log_that_is_needed)
{
    struct fault_scene scene;
    make_stale(&scene);
    set_entry(&scene, 3, 0);
    static const uint8_t zeros[FAULT_BLOCK];
    bld_poke(host, FAULT_PATH, vx_round_down(entry_of(&scene, 9), VX_MIB), zeros, sizeof zeros);
    cr_expect_eq(state_of(NULL), VX_SURVEY_LOG_ACTIVE);
    fault_end(&scene);
}
