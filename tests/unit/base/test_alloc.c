/* Memory: zeroed, checked, and copies of strings. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include "base/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

Test(alloc, elements_come_zeroed)
{
    uint8_t *memory = vx_alloc(100, 7);
    cr_assert(memory);
    cr_assert(vx_is_zero(memory, 700));
    vx_free(memory);
}

Test(alloc, nothing_asked_for_is_still_memory)
{
    void *memory = vx_alloc(0, 8);
    cr_assert(memory);
    void *resized = vx_resize(memory, 0, 8);
    cr_assert(resized);
    vx_free(resized);
    vx_free(NULL);
}

Test(alloc, a_product_that_wraps_around_is_refused)
{
    char *memory = vx_copy_string("kept");
    cr_assert_null(vx_resize(memory, SIZE_MAX / 2, 3));
    cr_assert_str_eq(memory, "kept");
    volatile size_t many = SIZE_MAX / 2;
    cr_assert_null(vx_alloc(many, 3));
    vx_free(memory);
}

Test(alloc, resizing_keeps_what_was_there)
{
    char *memory = vx_copy_string("abc");
    memory = vx_resize(memory, 1000, 2);
    cr_assert_str_eq(memory, "abc");
    vx_free(memory);
}

Test(alloc, missing_memory_is_said_with_its_purpose)
{
    vhdx_error err;
    cr_assert_eq(vx_fail_memory(&err, "the region table"), VHDX_NOMEM);
    cr_assert_eq(err.status, VHDX_NOMEM);
    cr_assert(strstr(err.message, "the region table"));
    cr_assert_eq(vx_fail_memory(NULL, "nobody"), VHDX_NOMEM);
}

Test(alloc, room_doubles_and_what_was_there_stays)
{
    uint32_t *items = NULL;
    size_t room = 0, grown = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        size_t before = room;
        uint32_t *more = vx_room_for(items, i, &room, sizeof *more);
        cr_assert(more);
        items = more;
        items[i] = i;
        grown += room != before;
        cr_assert_gt(room, i);
    }
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(items[i], i);
    cr_expect_lt(grown, 10);
    vx_free(items);
}

Test(alloc, room_that_no_memory_has_is_refused_and_all_is_as_before)
{
    uint8_t *items = vx_alloc(4, 1);
    size_t room = SIZE_MAX / 2 + 1;
    cr_expect_null(vx_room_for(items, room, &room, 1));
    cr_expect_eq(room, SIZE_MAX / 2 + 1);
    room = SIZE_MAX / 8;
    cr_expect_null(vx_room_for(items, room, &room, 8));
    cr_expect_eq(room, SIZE_MAX / 8);
    vx_free(items);
}
