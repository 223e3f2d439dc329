/*
 * What disks are called, what is said of them, and what is proposed: estates by hand, each class and flag alone and
 * mixed.
 */
/* SPDX-License-Identifier: MIT */
#include "classify_parts.h"

TestSuite(classify, .init = open_estate, .fini = close_estate);

Test(classify, a_disk_that_a_machine_names_is_in_use)
{
    est_base(&e, "/vms/web/disk.vhdx");
    est_machine(&e, "/vms/web/vm.xml", "web", false, "D:\\VMs\\web\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/web/disk.vhdx", "in-use-by-vm");
    cr_expect_eq(est_disk(&e, "/vms/web/disk.vhdx")->pub.role, VHDX_DISK_ROLE_BASE);
    cr_expect_eq(e.estate->totals.problem_count, 0);
    cr_expect_eq(e.estate->totals.reclaimable, 0);
}

Test(classify, all_ancestors_of_what_a_machine_names_are_in_use)
{
    size_t base = est_base(&e, "/vms/web/disk.vhdx");
    size_t middle = est_child(&e, "/vms/web/disk_1.avhdx", base, ".\\disk.vhdx");
    est_child(&e, "/vms/web/disk_2.avhdx", middle, ".\\disk_1.avhdx");
    est_machine(&e, "/vms/web/vm.xml", "web", false, "D:\\VMs\\web\\disk_2.avhdx");
    est_judge(&e);
    expect_status("/vms/web/disk.vhdx", "in-use-by-vm");
    expect_status("/vms/web/disk_1.avhdx", "in-use-by-vm");
    expect_status("/vms/web/disk_2.avhdx", "in-use-by-vm");
    cr_expect_eq(est_disk(&e, "/vms/web/disk_1.avhdx")->pub.role, VHDX_DISK_ROLE_INTERMEDIATE);
    cr_expect_eq(est_disk(&e, "/vms/web/disk_2.avhdx")->pub.role, VHDX_DISK_ROLE_LEAF);
    cr_expect_eq(e.estate->totals.problem_count, 0);
    cr_assert_eq(e.estate->chain_count, 1);
    cr_expect_eq(e.estate->chains[0].count, 3);
    cr_expect_str_eq(e.estate->disks[e.estate->chains[0].files[0]].pub.path, "/vms/web/disk_2.avhdx");
    cr_expect(e.estate->chains[0].complete);
}

Test(classify, letter_case_and_drives_of_windows_paths_do_not_matter)
{
    est_base(&e, "/vms/WEB/Disk.VHDX");
    est_base(&e, "/vms/b/\xC3\x84pfel.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false,
                "\\\\?\\Volume{2d1f0c5e-0000-0000-0000-100000000000}\\vms\\web\\disk.vhdx");
    est_machine(&e, "/vms/vn.xml", "two", false, "\\\\server\\share\\B\\\xC3\xA4PFEL.vhdx");
    est_judge(&e);
    expect_status("/vms/WEB/Disk.VHDX", "in-use-by-vm");
    expect_status("/vms/b/\xC3\x84pfel.vhdx", "in-use-by-vm");
}

