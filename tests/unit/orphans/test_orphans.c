/*
 * The search over real directories: what each file is, links, loops, damage, names of all kinds, threads; and the large
 * estate with its planted problems.
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include "builder.h"
#include "files.h"
#include "forest.h"
#include "vhd.h"
#include "worn_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct forest forest;
static vhdx_orphans *found;

static void open_forest(void)
{
    forest_open(&forest);
    found = NULL;
}

static void close_forest(void)
{
    vhdx_orphans_free(found);
    forest_close(&forest);
}

TestSuite(orphans, .init = open_forest, .fini = close_forest);

static void search_with(const vhdx_orphans_options *options)
{
    vhdx_error err;
    const char *roots[] = {forest.directory};
    vhdx_orphans_free(found);
    found = NULL;
    cr_assert_eq(vhdx_orphans_scan(roots, 1, options, &found, &err), VHDX_OK, "%s", err.message);
}

static void search(void)
{
    search_with(NULL);
}

/* By its path below the directory; ends the test when it is not there. */
static const vhdx_found_file *file(const char *name)
{
    char *path = files_path(forest.directory, name);
    const vhdx_found_file *at, *it = NULL;
    for (size_t i = 0; (at = vhdx_orphans_file(found, i)) != NULL; i++)
        if (strcmp(at->path, path) == 0)
            it = at;
    free(path);
    cr_assert_not_null(it, "%s was not found", name);
    return it;
}

static void expect_status(const char *name, const char *status)
{
    const vhdx_found_file *it = file(name);
    cr_expect_str_eq(vhdx_disk_status_name(it->status), status, "%s is '%s', expected '%s' (%s)", name,
                     vhdx_disk_status_name(it->status), status, it->remark_count ? it->remarks[0].message : "");
}

static bool finding_says(const char *name, const char *words)
{
    const vhdx_found_file *it = file(name);
    for (size_t i = 0; i < it->remark_count; i++)
        if (strstr(it->remarks[i].message, words))
            return true;
    return false;
}

static size_t problems(void)
{
    return vhdx_orphans_totals(found)->problem_count;
}

static vhdx_guid base(const char *name)
{
    return forest_disk(&forest, &(struct forest_disk){.name = name});
}

static vhdx_guid child(const char *name, const vhdx_guid *parent, const char *relative)
{
    return forest_disk(&forest, &(struct forest_disk){.name = name, .parent = parent, .relative = relative});
}

static void machine(const char *name, const char *disk)
{
    forest_machine(&forest, name, "web", (const char *const[]){disk, NULL});
}

static void put(const char *name, const void *bytes, size_t size)
{
    char *path = forest_path(&forest, name);
    cr_assert(files_write(path, bytes, size));
    free(path);
}

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

Test(orphans, security_descriptors_say_whose_a_disk_was)
{
    static struct worn_host worn;
    vhdx_guid b = base("a/disk.vhdx"), id = {{7, 1}};
    child("a/leaf.avhdx", &b, ".\\disk.vhdx");
    worn_host_init(&worn, vhdx_native_host());
    char *path = forest_path(&forest, "a/leaf.avhdx"), *other = forest_path(&forest, "a/disk.vhdx");
    worn_host_grant(&worn, path, &id);
    worn_host_grant(&worn, other, NULL);
    search_with(&(vhdx_orphans_options){.struct_size = sizeof(vhdx_orphans_options), .host = &worn.host});
    cr_assert_eq(file("a/leaf.avhdx")->account_count, 1);
    cr_expect_arr_eq(&file("a/leaf.avhdx")->accounts[0], &id, sizeof id);
    cr_expect_eq(file("a/leaf.avhdx")->access, VHDX_ACCESS_SOME);
    cr_expect_eq(file("a/disk.vhdx")->access, VHDX_ACCESS_NONE);
    cr_expect_eq(file("a/disk.vhdx")->account_count, 0);
    cr_expect(finding_says("a/leaf.avhdx", "00000107-0000-0000-0000-000000000000"));
    free(path);
    free(other);
}

