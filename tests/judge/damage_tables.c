/*
 * Damage of headers, region tables and metadata: fields whose checksums are right, copies that differ, entries and
 * items that are gone.
 */
/* SPDX-License-Identifier: MIT */
#include "damage.h"

#include <string.h>

#include "base/bytes.h"

/* ---- headers ---------------------------------------------------------------------------------------------------- */

static const uint64_t table_places[2] = {VX_REGION_TABLE1_OFFSET, VX_REGION_TABLE2_OFFSET};

bool dmg_header_field(struct judge_scene *scene)
{
    static const struct {
        const char *name;
        uint8_t offset, bytes;
    } fields[] = {{"SequenceNumber", 8, 8}, {"FileWriteGuid", 16, 8}, {"DataWriteGuid", 32, 8}, {"LogGuid", 48, 8},
                  {"LogVersion", 64, 2},    {"Version", 66, 2},       {"LogLength", 68, 4},     {"LogOffset", 72, 8}};
    size_t field = (size_t)dmg_below(scene, sizeof fields / sizeof fields[0]);
    unsigned copies = dmg_which_copies(scene);
    uint64_t value =
        dmg_wrong(scene, dmg_number_at(scene, dmg_header_places[0] + fields[field].offset, fields[field].bytes),
                  fields[field].bytes);
    for (unsigned i = 0; i < 2; i++)
        if (copies & 1u << i)
            dmg_change_summed(scene, dmg_header_places[i], VX_HEADER_SIZE, fields[field].offset, value,
                              fields[field].bytes);
    dmg_say(scene, "%s of header %s := 0x%llx, checksum right\n", fields[field].name,
            copies == 3   ? "1 and 2"
            : copies == 1 ? "1"
                          : "2",
            (unsigned long long)value);
    return true;
}

bool dmg_header_log_guid(struct judge_scene *scene)
{
    bool clear = scene->disk->log >= JUDGE_LOG_DIRTY;
    uint64_t value = clear ? 0 : bld_random(&scene->chance);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned half = 0; half < 2; half++)
            dmg_change_summed(scene, dmg_header_places[i], VX_HEADER_SIZE, 48 + 8 * half, value, 8);
    dmg_say(scene, "LogGuid of both headers %s\n", clear ? "cleared" : "set");
    return true;
}

static bool raw_copy(struct judge_scene *scene, const uint64_t places[2], size_t size, const char *name)
{
    unsigned copies = dmg_which_copies(scene);
    bool zero = dmg_below(scene, 2);
    static const uint8_t zeros[VX_REGION_TABLE_SIZE];
    for (unsigned i = 0; i < 2; i++) {
        if (!(copies & 1u << i))
            continue;
        if (zero) {
            store_write(scene->file, places[i], zeros, size);
            continue;
        }
        uint64_t at = places[i] + dmg_below(scene, 112);
        uint8_t byte = (uint8_t)(dmg_number_at(scene, at, 1) ^ 1u << dmg_below(scene, 8));
        store_write(scene->file, at, &byte, 1);
    }
    dmg_say(scene, "%s %s %s\n", name,
            copies == 3   ? "1 and 2"
            : copies == 1 ? "1"
                          : "2",
            zero ? "zeroed" : "bit flipped");
    return true;
}

bool dmg_header_raw(struct judge_scene *scene)
{
    return raw_copy(scene, dmg_header_places, VX_HEADER_SIZE, "header");
}

bool dmg_region_raw(struct judge_scene *scene)
{
    return raw_copy(scene, table_places, VX_REGION_TABLE_SIZE, "region table");
}

/* ---- regions ---------------------------------------------------------------------------------------------------- */

bool dmg_region_field(struct judge_scene *scene)
{
    static const struct {
        const char *name;
        uint8_t offset, bytes;
    } fields[] = {{"Guid", 0, 8},    {"FileOffset", 16, 8}, {"FileOffset", 16, 8},
                  {"Length", 24, 4}, {"Length", 24, 4},     {"Required", 28, 4}};
    size_t field = (size_t)dmg_below(scene, sizeof fields / sizeof fields[0]);
    unsigned copies = dmg_which_copies(scene), entry = (unsigned)dmg_below(scene, 2);
    size_t offset = VX_REGION_ENTRIES_OFFSET + entry * VX_REGION_ENTRY_SIZE + fields[field].offset;
    uint64_t old = dmg_number_at(scene, table_places[0] + offset, fields[field].bytes);
    uint64_t value = dmg_wrong(scene, old, fields[field].bytes);
    if (fields[field].offset == 16 && dmg_below(scene, 3) == 0)
        value = dmg_number_at(scene,
                              table_places[0] + VX_REGION_ENTRIES_OFFSET + (1 - entry) * VX_REGION_ENTRY_SIZE + 16, 8);
    else if (fields[field].offset == 16 && dmg_below(scene, 4) == 0)
        value = scene->disk->log_offset;
    else if (fields[field].offset == 16 && dmg_below(scene, 4) == 0)
        value = UINT64_C(1) << 40;
    for (unsigned i = 0; i < 2; i++)
        if (copies & 1u << i)
            dmg_change_summed(scene, table_places[i], VX_REGION_TABLE_SIZE, offset, value, fields[field].bytes);
    dmg_say(scene, "region %u: %s 0x%llx -> 0x%llx in table %s, checksum right\n", entry, fields[field].name,
            (unsigned long long)old, (unsigned long long)value,
            copies == 3   ? "1 and 2"
            : copies == 1 ? "1"
                          : "2");
    return true;
}

