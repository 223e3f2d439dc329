/*
 * Sector bitmap, MS-VHDX 2.5.2. See bitmap.h. No byte outside of those that
 * hold the bits asked for may be touched, so whole words are only for where 64 bits are left.
 */
/* SPDX-License-Identifier: MIT */
#include "format/bitmap.h"

#include "base/checked.h"

#include <string.h>

#define WORD_BITS 64u

/* `count` (1 to 8) ones from bit `first` of a byte on. */
static uint8_t byte_mask(uint64_t first, uint64_t count)
{
    return (uint8_t)((0xFFu >> (8 - count)) << first);
}

/* Bits from `position` to the end of its byte, but no more than to `end`. */
static uint64_t bits_in_byte(uint64_t position, uint64_t end)
{
    return vx_min(8 - position % 8, end - position);
}

static bool whole_word(uint64_t position, uint64_t end)
{
    return position % 8 == 0 && end - position >= WORD_BITS;
}

uint64_t vx_bitmap_run(const uint8_t *bits, uint64_t first, uint64_t limit, bool *value)
{
    *value = bits[first / 8] >> first % 8 & 1;
    const uint64_t same = *value ? UINT64_MAX : 0;
    const uint64_t end = first + limit;
    uint64_t position = first;
    while (position < end) {
        for (; whole_word(position, end); position += WORD_BITS) {
            uint64_t other = vx_get64(bits + position / 8) ^ same;
            if (other != 0)
                return position - first + (uint64_t)__builtin_ctzll(other);
        }
        if (position == end)
            break;
        uint64_t count = bits_in_byte(position, end);
        unsigned other = (bits[position / 8] ^ (uint8_t)same) & byte_mask(position % 8, count);
        if (other != 0)
            return position / 8 * 8 + (uint64_t)__builtin_ctz(other) - first;
        position += count;
    }
    return limit;
}

static void fill_in_byte(uint8_t *bits, uint64_t position, uint64_t count, bool value)
{
    uint8_t mask = byte_mask(position % 8, count);
    if (value)
        bits[position / 8] |= mask;
    else
        bits[position / 8] &= (uint8_t)~mask;
}

void vx_bitmap_fill(uint8_t *bits, uint64_t first, uint64_t count, bool value)
{
    uint64_t position = first;
    const uint64_t end = first + count;
    if (position % 8 != 0 && position < end) {
        uint64_t head = bits_in_byte(position, end);
        fill_in_byte(bits, position, head, value);
        position += head;
    }
    uint64_t bytes = (end - position) / 8;
    if (bytes > 0)
        memset(bits + position / 8, value ? 0xFF : 0, (size_t)bytes);
    position += bytes * 8;
    if (position < end)
        fill_in_byte(bits, position, end - position, value);
}

uint64_t vx_bitmap_count(const uint8_t *bits, uint64_t first, uint64_t count)
{
    uint64_t total = 0;
    uint64_t position = first;
    const uint64_t end = first + count;
    while (position < end) {
        if (whole_word(position, end)) {
            total += (uint64_t)__builtin_popcountll(vx_get64(bits + position / 8));
            position += WORD_BITS;
            continue;
        }
        uint64_t in_byte = bits_in_byte(position, end);
        total += (uint64_t)__builtin_popcount(bits[position / 8] & byte_mask(position % 8, in_byte));
        position += in_byte;
    }
    return total;
}
