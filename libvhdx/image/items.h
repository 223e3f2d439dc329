/*
 * The metadata items of one image (MS-VHDX 2.6): loaded at open, changed through the journal. Unknown optional items
 * and user items are kept. An item that grows gets a new place and the table
 * page switches to it, so that a crash shows the old or the new item and nothing between.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_ITEMS_H
#define VX_IMAGE_ITEMS_H

#include "format/locator.h"
#include "format/metadata.h"
#include "format/region.h"
#include "io/io.h"

struct vx_image;

struct vx_items {
    struct vx_metadata_table *table;
    struct vx_file_parameters parameters;
    uint64_t virtual_size;
    uint32_t logical_sector_size, physical_sector_size;
    vhdx_guid virtual_disk_id;
    /* the parent locator, NULL when there is none; without HasParent it means nothing to a reader */
    uint8_t *locator_bytes;
    uint32_t locator_size;
    struct vx_locator *locator;
    char *relative_path, *volume_path, *absolute_win32_path; /* UTF-8, NULL when the key is absent */
};

/*
 * Loads and checks the items of the metadata region as `view` shows it. CORRUPT, UNSUPPORTED say which rule is broken.
 * On failure `items` is empty. `allow_unfinished`: the item that marks a disk as unfinished is no reason to refuse.
 */
vhdx_status vx_items_load(struct vx_file *view, const struct vx_region *region, bool allow_unfinished,
                          struct vx_items *items, vhdx_error *err);
void vx_items_free(struct vx_items *items);
/* Copies the paths out of the locator (which must be there); they are vx_items_free()'s. */
vhdx_status vx_items_take_paths(struct vx_items *items, vhdx_error *err);

/* The bytes of an item of this image; `bytes` has entry->length of them. */
vhdx_status vx_items_read(struct vx_image *image, const struct vx_metadata_entry *entry, uint8_t *bytes,
                          vhdx_error *err);

/* Other bytes of the same length in the same place, among the pages of the journal's next commit. */
vhdx_status vx_items_rewrite(struct vx_image *image, const struct vx_metadata_entry *entry, const uint8_t *bytes,
                             vhdx_error *err);

struct vx_item_change {
    vhdx_guid item_id;
    uint32_t flags;       /* VX_ITEM_IS_*; IsUser and the id name the item */
    const uint8_t *bytes; /* NULL: remove the item if it is there */
    uint32_t length;
};

/* LIMIT when vx_items_change() would find no room; writes nothing, and the image need not be in writing. */
vhdx_status vx_items_check(struct vx_image *image, const struct vx_item_change *changes, size_t count, vhdx_error *err);

/*
 * Applies all changes in one log entry (the journal must have nothing pending) and loads the items anew. LIMIT: the
 * region has no room for them; nothing changed.
 */
vhdx_status vx_items_change(struct vx_image *image, const struct vx_item_change *changes, size_t count,
                            vhdx_error *err);

#endif
