/*
 * Which sizes agree with all that the file says. See sizes.h. First only the stored values are asked about; when
 * something speaks against them, every other set of values that anything suggests is asked the same questions.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "evidence/log_witnesses.h"
#include "evidence/sizes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SIZES_MAX 10u /* of the virtual disk, that are suggested for one block size and sector size */
#define LIKELY 2u     /* one entry in a wrong place may be a damaged entry */
#define TOUCHING_LEAST 2u
#define APART_LEAST 4u /* blocks that are larger than they are said to be */
#define TOUCHING_FOR_ONE_OVERLAP 8u

/* What nobody leaves behind by accident, and what asks for another answer. The end of a partition does not: a disk may
 * have been cut, and the rest of it be gone. */
#define HARD                                                                                                           \
    ((unsigned)(VX_SIZE_RULES | VX_SIZE_BEHIND | VX_SIZE_SLOTS | VX_SIZE_BITMAPLESS | VX_SIZE_HOLLOW |                 \
                VX_SIZE_GPT_SECTOR | VX_SIZE_PARENT | VX_SIZE_SPACING | VX_SIZE_FILE | VX_SIZE_BACKUP))

struct answer {
    struct vx_sizes sizes;
    unsigned changes;
    unsigned support; /* witnesses that name a value that is changed */
    bool named;       /* each by one that leaves no other */
};

struct settling {
    const struct vx_size_facts *facts;
    struct vx_size_answer *out;
    bool child, fixed;
    uint64_t file_size;
    struct vx_census census[VX_CENSUS_MAX];
    struct vx_size_guest guests[VX_CENSUS_MAX];
    size_t count;
    struct vx_sizes logged; /* as the last session of the log has them; 0 = it does not */
    unsigned doubts;        /* of the stored values */
    struct answer best;
    uint64_t ties; /* answers that are as good, and others */
    struct vx_sizes tied;
};

/* ---- one set of values ---- */

static size_t census_of(const struct settling *s, uint32_t block_size, uint32_t logical_sector)
{
    size_t i = 0;
    while (i < s->count && (s->census[i].block_size != block_size || s->census[i].logical_sector != logical_sector))
        i++;
    return i;
}

/* Blocks that touch and do not overlap have that size. */
static bool stands_apart(const struct vx_census *census)
{
    return census->touching >= TOUCHING_LEAST && census->touching >= census->overlaps * TOUCHING_FOR_ONE_OVERLAP;
}

/* Most blocks are nearer to each other than their size; or all lie as far apart as larger ones, and some exactly. */
static bool is_wrong_distance(const struct settling *s, size_t which)
{
    const struct vx_census *census = &s->census[which];
    if (census->overlaps >= LIKELY && census->touching < census->overlaps * TOUCHING_FOR_ONE_OVERLAP)
        return true;
    for (size_t i = 0; i < s->count && !s->guests[which].backup; i++) {
        const struct vx_census *other = &s->census[i];
        if (other->logical_sector == census->logical_sector && other->block_size > census->block_size &&
            other->overlaps == 0 && other->touching >= APART_LEAST && census->touching == 0)
            return true;
    }
    return false;
}

/* A disk with blocks missing before its last one is hardly fixed, whatever it says; then its file proves no size. */
static bool fits_file(const struct settling *s, const struct vx_geometry *geometry, const struct vx_census *census)
{
    return !s->fixed || census->present < census->blocks || census->present == geometry->payload_count ||
           geometry->payload_count <= vx_ceil_div(s->file_size, geometry->block_size);
}

/* Whether the other sector size would have empty entries where its bitmaps are, and this one has blocks missing. */
static bool is_hollow(const struct settling *s, const struct vx_census *census)
{
    size_t other = census_of(s, census->block_size, census->logical_sector == 512 ? 4096 : 512);
    return other < s->count && s->census[other].ratio < census->ratio && s->census[other].in_slots == 0 &&
           s->census[other].hollow >= (s->fixed ? 1 : LIKELY);
}

