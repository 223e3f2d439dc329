/*
 * Distance of words (restricted Damerau and Levenshtein). See nearest.h. Words are options and commands, so what is
 * long is none of them.
 */
/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <string.h>

enum { WORD_MAX = 31 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *word, size_t length, const char *name)
{
    size_t rows[WORD_MAX + 1][WORD_MAX + 1], other = strlen(name);
    if (length > WORD_MAX || other > WORD_MAX)
        return WORD_MAX + 1;
    for (size_t i = 0; i <= length; i++)
        for (size_t j = 0; j <= other; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            size_t changed = rows[i - 1][j - 1] + (word[i - 1] != name[j - 1]);
            rows[i][j] = least(changed, least(rows[i - 1][j], rows[i][j - 1]) + 1);
            if (i > 1 && j > 1 && word[i - 1] == name[j - 2] && word[i - 2] == name[j - 1])
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    return rows[length][other];
}

int nearest_fits(size_t distance, size_t length)
{
    return length >= 3 && distance <= (length < 6 ? 1u : 2u);
}
