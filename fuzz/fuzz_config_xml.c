/*
 * Configurations in XML: whatever the document, what is read is whole in itself, and the same document in UTF-16 says
 * the same.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/utf.h"
#include "../tests/support/memory.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#define PATH "/vm/282874fc-59d6-4f30-bc04-5fdd909c82e0.xml"

static vhdx_status read_bytes(const void *bytes, size_t size, struct vx_config **config)
{
    struct vx_memory_host *memory = vx_memory_host_new(1);
    vhdx_error err;
    FUZZ_DEMAND(vx_memory_host_put(memory, PATH, bytes, size));
    vhdx_status status = vx_config_read(vx_memory_host_interface(memory), PATH, 0, config, &err);
    FUZZ_DEMAND(status == VHDX_OK || (err.status == status && err.message[0]));
    FUZZ_DEMAND(vx_memory_host_size(memory, PATH) == size);
    vx_memory_host_free(memory);
    return status;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void demand_same(const struct vx_config *a, const struct vx_config *b)
{
    const vhdx_machine_info *x = &a->info, *y = &b->info;
    FUZZ_DEMAND(x->complete == y->complete && x->drive_count == y->drive_count && x->version == y->version);
    FUZZ_DEMAND(same_text(x->name, y->name) && same_text(x->id_text, y->id_text));
    for (size_t i = 0; i < x->drive_count; i++) {
        FUZZ_DEMAND(same_text(a->disks[i].path, b->disks[i].path) && same_text(a->disks[i].type, b->disks[i].type));
        FUZZ_DEMAND(a->disks[i].controller == b->disks[i].controller && a->disks[i].location == b->disks[i].location);
    }
}

/* Documents that begin with a mark are in an encoding already; NULs end a UTF-16 document. */
static bool may_be_widened(const uint8_t *data, size_t size)
{
    return size > 0 && data[0] == '<' && memchr(data, 0, size) == NULL;
}

static void demand_same_in_utf16(const uint8_t *data, size_t size, const struct vx_config *config)
{
    char *text = malloc(size + 1);
    uint8_t *wide = malloc(2 * size + 2);
    struct vx_config *other;
    FUZZ_DEMAND(text && wide);
    memcpy(text, data, size);
    text[size] = '\0';
    size_t wide_size = vx_utf8_to_utf16(text, wide + 2, 2 * size);
    if (wide_size != SIZE_MAX) {
        wide[0] = 0xFF;
        wide[1] = 0xFE;
        FUZZ_DEMAND(wide_size <= 2 * size);
        FUZZ_DEMAND(read_bytes(wide, wide_size + 2, &other) == VHDX_OK);
        demand_same(config, other);
        vx_config_free(other);
    }
    free(wide);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_config *config;
    if (read_bytes(data, size, &config) != VHDX_OK)
        return 0;
    FUZZ_DEMAND(config->info.complete == (config->info.reasons.count == 0));
    for (size_t i = 0; i < config->info.drive_count; i++) {
        FUZZ_DEMAND(config->disks[i].path[0] && config->disks[i].type && config->disks[i].instance);
        FUZZ_DEMAND(!config->disks[i].damaged || !config->info.complete);
    }
    if (may_be_widened(data, size) && config->info.format == VHDX_CONFIG_XML)
        demand_same_in_utf16(data, size, config);
    vx_config_free(config);
    return 0;
}
