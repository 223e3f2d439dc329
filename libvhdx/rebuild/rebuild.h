/*
 * What a damaged disk must have been: from whatever is left in the file (and around it) each value is taken from the
 * best witness, and the witness is named. Nothing is written here and nothing in the file is believed twice: a value
 * that stands where it belongs and breaks no rule is STORED; everything else is a proposal with its evidence. Repair
 * turns proposals into writes; vx_rebuilt_apply() turns them into a disk in memory, which salvage.c reads.
 *
 * Witnesses, strongest first: the structure itself, its twin, a valid entry of the log (also of earlier times), what
 * Windows leaves behind the metadata table, the parent, the shape of other structures (the spacing of blocks, the
 * length of the BAT), what the guest wrote (GPT, file systems), and last a default that only lets the disk be read.
 * `lossless`: the evidence leaves no other reading; everything else is salvage.
 *
 * The one thing that is easy to get wrong: the file must be read through an open file that gives zeros for unreadable
 * bytes (patient.h), or a bad sector ends the search that is meant to help against it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REBUILD_REBUILD_H
#define VX_REBUILD_REBUILD_H

#include "format/bat.h"
#include "format/geometry.h"
#include "format/metadata.h"
#include "image/survey.h"
#include "image/claims.h"
#include "evidence/clue.h"

/*
 * A payload block (or sector bitmap block) whose BAT entry is proposed. The entry stands in the view; whose proposal it
 * is takes two bits, because a disk may have lost millions.
 */
struct vx_placement {
    uint64_t bat_index;
    uint64_t raw; /* the entry */
    enum vx_witness witness;
    bool lossless;
};

/* Space of the file that nobody owns, that is not zero, and whose place on the virtual disk is not known. */
struct vx_stray {
    uint64_t file_offset, length;
};

/* An entry that is not believed because of where it says that the block lies. */
struct vx_single {
    uint64_t bat_index, raw; /* as it stands in the file */
    bool nowhere;            /* there is no such place; else another block is there, too */
    bool back;               /* of no use outside of rebuild_singles.c */
};

/* How a disk comes right whose BAT region has fewer entries than it has blocks. */
enum vx_room_cure {
    VX_ROOM_ENOUGH,       /* it has not */
    VX_ROOM_BLOCK_SIZE,   /* the blocks are larger than the metadata say */
    VX_ROOM_VIRTUAL_SIZE, /* the disk is smaller */
    VX_ROOM_LENGTH,       /* the region is longer: what lies behind its end is the rest of the BAT, or nobody's */
    VX_ROOM_MOVE,         /* there is room at the end of the file only */
};

struct vx_room {
    enum vx_room_cure cure;
    struct vx_clue clue;
    struct vx_region former; /* the region as the tables have it */
    bool tail_stands;        /* LENGTH: the entries behind its end are there */
};

struct vx_rebuilt {
    uint64_t file_size;
    struct vx_clue clues[VX_PART_COUNT];
    /* All of these are filled as well as it goes, whatever the witness. */
    struct vx_header
        header; /* sequence_number: larger than any seen; log_guid: zero unless there is a sequence to replay */
    struct vx_region bat, metadata;
    bool region_taken; /* one of them was not found, and where it usually is stands something else: good for reading */
    uint32_t block_size, parameter_flags, logical_sector, physical_sector;
    uint64_t virtual_size;
    bool size_rounded; /* the one that stands there is no whole number of sectors, and nothing confirms the rest */
    vhdx_guid virtual_disk_id;
    uint8_t *locator; /* bytes of the parent locator item, NULL = none */
    uint32_t locator_size;
    bool only_pieces; /* nothing tells the disk's size, nor where any block belongs: all that is not zeros and no
                         structure's is in `strays`. Found out by a search of the content only. */
    struct vx_geometry geometry; /* all zeros when the values do not allow one */
    struct vx_size_answer sizes; /* whether the stored sizes stand */
    /* BAT */
    struct vx_room room; /* LENGTH, MOVE: `bat` is the region as it should be, `regions` what the tables say */
    bool bat_lost;   /* the BAT as it stands says nothing (all of it is implausible, or zeros beside blocks that nobody
                        owns) */
    uint8_t *placed; /* two bits for each entry of the BAT, see vx_rebuilt_witness(); NULL: none is proposed */
    uint64_t placement_count, placed_by_log, placed_surely;
    bool placements_lossless;
    struct vx_stray *strays;
    size_t stray_count, stray_room;
    uint8_t *lost_pages; /* a bit for each page of the BAT that says nothing: entries in it are known by `placements`
                            only; NULL: none is lost */
    uint64_t page_count;
    uint64_t lost_page_count; /* pages that said nothing before evidence was looked for */
    /* ascending; entries in sound pages that are known by `placements` only, as those of lost pages */
    struct vx_single *singles;
    size_t single_count;
    uint8_t *doubted; /* a bit for each entry that says there is no data, but leads to content that nobody owns; NULL:
                         none */
    uint8_t *moved_pages; /* a bit for each page of the BAT whose entries may be other blocks'; NULL: none */
    uint8_t *old_bits;    /* a bit for each entry: the log has bits of the block that its sector bitmap has not; NULL:
                             none */
    bool unowned_block;   /* content that nobody owns has room for a block: an entry that says "no data here" may have
                             been lost */
    bool unowned_part;    /* or it touches a block, and may be a part of it */
    bool fixed_short;     /* a fixed disk, which has no empty entries, and the file has no room for all of its blocks */
    struct vx_claims claims; /* who owns the file's space, by the BAT as it is now */
    struct vx_region_table
        *regions; /* to be written to both copies: `bat`, `metadata`, and whatever else could be read */
    struct vx_metadata_table *table; /* the items that were found, with their places in the metadata region */
    struct vx_file *view;            /* the damaged file with its log applied, kept in memory; NULL once taken */
};

