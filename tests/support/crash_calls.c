/* What callers of the crash host meet: calls that are put into the trace, and those that fail on purpose. See
 * crash_host.h. */
/* SPDX-License-Identifier: MIT */
#include "crash_parts.h"

struct handle {
    struct crash_host *host;
    struct file *file;
    vhdx_open_mode access;
};

/* ---- what callers of the host meet ------------------------------------------------------------------------------- */

/* Does it, and writes it down. */
static void perform(struct crash_host *host, struct call call)
{
    crash_apply(&host->disk, &call);
    if (!host->recording)
        return;
    if (host->trace_count == host->trace_room) {
        host->trace_room = host->trace_room ? host->trace_room * 2 : 256;
        host->trace = crash_take_more(host->trace, host->trace_room, sizeof *host->trace);
    }
    if (call.bytes)
        call.bytes = memcpy(crash_take(call.length, 1), call.bytes, (size_t)call.length);
    call.path = call.path ? crash_copy_text(call.path) : NULL;
    call.to = call.to ? crash_copy_text(call.to) : NULL;
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
    crash_get_bytes(file, buf, length, offset);
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
        crash_free_file(&handle->host->disk, file);
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
    uint8_t *bytes = crash_take((size_t)length, 1);
    crash_get_bytes(from->file, bytes, (size_t)length, source_offset);
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
    char *text = crash_take(strlen(path) + 2, 1);
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

bool crash_right_in_directory(const char *path, const char *directory)
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
    struct file *file = crash_find_path(&host->disk, path);
    vhdx_status status = file ? admit(file, access) : creating ? VHDX_OK : VHDX_NOT_FOUND;
    if (status != VHDX_OK)
        return status;
    if (!file) {
        perform(host, (struct call){.kind = CALL_CREATE, .file = ++host->last_id, .path = path});
        file = crash_find_id(&host->disk, host->last_id);
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
    struct handle *handle = crash_take(1, sizeof *handle);
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
    bool is_file = crash_find_path(&host->disk, prefix) != NULL;
    free(prefix);
    return any || !is_file ? VHDX_OK : VHDX_NOT_FOUND;
}

static vhdx_status host_remove(void *context, const char *path, vhdx_error *err)
{
    struct crash_host *host = context;
    if (fails(host, CRASH_NAME))
        return failure(host, err);
    char *name = canonical(path);
    struct file *file = crash_find_path(&host->disk, name);
    if (file)
        perform(host, (struct call){.kind = CALL_REMOVE, .file = file->id, .path = name});
    if (file && file->handles == 0)
        crash_free_file(&host->disk, file);
    free(name);
    return file ? VHDX_OK : VHDX_NOT_FOUND;
}

static vhdx_status host_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    struct crash_host *host = context;
    if (fails(host, CRASH_NAME))
        return failure(host, err);
    char *old = canonical(from), *new = canonical(to);
    struct file *file = crash_find_path(&host->disk, old);
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

struct crash_host *crash_host_new(uint64_t seed)
{
    struct crash_host *host = crash_take(1, sizeof *host);
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
