/* Merges of random chains: every view stays as the model says. */
/* SPDX-License-Identifier: MIT */
#include "model_parts.h"

/* ---- merging ---------------------------------------------------------------------------------------------------- */

static void check_item(const struct scene *s, const struct look *look, const char *path, vhdx_guid id, bool wanted,
                       const struct model_layer *owner, const char *what)
{
    uint8_t bytes[64];
    uint32_t length = look_item(look, s->host, path, &id, true, bytes, sizeof(bytes));
    demand(s, (length != UINT32_MAX) == wanted, what);
    if (wanted)
        demand(s, length == 16 && memcmp(bytes, bld_data_write_guid(owner->b)->bytes, 16) == 0, what);
}

/* The file at the target's place after child .. target + 1 went into it. */
static void check_target_file(const struct scene *s, size_t child, size_t target)
{
    const struct model_layer *from = &s->m->layers[child], *into = &s->m->layers[target];
    struct look *look = look_at(s->host, into->path);
    demand(s, look != NULL, "the target's structures are not sound, or its log is not empty");
    demand(s, look->both_headers, "one of the target's headers is damaged");
    /* a chain that hangs together by parent_linkage2 is a merge begun: the target has got its new identity already */
    if (!s->m->layers[target - 1].linked_by_second)
        demand(s, !vx_guid_equal(&look->header.data_write_guid, bld_data_write_guid(into->b)),
               "DataWriteGuid is the old");
    demand(s, !vx_guid_is_zero(&look->header.data_write_guid), "DataWriteGuid is zero");
    check_item(s, look, into->path, model_disk_item(), from->disk_item, from,
               "the IsVirtualDisk item is not the child's");
    check_item(s, look, into->path, model_file_item(), into->file_item, into, "the target's own item");
    free(look);
    vhdx_chain *chain = open_path(s, into->path);
    const vhdx_info *info = vhdx_chain_layer(chain, 0);
    demand(s, info->kind == into->kind && info->block_size == into->block_size, "the target's kind or block size");
    demand(s, info->physical_sector_size == from->physical_sector_size, "physical sector size is not the child's");
    demand(s, vx_guid_equal(&info->virtual_disk_id, bld_virtual_disk_id(from->b)),
           "virtual disk id is not the child's");
    demand(s, vhdx_chain_layer_count(chain) == s->m->count - target, "number of layers below the target");
    vhdx_chain_free(chain);
}

static void check_fixed_is_whole(const struct scene *s, size_t target)
{
    vhdx_chain *chain = open_layer(s, target);
    vhdx_walk *walk;
    vhdx_error err;
    vhdx_extent extent;
    must(s, vhdx_walk_new(chain, 0, &walk, &err), &err, "beginning a walk");
    do {
        must(s, vhdx_walk_next(walk, &extent, &err), &err, "walking");
        demand(s, extent.length == 0 || extent.state == VHDX_EXTENT_DATA,
               "a fixed disk with a block that is not present");
    } while (extent.length > 0);
    vhdx_walk_free(walk);
    vhdx_chain_free(chain);
}

static bool exists(const struct scene *s, size_t layer)
{
    uint8_t byte;
    return bld_peek(s->host, s->m->layers[layer].path, 0, &byte, 1) == VHDX_OK;
}

static void check_after_merge(const struct scene *s, size_t child, size_t target, bool deleted)
{
    check_target_file(s, child, target);
    must_read_as(s, s->m->layers[target].path, child, "the target after the merge");
    if (s->m->layers[target].kind == VHDX_KIND_FIXED)
        check_fixed_is_whole(s, target);
    for (size_t n = 0; n < child; n++)
        must_read_as(s, s->m->layers[n].path, n, "a layer above the child");
    if (!deleted)
        must_read_as(s, s->m->layers[child].path, child, "the child after the merge");
    for (size_t n = child; deleted && n < target; n++)
        demand(s, !exists(s, n), "a merged layer is still there");
    for (size_t n = target + 1; n < s->m->count; n++)
        demand(s, unchanged(s, n), "a layer below the target has changed");
    for (size_t n = target + 1; n < s->m->count; n++)
        must_read_as(s, s->m->layers[n].path, n, "a layer below the target");
}

/* `options`: what is asked for besides the layers. */
static void merge_with(const struct scene *s, size_t child, size_t target, vhdx_merge_options options,
                       vhdx_merge_report *report)
{
    vhdx_error err;
    options.struct_size = sizeof(options);
    options.host = s->host;
    if (target != child + 1 || s->m->seed % 2)
        options.into = s->m->layers[target].path;
    *report = (vhdx_merge_report){.struct_size = sizeof(*report)};
    must(s, vhdx_merge(s->m->layers[child].path, &options, report, &err), &err, "merging");
    demand(s, report->layers_merged == target - child, "number of merged layers");
    demand(s, report->virtual_size == s->m->layers[child].virtual_size, "the report's virtual size");
}

