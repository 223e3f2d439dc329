/*
 * Where metadata and BAT lie: from the region tables, from what is left of them, from the log, or found by looking at
 * each MiB of the file for something that can be nothing else. See rebuild.h. Easy to get wrong: a payload block of
 * zeros looks like an empty BAT; only entries that are set are evidence.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "image/region_look.h"
#include "rebuild/rebuild_parts.h"
#include "evidence/region_doubt.h"

#include <inttypes.h>
#include <string.h>

#define ITEMS_OFFSET (64 * VX_KIB)
#define UNUSABLE                                                                                                       \
    (VX_REGION_BAD_CHECKSUM | VX_REGION_TOO_MANY | VX_REGION_DUPLICATE | VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH |  \
     VX_REGION_OVERFLOW | VX_REGION_OVERLAP | VX_REGION_NO_BAT | VX_REGION_NO_METADATA)
#define LOOK_SIZE ((size_t)(64 * VX_KIB)) /* of a possible BAT */
#define FIRST_PLACES UINT64_C(16)         /* MiB in which all known writers put their regions */

/* ---- what an array of entries looks like ---- */

void vx_rebuild_bat_look(struct vx_bytes entries, uint64_t view_size, uint64_t first_index, struct vx_bat_look *look)
{
    for (size_t i = 0; i + VX_BAT_ENTRY_SIZE <= entries.size; i += VX_BAT_ENTRY_SIZE) {
        i += vx_zero_run(entries.data + i, entries.size - i) / VX_BAT_ENTRY_SIZE * VX_BAT_ENTRY_SIZE;
        if (i + VX_BAT_ENTRY_SIZE > entries.size)
            break;
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(entries.data + i));
        look->last_set = first_index + i / VX_BAT_ENTRY_SIZE + 1;
        if (vx_bat_payload_rules(&entry, true) & (VX_BAT_RESERVED_SET | VX_BAT_BAD_STATE | VX_BAT_NO_PLACE))
            look->bad++;
        else if (!vx_bat_payload_owns_space(&entry))
            continue;
        else if (entry.file_offset >= 65 * VX_TIB)
            look->bad++;
        else if (entry.file_offset >= view_size)
            look->beyond++;
        else
            look->present++;
        look->partial += entry.state == VX_PAYLOAD_PARTIALLY_PRESENT;
    }
}

/* ---- the tables ---- */

struct copies {
    struct vx_region_table *tables[2];
    uint8_t *bytes;
};

static vhdx_status read_copy(struct vx_rebuilding *work, struct copies *copies, int slot, bool *decoded,
                             vhdx_error *err)
{
    size_t got;
    uint64_t offset = slot == 0 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
    VX_TRY(vx_file_read_some(work->view, copies->bytes, VX_REGION_TABLE_SIZE, offset, &got, err));
    *decoded = vx_region_table_decode(vx_bytes_of(copies->bytes, got), copies->tables[slot]) == VHDX_OK;
    return VHDX_OK;
}

static struct vx_region entry_of(const struct vx_region_table *table, const vhdx_guid *id)
{
    const struct vx_region *entry = vx_region_find(table, id);
    return entry ? *entry : (struct vx_region){.guid = *id, .required = 1};
}

/* A region that it does not name has place and length 0, which is none: rebuild_settle.c looks for it. */
static void take_table(struct vx_rebuilding *work, const struct vx_region_table *table)
{
    struct vx_rebuilt *out = work->out;
    *out->regions = *table;
    out->regions->reserved = 0;
    out->bat = entry_of(table, &vx_guid_bat_region);
    out->metadata = entry_of(table, &vx_guid_metadata_region);
}

static bool leads_to_metadata(const struct vx_rebuilding *work, const struct vx_region_table *table)
{
    const struct vx_region *metadata = vx_region_find(table, &vx_guid_metadata_region);
    return metadata && vx_region_has_metadata(work->view, metadata->file_offset);
}

