/*
 * What each disk is: what names it, what needs it, its role, its one status, its flags, and the findings that tell why.
 * Pure judgement over the records of an estate whose graph is built; asks no host and proposes nothing (advice_order.c
 * does).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_CLASSIFY_H
#define VX_ESTATE_CLASSIFY_H

#include "estate/names.h"

/* NOMEM is the only failure. */
vhdx_status vx_estate_classify(struct vx_estate *estate, vhdx_error *err);

/* Adds the findings that only a comparison of contents gives; called once, after it. */
void vx_classify_compared(struct vx_estate *estate);

#endif
