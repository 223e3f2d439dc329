/*
 * What somebody may have meant who typed a word that there is not: the one word of a list that it differs from by a
 * slip or two. Guesses are printed and never acted upon.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_NEAREST_H
#define VHDX_TOOLS_NEAREST_H

#include <stddef.h>

/* Slips between the first `length` characters of `word` and `name`: letters left out, put in, changed, or swapped. */
size_t nearest_distance(const char *word, size_t length, const char *name);

/* Whether so many slips in a word of that length are few enough to guess. */
int nearest_fits(size_t distance, size_t length);

#endif
