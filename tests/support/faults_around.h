/*
 * What faults.h is for the findings on what lies around the structures: one scene for each finding on the chain, the
 * payload, the host's file and the content, with exactly that fault in it. The disk to verify is AROUND_PATH, with
 * --chain and --data.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FAULTS_AROUND_H
#define TESTS_SUPPORT_FAULTS_AROUND_H

#include "builder.h"
#include "findings/findings.h"
#include "worn_host.h"

#define AROUND_PATH "/d/child.avhdx"
#define AROUND_MANIFEST "/d/hashes" /* given to verify when `manifest` is set */

struct around_scene {
    struct worn_host worn;
    bool manifest;
};

struct around {
    enum vx_find kind;
    const char *text;
    void (*make)(struct around_scene *scene);
    size_t file; /* of the report: whose finding it is */
};

size_t around_count(void);
const struct around *around_at(size_t row);

#endif
