/*
 * The operating system's own files: kinds of files, locks (also those that qemu takes), attributes, names. Each test
 * has its own directory, which is emptied and removed at the end.
 */
/* SPDX-License-Identifier: MIT */
#ifndef _WIN32
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "files.h"
#include "base/checked.h"
#include "io/io.h"

static char directory[1000];
static const vhdx_host *host;

static void setup(void)
{
    char *made = files_directory();
    cr_assert_lt(strlen(made), sizeof directory, "TMPDIR is too long a path");
    strcpy(directory, made);
    free(made);
    cr_assert_eq(chdir(directory), 0);
    host = vhdx_native_host();
}

static void teardown(void)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(entry->d_name) != 0)
            rmdir(entry->d_name);
    closedir(dir);
    cr_assert_eq(chdir("/"), 0);
    rmdir(directory);
}

TestSuite(posix, .init = setup, .fini = teardown);

static void make_file(const char *name, const char *content)
{
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    cr_assert(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    close(fd);
}

static struct vx_file *must_open(const char *path, vhdx_open_mode access)
{
    struct vx_file *file = NULL;
    vhdx_error err;
    vhdx_status status = vx_file_open(NULL, path, access, &file, &err);
    cr_assert_eq(status, VHDX_OK, "%s: %s", path, err.message);
    return file;
}

static vhdx_status try_open(const char *path, vhdx_open_mode access, vhdx_error *err)
{
    struct vx_file *file = NULL;
    vhdx_status status = vx_file_open(NULL, path, access, &file, err);
    vx_file_close(file);
    return status;
}

/* ---- bytes ---- */

Test(posix, bytes_come_back_after_closing)
{
    char buf[6] = "";
    uint64_t size = 0;
    struct vx_file *file = must_open("a", VHDX_OPEN_CREATE);
    cr_assert_eq(vx_file_write(file, "hello", 5, 5000, NULL), VHDX_OK);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    vx_file_close(file);
    file = must_open("a", VHDX_OPEN_READ);
    cr_expect_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    cr_expect_eq(size, 5005u);
    cr_expect_eq(vx_file_read(file, buf, 5, 5000, NULL), VHDX_OK);
    cr_expect_str_eq(buf, "hello");
    cr_expect_eq(vx_file_read(file, buf, 5, 5001, NULL), VHDX_TRUNCATED);
    vx_file_close(file);
}

Test(posix, holes_are_found_and_made)
{
    uint64_t at = 0;
    uint64_t length = 0;
    char buf[4] = "abc";
    struct vx_file *file = must_open("a", VHDX_OPEN_CREATE);
    cr_assert_eq(vx_file_grow(file, 4 * VX_MIB, NULL), VHDX_OK);
    cr_assert_eq(vx_file_write(file, buf, 3, 2 * VX_MIB, NULL), VHDX_OK);
    vx_file_next_data(file, 0, &at, &length);
    cr_expect(at <= 2 * VX_MIB && length > 0 && at + length > 2 * VX_MIB);
    cr_assert_eq(vx_file_zero(file, VX_MIB, 2 * VX_MIB, NULL), VHDX_OK);
    cr_assert_eq(vx_file_read(file, buf, 3, 2 * VX_MIB, NULL), VHDX_OK);
    cr_expect_arr_eq(buf, "\0\0\0", 3);
    vx_file_close(file);
}

/* Where the file system has no such question (tmpfs), the answer is "not known" and no number. */
Test(posix, counts_the_pieces_of_a_file_where_the_file_system_tells)
{
    uint64_t count = UINT64_MAX;
    char page[4096] = "abc";
    struct vx_file *file = must_open("a", VHDX_OPEN_CREATE);
    cr_assert_eq(vx_file_grow(file, 8 * VX_MIB, NULL), VHDX_OK);
    for (uint64_t i = 0; i < 4; i++)
        cr_assert_eq(vx_file_write(file, page, sizeof page, (2 * i + 1) * VX_MIB, NULL), VHDX_OK);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    if (vx_file_extents(file, &count))
        cr_expect(count == 4 || count == 8 || count == 9, "%llu", (unsigned long long)count); /* with unwritten ones */
    else
        cr_expect_eq(count, UINT64_MAX);
    vx_file_close(file);
}

Test(posix, a_file_size_limit_is_a_limit_and_no_doubt)
{
    struct rlimit limit = {4096, 4096};
    char page[4096] = "";
    vhdx_error err;
    struct vx_file *file = must_open("a", VHDX_OPEN_CREATE);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(vx_file_write(file, page, sizeof page, 4096, &err), VHDX_LIMIT);
    cr_expect_eq(err.system_code, EFBIG);
    cr_expect(strstr(err.message, strerror(EFBIG)) != NULL, "%s", err.message);
    cr_expect_str_eq(err.path, "a");
    cr_expect_eq(err.offset, 4096u);
    cr_expect_eq(vx_file_write(file, page, sizeof page, 0, &err), VHDX_OK);
    vx_file_close(file);
}

/* ---- opening ---- */

Test(posix, create_takes_over_an_empty_file_and_refuses_content)
{
    uint64_t size = 9;
    make_file("empty", "");
    make_file("full", "x");
    cr_expect_eq(try_open("empty", VHDX_OPEN_CREATE, NULL), VHDX_OK);
    cr_expect_eq(try_open("new", VHDX_OPEN_CREATE, NULL), VHDX_OK);
    cr_expect_eq(try_open("full", VHDX_OPEN_CREATE, NULL), VHDX_EXISTS);
    struct vx_file *file = must_open("full", VHDX_OPEN_REPLACE);
    cr_expect_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    cr_expect_eq(size, 0u);
    vx_file_close(file);
}

Test(posix, what_is_not_there_is_not_found)
{
    vhdx_error err;
    make_file("file", "x");
    cr_expect_eq(try_open("none", VHDX_OPEN_READ, &err), VHDX_NOT_FOUND);
    cr_expect_str_eq(err.path, "none");
    cr_expect_eq(err.system_code, ENOENT);
    cr_expect_eq(try_open("none", VHDX_OPEN_WRITE, NULL), VHDX_NOT_FOUND);
    cr_expect_eq(try_open("none/new", VHDX_OPEN_CREATE, NULL), VHDX_NOT_FOUND);
    cr_expect_eq(try_open("file/new", VHDX_OPEN_CREATE, NULL), VHDX_NOT_FOUND);
    cr_expect_neq(access("none", F_OK), 0);
}

Test(posix, what_is_no_file_is_refused_at_once)
{
    vhdx_error err;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    cr_assert_eq(mkfifo("pipe", 0644), 0);
    cr_assert_eq(mkdir("dir", 0755), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_expect_eq(try_open("pipe", VHDX_OPEN_READ, NULL), VHDX_ARG);
    cr_expect_eq(try_open("pipe", VHDX_OPEN_REPLACE, NULL), VHDX_ARG);
    cr_expect_eq(try_open("socket", VHDX_OPEN_READ, NULL), VHDX_ARG);
    cr_expect_eq(try_open("dir", VHDX_OPEN_READ, &err), VHDX_ARG);
    cr_expect(strstr(err.message, "directory") != NULL);
    cr_expect_eq(try_open("dir", VHDX_OPEN_CREATE, NULL), VHDX_ARG);
    cr_expect_eq(try_open("/dev/null", VHDX_OPEN_READ, NULL), VHDX_ARG);
    cr_expect_eq(try_open("/dev/full", VHDX_OPEN_WRITE, NULL), VHDX_ARG);
    close(fd);
}

Test(posix, a_file_without_write_permission_stays_as_it_is_even_for_root)
{
    make_file("a", "x");
    cr_assert_eq(chmod("a", 0444), 0);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_READ_ONLY);
    cr_expect_eq(try_open("a", VHDX_OPEN_REPLACE, NULL), VHDX_READ_ONLY);
    struct vx_file *file = must_open("a", VHDX_OPEN_READ);
    cr_expect(vx_file_facts(file)->attributes & VHDX_FILE_IS_READ_ONLY);
    uint64_t size = 0;
    cr_expect_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    cr_expect_eq(size, 1u);
    vx_file_close(file);
}

Test(posix, two_names_of_one_file_are_the_same)
{
    bool same = false;
    make_file("a", "x");
    make_file("b", "x");
    cr_assert_eq(link("a", "hard"), 0);
    cr_assert_eq(symlink("a", "soft"), 0);
    struct vx_file *a = must_open("a", VHDX_OPEN_READ);
    struct vx_file *b = must_open("b", VHDX_OPEN_READ);
    struct vx_file *hard = must_open("hard", VHDX_OPEN_READ);
    struct vx_file *soft = must_open("soft", VHDX_OPEN_READ);
    cr_expect(vx_file_same(a, hard, &same) && same);
    cr_expect(vx_file_same(a, soft, &same) && same);
    cr_expect(vx_file_same(a, b, &same) && !same);
    cr_expect_eq(vx_file_facts(a)->attributes, 0u);
    vx_file_close(a);
    vx_file_close(b);
    vx_file_close(hard);
    vx_file_close(soft);
}

/* ---- locks ---- */

Test(posix, readers_share_and_a_writer_is_alone_in_one_process)
{
    make_file("a", "x");
    struct vx_file *reader = must_open("a", VHDX_OPEN_READ);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_OK);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_REPLACE, NULL), VHDX_BUSY);
    vx_file_close(reader);
    struct vx_file *writer = must_open("a", VHDX_OPEN_WRITE);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_PEEK, NULL), VHDX_OK);
    vx_file_close(writer);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_OK);
}

