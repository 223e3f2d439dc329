/*
 * What the files rebuild*.c share while they look for witnesses. Nobody else includes this.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REBUILD_REBUILD_PARTS_H
#define VX_REBUILD_REBUILD_PARTS_H

#include "base/status.h"
#include "format/metadata.h"
#include "format/bat_page.h"
#include "rebuild/rebuild.h"
#include "evidence/log_witnesses.h"
#include "io/patient.h"

#define VX_DISTRUSTED 16u /* known items are six */

struct vx_rebuilding {
    struct vx_file *file; /* as it lies there */
    struct vx_file *view; /* with the log applied; == out->view */
    const struct vx_rebuild_options *options;
    struct vx_survey *survey;
    struct vx_log_witnesses log;
    struct vx_rebuilt *out;
    struct vx_metadata_table *table; /* the items, wherever they were found */
    uint64_t view_size;
    /* by part: where the bytes stand, whole, that the value was taken from; length 0 = nowhere in the region */
    struct vx_metadata_entry places[VX_PART_COUNT];
    bool bat_length_unknown;     /* the table's says nothing */
    struct vx_region stored_bat; /* by the tables; `out->bat` may be shorter until the disk's size is known */
    bool bat_by_log;   /* the BAT is zeros, and pages of it are in the log: they say what sizes they were made for */
    bool size_unknown; /* virtual_size is a mere guess: no entry of the BAT speaks for it */
    /* entries that break rules of place or overlap others, as they stand: not to be believed where they stand again */
    struct vx_metadata_entry distrusted[VX_DISTRUSTED];
    uint32_t distrusted_count;
};

/* Says who the witness of a part is. */
void vx_clue_set(struct vx_rebuilding *work, enum vx_part part, enum vx_witness witness, bool lossless,
                 const char *format, ...) VX_PRINTF(5, 6);
static inline bool vx_clue_missing(const struct vx_rebuilding *work, enum vx_part part)
{
    return work->out->clues[part].witness == VX_WITNESS_NONE;
}
/* CANCELLED when the caller says so. */
vhdx_status vx_rebuild_progress(const struct vx_rebuilding *work, uint64_t done, uint64_t total, vhdx_error *err);

/* What an array of BAT entries looks like. */
struct vx_bat_look {
    uint64_t present;  /* entries that own space inside of the file */
    uint64_t beyond;   /* that own space behind its end */
    uint64_t bad;      /* that cannot be entries */
    uint64_t partial;  /* in state PARTIALLY_PRESENT */
    uint64_t last_set; /* number of entries up to the last one that is not zero */
};
void vx_rebuild_bat_look(struct vx_bytes entries, uint64_t view_size, uint64_t first_index, struct vx_bat_look *look);

/* rebuild_regions.c; *found: a table was, and is taken; else the regions were searched for */
vhdx_status vx_rebuild_regions(struct vx_rebuilding *work, bool *found, vhdx_error *err);
/* rebuild_settle.c: what contradicts the tables */
vhdx_status vx_rebuild_settle_places(struct vx_rebuilding *work, vhdx_error *err);
bool vx_rebuild_has_usual_items(const struct vx_rebuilding *work, uint64_t offset); /* of the region */
vhdx_status vx_rebuild_settle_lengths(struct vx_rebuilding *work, vhdx_error *err);
vhdx_status vx_rebuild_items(struct vx_rebuilding *work, vhdx_error *err); /* rebuild_items.c: what is stored */
/* rebuild_table.c: entries that lead to the items that are there; `image`: the region's first 64 KiB */
vhdx_status vx_rebuild_table(struct vx_rebuilding *work, const uint8_t *image, vhdx_error *err);
vhdx_status vx_rebuild_values(struct vx_rebuilding *work, vhdx_error *err); /* rebuild_values.c: what is not */
vhdx_status vx_rebuild_sizes(struct vx_rebuilding *work, vhdx_error *err);  /* rebuild_sizes.c: what contradicts */
/* What the caller says of values that are not there. */
void vx_rebuild_take_told(struct vx_rebuilding *work);
/* Whether the BAT has sector bitmaps where a child has them. */
vhdx_status vx_rebuild_has_bitmaps(const struct vx_rebuilding *work, bool *bitmaps, vhdx_error *err);
/* Doubts of sizes that were not all stored, once all are known. */
vhdx_status vx_rebuild_doubt_sizes(struct vx_rebuilding *work, vhdx_error *err);
/* The same of a damaged BAT, once it is rebuilt. */
vhdx_status vx_rebuild_doubt_measures(struct vx_rebuilding *work, vhdx_error *err);
/* rebuild_room.c: a BAT that is too short */
vhdx_status vx_rebuild_room(struct vx_rebuilding *work, vhdx_error *err);
vhdx_status vx_rebuild_bat(struct vx_rebuilding *work, vhdx_error *err);     /* rebuild_bat.c */
vhdx_status vx_rebuild_content(struct vx_rebuilding *work, vhdx_error *err); /* rebuild_content.c */

