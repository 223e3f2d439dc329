/*
 * Partition tables. See partitions.h. Every number in them is hostile: it is compared before it is multiplied, and the
 * arrays that are read have an upper limit.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/partitions.h"

#include "base/checked.h"
#include "base/guid.h"

#include <string.h>
#include <zlib.h>

#define GPT_HEADER_SIZE 92u
#define GPT_ENTRY_SIZE 128u
#define GPT_ARRAY_MAX (1024u * 1024u) /* bytes; tools write 16 KiB */
#define MBR_TABLE 446u
#define MBR_EXTENDED_MAX 64u /* logical drives that are followed */

bool vx_content_read(const struct vx_content_source *source, void *buf, size_t length, uint64_t virtual_offset)
{
    if (virtual_offset > source->size || length > source->size - virtual_offset)
        return false;
    return source->read(source->context, buf, length, virtual_offset);
}

/* ---- GPT ---- */

static bool is_sensible(const struct vx_gpt *gpt)
{
    return gpt->entry_size >= GPT_ENTRY_SIZE && gpt->entry_size <= 4096 && vx_is_power_of_two(gpt->entry_size) &&
           gpt->entry_count > 0 && gpt->entry_count <= GPT_ARRAY_MAX / gpt->entry_size &&
           gpt->first_usable <= gpt->last_usable && gpt->my_sector != gpt->other_sector &&
           gpt->other_sector < UINT64_MAX / 4096 - 1 && gpt->my_sector < UINT64_MAX / 4096 - 1 &&
           gpt->last_usable < UINT64_MAX / 4096 - 1 && gpt->array_sector < UINT64_MAX / 4096 - 1;
}

void vx_gpt_decode(struct vx_bytes sector, uint32_t sector_size, struct vx_gpt *gpt)
{
    uint8_t header[GPT_HEADER_SIZE];
    const uint8_t *in = sector.data;
    *gpt = (struct vx_gpt){.sector_size = sector_size};
    if (sector.size < GPT_HEADER_SIZE || vx_get64(in) != VX_GPT_SIGNATURE)
        return;
    gpt->damaged = true;
    uint32_t size = vx_get32(in + 12);
    if (size < GPT_HEADER_SIZE || size > sector.size || size > sector_size)
        return;
    memcpy(header, in, sizeof header);
    memset(header + 16, 0, 4);
    uLong checksum = crc32(crc32(0, header, sizeof header), in + GPT_HEADER_SIZE, size - GPT_HEADER_SIZE);
    gpt->my_sector = vx_get64(in + 24);
    gpt->other_sector = vx_get64(in + 32);
    gpt->first_usable = vx_get64(in + 40);
    gpt->last_usable = vx_get64(in + 48);
    memcpy(gpt->disk_id.bytes, in + 56, 16);
    gpt->array_sector = vx_get64(in + 72);
    gpt->entry_count = vx_get32(in + 80);
    gpt->entry_size = vx_get32(in + 84);
    gpt->array_checksum = vx_get32(in + 88);
    gpt->found = checksum == vx_get32(in + 16) && is_sensible(gpt);
    gpt->damaged = !gpt->found;
}

static bool read_header(const struct vx_content_source *source, uint64_t sector, uint32_t sector_size,
                        struct vx_gpt *gpt)
{
    uint8_t bytes[4096];
    *gpt = (struct vx_gpt){.sector_size = sector_size};
    if (sector > UINT64_MAX / 4096 - 1 || !vx_content_read(source, bytes, sector_size, sector * sector_size))
        return false;
    vx_gpt_decode(vx_bytes_of(bytes, sector_size), sector_size, gpt);
    if (gpt->found && gpt->my_sector != sector) { /* a copy that is in another place than it says is none */
        gpt->found = false;
        gpt->damaged = true;
    }
    return gpt->found;
}

