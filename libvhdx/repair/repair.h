/*
 * Repair: findings become a plan, the plan is shown and applied, and the disk is verified again. What is mended, and
 * how, is mend_*.c's; how it gets to the disk repair_apply.c's. See vhdx_repair() in vhdx.h for what is promised.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REPAIR_REPAIR_H
#define VX_REPAIR_REPAIR_H

#include "base/status.h"

vhdx_status vx_repair(const char *path, const vhdx_repair_options *options, vhdx_report **report, vhdx_error *err);

#endif
