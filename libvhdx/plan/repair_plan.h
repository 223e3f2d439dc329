/*
 * A repair on paper: a sketch of the disk (an overlay, the file itself is only read) on which everything is mended, and
 * the list of what was written there, each with the finding it answers, what it gives back and what it gives up. What
 * has to be mended is the menders' knowledge (mend_*.c), how it gets to the disk repair_apply.c's.
 *
 * Easy to get wrong: headers are not bytes to be written here. A plan names the values that the header shall have; the
 * sketch shows them in both copies, and repair_apply.c gets there by alternating updates.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_PLAN_REPAIR_PLAN_H
#define VX_PLAN_REPAIR_PLAN_H

#include "image/survey.h"
#include "io/patient.h"

/* Why something is written. Strings are static storage. */
struct vx_reason {
    unsigned finding;  /* its number */
    bool salvage;      /* gives something up */
    const char *gives; /* what it gives back */
    const char *costs; /* what it gives up; NULL = nothing */
};

/* What a write gives up that children have to be linked anew for; recognized by the pointer. */
extern const char vx_costs_ids[], vx_costs_link[];

struct vx_plan_write {
    uint64_t offset, length; /* length 0: the file's size becomes `offset` */
    struct vx_reason reason;
};

/* What became of content, and why. Static storage. */
struct vx_loss {
    const char *reason;
    bool doubtful;  /* something stands there, but nobody can say that it is right */
    bool by_medium; /* whether anything is repaired or not */
};

/* A range of the virtual disk that is lost or doubtful. */
struct vx_lost {
    uint64_t virtual_offset, length;
    const struct vx_loss *loss;
};

#define VX_PLAN_FINDINGS 1000u /* findings have numbers below */

enum vx_plan_log {
    VX_PLAN_LOG_AS_IS,  /* stays what it is: clean, or beyond what this repair may do */
    VX_PLAN_LOG_REPLAY, /* its active sequence is applied */
    VX_PLAN_LOG_DROP,   /* is emptied without being applied */
};

struct vx_plan {
    const vhdx_host *host;
    struct vx_file *file;     /* belongs to the caller */
    struct vx_patient bad;    /* places of it that are not to be believed */
    struct vx_file *readable; /* the file with zeros there */
    struct vx_file *sketch;   /* the disk as it will be */
    uint64_t old_size, new_size;
    struct vx_header header; /* that the disk will have; sequence numbers are repair_apply.c's */
    int header_slot;         /* of the copy that it is made from; -1 = of none */
    bool header_changes;     /* even if nothing else does */
    bool has_header;         /* false: there is none, and none was made up */
    enum vx_plan_log log;
    struct vx_header log_header; /* REPLAY: names the log as it lies there */
    struct vx_log_sequence sequence;
    struct vx_plan_write *writes;
    size_t count, room;
    uint64_t changes; /* grows with everything that is put into the plan */
    struct vx_lost *lost;
    size_t lost_count, lost_room;
    uint8_t forbidden[VX_PLAN_FINDINGS / 8]; /* a bit for each finding that nothing may be written for */
    const struct vx_loss *doubt; /* of all that is not lost: what was given up could have changed it; NULL = none */
};

/*
 * `file` must outlive the plan, and be writable when the plan is to be applied. `bad` (sorted, not overlapping; may be
 * NULL): its bytes are no bytes of the disk.
 */
vhdx_status vx_plan_open(const vhdx_host *host, struct vx_file *file, const struct vx_ranges *bad,
                         struct vx_plan **plan, vhdx_error *err);
/* Those bad places that nothing was written to; for vx_ranges_clear(). */
vhdx_status vx_plan_still_bad(const struct vx_plan *plan, struct vx_ranges *bad, vhdx_error *err);
void vx_plan_close(struct vx_plan *plan);
/* Whether anything is to be done. */
bool vx_plan_changes(const struct vx_plan *plan);

/* Bytes that stand there already are no write. Nothing may be written into a header's 4 KiB. */
vhdx_status vx_plan_put(struct vx_plan *plan, const void *bytes, size_t length, uint64_t offset,
                        const struct vx_reason *reason, vhdx_error *err);
/* Zeros up to `size`; cuts there. */
vhdx_status vx_plan_resize(struct vx_plan *plan, uint64_t size, const struct vx_reason *reason, vhdx_error *err);
/* The header becomes `values`, in both copies. `slot`: the copy they come from, -1 for values that come from none. */
vhdx_status vx_plan_put_header(struct vx_plan *plan, const struct vx_header *values, int slot,
                               const struct vx_reason *reason, vhdx_error *err);
/* `sequence` of the log that `current` names is applied, and the log emptied. */
vhdx_status vx_plan_replay(struct vx_plan *plan, const struct vx_header *current, int slot,
                           const struct vx_log_sequence *sequence, const struct vx_reason *reason, vhdx_error *err);
/* The log is emptied as it is. */
vhdx_status vx_plan_drop_log(struct vx_plan *plan, const struct vx_header *current, int slot,
                             const struct vx_reason *reason, vhdx_error *err);
vhdx_status vx_plan_lose(struct vx_plan *plan, uint64_t virtual_offset, uint64_t length, const struct vx_loss *loss,
                         vhdx_error *err);
/* Adds what `doubt` says for all the rest of the virtual disk. The lost ranges must be settled. */
vhdx_status vx_plan_doubt_rest(struct vx_plan *plan, uint64_t virtual_size, vhdx_error *err);
/* Sorts the lost ranges and joins those that touch and have one reason. */
void vx_plan_settle(struct vx_plan *plan);

#endif
