/* What the suites of searches share: directories with disks and configurations, searched. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ORPHANS_PARTS_H
#define TESTS_ORPHANS_PARTS_H

#define _GNU_SOURCE
#include <criterion/criterion.h>

#include "builder.h"
#include "files.h"
#include "forest.h"
#include "vhd.h"
#include "worn_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct forest forest;
static vhdx_orphans *found;

static inline void open_forest(void)
{
    forest_open(&forest);
    found = NULL;
}

static inline void close_forest(void)
{
    vhdx_orphans_free(found);
    forest_close(&forest);
}

static inline void search_with(const vhdx_orphans_options *options)
{
    vhdx_error err;
    const char *roots[] = {forest.directory};
    vhdx_orphans_free(found);
    found = NULL;
    cr_assert_eq(vhdx_orphans_scan(roots, 1, options, &found, &err), VHDX_OK, "%s", err.message);
}

static inline void search(void)
{
    search_with(NULL);
}

/* By its path below the directory; ends the test when it is not there. */
static inline const vhdx_found_file *file(const char *name)
{
    char *path = files_path(forest.directory, name);
    const vhdx_found_file *at, *it = NULL;
    for (size_t i = 0; (at = vhdx_orphans_file(found, i)) != NULL; i++)
        if (strcmp(at->path, path) == 0)
            it = at;
    free(path);
    cr_assert_not_null(it, "%s was not found", name);
    return it;
}

static inline void expect_status(const char *name, const char *status)
{
    const vhdx_found_file *it = file(name);
    cr_expect_str_eq(vhdx_disk_status_name(it->status), status, "%s is '%s', expected '%s' (%s)", name,
                     vhdx_disk_status_name(it->status), status, it->remark_count ? it->remarks[0].message : "");
}

static inline bool finding_says(const char *name, const char *words)
{
    const vhdx_found_file *it = file(name);
    for (size_t i = 0; i < it->remark_count; i++)
        if (strstr(it->remarks[i].message, words))
            return true;
    return false;
}

static inline size_t problems(void)
{
    return vhdx_orphans_totals(found)->problem_count;
}

static inline vhdx_guid base(const char *name)
{
    return forest_disk(&forest, &(struct forest_disk){.name = name});
}

static inline vhdx_guid child(const char *name, const vhdx_guid *parent, const char *relative)
{
    return forest_disk(&forest, &(struct forest_disk){.name = name, .parent = parent, .relative = relative});
}

static inline void machine(const char *name, const char *disk)
{
    forest_machine(&forest, name, "web", (const char *const[]){disk, NULL});
}

static inline void put(const char *name, const void *bytes, size_t size)
{
    char *path = forest_path(&forest, name);
    cr_assert(files_write(path, bytes, size));
    free(path);
}

#endif
