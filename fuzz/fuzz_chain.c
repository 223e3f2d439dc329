/*
 * Merging damaged chains of two or three layers. The input is a list of contents and damages, see forge.h. A leaf that
 * could be read before reads the same afterwards: through the target when the merge says that it is done, through
 * itself when it says that it failed.
 */
/* SPDX-License-Identifier: MIT */
#include "forge.h"
#include "fuzz.h"

#include "base/checked.h"

#include <string.h>

#define LONGEST VX_GIB /* a BAT for more is written in full where the target is differencing: right, but slow */

static uint64_t longest(const struct forge *forge)
{
    uint64_t size = 0;
    for (size_t i = 0; i < forge->layer_count; i++)
        size = vx_max(size, forge_look(forge, forge->paths[i]).virtual_size);
    return size;
}

static void demand_same(const struct forge *forge, const struct forge_view *before, const char *path)
{
    struct forge_view after = forge_look(forge, path);
    if (!before->readable)
        return;
    FUZZ_DEMAND(after.readable);
    FUZZ_DEMAND(after.virtual_size == before->virtual_size);
    FUZZ_DEMAND(after.digest == before->digest);
}

static void try_merge(const struct forge *forge, const struct forge_view *before, uint8_t flags)
{
    const char *leaf = forge->paths[forge->layer_count - 1];
    const char *target = forge->paths[flags & 4 ? 0 : forge->layer_count - 2];
    vhdx_merge_options options = {.struct_size = sizeof options,
                                  .host = forge->host,
                                  .into = flags & 4 ? target : NULL,
                                  .delete_merged = (flags & 8) != 0};
    vhdx_merge_report report = {.struct_size = sizeof report};
    vhdx_error err;
    vhdx_status planned = vhdx_merge_plan(leaf, &options, &report, &err);
    forge_demand_told(planned, &err);
    demand_same(forge, before, leaf);
    vhdx_status status = vhdx_merge(leaf, &options, &report, &err);
    forge_demand_told(status, &err);
    FUZZ_DEMAND(planned == VHDX_OK || status != VHDX_OK);
    if (status == VHDX_OK)
        demand_same(forge, before, target);
    if (status != VHDX_OK || !options.delete_merged)
        demand_same(forge, before, leaf);
}

static void try_flatten(const struct forge *forge, const struct forge_view *before)
{
    const char *leaf = forge->paths[forge->layer_count - 1];
    vhdx_merge_options options = {.struct_size = sizeof options, .host = forge->host};
    vhdx_error err;
    vhdx_status status = vhdx_flatten(leaf, "/d/new.vhdx", &options, NULL, &err);
    forge_demand_told(status, &err);
    if (status == VHDX_OK)
        demand_same(forge, before, "/d/new.vhdx");
    else
        FUZZ_DEMAND(vx_memory_host_size(forge->memory, "/d/new.vhdx") == UINT64_MAX);
    demand_same(forge, before, leaf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forge_input in = {data, size};
    struct forge forge;
    uint8_t flags = forge_byte(&in);
    forge_begin(&forge, 2 + flags % 2, &in);
    forge_steps(&forge, 0, &in);
    struct forge_view before = forge_look(&forge, forge.paths[forge.layer_count - 1]);
    if (longest(&forge) <= LONGEST) {
        if (flags & 2)
            try_flatten(&forge, &before);
        else
            try_merge(&forge, &before, flags);
    }
    forge_end(&forge);
    return 0;
}
