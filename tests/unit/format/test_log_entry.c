/* Log entry: what Windows and qemu write, each rule, pages there and back. MS-VHDX 2.3.1 */
/* SPDX-License-Identifier: MIT */
#include "format/log_entry.h"

#include "base/crc32c.h"
#include "base/guid.h"
#include "hex.h"
#include "sample.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LENGTH ((uint32_t)VX_MIB)
/* Windows 10: the empty entry that begins a log, and one that writes a sector of the BAT */
#define EMPTY                                                                                                          \
    "6C6F6765 0F8A1F8B 00100000 00000000 0B0A63313CCB6326 00000000 00000000 1675F5D84A063D44A3F11BAAA49589B6 "         \
    "0000400200000000 0000400200000000"
#define WRITING                                                                                                        \
    "6C6F6765 7C72840D 00200000 00100000 0C0A63313CCB6326 01000000 00000000 1675F5D84A063D44A3F11BAAA49589B6 "         \
    "0000400000000000 0000400200000000"
#define DESCRIPTOR "64657363 00000000 0600400000000000 0000300000000000 0C0A63313CCB6326"
#define SEQUENCE UINT64_C(0x2663CB3C31630A0C)

static struct vx_log_header header_of(const char *text)
{
    uint8_t bytes[VX_LOG_HEADER_SIZE];
    struct vx_log_header header;
    hex_into(bytes, sizeof bytes, text);
    cr_assert_eq(vx_log_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_OK);
    return header;
}

static struct vx_log_descriptor descriptor_of(const char *text)
{
    uint8_t bytes[VX_LOG_DESCRIPTOR_SIZE];
    struct vx_log_descriptor descriptor;
    hex_into(bytes, sizeof bytes, text);
    cr_assert_eq(vx_log_descriptor_decode(vx_bytes_of(bytes, sizeof bytes), &descriptor), VHDX_OK);
    return descriptor;
}

Test(log_entry, every_field_of_a_real_header)
{
    struct vx_log_header header = header_of(WRITING);
    char text[VX_GUID_TEXT];
    vx_guid_format(&header.log_guid, text);
    cr_assert_eq(header.checksum, 0x0D84727C);
    cr_assert_eq(header.entry_length, 8192);
    cr_assert_eq(header.tail, 0x1000);
    cr_assert_eq(header.sequence_number, SEQUENCE);
    cr_assert_eq(header.descriptor_count, 1);
    cr_assert_eq(header.reserved, 0);
    cr_assert_str_eq(text, "d8f57516-064a-443d-a3f1-1baaa49589b6");
    cr_assert_eq(header.flushed_file_offset, 0x400000);
    cr_assert_eq(header.last_file_offset, 0x2400000);
    cr_assert_eq(vx_log_header_rules(&header, LOG_LENGTH, NULL), 0);
    cr_assert_eq(vx_log_header_rules(&header, LOG_LENGTH, &header.log_guid), 0);
}

Test(log_entry, an_empty_one_is_encoded_as_windows_does)
{
    uint8_t expected[4096], entry[4096];
    struct vx_log_header header = header_of(EMPTY);
    cr_assert_eq(vx_log_entry_size(0), 4096);
    hex_into(expected, sizeof expected, EMPTY);
    header.checksum = 1; /* these three are derived */
    header.entry_length = 2;
    header.descriptor_count = 3;
    vx_log_entry_encode(&header, NULL, 0, entry);
    cr_assert_arr_eq(entry, expected, sizeof entry);
}

Test(log_entry, one_page_is_encoded_as_windows_does)
{
    uint8_t expected[8192], entry[8192], page[VX_PAGE];
    struct vx_log_header header = header_of(WRITING);
    hex_into(expected, 4096, WRITING DESCRIPTOR);
    hex_into(expected + 4096, 4092, "64617461 3CCB6326");
    hex_into(expected + 8188, 4, "0C0A6331");
    hex_into(page, sizeof page, "0600400000000000");
    const struct vx_log_page pages[] = {{3 * VX_MIB, page}};
    cr_assert_eq(vx_log_entry_size(1), 8192);
    vx_log_entry_encode(&header, pages, 1, entry);
    cr_assert_arr_eq(entry, expected, sizeof entry);
}

