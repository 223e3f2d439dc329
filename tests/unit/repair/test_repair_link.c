/*
 * Repair of the link from a child to its parent: paths that lead nowhere, traces of merges that nobody needs any more,
 * in scenes of two disks. What is mended is verified with the whole chain, reads as before, is mended once, and is
 * undone to the last byte. The other disk is never touched.
 */
/* SPDX-License-Identifier: MIT */
#include "repair_link_parts.h"

TestSuite(repair_link, .init = setup, .fini = teardown);

/* ---- scenes ------------------------------------------------------------------------------------------------------ */

static void make(enum vx_find kind)
{
    for (size_t i = 0; i < around_count(); i++)
        if (around_at(i)->kind == kind) {
            around_at(i)->make(scene);
            return;
        }
    cr_assert_fail("no scene for %u", (unsigned)kind);
}

static void hash(bool anywhere, uint8_t value[16])
{
    const vhdx_open_options options = {
        .struct_size = sizeof options, .host = host, .parents = places, .parent_count = anywhere ? 2 : 0};
    vhdx_chain *chain;
    vhdx_error err;
    cr_assert_eq(vhdx_chain_open(AROUND_PATH, &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_chain_hash(chain, value, NULL, &err), VHDX_OK, "%s", err.message);
    vhdx_chain_free(chain);
}

/* All that a lossless repair promises; `parent`: the other disk. */
static void must_be_mended(enum vx_find kind, size_t place_count, const char *parent)
{
    const vhdx_undo_options undo = {.struct_size = sizeof undo, .host = host};
    uint64_t damaged = digest(AROUND_PATH), other = digest(parent);
    uint8_t before[16], after[16];
    vhdx_error err;
    hash(true, before);
    vhdx_report_free(repair(place_count, true));
    cr_assert_eq(digest(AROUND_PATH), damaged, "a dry run writes");

    vhdx_report *report = repair(place_count, false);
    cr_assert(find(report, kind) && find(report, kind)->corrected, "%s", vx_finding_kind(kind)->id);
    cr_assert_eq(find(report, kind)->repair, VHDX_REPAIR_LOSSLESS);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    vhdx_report_free(report);

    report = verify();
    const vhdx_finding *left;
    for (size_t i = 0; (left = vhdx_report_finding(report, 0, i)) != NULL; i++)
        cr_assert_eq((int)left->number, VX_FIND_LOG_RESIDUE, "%s", left->message);
    vhdx_report_free(report);
    hash(false, after);
    cr_assert_arr_eq(before, after, sizeof before);
    cr_assert_eq(digest(parent), other);

    must_do_nothing(place_count);
    cr_assert_eq(vhdx_undo(UNDO, &undo, NULL, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(digest(AROUND_PATH), damaged, "undo does not lead back");
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

Test(repair_link, writes_a_stale_path_anew_without_being_told)
{
    make(VX_FIND_PARENT_PATH_STALE);
    must_be_mended(VX_FIND_PARENT_PATH_STALE, 0, BASE);
    must_be_mended(VX_FIND_PARENT_PATH_STALE, 1, BASE);
}

Test(repair_link, finds_a_parent_beside_that_bears_another_name)
{
    make(VX_FIND_PARENT_PATH_STALE);
    rename_file(BASE, "/d/renamed.vhdx");
    vhdx_report *report = verify();
    cr_assert(find(report, VX_FIND_PARENT_MISSING));
    vhdx_report_free(report);
    must_be_mended(VX_FIND_PARENT_PATH_STALE, 0, "/d/renamed.vhdx");
    must_be_mended(VX_FIND_PARENT_PATH_STALE, 1, "/d/renamed.vhdx");
}

Test(repair_link, finds_a_parent_in_another_directory_only_when_told)
{
    make(VX_FIND_PARENT_PATH_STALE);
    rename_file(BASE, "/e/renamed.vhdx");
    must_do_nothing(0);
    must_be_mended(VX_FIND_PARENT_PATH_STALE, 2, "/e/renamed.vhdx");
}

Test(repair_link, takes_no_file_of_another_identity)
{
    make(VX_FIND_PARENT_MISMATCH);
    must_do_nothing(0);
    must_do_nothing(1);
}

Test(repair_link, does_not_take_the_disk_itself)
{
    make(VX_FIND_CHAIN_LOOP);
    must_do_nothing(0);
    must_do_nothing(1);
}

Test(repair_link, does_nothing_when_no_parent_is_there)
{
    make(VX_FIND_PARENT_MISSING);
    must_do_nothing(0);
}

/* A pair whose locator has paths of the machine that it comes from. */
static void make_foreign(const vhdx_guid *linkage2, const char *relative)
{
    const vhdx_guid id = {{4, 5}};
    struct bld_options options = {.virtual_size = 8 << 20, .block_size = 1 << 20, .seed = 1, .virtual_disk_id = id};
    struct bld *base = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed = 2;
    struct bld *child = bld_new(&options);
    bld_write_random(base, 3 << 20, 65536, 1);
    bld_write_random(child, 4 << 20, 65536, 2);
    bld_parent(child, bld_data_write_guid(base), linkage2, relative,
               "\\\\?\\Volume{0eba351e-0000-0000-0000-000000000000}\\VMs\\base.vhdx", "D:\\VMs\\base.vhdx");
    cr_assert_eq(bld_finish(base, host, BASE, NULL), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, AROUND_PATH, NULL), VHDX_OK);
    bld_free(base);
    bld_free(child);
}

/* They are right again when the disks are back where they came from, and nobody here can tell. */
Test(repair_link, keeps_the_paths_of_another_system)
{
    make_foreign(NULL, "..\\former\\base.vhdx");
    vhdx_report_free(repair(0, false));
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    cr_assert_eq(vhdx_chain_open(AROUND_PATH, &options, &chain, NULL), VHDX_OK);
    const vhdx_parent_names *names = vhdx_chain_layer(chain, 0)->parent;
    cr_expect_str_eq(names->relative_path, ".\\base.vhdx");
    cr_expect_str_eq(names->absolute_win32_path, "D:\\VMs\\base.vhdx");
    cr_expect_str_eq(names->volume_path, "\\\\?\\Volume{0eba351e-0000-0000-0000-000000000000}\\VMs\\base.vhdx");
    vhdx_chain_free(chain);
}

/* ---- the second linkage ------------------------------------------------------------------------------------------ */

static const vhdx_guid remnant = {{8, 8}};

static void put_disk(const char *path, vhdx_guid identity)
{
    const struct bld_options options = {.virtual_size = 8 << 20, .seed = 9, .data_write_guid = identity};
    struct bld *b = bld_new(&options);
    cr_assert_eq(bld_finish(b, host, path, NULL), VHDX_OK);
    bld_free(b);
}

Test(repair_link, clears_a_second_linkage_that_nobody_answers_to)
{
    make(VX_FIND_PARENT_LINKAGE2);
    must_be_mended(VX_FIND_PARENT_LINKAGE2, 0, BASE);
    must_be_mended(VX_FIND_PARENT_LINKAGE2, 1, BASE);
}

Test(repair_link, clears_it_together_with_a_stale_path)
{
    make_foreign(&remnant, "..\\former\\base.vhdx");
    must_be_mended(VX_FIND_PARENT_LINKAGE2, 0, BASE);
    must_be_mended(VX_FIND_PARENT_PATH_STALE, 0, BASE);
}

/* A merge that was interrupted finds by it what is left to do. */
Test(repair_link, keeps_a_second_linkage_that_a_disk_beside_it_answers_to)
{
    make(VX_FIND_PARENT_LINKAGE2);
    put_disk("/d/merged.avhdx", remnant);
    vhdx_report *report = verify();
    cr_assert(find(report, VX_FIND_PARENT_LINKAGE2));
    cr_expect_eq(find(report, VX_FIND_PARENT_LINKAGE2)->repair, VHDX_REPAIR_NONE);
    vhdx_report_free(report);
    must_do_nothing(0);
    must_do_nothing(1);
}

Test(repair_link, keeps_it_while_a_disk_beside_it_does_not_say_who_it_is)
{
    make(VX_FIND_PARENT_LINKAGE2);
    put_disk("/d/ruin.avhdx", remnant);
    bld_poke_int(host, "/d/ruin.avhdx", 0x10010, 0x55, 1);
    bld_poke_int(host, "/d/ruin.avhdx", 0x20010, 0x55, 1);
    must_do_nothing(0);
    must_do_nothing(1);
}

Test(repair_link, of_a_merge_that_was_begun_changes_nothing)
{
    make(VX_FIND_PARENT_MERGE_BEGUN);
    must_do_nothing(0);
    must_do_nothing(1);
}