vhdx_status vx_rebuild_singles(struct vx_rebuilding *work, vhdx_error *err); /* rebuild_singles.c */

/* rebuild_states.c: whether the entry says that there is no data, or nothing, but names a place; and what is to be
 * thought of all of these */
bool vx_rebuild_is_odd(const struct vx_rebuilt *out, uint64_t bat_index, const struct vx_bat_entry *entry);
vhdx_status vx_rebuild_states(struct vx_rebuilding *work, vhdx_error *err);
vhdx_status vx_rebuild_bits(struct vx_rebuilding *work, vhdx_error *err); /* sector bitmaps that the log contradicts */

/* Who owns what by the BAT as the view has it now; for vx_leads_close() when it is OK. */
struct vx_leads;
vhdx_status vx_rebuild_leads(struct vx_rebuilding *work, struct vx_leads *leads, vhdx_error *err);
vhdx_status vx_rebuild_absent(struct vx_rebuilding *work, vhdx_error *err); /* rebuild_absent.c */
/* After all others: whether what they leave without an owner puts empty entries in doubt. */
vhdx_status vx_rebuild_doubt_absent(struct vx_rebuilding *work, vhdx_error *err);

/* rebuild_claims.c */
vhdx_status vx_claim_structures(const struct vx_rebuilt *out, struct vx_claims *claims, vhdx_error *err);
/* Whether the entry owns space of the file, and how much. */
bool vx_rebuilt_owns(const struct vx_rebuilt *out, uint64_t bat_index, const struct vx_bat_entry *entry,
                     uint64_t *length);
struct vx_bat_world vx_rebuild_world(const struct vx_rebuilt *out);
bool vx_rebuild_is_bad(const struct vx_rebuilt *out, uint64_t bat_index, const struct vx_bat_entry *entry);
uint32_t vx_rebuild_entries_in_page(const struct vx_rebuilt *out, uint64_t page);
/* Where a page of the BAT is in the file, and its bytes as the view has them. */
uint64_t vx_rebuild_page_offset(const struct vx_rebuilding *work, uint64_t page);
vhdx_status vx_rebuild_read_page(struct vx_rebuilding *work, uint64_t page, uint8_t bytes[VX_PAGE], vhdx_error *err);
static inline bool vx_page_bit(const uint8_t *bits, uint64_t page)
{
    return bits[page / 8] >> page % 8 & 1;
}
static inline void vx_set_page_bit(uint8_t *bits, uint64_t page)
{
    bits[page / 8] = (uint8_t)(bits[page / 8] | 1u << page % 8);
}
/* What a page of the BAT looks like beside what is claimed already. */
struct vx_page_look {
    struct vx_bat_page_look entries;
    uint64_t said; /* entries that say more than "not present": a place that is remembered beside that is no news */
    uint64_t owners, conflicts;
    uint64_t odd;     /* entries without data that name a place */
    uint64_t nowhere; /* blocks with data that lie where no file is */
};
void vx_rebuild_look_at_page(const struct vx_rebuilt *out, uint64_t page, const uint8_t *bytes,
                             struct vx_page_look *look);
/* Adds to *contested how many claim what somebody else has claimed before. */
vhdx_status vx_rebuild_claim_page(struct vx_rebuilt *out, uint64_t page, const uint8_t *bytes, uint64_t *contested,
                                  vhdx_error *err);
/* Nobody claims anything but the structures. */
vhdx_status vx_rebuild_open_claims(struct vx_rebuilding *work, vhdx_error *err);
/* The next MiB from `mib` on that nobody owns and whose bytes may be set; passes over holes of the host's file. */
uint64_t vx_rebuild_next_unowned(const struct vx_rebuilding *work, uint64_t mib);

