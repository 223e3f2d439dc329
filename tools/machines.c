/*
 * Machines that use the disks of a command. See machines.h. Easy to get wrong: names come from files of strangers and
 * go into lines that somebody will paste into PowerShell, so every one of them is quoted there.
 */
/* SPDX-License-Identifier: MIT */
#include "machines.h"

#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_ROOM = 8192 };

/* ---- gathering ---- */

/* Bytes before the name in a path of this host or of Windows. */
static size_t directory_length(const char *path)
{
    size_t length = 0;
    for (size_t i = 0; path[i]; i++)
        if (path[i] == '/' || path[i] == '\\')
            length = i + 1;
    return length;
}

static char *copy(struct machines *machines, const char *text)
{
    size_t size = strlen(text ? text : "") + 1;
    char *made = malloc(size);
    if (made)
        memcpy(made, text ? text : "", size);
    else
        machines->no_memory = true;
    return made;
}

static struct machine *add(struct machines *machines)
{
    if (machines->count == machines->room) {
        size_t room = machines->room ? 2 * machines->room : 8;
        struct machine *items = realloc(machines->items, room * sizeof *items);
        if (!items) {
            machines->no_memory = true;
            return NULL;
        }
        machines->items = items;
        machines->room = room;
    }
    struct machine *machine = &machines->items[machines->count++];
    memset(machine, 0, sizeof *machine);
    return machine;
}

/* A configuration that could not be read, or not whole: its path and why. */
static void add_unread(struct machines *machines, const vhdx_config_mention *mention)
{
    if (!mention->info && mention->error->status == VHDX_NOT_CONFIG) {
        if (!texts_add(&machines->empty, mention->error->path))
            machines->no_memory = true;
        return;
    }
    const vhdx_machine_info *info = mention->info;
    const char *path = info ? info->path : mention->error->path;
    const char *why = !info                 ? mention->error->message
                      : info->reasons.count ? info->reasons.items[0]
                                            : "read in part only";
    char line[LINE_ROOM];
    snprintf(line, sizeof line, "%s: %s", path, why);
    if (!texts_add(&machines->unread, line))
        machines->no_memory = true;
}

/* A configuration may lie beside the disk and in a place that was named, or be there as a copy of the same name. */
static bool is_known(const struct machines *machines, const vhdx_config_mention *mention)
{
    for (size_t i = 0; i < machines->count; i++) {
        const struct machine *m = &machines->items[i];
        bool same = m->disk == mention->disk && m->controller == mention->drive->controller &&
                    m->controller_number == mention->drive->controller_number &&
                    m->location == mention->drive->location;
        const char *name = mention->info->name ? mention->info->name : "", *path = mention->info->path;
        same = same && strcmp(m->drive, mention->drive->path) == 0 && strcmp(m->name, name) == 0;
        if (same && strcmp(m->config + directory_length(m->config), path + directory_length(path)) == 0)
            return true;
    }
    return false;
}

static bool take_mention(void *context, const vhdx_config_mention *mention)
{
    struct machines *machines = context;
    const vhdx_machine_info *info = mention->info;
    if (!mention->drive) {
        add_unread(machines, mention);
        return !machines->no_memory;
    }
    if (is_known(machines, mention))
        return true;
    if (info->format == VHDX_CONFIG_VHDS)
        return true; /* the merge itself looks at sets beside the disks */
    struct machine *machine = add(machines);
    if (!machine)
        return false;
    machine->disk = mention->disk;
    machine->name_only = mention->name_only;
    machine->checkpoint = info->checkpoint;
    machine->saved_state = info->saved_state == VHDX_SAVED_STATE_PRESENT;
    machine->replicated = info->replicated;
    machine->merge_pending = info->merge_pending;
    machine->clustered = info->clustered;
    machine->has_id = info->has_machine_id || (info->has_id && !info->checkpoint);
    machine->id = info->has_machine_id ? info->machine_id : info->id;
    machine->controller = mention->drive->controller;
    machine->controller_number = mention->drive->controller_number;
    machine->location = mention->drive->location;
    machine->name = copy(machines, info->name);
    machine->config = copy(machines, info->path);
    machine->drive = copy(machines, mention->drive->path);
    return !machines->no_memory;
}

