/*
 * Metadata items that are still there: by the table, by what is left of it, by old entries of the log, or at the places
 * where Windows and qemu put them. See rebuild.h. Items that cannot be found are rebuild_values.c's. Easy to get wrong:
 * only the table says which items are real; what lies behind it counts only when the table itself is gone.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "format/locator.h"
#include "rebuild/rebuild_parts.h"

#include <inttypes.h>
#include <string.h>

#define IMAGE_SIZE ((size_t)(VX_METADATA_TABLE_SIZE + 64 * VX_KIB)) /* table and the place of the small items */

struct known_item {
    enum vx_part part;
    const vhdx_guid *id;
    uint32_t length, flags;
};

static const struct known_item known_items[] = {
    {VX_PART_BLOCK_SIZE, &vx_guid_file_parameters, 8, VX_ITEM_IS_REQUIRED},
    {VX_PART_VIRTUAL_SIZE, &vx_guid_virtual_disk_size, 8, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
    {VX_PART_LOGICAL_SECTOR, &vx_guid_logical_sector_size, 4, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
    {VX_PART_PHYSICAL_SECTOR, &vx_guid_physical_sector_size, 4, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
    {VX_PART_DISK_ID, &vx_guid_virtual_disk_id, 16, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
};
#define KNOWN_COUNT (sizeof known_items / sizeof known_items[0])

/* ---- values ---- */

/* Takes the bytes of one item if they make sense on their own. */
static bool take_value(struct vx_rebuilt *out, enum vx_part part, const uint8_t *bytes)
{
    uint32_t number = vx_get32(bytes);
    switch (part) {
    case VX_PART_BLOCK_SIZE:
        if (!vx_is_power_of_two(number) || number < VX_BLOCK_SIZE_MIN || number > VX_BLOCK_SIZE_MAX)
            return false;
        out->block_size = number;
        return true;
    case VX_PART_PARAMETER_FLAGS: /* zeros are no witness: the same item must hold a block size */
        if (!vx_is_power_of_two(number) ||
            vx_get32(bytes + 4) & ~(VX_PARAMETER_HAS_PARENT | VX_PARAMETER_LEAVE_BLOCK_ALLOCATED))
            return false;
        out->parameter_flags = vx_get32(bytes + 4);
        return true;
    case VX_PART_VIRTUAL_SIZE:
        if (vx_get64(bytes) == 0 || vx_get64(bytes) > VX_VIRTUAL_SIZE_MAX)
            return false;
        out->virtual_size = vx_get64(bytes);
        return out->virtual_size % 512 == 0; /* else it is worth remembering, see rebuild_values.c */
    case VX_PART_LOGICAL_SECTOR:
    case VX_PART_PHYSICAL_SECTOR:
        if (number != 512 && number != 4096)
            return false;
        *(part == VX_PART_LOGICAL_SECTOR ? &out->logical_sector : &out->physical_sector) = number;
        return true;
    default:
        memcpy(out->virtual_disk_id.bytes, bytes, 16);
        return !vx_guid_is_zero(&out->virtual_disk_id);
    }
}

struct source {
    const struct vx_metadata_table *table;
    const uint8_t *image; /* the region's first IMAGE_SIZE bytes, as this witness has them; NULL: the view */
    enum vx_witness witness;
    bool lossless;
    const char *evidence;
};

static bool read_item(struct vx_rebuilding *work, const struct source *source, const struct vx_metadata_entry *entry,
                      uint8_t *bytes)
{
    size_t got;
    uint64_t at = work->out->metadata.file_offset + entry->offset;
    if (source->image) {
        struct vx_bytes part;
        if (!vx_bytes_part(vx_bytes_of(source->image, IMAGE_SIZE), entry->offset, entry->length, &part))
            return false;
        memcpy(bytes, part.data, part.size);
        return true;
    }
    uint64_t bad, bad_length;
    if (work->options->patient &&
        vx_patient_next_bad(work->options->patient, at, at + entry->length, &bad, &bad_length))
        return false;
    return vx_file_read_some(work->view, bytes, entry->length, at, &got, NULL) == VHDX_OK && got == entry->length;
}

static void take_part(struct vx_rebuilding *work, const struct source *source, enum vx_part part, const uint8_t *bytes)
{
    uint64_t stood = work->out->virtual_size; /* with a part of a sector at its end, or it would not be missing */
    if (!vx_clue_missing(work, part) || !take_value(work->out, part, bytes))
        return;
    bool agree = part == VX_PART_VIRTUAL_SIZE && vx_round_down(stood, 512) == work->out->virtual_size;
    vx_clue_set(work, part, source->witness, source->lossless || agree, "%s%s", source->evidence,
                agree ? ", and so does what stands there, but for a part of a sector" : "");
}

static bool is_locator(struct vx_bytes bytes)
{
    struct vx_locator *locator = vx_alloc(1, sizeof *locator);
    bool good = locator && vx_locator_decode(bytes, locator) == VHDX_OK &&
                vx_guid_equal(&locator->type, &vx_guid_locator_type_vhdx) && locator->count > 0 &&
                locator->bad_pairs == 0;
    vx_free(locator);
    return good;
}

static vhdx_status keep_locator(struct vx_rebuilding *work, const struct source *source, struct vx_bytes bytes,
                                vhdx_error *err)
{
    work->out->locator = vx_alloc(bytes.size, 1);
    if (!work->out->locator)
        return vx_fail_memory(err, "the parent locator");
    memcpy(work->out->locator, bytes.data, bytes.size);
    work->out->locator_size = (uint32_t)bytes.size;
    vx_clue_set(work, VX_PART_LOCATOR, source->witness, source->lossless, "%s", source->evidence);
    return VHDX_OK;
}

static vhdx_status take_locator(struct vx_rebuilding *work, const struct source *source, vhdx_error *err)
{
    const struct vx_metadata_entry *entry = vx_metadata_find(source->table, &vx_guid_parent_locator);
    if (!entry || entry->length < VX_LOCATOR_HEADER_SIZE || entry->length > VX_METADATA_ITEM_MAX ||
        !vx_clue_missing(work, VX_PART_LOCATOR))
        return VHDX_OK;
    uint8_t *bytes = vx_alloc(entry->length, 1);
    if (!bytes)
        return vx_fail_memory(err, "the parent locator");
    vhdx_status status = VHDX_OK;
    if (read_item(work, source, entry, bytes) && is_locator(vx_bytes_of(bytes, entry->length)))
        status = keep_locator(work, source, vx_bytes_of(bytes, entry->length), err);
    if (work->out->locator && !source->image)
        work->places[VX_PART_LOCATOR] = *entry;
    vx_free(bytes);
    return status;
}

static vhdx_status take_items(struct vx_rebuilding *work, const struct source *source, vhdx_error *err)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        const struct known_item *item = &known_items[i];
        const struct vx_metadata_entry *entry = vx_metadata_find(source->table, item->id);
        uint8_t bytes[16];
        if (!entry || entry->length != item->length || !read_item(work, source, entry, bytes))
            continue;
        bool missing = vx_clue_missing(work, item->part);
        take_part(work, source, item->part, bytes);
        if (missing && !vx_clue_missing(work, item->part) && !source->image)
            work->places[item->part] = *entry;
        if (item->part == VX_PART_BLOCK_SIZE)
            take_part(work, source, VX_PART_PARAMETER_FLAGS, bytes);
    }
    return take_locator(work, source, err);
}

/* ---- tables ---- */

static unsigned count_known(const struct vx_metadata_table *table)
{
    unsigned count = 0;
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        count += vx_metadata_find(table, known_items[i].id) != NULL;
    return count;
}

/* Takes the table as the answer to "which items are there" if nobody better has answered. */
static void take_table(struct vx_rebuilding *work, const struct source *source)
{
    if (!vx_clue_missing(work, VX_PART_METADATA))
        return;
    *work->table = *source->table;
    vx_clue_set(work, VX_PART_METADATA, source->witness, source->lossless, "%s", source->evidence);
}

#define TABLE_UNUSABLE                                                                                                 \
    (VX_METADATA_TOO_MANY | VX_METADATA_DUPLICATE | VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE |            \
     VX_METADATA_ITEM_OUTSIDE | VX_METADATA_OVERLAP | VX_METADATA_MISSING)

static bool share_bytes(const struct vx_metadata_entry *a, const struct vx_metadata_entry *b)
{
    bool same = vx_guid_equal(&a->item_id, &b->item_id) && a->offset == b->offset && a->length == b->length;
    uint64_t a_end = (uint64_t)a->offset + a->length, b_end = (uint64_t)b->offset + b->length;
    return !same && a->length > 0 && b->length > 0 && a->offset < b_end && b->offset < a_end;
}

static bool is_misplaced(const struct vx_metadata_entry *entry, uint32_t region_length)
{
    return (vx_metadata_entry_rules(entry, region_length) &
            (VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE)) != 0;
}

/* One that is plainly wrong casts no doubt on others. */
static bool is_trusted(const struct vx_metadata_table *table, uint32_t index, uint32_t region_length)
{
    const struct vx_metadata_entry *entry = &table->entries[index];
    if (is_misplaced(entry, region_length))
        return false;
    for (uint32_t i = 0; i < table->count; i++)
        if (share_bytes(entry, &table->entries[i]) && !is_misplaced(&table->entries[i], region_length))
            return false;
    return true;
}

/* Which of two entries for the same bytes is right, neither of them says: another witness must. */
static void drop_distrusted(struct vx_rebuilding *work, struct vx_metadata_table *table)
{
    bool trusted[VX_METADATA_MAX];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++)
        trusted[i] = is_trusted(table, i, work->out->metadata.length);
    for (uint32_t i = 0; i < table->count; i++) {
        struct vx_metadata_entry entry = table->entries[i];
        if (trusted[i])
            table->entries[kept++] = entry;
        else if (work->distrusted_count < VX_DISTRUSTED && !(entry.flags & VX_ITEM_IS_USER))
            work->distrusted[work->distrusted_count++] = entry;
    }
    table->count = (uint16_t)kept;
}

static vhdx_status from_table(struct vx_rebuilding *work, const uint8_t *image, struct vx_metadata_table *table,
                              vhdx_error *err)
{
    if (vx_metadata_table_decode(vx_bytes_of(image, VX_METADATA_TABLE_SIZE), table) != VHDX_OK)
        return VHDX_OK;
    uint32_t broken = vx_metadata_table_rules(table, work->out->metadata.length) & TABLE_UNUSABLE;
    struct source source = {table, NULL, VX_WITNESS_STORED, true, ""};
    if (!broken)
        take_table(work, &source);
    if (broken & (VX_METADATA_TOO_MANY | VX_METADATA_DUPLICATE))
        return VHDX_OK;
    if (broken &
        (VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE | VX_METADATA_OVERLAP))
        drop_distrusted(work, table);
    return take_items(work, &source, err);
}

/* Whether 32 bytes are the entry of a known item at a place where one can be. */
static bool decode_entry(const uint8_t *bytes, uint32_t region_length, struct vx_metadata_entry *entry)
{
    memcpy(entry->item_id.bytes, bytes, 16);
    entry->offset = vx_get32(bytes + 16);
    entry->length = vx_get32(bytes + 20);
    entry->flags = vx_get32(bytes + 24);
    entry->reserved = 0;
    bool known = vx_guid_equal(&entry->item_id, &vx_guid_parent_locator);
    for (size_t i = 0; i < KNOWN_COUNT && !known; i++)
        known = vx_guid_equal(&entry->item_id, known_items[i].id) && entry->length == known_items[i].length;
    return known && !(entry->flags & ~7u) && vx_metadata_entry_rules(entry, region_length) == 0;
}

static bool is_distrusted(const struct vx_rebuilding *work, const struct vx_metadata_entry *entry)
{
    for (uint32_t i = 0; i < work->distrusted_count; i++)
        if (vx_guid_equal(&work->distrusted[i].item_id, &entry->item_id) &&
            work->distrusted[i].offset == entry->offset && work->distrusted[i].length == entry->length)
            return true;
    return false;
}

/* Entries wherever they stand in the 64 KiB, whatever the header says of their number. */
static void gather_entries(const struct vx_rebuilding *work, const uint8_t *image, struct vx_metadata_table *table)
{
    *table = (struct vx_metadata_table){0};
    for (size_t at = VX_METADATA_ENTRY_SIZE; at < VX_METADATA_TABLE_SIZE; at += VX_METADATA_ENTRY_SIZE) {
        struct vx_metadata_entry entry;
        if (decode_entry(image + at, work->out->metadata.length, &entry) && !is_distrusted(work, &entry) &&
            !vx_metadata_find(table, &entry.item_id))
            table->entries[table->count++] = entry;
    }
}

static vhdx_status from_residue(struct vx_rebuilding *work, const uint8_t *image, struct vx_metadata_table *table,
                                vhdx_error *err)
{
    gather_entries(work, image, table);
    unsigned known = count_known(table);
    bool all = known == KNOWN_COUNT;
    struct source source = {table, NULL, VX_WITNESS_RESIDUE, all,
                            all ? "entries of all items that a disk must have still stand in the table's place"
                                : "an entry of it still stands in or behind the table"};
    if (all)
        take_table(work, &source);
    return take_items(work, &source, err);
}

/* The region as entries of the log have written it. */
static vhdx_status from_log(struct vx_rebuilding *work, uint8_t *image, struct vx_metadata_table *table,
                            vhdx_error *err)
{
    bool any = false;
    for (uint64_t at = 0; at < IMAGE_SIZE; at += VX_PAGE) {
        const struct vx_log_witness *witness = vx_log_witness_find(&work->log, work->out->metadata.file_offset + at);
        if (witness)
            VX_TRY(vx_log_witness_page(&work->log, witness, image + at, err));
        any = any || witness;
    }
    if (!any || vx_metadata_table_decode(vx_bytes_of(image, VX_METADATA_TABLE_SIZE), table) != VHDX_OK)
        return VHDX_OK;
    struct source source = {table, image, VX_WITNESS_LOG, false, "an old entry of the log holds it"};
    if (vx_metadata_table_rules(table, work->out->metadata.length) & TABLE_UNUSABLE)
        return VHDX_OK;
    take_table(work, &source);
    return take_items(work, &source, err);
}

/* ---- usual places ---- */

static void put_entry(struct vx_metadata_table *table, const struct known_item *item, uint32_t offset)
{
    table->entries[table->count++] = (struct vx_metadata_entry){
        .item_id = *item->id, .offset = offset, .length = item->length, .flags = item->flags};
}

/* Items one behind the other from 64 KiB on: Windows; qemu and Disk2vhd have the disk's id in the third place. */
static void usual_table(struct vx_metadata_table *table, bool windows)
{
    static const uint32_t by_windows[KNOWN_COUNT] = {0x10000, 0x10008, 0x10010, 0x10014, 0x10018};
    static const uint32_t by_qemu[KNOWN_COUNT] = {0x10000, 0x10008, 0x10020, 0x10024, 0x10010};
    *table = (struct vx_metadata_table){0};
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        put_entry(table, &known_items[i], windows ? by_windows[i] : by_qemu[i]);
}

static bool is_usual(const struct vx_metadata_table *usual, uint32_t offset)
{
    for (uint32_t i = 0; i < usual->count; i++)
        if (usual->entries[i].offset == offset)
            return true;
    return false;
}

/*
 * Items that are known already must be where this layout has them, or where it has another one: then their entries have
 * changed places. And the BAT must have room for the disk.
 */
static bool agrees(const struct vx_rebuilding *work, const struct vx_metadata_table *usual, const uint8_t *items,
                   bool windows)
{
    struct vx_file_parameters parameters;
    struct vx_geometry geometry;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        const struct vx_metadata_entry *place = &work->places[known_items[i].part];
        if (place->length > 0 && !is_usual(usual, place->offset))
            return false;
    }
    vx_file_parameters_decode(vx_bytes_of(items, 8), &parameters);
    return !vx_geometry_init(&geometry, vx_get64(items + 8), parameters.block_size,
                             vx_get32(items + (windows ? 0x10 : 0x20)),
                             (parameters.flags & VX_PARAMETER_HAS_PARENT) != 0) ||
           work->bat_length_unknown || geometry.entry_count <= work->stored_bat.length / VX_BAT_ENTRY_SIZE;
}

