/*
 * File type identifier: what is decoded comes back to the byte, as far as its first NUL.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "format/file_id.h"

#include <string.h>

#define CREATOR 8u

/* Bytes of the creator in front of its first NUL unit */
static size_t creator_length(const uint8_t *creator)
{
    size_t length = 0;
    while (length < VX_CREATOR_SIZE && vx_get16(creator + length) != 0)
        length += 2;
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_file_id id, again;
    uint8_t bytes[VX_FILE_ID_SIZE], back[VX_FILE_ID_SIZE];
    vx_file_id_decode(vx_bytes_of(data, size), &id);
    fuzz_expand(data, size, bytes, sizeof bytes);
    if (vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &id) != VHDX_OK)
        return 0;
    FUZZ_DEMAND(memchr(id.creator, '\0', sizeof id.creator));
    vx_file_id_encode(&id, back);
    size_t length = creator_length(bytes + CREATOR);
    FUZZ_DEMAND(memcmp(bytes, back, CREATOR + length) == 0);
    FUZZ_DEMAND(vx_is_zero(back + CREATOR + length, VX_CREATOR_SIZE - length));
    FUZZ_DEMAND(vx_file_id_decode(vx_bytes_of(back, sizeof back), &again) == VHDX_OK);
    FUZZ_DEMAND(strcmp(id.creator, again.creator) == 0);
    return 0;
}