static void vhd(const char *name, const struct vhd_disk *disk)
{
    uint8_t bytes[VHD_BYTES];
    vhd_make(disk, bytes);
    put(name, bytes, sizeof bytes);
}

static bool has_step(vhdx_step_kind kind, const char *words)
{
    const vhdx_found_family *family;
    for (size_t i = 0; (family = vhdx_orphans_family(found, i)) != NULL; i++)
        for (size_t j = 0; j < family->step_count; j++)
            if (family->steps[j].kind == kind && strstr(family->steps[j].text, words))
                return true;
    return false;
}

Test(orphans, chains_of_vhds_are_followed_by_their_unique_ids)
{
    vhd("a/base.vhd", &(struct vhd_disk){.id = 1});
    vhd("a/m.avhd", &(struct vhd_disk){.id = 2, .parent_id = 1, .relative = ".\\base.vhd"});
    vhd("a/leaf.avhd", &(struct vhd_disk){.id = 3, .parent_id = 2, .absolute = "D:\\VMs\\a\\m.avhd"});
    vhd("a/left.avhd", &(struct vhd_disk){.id = 4, .parent_id = 1, .name = "base.vhd"});
    vhd("b/lost.avhd", &(struct vhd_disk){.id = 5, .parent_id = 9, .absolute = "D:\\gone\\x.vhd"});
    vhd("c/moved.avhd", &(struct vhd_disk){.id = 6, .parent_id = 1, .relative = ".\\y.vhd"});
    machine("vm.xml", "D:\\VMs\\a\\leaf.avhd");
    search();
    expect_status("a/base.vhd", "in-use-by-vm");
    expect_status("a/m.avhd", "in-use-by-vm");
    expect_status("a/leaf.avhd", "in-use-by-vm");
    expect_status("a/left.avhd", "orphan");
    expect_status("b/lost.avhd", "parent-missing");
    expect_status("c/moved.avhd", "parent-moved");
    cr_expect(finding_says("b/lost.avhd", "D:\\gone\\x.vhd (id 09090909-0909-0909-0909-090909090909)"));
    cr_expect_eq(file("a/m.avhd")->kind, VHDX_DISK_KIND_VHD_DIFFERENCING);
    cr_expect_eq(file("a/m.avhd")->role, VHDX_DISK_ROLE_INTERMEDIATE);
    cr_expect(has_step(VHDX_STEP_HYPERV, "Set-VHD -Path "));
    cr_expect(has_step(VHDX_STEP_HYPERV, "Convert-VHD -Path 'D:\\VMs\\a\\left.avhd'"));
    cr_expect_not(has_step(VHDX_STEP_QUARANTINE, ""), "no command of this library moves a VHD");
    cr_expect_not(has_step(VHDX_STEP_COPY, ""));
    cr_expect_not(has_step(VHDX_STEP_MERGE, ""));
    cr_expect_not(has_step(VHDX_STEP_RELINK, ""));
}

/* The base was copied and both copies written to: the id is still the same, and both may serve machines. */
Test(orphans, vhds_of_one_id_are_no_copies_of_each_other)
{
    vhd("a/base.vhd", &(struct vhd_disk){.id = 1});
    vhd("b/base.vhd", &(struct vhd_disk){.id = 1});
    vhd("b/leaf.avhd", &(struct vhd_disk){.id = 3, .parent_id = 1, .relative = ".\\base.vhd"});
    machine("vm.xml", "D:\\VMs\\b\\leaf.avhd");
    search();
    expect_status("a/base.vhd", "standalone");
    expect_status("b/base.vhd", "in-use-by-vm");
    expect_status("b/leaf.avhd", "in-use-by-vm");
    cr_expect_eq(problems(), 0);
}

