/*
 * The mark of a merge on its way, bytes <-> values. See merge_mark.h. Numbers are little-endian, as everywhere in the
 * format; a checksum covers all of it, because nothing else shows whether an item was written whole.
 */
/* SPDX-License-Identifier: MIT */
#include "format/merge_mark.h"

#include "base/crc32c.h"
#include "base/utf.h"

#include <string.h>

#define SIGNATURE UINT64_C(0x314B52414D47524D) /* "MRGMARK1" */

enum {
    OFFSET_SIGNATURE = 0,
    OFFSET_CHECKSUM = 8,
    OFFSET_FLAGS = 12,
    OFFSET_IDENTITY = 16,
    OFFSET_CHILD = 32,
    OFFSET_DIGEST = 48,
    OFFSET_COUNT = 56,
    OFFSET_NAME_LENGTH = 60,
    OFFSET_VIRTUAL_SIZE = 64,
    OFFSET_DONE = 72,
    OFFSET_MOVED = 80,
    OFFSET_TOTAL = 88,
    OFFSET_NAME = 96, /* the rest is reserved, zeros */
};

const vhdx_guid vx_guid_merge_mark = {
    {0xE2, 0x9B, 0x61, 0x5D, 0x1F, 0x7A, 0xC4, 0x4E, 0xA3, 0x08, 0xD5, 0x36, 0x90, 0x4B, 0x7C, 0x12}};

/* A file name that may be shown and joined to a directory: UTF-8 without separators. */
static bool is_file_name(const char *name)
{
    return vx_utf8_to_utf16(name, NULL, 0) != SIZE_MAX && !strpbrk(name, "/\\") && strcmp(name, "..") != 0;
}

vhdx_status vx_merge_mark_decode(struct vx_bytes in, struct vx_merge_mark *out)
{
    if (in.size != VX_MERGE_MARK_SIZE || vx_get64(in.data + OFFSET_SIGNATURE) != SIGNATURE ||
        vx_get32(in.data + OFFSET_CHECKSUM) != vx_crc32c_without(in.data, in.size, OFFSET_CHECKSUM))
        return VHDX_CORRUPT;
    uint32_t name_length = vx_get32(in.data + OFFSET_NAME_LENGTH);
    if (name_length >= VX_MERGE_MARK_NAME)
        return VHDX_CORRUPT;
    *out = (struct vx_merge_mark){.layers_digest = vx_get64(in.data + OFFSET_DIGEST),
                                  .layer_count = vx_get32(in.data + OFFSET_COUNT),
                                  .flags = vx_get32(in.data + OFFSET_FLAGS),
                                  .virtual_size = vx_get64(in.data + OFFSET_VIRTUAL_SIZE),
                                  .done_end = vx_get64(in.data + OFFSET_DONE),
                                  .moved = vx_get64(in.data + OFFSET_MOVED),
                                  .total = vx_get64(in.data + OFFSET_TOTAL)};
    memcpy(out->identity.bytes, in.data + OFFSET_IDENTITY, 16);
    memcpy(out->child.bytes, in.data + OFFSET_CHILD, 16);
    memcpy(out->child_name, in.data + OFFSET_NAME, name_length);
    if (!is_file_name(out->child_name) || out->moved > INT64_MAX || out->total > INT64_MAX)
        return VHDX_CORRUPT;
    return VHDX_OK;
}

void vx_merge_mark_encode(const struct vx_merge_mark *mark, uint8_t *out)
{
    uint32_t name_length = (uint32_t)strlen(mark->child_name);
    memset(out, 0, VX_MERGE_MARK_SIZE);
    vx_put64(out + OFFSET_SIGNATURE, SIGNATURE);
    vx_put32(out + OFFSET_FLAGS, mark->flags);
    memcpy(out + OFFSET_IDENTITY, mark->identity.bytes, 16);
    memcpy(out + OFFSET_CHILD, mark->child.bytes, 16);
    vx_put64(out + OFFSET_DIGEST, mark->layers_digest);
    vx_put32(out + OFFSET_COUNT, mark->layer_count);
    vx_put32(out + OFFSET_NAME_LENGTH, name_length);
    vx_put64(out + OFFSET_VIRTUAL_SIZE, mark->virtual_size);
    vx_put64(out + OFFSET_DONE, mark->done_end);
    vx_put64(out + OFFSET_MOVED, mark->moved);
    vx_put64(out + OFFSET_TOTAL, mark->total);
    memcpy(out + OFFSET_NAME, mark->child_name, name_length);
    vx_put32(out + OFFSET_CHECKSUM, vx_crc32c_without(out, VX_MERGE_MARK_SIZE, OFFSET_CHECKSUM));
}
