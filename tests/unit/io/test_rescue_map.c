/*
 * ddrescue's map: what that program writes is read as it means it, what is no map is refused with its line.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "io/rescue_map.h"

/* As GNU ddrescue 1.27 writes it. */
static const char usual[] = "# Mapfile. Created by GNU ddrescue version 1.27\n"
                            "# Command line: ddrescue /dev/sdb1 disk.vhdx map\n"
                            "# Start time:   2024-05-04 12:00:00\n"
                            "# current_pos  current_status  current_pass\n"
                            "0x00120000     ?               1\n"
                            "#      pos        size  status\n"
                            "0x00000000  0x00117000  +\n"
                            "0x00117000  0x00000200  -\n"
                            "0x00117200  0x00000E00  /\n"
                            "0x00118000  0x00008000  +\n"
                            "0x00120000  0x00010000  ?\n"
                            "0x00130000  0x00010000  +\n";

static vhdx_status parse(const char *text, struct vx_rescue_map *map, size_t *bad_line)
{
    return vx_rescue_map_parse(vx_bytes_of(text, strlen(text)), map, bad_line);
}

static void must_parse(const char *text, struct vx_rescue_map *map)
{
    size_t line;
    cr_assert_eq(parse(text, map, &line), VHDX_OK, "line %zu", line);
}

static void refused_at(const char *text, size_t expected)
{
    struct vx_rescue_map map;
    size_t line = 99;
    cr_assert_eq(parse(text, &map, &line), VHDX_CORRUPT, "%s", text);
    cr_assert_eq(line, expected, "line %zu, not %zu, of: %s", line, expected, text);
    cr_assert(!map.ranges && map.count == 0);
}

static void next_bad(const struct vx_rescue_map *map, uint64_t from, uint64_t end, uint64_t offset, uint64_t length)
{
    uint64_t bad = 1, bad_length = 1;
    cr_assert(vx_rescue_map_next_bad(map, from, end, &bad, &bad_length), "from %llx", (unsigned long long)from);
    cr_assert_eq(bad, offset, "from %llx: %llx", (unsigned long long)from, (unsigned long long)bad);
    cr_assert_eq(bad_length, length, "from %llx: %llx", (unsigned long long)from, (unsigned long long)bad_length);
}

static void all_good(const struct vx_rescue_map *map, uint64_t from, uint64_t end)
{
    uint64_t bad, length;
    cr_assert(!vx_rescue_map_next_bad(map, from, end, &bad, &length));
}

Test(rescue_map, reads_what_ddrescue_writes)
{
    struct vx_rescue_map map;
    must_parse(usual, &map);
    cr_assert_eq(map.count, 6);
    cr_assert_eq(map.ranges[1].offset, 0x117000);
    cr_assert_eq(map.ranges[1].length, 0x200);
    cr_assert_eq(map.ranges[1].status, '-');
    cr_assert_eq(map.ranges[4].status, '?');
    vx_rescue_map_clear(&map);
}

Test(rescue_map, finds_bad_ranges_of_all_kinds_together)
{
    struct vx_rescue_map map;
    must_parse(usual, &map);
    next_bad(&map, 0, 0x140000, 0x117000, 0x1000);
    next_bad(&map, 0x117100, 0x117300, 0x117100, 0x200);
    next_bad(&map, 0x118000, 0x140000, 0x120000, 0x10000);
    all_good(&map, 0, 0x117000);
    all_good(&map, 0x118000, 0x120000);
    all_good(&map, 0x130000, 0x140000);
    all_good(&map, 0x117000, 0x117000);
    vx_rescue_map_clear(&map);
}

Test(rescue_map, nothing_is_known_behind_the_last_range)
{
    struct vx_rescue_map map;
    must_parse(usual, &map);
    next_bad(&map, 0x130000, 0x150000, 0x140000, 0x10000);
    next_bad(&map, 0x200000, 0x200010, 0x200000, 0x10);
    vx_rescue_map_clear(&map);
    must_parse("0 +\n0 16 -\n", &map);
    next_bad(&map, 4, 100, 4, 96);
    vx_rescue_map_clear(&map);
}

Test(rescue_map, nobody_has_tried_what_lies_before_the_first_range)
{
    struct vx_rescue_map map;
    must_parse("0x0 +\n0x1000 0x1000 +\n", &map);
    next_bad(&map, 0, 0x2000, 0, 0x1000);
    vx_rescue_map_clear(&map);
}

