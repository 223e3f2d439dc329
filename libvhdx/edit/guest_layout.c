/*
 * Reading what a guest has. See guest_layout.h. Easy to get wrong: a table that is damaged is no empty disk, and two
 * tables that are right may still be of two times.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/guest_layout.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/notice.h"
#include "base/size_text.h"
#include "chain/layered.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define READ_AT_ONCE ((size_t)VX_MIB)
#define RECORD_TABLE 446u
#define DYNAMIC_DISK 0x42u /* Windows keeps a database at the disk's end, which no entry of the record tells of */

/* ---- bytes through the chain ---- */

struct reading {
    struct vx_chain *chain;
    vhdx_status status; /* of the first read that failed */
    vhdx_error *err;
};

static bool read_bytes(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    struct reading *reading = context;
    vhdx_status status =
        vx_chain_read(reading->chain, 0, buf, length, virtual_offset, reading->status == VHDX_OK ? reading->err : NULL);
    if (reading->status == VHDX_OK)
        reading->status = status;
    return status == VHDX_OK;
}

static struct vx_content_source source_of(const struct vx_layout *layout, struct reading *reading)
{
    return (struct vx_content_source){
        .context = reading, .read = read_bytes, .size = layout->virtual_size, .sector_size = layout->sector_size};
}

/* ---- GPT ---- */

static uint64_t sectors_of(const struct vx_gpt *gpt)
{
    return vx_ceil_div((uint64_t)gpt->entry_count * gpt->entry_size, gpt->sector_size);
}

/* The copy's own bytes, to be kept and written again. */
static vhdx_status take_copy(struct vx_layout *layout, const struct vx_gpt *gpt, struct vx_table_copy *copy,
                             vhdx_error *err)
{
    uint64_t length = sectors_of(gpt) * gpt->sector_size;
    copy->gpt = *gpt;
    copy->right = gpt->found && gpt->array_right && gpt->sector_size == layout->sector_size;
    if (!copy->right)
        return VHDX_OK;
    copy->array = vx_alloc((size_t)length, 1);
    if (!copy->array)
        return vx_fail_memory(err, "a partition table");
    VX_TRY(vx_chain_read(layout->chain, 0, copy->header, gpt->sector_size, gpt->my_sector * gpt->sector_size, err));
    VX_TRY(vx_chain_read(layout->chain, 0, copy->array, (size_t)gpt->entry_count * gpt->entry_size,
                         gpt->array_sector * gpt->sector_size, err));
    return VHDX_OK;
}

static void take_end(struct vx_layout *layout, uint64_t end, uint32_t number, const char *name)
{
    if (end <= layout->end)
        return;
    layout->end = end;
    snprintf(layout->last, sizeof layout->last, "partition %" PRIu32 "%s%s%s", number, name[0] ? " (" : "", name,
             name[0] ? ")" : "");
}

static void measure_copy(struct vx_layout *layout, const struct vx_table_copy *copy)
{
    struct vx_gpt_partition partition;
    for (uint32_t i = 0; copy->right && i < copy->gpt.entry_count; i++) {
        vx_gpt_partition_decode(copy->array + (size_t)i * copy->gpt.entry_size, &partition);
        if (!partition.used)
            continue;
        if (partition.nonsense || (partition.last + 1) * copy->gpt.sector_size > layout->virtual_size) {
            layout->doubt = "a partition ends before it begins, or beyond the end of the disk";
            layout->kind = VX_LAYOUT_DAMAGED;
            return;
        }
        take_end(layout, (partition.last + 1) * copy->gpt.sector_size, i + 1, partition.name);
    }
}

static const char *doubt_of_table(const struct vx_layout *layout, const struct vx_content *content)
{
    const struct vx_table_copy *primary = &layout->copies[0], *backup = &layout->copies[1];
    if (!primary->right && !backup->right)
        return primary->gpt.found && primary->gpt.sector_size != layout->sector_size
                   ? "the partition table is one for sectors of another size"
                   : "the partition table is damaged in both copies";
    if (primary->right && backup->right &&
        (content->gpt_copies_differ || !vx_guid_equal(&primary->gpt.disk_id, &backup->gpt.disk_id) ||
         primary->gpt.array_checksum != backup->gpt.array_checksum))
        return "the two copies of the partition table differ";
    if (!primary->right && backup->gpt.first_usable < 2 + sectors_of(&backup->gpt))
        return "there is no room for the first copy of the partition table";
    return NULL;
}

/* An interrupted run has perhaps left a copy at the disk's end that the first one does not name yet, or the other way
 * round: "differ" is about partitions, not about where the copies say that they lie. */
static bool only_places_differ(const struct vx_content *content)
{
    const struct vx_gpt *a = &content->primary, *b = &content->backup;
    return vx_guid_equal(&a->disk_id, &b->disk_id) && a->array_checksum == b->array_checksum &&
           a->entry_count == b->entry_count;
}

