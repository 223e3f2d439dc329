/*
 * Values that no metadata item tells any more: from the parent, from the shape of the BAT, from what the guest
 * believes, and last a default. See rebuild.h. Easy to get wrong: a default that only lets the disk be read must not
 * look like a fact; its clue says DEFAULT.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "format/locator.h"
#include "image/header_update.h"
#include "guest/anchors.h"
#include "guest/content.h"
#include "guest/filesystems.h"
#include "rebuild/rebuild_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OFFSETS_MAX ((size_t)1 << 16) /* blocks whose spacing is looked at; more of them prove no more */
#define CHUNK_BYTES(sector) ((uint64_t)(sector) << 23)

/* ---- the BAT before its geometry is known ---- */

static bool is_bitmap_index(uint64_t index, uint64_t block_size, uint32_t sector);

/* Bytes of the BAT; where the log alone knows pages of it, as the log has them. */
static vhdx_status read_bat(struct vx_rebuilding *work, uint8_t *bytes, size_t length, uint64_t at, size_t *got,
                            vhdx_error *err)
{
    const uint64_t place = work->out->bat.file_offset + at;
    VX_TRY(vx_file_read_some(work->view, bytes, length, place, got, err));
    for (size_t done = 0; work->bat_by_log && done < *got;) {
        uint64_t in_page = (place + done) % VX_PAGE;
        size_t here = (size_t)vx_min(VX_PAGE - in_page, *got - done);
        const struct vx_log_witness *witness = vx_log_witness_find(&work->log, place + done - in_page);
        uint8_t page[VX_PAGE];
        if (witness) {
            VX_TRY(vx_log_witness_page(&work->log, witness, page, err));
            memcpy(bytes + done, page + in_page, here);
        }
        done += here;
    }
    return VHDX_OK;
}

/* The last entry that is set and no sector bitmap's, once the sizes are known. */
struct last_payload {
    bool sound;       /* entries that break a rule do not count: a wrong bit is no block */
    uint64_t entries; /* up to it */
};

static bool counts(const struct vx_rebuilt *out, const struct last_payload *last, uint64_t raw, uint64_t index)
{
    const uint32_t odd = VX_BAT_RESERVED_SET | VX_BAT_BAD_STATE | VX_BAT_NO_PLACE | VX_BAT_STRAY_OFFSET;
    struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    return raw != 0 && !is_bitmap_index(index, out->block_size, out->logical_sector) &&
           !(last->sound && (vx_bat_payload_rules(&entry, true) & odd));
}

/* `last`: NULL = not asked for */
static vhdx_status look_at_bat(struct vx_rebuilding *work, struct vx_bat_look *look, struct last_payload *last,
                               vhdx_error *err)
{
    const struct vx_rebuilt *out = work->out;
    uint8_t *bytes = vx_alloc(64, VX_KIB);
    uint64_t length =
        vx_min(work->out->bat.length, work->view_size - vx_min(work->view_size, work->out->bat.file_offset));
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the BAT");
    for (uint64_t at = 0; status == VHDX_OK && at < length; at += 64 * VX_KIB) {
        size_t got;
        uint64_t here = vx_min(64 * VX_KIB, length - at);
        status = read_bat(work, bytes, (size_t)here, at, &got, err);
        if (status == VHDX_OK)
            vx_rebuild_bat_look(vx_bytes_of(bytes, got), work->view_size, at / VX_BAT_ENTRY_SIZE, look);
        if (status == VHDX_OK && vx_is_zero(bytes, got))
            continue;
        for (size_t i = 0; last && status == VHDX_OK && i + VX_BAT_ENTRY_SIZE <= got; i += VX_BAT_ENTRY_SIZE)
            if (counts(out, last, vx_get64(bytes + i), (at + i) / VX_BAT_ENTRY_SIZE))
                last->entries = (at + i) / VX_BAT_ENTRY_SIZE + 1;
    }
    vx_free(bytes);
    return status;
}

