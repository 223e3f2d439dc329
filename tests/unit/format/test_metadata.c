/* Metadata table and items: what Windows and qemu write, each rule. MS-VHDX 2.6 */
/* SPDX-License-Identifier: MIT */
#include "format/metadata.h"

#include "base/guid.h"
#include "hex.h"
#include "sample.h"

#include <criterion/criterion.h>
#include <string.h>

#define PARAMETERS "3767a1ca36fa434db3b633f0aa44e76b 00000100 08000000 04000000 00000000 "
/* Windows 10, with the copy of the last entry that stays behind the table after its creation */
#define LAST "ab12cabee6b2234593efc309e000c746 18000100 10000000 06000000 00000000 "
static const char windows[] = "6d65746164617461 0000 0500 0000000000000000000000000000000000000000 " PARAMETERS
                              "2442a52f1bcd7648b2115dbed83bf4b8 08000100 08000000 06000000 00000000 "
                              "1dbf41816fa90947ba47f233a8faab5f 10000100 04000000 06000000 00000000 "
                              "c748a3cd5d4471449cc9e9885251c556 14000100 04000000 06000000 00000000 " LAST LAST;
static const char qemu[] = "6d65746164617461 0000 0500 0000000000000000000000000000000000000000 " PARAMETERS
                           "2442a52f1bcd7648b2115dbed83bf4b8 08000100 08000000 06000000 00000000 "
                           "ab12cabee6b2234593efc309e000c746 10000100 10000000 06000000 00000000 "
                           "1dbf41816fa90947ba47f233a8faab5f 20000100 04000000 06000000 00000000 "
                           "c748a3cd5d4471449cc9e9885251c556 24000100 04000000 06000000 00000000 ";

static uint8_t bytes[VX_METADATA_TABLE_SIZE], back[VX_METADATA_TABLE_SIZE];
static struct vx_metadata_table table;

static vhdx_status decode(void)
{
    return vx_metadata_table_decode(vx_bytes_of(bytes, sizeof bytes), &table);
}

static void decode_text(const char *text)
{
    hex_into(bytes, sizeof bytes, text);
    cr_assert_eq(decode(), VHDX_OK);
}

Test(metadata, the_table_that_windows_writes_with_its_stale_entry)
{
    decode_text(windows);
    cr_assert_eq(table.count, 5);
    cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), 0);
    const struct vx_metadata_entry *id = vx_metadata_find(&table, &vx_guid_virtual_disk_id);
    cr_assert_eq(id, &table.entries[4]);
    cr_assert_eq(id->offset, 0x10018);
    cr_assert_eq(id->length, 16);
    cr_assert_eq(id->flags, VX_ITEM_IS_VIRTUAL_DISK | VX_ITEM_IS_REQUIRED);
    cr_assert_null(vx_metadata_find(&table, &vx_guid_parent_locator));
}

Test(metadata, the_table_that_qemu_writes)
{
    decode_text(qemu);
    cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), 0);
    cr_assert_eq(vx_metadata_find(&table, &vx_guid_logical_sector_size)->offset, 0x10020);
    vx_metadata_table_encode(&table, back);
    cr_assert_arr_eq(bytes, back, sizeof bytes);
}

Test(metadata, encoding_forgets_the_stale_entry_and_nothing_else)
{
    decode_text(windows);
    vx_metadata_table_encode(&table, back);
    cr_assert_arr_eq(bytes, back, 32 + 5 * 32);
    cr_assert(vx_is_zero(back + 32 + 5 * 32, sizeof back - 32 - 5 * 32));
}

Test(metadata, a_full_table_is_read_to_its_last_entry)
{
    decode_text(qemu);
    table.count = VX_METADATA_MAX;
    for (uint32_t i = 5; i < VX_METADATA_MAX; i++)
        table.entries[i] = (struct vx_metadata_entry){{{0xAA, (uint8_t)i, (uint8_t)(i >> 8)}}, 0x10028 + i, 1, 0, 0};
    vx_metadata_table_encode(&table, bytes);
    memset(&table, 0, sizeof table);
    cr_assert_eq(decode(), VHDX_OK);
    cr_assert_eq(table.entries[2046].offset, 0x10028 + 2046);
    cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), 0);
}

