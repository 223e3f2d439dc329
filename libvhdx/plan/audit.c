/*
 * The order of an audit. See audit.h.
 */
/* SPDX-License-Identifier: MIT */
#include "plan/audit.h"

#include "base/alloc.h"
#include "plan/audit_parts.h"

static bool is_header(uint64_t offset)
{
    return offset == VX_HEADER1_OFFSET || offset == VX_HEADER2_OFFSET;
}

static vhdx_status gather_writes(struct vx_auditing *work, vhdx_error *err)
{
    const struct vx_plan *plan = work->plan;
    for (size_t i = 0; i < plan->count; i++) {
        const struct vx_range range = {.offset = plan->writes[i].offset,
                                       .length = plan->writes[i].length,
                                       .owner_kind = plan->writes[i].reason.finding};
        if (range.length > 0 && !is_header(range.offset) && !vx_ranges_add(&work->written, &range))
            return vx_fail_memory(err, "the writes of a plan");
    }
    vx_ranges_sort(&work->written);
    return VHDX_OK;
}

static vhdx_status join_writes(struct vx_auditing *work, vhdx_error *err)
{
    for (size_t i = 0; i < work->written.count; i++) {
        const struct vx_range *write = &work->written.items[i];
        struct vx_range *last = work->touched.count ? &work->touched.items[work->touched.count - 1] : NULL;
        uint64_t end = write->offset + write->length;
        if (last && write->offset <= last->offset + last->length)
            last->length = vx_max(end, last->offset + last->length) - last->offset;
        else if (!vx_ranges_add(&work->touched, write))
            return vx_fail_memory(err, "the writes of a plan");
    }
    return VHDX_OK;
}

/* *opened = false: nothing can be had of it. */
static vhdx_status open_view(struct vx_auditing *work, struct vx_file *file, struct vx_salvage_layers *layers,
                             bool *opened, vhdx_error *err)
{
    const vhdx_repair_options *told = work->options->repair;
    const vhdx_salvage_options options = {.struct_size = sizeof options,
                                          .host = work->plan->host,
                                          .assume_virtual_size = told ? told->assume_virtual_size : 0,
                                          .assume_block_size = told ? told->assume_block_size : 0,
                                          .assume_logical_sector = told ? told->assume_logical_sector : 0,
                                          .parents = work->options->parents,
                                          .parent_count = work->options->parent_count,
                                          .progress = work->options->progress,
                                          .progress_context = work->options->progress_context};
    vhdx_error why;
    vhdx_status status = vx_salvage_open_file(file, &options, layers, &why);
    *opened = status == VHDX_OK;
    if (status != VHDX_NOMEM && status != VHDX_CANCELLED && status != VHDX_IO)
        return VHDX_OK;
    if (err)
        *err = why;
    return status;
}

static vhdx_status compare(struct vx_auditing *work, vhdx_error *err)
{
    VX_TRY(vx_audit_pieces(work, err));
    VX_TRY(vx_audit_log(work, err));
    if (work->before.only_pieces)
        return VHDX_OK;
    if (work->after.only_pieces) {
        vx_audit_found(work, "nothing of the virtual disk could be read afterwards", VHDX_NOWHERE, VHDX_NOWHERE, 0);
        return VHDX_OK;
    }
    if (!work->options->salvage && vx_audit_layer(&work->before)->rebuilt->old_bits) {
        vx_audit_found(work, "the log would be overwritten, which has sectors that the disk does not have",
                       VHDX_NOWHERE, VHDX_NOWHERE, 0);
        work->fault->by_disk = true;
        return VHDX_OK;
    }
    vx_audit_writes(work);
    vx_audit_values(work);
    return work->fault->what ? VHDX_OK : vx_audit_view(work, err);
}

/* Where no write lies in what is wrong it is the log's fault, and that of the first write that goes through it. */
static void blame_journal(struct vx_auditing *work)
{
    const struct vx_range *journaled = vx_audit_first_journaled(work);
    if (work->fault->what && work->fault->finding == 0 && !work->fault->by_disk && journaled)
        work->fault->finding = journaled->owner_kind;
}

static vhdx_status audit(struct vx_auditing *work, vhdx_error *err)
{
    struct vx_file *view;
    struct vx_plan *plan = work->plan;
    bool before, after;
    VX_TRY(gather_writes(work, err));
    VX_TRY(join_writes(work, err));
    VX_TRY(open_view(work, plan->readable ? plan->readable : plan->file, &work->before, &before, err));
    if (!before)
        return VHDX_OK;
    VX_TRY(vx_audit_journal(work, &view, err));
    VX_TRY(open_view(work, view, &work->after, &after, err));
    if (after)
        return compare(work, err);
    vx_audit_found(work, "nothing of the disk could be read afterwards", VHDX_NOWHERE, VHDX_NOWHERE, 0);
    return VHDX_OK;
}

vhdx_status vx_audit(struct vx_plan *plan, const struct vx_audit_options *options, struct vx_audit_fault *fault,
                     vhdx_error *err)
{
    *fault = (struct vx_audit_fault){.what = NULL, .virtual_offset = VHDX_NOWHERE, .file_offset = VHDX_NOWHERE};
    struct vx_auditing *work = vx_alloc(1, sizeof *work);
    if (!work)
        return vx_fail_memory(err, "an audit");
    work->plan = plan;
    work->options = options;
    work->fault = fault;
    vhdx_status status = audit(work, err);
    if (status == VHDX_OK)
        blame_journal(work);
    vx_salvage_close(&work->after);
    vx_file_close(work->journaled);
    vx_salvage_close(&work->before);
    vx_ranges_clear(&work->written);
    vx_ranges_clear(&work->touched);
    vx_free(work);
    if (status == VHDX_OK)
        vx_plan_settle(plan);
    return status;
}