/* ---- block size ---- */

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Whether the entry at this index belongs to a sector bitmap if blocks have this size. */
static bool is_bitmap_index(uint64_t index, uint64_t block_size, uint32_t sector)
{
    uint64_t ratio = CHUNK_BYTES(sector) / block_size;
    return index % (ratio + 1) == ratio;
}

/* File offsets of payload blocks in the file, sorted, if blocks have this size; a place that two of them claim counts
 * once, it tells no spacing. */
static size_t gather_offsets(struct vx_bytes entries, uint64_t block_size, uint32_t sector, uint64_t file_size,
                             uint64_t *offsets)
{
    size_t count = 0;
    for (size_t i = 0; (i + 1) * VX_BAT_ENTRY_SIZE <= entries.size && count < OFFSETS_MAX; i++) {
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(entries.data + i * VX_BAT_ENTRY_SIZE));
        if ((entry.state == VX_PAYLOAD_FULLY_PRESENT || entry.state == VX_PAYLOAD_PARTIALLY_PRESENT) &&
            entry.file_offset > 0 && entry.file_offset < file_size && !is_bitmap_index(i, block_size, sector))
            offsets[count++] = entry.file_offset;
    }
    if (count > 1)
        qsort(offsets, count, sizeof *offsets, ascending);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || offsets[i] != offsets[i - 1])
            offsets[kept++] = offsets[i];
    return kept;
}

struct spacing {
    uint64_t count, last; /* blocks, place of the last one */
    uint64_t touching;    /* pairs of neighbours exactly one block apart */
    uint64_t overlaps;    /* pairs that are less apart */
};

/* A few entries may be damaged; a wrong size makes most pairs overlap. */
#define TOUCHING_FOR_ONE_OVERLAP 8u

static struct spacing look_at_spacing(const uint64_t *offsets, size_t count, uint64_t block_size)
{
    struct spacing spacing = {.count = count, .last = count > 0 ? offsets[count - 1] : 0};
    for (size_t i = 1; i < count; i++) {
        spacing.overlaps += offsets[i] - offsets[i - 1] < block_size;
        spacing.touching += offsets[i] - offsets[i - 1] == block_size;
    }
    return spacing;
}

static void take_block_size(struct vx_rebuilding *work, uint64_t size, struct spacing spacing)
{
    struct vx_rebuilt *out = work->out;
    bool ends = spacing.last + size == out->file_size;
    out->block_size = (uint32_t)size;
    vx_clue_set(work, VX_PART_BLOCK_SIZE, VX_WITNESS_GEOMETRY, spacing.touching > 0 && spacing.overlaps == 0 && ends,
                "of %" PRIu64 " blocks %" PRIu64 " stand exactly %" PRIu64 " MiB apart%s", spacing.count,
                spacing.touching, size / VX_MIB, ends ? ", and the last one ends with the file" : "");
}

/* The largest size with which blocks stand side by side and do not overlap (the file may be cut); else the largest with
 * which they have room. Proven when the last one then ends with the file. */
static void judge_block_size(struct vx_rebuilding *work, struct vx_bytes entries, uint32_t sector, uint64_t *offsets)
{
    const uint64_t file_size = work->out->file_size;
    struct spacing roomy = {0};
    uint64_t roomy_size = 0;
    for (uint64_t size = VX_BLOCK_SIZE_MAX; size >= VX_BLOCK_SIZE_MIN; size /= 2) {
        size_t count = gather_offsets(entries, size, sector, file_size, offsets);
        struct spacing spacing = look_at_spacing(offsets, count, size);
        if (spacing.touching > 0 && spacing.touching >= spacing.overlaps * TOUCHING_FOR_ONE_OVERLAP) {
            take_block_size(work, size, spacing);
            return;
        }
        bool room = count > 0 && (size == VX_BLOCK_SIZE_MIN || file_size - spacing.last >= size);
        if (roomy_size == 0 && room && spacing.overlaps == 0) {
            roomy = spacing;
            roomy_size = size;
        }
    }
    if (roomy_size > 0)
        take_block_size(work, roomy_size, roomy);
}

