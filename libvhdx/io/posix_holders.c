/*
 * The processes that have a file open, as far as Linux shows them: every process shows its open files below /proc, with
 * the locks that it holds on each. Only for the words of an error; nothing is decided by it. The kernel's own users (a
 * file server, a loop device) and other hosts have no process here, and the files of other people's processes are seen
 * by root only, so an empty answer proves nothing.
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "base/text.h"
#include "io/posix.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES_MAX = 1 << 18, /* open files that are looked at: a host may have millions */
    SHOWN_MAX = 3,
    NAME_ROOM = 64,
};

struct holder {
    long pid;
    char name[NAME_ROOM];
};

struct search {
    dev_t device;
    ino_t inode;
    size_t files;
    struct holder locking[SHOWN_MAX], opened[SHOWN_MAX];
    size_t locking_count, opened_count;
    int own_fd;
    bool ourselves; /* by another handle */
};

static bool is_number(const char *name)
{
    return isdigit((unsigned char)name[0]) != 0;
}

static size_t read_text(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, room - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static bool has_lock(long pid, const char *number)
{
    char path[96], text[2048];
    snprintf(path, sizeof path, "/proc/%ld/fdinfo/%.20s", pid, number);
    return read_text(path, text, sizeof text) > 0 && strstr(text, "\nlock:") != NULL;
}

static void remember(struct holder *holders, size_t *count, long pid)
{
    char path[64];
    size_t kept = *count < SHOWN_MAX ? *count : SHOWN_MAX;
    for (size_t i = 0; i < kept; i++)
        if (holders[i].pid == pid)
            return;
    if (*count < SHOWN_MAX) {
        struct holder *holder = &holders[*count];
        holder->pid = pid;
        snprintf(path, sizeof path, "/proc/%ld/comm", pid);
        if (read_text(path, holder->name, sizeof holder->name) == 0)
            snprintf(holder->name, sizeof holder->name, "a program");
        holder->name[strcspn(holder->name, "\n")] = '\0';
    }
    (*count)++;
}

/* Our own handles come last: one of them may have been inherited from the very program that holds the file. */
static void look_at_process(struct search *search, long pid)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *directory = opendir(path);
    bool own = pid == (long)getpid();
    const struct dirent *entry;
    while (directory && search->files < FILES_MAX && (entry = readdir(directory)) != NULL) {
        struct stat st;
        if (!is_number(entry->d_name))
            continue;
        search->files++;
        snprintf(path, sizeof path, "/proc/%ld/fd/%.20s", pid, entry->d_name);
        if (stat(path, &st) != 0 || st.st_dev != search->device || st.st_ino != search->inode)
            continue;
        if (own)
            search->ourselves = search->ourselves || atoi(entry->d_name) != search->own_fd;
        else if (has_lock(pid, entry->d_name))
            remember(search->locking, &search->locking_count, pid);
        else
            remember(search->opened, &search->opened_count, pid);
    }
    if (directory)
        closedir(directory);
}

static void write_names(const struct holder *holders, size_t count, char *text, size_t room)
{
    size_t shown = count < SHOWN_MAX ? count : SHOWN_MAX;
    struct vx_text out = vx_text_begin(text, room);
    for (size_t i = 0; i < shown; i++)
        vx_text_add(&out, "%s%s (process %ld)",
                    i == 0                             ? ""
                    : i + 1 == shown && shown == count ? " and "
                                                       : ", ",
                    holders[i].name, holders[i].pid);
    if (shown < count)
        vx_text_add(&out, " and %zu more", count - shown);
}

bool vx_posix_holders(int fd, char *text, size_t room)
{
    struct search search = {.own_fd = fd};
    struct stat st;
    const struct dirent *entry;
    if (fstat(fd, &st) != 0)
        return false;
    search.device = st.st_dev;
    search.inode = st.st_ino;
    DIR *processes = opendir("/proc");
    while (processes && (entry = readdir(processes)) != NULL)
        if (is_number(entry->d_name))
            look_at_process(&search, strtol(entry->d_name, NULL, 10));
    if (processes)
        closedir(processes);
    if (search.locking_count > 0)
        write_names(search.locking, search.locking_count, text, room);
    else if (search.opened_count > 0)
        write_names(search.opened, search.opened_count, text, room);
    else if (search.ourselves)
        snprintf(text, room, "this program itself (process %ld)", (long)getpid());
    return search.locking_count + search.opened_count > 0 || search.ourselves;
}
