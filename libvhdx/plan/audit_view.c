/*
 * The salvage view before and after a repair, range by range (R1 and R3 of audit.h). Pages of the BAT that say the same
 * in both are passed over where nothing else could make their blocks read differently, so that the cost is that of the
 * structures, and payload is read only where a place changes.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/notice.h"
#include "plan/audit_parts.h"
#include "format/bat_page.h"

#include <string.h>

#define AT_ONCE ((size_t)(64 * VX_KIB))
#define STEP (UINT64_C(1) << 16) /* ranges between two words to the caller */

static const struct vx_loss was_doubtful = {"what it held was not certain before the repair", true, false};

struct walk {
    struct vx_auditing *work;
    const struct vx_salvage_layer *before, *after;
    uint64_t size, other_size;
    bool pages_count; /* pages of the BAT that are alike mean blocks that are */
    uint8_t *bytes;   /* 2 * AT_ONCE */
    size_t lost;      /* the next range of the plan's losses to be looked at */
    struct vx_ranges unlisted;
};

/* ---- bytes ---- */

static bool is_written(const struct vx_auditing *work, uint64_t offset, uint64_t length)
{
    const struct vx_ranges *touched = &work->touched;
    size_t low = 0, high = touched->count;
    while (low < high) { /* the first that ends behind `offset` */
        size_t middle = low + (high - low) / 2;
        if (touched->items[middle].offset + touched->items[middle].length <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < touched->count &&
           (touched->items[low].offset <= offset || touched->items[low].offset - offset < length);
}

static vhdx_status same_content(struct walk *walk, const struct vx_salvage_piece *before,
                                const struct vx_salvage_piece *after, uint64_t length, bool *same, vhdx_error *err)
{
    bool nowhere = before->file_offset == VHDX_NOWHERE && after->file_offset == VHDX_NOWHERE;
    bool one_place = before->file_offset == after->file_offset && before->mixed == after->mixed;
    *same = true;
    if (nowhere || (one_place && !is_written(walk->work, before->file_offset, length)))
        return VHDX_OK;
    for (uint64_t done = 0; done < length && *same; done += AT_ONCE) {
        size_t part = (size_t)vx_min(AT_ONCE, length - done);
        VX_TRY(vx_salvage_read(&walk->work->before, before, done, walk->bytes, part, err));
        VX_TRY(vx_salvage_read(&walk->work->after, after, done, walk->bytes + AT_ONCE, part, err));
        *same = memcmp(walk->bytes, walk->bytes + AT_ONCE, part) == 0;
    }
    return VHDX_OK;
}

/* ---- one range ---- */

static int trust(const struct vx_salvage_piece *piece)
{
    switch (piece->kind) {
    case VHDX_SALVAGE_GOOD:
        return 2;
    case VHDX_SALVAGE_MISSING: /* the parent's */
        return piece->parent_doubted ? 1 : 2;
    case VHDX_SALVAGE_DOUBTFUL:
        return 1;
    default:
        return 0;
    }
}

/* Whether the plan says of all of the range that it is lost or in doubt. Ranges come in ascending order. */
static bool is_listed(struct walk *walk, uint64_t offset, uint64_t length)
{
    const struct vx_plan *plan = walk->work->plan;
    if (plan->doubt && offset < walk->other_size) /* of the disk as it will be */
        return true;
    while (walk->lost < plan->lost_count &&
           plan->lost[walk->lost].virtual_offset + plan->lost[walk->lost].length <= offset)
        walk->lost++;
    for (size_t i = walk->lost; length > 0 && i < plan->lost_count; i++) {
        const struct vx_lost *lost = &plan->lost[i];
        if (lost->virtual_offset > offset)
            return false;
        uint64_t end = lost->virtual_offset + lost->length;
        uint64_t here = end > offset ? vx_min(length, end - offset) : 0;
        offset += here;
        length -= here;
    }
    return length == 0;
}

/* Where the entry of that place lies in the file, for the name of the write that changed it. */
static uint64_t entry_offset(const struct walk *walk, uint64_t virtual_offset)
{
    const struct vx_geometry *geometry = &walk->before->image->geometry;
    uint64_t index = vx_geometry_payload_index(geometry, virtual_offset / geometry->block_size);
    return walk->before->image->bat.file_offset + index * VX_BAT_ENTRY_SIZE;
}

static void fault_at(struct walk *walk, const char *what, const struct vx_salvage_piece *before, uint64_t length)
{
    struct vx_auditing *work = walk->work;
    bool data = before->file_offset != VHDX_NOWHERE && is_written(work, before->file_offset, length);
    vx_audit_found(work, what, before->virtual_offset, data ? before->file_offset : VHDX_NOWHERE, length);
    if (work->fault->finding == 0 && !data) {
        uint64_t entry = entry_offset(walk, before->virtual_offset);
        for (size_t i = 0; i < work->written.count && work->fault->finding == 0; i++) {
            const struct vx_range *write = &work->written.items[i];
            if (write->offset < entry + VX_BAT_ENTRY_SIZE && entry < write->offset + write->length)
                work->fault->finding = write->owner_kind;
        }
    }
}

/* What was in doubt before and has no word in the list: it gets one when the walk is done. */
static vhdx_status list(struct walk *walk, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct vx_ranges *more = &walk->unlisted;
    struct vx_range *last = more->count ? &more->items[more->count - 1] : NULL;
    if (last && last->offset + last->length == offset) {
        last->length += length;
        return VHDX_OK;
    }
    const struct vx_range range = {.offset = offset, .length = length};
    return vx_ranges_add(more, &range) ? VHDX_OK : vx_fail_memory(err, "the lost ranges");
}

static vhdx_status add_unlisted(const struct walk *walk, vhdx_error *err)
{
    for (size_t i = 0; i < walk->unlisted.count; i++)
        VX_TRY(vx_plan_lose(walk->work->plan, walk->unlisted.items[i].offset, walk->unlisted.items[i].length,
                            &was_doubtful, err));
    return VHDX_OK;
}

/* Sectors that only the log knows, through which the plan is going to write: after that nothing speaks against the
 * bitmap any more. */
static bool is_known_by_log(const struct walk *walk, const struct vx_salvage_piece *before)
{
    const struct vx_geometry *geometry = &walk->before->image->geometry;
    return before->virtual_offset < geometry->virtual_size &&
           vx_rebuilt_has_old_bits(walk->before->rebuilt,
                                   vx_geometry_payload_index(geometry, before->virtual_offset / geometry->block_size));
}

/* R3 */
static vhdx_status judge_salvage(struct walk *walk, const struct vx_salvage_piece *before,
                                 const struct vx_salvage_piece *after, uint64_t length, bool same, vhdx_error *err)
{
    bool laundered = trust(after) > trust(before);
    bool was_good = trust(before) == 2;
    bool doubted = was_good && trust(after) < 2;
    bool forgotten = is_known_by_log(walk, before);
    if ((same && !laundered && !doubted && !forgotten) || is_listed(walk, before->virtual_offset, length))
        return VHDX_OK;
    if (!was_good || forgotten)
        return list(walk, before->virtual_offset, length, err);
    fault_at(walk,
             same ? "content that can be trusted would be in doubt, and is not listed"
                  : "content would be given up without being listed",
             before, length);
    return VHDX_OK;
}

/* R1 */
static void judge_lossless(struct walk *walk, const struct vx_salvage_piece *before,
                           const struct vx_salvage_piece *after, uint64_t length, bool same)
{
    if (before->kind == VHDX_SALVAGE_LOST)
        return;
    if (!same)
        fault_at(walk, "the virtual disk would read differently", before, length);
    else if (trust(after) < trust(before))
        fault_at(walk, "content that can be trusted would be in doubt", before, length);
}

/* Whether the block has nothing of its own there. */
static vhdx_status is_blank(struct walk *walk, const struct vx_salvage_piece *piece, uint64_t length, bool *blank,
                            vhdx_error *err)
{
    struct vx_salvage_piece own = *piece;
    own.mixed = false;
    *blank = true;
    for (uint64_t done = 0; done < length && *blank; done += AT_ONCE) {
        size_t part = (size_t)vx_min(AT_ONCE, length - done);
        VX_TRY(vx_salvage_read(&walk->work->before, &own, done, walk->bytes, part, err));
        *blank = vx_is_zero(walk->bytes, part);
    }
    return VHDX_OK;
}

/* Which sectors of the block are its own was a guess; with a bitmap it is known, and no byte of the block moved. But a
 * bitmap that takes content away from the block is no better than the guess. */
static vhdx_status was_guessed(struct walk *walk, const struct vx_salvage_piece *before,
                               const struct vx_salvage_piece *after, uint64_t length, bool *was, vhdx_error *err)
{
    bool parents = after->kind == VHDX_SALVAGE_MISSING;
    *was = before->mixed && !after->mixed && (parents || after->file_offset == before->file_offset);
    return *was && parents ? is_blank(walk, before, length, was, err) : VHDX_OK;
}

static vhdx_status judge(struct walk *walk, const struct vx_salvage_piece *before, const struct vx_salvage_piece *after,
                         uint64_t length, vhdx_error *err)
{
    bool parents = before->kind == VHDX_SALVAGE_MISSING, is_parents = after->kind == VHDX_SALVAGE_MISSING;
    bool settled;
    VX_TRY(was_guessed(walk, before, after, length, &settled, err));
    bool same = settled || parents == is_parents;
    if (same && !settled && !parents && before->kind != VHDX_SALVAGE_LOST)
        VX_TRY(same_content(walk, before, after, length, &same, err));
    if (walk->work->options->salvage)
        return judge_salvage(walk, before, after, length, same, err);
    judge_lossless(walk, before, after, length, same);
    return VHDX_OK;
}

/* ---- all ranges ---- */

static bool is_certain(const struct vx_salvage_layer *layer)
{
    const struct vx_rebuilt *rebuilt = layer->rebuilt;
    return !rebuilt->placed && !rebuilt->old_bits && rebuilt->single_count == 0 && rebuilt->lost_page_count == 0 &&
           !vx_rebuilt_shared(rebuilt, 0, rebuilt->claims.slots * VX_MIB);
}

static bool same_geometry(const struct vx_geometry *a, const struct vx_geometry *b)
{
    return a->block_size == b->block_size && a->logical_sector_size == b->logical_sector_size &&
           a->has_parent == b->has_parent && a->virtual_size == b->virtual_size;
}

/* No word of a layer as a whole differs, and no byte of a block or bitmap is written. */
static bool pages_tell_all(const struct walk *walk)
{
    const struct vx_salvage_layer *before = walk->before, *after = walk->after;
    return is_certain(before) && is_certain(after) && !walk->work->blocks_written &&
           same_geometry(&before->image->geometry, &after->image->geometry) && !after->doubt && !before->doubt &&
           before->maybe_child == after->maybe_child && before->certain_end == after->certain_end &&
           after->view_size >= before->view_size;
}

static vhdx_status read_page(const struct vx_salvage_layer *layer, uint64_t page, uint8_t *bytes, vhdx_error *err)
{
    size_t got;
    return vx_file_read_some(layer->image->view, bytes, VX_PAGE, layer->image->bat.file_offset + page * VX_PAGE, &got,
                             err);
}

/* Passes over pages that are the same in both; *offset: the first place whose entry is in another page. */
static vhdx_status pass_alike(struct walk *walk, uint64_t *offset, vhdx_error *err)
{
    const struct vx_geometry *geometry = &walk->before->image->geometry;
    bool alike = walk->pages_count;
    while (alike && *offset < walk->size) {
        uint64_t index = vx_geometry_payload_index(geometry, *offset / geometry->block_size);
        uint64_t page = index / VX_BAT_PAGE_ENTRIES, next = (page + 1) * VX_BAT_PAGE_ENTRIES, block;
        VX_TRY(read_page(walk->before, page, walk->bytes, err));
        VX_TRY(read_page(walk->after, page, walk->bytes + AT_ONCE, err));
        alike = memcmp(walk->bytes, walk->bytes + AT_ONCE, VX_PAGE) == 0;
        if (!alike)
            return VHDX_OK;
        if (!vx_geometry_is_payload(geometry, next, &block)) /* a bitmap's entry: the next block's is behind it */
            block = (block + 1) * geometry->chunk_ratio;
        *offset = block >= geometry->payload_count ? walk->size : block * geometry->block_size;
    }
    return VHDX_OK;
}

/* A piece that ends where the entry's page does. */
static uint64_t within_page(const struct walk *walk, uint64_t offset)
{
    const struct vx_geometry *geometry = &walk->before->image->geometry;
    uint64_t block = offset / geometry->block_size, index = vx_geometry_payload_index(geometry, block), after;
    uint64_t next = (index / VX_BAT_PAGE_ENTRIES + 1) * VX_BAT_PAGE_ENTRIES;
    if (!walk->pages_count)
        return walk->size - offset;
    if (!vx_geometry_is_payload(geometry, next, &after))
        after = (after + 1) * geometry->chunk_ratio;
    if (after >= geometry->payload_count || after <= block)
        return walk->size - offset;
    return vx_min(walk->size, after * geometry->block_size) - offset;
}

/* Read by evidence, and not because the BAT says so: whoever reads the disk without looking for evidence sees something
 * else. */
static bool is_placed(const struct vx_salvage_layer *layer, uint64_t offset)
{
    const struct vx_geometry *geometry = &layer->image->geometry;
    return offset < geometry->virtual_size &&
           vx_rebuilt_witness(layer->rebuilt, vx_geometry_payload_index(geometry, offset / geometry->block_size)) !=
               VX_WITNESS_STORED;
}

/* Any space that has no owner any more (of a region that was moved) puts all empty entries in doubt, wherever they are;
 * that is no more than a question, and nothing that the writes did to them. */
static void forget_unowned(struct vx_salvage_piece *piece)
{
    if (piece->only_unowned && piece->kind == VHDX_SALVAGE_DOUBTFUL)
        piece->kind = VHDX_SALVAGE_GOOD;
    piece->parent_doubted = piece->parent_doubted && !piece->only_unowned;
}

static vhdx_status next_range(struct walk *walk, uint64_t *offset, vhdx_error *err)
{
    struct vx_salvage_piece before, after = {.virtual_offset = *offset,
                                             .length = walk->size - *offset,
                                             .file_offset = VHDX_NOWHERE,
                                             .kind = VHDX_SALVAGE_LOST};
    VX_TRY(vx_salvage_at(&walk->work->before, 0, *offset, within_page(walk, *offset), &before, err));
    if (*offset < walk->other_size)
        VX_TRY(vx_salvage_at(&walk->work->after, 0, *offset, vx_min(before.length, walk->other_size - *offset), &after,
                             err));
    uint64_t length = vx_min(before.length, after.length);
    forget_unowned(&before);
    forget_unowned(&after);
    if (is_placed(walk->after, *offset) && !is_placed(walk->before, *offset))
        fault_at(walk, "a sound entry of the BAT would be damaged", &before, length);
    VX_TRY(judge(walk, &before, &after, length, err));
    *offset += length;
    return VHDX_OK;
}

static vhdx_status tell(const struct walk *walk, uint64_t done, vhdx_error *err)
{
    const struct vx_audit_options *options = walk->work->options;
    const vhdx_progress now = {VHDX_PHASE_PLAN, done, walk->size};
    return vx_progress(options->progress, options->progress_context, &now, vx_file_path(walk->work->plan->file),
                       "the repair", err);
}

vhdx_status vx_audit_view(struct vx_auditing *work, vhdx_error *err)
{
    struct walk walk = {.work = work, .before = vx_audit_layer(&work->before), .after = vx_audit_layer(&work->after)};
    walk.size = walk.before->image->geometry.virtual_size;
    walk.other_size = walk.after->image->geometry.virtual_size;
    walk.pages_count = pages_tell_all(&walk);
    walk.bytes = vx_alloc(2 * AT_ONCE, 1);
    vhdx_status status = walk.bytes ? VHDX_OK : vx_fail_memory(err, "a buffer");
    uint64_t offset = 0;
    for (uint64_t count = 1; status == VHDX_OK && !work->fault->what; count++) {
        status = pass_alike(&walk, &offset, err);
        if (status != VHDX_OK || offset >= walk.size)
            break;
        status = next_range(&walk, &offset, err);
        if (status == VHDX_OK && count % STEP == 0)
            status = tell(&walk, offset, err);
    }
    if (status == VHDX_OK && !work->fault->what)
        status = add_unlisted(&walk, err);
    vx_ranges_clear(&walk.unlisted);
    vx_free(walk.bytes);
    return status;
}