Test(orphans, a_damaged_vhd_may_need_any_other_disk)
{
    uint8_t bytes[VHD_BYTES];
    vhdx_guid b = base("a/disk.vhdx");
    child("a/leaf.avhdx", &b, ".\\disk.vhdx");
    vhd_make(&(struct vhd_disk){.id = 2, .parent_id = 1, .relative = ".\\base.vhd"}, bytes);
    bytes[VHD_HEADER_AT + 100] ^= 1;
    put("b/x.avhd", bytes, sizeof bytes);
    search();
    expect_status("b/x.avhd", "unreadable");
    cr_expect_not(has_step(VHDX_STEP_QUARANTINE, ""));
    bytes[VHD_HEADER_AT + 100] ^= 1;
    put("b/x.avhd", bytes, sizeof bytes - 700); /* cut off: what stands in front tells still who it is */
    vhd("b/base.vhd", &(struct vhd_disk){.id = 1});
    search();
    expect_status("b/x.avhd", "orphan");
    expect_status("b/base.vhd", "orphan");
    cr_expect(file("b/x.avhd")->flags & VHDX_DISK_FLAG_TRUNCATED);
}

Test(orphans, copies_are_compared_byte_by_byte)
{
    forest_disk(&forest, &(struct forest_disk){.name = "a/disk.vhdx", .content = 9});
    char *from = forest_path(&forest, "a/disk.vhdx");
    size_t size;
    uint8_t *bytes = files_read(from, &size);
    put("a/same.vhdx", bytes, size);
    bytes[size - 1] ^= 1;
    put("a/changed.vhdx", bytes, size);
    machine("vm.xml", "D:\\VMs\\a\\disk.vhdx");
    search_with(&(vhdx_orphans_options){.struct_size = sizeof(vhdx_orphans_options), .data = true, .complete = true});
    expect_status("a/disk.vhdx", "in-use-by-vm");
    expect_status("a/same.vhdx", "duplicate");
    expect_status("a/changed.vhdx", "duplicate");
    cr_expect_eq(file("a/same.vhdx")->comparison, VHDX_COMPARISON_EQUAL);
    cr_expect_eq(file("a/changed.vhdx")->comparison, VHDX_COMPARISON_DIFFERS);
    free(bytes);
    free(from);
}

static bool count_and_stop(void *context, const vhdx_orphans_progress *progress)
{
    (void)progress;
    return ++*(int *)context < 2;
}

Test(orphans, the_search_can_be_cancelled)
{
    char name[64];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "d%d/f%d", i % 7, i);
        put(name, "x", 1);
    }
    int calls = 0;
    vhdx_error err;
    const char *roots[] = {forest.directory};
    vhdx_orphans_options options = {
        .struct_size = sizeof options, .jobs = 4, .progress = count_and_stop, .progress_context = &calls};
    vhdx_status status = vhdx_orphans_scan(roots, 1, &options, &found, &err);
    if (status == VHDX_OK)
        cr_expect_lt(calls, 2, "the callback said stop, and the search went on");
    else
        cr_expect_eq(status, VHDX_CANCELLED);
    if (status != VHDX_OK)
        found = NULL;
}

Test(orphans, a_root_that_is_not_there_is_a_failure)
{
    vhdx_error err;
    const char *roots[] = {"/nowhere/at/all"};
    cr_expect_eq(vhdx_orphans_scan(roots, 1, NULL, &found, &err), VHDX_NOT_FOUND);
    cr_expect_eq(vhdx_orphans_scan(roots, 0, NULL, &found, &err), VHDX_ARG);
    found = NULL;
}

