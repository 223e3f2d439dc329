/*
 * NTFS on Linux (ntfs-3g): Hyper-V refuses disks that are sparse there, and ntfs-3g makes a file sparse as soon as it
 * grows by anything but writing at its end. Needs root, mkntfs, ntfs-3g and /dev/fuse; skipped without them.
 */
/* SPDX-License-Identifier: MIT */
#ifdef __linux__
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "base/checked.h"
#include "format/security.h"
#include "io/io.h"

static char directory[1000];
static bool mounted;
static pid_t guard;
static int guard_pipe;

static int run(const char *format)
{
    char command[4096];
    snprintf(command, sizeof command, format, directory, directory, directory);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Lazily if need be: a test that failed may still have a file open. */
static void clean_up(void)
{
    run("{ umount %s/mnt || umount -l %s/mnt || fusermount -uz %s/mnt; } >/dev/null 2>&1");
    run("cd %s && rm -f image log && { rmdir mnt 2>/dev/null || :; } && cd / && rmdir %s");
}

/* A process that cleans up as soon as this one is gone, however it ends: no mount may be left behind. */
static void start_guard(void)
{
    int ends[2];
    char byte;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    guard = fork();
    cr_assert_geq(guard, 0);
    if (guard == 0) {
        close(ends[1]);
        while (read(ends[0], &byte, 1) > 0)
            ;
        clean_up();
        _exit(0);
    }
    close(ends[0]);
    guard_pipe = ends[1];
}

static void setup(void)
{
    mounted = false;
    char *made = files_directory();
    cr_assert_lt(strlen(made), sizeof directory, "TMPDIR is too long a path");
    strcpy(directory, made);
    free(made);
    start_guard();
    if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0)
        return;
    if (run("cd %s && mkdir mnt && truncate -s 64M image && PATH=$PATH:/sbin:/usr/sbin mkntfs -Q -F image >log 2>&1"))
        return;
    mounted = run("cd %s && PATH=$PATH:/sbin:/usr/sbin ntfs-3g image mnt >log 2>&1") == 0;
}

static void teardown(void)
{
    close(guard_pipe);
    waitpid(guard, NULL, 0);
    cr_expect_neq(access(directory, F_OK), 0, "%s is still there", directory);
}

TestSuite(ntfs, .init = setup, .fini = teardown);

#define SKIP_UNLESS_MOUNTED                                                                                            \
    if (!mounted)                                                                                                      \
    cr_skip_test("needs root, mkntfs, ntfs-3g and /dev/fuse")

static const char *path_of(const char *name)
{
    static char path[1200];
    snprintf(path, sizeof path, "%s/mnt/%s", directory, name);
    return path;
}