Test(posix, a_refused_replace_leaves_the_content)
{
    struct stat st;
    make_file("a", "content");
    struct vx_file *reader = must_open("a", VHDX_OPEN_READ);
    cr_expect_eq(try_open("a", VHDX_OPEN_REPLACE, NULL), VHDX_BUSY);
    vx_file_close(reader);
    cr_assert_eq(stat("a", &st), 0);
    cr_expect_eq(st.st_size, 7);
}

/* Runs `body` in another process until stop_other(); returns when the body has done its work. */
struct other {
    pid_t pid;
    int to, from;
};

static struct other start_other(void (*body)(void))
{
    int go[2];
    int ready[2];
    cr_assert(pipe(go) == 0 && pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte = 1;
        close(go[1]);
        body();
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(go[0]);
    close(ready[1]);
    char byte = 0;
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    return (struct other){pid, go[1], ready[0]};
}

static void stop_other(struct other other)
{
    int status;
    close(other.to);
    close(other.from);
    cr_assert_eq(waitpid(other.pid, &status, 0), other.pid);
}

static void write_in_other(void)
{
    struct vx_file *file;
    if (vx_file_open(NULL, "a", VHDX_OPEN_WRITE, &file, NULL) != VHDX_OK)
        _exit(1);
}

static void read_in_other(void)
{
    struct vx_file *file;
    if (vx_file_open(NULL, "a", VHDX_OPEN_READ, &file, NULL) != VHDX_OK)
        _exit(1);
}

static void lock_classic_in_other(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(open("a", O_RDWR), F_SETLK, &lock) != 0)
        _exit(1);
}

