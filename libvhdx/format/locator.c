/*
 * Parent locator, MS-VHDX 2.6.2.6. See locator.h. Strings stay the bytes they are; only a GUID is read as text.
 */
/* SPDX-License-Identifier: MIT */
#include "format/locator.h"

#include "base/crc32c.h"
#include "base/guid.h"

#include <assert.h>
#include <string.h>

enum { RESERVED = 16, PAIR_COUNT = 18 };
enum { KEY_OFFSET = 0, VALUE_OFFSET = 4, KEY_LENGTH = 8, VALUE_LENGTH = 10 };

/* How many pairs there really are in pairs[]. */
static size_t held(const struct vx_locator *locator)
{
    return locator->count < VX_LOCATOR_MAX ? locator->count : VX_LOCATOR_MAX;
}

/* The view at a stored offset; offset 0 is where the type is, and means that there is no string. */
static bool string_at(struct vx_bytes in, uint32_t offset, uint16_t length, struct vx_bytes *out)
{
    return offset != 0 && vx_bytes_part(in, offset, length, out);
}

static bool pair_decode(struct vx_bytes in, const uint8_t *p, struct vx_locator_pair *out)
{
    if (string_at(in, vx_get32(p + KEY_OFFSET), vx_get16(p + KEY_LENGTH), &out->key) &&
        string_at(in, vx_get32(p + VALUE_OFFSET), vx_get16(p + VALUE_LENGTH), &out->value))
        return true;
    out->key = vx_bytes_of(in.data, 0);
    out->value = out->key;
    return false;
}

vhdx_status vx_locator_decode(struct vx_bytes in, struct vx_locator *out)
{
    if (in.size < VX_LOCATOR_HEADER_SIZE)
        return VHDX_CORRUPT;
    uint16_t count = vx_get16(in.data + PAIR_COUNT);
    if (count > (in.size - VX_LOCATOR_HEADER_SIZE) / VX_LOCATOR_ENTRY_SIZE)
        return VHDX_CORRUPT;
    memcpy(&out->type, in.data, sizeof out->type);
    out->reserved = vx_get16(in.data + RESERVED);
    out->count = count;
    out->bad_pairs = 0;
    for (size_t i = 0; i < held(out); i++) {
        const uint8_t *entry = in.data + VX_LOCATOR_HEADER_SIZE + i * VX_LOCATOR_ENTRY_SIZE;
        if (!pair_decode(in, entry, &out->pairs[i]))
            out->bad_pairs++;
    }
    return VHDX_OK;
}

static bool is_empty_or_odd(struct vx_bytes string)
{
    return string.size == 0 || string.size % 2 != 0;
}

static bool has_nul(struct vx_bytes string)
{
    for (size_t i = 0; i + 1 < string.size; i += 2)
        if (vx_get16(string.data + i) == 0)
            return true;
    return false;
}

/*
 * Strings may be 64 KiB each and are over each other, so that an item of 1 MiB could make all comparisons together cost
 * gigabytes; the checksums keep it to one pass over each key.
 */
static bool has_duplicate(const struct vx_locator *locator)
{
    uint32_t sums[VX_LOCATOR_MAX];
    for (size_t i = 0; i < held(locator); i++) {
        struct vx_bytes key = locator->pairs[i].key;
        sums[i] = vx_crc32c(0, key.data, key.size);
        for (size_t j = 0; j < i && key.size > 0; j++) {
            struct vx_bytes other = locator->pairs[j].key;
            if (sums[i] == sums[j] && key.size == other.size && memcmp(key.data, other.data, key.size) == 0)
                return true;
        }
    }
    return false;
}

/* What is wrong with the values that the keys of MS-VHDX 2.6.2.6.3 must have. */
static uint32_t value_rules(const struct vx_locator *locator)
{
    uint32_t broken = 0;
    vhdx_guid linkage;
    if (!vx_locator_find(locator, VX_KEY_LINKAGE))
        broken |= VX_LOCATOR_NO_LINKAGE;
    else if (!vx_locator_guid(locator, VX_KEY_LINKAGE, &linkage))
        broken |= VX_LOCATOR_BAD_LINKAGE;
    if (vx_locator_find(locator, VX_KEY_LINKAGE2) && !vx_locator_guid(locator, VX_KEY_LINKAGE2, &linkage))
        broken |= VX_LOCATOR_BAD_LINKAGE;
    if (!vx_locator_find(locator, VX_KEY_RELATIVE) && !vx_locator_find(locator, VX_KEY_VOLUME) &&
        !vx_locator_find(locator, VX_KEY_ABSOLUTE))
        broken |= VX_LOCATOR_NO_PATH;
    return broken;
}

