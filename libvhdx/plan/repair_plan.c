/*
 * The sketch and the list. See repair_plan.h.
 */
/* SPDX-License-Identifier: MIT */
#include "plan/repair_plan.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/header_update.h"
#include "image/log_replay.h"
#include "io/overlay.h"

#include <stdlib.h>
#include <string.h>

const char vx_costs_ids[] = "the ids of the disk: children must be linked to it anew";
const char vx_costs_link[] = "the link of disks that were made on it";

/* Data pages of a sketch: the whole BAT of a 16 TiB disk with 1 MiB blocks may be new. */
#define SKETCH_LIMIT (160 * VX_MIB)
#define COMPARE_ROOM 4096u
#define LOST_MAX 1048576u
#define WRITES_MAX (1u << 20) /* some 40 MiB of memory */
#define FIRST_SEQUENCE UINT64_C(2)

static vhdx_status open_sketch(struct vx_plan *plan, const struct vx_ranges *bad, vhdx_error *err)
{
    for (size_t i = 0; bad && i < bad->count; i++)
        if (!vx_ranges_add(&plan->bad.ranges, &bad->items[i]))
            return vx_fail_memory(err, "the list of bad places");
    VX_TRY(vx_file_size(plan->file, &plan->old_size, err));
    plan->new_size = plan->old_size;
    if (plan->bad.ranges.count > 0)
        VX_TRY(vx_patient_open(plan->file, &plan->bad, &plan->readable, err));
    return vx_overlay_open(plan->readable ? plan->readable : plan->file, SKETCH_LIMIT, &plan->sketch, err);
}

vhdx_status vx_plan_open(const vhdx_host *host, struct vx_file *file, const struct vx_ranges *bad, struct vx_plan **out,
                         vhdx_error *err)
{
    struct vx_plan *plan = vx_alloc(1, sizeof *plan);
    if (!plan)
        return vx_fail_memory(err, "a plan");
    plan->host = vx_host_or_native(host);
    plan->file = file;
    plan->header_slot = -1;
    vhdx_status status = open_sketch(plan, bad, err);
    if (status == VHDX_OK)
        *out = plan;
    else
        vx_plan_close(plan);
    return status;
}

void vx_plan_close(struct vx_plan *plan)
{
    if (!plan)
        return;
    vx_file_close(plan->sketch);
    vx_file_close(plan->readable);
    vx_ranges_clear(&plan->bad.ranges);
    vx_free(plan->writes);
    vx_free(plan->lost);
    vx_free(plan);
}

bool vx_plan_changes(const struct vx_plan *plan)
{
    return plan->count > 0;
}

/* ---- bad places ---- */

/* What is written is no bad place any more, whatever the medium gave. */
static vhdx_status believe(struct vx_plan *plan, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct vx_ranges rest = {0};
    bool added = true;
    if (!vx_patient_bad(&plan->bad, offset, length, NULL))
        return VHDX_OK;
    for (size_t i = 0; i < plan->bad.ranges.count && added; i++) {
        struct vx_range before = plan->bad.ranges.items[i], after = before;
        uint64_t end = before.offset + before.length;
        before.length = vx_min(end, vx_max(before.offset, offset)) - before.offset;
        after.offset = vx_max(before.offset, vx_min(end, offset + length));
        after.length = end - after.offset;
        if (offset >= end || offset + length <= before.offset)
            after.length = 0; /* `before` is all of it */
        added = vx_ranges_add(&rest, &before) && vx_ranges_add(&rest, &after);
    }
    if (!added) {
        vx_ranges_clear(&rest);
        return vx_fail_memory(err, "the list of bad places");
    }
    vx_ranges_clear(&plan->bad.ranges);
    plan->bad.ranges = rest;
    return VHDX_OK;
}

vhdx_status vx_plan_still_bad(const struct vx_plan *plan, struct vx_ranges *bad, vhdx_error *err)
{
    *bad = (struct vx_ranges){0};
    for (size_t i = 0; i < plan->bad.ranges.count; i++)
        if (!vx_ranges_add(bad, &plan->bad.ranges.items[i])) {
            vx_ranges_clear(bad);
            return vx_fail_memory(err, "the list of bad places");
        }
    return VHDX_OK;
}

/* ---- writes ---- */

static bool is_forbidden(const struct vx_plan *plan, const struct vx_reason *reason)
{
    return reason->finding < VX_PLAN_FINDINGS && plan->forbidden[reason->finding / 8] >> reason->finding % 8 & 1;
}

static bool same_reason(const struct vx_reason *a, const struct vx_reason *b)
{
    return a->finding == b->finding && a->gives == b->gives && a->costs == b->costs;
}

/*
 * Entries that lie side by side and are mended for one reason are one line of the plan, although the bytes of an entry
 * that stay as they are, at its ends, are none of its write: a BAT of millions of entries must not be millions of
 * lines.
 */
