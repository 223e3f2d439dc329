/*
 * The only memory of the library comes from here, so that tests can make any request fail (they replace malloc,
 * calloc and realloc at link time). Sizes that derive from a file are checked by the caller before they get here.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_ALLOC_H
#define VX_BASE_ALLOC_H

#include "base/status.h"

/* `count` zeroed elements of `size` bytes; NULL when memory ran out or the product overflows. */
void *vx_alloc(size_t count, size_t size);
/* Resizes; what is gained is not zeroed. NULL: failed, and `memory` is as before. */
void *vx_resize(void *memory, size_t count, size_t size);
/*
 * `items` with room for one element of `size` bytes behind `count` of them; *room is how many it has room for, and
 * doubles. NULL: memory ran out, and all is as before.
 */
void *vx_room_for(void *items, size_t count, size_t *room, size_t size);
/* A copy of the string, NULL when memory ran out. */
char *vx_copy_string(const char *text);
void vx_free(void *memory);

/* NOMEM, saying for what. */
vhdx_status vx_fail_memory(vhdx_error *err, const char *what);

#endif
