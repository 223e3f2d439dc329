/*
 * The option --assume: sizes that the person who types knows, where the disk contradicts itself.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_ASSUME_H
#define VHDX_TOOLS_ASSUME_H

#include "cli.h"

#define ASSUME_VALUE "WHAT=N"
#define ASSUME_HELP                                                                                                    \
    "take this value instead of the disk's: WHAT is\n"                                                                 \
    "virtual-size, block-size or logical-sector; may be\n"                                                             \
    "given more than once"

/* 0 = nothing is said. */
struct assume {
    uint64_t virtual_size;
    uint32_t block_size, logical_sector;
};

/* false: a usage error was printed. */
bool assume_parse(const struct command *command, const struct cli_list *given, struct assume *assume);

#endif
