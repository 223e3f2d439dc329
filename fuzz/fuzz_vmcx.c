/*
 * Configurations in the HyperVStorage container. The input is the file without its gaps: five parts, each behind its
 * length in 2 bytes, that come to be at 0 and 0x1000 (headers), 0x2000 (object table), 0x3000 (log) and 0x4000 (all
 * else). Checksums are mended wherever the parts lead to one. What comes out must be whole in itself, the same when
 * read again, and never complete without reason.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "../tests/support/memory.h"
#include "config/config.h"
#include "config/hvs.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PARTS 5u
#define PART_ROOM 0x1000u
#define REST_ROOM 0x6000u
#define FILE_ROOM (4 * PART_ROOM + REST_ROOM)
#define LOG_PLACE 0x3000u
#define REST_PLACE 0x4000u

/* The parts of an input, inside of it. */
struct parts {
    uint8_t *bytes[PARTS];
    size_t sizes[PARTS];
};

static struct parts split(uint8_t *data, size_t size)
{
    struct parts parts = {{0}, {0}};
    for (size_t i = 0, at = 0; i < PARTS && size - at >= 2; i++) {
        size_t length = vx_get16(data + at);
        at += 2;
        parts.bytes[i] = data + at;
        parts.sizes[i] = length < size - at ? length : size - at;
        at += parts.sizes[i];
    }
    return parts;
}

/* The file that an input stands for, cut behind its last part. Returns its size. */
static size_t expand(const uint8_t *data, size_t size, uint8_t *file)
{
    const struct parts parts = split((uint8_t *)data, size);
    size_t end = 0;
    memset(file, 0, FILE_ROOM);
    for (size_t i = 0; i < PARTS; i++) {
        size_t room = i + 1 < PARTS ? PART_ROOM : REST_ROOM;
        size_t taken = parts.sizes[i] < room ? parts.sizes[i] : room;
        if (taken > 0) {
            memcpy(file + i * PART_ROOM, parts.bytes[i], taken);
            end = i * PART_ROOM + taken;
        }
    }
    return end;
}

/* ---- mending ---- */

static void mend(uint8_t *p, size_t size, size_t field)
{
    vx_put32(p + field, vx_hvs_checksum(vx_bytes_of(p, size), field));
}

static void mend_log(uint8_t *log, size_t size)
{
    if (size < VX_HVS_LOG_HEADER_SIZE)
        return;
    mend(log, VX_HVS_LOG_HEADER_SIZE, 4);
    uint32_t count = vx_get32(log + 8);
    for (size_t i = 0, at = VX_HVS_LOG_HEADER_SIZE; i < count && size - at >= VX_HVS_LOG_ENTRY_SIZE;
         i++, at += VX_HVS_LOG_ENTRY_SIZE) {
        uint64_t payload = vx_get64(log + at + 12);
        uint32_t length = vx_get32(log + at + 8);
        if (payload <= size && length <= size - payload)
            vx_put32(log + at + 24, (uint32_t)crc32(0, log + payload, length));
        mend(log + at, VX_HVS_LOG_ENTRY_SIZE, 20);
    }
}

/* Bytes of an entry that its checksum covers; 0 when it is none. */
static size_t covered(const uint8_t *entry, size_t size)
{
    static const uint8_t fixed[10] = {[3] = 8, [4] = 8, [5] = 8, [8] = 4, [9] = 12};
    size_t used = VX_HVS_ENTRY_HEADER_SIZE + entry[20];
    if (used > size || entry[0] > 9)
        return 0;
    if (entry[1] & 1)
        used += 12;
    else if (entry[0] == 6 || entry[0] == 7)
        used = size - used < 4 || vx_get32(entry + used) > size - used - 4 ? size : used + 4 + vx_get32(entry + used);
    else
        used += fixed[entry[0]];
    return used <= size ? used : 0;
}

