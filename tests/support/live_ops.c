/*
 * Random operations on a live disk. See live_ops.h.
 */
/* SPDX-License-Identifier: MIT */
#include "live_ops.h"

#include "builder.h"
#include "crash_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX (300u << 10)
#define HOST_SECTOR 512u /* what a medium writes at once, whatever the disk's logical sector size */

struct op {
    bool flush;
    size_t begin, end; /* host calls before it, and when it had returned */
    uint64_t offset, length;
    uint8_t *bytes; /* of the range afterwards, whole sectors */
};

enum kind { FLUSH, ZERO, TRIM, READ, WRITE };

struct live_ops {
    struct {
        enum kind kind;
        uint64_t offset, length;
        bool keep_space;
    } wish; /* what is to be done, or was done last */
    uint64_t seed, chance;
    uint64_t size, block_size;
    uint32_t sector_size;
    uint8_t *initial, *view, *scratch;
    struct op *items;
    size_t count, room;
    size_t (*place)(const void *context);
    const void *context;
};

/* Not one of the allocations that a test of the library lets fail. */
static void *must(void *old, uint64_t size)
{
    crash_host_allocating++;
    void *memory = realloc(old, (size_t)size + 1);
    crash_host_allocating--;
    if (!memory)
        abort();
    return memory;
}

struct live_ops *live_ops_new(uint64_t seed, const vhdx_info *info, const uint8_t *view,
                              size_t (*place)(const void *context), const void *context)
{
    struct live_ops *ops = must(NULL, sizeof *ops);
    *ops = (struct live_ops){.seed = seed,
                             .chance = seed,
                             .size = info->virtual_size,
                             .block_size = info->block_size,
                             .sector_size = info->logical_sector_size,
                             .place = place,
                             .context = context};
    ops->initial = must(NULL, ops->size);
    ops->view = must(NULL, ops->size);
    ops->scratch = must(NULL, LENGTH_MAX);
    memcpy(ops->initial, view, (size_t)ops->size);
    memcpy(ops->view, view, (size_t)ops->size);
    return ops;
}

void live_ops_free(struct live_ops *ops)
{
    for (size_t i = 0; i < ops->count; i++)
        free(ops->items[i].bytes);
    free(ops->items);
    free(ops->initial);
    free(ops->view);
    free(ops->scratch);
    free(ops);
}

static size_t now(const struct live_ops *ops)
{
    return ops->place ? ops->place(ops->context) : 0;
}

static uint64_t below(struct live_ops *ops, uint64_t limit)
{
    return bld_random_below(&ops->chance, limit);
}

static struct op *new_op(struct live_ops *ops)
{
    if (ops->count == ops->room) {
        ops->room = ops->room ? 2 * ops->room : 64;
        ops->items = must(ops->items, ops->room * sizeof *ops->items);
    }
    struct op *op = &ops->items[ops->count++];
    *op = (struct op){.begin = now(ops)};
    return op;
}

/* Keeps the sectors of the range as they are in the view now. */
static void keep_range(struct live_ops *ops, struct op *op, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length + ops->sector_size - 1;
    op->offset = offset - offset % ops->sector_size;
    op->length = end - end % ops->sector_size - op->offset;
    op->bytes = must(NULL, op->length);
    memcpy(op->bytes, ops->view + op->offset, (size_t)op->length);
}

/* Ranges as guests have them: mostly whole sectors, often whole blocks or near their ends, seldom anything else. */
static void pick_range(struct live_ops *ops, uint64_t limit, uint64_t *offset, uint64_t *length)
{
    uint64_t unit = below(ops, 8) == 0 ? 1 : ops->sector_size;
    *offset = below(ops, ops->size);
    if (below(ops, 3) == 0)
        *offset -= *offset % ops->block_size;
    *offset -= *offset % unit;
    *length = below(ops, 4) == 0 ? ops->block_size : 1 + below(ops, limit);
    if (unit > 1)
        *length += unit - 1 - (*length + unit - 1) % unit;
    if (*length > limit)
        *length = limit - limit % ops->sector_size;
    if (*length > ops->size - *offset)
        *length = ops->size - *offset;
}

static void wish_write(struct live_ops *ops)
{
    uint64_t word = bld_random(&ops->chance);
    pick_range(ops, LENGTH_MAX, &ops->wish.offset, &ops->wish.length);
    struct op *op = new_op(ops);
    for (uint64_t i = 0; i < ops->wish.length; i++)
        ops->view[ops->wish.offset + i] = (uint8_t)((word >> i % 7 * 8) + (i >> 9));
    keep_range(ops, op, ops->wish.offset, ops->wish.length);
}

static void wish_zero(struct live_ops *ops)
{
    ops->wish.keep_space = below(ops, 2) == 0;
    pick_range(ops, ops->size, &ops->wish.offset, &ops->wish.length);
    struct op *op = new_op(ops);
    memset(ops->view + ops->wish.offset, 0, (size_t)ops->wish.length);
    keep_range(ops, op, ops->wish.offset, ops->wish.length);
}

static void wish_trim(struct live_ops *ops)
{
    pick_range(ops, ops->size, &ops->wish.offset, &ops->wish.length);
    struct op *op = new_op(ops);
    uint64_t offset = ops->wish.offset, length = ops->wish.length;
    for (uint64_t block = 0; block < ops->size; block += ops->block_size) {
        uint64_t end = block + ops->block_size < ops->size ? block + ops->block_size : ops->size;
        if (block >= offset && end <= offset + length)
            memset(ops->view + block, 0, (size_t)(end - block));
    }
    keep_range(ops, op, offset, length);
}

