/*
 * The wrappers around every file, over a host that does what the test tells it to and remembers what it was asked for.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "base/checked.h"
#include "io/io.h"

#define ROOM (4u * 1024 * 1024)

struct fake {
    unsigned char bytes[ROOM];
    uint64_t size;
    uint32_t attributes;
    vhdx_status read_result, write_result, flush_result, punch_result;
    const char *message; /* what the host itself says of a failure */
    int writes, punches, set_sizes, size_calls, closes;
    uint64_t first_gap; /* start of a write that began beyond the end */
};

static struct fake fake;

static vhdx_status answer(vhdx_status status, vhdx_error *err)
{
    if (status != VHDX_OK && err && fake.message) {
        err->system_code = 77;
        strcpy(err->message, fake.message);
    }
    return status;
}

static vhdx_status fake_read(void *file, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    (void)file;
    if (fake.read_result == VHDX_OK)
        memcpy(buf, fake.bytes + offset, length);
    return answer(fake.read_result, err);
}

static vhdx_status fake_write(void *file, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    (void)file;
    fake.writes++;
    if (fake.write_result != VHDX_OK)
        return answer(fake.write_result, err);
    cr_assert(length <= ROOM && offset <= ROOM - length);
    if (offset > fake.size && !fake.first_gap)
        fake.first_gap = offset;
    memcpy(fake.bytes + offset, buf, length);
    fake.size = vx_max(fake.size, offset + length);
    return VHDX_OK;
}

static vhdx_status fake_size(void *file, uint64_t *size, vhdx_error *err)
{
    (void)file;
    (void)err;
    fake.size_calls++;
    *size = fake.size;
    return VHDX_OK;
}

static vhdx_status fake_set_size(void *file, uint64_t size, vhdx_error *err)
{
    (void)file;
    (void)err;
    fake.set_sizes++;
    fake.size = size;
    return VHDX_OK;
}

static vhdx_status fake_flush(void *file, vhdx_error *err)
{
    (void)file;
    return answer(fake.flush_result, err);
}

static void fake_close(void *file)
{
    (void)file;
    fake.closes++;
}

static vhdx_status fake_facts(void *file, vhdx_file_facts *facts, vhdx_error *err)
{
    (void)file;
    (void)err;
    *facts = (vhdx_file_facts){.attributes = fake.attributes};
    return VHDX_OK;
}

static vhdx_status fake_punch(void *file, uint64_t offset, uint64_t length, vhdx_error *err)
{
    (void)file;
    fake.punches++;
    if (fake.punch_result == VHDX_OK)
        memset(fake.bytes + offset, 0, (size_t)length);
    return answer(fake.punch_result, err);
}

static const vhdx_io_ops fake_ops = {
    .struct_size = sizeof fake_ops,
    .read = fake_read,
    .write = fake_write,
    .size = fake_size,
    .set_size = fake_set_size,
    .flush = fake_flush,
    .close = fake_close,
    .facts = fake_facts,
    .punch = fake_punch,
};

static struct vx_file *file;

static void wrap(bool writable)
{
    cr_assert_eq(vx_file_wrap((vhdx_io){&fake_ops, NULL}, "disk.vhdx", writable, &file, NULL), VHDX_OK);
}

static void setup(void)
{
    memset(&fake, 0, sizeof fake);
    file = NULL;
}

static void teardown(void)
{
    vx_file_close(file);
}

TestSuite(io, .init = setup, .fini = teardown);

Test(io, a_range_beyond_the_end_is_truncated_whatever_the_host_says)
{
    vhdx_error err;
    char buf[8];
    fake.size = 100;
    fake.read_result = VHDX_IO;
    wrap(false);
    cr_expect_eq(vx_file_read(file, buf, 8, 93, &err), VHDX_TRUNCATED);
    cr_expect_eq(err.status, VHDX_TRUNCATED);
    cr_expect_eq(err.offset, 93u);
    cr_expect_str_eq(err.path, "disk.vhdx");
    cr_expect_eq(vx_file_read(file, buf, 8, 92, &err), VHDX_IO);
}

