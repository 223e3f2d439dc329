/*
 * Alternating header writes. See header_update.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/header_update.h"

#include "base/guid.h"
#include "image/protect.h"

static uint64_t slot_offset(int slot)
{
    return slot == 0 ? VX_HEADER1_OFFSET : VX_HEADER2_OFFSET;
}

/* One half: the other copy becomes current. All that was written before is durable first, the copy before above all:
 * never are both in flight. */
static vhdx_status update_other_slot(const struct vx_head *head, const struct vx_header *values, vhdx_error *err)
{
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_header header = *values;
    int slot = 1 - *head->slot;
    header.sequence_number = head->header->sequence_number + 1;
    vx_header_encode(&header, bytes);
    VX_TRY(vx_file_flush(head->file, err));
    VX_TRY(vx_file_write(head->file, bytes, sizeof bytes, slot_offset(slot), err));
    *head->header = header;
    *head->slot = slot;
    return VHDX_OK;
}

vhdx_status vx_header_update(const struct vx_head *head, const struct vx_header *values, vhdx_error *err)
{
    if (head->header->sequence_number > UINT64_MAX - 2)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_file_path(head->file), "header", slot_offset(*head->slot)),
                       "the header's sequence number is used up");
    struct vx_identity identity = vx_header_identity(values);
    VX_TRY(vx_file_will_be(head->file, &identity, err));
    VX_TRY(update_other_slot(head, values, err));
    return update_other_slot(head, values, err);
}

vhdx_status vx_new_guid(const vhdx_host *host, vhdx_guid *guid, vhdx_error *err)
{
    do {
        VX_TRY(vx_host_result(host->random(host->context, guid->bytes, sizeof guid->bytes, err), NULL,
                              "give random bytes", err));
    } while (vx_guid_is_zero(guid));
    /* version 4 and its variant, as others would write it */
    guid->bytes[7] = (uint8_t)((guid->bytes[7] & 0x0F) | 0x40);
    guid->bytes[8] = (uint8_t)((guid->bytes[8] & 0x3F) | 0x80);
    return VHDX_OK;
}
