/*
 * Configurations read whole, from files in memory that are made key by key, and from real ones: what is found, what
 * damage does to it, and that nobody writes.
 */
/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "memory.h"
#include "vmcx.h"

#define ID "282874FC-59D6-4F30-BC04-5FDD909C82E0"
#define CHECKPOINT "0F0F0F0F-1111-4222-8333-444444444444"
#define PATH "/vm/a.vmcx"
#define DISK "C:\\VMs\\disk.vhdx"

static struct vx_memory_host *memory;
static const vhdx_host *host;
static struct vx_config *config;
static vhdx_error err;

static void begin(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
}

static void end(void)
{
    vx_config_free(config);
    vx_memory_host_free(memory);
}

TestSuite(config, .init = begin, .fini = end);

static vhdx_status read_at(const char *path)
{
    vx_config_free(config);
    config = NULL;
    memset(&err, 0, sizeof err);
    vhdx_status status = vx_config_read(host, path, 0, &config, &err);
    cr_assert((status == VHDX_OK) == (config != NULL));
    cr_assert(status == VHDX_OK || err.message[0]);
    return status;
}

static vhdx_status read_bytes(const char *path, const void *bytes, size_t size)
{
    cr_assert(vx_memory_host_put(memory, path, bytes, size));
    return read_at(path);
}

/* Takes the bytes over. */
static vhdx_status read_file(const char *path, uint8_t *bytes, size_t size)
{
    vhdx_status status = read_bytes(path, bytes, size);
    free(bytes);
    return status;
}

static bool has_text(const vhdx_texts *texts, const char *part)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strstr(texts->items[i], part))
            return true;
    return false;
}

static void expect_reason(const char *part)
{
    cr_assert_not(config->info.complete, "%s", part);
    cr_assert(has_text(&config->info.reasons, part), "no reason says '%s', the first: %s", part,
              config->info.reasons.count ? config->info.reasons.items[0] : "none");
}

static void expect_complete(void)
{
    cr_assert(config->info.complete, "%s", config->info.reasons.count ? config->info.reasons.items[0] : "?");
    cr_assert_eq(config->info.reasons.count, 0);
}

static void expect_disk(size_t i, const char *path, const char *type, vhdx_controller controller, unsigned number,
                        unsigned location)
{
    cr_assert_lt(i, config->info.drive_count);
    const vhdx_drive *disk = &config->disks[i];
    cr_assert_str_eq(disk->path, path);
    cr_assert_str_eq(disk->type, type);
    cr_assert_eq(disk->controller, controller);
    cr_assert_eq(disk->controller_number, number);
    cr_assert_eq(disk->location, location);
}

static const struct vmcx_machine plain = {.name = "Mail", .id = ID, .disks = {{DISK, NULL, VHDX_CONTROLLER_IDE, 0, 0}}};

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
        vx_memory_host_free(memory);
        begin();
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

/* ---- the traps of the container ---- */

/* A machine whose one drive is filled in by the tests. */
struct made {
    struct vmcx *v;
    int top, drive, path;
};

static struct made make(void)
{
    struct made m = {.v = vmcx_new()};
    m.top = vmcx_node(m.v, VMCX_ROOT, "configuration");
    vmcx_string(m.v, vmcx_node(m.v, m.top, "properties"), "name", "Mail");
    int device = vmcx_node(m.v, m.top, "_83f8638b-8dca-4152-9eda-2ca8b33039b4_");
    m.drive = vmcx_node(m.v, vmcx_node(m.v, device, "controller0"), "drive1");
    return m;
}

static uint8_t *build(struct made *m, size_t *size)
{
    uint8_t *file = vmcx_build(m->v, size);
    return file;
}

static void read_made(struct made *m)
{
    size_t size;
    uint8_t *file = build(m, &size);
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK, "%s", err.message);
    vmcx_free(m->v);
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

/* ---- damage ---- */

