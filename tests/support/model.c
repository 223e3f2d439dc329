/*
 * Chains at random; see model.h. It decides what the builder is asked for and keeps what reading must give. What is
 * legal but rare gets a good chance here, since ordinary data meets it never. No file is read here.
 */
/* SPDX-License-Identifier: MIT */
#include "model.h"
#include "inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

static bool chance(uint64_t *state, unsigned percent)
{
    return bld_random_below(state, 100) < percent;
}

static uint64_t between(uint64_t *state, uint64_t low, uint64_t high)
{
    return low + bld_random_below(state, high - low + 1);
}

/* ---- geometry --------------------------------------------------------------------------------------------------- */

static uint64_t random_size(uint64_t *state, uint64_t limit, uint32_t sector)
{
    uint64_t size;
    if (chance(state, 10))
        size = between(state, 1, 40) * sector;
    else if (chance(state, 40))
        size = between(state, 1, limit / VX_MIB) * VX_MIB;
    else
        size = between(state, 1, limit / sector) * sector;
    return size;
}

static uint64_t next_size(uint64_t *state, uint64_t below, uint64_t limit, uint32_t sector)
{
    unsigned choice = (unsigned)bld_random_below(state, 10);
    if (choice < 6)
        return below;
    if (choice < 8)
        return vx_min(limit, below + between(state, 1, 20) * (chance(state, 50) ? sector : VX_MIB));
    uint64_t size = random_size(state, below, sector);
    return size ? size : sector;
}

static uint32_t random_block_size(uint64_t *state, bool fixed)
{
    static const uint8_t sizes[] = {1, 1, 1, 2, 2, 2, 4, 4, 8, 16, 32, 64};
    unsigned choice = (unsigned)bld_random_below(state, fixed ? 8 : sizeof(sizes));
    if (!fixed && chance(state, 2))
        return 256 * (uint32_t)VX_MIB;
    return sizes[choice] * (uint32_t)VX_MIB;
}

/* ---- layout and logs -------------------------------------------------------------------------------------------- */

static void choose_layout(struct bld_options *o, uint64_t *state, bool plain)
{
    o->layout = (enum bld_layout)bld_random_below(state, 3);
    o->gap_percent = chance(state, 50) ? 30 : 0;
    o->shuffle_blocks = chance(state, 60);
    o->garbage = chance(state, 70);
    o->stale_table_entry = chance(state, 50);
    o->scattered_items = chance(state, 40);
    o->locator_first = chance(state, 30);
    o->log_residue = chance(state, 30);
    o->log_length = between(state, 1, 3) * VX_MIB;
    if (chance(state, 30))
        o->metadata_region_length = 2 * VX_MIB;
    if (chance(state, 30))
        o->bat_region_length = 2 * VX_MIB;
    if (chance(state, 20))
        o->appended_bytes = between(state, 1, 8) * 512;
    if (chance(state, 50)) {
        o->sequence[0] = between(state, 1, 100000);
        o->sequence[1] = o->sequence[0] + (chance(state, 80) ? 1 : between(state, 2, 50));
        if (chance(state, 50)) {
            uint64_t kept = o->sequence[0];
            o->sequence[0] = o->sequence[1];
            o->sequence[1] = kept;
        }
    }
    if (plain)
        return;
    if (chance(state, 15))
        o->damaged_header = (int)between(state, 1, 2);
    else if (chance(state, 10))
        o->sequence[0] = o->sequence[1] = 1;
    else
        o->stale_header = chance(state, 20);
    if (chance(state, 10))
        o->second_region_table_damaged = true;
    else
        o->first_region_table_damaged = chance(state, 10);
}

