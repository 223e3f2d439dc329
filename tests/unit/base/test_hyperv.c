/* Lines for the Hyper-V host. */
/* SPDX-License-Identifier: MIT */
#include "base/hyperv.h"

#include <criterion/criterion.h>

Test(hyperv, names_and_paths_are_quoted)
{
    struct vx_arena arena = {0};
    const struct vx_hyperv_slot slot = {"a'; rm *", VHDX_CONTROLLER_IDE, 1, 0};
    cr_expect_str_eq(vx_hyperv_set_drive(&arena, &slot, "D:\\it's"),
                     "Set-VMHardDiskDrive -VMName 'a''; rm *' -ControllerType IDE -ControllerNumber 1 "
                     "-ControllerLocation 0 -Path 'D:\\it''s'");
    vx_arena_clear(&arena);
}

Test(hyperv, what_is_not_known_is_to_be_filled_in)
{
    struct vx_arena arena = {0};
    const struct vx_hyperv_slot slot = {0};
    cr_expect_str_eq(vx_hyperv_set_drive(&arena, &slot, "d"),
                     "Set-VMHardDiskDrive -VMName NAME -ControllerType SCSI -ControllerNumber 0 -ControllerLocation 0 "
                     "-Path 'd'");
    cr_expect_str_eq(vx_hyperv_grant(&arena, "d", NULL), "icacls 'd' /grant 'NT VIRTUAL MACHINE\\<VM GUID>:(F)'");
    vx_arena_clear(&arena);
}