/* What was read from another item's place was not read. */
static void forget_exchanged(struct vx_rebuilding *work, const struct vx_metadata_table *usual)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        const enum vx_part part = known_items[i].part;
        if (work->places[part].length == 0 ||
            work->places[part].offset == vx_metadata_find(usual, known_items[i].id)->offset)
            continue;
        vx_clue_set(work, part, VX_WITNESS_NONE, false, "%s", "nothing is known of it");
        if (part == VX_PART_BLOCK_SIZE)
            vx_clue_set(work, VX_PART_PARAMETER_FLAGS, VX_WITNESS_NONE, false, "%s", "nothing is known of it");
        work->places[part].length = 0;
    }
}

/* All values must make sense together before any of them is believed. */
static vhdx_status from_usual_places(struct vx_rebuilding *work, const uint8_t *image, struct vx_metadata_table *table,
                                     vhdx_error *err)
{
    for (int windows = 1; windows >= 0; windows--) {
        struct vx_file_parameters parameters;
        usual_table(table, windows);
        const uint8_t *items = image + VX_METADATA_TABLE_SIZE;
        vx_file_parameters_decode(vx_bytes_of(items, 8), &parameters);
        uint32_t broken = vx_values_rules(&parameters, vx_get64(items + 8), vx_get32(items + (windows ? 0x10 : 0x20)),
                                          vx_get32(items + (windows ? 0x14 : 0x24)));
        struct source source = {table, NULL, VX_WITNESS_RESIDUE, true,
                                windows ? "the items stand where Windows puts them and fit together"
                                        : "the items stand where qemu and Disk2vhd put them and fit together"};
        if (broken || !agrees(work, table, items, windows != 0))
            continue;
        if (vx_clue_missing(work, VX_PART_METADATA))
            vx_clue_set(work, VX_PART_METADATA, source.witness, true, "%s", source.evidence);
        forget_exchanged(work, table);
        return take_items(work, &source, err);
    }
    return VHDX_OK;
}

