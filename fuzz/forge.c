/*
 * Making and damaging small chains. See forge.h. Places are those that vhdx_create gives: log, metadata region and
 * BAT at 1, 2 and 3 MiB, blocks from 4 MiB on.
 */
/* SPDX-License-Identifier: MIT */
#include "forge.h"

#include "base/crc32c.h"
#include "format/bat.h"
#include "format/geometry.h"
#include "format/log_entry.h"
#include "fuzz.h"
#include "io/io.h"

#include <string.h>
#include <xxhash.h>

#define LOG_OFFSET VX_MIB
#define METADATA_OFFSET (2 * VX_MIB)
#define BAT_OFFSET (3 * VX_MIB)
#define BLOCKS_OFFSET (4 * VX_MIB)
#define SLOTS 32u
#define WALK_MAX 40000u /* more than 16 MiB have sectors */
#define STEP_MAX 200u

uint8_t forge_byte(struct forge_input *in)
{
    return (uint8_t)forge_number(in, 1);
}

uint64_t forge_number(struct forge_input *in, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes && in->size > 0; i++, in->data++, in->size--)
        number |= (uint64_t)*in->data << (8 * i);
    return number;
}

static uint64_t size_of(uint8_t byte, uint32_t sector_size)
{
    uint64_t size = (1 + byte % 6) * VX_MIB;
    return byte & 0x80 ? size - 3 * sector_size : size;
}

void forge_begin(struct forge *forge, size_t layer_count, struct forge_input *in)
{
    static const char *const paths[FORGE_LAYERS] = {"/d/base.vhdx", "/d/middle.avhdx", "/d/leaf.avhdx"};
    *forge = (struct forge){.layer_count = layer_count};
    uint8_t flags = forge_byte(in);
    forge->memory = vx_memory_host_new(1);
    forge->host = vx_memory_host_interface(forge->memory);
    forge->sector_size = flags & 1 ? 4096 : 512;
    for (size_t i = 0; i < layer_count; i++) {
        vhdx_create_options options = {.struct_size = sizeof options,
                                       .host = forge->host,
                                       .virtual_size = size_of(forge_byte(in), forge->sector_size),
                                       .block_size = (uint32_t)(flags & 2 << i ? 2 * VX_MIB : VX_MIB),
                                       .logical_sector_size = forge->sector_size,
                                       .fixed = i == 0 && flags & 16,
                                       .parent = i > 0 ? paths[i - 1] : NULL};
        forge->paths[i] = paths[i];
        FUZZ_DEMAND(vhdx_create(paths[i], &options, NULL) == VHDX_OK);
        forge->next_slot[i] = options.fixed ? 8 : 0;
    }
}

