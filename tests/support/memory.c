/*
 * A host whose files are memory, see memory.h. It behaves as a flawless file system that loses nothing and never
 * fills up; faults and power cuts are made elsewhere, in front of it.
 *
 * Easy to get wrong: a removed or replaced file lives on for those who have it open, as on POSIX systems, and the
 * last of them frees it.
 */
/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/status.h"
#include "io/pages.h"

#define PAGE UINT64_C(65536)
#define SHARE_UNIT 4096u

struct memory_file {
    struct memory_file *next; /* in the host's list */
    char *path;               /* absolute, without ".", ".." and doubled separators; NULL = has no name any more */
    uint64_t serial;
    uint64_t size;
    uint32_t handles; /* of all kinds */
    uint32_t readers;
    bool writer;
    struct vx_pages pages; /* absent pages read as zeros; bytes behind `size` in its last page are zeros */
};

struct vx_memory_host {
    vhdx_host interface;
    struct memory_file *files;
    uint64_t last_serial;
    uint64_t random_state;
};

struct memory_handle {
    struct vx_memory_host *host;
    struct memory_file *file;
    vhdx_open_mode access;
};

/* ---- names ---- */

/* Takes one component off the end of "/a/b"; the root is "". */
static size_t parent_length(const char *text, size_t length)
{
    while (length > 0 && text[length - 1] != '/')
        length--;
    return length > 0 ? length - 1 : 0;
}

/* The one spelling of a path, "/" for the root; relative paths start there. NULL: no memory. */
static char *canonical(const char *path)
{
    char *text = vx_alloc(strlen(path) + 2, 1);
    size_t length = 0;
    if (!text)
        return NULL;
    while (*path) {
        size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            length = parent_length(text, length);
        } else if (part > 0 && !(part == 1 && path[0] == '.')) {
            text[length] = '/';
            memcpy(text + length + 1, path, part);
            length += part + 1;
        }
        path += part;
        path += *path == '/';
    }
    if (length == 0)
        text[length++] = '/';
    text[length] = '\0';
    return text;
}

static struct memory_file *find_canonical(const struct vx_memory_host *host, const char *path)
{
    struct memory_file *file = host->files;
    while (file && (!file->path || strcmp(file->path, path) != 0))
        file = file->next;
    return file;
}

static vhdx_status find(const struct vx_memory_host *host, const char *path, struct memory_file **file, vhdx_error *err)
{
    char *name = canonical(path);
    if (!name)
        return vx_fail_memory(err, "a path");
    *file = find_canonical(host, name);
    vx_free(name);
    if (!*file)
        return vx_fail(err, VHDX_NOT_FOUND, vx_at_file(path), "there is no such file");
    return VHDX_OK;
}

/* ---- life of a file ---- */

static struct memory_file *add_file(struct vx_memory_host *host, const char *path)
{
    struct memory_file *file = vx_alloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->path = canonical(path);
    if (!file->path) {
        vx_free(file);
        return NULL;
    }
    vx_pages_init(&file->pages, (uint32_t)PAGE);
    file->serial = ++host->last_serial;
    struct memory_file **end = &host->files;
    while (*end)
        end = &(*end)->next;
    *end = file;
    return file;
}

static void free_file(struct vx_memory_host *host, struct memory_file *file)
{
    struct memory_file **link = &host->files;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    vx_pages_clear(&file->pages);
    vx_free(file->path);
    vx_free(file);
}

static void unname(struct vx_memory_host *host, struct memory_file *file)
{
    vx_free(file->path);
    file->path = NULL;
    if (file->handles == 0)
        free_file(host, file);
}

/* ---- bytes ---- */

static vhdx_status set_length(struct memory_file *file, uint64_t size, vhdx_error *err)
{
    if (size < file->size) {
        struct vx_page_run run = vx_pages_find(&file->pages, size / PAGE);
        if (!vx_pages_fill(&file->pages, vx_ceil_div(size, PAGE), INT64_MAX / PAGE, VX_PAGE_ABSENT))
            return vx_fail_memory(err, "a file in memory");
        if (size % PAGE != 0 && run.kind == VX_PAGE_DATA)
            memset(run.data + size % PAGE, 0, (size_t)(PAGE - size % PAGE));
    }
    file->size = size;
    return VHDX_OK;
}