Test(classify, a_name_in_another_folder_proves_nothing_but_keeps_the_file)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\other\\leaf.avhdx");
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "orphan");
    cr_expect(est_has_finding(&e, "/vms/a/leaf.avhdx", "ORPHANS-NAMED-ALIKE"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/leaf.avhdx"));
}

Test(classify, of_several_files_of_the_name_in_other_folders_each_is_kept)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/x/leaf.avhdx", base, "..\\a\\base.vhdx");
    est_child(&e, "/vms/y/leaf.avhdx", base, "..\\a\\base.vhdx");
    est_child(&e, "/vms/z/other.avhdx", base, "..\\a\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\gone\\leaf.avhdx");
    est_machine(&e, "/vms/vn.xml", "two", false, "D:\\lost\\leaf.avhdx");
    est_judge(&e);
    cr_expect(est_has_finding(&e, "/vms/x/leaf.avhdx", "ORPHANS-NAMED-ALIKE"));
    cr_expect(est_has_finding(&e, "/vms/y/leaf.avhdx", "ORPHANS-NAMED-ALIKE"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/x/leaf.avhdx"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/y/leaf.avhdx"));
    cr_expect(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/z/other.avhdx"));
}

Test(classify, the_longest_tail_decides)
{
    est_base(&e, "/vms/one/web/disk.vhdx");
    est_base(&e, "/vms/two/web/disk.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\two\\web\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/two/web/disk.vhdx", "in-use-by-vm");
    expect_status("/vms/one/web/disk.vhdx", "standalone");
    cr_expect_eq(e.estate->totals.problem_count, 0);
}

/* Of D:\VMs the volume of /vms/d may be what is searched below its root, and C: have a folder of the same names. */
Test(classify, what_fits_less_is_not_in_use_and_yet_kept)
{
    size_t base = est_base(&e, "/vms/c/VMs/web/disk.vhdx"), other = est_base(&e, "/vms/d/web/disk.vhdx");
    est_child(&e, "/vms/c/VMs/web/leaf.avhdx", base, ".\\disk.vhdx");
    est_child(&e, "/vms/d/web/leaf.avhdx", other, ".\\disk.vhdx");
    est_child(&e, "/vms/d/web/left.avhdx", other, ".\\disk.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\web\\leaf.avhdx");
    est_judge(&e);
    expect_status("/vms/c/VMs/web/leaf.avhdx", "in-use-by-vm");
    expect_status("/vms/d/web/leaf.avhdx", "orphan");
    cr_expect(est_has_finding(&e, "/vms/d/web/leaf.avhdx", "ORPHANS-NAMED-ALIKE"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/d/web/leaf.avhdx"));
    cr_expect(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/d/web/left.avhdx"));
}

static void expect_kept(const char *named, const char *status)
{
    est_close(&e);
    est_open(&e);
    size_t base = est_base(&e, "/vms/web/disk.vhdx");
    est_child(&e, "/vms/web/my leaf_1.avhdx", base, ".\\disk.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, named);
    est_judge(&e);
    cr_expect_str_eq(est_status(&e, "/vms/web/my leaf_1.avhdx"), status, "%s", named);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL), "%s", named);
}

Test(classify, a_path_is_read_as_windows_reads_it)
{
    expect_kept("D:\\web\\my leaf_1.avhdx.", "in-use-by-vm");
    expect_kept("D:\\web. \\my leaf_1.avhdx ", "in-use-by-vm");
    expect_kept("D:\\web\\my leaf_1.avhdx::$DATA", "in-use-by-vm");
    expect_kept("\"D:\\web\\my leaf_1.avhdx\"", "in-use-by-vm");
    expect_kept("D:\\web\\old\\..\\my leaf_1.avhdx", "in-use-by-vm");
    expect_kept("\\\\?\\D:\\x\\..\\..\\web\\my leaf_1.avhdx", "in-use-by-vm");
    expect_kept("D:\\web\\MYLEAF~1.AVH", "orphan");
    expect_kept("D:\\web\\MY1A2B~1.AVH", "orphan");
    expect_kept("MYLE~12.AVH", "orphan");
}

Test(classify, what_is_no_disk_file_is_not_missed)
{
    size_t machine = est_machine(&e, "/vms/vm.xml", "web", false, "\\\\.\\PHYSICALDRIVE3");
    est_base(&e, "/vms/web/disk.vhdx");
    est_names(&e, machine, "D:\\web\\disk.vhdx");
    est_judge(&e);
    cr_expect_eq(e.estate->totals.problem_count, 0);
}

Test(classify, a_tie_of_tails_is_a_finding_and_both_are_in_use)
{
    est_base(&e, "/vms/one/web/disk.vhdx");
    est_base(&e, "/vms/two/web/disk.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\web\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/one/web/disk.vhdx", "in-use-by-vm");
    expect_status("/vms/two/web/disk.vhdx", "in-use-by-vm");
    cr_expect(est_has_finding(&e, "/vms/one/web/disk.vhdx", "ORPHANS-NAME-TIE"));
    cr_expect_gt(e.estate->totals.problem_count, 0);
}

Test(classify, a_map_decides_where_tails_do_not)
{
    est_base(&e, "/vms/one/web/disk.vhdx");
    est_base(&e, "/vms/two/web/disk.vhdx");
    struct vx_path_map map = {"d:\\", "/vms/two"};
    e.estate->maps = &map;
    e.estate->map_count = 1;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\web\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/two/web/disk.vhdx", "in-use-by-vm");
    expect_status("/vms/one/web/disk.vhdx", "standalone");
}

Test(classify, of_two_maps_the_longer_one_decides_and_a_directory_may_have_a_backslash)
{
    est_base(&e, "/vms/d/VMs/web/disk.vhdx");
    est_base(&e, "/vms/e\\f/web/disk.vhdx");
    struct vx_path_map maps[] = {{"D:\\", "/vms/d"}, {"d:/vms/", "/vms/e\\f"}};
    e.estate->maps = maps;
    e.estate->map_count = 2;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\web\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/e\\f/web/disk.vhdx", "in-use-by-vm");
    expect_status("/vms/d/VMs/web/disk.vhdx", "standalone");
}

Test(classify, a_leaf_that_nobody_names_is_an_orphan_and_is_copied_before_it_is_moved)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/used.avhdx", base, ".\\base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\used.avhdx");
    est_judge(&e);
    expect_status("/vms/a/left.avhdx", "orphan");
    expect_status("/vms/a/base.vhdx", "in-use-by-vm");
    const vhdx_found_family *family = &e.estate->families[0];
    cr_assert_eq(family->step_count, 2);
    cr_expect_str_eq(family->steps[0].text, "vhdx merge -o '/vms/a/left-content.vhdx' '/vms/a/left.avhdx'");
    cr_expect_str_eq(family->steps[1].text,
                     "mkdir -p '/vms/vhdx-quarantine/a' && mv -n '/vms/a/left.avhdx' '/vms/vhdx-quarantine/a' && "
                     "[ ! -e '/vms/a/left.avhdx' ] || { echo 'not moved' >&2; false; }");
    cr_expect_not(est_has_step(&e, VHDX_STEP_DELETE, NULL));
    cr_expect_eq(family->reclaimable, 4 << 20);
}

Test(classify, what_serves_only_orphans_is_an_orphan_and_its_base_is_never_moved)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t middle = est_child(&e, "/vms/a/m.avhdx", base, ".\\base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", middle, ".\\m.avhdx");
    est_judge(&e);
    expect_status("/vms/a/base.vhdx", "orphan");
    expect_status("/vms/a/m.avhdx", "orphan");
    expect_status("/vms/a/leaf.avhdx", "orphan");
    cr_expect(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/m.avhdx"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/base.vhdx"));
}

