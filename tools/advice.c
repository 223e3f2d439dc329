/*
 * The table of advice and command lines. See advice.h. A path within a command is one word of a
 * shell ({1:word}), and without one the command still has to read as an example.
 */
/* SPDX-License-Identifier: MIT */
#include "advice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    vhdx_advice advice;
    const char *words;
};

static const struct row rows[] = {
    {VHDX_ADVICE_FREE_SPACE_OR_KEEP, "free space on the volume, then run the command again without '--reclaim'"},
    {VHDX_ADVICE_FREE_SPACE_TO_RECLAIM, "free space on the volume ({1} are the least for '--reclaim' here), then "
                                        "run the command again"},
    {VHDX_ADVICE_FREE_SPACE_OR_RECLAIM, "free space on the volume, or give the merged layers' space back meanwhile "
                                        "with '--reclaim' (needs {1}), then run the command again"},
    {VHDX_ADVICE_GO_ON_OR_UNDO, "run the same command again to go on; to go back: vhdx undo {1:word}"},
    {VHDX_ADVICE_FREE_SPACE_GO_ON_OR_UNDO, "free space on the volume, then run the same command again to go on; to "
                                           "go back: vhdx undo {1:word}"},
    {VHDX_ADVICE_REPAIR, "'vhdx repair' corrects it, and nothing is lost by that"},
    {VHDX_ADVICE_REPAIR_LOG_FIRST, "nothing was changed; 'vhdx repair' keeps these blocks and empties the log"},
    {VHDX_ADVICE_REPAIR_KEEPS_BLOCKS, "'vhdx repair' keeps the blocks and empties the log; nothing is lost by that"},
    {VHDX_ADVICE_REPAIR_EMPTIES_LOG, "'vhdx repair' empties the log"},
    {VHDX_ADVICE_REPAIR_ENTRIES_FIRST, "nothing was changed; 'vhdx repair' puts them back"},
    {VHDX_ADVICE_REPAIR_ENTRIES, "'vhdx repair' puts them back: each block has one place in the file"},
    {VHDX_ADVICE_REPAIR_MAKES, "'vhdx repair' makes the {1} anew"},
    {VHDX_ADVICE_REPAIR_MAKES_BY, "'vhdx repair' makes the {1} anew; the evidence: {2}"},
    {VHDX_ADVICE_REPAIR_ROOM, "'vhdx repair' {1}; the evidence: {2}"},
    {VHDX_ADVICE_REPAIR_SETS, "'vhdx repair' sets it to {1}, with which all of that agrees"},
    {VHDX_ADVICE_REPAIR_MARKS_CHILD, "it is a child whose mark is gone, as its BAT shows; 'vhdx repair' marks it "
                                     "again"},
    {VHDX_ADVICE_REPAIR_LINKAGE, "'vhdx repair' writes its id into the parent locator"},
    {VHDX_ADVICE_REPAIR_PATHS, "'vhdx repair' writes the paths anew, as 'vhdx relink --parent PARENT CHILD' does"},
    {VHDX_ADVICE_REPAIR_LINKS, "'vhdx repair --parent PARENT CHILD' links to it"},
    {VHDX_ADVICE_REPAIR_ASSUME, "more than one value would do; say which with 'vhdx repair --assume {1}' or 'vhdx "
                                "repair --assume {2}'"},
    {VHDX_ADVICE_REPAIR_ASSUME_BLOCK_SIZE, "nothing says which value is the right one; 'vhdx repair --assume "
                                           "block-size=BYTES' takes one that is known from elsewhere"},
    {VHDX_ADVICE_LOSSY, "'vhdx repair --salvage' rebuilds what it can; what is gone becomes zeros, and is listed"},
    {VHDX_ADVICE_LOSSY_ENTRIES_FIRST, "nothing was changed; 'vhdx repair --salvage' puts them back; see 'vhdx "
                                      "verify'"},
    {VHDX_ADVICE_LOSSY_ENTRIES, "'vhdx repair --salvage' puts them back, and lists the blocks as in doubt"},
    {VHDX_ADVICE_LOSSY_MAKES, "'vhdx repair --salvage' makes the {1} anew"},
    {VHDX_ADVICE_LOSSY_MAKES_BY, "'vhdx repair --salvage' makes the {1} anew; the evidence: {2}"},
    {VHDX_ADVICE_LOSSY_ROOM, "'vhdx repair --salvage' {1}; the evidence: {2}"},
    {VHDX_ADVICE_LOSSY_SETS, "'vhdx repair --salvage' sets it to {1}, with which all of that agrees"},
    {VHDX_ADVICE_LOSSY_LINKS, "the content speaks for it: 'vhdx repair --salvage --parent PARENT CHILD' links to "
                              "it, and 'vhdx undo' takes that back; else look for the file with the expected id"},
    {VHDX_ADVICE_LOSSY_CLEARS, "if the disk was larger once, that is its content: make sure of the size first; "
                               "'vhdx repair --salvage' clears the entry"},
    {VHDX_ADVICE_LOSSY_MAKES_PRESENT, "the place leads to content that no other block owns, and the blocks around "
                                      "say that it is this one's: 'vhdx repair --salvage' makes it present"},
    {VHDX_ADVICE_LOSSY_GIVES_UP, "nothing of the entry makes sense: 'vhdx repair --salvage' gives the block up"},
    {VHDX_ADVICE_LOSSY_MOVED, "the entry leads to content that no block owns, as if entries of the BAT had moved: "
                              "'vhdx repair --salvage' rebuilds what it can, and lists the rest"},
    {VHDX_ADVICE_LOSSY_TELLS, "'vhdx repair --salvage' puts back what the log and the blocks tell; 'vhdx export "
                              "--salvage' saves the rest in pieces"},
    {VHDX_ADVICE_LOSSY_FORGETS_PARENT, "harmless when a merge has left it; if the disk was a checkpoint, its mark "
                                       "is lost, and '--salvage' would remove what is known of its parent"},
    {VHDX_ADVICE_SALVAGE, "'vhdx export --salvage' writes what is left to a new file"},
    {VHDX_ADVICE_SALVAGE_THEN_REPAIR, "nothing was changed; save the disk with 'vhdx export --salvage', then 'vhdx "
                                      "repair --salvage'"},
    {VHDX_ADVICE_SALVAGE_THEN_REPLAY, "'vhdx export --salvage' first; 'vhdx repair --salvage' replays the log and "
                                      "gives these up"},
    {VHDX_ADVICE_SALVAGE_PIECES, "if something is missing on the disk, 'vhdx export --salvage' saves it in pieces"},
    {VHDX_ADVICE_SALVAGE_RUIN, "check that this is the right file; if it was a VHDX, 'vhdx export --salvage' reads "
                               "what is left of it"},
    {VHDX_ADVICE_SALVAGE_AND_REPORT,
     ", and 'vhdx export --salvage' copies what can be read (please report this fault)"},
    {VHDX_ADVICE_SALVAGE_OR_LOSSY, ": 'vhdx export --salvage' copies what can be read, and 'vhdx repair --salvage' "
                                   "repairs the rest"},
    {VHDX_ADVICE_NAME_PARENT, "find the file and name it, or its directory, with --parent"},
    {VHDX_ADVICE_NAME_RIGHT_PARENT, "find the file with the expected id and name it, or its directory, with "
                                    "--parent"},
    {VHDX_ADVICE_NAME_PARENT_AND_RELINK, "say where it is with --parent DIRECTORY; when it is found, 'vhdx relink "
                                         "--parent PARENT CHILD' writes that down"},
    {VHDX_ADVICE_RELINK_FORCED,
     "find the file with the expected id; if that is lost and this one differs from it "
     "in nothing that the child relies on, work on copies and use '--force', then check the file systems inside"},
    {VHDX_ADVICE_RELINK_FORCED_MIXTURE,
     "look for the right file (a copy, a backup): through this one the child "
     "reads as a mixture of two states. Only '--force' takes it all the same; work on copies"},
    {VHDX_ADVICE_RELINK_FORCED_DAMAGE,
     "look for the right file (a copy, a backup); what this one lacks or has too "
     "much shows as damage inside of the disk. Only 'vhdx relink --force --parent {1:word} {2:word}' links to it "
     "all the same; work on copies"},
    {VHDX_ADVICE_RELINK_FORCED_WRITTEN,
     "look for the right file first (a copy, a backup); if this one was merely "
     "written to since, work on copies: 'vhdx relink --force --parent {1:word} {2:word}', then look at what the "
     "guest says"},
    {VHDX_ADVICE_LOSSY_OR_RELINK_FORCED,
     "look for the right file first (a copy, a backup); if this one was merely "
     "written to since, work on copies: 'vhdx repair --salvage', or 'vhdx relink --force --parent {1:word} "
     "{2:word}', then look at what the guest says"},
    {VHDX_ADVICE_RELINK_CHILD, "\n  vhdx relink --force --parent {1:word} {2:word}"},
    {VHDX_ADVICE_RELINK_CHILDREN, "'vhdx relink --force'"},
    {VHDX_ADVICE_LIST_LAYERS, "see 'vhdx info --chain' for the layers below that disk"},
    {VHDX_ADVICE_MERGE_TO_NEW, "merge into a new file with '-o NEW', which touches no input"},
    {VHDX_ADVICE_MERGE_TO_NEW_OR_FORCE, "merge into a new file with '-o NEW', or give that disk up with "
                                        "'--force-siblings'"},
    {VHDX_ADVICE_MERGE_REPEAT, "repeat 'vhdx merge' with the same arguments; 'vhdx info' of this disk shows the "
                               "command"},
    {VHDX_ADVICE_MEND_SIBLING_OR_FORCE, "move that file to another directory if it does not belong to these disks, "
                                        "else mend it first; or give it up with '--force-siblings'"},
    {VHDX_ADVICE_MEND_LAYER_OR_FORCE, "it is a layer above {1} and must be linked to the merged disk: mend it "
                                      "first, or give it up with '--force-siblings'"},
    {VHDX_ADVICE_MERGE_INTO_BASE_OR_DOWN, "name the base with '--into', or merge with '--direction down'"},
    {VHDX_ADVICE_MERGE_DOWN_OR_KEEP, "merge with '--direction down', or without '--delete'"},
    {VHDX_ADVICE_MERGE_GOES_ON, "repeat 'vhdx merge' with the same arguments, it goes on with it ('vhdx info' of this "
                                "disk shows the command); until then the disk reads as before"},
    {VHDX_ADVICE_MERGE_COMPLETES, "a disk beside it has that identity, or may have it: that disk holds all of this "
                                  "one by a merge, or will when 'vhdx merge' with the same arguments has completed it"},
    {VHDX_ADVICE_VERIFY, "see 'vhdx verify'"},
    {VHDX_ADVICE_VERIFY_FILE, "see 'vhdx verify {1:word}'"},
    {VHDX_ADVICE_VERIFY_WITHOUT_MANIFEST, "see what 'vhdx verify' says without --manifest"},
    {VHDX_ADVICE_UNDO_ELSEWHERE_OR_SPACE, "nothing was changed; free space, or give the undo file another place "
                                          "with --undo"},
    {VHDX_ADVICE_UNDO_ELSEWHERE, "nothing was changed; give the undo file another place with --undo"},
    {VHDX_ADVICE_UNDO_NAME, "say with --undo where it goes"},
    {VHDX_ADVICE_UNDO_FILE_ITSELF, "name the file that was given to --undo"},
    {VHDX_ADVICE_UNDO_FORCED, "get another copy of the undo file; '--force' puts back what precedes the damage, which "
                              "leaves a disk that is neither old nor new"},
    {VHDX_ADVICE_MAP_ELSEWHERE_OR_SPACE, "the disk was not changed; free space, or give the map another place with "
                                         "--map"},
    {VHDX_ADVICE_MAP_ELSEWHERE, "the disk was not changed; choose another place with --map"},
    {VHDX_ADVICE_MAP_NAME, "say with --map where it goes"},
    {VHDX_ADVICE_RESCUE_AND_REPAIR, "nothing was changed; copy the file with ddrescue and repair the copy with "
                                    "--bad-ranges MAPFILE"},
    {VHDX_ADVICE_NAME_REPORTS, "name reports that 'vhdx orphans --json' has written"},
    {VHDX_ADVICE_NAME_MAPS, "--map tells which is meant"},
    {VHDX_ADVICE_SET_LEAF_OR_FORCE, "change the topmost layer, whose values a guest sees; or use '--force', then "
                                    "'vhdx relink --force' for the children: what they read does not change"},
    {VHDX_ADVICE_RESIZE_LEAF, "resize the topmost layer, whose size a guest sees, or 'vhdx merge' the children first"},
    {VHDX_ADVICE_CONVERT, "'vhdx convert -o NEW {1:word}' makes a VHDX of it"},
};

