/*
 * What can be had of a disk, for the property of repairs: a plain repair keeps all of it (R1 of docs/crash-safety.md).
 */
/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_KEPT_H
#define FUZZ_KEPT_H

#include <vhdx.h>

#include "io/rescue_map.h"

struct kept {
    bool known; /* an export of the disk ended well, and the disk is small enough to be compared */
    struct vx_rescue_map map;
    uint8_t *raw;
    uint64_t size;
};

struct kept kept_take(const vhdx_host *host, const char *path);
void kept_clear(struct kept *kept);
/* Nothing that was good reads otherwise or is in doubt, and nothing that was there is lost. */
void kept_demand(const struct kept *before, const struct kept *after);

#endif
