/*
 * The configurations beside some disks. See config_find.h. On Linux the directory "Virtual Machines"
 * may be spelled in any letter case, so it is looked for in the list of names and never opened by name.
 */
/* SPDX-License-Identifier: MIT */
#include "config/config_find.h"

#include "base/alloc.h"
#include "base/utf.h"
#include "io/io.h"
#include "base/path.h"
#include "config/config.h"
#include "base/tail.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 65536u /* configurations and directories that are looked at; a host has some hundred */
#define PATH_ROOM 4096u

/* Texts of our own. */
struct names {
    char **items;
    size_t count, room;
    bool no_memory;
};

struct finder {
    const vhdx_host *host;
    struct names disks;       /* absolute */
    struct names directories; /* looked into already */
    struct names files;       /* configurations to be read */
    vhdx_mention_fn visit;
    void *context;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        vx_free(names->items[i]);
    vx_free(names->items);
}

/* Takes the text over. */
static void names_own(struct names *names, char *text)
{
    char **items = text ? vx_room_for(names->items, names->count, &names->room, sizeof *items) : NULL;
    if (!items) {
        vx_free(text);
        names->no_memory = true;
        return;
    }
    names->items = items;
    names->items[names->count++] = text;
}

static bool names_have(const struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], text) == 0)
            return true;
    return false;
}

static bool is_config_directory(const char *name)
{
    return vx_name_equal(name, "Virtual Machines") || vx_name_equal(name, "Snapshots");
}

static bool is_config_file(const char *name, bool windows)
{
    static const char *const extensions[] = {".vmcx", ".xml", ".exp", ".vhds"};
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (vx_path_has_extension(name, extensions[i], windows))
            return true;
    return false;
}

/* A directory while its names come in. */
struct listing {
    struct finder *finder;
    struct names files, directories;
    bool want_files, want_directories;
};

static bool take_name(void *visitor, const char *name)
{
    struct listing *listing = visitor;
    if (listing->want_files && is_config_file(name, listing->finder->host->windows_paths))
        names_own(&listing->files, vx_copy_string(name));
    else if (listing->want_directories && is_config_directory(name))
        names_own(&listing->directories, vx_copy_string(name));
    return listing->files.count < NAMES_MAX && !listing->files.no_memory;
}

static vhdx_status look_into(struct finder *finder, const char *directory, bool files, bool below, vhdx_error *err);

/* What was listed: files are kept, directories looked into. What cannot be listed was not meant. */
static void take_listing(struct finder *finder, const char *directory, const struct listing *listing)
{
    bool windows = finder->host->windows_paths;
    for (size_t i = 0; i < listing->files.count; i++) {
        char *path = vx_path_join(directory, listing->files.items[i], windows);
        if (path && names_have(&finder->files, path))
            vx_free(path);
        else
            names_own(&finder->files, path);
    }
    for (size_t i = 0; i < listing->directories.count; i++) {
        char *path = vx_path_join(directory, listing->directories.items[i], windows);
        if (path)
            look_into(finder, path, true, false, NULL);
        finder->files.no_memory = finder->files.no_memory || !path;
        vx_free(path);
    }
}

/* Keeps the directory's configurations (`files`) and those of its directories of configurations (`below`). */
static vhdx_status look_into(struct finder *finder, const char *directory, bool files, bool below, vhdx_error *err)
{
    struct listing listing = {.finder = finder, .want_files = files, .want_directories = below};
    char key[PATH_ROOM + 2];
    snprintf(key, sizeof key, "%c%s", files ? (below ? 'a' : 'f') : 'b', directory);
    if (names_have(&finder->directories, key))
        return VHDX_OK;
    names_own(&finder->directories, vx_copy_string(key));
    vhdx_status status = finder->host->list(finder->host->context, directory, take_name, &listing, err);
    if (status == VHDX_OK)
        take_listing(finder, directory, &listing);
    finder->files.no_memory = finder->files.no_memory || listing.files.no_memory || listing.directories.no_memory;
    names_free(&listing.files);
    names_free(&listing.directories);
    return vx_host_result(status, directory, "list the directory", err);
}

/* Beside the disk, and beside its directory: "X\Virtual Hard Disks" has "X\Virtual Machines" for a neighbour. */
static void look_around_disk(struct finder *finder, const char *disk)
{
    bool windows = finder->host->windows_paths;
    char *directory = vx_path_directory(disk, windows);
    char *parent = directory ? vx_path_directory(directory, windows) : NULL;
    if (parent) {
        look_into(finder, directory, true, true, NULL);
        look_into(finder, parent, false, true, NULL);
    }
    finder->files.no_memory = finder->files.no_memory || !parent;
    vx_free(directory);
    vx_free(parent);
}

static char *absolute_of(const struct finder *finder, const char *path)
{
    char text[PATH_ROOM];
    if (finder->host->absolute(finder->host->context, path, text, sizeof text, NULL) != VHDX_OK)
        return vx_copy_string(path);
    return vx_copy_string(text);
}

/* ---- comparing ---- */

/* Of several disks of that name those that have most in common with the path: a linked clone may be called like the
 * disk that it was made on. */