Test(io, ranges_that_overflow_never_reach_the_host)
{
    char buf[8] = "";
    size_t got = 99;
    fake.size = 100;
    wrap(true);
    cr_expect_eq(vx_file_read(file, buf, 8, UINT64_MAX - 3, NULL), VHDX_TRUNCATED);
    cr_expect_eq(vx_file_read(file, buf, 8, INT64_MAX - 3, NULL), VHDX_TRUNCATED);
    cr_expect_eq(vx_file_read_some(file, buf, 8, UINT64_MAX, &got, NULL), VHDX_OK);
    cr_expect_eq(got, 0u);
    cr_expect_eq(vx_file_write(file, buf, 8, UINT64_MAX - 3, NULL), VHDX_LIMIT);
    cr_expect_eq(vx_file_write(file, buf, 8, INT64_MAX - 3, NULL), VHDX_LIMIT);
    cr_expect_eq(vx_file_grow(file, UINT64_MAX, NULL), VHDX_LIMIT);
    cr_expect_eq(vx_file_zero(file, 16, UINT64_MAX, NULL), VHDX_LIMIT);
    cr_expect_eq(fake.writes + fake.set_sizes + fake.punches, 0);
    cr_expect_eq(vx_file_write(file, buf, 8, 0, NULL), VHDX_OK, "a refusal spoils nothing");
}

Test(io, read_some_fills_what_is_not_there_with_zeros)
{
    unsigned char buf[8];
    size_t got = 0;
    fake.size = 100;
    memset(fake.bytes, 5, ROOM);
    memset(buf, 9, sizeof buf);
    wrap(false);
    cr_expect_eq(vx_file_read_some(file, buf, 8, 97, &got, NULL), VHDX_OK);
    cr_expect_eq(got, 3u);
    cr_expect_arr_eq(buf, ((unsigned char[]){5, 5, 5, 0, 0, 0, 0, 0}), 8);
}

Test(io, the_hosts_own_words_and_code_survive)
{
    vhdx_error err;
    char byte;
    fake.size = 100;
    fake.read_result = VHDX_IO;
    fake.message = "the tape is torn";
    wrap(false);
    cr_expect_eq(vx_file_read(file, &byte, 1, 7, &err), VHDX_IO);
    cr_expect_eq(err.status, VHDX_IO);
    cr_expect_eq(err.system_code, 77);
    cr_expect_str_eq(err.message, "the tape is torn");
    cr_expect_str_eq(err.path, "disk.vhdx");
    cr_expect_eq(err.offset, 7u);
    cr_expect_neq(err.advice_text[0], '\0');
}

Test(io, a_host_that_says_nothing_gets_a_sentence)
{
    vhdx_error err;
    fake.flush_result = VHDX_IO;
    wrap(true);
    cr_expect_eq(vx_file_flush(file, &err), VHDX_IO);
    cr_expect_eq(err.status, VHDX_IO);
    cr_expect_neq(err.message[0], '\0');
}

Test(io, after_a_failed_flush_nothing_is_written_but_reads_go_on)
{
    char byte = 1;
    fake.size = 10;
    wrap(true);
    fake.flush_result = VHDX_NO_SPACE;
    cr_expect_eq(vx_file_flush(file, NULL), VHDX_NO_SPACE);
    fake.flush_result = VHDX_OK;
    cr_expect_eq(vx_file_flush(file, NULL), VHDX_POISONED);
    cr_expect_eq(vx_file_write(file, &byte, 1, 0, NULL), VHDX_POISONED);
    cr_expect_eq(vx_file_grow(file, 100, NULL), VHDX_POISONED);
    cr_expect_eq(vx_file_cut(file, 1, NULL), VHDX_POISONED);
    cr_expect_eq(vx_file_zero(file, 0, 1, NULL), VHDX_POISONED);
    cr_expect_eq(fake.writes + fake.set_sizes + fake.punches, 0);
    cr_expect_eq(vx_file_read(file, &byte, 1, 0, NULL), VHDX_OK);
}

