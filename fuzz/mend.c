/*
 * The shared part of the fuzz targets. See fuzz.h. No global state, so that an input always does the same.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fuzz_broken(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

size_t fuzz_expand(const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
    size_t taken = size < room ? size : room;
    if (taken > 0)
        memcpy(out, data, taken);
    memset(out + taken, 0, room - taken);
    return taken;
}

size_t fuzz_mutate_and_mend(uint8_t *data, size_t size, size_t max_size, unsigned int seed, size_t field,
                            uint32_t (*checksum_of)(const uint8_t *data, size_t size))
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 != 0 && size >= field + 4)
        vx_put32(data + field, checksum_of(data, size));
    return size;
}
