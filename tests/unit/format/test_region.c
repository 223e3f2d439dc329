/* Region table: the one Windows writes, the one qemu writes, each rule. MS-VHDX 2.2.3 */
/* SPDX-License-Identifier: MIT */
#include "format/region.h"

#include "base/guid.h"
#include "hex.h"
#include "sample.h"

#include <criterion/criterion.h>
#include <string.h>

#define WINDOWS                                                                                                        \
    "72656769 AE8C6BC6 02000000 00000000 "                                                                             \
    "6677C22D23F600429D64115E9BFD4A08 0000300000000000 00001000 01000000 "                                             \
    "06A27C8B90479A4BB8FE575F050F886E 0000200000000000 00001000 01000000"
/* The metadata behind the BAT, and Required = 0 */
#define QEMU                                                                                                           \
    "72656769 83ce6f2c 02000000 00000000 "                                                                             \
    "6677c22d23f600429d64115e9bfd4a08 0000200000000000 00001000 00000000 "                                             \
    "06a27c8b90479a4bb8fe575f050f886e 0000300000000000 00001000 00000000"

static uint8_t bytes[VX_REGION_TABLE_SIZE], back[VX_REGION_TABLE_SIZE];
static struct vx_region_table table;

static vhdx_status decode(void)
{
    return vx_region_table_decode(vx_bytes_of(bytes, sizeof bytes), &table);
}

static void decode_text(const char *text)
{
    hex_into(bytes, sizeof bytes, text);
    cr_assert_eq(decode(), VHDX_OK);
}

Test(region, the_table_that_windows_writes)
{
    decode_text(WINDOWS);
    cr_assert_eq(table.count, 2);
    cr_assert_eq(table.checksum, 0xC66B8CAE);
    cr_assert_eq(table.computed_checksum, 0xC66B8CAE);
    cr_assert_eq(vx_region_table_rules(&table), 0);
    const struct vx_region *bat = vx_region_find(&table, &vx_guid_bat_region);
    cr_assert_eq(bat, &table.entries[0]);
    cr_assert_eq(bat->file_offset, 3 * VX_MIB);
    cr_assert_eq(bat->length, VX_MIB);
    cr_assert_eq(bat->required, 1);
    cr_assert_eq(vx_region_find(&table, &vx_guid_metadata_region)->file_offset, 2 * VX_MIB);
    cr_assert_null(vx_region_find(&table, &vx_guid_parent_locator));
}

Test(region, qemu_does_not_require_the_known_regions_and_that_is_no_fault)
{
    decode_text(QEMU);
    cr_assert_eq(vx_region_table_rules(&table), 0);
    cr_assert_eq(vx_region_find(&table, &vx_guid_bat_region)->required, 0);
    cr_assert_eq(vx_region_find(&table, &vx_guid_metadata_region)->file_offset, 3 * VX_MIB);
}

Test(region, real_bytes_come_back_as_they_were)
{
    const char *texts[] = {WINDOWS, QEMU};
    for (size_t i = 0; i < 2; i++) {
        decode_text(texts[i]);
        table.checksum = 1; /* the encoder makes its own */
        table.computed_checksum = 2;
        vx_region_table_encode(&table, back);
        cr_assert_arr_eq(bytes, back, sizeof bytes);
    }
}

Test(region, a_full_table_is_read_to_its_last_entry)
{
    memset(&table, 0, sizeof table);
    table.count = VX_REGION_MAX;
    for (uint32_t i = 0; i < VX_REGION_MAX; i++) {
        table.entries[i] =
            (struct vx_region){{{0xAA, (uint8_t)i, (uint8_t)(i >> 8)}}, (2046 - i + 1) * VX_MIB, VX_MIB, 0};
    }
    table.entries[2046].guid = vx_guid_bat_region;
    table.entries[2045].guid = vx_guid_metadata_region;
    vx_region_table_encode(&table, bytes);
    memset(&table, 0, sizeof table);
    cr_assert_eq(decode(), VHDX_OK);
    cr_assert_eq(vx_region_table_rules(&table), 0);
    cr_assert_eq(vx_region_find(&table, &vx_guid_bat_region), &table.entries[2046]);
    cr_assert_eq(table.entries[2046].file_offset, VX_MIB);
}

Test(region, a_hostile_count_is_kept_and_told_and_never_followed)
{
    const uint32_t counts[] = {2048, 65536, UINT32_MAX, 0x08000000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        hex_into(bytes, sizeof bytes, WINDOWS);
        vx_put32(bytes + 8, counts[i]);
        cr_assert_eq(decode(), VHDX_OK);
        cr_assert_eq(table.count, counts[i]);
        cr_assert(vx_region_table_rules(&table) & VX_REGION_TOO_MANY);
        vx_region_table_encode(&table, back);
        cr_assert_eq(vx_get32(back + 8), counts[i]);
    }
}

