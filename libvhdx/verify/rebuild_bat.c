/*
 * The BAT: which of its pages say nothing, what the log's old entries say instead, and who owns the file's space then.
 * See rebuild.h. What the guest's own structures say is rebuild_content.c's. Easy to get wrong: a page of zeros is a
 * page of a disk that nobody has written to, until something lies in the file that nobody owns.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "verify/bat_page.h"
#include "verify/rebuild_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ENTRIES VX_BAT_PAGE_ENTRIES
#define ALIKE_MOST (UINT64_C(1) << 16)
#define STRAYS_MAX ((size_t)1 << 16)

/* ---- claims ---- */

static bool get_bit(const uint8_t *bits, uint64_t index)
{
    return bits[index / 8] >> index % 8 & 1;
}

static void set_bit(uint8_t *bits, uint64_t index)
{
    bits[index / 8] = (uint8_t)(bits[index / 8] | 1u << index % 8);
}

/* false: somebody had a part of it before. */
bool vx_claim(struct vx_claims *claims, uint64_t offset, uint64_t length)
{
    bool alone = true;
    uint64_t end = vx_min(claims->mib_count, vx_ceil_div(length, VX_MIB) + offset / VX_MIB);
    for (uint64_t mib = offset / VX_MIB; mib < end; mib++) {
        if (get_bit(claims->once, mib)) {
            set_bit(claims->more, mib);
            alone = false;
        }
        set_bit(claims->once, mib);
    }
    return alone;
}

bool vx_claims_free(const struct vx_claims *claims, uint64_t offset, uint64_t length)
{
    uint64_t end = vx_min(claims->mib_count, vx_ceil_div(length, VX_MIB) + offset / VX_MIB);
    for (uint64_t mib = offset / VX_MIB; mib < end; mib++)
        if (get_bit(claims->once, mib))
            return false;
    return true;
}

bool vx_claims_shared(const struct vx_claims *claims, uint64_t offset, uint64_t length)
{
    uint64_t end = vx_min(claims->mib_count, vx_ceil_div(offset + length, VX_MIB));
    for (uint64_t mib = offset / VX_MIB; mib < end; mib++)
        if (get_bit(claims->more, mib))
            return true;
    return false;
}

bool vx_rebuilt_shared(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length)
{
    return vx_claims_shared(&rebuilt->claims, file_offset, length);
}

bool vx_rebuilt_is_free(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length)
{
    return file_offset >= VX_MIB && file_offset < rebuilt->file_size && length <= rebuilt->file_size - file_offset &&
           vx_claims_free(&rebuilt->claims, file_offset, length);
}

void vx_claim_structures(const struct vx_rebuilt *out, struct vx_claims *claims)
{
    vx_claim(claims, 0, VX_HEADER_SECTION_SIZE);
    vx_claim(claims, out->header.log_offset, out->header.log_length);
    for (uint32_t i = 0; i < out->regions->count && i < VX_REGION_MAX; i++)
        vx_claim(claims, out->regions->entries[i].file_offset, out->regions->entries[i].length);
    if (out->room.cure == VX_ROOM_LENGTH)
        vx_claim(claims, out->bat.file_offset + out->room.former.length, out->bat.length - out->room.former.length);
}

vhdx_status vx_rebuild_open_claims(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    vx_free(out->claims.once);
    vx_free(out->claims.more);
    out->claims.once = out->claims.more = NULL;
    out->claims.mib_count = vx_ceil_div(work->view_size, VX_MIB);
    size_t bytes = (size_t)(out->claims.mib_count / 8 + 1);
    out->claims.once = vx_alloc(bytes, 1);
    out->claims.more = vx_alloc(bytes, 1);
    if (!out->claims.once || !out->claims.more)
        return vx_fail_memory(err, "the map of the file's space");
    vx_claim_structures(out, &out->claims);
    return VHDX_OK;
}

/* ---- entries ---- */

static bool owns(const struct vx_rebuilt *out, uint64_t index, const struct vx_bat_entry *entry, uint64_t *length)
{
    uint64_t which;
    bool payload = vx_geometry_is_payload(&out->geometry, index, &which);
    *length = payload ? out->block_size : VX_BITMAP_BLOCK_SIZE;
    if (entry->file_offset == 0 || entry->file_offset > INT64_MAX)
        return false;
    return payload ? vx_bat_payload_owns_space(entry) : entry->state == VX_BITMAP_PRESENT;
}

