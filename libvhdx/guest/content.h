/*
 * What is inside of the virtual disk, as far as its first and last sectors and the first blocks of its partitions tell:
 * partition tables, file systems, whether their copies agree with each other. A hint and no more: a disk may be
 * encrypted, new, or hold a file system that is not known here, and be sound. It helps to tell a right parent from a
 * wrong one, and a repair to know what sizes the guest believed in.
 *
 * Nothing here knows of VHDX files: bytes come from a callback, which may fail anywhere. "not readable" is neither
 * "empty" nor "damaged".
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_CONTENT_H
#define VX_GUEST_CONTENT_H

#include <vhdx.h>

#define VX_CONTENT_PARTITIONS 128u /* that are remembered */

/* Where the bytes come from. */
struct vx_content_source {
    void *context;
    bool (*read)(void *context, void *buf, size_t length, uint64_t virtual_offset); /* false: they cannot be read */
    uint64_t size;        /* of the virtual disk, UINT64_MAX = not known */
    uint32_t sector_size; /* 512 or 4096, 0 = not known */
};

enum vx_fs_kind {
    VX_FS_NONE = 0,
    VX_FS_NTFS,
    VX_FS_REFS,
    VX_FS_EXFAT,
    VX_FS_FAT,
    VX_FS_BITLOCKER,
    VX_FS_EXT,
    VX_FS_XFS,
    VX_FS_BTRFS,
    VX_FS_LVM,
    VX_FS_LUKS,
    VX_FS_SWAP,
};

enum vx_fs_closed {
    VX_FS_CLOSED_UNKNOWN = 0, /* the kind has no note of that, or it cannot be read */
    VX_FS_CLOSED_CLEANLY,
    VX_FS_CLOSED_NOT,
};

/* What is at the start of a partition, or of the disk. */
struct vx_fs {
    enum vx_fs_kind kind;
    enum vx_fs_closed closed;
    uint64_t size;           /* that its own geometry says; 0 = it does not say */
    uint32_t agreements;     /* checksums that are right, copies and further structures found where they should be */
    uint32_t contradictions; /* the same, found wrong; those that cannot be read count as neither */
};

/* One header of a GUID partition table with its array. */
struct vx_gpt {
    bool found;       /* signature and header checksum are right, and the fields make sense */
    bool damaged;     /* only the signature is there */
    bool array_right; /* the entries' checksum is right */
    bool array_unreadable;
    uint32_t sector_size;
    uint64_t my_sector, other_sector, first_usable, last_usable, array_sector;
    uint32_t entry_count, entry_size, array_checksum;
    vhdx_guid disk_id;
};

struct vx_partition {
    uint64_t offset, length; /* on the virtual disk */
    vhdx_guid type;          /* of a GPT entry */
    uint8_t mbr_type;        /* of an MBR entry, else 0 */
    bool beyond_end;         /* does not are on the disk */
    struct vx_fs fs;
};

enum vx_content_table {
    VX_TABLE_NONE = 0,
    VX_TABLE_MBR,
    VX_TABLE_GPT,
};

enum vx_content_verdict {
    VX_CONTENT_UNREADABLE, /* the first sectors could not be read */
    VX_CONTENT_EMPTY,      /* they are zeros */
    VX_CONTENT_UNKNOWN,    /* nothing is recognized */
    VX_CONTENT_ALIVE,      /* something is recognized, and nothing that was looked at contradicts it */
    VX_CONTENT_DOUBTFUL,   /* something is recognized, and something contradicts it */
};

struct vx_content {
    enum vx_content_verdict verdict;
    enum vx_content_table table;
    bool protective_mbr;
    struct vx_gpt primary, backup;
    bool gpt_copies_differ; /* both headers are right and name different disks or entries */
    struct vx_partition partitions[VX_CONTENT_PARTITIONS];
    uint32_t partition_count;
    bool more_partitions;
    struct vx_fs whole;                  /* when there is no partition table */
    uint32_t agreements, contradictions; /* over all */
    /* What the guest believes, as evidence where the disk itself has forgotten it; 0 = nothing is known. */
    /* from the place of the backup GPT: the disk was at least that large, and mostly exactly */
    uint64_t implied_size;
    uint32_t implied_sector_size; /* from the place of the primary GPT */
};

/* Reads at most some MiB, whatever the bytes say. */
void vx_content_look(const struct vx_content_source *source, struct vx_content *content);

/* "NTFS", "ext2/3/4", ...; "" for NONE. Static. */
const char *vx_fs_name(enum vx_fs_kind kind);

/* "GPT with 3 partitions: FAT 100 MiB, NTFS 59 GiB (clean), 1 not recognized", cut to fit. */
void vx_content_text(const struct vx_content *content, char *text, size_t text_size);

#endif