#define BREAKS(rule, change)                                                                                           \
    do {                                                                                                               \
        decode_text(WINDOWS);                                                                                          \
        struct vx_region *bat = &table.entries[0], *metadata = &table.entries[1], *third = &table.entries[2];          \
        *third = (struct vx_region){{{1}}, 8 * VX_MIB, VX_MIB, 0};                                                     \
        (void)bat, (void)metadata, (void)third;                                                                        \
        change;                                                                                                        \
        cr_expect_eq(vx_region_table_rules(&table), (uint32_t)(rule), #rule ": %X", vx_region_table_rules(&table));    \
    } while (0)

Test(region, each_rule_is_broken_alone)
{
    BREAKS(0, table.count = 3);
    BREAKS(VX_REGION_BAD_CHECKSUM, table.checksum ^= 1);
    BREAKS(VX_REGION_RESERVED_SET, table.reserved = 1);
    BREAKS(VX_REGION_DUPLICATE, (table.count = 3, third->guid = bat->guid));
    BREAKS(VX_REGION_UNALIGNED, bat->file_offset += 4096);
    BREAKS(VX_REGION_UNALIGNED, bat->file_offset = 0);
    BREAKS(VX_REGION_BAD_LENGTH, bat->length = 0);
    BREAKS(VX_REGION_BAD_LENGTH, bat->length += 4096);
    BREAKS(VX_REGION_OVERFLOW, bat->file_offset = UINT64_MAX - VX_MIB + 1);
    BREAKS(VX_REGION_OVERLAP, bat->file_offset = metadata->file_offset);
    BREAKS(VX_REGION_OVERLAP, metadata->length = (uint32_t)(2 * VX_MIB));
    BREAKS(VX_REGION_OVERLAP, (table.count = 3, third->file_offset = VX_MIB, third->length = (uint32_t)(100 * VX_MIB)));
    BREAKS(VX_REGION_NO_BAT, bat->guid = third->guid; bat->required = 0);
    BREAKS(VX_REGION_NO_METADATA, table.count = 1);
    BREAKS(VX_REGION_NO_BAT | VX_REGION_NO_METADATA, table.count = 0);
    BREAKS(VX_REGION_UNKNOWN_REQUIRED, (table.count = 3, third->required = 1));
    BREAKS(VX_REGION_REQUIRED_BITS, metadata->required = 3);
    BREAKS(VX_REGION_REQUIRED_BITS, (table.count = 3, third->required = 0x80000000));
}

Test(region, regions_that_touch_do_not_overlap)
{
    BREAKS(0, (bat->file_offset = VX_MIB, bat->length = (uint32_t)VX_MIB));
    BREAKS(0, (table.count = 3, third->file_offset = 4 * VX_MIB));
    BREAKS(0, (table.count = 3, third->file_offset = VX_MIB));
}

Test(region, an_overlap_is_found_between_ranges_that_wrap_around)
{
    BREAKS(VX_REGION_OVERFLOW | VX_REGION_OVERLAP,
           (bat->file_offset = UINT64_MAX - VX_MIB + 1, metadata->file_offset = bat->file_offset));
}

Test(region, space_behind_the_last_entry_is_under_the_checksum)
{
    decode_text(WINDOWS);
    bytes[65535] = 1;
    cr_assert_eq(decode(), VHDX_OK);
    cr_assert_eq(vx_region_table_rules(&table), VX_REGION_BAD_CHECKSUM);
}

Test(region, no_signature_is_corrupt_and_too_few_bytes_truncated)
{
    hex_into(bytes, sizeof bytes, WINDOWS);
    cr_assert_eq(vx_region_table_decode(vx_bytes_of(bytes, sizeof bytes - 1), &table), VHDX_TRUNCATED);
    bytes[0] = 'R';
    cr_assert_eq(decode(), VHDX_CORRUPT);
}

Test(region, samples_break_no_rule)
{
    const char *files[] = {"windows10-fixed-10M.vhdx", "qemu-dirty-log-10G.vhdx", "hyperv2012-dynamic-1G.vhdx",
                           "hyperv2019-checkpoint-8G.avhdx"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (int copy = 0; copy < 2; copy++) {
            uint64_t offset = copy ? VX_REGION_TABLE2_OFFSET : VX_REGION_TABLE1_OFFSET;
            if (!sample_read(files[i], offset, bytes, sizeof bytes))
                cr_skip_test("VHDX_SAMPLES is not set");
            cr_assert_eq(decode(), VHDX_OK);
            cr_assert_eq(vx_region_table_rules(&table), 0, "%s, copy %d", files[i], copy);
            vx_region_table_encode(&table, back);
            cr_assert_arr_eq(bytes, back, sizeof bytes);
        }
    }
}