Test(log_entry, a_data_descriptor_and_its_sector_give_the_page_back)
{
    uint8_t sector[VX_PAGE], page[VX_PAGE];
    struct vx_log_descriptor descriptor = descriptor_of(DESCRIPTOR);
    hex_into(sector, sizeof sector, "64617461 3CCB6326");
    hex_into(sector + 4092, 4, "0C0A6331");
    cr_assert_eq(descriptor.kind, VX_LOG_KIND_DATA);
    cr_assert_eq(descriptor.length, VX_PAGE);
    cr_assert_eq(descriptor.file_offset, 3 * VX_MIB);
    cr_assert_eq(descriptor.sequence_number, SEQUENCE);
    cr_assert_eq(vx_log_descriptor_rules(&descriptor, SEQUENCE), 0);
    cr_assert(vx_log_data_matches(sector, SEQUENCE));
    vx_log_data_restore(sector, &descriptor, page);
    cr_assert_eq(vx_get64(page), 0x400006);
    cr_assert(vx_is_zero(page + 8, sizeof page - 8));
}

Test(log_entry, a_zero_descriptor)
{
    struct vx_log_descriptor descriptor =
        descriptor_of("7A65726F 07000000 0000100000000000 0000200000000000 0C0A63313CCB6326");
    cr_assert_eq(descriptor.kind, VX_LOG_KIND_ZERO);
    cr_assert_eq(descriptor.length, VX_MIB);
    cr_assert_eq(descriptor.file_offset, 2 * VX_MIB);
    cr_assert_eq(vx_log_descriptor_rules(&descriptor, SEQUENCE), VX_DESCRIPTOR_RESERVED_SET);
    descriptor.reserved = 0;
    cr_assert_eq(vx_log_descriptor_rules(&descriptor, SEQUENCE), 0);
}

#define HEADER_BREAKS(rule, change)                                                                                    \
    do {                                                                                                               \
        struct vx_log_header h = header_of(WRITING);                                                                   \
        vhdx_guid guid = h.log_guid;                                                                                   \
        change;                                                                                                        \
        uint32_t broken = vx_log_header_rules(&h, LOG_LENGTH, &guid);                                                  \
        cr_expect_eq(broken, (uint32_t)(rule), #rule ": %X", broken);                                                  \
    } while (0)

Test(log_entry, each_rule_of_the_header_is_broken_alone)
{
    HEADER_BREAKS(VX_LOG_BAD_LENGTH | VX_LOG_BAD_COUNT, h.entry_length = 0);
    HEADER_BREAKS(VX_LOG_BAD_LENGTH, h.entry_length += 512);
    HEADER_BREAKS(VX_LOG_BAD_LENGTH, h.entry_length = LOG_LENGTH + 4096);
    HEADER_BREAKS(VX_LOG_BAD_LENGTH, h.entry_length = UINT32_MAX - 4095);
    HEADER_BREAKS(VX_LOG_BAD_TAIL, h.tail = 512);
    HEADER_BREAKS(VX_LOG_BAD_TAIL, h.tail = LOG_LENGTH);
    HEADER_BREAKS(VX_LOG_BAD_SEQUENCE, h.sequence_number = 0);
    HEADER_BREAKS(VX_LOG_BAD_COUNT, h.descriptor_count = 126 + 128 + 1);
    HEADER_BREAKS(VX_LOG_BAD_COUNT, h.descriptor_count = UINT32_MAX);
    HEADER_BREAKS(VX_LOG_BAD_COUNT, h.descriptor_count = 0x08000000); /* times 32 is 0 in 32 bits */
    HEADER_BREAKS(VX_LOG_OTHER_GUID, guid.bytes[0] ^= 1);
    HEADER_BREAKS(VX_LOG_OFFSETS_UNALIGNED, h.flushed_file_offset = 4096);
    HEADER_BREAKS(VX_LOG_OFFSETS_UNALIGNED, h.last_file_offset = 4096);
    HEADER_BREAKS(VX_LOG_RESERVED_SET, h.reserved = 1);
}

Test(log_entry, limits_that_are_still_right)
{
    HEADER_BREAKS(0, h.entry_length = LOG_LENGTH);
    HEADER_BREAKS(0, h.tail = LOG_LENGTH - 4096);
    HEADER_BREAKS(0, h.descriptor_count = 126 + 128);
    HEADER_BREAKS(0, h.descriptor_count = 0);
    HEADER_BREAKS(0, h.flushed_file_offset = 0);
    HEADER_BREAKS(0, h.sequence_number = UINT64_MAX);
}

#define DESCRIPTOR_BREAKS(rule, change)                                                                                \
    do {                                                                                                               \
        struct vx_log_descriptor d = descriptor_of(DESCRIPTOR);                                                        \
        change;                                                                                                        \
        uint32_t broken = vx_log_descriptor_rules(&d, SEQUENCE);                                                       \
        cr_expect_eq(broken, (uint32_t)(rule), #rule ": %X", broken);                                                  \
    } while (0)

Test(log_entry, each_rule_of_a_descriptor_is_broken_alone)
{
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_OTHER_SEQUENCE, d.sequence_number++);
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_UNALIGNED, d.file_offset += 512);
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_UNALIGNED, d.length = 512);
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_OVERFLOW, d.file_offset = UINT64_MAX - 4095);
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_OVERFLOW, d.length = UINT64_MAX - 4095);
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_LOW_TARGET, d.file_offset = 0x2F000);
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_LOW_TARGET, d.file_offset = 0);
    DESCRIPTOR_BREAKS(VX_DESCRIPTOR_RESERVED_SET, d.reserved = 1);
    DESCRIPTOR_BREAKS(0, d.file_offset = 0x30000);
    DESCRIPTOR_BREAKS(0, d.file_offset = UINT64_MAX - 8191);
}

