/*
 * The codecs of the HyperVStorage container: header, object tables, key tables, replay log. Bytes of real files stand
 * here as text; the rest is made by hand.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs_header.h"
#include "config/hvs_keys.h"
#include "config/hvs_log.h"
#include "config/hvs_objects.h"
#include "config/key_tree.h"
#include "sample.h"
#include "vmcx.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint8_t bytes[4096];

static struct vx_bytes all(size_t size)
{
    return vx_bytes_of(bytes, size);
}

/* ---- header ---- */

static struct vx_hvs_header header_of(uint16_t sequence)
{
    struct vx_hvs_header h;
    memset(bytes, 0, VX_HVS_HEADER_SIZE);
    vx_put32(bytes, VX_HVS_SIGNATURE);
    vx_put16(bytes + 8, sequence);
    vx_put32(bytes + 10, VX_HVS_VERSION);
    vx_put32(bytes + 22, 4096);
    vmcx_mend(bytes, 0, VX_HVS_HEADER_SIZE, 4);
    cr_assert_eq(vx_hvs_header_decode(all(VX_HVS_HEADER_SIZE), &h), VHDX_OK);
    return h;
}

Test(hvs, header_too_short_is_corrupt)
{
    struct vx_hvs_header h;
    cr_assert_eq(vx_hvs_header_decode(all(VX_HVS_HEADER_SIZE - 1), &h), VHDX_CORRUPT);
}

Test(hvs, each_rule_of_the_header)
{
    struct vx_hvs_header h = header_of(1);
    cr_assert_eq(vx_hvs_header_rules(&h), 0);
    h.signature++;
    cr_assert_eq(vx_hvs_header_rules(&h), VX_HVS_HEADER_BAD_SIGNATURE);
    h = header_of(1);
    h.checksum++;
    cr_assert_eq(vx_hvs_header_rules(&h), VX_HVS_HEADER_BAD_CHECKSUM);
    h = header_of(1);
    h.version = 0x0301;
    cr_assert_eq(vx_hvs_header_rules(&h), VX_HVS_HEADER_BAD_VERSION);
    cr_assert(vx_hvs_header_valid(&h));
    const uint32_t alignments[] = {0, 0x800, 0x1001, 0x20000, 0xFFFFFFFF};
    for (size_t i = 0; i < 5; i++) {
        h = header_of(1);
        h.alignment = alignments[i];
        cr_assert_eq(vx_hvs_header_rules(&h), VX_HVS_HEADER_BAD_ALIGNMENT, "%x", alignments[i]);
    }
    h.alignment = 0x10000;
    cr_assert_eq(vx_hvs_header_rules(&h), 0);
}

Test(hvs, checksum_covers_every_byte_of_the_header)
{
    struct vx_hvs_header h;
    for (size_t i = 0; i < VX_HVS_HEADER_SIZE; i++) {
        header_of(9);
        bytes[i] ^= 0x40;
        vx_hvs_header_decode(all(VX_HVS_HEADER_SIZE), &h);
        cr_assert_not(vx_hvs_header_valid(&h), "byte %zu", i);
    }
}

static int choose(uint16_t a, uint16_t b, bool *tie)
{
    const struct vx_hvs_header copies[2] = {header_of(a), header_of(b)};
    return vx_hvs_header_choose(copies, tie);
}

Test(hvs, newer_header_wins_also_when_the_number_wraps_around)
{
    bool tie;
    cr_assert_eq(choose(25, 24, &tie), 0);
    cr_assert_eq(choose(24, 25, &tie), 1);
    cr_assert_eq(choose(0xFFFF, 0, &tie), 1);
    cr_assert_eq(choose(0, 0xFFFF, &tie), 0);
    cr_assert_not(tie);
    cr_assert_eq(choose(7, 7, &tie), 0);
    cr_assert(tie);
}

Test(hvs, only_valid_header_is_chosen)
{
    bool tie;
    struct vx_hvs_header copies[2] = {header_of(9), header_of(3)};
    copies[0].checksum++;
    cr_assert_eq(vx_hvs_header_choose(copies, &tie), 1);
    cr_assert_not(tie);
    copies[1].signature++;
    cr_assert_eq(vx_hvs_header_choose(copies, &tie), -1);
}

