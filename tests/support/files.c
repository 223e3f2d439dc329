/*
 * Real files and other programs for tests; see files.h. Nothing here knows what a disk is. The one thing that is easy
 * to get wrong: a program that prints much on both its outputs must not wait for a reader of one while we wait on the
 * other, so both go to files.
 */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "files.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inside.h"
#include "base/bytes.h"
#include "io/io.h"
#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

char *files_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *path = files_path(base && base[0] ? base : "/tmp", "vhdx-test-XXXXXX");
    BLD_DEMAND(mkdtemp(path), "no temporary directory");
    return path;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts;
    (void)kind;
    (void)place;
    return remove(path);
}

void files_remove_directory(char *directory)
{
    if (directory)
        nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

char *files_path(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = bld_alloc(size, 1);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

uint8_t *files_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    uint8_t *bytes = NULL;
    size_t room = 0, got = 0, part;
    do {
        if (room - got < 65536)
            bytes = bld_resized(bytes, room = room * 2 + 131072, 1);
        part = fread(bytes + got, 1, room - got - 1, file);
        got += part;
    } while (part > 0);
    bytes[got] = 0;
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed) {
        free(bytes);
        return NULL;
    }
    if (size)
        *size = got;
    return bytes;
}

bool files_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool whole = fwrite(bytes, 1, size, file) == size;
    return fclose(file) == 0 && whole;
}

static int ended_with(int state)
{
    if (WIFEXITED(state))
        return WEXITSTATUS(state);
    return WIFSIGNALED(state) ? 128 + WTERMSIG(state) : 127;
}

static void become(const char *const *arguments, const char *output, const char *errors)
{
    if (!freopen("/dev/null", "rb", stdin) || !freopen(output, "wb", stdout) || !freopen(errors, "wb", stderr))
        _exit(127);
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

struct files_run files_run(const char *const *arguments)
{
    struct files_run run = {.status = 127};
    char *directory = files_directory();
    char *output = files_path(directory, "out"), *errors = files_path(directory, "err");
    int state = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become(arguments, output, errors);
    if (child > 0 && waitpid(child, &state, 0) == child)
        run.status = ended_with(state);
    run.output = (char *)files_read(output, NULL);
    run.errors = (char *)files_read(errors, NULL);
    if (!run.output)
        run.output = bld_alloc(1, 1);
    if (!run.errors)
        run.errors = bld_alloc(1, 1);
    free(output);
    free(errors);
    files_remove_directory(directory);
    return run;
}

void files_run_free(struct files_run *run)
{
    free(run->output);
    free(run->errors);
    *run = (struct files_run){0};
}

bool files_program_exists(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        char *text = bld_alloc(length + strlen(name) + 2, 1);
        snprintf(text, length + strlen(name) + 2, "%.*s/%s", (int)length, path, name);
        bool found = access(text, X_OK) == 0;
        free(text);
        if (found)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

char *files_sample(const char *directory, const char *name)
{
    const char *samples = getenv("VHDX_SAMPLES");
    if (!samples)
        return NULL;
    char *packed = files_path(samples, name), *path = files_path(directory, name);
    packed = bld_resized(packed, strlen(packed) + 4, 1);
    strcat(packed, ".gz");
    const char *script =
        "gzip -dc -- \"$1\" | dd of=\"$2\" bs=65536 conv=sparse,notrunc iflag=fullblock status=none && "
        "truncate -s \"$(gzip -dc -- \"$1\" | wc -c)\" -- \"$2\"";
    const char *arguments[] = {"sh", "-c", script, "sh", packed, path, NULL};
    struct files_run run = {.status = 127};
    if (access(packed, R_OK) == 0)
        run = files_run(arguments);
    int status = run.status;
    files_run_free(&run);
    free(packed);
    if (status == 0)
        return path;
    free(path);
    return NULL;
}

bool files_digest(const vhdx_host *host, const char *path, uint64_t *digest)
{
    struct vx_file *file;
    uint64_t size = 0;
    if (vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
        return false;
    size_t piece = 1 << 20;
    uint8_t *buffer = bld_alloc(piece, 1);
    XXH3_state_t *state = XXH3_createState();
    BLD_DEMAND(state, "out of memory");
    XXH3_64bits_reset(state);
    bool good = vx_file_size(file, &size, NULL) == VHDX_OK;
    for (uint64_t at = 0; good && at < size; at += piece) {
        size_t part = (size_t)vx_min(piece, size - at);
        good = vx_file_read(file, buffer, part, at, NULL) == VHDX_OK;
        XXH3_64bits_update(state, buffer, part);
    }
    XXH3_64bits_update(state, &size, sizeof(size));
    *digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    free(buffer);
    vx_file_close(file);
    return good;
}

/* Zeros do not count, so it does not matter whether they are told as zeros or as bytes. */
static vhdx_status add_pages(void *context, const void *buf, uint64_t length, uint64_t virtual_offset, vhdx_error *err)
{
    XXH128_hash_t *sum = context;
    (void)err;
    for (uint64_t at = 0; buf && at < length; at += VX_PAGE) {
        const uint8_t *page = (const uint8_t *)buf + at;
        size_t here = (size_t)vx_min(VX_PAGE, length - at);
        if (vx_is_zero(page, here))
            continue;
        XXH128_hash_t hash = XXH3_128bits_withSeed(page, here, virtual_offset + at);
        sum->low64 += hash.low64;
        sum->high64 += hash.high64;
    }
    return VHDX_OK;
}

bool files_content(vhdx_chain *chain, uint8_t hash[16], vhdx_error *err)
{
    XXH128_hash_t sum = {0, 0};
    if (vhdx_chain_stream(chain, add_pages, &sum, NULL, err) != VHDX_OK)
        return false;
    sum.low64 += vhdx_chain_layer(chain, 0)->virtual_size;
    memcpy(hash, &sum.low64, 8);
    memcpy(hash + 8, &sum.high64, 8);
    return true;
}
