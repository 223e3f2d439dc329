/*
 * The protocol of a merge upwards. Invariants; the lines that uphold them name them:
 *
 *  U1  The child reads the same at every instant: a block gets only what was read through it before, durably, before
 *      its entry changes. Its DataWriteGuid stays, so layers above it stay valid.
 *  U2  One log entry makes the child a base. With removal it goes on carrying a parent locator, which means nothing to
 *      a reader of a base, but names the ancestor (linkage) and the former parent (linkage2): that is how a later run
 *      knows what is left to do.
 *  U3  A layer above is linked to the coming name, with the present one as its second path, before the name changes.
 *  U4  Layers in between go before the name changes, the ancestor's file goes by the rename itself.
 *
 *      blocks ... | base | uppers: both names | layers in between removed | rename | locator removed | uppers: new name
 */
/* SPDX-License-Identifier: MIT */
#include "merge/up.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/journal.h"
#include "image/payload.h"
#include "image/writing.h"
#include "base/path.h"
#include "merge/merge_apply.h"
#include "merge/merge_protect.h"

#include <stdio.h>
#include <string.h>

static struct vx_merge_task up_task(const struct vx_merge_run *run)
{
    return (struct vx_merge_task){.chain = run->chain,
                                  .layer_count = run->into + 1,
                                  .target = run->child,
                                  .virtual_size = run->child->geometry.virtual_size,
                                  .direction = VX_DIRECTION_UP,
                                  .keep_zeros = run->options->zero_detect == VHDX_ZERO_DETECT_OFF,
                                  .options = run->options};
}

vhdx_status vx_up_plan(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_merge_task task = up_task(run);
    if (vx_image_has_parent(run->target)) {
        vx_fail(err, VHDX_REFUSED, vx_at_file(vx_image_path(run->target)),
                "it has a parent itself; merging upwards ends at a base");
        return vx_advise_code(err, VHDX_REFUSED, VHDX_ADVICE_MERGE_INTO_BASE_OR_DOWN, NULL);
    }
    return vx_merge_plan_totals(&task, run->options->window_bytes, run->plan_only, &run->totals, err);
}

/* The rename must be one. */
static vhdx_status check_volume(const struct vx_merge_run *run, vhdx_error *err)
{
    const vhdx_file_facts *child = vx_file_facts(run->child->file), *target = vx_file_facts(run->target->file);
    if (child->volume == target->volume)
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, vx_at_file(run->child_path), "%s lies on another volume, its name cannot be taken over",
            vx_image_path(run->target));
    return vx_advise_code(err, VHDX_REFUSED, VHDX_ADVICE_MERGE_DOWN_OR_KEEP, NULL);
}

/* No block is partial any more: the bitmaps may go, some commits long. */
static vhdx_status drop_bitmaps(struct vx_image *child, vhdx_error *err)
{
    for (uint64_t chunk = 0; chunk < child->geometry.chunk_count; chunk++) {
        if (vx_journal_room(child->journal) == 0)
            VX_TRY(vx_image_commit(child, err));
        VX_TRY(vx_payload_drop_bitmap(child, chunk, err));
    }
    return vx_image_commit(child, err);
}

/* With removal the child goes on carrying a locator that says what is left to do. NULL without. */
static vhdx_status encode_locator(const struct vx_merge_run *run, uint8_t **locator, uint32_t *size, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->target->header.data_write_guid,
                           .linkage2 = run->chain->layers[1]->header.data_write_guid,
                           .parent_path = vx_image_path(run->target)};
    *locator = NULL;
    *size = 0;
    if (!run->options->delete_merged)
        return VHDX_OK;
    return vx_link_encode(run->chain->host, run->child_path, NULL, &link, locator, size, err);
}

/* U2. `check_only`: whether there is room for it. */
static vhdx_status become_base(struct vx_merge_run *run, bool check_only, vhdx_error *err)
{
    struct vx_file_parameters parameters = run->child->items.parameters;
    uint8_t bytes[8], *locator;
    uint32_t size;
    parameters.flags &= ~VX_PARAMETER_HAS_PARENT;
    vx_file_parameters_encode(&parameters, bytes);
    VX_TRY(encode_locator(run, &locator, &size, err));
    struct vx_item_change changes[] = {
        {vx_guid_file_parameters, VX_ITEM_IS_REQUIRED, bytes, sizeof bytes},
        {vx_guid_parent_locator, VX_ITEM_IS_REQUIRED, locator, size},
    };
    vhdx_status status =
        check_only ? vx_items_check(run->child, changes, 2, err) : vx_items_change(run->child, changes, 2, err);
    vx_free(locator);
    return status;
}

