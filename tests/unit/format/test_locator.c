/* Parent locator: a real one, each rule, strings in hostile places. MS-VHDX 2.6.2.6 */
/* SPDX-License-Identifier: MIT */
#include "format/locator.h"

#include "base/guid.h"
#include "base/utf.h"
#include "hex.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Of a checkpoint that Hyper-V 2019 made: header, five entries, and each value behind its key */
static const char hyperv[] =
    "b7ef4ab09ed1814ab78925b8e944591300000500"
    "500000006c0000001c004c00"
    "b8000000de0000002600d800"
    "b6010000d00100001a007200"
    "420200005802000016003401"
    "8c030000aa0300001e004c00"
    "70006100720065006e0074005f006c0069006e006b006100670065007b00660066003300340030003000330062002d0031003100"
    "650064002d0034006300660038002d0061003100360036002d006200320062006500300035006500320030006200380030007d00"
    "6100620073006f006c007500740065005f00770069006e00330032005f00700061007400680043003a005c005500730065007200"
    "73005c005000750062006c00690063005c0044006f00630075006d0065006e00740073005c00480079007000650072002d005600"
    "5c005600690072007400750061006c002000680061007200640020006400690073006b0073005c00470065006e00650072006100"
    "740069006f006e00200031005f00340039004300340042004100460033002d0034004200320035002d0034003400300036002d00"
    "38004300340042002d004400330039004500360035004300330032003300380035002e0061007600680064007800720065006c00"
    "610074006900760065005f0070006100740068002e005c00470065006e00650072006100740069006f006e00200031005f003400"
    "39004300340042004100460033002d0034004200320035002d0034003400300036002d0038004300340042002d00440033003900"
    "4500360035004300330032003300380035002e006100760068006400780076006f006c0075006d0065005f007000610074006800"
    "5c005c003f005c0056006f006c0075006d0065007b00300065006200610033003500310065002d0035003600330034002d003400"
    "3600640036002d0061003800630066002d003400640064006300320064003600610063003000620039007d005c00550073006500"
    "720073005c005000750062006c00690063005c0044006f00630075006d0065006e00740073005c00480079007000650072002d00"
    "56005c005600690072007400750061006c002000680061007200640020006400690073006b0073005c00470065006e0065007200"
    "6100740069006f006e00200031005f00340039004300340042004100460033002d0034004200320035002d003400340030003600"
    "2d0038004300340042002d004400330039004500360035004300330032003300380035002e006100760068006400780070006100"
    "720065006e0074005f006c0069006e006b0061006700650032007b00300030003000300030003000300030002d00300030003000"
    "30002d0030003000300030002d0030003000300030002d003000300030003000300030003000300030003000300030007d00";
#define HYPERV_SIZE 0x3F6u
#define PARENT "\\Generation 1_49C4BAF3-4B25-4406-8C4B-D39E65C32385.avhdx"
#define LINKAGE_ID "ff34003b-11ed-4cf8-a166-b2be05e20b80"
#define LINKAGE "{" LINKAGE_ID "}"

static uint8_t item[2048];
static struct vx_locator locator;

static vhdx_status decode(size_t size)
{
    return vx_locator_decode(vx_bytes_of(item, size), &locator);
}

static void decode_hyperv(void)
{
    cr_assert_eq(hex_into(item, sizeof item, hyperv), HYPERV_SIZE);
    cr_assert_eq(decode(HYPERV_SIZE), VHDX_OK);
}

static void expect_value(const char *key, const char *value)
{
    char text[VX_UTF8_ROOM(1024)];
    const struct vx_locator_pair *pair = vx_locator_find(&locator, key);
    cr_assert(pair, "%s", key);
    cr_assert_leq(pair->value.size, 1024);
    vx_utf16_to_utf8(pair->value, text);
    cr_assert_str_eq(text, value);
}

Test(locator, what_hyperv_writes)
{
    vhdx_guid guid;
    char text[VX_GUID_TEXT];
    decode_hyperv();
    cr_assert_eq(locator.count, 5);
    cr_assert_eq(locator.bad_pairs, 0);
    cr_assert(vx_guid_equal(&locator.type, &vx_guid_locator_type_vhdx));
    cr_assert_eq(vx_locator_rules(&locator), 0);
    expect_value("parent_linkage", LINKAGE);
    expect_value("parent_linkage2", "{00000000-0000-0000-0000-000000000000}");
    expect_value("relative_path", "." PARENT);
    expect_value("absolute_win32_path", "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual hard disks" PARENT);
    expect_value("volume_path", "\\\\?\\Volume{0eba351e-5634-46d6-a8cf-4ddc2d6ac0b9}\\Users\\Public\\Documents\\Hyper-V"
                                "\\Virtual hard disks" PARENT);
    cr_assert(vx_locator_guid(&locator, VX_KEY_LINKAGE, &guid));
    vx_guid_format(&guid, text);
    cr_assert_str_eq(text, LINKAGE_ID);
    cr_assert(vx_locator_guid(&locator, VX_KEY_LINKAGE2, &guid));
    cr_assert(vx_guid_is_zero(&guid));
}

