/*
 * The walk. See scan.h. A team works off one heap of tasks: a directory to be listed, or a handful of names to be
 * looked at, so that one directory with a hundred thousand files keeps all threads busy. What is found is put together
 * under one lock.
 *
 * A thread that finds the heap empty must not leave while another is still listing, for that one
 * will bring more.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/scan.h"

#include "base/alloc.h"
#include "base/utf.h"
#include "io/io.h"
#include "base/path.h"
#include "io/thread.h"
#include "orphans/scan_parts.h"

#include <stdlib.h>
#include <string.h>

#define TELL_EVERY 512u /* files between two words of progress */
#define DEPTH_MAX 512u  /* directories inside of each other */

/* ---- folders and tasks ---- */

static struct vx_folder *folder_new(const char *path, const char *absolute)
{
    struct vx_folder *folder = vx_alloc(1, sizeof *folder);
    if (!folder)
        return NULL;
    folder->path = vx_copy_string(path);
    folder->absolute = vx_copy_string(absolute);
    atomic_init(&folder->users, 1);
    if (folder->path && folder->absolute)
        return folder;
    vx_free(folder->path);
    vx_free(folder->absolute);
    vx_free(folder);
    return NULL;
}

static void name_folder(struct vx_folder *folder, const vhdx_file_facts *facts)
{
    folder->volume = facts->volume;
    folder->id[0] = facts->file[0];
    folder->id[1] = facts->file[1];
}

static void folder_leave(struct vx_folder *folder)
{
    if (!folder || atomic_fetch_sub(&folder->users, 1) != 1)
        return;
    vx_free(folder->path);
    vx_free(folder->absolute);
    vx_free(folder);
}

static void task_free(struct vx_scan_task *task)
{
    if (!task)
        return;
    for (size_t i = 0; i < task->name_count; i++)
        vx_free(task->names[i].name);
    folder_leave(task->folder);
    vx_free(task);
}

static struct vx_scan_task *task_new(struct vx_folder *folder)
{
    struct vx_scan_task *task = vx_alloc(1, sizeof *task);
    if (!task)
        return NULL;
    atomic_fetch_add(&folder->users, 1);
    task->folder = folder;
    return task;
}

static void put_task(struct vx_walk *walk, struct vx_scan_task *task)
{
    vx_lock_take(walk->lock);
    struct vx_scan_task **heap = task->name_count == 0 && task->folder->by_link_itself ? &walk->later : &walk->heap;
    task->next = *heap;
    *heap = task;
    vx_lock_wake(walk->lock);
    vx_lock_give(walk->lock);
}

/* NULL: all is done, or the walk is to stop. */
static struct vx_scan_task *take_task(struct vx_walk *walk)
{
    vx_lock_take(walk->lock);
    walk->busy--;
    while (!walk->heap && walk->busy > 0 && !walk->stop)
        vx_lock_wait(walk->lock);
    if (!walk->heap && walk->busy == 0) {
        walk->heap = walk->later;
        walk->later = NULL;
    }
    struct vx_scan_task *task = walk->stop ? NULL : walk->heap;
    if (task) {
        walk->heap = task->next;
        walk->busy++;
    } else {
        vx_lock_wake(walk->lock);
    }
    vx_lock_give(walk->lock);
    return task;
}

/* ---- directories that were met ---- */

static size_t slot_of(const struct vx_seen *table, size_t room, const struct vx_seen *wanted)
{
    uint64_t hash = (wanted->volume * 31 + wanted->id[0]) * UINT64_C(0x9E3779B97F4A7C15) ^ wanted->id[1];
    size_t slot = (size_t)(hash >> 17) & (room - 1);
    while (table[slot].volume != 0 && memcmp(&table[slot], wanted, sizeof *wanted) != 0)
        slot = (slot + 1) & (room - 1);
    return slot;
}

static bool grow_seen(struct vx_walk *walk)
{
    size_t room = walk->seen_room ? walk->seen_room * 2 : 256;
    struct vx_seen *table = vx_alloc(room, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < walk->seen_room; i++)
        if (walk->seen[i].volume != 0)
            table[slot_of(table, room, &walk->seen[i])] = walk->seen[i];
    vx_free(walk->seen);
    walk->seen = table;
    walk->seen_room = room;
    return true;
}