/* Calls `visit` (may be NULL) for each entry and compares the checksum of all. */
static void read_array(const struct vx_content_source *source, struct vx_gpt *gpt,
                       void (*visit)(struct vx_content *content, const uint8_t *entry, const struct vx_gpt *gpt),
                       struct vx_content *content)
{
    uint8_t bytes[4096];
    uint64_t offset = gpt->array_sector * gpt->sector_size;
    size_t left = (size_t)gpt->entry_count * gpt->entry_size;
    uLong checksum = crc32(0, NULL, 0);
    while (left > 0) {
        size_t here = left < sizeof bytes ? left : sizeof bytes;
        if (!vx_content_read(source, bytes, here, offset)) {
            gpt->array_unreadable = true;
            return;
        }
        checksum = crc32(checksum, bytes, (uInt)here);
        for (size_t at = 0; visit && here - at >= gpt->entry_size; at += gpt->entry_size)
            visit(content, bytes + at, gpt);
        offset += here;
        left -= here;
    }
    gpt->array_right = checksum == gpt->array_checksum;
}

static void add_partition(struct vx_content *content, const struct vx_partition *partition)
{
    if (content->partition_count == VX_CONTENT_PARTITIONS)
        content->more_partitions = true;
    else
        content->partitions[content->partition_count++] = *partition;
}

static void add_gpt_entry(struct vx_content *content, const uint8_t *entry, const struct vx_gpt *gpt)
{
    struct vx_partition partition = {0};
    uint64_t first = vx_get64(entry + 32), last = vx_get64(entry + 40);
    memcpy(partition.type.bytes, entry, 16);
    if (vx_guid_is_zero(&partition.type))
        return;
    if (first > last || first < gpt->first_usable || last > gpt->last_usable) {
        content->contradictions++;
        return;
    }
    partition.offset = first * gpt->sector_size;
    partition.length = (last - first + 1) * gpt->sector_size;
    add_partition(content, &partition);
}

static void find_primary(const struct vx_content_source *source, struct vx_content *content)
{
    static const uint32_t sizes[2] = {512, 4096};
    struct vx_gpt gpt, damaged = {0};
    for (size_t i = 0; i < 2; i++) {
        if (read_header(source, 1, sizes[i], &content->primary))
            return;
        gpt = content->primary;
        if (gpt.damaged && !damaged.damaged)
            damaged = gpt;
    }
    content->primary = damaged;
}

/* In the last sector of the disk, or wherever the primary says. */
static void find_backup(const struct vx_content_source *source, struct vx_content *content)
{
    static const uint32_t sizes[2] = {512, 4096};
    if (content->primary.found) {
        uint32_t size = content->primary.sector_size;
        uint64_t place = content->primary.other_sector;
        uint8_t byte;
        bool found = read_header(source, place, size, &content->backup);
        content->backup.damaged = !found && vx_content_read(source, &byte, 1, place * size);
        return;
    }
    for (size_t i = 0; i < 2 && source->size != UINT64_MAX && source->size >= sizes[i]; i++)
        if (read_header(source, source->size / sizes[i] - 1, sizes[i], &content->backup))
            return;
}

static bool copies_differ(const struct vx_gpt *a, const struct vx_gpt *b)
{
    return !vx_guid_equal(&a->disk_id, &b->disk_id) || a->array_checksum != b->array_checksum ||
           a->entry_count != b->entry_count || b->other_sector != a->my_sector;
}

/* The header of one copy and, where it can be read, its array. */
static void count_copy(const struct vx_gpt *gpt, struct vx_content *content)
{
    content->agreements += (uint32_t)gpt->found + (uint32_t)gpt->array_right;
    content->contradictions +=
        (uint32_t)gpt->damaged + (uint32_t)(gpt->found && !gpt->array_right && !gpt->array_unreadable);
}

/* What the headers say about the disk. A backup that is found alone says where it is itself. */
static void imply_sizes(const struct vx_content_source *source, struct vx_content *content)
{
    const struct vx_gpt *gpt = content->primary.found ? &content->primary : &content->backup;
    uint64_t last = vx_max(gpt->my_sector, gpt->other_sector);
    content->implied_sector_size = gpt->sector_size;
    content->implied_size = (last + 1) * gpt->sector_size;
    if (source->sector_size != 0 && source->sector_size != gpt->sector_size)
        content->contradictions++;
    if (source->size != UINT64_MAX && content->implied_size > source->size)
        content->contradictions++;
}

