/*
 * Random disks of known truth. The image builder lays them out; the truth is written down beside it with every guest
 * write, never read back from the file. Logs of earlier times are as Windows leaves them: what the newest entry for a
 * page says stands at home too.
 */
/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "ext4_image.h"
#include "format/geometry.h"
#include "format/log_entry.h"

#define LARGEST_PIECE 65536u
#define GPT_ENTRIES_SIZE 16384u
#define PARTITION VX_MIB

static bool chance(struct judge_disk *disk, unsigned percent)
{
    return bld_random_below(&disk->chance, 100) < percent;
}

/* ---- guest writes ----------------------------------------------------------------------------------------------- */

static void put(struct judge_disk *disk, struct bld *b, uint64_t offset, const void *bytes, size_t length)
{
    bld_write(b, offset, bytes, length);
    store_write(disk->truth, offset, bytes, length);
}

static void put_random(struct judge_disk *disk, struct bld *b, uint64_t offset, size_t length)
{
    uint8_t bytes[LARGEST_PIECE];
    bld_random_bytes(bld_random(&disk->chance), 0, bytes, length);
    put(disk, b, offset, bytes, length);
}

static void put_zeros(struct judge_disk *disk, uint64_t offset, uint64_t end)
{
    static const uint8_t zeros[LARGEST_PIECE];
    for (uint64_t at = offset; at < end && at < disk->size; at += sizeof zeros)
        store_write(disk->truth, at, zeros, (size_t)vx_min(sizeof zeros, vx_min(end, disk->size) - at));
}

/* Some pieces of a block, its ends more often than chance would have it. */
static void put_block(struct judge_disk *disk, struct bld *b, uint64_t block, uint32_t block_size)
{
    uint64_t begin = block * block_size, end = vx_min(begin + block_size, disk->size);
    uint64_t sectors = (end - begin) / disk->sector_size;
    unsigned pieces = 1 + (unsigned)bld_random_below(&disk->chance, 3);
    for (unsigned i = 0; i < pieces; i++) {
        uint64_t most = vx_min(sectors, LARGEST_PIECE / disk->sector_size);
        uint64_t count = 1 + bld_random_below(&disk->chance, chance(disk, 50) ? vx_min(most, 16) : most);
        uint64_t first = bld_random_below(&disk->chance, sectors - count + 1);
        if (chance(disk, 25))
            first = 0;
        else if (chance(disk, 20))
            first = sectors - count;
        put_random(disk, b, begin + first * disk->sector_size, (size_t)(count * disk->sector_size));
    }
}

/* ---- what guests put in ----------------------------------------------------------------------------------------- */

static void put_gpt_header(struct judge_disk *disk, struct bld *b, const uint8_t *entries, uint64_t own, uint64_t other,
                           uint64_t first_entry)
{
    uint8_t sector[4096] = "EFI PART";
    uint64_t last = disk->size / disk->sector_size - 1, span = GPT_ENTRIES_SIZE / disk->sector_size;
    vx_put32(sector + 8, 0x10000);
    vx_put32(sector + 12, 92);
    vx_put64(sector + 24, own);
    vx_put64(sector + 32, other);
    vx_put64(sector + 40, 2 + span);
    vx_put64(sector + 48, last - span - 1);
    bld_random_bytes(disk->seed, 0, sector + 56, 16);
    vx_put64(sector + 72, first_entry);
    vx_put32(sector + 80, GPT_ENTRIES_SIZE / 128);
    vx_put32(sector + 84, 128);
    vx_put32(sector + 88, (uint32_t)crc32(0, entries, GPT_ENTRIES_SIZE));
    vx_put32(sector + 16, (uint32_t)crc32(0, sector, 92));
    put(disk, b, own * disk->sector_size, sector, disk->sector_size);
}

static void put_gpt(struct judge_disk *disk, struct bld *b)
{
    static const uint8_t linux_data[16] = {0xAF, 0x3D, 0xC6, 0x0F, 0x83, 0x84, 0x72, 0x47,
                                           0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4};
    uint8_t entries[GPT_ENTRIES_SIZE] = {0}, sector[4096] = {0};
    uint64_t last = disk->size / disk->sector_size - 1, span = GPT_ENTRIES_SIZE / disk->sector_size;
    memcpy(entries, linux_data, 16);
    bld_random_bytes(disk->seed, 64, entries + 16, 16);
    vx_put64(entries + 32, PARTITION / disk->sector_size);
    vx_put64(entries + 40, last - span - 1);
    sector[446 + 4] = 0xEE;
    vx_put32(sector + 446 + 8, 1);
    vx_put32(sector + 446 + 12, (uint32_t)last);
    vx_put16(sector + 510, 0xAA55);
    put(disk, b, 0, sector, disk->sector_size);
    put_gpt_header(disk, b, entries, 1, last, 2);
    put(disk, b, 2 * disk->sector_size, entries, sizeof entries);
    put(disk, b, (last - span) * disk->sector_size, entries, sizeof entries);
    put_gpt_header(disk, b, entries, last, 1, last - span);
}

