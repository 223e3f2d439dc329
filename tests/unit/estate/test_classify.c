/*
 * What disks are called, what is said of them, and what is proposed: estates by hand, each class and flag alone and
 * mixed.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "builder.h"
#include "estate.h"

#include <stdio.h>
#include <string.h>

static struct est e;

static void open_estate(void)
{
    est_open(&e);
}

static void close_estate(void)
{
    est_close(&e);
}

#define expect_status(path, status)                                                                                    \
    cr_expect_str_eq(est_status(&e, path), status, "%s is '%s', expected '%s'", path, est_status(&e, path), status)

TestSuite(classify, .init = open_estate, .fini = close_estate);

static const char *merge_step(void)
{
    for (size_t i = 0; i < e.estate->family_count; i++)
        for (size_t j = 0; j < e.estate->families[i].step_count; j++)
            if (e.estate->families[i].steps[j].kind == VHDX_STEP_MERGE)
                return e.estate->families[i].steps[j].text;
    return "(none)";
}

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

Test(classify, another_disk_in_the_parents_place_is_a_mismatch)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_at(&e, leaf)->pub.virtual_disk_id.bytes[3] ^= 1;
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "linkage-mismatch");
    cr_expect_not(est_has_step(&e, VHDX_STEP_MERGE, NULL));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify, the_same_disk_with_another_identity_was_written_to)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "parent-modified");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify, a_merge_that_was_begun_is_known_by_the_second_linkage)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    struct vx_disk *disk = est_at(&e, leaf);
    disk->pub.names.has_linkage2 = true;
    disk->pub.names.linkage2 = disk->pub.names.linkage;
    disk->pub.names.linkage.bytes[3] ^= 1;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\leaf.avhdx");
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "in-use-by-vm");
    cr_expect(est_has_finding(&e, "/vms/a/leaf.avhdx", "ORPHANS-MERGE-BEGUN"));
    cr_expect_gt(e.estate->totals.problem_count, 0);
    cr_expect_str_eq(merge_step(), "vhdx merge --into '/vms/a/base.vhdx' '/vms/a/leaf.avhdx'", "it goes on with that");
}

Test(classify, a_second_linkage_of_zeros_matches_nothing)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    memset(&est_at(&e, base)->pub.data_write_guid, 0, sizeof(vhdx_guid));
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, NULL);
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_at(&e, leaf)->pub.names.has_linkage2 = true;
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "parent-missing");
}

Test(classify, two_unnamed_files_of_one_identity_are_duplicates)
{
    size_t one = est_base(&e, "/vms/a/disk.vhdx");
    size_t two = est_base(&e, "/vms/b/copy.vhdx");
    est_at(&e, two)->pub.data_write_guid = est_at(&e, one)->pub.data_write_guid;
    est_judge(&e);
    expect_status("/vms/a/disk.vhdx", "duplicate");
    expect_status("/vms/b/copy.vhdx", "duplicate");
}

Test(classify, of_two_copies_the_one_that_a_machine_uses_is_in_use)
{
    size_t one = est_base(&e, "/vms/a/disk.vhdx");
    size_t two = est_base(&e, "/vms/b/copy.vhdx");
    est_at(&e, two)->pub.data_write_guid = est_at(&e, one)->pub.data_write_guid;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/a/disk.vhdx", "in-use-by-vm");
    expect_status("/vms/b/copy.vhdx", "duplicate");
}

Test(classify, of_two_copies_of_a_parent_the_one_at_the_locators_path_is_the_parent)
{
    size_t copy = est_base(&e, "/vms/a-backup/base.vhdx");
    size_t base = est_base(&e, "/vms/b/base.vhdx");
    est_at(&e, copy)->pub.data_write_guid = est_at(&e, base)->pub.data_write_guid;
    est_child(&e, "/vms/b/leaf.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\b\\leaf.avhdx");
    est_judge(&e);
    expect_status("/vms/b/leaf.avhdx", "in-use-by-vm");
    expect_status("/vms/b/base.vhdx", "in-use-by-vm");
    expect_status("/vms/a-backup/base.vhdx", "duplicate");
}

Test(classify, hard_links_are_one_disk_with_two_names)
{
    size_t one = est_base(&e, "/vms/a/disk.vhdx");
    size_t two = est_base(&e, "/vms/b/link.vhdx");
    *est_at(&e, two) = *est_at(&e, one);
    est_at(&e, two)->pub.path = est_at(&e, two)->absolute = "/vms/b/link.vhdx";
    est_at(&e, one)->volume = est_at(&e, two)->volume = 7;
    est_at(&e, one)->id[0] = est_at(&e, two)->id[0] = 11;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\b\\link.vhdx");
    est_judge(&e);
    cr_expect_eq(e.estate->disk_count, 1);
    expect_status("/vms/a/disk.vhdx", "in-use-by-vm");
    cr_expect_eq(est_disk(&e, "/vms/a/disk.vhdx")->pub.other_name_count, 1);
}

Test(classify, a_circle_of_parents_is_told_and_touched_by_nothing)
{
    size_t one = est_base(&e, "/vms/a/one.avhdx");
    size_t two = est_child(&e, "/vms/a/two.avhdx", one, ".\\one.avhdx");
    est_at(&e, one)->pub.kind = VHDX_DISK_KIND_DIFFERENCING;
    est_at(&e, one)->pub.names.has_linkage = true;
    est_at(&e, one)->pub.names.linkage = est_at(&e, two)->pub.data_write_guid;
    est_child(&e, "/vms/a/leaf.avhdx", two, ".\\two.avhdx");
    est_judge(&e);
    expect_status("/vms/a/one.avhdx", "cycle");
    expect_status("/vms/a/two.avhdx", "cycle");
    cr_expect(est_has_finding(&e, "/vms/a/leaf.avhdx", "ORPHANS-BROKEN-BELOW"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
    cr_expect_not(est_has_step(&e, VHDX_STEP_COPY, NULL));
}

Test(classify, a_disk_that_is_its_own_parent_is_a_circle)
{
    size_t one = est_base(&e, "/vms/a/one.avhdx");
    est_at(&e, one)->pub.kind = VHDX_DISK_KIND_DIFFERENCING;
    est_at(&e, one)->pub.names.has_linkage = true;
    est_at(&e, one)->pub.names.linkage = est_at(&e, one)->pub.data_write_guid;
    est_judge(&e);
    expect_status("/vms/a/one.avhdx", "cycle");
    cr_expect_eq(e.estate->chain_count, 1);
}

Test(classify, members_of_a_vhd_set_are_kept_whatever_hangs_on_them)
{
    size_t base = est_base(&e, "/vms/a/set_2D1F0C5E-1111-2222-3333-100000000000.avhdx");
    est_child(&e, "/vms/a/other.avhdx", base, ".\\set_2D1F0C5E-1111-2222-3333-100000000000.avhdx");
    size_t set = est_machine(&e, "/vms/a/set.vhds", "", false, NULL);
    est_info(&e, set)->format = VHDX_CONFIG_VHDS;
    est_names(&e, set, "set_2D1F0C5E-1111-2222-3333-100000000000.avhdx");
    est_judge(&e);
    expect_status("/vms/a/set_2D1F0C5E-1111-2222-3333-100000000000.avhdx", "vhd-set");
    expect_status("/vms/a/other.avhdx", "vhd-set");
    cr_expect_eq(e.estate->families[0].step_count, 0);
}

Test(classify, an_unreadable_disk_keeps_everything_where_it_is)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_unreadable(&e, "/vms/b/broken.vhdx");
    est_judge(&e);
    expect_status("/vms/b/broken.vhdx", "unreadable");
    expect_status("/vms/a/leaf.avhdx", "orphan");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify, a_configuration_that_was_not_read_whole_keeps_everything_where_it_is)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    size_t machine = est_machine(&e, "/vms/c/vm.vmcx", "web", false, NULL);
    e.estate->machines[machine].pub.readable = false;
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "orphan");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
    cr_expect_not(est_has_step(&e, VHDX_STEP_DELETE, NULL));
}

Test(classify, a_place_that_was_not_searched_keeps_everything_where_it_is)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    cr_assert(vx_estate_add_place(e.estate, "/vms/locked", false, "cannot read the directory"));
    est_judge(&e);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify, only_what_is_redundant_goes_and_only_when_everything_was_searched)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/used.avhdx", base, ".\\base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\used.avhdx");
    e.estate->totals.complete_asked = e.estate->totals.data_compared = true;
    vhdx_error err;
    cr_assert_eq(vx_estate_relate(e.estate, &err), VHDX_OK);
    ((struct vx_disk *)est_disk(&e, "/vms/a/left.avhdx"))->pub.comparison = VHDX_COMPARISON_EQUAL;
    cr_assert_eq(vx_estate_advise(e.estate, &err), VHDX_OK);
    cr_expect(est_has_step(&e, VHDX_STEP_DELETE, "/vms/a/left.avhdx"));
    cr_expect(e.estate->families[0].may_delete);
}

Test(classify, nothing_is_removed_while_a_machine_misses_a_disk)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/used.avhdx", base, ".\\base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\used.avhdx");
    est_machine(&e, "/vms/db.xml", "db", false, "D:\\VMs\\db\\db.avhdx");
    e.estate->totals.complete_asked = e.estate->totals.data_compared = true;
    vhdx_error err;
    cr_assert_eq(vx_estate_relate(e.estate, &err), VHDX_OK);
    ((struct vx_disk *)est_disk(&e, "/vms/a/left.avhdx"))->pub.comparison = VHDX_COMPARISON_EQUAL;
    cr_assert_eq(vx_estate_advise(e.estate, &err), VHDX_OK);
    cr_expect_not(est_has_step(&e, VHDX_STEP_DELETE, NULL));
    cr_expect(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/left.avhdx"));
    cr_expect_not(e.estate->families[0].may_delete);
}

Test(classify, what_holds_anything_of_its_own_is_never_proposed_to_go)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    e.estate->totals.complete_asked = e.estate->totals.data_compared = true;
    vhdx_error err;
    cr_assert_eq(vx_estate_relate(e.estate, &err), VHDX_OK);
    ((struct vx_disk *)est_disk(&e, "/vms/a/left.avhdx"))->pub.comparison = VHDX_COMPARISON_DIFFERS;
    cr_assert_eq(vx_estate_advise(e.estate, &err), VHDX_OK);
    cr_expect_not(est_has_step(&e, VHDX_STEP_DELETE, NULL));
    cr_expect(est_has_step(&e, VHDX_STEP_COPY, "/vms/a/left.avhdx"));
}

Test(classify, tracking_files_go_with_their_disk_and_guest_state_is_in_no_step)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_side(&e, "/vms/a/left.avhdx.rct", VHDX_SIDE_TRACKING);
    est_side(&e, "/vms/a/gone.vhdx.mrt", VHDX_SIDE_TRACKING);
    est_side(&e, "/vms/a/left.vmgs", VHDX_SIDE_GUEST_STATE);
    est_judge(&e);
    cr_expect(est_disk(&e, "/vms/a/left.avhdx")->pub.flags & VHDX_DISK_FLAG_TRACKED);
    bool moved = false;
    for (size_t i = 0; i < e.estate->families[0].step_count; i++) {
        const char *text = e.estate->families[0].steps[i].text;
        moved = moved || strstr(text, "'/vms/a/left.avhdx.rct'");
        cr_expect_null(strstr(text, ".vmgs"));
    }
    cr_expect(moved);
}

/* Its own first look at the name would be right by chance: the file put aside has another identity and another parent.
 */
