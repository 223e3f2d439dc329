/*
 * Advice. See advice.h for its invariants. One family after the other: first what is dangerous, then what is broken, then what lies about.
 *
 * Easy to get wrong: a step is typed as it is, after all the steps before it. So relinking comes before copying through the chain, a leaf is
 * moved before the disk it hangs on, and a disk stays as long as anything that stays hangs on it.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/advice.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/quote.h"
#include "base/utf.h"
#include "chain/chain.h"
#include "io/path.h"
#include "orphans/probe.h"
#include "orphans/scan.h"
#include "orphans/sid.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCKERS_SHOWN 6u

struct step_list {
    vhdx_found_step *items;
    size_t count, room;
};

struct adviser {
    struct vx_estate *estate;
    vhdx_found_family *family;
    struct step_list steps;
    const char *blockers[BLOCKERS_SHOWN + 2];
    size_t blocker_count, blockers_left;
    /* of the whole estate */
    const char *global[BLOCKERS_SHOWN + 2];
    size_t global_count, global_left;
    bool may_move;  /* in this family */
    bool *moves;    /* by disk: it is moved or removed by some step */
};

/* ---- words ---- */

static const char *say(struct adviser *a, const char *format, ...) VX_PRINTF(2, 3);
static void step(struct adviser *a, vhdx_step_kind kind, size_t file, const char *format, ...) VX_PRINTF(4, 5);

static const char *keep(struct adviser *a, const char *text)
{
    const char *copy = vx_arena_text(&a->estate->arena, text);
    if (!copy)
        a->estate->no_memory = true;
    return copy ? copy : "";
}

static const char *say(struct adviser *a, const char *format, ...)
{
    char text[16384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return keep(a, text);
}

static void step(struct adviser *a, vhdx_step_kind kind, size_t file, const char *format, ...)
{
    char text[32768];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        return; /* half a command is worse than none */
    if (a->steps.count == a->steps.room) {
        size_t room = a->steps.room ? 2 * a->steps.room : 16;
        vhdx_found_step *items = vx_resize(a->steps.items, room, sizeof *items);
        if (!items) {
            a->estate->no_memory = true;
            return;
        }
        a->steps.items = items;
        a->steps.room = room;
    }
    a->steps.items[a->steps.count++] = (vhdx_found_step){kind, keep(a, text), file};
}

static const struct vx_disk *disk_at(const struct adviser *a, size_t number)
{
    return &a->estate->disks[number];
}

/* Of the host on which the disk lies, where the steps are to be typed. */
static bool is_windows(const struct adviser *a, const struct vx_disk *disk)
{
    return vx_estate_is_windows(a->estate, disk->absolute, disk->source);
}

static const char *quoted(struct adviser *a, const char *name, bool windows)
{
    const char *text = vx_quote_shell(&a->estate->arena, name, windows);
    if (!text)
        a->estate->no_memory = true;
    return text ? text : "";
}

static const char *powershell(struct adviser *a, const char *name)
{
    const char *text = vx_quote_powershell(&a->estate->arena, name);
    if (!text)
        a->estate->no_memory = true;
    return text ? text : "";
}

static const char *path_of(struct adviser *a, size_t disk)
{
    return quoted(a, disk_at(a, disk)->pub.path, is_windows(a, disk_at(a, disk)));
}

static bool is_quarantined(const struct vx_disk *disk)
{
    return (disk->pub.flags & VHDX_FOUND_QUARANTINED) != 0;
}

/* ---- who the machine is ---- */

/* The machine that uses the family's disks, a checkpoint only for want of one; NULL: none. */
static const vhdx_found_reference *owner(const struct adviser *a, size_t *disk)
{
    const vhdx_found_reference *found = NULL;
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *member = disk_at(a, a->family->files[i]);
        for (size_t j = 0; j < member->pub.reference_count; j++) {
            const vhdx_found_reference *reference = &member->pub.references[j];
            bool checkpoint = a->estate->machines[reference->config].pub.info->checkpoint;
            if (found && checkpoint)
                continue;
            found = reference;
            *disk = a->family->files[i];
            if (!checkpoint)
                return found;
        }
    }
    return found;
}

static const vhdx_config_info *info_of(const struct adviser *a, const vhdx_found_reference *reference)
{
    return a->estate->machines[reference->config].pub.info;
}

static const char *machine_name(const struct adviser *a, const vhdx_found_reference *reference)
{
    const struct vx_machine *machine = &a->estate->machines[reference->config];
    return machine->pub.info->name && machine->pub.info->name[0] ? machine->pub.info->name : machine->pub.path;
}

/* The directory of a Windows path, with its separator. */
static size_t directory_length(const char *path)
{
    return (size_t)(vx_tail_name(path) - path);
}

/* Where the disk lies as the Hyper-V host sees it: as a configuration or a child names it, or beside a disk that is named so. */
static const char *host_path(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    for (size_t i = 0; i < disk->pub.reference_count; i++) {
        const vhdx_found_reference *r = &disk->pub.references[i];
        return a->estate->machines[r->config].pub.disks[r->disk].path;
    }
    for (size_t i = 0; i < disk->pub.child_count; i++) {
        const char *path = disk_at(a, disk->pub.children[i])->pub.names.absolute_win32_path;
        if (path && vx_tail_compare(path, disk->absolute, is_windows(a, disk)).parts >= 2)
            return path;
    }
    size_t named_disk = VHDX_NONE;
    const vhdx_found_reference *r = owner(a, &named_disk);
    const struct vx_disk *other = r ? disk_at(a, named_disk) : NULL;
    size_t length = directory_length(disk->absolute);
    if (other && directory_length(other->absolute) == length && strncmp(other->absolute, disk->absolute, length) == 0) {
        const char *path = a->estate->machines[r->config].pub.disks[r->disk].path;
        return say(a, "%.*s%s", (int)directory_length(path), path, vx_tail_name(disk->pub.path));
    }
    return disk->pub.path;
}

