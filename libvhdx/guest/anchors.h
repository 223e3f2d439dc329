/*
 * Bytes that say themselves where on the virtual disk they belong: headers of partition tables, boot sectors and their
 * copies, superblocks with the number of their group, records with their own number or address. Found in bytes whose
 * place is not known, they prove it. Pure: bytes in, places out. File systems
 * count from the start of their partition, so the partitions must be known first.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_ANCHORS_H
#define VX_GUEST_ANCHORS_H

#include "base/bytes.h"
#include "base/status.h"
#include "guest/xfs.h"

#define VX_ANCHOR_PARTITIONS 128u
#define VX_ANCHOR_RUNS 64u

/* What is known of a file system; filled by vx_anchors_learn() from whatever superblock is met first. */
struct vx_anchor_fs {
    bool ntfs, xfs;
    uint32_t cluster_size, record_size; /* NTFS */
    struct {
        uint64_t record, offset, bytes; /* first record number, place in the file system, length */
    } mft[VX_ANCHOR_RUNS];
    uint32_t mft_count;
    uint64_t mft_offset;       /* by the boot sector */
    struct vx_xfs_super super; /* XFS; its numbers only */
};

struct vx_anchor_partition {
    uint64_t offset, length;
    struct vx_anchor_fs fs;
};

struct vx_anchor_map {
    uint32_t sector_size;  /* 512 or 4096 */
    uint64_t virtual_size; /* 0 = not known */
    struct vx_anchor_partition partitions[VX_ANCHOR_PARTITIONS];
    uint32_t count;
};

/* A place on the virtual disk that the bytes at `at` (in the window) belong to. */
typedef vhdx_status (*vx_anchor_fn)(void *context, size_t at, uint64_t virtual_offset, vhdx_error *err);

/*
 * Takes the geometry of file systems from boot sectors and superblocks in `window`, which begins at a multiple of 1 MiB
 * of the file. Places count only when they agree with a partition's start modulo 1 MiB, because blocks are at whole MiB
 * in the file and on the disk.
 */
void vx_anchors_learn(struct vx_anchor_map *map, struct vx_bytes window);
/* Calls `found` for each structure in the window that says where it belongs. */
vhdx_status vx_anchors_find(const struct vx_anchor_map *map, struct vx_bytes window, vx_anchor_fn found, void *context,
                            vhdx_error *err);

/* Whether the sector holds a GPT header that is right; its own place and that of its twin in sectors. */
bool vx_anchor_gpt(struct vx_bytes window, size_t at, uint32_t sector_size, uint64_t *own_sector,
                   uint64_t *other_sector);
/* Whether the 512 bytes can be the first of a disk: a partition table, or a boot sector of a file system without one.
 */
bool vx_anchor_boot_record(struct vx_bytes window, size_t at);

#endif
