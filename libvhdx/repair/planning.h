/*
 * How a plan for a repair comes about: the disk is examined, one mender changes the sketch, the sketch is examined
 * again, until nothing changes; then the auditor has the last word (audit.h). What he refuses is planned again without
 * the repair that was at fault. Nothing is written to the disk here; repair.c carries the plan out, forecast.c asks
 * what it would achieve.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REPAIR_PLANNING_H
#define VX_REPAIR_PLANNING_H

#include "image/exam.h"
#include "findings/findings.h"
#include "plan/repair_plan.h"

struct vx_planning {
    const vhdx_host *host;
    const vhdx_repair_options *options;
    struct vx_file *file; /* the caller's */
    struct vx_plan *plan;
    vhdx_report *report; /* all that came to light on the way; its only file is the disk */
    char *directory;     /* of the disk */
    /* in which to look for the parent: those that the caller names, and the directory of the disk */
    const char **places;
    struct vx_ranges bad;
    uint64_t virtual_size; /* of the disk as it is in the end, 0 = not known */
    vhdx_guid former_id;   /* DataWriteGuid that the plan takes away, zeros = none */
    vhdx_guid ids[3];      /* by which a second run knows the map of a first one: before, in between and afterwards */
    size_t id_count;
    uint8_t forbidden[VX_PLAN_FINDINGS / 8]; /* findings whose repair the auditor refused */
    uint8_t
        forbidden_late[VX_PLAN_FINDINGS / 8]; /* once things may be given up; what costs nothing may still be done */
    bool hopeless;                            /* he refused them all */
    bool gentle;                              /* nothing is given up after all: no plan that does is sound */
    bool salvaging;                           /* all that costs nothing is done, and now things may be given up */
};

/* `file` is the open disk at `path`; `options` must outlive the planning. For vx_planning_end(), also after a
 * failure. */
vhdx_status vx_planning_begin(const vhdx_host *host, const char *path, struct vx_file *file,
                              const vhdx_repair_options *options, struct vx_planning *planning, vhdx_error *err);
/* Makes the plan and the report. IO: the medium fails, and nothing should be written to it. */
vhdx_status vx_planning_make(struct vx_planning *planning, vhdx_error *err);
/* Takes a planning of all zeros too. */
void vx_planning_end(struct vx_planning *planning);

/* All that is wrong with the disk in `file`, the one to be repaired or its sketch; `report` and `exam` are the caller's
 * to free, `exam` may be NULL. */
vhdx_status vx_planning_look(const struct vx_planning *planning, struct vx_file *file, vhdx_report **report,
                             struct vx_exam **exam, vhdx_error *err);
/* Adds to the report what it does not know yet. */
void vx_planning_take_over(struct vx_planning *planning, vhdx_report *now);
/* Whether the finding is among the first `count` of the report's first file; also when it may be one of those that were
 * left out. */
bool vx_planning_is_among(const struct vx_finding *finding, vhdx_report *report, size_t count);
/* planning_log.c: a log in space of its own, for the plan to go through. */
vhdx_status vx_planning_provide_log(struct vx_planning *planning, vhdx_error *err);

#endif
