/*
 * Maps as ddrescue keeps them, as files: of a copied disk file, which places of it are bad; of a virtual disk, which
 * ranges of it are lost. What a map looks like is rescue_map.h's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REPAIR_MAPS_H
#define VX_REPAIR_MAPS_H

#include "plan/repair_plan.h"

/* The places below `size` that the map at `path` does not call good, sorted; for vx_ranges_clear(). CORRUPT: no map. */
vhdx_status vx_maps_read(const vhdx_host *host, const char *path, uint64_t size, struct vx_ranges *bad,
                         vhdx_error *err);
/*
 * Writes what the plan loses of a virtual disk of `size` bytes, replacing a file that is there. `ids`: DataWriteGuids
 * that only a disk can have from which this repair has taken content already.
 */
vhdx_status vx_maps_write(const struct vx_plan *plan, uint64_t size, const vhdx_guid *ids, size_t id_count,
                          const char *path, vhdx_error *err);
/*
 * What a repair that was cut off has given up of the disk with this DataWriteGuid, into the plan: the disk does not
 * show it any more, the map does. *known: the map at `path` is of that disk. A file that is no such map is no failure.
 */
vhdx_status vx_maps_recall(struct vx_plan *plan, const vhdx_guid *id, const char *path, bool *known, vhdx_error *err);

#endif
