/*
 * bench_copy [--cold] [--small] [--threads] [--count] CHILD BASE: the yardstick of the bench. Copies exactly what the
 * layers from CHILD down to just above BASE hold into BASE's place with pread and pwrite of 1 MiB and one fsync, and
 * prints the seconds that this took. Reading the tables is done before the clock starts, and neither BAT nor log of
 * BASE is touched: no merge can do less without sharing extents or reading ahead. --cold: the files leave the page
 * cache just before the clock starts. --small: 256 KiB instead of 1 MiB. --threads: 256 KiB, eight threads at once.
 * --count: copies nothing, prints the number of bytes and of pieces.
 *
 * The one thing easy to get wrong: what BASE does not have yet goes behind its end, one place a block, as a merge must
 * do it. The base is worthless as a disk afterwards.
 */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <vhdx.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER = 1 << 20,
    SMALL_BUFFER = 256 << 10,
    THREADS = 8,
};

struct options {
    bool cold, small, threads, count;
    const char *child, *base;
};

struct job {
    int source;
    uint64_t from, to, length;
};

struct plan {
    struct job *jobs;
    size_t count, room;
    uint64_t *places; /* of the base's blocks, VHDX_NOWHERE = not there yet */
    uint64_t block_size, end;
};

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "bench_copy: %s: %s\n", path, what);
    exit(1);
}

static void check(vhdx_status status, const vhdx_error *err)
{
    if (status != VHDX_OK)
        fail(err->path, err->message);
}

static void append_job(struct plan *plan, const struct job *job)
{
    if (plan->count == plan->room) {
        plan->room = plan->room ? plan->room * 2 : 1024;
        plan->jobs = realloc(plan->jobs, plan->room * sizeof *plan->jobs);
        if (!plan->jobs)
            fail("-", "out of memory");
    }
    plan->jobs[plan->count++] = *job;
}

static void add_job(struct plan *plan, const struct job *job)
{
    struct job *last = plan->count > 0 ? &plan->jobs[plan->count - 1] : NULL;
    if (last && last->source == job->source && last->from + last->length == job->from &&
        last->to + last->length == job->to)
        last->length += job->length;
    else
        append_job(plan, job);
}

/* Where the blocks of the base lie. */
static void find_places(struct plan *plan, const char *base)
{
    vhdx_chain *chain;
    vhdx_walk *walk;
    vhdx_extent extent;
    vhdx_error err;
    check(vhdx_chain_open(base, NULL, &chain, &err), &err);
    const vhdx_info *info = vhdx_chain_layer(chain, 0);
    size_t count = (size_t)((info->virtual_size + info->block_size - 1) / info->block_size);
    plan->block_size = info->block_size;
    plan->places = malloc(count * sizeof *plan->places);
    for (size_t i = 0; i < count; i++)
        plan->places[i] = VHDX_NOWHERE;
    check(vhdx_walk_new(chain, 0, &walk, &err), &err);
    for (;;) {
        check(vhdx_walk_next(walk, &extent, &err), &err);
        if (extent.length == 0)
            break;
        for (uint64_t at = 0; extent.state == VHDX_EXTENT_DATA && at < extent.length; at += plan->block_size)
            plan->places[(extent.virtual_offset + at) / plan->block_size] = extent.file_offset + at;
    }
    vhdx_walk_free(walk);
    vhdx_chain_free(chain);
}

static uint64_t place_of(struct plan *plan, uint64_t virtual_offset)
{
    uint64_t *place = &plan->places[virtual_offset / plan->block_size];
    if (*place == VHDX_NOWHERE) {
        *place = plan->end;
        plan->end += plan->block_size;
    }
    return *place + virtual_offset % plan->block_size;
}

static void add_extent(struct plan *plan, const vhdx_extent *extent, int source)
{
    for (uint64_t done = 0; done < extent->length;) {
        uint64_t at = extent->virtual_offset + done;
        uint64_t here = plan->block_size - at % plan->block_size;
        if (here > extent->length - done)
            here = extent->length - done;
        struct job job = {source, extent->file_offset + done, place_of(plan, at), here};
        add_job(plan, &job);
        done += here;
    }
}

static int by_source(const void *a, const void *b)
{
    const struct job *left = a, *right = b;
    if (left->source != right->source)
        return left->source < right->source ? -1 : 1;
    return (left->from > right->from) - (left->from < right->from);
}

static void find_jobs(struct plan *plan, vhdx_chain *chain, const int *files)
{
    size_t base = vhdx_chain_layer_count(chain) - 1;
    vhdx_walk *walk;
    vhdx_extent extent;
    vhdx_error err;
    check(vhdx_walk_new(chain, 0, &walk, &err), &err);
    for (;;) {
        check(vhdx_walk_next(walk, &extent, &err), &err);
        if (extent.length == 0)
            break;
        if (extent.state == VHDX_EXTENT_DATA && extent.layer < base)
            add_extent(plan, &extent, files[extent.layer]);
    }
    vhdx_walk_free(walk);
    qsort(plan->jobs, plan->count, sizeof *plan->jobs, by_source);
}