/* "Set-VMHardDiskDrive ..." for the medium that `reference` names. */
static void step_set_drive(struct adviser *a, const vhdx_found_reference *reference, size_t disk)
{
    static const char *const controllers[] = {"SCSI", "IDE", "SCSI", "SCSI", "SCSI"};
    const vhdx_config_disk *medium = &a->estate->machines[reference->config].pub.disks[reference->disk];
    unsigned kind = medium->controller <= VHDX_CONTROLLER_OTHER ? medium->controller : 0;
    step(a, VHDX_STEP_HYPERV, disk,
         "Set-VMHardDiskDrive -VMName %s -ControllerType %s -ControllerNumber %" PRIu32 " -ControllerLocation %" PRIu32
         " -Path %s",
         powershell(a, machine_name(a, reference)), controllers[kind], medium->controller_number, medium->location,
         powershell(a, host_path(a, disk)));
}

static void step_grant_machine(struct adviser *a, const vhdx_config_info *info, const char *host_name, size_t disk)
{
    char sid[VHDX_SID_ROOM];
    if (!info->has_machine_id && !(info->has_id && !info->checkpoint))
        return;
    vx_machine_sid(info->has_machine_id ? &info->machine_id : &info->id, sid);
    step(a, VHDX_STEP_HYPERV, disk, "icacls %s /grant '*%s:(F)'", powershell(a, host_name), sid);
}

static void step_grant(struct adviser *a, const vhdx_found_reference *reference, const char *host_name, size_t disk)
{
    step_grant_machine(a, info_of(a, reference), host_name, disk);
}

/* ---- the gate ---- */

static void block(const char **list, size_t *count, size_t *left, const char *sentence)
{
    if (*count < BLOCKERS_SHOWN)
        list[(*count)++] = sentence;
    else
        (*left)++;
}

static void block_all(struct adviser *a, const char *sentence)
{
    block(a->global, &a->global_count, &a->global_left, sentence);
}

static void block_family(struct adviser *a, const char *sentence)
{
    block(a->blockers, &a->blocker_count, &a->blockers_left, sentence);
}

/*
 * A link to nowhere is harmless unless it is called like a configuration or a disk that was not found elsewhere:
 * Windows registered machines by such links once, and the volume that it leads to may not be mounted.
 */
static bool hides_something(const struct vx_estate *estate, const char *path)
{
    bool windows = estate->windows;
    const char *name = vx_path_name(path, windows);
    bool config = vx_path_has_extension(path, ".xml", windows) || vx_path_has_extension(path, ".vmcx", windows) ||
                  vx_path_has_extension(path, ".exp", windows);
    if (!config && !vx_named_like_disk(path, windows))
        return false;
    for (size_t i = 0; config && i < estate->machine_count; i++)
        if (vx_name_equal(vx_tail_name(estate->machines[i].absolute), name))
            return false;
    for (size_t i = 0; !config && i < estate->disk_count; i++)
        if (vx_name_equal(vx_tail_name(estate->disks[i].absolute), name))
            return false;
    return true;
}

/* What makes it impossible to say of any disk that nobody needs it. A2 */
static void gather_global(struct adviser *a)
{
    struct vx_estate *estate = a->estate;
    for (size_t i = 0; i < estate->machine_count; i++) {
        const struct vx_machine *machine = &estate->machines[i];
        if (machine->pub.info->format != VHDX_CONFIG_VHDS && !machine->pub.readable)
            block_all(a, say(a, "the configuration %s was not read whole", machine->pub.path));
        for (const struct vx_note *note = machine->notes.first; note; note = note->next)
            if (strcmp(note->finding.id, "ORPHANS-CHECKPOINTS-MISSING") == 0)
                block_all(a, say(a, "configurations of checkpoints of %s are missing",
                                 machine->pub.info->name ? machine->pub.info->name : machine->pub.path));
    }
    for (size_t i = 0; i < estate->place_count; i++) {
        const vhdx_found_place *place = &estate->places[i];
        if (!place->searched && !place->nowhere)
            block_all(a, say(a, "%s was not searched", place->path));
        else if (place->nowhere && hides_something(estate, place->path))
            block_all(a, say(a, "%s is a link to a file that is not here", place->path));
    }
    for (size_t i = 0; i < estate->disk_count; i++) {
        const struct vx_disk *disk = &estate->disks[i];
        if (!disk->is_sound && (disk->is_vhdx || disk->host_failed || vx_disk_is_vhd(disk)) && disk->trouble)
            block_all(a, say(a, "%s cannot be read: it may need any other disk", disk->pub.path));
    }
}

static bool is_doubtful_copy(const struct vx_disk *disk)
{
    return disk->pub.twin != VHDX_NONE && !is_quarantined(disk) && disk->pub.comparison != VHDX_COMPARED_EQUAL &&
           disk->is_copy;
}

static void gather_family(struct adviser *a)
{
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *disk = disk_at(a, a->family->files[i]);
        if (is_quarantined(disk))
            continue;
        if (is_doubtful_copy(disk))
            block_family(a, say(a, "%s is a copy, and whether its bytes are the same is not known", disk->pub.path));
        if (disk->locked)
            block_family(a, say(a, "%s is in use", disk->pub.path));
        if (disk->pub.status == VHDX_FOUND_ACTIVE_NOT_LEAF)
            block_family(a, say(a, "which of the disks on %s is wanted must be decided first", disk->pub.path));
        if (disk->in_cycle || disk->pub.suspect != VHDX_NONE || disk->parent_second || !disk->is_sound ||
            disk->truncated)
            block_family(a, say(a, "%s is damaged, or its parent is in doubt", disk->pub.path));
        if (disk->in_set)
            block_family(a, say(a, "%s belongs to a VHD set", disk->pub.path));
        if (disk->pub.flags & VHDX_FOUND_OTHER_USE)
            block_family(a, say(a, "%s is of a kind that no machine names", disk->pub.path));
    }
}

