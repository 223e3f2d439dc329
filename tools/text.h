/*
 * Text of unknown origin on its way to a person or into JSON. Names of files, a disk's creator and the paths in a
 * parent locator come from strangers: written raw, they could clear the screen, forge a line of a report or make a
 * JSON document invalid. Everything that prints such text goes through here.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_TEXT_H
#define VHDX_TOOLS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Reads the character at the beginning of the NUL-terminated `text`. Returns the number of its bytes, or 0 when what
 * is there is not valid UTF-8 (overlong forms, surrogates and numbers above U+10FFFF are not) or the end.
 */
size_t text_next(const char *text, uint32_t *character);

/* Writes `text` with control characters, invisible direction marks and invalid bytes escaped (\n, \x1b, \u{202e}). */
void text_put(FILE *out, const char *text);

/* The same, but line ends stay and each further line begins with `indent` spaces. */
void text_put_lines(FILE *out, const char *text, int indent);

/* Columns of a line: those of the terminal, 80 where there is none. */
int text_columns(FILE *out);

/* As text_put, but broken between words as below; further lines begin with `indent` spaces, as the first one has. */
void text_put_wrapped_line(FILE *out, const char *text, int indent);

/*
 * As text_put_lines, but lines are broken between words so that none is longer than the terminal, where that can be.
 * Lines that begin with a space stay whole: they are commands, meant to be copied.
 */
void text_put_wrapped(FILE *out, const char *text, int indent);

/* A name as one word of a command of this system's shell: what is printed can be pasted. */
void text_put_word(FILE *out, const char *name);

/* As text_put, for HTML: what is there is text, or the value of an attribute in quotes, whatever it holds. */
void text_put_html(FILE *out, const char *text);
/* The same, but line ends stay. */
void text_put_html_lines(FILE *out, const char *text);

#endif
