/*
 * Files in memory, see store.h. A file is an array of chunks of 256 pages; chunks and pages count who has them, and are
 * copied when one of several writes. The one thing that is easy to get wrong: the file's size and its array are two
 * things, for a size of 64 TiB costs nothing until something stands there.
 */
/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PAGES 256u
#define CHUNK ((uint64_t)CHUNK_PAGES * STORE_PAGE)
#define CHUNKS_MAX (UINT64_C(1) << 22) /* 4 TiB: what stands behind that is an error of whoever wrote it */

struct page {
    uint32_t users;
    uint8_t bytes[STORE_PAGE];
};

struct chunk {
    uint32_t users;
    struct page *pages[CHUNK_PAGES];
};

struct store_file {
    struct store_file *next;
    char *path;
    uint64_t size, serial;
    struct chunk **chunks;
    uint64_t chunk_count;
    unsigned readers;
    bool writer;
};

struct store {
    vhdx_host host;
    struct store_file *files;
    uint64_t serial, chance;
};

struct handle {
    struct store *store;
    struct store_file *file;
    vhdx_open_mode access;
};

static void *alloc(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory) {
        fprintf(stderr, "no memory\n");
        abort();
    }
    return memory;
}

/* ---- pages ------------------------------------------------------------------------------------------------------ */

static void leave_page(struct page *page)
{
    if (page && --page->users == 0)
        free(page);
}

static void leave_chunk(struct chunk *chunk)
{
    if (!chunk || --chunk->users > 0)
        return;
    for (size_t i = 0; i < CHUNK_PAGES; i++)
        leave_page(chunk->pages[i]);
    free(chunk);
}

static struct chunk *own_chunk(struct store_file *file, uint64_t index)
{
    if (index >= file->chunk_count) {
        uint64_t count = index + 1 + index / 4;
        file->chunks = realloc(file->chunks, (size_t)count * sizeof *file->chunks);
        if (!file->chunks)
            abort();
        memset(file->chunks + file->chunk_count, 0, (size_t)(count - file->chunk_count) * sizeof *file->chunks);
        file->chunk_count = count;
    }
    struct chunk *chunk = file->chunks[index];
    if (chunk && chunk->users == 1)
        return chunk;
    struct chunk *own = alloc(sizeof *own);
    own->users = 1;
    for (size_t i = 0; chunk && i < CHUNK_PAGES; i++)
        if ((own->pages[i] = chunk->pages[i]) != NULL)
            own->pages[i]->users++;
    leave_chunk(chunk);
    return file->chunks[index] = own;
}

static struct page *own_page(struct store_file *file, uint64_t index)
{
    struct page **place = &own_chunk(file, index / CHUNK_PAGES)->pages[index % CHUNK_PAGES];
    if (*place && (*place)->users == 1)
        return *place;
    struct page *own = alloc(sizeof *own);
    if (*place)
        memcpy(own->bytes, (*place)->bytes, STORE_PAGE);
    own->users = 1;
    leave_page(*place);
    return *place = own;
}

const uint8_t *store_page(const struct store_file *file, uint64_t index)
{
    uint64_t chunk = index / CHUNK_PAGES;
    if (chunk >= file->chunk_count || !file->chunks[chunk])
        return NULL;
    const struct page *page = file->chunks[chunk]->pages[index % CHUNK_PAGES];
    return page ? page->bytes : NULL;
}

uint64_t store_next(const struct store_file *file, uint64_t index)
{
    while (index / CHUNK_PAGES < file->chunk_count) {
        const struct chunk *chunk = file->chunks[index / CHUNK_PAGES];
        if (chunk && chunk->pages[index % CHUNK_PAGES])
            return index;
        index = chunk ? index + 1 : (index / CHUNK_PAGES + 1) * CHUNK_PAGES;
    }
    return UINT64_MAX;
}

static const struct chunk *chunk_at(const struct store_file *file, uint64_t index)
{
    return index < file->chunk_count ? file->chunks[index] : NULL;
}

static bool same_page(const uint8_t *a, const uint8_t *b)
{
    static const uint8_t zeros[STORE_PAGE];
    return a == b || memcmp(a ? a : zeros, b ? b : zeros, STORE_PAGE) == 0;
}

