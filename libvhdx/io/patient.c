/*
 * Reading on behind what cannot be read. See patient.h. What fails is tried again page by page, so that one bad sector
 * costs one page.
 */
/* SPDX-License-Identifier: MIT */
#include "io/patient.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <string.h>

#define PAGE 4096u
#define RANGES_MAX 65536u

struct patient_file {
    struct vx_file *base;
    struct vx_patient *patient;
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

bool vx_patient_bad(const struct vx_patient *patient, uint64_t offset, uint64_t length, uint64_t *bad)
{
    size_t i = find_range(&patient->ranges, offset);
    if (i == patient->ranges.count || length == 0 || patient->ranges.items[i].offset > offset + (length - 1))
        return false;
    if (bad)
        *bad = vx_max(offset, patient->ranges.items[i].offset);
    return true;
}

/* Ranges stay sorted and joined, so that a second reading of a bad sector adds nothing. */
static bool remember(struct vx_patient *patient, uint64_t offset, uint64_t length)
{
    struct vx_ranges *ranges = &patient->ranges;
    size_t i = find_range(ranges, offset == 0 ? 0 : offset - 1);
    struct vx_range *at = i < ranges->count ? &ranges->items[i] : NULL;
    if (at && at->offset <= offset) { /* begins before, reaches at least up to here */
        at->length = vx_max(at->offset + at->length, offset + length) - at->offset;
        return true;
    }
    if (ranges->count >= RANGES_MAX) {
        patient->more = true;
        return true;
    }
    if (!vx_ranges_add(ranges, &(struct vx_range){.offset = offset, .length = length}))
        return false;
    vx_ranges_sort(ranges);
    return true;
}

/* What is not known to be bad: one page or a part of one. */
static vhdx_status read_piece(struct patient_file *file, uint8_t *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    vhdx_status status = vx_file_read(file->base, buf, length, offset, err);
    if (status != VHDX_IO)
        return status;
    memset(buf, 0, length);
    file->patient->refused = true;
    if (!remember(file->patient, offset, length))
        return vx_fail_memory(err, "the list of unreadable places");
    vx_clear(err);
    return VHDX_OK;
}

/* How far what holds at `offset` goes: to the end of a bad place, or to the next one. */
static size_t same_state(const struct vx_ranges *ranges, uint64_t offset, size_t length, bool *bad)
{
    size_t i = find_range(ranges, offset);
    const struct vx_range *range = i < ranges->count ? &ranges->items[i] : NULL;
    *bad = range && range->offset <= offset;
    if (*bad)
        return (size_t)vx_min(length, range->offset + range->length - offset);
    return range ? (size_t)vx_min(length, range->offset - offset) : length;
}

static vhdx_status patient_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct patient_file *file = context;
    uint8_t *bytes = buf;
    if (!vx_patient_bad(file->patient, offset, length, NULL)) {
        vhdx_status status = vx_file_read(file->base, buf, length, offset, err);
        if (status != VHDX_IO)
            return status;
    }
    for (size_t done = 0; done < length;) {
        bool bad;
        uint64_t at = offset + done;
        size_t here = same_state(&file->patient->ranges, at, length - done, &bad);
        if (!bad)
            here = (size_t)vx_min(here, PAGE - at % PAGE);
        if (bad)
            memset(bytes + done, 0, here);
        else
            VX_TRY(read_piece(file, bytes + done, here, at, err));
        done += here;
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
    vx_free(context);
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

vhdx_status vx_patient_open(struct vx_file *base, struct vx_patient *patient, struct vx_file **file, vhdx_error *err)
{
    struct patient_file *made = vx_alloc(1, sizeof *made);
    if (!made)
        return vx_fail_memory(err, "a file on a failing medium");
    *made = (struct patient_file){base, patient};
    return vx_file_wrap((vhdx_io){&patient_ops, made}, vx_file_path(base), false, file, err);
}
