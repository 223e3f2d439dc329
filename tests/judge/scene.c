/*
 * What all damages have in common: wrong values, bytes that change, checksums that are put right, and the book of what
 * nobody could tell. See damage.h.
 */
/* SPDX-License-Identifier: MIT */
#include "damage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "format/bat.h"

const uint64_t dmg_header_places[2] = {VX_HEADER1_OFFSET, VX_HEADER2_OFFSET};

uint64_t dmg_below(struct judge_scene *scene, uint64_t limit)
{
    return bld_random_below(&scene->chance, limit);
}

void dmg_say(struct judge_scene *scene, const char *format, ...)
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

void dmg_silent_block(struct judge_scene *scene, uint64_t block)
{
    judge_silent(scene, block * scene->disk->block_size, scene->disk->block_size);
}

/* A value that is wrong in one of the usual ways. */
uint64_t dmg_wrong(struct judge_scene *scene, uint64_t value, unsigned bytes)
{
    uint64_t mask = bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1, other = value;
    for (unsigned i = 0; i < 20 && ((other ^ value) & mask) == 0; i++)
        switch (dmg_below(scene, 9)) {
        case 0:
            other = 0;
            break;
        case 1:
        case 2:
            other = value ^ UINT64_C(1) << dmg_below(scene, 8 * bytes);
            break;
        case 3:
            other = value + VX_MIB * (1 + dmg_below(scene, 8));
            break;
        case 4:
            other = value - VX_MIB * (1 + dmg_below(scene, 8));
            break;
        case 5:
            other = value * 2;
            break;
        case 6:
            other = value / 2;
            break;
        case 7:
            other = bld_random(&scene->chance);
            break;
        default:
            other = value + (dmg_below(scene, 2) ? 1 : UINT64_MAX);
            break;
        }
    return other & mask;
}

/* Bytes of payload and bits of bitmaps in that range of the file are lost, and the format has no checksum of them. */
void dmg_silent_in_file(struct judge_scene *scene, uint64_t offset, uint64_t length)
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
        judge_silent(scene, i * VX_SECTORS_PER_CHUNK * disk->sector_size + first * per_byte, (last - first) * per_byte);
    }
}

void dmg_overwrite(struct judge_scene *scene, uint64_t offset, const void *bytes, size_t length)
{
    if (offset >= store_size(scene->file))
        return;
    length = (size_t)vx_min(length, store_size(scene->file) - offset);
    dmg_silent_in_file(scene, offset, length);
    store_write(scene->file, offset, bytes, length);
}

/* Changes part of a structure whose checksum is at its byte 4. */
void dmg_change_summed(struct judge_scene *scene, uint64_t place, size_t size, size_t offset, uint64_t value,
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

uint64_t dmg_number_at(const struct judge_scene *scene, uint64_t offset, unsigned bytes)
{
    uint8_t number[8] = {0};
    store_read(scene->file, offset, number, bytes);
    return vx_get64(number);
}

/* The entry of a payload block, as it is now. */
static struct vx_bat_entry entry_of(const struct judge_scene *scene, uint64_t block)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t index = block / disk->chunk_ratio * (disk->chunk_ratio + 1) + block % disk->chunk_ratio;
    return vx_bat_entry_decode(dmg_number_at(scene, disk->bat_offset + index * VX_BAT_ENTRY_SIZE, 8));
}

/* 1, 2 or 3 = both: bits. */
unsigned dmg_which_copies(struct judge_scene *scene)
{
    unsigned choice = (unsigned)dmg_below(scene, 4);
    return choice == 0 ? 1 : choice == 1 ? 2 : 3;
}

/* The block whose place was the one to which the entry leads now; VHDX_NOWHERE: of none, or of the block itself. */
static uint64_t former_owner(const struct judge_disk *disk, uint64_t block, const struct vx_bat_entry *now)
{
    bool has_data = now->state == VX_PAYLOAD_FULLY_PRESENT || now->state == VX_PAYLOAD_PARTIALLY_PRESENT;
    for (uint64_t i = 0; has_data && now->file_offset && i < disk->block_count; i++)
        if (i != block && disk->blocks[i].place == now->file_offset)
            return i;
    return VHDX_NOWHERE;
}

/* A block at the place of another one that has left it: as after an exchange, the content does not say whose it is. */
static void settle_places(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    for (uint64_t i = 0; i < disk->block_count; i++) {
        struct vx_bat_entry now = entry_of(scene, i);
        uint64_t other = former_owner(disk, i, &now);
        if (other != VHDX_NOWHERE && entry_of(scene, other).file_offset != now.file_offset)
            dmg_silent_block(scene, i);
    }
}

static bool is_blank(const struct store_file *file, uint64_t offset, uint64_t end)
{
    return offset >= end || store_next(file, offset / STORE_PAGE) >= vx_ceil_div(end, STORE_PAGE);
}

