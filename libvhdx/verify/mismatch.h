/*
 * A refusal of a parent by its id, told together with what the content of the two says: whether only the id differs, or
 * files were written to the parent since. For those below this room, who know ids only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_MISMATCH_H
#define VX_VERIFY_MISMATCH_H

#include <vhdx.h>

/* Adds to the message of `err`, as far as there is room and anything is known, and replaces the advice. */
void vx_mismatch_explain(const vhdx_host *host, const char *child, const char *parent, vhdx_error *err);

#endif