bool machines_find(struct machines *machines, const struct cli *cli, const char **disks, size_t disk_count,
                   const struct cli_list *configs)
{
    const vhdx_config_find_options options = {
        .struct_size = sizeof options, .configs = configs->items, .config_count = configs->count};
    vhdx_error err;
    *machines = (struct machines){.disks = disks, .disk_count = disk_count};
    if (vhdx_config_find(disks, disk_count, &options, take_mention, machines, &err) != VHDX_OK) {
        cli_fail(cli, &err);
        return false;
    }
    if (machines->no_memory)
        fputs("vhdx: out of memory while looking for configurations\n", stderr);
    return !machines->no_memory;
}

void machines_free(struct machines *machines)
{
    for (size_t i = 0; i < machines->count; i++) {
        free(machines->items[i].name);
        free(machines->items[i].config);
        free(machines->items[i].drive);
    }
    free(machines->items);
    texts_free(&machines->unread);
    texts_free(&machines->empty);
    *machines = (struct machines){0};
}

bool machines_own_child(const struct machines *machines)
{
    for (size_t i = 0; i < machines->count; i++)
        if (machines->items[i].disk == 0 && !machines->items[i].checkpoint && !machines->items[i].name_only)
            return true;
    return false;
}

/* ---- words ---- */

TOOL_PRINTF(3, 4) static void tell(struct notices *notices, vhdx_notice_kind kind, const char *format, ...)
{
    char line[LINE_ROOM];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof line) /* half a command is worse than none */
        notices_take(notices, &(vhdx_notice){.kind = kind, .text = line});
}

/* Cut names become ''. */
static void quote(const char *name, char text[LINE_ROOM / 4])
{
    vhdx_quote(name, VHDX_SHELL_POWERSHELL, text, LINE_ROOM / 4);
    if (!*text)
        strcpy(text, "''");
}

/* The machine of a checkpoint, when its configuration is there too. */
static const struct machine *machine_of(const struct machines *machines, const struct machine *checkpoint)
{
    for (size_t i = 0; i < machines->count; i++) {
        const struct machine *other = &machines->items[i];
        if (!other->checkpoint && other->has_id && checkpoint->has_id &&
            memcmp(&other->id, &checkpoint->id, sizeof other->id) == 0)
            return other;
    }
    return NULL;
}

/* Whether an earlier one has the same configuration: then what is true of all of it has been told. */
static bool was_told(const struct machines *machines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(machines->items[i].config, machines->items[n].config) == 0)
            return true;
    return false;
}

/* Of one drive. */
static void warn_of_drive(const struct machine *m, struct notices *notices, size_t touched)
{
    tell(notices, VHDX_NOTICE_DETAIL, "%s '%s' (%s) names %s%s", m->checkpoint ? "checkpoint" : "machine", m->name,
         m->config, m->drive, m->name_only ? ", perhaps another disk of that name" : "");
    if (m->disk > 0 && m->disk < touched && !m->checkpoint)
        tell(notices, VHDX_NOTICE_WARNING,
             "machine '%s' (%s) uses %s%s, not the newest layer: its disk changes under it", m->name, m->config,
             m->drive, m->name_only ? " (perhaps another disk of that name)" : "");
}

/* Of the whole configuration. */
static void warn_of(const struct machine *m, struct notices *notices, bool unfit)
{
    if (m->saved_state && unfit && !m->checkpoint)
        tell(notices, VHDX_NOTICE_WARNING,
             "machine '%s' (%s) has a saved state, and its frozen guest expects the disk as it was: discard the saved "
             "state, never resume it",
             m->name, m->config);
    if (m->merge_pending)
        tell(notices, VHDX_NOTICE_WARNING,
             "machine '%s' (%s) has a merge pending in Hyper-V itself: let the host finish it where that is possible",
             m->name, m->config);
    if (m->clustered)
        tell(notices, VHDX_NOTICE_WARNING, "machine '%s' (%s) is clustered: another node may be running it", m->name,
             m->config);
}

