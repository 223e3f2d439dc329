/*
 * The checks of a VHD: footers, dynamic header, table, blocks, bitmaps, and with its ancestors. See verify.h. There is
 * no repair for a VHD: a conversion makes a sound disk of what can be read. Easy to get wrong: a table of a hostile
 * file may have more entries than the file has room for blocks, so only as many are compared as can be without overlap.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/notice.h"
#include "base/sort_numbers.h"
#include "chain/chain.h"
#include "chain/layered.h"
#include "vhd/vhd_runs.h"

#include <inttypes.h>
#include <string.h>

#define WINDOW 65536u
#define COMPARED_MOST ((uint64_t)1 << 22) /* 2040 GiB in blocks of 512 KiB; 32 MiB of memory */

struct checking {
    struct vx_verification *v;
    struct vx_file *file;
    struct vx_vhd *vhd;
    struct vx_vhd_runs runs;
    uint64_t *places; /* sector << 32 | block, of blocks that lie in the file */
    size_t place_count, place_room;
};

static vhdx_status step(struct vx_verification *v, const char *path, uint64_t done, uint64_t total, vhdx_error *err)
{
    const vhdx_progress progress = {VHDX_PHASE_READ, done, total};
    return vx_progress(v->options->progress, v->options->progress_context, &progress, path, "the check", err);
}

static void add(struct checking *c, enum vx_find kind, const char *structure, uint64_t offset)
{
    const struct vx_finding finding = vx_finding_at(kind, structure, offset);
    vx_verify_add(c->v, &finding);
}

static void add_text(struct checking *c, enum vx_find kind, const char *structure, uint64_t offset, const char *text)
{
    struct vx_finding finding = vx_finding_at(kind, structure, offset);
    finding.text = text;
    vx_verify_add(c->v, &finding);
}

static void add_values(struct checking *c, enum vx_find kind, const char *structure, uint64_t offset, uint64_t found,
                       uint64_t expected)
{
    struct vx_finding finding = vx_finding_at(kind, structure, offset);
    vx_finding_set_values(&finding, found, expected);
    vx_verify_add(c->v, &finding);
}

/* ---- footers ---- */

