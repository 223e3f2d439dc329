/* The crash host itself: the trace, and disks after a cut at some place of it. See crash_host.h. */
/* SPDX-License-Identifier: MIT */
#include "crash_parts.h"

struct crash_cut {
    const struct crash_host *host;
    struct disk durable;
    size_t place;
    size_t *pending;
    size_t pending_count;
};

/* ---- the host --------------------------------------------------------------------------------------------------- */

static void forget_trace(struct crash_host *host)
{
    for (size_t i = 0; i < host->trace_count; i++) {
        free(host->trace[i].bytes);
        free(host->trace[i].path);
        free(host->trace[i].to);
    }
    host->trace_count = 0;
    crash_clear_disk(&host->start);
}

void crash_host_free(struct crash_host *host)
{
    if (!host)
        return;
    forget_trace(host);
    free(host->trace);
    crash_clear_disk(&host->disk);
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
            crash_free_file(disk, disk->files[i]);
}

static struct crash_host *host_of(const struct crash_host *like, const struct disk *disk, uint64_t seed)
{
    struct crash_host *host = crash_host_new(seed);
    host->attributes = like->attributes;
    host->last_id = like->last_id;
    crash_copy_disk(&host->disk, disk);
    return host;
}

struct crash_host *crash_host_copy(const struct crash_host *host, uint64_t seed)
{
    return host_of(host, &host->disk, seed);
}

bool crash_host_exists(const struct crash_host *host, const char *path)
{
    return crash_find_path(&host->disk, path) != NULL;
}

uint64_t crash_host_size(const struct crash_host *host, const char *path)
{
    const struct file *file = crash_find_path(&host->disk, path);
    return file ? file->size : UINT64_MAX;
}

void crash_host_remove(struct crash_host *host, const char *path)
{
    struct file *file = crash_find_path(&host->disk, path);
    if (file)
        crash_free_file(&host->disk, file);
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
    crash_copy_disk(&host->start, &host->disk);
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
    const struct file *file = crash_find_id(&host->disk, call->file), *before = crash_find_id(&host->start, call->file);
    const char *path = call->path ? call->path : file && file->path ? file->path : before ? before->path : "?";
    snprintf(text, sizeof text, "%zu: %s %s 0x%" PRIx64 "+0x%" PRIx64, n, names[call->kind], path, call->offset,
             call->length);
    return text;
}

/* ---- cuts ------------------------------------------------------------------------------------------------------- */

struct crash_cut *crash_cut_new(const struct crash_host *host)
{
    struct crash_cut *cut = crash_take(1, sizeof *cut);
    cut->host = host;
    crash_copy_disk(&cut->durable, &host->start);
    cut->pending = crash_take(host->trace_count, sizeof *cut->pending);
    return cut;
}

void crash_cut_free(struct crash_cut *cut)
{
    if (!cut)
        return;
    crash_clear_disk(&cut->durable);
    free(cut->pending);
    free(cut);
}

static bool makes_durable(const struct call *by, const struct call *call)
{
    bool of_names = call->kind == CALL_CREATE || call->kind == CALL_REMOVE || call->kind == CALL_RENAME;
    if (by->kind == CALL_FLUSH)
        return !of_names && call->file == by->file;
    return of_names && crash_right_in_directory(call->path, by->path);
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
            crash_apply(&cut->durable, earlier);
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
            crash_apply_torn(&host->disk, call, &seed);
        else if (fates[i] != CRASH_LOST)
            crash_apply(&host->disk, call);
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