void machines_warn(const struct machines *machines, struct notices *notices, size_t touched, bool unfit)
{
    for (size_t i = 0; i < machines->count; i++) {
        warn_of_drive(&machines->items[i], notices, touched);
        if (!was_told(machines, i))
            warn_of(&machines->items[i], notices, unfit);
    }
    for (size_t i = 0; i < machines->unread.count; i++)
        tell(notices, VHDX_NOTICE_WARNING, "a configuration cannot be read whole and may name these disks: %s",
             machines->unread.items[i]);
    for (size_t i = 0; i < machines->empty.count; i++)
        tell(notices, VHDX_NOTICE_WARNING,
             "%s: no configuration of a virtual machine is there, nor in 'Virtual Machines' or 'Snapshots' in it",
             machines->empty.items[i]);
}

static const char *without_dot(const char *path)
{
    return path[0] == '.' && (path[1] == '/' || path[1] == '\\') ? path + 2 : path;
}

/* Where the last part of [path, end) begins. */
static size_t part_before(const char *path, size_t end)
{
    while (end > 0 && path[end - 1] != '/' && path[end - 1] != '\\')
        end--;
    return end;
}

static bool same_letters(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool letter = (a[i] >= 'A' && a[i] <= 'Z') || (a[i] >= 'a' && a[i] <= 'z');
        if (a[i] != b[i] && !(letter && (a[i] ^ b[i]) == 0x20))
            return false;
    }
    return true;
}

/* How much of both is left before the parts that they have in common at their ends, at least folder and name. false:
 * they have less in common. */
static bool common_end(const char *here, const char *there, size_t *here_left, size_t *there_left)
{
    size_t a = strlen(here), b = strlen(there);
    unsigned parts = 0;
    for (;;) {
        size_t a_part = part_before(here, a), b_part = part_before(there, b);
        if (a == a_part || a - a_part != b - b_part || !same_letters(here + a_part, there + b_part, a - a_part))
            break;
        parts++;
        *here_left = a_part;
        *there_left = b_part;
        if (a_part == 0 || b_part == 0)
            break;
        a = a_part - 1;
        b = b_part - 1;
    }
    return parts >= 2;
}

/* "mail/../bases/x" is "bases/x", where no link is on the way. Both have room for LINE_ROOM / 8; cut ones become "". */
static void without_detours(const char *path, char *made)
{
    size_t used = 0;
    made[0] = '\0';
    if (strlen(path) >= LINE_ROOM / 8)
        return;
    while (*path) {
        size_t length = strcspn(path, "/\\");
        size_t last = part_before(made, used > 0 ? used - 1 : 0);
        bool up = length == 2 && strncmp(path, "..", 2) == 0;
        bool from_here = used - last == 3 && strncmp(made + last, "..", 2) == 0;
        size_t whole = length + (path[length] != '\0');
        if (up && used > last + 1 && !from_here) {
            used = last;
        } else {
            memcpy(made + used, path, whole);
            used += whole;
        }
        path += whole;
    }
    made[used] = '\0';
}

/* The target as the machine's host knows it: beside the child or below a directory that both hosts know. Else what
 * stands there is no path, and a line with it does nothing. */
static void target_there(const struct machine *m, const char *child, const char *target, char text[LINE_ROOM / 8])
{
    char straight[LINE_ROOM / 8];
    without_detours(without_dot(target), straight);
    child = without_dot(child);
    target = straight;
    size_t length = directory_length(target), here, there;
    bool of_windows = (target[0] && target[1] == ':') || strncmp(target, "\\\\", 2) == 0;
    int written = 0;
    if (directory_length(child) == length && strncmp(child, target, length) == 0)
        written = snprintf(text, LINE_ROOM / 8, "%.*s%s", (int)directory_length(m->drive), m->drive, target + length);
    else if (of_windows)
        written = snprintf(text, LINE_ROOM / 8, "%s", target);
    else if (common_end(child, m->drive, &here, &there) && strncmp(child, target, here) == 0 &&
             !strstr(target + here, "..") && !strchr(target + here, '\\') && (here > 0 || target[0] != '/'))
        written = snprintf(text, LINE_ROOM / 8, "%.*s%s", (int)there, m->drive, target + here);
    if (written <= 0 || written >= LINE_ROOM / 8)
        snprintf(text, LINE_ROOM / 8, "<where the host has %.400s>", target + length);
    for (char *c = text; *c; c++)
        *c = *c == '/' ? '\\' : *c;
}

