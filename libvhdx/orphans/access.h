/*
 * Which machines may open a disk, by its security descriptor: Hyper-V enters the account of each machine, and leaves it
 * there when the machine is long gone. Reads; what it means is judged in estate/accounts.c. The accounts' numbers are
 * the codec's (format/security.h).
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

#endif
