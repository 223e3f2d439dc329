/*
 * What a repair would achieve, record by record. The class of a finding is what an audited plan does for it and not
 * what its kind usually is, so that verify, the dry run and the repair cannot say different things.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REPAIR_FORECAST_H
#define VX_REPAIR_FORECAST_H

#include "repair/planning.h"

/* Settles the repair class of what verification found in the disk at `path`, the report's first file. Does nothing when
 * no record is said to be repairable. */
vhdx_status vx_forecast(const char *path, const vhdx_verify_options *options, vhdx_report *report, vhdx_error *err);
/* The same for the report of a planning, whose plan is there: what it left is what is not in the sketch any more. */
vhdx_status vx_forecast_planned(const char *path, struct vx_planning *planning, vhdx_error *err);

#endif
