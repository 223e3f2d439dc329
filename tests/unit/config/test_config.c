/*
 * Configurations read whole, from files in memory that are made key by key, and from real ones: what is found, what
 * damage does to it, and that nobody writes.
 */
/* SPDX-License-Identifier: MIT */
#include "config_parts.h"

TestSuite(config, .init = begin_memory, .fini = end);

/* ---- machines ---- */

Test(config, machine_with_all_controllers)
{
    size_t size;
    const struct vmcx_machine machine = {
        .name = "B\xC3\xBCro & <Mail>",
        .id = ID,
        .disks = {{DISK, NULL, VHDX_CONTROLLER_IDE, 0, 1},
                  {"D:\\dvd.iso", "ISO", VHDX_CONTROLLER_IDE, 1, 0},
                  {"\\\\server\\share\\\xC3\xA4.avhdx", NULL, VHDX_CONTROLLER_SCSI, 0, 3},
                  {"\\\\?\\Volume{1}\\s.vhds", NULL, VHDX_CONTROLLER_SCSI, 2, 63},
                  {"D:\\a.vfd", "VFD", VHDX_CONTROLLER_FLOPPY, 0, 0},
                  {"", NULL, VHDX_CONTROLLER_SCSI, 1, 0}},
        .checkpoints = 3,
        .merge_pending = true};
    uint8_t *(*const writers[])(const struct vmcx_machine *, size_t *) = {vmcx_of_machine, vmcx_xml_of_machine};
    for (size_t i = 0; i < 2; i++) {
        uint8_t *file = writers[i](&machine, &size);
        cr_assert_eq(read_file(i ? "/vm/a.xml" : PATH, file, size), VHDX_OK, "%s", err.message);
        expect_complete();
        const vhdx_machine_info *info = &config->info;
        cr_assert_eq(info->format, i ? VHDX_CONFIG_XML : VHDX_CONFIG_VMCX);
        cr_assert_str_eq(info->name, machine.name);
        cr_assert_str_eq(info->id_text, ID);
        cr_assert(info->has_id && info->has_machine_id);
        cr_assert_eq(memcmp(&info->id, &info->machine_id, 16), 0);
        cr_assert_eq(info->version, i ? 0x0500 : 0x0900);
        cr_assert_eq(info->creation_time, i ? 0x01D7979E66456EA7u : 0);
        cr_assert(info->has_checkpoint_count);
        cr_assert_eq(info->checkpoint_count, 3);
        cr_assert(info->merge_pending && !info->checkpoint && !info->clustered && !info->replicated);
        cr_assert_eq(info->saved_state, VHDX_SAVED_STATE_UNKNOWN);
        cr_assert_eq(info->drive_count, 5);
        expect_disk(0, DISK, "VHD", VHDX_CONTROLLER_IDE, 0, 1);
        expect_disk(1, "D:\\dvd.iso", "ISO", VHDX_CONTROLLER_IDE, 1, 0);
        /* SCSI controllers count in the order of the list of devices; XML devices come in the document's order. */
        expect_disk(2, "\\\\server\\share\\\xC3\xA4.avhdx", "VHD", VHDX_CONTROLLER_SCSI, 0, 3);
        expect_disk(3, "\\\\?\\Volume{1}\\s.vhds", "VHD", VHDX_CONTROLLER_SCSI, 2, 63);
        expect_disk(4, "D:\\a.vfd", "VFD", VHDX_CONTROLLER_FLOPPY, 0, 0);
    }
}

Test(config, checkpoint_is_known_by_its_type_or_by_its_directory)
{
    size_t size;
    struct vmcx_machine machine = plain;
    machine.id = CHECKPOINT;
    machine.machine_id = ID;
    uint8_t *file = vmcx_of_machine(&machine, &size);
    cr_assert_eq(read_bytes("/vm/a.vmcx", file, size), VHDX_OK);
    cr_assert_not(config->info.checkpoint);
    cr_assert_eq(read_bytes("/vm/snapshots/a.vmcx", file, size), VHDX_OK);
    cr_assert(config->info.checkpoint);
    cr_assert_eq(read_bytes("/vm/Snapshots2/a.vmcx", file, size), VHDX_OK);
    cr_assert_not(config->info.checkpoint);
    free(file);
    machine.type_id = "Snapshots";
    file = vmcx_of_machine(&machine, &size);
    cr_assert_eq(read_file("/vm/a.vmcx", file, size), VHDX_OK);
    cr_assert(config->info.checkpoint);
    cr_assert_str_eq(config->info.id_text, CHECKPOINT);
    char text[37];
    vhdx_guid_format(&config->info.machine_id, text);
    cr_assert_str_eq(text, "282874fc-59d6-4f30-bc04-5fdd909c82e0");
}

