/*
 * Security descriptors. See security.h. In a self-relative descriptor a list that is "present" at
 * offset 0 counts as no list at all, and everyone has access, while an empty list denies access to everyone.
 */
/* SPDX-License-Identifier: MIT */
#include "format/security.h"

#include <inttypes.h>
#include <stdio.h>

#define DESCRIPTOR_SIZE 20u
#define LIST_HEADER 8u
#define ACE_HEADER 4u
#define CONTROL_LIST_PRESENT 0x0004u
#define CONTROL_SELF_RELATIVE 0x8000u
#define AUTHORITY_WORLD 1u
#define AUTHORITY_NT 5u
#define PART_MACHINES 83u    /* "NT VIRTUAL MACHINE" */
#define MAY_READ 0x90000001u /* GENERIC_ALL, GENERIC_READ, FILE_READ_DATA */

vhdx_status vx_security_decode(struct vx_bytes in, struct vx_security *out)
{
    struct vx_bytes header;
    *out = (struct vx_security){0};
    if (in.size < DESCRIPTOR_SIZE)
        return VHDX_TRUNCATED;
    uint32_t control = vx_get16(in.data + 2), offset = vx_get32(in.data + 16);
    if (in.data[0] != 1 || !(control & CONTROL_SELF_RELATIVE))
        return VHDX_CORRUPT;
    out->everybody = !(control & CONTROL_LIST_PRESENT) || offset == 0;
    if (out->everybody)
        return VHDX_OK;
    if (!vx_bytes_part(in, offset, LIST_HEADER, &header))
        return VHDX_TRUNCATED;
    uint16_t size = vx_get16(header.data + 2);
    out->count = vx_get16(header.data + 4);
    if (size < LIST_HEADER || !vx_bytes_part(in, (uint64_t)offset + LIST_HEADER, size - LIST_HEADER, &out->list))
        return VHDX_TRUNCATED;
    return VHDX_OK;
}

static bool decode_sid(struct vx_bytes in, struct vx_sid *sid)
{
    *sid = (struct vx_sid){0};
    if (in.size < 8 || in.data[1] > 15 || in.size - 8 < in.data[1] * 4u)
        return false;
    sid->revision = in.data[0];
    sid->count = in.data[1];
    for (size_t i = 2; i < 8; i++)
        sid->authority = sid->authority << 8 | in.data[i];
    for (size_t i = 0; i < sid->count; i++)
        sid->parts[i] = vx_get32(in.data + 8 + i * 4);
    return true;
}

bool vx_security_next(const struct vx_security *security, size_t *at, struct vx_ace *ace)
{
    struct vx_bytes entry;
    *ace = (struct vx_ace){0};
    if (!vx_bytes_part(security->list, *at, ACE_HEADER, &entry))
        return false;
    uint16_t size = vx_get16(entry.data + 2);
    if (size < ACE_HEADER || !vx_bytes_part(security->list, *at, size, &entry))
        return false;
    ace->type = entry.data[0];
    ace->flags = entry.data[1];
    *at += size;
    if (ace->type != VX_ACE_ALLOWED && ace->type != VX_ACE_DENIED)
        return true;
    if (size < ACE_HEADER + 4)
        return false;
    ace->mask = vx_get32(entry.data + ACE_HEADER);
    return decode_sid(vx_bytes_of(entry.data + ACE_HEADER + 4, size - ACE_HEADER - 4u), &ace->sid);
}

void vx_sid_format(const struct vx_sid *sid, char text[VX_SID_TEXT])
{
    int length = snprintf(text, VX_SID_TEXT, "S-%u-%" PRIu64, sid->revision, sid->authority);
    for (size_t i = 0; i < sid->count; i++)
        length += snprintf(text + length, (size_t)(VX_SID_TEXT - length), "-%" PRIu32, sid->parts[i]);
}

bool vx_sid_machine(const struct vx_sid *sid, vhdx_guid *machine_id)
{
    if (sid->authority != AUTHORITY_NT || sid->count != 6 || sid->parts[0] != PART_MACHINES || sid->parts[1] != 1)
        return false;
    for (size_t i = 0; i < 4; i++)
        vx_put32(machine_id->bytes + i * 4, sid->parts[i + 2]);
    return true;
}

static bool is_everyone(const struct vx_sid *sid)
{
    return sid->authority == AUTHORITY_WORLD && sid->count == 1 && sid->parts[0] == 0;
}

static bool is_every_machine(const struct vx_sid *sid)
{
    return sid->authority == AUTHORITY_NT && sid->count == 2 && sid->parts[0] == PART_MACHINES && sid->parts[1] == 0;
}

enum vx_machine_access vx_security_machines(const struct vx_security *security, struct vx_sid machines[VX_MACHINES_MAX],
                                            size_t *count)
{
    struct vx_ace ace;
    vhdx_guid id;
    size_t at = 0;
    *count = 0;
    if (security->everybody)
        return VX_MACHINE_ACCESS_ALL;
    for (uint32_t i = 0; i < security->count && vx_security_next(security, &at, &ace); i++) {
        if (ace.type != VX_ACE_ALLOWED || (ace.flags & VX_ACE_INHERIT_ONLY) || !(ace.mask & MAY_READ))
            continue;
        if (is_everyone(&ace.sid) || is_every_machine(&ace.sid))
            return VX_MACHINE_ACCESS_ALL;
        if (vx_sid_machine(&ace.sid, &id) && *count < VX_MACHINES_MAX)
            machines[(*count)++] = ace.sid;
    }
    return *count > 0 ? VX_MACHINE_ACCESS_SOME : VX_MACHINE_ACCESS_NONE;
}
