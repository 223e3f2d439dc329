/*
 * What to do next, family by family, in order: commands to be typed as they are, lines for PowerShell on the Hyper-V
 * host, sentences. Pure judgement over a classified estate.
 *
 * Invariants (the lines that uphold them name them):
 *  A1  Nothing that a configuration or a chain needs, or may need, is moved or removed by any step.
 *  A2  A file is proposed to be removed only where every condition of the completeness gate holds; else its family says
 *      which does not.
 *  A3  Moving aside comes after whatever keeps the content: a leaf that holds anything of its own is copied first.
 *  A4  Guest state (.vmgs) is in no step at all.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_ADVICE_ORDER_H
#define VX_ESTATE_ADVICE_ORDER_H

#include "estate/names.h"

/* Fills the families' steps, blockers and reclaimable bytes, and each disk's advice. NOMEM is the only failure. */
vhdx_status vx_advise_families(struct vx_estate *estate, vhdx_error *err);

#endif