/* A small file with a disk in it, for damaging; `path` is the place of the pathname's entry. */
static uint8_t *make_file(size_t *size, size_t *path)
{
    struct made m = make();
    int key = vmcx_string(m.v, m.drive, "pathname", DISK);
    uint8_t *file = build(&m, size);
    *path = vmcx_place(m.v, key);
    vmcx_free(m.v);
    return file;
}

Test(config, either_header_is_enough_and_none_is_not)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    for (size_t copy = 0; copy < 2; copy++) {
        file[copy * VMCX_HEADER_2 + 8] ^= 1;
        cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
        expect_complete();
        cr_assert(has_text(&config->info.findings, copy ? "copy 2" : "copy 1"));
        cr_assert_eq(config->info.drive_count, 1);
        file[copy * VMCX_HEADER_2 + 8] ^= 1;
    }
    file[8] ^= 1;
    file[VMCX_HEADER_2 + 8] ^= 1;
    cr_assert_eq(read_bytes(PATH, file, size), VHDX_CORRUPT);
    free(file);
}

Test(config, two_newest_headers_are_told)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    memcpy(file + VMCX_HEADER_2, file, 46);
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("both copies");
}

Test(config, other_version_is_refused)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[11] = 5;
    vmcx_mend(file, 0, 46, 4);
    cr_assert_eq(read_file(PATH, file, size), VHDX_UNSUPPORTED);
    cr_assert(strstr(err.message, "0x0500"), "%s", err.message);
}

Test(config, wrong_checksum_of_a_path_keeps_the_disk_and_says_so)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[path + 12] ^= 1;
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("1 key has a wrong checksum");
    cr_assert_eq(config->info.drive_count, 1);
    cr_assert(config->disks[0].damaged);
}

Test(config, path_whose_parent_is_lost_is_a_hint)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    uint32_t length = vx_get32(file + path + 2);
    vx_put32(file + path + 8, vx_get32(file + path + 8) + 1); /* between two entries */
    vmcx_mend(file, path, length, 12);
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("1 key hangs nowhere");
    cr_assert_eq(config->info.drive_count, 0);
    cr_assert_str_eq(config->info.hints.items[0], DISK);
}

Test(config, keys_in_a_circle_are_told)
{
    struct made m = make();
    vmcx_string(m.v, m.drive, "pathname", DISK);
    int other = vmcx_node(m.v, m.top, "other");
    vmcx_adopt(m.v, other, vmcx_node(m.v, other, "below"));
    read_made(&m);
    expect_reason("2 keys hang nowhere");
    cr_assert_eq(config->info.drive_count, 1);
}

Test(config, table_with_a_broken_entry_keeps_what_stands_before)
{
    size_t size, path;
    const uint32_t sizes[] = {0, 5, 0x7FFFFFFF};
    for (size_t i = 0; i < 3; i++) {
        uint8_t *file = make_file(&size, &path);
        vx_put32(file + path + 2, sizes[i]);
        cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
        expect_reason("1 key table breaks off");
        cr_assert_eq(config->info.drive_count, 0);
        cr_assert_str_eq(config->info.name, "Mail");
    }
}

Test(config, damaged_entry_in_the_list_of_parts_is_told)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[VMCX_OBJECTS + 8 + 5] ^= 1;
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("list of the file's parts is damaged");
    expect_reason("none of the keys");
}

Test(config, list_of_parts_in_a_circle_has_an_end)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    uint8_t *last = file + VMCX_OBJECTS + 8 + 226 * 18;
    last[0] = 1;
    vx_put64(last + 5, VMCX_OBJECTS);
    vx_put32(last + 13, 0x1000);
    vmcx_mend(last, 0, 18, 1);
    cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
    expect_reason("has no end");
    cr_assert_eq(config->info.reasons.count, 1); /* no table was taken twice */
    cr_assert_eq(config->info.drive_count, 1);
    vx_put64(last + 5, VMCX_LOG);
    vmcx_mend(last, 0, 18, 1);
    cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
    expect_reason("breaks off");
    vx_put64(last + 5, UINT64_MAX);
    vmcx_mend(last, 0, 18, 1);
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("breaks off");
}

