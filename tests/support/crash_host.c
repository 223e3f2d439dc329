/*
 * Files of shared pages, a trace of what was done to them, and files made from a part of the trace; see crash_host.h.
 * Live files and those after a cut are changed by one function, apply(), so that they cannot disagree about what a
 * call means.
 */
/* SPDX-License-Identifier: MIT */
#include "crash_host.h"
#include "builder.h"
#include "inside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#define PAGE ((size_t)4096)
#define SECTOR ((size_t)512)
#define SHARE_UNIT 4096u

volatile int crash_host_allocating;

struct page {
    uint32_t users;
    uint8_t bytes[PAGE];
};

struct file {
    uint64_t id; /* stays when the name changes, and across cuts */
    char *path;  /* NULL = has no name (any more) */
    uint64_t size;
    struct page **pages; /* NULL = zeros, in a hole */
    size_t page_count;
    size_t handles, readers;
    bool writer;
    bool flush_failed;
};

struct disk {
    struct file **files;
    size_t count;
};

enum call_kind { CALL_WRITE, CALL_ZERO, CALL_SET_SIZE, CALL_FLUSH, CALL_CREATE, CALL_REMOVE, CALL_RENAME, CALL_SYNC };

struct call {
    enum call_kind kind;
    uint64_t file;
    uint64_t offset, length; /* SET_SIZE: offset is the size */
    uint8_t *bytes;
    char *path, *to; /* SYNC: path of the directory */
};

struct crash_host {
    vhdx_host interface;
    struct disk disk;
    uint64_t last_id;
    uint64_t random_state;
    uint32_t attributes;
    uint64_t shared;
    bool recording;
    struct disk start; /* as it was when recording began */
    struct call *trace;
    size_t trace_count, trace_room;
    struct crash_fault fault;
    uint64_t calls;
    bool wrote_after_failed_flush;
};

struct handle {
    struct crash_host *host;
    struct file *file;
    vhdx_open_mode access;
};

struct crash_cut {
    const struct crash_host *host;
    struct disk durable;
    size_t place;
    size_t *pending;
    size_t pending_count;
};

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static void *take(size_t count, size_t size)
{
    crash_host_allocating++;
    void *memory = bld_alloc(count ? count : 1, size);
    crash_host_allocating--;
    return memory;
}

static void *take_more(void *memory, size_t count, size_t size)
{
    crash_host_allocating++;
    memory = bld_resized(memory, count, size);
    crash_host_allocating--;
    return memory;
}

