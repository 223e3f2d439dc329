/*
 * Everything that a search knows, as plain records: gathered by scan.c (or read from reports), judged by graph.c,
 * classify.c and family.c, told by api_orphans.c. Judging asks no host, so a test may fill an estate by hand. Strings
 * and arrays belong to the estate's arena, also those that the public records show.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_ESTATE_H
#define VX_ESTATE_ESTATE_H

#include "base/arena.h"
#include "base/utf.h"
#include "config/config.h"
#include "estate/remarks.h"
#include "estate/trial.h"

/* The name of directories into which files are put aside; it is searched as any other. */
#define VX_QUARANTINE "vhdx-quarantine"

/* A finding in a list that still grows. */
struct vx_note {
    struct vx_note *next;
    enum vx_remark number;
    vhdx_remark finding;
};

struct vx_notes {
    struct vx_note *first, *last;
    size_t count;
};

struct vx_name_index; /* names.h */

struct vx_disk {
    vhdx_found_file pub;
    /* gathered */
    const char *absolute;   /* path by which other paths are compared with this one; no "." or ".." in it */
    uint64_t volume, id[2]; /* the file's identity on its host; all 0 = not known */
    unsigned source;        /* 0 = this host, else the number of the report */
    bool by_link;           /* `path` leads through a symbolic link */
    bool is_vhdx;           /* its first bytes say so */
    bool has_identity;      /* a valid header gave data_write_guid */
    bool is_sound;          /* header and metadata could be read: kind, sizes and parent are known */
    bool host_failed;       /* the file could not be read: it may be anything */
    bool locked;
    bool truncated, dirty;
    const char *trouble; /* what is wrong, when not sound: a sentence */
    /* gathered from a report: with which file of that report its bytes were compared, and what came of it */
    const char *compared_with;
    vhdx_comparison compared;
    uint64_t compared_difference;
    bool compared_as_copy;
    /* judged */
    struct vx_notes notes;
    struct vx_reference *references;
    size_t first_side;   /* of the tracking files beside it, VHDX_NONE = none; see vx_side */
    const char **advice; /* as pub.advice */
    size_t cycle_mark;
    bool in_cycle;
    size_t cycle_first;                           /* the smallest number in its loop */
    bool named_by_machine, named_by_checkpoint;   /* by a configuration, directly */
    bool needed_by_machine, needed_by_checkpoint; /* an ancestor of such a disk */
    bool named_alike;
    /* folder and name are those of a disk that a configuration names, though another file fits better */
    bool named_less;
    bool in_set;
    bool serves_others;    /* some child, of whatever kind, is no orphan */
    bool parent_second;    /* found by its second linkage only */
    bool parent_elsewhere; /* where none of its locator's paths leads, nor any map of the caller's */
    bool parent_unreached; /* no command finds the parent by itself: it needs --parent */
    bool suspect_unreadable;
    bool is_needed;         /* nothing that moves or removes it may be proposed */
    bool is_suspect;        /* is where the parent of a disk in doubt should be */
    bool is_namesake;       /* is called like the parent of such a disk, in another folder */
    const size_t *suspects; /* of this disk in doubt: pub.suspect and those that fit as well */
    size_t suspect_count;
    bool is_copy; /* another file of its identity is the one that is used */
    bool copies_judged, ring_done;
    bool stays_of_copies; /* of several equal files, the one that stays */
    int chain_state;
    size_t user;        /* 1 + number of a machine that needs it; 0 = none */
    bool several_users; /* other machines need it too */
    bool is_template;   /* a machine names it, and all that hangs on it is used by others: linked clones */
    uint32_t inherited; /* flags of the machines that need it */
    size_t denied_to;   /* 1 + number of a machine that needs it and may not open it; 0 = none */
};

struct vx_reference {
    struct vx_reference *next;
    vhdx_found_reference pub;
};

struct vx_machine {
    vhdx_found_config pub;
    struct vx_config *config; /* that `pub` shows, NULL = made by hand, or from a report */
    const char *absolute;
    unsigned source;
    bool misses_machines; /* it lists machines whose configurations were not found */
    bool is_extra;        /* only from a place for configurations: disks that are missing say little */
    struct vx_notes notes;
    size_t *files; /* as pub.files */
};

struct vx_side {
    vhdx_found_side pub;
    const char *absolute;
    unsigned source;
    struct vx_notes notes;
    size_t next_side; /* of the same disk, VHDX_NONE = none */
};

/* "D:\VMs" -> "/mnt/d/VMs" */
struct vx_path_map {
    const char *from, *to;
};

struct vx_chain_record {
    vhdx_found_chain pub;
};

/* Whether the disk at `path` opens with the parent that its own paths lead to. */
typedef bool vx_opens_fn(const vhdx_host *host, const char *path, bool *no_memory);

