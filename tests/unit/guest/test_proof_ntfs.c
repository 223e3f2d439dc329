/*
 * What an NTFS volume of two layers says of them, on volumes made by hand: some as Windows writes them, with a log, and
 * some as Linux does, which have times only.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "ntfs_image.h"
#include "two_layers.h"

#include "guest/proof_ntfs.h"

static struct two_layers s;
static struct ntfs_image_log state_log, child_log, below_log;

static struct vx_fs_proof ask(void)
{
    struct vx_fs_proof proof;
    two_layers_stack(&s);
    const struct vx_volume volume = {&s.views, 0, s.size};
    cr_assert_eq(vx_prove_by_ntfs(&volume, &proof, NULL), VHDX_OK);
    cr_expect_leq(s.bytes_read, 4 * s.size);
    cr_expect(proof.word != VX_PROOF_OTHER || proof.mismatches > 0);
    cr_expect(proof.word == VX_PROOF_NONE || proof.text[0] != '\0');
    return proof;
}

#define cr_expect_word(expected, part)                                                                                 \
    do {                                                                                                               \
        struct vx_fs_proof said_ = ask();                                                                              \
        cr_expect_eq(said_.word, expected, "%d: %s (%u fit, %u do not)", said_.word, said_.text, said_.matches,        \
                     said_.mismatches);                                                                                \
        cr_expect(strstr(said_.text, part), "%s", said_.text);                                                         \
    } while (0)

/* A change of a file at that time; the log is NULL on a volume that Linux writes. */
static void change(uint8_t *bytes, struct ntfs_image_log *log, unsigned number, unsigned created, unsigned changed)
{
    uint16_t sequence = (uint16_t)(number < 16 && number > 0 ? number : 1);
    struct ntfs_image_file file = {sequence, 0, NTFS_IMAGE_TIME(created), NTFS_IMAGE_TIME(changed), true};
    if (log) {
        file.lsn = ntfs_image_log_add(bytes, log, (uint8_t)changed);
        ntfs_image_log_restart(bytes, log, true);
    }
    ntfs_image_write(bytes, number, &file);
}

static void add_files(struct ntfs_image_log *log)
{
    for (unsigned i = 30; i < 40; i++)
        change(s.made_on, log, i, 200 + i, 200 + i);
}

/* A session of the machine through the child: two files are changed, a new one is made. */
static void run_child(struct ntfs_image_log *log)
{
    change(s.child, log, 31, 231, 1000);
    change(s.child, log, 32, 232, 1001);
    change(s.child, log, 40, 1002, 1002);
}

static void scene(bool logged)
{
    memset(s.made_on, 0, s.size);
    ntfs_image_make(s.made_on, 1, NTFS_IMAGE_TIME(100));
    if (logged)
        state_log = ntfs_image_log_make(s.made_on);
    add_files(logged ? &state_log : NULL);
    two_layers_begin(&s);
    child_log = below_log = state_log;
    run_child(logged ? &child_log : NULL);
}

static void setup(void)
{
    two_layers_make(&s, NTFS_IMAGE_SIZE);
    scene(true);
}

static void teardown(void)
{
    two_layers_free(&s);
}

TestSuite(proof_ntfs, .init = setup, .fini = teardown);

/* ---- with a log -------------------------------------------------------------------------------------------------- */

Test(proof_ntfs, knows_the_disk_whose_log_the_child_goes_on_with)
{
    cr_expect_word(VX_PROOF_DISK, "its log goes on in the child where it ends below");
}

/* The machine was running when the child was made. */
Test(proof_ntfs, knows_a_state_in_the_midst_of_a_session)
{
    state_log.last = 0;
    ntfs_image_log_restart(s.made_on, &state_log, false); /* of long ago */
    two_layers_begin(&s);
    child_log = below_log = state_log;
    run_child(&child_log);
    cr_expect_word(VX_PROOF_DISK, "its log goes on");
    /* the copy of the last page knows one more record than the page itself */
    ntfs_image_log_copy_tail(s.below, &below_log, below_log.last + 5);
    cr_expect_word(VX_PROOF_DISK, "only its id differs: nothing below is later than the child's first change (newest "
                                  "change 2019-04-17 18:43:59 UTC, the child began to write at 2019-04-17 18:56:40 UTC "
                                  "or before)");
}

Test(proof_ntfs, refutes_a_parent_that_was_written_to_since)
{
    change(s.below, &below_log, 35, 235, 2000); /* a file that the child has not changed */
    cr_expect_word(VX_PROOF_OTHER, "files were written to the parent since (newest change 2019-");
    scene(true);
    change(s.below, &below_log, 31, 231, 2000); /* one that it has changed as well */
    change(s.below, &below_log, 32, 232, 2000);
    cr_expect_word(VX_PROOF_OTHER, "written to the parent since");
    scene(true);
    change(s.below, &below_log, 36, 236, 990); /* before the child began: only the log knows */
    cr_expect_word(VX_PROOF_DOUBT, "by the numbers of its log");
    scene(true);
    for (unsigned i = 0; i < 5; i++)
        change(s.below, &below_log, 36, 236, 990 + i);
    cr_expect_word(VX_PROOF_DOUBT, "by the numbers of its log");
}

/* What came last below is missing in an older copy, and the child's log does not go on there. */
Test(proof_ntfs, sees_what_an_earlier_state_lacks)
{
    memset(s.below, 0, s.size);
    ntfs_image_make(s.below, 1, NTFS_IMAGE_TIME(100));
    struct ntfs_image_log log = ntfs_image_log_make(s.below);
    for (unsigned i = 30; i < 39; i++)
        change(s.below, &log, i, 200 + i, 200 + i);
    cr_expect_word(VX_PROOF_OTHER, "the first of them 39"); /* the child's bitmap knows a file more */
    memcpy(s.child + NTFS_IMAGE_BITMAP, s.made_on + NTFS_IMAGE_BITMAP, 512);
    memcpy(s.child + ntfs_image_record(40), s.made_on + ntfs_image_record(40), 1024);
    memset(s.held, 0, s.size / 512 * sizeof *s.held); /* a child that has made no file */
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
}

