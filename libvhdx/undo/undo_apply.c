/*
 * Undo. See undo_apply.h, and docs/undo-file.md for the states in between.
 *
 * A power cut while the beginning of a disk is put back can leave a page of it torn, and with it the
 * words by which the disk is known. So the beginning goes back last, page by page from its end, each flushed before the
 * next: at most one page is in doubt, and a disk that says nothing of itself but has all other pages of its old
 * beginning is recognized by these.
 */
/* SPDX-License-Identifier: MIT */
#include "undo/undo_apply.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/notice.h"
#include "base/path.h"
#include "undo/undo.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE ((size_t)4096)
#define TOLD_STEP (4 * VX_MIB)

struct applying {
    const vhdx_host *host;
    const vhdx_undo_options *options;
    vhdx_undo_report *report;
    vx_identify_fn *identify;
    const char *path;
    struct vx_file *undo_file;
    struct vx_undo_content content;
    struct vx_undo_reader reader;
    struct vx_file **targets; /* by number; NULL where nothing is to be put back */
    uint8_t *buf;             /* VX_UNDO_HEAD_LENGTH bytes */
    uint64_t done, told;
};

/* ---- is it the disk? ---- */

static bool is_known(const struct applying *applying, const struct vx_undo_known *known,
                     const struct vx_identity *identity)
{
    for (size_t i = 0; i < known->identity_count; i++)
        if (memcmp(known->identities[i].content, identity->content, sizeof identity->content) == 0 &&
            (applying->options->force ||
             memcmp(known->identities[i].writer, identity->writer, sizeof identity->writer) == 0))
            return true;
    return false;
}

static vhdx_status load_head(struct applying *applying, const struct vx_undo_known *known,
                             struct vx_undo_record *record, vhdx_error *err)
{
    bool good;
    VX_TRY(vx_undo_reader_get(&applying->reader, known->head, record, &good, err));
    if (!good || !vx_undo_reader_unpack(&applying->reader, record))
        return vx_fail(err, VHDX_IO, vx_at(applying->path, "undo file", known->head),
                       "a record that was good a moment ago cannot be read again");
    if (record->codec == VX_UNDO_ZEROS)
        memset(applying->reader.bytes, 0, (size_t)record->length);
    return VHDX_OK;
}

/* Whether all pages of the file's beginning but one at most are the old ones. */
static vhdx_status has_old_head(struct applying *applying, struct vx_file *file, const struct vx_undo_known *known,
                                bool *has, vhdx_error *err)
{
    struct vx_undo_record record;
    size_t got, differing = 0;
    VX_TRY(load_head(applying, known, &record, err));
    size_t length = (size_t)record.length;
    VX_TRY(vx_file_read_some(file, applying->buf, length, 0, &got, err));
    for (size_t at = 0; at < length; at += PAGE) {
        size_t here = (size_t)vx_min(PAGE, length - at);
        differing += at + here > got || memcmp(applying->buf + at, applying->reader.bytes + at, here) != 0;
    }
    *has = differing <= 1;
    return VHDX_OK;
}

static vhdx_status recognize(struct applying *applying, struct vx_file *file, const struct vx_undo_known *known,
                             vhdx_error *err)
{
    struct vx_identity identity = {0};
    bool readable = false, is_it;
    VX_TRY(applying->identify(file, &identity, &readable, err));
    if (readable)
        is_it = is_known(applying, known, &identity);
    else
        VX_TRY(has_old_head(applying, file, known, &is_it, err));
    if (is_it)
        return VHDX_OK;
    vx_fail(err, VHDX_UNDO_MISMATCH, vx_at_file(vx_file_path(file)),
            readable
                ? "the disk is not as the work that %s protects left it: it is another one, or another program has "
                  "written to it since"
                : "the headers of the disk cannot be read, and its beginning is not that of the disk that %s protects",
            applying->path);
    return vx_advise(err, VHDX_UNDO_MISMATCH,
                     "nothing was changed; check that this is the undo file of that disk, and that it is whole");
}

/* ---- finding the targets ---- */

/* Where the target may be: with the undo file, if it was below its directory; where it was; beside the undo file. */
static char *candidate(const struct applying *applying, const char *directory, const struct vx_undo_known *known,
                       int turn)
{
    bool windows = applying->host->windows_paths;
    if (turn == 0)
        return vx_path_join(directory, *known->relative ? known->relative : known->absolute, windows);
    if (turn == 1)
        return vx_copy_string(known->absolute);
    return vx_path_join(directory, vx_path_name(known->absolute, windows), windows);
}

