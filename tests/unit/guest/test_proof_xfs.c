/*
 * What an XFS file system of two layers says of them, on a small one made by hand: superblock, headers of two groups,
 * and a log.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "two_layers.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "guest/proof_xfs.h"
#include "guest/xfs.h"

#define BLOCK 4096u
#define GROUP 64u /* blocks */
#define LOG (16 * BLOCK)
#define LSN(cycle, block) ((uint64_t)(cycle) << 32 | (block))

static struct two_layers s;

static void put(uint8_t *p, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        p[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static void seal(uint8_t *p, unsigned at)
{
    vx_put32(p + at, vx_crc32c_without(p, 512, at));
}

static void super(uint8_t *bytes, uint8_t id)
{
    memcpy(bytes, "XFSB", 4);
    put(bytes + 4, BLOCK, 4);
    put(bytes + 8, 2 * GROUP, 8);
    memset(bytes + 32, id, 16);
    put(bytes + 48, 16, 8);
    put(bytes + 84, GROUP, 4);
    put(bytes + 88, 2, 4);
    put(bytes + 96, 16, 4);
    put(bytes + 100, 0xB4A5, 2);
    put(bytes + 102, 512, 2);
    bytes[124] = 6;
    seal(bytes, 224);
}

static void header(uint8_t *bytes, unsigned group, enum vx_xfs_header kind, uint8_t id, uint64_t lsn)
{
    static const char *const magics[] = {"XFSB", "XAGF", "XAGI", "XAFL"};
    static const unsigned uuid[] = {32, 64, 296, 8}, place[] = {240, 208, 320, 24}, sum[] = {224, 216, 312, 32};
    uint8_t *p = bytes + group * GROUP * BLOCK + kind * 512;
    memcpy(p, magics[kind], 4);
    memset(p + uuid[kind], id, 16);
    put(p + place[kind], lsn, 8);
    seal(p, sum[kind]);
}

static void record(uint8_t *bytes, uint32_t cycle, uint32_t block)
{
    uint8_t *p = bytes + LOG + block * 512;
    put(p, 0xFEEDBABE, 4);
    put(p + 4, cycle, 4);
    put(p + 16, LSN(cycle, block), 8);
}

static void make(uint8_t *bytes, uint8_t id)
{
    super(bytes, id);
    for (unsigned group = 0; group < 2; group++)
        for (unsigned kind = VX_XFS_FREE_SPACE; kind < VX_XFS_HEADERS; kind++)
            header(bytes, group, (enum vx_xfs_header)kind, id, LSN(1, 2));
    for (unsigned i = 0; i < 10; i++)
        record(bytes, 1, i);
}

/* A session: three records, and what they change. */
static void session(uint8_t *bytes, uint32_t from)
{
    for (uint32_t i = 0; i < 3; i++)
        record(bytes, 1, from + i);
    header(bytes, 0, VX_XFS_FREE_SPACE, 1, LSN(1, from + 1));
    header(bytes, 0, VX_XFS_INODES, 1, LSN(1, from + 2));
}

static void scene(void)
{
    memset(s.made_on, 0, s.size);
    make(s.made_on, 1);
    two_layers_begin(&s);
    session(s.child, 10);
}

static void setup(void)
{
    two_layers_make(&s, 2 * GROUP * BLOCK);
    scene();
}

static void teardown(void)
{
    two_layers_free(&s);
}

TestSuite(proof_xfs, .init = setup, .fini = teardown);

static struct vx_fs_proof ask(void)
{
    struct vx_fs_proof proof;
    two_layers_stack(&s);
    cr_assert_eq(vx_prove_by_xfs(&(struct vx_volume){&s.views, 0, s.size}, &proof, NULL), VHDX_OK);
    cr_expect_leq(s.bytes_read, 4 * s.size);
    return proof;
}

#define cr_expect_word(expected, part)                                                                                 \
    do {                                                                                                               \
        struct vx_fs_proof said_ = ask();                                                                              \
        cr_expect_eq(said_.word, expected, "%d: %s", said_.word, said_.text);                                          \
        cr_expect(strstr(said_.text, part), "%s", said_.text);                                                         \
    } while (0)

Test(proof_xfs, sees_nothing_against_the_right_one)
{
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
}

Test(proof_xfs, refutes_one_that_was_written_to_since)
{
    session(s.below, 10); /* the same numbers, which are used once */
    s.below[LOG + 10 * 512 + 100] = 9;
    cr_expect_word(VX_PROOF_OTHER, "files were written to the parent since: its log has come to 1:12 below");
    scene();
    record(s.below, 1, 10);
    s.below[LOG + 10 * 512 + 32] = 9; /* the checksum of other content */
    cr_expect_word(VX_PROOF_OTHER, "its log has come to 1:10 below, and the child goes on from before, with 1:10");
    scene();
    header(s.below, 1, VX_XFS_INODES, 1, LSN(2, 5)); /* its log has gone round */
    cr_expect_word(VX_PROOF_OTHER, "files were written to the parent since");
    scene();
    header(s.below, 0, VX_XFS_INODES, 1, LSN(1, 40));
    cr_expect_word(VX_PROOF_OTHER, "files were written to the parent since");
}

Test(proof_xfs, knows_another_disk)
{
    memset(s.below, 0, s.size);
    make(s.below, 2);
    cr_expect_word(VX_PROOF_OTHER, "it is another disk");
    memcpy(s.child, s.made_on, s.size);
    super(s.child, 3); /* the id was changed, or only this sector is the child's */
    memset(s.held, 0, s.size / 512 * sizeof *s.held);
    cr_expect_word(VX_PROOF_DOUBT, "another id below");
    memset(s.below, 0, s.size);
    cr_expect_word(VX_PROOF_NONE, "below there is no such file system");
}

Test(proof_xfs, takes_copies_of_what_is_below_for_no_change)
{
    for (unsigned i = 0; i < 10; i++)
        s.held[LOG / 512 + i] = true;
    cr_expect_word(VX_PROOF_DISK, "only its id differs");
}

Test(proof_xfs, goes_by_what_can_be_read)
{
    s.bad = 512 + 5;
    cr_expect_word(VX_PROOF_NONE, "too few");
    s.bad = 5;
    cr_expect_word(VX_PROOF_NONE, "not one of version 5, or is damaged");
    s.bad = 0;
    s.steps_left = 0;
    cr_expect_word(VX_PROOF_NONE, "");
}

Test(proof_xfs, takes_no_superblock_that_makes_no_sense)
{
    static const struct {
        unsigned at, size;
        uint64_t value;
    } senseless[] = {{4, 4, 5000}, {4, 4, 131072},    {102, 2, 8192},   {84, 4, 0},   {88, 4, 0},        {96, 4, 60},
                     {48, 8, 128}, {48, 8, 127 << 1}, {100, 2, 0xB4A4}, {124, 1, 40}, {8, 8, UINT64_MAX}};
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++) {
        struct vx_xfs_super decoded;
        memset(s.made_on, 0, s.size);
        make(s.made_on, 1);
        cr_assert(vx_xfs_super_decode(vx_bytes_of(s.made_on, 4096), &decoded));
        put(s.made_on + senseless[i].at, senseless[i].value, senseless[i].size);
        seal(s.made_on, 224);
        cr_expect_not(vx_xfs_super_decode(vx_bytes_of(s.made_on, 4096), &decoded), "%zu", i);
    }
}
