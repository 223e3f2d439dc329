/*
 * The table of advice and its words. See advice.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/advice.h"

#include <string.h>

struct row {
    vhdx_advice advice;
    const char *name, *words;
};

static const struct row rows[] = {
    {VHDX_ADVICE_NONE, "NONE", ""},
#define VX_ADVICE(name, words) {VHDX_ADVICE_##name, #name, words},
#include "base/advice.def"
#undef VX_ADVICE
};

static const struct row *row_of(vhdx_advice advice)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].advice == advice)
            return &rows[i];
    return NULL;
}

const char *vhdx_advice_name(vhdx_advice advice)
{
    const struct row *row = row_of(advice);
    return row ? row->name : "UNKNOWN";
}

const char *vx_advice_words(vhdx_advice advice)
{
    const struct row *row = row_of(advice);
    return row ? row->words : NULL;
}

static size_t put(char *text, size_t room, size_t used, const char *bytes, size_t length)
{
    if (used + 1 < room)
        memcpy(text + used, bytes, length < room - 1 - used ? length : room - 1 - used);
    return used + length;
}

size_t vx_advice_format(vhdx_advice advice, const char *first, const char *second, char *text, size_t room)
{
    const char *words = vx_advice_words(advice);
    size_t used = 0;
    while (words && *words) {
        const char *argument = strncmp(words, "{1}", 3) == 0 ? first : second;
        if (strncmp(words, "{1}", 3) == 0 || strncmp(words, "{2}", 3) == 0) {
            used = put(text, room, used, argument ? argument : "", argument ? strlen(argument) : 0);
            words += 3;
        } else {
            used = put(text, room, used, words++, 1);
        }
    }
    if (room > 0)
        text[used < room ? used : room - 1] = '\0';
    return used;
}
