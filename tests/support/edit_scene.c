/*
 * See edit_scene.h. Easy to get wrong: sectors of the table may change at any time, and of these too one copy has to be
 * valid.
 */
/* SPDX-License-Identifier: MIT */
#include "edit_scene.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "builder.h"
#include "files.h"
#include "inside.h"

#define SECTOR 512u
#define BASE "/vm/base.vhdx"
#define KNOWN (12 * VX_MIB)

static char complaint[1024];

#define COMPLAIN(...) (snprintf(complaint, sizeof complaint, __VA_ARGS__), complaint)

static bool has(const struct edit_scene *scene, unsigned features)
{
    return (scene->features & features) != 0;
}

/* ---- building ---- */

static void choose_sizes(struct edit_scene *scene, uint64_t *chance)
{
    uint64_t small = 4 * VX_MIB + bld_random_below(chance, 2000) * SECTOR;
    uint64_t large = small + VX_MIB + bld_random_below(chance, 6000) * SECTOR;
    if (has(scene, EDIT_NEAR))
        large = small + (1 + bld_random_below(chance, 40)) * SECTOR;
    if (has(scene, EDIT_HUGE))
        large = 131 * VX_GIB + 3 * SECTOR;
    scene->old_size = has(scene, EDIT_GROW) ? small : large;
    scene->new_size = has(scene, EDIT_SET) ? scene->old_size : has(scene, EDIT_GROW) ? large : small;
}

static struct bld *new_disk(const struct edit_scene *scene, vhdx_kind kind, uint64_t size, uint64_t *chance)
{
    struct bld_options options = {.kind = kind,
                                  .virtual_size = size,
                                  .block_size = (uint32_t)VX_MIB,
                                  .seed = bld_random(chance),
                                  .gap_percent = 20,
                                  .shuffle_blocks = true,
                                  .log_residue = true};
    struct bld *b = bld_new(&options);
    if (!has(scene, EDIT_HUGE))
        bld_fill_random(b, bld_random(chance), 2 * VX_MIB);
    else
        bld_write_random(b, 0x20000, 0x3000, bld_random(chance));
    return b;
}

/* Partitions in what is there of both sizes; without a table a record that says where the content ends. */
static void put_table(const struct edit_scene *scene, struct bld *b)
{
    static const struct table_partition one[] = {{100, 4000}};
    uint64_t head = 64 * VX_KIB, tail = 40 * SECTOR;
    struct table_disk disk = {bld_alloc(scene->old_size, 1), scene->old_size, SECTOR};
    if (has(scene, EDIT_TABLE)) {
        table_put(&disk, &(struct table_shape){.partitions = one, .partition_count = 1});
        if (has(scene, EDIT_BROKEN))
            disk.bytes[SECTOR + 40] ^= 1;
        bld_write(b, scene->old_size - tail, disk.bytes + scene->old_size - tail, tail);
    } else {
        disk.bytes[446 + 4] = 0x83;
        vx_put32(disk.bytes + 446 + 8, 100);
        vx_put32(disk.bytes + 446 + 12, 4000);
        disk.bytes[510] = 0x55;
        disk.bytes[511] = 0xAA;
    }
    bld_write(b, 0, disk.bytes, head);
    free(disk.bytes);
}

static struct bld *build_parent(struct edit_scene *scene, const vhdx_host *files, uint64_t *chance)
{
    vhdx_error err;
    if (!has(scene, EDIT_CHILD))
        return NULL;
    uint64_t least = vx_min(scene->old_size, scene->new_size), more = bld_random_below(chance, 8000) * SECTOR;
    struct bld *parent = new_disk(scene, VHDX_KIND_DYNAMIC, least + more, chance);
    BLD_DEMAND(bld_finish(parent, files, BASE, &err) == VHDX_OK, "a parent cannot be built");
    return parent;
}

/* Reads the first bytes of the disk; its size, or 0 with a complaint. */
static uint64_t read_disk(const vhdx_host *host, uint8_t *bytes)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_error err;
    if (vhdx_chain_open(EDIT_DISK, &options, &chain, &err) != VHDX_OK) {
        COMPLAIN("the disk does not open: %s", err.message);
        return 0;
    }
    uint64_t size = vhdx_chain_layer(chain, 0)->virtual_size;
    memset(bytes, 0, KNOWN);
    if (vhdx_chain_read(chain, bytes, vx_min(size, KNOWN), 0, &err) != VHDX_OK) {
        COMPLAIN("the disk cannot be read: %s", err.message);
        size = 0;
    }
    vhdx_chain_free(chain);
    return size;
}

