/*
 * What a damaged machine would write if it were started, without touching its disks: a chain is opened with an overlay
 * that is thrown away, its boot sector is changed, and the chain is as it was before.
 *
 *     boot_once LEAF.avhdx DIRECTORY
 *
 * A hypervisor would do the reads and writes of its guest through the same handle, from as many threads as it has; with
 * `overlay` in the place of `discard` what the guest writes stays, in a file of its own.
 */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <vhdx.h>

static int complain(const vhdx_error *err)
{
    char line[2400];
    vhdx_error_format(err, line, sizeof line);
    fprintf(stderr, "boot_once: %s\n", line);
    return 8;
}

/* In the place of a guest: reads the boot sector, writes to it, and sees what it wrote. */
static vhdx_status boot(vhdx_disk *disk, vhdx_error *err)
{
    unsigned char sector[512];
    vhdx_status status = vhdx_disk_read(disk, sector, sizeof sector, 0, err);
    if (status != VHDX_OK)
        return status;
    printf("before: %02x\n", sector[0]);
    sector[0] = (unsigned char)~sector[0];
    status = vhdx_disk_write(disk, sector, sizeof sector, 0, err);
    if (status == VHDX_OK)
        status = vhdx_disk_flush(disk, err);
    if (status == VHDX_OK)
        status = vhdx_disk_read(disk, sector, sizeof sector, 0, err);
    if (status == VHDX_OK)
        printf("the guest sees: %02x\n", sector[0]);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 16;
    const vhdx_disk_options options = {.struct_size = sizeof options, .write = true, .discard = argv[2]};
    vhdx_disk *disk;
    vhdx_error err;
    if (vhdx_disk_open(argv[1], &options, &disk, &err) != VHDX_OK)
        return complain(&err);
    vhdx_status status = boot(disk, &err);
    vhdx_status closed = vhdx_disk_close(disk, status == VHDX_OK ? &err : NULL);
    return status == VHDX_OK && closed == VHDX_OK ? 0 : complain(&err);
}
