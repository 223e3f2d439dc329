/*
 * The entries of the BAT, MS-VHDX 2.5.1, each on its own: its state, its place, and what of the virtual disk is lost
 * when that place is not there. Each claims its space on the way (claims.h); who contests it is check_space.c, sector
 * bitmaps are check_bitmap.c. The one thing that is easy to get wrong: this runs once for each of up to 67 million
 * entries, so the entry that is in order must cost next to nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "image/bat_walk.h"
#include "image/claims.h"

#define STEP_MASK ((UINT64_C(1) << 20) - 1) /* entries between two words to the caller */

struct pass {
    struct vx_verification *v;
    const struct vx_geometry *geometry;
    struct vx_claims *claims;
    uint64_t file_size;
    uint64_t chunk, bitmap_index; /* of the chunk that the walk is in */
    uint64_t next_block;          /* that was not looked at yet */
    uint64_t absent_count, first_absent;
};

static uint64_t entry_offset(const struct pass *pass, uint64_t bat_index)
{
    return pass->v->exam->bat.file_offset + bat_index * VX_BAT_ENTRY_SIZE;
}

/* Bytes of the virtual disk in the block. */
static uint64_t block_length(const struct vx_geometry *geometry, uint64_t block)
{
    return vx_min(geometry->block_size, geometry->virtual_size - block * geometry->block_size);
}

static struct vx_finding found(const struct pass *pass, enum vx_find kind, uint64_t bat_index, uint64_t index)
{
    struct vx_finding finding = vx_finding_at_index(kind, "BAT entry", entry_offset(pass, bat_index), index);
    finding.length = VX_BAT_ENTRY_SIZE;
    finding.gather = true;
    return finding;
}

/* The block's bytes from `kept` on are gone. */
static void lose(const struct pass *pass, struct vx_finding *finding, uint64_t block, uint64_t kept)
{
    uint64_t length = block_length(pass->geometry, block);
    finding->lost_offset = block * pass->geometry->block_size + vx_min(kept, length);
    finding->lost_length = length - vx_min(kept, length);
}

static void add_lost(struct pass *pass, enum vx_find kind, uint64_t bat_index, uint64_t block, uint64_t value)
{
    struct vx_finding finding = found(pass, kind, bat_index, block);
    vx_finding_set_found(&finding, value);
    lose(pass, &finding, block, 0);
    vx_verify_add(pass->v, &finding);
}

/* See lead.h. The BAT is walked for that once more, and only when some entry is odd. */
static vhdx_status leads_to_content(struct pass *pass, uint64_t place, uint64_t length, bool *content, vhdx_error *err)
{
    *content = false;
    if (place == 0)
        return VHDX_OK;
    VX_TRY(vx_leads_open(pass->v->exam, &pass->v->leads, err));
    return vx_lead_has_content(&pass->v->leads, place, length, content, err);
}

/* QEMU writes ZERO and nothing else into all entries, also into those that nobody looks at. */
static bool is_harmless(uint64_t raw)
{
    return raw == VX_PAYLOAD_ZERO;
}

static void make_note(struct vx_finding *finding)
{
    finding->severity = VHDX_SEVERITY_INFO;
    finding->repair = VHDX_REPAIR_NONE;
}

