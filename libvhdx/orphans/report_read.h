/*
 * Reports of earlier searches ('vhdx orphans --json') as records of an estate, to be judged together with others. Only
 * facts are taken; what the report concluded is concluded anew. A report is hostile input: it can name anything, but
 * not more than its text.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_REPORT_READ_H
#define VX_ORPHANS_REPORT_READ_H

#include "estate/estate.h"

#define VX_REPORT_SIZE_MAX (UINT64_C(1) << 30)

/* `source`: the number that its records get, from 1. CORRUPT: no report; LIMIT; the host's errors. */
vhdx_status vx_orphans_read_report(struct vx_estate *estate, const vhdx_host *host, const char *path, unsigned source,
                                   vhdx_error *err);
/* The same of bytes in memory. `path` is for errors. */
vhdx_status vx_orphans_take_report(struct vx_estate *estate, const void *bytes, size_t size, const char *path,
                                   unsigned source, vhdx_error *err);

#endif
