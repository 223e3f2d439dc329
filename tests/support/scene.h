/*
 * Small chains with a command to be run on them, and the judgement of what came of it: for tests that cut the power
 * or make calls fail. What reading must give is remembered as one number a layer, taken before anything happens and
 * compared with the builder's own words where the disk is small enough.
 *
 * The one thing that is easy to get wrong: layers count from the base here, [0] is the base, so that a layer keeps
 * its number when those above it are merged.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SCENE_H
#define TESTS_SUPPORT_SCENE_H

#include "crash_host.h"

#define SCENE_MAX_LAYERS 8

enum scene_command {
    SCENE_MERGE = 0,
    SCENE_FLATTEN,
    SCENE_CREATE,
    SCENE_CREATE_FIXED,
    SCENE_FORK,    /* an empty differencing disk on the topmost layer */
    SCENE_CONVERT, /* the topmost layer's disk to a new dynamic disk */
    SCENE_CONVERT_FIXED,
    SCENE_CONVERT_VHD,
    SCENE_CONVERT_VHD_FIXED,
    SCENE_RELINK,  /* layer `child` to a copy of its parent at another place */
    SCENE_COMPACT, /* layer `child` */
};

enum scene_features {
    SCENE_DELETE = 1 << 0,
    SCENE_FIXED_BASE = 1 << 1,
    SCENE_DIRTY_CHILD = 1 << 2,
    SCENE_DIRTY_TARGET = 1 << 3,
    SCENE_DIRTY = 1 << 4,  /* all of them */
    SCENE_LARGER = 1 << 5, /* the layers above the target are larger disks than it */
    SCENE_SMALLER = 1 << 6,
    SCENE_HUGE = 1 << 7,     /* the target's BAT has no room for the child's size */
    SCENE_NTFS = 1 << 8,     /* a host on which sparse files do harm */
    SCENE_EMPTY = 1 << 9,    /* the child holds nothing */
    SCENE_MODEL = 1 << 10,   /* chain, child and target at random; the other members say nothing */
    SCENE_FULL = 1 << 11,    /* every block of the base is there, in one run */
    SCENE_WINDOWS = 1 << 12, /* a commit after each MiB of payload */
    SCENE_RECLAIM = 1 << 13, /* the merged layers' space is given back on the way, after each MiB */
    SCENE_VERIFY = 1 << 14,
    SCENE_UP = 1 << 15,    /* the child becomes the base; the target is layer 0 */
    SCENE_UNDO = 1 << 16,  /* what is overwritten goes to SCENE_UNDO_FILE first */
    SCENE_SHARE = 1 << 17, /* a host on which files share bytes */
    SCENE_STEP = 1 << 18,  /* the layer above the target was merged into it before, and kept */
    /* layers of some more blocks, half of them zeros that take space; log and regions are anywhere */
    SCENE_SCATTERED = 1 << 19,
};

#define SCENE_UNDO_FILE "/undo/of-merge"

/* What there is and what is done. */
struct scene_recipe {
    enum scene_command command;
    unsigned features;
    size_t layers;      /* of the chain */
    size_t into, child; /* merge: the target and the topmost layer that is merged */
};

struct scene_layer {
    char path[512];
    uint64_t virtual_size;
    uint64_t digest; /* of what reading it gave */
    vhdx_guid virtual_disk_id, identity;
};

struct scene {
    struct scene_recipe recipe;
    uint64_t seed;
    struct scene_layer layers[SCENE_MAX_LAYERS];
    char output[64]; /* of commands that make a new disk; of a relink, the parent's other place */
};

/* Puts the files on the host. */
void scene_build(struct scene *scene, const struct scene_recipe *recipe, uint64_t seed, struct crash_host *host);
/* Runs the command. */
vhdx_status scene_run(const struct scene *scene, const vhdx_host *host, vhdx_error *err);

/*
 * Judgements: NULL, or what is wrong, in static storage.
 */

/* At any instant: the child, and each layer above it, reads as before. Where the child is gone, the target alone
 * does. */
const char *scene_check_leaves(const struct scene *scene, struct crash_host *host);
/* After success: content, sizes, ids, links, logs, and one owner at most for each byte of each file. */
const char *scene_check_result(const struct scene *scene, struct crash_host *host);
/* Whether the command can be given once more: a merge whose child was removed is over. Removes what a creation
 * left behind unfinished. */
bool scene_can_repeat(const struct scene *scene, struct crash_host *host);

/* "seed 7, merge of layer 2 into 0 of 3 layers, ...", static storage. */
const char *scene_text(const struct scene *scene);

/* A number from what reading the disk at `path` gives. false: cannot be read, and `err` says why. */
bool scene_digest(const vhdx_host *host, const char *path, uint64_t *digest, vhdx_error *err);

#endif