/* Bytes that the pairs of a locator reach to; nothing else than a locator has places inside of itself behind its
 * type. */
static size_t locator_length(struct vx_bytes room)
{
    size_t length = VX_LOCATOR_HEADER_SIZE;
    for (size_t i = 0; i < vx_get16(room.data + 18) && VX_LOCATOR_HEADER_SIZE + (i + 1) * 12 <= room.size; i++) {
        const uint8_t *pair = room.data + VX_LOCATOR_HEADER_SIZE + i * 12;
        length = (size_t)vx_max(length, (uint64_t)vx_get32(pair) + vx_get16(pair + 8));
        length = (size_t)vx_max(length, (uint64_t)vx_get32(pair + 4) + vx_get16(pair + 10));
    }
    return length;
}

/* A former locator may stand there, too: one alone is no question. */
static vhdx_status weigh_locator(struct vx_rebuilding *work, struct vx_bytes found, size_t at, vhdx_error *err)
{
    const struct source source = {NULL, NULL, VX_WITNESS_RESIDUE, true, "its bytes still stand in the metadata region"};
    struct vx_rebuilt *out = work->out;
    if (!out->locator) {
        work->places[VX_PART_LOCATOR] = (struct vx_metadata_entry){.item_id = vx_guid_parent_locator,
                                                                   .offset = (uint32_t)at,
                                                                   .length = (uint32_t)found.size,
                                                                   .flags = VX_ITEM_IS_REQUIRED};
        return keep_locator(work, &source, found, err);
    }
    if (out->locator_size != found.size || memcmp(out->locator, found.data, found.size) != 0)
        vx_clue_set(work, VX_PART_LOCATOR, VX_WITNESS_RESIDUE, false, "%s",
                    "several still stand in the metadata region, and the first of them is taken");
    return VHDX_OK;
}

