/*
 * Accounts of machines on disks, as they are read. See access.h.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/access.h"

#include "base/guid.h"
#include "estate/accounts.h"
#include "format/security.h"

#include <string.h>

/* The group of all containers' machines has a number like that of one machine. */
static bool is_group(const vhdx_guid *id)
{
    static const uint32_t group[4] = {3166535780u, 1122986932u, 343720105u, 43916321u};
    uint8_t bytes[16];
    for (size_t i = 0; i < 4; i++)
        vx_put32(bytes + i * 4, group[i]);
    return memcmp(bytes, id->bytes, sizeof bytes) == 0;
}

/* Also where everybody may open the disk: the entry of one machine says whose it was. */
static size_t list_machines(const struct vx_security *security, vhdx_guid ids[VX_MACHINES_MAX])
{
    struct vx_ace ace;
    vhdx_guid id;
    size_t at = 0, count = 0;
    for (uint32_t i = 0; i < security->count && count < VX_MACHINES_MAX && vx_security_next(security, &at, &ace); i++)
        if (ace.type == VX_ACE_ALLOWED && vx_sid_machine(&ace.sid, &id) && !is_group(&id) &&
            !vx_account_is_listed(ids, count, &id))
            ids[count++] = id;
    return count;
}

bool vx_access_read(struct vx_file *file, uint8_t bytes[VX_DESCRIPTOR_ROOM], struct vx_arena *arena,
                    vhdx_found_file *out)
{
    static const vhdx_access kinds[] = {
        [VX_MACHINE_ACCESS_ALL] = VHDX_ACCESS_ALL,
        [VX_MACHINE_ACCESS_SOME] = VHDX_ACCESS_SOME,
        [VX_MACHINE_ACCESS_NONE] = VHDX_ACCESS_NONE,
    };
    struct vx_security security;
    struct vx_sid sids[VX_MACHINES_MAX];
    vhdx_guid ids[VX_MACHINES_MAX];
    size_t size, count;
    if (!vx_file_security(file, bytes, VX_DESCRIPTOR_ROOM, &size) ||
        vx_security_decode(vx_bytes_of(bytes, size), &security) != VHDX_OK)
        return true;
    out->access = kinds[vx_security_machines(&security, sids, &count)];
    if (out->access == VHDX_ACCESS_SOME && count == VX_MACHINES_MAX)
        out->access = VHDX_ACCESS_UNKNOWN; /* there may be more of them */
    count = list_machines(&security, ids);
    vhdx_guid *kept = vx_arena_take(arena, count, sizeof *kept);
    if (!kept)
        return false;
    memcpy(kept, ids, count * sizeof *kept);
    out->accounts = kept;
    out->account_count = count;
    return true;
}
