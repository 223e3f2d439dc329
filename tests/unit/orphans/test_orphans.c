/*
 * The search over real directories: what each file is, links, loops, damage, names of all kinds, threads; and the large
 * estate with its planted problems.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans_parts.h"

TestSuite(orphans, .init = open_forest, .fini = close_forest);

Test(orphans, a_chain_of_a_machine_belongs_together)
{
    vhdx_guid b = base("web/disk.vhdx");
    child("web/disk_1.avhdx", &b, ".\\disk.vhdx");
    machine("web/Virtual Machines/vm.vmcx", "D:\\VMs\\web\\disk_1.avhdx");
    search();
    expect_status("web/disk.vhdx", "in-use-by-vm");
    expect_status("web/disk_1.avhdx", "in-use-by-vm");
    cr_expect_eq(problems(), 0);
    cr_expect_eq(vhdx_orphans_totals(found)->config_count, 1);
    cr_expect_str_eq(vhdx_orphans_config(found, 0)->info->name, "web");
    cr_expect_eq(vhdx_orphans_config(found, 0)->files[0], 1);
    cr_expect_eq(file("web/disk.vhdx")->kind, VHDX_DISK_KIND_DYNAMIC);
    cr_expect_eq(file("web/disk_1.avhdx")->kind, VHDX_DISK_KIND_DIFFERENCING);
    cr_expect_eq(file("web/disk_1.avhdx")->virtual_size, 4 << 20);
}

Test(orphans, names_of_all_kinds_are_found)
{
    vhdx_guid b = base("\xE6\x9C\xBA/\xF0\x9F\x92\xBE disk's.vhdx");
    child("\xE6\x9C\xBA/-leaf.avhdx", &b, ".\\\xF0\x9F\x92\xBE DISK'S.vhdx");
    machine("vm.xml", "E:\\\xE6\x9C\xBA\\-LEAF.avhdx");
    search();
    expect_status("\xE6\x9C\xBA/-leaf.avhdx", "in-use-by-vm");
    expect_status("\xE6\x9C\xBA/\xF0\x9F\x92\xBE disk's.vhdx", "in-use-by-vm");
    cr_expect_eq(problems(), 0);
}

Test(orphans, long_paths_are_found)
{
    char name[3000] = "";
    for (size_t i = 0; i < 20; i++)
        snprintf(name + strlen(name), sizeof name - strlen(name), "%0120zu/", i);
    strcat(name, "disk.vhdx");
    base(name);
    search();
    expect_status(name, "standalone");
}

Test(orphans, hard_links_are_one_disk)
{
    base("a/disk.vhdx");
    char *from = forest_path(&forest, "a/disk.vhdx"), *to = forest_path(&forest, "b/other.vhdx");
    cr_assert_eq(link(from, to), 0);
    machine("vm.xml", "D:\\b\\other.vhdx");
    search();
    cr_expect_eq(vhdx_orphans_totals(found)->file_count, 1);
    expect_status("a/disk.vhdx", "in-use-by-vm");
    cr_assert_eq(file("a/disk.vhdx")->other_name_count, 1);
    cr_expect_str_eq(file("a/disk.vhdx")->other_names[0], to);
    free(from);
    free(to);
}

Test(orphans, loops_of_links_end_and_links_to_nowhere_are_passed_over)
{
    base("a/b/disk.vhdx");
    char *loop = forest_path(&forest, "a/b/loop"), *nowhere = forest_path(&forest, "a/nowhere.vhdx");
    char *again = forest_path(&forest, "again"), *to_file = forest_path(&forest, "a/link.vhdx");
    cr_assert_eq(symlink("../..", loop), 0);
    cr_assert_eq(symlink("gone", nowhere), 0);
    cr_assert_eq(symlink("a", again), 0);
    cr_assert_eq(symlink("b/disk.vhdx", to_file), 0);
    search();
    cr_expect_eq(vhdx_orphans_totals(found)->file_count, 1);
    cr_expect_eq(vhdx_orphans_totals(found)->directories_seen, 3);
    expect_status("a/b/disk.vhdx", "standalone");
    cr_expect_eq(problems(), 0);
    free(loop);
    free(nowhere);
    free(again);
    free(to_file);
}

static const vhdx_found_place *place_of(const char *name)
{
    char *path = files_path(forest.directory, name);
    const vhdx_found_place *at, *it = NULL;
    for (size_t i = 0; (at = vhdx_orphans_place(found, i)) != NULL; i++)
        if (strcmp(at->path, path) == 0)
            it = at;
    free(path);
    return it;
}

Test(orphans, a_link_to_itself_is_told_and_holds_no_advice_up)
{
    vhdx_guid b = base("a/disk.vhdx");
    child("a/leaf.avhdx", &b, ".\\disk.vhdx");
    char *self = forest_path(&forest, "c/self"), *out = forest_path(&forest, "c/etc"),
         *gone = forest_path(&forest, "c/gone");
    cr_assert_eq(symlink("self", self), 0);
    cr_assert_eq(symlink("/dev/null", out), 0);
    cr_assert_eq(symlink("nowhere", gone), 0);
    search();
    cr_assert_not_null(place_of("c/self"));
    cr_expect(place_of("c/self")->nowhere);
    cr_expect(place_of("c/gone") && place_of("c/gone")->nowhere);
    cr_expect_null(place_of("c/etc"));
    cr_expect_gt(vhdx_orphans_family(found, 0)->step_count, 1);
    cr_expect_gt(vhdx_orphans_family(found, 0)->reclaimable, 0);
    free(self);
    free(out);
    free(gone);
}

Test(orphans, a_file_is_judged_by_its_content_and_not_by_its_name)
{
    vhdx_guid b = base("a/disk.bin");
    child("a/leaf", &b, ".\\disk.bin");
    uint8_t bytes[4096] = {0};
    put("a/empty.vhdx", bytes, 0);
    put("a/zeros.avhdx", bytes, sizeof bytes);
    bytes[510] = 0x55;
    bytes[511] = 0xAA;
    put("a/raw.vhdx", bytes, sizeof bytes);
    put("a/qcow.vhdx", "QFI\xfb.......................", 20);
    put("a/note.txt", "vhdxfil", 7);
    vhd_make(&(struct vhd_disk){.id = 0x11}, bytes);
    put("a/old.vhd", bytes, sizeof bytes);
    bytes[4096 - 512 + 63] = 4;
    put("a/older.avhd", bytes, sizeof bytes);
    search();
    cr_expect_eq(vhdx_orphans_totals(found)->file_count, 8);
    expect_status("a/disk.bin", "orphan");
    expect_status("a/leaf", "orphan");
    expect_status("a/empty.vhdx", "unreadable");
    cr_expect(finding_says("a/empty.vhdx", "empty"));
    expect_status("a/zeros.avhdx", "unreadable");
    expect_status("a/raw.vhdx", "unreadable");
    cr_expect(finding_says("a/raw.vhdx", "raw disk"));
    cr_expect(finding_says("a/qcow.vhdx", "QCOW2"));
    expect_status("a/old.vhd", "standalone");
    cr_expect_eq(file("a/old.vhd")->kind, VHDX_DISK_KIND_VHD);
    expect_status("a/older.avhd", "unreadable");
}

Test(orphans, a_dirty_log_is_replayed_in_memory_and_the_file_stays_as_it_is)
{
    vhdx_guid b = base("a/disk.vhdx");
    forest_disk(&forest,
                &(struct forest_disk){
                    .name = "a/leaf.avhdx", .parent = &b, .relative = ".\\disk.vhdx", .dirty = true, .content = 7});
    machine("vm.xml", "D:\\VMs\\a\\leaf.avhdx");
    char *path = forest_path(&forest, "a/leaf.avhdx");
    uint64_t before, after;
    cr_assert(files_digest(NULL, path, &before));
    search();
    cr_assert(files_digest(NULL, path, &after));
    cr_expect_eq(before, after);
    expect_status("a/leaf.avhdx", "in-use-by-vm");
    cr_expect(file("a/leaf.avhdx")->flags & VHDX_DISK_FLAG_DIRTY_LOG);
    cr_expect_eq(problems(), 0);
    free(path);
}

Test(orphans, damage_is_told_and_what_hangs_on_it_is_not_called_an_orphan_to_be_moved)
{
    vhdx_guid b = base("a/disk.vhdx");
    child("a/leaf.avhdx", &b, ".\\disk.vhdx");
    char *path = forest_path(&forest, "a/disk.vhdx");
    uint8_t garbage[4096];
    memset(garbage, 0x5A, sizeof garbage);
    bld_poke(NULL, path, 0x10000, garbage, sizeof garbage);
    bld_poke(NULL, path, 0x20000, garbage, sizeof garbage);
    search();
    expect_status("a/disk.vhdx", "unreadable");
    expect_status("a/leaf.avhdx", "parent-missing");
    cr_expect(finding_says("a/leaf.avhdx", "cannot be read"));
    const vhdx_found_family *family = vhdx_orphans_family(found, 0);
    for (size_t i = 0; i < family->step_count; i++)
        cr_expect(family->steps[i].kind == VHDX_STEP_NOTE || family->steps[i].kind == VHDX_STEP_LOOK);
    free(path);
}

Test(orphans, a_file_that_was_cut_off_is_told)
{
    forest_disk(&forest, &(struct forest_disk){.name = "a/disk.vhdx", .content = 5});
    char *path = forest_path(&forest, "a/disk.vhdx");
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    bld_resize(NULL, path, (uint64_t)st.st_size - (1 << 20));
    search();
    cr_expect(file("a/disk.vhdx")->flags & VHDX_DISK_FLAG_TRUNCATED);
    cr_expect_gt(problems(), 0);
    free(path);
}

Test(orphans, a_disk_that_somebody_holds_is_locked_and_known_all_the_same)
{
    vhdx_guid b = base("a/disk.vhdx");
    child("a/leaf.avhdx", &b, ".\\disk.vhdx");
    char *path = forest_path(&forest, "a/leaf.avhdx");
    int fd = open(path, O_RDWR);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    search();
    expect_status("a/leaf.avhdx", "locked");
    cr_expect_eq(file("a/leaf.avhdx")->parent, 0);
    cr_expect_eq(vhdx_orphans_family(found, 0)->reclaimable, 0);
    close(fd);
    free(path);
}

Test(orphans, what_cannot_be_read_is_a_place_that_was_not_searched)
{
    if (geteuid() == 0) {
        close_forest(); /* a skipped test has no end */
        cr_skip_test("root may read everything");
    }
    base("a/disk.vhdx");
    char *path = forest_path(&forest, "closed/x");
    *strrchr(path, '/') = '\0';
    cr_assert_eq(chmod(path, 0), 0);
    search();
    bool told = false;
    const vhdx_found_place *place;
    for (size_t i = 0; (place = vhdx_orphans_place(found, i)) != NULL; i++)
        told = told || (!place->searched && strcmp(place->path, path) == 0 && place->reason);
    cr_expect(told);
    chmod(path, 0700);
    free(path);
}

