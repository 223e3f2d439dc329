/*
 * Two layers of a disk in memory. See two_layers.h.
 */
/* SPDX-License-Identifier: MIT */
#include "two_layers.h"

#include <stdlib.h>
#include <string.h>

static bool read_bytes(void *context, bool below, void *buf, size_t length, uint64_t offset)
{
    struct two_layers *layers = context;
    layers->bytes_read += length;
    if (offset > layers->size || length > layers->size - offset ||
        (layers->bad && layers->bad >= offset && layers->bad - offset < length))
        return false;
    memcpy(buf, (below ? layers->below : layers->whole) + offset, length);
    return true;
}

static bool who_says(void *context, uint64_t offset, uint64_t limit, bool *child, uint64_t *length)
{
    struct two_layers *layers = context;
    uint64_t end = offset;
    if (offset > layers->size || limit > layers->size - offset)
        return false;
    *child = layers->held[offset / TWO_LAYERS_SECTOR];
    while (end < offset + limit && layers->held[end / TWO_LAYERS_SECTOR] == *child)
        end = (end / TWO_LAYERS_SECTOR + 1) * TWO_LAYERS_SECTOR;
    *length = end - offset < limit ? end - offset : limit;
    return true;
}

static bool go_on(void *context)
{
    struct two_layers *layers = context;
    return layers->steps_left-- > 0;
}

void two_layers_make(struct two_layers *layers, uint64_t size)
{
    *layers = (struct two_layers){.size = size, .steps_left = UINT32_MAX};
    layers->made_on = calloc(4, size);
    layers->child = layers->made_on + size;
    layers->below = layers->child + size;
    layers->whole = layers->below + size;
    layers->held = calloc(size / TWO_LAYERS_SECTOR + 1, sizeof *layers->held);
    layers->views = (struct vx_two_views){layers, read_bytes, who_says, go_on};
    if (!layers->made_on || !layers->held)
        abort();
}

void two_layers_free(struct two_layers *layers)
{
    free(layers->made_on);
    free(layers->held);
}

void two_layers_begin(struct two_layers *layers)
{
    memcpy(layers->child, layers->made_on, layers->size);
    memcpy(layers->below, layers->made_on, layers->size);
    memset(layers->held, 0, layers->size / TWO_LAYERS_SECTOR * sizeof *layers->held);
    layers->bad = 0;
}

void two_layers_stack(struct two_layers *layers)
{
    layers->bytes_read = 0;
    for (uint64_t i = 0; i < layers->size / TWO_LAYERS_SECTOR; i++) {
        uint64_t at = i * TWO_LAYERS_SECTOR;
        layers->held[i] = layers->held[i] || memcmp(layers->child + at, layers->made_on + at, TWO_LAYERS_SECTOR) != 0;
        memcpy(layers->whole + at, (layers->held[i] ? layers->child : layers->below) + at, TWO_LAYERS_SECTOR);
    }
}
