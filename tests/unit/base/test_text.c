/* Texts put together piece by piece: what does not fit is cut, and a NUL is always there. */
/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <criterion/criterion.h>

Test(text, pieces_follow_each_other)
{
    char bytes[32];
    struct vx_text text = vx_text_begin(bytes, sizeof bytes);
    cr_expect_str_eq(bytes, "");
    vx_text_add(&text, "%d", 12);
    vx_text_add(&text, "%s%s", text.length ? ", " : "", "x");
    cr_expect_str_eq(bytes, "12, x");
    text = vx_text_go_on(bytes, sizeof bytes);
    vx_text_add(&text, "!");
    cr_expect_str_eq(bytes, "12, x!");
    cr_expect_eq(text.length, 6);
}

Test(text, what_does_not_fit_is_cut)
{
    char bytes[6] = {'?', '?', '?', '?', '?', '?'};
    struct vx_text text = vx_text_begin(bytes, 5);
    vx_text_add(&text, "abc");
    vx_text_add(&text, "defg");
    vx_text_add(&text, "h");
    cr_expect_str_eq(bytes, "abcd");
    cr_expect_eq(text.length, 4);
    cr_expect_eq(bytes[5], '?');
}
