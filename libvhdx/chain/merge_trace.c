/*
 * Traces of merges. See merge_trace.h. What goes on with a merge is known from its mark in the target; without a
 * mark, from what the layer next to the target knows.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/merge_trace.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/path.h"
#include "chain/chain.h"
#include "image/mark.h"

#include <stdio.h>
#include <string.h>

struct tracing {
    const vhdx_host *host;
    const struct vx_search *search;
    vhdx_merge_trace *trace;
    struct vx_merge_mark mark;
    bool has_mark;
};

/* The child's file beside `near`, when it is still there under its name. */
static bool child_beside(struct tracing *t, const char *near)
{
    vhdx_guid identity;
    char *directory = vx_path_directory(near, t->host->windows_paths);
    char *path = directory ? vx_path_join(directory, t->mark.child_name, t->host->windows_paths) : NULL;
    bool found = path && vx_image_peek_identity(t->host, path, &identity, NULL) == VHDX_OK &&
                 vx_guid_equal(&identity, &t->mark.child);
    if (found)
        snprintf(t->trace->child, sizeof t->trace->child, "%s", path);
    vx_free(path);
    vx_free(directory);
    return found;
}

static void name_child(struct tracing *t, const char *next)
{
    if (t->has_mark && t->mark.child_name[0]) {
        if (!child_beside(t, t->trace->target) && !(next && child_beside(t, next)))
            snprintf(t->trace->child, sizeof t->trace->child, "%s", t->mark.child_name);
    } else if (next) {
        snprintf(t->trace->child, sizeof t->trace->child, "%s", next);
    }
}

/* `next`: the layer next to the target; NULL: not known. */
static void tell_begun(struct tracing *t, const char *target, const char *next)
{
    vhdx_merge_trace *trace = t->trace;
    trace->state = next ? VHDX_MERGE_STATE_BEGUN : VHDX_MERGE_STATE_BEGUN_INTO;
    snprintf(trace->target, sizeof trace->target, "%s", target);
    if (t->has_mark && t->mark.total > 0)
        trace->percent = (uint32_t)((double)vx_min(t->mark.moved, t->mark.total) / (double)t->mark.total * 100.0);
    name_child(t, next);
    trace->delete_merged = t->has_mark && t->mark.flags & VX_MERGE_MARK_DELETE;
    trace->reclaim = t->has_mark && t->mark.flags & VX_MERGE_MARK_RECLAIM;
    trace->into_target = t->has_mark && t->mark.layer_count > 1;
}

/* What of a disk cannot be opened is passed over: *image is NULL then. */
static vhdx_status peek(struct tracing *t, const char *path, struct vx_image **image, vhdx_error *err)
{
    vhdx_status status = vx_image_open(t->host, path, VX_OPEN_PEEK | VX_OPEN_INSPECT, image, NULL);
    if (status != VHDX_OK)
        *image = NULL;
    return status == VHDX_NOMEM ? vx_fail_memory(err, "a look at a parent") : VHDX_OK;
}

static void tell_done(struct tracing *t, const struct vx_image *image, const char *target)
{
    t->trace->state = VHDX_MERGE_STATE_DONE;
    snprintf(t->trace->child, sizeof t->trace->child, "%s", vx_image_path(image));
    snprintf(t->trace->target, sizeof t->trace->target, "%s", target);
}

/* The parent of `image`, resolved and opened; both NULL where there is none, or none is found. */
static vhdx_status step_down(struct tracing *t, struct vx_image *image, char **path, struct vx_image **parent,
                             vhdx_error *err)
{
    const struct vx_child child = vx_child_of(image);
    *path = NULL;
    *parent = NULL;
    if (!image->info.parent)
        return VHDX_OK;
    vhdx_status status = vx_resolve_parent(&child, t->search, path, NULL);
    if (status != VHDX_OK)
        return status == VHDX_NOMEM ? vx_fail_memory(err, "the search for a parent") : VHDX_OK;
    status = peek(t, *path, parent, err);
    if (!*parent) {
        vx_free(*path);
        *path = NULL;
    }
    return status;
}