static bool joins(struct vx_plan_write *last, uint64_t offset, uint64_t length, const struct vx_reason *reason)
{
    uint64_t end = last->offset + last->length;
    if (last->length == 0 || length == 0 || offset < end || offset - end >= sizeof(uint64_t) ||
        !same_reason(&last->reason, reason))
        return false;
    last->length = offset + length - last->offset;
    return true;
}

static vhdx_status note(struct vx_plan *plan, uint64_t offset, uint64_t length, const struct vx_reason *reason,
                        vhdx_error *err)
{
    plan->changes++;
    if (plan->count > 0 && joins(&plan->writes[plan->count - 1], offset, length, reason))
        return VHDX_OK;
    if (plan->count == WRITES_MAX) {
        vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(plan->file)),
                "more than %u places of it would have to be written anew: too little is right", WRITES_MAX);
        return vx_advise_code(err, VHDX_LIMIT, VHDX_ADVICE_SALVAGE, NULL);
    }
    struct vx_plan_write *writes = vx_room_for(plan->writes, plan->count, &plan->room, sizeof *writes);
    if (!writes)
        return vx_fail_memory(err, "a plan");
    plan->writes = writes;
    plan->writes[plan->count++] = (struct vx_plan_write){offset, length, *reason};
    return VHDX_OK;
}

/* Takes away from both ends what stands there already. Of a bad place nobody knows what stands there. */
static vhdx_status trim(struct vx_plan *plan, const uint8_t **bytes, size_t *length, uint64_t *offset, vhdx_error *err)
{
    uint8_t there[COMPARE_ROOM];
    size_t first = *length, last = 0, got;
    for (size_t at = 0; at < *length; at += sizeof there) {
        size_t part = (size_t)vx_min(*length - at, sizeof there);
        bool suspect = vx_patient_bad(&plan->bad, *offset + at, part, NULL);
        VX_TRY(vx_file_read_some(plan->sketch, there, part, *offset + at, &got, err));
        for (size_t i = 0; i < part; i++) {
            bool bad = suspect && vx_patient_bad(&plan->bad, *offset + at + i, 1, NULL);
            if (!bad && i < got && there[i] == (*bytes)[at + i])
                continue;
            first = vx_min(first, at + i);
            last = at + i;
        }
    }
    *bytes += first;
    *offset += first;
    *length = first == *length ? 0 : last + 1 - first;
    return VHDX_OK;
}

vhdx_status vx_plan_put(struct vx_plan *plan, const void *bytes, size_t length, uint64_t offset,
                        const struct vx_reason *reason, vhdx_error *err)
{
    const uint8_t *from = bytes;
    if (is_forbidden(plan, reason))
        return VHDX_OK;
    VX_TRY(trim(plan, &from, &length, &offset, err));
    if (length == 0)
        return VHDX_OK;
    VX_TRY(vx_file_write(plan->sketch, from, length, offset, err));
    VX_TRY(believe(plan, offset, length, err));
    plan->new_size = vx_max(plan->new_size, offset + length);
    return note(plan, offset, length, reason, err);
}

vhdx_status vx_plan_resize(struct vx_plan *plan, uint64_t size, const struct vx_reason *reason, vhdx_error *err)
{
    if (size == plan->new_size || is_forbidden(plan, reason))
        return VHDX_OK;
    if (size > plan->new_size)
        VX_TRY(vx_file_grow(plan->sketch, size, err));
    else
        VX_TRY(vx_file_cut(plan->sketch, size, err));
    plan->new_size = size;
    return note(plan, size, 0, reason, err);
}

static vhdx_status show_header(struct vx_plan *plan, vhdx_error *err)
{
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_header header = plan->header;
    if (header.sequence_number < FIRST_SEQUENCE || header.sequence_number > UINT64_MAX - 1024)
        header.sequence_number = FIRST_SEQUENCE;
    vx_header_encode(&header, bytes);
    VX_TRY(vx_file_write(plan->sketch, bytes, sizeof bytes, VX_HEADER1_OFFSET, err));
    header.sequence_number++;
    vx_header_encode(&header, bytes);
    return vx_file_write(plan->sketch, bytes, sizeof bytes, VX_HEADER2_OFFSET, err);
}

vhdx_status vx_plan_put_header(struct vx_plan *plan, const struct vx_header *values, int slot,
                               const struct vx_reason *reason, vhdx_error *err)
{
    if (is_forbidden(plan, reason))
        return VHDX_OK;
    plan->header = *values;
    if (!plan->has_header)
        plan->header_slot = slot;
    plan->has_header = true;
    plan->header_changes = true;
    if (vx_guid_is_zero(&plan->header.file_write_guid)) /* each repair gives the file a new one anyway */
        VX_TRY(vx_new_guid(plan->host, &plan->header.file_write_guid, err));
    VX_TRY(show_header(plan, err));
    VX_TRY(believe(plan, VX_HEADER1_OFFSET, VX_HEADER_SIZE, err));
    VX_TRY(believe(plan, VX_HEADER2_OFFSET, VX_HEADER_SIZE, err));
    VX_TRY(note(plan, VX_HEADER1_OFFSET, VX_HEADER_SIZE, reason, err));
    return note(plan, VX_HEADER2_OFFSET, VX_HEADER_SIZE, reason, err);
}

