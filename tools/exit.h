/*
 * The exit status of every command, in one place: the bits of fsck(8). Scripts depend on these numbers, so they never
 * change. 16 is for the person who typed (an option, a name, a size), 8 for the world (a
 * file in use, a full volume, a disk that is none).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_EXIT_H
#define VHDX_TOOLS_EXIT_H

enum {
    EXIT_DONE = 0,      /* done, clean */
    EXIT_CORRECTED = 1, /* problems were found, and all were corrected */
    EXIT_LEFT = 4,      /* problems were found and are left, or content was given up */
    EXIT_FAILED = 8,    /* the operation failed or was refused */
    EXIT_USAGE = 16,    /* the command line makes no sense; nothing was touched */
};

#endif
