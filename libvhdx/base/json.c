/*
 * A JSON reader by recursive descent. See json.h. A surrogate pair is two escapes and one character;
 * a lone half is none.
 */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "base/alloc.h"
#include "base/utf.h"

#include <string.h>

#define DEPTH_MAX 32u
#define VALUES_MAX ((size_t)1 << 24)

struct reader {
    struct vx_arena *arena;
    const uint8_t *data;
    size_t at, size;
    size_t values;
    unsigned depth;
    const char *path;
    vhdx_error *err;
};

static vhdx_status fail(struct reader *r, vhdx_status status, const char *what)
{
    return vx_fail(r->err, status, vx_at(r->path, "JSON", r->at), "%s", what);
}

static void skip_space(struct reader *r)
{
    while (r->at < r->size &&
           (r->data[r->at] == ' ' || r->data[r->at] == '\t' || r->data[r->at] == '\n' || r->data[r->at] == '\r'))
        r->at++;
}

/* Takes the character if it comes next. */
static bool take(struct reader *r, char c)
{
    if (r->at >= r->size || r->data[r->at] != (uint8_t)c)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t length = strlen(word);
    if (length > r->size - r->at || memcmp(r->data + r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

/* ---- texts ---- */

static bool take_hex(struct reader *r, uint32_t *unit)
{
    *unit = 0;
    if (r->size - r->at < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        unsigned digit = vx_digit_value((char)r->data[r->at + i]);
        if (digit > 15)
            return false;
        *unit = *unit << 4 | digit;
    }
    r->at += 4;
    return true;
}

/* What follows "\u". */
static bool take_escaped_character(struct reader *r, uint32_t *code)
{
    uint32_t low;
    if (!take_hex(r, code) || *code == 0)
        return false;
    if (!vx_is_surrogate(*code))
        return true;
    if (*code > 0xDBFF || !take_word(r, "\\u") || !take_hex(r, &low) || low < 0xDC00 || low > 0xDFFF)
        return false;
    *code = 0x10000 + ((*code - 0xD800) << 10 | (low - 0xDC00));
    return true;
}

static bool take_escape(struct reader *r, char *out, size_t *used)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    if (take(r, 'u')) {
        if (!take_escaped_character(r, &code))
            return false;
        *used += vx_utf8_put(code, out + *used);
        return true;
    }
    const char *name = r->at < r->size && r->data[r->at] ? strchr(names, r->data[r->at]) : NULL;
    if (!name)
        return false;
    r->at++;
    out[(*used)++] = values[name - names];
    return true;
}

/* Bytes of the UTF-8 character at `at`, 0 when there is none: no overlong forms, no surrogates. */
static size_t utf8_length(const struct reader *r)
{
    uint32_t code;
    size_t length = vx_utf8_get((const char *)r->data + r->at, r->size - r->at, &code);
    return length > 0 && !vx_is_surrogate(code) ? length : 0;
}

/* Where the text that begins at `at` ends, so that it needs no more memory than it has bytes. */
static bool find_end(const struct reader *r, size_t *end)
{
    for (*end = r->at; *end < r->size && r->data[*end] != '"'; (*end)++)
        if (r->data[*end] == '\\')
            (*end)++;
    return *end < r->size;
}

/* Behind the opening quotation mark. An escape is never shorter than what it stands for. */
static vhdx_status read_text(struct reader *r, const char **text)
{
    size_t end, used = 0;
    if (!find_end(r, &end))
        return fail(r, VHDX_CORRUPT, "a text has no end");
    char *out = vx_arena_take(r->arena, end - r->at + 1, 1);
    if (!out)
        return vx_fail_memory(r->err, "a report");
    while (r->at < end) {
        if (take(r, '\\')) {
            if (!take_escape(r, out, &used))
                return fail(r, VHDX_CORRUPT, "an escape in a text makes no sense");
            continue;
        }
        size_t length = utf8_length(r);
        if (length == 0 || r->data[r->at] < 0x20)
            return fail(r, VHDX_CORRUPT, "a text holds a control character, or is not UTF-8");
        memcpy(out + used, r->data + r->at, length);
        used += length;
        r->at += length;
    }
    r->at++;
    *text = out;
    return VHDX_OK;
}

/* ---- values ---- */

static vhdx_status read_value(struct reader *r, struct vx_json *value);

static vhdx_status new_value(struct reader *r, struct vx_json **value)
{
    if (r->values++ >= VALUES_MAX)
        return fail(r, VHDX_LIMIT, "too many values");
    *value = vx_arena_take(r->arena, 1, sizeof **value);
    return *value ? VHDX_OK : vx_fail_memory(r->err, "a report");
}

static vhdx_status read_number(struct reader *r, struct vx_json *value)
{
    size_t start = r->at;
    value->type = VX_JSON_NUMBER;
    while (r->at < r->size && r->data[r->at] >= '0' && r->data[r->at] <= '9') {
        uint64_t digit = (uint64_t)(r->data[r->at] - '0');
        if (value->number > (UINT64_MAX - digit) / 10)
            return fail(r, VHDX_CORRUPT, "a number does not fit 64 bits");
        value->number = value->number * 10 + digit;
        r->at++;
    }
    bool leading_zero = r->at - start > 1 && r->data[start] == '0';
    bool goes_on = r->at < r->size && strchr(".eE", r->data[r->at]) && r->data[r->at];
    if (leading_zero || goes_on)
        return fail(r, VHDX_CORRUPT, "a number is not whole");
    return VHDX_OK;
}

static vhdx_status read_key(struct reader *r, struct vx_json *member)
{
    skip_space(r);
    if (!take(r, '"'))
        return fail(r, VHDX_CORRUPT, "the name of a member is missing");
    VX_TRY(read_text(r, &member->key));
    skip_space(r);
    return take(r, ':') ? VHDX_OK : fail(r, VHDX_CORRUPT, "a ':' is missing");
}

static vhdx_status read_items(struct reader *r, struct vx_json *value, char end)
{
    const struct vx_json **link = &value->first;
    if (++r->depth > DEPTH_MAX)
        return fail(r, VHDX_LIMIT, "values lie too deep inside of each other");
    skip_space(r);
    while (!take(r, end)) {
        struct vx_json *item;
        if (value->count > 0 && !take(r, ','))
            return fail(r, VHDX_CORRUPT, "a ',' is missing");
        VX_TRY(new_value(r, &item));
        if (value->type == VX_JSON_OBJECT)
            VX_TRY(read_key(r, item));
        VX_TRY(read_value(r, item));
        *link = item;
        link = &item->next;
        value->count++;
        skip_space(r);
    }
    r->depth--;
    return VHDX_OK;
}

static vhdx_status read_value(struct reader *r, struct vx_json *value)
{
    skip_space(r);
    if (take(r, '"')) {
        value->type = VX_JSON_TEXT;
        return read_text(r, &value->text);
    }
    if (take(r, '{')) {
        value->type = VX_JSON_OBJECT;
        return read_items(r, value, '}');
    }
    if (take(r, '[')) {
        value->type = VX_JSON_ARRAY;
        return read_items(r, value, ']');
    }
    if (take_word(r, "true") || take_word(r, "false")) {
        value->type = VX_JSON_BOOL;
        value->truth = r->data[r->at - 2] == 'u';
        return VHDX_OK;
    }
    if (take_word(r, "null"))
        return VHDX_OK;
    if (r->at < r->size && r->data[r->at] >= '0' && r->data[r->at] <= '9')
        return read_number(r, value);
    return fail(r, VHDX_CORRUPT, "a value is missing");
}

vhdx_status vx_json_read(struct vx_arena *arena, struct vx_bytes in, const char *path, const struct vx_json **out,
                         vhdx_error *err)
{
    struct reader r = {.arena = arena, .data = in.data, .size = in.size, .path = path, .err = err};
    struct vx_json *root;
    VX_TRY(new_value(&r, &root));
    VX_TRY(read_value(&r, root));
    skip_space(&r);
    if (r.at < r.size)
        return fail(&r, VHDX_CORRUPT, "something follows the end of the document");
    *out = root;
    return VHDX_OK;
}

const struct vx_json *vx_json_member(const struct vx_json *value, const char *key)
{
    if (!value || value->type != VX_JSON_OBJECT)
        return NULL;
    for (const struct vx_json *member = value->first; member; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}

const char *vx_json_text(const struct vx_json *value, const char *key, const char *otherwise)
{
    const struct vx_json *member = vx_json_member(value, key);
    return member && member->type == VX_JSON_TEXT ? member->text : otherwise;
}

uint64_t vx_json_number(const struct vx_json *value, const char *key, uint64_t otherwise)
{
    const struct vx_json *member = vx_json_member(value, key);
    return member && member->type == VX_JSON_NUMBER ? member->number : otherwise;
}

bool vx_json_truth(const struct vx_json *value, const char *key, bool otherwise)
{
    const struct vx_json *member = vx_json_member(value, key);
    return member && member->type == VX_JSON_BOOL ? member->truth : otherwise;
}
