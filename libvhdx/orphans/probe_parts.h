/*
 * What the files that look at one file share (probe.c and one for each format of disks): the buffers of a thread, and a
 * disk on its way. For no one else: probe.h is the door.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_PROBE_PARTS_H
#define VX_ORPHANS_PROBE_PARTS_H

#include "base/utf.h"
#include "format/locator.h"
#include "format/metadata.h"
#include "image/survey.h"
#include "orphans/access.h"
#include "orphans/probe.h"

#define VX_GLANCE 4096u

struct vx_probe {
    const vhdx_host *host;
    struct vx_arena arena;
    struct vx_survey survey;
    struct vx_region_table regions;
    struct vx_metadata_table metadata;
    struct vx_locator locator;
    uint8_t first[VX_GLANCE], page[VX_GLANCE], items[VX_GLANCE];
    uint8_t locator_bytes[65536], descriptor[VX_DESCRIPTOR_ROOM];
    char text[VX_UTF8_ROOM(65536)];
};

/* One VHDX on its way: where its metadata is. */
struct vx_probing {
    struct vx_probe *probe;
    struct vx_file *file;
    struct vx_disk *disk;
    struct vx_region metadata, bat;
    uint64_t items_at; /* place in the file of probe->items; 0 = not read */
    uint32_t flags;    /* VX_PARAMETER_* */
};

/* The text in the probe's arena; a lack of memory is remembered in `no_memory`. Takes NULL. */
const char *vx_probe_keep(struct vx_probe *probe, const char *text, bool *no_memory);
/* What is wrong, with its place, and without the advice and the path, which are told elsewhere. */
const char *vx_probe_keep_error(struct vx_probe *probe, const vhdx_error *err, bool *no_memory);

/* probe_vhd.c. By its footer; by the copy at its beginning when the end is missing. false: this is none. */
bool vx_probe_vhd(struct vx_probing *it, size_t got_first, uint64_t size, bool *no_memory);

/* probe_vhdx.c. A file that begins as a VHDX does: the short way where it is plain, else through the strict opener. */
vhdx_status vx_probe_vhdx(struct vx_probing *it, bool *no_memory, vhdx_error *err);

#endif
