/* Options of callers that were compiled with another version of vhdx.h. */
/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include <criterion/criterion.h>
#include <string.h>

struct known {
    size_t struct_size;
    uint64_t number;
    bool flag;
};

struct newer {
    struct known known;
    uint64_t more;
};

static vhdx_error err;

Test(options, none_mean_the_defaults)
{
    struct known to;
    memset(&to, 0xEE, sizeof to);
    cr_assert_eq(vx_take_options(&to, sizeof to, NULL, &err), VHDX_OK);
    cr_assert_eq(to.number, 0);
    cr_assert_not(to.flag);
}

Test(options, members_that_an_older_caller_lacks_are_zero)
{
    struct known to, from = {.struct_size = offsetof(struct known, flag), .number = 5, .flag = true};
    cr_assert_eq(vx_take_options(&to, sizeof to, &from, &err), VHDX_OK);
    cr_assert_eq(to.number, 5);
    cr_assert_not(to.flag);
}

Test(options, members_that_only_a_newer_caller_has_must_be_zero)
{
    struct newer from = {.known = {.struct_size = sizeof from, .number = 5, .flag = true}};
    struct known to;
    cr_assert_eq(vx_take_options(&to, sizeof to, &from, &err), VHDX_OK);
    cr_assert_eq(to.number, 5);
    for (size_t i = 0; i < sizeof from.more; i++) { /* the last byte too */
        from.more = UINT64_C(1) << (8 * i);
        cr_assert_eq(vx_take_options(&to, sizeof to, &from, &err), VHDX_ARG, "byte %zu", i);
        cr_assert(strstr(err.message, "does not know"), "%s", err.message);
        cr_assert_eq(to.number, 0);
    }
}

Test(options, a_size_that_is_none_is_refused_and_nothing_behind_it_is_read)
{
    static const size_t sizes[] = {0, sizeof(size_t) - 1, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct known to, from = {.struct_size = sizes[i], .number = 5};
        cr_assert_eq(vx_take_options(&to, sizeof to, &from, &err), VHDX_ARG, "size %zu", sizes[i]);
        cr_assert(strstr(err.message, "struct_size"), "%s", err.message);
        cr_assert_eq(to.number, 0);
    }
}

/* Through a public door of each api file: a safety option of tomorrow is not dropped in silence. */
Test(options, every_kind_of_door_refuses_what_it_does_not_understand)
{
    struct {
        vhdx_merge_options options;
        uint64_t more;
    } merge = {.options = {.struct_size = sizeof merge}, .more = 1};
    struct {
        vhdx_orphans_options options;
        uint64_t more;
    } scan = {.options = {.struct_size = sizeof scan}, .more = 1};
    const char *const roots[] = {"/nowhere"};
    vhdx_orphans *orphans = NULL;
    cr_assert_eq(vhdx_merge("/nowhere/a.avhdx", &merge.options, NULL, &err), VHDX_ARG);
    cr_assert(strstr(err.message, "does not know"), "%s", err.message);
    cr_assert_eq(vhdx_orphans_scan(roots, 1, &scan.options, &orphans, &err), VHDX_ARG);
    cr_assert(strstr(err.message, "does not know"), "%s", err.message);
    merge.more = scan.more = 0;
    cr_assert_eq(vhdx_merge("/nowhere/a.avhdx", &merge.options, NULL, &err), VHDX_NOT_FOUND);
    cr_assert_eq(vhdx_orphans_scan(roots, 1, &scan.options, &orphans, &err), VHDX_NOT_FOUND);
}
