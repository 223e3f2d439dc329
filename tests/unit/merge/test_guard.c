/*
 * Disks beside the layers that a merge would harm: they are found however damaged they are and by whatever name, and
 * the refusal says which, why, and what to do. Each test has base <- child and base <- other; the other is hurt.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "files.h"

#include "format/metadata.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct family {
    char *directory, *base, *child, *other;
    const char *parents[1]; /* where to look for the base */
    struct bld *base_disk, *other_disk;
};

static struct bld *new_disk(const struct bld *parent, uint64_t seed)
{
    struct bld_options options = {.kind = parent ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC,
                                  .virtual_size = 4 << 20,
                                  .block_size = 1 << 20,
                                  .seed = seed};
    struct bld *disk = bld_new(&options);
    if (parent)
        bld_parent(disk, bld_data_write_guid(parent), NULL, ".\\base.vhdx", NULL, NULL);
    bld_write_random(disk, 1 << 20, 8192, seed);
    return disk;
}

static void finish(struct bld *disk, const char *path)
{
    vhdx_error err;
    cr_assert_eq(bld_finish(disk, NULL, path, &err), VHDX_OK, "%s", err.message);
}

static void begin(struct family *family)
{
    family->directory = files_directory();
    family->parents[0] = family->directory;
    family->base = files_path(family->directory, "base.vhdx");
    family->child = files_path(family->directory, "child.avhdx");
    family->other = files_path(family->directory, "other.avhdx");
    family->base_disk = new_disk(NULL, 1);
    struct bld *child = new_disk(family->base_disk, 2);
    family->other_disk = new_disk(family->base_disk, 3);
    finish(family->base_disk, family->base);
    finish(child, family->child);
    finish(family->other_disk, family->other);
    bld_free(child);
}

static void end(struct family *family)
{
    bld_free(family->base_disk);
    bld_free(family->other_disk);
    free(family->base);
    free(family->child);
    free(family->other);
    files_remove_directory(family->directory);
}

/* Warnings, one a line. */
struct heard {
    char text[4096];
};

static void listen(void *context, const vhdx_notice *notice)
{
    struct heard *heard = context;
    size_t used = strlen(heard->text);
    if (notice->kind == VHDX_NOTICE_WARNING)
        snprintf(heard->text + used, sizeof heard->text - used, "%s\n", notice->text);
}

static vhdx_status merge(const struct family *family, vhdx_merge_options options, struct heard *heard, vhdx_error *err)
{
    *heard = (struct heard){""};
    options.struct_size = sizeof options;
    options.direction = VHDX_DIRECTION_DOWN;
    options.parents = family->parents;
    options.parent_count = 1;
    options.notice = listen;
    options.notice_context = heard;
    return vhdx_merge(family->child, &options, NULL, err);
}

/* Refused, naming the file and saying `why`, before anything was written. */
static void must_refuse_naming(const struct family *family, const char *name, const char *why)
{
    uint64_t before, after;
    struct heard heard;
    vhdx_error err;
    cr_assert(files_digest(NULL, family->base, &before));
    cr_assert_eq(merge(family, (vhdx_merge_options){0}, &heard, &err), VHDX_REFUSED, "%s: %s",
                 vhdx_status_name(err.status), err.message);
    cr_assert(strstr(err.message, name), "the message does not name %s: %s", name, err.message);
    cr_assert(strstr(err.message, why), "the message does not say '%s': %s", why, err.message);
    cr_assert(err.advice >= VHDX_ADVICE_MERGE_TO_NEW_OR_FORCE && err.advice <= VHDX_ADVICE_MEND_LAYER_OR_FORCE, "%s",
              err.advice_text);
    cr_assert(files_digest(NULL, family->base, &after));
    cr_assert_eq(before, after, "a refused merge has changed the base");
}

static void must_refuse(const struct family *family)
{
    must_refuse_naming(family, "other.avhdx", "is another child");
}

static void zero(const char *path, uint64_t offset, size_t length)
{
    uint8_t *zeros = calloc(length, 1);
    cr_assert_eq(bld_poke(NULL, path, offset, zeros, length), VHDX_OK);
    free(zeros);
}

