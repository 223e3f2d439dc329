/*
 * The public doors: arguments are checked once, then one call goes down. No logic lives here. See vhdx.h for what each
 * function promises.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "api_siblings.h"
#include "base/alloc.h"
#include "base/guid.h"
#include "base/options.h"
#include "base/quote.h"
#include "chain/export.h"
#include "chain/fork.h"
#include "chain/layered.h"
#include "chain/merge_trace.h"
#include "chain/relink.h"
#include "image/protect.h"
#include "undo/undo_apply.h"
#include "merge/merge.h"
#include "config/config.h"
#include "config/config_find.h"
#include "config/sid.h"
#include "repair/forecast.h"
#include "evidence/lost_entries.h"
#include "verify/mismatch.h"
#include "repair/repair.h"
#include "salvage/salvage.h"
#include "verify/verify.h"

#include <stdatomic.h>
#include <string.h>

struct vhdx_image {
    struct vx_image *image;
};

struct vhdx_chain {
    struct vx_chain *chain;
    vhdx_notice_fn notice; /* NULL, or to hear of what only a walk of the BATs tells */
    void *notice_context;
    atomic_flag told; /* whoever reads the chain first tells it, whichever thread that is */
};

struct vhdx_config {
    struct vx_config *config;
};

struct vhdx_walk {
    struct vx_chain *chain;
    struct vx_cursor *cursor;
    uint64_t at;         /* where `next` begins */
    vhdx_extent pending; /* read already, not yet handed out; length 0: none */
};

size_t vhdx_quote(const char *name, vhdx_shell shell, char *text, size_t room)
{
    struct vx_arena arena = {0};
    const char *word = NULL;
    if (name && shell == VHDX_SHELL_POWERSHELL)
        word = vx_quote_powershell(&arena, name);
    else if (name)
        word = vx_quote_word(&arena, name, vhdx_native_host()->windows_paths);
    size_t length = word ? strlen(word) : 0;
    if (text && room > 0)
        text[0] = '\0';
    if (text && word && length < room)
        memcpy(text, word, length + 1);
    vx_arena_clear(&arena);
    return length;
}

void vhdx_guid_format(const vhdx_guid *guid, char text[37])
{
    vx_guid_format(guid, text);
}

vhdx_status vhdx_guid_parse(const char *text, vhdx_guid *guid)
{
    return text && guid && vx_guid_parse(text, strlen(text), guid) ? VHDX_OK : VHDX_ARG;
}

static vhdx_status fail_argument(vhdx_error *err, const char *what)
{
    return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "%s", what);
}

static bool parents_are_there(const char *const *parents, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!parents || !parents[i])
            return false;
    return true;
}

