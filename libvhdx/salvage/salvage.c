/*
 * The salvaged disk on its way out: raw bytes, the map beside them, and pieces that have no place. See salvage.h. Bytes
 * are read before they are judged, because a bad sector shows only then.
 */
/* SPDX-License-Identifier: MIT */
#include "salvage/salvage.h"

#include "base/alloc.h"
#include "base/notice.h"
#include "chain/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BUFFER ((size_t)VX_MIB)
#define TEXT_BUFFER ((size_t)(64 * VX_KIB))

static const char unreadable[] = "it could not be read";

/* Text that grows at its end, in a file. */
struct text_file {
    struct vx_file *file;
    char *buf;
    size_t used;
    uint64_t offset;
};

struct output {
    struct vx_salvage_layers *layers;
    const vhdx_salvage_options *options;
    vhdx_salvage_report *report;
    struct vx_file *raw;
    bool is_device;
    uint8_t *buf;
    struct text_file map;
    struct vx_rescue_range map_range; /* not written yet; length 0: none */
    vhdx_salvage_range range;         /* not told yet; length 0: none */
};

/* ---- the map ---- */

static vhdx_status text_flush(struct text_file *text, vhdx_error *err)
{
    VX_TRY(vx_file_write(text->file, text->buf, text->used, text->offset, err));
    text->offset += text->used;
    text->used = 0;
    return VHDX_OK;
}

static vhdx_status text_add(struct text_file *text, const char *line, size_t length, vhdx_error *err)
{
    if (length > TEXT_BUFFER - text->used)
        VX_TRY(text_flush(text, err));
    memcpy(text->buf + text->used, line, length);
    text->used += length;
    return VHDX_OK;
}

static vhdx_status flush_map_range(struct output *output, vhdx_error *err)
{
    char line[VX_RESCUE_LINE_ROOM];
    if (output->map_range.length == 0)
        return VHDX_OK;
    size_t length = vx_rescue_map_range_text(&output->map_range, line);
    output->map_range.length = 0;
    return text_add(&output->map, line, length, err);
}

static void tell_range(struct output *output)
{
    if (output->range.length > 0 && output->range.kind != VHDX_SALVAGE_GOOD && output->options->range)
        output->options->range(output->options->range_context, &output->range);
    output->range.length = 0;
}

static char status_of(vhdx_salvage_kind kind)
{
    switch (kind) {
    case VHDX_SALVAGE_GOOD:
        return VX_RESCUE_GOOD;
    case VHDX_SALVAGE_DOUBTFUL:
        return VX_RESCUE_DOUBTFUL;
    case VHDX_SALVAGE_MISSING:
        return VX_RESCUE_UNTRIED;
    default:
        return VX_RESCUE_LOST;
    }
}

static void count(vhdx_salvage_report *report, uint64_t length, vhdx_salvage_kind kind)
{
    switch (kind) {
    case VHDX_SALVAGE_GOOD:
        report->bytes_good += length;
        break;
    case VHDX_SALVAGE_DOUBTFUL:
        report->bytes_doubtful += length;
        break;
    case VHDX_SALVAGE_MISSING:
        report->bytes_missing += length;
        break;
    default:
        report->bytes_lost += length;
        break;
    }
}

/* The next bytes of the disk are of this kind; equal neighbours become one line and one word. */
static vhdx_status judge(struct output *output, uint64_t virtual_offset, uint64_t length, vhdx_salvage_kind kind,
                         const char *reason, vhdx_error *err)
{
    char status = status_of(kind);
    if (length == 0)
        return VHDX_OK;
    count(output->report, length, kind);
    if (output->map_range.length > 0 && output->map_range.status != status)
        VX_TRY(flush_map_range(output, err));
    if (output->map_range.length == 0)
        output->map_range = (struct vx_rescue_range){virtual_offset, 0, status};
    output->map_range.length += length;
    if (output->range.length > 0 && (output->range.kind != kind || output->range.reason != reason))
        tell_range(output);
    if (output->range.length == 0)
        output->range = (vhdx_salvage_range){kind, virtual_offset, 0, VHDX_NOWHERE, reason};
    output->range.length += length;
    return VHDX_OK;
}

/* ---- the disk ---- */

static vhdx_status step(const struct output *output, uint64_t done, vhdx_error *err)
{
    const vhdx_progress now = {VHDX_PHASE_READ, done, output->report->virtual_size};
    return vx_progress(output->options->progress, output->options->progress_context, &now,
                       vx_file_path(output->layers->items[0].file), "reading", err);
}

