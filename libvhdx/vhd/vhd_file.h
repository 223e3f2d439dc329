/*
 * One open VHD: which of its footers counts, its dynamic header, its parent's names. Reads only; judges no more than
 * reading needs (verify/check_vhd.c says the rest). Easy to get wrong: a fixed disk has its footer at the end only, so
 * one that was cut off looks like a raw disk.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VHD_VHD_FILE_H
#define VX_VHD_VHD_FILE_H

#include "format/vhd.h"
#include "io/io.h"

/* Where the footer that counts was found. */
enum vx_vhd_place {
    VX_VHD_AT_END,     /* the last 512 bytes */
    VX_VHD_AT_END_OLD, /* the last 511, as Virtual PC wrote it before 2004 */
    VX_VHD_AT_START,   /* the copy, because the one at the end is missing or damaged */
};

struct vx_vhd {
    struct vx_file *file; /* its owner closes it */
    uint64_t file_size;
    struct vx_vhd_footer footer;
    enum vx_vhd_place place;
    struct vx_vhd_header header;         /* all zero of a fixed disk; `parent_name` is empty: see below */
    uint64_t entry_count;                /* of the table, as many as the disk needs */
    char *relative_path, *absolute_path; /* of the parent, UTF-8; NULL: none */
};

/*
 * Looks for a footer: *is_vhd when the end of the file or its beginning has one with the right checksum, or, of a
 * damaged disk, one with the right signature where nothing else would have it. What makes it unusable is told by
 * vx_vhd_open().
 */
vhdx_status vx_vhd_recognize(struct vx_file *file, bool *is_vhd, vhdx_error *err);

/*
 * Opens the VHD in `file`, which stays the caller's. NOT_VHDX: there is no footer. CORRUPT, UNSUPPORTED: structures
 * that contradict themselves or cannot be read; the place is in the error.
 */
vhdx_status vx_vhd_open(struct vx_file *file, struct vx_vhd **vhd, vhdx_error *err);
/* Takes NULL. */
void vx_vhd_close(struct vx_vhd *vhd);

/* The id of the VHD at `path`, without locks: three small reads at the most. NOT_VHDX: it is none. */
vhdx_status vx_vhd_peek_identity(const vhdx_host *host, const char *path, vhdx_guid *id, vhdx_error *err);

/* Finds the footer that counts. NOT_VHDX: there is none; `place` and `footer` then mean nothing. */
vhdx_status vx_vhd_find_footer(struct vx_file *file, struct vx_vhd_footer *footer, enum vx_vhd_place *place,
                               vhdx_error *err);

static inline bool vx_vhd_has_parent(const struct vx_vhd *vhd)
{
    return vhd->footer.type == VX_VHD_DIFFERENCING;
}

static inline bool vx_vhd_is_fixed(const struct vx_vhd *vhd)
{
    return vhd->footer.type == VX_VHD_FIXED;
}

#endif