Test(guard, a_sound_sibling_is_named)
{
    struct family family;
    begin(&family);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_without_its_first_header)
{
    struct family family;
    begin(&family);
    zero(family.other, 0x10000, 4096);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_without_any_header)
{
    struct family family;
    begin(&family);
    zero(family.other, 0x10000, 0x20000);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_without_its_first_region_table)
{
    struct family family;
    begin(&family);
    zero(family.other, 0x30000, 0x10000);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_without_any_region_table)
{
    struct family family;
    begin(&family);
    zero(family.other, 0x30000, 0x20000);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_without_its_first_mebibyte)
{
    struct family family;
    begin(&family);
    zero(family.other, 0, 0x100000);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_whose_identifier_is_gone)
{
    struct family family;
    begin(&family);
    zero(family.other, 0, 8);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_whose_linkage_is_in_its_log_only)
{
    struct family family;
    begin(&family);
    bld_log_dirty(family.other_disk, &(struct bld_log){.what = BLD_LOG_ALL, .home = BLD_HOME_GARBAGE});
    finish(family.other_disk, family.other);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_whose_log_is_lost)
{
    struct family family;
    begin(&family);
    bld_log_dirty(family.other_disk, &(struct bld_log){.what = BLD_LOG_BAT, .no_valid_entry = true});
    finish(family.other_disk, family.other);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_whose_metadata_table_is_gone)
{
    struct family family;
    begin(&family);
    zero(family.other, bld_region_offset(family.other_disk, &vx_guid_metadata_region), VX_METADATA_TABLE_SIZE);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_whose_table_does_not_lead_to_its_locator)
{
    struct family family;
    begin(&family);
    zero(family.other, bld_item_entry_offset(family.other_disk, &vx_guid_parent_locator, false), 20);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_whose_parameters_are_gone)
{
    struct family family;
    begin(&family);
    zero(family.other, bld_item_entry_offset(family.other_disk, &vx_guid_file_parameters, false), 32);
    must_refuse(&family);
    end(&family);
}

Test(guard, a_sibling_that_says_nothing_of_its_parent_is_refused_as_such)
{
    struct family family;
    begin(&family);
    zero(family.other, bld_item_offset(family.other_disk, &vx_guid_parent_locator, false), 512);
    must_refuse_naming(&family, "other.avhdx", "does not identify its parent");
    end(&family);
}

Test(guard, a_checkpoint_of_which_nothing_is_left_is_refused_too)
{
    struct family family;
    begin(&family);
    zero(family.other, 0, 4 << 20);
    must_refuse_naming(&family, "other.avhdx", "does not identify its parent");
    end(&family);
}

Test(guard, what_is_too_short_for_a_disk_or_sound_and_unrelated_harms_nobody)
{
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    char *note = files_path(family.directory, "note.avhdx"), *image = files_path(family.directory, "disk.vhdx");
    struct bld *unrelated = new_disk(NULL, 9);
    cr_assert(files_write(note, "a note", 6));
    finish(unrelated, image);
    cr_assert_eq(bld_poke(NULL, image, 0x10000, "", 1), VHDX_OK); /* one of its headers is damaged */
    cr_assert_eq(unlink(family.other), 0);
    cr_assert_eq(merge(&family, (vhdx_merge_options){0}, &heard, &err), VHDX_OK, "%s", err.message);
    cr_assert_str_eq(heard.text, "");
    bld_free(unrelated);
    free(note);
    free(image);
    end(&family);
}

Test(guard, who_forces_is_told_what_becomes_invalid)
{
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    char *third = files_path(family.directory, "third.avhdx");
    struct bld *ruin = new_disk(family.base_disk, 4);
    finish(ruin, third);
    zero(third, bld_item_offset(ruin, &vx_guid_parent_locator, false), 512);
    cr_assert_eq(merge(&family, (vhdx_merge_options){.force_siblings = true}, &heard, &err), VHDX_OK, "%s",
                 err.message);
    cr_assert(strstr(heard.text, "other.avhdx becomes invalid\n"), "%s", heard.text);
    cr_assert(strstr(heard.text, "third.avhdx becomes invalid if it is another child"), "%s", heard.text);
    bld_free(ruin);
    free(third);
    end(&family);
}

