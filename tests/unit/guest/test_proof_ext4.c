/*
 * What an ext4 file system of two layers says of them, on file systems made by hand. Each test has a state, what a
 * child makes of it, and a candidate that may be another state; the child holds the sectors in which it differs from
 * the state that it was made on.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ext4_image.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "guest/ext4.h"
#include "guest/proof_ext4.h"

#define SECTOR 512u

static uint8_t made_on[EXT4_IMAGE_SIZE]; /* the state that the child was made on */
static uint8_t child[EXT4_IMAGE_SIZE];   /* what the machine read in the end */
static uint8_t below[EXT4_IMAGE_SIZE];   /* the candidate */
static uint8_t whole[EXT4_IMAGE_SIZE];   /* the child on the candidate */
static bool held[EXT4_IMAGE_SIZE / SECTOR];
static uint64_t bad; /* a place that cannot be read; 0 = none */
static uint64_t bytes_read;
static unsigned steps_left = UINT32_MAX;

static bool read_bytes(void *context, bool is_below, void *buf, size_t length, uint64_t offset)
{
    (void)context;
    bytes_read += length;
    if (offset > EXT4_IMAGE_SIZE || length > EXT4_IMAGE_SIZE - offset ||
        (bad && bad >= offset && bad - offset < length))
        return false;
    memcpy(buf, (is_below ? below : whole) + offset, length);
    return true;
}

static bool who_says(void *context, uint64_t offset, uint64_t limit, bool *is_child, uint64_t *length)
{
    uint64_t end = offset, rest;
    (void)context;
    if (offset > EXT4_IMAGE_SIZE || limit > EXT4_IMAGE_SIZE - offset)
        return false;
    *is_child = held[offset / SECTOR];
    while (end < offset + limit && held[end / SECTOR] == *is_child)
        end = (end / SECTOR + 1) * SECTOR;
    rest = end - offset;
    *length = rest < limit ? rest : limit;
    return true;
}

static bool go_on(void *context)
{
    (void)context;
    return steps_left-- > 0;
}

/* Puts the child on the candidate. */
static struct vx_fs_proof ask(void)
{
    const struct vx_two_views views = {NULL, read_bytes, who_says, go_on};
    struct vx_fs_proof proof;
    for (size_t i = 0; i < EXT4_IMAGE_SIZE / SECTOR; i++) {
        held[i] = held[i] || memcmp(child + i * SECTOR, made_on + i * SECTOR, SECTOR) != 0;
        memcpy(whole + i * SECTOR, (held[i] ? child : below) + i * SECTOR, SECTOR);
    }
    bytes_read = 0;
    cr_assert_eq(vx_prove_by_ext4(&(struct vx_volume){&views, 0, EXT4_IMAGE_SIZE}, &proof, NULL), VHDX_OK);
    cr_expect_leq(bytes_read, 4 * EXT4_IMAGE_SIZE);
    cr_expect_eq(proof.text[0] == '\0', proof.word == VX_PROOF_NONE);
    return proof;
}

#define cr_expect_word(expected, part)                                                                                 \
    do {                                                                                                               \
        struct vx_fs_proof said_ = ask();                                                                              \
        cr_expect_eq(said_.word, expected, "%d: %s (%u fit, %u do not)", said_.word, said_.text, said_.matches,        \
                     said_.mismatches);                                                                                \
        cr_expect(strstr(said_.text, part), "%s", said_.text);                                                         \
    } while (0)

/* A session of a machine: group 2 changes, two transactions, unmounted at that time. */
static void session(uint8_t *bytes, uint32_t first, uint32_t time, uint8_t value)
{
    ext4_image_change(bytes, 2, value);
    ext4_image_commit(bytes, 1, first, time);
    ext4_image_commit(bytes, 3, first + 1, time);
    ext4_image_journal(bytes, first + 3, 0);
    ext4_image_super(bytes, time, time / 10, false);
}

/* A child of the first state, with what it wrote, on that state. */
static void scene(void)
{
    memset(made_on, 0, sizeof made_on);
    memset(held, 0, sizeof held);
    bad = 0;
    ext4_image_make(made_on, 7);
    memcpy(child, made_on, sizeof child);
    session(child, EXT4_IMAGE_FIRST + 1, 2000, 5);
    memcpy(below, made_on, sizeof below);
}

