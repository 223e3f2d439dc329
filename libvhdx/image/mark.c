/*
 * The mark of a merge on its way. See mark.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/mark.h"

#include "base/guid.h"

static const struct vx_metadata_entry *find_mark(const struct vx_image *image)
{
    const struct vx_metadata_table *table = image->items.table;
    for (uint32_t i = 0; table && i < table->count; i++)
        if ((table->entries[i].flags & VX_ITEM_IS_USER) &&
            vx_guid_equal(&table->entries[i].item_id, &vx_guid_merge_mark))
            return &table->entries[i];
    return NULL;
}

vhdx_status vx_mark_read(struct vx_image *image, bool *found, struct vx_merge_mark *mark, vhdx_error *err)
{
    const struct vx_metadata_entry *entry = find_mark(image);
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    *found = false;
    if (!entry || entry->length != sizeof bytes)
        return VHDX_OK;
    VX_TRY(vx_items_read(image, entry, bytes, err));
    *found = vx_merge_mark_decode(vx_bytes_of(bytes, sizeof bytes), mark) == VHDX_OK &&
             vx_guid_equal(&mark->identity, &image->header.data_write_guid);
    return VHDX_OK;
}

vhdx_status vx_mark_begin(struct vx_image *image, const struct vx_merge_mark *mark, vhdx_error *err)
{
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    struct vx_item_change change = {vx_guid_merge_mark, VX_ITEM_IS_USER, bytes, sizeof bytes};
    vx_merge_mark_encode(mark, bytes);
    VX_TRY(vx_items_check(image, &change, 1, err));
    return vx_items_change(image, &change, 1, err);
}

vhdx_status vx_mark_forward(struct vx_image *image, const struct vx_merge_mark *mark, vhdx_error *err)
{
    const struct vx_metadata_entry *entry = find_mark(image);
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    if (!entry || entry->length != sizeof bytes)
        return VHDX_OK;
    vx_merge_mark_encode(mark, bytes);
    return vx_items_rewrite(image, entry, bytes, err);
}

struct vx_item_change vx_mark_removal(void)
{
    return (struct vx_item_change){.item_id = vx_guid_merge_mark, .flags = VX_ITEM_IS_USER};
}
