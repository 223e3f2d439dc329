/*
 * Sizes in messages: exact, and never more than there is.
 */
/* SPDX-License-Identifier: MIT */
#include "base/size_text.h"

#include <criterion/criterion.h>

static void says(uint64_t bytes, const char *expected)
{
    char text[VX_SIZE_TEXT];
    cr_assert_str_eq(vx_size_text(bytes, text), expected);
}

Test(size_text, small_numbers_have_no_unit)
{
    says(0, "0 bytes");
    says(1023, "1023 bytes");
}

Test(size_text, the_unit_is_the_largest_that_fits)
{
    says(1024, "1024 bytes (1.0 KiB)");
    says(104857600, "104857600 bytes (100.0 MiB)");
    says(UINT64_C(136365211648), "136365211648 bytes (127.0 GiB)");
    says(UINT64_MAX, "18446744073709551615 bytes (15.9 EiB)");
}

Test(size_text, nothing_is_rounded_up)
{
    says(1024 * 1024 - 1, "1048575 bytes (1023.9 KiB)");
    says(UINT64_C(2) * 1024 * 1024 * 1024 - 1, "2147483647 bytes (1.9 GiB)");
}
