/*
 * Runs a fuzz target over stored inputs without any fuzzer: each argument is a file, or a directory of files. This is
 * how old findings are looked at in every test run, with any compiler.
 */
/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    (void)data;
    (void)max_size;
    return size;
}

/* The file in memory of exactly its size, so that a sanitizer sees the first byte too many; NULL when it cannot be
 * read. */
static uint8_t *load(const char *path, size_t *size)
{
    struct stat facts;
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    if (file && fstat(fileno(file), &facts) == 0 && S_ISREG(facts.st_mode)) {
        *size = (size_t)facts.st_size;
        data = malloc(*size ? *size : 1);
        if (data && fread(data, 1, *size, file) != *size) {
            free(data);
            data = NULL;
        }
    }
    if (file)
        fclose(file);
    return data;
}

static bool run_file(const char *path, unsigned *count)
{
    size_t size;
    uint8_t *data = load(path, &size);
    if (!data) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    ++*count;
    return true;
}

static bool run(const char *path, unsigned *count)
{
    DIR *directory = opendir(path);
    if (!directory)
        return run_file(path, count);
    bool good = true;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        good = length > 0 && (size_t)length < sizeof name && run(name, count) && good;
    }
    closedir(directory);
    return good;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    bool good = true;
    for (int i = 1; i < argc; i++)
        good = run(argv[i], &count) && good;
    printf("%u inputs\n", count);
    return good ? 0 : 1;
}