/* What is done next, and what it makes of the view. */
static void wish(struct live_ops *ops)
{
    static const enum kind kinds[] = {FLUSH, FLUSH, ZERO, TRIM, READ, READ, WRITE, WRITE, WRITE, WRITE};
    ops->wish.kind = kinds[below(ops, sizeof kinds / sizeof kinds[0])];
    switch (ops->wish.kind) {
    case FLUSH:
        (void)new_op(ops);
        break;
    case ZERO:
        wish_zero(ops);
        break;
    case TRIM:
        wish_trim(ops);
        break;
    case READ:
        pick_range(ops, LENGTH_MAX, &ops->wish.offset, &ops->wish.length);
        break;
    case WRITE:
        wish_write(ops);
    }
}

static vhdx_status read_range(struct live_ops *ops, vhdx_disk *disk, const char **wrong, vhdx_error *err)
{
    static char text[160];
    uint64_t offset = ops->wish.offset, length = ops->wish.length;
    vhdx_status status = vhdx_disk_read(disk, ops->scratch, (size_t)length, offset, err);
    for (uint64_t i = 0; status == VHDX_OK && i < length; i++)
        if (ops->scratch[i] != ops->view[offset + i]) {
            snprintf(text, sizeof text, "seed %" PRIu64 ", operation %zu: 0x%" PRIx64 " reads wrong", ops->seed,
                     ops->count, offset + i);
            *wrong = text;
            break;
        }
    return status;
}

static vhdx_status perform(struct live_ops *ops, vhdx_disk *disk, const char **wrong, vhdx_error *err)
{
    uint64_t offset = ops->wish.offset, length = ops->wish.length;
    switch (ops->wish.kind) {
    case FLUSH:
        return vhdx_disk_flush(disk, err);
    case ZERO:
        return vhdx_disk_zero(disk, offset, length, ops->wish.keep_space, err);
    case TRIM:
        return vhdx_disk_trim(disk, offset, length, err);
    case READ:
        return read_range(ops, disk, wrong, err);
    case WRITE:
        break;
    }
    memcpy(ops->scratch, ops->view + offset, (size_t)length);
    return vhdx_disk_write(disk, ops->scratch, (size_t)length, offset, err);
}

vhdx_status live_ops_again(struct live_ops *ops, vhdx_disk *disk, const char **wrong, vhdx_error *err)
{
    *wrong = NULL;
    vhdx_status status = perform(ops, disk, wrong, err);
    if (ops->wish.kind == READ)
        return status;
    struct op *op = &ops->items[ops->count - 1];
    op->flush = ops->wish.kind == FLUSH && status == VHDX_OK;
    op->end = now(ops);
    return status;
}

vhdx_status live_ops_step(struct live_ops *ops, vhdx_disk *disk, const char **wrong, vhdx_error *err)
{
    wish(ops);
    return live_ops_again(ops, disk, wrong, err);
}

void live_ops_closed(struct live_ops *ops)
{
    struct op *op = new_op(ops);
    op->flush = true;
    op->end = op->begin;
}

const uint8_t *live_ops_view(const struct live_ops *ops)
{
    return ops->view;
}

/* ---- after a cut ---- */

/* Number of operations that are durable: up to the last flush that had returned. */
static size_t durable(const struct live_ops *ops, size_t place)
{
    size_t count = 0;
    for (size_t i = 0; i < ops->count; i++)
        if (ops->items[i].flush && ops->items[i].end <= place)
            count = i + 1;
    return count;
}

static bool is_version(const struct op *op, uint64_t offset, const uint8_t *bytes)
{
    return !op->flush && op->bytes && offset >= op->offset && offset - op->offset < op->length &&
           memcmp(op->bytes + (offset - op->offset), bytes, HOST_SECTOR) == 0;
}

static bool may_read(const struct live_ops *ops, size_t first, size_t place, uint64_t offset, const uint8_t *bytes)
{
    for (size_t i = first; i < ops->count && ops->items[i].begin <= place; i++)
        if (is_version(&ops->items[i], offset, bytes))
            return true;
    return false;
}

const char *live_ops_check(const struct live_ops *ops, const uint8_t *bytes, size_t place)
{
    static char text[200];
    size_t first = durable(ops, place);
    const char *wrong = NULL;
    uint8_t *base = must(NULL, ops->size);
    memcpy(base, ops->initial, (size_t)ops->size);
    for (size_t i = 0; i < first; i++)
        if (ops->items[i].bytes)
            memcpy(base + ops->items[i].offset, ops->items[i].bytes, (size_t)ops->items[i].length);
    for (uint64_t at = 0; at < ops->size && !wrong; at += HOST_SECTOR) {
        if (memcmp(base + at, bytes + at, HOST_SECTOR) == 0 || may_read(ops, first, place, at, bytes + at))
            continue;
        snprintf(text, sizeof text,
                 "seed %" PRIu64 ": the sector at 0x%" PRIx64 " is none of its versions (%zu operations are durable)",
                 ops->seed, at, first);
        wrong = text;
    }
    free(base);
    return wrong;
}