static vhdx_status put_bytes(struct output *output, size_t length, uint64_t virtual_offset, vhdx_error *err)
{
    if (output->is_device)
        return vx_file_write(output->raw, output->buf, length, virtual_offset, err);
    return vx_write_sparse(output->raw, output->buf, length, virtual_offset, err);
}

/* What the medium did not give is lost, whoever vouched for its place. */
static vhdx_status judge_data(struct output *output, const struct vx_salvage_piece *piece, uint64_t done,
                              uint64_t length, vhdx_error *err)
{
    const struct vx_patient *patient = output->layers->items[piece->layer].patient;
    uint64_t at = piece->file_offset + done, end = at + length;
    while (at < end) {
        uint64_t bad = end, bad_length = 0;
        vx_patient_next_bad(patient, at, end, &bad, &bad_length);
        uint64_t place = piece->virtual_offset + (at - piece->file_offset);
        VX_TRY(judge(output, place, bad - at, piece->kind, piece->reason, err));
        VX_TRY(judge(output, place + (bad - at), bad_length, VHDX_SALVAGE_LOST, unreadable, err));
        at = bad + bad_length;
    }
    return VHDX_OK;
}

/* Bytes from `done` on that are a hole of the host's file: they are zeros, and need not be read. */
static uint64_t hole_of(const struct output *output, const struct vx_salvage_piece *piece, uint64_t done)
{
    uint64_t at = piece->file_offset + done, left = piece->length - done, data, length;
    if (piece->mixed)
        return 0;
    vx_file_next_data(output->layers->items[piece->layer].image->view, at, &data, &length);
    return length == 0 ? left : vx_min(left, data - vx_min(data, at));
}

static vhdx_status put_piece(struct output *output, const struct vx_salvage_piece *piece, vhdx_error *err)
{
    if (piece->file_offset == VHDX_NOWHERE) {
        if (output->is_device)
            VX_TRY(vx_file_zero(output->raw, piece->virtual_offset, piece->length, err));
        return judge(output, piece->virtual_offset, piece->length, piece->kind, piece->reason, err);
    }
    for (uint64_t done = 0; done < piece->length;) {
        uint64_t here = hole_of(output, piece, done);
        if (here == 0) {
            here = vx_min(BUFFER, piece->length - done);
            VX_TRY(vx_salvage_read(output->layers, piece, done, output->buf, (size_t)here, err));
            VX_TRY(put_bytes(output, (size_t)here, piece->virtual_offset + done, err));
        } else if (output->is_device) {
            VX_TRY(vx_file_zero(output->raw, piece->virtual_offset + done, here, err));
        }
        VX_TRY(judge_data(output, piece, done, here, err));
        done += here;
        VX_TRY(step(output, piece->virtual_offset + done, err));
    }
    return VHDX_OK;
}

static vhdx_status put_disk(struct output *output, vhdx_error *err)
{
    uint64_t size = output->report->virtual_size;
    for (uint64_t at = 0; at < size;) {
        struct vx_salvage_piece piece;
        VX_TRY(vx_salvage_at(output->layers, 0, at, size - at, &piece, err));
        VX_TRY(put_piece(output, &piece, err));
        at += piece.length;
        VX_TRY(step(output, at, err));
    }
    if (!output->is_device)
        VX_TRY(vx_file_grow(output->raw, size, err));
    VX_TRY(vx_file_flush(output->raw, err));
    tell_range(output);
    VX_TRY(flush_map_range(output, err));
    VX_TRY(text_flush(&output->map, err));
    return vx_file_flush(output->map.file, err);
}

static vhdx_status begin_map(struct output *output, vhdx_error *err)
{
    char text[512];
    size_t length =
        vx_rescue_map_begin_text("of a salvaged virtual disk: + good, * doubtful, - lost, ? held by a parent "
                                 "that was not there",
                                 text, sizeof text);
    return text_add(&output->map, text, length, err);
}

/* ---- pieces ---- */

static vhdx_status copy_piece(struct output *output, struct vx_file *pieces, const struct vx_stray *stray,
                              uint64_t offset, vhdx_error *err)
{
    const struct vx_salvage_layer *leaf = &output->layers->items[0];
    for (uint64_t done = 0; done < stray->length;) {
        size_t got, here = (size_t)vx_min(BUFFER, stray->length - done);
        VX_TRY(vx_file_read_some(leaf->file, output->buf, here, stray->file_offset + done, &got, err));
        VX_TRY(vx_write_sparse(pieces, output->buf, here, offset + done, err));
        done += here;
    }
    const vhdx_salvage_range range = {VHDX_SALVAGE_PIECE, offset, stray->length, stray->file_offset,
                                      "its place on the virtual disk is not known"};
    if (output->options->range)
        output->options->range(output->options->range_context, &range);
    return VHDX_OK;
}

