/*
 * The host whose files are memory.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "io/io.h"
#include "with_memory.h"

MEMORY_SUITE(memory);

static struct vx_file *must_open(const char *path, vhdx_open_mode access)
{
    struct vx_file *file = NULL;
    vhdx_error err;
    cr_assert_eq(vx_file_open(host, path, access, &file, &err), VHDX_OK, "%s: %s", path, err.message);
    return file;
}

static vhdx_status try_open(const char *path, vhdx_open_mode access)
{
    struct vx_file *file = NULL;
    vhdx_status status = vx_file_open(host, path, access, &file, NULL);
    vx_file_close(file);
    return status;
}

Test(memory, what_was_put_can_be_read)
{
    char text[6] = "";
    cr_assert(vx_memory_host_put(memory, "dir/a", "hello", 5));
    cr_expect_eq(vx_memory_host_size(memory, "/dir//./a"), 5u);
    struct vx_file *file = must_open("/dir/a", VHDX_OPEN_READ);
    cr_expect_eq(vx_file_read(file, text, 5, 0, NULL), VHDX_OK);
    cr_expect_str_eq(text, "hello");
    cr_expect_eq(vx_file_read(file, text, 5, 1, NULL), VHDX_TRUNCATED);
    vx_file_close(file);
    cr_expect_eq(vx_memory_host_size(memory, "dir/b"), UINT64_MAX);
}

Test(memory, a_file_of_64_tib_costs_what_is_in_it)
{
    struct vx_file *file = must_open("big", VHDX_OPEN_CREATE);
    uint64_t size = UINT64_C(1) << 46;
    unsigned char byte = 7;
    uint64_t at = 0;
    uint64_t length = 0;
    cr_assert_eq(vx_file_grow(file, size, NULL), VHDX_OK);
    cr_assert_eq(vx_file_write(file, &byte, 1, size - 1, NULL), VHDX_OK);
    vx_file_next_data(file, 0, &at, &length);
    cr_expect_eq(at, size - 65536);
    cr_expect_eq(length, 65536u);
    vx_file_next_data(file, size - 10, &at, &length);
    cr_expect_eq(at, size - 10);
    cr_expect_eq(length, 10u);
    cr_assert_eq(vx_file_zero(file, size / 2, size / 2, NULL), VHDX_OK);
    vx_file_next_data(file, 0, &at, &length);
    cr_expect_eq(length, 0u);
    cr_expect_eq(vx_memory_host_size(memory, "big"), size);
    vx_file_close(file);
}

Test(memory, what_was_cut_off_does_not_come_back)
{
    struct vx_file *file = must_open("a", VHDX_OPEN_CREATE);
    unsigned char buf[4] = {1, 2, 3, 4};
    cr_assert_eq(vx_file_write(file, buf, 4, 70000, NULL), VHDX_OK);
    cr_assert_eq(vx_file_cut(file, 70002, NULL), VHDX_OK);
    cr_assert_eq(vx_file_grow(file, 80000, NULL), VHDX_OK);
    cr_assert_eq(vx_file_read(file, buf, 4, 70000, NULL), VHDX_OK);
    cr_expect_arr_eq(buf, ((unsigned char[]){1, 2, 0, 0}), 4);
    vx_file_close(file);
}

Test(memory, a_writer_is_alone_and_readers_share)
{
    vx_memory_host_put(memory, "a", "x", 1);
    struct vx_file *reader = must_open("a", VHDX_OPEN_READ);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ), VHDX_OK);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_REPLACE), VHDX_BUSY);
    cr_expect_eq(vx_memory_host_size(memory, "a"), 1u);
    vx_file_close(reader);
    struct vx_file *writer = must_open("a", VHDX_OPEN_WRITE);
    cr_expect_eq(try_open("a", VHDX_OPEN_READ), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE), VHDX_BUSY);
    cr_expect_eq(try_open("a", VHDX_OPEN_PEEK), VHDX_OK);
    vx_file_close(writer);
    cr_expect_eq(try_open("a", VHDX_OPEN_WRITE), VHDX_OK);
}

Test(memory, create_refuses_content_and_replace_empties_it)
{
    vx_memory_host_put(memory, "full", "x", 1);
    vx_memory_host_put(memory, "empty", "", 0);
    cr_expect_eq(try_open("full", VHDX_OPEN_CREATE), VHDX_EXISTS);
    cr_expect_eq(try_open("empty", VHDX_OPEN_CREATE), VHDX_OK);
    cr_expect_eq(try_open("none", VHDX_OPEN_WRITE), VHDX_NOT_FOUND);
    cr_expect_eq(try_open("full", VHDX_OPEN_REPLACE), VHDX_OK);
    cr_expect_eq(vx_memory_host_size(memory, "full"), 0u);
}

Test(memory, a_replaced_file_lives_for_those_who_have_it_open)
{
    char byte = 0;
    vx_memory_host_put(memory, "a", "A", 1);
    vx_memory_host_put(memory, "b", "B", 1);
    struct vx_file *old = must_open("b", VHDX_OPEN_READ);
    cr_assert_eq(host->rename(host->context, "a", "b", NULL), VHDX_OK);
    struct vx_file *new = must_open("b", VHDX_OPEN_READ);
    bool same = true;
    cr_expect(vx_file_same(old, new, &same) && !same);
    cr_expect_eq(vx_file_read(old, &byte, 1, 0, NULL), VHDX_OK);
    cr_expect_eq(byte, 'B');
    cr_expect_eq(vx_file_read(new, &byte, 1, 0, NULL), VHDX_OK);
    cr_expect_eq(byte, 'A');
    cr_expect_eq(try_open("a", VHDX_OPEN_READ), VHDX_NOT_FOUND);
    vx_file_close(old);
    vx_file_close(new);
}

Test(memory, clone_takes_whole_units_and_extends)
{
    char buf[4] = "", *bytes = calloc(3, 4096);
    memcpy(bytes + 4096, "cde", 3);
    vx_memory_host_put(memory, "a", bytes, 3 * 4096);
    free(bytes);
    struct vx_file *from = must_open("a", VHDX_OPEN_READ);
    struct vx_file *to = must_open("b", VHDX_OPEN_CREATE);
    cr_expect_eq(vx_file_clone(to, 102400, from, 4096, 8192, NULL), VHDX_OK);
    cr_expect_eq(vx_file_read(to, buf, 3, 102400, NULL), VHDX_OK);
    cr_expect_str_eq(buf, "cde");
    cr_expect_eq(vx_file_counters(to)->bytes_cloned, 8192);
    cr_expect_eq(vx_file_clone(to, 0, from, 8192, 8192, NULL), VHDX_UNSUPPORTED, "beyond the end of the source");
    cr_expect_eq(vx_file_clone(to, 0, from, 512, 4096, NULL), VHDX_UNSUPPORTED, "not at a whole unit");
    cr_expect_eq(vx_file_clone(to, 0, from, 0, 4095, NULL), VHDX_UNSUPPORTED, "not a whole unit");
    vx_file_close(from);
    vx_file_close(to);
}

static bool gather(void *context, const char *name)
{
    char *text = context;
    strcat(strcat(text, name), ";");
    return true;
}

Test(memory, list_names_files_and_directories_once)
{
    char names[100] = "";
    vx_memory_host_put(memory, "d/a", "", 0);
    vx_memory_host_put(memory, "d/sub/x", "", 0);
    vx_memory_host_put(memory, "d/sub/y", "", 0);
    vx_memory_host_put(memory, "dd/b", "", 0);
    cr_expect_eq(host->list(host->context, "d", gather, names, NULL), VHDX_OK);
    cr_expect_str_eq(names, "a;sub;");
    names[0] = '\0';
    cr_expect_eq(host->list(host->context, "/", gather, names, NULL), VHDX_OK);
    cr_expect_str_eq(names, "d;dd;");
}

Test(memory, absolute_is_free_of_dots)
{
    char text[12];
    cr_expect_eq(host->absolute(host->context, "a/./b/../c", text, sizeof text, NULL), VHDX_OK);
    cr_expect_str_eq(text, "/a/c");
    cr_expect_eq(host->absolute(host->context, "../..", text, sizeof text, NULL), VHDX_OK);
    cr_expect_str_eq(text, "/");
    cr_expect_eq(host->absolute(host->context, "/12345678901", text, sizeof text, NULL), VHDX_LIMIT);
}

Test(memory, random_numbers_come_again_for_the_same_seed)
{
    unsigned char a[16], b[16], c[16];
    struct vx_memory_host *twin = vx_memory_host_new(1);
    host->random(host->context, a, sizeof a, NULL);
    host->random(host->context, b, sizeof b, NULL);
    const vhdx_host *other = vx_memory_host_interface(twin);
    other->random(other->context, c, sizeof c, NULL);
    cr_expect_arr_eq(a, c, sizeof a);
    cr_expect_arr_neq(a, b, sizeof a);
    vx_memory_host_free(twin);
}
