/*
 * Entries that are missing. See absent.h.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/absent.h"

#include "base/alloc.h"
#include "image/log_needed.h"

#include <string.h>

#define IN_PAGE VX_BAT_PAGE_ENTRIES
#define SECTOR 512u /* what a medium loses at once */
#define IN_SECTOR (SECTOR / VX_BAT_ENTRY_SIZE)
#define MOST_OF_ROOM (512 * VX_MIB) /* that is read; after that there is taken to be something */
#define LONGEST_LOG (64 * VX_MIB)   /* real ones have 1 MiB */

struct finding {
    const struct vx_absent_search *search;
    const struct vx_geometry *geometry;
    bool log_is_older; /* some page at home is newer: the writer does not log */
    uint64_t agreeing; /* pages at home that are as the log has them */
};

vhdx_status vx_absent_open_log_of(struct vx_file *file, const struct vx_header *header, struct vx_log_witnesses *log,
                                  vhdx_error *err)
{
    if (header->log_length == 0 || header->log_length > LONGEST_LOG)
        return VHDX_OK;
    return vx_log_witnesses_open(log, file, header->log_offset, header->log_length, &header->log_guid, err);
}

vhdx_status vx_absent_open_log(struct vx_exam *exam, struct vx_log_witnesses *log, vhdx_error *err)
{
    return exam->header && exam->has_log ? vx_absent_open_log_of(exam->file, exam->header, log, err) : VHDX_OK;
}

uint64_t vx_absent_entry(const struct vx_absent *absent, const struct vx_geometry *geometry, uint64_t bat_index)
{
    uint64_t block;
    if (bat_index < absent->first_index || bat_index - absent->first_index >= absent->count)
        return 0;
    if (absent->entries)
        return vx_get64(absent->entries + (bat_index - absent->first_index) * VX_BAT_ENTRY_SIZE);
    if (!vx_geometry_is_payload(geometry, bat_index, &block) || block < absent->first_block ||
        block > absent->last_block)
        return 0;
    const struct vx_bat_entry entry = {.state = VX_PAYLOAD_FULLY_PRESENT,
                                       .file_offset =
                                           absent->place + (block - absent->first_block) * geometry->block_size};
    return vx_bat_entry_encode(&entry);
}

/* ---- what the log says ---- */

/* The newest version of the page, if nothing newer can have been overwritten. */
static const struct vx_log_witness *newest(const struct finding *f, uint64_t page)
{
    const struct vx_leads *leads = f->search->leads;
    const struct vx_log_witness *witness;
    if (!f->search->log || f->log_is_older)
        return NULL;
    witness = vx_log_witness_find(f->search->log, leads->source.offset + page * VX_PAGE);
    return witness && witness->rank <= 1 ? witness : NULL;
}

/* Whether the log's version differs only where there are zeros at home now. */
static bool differs_by_zeros(const uint8_t home[VX_PAGE], const uint8_t logged[VX_PAGE])
{
    for (uint32_t at = 0; at < VX_PAGE; at += SECTOR)
        if (memcmp(home + at, logged + at, SECTOR) != 0 && !vx_is_zero(home + at, SECTOR))
            return false;
    return true;
}

static vhdx_status compare_page(struct finding *f, const struct vx_log_witness *witness, vhdx_error *err)
{
    uint8_t home[VX_PAGE] = {0}, logged[VX_PAGE];
    size_t got;
    VX_TRY(vx_log_witness_page(f->search->log, witness, logged, err));
    VX_TRY(vx_file_read_some(f->search->leads->source.file, home, sizeof home, witness->target, &got, err));
    f->agreeing += memcmp(home, logged, VX_PAGE) == 0;
    f->log_is_older = !differs_by_zeros(home, logged);
    return VHDX_OK;
}

/* In a clean disk that was written through its log the newest version of each page is what stands at home. */
static vhdx_status compare_log(struct finding *f, vhdx_error *err)
{
    const struct vx_log_witnesses *log = f->search->log;
    for (size_t i = 0; log && i < log->count && !f->log_is_older; i++)
        if (log->pages[i].rank <= 1 && (i == 0 || log->pages[i].target != log->pages[i - 1].target))
            VX_TRY(compare_page(f, &log->pages[i], err));
    return VHDX_OK;
}

