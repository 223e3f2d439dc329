/*
 * CRC-32C three ways: by table, by the x86-64 instruction, by the ARMv8 one. See crc32c.h. Which one runs is asked of
 * the processor at every call, not remembered here: that is one load, and there is no variable for threads to race on.
 * The register is the complement of the CRC; complement on the way in and out.
 */
/* SPDX-License-Identifier: MIT */
#include "base/crc32c.h"

#include "base/bytes.h"
#include "base/crc32c_table.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && !defined(__ARM_FEATURE_CRC32) && defined(__linux__)
#include <sys/auxv.h>
#endif

static uint32_t table_byte(uint32_t state, uint8_t byte)
{
    return (state >> 8) ^ crc32c_table[0][(state ^ byte) & 255];
}

static uint32_t table_eight(uint32_t state, const uint8_t *p)
{
    uint32_t low = vx_get32(p) ^ state;
    uint32_t high = vx_get32(p + 4);
    return crc32c_table[7][low & 255] ^ crc32c_table[6][low >> 8 & 255] ^ crc32c_table[5][low >> 16 & 255] ^
           crc32c_table[4][low >> 24] ^ crc32c_table[3][high & 255] ^ crc32c_table[2][high >> 8 & 255] ^
           crc32c_table[1][high >> 16 & 255] ^ crc32c_table[0][high >> 24];
}

uint32_t vx_crc32c_table(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    uint32_t state = ~crc;
    for (; size >= 8; p += 8, size -= 8)
        state = table_eight(state, p);
    for (; size > 0; p++, size--)
        state = table_byte(state, *p);
    return ~state;
}

#if defined(__x86_64__)

#define CPU_HAS_CRC32C __builtin_cpu_supports("sse4.2")

/*
 * The instruction takes three cycles, but a new one can begin in each: so three pieces of STREAM bytes are summed side
 * by side and then joined. Three of these pieces, with 16 bytes left over, are the 4096 bytes of a header or a log
 * sector.
 */
#define STREAM 1360u
#define SHIFT_STREAM UINT32_C(0xD6A79573)      /* x^(8 * STREAM) modulo the polynomial, reflected */
#define SHIFT_TWO_STREAMS UINT32_C(0x4672C7F2) /* x^(16 * STREAM) */

/* The product of two polynomials modulo that of CRC-32C; bit 31 is the coefficient of x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (int bit = 31; bit >= 0; bit--) {
        product ^= b & (0u - (a >> bit & 1u));
        b = (b >> 1) ^ (UINT32_C(0x82F63B78) & (0u - (b & 1u)));
    }
    return product;
}

__attribute__((target("sse4.2"))) static uint32_t cpu_three_streams(uint32_t state, const uint8_t *p)
{
    uint64_t a = state, b = 0, c = 0;
    for (size_t i = 0; i < STREAM; i += 8) {
        a = _mm_crc32_u64(a, vx_get64(p + i));
        b = _mm_crc32_u64(b, vx_get64(p + STREAM + i));
        c = _mm_crc32_u64(c, vx_get64(p + 2 * STREAM + i));
    }
    return multiply(SHIFT_TWO_STREAMS, (uint32_t)a) ^ multiply(SHIFT_STREAM, (uint32_t)b) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) static uint32_t cpu_crc32c(uint32_t crc, const uint8_t *p, size_t size)
{
    uint32_t state = ~crc;
    for (; size >= 3 * STREAM; p += 3 * STREAM, size -= 3 * STREAM)
        state = cpu_three_streams(state, p);
    for (; size >= 8; p += 8, size -= 8)
        state = (uint32_t)_mm_crc32_u64(state, vx_get64(p));
    for (; size > 0; p++, size--)
        state = _mm_crc32_u8(state, *p);
    return ~state;
}

#elif defined(__aarch64__) && (defined(__ARM_FEATURE_CRC32) || defined(__linux__))

#if defined(__ARM_FEATURE_CRC32)
#define CPU_HAS_CRC32C 1
#else
#define CPU_HAS_CRC32C (getauxval(AT_HWCAP) & 1u << 7) /* HWCAP_CRC32 */
#endif

/* In assembler, because the names of the intrinsics, and when they may be used, differ between compilers. */
static uint32_t cpu_eight(uint32_t state, uint64_t value)
{
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(state) : "r"(value));
    return state;
}

static uint32_t cpu_crc32c(uint32_t crc, const uint8_t *p, size_t size)
{
    uint32_t state = ~crc;
    for (; size >= 8; p += 8, size -= 8)
        state = cpu_eight(state, vx_get64(p));
    for (; size > 0; p++, size--)
        state = table_byte(state, *p);
    return ~state;
}

#endif

uint32_t vx_crc32c(uint32_t crc, const void *data, size_t size)
{
#ifdef CPU_HAS_CRC32C
    if (CPU_HAS_CRC32C)
        return cpu_crc32c(crc, (const uint8_t *)data, size);
#endif
    return vx_crc32c_table(crc, data, size);
}

uint32_t vx_crc32c_without(const void *data, size_t size, size_t field)
{
    static const uint8_t zeros[4] = {0};
    const uint8_t *p = (const uint8_t *)data;
    uint32_t crc = vx_crc32c(0, p, field);
    crc = vx_crc32c(crc, zeros, sizeof zeros);
    return vx_crc32c(crc, p + field + sizeof zeros, size - field - sizeof zeros);
}
