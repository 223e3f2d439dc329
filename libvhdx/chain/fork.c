/*
 * Making a child. See fork.h.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/fork.h"

#include "base/alloc.h"
#include "base/guid.h"

#include <string.h>

/* The five that every disk has are written from their values. */
static bool is_standard(const struct vx_metadata_entry *entry)
{
    static const vhdx_guid *const standard[] = {&vx_guid_file_parameters,     &vx_guid_virtual_disk_size,
                                                &vx_guid_logical_sector_size, &vx_guid_physical_sector_size,
                                                &vx_guid_virtual_disk_id,     &vx_guid_parent_locator};
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        if (!(entry->flags & VX_ITEM_IS_USER) && vx_guid_equal(&entry->item_id, standard[i]))
            return true;
    return false;
}

static bool is_inherited(const struct vx_metadata_entry *entry)
{
    return (entry->flags & VX_ITEM_IS_VIRTUAL_DISK) && !is_standard(entry);
}

static vhdx_status read_items(struct vx_image *image, struct vx_fork_items *items, vhdx_error *err)
{
    const struct vx_metadata_table *table = image->items.table;
    size_t used = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct vx_metadata_entry *entry = &table->entries[i];
        if (!is_inherited(entry))
            continue;
        VX_TRY(vx_items_read(image, entry, items->bytes + used, err));
        items->items[items->count++] = (struct vx_item_change){
            .item_id = entry->item_id, .flags = entry->flags, .bytes = items->bytes + used, .length = entry->length};
        used += entry->length;
    }
    return VHDX_OK;
}

vhdx_status vx_fork_read_items(struct vx_image *image, struct vx_fork_items *items, vhdx_error *err)
{
    const struct vx_metadata_table *table = image->items.table;
    size_t size = 1; /* so that an item without bytes has an address too */
    memset(items, 0, sizeof *items);
    for (uint32_t i = 0; i < table->count; i++)
        size += is_inherited(&table->entries[i]) ? table->entries[i].length : 0; /* they do not overlap in one region */
    items->items = vx_alloc(table->count, sizeof *items->items);
    items->bytes = vx_alloc(size, 1);
    vhdx_status status =
        items->items && items->bytes ? read_items(image, items, err) : vx_fail_memory(err, "metadata items");
    if (status != VHDX_OK)
        vx_fork_free_items(items);
    return status;
}

void vx_fork_free_items(struct vx_fork_items *items)
{
    vx_free(items->items);
    vx_free(items->bytes);
    memset(items, 0, sizeof *items);
}

static void inherit(struct vx_create_spec *spec, const struct vx_image *parent, const struct vx_fork_items *items)
{
    if (spec->virtual_size == 0)
        spec->virtual_size = parent->items.virtual_size;
    if (spec->physical_sector_size == 0)
        spec->physical_sector_size = parent->items.physical_sector_size;
    if (spec->logical_sector_size == 0)
        spec->logical_sector_size = parent->items.logical_sector_size;
    spec->virtual_disk_id = parent->items.virtual_disk_id;
    spec->inherited = items->items;
    spec->inherited_count = items->count;
}

static vhdx_status take_parent(const vhdx_host *host, const char *path, struct vx_image *parent,
                               struct vx_create_spec *spec, struct vx_fork *fork, vhdx_error *err)
{
    struct vx_link link = {.linkage = parent->header.data_write_guid, .parent_path = vx_image_path(parent)};
    VX_TRY(vx_fork_read_items(parent, &fork->items, err));
    inherit(spec, parent, &fork->items);
    if (spec->logical_sector_size != parent->items.logical_sector_size)
        return vx_fail(err, VHDX_ARG, vx_at_file(path), "the logical sector size must be the parent's");
    VX_TRY(vx_link_encode(host, path, NULL, &link, &fork->locator, &spec->locator_size, err));
    spec->locator = fork->locator;
    return VHDX_OK;
}

vhdx_status vx_fork_prepare(const vhdx_host *host, const char *path, const char *parent_path,
                            struct vx_create_spec *spec, struct vx_fork *fork, vhdx_error *err)
{
    struct vx_image *parent;
    host = vx_host_or_native(host);
    *fork = (struct vx_fork){0};
    VX_TRY(vx_image_open(host, parent_path, 0, &parent, err));
    vhdx_status status = take_parent(host, path, parent, spec, fork, err);
    vx_image_close(parent);
    if (status != VHDX_OK)
        vx_fork_free(fork);
    return status;
}

void vx_fork_free(struct vx_fork *fork)
{
    vx_fork_free_items(&fork->items);
    vx_free(fork->locator);
    fork->locator = NULL;
}

vhdx_status vx_fork(const vhdx_host *host, const char *path, const char *parent_path, struct vx_create_spec *spec,
                    vhdx_error *err)
{
    struct vx_fork fork;
    VX_TRY(vx_fork_prepare(host, path, parent_path, spec, &fork, err));
    vhdx_status status = vx_create(host, path, spec, err);
    vx_fork_free(&fork);
    return status;
}
