/*
 * The mark of a merge that is on its way: a metadata item of the target (MS-VHDX 2.6.1.2: a user item, not required, so
 * that every other program passes it over) which says what is merged into it and how far that is, durably. It is there
 * only between a merge's beginning and its end. docs/crash-safety.md says when it may be believed.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_MERGE_MARK_H
#define VX_FORMAT_MERGE_MARK_H

#include "base/bytes.h"
#include "base/guid.h"

#define VX_MERGE_MARK_SIZE 384u
#define VX_MERGE_MARK_NAME 256u /* bytes of UTF-8 and a NUL */

extern const vhdx_guid vx_guid_merge_mark; /* the item's id */

struct vx_merge_mark {
    vhdx_guid identity;     /* the target's DataWriteGuid: when another program writes to it, the mark is void */
    vhdx_guid child;        /* the topmost merged layer's */
    uint64_t layers_digest; /* of the DataWriteGuids of all merged layers, topmost first */
    uint32_t layer_count;
    uint32_t flags;                      /* VX_MERGE_MARK_* */
    uint64_t virtual_size;               /* of the child */
    uint64_t done_end;                   /* all before this place of the virtual disk is in the target, durably */
    uint64_t moved, total;               /* bytes of payload, for people; INT64_MAX at most */
    char child_name[VX_MERGE_MARK_NAME]; /* the child's file, without directories; may be empty */
};

enum {
    VX_MERGE_MARK_DELETE = 1 << 0, /* the merged layers are to be removed */
    VX_MERGE_MARK_RECLAIM = 1 << 1,
};

/* CORRUPT: not a mark, or damaged. */
vhdx_status vx_merge_mark_decode(struct vx_bytes in, struct vx_merge_mark *out);
/* Writes VX_MERGE_MARK_SIZE bytes. */
void vx_merge_mark_encode(const struct vx_merge_mark *mark, uint8_t *out);

#endif
