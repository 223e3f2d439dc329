/*
 * Replays an active sequence: into an overlay for reading, or onto the disk itself (MS-VHDX 2.3.3). Replay may be
 * repeated: a crash in the middle just means that it is done again. Clearing LogGuid afterwards is the caller's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_LOG_REPLAY_H
#define VX_IMAGE_LOG_REPLAY_H

#include "image/log_scan.h"

/*
 * Applies `sequence` (found by vx_log_scan in the log that `header` names, in `file`) to `target`, which is `file` or
 * an overlay on it. TRUNCATED: the file is shorter than the log knows it was. CORRUPT: an entry aims at the log itself.
 */
vhdx_status vx_log_replay(struct vx_file *file, const struct vx_header *header, const struct vx_log_sequence *sequence,
                          struct vx_file *target, vhdx_error *err);

#endif
