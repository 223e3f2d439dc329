/*
 * VHD: a footer, and behind it a dynamic header. What is decoded is inside of the input, rules hold exactly for sums
 * that are right, and a name is text that ends.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "../tests/support/memory.h"

#include "base/utf.h"
#include "format/vhd.h"
#include "memory.h"

#include <string.h>

static uint8_t bytes[VX_VHD_FOOTER_SIZE + VX_VHD_HEADER_SIZE];

static void put_sum(uint8_t *at, size_t size, size_t field)
{
    uint32_t sum = 0;
    memset(at + field, 0, 4);
    for (size_t i = 0; i < size; i++)
        sum += at[i];
    for (size_t i = 0; i < 4; i++)
        at[field + i] = (uint8_t)(~sum >> (24 - 8 * i));
}

static void demand_header(const struct vx_vhd_header *header)
{
    char text[VX_UTF8_ROOM(VX_VHD_NAME_SIZE)];
    FUZZ_DEMAND(header->parent_name.data >= bytes &&
                header->parent_name.data + header->parent_name.size <= bytes + sizeof bytes);
    vx_vhd_name(header->parent_name, text);
    FUZZ_DEMAND(strlen(text) < sizeof text);
    const struct vx_vhd_locator *found = vx_vhd_locator_find(header, VX_VHD_W2RU);
    FUZZ_DEMAND(!found || (found->platform == VX_VHD_W2RU && found->length >= 2));
    if (vx_vhd_header_rules(header) & VX_VHD_BAD_BLOCK_SIZE)
        return;
    FUZZ_DEMAND(header->block_size >= 512 && (header->block_size & (header->block_size - 1)) == 0);
}

/* What was decoded comes back from its bytes. */
static void demand_encoding(const struct vx_vhd_footer *footer)
{
    struct vx_vhd_footer back;
    uint8_t out[VX_VHD_FOOTER_SIZE];
    vx_vhd_footer_encode(footer, out);
    FUZZ_DEMAND(vx_vhd_footer_decode(vx_bytes_of(out, sizeof out), &back) == VHDX_OK);
    FUZZ_DEMAND(back.checksum == back.computed && back.current_size == footer->current_size);
    FUZZ_DEMAND(back.data_offset == footer->data_offset && back.type == footer->type);
    FUZZ_DEMAND(memcmp(back.id.bytes, footer->id.bytes, 16) == 0 && back.saved_state == footer->saved_state);
    vx_vhd_geometry(footer->current_size, &back);
    FUZZ_DEMAND(vx_vhd_geometry_size(&back) <= footer->current_size);
}

/* Runs of a bitmap follow each other to its end, and each ends where the bit changes. */
static void demand_runs(const uint8_t *bits, uint32_t count)
{
    bool value, before = false;
    for (uint32_t at = 0; at < count;) {
        uint32_t run = vx_vhd_bitmap_run(bits, at, count - at, &value);
        FUZZ_DEMAND(run > 0 && run <= count - at && (at == 0 || value != before));
        before = value;
        at += run;
    }
}

/* The whole input as a file: opened and read, or refused. */
static void read_as_file(const uint8_t *data, size_t size)
{
    struct vx_memory_host *host = vx_memory_host_new(1);
    const vhdx_open_options options = {.struct_size = sizeof options, .host = vx_memory_host_interface(host)};
    uint8_t buf[4096];
    vhdx_chain *chain;
    FUZZ_DEMAND(host && vx_memory_host_put(host, "/fuzz.vhd", data, size));
    if (vhdx_chain_open("/fuzz.vhd", &options, &chain, NULL) == VHDX_OK) {
        uint64_t disk = vhdx_chain_layer(chain, 0)->virtual_size;
        FUZZ_DEMAND(disk > 0);
        for (uint64_t at = 0; at < disk && at < 64 * sizeof buf; at += sizeof buf)
            vhdx_chain_read(chain, buf, disk - at < sizeof buf ? (size_t)(disk - at) : sizeof buf, at, NULL);
        vhdx_chain_free(chain);
    }
    vx_memory_host_free(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_vhd_footer footer;
    struct vx_vhd_header header;
    fuzz_expand(data, size, bytes, sizeof bytes);
    FUZZ_DEMAND(vx_vhd_footer_decode(vx_bytes_of(bytes, VX_VHD_FOOTER_SIZE - 1), &footer) == VHDX_TRUNCATED);
    if (vx_vhd_footer_decode(vx_bytes_of(bytes, VX_VHD_FOOTER_SIZE), &footer) == VHDX_OK) {
        uint32_t rules = vx_vhd_footer_rules(&footer);
        FUZZ_DEMAND((rules & VX_VHD_BAD_TYPE) || (footer.type >= 2 && footer.type <= 4));
        put_sum(bytes, VX_VHD_FOOTER_SIZE, 64);
        FUZZ_DEMAND(vx_vhd_footer_decode(vx_bytes_of(bytes, VX_VHD_FOOTER_SIZE), &footer) == VHDX_OK);
        FUZZ_DEMAND(vx_vhd_footer_rules(&footer) == (rules & ~(uint32_t)VX_VHD_BAD_CHECKSUM));
        demand_encoding(&footer);
    }
    demand_runs(bytes, 4096);
    read_as_file(data, size);
    if (vx_vhd_header_decode(vx_bytes_of(bytes + VX_VHD_FOOTER_SIZE, VX_VHD_HEADER_SIZE), &header) == VHDX_OK)
        demand_header(&header);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size < sizeof bytes || seed % 8 == 0)
        return size;
    memcpy(data, "conectix", 8);
    memcpy(data + VX_VHD_FOOTER_SIZE, "cxsparse", 8);
    put_sum(data, VX_VHD_FOOTER_SIZE, 64);
    put_sum(data + VX_VHD_FOOTER_SIZE, VX_VHD_HEADER_SIZE, 36);
    return size;
}
