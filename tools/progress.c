/*
 * Draws the bar, the rate and the time left. See progress.h. The rate is that of the present phase
 * (planning is much faster than copying); a line as wide as the terminal breaks into two, and then wiping it leaves
 * rests; and standard error may be buffered, so a wiped line must be sent before the answer goes to standard output.
 */
/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "platform.h"
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define SECONDS_BETWEEN 0.2 /* a serial console is slow */

enum { BAR_WIDTH = 24, COLUMNS_MAX = 79 };

/* What is shown on the line, part by part; a part that does not fit is left out, and all after it. */
struct line {
    char text[COLUMNS_MAX + 1];
    size_t used, room;
    bool full;
};

void progress_begin(struct progress *progress, const struct cli *cli)
{
    *progress = (struct progress){0};
    progress->visible = !cli->quiet && !cli->no_progress && platform_is_terminal(stderr);
    platform_catch_interrupts();
}

static const char *phase_name(vhdx_phase phase)
{
    switch (phase) {
    case VHDX_PHASE_PLAN:
        return "plan";
    case VHDX_PHASE_COPY:
        return "copy";
    case VHDX_PHASE_FINISH:
        return "finish";
    case VHDX_PHASE_READ:
        return "read";
    }
    return "work";
}

/* One column stays free: some terminals go to the next line when the last one is filled. */
static struct line new_line(void)
{
    int columns = platform_columns(stderr);
    size_t room = columns > 1 && columns <= COLUMNS_MAX ? (size_t)columns - 1 : COLUMNS_MAX;
    return (struct line){.room = room};
}

static void add(struct line *line, const char *format, ...) TOOL_PRINTF(2, 3);
static void add(struct line *line, const char *format, ...)
{
    char part[COLUMNS_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    line->full = line->full || length < 0 || (size_t)length > line->room - line->used;
    if (line->full)
        return;
    memcpy(line->text + line->used, part, (size_t)length);
    line->used += (size_t)length;
}

static void add_bar(struct line *line, double share)
{
    char bar[BAR_WIDTH + 1];
    size_t full = (size_t)(share * BAR_WIDTH);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full < BAR_WIDTH ? full : BAR_WIDTH);
    bar[BAR_WIDTH] = '\0';
    if (line->room >= COLUMNS_MAX - BAR_WIDTH)
        add(line, " [%s]", bar);
    add(line, " %3d%%", (int)(share * 100.0));
}

/* Hours would be wrong by more than the minutes in the first seconds, so nothing is said then. */
static void add_time_left(struct line *line, double seconds)
{
    if (seconds >= 360000.0)
        return;
    uint64_t left = (uint64_t)seconds;
    if (left >= 3600)
        add(line, "  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", left / 3600, left / 60 % 60, left % 60);
    else
        add(line, "  %" PRIu64 ":%02" PRIu64 " left", left / 60, left % 60);
}

static void add_rate(struct line *line, const struct progress *progress, const vhdx_progress *now)
{
    double seconds = platform_seconds() - progress->phase_began;
    if (seconds < 1.0 || now->bytes_done <= progress->phase_base)
        return;
    char text[REPORT_SIZE_ROOM];
    double rate = (double)(now->bytes_done - progress->phase_base) / seconds;
    report_size_short((uint64_t)rate, text);
    add(line, "  %s/s", text);
    if (now->bytes_total > now->bytes_done)
        add_time_left(line, (double)(now->bytes_total - now->bytes_done) / rate);
}

/* What is behind the new text is overwritten with spaces; the line is not wiped first, which would flicker. */
static void put(struct progress *progress, const struct line *line)
{
    size_t rest = progress->drawn > line->used ? progress->drawn - line->used : 0;
    fprintf(stderr, "\r%.*s%*s", (int)line->used, line->text, (int)rest, "");
    fflush(stderr);
    progress->drawn = line->used + rest;
    progress->drawn_at = platform_seconds();
    progress->ever_drawn = true;
}

static bool is_time(const struct progress *progress)
{
    return progress->visible && (!progress->ever_drawn || platform_seconds() - progress->drawn_at >= SECONDS_BETWEEN);
}

/* Work that has no bytes to count (one structure after the other) says its share as 0 or 1 of 1. */
static void draw(struct progress *progress, const vhdx_progress *now)
{
    char done[REPORT_SIZE_ROOM];
    struct line line = new_line();
    add(&line, "%-6s", phase_name(now->phase));
    if (now->bytes_total && now->bytes_done <= now->bytes_total)
        add_bar(&line, (double)now->bytes_done / (double)now->bytes_total);
    if (now->bytes_total != 1) {
        report_size_short(now->bytes_done, done);
        add(&line, "  %s", done);
        add_rate(&line, progress, now);
    }
    put(progress, &line);
}

bool progress_step(void *context, const vhdx_progress *now)
{
    struct progress *progress = context;
    if (platform_interrupted())
        return false;
    if (progress->visible && progress->phase != now->phase) {
        progress->phase = now->phase;
        progress->phase_began = platform_seconds();
        progress->phase_base = now->bytes_done;
    }
    if (is_time(progress))
        draw(progress, now);
    return true;
}

void progress_say(struct progress *progress, const char *format, ...)
{
    if (!is_time(progress))
        return;
    char text[COLUMNS_MAX + 1];
    struct line line = new_line();
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add(&line, "%.*s", (int)line.room, text);
    put(progress, &line);
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn == 0)
        return;
    fprintf(stderr, "\r%*s\r", (int)progress->drawn, "");
    fflush(stderr);
    progress->drawn = 0;
}

void progress_advise(vhdx_error *err, const char *advice)
{
    if (err->status != VHDX_CANCELLED)
        return;
    snprintf(err->advice_text, sizeof err->advice_text, "%s", advice);
    err->advice = VHDX_ADVICE_TEXT;
}
