/*
 * Which of what a survey has gathered counts. See survey.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/survey.h"

#include "image/region_look.h"

bool vx_survey_header_valid(const struct vx_survey_header *header)
{
    return header->status == VHDX_OK && !(header->rules & VX_HEADER_BAD_CHECKSUM);
}

enum vhdx_log_state vx_survey_log_state(const struct vx_survey *survey)
{
    switch (survey->log) {
    case VX_SURVEY_LOG_CLEAN:
        return VHDX_LOG_STATE_CLEAN;
    case VX_SURVEY_LOG_ACTIVE:
        return VHDX_LOG_STATE_REPLAYED;
    case VX_SURVEY_LOG_UNBEGUN:
        return VHDX_LOG_STATE_UNBEGUN;
    case VX_SURVEY_LOG_STALE:
        return VHDX_LOG_STATE_STALE;
    case VX_SURVEY_LOG_MISSING:
    case VX_SURVEY_LOG_UNUSABLE:
        break;
    }
    return VHDX_LOG_STATE_CORRUPT;
}

static bool regions_usable(const struct vx_survey_regions *regions)
{
    return regions->status == VHDX_OK && !(regions->rules & VX_REGIONS_UNUSABLE);
}

int vx_survey_choose_regions(const struct vx_survey *survey, struct vx_file *view)
{
    const struct vx_survey_regions *first = &survey->regions[0], *second = &survey->regions[1];
    if (!regions_usable(second))
        return regions_usable(first) ? 0 : -1;
    if (!regions_usable(first))
        return 1;
    if (first->table.checksum == second->table.checksum)
        return 0;
    return vx_region_table_weight(view, &first->table) >= vx_region_table_weight(view, &second->table) ? 0 : 1;
}