Test(io, a_write_of_unsure_outcome_poisons_and_a_full_volume_does_not)
{
    char byte = 1;
    wrap(true);
    fake.write_result = VHDX_NO_SPACE;
    cr_expect_eq(vx_file_write(file, &byte, 1, 0, NULL), VHDX_NO_SPACE);
    fake.write_result = VHDX_IO;
    cr_expect_eq(vx_file_write(file, &byte, 1, 0, NULL), VHDX_IO);
    fake.write_result = VHDX_OK;
    cr_expect_eq(vx_file_write(file, &byte, 1, 0, NULL), VHDX_POISONED);
}

Test(io, a_file_opened_for_reading_is_not_written)
{
    char byte = 1;
    wrap(false);
    cr_expect_eq(vx_file_write(file, &byte, 1, 0, NULL), VHDX_READ_ONLY);
    cr_expect_eq(vx_file_cut(file, 0, NULL), VHDX_READ_ONLY);
    cr_expect_eq(vx_file_flush(file, NULL), VHDX_READ_ONLY);
}

Test(io, where_sparse_files_harm_every_byte_is_written_in_order)
{
    char byte = 1;
    fake.size = 10;
    fake.attributes = VHDX_FILE_SPARSE_HARMS;
    memset(fake.bytes, 9, ROOM);
    wrap(true);
    cr_expect_eq(vx_file_write(file, &byte, 1, 2500000, NULL), VHDX_OK);
    cr_expect_eq(fake.first_gap, 0u);
    cr_expect_eq(fake.bytes[10], 0);
    cr_expect_eq(fake.bytes[2499999], 0);
    cr_expect_eq(vx_file_grow(file, 3000000, NULL), VHDX_OK);
    cr_expect_eq(vx_file_zero(file, 0, 3100000, NULL), VHDX_OK);
    cr_expect_eq(fake.first_gap, 0u);
    cr_expect_eq(fake.set_sizes + fake.punches, 0);
    cr_expect_eq(fake.size, 3100000u);
    cr_expect_eq(fake.bytes[2500000], 0);
    cr_expect_eq(fake.bytes[3100000], 9);
}

Test(io, where_sparse_files_do_no_harm_nothing_is_written_to_grow)
{
    fake.size = 10;
    wrap(true);
    cr_expect_eq(vx_file_grow(file, 3000000, NULL), VHDX_OK);
    cr_expect_eq(vx_file_grow(file, 20, NULL), VHDX_OK);
    cr_expect_eq(fake.size, 3000000u);
    cr_expect_eq(vx_file_cut(file, 3000001, NULL), VHDX_OK);
    cr_expect_eq(vx_file_cut(file, 20, NULL), VHDX_OK);
    cr_expect_eq(fake.size, 20u);
    cr_expect_eq(fake.writes, 0);
}

Test(io, zero_writes_when_the_host_cannot_punch_and_asks_only_once)
{
    fake.size = 3000000;
    memset(fake.bytes, 9, ROOM);
    fake.punch_result = VHDX_UNSUPPORTED;
    wrap(true);
    cr_expect_eq(vx_file_zero(file, 5, 2000000, NULL), VHDX_OK);
    cr_expect_eq(vx_file_zero(file, 2500000, 1, NULL), VHDX_OK);
    cr_expect_eq(fake.punches, 1);
    cr_expect_eq(fake.bytes[4], 9);
    cr_expect_eq(fake.bytes[5], 0);
    cr_expect_eq(fake.bytes[2000004], 0);
    cr_expect_eq(fake.bytes[2000005], 9);
    cr_expect_eq(fake.bytes[2500000], 0);
}

Test(io, zero_punches_inside_and_grows_behind_the_end)
{
    fake.size = 1000;
    memset(fake.bytes, 9, 1000);
    wrap(true);
    cr_expect_eq(vx_file_zero(file, 500, 1000, NULL), VHDX_OK);
    cr_expect_eq(fake.punches, 1);
    cr_expect_eq(fake.bytes[499], 9);
    cr_expect_eq(fake.bytes[500], 0);
    cr_expect_eq(fake.size, 1500u);
    cr_expect_eq(fake.writes, 0);
}

