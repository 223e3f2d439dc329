/*
 * The public operation: one file with all that was asked about it. See verify.h.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

static vhdx_status verify_file(struct vx_verification *v, const char *path, vhdx_error *err)
{
    bool is_vhd;
    VX_TRY(vx_check_vhd(v, path, &is_vhd, err));
    if (is_vhd)
        return VHDX_OK;
    VX_TRY(vx_exam_open(v->host, path, VHDX_OPEN_READ, NULL, &v->exam, err));
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
