/*
 * Whether a file is a VHDX at all. Identifier, a header or a region table say so; when all of the first MiB is gone,
 * other evidence must, because a repair that follows makes a VHDX of whatever it is given. docs/findings.md,
 * VHDX-FILE-BEGINNING-LOST, is the rule for people.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_RECOGNIZE_H
#define VX_VERIFY_RECOGNIZE_H

#include "image/exam.h"

#define VX_EVIDENCE_ROOM 232u

/*
 * NOT_VHDX: it is none, or nothing proves that it is one. `evidence`: "" when identifier, header or region table say
 * it; else what does, as half a sentence.
 */
vhdx_status vx_recognize(const struct vx_exam *exam, char evidence[VX_EVIDENCE_ROOM], vhdx_error *err);

#endif
