/*
 * The public functions that make disks with content: arguments are checked once, then one call goes down. See vhdx.h.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "base/options.h"
#include "build/build.h"

static vhdx_status take(const vhdx_build_options *given, vhdx_build_options *options, vhdx_error *err)
{
    VX_TRY(vx_take_options(options, sizeof *options, given, err));
    return vx_all_named(options->parents, options->parent_count) ? VHDX_OK
                                                                 : vx_refuse_argument(err, "a parent has no name");
}

vhdx_status vhdx_build(const char *path, const vhdx_build_options *given, vhdx_source_fn source, void *context,
                       vhdx_build_report *report, vhdx_error *err)
{
    vhdx_build_options options;
    vx_clear(err);
    if (!path || !source)
        return vx_refuse_argument(err, "vhdx_build: a path and a source are needed");
    VX_TRY(take(given, &options, err));
    vhdx_build_report filled = {.struct_size = sizeof filled};
    vhdx_status status = vx_build_from(path, &options, source, context, &filled, err);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}

static vhdx_status convert(const char *source, const char *path, const vhdx_build_options *given, bool plan_only,
                           vhdx_build_report *report, vhdx_error *err)
{
    vhdx_build_options options;
    VX_TRY(take(given, &options, err));
    if (options.parent)
        return vx_refuse_argument(err, "what is converted is a whole disk and has no parent");
    vhdx_build_report filled = {.struct_size = sizeof filled};
    vhdx_status status = vx_convert(source, path, &options, plan_only, &filled, err);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}

vhdx_status vhdx_convert(const char *source, const char *path, const vhdx_build_options *options,
                         vhdx_build_report *report, vhdx_error *err)
{
    vx_clear(err);
    if (!source || !path)
        return vx_refuse_argument(err, "vhdx_convert: a source and a path are needed");
    return convert(source, path, options, false, report, err);
}

vhdx_status vhdx_convert_plan(const char *source, const char *path, const vhdx_build_options *options,
                              vhdx_build_report *report, vhdx_error *err)
{
    vx_clear(err);
    if (!source || !path)
        return vx_refuse_argument(err, "vhdx_convert_plan: a source and a path are needed");
    return convert(source, path, options, true, report, err);
}
