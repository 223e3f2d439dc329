/*
 * See faults_around.h. Each scene begins as a sound pair of a base and its child; a row's function changes one thing.
 */
/* SPDX-License-Identifier: MIT */
#include "faults_around.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "inside.h"

#define BASE_PATH "/d/base.vhdx"
#define SIZE (8 * VX_MIB)

/* A pair before it is written. */
struct pair {
    struct bld_options base, child;
    vhdx_guid linkage, linkage2; /* zero: that of the base; not set */
    const char *relative;
    void (*content)(struct bld *base, struct bld *child);
};

static struct pair sound(void)
{
    const vhdx_guid disk_id = {{4, 5, 6}};
    return (struct pair){
        .base = {.virtual_size = SIZE, .block_size = VX_MIB, .seed = 1, .virtual_disk_id = disk_id},
        .child = {.kind = VHDX_KIND_DIFFERENCING,
                  .virtual_size = SIZE,
                  .block_size = VX_MIB,
                  .seed = 2,
                  .virtual_disk_id = disk_id},
        .relative = ".\\base.vhdx",
    };
}

static bool is_set(const vhdx_guid *guid)
{
    return !vx_is_zero(guid->bytes, sizeof guid->bytes);
}

static void finish(struct around_scene *scene, struct bld *b, const char *path)
{
    vhdx_error err;
    BLD_DEMAND(bld_finish(b, &scene->worn.host, path, &err) == VHDX_OK, "a disk of a scene");
}

/* Returns where the child's first block lies in its file. */
static uint64_t put(struct around_scene *scene, const struct pair *pair)
{
    struct bld *base = bld_new(&pair->base), *child = bld_new(&pair->child);
    bld_write_random(base, 3 * VX_MIB, 65536, 1);
    bld_write_random(child, 4 * VX_MIB, 65536, 2);
    if (pair->content)
        pair->content(base, child);
    finish(scene, base, BASE_PATH);
    bld_parent(child, is_set(&pair->linkage) ? &pair->linkage : bld_data_write_guid(base), &pair->linkage2,
               pair->relative, NULL, NULL);
    finish(scene, child, AROUND_PATH);
    uint64_t place = bld_payload_offset(child, 4);
    bld_free(base);
    bld_free(child);
    return place;
}

static void remove_base(struct around_scene *scene)
{
    scene->worn.host.remove(scene->worn.host.context, BASE_PATH, NULL);
}

/* ---- the chain -------------------------------------------------------------------------------------------------- */

static void parent_missing(struct around_scene *scene)
{
    struct pair pair = sound();
    put(scene, &pair);
    remove_base(scene);
}

static void parent_mismatch(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.linkage = (vhdx_guid){{8, 8}};
    put(scene, &pair);
}

/* The base's id, which follows from its seed. */
static vhdx_guid base_identity(const struct pair *pair)
{
    struct bld *base = bld_new(&pair->base);
    vhdx_guid id = *bld_data_write_guid(base);
    bld_free(base);
    return id;
}

static void parent_merge_begun(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.linkage = (vhdx_guid){{8, 8}};
    pair.linkage2 = base_identity(&pair);
    put(scene, &pair);
}

static void parent_linkage2(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.linkage2 = (vhdx_guid){{8, 8}};
    put(scene, &pair);
}

static void parent_merged(struct around_scene *scene)
{
    struct pair pair = sound();
    struct bld *child = bld_new(&pair.child);
    pair.linkage2 = *bld_data_write_guid(child);
    bld_free(child);
    put(scene, &pair);
}

static void parent_sector_size(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.base.logical_sector_size = 4096;
    put(scene, &pair);
}

static void parent_size(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.base.virtual_size -= VX_MIB;
    put(scene, &pair);
}

static void chain_loop(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.linkage = (vhdx_guid){{8, 8}};
    pair.child.data_write_guid = pair.linkage;
    pair.relative = ".\\child.avhdx";
    put(scene, &pair);
    remove_base(scene);
}

