/* Random content, and locators, items and regions of the caller. See builder.h. */
/* SPDX-License-Identifier: MIT */
#include "builder_parts.h"

/* ---- random content --------------------------------------------------------------------------------------------- */

/* Some runs of sectors in one block, whose last one may reach its end. Returns how many bytes were written. */
static uint64_t scatter_writes(struct bld *b, uint64_t payload_block, uint64_t *state, uint64_t budget)
{
    uint64_t lss = b->options.logical_sector_size, start = payload_block * b->options.block_size;
    uint64_t left = b->options.virtual_size - start, written = 0;
    uint64_t sectors = (left < b->options.block_size ? left : b->options.block_size) / lss;
    for (uint64_t runs = 1 + bld_random_below(state, 6); runs > 0 && written < budget; runs--) {
        uint64_t first = bld_random_below(state, sectors);
        uint64_t longest = bld_random_below(state, 2) ? 8 : (bld_random_below(state, 8) ? 200 : sectors);
        uint64_t count = 1 + bld_random_below(state, longest < sectors - first ? longest : sectors - first);
        bld_write_random(b, start + first * lss, count * lss, bld_random(state));
        written += count * lss;
    }
    return written;
}

void bld_fill_random(struct bld *b, uint64_t seed, uint64_t max_bytes)
{
    uint64_t state = bld_mix(seed) ^ 1;
    uint64_t rounds = b->block_count < 256 ? b->block_count : 256;
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t n = rounds < 256 ? i : bld_random_below(&state, b->block_count);
        uint64_t choice = bld_random_below(&state, 10);
        if (b->options.kind == VHDX_KIND_FIXED)
            choice = 9;
        if (choice < 2)
            continue;
        if (choice == 2)
            bld_state(b, n, VX_PAYLOAD_ZERO);
        else if (choice == 3)
            bld_state(b, n, VX_PAYLOAD_UNMAPPED);
        else if (choice == 4)
            bld_state(b, n, VX_PAYLOAD_UNDEFINED);
        else if (max_bytes > 0)
            max_bytes -= vx_min(max_bytes, scatter_writes(b, n, &state, max_bytes));
        if (choice == 5 && bld_block_state(b, n) == VX_PAYLOAD_PARTIALLY_PRESENT)
            bld_state(b, n, VX_PAYLOAD_FULLY_PRESENT);
        if (choice == 6 && b->options.kind != VHDX_KIND_FIXED)
            bld_anchor(b, n, bld_random_below(&state, 2) ? VX_PAYLOAD_UNDEFINED : VX_PAYLOAD_UNMAPPED);
    }
}

/* ---- locator, items, regions ------------------------------------------------------------------------------------ */

static char *copy_text(const char *text)
{
    char *copy = bld_alloc(strlen(text) + 1, 1);
    return strcpy(copy, text);
}

void bld_locator_pair(struct bld *b, const char *key, const char *value)
{
    b->pairs = bld_resized(b->pairs, b->pair_count + 1, sizeof(*b->pairs));
    b->pairs[b->pair_count++] = (struct bld_pair){copy_text(key), copy_text(value)};
}

void bld_locator_forget(struct bld *b)
{
    for (size_t i = 0; i < b->pair_count; i++) {
        free(b->pairs[i].key);
        free(b->pairs[i].value);
    }
    b->pair_count = 0;
    free(b->locator);
    b->locator = NULL;
}

static void linkage_pair(struct bld *b, const char *key, const vhdx_guid *guid)
{
    static const vhdx_guid zero;
    char text[VX_GUID_TEXT], braced[VX_GUID_TEXT + 2];
    vx_guid_format(guid ? guid : &zero, text);
    snprintf(braced, sizeof(braced), "{%s}", text);
    bld_locator_pair(b, key, braced);
}

void bld_parent(struct bld *b, const vhdx_guid *linkage, const vhdx_guid *linkage2, const char *relative,
                const char *volume, const char *absolute)
{
    bld_locator_forget(b);
    linkage_pair(b, "parent_linkage", linkage);
    if (absolute)
        bld_locator_pair(b, "absolute_win32_path", absolute);
    if (relative)
        bld_locator_pair(b, "relative_path", relative);
    if (volume)
        bld_locator_pair(b, "volume_path", volume);
    linkage_pair(b, "parent_linkage2", linkage2);
}

void bld_locator_raw(struct bld *b, const void *bytes, size_t length)
{
    free(b->locator);
    b->locator = bld_alloc(length, 1);
    memcpy(b->locator, bytes, length);
    b->locator_length = length;
}

const struct bld_item *bld_item_find(const struct bld *b, const vhdx_guid *id, bool user)
{
    for (size_t i = 0; i < b->item_count; i++)
        if (vx_guid_equal(&b->items[i].id, id) && ((b->items[i].flags & VX_ITEM_IS_USER) != 0) == user)
            return &b->items[i];
    return NULL;
}

void bld_item(struct bld *b, const vhdx_guid *id, uint32_t flags, const void *bytes, uint32_t length)
{
    const struct bld_item *known = bld_item_find(b, id, (flags & VX_ITEM_IS_USER) != 0);
    size_t at = known ? (size_t)(known - b->items) : b->item_count;
    if (!known) {
        b->items = bld_resized(b->items, b->item_count + 1, sizeof(*b->items));
        b->items[b->item_count++] = (struct bld_item){0};
    }
    free(b->items[at].bytes);
    b->items[at] = (struct bld_item){.id = *id, .flags = flags, .length = length, .bytes = bld_alloc(length, 1)};
    if (length)
        memcpy(b->items[at].bytes, bytes, length);
}

void bld_item_remove(struct bld *b, const vhdx_guid *id, bool user)
{
    const struct bld_item *known = bld_item_find(b, id, user);
    if (!known)
        return;
    size_t at = (size_t)(known - b->items);
    free(b->items[at].bytes);
    memmove(b->items + at, b->items + at + 1, (b->item_count - at - 1) * sizeof(*b->items));
    b->item_count--;
}

void bld_region(struct bld *b, const vhdx_guid *id, uint32_t length, uint32_t required)
{
    b->regions = bld_resized(b->regions, b->region_count + 1, sizeof(*b->regions));
    b->regions[b->region_count++] = (struct bld_region){.id = *id, .length = length, .required = required};
}

void bld_log_dirty(struct bld *b, const struct bld_log *log)
{
    b->dirty = true;
    b->log = *log;
}

const vhdx_guid *bld_data_write_guid(const struct bld *b)
{
    return &b->options.data_write_guid;
}

const vhdx_guid *bld_virtual_disk_id(const struct bld *b)
{
    return &b->options.virtual_disk_id;
}