Test(classify, what_is_moved_aside_goes_where_no_file_of_its_name_is)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    for (unsigned i = 0; i < 2; i++) {
        const char *aside = i ? "/vms/vhdx-quarantine/2/a/left.avhdx" : "/vms/vhdx-quarantine/a/left.avhdx";
        est_at(&e, est_child(&e, aside, base, ".\\base.vhdx"))->pub.flags |= VHDX_DISK_FLAG_QUARANTINED;
    }
    est_judge(&e);
    const vhdx_found_family *family = &e.estate->families[0];
    cr_assert_eq(family->step_count, 2);
    cr_expect(strstr(family->steps[1].text, "mkdir -p '/vms/vhdx-quarantine/3/a' && mv -n "), "%s",
              family->steps[1].text);
}

Test(classify, all_files_that_may_be_the_parent_in_doubt_stay_where_they_are)
{
    size_t root = est_base(&e, "/vms/root.vhdx");
    size_t one = est_child(&e, "/vms/one/web/m.avhdx", root, "..\\..\\root.vhdx");
    est_child(&e, "/vms/two/web/m.avhdx", root, "..\\..\\root.vhdx");
    est_child(&e, "/vms/three/other.avhdx", root, "..\\root.vhdx");
    size_t leaf = est_child(&e, "/vms/leaf.avhdx", one, NULL);
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_at(&e, leaf)->pub.names.absolute_win32_path = "D:\\web\\m.avhdx";
    est_judge(&e);
    cr_expect_eq(est_disk(&e, "/vms/leaf.avhdx")->suspect_count, 2);
    cr_expect(est_has_finding(&e, "/vms/leaf.avhdx", "ORPHANS-PARENT-TIE"));
    cr_expect_eq(e.estate->family_count, 1, "all of them are one family, in which nothing is moved");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

/* The two lie in other families when nothing else joins them: the gate of each of these must know. */
Test(classify, of_files_that_differ_in_letter_case_alone_each_may_be_the_parent)
{
    size_t lower_root = est_base(&e, "/vms/x/root.vhdx"), upper_root = est_base(&e, "/vms/y/root.vhdx");
    size_t lower = est_child(&e, "/vms/a/m.avhdx", lower_root, "..\\x\\root.vhdx");
    est_child(&e, "/vms/a/M.avhdx", upper_root, "..\\y\\root.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", lower, ".\\m.avhdx");
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_judge(&e);
    cr_expect_eq(est_disk(&e, "/vms/a/leaf.avhdx")->suspect_count, 2);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify, a_file_called_like_a_parent_that_is_missing_stays)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/b/m.avhdx", base, "..\\a\\base.vhdx");
    size_t leaf = est_child(&e, "/vms/c/leaf.avhdx", base, NULL);
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_at(&e, leaf)->pub.names.absolute_win32_path = "D:\\gone\\m.avhdx";
    est_judge(&e);
    expect_status("/vms/c/leaf.avhdx", "parent-missing");
    expect_status("/vms/b/m.avhdx", "orphan");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/b/m.avhdx"));
}