static void merge(const struct scene *s, size_t child, size_t target, bool delete_merged, vhdx_merge_report *report)
{
    vhdx_merge_options options = {.delete_merged = delete_merged, .direction = VHDX_DIRECTION_DOWN};
    merge_with(s, child, target, options, report);
}

Test(model_merge, merging_a_leaf_into_its_parent_keeps_every_view)
{
    FOR_EACH_SEED(seed, 5001, 40)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 3};
        struct scene s = begin(seed, &wishes, false);
        vhdx_merge_report report;
        merge(&s, 0, 1, false, &report);
        check_after_merge(&s, 0, 1, false);
        end(&s);
    }
}

Test(model_merge, merging_any_run_of_layers_keeps_every_view)
{
    FOR_EACH_SEED(seed, 6001, 40)
    {
        struct model_wishes wishes = {.layers = 3 + seed % 4};
        struct scene s = begin(seed, &wishes, false);
        size_t child = (size_t)bld_random_below(&s.chance, s.m->count - 1);
        size_t target = child + 1 + (size_t)bld_random_below(&s.chance, s.m->count - 1 - child);
        vhdx_merge_report report;
        merge(&s, child, target, false, &report);
        check_after_merge(&s, child, target, false);
        end(&s);
    }
}

Test(model_merge, merging_with_delete_leaves_only_the_layers_that_are_needed)
{
    FOR_EACH_SEED(seed, 7001, 24)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 5, .one_directory = true};
        struct scene s = begin(seed, &wishes, false);
        size_t child = (size_t)bld_random_below(&s.chance, s.m->count - 1);
        size_t target = child + 1 + (size_t)bld_random_below(&s.chance, s.m->count - 1 - child);
        vhdx_merge_report report;
        merge(&s, child, target, true, &report);
        check_after_merge(&s, child, target, true);
        end(&s);
    }
}

Test(model_merge, giving_space_back_while_merging_keeps_every_view)
{
    FOR_EACH_SEED(seed, 11001, 30)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 5};
        struct scene s = begin(seed, &wishes, false);
        size_t child = (size_t)bld_random_below(&s.chance, s.m->count - 1);
        size_t target = child + 1 + (size_t)bld_random_below(&s.chance, s.m->count - 1 - child);
        vhdx_merge_options options = {.reclaim = true, .verify = true, .window_bytes = UINT64_C(1) << (16 + seed % 8)};
        vhdx_merge_report report;
        merge_with(&s, child, target, options, &report);
        check_after_merge(&s, child, target, false);
        demand(&s, report.bytes_verified == report.bytes_copied + report.bytes_shared,
               "what was verified is what moved");
        end(&s);
    }
}

/* All but the merged layers as they were; `place`: the layer whose path now holds the child's view. */
static void check_after_merge_up(const struct scene *s, size_t child, size_t place)
{
    vhdx_chain *chain = open_path(s, s->m->layers[place].path);
    const vhdx_info *info = vhdx_chain_layer(chain, 0);
    demand(s, vhdx_chain_layer_count(chain) == 1, "the child is a base");
    demand(s, info->log == VHDX_LOG_STATE_CLEAN, "its log is clean");
    demand(s, info->virtual_size == s->m->layers[child].virtual_size, "its size");
    vhdx_chain_free(chain);
    must_read_as(s, s->m->layers[place].path, child, "the child as a base");
    for (size_t n = 0; n < child; n++)
        must_read_as(s, s->m->layers[n].path, n, "a layer above the child");
}

Test(model_merge, merging_upwards_makes_the_child_a_base_and_writes_nothing_else)
{
    FOR_EACH_SEED(seed, 12001, 30)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 5};
        struct scene s = begin(seed, &wishes, false);
        size_t child = (size_t)bld_random_below(&s.chance, s.m->count - 1);
        vhdx_merge_report report;
        vhdx_merge_options options = {.direction = VHDX_DIRECTION_UP};
        merge_with(&s, child, s.m->count - 1, options, &report);
        check_after_merge_up(&s, child, child);
        for (size_t n = child + 1; n < s.m->count; n++)
            demand(&s, unchanged(&s, n), "a layer below has changed");
        end(&s);
    }
}

