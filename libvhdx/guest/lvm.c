/*
 * The metadata of LVM2. See lvm.h. The text is read as a row of tokens with the names of the sections around; nothing
 * nests deeper than a segment in a volume in a group.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/lvm.h"

#include "base/checked.h"
#include "base/utf.h"

#include <string.h>
#include <zlib.h>

#define SECTOR 512u
#define DEPTH 4u
#define ID 32u

/* ---- where the text is ------------------------------------------------------------------------------------------- */

static uint32_t lvm_sum(const uint8_t *p, size_t size)
{
    return (uint32_t)~crc32(~UINT32_C(0xF597A6CF), p, (uInt)size);
}

/* The label is in one of the first four sectors. *at: of the first metadata area. */
static bool find_area(const struct vx_lvm_source *source, char id[33], uint64_t *at)
{
    uint8_t label[SECTOR];
    for (uint64_t sector = 0; sector < 4; sector++) {
        if (!source->read(source->context, label, sizeof label, sector * SECTOR) || memcmp(label, "LABELONE", 8) != 0 ||
            memcmp(label + 24, "LVM2 001", 8) != 0)
            continue;
        size_t place = vx_get32(label + 20);
        if (place < 32 || place > SECTOR - ID - 8)
            return false;
        memcpy(id, label + place, ID);
        id[ID] = '\0';
        for (place += ID + 8; place + 16 <= SECTOR && vx_get64(label + place) != 0; place += 16)
            continue; /* data areas; a row of zeros ends them */
        *at = place + 32 <= SECTOR ? vx_get64(label + place + 16) : 0;
        return *at != 0;
    }
    return false;
}

/* In the ring behind the header of the area. */
static bool read_text(const struct vx_lvm_source *source, uint64_t area, const uint8_t *header, uint8_t *text,
                      size_t *size)
{
    uint64_t room = vx_get64(header + 32), at = vx_get64(header + 40), length = vx_get64(header + 48);
    if (length == 0 || length > VX_LVM_TEXT_MAX || room > VX_GIB || at < SECTOR || at >= room ||
        length > room - SECTOR || area > UINT64_MAX / 2)
        return false;
    size_t first = (size_t)vx_min(length, room - at);
    *size = (size_t)length;
    return source->read(source->context, text, first, area + at) &&
           (first == length || source->read(source->context, text + first, (size_t)length - first, area + SECTOR)) &&
           lvm_sum(text, (size_t)length) == vx_get32(header + 56);
}

bool vx_lvm_find(const struct vx_lvm_source *source, char id[33], uint8_t *text, size_t *size)
{
    uint8_t header[SECTOR];
    uint64_t area;
    return find_area(source, id, &area) && source->read(source->context, header, sizeof header, area) &&
           memcmp(header + 4, " LVM2 x[5A%r0N*>", 16) == 0 && vx_get64(header + 24) == area &&
           lvm_sum(header + 4, SECTOR - 4) == vx_get32(header) && read_text(source, area, header, text, size);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

enum token {
    END,
    WORD, /* a name, a number, or a string without its quotes */
    MARK, /* one of { } = [ ] , */
};

struct reader {
    struct vx_bytes text;
    size_t at;
    char word[96]; /* cut to fit */
    char mark;
};

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || vx_ascii_is_letter(c) || c == '_' || c == '-' || c == '.' || c == '+';
}

static void skip_blank(struct reader *in)
{
    const uint8_t *p = in->text.data;
    while (in->at < in->text.size && (p[in->at] <= ' ' || p[in->at] == '#')) {
        if (p[in->at] == '#')
            while (in->at < in->text.size && p[in->at] != '\n')
                in->at++;
        else
            in->at++;
    }
}

/* Behind a backslash is what it would else be. */
static void take(struct reader *in, size_t *length)
{
    if (in->text.data[in->at] == '\\' && in->text.size - in->at > 1)
        in->at++;
    if (*length + 1 < sizeof in->word)
        in->word[(*length)++] = (char)in->text.data[in->at];
    in->at++;
}

