/*
 * Metadata items whose values are gone or make no sense: one after the other, each from the best witness (rebuild.h).
 * What the evidence leaves open is taken only when things may be given up. The one thing that is easy to get wrong: a
 * size that is too small cuts content off, so what still stands there is believed as far as it can be.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/alloc.h"
#include "verify/repair_class.h"
#include "evidence/sizes.h"

#define OF_DISK (VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK)

vhdx_status vx_mending_rebuild(struct vx_mending *m, bool search_content, vhdx_error *err)
{
    struct vx_parent_hint hint;
    if (m->rebuilt)
        return VHDX_OK;
    bool known_parent = vx_parent_hint_find(m->plan->host, m->options->parents, m->options->parent_count, &hint);
    const struct vx_rebuild_options options = {
        .host = m->plan->host,
        .told = {m->options->assume_virtual_size, m->options->assume_block_size, m->options->assume_logical_sector},
        .parent = known_parent ? &hint : NULL,
        .search_content = search_content,
        .progress = m->options->progress,
        .progress_context = m->options->progress_context};
    return vx_rebuild(m->plan->sketch, &options, &m->rebuilt, err);
}

struct value {
    enum vx_find kind; /* METADATA_ITEM_MISSING, or what is wrong with the value */
    const vhdx_guid *id;
    enum vx_part part;
    uint32_t flags, length;
    const char *gives;
};

static const struct value values[] = {
    {VX_FIND_METADATA_ITEM_MISSING, &vx_guid_logical_sector_size, VX_PART_LOGICAL_SECTOR, OF_DISK, 4,
     "the disk has a logical sector size"},
    {VX_FIND_METADATA_ITEM_MISSING, &vx_guid_file_parameters, VX_PART_BLOCK_SIZE, VX_ITEM_IS_REQUIRED, 8,
     "the disk has its parameters"},
    {VX_FIND_METADATA_ITEM_MISSING, &vx_guid_virtual_disk_size, VX_PART_VIRTUAL_SIZE, OF_DISK, 8,
     "the disk has a size"},
    {VX_FIND_METADATA_ITEM_MISSING, &vx_guid_physical_sector_size, VX_PART_PHYSICAL_SECTOR, OF_DISK, 4,
     "the disk has a physical sector size"},
    {VX_FIND_METADATA_ITEM_MISSING, &vx_guid_virtual_disk_id, VX_PART_DISK_ID, OF_DISK, 16,
     "the virtual disk has an id"},
    {VX_FIND_METADATA_LOGICAL_SECTOR, &vx_guid_logical_sector_size, VX_PART_LOGICAL_SECTOR, OF_DISK, 4,
     "the logical sector size is one that there is"},
    {VX_FIND_METADATA_BLOCK_SIZE, &vx_guid_file_parameters, VX_PART_BLOCK_SIZE, VX_ITEM_IS_REQUIRED, 8,
     "the block size is the distance of the blocks"},
    {VX_FIND_METADATA_VIRTUAL_SIZE, &vx_guid_virtual_disk_size, VX_PART_VIRTUAL_SIZE, OF_DISK, 8,
     "the size of the disk is a possible one"},
};

uint32_t vx_mend_value_of(const struct vx_rebuilt *rebuilt, enum vx_part part, uint8_t bytes[16])
{
    const struct vx_file_parameters parameters = {rebuilt->block_size, rebuilt->parameter_flags};
    switch (part) {
    case VX_PART_LOGICAL_SECTOR:
        vx_put32(bytes, rebuilt->logical_sector);
        return 4;
    case VX_PART_PHYSICAL_SECTOR:
        vx_put32(bytes, rebuilt->physical_sector);
        return 4;
    case VX_PART_VIRTUAL_SIZE:
        vx_put64(bytes, rebuilt->virtual_size);
        return 8;
    case VX_PART_BLOCK_SIZE:
        vx_file_parameters_encode(&parameters, bytes);
        return 8;
    case VX_PART_DISK_ID:
        for (size_t i = 0; i < 16; i++)
            bytes[i] = rebuilt->virtual_disk_id.bytes[i];
        return 16;
    default:
        return 0;
    }
}

static bool is_due(const struct vx_mending *m, const struct value *value)
{
    if (!vx_mend_is_wanted(m, value->kind))
        return false;
    return value->kind != VX_FIND_METADATA_ITEM_MISSING || !vx_metadata_find(m->exam->table, value->id);
}

static vhdx_status mend_value(struct vx_mending *m, const struct value *value, vhdx_error *err)
{
    uint8_t bytes[16];
    bool put;
    VX_TRY(vx_mending_rebuild(m, false, err));
    vhdx_repair_class class = vx_evidence_class(m->rebuilt, value->part);
    if (class == VHDX_REPAIR_NONE || (class == VHDX_REPAIR_SALVAGE && !m->salvage))
        return VHDX_OK;
    const struct vx_reason reason = {value->kind, class == VHDX_REPAIR_SALVAGE, value->gives,
                                     class == VHDX_REPAIR_SALVAGE ? "the certainty that it is the right one" : NULL};
    (void)vx_mend_value_of(m->rebuilt, value->part, bytes);
    return vx_mend_put_item(m, value->id, value->flags, bytes, value->length, &reason, &put, err);
}

/* All sizes that contradict the rest, in one step: half of an answer is none. */
static vhdx_status mend_sizes(struct vx_mending *m, vhdx_error *err)
{
    static const struct value sizes[] = {
        {VX_FIND_METADATA_CONTRADICTED, &vx_guid_logical_sector_size, VX_PART_LOGICAL_SECTOR, OF_DISK, 4,
         "the logical sector size agrees with everything else"},
        {VX_FIND_METADATA_CONTRADICTED, &vx_guid_file_parameters, VX_PART_BLOCK_SIZE, VX_ITEM_IS_REQUIRED, 8,
         "the block size agrees with everything else"},
        {VX_FIND_METADATA_CONTRADICTED, &vx_guid_virtual_disk_size, VX_PART_VIRTUAL_SIZE, OF_DISK, 8,
         "the size of the disk agrees with everything else"},
    };
    if (!vx_mend_is_wanted(m, VX_FIND_METADATA_CONTRADICTED))
        return VHDX_OK;
    VX_TRY(vx_mending_rebuild(m, false, err));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (vx_sizes_changed(&m->rebuilt->sizes, sizes[i].part))
            VX_TRY(mend_value(m, &sizes[i], err));
    return VHDX_OK;
}

/* One at a time: the next one is judged with the one before in its place. */
vhdx_status vx_mend_values(struct vx_mending *m, vhdx_error *err)
{
    uint64_t before = m->plan->changes;
    if (!m->exam->table)
        return VHDX_OK;
    VX_TRY(mend_sizes(m, err));
    for (size_t i = 0; i < sizeof values / sizeof values[0] && m->plan->changes == before; i++)
        if (is_due(m, &values[i]))
            VX_TRY(mend_value(m, &values[i], err));
    return VHDX_OK;
}
