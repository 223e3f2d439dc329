/*
 * The mark of a merge on its way: what is decoded is a file name and numbers, and comes back to the byte.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/crc32c.h"
#include "format/merge_mark.h"

#include <string.h>

#define CHECKSUM 8u

static uint32_t checksum_of(const uint8_t *data, size_t size)
{
    uint8_t bytes[VX_MERGE_MARK_SIZE];
    fuzz_expand(data, size, bytes, sizeof bytes);
    return vx_crc32c_without(bytes, sizeof bytes, CHECKSUM);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    return fuzz_mutate_and_mend(data, size, max_size, seed, CHECKSUM, checksum_of);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_merge_mark mark, again;
    uint8_t bytes[VX_MERGE_MARK_SIZE], back[VX_MERGE_MARK_SIZE];
    vx_merge_mark_decode(vx_bytes_of(data, size), &mark);
    fuzz_expand(data, size, bytes, sizeof bytes);
    if (vx_merge_mark_decode(vx_bytes_of(bytes, sizeof bytes), &mark) != VHDX_OK)
        return 0;
    FUZZ_DEMAND(memchr(mark.child_name, '\0', sizeof mark.child_name));
    FUZZ_DEMAND(!strpbrk(mark.child_name, "/\\"));
    FUZZ_DEMAND(mark.moved <= INT64_MAX && mark.total <= INT64_MAX);
    vx_merge_mark_encode(&mark, back);
    FUZZ_DEMAND(vx_merge_mark_decode(vx_bytes_of(back, sizeof back), &again) == VHDX_OK);
    FUZZ_DEMAND(strcmp(mark.child_name, again.child_name) == 0);
    FUZZ_DEMAND(mark.done_end == again.done_end && mark.total == again.total && mark.flags == again.flags);
    return 0;
}
