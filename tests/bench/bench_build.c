/*
 * bench_build KIND DIRECTORY GIB: makes the chain that bench.sh measures, DIRECTORY/base.vhdx up to
 * DIRECTORY/child.avhdx, and writes the child's guest writes to DIRECTORY/writes ("offset length" a line), so that
 * other software's overlays can be given the same, and to DIRECTORY/head the number of bytes at the start of each file
 * that hold all that a merge changes besides payload: headers, log, metadata, BAT. Empty disks come from vhdx_create;
 * blocks, BAT and sector bitmaps are placed here with the codecs of format/, because the builder of the tests keeps a
 * disk in memory and a merge of gigabytes is what is measured.
 *
 * The one thing easy to get wrong: the same KIND and size must give the same layout every time (ids aside), or two runs
 * of the bench do not compare.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "base/bytes.h"
#include "format/bat.h"
#include "format/bitmap.h"
#include "format/geometry.h"
#include "format/region.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PIECE = 1 << 20,
    SECTOR = 512,
    CHILD_BLOCK = 2 << 20,
};

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "bench_build: %s: %s\n", path, what);
    exit(1);
}

static void *need(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        fail("-", "out of memory");
    return memory;
}

/* ---- one file being filled -------------------------------------------------------------------------------------- */

struct disk {
    const char *path;
    int fd;
    struct vx_geometry geometry;
    uint64_t bat_offset, end;
    struct vx_bat_entry *entries; /* the BAT */
    uint8_t *bits;                /* all sector bitmap blocks in a row */
    uint8_t *piece;
    uint64_t seed;
};

static void write_at(const struct disk *disk, const void *bytes, size_t length, uint64_t offset)
{
    if (pwrite(disk->fd, bytes, length, (off_t)offset) != (ssize_t)length)
        fail(disk->path, "cannot be written");
}

static uint64_t find_bat(const struct disk *disk)
{
    uint8_t *bytes = need(1, VX_REGION_TABLE_SIZE);
    struct vx_region_table *table = need(1, sizeof *table);
    if (pread(disk->fd, bytes, VX_REGION_TABLE_SIZE, VX_REGION_TABLE1_OFFSET) != VX_REGION_TABLE_SIZE ||
        vx_region_table_decode((struct vx_bytes){bytes, VX_REGION_TABLE_SIZE}, table) != VHDX_OK)
        fail(disk->path, "has no region table");
    const struct vx_region *bat = vx_region_find(table, &vx_guid_bat_region);
    if (!bat)
        fail(disk->path, "has no BAT");
    uint64_t offset = bat->file_offset;
    free(table);
    free(bytes);
    return offset;
}

static void disk_create(struct disk *disk, const char *path, const char *parent, uint64_t size, uint32_t block_size)
{
    vhdx_create_options options = {
        .struct_size = sizeof options, .virtual_size = size, .block_size = block_size, .parent = parent};
    vhdx_error err;
    if (vhdx_create(path, &options, &err) != VHDX_OK)
        fail(path, err.message);
    *disk = (struct disk){.path = path, .fd = open(path, O_RDWR | O_CLOEXEC), .piece = need(1, PIECE)};
    if (disk->fd < 0 || !vx_geometry_init(&disk->geometry, size, block_size, SECTOR, parent != NULL))
        fail(path, "cannot be opened again");
    disk->bat_offset = find_bat(disk);
    disk->end = (uint64_t)lseek(disk->fd, 0, SEEK_END);
    disk->end = (disk->end + VX_MIB - 1) / VX_MIB * VX_MIB;
    disk->entries = need((size_t)disk->geometry.entry_count, sizeof *disk->entries);
    disk->bits = need((size_t)disk->geometry.chunk_count, VX_BITMAP_BLOCK_SIZE);
    for (const char *c = path; *c; c++)
        disk->seed = disk->seed * 31 + (uint8_t)*c;
}

