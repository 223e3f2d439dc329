/*
 * The two headers, MS-VHDX 2.2.2. Rules are for the one that is in use; the other may be as old as it likes. The one
 * thing that is easy to get wrong: LogGuid alone says whether the log counts, so most rules about the log have two
 * severities.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/guid.h"
#include "image/log_needed.h"

#include <string.h>

#define LONGEST_USUAL_LOG VX_GIB

static uint64_t slot_offset(int slot)
{
    return slot == 0 ? VX_HEADER1_OFFSET : VX_HEADER2_OFFSET;
}

static const char *what_is_wrong(const struct vx_survey_header *header)
{
    return header->status == VHDX_TRUNCATED ? "the file ends before it"
           : header->status != VHDX_OK      ? "its signature is missing"
                                            : "its checksum is wrong";
}

static void check_copies(struct vx_verification *v)
{
    const struct vx_survey *survey = v->exam->survey;
    const struct vx_survey_header *headers = survey->headers;
    struct vx_finding finding;
    if (survey->current < 0) {
        finding = vx_finding_at(VX_FIND_HEADERS_LOST, "header", VX_HEADER1_OFFSET);
        bool alike = strcmp(what_is_wrong(&headers[0]), what_is_wrong(&headers[1])) == 0;
        finding.text = alike ? what_is_wrong(&headers[0]) : "signature or checksum is wrong";
        vx_verify_add(v, &finding);
        return;
    }
    int other = 1 - survey->current;
    if (vx_survey_header_valid(&headers[other]))
        return;
    finding = vx_finding_at_index(VX_FIND_HEADER_DAMAGED, "header", slot_offset(other), (uint64_t)other + 1);
    finding.text = what_is_wrong(&headers[other]);
    finding.length = VX_HEADER_SIZE;
    if (headers[other].status == VHDX_OK)
        vx_finding_set_values(&finding, headers[other].header.checksum, headers[other].header.computed_checksum);
    vx_verify_add(v, &finding);
}

static void check_sequence(struct vx_verification *v)
{
    const struct vx_survey *survey = v->exam->survey;
    const struct vx_header *first = &survey->headers[0].header, *second = &survey->headers[1].header;
    if (!vx_survey_header_valid(&survey->headers[0]) || !vx_survey_header_valid(&survey->headers[1]) ||
        first->sequence_number != second->sequence_number)
        return;
    struct vx_finding finding =
        vx_finding_at(survey->tie ? VX_FIND_HEADER_TIE : VX_FIND_HEADER_SAME_SEQUENCE, "header", VX_HEADER1_OFFSET);
    vx_finding_set_found(&finding, first->sequence_number);
    vx_verify_add(v, &finding);
}

/* Where the log must be replayed, its place can be mended only when it is found. */
static vhdx_repair_class class_of_place(const struct vx_verification *v, enum vx_find kind)
{
    struct vx_header place;
    enum vx_log_trace trace;
    vhdx_repair_class otherwise = kind != VX_FIND_HEADER_NO_LOG ? VHDX_REPAIR_NONE : VHDX_REPAIR_SALVAGE;
    if (v->exam->survey->log == VX_SURVEY_LOG_ACTIVE ||
        vx_log_search(v->exam->file, v->exam->header, &place, &trace, NULL) != VHDX_OK)
        return otherwise;
    bool never = kind == VX_FIND_HEADER_NO_LOG && trace == VX_LOG_NOWHERE;
    return trace == VX_LOG_FOUND || never ? VHDX_REPAIR_LOSSLESS : otherwise;
}

/* One rule of the header in use. */
static void add(struct vx_verification *v, enum vx_find kind, uint64_t in_header, uint64_t found, uint64_t expected)
{
    struct vx_finding finding = vx_finding_at_index(kind, "header", slot_offset(v->exam->header_slot) + in_header,
                                                    (uint64_t)v->exam->header_slot + 1);
    vx_finding_set_values(&finding, found, expected);
    if (kind >= VX_FIND_HEADER_LOG_LENGTH && kind <= VX_FIND_HEADER_NO_LOG &&
        !vx_guid_is_zero(&v->exam->header->log_guid))
        finding.repair = class_of_place(v, kind);
    vx_verify_add(v, &finding);
}

/* Offsets of fields in the header, for the place that a finding names */
enum {
    SEQUENCE = 8,
    FILE_GUID = 16,
    DATA_GUID = 32,
    LOG_GUID = 48,
    LOG_VERSION = 64,
    VERSION = 66,
    LOG_LENGTH = 68,
    LOG_OFFSET = 72,
    RESERVED = 80
};

