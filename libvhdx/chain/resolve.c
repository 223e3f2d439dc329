/*
 * Candidates for a parent, in order: the caller's files; the locator's relative, volume and absolute path as far as
 * this host understands them; their names beside the child; their tails below the directories above the child and below
 * the caller's directories; last, any disk in the caller's directories. Each is proven by identity; none is opened for
 * longer than that.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/resolve.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/path.h"
#include "base/tail.h"
#include "base/utf.h"

#include <string.h>

struct resolve {
    const struct vx_child *child;
    const vhdx_host *host;
    bool windows;
    const struct vx_search *search;
    char *directory; /* of the child */
    char *found;
    /* what to say when nothing is found */
    vhdx_error other; /* the first candidate that could not be looked at */
    /* the first that is no regular file or bears a name that this host cannot have, or that the caller named and is not
     * there */
    vhdx_error odd;
    char *mismatch; /* the first candidate with another identity */
    vhdx_guid mismatch_id;
    bool no_memory;
    bool given;    /* the caller named the file */
    bool sweeping; /* over files that nothing names: those that do not fit are not worth a word */
};

bool vx_is_parent(const struct vx_child *child, const vhdx_guid *data_write_guid)
{
    const vhdx_parent_names *names = child->names;
    if (names->has_linkage && vx_guid_equal(&names->linkage, data_write_guid))
        return true;
    return names->has_linkage2 && !vx_guid_is_zero(&names->linkage2) &&
           !vx_is_merged_mark(names->has_linkage2, &names->linkage2, &child->id) &&
           vx_guid_equal(&names->linkage2, data_write_guid);
}

static bool is_same_file(const vhdx_host *host, const char *a, const char *b)
{
    vhdx_entry_type type;
    vhdx_file_facts one, other;
    if (!host->look || host->look(host->context, a, &type, &one, NULL) != VHDX_OK ||
        host->look(host->context, b, &type, &other, NULL) != VHDX_OK)
        return false;
    return one.volume != 0 && one.volume == other.volume && one.file[0] == other.file[0] &&
           one.file[1] == other.file[1];
}

/* People read it: not "vm/../bases/x" where "bases/x" is the same file. Takes `path` over. */
static char *without_detour(const struct resolve *resolve, char *path)
{
    char *straight = strstr(path, "..") ? vx_path_straight(path, resolve->windows) : NULL;
    if (straight && strlen(straight) < strlen(path) && is_same_file(resolve->host, straight, path)) {
        vx_free(path);
        return straight;
    }
    vx_free(straight);
    return path;
}

/* Looks at one file. true: it is the parent, and `found` names it. Takes `path` over. */
static bool try_path(struct resolve *resolve, char *path)
{
    vhdx_guid guid;
    vhdx_error err;
    if (!path) {
        resolve->no_memory = true;
        return false;
    }
    vx_clear(&err);
    vhdx_status status = resolve->child->is_vhd ? vx_vhd_peek_identity(resolve->host, path, &guid, &err)
                                                : vx_image_peek_identity(resolve->host, path, &guid, &err);
    if (status == VHDX_OK && vx_is_parent(resolve->child, &guid)) {
        resolve->found = without_detour(resolve, path);
        return true;
    }
    if (status == VHDX_OK && !resolve->mismatch && !resolve->sweeping) {
        resolve->mismatch = path;
        resolve->mismatch_id = guid;
        return false;
    }
    /* ARG: a name that this host cannot have, too long or a directory's. It is not there either. */
    bool odd = status == VHDX_ARG || (status == VHDX_NOT_FOUND && resolve->given);
    if (odd && resolve->odd.status == VHDX_OK && !resolve->sweeping)
        resolve->odd = err;
    if (status != VHDX_OK && status != VHDX_NOT_FOUND && status != VHDX_ARG && resolve->other.status == VHDX_OK &&
        !resolve->sweeping)
        resolve->other = err;
    vx_free(path);
    return false;
}

struct name_search {
    const char *wanted;
    char *actual;
};

