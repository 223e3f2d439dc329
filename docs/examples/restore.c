/*
 * A backup product's restore of an increment: a stream of changed ranges becomes a new differencing disk on the disk
 * that was restored before.
 *
 *     restore PARENT.vhdx CHILD.avhdx < stream
 *
 * The stream is a sequence of records: offset and length in bytes, each eight bytes, least significant first, and then
 * so many bytes of content. At its end everything is flushed and the disk closed. When the power fails before that, the
 * child opens and holds what was flushed: here every 64 MiB, so that a restore could go on from there.
 */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <vhdx.h>

#define PIECE (1u << 20)
#define FLUSH_EVERY (64u << 20)

static bool read_number(uint64_t *number)
{
    unsigned char bytes[8];
    if (fread(bytes, 1, sizeof bytes, stdin) != sizeof bytes)
        return false;
    *number = 0;
    for (int i = 7; i >= 0; i--)
        *number = *number << 8 | bytes[i];
    return true;
}

static vhdx_status write_range(vhdx_disk *disk, uint64_t offset, uint64_t length, unsigned char *piece, vhdx_error *err)
{
    while (length > 0) {
        size_t here = length < PIECE ? (size_t)length : PIECE;
        if (fread(piece, 1, here, stdin) != here) {
            fprintf(stderr, "the stream ends in the middle of a range\n");
            return VHDX_IO;
        }
        vhdx_status status = vhdx_disk_write(disk, piece, here, offset, err);
        if (status != VHDX_OK)
            return status;
        offset += here;
        length -= here;
    }
    return VHDX_OK;
}

static vhdx_status restore(vhdx_disk *disk, vhdx_error *err)
{
    uint64_t offset, length, since_flush = 0;
    unsigned char *piece = malloc(PIECE);
    vhdx_status status = piece ? VHDX_OK : VHDX_NOMEM;
    while (status == VHDX_OK && read_number(&offset) && read_number(&length)) {
        status = write_range(disk, offset, length, piece, err);
        since_flush += length;
        if (status == VHDX_OK && since_flush >= FLUSH_EVERY) {
            status = vhdx_disk_flush(disk, err);
            since_flush = 0;
        }
    }
    free(piece);
    return status;
}

static int complain(const vhdx_error *err)
{
    char line[2400];
    vhdx_error_format(err, line, sizeof line);
    fprintf(stderr, "restore: %s\n", line);
    return 8;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 16;
    const vhdx_create_options create = {.struct_size = sizeof create, .parent = argv[1]};
    const vhdx_disk_options options = {.struct_size = sizeof options, .write = true};
    vhdx_disk *disk;
    vhdx_error err = {.status = VHDX_OK};
    if (vhdx_create(argv[2], &create, &err) != VHDX_OK || vhdx_disk_open(argv[2], &options, &disk, &err) != VHDX_OK)
        return complain(&err);
    vhdx_status status = restore(disk, &err);
    vhdx_status closed = vhdx_disk_close(disk, status == VHDX_OK ? &err : NULL);
    return status == VHDX_OK && closed == VHDX_OK ? 0 : complain(&err);
}
