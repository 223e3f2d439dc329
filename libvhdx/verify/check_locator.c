/*
 * The parent locator, MS-VHDX 2.6.2.6, as an item of this file. Whether there is such a parent is a question to the
 * chain.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/guid.h"

#include <string.h>

static uint64_t item_offset(const struct vx_exam *exam)
{
    const struct vx_metadata_entry *entry = exam->table ? vx_metadata_find(exam->table, &vx_guid_parent_locator) : NULL;
    return entry ? exam->metadata.file_offset + entry->offset : VHDX_NOWHERE;
}

static struct vx_finding found(const struct vx_verification *v, enum vx_find kind)
{
    struct vx_finding finding = vx_finding_at(kind, "parent locator", item_offset(v->exam));
    finding.length = v->exam->locator_size;
    return finding;
}

static void add(struct vx_verification *v, enum vx_find kind)
{
    struct vx_finding finding = found(v, kind);
    vx_verify_add(v, &finding);
}

static bool has_nul(struct vx_bytes string)
{
    for (size_t i = 0; i + 1 < string.size; i += 2)
        if (vx_get16(string.data + i) == 0)
            return true;
    return false;
}

static bool bad_string(struct vx_bytes string)
{
    return string.size == 0 || string.size % 2 != 0;
}

static void check_pairs(struct vx_verification *v, const struct vx_locator *locator, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct vx_locator_pair *pair = &locator->pairs[i];
        struct vx_finding finding;
        if (bad_string(pair->key) || bad_string(pair->value)) {
            finding = found(v, VX_FIND_LOCATOR_PLACE);
        } else if (has_nul(pair->key) || has_nul(pair->value)) {
            finding = found(v, VX_FIND_LOCATOR_NUL);
        } else {
            continue;
        }
        finding.index = i;
        vx_verify_add(v, &finding);
    }
}

/* Keys may be long and lie over each other: sums first, bytes only where these are equal, and one finding is enough. */
static void check_duplicates(struct vx_verification *v, const struct vx_locator *locator, size_t count)
{
    uint32_t sums[VX_LOCATOR_MAX];
    for (size_t i = 0; i < count; i++) {
        struct vx_bytes key = locator->pairs[i].key;
        sums[i] = vx_crc32c(0, key.data, key.size);
        for (size_t j = 0; j < i && key.size > 0; j++) {
            struct vx_bytes other = locator->pairs[j].key;
            if (sums[i] != sums[j] || key.size != other.size || memcmp(key.data, other.data, key.size) != 0)
                continue;
            char text[VX_UTF8_ROOM(128)];
            vx_utf16_to_utf8(vx_bytes_of(key.data, (size_t)vx_min(key.size, 128)), text);
            struct vx_finding finding = found(v, VX_FIND_LOCATOR_DUPLICATE);
            finding.index = i;
            finding.other = j;
            finding.text = text;
            vx_verify_add(v, &finding);
            return;
        }
    }
}

static void check_linkage(struct vx_verification *v, const struct vx_locator *locator, const char *key)
{
    vhdx_guid linkage;
    if (!vx_locator_find(locator, key) || vx_locator_guid(locator, key, &linkage))
        return;
    struct vx_finding finding = found(v, VX_FIND_LOCATOR_LINKAGE);
    finding.text = key;
    vx_verify_add(v, &finding);
}

static void check_keys(struct vx_verification *v, const struct vx_locator *locator, uint32_t rules)
{
    if (rules & VX_LOCATOR_NO_LINKAGE)
        add(v, VX_FIND_LOCATOR_NO_LINKAGE);
    check_linkage(v, locator, VX_KEY_LINKAGE);
    check_linkage(v, locator, VX_KEY_LINKAGE2);
    if (rules & VX_LOCATOR_NO_PATH)
        add(v, VX_FIND_LOCATOR_NO_PATH);
}

static void check_locator(struct vx_verification *v, const struct vx_locator *locator)
{
    uint32_t rules = vx_locator_rules(locator);
    size_t count = (size_t)vx_min(locator->count, VX_LOCATOR_MAX);
    struct vx_finding finding;
    if (rules & VX_LOCATOR_BAD_TYPE) {
        char text[40];
        vx_guid_format(&locator->type, text);
        finding = found(v, VX_FIND_LOCATOR_TYPE);
        finding.text = text;
        vx_verify_add(v, &finding);
        return; /* its keys mean nothing to us */
    }
    if (rules & (VX_LOCATOR_NO_PAIRS | VX_LOCATOR_TOO_MANY)) {
        finding = found(v, VX_FIND_LOCATOR_COUNT);
        vx_finding_set_values(&finding, locator->count, VX_LOCATOR_MAX);
        vx_verify_add(v, &finding);
    }
    if (rules & VX_LOCATOR_RESERVED_SET) {
        finding = found(v, VX_FIND_LOCATOR_RESERVED);
        vx_finding_set_values(&finding, locator->reserved, 0);
        vx_verify_add(v, &finding);
    }
    check_pairs(v, locator, count);
    check_duplicates(v, locator, count);
    if (locator->count > 0)
        check_keys(v, locator, rules);
}

static void add_short(struct vx_verification *v)
{
    const struct vx_exam *exam = v->exam;
    struct vx_finding finding = found(v, VX_FIND_LOCATOR_SHORT);
    uint64_t pairs = exam->locator_size >= VX_LOCATOR_HEADER_SIZE ? vx_get16(exam->locator_bytes + 18) : 0;
    vx_finding_set_values(&finding, exam->locator_size, pairs);
    vx_verify_add(v, &finding);
}

static void add_left(struct vx_verification *v)
{
    struct vx_finding finding = found(v, VX_FIND_METADATA_LEFT_LOCATOR);
    finding.advice_code = VHDX_ADVICE_LOSSY_FORGETS_PARENT;
    vx_verify_add(v, &finding);
}

vhdx_status vx_check_locator(struct vx_verification *v, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    (void)err;
    if (!exam->table || !(exam->knows & VX_KNOWS_PARAMETERS))
        return VHDX_OK;
    bool has_parent = (exam->parameters.flags & VX_PARAMETER_HAS_PARENT) != 0;
    const struct vx_metadata_entry *entry = vx_metadata_find(exam->table, &vx_guid_parent_locator);
    bool sure = vx_is_power_of_two(exam->parameters.block_size); /* zeros do not say that there is no parent */
    if (!has_parent && entry && sure)
        add_left(v); /* check_space.c may know better */
    else if (has_parent && (!entry || entry->length == 0))
        add(v, VX_FIND_METADATA_NO_LOCATOR);
    else if (has_parent && exam->knows & VX_KNOWS_LOCATOR)
        check_locator(v, exam->locator);
    else if (has_parent && exam->locator_bytes)
        add_short(v);
    return VHDX_OK;
}