Test(rescue_map, a_map_without_ranges_knows_of_nothing_bad)
{
    const struct vx_rescue_map map = {0};
    all_good(&map, 0, UINT64_MAX);
}

Test(rescue_map, numbers_may_be_hexadecimal_decimal_and_octal)
{
    struct vx_rescue_map map;
    must_parse("0\t+\r\n0 0x10 +\r\n16 020 -\r\n\r\n32 1 +", &map);
    cr_assert_eq(map.count, 3);
    cr_assert_eq(map.ranges[1].length, 16);
    cr_assert_eq(map.ranges[2].offset, 32);
    vx_rescue_map_clear(&map);
}

Test(rescue_map, refuses_other_text_with_its_line)
{
    refused_at("", 0);
    refused_at("# only comments\n", 0);
    refused_at("0x0 +\n", 0);
    refused_at("hello\n", 1);
    refused_at("0x0 X\n", 1);
    refused_at("0x0 + 1 2\n", 1);
    refused_at("0x0 +\n0 10 +\n11 10 +\n", 3); /* a gap */
    refused_at("0x0 +\n0 10 +\n9 10 -\n", 3);  /* an overlap */
    refused_at("0x0 +\n0 10\n", 2);            /* no status */
    refused_at("0x0 +\n0 10 F\n", 2);          /* a state that ranges do not have */
    refused_at("0x0 +\n0 10 ++\n", 2);
    refused_at("0x0 +\n0 10 + 1\n", 2);
    refused_at("0x0 +\n0 0 +\n", 2);
    refused_at("0x0 +\n0 0x +\n", 2);
    refused_at("0x0 +\n0 08 +\n", 2);
    refused_at("0x0 +\n0 -1 +\n", 2);
    refused_at("0x0 +\n0x10 0xFFFFFFFFFFFFFFFF +\n", 2); /* wraps around */
    refused_at("0x0 +\n0 0x1FFFFFFFFFFFFFFFF +\n", 2);   /* more than 64 bits */
}

Test(rescue_map, joins_equal_neighbours)
{
    struct vx_rescue_map map = {0};
    cr_assert_eq(vx_rescue_map_append(&map, 10, '+'), VHDX_OK);
    cr_assert_eq(vx_rescue_map_append(&map, 0, '-'), VHDX_OK);
    cr_assert_eq(vx_rescue_map_append(&map, 5, '+'), VHDX_OK);
    cr_assert_eq(vx_rescue_map_append(&map, 5, '-'), VHDX_OK);
    cr_assert_eq(vx_rescue_map_append(&map, UINT64_MAX, '+'), VHDX_LIMIT);
    cr_assert_eq(map.count, 2);
    cr_assert_eq(map.ranges[0].length, 15);
    vx_rescue_map_clear(&map);
}

Test(rescue_map, what_is_written_reads_back)
{
    char text[1024];
    size_t length = vx_rescue_map_begin_text("of a disk", text, sizeof text);
    const struct vx_rescue_range ranges[] = {
        {0, 512, '+'}, {512, UINT64_C(1) << 45, '*'}, {(UINT64_C(1) << 45) + 512, 1, '?'}};
    for (size_t i = 0; i < 3; i++)
        length += vx_rescue_map_range_text(&ranges[i], text + length);
    struct vx_rescue_map map;
    must_parse(text, &map);
    cr_assert_eq(map.count, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(map.ranges[i].offset, ranges[i].offset);
        cr_assert_eq(map.ranges[i].length, ranges[i].length);
        cr_assert_eq(map.ranges[i].status, ranges[i].status);
    }
    cr_assert(strstr(text, "0x00000000  0x00000200  +\n"));
    vx_rescue_map_clear(&map);
}

Test(rescue_map, leaves_the_answer_alone_when_there_is_none)
{
    struct vx_rescue_map map;
    uint64_t bad = 7, length = 7;
    must_parse(usual, &map);
    cr_assert(!vx_rescue_map_next_bad(&map, 0, 0x1000, &bad, &length));
    cr_assert_eq(bad, 7);
    cr_assert_eq(length, 7);
    vx_rescue_map_clear(&map);
}