/* Whether another block lies there, or a structure. */
static bool is_owned(const struct judge_disk *disk, uint64_t but, uint64_t offset, uint64_t end)
{
    const uint64_t places[][2] = {{disk->log_offset, disk->log_length},
                                  {disk->metadata_offset, disk->metadata_length},
                                  {disk->bat_offset, disk->bat_length}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (places[i][0] < end && offset < places[i][0] + places[i][1])
            return true;
    for (uint64_t i = 0; i < disk->block_count; i++)
        if (i != but && disk->blocks[i].place != VHDX_NOWHERE && disk->blocks[i].place < end &&
            offset < disk->blocks[i].place + disk->block_size)
            return true;
    return false;
}

/*
 * A block that is said to begin a MiB or more beside its place, in space that is nobody's, and leaves nothing but zeros
 * there: it lies as well where it is said to.
 */
static void settle_shifts(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    for (uint64_t i = 0; i < disk->block_count; i++) {
        uint64_t was = disk->blocks[i].place, now = entry_of(scene, i).file_offset, size = disk->block_size;
        if (was == VHDX_NOWHERE || now == was || now + size <= was || was + size <= now ||
            is_owned(disk, i, now, now + size))
            continue;
        if (now > was ? is_blank(scene->file, was, now) : is_blank(scene->file, now + size, was + size))
            dmg_silent_block(scene, i);
    }
}

/*
 * A block whose entry is zero now, and of whose content nothing is left in a file that was cut off: an empty entry says
 * the same. A fixed disk has none of these.
 */
static void settle_cut_off(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t size = store_size(scene->file);
    if (size >= store_size(store_find(disk->store, JUDGE_LEAF)) || disk->kind == VHDX_KIND_FIXED)
        return;
    for (uint64_t i = 0; i < disk->block_count; i++) {
        uint64_t place = disk->blocks[i].place, end = place + disk->block_size;
        uint64_t index = i / disk->chunk_ratio * (disk->chunk_ratio + 1) + i % disk->chunk_ratio;
        if (place == VHDX_NOWHERE || end <= size || dmg_number_at(scene, disk->bat_offset + index * 8, 8) != 0)
            continue;
        if (is_blank(scene->file, place, vx_min(end, size)))
            dmg_silent_block(scene, i);
    }
}

/* A fixed disk whose mark is lost is a dynamic one that happens to have all its blocks. */
static bool says_fixed(const struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t at = bld_item_offset(disk->b, &vx_guid_file_parameters, false);
    return disk->kind == VHDX_KIND_FIXED && dmg_number_at(scene, at + 4, 4) == VX_PARAMETER_LEAVE_BLOCK_ALLOCATED;
}

/* What shows that sectors of 512 bytes were made 4096, which have a chunk of eight times as many blocks. */
static bool sectors_show(const struct judge_disk *disk)
{
    const uint64_t ratio = disk->chunk_ratio, wrong = 8 * ratio;
    unsigned hollow = 0;
    for (uint64_t i = 0; i < disk->block_count; i++) {
        uint64_t index = i + i / ratio; /* in the BAT */
        if (disk->blocks[i].place == VHDX_NOWHERE)
            continue;
        if (index % (wrong + 1) == wrong || index - index / (wrong + 1) >= disk->block_count)
            return true;
        hollow += i > 0 && i % ratio == 0 && disk->blocks[i - 1].place != VHDX_NOWHERE;
    }
    return hollow > 1;
}

/*
 * A dynamic disk whose sectors of 512 bytes are said to have 4096: entries of the BAT behind the first chunk are those
 * of other blocks then. What can contradict it: a GPT, an entry in the place of a sector bitmap, one behind the disk's
 * end, and entries that are empty between two blocks exactly where the bitmaps of small sectors would be. One of the
 * last is what any dynamic disk may have, where the guest never wrote. With none of these the entries are as good a BAT
 * of a disk of large sectors, and its blocks may be anybody's.
 */
static void settle_sectors(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t at = bld_item_offset(disk->b, &vx_guid_logical_sector_size, false);
    uint64_t first = disk->chunk_ratio * disk->block_size;
    if (disk->kind != VHDX_KIND_DYNAMIC || disk->gpt || disk->sector_size != 512 ||
        dmg_number_at(scene, at, 4) != 4096 || first >= disk->size || sectors_show(disk))
        return;
    judge_silent(scene, first, disk->size - first);
}

/*
 * Another size that the format allows. What can contradict it: a GPT that ends behind it (in the chain, where there is
 * one), blocks behind the new end, and a BAT that is too short for it. A fixed disk has no blocks that are not there. A
 * GPT that ends before is what every disk has that was just made larger: the guest has not yet moved its copy.
 */
void judge_settle(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t at = bld_item_offset(disk->b, &vx_guid_virtual_disk_size, false), last = 0;
    uint64_t size = dmg_number_at(scene, at, 8), blocks = vx_ceil_div(size, disk->block_size);
    settle_places(scene);
    settle_shifts(scene);
    settle_sectors(scene);
    settle_cut_off(scene);
    for (uint64_t i = 0; i < disk->block_count; i++)
        if (disk->blocks[i].place != VHDX_NOWHERE)
            last = i + 1;
    if (size == disk->size || size == 0 || size % disk->sector_size != 0 || blocks < last)
        return;
    if (disk->gpt && size < disk->size && (disk->kind != VHDX_KIND_DIFFERENCING || disk->parent_there))
        return;
    if (blocks > disk->bat_length / VX_BAT_ENTRY_SIZE || (says_fixed(scene) && blocks > last))
        return;
    scene->silent_size = true;
    if (size < disk->size)
        judge_silent(scene, vx_round_down(size, 512), disk->size - vx_round_down(size, 512));
}
