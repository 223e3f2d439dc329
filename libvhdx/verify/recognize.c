/*
 * The evidence that a file without beginning is a VHDX. See recognize.h. Proof is a structure of the format that cannot
 * be anything else (image/traces.h). Without any, a fixed disk shows itself by its content alone; a copy of a disk with
 * something in front looks the same, so then the file's name must say VHDX as well, and its first MiB must be empty, as
 * what is lost is, not written by somebody.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/recognize.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "image/traces.h"
#include "base/path.h"
#include "guest/anchors.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_END (64 * VX_MIB)
#define GPT_LOOK (2 * 4096u)

static vhdx_status refuse(const struct vx_exam *exam, const char *foreign, vhdx_error *err)
{
    vx_fail(err, VHDX_NOT_VHDX, vx_at(vx_file_path(exam->raw), "file identifier", VX_FILE_ID_OFFSET),
            "this is no VHDX file: %s%s",
            foreign ? "it is "
                    : "it has neither the signature nor any header or region table of one, nor anything "
                      "else that proves it to be one",
            foreign ? foreign : "");
    return vx_advise_code(err, VHDX_NOT_VHDX, VHDX_ADVICE_SALVAGE_RUIN, NULL);
}

static void describe(const struct vx_traces *traces, char *text)
{
    char metadata[64] = "", log[64] = "", bat[80] = "";
    if (traces->metadata_offset)
        snprintf(metadata, sizeof metadata, "a metadata table at 0x%" PRIx64, traces->metadata_offset);
    if (traces->log_offset)
        snprintf(log, sizeof log, "%sa whole log entry at 0x%" PRIx64, metadata[0] ? ", " : "", traces->log_offset);
    if (traces->bat_offset)
        snprintf(bat, sizeof bat, "%sa BAT with %" PRIu64 " blocks at 0x%" PRIx64, metadata[0] || log[0] ? ", " : "",
                 traces->bat_blocks, traces->bat_offset);
    snprintf(text, VX_EVIDENCE_ROOM, "%s%s%s", metadata, log, bat);
}

/* ---- content alone ---- */

static bool is_named_so(const struct vx_exam *exam)
{
    const char *path = vx_file_path(exam->raw);
    return vx_path_has_extension(path, ".vhdx", exam->host->windows_paths) ||
           vx_path_has_extension(path, ".avhdx", exam->host->windows_paths);
}

static vhdx_status begins_with_zeros(const struct vx_exam *exam, bool *zeros, vhdx_error *err)
{
    size_t got = 0;
    uint8_t *bytes = vx_alloc((size_t)VX_MIB, 1);
    if (!bytes)
        return vx_fail_memory(err, "the beginning of the file");
    vhdx_status status = vx_file_read_some(exam->file, bytes, (size_t)VX_MIB, 0, &got, err);
    *zeros = status == VHDX_OK && got == VX_MIB && vx_is_zero(bytes, got);
    vx_free(bytes);
    return status;
}

/* A GPT in the second sector at `offset`, and its copy as far behind as it says. */
static vhdx_status is_whole_disk(const struct vx_exam *exam, uint64_t offset, uint32_t sector, bool *whole,
                                 vhdx_error *err)
{
    uint8_t bytes[GPT_LOOK];
    uint64_t own, other, back_own, back_other, place;
    size_t got;
    *whole = false;
    VX_TRY(vx_file_read_some(exam->file, bytes, sizeof bytes, offset, &got, err));
    if (!vx_anchor_gpt(vx_bytes_of(bytes, got), sector, sector, &own, &other) || own != 1 ||
        !vx_mul(other, sector, &place) || !vx_add(place, offset, &place) || place >= INT64_MAX)
        return VHDX_OK;
    VX_TRY(vx_file_read_some(exam->file, bytes, sector, place, &got, err));
    *whole = vx_anchor_gpt(vx_bytes_of(bytes, got), 0, sector, &back_own, &back_other) && back_own == other &&
             back_other == own;
    return VHDX_OK;
}

static vhdx_status find_content(const struct vx_exam *exam, uint64_t *offset, vhdx_error *err)
{
    bool found = false;
    *offset = 0;
    VX_TRY(begins_with_zeros(exam, &found, err));
    if (!found || !is_named_so(exam))
        return VHDX_OK;
    found = false;
    for (uint64_t at = VX_MIB; !found && at < vx_min(exam->survey->file_size, LOOK_END); at += VX_MIB) {
        VX_TRY(is_whole_disk(exam, at, 512, &found, err));
        if (!found)
            VX_TRY(is_whole_disk(exam, at, 4096, &found, err));
        *offset = found ? at : 0;
    }
    return VHDX_OK;
}

vhdx_status vx_recognize(const struct vx_exam *exam, char evidence[VX_EVIDENCE_ROOM], vhdx_error *err)
{
    struct vx_traces traces;
    uint64_t content;
    evidence[0] = '\0';
    if (vx_exam_is_plain(exam))
        return VHDX_OK;
    VX_TRY(vx_traces_look(exam->file, &traces, err));
    describe(&traces, evidence);
    if (traces.foreign)
        return refuse(exam, traces.foreign, err);
    if (evidence[0])
        return VHDX_OK;
    VX_TRY(find_content(exam, &content, err));
    if (content == 0)
        return refuse(exam, NULL, err);
    snprintf(evidence, VX_EVIDENCE_ROOM,
             "its name, an empty first MiB, and a disk in one piece at 0x%" PRIx64 ", with both copies of its GPT",
             content);
    return VHDX_OK;
}
