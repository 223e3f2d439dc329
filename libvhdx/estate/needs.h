/*
 * Which disks are needed: every ancestor of what a configuration names, whatever serves a disk that is no orphan, and
 * files that people keep without any machine that names them, known by their names. Says which disks must stay; what
 * each disk is called is up to classify.h.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_NEEDS_H
#define VX_ESTATE_NEEDS_H

#include "estate/estate.h"

/* After references, sets and files beside disks. false: no memory. */
bool vx_needs_mark(struct vx_estate *estate);

#endif