TestSuite(proof_ext4, .init = scene);

/* ---- what fits --------------------------------------------------------------------------------------------------- */

Test(proof_ext4, knows_the_state_whose_journal_the_child_goes_on_with)
{
    cr_expect_word(VX_PROOF_STATE, "goes on in the child with transaction 101");
    memcpy(child, made_on, sizeof child);
    session(child, EXT4_IMAGE_FIRST, 2000, 5); /* as e2fsprogs count */
    cr_expect_word(VX_PROOF_STATE, "goes on in the child with transaction 100");
}

/* The machine was running when the child was made, and went on. */
Test(proof_ext4, knows_a_state_in_the_midst_of_a_session)
{
    ext4_image_commit(made_on, 1, 101, 1500);
    ext4_image_commit(made_on, 3, 102, 1501);
    ext4_image_journal(made_on, 101, 1);
    ext4_image_super(made_on, 1500, 110, true);
    memcpy(child, made_on, sizeof child);
    memcpy(below, made_on, sizeof below);
    ext4_image_change(child, 2, 5);
    ext4_image_commit(child, 5, 103, 1600);
    ext4_image_journal(child, 105, 0);
    ext4_image_super(child, 1700, 120, false);
    cr_expect_word(VX_PROOF_STATE, "with transaction 103");
    ext4_image_commit(below, 5, 103, 1590); /* it went on here too */
    cr_expect_word(VX_PROOF_OTHER, "come to transaction 103");
    memcpy(below, made_on, sizeof below);
    memset(below + (EXT4_IMAGE_JOURNAL + 3) * EXT4_IMAGE_BLOCK, 0, 2 * EXT4_IMAGE_BLOCK); /* a moment before */
    cr_expect_word(VX_PROOF_DISK, "bitmaps");
}

Test(proof_ext4, knows_only_the_disk_when_the_journal_does_not_follow)
{
    memcpy(child, made_on, sizeof child);
    session(child, EXT4_IMAGE_FIRST + 2, 2000, 5);
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
    scene();
    /* a program has changed it, unmounted, after the child's first transaction */
    ext4_image_super(below, 2001, 100, false);
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
    scene();
    ext4_image_commit(child, 1, EXT4_IMAGE_FIRST + 1, 0); /* the time is not known */
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
    ext4_image_commit(child, 1, EXT4_IMAGE_FIRST + 1, UINT64_MAX / 3); /* makes no sense */
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
    /* as debugfs writes it; before the state was left */
    ext4_image_commit(child, 1, EXT4_IMAGE_FIRST + 1, (uint64_t)999 << 32);
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
    ext4_image_commit(child, 1, EXT4_IMAGE_FIRST + 1, (uint64_t)2000 << 32);
    cr_expect_word(VX_PROOF_STATE, "goes on");
    scene();
    memcpy(child + EXT4_IMAGE_JOURNAL * EXT4_IMAGE_BLOCK, made_on + EXT4_IMAGE_JOURNAL * EXT4_IMAGE_BLOCK,
           EXT4_IMAGE_JOURNAL_BLOCKS * EXT4_IMAGE_BLOCK); /* no journal was written */
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
}

/* A merge of former layers may have left blocks of the state itself in the child. */
Test(proof_ext4, takes_copies_of_older_transactions_for_nothing)
{
    ext4_image_commit(made_on, 20, 90, 900);
    memcpy(child, made_on, sizeof child);
    memcpy(below, made_on, sizeof below);
    session(child, EXT4_IMAGE_FIRST + 1, 2000, 5);
    uint64_t copy = (EXT4_IMAGE_JOURNAL + 20) * EXT4_IMAGE_BLOCK / SECTOR;
    for (size_t i = 0; i < 4; i++)
        held[copy + i] = true;
    cr_expect_word(VX_PROOF_STATE, "with transaction 101");
}

Test(proof_ext4, says_nothing_when_too_little_lies_in_both)
{
    memcpy(child, made_on, sizeof child);
    cr_expect_word(VX_PROOF_NONE, "");
    for (size_t i = 0; i < EXT4_IMAGE_SIZE / SECTOR; i++)
        held[i] = true;
    cr_expect_word(VX_PROOF_NONE, "");
    memset(below, 0, sizeof below); /* all is the child's */
    cr_expect_word(VX_PROOF_NONE, "");
}

