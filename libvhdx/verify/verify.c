/*
 * The order of the checks, and the public operation. See verify.h. Each structure has a file of its own; here is only
 * who comes after whom.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "format/bat_page.h"
#include "verify/check_sizes.h"
#include "verify/derive.h"
#include "verify/repair_class.h"

vhdx_status vx_verify_step(struct vx_verification *v, uint64_t done, uint64_t total, vhdx_error *err)
{
    const vhdx_progress progress = {VHDX_PHASE_READ, done, total};
    if (!v->options->progress || v->options->progress(v->options->progress_context, &progress))
        return VHDX_OK;
    return vx_fail(err, VHDX_CANCELLED, vx_at_file(vx_file_path(v->exam->raw)), "the check was cancelled");
}

vhdx_status vx_verify_set_nonsense(struct vx_verification *v, uint64_t page, vhdx_error *err)
{
    if (!v->nonsense)
        v->nonsense = vx_alloc((size_t)(v->exam->geometry.entry_count / VX_BAT_PAGE_ENTRIES / 8 + 1), 1);
    if (!v->nonsense)
        return vx_fail_memory(err, "the pages of the BAT");
    v->nonsense[page / 8] = (uint8_t)(v->nonsense[page / 8] | 1u << page % 8);
    return VHDX_OK;
}

bool vx_verify_is_nonsense(const struct vx_verification *v, uint64_t page)
{
    return v->nonsense && v->nonsense[page / 8] >> page % 8 & 1;
}

/* What needs a geometry. */
static vhdx_status check_blocks(struct vx_verification *v, vhdx_error *err)
{
    VX_TRY(vx_check_space(v, err));
    VX_TRY(vx_check_bitmaps(v, err));
    return vx_check_unreadable(v, err);
}

vhdx_status vx_verify_structures(struct vx_verification *v, vhdx_error *err)
{
    struct vx_derived derived;
    VX_TRY(vx_check_file(v, err));
    VX_TRY(vx_check_headers(v, err));
    VX_TRY(vx_check_log(v, err));
    VX_TRY(vx_check_regions(v, err));
    VX_TRY(vx_check_metadata(v, err));
    VX_TRY(vx_check_locator(v, err));
    vhdx_status status = vx_derive_begin(v, &derived, err);
    if (status == VHDX_OK)
        status = check_blocks(v, err);
    if (status == VHDX_OK)
        status = vx_check_evidence(v, derived.rebuilt, err);
    if (status == VHDX_OK)
        vx_sizes_hold_back(v);
    vx_leads_close(&v->leads);
    vx_free(v->nonsense);
    v->nonsense = NULL;
    vx_derive_end(v, &derived);
    return status;
}

static vhdx_status verify_file(struct vx_verification *v, const char *path, vhdx_error *err)
{
    VX_TRY(vx_exam_open(v->host, path, VHDX_FILE_READ, NULL, &v->exam, err));
    vhdx_status status = vx_verify_structures(v, err);
    if (status == VHDX_OK)
        status = vx_check_host(v, err);
    if (status == VHDX_OK && v->options->data)
        status = vx_check_data(v, v->options->manifest, err);
    if (status == VHDX_OK && v->options->chain)
        status = vx_check_chain(v, err);
    vx_exam_close(v->exam);
    v->exam = NULL;
    return status;
}

vhdx_status vx_verify(const char *path, const vhdx_verify_options *options, vhdx_report **report, vhdx_error *err)
{
    struct vx_verification v = {.host = vx_host_or_native(options->host), .options = options};
    VX_TRY(vx_report_new(&v.report, err));
    vhdx_status status = vx_report_add_file(v.report, path, &v.file, err);
    if (status == VHDX_OK)
        status = verify_file(&v, path, err);
    if (status == VHDX_OK)
        status = vx_report_check(v.report, err);
    if (status == VHDX_OK)
        *report = v.report;
    else
        vx_report_free(v.report);
    return status;
}
