/*
 * Damage of the file as a whole: pieces of it zeroed or exchanged, its ends, payload, and logs.
 */
/* SPDX-License-Identifier: MIT */
#include "damage.h"

#include <string.h>

#include "base/bytes.h"
#include "format/log_entry.h"

#define SET_ASIDE (64 * VX_MIB)

bool dmg_payload_bytes(struct judge_scene *scene)
{
    uint64_t place = scene->disk->blocks[dmg_any_block(scene)].place;
    static const uint32_t lengths[] = {1, 512, 4096, 65536};
    uint32_t length = lengths[dmg_below(scene, 4)];
    uint8_t bytes[65536] = {0};
    if (place == VHDX_NOWHERE)
        return false;
    place += dmg_below(scene, scene->disk->block_size / length) * length;
    if (dmg_below(scene, 2))
        bld_random_bytes(bld_random(&scene->chance), 0, bytes, length);
    dmg_overwrite(scene, place, bytes, length);
    dmg_say(scene, "%u bytes of payload overwritten at 0x%llx\n", length, (unsigned long long)place);
    return true;
}

/* A place in one of the structures, whatever stands there. */
static uint64_t in_structures(struct judge_scene *scene, uint32_t unit)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t end = VX_MIB, begin = 0;
    switch (dmg_below(scene, 4)) {
    case 0:
        break;
    case 1:
        begin = disk->metadata_offset, end = begin + 2 * VX_METADATA_TABLE_SIZE;
        break;
    case 2:
        begin = disk->bat_offset, end = begin + vx_max(disk->entry_count * 8, 65536);
        break;
    default:
        begin = disk->log_offset, end = begin + disk->log_length;
        break;
    }
    return begin + dmg_below(scene, (end - begin) / unit) * unit;
}

/* A head of a log that is gone looks like a write that was cut off, or a log in which nothing was written yet. */
static void silent_in_log(struct judge_scene *scene, uint64_t offset, uint64_t length)
{
    const struct judge_disk *disk = scene->disk;
    if (disk->log == JUDGE_LOG_DIRTY && offset < disk->log_offset + disk->log_length &&
        offset + length > disk->log_offset)
        scene->silent_all = true;
}

bool dmg_piece_zero(struct judge_scene *scene)
{
    static const uint32_t lengths[] = {512, 512, 4096, 4096, 65536};
    static const uint8_t zeros[65536];
    uint32_t length = lengths[dmg_below(scene, 5)];
    uint64_t at = in_structures(scene, length);
    dmg_overwrite(scene, at, zeros, length);
    silent_in_log(scene, at, length);
    dmg_say(scene, "%u bytes zeroed at 0x%llx\n", length, (unsigned long long)at);
    return true;
}

bool dmg_piece_swap(struct judge_scene *scene)
{
    static const uint32_t lengths[] = {512, 4096, 65536};
    uint8_t one[65536], two[65536];
    uint32_t length = lengths[dmg_below(scene, 3)];
    uint64_t a = in_structures(scene, length), b = in_structures(scene, length);
    const struct judge_disk *disk = scene->disk;
    if (a == b)
        return false;
    store_read(scene->file, a, one, length);
    store_read(scene->file, b, two, length);
    dmg_overwrite(scene, a, two, length);
    dmg_overwrite(scene, b, one, length);
    silent_in_log(scene, a, length);
    silent_in_log(scene, b, length);
    uint64_t end = disk->bat_offset + disk->bat_length;
    for (uint64_t i = 0; i < length / 8; i++) /* parts of the BAT for each other: each entry is legal where it is */
        for (unsigned k = 0; a >= disk->bat_offset && a < end && b >= disk->bat_offset && b < end && k < 2; k++) {
            uint64_t index = ((k ? b : a) - disk->bat_offset) / 8 + i, block = dmg_block_of(disk, index);
            if (block != VHDX_NOWHERE)
                dmg_silent_block(scene, block);
        }
    dmg_say(scene, "%u bytes at 0x%llx and 0x%llx exchanged\n", length, (unsigned long long)a, (unsigned long long)b);
    return true;
}

