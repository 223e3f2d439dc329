/*
 * Stands in for the virtual machine: guest [OPTION...] DISK.vhdx RAW [CHECKPOINT.avhdx RAW]...
 * makes a chain of disks, base first, whose layers show what the raw files hold. Each checkpoint gets exactly the
 * sectors in which its raw file differs from the one before it, as if a machine had written them. -b: the first disk
 * has blocks of so many MiB. -i: another number gives other identities. The command vhdx
 * writes nothing into a disk but what a merge moves, so the demo, the bench and comparisons with other software
 * start here.
 *
 * Everything is kept in memory until a disk is complete: this is for megabytes of content, not gigabytes. The one thing
 * easy to get wrong: all files must lie in one directory, since a layer names its parent by file name alone.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SECTOR = 512,
    PIECE = 1 << 20,
};

static const uint8_t zeros[PIECE];

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "guest: %s: %s\n", path, what);
    exit(1);
}

static FILE *open_raw(const char *path, uint64_t *size)
{
    struct stat facts;
    FILE *raw = fopen(path, "rb");
    if (!raw || fstat(fileno(raw), &facts) != 0)
        fail(path, "cannot be opened");
    if (facts.st_size == 0 || facts.st_size % SECTOR != 0)
        fail(path, "is not a whole number of sectors long");
    *size = (uint64_t)facts.st_size;
    return raw;
}

/* The next PIECE of the file, zeros behind its end; all zeros when there is no file. */
static void next_piece(FILE *raw, const char *path, uint8_t *piece)
{
    size_t got = raw ? fread(piece, 1, PIECE, raw) : 0;
    if (raw && ferror(raw))
        fail(path, "cannot be read");
    memset(piece + got, 0, PIECE - got);
}

/* Writes each run of sectors in which `after` differs from `before`. */
static void write_changes(struct bld *disk, const uint8_t *before, const uint8_t *after, size_t length, uint64_t offset)
{
    size_t start = 0;
    if (memcmp(before, after, length) == 0)
        return;
    while (start < length) {
        size_t end = start;
        while (end < length && memcmp(before + end, after + end, SECTOR) != 0)
            end += SECTOR;
        if (end > start)
            bld_write(disk, offset + start, after + start, end - start);
        start = end + SECTOR;
    }
}

static void write_disk(struct bld *disk, const char *before_path, const char *after_path, uint64_t size)
{
    uint8_t *before = malloc(PIECE), *after = malloc(PIECE);
    uint64_t ignored;
    FILE *old = before_path ? open_raw(before_path, &ignored) : NULL;
    FILE *new = open_raw(after_path, &ignored);
    if (!before || !after)
        fail(after_path, "out of memory");
    for (uint64_t offset = 0; offset < size; offset += PIECE) {
        size_t length = size - offset < PIECE ? (size_t)(size - offset) : PIECE;
        next_piece(old, before_path, before);
        next_piece(new, after_path, after);
        write_changes(disk, old ? before : zeros, after, length, offset);
    }
    if (old)
        fclose(old);
    fclose(new);
    free(before);
    free(after);
}

/* The parent's name as Windows writes it into a child beside it. */
static void name_parent(struct bld *disk, const struct bld *parent, const char *parent_path)
{
    char relative[512];
    const char *slash = strrchr(parent_path, '/');
    snprintf(relative, sizeof relative, ".\\%s", slash ? slash + 1 : parent_path);
    bld_parent(disk, bld_data_write_guid(parent), NULL, relative, NULL, NULL);
}

/* What the disks are like besides their content. */
struct manner {
    uint32_t block_size; /* of the base; 0 = as Windows does */
    bool fixed, shuffled, dirty;
    uint64_t seed; /* of the identities */
};

/* The first argument that is no option. */
static int read_options(int argc, char **argv, struct manner *manner)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-b") == 0 && i + 1 < argc)
            manner->block_size = (uint32_t)strtoul(argv[++i], NULL, 10) * (uint32_t)VX_MIB;
        else if (strcmp(argv[i], "-i") == 0 && i + 1 < argc)
            manner->seed = strtoul(argv[++i], NULL, 10) * 1000;
        else if (strcmp(argv[i], "-f") == 0)
            manner->fixed = true;
        else if (strcmp(argv[i], "-s") == 0)
            manner->shuffled = true;
        else if (strcmp(argv[i], "-d") == 0)
            manner->dirty = true;
        else
            return argc;
    }
    return i;
}

int main(int argc, char **argv)
{
    struct bld *parent = NULL;
    struct manner manner = {0};
    int first = read_options(argc, argv, &manner);
    if (argc - first < 2 || (argc - first) % 2 != 0) {
        fprintf(stderr,
                "usage: guest [-b MIB] [-i N] [-f] [-s] [-d] DISK.vhdx RAW [CHECKPOINT.avhdx RAW]...\n"
                "  -f: the base is a fixed disk; -s: blocks lie in random order; -d: the logs are to be replayed\n");
        return 2;
    }
    for (int i = first; i < argc; i += 2) {
        const char *path = argv[i], *raw = argv[i + 1];
        struct bld_options options = {.kind = VHDX_KIND_DIFFERENCING,
                                      .seed = manner.seed + (uint64_t)(i - first + 1),
                                      .creator = "guest",
                                      .shuffle_blocks = manner.shuffled};
        vhdx_error err;
        fclose(open_raw(raw, &options.virtual_size));
        if (parent) {
            options.virtual_disk_id = *bld_virtual_disk_id(parent);
        } else {
            options.block_size = manner.block_size;
            options.kind = manner.fixed ? VHDX_KIND_FIXED : VHDX_KIND_DYNAMIC;
        }
        struct bld *disk = bld_new(&options);
        write_disk(disk, parent ? argv[i - 1] : NULL, raw, options.virtual_size);
        if (parent)
            name_parent(disk, parent, argv[i - 2]);
        if (manner.dirty)
            bld_log_dirty(disk, &(struct bld_log){.what = BLD_LOG_BAT | BLD_LOG_BITMAPS});
        if (bld_finish(disk, NULL, path, &err) != VHDX_OK)
            fail(path, err.message);
        bld_free(parent);
        parent = disk;
    }
    bld_free(parent);
    return 0;
}