bool dmg_region_count(struct judge_scene *scene)
{
    unsigned copies = dmg_which_copies(scene);
    uint64_t value = dmg_below(scene, 2) ? dmg_below(scene, 2) : dmg_wrong(scene, 2, 4);
    for (unsigned i = 0; i < 2; i++)
        if (copies & 1u << i)
            dmg_change_summed(scene, table_places[i], VX_REGION_TABLE_SIZE, 8, value, 4);
    dmg_say(scene, "EntryCount of region table %s := %llu, checksum right\n", copies == 3 ? "1 and 2" : "1 or 2",
            (unsigned long long)value);
    return true;
}

/* ---- metadata --------------------------------------------------------------------------------------------------- */

static unsigned item_count(const struct judge_scene *scene)
{
    unsigned count = (unsigned)dmg_number_at(scene, scene->disk->metadata_offset + 10, 2);
    return count > 0 && count < 20 ? count : 5;
}

bool dmg_entry_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[4 * VX_METADATA_ENTRY_SIZE];
    unsigned first = (unsigned)dmg_below(scene, item_count(scene)), count = dmg_below(scene, 3) ? 1 : 2;
    dmg_overwrite(scene, scene->disk->metadata_offset + (1 + first) * VX_METADATA_ENTRY_SIZE, zeros,
                  count * VX_METADATA_ENTRY_SIZE);
    dmg_say(scene, "metadata entry %u%s zeroed\n", first, count > 1 ? " and the next one" : "");
    return true;
}

bool dmg_entry_field(struct judge_scene *scene)
{
    static const uint8_t offsets[] = {0, 16, 20, 24, 28};
    static const char *const names[] = {"ItemId", "Offset", "Length", "flags", "Reserved"};
    unsigned entry = (unsigned)dmg_below(scene, item_count(scene)), field = (unsigned)dmg_below(scene, 5);
    uint64_t at = scene->disk->metadata_offset + (1 + entry) * VX_METADATA_ENTRY_SIZE + offsets[field];
    uint8_t number[8];
    uint64_t old = dmg_number_at(scene, at, 4);
    vx_put64(number, dmg_wrong(scene, old, 4));
    dmg_overwrite(scene, at, number, 4);
    dmg_say(scene, "metadata entry %u: %s 0x%llx -> 0x%x\n", entry, names[field], (unsigned long long)old,
            vx_get32(number));
    return true;
}

bool dmg_entry_swap(struct judge_scene *scene)
{
    uint8_t one[VX_METADATA_ENTRY_SIZE], two[VX_METADATA_ENTRY_SIZE];
    unsigned a = (unsigned)dmg_below(scene, item_count(scene)), b = (unsigned)dmg_below(scene, item_count(scene));
    uint64_t at = scene->disk->metadata_offset + VX_METADATA_ENTRY_SIZE;
    if (a == b)
        return false;
    /* only the places and lengths: whole entries in another order are no damage */
    store_read(scene->file, at + a * VX_METADATA_ENTRY_SIZE, one, sizeof one);
    store_read(scene->file, at + b * VX_METADATA_ENTRY_SIZE, two, sizeof two);
    dmg_overwrite(scene, at + a * VX_METADATA_ENTRY_SIZE + 16, two + 16, 4);
    dmg_overwrite(scene, at + b * VX_METADATA_ENTRY_SIZE + 16, one + 16, 4);
    dmg_say(scene, "metadata entries %u and %u: Offset exchanged\n", a, b);
    return true;
}

bool dmg_table_header(struct judge_scene *scene)
{
    static const uint8_t offsets[] = {0, 4, 8, 10, 12};
    uint64_t at = scene->disk->metadata_offset + offsets[dmg_below(scene, 5)];
    uint8_t number[8];
    vx_put64(number, dmg_wrong(scene, dmg_number_at(scene, at, 2), 2));
    dmg_overwrite(scene, at, number, 2);
    dmg_say(scene, "metadata table, byte %u: := 0x%x\n", (unsigned)(at - scene->disk->metadata_offset),
            vx_get16(number));
    return true;
}

