/*
 * Virtual disk size, block size and logical sector size, settled together. Each is one number in one metadata item, and
 * all else is measured by them; but the file says them again in many places: entries of the BAT behind the disk's end,
 * the places of sector bitmaps, the distances of blocks, the guest's partition table and its backup, the parent, the
 * log. Where a stored value contradicts these, the values that agree with all of them are looked for, and the least
 * change wins.
 *
 * Easy to get wrong: a witness may be damaged as well as a value. What no values agree with changes nothing; what two
 * agree with is the caller's to decide.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_SIZES_H
#define VX_EVIDENCE_SIZES_H

#include "base/status.h"
#include "format/geometry.h"
#include "format/region.h"
#include "io/io.h"
#include "evidence/clue.h"

/* One disk as it would be measured; 0 = not said. */
struct vx_sizes {
    uint64_t virtual_size;
    uint32_t block_size, logical_sector;
};

/* What is not in question, or asked for evidence. */
struct vx_size_facts {
    struct vx_file *view;
    struct vx_file *payload; /* the same file, for what is no structure: reads there may fail */
    struct vx_region bat, metadata;
    uint32_t parameter_flags;
    struct vx_sizes stored;
    uint64_t size_place, parameters_place, sector_place; /* in the file, of these items; 0 = not known */
    uint64_t log_offset;
    uint32_t log_length;                 /* 0 = no log */
    const struct vx_parent_hint *parent; /* NULL = none that may be it */
    bool parent_proven;                  /* the locator names it */
    struct vx_sizes told;                /* by the caller: these are not asked about */
};

/* What speaks against values. */
enum vx_size_doubt {
    VX_SIZE_RULES = 1 << 0,      /* no disk has them */
    VX_SIZE_BEHIND = 1 << 1,     /* entries lead to blocks behind the disk's end */
    VX_SIZE_SLOTS = 1 << 2,      /* blocks have entries in the places of sector bitmaps */
    VX_SIZE_BITMAPLESS = 1 << 3, /* partially present blocks have no sector bitmap in its place */
    VX_SIZE_HOLLOW = 1 << 4,     /* entries are empty exactly where other sectors would have sector bitmaps */
    VX_SIZE_GPT_SECTOR = 1 << 5, /* the GPT counts in other sectors */
    VX_SIZE_GPT_END = 1 << 6,    /* it ends behind the disk */
    VX_SIZE_REACH = 1 << 7,      /* a partition or file system does */
    VX_SIZE_PARENT = 1 << 8,     /* the parent has other sectors */
    VX_SIZE_SPACING = 1 << 9,    /* blocks lie as those of another size */
    VX_SIZE_FILE = 1 << 10,      /* the file of a fixed disk has no room for it */
    VX_SIZE_ROOM = 1 << 11,      /* nor has the BAT */
    VX_SIZE_BACKUP = 1 << 12,    /* the copy of the GPT is behind the disk's end, where the GPT says that it is */
};

/* The BAT as it reads with a block size and a sector size. */
struct vx_census {
    uint32_t block_size, logical_sector;
    uint64_t ratio;
    uint64_t in_slots, hollow, bitmaps, bitmapless; /* see vx_size_doubt; bitmaps: chunks of which that is not true */
    uint64_t slot_bitmaps;                          /* sector bitmaps in their places, in space of their own */
    uint64_t blocks;                                /* up to the last whose entry says something */
    uint64_t present;                               /* blocks with a place */
    uint64_t touching, overlaps, last_place;        /* of blocks that are neighbours in the file */
    uint64_t touching_place;                        /* of the first that touches the next one; 0 = none does */
    uint64_t first_place;
    uint64_t least_distance;        /* 0 = there is one block at most */
    uint64_t chunk, slot, previous; /* while it goes on */
    bool partial;
};

#define VX_CENSUS_MAX 18u

/* Who is asked, and how. */
struct vx_count_request {
    struct vx_census *items; /* each has its sizes on entry, and nothing else */
    size_t count;
    size_t counted; /* of all but the first of them only the distances of blocks are looked at */
    bool claims;    /* entries behind the stored end count only when nobody else claims where they lead */
};

/* One pass over the BAT. */
vhdx_status vx_sizes_count(const struct vx_size_facts *facts, const struct vx_count_request *request, vhdx_error *err);

/* What a child's BAT has, whatever the parameters say: partially present blocks, and sector bitmaps where a disk with
 * these sizes has them, in space of their own. Nothing when the sizes are not known. */
vhdx_status vx_sizes_ask_kind(const struct vx_size_facts *facts, bool *partial, bool *bitmaps, vhdx_error *err);

/* What the guest says, read by the BAT with a block size and a sector size. */
struct vx_size_guest {
    bool gpt, backup; /* it was found; its copy too, where the first says that it is */
    uint32_t gpt_sector;
    uint64_t gpt_end;
    uint64_t reach; /* end of the last partition or file system */
    uint32_t agreements, contradictions;
};

/* `deep`: file systems too. */
vhdx_status vx_sizes_ask_guest(const struct vx_size_facts *facts, const struct vx_census *census, bool deep,
                               struct vx_size_guest *guest, vhdx_error *err);

/*
 * Whether the stored sizes stand, and else which do. `answer` is all zeros on entry. Where nothing speaks against the
 * stored values this costs one pass over the BAT and a few reads. Fails for lack of memory or when the host fails.
 */
vhdx_status vx_settle_sizes(const struct vx_size_facts *facts, struct vx_size_answer *answer, vhdx_error *err);

/* The parts that the answer changes, in the order of enum vx_part. */
bool vx_sizes_changed(const struct vx_size_answer *answer, enum vx_part part);

#endif
