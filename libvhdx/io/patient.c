/*
 * Reading on behind what cannot be read. See patient.h. What fails is tried again in halves, down to a page, so that
 * one bad sector costs one page.
 */
/* SPDX-License-Identifier: MIT */
#include "io/patient.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <string.h>

#define PAGE UINT64_C(4096)

struct patient_file {
    struct vx_file *base;
    struct vx_patient *patient;
    struct vx_patient own; /* with a base of its own */
    bool owns;
};

/* The first range that ends behind `offset`. */
static size_t find_range(const struct vx_ranges *ranges, uint64_t offset)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct vx_range *range = &ranges->items[middle];
        if (range->offset + range->length <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool next_refused(const struct vx_ranges *ranges, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                         uint64_t *bad_length)
{
    size_t i = find_range(ranges, offset);
    if (i == ranges->count || ranges->items[i].offset >= end)
        return false;
    const struct vx_range *range = &ranges->items[i];
    *bad_offset = vx_max(offset, range->offset);
    *bad_length = vx_min(end, range->offset + range->length) - *bad_offset;
    return true;
}

bool vx_patient_next_bad(const struct vx_patient *patient, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                         uint64_t *bad_length)
{
    uint64_t other, other_length;
    bool found = patient->map && vx_rescue_map_next_bad(patient->map, offset, end, bad_offset, bad_length);
    if (!next_refused(&patient->ranges, offset, end, &other, &other_length))
        return found;
    if (!found || other < *bad_offset) {
        *bad_offset = other;
        *bad_length = other_length;
    }
    return true;
}

bool vx_patient_bad(const struct vx_patient *patient, uint64_t offset, uint64_t length, uint64_t *bad)
{
    uint64_t at, bytes;
    bool found = vx_patient_next_bad(patient, offset, offset + vx_min(length, UINT64_MAX - offset), &at, &bytes);
    if (found && bad)
        *bad = at;
    return found;
}

/* Ranges stay sorted and joined. All of them are kept: one that was forgotten would be zeros that are believed. */
static vhdx_status remember(struct vx_patient *patient, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct vx_ranges *ranges = &patient->ranges;
    struct vx_range added = {.offset = offset, .length = length};
    size_t i = find_range(ranges, offset == 0 ? 0 : offset - 1);
    patient->refused = true;
    if (i < ranges->count && ranges->items[i].offset <= offset) { /* begins before, reaches at least up to here */
        struct vx_range *at = &ranges->items[i];
        at->length = vx_max(at->offset + at->length, offset + length) - at->offset;
        return VHDX_OK;
    }
    if (!vx_ranges_add(ranges, &added))
        return vx_fail_memory(err, "the list of bytes that cannot be read");
    memmove(ranges->items + i + 1, ranges->items + i, (ranges->count - 1 - i) * sizeof *ranges->items);
    ranges->items[i] = added;
    return VHDX_OK;
}

/* Halves the range, at pages, until what cannot be read is in one page. Only a medium's refusal is tolerated. */
static vhdx_status read_around(struct patient_file *file, uint8_t *buf, uint64_t length, uint64_t offset,
                               vhdx_error *err)
{
    vhdx_status status = vx_file_read(file->base, buf, (size_t)length, offset, err);
    if (status != VHDX_IO)
        return status;
    vx_clear(err);
    uint64_t middle = vx_round_down(offset + length / 2, PAGE);
    if (middle <= offset)
        middle = vx_round_down(offset, PAGE) + PAGE;
    if (middle >= offset + length) {
        memset(buf, 0, (size_t)length);
        return remember(file->patient, offset, length, err);
    }
    VX_TRY(read_around(file, buf, middle - offset, offset, err));
    return read_around(file, buf + (middle - offset), offset + length - middle, middle, err);
}

static vhdx_status patient_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct patient_file *file = context;
    uint8_t *bytes = buf;
    uint64_t end = offset + length;
    while (offset < end) {
        uint64_t bad = end, bad_length = 0;
        vx_patient_next_bad(file->patient, offset, end, &bad, &bad_length);
        if (bad > offset)
            VX_TRY(read_around(file, bytes, bad - offset, offset, err));
        memset(bytes + (bad - offset), 0, (size_t)bad_length);
        bytes += bad - offset + bad_length;
        offset = bad + bad_length;
    }
    return VHDX_OK;
}

static vhdx_status patient_size(void *context, uint64_t *size, vhdx_error *err)
{
    return vx_file_size(((struct patient_file *)context)->base, size, err);
}

static vhdx_status patient_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    (void)err;
    *facts = *vx_file_facts(((struct patient_file *)context)->base);
    return VHDX_OK;
}

static vhdx_status patient_next_data(void *context, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                     vhdx_error *err)
{
    (void)err;
    vx_file_next_data(((struct patient_file *)context)->base, offset, data_offset, length);
    return VHDX_OK;
}

static void patient_will_need(void *context, uint64_t offset, uint64_t length)
{
    vx_file_will_need(((struct patient_file *)context)->base, offset, length);
}

static void patient_dont_need(void *context, uint64_t offset, uint64_t length)
{
    vx_file_dont_need(((struct patient_file *)context)->base, offset, length);
}

static void patient_close(void *context)
{
    struct patient_file *file = context;
    if (file->owns)
        vx_file_close(file->base);
    vx_ranges_clear(&file->own.ranges);
    vx_free(file);
}

/* Read-only; vx_file_wrap() keeps writers out, and the table has no doors for them. */
static const vhdx_io_ops patient_ops = {
    .struct_size = sizeof patient_ops,
    .read = patient_read,
    .size = patient_size,
    .close = patient_close,
    .facts = patient_facts,
    .next_data = patient_next_data,
    .will_need = patient_will_need,
    .dont_need = patient_dont_need,
};

static vhdx_status wrap(const struct patient_file *values, struct patient_file **made, struct vx_file **file,
                        vhdx_error *err)
{
    *made = vx_alloc(1, sizeof **made);
    if (!*made)
        return vx_fail_memory(err, "a file on a failing medium");
    **made = *values;
    if (values->owns)
        (*made)->patient = &(*made)->own;
    return vx_file_wrap((vhdx_io){&patient_ops, *made}, vx_file_path(values->base), false, file, err);
}

vhdx_status vx_patient_open(struct vx_file *base, struct vx_patient *patient, struct vx_file **file, vhdx_error *err)
{
    struct patient_file *made;
    return wrap(&(struct patient_file){.base = base, .patient = patient}, &made, file, err);
}

vhdx_status vx_patient_open_path(const vhdx_host *host, const char *path, vhdx_open_mode mode,
                                 const struct vx_rescue_map *map, struct vx_file **file,
                                 const struct vx_patient **patient, vhdx_error *err)
{
    struct vx_file *base;
    struct patient_file *made;
    VX_TRY(vx_file_open(host, path, mode, &base, err));
    vhdx_status status =
        wrap(&(struct patient_file){.base = base, .owns = true, .own = {.map = map}}, &made, file, err);
    if (status != VHDX_OK && !made)
        vx_file_close(base);
    if (status == VHDX_OK)
        *patient = made->patient;
    return status;
}
