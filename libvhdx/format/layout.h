/*
 * Every offset, size, signature, GUID and limit of the format, once, with its MS-VHDX section. No code, no policy.
 * Numbers that another file needs and cannot find here are missing here.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_LAYOUT_H
#define VX_FORMAT_LAYOUT_H

#include "base/checked.h"
#include <vhdx.h>

/* Signatures as little-endian integers */
#define VX_SIG_FILE UINT64_C(0x656C696678646876)     /* "vhdxfile", 2.2.1 */
#define VX_SIG_HEADER UINT32_C(0x64616568)           /* "head", 2.2.2 */
#define VX_SIG_REGION UINT32_C(0x69676572)           /* "regi", 2.2.3 */
#define VX_SIG_LOG_ENTRY UINT32_C(0x65676F6C)        /* "loge", 2.3.1 */
#define VX_SIG_LOG_ZERO UINT32_C(0x6F72657A)         /* "zero", 2.3.1.2 */
#define VX_SIG_LOG_DATA_DESC UINT32_C(0x63736564)    /* "desc", 2.3.1.3 */
#define VX_SIG_LOG_DATA UINT32_C(0x61746164)         /* "data", 2.3.1.4 */
#define VX_SIG_METADATA UINT64_C(0x617461646174656D) /* "metadata", 2.6.1.1 */

/* Places and sizes in the file, 2.2 */
#define VX_OBJECT_ALIGNMENT VX_MIB
#define VX_HEADER_SECTION_SIZE VX_MIB
#define VX_FILE_ID_OFFSET UINT64_C(0)
#define VX_FILE_ID_SIZE 520u /* signature and creator; the rest of the 64 KiB is reserved */
#define VX_CREATOR_SIZE 512u
#define VX_HEADER1_OFFSET UINT64_C(0x10000)
#define VX_HEADER2_OFFSET UINT64_C(0x20000)
#define VX_HEADER_SIZE 4096u
#define VX_REGION_TABLE1_OFFSET UINT64_C(0x30000)
#define VX_REGION_TABLE2_OFFSET UINT64_C(0x40000)
#define VX_REGION_TABLE_SIZE 65536u
#define VX_REGION_ENTRY_SIZE 32u
#define VX_REGION_ENTRIES_OFFSET 16u
#define VX_REGION_MAX 2047u
#define VX_HEADER_VERSION 1u
#define VX_LOG_VERSION 0u

/* Log, 2.3 */
#define VX_PAGE 4096u /* a sector of the log, and the unit of all metadata updates */
#define VX_LOG_HEADER_SIZE 64u
#define VX_LOG_DESCRIPTOR_SIZE 32u
#define VX_LOG_FIRST_DESCRIPTORS 126u                /* in the first sector of an entry */
#define VX_LOG_MORE_DESCRIPTORS 128u                 /* in each further descriptor sector */
#define VX_LOG_LOWEST_TARGET VX_REGION_TABLE1_OFFSET /* identifier and headers are never logged */

/* BAT and sector bitmaps, 2.5 */
#define VX_BAT_ENTRY_SIZE 8u
#define VX_SECTORS_PER_CHUNK (UINT64_C(1) << 23)
#define VX_BITMAP_BLOCK_SIZE VX_MIB

enum vx_payload_state {
    VX_PAYLOAD_NOT_PRESENT = 0,
    VX_PAYLOAD_UNDEFINED = 1,
    VX_PAYLOAD_ZERO = 2,
    VX_PAYLOAD_UNMAPPED = 3,
    VX_PAYLOAD_RESERVED_4 = 4,   /* no meaning */
    VX_PAYLOAD_OLD_UNMAPPED = 5, /* before the format was final */
    VX_PAYLOAD_FULLY_PRESENT = 6,
    VX_PAYLOAD_PARTIALLY_PRESENT = 7,
};

enum vx_bitmap_state {
    VX_BITMAP_NOT_PRESENT = 0,
    VX_BITMAP_PRESENT = 6,
};

/* Metadata, 2.6 */
#define VX_METADATA_TABLE_SIZE 65536u
#define VX_METADATA_ENTRY_SIZE 32u
#define VX_METADATA_MAX 2047u
#define VX_METADATA_USER_MAX 1024u
#define VX_METADATA_ITEM_MAX VX_MIB
#define VX_METADATA_REGION_MAX (128 * VX_MIB) /* a limit of this library (and of others), not of the text */

#define VX_ITEM_IS_USER 1u
#define VX_ITEM_IS_VIRTUAL_DISK 2u
#define VX_ITEM_IS_REQUIRED 4u

#define VX_PARAMETER_LEAVE_BLOCK_ALLOCATED 1u /* 2.6.2.1: a fixed disk */
#define VX_PARAMETER_HAS_PARENT 2u

