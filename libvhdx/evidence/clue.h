/*
 * What a damaged disk says about one of its values: the value's part, the witness that was believed, and one sentence
 * for a person. Words and records only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_CLUE_H
#define VX_EVIDENCE_CLUE_H

#include "evidence/told.h"

#include <stdbool.h>
#include <vhdx.h>

enum vx_part {
    VX_PART_FILE_ID,
    VX_PART_HEADER,   /* both copies */
    VX_PART_LOG,      /* whether there is something to replay: LogGuid */
    VX_PART_REGIONS,  /* both copies */
    VX_PART_METADATA, /* the metadata table: which items there are and where */
    VX_PART_BLOCK_SIZE,
    VX_PART_PARAMETER_FLAGS, /* fixed, has parent */
    VX_PART_VIRTUAL_SIZE,
    VX_PART_LOGICAL_SECTOR,
    VX_PART_PHYSICAL_SECTOR,
    VX_PART_DISK_ID,
    VX_PART_LOCATOR,
    VX_PART_BAT, /* entries that are not as they stand; see `placements` */
    VX_PART_COUNT,
};

enum vx_witness {
    VX_WITNESS_STORED, /* as it stands in the file */
    VX_WITNESS_CALLER, /* who asks says so */
    VX_WITNESS_TWIN,
    VX_WITNESS_LOG,     /* an entry of the log, active or not */
    VX_WITNESS_RESIDUE, /* what is left of the structure itself, or lies behind it */
    VX_WITNESS_PARENT,
    VX_WITNESS_GEOMETRY,
    VX_WITNESS_CONTENT,
    VX_WITNESS_DEFAULT,
    VX_WITNESS_NONE, /* nothing was found; the value is zero */
};

struct vx_clue {
    enum vx_witness witness;
    bool lossless;
    char evidence[232]; /* one sentence for a person, without a period; "" for STORED */
};

/* "header", "region table", ...; static. */
const char *vx_part_name(enum vx_part part);

/* What sizes.h makes of the three values by which all else is measured. */
enum vx_size_verdict {
    VX_SIZES_STAND,   /* nothing contradicts them, or nothing else agrees with everything */
    VX_SIZES_SETTLED, /* others agree with everything that contradicts the stored ones */
    VX_SIZES_TIED,    /* several others do, and nothing says which of them are right */
};

struct vx_size_answer {
    enum vx_size_verdict verdict;
    /* SETTLED: the values, and whether the evidence leaves no others; TIED: one of those that would do */
    uint64_t virtual_size, stored_virtual_size, other_virtual_size; /* other: TIED, another one */
    uint32_t block_size, stored_block_size, other_block_size;
    uint32_t logical_sector, stored_logical_sector, other_logical_sector;
    bool lossless;
    /* From here on it is in doubt whether the disk goes on; 0 = nothing speaks against its end. Never less than what
     * the last block with an entry begins with. */
    uint64_t certain_end;
    bool contradicted;  /* STAND: the blocks overlap as those of another size, but no other size agrees with all */
    bool unusable;      /* contradicted, so that no repair must measure anything by the stored block size */
    bool larger_fits;   /* blocks lie side by side as those of a larger size, and not as those of the stored one */
    bool by_guest_only; /* only the partition table contradicts, and no byte of the disk depends on the answer */
    enum vx_witness witness;
    char evidence[232]; /* one sentence without a period */
};

/* What is known of a disk that may be the parent. It is asked only when the child's locator does not name another. */
struct vx_parent_hint {
    vhdx_guid identity; /* DataWriteGuid */
    vhdx_guid disk_id;
    uint32_t logical_sector, physical_sector;
    uint64_t virtual_size;
};

/* The first of the files at `paths` that opens as a disk should. false: none does. */
bool vx_parent_hint_find(const vhdx_host *host, const char *const *paths, size_t count, struct vx_parent_hint *hint);

#endif
