/* Classification: parents in doubt, copies, circles, sets, and what is kept because something was not read. */
/* SPDX-License-Identifier: MIT */
#include "classify_parts.h"

TestSuite(classify_relations, .init = open_estate, .fini = close_estate);

Test(classify_relations, another_disk_in_the_parents_place_is_a_mismatch)
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

Test(classify_relations, the_same_disk_with_another_identity_was_written_to)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "parent-modified");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify_relations, a_merge_that_was_begun_is_known_by_the_second_linkage)
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

Test(classify_relations, layers_that_were_merged_and_kept_say_where_they_are)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t middle = est_child(&e, "/vms/a/middle.avhdx", base, ".\\base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", middle, ".\\middle.avhdx");
    struct vx_disk *disk = est_at(&e, middle);
    disk->pub.names.has_linkage2 = true; /* the lowest one: its own identity */
    disk->pub.names.linkage2 = disk->pub.data_write_guid;
    disk = est_at(&e, leaf);
    disk->pub.names.has_linkage2 = true; /* the topmost one: that of the disk that holds it */
    disk->pub.names.linkage2 = est_at(&e, base)->pub.data_write_guid;
    est_judge(&e);
    cr_expect(est_has_finding(&e, "/vms/a/middle.avhdx", "ORPHANS-MERGED"));
    cr_expect(est_has_finding(&e, "/vms/a/leaf.avhdx", "ORPHANS-MERGED"));
    cr_expect_not(est_has_finding(&e, "/vms/a/base.vhdx", "ORPHANS-MERGED"));
    cr_expect_not(est_has_finding(&e, "/vms/a/leaf.avhdx", "ORPHANS-MERGE-BEGUN"));
}

Test(classify_relations, a_second_linkage_that_is_of_nobody_is_no_merge)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    struct vx_disk *disk = est_at(&e, leaf);
    disk->pub.names.has_linkage2 = true;
    disk->pub.names.linkage2 = disk->pub.data_write_guid;
    disk->pub.names.linkage2.bytes[3] ^= 1;
    est_judge(&e);
    cr_expect_not(est_has_finding(&e, "/vms/a/leaf.avhdx", "ORPHANS-MERGED"));
}

Test(classify_relations, a_second_linkage_of_zeros_matches_nothing)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    memset(&est_at(&e, base)->pub.data_write_guid, 0, sizeof(vhdx_guid));
    size_t leaf = est_child(&e, "/vms/a/leaf.avhdx", base, NULL);
    est_at(&e, leaf)->pub.names.linkage.bytes[3] ^= 1;
    est_at(&e, leaf)->pub.names.has_linkage2 = true;
    est_judge(&e);
    expect_status("/vms/a/leaf.avhdx", "parent-missing");
}

Test(classify_relations, two_unnamed_files_of_one_identity_are_duplicates)
{
    size_t one = est_base(&e, "/vms/a/disk.vhdx");
    size_t two = est_base(&e, "/vms/b/copy.vhdx");
    est_at(&e, two)->pub.data_write_guid = est_at(&e, one)->pub.data_write_guid;
    est_judge(&e);
    expect_status("/vms/a/disk.vhdx", "duplicate");
    expect_status("/vms/b/copy.vhdx", "duplicate");
}

Test(classify_relations, of_two_copies_the_one_that_a_machine_uses_is_in_use)
{
    size_t one = est_base(&e, "/vms/a/disk.vhdx");
    size_t two = est_base(&e, "/vms/b/copy.vhdx");
    est_at(&e, two)->pub.data_write_guid = est_at(&e, one)->pub.data_write_guid;
    est_machine(&e, "/vms/vm.xml", "web", false, "D:\\VMs\\a\\disk.vhdx");
    est_judge(&e);
    expect_status("/vms/a/disk.vhdx", "in-use-by-vm");
    expect_status("/vms/b/copy.vhdx", "duplicate");
}

Test(classify_relations, of_two_copies_of_a_parent_the_one_at_the_locators_path_is_the_parent)
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

Test(classify_relations, hard_links_are_one_disk_with_two_names)
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

Test(classify_relations, a_circle_of_parents_is_told_and_touched_by_nothing)
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

Test(classify_relations, a_disk_that_is_its_own_parent_is_a_circle)
{
    size_t one = est_base(&e, "/vms/a/one.avhdx");
    est_at(&e, one)->pub.kind = VHDX_DISK_KIND_DIFFERENCING;
    est_at(&e, one)->pub.names.has_linkage = true;
    est_at(&e, one)->pub.names.linkage = est_at(&e, one)->pub.data_write_guid;
    est_judge(&e);
    expect_status("/vms/a/one.avhdx", "cycle");
    cr_expect_eq(e.estate->chain_count, 1);
}

Test(classify_relations, members_of_a_vhd_set_are_kept_whatever_hangs_on_them)
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

Test(classify_relations, an_unreadable_disk_keeps_everything_where_it_is)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    est_unreadable(&e, "/vms/b/broken.vhdx");
    est_judge(&e);
    expect_status("/vms/b/broken.vhdx", "unreadable");
    expect_status("/vms/a/leaf.avhdx", "orphan");
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}

Test(classify_relations, a_configuration_that_was_not_read_whole_keeps_everything_where_it_is)
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

Test(classify_relations, a_place_that_was_not_searched_keeps_everything_where_it_is)
{
    size_t base = est_base(&e, "/vms/a/base.vhdx");
    est_child(&e, "/vms/a/leaf.avhdx", base, ".\\base.vhdx");
    cr_assert(vx_estate_add_place(e.estate, "/vms/locked", false, "cannot read the directory"));
    est_judge(&e);
    cr_expect_not(est_has_step(&e, VHDX_STEP_QUARANTINE, NULL));
}