static void judge_gate(struct adviser *a)
{
    a->blocker_count = a->blockers_left = 0;
    for (size_t i = 0; i < a->global_count; i++)
        block_family(a, a->global[i]);
    a->blockers_left += a->global_left;
    gather_family(a);
    a->may_move = a->blocker_count == 0;
    if (!a->estate->totals.complete_asked)
        block_family(a, "nobody has said that everything was searched (--complete)");
    if (!a->estate->totals.data_compared)
        block_family(a, "contents were not compared (--data)");
    a->family->may_delete = a->blocker_count == 0;
}

/* ---- moving aside ---- */

/* The root that the file lies in, as it was told. */
static size_t root_of(const struct adviser *a, const struct vx_disk *disk)
{
    bool windows = is_windows(a, disk);
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

/* "ROOT/vhdx-quarantine/below", in which a file keeps the place that it had; from the second `turn` on
 * "ROOT/vhdx-quarantine/2/below". */
static const char *quarantine_at(struct adviser *a, const struct vx_disk *disk, unsigned turn)
{
    bool windows = is_windows(a, disk);
    const char *path = disk->pub.path, *separator = windows ? "\\" : "/", *below;
    size_t root = root_of(a, disk), directory = (size_t)(vx_path_name(path, windows) - path);
    char number[16] = "";
    if (turn > 1)
        snprintf(number, sizeof number, "%s%u", separator, turn);
    while (root > 1 && vx_path_is_separator(path[root - 1], windows) && !(windows && path[root - 2] == ':'))
        root--;
    if (root == 0)
        return say(a, "%.*s%s%s", (int)directory, path, VX_QUARANTINE, number);
    bool joined = vx_path_is_separator(path[root - 1], windows); /* "/", "C:\" */
    size_t rest = joined ? root : root + 1;
    below = directory > rest ? separator : "";
    return say(a, "%.*s%s%s%s%s%.*s", (int)root, path, joined ? "" : separator, VX_QUARANTINE, number, below,
               directory > rest ? (int)(directory - rest - 1) : 0, path + rest);
}

/* Whether the search has met a file of that name in that directory. The command asks once more, see step_move(). */
static bool is_taken(struct adviser *a, const struct vx_disk *disk, const char *directory)
{
    bool windows = is_windows(a, disk);
    size_t lead = strlen(disk->pub.path), whole = strlen(disk->absolute);
    const char *separator = windows ? "\\" : "/", *name = vx_path_name(disk->pub.path, windows);
    /* what stands before the path as it was told */
    const char *before =
        whole >= lead && strcmp(disk->absolute + whole - lead, disk->pub.path) == 0 ? disk->absolute : "";
    int length = *before ? (int)(whole - lead) : 0;
    const char *place = say(a, "%.*s%s%s%s", length, before, directory, separator, name);
    return vx_names_at(a->estate, a->estate->names, place, disk->source) != VHDX_NONE;
}

/* A directory in which no file of that name is known; the command still makes sure. */
static const char *quarantine_of(struct adviser *a, const struct vx_disk *disk)
{
    enum { TURNS = 1000 };
    const char *directory = quarantine_at(a, disk, 1);
    for (unsigned turn = 2; turn <= TURNS && is_taken(a, disk, directory); turn++)
        directory = quarantine_at(a, disk, turn);
    return directory;
}

/* The tracking files of a disk go with it. A4: no other kind ever does. */
static const char *with_side_files(struct adviser *a, size_t number)
{
    const char *text = path_of(a, number);
    bool windows = is_windows(a, disk_at(a, number));
    for (size_t i = disk_at(a, number)->first_side; i != VHDX_NONE; i = a->estate->sides[i].next_side)
        text = say(a, "%s %s", text, quoted(a, a->estate->sides[i].pub.path, windows));
    return text;
}

/* 'move' would replace a file of that name without a word, and take a directory that is missing for a new name. */
static void step_move_windows(struct adviser *a, size_t number, const char *directory, const char *path)
{
    const char *to = quoted(a, directory, true);
    const char *there = quoted(a, say(a, "%s\\%s", directory, vx_path_name(path, true)), true);
    step(a, VHDX_STEP_QUARANTINE, number,
         "(if not exist %s mkdir %s) & if exist %s (echo %s is there already, nothing was moved) else move %s %s", to,
         to, there, there, quoted(a, path, true), there);
}

/* "&& [ ! -e FILE ]" for the disk and each of the files that go with it. */
static const char *tests_of(struct adviser *a, size_t number)
{
    const char *text = say(a, "[ ! -e %s ]", path_of(a, number));
    for (size_t i = disk_at(a, number)->first_side; i != VHDX_NONE; i = a->estate->sides[i].next_side)
        text = say(a, "%s && [ ! -e %s ]", text, quoted(a, a->estate->sides[i].pub.path, false));
    return text;
}

/* 'mv -n' says nothing when it leaves a file where it is, so the command asks what became of it. */
static void step_move(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    const char *directory = quarantine_of(a, disk);
    a->family->reclaimable += disk->pub.allocated;
    a->moves[number] = true;
    if (!is_windows(a, disk)) {
        const char *to = quoted(a, directory, false);
        step(a, VHDX_STEP_QUARANTINE, number, "mkdir -p %s && mv -n %s %s && %s || { echo 'not moved' >&2; false; }",
             to, with_side_files(a, number), to, tests_of(a, number));
        return;
    }
    step_move_windows(a, number, directory, disk->pub.path);
    for (size_t i = disk->first_side; i != VHDX_NONE; i = a->estate->sides[i].next_side)
        step_move_windows(a, number, directory, a->estate->sides[i].pub.path);
}

/* A2, A3: what is redundant, proven by its bytes, where nothing speaks against it. */
static void step_remove(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    bool windows = is_windows(a, disk);
    step(a, VHDX_STEP_DELETE, number, "%s %s", windows ? "del" : "rm", with_side_files(a, number));
    a->family->reclaimable += disk->pub.allocated;
    a->moves[number] = true;
}

/* Of a report perhaps: no file on Windows has such a name, and 'del' would take it for several. */
static bool can_be_typed(const struct adviser *a, const struct vx_disk *disk)
{
    const char *path = disk->pub.path;
    if (!is_windows(a, disk))
        return true;
    if (strncmp(path, "\\\\?\\", 4) == 0)
        path += 4;
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < 0x20 || strchr("\"*?<>|%", *c))
            return false;
    return true;
}

