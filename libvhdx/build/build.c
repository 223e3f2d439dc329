/*
 * The order in which a new disk comes to be. See build.h.
 *
 *      settle sizes | check the name | file under another name | move | structures, flush | read back | name
 *
 *  B1  Nothing is at the path that was not there before until the disk is complete and durable; what was there is
 *      replaced in one step.
 *  B2  After any failure the file under the other name is removed; what a power cut leaves of it is emptied by the next
 *      run. A device is the exception: it is written in place.
 */
/* SPDX-License-Identifier: MIT */
#include "build/build.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/notice.h"
#include "base/path.h"
#include "base/size_text.h"
#include "build/estimate.h"
#include "build/mover.h"
#include "build/settle.h"
#include "chain/export.h"
#include "chain/fork.h"
#include "io/new_file.h"

#include <inttypes.h>
#include <string.h>

struct building {
    struct vx_build_spec spec;
    vhdx_build_options own;            /* what was asked for, and of a child what is its parent's */
    const vhdx_build_options *options; /* == &own */
    const struct vx_source *source;
    vhdx_build_report *report;
    /* of a child: what it inherits */
    struct vx_fork fork;
    struct vx_create_spec child;
    char *unfinished; /* on a device its own path */
    uint64_t virtual_size;
    uint8_t hash[16];
};

/* ---- before anything is written ---- */

/* Nothing of a device is written when it is too small; a stream ends where it does. */
static vhdx_status check_device(struct building *b, uint64_t size, vhdx_error *err)
{
    char there[VX_SIZE_TEXT], wanted[VX_SIZE_TEXT];
    if (b->spec.format != VHDX_FORMAT_RAW)
        return vx_fail(err, VHDX_ARG, vx_at_file(b->spec.path), "only a raw disk goes onto a block device");
    if (b->spec.virtual_size > size)
        return vx_fail(err, VHDX_NO_SPACE, vx_at_file(b->spec.path), "the device has %s, the disk %s",
                       vx_size_text(size, there), vx_size_text(b->spec.virtual_size, wanted));
    b->spec.room = vx_min(b->spec.room, size);
    return VHDX_OK;
}

static vhdx_status check_place(struct building *b, vhdx_error *err)
{
    struct vx_file *file;
    uint64_t size = 0;
    bool replaces = false;
    if (vx_file_open(b->spec.host, b->spec.path, VHDX_OPEN_PEEK, &file, NULL) == VHDX_OK) {
        b->spec.is_device = (vx_file_facts(file)->attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
        vhdx_status status = vx_file_size(file, &size, err);
        vx_file_close(file);
        VX_TRY(status);
    }
    if (b->spec.is_device)
        return check_device(b, size, err);
    VX_TRY(vx_new_file_check(b->spec.host, b->spec.path, b->spec.overwrite, &replaces, err));
    if (replaces)
        vx_notice(b->options->notice, b->options->notice_context, VHDX_NOTICE_NOTE,
                  "%s is replaced when the new disk is complete", b->spec.path);
    return VHDX_OK;
}

static vhdx_status check_volume(const struct building *b, vhdx_error *err)
{
    vhdx_space space;
    char most[VX_SIZE_TEXT], wanted[VX_SIZE_TEXT];
    bool whole = b->spec.fixed || b->spec.format == VHDX_FORMAT_RAW;
    if (!whole || b->spec.is_device ||
        b->spec.host->space(b->spec.host->context, b->spec.path, &space, NULL) != VHDX_OK)
        return VHDX_OK;
    if (space.max_file_size < b->spec.virtual_size)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(b->spec.path),
                       "this volume's files hold at most %s, the new disk needs %s",
                       vx_size_text(space.max_file_size, most), vx_size_text(b->spec.virtual_size, wanted));
    return VHDX_OK;
}

static void tell_sector_size(const struct building *b)
{
    uint32_t from = b->source->logical_sector_size, to = b->spec.create.logical_sector_size;
    if (from != 0 && from != to && b->spec.format != VHDX_FORMAT_RAW)
        vx_notice(b->options->notice, b->options->notice_context, VHDX_NOTICE_WARNING,
                  "%s: logical sectors have %" PRIu32 " bytes now, %" PRIu32
                  " before: partition tables count in sectors, so a guest may not find its partitions",
                  b->spec.path, to, from);
}