Test(classify, a_disk_by_itself_that_nobody_names_stands_alone_and_is_no_problem)
{
    est_base(&e, "/vms/a/template.vhdx");
    est_judge(&e);
    expect_status("/vms/a/template.vhdx", "standalone");
    cr_expect_eq(e.estate->totals.problem_count, 0);
    cr_expect_eq(e.estate->families[0].step_count, 0);
}

Test(classify, a_named_disk_with_children_is_dangerous_and_nothing_is_moved)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\base.vhdx");
    est_judge(&e);
    expect_status("/vms/a/base.vhdx", "active-not-leaf");
    expect_status("/vms/a/leaf.avhdx", "orphan");
    cr_expect(est_has_step(&e, VHDX_STEP_HYPERV, "/vms/a/leaf.avhdx"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
    cr_expect_not(est_has_step(&e, VHDX_STEP_MERGE, NULL));
}

Test(classify, a_checkpoint_and_its_ancestors_are_kept)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t middle = est_child(&e, "/vms/a/m.avhdx", base, ".\\base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", middle, ".\\m.avhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\leaf.avhdx");
    est_machine(&e, "/vms/Snapshots/c.xml", "before", true, "D:\\VMs\\a\\m.avhdx");
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "in-use-by-vm");
    expect_status("/vms/a/m.avhdx", "checkpoint");
    expect_status("/vms/a/base.vhdx", "checkpoint");
    cr_expect_eq(e.estate->totals.problem_count, 0);
    cr_expect_not(est_has_step(&e, VHDX_STEP_MERGE, NULL));
}

