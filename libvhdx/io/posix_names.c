/*
 * The names of POSIX systems and all that is no open file: directories, renaming, absolute paths, free space, random
 * numbers; and the host that posix.c and this make together. A new name is durable only when its
 * directory was flushed.
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "io/posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/random.h>
#include <sys/xattr.h>
#endif

#include "base/alloc.h"
#include "base/checked.h"
#include "base/path.h"

static const char *or_here(const char *directory)
{
    return directory[0] ? directory : ".";
}

#ifdef DT_REG
static vhdx_entry_type entry_type(const struct dirent *entry)
{
    switch (entry->d_type) {
    case DT_REG:
    case DT_BLK:
        return VHDX_ENTRY_FILE;
    case DT_DIR:
        return VHDX_ENTRY_DIRECTORY;
    case DT_LNK:
        return VHDX_ENTRY_LINK;
    case DT_UNKNOWN:
        return VHDX_ENTRY_UNKNOWN;
    default:
        return VHDX_ENTRY_OTHER;
    }
}
#else
static vhdx_entry_type entry_type(const struct dirent *entry)
{
    (void)entry;
    return VHDX_ENTRY_UNKNOWN;
}
#endif

static vhdx_status host_list_entries(void *context, const char *directory,
                                     bool (*visit)(void *visitor, const char *name, vhdx_entry_type type),
                                     void *visitor, vhdx_error *err)
{
    (void)context;
    DIR *dir = opendir(or_here(directory));
    if (!dir)
        return vx_posix_fail(err, errno, false, directory, "read the directory");
    int code = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            code = errno;
            break;
        }
        bool special = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (!special && !visit(visitor, entry->d_name, entry_type(entry)))
            break;
    }
    closedir(dir);
    return code == 0 ? VHDX_OK : vx_posix_fail(err, code, false, directory, "read the directory");
}

struct name_visit {
    bool (*visit)(void *visitor, const char *name);
    void *visitor;
};

static bool visit_name(void *context, const char *name, vhdx_entry_type type)
{
    const struct name_visit *names = context;
    (void)type;
    return names->visit(names->visitor, name);
}

static vhdx_status host_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                             void *visitor, vhdx_error *err)
{
    struct name_visit names = {visit, visitor};
    return host_list_entries(context, directory, visit_name, &names, err);
}

static vhdx_entry_type type_of_mode(mode_t mode)
{
    if (S_ISREG(mode) || S_ISBLK(mode))
        return VHDX_ENTRY_FILE;
    return S_ISDIR(mode) ? VHDX_ENTRY_DIRECTORY : VHDX_ENTRY_OTHER;
}

/*
 * Whether a link leads back to itself. The system says so too when a way went through too many links: then the link is
 * no loop when it is looked at from the directory that it is in.
 */
static bool is_link_loop(const char *path)
{
    struct stat st;
    char *directory = vx_path_directory(path, false);
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool loop = fd >= 0 && fstatat(fd, vx_path_name(path, false), &st, 0) != 0 && errno == ELOOP;
    if (fd >= 0)
        close(fd);
    vx_free(directory);
    return loop;
}

static vhdx_status host_look(void *context, const char *path, vhdx_entry_type *type, vhdx_file_facts *facts,
                             vhdx_error *err)
{
    struct stat st;
    (void)context;
    if (stat(or_here(path), &st) != 0) {
        int code = errno;
        if (code == ELOOP && is_link_loop(path))
            return vx_fail_system(err, VHDX_NOT_FOUND, vx_at_file(path), code,
                                  "it is a link that leads back to itself");
        return vx_posix_fail(err, code, false, path, "look at it");
    }
    *type = type_of_mode(st.st_mode);
    *facts = vx_posix_facts(-1, &st);
    return VHDX_OK;
}

static vhdx_status host_remove(void *context, const char *path, vhdx_error *err)
{
    (void)context;
    return unlink(path) == 0 ? VHDX_OK : vx_posix_fail(err, errno, true, path, "remove the file");
}

static vhdx_status host_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    (void)context;
    return rename(from, to) == 0 ? VHDX_OK : vx_posix_fail(err, errno, true, from, "rename the file");
}

#ifdef __linux__
/* One extended attribute (ACLs are such) from one file to the other. Those that the host sets itself cannot be set:
 * that is no failure. */
static void copy_attribute(const char *name, const char *from, const char *to)
{
    enum { ROOM = 65536 };
    char *value = vx_alloc(ROOM, 1);
    ssize_t length = value ? getxattr(from, name, value, ROOM) : -1;
    if (length >= 0)
        (void)setxattr(to, name, value, (size_t)length, 0);
    vx_free(value);
}

