/*
 * What the files of faults share. Each function of a row builds a sound disk and then does one thing to it: makers
 * build disks of the usual size, pokes change bytes and mend the checksum around them where there is one.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FAULTS_PARTS_H
#define TESTS_SUPPORT_FAULTS_PARTS_H

#include "faults.h"

#define F(kind, text, make, ...)                                                                                       \
    {                                                                                                                  \
        VX_FIND_##kind, text, make, {__VA_ARGS__}, 0, 0                                                                \
    }
#define LOST(kind, text, make, offset, length, ...)                                                                    \
    {                                                                                                                  \
        VX_FIND_##kind, text, make, {__VA_ARGS__}, offset, length                                                      \
    }
#define BLOCKS(n) ((n) * (uint64_t)FAULT_BLOCK)

/* The rows of one file. */
struct fault_rows {
    const struct fault *rows;
    size_t count;
};
extern const struct fault_rows faults_of_headers, faults_of_regions, faults_of_metadata, faults_of_locator,
    faults_of_log, faults_of_bat, faults_of_bitmaps;

/* Fields of structures, as they stand in the format */
enum {
    H_SEQUENCE = 8,
    H_FILE = 16,
    H_DATA = 32,
    H_LOG = 48,
    H_LOG_VERSION = 64,
    H_VERSION = 66,
    H_LENGTH = 68,
    H_OFFSET = 72
};
enum { R_COUNT = 8, R_RESERVED = 12, R_BAT = 16, R_METADATA = 48, R_OFFSET = 16, R_LENGTH = 24, R_REQUIRED = 28 };
enum {
    E_LENGTH = 8,
    E_TAIL = 12,
    E_SEQUENCE = 16,
    E_COUNT = 24,
    E_RESERVED = 28,
    E_FLUSHED = 48,
    E_LAST = 56,
    E_DESCRIPTOR = 64,
    E_TARGET = 80
};
enum { M_OFFSET = 16, M_LENGTH = 20, M_FLAGS = 24 };

/* ---- makers and pokes ---- */

void fault_poke_bytes(struct fault_scene *s, uint64_t offset, const void *bytes, size_t size);
void fault_finish(struct fault_scene *s);
void fault_fixed(struct fault_scene *s);
void fault_dirty(struct fault_scene *s, const struct bld_log *log);
void fault_poke_header(struct fault_scene *s, int copy, size_t offset, uint64_t value, size_t size);
void fault_spoil_entry(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size);
void fault_poke_region(struct fault_scene *s, int copy, size_t offset, uint64_t value, size_t size);
void fault_child_content(struct fault_scene *s);
void fault_dynamic(struct fault_scene *s);
void fault_dirty_pages(struct fault_scene *s);
void fault_dirty_empty(struct fault_scene *s);
void fault_empty(struct fault_scene *s, vhdx_kind kind);
void fault_fill(struct fault_scene *s);
void fault_with_options(struct fault_scene *s, const struct bld_options *options);
void fault_child(struct fault_scene *s);
void fault_poke(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size);
uint64_t fault_peek(struct fault_scene *s, uint64_t offset, size_t size);
void fault_cut(struct fault_scene *s, uint64_t size);
void fault_poke_entry(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size);
struct bld_options fault_usual(vhdx_kind kind);

/* ---- of one structure, and used by others ---- */

extern const vhdx_guid fault_unknown_id;
uint64_t fault_item_at(const struct fault_scene *s, const vhdx_guid *id);
void fault_poke_block(struct fault_scene *s, uint64_t block, uint64_t raw);

#endif
