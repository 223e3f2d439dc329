/*
 * The BAT: which of its pages say nothing, what the log's old entries say instead, and who owns the file's space then.
 * See rebuild.h. What the guest's own structures say is rebuild_content.c's. Easy to get wrong: a page of zeros is a
 * page of a disk that nobody has written to, until something lies in the file that nobody owns.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "format/bat_page.h"
#include "rebuild/rebuild_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ENTRIES VX_BAT_PAGE_ENTRIES

/* ---- pages ---- */

struct pages {
    uint64_t lost, empty, owners;
    uint64_t fresh;      /* of the lost: those that no file ever held */
    uint64_t odd;        /* entries in sound pages that have no data, but a place */
    uint64_t doubtful;   /* entries in sound pages that point nowhere, or to what is claimed already */
    uint8_t *empty_bits; /* pages in which no block is: perhaps lost */
};

static bool unreadable(const struct vx_rebuilding *work, uint64_t offset, uint64_t length)
{
    uint64_t bad, bad_length;
    return work->options->patient &&
           vx_patient_next_bad(work->options->patient, offset, offset + length, &bad, &bad_length);
}

/* A page of nonsense becomes a page of zeros in the view, and is remembered as lost. */
static vhdx_status lose_page(struct vx_rebuilding *work, uint64_t page, vhdx_error *err)
{
    vx_set_page_bit(work->out->lost_pages, page);
    return vx_file_zero(work->view, vx_rebuild_page_offset(work, page), VX_PAGE,
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
    uint64_t offset = moved ? out->room.former.file_offset + page * VX_PAGE : vx_rebuild_page_offset(work, page);
    if (is_new(out, page) && (moved || offset >= out->file_size))
        return false;
    return unreadable(work, offset, VX_PAGE) || offset >= out->file_size;
}

static vhdx_status judge_pages(struct vx_rebuilding *work, struct pages *pages, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    const struct vx_bat_world world = vx_rebuild_world(out);
    for (uint64_t page = 0; page < out->page_count; page++) {
        uint8_t bytes[VX_PAGE];
        struct vx_page_look look = {0};
        uint64_t data = 0, length;
        vx_file_next_data(work->view, vx_rebuild_page_offset(work, page), &data, &length);
        if (length == 0 || data >= vx_rebuild_page_offset(work, page) + VX_PAGE) {
            memset(bytes, 0, sizeof bytes); /* a hole: an empty BAT of a huge disk takes no time */
        } else {
            VX_TRY(vx_rebuild_read_page(work, page, bytes, err));
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
        pages->odd += look.odd;
        if (look.said == 0) {
            pages->empty++;
            vx_set_page_bit(pages->empty_bits, page);
        } else {
            VX_TRY(vx_rebuild_claim_page(out, page, bytes, &pages->doubtful, err));
        }
    }
    return VHDX_OK;
}

/* ---- old entries of the log ---- */

static vhdx_status place_page(struct vx_rebuilding *work, uint64_t page, const uint8_t *bytes, bool strong,
                              vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    for (uint32_t i = 0; i < vx_rebuild_entries_in_page(out, page); i++) {
        uint64_t length, index = page * PAGE_ENTRIES + i, raw = vx_get64(bytes + i * VX_BAT_ENTRY_SIZE);
        struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        if (raw == 0 || vx_rebuild_is_bad(out, index, &entry))
            continue;
        if (vx_rebuilt_owns(out, index, &entry, &length) && !vx_claims_is_free(&out->claims, entry.file_offset, length))
            continue;
        const struct vx_placement placement = {index, raw, VX_WITNESS_LOG, strong};
        VX_TRY(vx_rebuild_place(work, &placement, err));
    }
    out->lost_pages[page / 8] = (uint8_t)(out->lost_pages[page / 8] & ~(1u << page % 8));
    return VHDX_OK;
}

static vhdx_status ask_log(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    for (uint64_t page = 0; page < out->page_count; page++) {
        uint8_t bytes[VX_PAGE];
        struct vx_page_look look;
        if (!vx_page_bit(out->lost_pages, page))
            continue;
        const struct vx_log_witness *witness = vx_log_witness_find(&work->log, vx_rebuild_page_offset(work, page));
        if (!witness)
            continue;
        VX_TRY(vx_log_witness_page(&work->log, witness, bytes, err));
        vx_rebuild_look_at_page(out, page, bytes, &look);
        if (look.entries.bad > 0 || look.said == 0 || look.conflicts * 4 > look.owners)
            continue;
        VX_TRY(place_page(work, page, bytes, witness->rank <= 1, err));
    }
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
        if (is_new(out, page) && vx_page_bit(pages->empty_bits, page)) {
            vx_set_page_bit(out->lost_pages, page);
            pages->lost++;
            pages->fresh++;
        }
}

static void lose_empty_pages(struct vx_rebuilding *work, const struct pages *pages)
{
    for (uint64_t page = 0; page < work->out->page_count; page++)
        if (vx_page_bit(pages->empty_bits, page))
            vx_set_page_bit(work->out->lost_pages, page); /* zeros stand there already */
}

static void say_what_came_of_it(struct vx_rebuilding *work, const struct pages *pages)
{
    struct vx_rebuilt *out = work->out;
    uint64_t left = 0;
    for (uint64_t page = 0; page < out->page_count; page++)
        left += vx_page_bit(out->lost_pages, page);
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
    VX_TRY(ask_log(work, err));
    if (pages->odd > 0 && work->options->search_content)
        VX_TRY(vx_rebuild_states(work, err));
    if (work->options->search_content && work->out->room.cure == VX_ROOM_ENOUGH)
        VX_TRY(vx_rebuild_absent(work, err));
    bool doubt = pages->lost > 0 || pages->empty > 0 || pages->doubtful > 0;
    if (doubt && work->options->search_content) {
        VX_TRY(vx_rebuild_strays(work, err));
        bool nothing = pages->owners == 0 && out->placement_count == 0;
        if (out->stray_count > 0 && nothing) {
            out->bat_lost = true;
            pages->lost += pages->empty;
            lose_empty_pages(work, pages);
            VX_TRY(ask_log(work, err));
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
    /* lost pages explain it; but so may others that were zeroed along with them */
    if (work->options->search_content && (pages->lost == 0 || pages->lost > pages->fresh))
        VX_TRY(vx_rebuild_doubt_absent(work, err));
    VX_TRY(vx_rebuild_bits(work, err));
    out->lost_page_count += pages->lost;
    say_what_came_of_it(work, pages);
    if (out->lost_page_count > 0 || out->placement_count > 0 || out->single_count > 0)
        VX_TRY(vx_rebuild_doubt_measures(work, err));
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
