/*
 * Directories full of real disks and configurations, quickly: files of the native host that are not flushed, made by
 * the image builder. For the search for orphans, which reads many. The one thing that is easy to get wrong: a child
 * names its parent by identity and by a relative path; either may be made wrong on purpose afterwards.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FOREST_H
#define TESTS_SUPPORT_FOREST_H

#include <vhdx.h>

struct forest {
    char *directory; /* vanishes with the forest */
    uint64_t seed;   /* of the next disk */
};

void forest_open(struct forest *f);
/* For thousands of files: in a file system in memory, where the system has one. */
void forest_open_large(struct forest *f);
void forest_close(struct forest *f);
/* The whole path of a name below the directory; its directories are made. For free(). */
char *forest_path(struct forest *f, const char *name);

struct forest_disk {
    const char *name;        /* below the directory */
    const vhdx_guid *parent; /* identity of the parent, NULL: a base */
    const char *relative;    /* locator; NULL = none */
    const char *absolute;
    const vhdx_guid *id;      /* its own identity, NULL = a new one */
    const vhdx_guid *disk_id; /* NULL = a new one */
    bool dirty;               /* with a log that must be replayed */
    uint64_t content;         /* seed of what is written into the first block; 0: nothing */
};

/* The disk's identity. */
vhdx_guid forest_disk(struct forest *f, const struct forest_disk *disk);
/* A configuration in the XML of Server 2012 R2 that names the disks (a list of Windows paths that ends with NULL). */
void forest_machine(struct forest *f, const char *name, const char *machine, const char *const *disks);

#endif
