/*
 * A small NTFS volume by hand. See ntfs_image.h.
 */
/* SPDX-License-Identifier: MIT */
#include "ntfs_image.h"

#include <string.h>

enum {
    STRIDE = 512,
    UPDATE_AT = 0x30,
    LOG_UPDATE_AT = 0x28,
    RESTART_UPDATE_AT = 0x1E,
    PLACE_BITS = 14,
    MIRROR = 30 * NTFS_IMAGE_CLUSTER
};

static void put(uint8_t *p, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)p[i] << 8 * i;
    return value;
}

/* ---- fixups ---- */

/* Puts the ends of the strides back. */
static void open_record(uint8_t *p, unsigned size, unsigned at)
{
    for (unsigned i = 1; i <= size / STRIDE; i++)
        memcpy(p + i * STRIDE - 2, p + at + 2 * i, 2);
}

static void seal(uint8_t *p, unsigned size, unsigned at)
{
    put(p + 4, at, 2);
    put(p + 6, size / STRIDE + 1, 2);
    put(p + at, get(p + at, 2) + 1, 2);
    for (unsigned i = 1; i <= size / STRIDE; i++) {
        memcpy(p + at + 2 * i, p + i * STRIDE - 2, 2);
        memcpy(p + i * STRIDE - 2, p + at, 2);
    }
}

/* ---- file records ---- */

uint64_t ntfs_image_record(unsigned number)
{
    return NTFS_IMAGE_MFT + (uint64_t)number * NTFS_IMAGE_RECORD;
}

static unsigned add_resident(uint8_t *p, unsigned at, unsigned type, unsigned size)
{
    put(p + at, type, 4);
    put(p + at + 4, 0x18 + (size + 7) / 8 * 8, 4);
    put(p + at + 0x10, size, 4);
    put(p + at + 0x14, 0x18, 2);
    return at + 0x18 + (size + 7) / 8 * 8;
}

static unsigned add_runs(uint8_t *p, unsigned at, unsigned type, uint64_t cluster, uint64_t count)
{
    put(p + at, type, 4);
    put(p + at + 4, 0x48, 4);
    p[at + 8] = 1;
    put(p + at + 0x18, count - 1, 8);
    put(p + at + 0x20, 0x40, 2);
    put(p + at + 0x28, count * NTFS_IMAGE_CLUSTER, 8);
    put(p + at + 0x30, count * NTFS_IMAGE_CLUSTER, 8);
    put(p + at + 0x38, count * NTFS_IMAGE_CLUSTER, 8);
    p[at + 0x40] = 0x22;
    put(p + at + 0x41, count, 2);
    put(p + at + 0x43, cluster, 2);
    return at + 0x48;
}

static void end_record(uint8_t *p, unsigned at)
{
    put(p + at, 0xFFFFFFFF, 4);
    put(p + 0x18, at + 8, 4);
    put(p + 0x1C, NTFS_IMAGE_RECORD, 4);
    seal(p, NTFS_IMAGE_RECORD, UPDATE_AT);
}

void ntfs_image_write(uint8_t *bytes, unsigned number, const struct ntfs_image_file *file)
{
    uint8_t *p = bytes + ntfs_image_record(number);
    uint64_t update = get(p + UPDATE_AT, 2);
    memset(p, 0, NTFS_IMAGE_RECORD);
    memcpy(p, "FILE", 4);
    put(p + UPDATE_AT, update, 2);
    put(p + 8, file->lsn, 8);
    put(p + 0x10, file->sequence, 2);
    put(p + 0x14, 0x38, 2);
    put(p + 0x16, file->in_use, 2);
    put(p + 0x2C, number, 4);
    unsigned at = add_resident(p, 0x38, 0x10, 0x48);
    put(p + 0x38 + 0x18, file->created, 8);
    put(p + 0x38 + 0x18 + 8, file->changed, 8);
    put(p + 0x38 + 0x18 + 16, file->changed, 8);
    if (number == 0) {
        at = add_runs(p, at, 0x80, NTFS_IMAGE_MFT / NTFS_IMAGE_CLUSTER,
                      NTFS_IMAGE_RECORDS * NTFS_IMAGE_RECORD / NTFS_IMAGE_CLUSTER);
        at = add_runs(p, at, 0xB0, NTFS_IMAGE_BITMAP / NTFS_IMAGE_CLUSTER, 1);
    } else if (number == 2) {
        at = add_runs(p, at, 0x80, NTFS_IMAGE_LOG / NTFS_IMAGE_CLUSTER, NTFS_IMAGE_LOG_PAGES);
    } else if (number == 3) {
        at = add_resident(p, at, 0x70, 0x0C);
    } else if (number >= 24) {
        unsigned name = add_resident(p, at, 0x30, 0x44);
        put(p + at + 0x18 + 0x18, file->created, 8);
        at = name;
    }
    end_record(p, at);
    ntfs_image_bit(bytes, number, file->in_use);
}

void ntfs_image_bit(uint8_t *bytes, unsigned number, bool set)
{
    uint8_t *byte = bytes + NTFS_IMAGE_BITMAP + number / 8;
    *byte = (uint8_t)((*byte & ~(1u << number % 8)) | (unsigned)set << number % 8);
}