/* Whether an entry that the log remembers is one whose space is still there, and nobody's. */
static bool is_open(const struct finding *f, uint64_t bat_index, const struct vx_bat_entry *entry, uint64_t *length)
{
    const struct vx_bat_world world = {f->geometry, f->search->leads->source.file_size};
    uint64_t which;
    bool payload = vx_geometry_is_payload(f->geometry, bat_index, &which);
    *length = payload ? f->geometry->block_size : VX_BITMAP_BLOCK_SIZE;
    if (vx_bat_entry_is_bad(&world, bat_index, entry) || entry->file_offset < VX_HEADER_SECTION_SIZE ||
        entry->file_offset >= world.file_size || (payload && which >= f->geometry->payload_count))
        return false;
    bool has_data =
        entry->state == VX_PAYLOAD_FULLY_PRESENT || (payload && entry->state == VX_PAYLOAD_PARTIALLY_PRESENT);
    return has_data && vx_claims_is_free(&f->search->leads->owned, entry->file_offset, *length);
}

/* A sector of zeros at home: whether blocks are missing in it, and any of them holds something. */
static vhdx_status look_at_sector(const struct finding *f, uint64_t first_index, const uint8_t *logged,
                                  uint64_t *missing, bool *content, vhdx_error *err)
{
    uint64_t taken = 0, length;
    *missing = 0;
    *content = false;
    for (uint32_t i = 0; i < IN_SECTOR && first_index + i < f->geometry->entry_count; i++) {
        const struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(logged + i * VX_BAT_ENTRY_SIZE));
        bool open = is_open(f, first_index + i, &entry, &length);
        *missing += open;
        taken += !open && entry.file_offset != 0;
        if (open && !*content)
            VX_TRY(vx_lead_has_content(f->search->leads, entry.file_offset, length, content, err));
    }
    if (taken * 4 > *missing)
        *missing = 0;
    return VHDX_OK;
}

static void set_blocks(const struct finding *f, struct vx_absent *absent)
{
    uint64_t last = absent->first_index + absent->count - 1;
    if (!vx_geometry_is_payload(f->geometry, absent->first_index, &absent->first_block))
        absent->first_block = (absent->first_block + 1) * f->geometry->chunk_ratio;
    if (!vx_geometry_is_payload(f->geometry, last, &absent->last_block))
        absent->last_block = (absent->last_block + 1) * f->geometry->chunk_ratio - 1;
    absent->last_block = vx_min(absent->last_block, f->geometry->payload_count - 1);
}

/* What is given back to a block is not given to another one. */
static vhdx_status own(const struct finding *f, struct vx_absent *absent, vhdx_error *err)
{
    uint64_t length;
    for (uint64_t i = 0; i < absent->count; i++) {
        const struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(absent->entries + i * VX_BAT_ENTRY_SIZE));
        if (is_open(f, absent->first_index + i, &entry, &length))
            VX_TRY(vx_claims_take(&f->search->leads->owned, entry.file_offset, length, err));
        else
            vx_put64(absent->entries + i * VX_BAT_ENTRY_SIZE, 0);
    }
    return VHDX_OK;
}