#define VX_BLOCK_SIZE_MIN VX_MIB
#define VX_BLOCK_SIZE_MAX (256 * VX_MIB)
#define VX_VIRTUAL_SIZE_MAX (64 * VX_TIB)
/* No intact disk's file is longer: its payload with all bitmaps, and its BAT. */
#define VX_LONGEST_FILE (65 * VX_TIB)

#define VX_LOCATOR_HEADER_SIZE 20u
#define VX_LOCATOR_ENTRY_SIZE 12u
#define VX_LOCATOR_MAX 256u /* key-value pairs; a limit of this library */

/* GUIDs as they stand on disk */
#define VX_GUID(...)                                                                                                   \
    {                                                                                                                  \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
static const vhdx_guid vx_guid_bat_region = /* 2dc27766-f623-4200-9d64-115e9bfd4a08 */
    VX_GUID(0x66, 0x77, 0xC2, 0x2D, 0x23, 0xF6, 0x00, 0x42, 0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08);
static const vhdx_guid vx_guid_metadata_region = /* 8b7ca206-4790-4b9a-b8fe-575f050f886e */
    VX_GUID(0x06, 0xA2, 0x7C, 0x8B, 0x90, 0x47, 0x9A, 0x4B, 0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E);
static const vhdx_guid vx_guid_file_parameters = /* caa16737-fa36-4d43-b3b6-33f0aa44e76b */
    VX_GUID(0x37, 0x67, 0xA1, 0xCA, 0x36, 0xFA, 0x43, 0x4D, 0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B);
static const vhdx_guid vx_guid_virtual_disk_size = /* 2fa54224-cd1b-4876-b211-5dbed83bf4b8 */
    VX_GUID(0x24, 0x42, 0xA5, 0x2F, 0x1B, 0xCD, 0x76, 0x48, 0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8);
static const vhdx_guid vx_guid_virtual_disk_id = /* beca12ab-b2e6-4523-93ef-c309e000c746 */
    VX_GUID(0xAB, 0x12, 0xCA, 0xBE, 0xE6, 0xB2, 0x23, 0x45, 0x93, 0xEF, 0xC3, 0x09, 0xE0, 0x00, 0xC7, 0x46);
static const vhdx_guid vx_guid_logical_sector_size = /* 8141bf1d-a96f-4709-ba47-f233a8faab5f */
    VX_GUID(0x1D, 0xBF, 0x41, 0x81, 0x6F, 0xA9, 0x09, 0x47, 0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F);
static const vhdx_guid vx_guid_physical_sector_size = /* cda348c7-445d-4471-9cc9-e9885251c556 */
    VX_GUID(0xC7, 0x48, 0xA3, 0xCD, 0x5D, 0x44, 0x71, 0x44, 0x9C, 0xC9, 0xE9, 0x88, 0x52, 0x51, 0xC5, 0x56);
static const vhdx_guid vx_guid_parent_locator = /* a8d35f2d-b30b-454d-abf7-d3d84834ab0c */
    VX_GUID(0x2D, 0x5F, 0xD3, 0xA8, 0x0B, 0xB3, 0x4D, 0x45, 0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C);
static const vhdx_guid vx_guid_locator_type_vhdx = /* b04aefb7-d19e-4a81-b789-25b8e9445913 */
    VX_GUID(0xB7, 0xEF, 0x4A, 0xB0, 0x9E, 0xD1, 0x81, 0x4A, 0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44, 0x59, 0x13);
/* Not in the text; Windows and openvmm mark a disk whose creation is not finished with it. */
static const vhdx_guid vx_guid_incomplete_file = /* 71cc85f0-1b69-4e28-9558-c3bf83ae75d3 */
    VX_GUID(0xF0, 0x85, 0xCC, 0x71, 0x69, 0x1B, 0x28, 0x4E, 0x95, 0x58, 0xC3, 0xBF, 0x83, 0xAE, 0x75, 0xD3);
/* Known to other software, kept like any unknown item: CHS parameters, PMEM label storage area. */
static const vhdx_guid vx_guid_chs_parameters = /* da02d7bc-3d3a-423c-ac88-2a36ab21479b */
    VX_GUID(0xBC, 0xD7, 0x02, 0xDA, 0x3A, 0x3D, 0x3C, 0x42, 0xAC, 0x88, 0x2A, 0x36, 0xAB, 0x21, 0x47, 0x9B);
static const vhdx_guid vx_guid_pmem_labels = /* 10e1ae8a-4b7e-4169-a40f-cd70de928393 */
    VX_GUID(0x8A, 0xAE, 0xE1, 0x10, 0x7E, 0x4B, 0x69, 0x41, 0xA4, 0x0F, 0xCD, 0x70, 0xDE, 0x92, 0x83, 0x93);

#endif
