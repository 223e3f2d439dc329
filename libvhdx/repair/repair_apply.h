/*
 * From the sketch to the disk: the undo file first, then the plan's changes in an order in which a cut leaves the old
 * disk, the new one, or one that the same repair completes.
 *
 *  A1  Nothing changes before the undo file (if there is to be one) holds what was there.
 *  A2  The identifier and, where no copy of it is valid, a header come first and one by one, so that the undo file
 *      knows the disk again at each instant.
 *  A3  Space that is new is filled before anything refers to it.
 *  A4  Region tables, metadata, BAT and bitmaps change through the journal (image/journal.h): those pages that fit into
 *      one log entry change together, tables and metadata before BAT and bitmaps.
 *  A5  The file is cut only after nothing durable refers to what is cut off.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REPAIR_REPAIR_APPLY_H
#define VX_REPAIR_REPAIR_APPLY_H

#include "plan/repair_plan.h"

/*
 * `undo`: path of the undo file, NULL = none. *begun: whether there is one now; also set on failure. The plan's file
 * must be writable and unchanged since the plan was made.
 */
vhdx_status vx_repair_apply(struct vx_plan *plan, const char *undo, bool *begun, vhdx_error *err);
/* Refuses what vx_repair_apply() would refuse because of an undo file that is there; writes nothing. */
vhdx_status vx_repair_check_undo(struct vx_plan *plan, const char *undo, vhdx_error *err);

#endif