/* Lengths are settled when it is known what the disk needs. */
static bool name_the_same_places(const struct vx_region_table *a, const struct vx_region_table *b)
{
    return entry_of(a, &vx_guid_bat_region).file_offset == entry_of(b, &vx_guid_bat_region).file_offset &&
           entry_of(a, &vx_guid_metadata_region).file_offset == entry_of(b, &vx_guid_metadata_region).file_offset;
}

/* Of two whole copies the one that leads to a metadata table and to a BAT; that says as well whether it is sure. */
static int weigh_copies(struct vx_rebuilding *work, const struct copies *copies, bool *sure)
{
    unsigned weights[2];
    for (int i = 0; i < 2; i++)
        weights[i] = vx_region_table_weight(work->view, copies->tables[i]);
    *sure = weights[0] != weights[1] || name_the_same_places(copies->tables[0], copies->tables[1]);
    return weights[0] >= weights[1] ? 0 : 1;
}

static bool choose_copy(struct vx_rebuilding *work, const struct copies *copies, const bool decoded[2])
{
    bool usable[2], equal, sure = true;
    for (int i = 0; i < 2; i++)
        usable[i] = decoded[i] && !(vx_region_table_rules(copies->tables[i]) & UNUSABLE);
    if (!usable[0] && !usable[1])
        return false;
    equal = usable[0] && usable[1] && copies->tables[0]->checksum == copies->tables[1]->checksum;
    int chosen = usable[0] ? 0 : 1;
    if (usable[0] && usable[1] && !equal)
        chosen = weigh_copies(work, copies, &sure);
    take_table(work, copies->tables[chosen]);
    if (equal)
        vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_STORED, true, "%s", "");
    else
        vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_TWIN, sure, "copy %d is %s", chosen + 1,
                    !(usable[0] && usable[1]) ? "whole"
                    : sure                    ? "the one that leads to metadata and BAT"
                                              : "the first, and the other one leads to as much");
    return true;
}

/* A copy whose checksum is right, though not all of its entries can be: what it says is where the search begins. */
static vhdx_status take_broken_copy(struct vx_rebuilding *work, struct copies *copies, bool *taken, vhdx_error *err)
{
    struct vx_region_mended best = {0};
    unsigned weight = 0;
    *taken = false;
    for (int i = 0; i < 2; i++) {
        struct vx_region_mended mended;
        bool decoded;
        VX_TRY(read_copy(work, copies, i, &decoded, err));
        if (!decoded || (vx_region_table_rules(copies->tables[i]) & VX_REGION_BAD_CHECKSUM))
            continue;
        vx_region_table_mend(work->view, copies->tables[i], copies->bytes, &mended);
        unsigned now = vx_region_table_weight(work->view, copies->tables[i]);
        if (*taken && now <= weight)
            continue;
        *taken = true;
        weight = now;
        best = mended;
        take_table(work, copies->tables[i]);
    }
    if (*taken)
        vx_clue_set(work, VX_PART_REGIONS, best.changed ? VX_WITNESS_GEOMETRY : VX_WITNESS_STORED, !best.gives_up, "%s",
                    best.evidence);
    return VHDX_OK;
}

/* Neither checksum is right, but the entries of one copy lead to a metadata table: they are what they were. */
static bool take_legible_copy(struct vx_rebuilding *work, const struct copies *copies, const bool decoded[2])
{
    for (int i = 0; i < 2; i++) {
        const struct vx_region_table *table = copies->tables[i];
        if (!decoded[i] || (vx_region_table_rules(table) & (UNUSABLE ^ VX_REGION_BAD_CHECKSUM)))
            continue;
        if (!leads_to_metadata(work, table))
            continue;
        take_table(work, table);
        vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_RESIDUE, false,
                    "neither copy has a right checksum, but copy %d leads to the metadata table", i + 1);
        return true;
    }
    return false;
}

