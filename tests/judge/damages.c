/*
 * Random damages. Each knows what it did to the truth: mostly nothing, for the content is still somewhere and something
 * still tells where; but some changes are legal in the format and have no witness (two entries of equal state are
 * exchanged, a byte of payload is another one), and these are marked as silent: nobody could tell, and the judge does
 * not ask. That set is kept small: whoever adds to it says in the code why no witness can exist.
 */
/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "format/bat.h"
#include "format/log_entry.h"

/* ---- tools ------------------------------------------------------------------------------------------------------ */

static uint64_t below(struct judge_scene *scene, uint64_t limit)
{
    return bld_random_below(&scene->chance, limit);
}

static void say(struct judge_scene *scene, const char *format, ...)
{
    size_t used = strlen(scene->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(scene->text + used, sizeof scene->text - used, format, arguments);
    va_end(arguments);
}

void judge_silent(struct judge_scene *scene, uint64_t virtual_offset, uint64_t length)
{
    static const uint8_t ones[STORE_PAGE] = {1, 1, 1, 1, 1, 1, 1, 1};
    const struct judge_disk *disk = scene->disk;
    if (virtual_offset >= disk->size)
        return;
    length = vx_min(length, disk->size - virtual_offset);
    for (uint64_t at = virtual_offset / 512; at * 512 < virtual_offset + length; at++) {
        uint64_t block = at * 512 / disk->block_size;
        if (at * 512 % disk->block_size == 0 && virtual_offset + length >= (block + 1) * disk->block_size) {
            scene->silent[block] = 1;
            at += disk->block_size / 512 - 1;
            continue;
        }
        store_write(scene->silent_sectors, at, ones, 1);
    }
}

bool judge_is_silent(const struct judge_scene *scene, uint64_t virtual_offset)
{
    uint8_t byte;
    if (scene->silent_all || virtual_offset >= scene->disk->size)
        return scene->silent_all || scene->silent_size;
    if (scene->silent[virtual_offset / scene->disk->block_size])
        return true;
    store_read(scene->silent_sectors, virtual_offset / 512, &byte, 1);
    return byte != 0;
}

static void silent_block(struct judge_scene *scene, uint64_t block)
{
    judge_silent(scene, block * scene->disk->block_size, scene->disk->block_size);
}

/* A value that is wrong in one of the usual ways. */
static uint64_t wrong(struct judge_scene *scene, uint64_t value, unsigned bytes)
{
    uint64_t mask = bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1, other = value;
    for (unsigned i = 0; i < 20 && ((other ^ value) & mask) == 0; i++)
        switch (below(scene, 9)) {
        case 0: other = 0; break;
        case 1: case 2: other = value ^ UINT64_C(1) << below(scene, 8 * bytes); break;
        case 3: other = value + VX_MIB * (1 + below(scene, 8)); break;
        case 4: other = value - VX_MIB * (1 + below(scene, 8)); break;
        case 5: other = value * 2; break;
        case 6: other = value / 2; break;
        case 7: other = bld_random(&scene->chance); break;
        default: other = value + (below(scene, 2) ? 1 : UINT64_MAX); break;
        }
    return other & mask;
}

/* Bytes of payload and bits of bitmaps in that range of the file are lost, and the format has no checksum of them. */
static void silent_in_file(struct judge_scene *scene, uint64_t offset, uint64_t length)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t end = offset + length;
    for (uint64_t i = 0; i < disk->block_count; i++) {
        uint64_t place = disk->blocks[i].place;
        if (place == VHDX_NOWHERE || place >= end || place + disk->block_size <= offset)
            continue;
        uint64_t first = vx_max(place, offset), last = vx_min(place + disk->block_size, end);
        first = vx_round_down(first - place, 512) + i * disk->block_size;
        judge_silent(scene, first, last - place + i * disk->block_size - first);
    }
    uint64_t chunks = vx_ceil_div(disk->block_count, disk->chunk_ratio);
    for (uint64_t i = 0; disk->kind == VHDX_KIND_DIFFERENCING && i < chunks; i++) {
        uint64_t place = bld_bitmap_offset(disk->b, i);
        if (place == VHDX_NOWHERE || place >= end || place + VX_BITMAP_BLOCK_SIZE <= offset)
            continue;
        uint64_t first = vx_max(place, offset) - place, last = vx_min(place + VX_BITMAP_BLOCK_SIZE, end) - place;
        uint64_t per_byte = 8ull * disk->sector_size;
        judge_silent(scene, i * VX_SECTORS_PER_CHUNK * disk->sector_size + first * per_byte,
                     (last - first) * per_byte);
    }
}

static void overwrite(struct judge_scene *scene, uint64_t offset, const void *bytes, size_t length)
{
    if (offset >= store_size(scene->file))
        return;
    length = (size_t)vx_min(length, store_size(scene->file) - offset);
    silent_in_file(scene, offset, length);
    store_write(scene->file, offset, bytes, length);
}

/* Changes part of a structure whose checksum is at its byte 4. */
static void change_summed(struct judge_scene *scene, uint64_t place, size_t size, size_t offset, uint64_t value,
                          unsigned bytes)
{
    uint8_t *whole = malloc(size), number[8];
    store_read(scene->file, place, whole, size);
    vx_put64(number, value);
    memcpy(whole + offset, number, bytes);
    vx_put32(whole + 4, vx_crc32c_without(whole, size, 4));
    store_write(scene->file, place, whole, size);
    free(whole);
}