/* Not set to zero before: most pages are filled at once. */
static struct page *take_page(void)
{
    crash_host_allocating++;
    struct page *page = malloc(sizeof *page);
    crash_host_allocating--;
    BLD_DEMAND(page, "out of memory");
    page->users = 1;
    return page;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(take(size, 1), text, size);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static void drop_page(struct page **page)
{
    if (*page && --(*page)->users == 0)
        free(*page);
    *page = NULL;
}

static void set_page_count(struct file *file, size_t count)
{
    for (size_t i = count; i < file->page_count; i++)
        drop_page(&file->pages[i]);
    if (count > file->page_count) {
        file->pages = take_more(file->pages, count, sizeof(struct page *));
        memset(file->pages + file->page_count, 0, (count - file->page_count) * sizeof(struct page *));
    }
    file->page_count = count;
}

/* The page, made our own, its bytes as they were unless all of it is about to be overwritten. */
static uint8_t *own_page(struct file *file, size_t index, bool all)
{
    struct page *old = file->pages[index];
    if (old && old->users == 1)
        return old->bytes;
    struct page *page = take_page();
    if (!all && old)
        memcpy(page->bytes, old->bytes, PAGE);
    else if (!all)
        memset(page->bytes, 0, PAGE);
    drop_page(&file->pages[index]);
    file->pages[index] = page;
    return page->bytes;
}

static void set_size(struct file *file, uint64_t size)
{
    set_page_count(file, (size_t)((size + PAGE - 1) / PAGE));
    if (size < file->size && size % PAGE != 0 && file->pages[size / PAGE])
        memset(own_page(file, (size_t)(size / PAGE), false) + size % PAGE, 0, PAGE - (size_t)(size % PAGE));
    file->size = size;
}

static void put_bytes(struct file *file, const uint8_t *from, size_t length, uint64_t offset)
{
    if (length > 0 && offset + length > file->size)
        set_size(file, offset + length);
    while (length > 0) {
        size_t inside = (size_t)(offset % PAGE), part = vx_min(length, PAGE - inside);
        memmove(own_page(file, (size_t)(offset / PAGE), part == PAGE) + inside, from, part);
        from += part;
        offset += part;
        length -= part;
    }
}

/* Bytes that the page `index` and those like it behind it have from `inside` on, at most `length`. */
static size_t alike(const struct file *file, size_t index, size_t inside, size_t length)
{
    size_t part = PAGE - inside;
    while (!file->pages[index] && part < length && !file->pages[++index])
        part += PAGE;
    return vx_min(part, length);
}

static void get_bytes(const struct file *file, uint8_t *to, size_t length, uint64_t offset)
{
    while (length > 0) {
        size_t index = (size_t)(offset / PAGE), inside = (size_t)(offset % PAGE);
        size_t part = alike(file, index, inside, length);
        if (file->pages[index])
            memmove(to, file->pages[index]->bytes + inside, part); /* compilers make a slow loop of memcpy */
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        length -= part;
    }
}

/* Zeros inside the file, whole pages as holes. */
static void put_zeros(struct file *file, uint64_t offset, uint64_t length)
{
    uint64_t end = vx_min(offset + length, file->size);
    while (offset < end) {
        size_t inside = (size_t)(offset % PAGE), part = (size_t)vx_min(end - offset, PAGE - inside);
        if (part == PAGE)
            drop_page(&file->pages[offset / PAGE]);
        else if (file->pages[offset / PAGE])
            memset(own_page(file, (size_t)(offset / PAGE), false) + inside, 0, part);
        offset += part;
    }
}

/* ---- sets of files ---------------------------------------------------------------------------------------------- */

static struct file *add_file(struct disk *disk, uint64_t id, const char *path)
{
    struct file *file = take(1, sizeof *file);
    file->id = id;
    file->path = path ? copy_text(path) : NULL;
    disk->files = take_more(disk->files, disk->count + 1, sizeof(struct file *));
    disk->files[disk->count++] = file;
    return file;
}

static struct file *find_id(const struct disk *disk, uint64_t id)
{
    for (size_t i = 0; i < disk->count; i++)
        if (disk->files[i]->id == id)
            return disk->files[i];
    return NULL;
}

static struct file *find_path(const struct disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->count; i++)
        if (disk->files[i]->path && strcmp(disk->files[i]->path, path) == 0)
            return disk->files[i];
    return NULL;
}

static void free_file(struct disk *disk, struct file *file)
{
    size_t at = 0;
    while (disk->files[at] != file)
        at++;
    disk->files[at] = disk->files[--disk->count];
    set_page_count(file, 0);
    free(file->pages);
    free(file->path);
    free(file);
}

static void clear_disk(struct disk *disk)
{
    while (disk->count > 0)
        free_file(disk, disk->files[0]);
    free(disk->files);
    *disk = (struct disk){0};
}

static void copy_disk(struct disk *to, const struct disk *from)
{
    *to = (struct disk){0};
    for (size_t i = 0; i < from->count; i++) {
        const struct file *old = from->files[i];
        struct file *file = add_file(to, old->id, old->path);
        file->size = old->size;
        set_page_count(file, old->page_count);
        for (size_t p = 0; p < old->page_count; p++)
            if ((file->pages[p] = old->pages[p]))
                file->pages[p]->users++;
    }
}

static void drop_name(struct disk *disk, const char *path)
{
    struct file *file = find_path(disk, path);
    if (!file)
        return;
    free(file->path);
    file->path = NULL;
}

static void give_name(struct disk *disk, struct file *file, const char *path)
{
    drop_name(disk, path);
    free(file->path);
    file->path = copy_text(path);
}

static struct file *file_of_call(struct disk *disk, const struct call *call)
{
    struct file *file = find_id(disk, call->file);
    return file ? file : add_file(disk, call->file, NULL); /* its creation is not durable */
}