Test(classify, a_link_to_nothing_holds_nothing_up_unless_it_is_called_like_a_configuration)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    cr_assert(vx_estate_put_place(e.estate, &(vhdx_found_place){"/vms/self", false, "it leads back to itself", true}));
    est_judge(&e);
    cr_expect(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/left.avhdx"));
    est_close(&e);
    est_open(&e);
    base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    cr_assert(vx_estate_put_place(e.estate, &(vhdx_found_place){"/vms/vm.xml", false, "no such file", true}));
    est_judge(&e);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
    est_close(&e);
    est_open(&e);
    base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/b/VM.xml", "web", false, NULL);
    cr_assert(vx_estate_put_place(e.estate, &(vhdx_found_place){"/vms/vm.xml", false, "no such file", true}));
    est_judge(&e);
    cr_expect(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/left.avhdx"), "it was found elsewhere");
}

Test(classify, steps_for_disks_of_a_report_are_typed_as_its_host_wants_them)
{
    size_t base = est_base(&e, "D:\\VMs\\a\\base.vhdx");
    size_t left = est_child(&e, "D:\\VMs\\a\\left.avhdx", base, ".\\base.vhdx");
    est_at(&e, base)->source = est_at(&e, left)->source = 1;
    cr_assert(vx_estate_add_place(e.estate, "D:\\VMs", true, NULL));
    est_side(&e, "D:\\VMs\\a\\left.avhdx.rct", VHDX_SIDE_TRACKING);
    e.estate->sides[0].source = 1;
    e.estate->reports = (const char *const[]){"b.json"};
    est_judge(&e);
    const vhdx_found_family *family = &e.estate->families[0];
    cr_assert_eq(family->step_count, 4);
    cr_expect(strstr(family->steps[0].text, "the host that wrote b.json"));
    cr_expect_str_eq(family->steps[1].text,
                     "vhdx merge -o \"D:\\VMs\\a\\left-content.vhdx\" \"D:\\VMs\\a\\left.avhdx\"");
    cr_expect_str_eq(family->steps[2].text,
                     "(if not exist \"D:\\VMs\\vhdx-quarantine\\a\" mkdir \"D:\\VMs\\vhdx-quarantine\\a\") & "
                     "if exist \"D:\\VMs\\vhdx-quarantine\\a\\left.avhdx\" (echo "
                     "\"D:\\VMs\\vhdx-quarantine\\a\\left.avhdx\" is there already, nothing was moved) else move "
                     "\"D:\\VMs\\a\\left.avhdx\" \"D:\\VMs\\vhdx-quarantine\\a\\left.avhdx\"");
    cr_expect(strstr(family->steps[3].text, "left.avhdx.rct"), "%s", family->steps[3].text);
}

Test(classify, names_that_windows_cannot_have_are_in_no_command_for_it)
{
    size_t base = est_base(&e, "D:\\VMs\\a\\base.vhdx");
    size_t left = est_child(&e, "D:\\VMs\\a\\*", base, ".\\base.vhdx");
    est_at(&e, base)->source = est_at(&e, left)->source = 1;
    est_judge(&e);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
    cr_expect_not(est_has_step(&e, VHDX_STEP_COPY, NULL));
}

Test(classify, a_relink_is_not_proposed_where_the_parents_name_cannot_be_written)
{
    size_t base = est_base(&e, "/vms/a/x\\base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\x\\base.vhdx");
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "parent-moved");
    cr_expect_not(est_has_step(&e, VHDX_STEP_RELINK, NULL));
}