/* 257 layers, each in a directory of its own, so that nothing lies beside them. */
static void chain_depth(struct around_scene *scene)
{
    char path[64], relative[64];
    for (unsigned i = 0; i <= 256; i++) {
        struct pair pair = sound();
        struct bld_options *options = i ? &pair.child : &pair.base;
        options->virtual_size = VX_MIB;
        options->seed = 100 + i;
        options->data_write_guid = (vhdx_guid){{1, (uint8_t)i, (uint8_t)(i >> 8)}};
        struct bld *b = bld_new(options);
        snprintf(relative, sizeof relative, "..\\%u\\%u.vhdx", i - 1, i - 1);
        if (i)
            bld_parent(b, &(vhdx_guid){{1, (uint8_t)(i - 1), (uint8_t)((i - 1) >> 8)}}, NULL, relative, NULL, NULL);
        snprintf(path, sizeof path, "/%u/%u.vhdx", i, i);
        finish(scene, b, i == 256 ? AROUND_PATH : path);
        bld_free(b);
    }
}

static void parent_disk_id(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.child.virtual_disk_id = (vhdx_guid){{7}};
    put(scene, &pair);
}

static void parent_path_stale(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.relative = "..\\former\\base.vhdx";
    put(scene, &pair);
}

static void chain_sibling(struct around_scene *scene)
{
    struct pair pair = sound();
    struct bld_options options = pair.child;
    vhdx_guid id = base_identity(&pair);
    options.seed = 3;
    struct bld *sibling = bld_new(&options);
    bld_parent(sibling, &id, NULL, ".\\base.vhdx", NULL, NULL);
    finish(scene, sibling, "/d/sibling.avhdx");
    bld_free(sibling);
    put(scene, &pair);
}

static void chain_twin(struct around_scene *scene)
{
    struct pair pair = sound();
    struct bld *twin = bld_new(&pair.base);
    finish(scene, twin, "/d/copy.vhdx");
    bld_free(twin);
    put(scene, &pair);
}

/* Its headers can be read, and say who it is, but its region tables and all behind them cannot. */
static void parent_unreadable(struct around_scene *scene)
{
    struct pair pair = sound();
    put(scene, &pair);
    worn_host_bad(&scene->worn, BASE_PATH, 0, UINT64_C(1) << 40);
}

/* ---- payload ---------------------------------------------------------------------------------------------------- */

static void data_unreadable(struct around_scene *scene)
{
    struct pair pair = sound();
    worn_host_bad(&scene->worn, AROUND_PATH, put(scene, &pair) + 512, 512);
}

static void data_changed(struct around_scene *scene)
{
    struct pair pair = sound();
    uint64_t place = put(scene, &pair);
    vhdx_verify_options options = {
        .struct_size = sizeof options, .host = &scene->worn.host, .data = true, .manifest = AROUND_MANIFEST};
    vhdx_report *report = NULL;
    BLD_DEMAND(vhdx_verify(AROUND_PATH, &options, &report, NULL) == VHDX_OK, "a manifest");
    vhdx_report_free(report);
    BLD_DEMAND(bld_poke_int(&scene->worn.host, AROUND_PATH, place + 4096, 0x5A5A5A5A5A5A5A5A, 8) == VHDX_OK, "poke");
    scene->manifest = true;
}

/* ---- the host's file -------------------------------------------------------------------------------------------- */

static void with_attribute(struct around_scene *scene, uint32_t attribute)
{
    struct pair pair = sound();
    put(scene, &pair);
    scene->worn.attributes = VHDX_FILE_SPARSE_HARMS | attribute;
    scene->worn.only = AROUND_PATH;
}

static void host_sparse(struct around_scene *scene)
{
    with_attribute(scene, VHDX_FILE_IS_SPARSE);
}

static void host_compressed(struct around_scene *scene)
{
    with_attribute(scene, VHDX_FILE_IS_COMPRESSED);
}

static void host_encrypted(struct around_scene *scene)
{
    with_attribute(scene, VHDX_FILE_IS_ENCRYPTED);
}

static void host_extents(struct around_scene *scene)
{
    with_attribute(scene, 0);
    scene->worn.extents = 600000;
}

static void host_access(struct around_scene *scene)
{
    struct pair pair = sound();
    put(scene, &pair);
    worn_host_grant(&scene->worn, AROUND_PATH, NULL);
}