static void apply(struct disk *disk, const struct call *call)
{
    struct file *file;
    switch (call->kind) {
    case CALL_WRITE:
        put_bytes(file_of_call(disk, call), call->bytes, (size_t)call->length, call->offset);
        break;
    case CALL_ZERO:
        put_zeros(file_of_call(disk, call), call->offset, call->length);
        break;
    case CALL_SET_SIZE:
        set_size(file_of_call(disk, call), call->offset);
        break;
    case CALL_CREATE:
        give_name(disk, file_of_call(disk, call), call->path);
        break;
    case CALL_REMOVE:
        drop_name(disk, call->path);
        break;
    case CALL_RENAME:
        file = find_path(disk, call->path);
        if (file)
            give_name(disk, file, call->to);
        break;
    case CALL_FLUSH:
    case CALL_SYNC:
        break;
    }
}

/* A part of a write: the sectors up to some place, those from it on, or any. */
static void apply_torn(struct disk *disk, const struct call *call, uint64_t *chance)
{
    struct file *file = file_of_call(disk, call);
    uint64_t sectors = (call->length + SECTOR - 1) / SECTOR, place = bld_random_below(chance, sectors + 1);
    uint64_t manner = bld_random_below(chance, 3);
    for (uint64_t i = 0; i < sectors; i++) {
        uint64_t from = i * SECTOR, length = vx_min(SECTOR, call->length - from);
        bool kept = manner == 0 ? i < place : manner == 1 ? i >= place : (bld_random(chance) & 1) != 0;
        if (kept)
            put_bytes(file, call->bytes + from, (size_t)length, call->offset + from);
    }
}

/* ---- what callers of the host meet ------------------------------------------------------------------------------- */

/* Does it, and writes it down. */
static void perform(struct crash_host *host, struct call call)
{
    apply(&host->disk, &call);
    if (!host->recording)
        return;
    if (host->trace_count == host->trace_room) {
        host->trace_room = host->trace_room ? host->trace_room * 2 : 256;
        host->trace = take_more(host->trace, host->trace_room, sizeof *host->trace);
    }
    if (call.bytes)
        call.bytes = memcpy(take(call.length, 1), call.bytes, (size_t)call.length);
    call.path = call.path ? copy_text(call.path) : NULL;
    call.to = call.to ? copy_text(call.to) : NULL;
    host->trace[host->trace_count++] = call;
}

static bool fails(struct crash_host *host, unsigned kind)
{
    if (!(host->fault.calls & kind))
        return false;
    host->calls++;
    return host->fault.nth != 0 &&
           (host->calls == host->fault.nth || (host->fault.for_good && host->calls > host->fault.nth));
}

static vhdx_status failure(const struct crash_host *host, vhdx_error *err)
{
    if (err)
        err->system_code = host->fault.status == VHDX_NO_SPACE ? ENOSPC : EIO;
    return host->fault.status;
}

static void changes(struct handle *handle)
{
    handle->host->wrote_after_failed_flush |= handle->file->flush_failed;
}

static vhdx_status file_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct handle *handle = context;
    const struct file *file = handle->file;
    if (fails(handle->host, CRASH_READ))
        return failure(handle->host, err);
    if (offset > file->size || length > file->size - offset)
        return VHDX_TRUNCATED;
    get_bytes(file, buf, length, offset);
    return VHDX_OK;
}

static vhdx_status file_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct handle *handle = context;
    bool failing = fails(handle->host, CRASH_WRITE);
    struct call call = {.kind = CALL_WRITE, .file = handle->file->id, .offset = offset, .length = length};
    call.bytes = (uint8_t *)(uintptr_t)buf;
    changes(handle);
    if (failing && handle->host->fault.torn)
        call.length = length / 2 / SECTOR * SECTOR; /* media write whole sectors */
    if (!failing || handle->host->fault.torn)
        perform(handle->host, call);
    return failing ? failure(handle->host, err) : VHDX_OK;
}

static vhdx_status file_size(void *context, uint64_t *size, vhdx_error *err)
{
    const struct handle *handle = context;
    (void)err;
    *size = handle->file->size;
    return VHDX_OK;
}

