/*
 * The table of remarks.def as values. See remarks.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/remarks.h"

static const char *const ids[] = {
#define VX_R(name, id) id,
#include "estate/remarks.def"
#undef VX_R
};

const char *vx_remark_id(enum vx_remark number)
{
    return (size_t)number < sizeof ids / sizeof ids[0] ? ids[number] : NULL;
}
