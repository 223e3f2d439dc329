/*
 * The images behind the table of findings: one table of what the files faults_*.c have, each for one structure. See
 * faults.h.
 */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

static const struct fault_rows *const parts[] = {&faults_of_headers, &faults_of_regions, &faults_of_metadata,
                                                 &faults_of_locator, &faults_of_log,     &faults_of_bat,
                                                 &faults_of_bitmaps};

bool fault_wants_parent(const struct fault *fault)
{
    return fault->kind == VX_FIND_LOCATOR_SHORT || fault->kind == VX_FIND_LOCATOR_COUNT ||
           fault->kind == VX_FIND_LOCATOR_NO_LINKAGE || fault->kind == VX_FIND_LOCATOR_LINKAGE;
}

size_t fault_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        count += parts[i]->count;
    return count;
}

const struct fault *fault_at(size_t row)
{
    size_t part = 0;
    for (; row >= parts[part]->count; part++)
        row -= parts[part]->count;
    return &parts[part]->rows[row];
}

void fault_make(const struct fault *fault, struct fault_scene *scene)
{
    fault->make(scene);
}

void fault_end(struct fault_scene *scene)
{
    bld_free(scene->b);
    scene->b = NULL;
}
