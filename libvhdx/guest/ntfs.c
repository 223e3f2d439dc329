/*
 * Structures of NTFS. See ntfs.h. Each number is compared before it is multiplied or used as a size or a place.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/ntfs.h"

#include "base/checked.h"

#include <string.h>

#define RECORD_HEADER 0x2Au /* of the oldest version; later ones add the record's number */
#define NUMBERED_HEADER 0x30u
#define ATTRIBUTE_HEADER 0x18u
#define NONRESIDENT_HEADER 0x40u
#define END_MARK UINT32_C(0xFFFFFFFF)

/* ---- boot sector ------------------------------------------------------------------------------------------------- */

bool vx_ntfs_boot_named(struct vx_bytes in)
{
    return in.size >= VX_NTFS_BOOT_SIZE && memcmp(in.data + 3, "NTFS    ", 8) == 0;
}

/* 0: makes no sense. */
static uint32_t cluster_size(uint8_t code, uint32_t sector_size)
{
    uint32_t sectors = code <= 128 ? code : code >= 244 ? UINT32_C(1) << (256 - code) : 0;
    uint32_t size = sectors * sector_size;
    return vx_is_power_of_two(size) && size <= VX_NTFS_CLUSTER_MAX ? size : 0;
}

static uint32_t record_size(uint8_t code, uint32_t cluster)
{
    uint64_t size = code < 128 ? (uint64_t)code * cluster : code >= 240 ? UINT64_C(1) << (256 - code) : 0;
    return vx_is_power_of_two(size) && size >= VX_NTFS_STRIDE && size <= VX_NTFS_RECORD_MAX ? (uint32_t)size : 0;
}

bool vx_ntfs_boot_decode(struct vx_bytes in, struct vx_ntfs_boot *boot)
{
    const uint8_t *p = in.data;
    *boot = (struct vx_ntfs_boot){0};
    if (!vx_ntfs_boot_named(in))
        return false;
    boot->sector_size = vx_get16(p + 0x0B);
    boot->total_sectors = vx_get64(p + 0x28);
    boot->mft_cluster = vx_get64(p + 0x30);
    boot->mirror_cluster = vx_get64(p + 0x38);
    boot->serial = vx_get64(p + 0x48);
    boot->marked = vx_get16(p + 510) == 0xAA55;
    if (!vx_is_power_of_two(boot->sector_size) || boot->sector_size < 256 || boot->sector_size > 4096)
        return false;
    boot->cluster_size = cluster_size(p[0x0D], boot->sector_size);
    boot->record_size = record_size(p[0x40], boot->cluster_size);
    return boot->cluster_size != 0 && boot->record_size != 0 && boot->total_sectors >> 40 == 0 &&
           boot->total_sectors > 0 && boot->mft_cluster >> 40 == 0 && boot->mirror_cluster >> 40 == 0;
}

uint64_t vx_ntfs_size(const struct vx_ntfs_boot *boot)
{
    return boot->total_sectors * boot->sector_size;
}

/* ---- fixups ------------------------------------------------------------------------------------------------------ */

