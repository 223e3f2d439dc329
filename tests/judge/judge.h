/*
 * The judge: random disks of known truth, random damages, and what the library's commands make of them. disks.c makes
 * the disks, damages.c breaks them and knows which damage nobody can see, checks.c runs the commands and compares,
 * test_judge.c counts. Nothing here knows how the library verifies, repairs or salvages: only the codecs of format/ and
 * the public interface are used. The one thing that is easy to get wrong: everything follows from the seed, each damage
 * from a seed of its own, so that a round can be repeated with some of its damages only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_JUDGE_JUDGE_H
#define TESTS_JUDGE_JUDGE_H

#include "builder.h"
#include "store.h"

#define JUDGE_LEAF "/d/leaf.vhdx"
#define JUDGE_BASE "/d/base.vhdx"
#define JUDGE_DAMAGES 3

/* ---- disks ------------------------------------------------------------------------------------------------------ */

enum judge_log {
    JUDGE_LOG_EMPTY = 0,
    JUDGE_LOG_RESIDUE, /* clean; the ring has entries, the newest for each page is what stands at home */
    JUDGE_LOG_DIRTY,
    JUDGE_LOG_APPLIED, /* LogGuid is set, and all of the log is at home */
};

struct judge_block {
    uint64_t place; /* in the file, VHDX_NOWHERE = none */
    unsigned state;
};

struct judge_disk {
    uint64_t seed, chance;
    struct store *store; /* the undamaged files */
    struct store *truth_store;
    struct store_file *truth; /* what a perfect reader of the undamaged chain reads */
    struct bld *b;
    vhdx_kind kind;
    bool parent_there, gpt, ext4;
    enum judge_log log;
    uint64_t size, block_count, entry_count, file_size;
    uint32_t block_size, sector_size, chunk_ratio;
    uint64_t log_offset, log_length, metadata_offset, metadata_length, bat_offset, bat_length;
    struct judge_block *blocks;
    char text[400];
};

struct judge_disk *judge_disk_new(uint64_t seed);
void judge_disk_free(struct judge_disk *disk);

/* ---- damages ---------------------------------------------------------------------------------------------------- */

/* Who mends what such damage shows. */
enum judge_area { JUDGE_LOG, JUDGE_REGMETA, JUDGE_SIZES, JUDGE_BAT, JUDGE_OTHER, JUDGE_SEVERAL, JUDGE_MISSED };

/* What is done to a disk, and where nobody could tell: bytes of the virtual disk for which nothing is a witness. */
struct judge_scene {
    const struct judge_disk *disk;
    struct store *store; /* a copy of the disk's files, to be damaged */
    struct store_file *file;
    uint64_t chance; /* of this damage */
    uint8_t *silent; /* one for each block: 1 = all of it, 2 = some sectors, see silent_sectors */
    struct store *silent_store;
    struct store_file *silent_sectors; /* a byte for each 512 bytes of the virtual disk, not 0 = silent */
    bool silent_size;                  /* the disk may be longer or shorter than it was, and nobody could tell */
    bool silent_all;
    uint64_t wanted_size; /* of the file, by a log entry whose checksum is right: a replay must give it that */
    bool harmless;        /* nothing but habits of other writers, which every reader ignores */
    char text[600];       /* what was done, one line for each damage */
};

struct judge_damage {
    const char *name;
    enum judge_area area;
    unsigned weight;
    /* false: the disk has nothing of the kind */
    bool (*apply)(struct judge_scene *scene);
    bool harmless;
};

size_t judge_damage_count(void);
const struct judge_damage *judge_damage_at(size_t row);
void judge_silent(struct judge_scene *scene, uint64_t virtual_offset, uint64_t length);
bool judge_is_silent(const struct judge_scene *scene, uint64_t virtual_offset);
/* When all damage is done: what follows from all of it together. */
void judge_settle(struct judge_scene *scene);

/* ---- checks ----------------------------------------------------------------------------------------------------- */

enum judge_check {
    JUDGE_FINE = 0,
    JUDGE_STATUS,          /* a call failed that must not fail */
    JUDGE_VERIFY_SILENT,   /* verify says clean and tells of no loss, and the disk reads otherwise than it did */
    JUDGE_SALVAGE_WRONG,   /* a byte that the map calls good is not what it was */
    JUDGE_R1_BYTES,        /* plain repair: a range of the salvage view has other bytes */
    JUDGE_R1_TRUST,        /* plain repair: a range of the salvage view is trusted less */
    JUDGE_R1_SIZE,         /* plain repair: the salvage view became shorter */
    JUDGE_R1_PIECES,       /* plain repair: bytes that were in the pieces are nowhere any more */
    JUDGE_R1_WRONG,        /* after plain repair the map calls a byte good that is not what it was */
    JUDGE_READ_WRONG,      /* plain repair said all is well now, and a byte reads otherwise */
    JUDGE_LOSS_UNLISTED,   /* repair --salvage: the view changed where no loss is listed */
    JUDGE_SALVAGED_WRONG,  /* after repair --salvage a good byte without a loss listed is not what it was */
    JUDGE_PAYLOAD_WRITTEN, /* a repair wrote into a payload block */
    JUDGE_GROWN,           /* a repair made the file absurdly long */
    JUDGE_PROMISE_PLAIN,   /* verify said lossless, and plain repair did not correct it */
    JUDGE_PROMISE_SALVAGE, /* verify said a repair can, and repair --salvage did not correct it */
    JUDGE_VERDICT,         /* repair and the verify after it do not agree */
    JUDGE_LOOP,            /* following the advice does not end */
    JUDGE_NOISE,           /* verify calls an error what a well-known writer does */
    JUDGE_CHECK_COUNT,
};

const char *judge_check_name(enum judge_check check);
/* known.c: whether that check is known to fail for disks with such damage, and not mended yet. */
bool judge_is_known(enum judge_check check, const char *damage);

struct judge_mended {
    uint64_t seed;
    const char *damages; /* with commas; "-" = one that the round had and that it does not take */
    bool whole;          /* as a round of all damages chose them, which draws how many there are first */
};
/* mended.c: rounds that must not fail again; NULL: there are no more. */
const struct judge_mended *judge_mended_at(size_t row);

struct judge_verdict {
    uint32_t failed; /* bits of enum judge_check */
    char text[JUDGE_CHECK_COUNT][300];
    bool refused_verify, refused_salvage, refused_plain, refused_repair; /* calls that were refused, with a reason */
    uint64_t content;                   /* 4 KiB pages of true content that are still in the damaged file, whole */
    uint64_t in_place;                  /* of these, in the salvage view where they belong */
    uint64_t in_pieces;                 /* of the others, in the pieces */
    uint64_t pointed, pointed_in_place; /* of these, those to which the BAT or the log still leads */
    uint64_t read_after;                /* of these, read by the strict reader after repair --salvage */
    uint64_t first_missed;              /* in the undamaged file: the first page that is there and was not had */
};

/* Runs all commands on copies of the scene. */
void judge_scene_check(const struct judge_scene *scene, struct judge_verdict *verdict);

#endif
