/*
 * Looking at one file. See probe.h. Nothing here compares files with each other.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/probe.h"

#include "base/alloc.h"
#include "base/path.h"
#include "config/config.h"
#include "orphans/probe_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct vx_probe *vx_probe_new(const vhdx_host *host)
{
    struct vx_probe *probe = vx_alloc(1, sizeof *probe);
    if (probe)
        probe->host = vx_host_or_native(host);
    return probe;
}

void vx_probe_free(struct vx_probe *probe)
{
    if (probe)
        vx_arena_clear(&probe->arena);
    vx_free(probe);
}

struct vx_arena *vx_probe_arena(struct vx_probe *probe)
{
    return &probe->arena;
}

/* ---- names ---- */

static const struct {
    const char *extension;
    vhdx_side_kind kind;
} side_names[] = {
    {".rct", VHDX_SIDE_TRACKING},     {".mrt", VHDX_SIDE_TRACKING},       {".hrl", VHDX_SIDE_REPLICA_LOG},
    {".vmgs", VHDX_SIDE_GUEST_STATE}, {".vmrs", VHDX_SIDE_RUNTIME_STATE}, {".vsv", VHDX_SIDE_SAVED_STATE},
    {".vhdpmem", VHDX_SIDE_PMEM},     {".vhds", VHDX_SIDE_VHD_SET},       {".unfinished", VHDX_SIDE_UNFINISHED},
    {".vhdx-undo", VHDX_SIDE_UNDO},
};

/* What the name alone says; 0: no file beside a disk. */
static int side_kind_of(const char *path, bool windows)
{
    for (size_t i = 0; i < sizeof side_names / sizeof side_names[0]; i++)
        if (vx_path_has_extension(path, side_names[i].extension, windows))
            return (int)side_names[i].kind;
    if (!vx_path_has_extension(path, ".tmp", windows))
        return 0;
    return strstr(path, ".vhdx.") || strstr(path, ".avhdx.") || strstr(path, ".VHDX.") || strstr(path, ".AVHDX.")
               ? VHDX_SIDE_UNFINISHED
               : 0;
}

/* ---- files that are no VHDX ---- */

static bool starts_with(const uint8_t *bytes, size_t size, const char *signature)
{
    size_t length = strlen(signature);
    return size >= length && memcmp(bytes, signature, length) == 0;
}