/* An entry that should be zero. Where it leads to content it is all that knows it. */
static vhdx_status add_needless(struct pass *pass, enum vx_find kind, uint64_t bat_index, uint64_t number, uint64_t raw,
                                vhdx_advice advice, vhdx_error *err)
{
    struct vx_finding finding = found(pass, kind, bat_index, number);
    bool content;
    vx_finding_set_values(&finding, raw, 0);
    if (is_harmless(raw))
        make_note(&finding);
    VX_TRY(leads_to_content(pass, vx_bat_entry_decode(raw).file_offset, pass->geometry->block_size, &content, err));
    if (content) {
        if (finding.severity < VHDX_SEVERITY_WARNING)
            finding.severity = VHDX_SEVERITY_WARNING;
        finding.repair = VHDX_REPAIR_SALVAGE;
        finding.advice_code = advice;
    }
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

/* Behind the end of all that a disk of that size needs. The region may be too long, and something else be there. */
static void add_behind_end(struct pass *pass, uint64_t bat_index, uint64_t raw)
{
    struct vx_finding finding = found(pass, VX_FIND_BAT_PADDING, bat_index, bat_index);
    vx_finding_set_values(&finding, raw, 0);
    finding.repair = VHDX_REPAIR_NONE;
    finding.advice = "the BAT of such a disk ends before it: a repair leaves it as it is";
    if (is_harmless(raw))
        make_note(&finding);
    vx_verify_add(pass->v, &finding);
}

static vhdx_status add_padding(struct pass *pass, uint64_t bat_index, uint64_t raw, vhdx_error *err)
{
    const struct vx_bat_world world = {pass->geometry, pass->file_size};
    const struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    if (bat_index * VX_BAT_ENTRY_SIZE >= vx_geometry_bat_region_length(pass->geometry)) {
        add_behind_end(pass, bat_index, raw);
        return VHDX_OK;
    }
    if (vx_bat_entry_is_like_bitmap(&world, bat_index, &entry)) {
        struct vx_finding finding = found(pass, VX_FIND_BAT_PADDING, bat_index, bat_index);
        vx_finding_set_values(&finding, raw, 0);
        finding.severity = VHDX_SEVERITY_ERROR;
        finding.repair = VHDX_REPAIR_NONE;
        finding.advice = "it looks like that of a child's sector bitmap: the disk may have had a parent, and what it "
                         "does not hold be there";
        vx_verify_add(pass->v, &finding);
        return VHDX_OK;
    }
    return add_needless(pass, VX_FIND_BAT_PADDING, bat_index, bat_index, raw, VHDX_ADVICE_LOSSY_CLEARS, err);
}

static vhdx_status add_anchor(struct pass *pass, uint64_t bat_index, uint64_t block, const struct vx_bat_entry *entry,
                              vhdx_error *err)
{
    struct vx_finding finding = found(pass, VX_FIND_BAT_ANCHOR, bat_index, block);
    bool content;
    finding.text = "beyond the end of the file";
    vx_finding_set_values(&finding, entry->file_offset, pass->file_size);
    VX_TRY(leads_to_content(pass, entry->file_offset, pass->geometry->block_size, &content, err));
    if (content) {
        finding.repair = VHDX_REPAIR_SALVAGE;
        lose(pass, &finding, block, 0);
    }
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

/* MS-VHDX 2.5.1.1: the place means nothing, and some writers leave it. Only where the evidence says that the block was
 * there it is more than a note; elsewhere it is at least no repair's to clear. */
static vhdx_status add_stray(struct pass *pass, uint64_t bat_index, uint64_t block, const struct vx_bat_entry *entry,
                             vhdx_error *err)
{
    struct vx_finding finding = found(pass, VX_FIND_BAT_STRAY_OFFSET, bat_index, block);
    struct vx_bat_entry truth = *entry;
    bool content, changed = false;
    vx_finding_set_values(&finding, entry->file_offset, 0);
    VX_TRY(leads_to_content(pass, entry->file_offset, pass->geometry->block_size, &content, err));
    if (content) {
        VX_TRY(vx_lead_truth(&pass->v->leads, bat_index, &truth, &changed, err));
        finding.repair = changed ? VHDX_REPAIR_SALVAGE : VHDX_REPAIR_NONE;
        finding.advice = "the place leads to content that no other block owns, so it stays";
    }
    if (changed) {
        finding.severity = VHDX_SEVERITY_WARNING;
        vx_finding_advise(&finding, VHDX_ADVICE_LOSSY_MAKES_PRESENT, NULL, NULL);
        lose(pass, &finding, block, 0);
        VX_TRY(vx_claims_take(pass->claims, entry->file_offset, pass->geometry->block_size, err)); /* it is no puzzle */
    }
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

static vhdx_status add_bad_state(struct pass *pass, uint64_t bat_index, uint64_t block,
                                 const struct vx_bat_entry *entry, vhdx_error *err)
{
    bool old = entry->state == VX_PAYLOAD_OLD_UNMAPPED, content;
    struct vx_finding finding = found(pass, old ? VX_FIND_BAT_OLD_STATE : VX_FIND_BAT_STATE, bat_index, block);
    vx_finding_set_found(&finding, entry->state);
    VX_TRY(leads_to_content(pass, entry->file_offset, pass->geometry->block_size, &content, err));
    struct vx_bat_entry truth = *entry;
    bool changed = false;
    if (content) {
        finding.repair = VHDX_REPAIR_SALVAGE;
        VX_TRY(vx_lead_truth(&pass->v->leads, bat_index, &truth, &changed, err));
    }
    if (changed)
        VX_TRY(vx_claims_take(pass->claims, truth.file_offset, pass->geometry->block_size, err));
    lose(pass, &finding, block, 0);
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

/* Nothing that the entry says is believed, its state neither. */
static vhdx_status add_garbage(struct pass *pass, uint64_t bat_index, uint64_t block, const struct vx_bat_entry *entry)
{
    struct vx_finding finding = found(pass, VX_FIND_BAT_RESERVED, bat_index, bat_index);
    vx_finding_set_values(&finding, entry->reserved, 0);
    finding.severity = VHDX_SEVERITY_ERROR;
    finding.repair = VHDX_REPAIR_SALVAGE;
    finding.advice_code = VHDX_ADVICE_LOSSY_GIVES_UP;
    lose(pass, &finding, block, 0);
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

/* A block that has a place, but not one that is wholly in the file. *owns: it claims what there is of it. */
static vhdx_status judge_place(struct pass *pass, uint64_t bat_index, uint64_t block, const struct vx_bat_entry *entry,
                               bool *owns, vhdx_error *err)
{
    uint64_t block_size = pass->geometry->block_size;
    bool has_data = entry->state == VX_PAYLOAD_FULLY_PRESENT || entry->state == VX_PAYLOAD_PARTIALLY_PRESENT;
    uint64_t there = entry->file_offset < pass->file_size ? pass->file_size - entry->file_offset : 0;
    *owns = there >= block_size;
    if (*owns)
        return VHDX_OK;
    if (!has_data)
        return add_anchor(pass, bat_index, block, entry, err);
    if (entry->file_offset > VX_LONGEST_FILE) {
        add_lost(pass, VX_FIND_BAT_FAR, bat_index, block, entry->file_offset);
        return VHDX_OK;
    }
    *owns = true;
    bool whole = there >= block_length(pass->geometry, block);
    pass->v->beyond_end |= !whole;
    if (!whole) {
        pass->v->beyond_bytes += block_size - there;
        pass->v->beyond_reach = vx_max(pass->v->beyond_reach, entry->file_offset + block_size - pass->file_size);
    }
    struct vx_finding finding = found(pass, whole ? VX_FIND_BAT_SHORT_END : VX_FIND_BAT_BEYOND_END, bat_index, block);
    vx_finding_set_values(&finding, entry->file_offset + block_size, pass->file_size);
    if (!whole)
        lose(pass, &finding, block, there);
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

/* Everything about an entry that is not plainly in order. *owns: it owns its place. */
static vhdx_status judge_payload(struct pass *pass, uint64_t bat_index, uint64_t block,
                                 const struct vx_bat_entry *entry, bool *owns, vhdx_error *err)
{
    const struct vx_bat_world world = {pass->geometry, pass->file_size};
    *owns = false;
    if (vx_bat_entry_is_garbage(&world, entry))
        return add_garbage(pass, bat_index, block, entry);
    uint32_t rules = vx_bat_payload_rules(entry, pass->geometry->has_parent);
    if (rules & VX_BAT_RESERVED_SET) {
        struct vx_finding finding = found(pass, VX_FIND_BAT_RESERVED, bat_index, bat_index);
        vx_finding_set_values(&finding, entry->reserved, 0);
        vx_verify_add(pass->v, &finding);
    }
    if (rules & VX_BAT_BAD_STATE)
        return add_bad_state(pass, bat_index, block, entry, err);
    if (rules & VX_BAT_STRAY_OFFSET)
        return add_stray(pass, bat_index, block, entry, err);
    if (rules & VX_BAT_NO_PLACE) {
        add_lost(pass, VX_FIND_BAT_NO_PLACE, bat_index, block, 0);
        return VHDX_OK;
    }
    pass->v->partial_in_base += (rules & VX_BAT_STATE_FOR_CHILD) != 0;
    if (rules & VX_BAT_STATE_FOR_CHILD)
        add_lost(pass, VX_FIND_BAT_PARTIAL_IN_BASE, bat_index, block, entry->state);
    return vx_bat_payload_owns_space(entry) ? judge_place(pass, bat_index, block, entry, owns, err) : VHDX_OK;
}

static vhdx_status take_payload(struct pass *pass, uint64_t bat_index, uint64_t block, uint64_t raw, vhdx_error *err)
{
    struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    uint64_t block_size = pass->geometry->block_size;
    bool owns = true;
    if (block >= pass->geometry->payload_count)
        return add_padding(pass, bat_index, raw, err);
    if (block > pass->next_block || entry.state == VX_PAYLOAD_NOT_PRESENT) {
        if (pass->absent_count == 0)
            pass->first_absent = block > pass->next_block ? pass->next_block : block;
        pass->absent_count += block - pass->next_block + (entry.state == VX_PAYLOAD_NOT_PRESENT);
    }
    pass->next_block = block + 1;
    bool plain = entry.state == VX_PAYLOAD_FULLY_PRESENT && entry.reserved == 0 && entry.file_offset != 0 &&
                 entry.file_offset < pass->file_size && pass->file_size - entry.file_offset >= block_size;
    pass->v->owned_blocks += entry.state >= VX_PAYLOAD_FULLY_PRESENT;
    pass->v->stated_blocks += raw != 0;
    if (!plain)
        VX_TRY(judge_payload(pass, bat_index, block, &entry, &owns, err));
    return owns ? vx_claims_take(pass->claims, entry.file_offset, block_size, err) : VHDX_OK;
}

/* In the slot of a bitmap is a block's entry (lead.h): others of its page may have moved, too. */
static vhdx_status add_moved(struct pass *pass, uint64_t bat_index, uint64_t raw)
{
    struct vx_finding finding = found(pass, VX_FIND_BITMAP_IN_BASE, bat_index, pass->chunk);
    vx_finding_set_values(&finding, raw, 0);
    finding.repair = VHDX_REPAIR_SALVAGE;
    finding.advice_code = VHDX_ADVICE_LOSSY_MOVED;
    vx_bat_page_range(pass->geometry, bat_index / VX_BAT_PAGE_ENTRIES, &finding.lost_offset, &finding.lost_length);
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

/* In a disk without parent the slot of a bitmap stays empty; in others check_bitmap.c judges it. */
static vhdx_status take_bitmap(struct pass *pass, uint64_t bat_index, uint64_t raw, vhdx_error *err)
{
    struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    if (pass->geometry->has_parent) {
        if (entry.state != VX_BITMAP_PRESENT || entry.file_offset == 0)
            return VHDX_OK;
        return vx_claims_take(pass->claims, entry.file_offset, VX_BITMAP_BLOCK_SIZE, err);
    }
    bool moved = entry.state == VX_BITMAP_PRESENT;
    if (moved)
        VX_TRY(leads_to_content(pass, entry.file_offset, pass->geometry->block_size, &moved, err));
    if (moved)
        return add_moved(pass, bat_index, raw);
    return add_needless(pass, entry.state == VX_BITMAP_PRESENT ? VX_FIND_BITMAP_IN_BASE : VX_FIND_BITMAP_SLOT,
                        bat_index, pass->chunk, raw, VHDX_ADVICE_LOSSY_MOVED, err);
}

/* A child's BAT has room for the bitmap of its last chunk, too. */
static void look_for_bitmap(struct pass *pass, uint64_t bat_index, uint64_t raw)
{
    const struct vx_geometry *geometry = pass->geometry;
    struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    bool in_file = entry.file_offset >= VX_HEADER_SECTION_SIZE && entry.file_offset < pass->file_size &&
                   pass->file_size - entry.file_offset >= VX_BITMAP_BLOCK_SIZE;
    if (!geometry->has_parent && entry.state == VX_BITMAP_PRESENT && entry.reserved == 0 && in_file &&
        bat_index % ((uint64_t)geometry->chunk_ratio + 1) == geometry->chunk_ratio &&
        bat_index <= vx_geometry_bitmap_index(geometry, geometry->chunk_count - 1))
        pass->v->bitmap_in_base = true;
}

static vhdx_status take_entry(struct pass *pass, uint64_t bat_index, uint64_t raw, vhdx_error *err)
{
    look_for_bitmap(pass, bat_index, raw);
    if (bat_index >= pass->geometry->entry_count)
        return add_padding(pass, bat_index, raw, err);
    if (bat_index > pass->bitmap_index) {
        pass->chunk = bat_index / ((uint64_t)pass->geometry->chunk_ratio + 1);
        pass->bitmap_index = vx_geometry_bitmap_index(pass->geometry, pass->chunk);
    }
    if (bat_index == pass->bitmap_index)
        return take_bitmap(pass, bat_index, raw, err);
    return take_payload(pass, bat_index, bat_index - pass->chunk, raw, err);
}

/* Nothing that stands in the page is judged by itself: that would be chance. */
static vhdx_status take_nonsense(void *context, uint64_t page, const struct vx_bat_page_look *look, vhdx_error *err)
{
    struct pass *pass = context;
    const struct vx_geometry *geometry = pass->geometry;
    uint64_t block, last_block;
    VX_TRY(vx_verify_set_nonsense(pass->v, page, err));
    if (!vx_bat_page_blocks(geometry, page, &block, &last_block))
        return VHDX_OK; /* only slots that a chunk without blocks has */
    pass->v->nonsense_has_blocks = true;
    struct vx_finding finding =
        vx_finding_at_index(VX_FIND_BAT_NONSENSE, "BAT", entry_offset(pass, page * VX_BAT_PAGE_ENTRIES), block);
    finding.length = VX_PAGE;
    finding.other = last_block;
    vx_finding_set_found(&finding, look->bad);
    vx_bat_page_range(geometry, page, &finding.lost_offset, &finding.lost_length);
    vx_verify_add(pass->v, &finding);
    return VHDX_OK;
}

static vhdx_status walk(struct pass *pass, struct vx_bat_walk *bat, vhdx_error *err)
{
    uint64_t steps = 0;
    for (;; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            return VHDX_OK;
        if ((steps++ & STEP_MASK) == STEP_MASK)
            VX_TRY(vx_verify_step(pass->v, bat->index * VX_BAT_ENTRY_SIZE, bat->end * VX_BAT_ENTRY_SIZE, err));
        VX_TRY(take_entry(pass, bat->index, bat->raw, err));
    }
}

static void check_room(struct pass *pass)
{
    const struct vx_exam *exam = pass->v->exam;
    uint64_t room = exam->bat_entries, lost_block;
    if (room >= pass->geometry->entry_count)
        return;
    struct vx_finding finding = vx_finding_at(VX_FIND_BAT_SHORT, "BAT", exam->bat.file_offset);
    vx_finding_set_values(&finding, room, pass->geometry->entry_count);
    if (!vx_geometry_is_payload(pass->geometry, room, &lost_block))
        lost_block = (lost_block + 1) * pass->geometry->chunk_ratio;
    if (lost_block < pass->geometry->payload_count) {
        finding.lost_offset = lost_block * pass->geometry->block_size;
        finding.lost_length = pass->geometry->virtual_size - finding.lost_offset;
    }
    vx_verify_add(pass->v, &finding);
}

/* Blocks that are not present in a fixed disk, all in one finding. */
static void check_fixed(struct pass *pass)
{
    const struct vx_exam *exam = pass->v->exam;
    uint64_t described = pass->geometry->payload_count;
    bool is_fixed = (exam->parameters.flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED) && !pass->geometry->has_parent;
    if (!is_fixed || pass->v->nonsense || exam->bat_entries < pass->geometry->entry_count)
        return;
    if (pass->absent_count == 0)
        pass->first_absent = pass->next_block;
    pass->absent_count += described - pass->next_block;
    if (pass->absent_count == 0)
        return;
    uint64_t bat_index = vx_geometry_payload_index(pass->geometry, pass->first_absent);
    struct vx_finding finding = found(pass, VX_FIND_BAT_FIXED_ABSENT, bat_index, pass->first_absent);
    finding.count = pass->absent_count;
    if (pass->first_absent == pass->next_block && pass->next_block > 0) { /* or it may be smaller than it says */
        finding.severity = VHDX_SEVERITY_WARNING;
        finding.advice = "either their entries were lost, or the disk is smaller than it says";
    }
    vx_verify_add(pass->v, &finding);
}

vhdx_status vx_check_bat(struct vx_verification *v, struct vx_claims *claims, vhdx_error *err)
{
    struct vx_exam *exam = v->exam;
    struct pass pass = {.v = v, .geometry = &exam->geometry, .claims = claims, .file_size = exam->survey->file_size};
    struct vx_bat_walk bat;
    uint64_t size; /* after replay the file is longer, and what lies there is said to be zeros */
    if (!exam->has_geometry || !exam->has_bat)
        return VHDX_OK;
    if (vx_file_size(exam->view, &size, NULL) == VHDX_OK)
        pass.file_size = vx_max(pass.file_size, size);
    pass.bitmap_index = exam->geometry.chunk_ratio;
    check_room(&pass);
    VX_TRY(vx_bat_walk_open(exam, exam->bat.length / VX_BAT_ENTRY_SIZE, &bat, err));
    bat.nonsense = take_nonsense;
    bat.context = &pass;
    vhdx_status status = walk(&pass, &bat, err);
    vx_bat_walk_close(&bat);
    if (status == VHDX_OK)
        check_fixed(&pass);
    return status;
}
