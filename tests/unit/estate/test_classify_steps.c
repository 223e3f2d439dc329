/* Classification: which steps are proposed, and in which words. */
/* SPDX-License-Identifier: MIT */
#include "classify_parts.h"

TestSuite(classify_steps, .init = open_estate, .fini = close_estate);

Test(classify_steps, only_what_is_redundant_goes_and_only_when_everything_was_searched)
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

Test(classify_steps, nothing_is_removed_while_a_machine_misses_a_disk)
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

Test(classify_steps, what_holds_anything_of_its_own_is_never_proposed_to_go)
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

Test(classify_steps, tracking_files_go_with_their_disk_and_guest_state_is_in_no_step)
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
Test(classify_steps, what_is_moved_aside_goes_where_no_file_of_its_name_is)
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

Test(classify_steps, all_files_that_may_be_the_parent_in_doubt_stay_where_they_are)
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
Test(classify_steps, of_files_that_differ_in_letter_case_alone_each_may_be_the_parent)
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

Test(classify_steps, a_file_called_like_a_parent_that_is_missing_stays)
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

Test(classify_steps, a_link_to_nothing_holds_nothing_up_unless_it_is_called_like_a_configuration)
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

Test(classify_steps, steps_for_disks_of_a_report_are_typed_as_its_host_wants_them)
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

Test(classify_steps, names_that_windows_cannot_have_are_in_no_command_for_it)
{
    size_t base = est_base(&e, "D:\\VMs\\a\\base.vhdx");
    size_t left = est_child(&e, "D:\\VMs\\a\\*", base, ".\\base.vhdx");
    est_at(&e, base)->source = est_at(&e, left)->source = 1;
    est_judge(&e);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
    cr_expect_not(est_has_step(&e, VHDX_STEP_COPY, NULL));
}

Test(classify_steps, a_relink_is_not_proposed_where_the_parents_name_cannot_be_written)
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

Test(classify_steps, layers_below_a_checkpoint_that_nothing_names_can_be_made_one)
{
    plant_checkpoint_chain();
    est_judge(&e);
    cr_expect_str_eq(merge_step(), "vhdx merge --into '/vms/a/base.vhdx' '/vms/a/d_2.avhdx'");
    cr_expect_not(est_has_step(&e, VHDX_STEP_HYPERV, NULL), "every name stays");
    cr_expect_eq(e.estate->families[0].reclaimable, 8 << 20);
}

Test(classify_steps, a_fork_ends_what_can_be_made_one)
{
    plant_checkpoint_chain();
    est_child(&e, "/vms/a/other.avhdx", 1, ".\\d_1.avhdx"); /* nobody's, and so everybody's */
    est_judge(&e);
    cr_expect_str_eq(merge_step(), "(none)", "base alone, and d_2 alone, are no two layers");
}

Test(classify_steps, a_merge_is_not_proposed_where_anything_speaks_against_it)
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

Test(classify_steps, the_layer_above_must_lie_where_a_merge_looks_for_it)
{
    plant_checkpoint_chain();
    est_at(&e, 3)->pub.path = est_at(&e, 3)->absolute = "/vms/b/a/d_3.avhdx";
    est_at(&e, 3)->pub.names.relative_path = "..\\..\\a\\d_2.avhdx";
    est_at(&e, 4)->pub.names.relative_path = "..\\b\\a\\d_3.avhdx";
    est_judge(&e);
    expect_status("/vms/b/a/d_3.avhdx", "checkpoint");
    cr_expect_str_eq(merge_step(), "(none)");
}

Test(classify_steps, above_a_fork_a_machine_without_checkpoints_can_be_given_one_disk)
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

Test(classify_steps, of_a_named_disk_with_children_the_newer_state_is_saved_and_told)
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
Test(classify_steps, ten_thousand_checkpoints_on_top_of_each_other_are_one_family)
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

