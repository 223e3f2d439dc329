/* Configurations that are damaged, have a pending log, or are none. */
/* SPDX-License-Identifier: MIT */
#include "config_parts.h"

TestSuite(config_damage, .init = begin_memory, .fini = end);

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

Test(config_damage, either_header_is_enough_and_none_is_not)
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

Test(config_damage, two_newest_headers_are_told)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    memcpy(file + VMCX_HEADER_2, file, 46);
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("both copies");
}

Test(config_damage, other_version_is_refused)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[11] = 5;
    vmcx_mend(file, 0, 46, 4);
    cr_assert_eq(read_file(PATH, file, size), VHDX_UNSUPPORTED);
    cr_assert(strstr(err.message, "0x0500"), "%s", err.message);
}

Test(config_damage, wrong_checksum_of_a_path_keeps_the_disk_and_says_so)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[path + 12] ^= 1;
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("1 key has a wrong checksum");
    cr_assert_eq(config->info.drive_count, 1);
    cr_assert(config->disks[0].damaged);
}

Test(config_damage, path_whose_parent_is_lost_is_a_hint)
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

Test(config_damage, keys_in_a_circle_are_told)
{
    struct made m = make();
    vmcx_string(m.v, m.drive, "pathname", DISK);
    int other = vmcx_node(m.v, m.top, "other");
    vmcx_adopt(m.v, other, vmcx_node(m.v, other, "below"));
    read_made(&m);
    expect_reason("2 keys hang nowhere");
    cr_assert_eq(config->info.drive_count, 1);
}

Test(config_damage, table_with_a_broken_entry_keeps_what_stands_before)
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

Test(config_damage, damaged_entry_in_the_list_of_parts_is_told)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[VMCX_OBJECTS + 8 + 5] ^= 1;
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK);
    expect_reason("list of the file's parts is damaged");
    expect_reason("none of the keys");
}

Test(config_damage, list_of_parts_in_a_circle_has_an_end)
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

Test(config_damage, missing_list_of_parts_is_corrupt)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    file[VMCX_OBJECTS] ^= 1;
    cr_assert_eq(read_file(PATH, file, size), VHDX_CORRUPT);
}

Test(config_damage, file_that_ends_early_is_never_complete)
{
    size_t size, path;
    uint8_t *file = make_file(&size, &path);
    for (size_t cut = 0; cut < path + 60; cut += cut < 64 || cut > VMCX_REST - 8 ? 1 : 499) {
        vhdx_status status = read_bytes(PATH, file, cut);
        cr_assert(status != VHDX_OK || !config->info.complete, "cut at %zu", cut);
    }
    free(file);
}

Test(config_damage, every_flipped_bit_is_noticed_or_does_no_harm)
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

Test(config_damage, pending_transaction_is_completed_in_memory)
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

Test(config_damage, transaction_with_a_bad_entry_or_payload_is_left_out_whole)
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

Test(config_damage, log_that_promises_too_much_is_left_out)
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

Test(config_damage, xml_of_somebody_else_is_no_configuration)
{
    static const char *const other[] = {"<configuration><appSettings/></configuration>",
                                        "<?xml version=\"1.0\"?><project><configuration/></project>"};
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(read_bytes("/app.config.xml", other[i], strlen(other[i])), VHDX_NOT_CONFIG);
    cr_assert_eq(read_bytes("/a.vhdx", "vhdxfile", 8), VHDX_NOT_CONFIG);
    cr_assert_eq(read_bytes("/a.xml", "", 0), VHDX_NOT_CONFIG);
    cr_assert_eq(read_at("/nowhere.vmcx"), VHDX_NOT_FOUND);
}

Test(config_damage, what_is_named_as_a_configuration_and_is_broken_is_an_error)
{
    uint8_t zeros[0x4000] = {0};
    cr_assert_eq(read_bytes("/a.vmcx", zeros, sizeof zeros), VHDX_CORRUPT);
    cr_assert_eq(read_bytes("/a.VMRS", zeros, 0), VHDX_CORRUPT);
    cr_assert_eq(read_bytes("/" ID ".xml", zeros, sizeof zeros), VHDX_CORRUPT);
    cr_assert_eq(read_bytes("/" ID ".exp", "", 0), VHDX_CORRUPT);
}

Test(config_damage, xml_that_breaks_off_keeps_what_stands_before)
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

Test(config_damage, xml_with_a_value_that_cannot_be_right_is_not_complete)
{
    static const char text[] = "<configuration><manifest/><_x_><controller0><drive0><pathname type=\"string\">C:\\a&no;"
                               ".vhdx</pathname></drive0></controller0></_x_></configuration>";
    cr_assert_eq(read_bytes("/a.xml", text, strlen(text)), VHDX_OK);
    expect_reason("1 of its values");
    cr_assert(config->disks[0].damaged);
}

/* An editor that lays XML out puts line ends into empty values, and around full ones. */
Test(config_damage, a_path_of_blanks_is_no_disk_and_blanks_around_one_do_not_belong_to_it)
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

Test(config_damage, export_names_former_places_only)
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

Test(config_damage, vhd_set_gives_the_names_in_it_and_is_never_complete)
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

Test(config_damage, real_configuration_and_runtime_state)
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