static void put_ext4(struct judge_disk *disk, struct bld *b)
{
    uint8_t *bytes = calloc(1, EXT4_IMAGE_SIZE);
    ext4_image_make(bytes, (uint8_t)disk->seed);
    for (size_t at = 0; at < EXT4_IMAGE_SIZE; at += 4096)
        if (!vx_is_zero(bytes + at, 4096))
            put(disk, b, PARTITION + at, bytes + at, 4096);
    free(bytes);
}

/* ---- states ----------------------------------------------------------------------------------------------------- */

/* Blocks that are larger than the guest's disk begins after are left to chance; of large disks only some are filled. */
static bool is_filled(struct judge_disk *disk, uint64_t block, uint64_t blocks)
{
    if (blocks <= 40)
        return chance(disk, 60);
    return block + 1 == blocks || bld_random_below(&disk->chance, blocks) < 30;
}

static void fill_base(struct judge_disk *disk, struct bld *b, vhdx_kind kind, uint32_t block_size)
{
    uint64_t blocks = vx_ceil_div(disk->size, block_size);
    for (uint64_t i = 0; i < blocks; i++) {
        bool filled = is_filled(disk, i, blocks);
        if (kind == VHDX_KIND_FIXED)
            bld_state(b, i, VX_PAYLOAD_FULLY_PRESENT);
        if (filled)
            put_block(disk, b, i, block_size);
        else if (kind != VHDX_KIND_FIXED && chance(disk, 15))
            bld_state(b, i, chance(disk, 50) ? VX_PAYLOAD_ZERO : VX_PAYLOAD_UNMAPPED);
    }
    if (disk->gpt)
        put_gpt(disk, b);
    if (disk->ext4)
        put_ext4(disk, b);
}

static void fill_child(struct judge_disk *disk, struct bld *b)
{
    for (uint64_t i = 0; i < disk->block_count; i++) {
        uint64_t begin = i * disk->block_size, end = begin + disk->block_size;
        if (!is_filled(disk, i, disk->block_count))
            continue;
        if (chance(disk, 10)) {
            bld_state(b, i, VX_PAYLOAD_ZERO);
            put_zeros(disk, begin, end);
        } else if (chance(disk, 30)) {
            put_zeros(disk, begin, end);
            put_block(disk, b, i, disk->block_size);
            bld_state(b, i, VX_PAYLOAD_FULLY_PRESENT);
        } else {
            put_block(disk, b, i, disk->block_size);
        }
    }
}

/* ---- logs ------------------------------------------------------------------------------------------------------- */

/* Brings one entry's pages home. */
static void apply_entry(struct judge_disk *disk, struct store_file *file, uint64_t offset)
{
    uint64_t log = bld_log_offset(disk->b), length = disk->log_length;
    struct vx_log_header header;
    uint8_t sector[VX_PAGE], page[VX_PAGE], bytes[VX_LOG_DESCRIPTOR_SIZE];
    store_read(file, offset, sector, sizeof sector);
    if (vx_log_header_decode(vx_bytes_of(sector, sizeof sector), &header) != VHDX_OK)
        abort();
    uint64_t data = vx_log_descriptor_sectors(header.descriptor_count);
    for (uint32_t i = 0; i < header.descriptor_count; i++) {
        struct vx_log_descriptor descriptor;
        uint64_t place = (offset - log + vx_log_descriptor_offset(i)) % length;
        store_read(file, log + place, bytes, sizeof bytes);
        if (vx_log_descriptor_decode(vx_bytes_of(bytes, sizeof bytes), &descriptor) != VHDX_OK)
            abort();
        if (descriptor.kind == VX_LOG_KIND_ZERO) {
            memset(page, 0, sizeof page);
            for (uint64_t at = 0; at < descriptor.length; at += VX_PAGE)
                store_write(file, descriptor.file_offset + at, page, VX_PAGE);
            continue;
        }
        store_read(file, log + (offset - log + data++ * VX_PAGE) % length, sector, sizeof sector);
        vx_log_data_restore(sector, &descriptor, page);
        store_write(file, descriptor.file_offset, page, VX_PAGE);
    }
}

