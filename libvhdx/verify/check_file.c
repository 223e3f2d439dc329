/*
 * The file as a whole, its identifier, and what the headers' section keeps free, MS-VHDX 2.2, 2.2.1. Where the last
 * structure ends, and what lies behind it, is check_space.c.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "verify/recognize.h"

#define USUAL_SMALLEST (4 * VX_MIB)
#define RESERVED_OFFSET UINT64_C(0x50000)
#define SLOT_SIZE UINT64_C(0x10000)

static void check_size(struct vx_verification *v)
{
    uint64_t size = v->exam->survey->file_size;
    struct vx_finding finding;
    if (size < VX_HEADER_SECTION_SIZE) {
        finding = vx_finding_at(VX_FIND_FILE_SHORT, "file", VHDX_NOWHERE);
        vx_finding_set_values(&finding, size, VX_HEADER_SECTION_SIZE);
        vx_verify_add(v, &finding);
    } else if (size < USUAL_SMALLEST) {
        finding = vx_finding_at(VX_FIND_FILE_SMALL, "file", VHDX_NOWHERE);
        vx_finding_set_values(&finding, size, USUAL_SMALLEST);
        vx_verify_add(v, &finding);
    }
    if (size >= VX_HEADER_SECTION_SIZE && size % VX_OBJECT_ALIGNMENT != 0) {
        finding = vx_finding_at(VX_FIND_FILE_UNALIGNED, "file", VHDX_NOWHERE);
        vx_finding_set_found(&finding, size);
        vx_verify_add(v, &finding);
    }
}

/* Unpaired surrogates, MS-VHDX 2.2.1: "UTF-16 string". */
static bool is_text(const uint8_t *units, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        uint16_t unit = vx_get16(units + i);
        if (unit == 0)
            return true;
        if (unit >= 0xD800 && unit < 0xDC00) {
            if (i + 3 >= size || (vx_get16(units + i + 2) & 0xFC00) != 0xDC00)
                return false;
            i += 2;
        } else if (unit >= 0xDC00 && unit < 0xE000) {
            return false;
        }
    }
    return true;
}

static vhdx_status check_identifier(struct vx_verification *v, vhdx_error *err)
{
    uint8_t bytes[VX_FILE_ID_SIZE];
    size_t got;
    if (v->exam->survey->file_id_status == VHDX_NOT_VHDX) {
        struct vx_finding finding = vx_finding_at(VX_FIND_FILE_SIGNATURE, "file identifier", VX_FILE_ID_OFFSET);
        if (!vx_exam_is_plain(v->exam)) /* nothing beside it says so: part of what check_beginning() reports */
            finding.repair = VHDX_REPAIR_SALVAGE;
        vx_verify_add(v, &finding);
    }
    VX_TRY(vx_file_read_some(v->exam->file, bytes, sizeof bytes, VX_FILE_ID_OFFSET, &got, err));
    if (!is_text(bytes + 8, VX_CREATOR_SIZE)) {
        struct vx_finding finding = vx_finding_at(VX_FIND_FILE_CREATOR, "file identifier", 8);
        vx_verify_add(v, &finding);
    }
    return VHDX_OK;
}

/* Reports the first byte of the gap that is not zero: one finding for each gap says enough. */
static vhdx_status check_gap(struct vx_verification *v, uint8_t *buffer, uint64_t offset, uint64_t end, vhdx_error *err)
{
    size_t got;
    VX_TRY(vx_file_read_some(v->exam->file, buffer, (size_t)(end - offset), offset, &got, err));
    size_t zeros = vx_zero_run(buffer, got);
    if (zeros < got) {
        struct vx_finding finding = vx_finding_at(VX_FIND_FILE_RESERVED, "header section", offset + zeros);
        finding.length = end - offset - zeros;
        vx_verify_add(v, &finding);
    }
    return VHDX_OK;
}

static vhdx_status check_gaps(struct vx_verification *v, vhdx_error *err)
{
    uint8_t *buffer = vx_alloc((size_t)(VX_HEADER_SECTION_SIZE - RESERVED_OFFSET), 1);
    if (!buffer)
        return vx_fail_memory(err, "the check of the header section");
    vhdx_status status = check_gap(v, buffer, VX_FILE_ID_SIZE, SLOT_SIZE, err);
    if (status == VHDX_OK)
        status = check_gap(v, buffer, VX_HEADER1_OFFSET + VX_HEADER_SIZE, VX_HEADER1_OFFSET + SLOT_SIZE, err);
    if (status == VHDX_OK)
        status = check_gap(v, buffer, VX_HEADER2_OFFSET + VX_HEADER_SIZE, VX_HEADER2_OFFSET + SLOT_SIZE, err);
    if (status == VHDX_OK)
        status = check_gap(v, buffer, RESERVED_OFFSET, VX_HEADER_SECTION_SIZE, err);
    vx_free(buffer);
    return status;
}

static vhdx_status check_beginning(struct vx_verification *v, vhdx_error *err)
{
    char evidence[VX_EVIDENCE_ROOM];
    VX_TRY(vx_recognize(v->exam, evidence, err));
    if (evidence[0] == '\0')
        return VHDX_OK;
    struct vx_finding finding = vx_finding_at(VX_FIND_FILE_BEGINNING_LOST, "header section", 0);
    finding.length = VX_HEADER_SECTION_SIZE;
    finding.text = evidence;
    vx_verify_add(v, &finding);
    return VHDX_OK;
}

vhdx_status vx_check_file(struct vx_verification *v, vhdx_error *err)
{
    VX_TRY(check_beginning(v, err));
    check_size(v);
    VX_TRY(check_identifier(v, err));
    return check_gaps(v, err);
}