void forge_end(struct forge *forge)
{
    vx_memory_host_free(forge->memory);
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static void write_bytes(struct vx_file *file, const void *bytes, size_t length, uint64_t offset)
{
    FUZZ_DEMAND(vx_file_write(file, bytes, length, offset, NULL) == VHDX_OK);
}

static void write_number(struct vx_file *file, uint64_t number, size_t length, uint64_t offset)
{
    uint8_t bytes[8];
    vx_put64(bytes, number);
    write_bytes(file, bytes, length, offset);
}

/* Bytes that differ from layer to layer and from place to place. */
static void mark(struct vx_file *file, size_t layer, uint64_t offset)
{
    uint8_t bytes[512];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(1 + layer * 64 + (offset / 512 + i) % 61);
    write_bytes(file, bytes, sizeof bytes, offset);
}

/* A byte below 0x80 takes the next free MiB pair, others name one, perhaps one that somebody has. */
static uint64_t place_of(struct forge *forge, size_t layer, uint8_t byte)
{
    uint32_t slot = byte & 0x80 ? byte % SLOTS : forge->next_slot[layer]++ % SLOTS;
    return BLOCKS_OFFSET + slot * 2 * VX_MIB;
}

static uint64_t bat_index_of(uint8_t byte, struct forge *forge)
{
    uint32_t ratio = (uint32_t)(VX_SECTORS_PER_CHUNK * forge->sector_size / VX_MIB);
    return byte == 0xFF ? ratio : byte == 0xFE ? ratio / 2 : byte;
}

/* Gives a block a state and a place with some content: index, state, place, where in the block. */
static void step_block(struct forge *forge, size_t layer, struct vx_file *file, struct forge_input *in)
{
    uint64_t index = bat_index_of(forge_byte(in), forge);
    uint8_t state = forge_byte(in);
    uint64_t place = place_of(forge, layer, forge_byte(in));
    uint64_t sector = forge_number(in, 2) % (VX_MIB / 512);
    bool empty = state % 8 == VX_PAYLOAD_NOT_PRESENT || state % 8 == VX_PAYLOAD_ZERO;
    write_number(file, (empty && state < 0x80 ? 0 : place) | state % 8, 8, BAT_OFFSET + index * VX_BAT_ENTRY_SIZE);
    FUZZ_DEMAND(vx_file_grow(file, place + 2 * VX_MIB, NULL) == VHDX_OK);
    mark(file, layer, place);
    mark(file, layer, place + VX_MIB - 512);
    mark(file, layer, place + sector * 512);
}

/* Gives the first chunk a sector bitmap block with some bits: state, place, first byte, count, value. */
static void step_bitmap(struct forge *forge, size_t layer, struct vx_file *file, struct forge_input *in)
{
    uint8_t state = forge_byte(in), bits[64];
    uint64_t place = place_of(forge, layer, forge_byte(in));
    uint64_t first = forge_number(in, 2) % 2048;
    size_t count = forge_byte(in) % sizeof bits;
    memset(bits, forge_byte(in), sizeof bits);
    write_number(file, place | (state == 0 ? VX_BITMAP_PRESENT : state % 8), 8,
                 BAT_OFFSET + bat_index_of(0xFF, forge) * VX_BAT_ENTRY_SIZE);
    FUZZ_DEMAND(vx_file_grow(file, place + 2 * VX_MIB, NULL) == VHDX_OK);
    write_bytes(file, bits, count, place + first);
}

/* Overwrites bytes of a structure: which, offset, length, bytes. */
static void step_patch(struct vx_file *file, struct forge_input *in)
{
    static const uint64_t places[16] = {VX_HEADER1_OFFSET,
                                        VX_HEADER2_OFFSET,
                                        VX_REGION_TABLE1_OFFSET,
                                        VX_REGION_TABLE2_OFFSET,
                                        METADATA_OFFSET,
                                        METADATA_OFFSET + 65536,
                                        BAT_OFFSET,
                                        LOG_OFFSET,
                                        LOG_OFFSET + VX_PAGE,
                                        BLOCKS_OFFSET,
                                        0,
                                        LOG_OFFSET + 0xFF000,
                                        METADATA_OFFSET + 65536 + 64,
                                        BAT_OFFSET + 32768,
                                        VX_HEADER1_OFFSET + 48,
                                        VX_REGION_TABLE1_OFFSET + 16};
    uint64_t place = places[forge_byte(in) % 16];
    uint64_t offset = forge_number(in, 2);
    uint8_t bytes[16];
    size_t length = 1 + forge_byte(in) % sizeof bytes;
    for (size_t i = 0; i < length; i++)
        bytes[i] = forge_byte(in);
    write_bytes(file, bytes, length, place + offset);
}

/* Moves pages into the log, so that they are right there only: ring sector, count, which, page of it, what stays. */
static void step_log(struct vx_file *file, struct forge_input *in)
{
    static const uint64_t homes[4] = {BAT_OFFSET, METADATA_OFFSET, VX_REGION_TABLE1_OFFSET, BAT_OFFSET + 32768};
    static uint8_t content[4][VX_PAGE], entry[8 * VX_PAGE];
    struct vx_log_page pages[4];
    uint64_t sector = forge_byte(in) % 248, size;
    uint32_t count = forge_byte(in) % 5;
    uint8_t before = forge_byte(in);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t which = forge_byte(in);
        size_t got;
        pages[i] = (struct vx_log_page){homes[which % 4] + which / 4 % 16 * VX_PAGE, content[i]};
        FUZZ_DEMAND(vx_file_read_some(file, content[i], VX_PAGE, pages[i].file_offset, &got, NULL) == VHDX_OK);
        if (which & 0x80)
            FUZZ_DEMAND(vx_file_zero(file, pages[i].file_offset, VX_PAGE, NULL) == VHDX_OK);
    }
    FUZZ_DEMAND(vx_file_size(file, &size, NULL) == VHDX_OK);
    struct vx_log_header header = {.tail = (uint32_t)((sector - before % 2) * VX_PAGE),
                                   .sequence_number = 2 + before / 2,
                                   .log_guid = {{0x4C, 1}},
                                   .flushed_file_offset = VX_MIB,
                                   .last_file_offset = vx_round_down(size, VX_MIB)};
    vx_log_entry_encode(&header, pages, count, entry);
    write_bytes(file, entry, (size_t)vx_log_entry_size(count), LOG_OFFSET + sector * VX_PAGE);
    write_bytes(file, header.log_guid.bytes, 16, VX_HEADER1_OFFSET + 48);
    write_bytes(file, header.log_guid.bytes, 16, VX_HEADER2_OFFSET + 48);
}

