/*
 * Writes JSON (RFC 8259). See json.h. Errors of writing are not looked at here: the stream remembers them, and main
 * asks it once at the end. Text from a disk need not be UTF-8, but a JSON document must be.
 */
/* SPDX-License-Identifier: MIT */
#include "json.h"

#include "advice.h"
#include "text.h"

#include <inttypes.h>

void json_begin(struct json *json, FILE *out)
{
    *json = (struct json){.out = out, .empty = true};
}

void json_end(struct json *json)
{
    fputc('\n', json->out);
}

void json_document_begin(struct json *json, FILE *out)
{
    json_begin(json, out);
    json_object_begin(json, NULL);
    json_number(json, "format", 1);
}

void json_document_end(struct json *json)
{
    json_object_end(json);
    json_end(json);
}

static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text) {
        uint32_t c = 0;
        size_t length = text_next(text, &c);
        if (length == 0)
            fputs("\\ufffd", out);
        else if (c == '"' || c == '\\')
            fprintf(out, "\\%c", (int)c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029)
            fprintf(out, "\\u%04" PRIx32, c);
        else
            fwrite(text, 1, length, out);
        text += length ? length : 1;
    }
    fputc('"', out);
}

static void new_line(struct json *json)
{
    if (json->row_depth)
        return;
    fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
}

/* What is before every value. */
static void lead(struct json *json, const char *key)
{
    if (!json->empty)
        fputs(json->row_depth ? ", " : ",", json->out);
    if (json->depth)
        new_line(json);
    if (key) {
        put_quoted(json->out, key);
        fputs(": ", json->out);
    }
    json->empty = false;
}

static void begin(struct json *json, const char *key, char bracket)
{
    lead(json, key);
    fputc(bracket, json->out);
    json->depth++;
    json->empty = true;
}

static void end(struct json *json, char bracket)
{
    json->depth--;
    if (!json->empty)
        new_line(json);
    fputc(bracket, json->out);
    if (json->row_depth > json->depth)
        json->row_depth = 0;
    json->empty = false;
}

void json_object_begin(struct json *json, const char *key)
{
    begin(json, key, '{');
}

void json_row_begin(struct json *json, const char *key)
{
    begin(json, key, '{');
    if (!json->row_depth)
        json->row_depth = json->depth;
}

void json_object_end(struct json *json)
{
    end(json, '}');
}

void json_array_begin(struct json *json, const char *key)
{
    begin(json, key, '[');
}

void json_array_end(struct json *json)
{
    end(json, ']');
}

void json_text(struct json *json, const char *key, const char *value)
{
    if (!value) {
        json_null(json, key);
        return;
    }
    lead(json, key);
    put_quoted(json->out, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
    lead(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
    lead(json, key);
    fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *key)
{
    lead(json, key);
    fputs("null", json->out);
}

void json_guid(struct json *json, const char *key, const vhdx_guid *value)
{
    char text[37];
    vhdx_guid_format(value, text);
    json_text(json, key, text);
}

static void place(struct json *json, const char *key, uint64_t value)
{
    if (value == VHDX_NOWHERE)
        json_null(json, key);
    else
        json_number(json, key, value);
}

void json_error(struct json *json, const vhdx_error *err)
{
    char room[ADVICE_ROOM];
    const char *advice = advice_of_error(err, room);
    json_object_begin(json, "error");
    json_text(json, "status", vhdx_status_name(err->status));
    json_text(json, "path", err->path[0] ? err->path : NULL);
    json_text(json, "message", err->message);
    json_text(json, "advice", advice[0] ? advice : NULL);
    json_text(json, "structure", err->structure);
    place(json, "offset", err->offset);
    place(json, "index", err->index);
    json_number(json, "system_code", (uint64_t)(uint32_t)err->system_code);
    json_object_end(json);
}
