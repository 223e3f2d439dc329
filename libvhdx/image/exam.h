/*
 * Everything that can be learnt of a file, however damaged: the survey, the view with the log replayed, the better copy
 * of each table, each metadata item on its own, and the geometry as far as it follows. Where open.c refuses, an exam
 * goes on and says what it does not know. It judges nothing (verify/ does) and writes nothing. `image` looks like an
 * open image, but only what `has_geometry` and the other flags vouch for may be used through it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_EXAM_H
#define VX_IMAGE_EXAM_H

#include "image/image.h"
#include "image/survey.h"
#include "io/patient.h"

enum vx_exam_knows {
    VX_KNOWS_PARAMETERS = 1 << 0, /* block size and flags, as stored */
    VX_KNOWS_VIRTUAL_SIZE = 1 << 1,
    VX_KNOWS_DISK_ID = 1 << 2,
    VX_KNOWS_LOGICAL_SECTOR = 1 << 3,
    VX_KNOWS_PHYSICAL_SECTOR = 1 << 4,
    VX_KNOWS_LOCATOR = 1 << 5, /* `locator` decodes */
};

struct vx_exam {
    const vhdx_host *host;
    struct vx_file *raw; /* as the host gives it */
    bool borrowed;       /* `raw` belongs to another program */
    struct vx_patient patient;
    struct vx_file *file; /* `raw`, with zeros for what cannot be read */
    struct vx_survey *survey;
    struct vx_file *view; /* `file`, or an overlay on it with the log replayed */

    /* the current one; when no checksum is right, one that at least looks like a header; NULL = none */
    const struct vx_header *header;
    int header_slot;     /* 0 or 1, -1 = none */
    bool header_guessed; /* its checksum is wrong */
    bool has_log;        /* the header names a usable place for the log, inside of the file or not */

    const struct vx_region_table *regions; /* the copy in use; NULL = none */
    int region_copy;                       /* 0 or 1, -1 = none */
    bool has_bat, has_metadata;            /* with a usable place */
    struct vx_region bat, metadata;

    struct vx_metadata_table *table; /* NULL = no region, or nothing in it that looks like a table */
    bool table_guessed;              /* its signature is missing */
    /* of the table as they are in the view, VX_METADATA_TABLE_SIZE of them; NULL = no region */
    uint8_t *table_bytes;
    unsigned knows; /* VX_KNOWS_* */
    struct vx_file_parameters parameters;
    uint64_t virtual_size;
    uint32_t logical_sector_size, physical_sector_size;
    vhdx_guid disk_id;
    uint8_t *locator_bytes; /* NULL = no such item, or not inside of the region */
    uint32_t locator_size;
    struct vx_locator *locator;

    bool has_geometry; /* the sizes are known and fit together */
    struct vx_geometry geometry;
    uint64_t bat_entries;  /* of geometry.entry_count, those that the BAT region has room for */
    struct vx_image image; /* for vx_bat_window and vx_run_reader, see vx_exam_is_readable() */
};

/*
 * Opens the file at `path` and learns. NOT_VHDX when the file is empty; else fails only as the host does: whether this
 * is a VHDX at all is for the caller to ask. `known_bad`: ranges that are not to be read at all, may be NULL.
 */
vhdx_status vx_exam_open(const vhdx_host *host, const char *path, vhdx_open_mode access,
                         const struct vx_ranges *known_bad, struct vx_exam **exam, vhdx_error *err);
/* The same on an open file, which stays the caller's and must outlive the exam. */
vhdx_status vx_exam_of(const vhdx_host *host, struct vx_file *file, const struct vx_ranges *known_bad,
                       struct vx_exam **exam, vhdx_error *err);
/* Takes NULL. */
void vx_exam_close(struct vx_exam *exam);

/* Whether the identifier, a header or a region table says that this is a VHDX. */
bool vx_exam_is_plain(const struct vx_exam *exam);
/* Whether `exam->image` may be given to bat windows and run readers. */
bool vx_exam_is_readable(const struct vx_exam *exam);

static inline bool vx_exam_knows(const struct vx_exam *exam, unsigned what)
{
    return (exam->knows & what) == what;
}

#endif