/* An old entry of the log may be older than the value that is gone: what proves a value goes before it, what only
 * suggests one comes after it. */
static bool is_only_logged(const struct vx_rebuilding *work, enum vx_part part)
{
    const struct vx_clue *clue = &work->out->clues[part];
    return clue->witness == VX_WITNESS_LOG && !clue->lossless;
}

vhdx_status vx_rebuild_block_size(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_clue *clue = &out->clues[VX_PART_BLOCK_SIZE];
    const struct vx_clue former = *clue;
    uint32_t former_size = out->block_size;
    uint32_t sector = out->logical_sector ? out->logical_sector : 512;
    size_t room = (size_t)vx_min(out->bat.length, OFFSETS_MAX * VX_BAT_ENTRY_SIZE), got = 0;
    uint64_t *offsets = vx_alloc(OFFSETS_MAX, sizeof *offsets);
    uint8_t *entries = vx_alloc(room, 1);
    vhdx_status status = VHDX_NOMEM;
    if (offsets && entries) {
        status = read_bat(work, entries, room, 0, &got, err);
        if (status == VHDX_OK)
            judge_block_size(work, vx_bytes_of(entries, got), sector, offsets);
    } else {
        vx_fail_memory(err, "the spacing of blocks");
    }
    clue->lossless = clue->lossless && !work->bat_by_log; /* the log may remember an older disk */
    if (former.witness != VX_WITNESS_NONE && !clue->lossless) {
        *clue = former;
        out->block_size = former_size;
    }
    vx_free(offsets);
    vx_free(entries);
    return status;
}

/* ---- what the guest says ---- */

struct guess {
    struct vx_rebuilding *work;
    uint64_t block_size;
    uint32_t sector;
};

/* Reads the virtual disk by the BAT alone; without a block size only the first MiB can be had. */
static bool read_guess(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    struct guess *guess = context;
    uint8_t *out = buf;
    uint64_t size = guess->block_size ? guess->block_size : VX_MIB;
    while (length > 0) {
        uint8_t raw[VX_BAT_ENTRY_SIZE];
        size_t got, here = (size_t)vx_min(length, size - virtual_offset % size);
        uint64_t block = virtual_offset / size, index = block + block / (CHUNK_BYTES(guess->sector) / size);
        if ((!guess->block_size && block > 0) || index >= guess->work->out->bat.length / VX_BAT_ENTRY_SIZE)
            return false;
        if (read_bat(guess->work, raw, sizeof raw, index * VX_BAT_ENTRY_SIZE, &got, NULL) != VHDX_OK ||
            got < sizeof raw)
            return false;
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(raw));
        if (entry.state != VX_PAYLOAD_FULLY_PRESENT || entry.file_offset == 0 || entry.file_offset >= INT64_MAX / 2)
            return false;
        if (vx_file_read_some(guess->work->view, out, here, entry.file_offset + virtual_offset % size, &got, NULL) !=
                VHDX_OK ||
            got < here)
            return false;
        out += here;
        virtual_offset += here;
        length -= here;
    }
    return true;
}

void vx_rebuild_ask_guest(struct vx_rebuilding *work, struct vx_content *content)
{
    struct guess guess = {work, work->out->block_size, work->out->logical_sector ? work->out->logical_sector : 512};
    uint64_t size = work->out->virtual_size;
    struct vx_content_source source = {&guess, read_guess, size ? size : UINT64_MAX, work->out->logical_sector};
    if (vx_clue_missing(work, VX_PART_VIRTUAL_SIZE)) /* what stands there is no disk's size, and no limit */
        source.size = UINT64_MAX;
    vx_content_look(&source, content);
    if (source.size != UINT64_MAX || content->primary.found || size == 0)
        return;
    *content = (struct vx_content){0};
    source.size = size;
    vx_content_look(&source, content);
}

/* Neither metadata nor BAT: a partition table at the start of some MiB still says how large the disk is and where it
 * begins. */