static vhdx_status read_table(struct vx_layout *layout, struct vx_content *content, vhdx_error *err)
{
    VX_TRY(take_copy(layout, &content->primary, &layout->copies[0], err));
    VX_TRY(take_copy(layout, &content->backup, &layout->copies[1], err));
    if (content->gpt_copies_differ && only_places_differ(content))
        content->gpt_copies_differ = false;
    layout->doubt = doubt_of_table(layout, content);
    layout->best = layout->copies[0].right ? 0 : 1;
    layout->kind = layout->copies[layout->best].right ? VX_LAYOUT_GPT : VX_LAYOUT_DAMAGED;
    if (layout->kind == VX_LAYOUT_DAMAGED)
        return VHDX_OK;
    layout->array_sectors = sectors_of(&layout->copies[layout->best].gpt);
    measure_copy(layout, &layout->copies[0]);
    measure_copy(layout, &layout->copies[1]);
    return VHDX_OK;
}

/* ---- boot records, and disks without a table ---- */

static void read_record(struct vx_layout *layout, const struct vx_content *content)
{
    uint32_t number = 0;
    layout->kind = VX_LAYOUT_RECORD;
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *entry = layout->record + RECORD_TABLE + i * 16;
        uint64_t end = ((uint64_t)vx_get32(entry + 8) + vx_get32(entry + 12)) * layout->sector_size;
        if (entry[4] == DYNAMIC_DISK)
            layout->doubt = "it is a dynamic disk of Windows, whose database lies at the disk's end";
        if (entry[4] != 0)
            take_end(layout, end, (uint32_t)i + 1, "");
    }
    for (; number < content->partition_count; number++)
        take_end(layout, content->partitions[number].offset + content->partitions[number].length, number + 1, "");
    if (content->more_partitions)
        layout->doubt = "its chain of partitions is broken, or longer than makes sense";
    if (layout->end > layout->virtual_size)
        layout->doubt = "a partition ends beyond the end of the disk";
    if (layout->doubt)
        layout->kind = VX_LAYOUT_DAMAGED;
}

static void read_volume(struct vx_layout *layout, const struct vx_content *content)
{
    const struct vx_fs *fs = &content->whole;
    bool damaged = content->primary.damaged || content->backup.damaged || content->protective_mbr;
    layout->kind = damaged ? VX_LAYOUT_DAMAGED : VX_LAYOUT_NOTHING;
    layout->doubt = damaged ? "the partition table is damaged" : NULL;
    if (damaged || fs->kind == VX_FS_NONE || fs->size == 0)
        return;
    layout->kind = VX_LAYOUT_VOLUME;
    /* NTFS does not count the sector behind its end, in which it keeps a copy of its first one. */
    layout->end = fs->size + (fs->kind == VX_FS_NTFS ? layout->sector_size : 0);
    snprintf(layout->last, sizeof layout->last, "the file system (%s)", vx_fs_name(fs->kind));
    if (layout->end > layout->virtual_size) {
        layout->kind = VX_LAYOUT_DAMAGED;
        layout->doubt = "the file system is larger than the disk";
    }
}

static vhdx_status read_with(struct vx_layout *layout, struct vx_content *content, vhdx_error *err)
{
    struct reading reading = {.chain = layout->chain, .status = VHDX_OK, .err = err};
    const struct vx_content_source source = source_of(layout, &reading);
    vx_content_look(&source, content);
    if (reading.status != VHDX_OK)
        return reading.status;
    if (layout->virtual_size >= layout->sector_size)
        VX_TRY(vx_chain_read(layout->chain, 0, layout->record, layout->sector_size, 0, err));
    if (content->table == VX_TABLE_GPT)
        return read_table(layout, content, err);
    if (content->table == VX_TABLE_MBR)
        read_record(layout, content);
    else
        read_volume(layout, content);
    return VHDX_OK;
}

vhdx_status vx_layout_read(struct vx_chain *chain, struct vx_layout *layout, vhdx_error *err)
{
    const struct vx_geometry *geometry = &vx_chain_leaf(chain)->geometry;
    struct vx_content *content = vx_alloc(1, sizeof *content);
    memset(layout, 0, sizeof *layout);
    layout->chain = chain;
    layout->sector_size = geometry->logical_sector_size;
    layout->virtual_size = geometry->virtual_size;
    if (!content)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = read_with(layout, content, err);
    vx_free(content);
    return status;
}

void vx_layout_free(struct vx_layout *layout)
{
    vx_free(layout->copies[0].array);
    vx_free(layout->copies[1].array);
    memset(layout, 0, sizeof *layout);
}

/* ---- how small it may become ---- */

