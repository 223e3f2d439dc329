/*
 * What is on disk, gathered without judgement: file identifier, both headers, the log's active sequence, and, through
 * the replayed log, both region tables. Damage of one structure hides no other. Refusing is open.c's duty, reporting
 * that of a verifier. Writes nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_SURVEY_H
#define VX_IMAGE_SURVEY_H

#include "format/file_id.h"
#include "format/header.h"
#include "format/region.h"
#include "image/log_scan.h"

struct vx_survey_header {
    vhdx_status status; /* of the decoding */
    uint32_t rules;     /* VX_HEADER_* broken; only when the status is OK */
    struct vx_header header;
};

struct vx_survey_regions {
    vhdx_status status;
    uint32_t rules; /* VX_REGION_* */
    struct vx_region_table table;
};

enum vx_survey_log {
    VX_SURVEY_LOG_CLEAN,   /* LogGuid is zero, or there is no header to tell */
    VX_SURVEY_LOG_ACTIVE,  /* an active sequence was found and replayed into `view` */
    VX_SURVEY_LOG_MISSING, /* LogGuid is set, but there is no valid active sequence */
    VX_SURVEY_LOG_UNBEGUN, /* the same, but it is proven that nothing was ever logged: the file is the truth */
    VX_SURVEY_LOG_STALE,   /* an active sequence that is older than the file in each of its pages: not replayed */
    /* the header's log fields make no sense, or the sequence cannot be replayed; see log_error */
    VX_SURVEY_LOG_UNUSABLE,
};

/*
 * How an active sequence is to the file. Blocks are newer when the file leads to them behind the end that the log
 * knows of (LastFileOffset), and the log has their entries empty: a replay would take them away.
 */
struct vx_survey_age {
    uint64_t newer_blocks; /* 0: the log is newer than the file, or the same */
    bool log_is_needed;    /* the log has something that the file has not: with newer blocks, both are right in part */
};

struct vx_survey {
    uint64_t file_size;
    vhdx_status file_id_status;
    struct vx_file_id file_id;
    struct vx_survey_header headers[2];
    int current; /* 0 or 1; -1 when no header is valid */
    bool tie;    /* both valid, same sequence number, different content: `current` is a guess */
    enum vx_survey_log log;
    struct vx_log_sequence sequence;
    struct vx_survey_age age; /* ACTIVE, STALE */
    vhdx_error log_error;
    struct vx_file *overlay; /* the file with its log replayed; NULL unless ACTIVE. Owned by the survey until taken. */
    struct vx_survey_regions regions[2];
};

/* A header is valid when it decodes and its checksum is right (MS-VHDX 2.2.2); its version is judged on the current one
 * only. */
bool vx_survey_header_valid(const struct vx_survey_header *header);

/* What the public interface calls the state of the log. */
enum vhdx_log_state vx_survey_log_state(const struct vx_survey *survey);

/* A copy of the region table that breaks one of these cannot be used at all. */
#define VX_REGIONS_UNUSABLE                                                                                            \
    (VX_REGION_BAD_CHECKSUM | VX_REGION_TOO_MANY | VX_REGION_DUPLICATE | VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH |  \
     VX_REGION_OVERFLOW | VX_REGION_OVERLAP | VX_REGION_NO_BAT | VX_REGION_NO_METADATA)

/*
 * The copy of the region table to use, 0 or 1: the first when it is usable, else the second; where both are but differ,
 * the one that leads to metadata in `view`. -1: neither is usable.
 */
int vx_survey_choose_regions(const struct vx_survey *survey, struct vx_file *view);

/* Only the identifier and the headers, for a quick look. `survey` is the caller's and needs no freeing after this. */
vhdx_status vx_survey_headers(struct vx_file *file, struct vx_survey *survey, vhdx_error *err);

/* Fails only when the file cannot be read or memory runs out. */
vhdx_status vx_survey_make(struct vx_file *file, struct vx_survey **survey, vhdx_error *err);
/* Takes NULL; closes the overlay if it is still there. */
void vx_survey_free(struct vx_survey *survey);

#endif