static struct vx_bat_world world_of(const struct vx_rebuilt *out)
{
    return (struct vx_bat_world){&out->geometry, out->file_size};
}

static bool is_bad(const struct vx_rebuilt *out, uint64_t index, const struct vx_bat_entry *entry)
{
    const struct vx_bat_world world = world_of(out);
    return vx_bat_entry_is_bad(&world, index, entry);
}

static uint32_t entries_in_page(const struct vx_rebuilt *out, uint64_t page)
{
    return vx_bat_page_entries(&out->geometry, page);
}

void vx_rebuild_look_at_page(const struct vx_rebuilt *out, uint64_t page, const uint8_t *bytes,
                             struct vx_page_look *look)
{
    const struct vx_bat_world world = world_of(out);
    *look = (struct vx_page_look){0};
    vx_bat_page_look(&world, page, bytes, &look->entries);
    for (uint32_t i = 0; i < entries_in_page(out, page); i++) {
        uint64_t raw = vx_get64(bytes + i * VX_BAT_ENTRY_SIZE), length, index = page * PAGE_ENTRIES + i;
        struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        look->said += entry.state != VX_PAYLOAD_NOT_PRESENT;
        look->nowhere += entry.state == VX_PAYLOAD_FULLY_PRESENT && entry.reserved == 0 &&
                         (entry.file_offset < VX_MIB || entry.file_offset >= out->file_size);
        if (!is_bad(out, index, &entry) && owns(out, index, &entry, &length)) {
            look->owners++;
            look->conflicts += !vx_claims_free(&out->claims, entry.file_offset, length);
        }
    }
}

uint64_t vx_rebuild_claim_page(struct vx_rebuilt *out, uint64_t page, const uint8_t *bytes)
{
    uint64_t contested = 0;
    for (uint32_t i = 0; i < entries_in_page(out, page); i++) {
        uint64_t length, index = page * PAGE_ENTRIES + i;
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(bytes + i * VX_BAT_ENTRY_SIZE));
        if (!is_bad(out, index, &entry) && owns(out, index, &entry, &length))
            contested += !vx_claim(&out->claims, entry.file_offset, length);
    }
    return contested;
}

/* In the order of their bits; 0 = nobody. */
static const enum vx_witness proposers[] = {VX_WITNESS_STORED, VX_WITNESS_LOG, VX_WITNESS_CONTENT, VX_WITNESS_GEOMETRY};

static void set_witness(struct vx_rebuilt *out, uint64_t bat_index, enum vx_witness witness)
{
    unsigned shift = bat_index % 4 * 2, bits = 1;
    while (bits < 3 && proposers[bits] != witness)
        bits++;
    out->placed[bat_index / 4] = (uint8_t)((out->placed[bat_index / 4] & ~(3u << shift)) | bits << shift);
}

vhdx_status vx_place(struct vx_rebuilding *work, const struct vx_placement *placement, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint8_t raw[VX_BAT_ENTRY_SIZE];
    uint64_t length;
    if (!out->placed)
        out->placed = vx_alloc((size_t)(out->geometry.entry_count / 4 + 1), 1);
    if (!out->placed)
        return vx_fail_memory(err, "the places of lost blocks");
    if (vx_rebuilt_witness(out, placement->bat_index) == VX_WITNESS_STORED) {
        out->placement_count++;
        out->placed_by_log += placement->witness == VX_WITNESS_LOG;
        out->placed_surely += placement->lossless;
    }
    set_witness(out, placement->bat_index, placement->witness);
    struct vx_bat_entry entry = vx_bat_entry_decode(placement->raw);
    if (owns(out, placement->bat_index, &entry, &length))
        vx_claim(&out->claims, entry.file_offset, length);
    vx_put64(raw, placement->raw);
    return vx_file_write(work->view, raw, sizeof raw, out->bat.file_offset + placement->bat_index * VX_BAT_ENTRY_SIZE,
                         err);
}

enum vx_witness vx_rebuilt_witness(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    if (!rebuilt->placed || bat_index >= rebuilt->geometry.entry_count)
        return VX_WITNESS_STORED;
    return proposers[rebuilt->placed[bat_index / 4] >> bat_index % 4 * 2 & 3];
}

vhdx_status vx_rebuilt_entry(const struct vx_rebuilt *rebuilt, uint64_t bat_index, uint64_t *raw, vhdx_error *err)
{
    uint8_t bytes[VX_BAT_ENTRY_SIZE] = {0};
    size_t got;
    VX_TRY(vx_file_read_some(rebuilt->view, bytes, sizeof bytes,
                             rebuilt->bat.file_offset + bat_index * VX_BAT_ENTRY_SIZE, &got, err));
    *raw = vx_get64(bytes);
    return VHDX_OK;
}

