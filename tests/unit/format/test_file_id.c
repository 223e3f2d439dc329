/* File type identifier: signature, creator. MS-VHDX 2.2.1 */
/* SPDX-License-Identifier: MIT */
#include "format/file_id.h"

#include "hex.h"
#include "sample.h"

#include <criterion/criterion.h>
#include <string.h>

/* As Windows 8 and QEMU 1.6 wrote it */
#define WINDOWS                                                                                                        \
    "7668647866696c65 4d006900630072006f0073006f0066007400 2000570069006e0064006f00770073002000"                       \
    "36002e0032002e0039003200300030002e0031003600330038003400"
#define QEMU "7668647866696c65 510045004d0055002000760031002e0036002e0035003000"

static const char *creator_of(const char *text)
{
    static struct vx_file_id id;
    uint8_t bytes[VX_FILE_ID_SIZE];
    hex_into(bytes, sizeof bytes, text);
    cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &id), VHDX_OK);
    return id.creator;
}

Test(file_id, creators_of_real_files)
{
    cr_assert_str_eq(creator_of(WINDOWS), "Microsoft Windows 6.2.9200.16384");
    cr_assert_str_eq(creator_of(QEMU), "QEMU v1.6.50");
    cr_assert_str_eq(creator_of("7668647866696c65"), "");
}

Test(file_id, real_bytes_come_back_as_they_were)
{
    const char *texts[] = {WINDOWS, QEMU, "7668647866696c65"};
    for (size_t i = 0; i < 3; i++) {
        struct vx_file_id id;
        uint8_t bytes[VX_FILE_ID_SIZE], back[VX_FILE_ID_SIZE];
        hex_into(bytes, sizeof bytes, texts[i]);
        cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &id), VHDX_OK);
        vx_file_id_encode(&id, back);
        cr_assert_arr_eq(bytes, back, sizeof bytes);
    }
}

Test(file_id, a_creator_may_fill_the_whole_field_without_nul)
{
    struct vx_file_id id;
    uint8_t bytes[VX_FILE_ID_SIZE], back[VX_FILE_ID_SIZE];
    memset(bytes, 0x30, sizeof bytes);
    vx_put64(bytes, VX_SIG_FILE);
    cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &id), VHDX_OK);
    cr_assert_eq(strlen(id.creator), 256 * 3);
    vx_file_id_encode(&id, back);
    cr_assert_arr_eq(bytes, back, sizeof bytes);
}

Test(file_id, every_flipped_bit_of_the_signature_is_noticed)
{
    uint8_t bytes[VX_FILE_ID_SIZE];
    struct vx_file_id id;
    hex_into(bytes, sizeof bytes, WINDOWS);
    for (int bit = 0; bit < 64; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &id), VHDX_NOT_VHDX);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(file_id, too_few_bytes_are_truncated_whatever_they_are)
{
    uint8_t bytes[VX_FILE_ID_SIZE] = {0};
    struct vx_file_id id;
    cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, VX_FILE_ID_SIZE - 1), &id), VHDX_TRUNCATED);
    cr_assert_eq(vx_file_id_decode(vx_bytes_of(NULL, 0), &id), VHDX_TRUNCATED);
}

Test(file_id, a_creator_too_long_is_cut_between_characters)
{
    struct vx_file_id id = {0}, back;
    uint8_t bytes[VX_FILE_ID_SIZE];
    memset(id.creator, 'a', 255);
    memcpy(id.creator + 255,
           "\xF0\x9F\x92\xBE"
           "b",
           6); /* a pair of units, the first of them the 256th */
    vx_file_id_encode(&id, bytes);
    cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &back), VHDX_OK);
    cr_assert_eq(strlen(back.creator), 255);
    memset(id.creator, 'a', 300);
    id.creator[300] = '\0';
    vx_file_id_encode(&id, bytes);
    cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &back), VHDX_OK);
    cr_assert_eq(strlen(back.creator), 256);
}

Test(file_id, a_creator_that_is_no_text_is_left_out)
{
    struct vx_file_id id = {"bad \xFF"};
    uint8_t bytes[VX_FILE_ID_SIZE];
    vx_file_id_encode(&id, bytes);
    cr_assert_eq(vx_get64(bytes), VX_SIG_FILE);
    cr_assert(vx_is_zero(bytes + 8, VX_CREATOR_SIZE));
}

Test(file_id, samples_name_their_creators)
{
    const struct {
        const char *file, *creator;
    } rows[] = {
        {"windows10-dynamic-10M.vhdx", "Microsoft Windows 10.0.18363.0"},
        {"windows10-dirty-log-1G.vhdx", "Microsoft Windows 10.0.15063.0"},
        {"hyperv2012-dynamic-1G.vhdx", "Microsoft Windows 6.2.9200.16384"},
        {"hyperv2019-checkpoint-8G.avhdx", "Microsoft Windows 10.0.17763.0"},
        {"qemu-dirty-log-10G.vhdx", "QEMU v1.6.50"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[VX_FILE_ID_SIZE];
        struct vx_file_id id;
        if (!sample_read(rows[i].file, VX_FILE_ID_OFFSET, bytes, sizeof bytes))
            cr_skip_test("VHDX_SAMPLES is not set");
        cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &id), VHDX_OK);
        cr_assert_str_eq(id.creator, rows[i].creator);
    }
}