static uint64_t number_at(const struct judge_scene *scene, uint64_t offset, unsigned bytes)
{
    uint8_t number[8] = {0};
    store_read(scene->file, offset, number, bytes);
    return vx_get64(number);
}

/* 1, 2 or 3 = both: bits. */
static unsigned which_copies(struct judge_scene *scene)
{
    unsigned choice = (unsigned)below(scene, 4);
    return choice == 0 ? 1 : choice == 1 ? 2 : 3;
}

/* ---- headers ---------------------------------------------------------------------------------------------------- */

static const uint64_t header_places[2] = {VX_HEADER1_OFFSET, VX_HEADER2_OFFSET};
static const uint64_t table_places[2] = {VX_REGION_TABLE1_OFFSET, VX_REGION_TABLE2_OFFSET};

static bool header_field(struct judge_scene *scene)
{
    static const struct {
        const char *name;
        uint8_t offset, bytes;
    } fields[] = {{"SequenceNumber", 8, 8}, {"FileWriteGuid", 16, 8}, {"DataWriteGuid", 32, 8}, {"LogGuid", 48, 8},
                  {"LogVersion", 64, 2},    {"Version", 66, 2},       {"LogLength", 68, 4},     {"LogOffset", 72, 8}};
    size_t field = (size_t)below(scene, sizeof fields / sizeof fields[0]);
    unsigned copies = which_copies(scene);
    uint64_t value = wrong(scene, number_at(scene, header_places[0] + fields[field].offset, fields[field].bytes),
                           fields[field].bytes);
    for (unsigned i = 0; i < 2; i++)
        if (copies & 1u << i)
            change_summed(scene, header_places[i], VX_HEADER_SIZE, fields[field].offset, value, fields[field].bytes);
    say(scene, "%s of header %s := 0x%llx, checksum right\n", fields[field].name,
        copies == 3 ? "1 and 2" : copies == 1 ? "1" : "2", (unsigned long long)value);
    return true;
}

static bool header_log_guid(struct judge_scene *scene)
{
    bool clear = scene->disk->log >= JUDGE_LOG_DIRTY;
    uint64_t value = clear ? 0 : bld_random(&scene->chance);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned half = 0; half < 2; half++)
            change_summed(scene, header_places[i], VX_HEADER_SIZE, 48 + 8 * half, value, 8);
    say(scene, "LogGuid of both headers %s\n", clear ? "cleared" : "set");
    return true;
}

static bool raw_copy(struct judge_scene *scene, const uint64_t places[2], size_t size, const char *name)
{
    unsigned copies = which_copies(scene);
    bool zero = below(scene, 2);
    static const uint8_t zeros[VX_REGION_TABLE_SIZE];
    for (unsigned i = 0; i < 2; i++) {
        if (!(copies & 1u << i))
            continue;
        if (zero) {
            store_write(scene->file, places[i], zeros, size);
            continue;
        }
        uint64_t at = places[i] + below(scene, 112);
        uint8_t byte = (uint8_t)(number_at(scene, at, 1) ^ 1u << below(scene, 8));
        store_write(scene->file, at, &byte, 1);
    }
    say(scene, "%s %s %s\n", name, copies == 3 ? "1 and 2" : copies == 1 ? "1" : "2", zero ? "zeroed" : "bit flipped");
    return true;
}

static bool header_raw(struct judge_scene *scene)
{
    return raw_copy(scene, header_places, VX_HEADER_SIZE, "header");
}

static bool region_raw(struct judge_scene *scene)
{
    return raw_copy(scene, table_places, VX_REGION_TABLE_SIZE, "region table");
}

/* ---- regions ---------------------------------------------------------------------------------------------------- */

static bool region_field(struct judge_scene *scene)
{
    static const struct {
        const char *name;
        uint8_t offset, bytes;
    } fields[] = {{"Guid", 0, 8},   {"FileOffset", 16, 8}, {"FileOffset", 16, 8}, {"Length", 24, 4},
                  {"Length", 24, 4}, {"Required", 28, 4}};
    size_t field = (size_t)below(scene, sizeof fields / sizeof fields[0]);
    unsigned copies = which_copies(scene), entry = (unsigned)below(scene, 2);
    size_t offset = VX_REGION_ENTRIES_OFFSET + entry * VX_REGION_ENTRY_SIZE + fields[field].offset;
    uint64_t old = number_at(scene, table_places[0] + offset, fields[field].bytes);
    uint64_t value = wrong(scene, old, fields[field].bytes);
    if (fields[field].offset == 16 && below(scene, 3) == 0)
        value = number_at(scene, table_places[0] + VX_REGION_ENTRIES_OFFSET + (1 - entry) * VX_REGION_ENTRY_SIZE + 16,
                          8);
    else if (fields[field].offset == 16 && below(scene, 4) == 0)
        value = scene->disk->log_offset;
    else if (fields[field].offset == 16 && below(scene, 4) == 0)
        value = UINT64_C(1) << 40;
    for (unsigned i = 0; i < 2; i++)
        if (copies & 1u << i)
            change_summed(scene, table_places[i], VX_REGION_TABLE_SIZE, offset, value, fields[field].bytes);
    say(scene, "region %u: %s 0x%llx -> 0x%llx in table %s, checksum right\n", entry, fields[field].name,
        (unsigned long long)old, (unsigned long long)value, copies == 3 ? "1 and 2" : copies == 1 ? "1" : "2");
    return true;
}