Test(guard, a_hard_link_to_a_layer_is_no_sibling_and_one_to_a_sibling_is)
{
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    char *child = files_path(family.directory, "child-again.avhdx"), *base = files_path(family.directory, "base2.vhdx");
    char *linked = files_path(family.directory, "zz.dat");
    cr_assert_eq(link(family.child, child), 0);
    cr_assert_eq(link(family.base, base), 0);
    cr_assert_eq(link(family.other, linked), 0);
    cr_assert_eq(unlink(family.other), 0); /* only the strange name is left */
    must_refuse_naming(&family, "zz.dat", "is another child");
    cr_assert_eq(unlink(linked), 0);
    cr_assert_eq(merge(&family, (vhdx_merge_options){0}, &heard, &err), VHDX_OK, "%s", err.message);
    cr_assert_str_eq(heard.text, "");
    free(child);
    free(base);
    free(linked);
    end(&family);
}

Test(guard, a_symbolic_link_to_a_sibling_elsewhere_counts)
{
    struct family family;
    begin(&family);
    char *elsewhere = files_directory(), *moved = files_path(elsewhere, "moved.avhdx");
    cr_assert_eq(rename(family.other, moved), 0);
    cr_assert_eq(symlink(moved, family.other), 0);
    must_refuse(&family);
    free(moved);
    files_remove_directory(elsewhere);
    end(&family);
}

Test(guard, a_child_reached_through_a_symbolic_link_has_its_siblings_where_it_lies)
{
    struct family family;
    begin(&family);
    char *elsewhere = files_directory(), *name = files_path(elsewhere, "child.avhdx");
    cr_assert_eq(symlink(family.child, name), 0);
    char *child = family.child;
    family.child = name;
    must_refuse(&family);
    family.child = child;
    free(name);
    files_remove_directory(elsewhere);
    end(&family);
}