Test(proof_ntfs, says_nothing_of_a_log_that_has_gone_round)
{
    for (unsigned i = 0; i < 40 * 50; i++)
        ntfs_image_log_add(s.child, &child_log, (uint8_t)i);
    ntfs_image_log_restart(s.child, &child_log, true);
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
}

Test(proof_ntfs, goes_by_what_can_be_read)
{
    s.bad = NTFS_IMAGE_LOG + 9 * 4096;
    cr_expect_word(VX_PROOF_DISK, "not all of it could be looked at");
    s.bad = ntfs_image_record(50);
    cr_expect_word(VX_PROOF_NONE, "too little");
    s.bad = ntfs_image_record(0);
    cr_expect_word(VX_PROOF_NONE, "cannot be read");
}

/* A log that was made anew may begin with lower numbers than file records have. */
Test(proof_ntfs, does_not_count_numbers_beyond_the_end_of_the_log)
{
    struct ntfs_image_file file = {1, UINT64_C(1) << 40, NTFS_IMAGE_TIME(235), NTFS_IMAGE_TIME(235), true};
    ntfs_image_write(s.made_on, 33, &file);
    two_layers_begin(&s);
    child_log = state_log;
    run_child(&child_log);
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
    change(s.below, NULL, 36, 236, 2000);
    cr_expect_word(VX_PROOF_OTHER, "files were written to the parent since");
}

/* ---- without ----------------------------------------------------------------------------------------------------- */

Test(proof_ntfs, says_of_a_volume_without_a_log_what_times_tell)
{
    scene(false);
    cr_expect_word(VX_PROOF_DISK, "only its id differs: nothing below is later than the child's first change");
    change(s.below, NULL, 36, 236, 2000);
    cr_expect_word(VX_PROOF_OTHER, "files were written to the parent since");
    scene(false);
    change(s.below, NULL, 31, 231, 2000);
    cr_expect_word(VX_PROOF_OTHER, "1 is later below");
    scene(false);
    change(s.below, NULL, 40, 900, 2000); /* a new file in the place of the child's */
    cr_expect_word(VX_PROOF_OTHER, "1 is later below");
}

Test(proof_ntfs, counts_writes_of_a_record_that_has_no_time)
{
    scene(false);
    change(s.child, NULL, 6, 100, 100);
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
    for (unsigned i = 0; i < 3; i++)
        change(s.below, NULL, 6, 100, 100);
    s.below[ntfs_image_record(6) + 0x200] ^= 1;
    cr_expect_word(VX_PROOF_OTHER, "1 is later below");
}

Test(proof_ntfs, takes_a_file_from_an_archive_for_no_beginning)
{
    scene(false);
    struct ntfs_image_file old = {2, 0, NTFS_IMAGE_TIME(1003), NTFS_IMAGE_TIME(5), true};
    ntfs_image_write(s.child, 41, &old); /* its name is as old as it is there */
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
}

/* ---- the bitmap, and what is torn -------------------------------------------------------------------------------- */

Test(proof_ntfs, sees_files_of_which_the_other_layer_knows_nothing)
{
    scene(false);
    change(s.below, NULL, 45, 990, 990); /* before the child began, so that no time tells */
    cr_expect_word(VX_PROOF_OTHER, "of 1 file records, the first of them 45");
    ntfs_image_bit(s.below, 45, false); /* damage below */
    cr_expect_word(VX_PROOF_DOUBT, "the first of them 45");
    scene(false);
    change(s.below, NULL, 45, 990, 990);
    ntfs_image_dirty(s.child, true); /* not unmounted: nothing has to fit */
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
}

Test(proof_ntfs, doubts_a_record_of_which_each_layer_has_a_part)
{
    scene(false);
    memcpy(s.child + ntfs_image_record(31) + 512, s.made_on + ntfs_image_record(31) + 512, 512);
    cr_expect_word(VX_PROOF_DOUBT, "is torn");
}

/* ---- another disk ------------------------------------------------------------------------------------------------ */

Test(proof_ntfs, knows_another_disk)
{
    change(s.child, &child_log, 5, 100, 1003); /* the root of the volume */
    cr_expect_word(VX_PROOF_DISK, "its log goes on");
    memset(s.below, 0, s.size);
    ntfs_image_make(s.below, 1, NTFS_IMAGE_TIME(101)); /* a clone of the image that it was made from, say */
    cr_expect_word(VX_PROOF_OTHER, "it is another disk: its own file record 5 was made at 2019-");
    scene(true);
    s.child[0x50] = 1;
    s.below[0x48] ^= 1;
    cr_expect_word(VX_PROOF_DOUBT, "another serial number");
    memset(s.below, 0, s.size);
    cr_expect_word(VX_PROOF_NONE, "below there is no such file system");
}

Test(proof_ntfs, says_nothing_when_too_little_lies_in_both)
{
    memcpy(s.child, s.made_on, s.size);
    cr_expect_word(VX_PROOF_NONE, "too little");
    memset(s.held, 1, s.size / 512);
    memset(s.below, 0, s.size);
    cr_expect_word(VX_PROOF_NONE, "below there is no such file system");
}

Test(proof_ntfs, ends_when_it_is_told_to)
{
    s.steps_left = 0;
    cr_expect_word(VX_PROOF_NONE, "");
    cr_expect_lt(s.bytes_read, s.size);
}
