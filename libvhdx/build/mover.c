/*
 * The work of the builder. See mover.h. Easy to get wrong: a place that was asked of the target is taken, so bytes that
 * are zeros must be found before; what is shared is never read, so only the file's holes are left out of it.
 */
/* SPDX-License-Identifier: MIT */
#include "build/mover.h"

#include "base/alloc.h"
#include "base/notice.h"
#include "base/size_text.h"

#include <inttypes.h>
#include <string.h>

#define BUFFER ((size_t)(256 * VX_KIB))
#define READ_AHEAD (8 * VX_MIB)
#define HOLE_UNIT ((size_t)VX_PAGE) /* zeros are left out in pieces of this size */
#define TELL_AFTER (16 * VX_MIB)
#define MANY_REFUSALS 16u
#define QUEUE 512u

vhdx_status vx_mover_open(struct vx_target *target, const vhdx_build_options *options, struct vx_mover *mover,
                          vhdx_error *err)
{
    *mover = (struct vx_mover){.target = target, .options = options};
    mover->buf = vx_alloc(BUFFER, 1);
    if (options->verify)
        mover->state = XXH3_createState();
    if (!mover->buf || (options->verify && !mover->state)) {
        vx_mover_close(mover);
        return vx_fail_memory(err, "a buffer");
    }
    if (mover->state)
        XXH3_128bits_reset(mover->state);
    return VHDX_OK;
}

void vx_mover_close(struct vx_mover *mover)
{
    vx_free(mover->buf);
    XXH3_freeState(mover->state);
    mover->buf = NULL;
    mover->state = NULL;
}

void vx_mover_hash(const struct vx_mover *mover, uint8_t hash[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(mover->state));
    memcpy(hash, canonical.digest, 16);
}

static vhdx_status tell(struct vx_mover *mover, vhdx_error *err)
{
    const vhdx_progress progress = {VHDX_PHASE_COPY, mover->at, mover->target->spec->virtual_size};
    if (mover->at - mover->told < TELL_AFTER && mover->at != progress.bytes_total)
        return VHDX_OK;
    mover->told = mover->at;
    return vx_progress(mover->options->progress, mover->options->progress_context, &progress, mover->target->spec->path,
                       "the new disk", err);
}

/* ---- bytes ---- */

static vhdx_status write_data(struct vx_mover *mover, const uint8_t *bytes, size_t length, uint64_t virtual_offset,
                              vhdx_error *err)
{
    struct vx_target *target = mover->target;
    mover->bytes_data += length;
    while (length > 0) {
        uint64_t offset, together;
        VX_TRY(target->ops->place(target, virtual_offset, length, &offset, &together, err));
        VX_TRY(vx_file_write(target->file, bytes, (size_t)together, offset, err));
        bytes += together;
        virtual_offset += together;
        length -= (size_t)together;
    }
    return VHDX_OK;
}

/* How many bytes from the front are zeros, or are not, in whole units of the disk. */
static size_t alike(const uint8_t *bytes, size_t length, uint64_t virtual_offset, bool *zeros)
{
    size_t end = (size_t)vx_min(HOLE_UNIT - virtual_offset % HOLE_UNIT, length);
    *zeros = vx_is_zero(bytes, end);
    while (end < length) {
        size_t unit = (size_t)vx_min(HOLE_UNIT, length - end);
        if (vx_is_zero(bytes + end, unit) != *zeros)
            break;
        end += unit;
    }
    return end;
}

static vhdx_status put_bytes(struct vx_mover *mover, const uint8_t *bytes, size_t length, uint64_t virtual_offset,
                             vhdx_error *err)
{
    struct vx_target *target = mover->target;
    if (mover->state)
        XXH3_128bits_update(mover->state, bytes, length);
    if (mover->options->keep_zeros)
        return write_data(mover, bytes, length, virtual_offset, err);
    while (length > 0) {
        bool zeros;
        size_t run = alike(bytes, length, virtual_offset, &zeros);
        VX_TRY(zeros ? target->ops->zeros(target, virtual_offset, run, err)
                     : write_data(mover, bytes, run, virtual_offset, err));
        bytes += run;
        virtual_offset += run;
        length -= run;
    }
    return VHDX_OK;
}