static struct vx_bat_entry *place_block(struct disk *disk, uint64_t block)
{
    struct vx_bat_entry *entry = &disk->entries[vx_geometry_payload_index(&disk->geometry, block)];
    if (entry->file_offset == 0) {
        *entry = (struct vx_bat_entry){.state = VX_PAYLOAD_FULLY_PRESENT, .file_offset = disk->end};
        disk->end += disk->geometry.block_size;
    }
    return entry;
}

static void write_content(struct disk *disk, uint64_t virtual_offset, uint64_t length, uint64_t file_offset)
{
    for (uint64_t done = 0; done < length; done += PIECE) {
        size_t here = length - done < PIECE ? (size_t)(length - done) : PIECE;
        bld_random_bytes(disk->seed, virtual_offset + done, disk->piece, here);
        write_at(disk, disk->piece, here, file_offset + done);
    }
}

static void write_block(struct disk *disk, uint64_t block)
{
    uint64_t place = place_block(disk, block)->file_offset;
    write_content(disk, block * disk->geometry.block_size, disk->geometry.block_size, place);
}

/* A guest's write inside one block; the block stays partial. */
static void write_sectors(struct disk *disk, uint64_t virtual_offset, uint64_t length)
{
    const struct vx_geometry *geometry = &disk->geometry;
    uint64_t block = virtual_offset / geometry->block_size, in_block = virtual_offset % geometry->block_size;
    struct vx_bat_entry *entry = place_block(disk, block);
    uint8_t *bits =
        disk->bits + block / geometry->chunk_ratio * VX_BITMAP_BLOCK_SIZE + vx_geometry_bitmap_offset(geometry, block);
    entry->state = VX_PAYLOAD_PARTIALLY_PRESENT;
    vx_bitmap_fill(bits, in_block / SECTOR, length / SECTOR, true);
    write_content(disk, virtual_offset, length, entry->file_offset + in_block);
}

static void write_bitmaps(struct disk *disk)
{
    const struct vx_geometry *geometry = &disk->geometry;
    for (uint64_t chunk = 0; geometry->has_parent && chunk < geometry->chunk_count; chunk++) {
        const uint8_t *bits = disk->bits + chunk * VX_BITMAP_BLOCK_SIZE;
        if (vx_bitmap_count(bits, 0, VX_BITMAP_BLOCK_SIZE * 8) == 0)
            continue;
        disk->entries[vx_geometry_bitmap_index(geometry, chunk)] =
            (struct vx_bat_entry){.state = VX_BITMAP_PRESENT, .file_offset = disk->end};
        write_at(disk, bits, VX_BITMAP_BLOCK_SIZE, disk->end);
        disk->end += VX_BITMAP_BLOCK_SIZE;
    }
}

static void disk_finish(struct disk *disk)
{
    write_bitmaps(disk);
    for (uint64_t i = 0; i < disk->geometry.entry_count; i++) {
        uint8_t raw[VX_BAT_ENTRY_SIZE];
        vx_put64(raw, vx_bat_entry_encode(&disk->entries[i]));
        write_at(disk, raw, sizeof raw, disk->bat_offset + i * VX_BAT_ENTRY_SIZE);
    }
    if (ftruncate(disk->fd, (off_t)disk->end) != 0 || fsync(disk->fd) != 0 || close(disk->fd) != 0)
        fail(disk->path, "cannot be completed");
    free(disk->entries);
    free(disk->bits);
    free(disk->piece);
}

/* ---- what is written -------------------------------------------------------------------------------------------- */

/* Every `step`th block of the disk, in order. */
static void fill_blocks(struct disk *disk, uint64_t step, FILE *log)
{
    uint64_t block_size = disk->geometry.block_size;
    for (uint64_t block = 0; step > 0 && block < disk->geometry.payload_count; block += step) {
        write_block(disk, block);
        if (log)
            fprintf(log, "%llu %llu\n", (unsigned long long)(block * block_size), (unsigned long long)block_size);
    }
}

