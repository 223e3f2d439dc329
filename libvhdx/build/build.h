/*
 * The builder: one engine for all that writes a new disk. It takes what a source yields, in order, and moves it into a
 * target of some format (target.h), sharing extents where the host can and leaving zeros out; the new disk gets its
 * name when it is complete and durable, and never before.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BUILD_BUILD_H
#define VX_BUILD_BUILD_H

#include "image/create.h"

enum vx_supply_kind {
    VX_SUPPLY_END,
    VX_SUPPLY_BYTES,
    VX_SUPPLY_FILE, /* they lie in a file, from which they may be shared */
    VX_SUPPLY_ZEROS,
    VX_SUPPLY_ABSENT, /* the parent's */
};

struct vx_supply {
    enum vx_supply_kind kind;
    uint64_t length;
    const uint8_t *bytes;
    struct vx_file *file;
    uint64_t file_offset;
};

struct vx_chain;

struct vx_source {
    vhdx_status (*next)(void *context, struct vx_supply *supply, vhdx_error *err);
    void *context;
    bool lasts; /* what it has yielded stays valid when it is asked again, so that it may be asked ahead */
    /* What is known beforehand; 0 = nothing. */
    uint64_t virtual_size;
    uint32_t block_size, logical_sector_size, physical_sector_size;
    const vhdx_guid *virtual_disk_id;
    const struct vx_item_change *inherited; /* for a VHDX */
    size_t inherited_count;
};

/* As vhdx_build; `report` is filled as far as known also on failure. */
vhdx_status vx_build(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                     vhdx_build_report *report, vhdx_error *err);
/* Refuses what vx_build() would refuse before it writes, and says what it would make of so many bytes of data. */
vhdx_status vx_build_plan(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                          vhdx_build_report *report, vhdx_error *err);

/* As vhdx_build, of a caller's source. */
vhdx_status vx_build_from(const char *path, const vhdx_build_options *options, vhdx_source_fn source, void *context,
                          vhdx_build_report *report, vhdx_error *err);
/* As vhdx_convert, and vhdx_convert_plan. */
vhdx_status vx_convert(const char *from, const char *path, const vhdx_build_options *options, bool plan_only,
                       vhdx_build_report *report, vhdx_error *err);

/* The same of a chain that is open. */
vhdx_status vx_convert_chain(struct vx_chain *chain, const char *path, const vhdx_build_options *options,
                             bool plan_only, vhdx_build_report *report, vhdx_error *err);

#endif
