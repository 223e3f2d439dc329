/*
 * The public functions that change one disk in place. As in api.c, arguments are checked and no logic belongs here.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "api_siblings.h"
#include "base/options.h"
#include "edit/resize.h"
#include "edit/set.h"
#include "evidence/lost_entries.h"

static vhdx_status check_set(const char *path, const vhdx_set_options *options, vhdx_error *err)
{
    uint32_t sector = options->physical_sector_size;
    if (!path)
        return vx_refuse_argument(err, "vhdx_set: a path is needed");
    if (!vx_all_named(options->siblings, options->sibling_count))
        return vx_refuse_argument(err, "vhdx_set: a place has no name");
    if (sector != 0 && sector != 512 && sector != 4096)
        return vx_refuse_argument(err, "a physical sector has 512 or 4096 bytes");
    if (!options->new_id && !options->virtual_disk_id && sector == 0 && !options->creator)
        return vx_refuse_argument(err, "vhdx_set: nothing is to be changed");
    return VHDX_OK;
}

vhdx_status vhdx_set(const char *path, const vhdx_set_options *given, vhdx_set_report *report, vhdx_error *err)
{
    vhdx_set_options options;
    struct vx_siblings *siblings;
    vhdx_set_report filled = {.struct_size = sizeof filled};
    vx_clear(err);
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    VX_TRY(check_set(path, &options, err));
    const struct vx_siblings_wish wish = {options.host, options.siblings, options.sibling_count};
    VX_TRY(vx_siblings_find(&wish, &siblings, err));
    vhdx_status status = vx_set(path, &options, vx_siblings_disks(siblings), vx_lost_entries_check, &filled, err);
    vx_siblings_free(siblings);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}

static vhdx_status check_resize(const char *path, const vhdx_resize_options *options, vhdx_error *err)
{
    if (!path)
        return vx_refuse_argument(err, "vhdx_resize: a path is needed");
    if (!vx_all_named(options->parents, options->parent_count) ||
        !vx_all_named(options->siblings, options->sibling_count))
        return vx_refuse_argument(err, "vhdx_resize: a parent or a place has no name");
    if ((options->virtual_size != 0) == options->to_minimum)
        return vx_refuse_argument(err, "vhdx_resize: a size is needed, or the least one");
    return VHDX_OK;
}

vhdx_status vhdx_resize(const char *path, const vhdx_resize_options *given, vhdx_resize_report *report, vhdx_error *err)
{
    vhdx_resize_options options;
    struct vx_siblings *siblings;
    vhdx_resize_report filled = {.struct_size = sizeof filled};
    vx_clear(err);
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    VX_TRY(check_resize(path, &options, err));
    const struct vx_siblings_wish wish = {options.host, options.siblings, options.sibling_count};
    VX_TRY(vx_siblings_find(&wish, &siblings, err));
    vhdx_status status =
        vx_disk_resize(path, &options, vx_siblings_disks(siblings), vx_lost_entries_check, &filled, err);
    vx_siblings_free(siblings);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}
