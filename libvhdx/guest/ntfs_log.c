/*
 * Structures of the log of NTFS. See ntfs_log.h.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/ntfs_log.h"

#include "base/checked.h"

#include <string.h>

#define RESTART_AREA 0x30u
#define PAGE_HEADER 0x28u
#define NO_CLIENT 0xFFFFu
#define FLAG_CLEAN 2u

bool vx_ntfs_restart_decode(struct vx_bytes page, struct vx_ntfs_restart *restart)
{
    struct vx_bytes area;
    *restart = (struct vx_ntfs_restart){0};
    if (page.size < 512 || memcmp(page.data, "RSTR", 4) != 0 ||
        !vx_bytes_part(page, vx_get16(page.data + 0x18), RESTART_AREA, &area))
        return false;
    uint16_t version = vx_get16(page.data + 0x1C);
    restart->page_size = vx_get32(page.data + 0x14);
    restart->current = vx_get64(area.data);
    restart->clean = vx_get16(area.data + 0x0C) == NO_CLIENT || (vx_get16(area.data + 0x0E) & FLAG_CLEAN);
    restart->sequence_bits = vx_get32(area.data + 0x10);
    restart->data_offset = vx_get16(area.data + 0x26);
    restart->first_page = version == 2 ? 0x22 : 4;
    return (version == 1 || version == 2) && vx_is_power_of_two(restart->page_size) && restart->page_size >= 512 &&
           restart->page_size <= VX_NTFS_LOG_PAGE_MAX && restart->sequence_bits > 3 && restart->sequence_bits < 64 &&
           restart->data_offset >= PAGE_HEADER && restart->data_offset < restart->page_size;
}

bool vx_ntfs_log_page_decode(struct vx_bytes page, struct vx_ntfs_log_page *decoded)
{
    *decoded = (struct vx_ntfs_log_page){0};
    if (page.size < PAGE_HEADER || memcmp(page.data, "RCRD", 4) != 0)
        return false;
    decoded->last = vx_get64(page.data + 8);
    decoded->next_record = vx_get16(page.data + 0x18);
    decoded->last_end = vx_get64(page.data + 0x20);
    return true;
}

static unsigned place_bits(const struct vx_ntfs_restart *restart)
{
    return 64 - restart->sequence_bits;
}

uint64_t vx_ntfs_lsn_at(const struct vx_ntfs_restart *restart, uint64_t round, uint64_t place)
{
    unsigned bits = place_bits(restart);
    return round >> bits << bits | (place >> 3 & ((UINT64_C(1) << bits) - 1));
}

uint64_t vx_ntfs_lsn_place(const struct vx_ntfs_restart *restart, uint64_t lsn)
{
    return (lsn & ((UINT64_C(1) << place_bits(restart)) - 1)) << 3;
}
