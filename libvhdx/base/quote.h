/*
 * Names as words of a command: for this host's shell, and for PowerShell. Names come from strangers; what is quoted
 * here is one word and nothing else, whatever is in it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_QUOTE_H
#define VX_BASE_QUOTE_H

#include "base/arena.h"

/*
 * 'it'\''s' for a POSIX shell, $'two\012lines' when something in the name cannot be shown (every shell of today, POSIX
 * of 2024), "it's" for cmd.exe. A name that begins with '-' gets "./" in front. NULL: no memory.
 */
char *vx_quote_shell(struct vx_arena *arena, const char *name, bool windows);
/* The same, but a name in which nothing means anything to a shell stays as it is. */
const char *vx_quote_word(struct vx_arena *arena, const char *name, bool windows);
/* 'it''s'. NULL: no memory. */
char *vx_quote_powershell(struct vx_arena *arena, const char *name);

#endif
