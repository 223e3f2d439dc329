/*
 * The way from a child to the file of its parent: whether one of the child's own paths leads there, so that it opens
 * with it, here and at its host. A path that only ends alike is no such way.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_WAY_H
#define VX_ESTATE_WAY_H

#include "estate/estate.h"

/*
 * Both of one host. `relative`: where the child's relative path leads (vx_tail_follow), may be NULL. Decided by the
 * records alone; where these say no, and the estate has a host, that is asked: a link, or the name of a volume, may
 * lead there all the same.
 */
bool vx_way_leads(struct vx_estate *estate, const struct vx_disk *child, const char *relative,
                  const struct vx_disk *parent);
/* Whether the parent is beside the child under the name that one of its paths ends with. Only this library looks for it
 * there: no command needs --parent then, and yet the parent has moved. */
bool vx_way_is_beside(const struct vx_estate *estate, const struct vx_disk *child, const struct vx_disk *parent);

/* The whole path of one of the file's names: 0 is the one that it is told by. */
static inline const char *vx_disk_name_at(const struct vx_disk *disk, size_t number)
{
    return number ? disk->pub.other_names[number - 1] : disk->absolute;
}

#endif
