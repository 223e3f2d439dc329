/*
 * Opening a chain as a disk, the beginning of its changes, commits, and its end. See live.h.
 */
/* SPDX-License-Identifier: MIT */
#include "live/live.h"

#include "base/alloc.h"
#include "chain/beside.h"
#include "chain/merge_trace.h"
#include "evidence/lost_entries.h"
#include "image/journal.h"
#include "image/space.h"
#include "image/writing.h"
#include "live/live_parts.h"

static vhdx_status open_locks(struct vx_live *live, vhdx_error *err)
{
    live->turn = vx_lock_new();
    live->idle_lock = vx_lock_new();
    live->sector = vx_alloc(VX_PAGE, 1);
    bool ready = vx_gate_init(&live->gate) && live->turn && live->idle_lock && live->sector;
    return ready ? VHDX_OK : vx_fail_memory(err, "an open disk");
}

/* They were made on what the leaf holds now, and would refuse it. */
static vhdx_status check_children(const struct vx_image *leaf, vhdx_error *err)
{
    struct vx_children children;
    VX_TRY(vx_children_beside(leaf->host, vx_image_path(leaf), &leaf->header.data_write_guid, &children, err));
    if (children.count == 0)
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, vx_at_file(vx_image_path(leaf)),
            "it is the parent of %zu other disk%s (%s), which a write would make useless", children.count,
            children.count == 1 ? "" : "s", children.names);
    return vx_advise(err, VHDX_REFUSED, "write to the topmost layer, or to a new child of this one");
}

/* What would stop the first write stops the opening. */
static vhdx_status check_leaf(const struct vx_live *live, const struct vx_live_options *options, vhdx_error *err)
{
    VX_TRY(vx_check_no_merge(live->leaf, &options->search, err));
    VX_TRY(vx_image_check_log(live->leaf, err));
    VX_TRY(vx_image_check_write(live->leaf, err));
    VX_TRY(vx_lost_entries_check(live->leaf, options->notice, options->notice_context,
                                 err)); /* new blocks would go there */
    return options->even_with_children ? VHDX_OK : check_children(live->leaf, err);
}

static void tell(struct vx_image *layer, const struct vx_live_options *options)
{
    vx_image_tell(layer, options->notice, options->notice_context);
    vx_lost_entries_tell(layer, VX_LOST_CHEAP, options->notice, options->notice_context);
}

static vhdx_status open_layers(struct vx_live *live, const char *path, const struct vx_live_options *options,
                               vhdx_error *err)
{
    size_t into;
    const struct vx_chain_access access = {.write = true, .leaf_only = true, .may_be_base = true};
    VX_TRY(vx_chain_open(options->host, path, &options->search, options->write ? &access : NULL, &live->chain, &into,
                         err));
    if (options->layer >= live->chain->count)
        return vx_fail(err, VHDX_ARG, vx_at_file(path), "the chain has no layer %zu, only 0 to %zu", options->layer,
                       live->chain->count - 1);
    for (size_t i = 0; i < live->chain->count; i++)
        tell(live->chain->layers[i], options);
    live->layer = options->layer;
    live->leaf = live->chain->layers[options->layer];
    live->writable = options->write;
    return options->write ? check_leaf(live, options, err) : VHDX_OK;
}

static void free_live(struct vx_live *live)
{
    for (size_t i = 0; i < live->idle_count; i++)
        vx_cursor_close(live->idle[i].cursor);
    vx_chain_close(live->chain);
    vx_ranges_clear(&live->dropped);
    vx_gate_clear(&live->gate);
    vx_lock_free(live->turn);
    vx_lock_free(live->idle_lock);
    vx_free(live->sector);
    vx_free(live);
}

vhdx_status vx_live_open(const char *path, const struct vx_live_options *options, struct vx_live **out, vhdx_error *err)
{
    struct vx_live *live = vx_alloc(1, sizeof *live);
    if (!live)
        return vx_fail_memory(err, "an open disk");
    vhdx_status status = open_locks(live, err);
    if (status == VHDX_OK)
        status = open_layers(live, path, options, err);
    if (status == VHDX_OK)
        *out = live;
    else
        free_live(live);
    return status;
}

const struct vx_chain *vx_live_chain(const struct vx_live *live)
{
    return live->chain;
}

size_t vx_live_layer(const struct vx_live *live)
{
    return live->layer;
}

/* Closes the gate for those who read while `image` changes under them. */
static vhdx_status alone(struct vx_live *live, vhdx_status (*change)(struct vx_image *image, vhdx_error *err),
                         vhdx_error *err)
{
    vx_gate_enter_alone(&live->gate);
    vhdx_status status = change(live->leaf, err);
    live->generation++;
    vx_gate_leave_alone(&live->gate);
    return status;
}

/* A disk on which nothing was committed yet when it is cut off holds bytes without an owner and names no block. The log
 * then has the page that says so, so that it is not taken for a BAT that was lost. */
static vhdx_status log_first_page(struct vx_image *leaf, vhdx_error *err)
{
    uint8_t *page;
    VX_TRY(vx_journal_page(leaf->journal, vx_round_down(leaf->bat.file_offset, VX_PAGE), &page, err));
    return vx_image_commit(leaf, err);
}

static vhdx_status begin_write(struct vx_image *leaf, vhdx_error *err)
{
    vhdx_guid identity;
    VX_TRY(vx_new_guid(leaf->host, &identity, err));
    vhdx_status status = vx_image_begin_write(leaf, &identity, err);
    if (status == VHDX_OK)
        status = log_first_page(leaf, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(leaf);
    return status;
}

vhdx_status vx_live_begin(struct vx_live *live, vhdx_error *err)
{
    if (live->begun)
        return VHDX_OK;
    VX_TRY(alone(live, begin_write, err));
    live->begun = true;
    return VHDX_OK;
}

/* L3: their commit is durable. A host that cannot keeps them for other blocks. */
static void give_back_dropped(struct vx_live *live)
{
    for (size_t i = 0; i < live->dropped.count; i++)
        (void)vx_file_give_back(live->leaf->file, live->dropped.items[i].offset, live->dropped.items[i].length, NULL);
    live->dropped.count = 0;
}

vhdx_status vx_live_commit(struct vx_live *live, vhdx_error *err)
{
    if (!live->pending)
        return VHDX_OK;
    VX_TRY(alone(live, vx_image_commit, err));
    live->pending = false;
    give_back_dropped(live);
    return VHDX_OK;
}

static vhdx_status flush(struct vx_live *live, vhdx_error *err)
{
    if (!live->begun)
        return VHDX_OK;                /* nothing was changed */
    VX_TRY(vx_live_commit(live, err)); /* its first flush is that of the payload */
    return vx_file_flush(live->leaf->file, err);
}

vhdx_status vx_live_flush(struct vx_live *live, vhdx_error *err)
{
    vx_lock_take(live->turn);
    vhdx_status status = flush(live, err);
    vx_lock_give(live->turn);
    return status;
}

vhdx_status vx_live_close(struct vx_live *live, vhdx_error *err)
{
    vhdx_status status = VHDX_OK;
    if (!live)
        return VHDX_OK;
    if (live->begun) {
        status = vx_live_commit(live, err);
        if (status == VHDX_OK)
            status = vx_image_end_write(live->leaf, err);
        if (status != VHDX_OK)
            vx_image_abandon_write(live->leaf);
    }
    free_live(live);
    return status;
}
