/*
 * One small disk for each finding, with exactly that fault in it: the images behind the table of findings. What else is
 * necessarily found with it (a block that is cut off leaves its bitmap unneeded, say) stands in the row. Nothing is
 * left to chance.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FAULTS_H
#define TESTS_SUPPORT_FAULTS_H

#include "builder.h"
#include "findings/findings.h"

#define FAULT_PATH "/d/disk.vhdx"
#define FAULT_BLOCK ((uint32_t)(2 * VX_MIB))
#define FAULT_SIZE (64 * VX_MIB)

/* What a row's function works with. */
struct fault_scene {
    const vhdx_host *host;
    struct bld *b;       /* of the disk at FAULT_PATH, when the function has called a maker */
    uint64_t bad_offset; /* of a range that cannot be read, when bad_length is not 0 */
    uint64_t bad_length;
    uint64_t size;    /* of the disk as its metadata say, when it is not the builder's; else 0 */
    bool chain, data; /* options of verify that it takes to see the fault */
};

struct fault {
    enum vx_find kind;
    const char *text;
    void (*make)(struct fault_scene *scene);
    enum vx_find with[4];              /* what comes with it; 0 = no more */
    uint64_t lost_offset, lost_length; /* all that must be reported as lost, when it is one range */
};

/* Whether its repair needs to be told which file is the parent. */
bool fault_wants_parent(const struct fault *fault);
size_t fault_count(void);
const struct fault *fault_at(size_t row);
/* Makes the disk and what lies around it on the host. */
void fault_make(const struct fault *fault, struct fault_scene *scene);
void fault_end(struct fault_scene *scene);

/*
 * A host that shows the files of `host`, but cannot read [offset, offset + length) of any of them. The struct must
 * outlive it.
 */
struct fault_bad_host {
    vhdx_host shown;
    const vhdx_host *host;
    uint64_t offset, length;
    unsigned refused; /* reads that failed */
};
const vhdx_host *fault_bad_host(struct fault_bad_host *bad, const vhdx_host *host, uint64_t offset, uint64_t length);

#endif