static const char *words_of(vhdx_advice advice)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].advice == advice)
            return rows[i].words;
    return NULL;
}

struct sink {
    char *text;
    size_t used;
};

static void put(struct sink *sink, const char *bytes, size_t length)
{
    size_t rest = ADVICE_ROOM - 1 - sink->used;
    length = length < rest ? length : rest;
    memcpy(sink->text + sink->used, bytes, length);
    sink->used += length;
    sink->text[sink->used] = '\0';
}

static void put_word(struct sink *sink, const char *argument)
{
    size_t rest = ADVICE_ROOM - sink->used;
    size_t length = argument ? vhdx_quote(argument, VHDX_SHELL_HERE, sink->text + sink->used, rest) : 0;
    if (length > 0 && length < rest)
        sink->used += length;
    else
        put(sink, "FILE", 4);
}

static const char *fill(const char *words, const char *first, const char *second, char room[ADVICE_ROOM])
{
    struct sink sink = {room, 0};
    room[0] = '\0';
    while (*words) {
        bool place = words[0] == '{' && (words[1] == '1' || words[1] == '2');
        const char *argument = words[1] == '1' ? first : second;
        if (!place) {
            put(&sink, words++, 1);
        } else if (words[2] == ':') {
            put_word(&sink, argument);
            words = strchr(words, '}') + 1;
        } else {
            put(&sink, argument ? argument : "", argument ? strlen(argument) : 0);
            words += 3;
        }
    }
    return room;
}

