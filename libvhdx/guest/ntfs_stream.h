/*
 * Reading files of NTFS from their records, on a single view of a volume: the map of the MFT, attributes that are
 * spread over several records, streams in pieces. Bounded: an MFT in more pieces than fit its map, or a list of
 * attributes longer than its buffer, is refused.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_NTFS_STREAM_H
#define VX_GUEST_NTFS_STREAM_H

#include "guest/free_volume.h"
#include "guest/ntfs.h"

#define VX_NTFS_MAP_RUNS 2048u

struct vx_ntfs_volume {
    struct vx_free_volume *volume;
    struct vx_ntfs_boot boot;
    uint64_t clusters;
    uint8_t *base, *extension, *list, *piece; /* parts of the volume's buffer */
    uint32_t list_size;
    struct vx_ntfs_run *map; /* of the MFT, as far as is known */
    uint32_t map_count;
};

#define VX_NTFS_PIECE 65536u /* the longest piece of a stream */

/* Which attribute. */
struct vx_ntfs_want {
    uint32_t record, type;
    bool named;
};

/* Decodes the boot sector and maps the MFT. false: `volume->reason` says why not. */
bool vx_ntfs_volume_open(struct vx_free_volume *volume, struct vx_ntfs_volume *ntfs);
/* Reads a file record into `record` (VX_NTFS_RECORD_MAX bytes), bytes put back, and decodes it. */
bool vx_ntfs_read_record(const struct vx_ntfs_volume *ntfs, uint64_t number, uint8_t *record,
                         struct vx_ntfs_record *decoded);

/* Called for each run, in order. false ends the walk. */
typedef bool vx_ntfs_run_fn(void *context, const struct vx_ntfs_run *run);
/*
 * Walks through all runs of an attribute that is not resident. *size: of the attribute. false: it is not there, is
 * resident, its runs do not follow each other, or `visit` said so.
 */
bool vx_ntfs_runs_each(struct vx_ntfs_volume *ntfs, const struct vx_ntfs_want *want, uint64_t *size,
                       vx_ntfs_run_fn *visit, void *context);

enum vx_ntfs_go {
    VX_NTFS_GO_ON,
    VX_NTFS_GO_ENOUGH,
    VX_NTFS_GO_WRONG,
};

/* Called with each piece; the last one may be shorter. */
typedef enum vx_ntfs_go vx_ntfs_piece_fn(void *context, const uint8_t *piece, size_t length, uint64_t offset);
/*
 * Reads an attribute in pieces of `length` bytes (at most VX_NTFS_PIECE). false: as above, it has a hole, or `visit`
 * said WRONG.
 */
bool vx_ntfs_stream_each(struct vx_ntfs_volume *ntfs, const struct vx_ntfs_want *want, size_t length,
                         vx_ntfs_piece_fn *visit, void *context);
/* The value of a resident attribute of a record that was read. */
bool vx_ntfs_resident(const struct vx_ntfs_volume *ntfs, const uint8_t *record, uint32_t type, bool named,
                      struct vx_bytes *value);

#endif
