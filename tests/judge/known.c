/*
 * What is known to fail and is not mended yet: which check, after which damage, and why. A round that fails in another
 * way fails the suite. This table may only become shorter: a row goes as soon as 50,000 rounds do without it.
 */
/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <string.h>

static const struct {
    enum judge_check check;
    const char *damage;
} known[] = {
    {JUDGE_STATUS, "truncated"},         /* 50003580: a log of which one entry is longer than the file */
    {JUDGE_SALVAGE_WRONG, "entry-swap"}, /* 50007022, 50009818: each item is legal in the place of the other */
    {JUDGE_SALVAGE_WRONG, "item-legal"}, /* 50006837, 50010313: smaller sectors, and slots of bitmaps that are hollow */
    {JUDGE_SALVAGE_WRONG, "item-garbage"}, /* 50006040: a size of 512 GiB, for which the BAT has room */
    {JUDGE_SALVAGE_WRONG, "bat-place"},    /* 50008288, 50005024: the place that is left is zeros */
    {JUDGE_SALVAGE_WRONG, "bat-state"},    /* 50003366, 50003704, 50002511: one state is as legal as the other */
    {JUDGE_SALVAGE_WRONG, "bat-garbage"},  /* 50001161: an entry that the log has otherwise */
    {JUDGE_SALVAGE_WRONG, "truncated"},    /* 50008939, 50006893: the cut goes through the last of the content */
    {JUDGE_R1_BYTES, "truncated"},         /* 50000886: BAT and metadata at the end of the file */
    {JUDGE_R1_TRUST, "bat-place"},         /* 50005024 */
    {JUDGE_R1_TRUST, "bat-state"},         /* 50002511 */
    {JUDGE_LOSS_UNLISTED, "header-field"}, /* 50007681: a log that belongs to no header */
    {JUDGE_LOSS_UNLISTED, "truncated"},    /* 50005985 */
    {JUDGE_SALVAGED_WRONG, "bat-state"},   /* 50004839 */
    {JUDGE_GROWN, "bat-piece"},            /* 50006872, 50011087: a salvage with a block size that is too large */
};

bool judge_is_known(enum judge_check check, const char *damage)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].check == check && strcmp(known[i].damage, damage) == 0)
            return true;
    return false;
}
