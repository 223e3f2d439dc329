/*
 * The auditor of repairs: does a plan keep all that can be had of the disk? What can be had is the salvage view: every
 * range of the virtual disk with its bytes and how far they can be trusted, and the pieces of content without a place.
 * The auditor takes that view of the file and of the sketch and compares the two. It shares no code with the menders,
 * and believes no reason that they give for a write.
 *
 *   R1  A plan without losses keeps every range of the view: the same bytes, at no lower trust, and what was the
 *       parent's stays the parent's.
 *   R2  Every piece keeps its bytes in the file; a plan without losses also leaves it a piece, or gives it a place.
 *   R3  A plan with losses lists every range that reads differently, or that is trusted more than the evidence allows.
 *       Content that could be trusted is never given up without being listed.
 *   R4  No write lies in bytes that the view before calls a payload block, a piece, or a structure of another kind than
 *       the one that is repaired. Nor does the log, through which the writes go.
 *       Where the log is all that knows some sectors, a plan without losses is refused, and one with losses lists them.
 *   R5  Values that the evidence supports (sizes, ids, kind, the parent locator) are not replaced by others.
 *
 * Easy to get wrong: the view must come from all of the evidence, as an export does it, and not from the values that
 * are stored; a wrong value read twice compares as equal.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_PLAN_AUDIT_H
#define VX_PLAN_AUDIT_H

#include "plan/repair_plan.h"

struct vx_audit_options {
    bool salvage;                      /* the plan may give things up, and lists them */
    const vhdx_repair_options *repair; /* for values that the caller vouches for; NULL = none */
    const char *const *parents;        /* where the parent may be; its values are evidence */
    size_t parent_count;
    vhdx_progress_fn progress;
    void *progress_context;
};

/* What is wrong with a plan. */
struct vx_audit_fault {
    const char *what;        /* static; NULL: nothing is */
    unsigned finding;        /* of the write that does it; 0: not known */
    uint64_t virtual_offset; /* of the disk, or VHDX_NOWHERE */
    uint64_t file_offset;    /* of the file, or VHDX_NOWHERE */
    uint64_t length;
    bool by_disk; /* no fault of the plan: no plan without losses can be right for such a disk */
};

/*
 * OK also when the plan is at fault; `fault` says so. In a plan with losses, ranges whose content was in doubt before
 * and that no mender has listed are added to the list of losses. The lost ranges must be settled, and are afterwards.
 */
vhdx_status vx_audit(struct vx_plan *plan, const struct vx_audit_options *options, struct vx_audit_fault *fault,
                     vhdx_error *err);

#endif
