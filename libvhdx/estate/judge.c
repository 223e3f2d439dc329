/*
 * The order in which an estate is judged: relations, statuses, families, advice. Declared in estate.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "estate/advice_order.h"
#include "estate/classify.h"
#include "estate/family.h"
#include "estate/graph.h"
#include "estate/names.h"

vhdx_status vx_estate_relate(struct vx_estate *estate, vhdx_error *err)
{
    vx_estate_sort(estate);
    VX_TRY(vx_graph_unify(estate, err));
    estate->names = vx_names_new(estate);
    if (!estate->names)
        return vx_fail_memory(err, "the names of the disks");
    VX_TRY(vx_graph_build(estate, err));
    return vx_estate_classify(estate, err);
}

static bool settle_disks(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++) {
        vhdx_found_file *pub = &estate->disks[i].pub;
        pub->remarks = vx_estate_notes(estate, &estate->disks[i].notes);
        pub->remark_count = estate->disks[i].notes.count;
        pub->absolute = estate->disks[i].absolute;
        pub->is_vhdx = estate->disks[i].is_vhdx;
        pub->has_identity = estate->disks[i].has_identity;
        pub->readable = estate->disks[i].is_sound;
        pub->trouble = estate->disks[i].trouble;
        pub->source = estate->disks[i].source;
        estate->totals.bytes += pub->allocated;
    }
    return !estate->no_memory;
}

static size_t count_errors(const struct vx_notes *notes)
{
    size_t count = 0;
    for (const struct vx_note *note = notes->first; note; note = note->next)
        count += note->finding.severity == VHDX_SEVERITY_ERROR;
    return count;
}

static void settle_rest(struct vx_estate *estate)
{
    vhdx_found_totals *totals = &estate->totals;
    for (size_t i = 0; i < estate->machine_count; i++) {
        struct vx_machine *machine = &estate->machines[i];
        machine->pub.remarks = vx_estate_notes(estate, &machine->notes);
        machine->pub.remark_count = machine->notes.count;
        machine->pub.source = machine->source;
        machine->pub.extra = machine->is_extra;
        machine->pub.absolute = machine->absolute;
        totals->problem_count += count_errors(&machine->notes);
    }
    for (size_t i = 0; i < estate->side_count; i++) {
        struct vx_side *side = &estate->sides[i];
        side->pub.remarks = vx_estate_notes(estate, &side->notes);
        side->pub.remark_count = side->notes.count;
        side->pub.source = side->source;
        side->pub.absolute = side->absolute;
    }
    for (size_t i = 0; i < estate->family_count; i++) {
        totals->problem_count += estate->families[i].problem_count;
        totals->reclaimable += estate->families[i].reclaimable;
    }
    totals->file_count = estate->disk_count;
    totals->config_count = estate->machine_count;
    totals->side_count = estate->side_count;
    totals->chain_count = estate->chain_count;
    totals->family_count = estate->family_count;
    totals->place_count = estate->place_count;
}

vhdx_status vx_estate_advise(struct vx_estate *estate, vhdx_error *err)
{
    vx_classify_compared(estate);
    VX_TRY(vx_families_make(estate, err));
    VX_TRY(vx_advise_families(estate, err));
    if (settle_disks(estate))
        settle_rest(estate);
    return estate->no_memory ? vx_fail_memory(err, "the findings") : VHDX_OK;
}

vhdx_status vx_estate_judge(struct vx_estate *estate, vhdx_error *err)
{
    VX_TRY(vx_estate_relate(estate, err));
    return vx_estate_advise(estate, err);
}