/* Sectors side by side are one loss. */
static vhdx_status find_in_page(struct finding *f, uint64_t page, vhdx_error *err)
{
    const struct vx_log_witness *witness = newest(f, page);
    uint8_t home[VX_PAGE] = {0}, logged[VX_PAGE];
    size_t got;
    struct vx_absent absent = {.witness = VX_ABSENT_LOG};
    VX_TRY(vx_log_witness_page(f->search->log, witness, logged, err));
    VX_TRY(vx_file_read_some(f->search->leads->source.file, home, sizeof home, witness->target, &got, err));
    absent.sure = f->agreeing > 0 || !vx_is_zero(home, sizeof home);
    for (uint32_t at = 0; at <= VX_PAGE; at += SECTOR) {
        uint64_t index = page * IN_PAGE + at / VX_BAT_ENTRY_SIZE, missing = 0;
        bool content = false;
        if (at < VX_PAGE && vx_is_zero(home + at, SECTOR) && index < f->geometry->entry_count)
            VX_TRY(look_at_sector(f, index, logged + at, &missing, &content, err));
        if (missing > 0 && content && absent.count == 0) {
            absent.first_index = index;
            absent.entries = logged + at;
        }
        if (missing > 0 && content) {
            absent.count += vx_min(IN_SECTOR, f->geometry->entry_count - index);
        } else if (absent.count > 0) {
            set_blocks(f, &absent);
            VX_TRY(own(f, &absent, err));
            VX_TRY(f->search->visit(f->search->context, &absent, err));
            absent.count = 0;
        }
    }
    return VHDX_OK;
}

static vhdx_status find_by_log(struct finding *f, vhdx_error *err)
{
    const struct vx_leads *leads = f->search->leads;
    const struct vx_log_witnesses *log = f->search->log;
    uint64_t end = leads->source.offset + f->geometry->entry_count * VX_BAT_ENTRY_SIZE;
    for (size_t i = 0; log && i < log->count && !f->log_is_older; i++) {
        uint64_t target = log->pages[i].target;
        if (log->pages[i].rank > 1 || (i > 0 && target == log->pages[i - 1].target) || target < leads->source.offset ||
            target >= end || (target - leads->source.offset) % VX_PAGE != 0)
            continue;
        VX_TRY(find_in_page(f, (target - leads->source.offset) / VX_PAGE, err));
    }
    return VHDX_OK;
}

/* ---- what the file says ---- */

/* Blocks [first, end) are all absent, and would lie from `place` on. */
struct gap {
    uint64_t first, end, place;
    bool straight;
};

/* Whether zeros stand there, and not nonsense, which is passed over as zeros; and the log does not say so. */
static vhdx_status are_missing(struct finding *f, const struct vx_absent *absent, bool *missing, vhdx_error *err)
{
    const struct vx_leads *leads = f->search->leads;
    const struct vx_log_witness *witness = newest(f, absent->first_index / IN_PAGE);
    uint64_t at = absent->first_index % IN_PAGE * VX_BAT_ENTRY_SIZE, block;
    uint8_t page[VX_PAGE] = {0};
    size_t got;
    VX_TRY(vx_file_read_some(leads->source.file, page, sizeof page,
                             leads->source.offset + absent->first_index / IN_PAGE * VX_PAGE, &got, err));
    *missing = vx_is_zero(page + at, (size_t)absent->count * VX_BAT_ENTRY_SIZE);
    if (!*missing || !witness)
        return VHDX_OK;
    VX_TRY(vx_log_witness_page(f->search->log, witness, page, err));
    *missing = f->search->fixed; /* in others find_by_log() has seen all that there is */
    for (uint64_t i = 0; i < absent->count && *missing; i++)
        if (vx_geometry_is_payload(f->geometry, absent->first_index + i, &block))
            *missing = vx_get64(page + at + i * VX_BAT_ENTRY_SIZE) != 0;
    return VHDX_OK;
}

/* The part of the gap that lies in one page of the BAT. */
static vhdx_status add_part(struct finding *f, const struct gap *gap, uint64_t first, uint64_t end, vhdx_error *err)
{
    struct vx_absent absent = {.first_index = vx_geometry_payload_index(f->geometry, first),
                               .first_block = first,
                               .last_block = end - 1,
                               .witness = f->search->fixed ? VX_ABSENT_FIXED : VX_ABSENT_ORDER,
                               .sure = f->search->fixed,
                               .lossless = f->search->fixed && gap->straight,
                               .place = gap->place + (first - gap->first) * f->geometry->block_size};
    uint64_t length = (end - first) * f->geometry->block_size;
    bool missing, content;
    absent.count = vx_geometry_payload_index(f->geometry, end - 1) + 1 - absent.first_index;
    VX_TRY(are_missing(f, &absent, &missing, err));
    if (!missing)
        return VHDX_OK;
    VX_TRY(vx_lead_has_content(f->search->leads, absent.place, length, &content, err));
    if (!content)
        return VHDX_OK;
    VX_TRY(vx_claims_take(&f->search->leads->owned, absent.place, length, err));
    return f->search->visit(f->search->context, &absent, err);
}