/* Each layer lets another machine in: the child's cannot read the base. Whether the base's reads the child is nobody's
 * business. */
static void host_access_lost(struct around_scene *scene)
{
    const vhdx_guid machine = {{1}};
    struct pair pair = sound();
    put(scene, &pair);
    worn_host_grant(&scene->worn, BASE_PATH, &machine);
    worn_host_grant(&scene->worn, AROUND_PATH, &(vhdx_guid){{2}});
}

/* ---- content ---------------------------------------------------------------------------------------------------- */

/* A boot record with one partition of that many sectors. */
static void write_record(struct bld *b, uint32_t sectors)
{
    uint8_t record[512] = {0};
    record[446 + 4] = 7;
    vx_put32(record + 446 + 8, 2048);
    vx_put32(record + 446 + 12, sectors);
    vx_put16(record + 510, 0xAA55);
    bld_write(b, 0, record, sizeof record);
}

static void partition_that_fits(struct bld *base, struct bld *child)
{
    (void)child;
    write_record(base, 4096);
}

static void partition_that_does_not(struct bld *base, struct bld *child)
{
    write_record(base, 4096);
    write_record(child, 1000000);
}

static void content_alive(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.content = partition_that_fits;
    put(scene, &pair);
}

static void content_doubtful(struct around_scene *scene)
{
    struct pair pair = sound();
    pair.content = partition_that_does_not;
    put(scene, &pair);
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

static const struct around scenes[] = {
    {VX_FIND_PARENT_MISSING, "no base", parent_missing, 0},
    {VX_FIND_PARENT_MISMATCH, "a base of another identity", parent_mismatch, 0},
    {VX_FIND_PARENT_MERGE_BEGUN, "only linkage2 is the base's identity", parent_merge_begun, 0},
    {VX_FIND_PARENT_LINKAGE2, "linkage2 is nobody's identity", parent_linkage2, 0},
    {VX_FIND_PARENT_SECTOR_SIZE, "512 over 4096", parent_sector_size, 0},
    {VX_FIND_PARENT_SIZE, "a smaller base", parent_size, 0},
    {VX_FIND_CHAIN_LOOP, "its own parent", chain_loop, 0},
    {VX_FIND_CHAIN_DEPTH, "257 layers", chain_depth, 255},
    {VX_FIND_PARENT_DISK_ID, "another virtual disk id", parent_disk_id, 0},
    {VX_FIND_PARENT_PATH_STALE, "a path that leads nowhere", parent_path_stale, 0},
    {VX_FIND_CHAIN_SIBLING, "another child", chain_sibling, 0},
    {VX_FIND_CHAIN_TWIN, "a copy of the base", chain_twin, 1},
    {VX_FIND_PARENT_MERGED, "linkage2 is its own identity", parent_merged, 0},
    {VX_FIND_PARENT_UNREADABLE, "a base that cannot be read", parent_unreadable, 0},
    {VX_FIND_DATA_UNREADABLE, "a bad sector", data_unreadable, 0},
    {VX_FIND_DATA_CHANGED, "eight bytes changed", data_changed, 0},
    {VX_FIND_HOST_SPARSE, "sparse on NTFS", host_sparse, 0},
    {VX_FIND_HOST_COMPRESSED, "compressed", host_compressed, 0},
    {VX_FIND_HOST_ENCRYPTED, "encrypted", host_encrypted, 0},
    {VX_FIND_HOST_EXTENTS, "600,000 pieces", host_extents, 0},
    {VX_FIND_HOST_ACCESS, "administrators only", host_access, 0},
    {VX_FIND_HOST_ACCESS_LOST, "another machine's base", host_access_lost, 1},
    {VX_FIND_CONTENT_ALIVE, "a partition on the disk", content_alive, 0},
    {VX_FIND_CONTENT_DOUBTFUL, "a partition beyond the disk's end", content_doubtful, 0},
};

size_t around_count(void)
{
    return sizeof scenes / sizeof scenes[0];
}

const struct around *around_at(size_t row)
{
    return &scenes[row];
}
