/*
 * What the files share that settle sizes (settle_sizes.c, sizes_doubts.c). Not for others. Easy to get wrong: what is
 * asked of a census is asked of all of them, so each has its own guest.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_SIZES_PARTS_H
#define VX_EVIDENCE_SIZES_PARTS_H

#include "evidence/sizes.h"

#define VX_SIZES_LIKELY 2u      /* one entry in a wrong place may be a damaged entry */
#define VX_SIZES_APART_LEAST 4u /* blocks that are larger than they are said to be */

/* What nobody leaves behind by accident, and what asks for another answer. The end of a partition does not: a disk may
 * have been cut, and the rest of it be gone. */
#define VX_SIZES_HARD                                                                                                  \
    ((unsigned)(VX_SIZE_RULES | VX_SIZE_BEHIND | VX_SIZE_SLOTS | VX_SIZE_BITMAPLESS | VX_SIZE_HOLLOW |                 \
                VX_SIZE_GPT_SECTOR | VX_SIZE_PARENT | VX_SIZE_SPACING | VX_SIZE_FILE | VX_SIZE_BACKUP))

struct vx_sizes_candidate {
    struct vx_sizes sizes;
    unsigned changes;
    unsigned support; /* witnesses that name a value that is changed */
    bool named;       /* each by one that leaves no other */
};

struct vx_settling {
    const struct vx_size_facts *facts;
    struct vx_size_answer *out;
    bool child, fixed;
    uint64_t file_size;
    struct vx_census census[VX_CENSUS_MAX];
    struct vx_size_guest guests[VX_CENSUS_MAX];
    size_t count;
    struct vx_sizes logged; /* as the last session of the log has them; 0 = it does not */
    unsigned doubts;        /* of the stored values */
    bool doubted;           /* so that others are asked about */
    bool shaken;            /* see vx_sizes_shaken() */
    bool rival_sector;      /* another sector size agrees with everything, and nothing names it */
    struct vx_sizes_candidate best;
    uint64_t ties; /* answers that are as good, and others */
    struct vx_sizes tied;
};

/* Which of the census it is; s->count: none. */
size_t vx_sizes_census_of(const struct vx_settling *s, uint32_t block_size, uint32_t logical_sector);
/* Whether the other sector size would have empty entries where its bitmaps are, and this one has blocks missing. */
bool vx_sizes_is_hollow(const struct vx_settling *s, const struct vx_census *census);
/* Blocks that touch and do not overlap have that size. */
bool vx_sizes_stands_apart(const struct vx_census *census);
/* Each chunk with partial blocks has its sector bitmap where blocks and sectors of these sizes have it. */
bool vx_sizes_has_bitmaps(const struct vx_settling *s, const struct vx_census *census);
/* Whether the last block ends where the file does. */
bool vx_sizes_ends(const struct vx_settling *s, const struct vx_census *census);
/* What speaks against these sizes: bits of enum vx_size_doubt. */
unsigned vx_sizes_doubts(const struct vx_settling *s, const struct vx_sizes *sizes, size_t which);
/* Whether the few blocks that there are lie as those of another size, and the file goes on behind one of them as that
 * says: too little to say which size is right, too much to believe the stored one. */
bool vx_sizes_shaken(const struct vx_settling *s, size_t stored);
/* Whether blocks of some larger size would lie side by side, and those of the stored one do not. */
bool vx_sizes_larger_fits(const struct vx_settling *s, size_t stored);
/* Why the stored values are not the disk's, into s->out->evidence. */
void vx_sizes_describe(struct vx_settling *s);

#endif