/* base <- old <- older <- kept (checkpoint) <- leaf (machine) */
static void plant_checkpoint_chain(void)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t old = est_child(&e, "/vms/a/d_1.avhdx", base, ".\\base.vhdx");
    size_t older = est_child(&e, "/vms/a/d_2.avhdx", old, ".\\d_1.avhdx");
    size_t kept = est_child(&e, "/vms/a/d_3.avhdx", older, ".\\d_2.avhdx");
    est_child(&e, "/vms/a/d_4.avhdx", kept, ".\\d_3.avhdx");
    size_t vm = est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\d_4.avhdx");
    size_t snapshot = est_machine(&e, "/vms/Snapshots/s.xml", "web", true, "D:\\VMs\\a\\d_3.avhdx");
    (void)snapshot;
    est_info(&e, vm)->has_checkpoint_count = true;
    est_info(&e, vm)->checkpoint_count = 1;
}

Test(classify, layers_below_a_checkpoint_that_nothing_names_can_be_made_one)
{
    plant_checkpoint_chain();
    est_judge(&e);
    cr_expect_str_eq(merge_step(), "vhdx merge --into '/vms/a/base.vhdx' '/vms/a/d_2.avhdx'");
    cr_expect_not(est_has_step(&e, VHDX_STEP_HYPERV, NULL), "every name stays");
    cr_expect_eq(e.estate->families[0].reclaimable, 8 << 20);
}

Test(classify, a_fork_ends_what_can_be_made_one)
{
    plant_checkpoint_chain();
    est_child(&e, "/vms/a/other.avhdx", 1, ".\\d_1.avhdx"); /* nobody's, and so everybody's */
    est_judge(&e);
    cr_expect_str_eq(merge_step(), "(none)", "base alone, and d_2 alone, are no two layers");
}

Test(classify, a_merge_is_not_proposed_where_anything_speaks_against_it)
{
    static const uint32_t against[] = {VHDX_DISK_FLAG_SAVED_STATE, VHDX_DISK_FLAG_MERGE_PENDING,
                                       VHDX_DISK_FLAG_CLUSTERED};
    for (size_t i = 0; i < sizeof against / sizeof against[0]; i++) {
        plant_checkpoint_chain();
        est_info(&e, 1)->saved_state =
            against[i] == VHDX_DISK_FLAG_SAVED_STATE ? VHDX_SAVED_STATE_PRESENT : VHDX_SAVED_STATE_NONE;
        est_info(&e, 1)->merge_pending = against[i] == VHDX_DISK_FLAG_MERGE_PENDING;
        est_info(&e, 1)->clustered = against[i] == VHDX_DISK_FLAG_CLUSTERED;
        est_judge(&e);
        cr_expect_str_eq(merge_step(), "(none)", "%zu", i);
        est_close(&e);
        est_open(&e);
    }
    plant_checkpoint_chain();
    est_unreadable(&e, "/vms/b/broken.vhdx");
    est_judge(&e);
    cr_expect_str_eq(merge_step(), "(none)", "a disk that cannot be read may hang on any of them");
}

Test(classify, the_layer_above_must_lie_where_a_merge_looks_for_it)
{
    plant_checkpoint_chain();
    est_at(&e, 3)->pub.path = est_at(&e, 3)->absolute = "/vms/b/a/d_3.avhdx";
    est_at(&e, 3)->pub.names.relative_path = "..\\..\\a\\d_2.avhdx";
    est_at(&e, 4)->pub.names.relative_path = "..\\b\\a\\d_3.avhdx";
    est_judge(&e);
    expect_status("/vms/b/a/d_3.avhdx", "checkpoint");
    cr_expect_str_eq(merge_step(), "(none)");
}

Test(classify, above_a_fork_a_machine_without_checkpoints_can_be_given_one_disk)
{
    size_t base = est_base(&e, "/vms/a/template.vhdx");
    size_t one = est_child(&e, "/vms/a/one.avhdx", base, ".\\template.vhdx");
    est_child(&e, "/vms/a/one_2.avhdx", one, ".\\one.avhdx");
    est_child(&e, "/vms/a/two.avhdx", base, ".\\template.vhdx");
    est_info(&e, est_machine(&e, "/vms/1.xml", "one", false, "D:\\VMs\\a\\one_2.avhdx"))->has_checkpoint_count = true;
    est_info(&e, est_machine(&e, "/vms/2.xml", "two", false, "D:\\VMs\\a\\two.avhdx"))->has_checkpoint_count = true;
    est_judge(&e);
    cr_expect_str_eq(merge_step(), "vhdx merge --into '/vms/a/one.avhdx' '/vms/a/one_2.avhdx'");
    cr_expect(est_has_step(&e, VHDX_STEP_HYPERV, "/vms/a/one.avhdx"));
    cr_expect_not(est_has_step(&e, VHDX_STEP_MERGE, "/vms/a/two.avhdx"));
}