static bool region_count(struct judge_scene *scene)
{
    unsigned copies = which_copies(scene);
    uint64_t value = below(scene, 2) ? below(scene, 2) : wrong(scene, 2, 4);
    for (unsigned i = 0; i < 2; i++)
        if (copies & 1u << i)
            change_summed(scene, table_places[i], VX_REGION_TABLE_SIZE, 8, value, 4);
    say(scene, "EntryCount of region table %s := %llu, checksum right\n", copies == 3 ? "1 and 2" : "1 or 2",
        (unsigned long long)value);
    return true;
}

/* ---- metadata --------------------------------------------------------------------------------------------------- */

static unsigned item_count(const struct judge_scene *scene)
{
    unsigned count = (unsigned)number_at(scene, scene->disk->metadata_offset + 10, 2);
    return count > 0 && count < 20 ? count : 5;
}

static bool entry_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[4 * VX_METADATA_ENTRY_SIZE];
    unsigned first = (unsigned)below(scene, item_count(scene)), count = below(scene, 3) ? 1 : 2;
    overwrite(scene, scene->disk->metadata_offset + (1 + first) * VX_METADATA_ENTRY_SIZE, zeros,
              count * VX_METADATA_ENTRY_SIZE);
    say(scene, "metadata entry %u%s zeroed\n", first, count > 1 ? " and the next one" : "");
    return true;
}

static bool entry_field(struct judge_scene *scene)
{
    static const uint8_t offsets[] = {0, 16, 20, 24, 28};
    static const char *const names[] = {"ItemId", "Offset", "Length", "flags", "Reserved"};
    unsigned entry = (unsigned)below(scene, item_count(scene)), field = (unsigned)below(scene, 5);
    uint64_t at = scene->disk->metadata_offset + (1 + entry) * VX_METADATA_ENTRY_SIZE + offsets[field];
    uint8_t number[8];
    uint64_t old = number_at(scene, at, 4);
    vx_put64(number, wrong(scene, old, 4));
    overwrite(scene, at, number, 4);
    say(scene, "metadata entry %u: %s 0x%llx -> 0x%x\n", entry, names[field], (unsigned long long)old,
        vx_get32(number));
    return true;
}

static bool entry_swap(struct judge_scene *scene)
{
    uint8_t one[VX_METADATA_ENTRY_SIZE], two[VX_METADATA_ENTRY_SIZE];
    unsigned a = (unsigned)below(scene, item_count(scene)), b = (unsigned)below(scene, item_count(scene));
    uint64_t at = scene->disk->metadata_offset + VX_METADATA_ENTRY_SIZE;
    if (a == b)
        return false;
    /* only the places and lengths: whole entries in another order are no damage */
    store_read(scene->file, at + a * VX_METADATA_ENTRY_SIZE, one, sizeof one);
    store_read(scene->file, at + b * VX_METADATA_ENTRY_SIZE, two, sizeof two);
    overwrite(scene, at + a * VX_METADATA_ENTRY_SIZE + 16, two + 16, 4);
    overwrite(scene, at + b * VX_METADATA_ENTRY_SIZE + 16, one + 16, 4);
    say(scene, "metadata entries %u and %u: Offset exchanged\n", a, b);
    return true;
}

static bool table_header(struct judge_scene *scene)
{
    static const uint8_t offsets[] = {0, 4, 8, 10, 12};
    uint64_t at = scene->disk->metadata_offset + offsets[below(scene, 5)];
    uint8_t number[8];
    vx_put64(number, wrong(scene, number_at(scene, at, 2), 2));
    overwrite(scene, at, number, 2);
    say(scene, "metadata table, byte %u: := 0x%x\n", (unsigned)(at - scene->disk->metadata_offset),
        vx_get16(number));
    return true;
}

static bool table_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[VX_METADATA_TABLE_SIZE];
    static const uint32_t lengths[] = {512, 4096, 65536};
    uint32_t length = lengths[below(scene, 3)];
    overwrite(scene, scene->disk->metadata_offset, zeros, length);
    say(scene, "the first %u bytes of the metadata table zeroed\n", length);
    return true;
}

static const struct {
    const vhdx_guid *id;
    const char *name;
    uint8_t bytes;
} items[] = {{&vx_guid_file_parameters, "FileParameters", 8},
             {&vx_guid_virtual_disk_size, "VirtualDiskSize", 8},
             {&vx_guid_virtual_disk_id, "VirtualDiskId", 8},
             {&vx_guid_logical_sector_size, "LogicalSectorSize", 4},
             {&vx_guid_physical_sector_size, "PhysicalSectorSize", 4}};

static bool item_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[16];
    size_t item = (size_t)below(scene, 5);
    overwrite(scene, bld_item_offset(scene->disk->b, items[item].id, false), zeros, item == 2 ? 16 : items[item].bytes);
    say(scene, "%s zeroed\n", items[item].name);
    return true;
}