static void mend_table(uint8_t *table, size_t size)
{
    if (size < VX_HVS_KEYS_HEADER_SIZE)
        return;
    mend(table, VX_HVS_KEYS_HEADER_SIZE, 6);
    for (size_t at = VX_HVS_KEYS_HEADER_SIZE; size - at >= VX_HVS_ENTRY_HEADER_SIZE;) {
        uint32_t length = vx_get32(table + at + 2);
        if (length < VX_HVS_ENTRY_HEADER_SIZE || length > size - at)
            return;
        size_t used = covered(table + at, length);
        if (used && table[at] != 1)
            mend(table + at, used, 12);
        at += length;
    }
}

static void mend_objects(const struct parts *parts)
{
    uint8_t *objects = parts->bytes[2];
    for (size_t at = VX_HVS_OBJECTS_HEADER_SIZE; at < parts->sizes[2] && parts->sizes[2] - at >= VX_HVS_OBJECT_SIZE;
         at += VX_HVS_OBJECT_SIZE) {
        uint64_t offset = vx_get64(objects + at + 5);
        uint32_t size = vx_get32(objects + at + 13);
        if (objects[at] == 2 && offset >= REST_PLACE && offset - REST_PLACE < parts->sizes[4]) {
            size_t room = parts->sizes[4] - (size_t)(offset - REST_PLACE);
            mend_table(parts->bytes[4] + (offset - REST_PLACE), size < room ? size : room);
        }
        mend(objects + at, VX_HVS_OBJECT_SIZE, 1);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 == 0)
        return size;
    const struct parts parts = split(data, size);
    for (size_t i = 0; i < 2; i++)
        if (parts.sizes[i] >= VX_HVS_HEADER_SIZE)
            mend(parts.bytes[i], VX_HVS_HEADER_SIZE, 4);
    if (seed % 8 < 6)
        mend_objects(&parts);
    mend_log(parts.bytes[3], parts.sizes[3]);
    return size;
}

/* ---- properties ---- */

static void demand_texts(const vhdx_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        FUZZ_DEMAND(texts->items[i] && texts->items[i][0]);
}

static void demand_whole(const struct vx_config *config)
{
    const vhdx_machine_info *info = &config->info;
    FUZZ_DEMAND(info->complete == (info->reasons.count == 0));
    FUZZ_DEMAND(info->format == VHDX_CONFIG_VMCX || info->format == VHDX_CONFIG_VMRS);
    demand_texts(&info->saved_state_files);
    demand_texts(&info->machines);
    demand_texts(&info->related);
    demand_texts(&info->hints);
    demand_texts(&info->findings);
    for (size_t i = 0; i < info->drive_count; i++) {
        FUZZ_DEMAND(config->disks[i].path[0] && config->disks[i].type && config->disks[i].instance);
        FUZZ_DEMAND(!config->disks[i].damaged || !info->complete);
    }
}

static void demand_same(const struct vx_config *a, const struct vx_config *b)
{
    FUZZ_DEMAND(a->info.complete == b->info.complete && a->info.drive_count == b->info.drive_count);
    for (size_t i = 0; i < a->info.drive_count; i++)
        FUZZ_DEMAND(strcmp(a->disks[i].path, b->disks[i].path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_ROOM];
    struct vx_memory_host *memory = vx_memory_host_new(1);
    const vhdx_host *host = vx_memory_host_interface(memory);
    struct vx_config *config, *again;
    vhdx_error err;
    size_t end = expand(data, size, file);
    FUZZ_DEMAND(vx_memory_host_put(memory, "/vm/a.vmcx", file, end));
    vhdx_status status = vx_config_read(host, "/vm/a.vmcx", 0, &config, &err);
    if (status == VHDX_OK) {
        demand_whole(config);
        FUZZ_DEMAND(vx_config_read(host, "/vm/a.vmcx", VX_CONFIG_ALONE, &again, &err) == VHDX_OK);
        demand_same(config, again);
        vx_config_free(again);
        vx_config_free(config);
    } else {
        FUZZ_DEMAND(err.status == status && err.message[0]);
    }
    FUZZ_DEMAND(vx_memory_host_size(memory, "/vm/a.vmcx") == end);
    vx_memory_host_free(memory);
    return 0;
}
