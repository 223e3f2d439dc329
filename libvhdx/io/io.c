/*
 * The doors to every open file, see io.h. Whatever all hosts have in common happens here once: ranges are checked
 * before the host sees them, errors get their path and place, what a host lacks is replaced, and a handle is never
 * written again when it is unknown what reached the disk. No knowledge of any format, and no system call.
 *
 * After a failed flush the operating system may have thrown the unwritten bytes away, so that a
 * second flush succeeds without them. That is why a failure is final for the handle ("poisoned").
 */
/* SPDX-License-Identifier: MIT */
#include "io/io.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/size_text.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "io/host_calls.h"

#define ZERO_PIECE VX_MIB

struct vx_file {
    vhdx_io io;
    vhdx_io_ops ops; /* a copy: members that an older caller does not have are NULL in it */
    char *path;
    vhdx_file_facts facts;
    bool writable;
    /* Atomic because one thread may write to a file that others read. */
    _Atomic bool poisoned;
    bool clean; /* nothing was changed through this handle since it was flushed */
    bool sparse_harms;
    bool cannot_punch;
    /* for a writable file, which no other program changes, and where it was asked for; see vx_file_hold_size() */
    _Atomic bool size_known;
    _Atomic uint64_t size;
    const struct vx_protector *protector; /* NULL = none */
    struct vx_file_counters counters;
};

/* File offsets are signed 64-bit numbers on every system. */
static bool range_end(uint64_t offset, uint64_t length, uint64_t *end)
{
    return vx_add(offset, length, end) && *end <= INT64_MAX;
}

/* ---- opening ---- */

static struct vx_file *file_new(const char *path, bool writable)
{
    struct vx_file *file = vx_alloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->path = vx_copy_string(path);
    file->writable = writable;
    if (!file->path) {
        vx_free(file);
        return NULL;
    }
    return file;
}

static vhdx_status check_operations(const struct vx_file *file, vhdx_error *err)
{
    const vhdx_io_ops *ops = &file->ops;
    bool complete = ops->read && ops->size && ops->close;
    if (file->writable)
        complete = complete && ops->write && ops->set_size && ops->flush;
    if (complete)
        return VHDX_OK;
    return vx_fail(err, VHDX_ARG, vx_at_file(file->path), "the file's host lacks a function that it must have");
}

/* Takes the host's file into `file`. On failure the caller closes the file, and the host's with it. */
static vhdx_status adopt(struct vx_file *file, vhdx_io io, vhdx_error *err)
{
    if (!io.ops)
        return vx_fail(err, VHDX_ARG, vx_at_file(file->path), "the file's host gave no functions");
    file->io = io;
    memcpy(&file->ops, io.ops, (size_t)vx_min(io.ops->struct_size, sizeof file->ops));
    VX_TRY(check_operations(file, err));
    if (file->ops.facts) {
        vhdx_status status = file->ops.facts(io.file, &file->facts, err);
        if (status != VHDX_OK)
            return vx_host_failed(err, status, vx_at_file(file->path), "say what kind of file this is");
    }
    file->sparse_harms = (file->facts.attributes & VHDX_FILE_SPARSE_HARMS) != 0;
    if (!file->writable)
        return VHDX_OK;
    uint64_t size;
    return vx_file_size(file, &size, err); /* known from now on */
}

vhdx_status vx_file_open(const vhdx_host *host, const char *path, vhdx_open_mode access, struct vx_file **file,
                         vhdx_error *err)
{
    host = vx_host_or_native(host);
    vx_clear(err);
    bool writable = access != VHDX_OPEN_READ && access != VHDX_OPEN_PEEK;
    struct vx_file *made = file_new(path, writable);
    if (!made)
        return vx_fail_memory(err, "an open file");
    vhdx_io io = {NULL, NULL};
    vhdx_status status = host->open(host->context, path, access, &io, err);
    if (status != VHDX_OK)
        vx_host_failed(err, status, vx_at_file(path), "open it");
    else
        status = adopt(made, io, err);
    if (status != VHDX_OK) {
        vx_file_close(made);
        return status;
    }
    *file = made;
    return VHDX_OK;
}