static unsigned doubts_of(const struct settling *s, const struct vx_sizes *sizes, size_t which)
{
    const struct vx_size_facts *facts = s->facts;
    const struct vx_census *census = &s->census[which];
    const struct vx_size_guest *guest = &s->guests[which];
    struct vx_geometry geometry;
    unsigned doubts = 0;
    if (!vx_geometry_init(&geometry, sizes->virtual_size, sizes->block_size, sizes->logical_sector, s->child))
        doubts |= VX_SIZE_RULES;
    else if (geometry.entry_count > facts->bat.length / VX_BAT_ENTRY_SIZE)
        doubts |= VX_SIZE_ROOM;
    uint64_t payload_count = vx_ceil_div(sizes->virtual_size, sizes->block_size);
    doubts |= census->blocks > payload_count ? VX_SIZE_BEHIND : 0u;
    doubts |= census->in_slots > 0 ? VX_SIZE_SLOTS : 0u;
    doubts |= census->bitmapless > 0 ? VX_SIZE_BITMAPLESS : 0u;
    doubts |= is_hollow(s, census) ? VX_SIZE_HOLLOW : 0u;
    doubts |= guest->gpt && guest->gpt_sector != sizes->logical_sector ? VX_SIZE_GPT_SECTOR : 0u;
    doubts |= guest->gpt_end > sizes->virtual_size ? VX_SIZE_GPT_END : 0u;
    doubts |= guest->backup && guest->gpt_end > sizes->virtual_size ? VX_SIZE_BACKUP : 0u;
    doubts |= guest->reach > sizes->virtual_size ? VX_SIZE_REACH : 0u;
    doubts |= facts->parent && facts->parent->logical_sector != sizes->logical_sector ? VX_SIZE_PARENT : 0u;
    doubts |= is_wrong_distance(s, which) ? VX_SIZE_SPACING : 0u;
    if (!(doubts & VX_SIZE_RULES) && !fits_file(s, &geometry, census))
        doubts |= VX_SIZE_FILE;
    return doubts;
}

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

static vhdx_status ask_log(struct settling *s, vhdx_error *err)
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
static size_t suggest_sizes(const struct settling *s, size_t which, uint64_t sizes[SIZES_MAX])
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

static void weigh_size(const struct settling *s, const struct vx_size_guest *guest, struct answer *answer)
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

static void weigh_block(const struct settling *s, size_t before, size_t after, struct answer *answer)
{
    const struct vx_census *census = &s->census[after];
    bool backup = s->guests[after].backup && !s->guests[before].backup;
    bool many = census->touching >= APART_LEAST && census->overlaps == 0;
    bool proven = many && s->census[before].overlaps >= APART_LEAST &&
                  census->last_place + census->block_size == s->file_size;
    bool log = s->logged.block_size == census->block_size;
    if (census->block_size == s->facts->stored.block_size)
        return;
    answer->changes++;
    answer->support += STRONG * proven + STRONG * backup + STRONG * log + many;
    answer->named = answer->named && (proven || backup || log);
}

static void weigh_sector(const struct settling *s, size_t before, size_t after, struct answer *answer)
{
    const struct vx_census *census = &s->census[after], *stored = &s->census[before];
    uint32_t sector = census->logical_sector;
    bool bits = census->bitmaps > 0 && census->bitmapless == 0 && stored->bitmapless > 0;
    bool gpt = s->guests[after].gpt && s->guests[after].gpt_sector == sector;
    bool parent = s->facts->parent && s->facts->parent->logical_sector == sector;
    bool slots = stored->in_slots >= LIKELY && census->in_slots == 0, hollow = is_hollow(s, stored);
    bool log = s->logged.logical_sector == sector;
    if (sector == s->facts->stored.logical_sector)
        return;
    answer->changes++;
    answer->support += STRONG * bits + STRONG * gpt + STRONG * parent + STRONG * log + slots + hollow;
    answer->named = answer->named && (bits || gpt || parent || log || (hollow && s->fixed));
}

