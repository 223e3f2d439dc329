/* Sector bitmap: runs, filling and counting against the slow way; not a byte outside is touched. MS-VHDX 2.5.2 */
/* SPDX-License-Identifier: MIT */
#include "format/bitmap.h"

#include "base/checked.h"
#include "sample.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static bool bit(const uint8_t *bits, uint64_t place)
{
    return bits[place >> 3] & 1 << (place & 7);
}

static uint64_t slow_run(const uint8_t *bits, uint64_t first, uint64_t limit)
{
    uint64_t length = 1;
    while (length < limit && bit(bits, first + length) == bit(bits, first))
        length++;
    return length;
}

static uint64_t slow_count(const uint8_t *bits, uint64_t first, uint64_t count)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; i++)
        total += bit(bits, first + i);
    return total;
}

/* Few changes, so that runs are long */
static void fill_noise(uint8_t *bits, size_t size, uint32_t seed)
{
    uint8_t value = 0;
    for (size_t i = 0; i < size * 8; i++) {
        seed = seed * 1664525 + 1013904223;
        if (seed >> 24 < (seed >> 8 & 15))
            value ^= 1;
        bits[i / 8] = (uint8_t)((bits[i / 8] & ~(1 << i % 8)) | value << i % 8);
    }
}

Test(bitmap, the_least_significant_bit_comes_first)
{
    const uint8_t bits[2] = {0x01, 0x80};
    bool value;
    cr_assert_eq(vx_bitmap_run(bits, 0, 16, &value), 1);
    cr_assert(value);
    cr_assert_eq(vx_bitmap_run(bits, 1, 15, &value), 14);
    cr_assert_not(value);
    cr_assert_eq(vx_bitmap_run(bits, 15, 1, &value), 1);
    cr_assert(value);
}

Test(bitmap, runs_are_as_long_as_the_slow_way_says)
{
    for (uint32_t seed = 0; seed < 20; seed++) {
        uint8_t bits[64];
        fill_noise(bits, sizeof bits, seed);
        for (uint64_t first = 0; first < 512; first += 3) {
            for (uint64_t limit = 1; first + limit <= 512; limit += 7) {
                bool value;
                cr_assert_eq(vx_bitmap_run(bits, first, limit, &value), slow_run(bits, first, limit),
                             "seed %u: %u at %u", seed, (unsigned)limit, (unsigned)first);
                cr_assert_eq(value, bit(bits, first));
            }
        }
    }
}

Test(bitmap, a_run_ends_at_any_bit_of_any_word)
{
    uint8_t bits[40];
    for (int ones = 0; ones < 2; ones++) {
        for (uint64_t first = 0; first < 20; first++) {
            for (uint64_t stop = first + 1; stop < 320; stop++) {
                bool value;
                memset(bits, ones ? 0xFF : 0, sizeof bits);
                bits[stop / 8] ^= (uint8_t)(1 << stop % 8);
                cr_assert_eq(vx_bitmap_run(bits, first, 320 - first, &value), stop - first);
                cr_assert_eq(value, ones);
                cr_assert_eq(vx_bitmap_run(bits, first, stop - first, &value), stop - first);
            }
        }
    }
}

Test(bitmap, a_whole_bitmap_block_of_one_value_is_one_run)
{
    uint8_t *bits = calloc(1, 1 << 20);
    bool value;
    cr_assert_eq(vx_bitmap_run(bits, 0, 1 << 23, &value), 1 << 23);
    cr_assert_not(value);
    vx_bitmap_fill(bits, 0, 1 << 23, true);
    cr_assert_eq(vx_bitmap_run(bits, 5, (1 << 23) - 5, &value), (1 << 23) - 5);
    cr_assert(value);
    cr_assert_eq(vx_bitmap_count(bits, 0, 1 << 23), 1 << 23);
    free(bits);
}

/* Each piece has memory of its own, to the byte, so that the sanitizer sees the first byte too many. */
Test(bitmap, nothing_behind_the_last_bit_is_read)
{
    for (uint64_t first = 0; first < 9; first++) {
        for (uint64_t count = 1; count < 200; count++) {
            size_t size = (size_t)((first + count + 7) / 8);
            uint8_t *bits = calloc(1, size);
            bool value;
            cr_assert_eq(vx_bitmap_run(bits, first, count, &value), count);
            vx_bitmap_fill(bits, first, count, true);
            cr_assert_eq(vx_bitmap_count(bits, first, count), count);
            cr_assert_eq(vx_bitmap_count(bits, 0, first), 0);
            free(bits);
        }
    }
}

Test(bitmap, filling_sets_those_bits_and_no_others)
{
    for (uint64_t first = 0; first < 100; first++) {
        for (uint64_t count = 0; first + count <= 100; count++) {
            uint8_t bits[16], other[16];
            memset(bits, 0, sizeof bits);
            memset(other, 0xFF, sizeof other);
            vx_bitmap_fill(bits, first, count, true);
            vx_bitmap_fill(other, first, count, false);
            for (size_t i = 0; i < 128; i++)
                cr_assert_eq(bit(bits, i), i >= first && i < first + count);
            for (size_t i = 0; i < sizeof bits; i++)
                cr_assert_eq(bits[i], (uint8_t)~other[i]);
        }
    }
}

Test(bitmap, counts_are_as_the_slow_way_says)
{
    uint8_t bits[64];
    for (uint32_t seed = 0; seed < 10; seed++) {
        fill_noise(bits, sizeof bits, seed);
        for (uint64_t first = 0; first < 512; first += 5)
            for (uint64_t count = 0; first + count <= 512; count += 9)
                cr_assert_eq(vx_bitmap_count(bits, first, count), slow_count(bits, first, count));
    }
}

Test(bitmap, the_bitmap_of_a_real_checkpoint)
{
    static uint8_t bits[VX_MIB];
    bool value;
    uint64_t place = 0, runs = 0, owned = 0;
    if (!sample_read("hyperv2019-checkpoint-8G.avhdx", 4 * VX_MIB, bits, sizeof bits))
        cr_skip_test("VHDX_SAMPLES is not set");
    cr_assert_eq(vx_bitmap_count(bits, 0, VX_MIB * 8), 520);
    while (place < VX_MIB * 8) {
        uint64_t length = vx_bitmap_run(bits, place, VX_MIB * 8 - place, &value);
        if (value) {
            cr_assert_eq(length % 8, 0); /* the guest wrote clusters of 4 KiB */
            owned += length;
            runs++;
        }
        place += length;
    }
    cr_assert_eq(owned, 520);
    cr_assert_gt(runs, 14);
}