static bool match_name(void *visitor, const char *name)
{
    struct name_search *search = visitor;
    if (!vx_name_equal(name, search->wanted))
        return true;
    search->actual = vx_copy_string(name);
    return false;
}

/* `name` in `directory`: exactly, or in another letter case where the host distinguishes them. NULL: not there. */
static char *look_up(struct resolve *resolve, const char *directory, const char *name)
{
    struct name_search search = {.wanted = name};
    if (resolve->host->list(resolve->host->context, directory, match_name, &search, NULL) != VHDX_OK || !search.actual)
        return NULL;
    char *path = vx_path_join(directory, search.actual, resolve->windows);
    vx_free(search.actual);
    return path;
}

/* Follows `tail` ('/' or '\\' between its parts) from `start`, part by part, whatever the letter case. NULL: not
 * there. */
static char *follow(struct resolve *resolve, const char *start, const char *tail)
{
    char part[1024];
    char *at = vx_copy_string(start);
    while (at && *tail) {
        size_t length = strcspn(tail, "/\\");
        char *next = NULL;
        if (length >= sizeof part) {
            vx_free(at);
            return NULL;
        }
        memcpy(part, tail, length);
        part[length] = '\0';
        tail += length + (tail[length] != '\0');
        if (length == 0 || strcmp(part, ".") == 0)
            continue;
        next = strcmp(part, "..") == 0 ? vx_path_join(at, part, resolve->windows) : look_up(resolve, at, part);
        vx_free(at);
        at = next;
    }
    return at;
}

/* Longer names no host has; each part of a name may cost a look through a directory. */
static bool is_too_long(const struct resolve *resolve, const char *name)
{
    return strlen(name) >= (resolve->windows ? 32768u : 4096u);
}

/* Tries `tail` below `start` as it is written, then part by part whatever the letter case. */
static bool try_below(struct resolve *resolve, const char *start, const char *tail)
{
    if (is_too_long(resolve, tail))
        return false;
    while (tail[0] == '.' && (tail[1] == '\\' || tail[1] == '/'))
        tail += 2; /* Windows writes ".\name": so messages show "name" */
    char *plain = vx_copy_string(tail);
    for (char *c = plain; c && *c && !resolve->windows; c++)
        *c = *c == '\\' ? '/' : *c;
    bool found = plain && try_path(resolve, vx_path_join(start, plain, resolve->windows));
    vx_free(plain);
    if (found || resolve->windows)
        return found;
    char *path = follow(resolve, start, tail);
    return path && try_path(resolve, path);
}

/* Whether the path contains "..": below a directory it was not written for, that could lead anywhere. */
static bool goes_up(const char *path)
{
    while (*path) {
        size_t length = strcspn(path, "\\/");
        if (length == 2 && path[0] == '.' && path[1] == '.')
            return true;
        path += length;
        path += strspn(path, "\\/");
    }
    return false;
}

static bool is_directory_stop(void *visitor, const char *name)
{
    (void)visitor;
    (void)name;
    return false;
}

static bool is_directory(struct resolve *resolve, const char *path)
{
    return resolve->host->list(resolve->host->context, path, is_directory_stop, NULL, NULL) == VHDX_OK;
}

static bool try_given_files(struct resolve *resolve)
{
    bool found = false;
    resolve->given = true;
    for (size_t i = 0; i < resolve->search->place_count && !found; i++) {
        const char *place = resolve->search->places[i];
        found = !is_directory(resolve, place) && try_path(resolve, vx_copy_string(place));
    }
    resolve->given = false;
    return found;
}

/* The locator's own words, in the order of the specification. */
static bool try_locator_paths(struct resolve *resolve)
{
    const vhdx_parent_names *names = resolve->child->names;
    const char *absolute[2] = {names->volume_path, names->absolute_win32_path};
    if (names->relative_path && !vx_path_is_absolute(names->relative_path, true) &&
        try_below(resolve, resolve->directory, names->relative_path))
        return true;
    for (size_t i = 0; i < 2; i++)
        if (absolute[i] && vx_path_is_absolute(absolute[i], resolve->windows) &&
            try_path(resolve, vx_copy_string(absolute[i])))
            return true;
    return false;
}

