/*
 * Two layers with an XFS file system from a stranger: little is read, nothing outside of the disk, asking twice gives
 * the same; a child that has nothing shows nothing that fits, no state is ever proven, and what fits is never said
 * together with what does not.
 *
 * An input is a byte of flags and patches; a patch changes the lower layers, the child, or both. Checksums are mended
 * on request, or nothing would get behind them.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "forge.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "guest/proof_xfs.h"

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

/* Checksums of the superblock and of the headers of groups. */
static void mend(uint8_t *disk)
{
    static const struct {
        char magic[5];
        uint16_t at;
    } sums[] = {{"XFSB", 224}, {"XAGF", 216}, {"XAGI", 312}, {"XAFL", 32}};
    for (uint64_t at = 0; at < DISK_SIZE; at += SECTOR)
        for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
            if (memcmp(disk + at, sums[i].magic, 4) == 0)
                vx_put32(disk + at + sums[i].at, vx_crc32c_without(disk + at, SECTOR, sums[i].at));
}

static struct vx_fs_proof ask(struct layers *layers)
{
    const struct vx_two_views views = {layers, read_layers, who_says, go_on};
    struct vx_fs_proof proof;
    layers->bytes_read = 0;
    FUZZ_DEMAND(vx_prove_by_xfs(&(struct vx_volume){&views, 0, DISK_SIZE}, &proof, NULL) == VHDX_OK);
    FUZZ_DEMAND(layers->bytes_read <= READ_MAX);
    FUZZ_DEMAND(proof.word != VX_PROOF_STATE);
    FUZZ_DEMAND(proof.word == VX_PROOF_NONE || proof.text[0] != '\0');
    FUZZ_DEMAND(proof.word != VX_PROOF_DISK || (proof.matches >= 2 && proof.mismatches == 0));
    FUZZ_DEMAND(proof.word != VX_PROOF_OTHER || proof.mismatches > 0);
    return proof;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct layers layers;
    struct forge_input in = {data, size};
    memset(&layers, 0, sizeof layers);
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