Test(orphans, configurations_elsewhere_count_and_disks_beside_them_do_not)
{
    vhdx_guid b = base("disks/web/disk.vhdx");
    child("disks/web/leaf.avhdx", &b, ".\\disk.vhdx");
    base("conf/other.vhdx");
    machine("conf/vm.vmcx", "D:\\VMs\\web\\leaf.avhdx");
    char *disks = forest_path(&forest, "disks"), *conf = forest_path(&forest, "conf");
    const char *roots[] = {disks}, *configs[] = {conf};
    vhdx_orphans_options options = {.struct_size = sizeof options, .configs = configs, .config_count = 1};
    vhdx_error err;
    cr_assert_eq(vhdx_orphans_scan(roots, 1, &options, &found, &err), VHDX_OK);
    cr_expect_eq(vhdx_orphans_totals(found)->file_count, 2);
    expect_status("disks/web/leaf.avhdx", "in-use-by-vm");
    free(disks);
    free(conf);
}

Test(orphans, an_unreferenced_leaf_that_holds_nothing_new_is_redundant)
{
    vhdx_guid b = forest_disk(&forest, &(struct forest_disk){.name = "a/disk.vhdx", .content = 9});
    forest_disk(&forest,
                &(struct forest_disk){.name = "a/same.avhdx", .parent = &b, .relative = ".\\disk.vhdx", .content = 9});
    forest_disk(&forest, &(struct forest_disk){
                             .name = "a/other.avhdx", .parent = &b, .relative = ".\\disk.vhdx", .content = 10});
    child("a/empty.avhdx", &b, ".\\disk.vhdx");
    search_with(&(vhdx_orphans_options){.struct_size = sizeof(vhdx_orphans_options), .data = true, .complete = true});
    cr_expect_eq(file("a/same.avhdx")->comparison, VHDX_COMPARISON_EQUAL);
    cr_expect_eq(file("a/empty.avhdx")->comparison, VHDX_COMPARISON_EQUAL);
    cr_expect_eq(file("a/other.avhdx")->comparison, VHDX_COMPARISON_DIFFERS);
    cr_expect_eq(file("a/other.avhdx")->differing_bytes, 4096);
    const vhdx_found_family *family = vhdx_orphans_family(found, 0);
    cr_expect(family->may_delete);
    for (size_t i = 0; i < family->step_count; i++)
        cr_expect_not(family->steps[i].kind == VHDX_STEP_DELETE &&
                      vhdx_orphans_file(found, family->steps[i].file) == file("a/other.avhdx"));
}
