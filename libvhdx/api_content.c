/*
 * The public door to what is inside of a disk. See vhdx.h for what it promises.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "base/options.h"
#include "base/status.h"
#include "io/io.h"
#include "verify/check_content.h"

vhdx_status vhdx_content_look(const char *path, const vhdx_open_options *given, vhdx_content *content, vhdx_error *err)
{
    vhdx_open_options options;
    vx_clear(err);
    if (!path || !content || content->struct_size < sizeof *content)
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL),
                       "vhdx_content_look: a path and a content with its size are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    struct vx_search search = {options.parents, options.parent_count};
    return vx_content_of_file(vx_host_or_native(options.host), path, &search, content, err);
}