Test(config, missing_list_of_parts_is_corrupt)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[VMCX_OBJECTS] ^= 1;
    cr_assert_eq(read_file(PATH, file, size), VHDX_CORRUPT);
}

Test(config, file_that_ends_early_is_never_complete)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    for (size_t cut = 0; cut < path + 60; cut += cut < 64 || cut > VMCX_REST - 8 ? 1 : 499) {
        vhdx_status status = read_bytes(PATH, file, cut);
        cr_assert(status != VHDX_OK || !config->info.complete, "cut at %zu", cut);
    }
    free(file);
}

Test(config, every_flipped_bit_is_noticed_or_does_no_harm)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    size_t end = path + vx_get32(file + path + 2);
    for (size_t i = 0; i < end; i += i < 64 || i >= VMCX_REST ? 1 : i < VMCX_OBJECTS + 64 ? 7 : 101) {
        file[i] ^= 1u << i % 8;
        if (read_bytes(PATH, file, size) == VHDX_OK && config->info.complete) {
            cr_assert_eq(config->info.drive_count, 1, "byte %#zx", i);
            expect_disk(0, DISK, "", VHDX_CONTROLLER_IDE, 0, 1);
            cr_assert_str_eq(config->info.name, "Mail");
        }
        file[i] ^= 1u << i % 8;
    }
    free(file);
}

/* ---- the log ---- */

/* Two states of a machine, before and after one transaction that gives its disk another path, and the file in
 * between. */
static uint8_t *make_pending(size_t *size, uint32_t *count)
{
    size_t path;
    uint8_t *before = make_file(size, &path), *after = malloc(*size);
    memcpy(after, before, *size);
    uint8_t *text = after + path + 21 + 9 + 4; /* "pathname" and the count stand before it */
    cr_assert_eq(text[0], 'C');
    text[0] = 'X';
    text[6] = 'Y';
    vmcx_mend(after, path, vx_get32(after + path + 2), 12);
    uint8_t *file = vmcx_pending(before, after, *size, count);
    free(before);
    free(after);
    return file;
}

Test(config, pending_transaction_is_completed_in_memory)
{
    size_t size;
    uint32_t count;
    uint8_t *file = make_pending(&size, &count);
    cr_assert_geq(count, 3); /* two letters and a checksum */
    cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
    expect_complete();
    cr_assert(config->info.log_replayed);
    cr_assert(has_text(&config->info.findings, "completed in memory"));
    expect_disk(0, "X:\\YMs\\disk.vhdx", "", VHDX_CONTROLLER_IDE, 0, 1);
    uint64_t digest, again;
    cr_assert(vx_memory_host_put(memory, "/same", file, size));
    cr_assert(files_digest(host, PATH, &digest) && files_digest(host, "/same", &again));
    cr_assert_eq(digest, again, "the file was written to");
    free(file);
}

Test(config, transaction_with_a_bad_entry_or_payload_is_left_out_whole)
{
    size_t size;
    uint32_t count;
    uint8_t *file = make_pending(&size, &count);
    const size_t places[] = {VMCX_LOG + 34 + 28 * (count - 1) + 3, VMCX_LOG + VMCX_LOG_PAYLOAD};
    for (size_t i = 0; i < 2; i++) {
        file[places[i]] ^= 1;
        cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
        expect_reason("unfinished transaction");
        cr_assert_not(config->info.log_replayed);
        expect_disk(0, DISK, "", VHDX_CONTROLLER_IDE, 0, 1);
        file[places[i]] ^= 1;
    }
    free(file);
}

