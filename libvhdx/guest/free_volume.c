/*
 * What the readers of free space share. See free_volume.h.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/free_volume.h"

#include "base/checked.h"

#include <stdarg.h>
#include <stdio.h>

bool vx_free_get(const struct vx_free_volume *volume, void *buf, size_t length, uint64_t offset)
{
    return offset <= volume->size && length <= volume->size - offset &&
           volume->read(volume->context, buf, length, offset);
}

bool vx_free_refuse(struct vx_free_volume *volume, enum vx_free_cure cure, const char *format, ...)
{
    va_list arguments;
    if (volume->reason[0])
        return false;
    va_start(arguments, format);
    vsnprintf(volume->reason, sizeof volume->reason, format, arguments);
    va_end(arguments);
    volume->cure = cure;
    return false;
}

bool vx_free_keep(struct vx_free_volume *volume, uint64_t offset, uint64_t length)
{
    if (volume->kept_count == VX_FREE_KEPT)
        return false;
    volume->kept[volume->kept_count++] = (struct vx_free_range){offset, length};
    return true;
}

static bool is_kept(const struct vx_free_volume *volume, uint64_t offset, uint64_t end)
{
    for (uint32_t i = 0; i < volume->kept_count; i++) {
        const struct vx_free_range *kept = &volume->kept[i];
        if (kept->length > 0 && kept->offset < end && (kept->offset >= offset || kept->length > offset - kept->offset))
            return true;
    }
    return false;
}

bool vx_free_tell(struct vx_free_volume *volume, uint64_t offset, uint64_t length)
{
    uint64_t limit = vx_min(volume->limit, volume->size);
    if (offset >= limit)
        return true;
    length = vx_min(length, limit - offset);
    volume->contradicts = volume->contradicts || is_kept(volume, offset, offset + length);
    volume->free_bytes += length;
    if (!volume->tell || length == 0)
        return true;
    volume->ended = volume->ended || !volume->tell(volume->context, offset, length);
    return !volume->ended;
}

/* ---- bitmaps ----------------------------------------------------------------------------------------------------- */

struct vx_free_bits vx_free_bits_begin(struct vx_free_volume *volume, uint64_t base, uint64_t unit)
{
    return (struct vx_free_bits){.volume = volume, .base = base, .unit = unit, .run = UINT64_MAX};
}

static bool close_run(struct vx_free_bits *bits)
{
    uint64_t run = bits->run;
    bits->run = UINT64_MAX;
    if (run == UINT64_MAX)
        return true;
    bits->free += bits->next - run;
    return vx_free_tell(bits->volume, bits->base + run * bits->unit, (bits->next - run) * bits->unit);
}

static bool add_bits(struct vx_free_bits *bits, bool used, uint64_t count)
{
    if (used && !close_run(bits))
        return false;
    if (!used && bits->run == UINT64_MAX)
        bits->run = bits->next;
    bits->next += count;
    return true;
}

bool vx_free_bits_add(struct vx_free_bits *bits, const uint8_t *bytes, uint64_t count)
{
    for (uint64_t at = 0; at < count;) {
        uint64_t left = count - at;
        const uint8_t *p = bytes + at / 8;
        uint64_t word = at % 64 == 0 && left >= 64 ? vx_get64(p) : 1;
        bool whole = word == 0 || word == UINT64_MAX;
        uint64_t here = whole ? 64 : 1;
        if (!add_bits(bits, whole ? word != 0 : p[0] >> at % 8 & 1, here))
            return false;
        at += here;
    }
    return true;
}

bool vx_free_bits_end(struct vx_free_bits *bits)
{
    return close_run(bits);
}
