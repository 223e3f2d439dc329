/* Errors: born whole, found their way, and read as one line. */
/* SPDX-License-Identifier: MIT */
#include "base/status.h"

#include <criterion/criterion.h>
#include <string.h>

static const vhdx_status every_status[] = {
    VHDX_OK,          VHDX_NOMEM,          VHDX_ARG,
    VHDX_STATE,       VHDX_CANCELLED,      VHDX_IO,
    VHDX_TRUNCATED,   VHDX_NO_SPACE,       VHDX_READ_ONLY,
    VHDX_BUSY,        VHDX_POISONED,       VHDX_NOT_FOUND,
    VHDX_EXISTS,      VHDX_NOT_VHDX,       VHDX_UNSUPPORTED,
    VHDX_CORRUPT,     VHDX_LOG_DIRTY,      VHDX_LIMIT,
    VHDX_NOT_CONFIG,  VHDX_PARENT_MISSING, VHDX_PARENT_MISMATCH,
    VHDX_PARENT_LOOP, VHDX_REFUSED,        VHDX_UNDO_MISMATCH,
};

Test(status, every_status_has_a_name_and_advice_of_its_own)
{
    for (size_t i = 0; i < sizeof every_status / sizeof every_status[0]; i++) {
        const char *name = vhdx_status_name(every_status[i]);
        cr_assert_str_neq(name, "UNKNOWN", "status %d", every_status[i]);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(name, vhdx_status_name(every_status[j]));
        vhdx_error err;
        vx_fail(&err, every_status[i], vx_at_file("f"), "m");
        cr_assert_eq(err.advice_text[0] != '\0', every_status[i] != VHDX_OK, "%s", name);
    }
    cr_assert_str_eq(vhdx_status_name((vhdx_status)999), "UNKNOWN");
}

Test(status, an_error_says_what_where_and_what_to_do)
{
    vhdx_error err;
    char line[2048];
    cr_assert_eq(vx_fail(&err, VHDX_CORRUPT, vx_at_index("a.vhdx", "BAT", 0x300010, 2), "state %d", 4), VHDX_CORRUPT);
    vx_advise(&err, VHDX_CORRUPT, "look at '%s'", "b.vhdx");
    vhdx_error_format(&err, line, sizeof line);
    cr_assert_str_eq(line, "a.vhdx: state 4 (BAT 2, offset 0x300010); look at 'b.vhdx'");
}

Test(status, an_error_without_a_place_reads_without_one)
{
    vhdx_error err;
    char line[2048];
    vx_fail(&err, VHDX_NOMEM, vx_at_file(NULL), "no memory");
    vx_advise(&err, VHDX_NOMEM, "%s", "");
    vhdx_error_format(&err, line, sizeof line);
    cr_assert_str_eq(line, "no memory");
}

Test(status, the_line_is_cut_to_the_room_there_is)
{
    vhdx_error err;
    char line[8];
    vx_fail(&err, VHDX_IO, vx_at_file("a.vhdx"), "long story");
    vhdx_error_format(&err, line, sizeof line);
    cr_assert_str_eq(line, "a.vhdx:");
    vhdx_error_format(&err, line, 0);
    cr_assert_str_eq(line, "a.vhdx:");
}

Test(status, a_long_path_loses_its_middle_and_keeps_its_ends)
{
    vhdx_error err;
    char path[9000];
    memset(path, 'x', sizeof path);
    memcpy(path, "/start", 6);
    memcpy(path + sizeof path - 5, ".end", 5);
    path[VHDX_PATH_ROOM - 1] = '\0';
    vx_fail(&err, VHDX_IO, vx_at_file(path), "m");
    cr_assert_str_eq(err.path, path);
    cr_assert_eq(err.path_length, VHDX_PATH_ROOM - 1);
    path[VHDX_PATH_ROOM - 1] = 'x';
    vx_fail(&err, VHDX_IO, vx_at_file(path), "m");
    cr_assert_eq(err.path_length, sizeof path - 1);
    cr_assert_eq(strlen(err.path), sizeof err.path - 1);
    cr_assert_eq(memcmp(err.path, "/start", 6), 0);
    cr_assert_str_eq(err.path + sizeof err.path - 5, ".end");
    cr_assert(strstr(err.path, "..."));
}

Test(status, whoever_knows_the_place_adds_it_but_never_replaces_it)
{
    vhdx_error err;
    vx_fail(&err, VHDX_CORRUPT, vx_at(NULL, "header", VHDX_NOWHERE), "m");
    vx_locate(&err, vx_at_index("a.vhdx", "file", 5, 6));
    cr_assert_str_eq(err.path, "a.vhdx");
    cr_assert_str_eq(err.structure, "header");
    cr_assert_eq(err.offset, 5);
    cr_assert_eq(err.index, 6);
    vx_locate(&err, vx_at_index("b.vhdx", "other", 7, 8));
    cr_assert_str_eq(err.path, "a.vhdx");
    cr_assert_eq(err.offset, 5);
}

Test(status, errors_are_optional)
{
    cr_assert_eq(vx_fail(NULL, VHDX_IO, vx_at_file("f"), "m"), VHDX_IO);
    cr_assert_eq(vx_fail_system(NULL, VHDX_IO, vx_at_file("f"), 5, "m"), VHDX_IO);
    cr_assert_eq(vx_advise(NULL, VHDX_IO, "m"), VHDX_IO);
    vx_clear(NULL);
    vx_locate(NULL, vx_at_file("f"));
}

Test(status, a_cleared_error_says_that_nothing_happened)
{
    vhdx_error err;
    vx_fail_system(&err, VHDX_IO, vx_at_index("f", "s", 1, 2), 5, "m");
    cr_assert_eq(err.system_code, 5);
    vx_clear(&err);
    cr_assert_eq(err.status, VHDX_OK);
    cr_assert_eq(err.system_code, 0);
    cr_assert_eq(err.offset, VHDX_NOWHERE);
    cr_assert_eq(err.index, VHDX_NOWHERE);
    cr_assert_null(err.structure);
    cr_assert_str_eq(err.path, "");
    cr_assert_str_eq(err.message, "");
}

static vhdx_status tries(vhdx_status first, bool *went_on)
{
    VX_TRY(first);
    *went_on = true;
    return VHDX_OK;
}

Test(status, try_returns_what_failed_and_goes_on_otherwise)
{
    bool went_on = false;
    cr_assert_eq(tries(VHDX_BUSY, &went_on), VHDX_BUSY);
    cr_assert_not(went_on);
    cr_assert_eq(tries(VHDX_OK, &went_on), VHDX_OK);
    cr_assert(went_on);
}