Test(classify_steps, a_circle_of_a_thousand_disks_is_told_at_each_and_listed_once)
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
Test(classify_steps, a_thousand_parents_in_doubt_for_a_thousand_children)
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
Test(classify_steps, one_machine_with_two_configurations_is_one_machine_and_two_are_two)
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

Test(classify_steps, a_leftover_that_was_given_to_an_unknown_machine_is_somebodys_until_all_was_searched)
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

Test(classify_steps, a_leftover_that_was_given_to_a_known_machine_is_told_to_be_its)
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

Test(classify_steps, a_layer_that_its_machine_may_not_open_is_told_with_the_cure)
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

Test(classify_steps, without_a_descriptor_nothing_is_said_of_accounts)
{
    est_base(&e, "/vms/a/base.vhdx");
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\base.vhdx");
    est_judge(&e);
    cr_expect_eq(est_disk(&e, "/vms/a/base.vhdx")->pub.flags, 0);
}

Test(classify_steps, a_replicated_disk_stays)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/left.avhdx", base, ".\\base.vhdx");
    est_side(&e, "/vms/a/left.hrl", VHDX_SIDE_REPLICA_LOG);
    est_judge(&e);
    cr_expect(est_disk(&e, "/vms/a/left.avhdx")->pub.flags & VHDX_DISK_FLAG_REPLICATED);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify_steps, user_profiles_and_the_like_are_told_apart)
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

Test(classify_steps, what_was_put_aside_is_no_problem_any_more)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t left = est_child(&e, "/vms/vhdx-quarantine/a/left.avhdx", base, ".\\base.vhdx");
    est_at(&e, left)->pub.flags |= VHDX_DISK_FLAG_QUARANTINED;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\base.vhdx");
    est_judge(&e);
    expect_status("/vms/a/base.vhdx", "in-use-by-vm");
    cr_expect_eq(e.estate->totals.problem_count, 0);
}

Test(classify_steps, flags_of_machines_reach_all_layers)
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

Test(classify_steps, a_machine_without_checkpoints_on_a_chain_is_offered_the_merge)
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

Test(classify_steps, names_in_commands_are_one_word_whatever_is_in_them)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/it's $(rm -rf x); `y`.avhdx", base, ".\\base.vhdx");
    est_judge(&e);
    cr_expect_str_eq(
        e.estate->families[0].steps[0].text,
        "vhdx merge -o '/vms/a/it'\\''s $(rm -rf x); `y`-content.vhdx' '/vms/a/it'\\''s $(rm -rf x); `y`.avhdx'");
}

Test(classify_steps, names_that_cannot_be_shown_are_escaped_in_commands)
{
    size_t base = est_base(&e, "/a/b");
    est_child(&e, "/a/1\n\x1b\xff'\\\xe2\x80\xae\xc3\x84.avhdx", base, ".\\b");
    est_judge(&e);
    cr_expect_str_eq(e.estate->families[0].steps[0].text,
                     "vhdx merge -o $'/a/1\\012\\033\\377\\047\\134\\342\\200\\256\xc3\x84-content.vhdx' "
                     "$'/a/1\\012\\033\\377\\047\\134\\342\\200\\256\xc3\x84.avhdx'");
}

Test(classify_steps, a_path_of_a_configuration_is_one_word_for_powershell)
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

Test(classify_steps, missing_checkpoint_configurations_keep_everything_where_it_is)
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

Test(classify_steps, a_disk_of_another_hosts_report_is_used_by_that_hosts_machine)
{
    est_base(&e, "/mnt/share/web/disk.vhdx");
    size_t machine = est_machine(&e, "/mnt/b/vm.xml", "web", false, "\\\\nas\\share\\web\\disk.vhdx");
    e.estate->machines[machine].source = 1;
    est_judge(&e);
    expect_status("/mnt/share/web/disk.vhdx", "in-use-by-vm");
}

Test(classify_steps, one_file_in_two_reports_is_one_disk)
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