static vhdx_status find_disk_in_file(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint8_t bytes[3 * 4096];
    for (uint64_t at = 2 * VX_MIB; at < work->view_size && out->virtual_size == 0; at += VX_MIB) {
        size_t got;
        VX_TRY(vx_file_read_some(work->view, bytes, sizeof bytes, at, &got, err));
        for (uint32_t sector = 512; sector <= 4096; sector *= 8) {
            uint64_t own, other, size;
            if (!vx_anchor_gpt(vx_bytes_of(bytes, got), sector, sector, &own, &other) || own != 1 ||
                !vx_add(other, 1, &other) || !vx_mul(other, sector, &size) || size > VX_VIRTUAL_SIZE_MAX)
                continue;
            bool whole = size <= work->view_size - at;
            out->virtual_size = size;
            vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_CONTENT, false,
                        "a GPT at 0x%" PRIx64 " of the file says that the disk ends at %" PRIu64 " bytes", at, size);
            out->logical_sector = sector;
            vx_clue_set(work, VX_PART_LOGICAL_SECTOR, VX_WITNESS_CONTENT, true, "%s",
                        "the GPT lies in the disk's second sector");
            if (!whole || !vx_clue_missing(work, VX_PART_BLOCK_SIZE))
                continue;
            out->block_size = (uint32_t)VX_MIB; /* of blocks in one row any size tells the same */
            vx_clue_set(work, VX_PART_BLOCK_SIZE, VX_WITNESS_GEOMETRY, false, "%s",
                        "the file is long enough for all of the disk in one row: any size will do");
            out->parameter_flags = VX_PARAMETER_LEAVE_BLOCK_ALLOCATED;
            vx_clue_set(work, VX_PART_PARAMETER_FLAGS, VX_WITNESS_GEOMETRY, false, "%s",
                        "the file is long enough for all of the disk: a fixed one");
        }
        VX_TRY(vx_rebuild_progress(work, at, work->view_size, err));
    }
    return VHDX_OK;
}

/* ---- one value after the other ---- */

/* The disk is not marked as a child. With a locator and a child's BAT it is one, with sector bitmaps
 * alone it may be. */
static void doubt_base(struct vx_rebuilding *work)
{
    struct vx_rebuilt *out = work->out;
    if (out->locator)
        out->parameter_flags = VX_PARAMETER_HAS_PARENT;
    vx_clue_set(work, VX_PART_PARAMETER_FLAGS, VX_WITNESS_GEOMETRY, false, "%s",
                out->locator ? "it has a parent locator, and partially present blocks or sector bitmaps, though it is "
                               "not marked as a child"
                             : "it has sector bitmaps, but neither a mark of a child nor a parent locator");
}

/* Before anything that is asked of sizes: which entries are those of sector bitmaps, and may say something, hangs on
 * it. */
static void find_kind(struct vx_rebuilding *work, bool partial, bool bitmaps)
{
    struct vx_rebuilt *out = work->out;
    bool is_base = !(out->parameter_flags & VX_PARAMETER_HAS_PARENT);
    if (!vx_clue_missing(work, VX_PART_PARAMETER_FLAGS)) {
        if (is_base && (bitmaps || (partial && out->locator)))
            doubt_base(work);
        return;
    }
    out->parameter_flags = 0;
    if (out->locator || partial) {
        out->parameter_flags = VX_PARAMETER_HAS_PARENT;
        vx_clue_set(work, VX_PART_PARAMETER_FLAGS, VX_WITNESS_GEOMETRY, true, "%s",
                    out->locator ? "it has a parent locator" : "it has partially present blocks");
        return;
    }
    bool table =
        out->clues[VX_PART_METADATA].witness == VX_WITNESS_STORED; /* and names no locator, or it had been found */
    vx_clue_set(work, VX_PART_PARAMETER_FLAGS, VX_WITNESS_GEOMETRY,
                table && !vx_metadata_find(work->table, &vx_guid_parent_locator), "%s",
                "it has neither a parent locator nor partially present blocks: a disk without parent");
}