static void lock_flock_in_other(void)
{
    if (flock(open("a", O_RDONLY), LOCK_EX) != 0)
        _exit(1);
}

Test(posix, a_writer_in_another_process_is_seen_until_it_ends)
{
    make_file("a", "x");
    struct other other = start_other(write_in_other);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_BUSY);
    stop_other(other);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_OK);
}

Test(posix, a_reader_in_another_process_keeps_writers_out)
{
    make_file("a", "x");
    struct other other = start_other(read_in_other);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_OK);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_BUSY);
    stop_other(other);
}

Test(posix, the_process_that_holds_a_classic_lock_is_named)
{
    vhdx_error err;
    char number[24];
    make_file("a", "x");
    struct other other = start_other(lock_classic_in_other);
    snprintf(number, sizeof number, "%ld", (long)other.pid);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, &err), VHDX_BUSY);
    cr_expect(strstr(err.message, number) != NULL, "%s", err.message);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, &err), VHDX_BUSY);
    cr_expect(strstr(err.message, number) != NULL, "%s", err.message);
    stop_other(other);
}

Test(posix, a_plain_flock_is_respected)
{
    make_file("a", "x");
    struct other other = start_other(lock_flock_in_other);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_BUSY);
    stop_other(other);
}

#ifdef F_OFD_SETLK
/* Read locks as qemu takes them: on 100 + n for what it does, on 200 + n for what it lets nobody else do. */
static int lock_as_qemu(const char *name, const int *bytes, size_t count)
{
    int fd = open(name, O_RDWR);
    cr_assert(fd >= 0);
    for (size_t i = 0; i < count; i++) {
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = bytes[i], .l_len = 1};
        cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    }
    return fd;
}

static bool qemu_could_write(const char *name)
{
    int fd = open(name, O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 201, .l_len = 1};
    cr_assert_eq(fcntl(fd, F_OFD_GETLK, &lock), 0);
    close(fd);
    return lock.l_type == F_UNLCK;
}

Test(posix, a_running_qemu_that_writes_keeps_everyone_out)
{
    static const int bytes[] = {100, 101, 103, 201, 203};
    make_file("a", "x");
    int fd = lock_as_qemu("a", bytes, 5);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_PEEK, NULL), VHDX_OK);
    close(fd);
}

Test(posix, a_running_qemu_that_only_reads_lets_readers_in)
{
    static const int bytes[] = {100, 201, 203};
    make_file("a", "x");
    int fd = lock_as_qemu("a", bytes, 3);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_OK);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE, NULL), VHDX_BUSY);
    close(fd);
}

