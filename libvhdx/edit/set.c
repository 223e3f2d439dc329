/*
 * Changing facts. See set.h. Id and sector size are metadata that a guest sees, so the disk gets a new DataWriteGuid
 * with them (MS-VHDX 2.2.2), in the very log entry that holds the change. The creator is text in the file identifier,
 * which is never logged (MS-VHDX 2.2.1); it is written last and alone.
 *
 * Easy to get wrong: the log can hold the change before the header knows the log, so that the header's update is what
 * makes everything true at once.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/set.h"

#include "base/guid.h"
#include "base/notice.h"
#include "chain/merge_trace.h"
#include "edit/children.h"
#include "image/protect.h"
#include "image/writing.h"

#include <string.h>

/* So many units of the creator lie in the first sector with the signature, and change with it or not at all. */
#define CREATOR_UNITS ((512u - 8u) / 2u)

struct set_run {
    const vhdx_set_options *options;
    struct vx_image *image;
    vhdx_set_report *report;
    vhdx_guid disk_id;
    uint8_t sector_bytes[4], id_bytes[16];
    struct vx_item_change changes[2];
    size_t change_count;
    uint8_t identifier[VX_FILE_ID_SIZE]; /* with the new creator */
    uint32_t identifier_length;          /* that is written: 0, one sector, or all */
};

static void add_change(struct set_run *run, const vhdx_guid *id, const uint8_t *bytes, uint32_t length)
{
    run->changes[run->change_count++] = (struct vx_item_change){
        .item_id = *id, .flags = VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK, .bytes = bytes, .length = length};
}

static vhdx_status want_items(struct set_run *run, vhdx_error *err)
{
    const vhdx_set_options *options = run->options;
    const struct vx_items *items = &run->image->items;
    run->disk_id = items->virtual_disk_id;
    if (options->virtual_disk_id)
        run->disk_id = *options->virtual_disk_id;
    else if (options->new_id)
        VX_TRY(vx_new_guid(run->image->host, &run->disk_id, err));
    if (!vx_guid_equal(&run->disk_id, &items->virtual_disk_id)) {
        memcpy(run->id_bytes, run->disk_id.bytes, sizeof run->id_bytes);
        add_change(run, &vx_guid_virtual_disk_id, run->id_bytes, sizeof run->id_bytes);
    }
    if (options->physical_sector_size != 0 && options->physical_sector_size != items->physical_sector_size) {
        vx_put32(run->sector_bytes, options->physical_sector_size);
        add_change(run, &vx_guid_physical_sector_size, run->sector_bytes, sizeof run->sector_bytes);
    }
    return VHDX_OK;
}

static vhdx_status want_creator(struct set_run *run, vhdx_error *err)
{
    uint8_t units[CREATOR_UNITS * 2], now[VX_FILE_ID_SIZE];
    if (!run->options->creator)
        return VHDX_OK;
    size_t size = vx_utf8_to_utf16(run->options->creator, units, sizeof units);
    if (size == SIZE_MAX)
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "the creator is no valid UTF-8");
    if (size > sizeof units)
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "the creator has more than %u UTF-16 units", CREATOR_UNITS);
    VX_TRY(vx_file_read(run->image->view, now, sizeof now, VX_FILE_ID_OFFSET, err));
    memset(run->identifier, 0, sizeof run->identifier);
    memcpy(run->identifier, now, 8);
    memcpy(run->identifier + 8, units, size);
    if (memcmp(run->identifier, now, sizeof now) != 0)
        run->identifier_length = memcmp(run->identifier + 512, now + 512, sizeof now - 512) == 0 ? 512 : sizeof now;
    return VHDX_OK;
}

static vhdx_status check(struct set_run *run, const struct vx_far_disks *far, vx_layer_check_fn *look, vhdx_error *err)
{
    const vhdx_set_options *options = run->options;
    const struct vx_children_wish wish = {.far = far,
                                          .force = options->force,
                                          .advice = VHDX_ADVICE_SET_LEAF_OR_FORCE,
                                          .notice = options->notice,
                                          .notice_context = options->notice_context};
    VX_TRY(vx_image_check_log(run->image, err));
    vx_image_tell(run->image, options->notice, options->notice_context);
    if (look)
        VX_TRY(look(run->image, options->notice, options->notice_context, err));
    VX_TRY(vx_check_no_merge(run->image, &(struct vx_search){0}, err));
    if (run->change_count > 0)
        VX_TRY(vx_children_check(run->image, &wish, err));
    VX_TRY(vx_items_check(run->image, run->changes, run->change_count, err));
    return vx_image_check_write(run->image, err);
}