/* A block of which the child holds a part, though no sector of it, and of which nobody below holds anything. */
Test(model_merge, merging_upwards_leaves_no_block_partial_where_nobody_holds_a_sector)
{
    struct vx_memory_host *memory = vx_memory_host_new(1);
    const vhdx_host *host = vx_memory_host_interface(memory);
    struct bld_options options = {.kind = VHDX_KIND_DYNAMIC, .virtual_size = 8 << 20, .block_size = 1 << 20, .seed = 1};
    struct bld *base = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    struct bld *child = bld_new(&options);
    vhdx_error err;
    uint8_t bytes[512];
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    bld_state(child, 5, VX_PAYLOAD_PARTIALLY_PRESENT);
    cr_assert_eq(bld_finish(base, host, "/base.vhdx", &err), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, "/child.avhdx", &err), VHDX_OK);
    vhdx_merge_options up = {.struct_size = sizeof up, .host = host, .direction = VHDX_DIRECTION_UP};
    cr_assert_eq(vhdx_merge("/child.avhdx", &up, NULL, &err), VHDX_OK, "%s", err.message);
    vhdx_open_options open = {.struct_size = sizeof open, .host = host};
    vhdx_chain *chain;
    cr_assert_eq(vhdx_chain_open("/child.avhdx", &open, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_chain_layer_count(chain), 1u);
    cr_assert_eq(vhdx_chain_read(chain, bytes, sizeof bytes, 5 << 20, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(bytes[0] | memcmp(bytes, bytes + 1, 511), 0);
    vhdx_chain_free(chain);
    bld_free(base);
    bld_free(child);
    vx_memory_host_free(memory);
}

Test(model_merge, merging_upwards_with_delete_takes_over_the_ancestors_name)
{
    FOR_EACH_SEED(seed, 13001, 24)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 5, .one_directory = true};
        struct scene s = begin(seed, &wishes, false);
        size_t base = s.m->count - 1;
        size_t child = (size_t)bld_random_below(&s.chance, base);
        vhdx_merge_report report;
        vhdx_merge_options options = {.direction = VHDX_DIRECTION_UP, .delete_merged = true};
        merge_with(&s, child, base, options, &report);
        check_after_merge_up(&s, child, base);
        for (size_t n = child; n < base; n++)
            demand(&s, !exists(&s, n), "a merged layer is still there");
        end(&s);
    }
}

Test(model_merge, merging_again_changes_nothing_that_can_be_read)
{
    FOR_EACH_SEED(seed, 8001, 16)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 4};
        struct scene s = begin(seed, &wishes, false);
        size_t child = (size_t)bld_random_below(&s.chance, s.m->count - 1);
        size_t target = child + 1 + (size_t)bld_random_below(&s.chance, s.m->count - 1 - child);
        vhdx_merge_report report;
        merge(&s, child, target, false, &report);
        merge(&s, child, target, false, &report);
        check_after_merge(&s, child, target, false);
        end(&s);
    }
}

Test(model_merge, merging_down_layer_by_layer_ends_with_the_leaf_in_the_base)
{
    FOR_EACH_SEED(seed, 9001, 12)
    {
        struct model_wishes wishes = {.layers = 3 + seed % 3, .one_directory = true};
        struct scene s = begin(seed, &wishes, false);
        vhdx_merge_options options = {.struct_size = sizeof(options), .host = s.host, .delete_merged = true};
        vhdx_error err;
        for (size_t n = s.m->count - 1; n-- > 0;)
            must(&s, vhdx_merge(s.m->layers[n].path, &options, NULL, &err), &err, "merging from the bottom");
        must_read_as(&s, s.m->layers[s.m->count - 1].path, 0, "the base after all merges");
        end(&s);
    }
}

Test(model_merge, a_plan_writes_nothing_and_foretells_the_merge)
{
    FOR_EACH_SEED(seed, 10001, 20)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 4};
        struct scene s = begin(seed, &wishes, false);
        vhdx_merge_options options = {.struct_size = sizeof(options), .host = s.host};
        vhdx_merge_report plan = {.struct_size = sizeof(plan)}, report;
        vhdx_error err;
        size_t target = 1 + (size_t)bld_random_below(&s.chance, s.m->count - 1);
        options.into = s.m->layers[target].path;
        must(&s, vhdx_merge_plan(s.m->layers[0].path, &options, &plan, &err), &err, "planning");
        for (size_t n = 0; n < s.m->count; n++)
            demand(&s, unchanged(&s, n), "a plan has changed a file");
        merge(&s, 0, target, false, &report);
        bool dirty = false; /* replaying a log may make a file longer, and holes behind its end data */
        for (size_t n = 0; n <= target; n++)
            dirty |= s.m->layers[n].dirty;
        demand(&s, dirty || plan.bytes_to_copy + plan.bytes_to_share == report.bytes_copied + report.bytes_shared,
               "the plan says another number of bytes than were moved");
        demand(&s, plan.bytes_to_share <= report.bytes_shared, "more is promised than is shared");
        demand(&s,
               dirty || (plan.blocks_to_allocate == report.blocks_to_allocate &&
                         plan.blocks_to_zero == report.blocks_to_zero && plan.bytes_to_zero == report.bytes_to_zero),
               "the plan says another number of blocks than was changed");
        demand(&s, plan.layers_merged == report.layers_merged && strcmp(plan.target, report.target) == 0,
               "another target");
        end(&s);
    }
}