/* The locators that will be written have room. */
static vhdx_status check_links(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->child->header.data_write_guid,
                           .parent_path = vx_image_path(run->target),
                           .also_path = run->child_path};
    VX_TRY(become_base(run, true, err));
    for (size_t i = 0; i < run->upper_count; i++)
        VX_TRY(vx_link_check(run->uppers[i], &link, err));
    return VHDX_OK;
}

static vhdx_status check(struct vx_merge_run *run, vhdx_error *err)
{
    if (run->options->delete_merged) {
        VX_TRY(check_volume(run, err));
        VX_TRY(vx_merge_check_neighbours(run, err));
    }
    VX_TRY(vx_image_check_write(run->child, err));
    VX_TRY(check_links(run, err));
    VX_TRY(vx_up_plan(run, err));
    vx_merge_fill_report(run);
    vx_path_put(run->report->target, run->options->delete_merged ? vx_image_path(run->target) : run->child_path);
    struct vx_room room = {.at_most = UINT64_MAX};
    if (run->options->delete_merged)
        room.released = vx_merge_released(run, 1, run->into + 1);
    return vx_merge_check_room(run->child, &run->totals, &room, run->report, err);
}

static vhdx_status fill_child(struct vx_merge_run *run, struct vx_copier *copier, vhdx_error *err)
{
    struct vx_merge_task task = up_task(run);
    struct vx_totals done = {0};
    struct vx_apply_options options = {.window_bytes = run->options->window_bytes, .done = &done};
    VX_TRY(vx_image_begin_write(run->child, NULL, err));
    vhdx_status status = vx_apply_layers(&task, copier, &options, err); /* U1 */
    vx_merge_report_done(run->report, copier, &done);
    if (status == VHDX_OK)
        status = drop_bitmaps(run->child, err);
    if (status == VHDX_OK)
        status = become_base(run, false, err);
    return status == VHDX_OK ? vx_image_end_write(run->child, err) : status;
}

static vhdx_status fill(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_copier copier;
    struct vx_teller teller = {run->options, run->totals.bytes_to_copy + run->totals.bytes_to_share, 0, 0};
    run->begun = true;
    VX_TRY(vx_copier_open(&copier, run->child->file, err));
    vx_teller_attach(&teller, &copier);
    vhdx_status status = fill_child(run, &copier, err);
    vx_copier_close(&copier);
    if (status != VHDX_OK)
        vx_image_abandon_write(run->child);
    run->report->flushes = vx_file_counters(run->child->file)->flushes;
    return status;
}

/* ---- names ---- */

/* Everything between the base and its new name, from what the disks themselves say; the same at the first time and
 * after a crash. */
struct naming {
    struct vx_merge_run *run;
    const vhdx_host *host;
    char *ancestor; /* the name to be taken over; NULL: it is gone already */
};

static vhdx_status for_each_upper(struct naming *naming, const struct vx_link *link, vhdx_error *err)
{
    for (size_t i = 0; i < naming->run->upper_count; i++)
        VX_TRY(vx_merge_link(naming->run, naming->run->uppers[i], link, err));
    return VHDX_OK;
}

/* The layers that were between child and ancestor, as long as they are there; the lowest goes first, so that those left
 * can still be found. U4 */
static vhdx_status remove_between(struct naming *naming, const struct vx_image *child, vhdx_error *err)
{
    const vhdx_parent_names *names = &child->parent_names;
    const struct vx_neighbours *neighbours = &naming->run->neighbours;
    const struct vx_neighbour **layers = vx_alloc(neighbours->count + 1, sizeof *layers);
    vhdx_status status = VHDX_OK;
    vhdx_guid at = names->linkage2;
    size_t count = 0;
    if (!layers)
        return vx_fail_memory(err, "the layers in between");
    while (count < neighbours->count && !vx_guid_equal(&at, &names->linkage)) {
        const struct vx_neighbour *layer = vx_neighbour_find(neighbours, &at);
        if (!layer)
            break;
        layers[count++] = layer;
        if (!vx_neighbour_parent(neighbours, layer, &names->linkage, &at))
            break;
    }
    while (count > 0 && status == VHDX_OK)
        status = vx_merge_remove_file(naming->host, layers[--count]->path, err);
    vx_free(layers);
    return status;
}

