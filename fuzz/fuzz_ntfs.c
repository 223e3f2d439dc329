/*
 * Two layers with an NTFS volume from a stranger: little is read, nothing outside of the disk, asking twice gives the
 * same; a child that has nothing shows nothing that fits, times and numbers never prove a state, and what fits is
 * never said together with what does not.
 *
 * An input is a byte of flags and patches; a patch changes the lower layers, the child, or both. Update sequences are
 * mended on request, or nothing would get behind them.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "forge.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/ntfs.h"
#include "guest/proof_ntfs.h"

#include <stdlib.h>
#include <string.h>

#define DISK_SIZE (512 * VX_KIB)
#define SECTOR 512u
#define READ_MAX (400 * VX_MIB)
#define PATCH_SIZE 5u /* before its bytes: whose (1), sector (2), length (2) */

enum { BELOW, WHOLE };

struct layers {
    uint8_t bytes[2][DISK_SIZE];
    bool held[DISK_SIZE / SECTOR];
    uint64_t bytes_read;
};

static bool read_layers(void *context, bool below, void *buf, size_t length, uint64_t virtual_offset)
{
    struct layers *layers = context;
    layers->bytes_read += length;
    if (virtual_offset > DISK_SIZE || length > DISK_SIZE - virtual_offset)
        return false;
    if (length > 0)
        memcpy(buf, layers->bytes[below ? BELOW : WHOLE] + virtual_offset, length);
    return true;
}

static bool who_says(void *context, uint64_t virtual_offset, uint64_t limit, bool *child, uint64_t *length)
{
    struct layers *layers = context;
    FUZZ_DEMAND(limit > 0);
    if (virtual_offset >= DISK_SIZE || limit > DISK_SIZE - virtual_offset)
        return false;
    *child = layers->held[virtual_offset / SECTOR];
    *length = vx_min(limit, SECTOR - virtual_offset % SECTOR);
    return true;
}

static bool go_on(void *context)
{
    (void)context;
    return true;
}

static void patch(struct layers *layers, struct forge_input *in)
{
    while (in->size > PATCH_SIZE) {
        unsigned whose = forge_byte(in);
        uint64_t at = forge_number(in, 2) % (DISK_SIZE / SECTOR) * SECTOR;
        uint64_t length = vx_min(vx_min(forge_number(in, 2), in->size), DISK_SIZE - at);
        for (uint64_t i = 0; i < length; i++) {
            uint8_t byte = forge_byte(in);
            layers->bytes[WHOLE][at + i] = byte;
            layers->held[(at + i) / SECTOR] = layers->held[(at + i) / SECTOR] || (whose & 1);
            if (!(whose & 1))
                layers->bytes[BELOW][at + i] = byte;
        }
    }
}

/* The end of each stride of what looks like a record, from its own update sequence. */
static void mend(uint8_t *disk)
{
    for (uint64_t at = 0; at < DISK_SIZE; at += SECTOR) {
        uint8_t *p = disk + at;
        bool is_page = memcmp(p, "RCRD", 4) == 0 || memcmp(p, "RSTR", 4) == 0;
        uint32_t strides = is_page ? 8 : 2, place = vx_get16(p + 4);
        if ((!is_page && memcmp(p, "FILE", 4) != 0) || strides > (DISK_SIZE - at) / SECTOR || place > SECTOR - 32)
            continue;
        vx_put16(p + 6, (uint16_t)(strides + 1));
        for (uint32_t i = 1; i <= strides; i++)
            memcpy(p + i * SECTOR - 2, p + place, 2);
    }
}

static struct vx_fs_proof ask(struct layers *layers)
{
    const struct vx_two_views views = {layers, read_layers, who_says, go_on};
    struct vx_fs_proof proof;
    layers->bytes_read = 0;
    FUZZ_DEMAND(vx_prove_by_ntfs(&(struct vx_volume){&views, 0, DISK_SIZE}, &proof, NULL) == VHDX_OK);
    FUZZ_DEMAND(layers->bytes_read <= READ_MAX);
    FUZZ_DEMAND(proof.word != VX_PROOF_STATE);
    FUZZ_DEMAND(proof.word == VX_PROOF_NONE || proof.text[0] != '\0');
    FUZZ_DEMAND(proof.word != VX_PROOF_DISK || (proof.matches >= 2 && proof.mismatches == 0));
    FUZZ_DEMAND(proof.word != VX_PROOF_OTHER || proof.mismatches > 0);
    return proof;
}

/* The codec alone, on whatever is there. */
static void walk(const uint8_t *data, size_t size)
{
    struct vx_ntfs_record record;
    struct vx_ntfs_attribute attribute;
    struct vx_ntfs_run run;
    uint32_t at = 0;
    if (!vx_ntfs_record_decode(vx_bytes_of(data, size), &record))
        return;
    while (vx_ntfs_attribute_next(vx_bytes_of(data, size), &at, &attribute)) {
        struct vx_ntfs_runs runs = vx_ntfs_runs_of(&attribute);
        while (!attribute.resident && vx_ntfs_run_next(&runs, &run))
            FUZZ_DEMAND(run.count > 0 && run.cluster >> 40 == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct layers layers;
    struct forge_input in = {data, size};
    memset(&layers, 0, sizeof layers);
    walk(data, size);
    uint8_t kind = forge_byte(&in);
    patch(&layers, &in);
    if (kind & 1) {
        mend(layers.bytes[BELOW]);
        mend(layers.bytes[WHOLE]);
    }
    struct vx_fs_proof first = ask(&layers), second = ask(&layers);
    FUZZ_DEMAND(first.word == second.word && strcmp(first.text, second.text) == 0);
    memset(layers.held, 0, sizeof layers.held);
    FUZZ_DEMAND(ask(&layers).matches == 0);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size > 0 && seed % 8 != 0)
        data[0] |= 1;
    return size;
}
