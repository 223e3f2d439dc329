/*
 * A manifest from a stranger: lines come in ascending order and end, and what is read whole comes out byte for byte
 * when it is written anew.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "../tests/support/memory.h"
#include "manifest/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const char path[] = "/d/given", again[] = "/d/again";

static void demand_same(struct vx_memory_host *memory, const uint8_t *data, size_t size)
{
    struct vx_file *file;
    uint8_t *bytes = malloc(size);
    FUZZ_DEMAND(bytes && vx_memory_host_size(memory, again) == size);
    FUZZ_DEMAND(vx_file_open(vx_memory_host_interface(memory), again, VHDX_OPEN_READ, &file, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_file_read(file, bytes, size, 0, NULL) == VHDX_OK && memcmp(bytes, data, size) == 0);
    vx_file_close(file);
    free(bytes);
}

static void copy(struct vx_memory_host *memory, struct vx_manifest_reader *reader, const uint8_t *data, size_t size)
{
    struct vx_manifest_writer *writer;
    struct vx_manifest_line line;
    uint64_t last = 0;
    bool more = true, first = true;
    FUZZ_DEMAND(vx_manifest_create(vx_memory_host_interface(memory), again, vx_manifest_head(reader), &writer, NULL) ==
                VHDX_OK);
    vhdx_status status;
    while ((status = vx_manifest_next(reader, &line, &more, NULL)) == VHDX_OK && more) {
        FUZZ_DEMAND(first || line.block > last);
        first = false;
        last = line.block;
        FUZZ_DEMAND(vx_manifest_add(writer, &line, NULL) == VHDX_OK);
    }
    if (status == VHDX_OK) {
        FUZZ_DEMAND(vx_manifest_finish(writer, NULL) == VHDX_OK);
        demand_same(memory, data, size);
    }
    vx_manifest_close(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_memory_host *memory = vx_memory_host_new(1);
    struct vx_manifest_reader *reader;
    vhdx_error err;
    FUZZ_DEMAND(memory && vx_memory_host_put(memory, path, data, size));
    vhdx_status status = vx_manifest_open(vx_memory_host_interface(memory), path, &reader, &err);
    FUZZ_DEMAND(status == VHDX_OK || (err.status == status && err.message[0]));
    if (status == VHDX_OK) {
        copy(memory, reader, data, size);
        vx_manifest_close_reader(reader);
    }
    vx_memory_host_free(memory);
    return 0;
}

/* The hash at the end, of everything before it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    static const char digits[] = "0123456789abcdef";
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size < 17 || seed % 8 == 0)
        return size;
    uint64_t hash = XXH3_64bits(data, size - 17);
    for (size_t i = 0; i < 16; i++)
        data[size - 17 + i] = (uint8_t)digits[hash >> (60 - 4 * i) & 15];
    data[size - 1] = '\n';
    return size;
}
