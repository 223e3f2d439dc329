/*
 * From wishes to a file: places for log, regions and blocks, the pages of all metadata as they shall be after replay,
 * and the writing. What was wished is builder.c's, which pages are wrong at home is ring.c's. The one thing that is
 * easy to get wrong: nothing here may draw on chance in an order that depends on the host, or the same seed would make
 * two files.
 */
/* SPDX-License-Identifier: MIT */
#include "layout_parts.h"

/* ---- places ----------------------------------------------------------------------------------------------------- */

uint64_t layout_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

struct objects {
    struct object *list;
    size_t count;
};

static void add_object(struct objects *objects, uint64_t *place, uint64_t length, bool block)
{
    objects->list = bld_resized(objects->list, objects->count + 1, sizeof(*objects->list));
    objects->list[objects->count++] = (struct object){length, place, block};
}

static void shuffle(struct object *list, size_t count, uint64_t *chance)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)bld_random_below(chance, i);
        struct object kept = list[i - 1];
        list[i - 1] = list[j];
        list[j] = kept;
    }
}

static void add_blocks(struct bld *b, struct objects *objects)
{
    size_t chunk_total, block_total, c = 0;
    uint64_t *chunks = bld_map_keys(&b->chunks, &chunk_total);
    uint64_t *blocks = bld_map_keys(&b->blocks, &block_total);
    for (size_t i = 0; i <= block_total; i++) {
        uint64_t reached = i < block_total ? blocks[i] / b->chunk_ratio : UINT64_MAX;
        for (; c < chunk_total && chunks[c] <= reached; c++) {
            struct bld_chunk *chunk = bld_map_get(&b->chunks, chunks[c]);
            add_object(objects, &chunk->file_offset, VX_BITMAP_BLOCK_SIZE, true);
        }
        if (i == block_total)
            break;
        struct bld_block *block = bld_map_get(&b->blocks, blocks[i]);
        if (bld_owns_space(block))
            add_object(objects, &block->file_offset, layout_up(b->options.block_size, VX_MIB), true);
    }
    free(chunks);
    free(blocks);
}

static void add_hole(struct bld *b, uint64_t length)
{
    b->holes = bld_resized(b->holes, b->hole_count + 1, sizeof(*b->holes));
    b->holes[b->hole_count].offset = b->end;
    b->holes[b->hole_count++].length = length;
    b->end += length;
}

static void add_fixed_parts(struct bld *b, struct objects *objects)
{
    bool bat_first = b->options.layout == BLD_LAYOUT_QEMU;
    add_object(objects, &b->log_offset, b->log_length, false);
    for (size_t i = 0; i < b->region_count; i++) {
        size_t n = i < 2 && !bat_first ? 1 - i : i;
        add_object(objects, &b->regions[n].file_offset, b->regions[n].length, false);
    }
}

static void place_objects(struct bld *b, uint64_t *chance)
{
    struct objects objects = {0};
    add_fixed_parts(b, &objects);
    size_t fixed_parts = objects.count;
    add_blocks(b, &objects);
    if (b->options.layout == BLD_LAYOUT_MIXED)
        shuffle(objects.list, objects.count, chance);
    else if (b->options.shuffle_blocks)
        shuffle(objects.list + fixed_parts, objects.count - fixed_parts, chance);
    b->end = VX_HEADER_SECTION_SIZE;
    b->hole_count = 0;
    for (size_t i = 0; i < objects.count; i++) {
        if (b->options.layout == BLD_LAYOUT_QEMU && i == fixed_parts)
            add_hole(b, 4 * VX_MIB);
        if (objects.list[i].block && bld_random_below(chance, 100) < b->options.gap_percent)
            add_hole(b, (1 + bld_random_below(chance, 3)) * VX_MIB);
        *objects.list[i].place = b->end;
        b->end += objects.list[i].length;
    }
    free(objects.list);
}

/* ---- pages ------------------------------------------------------------------------------------------------------ */