static const char *content_name(const uint8_t *first, size_t got, uint64_t size)
{
    static const struct {
        const char *signature, *name;
    } known[] = {
        {"QFI\xfb", "a QCOW2 disk"},
        {"KDMV", "a VMDK disk"},
        {"COWD", "a VMDK disk"},
        {"# Disk DescriptorFile", "a VMDK descriptor"},
        {"<<< ", "a VDI disk"},
        {"PK\x03\x04", "a ZIP archive"},
        {"\x1f\x8b", "compressed (gzip)"},
        {"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
        {"<html", "a web page"},
        {"<!DOCTYPE", "a web page"},
    };
    if (size == 0)
        return "empty";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (starts_with(first, got, known[i].signature))
            return known[i].name;
    if (got >= 512 && first[510] == 0x55 && first[511] == 0xAA)
        return "a raw disk, by its boot sector";
    if (vx_is_zero(first, got))
        return "zeros at its beginning: perhaps a copy that was cut off, or a raw disk";
    return "of no known format";
}

/* ---- any file ---- */

/* Not asked where the system has told that the volume is no NTFS: two calls for each file would be a tenth of its time.
 */
static bool has_descriptor(const struct vx_probing *it)
{
    return it->probe->host != vhdx_native_host() || (vx_file_facts(it->file)->attributes & VHDX_FILE_SPARSE_HARMS);
}

static vhdx_status look_at_content(struct vx_probing *it, const char *path, struct vx_sighting *out, vhdx_error *err)
{
    struct vx_probe *probe = it->probe;
    bool windows = probe->host->windows_paths, no_memory = false;
    vhdx_error trouble;
    size_t got = 0;
    vhdx_status status = vx_file_hold_size(it->file, &out->file_size, &trouble);
    if (status == VHDX_OK)
        status = vx_file_read_some(it->file, probe->first, VX_GLANCE, 0, &got, &trouble);
    bool named = vx_path_is_disk_name(path, windows);
    if (status == VHDX_OK && (named || (got >= 8 && vx_get64(probe->first) == VX_SIG_FILE)) && has_descriptor(it))
        no_memory = !vx_access_read(it->file, probe->descriptor, &probe->arena, &it->disk->pub);
    if (status != VHDX_OK) {
        out->sight = named ? VX_SIGHT_DISK : VX_SIGHT_BLOCKED;
        out->disk.host_failed = true;
        out->disk.trouble = out->reason = vx_probe_keep_error(probe, &trouble, &no_memory);
    } else if (got >= 8 && vx_get64(probe->first) == VX_SIG_FILE) {
        out->sight = VX_SIGHT_DISK;
        VX_TRY(vx_probe_vhdx(it, &no_memory, err));
    } else if (side_kind_of(path, windows)) {
        out->sight = VX_SIGHT_SIDE;
        out->side_kind = (vhdx_side_kind)side_kind_of(path, windows);
    } else if (vx_config_recognize(vx_bytes_of(probe->first, got < VX_CONFIG_FIRST ? got : VX_CONFIG_FIRST), path,
                                   windows) != 0) {
        out->sight = VX_SIGHT_CONFIG;
    } else if (vx_probe_vhd(it, got, out->file_size, &no_memory)) {
        out->sight = VX_SIGHT_DISK;
    } else if (named) {
        out->sight = VX_SIGHT_DISK;
        out->disk.trouble = vx_arena_format(&probe->arena, "this is no VHDX: it is %s",
                                            content_name(probe->first, got, out->file_size));
        no_memory = !out->disk.trouble;
    }
    return no_memory ? vx_fail_memory(err, "a look at a file") : VHDX_OK;
}

/* Another program may hold it exclusively: then it is looked at without his leave where the system allows that. */
static vhdx_status open_somehow(struct vx_probe *probe, const char *path, struct vx_file **file, bool *locked,
                                vhdx_error *err)
{
    vhdx_status status = vx_file_open(probe->host, path, VHDX_OPEN_READ, file, err);
    *locked = status == VHDX_BUSY;
    return *locked ? vx_file_open(probe->host, path, VHDX_OPEN_PEEK, file, err) : status;
}

vhdx_status vx_probe_file(struct vx_probe *probe, const char *path, struct vx_sighting *out, vhdx_error *err)
{
    struct vx_probing it = {.probe = probe, .disk = &out->disk};
    vhdx_error trouble;
    bool windows = probe->host->windows_paths, no_memory = false;
    memset(out, 0, sizeof *out);
    out->disk.pub.parent = out->disk.pub.suspect = out->disk.pub.twin = out->disk.pub.family = VHDX_NONE;
    out->disk.first_side = VHDX_NONE;
    vhdx_status status = open_somehow(probe, path, &it.file, &out->disk.locked, &trouble);
    if (status == VHDX_NOMEM)
        return vx_fail_memory(err, "an open file");
    if (status == VHDX_OK) {
        out->facts = *vx_file_facts(it.file);
        status = look_at_content(&it, path, out, err);
        vx_file_close(it.file);
    } else if (status == VHDX_NOT_FOUND) {
        return VHDX_OK; /* a link to nowhere, or gone since */
    } else {
        out->disk.host_failed = true;
        out->reason = out->disk.trouble = vx_probe_keep_error(probe, &trouble, &no_memory);
        out->sight = vx_path_is_disk_name(path, windows) ? VX_SIGHT_DISK : VX_SIGHT_BLOCKED;
        if (side_kind_of(path, windows)) {
            out->sight = VX_SIGHT_SIDE;
            out->side_kind = (vhdx_side_kind)side_kind_of(path, windows);
        } else if (vx_config_recognize(vx_bytes_of(NULL, 0), path, windows)) {
            out->sight = VX_SIGHT_CONFIG;
        }
        status = no_memory ? vx_fail_memory(err, "a look at a file") : VHDX_OK;
    }
    out->disk.pub.file_size = out->file_size;
    out->disk.pub.allocated = out->facts.allocated ? out->facts.allocated : out->file_size;
    out->disk.pub.modified = out->facts.modified;
    out->disk.volume = out->facts.volume;
    memcpy(out->disk.id, out->facts.file, sizeof out->disk.id);
    return status;
}
