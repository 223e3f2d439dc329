/*
 * Builds VHDX files of known content for tests and the demo, straight from the format's text: it shares the codecs of
 * format/ and the files of io/ with the library, and nothing else, so that what image/ and create.c believe about a
 * disk is checked by somebody who does not know them. Whatever the format allows can be asked for, and also what it
 * does not allow.
 *
 * How it is used: bld_new, then content (bld_write, bld_state, ...) and extras in any order, then bld_finish, which
 * lays out the file and writes it; after that the bld_*_offset functions say where everything lies, and bld_poke and
 * its kin damage it.
 *
 * The one thing that is easy to get wrong: everything left to chance follows `seed` alone; two builders with the same
 * seed and the same calls make the same file, ids included. Give each layer of a chain its own seed.
 *
 * Misuse (a block beyond the disk, an unaligned write into a differencing disk) and a lack of memory end the program
 * with a message: this is for tests. No test framework is needed here.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_BUILDER_H
#define TESTS_SUPPORT_BUILDER_H

#include <vhdx.h>

#include "format/layout.h"

struct bld;

/* Where log, metadata region and BAT region lie */
enum bld_layout {
    BLD_LAYOUT_WINDOWS = 0, /* log 1 MiB, metadata, BAT, other regions, then blocks; region table lists the BAT first */
    BLD_LAYOUT_QEMU,        /* log 1 MiB, BAT, metadata, a gap of 4 MiB, then blocks; Required = 0 for both regions */
    BLD_LAYOUT_MIXED,       /* log, regions and blocks in random order; region table in random order */
};

/* All zero but virtual_size is a clean dynamic disk as Windows makes it. */
struct bld_options {
    vhdx_kind kind;                /* 0 = dynamic */
    uint64_t virtual_size;         /* any multiple of the logical sector size */
    uint32_t block_size;           /* 0 = 32 MiB dynamic, 2 MiB fixed and differencing */
    uint32_t logical_sector_size;  /* 0 = 512 */
    uint32_t physical_sector_size; /* 0 = 4096 */
    uint64_t seed;
    const char *creator; /* NULL = "libvhdx test builder" */

    vhdx_guid file_write_guid, data_write_guid, virtual_disk_id; /* zero = made from the seed */

    uint64_t sequence[2]; /* of the two headers; both 0 = 6 and 7. The larger is current; equal: identical headers */
    int damaged_header;   /* 1 or 2: that one has a wrong checksum, so the other is current; 3: both */
    bool stale_header;    /* the header that is not current has other GUIDs */

    enum bld_layout layout;
    uint64_t log_length;             /* 0 = 1 MiB */
    uint64_t bat_region_length;      /* 0 = as small as it can be */
    uint64_t metadata_region_length; /* 0 = 1 MiB, more when the items need it */
    bool locator_first;              /* items in another order: the parent locator before all others */
    bool scattered_items;            /* unaligned gaps between the metadata items, garbage in them */
    bool stale_table_entry;          /* a copy of the last metadata entry behind the table, as Windows leaves it */

    bool shuffle_blocks;     /* payload and bitmap blocks in random file order, else ascending */
    unsigned gap_percent;    /* chance of a hole of 1 to 3 MiB, owned by nobody, before each block */
    bool garbage;            /* garbage wherever content has no meaning: holes, sectors that are not owned, slack behind
                                the end of the disk, bitmap bits of blocks that are not partial (where there is a
                                bitmap); BAT padding stays 0 */
    bool log_residue;        /* a clean disk whose ring is full of entries from earlier times */
    uint64_t appended_bytes; /* zeros behind the last object, so that the file does not end at a MiB (Disk2vhd: 512) */
    bool incomplete;         /* with the item that marks an unfinished creation */
    bool second_region_table_damaged, first_region_table_damaged;
};

struct bld *bld_new(const struct bld_options *options);
/* Takes NULL. */
void bld_free(struct bld *b);

/* ---- content ---------------------------------------------------------------------------------------------------- */

/*
 * Guest writes. In a disk without parent the block becomes FULLY_PRESENT, what is not written in it reads as zeros. In
 * a differencing disk offset and length must be multiples of the logical sector size; a block in state 0 becomes
 * PARTIALLY_PRESENT with exactly these sectors owned, one in states 1 to 3 FULLY_PRESENT with zeros around. All bits
 * set stays PARTIALLY_PRESENT until bld_state says 6.
 */