Test(log_entry, a_data_sector_must_carry_both_halves_of_the_sequence_number)
{
    uint8_t sector[VX_PAGE];
    hex_into(sector, sizeof sector, "64617461 3CCB6326");
    hex_into(sector + 4092, 4, "0C0A6331");
    cr_assert(vx_log_data_matches(sector, SEQUENCE));
    cr_assert_not(vx_log_data_matches(sector, SEQUENCE + 1));
    cr_assert_not(vx_log_data_matches(sector, SEQUENCE + (UINT64_C(1) << 32)));
    sector[0] ^= 1;
    cr_assert_not(vx_log_data_matches(sector, SEQUENCE));
}

Test(log_entry, descriptors_go_on_without_a_break_in_the_second_sector)
{
    cr_assert_eq(vx_log_descriptor_offset(0), 64);
    cr_assert_eq(vx_log_descriptor_offset(VX_LOG_FIRST_DESCRIPTORS), VX_PAGE);
    cr_assert_eq(vx_log_descriptor_offset(VX_LOG_FIRST_DESCRIPTORS + VX_LOG_MORE_DESCRIPTORS), 2 * VX_PAGE);
    cr_assert_eq(vx_log_descriptor_sectors(0), 1);
    cr_assert_eq(vx_log_descriptor_sectors(126), 1);
    cr_assert_eq(vx_log_descriptor_sectors(127), 2);
    cr_assert_eq(vx_log_descriptor_sectors(254), 2);
    cr_assert_eq(vx_log_descriptor_sectors(255), 3);
    cr_assert_eq(vx_log_descriptor_sectors(UINT32_MAX), 33554433);
    cr_assert_eq(vx_log_entry_size(253), 255 * VX_PAGE);
    cr_assert_eq(vx_log_entry_size(UINT32_MAX), (33554433 + (uint64_t)UINT32_MAX) * VX_PAGE);
}

/* Deterministic noise, different in every page */
static void fill(uint8_t *page, uint32_t seed)
{
    for (size_t i = 0; i < VX_PAGE; i++) {
        seed = seed * 1664525 + 1013904223;
        page[i] = (uint8_t)(seed >> 24);
    }
}

static void expect_pages_back(uint32_t count)
{
    uint8_t *content = malloc((size_t)count * VX_PAGE);
    struct vx_log_page *pages = malloc(count * sizeof *pages);
    size_t size = (size_t)vx_log_entry_size(count);
    uint8_t *entry = malloc(size);
    memset(entry, 0xEE, size);
    for (uint32_t i = 0; i < count; i++) {
        fill(content + (size_t)i * VX_PAGE, i);
        pages[i] = (struct vx_log_page){VX_MIB + (count - i) * VX_PAGE, content + (size_t)i * VX_PAGE};
    }
    struct vx_log_header header = header_of(WRITING), read;
    vx_log_entry_encode(&header, pages, count, entry);
    cr_assert_eq(vx_log_header_decode(vx_bytes_of(entry, size), &read), VHDX_OK);
    cr_assert_eq(read.entry_length, size);
    cr_assert_eq(read.descriptor_count, count);
    cr_assert_eq(read.checksum, vx_crc32c_without(entry, size, 4));
    cr_assert_eq(vx_log_header_rules(&read, (uint32_t)(64 * VX_MIB), &header.log_guid), 0);
    uint64_t end = vx_log_descriptor_offset(count), data = vx_log_descriptor_sectors(count) * VX_PAGE;
    cr_assert(vx_is_zero(entry + end, (size_t)(data - end)));
    for (uint32_t i = 0; i < count; i++) {
        struct vx_log_descriptor descriptor;
        uint8_t page[VX_PAGE];
        const uint8_t *sector = entry + data + (size_t)i * VX_PAGE;
        cr_assert_eq(vx_log_descriptor_decode(vx_bytes_of(entry + vx_log_descriptor_offset(i), 32), &descriptor),
                     VHDX_OK);
        cr_assert_eq(vx_log_descriptor_rules(&descriptor, SEQUENCE), 0);
        cr_assert_eq(descriptor.file_offset, pages[i].file_offset);
        cr_assert(vx_log_data_matches(sector, SEQUENCE));
        vx_log_data_restore(sector, &descriptor, page);
        cr_assert_arr_eq(page, pages[i].bytes, VX_PAGE);
    }
    free(entry);
    free(pages);
    free(content);
}

