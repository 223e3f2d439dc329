/*
 * What a new disk would become, from what its source says without reading any of it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BUILD_ESTIMATE_H
#define VX_BUILD_ESTIMATE_H

#include "build/build.h"
#include "build/target.h"

/* Asks the source for all that it has; fills `file_size`, `bytes_data` and `bytes_shared` of the report. */
vhdx_status vx_build_estimate(const struct vx_build_spec *spec, const struct vx_source *source,
                              vhdx_build_report *report, vhdx_error *err);

#endif
