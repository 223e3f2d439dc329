/*
 * Changes kept in memory over a file that is never written, see overlay.h. What was written last wins: a page of
 * data, or a run of zeros; where neither is, the base shows through, but only as far as `visible`.
 *
 * After the overlay was cut and grew again, the base still has its old bytes there, and they must
 * not come back. `visible` only ever shrinks.
 */
/* SPDX-License-Identifier: MIT */
#include "io/overlay.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "io/pages.h"

#define PAGE UINT64_C(4096)

struct overlay {
    struct vx_file *base;
    struct vx_pages pages; /* zero: reads as zeros; absent: the base, or zeros beyond `visible` */
    uint64_t memory_limit;
    uint64_t size;
    uint64_t visible; /* the base shows through below this offset */
};

/* What is at one place, for `length` bytes. */
struct piece {
    enum vx_page_kind kind;
    const uint8_t *data;
    uint64_t length;
};

/* Joins runs of one kind; never longer than `limit`, which is not 0. */
static struct piece piece_at(const struct overlay *overlay, uint64_t offset, uint64_t limit)
{
    struct vx_page_run run = vx_pages_find(&overlay->pages, offset / PAGE);
    uint64_t inside = offset % PAGE;
    struct piece piece = {run.kind, run.data ? run.data + inside : NULL, 0};
    for (;;) {
        uint64_t bytes;
        if (!vx_mul(run.count, PAGE, &bytes) || bytes - inside >= limit - piece.length) {
            piece.length = limit;
            return piece;
        }
        piece.length += bytes - inside;
        inside = 0;
        run = vx_pages_find(&overlay->pages, (offset + piece.length) / PAGE);
        if (piece.kind == VX_PAGE_DATA || run.kind != piece.kind)
            return piece;
    }
}

/* ---- reading ---- */

static vhdx_status read_base(const struct overlay *overlay, uint8_t *buf, size_t length, uint64_t offset,
                             vhdx_error *err)
{
    size_t shown = offset < overlay->visible ? (size_t)vx_min(length, overlay->visible - offset) : 0;
    memset(buf + shown, 0, length - shown);
    return vx_file_read(overlay->base, buf, shown, offset, err);
}

/* Without regard to the overlay's size. */
static vhdx_status read_through(const struct overlay *overlay, uint8_t *buf, size_t length, uint64_t offset,
                                vhdx_error *err)
{
    while (length > 0) {
        struct piece piece = piece_at(overlay, offset, length);
        size_t part = (size_t)piece.length;
        if (piece.kind == VX_PAGE_DATA)
            memcpy(buf, piece.data, part);
        else if (piece.kind == VX_PAGE_ZERO)
            memset(buf, 0, part);
        else
            VX_TRY(read_base(overlay, buf, part, offset, err));
        buf += part;
        offset += part;
        length -= part;
    }
    return VHDX_OK;
}

static vhdx_status overlay_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct overlay *overlay = context;
    if (offset > overlay->size || length > overlay->size - offset)
        return VHDX_TRUNCATED;
    return read_through(overlay, buf, length, offset, err);
}

static vhdx_status overlay_size(void *context, uint64_t *size, vhdx_error *err)
{
    const struct overlay *overlay = context;
    (void)err;
    *size = overlay->size;
    return VHDX_OK;
}

static vhdx_status overlay_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    const struct overlay *overlay = context;
    (void)err;
    *facts = *vx_file_facts(overlay->base);
    return VHDX_OK;
}

/* The base's next data inside an absent piece; false when there is none before the piece ends. */
static bool base_data(const struct overlay *overlay, uint64_t offset, uint64_t length, uint64_t *data_offset,
                      uint64_t *data_length)
{
    uint64_t end = vx_min(offset + length, overlay->visible);
    if (offset >= end)
        return false;
    vx_file_next_data(overlay->base, offset, data_offset, data_length);
    if (*data_length == 0 || *data_offset >= end)
        return false;
    *data_length = vx_min(*data_length, end - *data_offset);
    return true;
}

static vhdx_status overlay_next_data(void *context, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                     vhdx_error *err)
{
    const struct overlay *overlay = context;
    (void)err;
    while (offset < overlay->size) {
        struct piece piece = piece_at(overlay, offset, overlay->size - offset);
        *data_offset = offset;
        *length = piece.length;
        if (piece.kind == VX_PAGE_DATA)
            return VHDX_OK;
        if (piece.kind == VX_PAGE_ABSENT && base_data(overlay, offset, piece.length, data_offset, length))
            return VHDX_OK;
        offset += piece.length;
    }
    *data_offset = offset;
    *length = 0;
    return VHDX_OK;
}

/* ---- writing ---- */

static vhdx_status over_limit(const struct overlay *overlay, vhdx_error *err)
{
    return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL),
                   "the changes to this file need more than 0x%" PRIx64 " bytes of memory", overlay->memory_limit);
}

