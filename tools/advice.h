/*
 * What the command says for an advice of the library: the same, with command lines. The library's own words are for
 * programs that have no such command.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_ADVICE_H
#define TOOLS_ADVICE_H

#include <stddef.h>
#include <vhdx.h>

#define ADVICE_ROOM (4 * VHDX_PATH_ROOM)

/* The words; those of the library where this command has none. In `room`, or as long there as what was asked. */
const char *advice_of_finding(const vhdx_finding *finding, char room[ADVICE_ROOM]);
const char *advice_of_error(const vhdx_error *err, char room[ADVICE_ROOM]);
/* Of an advice without arguments; "" for NONE. */
const char *advice_alone(vhdx_advice advice, char room[ADVICE_ROOM]);
/* The whole notice with its advice, for free(); NULL when memory ran out. */
char *advice_with_notice(const vhdx_notice *notice);
char *advice_with_remark(const vhdx_remark *remark);

#endif