static void find_sectors(struct vx_rebuilding *work, const struct vx_content *content)
{
    struct vx_rebuilt *out = work->out;
    bool proven;
    const struct vx_parent_hint *parent = vx_rebuild_parent(work, &proven);
    if (vx_clue_missing(work, VX_PART_LOGICAL_SECTOR) && parent) {
        out->logical_sector = parent->logical_sector;
        vx_clue_set(work, VX_PART_LOGICAL_SECTOR, VX_WITNESS_PARENT, proven, "%s", "parent and child have the same");
    } else if (vx_clue_missing(work, VX_PART_LOGICAL_SECTOR) && content->implied_sector_size) {
        out->logical_sector = content->implied_sector_size;
        vx_clue_set(work, VX_PART_LOGICAL_SECTOR, VX_WITNESS_CONTENT, true, "%s",
                    "the GPT lies in the disk's second sector");
    } else if (vx_clue_missing(work, VX_PART_LOGICAL_SECTOR)) {
        out->logical_sector = 512;
        vx_clue_set(work, VX_PART_LOGICAL_SECTOR, VX_WITNESS_DEFAULT, false, "%s", "what most disks have");
    }
    if (!vx_clue_missing(work, VX_PART_PHYSICAL_SECTOR))
        return;
    out->physical_sector = parent ? parent->physical_sector : 4096;
    vx_clue_set(work, VX_PART_PHYSICAL_SECTOR, parent ? VX_WITNESS_PARENT : VX_WITNESS_DEFAULT, false, "%s",
                parent ? "that of the parent" : "what Windows gives a new disk; no content depends on it");
}

static vhdx_status find_id(struct vx_rebuilding *work, vhdx_error *err)
{
    if (!vx_clue_missing(work, VX_PART_DISK_ID))
        return VHDX_OK;
    bool proven;
    const struct vx_parent_hint *parent = vx_rebuild_parent(work, &proven);
    if (parent) {
        work->out->virtual_disk_id = parent->disk_id;
        vx_clue_set(work, VX_PART_DISK_ID, VX_WITNESS_PARENT, proven, "%s", "children keep their parent's");
        return VHDX_OK;
    }
    vx_clue_set(work, VX_PART_DISK_ID, VX_WITNESS_DEFAULT, false, "%s", "a new one; no content depends on it");
    return vx_new_guid(work->options->host, &work->out->virtual_disk_id, err);
}

/* No more than the BAT can hold, and no less than its last entry. */
static uint64_t size_of_entries(const struct vx_rebuilt *out, uint64_t entries)
{
    uint64_t ratio = CHUNK_BYTES(out->logical_sector) / out->block_size;
    uint64_t blocks = entries - entries / (ratio + 1);
    return vx_min(vx_max(blocks, 1) * out->block_size, VX_VIRTUAL_SIZE_MAX);
}

vhdx_status vx_rebuild_least_size(struct vx_rebuilding *work, bool sound, uint64_t *size, vhdx_error *err)
{
    struct vx_bat_look look = {0};
    struct last_payload last = {.sound = sound};
    VX_TRY(look_at_bat(work, &look, &last, err));
    *size = size_of_entries(work->out, last.entries);
    return VHDX_OK;
}

