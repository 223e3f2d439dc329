/*
 * Whose disk it is, by its security descriptor: Hyper-V enters the account of each machine that may open a disk, and
 * leaves it there when the machine is long gone. Judges what was gathered; the accounts' numbers are the codec's
 * (format/security.h).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_ACCESS_H
#define VX_ORPHANS_ACCESS_H

#include "io/io.h"
#include "estate/estate.h"

/* Room for a descriptor that is read; one that is longer is left alone. */
#define VX_DESCRIPTOR_ROOM 16384u

/* Two questions to the host at most, none where it is known to have no descriptors. false: no memory. */
bool vx_access_read(struct vx_file *file, uint8_t bytes[VX_DESCRIPTOR_ROOM], struct vx_arena *arena,
                    vhdx_found_file *out);

/* Behind the statuses: who lost his disk, and which disks in use their machines may not open. false: no memory. */
bool vx_access_judge(struct vx_estate *estate);

#endif