static bool item_garbage(struct judge_scene *scene)
{
    size_t item = (size_t)below(scene, 5);
    uint64_t at = bld_item_offset(scene->disk->b, items[item].id, false);
    uint64_t old = number_at(scene, at, items[item].bytes);
    uint8_t number[8];
    vx_put64(number, wrong(scene, old, items[item].bytes));
    overwrite(scene, at, number, items[item].bytes);
    say(scene, "%s 0x%llx -> 0x%llx\n", items[item].name, (unsigned long long)old,
        (unsigned long long)number_at(scene, at, items[item].bytes));
    return true;
}

/*
 * Another size that the format allows. What can contradict it: the GPT (in the chain, where there is one), blocks
 * behind the new end, and a BAT that is too short for it. A fixed disk has no blocks that are not there.
 */
void judge_settle(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t at = bld_item_offset(disk->b, &vx_guid_virtual_disk_size, false), last = 0;
    uint64_t size = number_at(scene, at, 8), blocks = vx_ceil_div(size, disk->block_size);
    for (uint64_t i = 0; i < disk->block_count; i++)
        if (disk->blocks[i].place != VHDX_NOWHERE)
            last = i + 1;
    if (size == disk->size || size == 0 || size % disk->sector_size != 0 || blocks < last)
        return;
    if (disk->gpt && (disk->kind != VHDX_KIND_DIFFERENCING || disk->parent_there))
        return;
    if (blocks > disk->bat_length / VX_BAT_ENTRY_SIZE || (disk->kind == VHDX_KIND_FIXED && blocks > last))
        return;
    scene->silent_size = true;
    if (size < disk->size)
        judge_silent(scene, vx_round_down(size, 512), disk->size - vx_round_down(size, 512));
}

static bool item_size(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t at = bld_item_offset(disk->b, &vx_guid_virtual_disk_size, false), size = disk->size;
    switch (below(scene, 5)) {
    case 0: size = VX_MIB; break;
    case 1: size = disk->size / 2; break;
    case 2: size = disk->size + disk->block_size * (1 + below(scene, 4)); break;
    case 3: size = disk->size - disk->sector_size * (1 + below(scene, 100)); break;
    default: size = (1 + below(scene, 4000)) * VX_MIB; break;
    }
    uint8_t number[8];
    size = vx_round_down(size, disk->sector_size);
    vx_put64(number, size);
    overwrite(scene, at, number, 8);
    say(scene, "VirtualDiskSize 0x%llx -> 0x%llx\n", (unsigned long long)disk->size, (unsigned long long)size);
    return true;
}

static bool item_legal(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    static const char *const names[] = {"BlockSize", "LogicalSectorSize", "PhysicalSectorSize", "LeaveBlockAllocated",
                                        "HasParent"};
    unsigned which = (unsigned)below(scene, 5);
    uint64_t parameters = bld_item_offset(disk->b, &vx_guid_file_parameters, false), at = parameters, value;
    if (which == 0) {
        value = (uint64_t)VX_MIB << below(scene, 9);
        if (value == disk->block_size)
            return false;
    } else if (which < 3) {
        at = bld_item_offset(disk->b, which == 1 ? &vx_guid_logical_sector_size : &vx_guid_physical_sector_size, false);
        value = number_at(scene, at, 4) == 512 ? 4096 : 512;
    } else {
        at += 4;
        value = number_at(scene, at, 4) ^ (which == 3 ? VX_PARAMETER_LEAVE_BLOCK_ALLOCATED : VX_PARAMETER_HAS_PARENT);
    }
    uint8_t number[8];
    vx_put64(number, value);
    overwrite(scene, at, number, 4);
    say(scene, "%s := 0x%llx\n", names[which], (unsigned long long)value);
    return true;
}

static bool locator_raw(struct judge_scene *scene)
{
    uint64_t at = bld_item_offset(scene->disk->b, &vx_guid_parent_locator, false);
    uint8_t bytes[64];
    if (at == VHDX_NOWHERE)
        return false;
    at += below(scene, 2) ? below(scene, 32) : below(scene, 200);
    size_t length = (size_t)(1 + below(scene, 64));
    bld_random_bytes(bld_random(&scene->chance), 0, bytes, sizeof bytes);
    if (below(scene, 2))
        memset(bytes, 0, sizeof bytes);
    overwrite(scene, at, bytes, length);
    say(scene, "%zu bytes of the parent locator overwritten at 0x%llx\n", length, (unsigned long long)at);
    return true;
}

/* ---- BAT -------------------------------------------------------------------------------------------------------- */

/* The payload block of an entry, or VHDX_NOWHERE. */
static uint64_t block_of(const struct judge_disk *disk, uint64_t index)
{
    uint64_t within = index % (disk->chunk_ratio + 1);
    if (within == disk->chunk_ratio)
        return VHDX_NOWHERE;
    uint64_t block = index / (disk->chunk_ratio + 1) * disk->chunk_ratio + within;
    return block < disk->block_count ? block : VHDX_NOWHERE;
}

static uint64_t index_of(const struct judge_disk *disk, uint64_t block)
{
    return block / disk->chunk_ratio * (disk->chunk_ratio + 1) + block % disk->chunk_ratio;
}

static uint64_t raw_at(const struct judge_scene *scene, uint64_t index)
{
    return number_at(scene, scene->disk->bat_offset + index * VX_BAT_ENTRY_SIZE, 8);
}

