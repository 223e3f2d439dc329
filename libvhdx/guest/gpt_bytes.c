/*
 * Bytes of partition tables. See gpt_bytes.h. Easy to get wrong: the header's checksum covers as many bytes as the
 * header itself says, not the 92 that everybody writes.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/gpt_bytes.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/utf.h"

#include <string.h>
#include <zlib.h>

#define NAME_OFFSET 56u
#define NAME_SIZE 72u
#define TABLE_OFFSET 446u
#define PROTECTIVE 0xEEu

void vx_gpt_header_put(uint8_t *sector, const struct vx_gpt_place *place)
{
    vx_put64(sector + 24, place->header);
    vx_put64(sector + 32, place->other_header);
    vx_put64(sector + 48, place->last_usable);
    vx_put64(sector + 72, place->array);
    vx_put32(sector + 16, 0);
    vx_put32(sector + 16, (uint32_t)crc32(crc32(0, NULL, 0), sector, vx_get32(sector + 12)));
}

static size_t name_size(const uint8_t *entry)
{
    size_t size = 0;
    while (size < NAME_SIZE && vx_get16(entry + NAME_OFFSET + size) != 0)
        size += 2;
    return size;
}

void vx_gpt_partition_decode(const uint8_t *entry, struct vx_gpt_partition *partition)
{
    *partition = (struct vx_gpt_partition){.used = !vx_is_zero(entry, 16)};
    if (!partition->used)
        return;
    partition->first = vx_get64(entry + 32);
    partition->last = vx_get64(entry + 40);
    partition->nonsense = partition->first > partition->last || partition->last >= UINT64_MAX / 4096 - 1;
    vx_utf16_to_utf8(vx_bytes_of(entry + NAME_OFFSET, name_size(entry)), partition->name);
}

bool vx_gpt_array_is_right(const struct vx_gpt *gpt, const uint8_t *array)
{
    uInt size = gpt->entry_count * gpt->entry_size; /* 1 MiB at most: partitions.c refuses more */
    return (uint32_t)crc32(crc32(0, NULL, 0), array, size) == gpt->array_checksum;
}

/* The only entry, which begins behind the record itself; NULL: there are others. */
static uint8_t *protective_entry(uint8_t sector[512])
{
    uint8_t *found = NULL;
    if (sector[510] != 0x55 || sector[511] != 0xAA)
        return NULL;
    for (size_t i = 0; i < 4; i++) {
        uint8_t *entry = sector + TABLE_OFFSET + i * 16;
        if (entry[4] == 0)
            continue;
        if (found || entry[4] != PROTECTIVE || vx_get32(entry + 8) != 1)
            return NULL;
        found = entry;
    }
    return found;
}

bool vx_protective_record_fit(uint8_t sector[512], uint64_t sectors)
{
    uint8_t *entry = protective_entry(sector);
    uint32_t length = sectors - 1 < UINT32_MAX ? (uint32_t)(sectors - 1) : UINT32_MAX;
    /* "As large as can be said" is what Windows writes on every disk, and what it expects. */
    if (!entry || vx_get32(entry + 12) == length || vx_get32(entry + 12) == UINT32_MAX)
        return false;
    vx_put32(entry + 12, length);
    return true;
}
