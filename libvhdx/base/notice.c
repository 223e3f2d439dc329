/*
 * Notices and progress. See notice.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/notice.h"

#include "base/advice.h"

#include <stdarg.h>
#include <stdio.h>

void vx_notice(vhdx_notice_fn notice, void *context, vhdx_notice_kind kind, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    if (!notice)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vx_notice_advised(notice, context, &(vhdx_notice){.kind = kind, .text = text});
}

void vx_notice_advised(vhdx_notice_fn notice, void *context, const vhdx_notice *given)
{
    char words[4096];
    vhdx_notice told = *given;
    if (!notice)
        return;
    vx_advice_format(told.advice, told.advice_arguments[0], told.advice_arguments[1], words, sizeof words);
    told.advice_text = words;
    notice(context, &told);
}

vhdx_status vx_progress(vhdx_progress_fn progress, void *context, const vhdx_progress *now, const char *path,
                        const char *what, vhdx_error *err)
{
    if (!progress || progress(context, now))
        return VHDX_OK;
    return vx_fail(err, VHDX_CANCELLED, vx_at_file(path), "%s was cancelled", what);
}