static void copy(const struct plan *plan, int target, uint8_t *buf, size_t size)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct job *job = &plan->jobs[i];
        for (uint64_t done = 0; done < job->length; done += size) {
            size_t here = job->length - done < size ? (size_t)(job->length - done) : size;
            if (pread(job->source, buf, here, (off_t)(job->from + done)) != (ssize_t)here ||
                pwrite(target, buf, here, (off_t)(job->to + done)) != (ssize_t)here)
                fail("-", "a read or write failed");
        }
    }
}

/* Takes the next piece that nobody has taken, of each job what fits into a buffer. */
struct crew {
    const struct plan *plan;
    int target;
    atomic_size_t next;
};

static void *work(void *context)
{
    struct crew *crew = context;
    uint8_t *buf = malloc(SMALL_BUFFER);
    if (!buf)
        fail("-", "out of memory");
    for (size_t i; (i = atomic_fetch_add(&crew->next, 1)) < crew->plan->count;) {
        const struct plan one = {.jobs = &crew->plan->jobs[i], .count = 1};
        copy(&one, crew->target, buf, SMALL_BUFFER);
    }
    free(buf);
    return NULL;
}

static void copy_with_threads(const struct plan *plan, int target)
{
    struct crew crew = {.plan = plan, .target = target};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &crew) != 0)
            fail("-", "no thread");
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* No job longer than a buffer, so that all threads have something to do. */
static void cut_jobs(struct plan *plan)
{
    struct plan cut = *plan;
    cut.jobs = NULL;
    cut.count = cut.room = 0;
    for (size_t i = 0; i < plan->count; i++) {
        for (uint64_t done = 0; done < plan->jobs[i].length; done += SMALL_BUFFER) {
            struct job job = plan->jobs[i];
            job.from += done;
            job.to += done;
            job.length = job.length - done < SMALL_BUFFER ? job.length - done : SMALL_BUFFER;
            append_job(&cut, &job);
        }
    }
    free(plan->jobs);
    *plan = cut;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void make_cold(const int *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        posix_fadvise(files[i], 0, 0, POSIX_FADV_DONTNEED);
}

/* The layers' files, the base last and writable. */
static int *open_files(vhdx_chain *chain, size_t count)
{
    int *files = calloc(count, sizeof *files);
    if (!files)
        fail("-", "out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *path = vhdx_chain_layer(chain, i)->path;
        files[i] = open(path, (i + 1 == count ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (files[i] < 0)
            fail(path, "cannot be opened");
    }
    return files;
}

static void print_count(const struct plan *plan)
{
    unsigned long long bytes = 0;
    for (size_t i = 0; i < plan->count; i++)
        bytes += plan->jobs[i].length;
    printf("%llu %zu\n", bytes, plan->count);
}

static void print_seconds(const struct plan *plan, int target, const struct options *options)
{
    uint8_t *buf = malloc(BUFFER);
    if (!buf)
        fail("-", "out of memory");
    memset(buf, 1, BUFFER); /* its pages are there before the clock starts */
    double begin = now();
    if (options->threads)
        copy_with_threads(plan, target);
    else
        copy(plan, target, buf, options->small ? SMALL_BUFFER : BUFFER);
    if (fsync(target) != 0)
        fail(options->base, "cannot be flushed");
    printf("%.6f\n", now() - begin);
    free(buf);
}

static bool read_options(char **argv, struct options *options)
{
    for (argv++; *argv && (*argv)[0] == '-'; argv++) {
        if (strcmp(*argv, "--cold") == 0)
            options->cold = true;
        else if (strcmp(*argv, "--small") == 0)
            options->small = true;
        else if (strcmp(*argv, "--threads") == 0)
            options->threads = true;
        else if (strcmp(*argv, "--count") == 0)
            options->count = true;
        else
            return false;
    }
    if (!argv[0] || !argv[1] || argv[2])
        return false;
    options->child = argv[0];
    options->base = argv[1];
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct plan plan = {0};
    vhdx_chain *chain;
    vhdx_error err;
    if (argc < 1 || !read_options(argv, &options)) {
        fprintf(stderr, "usage: bench_copy [--cold] [--small] [--threads] [--count] CHILD BASE\n");
        return 1;
    }
    check(vhdx_chain_open(options.child, NULL, &chain, &err), &err);
    size_t count = vhdx_chain_layer_count(chain);
    int *files = open_files(chain, count), target = files[count - 1];
    plan.end = ((uint64_t)lseek(target, 0, SEEK_END) + BUFFER - 1) / BUFFER * BUFFER;
    find_places(&plan, options.base);
    find_jobs(&plan, chain, files);
    if (options.threads)
        cut_jobs(&plan);
    if (options.cold)
        make_cold(files, count);
    if (options.count)
        print_count(&plan);
    else
        print_seconds(&plan, target, &options);
    vhdx_chain_free(chain);
    return 0;
}
