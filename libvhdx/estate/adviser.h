/*
 * What the files that give advice share: the steps of one family while they grow, the words of which steps are made,
 * and what keeps a family's files where they are. advice_order.h states the invariants. Texts belong to the estate's
 * arena; a lack of memory is remembered in the estate, and the text is empty then.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_ADVISER_H
#define VX_ESTATE_ADVISER_H

#include "estate/names.h"

#define VX_BLOCKERS_SHOWN 6u

struct vx_steps {
    vhdx_found_step *items;
    size_t count, room;
};

/* Sentences that speak against moving or removing; those that are too many are only counted. */
struct vx_blockers {
    const char *items[VX_BLOCKERS_SHOWN + 2];
    size_t count, left;
};

struct vx_adviser {
    struct vx_estate *estate;
    vhdx_found_family *family;
    struct vx_steps steps;
    struct vx_blockers blockers; /* of the family, those of the estate among them */
    struct vx_blockers global;   /* of the whole estate */
    bool may_move;               /* in this family */
    bool *moves;                 /* by disk: it is moved or removed by some step */
    vhdx_status status;          /* of the trials: what ends the search */
    vhdx_error *err;
    vhdx_error why; /* what the last trial that failed says */
};

/* ---- advice_words.c ---- */

const char *vx_advice_say(struct vx_adviser *a, const char *format, ...) VX_PRINTF(2, 3);
/* The next step of the family. A command that is too long is left out: half a command is worse than none. */
void vx_advice_step(struct vx_adviser *a, vhdx_step_kind kind, size_t file, const char *format, ...) VX_PRINTF(4, 5);

/* As words of a command: a name, and the path of a disk as the search told it. */
const char *vx_advice_quoted(struct vx_adviser *a, const char *name, bool windows);
const char *vx_advice_powershell(struct vx_adviser *a, const char *name);
const char *vx_advice_path(struct vx_adviser *a, size_t disk);

/* Where the disk is as the Hyper-V host sees it: as a configuration or a child names it, or near a disk that is named
 * so. Where that is not known the result is no path, and a line that has it does nothing. */
const char *vx_advice_host_path(struct vx_adviser *a, size_t number);
/* A name beside the disk that no file has, for a copy of its content. */
const char *vx_advice_new_name(struct vx_adviser *a, const struct vx_disk *disk);

/* The machine that uses the family's disks, a checkpoint only for want of one; NULL: none. */
const vhdx_found_reference *vx_advice_owner(const struct vx_adviser *a, size_t *disk);

/* "Set-VMHardDiskDrive ..." for the medium that `reference` names. */
void vx_advice_step_set_drive(struct vx_adviser *a, const vhdx_found_reference *reference, size_t disk);
/* "icacls ..." for the account of the machine; none where its id is not known. */
void vx_advice_step_grant(struct vx_adviser *a, const vhdx_machine_info *info, const char *host_name, size_t disk);

/* Of a report perhaps: no file on Windows has such a name, and 'del' would take it for several. */
bool vx_can_be_typed(const struct vx_adviser *a, const struct vx_disk *disk);

static inline const struct vx_disk *vx_advice_disk(const struct vx_adviser *a, size_t number)
{
    return &a->estate->disks[number];
}

/* Of the host on which the disk is, where the steps are to be typed. */
static inline bool vx_advice_is_windows(const struct vx_adviser *a, const struct vx_disk *disk)
{
    return vx_estate_is_windows(a->estate, disk->absolute, disk->source);
}

static inline const vhdx_machine_info *vx_advice_info(const struct vx_adviser *a, const vhdx_found_reference *reference)
{
    return a->estate->machines[reference->config].pub.info;
}

static inline bool vx_is_doubtful_copy(const struct vx_disk *disk)
{
    return disk->pub.twin != VHDX_NONE && !vx_disk_is_quarantined(disk) &&
           disk->pub.comparison != VHDX_COMPARISON_EQUAL && disk->is_copy;
}

static inline bool vx_is_equal_copy(const struct vx_disk *disk)
{
    return disk->pub.status == VHDX_DISK_STATUS_DUPLICATE && disk->pub.comparison == VHDX_COMPARISON_EQUAL;
}

/* ---- advice_trial.c ---- */

/*
 * Whether the command would work as things are now; if not, `a->why` says what is in its way. `other`: a path as the
 * trial wants it. What cannot be tried counts as working: files of another host, and estates without a trier.
 */
bool vx_would_work(struct vx_adviser *a, enum vx_trial_kind kind, size_t number, const char *other);
/* " --parent PATH" for each layer below the disk to which no locator leads: with these its chain opens, relinked or
 * not. "" mostly. */
const char *vx_advice_parents(struct vx_adviser *a, size_t number);
/* A step that only reads, if it would work. */
void vx_advice_step_look(struct vx_adviser *a, enum vx_trial_kind kind, size_t number);
/* What the disk holds, with all below it, as a new file. false: that would not work, and a note says why. */
bool vx_advice_step_copy(struct vx_adviser *a, size_t number);
/* Why something is not proposed: "FILE: what is in its way". */
const char *vx_advice_why(struct vx_adviser *a);

/* ---- advice_gate.c ---- */

/* What makes it impossible to say of any disk that it is not needed; once, before any family. A2 */
void vx_gate_gather(struct vx_adviser *a);
/* Whether files of the family may be moved, or removed, and what speaks against it. */
void vx_gate_judge(struct vx_adviser *a);

/* ---- advice_trouble.c, advice_leftovers.c, advice_runs.c: the steps ---- */

/* What to do about what is wrong with one disk. */
void vx_advise_disk(struct vx_adviser *a, size_t number);
/* What to copy, to move aside and to remove, leaves first. */
void vx_advise_leftovers(struct vx_adviser *a);
/* Merges of layers that serve nothing but the layer above them. */
void vx_advise_runs(struct vx_adviser *a);

#endif