Test(classify, a_missing_parent_is_told_with_its_name)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, ".\\gone.vhdx");
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "parent-missing");
    expect_status("/vms/a/base.vhdx", "standalone");
    const struct vx_disk *disk = est_disk(&e, "/vms/a/leaf.avhdx");
    cr_assert_gt(disk->pub.remark_count, 0);
    cr_expect(strstr(disk->pub.remarks[0].message, "gone.vhdx"));
}

Test(classify, a_parent_in_another_place_is_found_by_identity_and_relinked)
{
    size_t base = est_base(&e, "/vms/moved/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\leaf.avhdx");
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "parent-moved");
    expect_status("/vms/moved/base.vhdx", "in-use-by-vm");
    cr_expect_str_eq(e.estate->families[0].steps[0].text,
                     "vhdx relink --parent '/vms/moved/base.vhdx' '/vms/a/leaf.avhdx'");
}

static void expect_way(const char *absolute, const char *status)
{
    est_close(&e);
    est_open(&e);
    size_t base = est_base(&e, "/vms/bases/base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/b/leaf.avhdx", base, NULL);
    est_at(&e, leaf)->pub.names.absolute_win32_path = absolute;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\b\\leaf.avhdx");
    est_judge(&e);
    cr_expect_str_eq(est_status(&e, "/vms/a/b/leaf.avhdx"), status, "%s", absolute);
}

/* The volume of a drive may be mounted anywhere above the child, and then all of the path is there. */
Test(classify, a_windows_path_that_ends_alike_is_a_move_until_the_child_opens_with_it)
{
    expect_way("E:\\Bases\\base.vhdx", "in-use-by-vm");
    expect_way("\\\\?\\E:\\vms\\bases\\BASE.vhdx", "in-use-by-vm");
    expect_way("E:\\Store\\Bases\\base.vhdx", "parent-moved");
    expect_way("\\\\nas\\bases\\base.vhdx", "parent-moved");
    expect_way("E:\\a\\..\\bases\\base.vhdx", "parent-moved");
    expect_way("bases\\base.vhdx", "parent-moved");
}

/* A machine's child below another root than its parent: neither of its paths leads anywhere here. */
Test(classify, of_a_chain_that_does_not_open_no_merge_is_proposed_and_no_place_named)
{
    size_t base = est_base(&e, "/vms/ProgramData/vault/vm/base.vhdx");
    size_t leaf = est_child(&e, "/vms/Windows.old/Windows/vault/vm/leaf.avhdx", base, ".\\.\\base.vhdx");
    est_at(&e, leaf)->pub.names.absolute_win32_path = "C:\\Windows\\vault\\vm\\base.vhdx";
    size_t vm = est_machine(&e, "/vms/ProgramData/vm.xml", "web", false, "C:\\Windows\\vault\\vm\\leaf.avhdx");
    est_info(&e, vm)->has_checkpoint_count = true;
    est_judge(&e);
    expect_status("/vms/Windows.old/Windows/vault/vm/leaf.avhdx", "parent-moved");
    cr_expect_eq(e.estate->totals.problem_count, 1);
    cr_expect(est_has_step(&e, VHDX_STEP_RELINK, "/vms/Windows.old/Windows/vault/vm/leaf.avhdx"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_MERGE, NULL));
    for (size_t i = 0; i < e.estate->families[0].step_count; i++)
        cr_expect_not(strstr(e.estate->families[0].steps[i].text, "C:\\"), "%s", e.estate->families[0].steps[i].text);
}

