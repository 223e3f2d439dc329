/*
 * What the commands make of a damaged disk: verify, export --salvage, repair and repair --salvage, each on a copy, all
 * through vhdx.h; and the comparison with the truth, with the view before, and with what was promised. The one thing
 * that is easy to get wrong: a view is bytes and trust. Bytes that nothing calls good may be wrong, and bytes that were
 * had before a plain repair must be there after it even when they were doubtful.
 */
/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define LOOP_MAX 4u

static const char *const check_names[JUDGE_CHECK_COUNT] = {
    "fine",          "status",     "verify-silent", "salvage-wrong",   "r1-bytes",      "r1-trust",
    "r1-size",       "r1-pieces",  "r1-wrong",      "read-wrong",      "loss-unlisted", "salvaged-wrong",
    "payload-write", "file-grown", "promise-plain", "promise-salvage", "verdict",       "loop",
    "noise",
};

const char *judge_check_name(enum judge_check check)
{
    return check_names[check];
}

static void fail(struct judge_verdict *verdict, enum judge_check check, const char *format, ...)
{
    va_list arguments;
    if (verdict->failed & 1u << check)
        return;
    verdict->failed |= 1u << check;
    va_start(arguments, format);
    vsnprintf(verdict->text[check], sizeof verdict->text[check], format, arguments);
    va_end(arguments);
}

/* ---- sectors that differ ---------------------------------------------------------------------------------------- */

/* Calls `visit` for each sector of 512 bytes below `size` in which the two differ, until it says stop. */
static void each_difference(const struct store_file *a, const struct store_file *b, uint64_t size,
                            bool (*visit)(void *context, uint64_t offset), void *context)
{
    for (uint64_t page = store_differs(a, b, 0); page * STORE_PAGE < size && page != UINT64_MAX;
         page = store_differs(a, b, page + 1)) {
        uint8_t one[STORE_PAGE], two[STORE_PAGE];
        store_read(a, page * STORE_PAGE, one, sizeof one);
        store_read(b, page * STORE_PAGE, two, sizeof two);
        for (uint64_t at = 0; at < STORE_PAGE && page * STORE_PAGE + at < size; at += 512)
            if (memcmp(one + at, two + at, 512) != 0 && !visit(context, page * STORE_PAGE + at))
                return;
    }
}

/* The end of the lost range (or doubtful one) of the report that holds the sector, 0 when there is none. */
static uint64_t listed_end(const vhdx_report *report, uint64_t offset)
{
    const vhdx_lost_range *lost;
    for (size_t i = 0; report && (lost = vhdx_report_lost(report, 0, i)) != NULL; i++)
        if (offset + 512 > lost->offset && offset < lost->offset + lost->length)
            return lost->offset + lost->length;
    return 0;
}

static bool is_listed(const vhdx_report *report, uint64_t offset)
{
    return listed_end(report, offset) > 0;
}

/* What is compared with the truth. */
struct claim {
    const struct judge_scene *scene;
    const struct view *view;          /* only its good bytes are claimed; NULL = all */
    const vhdx_report *listed, *also; /* what they list is not claimed; NULL = nothing */
    uint64_t wrong;                   /* first offset, VHDX_NOWHERE = none */
};

static bool claim_is_wrong(void *context, uint64_t offset)
{
    struct claim *claim = context;
    if (claim->view && view_kind_at(claim->view, offset) != VHDX_SALVAGE_GOOD)
        return true;
    if (is_listed(claim->listed, offset) || is_listed(claim->also, offset) || judge_is_silent(claim->scene, offset))
        return true;
    claim->wrong = offset;
    return false;
}

/* The first wrong byte of the claim, VHDX_NOWHERE when there is none. */
static uint64_t first_wrong(struct claim claim, const struct store_file *bytes, uint64_t size)
{
    claim.wrong = VHDX_NOWHERE;
    each_difference(claim.scene->disk->truth, bytes, vx_min(size, claim.scene->disk->size), claim_is_wrong, &claim);
    return claim.wrong;
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

static vhdx_report *verify(struct store *store, vhdx_status *status, vhdx_error *err)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = store_host(store)};
    vhdx_report *report = NULL;
    *status = vhdx_verify(JUDGE_LEAF, &options, &report, err);
    return report;
}