Test(locator, real_bytes_come_back_as_they_were)
{
    uint8_t back[HYPERV_SIZE] = {0};
    decode_hyperv();
    cr_assert_eq(vx_locator_encode(&locator, back, HYPERV_SIZE - 1), HYPERV_SIZE);
    cr_assert(vx_is_zero(back, sizeof back));
    cr_assert_eq(vx_locator_encode(&locator, NULL, 0), HYPERV_SIZE);
    cr_assert_eq(vx_locator_encode(&locator, back, HYPERV_SIZE), HYPERV_SIZE);
    cr_assert_arr_eq(item, back, HYPERV_SIZE);
}

Test(locator, keys_are_compared_to_the_letter)
{
    decode_hyperv();
    cr_assert_null(vx_locator_find(&locator, "Relative_path"));
    cr_assert_null(vx_locator_find(&locator, "relative_pat"));
    cr_assert_null(vx_locator_find(&locator, "relative_path2"));
    cr_assert_null(vx_locator_find(&locator, ""));
    cr_assert_null(vx_locator_find(&locator, "a key that is longer than any key of the format"));
    vhdx_guid guid;
    cr_assert_not(vx_locator_guid(&locator, VX_KEY_RELATIVE, &guid));
    cr_assert_not(vx_locator_guid(&locator, "none", &guid));
}

/* A string of a pair of its own, kept until the test's process ends */
static struct vx_bytes units(const char *text)
{
    static uint8_t store[32][256];
    static size_t used;
    uint8_t *room = store[used++ % 32];
    return vx_bytes_of(room, vx_utf8_to_utf16(text, room, 256));
}

static void add(const char *key, const char *value)
{
    locator.pairs[locator.count++] = (struct vx_locator_pair){units(key), units(value)};
}

static void begin(void)
{
    locator = (struct vx_locator){.type = vx_guid_locator_type_vhdx};
    add(VX_KEY_LINKAGE, LINKAGE);
    add(VX_KEY_RELATIVE, "p.vhdx");
}

