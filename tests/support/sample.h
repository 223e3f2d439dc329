/*
 * Disks that other software wrote, from the directory that the environment variable VHDX_SAMPLES names; they lie there
 * as NAME.gz. They are no part of the project, so a test that wants one must do without when it is not there.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SAMPLE_H
#define TESTS_SUPPORT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads that part of the unpacked file. false: no samples here, or the file is shorter. */
bool sample_read(const char *name, uint64_t offset, void *out, size_t length);

#endif