vhdx_status vx_file_wrap(vhdx_io io, const char *path, bool writable, struct vx_file **file, vhdx_error *err)
{
    vx_clear(err);
    struct vx_file *made = file_new(path, writable);
    if (!made) {
        io.ops->close(io.file);
        return vx_fail_memory(err, "an open file");
    }
    vhdx_status status = adopt(made, io, err);
    if (status != VHDX_OK) {
        vx_file_close(made);
        return status;
    }
    *file = made;
    return VHDX_OK;
}

void vx_file_close(struct vx_file *file)
{
    if (!file)
        return;
    if (file->ops.close)
        file->ops.close(file->io.file);
    vx_free(file->path);
    vx_free(file);
}

/* ---- questions ---- */

const char *vx_file_path(const struct vx_file *file)
{
    return file->path;
}

bool vx_file_writable(const struct vx_file *file)
{
    return file->writable;
}

const struct vx_file_counters *vx_file_counters(const struct vx_file *file)
{
    return &file->counters;
}

const vhdx_file_facts *vx_file_facts(const struct vx_file *file)
{
    return &file->facts;
}

void vx_file_allow_holes(struct vx_file *file)
{
    file->sparse_harms = false;
}

static bool has_identity(const vhdx_file_facts *facts)
{
    return facts->volume || facts->file[0] || facts->file[1];
}

bool vx_file_same(const struct vx_file *a, const struct vx_file *b, bool *same)
{
    if (!has_identity(&a->facts) || !has_identity(&b->facts))
        return false;
    *same = a->facts.volume == b->facts.volume && a->facts.file[0] == b->facts.file[0] &&
            a->facts.file[1] == b->facts.file[1];
    return true;
}

vhdx_status vx_file_size(struct vx_file *file, uint64_t *size, vhdx_error *err)
{
    vx_clear(err);
    if (file->size_known) {
        *size = file->size;
        return VHDX_OK;
    }
    uint64_t found = 0;
    vhdx_status status = file->ops.size(file->io.file, &found, err);
    if (status != VHDX_OK)
        return vx_host_failed(err, status, vx_at_file(file->path), "tell its size");
    if (found > INT64_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(file->path), "the file's size 0x%" PRIx64 " is out of range", found);
    *size = found;
    if (file->writable) {
        file->size = found;
        file->size_known = true;
    }
    return VHDX_OK;
}

vhdx_status vx_file_hold_size(struct vx_file *file, uint64_t *size, vhdx_error *err)
{
    VX_TRY(vx_file_size(file, size, err));
    file->size = *size;
    file->size_known = true;
    return VHDX_OK;
}

/* ---- reading ---- */

/* The least that is missing: what was asked for behind the end. */
static vhdx_status truncated(const struct vx_file *file, uint64_t size, uint64_t length, uint64_t offset,
                             vhdx_error *err)
{
    char missing[VX_SIZE_TEXT];
    uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
    return vx_fail(err, VHDX_TRUNCATED, vx_at(file->path, NULL, offset),
                   "the file was cut: it ends at 0x%" PRIx64 ", and at least %s behind that are missing", size,
                   vx_size_text(end > size ? end - size : 0, missing));
}

/* Whether the range is beyond an end that is known without asking the host. */
static bool ends_before(struct vx_file *file, uint64_t length, uint64_t offset, uint64_t *size)
{
    uint64_t end;
    if (!range_end(offset, length, &end))
        return vx_file_size(file, size, NULL) == VHDX_OK;
    *size = file->size;
    return file->size_known && end > file->size;
}

/* Hosts differ in what they say of a range beyond the end; here it gets one name. */
static vhdx_status read_failed(struct vx_file *file, vhdx_status status, uint64_t length, uint64_t offset,
                               vhdx_error *err)
{
    uint64_t size = 0;
    if (file->ops.size(file->io.file, &size, NULL) == VHDX_OK && (offset > size || length > size - offset))
        return truncated(file, size, length, offset, err);
    return vx_host_failed(err, status, vx_at(file->path, NULL, offset), "read");
}

