/*
 * Both copies of a partition table. See table.h, whose T1 to T3 the lines that uphold them name.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/table.h"

#include "edit/sectors.h"

#include <string.h>

static uint64_t last_sector(const struct vx_layout *layout, uint64_t virtual_size)
{
    return virtual_size / layout->sector_size - 1;
}

/* Where the copies belong on a disk of that size. */
static void find_places(const struct vx_layout *layout, uint64_t virtual_size, struct vx_gpt_place places[2])
{
    const struct vx_table_copy *primary = &layout->copies[0];
    uint64_t last = last_sector(layout, virtual_size);
    places[0] = (struct vx_gpt_place){.header = 1,
                                      .other_header = last,
                                      .array = primary->right ? primary->gpt.array_sector : 2,
                                      .last_usable = last - layout->array_sectors - 1};
    places[1] = (struct vx_gpt_place){
        .header = last, .other_header = 1, .array = last - layout->array_sectors, .last_usable = places[0].last_usable};
}

/* On a disk of the size that it has the guest may have set the last usable sector lower. */
static bool is_right(const struct vx_layout *layout, const struct vx_gpt_place places[2])
{
    for (size_t i = 0; i < 2; i++) {
        const struct vx_table_copy *copy = &layout->copies[i];
        if (!copy->right || copy->gpt.my_sector != places[i].header ||
            copy->gpt.other_sector != places[i].other_header || copy->gpt.last_usable > places[i].last_usable ||
            copy->gpt.array_checksum != layout->copies[layout->best].gpt.array_checksum)
            return false;
    }
    return true;
}

static struct vx_table_write *add(struct vx_table_plan *plan, const struct vx_layout *layout, uint64_t sector,
                                  uint64_t sectors, const uint8_t *bytes)
{
    struct vx_table_write *write = &plan->writes[plan->count++];
    *write = (struct vx_table_write){
        .virtual_offset = sector * layout->sector_size, .length = sectors * layout->sector_size, .bytes = bytes};
    return write;
}

/* A copy in a new place, or one that was not valid: all of it, the header last. */
static void add_copy(struct vx_table_plan *plan, const struct vx_layout *layout, const struct vx_gpt_place *place,
                     const uint8_t *header)
{
    add(plan, layout, place->array, layout->array_sectors, layout->copies[layout->best].array);
    add(plan, layout, place->header, 1, header);
}

/* The boot record that protects the table; a table that is right is found with a record that is. */
static void add_record(struct vx_table_plan *plan, const struct vx_layout *layout, uint64_t virtual_size)
{
    memcpy(plan->record, layout->record, sizeof plan->record);
    if (vx_protective_record_fit(plan->record, virtual_size / layout->sector_size))
        add(plan, layout, 0, 1, plan->record);
}

/* The header of the copy at the former end is removed where it lies in nobody's way, and nothing else does there. */
static void add_removal(struct vx_table_plan *plan, const struct vx_layout *layout, uint64_t virtual_size,
                        const struct vx_gpt_place *backup)
{
    const struct vx_table_copy *former = &layout->copies[1];
    uint64_t sector = former->gpt.my_sector;
    if (!former->right || sector >= virtual_size / layout->sector_size || sector >= backup->array ||
        sector * layout->sector_size < layout->end || sector < former->gpt.first_usable)
        return;
    add(plan, layout, sector, 1, plan->zeros)->settle = true; /* T3 */
}

void vx_table_plan(const struct vx_layout *layout, uint64_t virtual_size, struct vx_table_plan *plan)
{
    struct vx_gpt_place places[2];
    memset(plan, 0, sizeof *plan);
    find_places(layout, virtual_size, places);
    if (virtual_size == layout->virtual_size && is_right(layout, places))
        return;
    for (size_t i = 0; i < 2; i++) {
        memcpy(plan->headers[i], layout->copies[layout->best].header, sizeof plan->headers[i]);
        vx_gpt_header_put(plan->headers[i], &places[i]);
    }
    size_t second;                 /* the first write of the copy that is written second */
    if (layout->copies[0].right) { /* T1 */
        add_copy(plan, layout, &places[1], plan->headers[1]);
        add_record(plan, layout, virtual_size);
        second = plan->count;
        add(plan, layout, places[0].header, 1, plan->headers[0]);
    } else {
        add_copy(plan, layout, &places[0], plan->headers[0]);
        add_record(plan, layout, virtual_size);
        second = plan->count;
        add_copy(plan, layout, &places[1], plan->headers[1]);
    }
    plan->writes[second].settle = true; /* T2 */
    add_removal(plan, layout, virtual_size, &places[1]);
}

void vx_table_plan_first(const struct vx_layout *layout, struct vx_table_plan *plan)
{
    struct vx_gpt_place places[2];
    memset(plan, 0, sizeof *plan);
    find_places(layout, layout->virtual_size, places);
    places[0].other_header = layout->copies[1].gpt.my_sector;
    places[0].last_usable = layout->copies[1].gpt.last_usable;
    memcpy(plan->headers[0], layout->copies[1].header, sizeof plan->headers[0]);
    vx_gpt_header_put(plan->headers[0], &places[0]);
    add_copy(plan, layout, &places[0], plan->headers[0]);
}

vhdx_status vx_table_write(struct vx_image *image, const struct vx_table_plan *plan, vhdx_error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct vx_table_write *write = &plan->writes[i];
        if (write->settle)
            VX_TRY(vx_sectors_settle(image, err));
        VX_TRY(vx_sectors_write(image, write->bytes, write->length, write->virtual_offset, err));
    }
    return vx_sectors_settle(image, err);
}
