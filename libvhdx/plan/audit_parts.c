/*
 * The first thing that an audit finds wrong, and the write that is at fault. See audit_parts.h.
 */
/* SPDX-License-Identifier: MIT */
#include "plan/audit_parts.h"

/* The write that touches the range: the first that gives something up, for such are guesses; else the first. */
static unsigned finding_at(const struct vx_plan *plan, uint64_t offset, uint64_t length)
{
    unsigned first = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct vx_plan_write *write = &plan->writes[i];
        if (write->length == 0 || write->offset >= offset + length || offset >= write->offset + write->length)
            continue;
        if (write->reason.salvage)
            return write->reason.finding;
        first = first ? first : write->reason.finding;
    }
    return first;
}

void vx_audit_found(struct vx_auditing *work, const char *what, uint64_t virtual_offset, uint64_t file_offset,
                    uint64_t length)
{
    if (work->fault->what)
        return;
    *work->fault = (struct vx_audit_fault){what, 0, virtual_offset, file_offset, length, false};
    if (file_offset != VHDX_NOWHERE)
        work->fault->finding = finding_at(work->plan, file_offset, length);
}