Test(metadata, a_hostile_count_is_kept_and_told_and_never_followed)
{
    const uint16_t counts[] = {2048, 0x8000, 0xFFFF};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        hex_into(bytes, sizeof bytes, windows);
        vx_put16(bytes + 10, counts[i]);
        cr_assert_eq(decode(), VHDX_OK);
        cr_assert_eq(table.count, counts[i]);
        cr_assert(vx_metadata_table_rules(&table, VX_MIB) & VX_METADATA_TOO_MANY);
        vx_metadata_table_encode(&table, back);
        cr_assert_eq(vx_get16(back + 10), counts[i]);
    }
}

/* `extra` is a sixth entry that breaks no rule; it counts once table.count is 6. */
#define BREAKS(rule, change)                                                                                           \
    do {                                                                                                               \
        decode_text(windows);                                                                                          \
        struct vx_metadata_entry *first = &table.entries[0], *extra = &table.entries[5];                               \
        *extra = (struct vx_metadata_entry){{{1}}, 0x20000, 16, 0, 0};                                                 \
        (void)first, (void)extra;                                                                                      \
        change;                                                                                                        \
        cr_expect_eq(vx_metadata_table_rules(&table, 2 * VX_MIB), (uint32_t)(rule), #rule ": %X",                      \
                     vx_metadata_table_rules(&table, 2 * VX_MIB));                                                     \
    } while (0)

Test(metadata, each_rule_is_broken_alone)
{
    BREAKS(0, table.count = 6);
    BREAKS(VX_METADATA_RESERVED_SET, table.reserved_set = true);
    BREAKS(VX_METADATA_ENTRY_RESERVED_SET, first->flags |= 8);
    BREAKS(VX_METADATA_ENTRY_RESERVED_SET, first->reserved = 1);
    BREAKS(VX_METADATA_DUPLICATE, (table.count = 6, extra->item_id = first->item_id));
    BREAKS(VX_METADATA_ITEM_TOO_LONG, (table.count = 6, extra->length = (uint32_t)VX_MIB + 1));
    BREAKS(VX_METADATA_EMPTY_WITH_OFFSET, (table.count = 6, extra->length = 0));
    BREAKS(VX_METADATA_ITEM_IN_TABLE, first->offset = VX_METADATA_TABLE_SIZE - 8);
    BREAKS(VX_METADATA_ITEM_OUTSIDE, (table.count = 6, extra->offset = (uint32_t)(2 * VX_MIB) - 15));
    BREAKS(VX_METADATA_ITEM_OUTSIDE, (table.count = 6, extra->offset = UINT32_MAX));
    BREAKS(VX_METADATA_OVERLAP, first->offset = table.entries[1].offset);
    BREAKS(VX_METADATA_OVERLAP, (table.count = 6, extra->offset = 0x10007, extra->length = 1));
    BREAKS(VX_METADATA_UNKNOWN_REQUIRED, (table.count = 6, extra->flags = VX_ITEM_IS_REQUIRED));
    BREAKS(VX_METADATA_UNKNOWN_REQUIRED,
           (table.count = 6, extra->item_id = vx_guid_chs_parameters, extra->flags = VX_ITEM_IS_REQUIRED));
    BREAKS(VX_METADATA_ZERO_ID, (table.count = 6, extra->item_id.bytes[0] = 0));
}

Test(metadata, an_unfinished_file_is_told_as_such)
{
    const struct vx_metadata_entry as_windows_does = {vx_guid_incomplete_file, 0, 0, VX_ITEM_IS_REQUIRED, 0};
    BREAKS(VX_METADATA_INCOMPLETE_FILE, (table.count = 6, *extra = as_windows_does));
}

Test(metadata, each_of_the_five_items_is_missed)
{
    for (int i = 0; i < 5; i++) {
        decode_text(windows);
        table.entries[i].item_id.bytes[0] ^= 1;
        table.entries[i].flags = 0;
        cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), VX_METADATA_MISSING, "entry %d", i);
        decode_text(windows);
        table.entries[i].flags |= VX_ITEM_IS_USER; /* a user's item of that name is another item */
        cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), VX_METADATA_MISSING, "entry %d", i);
    }
    decode_text(windows);
    table.count = 0;
    cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), VX_METADATA_MISSING);
}

Test(metadata, what_looks_wrong_but_is_right)
{
    BREAKS(0, (table.count = 6, extra->flags = VX_ITEM_IS_USER | VX_ITEM_IS_REQUIRED)); /* never unknown */
    BREAKS(0, (table.count = 6, extra->item_id = first->item_id, extra->flags = VX_ITEM_IS_USER));
    BREAKS(0, (table.count = 6, extra->offset = 0, extra->length = 0));
    BREAKS(0, (table.count = 6, extra->length = (uint32_t)VX_MIB));
    BREAKS(0, (table.count = 6, extra->offset = (uint32_t)(2 * VX_MIB) - 16));
    BREAKS(0, (table.count = 6, extra->item_id = vx_guid_parent_locator, extra->flags = VX_ITEM_IS_REQUIRED));
}

