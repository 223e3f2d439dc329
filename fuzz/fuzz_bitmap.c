/*
 * Sector bitmap: runs, counts and filling are what a look at each single bit says. The first 4 bytes of the input
 * choose the range, the rest is the bitmap.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "format/bitmap.h"

#include <stdlib.h>
#include <string.h>

static bool bit(const uint8_t *bits, uint64_t place)
{
    return bits[place / 8] >> place % 8 & 1;
}

/* Walks all runs of the range; they must cover it, change at each end, and add up to the count. */
static void demand_runs(const uint8_t *bits, uint64_t first, uint64_t count)
{
    uint64_t ones = 0;
    bool before = false;
    for (uint64_t place = first; place < first + count;) {
        bool value;
        uint64_t length = vx_bitmap_run(bits, place, first + count - place, &value);
        FUZZ_DEMAND(length >= 1 && length <= first + count - place);
        FUZZ_DEMAND(place == first || value != before);
        for (uint64_t i = place; i < place + length; i++)
            FUZZ_DEMAND(bit(bits, i) == value);
        ones += value ? length : 0;
        place += length;
        before = value;
    }
    FUZZ_DEMAND(vx_bitmap_count(bits, first, count) == ones);
}

static void demand_fill(const uint8_t *bits, size_t size, uint64_t first, uint64_t count, bool value)
{
    uint8_t *copy = malloc(size);
    FUZZ_DEMAND(copy);
    memcpy(copy, bits, size);
    vx_bitmap_fill(copy, first, count, value);
    for (uint64_t i = 0; i < size * 8; i++)
        FUZZ_DEMAND(bit(copy, i) == (i >= first && i < first + count ? value : bit(bits, i)));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 4)
        return 0;
    const uint8_t *bits = data + 4;
    uint64_t total = (size - 4) * 8;
    uint64_t first = vx_get16(data) % total;
    uint64_t count = vx_get16(data + 2) % (total - first + 1);
    if (count == 0)
        count = total - first;
    demand_runs(bits, first, count);
    demand_fill(bits, size - 4, first, count, true);
    demand_fill(bits, size - 4, first, count, false);
    return 0;
}
