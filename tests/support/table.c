/*
 * See table.h.
 */
/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <string.h>
#include <zlib.h>

#include "base/bytes.h"

#define HEADER_SIZE 92u

static uint8_t *sector_at(const struct table_disk *disk, uint64_t sector)
{
    return disk->bytes + sector * disk->sector;
}

static uint64_t last_of(const struct table_disk *disk)
{
    return disk->size / disk->sector - 1;
}

uint64_t table_array_sectors(const struct table_shape *shape, uint32_t sector)
{
    uint64_t count = shape->entry_count ? shape->entry_count : 128, size = shape->entry_size ? shape->entry_size : 128;
    return (count * size + sector - 1) / sector;
}

static void sign(uint8_t *header)
{
    vx_put32(header + 16, 0);
    vx_put32(header + 16, (uint32_t)crc32(0, header, vx_get32(header + 12)));
}

void table_sign(const struct table_disk *disk, bool backup)
{
    sign(sector_at(disk, backup ? last_of(disk) : 1));
}

static void put_copy(const struct table_disk *disk, const struct table_shape *shape, bool backup)
{
    uint64_t last = last_of(disk), sectors = table_array_sectors(shape, disk->sector);
    uint32_t count = shape->entry_count ? shape->entry_count : 128, size = shape->entry_size ? shape->entry_size : 128;
    uint64_t place = backup ? last - sectors : 2;
    uint8_t *array = sector_at(disk, place), *header = sector_at(disk, backup ? last : 1);
    memset(array, 0, sectors * disk->sector);
    for (size_t i = 0; i < shape->partition_count; i++) {
        uint8_t *entry = array + i * size;
        memset(entry, 0x5A, 16);
        memset(entry + 16, (int)i + 1, 16);
        vx_put64(entry + 32, shape->partitions[i].first);
        vx_put64(entry + 40, shape->partitions[i].last);
        entry[56] = (uint8_t)('a' + i);
    }
    memset(header, 0, disk->sector);
    memcpy(header, "EFI PART", 8);
    vx_put32(header + 8, 0x10000);
    vx_put32(header + 12, HEADER_SIZE);
    vx_put64(header + 24, backup ? last : 1);
    vx_put64(header + 32, backup ? 1 : last);
    vx_put64(header + 40, 2 + sectors);
    vx_put64(header + 48, last - sectors - 1);
    memset(header + 56, 0x77, 16);
    vx_put64(header + 72, place);
    vx_put32(header + 80, count);
    vx_put32(header + 84, size);
    vx_put32(header + 88, (uint32_t)crc32(0, array, count * size));
    sign(header);
}

void table_put(const struct table_disk *disk, const struct table_shape *shape)
{
    uint8_t *record = disk->bytes;
    memset(record + 446, 0, 64);
    record[446 + 4] = 0xEE;
    vx_put32(record + 446 + 8, 1);
    vx_put32(record + 446 + 12, (uint32_t)last_of(disk));
    record[510] = 0x55;
    record[511] = 0xAA;
    put_copy(disk, shape, false);
    put_copy(disk, shape, true);
}

static bool header_is_valid(const struct table_disk *disk, uint64_t sector)
{
    uint8_t bytes[4096];
    memcpy(bytes, sector_at(disk, sector), disk->sector);
    uint32_t size = vx_get32(bytes + 12), checksum = vx_get32(bytes + 16);
    if (memcmp(bytes, "EFI PART", 8) != 0 || size < HEADER_SIZE || size > disk->sector)
        return false;
    vx_put32(bytes + 16, 0);
    return (uint32_t)crc32(0, bytes, size) == checksum && vx_get64(bytes + 24) == sector;
}

static bool array_is_valid(const struct table_disk *disk, const uint8_t *header)
{
    uint64_t at = vx_get64(header + 72) * disk->sector;
    uint64_t size = (uint64_t)vx_get32(header + 80) * vx_get32(header + 84);
    if (at > disk->size || size > disk->size - at)
        return false;
    return (uint32_t)crc32(0, disk->bytes + at, (uInt)size) == vx_get32(header + 88);
}

bool table_copy_is_valid(const struct table_disk *disk, bool backup)
{
    uint64_t sector = backup ? last_of(disk) : 1;
    return header_is_valid(disk, sector) && array_is_valid(disk, sector_at(disk, sector));
}

static const char *entries_wrong(const struct table_disk *disk, const uint8_t *header)
{
    const uint8_t *array = disk->bytes + vx_get64(header + 72) * disk->sector;
    for (uint32_t i = 0; i < vx_get32(header + 80); i++) {
        const uint8_t *entry = array + (uint64_t)i * vx_get32(header + 84);
        if (!vx_is_zero(entry, 16) &&
            (vx_get64(entry + 32) < vx_get64(header + 40) || vx_get64(entry + 40) > vx_get64(header + 48)))
            return "a partition lies outside of the usable sectors";
    }
    return NULL;
}

const char *table_wrong(const struct table_disk *disk)
{
    uint64_t last = last_of(disk);
    const uint8_t *first = sector_at(disk, 1), *second = sector_at(disk, last);
    if (!header_is_valid(disk, 1) || !array_is_valid(disk, first))
        return "the first copy is not valid";
    if (!header_is_valid(disk, last) || !array_is_valid(disk, second))
        return "the second copy is not valid";
    if (vx_get64(first + 32) != last || vx_get64(second + 32) != 1)
        return "the copies do not name each other";
    if (memcmp(first + 40, second + 40, 32) != 0 || memcmp(first + 80, second + 80, 12) != 0)
        return "the copies say different things";
    uint64_t size = (uint64_t)vx_get32(first + 80) * vx_get32(first + 84);
    uint64_t array = vx_get64(second + 72);
    if (vx_get64(first + 48) >= array || array + (size + disk->sector - 1) / disk->sector > last)
        return "the second array lies where partitions may";
    if (disk->bytes[446 + 4] == 0xEE && vx_get32(disk->bytes + 446 + 12) != UINT32_MAX &&
        vx_get32(disk->bytes + 446 + 12) != last)
        return "the record does not protect the whole disk";
    return entries_wrong(disk, first);
}

static void copy(const struct table_disk *disk, const struct table_disk *other, uint64_t sector, uint64_t count)
{
    for (uint64_t i = sector; i < sector + count; i++)
        if ((i + 1) * disk->sector <= disk->size && (i + 1) * disk->sector <= other->size)
            memcpy(sector_at(other, i), sector_at(disk, i), disk->sector);
}

void table_copy_sectors(const struct table_disk *disk, const struct table_disk *other)
{
    const uint8_t *header = sector_at(disk, 1);
    uint64_t sectors = ((uint64_t)vx_get32(header + 80) * vx_get32(header + 84) + disk->sector - 1) / disk->sector;
    copy(disk, other, 0, 2);
    copy(disk, other, vx_get64(header + 72), sectors);
    copy(disk, other, last_of(disk) - sectors, sectors + 1);
}