static void copy_attributes(const char *from, const char *to)
{
    enum { ROOM = 65536 };
    char *names = vx_alloc(ROOM, 1);
    ssize_t length = names ? listxattr(from, names, ROOM) : -1;
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1)
        copy_attribute(names + at, from, to);
    static const char *const hidden[] = {"system.ntfs_acl", "system.ntfs_security"}; /* not listed by every driver */
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        copy_attribute(hidden[i], from, to);
    vx_free(names);
}
#else
static void copy_attributes(const char *from, const char *to)
{
    (void)from;
    (void)to;
}
#endif

/* Owner before mode: changing the owner clears bits of the mode. */
static vhdx_status host_replace(void *context, const char *from, const char *to, vhdx_error *err)
{
    struct stat old;
    if (stat(to, &old) == 0) {
        copy_attributes(to, from);
        if (chown(from, old.st_uid, old.st_gid) != 0 && errno != EPERM)
            return vx_posix_fail(err, errno, true, from, "give the file the other's owner");
        if (chmod(from, old.st_mode & 07777) != 0)
            return vx_posix_fail(err, errno, true, from, "give the file the other's mode");
    }
    return host_rename(context, from, to, err);
}

static vhdx_status host_sync_directory(void *context, const char *directory, vhdx_error *err)
{
    (void)context;
    int fd = open(or_here(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vx_posix_fail(err, errno, false, directory, "open the directory");
    int code = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (code == 0 || code == EINVAL || code == ENOTSUP || code == EOPNOTSUPP) /* need not, or cannot */
        return VHDX_OK;
    return vx_posix_fail(err, code, true, directory, "flush the directory");
}

/* The path that must exist to make `path` absolute: its directory, or all of it when it ends in "." or "..". */
static char *existing_part(const char *path, const char **name)
{
    *name = vx_path_name(path, false);
    if (!(*name)[0] || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) {
        *name = "";
        return vx_copy_string(path);
    }
    return vx_path_directory(path, false);
}

static vhdx_status host_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    (void)context;
    const char *name = "";
    char *real = realpath(or_here(path), NULL); /* a file that is there: through symbolic links, to its real place */
    int code = errno;
    if (!real) {
        char *part = existing_part(path, &name);
        if (!part)
            return vx_fail_memory(err, "a path");
        real = realpath(or_here(part), NULL);
        code = errno;
        vx_free(part);
    }
    if (!real)
        return vx_posix_fail(err, code, false, path, "find the directory of the file");
    const char *separator = name[0] && real[strlen(real) - 1] != '/' ? "/" : "";
    int length = snprintf(text, text_size, "%s%s%s", real, separator, name);
    free(real); /* realpath() got it from malloc() */
    if (length < 0 || (size_t)length >= text_size)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(path), "the path is longer than %zu bytes", text_size);
    return VHDX_OK;
}

static vhdx_status host_space(void *context, const char *path, vhdx_space *space, vhdx_error *err)
{
    (void)context;
    struct statvfs fs;
    char *directory = NULL;
    const char *there = or_here(path);
    if (statvfs(there, &fs) != 0) { /* no such file yet: its directory is on the same volume */
        directory = vx_path_directory(path, false);
        if (!directory)
            return vx_fail_memory(err, "a path");
        there = directory;
        if (statvfs(there, &fs) != 0) {
            int code = errno;
            vx_free(directory);
            return vx_posix_fail(err, code, false, path, "ask for the free space of the volume");
        }
    }
    if (!vx_mul((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &space->free_bytes))
        space->free_bytes = UINT64_MAX;
    space->max_file_size = vx_posix_largest_file(there);
    vx_free(directory);
    return VHDX_OK;
}

static vhdx_status host_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    (void)context;
    uint8_t *to = buf;
    while (length > 0) {
        size_t piece = (size_t)vx_min(length, 256);
#ifdef __linux__
        ssize_t got = getrandom(to, piece, 0);
#else
        ssize_t got = getentropy(to, piece) == 0 ? (ssize_t)piece : -1;
#endif
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vx_posix_fail(err, errno, false, NULL, "get random numbers");
        to += got;
        length -= (size_t)got;
    }
    return VHDX_OK;
}

const vhdx_host *vhdx_native_host(void)
{
    static const vhdx_host host = {
        .struct_size = sizeof host,
        .open = vx_posix_open,
        .list = host_list,
        .remove = host_remove,
        .rename = host_rename,
        .replace = host_replace,
        .sync_directory = host_sync_directory,
        .absolute = host_absolute,
        .space = host_space,
        .random = host_random,
        .list_entries = host_list_entries,
        .look = host_look,
    };
    return &host;
}