static void choose_log(struct bld *b, uint64_t *state, uint64_t log_length)
{
    struct bld_log log = {
        .what = (unsigned)between(state, 0, 15),
        .percent = chance(state, 50) ? (unsigned)between(state, 1, 99) : 0,
        .untouched_pages = chance(state, 30),
        .home = (enum bld_home)bld_random_below(state, 3),
        .entries = (unsigned)between(state, 1, 5),
        .empty_entries = (unsigned)bld_random_below(state, 3),
        .superseded = chance(state, 50),
        .zero_descriptors = chance(state, 50),
        .ring_offset = (uint32_t)(bld_random_below(state, log_length / VX_PAGE) * VX_PAGE),
        .applied_before = chance(state, 40) ? (unsigned)between(state, 1, 4) : 0,
        .older_sequence = chance(state, 40),
        .foreign_behind = chance(state, 40),
        .torn_behind = chance(state, 40),
        .short_file = chance(state, 25),
    };
    if (chance(state, 30)) /* so that it wraps around */
        log.ring_offset = (uint32_t)(log_length - between(state, 1, 6) * VX_PAGE);
    bld_log_dirty(b, &log);
}

/* ---- content ---------------------------------------------------------------------------------------------------- */

static uint64_t random_length(uint64_t *state, uint64_t sectors)
{
    static const uint32_t longest[] = {1, 8, 8, 64, 300, 6000};
    return between(state, 1, vx_min(sectors, longest[bld_random_below(state, 6)]));
}

static void write_somewhere(struct bld *b, uint64_t *state, uint32_t sector, uint32_t block_size)
{
    uint64_t sectors = bld_virtual_size(b) / sector, first = bld_random_below(state, sectors);
    unsigned choice = (unsigned)bld_random_below(state, 10);
    if (choice == 0)
        first = sectors - vx_min(sectors, between(state, 1, 9));
    else if (choice < 3 && bld_block_count(b) > 1) /* across the border of two blocks */
        first = between(state, 1, bld_block_count(b) - 1) * (block_size / sector) - vx_min(first, between(state, 0, 9));
    uint64_t length = random_length(state, sectors - first) * sector;
    if (choice == 3) {
        uint8_t *zeros = bld_alloc(length, 1);
        bld_write(b, first * sector, zeros, length);
        free(zeros);
    } else {
        bld_write_random(b, first * sector, length, bld_random(state));
    }
}

/* Makes a whole block present, with all its sectors written or as FULLY_PRESENT around what there is. */
static void make_whole(struct bld *b, uint64_t *state, uint64_t n, uint32_t block_size)
{
    uint64_t start = n * block_size, left = bld_virtual_size(b) - start;
    if (chance(state, 50) && block_size <= 4 * VX_MIB)
        bld_write_random(b, start, vx_min(left, block_size), bld_random(state));
    else
        bld_state(b, n, VX_PAYLOAD_FULLY_PRESENT);
}

static void change_block(struct bld *b, uint64_t *state, uint64_t n, const struct bld_options *o)
{
    bool child = o->kind == VHDX_KIND_DIFFERENCING;
    unsigned choice = (unsigned)bld_random_below(state, 12);
    if (choice < 3)
        bld_state(b, n, VX_PAYLOAD_ZERO);
    else if (choice < 5)
        bld_state(b, n, VX_PAYLOAD_UNMAPPED);
    else if (choice < 6)
        bld_state(b, n, VX_PAYLOAD_UNDEFINED);
    else if (choice < 7)
        bld_anchor(b, n, chance(state, 50) ? VX_PAYLOAD_UNDEFINED : VX_PAYLOAD_UNMAPPED);
    else if (choice < 8)
        bld_state(b, n, VX_PAYLOAD_NOT_PRESENT);
    else if (choice < 10)
        make_whole(b, state, n, o->block_size);
    else if (child && bld_block_state(b, n) != VX_PAYLOAD_PARTIALLY_PRESENT)
        bld_stale_bits(b, n);
    unsigned now = bld_block_state(b, n);
    if ((now == VX_PAYLOAD_NOT_PRESENT || now == VX_PAYLOAD_ZERO) && chance(state, 15))
        bld_stray_offset(b, n, between(state, 1, 40) * VX_MIB);
}