Test(proof_ext4, counts_bitmaps_of_zeros_for_nothing)
{
    for (unsigned group = 0; group < EXT4_IMAGE_GROUPS; group++) {
        ext4_image_change(made_on, group, 0);
        memset(made_on + ext4_image_bitmap(group, true), 0, EXT4_IMAGE_BLOCK);
        memset(made_on + ext4_image_bitmap(group, false), 0, EXT4_IMAGE_BLOCK);
        uint8_t *p = made_on + ext4_image_descriptor(group);
        uint32_t seed = ~vx_crc32c(0, made_on + 1024 + 0x68, 16), sums[2];
        static const uint8_t zeros[EXT4_IMAGE_PER_GROUP / 8];
        sums[0] = ~vx_crc32c(~seed, zeros, EXT4_IMAGE_PER_GROUP / 8);
        sums[1] = ~vx_crc32c(~seed, zeros, EXT4_IMAGE_INODES / 8);
        for (unsigned i = 0; i < 2; i++) {
            vx_put16(p + 0x18 + 2 * i, (uint16_t)sums[i]);
            vx_put16(p + 0x38 + 2 * i, (uint16_t)(sums[i] >> 16));
        }
        ext4_image_seal_group(made_on, group);
    }
    memcpy(child, made_on, sizeof child);
    memcpy(below, made_on, sizeof below);
    session(child, EXT4_IMAGE_FIRST + 1, 2000, 5);
    struct vx_fs_proof proof = ask();
    cr_expect_eq(proof.word, VX_PROOF_NONE, "%s", proof.text);
    cr_expect_eq(proof.matches + proof.mismatches, 0);
}

/* ---- what does not
 * ------------------------------------------------------------------------------------------------ */

Test(proof_ext4, refutes_a_later_state)
{
    session(below, EXT4_IMAGE_FIRST + 1, 1500, 9); /* in the same group, which the child hides */
    cr_expect_word(VX_PROOF_OTHER, "come to transaction 104 below");
    scene();
    ext4_image_change(below, 3, 9); /* whose descriptor lies in one sector with that of group 2 */
    cr_expect_word(VX_PROOF_OTHER, "the block bitmap of group 3 has not the checksum");
    scene();
    ext4_image_super(below, 1000, 201, false);
    cr_expect_word(VX_PROOF_OTHER, "201 KiB were written");
}

Test(proof_ext4, refutes_an_earlier_state_with_other_bitmaps)
{
    ext4_image_change(made_on, 3, 9);
    memcpy(child, made_on, sizeof child);
    session(child, EXT4_IMAGE_FIRST + 1, 2000, 5);
    cr_expect_word(VX_PROOF_OTHER, "of group 3");
    uint8_t *p = below + ext4_image_descriptor(3); /* there the group was not in use yet */
    vx_put16(p + 0x12, 3);
    ext4_image_seal_group(below, 3);
    memset(below + ext4_image_bitmap(3, true), 0, EXT4_IMAGE_BLOCK);
    memset(below + ext4_image_bitmap(3, false), 0, EXT4_IMAGE_BLOCK);
    cr_expect_word(VX_PROOF_OTHER, "of group 3");
}

Test(proof_ext4, refutes_another_file_system)
{
    memset(below, 0, sizeof below);
    ext4_image_make(below, 8);
    cr_expect_word(VX_PROOF_DOUBT, "has another id below"); /* its bitmaps are the same: both are new and alike */
    ext4_image_change(below, 3, 9);
    cr_expect_word(VX_PROOF_OTHER, "the block bitmap of group 3");
    scene();
    memset(below, 0, sizeof below);
    ext4_image_make(below, 8);
    memcpy(child, made_on, sizeof child);
    ext4_image_super(child, 2000, 200, false); /* and nothing else */
    cr_expect_word(VX_PROOF_OTHER, "the descriptor of group 0");
}