static uint32_t attributes_of(const char *name)
{
    unsigned char raw[4] = {0};
    cr_assert_eq(getxattr(path_of(name), "system.ntfs_attrib_be", raw, 4), 4);
    return (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 | (uint32_t)raw[2] << 8 | raw[3];
}

static struct vx_file *must_open(const char *name, vhdx_open_mode access)
{
    struct vx_file *file = NULL;
    vhdx_error err;
    vhdx_status status = vx_file_open(NULL, path_of(name), access, &file, &err);
    cr_assert_eq(status, VHDX_OK, "%s", err.message);
    return file;
}

Test(ntfs, a_file_never_becomes_sparse_through_our_hands)
{
    char page[4096];
    SKIP_UNLESS_MOUNTED;
    memset(page, 7, sizeof page);
    struct vx_file *file = must_open("a", VHDX_OPEN_CREATE);
    cr_expect(vx_file_facts(file)->attributes & VHDX_FILE_SPARSE_HARMS);
    cr_assert_eq(vx_file_grow(file, 3 * VX_MIB + 100, NULL), VHDX_OK);
    cr_assert_eq(vx_file_write(file, page, sizeof page, 5 * VX_MIB, NULL), VHDX_OK);
    cr_assert_eq(vx_file_zero(file, 4 * VX_MIB, 3 * VX_MIB, NULL), VHDX_OK);
    cr_assert_eq(vx_file_cut(file, 6 * VX_MIB, NULL), VHDX_OK);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    vx_file_close(file);
    cr_expect_eq(attributes_of("a") & 0x200, 0u);
    file = must_open("a", VHDX_OPEN_READ);
    uint64_t size = 0;
    cr_assert_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    cr_expect_eq(size, 6 * VX_MIB);
    cr_assert_eq(vx_file_read(file, page, sizeof page, 5 * VX_MIB, NULL), VHDX_OK);
    for (size_t i = 0; i < sizeof page; i++)
        cr_assert_eq(page[i], 0);
    cr_expect_eq(vx_file_facts(file)->attributes, (uint32_t)VHDX_FILE_SPARSE_HARMS);
    vx_file_close(file);
}

Test(ntfs, a_file_that_is_sparse_is_told)
{
    SKIP_UNLESS_MOUNTED;
    int fd = open(path_of("s"), O_CREAT | O_RDWR, 0644);
    cr_assert(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
    close(fd);
    cr_assert(attributes_of("s") & 0x200, "ntfs-3g has changed: growing no longer makes a file sparse");
    struct vx_file *file = must_open("s", VHDX_OPEN_READ);
    cr_expect_eq(vx_file_facts(file)->attributes, (uint32_t)VHDX_FILE_SPARSE_HARMS | VHDX_FILE_IS_SPARSE);
    vx_file_close(file);
}

Test(ntfs, a_file_marked_read_only_is_not_opened_for_writing)
{
    unsigned char raw[4] = {0, 0, 0, 0x21};
    struct vx_file *file = NULL;
    SKIP_UNLESS_MOUNTED;
    vx_file_close(must_open("r", VHDX_OPEN_CREATE));
    cr_assert_eq(setxattr(path_of("r"), "system.ntfs_attrib_be", raw, 4, 0), 0);
    cr_expect_eq(vx_file_open(NULL, path_of("r"), VHDX_OPEN_WRITE, &file, NULL), VHDX_READ_ONLY);
    file = must_open("r", VHDX_OPEN_READ);
    cr_expect(vx_file_facts(file)->attributes & VHDX_FILE_IS_READ_ONLY);
    vx_file_close(file);
}

Test(ntfs, shows_the_security_descriptor_that_was_set)
{
    /* owner and group are the administrators; one entry: a machine's account may do all */
    static const unsigned char raw[] = {
        1, 0, 4,  0x80, 20, 0, 0, 0, 36, 0, 0,  0, 0,    0,    0,    0, 52, 0, 0, 0, /* the head */
        1, 2, 0,  0,    0,  0, 0, 5, 32, 0, 0,  0, 0x20, 2,    0,    0,              /* S-1-5-32-544 */
        1, 2, 0,  0,    0,  0, 0, 5, 32, 0, 0,  0, 0x20, 2,    0,    0,              /* again */
        2, 0, 48, 0,    1,  0, 0, 0, 0,  0, 40, 0, 0xFF, 0x01, 0x1F, 0,              /* the list, the entry */
        1, 6, 0,  0,    0,  0, 0, 5, 83, 0, 0,  0, 1,    0,    0,    0, 1,  0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0,
    };
    uint8_t bytes[4096];
    size_t size = 0, count;
    struct vx_security security;
    struct vx_sid machines[VX_MACHINES_MAX];
    SKIP_UNLESS_MOUNTED;
    vx_file_close(must_open("d", VHDX_OPEN_CREATE));
    struct vx_file *file = must_open("d", VHDX_OPEN_READ);
    cr_assert(vx_file_security(file, bytes, sizeof bytes, &size));
    cr_expect_eq(vx_security_decode(vx_bytes_of(bytes, size), &security), VHDX_OK);
    vx_file_close(file);
    if (setxattr(path_of("d"), "system.ntfs_acl", raw, sizeof raw, 0) != 0)
        cr_skip_test("this ntfs-3g does not take descriptors");
    file = must_open("d", VHDX_OPEN_READ);
    cr_assert(vx_file_security(file, bytes, sizeof bytes, &size));
    cr_assert_eq(vx_security_decode(vx_bytes_of(bytes, size), &security), VHDX_OK);
    cr_expect_eq(vx_security_machines(&security, machines, &count), VX_MACHINE_ACCESS_SOME);
    cr_expect_eq(count, 1);
    cr_expect(!vx_file_security(file, bytes, 10, &size), "no room");
    vx_file_close(file);
}

Test(ntfs, locks_and_free_space_work_there_too)
{
    struct vx_file *second = NULL;
    vhdx_space space = {0, 0};
    SKIP_UNLESS_MOUNTED;
    struct vx_file *file = must_open("l", VHDX_OPEN_CREATE);
    cr_expect_eq(vx_file_open(NULL, path_of("l"), VHDX_OPEN_READ, &second, NULL), VHDX_BUSY);
    cr_expect_eq(vhdx_native_host()->space(NULL, path_of("new"), &space, NULL), VHDX_OK);
    cr_expect(space.free_bytes > VX_MIB && space.free_bytes < 64 * VX_MIB);
    vx_file_close(file);
}

Test(ntfs, a_full_volume_is_no_space_and_does_not_poison)
{
    vhdx_error err;
    SKIP_UNLESS_MOUNTED;
    struct vx_file *file = must_open("f", VHDX_OPEN_CREATE);
    cr_expect_eq(vx_file_grow(file, 80 * VX_MIB, &err), VHDX_NO_SPACE, "%s", err.message);
    cr_expect_eq(vx_file_write(file, "x", 1, 0, &err), VHDX_OK, "%s", err.message);
    vx_file_close(file);
}
#endif