struct vx_estate {
    struct vx_arena arena;
    bool windows;          /* of this host's paths */
    struct vx_trier trier; /* of commands, before they are proposed */
    const vhdx_host *host; /* to be asked whether a disk opens; NULL: only the records speak */
    struct vx_disk *disks;
    size_t disk_count, disk_room;
    struct vx_machine *machines;
    size_t machine_count, machine_room;
    struct vx_side *sides;
    size_t side_count, side_room;
    vhdx_found_place *places;
    size_t place_count, place_room;
    vhdx_found_chain *chains;
    size_t chain_count, chain_room;
    vhdx_found_family *families;
    size_t family_count;
    const char **roots; /* absolute */
    size_t root_count;
    struct vx_path_map *maps;
    size_t map_count;
    vhdx_found_totals totals;
    const char *const *reports;  /* by source, from 1: reports[source - 1] */
    bool reports_without_data;   /* some report's search compared no bytes */
    struct vx_name_index *names; /* of the disks, once they are related */
    vx_opens_fn *opens;          /* NULL: no file is here */
    bool no_memory;              /* a finding or a text got lost: the search fails at its end */
};

struct vx_estate *vx_estate_new(void);
/* Takes NULL. */
void vx_estate_free(struct vx_estate *estate);

/* New records, all zero (parent, suspect, twin, family: none); NULL when memory ran out. Earlier ones may move. */
struct vx_disk *vx_estate_add_disk(struct vx_estate *estate);
struct vx_machine *vx_estate_add_machine(struct vx_estate *estate);
struct vx_side *vx_estate_add_side(struct vx_estate *estate);
/* `path` and `reason` are copied. */
bool vx_estate_add_place(struct vx_estate *estate, const char *path, bool searched, const char *reason);
bool vx_estate_put_place(struct vx_estate *estate, const vhdx_found_place *place);

/* The words of a finding; a lack of memory is remembered in the estate. */
void vx_estate_note(struct vx_estate *estate, struct vx_notes *notes, enum vx_remark number, vhdx_severity severity,
                    const char *format, ...) VX_PRINTF(5, 6);
/* Of a disk. What was put aside is told of, but is no problem any more: its findings are information. */
void vx_estate_note_disk(struct vx_estate *estate, struct vx_disk *disk, enum vx_remark number, vhdx_severity severity,
                         const char *format, ...) VX_PRINTF(5, 6);
/* Adds an advice without arguments to the note that was made last. */
void vx_estate_note_advice(struct vx_notes *notes, vhdx_advice advice);
/* As an array in the arena. */
const vhdx_remark *vx_estate_notes(struct vx_estate *estate, const struct vx_notes *notes);

/* Sorts records by path, so that what threads found in any order is told in one. Before anything is judged. */
void vx_estate_sort(struct vx_estate *estate);

/*
 * Judges everything: parents, roles, statuses, findings, families, advice. Asks no host. NOMEM is the only failure.
 */
vhdx_status vx_estate_judge(struct vx_estate *estate, vhdx_error *err);
/* The same in two steps, for a caller that compares contents in between. */
vhdx_status vx_estate_relate(struct vx_estate *estate, vhdx_error *err);
vhdx_status vx_estate_advise(struct vx_estate *estate, vhdx_error *err);

/*
 * Whether an absolute path of `source` is one of Windows, in which '\\' separates. A report may come from either kind
 * of host: its paths tell, for on no other host does a whole path begin with a drive or with two '\\'.
 */
static inline bool vx_estate_is_windows(const struct vx_estate *estate, const char *absolute, unsigned source)
{
    bool letter = vx_ascii_is_letter((uint8_t)absolute[0]);
    if (source == 0)
        return estate->windows;
    return (letter && absolute[1] == ':') || (absolute[0] == '\\' && absolute[1] == '\\');
}

/* Those that were not put aside. */
size_t vx_disk_live_children(const struct vx_estate *estate, const struct vx_disk *disk);

/*
 * Whether the disk looks like a linked clone: it is named like a disk and not like a checkpoint, or its parent is in
 * another folder. Then its parent may have other children that are not known here.
 */
bool vx_disk_is_clone(const struct vx_estate *estate, const struct vx_disk *disk);

/* For sentences: the name that the configuration gives, else the path of the configuration. */
const char *vx_machine_name(const struct vx_machine *machine);

static inline bool vx_disk_is_quarantined(const struct vx_disk *disk)
{
    return (disk->pub.flags & VHDX_DISK_FLAG_QUARANTINED) != 0;
}

/* By a machine or a checkpoint, directly or as an ancestor. */
static inline bool vx_disk_is_used(const struct vx_disk *disk)
{
    return disk->named_by_machine || disk->named_by_checkpoint || disk->needed_by_machine || disk->needed_by_checkpoint;
}

static inline bool vx_disk_is_differencing(const struct vx_disk *disk)
{
    return disk->is_sound &&
           (disk->pub.kind == VHDX_DISK_KIND_DIFFERENCING || disk->pub.kind == VHDX_DISK_KIND_VHD_DIFFERENCING);
}

/* Of the format before VHDX, which this library only recognizes: no command of it reads or writes such a disk. */
static inline bool vx_disk_is_vhd(const struct vx_disk *disk)
{
    return disk->pub.kind == VHDX_DISK_KIND_VHD || disk->pub.kind == VHDX_DISK_KIND_VHD_DIFFERENCING;
}

#endif