static const char *check_sound(const vhdx_host *host)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .quick = true};
    vhdx_report *report;
    vhdx_error err;
    if (vhdx_verify(EDIT_DISK, &options, &report, &err) != VHDX_OK)
        return COMPLAIN("the disk cannot be verified: %s", err.message);
    bool wrong = vhdx_report_file(report, 0)->errors > 0;
    if (wrong)
        COMPLAIN("%s", vhdx_report_finding(report, 0, 0)->message);
    vhdx_report_free(report);
    return wrong ? complaint : NULL;
}

void edit_scene_build(struct edit_scene *scene, unsigned features, uint64_t seed, struct crash_host *host)
{
    const vhdx_host *files = crash_host_interface(host);
    uint64_t chance = seed * 77 + features;
    vhdx_error err;
    *scene = (struct edit_scene){.features = features, .seed = seed, .before = bld_alloc(KNOWN, 1)};
    if (has(scene, EDIT_NTFS))
        crash_host_attributes(host, VHDX_FILE_SPARSE_HARMS);
    choose_sizes(scene, &chance);
    struct bld *parent = build_parent(scene, files, &chance);
    vhdx_kind kind = parent ? VHDX_KIND_DIFFERENCING : has(scene, EDIT_FIXED) ? VHDX_KIND_FIXED : VHDX_KIND_DYNAMIC;
    struct bld *b = new_disk(scene, kind, scene->old_size, &chance);
    if (parent)
        bld_parent(b, bld_data_write_guid(parent), NULL, ".\\base.vhdx", NULL, NULL);
    put_table(scene, b);
    for (uint64_t block = 0; has(scene, EDIT_FIXED) && block < bld_block_count(b); block++)
        bld_state(b, block, VX_PAYLOAD_FULLY_PRESENT);
    if (has(scene, EDIT_DIRTY))
        bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_ALL, .percent = 60, .entries = 2});
    BLD_DEMAND(bld_finish(b, files, EDIT_DISK, &err) == VHDX_OK, "a disk cannot be built");
    scene->id = *bld_virtual_disk_id(b);
    scene->known = vx_min(scene->old_size, KNOWN);
    scene->sound = !check_sound(files);
    BLD_DEMAND(read_disk(files, scene->before) == scene->old_size, "the disk does not read");
    BLD_DEMAND(files_digest(files, EDIT_DISK, &scene->digest), "the file does not read");
    bld_free(b);
    bld_free(parent);
}

void edit_scene_free(struct edit_scene *scene)
{
    free(scene->before);
    scene->before = NULL;
}

/* ---- running ---- */

vhdx_status edit_scene_run(const struct edit_scene *scene, const vhdx_host *host, vhdx_error *err)
{
    static const vhdx_guid id = {{1, 2, 3}};
    const char *undo = has(scene, EDIT_UNDO_FILE) ? EDIT_UNDO : NULL;
    const vhdx_set_options set = {.struct_size = sizeof set,
                                  .host = host,
                                  .virtual_disk_id = &id,
                                  .physical_sector_size = 512,
                                  .creator = "somebody else",
                                  .undo = undo};
    const vhdx_resize_options resize = {
        .struct_size = sizeof resize, .host = host, .virtual_size = scene->new_size, .undo = undo};
    return has(scene, EDIT_SET) ? vhdx_set(EDIT_DISK, &set, NULL, err) : vhdx_resize(EDIT_DISK, &resize, NULL, err);
}

/* ---- judging ---- */

/* Whether the sector may belong to a table of the old or the new size. */
static bool is_tables(const struct edit_scene *scene, uint64_t at)
{
    uint64_t sizes[2] = {scene->old_size, scene->new_size};
    if (!has(scene, EDIT_TABLE))
        return false;
    for (size_t i = 0; i < 2; i++)
        if (at < sizes[i] && at >= sizes[i] - 33 * SECTOR)
            return true;
    return at < 2 * SECTOR || (has(scene, EDIT_BROKEN) && at < 34 * SECTOR);
}

static const char *check_content(const struct edit_scene *scene, const uint8_t *found, uint64_t size)
{
    for (uint64_t at = 0; at < vx_min(size, KNOWN); at += SECTOR) {
        bool kept = at < scene->known && at < vx_min(scene->old_size, scene->new_size);
        bool gained = at >= scene->old_size;
        if (is_tables(scene, at))
            continue;
        if (kept && memcmp(found + at, scene->before + at, SECTOR) != 0)
            return COMPLAIN("sector %" PRIu64 " reads otherwise", at / SECTOR);
        if (gained && !vx_is_zero(found + at, SECTOR))
            return COMPLAIN("sector %" PRIu64 ", which is new, is not zero", at / SECTOR);
    }
    return NULL;
}

