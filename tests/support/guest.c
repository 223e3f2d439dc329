/*
 * See guest.h.
 */
/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "guest/partitions.h"

#define SECTOR 512u
#define ENTRIES 16384u

static void make_header(uint8_t sector[SECTOR], const uint8_t *entries, uint64_t sectors, uint8_t name, bool backup)
{
    uint64_t last = sectors - 1;
    memset(sector, 0, SECTOR);
    vx_put64(sector, VX_GPT_SIGNATURE);
    vx_put32(sector + 8, 0x10000);
    vx_put32(sector + 12, 92);
    vx_put64(sector + 24, backup ? last : 1);
    vx_put64(sector + 32, backup ? 1 : last);
    vx_put64(sector + 40, 34);
    vx_put64(sector + 48, last - 33);
    memset(sector + 56, name + 1, 16);
    vx_put64(sector + 72, backup ? last - 32 : 2);
    vx_put32(sector + 80, 128);
    vx_put32(sector + 84, 128);
    vx_put32(sector + 88, (uint32_t)crc32(0, entries, ENTRIES));
    vx_put32(sector + 16, (uint32_t)crc32(0, sector, 92));
}

void guest_gpt(struct bld *b, uint64_t size, uint8_t name, unsigned pieces)
{
    static uint8_t entries[ENTRIES];
    uint8_t sector[SECTOR];
    uint64_t sectors = size / SECTOR;
    memset(entries, 0, sizeof entries);
    if (name != 0) {
        memset(entries, 0x55, 16);
        memset(entries + 16, name, 16);
        vx_put64(entries + 32, 2048);
        vx_put64(entries + 40, 8191);
    }
    for (unsigned backup = 0; backup < 2; backup++) {
        make_header(sector, entries, sectors, name, backup);
        if (pieces & (backup ? GUEST_BACKUP_HEADER : GUEST_HEADER))
            bld_write(b, backup ? size - SECTOR : SECTOR, sector, SECTOR);
        if (pieces & (backup ? GUEST_BACKUP_ENTRIES : GUEST_ENTRIES))
            bld_write(b, backup ? size - 33 * SECTOR : 2 * SECTOR, entries, ENTRIES);
    }
}