/* ---- objects ---- */

Test(hvs, object_table_needs_its_signature)
{
    uint32_t count;
    vx_put32(bytes, VX_HVS_OBJECTS_SIGNATURE);
    vx_put32(bytes + 4, 227);
    cr_assert_eq(vx_hvs_objects_decode(all(8), &count), VHDX_OK);
    cr_assert_eq(count, 227);
    cr_assert_eq(vx_hvs_objects_decode(all(7), &count), VHDX_CORRUPT);
    bytes[0]++;
    cr_assert_eq(vx_hvs_objects_decode(all(8), &count), VHDX_CORRUPT);
}

Test(hvs, rules_of_an_object)
{
    struct vx_hvs_object o;
    memset(bytes, 0, VX_HVS_OBJECT_SIZE);
    bytes[0] = VX_HVS_OBJECT_KEYS;
    vx_put64(bytes + 5, 0x3000);
    vx_put32(bytes + 13, 0x1000);
    bytes[17] = 1;
    vmcx_mend(bytes, 0, VX_HVS_OBJECT_SIZE, 1);
    cr_assert_eq(vx_hvs_object_decode(all(VX_HVS_OBJECT_SIZE), &o), VHDX_OK);
    cr_assert_eq(vx_hvs_object_rules(&o), 0);
    cr_assert_eq(o.offset, 0x3000);
    cr_assert_eq(o.size, 0x1000);
    cr_assert_eq(o.flags, 1);
    o.type = 8;
    cr_assert_eq(vx_hvs_object_rules(&o), VX_HVS_OBJECT_BAD_TYPE);
    bytes[14]++;
    vx_hvs_object_decode(all(VX_HVS_OBJECT_SIZE), &o);
    cr_assert_eq(vx_hvs_object_rules(&o), VX_HVS_OBJECT_BAD_CHECKSUM);
    cr_assert_eq(vx_hvs_object_decode(all(VX_HVS_OBJECT_SIZE - 1), &o), VHDX_CORRUPT);
}

/* ---- keys ---- */

Test(hvs, rules_of_a_key_table)
{
    struct vx_hvs_keys k;
    vx_put16(bytes, 2);
    vx_put16(bytes + 2, 1);
    vx_put16(bytes + 4, 12);
    vmcx_mend(bytes, 0, 10, 6);
    cr_assert_eq(vx_hvs_keys_decode(all(10), &k), VHDX_OK);
    cr_assert_eq(vx_hvs_keys_rules(&k), 0);
    cr_assert_eq(k.sequence, 12);
    k.index = 0;
    cr_assert_eq(vx_hvs_keys_rules(&k), VX_HVS_KEYS_BAD_INDEX);
    k.index = 1;
    k.signature = 3;
    cr_assert_eq(vx_hvs_keys_rules(&k), VX_HVS_KEYS_BAD_SIGNATURE);
    bytes[4]++;
    vx_hvs_keys_decode(all(10), &k);
    cr_assert_eq(vx_hvs_keys_rules(&k), VX_HVS_KEYS_BAD_CHECKSUM);
    cr_assert_eq(vx_hvs_keys_decode(all(9), &k), VHDX_CORRUPT);
}

/* One entry at the beginning of `bytes`: a string "type" = "VHD" with slack behind it. */
static size_t put_string(size_t slack)
{
    const uint8_t head[] = {6, 2, 0, 0,   0,   0,   1,   0, 10, 0, 0, 0, 0,   0, 0,   0, 4,   0,
                            0, 0, 5, 't', 'y', 'p', 'e', 0, 6,  0, 0, 0, 'V', 0, 'H', 0, 'D', 0};
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, head, sizeof head);
    vx_put32(bytes + 2, (uint32_t)(sizeof head + slack));
    memset(bytes + sizeof head, 'E', slack);
    vmcx_mend(bytes, 0, sizeof head, 12);
    return sizeof head + slack;
}