struct refusing {
    enum vx_trial_kind kind;
    size_t asked;
};

/* As if that one command could not be carried out. */
static vhdx_status refuse_one(void *context, const struct vx_trial *trial, vhdx_error *err)
{
    struct refusing *refusing = context;
    vx_clear(err);
    refusing->asked++;
    return trial->kind == refusing->kind ? vx_fail(err, VHDX_NO_SPACE, vx_at_file(trial->disk), "no room") : VHDX_OK;
}

static void plant_moved_and_long(void)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx"), moved = est_base(&e, "/vms/m/moved.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_child(&e, "/vms/b/left.avhdx", moved, ".\\moved.vhdx");
    est_info(&e, est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\leaf.avhdx"))->has_checkpoint_count = true;
}

static bool some_step_says(const char *words)
{
    for (size_t i = 0; i < e.estate->family_count; i++)
        for (size_t j = 0; j < e.estate->families[i].step_count; j++)
            if (strstr(e.estate->families[i].steps[j].text, words))
                return true;
    return false;
}

Test(classify, a_command_that_would_fail_is_not_proposed_and_the_reason_is_told)
{
    static const struct {
        enum vx_trial_kind trial;
        vhdx_step_kind step;
    } kinds[] = {{0, VHDX_STEP_NOTE},
                 {VX_TRIAL_MERGE, VHDX_STEP_MERGE},
                 {VX_TRIAL_RELINK, VHDX_STEP_RELINK},
                 {VX_TRIAL_COPY, VHDX_STEP_COPY}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct refusing refusing = {.kind = kinds[i].trial};
        est_close(&e);
        est_open(&e);
        plant_moved_and_long();
        e.estate->trier = (struct vx_trier){refuse_one, &refusing};
        est_judge(&e);
        cr_expect_eq(refusing.asked, 3, "each of the three commands once, not %zu times", refusing.asked);
        for (size_t j = 1; j < sizeof kinds / sizeof kinds[0]; j++)
            cr_expect_eq(est_has_step(&e, kinds[j].step, NULL), i != j, "%zu refused, %zu proposed", i, j);
        cr_expect_eq(some_step_says("no room"), i > 0);
    }
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL), "what cannot be copied stays where it is");
}

Test(classify, a_copy_through_a_moved_parent_names_it)
{
    plant_moved_and_long();
    est_judge(&e);
    cr_expect(some_step_says("vhdx merge --parent '/vms/m/moved.vhdx' -o '/vms/b/left-content.vhdx' "
                             "'/vms/b/left.avhdx'"));
}

static vhdx_status cancel_all(void *context, const struct vx_trial *trial, vhdx_error *err)
{
    (void)context;
    return vx_fail(err, VHDX_CANCELLED, vx_at_file(trial->disk), "enough");
}

Test(classify, a_trial_that_is_cancelled_ends_the_search)
{
    vhdx_error err;
    plant_moved_and_long();
    e.estate->trier = (struct vx_trier){cancel_all, NULL};
    cr_expect_eq(vx_estate_judge(e.estate, &err), VHDX_CANCELLED);
    cr_expect_str_eq(err.message, "enough");
}

