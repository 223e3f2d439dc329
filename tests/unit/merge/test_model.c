/*
 * Chains at random against the model: what the library reads, walks, hashes, merges and flattens is what the rules
 * say, whatever the layout, the states and the logs. VHDX_MODEL_SEEDS=N tries N chains a test, VHDX_MODEL_FIRST=SEED
 * begins with that one; a failure names its seed.
 */
/* SPDX-License-Identifier: MIT */
#include "model_parts.h"

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void read_at_random(struct scene *s, size_t n)
{
    const struct model_layer *layer = &s->m->layers[n];
    vhdx_chain *chain = open_layer(s, n);
    vhdx_error err;
    demand(s, vhdx_chain_layer_count(chain) == s->m->count - n, "number of layers");
    for (int i = 0; i < 30; i++) {
        uint64_t at = bld_random_below(&s->chance, layer->virtual_size);
        uint64_t longest = layer->virtual_size - at;
        if (i % 3)
            longest = longest < 5000 ? longest : 5000;
        size_t length = (size_t)bld_random_below(&s->chance, longest + 1);
        uint8_t *bytes = malloc(length + 1);
        cr_assert_not_null(bytes);
        must(s, vhdx_chain_read(chain, bytes, length, at, &err), &err, "reading");
        if (memcmp(bytes, layer->view + at, length) != 0)
            cr_assert_fail("%zu bytes at %llu of layer %zu differ (%s)", length, (unsigned long long)at, n,
                           model_text(s->m));
        free(bytes);
    }
    uint8_t byte;
    demand(s, vhdx_chain_read(chain, &byte, 1, layer->virtual_size, &err) == VHDX_ARG, "reading behind the end");
    vhdx_chain_free(chain);
}

Test(model, reads_at_random_places_give_what_the_rules_say)
{
    FOR_EACH_SEED(seed, 1, 40)
    {
        struct scene s = begin(seed, NULL, false);
        for (size_t n = 0; n < s.m->count; n++) {
            read_at_random(&s, n);
            must_read_as(&s, s.m->layers[n].path, n, "reading all of it");
        }
        end(&s);
    }
}

Test(model, opening_and_reading_leave_all_files_as_they_were)
{
    FOR_EACH_SEED(seed, 1001, 16)
    {
        struct scene s = begin(seed, NULL, seed % 4 == 0);
        must_read_as(&s, s.m->layers[0].path, 0, "reading the leaf");
        for (size_t n = 0; n < s.m->count; n++)
            demand(&s, unchanged(&s, n), "a file has changed");
        end(&s);
    }
}

Test(model, facts_are_those_of_each_layer)
{
    FOR_EACH_SEED(seed, 2001, 16)
    {
        struct scene s = begin(seed, NULL, false);
        vhdx_chain *chain = open_layer(&s, 0);
        for (size_t n = 0; n < s.m->count; n++) {
            const struct model_layer *layer = &s.m->layers[n];
            const vhdx_info *info = vhdx_chain_layer(chain, n);
            demand(&s, info && info->kind == layer->kind, "kind");
            demand(&s, info->virtual_size == layer->virtual_size && info->block_size == layer->block_size, "sizes");
            demand(&s, info->logical_sector_size == layer->logical_sector_size, "logical sector size");
            demand(&s, info->physical_sector_size == layer->physical_sector_size, "physical sector size");
            demand(&s, vx_guid_equal(&info->data_write_guid, bld_data_write_guid(layer->b)), "data write GUID");
            demand(&s, vx_guid_equal(&info->virtual_disk_id, bld_virtual_disk_id(layer->b)), "virtual disk id");
            demand(&s, info->file_size == bld_file_size(layer->b), "file size");
            demand(&s, info->log == (layer->dirty ? VHDX_LOG_STATE_REPLAYED : VHDX_LOG_STATE_CLEAN), "log state");
        }
        demand(&s, vhdx_chain_layer(chain, s.m->count) == NULL, "a layer below the base");
        vhdx_chain_free(chain);
        end(&s);
    }
}