static void fill(struct bld *b, uint64_t *state, const struct bld_options *o)
{
    if (chance(state, 5))
        return;
    for (uint64_t i = between(state, 2, 30); i > 0; i--) {
        if (chance(state, 60) || o->kind == VHDX_KIND_FIXED)
            write_somewhere(b, state, o->logical_sector_size, o->block_size);
        else
            change_block(b, state, bld_random_below(state, bld_block_count(b)), o);
    }
    if (o->kind == VHDX_KIND_DIFFERENCING && chance(state, 10)) /* PARTIALLY_PRESENT without a single sector */
        bld_state(b, bld_random_below(state, bld_block_count(b)), VX_PAYLOAD_PARTIALLY_PRESENT);
}

/* ---- one layer -------------------------------------------------------------------------------------------------- */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void link_to_parent(struct model_layer *layer, const struct model_layer *parent, uint64_t *state, bool plain,
                           const char *directory)
{
    char relative[640], absolute[640];
    const char *name = name_of(parent->path);
    size_t depth = strlen(directory) + 1;
    bool in_child = strchr(layer->path + depth, '/') != NULL, in_parent = strchr(parent->path + depth, '/') != NULL;
    const char *way = in_child == in_parent ? ".\\" : in_child ? "..\\" : ".\\snapshots\\";
    if (in_child == in_parent && chance(state, 30))
        way = "";
    snprintf(relative, sizeof(relative), "%s%s", way, name);
    snprintf(absolute, sizeof(absolute), "%s\\Hyper-V\\Virtual Hard Disks\\%s",
             chance(state, 50) ? "D:" : "\\\\?\\D:", name);
    vhdx_guid other = bld_random_guid(state);
    const vhdx_guid *first = bld_data_write_guid(parent->b), *second = NULL;
    if (!plain && chance(state, 20)) {
        layer->linked_by_second = true;
        second = first;
        first = &other;
    } else if (!plain && chance(state, 20)) {
        second = &other;
    }
    /* without the relative path, the name alone must do, in the child's directory */
    bool by_name = !plain && in_child == in_parent && chance(state, 20);
    bld_parent(layer->b, first, second, by_name ? NULL : relative, NULL,
               by_name || chance(state, 60) ? absolute : NULL);
}

static void add_extras(struct model_layer *layer, uint64_t *state, bool plain)
{
    vhdx_guid disk = model_disk_item(), file = model_file_item();
    const uint8_t *content = bld_data_write_guid(layer->b)->bytes;
    layer->disk_item = chance(state, 40);
    layer->file_item = chance(state, 40);
    if (layer->disk_item)
        bld_item(layer->b, &disk, VX_ITEM_IS_USER | VX_ITEM_IS_VIRTUAL_DISK, content, 16);
    if (layer->file_item)
        bld_item(layer->b, &file, VX_ITEM_IS_USER, content, 16);
    if (!plain && chance(state, 20)) {
        vhdx_guid id = bld_random_guid(state);
        bld_region(layer->b, &id, (uint32_t)(between(state, 1, 2) * VX_MIB), 0);
    }
}