static bool is_anchor(unsigned state)
{
    return state == VX_PAYLOAD_UNDEFINED || state == VX_PAYLOAD_UNMAPPED;
}

static bool is_present(unsigned state)
{
    return state == VX_PAYLOAD_FULLY_PRESENT || state == VX_PAYLOAD_PARTIALLY_PRESENT;
}

/*
 * Changes an entry. Legal, and without a witness: a trimmed block keeps its place (states 1 and 3); in a child,
 * whether a block is there wholly or in part, and a block without a place in any other state without one.
 */
static void set_raw(struct judge_scene *scene, uint64_t index, uint64_t raw)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t block = block_of(disk, index);
    uint8_t number[8];
    struct vx_bat_entry old = vx_bat_entry_decode(raw_at(scene, index)), now = vx_bat_entry_decode(raw);
    vx_put64(number, raw);
    store_write(scene->file, disk->bat_offset + index * VX_BAT_ENTRY_SIZE, number, 8);
    if (block == VHDX_NOWHERE || now.reserved)
        return;
    bool child = disk->kind == VHDX_KIND_DIFFERENCING, same_place = old.file_offset == now.file_offset;
    if (same_place && old.file_offset && is_present(old.state) && is_anchor(now.state))
        silent_block(scene, block);
    if (same_place && child && is_present(old.state) && is_present(now.state))
        silent_block(scene, block);
    if (same_place && child && !old.file_offset && old.state <= 3 && now.state <= 3)
        silent_block(scene, block);
}

/* Mostly a block that has a place. */
static uint64_t any_block(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t block = below(scene, disk->block_count);
    for (unsigned i = 0; i < 200 && disk->blocks[block].place == VHDX_NOWHERE; i++)
        block = below(scene, disk->block_count);
    return block;
}

static uint64_t any_index(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    if (below(scene, 10) == 0)
        return below(scene, disk->entry_count);
    if (disk->kind == VHDX_KIND_DIFFERENCING && below(scene, 6) == 0)
        return disk->chunk_ratio; /* the first sector bitmap block; entries of long chunks may not be there */
    return index_of(disk, any_block(scene));
}

static void say_entry(struct judge_scene *scene, uint64_t index, uint64_t old)
{
    say(scene, "BAT entry %llu 0x%llx -> 0x%llx\n", (unsigned long long)index, (unsigned long long)old,
        (unsigned long long)raw_at(scene, index));
}

static bool has_index(const struct judge_scene *scene, uint64_t index)
{
    return index < scene->disk->entry_count;
}

static bool bat_zero(struct judge_scene *scene)
{
    uint64_t index = any_index(scene), old = has_index(scene, index) ? raw_at(scene, index) : 0;
    if (old == 0)
        return false;
    set_raw(scene, index, 0);
    say_entry(scene, index, old);
    return true;
}

static bool bat_state(struct judge_scene *scene)
{
    uint64_t index = any_index(scene), old = has_index(scene, index) ? raw_at(scene, index) : 0;
    uint64_t state = below(scene, 8);
    if (!has_index(scene, index) || state == (old & 7))
        return false;
    set_raw(scene, index, (old & ~UINT64_C(7)) | state);
    say_entry(scene, index, old);
    return true;
}

static bool bat_place(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t index = any_index(scene), old = has_index(scene, index) ? raw_at(scene, index) : 0, place;
    if (old == 0)
        return false;
    switch (below(scene, 6)) {
    case 0: place = disk->blocks[any_block(scene)].place; break;
    case 1: place = below(scene, disk->file_size / VX_MIB) * VX_MIB; break;
    case 2: place = vx_ceil_div(disk->file_size, VX_MIB) * VX_MIB + below(scene, 3) * VX_MIB; break;
    case 3: place = (old & ~UINT64_C(0xFFFFF)) + (below(scene, 2) ? VX_MIB : 0 - VX_MIB); break;
    case 4: place = disk->bat_offset; break;
    default: place = bld_random(&scene->chance) & ~UINT64_C(0xFFFFF); break;
    }
    if (place == VHDX_NOWHERE || place == (old & ~UINT64_C(0xFFFFF)))
        return false;
    set_raw(scene, index, (old & 7) | place);
    say_entry(scene, index, old);
    return true;
}

static bool bat_garbage(struct judge_scene *scene)
{
    uint64_t index = any_index(scene);
    if (!has_index(scene, index))
        return false;
    uint64_t old = raw_at(scene, index);
    set_raw(scene, index, below(scene, 2) ? bld_random(&scene->chance) : old ^ UINT64_C(1) << below(scene, 64));
    say_entry(scene, index, old);
    return true;
}

/* Two entries of equal state change places: the content of a block does not say whose it is. */
static bool bat_swap(struct judge_scene *scene)
{
    uint64_t a = any_block(scene), b = any_block(scene);
    uint64_t one = raw_at(scene, index_of(scene->disk, a)), two = raw_at(scene, index_of(scene->disk, b));
    if (one == two)
        return false;
    set_raw(scene, index_of(scene->disk, a), two);
    set_raw(scene, index_of(scene->disk, b), one);
    silent_block(scene, a);
    silent_block(scene, b);
    say(scene, "BAT entries of blocks %llu and %llu exchanged\n", (unsigned long long)a, (unsigned long long)b);
    return true;
}