/* Whether the directory is met for the first time; a host that does not identify files has no links. */
static bool is_new_directory(struct vx_walk *walk, const struct vx_folder *folder)
{
    struct vx_seen wanted = {folder->volume, {folder->id[0], folder->id[1]}};
    if (folder->volume == 0)
        return true;
    vx_lock_take(walk->lock);
    bool is_new = false;
    if (walk->seen_count * 2 >= walk->seen_room && !grow_seen(walk)) {
        vx_walk_fail(walk, VHDX_NOMEM);
    } else {
        struct vx_seen *slot = &walk->seen[slot_of(walk->seen, walk->seen_room, &wanted)];
        is_new = slot->volume == 0;
        walk->seen_count += is_new;
        *slot = wanted;
    }
    vx_lock_give(walk->lock);
    return is_new;
}

/* ---- the walk ---- */

/* Only the caller's own thread speaks to the caller. */
static void tell_progress(struct vx_walker *walker, bool at_end)
{
    struct vx_walk *walk = walker->walk;
    const vhdx_orphans_options *options = walk->options;
    if (walker->number != 0 || !options->progress)
        return;
    vx_lock_take(walk->lock);
    vhdx_orphans_progress progress = walk->progress;
    bool due = at_end || progress.files_seen - walk->told_at >= TELL_EVERY;
    if (due)
        walk->told_at = progress.files_seen;
    vx_lock_give(walk->lock);
    if (!due || options->progress(options->progress_context, &progress))
        return;
    vx_lock_take(walk->lock);
    vx_walk_fail(walk, VHDX_CANCELLED);
    vx_lock_wake(walk->lock);
    vx_lock_give(walk->lock);
}

static bool look_at_file(struct vx_walker *walker, const struct vx_sighted_paths *paths, bool by_link)
{
    struct vx_sighting sighting;
    vhdx_status status = vx_probe_file(walker->probe, paths->path, &sighting, NULL);
    vx_lock_take(walker->walk->lock);
    walker->walk->progress.files_seen++;
    vx_lock_give(walker->walk->lock);
    return status == VHDX_OK && vx_walker_take(walker, &sighting, paths, by_link);
}

/* Puts a directory on the heap, unless it was met before, is on another volume that is not wanted, or is too deep. */
static bool enter(struct vx_walker *walker, const struct vx_folder *above, const struct vx_sighted_paths *paths,
                  const vhdx_file_facts *facts, bool by_link)
{
    struct vx_walk *walk = walker->walk;
    if (walk->options->one_file_system && facts->volume != above->volume) {
        vx_walk_add_place(walk, paths->path, false, "another file system is mounted there (--one-file-system)");
        return true;
    }
    if (above->depth >= DEPTH_MAX) {
        vx_walk_add_place(walk, paths->path, false, "too many directories inside of each other");
        return true;
    }
    struct vx_folder *folder = folder_new(paths->path, paths->absolute);
    if (!folder)
        return false;
    name_folder(folder, facts);
    folder->depth = above->depth + 1;
    folder->by_link = by_link || above->by_link;
    folder->by_link_itself = by_link;
    bool wanted = by_link || is_new_directory(walk, folder);
    struct vx_scan_task *task = wanted ? task_new(folder) : NULL;
    bool ok = task || !wanted;
    if (task)
        put_task(walk, task);
    folder_leave(folder);
    return ok;
}

static bool look_at_name(struct vx_walker *walker, const struct vx_folder *folder, const char *name,
                         vhdx_entry_type type)
{
    struct vx_walk *walk = walker->walk;
    bool by_link = type == VHDX_ENTRY_LINK, ok = true;
    vhdx_file_facts facts = {0};
    struct vx_sighted_paths paths = {vx_path_join(folder->path, name, walk->windows),
                                     vx_path_join(folder->absolute, name, walk->windows)};
    ok = paths.path && paths.absolute;
    if (ok && (type == VHDX_ENTRY_LINK || type == VHDX_ENTRY_UNKNOWN || type == VHDX_ENTRY_DIRECTORY)) {
        vhdx_error trouble;
        vhdx_status status = vx_host_look(walk->host, paths.path, &type, &facts, &trouble);
        if (status != VHDX_OK)
            type = VHDX_ENTRY_OTHER;
        if (status == VHDX_NOT_FOUND && by_link)
            vx_walk_add_nowhere(walk, paths.path, trouble.message);
        else if (status != VHDX_OK && status != VHDX_NOT_FOUND)
            vx_walk_add_place(walk, paths.path, false, trouble.message);
    }
    if (ok && type == VHDX_ENTRY_FILE)
        ok = look_at_file(walker, &paths, by_link || folder->by_link);
    else if (ok && type == VHDX_ENTRY_DIRECTORY)
        ok = enter(walker, folder, &paths, &facts, by_link);
    vx_free(paths.path);
    vx_free(paths.absolute);
    return ok;
}

