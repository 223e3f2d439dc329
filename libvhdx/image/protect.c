/*
 * What of an image an undo file takes first. See protect.h. The first MiB (identifier, headers, region tables) is taken
 * anyway; log and metadata region are added here, since every writable open changes them: later they would cost a flush
 * each time.
 *
 * FileWriteGuid changes with every writer, ours included, so each new one must be in the undo file
 * before it is in the header (header_update.c sees to that). In return it proves that no other program has written in
 * between.
 */
/* SPDX-License-Identifier: MIT */
#include "image/protect.h"

#include "base/alloc.h"
#include "image/survey.h"

/* Of a longer log or metadata region the rest is saved when it changes. */
#define SAVED_AT_ONCE (16 * VX_MIB)

static void fill_ranges(const struct vx_image *image, struct vx_range ranges[2])
{
    ranges[0] = (struct vx_range){.offset = image->header.log_offset,
                                  .length = vx_min(image->header.log_length, SAVED_AT_ONCE)};
    ranges[1] = (struct vx_range){.offset = image->metadata.file_offset,
                                  .length = vx_min(image->metadata.length, SAVED_AT_ONCE)};
}

vhdx_status vx_images_protect(struct vx_image *const *images, size_t count, const char *path, struct vx_undo **undo,
                              vhdx_error *err)
{
    struct vx_undo_target *targets = vx_alloc(count, sizeof *targets);
    struct vx_range *ranges = vx_alloc(count, 2 * sizeof *ranges);
    const vhdx_host *host = images[0]->host;
    vhdx_status status;
    for (size_t i = 0; targets && ranges && i < count; i++) {
        fill_ranges(images[i], &ranges[2 * i]);
        targets[i] = (struct vx_undo_target){.file = images[i]->file,
                                             .identity = vx_header_identity(&images[i]->header),
                                             .ranges = &ranges[2 * i],
                                             .range_count = 2};
    }
    if (!targets || !ranges)
        status = vx_fail_memory(err, "an undo file");
    else
        status = undo ? vx_undo_begin(host, path, targets, count, undo, err)
                      : vx_undo_check(host, path, targets, count, err);
    vx_free(ranges);
    vx_free(targets);
    return status;
}

vhdx_status vx_image_identify(struct vx_file *file, struct vx_identity *identity, bool *readable, vhdx_error *err)
{
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(file, survey, err);
    *readable = status == VHDX_OK && survey->file_id_status == VHDX_OK && survey->current >= 0;
    if (*readable)
        *identity = vx_header_identity(&survey->headers[survey->current].header);
    vx_free(survey);
    return status;
}
