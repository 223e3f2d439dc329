/*
 * Building, running and judging small chains; see scene.h. Judging goes through the public interface as a user would,
 * and through the library's own strict opening for writing where it must be known that a file is whole.
 */
/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "image/image.h"
#include "image/space.h"
#include "image/writing.h"
#include "inside.h"
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#define SECTOR 512u
#define NEW_SIZE (3 * VX_MIB)

static char complaint[1024];

#define COMPLAIN(...) (snprintf(complaint, sizeof complaint, __VA_ARGS__), complaint)

/* ---- content as a number ---------------------------------------------------------------------------------------- */

/* The sum does not depend on how the disk is cut into pieces, and zeros add nothing to it. */
static vhdx_status add_sectors(void *context, const void *buf, uint64_t length, uint64_t virtual_offset,
                               vhdx_error *err)
{
    static const uint8_t zeros[SECTOR];
    uint64_t *digest = context;
    const uint8_t *bytes = buf;
    (void)err;
    BLD_DEMAND(length % SECTOR == 0 && virtual_offset % SECTOR == 0, "a piece of a disk that is not whole sectors");
    for (uint64_t at = 0; bytes && at < length; at += SECTOR)
        if (memcmp(bytes + at, zeros, SECTOR) != 0)
            *digest += XXH3_64bits_withSeed(bytes + at, SECTOR, virtual_offset + at);
    return VHDX_OK;
}

bool scene_digest(const vhdx_host *host, const char *path, uint64_t *digest, vhdx_error *err)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    if (vhdx_chain_open(path, &options, &chain, err) != VHDX_OK)
        return false;
    *digest = vhdx_chain_layer(chain, 0)->virtual_size;
    vhdx_status status = vhdx_chain_stream(chain, add_sectors, digest, NULL, err);
    vhdx_chain_free(chain);
    return status == VHDX_OK;
}

static uint64_t digest_of_bytes(const uint8_t *view, uint64_t size)
{
    uint64_t digest = size;
    add_sectors(&digest, view, size, 0, NULL);
    return digest;
}

/* ---- building --------------------------------------------------------------------------------------------------- */

static bool has(const struct scene_recipe *recipe, unsigned features)
{
    return (recipe->features & features) != 0;
}

static uint64_t size_of_layer(const struct scene_recipe *recipe, size_t n)
{
    bool above = n > recipe->into;
    if (has(recipe, SCENE_HUGE))
        return (above ? 131 : 127) * VX_GIB + 3 * SECTOR;
    uint64_t size = (has(recipe, SCENE_SCATTERED) ? 9 : 4) * VX_MIB + 5 * SECTOR;
    if (above && has(recipe, SCENE_LARGER))
        return size + 2 * VX_MIB + 3 * SECTOR;
    if (above && has(recipe, SCENE_SMALLER))
        return size - VX_MIB - 700 * SECTOR;
    return size;
}

static bool is_dirty(const struct scene_recipe *recipe, size_t n)
{
    return has(recipe, SCENE_DIRTY) || (has(recipe, SCENE_DIRTY_CHILD) && n == recipe->child) ||
           (has(recipe, SCENE_DIRTY_TARGET) && n == recipe->into);
}

static void make_dirty(struct bld *b, uint64_t *chance)
{
    struct bld_log log = {.what = BLD_LOG_ALL,
                          .percent = 60,
                          .home = (enum bld_home)bld_random_below(chance, 3),
                          .entries = 1 + (unsigned)bld_random_below(chance, 3),
                          .superseded = bld_random_below(chance, 2) != 0,
                          .ring_offset = (uint32_t)(bld_random_below(chance, 256) * VX_PAGE),
                          .torn_behind = bld_random_below(chance, 2) != 0};
    bld_log_dirty(b, &log);
}

