/*
 * The image builder's memory of what was asked for: guest content, block states, items, the locator. Where things go
 * in the file is layout.c, the log is ring.c. The one thing that is easy to get wrong: a write into a block of state 1
 * to 3 must not make the rest of the block transparent again.
 */
/* SPDX-License-Identifier: MIT */
#include "builder_parts.h"

/* ---- memory and chance ------------------------------------------------------------------------------------------ */

void bld_die(const char *what)
{
    fprintf(stderr, "image builder: %s\n", what);
    abort();
}

void *bld_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    BLD_DEMAND(memory, "out of memory");
    return memory;
}

void *bld_resized(void *memory, size_t count, size_t size)
{
    BLD_DEMAND(count <= SIZE_MAX / size, "too large");
    memory = realloc(memory, count > 0 ? count * size : 1);
    BLD_DEMAND(memory, "out of memory");
    return memory;
}

uint64_t bld_mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

#define STEP UINT64_C(0x9E3779B97F4A7C15)

uint64_t bld_random(uint64_t *state)
{
    *state += STEP;
    return bld_mix(*state);
}

uint64_t bld_random_below(uint64_t *state, uint64_t limit)
{
    return limit ? bld_random(state) % limit : 0;
}

void bld_random_bytes(uint64_t seed, uint64_t place, void *bytes, size_t length)
{
    uint8_t *out = bytes;
    uint64_t state = bld_mix(seed) + STEP * (place / 8);
    for (size_t i = 0; i < length; i += 8) {
        uint8_t word[8];
        vx_put64(word, bld_random(&state));
        memcpy(out + i, word, length - i < 8 ? length - i : 8);
    }
}

vhdx_guid bld_random_guid(uint64_t *state)
{
    vhdx_guid guid;
    bld_random_bytes(bld_random(state), 0, guid.bytes, sizeof(guid.bytes));
    return guid;
}

/* ---- numbers to things ------------------------------------------------------------------------------------------ */

static size_t slot_of(const struct bld_map *map, uint64_t key)
{
    size_t slot = (size_t)bld_mix(key) & (map->capacity - 1);
    while (map->keys[slot] != 0 && map->keys[slot] != key + 1)
        slot = (slot + 1) & (map->capacity - 1);
    return slot;
}

void *bld_map_get(const struct bld_map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;
    size_t slot = slot_of(map, key);
    return map->keys[slot] ? map->values[slot] : NULL;
}

static void map_grow(struct bld_map *map)
{
    struct bld_map old = *map;
    map->capacity = old.capacity ? old.capacity * 2 : 64;
    map->keys = bld_alloc(map->capacity, sizeof(*map->keys));
    map->values = bld_alloc(map->capacity, sizeof(*map->values));
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.keys[i] == 0)
            continue;
        size_t slot = slot_of(map, old.keys[i] - 1);
        map->keys[slot] = old.keys[i];
        map->values[slot] = old.values[i];
    }
    free(old.keys);
    free(old.values);
}

void bld_map_put(struct bld_map *map, uint64_t key, void *value)
{
    if (map->count * 2 >= map->capacity)
        map_grow(map);
    size_t slot = slot_of(map, key);
    if (map->keys[slot] == 0) {
        map->keys[slot] = key + 1;
        map->count++;
    }
    map->values[slot] = value;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t *bld_map_keys(const struct bld_map *map, size_t *count)
{
    uint64_t *keys = bld_alloc(map->count, sizeof(*keys));
    *count = 0;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->keys[i] != 0 && map->values[i])
            keys[(*count)++] = map->keys[i] - 1;
    qsort(keys, *count, sizeof(*keys), compare_numbers);
    return keys;
}

void bld_map_clear(struct bld_map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        if (map->keys[i] != 0)
            free(map->values[i]);
    free(map->keys);
    free(map->values);
    *map = (struct bld_map){0};
}

/* ---- a new builder ---------------------------------------------------------------------------------------------- */

