/* Writes a disk that was laid out, and tells where everything is. See builder.h. */
/* SPDX-License-Identifier: MIT */
#include "layout_parts.h"

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* With `file` NULL it only finds out where the content ends. */
struct writer {
    struct vx_file *file;
    uint64_t end;
    vhdx_status status;
    vhdx_error *err;
};

static void put(struct writer *w, uint64_t offset, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    while (length > 0 && p[length - 1] == 0)
        length--;
    if (length == 0 || w->status != VHDX_OK)
        return;
    if (offset + length > w->end)
        w->end = offset + length;
    if (w->file)
        w->status = vx_file_write(w->file, bytes, length, offset, w->err);
}

static void write_file_id(const struct bld *b, struct writer *w)
{
    uint8_t bytes[VX_FILE_ID_SIZE];
    struct vx_file_id *id = bld_alloc(1, sizeof(*id));
    memcpy(id->creator, b->creator, sizeof(b->creator));
    vx_file_id_encode(id, bytes);
    put(w, VX_FILE_ID_OFFSET, bytes, sizeof(bytes));
    free(id);
}

static int current_header(const struct bld_options *o)
{
    if (o->damaged_header == 1 || o->damaged_header == 2)
        return 3 - o->damaged_header;
    return o->sequence[1] > o->sequence[0] ? 2 : 1;
}

static void write_header(const struct bld *b, struct writer *w, int copy, uint64_t *chance)
{
    const struct bld_options *o = &b->options;
    struct vx_header header = {
        .sequence_number = o->sequence[copy - 1],
        .file_write_guid = o->file_write_guid,
        .data_write_guid = o->data_write_guid,
        .log_guid = b->log_guid,
        .version = VX_HEADER_VERSION,
        .log_length = (uint32_t)b->log_length,
        .log_offset = b->log_offset,
    };
    bool damaged = (o->damaged_header & copy) != 0;
    if (damaged) /* whoever does not check the checksum shall take it for the current one */
        header.sequence_number = o->sequence[0] + o->sequence[1] + 1000;
    if (damaged || (o->stale_header && copy != current_header(o))) {
        header.file_write_guid = bld_random_guid(chance);
        header.data_write_guid = bld_random_guid(chance);
        header.log_guid = (vhdx_guid){{0}};
    }
    uint8_t bytes[VX_HEADER_SIZE];
    vx_header_encode(&header, bytes);
    if (damaged)
        bytes[4] ^= 0x40;
    put(w, copy == 1 ? VX_HEADER1_OFFSET : VX_HEADER2_OFFSET, bytes, sizeof(bytes));
}

static void write_pages(const struct bld *b, struct writer *w)
{
    size_t count;
    uint64_t *keys = bld_map_keys(&b->pages, &count);
    for (size_t i = 0; i < count; i++) {
        const struct bld_page *page = bld_map_get(&b->pages, keys[i]);
        uint8_t home[VX_PAGE];
        bld_home_bytes(b, page, keys[i] * VX_PAGE, home);
        put(w, keys[i] * VX_PAGE, home, sizeof(home));
    }
    free(keys);
}

/*
 * Whether garbage goes to this part of a block: everywhere in small blocks, else only near the ends and beside
 * content.
 */
static bool garbage_there(const struct bld *b, uint64_t part, uint64_t parts, bool content)
{
    if (!b->options.garbage)
        return false;
    return content || parts <= 64 || part < 16 || part + 16 >= parts;
}

/* Content of one part of a block, with garbage where it has no meaning. */
static void compose_part(const struct bld *b, const struct bld_block *block, uint64_t offset, const uint8_t *content,
                         uint8_t *out)
{
    uint32_t lss = b->options.logical_sector_size;
    for (uint32_t at = 0; at < BLD_CONTENT_PAGE; at += lss) {
        uint64_t sector = (offset + at) % b->options.block_size / lss;
        bool owned = block->state == VX_PAYLOAD_FULLY_PRESENT ||
                     (block->bits && (block->bits[sector / 8] >> sector % 8 & 1)) || (block->anchor && content);
        if (offset + at >= b->options.virtual_size)
            owned = false;
        if (owned && content)
            memcpy(out + at, content + at, lss);
        else if (owned)
            memset(out + at, 0, lss);
    }
}

static void write_block(const struct bld *b, struct writer *w, uint64_t n, uint8_t *buffer)
{
    const struct bld_block *block = bld_map_get(&b->blocks, n);
    uint64_t parts = b->options.block_size / BLD_CONTENT_PAGE;
    for (uint64_t part = 0; part < parts; part++) {
        uint64_t offset = n * b->options.block_size + part * BLD_CONTENT_PAGE;
        const uint8_t *content = bld_map_get(&b->content, offset / BLD_CONTENT_PAGE);
        bool garbage = garbage_there(b, part, parts, content != NULL);
        if (!content && !garbage)
            continue;
        if (garbage)
            bld_random_bytes(b->options.seed ^ offset, 0, buffer, BLD_CONTENT_PAGE);
        else
            memset(buffer, 0, BLD_CONTENT_PAGE);
        compose_part(b, block, offset, content, buffer);
        put(w, block->file_offset + part * BLD_CONTENT_PAGE, buffer, BLD_CONTENT_PAGE);
    }
}

