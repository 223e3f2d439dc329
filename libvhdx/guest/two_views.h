/*
 * Two layers as the proofs of file systems see them: the disk as it reads through the child and as it
 * reads without it, and which side holds which bytes. Bytes come from callbacks, which may fail anywhere. What a volume
 * manager has in pieces becomes a volume of one piece by other callbacks (proof_lvm.c).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_TWO_VIEWS_H
#define VX_GUEST_TWO_VIEWS_H

#include <vhdx.h>

struct vx_two_views {
    void *context;
    /* false: they cannot be read. The range may be anywhere. `below`: without the child. */
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

struct vx_fs_proof {
    enum vx_proof_word word;
    uint32_t matches, mismatches; /* structures that are in both and fit, or do not */
    char text[500];               /* why; of NONE why nothing can be said, "" = there is nothing to say that of */
};

/* [offset, +length) of the disk. */
struct vx_volume {
    const struct vx_two_views *views;
    uint64_t offset, length;
};

/* Which side holds bytes of a structure, and which of those bytes are not zero. */
struct vx_held {
    bool child, below, child_means, below_means;
};

bool vx_volume_get(const struct vx_volume *volume, bool below, uint64_t at, void *buf, size_t length);
/* Which side holds [at, +limit), from there on for *length. */
bool vx_volume_who(const struct vx_volume *volume, uint64_t at, uint64_t limit, bool *child, uint64_t *length);
/* Adds the side that holds [at, +length), which reads as `bytes`. */
bool vx_volume_held(const struct vx_volume *volume, uint64_t at, const uint8_t *bytes, size_t length,
                    struct vx_held *held);

#endif
