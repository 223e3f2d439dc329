/*
 * Names of virtual disks in bytes of unknown structure. See disk_names.h. An extension is found first, then its name
 * backwards from there, never over the end of the name before it: so the work grows with the bytes and not with what is
 * in them.
 */
/* SPDX-License-Identifier: MIT */
#include "config/disk_names.h"

#include "base/alloc.h"
#include "base/utf.h"

#include <string.h>

#define LONGEST_NAME 1024u /* characters; longer ones are cut at their beginning */

/* Text in one of the encodings, as units of 1 or 2 bytes. */
struct units {
    const uint8_t *bytes;
    size_t count, width;
};

static uint32_t unit(const struct units *text, size_t i)
{
    return text->width == 2 ? vx_get16(text->bytes + 2 * i) : text->bytes[i];
}

/* Units of the extension that begins at `at`, 0 when none does. The longest one: ".vhdx" is not ".vhd". */
static size_t extension_at(const struct units *text, size_t at)
{
    static const char *const extensions[] = {".avhdx", ".avhd", ".vhdx", ".vhds", ".vhd"};
    if (unit(text, at) != '.')
        return 0;
    for (size_t e = 0; e < sizeof extensions / sizeof extensions[0]; e++) {
        size_t length = strlen(extensions[e]), i = 1;
        while (i < length && i < text->count - at && vx_ascii_lower(unit(text, at + i)) == (uint8_t)extensions[e][i])
            i++;
        if (i == length)
            return length;
    }
    return 0;
}

/* What Windows allows in a path; '?' for the prefix "\\?\". */
static bool may_be_in_path(uint32_t c, size_t width)
{
    if (c < 0x20 || c == 0x7F || c == '"' || c == '<' || c == '>' || c == '|' || c == '*')
        return false;
    return width == 1 || c < 0xFFF0;
}

/* Whether an absolute or relative path begins at `at`: "C:\", "\\", ".\". */
static bool path_begins(const struct units *text, size_t at, size_t end)
{
    if (end - at < 3)
        return false;
    uint32_t a = unit(text, at), b = unit(text, at + 1);
    return (vx_ascii_is_letter(a) && b == ':' && unit(text, at + 2) == '\\') || (b == '\\' && (a == '\\' || a == '.'));
}

/* Where the name that ends at `end` begins: as far back as a path goes, and at the last beginning of a path in
 * there. */
static size_t name_begin(const struct units *text, size_t floor, size_t at, size_t end)
{
    size_t begin = at;
    while (begin > floor && end - begin < LONGEST_NAME && may_be_in_path(unit(text, begin - 1), text->width))
        begin--;
    for (size_t i = at; i-- > begin;)
        if (path_begins(text, i, end) && !(i > begin && path_begins(text, i - 1, end)))
            return i;
    return begin;
}

static bool is_separator(uint32_t c)
{
    return c == '\\' || c == '/' || c == ':';
}

static char *name_text(const struct units *text, size_t begin, size_t end)
{
    struct vx_bytes bytes = vx_bytes_of(text->bytes + begin * text->width, (end - begin) * text->width);
    char *name = vx_alloc(text->width == 2 ? VX_UTF8_ROOM(bytes.size) : bytes.size + 1, 1);
    if (name && text->width == 2)
        vx_utf16_to_utf8(bytes, name);
    else if (name)
        memcpy(name, bytes.data, bytes.size);
    return name;
}

static bool find_in(const struct units *text, struct vx_config *config, vhdx_texts *list)
{
    size_t floor = 0;
    for (size_t at = 0; at < text->count; at++) {
        size_t length = extension_at(text, at);
        if (length == 0)
            continue;
        size_t end = at + length, begin = name_begin(text, floor, at, end);
        bool nameless = begin == at || is_separator(unit(text, at - 1));
        floor = end;
        at = end - 1;
        if (nameless)
            continue;
        char *name = name_text(text, begin, end);
        bool room = name && vx_config_add(config, list, VX_CONFIG_TEXTS_MAX, name);
        if (!name)
            vx_config_fail(config);
        vx_free(name);
        if (!room)
            return false;
    }
    return true;
}

bool vx_disk_names_find(struct vx_bytes in, unsigned encodings, struct vx_config *config, vhdx_texts *list)
{
    bool all = true;
    if (encodings & VX_NAMES_UTF16)
        for (size_t odd = 0; odd < 2 && odd < in.size; odd++)
            all = find_in(&(struct units){in.data + odd, (in.size - odd) / 2, 2}, config, list) && all;
    if (encodings & VX_NAMES_UTF8)
        all = find_in(&(struct units){in.data, in.size, 1}, config, list) && all;
    return all;
}