static void get_bytes(const struct memory_file *file, uint8_t *to, size_t length, uint64_t offset)
{
    while (length > 0) {
        uint64_t inside = offset % PAGE;
        size_t part = (size_t)vx_min(length, PAGE - inside);
        struct vx_page_run run = vx_pages_find(&file->pages, offset / PAGE);
        if (run.kind == VX_PAGE_DATA)
            memcpy(to, run.data + inside, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        length -= part;
    }
}

static vhdx_status put_bytes(struct memory_file *file, const uint8_t *from, size_t length, uint64_t offset,
                             vhdx_error *err)
{
    while (length > 0) {
        uint64_t inside = offset % PAGE;
        size_t part = (size_t)vx_min(length, PAGE - inside);
        uint8_t *page = vx_pages_make(&file->pages, offset / PAGE);
        if (!page)
            return vx_fail_memory(err, "a file in memory");
        memcpy(page + inside, from, part);
        from += part;
        offset += part;
        length -= part;
        file->size = vx_max(file->size, offset);
    }
    return VHDX_OK;
}

static struct memory_file *file_of(void *context)
{
    struct memory_handle *handle = context;
    return handle->file;
}

static vhdx_status memory_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct memory_file *file = file_of(context);
    if (offset > file->size || length > file->size - offset)
        return vx_fail(err, VHDX_TRUNCATED, vx_at_file(NULL), "the file ends too early");
    get_bytes(file, buf, length, offset);
    return VHDX_OK;
}

static vhdx_status memory_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    return put_bytes(file_of(context), buf, length, offset, err);
}

static vhdx_status memory_size(void *context, uint64_t *size, vhdx_error *err)
{
    (void)err;
    *size = file_of(context)->size;
    return VHDX_OK;
}

static vhdx_status memory_set_size(void *context, uint64_t size, vhdx_error *err)
{
    return set_length(file_of(context), size, err);
}

static vhdx_status memory_flush(void *context, vhdx_error *err)
{
    (void)context;
    (void)err;
    return VHDX_OK;
}

static void memory_close(void *context)
{
    struct memory_handle *handle = context;
    struct memory_file *file = handle->file;
    if (handle->access == VHDX_OPEN_READ)
        file->readers--;
    else if (handle->access != VHDX_OPEN_PEEK)
        file->writer = false;
    file->handles--;
    if (!file->path && file->handles == 0)
        free_file(handle->host, file);
    vx_free(handle);
}

static vhdx_status memory_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    const struct memory_handle *handle = context;
    (void)err;
    *facts = (vhdx_file_facts){.volume = (uint64_t)(uintptr_t)handle->host,
                               .file = {handle->file->serial, 0},
                               .attributes = VHDX_FILE_CAN_SHARE};
    return VHDX_OK;
}

/* Zeros in a part of one page. */
static void zero_part(struct memory_file *file, uint64_t offset, uint64_t length)
{
    struct vx_page_run run = vx_pages_find(&file->pages, offset / PAGE);
    if (run.kind == VX_PAGE_DATA)
        memset(run.data + offset % PAGE, 0, (size_t)length);
}

static vhdx_status memory_punch(void *context, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct memory_file *file = file_of(context);
    uint64_t end = offset + length;
    uint64_t first = vx_ceil_div(offset, PAGE);
    uint64_t last = end / PAGE; /* whole pages: first <= page < last */
    if (first > last) {
        zero_part(file, offset, length);
        return VHDX_OK;
    }
    zero_part(file, offset, first * PAGE - offset);
    zero_part(file, last * PAGE, end - last * PAGE);
    if (first < last && !vx_pages_fill(&file->pages, first, last - 1, VX_PAGE_ABSENT))
        return vx_fail_memory(err, "a file in memory");
    return VHDX_OK;
}

/* As file systems do it: whole units only. The bytes are copied, which nobody can see. */
static vhdx_status memory_clone(void *context, uint64_t offset, void *source, uint64_t source_offset, uint64_t length,
                                vhdx_error *err)
{
    struct memory_file *file = file_of(context);
    const struct memory_file *from = file_of(source);
    uint8_t piece[4096];
    bool whole = offset % SHARE_UNIT == 0 && source_offset % SHARE_UNIT == 0 && length % SHARE_UNIT == 0;
    if (!whole || source_offset > from->size || length > from->size - source_offset)
        return VHDX_UNSUPPORTED;
    while (length > 0) {
        size_t part = (size_t)vx_min(length, sizeof piece);
        get_bytes(from, piece, part, source_offset);
        VX_TRY(put_bytes(file, piece, part, offset, err));
        offset += part;
        source_offset += part;
        length -= part;
    }
    return VHDX_OK;
}

