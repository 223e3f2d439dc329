/*
 * Words of advice: texts, quoted names, and the commands that more than one kind of advice gives. See adviser.h.
 * Decides nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/adviser.h"

#include "base/alloc.h"
#include "base/hyperv.h"
#include "base/quote.h"
#include "base/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *keep(struct vx_adviser *a, const char *text)
{
    const char *copy = vx_arena_text(&a->estate->arena, text);
    if (!copy)
        a->estate->no_memory = true;
    return copy ? copy : "";
}

const char *vx_advice_say(struct vx_adviser *a, const char *format, ...)
{
    char text[16384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return keep(a, text);
}

void vx_advice_step(struct vx_adviser *a, vhdx_step_kind kind, size_t file, const char *format, ...)
{
    char text[32768];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        return; /* half a command is worse than none */
    vhdx_found_step *items = vx_room_for(a->steps.items, a->steps.count, &a->steps.room, sizeof *items);
    if (!items) {
        a->estate->no_memory = true;
        return;
    }
    a->steps.items = items;
    a->steps.items[a->steps.count++] = (vhdx_found_step){kind, keep(a, text), file};
}

const char *vx_advice_quoted(struct vx_adviser *a, const char *name, bool windows)
{
    const char *text = vx_quote_shell(&a->estate->arena, name, windows);
    if (!text)
        a->estate->no_memory = true;
    return text ? text : "";
}

const char *vx_advice_powershell(struct vx_adviser *a, const char *name)
{
    const char *text = vx_quote_powershell(&a->estate->arena, name);
    if (!text)
        a->estate->no_memory = true;
    return text ? text : "";
}

const char *vx_advice_path(struct vx_adviser *a, size_t disk)
{
    return vx_advice_quoted(a, vx_advice_disk(a, disk)->pub.path, vx_advice_is_windows(a, vx_advice_disk(a, disk)));
}

const vhdx_found_reference *vx_advice_owner(const struct vx_adviser *a, size_t *disk)
{
    const vhdx_found_reference *found = NULL;
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *member = vx_advice_disk(a, a->family->files[i]);
        for (size_t j = 0; j < member->pub.reference_count; j++) {
            const vhdx_found_reference *reference = &member->pub.references[j];
            bool checkpoint = a->estate->machines[reference->config].pub.info->checkpoint;
            if (found && checkpoint)
                continue;
            found = reference;
            *disk = a->family->files[i];
            if (!checkpoint)
                return found;
        }
    }
    return found;
}

const char *vx_advice_host_path(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    for (size_t i = 0; i < disk->pub.reference_count; i++) {
        const vhdx_found_reference *r = &disk->pub.references[i];
        return a->estate->machines[r->config].pub.drives[r->disk].path;
    }
    for (size_t i = 0; i < disk->pub.child_count; i++) {
        const struct vx_disk *child = vx_advice_disk(a, disk->pub.children[i]);
        const char *path = child->parent_elsewhere ? NULL : child->pub.names.absolute_win32_path;
        if (path && vx_tail_compare(path, disk->absolute, vx_advice_is_windows(a, disk)).parts >= 2)
            return path;
    }
    size_t named_disk = VHDX_NONE;
    const vhdx_found_reference *r = vx_advice_owner(a, &named_disk);
    const struct vx_disk *other = r ? vx_advice_disk(a, named_disk) : NULL;
    size_t length = vx_tail_directory(disk->absolute);
    if (other && vx_tail_directory(other->absolute) == length &&
        strncmp(other->absolute, disk->absolute, length) == 0) {
        const char *path = a->estate->machines[r->config].pub.drives[r->disk].path;
        return vx_advice_say(a, "%.*s%s", (int)vx_tail_directory(path), path, vx_tail_name(disk->pub.path));
    }
    if (vx_advice_is_windows(a, disk))
        return disk->absolute;
    const char *near = other && other->source == disk->source
                           ? vx_tail_there(&a->estate->arena, other->absolute, vx_advice_is_windows(a, other),
                                           a->estate->machines[r->config].pub.drives[r->disk].path, disk->absolute)
                           : NULL;
    return near ? near : vx_advice_say(a, "<where the host has %s>", vx_tail_name(disk->pub.path));
}

const char *vx_advice_new_name(struct vx_adviser *a, const struct vx_disk *disk)
{
    bool windows = vx_advice_is_windows(a, disk);
    const char *extension = vx_path_extension(disk->pub.path, windows);
    int stem = (int)(extension - disk->pub.path);
    int directory = (int)(vx_path_name(disk->absolute, windows) - disk->absolute);
    const char *name = vx_advice_say(a, "%.*s-content.vhdx", stem, disk->pub.path);
    for (unsigned number = 2;; number++) {
        const char *place = vx_advice_say(a, "%.*s%s", directory, disk->absolute, vx_path_name(name, windows));
        if (vx_names_at(a->estate, a->estate->names, place, disk->source) == VHDX_NONE)
            return name;
        name = vx_advice_say(a, "%.*s-content-%u.vhdx", stem, disk->pub.path, number);
    }
}

bool vx_can_be_typed(const struct vx_adviser *a, const struct vx_disk *disk)
{
    const char *path = disk->pub.path;
    if (!vx_advice_is_windows(a, disk))
        return true;
    if (strncmp(path, "\\\\?\\", 4) == 0)
        path += 4;
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < 0x20 || strchr("\"*?<>|%", *c))
            return false;
    return true;
}

/* `line`: NULL when memory ran out. */
static void step_hyperv(struct vx_adviser *a, size_t disk, const char *line)
{
    if (!line)
        a->estate->no_memory = true;
    else
        vx_advice_step(a, VHDX_STEP_HYPERV, disk, "%s", line);
}

void vx_advice_step_set_drive(struct vx_adviser *a, const vhdx_found_reference *reference, size_t disk)
{
    const struct vx_machine *machine = &a->estate->machines[reference->config];
    const vhdx_drive *medium = &machine->pub.drives[reference->disk];
    const struct vx_hyperv_slot slot = {.machine = vx_machine_name(machine),
                                        .controller = medium->controller,
                                        .number = medium->controller_number,
                                        .location = medium->location};
    step_hyperv(a, disk, vx_hyperv_set_drive(&a->estate->arena, &slot, vx_advice_host_path(a, disk)));
}

void vx_advice_step_grant(struct vx_adviser *a, const vhdx_machine_info *info, const char *host_name, size_t disk)
{
    if (info->has_machine_id || (info->has_id && !info->checkpoint))
        step_hyperv(
            a, disk,
            vx_hyperv_grant(&a->estate->arena, host_name, info->has_machine_id ? &info->machine_id : &info->id));
}
