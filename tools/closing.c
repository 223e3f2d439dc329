/*
 * The last words about a disk. See closing.h. Whether Hyper-V opens a disk is concluded from what kind of structure is
 * damaged: what is read when a disk is opened (headers, tables, metadata, log, parent) must be whole; what is wrong
 * with single blocks it may meet at once or much later. Easy to get wrong: a disk without a parent in reach has no
 * findings when its chain was not checked, and does not open all the same.
 */
/* SPDX-License-Identifier: MIT */
#include "closing.h"

#include "text.h"

#include <inttypes.h>
#include <string.h>

void closing_look(struct closing *closing, const char *path, const vhdx_open_options *options)
{
    closing->content = (vhdx_content){.struct_size = sizeof closing->content};
    closing->known = vhdx_content_look(path, options, &closing->content, &closing->why_not) == VHDX_OK;
}

/* ---- whether it opens ---- */

static bool is_of_blocks(const vhdx_finding *finding)
{
    static const char *const structures[] = {"BAT", "BAT entry", "payload block", "sector bitmap", "content"};
    for (size_t i = 0; finding->structure && i < sizeof structures / sizeof structures[0]; i++)
        if (strcmp(finding->structure, structures[i]) == 0)
            return true;
    return false;
}

/* What is no damage, and stops Hyper-V in any case: marks of the host's file, a merge that must be finished first. */
static bool stops(const vhdx_finding *finding)
{
    static const char *const ids[] = {"VHDX-HOST-SPARSE", "VHDX-HOST-COMPRESSED", "VHDX-HOST-ENCRYPTED",
                                      "VHDX-MERGE-UNFINISHED", "VHDX-PARENT-MERGE-BEGUN"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (strcmp(finding->id, ids[i]) == 0)
            return true;
    return false;
}

static void conclude(struct closing *closing, enum opening opening, const char *reason)
{
    if (opening <= closing->opening)
        return;
    closing->opening = opening;
    snprintf(closing->reason, sizeof closing->reason, "%s", reason);
}

/* A yes with a condition; the first one stays. */
static void remark(struct closing *closing, const char *text)
{
    if (closing->opening == OPENING_YES && !closing->reason[0])
        snprintf(closing->reason, sizeof closing->reason, "%s", text);
}

static void weigh(struct closing *closing, const vhdx_finding *finding)
{
    if (finding->corrected)
        return;
    if (stops(finding) || (finding->severity == VHDX_SEVERITY_ERROR && !is_of_blocks(finding)))
        conclude(closing, OPENING_NO, finding->message);
    else if (finding->severity == VHDX_SEVERITY_ERROR)
        conclude(closing, OPENING_PERHAPS, finding->message);
    else if (strcmp(finding->id, "VHDX-HEADER-DIRTY") == 0)
        remark(closing, "it applies the log then, as 'vhdx repair' would now: the disk was not closed cleanly");
}

void closing_of(struct closing *closing, const char *path, const vhdx_open_options *options, const vhdx_report *report,
                bool chain)
{
    *closing = (struct closing){.opening = OPENING_YES};
    closing_look(closing, path, options);
    for (size_t file = 0; file < vhdx_report_file_count(report); file++) {
        const vhdx_finding *finding;
        for (size_t i = 0; (finding = vhdx_report_finding(report, file, i)) != NULL; i++)
            weigh(closing, finding);
    }
    if (!closing->known && closing->opening == OPENING_YES)
        conclude(closing, OPENING_NO, closing->why_not.message);
    const vhdx_open_options peek = {.struct_size = sizeof peek, .inspect_only = true};
    vhdx_image *image;
    if (closing->opening != OPENING_YES || chain || vhdx_image_open(path, &peek, &image, NULL) != VHDX_OK)
        return;
    if (vhdx_image_info(image)->parent)
        remark(closing, "its parents were found, but not checked: --chain does that");
    vhdx_image_free(image);
}

/* ---- words ---- */

void closing_content_text(const struct closing *closing, char *text, size_t size)
{
    const vhdx_content *content = &closing->content;
    if (!closing->known) {
        snprintf(text, size, "not known: the disk cannot be read as it is");
        return;
    }
    switch (content->state) {
    case VHDX_CONTENT_STATE_ALIVE:
        snprintf(text, size, "%s", content->text);
        break;
    case VHDX_CONTENT_STATE_DOUBTFUL:
        snprintf(text, size, "%s; not all of it fits together (%" PRIu32 " of %" PRIu32 " things that were looked at)",
                 content->text, content->contradictions, content->contradictions + content->agreements);
        break;
    case VHDX_CONTENT_STATE_EMPTY:
        snprintf(text, size, "none: the disk begins with zeros");
        break;
    case VHDX_CONTENT_STATE_UNKNOWN:
        snprintf(text, size, "nothing recognizable is on this disk (no partition table, no known file system)");
        break;
    default:
        snprintf(text, size, "not known: the disk's first sectors cannot be read");
    }
}

static const char *opening_name(enum opening opening)
{
    return opening == OPENING_YES ? "yes" : opening == OPENING_PERHAPS ? "perhaps" : "no";
}

void closing_print(FILE *out, const struct closing *closing)
{
    char content[sizeof closing->content.text + 200], line[sizeof closing->reason + 64];
    closing_content_text(closing, content, sizeof content);
    fputs("\nContent: ", out);
    text_put_wrapped_line(out, content, (int)strlen("Content: "));
    const char *because = closing->opening == OPENING_YES  ? "; "
                          : closing->opening == OPENING_NO ? ", because "
                                                           : " not, because ";
    snprintf(line, sizeof line, "%s%s%s", opening_name(closing->opening), closing->reason[0] ? because : "",
             closing->reason);
    fputs("\nOpens in Hyper-V: ", out);
    text_put_wrapped_line(out, line, (int)strlen("Opens in Hyper-V: "));
    fputc('\n', out);
}

static const char *state_name(vhdx_content_state state)
{
    static const char *const names[] = {"unreadable", "empty", "unknown", "alive", "doubtful"};
    return (unsigned)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

void closing_json(struct json *json, const struct closing *closing, bool opening)
{
    if (closing->known) {
        json_object_begin(json, "content");
        json_text(json, "state", state_name(closing->content.state));
        json_text(json, "text", closing->content.text);
        json_number(json, "agreements", closing->content.agreements);
        json_number(json, "contradictions", closing->content.contradictions);
        json_object_end(json);
    } else {
        json_null(json, "content");
    }
    if (!opening)
        return;
    json_object_begin(json, "opens");
    json_text(json, "answer", opening_name(closing->opening));
    json_text(json, "reason", closing->reason[0] ? closing->reason : NULL);
    json_object_end(json);
}

void closing_json_none(struct json *json)
{
    json_null(json, "content");
    json_null(json, "opens");
}
