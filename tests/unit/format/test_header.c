/* Header: real ones, each rule, checksums. MS-VHDX 2.2.2 */
/* SPDX-License-Identifier: MIT */
#include "format/header.h"

#include "base/guid.h"
#include "hex.h"
#include "sample.h"

#include <criterion/criterion.h>
#include <string.h>

/* Windows 10: sequence 15, closed cleanly */
#define WINDOWS                                                                                                        \
    "68656164 6F68A6A2 0F00000000000000 386EFDAF576E64478CAA7218669AFFBA E19AE02894AB1548A155F143E2D00A3F "            \
    "00000000000000000000000000000000 0000 0100 00001000 0000100000000000"
/* QEMU 1.6: left open, with something in its log */
#define QEMU                                                                                                           \
    "68656164 3c6c5713 15f0963700000000 041a3b21934145f48f75f2c95cb0ef69 eeb2b15a642f402e8a9b0f0bcfdcd544 "            \
    "bc5527c87f424512b72cda70aaabe031 0000 0100 00001000 0000100000000000"

static struct vx_header decoded(const char *text)
{
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_header header;
    hex_into(bytes, sizeof bytes, text);
    cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_OK);
    return header;
}

static const char *text_of(const vhdx_guid *guid)
{
    static char text[VX_GUID_TEXT];
    vx_guid_format(guid, text);
    return text;
}

Test(header, every_field_of_a_real_one)
{
    struct vx_header header = decoded(WINDOWS);
    cr_assert_eq(header.sequence_number, 15);
    cr_assert_str_eq(text_of(&header.file_write_guid), "affd6e38-6e57-4764-8caa-7218669affba");
    cr_assert_str_eq(text_of(&header.data_write_guid), "28e09ae1-ab94-4815-a155-f143e2d00a3f");
    cr_assert(vx_guid_is_zero(&header.log_guid));
    cr_assert_eq(header.log_version, 0);
    cr_assert_eq(header.version, 1);
    cr_assert_eq(header.log_length, VX_MIB);
    cr_assert_eq(header.log_offset, VX_MIB);
    cr_assert_eq(header.checksum, 0xA2A6686F);
    cr_assert_eq(header.computed_checksum, 0xA2A6686F);
}

Test(header, real_ones_break_no_rule_also_with_a_log_to_replay)
{
    struct vx_header header = decoded(WINDOWS);
    cr_assert_eq(vx_header_rules(&header), 0);
    header = decoded(QEMU);
    cr_assert_eq(vx_header_rules(&header), 0);
    cr_assert_not(vx_guid_is_zero(&header.log_guid));
    cr_assert_eq(header.sequence_number, 0x3796F015);
}

Test(header, real_bytes_come_back_as_they_were)
{
    const char *texts[] = {WINDOWS, QEMU};
    for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[VX_HEADER_SIZE], back[VX_HEADER_SIZE];
        struct vx_header header = decoded(texts[i]);
        hex_into(bytes, sizeof bytes, texts[i]);
        header.checksum = 1; /* the encoder makes its own */
        header.computed_checksum = 2;
        vx_header_encode(&header, back);
        cr_assert_arr_eq(bytes, back, sizeof bytes);
    }
}

Test(header, another_sequence_number_is_another_checksum)
{
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_header header = decoded(WINDOWS);
    header.sequence_number = 14;
    vx_header_encode(&header, bytes);
    cr_assert_eq(vx_get32(bytes + 4), 0x205EF418);
}

Test(header, reserved_bytes_are_kept_and_told)
{
    uint8_t bytes[VX_HEADER_SIZE], back[VX_HEADER_SIZE];
    struct vx_header header;
    hex_into(bytes, sizeof bytes, WINDOWS);
    bytes[80] = 1;
    bytes[4095] = 2;
    cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_OK);
    cr_assert_eq(vx_header_rules(&header), VX_HEADER_RESERVED_SET | VX_HEADER_BAD_CHECKSUM);
    vx_header_encode(&header, back);
    cr_assert_eq(back[80], 1);
    cr_assert_eq(back[4095], 2);
    cr_assert_eq(vx_header_decode(vx_bytes_of(back, sizeof back), &header), VHDX_OK);
    cr_assert_eq(vx_header_rules(&header), VX_HEADER_RESERVED_SET);
}