/* Places the blocks in random order, as a guest does that writes here and there. */
static void place_shuffled(struct disk *disk, uint64_t *chance)
{
    uint64_t count = disk->geometry.payload_count;
    uint64_t *order = need((size_t)count, sizeof *order);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t other = bld_random_below(chance, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    for (uint64_t i = 0; i < count; i++)
        place_block(disk, order[i]);
    free(order);
}

/* Writes of 4 to 64 KiB, gaps of 4 KiB to 2 * `gap` KiB. */
static void fill_scattered(struct disk *disk, uint64_t gap, uint64_t chance, FILE *log)
{
    uint64_t size = disk->geometry.virtual_size, block_size = disk->geometry.block_size, at = 0;
    place_shuffled(disk, &chance);
    for (;;) {
        at += (1 + bld_random_below(&chance, gap / 2)) * 4096;
        uint64_t length = (1 + bld_random_below(&chance, 16)) * 4096;
        if (at >= size)
            return;
        if (length > block_size - at % block_size)
            length = block_size - at % block_size;
        write_sectors(disk, at, length);
        if (log)
            fprintf(log, "%llu %llu\n", (unsigned long long)at, (unsigned long long)length);
        at += length;
    }
}

struct kind {
    const char *name;
    uint32_t base_block;
    unsigned base_step; /* every n-th block of the base is present; 0 = none */
    unsigned layers;    /* above the base */
    bool scattered;
    unsigned gap; /* mean, KiB */
};

static const struct kind kinds[] = {
    {"full", 2 << 20, 1, 1, false, 0},  {"partial", 2 << 20, 1, 1, true, 44}, {"append", 2 << 20, 0, 1, false, 0},
    {"wide", 32 << 20, 2, 1, true, 44}, {"layers", 2 << 20, 1, 4, true, 200},
};

static char *join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = need(size, 1);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

/* The longest head: payload begins behind it in every file. */
static void note_head(const char *directory, uint64_t head)
{
    char *path = join(directory, "head");
    FILE *file = fopen(path, "w");
    if (!file || fprintf(file, "%llu\n", (unsigned long long)head) < 0 || fclose(file) != 0)
        fail(path, "cannot be written");
    free(path);
}

static void build(const struct kind *kind, const char *directory, uint64_t size)
{
    char *parent = join(directory, "base.vhdx"), *log_path = join(directory, "writes");
    struct disk disk;
    uint64_t head;
    FILE *log = fopen(log_path, "w");
    if (!log)
        fail(log_path, "cannot be written");
    disk_create(&disk, parent, NULL, size, kind->base_block);
    head = disk.end;
    fill_blocks(&disk, kind->base_step, NULL);
    disk_finish(&disk);
    for (unsigned layer = 1; layer <= kind->layers; layer++) {
        char name[32];
        snprintf(name, sizeof name, layer == kind->layers ? "child.avhdx" : "layer%u.avhdx", layer);
        char *path = join(directory, name);
        disk_create(&disk, path, parent, size, CHILD_BLOCK);
        head = disk.end > head ? disk.end : head;
        if (kind->scattered)
            fill_scattered(&disk, kind->gap, layer, log);
        else
            fill_blocks(&disk, 1, log);
        disk_finish(&disk);
        free(parent);
        parent = path;
    }
    if (fclose(log) != 0)
        fail(log_path, "cannot be written");
    note_head(directory, head);
    free(parent);
    free(log_path);
}

int main(int argc, char **argv)
{
    double gib = argc == 4 ? strtod(argv[3], NULL) : 0;
    if (gib <= 0 || gib > 1024) {
        fprintf(stderr, "usage: bench_build full|partial|append|wide|layers DIRECTORY GIB\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            uint64_t mib = (uint64_t)(gib * 1024) / 64 * 64;
            build(&kinds[i], argv[2], (mib > 0 ? mib : 64) * VX_MIB);
            return 0;
        }
    }
    fail(argv[1], "no such chain");
}
