/*
 * The only memory of the library. See alloc.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void *vx_alloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return calloc(count ? count : 1, size);
}

void *vx_resize(void *memory, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return realloc(memory, count && size ? count * size : 1);
}

void *vx_room_for(void *items, size_t count, size_t *room, size_t size)
{
    enum { FIRST = 16 };
    if (count < *room)
        return items;
    if (*room > SIZE_MAX / 2)
        return NULL;
    size_t wanted = *room ? *room * 2 : FIRST;
    void *grown = vx_resize(items, wanted, size);
    if (grown)
        *room = wanted;
    return grown;
}

char *vx_copy_string(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = vx_alloc(size, 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void vx_free(void *memory)
{
    free(memory);
}

vhdx_status vx_fail_memory(vhdx_error *err, const char *what)
{
    return vx_fail(err, VHDX_NOMEM, vx_at_file(NULL), "no memory for %s", what);
}