uint64_t store_differs(const struct store_file *a, const struct store_file *b, uint64_t index)
{
    uint64_t count = a->chunk_count > b->chunk_count ? a->chunk_count : b->chunk_count;
    while (index / CHUNK_PAGES < count) {
        if (chunk_at(a, index / CHUNK_PAGES) == chunk_at(b, index / CHUNK_PAGES)) {
            index = (index / CHUNK_PAGES + 1) * CHUNK_PAGES;
            continue;
        }
        if (!same_page(store_page(a, index), store_page(b, index)))
            return index;
        index++;
    }
    return UINT64_MAX;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

void store_read(const struct store_file *file, uint64_t offset, void *bytes, size_t length)
{
    uint8_t *to = bytes;
    while (length > 0) {
        size_t inside = (size_t)(offset % STORE_PAGE);
        size_t part = length < STORE_PAGE - inside ? length : STORE_PAGE - inside;
        const uint8_t *page = store_page(file, offset / STORE_PAGE);
        if (page)
            memcpy(to, page + inside, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        length -= part;
    }
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

void store_write(struct store_file *file, uint64_t offset, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    while (length > 0) {
        size_t inside = (size_t)(offset % STORE_PAGE);
        size_t part = length < STORE_PAGE - inside ? length : STORE_PAGE - inside;
        if (store_page(file, offset / STORE_PAGE) || !all_zero(from, part))
            memcpy(own_page(file, offset / STORE_PAGE)->bytes + inside, from, part);
        from += part;
        offset += part;
        length -= part;
    }
    if (offset > file->size)
        file->size = offset;
}

static void drop_pages(struct store_file *file, uint64_t first, uint64_t end)
{
    for (uint64_t at = store_next(file, first); at < end; at = store_next(file, at + 1)) {
        struct chunk *chunk = own_chunk(file, at / CHUNK_PAGES);
        leave_page(chunk->pages[at % CHUNK_PAGES]);
        chunk->pages[at % CHUNK_PAGES] = NULL;
    }
}

static void zero_part(struct store_file *file, uint64_t offset, uint64_t end)
{
    if (offset < end && store_page(file, offset / STORE_PAGE))
        memset(own_page(file, offset / STORE_PAGE)->bytes + offset % STORE_PAGE, 0, (size_t)(end - offset));
}

static void zero_range(struct store_file *file, uint64_t offset, uint64_t end)
{
    uint64_t first = (offset + STORE_PAGE - 1) / STORE_PAGE, last = end / STORE_PAGE;
    if (first > last) {
        zero_part(file, offset, end);
        return;
    }
    zero_part(file, offset, first * STORE_PAGE);
    drop_pages(file, first, last);
    zero_part(file, last * STORE_PAGE, end);
}

void store_resize(struct store_file *file, uint64_t size)
{
    if (size < file->size) {
        uint64_t kept = (size + STORE_PAGE - 1) / STORE_PAGE;
        drop_pages(file, kept, UINT64_MAX);
        if (size % STORE_PAGE && store_page(file, size / STORE_PAGE))
            memset(own_page(file, size / STORE_PAGE)->bytes + size % STORE_PAGE, 0, STORE_PAGE - size % STORE_PAGE);
    }
    file->size = size;
}

uint64_t store_size(const struct store_file *file)
{
    return file->size;
}

/* ---- an open file ----------------------------------------------------------------------------------------------- */

static struct store_file *of(void *handle)
{
    return ((struct handle *)handle)->file;
}

static vhdx_status file_read(void *handle, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct store_file *file = of(handle);
    (void)err;
    if (offset > file->size || length > file->size - offset)
        return VHDX_TRUNCATED;
    store_read(file, offset, buf, length);
    return VHDX_OK;
}

static vhdx_status file_write(void *handle, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    (void)err;
    if (offset / CHUNK >= CHUNKS_MAX)
        return VHDX_NO_SPACE;
    store_write(of(handle), offset, buf, length);
    return VHDX_OK;
}

static vhdx_status file_size(void *handle, uint64_t *size, vhdx_error *err)
{
    (void)err;
    *size = of(handle)->size;
    return VHDX_OK;
}

static vhdx_status file_set_size(void *handle, uint64_t size, vhdx_error *err)
{
    (void)err;
    store_resize(of(handle), size);
    return VHDX_OK;
}

static vhdx_status file_flush(void *handle, vhdx_error *err)
{
    (void)handle;
    (void)err;
    return VHDX_OK;
}

static void file_close(void *context)
{
    struct handle *handle = context;
    if (handle->access == VHDX_OPEN_READ)
        handle->file->readers--;
    else if (handle->access != VHDX_OPEN_PEEK)
        handle->file->writer = false;
    free(handle);
}

static vhdx_status file_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    const struct handle *handle = context;
    (void)err;
    *facts = (vhdx_file_facts){.volume = (uint64_t)(uintptr_t)handle->store, .file = {handle->file->serial, 0}};
    return VHDX_OK;
}

static vhdx_status file_punch(void *handle, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct store_file *file = of(handle);
    (void)err;
    zero_range(file, offset, offset + length);
    return VHDX_OK;
}

static vhdx_status file_next_data(void *handle, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                  vhdx_error *err)
{
    const struct store_file *file = of(handle);
    uint64_t first = store_next(file, offset / STORE_PAGE), last = first;
    (void)err;
    *data_offset = offset;
    *length = 0;
    if (first == UINT64_MAX)
        return VHDX_OK;
    while (store_page(file, last))
        last++;
    uint64_t begin = first * STORE_PAGE > offset ? first * STORE_PAGE : offset;
    uint64_t end = last * STORE_PAGE < file->size ? last * STORE_PAGE : file->size;
    if (begin < end) {
        *data_offset = begin;
        *length = end - begin;
    }
    return VHDX_OK;
}

static const vhdx_io_ops file_ops = {
    .struct_size = sizeof file_ops,
    .read = file_read,
    .write = file_write,
    .size = file_size,
    .set_size = file_set_size,
    .flush = file_flush,
    .close = file_close,
    .facts = file_facts,
    .punch = file_punch,
    .next_data = file_next_data,
};

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* "/d/./x" and "/d//x" are "/d/x"; ".." is not needed here. */
static void plain_path(const char *path, char *text, size_t room)
{
    size_t used = 0;
    while (*path && used + 2 < room) {
        size_t part = strcspn(path, "/");
        if (part > 0 && !(part == 1 && *path == '.') && used + part + 2 < room) {
            text[used++] = '/';
            memcpy(text + used, path, part);
            used += part;
        }
        path += part;
        path += *path == '/';
    }
    text[used] = '\0';
}

struct store_file *store_find(const struct store *store, const char *path)
{
    char text[1024];
    plain_path(path, text, sizeof text);
    struct store_file *file = store->files;
    while (file && strcmp(file->path, text) != 0)
        file = file->next;
    return file;
}

struct store_file *store_open(struct store *store, const char *path)
{
    char text[1024];
    struct store_file *file = store_find(store, path);
    if (file)
        return file;
    plain_path(path, text, sizeof text);
    file = alloc(sizeof *file);
    file->path = alloc(strlen(text) + 1);
    memcpy(file->path, text, strlen(text) + 1);
    file->serial = ++store->serial;
    file->next = store->files;
    return store->files = file;
}

static void free_file(struct store_file *file)
{
    for (uint64_t i = 0; i < file->chunk_count; i++)
        leave_chunk(file->chunks[i]);
    free(file->chunks);
    free(file->path);
    free(file);
}

void store_remove(struct store *store, const char *path)
{
    struct store_file *file = store_find(store, path), **link = &store->files;
    if (!file)
        return;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    free_file(file);
}

static vhdx_status host_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct store *store = context;
    struct store_file *file = store_find(store, path);
    bool making = access == VHDX_OPEN_CREATE || access == VHDX_OPEN_REPLACE;
    (void)err;
    if (!file && !making)
        return VHDX_NOT_FOUND;
    if (file && access != VHDX_OPEN_PEEK && (file->writer || (access != VHDX_OPEN_READ && file->readers > 0)))
        return VHDX_BUSY;
    if (file && access == VHDX_OPEN_CREATE && file->size > 0)
        return VHDX_EXISTS;
    file = store_open(store, path);
    if (access == VHDX_OPEN_REPLACE)
        store_resize(file, 0);
    struct handle *handle = alloc(sizeof *handle);
    *handle = (struct handle){store, file, access};
    file->readers += access == VHDX_OPEN_READ;
    file->writer = file->writer || (access != VHDX_OPEN_READ && access != VHDX_OPEN_PEEK);
    *io = (vhdx_io){&file_ops, handle};
    return VHDX_OK;
}

static vhdx_status host_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                             void *visitor, vhdx_error *err)
{
    const struct store *store = context;
    char text[1024];
    plain_path(directory, text, sizeof text);
    size_t length = strlen(text);
    (void)err;
    for (const struct store_file *file = store->files, *next; file; file = next) {
        next = file->next;
        if (strncmp(file->path, text, length) == 0 && file->path[length] == '/' &&
            !strchr(file->path + length + 1, '/') && !visit(visitor, file->path + length + 1))
            return VHDX_OK;
    }
    return VHDX_OK;
}

