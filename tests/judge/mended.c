/*
 * Rounds that failed once and were mended: a seed and the one damage that does it. The disk comes from the seed and
 * what the damage does from the seed as well, so a round stays what it was when there are more damages to choose from.
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
    /* a child's size is smaller than the partition table in its parent says */
    {1326, "item-size"},
    {20250069, "item-size"},
    {20250134, "item-size"},
    /* another block size, and few blocks to contradict it */
    {816, "item-legal"},
    {1774, "item-legal"},
    {2560, "item-legal"},
    {20250145, "item-legal"},
    {20250490, "item-legal"},
    {20250578, "item-legal"},
    {20250636, "item-legal"},
    {5000011, "item-legal"},
    {5000247, "item-legal"},
    {5000988, "item-legal"},
    {5002779, "item-legal"},
    /* a child whose mark is lost: sector bitmaps say what it is */
    {5001190, "item-legal"},
    {5002875, "item-garbage"},
    /* one high bit of the size, for which the BAT was moved and the file grew */
    {2696, "item-garbage"},
    {3000485, "item-garbage"},
    {3003228, "item-garbage"},
    /* larger sectors, which nothing contradicts */
    {3003342, "item-legal"},
    {5001614, "item-legal"},
    {5001990, "item-legal"},
    {5002073, "item-legal"},
};

const struct judge_mended *judge_mended_at(size_t row)
{
    return row < sizeof mended / sizeof mended[0] ? &mended[row] : NULL;
}