/* A1: whether nothing that stays needs the disk. */
static bool is_free(const struct adviser *a, const struct vx_disk *disk)
{
    bool plain = vx_disk_is_differencing(disk) && !vx_disk_is_vhd(disk) && !disk->is_needed && !disk->serves_others &&
                 !disk->in_cycle && !disk->truncated && !disk->parent_second &&
                 !(disk->pub.flags & (VHDX_FOUND_OTHER_USE | VHDX_FOUND_BROKEN_BELOW | VHDX_FOUND_QUARANTINED));
    bool unnamed = disk->pub.status == VHDX_FOUND_ORPHAN || disk->pub.status == VHDX_FOUND_PARENT_MOVED;
    if (!plain || !unnamed || !can_be_typed(a, disk) || disk->pub.twin != VHDX_NONE || disk->pub.parent == VHDX_NONE)
        return false;
    for (size_t i = 0; i < disk->pub.child_count; i++)
        if (!a->moves[disk->pub.children[i]] && !is_quarantined(disk_at(a, disk->pub.children[i])))
            return false;
    return true;
}

static const char *new_name(struct adviser *a, const struct vx_disk *disk)
{
    bool windows = is_windows(a, disk);
    const char *extension = vx_path_extension(disk->pub.path, windows);
    int stem = (int)(extension - disk->pub.path);
    int directory = (int)(vx_path_name(disk->absolute, windows) - disk->absolute);
    const char *name = say(a, "%.*s-content.vhdx", stem, disk->pub.path);
    for (unsigned number = 2;; number++) {
        const char *place = say(a, "%.*s%s", directory, disk->absolute, vx_path_name(name, windows));
        if (vx_names_at(a->estate, a->estate->names, place, disk->source) == VHDX_NONE)
            return name;
        name = say(a, "%.*s-content-%u.vhdx", stem, disk->pub.path, number);
    }
}

static void step_copy(struct adviser *a, size_t number)
{
    const char *name = new_name(a, disk_at(a, number));
    step(a, VHDX_STEP_COPY, number, "vhdx merge -o %s %s", quoted(a, name, is_windows(a, disk_at(a, number))),
         path_of(a, number));
}

static void advise_leftover(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    bool redundant = disk->pub.comparison == VHDX_COMPARED_EQUAL;
    if (redundant && a->family->may_delete) {
        step_remove(a, number);
        return;
    }
    if (disk->pub.role == VHDX_ROLE_LEAF && !redundant)
        step_copy(a, number); /* A3 */
    step_move(a, number);
}

static bool is_equal_copy(const struct vx_disk *disk)
{
    return disk->pub.status == VHDX_FOUND_DUPLICATE && disk->pub.comparison == VHDX_COMPARED_EQUAL;
}

/* A1: an equal copy goes only while the one that it equals stays, and nothing that stays hangs on it. */
static bool is_spare(const struct adviser *a, const struct vx_disk *disk)
{
    const struct vx_disk *twin = is_equal_copy(disk) ? disk_at(a, disk->pub.twin) : NULL;
    if (!twin || disk->is_needed || is_quarantined(disk) || !can_be_typed(a, disk) || a->moves[disk->pub.twin] ||
        !twin->is_sound || is_quarantined(twin))
        return false;
    for (size_t i = 0; i < disk->pub.child_count; i++)
        if (!a->moves[disk->pub.children[i]])
            return false;
    return true;
}

static size_t count_orphans(const struct adviser *a)
{
    size_t count = 0;
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *disk = disk_at(a, a->family->files[i]);
        count += disk->pub.status == VHDX_FOUND_ORPHAN && !is_quarantined(disk);
    }
    return count;
}

/* Leaves first: they stand behind what they hang on. */
static void advise_leftovers(struct adviser *a)
{
    if (count_orphans(a) > 0 && !a->may_move)
        step(a, VHDX_STEP_NOTE, VHDX_NONE,
             "Nothing here is proposed to be moved: %s. Settle that first and search again.",
             a->blocker_count ? a->blockers[0] : "more must be known");
    if (!a->may_move)
        return;
    for (size_t i = a->family->file_count; i-- > 0;) {
        size_t number = a->family->files[i];
        if (is_free(a, disk_at(a, number)))
            advise_leftover(a, number);
        else if (is_spare(a, disk_at(a, number)) && a->family->may_delete)
            step_remove(a, number);
        else if (is_spare(a, disk_at(a, number)))
            step_move(a, number);
    }
}

