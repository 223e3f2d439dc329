/*
 * Names as words of commands: whatever stands in a name, the shell takes it for that name and for nothing else.
 */
/* SPDX-License-Identifier: MIT */
#include "base/quote.h"

#include <criterion/criterion.h>

Test(quote, makes_one_word_of_any_name)
{
    struct vx_arena arena = {0};
    cr_expect_str_eq(vx_quote_shell(&arena, "it's", false), "'it'\\''s'");
    cr_expect_str_eq(vx_quote_shell(&arena, "-rf", false), "'./-rf'");
    cr_expect_str_eq(vx_quote_shell(&arena, "a b", true), "\"a b\"");
    cr_expect_str_eq(vx_quote_word(&arena, "./d/\xC3\xBC-1.vhdx", false), "./d/\xC3\xBC-1.vhdx");
    cr_expect_str_eq(vx_quote_word(&arena, "C:\\d\\e.vhdx", true), "C:\\d\\e.vhdx");
    cr_expect_str_eq(vx_quote_word(&arena, "-q", false), "'./-q'");
    for (const char *c = " $`\"\\!#&*()[]{}<>|;?~^"; *c; c++) {
        const char name[] = {'a', *c, '\0'}, quoted[] = {'\'', 'a', *c, '\'', '\0'};
        cr_expect_str_eq(vx_quote_word(&arena, name, false), quoted);
    }
    cr_expect_str_eq(vx_quote_word(&arena, "%TEMP%", true), "\"%TEMP%\"");
    cr_expect_str_eq(vx_quote_word(&arena, "a\nb", false), "$'a\\012b'");
    cr_expect_str_eq(vx_quote_powershell(&arena, "it's $(x)"), "'it''s $(x)'");
    cr_expect_str_eq(vx_quote_powershell(&arena, "a\xE2\x80\x99"
                                                 "b"),
                     "'a\xE2\x80\x99\xE2\x80\x99"
                     "b'");
    vx_arena_clear(&arena);
}

Test(quote, half_a_word_is_not_handed_out)
{
    char text[8] = "before";
    cr_expect_eq(vhdx_quote("a b c", VHDX_SHELL_HERE, text, sizeof text), 7);
    cr_expect_str_eq(text, "'a b c'");
    cr_expect_eq(vhdx_quote("a b c", VHDX_SHELL_POWERSHELL, text, 7), 7);
    cr_expect_str_eq(text, "");
    cr_expect_eq(vhdx_quote("disk.vhdx", VHDX_SHELL_HERE, NULL, 0), 9);
}
