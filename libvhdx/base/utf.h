/*
 * UTF-16LE as it is in files, to UTF-8 and back. Unpaired surrogates become the three-byte form that would encode
 * them (and come back as they were), so that nothing is lost and nothing is fatal. Also comparison of names as Windows
 * does it, without regard to letter case, good enough for finding candidates: ASCII and the Latin, Greek and Cyrillic
 * blocks. And letters and digits of ASCII.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_UTF_H
#define VX_BASE_UTF_H

#include "base/bytes.h"

/* Room that UTF-8 text of `utf16_size` bytes of UTF-16LE needs, with its NUL. */
#define VX_UTF8_ROOM(utf16_size) ((utf16_size) / 2 * 3 + 1)

/*
 * Converts up to the first NUL unit or the end; an odd last byte is ignored. `text` must have VX_UTF8_ROOM(in.size)
 * bytes. Returns the length without the NUL that is appended.
 */
size_t vx_utf16_to_utf8(struct vx_bytes in, char *text);

/*
 * Converts NUL-terminated UTF-8 into UTF-16LE bytes without terminator. Returns the number of bytes needed; writes only
 * when that fits `out_size`. SIZE_MAX when `text` is not UTF-8 (the surrogate form above is accepted).
 */
size_t vx_utf8_to_utf16(const char *text, uint8_t *out, size_t out_size);

/* Writes one character, at most 4 bytes; returns how many. */
size_t vx_utf8_put(uint32_t code, char *text);
/*
 * Reads one character of `size` bytes, or of NUL-terminated text when `size` is SIZE_MAX. Returns how many bytes it
 * took, 0 when there is none: bytes that are no UTF-8, overlong forms. The surrogate form above is accepted.
 */
size_t vx_utf8_get(const char *text, size_t size, uint32_t *code);

static inline bool vx_is_surrogate(uint32_t code)
{
    return code >= 0xD800 && code <= 0xDFFF;
}

/* Whether the bytes, of whatever structure, hold the name somewhere: as UTF-8 or as UTF-16LE, whatever the letter
 * case. */
bool vx_bytes_hold_name(struct vx_bytes in, const char *name);

/* Whether two UTF-8 names are equal but for letter case. Bytes that are no UTF-8 are compared as they are. */
bool vx_name_equal(const char *a, const char *b);

/* The same of the first bytes of two texts; parts that end where a separator or the text's end is. */
bool vx_name_equal_part(const char *a, size_t a_length, const char *b, size_t b_length);
/* Less than 0, 0 or more: an order in which equal names are together. */
int vx_name_compare_part(const char *a, size_t a_length, const char *b, size_t b_length);

/* Of ASCII only; everything else stays as it is. */
static inline uint32_t vx_ascii_lower(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static inline bool vx_ascii_is_letter(uint32_t c)
{
    return vx_ascii_lower(c) >= 'a' && vx_ascii_lower(c) <= 'z';
}

/* 0 to 15, or 16 when it is no hexadecimal digit. For decimal or octal, compare the result with the base. */
static inline unsigned vx_digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 16;
}

#endif