/* rebuild_regions.c: the other copy of the region table, when it leads to the same metadata and to a BAT of that
 * length */
vhdx_status vx_rebuild_longer_copy(struct vx_rebuilding *work, uint64_t needed, bool *taken, vhdx_error *err);

/* rebuild_region_table.c: what came of a table whose checksum is right */
struct vx_region_mended {
    bool changed, gives_up;
    char evidence[128];
};
/* `bytes`: of the table, and room for the work. */
void vx_region_table_mend(struct vx_file *view, struct vx_region_table *table, uint8_t bytes[VX_REGION_TABLE_SIZE],
                          struct vx_region_mended *mended);

/* rebuild_regions.c, for rebuild_settle.c; `bytes`: room for VX_REGION_TABLE_SIZE */
struct vx_bat_candidate {
    uint64_t offset, end; /* as far as MiB behind it look like more of the same */
    struct vx_bat_look look;
    bool found, rival; /* another place looks just as good */
};
/* Known items in the first page at `offset`, and two more for the table's signature. */
vhdx_status vx_rebuild_count_items(struct vx_rebuilding *work, uint64_t offset, uint8_t *bytes, unsigned *count,
                                   vhdx_error *err);
vhdx_status vx_rebuild_scan_metadata(struct vx_rebuilding *work, uint8_t *bytes, uint64_t *offset, bool *found,
                                     vhdx_error *err);
/* Takes the place when it looks more like a BAT than the best so far. */
vhdx_status vx_rebuild_try_bat(struct vx_rebuilding *work, uint64_t offset, uint8_t *bytes,
                               struct vx_bat_candidate *best, vhdx_error *err);
vhdx_status vx_rebuild_scan_bat(struct vx_rebuilding *work, uint8_t *bytes, struct vx_bat_candidate *best,
                                vhdx_error *err);
/*
 * Where a region of which nothing is left is put: `*offset` is where it usually is. When something stands there, the
 * disk is read so, and nothing must be written (region_taken). When nothing does, a block of zeros may have been there
 * whose entry is lost: the place is kept only between log and `neighbour` as all known writers have them, else the
 * region goes behind the file's end. `neighbour`: the other region; 0 = not found.
 */
vhdx_status vx_rebuild_guess_place(struct vx_rebuilding *work, uint64_t neighbour, uint64_t *offset, vhdx_error *err);
/* Where it is with all known writers. */
uint64_t vx_rebuild_usual_bat(const struct vx_rebuilding *work, bool metadata_found);
/* Up to the next thing behind it; `bytes`: its first 64 KiB. */
uint32_t vx_rebuild_bat_room(const struct vx_rebuilding *work, uint64_t offset, const uint8_t *bytes);
/* The log or the metadata table is there. */
bool vx_rebuild_is_taken(const struct vx_rebuilding *work, uint64_t offset);

/* rebuild_values.c, for rebuild_room.c and rebuild_sizes.c */
struct vx_content;
/* The parent, if what is known of one may be the child's; *proven: the locator names it. */
const struct vx_parent_hint *vx_rebuild_parent(const struct vx_rebuilding *work, bool *proven);
vhdx_status vx_rebuild_block_size(struct vx_rebuilding *work, vhdx_error *err); /* by the spacing of blocks */
void vx_rebuild_ask_guest(struct vx_rebuilding *work, struct vx_content *content);
/* The size of a disk of whose blocks the last with an entry is the last. `sound`: entries that break a rule are none.
 */
vhdx_status vx_rebuild_least_size(struct vx_rebuilding *work, bool sound, uint64_t *size, vhdx_error *err);

/* What nobody owns in a file of which next to nothing is known. */
vhdx_status vx_rebuild_pieces(struct vx_rebuilding *work, vhdx_error *err);
/* Claims and strays of the BAT as the view has it now. */
vhdx_status vx_rebuild_claims(struct vx_rebuilding *work, vhdx_error *err);
vhdx_status vx_rebuild_strays(struct vx_rebuilding *work, vhdx_error *err);
vhdx_status vx_rebuild_place(struct vx_rebuilding *work, const struct vx_placement *placement, vhdx_error *err);

#endif