static void choose_log(struct judge_disk *disk)
{
    unsigned choice = (unsigned)bld_random_below(&disk->chance, 100);
    disk->log = choice < 25   ? JUDGE_LOG_EMPTY
                : choice < 60 ? JUDGE_LOG_RESIDUE
                : choice < 90 ? JUDGE_LOG_DIRTY
                              : JUDGE_LOG_APPLIED;
    if (disk->log == JUDGE_LOG_EMPTY)
        return;
    unsigned home = (unsigned)bld_random_below(&disk->chance, 10);
    struct bld_log log = {
        .what = BLD_LOG_BAT | BLD_LOG_BITMAPS | (chance(disk, 20) ? BLD_LOG_METADATA : 0) |
                (chance(disk, 10) ? BLD_LOG_REGIONS : 0),
        .percent = chance(disk, 50) ? 100 : 50,
        .home = home < 6   ? BLD_HOME_OLDER
                : home < 9 ? BLD_HOME_ZERO
                           : BLD_HOME_GARBAGE,
        .entries = 1 + (unsigned)bld_random_below(&disk->chance, 4),
        .zero_descriptors = chance(disk, 30),
        .ring_offset = (uint32_t)(bld_random_below(&disk->chance, 250) * VX_PAGE),
        .sequence = 2000 + bld_random_below(&disk->chance, 100000),
    };
    bld_log_dirty(disk->b, &log);
}

static void end_log(struct judge_disk *disk)
{
    static const uint8_t none[16];
    struct store_file *file = store_find(disk->store, JUDGE_LEAF);
    if (disk->log != JUDGE_LOG_RESIDUE && disk->log != JUDGE_LOG_APPLIED)
        return;
    for (unsigned i = 0; i < bld_log_entry_count(disk->b); i++)
        apply_entry(disk, file, bld_log_entry_offset(disk->b, i));
    if (disk->log == JUDGE_LOG_RESIDUE)
        bld_poke_header(store_host(disk->store), JUDGE_LEAF, 3, 48, none, sizeof none);
}

/* ---- one disk --------------------------------------------------------------------------------------------------- */

static void choose_sizes(struct judge_disk *disk)
{
    static const uint8_t shifts[] = {0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5};
    disk->block_size = (uint32_t)VX_MIB << shifts[bld_random_below(&disk->chance, sizeof shifts)];
    disk->sector_size = chance(disk, 20) ? 4096 : 512;
    uint64_t blocks = 2 + bld_random_below(&disk->chance, 30);
    if (disk->kind == VHDX_KIND_DYNAMIC && disk->block_size <= 2 * VX_MIB && chance(disk, 20))
        blocks = 600 + bld_random_below(&disk->chance, 1200); /* several pages of the BAT */
    else if (disk->kind == VHDX_KIND_FIXED && disk->block_size == VX_MIB && chance(disk, 15))
        blocks = 520 + bld_random_below(&disk->chance, 600);
    else if (disk->kind != VHDX_KIND_FIXED && disk->block_size >= 16 * VX_MIB && chance(disk, 50))
        blocks = 100 + bld_random_below(&disk->chance, 400); /* several chunks */
    disk->size = blocks * disk->block_size;
    if (chance(disk, 30))
        disk->size -=
            (1 + bld_random_below(&disk->chance, disk->block_size / disk->sector_size - 1)) * disk->sector_size;
    disk->gpt = disk->size >= 4 * VX_MIB && chance(disk, 50);
    disk->ext4 = disk->gpt && disk->size >= 6 * VX_MIB && chance(disk, 50);
}

static struct bld_options options_of(struct judge_disk *disk)
{
    static const enum bld_layout layouts[] = {BLD_LAYOUT_WINDOWS, BLD_LAYOUT_WINDOWS, BLD_LAYOUT_QEMU,
                                              BLD_LAYOUT_MIXED};
    return (struct bld_options){
        .kind = disk->kind,
        .virtual_size = disk->size,
        .block_size = disk->block_size,
        .logical_sector_size = disk->sector_size,
        .seed = bld_random(&disk->chance),
        .layout = layouts[bld_random_below(&disk->chance, 4)],
        .stale_header = chance(disk, 20),
        .stale_table_entry = chance(disk, 10),
        .shuffle_blocks = chance(disk, 40),
        .gap_percent = chance(disk, 20) ? 20 : 0,
        .appended_bytes = chance(disk, 5) ? 512 : 0,
    };
}

static void make_base(struct judge_disk *disk)
{
    struct bld_options options = options_of(disk);
    options.kind = VHDX_KIND_DYNAMIC;
    struct bld *base = bld_new(&options);
    fill_base(disk, base, options.kind, options.block_size);
    if (bld_finish(base, store_host(disk->store), JUDGE_BASE, NULL) != VHDX_OK)
        abort();
    bld_parent(disk->b, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, "C:\\vm\\base.vhdx");
    bld_free(base);
}

