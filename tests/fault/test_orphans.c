/*
 * A search while every allocation fails in turn: it fails and says so, or it says of every disk what it says with
 * memory enough. A search that lost a configuration or an entry of a list on its way, and went on, would propose a disk
 * in use to go.
 */
/* SPDX-License-Identifier: MIT */
#include "fault/allocations.h"
#include "files.h"
#include "forest.h"
#include "vhd.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct forest forest;
static const char *reports[1];

static void put(const char *name, const void *bytes, size_t size)
{
    char *path = forest_path(&forest, name);
    cr_assert(files_write(path, bytes, size));
    free(path);
}

static vhdx_guid disk(const char *name, const vhdx_guid *parent, const char *relative, uint64_t content)
{
    return forest_disk(&forest,
                       &(struct forest_disk){.name = name, .parent = parent, .relative = relative, .content = content});
}

/* Of each kind one: used and left over, moved, in doubt, a copy, a VHD and its child, links to nowhere. */
static void plant(void)
{
    uint8_t bytes[VHD_BYTES];
    vhdx_guid base = disk("a/disk.vhdx", NULL, NULL, 3);
    disk("a/used.avhdx", &base, ".\\disk.vhdx", 0);
    disk("a/left.avhdx", &base, ".\\disk.vhdx", 3);
    disk("b/moved.avhdx", &base, ".\\disk.vhdx", 5);
    vhdx_guid gone = {{1, 2, 3}};
    disk("a/doubt.avhdx", &gone, ".\\disk.vhdx", 0);
    char *from = forest_path(&forest, "a/disk.vhdx");
    size_t size;
    uint8_t *copy = files_read(from, &size);
    put("c/copy.vhdx", copy, size);
    free(copy);
    free(from);
    vhd_make(&(struct vhd_disk){.id = 1}, bytes);
    put("d/base.vhd", bytes, sizeof bytes);
    vhd_make(&(struct vhd_disk){.id = 2, .parent_id = 1, .relative = ".\\base.vhd", .absolute = "D:\\x.vhd"}, bytes);
    put("d/leaf.avhd", bytes, sizeof bytes);
    forest_machine(&forest, "vm.xml", "web", (const char *const[]){"D:\\a\\used.avhdx", "D:\\gone\\moved.avhdx", NULL});
}

static uint64_t add(uint64_t sum, const char *text)
{
    for (; text && *text; text++)
        sum = (sum ^ (uint8_t)*text) * UINT64_C(0x100000001B3);
    return sum * 31 + 1;
}

/* Of all that is said. */
static uint64_t digest(const vhdx_orphans *found)
{
    uint64_t sum = 7;
    const vhdx_found_file *file;
    const vhdx_found_family *family;
    for (size_t i = 0; (file = vhdx_orphans_file(found, i)) != NULL; i++) {
        sum = add(sum, file->path) + (uint64_t)file->status * 3 + file->flags * 5 + (uint64_t)file->comparison;
        for (size_t j = 0; j < file->remark_count; j++)
            sum = add(sum, file->remarks[j].message);
    }
    for (size_t i = 0; (family = vhdx_orphans_family(found, i)) != NULL; i++)
        for (size_t j = 0; j < family->step_count; j++)
            sum = add(sum, family->steps[j].text);
    return sum;
}

/* `least`: searches that fail, at the very least. */
static void fail_all(const vhdx_orphans_options *options, size_t least)
{
    const char *roots[] = {forest.directory};
    uint64_t wanted = 0;
    bool reached = true;
    size_t failed = 0;
    for (uint64_t nth = 0; reached; nth++) { /* number 0: none fails */
        vhdx_orphans *found = NULL;
        vhdx_error err;
        allocations_fail(nth, false);
        vhdx_status status = vhdx_orphans_scan(roots, options->report_count ? 0 : 1, options, &found, &err);
        reached = allocations_end() >= nth;
        if (status != VHDX_OK) {
            cr_assert(nth > 0 && status == VHDX_NOMEM && err.message[0], "allocation %" PRIu64 ": %d %s", nth, status,
                      err.message);
            failed++;
            continue;
        }
        if (nth == 0)
            wanted = digest(found);
        cr_assert_eq(digest(found), wanted, "allocation %" PRIu64 " fails, and something else is said", nth);
        vhdx_orphans_free(found);
    }
    cr_expect_gt(failed, least, "%zu searches failed: the test tests nothing", failed);
}

static void open_forest(void)
{
    forest_open(&forest);
    plant();
}

static void close_forest(void)
{
    forest_close(&forest);
}

TestSuite(orphans_faults, .init = open_forest, .fini = close_forest);

Test(orphans_faults, a_search_without_memory_fails_or_says_the_same)
{
    fail_all(&(vhdx_orphans_options){.struct_size = sizeof(vhdx_orphans_options), .jobs = 1, .data = true}, 150);
}

Test(orphans_faults, reports_without_memory_fail_or_say_the_same)
{
    static const char report[] =
        "{\"report_format\": 1, \"totals\": {\"data\": true}, \"places\": [{\"path\": \"/v\", \"searched\": true}], "
        "\"files\": ["
        "{\"path\": \"/v/b.vhdx\", \"kind\": \"dynamic\", \"readable\": true, "
        "\"data_write_guid\": \"11111111-1111-1111-1111-111111111111\"},"
        "{\"path\": \"/v/l.avhdx\", \"kind\": \"differencing\", \"status\": \"orphan\", \"readable\": true, "
        "\"parent\": \"/v/b.vhdx\", "
        "\"data_write_guid\": \"22222222-1111-1111-1111-111111111111\", \"comparison\": \"equal\", \"access\": "
        "\"some\", "
        "\"accounts\": [\"33333333-1111-1111-1111-111111111111\"], \"parent_locator\": {\"linkage\": "
        "\"11111111-1111-1111-1111-111111111111\", \"relative_path\": \".\\\\b.vhdx\"}}], \"configurations\": [], "
        "\"side_files\": []}";
    char *path = forest_path(&forest, "r.json");
    put("r.json", report, sizeof report - 1);
    reports[0] = path;
    fail_all(&(vhdx_orphans_options){.struct_size = sizeof(vhdx_orphans_options),
                                     .jobs = 1,
                                     .complete = true,
                                     .reports = reports,
                                     .report_count = 1},
             15);
    free(path);
}
