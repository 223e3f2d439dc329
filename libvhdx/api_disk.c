/*
 * The public doors of a chain that is used as a disk: arguments, overlays, and what the caller sees of the layers. What
 * is written where is live/'s.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/options.h"
#include "base/path.h"
#include "chain/fork.h"
#include "live/live.h"

struct vhdx_disk {
    struct vx_live *live;
    const vhdx_host *host;
    char *discard;             /* path of the file that is removed at the end; NULL = none */
    struct vx_search search;   /* of an overlay: its parent, and then the caller's places */
    const char **search_paths; /* likewise */
};

static vhdx_status fail_argument(vhdx_error *err, const char *what)
{
    return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "%s", what);
}

static vhdx_status check_options(const vhdx_disk_options *options, vhdx_error *err)
{
    bool aside = options->overlay || options->discard;
    for (size_t i = 0; i < options->parent_count; i++)
        if (!options->parents || !options->parents[i])
            return fail_argument(err, "vhdx_disk_open: a parent has no name");
    if (aside && !options->write)
        return fail_argument(err, "vhdx_disk_open: an overlay is for writing");
    if (options->overlay && options->discard)
        return fail_argument(err, "vhdx_disk_open: an overlay is either kept or discarded");
    if (options->write && options->layer > 0)
        return fail_argument(err, "vhdx_disk_open: only the leaf can be written to");
    return VHDX_OK;
}

/* A name that no other file has, in the directory for what is discarded. */
static vhdx_status name_discard(vhdx_disk *disk, const char *directory, vhdx_error *err)
{
    uint64_t number[2];
    char name[64];
    vhdx_status status = disk->host->random(disk->host->context, number, sizeof number, err);
    if (status != VHDX_OK)
        return vx_host_result(status, NULL, "give random bytes", err);
    snprintf(name, sizeof name, "discard-%016llx%016llx.avhdx", (unsigned long long)number[0],
             (unsigned long long)number[1]);
    disk->discard = vx_path_join(directory, name, disk->host->windows_paths);
    return disk->discard ? VHDX_OK : vx_fail_memory(err, "a path");
}

/* The overlay's parent is the disk that was asked for, under whatever path; its own places come after that. */
static vhdx_status search_through(vhdx_disk *disk, const char *path, const vhdx_disk_options *options, vhdx_error *err)
{
    disk->search_paths = vx_alloc(options->parent_count + 1, sizeof *disk->search_paths);
    if (!disk->search_paths)
        return vx_fail_memory(err, "places of parents");
    disk->search_paths[0] = path;
    for (size_t i = 0; i < options->parent_count; i++)
        disk->search_paths[i + 1] = options->parents[i];
    disk->search = (struct vx_search){disk->search_paths, options->parent_count + 1};
    return VHDX_OK;
}

static vhdx_status make_overlay(vhdx_disk *disk, const char *path, const vhdx_disk_options *options,
                                const char **overlay, vhdx_error *err)
{
    struct vx_create_spec spec = {0};
    if (options->discard)
        VX_TRY(name_discard(disk, options->discard, err));
    *overlay = options->overlay ? options->overlay : disk->discard;
    VX_TRY(search_through(disk, path, options, err));
    return vx_fork(disk->host, *overlay, path, &spec, err);
}

/* Where a file may lose its name while it is open, a program that is killed leaves nothing behind. */
static void unlink_early(vhdx_disk *disk)
{
    if (disk->host != vhdx_native_host() || disk->host->windows_paths ||
        disk->host->remove(disk->host->context, disk->discard, NULL) != VHDX_OK)
        return;
    vx_free(disk->discard);
    disk->discard = NULL;
}

static vhdx_status open_disk(vhdx_disk *disk, const char *path, const vhdx_disk_options *options, vhdx_error *err)
{
    struct vx_live_options live = {.host = disk->host,
                                   .search = {options->parents, options->parent_count},
                                   .write = options->write,
                                   .even_with_children = options->even_with_children,
                                   .layer = options->layer,
                                   .notice = options->notice,
                                   .notice_context = options->notice_context};
    const char *top = path;
    if (!options->overlay && !options->discard)
        return vx_live_open(path, &live, &disk->live, err);
    VX_TRY(make_overlay(disk, path, options, &top, err));
    live.search = disk->search;
    vhdx_status status = vx_live_open(top, &live, &disk->live, err);
    if (status == VHDX_OK && options->discard)
        unlink_early(disk);
    if (status != VHDX_OK && options->overlay)
        (void)disk->host->remove(disk->host->context, top, NULL); /* it was made here, and is empty */
    return status;
}

/* After the last use of the file. */
static void free_disk(vhdx_disk *disk)
{
    if (disk->discard)
        (void)disk->host->remove(disk->host->context, disk->discard, NULL);
    vx_free(disk->discard);
    vx_free((void *)disk->search_paths);
    vx_free(disk);
}

