/*
 * Damage of the BAT and of sector bitmaps: single entries, parts of a page, entries that have changed places.
 */
/* SPDX-License-Identifier: MIT */
#include "damage.h"

#include <string.h>

#include "base/bytes.h"
#include "format/bat.h"

/* The payload block of an entry, or VHDX_NOWHERE. */
uint64_t dmg_block_of(const struct judge_disk *disk, uint64_t index)
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
    return dmg_number_at(scene, scene->disk->bat_offset + index * VX_BAT_ENTRY_SIZE, 8);
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
static void dmg_set_raw(struct judge_scene *scene, uint64_t index, uint64_t raw)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t block = dmg_block_of(disk, index);
    uint8_t number[8];
    struct vx_bat_entry now = vx_bat_entry_decode(raw);
    vx_put64(number, raw);
    store_write(scene->file, disk->bat_offset + index * VX_BAT_ENTRY_SIZE, number, 8);
    if (block == VHDX_NOWHERE || now.reserved)
        return;
    /* as it was in the whole disk: an earlier damage is no witness of what the entry was */
    const struct judge_block *was = &disk->blocks[block];
    struct vx_bat_entry old = {.state = (uint8_t)was->state,
                               .file_offset = was->place == VHDX_NOWHERE ? 0 : was->place};
    bool child = disk->kind == VHDX_KIND_DIFFERENCING, same_place = old.file_offset == now.file_offset;
    if (same_place && old.file_offset && is_present(old.state) && is_anchor(now.state))
        dmg_silent_block(scene, block);
    if (same_place && child && is_present(old.state) && is_present(now.state))
        dmg_silent_block(scene, block);
    if (same_place && child && !old.file_offset && old.state <= 3 && now.state <= 3)
        dmg_silent_block(scene, block);
}

/* Mostly a block that has a place. */
uint64_t dmg_any_block(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t block = dmg_below(scene, disk->block_count);
    for (unsigned i = 0; i < 200 && disk->blocks[block].place == VHDX_NOWHERE; i++)
        block = dmg_below(scene, disk->block_count);
    return block;
}

static uint64_t any_index(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    if (dmg_below(scene, 10) == 0)
        return dmg_below(scene, disk->entry_count);
    if (disk->kind == VHDX_KIND_DIFFERENCING && dmg_below(scene, 6) == 0) /* a sector bitmap block */
        return disk->chunk_ratio +
               dmg_below(scene, vx_ceil_div(disk->block_count, disk->chunk_ratio)) * (disk->chunk_ratio + 1);
    return index_of(disk, dmg_any_block(scene));
}

static void say_entry(struct judge_scene *scene, uint64_t index, uint64_t old)
{
    dmg_say(scene, "BAT entry %llu 0x%llx -> 0x%llx\n", (unsigned long long)index, (unsigned long long)old,
            (unsigned long long)raw_at(scene, index));
}

static bool has_index(const struct judge_scene *scene, uint64_t index)
{
    return index < scene->disk->entry_count;
}

bool dmg_bat_zero(struct judge_scene *scene)
{
    uint64_t index = any_index(scene), old = has_index(scene, index) ? raw_at(scene, index) : 0;
    if (old == 0)
        return false;
    dmg_set_raw(scene, index, 0);
    say_entry(scene, index, old);
    return true;
}

bool dmg_bat_state(struct judge_scene *scene)
{
    uint64_t index = any_index(scene), old = has_index(scene, index) ? raw_at(scene, index) : 0;
    uint64_t state = dmg_below(scene, 8);
    if (!has_index(scene, index) || state == (old & 7))
        return false;
    dmg_set_raw(scene, index, (old & ~UINT64_C(7)) | state);
    say_entry(scene, index, old);
    return true;
}

bool dmg_bat_place(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t index = any_index(scene), old = has_index(scene, index) ? raw_at(scene, index) : 0, place;
    if (old == 0)
        return false;
    switch (dmg_below(scene, 6)) {
    case 0:
        place = disk->blocks[dmg_any_block(scene)].place;
        break;
    case 1:
        place = dmg_below(scene, disk->file_size / VX_MIB) * VX_MIB;
        break;
    case 2:
        place = vx_ceil_div(disk->file_size, VX_MIB) * VX_MIB + dmg_below(scene, 3) * VX_MIB;
        break;
    case 3:
        place = (old & ~UINT64_C(0xFFFFF)) + (dmg_below(scene, 2) ? VX_MIB : 0 - VX_MIB);
        break;
    case 4:
        place = disk->bat_offset;
        break;
    default:
        place = bld_random(&scene->chance) & ~UINT64_C(0xFFFFF);
        break;
    }
    if (place == VHDX_NOWHERE || place == (old & ~UINT64_C(0xFFFFF)))
        return false;
    dmg_set_raw(scene, index, (old & 7) | place);
    say_entry(scene, index, old);
    return true;
}

