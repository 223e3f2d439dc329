/*
 * One disk with a partition table, or without, that gets another size or another id, and what must hold of it at every
 * instant: for tests that cut the power or make calls fail. Everything follows from the seed.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_EDIT_SCENE_H
#define TESTS_SUPPORT_EDIT_SCENE_H

#include "crash_host.h"
#include "table.h"

#define EDIT_DISK "/vm/disk.vhdx"
#define EDIT_UNDO "/undo/of-edit"

enum edit_features {
    EDIT_SET = 1 << 0,    /* id, sector size and creator change, and the size does not */
    EDIT_GROW = 1 << 1,   /* else it shrinks */
    EDIT_TABLE = 1 << 2,  /* the disk has a GUID partition table */
    EDIT_BROKEN = 1 << 3, /* whose first copy is damaged */
    EDIT_CHILD = 1 << 4,  /* the disk has a parent of another size */
    EDIT_FIXED = 1 << 5,
    EDIT_DIRTY = 1 << 6, /* its log is to be replayed */
    EDIT_HUGE = 1 << 7,  /* the BAT has no room for the new size */
    EDIT_NTFS = 1 << 8,  /* a host on which sparse files do harm */
    EDIT_UNDO_FILE = 1 << 9,
    EDIT_NEAR = 1 << 10, /* both ends of the table's second copy overlap */
};

struct edit_scene {
    unsigned features;
    uint64_t seed;
    uint64_t old_size, new_size;
    uint8_t *before; /* what reading gave, the first bytes of it */
    uint64_t known;  /* so many */
    uint64_t digest; /* of the file */
    bool sound;      /* verify found nothing wrong with it, which chance may bring about */
    vhdx_guid id;
};

/* Puts the disk on the host. For edit_scene_free(). */
void edit_scene_build(struct edit_scene *scene, unsigned features, uint64_t seed, struct crash_host *host);
void edit_scene_free(struct edit_scene *scene);
/* Runs the command. */
vhdx_status edit_scene_run(const struct edit_scene *scene, const vhdx_host *host, vhdx_error *err);

/*
 * Judgements: NULL, or what is wrong, in static storage.
 */

/* At any instant. */
const char *edit_scene_check(const struct edit_scene *scene, struct crash_host *host);
/* After success; the command once more changes nothing. */
const char *edit_scene_check_result(const struct edit_scene *scene, struct crash_host *host);
/* The undo file gives every byte back, where there is one. */
const char *edit_scene_check_undo(const struct edit_scene *scene, const struct crash_host *host);
const char *edit_scene_text(const struct edit_scene *scene);

#endif
