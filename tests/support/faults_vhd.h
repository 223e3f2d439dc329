/*
 * One small VHD for each finding about VHDs, with exactly that fault in it. They are built by the library, which the
 * tests of building compare with other programs, and damaged here byte by byte.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FAULTS_VHD_H
#define TESTS_SUPPORT_FAULTS_VHD_H

#include "findings/findings.h"

#define FAULT_VHD_PATH "/d/disk.vhd"

struct fault_vhd {
    enum vx_find kind;
    const char *text;
    /* `bytes`: a dynamic disk of four blocks of 512 KiB, all present, with room for 512 bytes more; returns the size
     * to be kept */
    size_t (*damage)(uint8_t *bytes, size_t size);
    bool fixed;
    uint64_t lost_offset, lost_length; /* all that must be reported as lost or doubtful */
};

size_t fault_vhd_count(void);
const struct fault_vhd *fault_vhd_at(size_t row);
/* Puts the disk on the host; NULL: without any fault. */
void fault_vhd_make(const struct fault_vhd *fault, const vhdx_host *host);

#endif