/* An entry of the log that once wrote the table; the rest of the 64 KiB is zeros, and the checksum proves it. */
static vhdx_status take_logged_copy(struct vx_rebuilding *work, const struct copies *copies, bool *taken,
                                    vhdx_error *err)
{
    *taken = false;
    for (int i = 0; i < 2 && !*taken; i++) {
        uint64_t offset = i == 0 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
        memset(copies->bytes, 0, VX_REGION_TABLE_SIZE);
        for (uint64_t at = 0; at < VX_REGION_TABLE_SIZE; at += VX_PAGE) {
            const struct vx_log_witness *witness = vx_log_witness_find(&work->log, offset + at);
            if (witness)
                VX_TRY(vx_log_witness_page(&work->log, witness, copies->bytes + at, err));
        }
        if (vx_region_table_decode(vx_bytes_of(copies->bytes, VX_REGION_TABLE_SIZE), copies->tables[i]) != VHDX_OK ||
            (vx_region_table_rules(copies->tables[i]) & UNUSABLE))
            continue;
        take_table(work, copies->tables[i]);
        vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_LOG, leads_to_metadata(work, copies->tables[i]), "%s",
                    "an entry of the log holds the whole table, and its checksum is right");
        *taken = true;
    }
    return VHDX_OK;
}

/* ---- looking at each MiB ---- */

vhdx_status vx_rebuild_count_items(struct vx_rebuilding *work, uint64_t offset, uint8_t *bytes, unsigned *count,
                                   vhdx_error *err)
{
    static const vhdx_guid *const known[] = {&vx_guid_file_parameters,     &vx_guid_virtual_disk_size,
                                             &vx_guid_logical_sector_size, &vx_guid_physical_sector_size,
                                             &vx_guid_virtual_disk_id,     &vx_guid_parent_locator};
    size_t got;
    *count = 0;
    VX_TRY(vx_file_read_some(work->view, bytes, VX_PAGE, offset, &got, err));
    for (size_t at = 0; at + VX_METADATA_ENTRY_SIZE <= VX_PAGE; at += VX_METADATA_ENTRY_SIZE)
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            *count += memcmp(bytes + at, known[i]->bytes, sizeof known[i]->bytes) == 0;
    *count += vx_get64(bytes) == VX_SIG_METADATA ? 2 : 0;
    return VHDX_OK;
}

/* The MiB behind `at` that may hold something. */
static uint64_t next_mib(const struct vx_rebuilding *work, uint64_t at)
{
    uint64_t data, length;
    at += VX_MIB;
    if (at >= work->view_size)
        return at;
    vx_file_next_data(work->view, at, &data, &length);
    return length == 0 ? work->view_size : vx_max(at, vx_round_down(data, VX_MIB));
}

vhdx_status vx_rebuild_scan_metadata(struct vx_rebuilding *work, uint8_t *bytes, uint64_t *offset, bool *found,
                                     vhdx_error *err)
{
    unsigned best = 3; /* fewer is no evidence */
    *found = false;
    for (uint64_t at = VX_MIB; at < work->view_size; at = next_mib(work, at)) {
        unsigned count;
        VX_TRY(vx_rebuild_count_items(work, at, bytes, &count, err));
        if (count > best) {
            best = count;
            *offset = at;
            *found = true;
        }
        if (*found && at >= FIRST_PLACES * VX_MIB)
            break;
        VX_TRY(vx_rebuild_progress(work, at, work->view_size, err));
    }
    return VHDX_OK;
}