static vhdx_status memory_next_data(void *context, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                    vhdx_error *err)
{
    const struct memory_file *file = file_of(context);
    (void)err;
    uint64_t index = offset / PAGE;
    uint64_t end = vx_ceil_div(file->size, PAGE);
    struct vx_page_run run = vx_pages_find(&file->pages, index);
    while (index < end && run.kind != VX_PAGE_DATA) {
        index += vx_min(run.count, end - index);
        run = vx_pages_find(&file->pages, index);
    }
    *data_offset = vx_max(offset, index * PAGE);
    while (index < end && run.kind == VX_PAGE_DATA)
        run = vx_pages_find(&file->pages, ++index);
    uint64_t data_end = vx_min(index * PAGE, file->size);
    *length = data_end > *data_offset ? data_end - *data_offset : 0;
    return VHDX_OK;
}

static const vhdx_io_ops memory_ops = {
    .struct_size = sizeof memory_ops,
    .read = memory_read,
    .write = memory_write,
    .size = memory_size,
    .set_size = memory_set_size,
    .flush = memory_flush,
    .close = memory_close,
    .facts = memory_facts,
    .punch = memory_punch,
    .clone = memory_clone,
    .next_data = memory_next_data,
};

/* ---- the host ---- */

/* Locks as between processes, and what CREATE and REPLACE ask of a file that is there. */
static vhdx_status admit(struct memory_file *file, const char *path, vhdx_open_mode access, vhdx_error *err)
{
    bool writing = access != VHDX_OPEN_READ && access != VHDX_OPEN_PEEK;
    if (access != VHDX_OPEN_PEEK && file->writer)
        return vx_fail(err, VHDX_BUSY, vx_at_file(path), "the file is open for writing");
    if (writing && file->readers > 0)
        return vx_fail(err, VHDX_BUSY, vx_at_file(path), "the file is in use");
    if (access == VHDX_OPEN_CREATE && file->size > 0)
        return vx_fail(err, VHDX_EXISTS, vx_at_file(path), "a file that is not empty is already there");
    if (access == VHDX_OPEN_REPLACE)
        return set_length(file, 0, err);
    return VHDX_OK;
}

static vhdx_status find_or_add(struct vx_memory_host *host, const char *path, vhdx_open_mode access,
                               struct memory_file **file, vhdx_error *err)
{
    vhdx_status status = find(host, path, file, err);
    if (status != VHDX_NOT_FOUND || (access != VHDX_OPEN_CREATE && access != VHDX_OPEN_REPLACE))
        return status;
    vx_clear(err);
    *file = add_file(host, path);
    return *file ? VHDX_OK : vx_fail_memory(err, "a file in memory");
}

static vhdx_status memory_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct vx_memory_host *host = context;
    struct memory_file *file;
    struct memory_handle *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "an open file");
    vhdx_status status = find_or_add(host, path, access, &file, err);
    if (status == VHDX_OK)
        status = admit(file, path, access, err);
    if (status != VHDX_OK) {
        vx_free(handle);
        return status;
    }
    *handle = (struct memory_handle){host, file, access};
    file->handles++;
    if (access == VHDX_OPEN_READ)
        file->readers++;
    else if (access != VHDX_OPEN_PEEK)
        file->writer = true;
    *io = (vhdx_io){&memory_ops, handle};
    return VHDX_OK;
}

/* The component of the file's path right below the directory, and its length; NULL when the file is not below it. */
static const char *child_name(const struct memory_file *file, const char *directory, size_t *length)
{
    size_t prefix = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    if (!file->path || strncmp(file->path, directory, prefix) != 0 || file->path[prefix] != '/')
        return NULL;
    *length = strcspn(file->path + prefix + 1, "/");
    return file->path + prefix + 1;
}

/* A subdirectory is named by every file in it, but is one name. */
static bool named_before(const struct vx_memory_host *host, const struct memory_file *file, const char *directory,
                         const char *name, size_t length)
{
    for (const struct memory_file *other = host->files; other != file; other = other->next) {
        size_t other_length;
        const char *other_name = child_name(other, directory, &other_length);
        if (other_name && other_length == length && memcmp(other_name, name, length) == 0)
            return true;
    }
    return false;
}