/* Programs whose disks QEMU takes by their current size; those of others it takes by their geometry. */
static bool goes_by_size(const struct vx_vhd_footer *footer)
{
    static const char known[][5] = {"win ", "qem2", "d2v ", "tap", "CTXS", "wa"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (memcmp(footer->creator, known[i], 4) == 0)
            return true;
    return footer->cylinders == 65535 && footer->heads == 16 && footer->sectors == 255;
}

/* The copy in front of a disk that is not fixed. */
static vhdx_status check_copy(struct checking *c, vhdx_error *err)
{
    struct vx_vhd_footer copy;
    uint8_t bytes[VX_VHD_FOOTER_SIZE];
    size_t got;
    const struct vx_vhd_footer *footer = &c->vhd->footer;
    if (vx_vhd_is_fixed(c->vhd) || c->vhd->place == VX_VHD_AT_START)
        return VHDX_OK;
    VX_TRY(vx_file_read_some(c->file, bytes, sizeof bytes, 0, &got, err));
    if (vx_vhd_footer_decode(vx_bytes_of(bytes, got), &copy) != VHDX_OK || vx_vhd_footer_rules(&copy))
        add_text(c, VX_FIND_VHD_COPY, "VHD footer", 0, "is missing or damaged");
    else if (copy.checksum != footer->checksum || copy.current_size != footer->current_size)
        add_text(c, VX_FIND_VHD_COPY, "VHD footer", 0, "says something else");
    return VHDX_OK;
}

static vhdx_status check_footers(struct checking *c, vhdx_error *err)
{
    const struct vx_vhd_footer *footer = &c->vhd->footer;
    uint64_t shown = vx_vhd_geometry_size(footer);
    if (c->vhd->place == VX_VHD_AT_START)
        add(c, VX_FIND_VHD_FOOTER_LOST, "VHD footer", c->vhd->file_size);
    if (c->vhd->place == VX_VHD_AT_END_OLD)
        add(c, VX_FIND_VHD_FOOTER_OLD, "VHD footer", c->vhd->file_size - VX_VHD_OLD_FOOTER_SIZE);
    if (footer->current_size % VX_VHD_SECTOR)
        add_values(c, VX_FIND_VHD_SIZE_UNALIGNED, "VHD footer", VHDX_NOWHERE, footer->current_size, VX_VHD_SECTOR);
    if (shown != footer->current_size && !goes_by_size(footer))
        add_values(c, VX_FIND_VHD_GEOMETRY, "VHD footer", VHDX_NOWHERE, shown, footer->current_size);
    if (footer->saved_state)
        add(c, VX_FIND_VHD_SAVED_STATE, "VHD footer", VHDX_NOWHERE);
    return check_copy(c, err);
}

/* ---- blocks ---- */

static struct vx_finding block_finding(const struct checking *c, enum vx_find kind, uint64_t block)
{
    struct vx_finding finding =
        vx_finding_at_index(kind, "VHD table", c->vhd->header.table_offset + block * VX_VHD_ENTRY_SIZE, block);
    uint64_t block_size = c->vhd->header.block_size;
    finding.lost_offset = block * block_size;
    finding.lost_length = vx_min(block_size, c->vhd->footer.current_size - finding.lost_offset);
    return finding;
}

/* Where the payload may begin: behind the structures. */
static uint64_t structures_end(const struct vx_vhd *vhd)
{
    uint64_t header = vhd->footer.data_offset + VX_VHD_HEADER_SIZE;
    return vx_max(header, vhd->header.table_offset + vhd->entry_count * VX_VHD_ENTRY_SIZE);
}

static void remember_place(struct checking *c, uint64_t block, uint32_t sector)
{
    if (c->place_count < c->place_room)
        c->places[c->place_count++] = (uint64_t)sector << 32 | block;
}

/* Bytes of the file that the block takes; the last one need not be whole. */
static uint64_t length_of(const struct vx_vhd *vhd, uint64_t block)
{
    uint64_t rest = vhd->footer.current_size - block * vhd->header.block_size;
    return vx_vhd_bitmap_size(vhd->header.block_size) + vx_min(rest, vhd->header.block_size);
}

static void check_place(struct checking *c, uint64_t block, uint32_t sector)
{
    uint64_t begin = (uint64_t)sector * VX_VHD_SECTOR, end = begin + length_of(c->vhd, block);
    struct vx_finding finding;
    if (end > c->vhd->file_size) {
        finding = block_finding(c, VX_FIND_VHD_BLOCK_BEYOND_END, block);
        vx_finding_set_values(&finding, end, c->vhd->file_size);
    } else if (begin < structures_end(c->vhd)) {
        finding = block_finding(c, VX_FIND_VHD_BLOCK_LOW, block);
        vx_finding_set_values(&finding, begin, structures_end(c->vhd));
    } else {
        remember_place(c, block, sector);
        return;
    }
    vx_verify_add(c->v, &finding);
}

/* In a dynamic disk a bit that is clear should belong to a sector of zeros, because readers differ about it. */
static vhdx_status check_bits(struct checking *c, uint64_t block, uint32_t sector, uint8_t *buf, vhdx_error *err)
{
    const uint32_t block_size = c->vhd->header.block_size, bitmap = vx_vhd_bitmap_size(block_size);
    uint32_t sectors = (uint32_t)((length_of(c->vhd, block) - bitmap) / VX_VHD_SECTOR), run;
    uint64_t data = (uint64_t)sector * VX_VHD_SECTOR + bitmap;
    VX_TRY(vx_file_read(c->file, buf, bitmap, data - bitmap, err));
    for (uint32_t at = 0; at < sectors; at += run) {
        uint8_t bytes[VX_VHD_SECTOR];
        bool here;
        run = vx_vhd_bitmap_run(buf, at, sectors - at, &here);
        for (uint32_t i = 0; !here && i < run; i++) {
            VX_TRY(vx_file_read(c->file, bytes, sizeof bytes, data + (uint64_t)(at + i) * VX_VHD_SECTOR, err));
            if (vx_is_zero(bytes, sizeof bytes))
                continue;
            struct vx_finding finding = block_finding(c, VX_FIND_VHD_BITS_CLEAR, block);
            finding.lost_length = 0;
            vx_verify_add(c->v, &finding);
            return VHDX_OK;
        }
    }
    return VHDX_OK;
}

/* Two blocks that claim the same bytes. Sorted by place, each is compared with the one that reaches farthest so far. */
static void check_overlaps(struct checking *c)
{
    uint64_t end = 0, owner = 0;
    vx_sort_numbers(c->places, c->place_count);
    for (size_t i = 0; i < c->place_count; i++) {
        uint64_t block = c->places[i] & UINT32_MAX, begin = (c->places[i] >> 32) * VX_VHD_SECTOR;
        if (begin < end) {
            struct vx_finding finding = block_finding(c, VX_FIND_VHD_BLOCK_OVERLAP, block);
            finding.other = owner;
            vx_verify_add(c->v, &finding);
        }
        if (begin + length_of(c->vhd, block) > end) {
            end = begin + length_of(c->vhd, block);
            owner = block;
        }
    }
}

static vhdx_status check_entries(struct checking *c, uint8_t *buf, vhdx_error *err)
{
    for (uint64_t block = 0; block < c->vhd->entry_count; block++) {
        uint32_t sector;
        size_t before = c->place_count;
        VX_TRY(vx_vhd_entry(&c->runs, block, &sector, err));
        if (sector == VX_VHD_NO_BLOCK)
            continue;
        if (block % 4096 == 0)
            VX_TRY(step(c->v, vx_file_path(c->file), block, c->vhd->entry_count, err));
        check_place(c, block, sector);
        if (c->place_count > before && c->v->options->data && !vx_vhd_has_parent(c->vhd))
            VX_TRY(check_bits(c, block, sector, buf, err));
    }
    check_overlaps(c);
    return VHDX_OK;
}

static vhdx_status check_blocks(struct checking *c, vhdx_error *err)
{
    const struct vx_vhd *vhd = c->vhd;
    uint32_t bitmap = vx_vhd_bitmap_size(vhd->header.block_size);
    /* One more than fit side by side: then there is an overlap among those that are remembered. */
    uint64_t fit = vhd->file_size / (bitmap + (uint64_t)vhd->header.block_size) + 2;
    c->place_room = (size_t)vx_min(vx_min(fit, vhd->entry_count), COMPARED_MOST);
    c->places = vx_alloc(c->place_room + 1, sizeof *c->places);
    uint8_t *buf = vx_alloc(bitmap, 1);
    vhdx_status status =
        c->places && buf ? vx_vhd_runs_open(vhd, WINDOW, &c->runs, err) : vx_fail_memory(err, "the table of a VHD");
    if (status == VHDX_OK)
        status = check_entries(c, buf, err);
    vx_vhd_runs_close(&c->runs);
    vx_free(c->places);
    vx_free(buf);
    return status;
}

/* ---- the file, and those below it ---- */

/* A structure that the opener refuses is a finding; what the host refuses is no verdict. */
static vhdx_status open_or_tell(struct checking *c, vhdx_error *err)
{
    vhdx_error why;
    vx_clear(&why);
    vhdx_status status = vx_vhd_open(c->file, &c->vhd, &why);
    if (status == VHDX_CORRUPT || status == VHDX_UNSUPPORTED || status == VHDX_TRUNCATED) {
        add_text(c, VX_FIND_VHD_UNUSABLE, why.structure ? why.structure : "VHD footer", why.offset, why.message);
        return VHDX_OK;
    }
    if (status != VHDX_OK && err)
        *err = why;
    return status;
}

static vhdx_status check_file(struct vx_verification *v, struct vx_file *file, vhdx_error *err)
{
    struct checking c = {.v = v, .file = file};
    VX_TRY(open_or_tell(&c, err));
    if (!c.vhd)
        return VHDX_OK;
    vhdx_status status = check_footers(&c, err);
    if (status == VHDX_OK && !vx_vhd_is_fixed(c.vhd))
        status = check_blocks(&c, err);
    vx_vhd_close(c.vhd);
    return status;
}

/* Reading is all that is asked for. */
static vhdx_status read_sink(void *context, const void *buf, uint64_t length, uint64_t virtual_offset, vhdx_error *err)
{
    (void)context;
    (void)buf;
    (void)length;
    (void)virtual_offset;
    (void)err;
    return VHDX_OK;
}

/* Bytes that cannot be read are a finding; so are blocks that the table leads nowhere for, of which there is one
 * already. */
static vhdx_status read_content(struct vx_verification *v, struct vx_chain *chain, vhdx_error *err)
{
    const vhdx_stream_options stream = {.struct_size = sizeof stream,
                                        .progress = v->options->progress,
                                        .progress_context = v->options->progress_context};
    struct checking c = {.v = v};
    vhdx_error why;
    vx_clear(&why);
    vhdx_status status = vx_chain_stream(chain, 0, read_sink, NULL, &stream, &why);
    if (vx_ends_all(status) && err)
        *err = why;
    if (status == VHDX_OK || vx_ends_all(status))
        return status;
    if (status != VHDX_TRUNCATED)
        add_text(&c, VX_FIND_VHD_CHAIN, "chain", why.offset, why.message);
    return VHDX_OK;
}

/* Opens the chain as readers do, and says of each layer below what there is to say. */
static vhdx_status check_ancestors(struct vx_verification *v, const char *path, vhdx_error *err)
{
    const struct vx_search search = {v->options->parents, v->options->parent_count};
    struct checking c = {.v = v};
    struct vx_chain *chain;
    vhdx_error why;
    vx_clear(&why);
    vhdx_status status = vx_chain_open_any(v->host, path, &search, VX_OPEN_VHD, &chain, &why);
    if (vx_ends_all(status)) {
        if (err)
            *err = why;
        return status;
    }
    if (status != VHDX_OK) {
        add_text(&c, VX_FIND_VHD_CHAIN, "chain", VHDX_NOWHERE, why.message);
        return VHDX_OK;
    }
    for (size_t i = 1; i < chain->count && status == VHDX_OK; i++) {
        status = vx_report_add_file(v->report, vx_image_path(chain->layers[i]), &v->file, err);
        if (status == VHDX_OK)
            status = check_file(v, chain->layers[i]->file, err);
    }
    v->file = 0;
    if (status == VHDX_OK && v->options->data)
        status = read_content(v, chain, err);
    vx_chain_close(chain);
    return status;
}

vhdx_status vx_check_vhd(struct vx_verification *v, const char *path, bool *is_vhd, vhdx_error *err)
{
    struct vx_file *file;
    uint8_t signature[8];
    size_t got;
    *is_vhd = false;
    VX_TRY(vx_file_open(v->host, path, VHDX_OPEN_READ, &file, err));
    vhdx_status status = vx_file_read_some(file, signature, sizeof signature, 0, &got, err);
    if (status == VHDX_OK && (got < sizeof signature || vx_get64(signature) != VX_SIG_FILE))
        status = vx_vhd_recognize(file, is_vhd, err);
    if (status != VHDX_OK)
        vx_clear(err); /* unreadable bytes are for the exam, which goes on behind them */
    status = *is_vhd ? check_file(v, file, err) : VHDX_OK;
    vx_file_close(file);
    if (status == VHDX_OK && *is_vhd && (v->options->chain || v->options->data))
        status = check_ancestors(v, path, err);
    return status;
}