Test(orphans, the_outcome_is_the_same_with_any_number_of_threads)
{
    char name[64];
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "d%d/disk%d.vhdx", i % 5, i);
        vhdx_guid b = base(name);
        snprintf(name, sizeof name, "d%d/leaf%d.avhdx", i % 5, i);
        char relative[64];
        snprintf(relative, sizeof relative, ".\\disk%d.vhdx", i);
        child(name, &b, relative);
    }
    vhdx_orphans *first;
    vhdx_error err;
    const char *roots[] = {forest.directory};
    vhdx_orphans_options one = {.struct_size = sizeof one, .jobs = 1}, many = {.struct_size = sizeof many, .jobs = 16};
    cr_assert_eq(vhdx_orphans_scan(roots, 1, &one, &first, &err), VHDX_OK);
    cr_assert_eq(vhdx_orphans_scan(roots, 1, &many, &found, &err), VHDX_OK);
    cr_assert_eq(vhdx_orphans_totals(first)->file_count, 120);
    cr_assert_eq(vhdx_orphans_totals(found)->file_count, 120);
    for (size_t i = 0; i < 120; i++) {
        cr_expect_str_eq(vhdx_orphans_file(first, i)->path, vhdx_orphans_file(found, i)->path);
        cr_expect_eq(vhdx_orphans_file(first, i)->status, vhdx_orphans_file(found, i)->status);
        cr_expect_eq(vhdx_orphans_file(first, i)->parent, vhdx_orphans_file(found, i)->parent);
    }
    vhdx_orphans_free(first);
}

/* ---- what is said to belong together opens ---- */

static uint64_t next_random(uint64_t *state, uint64_t below)
{
    return bld_random_below(state, below);
}

/* A parent and a child in some folders, with paths in the locator that lead there, or beside, or to nowhere. */
static void plant_pair(uint64_t *random, int number)
{
    static const char *const folders[] = {"a", "b", "a/b", "vms/a", "c/vms/a/b"};
    static const char *const ways[] = {".\\%s",          "..\\a\\%s",           "..\\..\\a\\%s", "b\\%s",
                                       "D:\\vms\\a\\%s", "\\\\?\\D:\\a\\b\\%s", "D:\\%s",        "\\\\nas\\vms\\a\\%s"};
    char parent[64], leaf[64], relative[64] = "", absolute[64] = "", base_name[32];
    snprintf(base_name, sizeof base_name, "base%d.vhdx", number);
    snprintf(parent, sizeof parent, "%s/%s", folders[next_random(random, 5)], base_name);
    snprintf(leaf, sizeof leaf, "%s/leaf%d.avhdx", folders[next_random(random, 5)], number);
    snprintf(relative, sizeof relative, ways[next_random(random, 4)], base_name);
    snprintf(absolute, sizeof absolute, ways[4 + next_random(random, 4)], base_name);
    vhdx_guid id = base(parent);
    forest_disk(&forest, &(struct forest_disk){.name = leaf,
                                               .parent = &id,
                                               .relative = next_random(random, 3) ? relative : NULL,
                                               .absolute = next_random(random, 3) ? absolute : NULL});
}

Test(orphans, a_chain_opens_unless_its_parent_is_called_moved)
{
    uint64_t random = 20261130;
    size_t moved = 0, whole = 0;
    forest_close(&forest);
    forest_open_large(&forest);
    for (int i = 0; i < 300; i++)
        plant_pair(&random, i);
    search();
    for (size_t i = 0; i < vhdx_orphans_totals(found)->file_count; i++) {
        const vhdx_found_file *it = vhdx_orphans_file(found, i);
        vhdx_chain *chain = NULL;
        if (it->kind != VHDX_DISK_KIND_DIFFERENCING)
            continue;
        cr_assert_neq(it->parent, VHDX_NONE);
        bool opens = vhdx_chain_open(it->path, NULL, &chain, NULL) == VHDX_OK;
        vhdx_chain_free(chain);
        if (it->status == VHDX_DISK_STATUS_PARENT_MOVED)
            moved++;
        else
            whole += opens;
        cr_expect(opens || it->status == VHDX_DISK_STATUS_PARENT_MOVED, "%s is called %s, and does not open", it->path,
                  vhdx_disk_status_name(it->status));
    }
    cr_expect_gt(moved, 50, "%zu", moved);
    cr_expect_gt(whole, 50, "%zu", whole);
}

/* ---- the large estate ---- */

enum { VMS = 200, LAYERS = 10 };

