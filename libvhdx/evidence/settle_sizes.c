/*
 * Which sizes agree with all that the file says. See sizes.h. First only the stored values are asked about; when
 * something speaks against them, every other set of values that anything suggests is asked the same questions.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "evidence/log_witnesses.h"
#include "evidence/sizes_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SIZES_MAX 10u /* of the virtual disk, that are suggested for one block size and sector size */
/* ---- the log ---- */

static vhdx_status logged(struct vx_log_witnesses *log, uint64_t place, size_t length, uint64_t *value, vhdx_error *err)
{
    const struct vx_log_witness *witness =
        place > 0 && place % VX_PAGE <= VX_PAGE - 8 ? vx_log_witness_find(log, vx_round_down(place, VX_PAGE)) : NULL;
    uint8_t page[VX_PAGE];
    *value = 0;
    if (!witness || witness->rank > 1)
        return VHDX_OK;
    VX_TRY(vx_log_witness_page(log, witness, page, err));
    *value = length == 8 ? vx_get64(page + place % VX_PAGE) : vx_get32(page + place % VX_PAGE);
    return VHDX_OK;
}

static vhdx_status ask_log(struct vx_settling *s, vhdx_error *err)
{
    const struct vx_size_facts *facts = s->facts;
    struct vx_log_witnesses log;
    uint64_t block_size = 0, sector = 0;
    if (facts->log_length == 0)
        return VHDX_OK;
    vhdx_status status = vx_log_witnesses_open(&log, facts->view, facts->log_offset, facts->log_length, NULL, err);
    if (status == VHDX_OK)
        status = logged(&log, facts->size_place, 8, &s->logged.virtual_size, err);
    if (status == VHDX_OK)
        status = logged(&log, facts->parameters_place, 4, &block_size, err);
    if (status == VHDX_OK)
        status = logged(&log, facts->sector_place, 4, &sector, err);
    s->logged.block_size = (uint32_t)block_size;
    s->logged.logical_sector = (uint32_t)sector;
    vx_log_witnesses_close(&log);
    return status;
}

/* ---- which answers there are ---- */

/* The largest size that the guest and the entries want; a disk mostly ends where its partition table does. */
static size_t suggest_sizes(const struct vx_settling *s, size_t which, uint64_t sizes[SIZES_MAX])
{
    const struct vx_size_facts *facts = s->facts;
    const struct vx_size_guest *guest = &s->guests[which];
    const struct vx_census *census = &s->census[which];
    uint64_t reach;
    size_t count = 0;
    if (facts->told.virtual_size) {
        sizes[0] = facts->told.virtual_size;
        return 1;
    }
    sizes[count++] = facts->stored.virtual_size;
    if (guest->gpt && guest->gpt_sector == census->logical_sector)
        sizes[count++] = guest->gpt_end;
    if (facts->parent)
        sizes[count++] = facts->parent->virtual_size;
    if (s->logged.virtual_size)
        sizes[count++] = s->logged.virtual_size;
    if (guest->reach > 0 && vx_round_up(guest->reach, census->logical_sector, &reach))
        sizes[count++] = reach;
    sizes[count++] = vx_min(vx_max(census->blocks, 1) * census->block_size, VX_VIRTUAL_SIZE_MAX);
    sizes[count++] = vx_round_down(facts->stored.virtual_size, 4096);
    return count;
}

#define STRONG 2u /* a witness that names one value only */

static void weigh_size(const struct vx_settling *s, const struct vx_size_guest *guest,
                       struct vx_sizes_candidate *answer)
{
    const struct vx_parent_hint *known = s->facts->parent;
    uint64_t size = answer->sizes.virtual_size, sector = answer->sizes.logical_sector;
    bool at_end = guest->gpt && guest->gpt_end == size, backup = at_end && guest->backup;
    bool parent = known && known->virtual_size == size, log = s->logged.virtual_size == size;
    bool reach = guest->reach > 0 && vx_ceil_div(guest->reach, sector) * sector == size;
    if (size == s->facts->stored.virtual_size) {
        answer->support += backup;
        return;
    }
    answer->changes++;
    answer->support += STRONG * backup + STRONG * parent + STRONG * log + at_end + reach;
    answer->named = answer->named && (backup || log || (parent && s->facts->parent_proven));
}