static vhdx_status memory_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                               void *visitor, vhdx_error *err)
{
    const struct vx_memory_host *host = context;
    bool go_on = true;
    char *prefix = canonical(directory);
    if (!prefix)
        return vx_fail_memory(err, "a path");
    if (find_canonical(host, prefix)) {
        vx_free(prefix);
        return vx_fail(err, VHDX_NOT_FOUND, vx_at_file(directory), "this is a file, not a directory");
    }
    for (const struct memory_file *file = host->files; file && go_on; file = file->next) {
        size_t length;
        const char *name = child_name(file, prefix, &length);
        if (!name || named_before(host, file, prefix, name, length))
            continue;
        char *copy = vx_copy_string(name);
        if (!copy) {
            vx_free(prefix);
            return vx_fail_memory(err, "a name");
        }
        copy[length] = '\0';
        go_on = visit(visitor, copy);
        vx_free(copy);
    }
    vx_free(prefix);
    return VHDX_OK;
}

static vhdx_status memory_remove(void *context, const char *path, vhdx_error *err)
{
    struct vx_memory_host *host = context;
    struct memory_file *file;
    VX_TRY(find(host, path, &file, err));
    unname(host, file);
    return VHDX_OK;
}

static vhdx_status memory_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    struct vx_memory_host *host = context;
    struct memory_file *file;
    VX_TRY(find(host, from, &file, err));
    char *name = canonical(to);
    if (!name)
        return vx_fail_memory(err, "a path");
    struct memory_file *replaced = find_canonical(host, name);
    if (replaced == file) {
        vx_free(name);
        return VHDX_OK;
    }
    if (replaced)
        unname(host, replaced);
    vx_free(file->path);
    file->path = name;
    return VHDX_OK;
}

static vhdx_status memory_sync_directory(void *context, const char *directory, vhdx_error *err)
{
    (void)context;
    (void)directory;
    (void)err;
    return VHDX_OK;
}

static vhdx_status memory_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    (void)context;
    char *name = canonical(path);
    if (!name)
        return vx_fail_memory(err, "a path");
    size_t size = strlen(name) + 1;
    if (size <= text_size)
        memcpy(text, name, size);
    vx_free(name);
    return size <= text_size ? VHDX_OK : vx_fail(err, VHDX_LIMIT, vx_at_file(path), "the path is too long");
}

static vhdx_status memory_space(void *context, const char *path, vhdx_space *space, vhdx_error *err)
{
    (void)context;
    (void)path;
    (void)err;
    *space = (vhdx_space){UINT64_MAX, UINT64_MAX};
    return VHDX_OK;
}

/* splitmix64: repeatable, every seed good; these numbers keep no secret. */
static uint64_t next_random(struct vx_memory_host *host)
{
    host->random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t value = host->random_state;
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static vhdx_status memory_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    uint8_t *to = buf;
    (void)err;
    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)(next_random(context) >> 56);
    return VHDX_OK;
}

struct vx_memory_host *vx_memory_host_new(uint64_t seed)
{
    struct vx_memory_host *host = vx_alloc(1, sizeof *host);
    if (!host)
        return NULL;
    host->random_state = seed;
    host->interface = (vhdx_host){
        .struct_size = sizeof host->interface,
        .context = host,
        .open = memory_open,
        .list = memory_list,
        .remove = memory_remove,
        .rename = memory_rename,
        .sync_directory = memory_sync_directory,
        .absolute = memory_absolute,
        .space = memory_space,
        .random = memory_random,
    };
    return host;
}

void vx_memory_host_free(struct vx_memory_host *host)
{
    if (!host)
        return;
    while (host->files)
        free_file(host, host->files);
    vx_free(host);
}

const vhdx_host *vx_memory_host_interface(struct vx_memory_host *host)
{
    return &host->interface;
}

bool vx_memory_host_put(struct vx_memory_host *host, const char *path, const void *bytes, size_t size)
{
    struct memory_file *file = NULL;
    vhdx_status status = find_or_add(host, path, VHDX_OPEN_REPLACE, &file, NULL);
    if (status == VHDX_OK)
        status = set_length(file, 0, NULL);
    if (status == VHDX_OK)
        status = put_bytes(file, bytes, size, 0, NULL);
    return status == VHDX_OK;
}

uint64_t vx_memory_host_size(struct vx_memory_host *host, const char *path)
{
    struct memory_file *file;
    return find(host, path, &file, NULL) == VHDX_OK ? file->size : UINT64_MAX;
}