Test(hvs, slack_belongs_to_no_value_and_to_no_checksum)
{
    struct vx_hvs_entry e;
    size_t size = put_string(12);
    cr_assert_eq(vx_hvs_entry_decode(all(sizeof bytes), 0, &e), VHDX_OK);
    cr_assert_eq(vx_hvs_entry_rules(&e), 0);
    cr_assert_eq(e.size, size);
    cr_assert_eq(e.value.size, 6);
    cr_assert_eq(e.slack.size, 12);
    cr_assert_eq(e.name.size, 4);
    cr_assert_eq(memcmp(e.name.data, "type", 4), 0);
    cr_assert_eq(e.parent_table, 1);
    cr_assert_eq(e.parent_offset, 10);
    cr_assert_eq(e.order, 4);
    cr_assert_eq(e.flags, VX_HVS_ENTRY_IDENTIFYING);
    for (size_t i = 0; i < size - 12; i++) {
        bytes[i] ^= 1;
        bool found = vx_hvs_entry_decode(all(sizeof bytes), 0, &e) == VHDX_OK;
        cr_assert(!found || vx_hvs_entry_rules(&e) != 0, "byte %zu", i);
        bytes[i] ^= 1;
    }
}

Test(hvs, size_of_an_entry_that_makes_no_sense_ends_the_table)
{
    struct vx_hvs_entry e;
    const uint32_t sizes[] = {0, 20, 4097, 0xFFFFFFFF};
    for (size_t i = 0; i < 4; i++) {
        put_string(0);
        vx_put32(bytes + 2, sizes[i]);
        cr_assert_eq(vx_hvs_entry_decode(all(sizeof bytes), 0, &e), VHDX_CORRUPT, "%u", sizes[i]);
    }
    cr_assert_eq(vx_hvs_entry_decode(all(5), 0, &e), VHDX_CORRUPT);
    cr_assert_eq(vx_hvs_entry_decode(all(sizeof bytes), sizeof bytes + 1, &e), VHDX_CORRUPT);
}

Test(hvs, value_longer_than_its_entry_is_misshapen)
{
    struct vx_hvs_entry e;
    put_string(0);
    vx_put32(bytes + 26, 7);
    cr_assert_eq(vx_hvs_entry_decode(all(sizeof bytes), 0, &e), VHDX_OK);
    cr_assert(vx_hvs_entry_rules(&e) & VX_HVS_ENTRY_BAD_SHAPE);
    cr_assert_eq(e.value.size, 0);
}

Test(hvs, name_without_end_is_misshapen)
{
    struct vx_hvs_entry e;
    const uint8_t lengths[] = {0, 4, 255};
    for (size_t i = 0; i < 3; i++) {
        put_string(0);
        bytes[20] = lengths[i];
        cr_assert_eq(vx_hvs_entry_decode(all(sizeof bytes), 0, &e), VHDX_OK);
        cr_assert(vx_hvs_entry_rules(&e) & VX_HVS_ENTRY_BAD_SHAPE, "%u", lengths[i]);
    }
}

Test(hvs, free_entry_breaks_no_rule_whatever_is_in_it)
{
    struct vx_hvs_entry e;
    memset(bytes, 0xFD, 64);
    bytes[0] = VX_HVS_ENTRY_FREE;
    vx_put32(bytes + 2, 64);
    cr_assert_eq(vx_hvs_entry_decode(all(64), 0, &e), VHDX_OK);
    cr_assert_eq(vx_hvs_entry_rules(&e), 0);
    cr_assert_eq(e.slack.size, 58);
    vx_put32(bytes + 2, 6);
    cr_assert_eq(vx_hvs_entry_decode(all(6), 0, &e), VHDX_OK);
}

Test(hvs, value_in_a_file_object_is_a_place)
{
    struct vx_hvs_entry e;
    put_string(20);
    bytes[1] = VX_HVS_ENTRY_IN_FILE;
    vx_put32(bytes + 26, 2048);
    vx_put64(bytes + 30, 0x123456789000);
    cr_assert_eq(vx_hvs_entry_decode(all(sizeof bytes), 0, &e), VHDX_OK);
    cr_assert_eq(e.object_size, 2048);
    cr_assert_eq(e.object_offset, 0x123456789000);
    cr_assert_eq(e.value.size, 0);
}

