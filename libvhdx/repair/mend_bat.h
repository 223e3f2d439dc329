/*
 * What the menders of the BAT share: entries are read through a window on the sketch as it was examined, and written
 * into the plan; what is lost with a block is named in virtual ranges. See mend.h.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REPAIR_MEND_BAT_H
#define VX_REPAIR_MEND_BAT_H

#include "image/bat_window.h"
#include "evidence/lead.h"
#include "repair/mend.h"

struct vx_bat_mending {
    struct vx_mending *m;
    struct vx_image *image;      /* the exam's */
    struct vx_geometry geometry; /* the exam's */
    uint64_t entries;            /* as many as the region, and the file, have room for: padding is a part of the BAT */
    uint64_t file_size;          /* of the sketch as it was examined */
    bool fixed;
    struct vx_bat_window walk, bitmaps;
    uint64_t chunk;       /* whose bitmap was looked at last; UINT64_MAX = none */
    bool chunk_readable;  /* its bits can be read */
    uint64_t chunk_bits;  /* file offset of them */
    uint64_t judged_page; /* of the BAT, that was looked at last, plus one; 0 = none */
    bool page_is_nonsense;
    struct vx_leads leads; /* open when somebody has asked */
};

/* The entry becomes `entry`. */
vhdx_status vx_mend_bat_put(struct vx_bat_mending *b, uint64_t bat_index, const struct vx_bat_entry *entry,
                            const struct vx_reason *reason, vhdx_error *err);
/*
 * Content of the payload block that lies in [from, to) of it is lost: of a fully present block all, of a partially
 * present one the sectors that it holds (all, where that cannot be told).
 */
vhdx_status vx_mend_bat_lose(struct vx_bat_mending *b, uint64_t payload_block, unsigned state, uint64_t from,
                             uint64_t to, const struct vx_loss *loss, vhdx_error *err);
/* Whether the entry stands in a page of nonsense (bat_page.h): what it seems to say is chance. */
vhdx_status vx_mend_bat_in_nonsense(struct vx_bat_mending *b, uint64_t bat_index, bool *nonsense, vhdx_error *err);
/*
 * Whether the entry's place leads to content that nobody owns (lead.h): only a salvage may clear such an entry, if
 * anybody. `length`: of what would lie there.
 */
vhdx_status vx_mend_bat_leads(struct vx_bat_mending *b, const struct vx_bat_entry *entry, uint64_t length,
                              bool *content, vhdx_error *err);
/* Bytes of the payload block up to its end, or to the end of the disk. */
uint64_t vx_mend_bat_block_end(const struct vx_bat_mending *b, uint64_t payload_block);
/* Looks at the sector bitmap of a chunk: fills chunk, chunk_readable, chunk_bits. */
vhdx_status vx_mend_bat_look_at_bitmap(struct vx_bat_mending *b, uint64_t chunk, vhdx_error *err);
/* Space at the end of the file, a multiple of 1 MiB, reads as zeros. */
vhdx_status vx_mend_bat_take_space(struct vx_bat_mending *b, uint64_t length, const struct vx_reason *reason,
                                   uint64_t *offset, vhdx_error *err);

/* mend_slots.c: the entry becomes zero; one that leads to content by salvage only */
vhdx_status vx_mend_bat_clear(struct vx_bat_mending *b, uint64_t bat_index, enum vx_find kind, const char *gives,
                              vhdx_error *err);
vhdx_status vx_mend_bitmap_entry(struct vx_bat_mending *b, uint64_t bat_index, vhdx_error *err);
/* mend_absent.c: entries that are zero and should not be */
vhdx_status vx_mend_absent(struct vx_bat_mending *b, vhdx_error *err);
/* mend_bitmap.c: the bitmap of a chunk that has partially present blocks, made anew from the blocks' content. */
vhdx_status vx_mend_lost_bitmap(struct vx_bat_mending *b, uint64_t chunk, vhdx_error *err);
/* The same for the bits of one partially present block, where they could not be read. */
vhdx_status vx_mend_bad_bits(struct vx_bat_mending *b, uint64_t block, const struct vx_bat_entry *entry,
                             vhdx_error *err);
/* mend_bad.c: names what could not be read of the blocks; changes nothing. */
vhdx_status vx_mend_bad_places(struct vx_bat_mending *b, vhdx_error *err);
/* mend_placement.c: entries of a BAT, or of pages of it, that say nothing. */
vhdx_status vx_mend_bad_entries(struct vx_bat_mending *b, vhdx_error *err);
vhdx_status vx_mend_placements(struct vx_bat_mending *b, vhdx_error *err);
/* mend_overlap.c */
vhdx_status vx_mend_overlaps(struct vx_bat_mending *b, vhdx_error *err);

#endif
