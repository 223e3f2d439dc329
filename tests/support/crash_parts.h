/* Inside of the host that loses power: files of shared pages, the trace of calls, and what the files of the host share.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CRASH_PARTS_H
#define TESTS_SUPPORT_CRASH_PARTS_H

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

void *crash_take(size_t count, size_t size);
void *crash_take_more(void *memory, size_t count, size_t size);
char *crash_copy_text(const char *text);
void crash_get_bytes(const struct file *file, uint8_t *to, size_t length, uint64_t offset);
struct file *crash_find_id(const struct disk *disk, uint64_t id);
struct file *crash_find_path(const struct disk *disk, const char *path);
void crash_free_file(struct disk *disk, struct file *file);
void crash_clear_disk(struct disk *disk);
void crash_copy_disk(struct disk *to, const struct disk *from);
void crash_apply(struct disk *disk, const struct call *call);
void crash_apply_torn(struct disk *disk, const struct call *call, uint64_t *chance);
bool crash_right_in_directory(const char *path, const char *directory);

#endif
