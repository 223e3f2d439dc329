/*
 * Finding zeros. See zeros.h.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/zeros.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <string.h>

#define PAGE UINT64_C(4096)
#define HOLE_LEAST (64 * VX_KIB)  /* shorter ones are not worth a call of their own */
#define IN_PLACE_LEAST VX_MIB     /* in blocks that are there: shorter pieces are not looked at, their space is taken */
#define FIRST_LOOK ((size_t)PAGE) /* most blocks tell by their first bytes that they are not zero */
#define BUFFER ((size_t)(256 * VX_KIB))

struct vx_zeros {
    const struct vx_merge_task *task;
    struct vx_extents *extents; /* of each layer; NULL: nothing is looked for */
    uint8_t *buf;               /* NULL: bytes are not looked at */
    struct vx_piece *pieces;    /* room for the pieces of the next plan */
    size_t piece_room;
};

bool vx_extents_is_hole(struct vx_extents *extents, uint64_t offset, uint64_t *end)
{
    if (offset < extents->begin || offset >= extents->end) {
        uint64_t data, length;
        vx_file_next_data(extents->file, offset, &data, &length);
        extents->begin = offset;
        extents->data = length > 0 ? data : UINT64_MAX;
        extents->end = length > 0 ? data + length : UINT64_MAX;
    }
    bool hole = offset < extents->data;
    *end = hole ? extents->data : extents->end;
    return hole;
}

uint64_t vx_extents_holes(struct vx_extents *extents, uint64_t offset, uint64_t length)
{
    uint64_t stop = offset + length, holes = 0;
    while (offset < stop) {
        uint64_t end;
        bool hole = vx_extents_is_hole(extents, offset, &end);
        end = vx_min(end, stop);
        holes += hole ? end - offset : 0;
        offset = end;
    }
    return holes;
}

vhdx_status vx_zeros_open(const struct vx_merge_task *task, bool bytes, struct vx_zeros **out, vhdx_error *err)
{
    struct vx_zeros *zeros = vx_alloc(1, sizeof *zeros);
    bool complete = zeros != NULL;
    if (complete && !task->keep_zeros) {
        zeros->extents = vx_alloc(task->layer_count, sizeof *zeros->extents);
        zeros->buf = bytes ? vx_alloc(BUFFER, 1) : NULL;
        complete = zeros->extents && (zeros->buf || !bytes);
    }
    if (!complete) {
        vx_zeros_close(zeros);
        return vx_fail_memory(err, "the plan of a merge");
    }
    zeros->task = task;
    vhdx_status status = VHDX_OK;
    for (size_t i = 0; zeros->extents && i < task->layer_count && status == VHDX_OK; i++) {
        zeros->extents[i].file = task->chain->layers[i]->view;
        status = vx_file_size(zeros->extents[i].file, &zeros->extents[i].size, err);
    }
    if (status == VHDX_OK)
        *out = zeros;
    else
        vx_zeros_close(zeros);
    return status;
}

void vx_zeros_close(struct vx_zeros *zeros)
{
    if (!zeros)
        return;
    vx_free(zeros->extents);
    vx_free(zeros->buf);
    vx_free(zeros->pieces);
    vx_free(zeros);
}

static bool is_foreign_data(const struct vx_block_plan *plan, const struct vx_piece *piece)
{
    return piece->kind == VX_RUN_DATA && !vx_piece_is_own(plan, piece);
}

/* ---- holes ---- */

/*
 * The hole at `offset` or the first one behind it that is long enough, before `stop`: whole sectors of it. What is
 * behind the file's end is no hole: bytes are missing there, and the reader must be told so.
 */
static bool find_hole(struct vx_extents *extents, uint64_t offset, uint64_t stop, struct vx_range *hole)
{
    if (stop > extents->size)
        return false;
    while (offset < stop) {
        uint64_t end;
        bool is_hole = vx_extents_is_hole(extents, offset, &end);
        uint64_t last = end < stop ? vx_round_down(end, PAGE) : stop;
        uint64_t first = vx_ceil_div(offset, PAGE) * PAGE;
        if (is_hole && last > first && (last - first >= HOLE_LEAST || last == stop)) {
            *hole = (struct vx_range){.offset = first, .length = last - first};
            return true;
        }
        offset = end;
    }
    return false;
}

static struct vx_piece part_of(const struct vx_piece *piece, uint64_t from, uint64_t end, enum vx_run_kind kind)
{
    struct vx_piece part = *piece;
    part.kind = kind;
    part.virtual_offset += from;
    part.file_offset += from;
    part.length = end - from;
    return part;
}

