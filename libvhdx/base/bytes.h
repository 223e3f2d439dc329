/*
 * Bytes from a file: a view {data, size}, loads and stores in little-endian order, and loads in big-endian order. This
 * room knows nothing of VHDX and owns no memory. A length from a file is compared with the room that
 * is left (`length > size - offset`), never added to an offset first.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_BYTES_H
#define VX_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vx_bytes {
    const uint8_t *data;
    size_t size;
};

static inline struct vx_bytes vx_bytes_of(const void *data, size_t size)
{
    return (struct vx_bytes){(const uint8_t *)data, size};
}

/* The part [offset, offset + length) of `in`; false when it is not inside. */
static inline bool vx_bytes_part(struct vx_bytes in, uint64_t offset, uint64_t length, struct vx_bytes *out)
{
    if (offset > in.size || length > in.size - offset)
        return false;
    *out = (struct vx_bytes){in.data + offset, (size_t)length};
    return true;
}

static inline uint16_t vx_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t vx_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t vx_get64(const uint8_t *p)
{
    return (uint64_t)vx_get32(p) | (uint64_t)vx_get32(p + 4) << 32;
}

static inline void vx_put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static inline void vx_put32(uint8_t *p, uint32_t value)
{
    vx_put16(p, (uint16_t)value);
    vx_put16(p + 2, (uint16_t)(value >> 16));
}

static inline void vx_put64(uint8_t *p, uint64_t value)
{
    vx_put32(p, (uint32_t)value);
    vx_put32(p + 4, (uint32_t)(value >> 32));
}

/* Big-endian, as XFS, the journal of ext4 and VHD have it. */
static inline uint16_t vx_get16_be(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t vx_get32_be(const uint8_t *p)
{
    return (uint32_t)vx_get16_be(p) << 16 | vx_get16_be(p + 2);
}

static inline uint64_t vx_get64_be(const uint8_t *p)
{
    return (uint64_t)vx_get32_be(p) << 32 | vx_get32_be(p + 4);
}

/* Whether all bytes are zero. */
bool vx_is_zero(const void *data, size_t size);
/* How many bytes are zero before the first that is not. */
size_t vx_zero_run(const void *data, size_t size);

#endif
