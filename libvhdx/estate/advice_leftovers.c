/*
 * Leftovers: what is not needed is copied, moved aside or removed. Upholds A1, A3 and A4 of advice_order.h.
 *
 * The commands are typed by hand, perhaps twice. They replace no file that has the name already, and
 * say so when they have moved nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/adviser.h"

#include "base/path.h"

#include <stdio.h>
#include <string.h>

/* The root that the file is in, as it was told. */
static size_t root_of(const struct vx_adviser *a, const struct vx_disk *disk)
{
    bool windows = vx_advice_is_windows(a, disk);
    size_t best = 0;
    for (size_t i = 0; i < a->estate->place_count && a->estate->places[i].searched; i++) { /* these come first */
        const char *place = a->estate->places[i].path;
        size_t size = strlen(place);
        bool ends_so = size > 0 && vx_path_is_separator(place[size - 1], windows);
        bool inside = size >= best && strncmp(disk->pub.path, place, size) == 0 &&
                      (ends_so || vx_path_is_separator(disk->pub.path[size], windows));
        if (inside)
            best = size;
    }
    return best;
}

/* Its path is told from ".", which is not written in front of it. */
static bool is_told_from_here(const struct vx_adviser *a, const struct vx_disk *disk)
{
    bool here = false;
    for (size_t i = 0; i < a->estate->place_count && a->estate->places[i].searched; i++)
        here = here || strcmp(a->estate->places[i].path, ".") == 0;
    return here && !vx_path_is_absolute(disk->pub.path, vx_advice_is_windows(a, disk));
}

/* "ROOT/vhdx-quarantine/below", in which a file keeps the place that it had; from the second `turn` on
 * "ROOT/vhdx-quarantine/2/below". */
static const char *quarantine_at(struct vx_adviser *a, const struct vx_disk *disk, unsigned turn)
{
    bool windows = vx_advice_is_windows(a, disk);
    const char *path = disk->pub.path, *separator = windows ? "\\" : "/", *below;
    size_t root = root_of(a, disk), directory = (size_t)(vx_path_name(path, windows) - path);
    char number[16] = "";
    if (turn > 1)
        snprintf(number, sizeof number, "%s%u", separator, turn);
    while (root > 1 && vx_path_is_separator(path[root - 1], windows) && !(windows && path[root - 2] == ':'))
        root--;
    if (root == 0 && is_told_from_here(a, disk))
        return vx_advice_say(a, "%s%s%s%.*s", VX_QUARANTINE, number, directory ? separator : "",
                             directory ? (int)directory - 1 : 0, path);
    if (root == 0)
        return vx_advice_say(a, "%.*s%s%s", (int)directory, path, VX_QUARANTINE, number);
    bool joined = vx_path_is_separator(path[root - 1], windows); /* "/", "C:\" */
    size_t rest = joined ? root : root + 1;
    below = directory > rest ? separator : "";
    return vx_advice_say(a, "%.*s%s%s%s%s%.*s", (int)root, path, joined ? "" : separator, VX_QUARANTINE, number, below,
                         directory > rest ? (int)(directory - rest - 1) : 0, path + rest);
}

/* Whether the search has met a file of that name in that directory. The command asks once more, see step_move(). */
static bool is_taken(struct vx_adviser *a, const struct vx_disk *disk, const char *directory)
{
    bool windows = vx_advice_is_windows(a, disk);
    size_t lead = strlen(disk->pub.path), whole = strlen(disk->absolute);
    const char *separator = windows ? "\\" : "/", *name = vx_path_name(disk->pub.path, windows);
    /* what is before the path as it was told */
    const char *before =
        whole >= lead && strcmp(disk->absolute + whole - lead, disk->pub.path) == 0 ? disk->absolute : "";
    int length = *before ? (int)(whole - lead) : 0;
    const char *place = vx_advice_say(a, "%.*s%s%s%s", length, before, directory, separator, name);
    return vx_names_at(a->estate, a->estate->names, place, disk->source) != VHDX_NONE;
}

/* A directory in which no file of that name is known; the command still makes sure. */
static const char *quarantine_of(struct vx_adviser *a, const struct vx_disk *disk)
{
    enum { TURNS = 1000 };
    const char *directory = quarantine_at(a, disk, 1);
    for (unsigned turn = 2; turn <= TURNS && is_taken(a, disk, directory); turn++)
        directory = quarantine_at(a, disk, turn);
    return directory;
}

/* The tracking files of a disk go with it. A4: no other kind ever does. */
static const char *with_side_files(struct vx_adviser *a, size_t number)
{
    const char *text = vx_advice_path(a, number);
    bool windows = vx_advice_is_windows(a, vx_advice_disk(a, number));
    for (size_t i = vx_advice_disk(a, number)->first_side; i != VHDX_NONE; i = a->estate->sides[i].next_side)
        text = vx_advice_say(a, "%s %s", text, vx_advice_quoted(a, a->estate->sides[i].pub.path, windows));
    return text;
}

/* 'move' would replace a file of that name without a word, and take a directory that is missing for a new name. */
static void step_move_windows(struct vx_adviser *a, size_t number, const char *directory, const char *path)
{
    const char *to = vx_advice_quoted(a, directory, true);
    const char *there = vx_advice_quoted(a, vx_advice_say(a, "%s\\%s", directory, vx_path_name(path, true)), true);
    vx_advice_step(
        a, VHDX_STEP_QUARANTINE, number,
        "(if not exist %s mkdir %s) & if exist %s (echo %s is there already, nothing was moved) else move %s %s", to,
        to, there, there, vx_advice_quoted(a, path, true), there);
}

