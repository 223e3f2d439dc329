/*
 * Records and their memory. See estate.h. Nothing is judged here.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/estate.h"

#include "base/advice.h"
#include "base/alloc.h"
#include "base/path.h"
#include "estate/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vx_estate *vx_estate_new(void)
{
    return vx_alloc(1, sizeof(struct vx_estate));
}

void vx_estate_free(struct vx_estate *estate)
{
    if (!estate)
        return;
    for (size_t i = 0; i < estate->machine_count; i++)
        vx_config_free(estate->machines[i].config);
    vx_free(estate->disks);
    vx_free(estate->machines);
    vx_free(estate->sides);
    vx_free(estate->places);
    vx_names_free(estate->names);
    vx_arena_clear(&estate->arena);
    vx_free(estate);
}

struct vx_disk *vx_estate_add_disk(struct vx_estate *estate)
{
    struct vx_disk *disks = vx_room_for(estate->disks, estate->disk_count, &estate->disk_room, sizeof *estate->disks);
    if (!disks)
        return NULL;
    estate->disks = disks;
    struct vx_disk *disk = &estate->disks[estate->disk_count++];
    memset(disk, 0, sizeof *disk);
    disk->pub.parent = disk->pub.suspect = disk->pub.twin = disk->pub.family = disk->first_side = VHDX_NONE;
    return disk;
}

struct vx_machine *vx_estate_add_machine(struct vx_estate *estate)
{
    struct vx_machine *machines =
        vx_room_for(estate->machines, estate->machine_count, &estate->machine_room, sizeof *estate->machines);
    if (!machines)
        return NULL;
    estate->machines = machines;
    struct vx_machine *machine = &estate->machines[estate->machine_count++];
    memset(machine, 0, sizeof *machine);
    return machine;
}

struct vx_side *vx_estate_add_side(struct vx_estate *estate)
{
    struct vx_side *sides = vx_room_for(estate->sides, estate->side_count, &estate->side_room, sizeof *estate->sides);
    if (!sides)
        return NULL;
    estate->sides = sides;
    struct vx_side *side = &estate->sides[estate->side_count++];
    memset(side, 0, sizeof *side);
    side->pub.file = side->next_side = VHDX_NONE;
    return side;
}

bool vx_estate_add_place(struct vx_estate *estate, const char *path, bool searched, const char *reason)
{
    return vx_estate_put_place(estate, &(vhdx_found_place){.path = path, .searched = searched, .reason = reason});
}

bool vx_estate_put_place(struct vx_estate *estate, const vhdx_found_place *told)
{
    vhdx_found_place *places =
        vx_room_for(estate->places, estate->place_count, &estate->place_room, sizeof *estate->places);
    if (!places)
        return false;
    estate->places = places;
    vhdx_found_place *place = &estate->places[estate->place_count++];
    *place = (vhdx_found_place){vx_arena_text(&estate->arena, told->path), told->searched,
                                vx_arena_text(&estate->arena, told->reason), told->nowhere};
    return place->path && (place->reason || !told->reason);
}

static void add_note(struct vx_estate *estate, struct vx_notes *notes, enum vx_remark number, vhdx_severity severity,
                     const char *format, va_list arguments)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, arguments);
    struct vx_note *note = vx_arena_take(&estate->arena, 1, sizeof *note);
    const char *message = vx_arena_text(&estate->arena, text);
    if (!note || !message) {
        estate->no_memory = true;
        return;
    }
    note->number = number;
    note->finding = (vhdx_remark){vx_remark_id(number), severity, message, VHDX_ADVICE_NONE, ""};
    if (notes->last)
        notes->last->next = note;
    else
        notes->first = note;
    notes->last = note;
    notes->count++;
}

void vx_estate_note(struct vx_estate *estate, struct vx_notes *notes, enum vx_remark number, vhdx_severity severity,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_note(estate, notes, number, severity, format, arguments);
    va_end(arguments);
}

void vx_estate_note_disk(struct vx_estate *estate, struct vx_disk *disk, enum vx_remark number, vhdx_severity severity,
                         const char *format, ...)
{
    bool aside = vx_disk_is_quarantined(disk) && !disk->is_needed;
    va_list arguments;
    va_start(arguments, format);
    add_note(estate, &disk->notes, number, aside ? VHDX_SEVERITY_INFO : severity, format, arguments);
    va_end(arguments);
}

void vx_estate_note_advice(struct vx_notes *notes, vhdx_advice advice)
{
    if (!notes->last)
        return; /* there was no memory for it */
    notes->last->finding.advice = advice;
    notes->last->finding.advice_text = vx_advice_words(advice);
}