/* The first in [bat_index, end) that is proposed; `end` when there is none. */
static uint64_t placed_before(const struct vx_rebuilt *rebuilt, uint64_t bat_index, uint64_t end)
{
    end = vx_min(end, rebuilt->geometry.entry_count);
    while (bat_index < end && vx_rebuilt_witness(rebuilt, bat_index) == VX_WITNESS_STORED) {
        bat_index++;
        if (bat_index % 4 == 0 && bat_index < end)
            bat_index += 4 * vx_zero_run(rebuilt->placed + bat_index / 4, (size_t)((end - bat_index) / 4));
    }
    return bat_index;
}

uint64_t vx_rebuilt_next_placed(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    if (!rebuilt->placed)
        return UINT64_MAX;
    bat_index = placed_before(rebuilt, bat_index, UINT64_MAX);
    return bat_index < rebuilt->geometry.entry_count ? bat_index : UINT64_MAX;
}

static int by_single_index(const void *a, const void *b)
{
    const struct vx_single *left = a, *right = b;
    return (left->bat_index > right->bat_index) - (left->bat_index < right->bat_index);
}

bool vx_rebuilt_entry_lost(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    const struct vx_single key = {.bat_index = bat_index};
    if (rebuilt->single_count > 0 &&
        bsearch(&key, rebuilt->singles, rebuilt->single_count, sizeof key, by_single_index))
        return true;
    uint64_t page = bat_index / PAGE_ENTRIES;
    return rebuilt->lost_pages && page < rebuilt->page_count && get_bit(rebuilt->lost_pages, page);
}

/* The first page from `page` on that is lost, or that is not. */
static uint64_t next_page(const struct vx_rebuilt *rebuilt, uint64_t page, bool lost)
{
    const uint8_t none = lost ? 0 : 0xFF;
    while (rebuilt->lost_pages && page < rebuilt->page_count) {
        if (page % 8 == 0 && rebuilt->lost_pages[page / 8] == none)
            page += 8;
        else if (get_bit(rebuilt->lost_pages, page) == lost)
            return page;
        else
            page++;
    }
    return lost ? UINT64_MAX : rebuilt->page_count;
}

/* Who asks for each block must not search through all of the BAT each time. */
static uint64_t next_placed(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    return rebuilt->placed ? placed_before(rebuilt, bat_index, bat_index + ALIKE_MOST) : UINT64_MAX;
}

static uint64_t next_single(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    size_t low = 0, high = rebuilt->single_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rebuilt->singles[middle].bat_index < bat_index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rebuilt->single_count ? rebuilt->singles[low].bat_index : UINT64_MAX;
}

uint64_t vx_rebuilt_alike(const struct vx_rebuilt *rebuilt, uint64_t bat_index, bool *lost)
{
    uint64_t page = bat_index / PAGE_ENTRIES, placed = next_placed(rebuilt, bat_index);
    uint64_t single = next_single(rebuilt, bat_index), other;
    *lost = vx_rebuilt_entry_lost(rebuilt, bat_index);
    if (*lost && single == bat_index)
        return placed == bat_index ? bat_index : bat_index + 1;
    other = next_page(rebuilt, page, !*lost);
    return vx_min(vx_min(placed, single), other == UINT64_MAX ? other : other * PAGE_ENTRIES);
}

/* ---- pages ---- */

struct pages {
    uint64_t lost, empty, owners;
    uint64_t doubtful;   /* entries in sound pages that point nowhere, or to what is claimed already */
    uint8_t *empty_bits; /* pages in which no block is: perhaps lost */
};

static bool unreadable(const struct vx_rebuilding *work, uint64_t offset, uint64_t length)
{
    uint64_t bad, bad_length;
    return work->options->tolerant &&
           vx_tolerant_next_bad(work->options->tolerant, offset, offset + length, &bad, &bad_length);
}

static uint64_t page_offset(const struct vx_rebuilding *work, uint64_t page)
{
    return work->out->bat.file_offset + page * VX_PAGE;
}

/* A page of nonsense becomes a page of zeros in the view, and is remembered as lost. */
static vhdx_status lose_page(struct vx_rebuilding *work, uint64_t page, vhdx_error *err)
{
    set_bit(work->out->lost_pages, page);
    return vx_file_zero(work->view, page_offset(work, page), VX_PAGE,
                        err); /* costs the view no memory, as bytes would */
}

