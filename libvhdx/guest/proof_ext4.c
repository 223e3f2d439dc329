/*
 * What ext4 says about two layers. See proof_ext4.h. All of it only when the file system, through the child, was
 * unmounted cleanly: with a journal that is yet to be replayed nothing has to fit. What holds:
 *
 *  E1  A structure counts when it consists of two parts of which the child has one and the layers below the other: a
 *      bitmap and the descriptor that records its checksum, a descriptor and the superblock whose seed its checksum
 *      begins with. Zeros count for nothing that fits.
 *  E2  DISK: at least two of them fit, none does not, the superblock below bears the same id, and the free blocks and
 *      inodes of all groups add up to what the superblock says.
 *      A file system without metadata_csum binds them by the numbers of what is free only, and gives no more.
 *  E3  STATE: besides E2 the journal goes on in the child where it ends below. The number of a transaction is never
 *      used twice, every mount and unmount uses up one, and the oldest transaction that the child has written follows
 *      the last one below. A journal that has gone round since does not show that. Programs that change an unmounted
 *      file system use up none; so the superblock below must not be younger than that transaction.
 *  E4  OTHER: a structure does not fit although the lower layers alone have both parts of it, and there they fit; or
 *      the journal below has gone as far as the child's oldest transaction; or more has been written to the file system
 *      below, over its life, than through the child.
 *  E5  DOUBT: something else does not fit. Descriptors and bitmaps that are wrong within one layer are damage, which
 *      makes E4 a doubt too.
 *
 * Blocks of the child that are the same below may be copies that a former merge has made, so a
 * transaction of the child is one only where the two differ.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/proof_ext4.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/status.h"
#include "guest/ext4.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GROUPS_MAX 16384u          /* 2 TiB with blocks of 4 KiB */
#define SPANNING_MAX (64 * VX_MIB) /* bytes of bitmaps that are in both */
#define WITHIN_MAX VX_MIB          /* of those that are in one */
#define ALONE_MAX 16u              /* structures that do not fit of which the other side is looked at */
#define JOURNAL_MAX 65536u         /* blocks */
#define HEAD 512u                  /* of a block of the journal that is looked at */
#define STEP 64u                   /* groups or blocks between two questions whether to go on */

struct look {
    const struct vx_volume *volume;
    struct vx_ext4_super super, below; /* through the child; without it */
    bool is_there;                     /* below there is a file system, and its superblock is right */
    bool same;                         /* and it is the same */
    struct vx_held super_held;
    uint64_t spanning_read, within_read; /* bytes */
    uint32_t wrong_within;
    bool alone_right; /* of one that does not fit, the lower layers have a pair that does */
    bool unknown;     /* something that might not fit was not looked at */
    bool ended;       /* the caller wants no more */
    struct vx_fs_proof *proof;
    uint8_t bytes[VX_EXT4_BLOCK_MAX];
};

static bool get(const struct look *look, bool below, uint64_t at, void *buf, size_t length)
{
    return vx_volume_get(look->volume, below, at, buf, length);
}

static bool add_held(const struct look *look, uint64_t at, const uint8_t *bytes, size_t length, struct vx_held *held)
{
    return vx_volume_held(look->volume, at, bytes, length, held);
}

static bool go_on(const struct look *look)
{
    return look->volume->views->go_on(look->volume->views->context);
}

