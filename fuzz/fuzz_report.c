/*
 * Reports of other hosts: any bytes as JSON, then as records, then judged to the end. Whatever a report claims, nothing
 * that a configuration names may be proposed to be moved or to go, every number in the outcome must name a record, and
 * judging the same twice must give the same.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "orphans/report_read.h"

#include <string.h>

#define INPUT_MAX 16384u

static struct vx_estate *judged(const uint8_t *data, size_t size)
{
    struct vx_estate *estate = vx_estate_new();
    FUZZ_DEMAND(estate);
    vhdx_status status = vx_orphans_take_report(estate, data, size, "report", 1, NULL);
    estate->totals.complete_asked = estate->totals.data_compared = size % 2 == 0;
    if (status == VHDX_OK)
        status = vx_estate_judge(estate, NULL);
    if (status == VHDX_OK)
        return estate;
    vx_estate_free(estate);
    return NULL;
}

static void check_number(size_t number, size_t count)
{
    FUZZ_DEMAND(number == VHDX_NONE || number < count);
}

static void check_disk(const struct vx_estate *estate, const struct vx_disk *disk)
{
    check_number(disk->pub.parent, estate->disk_count);
    check_number(disk->pub.suspect, estate->disk_count);
    check_number(disk->pub.twin, estate->disk_count);
    FUZZ_DEMAND(disk->pub.family < estate->family_count);
    FUZZ_DEMAND(strcmp(vhdx_disk_status_name(disk->pub.status), "unknown") != 0);
    for (size_t i = 0; i < disk->pub.child_count; i++)
        FUZZ_DEMAND(disk->pub.children[i] < estate->disk_count);
}

static void check_step(const struct vx_estate *estate, const vhdx_found_family *family, const vhdx_found_step *step)
{
    check_number(step->file, estate->disk_count);
    if (step->kind != VHDX_STEP_QUARANTINE && step->kind != VHDX_STEP_DELETE)
        return;
    const struct vx_disk *disk = &estate->disks[step->file];
    FUZZ_DEMAND(disk->pub.reference_count == 0);
    FUZZ_DEMAND(!disk->needed_by_machine && !disk->needed_by_checkpoint);
    FUZZ_DEMAND(step->kind != VHDX_STEP_DELETE ||
                (family->may_delete && disk->pub.comparison == VHDX_COMPARISON_EQUAL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_estate *estate = size <= INPUT_MAX ? judged(data, size) : NULL;
    if (!estate)
        return 0;
    struct vx_estate *again = judged(data, size);
    FUZZ_DEMAND(again && again->disk_count == estate->disk_count && again->family_count == estate->family_count);
    FUZZ_DEMAND(again->totals.problem_count == estate->totals.problem_count);
    for (size_t i = 0; i < estate->disk_count; i++) {
        check_disk(estate, &estate->disks[i]);
        FUZZ_DEMAND(estate->disks[i].pub.status == again->disks[i].pub.status);
    }
    for (size_t i = 0; i < estate->family_count; i++)
        for (size_t j = 0; j < estate->families[i].step_count; j++)
            check_step(estate, &estate->families[i], &estate->families[i].steps[j]);
    vx_estate_free(again);
    vx_estate_free(estate);
    return 0;
}
