/* Advice by number: words of operations, and arguments in their places. */
/* SPDX-License-Identifier: MIT */
#include "base/advice.h"

#include "base/status.h"

#include <criterion/criterion.h>
#include <string.h>

enum { BEYOND = 400 };

Test(advice, every_number_has_a_name_and_its_words_name_no_option_of_a_command)
{
    size_t known = 0;
    for (int number = 0; number < BEYOND; number++) {
        const char *words = vx_advice_words((vhdx_advice)number), *name = vhdx_advice_name((vhdx_advice)number);
        if (strcmp(name, "UNKNOWN") == 0)
            continue;
        known++;
        for (int other = 0; other < number; other++)
            cr_assert_str_neq(name, vhdx_advice_name((vhdx_advice)other));
        if (words)
            cr_expect(!strstr(words, "--") && !strstr(words, "'vhdx ") && !strstr(words, "command"), "%s", words);
    }
    cr_assert_geq(known, 80);
    cr_assert_str_eq(vhdx_advice_name(VHDX_ADVICE_LOSSY), "LOSSY");
    cr_assert_str_eq(vhdx_advice_name((vhdx_advice)99999), "UNKNOWN");
}

Test(advice, arguments_stand_where_the_words_want_them)
{
    char text[256];
    size_t length = vx_advice_format(VHDX_ADVICE_REPAIR_MAKES_BY, "BAT", "two {2} copies", text, sizeof text);
    cr_assert_str_eq(text, "a repair makes the BAT anew; the evidence: two {2} copies");
    cr_assert_eq(length, strlen(text));
    vx_advice_format(VHDX_ADVICE_REPAIR_MAKES, NULL, NULL, text, sizeof text);
    cr_assert_str_eq(text, "a repair makes the  anew");
}

Test(advice, words_are_cut_to_the_room_and_their_whole_length_is_told)
{
    char text[9];
    memset(text, 'x', sizeof text);
    cr_assert_eq(vx_advice_format(VHDX_ADVICE_REPAIR_EMPTIES_LOG, NULL, NULL, text, 8), 24);
    cr_assert_str_eq(text, "a repai");
    cr_assert_eq(text[8], 'x');
    cr_assert_eq(vx_advice_format(VHDX_ADVICE_REPAIR_EMPTIES_LOG, NULL, NULL, NULL, 0), 24);
}

Test(advice, an_error_tells_its_number_its_argument_and_the_words)
{
    vhdx_error err;
    vx_fail(&err, VHDX_IO, vx_at_file("a.vhdx"), "m");
    cr_assert(VHDX_ADVICE_IS_AGAIN(err.advice));
    vx_advise_code(&err, VHDX_IO, VHDX_ADVICE_GO_ON_OR_UNDO, "a b.undo");
    cr_assert_eq(err.advice, VHDX_ADVICE_GO_ON_OR_UNDO);
    cr_assert_str_eq(err.advice_argument, "a b.undo");
    cr_assert_str_eq(err.advice_text, "repair again to go on; to go back, apply the undo file a b.undo");
    vx_advise(&err, VHDX_IO, "do %s", "this");
    cr_assert_eq(err.advice, VHDX_ADVICE_TEXT);
    cr_assert_str_eq(err.advice_argument, "");
    vx_advise(&err, VHDX_IO, "%s", "");
    cr_assert_eq(err.advice, VHDX_ADVICE_NONE);
    vx_fail(&err, VHDX_PARENT_MISSING, vx_at_file("a.vhdx"), "m");
    cr_assert_eq(err.advice, VHDX_ADVICE_NAME_PARENT);
}

Test(advice, an_argument_that_has_no_room_is_left_out)
{
    static char path[VHDX_PATH_ROOM + 1];
    vhdx_error err;
    memset(path, 'x', VHDX_PATH_ROOM);
    vx_fail(&err, VHDX_IO, vx_at_file("a.vhdx"), "m");
    vx_advise_code(&err, VHDX_IO, VHDX_ADVICE_GO_ON_OR_UNDO, path);
    cr_assert_str_eq(err.advice_argument, "");
    path[VHDX_PATH_ROOM - 1] = '\0';
    vx_advise_code(&err, VHDX_IO, VHDX_ADVICE_GO_ON_OR_UNDO, path);
    cr_assert_str_eq(err.advice_argument, path);
}