static void weigh_block(const struct vx_settling *s, size_t before, size_t after, struct vx_sizes_candidate *answer)
{
    const struct vx_census *census = &s->census[after];
    bool backup = s->guests[after].backup && !s->guests[before].backup;
    bool many = census->touching >= VX_SIZES_APART_LEAST && census->overlaps == 0;
    bool proven = many && s->census[before].overlaps >= VX_SIZES_APART_LEAST &&
                  census->last_place + census->block_size == s->file_size;
    bool log = s->logged.block_size == census->block_size;
    if (census->block_size == s->facts->stored.block_size)
        return;
    answer->changes++;
    bool bits = vx_sizes_has_bitmaps(s, census) && !vx_sizes_has_bitmaps(s, &s->census[before]);
    bool ends = census->touching > 0 && census->overlaps == 0 && vx_sizes_ends(s, census) &&
                !vx_sizes_ends(s, &s->census[before]);
    answer->support += STRONG * proven + STRONG * backup + STRONG * log + STRONG * bits + many + ends;
    answer->named = answer->named && (proven || backup || log);
}

static void weigh_sector(const struct vx_settling *s, size_t before, size_t after, struct vx_sizes_candidate *answer)
{
    const struct vx_census *census = &s->census[after], *stored = &s->census[before];
    uint32_t sector = census->logical_sector;
    bool bits = census->bitmaps > 0 && census->bitmapless == 0 && stored->bitmapless > 0;
    bool gpt = s->guests[after].gpt && s->guests[after].gpt_sector == sector;
    bool parent = s->facts->parent && s->facts->parent->logical_sector == sector;
    bool slots = stored->in_slots >= VX_SIZES_LIKELY && census->in_slots == 0, hollow = vx_sizes_is_hollow(s, stored);
    bool log = s->logged.logical_sector == sector;
    if (sector == s->facts->stored.logical_sector)
        return;
    answer->changes++;
    answer->support += STRONG * bits + STRONG * gpt + STRONG * parent + STRONG * log + slots + hollow;
    answer->named = answer->named && (bits || gpt || parent || log || (hollow && s->fixed));
}

/* Who names the values that are changed. */
static struct vx_sizes_candidate weigh(const struct vx_settling *s, const struct vx_sizes *sizes, size_t which)
{
    const struct vx_sizes *stored = &s->facts->stored;
    struct vx_sizes_candidate answer = {.sizes = *sizes, .named = true};
    size_t before = vx_sizes_census_of(s, stored->block_size, stored->logical_sector);
    weigh_size(s, &s->guests[which], &answer);
    weigh_block(s, before, which, &answer);
    weigh_sector(s, before, which, &answer);
    return answer;
}

static bool same(const struct vx_sizes *a, const struct vx_sizes *b)
{
    return a->virtual_size == b->virtual_size && a->block_size == b->block_size &&
           a->logical_sector == b->logical_sector;
}

/* Another sector size moves every block behind the first chunk: one entry in a wrong place is no reason for that. */
static bool is_supported(const struct vx_settling *s, const struct vx_sizes_candidate *answer)
{
    bool sector = answer->sizes.logical_sector != s->facts->stored.logical_sector;
    size_t before = vx_sizes_census_of(s, s->facts->stored.block_size, s->facts->stored.logical_sector);
    size_t after = vx_sizes_census_of(s, answer->sizes.block_size, answer->sizes.logical_sector);
    if (answer->sizes.block_size != s->facts->stored.block_size &&
        (answer->support == 0 || s->guests[after].contradictions > s->guests[before].contradictions))
        return false;
    return !sector || answer->support > 0 || (s->doubts & VX_SIZES_HARD) == VX_SIZE_RULES;
}

/* < 0: the first is the better answer. Where nothing else speaks, that which cuts nothing off a disk whose size is no
 * whole number of sectors. */
static int rank(const struct vx_settling *s, const struct vx_sizes_candidate *a, const struct vx_sizes_candidate *b)
{
    if (a->changes != b->changes)
        return a->changes < b->changes ? -1 : 1;
    if (a->support != b->support)
        return a->support > b->support ? -1 : 1;
    if ((s->doubts & VX_SIZES_HARD) == VX_SIZE_RULES && a->sizes.virtual_size != b->sizes.virtual_size)
        return a->sizes.virtual_size > b->sizes.virtual_size ? -1 : 1;
    return 0;
}

static void compare(struct vx_settling *s, const struct vx_sizes_candidate *answer)
{
    if (!is_supported(s, answer)) {
        s->rival_sector = s->rival_sector ||
                          (answer->changes == 1 && answer->sizes.logical_sector != s->facts->stored.logical_sector);
        return;
    }
    int order = s->best.changes == 0 ? -1 : rank(s, answer, &s->best);
    bool equal = order == 0 && !same(&answer->sizes, &s->best.sizes);
    if (order < 0) {
        s->best = *answer;
        s->ties = 0;
    } else if (equal) {
        s->ties++;
        s->tied = answer->sizes;
    }
}