Test(config, saved_state_is_looked_for_beside_the_configuration)
{
    size_t size;
    uint8_t *file = vmcx_of_machine(&plain, &size), *state;
    cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
    cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_UNKNOWN);
    size_t state_size;
    state = vmcx_runtime(false, &state_size);
    cr_assert(vx_memory_host_put(memory, "/vm/a.VMRS", state, state_size));
    free(state);
    cr_assert_eq(read_at(PATH), VHDX_OK);
    cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_NONE);
    cr_assert_eq(config->info.saved_state_files.count, 0);
    state = vmcx_runtime(true, &state_size);
    cr_assert(vx_memory_host_put(memory, "/vm/a.vmrs", state, state_size));
    cr_assert_eq(read_at(PATH), VHDX_OK);
    cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_PRESENT);
    cr_assert_str_eq(config->info.saved_state_files.items[0], "/vm/a.vmrs");
    cr_assert_eq(read_at("/vm/a.vmrs"), VHDX_OK);
    cr_assert_eq(config->info.format, VHDX_CONFIG_VMRS);
    cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_PRESENT);
    /* One that cannot be read says nothing, and that is said. */
    memset(state, 0, 0x2000);
    cr_assert(vx_memory_host_put(memory, "/vm/a.vmrs", state, state_size));
    cr_assert_eq(read_at(PATH), VHDX_OK);
    cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_UNKNOWN);
    cr_assert(has_text(&config->info.findings, "runtime state"));
    expect_complete();
    free(state);
    free(file);
}

/* Before Server 2016; a checkpoint has one of its own, which is no reason to leave its machine alone. */
Test(config, saved_state_of_an_old_machine_is_a_file_in_the_folder_of_its_name)
{
    static const char *const places[] = {"/vm/a/a.vsv", "/vm/a/a.VSV", "/vm/a.vsv"};
    static const char xml[] =
        "<configuration><manifest/><properties><name type=\"string\">m</name></properties></configuration>";
    for (size_t i = 0; i < 3; i++) {
        end_memory();
        begin_memory();
        cr_assert_eq(read_bytes("/vm/a.xml", xml, sizeof xml - 1), VHDX_OK);
        cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_UNKNOWN);
        cr_assert(vx_memory_host_put(memory, places[i], "x", 1));
        cr_assert_eq(read_at("/vm/a.xml"), VHDX_OK);
        cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_PRESENT, "%s", places[i]);
        cr_assert_str_eq(config->info.saved_state_files.items[0], places[i]);
    }
    cr_assert(vx_memory_host_put(memory, "/vm/Snapshots/a/a.vsv", "x", 1));
    cr_assert_eq(read_bytes("/vm/Snapshots/a.xml", xml, sizeof xml - 1), VHDX_OK);
    cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_UNKNOWN);
}

Test(config, list_of_a_host)
{
    size_t size;
    const char *const paths[] = {"C:\\a\\1.vmcx", "D:\\b\\2.vmcx"};
    uint8_t *file = vmcx_of_host(paths, 2, &size);
    cr_assert_eq(read_file("/data.vmcx", file, size), VHDX_OK);
    expect_complete();
    cr_assert_eq(config->info.machines.count, 2);
    cr_assert_str_eq(config->info.machines.items[0], paths[0]);
    cr_assert_str_eq(config->info.machines.items[1], paths[1]);
    cr_assert_eq(config->info.drive_count, 0);
}

Test(config, remains_in_slack_and_free_entries_are_hints_and_no_disks)
{
    struct made m = make();
    m.path = vmcx_string(m.v, m.drive, "pathname", DISK);
    vmcx_slack(m.v, m.path, 120, "C:\\old\\gone.avhdx");
    vmcx_free_entry(m.v, 200, "xx\001D:\\former.vhd and more");
    vmcx_slack(m.v, vmcx_string(m.v, m.drive, "type", "VHD"), 12, "E");
    read_made(&m);
    expect_complete();
    cr_assert_eq(config->info.drive_count, 1);
    expect_disk(0, DISK, "VHD", VHDX_CONTROLLER_IDE, 0, 1);
    cr_assert_eq(config->info.hints.count, 2);
    cr_assert_str_eq(config->info.hints.items[0], "C:\\old\\gone.avhdx");
    cr_assert_str_eq(config->info.hints.items[1], "D:\\former.vhd");
}

Test(config, entry_that_was_moved_to_a_later_table_finds_its_parent)
{
    struct made m = make();
    vmcx_string(m.v, m.drive, "type", "VHD");
    vmcx_table(m.v, 8, 3);
    vmcx_string(m.v, m.drive, "pathname", DISK);
    read_made(&m);
    expect_complete();
    expect_disk(0, DISK, "VHD", VHDX_CONTROLLER_IDE, 0, 1);
}

