/*
 * Whether anything contradicts what the region tables say: the end of the file, the log, another region, a block whose
 * content lies inside of a region that has no use for the space, or bytes that cannot be what the table calls them.
 * Verify asks before it judges anything by the regions; what they should be says rebuild_settle.c. The one thing that
 * is easy to get wrong: a region that is longer than it must be is common, and no contradiction.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_REGION_DOUBT_H
#define VX_EVIDENCE_REGION_DOUBT_H

#include "format/geometry.h"
#include "image/exam.h"

/* What a region's length must fit to. */
struct vx_region_world {
    struct vx_file *view;
    uint64_t file_size;
    const struct vx_header *header; /* names the log; NULL = nobody knows where it is */
    const struct vx_region_table *regions;
    const struct vx_region *bat;
    const struct vx_geometry *geometry;
};

/* Why a region cannot be as long as it is. */
enum vx_region_rival {
    VX_RIVAL_NONE,
    VX_RIVAL_FILE_END,
    VX_RIVAL_LOG,
    VX_RIVAL_REGION,
    VX_RIVAL_BLOCK,   /* of the BAT, with content */
    VX_RIVAL_CONTENT, /* bytes that are no entries of a BAT */
};

/* What a sentence calls it; static. */
const char *vx_region_rival_name(enum vx_region_rival rival);
/* Whether the part of `region` behind its first `needed` bytes belongs to something else. */
vhdx_status vx_region_rival_of(const struct vx_region_world *world, const struct vx_region *region, uint64_t needed,
                               enum vx_region_rival *rival, vhdx_error *err);
/* The least length that the metadata region at `offset` can have, by what the table there says. */
uint64_t vx_region_metadata_needs(struct vx_file *view, uint64_t offset);
/* Whether all of the bytes are zeros, or not in the file. */
vhdx_status vx_region_is_blank(struct vx_file *view, uint64_t offset, uint64_t length, bool *blank, vhdx_error *err);

/* Whether the regions that the exam uses are worth a search for better ones. */
vhdx_status vx_regions_doubtful(const struct vx_exam *exam, bool *doubtful, vhdx_error *err);

#endif