/* A sector of the BAT, or several: what a medium loses. */
static bool is_aligned(const struct finding *f, const struct gap *gap)
{
    uint64_t first = vx_geometry_payload_index(f->geometry, gap->first), end;
    end = vx_geometry_payload_index(f->geometry, gap->end - 1) + 1;
    return first % IN_SECTOR == 0 && end % IN_SECTOR == 0;
}

static vhdx_status take_gap(struct finding *f, const struct gap *gap, vhdx_error *err)
{
    const struct vx_leads *leads = f->search->leads;
    uint64_t block_size = f->geometry->block_size, length = (gap->end - gap->first) * block_size;
    uint64_t cut = gap->end == f->geometry->payload_count ? block_size - 1 : 0; /* the last may end with the disk */
    if (gap->place < VX_HEADER_SECTION_SIZE || gap->place >= leads->source.file_size ||
        length - cut > leads->source.file_size - gap->place || (!f->search->fixed && !is_aligned(f, gap)) ||
        !vx_claims_is_free(&leads->owned, gap->place, length))
        return VHDX_OK;
    for (uint64_t first = gap->first; first < gap->end;) {
        uint64_t page = vx_geometry_payload_index(f->geometry, first) / IN_PAGE, end = first + 1;
        while (end < gap->end && vx_geometry_payload_index(f->geometry, end) / IN_PAGE == page)
            end++;
        VX_TRY(add_part(f, gap, first, end, err));
        first = end;
    }
    return VHDX_OK;
}

struct place {
    bool known;
    uint64_t block, file_offset;
};

/* At the ends of the disk the gap must end where the structures or the file do, or the block could lie beside it. */
static bool is_exact(const struct finding *f, const struct gap *gap, bool behind_block, bool before_block)
{
    const struct vx_leads *leads = f->search->leads;
    uint64_t end = gap->place + (gap->end - gap->first) * f->geometry->block_size;
    bool begins = behind_block || (gap->place > VX_MIB && gap->place < leads->source.file_size &&
                                   !vx_claims_is_free(&leads->owned, gap->place - VX_MIB, VX_MIB));
    return begins && (before_block || leads->source.file_size < end + VX_MIB);
}

/* Between one block with data and the next, all entries are zero. */
static vhdx_status look_between(struct finding *f, const struct place *before, const struct place *after,
                                vhdx_error *err)
{
    const struct vx_leads *leads = f->search->leads;
    uint64_t block_size = f->geometry->block_size;
    struct gap gap = {.first = before->known ? before->block + 1 : 0,
                      .end = after->known ? after->block : f->geometry->payload_count,
                      .straight = leads->straight && leads->present > 1};
    if (gap.end <= gap.first)
        return VHDX_OK;
    uint64_t length = (gap.end - gap.first) * block_size;
    if (f->search->fixed && gap.straight) {
        gap.place = leads->base + gap.first * block_size;
        gap.straight = is_exact(f, &gap, before->known, after->known);
        return take_gap(f, &gap, err);
    }
    if (!after->known || after->file_offset <= length)
        return VHDX_OK;
    gap.place = after->file_offset - length;
    if (before->known ? before->file_offset + block_size != gap.place
                      : gap.place < VX_MIB || vx_claims_is_free(&leads->owned, gap.place - VX_MIB, VX_MIB))
        return VHDX_OK;
    return take_gap(f, &gap, err);
}