Test(classify, a_linked_clone_is_not_merged_into_its_golden_disk_without_a_word)
{
    size_t golden = est_base(&e, "/vms/golden/disk.vhdx");
    est_child(&e, "/vms/web/disk.vhdx", golden, "..\\golden\\disk.vhdx");
    est_info(&e, est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\web\\disk.vhdx"))->has_checkpoint_count = true;
    est_judge(&e);
    cr_expect_eq(e.estate->totals.problem_count, 0);
    cr_expect_eq(e.estate->families[0].step_count, 0, "nothing is wrong with it");
    cr_expect(est_has_finding(&e, "/vms/web/disk.vhdx", "ORPHANS-LINKED-CLONE"));
    est_close(&e);
    est_open(&e);
    golden = est_base(&e, "/vms/golden/disk.vhdx");
    est_child(&e, "/vms/web/disk.avhdx", golden, "..\\golden\\disk.vhdx");
    est_info(&e, est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\web\\disk.avhdx"))->has_checkpoint_count = true;
    est_judge(&e);
    cr_expect(est_has_step(&e, VHDX_STEP_MERGE, NULL));
    cr_expect(some_step_says("other clones"));
}

/* golden (of the master) <- a (of one), b (of two) */
static void plant_clones(const char *second_owner)
{
    size_t golden = est_base(&e, "/vms/golden/base.vhdx");
    est_child(&e, "/vms/a/a.vhdx", golden, "..\\golden\\base.vhdx");
    est_child(&e, "/vms/b/b.vhdx", golden, "..\\golden\\base.vhdx");
    est_machine(&e, "/vms/m.xml", "master", false, "D:\\VMs\\golden\\base.vhdx");
    est_machine(&e, "/vms/1.xml", "one", false, "D:\\VMs\\a\\a.vhdx");
    if (second_owner)
        est_machine(&e, "/vms/2.xml", second_owner, false, "D:\\VMs\\b\\b.vhdx");
    est_judge(&e);
}

Test(classify, linked_clones_in_use_are_no_problem_and_their_master_is_told_of)
{
    plant_clones("two");
    expect_status("/vms/golden/base.vhdx", "active-not-leaf");
    cr_expect(est_has_finding(&e, "/vms/golden/base.vhdx", "ORPHANS-TEMPLATE"));
    cr_expect_eq(e.estate->totals.problem_count, 0);
    cr_expect(some_step_says("Never start"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_HYPERV, NULL), "the machine of the clone keeps its disk");
}

/* A disk that hangs on it is the master's own, or nobody's: it may be the master's newest state. */
Test(classify, a_machine_below_its_own_newer_state_is_no_master)
{
    plant_clones("master");
    cr_expect(est_has_finding(&e, "/vms/golden/base.vhdx", "ORPHANS-ACTIVE-NOT-LEAF"));
    est_close(&e);
    est_open(&e);
    plant_clones(NULL);
    cr_expect(est_has_finding(&e, "/vms/golden/base.vhdx", "ORPHANS-ACTIVE-NOT-LEAF"));
}

static void est_lists(size_t machine, const char *const *paths, size_t count)
{
    est_info(&e, machine)->format = VHDX_CONFIG_VMCX;
    est_info(&e, machine)->machines = (vhdx_texts){paths, count};
}

Test(classify, a_listed_machine_whose_configuration_is_not_there_may_need_any_disk)
{
    static const char *const paths[] = {"C:\\VM\\Virtual Machines\\EC04F346-DB96-4700-AF5B-77B3C56C38BD.vmcx",
                                        "C:\\VM\\Virtual Machines\\993f7b33-6057-4d1e-a1fe-a1a1d77be974.vmcx"};
    for (size_t listed = 1; listed <= 2; listed++) {
        est_close(&e);
        est_open(&e);
        size_t base = est_base(&e, "/vms/a/base.vhdx");
        est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
        est_machine(&e, "/vms/Virtual Machines/ec04f346-db96-4700-af5b-77b3c56c38bd.XML", "web", false, NULL);
        est_lists(est_machine(&e, "/vms/data.vmcx", "", false, NULL), paths, listed);
        est_judge(&e);
        cr_expect_eq(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL), listed == 1);
        size_t named = 0;
        for (size_t i = 0; i < e.estate->machine_count; i++)
            for (size_t j = 0; j < e.estate->machines[i].pub.remark_count; j++)
                named += strstr(e.estate->machines[i].pub.remarks[j].message, "993f7b33") != NULL;
        cr_expect_eq(named, listed - 1);
    }
}
