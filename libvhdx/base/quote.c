/*
 * Quoting. See quote.h. PowerShell takes the typographic quotation marks for plain ones, so these
 * are doubled too; and a name with a line end or bytes that are no UTF-8 must still be that name when it is copied from
 * a terminal, a page or JSON, none of which can show it as it is.
 */
/* SPDX-License-Identifier: MIT */
#include "base/quote.h"

#include "base/utf.h"

#include <string.h>

/* Control characters beyond ASCII, line ends of Unicode, and marks that turn the direction of writing. */
static bool is_hidden(uint32_t c)
{
    return (c >= 0x80 && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* The length of the character at `text` when it can be shown as it is; else 0. */
static size_t plain_length(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    char one[5] = {0};
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    uint32_t c = first & (0x7fU >> length);
    one[0] = text[0];
    for (size_t i = 1; i < length && text[i]; i++) {
        one[i] = text[i];
        c = c << 6 | ((unsigned char)text[i] & 0x3fU);
    }
    bool is_surrogate = c >= 0xd800 && c <= 0xdfff; /* the conversion lets these pass */
    bool is_character = strlen(one) == length && vx_utf8_to_utf16(one, NULL, 0) != SIZE_MAX && !is_surrogate;
    return is_character && !is_hidden(c) ? length : 0;
}

static bool is_plain(const char *name)
{
    size_t length = 1;
    for (; *name && length > 0; name += length)
        length = plain_length(name);
    return length > 0;
}

/* What is in $'...': three octal digits for a byte, which nothing that follows can lengthen. */
static size_t put_escaped(char *text, const char *name)
{
    size_t used = 0;
    while (*name) {
        size_t length = plain_length(name);
        unsigned byte = (unsigned char)*name;
        if (length == 0 || *name == '\'' || *name == '\\') {
            text[used++] = '\\';
            text[used++] = (char)('0' + (byte >> 6));
            text[used++] = (char)('0' + (byte >> 3 & 7U));
            text[used++] = (char)('0' + (byte & 7U));
            name++;
        } else {
            memcpy(text + used, name, length);
            used += length;
            name += length;
        }
    }
    return used;
}

static size_t put_plain(char *text, const char *name, bool windows)
{
    size_t used = 0;
    for (; *name; name++) {
        if (*name == '\'' && !windows) {
            memcpy(text + used, "'\\''", 4);
            used += 4;
        } else if (*name != '"' || !windows) { /* a name on Windows has no '"' in it */
            text[used++] = *name;
        }
    }
    return used;
}

char *vx_quote_shell(struct vx_arena *arena, const char *name, bool windows)
{
    size_t used = 0;
    bool escaped = !windows && !is_plain(name);
    char *text = vx_arena_take(arena, 4 * strlen(name) + 6, 1);
    if (!text)
        return NULL;
    if (escaped)
        text[used++] = '$';
    text[used++] = windows ? '"' : '\'';
    if (name[0] == '-') {
        text[used++] = '.';
        text[used++] = windows ? '\\' : '/';
    }
    used += escaped ? put_escaped(text + used, name) : put_plain(text + used, name, windows);
    text[used] = windows ? '"' : '\'';
    return text;
}

/* On Windows also what means nothing to cmd.exe and to PowerShell. */
static bool is_harmless(const char *name, bool windows)
{
    bool harmless = name[0] && name[0] != '-' && is_plain(name);
    for (; harmless && *name; name++) {
        char c = *name;
        bool word = vx_ascii_is_letter((uint8_t)c) || (c >= '0' && c <= '9');
        bool other = strchr(windows ? "_.:/+-\\" : "_.:/+-=@%,", c) != NULL;
        harmless = word || other || (!windows && (c & 0x80));
    }
    return harmless;
}

const char *vx_quote_word(struct vx_arena *arena, const char *name, bool windows)
{
    return is_harmless(name, windows) ? vx_arena_text(arena, name) : vx_quote_shell(arena, name, windows);
}

/* U+2018 to U+201B in UTF-8. */
static bool is_typographic(const char *text)
{
    const unsigned char *t = (const unsigned char *)text;
    return t[0] == 0xE2 && t[1] == 0x80 && t[2] >= 0x98 && t[2] <= 0x9B;
}

char *vx_quote_powershell(struct vx_arena *arena, const char *name)
{
    size_t used = 0;
    char *text = vx_arena_take(arena, 2 * strlen(name) + 3, 1);
    if (!text)
        return NULL;
    text[used++] = '\'';
    for (; *name; name++) {
        if (is_typographic(name)) {
            memcpy(text + used, name, 3);
            used += 3;
        } else if (*name == '\'') {
            text[used++] = '\'';
        }
        text[used++] = *name;
    }
    text[used] = '\'';
    return text;
}
