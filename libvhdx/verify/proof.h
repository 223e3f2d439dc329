/*
 * Whether the content of a child shows that a file is the disk under it, when the ids do not say so. What counts is a
 * structure of which one part lies in the child and another in the layers below: the GUID partition table and its
 * backup, the checksums and the journal of ext4 (proof_ext4.h), the file records and the log of NTFS (proof_ntfs.h).
 *
 * Easy to get wrong: a partition table is the same in every state of one disk, in its copies and in all layers below
 * the parent. It shows that the two belong to one disk, not that the file is what it was when the child was made, nor
 * that no layer between them is missing. So only a file that the caller names, or that bears the parent's name, may be
 * asked about, and linking by it gives something up. Only what tells states apart (VX_PROOF_STATE) gives nothing up.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_PROOF_H
#define VX_VERIFY_PROOF_H

#include "chain/resolve.h"
#include "image/exam.h"
#include "guest/two_views.h"

struct vx_proof {
    bool readable;           /* the child reads through the file */
    enum vx_proof_word word; /* of all structures together; DISK and STATE: nothing contradicts */
    vhdx_guid identity;      /* of the file, when it is readable */
    char text[1400];         /* what is seen, for a finding; "" = nothing is recognized */
};

/* How the caller hears of it and ends it; all NULL = not at all. */
struct vx_proof_progress {
    vhdx_progress_fn progress;
    void *context;
};

/* Only NOMEM and CANCELLED are failures. `child` is read as the exam reads it, so it may be a sketch. */
vhdx_status vx_prove_parent(const struct vx_exam *child, const char *candidate, const struct vx_search *search,
                            const struct vx_proof_progress *progress, struct vx_proof *proof, vhdx_error *err);

#endif
