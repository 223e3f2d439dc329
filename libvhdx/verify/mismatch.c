/*
 * What the content says of a parent that was refused. See mismatch.h. Nothing here fails: who cannot be asked says
 * nothing, and the refusal is what it was.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/mismatch.h"

#include "base/status.h"
#include "image/exam.h"
#include "io/io.h"
#include "verify/proof.h"

#include <stdio.h>
#include <string.h>

static void advise(enum vx_proof_word word, vhdx_error *err)
{
    if (word == VX_PROOF_STATE)
        vx_advise_code(err, err->status, VHDX_ADVICE_REPAIR_LINKS, NULL);
    else if (word == VX_PROOF_DISK)
        vx_advise_code(err, err->status, VHDX_ADVICE_LOSSY_LINKS, NULL);
    else if (word >= VX_PROOF_DOUBT)
        vx_advise_code(err, err->status, VHDX_ADVICE_RELINK_FORCED_MIXTURE, NULL);
}

void vx_mismatch_explain(const vhdx_host *host, const char *child, const char *parent, vhdx_error *err)
{
    const struct vx_search search = {0};
    const struct vx_proof_progress progress = {0};
    struct vx_proof proof;
    struct vx_exam *exam;
    if (!err || vx_exam_open(vx_host_or_native(host), child, VHDX_OPEN_PEEK, NULL, &exam, NULL) != VHDX_OK)
        return;
    if (vx_prove_parent(exam, parent, &search, &progress, &proof, NULL) == VHDX_OK && proof.text[0]) {
        size_t length = strlen(err->message);
        snprintf(err->message + length, sizeof err->message - length, "%s", proof.text);
        advise(proof.word, err);
    }
    vx_exam_close(exam);
}