static void check_log_place(struct vx_verification *v, uint32_t rules)
{
    const struct vx_header *header = v->exam->header;
    uint64_t size = v->exam->survey->file_size;
    if (rules & VX_HEADER_LOG_LENGTH_UNALIGNED)
        add(v, VX_FIND_HEADER_LOG_LENGTH, LOG_LENGTH, header->log_length, VX_MIB);
    if ((rules & VX_HEADER_LOG_OFFSET_UNALIGNED) && header->log_offset >= VX_HEADER_SECTION_SIZE)
        add(v, VX_FIND_HEADER_LOG_OFFSET, LOG_OFFSET, header->log_offset, VX_MIB);
    if (rules & VX_HEADER_LOG_OFFSET_LOW)
        add(v, VX_FIND_HEADER_LOG_LOW, LOG_OFFSET, header->log_offset, VX_MIB);
    if (rules & VX_HEADER_LOG_GUID_WITHOUT_LOG)
        add(v, VX_FIND_HEADER_NO_LOG, LOG_LENGTH, 0, VX_MIB);
    if (header->log_length > LONGEST_USUAL_LOG)
        add(v, VX_FIND_HEADER_LOG_LONG, LOG_LENGTH, header->log_length, LONGEST_USUAL_LOG);
    if (rules & VX_HEADER_LOG_OVERFLOW)
        add(v, VX_FIND_HEADER_LOG_BEYOND_END, LOG_OFFSET, UINT64_MAX, size);
    else if (header->log_length > 0 && header->log_offset + header->log_length > size)
        add(v, VX_FIND_HEADER_LOG_BEYOND_END, LOG_OFFSET, header->log_offset + header->log_length, size);
}

static void check_fields(struct vx_verification *v, uint32_t rules)
{
    const struct vx_header *header = v->exam->header;
    bool dirty = !vx_guid_is_zero(&header->log_guid);
    if (rules & VX_HEADER_BAD_VERSION)
        add(v, VX_FIND_HEADER_VERSION, VERSION, header->version, VX_HEADER_VERSION);
    if (rules & VX_HEADER_BAD_LOG_VERSION)
        add(v, dirty ? VX_FIND_HEADER_LOG_VERSION : VX_FIND_HEADER_IDLE_LOG_VERSION, LOG_VERSION, header->log_version,
            VX_LOG_VERSION);
    if (rules & VX_HEADER_SEQUENCE_EXHAUSTED)
        add(v, VX_FIND_HEADER_SEQUENCE, SEQUENCE, header->sequence_number, 1);
    if (rules & VX_HEADER_FILE_WRITE_GUID_ZERO)
        add(v, VX_FIND_HEADER_FILE_GUID, FILE_GUID, 0, 1);
    if (rules & VX_HEADER_DATA_WRITE_GUID_ZERO)
        add(v, VX_FIND_HEADER_DATA_GUID, DATA_GUID, 0, 1);
    if (rules & VX_HEADER_RESERVED_SET)
        add(v, VX_FIND_HEADER_RESERVED, RESERVED, 1, 0);
}

/* The header that is not in use: only where its log lies is worth a word. */
static void check_other(struct vx_verification *v)
{
    const struct vx_survey *survey = v->exam->survey;
    if (survey->current < 0 || survey->tie)
        return;
    int slot = 1 - survey->current;
    const struct vx_header *header = v->exam->header, *other = &survey->headers[slot].header;
    if (!vx_survey_header_valid(&survey->headers[slot]) ||
        (other->log_offset == header->log_offset && other->log_length == header->log_length))
        return;
    struct vx_finding finding =
        vx_finding_at_index(VX_FIND_HEADER_OTHER_LOG, "header", slot_offset(slot) + LOG_OFFSET, (uint64_t)slot + 1);
    vx_finding_set_values(&finding, other->log_offset, header->log_offset);
    vx_verify_add(v, &finding);
}

vhdx_status vx_check_headers(struct vx_verification *v, vhdx_error *err)
{
    (void)err;
    check_copies(v);
    check_sequence(v);
    if (v->exam->header && !v->exam->header_guessed) {
        uint32_t rules = v->exam->survey->headers[v->exam->header_slot].rules;
        check_fields(v, rules);
        check_log_place(v, rules);
    }
    check_other(v);
    return VHDX_OK;
}
