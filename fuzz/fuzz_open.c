/*
 * Opening and reading one damaged layer, alone or on a sound parent: strictly, for inspection, as a chain. The input is
 * a list of damages to a small disk, see forge.h. What can be opened tells the same through every door, and what cannot
 * says why.
 */
/* SPDX-License-Identifier: MIT */
#include "forge.h"
#include "fuzz.h"

#include "base/guid.h"
#include "base/status.h"

#include <string.h>

/* The strict door is the narrower one, and where both open they tell the same. */
static void try_image(const struct forge *forge, const char *path)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = forge->host};
    vhdx_image *strict = NULL, *inspected = NULL;
    vhdx_error err;
    vhdx_status status = vhdx_image_open(path, &options, &strict, &err);
    forge_demand_told(status, &err);
    options.inspect_only = true;
    vhdx_status inspection = vhdx_image_open(path, &options, &inspected, &err);
    forge_demand_told(inspection, &err);
    FUZZ_DEMAND(status != VHDX_OK || inspection == VHDX_OK);
    if (status == VHDX_OK) {
        const vhdx_info *a = vhdx_image_info(strict), *b = vhdx_image_info(inspected);
        FUZZ_DEMAND(a->virtual_size == b->virtual_size && a->block_size == b->block_size && a->kind == b->kind);
        FUZZ_DEMAND(vx_guid_equal(&a->data_write_guid, &b->data_write_guid));
        FUZZ_DEMAND((a->kind == VHDX_KIND_DIFFERENCING) == (a->parent != NULL));
    }
    vhdx_image_free(strict);
    vhdx_image_free(inspected);
}

/* A hash needs every block of the disk: it cannot succeed where a walk over them fails. */
static void try_hash(const struct forge *forge, const char *path, bool readable)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = forge->host};
    uint8_t hash[16], again[16];
    vhdx_chain *chain;
    vhdx_error err;
    FUZZ_DEMAND(vhdx_chain_open(path, &options, &chain, NULL) == VHDX_OK);
    vhdx_status status = vhdx_chain_hash(chain, hash, NULL, &err);
    forge_demand_told(status, &err);
    FUZZ_DEMAND(readable || status != VHDX_OK);
    FUZZ_DEMAND(vhdx_chain_hash(chain, again, NULL, NULL) == status);
    FUZZ_DEMAND(status != VHDX_OK || memcmp(hash, again, sizeof hash) == 0);
    vhdx_chain_free(chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forge_input in = {data, size};
    struct forge forge;
    uint8_t flags = forge_byte(&in);
    size_t count = 1 + flags % 2;
    forge_begin(&forge, count, &in);
    forge_steps(&forge, count - 1, &in);
    const char *path = forge.paths[count - 1];
    try_image(&forge, path);
    struct forge_view view = forge_look(&forge, path);
    if (flags >= 0xE0 && view.virtual_size > 0 && view.virtual_size <= FORGE_VIEW_MAX)
        try_hash(&forge, path, view.readable);
    forge_end(&forge);
    return 0;
}