Test(posix, our_readers_show_qemu_that_it_must_not_write)
{
    make_file("a", "x");
    cr_expect(qemu_could_write("a"));
    struct vx_file *file = must_open("a", VHDX_OPEN_READ);
    cr_expect_not(qemu_could_write("a"));
    vx_file_close(file);
    cr_expect(qemu_could_write("a"));
}

Test(posix, a_read_lock_over_the_whole_file_is_not_taken_for_qemu)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    make_file("a", "x");
    int fd = open("a", O_RDONLY);
    cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ, NULL), VHDX_OK);
    close(fd);
}
#endif

/* ---- names ---- */

struct names {
    int count;
    bool found;
};

static bool look_for_odd_name(void *context, const char *name)
{
    struct names *names = context;
    names->count++;
    names->found = names->found || strcmp(name, "odd\xff.vhdx") == 0;
    return true;
}

static bool stop_at_once(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
    return false;
}

Test(posix, list_gives_every_name_also_those_that_are_no_utf8)
{
    struct names names = {0, false};
    int visited = 0;
    make_file("a", "");
    make_file("odd\xff.vhdx", "");
    cr_expect_eq(host->list(NULL, "", look_for_odd_name, &names, NULL), VHDX_OK);
    cr_expect_eq(names.count, 2);
    cr_expect(names.found);
    cr_expect_eq(host->list(NULL, directory, stop_at_once, &visited, NULL), VHDX_OK);
    cr_expect_eq(visited, 1);
    cr_expect_eq(host->list(NULL, "none", stop_at_once, &visited, NULL), VHDX_NOT_FOUND);
}

Test(posix, rename_replaces_and_remove_removes)
{
    struct stat st;
    make_file("a", "longer");
    make_file("b", "b");
    cr_expect_eq(host->rename(NULL, "a", "b", NULL), VHDX_OK);
    cr_expect_eq(stat("b", &st), 0);
    cr_expect_eq(st.st_size, 6);
    cr_expect_eq(host->sync_directory(NULL, "", NULL), VHDX_OK);
    cr_expect_eq(host->sync_directory(NULL, directory, NULL), VHDX_OK);
    cr_expect_eq(host->remove(NULL, "b", NULL), VHDX_OK);
    cr_expect_eq(host->remove(NULL, "b", NULL), VHDX_NOT_FOUND);
}

Test(posix, absolute_needs_the_directory_and_not_the_file)
{
    char text[1024];
    char expected[1024];
    vhdx_error err;
    cr_assert_eq(mkdir("sub", 0755), 0);
    char *real = realpath(directory, NULL);
    snprintf(expected, sizeof expected, "%s/new.vhdx", real);
    cr_expect_eq(host->absolute(NULL, "new.vhdx", text, sizeof text, &err), VHDX_OK);
    cr_expect_str_eq(text, expected);
    cr_expect_eq(host->absolute(NULL, "sub/.././new.vhdx", text, sizeof text, &err), VHDX_OK);
    cr_expect_str_eq(text, expected);
    cr_expect_eq(host->absolute(NULL, "sub/..", text, sizeof text, &err), VHDX_OK);
    cr_expect_str_eq(text, real);
    cr_expect_eq(host->absolute(NULL, "/x", text, sizeof text, &err), VHDX_OK);
    cr_expect_str_eq(text, "/x");
    cr_expect_eq(host->absolute(NULL, "/", text, sizeof text, &err), VHDX_OK);
    cr_expect_str_eq(text, "/");
    cr_expect_eq(host->absolute(NULL, "none/x", text, sizeof text, &err), VHDX_NOT_FOUND);
    cr_expect_eq(host->absolute(NULL, "new.vhdx", text, strlen(expected), &err), VHDX_LIMIT);
    free(real);
}

Test(posix, space_is_told_for_a_file_that_is_not_there_yet)
{
    vhdx_space space = {0, 0};
    cr_expect_eq(host->space(NULL, "new.vhdx", &space, NULL), VHDX_OK);
    cr_expect_gt(space.free_bytes, 0u);
    cr_expect_gt(space.max_file_size, VX_GIB);
    cr_expect_eq(host->space(NULL, "none/new.vhdx", &space, NULL), VHDX_NOT_FOUND);
}

Test(posix, random_bytes_are_not_the_same_twice)
{
    unsigned char a[1000] = {0};
    unsigned char b[1000] = {0};
    cr_expect_eq(host->random(NULL, a, sizeof a, NULL), VHDX_OK);
    cr_expect_eq(host->random(NULL, b, sizeof b, NULL), VHDX_OK);
    cr_expect_neq(memcmp(a, b, sizeof a), 0);
    cr_expect_neq(memcmp(a + 744, b + 744, 256), 0);
}
#endif