/* What qemu before 7.2.7 did to a disk that was made larger: a page of the BAT is moved by one entry. */
static bool bat_shift(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t pages = vx_ceil_div(disk->entry_count, 512), page = below(scene, pages);
    uint64_t first = page * 512, end = vx_min(first + 512, disk->entry_count);
    for (uint64_t i = end - 1; i > first; i--)
        set_raw(scene, i, raw_at(scene, i - 1));
    set_raw(scene, first, 0);
    for (uint64_t i = first; i < end; i++)
        if (block_of(disk, i) != VHDX_NOWHERE)
            silent_block(scene, block_of(disk, i)); /* each entry is legal where it is now */
    say(scene, "page %llu of the BAT moved by one entry\n", (unsigned long long)page);
    return true;
}

static bool bat_piece(struct judge_scene *scene)
{
    static const uint32_t lengths[] = {512, 512, 4096, 4096, 65536};
    const struct judge_disk *disk = scene->disk;
    uint32_t length = lengths[below(scene, 5)];
    uint64_t used = disk->entry_count * VX_BAT_ENTRY_SIZE, at = below(scene, vx_ceil_div(used, length)) * length;
    bool zero = below(scene, 4) > 0;
    uint8_t bytes[65536] = {0};
    if (!zero)
        bld_random_bytes(bld_random(&scene->chance), 0, bytes, length);
    for (uint64_t i = 0; zero && disk->kind == VHDX_KIND_DIFFERENCING && i < length / 8; i++)
        if (at / 8 + i < disk->entry_count)
            set_raw(scene, at / 8 + i, 0);
    store_write(scene->file, disk->bat_offset + at, bytes, length);
    say(scene, "%u bytes of the BAT at 0x%llx %s\n", length, (unsigned long long)at, zero ? "zeroed" : "garbage");
    return true;
}

/* ---- bitmaps, payload, whole pieces ------------------------------------------------------------------------------ */

static bool bitmap_bits(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t place = disk->kind == VHDX_KIND_DIFFERENCING ? bld_bitmap_offset(disk->b, 0) : VHDX_NOWHERE;
    uint8_t bytes[4096] = {0};
    if (place == VHDX_NOWHERE)
        return false;
    uint64_t used = vx_max(disk->block_count * disk->block_size / disk->sector_size / 8, 1);
    uint64_t at = place + below(scene, vx_min(used, VX_BITMAP_BLOCK_SIZE - 4096));
    if (below(scene, 2)) {
        bytes[0] = (uint8_t)(number_at(scene, at, 1) ^ 1u << below(scene, 8));
        overwrite(scene, at, bytes, 1);
    } else {
        overwrite(scene, at, bytes, sizeof bytes);
    }
    say(scene, "bits of sector bitmap 0 changed at 0x%llx\n", (unsigned long long)at);
    return true;
}

static bool payload_bytes(struct judge_scene *scene)
{
    uint64_t place = scene->disk->blocks[any_block(scene)].place;
    static const uint32_t lengths[] = {1, 512, 4096, 65536};
    uint32_t length = lengths[below(scene, 4)];
    uint8_t bytes[65536] = {0};
    if (place == VHDX_NOWHERE)
        return false;
    place += below(scene, scene->disk->block_size / length) * length;
    if (below(scene, 2))
        bld_random_bytes(bld_random(&scene->chance), 0, bytes, length);
    overwrite(scene, place, bytes, length);
    say(scene, "%u bytes of payload overwritten at 0x%llx\n", length, (unsigned long long)place);
    return true;
}

/* A place in one of the structures, whatever stands there. */
static uint64_t in_structures(struct judge_scene *scene, uint32_t unit)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t end = VX_MIB, begin = 0;
    switch (below(scene, 4)) {
    case 0: break;
    case 1: begin = disk->metadata_offset, end = begin + 2 * VX_METADATA_TABLE_SIZE; break;
    case 2: begin = disk->bat_offset, end = begin + vx_max(disk->entry_count * 8, 65536); break;
    default: begin = disk->log_offset, end = begin + disk->log_length; break;
    }
    return begin + below(scene, (end - begin) / unit) * unit;
}

/* A head of a log that is gone looks like a write that was cut off, or a log in which nothing was written yet. */
static void silent_in_log(struct judge_scene *scene, uint64_t offset, uint64_t length)
{
    const struct judge_disk *disk = scene->disk;
    if (disk->log == JUDGE_LOG_DIRTY && offset < disk->log_offset + disk->log_length &&
        offset + length > disk->log_offset)
        scene->silent_all = true;
}

static bool piece_zero(struct judge_scene *scene)
{
    static const uint32_t lengths[] = {512, 512, 4096, 4096, 65536};
    static const uint8_t zeros[65536];
    uint32_t length = lengths[below(scene, 5)];
    uint64_t at = in_structures(scene, length);
    overwrite(scene, at, zeros, length);
    silent_in_log(scene, at, length);
    say(scene, "%u bytes zeroed at 0x%llx\n", length, (unsigned long long)at);
    return true;
}

