/*
 * Comparing two disks. See diff.h. Each side is a view: a layer of a chain with all that lies below it. Of both views
 * the layers at the bottom that are the same are left out of account; what the others say, side by side, is the
 * difference.
 *
 * Easy to get wrong: an id alone does not make two files the same disk. A disk in use keeps its DataWriteGuid from the
 * first write on, so that two copies of it, taken at different times, have one id and different bytes.
 */
/* SPDX-License-Identifier: MIT */
#include "diff/diff.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/notice.h"
#include "chain/layered.h"

#include <inttypes.h>
#include <string.h>

#define READ_AT_ONCE ((size_t)VX_MIB)
#define TOLD_EACH (64 * VX_MIB)

/* The disk of layer `first`, of which the layers from `end` on are those of the other side too. */
struct view {
    struct vx_chain *chain;
    size_t first, end;
    struct vx_cursor *cursor; /* over the layers [first, end); NULL when there are none */
    uint8_t *buf;
};

struct comparing {
    const vhdx_diff_options *options;
    struct view views[2];
    uint64_t common; /* as far as both disks go */
    uint32_t unit;   /* the smaller of the two sector sizes */
    vhdx_range_fn visit;
    void *context;
    vhdx_diff_report *report;
    uint64_t offset, length; /* a range that may go on; length 0: none */
    uint64_t told;
};

static struct vx_image *top(const struct view *view)
{
    return view->chain->layers[view->first];
}

static uint64_t size_of(const struct view *view)
{
    return top(view)->geometry.virtual_size;
}

/* ---- layers that both have ---- */

/* The very file, or a copy of it that was made when nobody had it open, and that nobody has written to since. */
static bool is_same_layer(const struct vx_image *a, const struct vx_image *b)
{
    bool same;
    if (a == b || (vx_file_same(a->file, b->file, &same) && same) ||
        vx_same_path(a->host, vx_image_path(a), vx_image_path(b)))
        return true;
    return a->log == VHDX_LOG_STATE_CLEAN && b->log == VHDX_LOG_STATE_CLEAN &&
           a->header.sequence_number == b->header.sequence_number &&
           vx_guid_equal(&a->header.file_write_guid, &b->header.file_write_guid) &&
           vx_guid_equal(&a->header.data_write_guid, &b->header.data_write_guid) &&
           a->geometry.virtual_size == b->geometry.virtual_size && a->info.file_size == b->info.file_size;
}

static void leave_out_shared(struct view views[2])
{
    while (views[0].end > views[0].first && views[1].end > views[1].first &&
           is_same_layer(views[0].chain->layers[views[0].end - 1], views[1].chain->layers[views[1].end - 1])) {
        views[0].end--;
        views[1].end--;
    }
}

/* ---- what is found ---- */

static vhdx_status hand_out(struct comparing *comparing, vhdx_error *err)
{
    if (comparing->length == 0)
        return VHDX_OK;
    comparing->report->range_count++;
    comparing->report->bytes += comparing->length;
    bool more = !comparing->visit || comparing->visit(comparing->context, comparing->offset, comparing->length);
    comparing->length = 0;
    return more ? VHDX_OK
                : vx_fail(err, VHDX_CANCELLED, vx_at_file(vx_image_path(top(&comparing->views[0]))),
                          "comparing was cancelled");
}

static vhdx_status add(struct comparing *comparing, uint64_t offset, uint64_t length, vhdx_error *err)
{
    if (comparing->length > 0 && comparing->offset + comparing->length == offset) {
        comparing->length += length;
        return VHDX_OK;
    }
    VX_TRY(hand_out(comparing, err));
    comparing->offset = offset;
    comparing->length = length;
    return VHDX_OK;
}

static vhdx_status tell(struct comparing *comparing, uint64_t at, vhdx_error *err)
{
    const vhdx_diff_options *options = comparing->options;
    const vhdx_progress now = {VHDX_PHASE_READ, at, comparing->common};
    if (at - comparing->told < TOLD_EACH && at != comparing->common)
        return VHDX_OK;
    comparing->told = at;
    return vx_progress(options->progress, options->progress_context, &now, vx_image_path(top(&comparing->views[0])),
                       "comparing", err);
}