static void set_defaults(struct bld *b)
{
    struct bld_options *o = &b->options;
    if (o->kind == 0)
        o->kind = VHDX_KIND_DYNAMIC;
    if (o->block_size == 0)
        o->block_size = (o->kind == VHDX_KIND_DYNAMIC ? 32 : 2) * (uint32_t)VX_MIB;
    if (o->logical_sector_size == 0)
        o->logical_sector_size = 512;
    if (o->physical_sector_size == 0)
        o->physical_sector_size = 4096;
    snprintf(b->creator, sizeof(b->creator), "%s", o->creator ? o->creator : "libvhdx test builder");
    o->creator = b->creator;
    if (vx_guid_is_zero(&o->file_write_guid))
        o->file_write_guid = bld_random_guid(&b->state);
    if (vx_guid_is_zero(&o->data_write_guid))
        o->data_write_guid = bld_random_guid(&b->state);
    if (vx_guid_is_zero(&o->virtual_disk_id))
        o->virtual_disk_id = bld_random_guid(&b->state);
    if (o->sequence[0] == 0 && o->sequence[1] == 0) {
        o->sequence[0] = 6;
        o->sequence[1] = 7;
    }
}

/* MS-VHDX 2.5: written out here once more, so that format/geometry.c is judged and not trusted. */
static void set_geometry(struct bld *b)
{
    const struct bld_options *o = &b->options;
    BLD_DEMAND(o->virtual_size > 0 && o->virtual_size % o->logical_sector_size == 0, "bad virtual size");
    BLD_DEMAND(o->block_size >= VX_MIB && o->block_size % o->logical_sector_size == 0, "bad block size");
    b->sectors_per_block = o->block_size / o->logical_sector_size;
    b->chunk_ratio = (UINT64_C(1) << 23) / b->sectors_per_block;
    b->block_count = (o->virtual_size + o->block_size - 1) / o->block_size;
    b->chunk_count = (b->block_count + b->chunk_ratio - 1) / b->chunk_ratio;
    if (o->kind == VHDX_KIND_DIFFERENCING)
        b->entry_count = b->chunk_count * (b->chunk_ratio + 1);
    else
        b->entry_count = b->block_count + (b->block_count - 1) / b->chunk_ratio;
}

static void add_mandatory_items(struct bld *b)
{
    const struct bld_options *o = &b->options;
    uint8_t parameters[8], size[8], logical[4], physical[4];
    vx_put32(parameters, o->block_size);
    vx_put32(parameters + 4, o->kind == VHDX_KIND_FIXED          ? VX_PARAMETER_LEAVE_BLOCK_ALLOCATED
                             : o->kind == VHDX_KIND_DIFFERENCING ? VX_PARAMETER_HAS_PARENT
                                                                 : 0);
    vx_put64(size, o->virtual_size);
    vx_put32(logical, o->logical_sector_size);
    vx_put32(physical, o->physical_sector_size);
    const uint32_t disk = VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK;
    bld_item(b, &vx_guid_file_parameters, VX_ITEM_IS_REQUIRED, parameters, sizeof(parameters));
    bld_item(b, &vx_guid_virtual_disk_size, disk, size, sizeof(size));
    if (o->layout == BLD_LAYOUT_QEMU)
        bld_item(b, &vx_guid_virtual_disk_id, disk, o->virtual_disk_id.bytes, 16);
    bld_item(b, &vx_guid_logical_sector_size, disk, logical, sizeof(logical));
    bld_item(b, &vx_guid_physical_sector_size, disk, physical, sizeof(physical));
    bld_item(b, &vx_guid_virtual_disk_id, disk, o->virtual_disk_id.bytes, 16);
}

struct bld *bld_new(const struct bld_options *options)
{
    struct bld *b = bld_alloc(1, sizeof(*b));
    b->options = *options;
    b->state = bld_mix(options->seed ^ UINT64_C(0x6C69627668647821));
    set_defaults(b);
    set_geometry(b);
    b->regions = bld_alloc(2, sizeof(*b->regions));
    b->region_count = 2;
    uint32_t required = b->options.layout == BLD_LAYOUT_QEMU ? 0 : 1;
    b->regions[0] = (struct bld_region){.id = vx_guid_bat_region, .required = required};
    b->regions[1] = (struct bld_region){.id = vx_guid_metadata_region, .required = required};
    add_mandatory_items(b);
    if (b->options.kind == VHDX_KIND_FIXED)
        for (uint64_t n = 0; n < b->block_count; n++)
            bld_state(b, n, VX_PAYLOAD_FULLY_PRESENT);
    return b;
}