Test(config, log_that_promises_too_much_is_left_out)
{
    size_t size;
    uint32_t count;
    uint8_t *file = make_pending(&size, &count), *entry = file + VMCX_LOG + 34;
    const struct {
        size_t field, bytes;
        uint64_t value;
    } bad[] = {{8, 4, 0xFFFFFFFF}, {12, 8, UINT64_MAX - 4}, {12, 8, 0}, {12, 8, VMCX_LOG_SIZE}, {0, 8, UINT64_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t kept[28];
        memcpy(kept, entry, 28);
        for (size_t b = 0; b < bad[i].bytes; b++)
            entry[bad[i].field + b] = (uint8_t)(bad[i].value >> 8 * b);
        vmcx_mend(entry, 0, 28, 20);
        cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
        expect_reason("unfinished transaction");
        expect_disk(0, DISK, "", VHDX_CONTROLLER_IDE, 0, 1);
        memcpy(entry, kept, 28);
    }
    vx_put32(file + VMCX_LOG + 8, 1000000);
    vx_put32(file + VMCX_LOG + 13, 2000000);
    vmcx_mend(file, VMCX_LOG, 34, 4);
    cr_assert_eq(read_bytes(PATH, file, size), VHDX_OK);
    expect_reason("more changes than its log has room for");
    file[VMCX_LOG]++;
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("replay log cannot be read");
}

/* ---- XML, VHD sets, and what is none ---- */

Test(config, xml_of_somebody_else_is_no_configuration)
{
    static const char *const other[] = {"<configuration><appSettings/></configuration>",
                                        "<?xml version=\"1.0\"?><project><configuration/></project>"};
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(read_bytes("/app.config.xml", other[i], strlen(other[i])), VHDX_NOT_CONFIG);
    cr_assert_eq(read_bytes("/a.vhdx", "vhdxfile", 8), VHDX_NOT_CONFIG);
    cr_assert_eq(read_bytes("/a.xml", "", 0), VHDX_NOT_CONFIG);
    cr_assert_eq(read_at("/nowhere.vmcx"), VHDX_NOT_FOUND);
}

Test(config, what_is_named_as_a_configuration_and_is_broken_is_an_error)
{
    uint8_t zeros[0x4000] = {0};
    cr_assert_eq(read_bytes("/a.vmcx", zeros, sizeof zeros), VHDX_CORRUPT);
    cr_assert_eq(read_bytes("/a.VMRS", zeros, 0), VHDX_CORRUPT);
    cr_assert_eq(read_bytes("/" ID ".xml", zeros, sizeof zeros), VHDX_CORRUPT);
    cr_assert_eq(read_bytes("/" ID ".exp", "", 0), VHDX_CORRUPT);
}

Test(config, xml_that_breaks_off_keeps_what_stands_before)
{
    size_t size;
    uint8_t *file = vmcx_xml_of_machine(&plain, &size);
    cr_assert_eq(read_bytes("/a.xml", file, size / 2), VHDX_OK);
    expect_reason("not whole");
    expect_disk(0, DISK, "VHD", VHDX_CONTROLLER_IDE, 0, 0); /* known by its id alone */
    for (size_t cut = 0; cut + 40 < size; cut += 17)
        cr_assert(read_bytes("/a.xml", file, cut) != VHDX_OK || !config->info.complete, "cut at %zu", cut);
    free(file);
}

Test(config, xml_with_a_value_that_cannot_be_right_is_not_complete)
{
    static const char text[] = "<configuration><manifest/><_x_><controller0><drive0><pathname type=\"string\">C:\\a&no;"
                               ".vhdx</pathname></drive0></controller0></_x_></configuration>";
    cr_assert_eq(read_bytes("/a.xml", text, strlen(text)), VHDX_OK);
    expect_reason("1 of its values");
    cr_assert(config->disks[0].damaged);
}

/* An editor that lays XML out puts line ends into empty values, and around full ones. */
Test(config, a_path_of_blanks_is_no_disk_and_blanks_around_one_do_not_belong_to_it)
{
    static const char text[] = "<configuration><manifest/><_x_><controller0><drive0><pathname type=\"string\">\r\n    "
                               "</pathname></drive0><drive1><pathname type=\"string\">\r\n  C:\\my disk.vhdx\r\n "
                               "</pathname></drive1></controller0></_x_></configuration>";
    cr_assert_eq(read_bytes("/a.xml", text, strlen(text)), VHDX_OK);
    expect_complete();
    cr_assert_eq(config->info.drive_count, 1);
    cr_expect_str_eq(config->disks[0].path, "C:\\my disk.vhdx");
    cr_expect_eq(config->disks[0].location, 1);
}

Test(config, export_names_former_places_only)
{
    static const char text[] = "<configuration><properties><SnapShotDataRoot type=\"string\">C:\\s</SnapShotDataRoot>"
                               "</properties><vhd><source type=\"string\">C:\\a.vhd</source><target type=\"string\">"
                               "b.vhd</target></vhd></configuration>";
    cr_assert_eq(read_bytes("/config.xml", text, strlen(text)), VHDX_OK);
    expect_complete();
    cr_assert_eq(config->info.drive_count, 0);
    cr_assert_eq(config->info.hints.count, 1);
    cr_assert_str_eq(config->info.hints.items[0], "C:\\a.vhd");
}

Test(config, vhd_set_gives_the_names_in_it_and_is_never_complete)
{
    uint8_t file[2048] = {0};
    static const char wide[] = "v\001.\\set_1.avhdxrelative_path";
    for (size_t i = 0; i < sizeof wide - 1; i++)
        file[101 + 2 * i] = (uint8_t)wide[i];
    memcpy(file + 1000, "\x07two.AVHDX set.vhds", 19);
    cr_assert_eq(read_bytes("/set.vhds", file, sizeof file), VHDX_OK);
    expect_reason("not published");
    cr_assert_eq(config->info.format, VHDX_CONFIG_VHDS);
    cr_assert_eq(config->info.drive_count, 2);
    expect_disk(0, ".\\set_1.avhdx", "VHD", VHDX_CONTROLLER_NONE, 0, 0);
    expect_disk(1, "two.AVHDX", "VHD", VHDX_CONTROLLER_NONE, 0, 0);
    cr_assert_eq(read_bytes("/empty.vhds", "", 0), VHDX_OK);
    expect_reason("not published");
    cr_assert_eq(read_bytes("/nameless.vhds", ".vhdx C:\\x/.vhds D:.avhd", 24), VHDX_OK);
    cr_assert_eq(config->info.drive_count, 0, "an extension alone is no name");
}

/* ---- real files ---- */

Test(config, real_configuration_and_runtime_state)
{
    char *directory = files_directory();
    char *path = files_sample(directory, "hyperv-vm.vmcx"), *state = files_sample(directory, "hyperv-vm.vmrs");
    if (!path || !state) {
        files_remove_directory(directory);
        cr_skip_test("VHDX_SAMPLES does not have the configuration");
    }
    host = vhdx_native_host();
    cr_assert_eq(read_at(path), VHDX_OK, "%s", err.message);
    const vhdx_machine_info *info = &config->info;
    expect_complete();
    cr_assert_eq(info->format, VHDX_CONFIG_VMCX);
    cr_assert_str_eq(info->name, "Other Location");
    cr_assert_str_eq(info->id_text, ID);
    cr_assert_eq(info->version, 2304);
    cr_assert_eq(info->generation, 1);
    cr_assert_eq(info->creation_time, 0x01D7979E66456EA7);
    cr_assert_eq(info->drive_count, 1);
    expect_disk(0, "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual Hard Disks\\Other Location.vhdx", "VHD",
                VHDX_CONTROLLER_IDE, 0, 0);
    cr_assert_str_eq(info->guest_state, "C:\\Hyper-V\\EasyToFind\\Virtual Machines\\" ID ".vmgs");
    cr_assert(info->has_checkpoint_count && info->checkpoint_count == 0);
    cr_assert_not(info->merge_pending || info->checkpoint || info->clustered || info->replicated || info->log_replayed);
    cr_assert_eq(info->saved_state, VHDX_SAVED_STATE_NONE);
    cr_assert_eq(read_at(state), VHDX_OK, "%s", err.message);
    expect_complete();
    cr_assert_eq(config->info.format, VHDX_CONFIG_VMRS);
    cr_assert_eq(config->info.saved_state, VHDX_SAVED_STATE_NONE);
    cr_assert_eq(config->info.version, 2304);
    free(path);
    free(state);
    files_remove_directory(directory);
}
