/*
 * What is told of the machines that use some disks. See machines.h. A configuration may name several
 * of the disks, and what is true of the whole configuration is told once.
 */
/* SPDX-License-Identifier: MIT */
#include "config/machines.h"

#include "base/guid.h"
#include "base/hyperv.h"
#include "base/notice.h"
#include "base/path.h"
#include "base/quote.h"
#include "base/tail.h"

#include <string.h>

#define PATH_ROOM 4096u

/* The notices of one call; what is put together for them goes with it. */
struct telling {
    const struct vhdx_machines *machines;
    const vhdx_machine_change *change;
    vhdx_notice_fn notice;
    void *context;
    struct vx_arena arena;
};

/* `text` NULL: memory ran out, and the notice is left out. Never cut, for half a command is worse than none. */
static void tell(struct telling *t, vhdx_notice_kind kind, const char *text)
{
    if (text)
        vx_notice_advised(t->notice, t->context, &(vhdx_notice){.kind = kind, .text = text});
}

/* The machine that a checkpoint belongs to, when its configuration was found too. */
static const vhdx_machine *machine_of(const struct vhdx_machines *machines, const vhdx_machine *checkpoint)
{
    for (size_t i = 0; i < machines->count; i++) {
        const vhdx_machine *other = &machines->items[i];
        if (!other->checkpoint && other->has_id && checkpoint->has_id && vx_guid_equal(&other->id, &checkpoint->id))
            return other;
    }
    return NULL;
}

/* Whether an earlier one has the same configuration. */
static bool was_told(const struct vhdx_machines *machines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(machines->items[i].config, machines->items[n].config) == 0)
            return true;
    return false;
}

static void warn_of_drive(struct telling *t, const vhdx_machine *m)
{
    tell(t, VHDX_NOTICE_DETAIL,
         vx_arena_format(&t->arena, "%s '%s' (%s) names %s%s", m->checkpoint ? "checkpoint" : "machine", m->name,
                         m->config, m->drive.path, m->name_only ? ", perhaps another disk of that name" : ""));
    if (m->disk > 0 && m->disk < t->change->touched && !m->checkpoint)
        tell(t, VHDX_NOTICE_WARNING,
             vx_arena_format(&t->arena, "machine '%s' (%s) uses %s%s, not the newest layer: its disk changes under it",
                             m->name, m->config, m->drive.path,
                             m->name_only ? " (perhaps another disk of that name)" : ""));
}

static void warn_of_machine(struct telling *t, const vhdx_machine *m)
{
    if (m->saved_state && t->change->state_unfit && !m->checkpoint)
        tell(t, VHDX_NOTICE_WARNING,
             vx_arena_format(
                 &t->arena,
                 "machine '%s' (%s) has a saved state, and its frozen guest expects the disk as it was: discard the "
                 "saved state, never resume it",
                 m->name, m->config));
    if (m->merge_pending)
        tell(t, VHDX_NOTICE_WARNING,
             vx_arena_format(
                 &t->arena,
                 "machine '%s' (%s) has a merge pending in Hyper-V itself: let the host finish it where that is "
                 "possible",
                 m->name, m->config));
    if (m->clustered)
        tell(t, VHDX_NOTICE_WARNING,
             vx_arena_format(&t->arena, "machine '%s' (%s) is clustered: another node may be running it", m->name,
                             m->config));
}

void vx_machines_warn(const struct vhdx_machines *machines, const vhdx_machine_change *change, vhdx_notice_fn notice,
                      void *context)
{
    struct telling t = {.machines = machines, .change = change, .notice = notice, .context = context};
    for (size_t i = 0; i < machines->count; i++) {
        warn_of_drive(&t, &machines->items[i]);
        if (!was_told(machines, i))
            warn_of_machine(&t, &machines->items[i]);
    }
    for (size_t i = 0; i < machines->unread.count; i++)
        tell(&t, VHDX_NOTICE_WARNING,
             vx_arena_format(&t.arena, "a configuration cannot be read whole and may name these disks: %s",
                             machines->unread.items[i]));
    for (size_t i = 0; i < machines->empty.count; i++)
        tell(&t, VHDX_NOTICE_WARNING,
             vx_arena_format(
                 &t.arena,
                 "%s: no configuration of a virtual machine is there, nor in 'Virtual Machines' or 'Snapshots' in it",
                 machines->empty.items[i]));
    vx_arena_clear(&t.arena);
}

/*
 * The target as the machine's host knows it: beside the child, or below a directory that both hosts have. Where that is
 * not known the text is no path, so that a line with it fails instead of attaching the wrong file.
 */