static bool piece_swap(struct judge_scene *scene)
{
    static const uint32_t lengths[] = {512, 4096, 65536};
    uint8_t one[65536], two[65536];
    uint32_t length = lengths[below(scene, 3)];
    uint64_t a = in_structures(scene, length), b = in_structures(scene, length);
    const struct judge_disk *disk = scene->disk;
    if (a == b)
        return false;
    store_read(scene->file, a, one, length);
    store_read(scene->file, b, two, length);
    overwrite(scene, a, two, length);
    overwrite(scene, b, one, length);
    silent_in_log(scene, a, length);
    silent_in_log(scene, b, length);
    uint64_t end = disk->bat_offset + disk->bat_length;
    for (uint64_t i = 0; i < length / 8; i++) /* parts of the BAT for each other: each entry is legal where it is */
        for (unsigned k = 0; a >= disk->bat_offset && a < end && b >= disk->bat_offset && b < end && k < 2; k++) {
            uint64_t index = ((k ? b : a) - disk->bat_offset) / 8 + i, block = block_of(disk, index);
            if (block != VHDX_NOWHERE)
                silent_block(scene, block);
        }
    say(scene, "%u bytes at 0x%llx and 0x%llx exchanged\n", length, (unsigned long long)a, (unsigned long long)b);
    return true;
}

static bool bit_flips(struct judge_scene *scene)
{
    unsigned count = 1 + (unsigned)below(scene, 4);
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = in_structures(scene, 1);
        if (below(scene, 2)) /* where something stands */
            at = (at & ~UINT64_C(0xFFFF)) | (at & 0x7F);
        uint8_t byte = (uint8_t)(number_at(scene, at, 1) ^ 1u << below(scene, 8));
        overwrite(scene, at, &byte, 1);
        silent_in_log(scene, at, 1);
        say(scene, "bit flipped at 0x%llx%s", (unsigned long long)at, i + 1 < count ? ", " : "\n");
    }
    return true;
}

static bool beginning_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[65536];
    uint64_t length = below(scene, 2) ? VX_MIB : 65536 * (1 + below(scene, 80));
    for (uint64_t at = 0; at < length && at < store_size(scene->file); at += sizeof zeros) {
        overwrite(scene, at, zeros, sizeof zeros);
        silent_in_log(scene, at, sizeof zeros);
    }
    say(scene, "the first 0x%llx bytes zeroed\n", (unsigned long long)length);
    return true;
}

static bool truncated(struct judge_scene *scene)
{
    uint64_t size = store_size(scene->file);
    uint64_t kept = below(scene, 3) ? size - below(scene, vx_min(size - VX_MIB, 40 * VX_MIB)) : below(scene, size);
    kept = below(scene, 2) ? vx_round_down(kept, VX_MIB) : kept;
    if (kept < VX_MIB || kept >= size)
        return false;
    if (scene->disk->log >= JUDGE_LOG_DIRTY) {
        /* what the file has behind the head's FlushedFileOffset need not be there yet: replay makes it, of zeros */
        unsigned head = bld_log_entry_count(scene->disk->b) - 1;
        if (kept >= number_at(scene, bld_log_entry_offset(scene->disk->b, head) + 48, 8))
            silent_in_file(scene, kept, size - kept);
    }
    store_resize(scene->file, kept);
    say(scene, "cut off at 0x%llx\n", (unsigned long long)kept);
    return true;
}

static bool appended(struct judge_scene *scene)
{
    uint8_t bytes[4096];
    uint64_t size = store_size(scene->file), length = below(scene, 2) ? below(scene, 8192) : below(scene, 4 * VX_MIB);
    store_resize(scene->file, size + length);
    if (below(scene, 2)) {
        bld_random_bytes(bld_random(&scene->chance), 0, bytes, sizeof bytes);
        for (uint64_t at = 0; at < length; at += 65536 + sizeof bytes)
            store_write(scene->file, size + at, bytes, (size_t)vx_min(sizeof bytes, length - at));
    }
    say(scene, "0x%llx bytes appended\n", (unsigned long long)length);
    return true;
}

/* ---- logs ------------------------------------------------------------------------------------------------------- */

static bool log_field(struct judge_scene *scene)
{
    static const struct {
        const char *name;
        uint8_t offset, bytes;
    } fields[] = {{"EntryLength", 8, 4}, {"Tail", 12, 4}, {"SequenceNumber", 16, 8}, {"DescriptorCount", 24, 4},
                  {"LogGuid", 32, 8}, {"FlushedFileOffset", 48, 8}, {"LastFileOffset", 56, 8},
                  {"FileOffset of the first descriptor", 64 + 16, 8}};
    const struct judge_disk *disk = scene->disk;
    unsigned count = bld_log_entry_count(disk->b);
    if (disk->log == JUDGE_LOG_EMPTY || count == 0)
        return false;
    size_t field = (size_t)below(scene, sizeof fields / sizeof fields[0]);
    unsigned n = (unsigned)below(scene, count);
    uint64_t at = bld_log_entry_offset(disk->b, n), old = number_at(scene, at + fields[field].offset,
                                                                    fields[field].bytes);
    uint8_t number[8];
    uint64_t length = number_at(scene, at + 8, 4);
    if (number_at(scene, at, 4) != VX_SIG_LOG_ENTRY || length == 0 || length % VX_PAGE || length > disk->log_length)
        return false; /* another damage was here before */
    vx_put64(number, wrong(scene, old, fields[field].bytes));
    bld_poke_log_entry(store_host(scene->store), JUDGE_LEAF, disk->log_offset, disk->log_length, at - disk->log_offset,
                       fields[field].offset, number, fields[field].bytes);
    silent_in_log(scene, at, 4096);
    say(scene, "log entry %u of %u: %s 0x%llx -> 0x%llx, checksum right\n", n, count, fields[field].name,
        (unsigned long long)old, (unsigned long long)vx_get64(number));
    return true;
}