static void find_size(struct vx_rebuilding *work, uint64_t last_set, const struct vx_content *content)
{
    struct vx_rebuilt *out = work->out;
    bool proven;
    const struct vx_parent_hint *parent = vx_rebuild_parent(work, &proven);
    uint64_t least = size_of_entries(out, last_set);
    uint64_t implied = vx_round_down(content->implied_size, out->logical_sector);
    if (!vx_clue_missing(work, VX_PART_VIRTUAL_SIZE) && out->virtual_size % out->logical_sector == 0) {
        if (is_only_logged(work, VX_PART_VIRTUAL_SIZE) && content->backup.found && implied == out->virtual_size)
            vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_LOG, true, "%s",
                        "an old entry of the log holds it, and the GPT's backup stands at that end");
        return;
    }
    uint64_t whole = vx_round_down(out->virtual_size, out->logical_sector);
    bool cut = content->backup.found && implied > whole && implied <= VX_VIRTUAL_SIZE_MAX;
    if (whole > 0 && whole <= VX_VIRTUAL_SIZE_MAX && whole + out->block_size > least && !cut) {
        out->virtual_size = whole;
        out->size_rounded = !content->backup.found || implied != whole;
        bool sure = !content->backup.found || implied == whole;
        vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_RESIDUE, sure,
                    "the size that stands there, without the part of a sector at its end: %" PRIu64 " bytes%s", whole,
                    sure ? "" : ", though the GPT's backup stands at another end");
        work->size_unknown = false;
        return;
    }
    if (implied > 0 && implied <= VX_VIRTUAL_SIZE_MAX && implied + out->block_size > least) {
        out->virtual_size = implied;
        vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_CONTENT, content->backup.found,
                    "the GPT ends at %" PRIu64 " bytes%s", implied,
                    content->backup.found ? ", and its backup stands there" : "");
    } else if (parent) {
        out->virtual_size = vx_max(parent->virtual_size, least);
        vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_PARENT, false, "%s", "the size of the parent");
    } else {
        out->virtual_size = least;
        vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_GEOMETRY, false,
                    "the BAT's last entry in use is number %" PRIu64 "; the disk may have been larger", last_set);
        return;
    }
    work->size_unknown = false;
}

/* NTFS keeps a copy of its boot sector behind what it calls its end. */
static uint64_t end_of(const struct vx_fs *fs)
{
    return fs->kind == VX_FS_NTFS && fs->size > 0 ? fs->size + 512 : fs->size;
}

/* What a file system in the file says of its size, where nothing says where it is on the disk: no less than that. */
struct window {
    struct vx_rebuilding *work;
    uint64_t file_offset;
};

static bool read_window(void *context, void *buf, size_t length, uint64_t offset)
{
    const struct window *window = context;
    size_t got;
    return vx_file_read_some(window->work->view, buf, length, window->file_offset + offset, &got, NULL) == VHDX_OK &&
           got == length;
}

static vhdx_status find_file_system(struct vx_rebuilding *work, uint64_t *size, vhdx_error *err)
{
    *size = 0;
    for (uint64_t at = 2 * VX_MIB; at < work->view_size; at += VX_MIB) {
        struct window window = {work, at};
        const struct vx_content_source source = {&window, read_window, VX_MIB, 0};
        struct vx_fs fs;
        vx_fs_look(&source, 0, UINT64_MAX, &fs);
        if (fs.kind != VX_FS_NONE && fs.size <= VX_VIRTUAL_SIZE_MAX)
            *size = vx_max(*size, end_of(&fs));
        VX_TRY(vx_rebuild_progress(work, at, work->view_size, err));
    }
    return VHDX_OK;
}

/* The end of the last partition or file system, as far as the guest says it. */
static uint64_t reach_of(const struct vx_content *content)
{
    uint64_t reach = content->table == VX_TABLE_NONE ? end_of(&content->whole) : 0, end;
    for (uint32_t i = 0; i < content->partition_count; i++)
        if (vx_add(content->partitions[i].offset, content->partitions[i].length, &end))
            reach = vx_max(reach, end);
    return reach;
}

/* A size that nothing but the BAT's last entry, or nothing at all, speaks for is too small where the guest's is
 * larger. */
static vhdx_status widen_size(struct vx_rebuilding *work, const struct vx_content *content, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint64_t reach = reach_of(content);
    if (out->clues[VX_PART_VIRTUAL_SIZE].witness != VX_WITNESS_GEOMETRY)
        return VHDX_OK;
    if (reach == 0 && work->size_unknown)
        VX_TRY(find_file_system(work, &reach, err));
    if (reach > VX_VIRTUAL_SIZE_MAX || reach <= out->virtual_size || !vx_round_up(reach, out->logical_sector, &reach))
        return VHDX_OK;
    out->virtual_size = reach;
    work->size_unknown = false;
    vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_CONTENT, false,
                "a file system or partition in it ends at %" PRIu64 " bytes; the disk may have been larger", reach);
    return VHDX_OK;
}

