/*
 * Gathers the machines that use some disks. See machines.h.
 */
/* SPDX-License-Identifier: MIT */
#include "config/machines.h"

#include "base/alloc.h"
#include "base/tail.h"
#include "config/config_find.h"
#include "io/io.h"

#include <string.h>

#define PATH_ROOM 4096u

static const char *keep(struct vhdx_machines *machines, const char *text)
{
    const char *copy = vx_arena_text(&machines->arena, text ? text : "");
    machines->no_memory = machines->no_memory || !copy;
    return copy;
}

static void add_text(struct vhdx_machines *machines, struct vx_machine_texts *texts, const char *text)
{
    const char **items = text ? vx_room_for(texts->items, texts->count, &texts->room, sizeof *items) : NULL;
    if (!items) {
        machines->no_memory = true;
        return;
    }
    texts->items = items;
    texts->items[texts->count++] = text;
}

/* A configuration that could not be read, or not whole. */
static void add_unread(struct vhdx_machines *machines, const vhdx_config_mention *mention)
{
    const vhdx_machine_info *info = mention->info;
    if (!info && mention->error->status == VHDX_NOT_CONFIG) {
        add_text(machines, &machines->empty, keep(machines, mention->error->path));
        return;
    }
    const char *path = info ? info->path : mention->error->path;
    const char *why = !info                 ? mention->error->message
                      : info->reasons.count ? info->reasons.items[0]
                                            : "read in part only";
    add_text(machines, &machines->unread, vx_arena_format(&machines->arena, "%s: %s", path, why));
}

static bool is_same_drive(const vhdx_drive *a, const vhdx_drive *b)
{
    return a->controller == b->controller && a->controller_number == b->controller_number &&
           a->location == b->location && strcmp(a->path, b->path) == 0;
}

/* A configuration may be found beside the disk and again in a place that was named, as a copy of the same name. */
static bool is_known(const struct vhdx_machines *machines, const vhdx_config_mention *mention)
{
    const char *name = mention->info->name ? mention->info->name : "";
    for (size_t i = 0; i < machines->count; i++) {
        const vhdx_machine *m = &machines->items[i];
        if (m->disk == mention->disk && is_same_drive(&m->drive, mention->drive) && strcmp(m->name, name) == 0 &&
            strcmp(vx_tail_name(m->config), vx_tail_name(mention->info->path)) == 0)
            return true;
    }
    return false;
}

static void add_machine(struct vhdx_machines *machines, const vhdx_config_mention *mention)
{
    const vhdx_machine_info *info = mention->info;
    vhdx_machine *items = vx_room_for(machines->items, machines->count, &machines->room, sizeof *items);
    if (!items) {
        machines->no_memory = true;
        return;
    }
    machines->items = items;
    vhdx_machine *machine = &machines->items[machines->count++];
    *machine = (vhdx_machine){.disk = mention->disk,
                              .name_only = mention->name_only,
                              .checkpoint = info->checkpoint,
                              .name = keep(machines, info->name),
                              .config = keep(machines, info->path),
                              .has_id = info->has_machine_id || (info->has_id && !info->checkpoint),
                              .id = info->has_machine_id ? info->machine_id : info->id,
                              .saved_state = info->saved_state == VHDX_SAVED_STATE_PRESENT,
                              .replicated = info->replicated,
                              .merge_pending = info->merge_pending,
                              .clustered = info->clustered,
                              .drive = *mention->drive};
    machine->drive.path = keep(machines, mention->drive->path);
    machine->drive.type = keep(machines, mention->drive->type);
    machine->drive.instance = keep(machines, mention->drive->instance);
}

static bool take_mention(void *context, const vhdx_config_mention *mention)
{
    struct vhdx_machines *machines = context;
    if (!mention->drive)
        add_unread(machines, mention);
    else if (mention->info->format != VHDX_CONFIG_VHDS && !is_known(machines, mention)) /* sets: see merge/guard.h */
        add_machine(machines, mention);
    return !machines->no_memory;
}

static const char *absolute_of(struct vhdx_machines *machines, const char *path)
{
    char text[PATH_ROOM];
    bool made = machines->host->absolute(machines->host->context, path, text, sizeof text, NULL) == VHDX_OK;
    return keep(machines, made ? text : path);
}

vhdx_status vx_machines_find(const char *const *disks, size_t disk_count, const vhdx_config_find_options *options,
                             struct vhdx_machines **out, vhdx_error *err)
{
    struct vhdx_machines *machines = vx_alloc(1, sizeof *machines);
    if (!machines)
        return vx_fail_memory(err, "the machines that use the disks");
    machines->host = vx_host_or_native(options->host);
    machines->disks = vx_arena_take(&machines->arena, disk_count, sizeof *machines->disks);
    machines->no_memory = !machines->disks;
    for (size_t i = 0; i < disk_count && !machines->no_memory; i++)
        machines->disks[machines->disk_count++] = absolute_of(machines, disks[i]);
    vhdx_status status = VHDX_OK;
    if (!machines->no_memory)
        status = vx_config_find(disks, disk_count, options, take_mention, machines, err);
    if (status == VHDX_OK && machines->no_memory)
        status = vx_fail_memory(err, "the machines that use the disks");
    if (status == VHDX_OK)
        *out = machines;
    else
        vx_machines_free(machines);
    return status;
}

void vx_machines_free(struct vhdx_machines *machines)
{
    if (!machines)
        return;
    vx_free(machines->items);
    vx_free(machines->unread.items);
    vx_free(machines->empty.items);
    vx_arena_clear(&machines->arena);
    vx_free(machines);
}

bool vx_machines_own_first(const struct vhdx_machines *machines)
{
    for (size_t i = 0; i < machines->count; i++)
        if (machines->items[i].disk == 0 && !machines->items[i].checkpoint && !machines->items[i].name_only)
            return true;
    return false;
}

size_t vx_machines_number(const struct vhdx_machines *machines, const char *path)
{
    char text[PATH_ROOM];
    bool made = machines->host->absolute(machines->host->context, path, text, sizeof text, NULL) == VHDX_OK;
    for (size_t i = 0; i < machines->disk_count; i++)
        if (strcmp(machines->disks[i], made ? text : path) == 0)
            return i;
    return machines->disk_count;
}