Test(classify, of_a_named_disk_with_children_the_newer_state_is_saved_and_told)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\base.vhdx");
    vhdx_error err;
    cr_assert_eq(vx_estate_relate(e.estate, &err), VHDX_OK);
    struct vx_disk *leaf = (struct vx_disk *)est_disk(&e, "/vms/a/leaf.avhdx");
    leaf->pub.comparison = VHDX_COMPARISON_DIFFERS;
    leaf->pub.differing_bytes = 4096;
    cr_assert_eq(vx_estate_advise(e.estate, &err), VHDX_OK);
    const vhdx_found_family *family = &e.estate->families[0];
    cr_assert_geq(family->step_count, 5);
    cr_expect(strstr(family->steps[1].text, "in 4096 bytes"));
    cr_expect_str_eq(family->steps[3].text, "vhdx merge -o '/vms/a/leaf-content.vhdx' '/vms/a/leaf.avhdx'");
    cr_expect_not(est_has_step(&e, VHDX_STEP_MERGE, NULL));
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

enum { DEEP = 10000 };

/* Every hundredth layer is a checkpoint's; what lies between two of them can become one. */
Test(classify, ten_thousand_checkpoints_on_top_of_each_other_are_one_family)
{
    char path[64], relative[64];
    size_t below = est_base(&e, "/vms/a/d0.vhdx");
    for (int i = 1; i < DEEP; i++) {
        snprintf(relative, sizeof relative, i == 1 ? ".\\d%d.vhdx" : ".\\d%d.avhdx", i - 1);
        snprintf(path, sizeof path, "/vms/a/d%d.avhdx", i);
        below = est_child(&e, path, below, relative);
        snprintf(path, sizeof path, "D:\\a\\d%d.avhdx", i);
        snprintf(relative, sizeof relative, "/vms/Snapshots/%d.xml", i);
        if (i % 100 == 0 || i + 1 == DEEP)
            est_machine(&e, relative, "web", i + 1 < DEEP, path);
    }
    est_judge(&e);
    cr_assert_eq(e.estate->family_count, 1);
    cr_expect_eq(e.estate->families[0].file_count, DEEP);
    cr_expect_eq(e.estate->totals.problem_count, 0);
    expect_status("/vms/a/d0.vhdx", "checkpoint");
    expect_status("/vms/a/d9999.avhdx", "in-use-by-vm");
    size_t merges = 0;
    for (size_t i = 0; i < e.estate->families[0].step_count; i++)
        merges += e.estate->families[0].steps[i].kind == VHDX_STEP_MERGE;
    cr_expect_eq(merges, 2, "a chain of more than 256 layers is opened by nobody, so nobody merges further up");
}

Test(classify, a_circle_of_a_thousand_disks_is_told_at_each_and_listed_once)
{
    char path[64];
    size_t first = est_base(&e, "/vms/a/d0.avhdx"), below = first;
    for (int i = 1; i < 1000; i++) {
        snprintf(path, sizeof path, "/vms/a/d%d.avhdx", i);
        below = est_child(&e, path, below, NULL);
    }
    est_at(&e, first)->pub.kind = VHDX_DISK_KIND_DIFFERENCING;
    est_at(&e, first)->pub.names.has_linkage = true;
    est_at(&e, first)->pub.names.linkage = est_at(&e, below)->pub.data_write_guid;
    est_judge(&e);
    cr_expect_eq(e.estate->families[0].problem_count, 1000);
    cr_expect_eq(e.estate->chain_count, 1);
    for (size_t i = 0; i < 1000; i++)
        cr_expect_eq(e.estate->disks[i].pub.status, VHDX_DISK_STATUS_CYCLE);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

/* Each of the children in doubt fits each of the files: all are kept, and each child remembers some. */
Test(classify, a_thousand_parents_in_doubt_for_a_thousand_children)
{
    char path[64];
    size_t base = est_base(&e, "/vms/top/base.vhdx");
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "/vms/%d/web/m.avhdx", i);
        est_child(&e, path, base, "..\\..\\top\\base.vhdx");
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "/vms/leaf%d.avhdx", i);
        size_t leaf = est_child(&e, path, base, NULL);
        est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
        est_at(&e, leaf)->pub.names.absolute_win32_path = "D:\\web\\m.avhdx";
    }
    est_judge(&e);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
    cr_expect(est_disk(&e, "/vms/999/web/m.avhdx")->is_needed);
    cr_expect_leq(est_disk(&e, "/vms/leaf7.avhdx")->suspect_count, 256);
}

/* The same machine twice: its configuration lies on two hosts, or in a copy. That is no quarrel about the disk. */
Test(classify, one_machine_with_two_configurations_is_one_machine_and_two_are_two)
{
    est_base(&e, "/vms/a/disk.vhdx");
    est_machine(&e, "/vms/one.xml", "web", false, "D:\\a\\disk.vhdx");
    est_machine(&e, "/vms/copy.xml", "web", false, "D:\\a\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/a/disk.vhdx", "in-use-by-vm");
    cr_expect_not(est_has_finding(&e, "/vms/a/disk.vhdx", "ORPHANS-NAMED-TWICE"));
    est_close(&e);
    est_open(&e);
    est_base(&e, "/vms/a/disk.vhdx");
    est_machine(&e, "/vms/one.xml", "web", false, "D:\\a\\disk.vhdx");
    est_machine(&e, "/vms/two.xml", "mail", false, "D:\\a\\disk.vhdx");
    est_judge(&e);
    cr_expect(est_has_finding(&e, "/vms/a/disk.vhdx", "ORPHANS-NAMED-TWICE"));
}

