/*
 * Names and general advice of the statuses, and the birth of errors. See status.h. Nothing here prints.
 */
/* SPDX-License-Identifier: MIT */
#include "base/status.h"

#include "base/advice.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct status_row {
    vhdx_status status;
    const char *name;
    const char *words; /* NULL = those of the advice */
    vhdx_advice advice;
};

static const struct status_row status_rows[] = {
    {VHDX_OK, "OK", "", VHDX_ADVICE_NONE},
    {VHDX_NOMEM, "NOMEM", "end other programs, or run on a machine with more memory", VHDX_ADVICE_TEXT},
    {VHDX_ARG, "ARG", "see the help text", VHDX_ADVICE_TEXT},
    {VHDX_STATE, "STATE", "this is a mistake of the calling program", VHDX_ADVICE_TEXT},
    {VHDX_CANCELLED, "CANCELLED", "nothing is lost; run the same command again to go on", VHDX_ADVICE_CALL_AGAIN},
    {VHDX_IO, "IO", "check the volume and its medium, then run the same command again", VHDX_ADVICE_CHECK_VOLUME},
    {VHDX_TRUNCATED, "TRUNCATED", "get a whole copy of the file; what it still holds can be copied from a copy of it",
     VHDX_ADVICE_TEXT},
    {VHDX_NO_SPACE, "NO_SPACE", "free space on the volume, then run the same command again", VHDX_ADVICE_FREE_SPACE},
    {VHDX_READ_ONLY, "READ_ONLY", "make the file and its volume writable, or work on a copy", VHDX_ADVICE_TEXT},
    {VHDX_BUSY, "BUSY", "shut down the machine or end the program that uses the disk, then try again",
     VHDX_ADVICE_END_OTHER_USE},
    {VHDX_POISONED, "POISONED", "check the volume, then run the same command again", VHDX_ADVICE_CHECK_VOLUME},
    {VHDX_NOT_FOUND, "NOT_FOUND", "check the name", VHDX_ADVICE_TEXT},
    {VHDX_EXISTS, "EXISTS", "choose another name, or remove that file first", VHDX_ADVICE_TEXT},
    {VHDX_NOT_VHDX, "NOT_VHDX", "check that this is the right file; 'file' or 'qemu-img info' may know what it is",
     VHDX_ADVICE_TEXT},
    {VHDX_UNSUPPORTED, "UNSUPPORTED", "use the program that wrote it, or a newer version of this one",
     VHDX_ADVICE_TEXT},
    {VHDX_CORRUPT, "CORRUPT",
     "make a copy of the file before anything else; then restore it from a backup, or repair the copy",
     VHDX_ADVICE_TEXT},
    {VHDX_LOG_DIRTY, "LOG_DIRTY", "open it for writing once so that its log is replayed", VHDX_ADVICE_TEXT},
    {VHDX_LIMIT, "LIMIT", "see the limits in the manual", VHDX_ADVICE_TEXT},
    {VHDX_NOT_CONFIG, "NOT_CONFIG", "give a .vmcx, .vmrs, .xml or .vhds file", VHDX_ADVICE_TEXT},
    {VHDX_PARENT_MISSING, "PARENT_MISSING", NULL, VHDX_ADVICE_NAME_PARENT},
    {VHDX_PARENT_MISMATCH, "PARENT_MISMATCH", NULL, VHDX_ADVICE_NAME_RIGHT_PARENT},
    {VHDX_PARENT_LOOP, "PARENT_LOOP", "the locators were tampered with; restore the layers from a backup",
     VHDX_ADVICE_TEXT},
    {VHDX_REFUSED, "REFUSED", NULL, VHDX_ADVICE_MERGE_TO_NEW},
    {VHDX_UNDO_MISMATCH, "UNDO_MISMATCH", "check that this is the undo file of that disk", VHDX_ADVICE_TEXT},
};

static const struct status_row *status_row(vhdx_status status)
{
    for (size_t i = 0; i < sizeof status_rows / sizeof status_rows[0]; i++)
        if (status_rows[i].status == status)
            return &status_rows[i];
    return NULL;
}

const char *vhdx_status_name(vhdx_status status)
{
    const struct status_row *row = status_row(status);
    return row ? row->name : "UNKNOWN";
}

/* Copies with the middle left out when it is too long: of a path, both the volume and the name tell something. */
static void copy_cut(char *to, size_t room, const char *from)
{
    size_t length = strlen(from);
    if (length < room) {
        memcpy(to, from, length + 1);
        return;
    }
    size_t head = (room - 4) / 2;
    size_t tail = room - 4 - head;
    memcpy(to, from, head);
    memcpy(to + head, "...", 3);
    memcpy(to + head + 3, from + length - tail, tail);
    to[room - 1] = '\0';
}

