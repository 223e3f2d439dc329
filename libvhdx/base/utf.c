/*
 * UTF-16LE to UTF-8 and back, and names without regard to letter case. See utf.h. Nothing here decides what a name may
 * contain. A pair of surrogates is one character; one alone is kept as three
 * bytes.
 */
/* SPDX-License-Identifier: MIT */
#include "base/utf.h"

#include <string.h>

#define IS_HIGH_SURROGATE(unit) (((unit)&0xFC00u) == 0xD800u)
#define IS_LOW_SURROGATE(unit) (((unit)&0xFC00u) == 0xDC00u)

size_t vx_utf8_put(uint32_t code, char *text)
{
    uint8_t *t = (uint8_t *)text;
    if (code < 0x80) {
        t[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        t[0] = (uint8_t)(0xC0 | code >> 6);
        t[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        t[0] = (uint8_t)(0xE0 | code >> 12);
        t[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        t[2] = (uint8_t)(0x80 | (code & 63));
        return 3;
    }
    t[0] = (uint8_t)(0xF0 | code >> 18);
    t[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    t[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    t[3] = (uint8_t)(0x80 | (code & 63));
    return 4;
}

/* One character of UTF-16LE, 2 bytes at least; returns how many bytes it took. */
static size_t get_utf16(struct vx_bytes in, uint32_t *code)
{
    uint32_t first = vx_get16(in.data), next = in.size >= 4 ? vx_get16(in.data + 2) : 0;
    bool pair = IS_HIGH_SURROGATE(first) && IS_LOW_SURROGATE(next);
    *code = pair ? 0x10000 + ((first & 0x3FF) << 10 | (next & 0x3FF)) : first;
    return pair ? 4 : 2;
}

size_t vx_utf16_to_utf8(struct vx_bytes in, char *text)
{
    size_t length = 0;
    while (in.size >= 2) {
        uint32_t code;
        size_t taken = get_utf16(in, &code);
        if (code == 0)
            break;
        length += vx_utf8_put(code, text + length);
        in = vx_bytes_of(in.data + taken, in.size - taken);
    }
    text[length] = '\0';
    return length;
}

/* Length of the UTF-8 sequence that this first byte announces; 0 when none begins so. */
static size_t sequence_length(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first < 0xE0)
        return 2;
    if (first >= 0xE0 && first < 0xF0)
        return 3;
    return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

/* A NUL is no continuation byte, so that nothing behind it is read. */
size_t vx_utf8_get(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *t = (const uint8_t *)text;
    size_t length = size > 0 ? sequence_length(t[0]) : 0;
    if (length == 0 || length > size)
        return 0;
    if (length == 1) {
        *code = t[0];
        return 1;
    }
    uint32_t value = t[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((t[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (t[i] & 63u);
    }
    if (value < smallest[length] || value > 0x10FFFF)
        return 0;
    *code = value;
    return length;
}

/* The units of one character; returns how many bytes they take. */
static size_t put_utf16(uint32_t code, uint8_t units[4])
{
    if (code < 0x10000) {
        vx_put16(units, (uint16_t)code);
        return 2;
    }
    vx_put16(units, (uint16_t)(0xD800 | (code - 0x10000) >> 10));
    vx_put16(units + 2, (uint16_t)(0xDC00 | ((code - 0x10000) & 0x3FF)));
    return 4;
}

/* Bytes that `text` takes as UTF-16; SIZE_MAX when it is no UTF-8. */
static size_t utf16_size(const char *text)
{
    size_t size = 0;
    while (*text) {
        uint32_t code;
        size_t taken = vx_utf8_get(text, SIZE_MAX, &code);
        if (taken == 0)
            return SIZE_MAX;
        size += code < 0x10000 ? 2 : 4;
        text += taken;
    }
    return size;
}

size_t vx_utf8_to_utf16(const char *text, uint8_t *out, size_t out_size)
{
    size_t size = utf16_size(text);
    if (size == SIZE_MAX || size > out_size)
        return size;
    uint32_t code;
    for (; *text; text += vx_utf8_get(text, SIZE_MAX, &code)) {
        vx_utf8_get(text, SIZE_MAX, &code);
        out += put_utf16(code, out);
    }
    return size;
}

/*
 * Small letters whose capital is `distance` away: every `step`-th one from `first` to `last`. Windows compares names by
 * their capitals, letter by letter; letters whose capital is none or several (sharp s, dotless i) stay as they are
 * there too.
 */
static const struct capital_row {
    uint16_t first, last;
    uint16_t step;
    int16_t distance;
} capital_rows[] = {
    {0x0061, 0x007A, 1, -32}, {0x00E0, 0x00F6, 1, -32}, {0x00F8, 0x00FE, 1, -32}, {0x00FF, 0x00FF, 1, 121},
    {0x0101, 0x012F, 2, -1},  {0x0133, 0x0137, 2, -1},  {0x013A, 0x0148, 2, -1},  {0x014B, 0x0177, 2, -1},
    {0x017A, 0x017E, 2, -1},  {0x01CE, 0x01DC, 2, -1},  {0x01DF, 0x01EF, 2, -1},  {0x01F9, 0x021F, 2, -1},
    {0x0223, 0x0233, 2, -1},  {0x03AC, 0x03AC, 1, -38}, {0x03AD, 0x03AF, 1, -37}, {0x03B1, 0x03C1, 1, -32},
    {0x03C2, 0x03C2, 1, -31}, {0x03C3, 0x03CB, 1, -32}, {0x03CC, 0x03CC, 1, -64}, {0x03CD, 0x03CE, 1, -63},
    {0x03D9, 0x03EF, 2, -1},  {0x0430, 0x044F, 1, -32}, {0x0450, 0x045F, 1, -80}, {0x0461, 0x0481, 2, -1},
    {0x048B, 0x04BF, 2, -1},  {0x04C2, 0x04CE, 2, -1},  {0x04CF, 0x04CF, 1, -15}, {0x04D1, 0x052F, 2, -1},
    {0x1E01, 0x1E95, 2, -1},  {0x1EA1, 0x1EFF, 2, -1},
};

static uint32_t capital(uint32_t code)
{
    for (size_t i = 0; i < sizeof capital_rows / sizeof capital_rows[0]; i++) {
        const struct capital_row *row = &capital_rows[i];
        if (code >= row->first && code <= row->last && (code - row->first) % row->step == 0)
            return (uint32_t)((int32_t)code + row->distance);
    }
    return code;
}

/* Reads one character of `size` bytes as its capital; a byte that is no UTF-8 becomes a number that no character has.
 * Returns how many bytes it took. */
static size_t get_capital(const char *text, size_t size, uint32_t *code)
{
    *code = (uint8_t)*text;
    if (*code < 0x80) { /* nearly all of them, and a search compares millions */
        *code = *code >= 'a' && *code <= 'z' ? *code - 32 : *code;
        return 1;
    }
    size_t taken = vx_utf8_get(text, size, code);
    *code = taken ? capital(*code) : 0x110000u + (uint8_t)*text;
    return taken ? taken : 1;
}

static uint32_t next_capital(const char **text)
{
    uint32_t code;
    *text += get_capital(*text, SIZE_MAX, &code);
    return code;
}

static bool begins_with_name(struct vx_bytes in, const char *name, bool wide)
{
    while (*name) {
        uint32_t code, wanted = next_capital(&name);
        if (in.size < (wide ? 2u : 1u))
            return false;
        size_t taken = wide ? get_utf16(in, &code) : get_capital((const char *)in.data, in.size, &code);
        if ((wide ? capital(code) : code) != wanted)
            return false;
        in = vx_bytes_of(in.data + taken, in.size - taken);
    }
    return true;
}

bool vx_bytes_hold_name(struct vx_bytes in, const char *name)
{
    for (size_t at = 0; at < in.size; at++) {
        struct vx_bytes rest = vx_bytes_of(in.data + at, in.size - at);
        if (begins_with_name(rest, name, false) || begins_with_name(rest, name, true))
            return true;
    }
    return false;
}

/* Parts end at separators or at the end of the text, so no character is cut. */
int vx_name_compare_part(const char *a, size_t a_length, const char *b, size_t b_length)
{
    const char *a_end = a + a_length, *b_end = b + b_length;
    while (a < a_end && b < b_end) {
        uint32_t first = next_capital(&a), second = next_capital(&b);
        if (first != second)
            return first < second ? -1 : 1;
    }
    return (a < a_end) - (b < b_end);
}

bool vx_name_equal_part(const char *a, size_t a_length, const char *b, size_t b_length)
{
    return vx_name_compare_part(a, a_length, b, b_length) == 0;
}

bool vx_name_equal(const char *a, const char *b)
{
    return vx_name_equal_part(a, strlen(a), b, strlen(b));
}
