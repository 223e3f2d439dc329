/*
 * Damage on purpose: bytes of a finished file changed in place, with the checksum of the structure around them mended
 * or not. Knows nothing of the builder that made the file. The one thing that is easy to get wrong: with a dirty log,
 * what is changed at home may be put right by replay.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "io/io.h"

vhdx_status bld_peek(const vhdx_host *host, const char *path, uint64_t offset, void *bytes, size_t length)
{
    struct vx_file *file;
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL));
    vhdx_status status = vx_file_read(file, bytes, length, offset, NULL);
    vx_file_close(file);
    return status;
}

vhdx_status bld_poke(const vhdx_host *host, const char *path, uint64_t offset, const void *bytes, size_t length)
{
    struct vx_file *file;
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_WRITE, &file, NULL));
    vhdx_status status = vx_file_write(file, bytes, length, offset, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    vx_file_close(file);
    return status;
}

vhdx_status bld_poke_int(const vhdx_host *host, const char *path, uint64_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    BLD_DEMAND(size <= 8, "no such integer");
    vx_put64(bytes, value);
    return bld_poke(host, path, offset, bytes, size);
}

/* Changes part of a structure whose checksum, over all of it, is at its byte 4. */
static vhdx_status poke_summed(const vhdx_host *host, const char *path, uint64_t place, size_t size, size_t offset,
                               const void *bytes, size_t length)
{
    BLD_DEMAND(offset <= size && length <= size - offset, "poke outside of the structure");
    uint8_t *whole = bld_alloc(size, 1);
    vhdx_status status = bld_peek(host, path, place, whole, size);
    if (status == VHDX_OK) {
        memcpy(whole + offset, bytes, length);
        vx_put32(whole + 4, vx_crc32c_without(whole, size, 4));
        status = bld_poke(host, path, place, whole, size);
    }
    free(whole);
    return status;
}

vhdx_status bld_poke_header(const vhdx_host *host, const char *path, int copy, size_t offset, const void *bytes,
                            size_t length)
{
    if (copy & 1)
        VX_TRY(poke_summed(host, path, VX_HEADER1_OFFSET, VX_HEADER_SIZE, offset, bytes, length));
    if (copy & 2)
        VX_TRY(poke_summed(host, path, VX_HEADER2_OFFSET, VX_HEADER_SIZE, offset, bytes, length));
    return VHDX_OK;
}

vhdx_status bld_poke_region_table(const vhdx_host *host, const char *path, int copy, size_t offset, const void *bytes,
                                  size_t length)
{
    if (copy & 1)
        VX_TRY(poke_summed(host, path, VX_REGION_TABLE1_OFFSET, VX_REGION_TABLE_SIZE, offset, bytes, length));
    if (copy & 2)
        VX_TRY(poke_summed(host, path, VX_REGION_TABLE2_OFFSET, VX_REGION_TABLE_SIZE, offset, bytes, length));
    return VHDX_OK;
}

static void rotate(uint8_t *to, const uint8_t *from, uint64_t size, uint64_t begin)
{
    memcpy(to, from + begin, size - begin);
    memcpy(to + (size - begin), from, begin);
}

vhdx_status bld_poke_log_entry(const vhdx_host *host, const char *path, uint64_t log_offset, uint64_t log_length,
                               uint64_t ring_offset, uint64_t offset, const void *bytes, size_t length)
{
    uint8_t *ring = bld_alloc(log_length, 1), *straight = bld_alloc(log_length, 1);
    vhdx_status status = bld_peek(host, path, log_offset, ring, log_length);
    if (status == VHDX_OK) {
        rotate(straight, ring, log_length, ring_offset);
        uint32_t entry_length = vx_get32(straight + 8);
        BLD_DEMAND(entry_length >= VX_PAGE && entry_length <= log_length, "no log entry there");
        BLD_DEMAND(offset <= entry_length && length <= entry_length - offset, "poke outside of the log entry");
        memcpy(straight + offset, bytes, length);
        vx_put32(straight + 4, vx_crc32c_without(straight, entry_length, 4));
        rotate(ring, straight, log_length, log_length - ring_offset);
        status = bld_poke(host, path, log_offset, ring, log_length);
    }
    free(ring);
    free(straight);
    return status;
}

vhdx_status bld_resize(const vhdx_host *host, const char *path, uint64_t size)
{
    struct vx_file *file;
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_WRITE, &file, NULL));
    vhdx_status status = vx_file_grow(file, size, NULL);
    if (status == VHDX_OK)
        status = vx_file_cut(file, size, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    vx_file_close(file);
    return status;
}