void vx_clear(vhdx_error *err)
{
    if (!err)
        return;
    err->status = VHDX_OK; /* member by member: most of it is room for a path, and errors are cleared often */
    err->system_code = 0;
    err->structure = NULL;
    err->path_length = 0;
    err->advice = err->advice_then = VHDX_ADVICE_NONE;
    err->path[0] = err->message[0] = err->advice_text[0] = err->advice_argument[0] = '\0';
    err->offset = VHDX_NOWHERE;
    err->index = VHDX_NOWHERE;
}

void vx_locate(vhdx_error *err, struct vx_where where)
{
    if (!err)
        return;
    if (!err->path[0] && where.path) {
        err->path_length = strlen(where.path);
        copy_cut(err->path, sizeof err->path, where.path);
    }
    if (!err->structure)
        err->structure = where.structure;
    if (err->offset == VHDX_NOWHERE)
        err->offset = where.offset;
    if (err->index == VHDX_NOWHERE)
        err->index = where.index;
}

static void fail(vhdx_error *err, vhdx_status status, struct vx_where where, int system_code, const char *format,
                 va_list arguments)
{
    vx_clear(err);
    err->status = status;
    err->system_code = system_code;
    vx_locate(err, where);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    const struct status_row *row = status_row(status);
    err->advice = row ? row->advice : VHDX_ADVICE_NONE;
    if (row)
        copy_cut(err->advice_text, sizeof err->advice_text, row->words ? row->words : vx_advice_words(row->advice));
}

vhdx_status vx_fail(vhdx_error *err, vhdx_status status, struct vx_where where, const char *format, ...)
{
    if (!err)
        return status;
    va_list arguments;
    va_start(arguments, format);
    fail(err, status, where, 0, format, arguments);
    va_end(arguments);
    return status;
}

vhdx_status vx_fail_system(vhdx_error *err, vhdx_status status, struct vx_where where, int system_code,
                           const char *format, ...)
{
    if (!err)
        return status;
    va_list arguments;
    va_start(arguments, format);
    fail(err, status, where, system_code, format, arguments);
    va_end(arguments);
    return status;
}

static void advise(vhdx_error *err, vhdx_advice advice, const char *format, va_list arguments)
{
    vsnprintf(err->advice_text, sizeof err->advice_text, format, arguments);
    err->advice = err->advice_text[0] ? advice : VHDX_ADVICE_NONE;
    err->advice_then = VHDX_ADVICE_NONE;
    err->advice_argument[0] = '\0';
}

vhdx_status vx_advise(vhdx_error *err, vhdx_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list arguments;
    va_start(arguments, format);
    advise(err, VHDX_ADVICE_TEXT, format, arguments);
    va_end(arguments);
    return status;
}

vhdx_status vx_advise_as(vhdx_error *err, vhdx_status status, vhdx_advice advice, const char *format, ...)
{
    if (!err)
        return status;
    va_list arguments;
    va_start(arguments, format);
    advise(err, advice, format, arguments);
    va_end(arguments);
    return status;
}

void vx_put_argument(vhdx_error *err, const char *argument)
{
    bool fits = argument && strlen(argument) < sizeof err->advice_argument;
    memcpy(err->advice_argument, fits ? argument : "", fits ? strlen(argument) + 1 : 1);
}

vhdx_status vx_advise_code(vhdx_error *err, vhdx_status status, vhdx_advice advice, const char *argument)
{
    if (!err)
        return status;
    err->advice = advice;
    err->advice_then = VHDX_ADVICE_NONE;
    vx_put_argument(err, argument);
    vx_advice_format(advice, argument, NULL, err->advice_text, sizeof err->advice_text);
    return status;
}

void vhdx_error_format(const vhdx_error *err, char *text, size_t text_size)
{
    char where[160];
    struct vx_text out = vx_text_begin(where, sizeof where);
    if (err->structure)
        vx_text_add(&out, "%s", err->structure);
    if (err->index != VHDX_NOWHERE)
        vx_text_add(&out, " %" PRIu64, err->index);
    if (err->offset != VHDX_NOWHERE)
        vx_text_add(&out, "%soffset 0x%" PRIx64, out.length ? ", " : "", err->offset);
    snprintf(text, text_size, "%s%s%s%s%s%s%s%s", err->path, err->path[0] ? ": " : "", err->message,
             where[0] ? " (" : "", where, where[0] ? ")" : "", err->advice_text[0] ? "; " : "", err->advice_text);
}