/* The page as data, holding what it reads as now unless all of it is about to be `replaced`. */
static vhdx_status take_page(struct overlay *overlay, uint64_t index, bool replaced, uint8_t **data, vhdx_error *err)
{
    uint8_t before[PAGE];
    struct vx_page_run run = vx_pages_find(&overlay->pages, index);
    if (run.kind == VX_PAGE_DATA) {
        *data = run.data;
        return VHDX_OK;
    }
    if (overlay->pages.memory > overlay->memory_limit || PAGE > overlay->memory_limit - overlay->pages.memory)
        return over_limit(overlay, err);
    if (!replaced)
        VX_TRY(read_through(overlay, before, PAGE, index * PAGE, err));
    *data = vx_pages_make(&overlay->pages, index);
    if (!*data)
        return vx_fail_memory(err, "changes kept in memory");
    if (!replaced)
        memcpy(*data, before, PAGE);
    return VHDX_OK;
}

static vhdx_status overlay_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct overlay *overlay = context;
    const uint8_t *from = buf;
    while (length > 0) {
        uint64_t inside = offset % PAGE;
        size_t part = (size_t)vx_min(length, PAGE - inside);
        uint8_t *page;
        VX_TRY(take_page(overlay, offset / PAGE, part == PAGE, &page, err));
        memcpy(page + inside, from, part);
        from += part;
        offset += part;
        length -= part;
        overlay->size = vx_max(overlay->size, offset);
    }
    return VHDX_OK;
}

/* Zeros in a part of one page. */
static vhdx_status zero_part(struct overlay *overlay, uint64_t offset, uint64_t length, vhdx_error *err)
{
    uint8_t *page;
    if (length == 0 || vx_pages_find(&overlay->pages, offset / PAGE).kind == VX_PAGE_ZERO)
        return VHDX_OK;
    VX_TRY(take_page(overlay, offset / PAGE, false, &page, err));
    memset(page + offset % PAGE, 0, (size_t)length);
    return VHDX_OK;
}

static vhdx_status overlay_punch(void *context, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct overlay *overlay = context;
    uint64_t end = offset + length;
    uint64_t first = vx_ceil_div(offset, PAGE);
    uint64_t last = end / PAGE; /* whole pages: first <= page < last */
    if (first > last)
        return zero_part(overlay, offset, length, err);
    VX_TRY(zero_part(overlay, offset, first * PAGE - offset, err));
    VX_TRY(zero_part(overlay, last * PAGE, end - last * PAGE, err));
    if (first == last)
        return VHDX_OK;
    if (overlay->pages.memory > overlay->memory_limit)
        return over_limit(overlay, err);
    if (!vx_pages_fill(&overlay->pages, first, last - 1, VX_PAGE_ZERO))
        return vx_fail_memory(err, "changes kept in memory");
    return VHDX_OK;
}

static vhdx_status overlay_set_size(void *context, uint64_t size, vhdx_error *err)
{
    struct overlay *overlay = context;
    if (size < overlay->size) {
        struct vx_page_run run = vx_pages_find(&overlay->pages, size / PAGE);
        if (!vx_pages_fill(&overlay->pages, vx_ceil_div(size, PAGE), INT64_MAX / PAGE, VX_PAGE_ABSENT))
            return vx_fail_memory(err, "changes kept in memory");
        if (size % PAGE != 0 && run.kind == VX_PAGE_DATA)
            memset(run.data + size % PAGE, 0, (size_t)(PAGE - size % PAGE));
        overlay->visible = vx_min(overlay->visible, size);
    }
    overlay->size = size;
    return VHDX_OK;
}

static vhdx_status overlay_flush(void *context, vhdx_error *err)
{
    (void)context;
    (void)err;
    return VHDX_OK;
}

static void overlay_close(void *context)
{
    struct overlay *overlay = context;
    vx_pages_clear(&overlay->pages);
    vx_free(overlay);
}

static void overlay_will_need(void *context, uint64_t offset, uint64_t length)
{
    const struct overlay *overlay = context;
    vx_file_will_need(overlay->base, offset, length);
}

static void overlay_dont_need(void *context, uint64_t offset, uint64_t length)
{
    const struct overlay *overlay = context;
    vx_file_dont_need(overlay->base, offset, length);
}

static const vhdx_io_ops overlay_ops = {
    .struct_size = sizeof overlay_ops,
    .read = overlay_read,
    .write = overlay_write,
    .size = overlay_size,
    .set_size = overlay_set_size,
    .flush = overlay_flush,
    .close = overlay_close,
    .facts = overlay_facts,
    .punch = overlay_punch,
    .will_need = overlay_will_need,
    .dont_need = overlay_dont_need,
    .next_data = overlay_next_data,
};

vhdx_status vx_overlay_open(struct vx_file *base, uint64_t memory_limit, struct vx_file **file, vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(base, &size, err));
    struct overlay *overlay = vx_alloc(1, sizeof *overlay);
    if (!overlay)
        return vx_fail_memory(err, "changes kept in memory");
    *overlay = (struct overlay){.base = base, .memory_limit = memory_limit, .size = size, .visible = size};
    vx_pages_init(&overlay->pages, (uint32_t)PAGE);
    VX_TRY(vx_file_wrap((vhdx_io){&overlay_ops, overlay}, vx_file_path(base), true, file, err));
    vx_file_allow_holes(*file);
    return VHDX_OK;
}
