/*
 * Reading and writing ddrescue's map. See rescue_map.h. Lines that begin with '#' are comments; the first line that
 * does not is the state of a run and says nothing about ranges; all others are "position size status".
 */
/* SPDX-License-Identifier: MIT */
#include "io/rescue_map.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/utf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t map_end(const struct vx_rescue_map *map)
{
    if (map->count == 0)
        return 0;
    return map->ranges[map->count - 1].offset + map->ranges[map->count - 1].length;
}

static vhdx_status make_room(struct vx_rescue_map *map)
{
    if (map->count == VX_RESCUE_RANGES_MAX)
        return VHDX_LIMIT;
    struct vx_rescue_range *ranges = vx_room_for(map->ranges, map->count, &map->room, sizeof *ranges);
    if (!ranges)
        return VHDX_NOMEM;
    map->ranges = ranges;
    return VHDX_OK;
}

vhdx_status vx_rescue_map_append(struct vx_rescue_map *map, uint64_t length, char status)
{
    uint64_t end, offset = map_end(map);
    if (length == 0)
        return VHDX_OK;
    if (!vx_add(offset, length, &end))
        return VHDX_LIMIT;
    if (map->count > 0 && map->ranges[map->count - 1].status == status) {
        map->ranges[map->count - 1].length += length;
        return VHDX_OK;
    }
    VX_TRY(make_room(map));
    map->ranges[map->count++] = (struct vx_rescue_range){offset, length, status};
    return VHDX_OK;
}

void vx_rescue_map_clear(struct vx_rescue_map *map)
{
    vx_free(map->ranges);
    *map = (struct vx_rescue_map){0};
}

/* ---- reading ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; empty at its end. */
static struct vx_bytes next_word(struct vx_bytes *line)
{
    struct vx_bytes word;
    size_t length = 0;
    while (line->size > 0 && is_blank(line->data[0]))
        *line = vx_bytes_of(line->data + 1, line->size - 1);
    while (length < line->size && !is_blank(line->data[length]))
        length++;
    word = vx_bytes_of(line->data, length);
    *line = vx_bytes_of(line->data + length, line->size - length);
    return word;
}

/* As in C: 0x... is hexadecimal, 0... octal. */
static bool parse_number(struct vx_bytes word, uint64_t *value)
{
    uint64_t base = 10;
    *value = 0;
    if (word.size > 2 && word.data[0] == '0' && (word.data[1] == 'x' || word.data[1] == 'X')) {
        base = 16;
        word = vx_bytes_of(word.data + 2, word.size - 2);
    } else if (word.size > 1 && word.data[0] == '0') {
        base = 8;
    }
    for (size_t i = 0; i < word.size; i++) {
        uint64_t digit = vx_digit_value((char)word.data[i]);
        if (digit >= base || !vx_mul(*value, base, value) || !vx_add(*value, digit, value))
            return false;
    }
    return word.size > 0;
}

static bool parse_status(struct vx_bytes word, const char *allowed, char *status)
{
    if (word.size != 1 || word.data[0] == 0 || !strchr(allowed, word.data[0]))
        return false;
    *status = (char)word.data[0];
    return true;
}

/* "position status [pass]" of the run that wrote the map. */
static bool is_state_line(struct vx_bytes line)
{
    uint64_t number;
    char status;
    if (!parse_number(next_word(&line), &number) || !parse_status(next_word(&line), "?*/-FG+", &status))
        return false;
    struct vx_bytes pass = next_word(&line);
    return (pass.size == 0 || parse_number(pass, &number)) && next_word(&line).size == 0;
}

static vhdx_status take_range(struct vx_bytes line, struct vx_rescue_map *map)
{
    uint64_t offset, length, end;
    char status;
    if (!parse_number(next_word(&line), &offset) || !parse_number(next_word(&line), &length) ||
        !parse_status(next_word(&line), "?*/-+", &status) || next_word(&line).size != 0)
        return VHDX_CORRUPT;
    if (length == 0 || !vx_add(offset, length, &end))
        return VHDX_CORRUPT;
    if (map->count == 0) /* a map may begin behind the start: what precedes it was never tried */
        VX_TRY(vx_rescue_map_append(map, offset, VX_RESCUE_UNTRIED));
    if (offset != map_end(map))
        return VHDX_CORRUPT;
    return vx_rescue_map_append(map, length, status);
}

static struct vx_bytes next_line(struct vx_bytes *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->size);
    size_t length = end ? (size_t)(end - text->data) : text->size;
    struct vx_bytes line = vx_bytes_of(text->data, length);
    size_t used = end ? length + 1 : length;
    *text = vx_bytes_of(text->data + used, text->size - used);
    return line;
}

static vhdx_status parse_lines(struct vx_bytes text, struct vx_rescue_map *map, size_t *line_number)
{
    bool state_seen = false;
    while (text.size > 0) {
        struct vx_bytes line = next_line(&text), word = line;
        (*line_number)++;
        word = next_word(&word);
        if (word.size == 0 || word.data[0] == '#')
            continue;
        if (state_seen)
            VX_TRY(take_range(line, map));
        else if (!is_state_line(line))
            return VHDX_CORRUPT;
        state_seen = true;
    }
    *line_number = 0;
    return map->count > 0 ? VHDX_OK : VHDX_CORRUPT;
}

vhdx_status vx_rescue_map_parse(struct vx_bytes text, struct vx_rescue_map *map, size_t *bad_line)
{
    *map = (struct vx_rescue_map){0};
    *bad_line = 0;
    vhdx_status status = parse_lines(text, map, bad_line);
    if (status != VHDX_OK)
        vx_rescue_map_clear(map);
    return status;
}

/* ---- asking ---- */

/* The first range that ends behind `offset`; `count` when there is none. */
static size_t find_range(const struct vx_rescue_map *map, uint64_t offset)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->ranges[middle].offset + map->ranges[middle].length <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool vx_rescue_map_next_bad(const struct vx_rescue_map *map, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                            uint64_t *bad_length)
{
    if (map->count == 0 || offset >= end)
        return false;
    size_t i = find_range(map, offset);
    while (i < map->count && map->ranges[i].status == VX_RESCUE_GOOD && map->ranges[i].offset < end)
        i++;
    uint64_t start = i < map->count ? map->ranges[i].offset : map_end(map);
    uint64_t stop = UINT64_MAX;
    for (; i < map->count && map->ranges[i].status != VX_RESCUE_GOOD; i++)
        stop = map->ranges[i].offset + map->ranges[i].length;
    if (i == map->count)
        stop = UINT64_MAX; /* nothing is known of what is behind the last range */
    start = vx_max(start, offset);
    if (start >= end)
        return false;
    *bad_offset = start;
    *bad_length = vx_min(stop, end) - start;
    return true;
}

/* ---- writing ---- */

size_t vx_rescue_map_begin_text(const char *what, char *text, size_t room)
{
    int length = snprintf(text, room,
                          VX_RESCUE_MAP_FIRST_LINE "# %s\n"
                                                   "# current_pos  current_status  current_pass\n"
                                                   "0x00000000     +               1\n"
                                                   "#      pos        size  status\n",
                          what);
    return length < 0 ? 0 : (size_t)vx_min((uint64_t)length, room > 0 ? room - 1 : 0);
}

size_t vx_rescue_map_range_text(const struct vx_rescue_range *range, char text[VX_RESCUE_LINE_ROOM])
{
    int length = snprintf(text, VX_RESCUE_LINE_ROOM, "0x%08" PRIX64 "  0x%08" PRIX64 "  %c\n", range->offset,
                          range->length, range->status);
    return length < 0 ? 0 : (size_t)length;
}
