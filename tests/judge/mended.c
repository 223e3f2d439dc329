/*
 * Rounds that failed once and were mended: a seed and the damages that do it. The disk comes from the seed and what the
 * damages do from the seed as well, so a round stays what it was when there are more damages to choose from.
 */
/* SPDX-License-Identifier: MIT */
#include "judge.h"

static const struct judge_mended mended[] = {
    /* a guessed region was written where a block of zeros had been whose entry was lost */
    {1118, "truncated", false},
    {1611, "truncated", false},
    {1885, "truncated", false},
    {2325, "truncated", false},
    {4227, "beginning-zero", false},
    /* a child's size is smaller than the partition table in its parent says */
    {1326, "item-size", false},
    {20250069, "item-size", false},
    {20250134, "item-size", false},
    /* another block size, and few blocks to contradict it */
    {816, "item-legal", false},
    {1774, "item-legal", false},
    {2560, "item-legal", false},
    {20250145, "item-legal", false},
    {20250490, "item-legal", false},
    {20250578, "item-legal", false},
    {20250636, "item-legal", false},
    {5000011, "item-legal", false},
    {5000247, "item-legal", false},
    {5000988, "item-legal", false},
    {5002779, "item-legal", false},
    /* a child whose mark is lost: sector bitmaps say what it is */
    {5001190, "item-legal", false},
    {5002875, "item-garbage", false},
    /* one high bit of the size, for which the BAT was moved and the file grew */
    {2696, "item-garbage", false},
    {3000485, "item-garbage", false},
    {3003228, "item-garbage", false},
    /* larger sectors, which nothing contradicts */
    {3003342, "item-legal", false},
    {5001614, "item-legal", false},
    {5001990, "item-legal", false},
    {5002073, "item-legal", false},
    /* the log where a header says it is, and a block's content there; lengths that reach beyond the end of the file */
    {3257, "header-field", true},
    {4100599, "entry-field,region-field", true},
    {4100809, "-,region-field,header-field", true},
    {6000580, "header-field,-", true},
    {6000949, "header-raw", true},
    {6001032, "header-field,region-field", true},
    /* a wrong bit behind the last block is no block, for which the BAT had to be moved */
    {6000444, "item-garbage,bit-flips", true},
    /* a log brings back a part of a sector bitmap that was cut off, and takes the rest of it for the parent's */
    {6000681, "truncated,-", true},
    /* no header is left, and the log does not begin with an entry, or is not where a header without checksum says */
    {2311, "header-raw", true},
    {2351, "-,-,beginning-zero", true},
    {4100516, "header-raw,-", true},
    {6001224, "header-raw", true},
    {6001322, "header-raw", true},
    {30101347, "header-raw", true},
    {30102320, "header-raw,-", true},
    /* a log that was moved leaves its entries behind, which are no content */
    {30102708, "header-field,-", true},
    /* a table that is right about the BAT, which is damaged there */
    {30102297, "bat-place,region-field", true},
    /* a region that is too long, and content where its padding would be */
    {30102471, "region-field,bat-piece", true},
    /* what lay behind the end of a file that was cut off */
    {2232, "truncated,bat-state", true},
    {6000273, "bat-zero,truncated", true},
    {6000973, "bat-state,truncated,bat-garbage", true},
    {30102400, "bat-garbage,truncated", true},
    /* sizes, and a BAT that is damaged as well */
    {2462, "item-legal,bat-piece", true},
    {30100927, "bat-piece,item-legal", true},
    {30101819, "item-size,bat-garbage", true},
    {30102861, "bat-piece,item-legal", true},
    /* some pages of the BAT are lost, and others were zeroed along with them */
    {4100080, "piece-swap", true},
    {6001627, "piece-swap,bat-state", true},
    {4100588, "-,piece-swap,bat-piece", true},
    /* which header is in use changes with a repair */
    {1253, "truncated,header-raw", true},
    /* what a guess had made of the disk beyond its new end */
    {30102523, "-,log-field", true},
    /* entries that name another block's place, and content without an owner */
    {6001543, "bat-garbage,bat-place,-", true},
    {30100551, "bat-state,bat-place", true},
    {40000173, "bat-piece,-,item-zero", true},
    /* sizes that are rounded, or that fit larger blocks; a kind that is not certain */
    {2394, "item-legal,item-zero", true},
    {4100375, "item-garbage", true},
    {5001145, "item-legal,item-size,item-garbage", true},
    {5001431, "item-legal,item-garbage,item-legal", true},
    {40001227, "habit-slots", true},
    /* a salvage did less than a plain repair, or gave up what that one mends */
    {5001073, "item-legal,item-legal,item-garbage", true},
    {5001119, "item-legal,item-garbage", true},
    {40001114, "item-legal,item-garbage,entry-zero", true},
    /* the journal's own entries are evidence as well */
    {40003898, "header-log-guid,-,-", true},
    /* a log that is said to be where a block has zeros; a region of 4 GiB */
    {50003784, "region-field,header-field", true},
    {50011144, "header-field,entry-zero", true},
    {50002451, "bat-piece,region-field", true},
    /* a log that is found elsewhere, and knows a longer file */
    {61000716, "truncated,header-field", true},
    /* a log aims at a block, and the sizes that would say so are gone */
    {40002911, "bit-flips,log-field", true},
};

const struct judge_mended *judge_mended_at(size_t row)
{
    return row < sizeof mended / sizeof mended[0] ? &mended[row] : NULL;
}
