/*
 * Reading and writing maps. See maps.h. Written in pieces: a disk may have lost a million ranges. A map says in
 * comments to which disk it belongs, for a repair that is given again after it was cut off.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/maps.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "io/rescue_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX (256 * VX_MIB)
#define PIECE 65536u
#define ID_LABEL "# DataWriteGuid: "

/* ---- reading ---- */

static vhdx_status read_text(const vhdx_host *host, const char *path, uint8_t **text, size_t *length, vhdx_error *err)
{
    struct vx_file *file;
    uint64_t size;
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_READ, &file, err));
    vhdx_status status = vx_file_size(file, &size, err);
    if (status == VHDX_OK && size > TEXT_MAX)
        status = vx_fail(err, VHDX_LIMIT, vx_at_file(path), "a map of %" PRIu64 " bytes", size);
    if (status == VHDX_OK) {
        *length = (size_t)size;
        *text = vx_alloc(*length + 1, 1);
        status = *text ? vx_file_read(file, *text, *length, 0, err) : vx_fail_memory(err, "a map");
    }
    vx_file_close(file);
    return status;
}

static vhdx_status fail_map(const char *path, vhdx_status status, size_t line, vhdx_error *err)
{
    if (status == VHDX_NOMEM)
        return vx_fail_memory(err, "a map");
    vx_fail(err, status, vx_at_file(path), "it is no map of ddrescue (line %zu)", line);
    return vx_advise(err, status, "name the mapfile that ddrescue wrote beside the copy of the disk's file");
}

static vhdx_status gather(const struct vx_rescue_map *map, uint64_t size, struct vx_ranges *bad, vhdx_error *err)
{
    struct vx_range range = {0};
    while (vx_rescue_map_next_bad(map, range.offset + range.length, size, &range.offset, &range.length))
        if (!vx_ranges_add(bad, &range))
            return vx_fail_memory(err, "a map");
    return VHDX_OK;
}

vhdx_status vx_maps_read(const vhdx_host *host, const char *path, uint64_t size, struct vx_ranges *bad, vhdx_error *err)
{
    struct vx_rescue_map map = {0};
    uint8_t *text = NULL;
    size_t length = 0, line;
    vhdx_status status = read_text(host, path, &text, &length, err);
    if (status == VHDX_OK) {
        status = vx_rescue_map_parse(vx_bytes_of(text, length), &map, &line);
        if (status != VHDX_OK)
            status = fail_map(path, status, line, err);
    }
    if (status == VHDX_OK)
        status = gather(&map, size, bad, err);
    vx_rescue_map_clear(&map);
    vx_free(text);
    return status;
}

/* ---- recalling ---- */

/* Comments stand before all ranges. */
static bool names_disk(const uint8_t *text, size_t length, const vhdx_guid *id)
{
    const size_t label = sizeof ID_LABEL - 1, line = label + VX_GUID_TEXT - 1;
    vhdx_guid found;
    for (const uint8_t *at = text, *end; (size_t)(text + length - at) >= line && *at == '#'; at = end + 1) {
        if (memcmp(at, ID_LABEL, label) == 0 && vx_guid_parse((const char *)at + label, VX_GUID_TEXT - 1, &found) &&
            vx_guid_equal(&found, id))
            return true;
        end = memchr(at, '\n', (size_t)(text + length - at));
        if (!end)
            break;
    }
    return false;
}

static vhdx_status lose_again(struct vx_plan *plan, const struct vx_rescue_map *map, vhdx_error *err)
{
    static const struct vx_loss lost = {.reason = "given up by a repair that was cut off"};
    static const struct vx_loss doubtful = {.reason = "in doubt since a repair that was cut off", .doubtful = true};
    for (size_t i = 0; i < map->count; i++)
        if (map->ranges[i].status != VX_RESCUE_GOOD)
            VX_TRY(vx_plan_lose(plan, map->ranges[i].offset, map->ranges[i].length,
                                map->ranges[i].status == VX_RESCUE_DOUBTFUL ? &doubtful : &lost, err));
    vx_plan_settle(plan);
    return VHDX_OK;
}