bool dmg_bit_flips(struct judge_scene *scene)
{
    unsigned count = 1 + (unsigned)dmg_below(scene, 4);
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = in_structures(scene, 1);
        if (dmg_below(scene, 2)) /* where something stands */
            at = (at & ~UINT64_C(0xFFFF)) | (at & 0x7F);
        uint8_t byte = (uint8_t)(dmg_number_at(scene, at, 1) ^ 1u << dmg_below(scene, 8));
        dmg_overwrite(scene, at, &byte, 1);
        silent_in_log(scene, at, 1);
        dmg_say(scene, "bit flipped at 0x%llx%s", (unsigned long long)at, i + 1 < count ? ", " : "\n");
    }
    return true;
}

bool dmg_beginning_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[65536];
    uint64_t length = dmg_below(scene, 2) ? VX_MIB : 65536 * (1 + dmg_below(scene, 80));
    for (uint64_t at = 0; at < length && at < store_size(scene->file); at += sizeof zeros) {
        dmg_overwrite(scene, at, zeros, sizeof zeros);
        silent_in_log(scene, at, sizeof zeros);
    }
    dmg_say(scene, "the first 0x%llx bytes zeroed\n", (unsigned long long)length);
    return true;
}

bool dmg_truncated(struct judge_scene *scene)
{
    uint64_t size = store_size(scene->file);
    uint64_t kept =
        dmg_below(scene, 3) ? size - dmg_below(scene, vx_min(size - VX_MIB, 40 * VX_MIB)) : dmg_below(scene, size);
    kept = dmg_below(scene, 2) ? vx_round_down(kept, VX_MIB) : kept;
    if (kept < VX_MIB || kept >= size)
        return false;
    if (scene->disk->log >= JUDGE_LOG_DIRTY) {
        /* what the file has behind the head's FlushedFileOffset need not be there yet: replay makes it, of zeros */
        unsigned head = bld_log_entry_count(scene->disk->b) - 1;
        if (kept >= dmg_number_at(scene, bld_log_entry_offset(scene->disk->b, head) + 48, 8))
            dmg_silent_in_file(scene, kept, size - kept);
    }
    store_resize(scene->file, kept);
    dmg_say(scene, "cut off at 0x%llx\n", (unsigned long long)kept);
    return true;
}

bool dmg_appended(struct judge_scene *scene)
{
    uint8_t bytes[4096];
    uint64_t size = store_size(scene->file),
             length = dmg_below(scene, 2) ? dmg_below(scene, 8192) : dmg_below(scene, 4 * VX_MIB);
    dmg_silent_in_file(scene, size, length); /* of a file that was cut off, whose blocks are there */
    store_resize(scene->file, size + length);
    if (dmg_below(scene, 2)) {
        bld_random_bytes(bld_random(&scene->chance), 0, bytes, sizeof bytes);
        for (uint64_t at = 0; at < length; at += 65536 + sizeof bytes)
            store_write(scene->file, size + at, bytes, (size_t)vx_min(sizeof bytes, length - at));
    }
    dmg_say(scene, "0x%llx bytes appended\n", (unsigned long long)length);
    return true;
}

/* ---- logs ------------------------------------------------------------------------------------------------------- */

