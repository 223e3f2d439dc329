/*
 * VHD, the format before VHDX (Virtual Hard Disk Image Format Specification, Microsoft 2006): footer, dynamic header,
 * block allocation table, sector bitmaps. All numbers are big-endian, paths of "W2ku" and "W2ru" excepted, which are
 * UTF-16LE. The size of a disk is its `current_size`, as Hyper-V, Azure and libvhdi take it; the geometry is what
 * Virtual PC showed to its guests, and may say less.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_VHD_H
#define VX_FORMAT_VHD_H

#include <vhdx.h>

#include "base/bytes.h"

#define VX_VHD_FOOTER_SIZE 512u
#define VX_VHD_OLD_FOOTER_SIZE 511u /* before Virtual PC 2004: the last byte, which is reserved, is not in the file */
#define VX_VHD_SECTOR 512u
#define VX_VHD_ENTRY_SIZE 4u
#define VX_VHD_NO_BLOCK UINT32_MAX
#define VX_VHD_HEADER_SIZE 1024u
#define VX_VHD_NAME_SIZE 512u /* bytes of UTF-16BE */
#define VX_VHD_LOCATORS 8u

enum vx_vhd_type { VX_VHD_FIXED = 2, VX_VHD_DYNAMIC = 3, VX_VHD_DIFFERENCING = 4 };

/* At the file's end; dynamic and differencing disks begin with a copy. */
struct vx_vhd_footer {
    uint32_t features;
    uint32_t version;     /* 0x00010000 */
    uint64_t data_offset; /* of the dynamic header; all ones: a fixed disk has none */
    uint32_t time;        /* seconds since 2000 */
    uint8_t creator[4];   /* the program, in ASCII */
    uint32_t creator_version;
    uint8_t creator_host[4];
    uint64_t original_size, current_size;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t type;
    uint32_t checksum, computed;
    vhdx_guid id; /* stays the same when the disk is written to, and in its copies */
    bool saved_state;
};

/* One of the places in which a path of the parent may be. */
struct vx_vhd_locator {
    uint32_t platform; /* VX_VHD_W2KU, VX_VHD_W2RU; others exist */
    uint32_t length;   /* in bytes */
    uint64_t offset;   /* in the file */
};

#define VX_VHD_W2RU UINT32_C(0x57327275) /* a relative path of Windows */
#define VX_VHD_W2KU UINT32_C(0x57326B75) /* an absolute one */

struct vx_vhd_header {
    uint64_t table_offset;
    uint32_t version; /* 0x00010000 */
    uint32_t entry_count;
    uint32_t block_size;
    uint32_t checksum, computed;
    vhdx_guid parent_id;
    uint32_t parent_time;
    struct vx_bytes parent_name; /* UTF-16BE, inside of the bytes that were decoded */
    struct vx_vhd_locator locators[VX_VHD_LOCATORS];
};

enum {
    VX_VHD_BAD_VERSION = 1,
    VX_VHD_BAD_CHECKSUM = 2,
    VX_VHD_BAD_TYPE = 4,
    VX_VHD_BAD_BLOCK_SIZE = 8, /* no power of two of sectors */
};

/* TRUNCATED: too few bytes. NOT_VHDX: no signature. */
vhdx_status vx_vhd_footer_decode(struct vx_bytes in, struct vx_vhd_footer *out);
uint32_t vx_vhd_footer_rules(const struct vx_vhd_footer *footer);
vhdx_status vx_vhd_header_decode(struct vx_bytes in, struct vx_vhd_header *out);
uint32_t vx_vhd_header_rules(const struct vx_vhd_header *header);
/* The first of that platform that says it has a path. NULL: none. */
const struct vx_vhd_locator *vx_vhd_locator_find(const struct vx_vhd_header *header, uint32_t platform);

/* UTF-8 of UTF-16BE, up to its end or a NUL; `text` has VX_UTF8_ROOM(VX_VHD_NAME_SIZE) bytes, of longer input the
 * beginning counts. */
void vx_vhd_name(struct vx_bytes in, char *text);

/* 512 bytes with the checksum; `checksum` and `computed` of the value mean nothing. */
void vx_vhd_footer_encode(const struct vx_vhd_footer *footer, uint8_t out[VX_VHD_FOOTER_SIZE]);
/* The same of 1024 bytes, for a disk without parent: no name, no locators. */
void vx_vhd_header_encode(const struct vx_vhd_header *header, uint8_t out[VX_VHD_HEADER_SIZE]);

/* Cylinders, heads and sectors by the specification's appendix, which never tell more than the size. */
void vx_vhd_geometry(uint64_t size, struct vx_vhd_footer *footer);
/* What the geometry says of the size, in bytes. */
uint64_t vx_vhd_geometry_size(const struct vx_vhd_footer *footer);

/* Bytes of the sector bitmap in front of each block: whole sectors. */
uint32_t vx_vhd_bitmap_size(uint32_t block_size);
/*
 * The bit at `first`, most significant bit first, and how many bits from there on (at least 1, at most `limit`) share
 * it; 1 = this file holds the sector.
 */
uint32_t vx_vhd_bitmap_run(const uint8_t *bits, uint32_t first, uint32_t limit, bool *value);

#endif