static vhdx_report *repair(struct store *store, bool salvage, vhdx_status *status, vhdx_error *err)
{
    const vhdx_repair_options options = {
        .struct_size = sizeof options, .host = store_host(store), .salvage = salvage, .no_undo = true};
    vhdx_report *report = NULL;
    *status = vhdx_repair(JUDGE_LEAF, &options, &report, err);
    return report;
}

/* The first finding that is to be corrected by a repair of that class or a gentler one. */
static const vhdx_finding *repairable(const vhdx_report *report, vhdx_repair_class class, vhdx_severity least)
{
    const vhdx_finding *finding;
    for (size_t i = 0; report && (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (finding->repair != VHDX_REPAIR_NONE && finding->repair <= class && finding->severity >= least)
            return finding;
    return NULL;
}

static bool is_same(const vhdx_finding *a, const vhdx_finding *b)
{
    return a->number == b->number && a->index == b->index && (a->index != VHDX_NOWHERE || a->offset == b->offset);
}

/* The first finding of `before` that such a repair was to correct and that is still there. */
static const vhdx_finding *broken_promise(const vhdx_report *before, const vhdx_report *after, vhdx_repair_class class)
{
    const vhdx_finding *promised, *left;
    for (size_t i = 0; before && (promised = vhdx_report_finding(before, 0, i)) != NULL; i++)
        for (size_t j = 0; promised->repair != VHDX_REPAIR_NONE && promised->repair <= class &&
                           (left = vhdx_report_finding(after, 0, j)) != NULL;
             j++)
            if (is_same(promised, left) && left->severity > VHDX_SEVERITY_INFO)
                return left;
    return NULL;
}

/* Refusals that say something about the disk; anything else is no answer. */
static bool may_refuse(vhdx_status status)
{
    return status == VHDX_NOT_VHDX || status == VHDX_CORRUPT || status == VHDX_UNSUPPORTED || status == VHDX_LIMIT;
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

struct work {
    const struct judge_scene *scene;
    struct judge_verdict *verdict;
    struct view before;
    struct view whole; /* of the undamaged disk; looked at when asked for */
    bool has_whole;
    vhdx_report *found; /* verify of the damaged disk */
};

/* What is left of a repair. */
struct outcome {
    struct store *store;
    vhdx_report *told, *found; /* by the repair; by a verify after it */
    struct view view;
    struct reading reading;
    vhdx_status status;
};

static void outcome_free(struct outcome *outcome)
{
    vhdx_report_free(outcome->told);
    vhdx_report_free(outcome->found);
    view_free(&outcome->view);
    store_free(outcome->reading.store);
    store_free(outcome->store);
}

static const struct view *whole_view(struct work *work)
{
    if (!work->has_whole)
        work->whole = view_look(work->scene->disk->store);
    work->has_whole = true;
    return &work->whole;
}

static void check_status(struct work *work, const char *what, vhdx_status status, const vhdx_error *err)
{
    if (status != VHDX_OK && !may_refuse(status))
        fail(work->verdict, JUDGE_STATUS, "%s: %s: %s", what, vhdx_status_name(status), err->message);
}

static struct outcome try_repair(struct work *work, bool salvage)
{
    struct outcome outcome = {.store = store_copy(work->scene->store, 6)};
    vhdx_error err;
    vhdx_status status;
    outcome.told = repair(outcome.store, salvage, &outcome.status, &err);
    check_status(work, salvage ? "repair --salvage" : "repair", outcome.status, &err);
    outcome.found = verify(outcome.store, &status, &err);
    check_status(work, "verify after a repair", status, &err);
    outcome.view = view_look(outcome.store);
    outcome.reading = view_read_plainly(outcome.store);
    return outcome;
}

static void check_before(struct work *work)
{
    const struct judge_disk *disk = work->scene->disk;
    const struct view *view = &work->before;
    uint64_t wrong = first_wrong((struct claim){.scene = work->scene, .view = view}, view->raw, view->size);
    check_status(work, "salvage", view->status, &view->err);
    work->verdict->refused_salvage = view->status != VHDX_OK;
    if (wrong != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_SALVAGE_WRONG, "good in the map and wrong: 0x%llx (block %llu)",
             (unsigned long long)wrong, (unsigned long long)(wrong / disk->block_size));
    if (view->status == VHDX_OK && view->size > 0 && view->size != disk->size && view->good == view->size &&
        view->pieces.count == 0 && !work->scene->silent_size && !work->scene->silent_all)
        fail(work->verdict, JUDGE_SALVAGE_WRONG, "all good, but the size is 0x%llx", (unsigned long long)view->size);
    const vhdx_file_report *file = work->found ? vhdx_report_file(work->found, 0) : NULL;
    if (work->scene->harmless && (!file || file->verdict != VHDX_VERDICT_CLEAN))
        fail(work->verdict, JUDGE_NOISE, "an error: %s", file ? vhdx_report_finding(work->found, 0, 0)->message : "");
    if (!file || file->errors + file->warnings + file->lost_count > 0)
        return;
    struct reading reading = view_read_plainly(work->scene->store);
    if (reading.status == VHDX_OK) {
        wrong = first_wrong((struct claim){.scene = work->scene}, reading.bytes, reading.size);
        if (wrong != VHDX_NOWHERE)
            fail(work->verdict, JUDGE_VERIFY_SILENT, "verify finds nothing, and 0x%llx reads wrong",
                 (unsigned long long)wrong);
        bool asked = disk->kind != VHDX_KIND_DIFFERENCING || !disk->gpt; /* the GPT may be in the parent */
        if (reading.size != disk->size && !work->scene->silent_size && !work->scene->silent_all && asked)
            fail(work->verdict, JUDGE_VERIFY_SILENT, "verify finds nothing, and the size is 0x%llx",
                 (unsigned long long)reading.size);
    }
    store_free(reading.store);
}

/* ---- R1 --------------------------------------------------------------------------------------------------------- */

struct change {
    const struct work *work;
    const struct outcome *outcome;
    uint64_t found;
};

static bool is_changed(void *context, uint64_t offset)
{
    struct change *change = context;
    if (view_trust(view_kind_at(&change->work->before, offset)) < 2)
        return true;
    if (change->outcome->told && is_listed(change->outcome->told, offset))
        return true;
    change->found = offset;
    return false;
}

/* Which sectors of a block are its own may have been a guess; the parent's were never in the leaf. */
static bool is_parents(const struct view *whole, const struct view *after, uint64_t at)
{
    return view_kind_at(after, at) == VHDX_SALVAGE_MISSING && view_kind_at(whole, at) == VHDX_SALVAGE_MISSING;
}

/* The first place where the view after is trusted less, VHDX_NOWHERE when there is none. */
static uint64_t first_less_trusted(struct work *work, const struct view *after, const vhdx_report *listed)
{
    const struct view *before = &work->before;
    for (size_t i = 0; i < after->not_good.count; i++) {
        const struct range *range = &after->not_good.items[i];
        uint64_t end = vx_min(range->offset + range->length, before->size);
        for (uint64_t at = range->offset; at < end;) {
            bool less = view_trust(view_kind_at(before, at)) > view_trust(range->kind);
            uint64_t next = view_alike_until(&before->not_good, at);
            if (less && range->kind == VHDX_SALVAGE_MISSING) {
                next = vx_min(next, view_alike_until(&whole_view(work)->not_good, at));
                less = !is_parents(whole_view(work), after, at);
            }
            if (less && !is_listed(listed, at))
                return at;
            at = less ? listed_end(listed, at) : next;
        }
    }
    return VHDX_NOWHERE;
}

static uint64_t hash_of(const uint8_t *bytes, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i + 8 <= length; i += 8)
        hash = (hash ^ vx_get64(bytes + i)) * UINT64_C(0x9E3779B97F4A7C15), hash ^= hash >> 29;
    return hash | 1;
}

struct hashes {
    uint64_t *items;
    size_t room;
};

static bool hashes_find(const struct hashes *hashes, uint64_t hash, bool add)
{
    size_t at = (size_t)(hash * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (hashes->room - 1);
    while (hashes->items[at] && hashes->items[at] != hash)
        at = (at + 1) & (hashes->room - 1);
    bool found = hashes->items[at] == hash;
    if (add)
        hashes->items[at] = hash;
    return found;
}

/* The sectors of the raw file that are not zeros. */
static struct hashes hashes_of(const struct store_file *raw)
{
    size_t pages = 0;
    for (uint64_t page = store_next(raw, 0); page != UINT64_MAX; page = store_next(raw, page + 1))
        pages++;
    struct hashes hashes = {.room = 1024};
    while (hashes.room < 32 * pages)
        hashes.room *= 2;
    hashes.items = calloc(hashes.room, sizeof *hashes.items);
    for (uint64_t page = store_next(raw, 0); page != UINT64_MAX; page = store_next(raw, page + 1))
        for (size_t at = 0; at < STORE_PAGE; at += 512)
            hashes_find(&hashes, hash_of(store_page(raw, page) + at, 512), true);
    return hashes;
}

static bool lies_in(uint64_t file_offset, uint64_t begin, uint64_t length)
{
    return file_offset >= begin && file_offset - begin < length;
}

/* A structure that is found again, or a sector bitmap whose entry is put right, is no piece any more, and no content.
 */
static bool is_structure(const struct judge_disk *disk, uint64_t file_offset)
{
    if (lies_in(file_offset, disk->bat_offset, disk->bat_length) ||
        lies_in(file_offset, disk->log_offset, disk->log_length) ||
        lies_in(file_offset, disk->metadata_offset, disk->metadata_length))
        return true;
    uint64_t chunks = vx_ceil_div(disk->block_count, disk->chunk_ratio);
    for (uint64_t i = 0; disk->kind == VHDX_KIND_DIFFERENCING && i < chunks; i++) {
        uint64_t place = bld_bitmap_offset(disk->b, i);
        if (place != VHDX_NOWHERE && lies_in(file_offset, place, VX_BITMAP_BLOCK_SIZE))
            return true;
    }
    return false;
}

/* The first place of the damaged file that was in a piece and is neither in a piece nor on the disk now. */
static uint64_t first_piece_lost(const struct work *work, const struct view *after)
{
    const struct view *before = &work->before;
    struct hashes hashes = {0};
    uint64_t lost = VHDX_NOWHERE;
    for (size_t i = 0; i < before->pieces.count && lost == VHDX_NOWHERE; i++) {
        const struct range *piece = &before->pieces.items[i];
        uint64_t end = piece->file_offset + piece->length;
        for (uint64_t page = store_next(work->scene->file, piece->file_offset / STORE_PAGE);
             page != UINT64_MAX && page * STORE_PAGE < end && lost == VHDX_NOWHERE;
             page = store_next(work->scene->file, page + 1)) {
            const uint8_t *bytes = store_page(work->scene->file, page);
            if (view_in_pieces(after, page * STORE_PAGE) || is_structure(work->scene->disk, page * STORE_PAGE))
                continue;
            if (!hashes.items)
                hashes = hashes_of(after->raw);
            for (size_t at = 0; at < STORE_PAGE; at += 512)
                if (!vx_is_zero(bytes + at, 512) && page * STORE_PAGE + at >= piece->file_offset &&
                    page * STORE_PAGE + at < end && !hashes_find(&hashes, hash_of(bytes + at, 512), false))
                    lost = page * STORE_PAGE + at;
        }
    }
    free(hashes.items);
    return lost;
}

/* The first byte that was had beyond the new end of the view. */
static uint64_t first_cut_off(const struct work *work, const struct view *after, const vhdx_report *listed)
{
    const struct view *before = &work->before;
    uint64_t end = before->size;
    if (after->size >= work->scene->disk->size) /* what the disk never had is no loss */
        end = vx_min(end, after->size);
    for (uint64_t at = after->size; at < end;) {
        bool had = view_trust(view_kind_at(before, at)) >= 2;
        if (had && !is_listed(listed, at))
            return at;
        at = had ? listed_end(listed, at) : view_alike_until(&before->not_good, at);
    }
    return VHDX_NOWHERE;
}

static void check_r1(struct work *work, struct outcome *outcome)
{
    struct change change = {work, outcome, VHDX_NOWHERE};
    const struct view *before = &work->before, *after = &outcome->view;
    vhdx_report *told = outcome->told;
    if (before->status != VHDX_OK)
        return;
    if (after->status != VHDX_OK) {
        fail(work->verdict, JUDGE_R1_SIZE, "salvage is refused after a plain repair: %s", after->err.message);
        return;
    }
    uint64_t at = first_cut_off(work, after, NULL);
    if (at != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_R1_SIZE, "0x%llx of the view is cut off", (unsigned long long)at);
    outcome->told = NULL; /* a plain repair has no losses to list */
    each_difference(before->raw, after->raw, vx_min(before->size, after->size), is_changed, &change);
    outcome->told = told;
    if (change.found != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_R1_BYTES, "other bytes at 0x%llx", (unsigned long long)change.found);
    at = first_less_trusted(work, after, NULL);
    if (at != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_R1_TRUST, "0x%llx is '%c' now", (unsigned long long)at,
             "-+*-??"[view_kind_at(after, at)]);
    at = first_piece_lost(work, after);
    if (at != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_R1_PIECES, "0x%llx of the file was in a piece", (unsigned long long)at);
}

/* ---- after ------------------------------------------------------------------------------------------------------ */

static void check_writes(struct work *work, const struct outcome *outcome, const char *what)
{
    const struct judge_disk *disk = work->scene->disk;
    const struct store_file *before = work->scene->file, *after = store_find(outcome->store, JUDGE_LEAF);
    uint64_t size = store_size(before);
    for (uint64_t page = store_differs(before, after, 0); page != UINT64_MAX && page * STORE_PAGE < size;
         page = store_differs(before, after, page + 1))
        for (uint64_t i = 0; i < disk->block_count; i++)
            if (disk->blocks[i].place <= page * STORE_PAGE &&
                page * STORE_PAGE < disk->blocks[i].place + disk->block_size)
                fail(work->verdict, JUDGE_PAYLOAD_WRITTEN, "%s wrote at 0x%llx, payload of block %llu", what,
                     (unsigned long long)(page * STORE_PAGE), (unsigned long long)i);
    /* in a child, a block that lies nowhere gets new space, for the parent's sectors to be seen through it; in others
     * one that begins in the file gets the rest of it */
    uint64_t blocks = JUDGE_DAMAGES * (uint64_t)disk->block_size;
    uint64_t most =
        vx_max(vx_max(size, disk->file_size), work->scene->wanted_size) + 8 * VX_MIB + 2 * disk->bat_length + blocks;
    if (store_size(after) > most)
        fail(work->verdict, JUDGE_GROWN, "%s: the file has 0x%llx bytes now, had 0x%llx", what,
             (unsigned long long)store_size(after), (unsigned long long)size);
}

static void check_verdict(struct work *work, const struct outcome *outcome, const char *what)
{
    if (!outcome->told || !outcome->found)
        return;
    vhdx_verdict told = vhdx_report_file(outcome->told, 0)->verdict;
    if (told != VHDX_VERDICT_ERRORS && vhdx_report_file(outcome->found, 0)->verdict != VHDX_VERDICT_CLEAN)
        fail(work->verdict, JUDGE_VERDICT, "%s says all is well, verify does not: %s", what,
             vhdx_report_finding(outcome->found, 0, 0)->message);
}

static void check_plain(struct work *work, struct outcome *outcome)
{
    const uint32_t wrong_before = 1u << JUDGE_SALVAGE_WRONG | 1u << JUDGE_VERIFY_SILENT;
    check_r1(work, outcome);
    check_writes(work, outcome, "repair");
    check_verdict(work, outcome, "repair");
    work->verdict->refused_plain = outcome->status != VHDX_OK;
    const vhdx_finding *left = broken_promise(work->found, outcome->found, VHDX_REPAIR_LOSSLESS);
    if (left)
        fail(work->verdict, JUDGE_PROMISE_PLAIN, "still there: %s index %lld: %s", left->id, (long long)left->index,
             left->message);
    if (work->verdict->failed & wrong_before)
        return;
    uint64_t wrong = first_wrong((struct claim){.scene = work->scene, .view = &outcome->view}, outcome->view.raw,
                                 outcome->view.size);
    if (wrong != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_R1_WRONG, "good in the map after repair, and wrong: 0x%llx",
             (unsigned long long)wrong);
    if (!outcome->told || vhdx_report_file(outcome->told, 0)->verdict == VHDX_VERDICT_ERRORS ||
        outcome->reading.status != VHDX_OK)
        return;
    wrong = first_wrong((struct claim){.scene = work->scene, .listed = outcome->told, .also = outcome->found},
                        outcome->reading.bytes, outcome->reading.size);
    if (wrong != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_READ_WRONG, "repair says all is well, and 0x%llx reads wrong",
             (unsigned long long)wrong);
}

static void check_salvaged(struct work *work, struct outcome *outcome)
{
    struct change change = {work, outcome, VHDX_NOWHERE};
    const struct view *before = &work->before, *after = &outcome->view;
    check_writes(work, outcome, "repair --salvage");
    check_verdict(work, outcome, "repair --salvage");
    work->verdict->refused_repair = outcome->status != VHDX_OK;
    const vhdx_finding *left = broken_promise(work->found, outcome->found, VHDX_REPAIR_SALVAGE);
    if (left)
        fail(work->verdict, JUDGE_PROMISE_SALVAGE, "still there: %s index %lld: %s", left->id, (long long)left->index,
             left->message);
    if (before->status == VHDX_OK && after->status == VHDX_OK && outcome->told) {
        each_difference(before->raw, after->raw, vx_min(before->size, after->size), is_changed, &change);
        uint64_t less = first_less_trusted(work, after, outcome->told);
        uint64_t cut = first_cut_off(work, after, outcome->told);
        uint64_t at = vx_min(change.found, vx_min(less, cut));
        if (at != VHDX_NOWHERE)
            fail(work->verdict, JUDGE_LOSS_UNLISTED, "0x%llx of the view %s, not listed", (unsigned long long)at,
                 at == change.found ? "changed"
                 : at == less       ? "is trusted less"
                                    : "is cut off");
    }
    if (work->verdict->failed & (1u << JUDGE_SALVAGE_WRONG | 1u << JUDGE_VERIFY_SILENT))
        return;
    struct claim claim = {.scene = work->scene, .view = after, .listed = outcome->told, .also = outcome->found};
    uint64_t wrong = first_wrong(claim, after->raw, after->size);
    if (wrong != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_SALVAGED_WRONG, "good in the map after repair --salvage, and wrong: 0x%llx",
             (unsigned long long)wrong);
    claim.view = NULL;
    if (!outcome->told || vhdx_report_file(outcome->told, 0)->verdict == VHDX_VERDICT_ERRORS ||
        outcome->reading.status != VHDX_OK)
        return;
    wrong = first_wrong(claim, outcome->reading.bytes, outcome->reading.size);
    if (wrong != VHDX_NOWHERE)
        fail(work->verdict, JUDGE_SALVAGED_WRONG, "repair --salvage says all is well, and 0x%llx reads wrong",
             (unsigned long long)wrong);
}

/* Goes on from the plain repair with what verify says. */
static void check_loop(struct work *work, const struct outcome *plain)
{
    struct store *store = store_copy(plain->store, 7);
    const vhdx_finding *next = NULL;
    char text[200] = "";
    for (unsigned step = 0; step < LOOP_MAX; step++) {
        vhdx_status status;
        vhdx_report *found = verify(store, &status, NULL);
        bool lossless = repairable(found, VHDX_REPAIR_LOSSLESS, VHDX_SEVERITY_WARNING) != NULL;
        next = repairable(found, VHDX_REPAIR_SALVAGE, VHDX_SEVERITY_WARNING);
        snprintf(text, sizeof text, "%s: %s", next ? next->id : "", next ? next->message : "");
        vhdx_report_free(found);
        if (!next)
            break;
        vhdx_report_free(repair(store, !lossless, &status, NULL));
    }
    if (next)
        fail(work->verdict, JUDGE_LOOP, "after %u steps verify still advises a repair: %s", LOOP_MAX, text);
    store_free(store);
}

/* ---- one scene -------------------------------------------------------------------------------------------------- */

void judge_scene_check(const struct judge_scene *scene, struct judge_verdict *verdict)
{
    struct work work = {.scene = scene, .verdict = verdict};
    vhdx_status status;
    vhdx_error err;
    memset(verdict, 0, sizeof *verdict);
    work.found = verify(scene->store, &status, &err);
    check_status(&work, "verify", status, &err);
    verdict->refused_verify = status != VHDX_OK;
    work.before = view_look(scene->store);
    check_before(&work);
    struct outcome plain = try_repair(&work, false), salvaged = try_repair(&work, true);
    check_plain(&work, &plain);
    check_salvaged(&work, &salvaged);
    check_loop(&work, &plain);
    const struct merit merit = {scene, &work.before, &salvaged.view, &salvaged.reading};
    merit_weigh(&merit, verdict);
    outcome_free(&plain);
    outcome_free(&salvaged);
    view_free(&work.before);
    if (work.has_whole)
        view_free(&work.whole);
    vhdx_report_free(work.found);
}
