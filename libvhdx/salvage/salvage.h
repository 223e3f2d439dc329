/*
 * Reading a damaged disk to its end: layers that open however damaged they are, and for each place of the virtual disk
 * the bytes with a word on how far to trust them. Nothing is written to a layer, nothing is refused because of what is
 * elsewhere. The strict reader is chain/layered.c. The one thing that is easy to get wrong: "not there" and "not known"
 * both read as zeros; only the map tells them apart.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_SALVAGE_SALVAGE_H
#define VX_SALVAGE_SALVAGE_H

#include "chain/chain.h"
#include "image/runs.h"
#include "rebuild/rebuild.h"
#include "io/patient.h"

struct vx_salvage_layer {
    const struct vx_patient *patient; /* the file as it lies there; NULL: all of it can be read */
    struct vx_file *file;
    bool borrowed; /* `file` belongs to somebody else */
    struct vx_rebuilt *rebuilt;
    struct vx_image *image; /* over the rebuilt view */
    struct vx_run_reader reader;
    uint64_t view_size;
    bool has_reader;
    const char *doubt;     /* why nothing that the layer says is certain, NULL = it is; static */
    uint64_t certain_end;  /* of the virtual disk: from here on it is in doubt whether it goes on */
    bool maybe_child;      /* whether there is a parent below is not certain */
    struct {               /* of salvage_place.c */
        uint64_t place;    /* of the block that was asked for last, 0 = none */
        const char *doubt; /* of that one */
        uint64_t read;     /* bytes */
    } asked;
};

struct vx_salvage_layers {
    const vhdx_host *host;
    struct vx_rescue_map bad;       /* of the leaf's file */
    struct vx_salvage_layer *items; /* leaf first */
    size_t count;
    bool only_pieces;    /* of the leaf: there is no image, and nothing to be asked */
    bool parent_missing; /* the last layer has a parent that is not there */
};

/* Opens `path` and what can be found of its ancestors. NOT_VHDX when nothing in the leaf is recognized, and its name
 * does not say either that it was a VHDX; else fails for reasons of the host only. */
vhdx_status vx_salvage_open(const char *path, const vhdx_salvage_options *options, struct vx_salvage_layers *layers,
                            vhdx_error *err);
/*
 * One open file alone, which stays the caller's and can be read to its end: its parent counts as missing, so that each
 * place says whether the file itself answers for it. `options`: host, progress and notices are used. Statuses as
 * vx_salvage_open().
 */
vhdx_status vx_salvage_open_file(struct vx_file *file, const vhdx_salvage_options *options,
                                 struct vx_salvage_layers *layers, vhdx_error *err);
/* Takes what one of these has left, also after a failure. */
void vx_salvage_close(struct vx_salvage_layers *layers);

/* A piece of the virtual disk that one layer answers for. */
struct vx_salvage_piece {
    uint64_t virtual_offset, length;
    size_t layer;
    uint64_t file_offset; /* in the layer's view; VHDX_NOWHERE: reads as zeros */
    bool mixed; /* own sectors where they are not zero, else what lies below: which are its own is not known */
    vhdx_salvage_kind kind;
    const char *reason;  /* static; "" when good */
    bool parent_doubted; /* MISSING, and it is in doubt whether it is the parent's */
    bool only_unowned;   /* in doubt only because of content in the file that no block owns */
};

/* What is known at `virtual_offset`, through the layers from `first` on, for at most `limit` bytes (limit > 0). */
vhdx_status vx_salvage_at(struct vx_salvage_layers *layers, size_t first, uint64_t virtual_offset, uint64_t limit,
                          struct vx_salvage_piece *piece, vhdx_error *err);
/* The bytes of a piece, from `done` on; what cannot be read is zeros. */
vhdx_status vx_salvage_read(struct vx_salvage_layers *layers, const struct vx_salvage_piece *piece, uint64_t done,
                            void *buf, size_t length, vhdx_error *err);

/* salvage_place.c: what speaks against a place at which a block with data lies, besides other claims; NULL: nothing
 * does. `block_offset`: in the view. And whether a reason is of that kind. */
const char *vx_salvage_doubt_place(struct vx_salvage_layer *layer, uint64_t block_offset);
bool vx_salvage_is_place_doubt(const char *reason);

/* vhdx_salvage(). */
vhdx_status vx_salvage(const char *child, const char *raw, const vhdx_salvage_options *options,
                       vhdx_salvage_report *report, vhdx_error *err);

#endif