/* The beginning of a BAT must be free of what cannot be an entry, and must not claim the tables. */
vhdx_status vx_rebuild_try_bat(struct vx_rebuilding *work, uint64_t offset, uint8_t *bytes,
                               struct vx_bat_candidate *best, vhdx_error *err)
{
    struct vx_bat_look look = {0};
    size_t got;
    VX_TRY(vx_file_read_some(work->view, bytes, LOOK_SIZE, offset, &got, err));
    vx_rebuild_bat_look(vx_bytes_of(bytes, got), work->view_size, 0, &look);
    for (size_t i = 0; i + VX_BAT_ENTRY_SIZE <= got && look.bad == 0; i += VX_BAT_ENTRY_SIZE) {
        uint64_t place = vx_round_down(vx_get64(bytes + i), VX_MIB);
        if ((vx_get64(bytes + i) & 4) && (place == offset || place == work->out->metadata.file_offset))
            look.bad++;
    }
    if (look.bad > 0 || look.present == 0 || look.beyond > look.present)
        return VHDX_OK;
    if (best->found && offset == best->end) { /* the next MiB of the same BAT */
        best->end += VX_MIB;
        return VHDX_OK;
    }
    best->rival = best->found && look.present == best->look.present;
    if (best->found && look.present <= best->look.present)
        return VHDX_OK;
    best->found = true;
    best->offset = offset;
    best->end = offset + VX_MIB;
    best->look = look;
    return VHDX_OK;
}

bool vx_rebuild_is_taken(const struct vx_rebuilding *work, uint64_t offset)
{
    const struct vx_header *header = &work->out->header;
    bool log = offset >= header->log_offset && offset - header->log_offset < header->log_length;
    return log || offset == work->out->metadata.file_offset;
}

vhdx_status vx_rebuild_scan_bat(struct vx_rebuilding *work, uint8_t *bytes, struct vx_bat_candidate *best,
                                vhdx_error *err)
{
    *best = (struct vx_bat_candidate){0};
    for (uint64_t at = VX_MIB; at < work->view_size; at = next_mib(work, at)) {
        if (!vx_rebuild_is_taken(work, at))
            VX_TRY(vx_rebuild_try_bat(work, at, bytes, best, err));
        if (best->found && at >= FIRST_PLACES * VX_MIB)
            break;
        VX_TRY(vx_rebuild_progress(work, at, work->view_size, err));
    }
    return VHDX_OK;
}

/* The BAT lies directly before or behind the metadata with all writers that are known. */
uint64_t vx_rebuild_usual_bat(const struct vx_rebuilding *work, bool metadata_found)
{
    uint64_t metadata = work->out->metadata.file_offset;
    if (!metadata_found || metadata != 3 * VX_MIB)
        return 3 * VX_MIB; /* Windows */
    return 2 * VX_MIB;     /* qemu */
}

/* How long the region is, is known when the disk's size is; until then to the next thing that lies behind it. */
uint32_t vx_rebuild_bat_room(const struct vx_rebuilding *work, uint64_t offset, const uint8_t *bytes)
{
    uint64_t end = vx_min(vx_max(work->view_size, offset + VX_MIB), offset + 520 * VX_MIB);
    if (work->out->metadata.file_offset > offset)
        end = vx_min(end, work->out->metadata.file_offset);
    if (work->out->header.log_offset > offset)
        end = vx_min(end, work->out->header.log_offset);
    for (size_t i = 0; i + VX_BAT_ENTRY_SIZE <= LOOK_SIZE; i += VX_BAT_ENTRY_SIZE) {
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(bytes + i));
        if (vx_bat_payload_owns_space(&entry) && entry.file_offset > offset)
            end = vx_min(end, entry.file_offset);
    }
    return (uint32_t)vx_max(VX_MIB, vx_round_down(end - offset, VX_MIB));
}

static void make_table(struct vx_rebuilding *work)
{
    struct vx_rebuilt *out = work->out;
    *out->regions = (struct vx_region_table){.count = 2};
    out->regions->entries[0] = out->bat;
    out->regions->entries[1] = out->metadata;
}

/* Log, metadata and BAT in the first MiB, as all known writers lay them out: then no block is between them. */
static bool is_usual_layout(const struct vx_rebuilding *work, uint64_t offset, uint64_t neighbour)
{
    return work->out->clues[VX_PART_HEADER].witness <= VX_WITNESS_RESIDUE && work->out->header.log_offset == VX_MIB &&
           vx_min(offset, neighbour) == 2 * VX_MIB && vx_max(offset, neighbour) == 3 * VX_MIB;
}