vhdx_status vhdx_image_open(const char *path, const vhdx_open_options *given, vhdx_image **image, vhdx_error *err)
{
    vhdx_open_options options;
    vx_clear(err);
    if (!path || !image)
        return fail_argument(err, "vhdx_image_open: a path and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_image *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "an image");
    vhdx_status status =
        vx_image_open(options.host, path, options.inspect_only ? VX_OPEN_INSPECT : 0, &handle->image, err);
    if (status != VHDX_OK) {
        vx_free(handle);
        return status;
    }
    vx_image_tell(handle->image, options.notice, options.notice_context);
    vx_lost_entries_tell(handle->image, VX_LOST_CHEAP, options.notice, options.notice_context);
    *image = handle;
    return VHDX_OK;
}

void vhdx_image_free(vhdx_image *image)
{
    if (image)
        vx_image_close(image->image);
    vx_free(image);
}

const vhdx_info *vhdx_image_info(const vhdx_image *image)
{
    return &image->image->info;
}

/* Once for each chain, before all of it is read. */
static void tell_lost_entries(vhdx_chain *chain)
{
    if (!chain->notice || atomic_flag_test_and_set(&chain->told))
        return;
    for (size_t i = 0; i < chain->chain->count; i++)
        vx_lost_entries_tell(chain->chain->layers[i], VX_LOST_ALL, chain->notice, chain->notice_context);
}

vhdx_status vhdx_chain_open(const char *path, const vhdx_open_options *given, vhdx_chain **chain, vhdx_error *err)
{
    vhdx_open_options options;
    vx_clear(err);
    if (!path || !chain)
        return fail_argument(err, "vhdx_chain_open: a path and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count))
        return fail_argument(err, "vhdx_chain_open: a parent has no name");
    struct vx_search search = {options.parents, options.parent_count};
    vhdx_chain *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "a chain");
    vhdx_status status = vx_chain_open(options.host, path, &search, NULL, &handle->chain, NULL, err);
    if (status != VHDX_OK) {
        vx_free(handle);
        return status;
    }
    for (size_t i = 0; i < handle->chain->count; i++)
        vx_image_tell(handle->chain->layers[i], options.notice, options.notice_context);
    atomic_flag_clear(&handle->told);
    handle->notice = options.notice;
    handle->notice_context = options.notice_context;
    *chain = handle;
    return VHDX_OK;
}

vhdx_status vhdx_chain_list(const char *path, const vhdx_open_options *given, vhdx_layer_fn layer, void *context,
                            vhdx_error *err)
{
    vhdx_open_options options;
    vx_clear(err);
    if (!path || !layer)
        return fail_argument(err, "vhdx_chain_list: a path and a function are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count))
        return fail_argument(err, "vhdx_chain_list: a parent has no name");
    struct vx_search search = {options.parents, options.parent_count};
    return vx_chain_list(options.host, path, &search, options.inspect_only ? VX_OPEN_INSPECT : 0, layer, context, err);
}

void vhdx_chain_free(vhdx_chain *chain)
{
    if (chain)
        vx_chain_close(chain->chain);
    vx_free(chain);
}

size_t vhdx_chain_layer_count(const vhdx_chain *chain)
{
    return chain->chain->count;
}

const vhdx_info *vhdx_chain_layer(const vhdx_chain *chain, size_t layer)
{
    return layer < chain->chain->count ? &chain->chain->layers[layer]->info : NULL;
}

vhdx_status vhdx_chain_read(vhdx_chain *chain, void *buf, size_t length, uint64_t virtual_offset, vhdx_error *err)
{
    vx_clear(err);
    if (!chain || (!buf && length > 0))
        return fail_argument(err, "vhdx_chain_read: a chain and a buffer are needed");
    uint64_t size = vx_chain_leaf(chain->chain)->geometry.virtual_size;
    if (virtual_offset > size || length > size - virtual_offset)
        return fail_argument(err, "the range does not lie on the virtual disk");
    return vx_chain_read(chain->chain, 0, buf, length, virtual_offset, err);
}

vhdx_status vhdx_walk_new(vhdx_chain *chain, uint64_t virtual_offset, vhdx_walk **walk, vhdx_error *err)
{
    vx_clear(err);
    if (!chain || !walk || virtual_offset > vx_chain_leaf(chain->chain)->geometry.virtual_size)
        return fail_argument(err, "vhdx_walk_new: a chain, a place on its disk and one for the handle are needed");
    vhdx_walk *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "a walk");
    tell_lost_entries(chain);
    handle->chain = chain->chain;
    handle->at = virtual_offset;
    vhdx_status status = vx_cursor_open(chain->chain, 0, chain->chain->count, true, &handle->cursor, err);
    if (status == VHDX_OK)
        *walk = handle;
    else
        vx_free(handle);
    return status;
}

void vhdx_walk_free(vhdx_walk *walk)
{
    if (walk)
        vx_cursor_close(walk->cursor);
    vx_free(walk);
}

static vhdx_extent extent_of(const struct vx_piece *piece, size_t base)
{
    bool absent = piece->kind == VX_RUN_TRANSPARENT || piece->beyond_end;
    return (vhdx_extent){.virtual_offset = piece->virtual_offset,
                         .length = piece->length,
                         .file_offset = piece->kind == VX_RUN_DATA ? piece->file_offset : VHDX_NOWHERE,
                         .layer = absent ? base : piece->layer,
                         .state = absent                       ? VHDX_EXTENT_ABSENT
                                  : piece->kind == VX_RUN_DATA ? VHDX_EXTENT_DATA
                                                               : VHDX_EXTENT_ZERO};
}

static bool joins(const vhdx_extent *extent, const vhdx_extent *next)
{
    return extent->state == next->state && extent->layer == next->layer &&
           (extent->state != VHDX_EXTENT_DATA || extent->file_offset + extent->length == next->file_offset);
}

/* The next extent as one look at the chain tells it; length 0 at the end. */
static vhdx_status look_ahead(vhdx_walk *walk, vhdx_extent *extent, vhdx_error *err)
{
    uint64_t size = vx_chain_leaf(walk->chain)->geometry.virtual_size;
    struct vx_piece piece;
    *extent = (vhdx_extent){.virtual_offset = walk->at, .file_offset = VHDX_NOWHERE, .state = VHDX_EXTENT_ABSENT};
    if (walk->at >= size)
        return VHDX_OK;
    VX_TRY(vx_cursor_at(walk->cursor, walk->at, size - walk->at, &piece, err));
    *extent = extent_of(&piece, walk->chain->count - 1);
    walk->at += piece.length;
    return VHDX_OK;
}

vhdx_status vhdx_walk_next(vhdx_walk *walk, vhdx_extent *extent, vhdx_error *err)
{
    vhdx_extent next;
    vx_clear(err);
    if (!walk || !extent)
        return fail_argument(err, "vhdx_walk_next: a walk and a place for the extent are needed");
    if (walk->pending.length == 0)
        VX_TRY(look_ahead(walk, &walk->pending, err));
    *extent = walk->pending;
    walk->pending.length = 0;
    while (extent->length > 0) {
        if (look_ahead(walk, &next, NULL) != VHDX_OK)
            break; /* the next call meets it again, and tells */
        if (next.length == 0 || !joins(extent, &next)) {
            walk->pending = next;
            break;
        }
        extent->length += next.length;
    }
    return VHDX_OK;
}

vhdx_status vhdx_chain_stream(vhdx_chain *chain, vhdx_sink_fn sink, void *context, const vhdx_stream_options *given,
                              vhdx_error *err)
{
    vhdx_stream_options options;
    vx_clear(err);
    if (!chain || !sink)
        return fail_argument(err, "vhdx_chain_stream: a chain and a sink are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    tell_lost_entries(chain);
    return vx_chain_stream(chain->chain, 0, sink, context, &options, err);
}

vhdx_status vhdx_chain_export(vhdx_chain *chain, const char *path, const vhdx_stream_options *given, vhdx_error *err)
{
    vhdx_stream_options options;
    vx_clear(err);
    if (!chain || !path)
        return fail_argument(err, "vhdx_chain_export: a chain and a path are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    tell_lost_entries(chain);
    return vx_chain_export(chain->chain, path, &options, err);
}

vhdx_status vhdx_chain_hash(vhdx_chain *chain, uint8_t hash[16], const vhdx_stream_options *given, vhdx_error *err)
{
    vhdx_stream_options options;
    vx_clear(err);
    if (!chain || !hash)
        return fail_argument(err, "vhdx_chain_hash: a chain and a place for the hash are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    tell_lost_entries(chain);
    return vx_chain_hash(chain->chain, hash, &options, err);
}

vhdx_status vhdx_create(const char *path, const vhdx_create_options *given, vhdx_error *err)
{
    vhdx_create_options options;
    vx_clear(err);
    if (!path || !given)
        return fail_argument(err, "vhdx_create: a path and options are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    struct vx_create_spec spec = {.virtual_size = options.virtual_size,
                                  .block_size = options.block_size,
                                  .logical_sector_size = options.logical_sector_size,
                                  .physical_sector_size = options.physical_sector_size,
                                  .fixed = options.fixed};
    if (options.data_write_guid)
        spec.data_write_guid = *options.data_write_guid;
    if (options.virtual_disk_id)
        spec.virtual_disk_id = *options.virtual_disk_id;
    if (options.parent && options.virtual_disk_id)
        return fail_argument(err, "a differencing disk has the virtual disk id of its parent");
    if (options.parent && options.fixed)
        return fail_argument(err, "a differencing disk cannot be fixed");
    if (options.parent)
        return vx_fork(options.host, path, options.parent, &spec, err);
    return vx_create(options.host, path, &spec, err);
}

/* A report as the library of this version fills it, cut to what the caller's struct has. Both begin with their size. */
static void give_report(void *to, const void *from, size_t from_size)
{
    size_t size = 0;
    if (to)
        memcpy(&size, to, sizeof size);
    if (size <= sizeof size)
        return;
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size,
           (size < from_size ? size : from_size) - sizeof size);
}

/* What was deleted or punched out no undo file can give back. */
static bool undo_fits(const vhdx_merge_options *options)
{
    return !options->undo || !(options->delete_merged || options->reclaim);
}

static vhdx_status merge_with(const char *child, const vhdx_merge_options *options, bool plan_only,
                              vhdx_merge_report *report, vhdx_error *err)
{
    struct vx_siblings *siblings;
    vhdx_merge_report filled = {.struct_size = sizeof filled};
    VX_TRY(vx_siblings_find(options, &siblings, err));
    vhdx_status status =
        vx_merge(child, options, plan_only, vx_siblings_disks(siblings), vx_lost_entries_check, &filled, err);
    vx_siblings_free(siblings);
    give_report(report, &filled, sizeof filled);
    return status;
}

vhdx_status vhdx_merge_look(const char *path, const vhdx_open_options *given, vhdx_merge_trace *trace, vhdx_error *err)
{
    vhdx_open_options options;
    struct vx_image *image;
    vx_clear(err);
    if (!path || !trace || trace->struct_size < sizeof *trace)
        return fail_argument(err, "vhdx_merge_look: a path and a trace with its size are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    struct vx_search search = {options.parents, options.parent_count};
    VX_TRY(vx_image_open(options.host, path, options.inspect_only ? VX_OPEN_INSPECT : 0, &image, err));
    vhdx_status status = vx_merge_trace(image, &search, trace, err);
    vx_image_close(image);
    return status;
}

vhdx_status vhdx_merge_plan(const char *child, const vhdx_merge_options *given, vhdx_merge_report *report,
                            vhdx_error *err)
{
    vhdx_merge_options options;
    vx_clear(err);
    if (!child || !report)
        return fail_argument(err, "vhdx_merge_plan: a child and a place for the report are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count) ||
        !parents_are_there(options.siblings, options.sibling_count))
        return fail_argument(err, "vhdx_merge_plan: a parent or a place has no name");
    if (!undo_fits(&options))
        return fail_argument(err, "an undo file does not go with removing layers or giving their space back");
    return merge_with(child, &options, true, report, err);
}

vhdx_status vhdx_merge(const char *child, const vhdx_merge_options *given, vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_merge_options options;
    vx_clear(err);
    if (!child)
        return fail_argument(err, "vhdx_merge: a child is needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count) ||
        !parents_are_there(options.siblings, options.sibling_count))
        return fail_argument(err, "vhdx_merge: a parent or a place has no name");
    if (!undo_fits(&options))
        return fail_argument(err, "an undo file does not go with removing layers or giving their space back");
    return merge_with(child, &options, false, report, err);
}

static vhdx_status tell_of_layer(struct vx_image *image, vhdx_notice_fn notice, void *context, vhdx_error *err)
{
    (void)err;
    vx_lost_entries_tell(image, VX_LOST_ALL, notice, context);
    return VHDX_OK;
}

vhdx_status vhdx_flatten(const char *child, const char *path, const vhdx_merge_options *given,
                         vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_merge_options options;
    vx_clear(err);
    if (!child || !path)
        return fail_argument(err, "vhdx_flatten: a child and a path are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count))
        return fail_argument(err, "vhdx_flatten: a parent has no name");
    if (options.into || options.delete_merged || options.force_siblings || options.undo)
        return fail_argument(err,
                             "a merge into a new file changes no layer: into, delete, force and undo do not apply");
    vhdx_merge_report filled = {.struct_size = sizeof filled};
    vhdx_status status = vx_flatten(child, path, &options, tell_of_layer, &filled, err);
    give_report(report, &filled, sizeof filled);
    return status;
}

vhdx_status vhdx_relink(const char *child, const char *parent, const vhdx_relink_options *given, vhdx_error *err)
{
    vhdx_relink_options options;
    vx_clear(err);
    if (!child || !parent)
        return fail_argument(err, "vhdx_relink: a child and a parent are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_status status = vx_relink(options.host, child, parent, options.force, err);
    if (status == VHDX_PARENT_MISMATCH)
        vx_mismatch_explain(options.host, child, parent, err);
    return status;
}

vhdx_status vhdx_undo(const char *path, const vhdx_undo_options *given, vhdx_undo_report *report, vhdx_error *err)
{
    vhdx_undo_options options;
    vx_clear(err);
    if (!path)
        return fail_argument(err, "vhdx_undo: a path is needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_undo_report filled = {.struct_size = sizeof filled};
    vhdx_status status = vx_undo_apply(path, &options, vx_image_identify, &filled, err);
    give_report(report, &filled, sizeof filled);
    return status;
}

vhdx_status vhdx_config_open(const char *path, const vhdx_config_options *given, vhdx_config **config, vhdx_error *err)
{
    vhdx_config_options options;
    vx_clear(err);
    if (!path || !config)
        return fail_argument(err, "vhdx_config_open: a path and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_config *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "a configuration");
    vhdx_status status = vx_config_read(options.host, path, options.alone ? VX_CONFIG_ALONE : 0, &handle->config, err);
    if (status == VHDX_OK)
        *config = handle;
    else
        vx_free(handle);
    return status;
}

void vhdx_config_free(vhdx_config *config)
{
    if (config)
        vx_config_free(config->config);
    vx_free(config);
}

const vhdx_machine_info *vhdx_config_info(const vhdx_config *config)
{
    return &config->config->info;
}

const vhdx_drive *vhdx_config_drive(const vhdx_config *config, size_t index)
{
    return index < config->config->info.drive_count ? &config->config->disks[index] : NULL;
}

vhdx_status vhdx_config_find(const char *const *disks, size_t disk_count, const vhdx_config_find_options *given,
                             vhdx_mention_fn visit, void *context, vhdx_error *err)
{
    vhdx_config_find_options options;
    vx_clear(err);
    if (!visit || !parents_are_there(disks, disk_count))
        return fail_argument(err, "vhdx_config_find: names of disks and a function to call are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.configs, options.config_count))
        return fail_argument(err, "vhdx_config_find: a configuration has no name");
    return vx_config_find(disks, disk_count, &options, visit, context, err);
}

void vhdx_machine_sid(const vhdx_guid *machine_id, char text[VHDX_SID_ROOM])
{
    vx_machine_sid(machine_id, text);
}

/* Verification says what is wrong, the plans of a repair what can be done about it. */
static vhdx_status verify(const char *path, const vhdx_verify_options *options, vhdx_report **report, vhdx_error *err)
{
    vhdx_report *made = NULL;
    VX_TRY(vx_verify(path, options, &made, err));
    vhdx_status status = options->quick ? VHDX_OK : vx_forecast(path, options, made, err);
    if (status == VHDX_OK)
        status = vx_report_finish(made, err);
    if (status == VHDX_OK)
        *report = made;
    else
        vx_report_free(made);
    return status;
}

vhdx_status vhdx_verify(const char *path, const vhdx_verify_options *given, vhdx_report **report, vhdx_error *err)
{
    vhdx_verify_options options;
    vx_clear(err);
    if (!path || !report)
        return fail_argument(err, "vhdx_verify: a path and a place for the report are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count))
        return fail_argument(err, "vhdx_verify: a parent has no name");
    if (options.manifest && !options.data)
        return fail_argument(err, "a manifest is of use only when the data is read");
    return verify(path, &options, report, err);
}

vhdx_status vhdx_repair(const char *path, const vhdx_repair_options *given, vhdx_report **report, vhdx_error *err)
{
    vhdx_repair_options options;
    vx_clear(err);
    if (!path || !report)
        return fail_argument(err, "vhdx_repair: a path and a place for the report are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count))
        return fail_argument(err, "vhdx_repair: a parent has no name");
    if (options.undo && options.no_undo)
        return fail_argument(err, "vhdx_repair: an undo file is asked for and forbidden");
    return vx_repair(path, &options, report, err);
}

void vhdx_report_free(vhdx_report *report)
{
    vx_report_free(report);
}

size_t vhdx_report_file_count(const vhdx_report *report)
{
    return vx_report_file_count(report);
}

const vhdx_file_report *vhdx_report_file(const vhdx_report *report, size_t file)
{
    return vx_report_file(report, file);
}

const vhdx_finding *vhdx_report_finding(const vhdx_report *report, size_t file, size_t finding)
{
    return vx_report_finding(report, file, finding);
}

const vhdx_lost_range *vhdx_report_lost(const vhdx_report *report, size_t file, size_t range)
{
    return vx_report_lost(report, file, range);
}

vhdx_status vhdx_salvage(const char *child, const char *raw, const vhdx_salvage_options *given,
                         vhdx_salvage_report *report, vhdx_error *err)
{
    vhdx_salvage_options options;
    vx_clear(err);
    if (!child || !raw)
        return fail_argument(err, "vhdx_salvage: a child and a raw file are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!parents_are_there(options.parents, options.parent_count))
        return fail_argument(err, "vhdx_salvage: a parent has no name");
    vhdx_salvage_report filled = {.struct_size = sizeof filled};
    vhdx_status status = vx_salvage(child, raw, &options, &filled, err);
    give_report(report, &filled, sizeof filled);
    return status;
}