static bool is_open(const struct applying *applying, size_t number, const struct vx_file *file)
{
    bool same;
    for (size_t i = 0; i < number; i++)
        if (applying->targets[i] && vx_file_same(applying->targets[i], file, &same) && same)
            return true;
    return false;
}

static vhdx_status try_path(struct applying *applying, size_t number, const char *path, vhdx_error *err)
{
    const struct vx_undo_known *known = &applying->content.targets[number];
    struct vx_file *file;
    VX_TRY(vx_file_open(applying->host, path, VHDX_OPEN_WRITE, &file, err));
    vhdx_status status = recognize(applying, file, known, err);
    if (status == VHDX_OK && is_open(applying, number, file))
        status = vx_fail(err, VHDX_UNDO_MISMATCH, vx_at_file(path), "two disks of the undo file are the same file now");
    if (status == VHDX_OK)
        applying->targets[number] = file;
    else
        vx_file_close(file);
    return status;
}

static vhdx_status open_target(struct applying *applying, size_t number, const char *directory, vhdx_error *err)
{
    const struct vx_undo_known *known = &applying->content.targets[number];
    vhdx_error first, other;
    vhdx_status status = VHDX_NOT_FOUND;
    vx_clear(&first);
    vx_fail(&first, VHDX_NOT_FOUND, vx_at_file(known->absolute), "the disk that the undo file protects is not there");
    vx_advise(&first, VHDX_NOT_FOUND, "put the file back to that place, or beside the undo file");
    for (int turn = 0; turn < 3; turn++) {
        if (status != VHDX_NOT_FOUND && (status != VHDX_UNDO_MISMATCH || turn == 2))
            break; /* a backup copy beside the undo file is no substitute for the disk itself */
        char *path = candidate(applying, directory, known, turn);
        if (!path)
            return vx_fail_memory(err, "a path");
        vhdx_status found = try_path(applying, number, path, &other);
        vx_free(path);
        if (found == VHDX_OK)
            return VHDX_OK;
        if (found != VHDX_NOT_FOUND && (status == VHDX_NOT_FOUND || found != VHDX_UNDO_MISMATCH)) {
            first = other; /* what is wrong with a file that is there says more */
            status = found;
        }
    }
    if (err)
        *err = first;
    return status;
}

static vhdx_status open_targets(struct applying *applying, vhdx_error *err)
{
    char *directory = vx_path_directory(applying->path, applying->host->windows_paths);
    vhdx_status status = VHDX_OK;
    applying->targets = vx_alloc(applying->content.target_count + 1, sizeof(struct vx_file *));
    if (!directory || !applying->targets)
        status = vx_fail_memory(err, "the targets of an undo file");
    for (size_t i = 0; i < applying->content.target_count && status == VHDX_OK; i++)
        if (applying->content.targets[i].head != 0)
            status = open_target(applying, i, directory, err);
    vx_free(directory);
    return status;
}

/* ---- putting back ---- */

static vhdx_status tell_progress(struct applying *applying, uint64_t length, vhdx_error *err)
{
    const vhdx_undo_options *options = applying->options;
    vhdx_progress progress = {VHDX_PHASE_COPY, applying->done + length, applying->content.old_bytes};
    applying->done += length;
    if (!options->progress ||
        (applying->done - applying->told < TOLD_STEP && progress.bytes_done != progress.bytes_total))
        return VHDX_OK;
    applying->told = applying->done;
    return vx_progress(options->progress, options->progress_context, &progress, NULL, "the undo", err);
}

static vhdx_status put_back(struct applying *applying, const struct vx_undo_record *record, vhdx_error *err)
{
    struct vx_file *file = applying->targets[record->target];
    if (record->codec == VX_UNDO_ZEROS)
        return vx_file_zero(file, record->offset, record->length, err);
    return vx_file_write(file, applying->reader.bytes, (size_t)record->length, record->offset, err);
}

static vhdx_status put_page_back(struct applying *applying, struct vx_file *file, size_t at, size_t length,
                                 vhdx_error *err)
{
    const uint8_t *old = applying->reader.bytes + at;
    VX_TRY(vx_file_read(file, applying->buf, length, at, err));
    if (memcmp(applying->buf, old, length) == 0)
        return VHDX_OK;
    VX_TRY(vx_file_write(file, old, length, at, err));
    return vx_file_flush(file, err);
}

