/*
 * Structures of an ext4 file system and of its journal, as far as they carry checksums or counters that bind them to
 * each other. Layouts as the Linux kernel documents them (Documentation/filesystems/ext4, journal.rst). Only bytes to
 * values: no reading, no judging what two layers mean to each other; that is proof_ext4.c. The file
 * system is little-endian, its journal big-endian, and the checksums are CRC-32C without the last inversion.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_EXT4_H
#define VX_GUEST_EXT4_H

#include "base/bytes.h"

#define VX_EXT4_SUPER_OFFSET 1024u /* in the volume, whatever its block size */
#define VX_EXT4_SUPER_SIZE 1024u
#define VX_EXT4_DESCRIPTOR_MAX 1024u
#define VX_EXT4_BLOCK_MAX 65536u
#define VX_EXT4_RUNS 4u /* as many extents as are in the inode itself */

/* Neighbouring blocks of the journal. */
struct vx_ext4_run {
    uint32_t logical, count; /* blocks of the journal */
    uint64_t block;          /* of the volume, where the first one is */
};

struct vx_ext4_super {
    uint32_t block_size, first_block, blocks_per_group, clusters_per_group, cluster_blocks, inodes_per_group;
    uint32_t descriptor_size, group_count, seed;
    uint32_t compat, incompat, read_only; /* features, as stored */
    uint32_t inode_size, reserved_descriptors;
    uint64_t blocks, free_blocks, free_inodes;
    uint64_t written_kib; /* over its life; only grows */
    uint64_t write_time;  /* of the superblock, in seconds since 1970 */
    uint8_t uuid[16];
    bool checksum_right;
    bool clean;          /* unmounted, no journal to be replayed, no errors noted */
    bool bitmaps_summed; /* superblock, descriptors and bitmaps carry checksums, and the superblock's is right */
    bool usable;        /* that, or it is one that has no such checksums: then only numbers of what is free bind them */
    bool groups_summed; /* without them, descriptors may still carry short ones of their own */
    bool meta_groups, sparse, sparse2; /* where descriptors are, and which groups have a copy of the superblock */
    uint32_t first_meta_group, copies[2];
    bool has_journal; /* inside of the volume, and the superblock says where */
    struct vx_ext4_run journal[VX_EXT4_RUNS];
    uint32_t journal_runs;
};

struct vx_ext4_group {
    uint64_t block_bitmap, inode_bitmap, inode_table; /* blocks of the volume */
    uint64_t free_blocks, free_inodes;                /* blocks: in clusters */
    uint32_t block_sum, inode_sum;                    /* of the bitmaps, as recorded */
    uint32_t sum_mask;                                /* short descriptors record half of them */
    bool blocks_unused, inodes_unused;                /* the bitmap was never written */
    bool checksum_right;
};

struct vx_ext4_journal {
    uint32_t block_size, blocks;
    uint32_t sequence; /* of the first transaction that would be replayed, or that is to come */
    bool empty;        /* nothing is to be replayed */
};

enum vx_ext4_record {
    VX_EXT4_RECORD_NONE = 0, /* data, or what is older than the journal */
    VX_EXT4_RECORD_BEGIN,    /* tags or revocations of a transaction */
    VX_EXT4_RECORD_COMMIT,
};

/* `in`: VX_EXT4_SUPER_SIZE bytes. false: no superblock, or one whose numbers make no sense. */
bool vx_ext4_super_decode(struct vx_bytes in, struct vx_ext4_super *super);

/* Where the descriptor of that group is in the volume. */
uint64_t vx_ext4_descriptor_place(const struct vx_ext4_super *super, uint32_t group);
/* Blocks at the group's beginning that copies of superblock and descriptors take. */
uint64_t vx_ext4_base_blocks(const struct vx_ext4_super *super, uint32_t group);
/* `in`: descriptor_size bytes of the descriptor of that group. */
bool vx_ext4_group_decode(struct vx_bytes in, const struct vx_ext4_super *super, uint32_t group,
                          struct vx_ext4_group *out);

/* Bytes of a bitmap that are summed: at most a block. */
uint32_t vx_ext4_block_bitmap_size(const struct vx_ext4_super *super);
uint32_t vx_ext4_inode_bitmap_size(const struct vx_ext4_super *super);
/* Comparable with block_sum or inode_sum under the mask. */
uint32_t vx_ext4_bitmap_sum(struct vx_bytes bitmap, const struct vx_ext4_super *super);
/* Bits that are not set. */
uint64_t vx_ext4_bitmap_free(struct vx_bytes bitmap);

/* `in`: the first VX_EXT4_SUPER_SIZE bytes of the journal. false: no superblock of a journal, or its checksum is
 * wrong. */
bool vx_ext4_journal_decode(struct vx_bytes in, struct vx_ext4_journal *journal);
/* `in`: the first bytes of a block of the journal, 64 at least. *when: of a commit, in seconds since 1970, 0 = not
 * known. */
enum vx_ext4_record vx_ext4_record_decode(struct vx_bytes in, uint32_t *sequence, uint64_t *when);

/* Whether transaction `a` is later than `b`; their numbers wrap. */
static inline bool vx_ext4_is_later(uint32_t a, uint32_t b)
{
    return a != b && a - b < UINT32_C(0x80000000);
}

#endif
