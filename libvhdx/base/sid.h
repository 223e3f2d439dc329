/*
 * The account of a virtual machine. Windows computes it from the machine's id and stores it nowhere. No question to any
 * host.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_SID_H
#define VX_BASE_SID_H

#include <vhdx.h>

/* "S-1-5-83-1-A-B-C-D": A to D are the four little-endian 32-bit words of the id's bytes, in decimal. */
void vx_machine_sid(const vhdx_guid *machine_id, char text[VHDX_SID_ROOM]);

#endif
