/*
 * Estates by hand. See estate.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *demand(void *memory)
{
    if (!memory) {
        fprintf(stderr, "estate: no memory\n");
        abort();
    }
    return memory;
}

static const char *text(struct est *e, const char *words)
{
    return words ? demand(vx_arena_text(&e->estate->arena, words)) : NULL;
}

static vhdx_guid new_id(struct est *e)
{
    vhdx_guid guid = {{0}};
    e->next_id++;
    memcpy(guid.bytes, &e->next_id, sizeof e->next_id);
    guid.bytes[15] = 0x5A;
    return guid;
}

void est_open(struct est *e)
{
    e->estate = demand(vx_estate_new());
    e->next_id = 0;
    e->estate->roots = demand(vx_arena_take(&e->estate->arena, 1, sizeof *e->estate->roots));
    e->estate->roots[0] = text(e, "/vms");
    e->estate->root_count = 1;
    if (!vx_estate_add_place(e->estate, "/vms", true, NULL))
        abort();
}

void est_close(struct est *e)
{
    vx_estate_free(e->estate);
}

struct vx_disk *est_at(struct est *e, size_t number)
{
    return &e->estate->disks[number];
}

static size_t add(struct est *e, const char *path)
{
    struct vx_disk *disk = demand(vx_estate_add_disk(e->estate));
    disk->pub.path = disk->absolute = text(e, path);
    disk->pub.file_size = disk->pub.allocated = 4 << 20;
    return e->estate->disk_count - 1;
}

size_t est_base(struct est *e, const char *path)
{
    size_t number = add(e, path);
    struct vx_disk *disk = est_at(e, number);
    disk->is_vhdx = disk->has_identity = disk->is_sound = true;
    disk->pub.kind = VHDX_DISK_KIND_DYNAMIC;
    disk->pub.virtual_size = 64 << 20;
    disk->pub.block_size = 1 << 20;
    disk->pub.logical_sector_size = 512;
    disk->pub.physical_sector_size = 4096;
    disk->pub.data_write_guid = new_id(e);
    disk->pub.file_write_guid = new_id(e);
    disk->pub.virtual_disk_id = new_id(e);
    return number;
}

size_t est_child(struct est *e, const char *path, size_t parent, const char *relative)
{
    size_t number = est_base(e, path);
    struct vx_disk *disk = est_at(e, number);
    disk->pub.kind = VHDX_DISK_KIND_DIFFERENCING;
    disk->pub.virtual_disk_id = est_at(e, parent)->pub.virtual_disk_id;
    disk->pub.names.has_linkage = true;
    disk->pub.names.linkage = est_at(e, parent)->pub.data_write_guid;
    disk->pub.names.relative_path = text(e, relative);
    return number;
}

size_t est_unreadable(struct est *e, const char *path)
{
    size_t number = add(e, path);
    est_at(e, number)->is_vhdx = true;
    est_at(e, number)->trouble = "neither copy of the header is valid";
    return number;
}

size_t est_machine(struct est *e, const char *path, const char *name, bool checkpoint, const char *disk)
{
    struct vx_machine *machine = demand(vx_estate_add_machine(e->estate));
    vhdx_machine_info *info = demand(vx_arena_take(&e->estate->arena, 1, sizeof *info));
    machine->pub.path = machine->absolute = text(e, path);
    machine->pub.readable = true;
    machine->pub.info = info;
    info->path = machine->pub.path;
    info->format = VHDX_CONFIG_XML;
    info->name = text(e, name);
    info->complete = true;
    info->checkpoint = checkpoint;
    info->has_machine_id = true;
    memcpy(info->machine_id.bytes, name, strlen(name) < 16 ? strlen(name) : 16);
    size_t number = e->estate->machine_count - 1;
    if (disk)
        est_names(e, number, disk);
    return number;
}

vhdx_machine_info *est_info(struct est *e, size_t machine)
{
    return (vhdx_machine_info *)e->estate->machines[machine].pub.info;
}

void est_names(struct est *e, size_t machine, const char *disk)
{
    vhdx_machine_info *info = est_info(e, machine);
    vhdx_drive *disks = demand(vx_arena_take(&e->estate->arena, info->drive_count + 1, sizeof *disks));
    if (info->drive_count)
        memcpy(disks, e->estate->machines[machine].pub.drives, info->drive_count * sizeof *disks);
    disks[info->drive_count] = (vhdx_drive){.path = text(e, disk),
                                            .type = "VHD",
                                            .controller = VHDX_CONTROLLER_SCSI,
                                            .location = (uint32_t)info->drive_count,
                                            .instance = ""};
    info->drive_count++;
    e->estate->machines[machine].pub.drives = disks;
}

void est_side(struct est *e, const char *path, vhdx_side_kind kind)
{
    struct vx_side *side = demand(vx_estate_add_side(e->estate));
    side->pub.path = side->absolute = text(e, path);
    side->pub.kind = kind;
}

void est_judge(struct est *e)
{
    vhdx_error err;
    if (vx_estate_judge(e->estate, &err) != VHDX_OK) {
        fprintf(stderr, "estate: %s\n", err.message);
        abort();
    }
}

const struct vx_disk *est_disk(const struct est *e, const char *path)
{
    for (size_t i = 0; i < e->estate->disk_count; i++)
        if (strcmp(e->estate->disks[i].pub.path, path) == 0)
            return &e->estate->disks[i];
    return NULL;
}

const char *est_status(const struct est *e, const char *path)
{
    const struct vx_disk *disk = est_disk(e, path);
    return disk ? vhdx_disk_status_name(disk->pub.status) : "(none)";
}

bool est_has_finding(const struct est *e, const char *path, const char *id)
{
    const struct vx_disk *disk = est_disk(e, path);
    for (size_t i = 0; disk && i < disk->pub.remark_count; i++)
        if (strcmp(disk->pub.remarks[i].id, id) == 0)
            return true;
    return false;
}

bool est_has_step(const struct est *e, vhdx_step_kind kind, const char *path)
{
    const struct vx_disk *disk = path ? est_disk(e, path) : NULL;
    for (size_t i = 0; i < e->estate->family_count; i++)
        for (size_t j = 0; j < e->estate->families[i].step_count; j++) {
            const vhdx_found_step *step = &e->estate->families[i].steps[j];
            if (step->kind == kind && (!path || (disk && &e->estate->disks[step->file] == disk)))
                return true;
        }
    return false;
}