/* All else of the target is back: its size, and its beginning page by page. */
static vhdx_status finish_target(struct applying *applying, uint32_t number, vhdx_error *err)
{
    const struct vx_undo_known *known = &applying->content.targets[number];
    struct vx_file *file = applying->targets[number];
    struct vx_undo_record record;
    VX_TRY(load_head(applying, known, &record, err));
    VX_TRY(vx_file_cut(file, known->size, err));
    VX_TRY(vx_file_grow(file, known->size, err));
    VX_TRY(vx_file_flush(file, err));
    size_t length = (size_t)record.length;
    for (size_t page = (length + PAGE - 1) / PAGE; page-- > 0;)
        VX_TRY(put_page_back(applying, file, page * PAGE, (size_t)vx_min(PAGE, length - page * PAGE), err));
    applying->report->files++;
    vx_notice(applying->options->notice, applying->options->notice_context, VHDX_NOTICE_DETAIL, "%s: restored",
              vx_file_path(file));
    return VHDX_OK;
}

/* From the last record to the first: of several for one byte the oldest wins. */
static vhdx_status apply_records(struct applying *applying, vhdx_error *err)
{
    uint64_t place = applying->content.last;
    while (place != 0) {
        struct vx_undo_record record;
        bool good;
        VX_TRY(vx_undo_reader_get(&applying->reader, place, &record, &good, err));
        if (!good || (record.type == VX_UNDO_DATA && !vx_undo_reader_unpack(&applying->reader, &record)))
            return vx_fail(err, VHDX_IO, vx_at(applying->path, "undo file", place),
                           "a record that was good a moment ago cannot be read again");
        if (record.type == VX_UNDO_DATA) {
            bool is_head = (record.flags & VX_UNDO_FLAG_HEAD) != 0;
            VX_TRY(is_head ? finish_target(applying, record.target, err) : put_back(applying, &record, err));
            applying->report->bytes_restored += record.length;
            VX_TRY(tell_progress(applying, record.length, err));
        }
        place = record.previous;
    }
    return VHDX_OK;
}

/* ---- all of it ---- */

static vhdx_status check_content(struct applying *applying, vhdx_error *err)
{
    const struct vx_undo_content *content = &applying->content;
    applying->report->ended = content->ended;
    applying->report->cut_off = content->end < content->file_size;
    if (content->damaged && !applying->options->force) {
        vx_fail(err, VHDX_CORRUPT, vx_at(applying->path, "undo file", content->end),
                "records are damaged that were whole once; what they hold cannot be put back");
        return vx_advise_code(err, VHDX_CORRUPT, VHDX_ADVICE_UNDO_FORCED, NULL);
    }
    bool holds_any = false;
    for (size_t i = 0; i < content->target_count; i++)
        holds_any |= content->targets[i].head != 0;
    if (!holds_any) {
        vx_fail(err, VHDX_TRUNCATED, vx_at_file(applying->path), "the undo file holds nothing of any disk");
        return vx_advise(err, VHDX_TRUNCATED,
                         "when it was cut off while it was begun, nothing has been changed yet; else get "
                         "another copy of it");
    }
    if (content->end < content->file_size)
        vx_notice(applying->options->notice, applying->options->notice_context, VHDX_NOTICE_WARNING,
                  "%s is cut off, or damaged, at 0x%" PRIx64 "; all records before that place are used", applying->path,
                  content->end);
    return VHDX_OK;
}

static vhdx_status undo(struct applying *applying, vhdx_error *err)
{
    VX_TRY(vx_file_open(applying->host, applying->path, VHDX_OPEN_READ, &applying->undo_file, err));
    VX_TRY(vx_undo_read(applying->undo_file, &applying->content, NULL, NULL, err));
    VX_TRY(check_content(applying, err));
    VX_TRY(vx_undo_reader_open(&applying->reader, applying->undo_file, applying->content.seed, err));
    applying->buf = vx_alloc((size_t)VX_UNDO_HEAD_LENGTH, 1);
    if (!applying->buf)
        return vx_fail_memory(err, "a buffer");
    VX_TRY(open_targets(applying, err));
    vhdx_status status = apply_records(applying, err);
    if (status != VHDX_OK)
        return vx_advise_as(err, status, VHDX_ADVICE_CALL_AGAIN,
                            "the undo is not finished, and the disks must not be used; run the same command again");
    return VHDX_OK;
}

vhdx_status vx_undo_apply(const char *path, const vhdx_undo_options *options, vx_identify_fn *identify,
                          vhdx_undo_report *report, vhdx_error *err)
{
    struct applying applying = {.host = vx_host_or_native(options->host),
                                .options = options,
                                .report = report,
                                .identify = identify,
                                .path = path};
    vhdx_status status = undo(&applying, err);
    for (size_t i = 0; applying.targets && i < applying.content.target_count; i++)
        vx_file_close(applying.targets[i]);
    vx_free(applying.targets);
    vx_free(applying.buf);
    vx_undo_reader_close(&applying.reader);
    vx_undo_content_clear(&applying.content);
    vx_file_close(applying.undo_file);
    return status;
}
