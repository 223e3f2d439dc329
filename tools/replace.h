/*
 * --overwrite of the commands that make a disk: the new one is written beside the old one and takes its name when it is
 * complete, so that nothing is lost by a command that fails.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_REPLACE_H
#define VHDX_TOOLS_REPLACE_H

#include "cli.h"

#define REPLACE_SUFFIX ".vhdx-new" /* of the name that the new disk has until it is complete */

struct replace {
    const char *path;    /* as it was asked for */
    const char *written; /* where the new disk is written: `path`, where nothing is to be replaced */
    char *beside;        /* for free(); NULL: nothing is replaced */
};

/*
 * `kept`: disks that the command reads, which must not be replaced. false: the error was printed.
 */
bool replace_begin(struct replace *replace, const struct cli *cli, const char *path, bool overwrite,
                   const char *const *kept, size_t kept_count);
/* Where nothing was written after all. */
void replace_drop(struct replace *replace);
/* After the new disk was written: gives it the name. Takes `status` of the writing, returns the one of both. */
vhdx_status replace_end(struct replace *replace, vhdx_status status, vhdx_error *err);

#endif