/* ---- what is broken ---- */

/* What the newer disk holds beyond the one that the machine names; its content is saved first, whichever is wanted in
 * the end. */
static void tell_difference(struct adviser *a, size_t newest)
{
    const struct vx_disk *disk = disk_at(a, newest);
    bool plain = vx_disk_is_differencing(disk) && !vx_disk_is_vhd(disk) && !disk->locked && !disk->truncated &&
                 !disk->parent_second && !disk->in_cycle && can_be_typed(a, disk) &&
                 !(disk->pub.flags & (VHDX_FOUND_BROKEN_BELOW | VHDX_FOUND_SECTOR_DIFFERS));
    if (disk->pub.comparison == VHDX_COMPARED_EQUAL) {
        step(a, VHDX_STEP_NOTE, newest, "%s holds nothing that is not below it already: both states are the same.",
             disk->pub.path);
        return;
    }
    if (disk->pub.comparison == VHDX_COMPARED_DIFFERS)
        step(a, VHDX_STEP_NOTE, newest, "%s differs from what the machine names in %" PRIu64 " bytes.", disk->pub.path,
             disk->pub.differing_bytes);
    else
        step(a, VHDX_STEP_NOTE, newest, "With --data a search says in how many bytes %s differs from it.",
             disk->pub.path);
    if (!plain || disk->in_set)
        return;
    step(a, VHDX_STEP_LOOK, newest, "vhdx info --chain %s", path_of(a, newest));
    step_copy(a, newest);
}

static void advise_active(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    size_t newest = VHDX_NONE;
    for (size_t i = 0; i < disk->pub.child_count; i++) {
        size_t child = disk->pub.children[i];
        bool newer = newest == VHDX_NONE || disk_at(a, child)->pub.modified > disk_at(a, newest)->pub.modified;
        if (newer && !is_quarantined(disk_at(a, child)))
            newest = child;
    }
    step(a, VHDX_STEP_NOTE, number,
         "Do not start the machine: it would write to %s, and every disk that hangs on it would be lost. What the "
         "machine "
         "sees now is the state of %s; what was written later is in the disks on it, the newest of which is %s.",
         disk->pub.path, disk->pub.path, newest != VHDX_NONE ? disk_at(a, newest)->pub.path : "not known");
    if (newest == VHDX_NONE)
        return;
    tell_difference(a, newest);
    step(a, VHDX_STEP_NOTE, number,
         "If %s is the wanted state, point the machine at it:", disk_at(a, newest)->pub.path);
    for (size_t i = 0; i < disk->pub.reference_count; i++)
        if (!info_of(a, &disk->pub.references[i])->checkpoint) {
            step_set_drive(a, &disk->pub.references[i], newest);
            step_grant(a, &disk->pub.references[i], host_path(a, newest), newest);
            return;
        }
}

static void advise_moved(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    const struct vx_disk *parent = disk_at(a, disk->pub.parent);
    size_t named = VHDX_NONE;
    const vhdx_found_reference *reference = owner(a, &named);
    if (disk->in_set || disk->locked || !parent->is_sound || (parent->is_copy && is_doubtful_copy(parent))) {
        step(a, VHDX_STEP_NOTE, number, "%s hangs on %s, but what speaks against writing to it must be settled first.",
             disk->pub.path, parent->pub.path);
        return;
    }
    if (!is_windows(a, parent) && strchr(vx_path_name(parent->absolute, false), '\\')) {
        step(a, VHDX_STEP_NOTE, number,
             "The name of %s has a '\\' in it, which separates folders in every disk's note of its parent: no disk can "
             "name it. "
             "Rename it and search again.",
             parent->pub.path);
        return;
    }
    step(a, VHDX_STEP_RELINK, number, "vhdx relink --parent %s %s", path_of(a, disk->pub.parent), path_of(a, number));
    if (reference && named == number)
        step_grant(a, reference, host_path(a, disk->pub.parent), disk->pub.parent);
}

static void advise_missing(struct adviser *a, size_t number)
{
    step(a, VHDX_STEP_LOOK, number, "vhdx info %s", path_of(a, number));
    step(a, VHDX_STEP_NOTE, number,
         "Look for the parent on other volumes, on other hosts and in backups, and search these places too: a file of any "
         "name is the parent if its identity is the one above. Until then keep %s: what it holds cannot be read "
         "as a whole without it.",
         disk_at(a, number)->pub.path);
}

static void advise_mismatch(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    bool modified = disk->pub.status == VHDX_FOUND_PARENT_MODIFIED;
    step(a, VHDX_STEP_LOOK, number, "vhdx info %s", path_of(a, number));
    step(a, VHDX_STEP_LOOK, number, "vhdx info %s", path_of(a, disk->pub.suspect));
    if (modified)
        step(a, VHDX_STEP_NOTE, number,
             "Do not merge. If a merge of %s was cut off, repeat exactly that merge: its own sectors win. If the parent was "
             "started or mounted, a backup of it from before is the parent. Only on copies of both files, and only as a last "
             "resort, vhdx relink --force accepts the parent as it is now; check the file system inside afterwards.",
             disk->pub.path);
    else
        step(a, VHDX_STEP_NOTE, number,
             "Do not merge. The right parent has another identity than %s: look for it in other places and in backups, and "
             "search these too.",
             disk_at(a, disk->pub.suspect)->pub.path);
}