static void next_disk(const struct machines *machines, const struct machine *m, struct notices *notices,
                      const struct machine_change *change)
{
    char name[LINE_ROOM / 4], target[LINE_ROOM / 8], path[LINE_ROOM / 4], sid[VHDX_SID_ROOM];
    static const char *const types[] = {[VHDX_CONTROLLER_IDE] = "IDE", [VHDX_CONTROLLER_SCSI] = "SCSI"};
    bool known = m->controller == VHDX_CONTROLLER_IDE || m->controller == VHDX_CONTROLLER_SCSI;
    target_there(m, machines->disks[0], change->target, target);
    quote(m->name, name);
    quote(target, path);
    if (known)
        tell(notices, VHDX_NOTICE_NEXT,
             "Machine '%s' names %s%s. Give it the merged disk:\n  Set-VMHardDiskDrive -VMName %s -ControllerType %s "
             "-ControllerNumber %u -ControllerLocation %u -Path %s",
             m->name, m->drive, m->name_only ? " (perhaps another disk of that name)" : "", name, types[m->controller],
             m->controller_number, m->location, path);
    else
        tell(notices, VHDX_NOTICE_NEXT, "Machine '%s' names %s. Give it the merged disk %s.", m->name, m->drive,
             target);
    if (!change->new_file || !m->has_id)
        return;
    vhdx_machine_sid(&m->id, sid);
    tell(notices, VHDX_NOTICE_NEXT,
         "A new file lacks the machine's permission (else 0x80070005):\n  icacls %s /grant '*%s:(F)'", path, sid);
}

static void next_checkpoint(const struct machines *machines, const struct machine *m, struct notices *notices)
{
    char name[LINE_ROOM / 4], machine_name[LINE_ROOM / 4];
    const struct machine *machine = machine_of(machines, m);
    if (!*m->name || !machine || !*machine->name) {
        tell(notices, VHDX_NOTICE_NEXT,
             "Checkpoint '%s' (%s) names %s and can no longer be applied; remove it in Hyper-V.", m->name, m->config,
             m->drive);
        return;
    }
    quote(m->name, name);
    quote(machine->name, machine_name);
    tell(notices, VHDX_NOTICE_NEXT,
         "Checkpoint '%s' (%s) names %s and can no longer be applied; remove it in Hyper-V:\n"
         "  Remove-VMSnapshot -VMName %s -Name %s",
         m->name, m->config, m->drive, machine_name, name);
}

static void next_states(const struct machine *m, struct notices *notices)
{
    char name[LINE_ROOM / 4];
    quote(m->name, name);
    if (m->saved_state && !m->checkpoint)
        tell(notices, VHDX_NOTICE_NEXT,
             "The saved state of machine '%s' does not fit any more:\n  Remove-VMSavedState -VMName %s", m->name, name);
    if (m->replicated)
        tell(notices, VHDX_NOTICE_NEXT, "Machine '%s' is replicated:\n  Resume-VMReplication -VMName %s -Resynchronize",
             m->name, name);
}

void machines_next(const struct machines *machines, struct notices *notices, const struct machine_change *change)
{
    bool moved = change->target && strcmp(change->target, machines->disks[0]) != 0;
    for (size_t i = 0; i < machines->count; i++) {
        const struct machine *m = &machines->items[i];
        if (moved && m->disk == 0 && !m->checkpoint)
            next_disk(machines, m, notices, change);
        else if (m->checkpoint && m->disk < change->touched)
            next_checkpoint(machines, m, notices);
        if (!was_told(machines, i) && (m->disk < change->touched || (moved && m->disk == 0)))
            next_states(m, notices);
    }
}

void machines_json(struct json *json, const struct machines *machines)
{
    json_array_begin(json, "machines");
    for (size_t i = 0; i < machines->count; i++) {
        const struct machine *m = &machines->items[i];
        json_row_begin(json, NULL);
        json_text(json, "name", m->name);
        if (m->has_id)
            json_guid(json, "id", &m->id);
        else
            json_null(json, "id");
        json_text(json, "config", m->config);
        json_bool(json, "checkpoint", m->checkpoint);
        json_bool(json, "saved_state", m->saved_state);
        json_text(json, "disk", m->disk < machines->disk_count ? machines->disks[m->disk] : NULL);
        json_text(json, "drive", m->drive);
        json_bool(json, "name_only", m->name_only);
        json_object_end(json);
    }
    json_array_end(json);
}
