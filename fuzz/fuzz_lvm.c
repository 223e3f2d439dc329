/*
 * The metadata of LVM2 from a stranger: pieces of a linear volume follow each other without a gap, nothing wraps, and
 * asking twice gives the same. The input is a physical volume; without a label in it, it is the text alone.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "guest/lvm.h"

#include <string.h>

static const char id[33] = "abcdefghijklmnopqrstuvwxyz012345";

static bool read_input(void *context, void *buf, size_t length, uint64_t offset)
{
    const struct vx_bytes *in = context;
    if (offset > in->size || length > in->size - offset)
        return false;
    if (length > 0)
        memcpy(buf, in->data + offset, length);
    return true;
}

static void check(const struct vx_lvm *lvm)
{
    FUZZ_DEMAND(lvm->count <= VX_LVM_VOLUMES);
    for (uint32_t i = 0; i < lvm->count; i++) {
        const struct vx_lvm_volume *volume = &lvm->volumes[i];
        uint64_t size = 0;
        FUZZ_DEMAND(volume->count <= VX_LVM_SEGMENTS && memchr(volume->name, 0, sizeof volume->name) != NULL);
        for (uint32_t k = 0; volume->linear && k < volume->count; k++) {
            const struct vx_lvm_segment *segment = &volume->segments[k];
            FUZZ_DEMAND(segment->start == size && segment->length > 0 && segment->length <= UINT64_MAX / 2 - size);
            FUZZ_DEMAND(segment->place <= UINT64_MAX / 2);
            size += segment->length;
        }
        FUZZ_DEMAND(!volume->linear || size == volume->size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vx_lvm lvm, again;
    static uint8_t text[VX_LVM_TEXT_MAX];
    struct vx_bytes in = vx_bytes_of(data, size);
    const struct vx_lvm_source source = {&in, read_input};
    char own[33];
    size_t length;
    if (vx_lvm_find(&source, own, text, &length)) {
        FUZZ_DEMAND(length <= sizeof text && strlen(own) <= 32);
        if (vx_lvm_decode(vx_bytes_of(text, length), own, &lvm))
            check(&lvm);
    }
    bool right = vx_lvm_decode(in, id, &lvm);
    FUZZ_DEMAND(vx_lvm_decode(in, id, &again) == right && memcmp(&lvm, &again, sizeof lvm) == 0);
    if (right)
        check(&lvm);
    return 0;
}
