/*
 * Structures of NTFS: boot sector, file records with their attributes, run lists. Layouts as the Linux kernel and
 * ntfs-3g document them. Only bytes to values: no reading, no judging what two layers mean to each other; that is
 * proof_ntfs.c. Every number is compared before it is used. Knows nothing of VHDX.
 *
 * The byte that gives the size of a cluster counts sectors, up to 128 of them, and from 244 on it is
 * a negative power of two, of sectors too. The byte that gives the size of a record counts clusters, and its negative
 * powers are of bytes.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_NTFS_H
#define VX_GUEST_NTFS_H

#include "base/bytes.h"

#define VX_NTFS_BOOT_SIZE 512u
#define VX_NTFS_STRIDE 512u       /* bytes that one fixup protects, whatever the sector size */
#define VX_NTFS_RECORD_MAX 65536u /* bytes of a file record; Windows makes them of 1024 or 4096 */
#define VX_NTFS_CLUSTER_MAX (2u * 1024 * 1024)

/* Numbers of records that every volume has. */
enum {
    VX_NTFS_MFT = 0,
    VX_NTFS_LOG_FILE = 2,
    VX_NTFS_VOLUME = 3,
    VX_NTFS_ROOT = 5,
    VX_NTFS_FIRST_FREE = 24, /* of those that files of a user can have */
};

enum {
    VX_NTFS_STANDARD_INFORMATION = 0x10,
    VX_NTFS_ATTRIBUTE_LIST = 0x20,
    VX_NTFS_FILE_NAME = 0x30,
    VX_NTFS_VOLUME_INFORMATION = 0x70,
    VX_NTFS_DATA = 0x80,
    VX_NTFS_BITMAP = 0xB0,
};

struct vx_ntfs_boot {
    uint32_t sector_size, cluster_size, record_size;
    uint64_t total_sectors, mft_cluster, mirror_cluster;
    uint64_t serial; /* of the volume; a new one with each format */
    bool marked;     /* ends with 55 AA, which Windows writes and no program demands */
};

struct vx_ntfs_record {
    uint64_t lsn;      /* of the last change of it that was logged; 0 = none ever was */
    uint16_t update;   /* the number in its fixups: one more with each write of it, and round */
    uint16_t sequence; /* one more each time that the record is given to another file; never 0 */
    uint32_t number;
    bool in_use, is_base;
    bool has_times;            /* has $STANDARD_INFORMATION */
    uint64_t created, changed; /* 100 ns since 1601; the second is that of the record, which no program sets */
    uint64_t named; /* the newest change of the record that its $FILE_NAME knows: mostly when the file was made */
    bool dirty;     /* only in that of $Volume: a check is due */
    bool has_list;  /* some of its attributes are in other records */
};

struct vx_ntfs_attribute {
    uint32_t type;
    bool resident, named;
    struct vx_bytes value; /* of a resident one */
    struct vx_bytes runs;  /* of another one: its run list */
    uint64_t first_cluster, data_size;
};

/* Neighbouring clusters of a file. */
struct vx_ntfs_run {
    uint64_t first, count; /* clusters of the file */
    uint64_t cluster;      /* of the volume */
    bool hole;
};

struct vx_ntfs_runs {
    struct vx_bytes left;
    uint64_t next;
    int64_t cluster;
    bool bad; /* the list does not end as it should */
};

/* `in`: VX_NTFS_BOOT_SIZE bytes. false: no boot sector of NTFS, or one whose numbers make no sense. */
bool vx_ntfs_boot_decode(struct vx_bytes in, struct vx_ntfs_boot *boot);
/* The name alone is right, the numbers may be anything. */
bool vx_ntfs_boot_named(struct vx_bytes in);
/* Bytes of the volume, without the copy of the boot sector behind it. */
uint64_t vx_ntfs_size(const struct vx_ntfs_boot *boot);

/*
 * Puts the bytes back that the update sequence has replaced at the end of each stride. false: a stride has another
 * number, or there is no sequence; then nothing was changed.
 */
bool vx_ntfs_fix(uint8_t *record, size_t size, uint16_t *update);

/* The number that the first bytes of a file record carry; UINT32_MAX: its version of NTFS writes none. */
uint32_t vx_ntfs_record_number(const uint8_t *record);
/* `in`: a record with its bytes put back. false: no file record. */
bool vx_ntfs_record_decode(struct vx_bytes in, struct vx_ntfs_record *record);
/* Walks through the attributes: *at is 0 at first. false: there are no more. */
bool vx_ntfs_attribute_next(struct vx_bytes record, uint32_t *at, struct vx_ntfs_attribute *attribute);
/* The first attribute of that type without a name. */
bool vx_ntfs_attribute_find(struct vx_bytes record, uint32_t type, struct vx_ntfs_attribute *attribute);

struct vx_ntfs_runs vx_ntfs_runs_of(const struct vx_ntfs_attribute *attribute);
/* false: there are no more. */
bool vx_ntfs_run_next(struct vx_ntfs_runs *runs, struct vx_ntfs_run *run);

/* Whether a number of 16 bits is later than another one; they go round. */
static inline bool vx_ntfs_is_later(uint16_t a, uint16_t b)
{
    return a != b && (uint16_t)(a - b) < 0x8000;
}

#endif