static void tell_padding(struct building *b, uint64_t bytes, uint64_t virtual_size)
{
    b->report->padded = virtual_size - bytes;
    if (b->report->padded > 0 && b->options->virtual_size != virtual_size)
        vx_notice(b->options->notice, b->options->notice_context, VHDX_NOTICE_NOTE,
                  "%s: the disk is padded with %" PRIu64 " bytes of zeros, to %" PRIu64 " bytes", b->spec.path,
                  b->report->padded, virtual_size);
}

static vhdx_status take_parent(struct building *b, const char *path, vhdx_error *err)
{
    struct vx_create_spec *child = &b->child;
    *child = (struct vx_create_spec){.virtual_size = b->own.virtual_size,
                                     .logical_sector_size = b->own.logical_sector_size,
                                     .physical_sector_size = b->own.physical_sector_size};
    if (b->own.verify)
        return vx_fail(err, VHDX_ARG, vx_at_file(path), "a child alone has no content that could be read back");
    if (b->own.virtual_disk_id)
        return vx_fail(err, VHDX_ARG, vx_at_file(path), "a differencing disk has the virtual disk id of its parent");
    VX_TRY(vx_fork_prepare(b->own.host, path, b->own.parent, child, &b->fork, err));
    b->own.virtual_size = child->virtual_size;
    b->own.logical_sector_size = child->logical_sector_size;
    b->own.physical_sector_size = child->physical_sector_size;
    b->own.virtual_disk_id = &child->virtual_disk_id;
    return VHDX_OK;
}

static void put_parent(struct building *b)
{
    b->spec.create.locator = b->child.locator;
    b->spec.create.locator_size = b->child.locator_size;
    b->spec.create.inherited = b->child.inherited;
    b->spec.create.inherited_count = b->child.inherited_count;
}

static vhdx_status settle(struct building *b, const char *path, vhdx_error *err)
{
    vhdx_build_report *report = b->report;
    if (b->options->parent)
        VX_TRY(take_parent(b, path, err));
    VX_TRY(vx_build_settle(path, b->options, b->source, &b->spec, err));
    if (!b->options->virtual_disk_id && b->source->virtual_disk_id)
        b->spec.create.virtual_disk_id = *b->source->virtual_disk_id;
    b->spec.create.inherited = b->source->inherited;
    b->spec.create.inherited_count = b->source->inherited_count;
    if (b->options->parent)
        put_parent(b);
    report->format = b->spec.format;
    report->block_size = b->spec.format == VHDX_FORMAT_RAW || (b->spec.fixed && b->spec.format == VHDX_FORMAT_VHD)
                             ? 0
                             : b->spec.create.block_size;
    report->logical_sector_size = b->spec.create.logical_sector_size;
    report->virtual_size = b->spec.virtual_size;
    VX_TRY(check_place(b, err));
    VX_TRY(check_volume(b, err));
    tell_sector_size(b);
    return VHDX_OK;
}

/* ---- the work ---- */

static vhdx_status open_target(struct building *b, struct vx_target **target, vhdx_error *err)
{
    if (b->spec.format == VHDX_FORMAT_VHD && vx_guid_is_zero(&b->spec.create.data_write_guid))
        VX_TRY(vx_new_guid(b->spec.host, &b->spec.create.data_write_guid, err));
    switch (b->spec.format) {
    case VHDX_FORMAT_VHD:
        return vx_target_vhd(&b->spec, b->unfinished, target, err);
    case VHDX_FORMAT_RAW:
        return vx_target_raw(&b->spec, b->unfinished, target, err);
    case VHDX_FORMAT_VHDX:
        break;
    }
    return vx_target_vhdx(&b->spec, b->unfinished, target, err);
}

static vhdx_status move(struct building *b, struct vx_target *target, struct vx_mover *mover, vhdx_error *err)
{
    VX_TRY(vx_mover_run(mover, b->source, err));
    uint64_t bytes = mover->at;
    b->virtual_size = b->spec.virtual_size;
    if (b->virtual_size == 0)
        VX_TRY(vx_build_size(&b->spec, bytes, &b->virtual_size, err));
    if (b->options->virtual_size == 0 || b->virtual_size > b->options->virtual_size)
        tell_padding(b, bytes, b->virtual_size);
    VX_TRY(vx_mover_fill(mover, b->virtual_size, err));
    if (mover->state)
        vx_mover_hash(mover, b->hash);
    return target->ops->finish(target, b->virtual_size, err);
}

