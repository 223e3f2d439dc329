/*
 * What the parts of the proof by NTFS share: the two views of the volume, and what was seen of file records
 * (proof_ntfs_records.c) and of the log (proof_ntfs_log.c). proof_ntfs.c begins, judges and puts it in words.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_PROOF_NTFS_PARTS_H
#define VX_GUEST_PROOF_NTFS_PARTS_H

#include "guest/ntfs.h"
#include "guest/ntfs_log.h"
#include "guest/two_views.h"

#define VX_NTFS_MAP_RUNS 128u
#define VX_NTFS_CHUNK 65536u /* bytes of file records or of the log at once */

/* Where the content of a file is on the volume. */
struct vx_ntfs_map {
    struct vx_ntfs_run runs[VX_NTFS_MAP_RUNS];
    uint32_t count;
    uint64_t size; /* bytes, as far as the runs are known */
};

/* The volume as one of the two views has it. */
struct vx_ntfs_side {
    struct vx_ntfs_boot boot;
    struct vx_ntfs_map records, bitmap, log;
    bool all_records; /* the map knows all of them */
    bool dirty;
    bool has_restart;
    struct vx_ntfs_restart restart;
    uint64_t log_end;    /* the newest LSN that its log knows */
    uint64_t newest_lsn; /* of its file records */
};

/* Two copies of a file record. */
struct vx_ntfs_pair {
    uint64_t number, child_created, below_created, below_changed;
};

struct vx_ntfs_look {
    const struct vx_volume *volume;
    struct vx_ntfs_side whole, below; /* through the child; without it */
    bool ended, unknown;              /* the caller wants no more; something was not looked at */
    /* file records */
    uint32_t go_on;                 /* the child's copy is the one below, or a later state of it */
    uint32_t foreign;               /* of two different volumes */
    uint32_t reused_below;          /* given to more files below than in the child */
    uint32_t later_lsn, later_time; /* changed later below than in the child */
    uint32_t torn;                  /* of which a part is the child's and another is not, and which do not fit */
    uint32_t damaged;               /* the same within one layer */
    struct vx_ntfs_pair example, foreign_example;
    uint64_t newest_below; /* time of the newest change in a file record below */
    uint64_t first_change; /* of the changes that the child has made, UINT64_MAX = none is known */
    uint64_t first_lsn;    /* the same, of the log */
    /* the bitmap of file records against the records themselves, where they are in different layers */
    uint32_t bits_fit, bits_wrong, bits_wrong_below;
    uint64_t wrong_bit;
    /* log */
    uint64_t first_page; /* the lowest LSN among the pages of the log that the child has written, UINT64_MAX = none */
    bool log_goes_on;    /* in the child, where it ends below */
    bool log_differs;    /* in the page in which it ends below */
    uint8_t above[VX_NTFS_CHUNK], under[VX_NTFS_CHUNK];
};

/* Where byte `at` of a file is on the volume, and for how many bytes it goes on there. */
bool vx_ntfs_find_place(const struct vx_ntfs_map *map, uint64_t cluster, uint64_t at, uint64_t *place, uint64_t *here);
/* Bytes of a file from `at` on, through its map. */
bool vx_ntfs_read(const struct vx_ntfs_look *look, bool below, const struct vx_ntfs_map *map, uint64_t at, void *buf,
                  size_t length);
/* Whether the child holds nothing, a part or all of [at, +length) of a file. */
enum vx_ntfs_held {
    VX_NTFS_HELD_UNKNOWN,
    VX_NTFS_HELD_NONE,
    VX_NTFS_HELD_PART,
    VX_NTFS_HELD_ALL,
};
enum vx_ntfs_held vx_ntfs_who(const struct vx_ntfs_look *look, const struct vx_ntfs_map *map, uint64_t at,
                              uint64_t length);

void vx_ntfs_look_at_records(struct vx_ntfs_look *look);
void vx_ntfs_look_at_log(struct vx_ntfs_look *look);

#endif