static vhdx_status take_name(struct naming *naming, vhdx_error *err)
{
    const vhdx_host *host = naming->host;
    const char *from = naming->run->child_path, *to = naming->ancestor;
    bool has_replace = host->struct_size > offsetof(vhdx_host, replace) && host->replace;
    VX_TRY(vx_host_result(has_replace ? host->replace(host->context, from, to, err)
                                      : host->rename(host->context, from, to, err),
                          from, "rename it", err));
    VX_TRY(vx_merge_sync_directory(host, to, err));
    return vx_merge_sync_directory(host, from, err);
}

/* The locator that was kept for a later run has done its duty; without one, the disk is only closed cleanly. */
static vhdx_status forget_ancestor(struct vx_image *image, vhdx_error *err)
{
    struct vx_item_change change = {.item_id = vx_guid_parent_locator};
    vhdx_status status = vx_image_begin_metadata(image, err);
    if (status == VHDX_OK && image->items.locator)
        status = vx_items_change(image, &change, 1, err);
    if (status == VHDX_OK)
        status = vx_image_end_write(image, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(image);
    return status;
}

static vhdx_status forget_ancestor_at(const vhdx_host *host, const char *path, vhdx_error *err)
{
    struct vx_image *image;
    VX_TRY(vx_image_open(host, path, VX_OPEN_WRITE, &image, err));
    vhdx_status status = forget_ancestor(image, err);
    vx_image_close(image);
    return status;
}

static vhdx_status open_uppers(struct naming *naming, const vhdx_guid *child, vhdx_error *err)
{
    struct vx_merge_run *run = naming->run;
    run->uppers = vx_alloc(run->neighbours.count + 1, sizeof *run->uppers);
    if (!run->uppers)
        return vx_fail_memory(err, "the layers above");
    for (size_t i = 0; i < run->neighbours.count; i++) {
        const struct vx_neighbour *neighbour = &run->neighbours.items[i];
        vhdx_guid parent;
        if (!neighbour->is_disk || !vx_neighbour_parent(&run->neighbours, neighbour, child, &parent) ||
            !vx_guid_equal(&parent, child))
            continue;
        vhdx_status status =
            vx_image_open(naming->host, neighbour->path, VX_OPEN_WRITE, &run->uppers[run->upper_count], err);
        if (status == VHDX_OK)
            run->upper_count++;
        else if (!run->options->force_siblings || (status != VHDX_CORRUPT && status != VHDX_UNSUPPORTED))
            return status; /* else it was given up, see checks.c */
    }
    return VHDX_OK;
}

static vhdx_status change_names(struct naming *naming, struct vx_image *child, vhdx_error *err)
{
    struct vx_merge_run *run = naming->run;
    struct vx_link link = {.linkage = child->header.data_write_guid};
    VX_TRY(open_uppers(naming, &link.linkage, err));
    link.parent_path = naming->ancestor;
    link.also_path = run->child_path;
    VX_TRY(for_each_upper(naming, &link, err)); /* U3 */
    VX_TRY(remove_between(naming, child, err));
    vx_chain_close(run->chain);
    run->chain = NULL;
    VX_TRY(take_name(naming, err));
    VX_TRY(forget_ancestor_at(naming->host, naming->ancestor, err));
    link.also_path = NULL;
    VX_TRY(for_each_upper(naming, &link, err));
    vx_path_put(run->report->target, naming->ancestor);
    run->report->relinked = (uint32_t)run->upper_count;
    return VHDX_OK;
}

/* A disk that cannot be looked at may be a layer above, which would not learn the new name. */
static vhdx_status check_readable(const struct vx_merge_run *run, vhdx_error *err)
{
    for (size_t i = 0; i < run->neighbours.count && !run->options->force_siblings; i++) {
        const struct vx_neighbour *neighbour = &run->neighbours.items[i];
        if (neighbour->is_busy || neighbour->is_unreadable || neighbour->is_obscure)
            return vx_fail(err,
                           neighbour->is_busy      ? VHDX_BUSY
                           : neighbour->is_obscure ? VHDX_CORRUPT
                                                   : VHDX_IO,
                           vx_at_file(neighbour->path), "it may be a layer above %s and %s", run->child_path,
                           neighbour->is_busy      ? "is in use"
                           : neighbour->is_obscure ? "does not identify its parent"
                                                   : "cannot be read");
    }
    return VHDX_OK;
}

/* Looks beside the child, beside the ancestor, where the caller said that layers may be, and in the places `also`. */
static vhdx_status find_neighbours(struct naming *naming, const struct vx_search *also, vhdx_error *err)
{
    struct vx_merge_run *run = naming->run;
    size_t also_count = also ? also->place_count : 0, count = 0;
    char *directory = vx_path_directory(naming->ancestor, naming->host->windows_paths);
    const char **places = vx_alloc(1 + also_count + run->options->parent_count, sizeof *places);
    vhdx_status status = VHDX_NOMEM;
    if (directory && places) {
        places[count++] = directory;
        for (size_t i = 0; i < also_count; i++)
            places[count++] = also->places[i];
        for (size_t i = 0; i < run->options->parent_count; i++)
            places[count++] = run->options->parents[i];
        struct vx_search all = {places, count};
        status = vx_neighbours_find(run->chain, 1, &all, &run->neighbours, err);
    } else {
        vx_fail_memory(err, "the directories of the layers");
    }
    vx_free(places);
    vx_free(directory);
    return status;
}

static vhdx_status resume_names(struct naming *naming, struct vx_image *child, const struct vx_search *also,
                                vhdx_error *err)
{
    const vhdx_merge_options *options = naming->run->options;
    struct vx_search search = {options->parents, options->parent_count};
    const struct vx_child named = vx_child_of(child);
    VX_TRY(vx_resolve_parent(&named, &search, &naming->ancestor, err));
    VX_TRY(find_neighbours(naming, also, err));
    VX_TRY(check_readable(naming->run, err));
    return change_names(naming, child, err);
}

vhdx_status vx_up_resume(struct vx_merge_run *run, const struct vx_search *also, vhdx_error *err)
{
    struct vx_search search = {run->options->parents, run->options->parent_count};
    struct vx_chain_access access = {.write = !run->plan_only, .leaf_only = true, .may_be_base = true};
    struct naming naming = {.run = run, .host = vx_host_or_native(run->options->host)};
    VX_TRY(vx_chain_open(run->options->host, run->child_path, &search, &access, &run->chain, NULL, err));
    struct vx_image *child = vx_chain_leaf(run->chain);
    run->report->virtual_size = child->geometry.virtual_size;
    run->report->already_complete = true;
    vx_path_put(run->report->target, run->child_path);
    run->report->direction = VHDX_DIRECTION_UP;
    if (run->options->delete_merged && !child->items.locator) {
        vx_fail(err, VHDX_ARG, vx_at_file(run->child_path), "the disk has no parent, there is no name to take over");
        return vx_advise(err, VHDX_ARG, "move it over the ancestor's name by hand, if that is what is wanted");
    }
    if (run->plan_only || (!child->items.locator && child->log == VHDX_LOG_STATE_CLEAN))
        return VHDX_OK;
    run->child = child;
    VX_TRY(vx_merge_protect(run, true, err));
    run->begun = true;
    if (!run->options->delete_merged || !child->items.locator) {
        VX_TRY(forget_ancestor(child, err));
        return vx_merge_protect_end(run, err);
    }
    vhdx_status status = resume_names(&naming, child, also, err);
    vx_free(naming.ancestor);
    return status;
}

/* The directories of all layers, for what comes after the chain is closed. */
static vhdx_status keep_directories(const struct vx_merge_run *run, char **directories, vhdx_error *err)
{
    for (size_t i = 0; i <= run->into; i++) {
        directories[i] = vx_path_directory(vx_image_path(run->chain->layers[i]), run->chain->host->windows_paths);
        if (!directories[i])
            return vx_fail_memory(err, "a path");
    }
    return VHDX_OK;
}

/* From here on as after a crash: what is to be done is in the child. Only where the layers were is known better. */
static vhdx_status take_over(struct vx_merge_run *run, vhdx_error *err)
{
    vhdx_merge_report report = *run->report;
    size_t count = run->into + 1;
    char **directories = vx_alloc(count, sizeof *directories);
    vhdx_status status =
        directories ? keep_directories(run, directories, err) : vx_fail_memory(err, "the directories of the layers");
    vx_merge_close(run);
    if (status == VHDX_OK) {
        struct vx_search also = {(const char *const *)directories, count};
        status = vx_up_resume(run, &also, err);
    }
    for (size_t i = 0; directories && i < count; i++)
        vx_free(directories[i]);
    vx_free(directories);
    report.relinked = run->report->relinked;
    *run->report = report;
    return status;
}

vhdx_status vx_up_merge(struct vx_merge_run *run, vhdx_error *err)
{
    VX_TRY(check(run, err));
    VX_TRY(vx_merge_protect(run, true, err));
    if (run->plan_only)
        return VHDX_OK;
    VX_TRY(fill(run, err));
    if (!run->options->delete_merged)
        return vx_merge_protect_end(run, err);
    return take_over(run, err);
}