static void advise_unreadable(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    if (vx_disk_is_vhd(disk) || !(disk->is_vhdx || disk->host_failed)) {
        step(a, VHDX_STEP_NOTE, number, "%s: %s. Look at where it came from.", disk->pub.path,
             disk->trouble ? disk->trouble : "it cannot be read");
        return;
    }
    step(a, VHDX_STEP_LOOK, number, "vhdx verify %s", path_of(a, number));
    if (disk->is_vhdx && !disk->host_failed)
        step(a, VHDX_STEP_LOOK, number, "vhdx repair --dry-run %s", path_of(a, number));
    step(a, VHDX_STEP_NOTE, number, "Until %s can be read, nothing that may belong to it is proposed to go.",
         disk->pub.path);
}

static void advise_duplicate(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    const struct vx_disk *twin = disk_at(a, disk->pub.twin);
    if (disk->pub.comparison == VHDX_NOT_COMPARED)
        step(a, VHDX_STEP_NOTE, number,
             "%s and %s say that they are the same disk. With --data their bytes are compared.", disk->pub.path,
             twin->pub.path);
    else if (!is_equal_copy(disk))
        step(a, VHDX_STEP_NOTE, number, "Keep both %s and %s until it is known which of them is the right one.",
             disk->pub.path, twin->pub.path);
}

/* What the leaf holds, with all below it, as a new disk. */
static void step_convert(struct adviser *a, size_t number)
{
    const char *path = host_path(a, number), *name = vx_tail_name(new_name(a, disk_at(a, number)));
    step(a, VHDX_STEP_HYPERV, number, "Convert-VHD -Path %s -DestinationPath %s", powershell(a, path),
         powershell(a, say(a, "%.*s%s", (int)directory_length(path), path, name)));
}

/* What can be done is done by Hyper-V; no command of this library touches a VHD. */
static void advise_vhd(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    switch (disk->pub.status) {
    case VHDX_FOUND_UNREADABLE:
        advise_unreadable(a, number);
        break;
    case VHDX_FOUND_ACTIVE_NOT_LEAF:
        advise_active(a, number);
        break;
    case VHDX_FOUND_PARENT_MOVED:
        step(a, VHDX_STEP_HYPERV, number, "Set-VHD -Path %s -ParentPath %s", powershell(a, host_path(a, number)),
             powershell(a, host_path(a, disk->pub.parent)));
        break;
    case VHDX_FOUND_PARENT_MISSING:
    case VHDX_FOUND_LINKAGE_MISMATCH:
    case VHDX_FOUND_PARENT_MODIFIED:
        step(a, VHDX_STEP_NOTE, number,
             "Look for the parent of %s on other volumes, on other hosts and in backups: the file of whatever name "
             "that has "
             "the unique id above. Until then keep it.",
             disk->pub.path);
        break;
    case VHDX_FOUND_ORPHAN:
        if (disk->pub.role == VHDX_ROLE_LEAF)
            step_convert(a, number);
        break;
    default:
        break;
    }
    if (disk->denied_to)
        step_grant_machine(a, a->estate->machines[disk->denied_to - 1].pub.info, host_path(a, number), number);
}

static void advise_disk(struct adviser *a, size_t number)
{
    const struct vx_disk *disk = disk_at(a, number);
    if (is_quarantined(disk) && !disk->is_needed)
        return;
    if (vx_disk_is_vhd(disk)) {
        advise_vhd(a, number);
        return;
    }
    switch (disk->pub.status) {
    case VHDX_FOUND_ACTIVE_NOT_LEAF:
        advise_active(a, number);
        break;
    case VHDX_FOUND_PARENT_MOVED:
        advise_moved(a, number);
        break;
    case VHDX_FOUND_PARENT_MISSING:
        advise_missing(a, number);
        break;
    case VHDX_FOUND_PARENT_MODIFIED:
    case VHDX_FOUND_LINKAGE_MISMATCH:
        advise_mismatch(a, number);
        break;
    case VHDX_FOUND_UNREADABLE:
        advise_unreadable(a, number);
        break;
    case VHDX_FOUND_DUPLICATE:
        advise_duplicate(a, number);
        break;
    case VHDX_FOUND_CYCLE:
        step(a, VHDX_STEP_NOTE, number, "Keep %s as it is: no tool can say what it holds while its chain is a circle.",
             disk->pub.path);
        break;
    default:
        break;
    }
    if (disk->parent_second) {
        step(a, VHDX_STEP_NOTE, number, "Go on with the merge that was begun: type the same command again. It begins with:");
        step(a, VHDX_STEP_LOOK, number, "vhdx merge --dry-run %s", path_of(a, number));
    }
    if (disk->denied_to)
        step_grant_machine(a, a->estate->machines[disk->denied_to - 1].pub.info, host_path(a, number), number);
    if (disk->truncated && disk->pub.status != VHDX_FOUND_UNREADABLE)
        step(a, VHDX_STEP_LOOK, number, "vhdx verify %s", path_of(a, number));
}

/* ---- layers that serve nothing but the layer above them ---- */

#define MERGE_FORBIDDEN                                                                                                \
    (VHDX_FOUND_SAVED_STATE | VHDX_FOUND_MERGE_PENDING | VHDX_FOUND_REPLICATED | VHDX_FOUND_CLUSTERED |                \
     VHDX_FOUND_SET_MEMBER | VHDX_FOUND_TRUNCATED | VHDX_FOUND_SECTOR_DIFFERS | VHDX_FOUND_IN_USE |                    \
     VHDX_FOUND_BROKEN_BELOW | VHDX_FOUND_MERGE_BEGUN | VHDX_FOUND_QUARANTINED | VHDX_FOUND_NAMED_ALIKE)

static bool may_take_part(const struct vx_disk *disk)
{
    bool used = disk->pub.status == VHDX_FOUND_IN_USE_BY_VM || disk->pub.status == VHDX_FOUND_CHECKPOINT;
    return used && disk->is_vhdx && !(disk->pub.flags & MERGE_FORBIDDEN) && disk->pub.twin == VHDX_NONE &&
           !disk->is_suspect && !disk->is_namesake;
}