/* Who names the values that are changed. */
static struct answer weigh(const struct settling *s, const struct vx_sizes *sizes, size_t which)
{
    const struct vx_sizes *stored = &s->facts->stored;
    struct answer answer = {.sizes = *sizes, .named = true};
    size_t before = census_of(s, stored->block_size, stored->logical_sector);
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
static bool is_supported(const struct settling *s, const struct answer *answer)
{
    bool sector = answer->sizes.logical_sector != s->facts->stored.logical_sector;
    size_t before = census_of(s, s->facts->stored.block_size, s->facts->stored.logical_sector);
    size_t after = census_of(s, answer->sizes.block_size, answer->sizes.logical_sector);
    if (answer->sizes.block_size != s->facts->stored.block_size &&
        (answer->support == 0 || s->guests[after].contradictions > s->guests[before].contradictions))
        return false;
    return !sector || answer->support > 0 || (s->doubts & HARD) == VX_SIZE_RULES;
}

/* < 0: the first is the better answer. Where nothing else speaks, that which cuts nothing off a disk whose size is no
 * whole number of sectors. */
static int rank(const struct settling *s, const struct answer *a, const struct answer *b)
{
    if (a->changes != b->changes)
        return a->changes < b->changes ? -1 : 1;
    if (a->support != b->support)
        return a->support > b->support ? -1 : 1;
    if ((s->doubts & HARD) == VX_SIZE_RULES && a->sizes.virtual_size != b->sizes.virtual_size)
        return a->sizes.virtual_size > b->sizes.virtual_size ? -1 : 1;
    return 0;
}

static void compare(struct settling *s, const struct answer *answer)
{
    if (!is_supported(s, answer))
        return;
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

static void try_sizes(struct settling *s, size_t which)
{
    uint64_t suggested[SIZES_MAX];
    size_t count = suggest_sizes(s, which, suggested);
    bool told = s->facts->told.virtual_size || s->facts->told.block_size || s->facts->told.logical_sector;
    for (size_t i = 0; i < count; i++) {
        const struct vx_sizes sizes = {suggested[i], s->census[which].block_size, s->census[which].logical_sector};
        if (same(&sizes, &s->facts->stored))
            continue;
        unsigned doubts = doubts_of(s, &sizes, which);
        if (told ? !(doubts & VX_SIZE_RULES) : doubts == 0) {
            struct answer answer = weigh(s, &sizes, which);
            answer.support += told;
            compare(s, &answer);
        }
    }
}

/* ---- in words ---- */

static void say(struct settling *s, const char *format, ...) VX_PRINTF(2, 3);
static void say(struct settling *s, const char *format, ...)
{
    char *text = s->out->evidence;
    size_t used = 0, room = sizeof s->out->evidence;
    va_list values;
    while (text[used] != '\0')
        used++;
    if (used > 0 && used + 2 < room) {
        text[used++] = ';';
        text[used++] = ' ';
    }
    va_start(values, format);
    vsnprintf(text + used, room - used, format, values);
    va_end(values);
}

static void describe(struct settling *s)
{
    const struct vx_sizes *stored = &s->facts->stored;
    size_t before = census_of(s, stored->block_size, stored->logical_sector);
    size_t after = census_of(s, s->best.sizes.block_size, s->best.sizes.logical_sector);
    const struct vx_size_guest *guest = &s->guests[after < s->count ? after : before];
    const struct vx_census *census = &s->census[before];
    if (s->doubts & VX_SIZE_RULES)
        say(s, "a size of %" PRIu64 " bytes is not a whole number of sectors of %" PRIu32, stored->virtual_size,
            stored->logical_sector);
    if (s->doubts & VX_SIZE_BACKUP)
        say(s, "the copy of the GPT is behind the end");
    if (s->doubts & VX_SIZE_BEHIND)
        say(s, "the BAT has entries of blocks up to number %" PRIu64, census->blocks - 1);
    if (s->doubts & VX_SIZE_SLOTS)
        say(s, "%" PRIu64 " entries of blocks are where sector bitmaps have theirs", census->in_slots);
    if (s->doubts & VX_SIZE_BITMAPLESS)
        say(s, "partially present blocks have no sector bitmap where it would be");
    if (s->doubts & VX_SIZE_HOLLOW)
        say(s, "entries are empty where only sector bitmaps of smaller sectors would be");
    if (s->doubts & VX_SIZE_SPACING)
        say(s, "the blocks in the file are not that far apart");
    if (s->doubts & VX_SIZE_FILE)
        say(s, "the file of a fixed disk has no room for it");
    if (s->doubts & VX_SIZE_PARENT)
        say(s, "the parent has sectors of %" PRIu32 " bytes", s->facts->parent->logical_sector);
    if (guest->gpt)
        say(s, "the GPT has sectors of %" PRIu32 " bytes and ends at %" PRIu64 "%s", guest->gpt_sector, guest->gpt_end,
            guest->backup ? ", where its backup is" : "");
    if (s->logged.virtual_size == s->best.sizes.virtual_size && s->best.sizes.virtual_size != stored->virtual_size)
        say(s, "the log has the other size");
}

/* ---- the verdict ---- */

static enum vx_witness witness_of(const struct settling *s)
{
    size_t after = census_of(s, s->best.sizes.block_size, s->best.sizes.logical_sector);
    const struct vx_size_facts *facts = s->facts;
    if (facts->told.virtual_size || facts->told.block_size || facts->told.logical_sector)
        return VX_WITNESS_CALLER;
    if (facts->parent && (s->doubts & VX_SIZE_PARENT))
        return VX_WITNESS_PARENT;
    return s->guests[after].gpt ? VX_WITNESS_CONTENT : VX_WITNESS_GEOMETRY;
}

/* What the caller says is done; less content than there is only when that may be given up. */
static bool keeps_all(const struct settling *s)
{
    size_t after = census_of(s, s->best.sizes.block_size, s->best.sizes.logical_sector);
    return s->best.sizes.virtual_size >= s->facts->stored.virtual_size ||
           s->census[after].blocks <= vx_ceil_div(s->best.sizes.virtual_size, s->best.sizes.block_size);
}

/* Whether any byte is read from elsewhere with these sectors. */
static bool moves_nothing(const struct settling *s)
{
    const struct vx_sizes *stored = &s->facts->stored, *best = &s->best.sizes;
    return !s->child && best->virtual_size == stored->virtual_size && best->block_size == stored->block_size &&
           stored->virtual_size <= VX_SECTORS_PER_CHUNK * 512;
}

static void settle(struct settling *s)
{
    struct vx_size_answer *out = s->out;
    const struct answer *best = &s->best;
    if (best->changes == 0)
        return;
    describe(s);
    out->verdict = s->ties > 0 ? VX_SIZES_TIED : VX_SIZES_SETTLED;
    out->virtual_size = best->sizes.virtual_size;
    out->block_size = best->sizes.block_size;
    out->logical_sector = best->sizes.logical_sector;
    out->other_virtual_size = s->tied.virtual_size;
    out->other_block_size = s->tied.block_size;
    out->other_logical_sector = s->tied.logical_sector;
    out->witness = witness_of(s);
    out->by_guest_only = (s->doubts & HARD) == VX_SIZE_GPT_SECTOR && moves_nothing(s);
    bool told = out->witness == VX_WITNESS_CALLER;
    out->lossless = told ? keeps_all(s)
                         : best->changes == 1 && best->named && (s->doubts & HARD & ~(unsigned)VX_SIZE_GPT_SECTOR) != 0;
    if (told)
        snprintf(out->evidence, sizeof out->evidence, "the caller says so");
}

/* All that can be asked about, those with the stored block size first. */
static void list_census(struct settling *s)
{
    const uint32_t stored = s->facts->stored.block_size;
    for (uint32_t sector = 512; sector <= 4096; sector *= 8)
        s->census[s->count++] = (struct vx_census){.block_size = stored, .logical_sector = sector};
    for (uint32_t sector = 512; sector <= 4096; sector *= 8)
        for (uint32_t size = VX_BLOCK_SIZE_MIN; size <= VX_BLOCK_SIZE_MAX; size *= 2)
            if (size != stored)
                s->census[s->count++] = (struct vx_census){.block_size = size, .logical_sector = sector};
}

/* Keeps the stored block size, that which the caller says, and those at which blocks touch; nothing is counted yet. */
static void drop_unlikely(struct settling *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct vx_census *census = &s->census[i];
        if (census->block_size == s->facts->stored.block_size || census->block_size == s->facts->told.block_size ||
            stands_apart(census))
            s->census[kept++] =
                (struct vx_census){.block_size = census->block_size, .logical_sector = census->logical_sector};
    }
    s->count = kept;
}

static bool is_told(const struct settling *s, size_t which)
{
    const struct vx_sizes *told = &s->facts->told;
    return (!told->block_size || s->census[which].block_size == told->block_size) &&
           (!told->logical_sector || s->census[which].logical_sector == told->logical_sector);
}

/* The copy of the table at the very end of the disk: that size was no accident, and what is behind it is left over. */
static bool is_confirmed(const struct settling *s, size_t stored)
{
    const struct vx_size_guest *guest = &s->guests[stored];
    return (s->doubts & HARD) == VX_SIZE_BEHIND && guest->backup &&
           guest->gpt_end == s->facts->stored.virtual_size;
}

static vhdx_status ask_stored(struct settling *s, bool *doubted, vhdx_error *err)
{
    const struct vx_size_facts *facts = s->facts;
    list_census(s);
    const struct vx_count_request request = {s->census, s->count, 2, false};
    VX_TRY(vx_sizes_count(facts, &request, err));
    size_t stored = census_of(s, facts->stored.block_size, facts->stored.logical_sector);
    VX_TRY(vx_sizes_ask_guest(facts, &s->census[stored], false, &s->guests[stored], err));
    s->doubts = doubts_of(s, &facts->stored, stored);
    *doubted = (s->doubts & HARD) != 0 && !(s->doubts & VX_SIZE_ROOM) && !is_confirmed(s, stored);
    return VHDX_OK;
}

static bool differs(const struct vx_sizes *told, const struct vx_sizes *stored)
{
    return (told->virtual_size && told->virtual_size != stored->virtual_size) ||
           (told->block_size && told->block_size != stored->block_size) ||
           (told->logical_sector && told->logical_sector != stored->logical_sector);
}

static vhdx_status ask_all(struct settling *s, vhdx_error *err)
{
    drop_unlikely(s);
    const struct vx_count_request request = {s->census, s->count, s->count, true};
    VX_TRY(vx_sizes_count(s->facts, &request, err));
    for (size_t i = 0; i < s->count; i++)
        VX_TRY(vx_sizes_ask_guest(s->facts, &s->census[i], true, &s->guests[i], err));
    const struct vx_sizes *stored = &s->facts->stored;
    s->doubts = doubts_of(s, stored, census_of(s, stored->block_size, stored->logical_sector));
    if ((s->doubts & HARD) == 0 && !differs(&s->facts->told, stored))
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
static void doubt_end(struct settling *s)
{
    const struct vx_sizes *stored = &s->facts->stored;
    struct vx_size_answer *out = s->out;
    size_t which = census_of(s, stored->block_size, stored->logical_sector);
    const struct vx_census *census = which < s->count ? &s->census[which] : NULL;
    if (out->witness == VX_WITNESS_CALLER || !census)
        return;
    if (vx_sizes_changed(out, VX_PART_VIRTUAL_SIZE)) {
        uint64_t certain = out->lossless ? UINT64_MAX : vx_max(last_block(out->virtual_size, out->block_size), 1);
        out->certain_end = vx_min(out->stored_virtual_size, certain);
        return;
    }
    if (out->verdict == VX_SIZES_STAND)
        out->contradicted = (s->doubts & VX_SIZE_SPACING) != 0;
    bool whole = s->fixed && census->blocks > 0 && census->present == census->blocks;
    if (whole && census->blocks < vx_ceil_div(stored->virtual_size, stored->block_size))
        out->certain_end = census->blocks * stored->block_size;
    else if (s->doubts & (VX_SIZE_GPT_END | VX_SIZE_REACH | VX_SIZE_BACKUP))
        out->certain_end = vx_max(last_block(stored->virtual_size, stored->block_size), 1);
}

static bool is_possible(const struct vx_sizes *sizes)
{
    return sizes->virtual_size > 0 && sizes->virtual_size <= VX_VIRTUAL_SIZE_MAX &&
           vx_is_power_of_two(sizes->block_size) && sizes->block_size >= VX_BLOCK_SIZE_MIN &&
           sizes->block_size <= VX_BLOCK_SIZE_MAX && (sizes->logical_sector == 512 || sizes->logical_sector == 4096);
}

vhdx_status vx_settle_sizes(const struct vx_size_facts *facts, struct vx_size_answer *answer, vhdx_error *err)
{
    bool doubted = false;
    answer->stored_virtual_size = facts->stored.virtual_size;
    answer->stored_block_size = facts->stored.block_size;
    answer->stored_logical_sector = facts->stored.logical_sector;
    if (!is_possible(&facts->stored))
        return VHDX_OK;
    struct settling *s = vx_alloc(1, sizeof *s);
    if (!s)
        return vx_fail_memory(err, "the sizes of a disk");
    s->facts = facts;
    s->out = answer;
    s->child = (facts->parameter_flags & VX_PARAMETER_HAS_PARENT) != 0;
    s->fixed = !s->child && (facts->parameter_flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED);
    vhdx_status status = vx_file_size(facts->view, &s->file_size, err);
    if (status == VHDX_OK)
        status = ask_stored(s, &doubted, err);
    if (status == VHDX_OK && (doubted || differs(&facts->told, &facts->stored)))
        status = ask_all(s, err);
    if (status == VHDX_OK)
        doubt_end(s);
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