const vhdx_remark *vx_estate_notes(struct vx_estate *estate, const struct vx_notes *notes)
{
    vhdx_remark *array = vx_arena_take(&estate->arena, notes->count, sizeof *array);
    size_t count = 0;
    if (!array)
        estate->no_memory = true;
    for (const struct vx_note *note = notes->first; array && note; note = note->next)
        array[count++] = note->finding;
    return array;
}

static int by_source_and_path(unsigned a_source, const char *a, unsigned b_source, const char *b)
{
    int order = strcmp(a, b);
    return order ? order : a_source < b_source ? -1 : a_source > b_source;
}

static int disk_order(const void *a, const void *b)
{
    const struct vx_disk *first = a, *second = b;
    return by_source_and_path(first->source, first->pub.path, second->source, second->pub.path);
}

static int machine_order(const void *a, const void *b)
{
    const struct vx_machine *first = a, *second = b;
    return by_source_and_path(first->source, first->pub.path, second->source, second->pub.path);
}

static int side_order(const void *a, const void *b)
{
    const struct vx_side *first = a, *second = b;
    return by_source_and_path(first->source, first->pub.path, second->source, second->pub.path);
}

static int place_order(const void *a, const void *b)
{
    const vhdx_found_place *first = a, *second = b;
    if (first->searched != second->searched)
        return first->searched ? -1 : 1;
    return strcmp(first->path, second->path);
}

static void sort(void *items, size_t count, size_t size, int (*order)(const void *, const void *))
{
    if (count > 1)
        qsort(items, count, size, order);
}

void vx_estate_sort(struct vx_estate *estate)
{
    sort(estate->disks, estate->disk_count, sizeof *estate->disks, disk_order);
    sort(estate->machines, estate->machine_count, sizeof *estate->machines, machine_order);
    sort(estate->sides, estate->side_count, sizeof *estate->sides, side_order);
    sort(estate->places, estate->place_count, sizeof *estate->places, place_order);
}

size_t vx_disk_live_children(const struct vx_estate *estate, const struct vx_disk *disk)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->pub.child_count; i++)
        count += !vx_disk_is_quarantined(&estate->disks[disk->pub.children[i]]);
    return count;
}

bool vx_disk_is_clone(const struct vx_estate *estate, const struct vx_disk *disk)
{
    if (!vx_disk_is_differencing(disk) || disk->pub.parent == VHDX_NONE)
        return false;
    const struct vx_disk *parent = &estate->disks[disk->pub.parent];
    bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
    size_t length = (size_t)(vx_path_name(disk->absolute, windows) - disk->absolute);
    bool beside = parent->source == disk->source &&
                  (size_t)(vx_path_name(parent->absolute, windows) - parent->absolute) == length &&
                  strncmp(parent->absolute, disk->absolute, length) == 0;
    return !beside || vx_path_has_extension(disk->absolute, ".vhdx", windows) ||
           vx_path_has_extension(disk->absolute, ".vhd", windows);
}

const char *vx_machine_name(const struct vx_machine *machine)
{
    return machine->pub.info->name && machine->pub.info->name[0] ? machine->pub.info->name : machine->pub.path;
}
