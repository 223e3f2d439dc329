/*
 * How far an export has come, in a map as GNU ddrescue writes it: what is there is '+', the rest '?'. Comments say of
 * which disk it is, so that nothing is put together of two.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_EXPORT_STATE_H
#define VHDX_TOOLS_EXPORT_STATE_H

#include <vhdx.h>

struct export_state {
    vhdx_guid content, file; /* DataWriteGuid and FileWriteGuid of the topmost layer */
    uint64_t virtual_size;
    uint64_t done; /* bytes from the beginning that are there, durably */
};

struct export_state export_state_of(const vhdx_chain *chain);
/* Replaces what is at `path`. */
vhdx_status export_state_write(const char *path, const struct export_state *state, vhdx_error *err);
/* CORRUPT: none of ours. */
vhdx_status export_state_read(const char *path, struct export_state *state, vhdx_error *err);
/* Whether both are of the same disk in the same state. */
bool export_state_fits(const struct export_state *a, const struct export_state *b);

#endif