static bool gather_name(void *context, const char *name, vhdx_entry_type type)
{
    struct vx_walker *walker = context;
    if (type == VHDX_ENTRY_OTHER)
        return true;
    if (!walker->gathering)
        walker->gathering = task_new(walker->folder);
    struct vx_scan_task *task = walker->gathering;
    char *copy = task ? vx_copy_string(name) : NULL;
    if (!copy) {
        walker->no_memory = true;
        return false;
    }
    task->names[task->name_count].type = type;
    task->names[task->name_count++].name = copy;
    if (task->name_count == VX_HANDFUL) {
        put_task(walker->walk, task);
        walker->gathering = NULL;
    }
    return !walker->walk->stop;
}

static bool list_folder(struct vx_walker *walker, struct vx_folder *folder)
{
    struct vx_walk *walk = walker->walk;
    vhdx_error trouble;
    if (folder->by_link_itself && !is_new_directory(walk, folder))
        return true;
    walker->folder = folder;
    walker->gathering = NULL;
    vhdx_status status = vx_host_list_entries(walk->host, folder->path, gather_name, walker, &trouble);
    if (walker->gathering)
        put_task(walk, walker->gathering);
    walker->gathering = NULL;
    vx_lock_take(walk->lock);
    walk->progress.directories_seen++;
    vx_lock_give(walk->lock);
    if (status != VHDX_OK && status != VHDX_NOT_FOUND)
        vx_walk_add_place(walk, folder->path, false, trouble.message);
    return status != VHDX_NOMEM && !walker->no_memory;
}

static bool do_task(struct vx_walker *walker, struct vx_scan_task *task)
{
    if (task->name_count == 0)
        return list_folder(walker, task->folder);
    for (size_t i = 0; i < task->name_count && !walker->walk->stop; i++)
        if (!look_at_name(walker, task->folder, task->names[i].name, task->names[i].type))
            return false;
    return true;
}

static void work(void *context, unsigned number)
{
    struct vx_walk *walk = context;
    struct vx_walker walker = {.walk = walk, .number = number, .probe = vx_probe_new(walk->host)};
    struct vx_scan_task *task;
    bool ok = walker.probe != NULL;
    vx_lock_take(walk->lock);
    walk->busy++;
    vx_lock_give(walk->lock);
    while (ok && (task = take_task(walk)) != NULL) {
        ok = do_task(&walker, task);
        task_free(task);
        tell_progress(&walker, false);
    }
    vx_lock_take(walk->lock);
    if (!ok) {
        vx_walk_fail(walk, VHDX_NOMEM);
        walk->busy--;
        vx_lock_wake(walk->lock);
    }
    if (walker.probe)
        vx_arena_join(&walk->estate->arena, vx_probe_arena(walker.probe));
    vx_lock_give(walk->lock);
    vx_probe_free(walker.probe);
}

/* ---- beginning ---- */

static bool add_root_name(struct vx_estate *estate, const char *absolute)
{
    const char **roots = vx_arena_take(&estate->arena, estate->root_count + 1, sizeof *roots);
    if (!roots)
        return false;
    if (estate->root_count)
        memcpy(roots, estate->roots, estate->root_count * sizeof *roots);
    roots[estate->root_count] = vx_arena_text(&estate->arena, absolute);
    estate->roots = roots;
    return roots[estate->root_count++] != NULL;
}

static void cut_separators(char *path, bool windows)
{
    size_t length = strlen(path);
    while (length > 1 && vx_path_is_separator(path[length - 1], windows) && !(windows && path[length - 2] == ':'))
        path[--length] = '\0';
}