/* Behind the end of a region that was too short: no file ever held the page. */
static bool is_new(const struct vx_rebuilt *out, uint64_t page)
{
    return (out->room.cure == VX_ROOM_LENGTH || out->room.cure == VX_ROOM_MOVE) &&
           page >= out->room.former.length / VX_PAGE;
}

/* The file does not have it. */
static bool is_gone(const struct vx_rebuilding *work, uint64_t page)
{
    const struct vx_rebuilt *out = work->out;
    bool moved = out->room.cure == VX_ROOM_MOVE;
    uint64_t offset = moved ? out->room.former.file_offset + page * VX_PAGE : page_offset(work, page);
    if (is_new(out, page) && (moved || offset >= out->file_size))
        return false;
    return unreadable(work, offset, VX_PAGE) || offset >= out->file_size;
}

static vhdx_status read_page(struct vx_rebuilding *work, uint64_t page, uint8_t bytes[VX_PAGE], vhdx_error *err)
{
    size_t got;
    return vx_file_read_some(work->view, bytes, VX_PAGE, page_offset(work, page), &got, err);
}

static vhdx_status judge_pages(struct vx_rebuilding *work, struct pages *pages, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    const struct vx_bat_world world = world_of(out);
    for (uint64_t page = 0; page < out->page_count; page++) {
        uint8_t bytes[VX_PAGE];
        struct vx_page_look look = {0};
        uint64_t data = 0, length;
        vx_file_next_data(work->view, page_offset(work, page), &data, &length);
        if (length == 0 || data >= page_offset(work, page) + VX_PAGE) {
            memset(bytes, 0, sizeof bytes); /* a hole: an empty BAT of a huge disk takes no time */
        } else {
            VX_TRY(read_page(work, page, bytes, err));
            if (!vx_is_zero(bytes, sizeof bytes))
                vx_rebuild_look_at_page(out, page, bytes, &look);
        }
        if (is_gone(work, page) || vx_bat_page_is_lost(&world, page, &look.entries)) {
            pages->lost++;
            VX_TRY(lose_page(work, page, err));
            continue;
        }
        pages->owners += look.owners;
        pages->doubtful += look.nowhere;
        if (look.said == 0) {
            pages->empty++;
            set_bit(pages->empty_bits, page);
        } else {
            pages->doubtful += vx_rebuild_claim_page(out, page, bytes);
        }
    }
    return VHDX_OK;
}

vhdx_status vx_rebuild_claims(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    size_t size = (size_t)(out->claims.mib_count / 8 + 1);
    memset(out->claims.once, 0, size);
    memset(out->claims.more, 0, size);
    vx_claim_structures(out, &out->claims);
    for (uint64_t page = 0; page < out->page_count; page++) {
        uint8_t bytes[VX_PAGE];
        uint64_t data = 0, length;
        vx_file_next_data(work->view, page_offset(work, page), &data, &length);
        if (length == 0)
            return VHDX_OK;
        if (data < page_offset(work, page) + VX_PAGE) {
            VX_TRY(read_page(work, page, bytes, err));
            vx_rebuild_claim_page(out, page, bytes);
        } else {
            page = (data - out->bat.file_offset) / VX_PAGE - 1;
        }
    }
    return VHDX_OK;
}

/* ---- old entries of the log ---- */

static vhdx_status place_page(struct vx_rebuilding *work, uint64_t page, const uint8_t *bytes, bool strong,
                              vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    for (uint32_t i = 0; i < entries_in_page(out, page); i++) {
        uint64_t length, index = page * PAGE_ENTRIES + i, raw = vx_get64(bytes + i * VX_BAT_ENTRY_SIZE);
        struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        if (raw == 0 || is_bad(out, index, &entry))
            continue;
        if (owns(out, index, &entry, &length) && !vx_claims_free(&out->claims, entry.file_offset, length))
            continue;
        const struct vx_placement placement = {index, raw, VX_WITNESS_LOG, strong};
        VX_TRY(vx_place(work, &placement, err));
    }
    out->lost_pages[page / 8] = (uint8_t)(out->lost_pages[page / 8] & ~(1u << page % 8));
    return VHDX_OK;
}

