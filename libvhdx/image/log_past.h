/*
 * What a log and the disk that it belongs to say of each other's age. By the letter of MS-VHDX 2.3.3 a LogGuid means
 * "replay before use, or refuse". Two writers break that: one marks the log before its first entry is there, and is
 * killed; the other writes the disk and leaves an old log behind. Both are told by proofs, never by a lack of contrary
 * signs. Reads only.
 *
 * A log that was emptied by damage looks like one that was never begun. Only a writer that marks
 * first can leave the latter, so the signs of that writer are asked for.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_LOG_PAST_H
#define VX_IMAGE_LOG_PAST_H

#include "image/survey.h"

/*
 * The log of the current header has no active sequence. *unbegun = true: nothing was ever logged under its LogGuid, so
 * nothing is missing. `survey` has the headers and, of the file as it is, the region tables.
 */
vhdx_status vx_log_is_unbegun_by_proof(struct vx_file *file, const struct vx_survey *survey, bool *unbegun,
                                       vhdx_error *err);

/*
 * Compares what a replay of survey->sequence makes (`replayed`) with the file as it is, and fills survey->stale: see
 * there.
 */
vhdx_status vx_log_compare_age(struct vx_file *file, struct vx_file *replayed, struct vx_survey *survey,
                               vhdx_error *err);

#endif
