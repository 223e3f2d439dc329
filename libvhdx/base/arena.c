/*
 * Chunks in a list. See arena.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)65536)
#define ALIGNMENT 16u

struct vx_arena_chunk {
    struct vx_arena_chunk *next;
    size_t used, room;
    union {
        uint64_t number;
        void *pointer;
        long double wide;
    } bytes[];
};

static struct vx_arena_chunk *add_chunk(struct vx_arena *arena, size_t room)
{
    struct vx_arena_chunk *chunk = vx_alloc(1, sizeof *chunk + room);
    if (!chunk)
        return NULL;
    chunk->room = room;
    arena->bytes += sizeof *chunk + room;
    /* A large thing gets a chunk of its own behind the first, which may have room left. */
    if (arena->chunks && room > CHUNK_SIZE) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    return chunk;
}

static void *take_bytes(struct vx_arena *arena, size_t size, size_t alignment)
{
    struct vx_arena_chunk *chunk = arena->chunks;
    size_t at = chunk ? (chunk->used + alignment - 1) & ~(alignment - 1) : 0;
    if (!chunk || at > chunk->room || size > chunk->room - at) {
        chunk = add_chunk(arena, size > CHUNK_SIZE ? size : CHUNK_SIZE);
        at = 0;
    }
    if (!chunk)
        return NULL;
    chunk->used = at + size;
    return (uint8_t *)chunk->bytes + at;
}

void *vx_arena_take(struct vx_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > (SIZE_MAX - sizeof(struct vx_arena_chunk)) / size)
        return NULL;
    return take_bytes(arena, count * size, ALIGNMENT);
}

char *vx_arena_text(struct vx_arena *arena, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = text ? take_bytes(arena, size, 1) : NULL;
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

char *vx_arena_format(struct vx_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length >= 0 ? take_bytes(arena, (size_t)length + 1, 1) : NULL;
    if (!text)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void vx_arena_join(struct vx_arena *to, struct vx_arena *from)
{
    struct vx_arena_chunk **end = &to->chunks;
    while (*end)
        end = &(*end)->next;
    *end = from->chunks;
    to->bytes += from->bytes;
    *from = (struct vx_arena){0};
}

void vx_arena_clear(struct vx_arena *arena)
{
    while (arena->chunks) {
        struct vx_arena_chunk *next = arena->chunks->next;
        vx_free(arena->chunks);
        arena->chunks = next;
    }
    arena->bytes = 0;
}