/* The file ends here: MiB, and sectors on top. */
static void step_size(struct vx_file *file, struct forge_input *in)
{
    uint64_t size = forge_byte(in) % 80 * VX_MIB + forge_byte(in) * UINT64_C(512);
    FUZZ_DEMAND(vx_file_cut(file, size, NULL) == VHDX_OK && vx_file_grow(file, size, NULL) == VHDX_OK);
}

/* The virtual size, where vhdx_create puts it: low 3 bits of the first byte say in which unit. */
static void step_virtual_size(struct forge *forge, struct vx_file *file, struct forge_input *in)
{
    uint8_t unit = forge_byte(in);
    uint64_t number = forge_number(in, 2);
    uint64_t size = unit % 8 == 0 ? number * VX_MIB : unit % 8 == 1 ? number * VX_GIB : number * forge->sector_size;
    write_number(file, size, 8, METADATA_OFFSET + VX_METADATA_TABLE_SIZE + 8);
}

/* ---- mending ---------------------------------------------------------------------------------------------------- */

static void mend(struct vx_file *file, uint64_t offset, size_t length)
{
    static uint8_t bytes[VX_MIB];
    uint64_t size;
    FUZZ_DEMAND(vx_file_size(file, &size, NULL) == VHDX_OK);
    if (length < 8 || offset > size || length > size - offset)
        return;
    FUZZ_DEMAND(vx_file_read(file, bytes, length, offset, NULL) == VHDX_OK);
    write_number(file, vx_crc32c_without(bytes, length, 4), 4, offset + 4);
}

static void mend_log(struct vx_file *file)
{
    uint8_t bytes[VX_LOG_HEADER_SIZE];
    size_t got;
    for (uint64_t at = 0; at < VX_MIB; at += VX_PAGE) {
        struct vx_log_header header;
        FUZZ_DEMAND(vx_file_read_some(file, bytes, sizeof bytes, LOG_OFFSET + at, &got, NULL) == VHDX_OK);
        if (vx_log_header_decode(vx_bytes_of(bytes, got), &header) == VHDX_OK && header.entry_length <= VX_MIB - at)
            mend(file, LOG_OFFSET + at, header.entry_length);
    }
}

static void mend_all(struct vx_file *file)
{
    mend_log(file);
    mend(file, VX_HEADER1_OFFSET, VX_HEADER_SIZE);
    mend(file, VX_HEADER2_OFFSET, VX_HEADER_SIZE);
    mend(file, VX_REGION_TABLE1_OFFSET, VX_REGION_TABLE_SIZE);
    mend(file, VX_REGION_TABLE2_OFFSET, VX_REGION_TABLE_SIZE);
}

static void step(struct forge *forge, size_t first_layer, struct vx_file *const *files, struct forge_input *in)
{
    uint8_t code = forge_byte(in);
    size_t layer = first_layer + code / 8 % 4 % (forge->layer_count - first_layer);
    struct vx_file *file = files[layer];
    switch (code % 8) {
    case 0:
    case 1:
        step_block(forge, layer, file, in);
        break;
    case 2:
        step_bitmap(forge, layer, file, in);
        break;
    case 3:
    case 4:
        step_patch(file, in);
        break;
    case 5:
        step_log(file, in);
        break;
    case 6:
        step_size(file, in);
        break;
    default:
        step_virtual_size(forge, file, in);
    }
}