Test(metadata, an_item_in_a_region_that_is_shorter_than_the_table_is_outside)
{
    decode_text(windows);
    cr_assert_eq(vx_metadata_table_rules(&table, 0), VX_METADATA_ITEM_OUTSIDE);
    cr_assert_eq(vx_metadata_entry_rules(&table.entries[4], 0x10028), 0);
    cr_assert_eq(vx_metadata_entry_rules(&table.entries[4], 0x10027), VX_METADATA_ITEM_OUTSIDE);
}

Test(metadata, more_than_1024_user_items_are_too_many)
{
    decode_text(windows);
    for (uint32_t i = 0; i < VX_METADATA_USER_MAX + 1; i++)
        table.entries[5 + i] =
            (struct vx_metadata_entry){{{0xAA, (uint8_t)i, (uint8_t)(i >> 8)}}, 0, 0, VX_ITEM_IS_USER, 0};
    table.count = 5 + VX_METADATA_USER_MAX;
    cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), 0);
    table.count++;
    cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), VX_METADATA_TOO_MANY_USER);
}

Test(metadata, reserved_bytes_of_the_header_are_noticed_at_both_places)
{
    const size_t places[] = {8, 9, 12, 31};
    for (size_t i = 0; i < 4; i++) {
        hex_into(bytes, sizeof bytes, windows);
        bytes[places[i]] = 1;
        cr_assert_eq(decode(), VHDX_OK);
        cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), VX_METADATA_RESERVED_SET, "byte %zu", places[i]);
    }
}

Test(metadata, no_signature_is_corrupt_and_too_few_bytes_truncated)
{
    hex_into(bytes, sizeof bytes, windows);
    cr_assert_eq(vx_metadata_table_decode(vx_bytes_of(bytes, sizeof bytes - 1), &table), VHDX_TRUNCATED);
    bytes[7] = 'A';
    cr_assert_eq(decode(), VHDX_CORRUPT);
}

Test(metadata, items_that_windows_wrote)
{
    uint8_t items[0x28];
    struct vx_file_parameters parameters;
    uint64_t size;
    uint32_t sector;
    vhdx_guid id;
    char text[VX_GUID_TEXT];
    hex_into(items, sizeof items,
             "0000200002000000 0000000002000000 00020000 00100000 b562ca890db08e4bb79a87e20cad5a40");
    cr_assert_eq(vx_file_parameters_decode(vx_bytes_of(items, 8), &parameters), VHDX_OK);
    cr_assert_eq(parameters.block_size, 2 * VX_MIB);
    cr_assert_eq(parameters.flags, VX_PARAMETER_HAS_PARENT);
    cr_assert_eq(vx_item_u64_decode(vx_bytes_of(items + 8, 8), &size), VHDX_OK);
    cr_assert_eq(size, 8 * VX_GIB);
    cr_assert_eq(vx_item_u32_decode(vx_bytes_of(items + 16, 4), &sector), VHDX_OK);
    cr_assert_eq(sector, 512);
    cr_assert_eq(vx_item_guid_decode(vx_bytes_of(items + 24, 16), &id), VHDX_OK);
    vx_guid_format(&id, text);
    cr_assert_str_eq(text, "89ca62b5-b00d-4b8e-b79a-87e20cad5a40");
}

Test(metadata, an_item_of_another_length_is_corrupt)
{
    const uint8_t item[32] = {0};
    struct vx_file_parameters parameters;
    uint64_t size;
    uint32_t sector;
    vhdx_guid id;
    for (size_t length = 0; length <= sizeof item; length++) {
        struct vx_bytes in = vx_bytes_of(item, length);
        cr_assert_eq(vx_file_parameters_decode(in, &parameters), length == 8 ? VHDX_OK : VHDX_CORRUPT);
        cr_assert_eq(vx_item_u64_decode(in, &size), length == 8 ? VHDX_OK : VHDX_CORRUPT);
        cr_assert_eq(vx_item_u32_decode(in, &sector), length == 4 ? VHDX_OK : VHDX_CORRUPT);
        cr_assert_eq(vx_item_guid_decode(in, &id), length == 16 ? VHDX_OK : VHDX_CORRUPT);
    }
}

