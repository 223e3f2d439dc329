/*
 * The JSON reader: what it takes, what it refuses, and that it stays within the text.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "base/json.h"

#include <string.h>

static struct vx_arena arena;

static void give_back(void)
{
    vx_arena_clear(&arena);
}

TestSuite(json, .fini = give_back);

static vhdx_status read_text(const char *text, const struct vx_json **out)
{
    return vx_json_read(&arena, vx_bytes_of(text, strlen(text)), "test", out, NULL);
}

Test(json, values_of_all_types_are_read)
{
    const struct vx_json *root;
    cr_assert_eq(
        read_text(" {\"a\" : [1, 18446744073709551615 ,0],\"b\":true,\"c\":null,\"d\":\"x\",\"e\":{}}\n", &root),
        VHDX_OK);
    const struct vx_json *a = vx_json_member(root, "a");
    cr_assert_eq(a->count, 3);
    cr_expect_eq(a->first->number, 1);
    cr_expect_eq(a->first->next->number, UINT64_MAX);
    cr_expect(vx_json_truth(root, "b", false));
    cr_expect_eq(vx_json_member(root, "c")->type, VX_JSON_NULL);
    cr_expect_str_eq(vx_json_text(root, "d", ""), "x");
    cr_expect_eq(vx_json_member(root, "e")->count, 0);
    cr_expect_null(vx_json_member(root, "f"));
    cr_expect_eq(vx_json_number(root, "d", 7), 7, "a text is no number");
}

Test(json, escapes_become_characters)
{
    const struct vx_json *root;
    cr_assert_eq(read_text("\"\\u00e4\\ud83d\\ude00\\n\\\"\\\\\\/ \xC3\xA4\"", &root), VHDX_OK);
    cr_expect_str_eq(root->text, "\xC3\xA4\xF0\x9F\x98\x80\n\"\\/ \xC3\xA4");
}

Test(json, what_is_no_json_is_refused)
{
    static const char *const bad[] = {
        "",
        "{",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "01",
        "1.5",
        "-1",
        "1e3",
        "tru",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\u0000\"",
        "\"\x01\"",
        "\"\xC3\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "1 2",
        "18446744073709551616",
        "{\"a\":1,}",
        "[",
        "nul",
        "\"\\ud83d\\u0041\"",
    };
    const struct vx_json *root;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(read_text(bad[i], &root), VHDX_CORRUPT, "%s", bad[i]);
}

Test(json, depth_is_bounded)
{
    char text[201];
    const struct vx_json *root;
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    text[200] = '\0';
    cr_expect_eq(read_text(text, &root), VHDX_LIMIT);
}
