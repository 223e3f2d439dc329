/*
 * Shows and keeps notices. See notices.h. A notice that cannot be kept because memory ran out must
 * not get lost, so it is shown at once instead.
 */
/* SPDX-License-Identifier: MIT */
#include "notices.h"

#include "advice.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

bool texts_add(struct texts *texts, const char *text)
{
    if (texts->count == texts->room) {
        size_t room = texts->room ? 2 * texts->room : 8;
        char **items = room <= SIZE_MAX / sizeof *items ? realloc(texts->items, room * sizeof *items) : NULL;
        if (!items)
            return false;
        texts->items = items;
        texts->room = room;
    }
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (!copy)
        return false;
    memcpy(copy, text, size);
    texts->items[texts->count++] = copy;
    return true;
}

static void show(const char *lead, const char *text)
{
    fflush(stdout);
    fprintf(stderr, "vhdx: %s", lead);
    text_put_lines(stderr, text, 6);
    fputc('\n', stderr);
}

static void take(struct notices *notices, vhdx_notice_kind kind, const char *text)
{
    const struct cli *cli = notices->cli;
    switch (kind) {
    case VHDX_NOTICE_DETAIL:
        if (cli->verbose && !cli->quiet)
            show("", text);
        return;
    case VHDX_NOTICE_NOTE:
        if (!cli->quiet)
            show("", text);
        return;
    case VHDX_NOTICE_WARNING:
        if (!cli->quiet)
            show("warning: ", text);
        if (!texts_add(&notices->warnings, text) && cli->quiet)
            show("warning: ", text);
        return;
    case VHDX_NOTICE_NEXT:
        if (!texts_add(&notices->next, text))
            show("now to be done: ", text);
        return;
    }
}

void notices_take(void *context, const vhdx_notice *notice)
{
    struct notices *notices = context;
    char *text = advice_with_notice(notice);
    progress_clear(notices->progress);
    take(notices, notice->kind, text ? text : notice->text);
    free(text);
}

void texts_free(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct texts){0};
}

void notices_free(struct notices *notices)
{
    texts_free(&notices->warnings);
    texts_free(&notices->next);
}

static void texts_json(struct json *json, const char *key, const struct texts *texts)
{
    json_array_begin(json, key);
    for (size_t i = 0; i < texts->count; i++)
        json_text(json, NULL, texts->items[i]);
    json_array_end(json);
}

void notices_json(struct json *json, const struct notices *notices)
{
    texts_json(json, "next", &notices->next);
    texts_json(json, "warnings", &notices->warnings);
}

void notices_leave_out(struct notices *notices, const char *part)
{
    size_t length = strlen(part);
    for (size_t i = 0; i < notices->next.count; i++)
        for (char *at = strstr(notices->next.items[i], part); at; at = strstr(at, part))
            memmove(at, at + length, strlen(at + length) + 1);
}

void notices_print_next(const struct notices *notices, const char *heading)
{
    if (notices->next.count == 0)
        return;
    printf("\n%s\n", heading);
    for (size_t i = 0; i < notices->next.count; i++) {
        fputs("  - ", stdout);
        text_put_wrapped(stdout, notices->next.items[i], 4);
        putchar('\n');
    }
}
