/*
 * Raw file and hash. See export.h. What the disk reads as is layered.c's.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/export.h"

#include "base/alloc.h"
#include "base/size_text.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#define HOLE_UNIT ((size_t)VX_PAGE) /* zeros are left out in pieces of this size */
#define ZERO_BUFFER ((size_t)(256 * VX_KIB))

struct raw_file {
    struct vx_file *file;
    bool is_device; /* it held something else before: zeros must be written */
};

vhdx_status vx_write_sparse(struct vx_file *file, const uint8_t *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    size_t at = 0;
    while (at < length) {
        size_t end = at;
        while (end < length && !vx_is_zero(buf + end, (size_t)vx_min(HOLE_UNIT, length - end)))
            end += (size_t)vx_min(HOLE_UNIT, length - end);
        if (end > at)
            VX_TRY(vx_file_write(file, buf + at, end - at, offset + at, err));
        at = end;
        while (at < length && vx_is_zero(buf + at, (size_t)vx_min(HOLE_UNIT, length - at)))
            at += (size_t)vx_min(HOLE_UNIT, length - at);
    }
    return VHDX_OK;
}

static vhdx_status raw_sink(void *context, const void *buf, uint64_t length, uint64_t virtual_offset, vhdx_error *err)
{
    struct raw_file *raw = context;
    if (!buf)
        return raw->is_device ? vx_file_zero(raw->file, virtual_offset, length, err) : VHDX_OK;
    if (raw->is_device)
        return vx_file_write(raw->file, buf, (size_t)length, virtual_offset, err);
    return vx_write_sparse(raw->file, buf, (size_t)length, virtual_offset, err);
}

static vhdx_status check_device_size(const struct raw_file *raw, uint64_t virtual_size, vhdx_error *err)
{
    uint64_t size;
    char there[VX_SIZE_TEXT], wanted[VX_SIZE_TEXT];
    VX_TRY(vx_file_size(raw->file, &size, err));
    if (size < virtual_size)
        return vx_fail(err, VHDX_NO_SPACE, vx_at_file(vx_file_path(raw->file)), "the device has %s, the disk %s",
                       vx_size_text(size, there), vx_size_text(virtual_size, wanted));
    return VHDX_OK;
}

/* Holes are left where the disk has zeros, so nothing of a former run may stand behind the place where it goes on. */
static vhdx_status cut_behind(const struct raw_file *raw, uint64_t begin, vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(raw->file, &size, err));
    return size > begin ? vx_file_cut(raw->file, begin, err) : VHDX_OK;
}

static vhdx_status fill_raw(struct vx_chain *chain, struct raw_file *raw, const vhdx_stream_options *options,
                            vhdx_error *err)
{
    uint64_t virtual_size = vx_chain_leaf(chain)->geometry.virtual_size;
    if (raw->is_device)
        VX_TRY(check_device_size(raw, virtual_size, err));
    else
        VX_TRY(cut_behind(raw, options->begin, err));
    VX_TRY(vx_chain_stream(chain, 0, raw_sink, raw, options, err));
    if (!raw->is_device)
        VX_TRY(vx_file_grow(raw->file, virtual_size, err));
    return vx_file_flush(raw->file, err);
}

/* A raw image may replace a raw image, as with other programs; never a disk, whose content would be lost by a slip of
 * the name. */
vhdx_status vx_export_check_no_disk(const vhdx_host *host, const char *path, vhdx_error *err)
{
    struct vx_file *file;
    uint8_t signature[8];
    size_t got = 0;
    if (vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
        return VHDX_OK;
    vhdx_status status = vx_file_read_some(file, signature, sizeof signature, 0, &got, NULL);
    bool device = (vx_file_facts(file)->attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
    vx_file_close(file);
    if (status != VHDX_OK || device || got < sizeof signature || vx_get64(signature) != VX_SIG_FILE)
        return VHDX_OK;
    return vx_fail(err, VHDX_EXISTS, vx_at_file(path), "the output is a VHDX disk, which a raw image would destroy");
}

/* What was written before the failure is worth keeping when it is durable. */
static bool keeps(const struct raw_file *raw, const vhdx_stream_options *options)
{
    return options->keep_unfinished && options->end && *options->end > 0 && vx_file_flush(raw->file, NULL) == VHDX_OK;
}

vhdx_status vx_chain_export(struct vx_chain *chain, const char *path, const vhdx_stream_options *options,
                            vhdx_error *err)
{
    struct raw_file raw = {0};
    vhdx_open_mode mode = options->begin > 0 ? VHDX_OPEN_WRITE : VHDX_OPEN_REPLACE;
    VX_TRY(vx_chain_check_output(chain, path, err));
    VX_TRY(vx_export_check_no_disk(chain->host, path, err));
    VX_TRY(vx_file_open(chain->host, path, mode, &raw.file, err));
    raw.is_device = (vx_file_facts(raw.file)->attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
    vhdx_status status = fill_raw(chain, &raw, options, err);
    bool kept = status == VHDX_OK || raw.is_device || keeps(&raw, options);
    vx_file_close(raw.file);
    if (!kept)
        chain->host->remove(chain->host->context, path, NULL);
    return status;
}

struct hasher {
    XXH3_state_t *state;
    uint8_t *zeros;
};

static vhdx_status hash_sink(void *context, const void *buf, uint64_t length, uint64_t virtual_offset, vhdx_error *err)
{
    struct hasher *hasher = context;
    (void)virtual_offset;
    (void)err;
    if (buf)
        XXH3_128bits_update(hasher->state, buf, (size_t)length);
    while (!buf && length > 0) {
        size_t here = (size_t)vx_min(length, ZERO_BUFFER);
        XXH3_128bits_update(hasher->state, hasher->zeros, here);
        length -= here;
    }
    return VHDX_OK;
}

vhdx_status vx_chain_hash(struct vx_chain *chain, uint8_t hash[16], const vhdx_stream_options *options, vhdx_error *err)
{
    struct hasher hasher = {XXH3_createState(), vx_alloc(ZERO_BUFFER, 1)};
    vhdx_status status;
    if (hasher.state && hasher.zeros) {
        XXH3_128bits_reset(hasher.state);
        status = vx_chain_stream(chain, 0, hash_sink, &hasher, options, err);
    } else {
        status = vx_fail_memory(err, "a hash");
    }
    if (status == VHDX_OK) {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hasher.state));
        memcpy(hash, canonical.digest, 16);
    }
    vx_free(hasher.zeros);
    XXH3_freeState(hasher.state);
    return status;
}
