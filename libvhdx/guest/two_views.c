/*
 * A volume seen through two views. See two_views.h.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/two_views.h"

#include "base/bytes.h"
#include "base/checked.h"

static bool is_inside(const struct vx_volume *volume, uint64_t at, uint64_t length, uint64_t *place)
{
    return at <= volume->length && length <= volume->length - at && vx_add(volume->offset, at, place);
}

bool vx_volume_get(const struct vx_volume *volume, bool below, uint64_t at, void *buf, size_t length)
{
    const struct vx_two_views *views = volume->views;
    uint64_t place;
    return is_inside(volume, at, length, &place) && views->read(views->context, below, buf, length, place);
}

bool vx_volume_who(const struct vx_volume *volume, uint64_t at, uint64_t limit, bool *child, uint64_t *length)
{
    const struct vx_two_views *views = volume->views;
    uint64_t place;
    return is_inside(volume, at, limit, &place) && views->who(views->context, place, limit, child, length);
}

bool vx_volume_held(const struct vx_volume *volume, uint64_t at, const uint8_t *bytes, size_t length,
                    struct vx_held *held)
{
    for (size_t done = 0; done < length;) {
        bool child;
        uint64_t here;
        if (!vx_volume_who(volume, at + done, length - done, &child, &here))
            return false;
        bool means = !vx_is_zero(bytes + done, (size_t)here);
        if (child) {
            held->child = true;
            held->child_means = held->child_means || means;
        } else {
            held->below = true;
            held->below_means = held->below_means || means;
        }
        done += (size_t)here;
    }
    return true;
}
