/*
 * Paths of other machines against paths of this one.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "estate.h"
#include "estate/names.h"

#include <string.h>

static void expect_tail(const char *path, const char *place, size_t parts, bool whole)
{
    struct vx_tail tail = vx_tail_compare(path, place, false);
    cr_expect_eq(tail.parts, parts, "%s and %s: %zu parts", path, place, tail.parts);
    cr_expect_eq(tail.whole, whole, "%s and %s", path, place);
}

Test(tails, are_counted_from_the_end_behind_drive_volume_and_server)
{
    expect_tail("D:\\VMs\\web\\disk.vhdx", "/mnt/d/vms/WEB/Disk.vhdx", 3, true);
    expect_tail("D:\\VMs\\web\\disk.vhdx", "/mnt/web/disk.vhdx", 2, false);
    expect_tail("D:\\VMs\\web\\disk.vhdx", "/mnt/mail/disk.vhdx", 1, false);
    expect_tail("D:\\disk.vhdx", "/mnt/disk.vhdx", 1, true);
    expect_tail("\\\\?\\Volume{2d1f0c5e-0000-0000-0000-100000000000}\\a\\b.vhdx", "/x/a/b.vhdx", 2, true);
    expect_tail("\\\\nas\\share\\a\\b.vhdx", "/share/a/b.vhdx", 3, true);
    expect_tail("\\\\?\\UNC\\nas\\share\\a\\b.vhdx", "/share/a/b.vhdx", 3, true);
    expect_tail("C:/a/./b.vhdx", "/a/b.vhdx", 2, true);
    expect_tail("C:\\a\\..\\b.vhdx", "/a/b.vhdx", 1, false);
    expect_tail("", "/a", 0, false);
    expect_tail("C:\\", "/a", 0, false);
    cr_expect(vx_tail_compare("/a/b", "/a/b", false).equal);
    cr_expect_not(vx_tail_compare("/b", "/a/b", false).equal);
    cr_expect_eq(vx_tail_compare("C:\\x\\y", "/x\\y", false).parts, 0, "'\\' is a letter on this host");
}

Test(tails, begin_behind_the_root_of_whatever_kind)
{
    static const struct {
        const char *path, *rest, *with_server; /* NULL: the same */
    } rows[] = {
        {"C:\\VMs\\a.vhdx", "VMs\\a.vhdx", NULL},
        {"\\\\?\\C:\\VMs\\a.vhdx", "VMs\\a.vhdx", NULL},
        {"\\\\.\\C:\\VMs\\a.vhdx", "VMs\\a.vhdx", NULL},
        {"\\\\?\\Volume{1}\\VMs\\a.vhdx", "VMs\\a.vhdx", NULL},
        {"\\\\nas\\share\\a.vhdx", "share\\a.vhdx", "nas\\share\\a.vhdx"},
        {"\\\\?\\UNC\\nas\\share\\a.vhdx", "share\\a.vhdx", "nas\\share\\a.vhdx"},
        {"\\\\?\\unc\\nas\\share\\a.vhdx", "share\\a.vhdx", "nas\\share\\a.vhdx"},
        {"UNC\\a.vhdx", "UNC\\a.vhdx", NULL}, /* a folder of that name */
        {"\\VMs\\a.vhdx", "VMs\\a.vhdx", NULL},
        {"a.vhdx", "a.vhdx", NULL},
        {"\\\\?\\UN", "UN", NULL},
        {"", "", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_str_eq(vx_tail_without_root(rows[i].path), rows[i].rest, "%s", rows[i].path);
        cr_expect_str_eq(vx_tail_with_server(rows[i].path), rows[i].with_server ? rows[i].with_server : rows[i].rest,
                         "%s", rows[i].path);
    }
}

Test(tails, relative_paths_are_followed_and_never_above_the_root)
{
    struct est e;
    est_open(&e);
    cr_expect_str_eq(vx_tail_follow(e.estate, "/a/b/c.avhdx", 0, ".\\d.vhdx"), "/a/b/d.vhdx");
    cr_expect_str_eq(vx_tail_follow(e.estate, "/a/b/c.avhdx", 0, "..\\x\\d.vhdx"), "/a/x/d.vhdx");
    cr_expect_str_eq(vx_tail_follow(e.estate, "/c.avhdx", 0, "d.vhdx"), "/d.vhdx");
    cr_expect_null(vx_tail_follow(e.estate, "/a/c.avhdx", 0, "..\\..\\..\\d.vhdx"));
    est_close(&e);
}

Test(tails, a_directory_that_both_machines_have_leads_from_one_name_to_the_other)
{
    struct vx_arena arena = {0};
    const char *here = "/mnt/VMs/mail/disk.avhdx", *there = "D:\\VMs\\mail\\disk.avhdx";
    cr_expect_str_eq(vx_tail_there(&arena, here, false, there, "/mnt/VMs/bases/b.vhdx"), "D:\\VMs\\bases\\b.vhdx");
    cr_expect_null(vx_tail_there(&arena, here, false, there, "/else/b.vhdx"));
    cr_expect_null(vx_tail_there(&arena, here, false, "D:\\x\\disk.avhdx", "/mnt/VMs/bases/b.vhdx"), "only the name");
    cr_expect_null(vx_tail_there(&arena, here, false, there, "/mnt/VMs/a\\b.vhdx"), "no name on Windows");
    cr_expect_null(vx_tail_there(&arena, here, false, there, "/mntain/b.vhdx"), "not below it");
    vx_arena_clear(&arena);
}
