/*
 * A BAT that is lost, or pages of it that say nothing: entries are put back where a witness knows them (rebuild.h), all
 * others of those pages are given up. The one thing that is easy to get wrong: an entry that is not known must not say
 * "ask the parent".
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend_bat.h"

#include "format/bat_page.h"
#include "rebuild/rebuild.h"
#include "evidence/log_witnesses.h"

#define IN_PAGE VX_BAT_PAGE_ENTRIES

static const struct vx_loss lost_entry = {"its entry in the BAT is lost, and nothing tells where it lies", false,
                                          false};
static const struct vx_loss doubtful_place = {"its entry in the BAT was lost; its content tells where it lies", true,
                                              false};
static const struct vx_loss doubtful_order = {
    "its entry in the BAT was lost; only the order of the blocks tells where it lies", true, false};

/* For the finding that brought us here; what is found is not found any more afterwards. */
static struct vx_reason reason_of(const struct vx_bat_mending *b)
{
    static const enum vx_find kinds[] = {VX_FIND_BAT_NONSENSE,     VX_FIND_BAT_EMPTY,    VX_FIND_BAT_BEYOND_END,
                                         VX_FIND_BAT_FAR,          VX_FIND_BAT_NO_PLACE, VX_FIND_BAT_OVERLAP,
                                         VX_FIND_BAT_ON_STRUCTURE, VX_FIND_BAT_STATE};
    struct vx_reason reason = {VX_FIND_BAT_EMPTY, true, "blocks are found where the evidence says they lie",
                               "the certainty that it is right, and blocks that nothing tells of"};
    for (size_t i = sizeof kinds / sizeof kinds[0]; i-- > 0;)
        if (vx_mend_is_present(b->m, kinds[i]))
            reason.finding = kinds[i];
    return reason;
}

static vhdx_status put_placement(struct vx_bat_mending *b, const struct vx_rebuilt *rebuilt, uint64_t index,
                                 const struct vx_reason *reason, vhdx_error *err)
{
    enum vx_witness witness = vx_rebuilt_witness(rebuilt, index);
    uint64_t block, raw;
    VX_TRY(vx_rebuilt_entry(rebuilt, index, &raw, err));
    struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    if (!rebuilt->placements_lossless && vx_geometry_is_payload(&b->geometry, index, &block) &&
        block < b->geometry.payload_count)
        VX_TRY(vx_mend_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size,
                                witness == VX_WITNESS_GEOMETRY ? &doubtful_order : &doubtful_place, err));
    return vx_mend_bat_put(b, index, &entry, reason, err);
}

/* What is in the plan need not stay in the view, too: both together would be twice the BAT of a disk that has lost all
 * of it. */
static vhdx_status put_placements(struct vx_bat_mending *b, const struct vx_rebuilt *rebuilt,
                                  const struct vx_reason *reason, vhdx_error *err)
{
    uint64_t index = vx_rebuilt_next_placed(rebuilt, 0);
    while (index != UINT64_MAX) {
        uint64_t page = index / IN_PAGE, next = vx_rebuilt_next_placed(rebuilt, index + 1);
        VX_TRY(put_placement(b, rebuilt, index, reason, err));
        if (next / IN_PAGE != page)
            VX_TRY(vx_file_zero(rebuilt->view, rebuilt->bat.file_offset + page * VX_PAGE, VX_PAGE, err));
        index = next;
    }
    return VHDX_OK;
}

static vhdx_status give_up_entry(struct vx_bat_mending *b, uint64_t index, bool nonsense,
                                 const struct vx_reason *reason, vhdx_error *err)
{
    const struct vx_bat_entry zero = {.state = VX_PAYLOAD_ZERO}, none = {0};
    uint64_t block;
    if (!vx_geometry_is_payload(&b->geometry, index, &block) || block >= b->geometry.payload_count)
        return nonsense ? vx_mend_bat_put(b, index, &none, reason, err)
                        : VHDX_OK; /* mend_bitmap.c makes a bitmap anew */
    VX_TRY(vx_mend_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size, &lost_entry, err));
    return b->geometry.has_parent ? vx_mend_bat_put(b, index, &zero, reason, err) : VHDX_OK;
}

/* What else stands in a page that was nonsense, and is known to be empty or is given up. */
static vhdx_status clear_rest(struct vx_bat_mending *b, const struct vx_rebuilt *rebuilt, uint64_t index,
                              const struct vx_reason *reason, vhdx_error *err)
{
    uint64_t raw;
    VX_TRY(vx_rebuilt_entry(rebuilt, index, &raw, err));
    struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    return vx_mend_bat_put(b, index, &entry, reason, err);
}

/* From the first placement of a page on: the page was rewritten as a whole. */
static vhdx_status clear_page(struct vx_bat_mending *b, const struct vx_rebuilt *rebuilt, uint64_t page,
                              const struct vx_reason *reason, vhdx_error *err)
{
    for (uint64_t i = page * IN_PAGE; i < (page + 1) * IN_PAGE && i < b->geometry.entry_count; i++)
        if (vx_rebuilt_witness(rebuilt, i) == VX_WITNESS_STORED &&
            !(b->geometry.has_parent && vx_rebuilt_entry_lost(rebuilt, i)))
            VX_TRY(clear_rest(b, rebuilt, i, reason, err));
    return VHDX_OK;
}