vhdx_status vx_file_read(struct vx_file *file, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    uint64_t size = 0;
    uint64_t end;
    vx_clear(err);
    if (length == 0)
        return VHDX_OK;
    if (ends_before(file, length, offset, &size) || !range_end(offset, length, &end))
        return truncated(file, size, length, offset, err);
    vhdx_status status = file->ops.read(file->io.file, buf, length, offset, err);
    if (status != VHDX_OK)
        return read_failed(file, status, length, offset, err);
    file->counters.reads++;
    file->counters.bytes_read += length;
    return VHDX_OK;
}

vhdx_status vx_file_read_some(struct vx_file *file, void *buf, size_t length, uint64_t offset, size_t *got,
                              vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(file, &size, err));
    size_t there = offset < size ? (size_t)vx_min(length, size - offset) : 0;
    VX_TRY(vx_file_read(file, buf, there, offset, err));
    if (there < length)
        memset((uint8_t *)buf + there, 0, length - there);
    *got = there;
    return VHDX_OK;
}

void vx_file_will_need(struct vx_file *file, uint64_t offset, uint64_t length)
{
    uint64_t end;
    if (file->ops.will_need && length > 0 && range_end(offset, length, &end))
        file->ops.will_need(file->io.file, offset, length);
}

void vx_file_dont_need(struct vx_file *file, uint64_t offset, uint64_t length)
{
    uint64_t end;
    if (file->ops.dont_need && length > 0 && range_end(offset, length, &end))
        file->ops.dont_need(file->io.file, offset, length);
}

void vx_file_next_data(struct vx_file *file, uint64_t offset, uint64_t *data_offset, uint64_t *length)
{
    uint64_t size;
    if (vx_file_size(file, &size, NULL) != VHDX_OK)
        size = INT64_MAX;
    uint64_t rest = offset < size ? size - offset : 0;
    uint64_t found = offset;
    uint64_t found_length = 0;
    *data_offset = offset;
    *length = rest;
    if (rest == 0 || !file->ops.next_data)
        return;
    if (file->ops.next_data(file->io.file, offset, &found, &found_length, NULL) != VHDX_OK)
        return;
    if (found_length == 0 || found >= size) {
        *length = 0;
    } else if (found >= offset) {
        *data_offset = found;
        *length = vx_min(found_length, size - found);
    }
}

bool vx_file_extents(struct vx_file *file, uint64_t *count)
{
    return file->ops.extents && file->ops.extents(file->io.file, count, NULL) == VHDX_OK;
}

bool vx_file_security(struct vx_file *file, void *buf, size_t room, size_t *size)
{
    return file->ops.security && file->ops.security(file->io.file, buf, room, size, NULL) == VHDX_OK && *size <= room;
}

/* ---- protection ---- */

void vx_file_protect(struct vx_file *file, const struct vx_protector *protector)
{
    file->protector = protector;
}

bool vx_file_is_protected(const struct vx_file *file)
{
    return file->protector != NULL;
}

vhdx_status vx_file_will_change(struct vx_file *file, const struct vx_range *ranges, size_t count, vhdx_error *err)
{
    vx_clear(err);
    if (!file->protector || count == 0)
        return VHDX_OK;
    return file->protector->save(file->protector->context, ranges, count, err);
}

vhdx_status vx_file_will_be(struct vx_file *file, const struct vx_identity *identity, vhdx_error *err)
{
    vx_clear(err);
    return file->protector ? file->protector->announce(file->protector->context, identity, err) : VHDX_OK;
}

/* Before anything that loses bytes. What fails here has changed nothing, so it leaves the handle in order. */
static vhdx_status about_to_change(struct vx_file *file, uint64_t offset, uint64_t length, vhdx_error *err)
{
    const struct vx_range range = {.offset = offset, .length = length};
    return vx_file_will_change(file, &range, 1, err);
}

/* ---- writing ---- */

static vhdx_status may_write(const struct vx_file *file, uint64_t offset, uint64_t length, uint64_t *end,
                             vhdx_error *err)
{
    vx_clear(err);
    if (!file->writable)
        return vx_fail(err, VHDX_READ_ONLY, vx_at_file(file->path), "the file was not opened for writing");
    if (file->poisoned)
        return vx_fail(err, VHDX_POISONED, vx_at_file(file->path),
                       "an earlier write or flush failed, and it is unknown what of it reached the disk");
    if (!range_end(offset, length, end))
        return vx_fail(err, VHDX_LIMIT, vx_at(file->path, NULL, offset),
                       "0x%" PRIx64 " bytes at 0x%" PRIx64 " lie beyond the largest file offset", length, offset);
    return VHDX_OK;
}