/* child <- top, `other` away, and the child merged and kept. family.child is the child's name. */
static char *merge_first_step(struct family *family)
{
    struct heard heard;
    vhdx_error err;
    cr_assert_eq(unlink(family->other), 0);
    char *top = files_path(family->directory, "top.avhdx");
    vhdx_create_options create = {.struct_size = sizeof create, .parent = family->child};
    cr_assert_eq(vhdx_create(top, &create, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(merge(family, (vhdx_merge_options){0}, &heard, &err), VHDX_OK, "%s", err.message);
    return top;
}

static void create_on(const char *path, const char *parent)
{
    vhdx_error err;
    vhdx_create_options create = {.struct_size = sizeof create, .parent = parent};
    cr_assert_eq(vhdx_create(path, &create, &err), VHDX_OK, "%s", err.message);
}

/* The first step told to keep the file. */
Test(guard, a_merged_and_kept_child_is_no_sibling_of_the_next_step)
{
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    char *child = family.child, *top = merge_first_step(&family);
    family.child = top;
    cr_assert_eq(merge(&family, (vhdx_merge_options){0}, &heard, &err), VHDX_OK, "%s", err.message);
    cr_assert(strstr(heard.text, "child.avhdx was merged before and kept"), "%s", heard.text);
    family.child = child;
    free(top);
    end(&family);
}

/* No layer above remembers it: its own mark is all that there is. */
Test(guard, a_merged_and_kept_child_is_no_sibling_of_a_new_disk_either)
{
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    char *child = family.child, *top = merge_first_step(&family);
    cr_assert_eq(unlink(top), 0);
    create_on(top, family.base);
    family.child = top;
    cr_assert_eq(merge(&family, (vhdx_merge_options){0}, &heard, &err), VHDX_OK, "%s", err.message);
    cr_assert(strstr(heard.text, "child.avhdx was merged before and kept"), "%s", heard.text);
    family.child = child;
    free(top);
    end(&family);
}

/* A disk made on the kept file afterwards reads through it into the base. */
Test(guard, a_merged_and_kept_child_on_which_another_disk_hangs_is_a_sibling)
{
    struct family family;
    begin(&family);
    char *child = family.child, *top = merge_first_step(&family);
    char *branch = files_path(family.directory, "branch.avhdx");
    create_on(branch, child);
    family.child = top;
    must_refuse_naming(&family, "child.avhdx", "is another child");
    family.child = child;
    free(branch);
    free(top);
    end(&family);
}

/* What was written into it since is nowhere else. */
Test(guard, a_merged_and_kept_child_that_was_written_to_is_a_sibling)
{
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    char *child = family.child, *top = merge_first_step(&family);
    char *newer = files_path(family.directory, "newer.avhdx");
    create_on(newer, child);
    cr_assert_eq(unlink(top), 0);
    family.child = newer;
    cr_assert_eq(merge(&family, (vhdx_merge_options){0}, &heard, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(unlink(newer), 0);
    create_on(top, family.base);
    family.child = top;
    must_refuse_naming(&family, "child.avhdx", "is another child");
    family.child = child;
    free(newer);
    free(top);
    end(&family);
}

Test(guard, a_merge_that_is_repeated_moves_nothing)
{
    struct family family;
    vhdx_merge_report report = {.struct_size = sizeof report};
    vhdx_error err;
    uint64_t before, after;
    begin(&family);
    char *top = merge_first_step(&family);
    vhdx_merge_options options = {.struct_size = sizeof options, .parents = family.parents, .parent_count = 1};
    cr_assert(files_digest(NULL, family.base, &before));
    cr_assert_eq(vhdx_merge_plan(family.child, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_expect(report.already_complete && report.bytes_to_copy == 0);
    cr_assert_eq(vhdx_merge(family.child, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_expect(report.already_complete && report.bytes_copied == 0);
    cr_assert(files_digest(NULL, family.base, &after));
    cr_expect_eq(before, after);
    free(top);
    end(&family);
}

Test(guard, a_damaged_layer_above_stops_the_merge_until_it_is_given_up)
{
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    cr_assert_eq(unlink(family.other), 0);
    char *top = files_path(family.directory, "top.avhdx");
    vhdx_create_options create = {.struct_size = sizeof create, .parent = family.child};
    cr_assert_eq(vhdx_create(top, &create, &err), VHDX_OK, "%s", err.message);
    zero(top, 0x30000, 0x20000);
    cr_assert_eq(merge(&family, (vhdx_merge_options){0}, &heard, &err), VHDX_CORRUPT, "%s", err.message);
    cr_assert(strstr(err.path, "top.avhdx"), "%s", err.path);
    cr_assert_eq(err.advice, VHDX_ADVICE_MEND_LAYER_OR_FORCE, "%s", err.advice_text);
    cr_assert(err.advice_argument[0]);
    cr_assert_eq(merge(&family, (vhdx_merge_options){.force_siblings = true}, &heard, &err), VHDX_OK, "%s",
                 err.message);
    cr_assert(strstr(heard.text, "top.avhdx becomes invalid"), "%s", heard.text);
    free(top);
    end(&family);
}

/* Windows takes no notice of the case of letters, and a set may have been written by any program. */
Test(guard, a_vhd_set_that_names_the_child_in_other_letters_owns_it)
{
    static const char set[] = "\1\2CHILD.AvhdX\0other.avhdx";
    struct family family;
    struct heard heard;
    vhdx_error err;
    begin(&family);
    remove(family.other);
    char *path = files_path(family.directory, "set.vhds");
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(set, 1, sizeof set, file), sizeof set);
    fclose(file);
    cr_expect_eq(merge(&family, (vhdx_merge_options){0}, &heard, &err), VHDX_REFUSED, "%s", err.message);
    cr_expect(strstr(err.message, "set.vhds"), "%s", err.message);
    free(path);
    end(&family);
}
