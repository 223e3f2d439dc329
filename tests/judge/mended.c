/*
 * Rounds that failed once and were mended: a seed and the one damage that does it. The disk comes from the seed and what
 * the damage does from the seed as well, so a round stays what it was when there are more damages to choose from.
 */
/* SPDX-License-Identifier: MIT */
#include "judge.h"

static const struct judge_mended mended[] = {
    /* a guessed region was written where a block of zeros had been whose entry was lost */
    {1118, "truncated"},
    {1611, "truncated"},
    {1885, "truncated"},
    {2325, "truncated"},
    {4227, "beginning-zero"},
};

const struct judge_mended *judge_mended_at(size_t row)
{
    return row < sizeof mended / sizeof mended[0] ? &mended[row] : NULL;
}