/* Behind all that there is. */
static vhdx_status place_behind(const struct vx_rebuilding *work, uint64_t *offset, vhdx_error *err)
{
    const struct vx_header *header = &work->out->header;
    uint64_t end = vx_max(work->view_size, VX_MIB), log_end = header->log_offset + header->log_length;
    if (header->log_offset <= end + VX_MIB) /* one that is made as well may be there */
        end = vx_max(end, log_end);
    if (!vx_round_up(end, VX_OBJECT_ALIGNMENT, offset) || *offset > INT64_MAX / 2)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(work->file)), "the file is too long");
    return VHDX_OK;
}

vhdx_status vx_rebuild_guess_place(struct vx_rebuilding *work, uint64_t neighbour, uint64_t *offset, vhdx_error *err)
{
    bool blank;
    VX_TRY(vx_region_is_blank(work->view, *offset, VX_MIB, &blank, err));
    work->out->region_taken = work->out->region_taken || !blank;
    if (!blank || is_usual_layout(work, *offset, neighbour))
        return VHDX_OK;
    VX_TRY(place_behind(work, offset, err));
    if (*offset == neighbour)
        *offset += VX_MIB;
    return VHDX_OK;
}

/* Side by side in the second and third MiB, in either order. */
static uint64_t usual_metadata(const struct vx_rebuilding *work, const struct vx_bat_candidate *bat)
{
    bool qemu = bat->found && bat->offset == 2 * VX_MIB;
    return qemu || vx_rebuild_has_usual_items(work, 3 * VX_MIB) ? 3 * VX_MIB : 2 * VX_MIB;
}

/* Guesses what was not found. */
static vhdx_status guess_places(struct vx_rebuilding *work, bool found, struct vx_bat_candidate *bat, vhdx_error *err)
{
    struct vx_region *metadata = &work->out->metadata;
    bool items = found;
    if (!found) {
        metadata->file_offset = usual_metadata(work, bat);
        items = vx_rebuild_has_usual_items(work, metadata->file_offset);
    }
    if (!items)
        VX_TRY(vx_rebuild_guess_place(work, bat->found ? bat->offset : 0, &metadata->file_offset, err));
    if (bat->found)
        return VHDX_OK;
    bat->offset = vx_rebuild_usual_bat(work, items);
    return vx_rebuild_guess_place(work, metadata->file_offset, &bat->offset, err);
}

/* Values at the places where all known writers put the first items. */
bool vx_rebuild_has_usual_items(const struct vx_rebuilding *work, uint64_t offset)
{
    uint8_t items[0x28];
    size_t got;
    struct vx_file_parameters parameters;
    if (vx_file_read_some(work->view, items, sizeof items, offset + ITEMS_OFFSET, &got, NULL) != VHDX_OK ||
        got < sizeof items)
        return false;
    vx_file_parameters_decode(vx_bytes_of(items, 8), &parameters);
    uint64_t size = vx_get64(items + 8);
    return vx_values_rules(&parameters, size, vx_get32(items + 0x10), vx_get32(items + 0x14)) == 0 ||
           vx_values_rules(&parameters, size, vx_get32(items + 0x20), vx_get32(items + 0x24)) == 0;
}

static vhdx_status scan(struct vx_rebuilding *work, uint8_t *bytes, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_bat_candidate bat;
    uint64_t metadata = 0;
    size_t got;
    bool found;
    VX_TRY(vx_rebuild_scan_metadata(work, bytes, &metadata, &found, err));
    out->metadata = (struct vx_region){vx_guid_metadata_region, metadata, (uint32_t)VX_MIB, 1};
    VX_TRY(vx_rebuild_scan_bat(work, bytes, &bat, err));
    VX_TRY(guess_places(work, found, &bat, err));
    metadata = out->metadata.file_offset;
    memset(bytes, 0, LOOK_SIZE);
    VX_TRY(vx_file_read_some(work->view, bytes, LOOK_SIZE, bat.offset, &got, err));
    out->bat = (struct vx_region){vx_guid_bat_region, bat.offset, vx_rebuild_bat_room(work, bat.offset, bytes), 1};
    make_table(work);
    work->bat_length_unknown = true;
    if (found && bat.found)
        vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_GEOMETRY, !bat.rival,
                    "a metadata table was found at 0x%" PRIx64 ", a BAT with %" PRIu64 " blocks at 0x%" PRIx64,
                    metadata, bat.look.present, bat.offset);
    else
        vx_clue_set(work, VX_PART_REGIONS, found || bat.found ? VX_WITNESS_GEOMETRY : VX_WITNESS_DEFAULT, false,
                    "metadata %s 0x%" PRIx64 ", BAT %s 0x%" PRIx64, found ? "was found at" : "is taken to lie at",
                    metadata, bat.found ? "was found at" : "is taken to lie at", bat.offset);
    return VHDX_OK;
}

