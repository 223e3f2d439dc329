/*
 * What the files audit*.c share. Nobody else includes this.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_PLAN_AUDIT_PARTS_H
#define VX_PLAN_AUDIT_PARTS_H

#include "base/ranges.h"
#include "plan/audit.h"
#include "salvage/salvage.h"

struct vx_auditing {
    struct vx_plan *plan;
    const struct vx_audit_options *options;
    struct vx_audit_fault *fault;
    struct vx_salvage_layers before, after; /* the file and the sketch, each alone */
    struct vx_file *journaled;              /* the sketch with its log as the journal leaves it; or NULL */
    struct vx_ranges written;               /* each write of the plan, sorted; headers are left out */
    struct vx_ranges touched;               /* the same bytes, as ranges that do not touch */
    bool blocks_written; /* a write touches space that a block owns, or the entry of a sector bitmap */
};

/* Remembers the first fault, with the finding of the write that touches [file_offset, file_offset + length). */
void vx_audit_found(struct vx_auditing *work, const char *what, uint64_t virtual_offset, uint64_t file_offset,
                    uint64_t length);

/* audit_view.c: R1 and R3 */
vhdx_status vx_audit_view(struct vx_auditing *work, vhdx_error *err);
/* audit_writes.c: R2, R4, R5 */
vhdx_status vx_audit_pieces(struct vx_auditing *work, vhdx_error *err);
void vx_audit_writes(struct vx_auditing *work);
vhdx_status vx_audit_log(struct vx_auditing *work, vhdx_error *err);
/* audit_journal.c: the first write that goes through the log, or NULL: the first pages and new space do not, see
 * repair_apply.h; and the sketch as it is when all of them have. */
const struct vx_range *vx_audit_first_journaled(const struct vx_auditing *work);
vhdx_status vx_audit_journal(struct vx_auditing *work, struct vx_file **view, vhdx_error *err);
void vx_audit_values(struct vx_auditing *work);

static inline const struct vx_salvage_layer *vx_audit_layer(const struct vx_salvage_layers *layers)
{
    return &layers->items[0];
}

#endif
