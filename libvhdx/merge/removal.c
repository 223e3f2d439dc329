/*
 * Taking the merged layers away, so that at each instant the same command can be given again. See run.h and M5 in
 * run.c.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/run.h"

#include "base/alloc.h"
#include "base/path.h"

/* M5: the child is linked past the layers in between, before they go. Its linkage goes on naming the one that was its
 *     parent: that is how a later run finds
 * what is left of them. */
static vhdx_status link_past(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_link link = vx_merge_link_past(run);
    return run->into == 1 ? VHDX_OK : vx_merge_link(run, run->child, &link, err);
}

struct removal {
    const vhdx_host *host;
    char **paths; /* in the order in which they go */
    size_t count;
};

static vhdx_status add_removal(struct removal *removal, const char *path, vhdx_error *err)
{
    removal->paths[removal->count] = vx_copy_string(path);
    if (!removal->paths[removal->count])
        return vx_fail_memory(err, "a path");
    removal->count++;
    return VHDX_OK;
}

/* The lowest layers first, the child last: as long as the child is there, the same command can be given again. */
static vhdx_status list_removals(const struct vx_merge_run *run, struct removal *removal, vhdx_error *err)
{
    removal->host = run->chain->host;
    removal->paths = vx_alloc(run->into + run->guard.leftover_count, sizeof *removal->paths);
    if (!removal->paths)
        return vx_fail_memory(err, "paths");
    for (size_t i = run->guard.leftover_count; i-- > 0;)
        VX_TRY(add_removal(removal, run->guard.leftovers[i]->path, err));
    for (size_t i = run->into; i-- > 0;)
        VX_TRY(add_removal(removal, vx_image_path(run->chain->layers[i]), err));
    return VHDX_OK;
}

static void free_removal(struct removal *removal)
{
    for (size_t i = 0; i < removal->count; i++)
        vx_free(removal->paths[i]);
    vx_free(removal->paths);
}

/* The uppers' memory of the child ends with it. */
static vhdx_status forget_child(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->identity};
    for (size_t i = 0; i < run->upper_count; i++)
        VX_TRY(vx_merge_link(run, run->uppers[i], &link, err));
    return VHDX_OK;
}

vhdx_status vx_merge_remove(struct vx_merge_run *run, vhdx_error *err)
{
    struct removal removal = {0};
    vhdx_status status = list_removals(run, &removal, err);
    if (status == VHDX_OK)
        status = link_past(run, err);
    if (status == VHDX_OK) {
        vx_chain_close(run->chain); /* some hosts remove no file that is open */
        run->chain = NULL;
        for (size_t i = 0; i < removal.count && status == VHDX_OK; i++)
            status = vx_merge_remove_file(removal.host, removal.paths[i], err);
    }
    if (status == VHDX_OK)
        status = forget_child(run, err);
    free_removal(&removal);
    return status;
}