void bld_free(struct bld *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->blocks.capacity; i++)
        if (b->blocks.keys[i] != 0 && b->blocks.values[i])
            free(((struct bld_block *)b->blocks.values[i])->bits);
    bld_map_clear(&b->blocks);
    bld_map_clear(&b->content);
    bld_map_clear(&b->chunks);
    bld_map_clear(&b->raw);
    bld_map_clear(&b->pages);
    for (size_t i = 0; i < b->item_count; i++)
        free(b->items[i].bytes);
    free(b->items);
    bld_locator_forget(b);
    free(b->pairs);
    free(b->regions);
    free(b->holes);
    free(b->ring);
    free(b->entry_offsets);
    free(b);
}

/* ---- content ---------------------------------------------------------------------------------------------------- */

struct bld_block *bld_block_of(struct bld *b, uint64_t payload_block)
{
    BLD_DEMAND(payload_block < b->block_count, "payload block beyond the disk");
    struct bld_block *block = bld_map_get(&b->blocks, payload_block);
    if (!block) {
        block = bld_alloc(1, sizeof(*block));
        bld_map_put(&b->blocks, payload_block, block);
    }
    return block;
}

bool bld_owns_space(const struct bld_block *block)
{
    return block->state == VX_PAYLOAD_FULLY_PRESENT || block->state == VX_PAYLOAD_PARTIALLY_PRESENT || block->anchor;
}

static void need_bits(struct bld *b, uint64_t payload_block, struct bld_block *block)
{
    if (!block->bits)
        block->bits = bld_alloc(b->sectors_per_block / 8, 1);
    bld_bitmap_block(b, payload_block / b->chunk_ratio);
}

static void own_sectors(struct bld *b, uint64_t offset, uint64_t length)
{
    uint32_t lss = b->options.logical_sector_size;
    uint64_t number = offset / b->options.block_size;
    struct bld_block *block = bld_block_of(b, number);
    if (block->state == VX_PAYLOAD_FULLY_PRESENT)
        return;
    if (b->options.kind != VHDX_KIND_DIFFERENCING ||
        (block->state != VX_PAYLOAD_NOT_PRESENT && block->state != VX_PAYLOAD_PARTIALLY_PRESENT)) {
        bld_state(b, number, VX_PAYLOAD_FULLY_PRESENT);
        return;
    }
    BLD_DEMAND(offset % lss == 0 && length % lss == 0, "write into a differencing disk not in whole sectors");
    if (block->state == VX_PAYLOAD_NOT_PRESENT)
        bld_state(b, number, VX_PAYLOAD_PARTIALLY_PRESENT);
    uint64_t first = offset % b->options.block_size / lss;
    for (uint64_t s = first; s < first + length / lss; s++)
        block->bits[s / 8] |= (uint8_t)(1u << s % 8);
}

static void store(struct bld *b, uint64_t offset, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        uint8_t *page = bld_map_get(&b->content, offset / BLD_CONTENT_PAGE);
        if (!page) {
            page = bld_alloc(1, BLD_CONTENT_PAGE);
            bld_map_put(&b->content, offset / BLD_CONTENT_PAGE, page);
        }
        size_t at = offset % BLD_CONTENT_PAGE;
        size_t part = length < BLD_CONTENT_PAGE - at ? length : BLD_CONTENT_PAGE - at;
        memcpy(page + at, bytes, part);
        offset += part;
        bytes += part;
        length -= part;
    }
}

void bld_write(struct bld *b, uint64_t virtual_offset, const void *bytes, size_t length)
{
    BLD_DEMAND(virtual_offset <= b->options.virtual_size && length <= b->options.virtual_size - virtual_offset,
               "write beyond the disk");
    uint64_t end = virtual_offset + length;
    for (uint64_t at = virtual_offset; at < end;) {
        uint64_t block_end = (at / b->options.block_size + 1) * b->options.block_size;
        uint64_t part_end = block_end < end ? block_end : end;
        own_sectors(b, at, part_end - at);
        at = part_end;
    }
    store(b, virtual_offset, bytes, length);
}

void bld_write_random(struct bld *b, uint64_t virtual_offset, size_t length, uint64_t seed)
{
    uint8_t *bytes = bld_alloc(1, length);
    bld_random_bytes(seed, 0, bytes, length);
    bld_write(b, virtual_offset, bytes, length);
    free(bytes);
}

static void forget_content(struct bld *b, uint64_t payload_block)
{
    uint64_t per_block = b->options.block_size / BLD_CONTENT_PAGE;
    for (uint64_t page = payload_block * per_block; page < (payload_block + 1) * per_block; page++) {
        void *bytes = bld_map_get(&b->content, page);
        if (!bytes)
            continue;
        free(bytes);
        bld_map_put(&b->content, page, NULL);
    }
}

