/*
 * Putting both copies of a GUID partition table right for the size of the disk: the second one at its end, each naming
 * the other, and the boot record that protects them. In an order in which a power cut leaves one copy valid at each
 * instant:
 *
 *  T1  The copy that is not valid, or that goes to a new place, is written first, while the other one is as it was.
 *  T2  The other one changes only when that is durable; a header is one sector, and changes at once.
 *  T3  What is left of a former copy is removed last.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_TABLE_H
#define VX_EDIT_TABLE_H

#include "edit/guest_layout.h"

#define VX_TABLE_WRITES 6u

struct vx_table_write {
    uint64_t virtual_offset, length;
    const uint8_t *bytes;
    bool settle; /* what was written before is durable first */
};

struct vx_table_plan {
    struct vx_table_write writes[VX_TABLE_WRITES];
    size_t count; /* 0: the table is right for that size */
    uint8_t headers[2][VX_PAGE], record[VX_PAGE], zeros[VX_PAGE];
};

/* Of a layout that is a GPT without doubt. The bytes belong to `plan` and `layout`. */
void vx_table_plan(const struct vx_layout *layout, uint64_t virtual_size, struct vx_table_plan *plan);
/* The first copy alone, for the size that the disk has, where only the second one is valid: on a larger disk nobody
 * would find that one any more. */
void vx_table_plan_first(const struct vx_layout *layout, struct vx_table_plan *plan);
/* The image is in writing and has that size, or a larger one. */
vhdx_status vx_table_write(struct vx_image *image, const struct vx_table_plan *plan, vhdx_error *err);

#endif
