/*
 * A small NTFS volume by hand, as far as numbers and times bind its structures to each other: boot sector, file
 * records, their bitmap, and the log. No file has content. Shares nothing with the codec that is tested.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_NTFS_IMAGE_H
#define TESTS_SUPPORT_NTFS_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    NTFS_IMAGE_SIZE = 512 << 10,
    NTFS_IMAGE_CLUSTER = 4096,
    NTFS_IMAGE_RECORD = 1024,
    NTFS_IMAGE_RECORDS = 64,
    NTFS_IMAGE_MFT = 4 * NTFS_IMAGE_CLUSTER,
    NTFS_IMAGE_BITMAP = 24 * NTFS_IMAGE_CLUSTER,
    NTFS_IMAGE_LOG = 32 * NTFS_IMAGE_CLUSTER,
    NTFS_IMAGE_LOG_PAGES = 32,
    NTFS_IMAGE_DATA = 0x40, /* of a record in its page of the log */
    NTFS_IMAGE_STEP = 0x58, /* bytes of a record of the log */
};

/* A time of a file record, from seconds. */
#define NTFS_IMAGE_TIME(seconds) ((uint64_t)(seconds)*10000000u + UINT64_C(132000000000000000))

/* A new volume, made at that time, without a log (as Linux makes it); another `id`, another serial number. */
void ntfs_image_make(uint8_t *bytes, uint8_t id, uint64_t time);
uint64_t ntfs_image_record(unsigned number);

struct ntfs_image_file {
    uint16_t sequence;
    uint64_t lsn, created, changed;
    bool in_use;
};

/* Writes the record of a file, and its bit; each time one more in its update sequence. */
void ntfs_image_write(uint8_t *bytes, unsigned number, const struct ntfs_image_file *file);
/* Only the bit. */
void ntfs_image_bit(uint8_t *bytes, unsigned number, bool set);
/* Sets the mark that a check is due. */
void ntfs_image_dirty(uint8_t *bytes, bool dirty);

/* Where the log goes on. */
struct ntfs_image_log {
    unsigned page, next;
    uint64_t round, last;
};

/* An empty log; pages 2 and 3 are left as they are. */
struct ntfs_image_log ntfs_image_log_make(uint8_t *bytes);
/* One record with that byte in it; its number. */
uint64_t ntfs_image_log_add(uint8_t *bytes, struct ntfs_image_log *log, uint8_t value);
/* The restart pages, as they are written when the volume is unmounted, or on the way. */
void ntfs_image_log_restart(uint8_t *bytes, const struct ntfs_image_log *log, bool clean);
/* The last page, copied to page 2 of the log, as it stood there before it was written at home. */
void ntfs_image_log_copy_tail(uint8_t *bytes, const struct ntfs_image_log *log, uint64_t last);

#endif