void bld_write(struct bld *b, uint64_t virtual_offset, const void *bytes, size_t length);
/* Writes bytes that follow from `seed`. */
void bld_write_random(struct bld *b, uint64_t virtual_offset, size_t length, uint64_t seed);
/* A random mixture of states and writes over the whole disk (up to `max_bytes` of content). */
void bld_fill_random(struct bld *b, uint64_t seed, uint64_t max_bytes);
/*
 * Sets the state of a payload block. 6 and 7 keep what was written (in 6 the rest becomes zeros; in 7 nothing else is
 * owned); 0 to 3 forget it. 4 and 5 are accepted too, and own no space.
 */
void bld_state(struct bld *b, uint64_t payload_block, unsigned state);
/* State 1 or 3 that keeps its space and old bytes in it (a soft anchor). */
void bld_anchor(struct bld *b, uint64_t payload_block, unsigned state);
/* An offset without meaning in the entry of a block in state 0 or 2, until its state changes. */
void bld_stray_offset(struct bld *b, uint64_t payload_block, uint64_t file_offset);
/* Sets bitmap bits of a block that is not in state 7, where they mean nothing; allocates the bitmap block. */
void bld_stale_bits(struct bld *b, uint64_t payload_block);
/* Allocates the sector bitmap block of a chunk although nothing needs it (differencing only). */
void bld_bitmap_block(struct bld *b, uint64_t chunk);
/* The very last word about a BAT entry, by its index in the table. */
void bld_bat_raw(struct bld *b, uint64_t bat_index, uint64_t raw);

/*
 * What reading this layer gives: on entry `view` holds the parent's bytes for the whole virtual size (zeros where it
 * is shorter, or without parent), on return this layer's. Made from what was asked of the builder, not from the file.
 */
void bld_apply(const struct bld *b, uint8_t *view);

uint64_t bld_virtual_size(const struct bld *b);
unsigned bld_block_state(const struct bld *b, uint64_t payload_block);
uint64_t bld_block_count(const struct bld *b);

/* ---- parent locator --------------------------------------------------------------------------------------------- */

/*
 * The five keys in the order of Windows. `linkage2` NULL = all zeros; a path NULL = without that key.
 */
void bld_parent(struct bld *b, const vhdx_guid *linkage, const vhdx_guid *linkage2, const char *relative,
                const char *volume, const char *absolute);
/* One more pair, or another order: call this instead of bld_parent. UTF-8. */
void bld_locator_pair(struct bld *b, const char *key, const char *value);
void bld_locator_forget(struct bld *b);
/* The item's bytes as they are, instead of all pairs. */
void bld_locator_raw(struct bld *b, const void *bytes, size_t length);

/* ---- further items and regions ---------------------------------------------------------------------------------- */

/*
 * A metadata item; `flags` of VX_ITEM_*. One that is there with that id and IsUser is replaced (also the five
 * mandatory ones).
 */
void bld_item(struct bld *b, const vhdx_guid *id, uint32_t flags, const void *bytes, uint32_t length);
void bld_item_remove(struct bld *b, const vhdx_guid *id, bool user);
/* A region of 1 MiB or more, filled with bytes that follow from the seed. */
void bld_region(struct bld *b, const vhdx_guid *id, uint32_t length, uint32_t required);

/* ---- dirty logs ------------------------------------------------------------------------------------------------- */

enum {
    BLD_LOG_BAT = 1 << 0,
    BLD_LOG_BITMAPS = 1 << 1,
    BLD_LOG_METADATA = 1 << 2,
    BLD_LOG_REGIONS = 1 << 3,
    BLD_LOG_ALL = 15,
};

/* What stands at the home of a page that is in the log */
enum bld_home {
    BLD_HOME_ZERO = 0,
    BLD_HOME_GARBAGE,
    BLD_HOME_OLDER, /* BAT and bitmaps: as if some blocks were not yet there; others: zeros */
};

/* The disk gets a LogGuid, and the chosen pages are right in the log only. All zero = one empty entry. */
struct bld_log {
    unsigned what;        /* BLD_LOG_*: structures whose pages may be logged */
    unsigned percent;     /* chance of each of these pages; 0 = all. Pages that do not fit the ring stay at home */
    bool untouched_pages; /* also pages of the structures that hold nothing but zeros (BAT padding): many descriptors */
    enum bld_home home;
    unsigned entries;       /* that the pages are spread over; 0 = 1 */
    unsigned empty_entries; /* further ones without descriptors, spread among them */
    bool superseded; /* earlier entries of the sequence hold wrong versions of pages that later ones hold rightly */
    bool zero_descriptors; /* pages of zeros as zero descriptors */
    uint32_t ring_offset;  /* of the active sequence's first entry: a multiple of 4096 below the log's length; near the
                              end it wraps */
    uint64_t sequence;     /* number of that entry; 0 = from the seed */
    unsigned applied_before; /* entries directly before it, valid and in sequence, but before the head's Tail: must not
                                be replayed */
    bool older_sequence;     /* elsewhere in the ring: a complete sequence of the same LogGuid with smaller numbers */
    bool foreign_behind;     /* directly behind the head: entries of another LogGuid whose numbers go on */
    bool torn_behind;        /* directly behind the head: the next entry, with one data sector not written */
    bool short_file;         /* the file ends before LastFileOffset */
    bool no_valid_entry;     /* LogGuid set and nothing valid in the ring: a fault */
    bool truncated;          /* FlushedFileOffset beyond the file's end: a fault */
};
void bld_log_dirty(struct bld *b, const struct bld_log *log);