bool dmg_log_field(struct judge_scene *scene)
{
    static const struct {
        const char *name;
        uint8_t offset, bytes;
    } fields[] = {{"EntryLength", 8, 4},     {"Tail", 12, 4},
                  {"SequenceNumber", 16, 8}, {"DescriptorCount", 24, 4},
                  {"LogGuid", 32, 8},        {"FlushedFileOffset", 48, 8},
                  {"LastFileOffset", 56, 8}, {"FileOffset of the first descriptor", 64 + 16, 8}};
    const struct judge_disk *disk = scene->disk;
    unsigned count = bld_log_entry_count(disk->b);
    if (disk->log == JUDGE_LOG_EMPTY || count == 0)
        return false;
    size_t field = (size_t)dmg_below(scene, sizeof fields / sizeof fields[0]);
    unsigned n = (unsigned)dmg_below(scene, count);
    uint64_t at = bld_log_entry_offset(disk->b, n),
             old = dmg_number_at(scene, at + fields[field].offset, fields[field].bytes);
    uint8_t number[8];
    uint64_t length = dmg_number_at(scene, at + 8, 4);
    if (dmg_number_at(scene, at, 4) != VX_SIG_LOG_ENTRY || length == 0 || length % VX_PAGE || length > disk->log_length)
        return false; /* another damage was here before */
    uint64_t wrong = dmg_wrong(scene, old, fields[field].bytes);
    vx_put64(number, wrong);
    /* MS-VHDX 2.3.3: a replay gives the file that length, which is no wonder as long as the disk can fill it, with some
     * space that its writer has set aside */
    if (fields[field].offset == 56 && wrong <= disk->file_size + vx_round_down(disk->size, VX_MIB) + SET_ASIDE)
        scene->wanted_size = vx_max(scene->wanted_size, wrong);
    else if (fields[field].offset == 64 + 16 &&
             wrong <= disk->file_size + vx_round_down(disk->size, VX_MIB) + SET_ASIDE)
        scene->wanted_size = vx_max(scene->wanted_size, wrong + VX_PAGE); /* so does one that writes there */
    bld_poke_log_entry(store_host(scene->store), JUDGE_LEAF, disk->log_offset, disk->log_length, at - disk->log_offset,
                       fields[field].offset, number, fields[field].bytes);
    silent_in_log(scene, at, 4096);
    dmg_say(scene, "log entry %u of %u: %s 0x%llx -> 0x%llx, checksum right\n", n, count, fields[field].name,
            (unsigned long long)old, (unsigned long long)vx_get64(number));
    return true;
}

/*
 * A log that was applied long ago: LogGuid was never cleared, and blocks written since are in the BAT at home only.
 */
bool dmg_log_stale(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint8_t pages[2][VX_PAGE], entry[3 * VX_PAGE] = {0};
    struct vx_log_page list[2];
    uint64_t first = dmg_below(scene, vx_ceil_div(disk->entry_count, 512)), removed = 0;
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
    struct vx_log_header header = {
        .tail = 0, .sequence_number = 7, .flushed_file_offset = then, .last_file_offset = then};
    bld_random_bytes(bld_random(&scene->chance), 0, header.log_guid.bytes, 16);
    vx_log_entry_encode(&header, list, 1, entry);
    uint8_t zeros[65536] = {0};
    for (uint64_t at = 0; at < disk->log_length; at += sizeof zeros)
        store_write(scene->file, disk->log_offset + at, zeros, sizeof zeros);
    store_write(scene->file, disk->log_offset, entry, (size_t)vx_log_entry_size(1));
    for (unsigned i = 0; i < 2; i++)
        for (unsigned half = 0; half < 2; half++)
            dmg_change_summed(scene, dmg_header_places[i], VX_HEADER_SIZE, 48 + 8 * half,
                              vx_get64(header.log_guid.bytes + 8 * half), 8);
    dmg_say(scene, "stale log: page %llu of the BAT as it was %llu blocks ago, LogGuid set\n",
            (unsigned long long)first, (unsigned long long)removed);
    return true;
}

/* A log that is marked as in use and has no entry yet: qemu was killed before it wrote one. */
bool dmg_habit_killed(struct judge_scene *scene)
{
    if (scene->disk->log != JUDGE_LOG_EMPTY)
        return false;
    for (unsigned i = 0; i < 2; i++)
        for (unsigned half = 0; half < 2; half++)
            dmg_change_summed(scene, dmg_header_places[i], VX_HEADER_SIZE, 48 + 8 * half, scene->chance | 1, 8);
    dmg_say(scene, "LogGuid of both headers set, and nothing in the log\n");
    return true;
}
