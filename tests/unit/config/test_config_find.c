/* Whose disks are these: where configurations are looked for, which drives are which disks, and what cannot be read. */
/* SPDX-License-Identifier: MIT */
#include "config/config_find.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "with_memory.h"
#include "vmcx.h"

#define ID "282874FC-59D6-4F30-BC04-5FDD909C82E0"
#define DISKS "/mnt/Mail/Virtual Hard Disks/"

static char told[2 * VHDX_PATH_ROOM]; /* "MACHINE:DISK " for each drive, "?PATH " for what was not read */
static size_t limit;                  /* mentions after which no more are wanted */

static void begin(void)
{
    begin_memory();
    told[0] = '\0';
    limit = SIZE_MAX;
}

TestSuite(config_find, .init = begin, .fini = end_memory);

static bool take(void *context, const vhdx_config_mention *mention)
{
    size_t used = strlen(told);
    cr_assert_eq(context, memory);
    if (mention->drive)
        snprintf(told + used, sizeof told - used, "%s:%zu%s ", mention->info->name, mention->disk,
                 mention->name_only ? "?" : "");
    else
        snprintf(told + used, sizeof told - used, "?%s ", mention->info ? mention->info->path : mention->error->path);
    return --limit > 0;
}

static void put_machine(const char *path, const char *name, const char *disk)
{
    size_t size;
    const struct vmcx_machine machine = {.name = name, .id = ID, .disks = {{disk, NULL, VHDX_CONTROLLER_SCSI, 0, 0}}};
    uint8_t *file = vmcx_of_machine(&machine, &size);
    cr_assert(vx_memory_host_put(memory, path, file, size));
    free(file);
}

static vhdx_status find(const char *config)
{
    static const char *const disks[] = {DISKS "disk_1.avhdx", DISKS "disk.vhdx"};
    const char *const configs[] = {config};
    const vhdx_config_find_options options = {.struct_size = sizeof options,
                                              .host = vx_memory_host_interface(memory),
                                              .configs = configs,
                                              .config_count = config != NULL};
    vhdx_error err;
    for (size_t i = 0; i < 2; i++)
        cr_assert(vx_memory_host_put(memory, disks[i], "", 0));
    vhdx_status status = vhdx_config_find(disks, 2, &options, take, memory, &err);
    cr_assert(status == VHDX_OK || err.message[0]);
    return status;
}

Test(config_find, looks_where_hyperv_puts_configurations)
{
    put_machine("/mnt/Mail/VIRTUAL machines/1.vmcx", "above", "D:\\x\\virtual hard disks\\DISK_1.avhdx");
    put_machine("/mnt/Mail/Snapshots/2.VMCX", "checkpoint", "D:\\Mail\\Virtual Hard Disks\\disk.vhdx");
    put_machine(DISKS "3.vmcx", "beside", "D:\\Mail\\Virtual Hard Disks\\disk.vhdx");
    put_machine(DISKS "Virtual Machines/4.vmcx", "below", "D:\\Mail\\Virtual Hard Disks\\disk.vhdx");
    put_machine("/mnt/Mail/5.vmcx", "elsewhere", "D:\\Mail\\Virtual Hard Disks\\disk.vhdx");
    put_machine("/mnt/Virtual Machines/6.vmcx", "too far", "D:\\Mail\\Virtual Hard Disks\\disk.vhdx");
    cr_assert_eq(find(NULL), VHDX_OK);
    cr_assert(strstr(told, "above:0 "), "%s", told);
    cr_assert(strstr(told, "checkpoint:1 "));
    cr_assert(strstr(told, "beside:1 "));
    cr_assert(strstr(told, "below:1 "));
    cr_assert_not(strstr(told, "elsewhere") || strstr(told, "too far"), "%s", told);
}

Test(config_find, compares_paths_from_their_ends)
{
    put_machine(DISKS "1.vmcx", "other folder", "D:\\Other\\disk.vhdx");
    put_machine(DISKS "2.vmcx", "other name", "D:\\Mail\\Virtual Hard Disks\\disk_2.vhdx");
    put_machine(DISKS "3.vmcx", "volume", "\\\\?\\Volume{1}\\Mail\\Virtual Hard Disks\\disk.vhdx");
    cr_assert_eq(find(NULL), VHDX_OK);
    cr_assert(strstr(told, "other folder:1? "), "%s", told);
    cr_assert_not(strstr(told, "other name"));
    cr_assert(strstr(told, "volume:1 "));
}