static struct bld *new_layer(const struct scene_recipe *recipe, size_t n, const struct bld *parent, uint64_t *chance)
{
    struct bld_options options = {.kind = parent ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC,
                                  .virtual_size = size_of_layer(recipe, n),
                                  .block_size = (uint32_t)VX_MIB,
                                  .seed = bld_random(chance),
                                  .gap_percent = 20,
                                  .shuffle_blocks = true,
                                  .garbage = true,
                                  .log_residue = true};
    if (has(recipe, SCENE_FULL) && n <= 1) {
        options.shuffle_blocks = false;
        options.gap_percent = 0;
    }
    if (has(recipe, SCENE_SCATTERED))
        options.layout = BLD_LAYOUT_MIXED;
    if (!parent && has(recipe, SCENE_FIXED_BASE))
        options.kind = VHDX_KIND_FIXED;
    if (parent)
        options.virtual_disk_id = *bld_virtual_disk_id(parent);
    struct bld *b = bld_new(&options);
    bool empty = has(recipe, SCENE_EMPTY) && n == recipe->child;
    if (!empty)
        bld_fill_random(b, bld_random(chance), 2 * VX_MIB);
    for (uint64_t block = 0; has(recipe, SCENE_SCATTERED) && block < bld_block_count(b); block++)
        if (bld_random_below(chance, 2))
            bld_state(b, block, VX_PAYLOAD_ZERO), bld_state(b, block, VX_PAYLOAD_FULLY_PRESENT);
    for (uint64_t block = 0; has(recipe, SCENE_FULL) && n <= 1 && block < bld_block_count(b); block++)
        bld_state(b, block, VX_PAYLOAD_FULLY_PRESENT);
    if (is_dirty(recipe, n))
        make_dirty(b, chance);
    return b;
}

static void link_layer(struct bld *b, const struct bld *parent, const char *parent_path)
{
    char relative[600];
    snprintf(relative, sizeof relative, ".\\%s", strrchr(parent_path, '/') + 1);
    bld_parent(b, bld_data_write_guid(parent), NULL, relative, NULL, NULL);
}

/* What the builder says that reading gives; the parent's bytes are taken over. 0: too large to be kept. */
static uint64_t expected(const struct bld *b, uint8_t **below, uint64_t below_size)
{
    uint64_t size = bld_virtual_size(b);
    if (size > 64 * VX_MIB)
        return 0;
    uint8_t *view = bld_alloc(size, 1);
    if (*below)
        memcpy(view, *below, vx_min(size, below_size));
    free(*below);
    *below = view;
    bld_apply(b, view);
    return digest_of_bytes(view, size);
}

static void remember(struct scene_layer *layer, const struct bld *b, const vhdx_host *host, uint64_t wanted)
{
    vhdx_error err;
    layer->virtual_size = bld_virtual_size(b);
    layer->virtual_disk_id = *bld_virtual_disk_id(b);
    layer->identity = *bld_data_write_guid(b);
    if (!scene_digest(host, layer->path, &layer->digest, &err))
        bld_die(err.message);
    BLD_DEMAND(wanted == 0 || wanted == layer->digest, "the library does not read what the builder wrote");
}

static void build_layers(struct scene *scene, struct crash_host *host, uint64_t *chance)
{
    const struct scene_recipe *recipe = &scene->recipe;
    const vhdx_host *files = crash_host_interface(host);
    struct bld *parent = NULL;
    uint8_t *view = NULL;
    uint64_t view_size = 0;
    vhdx_error err;
    for (size_t n = 0; n < recipe->layers; n++) {
        struct scene_layer *layer = &scene->layers[n];
        snprintf(layer->path, sizeof layer->path, "/vm/layer%zu.%s", n, n == 0 ? "vhdx" : "avhdx");
        struct bld *b = new_layer(recipe, n, parent, chance);
        if (parent)
            link_layer(b, parent, scene->layers[n - 1].path);
        BLD_DEMAND(bld_finish(b, files, layer->path, &err) == VHDX_OK, "a layer cannot be built");
        if (recipe->command == SCENE_RELINK && n + 1 == recipe->child)
            BLD_DEMAND(bld_finish(b, files, scene->output, &err) == VHDX_OK, "a layer cannot be built");
        uint64_t wanted = expected(b, &view, view_size);
        view_size = bld_virtual_size(b);
        remember(layer, b, files, wanted);
        bld_free(parent);
        parent = b;
    }
    bld_free(parent);
    free(view);
}

