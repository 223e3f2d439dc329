/*
 * Which disks the configurations name: every reference of a machine or a checkpoint to a disk, what is said where none
 * or several fit, and checkpoints that ought to be there. What belongs to a VHD set is asked in vhd_sets.h.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_REFERENCES_H
#define VX_ESTATE_REFERENCES_H

#include "estate/estate.h"

/* Fills the machines' files, the disks' references and what names each of them. false: no memory. */
bool vx_references_take(struct vx_estate *estate);

#endif