/* The piece, cut at its holes. */
static vhdx_status add_cut(struct vx_zeros *zeros, struct vx_block_plan *plan, const struct vx_piece *piece,
                           vhdx_error *err)
{
    struct vx_extents *extents = &zeros->extents[piece->layer];
    uint64_t done = 0;
    struct vx_range hole;
    while (find_hole(extents, piece->file_offset + done, piece->file_offset + piece->length, &hole)) {
        uint64_t begin = hole.offset - piece->file_offset;
        struct vx_piece data = part_of(piece, done, begin, VX_RUN_DATA);
        struct vx_piece zero = part_of(piece, begin, begin + hole.length, VX_RUN_ZERO);
        if (data.length > 0)
            VX_TRY(vx_merge_plan_add_piece(plan, &data, err));
        VX_TRY(vx_merge_plan_add_piece(plan, &zero, err));
        done = begin + hole.length;
    }
    struct vx_piece rest = part_of(piece, done, piece->length, VX_RUN_DATA);
    return rest.length > 0 ? vx_merge_plan_add_piece(plan, &rest, err) : VHDX_OK;
}

static bool has_holes(struct vx_zeros *zeros, const struct vx_block_plan *plan, uint64_t least)
{
    for (size_t i = 0; i < plan->piece_count; i++) {
        const struct vx_piece *piece = &plan->pieces[i];
        struct vx_range hole;
        if (is_foreign_data(plan, piece) && piece->length >= least &&
            find_hole(&zeros->extents[piece->layer], piece->file_offset, piece->file_offset + piece->length, &hole))
            return true;
    }
    return false;
}

/* Builds the plan's pieces anew, those of at least that length cut at their holes. */
static vhdx_status cut_pieces(struct vx_zeros *zeros, struct vx_block_plan *plan, uint64_t least, vhdx_error *err)
{
    struct vx_piece *pieces = plan->pieces;
    size_t count = plan->piece_count, room = plan->piece_room;
    vhdx_status status = VHDX_OK;
    plan->pieces = zeros->pieces;
    plan->piece_room = zeros->piece_room;
    plan->piece_count = 0;
    plan->any_data = plan->any_zero = false;
    for (size_t i = 0; i < count && status == VHDX_OK; i++) {
        bool looked_at = is_foreign_data(plan, &pieces[i]) && pieces[i].length >= least;
        status = looked_at ? add_cut(zeros, plan, &pieces[i], err) : vx_merge_plan_add_piece(plan, &pieces[i], err);
    }
    zeros->pieces = pieces;
    zeros->piece_room = room;
    return status;
}

/* ---- bytes ---- */

static bool all_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static vhdx_status piece_is_zero(const struct vx_zeros *zeros, const struct vx_piece *piece, bool *zero,
                                 vhdx_error *err)
{
    struct vx_file *file = zeros->task->chain->layers[piece->layer]->view;
    *zero = true;
    for (uint64_t done = 0; done < piece->length && *zero;) {
        size_t here = (size_t)vx_min(done == 0 ? FIRST_LOOK : BUFFER, piece->length - done);
        VX_TRY(vx_file_read(file, zeros->buf, here, piece->file_offset + done, err));
        *zero = all_zero(zeros->buf, here);
        done += here;
    }
    return VHDX_OK;
}

static vhdx_status block_is_zero(const struct vx_zeros *zeros, const struct vx_block_plan *plan, bool *zero,
                                 vhdx_error *err)
{
    *zero = true;
    for (size_t i = 0; i < plan->piece_count && *zero; i++)
        if (is_foreign_data(plan, &plan->pieces[i]))
            VX_TRY(piece_is_zero(zeros, &plan->pieces[i], zero, err));
    return VHDX_OK;
}

static void make_zero(struct vx_block_plan *plan)
{
    for (size_t i = 0; i < plan->piece_count; i++)
        if (is_foreign_data(plan, &plan->pieces[i]))
            plan->pieces[i].kind = VX_RUN_ZERO;
    plan->any_data = false;
    plan->any_zero = true;
}

static void decide_again(const struct vx_zeros *zeros, struct vx_block_plan *plan)
{
    const struct vx_bat_entry entry = plan->entry;
    vx_merge_plan_decide(zeros->task->target, plan, &entry);
}

vhdx_status vx_zeros_find(struct vx_zeros *zeros, struct vx_block_plan *plan, vhdx_error *err)
{
    bool zero = false, allocates = vx_merge_plan_allocates(plan);
    bool in_place = plan->action == VX_BLOCK_OVERWRITE && !vx_image_is_fixed(zeros->task->target);
    uint64_t least = allocates ? 0 : IN_PLACE_LEAST;
    if (!zeros->extents || !plan->any_data || !(allocates || in_place))
        return VHDX_OK;
    if (has_holes(zeros, plan, least)) {
        VX_TRY(cut_pieces(zeros, plan, least, err));
        decide_again(zeros, plan);
    }
    if (!plan->any_data || !vx_merge_plan_allocates(plan) || !zeros->buf)
        return VHDX_OK;
    VX_TRY(block_is_zero(zeros, plan, &zero, err));
    if (zero) {
        make_zero(plan);
        decide_again(zeros, plan);
    }
    return VHDX_OK;
}
