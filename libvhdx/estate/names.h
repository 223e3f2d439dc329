/*
 * The disks of an estate by the names of their files, and what a path in a configuration or a parent locator may mean
 * among them. How paths are compared is base/tail.h's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_NAMES_H
#define VX_ESTATE_NAMES_H

#include "base/tail.h"
#include "estate/estate.h"

/*
 * Where a relative path of a locator leads from the directory of `from` (an absolute path of `source`): without "." and
 * "..". NULL: above the root, or no memory. In the arena.
 */
char *vx_tail_follow(struct vx_estate *estate, const char *from, unsigned source, const char *relative);

/* All disks by the names of their files. */
struct vx_name_index;
struct vx_name_index *vx_names_new(const struct vx_estate *estate);
void vx_names_free(struct vx_name_index *index);

struct vx_hit_list {
    size_t *disks;
    size_t count, room;
};

/* The disks that a path may mean. For vx_hits_free(). */
struct vx_hits {
    struct vx_hit_list found; /* all those with the longest equal tail */
    size_t parts;             /* of the tail that they share with the path */
    bool mapped;              /* found through a map of the caller's, so there is no doubt */
    struct vx_hit_list alike; /* all those that have no more than the name in common, when there is no better one */
};

void vx_hits_free(struct vx_hits *hits);

/*
 * Looks for the path among the disks of `source`, or of all sources (`any_source`): through the estate's maps first,
 * then by tail, folder and name at least; a name alone will do where the path has no folder and the disk is in a
 * root. What is not found so is looked for as Windows reads it (dots and spaces at the ends of names, streams, ".."),
 * and a short name ("WEB_1~1.AVH") is like every name that it may stand for. false: no memory.
 */
bool vx_names_find(const struct vx_estate *estate, const struct vx_name_index *index, const char *path, unsigned source,
                   bool any_source, struct vx_hits *hits);
/*
 * Marks (`named_less`) the disks whose folder and name are those of `path`, of whatever volume: the one that has most
 * in common with the path is likely to be meant, but another volume may be searched below its root. Those that are used
 * are marked as well.
 */
void vx_names_mark_namesakes(struct vx_estate *estate, const char *path, unsigned source);
/* The disk of that absolute path, before those whose path differs in letter case only; or VHDX_NONE. */
size_t vx_names_at(const struct vx_estate *estate, const struct vx_name_index *index, const char *absolute,
                   unsigned source);
/* All of these, in `hits->found`. false: no memory. */
bool vx_names_all_at(const struct vx_estate *estate, const struct vx_name_index *index, const char *absolute,
                     unsigned source, struct vx_hits *hits);

#endif