/* ---- extents ---------------------------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *bytes, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i])
            return false;
    return true;
}

static void check_extent(const struct scene *s, size_t n, const vhdx_extent *extent)
{
    const uint8_t *want = s->m->layers[n].view + extent->virtual_offset;
    demand(s, extent->layer < s->m->count - n, "layer of an extent");
    if (extent->state != VHDX_EXTENT_DATA) {
        demand(s, extent->file_offset == VHDX_NOWHERE, "file offset of an extent without data");
        demand(s, extent->state == VHDX_EXTENT_ZERO || extent->state == VHDX_EXTENT_ABSENT, "state of an extent");
        demand(s, all_zero(want, extent->length), "an extent of zeros is none");
        return;
    }
    struct vx_file *file;
    vhdx_error err;
    size_t got;
    must(s, vx_file_open(s->host, s->m->layers[n + extent->layer].path, VHDX_OPEN_PEEK, &file, &err), &err, "opening");
    uint8_t *bytes = malloc(extent->length);
    cr_assert_not_null(bytes);
    must(s, vx_file_read_some(file, bytes, extent->length, extent->file_offset, &got, &err), &err, "data of an extent");
    demand(s, memcmp(bytes, want, extent->length) == 0, "the data of an extent differs");
    free(bytes);
    vx_file_close(file);
}

static bool could_be_one(const vhdx_extent *a, const vhdx_extent *b)
{
    return a->state == b->state && a->layer == b->layer &&
           (a->state != VHDX_EXTENT_DATA || a->file_offset + a->length == b->file_offset);
}

static void walk_from(const struct scene *s, size_t n, vhdx_chain *chain, uint64_t start)
{
    vhdx_walk *walk;
    vhdx_error err;
    vhdx_extent extent, before = {0};
    uint64_t at = start;
    must(s, vhdx_walk_new(chain, start, &walk, &err), &err, "beginning a walk");
    for (;;) {
        must(s, vhdx_walk_next(walk, &extent, &err), &err, "walking");
        if (extent.length == 0)
            break;
        demand(s, extent.virtual_offset == at, "a gap or an overlap between extents");
        demand(s, extent.length <= s->m->layers[n].virtual_size - at, "an extent behind the end");
        demand(s, before.length == 0 || !could_be_one(&before, &extent), "two extents could be told in one");
        check_extent(s, n, &extent);
        at += extent.length;
        before = extent;
    }
    demand(s, at == s->m->layers[n].virtual_size, "the extents end before the disk does");
    vhdx_walk_free(walk);
}

Test(model, extents_cover_every_byte_once_and_tell_the_truth)
{
    FOR_EACH_SEED(seed, 3001, 24)
    {
        struct scene s = begin(seed, NULL, false);
        for (size_t n = 0; n < s.m->count; n++) {
            vhdx_chain *chain = open_layer(&s, n);
            walk_from(&s, n, chain, 0);
            walk_from(&s, n, chain, bld_random_below(&s.chance, s.m->layers[n].virtual_size));
            walk_from(&s, n, chain, s.m->layers[n].virtual_size);
            vhdx_chain_free(chain);
        }
        end(&s);
    }
}

/* ---- streams ---------------------------------------------------------------------------------------------------- */

struct receiver {
    const struct scene *s;
    const struct model_layer *layer;
    uint64_t at;
};

static vhdx_status receive(void *context, const void *buf, uint64_t length, uint64_t virtual_offset, vhdx_error *err)
{
    struct receiver *r = context;
    (void)err;
    demand(r->s, virtual_offset == r->at, "a gap in the stream");
    demand(r->s, length > 0 && length <= r->layer->virtual_size - r->at, "a piece behind the end");
    if (buf)
        demand(r->s, memcmp(buf, r->layer->view + r->at, length) == 0, "a piece of the stream differs");
    else
        demand(r->s, all_zero(r->layer->view + r->at, length), "zeros in the stream are none");
    r->at += length;
    return VHDX_OK;
}

Test(model, streams_and_hashes_are_those_of_the_content)
{
    FOR_EACH_SEED(seed, 4001, 24)
    {
        struct scene s = begin(seed, NULL, false);
        for (size_t n = 0; n < s.m->count; n += 2) {
            struct receiver r = {&s, &s.m->layers[n], 0};
            vhdx_chain *chain = open_layer(&s, n);
            uint8_t hash[16], want[16];
            vhdx_error err;
            must(&s, vhdx_chain_stream(chain, receive, &r, NULL, &err), &err, "streaming");
            demand(&s, r.at == r.layer->virtual_size, "the stream ends before the disk does");
            must(&s, vhdx_chain_hash(chain, hash, NULL, &err), &err, "hashing");
            model_hash(s.m, n, want);
            demand(&s, memcmp(hash, want, 16) == 0, "the hash differs");
            vhdx_chain_free(chain);
        }
        end(&s);
    }
}
