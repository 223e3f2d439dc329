/*
 * Parts of sample disks, unpacked by gzip. See sample.h.
 */
/* SPDX-License-Identifier: MIT */
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN32
#define READ_BINARY "rb"
#else
#define READ_BINARY "r"
#endif

static bool skip(FILE *stream, uint64_t length)
{
    static char scrap[65536];
    while (length > 0) {
        size_t part = length < sizeof scrap ? (size_t)length : sizeof scrap;
        if (fread(scrap, 1, part, stream) != part)
            return false;
        length -= part;
    }
    return true;
}

bool sample_read(const char *name, uint64_t offset, void *out, size_t length)
{
    const char *directory = getenv("VHDX_SAMPLES");
    if (!directory || !*directory)
        return false;
    char command[4096];
    int size = snprintf(command, sizeof command, "gzip -dc \"%s/%s.gz\"", directory, name);
    if (size < 0 || (size_t)size >= sizeof command)
        return false;
    FILE *stream = popen(command, READ_BINARY);
    if (!stream)
        return false;
    bool whole = skip(stream, offset) && fread(out, 1, length, stream) == length;
    pclose(stream);
    return whole;
}
