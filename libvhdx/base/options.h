/*
 * How options of callers are taken, whichever version of vhdx.h they were compiled with. Each such struct begins with
 * its size. What each option means is for the function that has them.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_OPTIONS_H
#define VX_BASE_OPTIONS_H

#include "base/status.h"

/*
 * Copies the options at `from` (NULL = defaults) into `to` of `size` bytes: members that the caller's struct does not
 * have are zero. ARG when bytes behind those that we know are not zero, for an option that is not understood must not
 * be dropped, or when the size cannot be one; `to` is then all zeros.
 */
vhdx_status vx_take_options(void *to, size_t size, const void *from, vhdx_error *err);

#endif