Test(log_entry, pages_come_back_around_the_ends_of_descriptor_sectors)
{
    const uint32_t counts[] = {1, 2, 125, 126, 127, 253, 254, 255, 400};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        expect_pages_back(counts[i]);
}

Test(log_entry, other_signatures_are_corrupt_and_too_few_bytes_truncated)
{
    uint8_t bytes[VX_LOG_HEADER_SIZE];
    struct vx_log_header header;
    struct vx_log_descriptor descriptor;
    hex_into(bytes, sizeof bytes, WRITING);
    cr_assert_eq(vx_log_header_decode(vx_bytes_of(bytes, 63), &header), VHDX_TRUNCATED);
    bytes[0] ^= 1;
    cr_assert_eq(vx_log_header_decode(vx_bytes_of(bytes, 64), &header), VHDX_CORRUPT);
    hex_into(bytes, sizeof bytes, DESCRIPTOR);
    cr_assert_eq(vx_log_descriptor_decode(vx_bytes_of(bytes, 31), &descriptor), VHDX_TRUNCATED);
    bytes[0] ^= 1;
    cr_assert_eq(vx_log_descriptor_decode(vx_bytes_of(bytes, 32), &descriptor), VHDX_CORRUPT);
}

/* Its entry has rubbish behind the descriptor, which counts for the checksum and for nothing else. */
Test(log_entry, an_entry_of_old_qemu_with_rubbish_behind_its_descriptor)
{
    static uint8_t entry[8192];
    uint8_t page[VX_PAGE];
    struct vx_log_header header;
    struct vx_log_descriptor descriptor;
    if (!sample_read("qemu-dirty-log-10G.vhdx", VX_MIB + 0xC000, entry, sizeof entry))
        cr_skip_test("VHDX_SAMPLES is not set");
    cr_assert_eq(vx_log_header_decode(vx_bytes_of(entry, sizeof entry), &header), VHDX_OK);
    cr_assert_eq(vx_log_header_rules(&header, LOG_LENGTH, NULL), 0);
    cr_assert_eq(header.tail, 0xC000);
    cr_assert_eq(header.checksum, vx_crc32c_without(entry, sizeof entry, 4));
    cr_assert_not(vx_is_zero(entry + 96, VX_PAGE - 96));
    cr_assert_eq(vx_log_descriptor_decode(vx_bytes_of(entry + 64, 32), &descriptor), VHDX_OK);
    cr_assert_eq(vx_log_descriptor_rules(&descriptor, 7), 0);
    cr_assert_eq(descriptor.file_offset, 0x200000);
    cr_assert(vx_log_data_matches(entry + 4096, 7));
    vx_log_data_restore(entry + 4096, &descriptor, page);
    cr_assert_eq(vx_get64(page + 17 * 8), (29 << 20) + 6); /* the entry that the log adds: block 17 at 29 MiB */
    cr_assert_eq(vx_crc32c(0, page, sizeof page), 0x719E7D6B);
}

/* Its newest entry writes the sector of the BAT for good. */
Test(log_entry, the_last_entry_of_a_windows_log)
{
    static uint8_t entry[8192];
    uint8_t page[VX_PAGE];
    struct vx_log_header header;
    struct vx_log_descriptor descriptor;
    if (!sample_read("windows10-dirty-log-1G.vhdx", VX_MIB + 0x7000, entry, sizeof entry))
        cr_skip_test("VHDX_SAMPLES is not set");
    cr_assert_eq(vx_log_header_decode(vx_bytes_of(entry, sizeof entry), &header), VHDX_OK);
    cr_assert_eq(vx_log_header_rules(&header, LOG_LENGTH, NULL), 0);
    cr_assert_eq(header.sequence_number, UINT64_C(80117443871106391));
    cr_assert_eq(header.tail, 0x5000);
    cr_assert_eq(header.checksum, vx_crc32c_without(entry, sizeof entry, 4));
    cr_assert_eq(vx_log_descriptor_decode(vx_bytes_of(entry + 64, 32), &descriptor), VHDX_OK);
    cr_assert(vx_log_data_matches(entry + 4096, header.sequence_number));
    vx_log_data_restore(entry + 4096, &descriptor, page);
    cr_assert_eq(vx_crc32c(0, page, sizeof page), 0xC64FF523);
}