/* The next place from `at` where a locator with its type has room to begin; SIZE_MAX = there is none. */
static size_t next_locator(struct vx_bytes region, size_t at)
{
    const uint8_t *type = vx_guid_locator_type_vhdx.bytes, *here;
    while (at + VX_LOCATOR_HEADER_SIZE < region.size) {
        here = memchr(region.data + at, type[0], region.size - VX_LOCATOR_HEADER_SIZE - at);
        if (!here)
            break;
        at = (size_t)(here - region.data);
        if (memcmp(here, type, sizeof vx_guid_locator_type_vhdx.bytes) == 0)
            return at;
        at++;
    }
    return SIZE_MAX;
}

static vhdx_status find_locator(struct vx_rebuilding *work, vhdx_error *err)
{
    uint64_t size = vx_min(work->out->metadata.length, 2 * VX_MIB);
    uint8_t *bytes = vx_alloc((size_t)size, 1);
    size_t got;
    if (!bytes)
        return vx_fail_memory(err, "the metadata region");
    const struct vx_bytes region = vx_bytes_of(bytes, (size_t)size);
    vhdx_status status = vx_file_read_some(work->view, bytes, (size_t)size, work->out->metadata.file_offset, &got, err);
    size_t at = next_locator(region, 0);
    while (status == VHDX_OK && at != SIZE_MAX) {
        size_t room = (size_t)size - at, length = locator_length(vx_bytes_of(bytes + at, room));
        if (length <= room && is_locator(vx_bytes_of(bytes + at, length)))
            status = weigh_locator(work, vx_bytes_of(bytes + at, length), at, err);
        at = next_locator(region, at + 1);
    }
    vx_free(bytes);
    return status;
}