/* One copy is valid, and names nothing that is not there. */
static const char *check_table(const struct edit_scene *scene, uint8_t *found, uint64_t size)
{
    const uint64_t sizes[3] = {size, scene->old_size, scene->new_size};
    struct table_disk disk = {found, size, SECTOR};
    if (!has(scene, EDIT_TABLE) || size > KNOWN)
        return NULL;
    if (table_copy_is_valid(&disk, false))
        return vx_get64(found + SECTOR + 32) < size / SECTOR ? NULL
                                                             : COMPLAIN("the table names a copy beyond the disk");
    for (size_t i = 0; i < 3; i++) {
        disk.size = sizes[i];
        if (sizes[i] <= size && table_copy_is_valid(&disk, true))
            return NULL;
    }
    return COMPLAIN("no copy of the table is valid");
}

const char *edit_scene_check(const struct edit_scene *scene, struct crash_host *host)
{
    uint8_t *found = bld_alloc(KNOWN, 1);
    uint64_t size = read_disk(crash_host_interface(host), found);
    const char *wrong = size == 0 ? complaint : NULL;
    if (!wrong && size != scene->old_size && size != scene->new_size)
        wrong = COMPLAIN("the disk has %" PRIu64 " bytes", size);
    if (!wrong)
        wrong = check_content(scene, found, size);
    if (!wrong)
        wrong = check_table(scene, found, size);
    free(found);
    return wrong;
}

static const char *check_set(const struct edit_scene *scene, const vhdx_host *host)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_image *image;
    vhdx_error err;
    if (vhdx_image_open(EDIT_DISK, &options, &image, &err) != VHDX_OK)
        return COMPLAIN("the disk does not open: %s", err.message);
    const vhdx_info *info = vhdx_image_info(image);
    bool right = memcmp(&info->virtual_disk_id, &scene->id, sizeof scene->id) != 0 &&
                 info->physical_sector_size == 512 && strcmp(info->creator, "somebody else") == 0;
    vhdx_image_free(image);
    return right ? NULL : COMPLAIN("the disk has not all that was asked for");
}

static const char *check_resized(const struct edit_scene *scene, const vhdx_host *host)
{
    uint8_t *found = bld_alloc(KNOWN, 1);
    uint64_t size = read_disk(host, found);
    const struct table_disk disk = {found, size, SECTOR};
    const char *wrong = NULL;
    if (size != scene->new_size)
        wrong = COMPLAIN("the disk has %" PRIu64 " bytes in the end", size);
    else if (has(scene, EDIT_TABLE) && size <= KNOWN)
        wrong = table_wrong(&disk);
    free(found);
    return wrong;
}

/* With an undo file of former work beside it a call that does nothing would begin another one. */
static const char *check_again(const struct edit_scene *scene, const vhdx_host *host)
{
    struct edit_scene again = *scene;
    uint64_t before, after;
    vhdx_error err;
    again.features &= ~(unsigned)EDIT_UNDO_FILE;
    if (!files_digest(host, EDIT_DISK, &before) || edit_scene_run(&again, host, &err) != VHDX_OK ||
        !files_digest(host, EDIT_DISK, &after))
        return COMPLAIN("the command fails once more");
    return before == after ? NULL : COMPLAIN("the command once more has written");
}

const char *edit_scene_check_result(const struct edit_scene *scene, struct crash_host *host)
{
    const vhdx_host *files = crash_host_interface(host);
    const char *wrong = edit_scene_check(scene, host);
    if (!wrong && crash_host_handles(host) > 0)
        wrong = COMPLAIN("a file was left open");
    if (!wrong)
        wrong = has(scene, EDIT_SET) ? check_set(scene, files) : check_resized(scene, files);
    if (!wrong && scene->sound)
        wrong = check_sound(files);
    return wrong ? wrong : check_again(scene, files);
}

const char *edit_scene_check_undo(const struct edit_scene *scene, const struct crash_host *host)
{
    if (!has(scene, EDIT_UNDO_FILE))
        return NULL;
    struct crash_host *copy = crash_host_copy(host, 3);
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = crash_host_interface(copy)};
    uint64_t digest;
    vhdx_error err;
    const char *wrong = NULL;
    vhdx_status status = vhdx_undo(EDIT_UNDO, &options, NULL, &err);
    /* Where the undo file was not begun nothing was changed. */
    if (status != VHDX_OK && status != VHDX_NOT_FOUND && status != VHDX_NOT_VHDX && status != VHDX_TRUNCATED)
        wrong = COMPLAIN("undo fails: %s", err.message);
    else if (!files_digest(options.host, EDIT_DISK, &digest) || digest != scene->digest)
        wrong = COMPLAIN("the undo file does not give back what was there");
    crash_host_free(copy);
    return wrong;
}

const char *edit_scene_text(const struct edit_scene *scene)
{
    static char text[160];
    snprintf(text, sizeof text, "seed %" PRIu64 ", features 0x%x, %" PRIu64 " -> %" PRIu64 " bytes", scene->seed,
             scene->features, scene->old_size, scene->new_size);
    return text;
}
