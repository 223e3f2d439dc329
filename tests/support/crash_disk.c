/*
 * Files of shared pages, a trace of what was done to them, and files made from a part of the trace; see crash_host.h.
 * Live files and those after a cut are changed by one function, apply(), so that they cannot disagree about what a
 * call means.
 */
/* SPDX-License-Identifier: MIT */
#include "crash_parts.h"

volatile int crash_host_allocating;

/* ---- memory ----------------------------------------------------------------------------------------------------- */

void *crash_take(size_t count, size_t size)
{
    crash_host_allocating++;
    void *memory = bld_alloc(count ? count : 1, size);
    crash_host_allocating--;
    return memory;
}

void *crash_take_more(void *memory, size_t count, size_t size)
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

char *crash_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(crash_take(size, 1), text, size);
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
        file->pages = crash_take_more(file->pages, count, sizeof(struct page *));
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

void crash_get_bytes(const struct file *file, uint8_t *to, size_t length, uint64_t offset)
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
    struct file *file = crash_take(1, sizeof *file);
    file->id = id;
    file->path = path ? crash_copy_text(path) : NULL;
    disk->files = crash_take_more(disk->files, disk->count + 1, sizeof(struct file *));
    disk->files[disk->count++] = file;
    return file;
}

struct file *crash_find_id(const struct disk *disk, uint64_t id)
{
    for (size_t i = 0; i < disk->count; i++)
        if (disk->files[i]->id == id)
            return disk->files[i];
    return NULL;
}

struct file *crash_find_path(const struct disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->count; i++)
        if (disk->files[i]->path && strcmp(disk->files[i]->path, path) == 0)
            return disk->files[i];
    return NULL;
}

void crash_free_file(struct disk *disk, struct file *file)
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

void crash_clear_disk(struct disk *disk)
{
    while (disk->count > 0)
        crash_free_file(disk, disk->files[0]);
    free(disk->files);
    *disk = (struct disk){0};
}

void crash_copy_disk(struct disk *to, const struct disk *from)
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
    struct file *file = crash_find_path(disk, path);
    if (!file)
        return;
    free(file->path);
    file->path = NULL;
}

static void give_name(struct disk *disk, struct file *file, const char *path)
{
    drop_name(disk, path);
    free(file->path);
    file->path = crash_copy_text(path);
}

static struct file *file_of_call(struct disk *disk, const struct call *call)
{
    struct file *file = crash_find_id(disk, call->file);
    return file ? file : add_file(disk, call->file, NULL); /* its creation is not durable */
}

void crash_apply(struct disk *disk, const struct call *call)
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
        file = crash_find_path(disk, call->path);
        if (file)
            give_name(disk, file, call->to);
        break;
    case CALL_FLUSH:
    case CALL_SYNC:
        break;
    }
}

/* A part of a write: the sectors up to some place, those from it on, or any. */
void crash_apply_torn(struct disk *disk, const struct call *call, uint64_t *chance)
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