/* No configuration names it, and one disk only was made on it: what it holds may move, as long as that disk reads the
 * same. */
static bool is_passed_through(const struct vx_disk *disk)
{
    return may_take_part(disk) && disk->pub.reference_count == 0 && disk->pub.child_count == 1;
}

/* Layers one above the other that are only passed through, and the disk above them. */
struct run {
    size_t bottom, top, above;
    size_t count;   /* from bottom to top */
    uint64_t bytes; /* of those above the bottom, up to the top */
};

static bool find_run(const struct adviser *a, size_t number, struct run *run)
{
    const struct vx_disk *disk = disk_at(a, number);
    bool begins = disk->pub.parent == VHDX_NONE || !is_passed_through(disk_at(a, disk->pub.parent));
    if (!begins || !is_passed_through(disk))
        return false;
    *run = (struct run){.bottom = number, .top = number, .count = 1, .above = disk->pub.children[0]};
    while (is_passed_through(disk_at(a, run->above))) {
        run->top = run->above;
        run->bytes += disk_at(a, run->top)->pub.allocated;
        run->above = disk_at(a, run->top)->pub.children[0];
        run->count++;
    }
    return true;
}

/* The disk above is the one that a machine without checkpoints writes to: then it goes down too, and the machine is
 * told. */
static bool ends_in_machine(const struct adviser *a, const struct run *run)
{
    const struct vx_disk *leaf = disk_at(a, run->above), *bottom = disk_at(a, run->bottom);
    if (!may_take_part(leaf) || leaf->pub.reference_count != 1 || leaf->pub.child_count > 0 ||
        ((leaf->pub.flags | bottom->pub.flags) & VHDX_FOUND_CHECKPOINT_NAMED))
        return false;
    const vhdx_config_info *info = info_of(a, &leaf->pub.references[0]);
    return info->has_checkpoint_count && info->checkpoint_count == 0 && !info->checkpoint;
}

/* A merge writes the new parent into the disk above, which it finds only in the directories of the layers. */
static bool is_beside(const struct adviser *a, const struct run *run)
{
    const struct vx_disk *above = disk_at(a, run->above);
    size_t length = directory_length(above->absolute);
    for (size_t at = run->top; at != VHDX_NONE; at = disk_at(a, at)->pub.parent) {
        const struct vx_disk *disk = disk_at(a, at);
        if (directory_length(disk->absolute) == length && strncmp(disk->absolute, above->absolute, length) == 0)
            return true;
        if (at == run->bottom)
            return false;
    }
    return false;
}

/* A merge opens the chain down to its base, and no chain of more layers than these. */
static bool can_be_opened(const struct adviser *a, size_t top)
{
    size_t count = 0;
    for (size_t at = top; at != VHDX_NONE && count <= VX_CHAIN_MAX; at = disk_at(a, at)->pub.parent)
        count++;
    return count <= VX_CHAIN_MAX;
}

static void step_merge(struct adviser *a, size_t bottom, size_t top)
{
    step(a, VHDX_STEP_LOOK, top, "vhdx merge --dry-run --into %s %s", path_of(a, bottom), path_of(a, top));
    step(a, VHDX_STEP_MERGE, top, "vhdx merge --into %s %s", path_of(a, bottom), path_of(a, top));
}

static void advise_to_machine(struct adviser *a, const struct run *run)
{
    size_t leaf = run->above;
    const vhdx_found_reference *reference = &disk_at(a, leaf)->pub.references[0];
    step(a, VHDX_STEP_NOTE, leaf,
         "The machine %s has no checkpoint, and yet runs on %zu disks on top of each other. With the machine off they "
         "can be "
         "made one. Look first:",
         machine_name(a, reference), run->count + 1);
    step_merge(a, run->bottom, leaf);
    step_set_drive(a, reference, run->bottom);
    step(a, VHDX_STEP_NOTE, leaf,
         "Keep the merged files until the machine has started once. Their change tracking is void: the next backup must be a "
         "full one.");
    a->family->reclaimable += run->bytes + disk_at(a, leaf)->pub.allocated;
}

/* What is above keeps its name, so no configuration changes; whether it is a checkpoint's does not matter then. */
static void advise_between(struct adviser *a, const struct run *run)
{
    step(a, VHDX_STEP_NOTE, run->top,
         "No configuration names the %zu disks from %s up to %s, and only %s was made on them: no checkpoint would be "
         "lost if "
         "they were one. With every machine that uses it off (look first):",
         run->count, disk_at(a, run->bottom)->pub.path, disk_at(a, run->top)->pub.path,
         disk_at(a, run->above)->pub.path);
    step_merge(a, run->bottom, run->top);
    step(
        a, VHDX_STEP_NOTE, run->top,
        "%s is told its new parent by the merge and reads as before. The merged files that stay are no valid layers "
        "for "
        "anything else; search again with --data before they go. Change tracking of the chain is void: the next backup "
        "must be a full one.",
        disk_at(a, run->above)->pub.path);
    a->family->reclaimable += run->bytes;
}

static void advise_runs(struct adviser *a)
{
    struct run run;
    for (size_t i = 0; a->may_move && i < a->family->file_count; i++) {
        if (!find_run(a, a->family->files[i], &run) || !can_be_opened(a, run.above))
            continue;
        if (ends_in_machine(a, &run))
            advise_to_machine(a, &run);
        else if (run.count > 1 && may_take_part(disk_at(a, run.above)) && is_beside(a, &run))
            advise_between(a, &run);
    }
}

/* ---- all of it ---- */

