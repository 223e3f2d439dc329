/*
 * The order of the checks of one file. See verify.h. Each structure has a file of its own.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "verify/check_sizes.h"
#include "verify/derive.h"
#include "verify/repair_class.h"

/* A file that was cut lacks all of its end: blocks fill at least half of what would be there. One wrong entry leads
 * anywhere. */
static void tell_missing(struct vx_verification *v)
{
    if (v->beyond_bytes >= v->beyond_reach / 2)
        vx_report_missing(v->report, v->file, v->beyond_reach);
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
    if (status == VHDX_OK)
        tell_missing(v);
    vx_leads_close(&v->leads);
    vx_free(v->nonsense);
    v->nonsense = NULL;
    vx_derive_end(v, &derived);
    return status;
}
