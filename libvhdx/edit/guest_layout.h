/*
 * What the guest has on a disk, as far as its size matters: the copies of a GUID partition table, where the last
 * partition (or the file system, where there is no table) ends, and whether anything can be said at all. Read through
 * the chain; nothing is written.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_GUEST_LAYOUT_H
#define VX_EDIT_GUEST_LAYOUT_H

#include "chain/chain.h"
#include "guest/content.h"
#include "guest/gpt_bytes.h"

/* One copy of a GUID partition table. */
struct vx_table_copy {
    bool right; /* header and array have the right checksums */
    struct vx_gpt gpt;
    uint8_t header[VX_PAGE]; /* its sector */
    uint8_t *array;          /* whole sectors, zeros behind the entries */
};

enum vx_layout_kind {
    VX_LAYOUT_NOTHING, /* no table, no file system whose size is known */
    VX_LAYOUT_GPT,
    VX_LAYOUT_RECORD,  /* partitions in a boot record */
    VX_LAYOUT_VOLUME,  /* a file system without a table */
    VX_LAYOUT_DAMAGED, /* there is or was something, and where it ends cannot be told: see `doubt` */
};

struct vx_layout {
    enum vx_layout_kind kind;
    const char
        *doubt; /* DAMAGED: what is wrong, a sentence; of a GPT: why its headers cannot be put right; NULL = nothing */
    struct vx_chain *chain;
    uint32_t sector_size;
    uint64_t virtual_size;
    uint8_t record[VX_PAGE];        /* the first sector of the disk */
    struct vx_table_copy copies[2]; /* primary, backup */
    int best;                       /* the copy that counts; GPT only */
    uint64_t array_sectors;         /* GPT only */
    uint64_t end;                   /* of the last partition or of the file system; 0 = there is none */
    char last[192];                 /* which one that is: "partition 2 (Root)" */
};

/* Fails as reading does. `layout` is for vx_layout_free() in any case. */
vhdx_status vx_layout_read(struct vx_chain *chain, struct vx_layout *layout, vhdx_error *err);
void vx_layout_free(struct vx_layout *layout);

/* The least size of a disk that holds all partitions, and with `with_table` both copies of the table where it is a GPT.
 */
uint64_t vx_layout_least(const struct vx_layout *layout, bool with_table);

/*
 * Refuses a smaller size that would cut something off: REFUSED names it. Where nothing says what is on the disk, all
 * that lies behind the new end must read as zeros.
 */
vhdx_status vx_layout_check(const struct vx_layout *layout, uint64_t virtual_size, bool with_table,
                            const vhdx_resize_options *options, vhdx_error *err);

#endif