/*
 * A log that was applied long ago: LogGuid was never cleared, and blocks written since are in the BAT at home only.
 */
static bool log_stale(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint8_t pages[2][VX_PAGE], entry[3 * VX_PAGE] = {0};
    struct vx_log_page list[2];
    uint64_t first = below(scene, vx_ceil_div(disk->entry_count, 512)), removed = 0;
    if (disk->log == JUDGE_LOG_DIRTY || disk->kind == VHDX_KIND_FIXED)
        return false;
    store_read(scene->file, disk->bat_offset + first * VX_PAGE, pages[0], VX_PAGE);
    for (size_t i = 0; i < VX_PAGE; i += 8) {
        uint64_t place = vx_get64(pages[0] + i) & ~UINT64_C(0xFFFFF);
        if (place > disk->file_size / 2 && ++removed)
            memset(pages[0] + i, 0, 8);
    }
    if (removed == 0 || !vx_get64(pages[0]))
        return false;
    list[0] = (struct vx_log_page){disk->bat_offset + first * VX_PAGE, pages[0]};
    uint64_t then = vx_round_down(disk->file_size / 2, VX_MIB);
    struct vx_log_header header = {.tail = 0,
                                   .sequence_number = 7,
                                   .flushed_file_offset = then,
                                   .last_file_offset = then};
    bld_random_bytes(bld_random(&scene->chance), 0, header.log_guid.bytes, 16);
    vx_log_entry_encode(&header, list, 1, entry);
    uint8_t zeros[65536] = {0};
    for (uint64_t at = 0; at < disk->log_length; at += sizeof zeros)
        store_write(scene->file, disk->log_offset + at, zeros, sizeof zeros);
    store_write(scene->file, disk->log_offset, entry, (size_t)vx_log_entry_size(1));
    for (unsigned i = 0; i < 2; i++)
        for (unsigned half = 0; half < 2; half++)
            change_summed(scene, header_places[i], VX_HEADER_SIZE, 48 + 8 * half,
                          vx_get64(header.log_guid.bytes + 8 * half), 8);
    say(scene, "stale log: page %llu of the BAT as it was %llu blocks ago, LogGuid set\n", (unsigned long long)first,
        (unsigned long long)removed);
    return true;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

static const struct judge_damage damages[] = {
    {"header-field", JUDGE_OTHER, 6, header_field},
    {"header-log-guid", JUDGE_LOG, 2, header_log_guid},
    {"header-raw", JUDGE_OTHER, 4, header_raw},
    {"region-raw", JUDGE_REGMETA, 4, region_raw},
    {"region-field", JUDGE_REGMETA, 10, region_field},
    {"region-count", JUDGE_REGMETA, 2, region_count},
    {"entry-zero", JUDGE_REGMETA, 4, entry_zero},
    {"entry-field", JUDGE_REGMETA, 6, entry_field},
    {"entry-swap", JUDGE_REGMETA, 2, entry_swap},
    {"table-header", JUDGE_REGMETA, 2, table_header},
    {"table-zero", JUDGE_REGMETA, 3, table_zero},
    {"item-zero", JUDGE_SIZES, 4, item_zero},
    {"item-garbage", JUDGE_SIZES, 5, item_garbage},
    {"item-size", JUDGE_SIZES, 5, item_size},
    {"item-legal", JUDGE_SIZES, 5, item_legal},
    {"locator-raw", JUDGE_REGMETA, 3, locator_raw},
    {"bat-zero", JUDGE_BAT, 5, bat_zero},
    {"bat-state", JUDGE_BAT, 6, bat_state},
    {"bat-place", JUDGE_BAT, 6, bat_place},
    {"bat-garbage", JUDGE_BAT, 5, bat_garbage},
    {"bat-swap", JUDGE_BAT, 2, bat_swap},
    {"bat-shift", JUDGE_BAT, 2, bat_shift},
    {"bat-piece", JUDGE_BAT, 8, bat_piece},
    {"bitmap-bits", JUDGE_BAT, 3, bitmap_bits},
    {"payload-bytes", JUDGE_OTHER, 3, payload_bytes},
    {"piece-zero", JUDGE_OTHER, 8, piece_zero},
    {"piece-swap", JUDGE_OTHER, 4, piece_swap},
    {"bit-flips", JUDGE_OTHER, 6, bit_flips},
    {"beginning-zero", JUDGE_OTHER, 2, beginning_zero},
    {"truncated", JUDGE_OTHER, 4, truncated},
    {"appended", JUDGE_OTHER, 2, appended},
    {"log-field", JUDGE_LOG, 6, log_field},
    {"log-stale", JUDGE_LOG, 4, log_stale},
};

size_t judge_damage_count(void)
{
    return sizeof damages / sizeof damages[0];
}

const struct judge_damage *judge_damage_at(size_t row)
{
    return &damages[row];
}