bool dmg_table_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[VX_METADATA_TABLE_SIZE];
    static const uint32_t lengths[] = {512, 4096, 65536};
    uint32_t length = lengths[dmg_below(scene, 3)];
    dmg_overwrite(scene, scene->disk->metadata_offset, zeros, length);
    dmg_say(scene, "the first %u bytes of the metadata table zeroed\n", length);
    return true;
}

static const struct {
    const vhdx_guid *id;
    const char *name;
    uint8_t bytes;
} items[] = {{&vx_guid_file_parameters, "FileParameters", 8},
             {&vx_guid_virtual_disk_size, "VirtualDiskSize", 8},
             {&vx_guid_virtual_disk_id, "VirtualDiskId", 8},
             {&vx_guid_logical_sector_size, "LogicalSectorSize", 4},
             {&vx_guid_physical_sector_size, "PhysicalSectorSize", 4}};

bool dmg_item_zero(struct judge_scene *scene)
{
    static const uint8_t zeros[16];
    size_t item = (size_t)dmg_below(scene, 5);
    dmg_overwrite(scene, bld_item_offset(scene->disk->b, items[item].id, false), zeros,
                  item == 2 ? 16 : items[item].bytes);
    dmg_say(scene, "%s zeroed\n", items[item].name);
    return true;
}

bool dmg_item_garbage(struct judge_scene *scene)
{
    size_t item = (size_t)dmg_below(scene, 5);
    uint64_t at = bld_item_offset(scene->disk->b, items[item].id, false);
    uint64_t old = dmg_number_at(scene, at, items[item].bytes);
    uint8_t number[8];
    vx_put64(number, dmg_wrong(scene, old, items[item].bytes));
    dmg_overwrite(scene, at, number, items[item].bytes);
    dmg_say(scene, "%s 0x%llx -> 0x%llx\n", items[item].name, (unsigned long long)old,
            (unsigned long long)dmg_number_at(scene, at, items[item].bytes));
    return true;
}

bool dmg_item_size(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t at = bld_item_offset(disk->b, &vx_guid_virtual_disk_size, false), size = disk->size;
    switch (dmg_below(scene, 5)) {
    case 0:
        size = VX_MIB;
        break;
    case 1:
        size = disk->size / 2;
        break;
    case 2:
        size = disk->size + disk->block_size * (1 + dmg_below(scene, 4));
        break;
    case 3:
        size = disk->size - disk->sector_size * (1 + dmg_below(scene, 100));
        break;
    default:
        size = (1 + dmg_below(scene, 4000)) * VX_MIB;
        break;
    }
    uint8_t number[8];
    size = vx_round_down(size, disk->sector_size);
    vx_put64(number, size);
    dmg_overwrite(scene, at, number, 8);
    dmg_say(scene, "VirtualDiskSize 0x%llx -> 0x%llx\n", (unsigned long long)disk->size, (unsigned long long)size);
    return true;
}

bool dmg_item_legal(struct judge_scene *scene)
{
    const struct judge_disk *disk = scene->disk;
    static const char *const names[] = {"BlockSize", "LogicalSectorSize", "PhysicalSectorSize", "LeaveBlockAllocated",
                                        "HasParent"};
    unsigned which = (unsigned)dmg_below(scene, 5);
    uint64_t parameters = bld_item_offset(disk->b, &vx_guid_file_parameters, false), at = parameters, value;
    if (which == 0) {
        value = (uint64_t)VX_MIB << dmg_below(scene, 9);
        if (value == disk->block_size)
            return false;
    } else if (which < 3) {
        at = bld_item_offset(disk->b, which == 1 ? &vx_guid_logical_sector_size : &vx_guid_physical_sector_size, false);
        value = dmg_number_at(scene, at, 4) == 512 ? 4096 : 512;
    } else {
        at += 4;
        value =
            dmg_number_at(scene, at, 4) ^ (which == 3 ? VX_PARAMETER_LEAVE_BLOCK_ALLOCATED : VX_PARAMETER_HAS_PARENT);
    }
    uint8_t number[8];
    vx_put64(number, value);
    dmg_overwrite(scene, at, number, 4);
    dmg_say(scene, "%s := 0x%llx\n", names[which], (unsigned long long)value);
    return true;
}

bool dmg_locator_raw(struct judge_scene *scene)
{
    uint64_t at = bld_item_offset(scene->disk->b, &vx_guid_parent_locator, false);
    uint8_t bytes[64];
    if (at == VHDX_NOWHERE)
        return false;
    at += dmg_below(scene, 2) ? dmg_below(scene, 32) : dmg_below(scene, 200);
    size_t length = (size_t)(1 + dmg_below(scene, 64));
    bld_random_bytes(bld_random(&scene->chance), 0, bytes, sizeof bytes);
    if (dmg_below(scene, 2))
        memset(bytes, 0, sizeof bytes);
    dmg_overwrite(scene, at, bytes, length);
    dmg_say(scene, "%zu bytes of the parent locator overwritten at 0x%llx\n", length, (unsigned long long)at);
    return true;
}