/* Refusals that come before anything was changed, or leave nothing in doubt but the range itself. */
static bool outcome_is_sure(vhdx_status status)
{
    switch (status) {
    case VHDX_NO_SPACE:
    case VHDX_LIMIT:
    case VHDX_NOMEM:
    case VHDX_READ_ONLY:
    case VHDX_ARG:
    case VHDX_UNSUPPORTED:
        return true;
    default:
        return false;
    }
}

static vhdx_status change_failed(struct vx_file *file, vhdx_status status, uint64_t offset, const char *action,
                                 vhdx_error *err)
{
    if (!outcome_is_sure(status))
        file->poisoned = true;
    file->size_known = false;
    return vx_host_failed(err, status, vx_at(file->path, NULL, offset), action);
}

/* The bytes up to `end` are there now. */
static void reached(struct vx_file *file, uint64_t end)
{
    if (file->size_known && end > file->size)
        file->size = end;
}

static vhdx_status put(struct vx_file *file, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    vx_clear(err);
    file->clean = false;
    vhdx_status status = file->ops.write(file->io.file, buf, length, offset, err);
    if (status != VHDX_OK)
        return change_failed(file, status, offset, "write", err);
    file->counters.writes++;
    file->counters.bytes_written += length;
    reached(file, offset + length);
    return VHDX_OK;
}

/* In order from the front, so that a file which grows by it never gets a hole. */
static vhdx_status put_zeros(struct vx_file *file, uint64_t offset, uint64_t length, vhdx_error *err)
{
    if (length == 0)
        return VHDX_OK;
    uint8_t *zeros = vx_alloc((size_t)vx_min(length, ZERO_PIECE), 1);
    if (!zeros)
        return vx_fail_memory(err, "a piece of zeros");
    vhdx_status status = VHDX_OK;
    while (length > 0 && status == VHDX_OK) {
        uint64_t piece = vx_min(length, ZERO_PIECE);
        status = put(file, zeros, (size_t)piece, offset, err);
        offset += piece;
        length -= piece;
    }
    vx_free(zeros);
    return status;
}

/* Where sparse files harm, a write beyond the end would leave a hole: the gap is written first. */
static vhdx_status close_gap(struct vx_file *file, uint64_t offset, vhdx_error *err)
{
    if (!file->sparse_harms)
        return VHDX_OK;
    uint64_t size;
    VX_TRY(vx_file_size(file, &size, err));
    return offset > size ? put_zeros(file, size, offset - size, err) : VHDX_OK;
}

vhdx_status vx_file_write(struct vx_file *file, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    uint64_t end;
    VX_TRY(may_write(file, offset, length, &end, err));
    if (length == 0)
        return VHDX_OK;
    VX_TRY(about_to_change(file, offset, length, err));
    VX_TRY(close_gap(file, offset, err));
    return put(file, buf, length, offset, err);
}

static vhdx_status set_size(struct vx_file *file, uint64_t size, vhdx_error *err)
{
    vx_clear(err);
    file->clean = false;
    vhdx_status status = file->ops.set_size(file->io.file, size, err);
    if (status != VHDX_OK)
        return change_failed(file, status, size, "change its size", err);
    file->size = size;
    file->size_known = true;
    return VHDX_OK;
}

vhdx_status vx_file_grow(struct vx_file *file, uint64_t size, vhdx_error *err)
{
    uint64_t end;
    uint64_t old;
    VX_TRY(may_write(file, size, 0, &end, err));
    VX_TRY(vx_file_size(file, &old, err));
    if (size <= old)
        return VHDX_OK;
    if (file->facts.attributes & VHDX_FILE_IS_BLOCK_DEVICE) {
        vx_fail(err, VHDX_NO_SPACE, vx_at_file(file->path),
                "the device has 0x%" PRIx64 " bytes, but 0x%" PRIx64 " are needed", old, size);
        return vx_advise(err, VHDX_NO_SPACE, "copy it into a file, or onto a larger device, and go on with that");
    }
    return file->sparse_harms ? put_zeros(file, old, size - old, err) : set_size(file, size, err);
}

