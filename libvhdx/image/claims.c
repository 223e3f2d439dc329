/*
 * Bits for MiB. See claims.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/claims.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "format/bitmap.h"
#include "format/layout.h"

#include <string.h>

#define UNIT VX_OBJECT_ALIGNMENT

vhdx_status vx_claims_open(uint64_t file_size, struct vx_claims *claims, vhdx_error *err)
{
    *claims = (struct vx_claims){.slots = vx_ceil_div(vx_min(file_size, VX_LONGEST_FILE), UNIT)};
    claims->taken = vx_alloc((size_t)(claims->slots / 8 + 1), 1);
    return claims->taken ? VHDX_OK : vx_fail_memory(err, "the map of used space");
}

void vx_claims_close(struct vx_claims *claims)
{
    vx_free(claims->taken);
    vx_free(claims->contested);
    claims->taken = claims->contested = NULL;
}

void vx_claims_forget(struct vx_claims *claims)
{
    memset(claims->taken, 0, (size_t)(claims->slots / 8 + 1));
    vx_free(claims->contested);
    claims->contested = NULL;
}

/* The slots of a range, cut to the file. */
static void slots_of(const struct vx_claims *claims, uint64_t offset, uint64_t length, uint64_t *first, uint64_t *end)
{
    *first = vx_min(offset / UNIT, claims->slots);
    *end = length > 0 ? vx_min((offset + (length - 1)) / UNIT + 1, claims->slots) : *first;
    if (*end < *first) /* wraps around: as far as the file goes */
        *end = claims->slots;
}

static vhdx_status contest(struct vx_claims *claims, uint64_t slot, vhdx_error *err)
{
    if (!claims->contested)
        claims->contested = vx_alloc((size_t)(claims->slots / 8 + 1), 1);
    if (!claims->contested)
        return vx_fail_memory(err, "the map of used space");
    claims->contested[slot / 8] |= (uint8_t)(1u << slot % 8);
    return VHDX_OK;
}

vhdx_status vx_claims_take(struct vx_claims *claims, uint64_t offset, uint64_t length, vhdx_error *err)
{
    uint64_t first, end;
    slots_of(claims, offset, length, &first, &end);
    for (uint64_t slot = first; slot < end; slot++) {
        uint8_t mask = (uint8_t)(1u << slot % 8);
        if (claims->taken[slot / 8] & mask)
            VX_TRY(contest(claims, slot, err));
        claims->taken[slot / 8] |= mask;
    }
    return VHDX_OK;
}

bool vx_claims_contested(const struct vx_claims *claims, uint64_t offset, uint64_t length)
{
    uint64_t first, end;
    slots_of(claims, offset, length, &first, &end);
    if (!claims->contested || first >= end)
        return false;
    return vx_bitmap_count(claims->contested, first, end - first) > 0;
}

bool vx_claims_is_free(const struct vx_claims *claims, uint64_t offset, uint64_t length)
{
    uint64_t first, end;
    slots_of(claims, offset, length, &first, &end);
    return first >= end || vx_bitmap_count(claims->taken, first, end - first) == 0;
}

uint64_t vx_claims_count(const struct vx_claims *claims, uint64_t end)
{
    return vx_bitmap_count(claims->taken, 0, vx_min(end, claims->slots));
}

uint64_t vx_claims_end(const struct vx_claims *claims)
{
    uint64_t end = claims->slots;
    while (end > 0 && !(claims->taken[(end - 1) / 8] >> (end - 1) % 8 & 1))
        end--;
    return end;
}

static uint64_t next(const struct vx_claims *claims, uint64_t slot, bool wanted)
{
    while (slot < claims->slots) {
        bool value;
        uint64_t run = vx_bitmap_run(claims->taken, slot, claims->slots - slot, &value);
        if (value == wanted)
            return slot;
        slot += run;
    }
    return claims->slots;
}

uint64_t vx_claims_next_free(const struct vx_claims *claims, uint64_t slot)
{
    return next(claims, slot, false);
}

uint64_t vx_claims_next_taken(const struct vx_claims *claims, uint64_t slot)
{
    return next(claims, slot, true);
}