static void note_places(struct judge_disk *disk)
{
    struct vx_geometry geometry;
    vx_geometry_init(&geometry, disk->size, disk->block_size, disk->sector_size, disk->kind == VHDX_KIND_DIFFERENCING);
    disk->chunk_ratio = geometry.chunk_ratio;
    disk->entry_count = geometry.entry_count;
    disk->blocks = calloc((size_t)disk->block_count, sizeof *disk->blocks);
    for (uint64_t i = 0; i < disk->block_count; i++)
        disk->blocks[i] = (struct judge_block){bld_payload_offset(disk->b, i), bld_block_state(disk->b, i)};
    disk->file_size = bld_file_size(disk->b);
    disk->log_offset = bld_log_offset(disk->b);
    disk->metadata_offset = bld_region_offset(disk->b, &vx_guid_metadata_region);
    disk->metadata_length = VX_MIB;
    disk->bat_offset = bld_region_offset(disk->b, &vx_guid_bat_region);
    disk->bat_length = vx_geometry_bat_region_length(&geometry);
}

static void describe(struct judge_disk *disk, const struct bld_options *o)
{
    static const char *const kinds[] = {"", "fixed", "dynamic", "differencing"};
    static const char *const logs[] = {"empty log", "log with residue", "dirty log", "applied log, LogGuid set"};
    static const char *const layouts[] = {"windows", "qemu", "mixed"};
    unsigned placed = 0;
    for (uint64_t i = 0; i < disk->block_count; i++)
        placed += disk->blocks[i].place != VHDX_NOWHERE;
    snprintf(disk->text, sizeof disk->text,
             "%s%s, %llu bytes, blocks of %u MiB (%llu, %u with a place%s%s), sectors of %u, layout %s, %s%s%s%s; log "
             "%llx, metadata %llx, BAT %llx, file %llx",
             kinds[disk->kind],
             disk->kind != VHDX_KIND_DIFFERENCING ? ""
             : disk->parent_there                 ? " with parent"
                                                  : " without its parent",
             (unsigned long long)disk->size, (unsigned)(disk->block_size / VX_MIB),
             (unsigned long long)disk->block_count, placed, o->shuffle_blocks ? ", shuffled" : "",
             o->gap_percent ? ", gaps" : "", disk->sector_size, layouts[o->layout], logs[disk->log],
             o->stale_header ? ", stale header" : "", disk->gpt ? ", GPT" : "", disk->ext4 ? ", ext4" : "",
             (unsigned long long)disk->log_offset, (unsigned long long)disk->metadata_offset,
             (unsigned long long)disk->bat_offset, (unsigned long long)disk->file_size);
}

struct judge_disk *judge_disk_new(uint64_t seed)
{
    struct judge_disk *disk = calloc(1, sizeof *disk);
    *disk = (struct judge_disk){.seed = seed, .chance = seed, .store = store_new(seed), .truth_store = store_new(1)};
    unsigned kind = (unsigned)bld_random_below(&disk->chance, 100);
    disk->truth = store_open(disk->truth_store, "/truth");
    disk->kind = kind < 50 ? VHDX_KIND_DYNAMIC : kind < 70 ? VHDX_KIND_FIXED : VHDX_KIND_DIFFERENCING;
    choose_sizes(disk);
    disk->block_count = vx_ceil_div(disk->size, disk->block_size);
    disk->log_length = VX_MIB;
    store_resize(disk->truth, disk->size);
    struct bld_options options = options_of(disk);
    disk->b = bld_new(&options);
    if (disk->kind == VHDX_KIND_DIFFERENCING) {
        make_base(disk);
        fill_child(disk, disk->b);
    } else {
        fill_base(disk, disk->b, disk->kind, disk->block_size);
    }
    choose_log(disk);
    vhdx_error err;
    if (bld_finish(disk->b, store_host(disk->store), JUDGE_LEAF, &err) != VHDX_OK)
        abort();
    disk->parent_there = disk->kind == VHDX_KIND_DIFFERENCING && chance(disk, 70);
    if (!disk->parent_there)
        store_remove(disk->store, JUDGE_BASE);
    end_log(disk);
    note_places(disk);
    describe(disk, &options);
    return disk;
}

void judge_disk_free(struct judge_disk *disk)
{
    bld_free(disk->b);
    store_free(disk->store);
    store_free(disk->truth_store);
    free(disk->blocks);
    free(disk);
}
