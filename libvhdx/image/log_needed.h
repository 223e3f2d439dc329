/*
 * Whether a damaged log can be done without: a proof, not a guess. An entry is not needed when every page in it is
 * already where it belongs; an entry that cannot be read whole proves nothing, and is needed.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_LOG_NEEDED_H
#define VX_IMAGE_LOG_NEEDED_H

#include "image/log_scan.h"

/*
 * *needed = false: all that entries with the LogGuid of `header` hold, whole or not, is in `file` where they aim.
 * The range of the log must be a possible one.
 */
vhdx_status vx_log_needed(struct vx_file *file, const struct vx_header *header, bool *needed, vhdx_error *err);

/* Whether a page is of a log, as far as its first bytes tell. */
bool vx_log_is_page(const uint8_t *page);

enum vx_log_trace {
    VX_LOG_NOWHERE, /* no entry with that LogGuid where a log can begin */
    VX_LOG_TRACES,  /* entries, but none from which to replay */
    VX_LOG_FOUND,
};

/*
 * Looks for the log of `header`'s LogGuid where the header does not say that it is: a log of the usual length at a
 * multiple of 1 MiB in the first GiB. Each entry has a checksum and the LogGuid, so FOUND is a proof; then *place is
 * `header` with the log's place.
 */
vhdx_status vx_log_search(struct vx_file *file, const struct vx_header *header, struct vx_header *place,
                          enum vx_log_trace *trace, vhdx_error *err);
/*
 * Whether the log that `header` names may be one to which nothing was ever written under its LogGuid: it is in the
 * file, and holds zeros and pieces of entries only. What holds anything else has been overwritten.
 */
vhdx_status vx_log_is_unbegun(struct vx_file *file, const struct vx_header *header, bool *unbegun, vhdx_error *err);
/*
 * Whether something is there that is no log: bytes that are not zero, and not one page of an entry. An empty log
 * holds zeros or the entries of earlier times, so a header that leads to anything else is wrong about the place.
 */
vhdx_status vx_log_is_foreign(struct vx_file *file, const struct vx_header *header, bool *foreign, vhdx_error *err);

#endif