/* ---- by what the layers say ---- */

static vhdx_status look(const struct view *view, uint64_t at, uint64_t limit, struct vx_piece *piece, vhdx_error *err)
{
    *piece = (struct vx_piece){.kind = VX_RUN_TRANSPARENT, .virtual_offset = at, .length = limit};
    if (view->cursor)
        VX_TRY(vx_cursor_at(view->cursor, at, limit, piece, err));
    if (piece->kind == VX_RUN_TRANSPARENT && view->end == view->chain->count)
        piece->kind = VX_RUN_ZERO; /* below a base there is nothing */
    return VHDX_OK;
}

static bool says_same(const struct vx_piece *a, const struct vx_piece *b)
{
    return a->kind == b->kind && a->kind != VX_RUN_DATA;
}

/* ---- by bytes ---- */

static vhdx_status read_part(struct comparing *comparing, size_t side, const struct vx_piece *piece, uint64_t at,
                             size_t length, vhdx_error *err)
{
    struct view *view = &comparing->views[side];
    if (piece->kind == VX_RUN_ZERO) {
        memset(view->buf, 0, length);
        return VHDX_OK;
    }
    comparing->report->bytes_read += length;
    return vx_chain_read(view->chain, view->first, view->buf, length, at, err);
}

static vhdx_status compare_part(struct comparing *comparing, const struct vx_piece pieces[2], uint64_t at,
                                size_t length, vhdx_error *err)
{
    for (size_t side = 0; side < 2; side++)
        VX_TRY(read_part(comparing, side, &pieces[side], at, length, err));
    const uint8_t *a = comparing->views[0].buf, *b = comparing->views[1].buf;
    if (memcmp(a, b, length) == 0)
        return VHDX_OK;
    for (size_t in = 0; in < length; in += comparing->unit)
        if (memcmp(a + in, b + in, comparing->unit) != 0)
            VX_TRY(add(comparing, at + in, comparing->unit, err));
    return VHDX_OK;
}

static vhdx_status compare_bytes(struct comparing *comparing, const struct vx_piece pieces[2], uint64_t at,
                                 uint64_t length, vhdx_error *err)
{
    for (uint64_t done = 0; done < length;) {
        size_t here = (size_t)vx_min(READ_AT_ONCE, length - done);
        VX_TRY(compare_part(comparing, pieces, at + done, here, err));
        done += here;
        VX_TRY(tell(comparing, at + done, err));
    }
    return VHDX_OK;
}

/* ---- all of it ---- */

static vhdx_status compare(struct comparing *comparing, vhdx_error *err)
{
    uint64_t sizes[2] = {size_of(&comparing->views[0]), size_of(&comparing->views[1])};
    for (uint64_t at = 0; at < comparing->common;) {
        struct vx_piece pieces[2];
        VX_TRY(look(&comparing->views[0], at, comparing->common - at, &pieces[0], err));
        VX_TRY(look(&comparing->views[1], at, pieces[0].length, &pieces[1], err));
        uint64_t length = pieces[1].length;
        if (!says_same(&pieces[0], &pieces[1]) && comparing->options->data)
            VX_TRY(compare_bytes(comparing, pieces, at, length, err));
        else if (!says_same(&pieces[0], &pieces[1]))
            VX_TRY(add(comparing, at, length, err));
        at += length;
        VX_TRY(tell(comparing, at, err));
    }
    uint64_t whole = vx_max(sizes[0], sizes[1]);
    if (whole > comparing->common)
        VX_TRY(add(comparing, comparing->common, whole - comparing->common, err));
    return hand_out(comparing, err);
}

static vhdx_status open_view(struct view *view, bool data, vhdx_error *err)
{
    if (view->end > view->first)
        VX_TRY(vx_cursor_open(view->chain, view->first, view->end, true, &view->cursor, err));
    view->buf = data ? vx_alloc(READ_AT_ONCE, 1) : NULL;
    return !data || view->buf ? VHDX_OK : vx_fail_memory(err, "a buffer");
}