static bool all_known(const struct vx_rebuilding *work)
{
    for (int i = VX_PART_METADATA; i <= VX_PART_DISK_ID; i++)
        if (vx_clue_missing(work, (enum vx_part)i))
            return false;
    return true;
}

/* Only where there may be one. */
static vhdx_status look_for_locator(struct vx_rebuilding *work, vhdx_error *err)
{
    bool base =
        !vx_clue_missing(work, VX_PART_PARAMETER_FLAGS) && !(work->out->parameter_flags & VX_PARAMETER_HAS_PARENT);
    return base || !vx_clue_missing(work, VX_PART_LOCATOR) ? VHDX_OK : find_locator(work, err);
}

static vhdx_status rebuild_items(struct vx_rebuilding *work, uint8_t *image, struct vx_metadata_table *table,
                                 vhdx_error *err)
{
    size_t got;
    VX_TRY(vx_file_read_some(work->view, image, IMAGE_SIZE, work->out->metadata.file_offset, &got, err));
    VX_TRY(from_table(work, image, table, err));
    if (!all_known(work)) {
        VX_TRY(from_residue(work, image, table, err));
        VX_TRY(from_usual_places(work, image, table, err));
        VX_TRY(look_for_locator(work, err)); /* what stands is newer than what the log remembers */
        VX_TRY(from_log(work, image, table, err));
    }
    VX_TRY(look_for_locator(work, err));
    VX_TRY(vx_file_read_some(work->view, image, IMAGE_SIZE, work->out->metadata.file_offset, &got, err));
    return vx_rebuild_table(work, image, err);
}

vhdx_status vx_rebuild_items(struct vx_rebuilding *work, vhdx_error *err)
{
    uint8_t *image = vx_alloc(IMAGE_SIZE, 1);
    struct vx_metadata_table *table = vx_alloc(1, sizeof *table);
    vhdx_status status =
        image && table ? rebuild_items(work, image, table, err) : vx_fail_memory(err, "the metadata region");
    vx_free(image);
    vx_free(table);
    return status;
}
