/*
 * Texts that a look at a file keeps. See probe_parts.h.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/probe_parts.h"

#include <inttypes.h>
#include <stdio.h>

const char *vx_probe_keep(struct vx_probe *probe, const char *text, bool *no_memory)
{
    const char *copy = vx_arena_text(&probe->arena, text);
    *no_memory = *no_memory || (text && !copy);
    return copy;
}

const char *vx_probe_keep_error(struct vx_probe *probe, const vhdx_error *err, bool *no_memory)
{
    char text[900];
    if (err->structure && err->offset != VHDX_NOWHERE)
        snprintf(text, sizeof text, "%s (%s at offset 0x%" PRIx64 ")", err->message, err->structure, err->offset);
    else
        snprintf(text, sizeof text, "%s", err->message[0] ? err->message : "it cannot be read");
    return vx_probe_keep(probe, text, no_memory);
}