static vhdx_status host_remove(void *context, const char *path, vhdx_error *err)
{
    struct store *store = context;
    (void)err;
    if (!store_find(store, path))
        return VHDX_NOT_FOUND;
    store_remove(store, path);
    return VHDX_OK;
}

static vhdx_status host_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    struct store *store = context;
    char text[1024];
    struct store_file *file = store_find(store, from);
    (void)err;
    if (!file)
        return VHDX_NOT_FOUND;
    if (store_find(store, to) != file)
        store_remove(store, to);
    plain_path(to, text, sizeof text);
    free(file->path);
    file->path = alloc(strlen(text) + 1);
    memcpy(file->path, text, strlen(text) + 1);
    return VHDX_OK;
}

static vhdx_status host_sync_directory(void *context, const char *directory, vhdx_error *err)
{
    (void)context;
    (void)directory;
    (void)err;
    return VHDX_OK;
}

static vhdx_status host_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    (void)context;
    (void)err;
    plain_path(path, text, text_size);
    return VHDX_OK;
}

static vhdx_status host_space(void *context, const char *path, vhdx_space *space, vhdx_error *err)
{
    (void)context;
    (void)path;
    (void)err;
    *space = (vhdx_space){UINT64_MAX, UINT64_MAX};
    return VHDX_OK;
}

