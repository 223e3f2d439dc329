/*
 * What an ext4 file system, of which a part lies in a child and another in the layers below, says about the two:
 * whether the layers below are the state of the disk that the child was made on. Bytes come from callbacks, twice: as
 * they read through the child, and as they read without it.
 *
 * Easy to get wrong: checksums that fit show that two layers belong to one disk and refute most other states, but a
 * state that differs only in what the child has overwritten, or in the content of files, fits as well. Only a counter
 * that moves with every change tells states apart.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_PROOF_EXT4_H
#define VX_VERIFY_PROOF_EXT4_H

#include <vhdx.h>

struct vx_two_views {
    void *context;
    /* false: they cannot be had. The range may lie anywhere. `below`: without the child. */
    bool (*read)(void *context, bool below, void *buf, size_t length, uint64_t virtual_offset);
    /* *child: whether the child itself says what is here; *length: for how many bytes from here on, 1 to `limit`. */
    bool (*who)(void *context, uint64_t virtual_offset, uint64_t limit, bool *child, uint64_t *length);
    /* false: the caller wants it to end. */
    bool (*go_on)(void *context);
};

/* In ascending order of how much it outweighs what others say. */
enum vx_proof_word {
    VX_PROOF_NONE,  /* nothing is said */
    VX_PROOF_DISK,  /* they belong to one disk, and no state of it that this one could not be is seen */
    VX_PROOF_STATE, /* this very state */
    VX_PROOF_DOUBT, /* they do not fit, but what is in the lower layers alone does not either, or cannot be asked */
    VX_PROOF_OTHER, /* another state, or another disk */
};

struct vx_ext4_proof {
    enum vx_proof_word word;
    uint32_t matches, mismatches; /* structures that lie in both and fit, or do not */
    char text[300];               /* why; "" for NONE */
};

/* The volume [offset, +length) of the disk. Reads some tens of MiB at most. Only NOMEM is a failure. */
vhdx_status vx_prove_by_ext4(const struct vx_two_views *views, uint64_t offset, uint64_t length,
                             struct vx_ext4_proof *proof, vhdx_error *err);

#endif