/* Pages that were rewritten as a whole: those with placements, and those of nonsense. */
static vhdx_status clear_pages(struct vx_bat_mending *b, const struct vx_rebuilt *rebuilt,
                               const struct vx_reason *reason, vhdx_error *err)
{
    for (uint64_t index = 0; (index = vx_rebuilt_next_placed(rebuilt, index)) != UINT64_MAX;) {
        VX_TRY(clear_page(b, rebuilt, index / IN_PAGE, reason, err));
        index = (index / IN_PAGE + 1) * IN_PAGE;
    }
    for (uint64_t page = 0; vx_mend_is_present(b->m, VX_FIND_BAT_NONSENSE) && page < rebuilt->page_count; page++) {
        bool nonsense;
        VX_TRY(vx_mend_bat_in_nonsense(b, page * IN_PAGE, &nonsense, err));
        if (nonsense)
            VX_TRY(clear_page(b, rebuilt, page, reason, err));
    }
    return VHDX_OK;
}

vhdx_status vx_mend_placements(struct vx_bat_mending *b, vhdx_error *err)
{
    const struct vx_rebuilt *rebuilt;
    VX_TRY(vx_mending_rebuild(b->m, true, err));
    rebuilt = b->m->rebuilt;
    if (rebuilt->geometry.entry_count != b->geometry.entry_count ||
        (rebuilt->lost_page_count == 0 && rebuilt->single_count == 0))
        return VHDX_OK;
    /* Where no witness has an answer, only what is nonsense is given up; zeros beside unowned blocks stay for whoever
     * finds one. */
    if (rebuilt->placement_count == 0 && !vx_mend_is_present(b->m, VX_FIND_BAT_NONSENSE))
        return VHDX_OK;
    const struct vx_reason reason = reason_of(b);
    for (uint64_t index = 0; index < b->geometry.entry_count; index++) {
        bool nonsense; /* a page is judged before its first entry changes */
        VX_TRY(vx_mend_bat_in_nonsense(b, index, &nonsense, err));
        if (vx_rebuilt_entry_lost(rebuilt, index) && vx_rebuilt_witness(rebuilt, index) == VX_WITNESS_STORED)
            VX_TRY(give_up_entry(b, index, nonsense, &reason, err));
    }
    VX_TRY(clear_pages(b, rebuilt, &reason, err));
    return put_placements(b, rebuilt, &reason, err);
}

/* ---- entries that could not be read ---- */

/* As the last entry of the log that holds the page has it; *known = false: there is none. */
static vhdx_status remembered(struct vx_log_witnesses *log, uint64_t place, struct vx_bat_entry *entry, bool *known,
                              vhdx_error *err)
{
    const struct vx_log_witness *witness = vx_log_witness_find(log, vx_round_down(place, VX_PAGE));
    uint8_t page[VX_PAGE];
    *known = witness != NULL;
    if (!*known)
        return VHDX_OK;
    VX_TRY(vx_log_witness_page(log, witness, page, err));
    *entry = vx_bat_entry_decode(vx_get64(page + place % VX_PAGE));
    return VHDX_OK;
}

static vhdx_status mend_bad_entry(struct vx_bat_mending *b, struct vx_log_witnesses *log, uint64_t index,
                                  vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_FILE_UNREADABLE, true,
                                            "the entry is as the log remembers it, or says that nothing is known",
                                            "what the blocks held of which nothing is known"};
    struct vx_bat_entry entry = {0};
    uint64_t block;
    bool known = false;
    bool is_payload = vx_geometry_is_payload(&b->geometry, index, &block);
    if (index >= b->geometry.entry_count)
        return vx_mend_bat_put(b, index, &entry, &reason, err);
    VX_TRY(remembered(log, vx_bat_entry_offset(b->image, index), &entry, &known, err));
    if (is_payload && block < b->geometry.payload_count)
        VX_TRY(vx_mend_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size,
                                known ? &doubtful_place : &lost_entry, err));
    if (!known && is_payload && block < b->geometry.payload_count)
        entry.state = VX_PAYLOAD_ZERO;
    return vx_mend_bat_put(b, index, &entry, &reason, err);
}

vhdx_status vx_mend_bad_entries(struct vx_bat_mending *b, vhdx_error *err)
{
    const struct vx_header *header = b->m->exam->header;
    const struct vx_patient *bad = &b->m->plan->bad;
    struct vx_log_witnesses log = {0};
    uint64_t count = b->entries;
    uint64_t length = count * VX_BAT_ENTRY_SIZE;
    if (!b->m->salvage || !vx_patient_bad(bad, b->image->bat.file_offset, length, NULL))
        return VHDX_OK;
    vhdx_status status = VHDX_OK;
    if (b->m->exam->has_log)
        status = vx_log_witnesses_open(&log, b->m->plan->sketch, header->log_offset, header->log_length, NULL, err);
    for (uint64_t index = 0; status == VHDX_OK && index < count; index++)
        if (vx_patient_bad(bad, vx_bat_entry_offset(b->image, index), VX_BAT_ENTRY_SIZE, NULL))
            status = mend_bad_entry(b, &log, index, err);
    vx_log_witnesses_close(&log);
    return status;
}