static vhdx_status file_set_size(void *context, uint64_t size, vhdx_error *err)
{
    struct handle *handle = context;
    changes(handle);
    if (fails(handle->host, CRASH_SET_SIZE))
        return failure(handle->host, err);
    perform(handle->host, (struct call){.kind = CALL_SET_SIZE, .file = handle->file->id, .offset = size});
    return VHDX_OK;
}

static vhdx_status file_flush(void *context, vhdx_error *err)
{
    struct handle *handle = context;
    if (fails(handle->host, CRASH_FLUSH)) {
        handle->file->flush_failed = true;
        return failure(handle->host, err);
    }
    perform(handle->host, (struct call){.kind = CALL_FLUSH, .file = handle->file->id});
    return VHDX_OK;
}

static void file_close(void *context)
{
    struct handle *handle = context;
    struct file *file = handle->file;
    if (handle->access == VHDX_OPEN_READ)
        file->readers--;
    else if (handle->access != VHDX_OPEN_PEEK)
        file->writer = file->flush_failed = false;
    file->handles--;
    if (!file->path && file->handles == 0)
        free_file(&handle->host->disk, file);
    free(handle);
}

static vhdx_status file_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    const struct handle *handle = context;
    (void)err;
    *facts = (vhdx_file_facts){.volume = 1, .file = {handle->file->id, 0}, .attributes = handle->host->attributes};
    return VHDX_OK;
}

static vhdx_status file_punch(void *context, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct handle *handle = context;
    changes(handle);
    if (fails(handle->host, CRASH_WRITE))
        return failure(handle->host, err);
    perform(handle->host,
            (struct call){.kind = CALL_ZERO, .file = handle->file->id, .offset = offset, .length = length});
    return VHDX_OK;
}

/* Where the host shares at all, and then whole units only. The bytes as they are now: later changes of the source do
 * not show. */
static vhdx_status file_clone(void *context, uint64_t offset, void *source, uint64_t source_offset, uint64_t length,
                              vhdx_error *err)
{
    const struct handle *handle = context, *from = source;
    if (!(handle->host->attributes & VHDX_FILE_CAN_SHARE) || (offset | source_offset | length) % SHARE_UNIT != 0 ||
        source_offset > from->file->size || length > from->file->size - source_offset)
        return VHDX_UNSUPPORTED;
    uint8_t *bytes = take((size_t)length, 1);
    get_bytes(from->file, bytes, (size_t)length, source_offset);
    vhdx_status status = file_write(context, bytes, (size_t)length, offset, err);
    handle->host->shared += status == VHDX_OK ? length : 0;
    free(bytes);
    return status;
}

static vhdx_status file_next_data(void *context, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                  vhdx_error *err)
{
    const struct handle *handle = context;
    const struct file *file = handle->file;
    size_t index = (size_t)(offset / PAGE);
    (void)err;
    while (index < file->page_count && !file->pages[index])
        index++;
    *data_offset = vx_max(offset, (uint64_t)index * PAGE);
    while (index < file->page_count && file->pages[index])
        index++;
    uint64_t end = vx_min((uint64_t)index * PAGE, file->size);
    *length = end > *data_offset ? end - *data_offset : 0;
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
    .clone = file_clone,
    .next_data = file_next_data,
};

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* "/a/b" for "/a/./x/../b"; to be freed. */
static char *canonical(const char *path)
{
    char *text = take(strlen(path) + 2, 1);
    size_t length = 0;
    while (*path) {
        size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            while (length > 0 && text[--length] != '/')
                continue;
        } else if (part > 0 && !(part == 1 && path[0] == '.')) {
            text[length++] = '/';
            memcpy(text + length, path, part);
            length += part;
        }
        path += part + (path[part] == '/');
    }
    if (length == 0)
        text[length++] = '/';
    text[length] = '\0';
    return text;
}

static bool in_directory(const char *path, const char *directory)
{
    size_t length = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    return path && strncmp(path, directory, length) == 0 && path[length] == '/';
}

static bool right_in_directory(const char *path, const char *directory)
{
    size_t length = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    return in_directory(path, directory) && !strchr(path + length + 1, '/');
}

