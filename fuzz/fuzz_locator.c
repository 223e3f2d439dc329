/*
 * Parent locator: every string is inside of the item, and comes back when it is encoded anew and through UTF-8.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/utf.h"
#include "format/locator.h"

#include <stdlib.h>
#include <string.h>

static size_t held(const struct vx_locator *locator)
{
    return locator->count < VX_LOCATOR_MAX ? locator->count : VX_LOCATOR_MAX;
}

static void demand_inside(struct vx_bytes item, struct vx_bytes string)
{
    FUZZ_DEMAND(string.data >= item.data && string.size <= item.size);
    FUZZ_DEMAND((size_t)(string.data - item.data) <= item.size - string.size);
}

static void demand_text(struct vx_bytes string)
{
    char *text = malloc(VX_UTF8_ROOM(string.size));
    uint8_t *back = malloc(string.size + 1);
    FUZZ_DEMAND(text && back);
    size_t length = vx_utf16_to_utf8(string, text);
    FUZZ_DEMAND(length < VX_UTF8_ROOM(string.size) && strlen(text) == length);
    size_t size = vx_utf8_to_utf16(text, back, string.size);
    FUZZ_DEMAND(size <= string.size);
    FUZZ_DEMAND(memcmp(back, string.data, size) == 0);
    FUZZ_DEMAND(string.size - size < 2 || vx_get16(string.data + size) == 0);
    FUZZ_DEMAND(vx_name_equal(text, text));
    free(back);
    free(text);
}

static void demand_same_string(struct vx_bytes a, struct vx_bytes b)
{
    FUZZ_DEMAND(a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0));
}

static void demand_back(const struct vx_locator *locator, uint32_t broken)
{
    static struct vx_locator again;
    size_t size = vx_locator_encode(locator, NULL, 0);
    if (size > VX_MIB)
        return;
    uint8_t *item = malloc(size);
    FUZZ_DEMAND(item && vx_locator_encode(locator, item, size) == size);
    FUZZ_DEMAND(vx_locator_decode(vx_bytes_of(item, size), &again) == VHDX_OK);
    FUZZ_DEMAND(again.count == held(locator) && again.bad_pairs == 0);
    FUZZ_DEMAND(vx_locator_rules(&again) == (broken & ~(uint32_t)VX_LOCATOR_TOO_MANY));
    for (size_t i = 0; i < held(locator); i++) {
        demand_same_string(locator->pairs[i].key, again.pairs[i].key);
        demand_same_string(locator->pairs[i].value, again.pairs[i].value);
    }
    free(item);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vx_locator locator;
    const struct vx_bytes item = vx_bytes_of(data, size);
    if (vx_locator_decode(item, &locator) != VHDX_OK)
        return 0;
    uint32_t broken = vx_locator_rules(&locator);
    for (size_t i = 0; i < held(&locator); i++) {
        demand_inside(item, locator.pairs[i].key);
        demand_inside(item, locator.pairs[i].value);
    }
    if (held(&locator) > 0) {
        demand_text(locator.pairs[0].key);
        demand_text(locator.pairs[held(&locator) - 1].value);
    }
    vhdx_guid linkage;
    bool has_linkage = vx_locator_guid(&locator, VX_KEY_LINKAGE, &linkage);
    FUZZ_DEMAND(!has_linkage || !(broken & VX_LOCATOR_NO_LINKAGE));
    FUZZ_DEMAND(locator.bad_pairs == 0 || (broken & VX_LOCATOR_BAD_PLACE));
    demand_back(&locator, broken);
    return 0;
}