void forge_steps(struct forge *forge, size_t first_layer, struct forge_input *in)
{
    struct vx_file *files[FORGE_LAYERS] = {0};
    for (size_t i = first_layer; i < forge->layer_count; i++)
        FUZZ_DEMAND(vx_file_open(forge->host, forge->paths[i], VHDX_OPEN_WRITE, &files[i], NULL) == VHDX_OK);
    for (unsigned i = 0; i < STEP_MAX && in->size > 0; i++)
        step(forge, first_layer, files, in);
    for (size_t i = first_layer; i < forge->layer_count; i++) {
        mend_all(files[i]);
        vx_file_close(files[i]);
    }
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

void forge_demand_told(vhdx_status status, const vhdx_error *err)
{
    if (status == VHDX_OK)
        return;
    FUZZ_DEMAND(err->status == status);
    FUZZ_DEMAND(err->message[0] != '\0');
}

struct looker {
    vhdx_chain *chain;
    uint64_t size;
    XXH64_hash_t digest;
};

/* One sector at a place, into the digest. A multiple of 512, so that all sizes are. */
static bool look_at(struct looker *looker, uint64_t place, uint8_t bytes[512])
{
    vhdx_error err;
    uint64_t at = vx_round_down(place, 512);
    if (at >= looker->size)
        return true;
    vhdx_status status = vhdx_chain_read(looker->chain, bytes, 512, at, &err);
    forge_demand_told(status, &err);
    if (status != VHDX_OK)
        return false;
    looker->digest ^= XXH3_64bits_withSeed(bytes, 512, at);
    return true;
}

/* All extents, one behind the other up to the end; what they call zeros reads as zeros. */
static bool walk(struct looker *looker)
{
    vhdx_walk *walk;
    vhdx_error err;
    vhdx_extent extent = {0};
    uint8_t bytes[512];
    bool good = true;
    uint64_t at = 0;
    FUZZ_DEMAND(vhdx_walk_new(looker->chain, 0, &walk, NULL) == VHDX_OK);
    for (unsigned i = 0; good && i < WALK_MAX && at < looker->size; i++) {
        vhdx_status status = vhdx_walk_next(walk, &extent, &err);
        forge_demand_told(status, &err);
        good = status == VHDX_OK;
        if (!good)
            break;
        FUZZ_DEMAND(extent.virtual_offset == at && extent.length > 0 && extent.length <= looker->size - at);
        FUZZ_DEMAND((extent.state == VHDX_EXTENT_DATA) == (extent.file_offset != VHDX_NOWHERE));
        struct looker unused = *looker;
        good = i >= 16 || look_at(&unused, at, bytes);
        if (good && i < 16 && extent.state != VHDX_EXTENT_DATA && at % 512 == 0)
            FUZZ_DEMAND(vx_is_zero(bytes, sizeof bytes));
        at += extent.length;
    }
    vhdx_walk_free(walk);
    return good && at == looker->size;
}

/* Steps of the size of no block, and both sides of each MiB. */
static bool look_around(struct looker *looker)
{
    uint8_t bytes[512];
    bool good = true;
    for (uint64_t at = 0; good && at < looker->size; at += 61 * 512)
        good = look_at(looker, at, bytes);
    for (uint64_t at = VX_MIB; good && at < looker->size + VX_MIB; at += VX_MIB)
        good = look_at(looker, vx_min(at, looker->size) - 512, bytes) && look_at(looker, at, bytes);
    return good;
}

struct forge_view forge_look(const struct forge *forge, const char *path)
{
    struct forge_view view = {0};
    vhdx_open_options options = {.struct_size = sizeof options, .host = forge->host};
    vhdx_error err;
    struct looker looker = {0};
    vhdx_status status = vhdx_chain_open(path, &options, &looker.chain, &err);
    forge_demand_told(status, &err);
    if (status != VHDX_OK)
        return view;
    looker.size = vhdx_chain_layer(looker.chain, 0)->virtual_size;
    view.virtual_size = looker.size;
    if (looker.size <= FORGE_VIEW_MAX)
        view.readable = walk(&looker) && look_around(&looker);
    else
        walk(&looker);
    view.digest = looker.digest;
    vhdx_chain_free(looker.chain);
    return view;
}