static vhdx_status admit(const struct file *file, vhdx_open_mode access)
{
    bool writing = access != VHDX_OPEN_READ && access != VHDX_OPEN_PEEK;
    if (access == VHDX_OPEN_PEEK)
        return VHDX_OK;
    if (file->writer || (writing && file->readers > 0))
        return VHDX_BUSY;
    return access == VHDX_OPEN_CREATE && file->size > 0 ? VHDX_EXISTS : VHDX_OK;
}

static vhdx_status open_file(struct crash_host *host, char *path, vhdx_open_mode access, struct file **out)
{
    bool creating = access == VHDX_OPEN_CREATE || access == VHDX_OPEN_REPLACE;
    struct file *file = find_path(&host->disk, path);
    vhdx_status status = file ? admit(file, access) : creating ? VHDX_OK : VHDX_NOT_FOUND;
    if (status != VHDX_OK)
        return status;
    if (!file) {
        perform(host, (struct call){.kind = CALL_CREATE, .file = ++host->last_id, .path = path});
        file = find_id(&host->disk, host->last_id);
    } else if (access == VHDX_OPEN_REPLACE) {
        perform(host, (struct call){.kind = CALL_SET_SIZE, .file = file->id});
    }
    *out = file;
    return VHDX_OK;
}

static vhdx_status host_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct crash_host *host = context;
    struct file *file;
    if (fails(host, CRASH_OPEN))
        return failure(host, err);
    char *name = canonical(path);
    vhdx_status status = open_file(host, name, access, &file);
    free(name);
    if (status != VHDX_OK)
        return status;
    struct handle *handle = take(1, sizeof *handle);
    *handle = (struct handle){host, file, access};
    file->handles++;
    file->readers += access == VHDX_OPEN_READ;
    file->writer |= access != VHDX_OPEN_READ && access != VHDX_OPEN_PEEK;
    *io = (vhdx_io){&file_ops, handle};
    return VHDX_OK;
}

/* Files and subdirectories by the part of their path below the directory; a subdirectory once for each file in it. */
static vhdx_status host_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                             void *visitor, vhdx_error *err)
{
    const struct crash_host *host = context;
    char *prefix = canonical(directory), name[256];
    size_t skip = strcmp(prefix, "/") == 0 ? 1 : strlen(prefix) + 1;
    bool go_on = true, any = false;
    (void)err;
    for (size_t i = 0; i < host->disk.count && go_on; i++) {
        const char *path = host->disk.files[i]->path;
        if (!in_directory(path, prefix))
            continue;
        any = true;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(path + skip, "/"), path + skip);
        go_on = visit(visitor, name);
    }
    bool is_file = find_path(&host->disk, prefix) != NULL;
    free(prefix);
    return any || !is_file ? VHDX_OK : VHDX_NOT_FOUND;
}

static vhdx_status host_remove(void *context, const char *path, vhdx_error *err)
{
    struct crash_host *host = context;
    if (fails(host, CRASH_NAME))
        return failure(host, err);
    char *name = canonical(path);
    struct file *file = find_path(&host->disk, name);
    if (file)
        perform(host, (struct call){.kind = CALL_REMOVE, .file = file->id, .path = name});
    if (file && file->handles == 0)
        free_file(&host->disk, file);
    free(name);
    return file ? VHDX_OK : VHDX_NOT_FOUND;
}

static vhdx_status host_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    struct crash_host *host = context;
    if (fails(host, CRASH_NAME))
        return failure(host, err);
    char *old = canonical(from), *new = canonical(to);
    struct file *file = find_path(&host->disk, old);
    if (file && strcmp(old, new) != 0)
        perform(host, (struct call){.kind = CALL_RENAME, .file = file->id, .path = old, .to = new});
    free(old);
    free(new);
    return file ? VHDX_OK : VHDX_NOT_FOUND;
}

static vhdx_status host_sync_directory(void *context, const char *directory, vhdx_error *err)
{
    struct crash_host *host = context;
    if (fails(host, CRASH_NAME))
        return failure(host, err);
    char *name = canonical(directory);
    perform(host, (struct call){.kind = CALL_SYNC, .path = name});
    free(name);
    return VHDX_OK;
}