struct bld_page *bld_page_at(struct bld *b, uint64_t offset, unsigned what)
{
    struct bld_page *page = bld_map_get(&b->pages, offset / VX_PAGE);
    if (!page) {
        page = bld_alloc(1, sizeof(*page));
        page->what = what;
        bld_map_put(&b->pages, offset / VX_PAGE, page);
    }
    return page;
}

static void put_bytes(struct bld *b, unsigned what, uint64_t offset, const uint8_t *bytes, uint64_t length)
{
    while (length > 0) {
        uint64_t at = offset % VX_PAGE, part = length < VX_PAGE - at ? length : VX_PAGE - at;
        if (!vx_is_zero(bytes, part))
            memcpy(bld_page_at(b, offset, what)->bytes + at, bytes, part);
        offset += part;
        bytes += part;
        length -= part;
    }
}

static void put_garbage(struct bld *b, unsigned what, uint64_t offset, uint64_t length, uint64_t *chance)
{
    uint8_t *bytes = bld_alloc(1, length);
    bld_random_bytes(bld_random(chance), 0, bytes, length);
    put_bytes(b, what, offset, bytes, length);
    free(bytes);
}

/* ---- metadata --------------------------------------------------------------------------------------------------- */

static struct vx_bytes utf16_of(const char *text)
{
    size_t size = vx_utf8_to_utf16(text, NULL, 0);
    BLD_DEMAND(size != SIZE_MAX, "locator text is no UTF-8");
    uint8_t *bytes = bld_alloc(size, 1);
    vx_utf8_to_utf16(text, bytes, size);
    return vx_bytes_of(bytes, size);
}

static void encode_locator(struct bld *b)
{
    if (b->locator) {
        bld_item(b, &vx_guid_parent_locator, VX_ITEM_IS_REQUIRED, b->locator, (uint32_t)b->locator_length);
        return;
    }
    if (b->pair_count == 0)
        return;
    BLD_DEMAND(b->pair_count <= VX_LOCATOR_MAX, "too many locator pairs");
    struct vx_locator *locator = bld_alloc(1, sizeof(*locator));
    locator->type = vx_guid_locator_type_vhdx;
    locator->count = (uint16_t)b->pair_count;
    for (size_t i = 0; i < b->pair_count; i++)
        locator->pairs[i] = (struct vx_locator_pair){utf16_of(b->pairs[i].key), utf16_of(b->pairs[i].value)};
    size_t size = vx_locator_encode(locator, NULL, 0);
    uint8_t *bytes = bld_alloc(size, 1);
    vx_locator_encode(locator, bytes, size);
    bld_item(b, &vx_guid_parent_locator, VX_ITEM_IS_REQUIRED, bytes, (uint32_t)size);
    for (size_t i = 0; i < b->pair_count; i++) {
        free((void *)(uintptr_t)locator->pairs[i].key.data);
        free((void *)(uintptr_t)locator->pairs[i].value.data);
    }
    free(bytes);
    free(locator);
}

/* Offsets of the items in their region; returns where the last one ends. */
static uint64_t place_items(struct bld *b, uint64_t *chance)
{
    uint64_t at = VX_METADATA_TABLE_SIZE;
    const struct bld_item *locator = bld_item_find(b, &vx_guid_parent_locator, false);
    size_t first = b->options.locator_first && locator ? (size_t)(locator - b->items) : 0;
    for (size_t i = 0; i < b->item_count; i++) {
        struct bld_item *item = &b->items[(first + i) % b->item_count];
        if (b->options.scattered_items)
            at += bld_random_below(chance, 600);
        item->offset = item->length ? (uint32_t)at : 0;
        at += item->length;
    }
    return at;
}

