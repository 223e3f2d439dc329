/*
 * Reading around bad places. See tolerant.h. What the host refuses is kept in ranges of whole pages, sorted, joined.
 */
/* SPDX-License-Identifier: MIT */
#include "io/tolerant.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <inttypes.h>
#include <string.h>

#define SMALLEST_READ UINT64_C(4096)
#define MAP_FILE_MAX (256 * VX_MIB)

struct refused {
    uint64_t offset, end;
};

struct vx_tolerant {
    struct vx_file *base;
    const struct vx_rescue_map *bad;
    struct refused *refused; /* ascending, apart from each other */
    size_t count, room;
};

/* The first refused range that ends behind `offset`. */
static size_t find_refused(const struct vx_tolerant *tolerant, uint64_t offset)
{
    size_t low = 0, high = tolerant->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tolerant->refused[middle].end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static vhdx_status make_room(struct vx_tolerant *tolerant, vhdx_error *err)
{
    struct refused *refused = vx_room_for(tolerant->refused, tolerant->count, &tolerant->room, sizeof *refused);
    if (!refused)
        return vx_fail_memory(err, "the list of bytes that cannot be read");
    tolerant->refused = refused;
    return VHDX_OK;
}

/* Remembers a range; it overlaps none that is known, because known ones are not asked for again. */
static vhdx_status remember(struct vx_tolerant *tolerant, uint64_t offset, uint64_t end, vhdx_error *err)
{
    size_t at = find_refused(tolerant, offset > 0 ? offset - 1 : 0);
    if (at < tolerant->count && tolerant->refused[at].end == offset) {
        tolerant->refused[at].end = end;
        return VHDX_OK;
    }
    VX_TRY(make_room(tolerant, err));
    at = find_refused(tolerant, offset);
    memmove(tolerant->refused + at + 1, tolerant->refused + at, (tolerant->count - at) * sizeof *tolerant->refused);
    tolerant->refused[at] = (struct refused){offset, end};
    tolerant->count++;
    return VHDX_OK;
}

static bool next_refused(const struct vx_tolerant *tolerant, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                         uint64_t *bad_length)
{
    size_t at = find_refused(tolerant, offset);
    if (at == tolerant->count || tolerant->refused[at].offset >= end)
        return false;
    *bad_offset = vx_max(offset, tolerant->refused[at].offset);
    *bad_length = vx_min(end, tolerant->refused[at].end) - *bad_offset;
    return true;
}

bool vx_tolerant_next_bad(const struct vx_tolerant *tolerant, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                          uint64_t *bad_length)
{
    uint64_t other, other_length;
    bool found = tolerant->bad && vx_rescue_map_next_bad(tolerant->bad, offset, end, bad_offset, bad_length);
    if (!next_refused(tolerant, offset, end, &other, &other_length))
        return found;
    if (!found || other < *bad_offset) {
        *bad_offset = other;
        *bad_length = other_length;
    }
    return true;
}

/* Halves the range until what cannot be read is one page. Only a medium's refusal is tolerated. */
static vhdx_status read_around(struct vx_tolerant *tolerant, uint8_t *buf, uint64_t length, uint64_t offset,
                               vhdx_error *err)
{
    vhdx_status status = vx_file_read(tolerant->base, buf, (size_t)length, offset, err);
    if (status != VHDX_IO)
        return status;
    vx_clear(err);
    if (length <= SMALLEST_READ) {
        memset(buf, 0, (size_t)length);
        return remember(tolerant, offset, offset + length, err);
    }
    uint64_t middle = vx_round_down(offset + length / 2, SMALLEST_READ);
    if (middle <= offset)
        middle = offset + length / 2;
    VX_TRY(read_around(tolerant, buf, middle - offset, offset, err));
    return read_around(tolerant, buf + (middle - offset), offset + length - middle, middle, err);
}

static vhdx_status tolerant_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct vx_tolerant *tolerant = context;
    uint8_t *bytes = buf;
    uint64_t end = offset + length;
    while (offset < end) {
        uint64_t bad = end, bad_length = 0;
        vx_tolerant_next_bad(tolerant, offset, end, &bad, &bad_length);
        if (bad > offset)
            VX_TRY(read_around(tolerant, bytes, bad - offset, offset, err));
        memset(bytes + (bad - offset), 0, (size_t)bad_length);
        bytes += bad - offset + bad_length;
        offset = bad + bad_length;
    }
    return VHDX_OK;
}

static vhdx_status tolerant_size(void *context, uint64_t *size, vhdx_error *err)
{
    return vx_file_size(((struct vx_tolerant *)context)->base, size, err);
}

static void tolerant_close(void *context)
{
    struct vx_tolerant *tolerant = context;
    vx_file_close(tolerant->base);
    vx_free(tolerant->refused);
    vx_free(tolerant);
}

static vhdx_status tolerant_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    (void)err;
    *facts = *vx_file_facts(((struct vx_tolerant *)context)->base);
    return VHDX_OK;
}

static vhdx_status tolerant_next_data(void *context, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                      vhdx_error *err)
{
    (void)err;
    vx_file_next_data(((struct vx_tolerant *)context)->base, offset, data_offset, length);
    return VHDX_OK;
}

static const vhdx_io_ops tolerant_ops = {
    .struct_size = sizeof tolerant_ops,
    .read = tolerant_read,
    .size = tolerant_size,
    .close = tolerant_close,
    .facts = tolerant_facts,
    .next_data = tolerant_next_data,
};

vhdx_status vx_tolerant_open(const vhdx_host *host, const char *path, vhdx_open_mode access,
                             const struct vx_rescue_map *bad, struct vx_file **file, struct vx_tolerant **out,
                             vhdx_error *err)
{
    struct vx_file *base;
    VX_TRY(vx_file_open(host, path, access, &base, err));
    struct vx_tolerant *tolerant = vx_alloc(1, sizeof *tolerant);
    if (!tolerant) {
        vx_file_close(base);
        return vx_fail_memory(err, "an open file");
    }
    *tolerant = (struct vx_tolerant){.base = base, .bad = bad};
    VX_TRY(vx_file_wrap((vhdx_io){&tolerant_ops, tolerant}, vx_file_path(base), false, file, err));
    *out = tolerant;
    return VHDX_OK;
}

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