typedef bool (*path_fn)(struct resolve *resolve, const char *locator_path, const char *argument);

static bool for_each_path(struct resolve *resolve, path_fn try, const char *argument)
{
    const vhdx_parent_names *names = resolve->child->names;
    const char *paths[3] = {names->relative_path, names->volume_path, names->absolute_win32_path};
    for (size_t i = 0; i < 3; i++)
        if (paths[i] && *vx_tail_name(paths[i]) && try(resolve, paths[i], argument))
            return true;
    return false;
}

static bool try_beside(struct resolve *resolve, const char *locator_path, const char *unused)
{
    (void)unused;
    return try_below(resolve, resolve->directory, vx_tail_name(locator_path));
}

/* Below `start`: what the path has behind its drive or volume, and behind the server of a shared folder. */
static bool try_rest(struct resolve *resolve, const char *start, const char *locator_path)
{
    const char *with_server = vx_tail_with_server(locator_path), *rest = vx_tail_without_root(locator_path);
    return try_below(resolve, start, with_server) || (rest != with_server && try_below(resolve, start, rest));
}

/* The path without its drive below each directory above the child: finds what a drive letter meant when its volume is
 * mounted somewhere. */
static bool try_above(struct resolve *resolve, const char *locator_path, const char *unused)
{
    char absolute[4096];
    (void)unused;
    if (vx_path_is_absolute(locator_path, true) == false || goes_up(locator_path) ||
        resolve->host->absolute(resolve->host->context, resolve->directory, absolute, sizeof absolute, NULL) != VHDX_OK)
        return false;
    char *directory = vx_copy_string(absolute);
    bool found = false;
    while (directory && !found) {
        found = try_rest(resolve, directory, locator_path);
        char *above = vx_path_directory(directory, resolve->windows);
        bool at_root = !above || strcmp(above, directory) == 0 || strcmp(above, ".") == 0;
        vx_free(directory);
        directory = at_root ? NULL : above;
        if (at_root)
            vx_free(above);
    }
    vx_free(directory); /* the one above the last that was looked below */
    return found;
}

/* Tails of the path below a directory, the longest first: it is the least ambiguous. */
static bool try_tails(struct resolve *resolve, const char *locator_path, const char *directory)
{
    const char *tail = vx_tail_with_server(locator_path);
    while (*tail) {
        if (!is_too_long(resolve, tail) && !goes_up(tail) && try_below(resolve, directory, tail))
            return true;
        tail += strcspn(tail, "\\/");
        tail += strspn(tail, "\\/");
    }
    return false;
}

struct sweep {
    struct resolve *resolve;
    const char *directory;
    bool found;
};

static bool try_any(void *visitor, const char *name)
{
    struct sweep *sweep = visitor;
    bool windows = sweep->resolve->windows, vhd = sweep->resolve->child->is_vhd;
    if (vx_path_has_extension(name, vhd ? ".vhd" : ".vhdx", windows) ||
        vx_path_has_extension(name, vhd ? ".avhd" : ".avhdx", windows))
        sweep->found = try_path(sweep->resolve, vx_path_join(sweep->directory, name, windows));
    return !sweep->found;
}

static bool try_given_directories(struct resolve *resolve)
{
    for (size_t i = 0; i < resolve->search->place_count; i++) {
        struct sweep sweep = {resolve, resolve->search->places[i], false};
        if (!is_directory(resolve, sweep.directory))
            continue;
        if (for_each_path(resolve, try_tails, sweep.directory))
            return true;
        resolve->sweeping = true;
        resolve->host->list(resolve->host->context, sweep.directory, try_any, &sweep, NULL);
        resolve->sweeping = false;
        if (sweep.found)
            return true;
    }
    return false;
}

