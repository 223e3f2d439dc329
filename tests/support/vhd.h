/*
 * Disks of the format before VHDX, as bytes: a footer in front, a dynamic header, an empty block allocation table, the
 * parent's paths, a footer. Sums are right. For the search for orphans, which follows their chains.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_VHD_H
#define TESTS_SUPPORT_VHD_H

#include <stddef.h>
#include <stdint.h>

enum { VHD_BYTES = 4096, VHD_HEADER_AT = 512 };

struct vhd_disk {
    uint8_t id;           /* all 16 bytes of its own */
    uint8_t parent_id;    /* 0: no parent */
    const char *name;     /* of the parent, ASCII; NULL = none */
    const char *relative; /* "W2ru", ASCII; NULL = none */
    const char *absolute; /* "W2ku" */
};

void vhd_make(const struct vhd_disk *disk, uint8_t out[VHD_BYTES]);
/* Puts the sum of these bytes right. `field` is where it stands among them. */
void vhd_sum(uint8_t *bytes, size_t size, size_t field);

#endif
