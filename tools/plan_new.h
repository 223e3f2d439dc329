/*
 * What 'vhdx merge -o NEW' would cost, told from the map of the chain. Writes nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_PLAN_NEW_H
#define VHDX_TOOLS_PLAN_NEW_H

#include <vhdx.h>

/* EXISTS when a file that is not empty is at `path` and is not to be overwritten, NO_SPACE when the volume has too
 * little room, else as vhdx_chain_open. */
vhdx_status plan_new(const char *child, const char *path, bool overwrite, uint64_t block_size,
                     const vhdx_open_options *options, vhdx_merge_report *report, vhdx_error *err);

#endif
