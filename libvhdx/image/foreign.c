/*
 * Names of other formats. See foreign.h. A VHD of fixed size begins as the raw disk that it holds,
 * so its footer is looked at first.
 */
/* SPDX-License-Identifier: MIT */
#include "image/foreign.h"

#include "base/alloc.h"
#include "format/layout.h"
#include "format/vhd.h"

#include <string.h>

#define BEGINNING ((size_t)(64 * VX_KIB + 4096))
#define VHD "a VHD disk, the format before VHDX"
#define RAW "a disk as it is (raw)"
#define PARTITION "a disk or a partition as it is (raw)"

/* Only what may hold a VHDX at a whole MiB is listed: nothing else shows traces of one. */
static const struct {
    size_t at;
    const char *bytes;
    size_t size;
    const char *what;
} foreigners[] = {
    {510, "\x55\xAA", 2, PARTITION},
    {512, "EFI PART", 8, RAW},
    {4096, "EFI PART", 8, RAW},
    {1080, "\x53\xEF", 2, "an ext file system"},
    {0, "XFSB", 4, "an XFS file system"},
    {65600, "_BHRfS_M", 8, "a Btrfs file system"},
    {512, "LABELONE", 8, "a volume of LVM"},
    {0, "LUKS\xBA\xBE", 6, "an encrypted volume (LUKS)"},
    {3, "ReFS", 4, "a ReFS file system"},
    {3, "-FVE-FS-", 8, "an encrypted volume (BitLocker)"},
    {0, "conectix", 8, VHD},
    {0, "QFI\xFB", 4, "a QCOW2 disk"},
    {0, "# Disk DescriptorFile", 21, "the descriptor of a VMDK disk"},
    {0, "WithoutFreeSpace", 16, "a Parallels disk"},
    {0, "WithouFreSpacExt", 16, "a Parallels disk"},
    {0, "KDMV", 4, "a VMDK disk"},
    {0, "COWD", 4, "a VMDK disk"},
    {64, "\x7F\x10\xDA\xBE", 4, "a VDI disk"},
    {257, "ustar", 5, "a tar archive"},
    {0, "PK\x03\x04", 4, "a zip archive"},
    {0, "MSWIM\0\0\0", 8, "a WIM archive"},
    {32769, "CD001", 5, "an ISO image"},
    {0, "vhdxundo", 8, "an undo file"},
};

static const char *what_it_begins_as(struct vx_bytes bytes)
{
    for (size_t i = 0; i < sizeof foreigners / sizeof foreigners[0]; i++) {
        struct vx_bytes part;
        if (vx_bytes_part(bytes, foreigners[i].at, foreigners[i].size, &part) &&
            memcmp(part.data, foreigners[i].bytes, part.size) == 0)
            return foreigners[i].what;
    }
    return NULL;
}

static vhdx_status has_footer(struct vx_file *file, bool *footer, vhdx_error *err)
{
    struct vx_vhd_footer found;
    uint8_t bytes[VX_VHD_FOOTER_SIZE];
    uint64_t size;
    size_t got;
    *footer = false;
    VX_TRY(vx_file_size(file, &size, err));
    if (size < sizeof bytes)
        return VHDX_OK;
    VX_TRY(vx_file_read_some(file, bytes, sizeof bytes, size - sizeof bytes, &got, err));
    *footer = vx_vhd_footer_decode(vx_bytes_of(bytes, got), &found) == VHDX_OK && found.checksum == found.computed;
    return VHDX_OK;
}

vhdx_status vx_foreign_look(struct vx_file *file, const char **what, vhdx_error *err)
{
    bool footer;
    size_t got = 0;
    *what = NULL;
    VX_TRY(has_footer(file, &footer, err));
    if (footer) {
        *what = VHD;
        return VHDX_OK;
    }
    uint8_t *bytes = vx_alloc(BEGINNING, 1);
    if (!bytes)
        return vx_fail_memory(err, "the beginning of the file");
    vhdx_status status = vx_file_read_some(file, bytes, BEGINNING, 0, &got, err);
    if (status == VHDX_OK)
        *what = what_it_begins_as(vx_bytes_of(bytes, got));
    vx_free(bytes);
    return status;
}

bool vx_foreign_converts(const char *what)
{
    return strcmp(what, VHD) == 0 || strcmp(what, RAW) == 0 || strcmp(what, PARTITION) == 0;
}