static size_t longest_tail(const struct finder *finder, const char *path)
{
    size_t longest = 0;
    for (size_t i = 0; i < finder->disks.count; i++) {
        size_t parts = vx_tail_compare(path, finder->disks.items[i], finder->host->windows_paths).parts;
        longest = parts > longest ? parts : longest;
    }
    return longest;
}

static bool tell_drive(const struct finder *finder, vhdx_config_mention *mention)
{
    const char *path = mention->drive->path;
    size_t longest = longest_tail(finder, path);
    for (mention->disk = 0; longest > 0 && mention->disk < finder->disks.count; mention->disk++) {
        struct vx_tail tail = vx_tail_compare(path, finder->disks.items[mention->disk], finder->host->windows_paths);
        mention->name_only = tail.parts == 1 && !tail.whole;
        if (tail.parts == longest && !finder->visit(finder->context, mention))
            return false;
    }
    return true;
}

static bool tell_drives(const struct finder *finder, const struct vx_config *config)
{
    vhdx_config_mention mention = {.info = &config->info};
    for (size_t i = 0; i < config->info.drive_count; i++) {
        mention.drive = &config->disks[i];
        if (!tell_drive(finder, &mention))
            return false;
    }
    mention = (vhdx_config_mention){.info = &config->info, .disk = finder->disks.count};
    bool partly = !config->info.complete && config->info.format != VHDX_CONFIG_VHDS;
    return !partly || finder->visit(finder->context, &mention);
}

/* Reads one and tells what it says of the disks; *is_config: it is one. false: the caller wants no more. */
static bool tell_config(const struct finder *finder, const char *path, bool *is_config)
{
    struct vx_config *config;
    vhdx_error error;
    vx_clear(&error);
    vhdx_status status = vx_config_read(finder->host, path, 0, &config, &error);
    *is_config = status != VHDX_NOT_CONFIG;
    if (!*is_config)
        return true;
    if (status != VHDX_OK) {
        const vhdx_config_mention mention = {.disk = finder->disks.count, .error = &error};
        return finder->visit(finder->context, &mention);
    }
    bool more = tell_drives(finder, config);
    vx_config_free(config);
    return more;
}

/* The caller named a place and means that a configuration is there. `is_config`: by number of the file. */
static bool tell_empty_place(const struct finder *finder, const char *path, const bool *is_config)
{
    vhdx_error error;
    const vhdx_config_mention mention = {.disk = finder->disks.count, .error = &error};
    for (size_t i = 0; i < finder->files.count; i++)
        if (is_config[i] && strncmp(finder->files.items[i], path, strlen(path)) == 0)
            return true;
    vx_fail(&error, VHDX_NOT_CONFIG, vx_at_file(path), "no configuration of a virtual machine is there");
    return finder->visit(finder->context, &mention);
}

static vhdx_status tell_all(const struct finder *finder, const vhdx_config_find_options *options, vhdx_error *err)
{
    bool *is_config = vx_alloc(finder->files.count, sizeof *is_config), more = true;
    if (!is_config)
        return vx_fail_memory(err, "the search for configurations");
    for (size_t i = 0; more && i < finder->files.count; i++)
        more = tell_config(finder, finder->files.items[i], &is_config[i]);
    for (size_t i = 0; more && i < options->config_count; i++)
        more = tell_empty_place(finder, options->configs[i], is_config);
    vx_free(is_config);
    return VHDX_OK;
}

/* What the caller names: a file, or else a directory. */
static vhdx_status look_into_given(struct finder *finder, const char *path, vhdx_error *err)
{
    struct vx_file *file;
    vhdx_status status = vx_file_open(finder->host, path, VHDX_OPEN_PEEK, &file, err);
    if (status != VHDX_OK && look_into(finder, path, true, true, NULL) != VHDX_OK)
        return status;
    vx_clear(err);
    if (status != VHDX_OK)
        return VHDX_OK;
    vx_file_close(file);
    if (!names_have(&finder->files, path))
        names_own(&finder->files, vx_copy_string(path));
    return VHDX_OK;
}

static vhdx_status find_files(struct finder *finder, const char *const *disks, size_t count,
                              const vhdx_config_find_options *options, vhdx_error *err)
{
    for (size_t i = 0; i < options->config_count; i++)
        VX_TRY(look_into_given(finder, options->configs[i], err));
    for (size_t i = 0; i < count; i++) {
        char *absolute = absolute_of(finder, disks[i]);
        names_own(&finder->disks, absolute);
        if (absolute && !finder->disks.no_memory)
            look_around_disk(finder, absolute);
    }
    if (finder->disks.no_memory || finder->directories.no_memory || finder->files.no_memory)
        return vx_fail_memory(err, "the search for configurations");
    return VHDX_OK;
}

vhdx_status vx_config_find(const char *const *disks, size_t disk_count, const vhdx_config_find_options *options,
                           vhdx_mention_fn visit, void *context, vhdx_error *err)
{
    struct finder finder = {.host = vx_host_or_native(options->host), .visit = visit, .context = context};
    vhdx_status status = find_files(&finder, disks, disk_count, options, err);
    if (status == VHDX_OK)
        status = tell_all(&finder, options, err);
    names_free(&finder.disks);
    names_free(&finder.directories);
    names_free(&finder.files);
    return status;
}