vhdx_status vx_maps_recall(struct vx_plan *plan, const vhdx_guid *id, const char *path, bool *known, vhdx_error *err)
{
    struct vx_rescue_map map = {0};
    uint8_t *text = NULL;
    size_t length = 0, line;
    vhdx_status status = VHDX_OK;
    *known = false;
    if (read_text(plan->host, path, &text, &length, NULL) == VHDX_OK && names_disk(text, length, id) &&
        vx_rescue_map_parse(vx_bytes_of(text, length), &map, &line) == VHDX_OK) {
        *known = true;
        status = lose_again(plan, &map, err);
    }
    vx_rescue_map_clear(&map);
    vx_free(text);
    return status;
}

/* ---- writing ---- */

struct writing {
    struct vx_file *file;
    char *text;
    size_t used;
    uint64_t at;    /* in the file */
    uint64_t place; /* on the virtual disk: the next range begins here */
};

static vhdx_status flush_text(struct writing *w, vhdx_error *err)
{
    VX_TRY(vx_file_write(w->file, w->text, w->used, w->at, err));
    w->at += w->used;
    w->used = 0;
    return VHDX_OK;
}

static vhdx_status put_range(struct writing *w, uint64_t end, char status, vhdx_error *err)
{
    char line[VX_RESCUE_LINE_ROOM];
    const struct vx_rescue_range range = {w->place, end - w->place, status};
    if (end <= w->place)
        return VHDX_OK;
    if (PIECE - w->used < sizeof line)
        VX_TRY(flush_text(w, err));
    size_t length = vx_rescue_map_range_text(&range, line);
    for (size_t i = 0; i < length; i++)
        w->text[w->used++] = line[i];
    w->place = end;
    return VHDX_OK;
}

/* The ids stand where names_disk() looks for them. */
static void begin_text(struct writing *w, const vhdx_guid *ids, size_t id_count)
{
    char what[512], id[VX_GUID_TEXT];
    int used = snprintf(what, sizeof what, "What a repair lost of the virtual disk: '-' lost, '*' doubtful");
    for (size_t i = 0; i < id_count; i++) {
        vx_guid_format(&ids[i], id);
        used += snprintf(what + used, sizeof what - (size_t)used, "\n" ID_LABEL "%s", id);
    }
    w->used = vx_rescue_map_begin_text(what, w->text, PIECE);
}

static vhdx_status write_ranges(struct writing *w, const struct vx_plan *plan, uint64_t size, vhdx_error *err)
{
    for (size_t i = 0; i < plan->lost_count; i++) {
        const struct vx_lost *lost = &plan->lost[i];
        VX_TRY(put_range(w, vx_min(lost->virtual_offset, size), VX_RESCUE_GOOD, err));
        VX_TRY(put_range(w, vx_min(lost->virtual_offset + lost->length, size),
                         lost->loss->doubtful ? VX_RESCUE_DOUBTFUL : VX_RESCUE_LOST, err));
    }
    VX_TRY(put_range(w, size, VX_RESCUE_GOOD, err));
    VX_TRY(flush_text(w, err));
    return vx_file_flush(w->file, err);
}

vhdx_status vx_maps_write(const struct vx_plan *plan, uint64_t size, const vhdx_guid *ids, size_t id_count,
                          const char *path, vhdx_error *err)
{
    struct writing w = {.text = vx_alloc(PIECE, 1)};
    if (!w.text)
        return vx_fail_memory(err, "a map");
    begin_text(&w, ids, id_count);
    vhdx_status status = vx_file_open(plan->host, path, VHDX_OPEN_REPLACE, &w.file, err);
    if (status == VHDX_OK)
        status = write_ranges(&w, plan, size, err);
    vx_file_close(w.file);
    vx_free(w.text);
    return status;
}
