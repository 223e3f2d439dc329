/*
 * Quoting. See quote.h. Easy to get wrong: PowerShell takes the typographic quotation marks for plain ones, so these are doubled too.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/quote.h"

#include <string.h>

char *vx_quote_shell(struct vx_arena *arena, const char *name, bool windows)
{
    size_t used = 0;
    char *text = vx_arena_take(arena, 4 * strlen(name) + 5, 1);
    if (!text)
        return NULL;
    text[used++] = windows ? '"' : '\'';
    if (name[0] == '-') {
        text[used++] = '.';
        text[used++] = windows ? '\\' : '/';
    }
    for (; *name; name++) {
        if (*name == '\'' && !windows) {
            memcpy(text + used, "'\\''", 4);
            used += 4;
        } else if (*name != '"' || !windows) { /* a name on Windows has no '"' in it */
            text[used++] = *name;
        }
    }
    text[used] = windows ? '"' : '\'';
    return text;
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