#define BREAKS(rule, change)                                                                                           \
    do {                                                                                                               \
        begin();                                                                                                       \
        change;                                                                                                        \
        cr_expect_eq(vx_locator_rules(&locator), (uint32_t)(rule), #rule ": %X", vx_locator_rules(&locator));          \
    } while (0)

Test(locator, each_rule_is_broken_alone)
{
    BREAKS(0, (void)0);
    BREAKS(VX_LOCATOR_BAD_TYPE, locator.type.bytes[0] ^= 1);
    BREAKS(VX_LOCATOR_BAD_PLACE, (add("k", ""), (void)0));
    BREAKS(VX_LOCATOR_BAD_PLACE, (add("", "v"), (void)0));
    BREAKS(VX_LOCATOR_BAD_PLACE, (add("kk", "v"), locator.pairs[2].key.size--));
    BREAKS(VX_LOCATOR_DUPLICATE, (add("k", "v"), add("k", "w")));
    BREAKS(VX_LOCATOR_NO_LINKAGE, locator.pairs[0].key = units("parent_linkage3"));
    BREAKS(VX_LOCATOR_BAD_LINKAGE, locator.pairs[0].value = units("{ff34003b}"));
    BREAKS(VX_LOCATOR_BAD_LINKAGE, add(VX_KEY_LINKAGE2, "none"));
    BREAKS(VX_LOCATOR_NO_PATH, locator.count = 1);
    BREAKS(VX_LOCATOR_RESERVED_SET, locator.reserved = 1);
    BREAKS(VX_LOCATOR_NO_PAIRS | VX_LOCATOR_NO_LINKAGE | VX_LOCATOR_NO_PATH, locator.count = 0);
}

Test(locator, one_path_of_any_kind_is_enough)
{
    BREAKS(0, locator.pairs[1].key = units(VX_KEY_VOLUME));
    BREAKS(0, locator.pairs[1].key = units(VX_KEY_ABSOLUTE));
    BREAKS(0, add(VX_KEY_LINKAGE2, "00000000-0000-0000-0000-000000000000"));
}

Test(locator, nuls_are_told_but_those_at_an_end_do_no_harm)
{
    static uint8_t linkage[78], key[4] = {'k', 0, 0, 0};
    vhdx_guid guid;
    begin();
    vx_utf8_to_utf16(LINKAGE, linkage, sizeof linkage);
    locator.pairs[0].value = vx_bytes_of(linkage, sizeof linkage);
    cr_assert_eq(vx_locator_rules(&locator), VX_LOCATOR_NUL);
    cr_assert(vx_locator_guid(&locator, VX_KEY_LINKAGE, &guid));
    begin();
    locator.pairs[2] = (struct vx_locator_pair){vx_bytes_of(key, 4), units("v")};
    locator.count = 3;
    cr_assert_eq(vx_locator_rules(&locator), VX_LOCATOR_NUL);
    cr_assert_eq(vx_locator_find(&locator, "k"), &locator.pairs[2]);
}

Test(locator, text_outside_of_ascii_is_never_taken_for_a_guid)
{
    begin();
    static uint8_t linkage[76];
    vx_utf8_to_utf16(LINKAGE, linkage, sizeof linkage);
    linkage[1] = 1; /* U+017B, whose low byte is the brace */
    locator.pairs[0].value = vx_bytes_of(linkage, sizeof linkage);
    cr_assert_eq(vx_locator_rules(&locator), VX_LOCATOR_BAD_LINKAGE);
}

Test(locator, pairs_in_impossible_places_become_empty_and_are_counted)
{
    const struct {
        uint32_t key_offset, value_offset;
        uint16_t key_length, value_length;
    } rows[] = {
        {0, 222, 38, 216},
        {184, 0, 38, 216},
        {HYPERV_SIZE - 37, 222, 38, 216},
        {184, HYPERV_SIZE + 1, 38, 0},
        {184, 222, 38, 0xFFFF},
        {UINT32_MAX, 222, 38, 216},
        {184, UINT32_MAX, 38, 0xFFFF},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hex_into(item, sizeof item, hyperv);
        vx_put32(item + 32, rows[i].key_offset);
        vx_put32(item + 36, rows[i].value_offset);
        vx_put16(item + 40, rows[i].key_length);
        vx_put16(item + 42, rows[i].value_length);
        cr_assert_eq(decode(HYPERV_SIZE), VHDX_OK);
        cr_assert_eq(locator.bad_pairs, 1, "row %zu", i);
        cr_assert_eq(locator.pairs[1].key.size, 0);
        cr_assert_eq(locator.pairs[1].value.size, 0);
        cr_assert_eq(vx_locator_rules(&locator), VX_LOCATOR_BAD_PLACE, "row %zu", i);
        expect_value("relative_path", "." PARENT);
    }
}

Test(locator, an_item_too_short_for_its_entries_is_corrupt)
{
    decode_hyperv();
    cr_assert_eq(decode(0), VHDX_CORRUPT);
    cr_assert_eq(decode(19), VHDX_CORRUPT);
    cr_assert_eq(decode(20 + 5 * 12 - 1), VHDX_CORRUPT);
    cr_assert_eq(decode(20 + 5 * 12), VHDX_OK);
    cr_assert_eq(locator.bad_pairs, 5);
    vx_put16(item + 18, 0xFFFF);
    cr_assert_eq(decode(HYPERV_SIZE), VHDX_CORRUPT);
}

Test(locator, pairs_beyond_the_limit_are_told_and_left_out)
{
    const size_t size = 20 + 257 * 12 + 4;
    uint8_t *large = calloc(1, size);
    memcpy(large, &vx_guid_locator_type_vhdx, 16);
    vx_put16(large + 18, 257);
    for (size_t i = 0; i < 257; i++) {
        vx_put32(large + 20 + 12 * i, (uint32_t)size - 4);
        vx_put32(large + 24 + 12 * i, (uint32_t)size - 2);
        vx_put16(large + 28 + 12 * i, 2);
        vx_put16(large + 30 + 12 * i, 2);
    }
    memcpy(large + size - 4, "k\0v", 4);
    cr_assert_eq(vx_locator_decode(vx_bytes_of(large, size), &locator), VHDX_OK);
    cr_assert_eq(locator.count, 257);
    cr_assert_eq(vx_locator_rules(&locator),
                 VX_LOCATOR_TOO_MANY | VX_LOCATOR_DUPLICATE | VX_LOCATOR_NO_LINKAGE | VX_LOCATOR_NO_PATH);
    cr_assert_eq(vx_locator_encode(&locator, NULL, 0), 20 + 256 * (12 + 4));
    free(large);
}