static void make_layer(struct model *m, size_t n, const struct model_wishes *w, const char *directory, uint64_t *state)
{
    struct model_layer *layer = &m->layers[n], *parent = n + 1 < m->count ? &m->layers[n + 1] : NULL;
    struct bld_options o = {.seed = bld_random(state)};
    uint64_t limit = w->max_virtual_size ? w->max_virtual_size : 24 * VX_MIB;
    o.kind = parent ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC;
    if (!parent && !w->dynamic_base && chance(state, 25))
        o.kind = VHDX_KIND_FIXED;
    if (parent)
        o.logical_sector_size = parent->logical_sector_size;
    else
        o.logical_sector_size = w->sector_512 || chance(state, 70) ? 512 : 4096;
    o.physical_sector_size = chance(state, 50) ? 512 : 4096;
    if (!parent)
        o.virtual_size = random_size(state, limit, o.logical_sector_size);
    else if (w->same_size)
        o.virtual_size = parent->virtual_size;
    else
        o.virtual_size = next_size(state, parent->virtual_size, limit, o.logical_sector_size);
    o.block_size = random_block_size(state, o.kind == VHDX_KIND_FIXED);
    if (parent && chance(state, 80))
        o.virtual_disk_id = *bld_virtual_disk_id(parent->b);
    choose_layout(&o, state, w->plain);
    layer->b = bld_new(&o);
    layer->kind = o.kind;
    layer->virtual_size = o.virtual_size;
    layer->block_size = o.block_size;
    layer->logical_sector_size = o.logical_sector_size;
    layer->physical_sector_size = o.physical_sector_size;
    bool apart = parent && !w->plain && chance(state, 25) && !w->one_directory;
    snprintf(layer->path, sizeof(layer->path), "%s/%slayer%zu.%s", directory, apart ? "snapshots/" : "",
             m->count - 1 - n, parent ? "avhdx" : "vhdx");
    fill(layer->b, state, &o);
    add_extras(layer, state, w->plain);
    if (parent)
        link_to_parent(layer, parent, state, w->plain, directory);
    layer->dirty = !w->clean && chance(state, 50);
    if (layer->dirty)
        choose_log(layer->b, state, o.log_length);
    layer->view = bld_alloc(o.virtual_size, 1);
    if (parent)
        memcpy(layer->view, parent->view, vx_min(parent->virtual_size, o.virtual_size));
    bld_apply(layer->b, layer->view);
}

/* ---- a chain ---------------------------------------------------------------------------------------------------- */

struct model *model_new(uint64_t seed, const struct model_wishes *wishes, const char *directory)
{
    static const struct model_wishes none;
    const struct model_wishes *w = wishes ? wishes : &none;
    struct model *m = bld_alloc(1, sizeof(*m));
    uint64_t state = seed * UINT64_C(0x2545F4914F6CDD1D) + 1;
    m->seed = seed;
    m->count = w->layers ? w->layers : between(&state, 1, MODEL_MAX_LAYERS);
    for (size_t n = m->count; n-- > 0;)
        make_layer(m, n, w, directory, &state);
    return m;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    for (size_t n = 0; n < m->count; n++) {
        bld_free(m->layers[n].b);
        free(m->layers[n].view);
    }
    free(m);
}

vhdx_status model_write(struct model *m, const vhdx_host *host, vhdx_error *err)
{
    for (size_t n = 0; n < m->count; n++) {
        char *apart = strstr(m->layers[n].path, "/snapshots/");
        if (apart && !host) {
            *apart = 0;
            char directory[600];
            snprintf(directory, sizeof(directory), "%s/snapshots", m->layers[n].path);
            mkdir(directory, 0777);
            *apart = '/';
        }
        vhdx_status status = bld_finish(m->layers[n].b, host, m->layers[n].path, err);
        if (status != VHDX_OK)
            return status;
    }
    return VHDX_OK;
}

const uint8_t *model_expected(const struct model *m, size_t layer)
{
    return m->layers[layer].view;
}

void model_hash(const struct model *m, size_t layer, uint8_t hash[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(m->layers[layer].view, m->layers[layer].virtual_size));
    memcpy(hash, canonical.digest, 16);
}

vhdx_guid model_disk_item(void)
{
    return (vhdx_guid){{0xD1, 0x5C, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
}

vhdx_guid model_file_item(void)
{
    return (vhdx_guid){{0xF1, 0x1E, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
}

const char *model_text(const struct model *m)
{
    static char text[1024];
    size_t used = (size_t)snprintf(text, sizeof(text), "seed %" PRIu64 ", leaf first:", m->seed);
    for (size_t n = 0; n < m->count && used < sizeof(text); n++) {
        const struct model_layer *layer = &m->layers[n];
        used += (size_t)snprintf(
            text + used, sizeof(text) - used, " [%s %" PRIu64 " bytes, blocks %u MiB, sectors %u%s]",
            layer->kind == VHDX_KIND_FIXED     ? "fixed"
            : layer->kind == VHDX_KIND_DYNAMIC ? "dynamic"
                                               : "differencing",
            layer->virtual_size, layer->block_size >> 20, layer->logical_sector_size, layer->dirty ? ", dirty" : "");
    }
    return text;
}