static void grant(size_t disk, const char *machine)
{
    static vhdx_guid ids[16];
    static size_t count;
    vhdx_guid *id = &ids[count++ % 16];
    memset(id, 0, sizeof *id);
    memcpy(id->bytes, machine, strlen(machine));
    est_at(&e, disk)->pub.access = VHDX_ACCESS_SOME;
    est_at(&e, disk)->pub.accounts = id;
    est_at(&e, disk)->pub.account_count = 1;
}

Test(classify, a_leftover_that_was_given_to_an_unknown_machine_is_somebodys_until_all_was_searched)
{
    for (int complete = 0; complete < 2; complete++) {
        size_t base = est_base(&e, "/vms/a/base.vhdx");
        grant(est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx"), "stranger");
        e.estate->totals.complete_asked = complete;
        est_judge(&e);
        expect_status("/vms/a/left.avhdx", "orphan");
        cr_expect(est_has_finding(&e, "/vms/a/left.avhdx", "ORPHANS-FOREIGN"));
        cr_expect(est_disk(&e, "/vms/a/left.avhdx")->pub.flags & VHDX_DISK_FLAG_FOREIGN);
        cr_expect_eq(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/left.avhdx"), complete);
        est_close(&e);
        est_open(&e);
    }
}

Test(classify, a_leftover_that_was_given_to_a_known_machine_is_told_to_be_its)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/used.avhdx", base, ".\\base.vhdx");
    grant(est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx"), "web");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\used.avhdx");
    est_judge(&e);
    cr_expect(est_has_finding(&e, "/vms/a/left.avhdx", "ORPHANS-OWNER"));
    cr_expect_not(est_disk(&e, "/vms/a/left.avhdx")->pub.flags & VHDX_DISK_FLAG_FOREIGN);
    cr_expect(est_has_step(&e, VHDX_STEP_QUARANTINE, "/vms/a/left.avhdx"));
}

Test(classify, a_layer_that_its_machine_may_not_open_is_told_with_the_cure)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    grant(base, "mail");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    grant(leaf, "web");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\leaf.avhdx");
    est_info(&e, 0)->has_checkpoint_count = true;
    est_info(&e, 0)->checkpoint_count = 1; /* no chain to be merged */
    est_judge(&e);
    cr_expect(est_disk(&e, "/vms/a/base.vhdx")->pub.flags & VHDX_DISK_FLAG_ACCESS_MISSING);
    cr_expect_not(est_disk(&e, "/vms/a/leaf.avhdx")->pub.flags & VHDX_DISK_FLAG_ACCESS_MISSING);
    cr_expect_eq(e.estate->totals.problem_count, 0, "no file is wrong");
    const vhdx_found_family *family = &e.estate->families[0];
    cr_assert_eq(family->step_count, 1);
    cr_expect_str_eq(family->steps[0].text, "icacls 'D:\\VMs\\a\\base.vhdx' /grant '*S-1-5-83-1-6448503-0-0-0:(F)'");
}

Test(classify, without_a_descriptor_nothing_is_said_of_accounts)
{
    est_base(&e, "/vms/a/base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\base.vhdx");
    est_judge(&e);
    cr_expect_eq(est_disk(&e, "/vms/a/base.vhdx")->pub.flags, 0);
}

Test(classify, a_replicated_disk_stays)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_side(&e, "/vms/a/left.hrl", VHDX_SIDE_REPLICA_LOG);
    est_judge(&e);
    cr_expect(est_disk(&e, "/vms/a/left.avhdx")->pub.flags & VHDX_DISK_FLAG_REPLICATED);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify, user_profiles_and_the_like_are_told_apart)
{
    size_t base = est_base(&e, "/vms/p/Profile_anna.VHDX");
    est_child(&e, "/vms/p/RW.VHDX", base, ".\\Profile_anna.VHDX");
    est_base(&e, "/vms/wsl/ext4.vhdx");
    est_base(&e, "/vms/WindowsImageBackup/host/x.vhdx");
    est_judge(&e);
    expect_status("/vms/p/RW.VHDX", "standalone");
    expect_status("/vms/wsl/ext4.vhdx", "standalone");
    cr_expect(est_disk(&e, "/vms/WindowsImageBackup/host/x.vhdx")->pub.flags & VHDX_DISK_FLAG_OTHER_USE);
    cr_expect_eq(e.estate->totals.problem_count, 0);
}

Test(classify, what_was_put_aside_is_no_problem_any_more)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t left = est_child(&e, "/vms/vhdx-quarantine/a/left.avhdx", base, ".\\base.vhdx");
    est_at(&e, left)->pub.flags |= VHDX_DISK_FLAG_QUARANTINED;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\base.vhdx");
    est_judge(&e);
    expect_status("/vms/a/base.vhdx", "in-use-by-vm");
    cr_expect_eq(e.estate->totals.problem_count, 0);
}

Test(classify, flags_of_machines_reach_all_layers)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    size_t machine = est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\leaf.avhdx");
    est_info(&e, machine)->saved_state = VHDX_SAVED_STATE_PRESENT;
    est_info(&e, machine)->merge_pending = true;
    est_info(&e, machine)->has_checkpoint_count = true;
    est_judge(&e);
    cr_expect(est_disk(&e, "/vms/a/base.vhdx")->pub.flags & VHDX_DISK_FLAG_SAVED_STATE);
    cr_expect(est_disk(&e, "/vms/a/base.vhdx")->pub.flags & VHDX_DISK_FLAG_MERGE_PENDING);
    cr_expect_not(est_has_step(&e, VHDX_STEP_MERGE, NULL));
}

