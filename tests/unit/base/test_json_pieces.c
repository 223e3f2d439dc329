/*
 * A document in pieces: the same values as at once, whatever the size of the reads; what is refused at once is refused
 * in pieces; and a document that is longer than memory is none too long.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/json_pieces.h"

struct feed {
    const char *text;
    size_t at, size, step;
    uint64_t repeats; /* of `repeated`, which comes when `text` has ended; then `end` */
    const char *repeated, *end;
};

static vhdx_status feed_bytes(void *context, void *buf, size_t room, size_t *got, vhdx_error *err)
{
    struct feed *feed = context;
    (void)err;
    if (feed->at == feed->size && feed->repeats > 0) {
        feed->repeats--;
        feed->text = feed->repeats ? feed->repeated : feed->end;
        feed->size = strlen(feed->text);
        feed->at = 0;
    }
    *got = feed->size - feed->at;
    *got = *got < feed->step ? *got : feed->step;
    *got = *got < room ? *got : room;
    memcpy(buf, feed->text + feed->at, *got);
    feed->at += *got;
    return VHDX_OK;
}

struct seen {
    char text[400];
    uint64_t items, numbers;
};

static vhdx_status see(void *context, const char *key, const struct vx_json *value, bool item, vhdx_error *err)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    (void)err;
    seen->items += item;
    seen->numbers += value && value->type == VX_JSON_NUMBER ? value->number : 0;
    snprintf(seen->text + used, sizeof seen->text - used, "%s%s%s%s;", item ? "+" : "", key, value ? "=" : "",
             !value                          ? ""
             : value->type == VX_JSON_TEXT   ? value->text
             : value->type == VX_JSON_OBJECT ? vx_json_text(value, "t", "{}")
                                             : "?");
    return VHDX_OK;
}

static vhdx_status read_text(const char *text, size_t step, struct seen *seen, vhdx_error *err)
{
    struct feed feed = {.text = text, .size = strlen(text), .step = step};
    const struct vx_json_source source = {&feed, feed_bytes, "test"};
    *seen = (struct seen){0};
    return vx_json_read_pieces(&source, see, seen, err);
}

Test(json_pieces, are_the_same_whatever_the_reads)
{
    static const char text[] =
        " {\"a\" : \"x]}\\\"{,\\\\\", \"list\":[ {\"t\":\"1,2\"} , {\"t\":\"\\u00e4]\"},[[{}]],7 ],"
        "\"empty\":[],\n\"o\":{\"t\":\"[\",\"u\":[1,2]},\"n\":12}\n";
    static const char told[] = "a=x]}\"{,\\;list;+list=1,2;+list=\xc3\xa4];+list=?;+list=?;empty;o=[;n=?;";
    struct seen seen;
    for (size_t step = 1; step < sizeof text; step++) {
        cr_assert_eq(read_text(text, step, &seen, NULL), VHDX_OK, "in steps of %zu", step);
        cr_expect_str_eq(seen.text, told);
        cr_expect_eq(seen.numbers, 19);
    }
}

Test(json_pieces, refuse_what_is_no_document)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1} x",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":\"x}",
        "{a:1}",
        "{\"a\":{]}",
        "{\"a\":[[}]}",
        "{\"a\":tru}",
        "{\"a\":-1}",
        "{\"a\" \"b\":1}",
        "\"a\"",
        "{\"a\":1}{}",
    };
    struct seen seen;
    vhdx_error err;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t step = 1; step < 9; step += 7) {
            cr_expect_eq(read_text(texts[i], step, &seen, &err), VHDX_CORRUPT, "%s", texts[i]);
            cr_expect_leq(err.offset, strlen(texts[i]), "%s", texts[i]);
        }
}

/* 4 GiB, which no test could hold at once. */
Test(json_pieces, take_documents_of_any_length)
{
    static char item[65536];
    memset(item, ' ', sizeof item - 1);
    memcpy(item, "1,", 2);
    struct feed feed = {.text = "{\"list\":[",
                        .size = strlen("{\"list\":["),
                        .step = SIZE_MAX,
                        .repeats = 65536,
                        .repeated = item,
                        .end = "1]}"};
    const struct vx_json_source source = {&feed, feed_bytes, "test"};
    struct seen seen = {0};
    cr_assert_eq(vx_json_read_pieces(&source, see, &seen, NULL), VHDX_OK);
    cr_expect_eq(seen.items, 65536);
}

Test(json_pieces, refuse_a_piece_without_end)
{
    struct feed feed = {.text = "{\"list\":[\"",
                        .size = strlen("{\"list\":[\""),
                        .step = SIZE_MAX,
                        .repeats = UINT64_MAX,
                        .repeated = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                        .end = "\"]}"};
    const struct vx_json_source source = {&feed, feed_bytes, "test"};
    struct seen seen = {0};
    cr_expect_eq(vx_json_read_pieces(&source, see, &seen, NULL), VHDX_LIMIT);
}