static vhdx_status write_creator(struct set_run *run, vhdx_error *err)
{
    if (run->identifier_length == 0)
        return VHDX_OK;
    return vx_file_write(run->image->file, run->identifier, run->identifier_length, VX_FILE_ID_OFFSET, err);
}

static vhdx_status change(struct set_run *run, vhdx_error *err)
{
    vhdx_guid content;
    if (run->change_count == 0) {
        VX_TRY(vx_image_begin_write(run->image, NULL, err));
    } else {
        VX_TRY(vx_new_guid(run->image->host, &content, err));
        VX_TRY(vx_image_begin_change(run->image, &content, err));
        VX_TRY(vx_items_change(run->image, run->changes, run->change_count, err));
    }
    VX_TRY(write_creator(run, err));
    return vx_image_end_write(run->image, err);
}

/* What a guest, a copy and a chain make of it. */
static void tell(const struct set_run *run)
{
    const vhdx_set_options *options = run->options;
    bool id = options->new_id || options->virtual_disk_id;
    if (run->change_count == 0)
        return;
    if (id)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NEXT,
                  "A guest knows the disk by this id (SCSI inquiry page 83): it will take it for another disk, which "
                  "matters to clusters, multipath drivers, storage pools and licences that are bound to it. The ids "
                  "inside of the disk (partition table, file systems) are the same as before: a guest that has both "
                  "this disk and the one it was copied from still finds those twice.");
    if (options->physical_sector_size)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NEXT,
                  "Some guest software (databases with their logs above all) refuses files that it made on a disk with "
                  "another physical sector size.");
    if (vx_image_has_parent(run->image))
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NOTE,
                  "the layers below keep their own values; a guest sees those of the topmost layer, and a merge takes "
                  "them over");
}

static vhdx_status protect(struct set_run *run, struct vx_undo **undo, vhdx_error *err)
{
    const vhdx_set_options *options = run->options;
    if (!options->undo)
        return VHDX_OK;
    VX_TRY(vx_layer_check_output(run->image->host, run->image->file, options->undo, err));
    return vx_images_protect(&run->image, 1, options->undo, options->dry_run ? NULL : undo, err);
}

static vhdx_status carry_out(struct set_run *run, struct vx_undo **undo, vhdx_error *err)
{
    VX_TRY(protect(run, undo, err));
    if (run->options->dry_run)
        return VHDX_OK;
    vhdx_status status = change(run, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(run->image);
    return status == VHDX_OK && *undo ? vx_undo_end(*undo, err) : status;
}

static void fill_report(const struct set_run *run, const vhdx_guid *before)
{
    const vhdx_set_options *options = run->options;
    vhdx_set_report *report = run->report;
    report->changed = run->change_count > 0 || run->identifier_length > 0;
    if (!options->dry_run || !options->new_id || options->virtual_disk_id)
        report->virtual_disk_id = run->disk_id;
    report->physical_sector_size =
        options->physical_sector_size ? options->physical_sector_size : run->image->items.physical_sector_size;
    report->old_data_write_guid = *before;
    report->data_write_guid = run->image->header.data_write_guid;
}

static vhdx_status run_set(struct set_run *run, const struct vx_far_disks *far, vx_layer_check_fn *look,
                           vhdx_error *err)
{
    struct vx_undo *undo = NULL;
    const vhdx_guid before = run->image->header.data_write_guid;
    VX_TRY(want_items(run, err));
    VX_TRY(want_creator(run, err));
    VX_TRY(check(run, far, look, err));
    vhdx_status status = VHDX_OK;
    if (run->change_count > 0 || run->identifier_length > 0)
        status = carry_out(run, &undo, err);
    vx_undo_close(undo);
    if (status != VHDX_OK)
        return status;
    fill_report(run, &before);
    tell(run);
    return VHDX_OK;
}

vhdx_status vx_set(const char *path, const vhdx_set_options *options, const struct vx_far_disks *far,
                   vx_layer_check_fn *look, vhdx_set_report *report, vhdx_error *err)
{
    struct set_run run = {.options = options, .report = report};
    VX_TRY(vx_image_open(options->host, path, options->dry_run ? 0 : VX_OPEN_WRITE, &run.image, err));
    vhdx_status status = run_set(&run, far, look, err);
    vx_image_close(run.image);
    return status;
}