static vhdx_status host_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    char *name = canonical(path);
    bool fits = strlen(name) < text_size;
    (void)context;
    (void)err;
    if (fits)
        strcpy(text, name);
    free(name);
    return fits ? VHDX_OK : VHDX_LIMIT;
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
    struct crash_host *host = context;
    (void)err;
    bld_random_bytes(bld_random(&host->random_state), 0, buf, length);
    return VHDX_OK;
}

/* ---- the host --------------------------------------------------------------------------------------------------- */

struct crash_host *crash_host_new(uint64_t seed)
{
    struct crash_host *host = take(1, sizeof *host);
    host->random_state = seed;
    host->interface = (vhdx_host){
        .struct_size = sizeof host->interface,
        .context = host,
        .open = host_open,
        .list = host_list,
        .remove = host_remove,
        .rename = host_rename,
        .sync_directory = host_sync_directory,
        .absolute = host_absolute,
        .space = host_space,
        .random = host_random,
    };
    return host;
}

static void forget_trace(struct crash_host *host)
{
    for (size_t i = 0; i < host->trace_count; i++) {
        free(host->trace[i].bytes);
        free(host->trace[i].path);
        free(host->trace[i].to);
    }
    host->trace_count = 0;
    clear_disk(&host->start);
}

void crash_host_free(struct crash_host *host)
{
    if (!host)
        return;
    forget_trace(host);
    free(host->trace);
    clear_disk(&host->disk);
    free(host);
}

const vhdx_host *crash_host_interface(struct crash_host *host)
{
    return &host->interface;
}

void crash_host_attributes(struct crash_host *host, uint32_t attributes)
{
    host->attributes = attributes;
}

uint64_t crash_host_shared(const struct crash_host *host)
{
    return host->shared;
}

static void forget_nameless(struct disk *disk)
{
    for (size_t i = disk->count; i-- > 0;)
        if (!disk->files[i]->path)
            free_file(disk, disk->files[i]);
}

static struct crash_host *host_of(const struct crash_host *like, const struct disk *disk, uint64_t seed)
{
    struct crash_host *host = crash_host_new(seed);
    host->attributes = like->attributes;
    host->last_id = like->last_id;
    copy_disk(&host->disk, disk);
    return host;
}

struct crash_host *crash_host_copy(const struct crash_host *host, uint64_t seed)
{
    return host_of(host, &host->disk, seed);
}

bool crash_host_exists(const struct crash_host *host, const char *path)
{
    return find_path(&host->disk, path) != NULL;
}

uint64_t crash_host_size(const struct crash_host *host, const char *path)
{
    const struct file *file = find_path(&host->disk, path);
    return file ? file->size : UINT64_MAX;
}

void crash_host_remove(struct crash_host *host, const char *path)
{
    struct file *file = find_path(&host->disk, path);
    if (file)
        free_file(&host->disk, file);
}

uint64_t crash_host_digest(const struct crash_host *host)
{
    static const uint8_t zeros[PAGE];
    uint64_t sum = 0;
    for (size_t i = 0; i < host->disk.count; i++) {
        const struct file *file = host->disk.files[i];
        uint64_t digest = XXH3_64bits_withSeed(file->path, strlen(file->path), file->size);
        for (size_t p = 0; p < file->page_count; p++)
            if (file->pages[p] && memcmp(file->pages[p]->bytes, zeros, PAGE) != 0)
                digest = digest * 31 + XXH3_64bits_withSeed(file->pages[p]->bytes, PAGE, p);
        sum += digest;
    }
    return sum;
}

size_t crash_host_handles(const struct crash_host *host)
{
    size_t count = 0;
    for (size_t i = 0; i < host->disk.count; i++)
        count += host->disk.files[i]->handles;
    return count;
}

void crash_host_fault(struct crash_host *host, const struct crash_fault *fault)
{
    host->fault = *fault;
    host->calls = 0;
    host->wrote_after_failed_flush = false;
}

uint64_t crash_host_calls(const struct crash_host *host)
{
    return host->calls;
}

bool crash_host_wrote_after_failed_flush(const struct crash_host *host)
{
    return host->wrote_after_failed_flush;
}

void crash_host_record(struct crash_host *host)
{
    forget_trace(host);
    copy_disk(&host->start, &host->disk);
    host->recording = true;
}

void crash_host_record_end(struct crash_host *host)
{
    host->recording = false;
}

