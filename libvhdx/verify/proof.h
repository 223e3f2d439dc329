/*
 * Whether the content of a child shows that a file is the disk under it, when the ids do not say so. What counts is a structure with checksums of
 * which one part lies in the child and another in the layers below: the GUID partition table and its backup.
 *
 * Easy to get wrong: such a table is the same in every state of one disk, in its copies and in all layers below the parent. It shows
 * that the two belong to one disk, not that the file is what it was when the child was made, nor that no layer between them is
 * missing. So only a file that the caller names, or that bears the parent's name, may be asked about, and linking by it gives something up.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_PROOF_H
#define VX_VERIFY_PROOF_H

#include "chain/resolve.h"
#include "image/exam.h"

struct vx_proof {
    bool readable;      /* the child reads through the file */
    bool proven;        /* a structure spans both, it is right, and nothing contradicts it */
    vhdx_guid identity; /* of the file, when it is readable */
    char text[700];     /* what is seen, for a finding; "" = nothing is recognized */
};

/* Only NOMEM is a failure. `child` is read as the exam reads it, so it may be a sketch. */
vhdx_status vx_prove_parent(const struct vx_exam *child, const char *candidate, const struct vx_search *search,
                            struct vx_proof *proof, vhdx_error *err);

#endif