Test(config, parent_may_stand_behind_its_child)
{
    struct made m = make();
    int path = vmcx_string(m.v, VMCX_ROOT, "pathname", DISK);
    vmcx_table(m.v, 2, 1);
    int device = vmcx_node(m.v, m.top, "_73e0f0c5-c0bc-4e16-a458-0e1c388bfee3_");
    vmcx_adopt(m.v, path, vmcx_node(m.v, vmcx_node(m.v, device, "controller0"), "drive5"));
    read_made(&m);
    expect_complete();
    expect_disk(0, DISK, "", VHDX_CONTROLLER_OTHER, 0, 5);
    cr_assert_str_eq(config->disks[0].instance, "73e0f0c5-c0bc-4e16-a458-0e1c388bfee3");
}

Test(config, every_path_counts_when_a_drive_has_two)
{
    struct made m = make();
    vmcx_string(m.v, m.drive, "pathname", DISK);
    vmcx_string(m.v, m.drive, "PathName", "C:\\other.vhdx");
    read_made(&m);
    expect_complete();
    cr_assert_eq(config->info.drive_count, 2);
    expect_disk(1, "C:\\other.vhdx", "", VHDX_CONTROLLER_IDE, 0, 1);
}

Test(config, path_in_a_file_object_is_read)
{
    struct made m = make();
    char path[4001] = "C:\\";
    memset(path + 3, 'p', sizeof path - 4);
    vmcx_in_file(m.v, vmcx_string(m.v, m.drive, "pathname", path));
    read_made(&m);
    expect_complete();
    expect_disk(0, path, "", VHDX_CONTROLLER_IDE, 0, 1);
    cr_assert_not(config->disks[0].damaged);
}

Test(config, file_object_that_the_list_does_not_have_is_damage)
{
    struct made m = make();
    size_t size;
    vmcx_in_file(m.v, vmcx_string(m.v, m.drive, "pathname", DISK));
    uint8_t *file = build(&m, &size);
    size_t object = VMCX_OBJECTS + 8 + 18; /* the first is the key table */
    cr_assert_eq(file[object], 3);
    file[object + 6] ^= 0x10;
    vmcx_mend(file, object, 18, 1);
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("long value");
    cr_assert_eq(config->info.drive_count, 1);
    cr_assert(config->disks[0].damaged);
    vmcx_free(m.v);
}

Test(config, text_that_is_longer_than_any_path_is_not_read)
{
    struct made m = make();
    char *path = calloc(1, 70000);
    memset(path, 'p', 40000);
    vmcx_in_file(m.v, vmcx_string(m.v, m.drive, "pathname", path));
    read_made(&m);
    expect_reason("longer than any path");
    cr_assert_eq(config->info.drive_count, 0);
    m = make();
    vmcx_string(m.v, m.drive, "pathname", path); /* in its table, as nobody writes it */
    read_made(&m);
    expect_reason("longer than any path");
    free(path);
}

Test(config, newest_of_two_tables_with_one_number_counts)
{
    for (uint16_t newer = 0; newer < 2; newer++) {
        struct made m = make();
        vmcx_table(m.v, 2, (uint16_t)(5 + newer));
        vmcx_string(m.v, m.drive, "pathname", "C:\\first.vhdx");
        vmcx_table(m.v, 2, (uint16_t)(6 - newer));
        vmcx_string(m.v, m.drive, "pathname", "C:\\second.vhdx");
        read_made(&m);
        expect_complete();
        cr_assert_eq(config->info.drive_count, 1);
        expect_disk(0, newer ? "C:\\first.vhdx" : "C:\\second.vhdx", "", VHDX_CONTROLLER_IDE, 0, 1);
    }
}

Test(config, two_tables_that_are_both_the_newest_are_told)
{
    struct made m = make();
    vmcx_table(m.v, 2, 5);
    vmcx_string(m.v, m.drive, "pathname", "C:\\first.vhdx");
    vmcx_table(m.v, 2, 5);
    vmcx_string(m.v, m.drive, "pathname", "C:\\second.vhdx");
    read_made(&m);
    expect_reason("two key tables");
    expect_disk(0, "C:\\first.vhdx", "", VHDX_CONTROLLER_IDE, 0, 1);
}

Test(config, list_of_parts_goes_on_in_further_tables)
{
    for (size_t entries = 2; entries < 6; entries++) {
        struct made m = make();
        vmcx_split_objects(m.v, entries);
        for (uint16_t i = 2; i < 9; i++)
            vmcx_table(m.v, i, 1);
        vmcx_string(m.v, m.drive, "pathname", DISK);
        read_made(&m);
        expect_complete();
        expect_disk(0, DISK, "", VHDX_CONTROLLER_IDE, 0, 1);
    }
}