Test(metadata, unknown_parameter_flags_come_back)
{
    const struct vx_file_parameters parameters = {0x02000000, 0xFFFFFFFC};
    struct vx_file_parameters read;
    uint8_t item[8];
    vx_file_parameters_encode(&parameters, item);
    cr_assert_eq(vx_file_parameters_decode(vx_bytes_of(item, 8), &read), VHDX_OK);
    cr_assert_eq(read.block_size, 0x02000000);
    cr_assert_eq(read.flags, 0xFFFFFFFC);
}

static uint32_t values(uint64_t block_size, uint32_t flags, uint64_t size, uint32_t logical, uint32_t physical)
{
    const struct vx_file_parameters parameters = {(uint32_t)block_size, flags};
    return vx_values_rules(&parameters, size, logical, physical);
}

Test(metadata, values_that_the_format_allows)
{
    for (uint64_t block_size = VX_MIB; block_size <= 256 * VX_MIB; block_size *= 2)
        cr_assert_eq(values(block_size, 0, VX_GIB, 512, 512), 0);
    cr_assert_eq(values(VX_MIB, 1, 512, 512, 4096), 0);
    cr_assert_eq(values(VX_MIB, 2, 4096, 4096, 512), 0);
    cr_assert_eq(values(VX_MIB, 0, 64 * VX_TIB, 4096, 4096), 0);
    cr_assert_eq(values(VX_MIB, 0, 10 * VX_MIB + 512, 512, 512), 0);
}

Test(metadata, values_that_it_does_not)
{
    const uint64_t block_sizes[] = {0, 1, VX_MIB / 2, VX_MIB + 1, 3 * VX_MIB, 512 * VX_MIB};
    for (size_t i = 0; i < sizeof block_sizes / sizeof block_sizes[0]; i++)
        cr_assert_eq(values(block_sizes[i], 0, VX_GIB, 512, 512), VX_VALUES_BAD_BLOCK_SIZE);
    const uint64_t sizes[] = {0, 511, 513, VX_GIB + 1, 64 * VX_TIB + 512, UINT64_MAX - 511};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        cr_assert_eq(values(VX_MIB, 0, sizes[i], 512, 512), VX_VALUES_BAD_VIRTUAL_SIZE, "%zu", i);
    cr_assert_eq(values(VX_MIB, 0, 512, 4096, 4096), VX_VALUES_BAD_VIRTUAL_SIZE);
    const uint32_t sectors[] = {0, 1, 256, 1024, 2048, 8192, UINT32_MAX};
    for (size_t i = 0; i < sizeof sectors / sizeof sectors[0]; i++) {
        cr_assert_eq(values(VX_MIB, 0, VX_GIB, sectors[i], 512), VX_VALUES_BAD_LOGICAL_SECTOR);
        cr_assert_eq(values(VX_MIB, 0, VX_GIB, 512, sectors[i]), VX_VALUES_BAD_PHYSICAL_SECTOR);
    }
    cr_assert_eq(values(VX_MIB, 4, VX_GIB, 512, 512), VX_VALUES_BAD_PARAMETER_FLAGS);
    cr_assert_eq(values(VX_MIB, 0x80000000, VX_GIB, 512, 512), VX_VALUES_BAD_PARAMETER_FLAGS);
    cr_assert_eq(values(VX_MIB, 3, VX_GIB, 512, 512), VX_VALUES_FIXED_WITH_PARENT);
}

Test(metadata, samples_break_no_rule)
{
    const struct {
        const char *file;
        uint64_t offset;
        uint16_t count;
    } rows[] = {
        {"windows10-fixed-10M.vhdx", 2 * VX_MIB, 5},
        {"hyperv2012-dynamic-1G.vhdx", 2 * VX_MIB, 5},
        {"hyperv2019-checkpoint-8G.avhdx", 2 * VX_MIB, 6},
        {"qemu-dirty-log-10G.vhdx", 3 * VX_MIB, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!sample_read(rows[i].file, rows[i].offset, bytes, sizeof bytes))
            cr_skip_test("VHDX_SAMPLES is not set");
        cr_assert_eq(decode(), VHDX_OK);
        cr_assert_eq(table.count, rows[i].count);
        cr_assert_eq(vx_metadata_table_rules(&table, VX_MIB), 0, "%s", rows[i].file);
    }
}