Test(io, a_block_device_does_not_grow_and_is_not_cut)
{
    fake.size = 1000;
    fake.attributes = VHDX_FILE_IS_BLOCK_DEVICE;
    wrap(true);
    cr_expect_eq(vx_file_grow(file, 1000, NULL), VHDX_OK);
    cr_expect_eq(vx_file_grow(file, 1001, NULL), VHDX_NO_SPACE);
    cr_expect_eq(vx_file_cut(file, 10, NULL), VHDX_OK);
    cr_expect_eq(fake.size, 1000u);
}

Test(io, the_size_is_asked_for_once_while_writing)
{
    char byte = 1;
    uint64_t size = 0;
    fake.attributes = VHDX_FILE_SPARSE_HARMS;
    wrap(true);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(vx_file_write(file, &byte, 1, i * 10, NULL), VHDX_OK);
    cr_expect_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    cr_expect_eq(size, 191u);
    cr_expect_eq(fake.size_calls, 1);
}

Test(io, a_flush_reaches_the_host_once_for_each_change_and_always_the_first_time)
{
    char byte = 1;
    wrap(true);
    const struct vx_file_counters *counters = vx_file_counters(file);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    cr_expect_eq(counters->flushes, 1u, "what others wrote may not be durable");
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    cr_expect_eq(counters->flushes, 1u);
    cr_assert_eq(vx_file_write(file, &byte, 1, 0, NULL), VHDX_OK);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    cr_expect_eq(counters->flushes, 2u);
    cr_assert_eq(vx_file_grow(file, 100, NULL), VHDX_OK);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    cr_expect_eq(counters->flushes, 3u);
    cr_assert_eq(vx_file_zero(file, 0, 50, NULL), VHDX_OK);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    cr_expect_eq(counters->flushes, 4u);
}

Test(io, counters_count_calls_and_bytes)
{
    char buf[16] = "";
    wrap(true);
    cr_assert_eq(vx_file_write(file, buf, 16, 0, NULL), VHDX_OK);
    cr_assert_eq(vx_file_write(file, buf, 3, 1, NULL), VHDX_OK);
    cr_assert_eq(vx_file_read(file, buf, 5, 0, NULL), VHDX_OK);
    cr_assert_eq(vx_file_flush(file, NULL), VHDX_OK);
    const struct vx_file_counters *counters = vx_file_counters(file);
    cr_expect_eq(counters->writes, 2u);
    cr_expect_eq(counters->bytes_written, 19u);
    cr_expect_eq(counters->reads, 1u);
    cr_expect_eq(counters->bytes_read, 5u);
    cr_expect_eq(counters->flushes, 1u);
}

Test(io, a_host_without_needed_functions_is_refused_and_closed)
{
    vhdx_io_ops old = fake_ops;
    old.set_size = NULL;
    vhdx_error err;
    cr_expect_eq(vx_file_wrap((vhdx_io){&old, NULL}, "x", true, &file, &err), VHDX_ARG);
    cr_expect_eq(err.status, VHDX_ARG);
    cr_expect(file == NULL);
    cr_expect_eq(fake.closes, 1);
}

Test(io, functions_behind_the_callers_struct_size_are_not_called)
{
    vhdx_io_ops old = fake_ops;
    old.struct_size = offsetof(vhdx_io_ops, facts);
    fake.size = 10;
    fake.attributes = VHDX_FILE_SPARSE_HARMS;
    cr_assert_eq(vx_file_wrap((vhdx_io){&old, NULL}, "x", true, &file, NULL), VHDX_OK);
    cr_expect_eq(vx_file_facts(file)->attributes, 0u);
    cr_expect_eq(vx_file_zero(file, 0, 5, NULL), VHDX_OK);
    cr_expect_eq(fake.punches, 0);
    cr_expect_eq(fake.writes, 1);
}

Test(io, without_next_data_all_of_it_is_data)
{
    uint64_t at = 0;
    uint64_t length = 0;
    fake.size = 100;
    wrap(false);
    vx_file_next_data(file, 30, &at, &length);
    cr_expect_eq(at, 30u);
    cr_expect_eq(length, 70u);
    vx_file_next_data(file, 100, &at, &length);
    cr_expect_eq(length, 0u);
}

Test(io, without_identities_two_files_cannot_be_told_apart)
{
    bool same;
    wrap(false);
    cr_expect_not(vx_file_same(file, file, &same));
}
