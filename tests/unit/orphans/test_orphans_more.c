/* The search: accounts, VHDs, comparisons, threads, and a large estate. */
/* SPDX-License-Identifier: MIT */
#include "orphans_parts.h"

TestSuite(orphans_more, .init = open_forest, .fini = close_forest);

Test(orphans_more, security_descriptors_say_whose_a_disk_was)
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

Test(orphans_more, chains_of_vhds_are_followed_by_their_unique_ids)
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
Test(orphans_more, vhds_of_one_id_are_no_copies_of_each_other)
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

Test(orphans_more, a_damaged_vhd_may_need_any_other_disk)
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

Test(orphans_more, copies_are_compared_byte_by_byte)
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

Test(orphans_more, the_search_can_be_cancelled)
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

Test(orphans_more, a_root_that_is_not_there_is_a_failure)
{
    vhdx_error err;
    const char *roots[] = {"/nowhere/at/all"};
    cr_expect_eq(vhdx_orphans_scan(roots, 1, NULL, &found, &err), VHDX_NOT_FOUND);
    cr_expect_eq(vhdx_orphans_scan(roots, 0, NULL, &found, &err), VHDX_ARG);
    found = NULL;
}

Test(orphans_more, the_outcome_is_the_same_with_any_number_of_threads)
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

Test(orphans_more, a_chain_opens_unless_its_parent_is_called_moved)
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
Test(orphans_more, in_a_large_estate_all_planted_problems_are_found_and_nothing_else, .timeout = 300)
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
