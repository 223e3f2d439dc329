/*
 * What the public functions do with their arguments before anything else: options of callers are taken, and reports
 * given to them, whichever version of vhdx.h they were compiled with. Each such struct begins with its size. What each
 * option means is for the function that has them.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_OPTIONS_H
#define VX_BASE_OPTIONS_H

#include "base/status.h"

#include <stdbool.h>

/*
 * Copies the options at `from` (NULL = defaults) into `to` of `size` bytes: members that the caller's struct does not
 * have are zero. ARG when bytes behind those that we know are not zero, for an option that is not understood must not
 * be dropped, or when the size cannot be one; `to` is then all zeros.
 */
vhdx_status vx_take_options(void *to, size_t size, const void *from, vhdx_error *err);
/* Fills the caller's report `to` (NULL = not wanted) from `from`, as far as its size says that it goes. */
void vx_give_report(void *to, const void *from, size_t from_size);

/* Fails with ARG. */
vhdx_status vx_refuse_argument(vhdx_error *err, const char *what);
/* Whether none of the `count` names is missing. */
bool vx_all_named(const char *const *names, size_t count);

#endif
