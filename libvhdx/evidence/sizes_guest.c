/*
 * What the guest says about the sizes. See sizes.h. The disk is read by its BAT with the sizes that are asked about,
 * only what this file holds of it; partition table and file systems are content.h's. Easy to get wrong: a block whose
 * sectors are only in part the layer's own may have old bytes in the others. What has a checksum is believed there.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "format/bat.h"
#include "format/metadata.h"
#include "guest/content.h"
#include "guest/partitions.h"
#include "evidence/sizes.h"

#include <string.h>

struct reading {
    const struct vx_size_facts *facts;
    uint64_t block_size, ratio;
    bool child;
};

static bool find_block(const struct reading *reading, uint64_t block, uint64_t *file_offset)
{
    const struct vx_size_facts *facts = reading->facts;
    uint64_t index = block + block / reading->ratio;
    uint8_t raw[VX_BAT_ENTRY_SIZE];
    size_t got;
    if (index >= facts->bat.length / VX_BAT_ENTRY_SIZE ||
        vx_file_read_some(facts->view, raw, sizeof raw, facts->bat.file_offset + index * VX_BAT_ENTRY_SIZE, &got,
                          NULL) != VHDX_OK ||
        got < sizeof raw)
        return false;
    const struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(raw));
    *file_offset = entry.file_offset;
    return (entry.state == VX_PAYLOAD_FULLY_PRESENT ||
            (reading->child && entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)) &&
           entry.file_offset >= VX_HEADER_SECTION_SIZE && entry.file_offset < INT64_MAX / 2;
}

static bool read_disk(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    const struct reading *reading = context;
    uint8_t *out = buf;
    while (length > 0) {
        uint64_t in_block = virtual_offset % reading->block_size, file_offset;
        size_t got, here = (size_t)vx_min(length, reading->block_size - in_block);
        if (!find_block(reading, virtual_offset / reading->block_size, &file_offset) ||
            vx_file_read_some(reading->facts->payload, out, here, file_offset + in_block, &got, NULL) != VHDX_OK ||
            got < here)
            return false;
        out += here;
        virtual_offset += here;
        length -= here;
    }
    return true;
}

/* What has no checksum counts only where a block is the layer's own as a whole. */
static void take(const struct vx_content *content, bool child, struct vx_size_guest *guest)
{
    guest->gpt = content->primary.found || content->backup.found;
    guest->backup = content->backup.found;
    guest->gpt_sector = content->implied_sector_size;
    guest->gpt_end = guest->gpt ? content->implied_size : 0;
    guest->agreements = content->agreements;
    guest->contradictions = content->contradictions;
    if (child)
        return;
    for (uint32_t i = 0; i < content->partition_count; i++) {
        uint64_t end;
        if (vx_add(content->partitions[i].offset, content->partitions[i].length, &end) && end <= VX_VIRTUAL_SIZE_MAX)
            guest->reach = vx_max(guest->reach, end);
    }
    if (content->table == VX_TABLE_NONE && content->whole.size <= VX_VIRTUAL_SIZE_MAX)
        guest->reach = vx_max(guest->reach, content->whole.size);
}

vhdx_status vx_sizes_ask_guest(const struct vx_size_facts *facts, const struct vx_census *census, bool deep,
                               struct vx_size_guest *guest, vhdx_error *err)
{
    struct reading reading = {facts, census->block_size, census->ratio,
                              (facts->parameter_flags & VX_PARAMETER_HAS_PARENT) != 0};
    struct vx_content_source source = {&reading, read_disk, UINT64_MAX, census->logical_sector};
    struct vx_content *content = vx_alloc(1, sizeof *content);
    *guest = (struct vx_size_guest){0};
    if (!content)
        return vx_fail_memory(err, "a look inside of the disk");
    for (int known = 0; known < 2 && !content->primary.found; known++) {
        *content = (struct vx_content){0};
        source.size = known ? facts->stored.virtual_size : UINT64_MAX; /* the copy is at the end, wherever that is */
        if (deep)
            vx_content_look(&source, content);
        else
            vx_partitions_find(&source, content);
    }
    take(content, reading.child, guest);
    vx_free(content);
    return VHDX_OK;
}