static vhdx_status put_pieces(struct output *output, vhdx_error *err)
{
    const struct vx_rebuilt *rebuilt = output->layers->items[0].rebuilt;
    const vhdx_host *host = output->layers->host;
    struct vx_file *pieces;
    vhdx_status status = VHDX_OK;
    if (rebuilt->stray_count == 0) {
        output->report->pieces[0] = '\0';
        return VHDX_OK;
    }
    VX_TRY(vx_file_open(host, output->report->pieces, VHDX_OPEN_REPLACE, &pieces, err));
    for (size_t i = 0; status == VHDX_OK && i < rebuilt->stray_count; i++) {
        status = copy_piece(output, pieces, &rebuilt->strays[i], output->report->bytes_pieces, err);
        output->report->bytes_pieces += rebuilt->strays[i].length;
    }
    if (status == VHDX_OK)
        status = vx_file_grow(pieces, output->report->bytes_pieces, err);
    if (status == VHDX_OK)
        status = vx_file_flush(pieces, err);
    vx_file_close(pieces);
    if (status != VHDX_OK)
        host->remove(host->context, output->report->pieces, NULL);
    return status;
}

/* ---- all of it ---- */

static vhdx_status check_output(const struct vx_salvage_layers *layers, const char *path, vhdx_error *err)
{
    for (size_t i = 0; i < layers->count; i++)
        VX_TRY(vx_layer_check_output(layers->host, layers->items[i].file, path, err));
    return vx_export_check_no_disk(layers->host, path, err);
}

static bool file_length(const vhdx_host *host, const char *path, uint64_t *length)
{
    struct vx_file *file;
    if (vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
        return false;
    bool known = vx_file_size(file, length, NULL) == VHDX_OK;
    vx_file_close(file);
    return known;
}

/*
 * A file of pieces replaces only that of an earlier run, beside which our map lies; whatever else has that name is
 * somebody's. `map` is known to be ours, or nothing.
 */
static vhdx_status check_pieces(const struct output *output, vhdx_error *err)
{
    const vhdx_salvage_report *report = output->report;
    uint64_t pieces, map;
    if (output->layers->items[0].rebuilt->stray_count == 0 ||
        !file_length(output->layers->host, report->pieces, &pieces) || pieces == 0 ||
        (file_length(output->layers->host, report->map, &map) && map > 0))
        return VHDX_OK;
    vx_fail(err, VHDX_EXISTS, vx_at_file(report->pieces),
            "there is already a file of this name, and pieces of the disk would replace it");
    return vx_advise(err, VHDX_EXISTS, "choose another name for the output, or move that file away");
}

static vhdx_status name_outputs(struct output *output, const char *raw, vhdx_error *err)
{
    vhdx_salvage_report *report = output->report;
    size_t room = sizeof report->map;
    int map = output->options->map ? snprintf(report->map, room, "%s", output->options->map)
                                   : snprintf(report->map, room, "%s.map", raw);
    int pieces = snprintf(report->pieces, room, "%s.pieces", output->is_device ? report->map : raw);
    if (map < 0 || pieces < 0 || (size_t)map >= room || (size_t)pieces >= room)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(raw), "the name is too long");
    VX_TRY(check_output(output->layers, report->map, err));
    VX_TRY(vx_rescue_map_check_output(output->layers->host, report->map, err));
    VX_TRY(check_output(output->layers, report->pieces, err));
    return check_pieces(output, err);
}

static vhdx_status check_device(const struct output *output, vhdx_error *err)
{
    uint64_t size;
    if (!output->is_device)
        return VHDX_OK;
    VX_TRY(vx_file_size(output->raw, &size, err));
    if (size < output->report->virtual_size)
        return vx_fail(err, VHDX_NO_SPACE, vx_at_file(vx_file_path(output->raw)),
                       "the device has %" PRIu64 " bytes, the disk %" PRIu64, size, output->report->virtual_size);
    if (!output->options->map)
        return vx_fail(err, VHDX_ARG, vx_at_file(vx_file_path(output->raw)),
                       "beside a device there is no place for a map; give it a name");
    return VHDX_OK;
}

