/* UTF-16LE and UTF-8, and names that differ in letter case only. */
/* SPDX-License-Identifier: MIT */
#include "base/utf.h"

#include "hex.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect_utf8(const char *units, const char *text)
{
    uint8_t in[64];
    char out[VX_UTF8_ROOM(sizeof in)];
    size_t size = hex_into(in, sizeof in, units);
    cr_expect_eq(vx_utf16_to_utf8(vx_bytes_of(in, size), out), strlen(text), "%s", units);
    cr_expect_str_eq(out, text, "%s", units);
}

static void expect_utf16(const char *text, const char *units)
{
    uint8_t expected[64], out[64];
    size_t size = hex_into(expected, sizeof expected, units);
    cr_expect_eq(vx_utf8_to_utf16(text, out, sizeof out), size, "%s", units);
    cr_expect_eq(memcmp(out, expected, size), 0, "%s", units);
}

Test(utf, one_to_four_bytes_a_character)
{
    const struct {
        const char *units, *text;
    } rows[] = {
        {"", ""},
        {"4100 7F00", "A\x7F"},
        {"8000 FF07", "\xC2\x80\xDF\xBF"},
        {"0008 FFFF", "\xE0\xA0\x80\xEF\xBF\xBF"},
        {"00D8 00DC FFDB FFDF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_utf8(rows[i].units, rows[i].text);
        expect_utf16(rows[i].text, rows[i].units);
    }
}

Test(utf, a_surrogate_alone_is_kept)
{
    const struct {
        const char *units, *text;
    } rows[] = {
        {"00D8", "\xED\xA0\x80"},
        {"00D8 4100", "\xED\xA0\x80"
                      "A"},
        {"FFDF 4100", "\xED\xBF\xBF"
                      "A"},
        {"00DC 00D8", "\xED\xB0\x80\xED\xA0\x80"},
        {"00D8 00D8 00DC", "\xED\xA0\x80\xF0\x90\x80\x80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_utf8(rows[i].units, rows[i].text);
        expect_utf16(rows[i].text, rows[i].units);
    }
}

Test(utf, conversion_ends_at_nul_and_before_half_a_unit)
{
    expect_utf8("4100 0000 4200", "A");
    expect_utf8("0000", "");
    expect_utf8("4100 42", "A");
    expect_utf8("00D8 00", "\xED\xA0\x80");
    expect_utf8("42", "");
}

Test(utf, the_promised_room_is_enough_for_the_longest_text)
{
    uint8_t in[64];
    char out[VX_UTF8_ROOM(sizeof in)];
    memset(in, 0xFF, sizeof in);
    cr_assert_eq(vx_utf16_to_utf8(vx_bytes_of(in, sizeof in), out), sizeof out - 1);
    cr_assert_eq(out[sizeof out - 1], '\0');
}

Test(utf, text_that_does_not_fit_is_measured_and_not_written)
{
    uint8_t out[4] = {9, 9, 9, 9};
    cr_assert_eq(vx_utf8_to_utf16("abc", out, sizeof out), 6);
    cr_assert_eq(out[0], 9);
    cr_assert_eq(vx_utf8_to_utf16("abc", NULL, 0), 6);
    cr_assert_eq(vx_utf8_to_utf16("ab", out, sizeof out), 4);
    cr_assert_eq(out[2], 'b');
}

Test(utf, what_is_no_utf8_is_refused)
{
    const char *texts[] = {
        "\x80",             /* a continuation alone */
        "a\xC3",            /* cut off */
        "\xC3\x61",         /* not continued */
        "\xE2\x82",         /* cut off */
        "\xF0\x90\x80",     /* cut off */
        "\xC0\x80",         /* too long a form of NUL */
        "\xC1\xBF",         /* too long a form of 7F */
        "\xE0\x9F\xBF",     /* too long a form of 7FF */
        "\xF0\x8F\xBF\xBF", /* too long a form of FFFF */
        "\xF4\x90\x80\x80", /* beyond 10FFFF */
        "\xF5\x80\x80\x80",
        "\xFF",
    };
    uint8_t out[16];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert_eq(vx_utf8_to_utf16(texts[i], out, sizeof out), SIZE_MAX, "text %zu", i);
}

Test(utf, every_unit_alone_comes_back)
{
    for (uint32_t unit = 1; unit < 0x10000; unit++) {
        uint8_t in[2], back[4];
        char text[VX_UTF8_ROOM(sizeof in)];
        vx_put16(in, (uint16_t)unit);
        vx_utf16_to_utf8(vx_bytes_of(in, 2), text);
        cr_assert_eq(vx_utf8_to_utf16(text, back, sizeof back), 2, "unit %04X", unit);
        cr_assert_eq(vx_get16(back), unit);
    }
}

Test(utf, names_are_equal_but_for_letter_case)
{
    const char *equal[][2] = {
        {"", ""},
        {"Disk.VHDX", "dISK.vhdx"},
        {"\xC3\x84\xC3\x96\xC3\x9C", "\xC3\xA4\xC3\xB6\xC3\xBC"},                 /* umlauts */
        {"\xC5\xB8", "\xC3\xBF"},                                                 /* y with diaeresis: another block */
        {"\xC5\xA0\xC5\xBD\xC4\x8C", "\xC5\xA1\xC5\xBE\xC4\x8D"},                 /* carons */
        {"\xCE\x91\xCE\xA9\xCE\x86\xCE\x8F", "\xCE\xB1\xCF\x89\xCE\xAC\xCF\x8E"}, /* Greek */
        {"\xCE\xA3", "\xCF\x82"},                                                 /* final sigma */
        {"\xCF\x83", "\xCF\x82"},
        {"\xD0\x96\xD0\x81\xD0\xAF\xD2\x90", "\xD0\xB6\xD1\x91\xD1\x8F\xD2\x91"}, /* Cyrillic */
        {"\xE1\xBA\xA0", "\xE1\xBA\xA1"},                                         /* Vietnamese */
        {"\xFF", "\xFF"},                                                         /* no UTF-8 at all */
    };
    for (size_t i = 0; i < sizeof equal / sizeof equal[0]; i++) {
        cr_assert(vx_name_equal(equal[i][0], equal[i][1]), "pair %zu", i);
        cr_assert(vx_name_equal(equal[i][1], equal[i][0]), "pair %zu", i);
    }
}

Test(utf, other_names_are_different)
{
    const char *different[][2] = {
        {"a", ""},
        {"", "a"},
        {"a", "ab"},
        {"[", "{"}, /* 32 apart, but no letters */
        {"@", "`"},
        {"\xC3\x97", "\xC3\xB7"}, /* times and divided by, likewise */
        {"\xC3\x9F", "ss"},       /* sharp s */
        {"\xC4\xB1", "I"},        /* dotless i */
        {"\xC4\xB0", "i"},
        {"\xFF", "\xFE"},
        {"\xE4", "\xC3\xA4"}, /* Latin-1 is no UTF-8 */
        {"\xC3", "\xC3\xA4"},
    };
    for (size_t i = 0; i < sizeof different / sizeof different[0]; i++) {
        cr_assert_not(vx_name_equal(different[i][0], different[i][1]), "pair %zu", i);
        cr_assert_not(vx_name_equal(different[i][1], different[i][0]), "pair %zu", i);
    }
}

/* In a report that was read from a file, no NUL follows the last byte. */
Test(utf, a_character_that_is_cut_off_is_none)
{
    static const struct {
        char bytes[5];
        size_t size, length;
        uint32_t code;
    } rows[] = {
        {"A", 1, 1, 'A'},
        {"A", 0, 0, 0},
        {"\xC3\xA4", 2, 2, 0xE4},
        {"\xC3\xA4", 1, 0, 0},
        {"\xE2\x82\xAC", 3, 3, 0x20AC},
        {"\xE2\x82\xAC", 2, 0, 0},
        {"\xF0\x9F\x98\x80", 4, 4, 0x1F600},
        {"\xF0\x9F\x98\x80", 3, 0, 0},
        {"\xC0\x80", 2, 0, 0},
        {"\xE0\x80\x80", 3, 0, 0},
        {"\xED\xA0\x80", 3, 3, 0xD800},
        {"\xF4\x90\x80\x80", 4, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t code = 0;
        cr_expect_eq(vx_utf8_get(rows[i].bytes, rows[i].size, &code), rows[i].length, "row %zu", i);
        cr_expect_eq(code, rows[i].code, "row %zu: %x", i, (unsigned)code);
    }
}

Test(utf, a_name_is_found_in_bytes_in_either_form_and_any_case)
{
    static const struct {
        const char *bytes, *name;
        bool held;
    } rows[] = {
        {"0102 64 69 73 6B 2E 61 76 68 64 78 00", "disk.avhdx", true},
        {"0102 44 49 53 4B 2E 41 56 68 64 78", "disk.avhdx", true},
        {"01 4400 6900 7300 6B00", "disk", true}, /* at an odd place */
        {"6400 6900 7300", "disk", false},
        {"64 69 73", "disk", false},
        {"C3 84 78", "\xC3\xA4x", true},
        {"C400 7800", "\xC3\xA4x", true},
        {"E4 78", "\xC3\xA4x", false},
        {"3DD8 00DE", "\xF0\x9F\x98\x80", true},
        {"3DD8", "\xF0\x9F\x98\x80", false},
        {"61 FF 62", "\xFF", true}, /* a name that is no UTF-8 */
        {"61 C3", "\xC3\xA4", false},
        {"", "a", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t in[64];
        size_t size = hex_into(in, sizeof in, rows[i].bytes);
        cr_expect_eq(vx_bytes_hold_name(vx_bytes_of(in, size), rows[i].name), rows[i].held, "row %zu", i);
    }
}
