/*
 * Whether the BAT of an open image has entries that are zero although they should not be (absent.h): what a reader of
 * the disk is told, and what a merge refuses, because blocks of zeros would be taken for the truth. Reads structures,
 * and content only where a gap of the BAT and space that nobody owns fit each other.
 *
 * Easy to get wrong: opening a disk must stay cheap, however large it is. Then the log is asked, and a BAT is walked
 * only when it is short; VX_LOST_ALL walks it in any case, for those who are about to do the same.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_LOST_ENTRIES_H
#define VX_EVIDENCE_LOST_ENTRIES_H

#include "image/image.h"

enum vx_lost_effort { VX_LOST_CHEAP, VX_LOST_ALL };

struct vx_lost_entries {
    uint64_t first_block, blocks; /* blocks 0: nothing is missing */
    bool sure;                    /* there is no other explanation that is any good */
    bool lossless;                /* 'vhdx repair' puts all of them back */
    uint64_t old_bits; /* blocks of which the log has sectors that their bitmap has not (old_bits.h); some twice */
};

/* Fails only as the host does, and for lack of memory. */
vhdx_status vx_lost_entries_find(struct vx_image *image, enum vx_lost_effort effort, struct vx_lost_entries *lost,
                                 vhdx_error *err);
/* Says it in one WARNING; true: something was said. What cannot be found out is not told. `notice` may be NULL. */
bool vx_lost_entries_tell(struct vx_image *image, enum vx_lost_effort effort, vhdx_notice_fn notice, void *context);
/* REFUSED where it is sure; else as vx_lost_entries_tell(). For who would make the zeros the truth. */
vhdx_status vx_lost_entries_check(struct vx_image *image, vhdx_notice_fn notice, void *context, vhdx_error *err);

#endif
