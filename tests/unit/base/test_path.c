/*
 * Paths as text, for hosts with '/' and for Windows.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/path.h"

static void expect_directory(const char *path, bool windows, const char *expected)
{
    char *found = vx_path_directory(path, windows);
    cr_expect_str_eq(found, expected, "directory of '%s' is '%s', expected '%s'", path, found, expected);
    vx_free(found);
}

static void expect_join(const char *directory, const char *name, bool windows, const char *expected)
{
    char *found = vx_path_join(directory, name, windows);
    cr_expect_str_eq(found, expected, "'%s' and '%s' gave '%s', expected '%s'", directory, name, found, expected);
    vx_free(found);
}

Test(path, directory_loses_the_name_and_keeps_the_root)
{
    expect_directory("b", false, ".");
    expect_directory("", false, ".");
    expect_directory("a/b", false, "a");
    expect_directory("a//b", false, "a");
    expect_directory("a/b/", false, "a/b");
    expect_directory("/b", false, "/");
    expect_directory("/a/b", false, "/a");
    expect_directory("a\\b", false, ".");
}

Test(path, directory_of_windows_paths_keeps_drive_and_server)
{
    expect_directory("a\\b", true, "a");
    expect_directory("a/b", true, "a");
    expect_directory("C:\\b", true, "C:\\");
    expect_directory("C:\\a\\b", true, "C:\\a");
    expect_directory("C:b", true, "C:");
    expect_directory("\\\\server\\share\\b", true, "\\\\server\\share");
    expect_directory("\\\\?\\C:\\b", true, "\\\\?\\C:\\");
    expect_directory("\\\\?\\C:\\a\\b", true, "\\\\?\\C:\\a");
}

Test(path, name_is_what_follows_the_last_separator)
{
    cr_expect_str_eq(vx_path_name("a/b.vhdx", false), "b.vhdx");
    cr_expect_str_eq(vx_path_name("b.vhdx", false), "b.vhdx");
    cr_expect_str_eq(vx_path_name("a/", false), "");
    cr_expect_str_eq(vx_path_name("a\\b", false), "a\\b");
    cr_expect_str_eq(vx_path_name("a\\b", true), "b");
    cr_expect_str_eq(vx_path_name("C:b", true), "b");
    cr_expect_str_eq(vx_path_name("C:b", false), "C:b");
}

Test(path, join_puts_exactly_one_separator)
{
    expect_join("a", "b", false, "a/b");
    expect_join("/", "b", false, "/b");
    expect_join("a/", "b", false, "a/b");
    expect_join("a", "b", true, "a\\b");
    expect_join("C:\\", "b", true, "C:\\b");
    expect_join("C:", "b", true, "C:b");
    expect_join("a", "..\\b", true, "a\\..\\b");
}

Test(path, join_leaves_a_name_alone_that_needs_no_directory)
{
    expect_join(".", "b", false, "b");
    expect_join("", "b", false, "b");
    expect_join("a", "/b", false, "/b");
    expect_join("a", "C:\\b", true, "C:\\b");
    expect_join("a", "\\\\s\\t\\b", true, "\\\\s\\t\\b");
    expect_join("a", "C:\\b", false, "a/C:\\b");
}

Test(path, absolute_is_what_needs_no_current_directory)
{
    cr_expect(vx_path_is_absolute("/a", false));
    cr_expect_not(vx_path_is_absolute("a", false));
    cr_expect_not(vx_path_is_absolute("", false));
    cr_expect_not(vx_path_is_absolute("C:\\a", false));
    cr_expect_not(vx_path_is_absolute("\\a", false));
    cr_expect(vx_path_is_absolute("C:\\a", true));
    cr_expect(vx_path_is_absolute("c:/a", true));
    cr_expect_not(vx_path_is_absolute("C:a", true));
    cr_expect(vx_path_is_absolute("\\\\server\\share", true));
    cr_expect(vx_path_is_absolute("\\\\?\\C:\\a", true));
}

Test(path, extension_is_the_last_one_and_has_no_case)
{
    cr_expect_str_eq(vx_path_extension("a.d/b", false), "");
    cr_expect_str_eq(vx_path_extension("a/b.c.avhdx", false), ".avhdx");
    cr_expect_str_eq(vx_path_extension("a/.vhdx", false), "");
    cr_expect(vx_path_has_extension("a/B.VhDx", ".vhdx", false));
    cr_expect(vx_path_has_extension("b", "", false));
    cr_expect_not(vx_path_has_extension("b.vhdx", ".avhdx", false));
    cr_expect_not(vx_path_has_extension("b.vhdx2", ".vhdx", false));
    cr_expect_not(vx_path_has_extension("b.vhd", ".vhdx", false));
}

static void expect_unfinished(const char *path, size_t limit)
{
    char *made = vx_path_unfinished(path, false);
    cr_assert(made);
    cr_expect_leq(strlen(vx_path_name(made, false)), limit, "%s", made);
    cr_expect_eq(strcmp(made + strlen(made) - 11, ".unfinished"), 0, "%s", made);
    size_t directory = (size_t)(vx_path_name(path, false) - path);
    cr_expect_eq(strncmp(made, path, directory), 0, "%s", made);
    vx_free(made);
}

Test(path, an_unfinished_name_is_no_longer_than_a_long_name)
{
    char path[600], other[600];
    char *made = vx_path_unfinished("a/b.vhdx", false);
    cr_expect_str_eq(made, "a/b.vhdx.unfinished");
    vx_free(made);
    for (size_t length = 90; length <= 255; length++) {
        memcpy(path, "dir/", 4);
        memset(path + 4, 'n', length);
        path[4 + length] = '\0';
        expect_unfinished(path, length <= 100 ? length + 11 : length);
    }
    /* 255 units of UTF-16, in three bytes each */
    for (size_t i = 0; i < 85; i++)
        memcpy(path + 4 + 3 * i, "\xe6\x97\xa5", 3);
    path[4 + 255] = '\0';
    expect_unfinished(path, 255 - 3 * 20 + 20);
    made = vx_path_unfinished(path, false);
    cr_expect_eq((unsigned char)made[4 + 3 * 65 - 1], 0xa5, "a character was cut");
    memcpy(other, path, sizeof path);
    other[4 + 254] = '\xa6';
    char *second = vx_path_unfinished(other, false);
    cr_expect_neq(strcmp(made, second), 0, "two names have the same unfinished one");
    vx_free(made);
    vx_free(second);
}