static void say_mismatch(struct look *look, const char *what, uint32_t group)
{
    if (look->proof->mismatches++ == 0)
        snprintf(look->proof->text, sizeof look->proof->text,
                 "the %s of group %" PRIu32 " has not the %s that another structure, in the other layer, calls for",
                 what, group, look->super.bitmaps_summed ? "checksum" : "number of free bits");
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

/* The descriptor of that group in the lower layers alone, where it is right. */
static bool get_below(struct look *look, uint32_t group, struct vx_ext4_group *below)
{
    uint8_t bytes[VX_EXT4_DESCRIPTOR_MAX];
    uint32_t size = look->below.descriptor_size;
    return look->is_there && group < look->below.group_count &&
           get(look, true, vx_ext4_descriptor_place(&look->below, group), bytes, size) &&
           vx_ext4_group_decode(vx_bytes_of(bytes, size), &look->below, group, below) && below->checksum_right;
}

struct bitmap {
    const char *name;
    uint64_t block;
    uint32_t size, sum;
    uint64_t free;
    bool unused, of_blocks;
};

static struct bitmap block_bitmap(const struct vx_ext4_super *super, const struct vx_ext4_group *group)
{
    return (struct bitmap){"block bitmap",
                           group->block_bitmap,
                           vx_ext4_block_bitmap_size(super),
                           group->block_sum,
                           group->free_blocks,
                           group->blocks_unused,
                           true};
}

static struct bitmap inode_bitmap(const struct vx_ext4_super *super, const struct vx_ext4_group *group)
{
    return (struct bitmap){"inode bitmap",
                           group->inode_bitmap,
                           vx_ext4_inode_bitmap_size(super),
                           group->inode_sum,
                           group->free_inodes,
                           group->inodes_unused,
                           false};
}

static bool fits(const struct look *look, const struct vx_ext4_super *super, const struct vx_ext4_group *group,
                 const struct bitmap *bitmap)
{
    if (!super->bitmaps_summed)
        return vx_ext4_bitmap_free(vx_bytes_of(look->bytes, bitmap->size)) == bitmap->free;
    uint32_t sum = vx_ext4_bitmap_sum(vx_bytes_of(look->bytes, bitmap->size), super);
    return (sum & group->sum_mask) == bitmap->sum;
}

/* Whether the lower layers alone have the descriptor and this bitmap, and there they fit: then they are whole, and
 * others. */
static bool stands_alone(struct look *look, uint32_t number, bool of_blocks)
{
    struct vx_ext4_group group;
    if (!get_below(look, number, &group))
        return false;
    struct bitmap bitmap = of_blocks ? block_bitmap(&look->below, &group) : inode_bitmap(&look->below, &group);
    return bitmap.unused || (bitmap.block < look->below.blocks &&
                             get(look, true, bitmap.block * look->below.block_size, look->bytes, bitmap.size) &&
                             fits(look, &look->below, &group, &bitmap));
}

/* Whether there is anything left of what may be read of bitmaps of this kind. */
static bool may_read(struct look *look, const struct vx_held *held, uint32_t size)
{
    bool spanning = held->child && held->below;
    uint64_t *read = spanning ? &look->spanning_read : &look->within_read;
    bool may = *read + size <= (spanning ? SPANNING_MAX : WITHIN_MAX);
    if (may)
        *read += size;
    look->unknown = look->unknown || (spanning && !may);
    return may;
}

static void look_at_bitmap(struct look *look, uint32_t number, const struct vx_ext4_group *group, struct vx_held held,
                           const struct bitmap *bitmap)
{
    struct vx_held who = held;
    uint64_t place = bitmap->block * look->super.block_size;
    if (bitmap->unused)
        return;
    if (bitmap->block >= look->super.blocks) {
        look->wrong_within++;
        return;
    }
    memset(look->bytes, 0, bitmap->size);
    bool known = add_held(look, place, look->bytes, bitmap->size, &who);
    if (known && !may_read(look, &who, bitmap->size))
        return;
    if (!known || !get(look, false, place, look->bytes, bitmap->size) ||
        !add_held(look, place, look->bytes, bitmap->size, &held)) {
        look->unknown = true;
        return;
    }
    bool right = fits(look, &look->super, group, bitmap);
    if (held.child && held.below) { /* E1 */
        if (!right) {
            say_mismatch(look, bitmap->name, number);
            if (!look->alone_right && look->proof->mismatches <= ALONE_MAX)
                look->alone_right = stands_alone(look, number, bitmap->of_blocks);
        } else if (held.child_means && held.below_means) {
            look->proof->matches++;
        }
    } else if (!right) {
        look->wrong_within++;
    }
}

/* A descriptor whose checksum is wrong: another file system's, or damage. */
static void look_at_wrong_descriptor(struct look *look, uint32_t number, const struct vx_held *held)
{
    struct vx_ext4_group group;
    if (!(held->child && look->super_held.below) && !(held->below && look->super_held.child)) {
        look->wrong_within++;
        return;
    }
    say_mismatch(look, "descriptor", number);
    look->alone_right = look->alone_right || get_below(look, number, &group);
}

struct sums {
    uint64_t free_blocks, free_inodes;
    bool all, spanning;
};

static void look_at_group(struct look *look, uint32_t number, struct sums *sums)
{
    const struct vx_ext4_super *super = &look->super;
    uint8_t bytes[VX_EXT4_DESCRIPTOR_MAX];
    struct vx_ext4_group group;
    struct vx_held held = {0};
    uint64_t place = vx_ext4_descriptor_place(super, number);
    if (!get(look, false, place, bytes, super->descriptor_size) ||
        !vx_ext4_group_decode(vx_bytes_of(bytes, super->descriptor_size), super, number, &group) ||
        !add_held(look, place, bytes, super->descriptor_size, &held)) {
        look->unknown = true;
        sums->all = false;
        return;
    }
    if (!group.checksum_right) {
        sums->all = false;
        look_at_wrong_descriptor(look, number, &held);
        return;
    }
    sums->free_blocks += group.free_blocks;
    sums->free_inodes += group.free_inodes;
    sums->spanning = sums->spanning || (held.child && look->super_held.below) || (held.below && look->super_held.child);
    struct bitmap blocks = block_bitmap(super, &group), inodes = inode_bitmap(super, &group);
    look_at_bitmap(look, number, &group, held, &blocks);
    look_at_bitmap(look, number, &group, held, &inodes);
}

/* Whether what the groups have left is what the superblock says. */
static bool add_up(const struct look *look, const struct sums *sums)
{
    return !sums->all || !sums->spanning ||
           (sums->free_blocks * look->super.cluster_blocks == look->super.free_blocks &&
            sums->free_inodes == look->super.free_inodes);
}

static bool look_at_groups(struct look *look)
{
    uint32_t count = (uint32_t)vx_min(look->super.group_count, GROUPS_MAX);
    struct sums sums = {.all = count == look->super.group_count};
    look->unknown = !sums.all;
    for (uint32_t group = 0; group < count && !look->ended; group++) {
        look->ended = group % STEP == 0 && !go_on(look);
        look_at_group(look, group, &sums);
    }
    return add_up(look, &sums);
}

/* ---- journal ---------------------------------------------------------------------------------------------------- */

struct journal {
    struct vx_ext4_journal below;
    bool has_first, has_last;
    uint32_t first;      /* oldest transaction that the child has written */
    uint64_t first_time; /* when it was committed, 0 = the child has not this part of it */
    uint32_t last;       /* newest one that is whole below */
    uint32_t seen;       /* blocks */
};

static void add_first(struct journal *journal, uint32_t sequence, uint64_t commit_time)
{
    if (!journal->has_first || vx_ext4_is_later(journal->first, sequence)) {
        journal->has_first = true;
        journal->first = sequence;
        journal->first_time = 0;
    }
    if (sequence == journal->first && commit_time != 0)
        journal->first_time = commit_time;
}

static void look_at_record(struct look *look, struct journal *journal, uint64_t place, bool child)
{
    uint8_t above[HEAD], below[HEAD];
    uint32_t sequence;
    uint64_t when;
    if (!get(look, true, place, below, sizeof below) || (child && !get(look, false, place, above, sizeof above))) {
        look->unknown = true;
        return;
    }
    if (vx_ext4_record_decode(vx_bytes_of(below, sizeof below), &sequence, &when) == VX_EXT4_RECORD_COMMIT &&
        (!journal->has_last || vx_ext4_is_later(sequence, journal->last))) {
        journal->has_last = true;
        journal->last = sequence;
    }
    if (!child || memcmp(above, below, sizeof above) == 0)
        return;
    enum vx_ext4_record record = vx_ext4_record_decode(vx_bytes_of(above, sizeof above), &sequence, &when);
    if (record != VX_EXT4_RECORD_NONE)
        add_first(journal, sequence, record == VX_EXT4_RECORD_COMMIT ? when : 0);
}

/* Of blocks that the child does not have only a journal that is to be replayed tells something. */
static bool look_at_piece(struct look *look, struct journal *journal, uint64_t place, uint64_t length, bool child)
{
    uint32_t size = look->super.block_size;
    for (uint64_t at = 0; at < length && (child || !journal->below.empty); at += size) {
        look->ended = look->ended || (journal->seen++ % STEP == 0 && !go_on(look));
        if (look->ended || journal->seen > JOURNAL_MAX)
            return false;
        look_at_record(look, journal, place + at, child);
    }
    return true;
}

/* Blocks of the run whose first bytes are the child's, and others, in order. */
static bool look_at_run(struct look *look, struct journal *journal, const struct vx_ext4_run *run)
{
    uint32_t size = look->super.block_size;
    uint64_t place = run->block * size, end = place + (uint64_t)run->count * size;
    while (place < end) {
        bool child;
        uint64_t here;
        if (!vx_volume_who(look->volume, place, end - place, &child, &here))
            return false;
        here = vx_ceil_div(here, size) * size;
        if (!look_at_piece(look, journal, place, vx_min(here, end - place), child))
            return false;
        place += vx_min(here, end - place);
    }
    return true;
}

/* Both have the journal in the same place; what the child says of it is not read, its records are. */
static bool read_journal(struct look *look, struct journal *journal)
{
    uint8_t bytes[VX_EXT4_SUPER_SIZE];
    const struct vx_ext4_super *super = &look->super;
    *journal = (struct journal){0};
    if (!look->same || !super->has_journal || !look->below.has_journal || super->block_size != look->below.block_size ||
        super->journal_runs != look->below.journal_runs)
        return false;
    for (uint32_t i = 0; i < super->journal_runs; i++)
        if (super->journal[i].block != look->below.journal[i].block ||
            super->journal[i].count != look->below.journal[i].count)
            return false;
    if (!get(look, true, super->journal[0].block * super->block_size, bytes, sizeof bytes) ||
        !vx_ext4_journal_decode(vx_bytes_of(bytes, sizeof bytes), &journal->below) ||
        journal->below.block_size != super->block_size)
        return false;
    for (uint32_t i = 0; i < super->journal_runs; i++)
        if (!look_at_run(look, journal, &super->journal[i]))
            return false;
    return journal->has_first && (journal->below.empty || journal->has_last);
}

/* A journal that was closed says what comes next; the kernel begins one later, e2fsprogs there. */
static enum vx_proof_word judge_journal(const struct look *look, const struct journal *journal)
{
    uint32_t next = journal->below.empty ? journal->below.sequence : journal->last + 1;
    if (vx_ext4_is_later(next, journal->first))
        return VX_PROOF_OTHER; /* E4 */
    bool follows = journal->first == next || (journal->below.empty && journal->first == next + 1);
    bool untouched = journal->first_time >= look->below.write_time && look->super.bitmaps_summed;
    return follows && untouched && !look->unknown ? VX_PROOF_STATE : VX_PROOF_NONE; /* E3 */
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

static void say_other(struct look *look, const struct journal *journal)
{
    struct vx_fs_proof *proof = look->proof;
    proof->word = VX_PROOF_OTHER;
    if (journal)
        snprintf(proof->text, sizeof proof->text,
                 "its journal has come to transaction %" PRIu32
                 " below, and the child goes on from before, with %" PRIu32,
                 journal->below.empty ? journal->below.sequence : journal->last, journal->first);
    else
        snprintf(proof->text, sizeof proof->text,
                 "%" PRIu64 " KiB were written to it in its life below, but only %" PRIu64 " through the child",
                 look->below.written_kib, look->super.written_kib);
}

static void say_right(struct look *look, const struct journal *journal)
{
    struct vx_fs_proof *proof = look->proof;
    char more[120] = "";
    proof->word = journal ? VX_PROOF_STATE : VX_PROOF_DISK;
    if (journal)
        snprintf(more, sizeof more,
                 ", and its journal goes on in the child with transaction %" PRIu32 " where it ends below",
                 journal->first);
    snprintf(proof->text, sizeof proof->text, "%" PRIu32 " of its bitmaps have the %s that the other layer records%s",
             proof->matches, look->super.bitmaps_summed ? "checksums" : "numbers of free bits", more);
}

static void judge(struct look *look, bool adds_up)
{
    struct vx_fs_proof *proof = look->proof;
    struct journal journal;
    enum vx_proof_word by_journal = read_journal(look, &journal) ? judge_journal(look, &journal) : VX_PROOF_NONE;
    if (look->ended)
        return;
    if (proof->mismatches > 0) {
        proof->word = look->alone_right && look->wrong_within == 0 ? VX_PROOF_OTHER : VX_PROOF_DOUBT;
    } else if (by_journal == VX_PROOF_OTHER) {
        say_other(look, &journal);
    } else if (look->same && look->below.written_kib > look->super.written_kib) {
        say_other(look, NULL);
    } else if (!adds_up) {
        proof->word = VX_PROOF_DOUBT;
        snprintf(proof->text, sizeof proof->text,
                 "what its groups have left is not what its superblock, in the other layer, says");
        /* two that were made alike, or its id was changed since */
    } else if (look->is_there && !look->same && proof->matches > 0) {
        proof->word = VX_PROOF_DOUBT;
        snprintf(proof->text, sizeof proof->text, "the file system there has another id below");
    } else if (look->same && proof->matches >= 2 && look->wrong_within == 0) { /* E2 */
        say_right(look, by_journal == VX_PROOF_STATE ? &journal : NULL);
    }
}

static bool begin(struct look *look)
{
    uint8_t bytes[VX_EXT4_SUPER_SIZE];
    if (!get(look, false, VX_EXT4_SUPER_OFFSET, bytes, sizeof bytes) ||
        !vx_ext4_super_decode(vx_bytes_of(bytes, sizeof bytes), &look->super) || !look->super.usable ||
        !look->super.clean || look->super.blocks > look->volume->length / look->super.block_size ||
        !add_held(look, VX_EXT4_SUPER_OFFSET, bytes, sizeof bytes, &look->super_held))
        return false;
    look->is_there = get(look, true, VX_EXT4_SUPER_OFFSET, bytes, sizeof bytes) &&
                     vx_ext4_super_decode(vx_bytes_of(bytes, sizeof bytes), &look->below) && look->below.usable &&
                     look->below.bitmaps_summed == look->super.bitmaps_summed;
    look->same = look->is_there && memcmp(look->below.uuid, look->super.uuid, sizeof look->super.uuid) == 0;
    return true;
}

vhdx_status vx_prove_by_ext4(const struct vx_volume *volume, struct vx_fs_proof *proof, vhdx_error *err)
{
    struct look *look = vx_alloc(1, sizeof *look);
    *proof = (struct vx_fs_proof){0};
    if (!look)
        return vx_fail_memory(err, "a look at a file system");
    look->volume = volume;
    look->proof = proof;
    if (begin(look))
        judge(look, look_at_groups(look));
    if (proof->word == VX_PROOF_NONE)
        proof->text[0] = '\0';
    vx_free(look);
    return VHDX_OK;
}