static vhdx_status walk_gaps(struct finding *f, struct vx_bat_walk *bat, vhdx_error *err)
{
    struct place before = {0}, none = {0};
    uint64_t block;
    bool odd = false; /* an entry without data stands between */
    for (;; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            return odd ? VHDX_OK : look_between(f, &before, &none, err);
        struct vx_bat_entry entry = vx_bat_entry_decode(bat->raw);
        if (!vx_geometry_is_payload(f->geometry, bat->index, &block))
            continue;
        if (entry.state != VX_PAYLOAD_FULLY_PRESENT || entry.reserved != 0) {
            odd = true;
            continue;
        }
        const struct place here = {true, block, entry.file_offset};
        if (!odd)
            VX_TRY(look_between(f, &before, &here, err));
        before = here;
        odd = false;
    }
}

static vhdx_status find_by_place(struct finding *f, vhdx_error *err)
{
    struct vx_bat_walk bat;
    if (f->geometry->has_parent || f->search->leads->present == 0)
        return VHDX_OK;
    VX_TRY(vx_bat_walk_begin(&f->search->leads->source, f->geometry->entry_count, &bat, err));
    vhdx_status status = walk_gaps(f, &bat, err);
    vx_bat_walk_close(&bat);
    return status;
}

/* A BAT that was moved leaves its entries behind: no payload looks like that. */
static bool is_former_bat(const uint8_t *bytes, size_t length)
{
    uint64_t any = 0;
    for (size_t at = 0; at + VX_BAT_ENTRY_SIZE <= length; at += VX_BAT_ENTRY_SIZE)
        any |= vx_get64(bytes + at);
    return vx_bat_entry_decode(any).reserved == 0;
}

/* Nor like a log that was moved. */
static bool is_former_log(const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at + VX_PAGE <= length; at += VX_PAGE)
        if (!vx_log_is_page(bytes + at) && !vx_is_zero(bytes + at, VX_PAGE))
            return false;
    return true;
}

/* Whether the MiB holds payload. */
static vhdx_status holds_payload(struct vx_leads *leads, uint64_t slot, uint8_t *bytes, bool *payload, vhdx_error *err)
{
    size_t got;
    VX_TRY(vx_lead_has_content(leads, slot * VX_MIB, VX_MIB, payload, err));
    if (!*payload)
        return VHDX_OK;
    VX_TRY(vx_file_read_some(leads->source.file, bytes, (size_t)VX_MIB, slot * VX_MIB, &got, err));
    *payload = !is_former_bat(bytes, got) && !is_former_log(bytes, got);
    return VHDX_OK;
}

/* Free slots [slot, taken), of which those before `end` count: whether one of them holds payload. */
static vhdx_status look_in_run(struct vx_leads *leads, uint64_t slot, uint64_t end, uint8_t *bytes, bool *found,
                               vhdx_error *err)
{
    while (slot < end && !*found) {
        uint64_t data, length;
        vx_file_next_data(leads->source.file, slot * VX_MIB, &data, &length);
        slot = length == 0 ? end : vx_max(slot, data / VX_MIB);
        if (slot < end)
            VX_TRY(holds_payload(leads, slot++, bytes, found, err));
    }
    return VHDX_OK;
}

/* Content without an owner that touches an owner, in space that is no number of blocks: a part of a block whose entry
 * leads to a place beside its own. */
static vhdx_status look_at_edges(struct vx_leads *leads, uint64_t slot, uint64_t taken, uint8_t *bytes, bool *found,
                                 vhdx_error *err)
{
    VX_TRY(look_in_run(leads, slot, slot + 1, bytes, found, err));
    return taken < leads->owned.slots ? look_in_run(leads, taken - 1, taken, bytes, found, err) : VHDX_OK;
}

