/*
 * Salvage of damaged layers, alone or on a damaged parent. The input is a list of contents and damages, see forge.h.
 * Whatever was done to them, it ends; the amounts add up; the map has no gaps and says what the report says; the layers
 * stay as they were; and where the strict reader can read the disk, no range that is called good reads otherwise.
 */
/* SPDX-License-Identifier: MIT */
#include "forge.h"
#include "fuzz.h"

#include "base/checked.h"
#include "io/io.h"
#include "io/rescue_map.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST (UINT64_C(8) << 20)
#define STEPS_MAX 100000u

static uint8_t *read_all(const struct forge *forge, const char *path, size_t *size)
{
    struct vx_file *file;
    uint64_t length;
    FUZZ_DEMAND(vx_file_open(forge->host, path, VHDX_OPEN_PEEK, &file, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_file_size(file, &length, NULL) == VHDX_OK && length <= 8 * LONGEST);
    uint8_t *bytes = malloc((size_t)length + 1);
    FUZZ_DEMAND(bytes && vx_file_read(file, bytes, (size_t)length, 0, NULL) == VHDX_OK);
    vx_file_close(file);
    *size = (size_t)length;
    return bytes;
}

struct told {
    uint64_t not_good, pieces, end;
};

static void take_range(void *context, const vhdx_salvage_range *range)
{
    struct told *told = context;
    FUZZ_DEMAND(range->length > 0 && range->reason[0]);
    if (range->kind == VHDX_SALVAGE_PIECE) {
        told->pieces += range->length;
        return;
    }
    FUZZ_DEMAND(range->kind != VHDX_SALVAGE_GOOD && range->offset >= told->end);
    told->end = range->offset + range->length;
    told->not_good += range->length;
}

/* Whether verify says of one of the layers what `id` names: that its BAT is empty and should not be (then the strict
 * reader reads zeros where salvage, with the log as its witness, knows better), or that its sizes are contradicted. */
static bool is_found(const struct forge *forge, const char *id)
{
    bool missed = false;
    for (size_t layer = 0; layer < forge->layer_count; layer++) {
        const vhdx_verify_options options = {.struct_size = sizeof options, .host = forge->host};
        vhdx_report *report = NULL;
        const vhdx_finding *finding;
        if (vhdx_verify(forge->paths[layer], &options, &report, NULL) == VHDX_OK)
            for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
                missed = missed || strcmp(finding->id, id) == 0;
        vhdx_report_free(report);
    }
    return missed;
}

/* Good bytes are the bytes that the strict reader reads. */
static void demand_good(const struct forge *forge, const struct vx_rescue_map *map, const uint8_t *raw,
                        const uint8_t *strict, uint64_t size)
{
    for (size_t i = 0; strict && i < map->count; i++)
        if (map->ranges[i].status == VX_RESCUE_GOOD && map->ranges[i].offset < size)
            FUZZ_DEMAND(memcmp(raw + map->ranges[i].offset, strict + map->ranges[i].offset,
                               (size_t)map->ranges[i].length) == 0 ||
                        is_found(forge, "VHDX-BAT-EMPTY"));
}

static void judge(const struct forge *forge, const vhdx_salvage_report *report, const struct told *told,
                  const uint8_t *strict)
{
    struct vx_rescue_map map;
    size_t size, line;
    uint64_t good = 0;
    uint8_t *text = read_all(forge, report->map, &size);
    FUZZ_DEMAND(vx_rescue_map_parse(vx_bytes_of(text, size), &map, &line) == VHDX_OK);
    free(text);
    const struct vx_rescue_range *last = &map.ranges[map.count - 1];
    FUZZ_DEMAND(last->offset + last->length == (report->virtual_size ? report->virtual_size : report->bytes_pieces));
    for (size_t i = 0; i < map.count; i++)
        good += map.ranges[i].status == VX_RESCUE_GOOD ? map.ranges[i].length : 0;
    FUZZ_DEMAND(good == report->bytes_good && told->not_good == report->virtual_size - good);
    FUZZ_DEMAND(told->pieces == report->bytes_pieces && (report->pieces[0] != 0) == (report->bytes_pieces > 0));
    if (report->virtual_size == 0) { /* nothing tells a size: there are pieces and nothing else */
        FUZZ_DEMAND(report->bytes_pieces > 0 && vx_memory_host_size(forge->memory, "/d/out.raw") == UINT64_MAX);
    } else if (report->virtual_size <= LONGEST) {
        uint8_t *raw = read_all(forge, "/d/out.raw", &size);
        FUZZ_DEMAND(size == report->virtual_size);
        demand_good(forge, &map, raw, strict, report->virtual_size);
        free(raw);
    }
    vx_rescue_map_clear(&map);
}

/* What the strict reader says, NULL when it refuses. */
static uint8_t *read_strictly(const struct forge *forge, const char *path, uint64_t *size)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = forge->host};
    vhdx_chain *chain;
    uint8_t *bytes = NULL;
    if (vhdx_chain_open(path, &options, &chain, NULL) != VHDX_OK)
        return NULL;
    *size = vhdx_chain_layer(chain, 0)->virtual_size;
    if (*size <= LONGEST && (bytes = malloc((size_t)*size)) &&
        vhdx_chain_read(chain, bytes, (size_t)*size, 0, NULL) != VHDX_OK) {
        free(bytes);
        bytes = NULL;
    }
    vhdx_chain_free(chain);
    return bytes;
}

/* Disks of 64 TiB take seconds with a sanitizer: the search in them is cancelled, and must then leave nothing. */
static bool go_on(void *context, const vhdx_progress *progress)
{
    uint32_t *steps = context;
    (void)progress;
    return (*steps)++ < STEPS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forge_input in = {data, size};
    struct forge forge;
    uint8_t flags = forge_byte(&in);
    size_t count = 1 + flags % 2;
    forge_begin(&forge, count, &in);
    forge_steps(&forge, flags & 2 ? count - 1 : 0, &in);
    const char *leaf = forge.paths[count - 1];
    const char *parents[] = {forge.paths[0]};
    struct told told = {0};
    uint64_t strict_size = 0;
    uint32_t steps = 0;
    vhdx_salvage_options options = {.struct_size = sizeof options,
                                    .host = forge.host,
                                    .parents = parents,
                                    .parent_count = count > 1 && (flags & 4) ? 1 : 0,
                                    .range = take_range,
                                    .range_context = &told,
                                    .progress = go_on,
                                    .progress_context = &steps};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    vhdx_error err;
    struct forge_view before = forge_look(&forge, leaf);
    uint8_t *strict = read_strictly(&forge, leaf, &strict_size);
    vhdx_status status = vhdx_salvage(leaf, "/d/out.raw", &options, &report, &err);
    forge_demand_told(status, &err);
    if (status == VHDX_OK) {
        FUZZ_DEMAND(report.bytes_good + report.bytes_doubtful + report.bytes_lost + report.bytes_missing ==
                    report.virtual_size);
        bool same_size = strict && strict_size == report.virtual_size;
        FUZZ_DEMAND(!strict || same_size || is_found(&forge, "VHDX-METADATA-CONTRADICTED"));
        judge(&forge, &report, &told, same_size ? strict : NULL);
    } else {
        FUZZ_DEMAND(vx_memory_host_size(forge.memory, "/d/out.raw") == UINT64_MAX);
    }
    struct forge_view after = forge_look(&forge, leaf);
    FUZZ_DEMAND(before.readable == after.readable && before.digest == after.digest);
    free(strict);
    forge_end(&forge);
    return 0;
}
