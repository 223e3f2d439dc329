/*
 * Header: no byte is lost between decoding and encoding, and the encoded one breaks the same rules except the
 * checksum's.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/crc32c.h"
#include "format/header.h"

#include <string.h>

#define CHECKSUM 4u

static uint32_t checksum_of(const uint8_t *data, size_t size)
{
    uint8_t bytes[VX_HEADER_SIZE];
    fuzz_expand(data, size, bytes, sizeof bytes);
    return vx_crc32c_without(bytes, sizeof bytes, CHECKSUM);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    return fuzz_mutate_and_mend(data, size, max_size, seed, CHECKSUM, checksum_of);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_header header, again;
    uint8_t bytes[VX_HEADER_SIZE], back[VX_HEADER_SIZE];
    vx_header_decode(vx_bytes_of(data, size), &header);
    fuzz_expand(data, size, bytes, sizeof bytes);
    if (vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header) != VHDX_OK)
        return 0;
    uint32_t broken = vx_header_rules(&header);
    vx_header_encode(&header, back);
    FUZZ_DEMAND(memcmp(bytes, back, CHECKSUM) == 0);
    FUZZ_DEMAND(memcmp(bytes + CHECKSUM + 4, back + CHECKSUM + 4, sizeof bytes - CHECKSUM - 4) == 0);
    FUZZ_DEMAND(vx_get32(back + CHECKSUM) == header.computed_checksum);
    FUZZ_DEMAND(vx_header_decode(vx_bytes_of(back, sizeof back), &again) == VHDX_OK);
    FUZZ_DEMAND(vx_header_rules(&again) == (broken & ~(uint32_t)VX_HEADER_BAD_CHECKSUM));
    return 0;
}
