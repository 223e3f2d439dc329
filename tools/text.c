/*
 * Escapes text of unknown origin. See text.h. What is left alone is every printable character of every script: a
 * German or Japanese name must be readable. 0x80 to 0x9f are control characters too, as characters
 * (two bytes in UTF-8) and, on terminals that know no UTF-8, as bytes.
 */
/* SPDX-License-Identifier: MIT */
#include "text.h"

#include "platform.h"

#include <vhdx.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, WIDTH_MIN = 40, WIDTH_MAX = 160 };

/* The length that a first byte announces, and the bits of the character in it; 0 when no character begins so. */
static size_t announced_length(unsigned char first, uint32_t *bits)
{
    if (first < 0x80) {
        *bits = first;
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        *bits = first & 0x1fU;
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        *bits = first & 0x0fU;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *bits = first & 0x07U;
        return 4;
    }
    return 0;
}

size_t text_next(const char *text, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t value = 0;
    size_t length = text[0] ? announced_length((unsigned char)text[0], &value) : 0;
    for (size_t i = 1; i < length; i++) {
        unsigned char byte = (unsigned char)text[i]; /* the terminating NUL is no continuation byte: never read past */
        if ((byte & 0xc0U) != 0x80)
            return 0;
        value = value << 6 | (byte & 0x3fU);
    }
    if (length == 0 || value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *character = value;
    return length;
}

/* Marks that turn the direction of writing make "gpj.exe" out of "exe.jpg". */
static bool is_direction_mark(uint32_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void put_escaped(FILE *out, uint32_t c)
{
    if (c == '\n')
        fputs("\\n", out);
    else if (c == '\r')
        fputs("\\r", out);
    else if (c == '\t')
        fputs("\\t", out);
    else if (c < 0x80)
        fprintf(out, "\\x%02" PRIx32, c);
    else
        fprintf(out, "\\u{%" PRIx32 "}", c);
}

enum form {
    FORM_LINE,
    FORM_LINES, /* line ends stay */
    FORM_HTML,
    FORM_HTML_LINES,
};

/* What HTML takes for its own, in text and between quotes alike. */
static const char *html_entity(uint32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static bool must_be_escaped(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || is_direction_mark(c);
}

static void put(FILE *out, const char *text, enum form form, int indent)
{
    bool html = form == FORM_HTML || form == FORM_HTML_LINES;
    bool lines = form == FORM_LINES || form == FORM_HTML_LINES;
    while (*text) {
        uint32_t c = 0;
        size_t length = text_next(text, &c);
        const char *entity = html && length ? html_entity(c) : NULL;
        if (length == 0)
            fprintf(out, "\\x%02x", (unsigned)(unsigned char)*text);
        else if (lines && c == '\n')
            fprintf(out, "\n%*s", indent, "");
        else if (entity)
            fputs(entity, out);
        else if (must_be_escaped(c))
            put_escaped(out, c);
        else
            fwrite(text, 1, length, out);
        text += length ? length : 1;
    }
}

void text_put(FILE *out, const char *text)
{
    put(out, text, FORM_LINE, 0);
}

void text_put_lines(FILE *out, const char *text, int indent)
{
    put(out, text, FORM_LINES, indent);
}

void text_put_html(FILE *out, const char *text)
{
    put(out, text, FORM_HTML, 0);
}

void text_put_html_lines(FILE *out, const char *text)
{
    put(out, text, FORM_HTML_LINES, 0);
}

/* Very long lines are hard to read, and very short ones would hold a word each. */
int text_columns(FILE *out)
{
    int columns = platform_columns(out);
    if (columns <= 0)
        return WIDTH;
    return columns < WIDTH_MIN ? WIDTH_MIN : columns > WIDTH_MAX ? WIDTH_MAX : columns;
}

/* Characters of the next `length` bytes. */
static int columns_of(const char *text, size_t length)
{
    int columns = 0;
    for (size_t at = 0; at < length; columns++) {
        uint32_t c;
        size_t step = text_next(text + at, &c);
        at += step ? step : 1;
    }
    return columns;
}

static void put_bytes(FILE *out, const char *text, size_t length)
{
    char word[256];
    while (length > 0) {
        size_t here = 0, step;
        uint32_t c;
        do {
            step = text_next(text + here, &c);
            here += step ? step : 1;
        } while (here < length && here < sizeof word - 8);
        memcpy(word, text, here);
        word[here] = '\0';
        put(out, word, false, 0);
        text += here;
        length -= here;
    }
}

/* One line without its end. */
static void put_wrapped_line(FILE *out, const char *line, size_t length, int indent)
{
    int column = indent, width = text_columns(out);
    for (size_t at = 0; at < length;) {
        size_t word = 0;
        while (at + word < length && (line[at + word] != ' ' || line[0] == ' '))
            word++;
        int columns = columns_of(line + at, word);
        if (at > 0 && column + 1 + columns > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (at > 0) {
            putc(' ', out);
            column++;
        }
        put_bytes(out, line + at, word);
        column += columns;
        at += word + 1;
    }
}

void text_put_wrapped_line(FILE *out, const char *text, int indent)
{
    put_wrapped_line(out, text, strlen(text), indent);
}

void text_put_wrapped(FILE *out, const char *text, int indent)
{
    for (;;) {
        size_t length = strcspn(text, "\n");
        put_wrapped_line(out, text, length, indent);
        if (!text[length])
            return;
        fprintf(out, "\n%*s", indent, "");
        text += length + 1;
    }
}

void text_put_word(FILE *out, const char *name)
{
    size_t room = vhdx_quote(name, VHDX_SHELL_HERE, NULL, 0) + 1;
    char *word = malloc(room);
    if (word && vhdx_quote(name, VHDX_SHELL_HERE, word, room) > 0)
        text_put(out, word);
    free(word);
}