/* Of several layers merged at once and kept, the child's second linkage names the disk that holds them: it is further
 * down. `parent` is the child's own. */
static vhdx_status look_further_down(struct tracing *t, const struct vx_image *image, struct vx_image *parent,
                                     vhdx_error *err)
{
    struct vx_image *above = parent, *below = NULL;
    vhdx_status status = VHDX_OK;
    bool found = false;
    for (uint32_t i = 0; i < VX_CHAIN_MAX && above && !found && status == VHDX_OK; i++) {
        char *path;
        status = step_down(t, above, &path, &below, err);
        if (above != parent)
            vx_image_close(above);
        above = below;
        found = below && vx_guid_equal(&image->parent_names.linkage2, &below->header.data_write_guid);
        if (found)
            tell_done(t, image, path);
        vx_free(path);
    }
    if (above != parent)
        vx_image_close(above);
    return status;
}

static vhdx_status look_at_parent(struct tracing *t, struct vx_image *image, const char *path, vhdx_error *err)
{
    const vhdx_parent_names *names = &image->parent_names;
    struct vx_image *parent;
    VX_TRY(peek(t, path, &parent, err));
    if (!parent)
        return VHDX_OK;
    const vhdx_guid *identity = &parent->header.data_write_guid;
    bool first = names->has_linkage && vx_guid_equal(&names->linkage, identity);
    vhdx_status status = VHDX_OK;
    if (first && vx_image_is_merged(image)) {
        tell_done(t, image, path);
    } else if (first) {
        status = look_further_down(t, image, parent, err);
    } else if (!first && names->has_linkage2 && vx_guid_equal(&names->linkage2, identity)) {
        if (vx_mark_read(parent, &t->has_mark, &t->mark, NULL) != VHDX_OK)
            t->has_mark = false;
        tell_begun(t, path, vx_image_path(image));
    }
    vx_image_close(parent);
    return status;
}

vhdx_status vx_merge_trace(struct vx_image *image, const struct vx_search *search, vhdx_merge_trace *trace,
                           vhdx_error *err)
{
    struct tracing t = {.host = image->host, .search = search, .trace = trace};
    const vhdx_parent_names *names = &image->parent_names;
    char *path;
    *trace = (vhdx_merge_trace){.struct_size = trace->struct_size, .percent = UINT32_MAX};
    if (vx_mark_read(image, &t.has_mark, &t.mark, NULL) == VHDX_OK && t.has_mark) {
        tell_begun(&t, vx_image_path(image), NULL);
        return VHDX_OK;
    }
    t.has_mark = false;
    if (!image->info.parent || !names->has_linkage2 || vx_guid_is_zero(&names->linkage2))
        return VHDX_OK;
    const struct vx_child child = vx_child_of(image);
    vhdx_status status = vx_resolve_parent(&child, search, &path, NULL);
    if (status != VHDX_OK)
        return status == VHDX_NOMEM ? vx_fail_memory(err, "the search for a parent") : VHDX_OK;
    status = look_at_parent(&t, image, path, err);
    vx_free(path);
    return status;
}

static vhdx_status refuse_begun(struct vx_image *image, const struct vx_search *search, vhdx_merge_trace *trace,
                                vhdx_error *err)
{
    VX_TRY(vx_merge_trace(image, search, trace, err));
    if (trace->state != VHDX_MERGE_STATE_BEGUN && trace->state != VHDX_MERGE_STATE_BEGUN_INTO)
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, vx_at_file(vx_image_path(image)), "a merge %s this disk stopped half way",
            trace->state == VHDX_MERGE_STATE_BEGUN ? "of" : "into");
    return vx_advise(err, VHDX_REFUSED, "nothing was changed; run the same merge again to its end first");
}

vhdx_status vx_check_no_merge(struct vx_image *image, const struct vx_search *search, vhdx_error *err)
{
    vhdx_merge_trace *trace = vx_alloc(1, sizeof *trace); /* its texts are long */
    if (!trace)
        return vx_fail_memory(err, "the trace of a merge");
    trace->struct_size = sizeof *trace;
    vhdx_status status = refuse_begun(image, search, trace, err);
    vx_free(trace);
    return status;
}