static vhdx_status check_locator(const struct vx_child *child, vhdx_error *err)
{
    struct vx_where where = vx_at(child->path, "parent locator", child->metadata_offset);
    if (child->is_vhd)
        return VHDX_OK;
    if (!child->locator)
        return vx_fail(err, VHDX_CORRUPT, where, "the disk has a parent, but no usable parent locator");
    if (vx_locator_rules(child->locator) & VX_LOCATOR_BAD_TYPE)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the parent locator is of an unknown type");
    if (!child->names->has_linkage && !child->names->has_linkage2)
        return vx_fail(err, VHDX_CORRUPT, where, "the parent locator does not identify the parent");
    return VHDX_OK;
}

static vhdx_status fail_nothing_found(struct resolve *resolve, vhdx_error *err)
{
    const vhdx_parent_names *names = resolve->child->names;
    struct vx_where where = vx_at(resolve->child->path, "parent locator", resolve->child->metadata_offset);
    char expected[VX_GUID_TEXT], found[VX_GUID_TEXT];
    vx_guid_format(&names->linkage, expected);
    if (resolve->no_memory)
        return vx_fail_memory(err, "the search for a parent");
    if (resolve->mismatch) {
        vx_guid_format(&resolve->mismatch_id, found);
        return vx_fail(err, VHDX_PARENT_MISMATCH, where, "the parent's id does not match: expected %s, found %s in %s",
                       expected, found, resolve->mismatch);
    }
    if (resolve->other.status != VHDX_OK) {
        if (err)
            *err = resolve->other;
        return resolve->other.status;
    }
    const char *name = names->absolute_win32_path ? names->absolute_win32_path
                       : names->relative_path     ? names->relative_path
                       : names->volume_path       ? names->volume_path
                                                  : "(no path)";
    if (resolve->odd.status != VHDX_OK)
        return vx_fail(err, VHDX_PARENT_MISSING, where, "the parent %s (id %s) was not found; %.200s: %.200s", name,
                       expected, resolve->odd.path, resolve->odd.message);
    return vx_fail(err, VHDX_PARENT_MISSING, where, "the parent %s (id %s) was not found", name, expected);
}

vhdx_status vx_resolve_parent(const struct vx_child *child, const struct vx_search *search, char **path,
                              vhdx_error *err)
{
    char *candidate;
    vhdx_status status = vx_resolve_parent_or(child, search, path, &candidate, err);
    vx_free(candidate);
    return status;
}

vhdx_status vx_resolve_parent_or(const struct vx_child *child, const struct vx_search *search, char **path,
                                 char **candidate, vhdx_error *err)
{
    *path = *candidate = NULL;
    struct resolve resolve = {
        .child = child, .host = child->host, .windows = child->host->windows_paths, .search = search};
    VX_TRY(check_locator(child, err));
    resolve.directory = vx_path_directory(child->path, resolve.windows);
    if (!resolve.directory)
        return vx_fail_memory(err, "a path");
    bool found = try_given_files(&resolve) || try_locator_paths(&resolve) ||
                 for_each_path(&resolve, try_beside, NULL) || for_each_path(&resolve, try_above, NULL) ||
                 try_given_directories(&resolve);
    vhdx_status status = found ? VHDX_OK : fail_nothing_found(&resolve, err);
    *path = resolve.found;
    if (status == VHDX_PARENT_MISMATCH)
        *candidate = resolve.mismatch;
    else
        vx_free(resolve.mismatch);
    vx_free(resolve.directory);
    return status;
}

bool vx_resolve_relative(const struct vx_child *child)
{
    struct resolve resolve = {.child = child, .host = child->host, .windows = child->host->windows_paths};
    const char *relative = child->names->relative_path;
    if (!relative || vx_path_is_absolute(relative, true))
        return false;
    resolve.directory = vx_path_directory(child->path, resolve.windows);
    bool found = resolve.directory && try_below(&resolve, resolve.directory, relative);
    vx_free(resolve.found);
    vx_free(resolve.mismatch);
    vx_free(resolve.directory);
    return found;
}
