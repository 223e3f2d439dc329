/* What the suites of repaired links share: a child and files around it. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_REPAIR_LINK_PARTS_H
#define TESTS_REPAIR_LINK_PARTS_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ext4_image.h"
#include "faults_around.h"
#include "files.h"
#include "guest.h"
#include "with_memory.h"

#define BASE "/d/base.vhdx"
#define UNDO AROUND_PATH ".vhdx-undo"

static struct around_scene *scene;

static inline void setup(void)
{
    begin_memory();
    scene = calloc(1, sizeof *scene);
    worn_host_init(&scene->worn, vx_memory_host_interface(memory));
    host = &scene->worn.host;
}

static inline void teardown(void)
{
    free(scene);
    end_memory();
}

static inline void rename_file(const char *from, const char *to)
{
    cr_assert_eq(host->rename(host->context, from, to, NULL), VHDX_OK);
}

static inline uint64_t digest(const char *path)
{
    uint64_t value;
    cr_assert(files_digest(host, path, &value), "%s", path);
    return value;
}

/* ---- what is done ------------------------------------------------------------------------------------------------ */

static const char *const places[] = {"/d", "/e"};

static inline vhdx_report *repair(size_t place_count, bool dry_run)
{
    const vhdx_repair_options options = {.struct_size = sizeof options,
                                         .host = host,
                                         .dry_run = dry_run,
                                         .parents = places,
                                         .parent_count = place_count};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_repair(AROUND_PATH, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static inline vhdx_report *verify(void)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .chain = true};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_verify(AROUND_PATH, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static inline const vhdx_finding *find(const vhdx_report *report, enum vx_find kind)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (finding->number == (uint32_t)kind)
            return finding;
    return NULL;
}

static inline void must_do_nothing(size_t place_count)
{
    uint64_t before = digest(AROUND_PATH);
    vhdx_report *report = repair(place_count, false);
    cr_expect_null(vhdx_report_file(report, 0)->undo);
    cr_expect_eq(digest(AROUND_PATH), before);
    vhdx_report_free(report);
}

/* ---- a parent that only its content speaks for ---- */

#define SIZE ((uint64_t)8 << 20)

#endif