size_t crash_host_trace_length(const struct crash_host *host)
{
    return host->trace_count;
}

const char *crash_host_trace_text(const struct crash_host *host, size_t n)
{
    static const char *const names[] = {"write", "zero", "set size", "flush", "create", "remove", "rename", "sync"};
    static char text[512];
    const struct call *call = &host->trace[n];
    const struct file *file = find_id(&host->disk, call->file), *before = find_id(&host->start, call->file);
    const char *path = call->path ? call->path : file && file->path ? file->path : before ? before->path : "?";
    snprintf(text, sizeof text, "%zu: %s %s 0x%" PRIx64 "+0x%" PRIx64, n, names[call->kind], path, call->offset,
             call->length);
    return text;
}

/* ---- cuts ------------------------------------------------------------------------------------------------------- */

struct crash_cut *crash_cut_new(const struct crash_host *host)
{
    struct crash_cut *cut = take(1, sizeof *cut);
    cut->host = host;
    copy_disk(&cut->durable, &host->start);
    cut->pending = take(host->trace_count, sizeof *cut->pending);
    return cut;
}

void crash_cut_free(struct crash_cut *cut)
{
    if (!cut)
        return;
    clear_disk(&cut->durable);
    free(cut->pending);
    free(cut);
}

static bool makes_durable(const struct call *by, const struct call *call)
{
    bool of_names = call->kind == CALL_CREATE || call->kind == CALL_REMOVE || call->kind == CALL_RENAME;
    if (by->kind == CALL_FLUSH)
        return !of_names && call->file == by->file;
    return of_names && right_in_directory(call->path, by->path);
}

void crash_cut_advance(struct crash_cut *cut)
{
    const struct call *call = &cut->host->trace[cut->place];
    size_t left = 0;
    if (call->kind != CALL_FLUSH && call->kind != CALL_SYNC) {
        cut->pending[cut->pending_count++] = cut->place++;
        return;
    }
    for (size_t i = 0; i < cut->pending_count; i++) {
        const struct call *earlier = &cut->host->trace[cut->pending[i]];
        if (makes_durable(call, earlier))
            apply(&cut->durable, earlier);
        else
            cut->pending[left++] = cut->pending[i];
    }
    cut->pending_count = left;
    cut->place++;
}

size_t crash_cut_place(const struct crash_cut *cut)
{
    return cut->place;
}

size_t crash_cut_pending(const struct crash_cut *cut)
{
    return cut->pending_count;
}

size_t crash_cut_pending_call(const struct crash_cut *cut, size_t i)
{
    return cut->pending[i];
}

bool crash_cut_pending_is_write(const struct crash_cut *cut, size_t i)
{
    return cut->host->trace[cut->pending[i]].kind == CALL_WRITE;
}

struct crash_host *crash_cut_host(const struct crash_cut *cut, const uint8_t *fates, uint64_t seed)
{
    struct crash_host *host = host_of(cut->host, &cut->durable, seed);
    for (size_t i = 0; i < cut->pending_count; i++) {
        const struct call *call = &cut->host->trace[cut->pending[i]];
        if (fates[i] == CRASH_TORN && call->kind == CALL_WRITE)
            apply_torn(&host->disk, call, &seed);
        else if (fates[i] != CRASH_LOST)
            apply(&host->disk, call);
    }
    forget_nameless(&host->disk);
    return host;
}

struct crash_cut *crash_cut_by_chance(const struct crash_host *host, uint64_t *chance)
{
    struct crash_cut *cut = crash_cut_new(host);
    uint64_t place = bld_random_below(chance, crash_host_trace_length(host) + 1);
    while (crash_cut_place(cut) < place)
        crash_cut_advance(cut);
    return cut;
}

struct crash_host *crash_cut_host_by_chance(const struct crash_cut *cut, uint64_t *chance)
{
    uint8_t *fates = bld_alloc(cut->pending_count + 1, 1);
    uint64_t kind = bld_random_below(chance, 4);
    for (size_t i = 0; i < cut->pending_count; i++)
        fates[i] = (uint8_t)(kind < 2 ? kind : bld_random_below(chance, 3));
    struct crash_host *host = crash_cut_host(cut, fates, bld_random(chance));
    free(fates);
    return host;
}