vhdx_status vhdx_disk_open(const char *path, const vhdx_disk_options *given, vhdx_disk **disk, vhdx_error *err)
{
    vhdx_disk_options options;
    vx_clear(err);
    if (!path || !disk)
        return fail_argument(err, "vhdx_disk_open: a path and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    VX_TRY(check_options(&options, err));
    vhdx_disk *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "a disk");
    handle->host = vx_host_or_native(options.host);
    vhdx_status status = open_disk(handle, path, &options, err);
    if (status != VHDX_OK) {
        free_disk(handle);
        return status;
    }
    *disk = handle;
    return VHDX_OK;
}

vhdx_status vhdx_disk_close(vhdx_disk *disk, vhdx_error *err)
{
    vx_clear(err);
    if (!disk)
        return VHDX_OK;
    vhdx_status status = vx_live_close(disk->live, err);
    free_disk(disk);
    return status;
}

size_t vhdx_disk_layer_count(const vhdx_disk *disk)
{
    return vx_live_chain(disk->live)->count - vx_live_layer(disk->live);
}

const vhdx_info *vhdx_disk_layer(const vhdx_disk *disk, size_t layer)
{
    if (layer >= vhdx_disk_layer_count(disk))
        return NULL;
    return &vx_live_chain(disk->live)->layers[vx_live_layer(disk->live) + layer]->info;
}

static vhdx_status check_range(const vhdx_disk *disk, uint64_t offset, uint64_t length, vhdx_error *err)
{
    vx_clear(err);
    if (!disk)
        return fail_argument(err, "a disk is needed");
    uint64_t size = vhdx_disk_layer(disk, 0)->virtual_size;
    if (offset > size || length > size - offset)
        return fail_argument(err, "the range does not lie on the virtual disk");
    return VHDX_OK;
}

vhdx_status vhdx_disk_read(vhdx_disk *disk, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    VX_TRY(check_range(disk, offset, length, err));
    if (!buf && length > 0)
        return fail_argument(err, "vhdx_disk_read: a buffer is needed");
    return length > 0 ? vx_live_read(disk->live, buf, length, offset, err) : VHDX_OK;
}

vhdx_status vhdx_disk_write(vhdx_disk *disk, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    VX_TRY(check_range(disk, offset, length, err));
    if (!buf && length > 0)
        return fail_argument(err, "vhdx_disk_write: bytes are needed");
    return vx_live_write(disk->live, buf, length, offset, err);
}

vhdx_status vhdx_disk_zero(vhdx_disk *disk, uint64_t offset, uint64_t length, bool keep_space, vhdx_error *err)
{
    VX_TRY(check_range(disk, offset, length, err));
    return vx_live_zero(disk->live, offset, length, keep_space, err);
}

vhdx_status vhdx_disk_trim(vhdx_disk *disk, uint64_t offset, uint64_t length, vhdx_error *err)
{
    VX_TRY(check_range(disk, offset, length, err));
    return vx_live_trim(disk->live, offset, length, err);
}

vhdx_status vhdx_disk_flush(vhdx_disk *disk, vhdx_error *err)
{
    VX_TRY(check_range(disk, 0, 0, err));
    return vx_live_flush(disk->live, err);
}

static vhdx_extent extent_of(const vhdx_disk *disk, const struct vx_piece *piece)
{
    bool absent = piece->kind == VX_RUN_TRANSPARENT || piece->beyond_end;
    size_t layer = piece->layer - vx_live_layer(disk->live);
    return (vhdx_extent){.virtual_offset = piece->virtual_offset,
                         .length = piece->length,
                         .file_offset = piece->kind == VX_RUN_DATA ? piece->file_offset : VHDX_NOWHERE,
                         .layer = absent ? vhdx_disk_layer_count(disk) - 1 : layer,
                         .state = absent                       ? VHDX_EXTENT_ABSENT
                                  : piece->kind == VX_RUN_DATA ? VHDX_EXTENT_DATA
                                                               : VHDX_EXTENT_ZERO};
}

vhdx_status vhdx_disk_extents(vhdx_disk *disk, uint64_t offset, uint64_t length, vhdx_extent_fn told, void *context,
                              vhdx_error *err)
{
    VX_TRY(check_range(disk, offset, length, err));
    if (!told)
        return fail_argument(err, "vhdx_disk_extents: a function is needed");
    for (uint64_t end = offset + length; offset < end;) {
        struct vx_piece piece;
        VX_TRY(vx_live_piece(disk->live, offset, end - offset, &piece, err));
        const vhdx_extent extent = extent_of(disk, &piece);
        if (!told(context, &extent))
            return VHDX_OK;
        offset += piece.length;
    }
    return VHDX_OK;
}