static const char *sentence_of(const struct vx_disk *disk)
{
    switch (disk->pub.status) {
    case VHDX_FOUND_IN_USE_BY_VM:
        return "Keep: a machine uses it, or a disk that needs it.";
    case VHDX_FOUND_ACTIVE_NOT_LEAF:
        return "Do not start the machine that names it: other disks need it unchanged.";
    case VHDX_FOUND_CHECKPOINT:
        return "Keep: a checkpoint needs it; merging past it gives the checkpoint up.";
    case VHDX_FOUND_VHD_SET:
        return "Keep: it belongs to a VHD set, whose disks are never merged one by one.";
    case VHDX_FOUND_ORPHAN:
        return disk->pub.role == VHDX_ROLE_LEAF ? "Keep its content until it is known to be a leftover."
                                                : "Keep as long as any disk hangs on it.";
    case VHDX_FOUND_STANDALONE:
        return "Keep, or find out whose it is: nothing that was found names it.";
    case VHDX_FOUND_PARENT_MISSING:
        return "Search wider for its parent.";
    case VHDX_FOUND_PARENT_MOVED:
        return "Point it at its parent's new place.";
    case VHDX_FOUND_LINKAGE_MISMATCH:
    case VHDX_FOUND_PARENT_MODIFIED:
        return "Do not merge it.";
    case VHDX_FOUND_DUPLICATE:
        return "Keep until it is known which copy is the right one.";
    case VHDX_FOUND_CYCLE:
        return "Touch nothing in this chain.";
    case VHDX_FOUND_UNREADABLE:
        return "Find out what it is; repair it first if it is a disk.";
    case VHDX_FOUND_LOCKED:
        return "Leave it alone: somebody has it in use.";
    }
    return "Keep.";
}

/* One pass over the steps counts what each disk gets, another hands it out: a family may have many of both. */
static bool give_advice(struct adviser *a)
{
    const vhdx_found_family *family = a->family;
    size_t given = family->file_count;
    for (size_t i = 0; i < family->file_count; i++)
        a->estate->disks[family->files[i]].pub.advice_count = 1;
    for (size_t i = 0; i < a->steps.count; i++)
        if (a->steps.items[i].file != VHDX_NONE) {
            a->estate->disks[a->steps.items[i].file].pub.advice_count++;
            given++;
        }
    const char **texts = vx_arena_take(&a->estate->arena, given, sizeof *texts);
    if (!texts)
        return false;
    for (size_t i = 0, next = 0; i < family->file_count; i++) {
        struct vx_disk *disk = &a->estate->disks[family->files[i]];
        disk->advice = texts + next;
        disk->pub.advice = disk->advice;
        next += disk->pub.advice_count;
        bool aside = is_quarantined(disk) && !disk->is_needed;
        disk->advice[0] = aside ? "It was put aside; keep it until everything has run for a while without it."
                                : sentence_of(disk);
        disk->pub.advice_count = 1;
    }
    for (size_t i = 0; i < a->steps.count; i++)
        if (a->steps.items[i].file != VHDX_NONE) {
            struct vx_disk *disk = &a->estate->disks[a->steps.items[i].file];
            disk->advice[disk->pub.advice_count++] = a->steps.items[i].text;
        }
    return true;
}

static bool finish_family(struct adviser *a)
{
    vhdx_found_family *family = a->family;
    vhdx_found_step *steps = vx_arena_take(&a->estate->arena, a->steps.count, sizeof *steps);
    const char **blockers = vx_arena_take(&a->estate->arena, a->blocker_count + 1, sizeof *blockers);
    if (!steps || !blockers)
        return false;
    if (a->steps.count)
        memcpy(steps, a->steps.items, a->steps.count * sizeof *steps);
    memcpy(blockers, a->blockers, a->blocker_count * sizeof *blockers);
    family->steps = steps;
    family->step_count = a->steps.count;
    family->blockers = blockers;
    family->blocker_count = a->blocker_count;
    if (a->blockers_left)
        blockers[family->blocker_count++] = say(a, "and %zu more of the kind", a->blockers_left);
    return give_advice(a);
}

/* Commands name files by their paths on the host that searched them. */
static void note_hosts(struct adviser *a)
{
    unsigned source = 0;
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *disk = disk_at(a, a->family->files[i]);
        if (disk->source == 0 || disk->source == source || !a->estate->reports)
            continue;
        source = disk->source;
        step(a, VHDX_STEP_NOTE, VHDX_NONE, "%s lies on the host that wrote %s: what concerns it is to be typed there.",
             disk->pub.path, a->estate->reports[source - 1]);
    }
}

static void drop_lonely_notes(struct adviser *a, size_t notes)
{
    if (a->steps.count == notes)
        a->steps.count = 0;
}

static bool advise_family(struct adviser *a, vhdx_found_family *family)
{
    a->family = family;
    a->steps.count = 0;
    judge_gate(a);
    note_hosts(a);
    size_t notes = a->steps.count;
    for (size_t i = 0; i < family->file_count; i++)
        advise_disk(a, family->files[i]);
    advise_leftovers(a);
    advise_runs(a);
    drop_lonely_notes(a, notes);
    return finish_family(a);
}

vhdx_status vx_advise_families(struct vx_estate *estate, vhdx_error *err)
{
    struct adviser a = {.estate = estate};
    a.moves = vx_alloc(estate->disk_count, sizeof *a.moves);
    bool ok = a.moves != NULL;
    if (ok)
        gather_global(&a);
    for (size_t i = 0; i < estate->family_count && ok; i++)
        ok = advise_family(&a, &estate->families[i]);
    vx_free(a.moves);
    vx_free(a.steps.items);
    return ok && !estate->no_memory ? VHDX_OK : vx_fail_memory(err, "the advice");
}