vhdx_status vx_plan_replay(struct vx_plan *plan, const struct vx_header *current, int slot,
                           const struct vx_log_sequence *sequence, const struct vx_reason *reason, vhdx_error *err)
{
    struct vx_header header = *current;
    if (is_forbidden(plan, reason))
        return VHDX_OK;
    plan->log = VX_PLAN_LOG_REPLAY;
    plan->log_header = header;
    plan->sequence = *sequence;
    VX_TRY(vx_log_replay(plan->sketch, &header, sequence, plan->sketch, err));
    VX_TRY(vx_file_size(plan->sketch, &plan->new_size, err));
    memset(&header.log_guid, 0, sizeof header.log_guid);
    return vx_plan_put_header(plan, &header, slot, reason, err);
}

vhdx_status vx_plan_drop_log(struct vx_plan *plan, const struct vx_header *current, int slot,
                             const struct vx_reason *reason, vhdx_error *err)
{
    struct vx_header header = *current;
    if (is_forbidden(plan, reason))
        return VHDX_OK;
    plan->log = VX_PLAN_LOG_DROP;
    memset(&header.log_guid, 0, sizeof header.log_guid);
    header.log_version = VX_LOG_VERSION;
    return vx_plan_put_header(plan, &header, slot, reason, err);
}

/* ---- what is lost ---- */

vhdx_status vx_plan_lose(struct vx_plan *plan, uint64_t virtual_offset, uint64_t length, const struct vx_loss *loss,
                         vhdx_error *err)
{
    if (length == 0)
        return VHDX_OK;
    if (plan->lost_count > 0) {
        struct vx_lost *last = &plan->lost[plan->lost_count - 1];
        if (last->loss == loss && last->virtual_offset + last->length == virtual_offset) {
            last->length += length;
            return VHDX_OK;
        }
    }
    if (plan->lost_count == LOST_MAX)
        vx_plan_settle(plan);
    if (plan->lost_count == LOST_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(plan->file)),
                       "more than %u ranges of the virtual disk are lost", LOST_MAX);
    struct vx_lost *lost = vx_room_for(plan->lost, plan->lost_count, &plan->lost_room, sizeof *lost);
    if (!lost)
        return vx_fail_memory(err, "the lost ranges");
    plan->lost = lost;
    plan->lost[plan->lost_count++] = (struct vx_lost){virtual_offset, length, loss};
    return VHDX_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct vx_lost *left = a, *right = b;
    if (left->virtual_offset != right->virtual_offset)
        return left->virtual_offset < right->virtual_offset ? -1 : 1;
    return (left->length > right->length) - (left->length < right->length);
}

void vx_plan_settle(struct vx_plan *plan)
{
    size_t kept = 0;
    if (plan->lost_count == 0)
        return;
    qsort(plan->lost, plan->lost_count, sizeof *plan->lost, by_place);
    for (size_t i = 1; i < plan->lost_count; i++) {
        struct vx_lost *last = &plan->lost[kept], next = plan->lost[i];
        uint64_t end = last->virtual_offset + last->length;
        if (next.virtual_offset < end) { /* lost for two reasons: the first one is told */
            uint64_t next_end = next.virtual_offset + next.length;
            if (next_end <= end)
                continue;
            next = (struct vx_lost){end, next_end - end, next.loss};
        }
        if (next.virtual_offset == end && next.loss == last->loss)
            last->length += next.length;
        else
            plan->lost[++kept] = next;
    }
    plan->lost_count = kept + 1;
}

vhdx_status vx_plan_doubt_rest(struct vx_plan *plan, uint64_t virtual_size, vhdx_error *err)
{
    uint64_t at = 0;
    size_t count = 0, room = 2 * plan->lost_count + 1;
    if (!plan->doubt || virtual_size == 0)
        return VHDX_OK;
    struct vx_lost *all = vx_alloc(room, sizeof *all);
    if (!all)
        return vx_fail_memory(err, "the lost ranges");
    for (size_t i = 0; i < plan->lost_count; i++) {
        const struct vx_lost *lost = &plan->lost[i];
        if (lost->virtual_offset > at)
            all[count++] = (struct vx_lost){at, lost->virtual_offset - at, plan->doubt};
        all[count++] = *lost;
        at = lost->virtual_offset + lost->length;
    }
    if (at < virtual_size)
        all[count++] = (struct vx_lost){at, virtual_size - at, plan->doubt};
    vx_free(plan->lost);
    plan->lost = all;
    plan->lost_count = count;
    plan->lost_room = room;
    return VHDX_OK;
}
