/*
 * Makes a directory full of small disks for tests/bench/scan.sh: bench_forest DIRECTORY COUNT. Every other one is a
 * child of the one before. The files are as the image builder lays them out, sparse, and not flushed. bench_forest
 * DIRECTORY 0 takes all of them out of the page cache (the system keeps names and inodes).
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "forest.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    int fd = type == FTW_F ? open(path, O_RDONLY) : -1;
    if (fd < 0)
        return 0;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    struct forest forest = {.directory = argc == 3 ? argv[1] : NULL, .seed = 1};
    unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    vhdx_guid parent = {{0}};
    if (argc == 3 && strcmp(argv[2], "0") == 0) {
        sync();
        return nftw(argv[1], forget, 64, FTW_PHYS) == 0 ? 0 : 8;
    }
    if (count == 0) {
        fprintf(stderr, "usage: bench_forest DIRECTORY COUNT\n");
        return 16;
    }
    for (unsigned long i = 0; i < count; i++) {
        char name[64], relative[64];
        snprintf(name, sizeof name, "%03lu/disk %06lu.%s", i / 100, i, i % 2 ? "avhdx" : "vhdx");
        snprintf(relative, sizeof relative, ".\\disk %06lu.vhdx", i - 1);
        struct forest_disk disk = {.name = name};
        if (i % 2) {
            disk.parent = &parent;
            disk.relative = relative;
        }
        parent = forest_disk(&forest, &disk);
    }
    return 0;
}