static vhdx_status host_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    struct store *store = context;
    uint8_t *bytes = buf;
    (void)err;
    for (size_t i = 0; i < length; i++) {
        store->chance = store->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(store->chance >> 56);
    }
    return VHDX_OK;
}

struct store *store_new(uint64_t seed)
{
    struct store *store = alloc(sizeof *store);
    store->chance = seed;
    store->host = (vhdx_host){
        .struct_size = sizeof store->host,
        .context = store,
        .open = host_open,
        .list = host_list,
        .remove = host_remove,
        .rename = host_rename,
        .sync_directory = host_sync_directory,
        .absolute = host_absolute,
        .space = host_space,
        .random = host_random,
    };
    return store;
}

void store_free(struct store *store)
{
    while (store && store->files) {
        struct store_file *file = store->files;
        store->files = file->next;
        free_file(file);
    }
    free(store);
}

const vhdx_host *store_host(struct store *store)
{
    return &store->host;
}

struct store *store_copy(const struct store *store, uint64_t seed)
{
    struct store *copy = store_new(seed);
    for (const struct store_file *file = store->files; file; file = file->next) {
        struct store_file *other = store_open(copy, file->path);
        other->size = file->size;
        other->chunks = alloc((size_t)(file->chunk_count + 1) * sizeof *other->chunks);
        other->chunk_count = file->chunk_count;
        for (uint64_t i = 0; i < file->chunk_count; i++)
            if ((other->chunks[i] = file->chunks[i]) != NULL)
                other->chunks[i]->users++;
    }
    return copy;
}