static vhdx_status ask_log(struct vx_rebuilding *work, const struct pages *pages, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    for (uint64_t page = 0; page < out->page_count; page++) {
        uint8_t bytes[VX_PAGE];
        struct vx_page_look look;
        if (!get_bit(out->lost_pages, page) && !get_bit(pages->empty_bits, page))
            continue;
        const struct vx_log_witness *witness = vx_log_witness_find(&work->log, page_offset(work, page));
        if (!witness)
            continue;
        VX_TRY(vx_log_witness_page(&work->log, witness, bytes, err));
        vx_rebuild_look_at_page(out, page, bytes, &look);
        if (look.entries.bad > 0 || look.said == 0 || look.conflicts * 4 > look.owners)
            continue;
        /* What the last session logged last is what stands at home in a disk that is well: zeros there are no news, but
         * a loss. */
        out->lost_page_count += !get_bit(out->lost_pages, page) && look.owners > 0 && witness->rank <= 1;
        if (get_bit(out->lost_pages, page) || (look.owners > 0 && witness->rank <= 1))
            VX_TRY(place_page(work, page, bytes, witness->rank <= 1, err));
    }
    return VHDX_OK;
}

/* ---- what nobody owns ---- */

uint64_t vx_rebuild_next_unowned(const struct vx_rebuilding *work, uint64_t mib)
{
    const struct vx_claims *claims = &work->out->claims;
    while (mib < claims->mib_count) {
        uint64_t data, length;
        if (get_bit(claims->once, mib)) {
            mib++;
            continue;
        }
        vx_file_next_data(work->view, mib * VX_MIB, &data, &length);
        if (length == 0)
            return claims->mib_count;
        if (data / VX_MIB <= mib)
            return mib;
        mib = data / VX_MIB;
    }
    return claims->mib_count;
}

static vhdx_status add_stray(struct vx_rebuilding *work, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    if (out->stray_count > 0) {
        struct vx_stray *last = &out->strays[out->stray_count - 1];
        if (last->file_offset + last->length == offset || out->stray_count == STRAYS_MAX) {
            last->length = offset + length - last->file_offset;
            return VHDX_OK;
        }
    }
    if (out->stray_count == out->stray_room) {
        size_t room = out->stray_room ? out->stray_room * 2 : 64;
        struct vx_stray *strays = vx_resize(out->strays, room, sizeof *strays);
        if (!strays)
            return vx_fail_memory(err, "the list of pieces");
        out->strays = strays;
        out->stray_room = room;
    }
    out->strays[out->stray_count++] = (struct vx_stray){offset, length};
    return VHDX_OK;
}

/* Space that nobody owns and that is not all zeros. */
vhdx_status vx_rebuild_strays(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint8_t *bytes = vx_alloc((size_t)VX_MIB, 1);
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the file");
    out->stray_count = 0;
    uint64_t mib = vx_rebuild_next_unowned(work, 1);
    while (status == VHDX_OK && mib < out->claims.mib_count) {
        size_t got = 0;
        status = vx_file_read_some(work->view, bytes, (size_t)VX_MIB, mib * VX_MIB, &got, err);
        if (status == VHDX_OK && !vx_is_zero(bytes, got))
            status = add_stray(work, mib * VX_MIB, got, err);
        if (status == VHDX_OK)
            status = vx_rebuild_progress(work, mib * VX_MIB, work->view_size, err);
        mib = vx_rebuild_next_unowned(work, mib + 1);
    }
    vx_free(bytes);
    return status;
}

/* Structures whose place is a mere guess own nothing: what lies there may be content. */
static void claim_witnessed(const struct vx_rebuilt *out, struct vx_claims *claims)
{
    bool tables = out->clues[VX_PART_REGIONS].witness < VX_WITNESS_GEOMETRY;
    vx_claim(claims, 0, VX_HEADER_SECTION_SIZE);
    if (out->clues[VX_PART_HEADER].witness != VX_WITNESS_DEFAULT)
        vx_claim(claims, out->header.log_offset, out->header.log_length);
    for (uint32_t i = 0; tables && i < out->regions->count && i < VX_REGION_MAX; i++)
        vx_claim(claims, out->regions->entries[i].file_offset, out->regions->entries[i].length);
    if (!tables && out->clues[VX_PART_METADATA].witness != VX_WITNESS_DEFAULT)
        vx_claim(claims, out->metadata.file_offset, out->metadata.length);
}

vhdx_status vx_rebuild_pieces(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    VX_TRY(vx_rebuild_open_claims(work, err));
    memset(out->claims.once, 0, (size_t)(out->claims.mib_count / 8 + 1));
    memset(out->claims.more, 0, (size_t)(out->claims.mib_count / 8 + 1));
    claim_witnessed(out, &out->claims);
    VX_TRY(vx_rebuild_strays(work, err));
    out->only_pieces = out->stray_count > 0;
    return VHDX_OK;
}