static bool same_directory(const char *a, const char *b)
{
    size_t a_length = (size_t)(strrchr(a, '/') - a), b_length = (size_t)(strrchr(b, '/') - b);
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

/* Whether a merge sees the layer above the child: it looks into the directories of the layers from child to target. */
static bool sees_above(const struct scene *scene)
{
    const struct scene_recipe *recipe = &scene->recipe;
    bool sees = recipe->child + 1 == recipe->layers;
    for (size_t n = recipe->into; n <= recipe->child && !sees; n++)
        sees = same_directory(scene->layers[n].path, scene->layers[recipe->child + 1].path);
    return sees;
}

/* A chain of the model; child and target at random. */
static void build_model(struct scene *scene, struct crash_host *host, uint64_t *chance)
{
    struct scene_recipe *recipe = &scene->recipe;
    struct model_wishes wishes = {.layers = 2 + bld_random_below(chance, 4), .max_virtual_size = 5 * VX_MIB};
    const vhdx_host *files = crash_host_interface(host);
    struct model *model = model_new(bld_random(chance), &wishes, "/vm");
    vhdx_error err;
    BLD_DEMAND(model_write(model, files, &err) == VHDX_OK, "a chain cannot be built");
    recipe->layers = model->count;
    recipe->child = 1 + bld_random_below(chance, model->count - 1);
    recipe->into = bld_random_below(chance, recipe->child);
    static const unsigned choices[] = {SCENE_DELETE, SCENE_WINDOWS, SCENE_RECLAIM, SCENE_VERIFY};
    for (size_t i = 0; recipe->command == SCENE_MERGE && i < 4; i++)
        if (bld_random_below(chance, i == 0 ? 2 : 4) == 0)
            recipe->features |= choices[i];
    if (recipe->command == SCENE_MERGE && has(recipe, SCENE_UP)) {
        recipe->into = 0;
        recipe->features &= ~(unsigned)(SCENE_RECLAIM | SCENE_VERIFY);
    }
    for (size_t n = 0; n < model->count; n++) {
        const struct model_layer *layer = &model->layers[model->count - 1 - n];
        snprintf(scene->layers[n].path, sizeof scene->layers[n].path, "%s", layer->path);
        remember(&scene->layers[n], layer->b, files, digest_of_bytes(layer->view, layer->virtual_size));
    }
    while (!sees_above(scene))
        recipe->child++;
    model_free(model);
}

/* The target is another disk then, and the layer above it only lies there. */
static void merge_first_step(struct scene *scene, const vhdx_host *host)
{
    struct scene_layer *target = &scene->layers[scene->recipe.into];
    vhdx_merge_options options = {.struct_size = sizeof options, .host = host, .direction = VHDX_DIRECTION_DOWN};
    vhdx_open_options open = {.struct_size = sizeof open, .host = host};
    vhdx_image *image;
    vhdx_error err;
    BLD_DEMAND(vhdx_merge(target[1].path, &options, NULL, &err) == VHDX_OK, "the first step cannot be merged");
    BLD_DEMAND(vhdx_image_open(target->path, &open, &image, &err) == VHDX_OK, "the target cannot be opened");
    target->identity = vhdx_image_info(image)->data_write_guid;
    vhdx_image_free(image);
}

void scene_build(struct scene *scene, const struct scene_recipe *recipe, uint64_t seed, struct crash_host *host)
{
    uint64_t chance = seed;
    *scene = (struct scene){.recipe = *recipe, .seed = seed, .output = "/vm/new.vhdx"};
    if (recipe->command == SCENE_RELINK)
        snprintf(scene->output, sizeof scene->output, "/elsewhere/copy.vhdx");
    if (has(recipe, SCENE_NTFS))
        crash_host_attributes(host, VHDX_FILE_SPARSE_HARMS);
    if (has(recipe, SCENE_SHARE))
        crash_host_attributes(host, VHDX_FILE_CAN_SHARE);
    if (has(recipe, SCENE_MODEL))
        build_model(scene, host, &chance);
    else
        build_layers(scene, host, &chance);
    if (has(recipe, SCENE_STEP))
        merge_first_step(scene, crash_host_interface(host));
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static const struct scene_layer *top_layer(const struct scene *scene)
{
    return &scene->layers[scene->recipe.layers - 1];
}

static bool is_vhd(enum scene_command command)
{
    return command == SCENE_CONVERT_VHD || command == SCENE_CONVERT_VHD_FIXED;
}

static vhdx_status convert(const struct scene *scene, const vhdx_host *host, vhdx_error *err)
{
    enum scene_command command = scene->recipe.command;
    const vhdx_build_options options = {.struct_size = sizeof options,
                                        .host = host,
                                        .format = is_vhd(command) ? VHDX_FORMAT_VHD : VHDX_FORMAT_VHDX,
                                        .fixed = command == SCENE_CONVERT_FIXED || command == SCENE_CONVERT_VHD_FIXED,
                                        .verify = has(&scene->recipe, SCENE_VERIFY)};
    return vhdx_convert(top_layer(scene)->path, scene->output, &options, NULL, err);
}

vhdx_status scene_run(const struct scene *scene, const vhdx_host *host, vhdx_error *err)
{
    const struct scene_recipe *recipe = &scene->recipe;
    vhdx_merge_options merge = {.struct_size = sizeof merge, .host = host};
    vhdx_create_options create = {.struct_size = sizeof create, .host = host, .virtual_size = NEW_SIZE};
    create.block_size = (uint32_t)VX_MIB;
    switch (recipe->command) {
    case SCENE_MERGE:
        merge.into = scene->layers[recipe->into].path;
        merge.delete_merged = has(recipe, SCENE_DELETE);
        merge.reclaim = has(recipe, SCENE_RECLAIM);
        merge.direction = has(recipe, SCENE_UP) ? VHDX_DIRECTION_UP : VHDX_DIRECTION_DOWN;
        merge.verify = has(recipe, SCENE_VERIFY);
        merge.window_bytes = has(recipe, SCENE_WINDOWS | SCENE_RECLAIM) ? VX_MIB : 0;
        merge.undo = has(recipe, SCENE_UNDO) ? SCENE_UNDO_FILE : NULL;
        return vhdx_merge(scene->layers[recipe->child].path, &merge, NULL, err);
    case SCENE_FLATTEN:
        return vhdx_flatten(top_layer(scene)->path, scene->output, &merge, NULL, err);
    case SCENE_CREATE:
        return vhdx_create(scene->output, &create, err);
    case SCENE_CREATE_FIXED:
        create.fixed = true;
        return vhdx_create(scene->output, &create, err);
    case SCENE_FORK:
        create.virtual_size = 0;
        create.parent = top_layer(scene)->path;
        return vhdx_create(scene->output, &create, err);
    case SCENE_CONVERT:
    case SCENE_CONVERT_FIXED:
    case SCENE_CONVERT_VHD:
    case SCENE_CONVERT_VHD_FIXED:
        return convert(scene, host, err);
    case SCENE_RELINK:
        return vhdx_relink(scene->layers[recipe->child].path, scene->output,
                           &(vhdx_relink_options){.struct_size = sizeof(vhdx_relink_options), .host = host}, err);
    case SCENE_COMPACT:
        return vhdx_compact(scene->layers[recipe->child].path,
                            &(vhdx_compact_options){.struct_size = sizeof(vhdx_compact_options),
                                                    .host = host,
                                                    .window_bytes = has(recipe, SCENE_WINDOWS) ? VX_MIB : 0,
                                                    .punch = has(recipe, SCENE_WINDOWS),
                                                    .undo = has(recipe, SCENE_UNDO) ? SCENE_UNDO_FILE : NULL},
                            NULL, err);
    }
    return VHDX_ARG;
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

static const char *check_reads(const char *path, uint64_t wanted, const vhdx_host *host)
{
    uint64_t digest;
    vhdx_error err;
    if (!scene_digest(host, path, &digest, &err)) {
        char text[800];
        vhdx_error_format(&err, text, sizeof text);
        return COMPLAIN("%s cannot be read: %s", path, text);
    }
    return digest == wanted ? NULL : COMPLAIN("%s reads differently", path);
}

static uint64_t wanted_of_output(const struct scene *scene)
{
    enum scene_command command = scene->recipe.command;
    return command == SCENE_CREATE || command == SCENE_CREATE_FIXED ? NEW_SIZE : top_layer(scene)->digest;
}

static bool is_built(enum scene_command command)
{
    return command >= SCENE_CONVERT && command <= SCENE_CONVERT_VHD_FIXED;
}

/* A new disk is whole, or it is refused by whoever opens it. What is built has no name before it is whole. */
static const char *check_output(const struct scene *scene, const struct crash_host *crash, const vhdx_host *host)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_image *image;
    if (is_built(scene->recipe.command))
        return crash_host_exists(crash, scene->output) ? check_reads(scene->output, wanted_of_output(scene), host)
                                                       : NULL;
    if (vhdx_image_open(scene->output, &options, &image, NULL) != VHDX_OK)
        return NULL;
    vhdx_image_free(image);
    return check_reads(scene->output, wanted_of_output(scene), host);
}

static bool child_exists(const struct scene *scene, const struct crash_host *host)
{
    return crash_host_exists(host, scene->layers[scene->recipe.child].path);
}

/* Merging upwards writes to no layer below, and removes them at most. */
static const char *check_below(const struct scene *scene, const struct crash_host *host, const vhdx_host *files)
{
    const struct scene_recipe *recipe = &scene->recipe;
    const char *wrong = NULL;
    for (size_t n = 0; has(recipe, SCENE_UP) && !has(recipe, SCENE_DELETE) && n < recipe->child && !wrong; n++)
        wrong = crash_host_exists(host, scene->layers[n].path)
                    ? check_reads(scene->layers[n].path, scene->layers[n].digest, files)
                    : COMPLAIN("%s is gone", scene->layers[n].path);
    return wrong;
}

const char *scene_check_leaves(const struct scene *scene, struct crash_host *host)
{
    const struct scene_recipe *recipe = &scene->recipe;
    const vhdx_host *files = crash_host_interface(host);
    size_t first = recipe->command == SCENE_MERGE ? recipe->child : 0;
    const char *wrong = check_below(scene, host, files);
    if (wrong)
        return wrong;
    if (recipe->command == SCENE_MERGE && !child_exists(scene, host)) {
        if (!has(recipe, SCENE_DELETE))
            return COMPLAIN("the child is gone");
        wrong = check_reads(scene->layers[recipe->into].path, scene->layers[recipe->child].digest, files);
        for (size_t n = recipe->into + 1; n < recipe->child && !wrong && !has(recipe, SCENE_STEP); n++)
            if (crash_host_exists(host, scene->layers[n].path))
                wrong = COMPLAIN("%s outlived the child, nobody will remove it", scene->layers[n].path);
        first = recipe->child + 1;
    }
    for (size_t n = first; n < recipe->layers && !wrong; n++)
        wrong = check_reads(scene->layers[n].path, scene->layers[n].digest, files);
    if (!wrong && recipe->command != SCENE_MERGE && recipe->command != SCENE_RELINK && recipe->command != SCENE_COMPACT)
        wrong = check_output(scene, host, files);
    return wrong;
}

bool scene_can_repeat(const struct scene *scene, struct crash_host *host)
{
    if (scene->recipe.command == SCENE_MERGE)
        return child_exists(scene, host);
    if (scene->recipe.command == SCENE_RELINK || scene->recipe.command == SCENE_COMPACT)
        return true;
    if (crash_host_exists(host, scene->output) && crash_host_size(host, scene->output) > 0)
        crash_host_remove(host, scene->output);
    return true;
}

/* Begins and ends writing: every byte has one owner at most, the log can be used. Content stays. */
static const char *check_whole(const char *path, uint64_t digest, const vhdx_host *host)
{
    struct vx_image *image;
    vhdx_error err;
    vhdx_status status = vx_image_open(host, path, VX_OPEN_WRITE, &image, &err);
    if (status != VHDX_OK)
        return COMPLAIN("%s cannot be opened for writing: %s", path, err.message);
    if (image->log != VHDX_LOG_STATE_CLEAN) {
        vx_image_close(image);
        return COMPLAIN("%s was left with a dirty log", path);
    }
    status = vx_image_begin_write(image, NULL, &err);
    if (status == VHDX_OK)
        status = vx_image_end_write(image, &err);
    vx_image_close(image);
    if (status != VHDX_OK)
        return COMPLAIN("%s is not whole: %s", path, err.message);
    return check_reads(path, digest, host);
}

struct facts {
    vhdx_info info;
    vhdx_parent_names parent; /* its paths are not kept */
};

static const char *look(const char *path, const vhdx_host *host, struct facts *facts)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_image *image;
    vhdx_error err;
    if (vhdx_image_open(path, &options, &image, &err) != VHDX_OK)
        return COMPLAIN("%s cannot be opened: %s", path, err.message);
    facts->info = *vhdx_image_info(image);
    facts->parent = facts->info.parent ? *facts->info.parent : (vhdx_parent_names){0};
    vhdx_image_free(image);
    return NULL;
}

static bool same_guid(const vhdx_guid *a, const vhdx_guid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_set(bool has_guid, const vhdx_guid *guid)
{
    static const vhdx_guid zero;
    return has_guid && !same_guid(guid, &zero);
}

/* `linkage2` NULL: must not be set. */
static const char *check_link(const char *path, const vhdx_guid *linkage, const vhdx_guid *linkage2,
                              const vhdx_host *host)
{
    struct facts facts;
    const char *wrong = look(path, host, &facts);
    if (wrong)
        return wrong;
    if (facts.info.log != VHDX_LOG_STATE_CLEAN)
        return COMPLAIN("the log of %s is not clean", path);
    if (!facts.parent.has_linkage || !same_guid(&facts.parent.linkage, linkage))
        return COMPLAIN("the linkage of %s does not name its parent", path);
    bool set = is_set(facts.parent.has_linkage2, &facts.parent.linkage2);
    if (linkage2 ? !set || !same_guid(&facts.parent.linkage2, linkage2) : set)
        return COMPLAIN("the second linkage of %s is not what it must be", path);
    return NULL;
}

static const char *check_target(const struct scene *scene, const vhdx_host *host, struct facts *facts)
{
    const struct scene_layer *target = &scene->layers[scene->recipe.into];
    const struct scene_layer *child = &scene->layers[scene->recipe.child];
    const char *wrong = look(target->path, host, facts);
    if (wrong)
        return wrong;
    if (facts->info.log != VHDX_LOG_STATE_CLEAN)
        return COMPLAIN("the log of the target is not clean");
    if (facts->info.virtual_size != child->virtual_size)
        return COMPLAIN("the target's size is not the child's");
    if (!same_guid(&facts->info.virtual_disk_id, &child->virtual_disk_id))
        return COMPLAIN("the target's virtual disk id is not the child's");
    if (same_guid(&facts->info.data_write_guid, &target->identity))
        return COMPLAIN("the target has its old identity");
    return check_reads(target->path, child->digest, host);
}

static const char *check_merged(const struct scene *scene, struct crash_host *host)
{
    const struct scene_recipe *recipe = &scene->recipe;
    const vhdx_host *files = crash_host_interface(host);
    const struct scene_layer *child = &scene->layers[recipe->child];
    const struct scene_layer *bottom = has(recipe, SCENE_STEP) ? child : &scene->layers[recipe->into + 1];
    bool deleted = has(recipe, SCENE_DELETE);
    struct facts facts;
    const char *wrong = check_target(scene, files, &facts);
    for (size_t n = (size_t)(bottom - scene->layers); n <= recipe->child && !wrong; n++)
        if (crash_host_exists(host, scene->layers[n].path) == deleted)
            wrong = COMPLAIN("%s is %s", scene->layers[n].path, deleted ? "still there" : "gone");
    if (!wrong && !deleted)
        wrong = check_link(bottom->path, &facts.info.data_write_guid, &bottom->identity, files);
    if (!wrong && !deleted && child != bottom)
        wrong = check_link(child->path, &child[-1].identity, &facts.info.data_write_guid, files);
    if (!wrong && recipe->child + 1 < recipe->layers)
        wrong = check_link(scene->layers[recipe->child + 1].path, &facts.info.data_write_guid,
                           deleted ? NULL : &child->identity, files);
    if (!wrong)
        wrong = check_whole(scene->layers[recipe->into].path, child->digest, files);
    return wrong;
}

/* The result is the child's file, under its own name or the ancestor's, and layers above know it by the identity
 * that it always had. */
static const char *check_merged_up(const struct scene *scene, struct crash_host *host)
{
    const struct scene_recipe *recipe = &scene->recipe;
    const vhdx_host *files = crash_host_interface(host);
    const struct scene_layer *child = &scene->layers[recipe->child];
    bool deleted = has(recipe, SCENE_DELETE);
    const char *path = deleted ? scene->layers[recipe->into].path : child->path;
    struct facts facts;
    const char *wrong = look(path, files, &facts);
    for (size_t n = recipe->into + 1; deleted && n <= recipe->child && !wrong; n++)
        if (crash_host_exists(host, scene->layers[n].path))
            wrong = COMPLAIN("%s is still there", scene->layers[n].path);
    if (!wrong && facts.info.kind == VHDX_KIND_DIFFERENCING)
        wrong = COMPLAIN("the merged disk still has a parent");
    if (!wrong && !same_guid(&facts.info.data_write_guid, &child->identity))
        wrong = COMPLAIN("the merged disk has another identity than the child had");
    if (!wrong && facts.info.log != VHDX_LOG_STATE_CLEAN)
        wrong = COMPLAIN("the log of the merged disk is not clean");
    if (!wrong && deleted && recipe->child + 1 < recipe->layers)
        wrong = check_link(scene->layers[recipe->child + 1].path, &child->identity, NULL, files);
    return wrong ? wrong : check_whole(path, child->digest, files);
}

/* The child names the copy: without the one that was its parent it reads the same. */
static const char *check_relinked(const struct scene *scene, struct crash_host *host)
{
    const struct scene_layer *child = &scene->layers[scene->recipe.child], *parent = child - 1;
    const vhdx_host *files = crash_host_interface(host);
    const char *wrong = check_link(child->path, &parent->identity, NULL, files);
    if (wrong)
        return wrong;
    struct crash_host *copy = crash_host_copy(host, 1);
    crash_host_remove(copy, parent->path);
    wrong = check_reads(child->path, child->digest, crash_host_interface(copy));
    crash_host_free(copy);
    return wrong ? wrong : check_whole(child->path, child->digest, files);
}

/* Blocks are of 1 MiB, as all else in the file: it has no hole left. */
static const char *check_no_holes(const char *path, const vhdx_host *host)
{
    struct vx_image *image;
    struct vx_space *space = NULL;
    vhdx_error err;
    const char *wrong = NULL;
    if (vx_image_open(host, path, VX_OPEN_PEEK, &image, &err) != VHDX_OK)
        return COMPLAIN("%s cannot be opened: %s", path, err.message);
    uint64_t size = image->info.file_size;
    if (vx_space_open(image, &space, &err) != VHDX_OK)
        wrong = COMPLAIN("%s contradicts itself: %s", path, err.message);
    for (uint64_t at = 0; !wrong && at < size; at += VX_MIB)
        if (!vx_space_is_used(space, at))
            wrong = COMPLAIN("%s has a hole at 0x%" PRIx64 " of 0x%" PRIx64, path, at, size);
    vx_space_close(space);
    vx_image_close(image);
    return wrong;
}

/* It is who it was, so that whatever hangs on it goes on hanging there; and there is nothing left to give. */
static const char *check_compacted(const struct scene *scene, struct crash_host *host)
{
    const struct scene_layer *disk = &scene->layers[scene->recipe.child];
    const vhdx_host *files = crash_host_interface(host);
    const vhdx_compact_options options = {.struct_size = sizeof options, .host = files};
    vhdx_compact_report report = {.struct_size = sizeof report};
    struct facts facts;
    vhdx_error err;
    const char *wrong = look(disk->path, files, &facts);
    if (!wrong && !same_guid(&facts.info.data_write_guid, &disk->identity))
        wrong = COMPLAIN("%s has another identity", disk->path);
    if (!wrong)
        wrong = check_no_holes(disk->path, files);
    if (!wrong && vhdx_compact_plan(disk->path, &options, &report, &err) != VHDX_OK)
        wrong = COMPLAIN("%s cannot be compacted again: %s", disk->path, err.message);
    if (!wrong &&
        (report.blocks_zero > 0 || report.bytes_to_move > 0 || report.file_size_after != report.file_size_before))
        wrong = COMPLAIN("%s could be smaller still", disk->path);
    return wrong ? wrong : check_whole(disk->path, disk->digest, files);
}

const char *scene_check_result(const struct scene *scene, struct crash_host *host)
{
    const char *wrong = scene_check_leaves(scene, host);
    if (wrong)
        return wrong;
    if (crash_host_handles(host) > 0)
        return COMPLAIN("a file was left open");
    if (scene->recipe.command == SCENE_MERGE)
        return has(&scene->recipe, SCENE_UP) ? check_merged_up(scene, host) : check_merged(scene, host);
    if (scene->recipe.command == SCENE_RELINK)
        return check_relinked(scene, host);
    if (scene->recipe.command == SCENE_COMPACT)
        return check_compacted(scene, host);
    if (is_vhd(scene->recipe.command))
        return check_reads(scene->output, wanted_of_output(scene), crash_host_interface(host));
    return check_whole(scene->output, wanted_of_output(scene), crash_host_interface(host));
}

const char *scene_text(const struct scene *scene)
{
    static const char *const commands[] = {
        "merge",   "flatten",         "create",         "create --fixed",         "fork",
        "convert", "convert --fixed", "convert -O vhd", "convert -O vhd --fixed", "relink",
        "compact",
    };
    static char text[256];
    const struct scene_recipe *recipe = &scene->recipe;
    snprintf(text, sizeof text, "seed %" PRIu64 ", %s, layer %zu into %zu of %zu, features 0x%x", scene->seed,
             commands[recipe->command], recipe->child, recipe->into, recipe->layers, recipe->features);
    return text;
}