/* ---- the file --------------------------------------------------------------------------------------------------- */

/*
 * Lays out and writes the file (replacing one of that name) and flushes it. `host` NULL = the operating system's
 * files. May be called again, for another path: the bytes are the same.
 */
vhdx_status bld_finish(struct bld *b, const vhdx_host *host, const char *path, vhdx_error *err);

const vhdx_guid *bld_data_write_guid(const struct bld *b);
const vhdx_guid *bld_virtual_disk_id(const struct bld *b);

/* After bld_finish: places in the file. VHDX_NOWHERE when there is no such thing. */
uint64_t bld_file_size(const struct bld *b);
uint64_t bld_log_offset(const struct bld *b);
uint64_t bld_region_offset(const struct bld *b, const vhdx_guid *id);
uint64_t bld_item_offset(const struct bld *b, const vhdx_guid *id, bool user);
/* Of the entry in the metadata table */
uint64_t bld_item_entry_offset(const struct bld *b, const vhdx_guid *id, bool user);
uint64_t bld_bat_entry_offset(const struct bld *b, uint64_t bat_index);
uint64_t bld_payload_entry_offset(const struct bld *b, uint64_t payload_block);
uint64_t bld_bitmap_entry_offset(const struct bld *b, uint64_t chunk);
uint64_t bld_payload_offset(const struct bld *b, uint64_t payload_block);
uint64_t bld_bitmap_offset(const struct bld *b, uint64_t chunk);
/* Of the dirty log: entries of the active sequence and their places in the file (of the n-th one's first byte). */
unsigned bld_log_entry_count(const struct bld *b);
uint64_t bld_log_entry_offset(const struct bld *b, unsigned n);
/* Pages that are right in the log only. */
unsigned bld_log_page_count(const struct bld *b);
/* Whether the page that holds the byte at `offset` is one of them. */
bool bld_log_holds(const struct bld *b, uint64_t offset);

/* ---- damage ----------------------------------------------------------------------------------------------------- */

/* Reads or overwrites bytes of the file as it lies there; no checksum is mended. */
vhdx_status bld_peek(const vhdx_host *host, const char *path, uint64_t offset, void *bytes, size_t length);
vhdx_status bld_poke(const vhdx_host *host, const char *path, uint64_t offset, const void *bytes, size_t length);
/* Little-endian integers of 1 to 8 bytes. */
vhdx_status bld_poke_int(const vhdx_host *host, const char *path, uint64_t offset, uint64_t value, size_t size);
/* The same inside header `copy` (1 or 2, 3 = both) or region table `copy`, with the checksum mended. */
vhdx_status bld_poke_header(const vhdx_host *host, const char *path, int copy, size_t offset, const void *bytes,
                            size_t length);
vhdx_status bld_poke_region_table(const vhdx_host *host, const char *path, int copy, size_t offset, const void *bytes,
                                  size_t length);
/*
 * The same inside the log entry that begins at `ring_offset` of the log [log_offset, +log_length): `offset` counts
 * from the entry's first byte and follows the ring around its end.
 */
vhdx_status bld_poke_log_entry(const vhdx_host *host, const char *path, uint64_t log_offset, uint64_t log_length,
                               uint64_t ring_offset, uint64_t offset, const void *bytes, size_t length);
/* Cuts the file or makes it longer. */
vhdx_status bld_resize(const vhdx_host *host, const char *path, uint64_t size);

/* ---- chance ----------------------------------------------------------------------------------------------------- */

/* A small generator (splitmix64) for whoever builds at random: everything follows from the state's first value. */
uint64_t bld_random(uint64_t *state);
/* 0 <= result < limit. */
uint64_t bld_random_below(uint64_t *state, uint64_t limit);
/*
 * Bytes that follow from `seed` (content of bld_write_random: with place 0). `place` = where in that stream, a
 * multiple of 8.
 */
void bld_random_bytes(uint64_t seed, uint64_t place, void *bytes, size_t length);
vhdx_guid bld_random_guid(uint64_t *state);

#endif