void ntfs_image_dirty(uint8_t *bytes, bool dirty)
{
    uint8_t *p = bytes + ntfs_image_record(3);
    open_record(p, NTFS_IMAGE_RECORD, UPDATE_AT);
    p[0x38 + 0x18 + 0x48 + 0x18 + 0x0A] = dirty;
    seal(p, NTFS_IMAGE_RECORD, UPDATE_AT);
}

void ntfs_image_make(uint8_t *bytes, uint8_t id, uint64_t time)
{
    memcpy(bytes, "\xEB\x52\x90NTFS    ", 11);
    put(bytes + 0x0B, 512, 2);
    bytes[0x0D] = NTFS_IMAGE_CLUSTER / 512;
    put(bytes + 0x28, NTFS_IMAGE_SIZE / 512 - 1, 8);
    put(bytes + 0x30, NTFS_IMAGE_MFT / NTFS_IMAGE_CLUSTER, 8);
    put(bytes + 0x38, MIRROR / NTFS_IMAGE_CLUSTER, 8);
    bytes[0x40] = 0xF6; /* 1024 */
    put(bytes + 0x48, UINT64_C(0x1122334455667700) + id, 8);
    put(bytes + 510, 0xAA55, 2);
    for (unsigned i = 0; i < NTFS_IMAGE_RECORDS; i++) {
        const struct ntfs_image_file file = {(uint16_t)(i && i < 16 ? i : 1), 0, time, time, i < 16};
        ntfs_image_write(bytes, i, &file);
    }
    memset(bytes + NTFS_IMAGE_LOG, 0xFF, NTFS_IMAGE_LOG_PAGES * NTFS_IMAGE_CLUSTER);
    memcpy(bytes + MIRROR, bytes + ntfs_image_record(0), 4 * NTFS_IMAGE_RECORD);
    memcpy(bytes + NTFS_IMAGE_SIZE - 512, bytes, 512);
}

/* ---- log ---- */

static uint64_t lsn(const struct ntfs_image_log *log)
{
    return log->round << PLACE_BITS | (log->page * (uint64_t)NTFS_IMAGE_CLUSTER + log->next) >> 3;
}

struct ntfs_image_log ntfs_image_log_make(uint8_t *bytes)
{
    struct ntfs_image_log log = {.page = 4, .next = NTFS_IMAGE_DATA, .round = 5};
    ntfs_image_log_restart(bytes, &log, true);
    return log;
}

uint64_t ntfs_image_log_add(uint8_t *bytes, struct ntfs_image_log *log, uint8_t value)
{
    if (log->next + NTFS_IMAGE_STEP > NTFS_IMAGE_CLUSTER) {
        log->page = log->page + 1 < NTFS_IMAGE_LOG_PAGES ? log->page + 1 : 4;
        log->round += log->page == 4;
        log->next = NTFS_IMAGE_DATA;
    }
    uint8_t *page = bytes + NTFS_IMAGE_LOG + (uint64_t)log->page * NTFS_IMAGE_CLUSTER, *p = page + log->next;
    if (log->next == NTFS_IMAGE_DATA)
        memset(page, 0, NTFS_IMAGE_CLUSTER);
    else
        open_record(page, NTFS_IMAGE_CLUSTER, LOG_UPDATE_AT);
    log->last = lsn(log);
    memset(p, value, NTFS_IMAGE_STEP);
    put(p, log->last, 8);
    log->next += NTFS_IMAGE_STEP;
    memcpy(page, "RCRD", 4);
    put(page + 8, log->last, 8);
    put(page + 0x18, log->next, 2);
    put(page + 0x20, log->last, 8);
    seal(page, NTFS_IMAGE_CLUSTER, LOG_UPDATE_AT);
    return log->last;
}

void ntfs_image_log_restart(uint8_t *bytes, const struct ntfs_image_log *log, bool clean)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *page = bytes + NTFS_IMAGE_LOG + i * NTFS_IMAGE_CLUSTER, *area = page + 0x40;
        memset(page, 0, NTFS_IMAGE_CLUSTER);
        memcpy(page, "RSTR", 4);
        put(page + 0x10, NTFS_IMAGE_CLUSTER, 4);
        put(page + 0x14, NTFS_IMAGE_CLUSTER, 4);
        put(page + 0x18, 0x40, 2);
        put(page + 0x1A, 1, 2);
        put(page + 0x1C, 1, 2);
        put(area, log->last, 8);
        put(area + 0x0C, clean ? 0xFFFF : 0, 2);
        put(area + 0x10, 64 - PLACE_BITS, 4);
        put(area + 0x18, NTFS_IMAGE_LOG_PAGES * NTFS_IMAGE_CLUSTER, 8);
        put(area + 0x24, 0x30, 2);
        put(area + 0x26, NTFS_IMAGE_DATA, 2);
        seal(page, NTFS_IMAGE_CLUSTER, RESTART_UPDATE_AT);
    }
}

void ntfs_image_log_copy_tail(uint8_t *bytes, const struct ntfs_image_log *log, uint64_t last)
{
    uint8_t *page = bytes + NTFS_IMAGE_LOG + 2 * NTFS_IMAGE_CLUSTER;
    memset(page, 0, NTFS_IMAGE_CLUSTER);
    memcpy(page, "RCRD", 4);
    put(page + 8, (uint64_t)log->page * NTFS_IMAGE_CLUSTER, 8);
    put(page + 0x18, log->next, 2);
    put(page + 0x20, last, 8);
    seal(page, NTFS_IMAGE_CLUSTER, LOG_UPDATE_AT);
}