static vhdx_status take_bytes(struct vx_mover *mover, const struct vx_supply *supply, vhdx_error *err)
{
    for (uint64_t done = 0; done < supply->length;) {
        size_t here = (size_t)vx_min(supply->length - done, VX_MIB);
        VX_TRY(put_bytes(mover, supply->bytes + done, here, mover->at, err));
        done += here;
        mover->at += here;
        VX_TRY(tell(mover, err));
    }
    return VHDX_OK;
}

/* ---- bytes of a file ---- */

/* `write` false: they are in the target already, and only hashed. */
static vhdx_status copy(struct vx_mover *mover, struct vx_file *file, uint64_t file_offset, uint64_t length, bool write,
                        vhdx_error *err)
{
    for (uint64_t done = 0; done < length;) {
        size_t here = (size_t)vx_min(BUFFER, length - done);
        if (done % READ_AHEAD == 0)
            vx_file_will_need(file, file_offset + done, vx_min(2 * READ_AHEAD, length - done));
        VX_TRY(vx_file_read(file, mover->buf, here, file_offset + done, err));
        if (write)
            VX_TRY(put_bytes(mover, mover->buf, here, mover->at, err));
        else
            XXH3_128bits_update(mover->state, mover->buf, here);
        done += here;
        mover->at += here;
        VX_TRY(tell(mover, err));
    }
    return VHDX_OK;
}

/* A target places all bytes so that they lie in its file as they do on the disk, seen in units of 4096 bytes. */
static bool is_worth_sharing(const struct vx_mover *mover, const struct vx_supply *supply, uint64_t unit)
{
    const struct vx_file *target = mover->target->file;
    return !mover->options->keep_zeros && mover->refusals < MANY_REFUSALS && vx_file_may_clone(target, supply->file) &&
           mover->at % unit == supply->file_offset % unit && supply->length >= 2 * unit &&
           supply->length >= vx_file_facts(target)->share_least;
}

/* As much of [at, at + length) as lies together in the target. *shared 0: the host refuses. */
static vhdx_status share_some(struct vx_mover *mover, const struct vx_supply *supply, uint64_t done, uint64_t length,
                              uint64_t unit, uint64_t *shared, vhdx_error *err)
{
    struct vx_target *target = mover->target;
    uint64_t offset, together, from = supply->file_offset + done;
    *shared = 0;
    VX_TRY(target->ops->place(target, mover->at, length, &offset, &together, err));
    together = vx_round_down(together, unit);
    if (together == 0 || offset % unit)
        return VHDX_OK;
    vhdx_status status = vx_file_clone(target->file, offset, supply->file, from, together, err);
    if (status == VHDX_UNSUPPORTED) {
        mover->refusals++;
        return VHDX_OK;
    }
    VX_TRY(status);
    mover->refusals = 0;
    mover->bytes_shared += together;
    mover->bytes_data += together;
    *shared = together;
    if (mover->state)
        return copy(mover, supply->file, from, together, false, err);
    mover->at += together;
    return tell(mover, err);
}

static vhdx_status take_file(struct vx_mover *mover, const struct vx_supply *supply, vhdx_error *err)
{
    const vhdx_file_facts *facts = vx_file_facts(mover->target->file);
    uint64_t unit = facts->share_unit ? facts->share_unit : VX_PAGE;
    if (!is_worth_sharing(mover, supply, unit))
        return copy(mover, supply->file, supply->file_offset, supply->length, true, err);
    uint64_t head = (unit - mover->at % unit) % unit, done = head, shared = 1;
    VX_TRY(copy(mover, supply->file, supply->file_offset, head, true, err));
    while (shared > 0 && supply->length - done >= unit) {
        VX_TRY(share_some(mover, supply, done, vx_round_down(supply->length - done, unit), unit, &shared, err));
        done += shared;
    }
    return copy(mover, supply->file, supply->file_offset + done, supply->length - done, true, err);
}

/* ---- zeros ---- */

static void hash_zeros(struct vx_mover *mover, uint64_t length)
{
    if (!mover->state)
        return;
    memset(mover->buf, 0, BUFFER);
    for (; length > 0; length -= vx_min(length, BUFFER))
        XXH3_128bits_update(mover->state, mover->buf, (size_t)vx_min(length, BUFFER));
}