uint64_t vx_layout_least(const struct vx_layout *layout, bool with_table)
{
    if (layout->kind != VX_LAYOUT_GPT || !with_table)
        return layout->end;
    const struct vx_gpt *gpt = &layout->copies[layout->best].gpt;
    uint64_t used = vx_max(layout->end / layout->sector_size, gpt->first_usable + 1);
    return (used + layout->array_sectors + 1) * layout->sector_size;
}

/* How much of the piece lies in holes of its file, from its beginning on. */
static uint64_t hole_length(const struct vx_layout *layout, const struct vx_piece *piece)
{
    uint64_t data, length;
    vx_file_next_data(layout->chain->layers[piece->layer]->view, piece->file_offset, &data, &length);
    return length == 0 ? piece->length : vx_min(piece->length, data - piece->file_offset);
}

/* Whether all from `at` to the end of the disk reads as zeros; *data is the first place that does not. */
static vhdx_status find_data(const struct vx_layout *layout, uint64_t at, const vhdx_resize_options *options,
                             uint8_t *buf, struct vx_cursor *cursor, uint64_t *data, vhdx_error *err)
{
    const char *path = vx_image_path(vx_chain_leaf(layout->chain));
    while (at < layout->virtual_size) {
        struct vx_piece piece;
        const vhdx_progress now = {VHDX_PHASE_PLAN, at, layout->virtual_size};
        VX_TRY(vx_progress(options->progress, options->progress_context, &now, path, "resizing", err));
        VX_TRY(vx_cursor_at(cursor, at, layout->virtual_size - at, &piece, err));
        uint64_t length = piece.kind == VX_RUN_DATA ? hole_length(layout, &piece) : piece.length;
        if (length == 0) {
            length = vx_min(piece.length, READ_AT_ONCE);
            VX_TRY(vx_file_read(layout->chain->layers[piece.layer]->view, buf, (size_t)length, piece.file_offset, err));
            if (!vx_is_zero(buf, (size_t)length)) {
                *data = at;
                return VHDX_OK;
            }
        }
        at += length;
    }
    *data = UINT64_MAX;
    return VHDX_OK;
}

static vhdx_status check_zeros(const struct vx_layout *layout, uint64_t virtual_size,
                               const vhdx_resize_options *options, vhdx_error *err)
{
    struct vx_cursor *cursor = NULL;
    uint64_t data = UINT64_MAX;
    uint8_t *buf = vx_alloc(READ_AT_ONCE, 1);
    vhdx_status status = buf ? vx_cursor_open(layout->chain, 0, layout->chain->count, true, &cursor, err)
                             : vx_fail_memory(err, "a buffer");
    if (status == VHDX_OK)
        status = find_data(layout, virtual_size, options, buf, cursor, &data, err);
    vx_cursor_close(cursor);
    vx_free(buf);
    if (status != VHDX_OK || data == UINT64_MAX)
        return status;
    vx_fail(err, VHDX_REFUSED, vx_at_file(vx_image_path(vx_chain_leaf(layout->chain))),
            "nothing on the disk says where its content ends, and behind the new end, at %" PRIu64 ", there is some",
            data);
    return vx_advise(err, VHDX_REFUSED, "make what is on the disk smaller first, and what lies behind it zero");
}

vhdx_status vx_layout_check(const struct vx_layout *layout, uint64_t virtual_size, bool with_table,
                            const vhdx_resize_options *options, vhdx_error *err)
{
    struct vx_where where = vx_at_file(vx_image_path(vx_chain_leaf(layout->chain)));
    uint64_t least = vx_layout_least(layout, with_table);
    char end[VX_SIZE_TEXT], wanted[VX_SIZE_TEXT];
    if (layout->kind == VX_LAYOUT_NOTHING)
        return check_zeros(layout, virtual_size, options, err);
    if (layout->kind == VX_LAYOUT_DAMAGED || (layout->doubt && with_table)) {
        vx_fail(err, VHDX_REFUSED, where, "the disk cannot be made smaller: %s", layout->doubt);
        return vx_advise(err, VHDX_REFUSED, "put the partitions right in the guest, or with a tool like gdisk, first");
    }
    if (virtual_size >= least)
        return VHDX_OK;
    if (layout->end > virtual_size)
        vx_fail(err, VHDX_REFUSED, where, "%s ends at %s, beyond the new end at %s", layout->last,
                vx_size_text(layout->end, end), vx_size_text(virtual_size, wanted));
    else
        vx_fail(err, VHDX_REFUSED, where,
                "there is no room for the second copy of the partition table between %s and "
                "the new end at %s",
                layout->end ? layout->last : "the first one", vx_size_text(virtual_size, wanted));
    return vx_advise(err, VHDX_REFUSED,
                     "the least size is %" PRIu64 " bytes; to go below it make the partition "
                     "smaller in the guest first",
                     least);
}
