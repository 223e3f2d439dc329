/*
 * What the command needs from the operating system beyond C11 and <vhdx.h>: terminals, a clock, the wish to stop.
 * One file implements it for each system (main_posix.c, main_win32.c), which also holds the real main and hands
 * UTF-8 arguments to tool_main. Files of disks are none of this: the library opens those.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_PLATFORM_H
#define VHDX_TOOLS_PLATFORM_H

#include <stdbool.h>
#include <stdio.h>

/* Runs the command line; `argv` is UTF-8 and may be reordered. Returns the exit status. */
int tool_main(int argc, char **argv);

/* The last part of a path, as this system separates paths. */
const char *platform_base_name(const char *path);

bool platform_is_terminal(FILE *stream);

/* How many characters fit on a line of the terminal; 0 when it is none, or does not say. */
int platform_columns(FILE *stream);

/* Whether it is a terminal that understands colours, and nobody asked for none (NO_COLOR). */
bool platform_shows_colour(FILE *stream);

/* Whether the stream is a pipe whose other end is closed. */
bool platform_reader_left(FILE *stream);

/* Seconds on a clock that never jumps; its zero is arbitrary. */
double platform_seconds(void);

/*
 * From now on the keys and signals that ask a program to end only set a flag, once: a second one ends the process at
 * once, as it would have without this. A reader of our output that goes away is an error of writing, not the end.
 */
void platform_catch_interrupts(void);
bool platform_interrupted(void);

/* 0, or the errno that says why the file, or names in the directory, cannot be written. Nothing is opened for it. */
int platform_write_denied(const char *path);

/* Becomes another program, which is looked for as the shell would; `arguments` begins with its name and ends with NULL.
 * Returns only when that fails: the errno that says why. */
int platform_become(char *const arguments[]);
/* Whether a program of that name is there to become. */
bool platform_has_program(const char *name);
/* A file beside the program that runs, in memory of malloc(). NULL: it is not there, or that cannot be told. */
char *platform_beside(const char *name);

/* An empty file at the UTF-8 path, for bytes to be written. NULL: errno says why. */
FILE *platform_create(const char *path);

#endif
