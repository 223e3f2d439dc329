/*
 * Verification of one file, and of the files around it: what all checks share, and the checks, one file a structure. A
 * check reports all that it finds and goes on; it fails only when memory runs out, the host's file fails in other ways
 * than unreadable bytes, or the caller cancels. Nothing here writes. Repair is made from the same records, see
 * findings.h. The one thing that is easy to get wrong: never take a value out of the exam without asking whether it is
 * known (`knows`, `has_...`).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_VERIFY_H
#define VX_VERIFY_VERIFY_H

#include "image/exam.h"
#include "findings/findings.h"
#include "evidence/lead.h"
#include "evidence/told.h"

struct vx_claims;

struct vx_verification {
    const vhdx_host *host;
    const vhdx_verify_options *options;
    vhdx_report *report;
    size_t file;               /* which one of the report */
    struct vx_told_sizes told; /* by whoever repairs */
    struct vx_exam *exam;      /* everything that could be learnt of the file */
    struct vx_leads leads;     /* of `exam`; open when some check has asked */
    /* left by check_space for the others: bytes of the file that somebody owns */
    uint64_t owned_end;       /* end of the last owner inside of the file */
    uint64_t leaked_bytes;    /* owned by nobody below that */
    uint64_t owned_blocks;    /* payload blocks that are said to be present */
    uint64_t stated_blocks;   /* payload blocks of which the BAT says anything, and be it that they are zeros */
    bool beyond_end;          /* some of them are not wholly in the file */
    uint64_t beyond_bytes;    /* of those, what is not in the file */
    uint64_t beyond_reach;    /* and how far behind its end the last one ends */
    uint64_t partial_in_base; /* blocks in a state that only children have */
    bool bitmap_in_base;      /* a sector bitmap lies where a child's BAT has it */
    bool larger_fits;         /* see vx_size_answer */
    bool nonsense_has_blocks; /* one of the pages below has entries of blocks */
    uint8_t *nonsense;        /* a bit for each page of the BAT that is nonsense (bat_page.h); NULL: none is */
};

/* Hands a record in. */
static inline void vx_verify_add(struct vx_verification *v, const struct vx_finding *finding)
{
    vx_report_add(v->report, v->file, finding);
}

/* Tells the caller how far the work is; CANCELLED when it is to end. */
vhdx_status vx_verify_step(struct vx_verification *v, uint64_t done, uint64_t total, vhdx_error *err);

struct vx_rebuilt;
/* What the disk must have been, by its own evidence and what the caller says; for vx_rebuild_free(). */
vhdx_status vx_verify_rebuild(struct vx_verification *v, struct vx_rebuilt **rebuilt, vhdx_error *err);

/* Pages of the BAT in which something else stands: check_bat.c finds them, others must not take their entries at their
 * word. */
vhdx_status vx_verify_set_nonsense(struct vx_verification *v, uint64_t page, vhdx_error *err);
bool vx_verify_is_nonsense(const struct vx_verification *v, uint64_t page);

/* The structures of one file, in the order of the format. */
vhdx_status vx_check_file(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_headers(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_log(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_regions(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_metadata(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_locator(struct vx_verification *v, vhdx_error *err);
/* Every MiB of the file; makes the claims, checks the BAT with them, and tells who contests what. */
vhdx_status vx_check_space(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_bat(struct vx_verification *v, struct vx_claims *claims, vhdx_error *err);
/* Blocks that are found missing take their space in `claims`. */
vhdx_status vx_check_absent(struct vx_verification *v, struct vx_claims *claims, uint64_t unowned, vhdx_error *err);
/* Blocks of a fixed disk that have no place, in a file that is too short for all of them. */
vhdx_status vx_check_fixed_absent(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_bitmaps(struct vx_verification *v, vhdx_error *err);
/* Places that the host could not read; after all others, who come upon them. */
vhdx_status vx_check_unreadable(struct vx_verification *v, vhdx_error *err);

/* Adds the partial blocks of a chunk to what is lost, because nobody can say any more which of their sectors are
 * there. */
vhdx_status vx_lose_partial_blocks(struct vx_verification *v, uint64_t chunk, const char *reason, vhdx_error *err);

/* What is around the structures: the host's file, the payload (with the manifest, when `manifest` is not NULL), the
 * ancestors. */
vhdx_status vx_check_host(struct vx_verification *v, vhdx_error *err);
vhdx_status vx_check_data(struct vx_verification *v, const char *manifest, vhdx_error *err);
vhdx_status vx_check_chain(struct vx_verification *v, vhdx_error *err);
/* Of all that, only what is wrong with the link from the first file to its parent, and nothing when that is not
 * found. */
vhdx_status vx_check_own_link(struct vx_verification *v, vhdx_error *err);

/* All that there is to check of a VHD, when `path` is one. */
vhdx_status vx_check_vhd(struct vx_verification *v, const char *path, bool *is_vhd, vhdx_error *err);

/* All of them on an exam that the caller made; records go to `v->report`, file `v->file`. */
vhdx_status vx_verify_structures(struct vx_verification *v, vhdx_error *err);

/* All records of vhdx_verify(), in a report that is not finished: repair classes are those of the checks. */
vhdx_status vx_verify(const char *path, const vhdx_verify_options *options, vhdx_report **report, vhdx_error *err);

#endif
