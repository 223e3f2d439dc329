/* Disks to begin with, and how a byte of them is changed. See faults_parts.h. */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include "inside.h"

#include "base/bytes.h"
#include "format/merge_mark.h"

void fault_finish(struct fault_scene *s)
{
    vhdx_error err;
    BLD_DEMAND(bld_finish(s->b, s->host, FAULT_PATH, &err) == VHDX_OK, "a disk for a fault");
}

struct bld_options fault_usual(vhdx_kind kind)
{
    return (struct bld_options){.kind = kind, .virtual_size = FAULT_SIZE, .block_size = FAULT_BLOCK, .seed = 5};
}

/* A disk of the usual size with nothing in it. */
void fault_empty(struct fault_scene *s, vhdx_kind kind)
{
    struct bld_options options = fault_usual(kind);
    s->b = bld_new(&options);
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(s->b, &(vhdx_guid){{1, 2, 3}}, NULL, ".\\parent.vhdx", NULL, "C:\\parent.vhdx");
}

/* Blocks 0, 3 and 5 hold something, and lie in the file in this order. */
void fault_fill(struct fault_scene *s)
{
    bld_write_random(s->b, 0, FAULT_BLOCK, 1);
    bld_write_random(s->b, 3 * (uint64_t)FAULT_BLOCK, FAULT_BLOCK, 2);
    bld_write_random(s->b, 5 * (uint64_t)FAULT_BLOCK, FAULT_BLOCK, 3);
}

void fault_dynamic(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    fault_finish(s);
}

/* Blocks 0, 3 and 5 are partial, with their first sectors. */
void fault_child_content(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DIFFERENCING);
    bld_write_random(s->b, 0, 4096, 1);
    bld_write_random(s->b, 3 * (uint64_t)FAULT_BLOCK, 4096, 2);
    bld_write_random(s->b, 5 * (uint64_t)FAULT_BLOCK, 4096, 3);
}

void fault_child(struct fault_scene *s)
{
    fault_child_content(s);
    fault_finish(s);
}

void fault_fixed(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_FIXED);
    options.virtual_size = 8 * VX_MIB;
    s->b = bld_new(&options);
    fault_finish(s);
}

void fault_with_options(struct fault_scene *s, const struct bld_options *options)
{
    s->b = bld_new(options);
    fault_fill(s);
    fault_finish(s);
}

void fault_dirty(struct fault_scene *s, const struct bld_log *log)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_log_dirty(s->b, log);
    fault_finish(s);
}

/* One empty entry at the beginning of the ring. */
void fault_dirty_empty(struct fault_scene *s)
{
    fault_dirty(s, &(struct bld_log){.sequence = 7});
}

/* One entry with pages of the BAT that are the same at home. */
void fault_dirty_pages(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BAT, .untouched_pages = true, .sequence = 7});
    fault_finish(s);
}

void fault_poke(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size)
{
    BLD_DEMAND(offset != VHDX_NOWHERE && bld_poke_int(s->host, FAULT_PATH, offset, value, size) == VHDX_OK, "poke");
}

void fault_poke_bytes(struct fault_scene *s, uint64_t offset, const void *bytes, size_t size)
{
    BLD_DEMAND(offset != VHDX_NOWHERE && bld_poke(s->host, FAULT_PATH, offset, bytes, size) == VHDX_OK, "poke");
}

uint64_t fault_peek(struct fault_scene *s, uint64_t offset, size_t size)
{
    uint8_t bytes[8] = {0};
    BLD_DEMAND(bld_peek(s->host, FAULT_PATH, offset, bytes, size) == VHDX_OK, "peek");
    return vx_get64(bytes);
}

void fault_poke_header(struct fault_scene *s, int copy, size_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    vx_put64(bytes, value);
    BLD_DEMAND(bld_poke_header(s->host, FAULT_PATH, copy, offset, bytes, size) == VHDX_OK, "poke a header");
}

void fault_poke_region(struct fault_scene *s, int copy, size_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    vx_put64(bytes, value);
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, copy, offset, bytes, size) == VHDX_OK, "poke a region table");
}

/* Into the first entry of the log, checksum mended. */
void fault_poke_entry(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    uint64_t log = bld_log_offset(s->b);
    vx_put64(bytes, value);
    BLD_DEMAND(bld_poke_log_entry(s->host, FAULT_PATH, log, VX_MIB, bld_log_entry_offset(s->b, 0) - log, offset, bytes,
                                  size) == VHDX_OK,
               "poke a log entry");
}

/* The same without mending. */
void fault_spoil_entry(struct fault_scene *s, uint64_t offset, uint64_t value, size_t size)
{
    fault_poke(s, bld_log_entry_offset(s->b, 0) + offset, value, size);
}

void fault_cut(struct fault_scene *s, uint64_t size)
{
    BLD_DEMAND(bld_resize(s->host, FAULT_PATH, size) == VHDX_OK, "resize");
}