static void write_payload(const struct bld *b, struct writer *w)
{
    size_t count;
    uint64_t *keys = bld_map_keys(&b->blocks, &count);
    uint8_t *buffer = bld_alloc(1, BLD_CONTENT_PAGE);
    for (size_t i = 0; i < count; i++)
        if (bld_owns_space(bld_map_get(&b->blocks, keys[i])))
            write_block(b, w, keys[i], buffer);
    free(buffer);
    free(keys);
}

/* Holes and unknown regions: some garbage at both ends is as good as a lot. */
static void write_strange(const struct bld *b, struct writer *w)
{
    uint8_t bytes[VX_PAGE];
    for (size_t i = 0; b->options.garbage && i < b->hole_count; i++) {
        if (b->log.short_file && i + 1 == b->hole_count)
            break;
        bld_random_bytes(b->options.seed ^ b->holes[i].offset, 0, bytes, sizeof(bytes));
        put(w, b->holes[i].offset, bytes, sizeof(bytes));
        put(w, b->holes[i].offset + b->holes[i].length - sizeof(bytes), bytes, sizeof(bytes));
    }
    for (size_t i = 2; i < b->region_count; i++) {
        bld_random_bytes(b->options.seed ^ b->regions[i].file_offset, 0, bytes, sizeof(bytes));
        for (uint64_t at = 0; at < b->regions[i].length; at += 16 * sizeof(bytes))
            put(w, b->regions[i].file_offset + at, bytes, sizeof(bytes));
    }
}

static void write_all(const struct bld *b, struct writer *w)
{
    uint64_t chance = b->options.seed ^ UINT64_C(0x4EAD);
    write_file_id(b, w);
    write_header(b, w, 1, &chance);
    if (b->options.sequence[0] == b->options.sequence[1])
        chance = b->options.seed ^ UINT64_C(0x4EAD);
    write_header(b, w, 2, &chance);
    write_pages(b, w);
    if (b->ring)
        put(w, b->log_offset, b->ring, b->log_length);
    write_payload(b, w);
    write_strange(b, w);
}

static uint64_t size_of_file(const struct bld *b)
{
    struct writer w = {0};
    if (!b->dirty || !b->log.short_file)
        return b->end + b->options.appended_bytes;
    write_all(b, &w);
    return layout_up(vx_max(w.end, b->log_offset + b->log_length), VX_PAGE);
}

vhdx_status bld_finish(struct bld *b, const vhdx_host *host, const char *path, vhdx_error *err)
{
    uint64_t chance = b->options.seed ^ UINT64_C(0x1065);
    bld_lay_out(b);
    free(b->ring);
    b->ring = NULL;
    bld_choose_logged(b, &chance);
    b->file_size = size_of_file(b);
    bld_fill_ring(b, &chance);
    struct writer w = {.err = err};
    vhdx_status status = vx_file_open(host, path, VHDX_OPEN_REPLACE, &w.file, err);
    if (status != VHDX_OK)
        return status;
    w.status = vx_file_grow(w.file, b->file_size, err);
    write_all(b, &w);
    if (w.status == VHDX_OK)
        w.status = vx_file_flush(w.file, err);
    vx_file_close(w.file);
    return w.status;
}

/* ---- where everything is ---------------------------------------------------------------------------------------- */

uint64_t bld_file_size(const struct bld *b)
{
    return b->file_size;
}

uint64_t bld_log_offset(const struct bld *b)
{
    return b->log_offset;
}

uint64_t bld_region_offset(const struct bld *b, const vhdx_guid *id)
{
    for (size_t i = 0; i < b->region_count; i++)
        if (vx_guid_equal(&b->regions[i].id, id))
            return b->regions[i].file_offset;
    return VHDX_NOWHERE;
}

uint64_t bld_item_offset(const struct bld *b, const vhdx_guid *id, bool user)
{
    const struct bld_item *item = bld_item_find(b, id, user);
    return item && item->offset ? b->regions[1].file_offset + item->offset : VHDX_NOWHERE;
}

uint64_t bld_item_entry_offset(const struct bld *b, const vhdx_guid *id, bool user)
{
    const struct bld_item *item = bld_item_find(b, id, user);
    const struct bld_item *locator = bld_item_find(b, &vx_guid_parent_locator, false);
    if (!item)
        return VHDX_NOWHERE;
    size_t first = b->options.locator_first && locator ? (size_t)(locator - b->items) : 0;
    size_t place = ((size_t)(item - b->items) + b->item_count - first) % b->item_count;
    return b->regions[1].file_offset + (place + 1) * VX_METADATA_ENTRY_SIZE;
}

uint64_t bld_bat_entry_offset(const struct bld *b, uint64_t bat_index)
{
    return b->regions[0].file_offset + bat_index * VX_BAT_ENTRY_SIZE;
}

uint64_t bld_payload_entry_offset(const struct bld *b, uint64_t payload_block)
{
    return bld_bat_entry_offset(b, layout_payload_index(b, payload_block));
}

uint64_t bld_bitmap_entry_offset(const struct bld *b, uint64_t chunk)
{
    return bld_bat_entry_offset(b, layout_bitmap_index(b, chunk));
}

uint64_t bld_payload_offset(const struct bld *b, uint64_t payload_block)
{
    const struct bld_block *block = bld_map_get(&b->blocks, payload_block);
    return block && bld_owns_space(block) ? block->file_offset : VHDX_NOWHERE;
}

uint64_t bld_bitmap_offset(const struct bld *b, uint64_t chunk)
{
    const struct bld_chunk *found = bld_map_get(&b->chunks, chunk);
    return found ? found->file_offset : VHDX_NOWHERE;
}