/* A root that is a file becomes one name in its directory. */
static bool put_root(struct vx_walk *walk, const char *path, const char *absolute, vhdx_entry_type type,
                     const vhdx_file_facts *facts)
{
    char *directory = NULL, *absolute_directory = NULL;
    if (type == VHDX_ENTRY_FILE) {
        directory = vx_path_directory(path, walk->windows);
        absolute_directory = vx_path_directory(absolute, walk->windows);
    }
    struct vx_folder *folder = type == VHDX_ENTRY_FILE
                                   ? directory && absolute_directory ? folder_new(directory, absolute_directory) : NULL
                                   : folder_new(path, absolute);
    struct vx_scan_task *task = folder ? task_new(folder) : NULL;
    bool ok = task != NULL;
    if (folder)
        name_folder(folder, facts);
    if (task && type == VHDX_ENTRY_FILE) {
        task->names[0].type = type;
        task->names[0].name = vx_copy_string(vx_path_name(path, walk->windows));
        task->name_count = task->names[0].name ? 1 : 0;
        ok = task->name_count == 1;
    }
    if (ok && type == VHDX_ENTRY_DIRECTORY && !is_new_directory(walk, folder)) {
        task_free(task);
        task = NULL;
    }
    if (ok && task)
        put_task(walk, task);
    else
        task_free(task);
    folder_leave(folder);
    vx_free(directory);
    vx_free(absolute_directory);
    return ok;
}

static vhdx_status add_root(struct vx_walk *walk, const char *given, vhdx_error *err)
{
    const vhdx_host *host = walk->host;
    vhdx_entry_type type = VHDX_ENTRY_UNKNOWN;
    vhdx_file_facts facts;
    enum { ROOM = 4096 };
    char *path = vx_copy_string(given), *absolute = vx_alloc(ROOM, 1);
    vhdx_status status = path && absolute ? VHDX_OK : vx_fail_memory(err, "a path");
    if (status == VHDX_OK) {
        cut_separators(path, walk->windows);
        status = vx_host_look(host, path, &type, &facts, err);
    }
    if (status == VHDX_OK && type != VHDX_ENTRY_DIRECTORY && type != VHDX_ENTRY_FILE)
        status = vx_fail(err, VHDX_ARG, vx_at_file(path), "this is neither a directory nor a file");
    if (status == VHDX_OK)
        status =
            vx_host_result(host->absolute(host->context, path, absolute, ROOM, err), path, "say its whole path", err);
    if (status == VHDX_OK &&
        !(add_root_name(walk->estate, absolute) && vx_estate_add_place(walk->estate, path, true, NULL) &&
          put_root(walk, path, absolute, type, &facts)))
        status = vx_fail_memory(err, "the search");
    vx_free(path);
    vx_free(absolute);
    return status;
}

/*
 * A look at a file that is not in memory is a handful of small reads, one after the other: a cold disk is kept busy by
 * many looks at once, and waiting costs no processor. Measured in docs/performance.md.
 */
#define TEAM_LEAST 32u

static unsigned team_size(const vhdx_orphans_options *options)
{
    unsigned jobs = options->jobs, processors = vx_processor_count();
    if (jobs == 0 && options->host && options->host != vhdx_native_host())
        jobs = 1;
    else if (jobs == 0)
        jobs = processors > TEAM_LEAST ? processors : TEAM_LEAST;
    return jobs > VX_TEAM_MAX ? VX_TEAM_MAX : jobs;
}

static void free_tasks(struct vx_scan_task *task)
{
    while (task) {
        struct vx_scan_task *next = task->next;
        task_free(task);
        task = next;
    }
}

static void walk_end(struct vx_walk *walk)
{
    free_tasks(walk->heap);
    free_tasks(walk->later);
    vx_free(walk->seen);
    vx_lock_free(walk->lock);
}

vhdx_status vx_orphans_walk(struct vx_estate *estate, const char *const *roots, size_t root_count, bool extra,
                            const vhdx_orphans_options *options, vhdx_error *err)
{
    const vhdx_host *host = vx_host_or_native(options->host);
    struct vx_walk walk = {.estate = estate,
                           .host = host,
                           .options = options,
                           .windows = host->windows_paths,
                           .extra = extra,
                           .lock = vx_lock_new()};
    if (!walk.lock)
        return vx_fail_memory(err, "the search");
    vhdx_status status = VHDX_OK;
    for (size_t i = 0; i < root_count && status == VHDX_OK; i++)
        status = add_root(&walk, roots[i], err);
    if (status == VHDX_OK) {
        vx_team_run(team_size(options), work, &walk);
        status = walk.status;
        if (status == VHDX_NOMEM)
            vx_fail_memory(err, "the search");
        else if (status == VHDX_CANCELLED)
            vx_fail(err, status, vx_at_file(NULL), "the search was cancelled");
    }
    estate->totals.files_seen += walk.progress.files_seen;
    estate->totals.directories_seen += walk.progress.directories_seen;
    walk_end(&walk);
    return status;
}