static const char *target_there(struct telling *t, const vhdx_machine *m)
{
    const vhdx_host *host = t->machines->host;
    const char *child = t->machines->disks[0];
    char here[PATH_ROOM];
    if (host->absolute(host->context, t->change->target, here, sizeof here, NULL) != VHDX_OK)
        here[0] = '\0';
    const char *target = here[0] ? here : t->change->target;
    const char *name = vx_path_name(target, host->windows_paths);
    size_t length = (size_t)(name - target);
    const char *there = m->drive.path;
    if (strncmp(child, target, length) == 0 && vx_path_name(child, host->windows_paths) == child + length)
        return vx_arena_format(&t->arena, "%.*s%s", (int)vx_tail_directory(there), there, name);
    const char *path =
        host->windows_paths ? vx_arena_text(&t->arena, target) : vx_tail_there(&t->arena, child, false, there, target);
    return path ? path : vx_arena_format(&t->arena, "<where the host has %s>", name);
}

static void next_disk(struct telling *t, const vhdx_machine *m)
{
    const struct vx_hyperv_slot slot = {.machine = m->name,
                                        .controller = m->drive.controller,
                                        .number = m->drive.controller_number,
                                        .location = m->drive.location};
    bool is_known = m->drive.controller == VHDX_CONTROLLER_IDE || m->drive.controller == VHDX_CONTROLLER_SCSI;
    const char *target = target_there(t, m);
    const char *line = target && is_known ? vx_hyperv_set_drive(&t->arena, &slot, target) : NULL;
    if (line)
        tell(t, VHDX_NOTICE_NEXT,
             vx_arena_format(&t->arena, "Machine '%s' names %s%s. Give it the merged disk:\n  %s", m->name,
                             m->drive.path, m->name_only ? " (perhaps another disk of that name)" : "", line));
    else
        tell(t, VHDX_NOTICE_NEXT,
             vx_arena_format(&t->arena, "Machine '%s' names %s. Give it the merged disk %s.", m->name, m->drive.path,
                             target ? target : t->change->target));
    line = target && t->change->new_file && m->has_id ? vx_hyperv_grant(&t->arena, target, &m->id) : NULL;
    if (line)
        tell(t, VHDX_NOTICE_NEXT,
             vx_arena_format(&t->arena, "A new file lacks the machine's permission (else 0x80070005):\n  %s", line));
}

static void next_checkpoint(struct telling *t, const vhdx_machine *m)
{
    const vhdx_machine *machine = machine_of(t->machines, m);
    bool is_known = *m->name && machine && *machine->name;
    const char *name = is_known ? vx_quote_powershell(&t->arena, m->name) : NULL;
    const char *owner = name ? vx_quote_powershell(&t->arena, machine->name) : NULL;
    if (owner)
        tell(t, VHDX_NOTICE_NEXT,
             vx_arena_format(&t->arena,
                             "Checkpoint '%s' (%s) names %s and can no longer be applied; remove it in Hyper-V:\n"
                             "  Remove-VMSnapshot -VMName %s -Name %s",
                             m->name, m->config, m->drive.path, owner, name));
    else
        tell(t, VHDX_NOTICE_NEXT,
             vx_arena_format(&t->arena,
                             "Checkpoint '%s' (%s) names %s and can no longer be applied; remove it in Hyper-V.",
                             m->name, m->config, m->drive.path));
}

static void next_states(struct telling *t, const vhdx_machine *m)
{
    const char *name = vx_quote_powershell(&t->arena, m->name);
    if (m->saved_state && !m->checkpoint && name)
        tell(t, VHDX_NOTICE_NEXT,
             vx_arena_format(&t->arena,
                             "The saved state of machine '%s' does not fit any more:\n  Remove-VMSavedState -VMName %s",
                             m->name, name));
    if (m->replicated && name)
        tell(t, VHDX_NOTICE_NEXT,
             vx_arena_format(&t->arena, "Machine '%s' is replicated:\n  Resume-VMReplication -VMName %s -Resynchronize",
                             m->name, name));
}

void vx_machines_next(const struct vhdx_machines *machines, const vhdx_machine_change *change, vhdx_notice_fn notice,
                      void *context)
{
    struct telling t = {.machines = machines, .change = change, .notice = notice, .context = context};
    bool moved = change->target && vx_machines_number(machines, change->target) != 0;
    for (size_t i = 0; i < machines->count; i++) {
        const vhdx_machine *m = &machines->items[i];
        bool is_owner = moved && m->disk == 0;
        if (is_owner && !m->checkpoint)
            next_disk(&t, m);
        else if (m->checkpoint && m->disk < change->touched)
            next_checkpoint(&t, m);
        if (!was_told(machines, i) && (m->disk < change->touched || is_owner))
            next_states(&t, m);
    }
    vx_arena_clear(&t.arena);
}