Test(hvs, unknown_type_is_said_to_be_one)
{
    struct vx_hvs_entry e;
    const uint8_t types[] = {0, 2, 10, 255};
    for (size_t i = 0; i < 4; i++) {
        put_string(0);
        bytes[0] = types[i];
        cr_assert_eq(vx_hvs_entry_decode(all(sizeof bytes), 0, &e), VHDX_OK);
        cr_assert(vx_hvs_entry_rules(&e) & VX_HVS_ENTRY_BAD_TYPE, "%u", types[i]);
    }
}

/* ---- log ---- */

Test(hvs, rules_of_the_log)
{
    struct vx_hvs_log log;
    memset(bytes, 0, VX_HVS_LOG_HEADER_SIZE);
    vx_put32(bytes, VX_HVS_LOG_SIGNATURE);
    vx_put32(bytes + 8, 9);
    vx_put32(bytes + 13, 145);
    vmcx_mend(bytes, 0, VX_HVS_LOG_HEADER_SIZE, 4);
    cr_assert_eq(vx_hvs_log_decode(all(VX_HVS_LOG_HEADER_SIZE), &log), VHDX_OK);
    cr_assert_eq(vx_hvs_log_rules(&log), 0);
    cr_assert_eq(log.count, 9);
    cr_assert_eq(log.max_count, 145);
    log.count = 146;
    cr_assert_eq(vx_hvs_log_rules(&log), VX_HVS_LOG_BAD_COUNT);
    log.count = log.max_count = 0;
    cr_assert_eq(vx_hvs_log_rules(&log), VX_HVS_LOG_BAD_COUNT);
    log.max_count = 1;
    log.signature = 0;
    cr_assert_eq(vx_hvs_log_rules(&log), VX_HVS_LOG_BAD_SIGNATURE);
    bytes[20]++;
    vx_hvs_log_decode(all(VX_HVS_LOG_HEADER_SIZE), &log);
    cr_assert_eq(vx_hvs_log_rules(&log), VX_HVS_LOG_BAD_CHECKSUM);
    cr_assert_eq(vx_hvs_log_decode(all(VX_HVS_LOG_HEADER_SIZE - 1), &log), VHDX_CORRUPT);
}

/* A real file keeps the entries of its last transaction, with payloads: 9 in the configuration, 3 in the runtime
 * state. */
static void check_old_entries(const char *name, uint64_t log, size_t count, size_t payloads_end)
{
    uint8_t *area = malloc(payloads_end);
    cr_assert(area);
    cr_assert(sample_read(name, log, area, payloads_end));
    for (size_t i = 0; i < count; i++) {
        struct vx_hvs_log_entry e;
        cr_assert_eq(
            vx_hvs_log_entry_decode(
                vx_bytes_of(area + VX_HVS_LOG_HEADER_SIZE + i * VX_HVS_LOG_ENTRY_SIZE, VX_HVS_LOG_ENTRY_SIZE), &e),
            VHDX_OK);
        cr_assert_eq(e.checksum, e.actual_checksum, "entry %zu", i);
        cr_assert(e.payload >= 0x1000 && e.payload <= payloads_end && e.length <= payloads_end - e.payload);
        cr_assert_eq(e.payload_checksum, crc32(0, area + e.payload, e.length), "payload %zu", i);
    }
    free(area);
}

Test(hvs, old_log_entries_of_real_files_have_right_checksums)
{
    uint8_t byte;
    if (!sample_read("hyperv-vm.vmcx", 0, &byte, 1))
        cr_skip_test("VHDX_SAMPLES does not have the configuration");
    check_old_entries("hyperv-vm.vmcx", 0xA000, 9, 0x9000);
    check_old_entries("hyperv-vm.vmrs", 0x8000, 3, 0x3024);
}