/* In pieces, because they may be terabytes, which a device is told one by one, and somebody may want to stop. */
static vhdx_status take_zeros(struct vx_mover *mover, uint64_t length, bool absent, vhdx_error *err)
{
    struct vx_target *target = mover->target;
    while (length > 0) {
        uint64_t here = vx_min(length, target->spec->is_device || mover->state ? 256 * VX_MIB : VX_TIB);
        VX_TRY(absent ? target->ops->absent(target, mover->at, here, err)
                      : target->ops->zeros(target, mover->at, here, err));
        hash_zeros(mover, here);
        mover->at += here;
        length -= here;
        VX_TRY(tell(mover, err));
    }
    return VHDX_OK;
}

/* ---- all of it ---- */

static vhdx_status take(struct vx_mover *mover, const struct vx_supply *supply, vhdx_error *err)
{
    const struct vx_build_spec *spec = mover->target->spec;
    char most[VX_SIZE_TEXT];
    if (supply->length > spec->room - mover->at)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(spec->path), "the source has more than %s%s",
                       vx_size_text(spec->room, most),
                       spec->virtual_size ? ", the size of the new disk" : ", the most without a size that is known");
    switch (supply->kind) {
    case VX_SUPPLY_BYTES:
        return take_bytes(mover, supply, err);
    case VX_SUPPLY_FILE:
        return take_file(mover, supply, err);
    case VX_SUPPLY_ZEROS:
        return take_zeros(mover, supply->length, false, err);
    case VX_SUPPLY_ABSENT:
        return take_zeros(mover, supply->length, true, err);
    case VX_SUPPLY_END:
        break;
    }
    return VHDX_OK;
}

/* What was asked for and not taken yet, oldest first: so that the host reads scattered pieces ahead. */
struct queue {
    struct vx_supply items[QUEUE];
    size_t first, count;
    uint64_t bytes; /* of files */
    bool ended;
};

static void announce(const struct vx_mover *mover, const struct vx_supply *supply)
{
    if (supply->kind == VX_SUPPLY_FILE && !vx_file_may_clone(mover->target->file, supply->file))
        vx_file_will_need(supply->file, supply->file_offset, vx_min(supply->length, READ_AHEAD));
}

static vhdx_status ask(struct vx_mover *mover, const struct vx_source *source, struct queue *queue, vhdx_error *err)
{
    const size_t most = source->lasts ? QUEUE : 1;
    while (!queue->ended && queue->count < most && queue->bytes < READ_AHEAD) {
        struct vx_supply *supply = &queue->items[(queue->first + queue->count) % QUEUE];
        *supply = (struct vx_supply){.kind = VX_SUPPLY_END};
        VX_TRY(source->next(source->context, supply, err));
        queue->ended = supply->kind == VX_SUPPLY_END;
        if (queue->ended)
            break;
        queue->count++;
        queue->bytes += supply->kind == VX_SUPPLY_FILE ? supply->length : 0;
        announce(mover, supply);
    }
    return VHDX_OK;
}

static vhdx_status run_queue(struct vx_mover *mover, const struct vx_source *source, struct queue *queue,
                             vhdx_error *err)
{
    for (;;) {
        VX_TRY(ask(mover, source, queue, err));
        if (queue->count == 0)
            return VHDX_OK;
        const struct vx_supply supply = queue->items[queue->first];
        queue->first = (queue->first + 1) % QUEUE;
        queue->count--;
        queue->bytes -= supply.kind == VX_SUPPLY_FILE ? supply.length : 0;
        VX_TRY(take(mover, &supply, err));
    }
}

vhdx_status vx_mover_run(struct vx_mover *mover, const struct vx_source *source, vhdx_error *err)
{
    struct queue *queue = vx_alloc(1, sizeof *queue);
    if (!queue)
        return vx_fail_memory(err, "a queue");
    vhdx_status status = run_queue(mover, source, queue, err);
    vx_free(queue);
    return status;
}

vhdx_status vx_mover_fill(struct vx_mover *mover, uint64_t virtual_size, vhdx_error *err)
{
    return take_zeros(mover, virtual_size - mover->at, false, err);
}
