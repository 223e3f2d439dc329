/*
 * Entries of a BAT that are zero although they should not be: a sector or a page of it was lost, and zeros say "nothing
 * there" as convincingly as a writer does. What contradicts them: the newest version of the page in the log, which
 * in a clean disk is what stands at home; a fixed disk, which has no empty entries, and in whose file each block has
 * its place; and content that nobody owns just in the gap of the file that a lost sector of the BAT leaves.
 *
 * Easy to get wrong: a writer that does not log makes the log older than the BAT; one that trims empties entries of a
 * fixed disk. So one page in which the log is older silences it, and what the log says is empty is empty.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_ABSENT_H
#define VX_EVIDENCE_ABSENT_H

#include "evidence/lead.h"
#include "evidence/log_witnesses.h"

enum vx_absent_witness {
    VX_ABSENT_LOG,   /* the newest version of the page */
    VX_ABSENT_FIXED, /* the place of each block in the file */
    VX_ABSENT_ORDER, /* the gap between the blocks around */
};

/* Entries that lie in one page, of which some are missing. */
struct vx_absent {
    uint64_t first_index, count; /* in the BAT */
    uint64_t first_block, last_block;
    enum vx_absent_witness witness;
    bool sure;        /* there is no other explanation that is any good */
    bool lossless;    /* there is one place for each block, and nothing else beside it */
    uint8_t *entries; /* LOG: as they stand there, and zeros for what is not missing; else NULL */
    uint64_t place;   /* of the first block, else */
};

typedef vhdx_status vx_absent_fn(void *context, const struct vx_absent *absent, vhdx_error *err);

struct vx_absent_search {
    struct vx_leads *leads;       /* open */
    struct vx_log_witnesses *log; /* NULL = there is none */
    bool fixed;                   /* the disk has all its blocks */
    vx_absent_fn *visit;
    void *context;
};

vhdx_status vx_absent_find(const struct vx_absent_search *search, vhdx_error *err);
/* The entry as it should be; zero: nothing is missing there. */
uint64_t vx_absent_entry(const struct vx_absent *absent, const struct vx_geometry *geometry, uint64_t bat_index);

/*
 * Content of the file that has no owner. Where it fills the space of a block, an entry that says "no data here" may be
 * one that was lost, and a block of zeros may have its content there; where it touches a block, and is no block by
 * itself, that block may begin or end elsewhere. `owned`: by structures and by all entries that name a place.
 */
struct vx_absent_left {
    bool block; /* some of it has room for a block */
    bool part;  /* some of it touches an owner, in space that is no number of blocks */
};

struct vx_absent_room {
    struct vx_file *file;
    uint64_t file_size;
    const struct vx_claims *owned;
    uint32_t block_size;
    bool cut_off; /* the file ends before some blocks: what is at its end may be the first part of one */
    /* Of a disk of QEMU, which writes a block before its entry, the last block of the file says nothing: the program
     * may just have been killed. */
    const char *creator;
};

bool vx_absent_is_qemu(const struct vx_absent_room *room);
vhdx_status vx_absent_look(const struct vx_absent_room *room, struct vx_absent_left *left, vhdx_error *err);
/* Whether nothing but zeros lies there; also when more than *left bytes would have to be read, which counts down. */
vhdx_status vx_absent_is_zeros(struct vx_file *file, uint64_t place, uint64_t length, uint64_t *left, bool *zeros,
                               vhdx_error *err);
#define VX_ABSENT_READ_MOST (512 * VX_MIB)
/* Whether a part without owner, as above, touches the block there. */
vhdx_status vx_absent_touches(const struct vx_absent_room *room, uint64_t block_offset, bool *touches, vhdx_error *err);

/* The log of an exam, for a search. A log that is longer than any real one is not read: then `log` stays closed. */
vhdx_status vx_absent_open_log(struct vx_exam *exam, struct vx_log_witnesses *log, vhdx_error *err);
/* The same of a file whose current header is known. */
vhdx_status vx_absent_open_log_of(struct vx_file *file, const struct vx_header *header, struct vx_log_witnesses *log,
                                  vhdx_error *err);

#endif