/* Pages that no file ever held are empty; but where something lies in the file that nobody owns, they may not have
 * been. */
static void lose_new_pages(struct vx_rebuilding *work, struct pages *pages)
{
    const struct vx_rebuilt *out = work->out;
    if (out->room.clue.lossless || out->room.tail_stands)
        return;
    for (uint64_t page = 0; page < out->page_count; page++)
        if (is_new(out, page) && get_bit(pages->empty_bits, page)) {
            set_bit(out->lost_pages, page);
            pages->lost++;
        }
}

static void lose_empty_pages(struct vx_rebuilding *work, const struct pages *pages)
{
    for (uint64_t page = 0; page < work->out->page_count; page++)
        if (get_bit(pages->empty_bits, page))
            set_bit(work->out->lost_pages, page); /* zeros stand there already */
}

static void say_what_came_of_it(struct vx_rebuilding *work, const struct pages *pages)
{
    struct vx_rebuilt *out = work->out;
    uint64_t left = 0;
    for (uint64_t page = 0; page < out->page_count; page++)
        left += get_bit(out->lost_pages, page);
    if (out->placement_count == 0 && left == 0 && pages->lost == 0 && out->single_count == 0) {
        vx_clue_set(work, VX_PART_BAT, VX_WITNESS_STORED, true, "%s", "");
        return;
    }
    /* All of it from the log's last session, everything in the file has an owner, nothing has two: there is no other
     * reading. */
    bool whole = left == 0 && out->stray_count == 0 && out->placed_surely == out->placement_count;
    out->placements_lossless = whole;
    vx_clue_set(work, VX_PART_BAT, out->placed_by_log ? VX_WITNESS_LOG : VX_WITNESS_CONTENT, whole,
                "%" PRIu64 " pages of the BAT said nothing; %" PRIu64
                " blocks were put back by old log entries, %" PRIu64 " by what is in them; %" PRIu64
                " pages stay unknown, %zu pieces have no place",
                pages->lost, out->placed_by_log, out->placement_count - out->placed_by_log, left, out->stray_count);
}

static vhdx_status rebuild_bat(struct vx_rebuilding *work, struct pages *pages, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    VX_TRY(judge_pages(work, pages, err));
    lose_new_pages(work, pages);
    VX_TRY(ask_log(work, pages, err));
    bool doubt = pages->lost > 0 || pages->empty > 0 || pages->doubtful > 0;
    if (doubt && work->options->search_content) {
        VX_TRY(vx_rebuild_strays(work, err));
        bool nothing = pages->owners == 0 && out->placement_count == 0;
        if (out->stray_count > 0 && nothing) {
            out->bat_lost = true;
            pages->lost += pages->empty;
            lose_empty_pages(work, pages);
            VX_TRY(ask_log(work, pages, err));
            VX_TRY(vx_rebuild_strays(work, err));
        }
        if (out->stray_count > 0 && pages->doubtful > 0 && pages->lost == 0)
            VX_TRY(vx_rebuild_singles(work, err));
        if (out->stray_count > 0 && pages->lost > 0) {
            VX_TRY(vx_rebuild_content(work, err));
            VX_TRY(vx_rebuild_strays(work, err));
        }
        if (pages->lost == 0 && out->placement_count == 0 && out->single_count == 0)
            out->stray_count = 0; /* leaks of a disk whose BAT is whole are nobody's pieces */
    }
    out->lost_page_count += pages->lost;
    say_what_came_of_it(work, pages);
    return VHDX_OK;
}

vhdx_status vx_rebuild_bat(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct pages pages = {0};
    out->page_count = vx_ceil_div(out->geometry.entry_count, PAGE_ENTRIES);
    size_t bytes = (size_t)(out->page_count / 8 + 1);
    out->lost_pages = vx_alloc(bytes, 1);
    pages.empty_bits = vx_alloc(bytes, 1);
    vhdx_status status = VHDX_NOMEM;
    if (!out->lost_pages || !pages.empty_bits)
        vx_fail_memory(err, "the pages of the BAT");
    else
        status = vx_rebuild_open_claims(work, err);
    if (status == VHDX_OK)
        status = rebuild_bat(work, &pages, err);
    vx_free(pages.empty_bits);
    return status;
}