Test(proof_ext4, doubts_what_may_be_damage)
{
    below[ext4_image_bitmap(3, true) + 7] ^= 1; /* it does not fit its own descriptor there */
    cr_expect_word(VX_PROOF_DOUBT, "the block bitmap of group 3");
    scene();
    memset(below, 0, sizeof below); /* nothing is there that could be another state */
    cr_expect_word(VX_PROOF_DOUBT, "of group");
    scene();
    ext4_image_change(below, 3, 9);
    child[ext4_image_bitmap(2, true) + 7] ^= 1; /* the child itself is damaged, too */
    cr_expect_word(VX_PROOF_DOUBT, "of group");
    scene();
    memcpy(child, made_on, sizeof child);
    vx_put32(child + 1024 + 0x0C, 81);
    ext4_image_seal(child);
    cr_expect_word(VX_PROOF_DOUBT, "what its superblock");
}

/* ---- what cannot be judged
 * ---------------------------------------------------------------------------------------- */

Test(proof_ext4, says_nothing_while_a_journal_is_to_be_replayed)
{
    ext4_image_super(child, 2000, 200, true);
    cr_expect_word(VX_PROOF_NONE, "");
    ext4_image_change(below, 3, 9);
    cr_expect_word(VX_PROOF_NONE, "");
    session(below, EXT4_IMAGE_FIRST + 1, 1500, 9);
    cr_expect_word(VX_PROOF_NONE, "");
}

Test(proof_ext4, passes_over_bitmaps_that_were_never_written)
{
    uint8_t *p = made_on + ext4_image_descriptor(3);
    vx_put16(p + 0x12, 3);
    ext4_image_seal_group(made_on, 3);
    made_on[ext4_image_bitmap(3, true)] ^= 1;
    made_on[ext4_image_bitmap(3, false)] ^= 1;
    memcpy(child, made_on, sizeof child);
    memcpy(below, made_on, sizeof below);
    session(child, EXT4_IMAGE_FIRST + 1, 2000, 5);
    cr_expect_word(VX_PROOF_STATE, "goes on");
}

Test(proof_ext4, claims_no_state_when_a_part_cannot_be_read)
{
    bad = ext4_image_bitmap(3, true) + 5;
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
    bad = (EXT4_IMAGE_JOURNAL + 3) * EXT4_IMAGE_BLOCK;
    cr_expect_word(VX_PROOF_DISK, "of its bitmaps");
    bad = 1024 + 5;
    cr_expect_word(VX_PROOF_NONE, "");
}

Test(proof_ext4, ends_when_it_is_told_to)
{
    steps_left = 0;
    cr_expect_word(VX_PROOF_NONE, "");
    cr_expect_lt(bytes_read, 64 * 1024);
    steps_left = UINT32_MAX;
}

/* Superblocks whose numbers make no sense are none, whatever their checksum. */
Test(proof_ext4, takes_no_superblock_that_makes_no_sense)
{
    static const struct {
        unsigned at, size;
        uint32_t value;
    } senseless[] = {{0x18, 4, 7},  {0x20, 4, 0},     {0x20, 4, 1020},   {0x20, 4, 16384},
                     {0x28, 4, 0},  {0x28, 4, 70000}, {0x14, 4, 0x8000}, {0xFE, 2, 32},
                     {0xFE, 2, 96}, {0xFE, 2, 2048},  {0x38, 2, 0xEF54}};
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++) {
        struct vx_ext4_super super;
        scene();
        cr_assert(vx_ext4_super_decode(vx_bytes_of(made_on + 1024, 1024), &super));
        if (senseless[i].size == 2)
            vx_put16(made_on + 1024 + senseless[i].at, (uint16_t)senseless[i].value);
        else
            vx_put32(made_on + 1024 + senseless[i].at, senseless[i].value);
        ext4_image_seal(made_on);
        cr_expect_not(vx_ext4_super_decode(vx_bytes_of(made_on + 1024, 1024), &super), "%zu", i);
        cr_expect_not(vx_ext4_super_decode(vx_bytes_of(made_on + 1024, 1023), &super));
    }
}

Test(proof_ext4, counts_transactions_around_their_end)
{
    cr_expect(vx_ext4_is_later(1, UINT32_MAX));
    cr_expect_not(vx_ext4_is_later(UINT32_MAX, 1));
    cr_expect_not(vx_ext4_is_later(5, 5));
    cr_expect(vx_ext4_is_later(6, 5));
    ext4_image_journal(made_on, UINT32_MAX, 0);
    memcpy(child, made_on, sizeof child);
    memcpy(below, made_on, sizeof below);
    session(child, 0, 2000, 5);
    cr_expect_word(VX_PROOF_STATE, "with transaction 0 ");
}
