/*
 * The command to type when nothing can be repaired (any more): what is left of the disk goes to a new file.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_NEXT_H
#define VHDX_TOOLS_NEXT_H

/* "Next: vhdx export --salvage -o DISK.raw DISK", and under it what that does. */
void next_salvage(const char *path);

#endif
