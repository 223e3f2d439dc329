/*
 * File type identifier, MS-VHDX 2.2.1: the first bytes of the file. Written once at creation and never again.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_FILE_ID_H
#define VX_FORMAT_FILE_ID_H

#include "base/bytes.h"
#include "base/utf.h"
#include "format/layout.h"

struct vx_file_id {
    char creator[VX_UTF8_ROOM(VX_CREATOR_SIZE)]; /* UTF-8, up to the first NUL; diagnostics only */
};

/* TRUNCATED: fewer than VX_FILE_ID_SIZE bytes. NOT_VHDX: no signature. */
vhdx_status vx_file_id_decode(struct vx_bytes in, struct vx_file_id *out);

/* Writes VX_FILE_ID_SIZE bytes; a creator too long is cut. */
void vx_file_id_encode(const struct vx_file_id *id, uint8_t *out);

#endif