/* "&& [ ! -e FILE ]" for the disk and each of the files that go with it. */
static const char *tests_of(struct vx_adviser *a, size_t number)
{
    const char *text = vx_advice_say(a, "[ ! -e %s ]", vx_advice_path(a, number));
    for (size_t i = vx_advice_disk(a, number)->first_side; i != VHDX_NONE; i = a->estate->sides[i].next_side)
        text = vx_advice_say(a, "%s && [ ! -e %s ]", text, vx_advice_quoted(a, a->estate->sides[i].pub.path, false));
    return text;
}

/* 'mv -n' says nothing when it leaves a file where it is, so the command asks what became of it. */
static void step_move(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    const char *directory = quarantine_of(a, disk);
    a->family->reclaimable += disk->pub.allocated;
    a->moves[number] = true;
    if (!vx_advice_is_windows(a, disk)) {
        const char *to = vx_advice_quoted(a, directory, false);
        vx_advice_step(a, VHDX_STEP_QUARANTINE, number,
                       "mkdir -p %s && mv -n %s %s && %s || { echo 'not moved' >&2; false; }", to,
                       with_side_files(a, number), to, tests_of(a, number));
        return;
    }
    step_move_windows(a, number, directory, disk->pub.path);
    for (size_t i = disk->first_side; i != VHDX_NONE; i = a->estate->sides[i].next_side)
        step_move_windows(a, number, directory, a->estate->sides[i].pub.path);
}

/* A2, A3: what is redundant, proven by its bytes, where nothing speaks against it. */
static void step_remove(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    bool windows = vx_advice_is_windows(a, disk);
    vx_advice_step(a, VHDX_STEP_DELETE, number, "%s %s", windows ? "del" : "rm", with_side_files(a, number));
    a->family->reclaimable += disk->pub.allocated;
    a->moves[number] = true;
}

/* A1: whether nothing that stays needs the disk. */
static bool is_free(const struct vx_adviser *a, const struct vx_disk *disk)
{
    bool plain =
        vx_disk_is_differencing(disk) && !vx_disk_is_vhd(disk) && !disk->is_needed && !disk->serves_others &&
        !disk->in_cycle && !disk->truncated && !disk->parent_second &&
        !(disk->pub.flags & (VHDX_DISK_FLAG_OTHER_USE | VHDX_DISK_FLAG_BROKEN_BELOW | VHDX_DISK_FLAG_QUARANTINED));
    bool unnamed = disk->pub.status == VHDX_DISK_STATUS_ORPHAN || disk->pub.status == VHDX_DISK_STATUS_PARENT_MOVED;
    if (!plain || !unnamed || !vx_can_be_typed(a, disk) || disk->pub.twin != VHDX_NONE || disk->pub.parent == VHDX_NONE)
        return false;
    for (size_t i = 0; i < disk->pub.child_count; i++)
        if (!a->moves[disk->pub.children[i]] && !vx_disk_is_quarantined(vx_advice_disk(a, disk->pub.children[i])))
            return false;
    return true;
}

static void advise_leftover(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    bool redundant = disk->pub.comparison == VHDX_COMPARISON_EQUAL;
    if (redundant && a->family->may_delete) {
        step_remove(a, number);
        return;
    }
    if (disk->pub.role == VHDX_DISK_ROLE_LEAF && !redundant && !vx_advice_step_copy(a, number)) /* A3 */
        return;
    step_move(a, number);
}

/* A1: an equal copy goes only while the one that it equals stays, and nothing that stays hangs on it. */
static bool is_spare(const struct vx_adviser *a, const struct vx_disk *disk)
{
    const struct vx_disk *twin = vx_is_equal_copy(disk) ? vx_advice_disk(a, disk->pub.twin) : NULL;
    if (!twin || disk->is_needed || vx_disk_is_quarantined(disk) || !vx_can_be_typed(a, disk) ||
        a->moves[disk->pub.twin] || !twin->is_sound || vx_disk_is_quarantined(twin))
        return false;
    for (size_t i = 0; i < disk->pub.child_count; i++)
        if (!a->moves[disk->pub.children[i]])
            return false;
    return true;
}

static size_t count_orphans(const struct vx_adviser *a)
{
    size_t count = 0;
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *disk = vx_advice_disk(a, a->family->files[i]);
        bool goes = disk->pub.status == VHDX_DISK_STATUS_ORPHAN || vx_is_equal_copy(disk);
        count += goes && !vx_disk_is_quarantined(disk);
    }
    return count;
}

/* Leaves first: they come after the disks that they depend on. */
void vx_advise_leftovers(struct vx_adviser *a)
{
    if (count_orphans(a) > 0 && !a->may_move)
        vx_advice_step(a, VHDX_STEP_NOTE, VHDX_NONE,
                       "Nothing here is proposed to be moved: %s. Settle that first and search again.",
                       a->blockers.count ? a->blockers.items[0] : "more must be known");
    if (!a->may_move)
        return;
    for (size_t i = a->family->file_count; i-- > 0;) {
        size_t number = a->family->files[i];
        if (is_free(a, vx_advice_disk(a, number)))
            advise_leftover(a, number);
        else if (is_spare(a, vx_advice_disk(a, number)) && a->family->may_delete)
            step_remove(a, number);
        else if (is_spare(a, vx_advice_disk(a, number)))
            step_move(a, number);
    }
}
