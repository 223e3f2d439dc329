/*
 * vhdi_compare RAW LEAF [PARENT...]: reads the chain (leaf first) with libvhdi and compares its whole content with a
 * raw file. Status 0: equal, 1: not. Built by the scripts beside it where libvhdi is installed; nothing of this
 * project is linked. The one thing that is easy to get wrong: libvhdi knows no logs, takes a fixed disk of more than
 * one chunk (4 GiB) wrongly, and reads zeros instead of the parent where a chunk of a child has no sector bitmap block
 * (seen with 20210425), so it must not be asked about those.
 */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <libvhdi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 };

static void fail(const char *path, const char *what, libvhdi_error_t *error)
{
    printf("vhdi_compare: %s: %s\n", path, what);
    if (error)
        libvhdi_error_fprint(error, stdout);
    exit(2);
}

static libvhdi_file_t *open_chain(char **paths, int count)
{
    libvhdi_file_t *above = NULL, *leaf = NULL;
    for (int i = 0; i < count; i++) {
        libvhdi_file_t *file = NULL;
        libvhdi_error_t *error = NULL;
        if (libvhdi_file_initialize(&file, &error) != 1 ||
            libvhdi_file_open(file, paths[i], LIBVHDI_OPEN_READ, &error) != 1)
            fail(paths[i], "cannot be opened", error);
        if (above && libvhdi_file_set_parent_file(above, file, &error) != 1)
            fail(paths[i], "is not taken as parent", error);
        above = file;
        leaf = leaf ? leaf : file;
    }
    return leaf;
}

static int compare(libvhdi_file_t *leaf, FILE *raw, uint64_t size)
{
    uint8_t *theirs = malloc(PIECE), *ours = malloc(PIECE);
    if (!theirs || !ours)
        fail("", "out of memory", NULL);
    for (uint64_t at = 0; at < size; at += PIECE) {
        size_t part = size - at < PIECE ? (size_t)(size - at) : PIECE;
        libvhdi_error_t *error = NULL;
        if (libvhdi_file_read_buffer_at_offset(leaf, theirs, part, (off64_t)at, &error) != (ssize_t)part)
            fail("", "libvhdi cannot read", error);
        if (fread(ours, 1, part, raw) != part)
            fail("", "the raw file is too short", NULL);
        if (memcmp(theirs, ours, part) != 0) {
            size_t i = 0;
            while (theirs[i] == ours[i])
                i++;
            printf("byte %" PRIu64 ": libvhdi reads %02x, the raw file has %02x\n", at + i, theirs[i], ours[i]);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    size64_t size = 0;
    libvhdi_error_t *error = NULL;
    if (argc < 3)
        fail("", "usage: vhdi_compare RAW LEAF [PARENT...]", NULL);
    FILE *raw = fopen(argv[1], "rb");
    if (!raw)
        fail(argv[1], "cannot be opened", NULL);
    libvhdi_file_t *leaf = open_chain(argv + 2, argc - 2);
    if (libvhdi_file_get_media_size(leaf, &size, &error) != 1)
        fail(argv[2], "has no size", error);
    int status = compare(leaf, raw, size);
    if (status == 0 && fgetc(raw) != EOF) {
        printf("the raw file is longer than the disk\n");
        status = 1;
    }
    return status;
}