static vhdx_status write_disk(struct building *b, vhdx_error *err)
{
    struct vx_target *target;
    struct vx_mover mover;
    VX_TRY(open_target(b, &target, err));
    vhdx_status status = vx_mover_open(target, b->options, &mover, err);
    if (status == VHDX_OK) {
        status = move(b, target, &mover, err);
        b->report->bytes_data = mover.bytes_data;
        b->report->bytes_shared = mover.bytes_shared;
        vx_mover_close(&mover);
    }
    target->ops->close(target);
    return status;
}

/* ---- reading back ---- */

static vhdx_status hash_disk(struct building *b, struct vx_image *image, uint8_t hash[16], vhdx_error *err)
{
    struct vx_chain chain = {.host = b->spec.host, .layers = &image, .count = 1};
    const vhdx_stream_options stream = {.struct_size = sizeof stream,
                                        .progress = b->options->progress,
                                        .progress_context = b->options->progress_context};
    b->report->file_size = image->info.file_size;
    if (!b->options->verify)
        return VHDX_OK;
    vx_file_dont_need(image->file, 0, image->info.file_size);
    return vx_chain_hash(&chain, hash, &stream, err);
}

/* Opens it as everybody else will: what does not open is no disk. A device is longer than the disk, perhaps. */
static vhdx_status read_back(struct building *b, vhdx_error *err)
{
    struct vx_image *image;
    uint8_t hash[16];
    unsigned flags = b->spec.format == VHDX_FORMAT_RAW ? VX_OPEN_ONLY_RAW : VX_OPEN_VHD;
    VX_TRY(vx_image_open(b->spec.host, b->unfinished, flags, &image, err));
    if (b->spec.format == VHDX_FORMAT_RAW)
        image->geometry.virtual_size = b->virtual_size;
    vhdx_status status = hash_disk(b, image, hash, err);
    vx_image_close(image);
    if (status != VHDX_OK || !b->options->verify)
        return status;
    if (memcmp(hash, b->hash, sizeof hash) != 0)
        return vx_fail(err, VHDX_CORRUPT, vx_at_file(b->spec.path),
                       "the new disk reads otherwise than what was written to it");
    b->report->bytes_verified = b->virtual_size;
    return VHDX_OK;
}

static vhdx_status make(struct building *b, vhdx_error *err)
{
    vhdx_status status = write_disk(b, err);
    if (status == VHDX_OK)
        status = read_back(b, err);
    b->report->virtual_size = b->virtual_size;
    if (b->spec.is_device)
        return status;
    if (status == VHDX_OK)
        return vx_new_file_give_name(b->spec.host, b->unfinished, b->spec.path, err); /* B1 */
    b->spec.host->remove(b->spec.host->context, b->unfinished, NULL);                 /* B2 */
    return status;
}

vhdx_status vx_build(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                     vhdx_build_report *report, vhdx_error *err)
{
    struct building b = {.own = *options, .options = &b.own, .source = source, .report = report};
    vhdx_status status = settle(&b, path, err);
    if (status == VHDX_OK) {
        b.unfinished = b.spec.is_device ? vx_copy_string(path) : vx_path_unfinished(path, b.spec.host->windows_paths);
        status = b.unfinished ? make(&b, err) : vx_fail_memory(err, "a path");
        if (status != VHDX_OK)
            vx_locate(err, vx_at_file(path));
    }
    vx_free(b.unfinished);
    vx_fork_free(&b.fork);
    return status;
}

/* ---- a plan ---- */

vhdx_status vx_build_plan(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                          vhdx_build_report *report, vhdx_error *err)
{
    struct building b = {.own = *options, .options = &b.own, .source = source, .report = report};
    vhdx_status status = settle(&b, path, err);
    if (status == VHDX_OK && b.spec.virtual_size > 0)
        tell_padding(&b, vx_max(source->virtual_size, options->virtual_size), b.spec.virtual_size);
    if (status == VHDX_OK)
        status = vx_build_estimate(&b.spec, source, report, err);
    vx_fork_free(&b.fork);
    return status;
}