static void try_sizes(struct vx_settling *s, size_t which)
{
    uint64_t suggested[SIZES_MAX];
    size_t count = suggest_sizes(s, which, suggested);
    bool told = s->facts->told.virtual_size || s->facts->told.block_size || s->facts->told.logical_sector;
    for (size_t i = 0; i < count; i++) {
        const struct vx_sizes sizes = {suggested[i], s->census[which].block_size, s->census[which].logical_sector};
        if (same(&sizes, &s->facts->stored))
            continue;
        unsigned doubts = vx_sizes_doubts(s, &sizes, which);
        if (told ? !(doubts & VX_SIZE_RULES) : doubts == 0) {
            struct vx_sizes_candidate answer = weigh(s, &sizes, which);
            answer.support += told;
            compare(s, &answer);
        }
    }
}

/* ---- the verdict ---- */

static enum vx_witness witness_of(const struct vx_settling *s)
{
    size_t after = vx_sizes_census_of(s, s->best.sizes.block_size, s->best.sizes.logical_sector);
    const struct vx_size_facts *facts = s->facts;
    if (facts->told.virtual_size || facts->told.block_size || facts->told.logical_sector)
        return VX_WITNESS_CALLER;
    if (facts->parent && (s->doubts & VX_SIZE_PARENT))
        return VX_WITNESS_PARENT;
    return s->guests[after].gpt ? VX_WITNESS_CONTENT : VX_WITNESS_GEOMETRY;
}

/* What the caller says is done; less content than there is only when that may be given up. */
static bool keeps_all(const struct vx_settling *s)
{
    size_t after = vx_sizes_census_of(s, s->best.sizes.block_size, s->best.sizes.logical_sector);
    return s->best.sizes.virtual_size >= s->facts->stored.virtual_size ||
           s->census[after].blocks <= vx_ceil_div(s->best.sizes.virtual_size, s->best.sizes.block_size);
}

/* Whether any byte is read from elsewhere with these sectors. */
static bool moves_nothing(const struct vx_settling *s)
{
    const struct vx_sizes *stored = &s->facts->stored, *best = &s->best.sizes;
    return !s->child && best->virtual_size == stored->virtual_size && best->block_size == stored->block_size &&
           stored->virtual_size <= VX_SECTORS_PER_CHUNK * 512;
}

static void settle(struct vx_settling *s)
{
    struct vx_size_answer *out = s->out;
    const struct vx_sizes_candidate *best = &s->best;
    if (best->changes == 0)
        return;
    vx_sizes_describe(s);
    out->verdict = s->ties > 0 ? VX_SIZES_TIED : VX_SIZES_SETTLED;
    out->virtual_size = best->sizes.virtual_size;
    out->block_size = best->sizes.block_size;
    out->logical_sector = best->sizes.logical_sector;
    out->other_virtual_size = s->tied.virtual_size;
    out->other_block_size = s->tied.block_size;
    out->other_logical_sector = s->tied.logical_sector;
    out->witness = witness_of(s);
    out->by_guest_only = (s->doubts & VX_SIZES_HARD) == VX_SIZE_GPT_SECTOR && moves_nothing(s);
    bool told = out->witness == VX_WITNESS_CALLER;
    const unsigned hard = s->doubts & VX_SIZES_HARD & ~(unsigned)VX_SIZE_GPT_SECTOR;
    out->lossless = told ? keeps_all(s) : best->changes == 1 && best->named && hard != 0;
    if (told)
        snprintf(out->evidence, sizeof out->evidence, "the caller says so");
}

/* All that can be asked about, those with the stored block size first. */
static void list_census(struct vx_settling *s)
{
    const uint32_t stored = s->facts->stored.block_size;
    for (uint32_t sector = 512; sector <= 4096; sector *= 8)
        s->census[s->count++] = (struct vx_census){.block_size = stored, .logical_sector = sector};
    for (uint32_t sector = 512; sector <= 4096; sector *= 8)
        for (uint32_t size = VX_BLOCK_SIZE_MIN; size <= VX_BLOCK_SIZE_MAX; size *= 2)
            if (size != stored)
                s->census[s->count++] = (struct vx_census){.block_size = size, .logical_sector = sector};
}