/* ---- a new file ------------------------------------------------------------------------------------------------- */

Test(model_merge, flattening_writes_the_view_to_a_new_disk_and_touches_no_input)
{
    FOR_EACH_SEED(seed, 11001, 24)
    {
        struct scene s = begin(seed, NULL, false);
        vhdx_merge_options options = {.struct_size = sizeof(options), .host = s.host};
        vhdx_merge_report report = {.struct_size = sizeof(report)};
        vhdx_error err;
        size_t child = (size_t)bld_random_below(&s.chance, s.m->count);
        const struct model_layer *from = &s.m->layers[child], *base = &s.m->layers[s.m->count - 1];
        must(&s, vhdx_flatten(from->path, "/disks/flat.vhdx", &options, &report, &err), &err, "flattening");
        must_read_as(&s, "/disks/flat.vhdx", child, "the flattened disk");
        for (size_t n = 0; n < s.m->count; n++)
            demand(&s, unchanged(&s, n), "an input has changed");
        struct look *look = look_at(s.host, "/disks/flat.vhdx");
        demand(&s, look != NULL, "the new disk's structures are not sound");
        check_item(&s, look, "/disks/flat.vhdx", model_disk_item(), from->disk_item, from, "the IsVirtualDisk item");
        free(look);
        vhdx_chain *chain = open_path(&s, "/disks/flat.vhdx");
        const vhdx_info *info = vhdx_chain_layer(chain, 0);
        demand(&s, info->kind == VHDX_KIND_DYNAMIC && info->block_size == base->block_size, "kind or block size");
        demand(&s, vx_guid_equal(&info->virtual_disk_id, bld_virtual_disk_id(from->b)), "virtual disk id");
        demand(&s, info->physical_sector_size == from->physical_sector_size, "physical sector size");
        vhdx_chain_free(chain);
        end(&s);
    }
}

/* ---- with real files -------------------------------------------------------------------------------------------- */

/* qemu knows no differencing disks and only sectors of 512 bytes. */
static void ask_qemu(const struct scene *s, size_t layer, size_t view)
{
    if (!files_program_exists("qemu-img") || s->m->layers[layer].kind == VHDX_KIND_DIFFERENCING)
        return;
    const char *path = s->m->layers[layer].path;
    char *raw = files_path(s->directory, "raw");
    const char *check[] = {"qemu-img", "check", "-q", "-f", "vhdx", path, NULL};
    const char *convert[] = {"qemu-img", "convert", "-f", "vhdx", "-O", "raw", path, raw, NULL};
    struct files_run run = files_run(check);
    if (run.status != 0)
        cr_assert_fail("qemu-img check: %s%s (%s)", run.output, run.errors, model_text(s->m));
    files_run_free(&run);
    run = files_run(convert);
    if (run.status != 0)
        cr_assert_fail("qemu-img convert: %s (%s)", run.errors, model_text(s->m));
    files_run_free(&run);
    size_t size = 0;
    uint8_t *bytes = files_read(raw, &size);
    demand(s, bytes && size >= s->m->layers[view].virtual_size, "qemu's raw file is too short");
    demand(s, memcmp(bytes, s->m->layers[view].view, s->m->layers[view].virtual_size) == 0,
           "qemu reads something else");
    free(bytes);
    free(raw);
}

Test(model_merge, merging_real_files_gives_bases_that_qemu_reads_the_same)
{
    FOR_EACH_SEED(seed, 12001, 10)
    {
        struct model_wishes wishes = {.layers = 2 + seed % 3, .sector_512 = true, .plain = true};
        struct scene s = begin(seed, &wishes, true);
        vhdx_merge_report report;
        merge(&s, 0, s.m->count - 1, seed % 2, &report);
        check_after_merge(&s, 0, s.m->count - 1, seed % 2);
        ask_qemu(&s, s.m->count - 1, 0);
        end(&s);
    }
}
