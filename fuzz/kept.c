/*
 * Exports before and after a repair, compared. See kept.h.
 */
/* SPDX-License-Identifier: MIT */
#include "kept.h"

#include "fuzz.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

#define RAW "/d/kept.raw"
#define MAP "/d/kept.map"
#define LARGEST (UINT64_C(16) << 20)

static uint8_t *read_all(const vhdx_host *host, const char *path, uint64_t *size)
{
    struct vx_file *file;
    FUZZ_DEMAND(vx_file_open(host, path, VHDX_OPEN_READ, &file, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_file_size(file, size, NULL) == VHDX_OK);
    uint8_t *bytes = malloc((size_t)*size + 1);
    FUZZ_DEMAND(bytes && vx_file_read(file, bytes, (size_t)*size, 0, NULL) == VHDX_OK);
    vx_file_close(file);
    return bytes;
}

static bool is_small(void *context, const vhdx_progress *progress)
{
    (void)context;
    return progress->bytes_total <= 4 * LARGEST;
}

struct kept kept_take(const vhdx_host *host, const char *path)
{
    const vhdx_salvage_options options = {
        .struct_size = sizeof options, .host = host, .map = MAP, .progress = is_small};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    struct kept kept = {.known = false};
    size_t line;
    if (vhdx_salvage(path, RAW, &options, &report, NULL) == VHDX_OK && report.virtual_size > 0 &&
        report.virtual_size <= LARGEST) {
        uint64_t size;
        uint8_t *text = read_all(host, MAP, &size);
        FUZZ_DEMAND(vx_rescue_map_parse(vx_bytes_of(text, (size_t)size), &kept.map, &line) == VHDX_OK);
        free(text);
        kept.raw = read_all(host, RAW, &kept.size);
        kept.known = true;
    }
    host->remove(host->context, RAW, NULL);
    host->remove(host->context, MAP, NULL);
    if (report.pieces[0])
        host->remove(host->context, report.pieces, NULL);
    return kept;
}

void kept_clear(struct kept *kept)
{
    if (kept->known)
        vx_rescue_map_clear(&kept->map);
    free(kept->raw);
    *kept = (struct kept){.known = false};
}

static char status_at(const struct kept *kept, uint64_t offset, uint64_t *end)
{
    for (size_t i = 0; i < kept->map.count; i++) {
        const struct vx_rescue_range *range = &kept->map.ranges[i];
        if (offset >= range->offset && offset - range->offset < range->length) {
            *end = range->offset + range->length;
            return range->status;
        }
    }
    *end = UINT64_MAX;
    return VX_RESCUE_LOST;
}

void kept_demand(const struct kept *before, const struct kept *after)
{
    uint64_t before_end, after_end;
    if (!before->known || !after->known)
        return;
    FUZZ_DEMAND(after->size >= before->size);
    for (uint64_t at = 0; at < before->size;) {
        char was = status_at(before, at, &before_end), is = status_at(after, at, &after_end);
        uint64_t end = before_end < after_end ? before_end : after_end;
        end = end < before->size ? end : before->size;
        FUZZ_DEMAND(was == VX_RESCUE_LOST || is != VX_RESCUE_LOST);
        if (was == VX_RESCUE_GOOD)
            FUZZ_DEMAND(is == VX_RESCUE_GOOD && memcmp(before->raw + at, after->raw + at, (size_t)(end - at)) == 0);
        at = end;
    }
}
