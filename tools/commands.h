/*
 * The commands, one file each. The table in main.c is the only list of them.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_COMMANDS_H
#define VHDX_TOOLS_COMMANDS_H

#include "cli.h"

extern const struct command command_info;
extern const struct command command_map;
extern const struct command command_export;
extern const struct command command_hash;
extern const struct command command_create;
extern const struct command command_convert;
extern const struct command command_merge;
extern const struct command command_compact;
extern const struct command command_relink;
extern const struct command command_set;
extern const struct command command_diff;
extern const struct command command_resize;
extern const struct command command_undo;
extern const struct command command_verify;
extern const struct command command_repair;
extern const struct command command_config;
extern const struct command command_orphans;
extern const struct command command_serve;

#endif
