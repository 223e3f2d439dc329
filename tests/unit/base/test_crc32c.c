/* CRC-32C: published vectors, the table against its definition, the instruction against the table. */
/* SPDX-License-Identifier: MIT */
#include "base/crc32c.h"
#include "base/crc32c_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect(const void *data, size_t size, uint32_t crc)
{
    cr_expect_eq(vx_crc32c(0, data, size), crc, "%08X", vx_crc32c(0, data, size));
    cr_expect_eq(vx_crc32c_table(0, data, size), crc, "table: %08X", vx_crc32c_table(0, data, size));
}

Test(crc32c, short_texts)
{
    expect("", 0, 0);
    expect("a", 1, 0xC1D04330);
    expect("123456789", 9, 0xE3069283);
    expect("vhdxfile", 8, 0xFE8155FC);
}

Test(crc32c, vectors_of_rfc_3720)
{
    uint8_t data[32];
    memset(data, 0, 32);
    expect(data, 32, 0x8A9136AA);
    memset(data, 0xFF, 32);
    expect(data, 32, 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    expect(data, 32, 0x46DD794E);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)(31 - i);
    expect(data, 32, 0x113FDB5C);
}

Test(crc32c, structures_of_the_format_full_of_one_byte)
{
    uint8_t *data = calloc(1, 1 << 20);
    expect(data, 4096, 0x98F94189);
    expect(data, 65536, 0x72C0C4A4);
    expect(data, 1 << 20, 0x14298C12);
    memcpy(data, "head", 4);
    expect(data, 4096, 0xFC414EBC);
    memset(data, 0xFF, 4096);
    expect(data, 4096, 0x25C1FE13);
    free(data);
}

/* One bit at a time, as the definition has it. */
static uint32_t slow_byte(uint32_t value)
{
    for (int bit = 0; bit < 8; bit++)
        value = value >> 1 ^ (value & 1 ? 0x82F63B78 : 0);
    return value;
}

Test(crc32c, the_table_is_what_its_definition_says)
{
    for (uint32_t b = 0; b < 256; b++) {
        cr_assert_eq(crc32c_table[0][b], slow_byte(b));
        for (int k = 0; k + 1 < 8; k++)
            cr_assert_eq(crc32c_table[k + 1][b], slow_byte(crc32c_table[k][b] & 255) ^ crc32c_table[k][b] >> 8);
    }
}

static void fill(uint8_t *data, size_t size)
{
    uint32_t state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (uint8_t)(state >> 24);
    }
}

Test(crc32c, instruction_and_table_agree_for_every_length_and_alignment)
{
    static uint8_t data[4200];
    fill(data, sizeof data);
    for (size_t start = 0; start < 9; start++)
        for (size_t size = 0; size + start <= sizeof data; size += size < 300 || size > 4070 ? 1 : 61)
            cr_assert_eq(vx_crc32c(0, data + start, size), vx_crc32c_table(0, data + start, size), "%zu at %zu", size,
                         start);
}

Test(crc32c, instruction_and_table_agree_over_many_pieces)
{
    static uint8_t data[100000];
    fill(data, sizeof data);
    cr_assert_eq(vx_crc32c(0x12345678, data, sizeof data), vx_crc32c_table(0x12345678, data, sizeof data));
}

Test(crc32c, may_be_continued_at_any_point)
{
    static uint8_t data[9000];
    fill(data, sizeof data);
    uint32_t whole = vx_crc32c(0, data, sizeof data);
    for (size_t cut = 0; cut <= sizeof data; cut += 97)
        cr_assert_eq(vx_crc32c(vx_crc32c(0, data, cut), data + cut, sizeof data - cut), whole, "cut at %zu", cut);
}

Test(crc32c, a_field_can_be_taken_as_zeros_wherever_it_is)
{
    uint8_t data[64], blank[64];
    fill(data, sizeof data);
    for (size_t field = 0; field + 4 <= sizeof data; field++) {
        memcpy(blank, data, sizeof data);
        memset(blank + field, 0, 4);
        cr_assert_eq(vx_crc32c_without(data, sizeof data, field), vx_crc32c(0, blank, sizeof blank), "field %zu",
                     field);
    }
}