uint32_t vx_locator_rules(const struct vx_locator *locator)
{
    uint32_t broken = value_rules(locator);
    if (!vx_guid_equal(&locator->type, &vx_guid_locator_type_vhdx))
        broken |= VX_LOCATOR_BAD_TYPE;
    if (locator->count == 0)
        broken |= VX_LOCATOR_NO_PAIRS;
    if (locator->count > VX_LOCATOR_MAX)
        broken |= VX_LOCATOR_TOO_MANY;
    if (locator->reserved != 0)
        broken |= VX_LOCATOR_RESERVED_SET;
    for (size_t i = 0; i < held(locator); i++) {
        const struct vx_locator_pair *pair = &locator->pairs[i];
        if (is_empty_or_odd(pair->key) || is_empty_or_odd(pair->value))
            broken |= VX_LOCATOR_BAD_PLACE;
        if (has_nul(pair->key) || has_nul(pair->value))
            broken |= VX_LOCATOR_NUL;
    }
    if (has_duplicate(locator))
        broken |= VX_LOCATOR_DUPLICATE;
    return broken;
}

/* Without the NULs at its end, which the format forbids and some writer may have left all the same. */
static struct vx_bytes trimmed(struct vx_bytes string)
{
    while (string.size >= 2 && vx_get16(string.data + string.size - 2) == 0)
        string.size -= 2;
    return string;
}

/* Copies a string that is ASCII and fits; returns its length, SIZE_MAX when it is neither. */
static size_t ascii(struct vx_bytes string, char *text, size_t room)
{
    string = trimmed(string);
    if (string.size % 2 != 0 || string.size / 2 > room)
        return SIZE_MAX;
    for (size_t i = 0; i < string.size / 2; i++) {
        uint16_t unit = vx_get16(string.data + 2 * i);
        if (unit > 127)
            return SIZE_MAX;
        text[i] = (char)unit;
    }
    return string.size / 2;
}

const struct vx_locator_pair *vx_locator_find(const struct vx_locator *locator, const char *key)
{
    char text[32];
    size_t length = strlen(key);
    for (size_t i = 0; i < held(locator); i++) {
        const struct vx_locator_pair *pair = &locator->pairs[i];
        if (ascii(pair->key, text, sizeof text) == length && memcmp(text, key, length) == 0)
            return pair;
    }
    return NULL;
}

bool vx_locator_guid(const struct vx_locator *locator, const char *key, vhdx_guid *out)
{
    char text[VX_GUID_TEXT + 1];
    const struct vx_locator_pair *pair = vx_locator_find(locator, key);
    if (!pair)
        return false;
    size_t length = ascii(pair->value, text, sizeof text);
    return length != SIZE_MAX && vx_guid_parse(text, length, out);
}

static size_t string_encode(struct vx_bytes string, uint8_t *item, size_t place)
{
    assert(string.size <= UINT16_MAX);
    if (string.size > 0)
        memcpy(item + place, string.data, string.size);
    return place + string.size;
}

static size_t encoded_size(const struct vx_locator *locator)
{
    size_t size = VX_LOCATOR_HEADER_SIZE + held(locator) * VX_LOCATOR_ENTRY_SIZE;
    for (size_t i = 0; i < held(locator); i++)
        size += locator->pairs[i].key.size + locator->pairs[i].value.size;
    return size;
}

size_t vx_locator_encode(const struct vx_locator *locator, uint8_t *out, size_t out_size)
{
    size_t size = encoded_size(locator);
    if (size > out_size)
        return size;
    memcpy(out, &locator->type, sizeof locator->type);
    vx_put16(out + RESERVED, locator->reserved);
    vx_put16(out + PAIR_COUNT, (uint16_t)held(locator));
    size_t place = VX_LOCATOR_HEADER_SIZE + held(locator) * VX_LOCATOR_ENTRY_SIZE;
    for (size_t i = 0; i < held(locator); i++) {
        const struct vx_locator_pair *pair = &locator->pairs[i];
        uint8_t *entry = out + VX_LOCATOR_HEADER_SIZE + i * VX_LOCATOR_ENTRY_SIZE;
        vx_put32(entry + KEY_OFFSET, (uint32_t)place);
        vx_put16(entry + KEY_LENGTH, (uint16_t)pair->key.size);
        place = string_encode(pair->key, out, place);
        vx_put32(entry + VALUE_OFFSET, (uint32_t)place);
        vx_put16(entry + VALUE_LENGTH, (uint16_t)pair->value.size);
        place = string_encode(pair->value, out, place);
    }
    return size;
}
