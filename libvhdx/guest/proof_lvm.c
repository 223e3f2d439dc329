/*
 * Logical volumes through two views. See proof_lvm.h.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/proof_lvm.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/status.h"

static bool read_disk(void *context, void *buf, size_t length, uint64_t offset)
{
    return vx_volume_get(context, false, offset, buf, length);
}

vhdx_status vx_lvm_open(const struct vx_volume *disk, struct vx_lvm **lvm, vhdx_error *err)
{
    struct vx_volume copy = *disk;
    const struct vx_lvm_source source = {&copy, read_disk};
    char id[33];
    size_t size;
    uint8_t *text = vx_alloc(VX_LVM_TEXT_MAX, 1);
    *lvm = vx_alloc(1, sizeof **lvm);
    bool room = text && *lvm;
    if (!room || !vx_lvm_find(&source, id, text, &size) || !vx_lvm_decode(vx_bytes_of(text, size), id, *lvm)) {
        vx_free(*lvm);
        *lvm = NULL;
    }
    vx_free(text);
    return room ? VHDX_OK : vx_fail_memory(err, "a look at logical volumes");
}

/* Where a byte of the logical volume is, and for how many it goes on there. */
static bool find_place(const struct vx_lvm_volume *volume, uint64_t at, uint64_t *place, uint64_t *here)
{
    for (uint32_t i = 0; i < volume->count; i++) {
        const struct vx_lvm_segment *segment = &volume->segments[i];
        if (at < segment->start || at - segment->start >= segment->length)
            continue;
        *place = segment->place + (at - segment->start);
        *here = segment->length - (at - segment->start);
        return true;
    }
    return false;
}

static bool read_logical(void *context, bool below, void *buf, size_t length, uint64_t at)
{
    const struct vx_lvm_view *view = context;
    uint8_t *out = buf;
    uint64_t place, here;
    while (length > 0) {
        if (!find_place(view->volume, at, &place, &here))
            return false;
        here = vx_min(here, length);
        if (!vx_volume_get(view->disk, below, place, out, (size_t)here))
            return false;
        at += here;
        out += here;
        length -= (size_t)here;
    }
    return true;
}

static bool who_logical(void *context, uint64_t at, uint64_t limit, bool *child, uint64_t *length)
{
    const struct vx_lvm_view *view = context;
    uint64_t place, here;
    return find_place(view->volume, at, &place, &here) &&
           vx_volume_who(view->disk, place, vx_min(here, limit), child, length);
}

static bool go_on(void *context)
{
    const struct vx_lvm_view *view = context;
    return view->disk->views->go_on(view->disk->views->context);
}

void vx_lvm_view(const struct vx_volume *disk, const struct vx_lvm_volume *volume, struct vx_lvm_view *view)
{
    *view = (struct vx_lvm_view){disk, volume, {view, read_logical, who_logical, go_on}};
}
