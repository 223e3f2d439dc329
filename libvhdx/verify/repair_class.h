/*
 * How far a repair of what is lost can be trusted: values that are gone are sought by their witnesses (rebuild.h), and
 * a finding says which one there is. Lossless where the evidence leaves no other reading, or where no content depends
 * on the value; salvage where it does leave one; none where nothing was found.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_REPAIR_CLASS_H
#define VX_VERIFY_REPAIR_CLASS_H

#include "rebuild/rebuild.h"
#include "verify/verify.h"

/* Whether the finding says that place or length of a region cannot be, or that tables contradict each other. */
bool vx_evidence_is_of_regions(enum vx_find kind);
/* What a repair of that part would be. */
vhdx_repair_class vx_evidence_class(const struct vx_rebuilt *rebuilt, enum vx_part part);
/* Of the metadata table with all that it leads to. */
vhdx_repair_class vx_evidence_table_class(const struct vx_rebuilt *rebuilt);
/* The same for a BAT that is too short. */
vhdx_repair_class vx_evidence_room_class(const struct vx_rebuilt *rebuilt);

/*
 * Settles repair class and advice of the findings so far. Does nothing when none of them is about something lost.
 * `known`: what was rebuilt of the disk already, NULL = nothing.
 */
vhdx_status vx_check_evidence(struct vx_verification *v, const struct vx_rebuilt *known, vhdx_error *err);

#endif
