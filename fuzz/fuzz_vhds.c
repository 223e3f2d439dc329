/*
 * VHD sets: every name that is found is in the bytes, ends as a disk's name does and has no character that no path
 * has; and the outcome is never complete.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/utf.h"
#include "config/config_build.h"
#include "config/config_vhds.h"

#include <stdlib.h>
#include <string.h>

static bool stands_in(const uint8_t *data, size_t size, const void *part, size_t length)
{
    for (size_t i = 0; length <= size && i <= size - length; i++)
        if (memcmp(data + i, part, length) == 0)
            return true;
    return false;
}

static void demand_found(const uint8_t *data, size_t size, const char *name)
{
    size_t length = strlen(name);
    uint8_t *wide = malloc(2 * length + 2);
    FUZZ_DEMAND(wide);
    size_t wide_size = vx_utf8_to_utf16(name, wide, 2 * length);
    bool found = stands_in(data, size, name, length);
    FUZZ_DEMAND(found || (wide_size != SIZE_MAX && stands_in(data, size, wide, wide_size)));
    free(wide);
}

static void demand_name(const char *name)
{
    static const char *const ends[] = {".vhd", ".vhdx", ".avhd", ".avhdx"};
    bool right = false;
    for (size_t i = 0; i < 4; i++) {
        size_t length = strlen(ends[i]), all = strlen(name);
        right = right || (all > length && vx_name_equal(name + all - length, ends[i]));
    }
    FUZZ_DEMAND(right);
    for (const uint8_t *c = (const uint8_t *)name; *c; c++)
        FUZZ_DEMAND(*c >= 0x20 && !strchr("\"<>|*", *c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_config *config = vx_config_new("/set.vhds");
    FUZZ_DEMAND(config);
    vx_vhds_read(vx_bytes_of(data, size), config);
    FUZZ_DEMAND(!vx_config_failed(config) && !config->info.complete);
    for (size_t i = 0; i < config->info.drive_count; i++) {
        demand_name(config->disks[i].path);
        demand_found(data, size, config->disks[i].path);
    }
    vx_config_free(config);
    return 0;
}
