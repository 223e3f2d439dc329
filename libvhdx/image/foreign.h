/*
 * What a file is that is no VHDX, for sentences: by what it begins with, and for a VHD of fixed size by its end. What
 * is recognized may hold a VHDX, and is none.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_FOREIGN_H
#define VX_IMAGE_FOREIGN_H

#include "io/io.h"

/* "a QCOW2 disk"; NULL: nothing that is known. Static. Fails for lack of memory and when the host does. */
vhdx_status vx_foreign_look(struct vx_file *file, const char **what, vhdx_error *err);
/* Whether a conversion reads it. */
bool vx_foreign_converts(const char *what);

#endif
