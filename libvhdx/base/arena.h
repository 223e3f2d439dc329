/*
 * Memory for many small things that live and die together: texts, records. Nothing is given back before all of it is.
 * Not for more than one thread at a time; what several threads took can be joined afterwards.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_ARENA_H
#define VX_BASE_ARENA_H

#include "base/status.h"

struct vx_arena_chunk;

/* Begins as all zeros. */
struct vx_arena {
    struct vx_arena_chunk *chunks; /* the first one has room left */
    uint64_t bytes;                /* taken from the system */
};

/* `count` zeroed elements of `size` bytes, aligned for anything; NULL when memory ran out. */
void *vx_arena_take(struct vx_arena *arena, size_t count, size_t size);
/* Copies; NULL when memory ran out or `text` is NULL. */
char *vx_arena_text(struct vx_arena *arena, const char *text);
char *vx_arena_format(struct vx_arena *arena, const char *format, ...) VX_PRINTF(2, 3);
/* Moves all of `from` into `to`. */
void vx_arena_join(struct vx_arena *to, struct vx_arena *from);
void vx_arena_clear(struct vx_arena *arena);

#endif