static bool find_gpt(const struct vx_content_source *source, struct vx_content *content)
{
    find_primary(source, content);
    find_backup(source, content);
    if (content->primary.found)
        read_array(source, &content->primary, NULL, NULL);
    if (content->backup.found)
        read_array(source, &content->backup, NULL, NULL);
    count_copy(&content->primary, content);
    count_copy(&content->backup, content);
    if (!content->primary.found && !content->backup.found)
        return false;
    content->table = VX_TABLE_GPT;
    content->gpt_copies_differ =
        content->primary.found && content->backup.found && copies_differ(&content->primary, &content->backup);
    content->contradictions += (uint32_t)content->gpt_copies_differ;
    imply_sizes(source, content);
    struct vx_gpt *best = content->primary.found && (content->primary.array_right || !content->backup.array_right)
                              ? &content->primary
                              : &content->backup;
    if (best->array_right)
        read_array(source, best, add_gpt_entry, content);
    return true;
}

/* ---- MBR ---- */

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0F || type == 0x85;
}

/* A boot sector of FAT or NTFS ends as a boot record does; what is in the table's place tells them apart. */
static bool is_boot_record(const uint8_t sector[512])
{
    bool any = false;
    if (sector[510] != 0x55 || sector[511] != 0xAA)
        return false;
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *entry = sector + MBR_TABLE + i * 16;
        bool empty = vx_is_zero(entry, 16);
        if ((entry[0] & 0x7F) != 0 || (!empty && (entry[4] == 0 || vx_get32(entry + 12) == 0)))
            return false;
        any = any || !empty;
    }
    return any;
}

static void add_mbr_entry(struct vx_content *content, const uint8_t *entry, uint64_t base, uint32_t sector_size)
{
    struct vx_partition partition = {.mbr_type = entry[4]};
    partition.offset = (base + vx_get32(entry + 8)) * sector_size;
    partition.length = (uint64_t)vx_get32(entry + 12) * sector_size;
    add_partition(content, &partition);
}

/* The chain of boot records in an extended partition: each names one logical drive and the next record. */
static void follow_extended(const struct vx_content_source *source, struct vx_content *content, uint64_t start,
                            uint32_t sector_size)
{
    uint8_t sector[512];
    uint64_t at = start;
    for (uint32_t i = 0; i < MBR_EXTENDED_MAX; i++) {
        if (!vx_content_read(source, sector, sizeof sector, at * sector_size) || !is_boot_record(sector))
            return;
        const uint8_t *drive = sector + MBR_TABLE, *next = drive + 16;
        if (drive[4] != 0 && !is_extended(drive[4]))
            add_mbr_entry(content, drive, at, sector_size);
        if (!is_extended(next[4]))
            return;
        at = start + vx_get32(next + 8);
    }
    content->more_partitions = true;
}

static void find_mbr(const struct vx_content_source *source, struct vx_content *content, const uint8_t sector[512])
{
    uint32_t sector_size = source->sector_size ? source->sector_size : 512;
    content->table = VX_TABLE_MBR;
    content->agreements++;
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *entry = sector + MBR_TABLE + i * 16;
        if (entry[4] == 0)
            continue;
        if (is_extended(entry[4]))
            follow_extended(source, content, vx_get32(entry + 8), sector_size);
        else
            add_mbr_entry(content, entry, 0, sector_size);
    }
}

/* ---- both ---- */

static void judge_places(const struct vx_content_source *source, struct vx_content *content)
{
    for (uint32_t i = 0; i < content->partition_count; i++) {
        struct vx_partition *partition = &content->partitions[i];
        partition->beyond_end =
            partition->offset > source->size || partition->length > source->size - partition->offset;
        content->contradictions += (uint32_t)partition->beyond_end;
    }
}

void vx_partitions_find(const struct vx_content_source *source, struct vx_content *content)
{
    uint8_t sector[512];
    bool record = vx_content_read(source, sector, sizeof sector, 0) && is_boot_record(sector);
    for (size_t i = 0; i < 4 && record; i++)
        content->protective_mbr = content->protective_mbr || sector[MBR_TABLE + i * 16 + 4] == 0xEE;
    if (!find_gpt(source, content) && record && !content->protective_mbr)
        find_mbr(source, content, sector);
    if (content->protective_mbr && content->table == VX_TABLE_NONE && !content->primary.damaged &&
        vx_content_read(source, sector, sizeof sector, 512))
        content->contradictions++; /* it protects a table that is not there */
    judge_places(source, content);
}