static bool is_likely(const struct vx_settling *s, const struct vx_census *census)
{
    return census->block_size == s->facts->stored.block_size || census->block_size == s->facts->told.block_size ||
           vx_sizes_stands_apart(census) || vx_sizes_has_bitmaps(s, census);
}

/* Keeps the stored block size, that which the caller says, those at which blocks touch, and those with whose sector
 * bitmaps the BAT agrees. */
static void drop_unlikely(struct vx_settling *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (is_likely(s, &s->census[i]))
            s->census[kept++] = s->census[i];
    s->count = kept;
}

/* The same, as nobody has counted anything yet. */
static void begin_census(struct vx_settling *s)
{
    for (size_t i = 0; i < s->count; i++)
        s->census[i] =
            (struct vx_census){.block_size = s->census[i].block_size, .logical_sector = s->census[i].logical_sector};
}

static bool is_told(const struct vx_settling *s, size_t which)
{
    const struct vx_sizes *told = &s->facts->told;
    return (!told->block_size || s->census[which].block_size == told->block_size) &&
           (!told->logical_sector || s->census[which].logical_sector == told->logical_sector);
}

/* The copy of the table at the very end of the disk: that size was no accident, and what is behind it is left over. */
static bool is_confirmed(const struct vx_settling *s, size_t stored)
{
    const struct vx_size_guest *guest = &s->guests[stored];
    return (s->doubts & VX_SIZES_HARD) == VX_SIZE_BEHIND && guest->backup &&
           guest->gpt_end == s->facts->stored.virtual_size;
}

static vhdx_status ask_stored(struct vx_settling *s, vhdx_error *err)
{
    const struct vx_size_facts *facts = s->facts;
    list_census(s);
    const struct vx_count_request request = {s->census, s->count, 2, false};
    VX_TRY(vx_sizes_count(facts, &request, err));
    size_t stored = vx_sizes_census_of(s, facts->stored.block_size, facts->stored.logical_sector);
    VX_TRY(vx_sizes_ask_guest(facts, &s->census[stored], false, &s->guests[stored], err));
    s->doubts = vx_sizes_doubts(s, &facts->stored, stored);
    s->out->larger_fits = vx_sizes_larger_fits(s, stored);
    s->shaken = !(s->doubts & VX_SIZE_ROOM) && !s->guests[stored].backup && vx_sizes_shaken(s, stored);
    if (s->shaken)
        s->doubts |= VX_SIZE_SPACING;
    s->doubted = (s->doubts & VX_SIZES_HARD) != 0 && !(s->doubts & VX_SIZE_ROOM) && !is_confirmed(s, stored);
    return VHDX_OK;
}

static bool differs(const struct vx_sizes *told, const struct vx_sizes *stored)
{
    return (told->virtual_size && told->virtual_size != stored->virtual_size) ||
           (told->block_size && told->block_size != stored->block_size) ||
           (told->logical_sector && told->logical_sector != stored->logical_sector);
}

static vhdx_status ask_all(struct vx_settling *s, vhdx_error *err)
{
    begin_census(s);
    const struct vx_count_request all = {s->census, s->count, s->count, true};
    VX_TRY(vx_sizes_count(s->facts, &all, err));
    drop_unlikely(s);
    begin_census(s); /* again: how far a block reaches that claims its place hangs on the smallest size */
    const struct vx_count_request request = {s->census, s->count, s->count, true};
    VX_TRY(vx_sizes_count(s->facts, &request, err));
    for (size_t i = 0; i < s->count; i++)
        VX_TRY(vx_sizes_ask_guest(s->facts, &s->census[i], true, &s->guests[i], err));
    const struct vx_sizes *stored = &s->facts->stored;
    s->doubts = vx_sizes_doubts(s, stored, vx_sizes_census_of(s, stored->block_size, stored->logical_sector));
    if ((s->doubts & VX_SIZES_HARD) == 0 && !differs(&s->facts->told, stored))
        return VHDX_OK;
    VX_TRY(ask_log(s, err));
    for (size_t i = 0; i < s->count; i++)
        if (is_told(s, i))
            try_sizes(s, i);
    settle(s);
    return VHDX_OK;
}

static uint64_t last_block(uint64_t virtual_size, uint32_t block_size)
{
    return vx_round_down(virtual_size - 1, block_size);
}

/* A fixed disk has all its blocks: when none but the last ones are missing, it may end before. Its end is also in doubt
 * where the guest believes that the disk is larger, and where its size is what the BAT's last entry says. */