#define BREAKS(rule, change)                                                                                           \
    do {                                                                                                               \
        struct vx_header h = decoded(WINDOWS);                                                                         \
        change;                                                                                                        \
        cr_expect_eq(vx_header_rules(&h), (uint32_t)(rule), #rule ": %X", vx_header_rules(&h));                        \
    } while (0)

Test(header, each_rule_is_broken_alone)
{
    BREAKS(0, (void)h);
    BREAKS(VX_HEADER_BAD_CHECKSUM, h.checksum ^= 1);
    BREAKS(VX_HEADER_BAD_VERSION, h.version = 0);
    BREAKS(VX_HEADER_BAD_VERSION, h.version = 2);
    BREAKS(VX_HEADER_BAD_LOG_VERSION, h.log_version = 1);
    BREAKS(VX_HEADER_LOG_LENGTH_UNALIGNED, h.log_length += 4096);
    BREAKS(VX_HEADER_LOG_OFFSET_UNALIGNED, h.log_offset += 4096);
    BREAKS(VX_HEADER_LOG_OFFSET_LOW, h.log_offset = 0);
    BREAKS(VX_HEADER_LOG_OVERFLOW, h.log_offset = UINT64_MAX - VX_MIB + 1);
    BREAKS(VX_HEADER_LOG_GUID_WITHOUT_LOG, (h.log_length = 0, h.log_guid.bytes[15] = 1));
    BREAKS(VX_HEADER_SEQUENCE_EXHAUSTED, h.sequence_number = UINT64_MAX);
    BREAKS(VX_HEADER_FILE_WRITE_GUID_ZERO, memset(&h.file_write_guid, 0, 16));
    BREAKS(VX_HEADER_DATA_WRITE_GUID_ZERO, memset(&h.data_write_guid, 0, 16));
    BREAKS(VX_HEADER_RESERVED_SET, h.reserved[4015] = 1);
}

Test(header, what_looks_wrong_but_is_right)
{
    BREAKS(0, h.log_length = 0); /* no log at all */
    BREAKS(0, (h.log_length = 0, h.log_offset = 0));
    BREAKS(0, h.log_length = (uint32_t)(4095 * VX_MIB));   /* the longest there can be */
    BREAKS(0, h.log_offset = UINT64_MAX - 2 * VX_MIB + 1); /* ends at the last MiB */
    BREAKS(0, h.sequence_number = UINT64_MAX - 1);
    BREAKS(0, h.sequence_number = 0);
}

Test(header, any_flipped_bit_outside_of_the_signature_breaks_the_checksum)
{
    uint8_t bytes[VX_HEADER_SIZE];
    hex_into(bytes, sizeof bytes, WINDOWS);
    for (size_t bit = 32; bit < VX_HEADER_SIZE * 8; bit += bit < 640 ? 1 : 331) {
        struct vx_header header;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_OK);
        cr_assert(vx_header_rules(&header) & VX_HEADER_BAD_CHECKSUM, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(header, no_signature_is_corrupt_and_too_few_bytes_truncated)
{
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_header header;
    hex_into(bytes, sizeof bytes, WINDOWS);
    cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, VX_HEADER_SIZE - 1), &header), VHDX_TRUNCATED);
    cr_assert_eq(vx_header_decode(vx_bytes_of(NULL, 0), &header), VHDX_TRUNCATED);
    bytes[3] = 'D';
    cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_CORRUPT);
    memset(bytes, 0, sizeof bytes);
    cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_CORRUPT);
}

Test(header, samples_break_no_rule)
{
    const char *files[] = {"windows10-dynamic-10M.vhdx",    "windows10-fixed-10M.vhdx", "windows2016-swap-10G.vhdx",
                           "windows10-dirty-log-1G.vhdx",   "qemu-dirty-log-10G.vhdx",  "hyperv2012-dynamic-1G.vhdx",
                           "hyperv2019-checkpoint-8G.avhdx"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (int copy = 0; copy < 2; copy++) {
            uint8_t bytes[VX_HEADER_SIZE], back[VX_HEADER_SIZE];
            struct vx_header header;
            if (!sample_read(files[i], copy ? VX_HEADER2_OFFSET : VX_HEADER1_OFFSET, bytes, sizeof bytes))
                cr_skip_test("VHDX_SAMPLES is not set");
            cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_OK);
            cr_assert_eq(vx_header_rules(&header), 0, "%s, copy %d", files[i], copy);
            vx_header_encode(&header, back);
            cr_assert_arr_eq(bytes, back, sizeof bytes);
        }
    }
}
