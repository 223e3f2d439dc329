/*
 * Structures of XFS: the numbers of any superblock, and of version 5 what carries the number of its last change in the
 * log (LSN): superblock, headers of allocation groups, headers of log records. Layouts as the Linux kernel documents
 * them. Only bytes to values; knows nothing of VHDX. All of it is big-endian, and an LSN is a cycle
 * of the log over a block in it, so it grows with every record.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_XFS_H
#define VX_GUEST_XFS_H

#include "base/bytes.h"

#define VX_XFS_SUPER_SIZE 512u /* of what every version has */
#define VX_XFS_SECTOR_MAX 4096u
#define VX_XFS_LOG_BLOCK 512u

struct vx_xfs_super {
    uint32_t block_size, sector_size, group_blocks, group_count, inode_size;
    uint64_t blocks;
    uint8_t version;
    uint8_t group_log, inodes_log; /* bits of a block number in its group, of an inode number in its block */
    /* of version 5, by vx_xfs_super_decode(): */
    uint64_t log_offset, log_size; /* in the volume, in bytes; 0 = the log is on another device */
    uint8_t uuid[16];              /* that the metadata carry */
};

enum vx_xfs_header {
    VX_XFS_SUPER,
    VX_XFS_FREE_SPACE, /* AGF */
    VX_XFS_INODES,     /* AGI */
    VX_XFS_FREE_LIST,  /* AGFL */
    VX_XFS_HEADERS,
};

bool vx_xfs_super_named(struct vx_bytes in);
/* `in`: VX_XFS_SUPER_SIZE bytes. The numbers that every version has. false: no superblock, or they make no sense. */
bool vx_xfs_super_numbers(struct vx_bytes in, struct vx_xfs_super *super);
/* `in`: the superblock's sector. false: none of version 5, its checksum is wrong, or its numbers make no sense. */
bool vx_xfs_super_decode(struct vx_bytes in, struct vx_xfs_super *super);
/* Where that header of a group is in the volume: one sector each, in this order. */
uint64_t vx_xfs_header_place(const struct vx_xfs_super *super, uint32_t group, enum vx_xfs_header kind);
/* `in`: its sector. false: it is none, or its checksum is wrong. */
bool vx_xfs_header_decode(struct vx_bytes in, enum vx_xfs_header kind, uint64_t *lsn, uint8_t uuid[16]);
/* `in`: a block of the log. false: no record begins here. */
bool vx_xfs_log_decode(struct vx_bytes in, const struct vx_xfs_super *super, uint64_t *lsn);

#endif
