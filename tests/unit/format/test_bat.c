/* BAT entry: bits, rules of each state, real tables. MS-VHDX 2.5.1 */
/* SPDX-License-Identifier: MIT */
#include "format/bat.h"

#include "sample.h"

#include <criterion/criterion.h>

Test(bat, bits_of_an_entry)
{
    struct vx_bat_entry entry = vx_bat_entry_decode(0x0000000001A00007);
    cr_assert_eq(entry.state, VX_PAYLOAD_PARTIALLY_PRESENT);
    cr_assert_eq(entry.reserved, 0);
    cr_assert_eq(entry.file_offset, 26 * VX_MIB);
    entry = vx_bat_entry_decode(0xFFFFFFFFFFF00000);
    cr_assert_eq(entry.state, 0);
    cr_assert_eq(entry.reserved, 0);
    cr_assert_eq(entry.file_offset, 0xFFFFFFFFFFF00000);
    entry = vx_bat_entry_decode(0x00000000000FFFF8);
    cr_assert_eq(entry.state, 0);
    cr_assert_eq(entry.reserved, 0x1FFFF);
    cr_assert_eq(entry.file_offset, 0);
}

Test(bat, every_bit_comes_back)
{
    for (int bit = 0; bit < 64; bit++) {
        struct vx_bat_entry entry = vx_bat_entry_decode(UINT64_C(1) << bit);
        cr_assert_eq(vx_bat_entry_encode(&entry), UINT64_C(1) << bit);
        entry = vx_bat_entry_decode(~(UINT64_C(1) << bit));
        cr_assert_eq(vx_bat_entry_encode(&entry), ~(UINT64_C(1) << bit));
    }
}

Test(bat, encoding_keeps_each_field_to_its_bits)
{
    const struct vx_bat_entry entry = {0xFF, 0xFFFFFFFF, 5 * VX_MIB + 1};
    cr_assert_eq(vx_bat_entry_encode(&entry), 5 * VX_MIB + 0xFFFFF);
}

Test(bat, rules_of_each_payload_state)
{
    /* without and with an offset in a disk without parent, then in a child */
    static const uint32_t expected[8][4] = {
        {0, VX_BAT_STRAY_OFFSET, 0, VX_BAT_STRAY_OFFSET},
        {0, VX_BAT_ANCHOR, 0, VX_BAT_ANCHOR},
        {0, VX_BAT_STRAY_OFFSET, 0, VX_BAT_STRAY_OFFSET},
        {0, VX_BAT_ANCHOR, 0, VX_BAT_ANCHOR},
        {VX_BAT_BAD_STATE, VX_BAT_BAD_STATE, VX_BAT_BAD_STATE, VX_BAT_BAD_STATE},
        {VX_BAT_BAD_STATE, VX_BAT_BAD_STATE, VX_BAT_BAD_STATE, VX_BAT_BAD_STATE},
        {VX_BAT_NO_PLACE, 0, VX_BAT_NO_PLACE, 0},
        {VX_BAT_NO_PLACE | VX_BAT_STATE_FOR_CHILD, VX_BAT_STATE_FOR_CHILD, VX_BAT_NO_PLACE, 0},
    };
    for (uint8_t state = 0; state < 8; state++) {
        for (int i = 0; i < 4; i++) {
            struct vx_bat_entry entry = {state, 0, i % 2 ? VX_MIB : 0};
            cr_assert_eq(vx_bat_payload_rules(&entry, i >= 2), expected[state][i], "state %d, case %d", state, i);
            entry.reserved = 1;
            cr_assert_eq(vx_bat_payload_rules(&entry, i >= 2), expected[state][i] | VX_BAT_RESERVED_SET);
        }
    }
}

Test(bat, rules_of_each_bitmap_state)
{
    for (uint8_t state = 0; state < 8; state++) {
        for (int i = 0; i < 4; i++) {
            const struct vx_bat_entry entry = {state, i % 2 ? 0x100 : 0, i & 2 ? VX_MIB : 0};
            const uint32_t reserved = i % 2 ? VX_BAT_RESERVED_SET : 0;
            uint32_t in_child = VX_BAT_BAD_STATE, in_base = VX_BAT_BAD_STATE;
            if (state == VX_BITMAP_NOT_PRESENT)
                in_child = in_base = entry.file_offset ? VX_BAT_STRAY_OFFSET : 0;
            if (state == VX_BITMAP_PRESENT) {
                in_child = entry.file_offset ? 0 : VX_BAT_NO_PLACE;
                in_base = in_child | VX_BAT_STATE_FOR_CHILD;
            }
            cr_assert_eq(vx_bat_bitmap_rules(&entry, true), in_child | reserved, "state %d, case %d", state, i);
            cr_assert_eq(vx_bat_bitmap_rules(&entry, false), in_base | reserved, "state %d, case %d", state, i);
        }
    }
}

Test(bat, space_is_owned_by_present_blocks_and_anchors_only)
{
    static const bool owns[8][2] = {{false, false}, {false, true},  {false, false}, {false, true},
                                    {false, false}, {false, false}, {true, true},   {true, true}};
    for (uint8_t state = 0; state < 8; state++) {
        const struct vx_bat_entry without = {state, 0, 0}, with = {state, 0, VX_MIB};
        cr_assert_eq(vx_bat_payload_owns_space(&without), owns[state][0], "state %d", state);
        cr_assert_eq(vx_bat_payload_owns_space(&with), owns[state][1], "state %d", state);
    }
}

Test(bat, the_table_of_a_real_checkpoint)
{
    static uint8_t bat[4098 * VX_BAT_ENTRY_SIZE];
    unsigned partial = 0, absent = 0;
    if (!sample_read("hyperv2019-checkpoint-8G.avhdx", 3 * VX_MIB, bat, sizeof bat))
        cr_skip_test("VHDX_SAMPLES is not set");
    for (size_t i = 0; i < 4098; i++) {
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(bat + i * VX_BAT_ENTRY_SIZE));
        if (i == 2048 || i == 4097) {
            cr_assert_eq(vx_bat_bitmap_rules(&entry, true), 0);
            cr_assert_eq(entry.file_offset, (i == 2048 ? 7 : 4) * VX_MIB);
            continue;
        }
        cr_assert_eq(vx_bat_payload_rules(&entry, true), 0, "entry %zu", i);
        partial += entry.state == VX_PAYLOAD_PARTIALLY_PRESENT;
        absent += entry.state == VX_PAYLOAD_NOT_PRESENT;
    }
    cr_assert_eq(partial, 32);
    cr_assert_eq(absent, 4064);
}