static void settle_geometry(struct vx_rebuilding *work)
{
    struct vx_rebuilt *out = work->out;
    bool has_parent = (out->parameter_flags & VX_PARAMETER_HAS_PARENT) != 0;
    if (!vx_geometry_init(&out->geometry, out->virtual_size, out->block_size, out->logical_sector, has_parent))
        out->geometry = (struct vx_geometry){0};
}

static vhdx_status rebuild_values(struct vx_rebuilding *work, struct vx_content *content, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_bat_look look = {0};
    struct last_payload last = {0};
    bool bitmaps = false;
    vx_rebuild_take_told(work);
    VX_TRY(look_at_bat(work, &look, NULL, err));
    if (look.present == 0 && work->log.count > 0) {
        work->bat_by_log = true;
        look = (struct vx_bat_look){0};
        VX_TRY(look_at_bat(work, &look, NULL, err));
    }
    if (vx_clue_missing(work, VX_PART_VIRTUAL_SIZE) && look.present == 0)
        VX_TRY(find_disk_in_file(work, err));
    if (!(out->parameter_flags & VX_PARAMETER_HAS_PARENT))
        VX_TRY(vx_rebuild_has_bitmaps(work, &bitmaps, err));
    find_kind(work, look.partial > 0, bitmaps);
    VX_TRY(vx_rebuild_sizes(work, err));
    if ((vx_clue_missing(work, VX_PART_BLOCK_SIZE) || is_only_logged(work, VX_PART_BLOCK_SIZE)) && look.present > 0)
        VX_TRY(vx_rebuild_block_size(work, err));
    if (vx_clue_missing(work, VX_PART_LOGICAL_SECTOR) || vx_clue_missing(work, VX_PART_VIRTUAL_SIZE) ||
        is_only_logged(work, VX_PART_VIRTUAL_SIZE))
        vx_rebuild_ask_guest(work, content);
    find_sectors(work, content);
    if (vx_clue_missing(work, VX_PART_BLOCK_SIZE)) {
        bool child = (out->parameter_flags & VX_PARAMETER_HAS_PARENT) != 0;
        out->block_size = (uint32_t)((child ? 2 : 32) * VX_MIB);
        vx_clue_set(work, VX_PART_BLOCK_SIZE, VX_WITNESS_DEFAULT, false, "%s", "what Windows gives such a disk");
    }
    VX_TRY(find_id(work, err));
    if (vx_clue_missing(work, VX_PART_VIRTUAL_SIZE)) {
        struct vx_bat_look again = {0};
        VX_TRY(look_at_bat(work, &again, &last, err));
        work->size_unknown = again.present == 0 || again.bad > again.present ||
                             out->clues[VX_PART_REGIONS].witness == VX_WITNESS_DEFAULT;
    }
    find_size(work, last.entries, content);
    VX_TRY(widen_size(work, content, err));
    work->bat_by_log = false; /* which of these entries are right is rebuild_bat.c's to say */
    if (!out->locator && !(out->parameter_flags & VX_PARAMETER_HAS_PARENT))
        vx_clue_set(work, VX_PART_LOCATOR, VX_WITNESS_STORED, true, "%s", "");
    if (vx_clue_missing(work, VX_PART_METADATA))
        vx_clue_set(work, VX_PART_METADATA, VX_WITNESS_DEFAULT, false, "%s",
                    "the items are written anew, as Windows packs them");
    settle_geometry(work);
    return vx_rebuild_doubt_sizes(work, err);
}

vhdx_status vx_rebuild_values(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_content *content = vx_alloc(1, sizeof *content);
    if (!content)
        return vx_fail_memory(err, "a look inside of the disk");
    vhdx_status status = rebuild_values(work, content, err);
    vx_free(content);
    return status;
}
