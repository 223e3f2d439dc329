/*
 * The other disks in the directories of a chain's layers, and what they say of their parents: for operations that
 * change a layer, and must know which disks that would harm. Reads them all, without locks and through damage, and
 * writes nothing. A disk whose parent is unknown may be a child of any disk.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_NEIGHBOURS_H
#define VX_CHAIN_NEIGHBOURS_H

#include "chain/chain.h"

struct vx_neighbour {
    char *path;
    vhdx_file_facts facts; /* the file's identity, whatever its name */
    bool is_disk;          /* its parent's identity could be read, or that it has no parent */
    bool is_obscure;       /* it is a disk, or is named like one, but its parent is unknown */
    bool is_busy;          /* another program holds it so that it cannot even be looked at */
    bool is_unreadable;    /* the host failed to read it: it may be anybody's child */
    bool is_elsewhere;     /* on another host: it cannot be opened here */
    bool has_identity;
    vhdx_guid data_write_guid;
    bool has_linkage, has_linkage2; /* linkage2: only when it is set and may name a parent */
    vhdx_guid linkage, linkage2;
    bool is_merged; /* it says itself that the disk its linkage names holds all of it */
};

/* A disk in another place, found by a search of the caller's. */
struct vx_far_disk {
    const char *path;
    bool is_elsewhere; /* on another host: it cannot be opened here */
    bool is_obscure, is_busy;
    bool has_identity, has_linkage, has_linkage2; /* linkage2: only when it is set */
    vhdx_guid data_write_guid, file_write_guid, linkage, linkage2;
};

struct vx_far_disks {
    const struct vx_far_disk *items;
    size_t count;
};

struct vx_neighbours {
    struct vx_neighbour *items;
    size_t count, room;
    char *vhd_set; /* path of a VHD set that (perhaps) holds a layer, NULL = none */
};

/* All other disks in the directories of the layers [0, layer_count), and in the directories among the places `also`
 * (may be NULL). */
vhdx_status vx_neighbours_find(struct vx_chain *chain, size_t layer_count, const struct vx_search *also,
                               struct vx_neighbours *neighbours, vhdx_error *err);
/*
 * Adds disks that are elsewhere, but for the layers themselves, which another host may see under another path.
 * `with_uppers`: also those of other hosts that hang on the child; they cannot be linked to the target from here, but
 * go on reading through the child as long as that stays.
 */
vhdx_status vx_neighbours_add(const struct vx_chain *chain, const struct vx_far_disks *far, bool with_uppers,
                              struct vx_neighbours *neighbours, vhdx_error *err);
/* The disk of that identity; NULL: none of them. */
const struct vx_neighbour *vx_neighbour_find(const struct vx_neighbours *neighbours, const vhdx_guid *data_write_guid);
/*
 * The identity of a disk's parent: its linkage, or its second one where only that is known, among the neighbours or
 * as `also`. false: it has no parent.
 */
bool vx_neighbour_parent(const struct vx_neighbours *neighbours, const struct vx_neighbour *disk, const vhdx_guid *also,
                         vhdx_guid *parent);
void vx_neighbours_free(struct vx_neighbours *neighbours);

#endif