static vhdx_status look_for_payload(struct vx_leads *leads, uint64_t end, const struct vx_absent_room *room,
                                    uint8_t *bytes, struct vx_absent_left *left, vhdx_error *err)
{
    const struct vx_claims *owned = &leads->owned;
    uint64_t units = room->block_size / VX_MIB;
    for (uint64_t slot = vx_claims_next_free(owned, 1); slot < vx_min(owned->slots, end);) {
        uint64_t taken = vx_claims_next_taken(owned, slot), data, length;
        vx_file_next_data(leads->source.file, slot * VX_MIB, &data, &length);
        if (length == 0)
            return VHDX_OK;
        if ((taken - slot >= units || (room->cut_off && taken >= owned->slots)) && !left->block)
            VX_TRY(look_in_run(leads, slot, vx_min(taken, end), bytes, &left->block, err));
        if ((taken - slot) % units != 0 && taken <= end && !left->part)
            VX_TRY(look_at_edges(leads, slot, taken, bytes, &left->part, err));
        slot = vx_claims_next_free(owned, taken);
    }
    return VHDX_OK;
}

vhdx_status vx_absent_look(const struct vx_absent_room *room, struct vx_absent_left *left, vhdx_error *err)
{
    struct vx_leads leads = {
        .source = {.file = room->file, .file_size = room->file_size}, .owned = *room->owned, .left = MOST_OF_ROOM};
    uint64_t end = vx_ceil_div(room->file_size, VX_MIB);
    uint8_t *bytes = vx_alloc((size_t)VX_MIB, 1);
    *left = (struct vx_absent_left){0};
    if (!bytes)
        return vx_fail_memory(err, "a window of the file");
    if (vx_absent_is_qemu(room))
        end -= vx_min(end, room->block_size / VX_MIB);
    vhdx_status status = look_for_payload(&leads, end, room, bytes, left, err);
    vx_free(bytes);
    return status;
}

vhdx_status vx_absent_is_zeros(struct vx_file *file, uint64_t place, uint64_t length, uint64_t *left, bool *zeros,
                               vhdx_error *err)
{
    uint8_t bytes[VX_PAGE];
    uint64_t end = place + length;
    *zeros = true;
    while (*zeros && *left > 0 && place < end) {
        uint64_t data, data_length;
        size_t got;
        vx_file_next_data(file, place, &data, &data_length);
        if (data_length == 0 || data >= end)
            return VHDX_OK;
        place = vx_max(place, data);
        VX_TRY(vx_file_read_some(file, bytes, (size_t)vx_min(sizeof bytes, end - place), place, &got, err));
        *zeros = vx_is_zero(bytes, got);
        *left -= vx_min(*left, sizeof bytes);
        place += sizeof bytes;
    }
    return VHDX_OK;
}

vhdx_status vx_absent_touches(const struct vx_absent_room *room, uint64_t block_offset, bool *touches, vhdx_error *err)
{
    struct vx_leads leads = {
        .source = {.file = room->file, .file_size = room->file_size}, .owned = *room->owned, .left = 4 * VX_MIB};
    uint64_t units = room->block_size / VX_MIB, first = block_offset / VX_MIB, behind = first + units, slot = first;
    uint8_t *bytes = vx_alloc((size_t)VX_MIB, 1);
    *touches = false;
    if (!bytes)
        return vx_fail_memory(err, "a window of the file");
    vhdx_status status = VHDX_OK;
    while (slot > 1 && vx_claims_is_free(&leads.owned, (slot - 1) * VX_MIB, VX_MIB))
        slot--;
    if ((first - slot) % units != 0)
        status = look_in_run(&leads, first - 1, first, bytes, touches, err);
    slot = behind < leads.owned.slots ? vx_claims_next_taken(&leads.owned, behind) : behind;
    if (status == VHDX_OK && (slot - behind) % units != 0)
        status = look_in_run(&leads, behind, behind + 1, bytes, touches, err);
    vx_free(bytes);
    return status;
}

bool vx_absent_is_qemu(const struct vx_absent_room *room)
{
    return strncmp(room->creator, "QEMU", 4) == 0;
}

vhdx_status vx_absent_find(const struct vx_absent_search *search, vhdx_error *err)
{
    struct finding f = {.search = search, .geometry = search->leads->source.geometry};
    VX_TRY(compare_log(&f, err));
    if (!search->fixed)
        VX_TRY(find_by_log(&f, err));
    return find_by_place(&f, err);
}
