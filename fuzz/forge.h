/*
 * Small chains made to be hurt: vhdx_create makes them on a memory host, then the input is read as a list of steps that
 * give the layers content and damage them. Checksums are mended at the end, or nothing would get past them. An input
 * always makes the same files.
 *
 * A step is an opcode (low 3 bits) with the layer (bits 3-4), followed by its arguments; see forge.c. Whatever is
 * missing at the input's end reads as zeros.
 */
/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_FORGE_H
#define FUZZ_FORGE_H

#include "../tests/support/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORGE_LAYERS 3u

struct forge {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    size_t layer_count;
    const char *paths[FORGE_LAYERS]; /* [0] = base */
    uint32_t next_slot[FORGE_LAYERS];
    uint32_t sector_size;
};

/* The next byte, and the next number of so many bytes (little-endian), of what is left of an input. */
struct forge_input {
    const uint8_t *data;
    size_t size;
};
uint8_t forge_byte(struct forge_input *in);
uint64_t forge_number(struct forge_input *in, size_t bytes);

/* Makes `layer_count` layers, sizes from the input. */
void forge_begin(struct forge *forge, size_t layer_count, struct forge_input *in);
/* Carries out all steps that are left in the input on the layers from `first_layer` up, and mends. */
void forge_steps(struct forge *forge, size_t first_layer, struct forge_input *in);
void forge_end(struct forge *forge);

/* What a chain reads as, at some places of each block and at both sides of its ends. */
struct forge_view {
    bool readable; /* opened, walked and read without an error, and not longer than FORGE_VIEW_MAX */
    uint64_t virtual_size;
    uint64_t digest;
};
#define FORGE_VIEW_MAX (UINT64_C(16) << 20)
/* Demands on the way that walk and reads agree and that failures say why. */
struct forge_view forge_look(const struct forge *forge, const char *path);

/* Demands that a failed call has filled the error. */
void forge_demand_told(vhdx_status status, const vhdx_error *err);

#endif
