/*
 * Draws the bar, the rate and the time left. See progress.h. Easy to get wrong: the rate is that of the present phase
 * (planning is much faster than copying), and the line must never be wider than 79 columns, or wiping it leaves rests.
 */
/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "platform.h"
#include "report.h"

#include <inttypes.h>
#include <string.h>

enum { BAR_WIDTH = 24 };

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

static void draw_bar(double share)
{
    char bar[BAR_WIDTH + 1];
    size_t full = (size_t)(share * BAR_WIDTH);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full < BAR_WIDTH ? full : BAR_WIDTH);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, " [%s] %3d%%", bar, (int)(share * 100.0));
}

/* Hours would be wrong by more than the minutes in the first seconds, so nothing is said then. */
static void draw_time_left(double seconds)
{
    if (seconds >= 360000.0)
        return;
    uint64_t left = (uint64_t)seconds;
    if (left >= 3600)
        fprintf(stderr, "  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", left / 3600, left / 60 % 60, left % 60);
    else
        fprintf(stderr, "  %" PRIu64 ":%02" PRIu64 " left", left / 60, left % 60);
}

static void draw_rate(const struct progress *progress, const vhdx_progress *now)
{
    double seconds = platform_seconds() - progress->phase_began;
    if (seconds < 1.0 || now->bytes_done <= progress->phase_base)
        return;
    char text[REPORT_SIZE_ROOM];
    double rate = (double)(now->bytes_done - progress->phase_base) / seconds;
    report_size_short((uint64_t)rate, text);
    fprintf(stderr, "  %s/s", text);
    if (now->bytes_total > now->bytes_done)
        draw_time_left((double)(now->bytes_total - now->bytes_done) / rate);
}

static void draw(struct progress *progress, const vhdx_progress *now)
{
    char done[REPORT_SIZE_ROOM];
    progress_clear(progress);
    fprintf(stderr, "%-6s", phase_name(now->phase));
    if (now->bytes_total && now->bytes_done <= now->bytes_total)
        draw_bar((double)now->bytes_done / (double)now->bytes_total);
    report_size_short(now->bytes_done, done);
    fprintf(stderr, "  %s", done);
    draw_rate(progress, now);
    fflush(stderr);
    progress->drawn = true;
}

bool progress_step(void *context, const vhdx_progress *now)
{
    struct progress *progress = context;
    if (platform_interrupted())
        return false;
    if (!progress->visible)
        return true;
    if (progress->phase != now->phase) {
        progress->phase = now->phase;
        progress->phase_began = platform_seconds();
        progress->phase_base = now->bytes_done;
    }
    draw(progress, now);
    return true;
}

void progress_clear(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fprintf(stderr, "\r%79s\r", "");
    progress->drawn = false;
}

void progress_advise(vhdx_error *err, const char *advice)
{
    if (err->status == VHDX_CANCELLED)
        snprintf(err->advice, sizeof err->advice, "%s", advice);
}
