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
    /* an empty entry, a page of zeros or a smaller size is believed though content has no owner */
    {JUDGE_VERIFY_SILENT, "bat-piece"},
    {JUDGE_VERIFY_SILENT, "bat-place"},
    {JUDGE_VERIFY_SILENT, "bat-state"},
    {JUDGE_VERIFY_SILENT, "bat-zero"},
    {JUDGE_VERIFY_SILENT, "header-log-guid"},
    {JUDGE_VERIFY_SILENT, "item-legal"},
    {JUDGE_VERIFY_SILENT, "log-stale"},
    /* the map calls good what contradicts other witnesses */
    {JUDGE_SALVAGE_WRONG, "bat-garbage"},
    {JUDGE_SALVAGE_WRONG, "bat-piece"},
    {JUDGE_SALVAGE_WRONG, "bat-place"},
    {JUDGE_SALVAGE_WRONG, "bat-shift"},
    {JUDGE_SALVAGE_WRONG, "bat-state"},
    {JUDGE_SALVAGE_WRONG, "bat-zero"},
    {JUDGE_SALVAGE_WRONG, "bit-flips"},
    {JUDGE_SALVAGE_WRONG, "header-field"},
    {JUDGE_SALVAGE_WRONG, "header-log-guid"},
    {JUDGE_SALVAGE_WRONG, "header-raw"},
    {JUDGE_SALVAGE_WRONG, "item-garbage"},
    {JUDGE_SALVAGE_WRONG, "item-legal"},
    {JUDGE_SALVAGE_WRONG, "item-size"},
    {JUDGE_SALVAGE_WRONG, "log-stale"},
    {JUDGE_SALVAGE_WRONG, "piece-zero"},
    /* a plain repair gives up a pointer or a log */
    {JUDGE_R1_BYTES, "bat-piece"},
    {JUDGE_R1_BYTES, "bat-state"},
    {JUDGE_R1_BYTES, "header-field"},
    {JUDGE_R1_BYTES, "item-garbage"},
    {JUDGE_R1_BYTES, "item-legal"},
    {JUDGE_R1_BYTES, "log-field"},
    {JUDGE_R1_BYTES, "piece-swap"},
    {JUDGE_R1_BYTES, "truncated"},
    /* a plain repair makes what was certain doubtful */
    {JUDGE_R1_TRUST, "bat-piece"},
    {JUDGE_R1_TRUST, "bat-state"},
    {JUDGE_R1_TRUST, "header-field"},
    {JUDGE_R1_TRUST, "header-log-guid"},
    {JUDGE_R1_TRUST, "item-legal"},
    {JUDGE_R1_TRUST, "log-field"},
    {JUDGE_R1_TRUST, "piece-swap"},
    {JUDGE_R1_TRUST, "piece-zero"},
    {JUDGE_R1_TRUST, "region-raw"},
    /* a plain repair believes a size that others contradict */
    {JUDGE_R1_SIZE, "log-field"},
    {JUDGE_R1_SIZE, "piece-swap"},
    /* a plain repair gives the space of pieces to others */
    {JUDGE_R1_PIECES, "bat-state"},
    {JUDGE_R1_PIECES, "header-field"},
    {JUDGE_R1_PIECES, "header-log-guid"},
    /* a plain repair makes a wrong state look right */
    {JUDGE_R1_WRONG, "bat-garbage"},
    {JUDGE_R1_WRONG, "bat-state"},
    /* a plain repair makes a wrong state look right */
    {JUDGE_READ_WRONG, "bat-garbage"},
    {JUDGE_READ_WRONG, "bat-piece"},
    {JUDGE_READ_WRONG, "bat-state"},
    {JUDGE_READ_WRONG, "bat-zero"},
    {JUDGE_READ_WRONG, "header-log-guid"},
    {JUDGE_READ_WRONG, "item-legal"},
    {JUDGE_READ_WRONG, "piece-swap"},
    {JUDGE_READ_WRONG, "piece-zero"},
    /* what a salvage gives up is not all listed */
    {JUDGE_LOSS_UNLISTED, "bat-place"},
    {JUDGE_LOSS_UNLISTED, "bat-state"},
    {JUDGE_LOSS_UNLISTED, "header-field"},
    {JUDGE_LOSS_UNLISTED, "header-raw"},
    {JUDGE_LOSS_UNLISTED, "item-garbage"},
    {JUDGE_LOSS_UNLISTED, "item-legal"},
    {JUDGE_LOSS_UNLISTED, "log-field"},
    {JUDGE_LOSS_UNLISTED, "piece-swap"},
    {JUDGE_LOSS_UNLISTED, "piece-zero"},
    /* what a salvage gives up is not all listed */
    {JUDGE_SALVAGED_WRONG, "bat-garbage"},
    {JUDGE_SALVAGED_WRONG, "bat-piece"},
    {JUDGE_SALVAGED_WRONG, "bat-place"},
    {JUDGE_SALVAGED_WRONG, "bat-state"},
    {JUDGE_SALVAGED_WRONG, "bat-zero"},
    {JUDGE_SALVAGED_WRONG, "beginning-zero"},
    {JUDGE_SALVAGED_WRONG, "header-field"},
    {JUDGE_SALVAGED_WRONG, "item-garbage"},
    {JUDGE_SALVAGED_WRONG, "item-legal"},
    {JUDGE_SALVAGED_WRONG, "log-stale"},
    {JUDGE_SALVAGED_WRONG, "piece-swap"},
    {JUDGE_SALVAGED_WRONG, "piece-zero"},
    {JUDGE_SALVAGED_WRONG, "truncated"},
    /* a region that is too long, or new, is written over payload */
    {JUDGE_PAYLOAD_WRITTEN, "bat-garbage"},
    {JUDGE_PAYLOAD_WRITTEN, "beginning-zero"},
    {JUDGE_PAYLOAD_WRITTEN, "header-field"},
    {JUDGE_PAYLOAD_WRITTEN, "header-raw"},
    {JUDGE_PAYLOAD_WRITTEN, "truncated"},
    /* a wrong length or place is made true by growing */
    {JUDGE_GROWN, "bat-garbage"},
    {JUDGE_GROWN, "bat-place"},
    {JUDGE_GROWN, "bit-flips"},
    {JUDGE_GROWN, "item-garbage"},
    {JUDGE_GROWN, "item-legal"},
    {JUDGE_GROWN, "log-field"},
    /* a class says more than the plan achieves */
    {JUDGE_PROMISE_PLAIN, "bat-piece"},
    {JUDGE_PROMISE_PLAIN, "beginning-zero"},
    {JUDGE_PROMISE_PLAIN, "bit-flips"},
    {JUDGE_PROMISE_PLAIN, "entry-field"},
    {JUDGE_PROMISE_PLAIN, "entry-swap"},
    {JUDGE_PROMISE_PLAIN, "header-field"},
    {JUDGE_PROMISE_PLAIN, "header-raw"},
    {JUDGE_PROMISE_PLAIN, "item-garbage"},
    {JUDGE_PROMISE_PLAIN, "locator-raw"},
    {JUDGE_PROMISE_PLAIN, "log-field"},
    {JUDGE_PROMISE_PLAIN, "region-field"},
    {JUDGE_PROMISE_PLAIN, "table-header"},
    {JUDGE_PROMISE_PLAIN, "truncated"},
    /* a class says more than the plan achieves */
    {JUDGE_PROMISE_SALVAGE, "bit-flips"},
    {JUDGE_PROMISE_SALVAGE, "entry-field"},
    {JUDGE_PROMISE_SALVAGE, "header-field"},
    {JUDGE_PROMISE_SALVAGE, "item-legal"},
    {JUDGE_PROMISE_SALVAGE, "item-size"},
    {JUDGE_PROMISE_SALVAGE, "locator-raw"},
    {JUDGE_PROMISE_SALVAGE, "truncated"},
    /* repair and verify do not agree */
    {JUDGE_VERDICT, "bat-piece"},
    /* a class says more than the plan achieves */
    {JUDGE_LOOP, "bat-piece"},
    {JUDGE_LOOP, "beginning-zero"},
    {JUDGE_LOOP, "bit-flips"},
    {JUDGE_LOOP, "entry-field"},
    {JUDGE_LOOP, "entry-swap"},
    {JUDGE_LOOP, "header-field"},
    {JUDGE_LOOP, "header-raw"},
    {JUDGE_LOOP, "item-legal"},
    {JUDGE_LOOP, "item-size"},
    {JUDGE_LOOP, "locator-raw"},
    {JUDGE_LOOP, "log-field"},
    {JUDGE_LOOP, "piece-swap"},
    {JUDGE_LOOP, "region-field"},
    {JUDGE_LOOP, "table-header"},
    {JUDGE_LOOP, "truncated"},
    {JUDGE_VERDICT, "piece-swap"},
    {JUDGE_PROMISE_SALVAGE, "item-garbage"},
};

bool judge_is_known(enum judge_check check, const char *damage)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].check == check && strcmp(known[i].damage, damage) == 0)
            return true;
    return false;
}
