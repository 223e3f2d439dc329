/*
 * Texts put together piece by piece. See text.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"

struct vx_text vx_text_begin(char *bytes, size_t size)
{
    bytes[0] = '\0';
    return (struct vx_text){bytes, size, 0};
}

struct vx_text vx_text_go_on(char *bytes, size_t size)
{
    return (struct vx_text){bytes, size, strlen(bytes)};
}

void vx_text_add(struct vx_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->length = (size_t)vx_min(text->length + (size_t)length, text->size - 1);
}
