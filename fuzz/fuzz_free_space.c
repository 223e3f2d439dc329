/*
 * File systems of a stranger whose free space is read: what is told as free lies on the disk, in a volume that is
 * known, in order, without the first sectors of that volume, and comes to the number that is told of it; a limited
 * amount is read; asking twice gives the same.
 *
 * An input is patches of an otherwise empty disk: a sector (2 bytes), a length (2 bytes), and so many bytes; with the
 * upper bit of the length set, so many sectors of one byte.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "forge.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/free_space.h"

#include <string.h>

#define DISK_SIZE (32 * VX_MIB)
#define READ_MAX (2048 * VX_MIB)
#define PATCH_SIZE 5u
#define VOLUMES 256u

struct volume {
    uint64_t offset, length, free_bytes;
    bool logical;
};

struct disk {
    uint8_t bytes[DISK_SIZE]; /* all zeros between two inputs */
    uint64_t bytes_read;
    /* of one run */
    struct volume volumes[VOLUMES];
    uint32_t count;
    uint64_t told, last, sum;
};

static bool read_disk(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    struct disk *disk = context;
    FUZZ_DEMAND(virtual_offset <= DISK_SIZE && length <= DISK_SIZE - virtual_offset);
    disk->bytes_read += length;
    memcpy(buf, disk->bytes + virtual_offset, length);
    return true;
}

static void take_volume(void *context, const vhdx_volume *volume)
{
    struct disk *disk = context;
    FUZZ_DEMAND(disk->count < VOLUMES);
    FUZZ_DEMAND(volume->known == (volume->reason[0] == '\0'));
    FUZZ_DEMAND(volume->known || volume->free_bytes == 0);
    FUZZ_DEMAND(disk->count == 0 || disk->told == disk->volumes[disk->count - 1].free_bytes);
    disk->volumes[disk->count++] =
        (struct volume){volume->offset, volume->length, volume->free_bytes, volume->name[0] != '\0'};
    disk->told = disk->last = 0;
}

static bool take_free(void *context, uint64_t virtual_offset, uint64_t length)
{
    struct disk *disk = context;
    FUZZ_DEMAND(disk->count > 0 && length > 0);
    const struct volume *volume = &disk->volumes[disk->count - 1];
    FUZZ_DEMAND(virtual_offset <= DISK_SIZE && length <= DISK_SIZE - virtual_offset);
    if (!volume->logical) {
        FUZZ_DEMAND(virtual_offset >= volume->offset + 512 && virtual_offset >= disk->last);
        FUZZ_DEMAND(length <= volume->length - (virtual_offset - volume->offset));
    }
    disk->last = virtual_offset + length;
    disk->told += length;
    disk->sum = disk->sum * 31 + virtual_offset * 7 + length;
    return true;
}

/* `clear`: makes zeros of what the patches have changed. */
static void patch(uint8_t *bytes, struct forge_input *in, bool clear)
{
    while (in->size >= PATCH_SIZE) {
        uint64_t at = forge_number(in, 2) % (DISK_SIZE / 512) * 512, length = forge_number(in, 2);
        if (length & 0x8000) {
            length = vx_min((length & 0x7FFF) * 512, DISK_SIZE - at);
            uint8_t value = forge_byte(in);
            memset(bytes + at, clear ? 0 : value, (size_t)length);
            continue;
        }
        length = vx_min(vx_min(length, in->size), DISK_SIZE - at);
        for (uint64_t i = 0; i < length; i++) {
            uint8_t value = forge_byte(in);
            bytes[at + i] = clear ? 0 : value;
        }
    }
}

static uint64_t ask(struct disk *disk)
{
    const struct vx_content_source source = {disk, read_disk, DISK_SIZE, 512};
    const struct vx_free_listener listener = {disk, take_free, take_volume, disk};
    vhdx_error err;
    disk->count = 0;
    disk->told = disk->last = disk->sum = 0;
    vhdx_status status = vx_free_space_find(&source, &listener, &err);
    FUZZ_DEMAND(status == VHDX_OK);
    FUZZ_DEMAND(disk->count == 0 || disk->told == disk->volumes[disk->count - 1].free_bytes);
    return disk->sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk disk;
    struct forge_input in = {data, size};
    disk.bytes_read = 0;
    patch(disk.bytes, &in, false);
    uint64_t first = ask(&disk);
    FUZZ_DEMAND(disk.bytes_read <= READ_MAX);
    FUZZ_DEMAND(first == ask(&disk));
    in = (struct forge_input){data, size};
    patch(disk.bytes, &in, true);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    (void)seed;
    return LLVMFuzzerMutate(data, size, max_size);
}
