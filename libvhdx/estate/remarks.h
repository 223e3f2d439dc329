/*
 * What a search can say, by number; the ids are the public names.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_REMARKS_H
#define VX_ESTATE_REMARKS_H

#include <stddef.h>

enum vx_remark {
#define VX_R(name, id) VX_REMARK_##name,
#include "estate/remarks.def"
#undef VX_R
};

/* "ORPHANS-..."; NULL behind the last. */
const char *vx_remark_id(enum vx_remark number);

#endif
