/*
 * A look at a cleanly closed file; see look.h. No policy: what is not sound gives nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "look.h"

#include <stdlib.h>

#include "base/guid.h"
#include "builder.h"
#include "inside.h"

static bool one_header(const vhdx_host *host, const char *path, uint64_t offset, struct vx_header *header)
{
    uint8_t bytes[VX_HEADER_SIZE];
    return bld_peek(host, path, offset, bytes, sizeof(bytes)) == VHDX_OK &&
           vx_header_decode(vx_bytes_of(bytes, sizeof(bytes)), header) == VHDX_OK && vx_header_rules(header) == 0;
}

static bool read_headers(struct look *look, const vhdx_host *host, const char *path)
{
    struct vx_header first, second;
    bool has_first = one_header(host, path, VX_HEADER1_OFFSET, &first);
    bool has_second = one_header(host, path, VX_HEADER2_OFFSET, &second);
    look->both_headers = has_first && has_second;
    if (!has_first && !has_second)
        return false;
    look->header = has_first && (!has_second || first.sequence_number > second.sequence_number) ? first : second;
    return vx_guid_is_zero(&look->header.log_guid);
}

static bool read_regions(struct look *look, const vhdx_host *host, const char *path)
{
    uint8_t *bytes = bld_alloc(1, VX_REGION_TABLE_SIZE);
    bool good = false;
    for (int copy = 0; !good && copy < 2; copy++) {
        uint64_t offset = copy == 0 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
        good = bld_peek(host, path, offset, bytes, VX_REGION_TABLE_SIZE) == VHDX_OK &&
               vx_region_table_decode(vx_bytes_of(bytes, VX_REGION_TABLE_SIZE), &look->regions) == VHDX_OK &&
               vx_region_table_rules(&look->regions) == 0;
    }
    free(bytes);
    return good;
}

static bool read_metadata(struct look *look, const vhdx_host *host, const char *path)
{
    const struct vx_region *region = vx_region_find(&look->regions, &vx_guid_metadata_region);
    uint8_t *bytes = bld_alloc(1, VX_METADATA_TABLE_SIZE);
    bool good = region && bld_peek(host, path, region->file_offset, bytes, VX_METADATA_TABLE_SIZE) == VHDX_OK &&
                vx_metadata_table_decode(vx_bytes_of(bytes, VX_METADATA_TABLE_SIZE), &look->metadata) == VHDX_OK &&
                vx_metadata_table_rules(&look->metadata, region->length) == 0;
    if (good)
        look->metadata_offset = region->file_offset;
    free(bytes);
    return good;
}

struct look *look_at(const vhdx_host *host, const char *path)
{
    struct look *look = bld_alloc(1, sizeof(*look));
    if (read_headers(look, host, path) && read_regions(look, host, path) && read_metadata(look, host, path))
        return look;
    free(look);
    return NULL;
}

uint32_t look_item(const struct look *look, const vhdx_host *host, const char *path, const vhdx_guid *id, bool user,
                   uint8_t *bytes, uint32_t size)
{
    for (uint16_t i = 0; i < look->metadata.count; i++) {
        const struct vx_metadata_entry *entry = &look->metadata.entries[i];
        if (!vx_guid_equal(&entry->item_id, id) || ((entry->flags & VX_ITEM_IS_USER) != 0) != user)
            continue;
        if (entry->length > size ||
            bld_peek(host, path, look->metadata_offset + entry->offset, bytes, entry->length) != VHDX_OK)
            return UINT32_MAX;
        return entry->length;
    }
    return UINT32_MAX;
}
