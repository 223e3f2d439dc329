/*
 * Estates made by hand: records of disks and configurations as a search would have found them, with no file behind
 * them, to be judged by the library. Identities follow from a counter. The one thing that is easy to get wrong: judging
 * sorts the records, so disks are looked up by path afterwards.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_ESTATE_H
#define TESTS_SUPPORT_ESTATE_H

#include "estate/estate.h"

struct est {
    struct vx_estate *estate;
    uint64_t next_id;
};

/* One root: "/vms". Ends the program when memory runs out, as all of this. */
void est_open(struct est *e);
void est_close(struct est *e);

/* A base; the result is its number until the estate is judged. */
size_t est_base(struct est *e, const char *path);
/* A differencing disk whose locator has the parent's identity and says `relative` (NULL: no path at all). */
size_t est_child(struct est *e, const char *path, size_t parent, const char *relative);
struct vx_disk *est_at(struct est *e, size_t number);
/* A file named like a disk that could not be read. */
size_t est_unreadable(struct est *e, const char *path);
/* A machine's (or checkpoint's) configuration that names one disk; more are added by est_names. */
size_t est_machine(struct est *e, const char *path, const char *name, bool checkpoint, const char *disk);
void est_names(struct est *e, size_t machine, const char *disk);
vhdx_machine_info *est_info(struct est *e, size_t machine);
void est_side(struct est *e, const char *path, vhdx_side_kind kind);

void est_judge(struct est *e);
/* After est_judge. NULL: no such disk. */
const struct vx_disk *est_disk(const struct est *e, const char *path);
/* "orphan"; "(none)" for no such disk. */
const char *est_status(const struct est *e, const char *path);
bool est_has_finding(const struct est *e, const char *path, const char *id);
/* Whether any step of that kind is about the disk; NULL: about any. */
bool est_has_step(const struct est *e, vhdx_step_kind kind, const char *path);

#endif
