/*
 * What vhdx merge tells: the plan, the outcome, as text and as JSON; and what a merge on its way consists of.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_MERGE_REPORT_H
#define VHDX_TOOLS_MERGE_REPORT_H

#include "machines.h"
#include "notices.h"
#include "replace.h"

struct merge_wish {
    const char *into, *output, *direction, *undo, *zero_detect;
    struct cli_list parents, configs, siblings;
    bool dry_run, delete_merged, force_siblings, reclaim, verify, overwrite, fixed;
    struct cli_size window, block_size;
    vhdx_direction way;
    vhdx_zero_detect zeros;
};

/* One merge on its way: what was asked for, what is called with, what came out. */
struct merge_work {
    const struct cli *cli;
    const struct merge_wish *wish;
    const char *child;
    struct progress progress;
    struct notices notices;
    vhdx_machines *machines; /* whose configurations name layers of the chain */
    struct texts layers;     /* paths, from the child down */
    vhdx_merge_options options;
    vhdx_merge_report report;
    struct replace replace; /* of -o --overwrite */
    double seconds;         /* that it took */
};

/* Of a dry run. */
void merge_report_plan(const struct merge_work *work);
/* Of a merge that was done. */
void merge_report_done(const struct merge_work *work);
/* Of both. */
void merge_report_json(const struct merge_work *work);

#endif