bool dmg_bat_garbage(struct judge_scene *scene)
{
    uint64_t index = any_index(scene);
    if (!has_index(scene, index))
        return false;
    uint64_t old = raw_at(scene, index);
    dmg_set_raw(scene, index,
                dmg_below(scene, 2) ? bld_random(&scene->chance) : old ^ UINT64_C(1) << dmg_below(scene, 64));
    say_entry(scene, index, old);
    return true;
}

/* Two entries of equal state change places: the content of a block does not say whose it is. */
bool dmg_bat_swap(struct judge_scene *scene)
{
    uint64_t a = dmg_any_block(scene), b = dmg_any_block(scene);
    uint64_t one = raw_at(scene, index_of(scene->disk, a)), two = raw_at(scene, index_of(scene->disk, b));
    if (one == two)
        return false;
    dmg_set_raw(scene, index_of(scene->disk, a), two);
    dmg_set_raw(scene, index_of(scene->disk, b), one);
    dmg_silent_block(scene, a);
    dmg_silent_block(scene, b);
    dmg_say(scene, "BAT entries of blocks %llu and %llu exchanged\n", (unsigned long long)a, (unsigned long long)b);
    return true;
}

/* What qemu before 7.2.7 did to a disk that was made larger: a page of the BAT is moved by one entry. */
bool dmg_bat_shift(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t pages = vx_ceil_div(disk->entry_count, 512), page = dmg_below(scene, pages);
    uint64_t first = page * 512, end = vx_min(first + 512, disk->entry_count);
    for (uint64_t i = end - 1; i > first; i--)
        dmg_set_raw(scene, i, raw_at(scene, i - 1));
    dmg_set_raw(scene, first, 0);
    for (uint64_t i = first; i < end; i++)
        if (dmg_block_of(disk, i) != VHDX_NOWHERE)
            dmg_silent_block(scene, dmg_block_of(disk, i)); /* each entry is legal where it is now */
    dmg_say(scene, "page %llu of the BAT moved by one entry\n", (unsigned long long)page);
    return true;
}

bool dmg_bat_piece(struct judge_scene *scene)
{
    static const uint32_t lengths[] = {512, 512, 4096, 4096, 65536};
    const struct judge_disk *disk = scene->disk;
    uint32_t length = lengths[dmg_below(scene, 5)];
    uint64_t used = disk->entry_count * VX_BAT_ENTRY_SIZE, at = dmg_below(scene, vx_ceil_div(used, length)) * length;
    bool zero = dmg_below(scene, 4) > 0;
    uint8_t bytes[65536] = {0};
    if (!zero)
        bld_random_bytes(bld_random(&scene->chance), 0, bytes, length);
    for (uint64_t i = 0; zero && disk->kind == VHDX_KIND_DIFFERENCING && i < length / 8; i++)
        if (at / 8 + i < disk->entry_count)
            dmg_set_raw(scene, at / 8 + i, 0);
    store_write(scene->file, disk->bat_offset + at, bytes, length);
    dmg_say(scene, "%u bytes of the BAT at 0x%llx %s\n", length, (unsigned long long)at, zero ? "zeroed" : "garbage");
    return true;
}

bool dmg_bitmap_bits(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t chunk = dmg_below(scene, vx_ceil_div(disk->block_count, disk->chunk_ratio));
    uint64_t place = disk->kind == VHDX_KIND_DIFFERENCING ? bld_bitmap_offset(disk->b, chunk) : VHDX_NOWHERE;
    uint8_t bytes[4096] = {0};
    if (place == VHDX_NOWHERE)
        return false;
    uint64_t used = vx_max(vx_min(disk->block_count, disk->chunk_ratio) * disk->block_size / disk->sector_size / 8, 1);
    uint64_t at = place + dmg_below(scene, vx_min(used, VX_BITMAP_BLOCK_SIZE - 4096));
    if (dmg_below(scene, 2)) {
        bytes[0] = (uint8_t)(dmg_number_at(scene, at, 1) ^ 1u << dmg_below(scene, 8));
        dmg_overwrite(scene, at, bytes, 1);
    } else {
        dmg_overwrite(scene, at, bytes, sizeof bytes);
    }
    dmg_say(scene, "bits of sector bitmap %llu changed at 0x%llx\n", (unsigned long long)chunk, (unsigned long long)at);
    return true;
}

/* qemu before 7.2.7 gives the entries of sector bitmaps state 2 in a disk that has none. */
bool dmg_habit_slots(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    unsigned count = 0;
    for (uint64_t i = disk->chunk_ratio; disk->kind != VHDX_KIND_DIFFERENCING && i < disk->entry_count;
         i += disk->chunk_ratio + 1, count++)
        dmg_set_raw(scene, i, 2);
    if (count == 0)
        return false;
    dmg_say(scene, "%u entries of sector bitmaps have state 2\n", count);
    return true;
}
