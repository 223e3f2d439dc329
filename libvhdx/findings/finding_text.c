/*
 * The sentence of a finding: that of the table, with the record's values, and where the same is true besides. See
 * findings.h. Records that are gathered here are one behind the other, in the order of their index.
 */
/* SPDX-License-Identifier: MIT */
#include "findings/findings.h"

#include "base/checked.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PLACES_NAMED 6

struct sink {
    char *text;
    size_t room, length;
};

static void put(struct sink *sink, const char *bytes, size_t length)
{
    if (sink->room == 0)
        return;
    size_t here = (size_t)vx_min(length, sink->room - 1 - sink->length);
    memcpy(sink->text + sink->length, bytes, here);
    sink->length += here;
    sink->text[sink->length] = 0;
}

static void put_number(struct sink *sink, uint64_t value, bool hex)
{
    char digits[32];
    int length =
        hex ? snprintf(digits, sizeof digits, "%" PRIx64, value) : snprintf(digits, sizeof digits, "%" PRIu64, value);
    put(sink, digits, (size_t)length);
}

static bool is_word(const char *name, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(name, word, length) == 0;
}

/* What is between braces. */
static void put_value(struct sink *sink, const struct vx_finding *finding, const char *name, size_t length)
{
    bool hex = length > 2 && memcmp(name + length - 2, ":x", 2) == 0;
    length -= hex ? 2 : 0;
    if (is_word(name, length, "text"))
        put(sink, finding->text ? finding->text : "", finding->text ? strlen(finding->text) : 0);
    else if (is_word(name, length, "note"))
        put(sink, finding->note ? finding->note : "", finding->note ? strlen(finding->note) : 0);
    else if (is_word(name, length, "index"))
        put_number(sink, finding->index, hex);
    else if (is_word(name, length, "other"))
        put_number(sink, finding->other, hex);
    else if (is_word(name, length, "found"))
        put_number(sink, finding->found, hex);
    else if (is_word(name, length, "expected"))
        put_number(sink, finding->expected, hex);
    else if (is_word(name, length, "offset"))
        put_number(sink, finding->offset, hex);
    else if (is_word(name, length, "length"))
        put_number(sink, finding->length, hex);
    else if (is_word(name, length, "count"))
        put_number(sink, finding->count, hex);
}

static void put_text(struct sink *sink, const char *text)
{
    put(sink, text, strlen(text));
}

/* "7, 9 to 12": the numbers [first, first + count). */
static void put_run(struct sink *sink, uint64_t first, uint64_t count)
{
    put_number(sink, first, false);
    if (count > 1) {
        put_text(sink, count == 2 ? ", " : " to ");
        put_number(sink, first + count - 1, false);
    }
}

/* Where the same is true: the rest of the first record, some records behind it, and how many there are besides. */
static void put_places(struct sink *sink, const struct vx_finding *first, size_t scattered, uint64_t more)
{
    const char *between = "; the same is true of ";
    size_t named = scattered < PLACES_NAMED ? scattered : PLACES_NAMED;
    if (first->count > 1) {
        put_text(sink, between);
        put_run(sink, first->index + 1, first->count - 1);
        between = ", ";
    }
    for (size_t i = 1; i <= named; i++) {
        put_text(sink, between);
        put_run(sink, first[i].index, first[i].count);
        between = ", ";
    }
    for (size_t i = named + 1; i <= scattered; i++)
        more += first[i].count;
    if (more > 0) {
        put_text(sink, " and ");
        put_number(sink, more, false);
        put_text(sink, " more");
    }
}

void vx_finding_message(const struct vx_finding *finding, size_t scattered, uint64_t more, char *text, size_t text_size)
{
    struct sink sink = {text, text_size, 0};
    if (text_size > 0)
        text[0] = 0;
    for (const char *p = vx_finding_kind(finding->kind)->sentence; *p;) {
        size_t plain = strcspn(p, "{");
        put(&sink, p, plain);
        p += plain;
        if (*p != '{')
            break;
        size_t name = strcspn(p, "}");
        put_value(&sink, finding, p + 1, name - 1);
        p += name + 1;
    }
    if (finding->gather && finding->count > 1 && scattered == 0) {
        put_text(&sink, "; the same is true of the ");
        put_number(&sink, finding->count - 1, false);
        put_text(&sink, " behind it");
    }
    if (scattered > 0)
        put_places(&sink, finding, scattered, more);
}