static void put_items(struct bld *b, uint64_t *chance)
{
    uint64_t region = b->regions[1].file_offset;
    struct vx_metadata_table *table = bld_alloc(1, sizeof(*table));
    uint8_t *bytes = bld_alloc(1, VX_METADATA_TABLE_SIZE);
    const struct bld_item *locator = bld_item_find(b, &vx_guid_parent_locator, false);
    size_t first = b->options.locator_first && locator ? (size_t)(locator - b->items) : 0;
    BLD_DEMAND(b->item_count < VX_METADATA_MAX, "too many items");
    for (size_t i = 0; i < b->item_count; i++) {
        const struct bld_item *item = &b->items[(first + i) % b->item_count];
        table->entries[table->count++] = (struct vx_metadata_entry){
            .item_id = item->id, .offset = item->offset, .length = item->length, .flags = item->flags};
    }
    if (b->options.incomplete)
        table->entries[table->count++] =
            (struct vx_metadata_entry){.item_id = vx_guid_incomplete_file, .flags = VX_ITEM_IS_REQUIRED};
    vx_metadata_table_encode(table, bytes);
    if (b->options.stale_table_entry && table->count > 0)
        memcpy(bytes + (table->count + 1) * VX_METADATA_ENTRY_SIZE, bytes + table->count * VX_METADATA_ENTRY_SIZE,
               VX_METADATA_ENTRY_SIZE);
    put_bytes(b, BLD_LOG_METADATA, region, bytes, VX_METADATA_TABLE_SIZE);
    if (b->options.scattered_items)
        put_garbage(b, BLD_LOG_METADATA, region + VX_METADATA_TABLE_SIZE, VX_PAGE, chance);
    for (size_t i = 0; i < b->item_count; i++)
        for (uint32_t at = 0; at < b->items[i].length; at++)
            bld_page_at(b, region + b->items[i].offset + at, BLD_LOG_METADATA)
                ->bytes[(b->items[i].offset + at) % VX_PAGE] = b->items[i].bytes[at];
    free(bytes);
    free(table);
}

static void put_region_tables(struct bld *b, uint64_t *chance)
{
    struct vx_region_table *table = bld_alloc(1, sizeof(*table));
    uint8_t *bytes = bld_alloc(1, VX_REGION_TABLE_SIZE);
    size_t first = b->options.layout == BLD_LAYOUT_MIXED ? bld_random_below(chance, b->region_count) : 0;
    for (size_t i = 0; i < b->region_count; i++) {
        const struct bld_region *region = &b->regions[(first + i) % b->region_count];
        table->entries[table->count++] = (struct vx_region){
            .guid = region->id,
            .file_offset = region->file_offset,
            .length = region->length,
            .required = region->required,
        };
    }
    vx_region_table_encode(table, bytes);
    bytes[40] ^= b->options.first_region_table_damaged ? 0x10 : 0;
    put_bytes(b, BLD_LOG_REGIONS, VX_REGION_TABLE1_OFFSET, bytes, VX_REGION_TABLE_SIZE);
    bytes[40] ^= b->options.first_region_table_damaged ? 0x10 : 0;
    bytes[40] ^= b->options.second_region_table_damaged ? 0x10 : 0;
    put_bytes(b, BLD_LOG_REGIONS, VX_REGION_TABLE2_OFFSET, bytes, VX_REGION_TABLE_SIZE);
    free(bytes);
    free(table);
}

/* ---- BAT and sector bitmaps ------------------------------------------------------------------------------------- */

uint64_t layout_payload_index(const struct bld *b, uint64_t n)
{
    return n + n / b->chunk_ratio;
}

uint64_t layout_bitmap_index(const struct bld *b, uint64_t chunk)
{
    return (chunk + 1) * b->chunk_ratio + chunk;
}

static void put_bat_entry(struct bld *b, uint64_t index, uint64_t raw)
{
    uint8_t bytes[VX_BAT_ENTRY_SIZE];
    vx_put64(bytes, raw);
    BLD_DEMAND((index + 1) * VX_BAT_ENTRY_SIZE <= b->regions[0].length, "BAT index beyond the region");
    uint64_t offset = b->regions[0].file_offset + index * VX_BAT_ENTRY_SIZE;
    memcpy(bld_page_at(b, offset, BLD_LOG_BAT)->bytes + offset % VX_PAGE, bytes, sizeof(bytes));
}

static uint64_t raw_of_block(const struct bld_block *block)
{
    struct vx_bat_entry entry = {.state = block->state};
    entry.file_offset = bld_owns_space(block) ? block->file_offset : block->stray;
    return vx_bat_entry_encode(&entry);
}

