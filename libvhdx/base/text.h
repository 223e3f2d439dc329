/*
 * A text that is put together piece by piece in memory of fixed size: what does not fit is cut off.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_TEXT_H
#define VX_BASE_TEXT_H

#include <stddef.h>

#include "base/status.h"

struct vx_text {
    char *bytes;
    size_t size, length; /* with and without the NUL that is always there */
};

/* Begins with no text. `size` is 1 at least. */
struct vx_text vx_text_begin(char *bytes, size_t size);
/* Goes on with the text that `bytes` hold. */
struct vx_text vx_text_go_on(char *bytes, size_t size);
void vx_text_add(struct vx_text *text, const char *format, ...) VX_PRINTF(2, 3);

#endif
