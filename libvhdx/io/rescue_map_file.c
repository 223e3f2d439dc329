/*
 * Maps of ddrescue as files: reading one, and what may be replaced by one. See rescue_map.h.
 */
/* SPDX-License-Identifier: MIT */
#include "io/rescue_map.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "io/io.h"

#include <inttypes.h>
#include <string.h>

#define MAP_FILE_MAX (256 * VX_MIB)

static vhdx_status parse_file(struct vx_file *file, size_t size, struct vx_rescue_map *map, vhdx_error *err)
{
    size_t line;
    uint8_t *text = vx_alloc(size > 0 ? size : 1, 1);
    if (!text)
        return vx_fail_memory(err, "a map of bad ranges");
    vhdx_status status = vx_file_read(file, text, size, 0, err);
    if (status == VHDX_OK) {
        status = vx_rescue_map_parse(vx_bytes_of(text, size), map, &line);
        if (status == VHDX_CORRUPT && line == 0)
            vx_fail(err, status, vx_at_file(vx_file_path(file)), "the map holds no range");
        else if (status == VHDX_CORRUPT)
            vx_fail(err, status, vx_at_file(vx_file_path(file)), "line %zu is no line of a ddrescue map", line);
        else if (status != VHDX_OK)
            vx_fail(err, status, vx_at_file(vx_file_path(file)), "the map is too large");
        if (status != VHDX_OK)
            vx_advise(err, status, "give the map file that ddrescue kept, as it is");
    }
    vx_free(text);
    return status;
}

vhdx_status vx_rescue_map_load(const vhdx_host *host, const char *path, struct vx_rescue_map *map, vhdx_error *err)
{
    struct vx_file *file;
    uint64_t size;
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_PEEK, &file, err));
    vhdx_status status = vx_file_size(file, &size, err);
    if (status == VHDX_OK && size > MAP_FILE_MAX)
        status =
            vx_fail(err, VHDX_LIMIT, vx_at_file(path), "the map has %" PRIu64 " bytes, more than any map needs", size);
    if (status == VHDX_OK)
        status = parse_file(file, (size_t)size, map, err);
    vx_file_close(file);
    return status;
}

vhdx_status vx_rescue_map_check_output(const vhdx_host *host, const char *path, vhdx_error *err)
{
    struct vx_file *file;
    uint8_t start[sizeof VX_RESCUE_MAP_FIRST_LINE - 1];
    size_t got = 0;
    if (vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
        return VHDX_OK; /* opening it for writing tells what is the matter, if anything */
    vhdx_status status = vx_file_read_some(file, start, sizeof start, 0, &got, err);
    vx_file_close(file);
    VX_TRY(status);
    if (got == 0 || (got == sizeof start && memcmp(start, VX_RESCUE_MAP_FIRST_LINE, sizeof start) == 0))
        return VHDX_OK;
    vx_fail(err, VHDX_EXISTS, vx_at_file(path), "there is already a file that is not a map of this program");
    return vx_advise(err, VHDX_EXISTS, "choose another name for the map");
}
