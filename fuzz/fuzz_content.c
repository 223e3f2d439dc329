/*
 * The inside of a virtual disk from a stranger: nothing is read outside of the disk, little is read at all, what does
 * not fit is not reported as if it did, and looking twice gives the same.
 *
 * An input is a small header (sector size, disk size, whether the size is known) and patches of an otherwise empty
 * disk, so that structures far apart cost few bytes. Checksums of GPT headers and their arrays are mended, or nothing
 * would get behind them.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "forge.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/content.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define DISK_SIZE (2 * VX_MIB)
#define READ_MAX (24 * VX_MIB)
#define HEADER_SIZE 2u
#define PATCH_SIZE 5u /* before its bytes: 512-byte sector (2), offset in it (1, in 2 bytes), length (2) */
#define SIGNATURE UINT64_C(0x5452415020494645)

struct disk {
    uint8_t bytes[DISK_SIZE];
    uint64_t size, bytes_read;
    bool known;
};

static bool read_disk(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    struct disk *disk = context;
    FUZZ_DEMAND(!disk->known || (virtual_offset <= disk->size && length <= disk->size - virtual_offset));
    disk->bytes_read += length;
    if (virtual_offset > disk->size || length > disk->size - virtual_offset)
        return false;
    memcpy(buf, disk->bytes + virtual_offset, length);
    return true;
}

static void patch(struct disk *disk, struct forge_input *in)
{
    while (in->size > PATCH_SIZE) {
        uint64_t sector = forge_number(in, 2) % (DISK_SIZE / 512);
        uint64_t at = sector * 512 + forge_number(in, 1) * 2;
        uint64_t length = vx_min(vx_min(forge_number(in, 2), in->size), DISK_SIZE - at);
        for (uint64_t i = 0; i < length; i++)
            disk->bytes[at + i] = forge_byte(in);
    }
}

static void mend(uint8_t *disk, size_t sector_size)
{
    for (size_t at = 0; at < DISK_SIZE; at += sector_size) {
        uint8_t *header = disk + at;
        if (vx_get64(header) != SIGNATURE)
            continue;
        uint64_t array = vx_get64(header + 72), size = (uint64_t)vx_get32(header + 80) * vx_get32(header + 84);
        if (array < DISK_SIZE / sector_size && size <= DISK_SIZE - array * sector_size)
            vx_put32(header + 88, (uint32_t)crc32(0, disk + array * sector_size, (uInt)size));
        uint32_t length = vx_get32(header + 12);
        if (length > sector_size || length < 92)
            continue;
        vx_put32(header + 16, 0);
        vx_put32(header + 16, (uint32_t)crc32(0, header, length));
    }
}

static void demand_sense(const struct disk *disk, const struct vx_content *content)
{
    FUZZ_DEMAND(content->partition_count <= VX_CONTENT_PARTITIONS);
    FUZZ_DEMAND(content->implied_sector_size == 0 || content->implied_size % content->implied_sector_size == 0);
    FUZZ_DEMAND((content->verdict == VX_CONTENT_ALIVE) <= (content->contradictions == 0));
    for (uint32_t i = 0; i < content->partition_count; i++) {
        const struct vx_partition *partition = &content->partitions[i];
        bool fits = partition->offset <= disk->size && partition->length <= disk->size - partition->offset;
        FUZZ_DEMAND(!disk->known || fits == !partition->beyond_end);
        FUZZ_DEMAND(partition->fs.size <= partition->length || partition->fs.contradictions > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk disk;
    static struct vx_content first, second;
    struct forge_input in = {data, size};
    char text[300];
    memset(&disk, 0, sizeof disk);
    uint8_t kind = forge_byte(&in);
    disk.size = DISK_SIZE - forge_byte(&in) * UINT64_C(4096);
    disk.known = !(kind & 1);
    patch(&disk, &in);
    if (kind & 2)
        mend(disk.bytes, kind & 4 ? 4096 : 512);
    struct vx_content_source source = {&disk, read_disk, disk.known ? disk.size : UINT64_MAX,
                                       kind & 8   ? 0
                                       : kind & 4 ? 4096u
                                                  : 512u};
    vx_content_look(&source, &first);
    FUZZ_DEMAND(disk.bytes_read <= READ_MAX);
    demand_sense(&disk, &first);
    vx_content_look(&source, &second);
    FUZZ_DEMAND(memcmp(&first, &second, sizeof first) == 0);
    vx_content_text(&first, text, sizeof text);
    FUZZ_DEMAND(text[0] != '\0' && strlen(text) < sizeof text);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size > HEADER_SIZE && seed % 8 != 0)
        data[0] |= 2;
    return size;
}
