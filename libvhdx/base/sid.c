/*
 * The account of a virtual machine. See sid.h. The words are those of the bytes in memory, where the
 * first three groups of the text are turned around already.
 */
/* SPDX-License-Identifier: MIT */
#include "base/sid.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

void vx_machine_sid(const vhdx_guid *machine_id, char text[VHDX_SID_ROOM])
{
    const uint8_t *id = machine_id->bytes;
    snprintf(text, VHDX_SID_ROOM, "S-1-5-83-1-%" PRIu32 "-%" PRIu32 "-%" PRIu32 "-%" PRIu32, vx_get32(id),
             vx_get32(id + 4), vx_get32(id + 8), vx_get32(id + 12));
}
