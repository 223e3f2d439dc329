/* The machines of some disks: which are kept, what is told before, and what is to be done for each of them. */
/* SPDX-License-Identifier: MIT */
#include "config/machines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "with_memory.h"
#include "vmcx.h"

#define ID "282874FC-59D6-4F30-BC04-5FDD909C82E0"
#define DISKS "/mnt/Mail/Virtual Hard Disks/"
#define THERE "D:\\Mail\\Virtual Hard Disks\\"

static vhdx_machines *machines;
static char told[16384]; /* "KIND TEXT\n" for each notice */

static void begin(void)
{
    begin_memory();
    told[0] = '\0';
}

static void end(void)
{
    vhdx_machines_free(machines);
    machines = NULL;
    end_memory();
}

TestSuite(machines, .init = begin, .fini = end);

static void take(void *context, const vhdx_notice *notice)
{
    size_t used = strlen(told);
    cr_assert_eq(context, memory);
    snprintf(told + used, sizeof told - used, "%d %s\n", (int)notice->kind, notice->text);
}

static void put_machine(const char *path, const char *name, const char *disk)
{
    size_t size;
    const struct vmcx_machine machine = {.name = name, .id = ID, .disks = {{disk, NULL, VHDX_CONTROLLER_SCSI, 1, 2}}};
    uint8_t *file = vmcx_of_machine(&machine, &size);
    cr_assert(vx_memory_host_put(memory, path, file, size));
    free(file);
}

static void find(void)
{
    static const char *const disks[] = {DISKS "disk_1.avhdx", DISKS "disk.vhdx"};
    const vhdx_config_find_options options = {.struct_size = sizeof options, .host = vx_memory_host_interface(memory)};
    vhdx_error err;
    for (size_t i = 0; i < 2; i++)
        cr_assert(vx_memory_host_put(memory, disks[i], "", 0));
    cr_assert_eq(vhdx_machines_find(disks, 2, &options, &machines, &err), VHDX_OK, "%s", err.message);
}

static void tell_next(const char *target, bool new_file)
{
    const vhdx_machine_change change = {
        .struct_size = sizeof change, .touched = 2, .target = target, .new_file = new_file};
    told[0] = '\0';
    vhdx_machines_next(machines, &change, take, memory);
}

Test(machines, a_copy_of_a_configuration_counts_once)
{
    put_machine(DISKS "1.vmcx", "mail", THERE "disk_1.avhdx");
    put_machine("/mnt/Mail/Virtual Machines/1.vmcx", "mail", THERE "disk_1.avhdx");
    put_machine("/mnt/Mail/Virtual Machines/2.vmcx", "other", THERE "disk_1.avhdx");
    find();
    cr_assert_eq(vhdx_machines_count(machines), 2);
    cr_expect_null(vhdx_machines_item(machines, 2));
    cr_expect_str_eq(vhdx_machines_item(machines, 0)->drive.path, THERE "disk_1.avhdx");
}

Test(machines, the_line_has_the_slot_the_quoted_name_and_the_path_of_that_host)
{
    put_machine(DISKS "1.vmcx", "it's", THERE "disk_1.avhdx");
    find();
    tell_next(DISKS "disk.vhdx", false);
    cr_expect(strstr(told, "Set-VMHardDiskDrive -VMName 'it''s' -ControllerType SCSI -ControllerNumber 1 "
                           "-ControllerLocation 2 -Path '" THERE "disk.vhdx'\n"),
              "%s", told);
    cr_expect_not(strstr(told, "icacls"));
}

Test(machines, a_new_file_in_a_directory_that_both_hosts_have_gets_its_path_and_access)
{
    put_machine(DISKS "1.vmcx", "mail", THERE "disk_1.avhdx");
    find();
    tell_next("/mnt/Mail/new/disk.vhdx", true);
    cr_expect(strstr(told, "-Path 'D:\\Mail\\new\\disk.vhdx'\n"), "%s", told);
    cr_expect(strstr(told, "icacls 'D:\\Mail\\new\\disk.vhdx' /grant '*S-1-5-83-1-673740028-"), "%s", told);
}

Test(machines, a_target_that_the_host_may_not_have_becomes_no_path)
{
    put_machine(DISKS "1.vmcx", "mail", THERE "disk_1.avhdx");
    find();
    tell_next("/elsewhere/disk.vhdx", false);
    cr_expect(strstr(told, "-Path '<where the host has disk.vhdx>'"), "%s", told);
}

Test(machines, where_the_content_stays_in_its_file_no_disk_is_set)
{
    put_machine(DISKS "1.vmcx", "mail", THERE "disk_1.avhdx");
    find();
    tell_next(DISKS "disk_1.avhdx", false);
    cr_expect_str_eq(told, "");
}

Test(machines, a_machine_on_a_lower_layer_is_warned_of)
{
    const vhdx_machine_change change = {.struct_size = sizeof change, .touched = 2};
    const vhdx_machine_change above = {.struct_size = sizeof change, .touched = 1};
    put_machine(DISKS "1.vmcx", "mail", THERE "disk.vhdx");
    find();
    cr_expect_not(vx_machines_own_first(machines));
    vhdx_machines_warn(machines, &above, take, memory);
    cr_expect_not(strstr(told, "its disk changes under it"), "%s", told);
    vhdx_machines_warn(machines, &change, take, memory);
    cr_expect(strstr(told, "its disk changes under it"), "%s", told);
}

/* vx_notice() cuts at 4 KiB, and half a command does something else than the whole one. */
Test(machines, a_long_path_is_not_cut_in_a_line)
{
    char there[6200] = "D:\\";
    for (size_t i = 0; i < 600; i++)
        strcat(there, "directory\\");
    strcat(there, "Mail\\Virtual Hard Disks\\disk_1.avhdx");
    put_machine(DISKS "1.vmcx", "mail", there);
    find();
    cr_assert_eq(vhdx_machines_count(machines), 1);
    tell_next(DISKS "disk.vhdx", false);
    cr_expect(strstr(told, "\\Mail\\Virtual Hard Disks\\disk.vhdx'\n"), "%s", told);
}
