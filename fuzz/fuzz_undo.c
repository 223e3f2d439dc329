/*
 * Undo files from a stranger, applied to a host in memory with two disks: one whose identity anybody may guess, and one
 * whose identity no undo file can contain, because it is made of a hash of that file. The first never ends up with
 * another length than the file says; the second is never written; and what succeeded once succeeds again and changes
 * nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/checked.h"
#include "../tests/support/memory.h"
#include "undo/undo.h"
#include "undo/undo_apply.h"

#include <string.h>
#include <xxhash.h>

#define DISK_SIZE 20000u
#define LOOK (2 * VX_MIB)

static const char known_path[] = "/d/known", unknown_path[] = "/d/unknown", undo_path[] = "/d/undo";

/* The first byte of a disk says which one it is; else it says nothing of itself. The other bytes of the unknown one's
 * first 16 are its identity. */
static vhdx_status identify(struct vx_file *file, struct vx_identity *identity, bool *readable, vhdx_error *err)
{
    uint8_t bytes[16];
    size_t got;
    VX_TRY(vx_file_read_some(file, bytes, sizeof bytes, 0, &got, err));
    *readable = got == sizeof bytes && (bytes[0] == 'K' || bytes[0] == 'U');
    memset(identity, 'K', sizeof *identity);
    if (bytes[0] == 'U')
        memcpy(identity->content, bytes, sizeof bytes);
    return VHDX_OK;
}

static uint64_t digest(const vhdx_host *host, const char *path, uint64_t *size)
{
    static uint8_t bytes[LOOK];
    struct vx_file *file;
    size_t got;
    FUZZ_DEMAND(vx_file_open(host, path, VHDX_OPEN_READ, &file, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_file_size(file, size, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_file_read_some(file, bytes, sizeof bytes, 0, &got, NULL) == VHDX_OK);
    vx_file_close(file);
    return XXH3_64bits(bytes, got);
}

static vhdx_status apply(const vhdx_host *host, bool force, vhdx_undo_report *report)
{
    vhdx_undo_options options = {.struct_size = sizeof options, .host = host, .force = force};
    vhdx_error err;
    *report = (vhdx_undo_report){.struct_size = sizeof *report};
    vhdx_status status = vx_undo_apply(undo_path, &options, identify, report, &err);
    FUZZ_DEMAND(status == VHDX_OK || (err.status == status && err.message[0]));
    return status;
}

/* Whether a target of the undo file has this size. */
static bool says_size(const vhdx_host *host, uint64_t size)
{
    struct vx_undo_content content;
    struct vx_file *file;
    bool says = false;
    FUZZ_DEMAND(vx_file_open(host, undo_path, VHDX_OPEN_READ, &file, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_undo_read(file, &content, NULL, NULL, NULL) == VHDX_OK);
    FUZZ_DEMAND(content.end >= VX_UNDO_HEADER_SIZE && content.last < content.end);
    for (size_t i = 0; i < content.target_count; i++)
        says |= content.targets[i].head != 0 && content.targets[i].size == size;
    vx_undo_content_clear(&content);
    vx_file_close(file);
    return says;
}

static void put_disks(struct vx_memory_host *memory, const uint8_t *data, size_t size)
{
    uint8_t disk[DISK_SIZE];
    memset(disk, 0x11, sizeof disk);
    disk[0] = 'K';
    FUZZ_DEMAND(vx_memory_host_put(memory, known_path, disk, sizeof disk));
    disk[0] = 'U';
    vx_put64(disk + 1, XXH3_64bits_withSeed(data, size, 1));
    FUZZ_DEMAND(vx_memory_host_put(memory, unknown_path, disk, sizeof disk));
    FUZZ_DEMAND(vx_memory_host_put(memory, undo_path, data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vhdx_undo_report report;
    uint64_t length, again_length;
    struct vx_memory_host *memory = vx_memory_host_new(1);
    FUZZ_DEMAND(memory);
    const vhdx_host *host = vx_memory_host_interface(memory);
    bool force = size > 40 && (data[40] & 1);
    put_disks(memory, data, size);
    uint64_t unknown = digest(host, unknown_path, &length);
    uint64_t before = digest(host, known_path, &length);
    vhdx_status status = apply(host, force, &report);
    uint64_t after = digest(host, known_path, &length);
    if (status == VHDX_OK) {
        FUZZ_DEMAND(report.files > 0 && says_size(host, length));
        (void)apply(host, force, &report); /* may be refused: the file may say that the disk was another one */
        FUZZ_DEMAND(digest(host, known_path, &again_length) == after && again_length == length);
    }
    if (status == VHDX_UNDO_MISMATCH || status == VHDX_TRUNCATED || status == VHDX_NOT_VHDX || status == VHDX_NOT_FOUND)
        FUZZ_DEMAND(after == before && length == DISK_SIZE);
    FUZZ_DEMAND(digest(host, unknown_path, &length) == unknown && length == DISK_SIZE);
    vx_memory_host_free(memory);
    return 0;
}

/* Checksums, numbers, ways back and hashes of stored bytes, record by record. */
static void mend(uint8_t *data, size_t size)
{
    uint64_t number = 0, previous = 0;
    if (size < VX_UNDO_HEADER_SIZE)
        return;
    vx_put64(data + 56, XXH3_64bits(data, 56));
    uint64_t seed = vx_get64(data + 16);
    for (size_t at = VX_UNDO_HEADER_SIZE; size - at >= VX_UNDO_RECORD_SIZE;) {
        uint8_t *record = data + at;
        size_t payload = vx_get32(record + 56);
        if (payload > size - at - VX_UNDO_RECORD_SIZE)
            return;
        vx_put64(record + 8, number++);
        vx_put64(record + 16, previous);
        if (vx_get16(record + 6) == VX_UNDO_STORED)
            vx_put64(record + 48, XXH3_64bits(record + VX_UNDO_RECORD_SIZE, payload));
        vx_put64(record + 64, XXH3_64bits_withSeed(record + VX_UNDO_RECORD_SIZE, payload,
                                                   XXH3_64bits_withSeed(record, VX_UNDO_RECORD_SIZE - 8, seed)));
        previous = at;
        size_t step = VX_UNDO_RECORD_SIZE + ((payload + 7) & ~(size_t)7);
        if (step > size - at)
            return;
        at += step;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 != 0)
        mend(data, size);
    return size;
}
