/*
 * A merge with a fault in it: its mark says that all is moved before it is. The explorer must see what comes of that,
 * or it would not see the same fault made by mistake.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CRASH_EARLY_MARK_H
#define TESTS_CRASH_EARLY_MARK_H

#include <stdbool.h>

extern bool early_mark;       /* the mark is wrong */
extern bool blind_comparison; /* and what it says is not compared either (G4) */

#endif
