/*
 * Metadata table and the fixed-size metadata items, MS-VHDX 2.6. The variable one, the parent locator, has locator.h.
 * Windows leaves a stale copy of the last entry behind the table; only `count`
 * entries are real.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_METADATA_H
#define VX_FORMAT_METADATA_H

#include "base/bytes.h"
#include "format/layout.h"

struct vx_metadata_entry {
    vhdx_guid item_id;
    uint32_t offset; /* from the start of the region */
    uint32_t length;
    uint32_t flags; /* VX_ITEM_IS_* and whatever else is stored */
    uint32_t reserved;
};

/* About 72 KiB: allocate it. */
struct vx_metadata_table {
    uint16_t count;    /* as stored; entries[] holds the first min(count, VX_METADATA_MAX) */
    bool reserved_set; /* some reserved byte of the table header is not zero */
    struct vx_metadata_entry entries[VX_METADATA_MAX];
};

enum {
    VX_METADATA_TOO_MANY = 1 << 0,
    VX_METADATA_RESERVED_SET = 1 << 1,       /* in the header of the table */
    VX_METADATA_ENTRY_RESERVED_SET = 1 << 2, /* flags bits 3-31 or the last field of an entry */
    VX_METADATA_DUPLICATE = 1 << 3,          /* same ItemId and IsUser */
    VX_METADATA_TOO_MANY_USER = 1 << 4,
    VX_METADATA_ITEM_TOO_LONG = 1 << 5,
    VX_METADATA_EMPTY_WITH_OFFSET = 1 << 6,
    VX_METADATA_ITEM_IN_TABLE = 1 << 7, /* Offset < 64 KiB with Length > 0 */
    VX_METADATA_ITEM_OUTSIDE = 1 << 8,  /* beyond the region */
    VX_METADATA_OVERLAP = 1 << 9,
    VX_METADATA_UNKNOWN_REQUIRED = 1 << 10, /* a system item; user items are never "unknown" */
    VX_METADATA_INCOMPLETE_FILE = 1 << 11,
    VX_METADATA_MISSING = 1 << 12, /* one of the five mandatory items */
    VX_METADATA_ZERO_ID = 1 << 13,
};

/* TRUNCATED: fewer than VX_METADATA_TABLE_SIZE bytes. CORRUPT: no signature. */
vhdx_status vx_metadata_table_decode(struct vx_bytes in, struct vx_metadata_table *out);
/* From the table's first bytes alone. Statuses as above; TRUNCATED when an entry is behind these bytes. */
vhdx_status vx_metadata_table_glance(struct vx_bytes in, struct vx_metadata_table *out);
/* `region_length`: of the metadata region, for the rules about places. */
uint32_t vx_metadata_table_rules(const struct vx_metadata_table *table, uint64_t region_length);
/* The rules of one entry on its own. */
uint32_t vx_metadata_entry_rules(const struct vx_metadata_entry *entry, uint64_t region_length);
/* A system item (IsUser = 0); NULL when absent. */
const struct vx_metadata_entry *vx_metadata_find(const struct vx_metadata_table *table, const vhdx_guid *item_id);
/* Writes VX_METADATA_TABLE_SIZE bytes; space behind the last entry becomes zeros. */
void vx_metadata_table_encode(const struct vx_metadata_table *table, uint8_t *out);

struct vx_file_parameters {
    uint32_t block_size;
    uint32_t flags; /* VX_PARAMETER_* and whatever else is stored */
};

/* Each takes the whole item; CORRUPT when its length is not the one of the format. The values are not judged. */
vhdx_status vx_file_parameters_decode(struct vx_bytes in, struct vx_file_parameters *out);
void vx_file_parameters_encode(const struct vx_file_parameters *parameters, uint8_t out[8]);
vhdx_status vx_item_u64_decode(struct vx_bytes in, uint64_t *out);   /* virtual disk size */
vhdx_status vx_item_u32_decode(struct vx_bytes in, uint32_t *out);   /* sector sizes */
vhdx_status vx_item_guid_decode(struct vx_bytes in, vhdx_guid *out); /* virtual disk id */

/* What the values must satisfy together (MS-VHDX 2.6.2.1 to 2.6.2.5) */
enum {
    VX_VALUES_BAD_BLOCK_SIZE = 1 << 0,
    VX_VALUES_BAD_PARAMETER_FLAGS = 1 << 1,
    VX_VALUES_BAD_VIRTUAL_SIZE = 1 << 2, /* 0, above 64 TiB, or no multiple of the logical sector size */
    VX_VALUES_BAD_LOGICAL_SECTOR = 1 << 3,
    VX_VALUES_BAD_PHYSICAL_SECTOR = 1 << 4,
    VX_VALUES_FIXED_WITH_PARENT = 1 << 5,
};
uint32_t vx_values_rules(const struct vx_file_parameters *parameters, uint64_t virtual_size, uint32_t logical_sector,
                         uint32_t physical_sector);

#endif