static void straight(const char *path, bool windows, const char *wanted)
{
    char *got = vx_path_straight(path, windows);
    cr_expect_str_eq(got, wanted, "%s: %s", path, got);
    vx_free(got);
}

Test(path, a_detour_is_taken_out_and_what_goes_up_from_the_root_is_left)
{
    straight("a/../b/c", false, "b/c");
    straight("./b/c", false, "b/c");
    straight("a/b/../../c", false, "c");
    straight("../../a/../c", false, "../../c");
    straight("../a/../../c", false, "../../c");
    straight("/../a", false, "/../a");
    straight("/a/../b", false, "/b");
    straight("a//../b", false, "a//../b");
    straight("a/..", false, "a/..");
    straight("..", false, "..");
    straight("", false, "");
    straight("a/b\\..\\c", false, "a/b\\..\\c");
    straight("a\\..\\b", true, "b");
    straight("C:\\a\\..\\b", true, "C:\\b");
    straight("C:\\..\\b", true, "C:\\..\\b");
    straight("...\\..\\b", true, "b");
}

Test(path, a_vhd_set_and_its_members_are_one_family)
{
    static const struct {
        const char *name, *family;
    } rows[] = {
        {"disk_11111111-2222-3333-4444-555555555555.avhdx", "disk"},
        {"disk.vhds", "disk"},
        {"base.vhdx", "base"},
        {"disk_11111111-2222-3333-4444-55555555555.avhdx", "disk_11111111-2222-3333-4444-55555555555"},
        {"_11111111-2222-3333-4444-555555555555.avhdx", "_11111111-2222-3333-4444-555555555555"},
        {"disk", "disk"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect_eq(vx_path_family_length(rows[i].name, true), strlen(rows[i].family), "%s", rows[i].name);
}