static void doubt_end(struct vx_settling *s)
{
    const struct vx_sizes *stored = &s->facts->stored;
    struct vx_size_answer *out = s->out;
    size_t which = vx_sizes_census_of(s, stored->block_size, stored->logical_sector);
    const struct vx_census *census = which < s->count ? &s->census[which] : NULL;
    if (out->witness == VX_WITNESS_CALLER || !census)
        return;
    if (vx_sizes_changed(out, VX_PART_VIRTUAL_SIZE)) {
        uint64_t certain = out->lossless ? UINT64_MAX : vx_max(last_block(out->virtual_size, out->block_size), 1);
        out->certain_end = vx_min(out->stored_virtual_size, certain);
        return;
    }
    if (s->doubts & VX_SIZE_SPACING && out->verdict == VX_SIZES_STAND && out->evidence[0] == '\0')
        snprintf(out->evidence, sizeof out->evidence, "the blocks in the file are not that far apart");
    if (out->verdict == VX_SIZES_STAND)
        out->contradicted = (s->doubts & VX_SIZE_SPACING) != 0 || (s->doubted && (s->doubts & VX_SIZE_BEHIND));
    out->unusable = out->contradicted && (s->shaken || !(s->doubts & VX_SIZE_SPACING)) && !(s->doubts & VX_SIZE_ROOM);
    bool whole = s->fixed && census->blocks > 0 && census->present == census->blocks;
    if (whole && census->blocks < vx_ceil_div(stored->virtual_size, stored->block_size))
        out->certain_end = census->blocks * stored->block_size;
    else if (s->doubts & (VX_SIZE_GPT_END | VX_SIZE_REACH | VX_SIZE_BACKUP))
        out->certain_end = vx_max(last_block(stored->virtual_size, stored->block_size), 1);
}

/* Other sectors alone would explain it as well, though nothing names them: behind the first chunk of the smaller ones
 * entries may be those of other blocks. */
static void doubt_chunks(struct vx_settling *s)
{
    const uint64_t first_chunk = VX_SECTORS_PER_CHUNK * 512;
    struct vx_size_answer *out = s->out;
    if (s->rival_sector && out->witness != VX_WITNESS_CALLER && !vx_sizes_changed(out, VX_PART_LOGICAL_SECTOR))
        out->certain_end = out->certain_end ? vx_min(out->certain_end, first_chunk) : first_chunk;
}

static bool is_possible(const struct vx_sizes *sizes)
{
    return sizes->virtual_size > 0 && sizes->virtual_size <= VX_VIRTUAL_SIZE_MAX &&
           vx_is_power_of_two(sizes->block_size) && sizes->block_size >= VX_BLOCK_SIZE_MIN &&
           sizes->block_size <= VX_BLOCK_SIZE_MAX && (sizes->logical_sector == 512 || sizes->logical_sector == 4096);
}

vhdx_status vx_settle_sizes(const struct vx_size_facts *facts, struct vx_size_answer *answer, vhdx_error *err)
{
    answer->stored_virtual_size = facts->stored.virtual_size;
    answer->stored_block_size = facts->stored.block_size;
    answer->stored_logical_sector = facts->stored.logical_sector;
    if (!is_possible(&facts->stored))
        return VHDX_OK;
    struct vx_settling *s = vx_alloc(1, sizeof *s);
    if (!s)
        return vx_fail_memory(err, "the sizes of a disk");
    s->facts = facts;
    s->out = answer;
    s->child = (facts->parameter_flags & VX_PARAMETER_HAS_PARENT) != 0;
    s->fixed = !s->child && (facts->parameter_flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED);
    vhdx_status status = vx_file_size(facts->view, &s->file_size, err);
    if (status == VHDX_OK)
        status = ask_stored(s, err);
    if (status == VHDX_OK && (s->doubted || differs(&facts->told, &facts->stored)))
        status = ask_all(s, err);
    if (status == VHDX_OK) {
        doubt_end(s);
        doubt_chunks(s);
    }
    vx_free(s);
    return status;
}

bool vx_sizes_changed(const struct vx_size_answer *answer, enum vx_part part)
{
    if (answer->verdict != VX_SIZES_SETTLED)
        return false;
    switch (part) {
    case VX_PART_VIRTUAL_SIZE:
        return answer->virtual_size != answer->stored_virtual_size;
    case VX_PART_BLOCK_SIZE:
        return answer->block_size != answer->stored_block_size;
    case VX_PART_LOGICAL_SECTOR:
        return answer->logical_sector != answer->stored_logical_sector;
    default:
        return false;
    }
}