/* One machine's chain of LAYERS disks; `planted` changes it. Returns the identity of the leaf. */
static void plant_machine(int vm, int planted)
{
    char name[96], relative[96], windows[128];
    vhdx_guid parent = {{0}}, disk_id = {{1}};
    memcpy(disk_id.bytes + 8, &vm, sizeof vm);
    for (int layer = 0; layer < LAYERS; layer++) {
        snprintf(name, sizeof name, "vm%03d/layer %d.%s", vm, layer, layer ? "avhdx" : "vhdx");
        snprintf(relative, sizeof relative, ".\\layer %d.%s", layer - 1, layer > 1 ? "avhdx" : "vhdx");
        struct forest_disk disk = {.name = name, .disk_id = &disk_id};
        vhdx_guid lost = parent;
        lost.bytes[0] ^= 0xFF;
        if (layer > 0) {
            disk.parent = layer == LAYERS - 1 && (planted == 1 || planted == 2) ? &lost : &parent;
            disk.relative = relative;
        }
        if (planted == 1 && layer == LAYERS - 1)
            disk.relative = ".\\gone.avhdx"; /* parent-missing; 2: parent-modified */
        if (planted == 3 && layer == LAYERS - 1)
            disk.relative = ".\\elsewhere\\layer 8.avhdx"; /* parent-moved */
        parent = forest_disk(&forest, &disk);
    }
    int named = planted == 4 ? LAYERS - 2 : LAYERS - 1; /* 4: active-not-leaf, and an orphan above */
    snprintf(windows, sizeof windows, "C:\\ClusterStorage\\Volume1\\vm%03d\\layer %d.avhdx", vm, named);
    snprintf(name, sizeof name, "vm%03d/Virtual Machines/%03d.%s", vm, vm, vm % 2 ? "vmcx" : "xml");
    forest_machine(&forest, name, name + 24, (const char *const[]){windows, NULL});
}

static const char *expected_status(const char *path)
{
    int vm = -1, layer = -1;
    const char *at = strstr(path, "/vm");
    if (!at || sscanf(at, "/vm%d/layer %d", &vm, &layer) != 2 || vm >= 40)
        return "in-use-by-vm";
    int planted = vm % 4 + 1;
    if (layer == LAYERS - 1)
        return planted == 1   ? "parent-missing"
               : planted == 2 ? "parent-modified"
               : planted == 3 ? "parent-moved"
                              : "orphan";
    bool only_served_the_broken = planted <= 2;
    if (planted == 4 && layer == LAYERS - 2)
        return "active-not-leaf";
    return only_served_the_broken ? layer == 0 ? "orphan" : "orphan" : "in-use-by-vm";
}

/* 200 machines with 2,000 disks; 40 of the machines have a problem. All of them are found, and nothing else. */
Test(orphans, in_a_large_estate_all_planted_problems_are_found_and_nothing_else, .timeout = 300)
{
    forest_close(&forest);
    forest_open_large(&forest);
    for (int vm = 0; vm < VMS; vm++)
        plant_machine(vm, vm < 40 ? vm % 4 + 1 : 0);
    search();
    const vhdx_found_totals *totals = vhdx_orphans_totals(found);
    cr_assert_eq(totals->file_count, VMS * LAYERS);
    cr_expect_eq(totals->config_count, VMS);
    size_t troubled = 0;
    for (size_t i = 0; i < totals->family_count; i++)
        troubled += vhdx_orphans_family(found, i)->problem_count > 0;
    /* Two of the four kinds leave a second disk behind that is a problem by itself. */
    cr_expect_eq(totals->problem_count, 40 + 20, "%zu problems", totals->problem_count);
    /* a lost parent makes two families of one */
    cr_expect_eq(troubled, 40 + 10, "%zu families have problems", troubled);
    for (size_t i = 0; i < totals->file_count; i++) {
        const vhdx_found_file *it = vhdx_orphans_file(found, i);
        const char *status = vhdx_disk_status_name(it->status), *expected = expected_status(it->path);
        cr_expect_str_eq(status, expected, "%s is '%s', expected '%s'", it->path, status, expected);
    }
}
