/*
 * Two layers of a disk in memory, for those who judge what a file system says of them: the state that a child was made
 * on, what the machine read through the child in the end, and a candidate that may be another state. The child holds
 * the sectors in which it differs from the state that it was made on, and those that a test adds.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TWO_LAYERS_H
#define TESTS_SUPPORT_TWO_LAYERS_H

#include "guest/two_views.h"

#include <stdbool.h>
#include <stdint.h>

#define TWO_LAYERS_SECTOR 512u

struct two_layers {
    uint64_t size;
    uint8_t *made_on, *child, *below;
    uint8_t *whole; /* the child on the candidate; two_layers_stack() makes it */
    bool *held;     /* for each sector */
    uint64_t bad;   /* a place that cannot be read; 0 = none */
    uint64_t bytes_read;
    unsigned steps_left;
    struct vx_two_views views;
};

/* All zeros. */
void two_layers_make(struct two_layers *layers, uint64_t size);
void two_layers_free(struct two_layers *layers);
/* The child and the candidate become the state that the child was made on. */
void two_layers_begin(struct two_layers *layers);
/* Puts the child on the candidate. */
void two_layers_stack(struct two_layers *layers);

#endif