Test(config_find, takes_given_files_and_directories)
{
    put_machine("/far/a/1.vmcx", "given", "D:\\Mail\\Virtual Hard Disks\\disk.vhdx");
    put_machine("/far/a/Virtual Machines/2.vmcx", "below", "D:\\Mail\\Virtual Hard Disks\\disk.vhdx");
    cr_assert_eq(find("/far/a/1.vmcx"), VHDX_OK);
    cr_assert_str_eq(told, "given:1 ");
    told[0] = '\0';
    cr_assert_eq(find("/far/a"), VHDX_OK);
    cr_assert(strstr(told, "given:1 ") && strstr(told, "below:1 "), "%s", told);
}

Test(config_find, tells_of_what_it_cannot_read_and_passes_over_what_is_none)
{
    size_t size;
    const char *const none[] = {DISKS "disk.vhdx"};
    cr_assert(vx_memory_host_put(memory, DISKS "app.xml", "<configuration/>", 16));
    cr_assert(vx_memory_host_put(memory, DISKS "1.vmcx", none, 4));
    uint8_t *half = vmcx_of_host(none, 1, &size);
    half[VMCX_OBJECTS + 8 + 5] ^= 1;
    cr_assert(vx_memory_host_put(memory, DISKS "2.vmcx", half, size));
    free(half);
    cr_assert_eq(find(NULL), VHDX_OK);
    cr_assert(strstr(told, "?" DISKS "1.vmcx ") && strstr(told, "?" DISKS "2.vmcx "), "%s", told);
    cr_assert_not(strstr(told, "app.xml"), "%s", told);
}

/* A linked clone that is called like its golden disk: the machine uses the one that its path fits better. */
Test(config_find, of_two_disks_of_one_name_the_longer_tail_is_meant)
{
    static const char *const disks[] = {"/mnt/web/Virtual Hard Disks/disk.vhdx",
                                        "/mnt/golden/Virtual Hard Disks/disk.vhdx"};
    const vhdx_config_find_options options = {.struct_size = sizeof options, .host = vx_memory_host_interface(memory)};
    vhdx_error err;
    put_machine("/mnt/web/Virtual Machines/1.vmcx", "clone", "C:\\web\\Virtual Hard Disks\\disk.vhdx");
    put_machine("/mnt/web/Virtual Machines/2.vmcx", "either", "C:\\mail\\Virtual Hard Disks\\disk.vhdx");
    for (size_t i = 0; i < 2; i++)
        cr_assert(vx_memory_host_put(memory, disks[i], "", 0));
    cr_assert_eq(vhdx_config_find(disks, 2, &options, take, memory, &err), VHDX_OK);
    cr_expect_str_eq(told, "clone:0 either:0 either:1 ");
}

Test(config_find, a_named_place_without_any_configuration_is_told)
{
    cr_assert(vx_memory_host_put(memory, "/far/a/notes.txt", "x", 1));
    cr_assert(vx_memory_host_put(memory, "/far/app.xml", "<configuration/>", 16));
    put_machine("/far/b/1.vmcx", "other", "D:\\Mail\\other.vhdx");
    cr_assert_eq(find("/far/a"), VHDX_OK);
    cr_expect_str_eq(told, "?/far/a ");
    told[0] = '\0';
    cr_assert_eq(find("/far/app.xml"), VHDX_OK);
    cr_expect_str_eq(told, "?/far/app.xml ");
    told[0] = '\0';
    cr_assert_eq(find("/far/b"), VHDX_OK);
    cr_expect_str_eq(told, "", "a configuration of other disks is one");
}

Test(config_find, ends_when_no_more_is_wanted)
{
    for (char c = '1'; c < '6'; c++) {
        char path[] = DISKS "0.vmcx";
        path[sizeof path - 7] = c;
        put_machine(path, "m", "D:\\Virtual Hard Disks\\disk.vhdx");
    }
    limit = 2;
    cr_assert_eq(find(NULL), VHDX_OK);
    cr_assert_str_eq(told, "m:1 m:1 ");
}