void bld_state(struct bld *b, uint64_t payload_block, unsigned state)
{
    struct bld_block *block = bld_block_of(b, payload_block);
    BLD_DEMAND(state <= 7, "no such state");
    block->anchor = false;
    block->stray = 0;
    if (state < VX_PAYLOAD_FULLY_PRESENT)
        forget_content(b, payload_block);
    if (state == VX_PAYLOAD_PARTIALLY_PRESENT) {
        need_bits(b, payload_block, block);
    } else {
        free(block->bits);
        block->bits = NULL;
    }
    block->state = (uint8_t)state;
}

void bld_anchor(struct bld *b, uint64_t payload_block, unsigned state)
{
    BLD_DEMAND(state == VX_PAYLOAD_UNDEFINED || state == VX_PAYLOAD_UNMAPPED, "only states 1 and 3 keep their space");
    struct bld_block *block = bld_block_of(b, payload_block);
    free(block->bits);
    block->bits = NULL;
    block->state = (uint8_t)state;
    block->anchor = true;
    block->stray = 0;
}

void bld_stray_offset(struct bld *b, uint64_t payload_block, uint64_t file_offset)
{
    bld_block_of(b, payload_block)->stray = file_offset;
}

void bld_stale_bits(struct bld *b, uint64_t payload_block)
{
    bld_block_of(b, payload_block)->stale_bits = true;
    bld_bitmap_block(b, payload_block / b->chunk_ratio);
}

void bld_bitmap_block(struct bld *b, uint64_t chunk)
{
    BLD_DEMAND(chunk < b->chunk_count, "chunk beyond the disk");
    if (!bld_map_get(&b->chunks, chunk))
        bld_map_put(&b->chunks, chunk, bld_alloc(1, sizeof(struct bld_chunk)));
}

void bld_bat_raw(struct bld *b, uint64_t bat_index, uint64_t raw)
{
    uint64_t *value = bld_map_get(&b->raw, bat_index);
    if (!value)
        bld_map_put(&b->raw, bat_index, value = bld_alloc(1, sizeof(*value)));
    *value = raw;
}

uint64_t bld_virtual_size(const struct bld *b)
{
    return b->options.virtual_size;
}

unsigned bld_block_state(const struct bld *b, uint64_t payload_block)
{
    const struct bld_block *block = bld_map_get(&b->blocks, payload_block);
    return block ? block->state : VX_PAYLOAD_NOT_PRESENT;
}

uint64_t bld_block_count(const struct bld *b)
{
    return b->block_count;
}

static void apply_bytes(const struct bld *b, uint8_t *view, uint64_t offset, uint64_t length)
{
    while (length > 0) {
        const uint8_t *page = bld_map_get(&b->content, offset / BLD_CONTENT_PAGE);
        uint64_t at = offset % BLD_CONTENT_PAGE;
        uint64_t part = length < BLD_CONTENT_PAGE - at ? length : BLD_CONTENT_PAGE - at;
        if (page)
            memcpy(view + offset, page + at, part);
        else
            memset(view + offset, 0, part);
        offset += part;
        length -= part;
    }
}

void bld_apply(const struct bld *b, uint8_t *view)
{
    uint32_t lss = b->options.logical_sector_size;
    for (uint64_t n = 0; n < b->block_count; n++) {
        const struct bld_block *block = bld_map_get(&b->blocks, n);
        uint64_t offset = n * b->options.block_size;
        uint64_t left = b->options.virtual_size - offset;
        uint64_t length = left < b->options.block_size ? left : b->options.block_size;
        unsigned state = block ? block->state : VX_PAYLOAD_NOT_PRESENT;
        if (state == VX_PAYLOAD_FULLY_PRESENT) {
            apply_bytes(b, view, offset, length);
        } else if (state == VX_PAYLOAD_PARTIALLY_PRESENT) {
            for (uint64_t s = 0; s < length / lss; s++)
                if (block->bits[s / 8] >> s % 8 & 1)
                    apply_bytes(b, view, offset + s * lss, lss);
        } else if (state != VX_PAYLOAD_NOT_PRESENT || b->options.kind != VHDX_KIND_DIFFERENCING) {
            memset(view + offset, 0, length);
        }
    }
}