/* The map, of what `write` writes, and the pieces. On failure there is no map. */
static vhdx_status write_mapped(struct output *output, vhdx_status (*write)(struct output *output, vhdx_error *err),
                                vhdx_error *err)
{
    const vhdx_host *host = output->layers->host;
    VX_TRY(vx_file_open(host, output->report->map, VHDX_OPEN_REPLACE, &output->map.file, err));
    output->buf = vx_alloc(BUFFER, 1);
    output->map.buf = vx_alloc(TEXT_BUFFER, 1);
    vhdx_status status = output->buf && output->map.buf ? write(output, err) : vx_fail_memory(err, "a buffer");
    if (status == VHDX_OK)
        status = put_pieces(output, err);
    vx_file_close(output->map.file);
    vx_free(output->buf);
    vx_free(output->map.buf);
    if (status != VHDX_OK)
        host->remove(host->context, output->report->map, NULL);
    return status;
}

static vhdx_status put_mapped_disk(struct output *output, vhdx_error *err)
{
    VX_TRY(begin_map(output, err));
    return put_disk(output, err);
}

static vhdx_status write_outputs(struct output *output, const char *raw, vhdx_error *err)
{
    VX_TRY(check_device(output, err));
    VX_TRY(name_outputs(output, raw, err));
    return write_mapped(output, put_mapped_disk, err);
}

/* ---- nothing but pieces ---- */

/* Each piece is a line of its own: a map of the file of pieces, because nobody knows the disk. */
static vhdx_status map_pieces(struct output *output, vhdx_error *err)
{
    const struct vx_rebuilt *rebuilt = output->layers->items[0].rebuilt;
    char text[512];
    uint64_t offset = 0;
    size_t length =
        vx_rescue_map_begin_text("of a file of pieces: a line each, in the order in which they lie in the "
                                 "disk's file. Their places on the virtual disk are not known, nor its size",
                                 text, sizeof text);
    VX_TRY(text_add(&output->map, text, length, err));
    for (size_t i = 0; i < rebuilt->stray_count; i++) {
        const struct vx_rescue_range range = {offset, rebuilt->strays[i].length, VX_RESCUE_DOUBTFUL};
        length = vx_rescue_map_range_text(&range, text);
        VX_TRY(text_add(&output->map, text, length, err));
        offset += range.length;
    }
    VX_TRY(text_flush(&output->map, err));
    return vx_file_flush(output->map.file, err);
}

/* The raw file is not made, and one that is there stays as it is: a disk of a size that was guessed would look like
 * one. */
static vhdx_status salvage_pieces(struct vx_salvage_layers *layers, const char *raw,
                                  const vhdx_salvage_options *options, vhdx_salvage_report *report, vhdx_error *err)
{
    struct output output = {.layers = layers, .options = options, .report = report};
    struct vx_file *file;
    if (vx_file_open(layers->host, raw, VHDX_OPEN_PEEK, &file, NULL) == VHDX_OK) {
        output.is_device = (vx_file_facts(file)->attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
        vx_file_close(file);
    }
    if (output.is_device && !options->map)
        return vx_fail(err, VHDX_ARG, vx_at_file(raw), "beside a device there is no place for a map; give it a name");
    VX_TRY(check_output(layers, raw, err));
    VX_TRY(name_outputs(&output, raw, err));
    return write_mapped(&output, map_pieces, err);
}

static vhdx_status salvage(struct vx_salvage_layers *layers, const char *raw, const vhdx_salvage_options *options,
                           vhdx_salvage_report *report, vhdx_error *err)
{
    struct output output = {.layers = layers, .options = options, .report = report};
    report->virtual_size = layers->items[0].image->geometry.virtual_size;
    report->layers = (uint32_t)layers->count;
    report->parent_missing = layers->parent_missing;
    VX_TRY(check_output(layers, raw, err));
    VX_TRY(name_outputs(&output, raw, err)); /* before what lies there is emptied */
    VX_TRY(vx_file_open(layers->host, raw, VHDX_OPEN_REPLACE, &output.raw, err));
    output.is_device = (vx_file_facts(output.raw)->attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
    vhdx_status status = write_outputs(&output, raw, err);
    vx_file_close(output.raw);
    if (status != VHDX_OK && !output.is_device)
        layers->host->remove(layers->host->context, raw, NULL);
    return status;
}

vhdx_status vx_salvage(const char *child, const char *raw, const vhdx_salvage_options *options,
                       vhdx_salvage_report *report, vhdx_error *err)
{
    struct vx_salvage_layers layers;
    vhdx_status status = vx_salvage_open(child, options, &layers, err);
    if (status == VHDX_OK && layers.only_pieces)
        status = salvage_pieces(&layers, raw, options, report, err);
    else if (status == VHDX_OK)
        status = salvage(&layers, raw, options, report, err);
    vx_salvage_close(&layers);
    return status;
}