static enum token next(struct reader *in)
{
    const uint8_t *p = in->text.data;
    size_t length = 0;
    skip_blank(in);
    if (in->at >= in->text.size)
        return END;
    if (p[in->at] == '"') {
        for (in->at++; in->at < in->text.size && p[in->at] != '"';)
            take(in, &length);
        in->at++;
    } else if (is_word(p[in->at])) {
        while (in->at < in->text.size && is_word(p[in->at]))
            take(in, &length);
    } else {
        in->mark = (char)p[in->at++];
        return MARK;
    }
    in->word[length] = '\0';
    return WORD;
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

struct parser {
    struct reader in;
    const char *id;
    struct vx_lvm *lvm;
    char section[DEPTH][VX_LVM_NAME]; /* group, kind, volume, segment */
    uint32_t depth;
    uint64_t extent, first_extent; /* bytes; sectors of the first extent */
    char own[VX_LVM_NAME];         /* what the text calls this physical volume */
    /* of the segment that is being read */
    uint64_t start, count, place;
    bool striped, one, here;
};

/* 0: none, or too large to be of use. */
static uint64_t number_of(const char *word)
{
    uint64_t value = 0;
    for (; *word >= '0' && *word <= '9' && value < UINT64_C(1) << 40; word++)
        value = value * 10 + (uint64_t)(*word - '0');
    return *word == '\0' && value < UINT64_C(1) << 40 ? value : 0;
}

static bool same_id(const char *hyphenated, const char *id)
{
    for (; *hyphenated; hyphenated++)
        if (*hyphenated != '-' && *hyphenated != *id++)
            return false;
    return *id == '\0';
}

static bool in_kind(const struct parser *parser, const char *kind)
{
    return parser->depth >= 2 && strcmp(parser->section[1], kind) == 0;
}

static struct vx_lvm_volume *current(const struct parser *parser)
{
    return parser->lvm && parser->lvm->count > 0 ? &parser->lvm->volumes[parser->lvm->count - 1] : NULL;
}

static void enter(struct parser *parser)
{
    struct vx_lvm *lvm = parser->lvm;
    if (lvm && parser->depth == 3 && in_kind(parser, "logical_volumes")) {
        if (lvm->count == VX_LVM_VOLUMES) {
            lvm->more = true;
            return;
        }
        struct vx_lvm_volume *volume = &lvm->volumes[lvm->count++];
        *volume = (struct vx_lvm_volume){.linear = true};
        memcpy(volume->name, parser->section[2], sizeof volume->name);
    }
    if (parser->depth == 4) {
        parser->start = parser->count = parser->place = 0;
        parser->striped = parser->one = parser->here = false;
    }
}

static void end_segment(struct parser *parser)
{
    struct vx_lvm_volume *volume = current(parser);
    if (!volume || parser->lvm->more || !in_kind(parser, "logical_volumes"))
        return;
    uint64_t extent = parser->extent * SECTOR, length = parser->count * extent;
    volume->linear = volume->linear && volume->count < VX_LVM_SEGMENTS && parser->striped && parser->one &&
                     parser->here && parser->count > 0 && parser->count <= (UINT64_C(1) << 62) / extent &&
                     parser->start * extent == volume->size && parser->place < (UINT64_C(1) << 60) / extent;
    if (!volume->linear)
        return;
    volume->segments[volume->count++] =
        (struct vx_lvm_segment){volume->size, length, parser->first_extent * SECTOR + parser->place * extent};
    volume->size += length;
}

/* `list`: which of the values of a list it is, from 0. */
static void set(struct parser *parser, const char *key, const char *value, unsigned list)
{
    if (parser->depth == 1 && strcmp(key, "extent_size") == 0)
        parser->extent = number_of(value);
    if (parser->depth == 3 && in_kind(parser, "physical_volumes")) {
        if (strcmp(key, "id") == 0 && same_id(value, parser->id))
            memcpy(parser->own, parser->section[2], sizeof parser->own);
        if (strcmp(key, "pe_start") == 0 && strcmp(parser->own, parser->section[2]) == 0)
            parser->first_extent = number_of(value);
    }
    if (parser->depth == 3 && in_kind(parser, "logical_volumes") && strcmp(key, "status") == 0 && current(parser) &&
        !parser->lvm->more)
        current(parser)->visible = current(parser)->visible || strcmp(value, "VISIBLE") == 0;
    if (parser->depth != 4 || !in_kind(parser, "logical_volumes"))
        return;
    if (strcmp(key, "start_extent") == 0)
        parser->start = number_of(value);
    else if (strcmp(key, "extent_count") == 0)
        parser->count = number_of(value);
    else if (strcmp(key, "type") == 0) {
        parser->striped = strcmp(value, "striped") == 0;
        if (parser->lvm && strcmp(value, "snapshot") == 0)
            parser->lvm->snapshots = true;
    } else if (strcmp(key, "stripe_count") == 0)
        parser->one = strcmp(value, "1") == 0;
    else if (strcmp(key, "stripes") == 0 && list == 0)
        parser->here = parser->own[0] && strcmp(value, parser->own) == 0;
    else if (strcmp(key, "stripes") == 0 && list == 1)
        parser->place = number_of(value);
}

static bool read_value(struct parser *parser, const char *key)
{
    enum token token = next(&parser->in);
    if (token == WORD)
        set(parser, key, parser->in.word, 0);
    if (token != MARK)
        return token == WORD;
    if (parser->in.mark != '[')
        return false;
    for (unsigned list = 0; (token = next(&parser->in)) != END;) {
        if (token == WORD)
            set(parser, key, parser->in.word, list++);
        else if (parser->in.mark == ']')
            return true;
    }
    return false;
}

static bool leave(struct parser *parser)
{
    if (parser->depth == 0)
        return false;
    if (parser->depth == 4)
        end_segment(parser);
    parser->depth--;
    return true;
}

/* A name, and what follows it: a section or a value. */
static bool read_name(struct parser *parser)
{
    char name[VX_LVM_NAME] = "";
    memcpy(name, parser->in.word, sizeof name - 1);
    name[sizeof name - 1] = '\0';
    if (next(&parser->in) != MARK)
        return false;
    if (parser->in.mark == '=')
        return read_value(parser, name);
    if (parser->in.mark != '{' || parser->depth == DEPTH)
        return false;
    memcpy(parser->section[parser->depth++], name, sizeof name);
    enter(parser);
    return true;
}

/* Up to the end of the text; a NUL ends it too. */
static bool read_all(struct parser *parser)
{
    enum token token;
    while ((token = next(&parser->in)) != END) {
        bool right = token == WORD ? read_name(parser) : parser->in.mark == '}' && leave(parser);
        if (!right)
            return false;
    }
    return parser->depth == 0;
}

bool vx_lvm_decode(struct vx_bytes text, const char id[33], struct vx_lvm *lvm)
{
    struct parser parser = {.in = {.text = text}, .id = id};
    memset(lvm, 0, sizeof *lvm);
    if (!read_all(&parser) || !parser.own[0] || parser.extent == 0 || parser.extent > UINT64_C(1) << 31)
        return false;
    parser.in.at = 0;
    parser.lvm = lvm;
    return read_all(&parser);
}