static vhdx_status rebuild_regions(struct vx_rebuilding *work, struct copies *copies, bool *found, vhdx_error *err)
{
    bool decoded[2], taken;
    VX_TRY(read_copy(work, copies, 0, &decoded[0], err));
    VX_TRY(read_copy(work, copies, 1, &decoded[1], err));
    taken = choose_copy(work, copies, decoded) || take_legible_copy(work, copies, decoded);
    if (!taken)
        VX_TRY(take_logged_copy(work, copies, &taken, err));
    if (!taken)
        VX_TRY(take_broken_copy(work, copies, &taken, err));
    *found = taken;
    return taken ? VHDX_OK : scan(work, copies->bytes, err);
}

static vhdx_status open_copies(struct copies *copies, vhdx_error *err)
{
    *copies = (struct copies){{vx_alloc(1, sizeof *copies->tables[0]), vx_alloc(1, sizeof *copies->tables[0])},
                              vx_alloc(VX_REGION_TABLE_SIZE, 1)};
    return copies->tables[0] && copies->tables[1] && copies->bytes ? VHDX_OK : vx_fail_memory(err, "the region tables");
}

static void close_copies(struct copies *copies)
{
    vx_free(copies->tables[0]);
    vx_free(copies->tables[1]);
    vx_free(copies->bytes);
}

vhdx_status vx_rebuild_regions(struct vx_rebuilding *work, bool *found, vhdx_error *err)
{
    struct copies copies;
    vhdx_status status = open_copies(&copies, err);
    work->out->regions = vx_alloc(1, sizeof *work->out->regions);
    if (status == VHDX_OK && !work->out->regions)
        status = vx_fail_memory(err, "the region tables");
    if (status == VHDX_OK)
        status = rebuild_regions(work, &copies, found, err);
    close_copies(&copies);
    return status;
}

/* ---- the copy that is not in use ---- */

static bool is_longer(const struct vx_rebuilding *work, const struct vx_region_table *table, uint64_t needed)
{
    if (vx_region_table_rules(table) & UNUSABLE)
        return false;
    return vx_region_find(table, &vx_guid_metadata_region)->file_offset == work->out->metadata.file_offset &&
           vx_region_find(table, &vx_guid_bat_region)->length >= needed;
}

static vhdx_status longer_copy(struct vx_rebuilding *work, struct copies *copies, uint64_t needed, bool *taken,
                               vhdx_error *err)
{
    for (int i = 0; i < 2 && !*taken; i++) {
        bool decoded;
        VX_TRY(read_copy(work, copies, i, &decoded, err));
        *taken = decoded && is_longer(work, copies->tables[i], needed);
        if (*taken) {
            take_table(work, copies->tables[i]);
            vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_TWIN, true,
                        "copy %d is the one whose BAT has room for all of the disk", i + 1);
        }
    }
    return VHDX_OK;
}

vhdx_status vx_rebuild_longer_copy(struct vx_rebuilding *work, uint64_t needed, bool *taken, vhdx_error *err)
{
    struct copies copies;
    vhdx_status status = open_copies(&copies, err);
    *taken = false;
    if (status == VHDX_OK)
        status = longer_copy(work, &copies, needed, taken, err);
    close_copies(&copies);
    return status;
}