Test(classify, a_machine_without_checkpoints_on_a_chain_is_offered_the_merge)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    size_t machine = est_machine(&e, "/vms/vm.xml", "it's web", false, "D:\\VMs\\a\\leaf.avhdx");
    est_info(&e, machine)->has_checkpoint_count = true;
    est_judge(&e);
    cr_expect_eq(e.estate->totals.problem_count, 0);
    cr_assert(est_has_step(&e, VHDX_STEP_MERGE, "/vms/a/leaf.avhdx"));
    const vhdx_found_family *family = &e.estate->families[0];
    bool told = false;
    for (size_t i = 0; i < family->step_count; i++)
        told = told || strcmp(family->steps[i].text,
                              "Set-VMHardDiskDrive -VMName 'it''s web' -ControllerType SCSI "
                              "-ControllerNumber 0 -ControllerLocation 0 -Path 'D:\\VMs\\a\\base.vhdx'") == 0;
    cr_expect(told);
}

Test(classify, names_in_commands_are_one_word_whatever_is_in_them)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/it's $(rm -rf x); `y`.avhdx", base, ".\\base.vhdx");
    est_judge(&e);
    cr_expect_str_eq(
        e.estate->families[0].steps[0].text,
        "vhdx merge -o '/vms/a/it'\\''s $(rm -rf x); `y`-content.vhdx' '/vms/a/it'\\''s $(rm -rf x); `y`.avhdx'");
}

Test(classify, names_that_cannot_be_shown_are_escaped_in_commands)
{
    size_t base = est_base(&e, "/a/b");
    est_child(&e, "/a/1\n\x1b\xff'\\\xe2\x80\xae\xc3\x84.avhdx", base, ".\\b");
    est_judge(&e);
    cr_expect_str_eq(e.estate->families[0].steps[0].text,
                     "vhdx merge -o $'/a/1\\012\\033\\377\\047\\134\\342\\200\\256\xc3\x84-content.vhdx' "
                     "$'/a/1\\012\\033\\377\\047\\134\\342\\200\\256\xc3\x84.avhdx'");
}

Test(classify, a_path_of_a_configuration_is_one_word_for_powershell)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\$(calc)\" & x '\\a\\base.vhdx");
    est_judge(&e);
    cr_expect_eq(est_disk(&e, "/vms/a/base.vhdx")->pub.status, VHDX_DISK_STATUS_ACTIVE_NOT_LEAF);
    bool granted = false;
    for (size_t i = 0; i < e.estate->families[0].step_count; i++) {
        const char *text = e.estate->families[0].steps[i].text;
        granted =
            granted || strncmp(text, "icacls 'D:\\$(calc)\" & x ''\\a\\left.avhdx' /grant '*S-1-5-83-1-", 58) == 0;
    }
    cr_expect(granted);
}

Test(classify, missing_checkpoint_configurations_keep_everything_where_it_is)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/used.avhdx", base, ".\\base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    size_t machine = est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\used.avhdx");
    est_info(&e, machine)->has_checkpoint_count = true;
    est_info(&e, machine)->checkpoint_count = 1;
    est_judge(&e);
    expect_status("/vms/a/left.avhdx", "orphan");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify, a_disk_of_another_hosts_report_is_used_by_that_hosts_machine)
{
    est_base(&e, "/mnt/share/web/disk.vhdx");
    size_t machine = est_machine(&e, "/mnt/b/vm.xml", "web", false, "\\\\nas\\share\\web\\disk.vhdx");
    e.estate->machines[machine].source = 1;
    est_judge(&e);
    expect_status("/mnt/share/web/disk.vhdx", "in-use-by-vm");
}

Test(classify, one_file_in_two_reports_is_one_disk)
{
    size_t one = est_base(&e, "/mnt/a/web/disk.vhdx");
    size_t two = est_base(&e, "E:\\b\\web\\disk.vhdx");
    const char *path = est_at(&e, two)->pub.path;
    *est_at(&e, two) = *est_at(&e, one);
    est_at(&e, two)->pub.path = est_at(&e, two)->absolute = path;
    est_at(&e, one)->source = 1;
    est_at(&e, two)->source = 2;
    est_judge(&e);
    cr_expect_eq(e.estate->disk_count, 1);
    cr_expect_eq(e.estate->totals.problem_count, 0);
}

/* ---- chance ---- */

struct wild {
    uint64_t random;
    size_t count;
    size_t parents[64]; /* by the builder's numbers; VHDX_NONE = a base */
    char paths[64][96];
    bool named[64], kept[64];
    bool by_checkpoint[64];
};

/* Trees of up to 40 disks in a few folders, some named, with moved parents, copies, sets, damage, and configurations
 * that were read in part. */
static void build_wild(struct wild *w)
{
    static const char *const folders[] = {"/vms/a", "/vms/b", "/vms/web/Virtual Hard Disks", "/vms/vhdx-quarantine"};
    w->count = 1 + (size_t)bld_random_below(&w->random, 40);
    bool tall = bld_random_below(&w->random, 2) == 0;
    for (size_t i = 0; i < w->count; i++) {
        bool is_base = i == 0 || bld_random_below(&w->random, 4) == 0;
        size_t folder = (size_t)bld_random_below(&w->random, 16);
        folder = folder < 12 ? 0 : folder - 12;
        snprintf(w->paths[i], sizeof w->paths[i], "%s/disk %zu.%s", folders[folder], i, is_base ? "vhdx" : "avhdx");
        w->parents[i] = is_base ? VHDX_NONE : (size_t)bld_random_below(&w->random, i);
        if (tall && !is_base && bld_random_below(&w->random, 8) != 0)
            w->parents[i] = i - 1;
        char relative[128];
        if (!is_base)
            snprintf(relative, sizeof relative, ".\\%s", strrchr(w->paths[w->parents[i]], '/') + 1);
        size_t number = is_base ? est_base(&e, w->paths[i]) : est_child(&e, w->paths[i], w->parents[i], relative);
        if (folder == 3)
            est_at(&e, number)->pub.flags |= VHDX_DISK_FLAG_QUARANTINED;
        est_at(&e, number)->locked = bld_random_below(&w->random, 40) == 0;
        est_at(&e, number)->truncated = bld_random_below(&w->random, 40) == 0;
        w->kept[i] = est_at(&e, number)->locked;
        w->named[i] = bld_random_below(&w->random, 5) == 0;
        if (w->named[i]) {
            char windows[160];
            snprintf(windows, sizeof windows, "D:%s", w->paths[i]);
            for (char *c = windows; *c; c++)
                *c = *c == '/' ? '\\' : *c;
            w->by_checkpoint[i] = bld_random_below(&w->random, 2) == 0;
            size_t vm = est_machine(&e, "/vms/x.xml", "m", w->by_checkpoint[i], windows);
            est_info(&e, vm)->has_checkpoint_count = bld_random_below(&w->random, 2) == 0;
        }
    }
    for (size_t i = 0; i < w->count; i++) /* whatever lies below a named disk is needed */
        for (size_t at = i; w->named[i] && at != VHDX_NONE; at = w->parents[at])
            w->kept[at] = true;
    if (bld_random_below(&w->random, 10) == 0)
        est_unreadable(&e, "/vms/a/broken.vhdx");
    e.estate->totals.complete_asked = bld_random_below(&w->random, 2) == 0;
    e.estate->totals.data_compared = bld_random_below(&w->random, 2) == 0;
}

