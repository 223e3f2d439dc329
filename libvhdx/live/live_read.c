/*
 * Reading: each thread takes a cursor that was used before, so that windows of the BAT and of sector bitmaps are read
 * once and not for every request. A cursor that is older than the last change forgets what it knows of the leaf.
 */
/* SPDX-License-Identifier: MIT */
#include "live/live.h"
#include "live/live_parts.h"

static vhdx_status take_cursor(struct vx_live *live, struct vx_cursor **cursor, vhdx_error *err)
{
    struct vx_idle_cursor idle = {0};
    vx_lock_take(live->idle_lock);
    if (live->idle_count > 0)
        idle = live->idle[--live->idle_count];
    vx_lock_give(live->idle_lock);
    if (!idle.cursor)
        return vx_cursor_open_lasting(live->chain, live->layer, live->chain->count, cursor, err);
    if (idle.generation != live->generation)
        vx_cursor_forget(idle.cursor, live->layer);
    *cursor = idle.cursor;
    return VHDX_OK;
}

static void give_cursor(struct vx_live *live, struct vx_cursor *cursor)
{
    vx_lock_take(live->idle_lock);
    if (live->idle_count < VX_IDLE_CURSORS) {
        live->idle[live->idle_count++] = (struct vx_idle_cursor){cursor, live->generation};
        cursor = NULL;
    }
    vx_lock_give(live->idle_lock);
    vx_cursor_close(cursor);
}

vhdx_status vx_live_read(struct vx_live *live, void *buf, size_t length, uint64_t virtual_offset, vhdx_error *err)
{
    struct vx_cursor *cursor;
    vx_gate_enter(&live->gate);
    vhdx_status status = take_cursor(live, &cursor, err);
    if (status == VHDX_OK) {
        status = vx_cursor_read(cursor, buf, length, virtual_offset, err);
        give_cursor(live, cursor);
    }
    vx_gate_leave(&live->gate);
    return status;
}

vhdx_status vx_live_piece(struct vx_live *live, uint64_t virtual_offset, uint64_t limit, struct vx_piece *piece,
                          vhdx_error *err)
{
    struct vx_cursor *cursor;
    vx_gate_enter(&live->gate);
    vhdx_status status = take_cursor(live, &cursor, err);
    if (status == VHDX_OK) {
        status = vx_cursor_at(cursor, virtual_offset, limit, piece, err);
        give_cursor(live, cursor);
    }
    vx_gate_leave(&live->gate);
    return status;
}