const char *advice_of_finding(const vhdx_finding *finding, char room[ADVICE_ROOM])
{
    const char *words = words_of(finding->advice);
    return words ? fill(words, finding->advice_arguments[0], finding->advice_arguments[1], room) : finding->advice_text;
}

/* A merge that is not finished says what holds, and then what its own advice is. */
static const char *unfinished(const vhdx_error *err, const char *then, char room[ADVICE_ROOM])
{
    snprintf(room, ADVICE_ROOM, "the merge is not finished, %s still reads as before; %s%s", err->advice_argument, then,
             VHDX_ADVICE_IS_AGAIN(err->advice_then) ? "" : ", then run the same command again");
    return room;
}

const char *advice_of_error(const vhdx_error *err, char room[ADVICE_ROOM])
{
    const char *words = words_of(err->advice), *then = words_of(err->advice_then);
    if (err->advice == VHDX_ADVICE_MERGE_UNFINISHED && then)
        return unfinished(err, then, room);
    return words ? fill(words, err->advice_argument[0] ? err->advice_argument : NULL, NULL, room) : err->advice_text;
}

const char *advice_alone(vhdx_advice advice, char room[ADVICE_ROOM])
{
    const char *words = words_of(advice);
    return words ? fill(words, NULL, NULL, room) : "";
}

/* For free(); NULL when memory ran out. */
static char *joined(const char *text, const char *advice)
{
    const char *between = !advice || !advice[0] || strchr("\n:,", advice[0]) ? "" : "; ";
    advice = advice ? advice : "";
    size_t size = strlen(text) + strlen(between) + strlen(advice) + 1;
    char *whole = malloc(size);
    if (whole)
        snprintf(whole, size, "%s%s%s", text, between, advice);
    return whole;
}

char *advice_with_notice(const vhdx_notice *notice)
{
    char room[ADVICE_ROOM];
    const char *words = words_of(notice->advice);
    return joined(notice->text, words ? fill(words, notice->advice_arguments[0], notice->advice_arguments[1], room)
                                      : notice->advice_text);
}

char *advice_with_remark(const vhdx_remark *remark)
{
    const char *words = words_of(remark->advice);
    return joined(remark->message, words ? words : remark->advice_text);
}
