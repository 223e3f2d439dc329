/*
 * Whether a place that an entry of a BAT names leads to content that no other entry owns. Such an entry, whatever its
 * state says, is all that knows the content; no repair that calls itself lossless may clear it. This is the one place
 * where that is decided, for checks, menders and readers alike. Content is a byte that is not zero, in a MiB that
 * neither a structure nor an entry with data owns.
 *
 * Easy to get wrong: soft anchors (states 1 and 3 with a place) own their space, but hold no data; what lies there
 * counts as nobody's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_LEAD_H
#define VX_EVIDENCE_LEAD_H

#include "image/bat_walk.h"
#include "image/claims.h"

struct vx_leads {
    bool open;
    struct vx_bat_source source;
    struct vx_claims owned; /* by structures and by entries with data */
    uint64_t left;          /* bytes that may still be read; after that every place leads to content */
    uint64_t present;       /* payload blocks with data */
    uint64_t base;          /* where block 0 would lie if all of them are as far apart in the file as on the disk */
    bool straight;          /* they are */
    uint64_t strays;        /* entries of payload blocks in states 0 and 2 that name a place */
    uint64_t cut_off;       /* entries with data that lie behind the end of the file: it was cut off */
};

/* Walks the BAT once. `leads` is all zeros before, and for vx_leads_close() in any case; OK when it is open already. */
vhdx_status vx_leads_open(struct vx_exam *exam, struct vx_leads *leads, vhdx_error *err);
/* The same for any BAT. `header`: names the place of the log; it and `regions` may be NULL. */
vhdx_status vx_leads_of(const struct vx_bat_source *source, const struct vx_header *header,
                        const struct vx_region_table *regions, struct vx_leads *leads, vhdx_error *err);
/* The same for any BAT; `owned` has the structures' claims already, and is taken over. */
vhdx_status vx_leads_begin(const struct vx_bat_source *source, const struct vx_claims *owned, struct vx_leads *leads,
                           vhdx_error *err);
void vx_leads_close(struct vx_leads *leads);

/* Whether [file_offset, +length), as far as it lies in the file, holds content that nobody owns. Behind the end of a
 * file that was cut off there may have been some. */
vhdx_status vx_lead_has_content(struct vx_leads *leads, uint64_t file_offset, uint64_t length, bool *content,
                                vhdx_error *err);

/*
 * What an entry without data must have been when its place leads to content: of states that there are not, the block's
 * space is its content, and a sector bitmap is there; of states 0 and 2 a payload block is only where a disk without
 * parent clears the places of such blocks and the neighbours lie in order. *truth stays as it is when nothing proves
 * anything.
 */
vhdx_status vx_lead_truth(struct vx_leads *leads, uint64_t bat_index, struct vx_bat_entry *truth, bool *changed,
                          vhdx_error *err);

#endif