bool vx_ntfs_fix(uint8_t *record, size_t size, uint16_t *update)
{
    size_t strides = size / VX_NTFS_STRIDE;
    if (size < VX_NTFS_STRIDE || size % VX_NTFS_STRIDE != 0)
        return false;
    size_t place = vx_get16(record + 4), entries = vx_get16(record + 6);
    if (entries != strides + 1 || place < 0x1E || place % 2 != 0 || entries * 2 > size - 2 ||
        place > size - 2 - entries * 2)
        return false;
    for (size_t i = 1; i <= strides; i++)
        if (memcmp(record + i * VX_NTFS_STRIDE - 2, record + place, 2) != 0)
            return false;
    *update = vx_get16(record + place);
    for (size_t i = 1; i <= strides; i++)
        memcpy(record + i * VX_NTFS_STRIDE - 2, record + place + i * 2, 2);
    return true;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static void add_attribute(const struct vx_ntfs_attribute *attribute, struct vx_ntfs_record *record)
{
    const uint8_t *value = attribute->value.data;
    size_t size = attribute->resident ? attribute->value.size : 0;
    if (attribute->type == VX_NTFS_ATTRIBUTE_LIST)
        record->has_list = true;
    if (attribute->type == VX_NTFS_STANDARD_INFORMATION && size >= 0x30) {
        record->has_times = true;
        record->created = vx_get64(value);
        record->changed = vx_get64(value + 0x10);
    }
    if (attribute->type == VX_NTFS_FILE_NAME && size >= 0x42)
        record->named = vx_max(record->named, vx_get64(value + 0x18));
    if (attribute->type == VX_NTFS_VOLUME_INFORMATION && size >= 0x0C)
        record->dirty = vx_get16(value + 0x0A) & 1;
}

uint32_t vx_ntfs_record_number(const uint8_t *record)
{
    return vx_get16(record + 4) >= NUMBERED_HEADER ? vx_get32(record + 0x2C) : UINT32_MAX;
}

bool vx_ntfs_record_decode(struct vx_bytes in, struct vx_ntfs_record *record)
{
    const uint8_t *p = in.data;
    struct vx_ntfs_attribute attribute;
    uint32_t at = 0;
    *record = (struct vx_ntfs_record){0};
    if (in.size < VX_NTFS_STRIDE || memcmp(p, "FILE", 4) != 0)
        return false;
    record->lsn = vx_get64(p + 8);
    record->sequence = vx_get16(p + 0x10);
    record->in_use = vx_get16(p + 0x16) & 1;
    record->is_base = (vx_get64(p + 0x20) & UINT64_C(0xFFFFFFFFFFFF)) == 0;
    record->number = vx_ntfs_record_number(p);
    while (vx_ntfs_attribute_next(in, &at, &attribute))
        add_attribute(&attribute, record);
    return true;
}

static bool decode_attribute(struct vx_bytes in, struct vx_ntfs_attribute *attribute)
{
    const uint8_t *p = in.data;
    *attribute = (struct vx_ntfs_attribute){.type = vx_get32(p), .resident = p[8] == 0, .named = p[9] != 0};
    if (attribute->resident)
        return vx_bytes_part(in, vx_get16(p + 0x14), vx_get32(p + 0x10), &attribute->value);
    if (in.size < NONRESIDENT_HEADER)
        return false;
    uint32_t runs = vx_get16(p + 0x20);
    attribute->first_cluster = vx_get64(p + 0x10);
    attribute->data_size = vx_get64(p + 0x30);
    return runs >= NONRESIDENT_HEADER && runs <= in.size && vx_bytes_part(in, runs, in.size - runs, &attribute->runs);
}

bool vx_ntfs_attribute_next(struct vx_bytes record, uint32_t *at, struct vx_ntfs_attribute *attribute)
{
    struct vx_bytes part;
    uint64_t place = *at;
    if (record.size < VX_NTFS_STRIDE)
        return false;
    if (place == 0)
        place = vx_get16(record.data + 0x14);
    if (place < RECORD_HEADER || place % 8 != 0 || place > record.size - 8 || vx_get32(record.data + place) == END_MARK)
        return false;
    uint32_t length = vx_get32(record.data + place + 4);
    if (length < ATTRIBUTE_HEADER || length % 8 != 0 || !vx_bytes_part(record, place, length, &part))
        return false;
    *at = (uint32_t)place + length;
    return decode_attribute(part, attribute);
}

bool vx_ntfs_attribute_find(struct vx_bytes record, uint32_t type, struct vx_ntfs_attribute *attribute)
{
    uint32_t at = 0;
    while (vx_ntfs_attribute_next(record, &at, attribute))
        if (attribute->type == type && !attribute->named)
            return true;
    return false;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

struct vx_ntfs_runs vx_ntfs_runs_of(const struct vx_ntfs_attribute *attribute)
{
    return (struct vx_ntfs_runs){.left = attribute->runs, .next = attribute->first_cluster};
}

/* A number of `size` bytes, at most 6; of a jump the last byte's sign counts. */
static int64_t run_number(const uint8_t *p, unsigned size, bool is_signed)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)p[i] << 8 * i;
    if (is_signed && size > 0 && p[size - 1] & 0x80)
        value |= ~UINT64_C(0) << 8 * size;
    return (int64_t)value;
}

bool vx_ntfs_run_next(struct vx_ntfs_runs *runs, struct vx_ntfs_run *run)
{
    const uint8_t *p = runs->left.data;
    if (runs->bad || runs->left.size == 0 || p[0] == 0) {
        runs->bad = runs->bad || runs->left.size == 0;
        return false;
    }
    unsigned length_size = p[0] & 15, jump_size = p[0] >> 4;
    runs->bad = true;
    if (length_size == 0 || length_size > 5 || jump_size > 6 || runs->left.size - 1 < length_size + jump_size)
        return false;
    uint64_t count = (uint64_t)run_number(p + 1, length_size, false);
    int64_t cluster = runs->cluster + run_number(p + 1 + length_size, jump_size, true);
    if (count == 0 || runs->next >> 40 != 0 || cluster < 0 || cluster >> 40 != 0)
        return false;
    *run = (struct vx_ntfs_run){runs->next, count, (uint64_t)cluster, jump_size == 0};
    runs->bad = false;
    runs->cluster = cluster;
    runs->next += count;
    runs->left.data += 1 + length_size + jump_size;
    runs->left.size -= 1 + length_size + jump_size;
    return true;
}
