/* GUIDs: text and the bytes on disk. */
/* SPDX-License-Identifier: MIT */
#include "base/guid.h"

#include "format/layout.h"

#include <criterion/criterion.h>
#include <string.h>

#define BAT_TEXT "2dc27766-f623-4200-9d64-115e9bfd4a08"

static bool parses(const char *text, vhdx_guid *guid)
{
    return vx_guid_parse(text, strlen(text), guid);
}

Test(guid, the_first_three_groups_run_against_the_bytes)
{
    char text[VX_GUID_TEXT];
    vx_guid_format(&vx_guid_bat_region, text);
    cr_assert_str_eq(text, BAT_TEXT);
}

Test(guid, text_in_any_case_with_or_without_braces)
{
    const char *texts[] = {BAT_TEXT, "{" BAT_TEXT "}", "2DC27766-F623-4200-9D64-115E9BFD4A08",
                           "{2Dc27766-F623-4200-9d64-115E9bFd4a08}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        vhdx_guid guid;
        cr_assert(parses(texts[i], &guid), "%s", texts[i]);
        cr_assert(vx_guid_equal(&guid, &vx_guid_bat_region), "%s", texts[i]);
    }
}

Test(guid, anything_else_is_refused_and_leaves_the_output_alone)
{
    const char *texts[] = {
        "",
        "{}",
        "{" BAT_TEXT,
        BAT_TEXT "}",
        "(" BAT_TEXT ")",
        BAT_TEXT " ",
        " " BAT_TEXT,
        "2dc27766-f623-4200-9d64-115e9bfd4a0",
        "2dc27766-f623-4200-9d64-115e9bfd4a080",
        "2dc27766-f623-4200-9d64_115e9bfd4a08",
        "2dc27766f-623-4200-9d64-115e9bfd4a08",
        "2dc2776g-f623-4200-9d64-115e9bfd4a08",
        "2dc27766-f623-4200-9d64-115e9bfd4a0:",
        "2dc27766f62342009d64115e9bfd4a08",
        "{{dc27766-f623-4200-9d64-115e9bfd4a08}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        vhdx_guid guid = vx_guid_parent_locator;
        cr_assert_not(parses(texts[i], &guid), "%s", texts[i]);
        cr_assert(vx_guid_equal(&guid, &vx_guid_parent_locator), "%s", texts[i]);
    }
}

Test(guid, text_need_not_be_terminated)
{
    const char text[] = "{" BAT_TEXT "}garbage";
    vhdx_guid guid;
    cr_assert(vx_guid_parse(text, 38, &guid));
    cr_assert(vx_guid_parse(text + 1, 36, &guid));
    cr_assert_not(vx_guid_parse(text, 37, &guid));
}

Test(guid, every_byte_comes_back_from_its_text)
{
    for (int i = 0; i < 16; i++) {
        vhdx_guid guid = {{0}}, back;
        char text[VX_GUID_TEXT];
        guid.bytes[i] = (uint8_t)(0xA5 + i);
        cr_assert_not(vx_guid_is_zero(&guid));
        vx_guid_format(&guid, text);
        cr_assert(parses(text, &back));
        cr_assert(vx_guid_equal(&guid, &back), "byte %d: %s", i, text);
        back.bytes[i] ^= 1;
        cr_assert_not(vx_guid_equal(&guid, &back));
    }
}

Test(guid, zero_is_zero)
{
    vhdx_guid guid;
    cr_assert(parses("{00000000-0000-0000-0000-000000000000}", &guid));
    cr_assert(vx_guid_is_zero(&guid));
}