vhdx_status vx_file_cut(struct vx_file *file, uint64_t size, vhdx_error *err)
{
    uint64_t end;
    uint64_t old;
    VX_TRY(may_write(file, size, 0, &end, err));
    VX_TRY(vx_file_size(file, &old, err));
    if (size >= old || (file->facts.attributes & VHDX_FILE_IS_BLOCK_DEVICE))
        return VHDX_OK;
    VX_TRY(about_to_change(file, size, old - size, err));
    return set_size(file, size, err);
}

vhdx_status vx_file_flush(struct vx_file *file, vhdx_error *err)
{
    uint64_t end;
    VX_TRY(may_write(file, 0, 0, &end, err));
    if (file->clean)
        return VHDX_OK;
    file->counters.flushes++;
    vhdx_status status = file->ops.flush(file->io.file, err);
    file->clean = status == VHDX_OK;
    if (file->clean)
        return VHDX_OK;
    file->poisoned = true;
    return vx_host_failed(err, status, vx_at_file(file->path), "make its bytes durable");
}

/* UNSUPPORTED, once and for all, when holes cannot or must not be made. */
static vhdx_status punch(struct vx_file *file, uint64_t offset, uint64_t length, vhdx_error *err)
{
    if (file->cannot_punch || file->sparse_harms || !file->ops.punch)
        return VHDX_UNSUPPORTED;
    file->clean = false;
    vhdx_status status = file->ops.punch(file->io.file, offset, length, err);
    if (status == VHDX_UNSUPPORTED) {
        file->cannot_punch = true;
        vx_clear(err);
    } else if (status != VHDX_OK) {
        return change_failed(file, status, offset, "punch a hole", err);
    }
    return status;
}

vhdx_status vx_file_zero(struct vx_file *file, uint64_t offset, uint64_t length, vhdx_error *err)
{
    uint64_t end;
    uint64_t size;
    VX_TRY(may_write(file, offset, length, &end, err));
    VX_TRY(vx_file_size(file, &size, err));
    if (length == 0)
        return VHDX_OK;
    VX_TRY(about_to_change(file, offset, length, err));
    if (offset < size) {
        uint64_t inside = vx_min(length, size - offset);
        vhdx_status status = punch(file, offset, inside, err);
        if (status == VHDX_UNSUPPORTED)
            status = put_zeros(file, offset, inside, err);
        if (status != VHDX_OK)
            return status;
    }
    return vx_file_grow(file, end, err);
}

vhdx_status vx_file_give_back(struct vx_file *file, uint64_t offset, uint64_t length, vhdx_error *err)
{
    uint64_t end;
    VX_TRY(may_write(file, offset, length, &end, err));
    if (length == 0)
        return VHDX_OK;
    VX_TRY(about_to_change(file, offset, length, err));
    return punch(file, offset, length, err);
}

vhdx_status vx_file_clone(struct vx_file *file, uint64_t offset, struct vx_file *source, uint64_t source_offset,
                          uint64_t length, vhdx_error *err)
{
    uint64_t end;
    uint64_t source_end;
    VX_TRY(may_write(file, offset, length, &end, err));
    if (!file->ops.clone || file->io.ops != source->io.ops || !range_end(source_offset, length, &source_end))
        return VHDX_UNSUPPORTED;
    if (length == 0)
        return VHDX_OK;
    VX_TRY(about_to_change(file, offset, length, err));
    VX_TRY(close_gap(file, offset, err));
    file->clean = false;
    vhdx_status status = file->ops.clone(file->io.file, offset, source->io.file, source_offset, length, err);
    if (status == VHDX_UNSUPPORTED)
        vx_clear(err);
    else if (status != VHDX_OK)
        return change_failed(file, status, offset, "share bytes of another file", err);
    else {
        file->counters.clones++;
        file->counters.bytes_cloned += length;
        reached(file, end);
    }
    return status;
}

bool vx_file_may_clone(const struct vx_file *file, const struct vx_file *source)
{
    const vhdx_file_facts *a = &file->facts, *b = &source->facts;
    return file->ops.clone && file->io.ops == source->io.ops && (a->attributes & b->attributes & VHDX_FILE_CAN_SHARE) &&
           a->volume == b->volume;
}