static void tell_unrelated(const struct comparing *comparing)
{
    const vhdx_diff_options *options = comparing->options;
    if (comparing->report->shared_layers == 0 && !options->data)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NOTE,
                  "the two disks share no layer: what either of them holds counts as different unless the data is "
                  "compared");
}

static vhdx_status run(struct comparing *comparing, vhdx_error *err)
{
    struct view *views = comparing->views;
    vhdx_diff_report *report = comparing->report;
    leave_out_shared(views);
    report->virtual_size_a = size_of(&views[0]);
    report->virtual_size_b = size_of(&views[1]);
    report->shared_layers = (uint32_t)(views[0].chain->count - views[0].end);
    comparing->common = vx_min(report->virtual_size_a, report->virtual_size_b);
    uint32_t units[2] = {top(&views[0])->geometry.logical_sector_size, top(&views[1])->geometry.logical_sector_size};
    comparing->unit = units[0] < units[1] ? units[0] : units[1];
    tell_unrelated(comparing);
    for (size_t side = 0; side < 2; side++)
        VX_TRY(open_view(&views[side], comparing->options->data, err));
    return compare(comparing, err);
}

static vhdx_status look_at_layers(const struct vx_chain *chain, const vhdx_diff_options *options,
                                  vx_layer_check_fn *look_at, vhdx_error *err)
{
    for (size_t i = 0; i < chain->count; i++) {
        vx_image_tell(chain->layers[i], options->notice, options->notice_context);
        if (look_at)
            VX_TRY(look_at(chain->layers[i], options->notice, options->notice_context, err));
    }
    return VHDX_OK;
}

/* The chain's own lower layer as the other side. */
static vhdx_status take_below(struct comparing *comparing, vhdx_error *err)
{
    struct vx_chain *chain = comparing->views[0].chain;
    size_t below = comparing->options->below ? comparing->options->below : 1;
    if (chain->count == 1) {
        vx_fail(err, VHDX_ARG, vx_at_file(vx_image_path(chain->layers[0])),
                "the disk has no parent that it could be compared with");
        return vx_advise(err, VHDX_ARG, "name a second disk");
    }
    if (below >= chain->count)
        return vx_fail(err, VHDX_ARG, vx_at_file(vx_image_path(chain->layers[0])),
                       "the chain has no layer %zu: the last one, the base, is %zu", below, chain->count - 1);
    comparing->views[1] = (struct view){.chain = chain, .first = below, .end = chain->count};
    return VHDX_OK;
}

static vhdx_status open_and_run(struct comparing *comparing, struct vx_chain *chains[2], const char *const paths[2],
                                vx_layer_check_fn *look_at, vhdx_error *err)
{
    const vhdx_diff_options *options = comparing->options;
    const struct vx_search search = {options->parents, options->parent_count};
    for (size_t side = 0; side < 2 && paths[side]; side++) {
        VX_TRY(vx_chain_open(options->host, paths[side], &search, NULL, &chains[side], NULL, err));
        VX_TRY(look_at_layers(chains[side], options, look_at, err));
        comparing->views[side] = (struct view){.chain = chains[side], .end = chains[side]->count};
    }
    if (!paths[1])
        VX_TRY(take_below(comparing, err));
    return run(comparing, err);
}

vhdx_status vx_diff(const char *a, const char *b, const vhdx_diff_options *options, vx_layer_check_fn *look_at,
                    vhdx_range_fn visit, void *context, vhdx_diff_report *report, vhdx_error *err)
{
    struct comparing comparing = {.options = options, .visit = visit, .context = context, .report = report};
    struct vx_chain *chains[2] = {NULL, NULL};
    const char *const paths[2] = {a, b};
    vhdx_status status = open_and_run(&comparing, chains, paths, look_at, err);
    for (size_t side = 0; side < 2; side++) {
        vx_cursor_close(comparing.views[side].cursor);
        vx_free(comparing.views[side].buf);
    }
    vx_chain_close(chains[1]);
    vx_chain_close(chains[0]);
    return status;
}