/* The space of the file in MiB: claimed by anybody, claimed by more than one. */
bool vx_rebuilt_shared(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length);
/* Whether the bytes lie in the file and nobody owns them. */
bool vx_rebuilt_is_free(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length);
/* Whether an entry that is not believed leads there all the same. */
bool vx_rebuilt_withdrawn(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length);
/* Whether the BAT entry is one of which nothing is known. */
bool vx_rebuilt_entry_lost(const struct vx_rebuilt *rebuilt, uint64_t bat_index);
/* Whether the entry says that there is no data, but leads to content that nobody owns. */
bool vx_rebuilt_doubted(const struct vx_rebuilt *rebuilt, uint64_t bat_index);
/* Whether the entry may be another block's, because those of its page have moved. */
bool vx_rebuilt_may_have_moved(const struct vx_rebuilt *rebuilt, uint64_t bat_index);
/* Whether the log has bits of the block that its sector bitmap has not. */
bool vx_rebuilt_has_old_bits(const struct vx_rebuilt *rebuilt, uint64_t bat_index);
/*
 * Entries from `bat_index` on that are alike: all as they stand, or all lost (*lost) and without a placement. Returns
 * the first that is not, or one before it when that is far; `bat_index` itself when it is placed, doubted or moved,
 * UINT64_MAX when all others are alike.
 */
uint64_t vx_rebuilt_alike(const struct vx_rebuilt *rebuilt, uint64_t bat_index, bool *lost);
/* LOG, CONTENT or GEOMETRY, whoever proposes the entry; STORED: nobody, it is as it stands. */
enum vx_witness vx_rebuilt_witness(const struct vx_rebuilt *rebuilt, uint64_t bat_index);
/* The first entry from `bat_index` on that is proposed; UINT64_MAX = none. */
uint64_t vx_rebuilt_next_placed(const struct vx_rebuilt *rebuilt, uint64_t bat_index);
/* The entry as it should be. Only before vx_rebuilt_view(). */
vhdx_status vx_rebuilt_entry(const struct vx_rebuilt *rebuilt, uint64_t bat_index, uint64_t *raw, vhdx_error *err);

struct vx_rebuild_options {
    const vhdx_host *host;
    struct vx_told_sizes told;
    /* of `file`, when it is one: tells what could not be read from what is zero. NULL: all was read */
    const struct vx_patient *patient;
    const struct vx_parent_hint *parent; /* NULL = none is known */
    bool search_content; /* look for lost blocks by what the guest wrote in them: reads all space that nobody owns */
    vhdx_progress_fn progress;
    void *progress_context;
};

/*
 * Looks at the disk in `file`. OK also when next to nothing was found: the clues say so. Fails only when memory runs
 * out, the host fails, or the caller cancels. `rebuilt` is for vx_rebuild_free().
 */
vhdx_status vx_rebuild(struct vx_file *file, const struct vx_rebuild_options *options, struct vx_rebuilt **rebuilt,
                       vhdx_error *err);
/* Takes NULL. */
void vx_rebuild_free(struct vx_rebuilt *rebuilt);

/* Whether some part is not as it stands in the file, and whether all of these are lossless. */
bool vx_rebuilt_differs(const struct vx_rebuilt *rebuilt, bool *lossless);
/*
 * The tables as they belong in the file. Regions: for both copies, unknown regions kept. Metadata: table and items in
 * one piece for rebuilt->metadata.file_offset, `*bytes` is for vx_free(); items that are not known are kept where the
 * table still names them. LIMIT: no room. To be called before vx_rebuilt_view(). The header is encoded by
 * vx_header_encode(), twice, with two sequence numbers.
 */
void vx_rebuilt_encode_regions(const struct vx_rebuilt *rebuilt, uint8_t bytes[VX_REGION_TABLE_SIZE]);
vhdx_status vx_rebuilt_encode_metadata(const struct vx_rebuilt *rebuilt, uint8_t **bytes, size_t *size,
                                       vhdx_error *err);

/*
 * The disk as it was rebuilt, log applied, all tables in place, as a file in memory over the damaged one. The caller
 * closes it, before `rebuilt` is freed and before the damaged file is closed.
 */
vhdx_status vx_rebuilt_view(struct vx_rebuilt *rebuilt, struct vx_file **view, vhdx_error *err);

#endif
