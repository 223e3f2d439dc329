/* The numbers of the format, compared with their text in MS-VHDX. */
/* SPDX-License-Identifier: MIT */
#include "format/layout.h"

#include "base/bytes.h"
#include "base/guid.h"

#include <criterion/criterion.h>
#include <string.h>

Test(layout, guids_stand_as_their_text_says)
{
    static const struct {
        const vhdx_guid *guid;
        const char *text;
    } rows[] = {
        {&vx_guid_bat_region, "2DC27766-F623-4200-9D64-115E9BFD4A08"},
        {&vx_guid_metadata_region, "8B7CA206-4790-4B9A-B8FE-575F050F886E"},
        {&vx_guid_file_parameters, "CAA16737-FA36-4D43-B3B6-33F0AA44E76B"},
        {&vx_guid_virtual_disk_size, "2FA54224-CD1B-4876-B211-5DBED83BF4B8"},
        {&vx_guid_virtual_disk_id, "BECA12AB-B2E6-4523-93EF-C309E000C746"},
        {&vx_guid_logical_sector_size, "8141BF1D-A96F-4709-BA47-F233A8FAAB5F"},
        {&vx_guid_physical_sector_size, "CDA348C7-445D-4471-9CC9-E9885251C556"},
        {&vx_guid_parent_locator, "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"},
        {&vx_guid_locator_type_vhdx, "B04AEFB7-D19E-4A81-B789-25B8E9445913"},
        {&vx_guid_incomplete_file, "71CC85F0-1B69-4E28-9558-C3BF83AE75D3"},
        {&vx_guid_chs_parameters, "DA02D7BC-3D3A-423C-AC88-2A36AB21479B"},
        {&vx_guid_pmem_labels, "10E1AE8A-4B7E-4169-A40F-CD70DE928393"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vhdx_guid guid;
        cr_assert(vx_guid_parse(rows[i].text, 36, &guid));
        cr_assert(vx_guid_equal(&guid, rows[i].guid), "%s", rows[i].text);
    }
}

Test(layout, signatures_spell_their_names)
{
    uint8_t text[8];
    const struct {
        uint32_t number;
        const char *name;
    } rows[] = {
        {VX_SIG_HEADER, "head"},   {VX_SIG_REGION, "regi"},        {VX_SIG_LOG_ENTRY, "loge"},
        {VX_SIG_LOG_ZERO, "zero"}, {VX_SIG_LOG_DATA_DESC, "desc"}, {VX_SIG_LOG_DATA, "data"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vx_put32(text, rows[i].number);
        cr_assert_eq(memcmp(text, rows[i].name, 4), 0, "%s", rows[i].name);
    }
    vx_put64(text, VX_SIG_FILE);
    cr_assert_eq(memcmp(text, "vhdxfile", 8), 0);
    vx_put64(text, VX_SIG_METADATA);
    cr_assert_eq(memcmp(text, "metadata", 8), 0);
}