static void put_bat(struct bld *b)
{
    size_t count;
    uint64_t *keys = bld_map_keys(&b->blocks, &count);
    for (size_t i = 0; i < count; i++) {
        const struct bld_block *block = bld_map_get(&b->blocks, keys[i]);
        put_bat_entry(b, layout_payload_index(b, keys[i]), raw_of_block(block));
    }
    free(keys);
    keys = bld_map_keys(&b->chunks, &count);
    for (size_t i = 0; i < count; i++) {
        const struct bld_chunk *chunk = bld_map_get(&b->chunks, keys[i]);
        struct vx_bat_entry entry = {.state = VX_BITMAP_PRESENT, .file_offset = chunk->file_offset};
        put_bat_entry(b, layout_bitmap_index(b, keys[i]), vx_bat_entry_encode(&entry));
    }
    free(keys);
    keys = bld_map_keys(&b->raw, &count);
    for (size_t i = 0; i < count; i++)
        put_bat_entry(b, keys[i], *(const uint64_t *)bld_map_get(&b->raw, keys[i]));
    free(keys);
}

/* Bits of sectors behind the end of the disk mean nothing either. */
static void garble_bits_behind_end(const struct bld *b, uint64_t n, uint8_t *bits, uint64_t *chance)
{
    uint64_t left = (b->options.virtual_size - n * b->options.block_size) / b->options.logical_sector_size;
    for (uint64_t s = left; s < b->sectors_per_block; s++)
        if (bld_random_below(chance, 2))
            bits[s / 8] |= (uint8_t)(1u << s % 8);
}

static void put_bits_of_block(struct bld *b, uint64_t n, uint64_t place, uint64_t *chance)
{
    uint64_t size = b->sectors_per_block / 8;
    const struct bld_block *block = bld_map_get(&b->blocks, n);
    uint8_t *bits = bld_alloc(size, 1);
    if (block && block->bits) {
        memcpy(bits, block->bits, size);
        if (b->options.garbage)
            garble_bits_behind_end(b, n, bits, chance);
    } else if (b->options.garbage || (block && block->stale_bits)) {
        bld_random_bytes(bld_random(chance), 0, bits, size);
        bits[0] |= 1;
    }
    put_bytes(b, BLD_LOG_BITMAPS, place, bits, size);
    free(bits);
}

static void put_bitmaps(struct bld *b, uint64_t *chance)
{
    size_t count;
    uint64_t *chunks = bld_map_keys(&b->chunks, &count);
    for (size_t i = 0; i < count; i++) {
        const struct bld_chunk *chunk = bld_map_get(&b->chunks, chunks[i]);
        uint64_t first = chunks[i] * b->chunk_ratio;
        for (uint64_t k = 0; k < b->chunk_ratio && first + k < b->block_count + 4; k++)
            put_bits_of_block(b, first + k, chunk->file_offset + k * (b->sectors_per_block / 8), chance);
    }
    free(chunks);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static void size_parts(struct bld *b, uint64_t *chance)
{
    const struct bld_options *o = &b->options;
    uint64_t items_end = place_items(b, chance);
    uint64_t bat = layout_up(b->entry_count * VX_BAT_ENTRY_SIZE, VX_MIB);
    b->log_length = o->log_length ? o->log_length : VX_MIB;
    b->regions[0].length = (uint32_t)(o->bat_region_length ? o->bat_region_length : bat);
    b->regions[1].length =
        (uint32_t)(o->metadata_region_length ? o->metadata_region_length : layout_up(items_end, VX_MIB));
    BLD_DEMAND(items_end <= b->regions[1].length, "metadata region too small for its items");
}

void bld_lay_out(struct bld *b)
{
    uint64_t chance = b->options.seed ^ UINT64_C(0xB10C5);
    bld_map_clear(&b->pages);
    encode_locator(b);
    size_parts(b, &chance);
    place_objects(b, &chance);
    if (b->dirty && b->log.short_file)
        add_hole(b, VX_MIB);
    put_region_tables(b, &chance);
    put_items(b, &chance);
    put_bat(b);
    put_bitmaps(b, &chance);
}
