/*
 * Lines for the Hyper-V host. See hyperv.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/hyperv.h"

#include "base/quote.h"
#include "base/sid.h"

#include <inttypes.h>

char *vx_hyperv_set_drive(struct vx_arena *arena, const struct vx_hyperv_slot *slot, const char *path)
{
    const char *controller = slot->controller == VHDX_CONTROLLER_IDE ? "IDE" : "SCSI";
    const char *machine = slot->machine ? vx_quote_powershell(arena, slot->machine) : "NAME";
    const char *word = vx_quote_powershell(arena, path);
    if (!machine || !word)
        return NULL;
    return vx_arena_format(arena,
                           "Set-VMHardDiskDrive -VMName %s -ControllerType %s -ControllerNumber %" PRIu32
                           " -ControllerLocation %" PRIu32 " -Path %s",
                           machine, controller, slot->number, slot->location, word);
}

char *vx_hyperv_grant(struct vx_arena *arena, const char *path, const vhdx_guid *machine_id)
{
    char sid[VHDX_SID_ROOM];
    const char *word = vx_quote_powershell(arena, path);
    if (!word)
        return NULL;
    if (!machine_id)
        return vx_arena_format(arena, "icacls %s /grant 'NT VIRTUAL MACHINE\\<VM GUID>:(F)'", word);
    vx_machine_sid(machine_id, sid);
    return vx_arena_format(arena, "icacls %s /grant '*%s:(F)'", word, sid);
}
