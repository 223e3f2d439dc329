/*
 * What shows that a file is a VHDX when all of its first MiB is gone: structures that nothing else has, at places where
 * only a VHDX puts them. Gathers; verify/recognize.c decides by it. A
 * disk of a machine, or an archive, may hold a VHDX and is none; what it begins with says so.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_TRACES_H
#define VX_IMAGE_TRACES_H

#include "io/io.h"

struct vx_traces {
    const char *foreign;      /* what the file begins as: something else; NULL = nothing that is known. Static. */
    uint64_t metadata_offset; /* of a metadata table that names disk parameters; 0 = none */
    uint32_t metadata_items;  /* known ones in it */
    uint64_t log_offset;      /* of a log entry whose checksum is right; 0 = none */
    uint64_t bat_offset;      /* of what can be nothing but a BAT; 0 = none */
    uint64_t bat_blocks;      /* in its first 64 KiB */
};

/*
 * Looks at the first 64 MiB, where all known writers put log, metadata and BAT of a new disk, at whole MiB only. Fails
 * for lack of memory and when the host does.
 */
vhdx_status vx_traces_look(struct vx_file *file, struct vx_traces *traces, vhdx_error *err);

#endif
