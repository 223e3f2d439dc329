/*
 * Paths of other machines and the files of this one. A path in a configuration or a parent locator
 * ("D:\VMs\web\disk.vhdx") is compared by its end, part by part, whatever the letter case: drives, volumes and mount
 * points differ between machines, folders and names mostly do not. Text only; no question to any host.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_TAILS_H
#define VX_ESTATE_TAILS_H

#include "estate/estate.h"

/* How much of two paths is equal, counted in parts from the end. */
struct vx_tail {
    size_t parts;
    /* all of `path` behind its drive, volume or server; then a mount point may explain the rest of `place` */
    bool whole;
    bool equal; /* both paths are the same, part by part */
};

/* `windows`: in `place`, '\\' separates too. In `path` it always does, and a ".." in it matches nothing. */
struct vx_tail vx_tail_compare(const char *path, const char *place, bool windows);

/* The same of two absolute paths of hosts that are known. */
struct vx_tail vx_tail_of_hosts(const char *path, bool path_windows, const char *place, bool windows);
/* Whether two absolute paths of one host are the same, letter case aside. `windows`: in both. */
bool vx_tail_is_same(const char *path, const char *place, bool windows);

/* The last part of a path of whatever kind, inside of it. */
const char *vx_tail_name(const char *path);
/* The length of what stands before it, the separator included. */
size_t vx_tail_directory(const char *path);

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
 * then by tail, folder and name at least; a name alone will do where the path has no folder and the disk lies in a
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