static size_t children_of(const struct wild *w, size_t number)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        count += w->parents[i] == number;
    return count;
}

static size_t number_of(const struct wild *w, const char *path)
{
    size_t number = 0;
    while (number < w->count && strcmp(w->paths[number], path) != 0)
        number++;
    return number;
}

/* Whatever is written to, or read otherwise, has one child and no name; the last may be what a machine alone names. */
static void check_merge(const struct wild *w, const vhdx_found_step *step, uint64_t seed)
{
    size_t top = number_of(w, e.estate->disks[step->file].pub.path), at = top;
    char into[128] = "";
    cr_assert_lt(top, w->count);
    cr_assert(!w->named[top] || (!w->by_checkpoint[top] && children_of(w, top) == 0), "seed %llu: %s",
              (unsigned long long)seed, step->text);
    cr_assert_leq(children_of(w, top), 1);
    do {
        at = w->parents[at];
        cr_assert_neq(at, VHDX_NONE, "seed %llu: %s", (unsigned long long)seed, step->text);
        cr_assert(!w->named[at] && children_of(w, at) == 1, "seed %llu: %s of %s", (unsigned long long)seed,
                  w->paths[at], step->text);
        snprintf(into, sizeof into, "--into '%s' ", w->paths[at]);
    } while (!strstr(step->text, into));
}

static size_t check_merges(const struct wild *w, uint64_t seed)
{
    size_t count = 0;
    for (size_t f = 0; f < e.estate->family_count; f++)
        for (size_t s = 0; s < e.estate->families[f].step_count; s++)
            if (e.estate->families[f].steps[s].kind == VHDX_STEP_MERGE) {
                check_merge(w, &e.estate->families[f].steps[s], seed);
                count++;
            }
    return count;
}

/* Moving and removing in the order of the steps: at each, nothing that is still there may hang on what goes. */
static void check_steps(const struct wild *w, uint64_t seed)
{
    bool gone[64] = {false};
    for (size_t f = 0; f < e.estate->family_count; f++) {
        const vhdx_found_family *family = &e.estate->families[f];
        for (size_t s = 0; s < family->step_count; s++) {
            const vhdx_found_step *step = &family->steps[s];
            if (step->kind != VHDX_STEP_QUARANTINE && step->kind != VHDX_STEP_DELETE)
                continue;
            const char *path = e.estate->disks[step->file].pub.path;
            size_t number = 0;
            while (number < w->count && strcmp(w->paths[number], path) != 0)
                number++;
            cr_assert_lt(number, w->count, "seed %llu: %s", (unsigned long long)seed, path);
            cr_assert_not(w->kept[number], "seed %llu: %s is needed, and yet: %s", (unsigned long long)seed, path,
                          step->text);
            cr_assert_neq(w->parents[number], VHDX_NONE, "seed %llu: a base", (unsigned long long)seed);
            for (size_t i = 0; i < w->count; i++)
                cr_assert(w->parents[i] != number || gone[i] || strstr(w->paths[i], "quarantine"),
                          "seed %llu: %s hangs on %s", (unsigned long long)seed, w->paths[i], path);
            cr_assert(step->kind == VHDX_STEP_QUARANTINE || family->may_delete);
            gone[number] = true;
        }
    }
}

Test(classify, in_thousands_of_random_trees_nothing_that_is_needed_is_proposed_to_go, .fini = NULL)
{
    size_t moved = 0, merged = 0;
    est_close(&e);
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        struct wild w = {.random = seed};
        vhdx_error err;
        est_open(&e);
        build_wild(&w);
        cr_assert_eq(vx_estate_relate(e.estate, &err), VHDX_OK);
        for (size_t i = 0; i < e.estate->disk_count; i++) /* as if contents had been compared, with any outcome */
            if (e.estate->totals.data_compared && e.estate->disks[i].pub.status == VHDX_DISK_STATUS_ORPHAN)
                e.estate->disks[i].pub.comparison = (vhdx_comparison)bld_random_below(&w.random, 4);
        cr_assert_eq(vx_estate_advise(e.estate, &err), VHDX_OK);
        check_steps(&w, seed);
        merged += check_merges(&w, seed);
        moved += est_has_step(&e, VHDX_STEP_QUARANTINE, NULL) || est_has_step(&e, VHDX_STEP_DELETE, NULL);
        est_close(&e);
    }
    cr_expect_gt(moved, 200, "only %zu trees had anything to move: the test tests nothing", moved);
    cr_expect_gt(merged, 50, "only %zu merges were proposed: the test tests nothing", merged);
    est_open(&e);
}
