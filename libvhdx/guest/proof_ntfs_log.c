/*
 * The log of NTFS in two layers. See proof_ntfs_parts.h and the rules in proof_ntfs.c. Pages of the log are written in
 * order, round and round, and the last one may be written again with more records in it; so the pages that a child has
 * written, and the page below in which the log ended when it was made, tell where it began.
 *
 * The first pages behind the restart pages are copies of the last page, and in them another field
 * is where the others have their LSN.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/proof_ntfs_parts.h"

#include "base/checked.h"

#include <string.h>

#define PAGES_MAX 32768u /* 128 MiB of 4 KiB */
#define HEAD 512u        /* of a page, which tells its numbers */

/* What the log is below. */
struct tail {
    uint64_t page;   /* in which the last record ends; 0 = none */
    uint64_t end;    /* the LSN of that record */
    uint64_t copied; /* the same, of the copies of the last page */
};

static void read_restart(const struct vx_ntfs_look *look, bool below, struct vx_ntfs_side *side, uint8_t *page)
{
    uint64_t places[2] = {0, 4096};
    for (size_t i = 0; i < 2; i++) {
        struct vx_ntfs_restart restart;
        uint16_t update;
        if (!vx_ntfs_read(look, below, &side->log, places[i], page, 4096) || !vx_ntfs_fix(page, 4096, &update) ||
            !vx_ntfs_restart_decode(vx_bytes_of(page, 4096), &restart))
            continue;
        if (!side->has_restart || restart.current > side->restart.current)
            side->restart = restart;
        side->has_restart = true;
    }
    side->log_end = side->has_restart ? side->restart.current : 0;
}

static uint64_t page_count(const struct vx_ntfs_look *look)
{
    uint64_t size = vx_min(look->whole.log.size, look->below.log.size);
    return vx_min(size / look->below.restart.page_size, PAGES_MAX);
}

static bool ends(struct vx_ntfs_look *look, uint64_t page)
{
    look->ended = look->ended || (page % 64 == 0 && !look->volume->views->go_on(look->volume->views->context));
    return look->ended;
}

static struct tail find_tail(struct vx_ntfs_look *look)
{
    struct tail tail = {0};
    struct vx_ntfs_log_page head;
    for (uint64_t page = 2; page < page_count(look) && !ends(look, page); page++) {
        if (!vx_ntfs_read(look, true, &look->below.log, page * look->below.restart.page_size, look->under, HEAD)) {
            look->unknown = true;
        } else if (vx_ntfs_log_page_decode(vx_bytes_of(look->under, HEAD), &head)) {
            if (page < look->below.restart.first_page) {
                tail.copied = vx_max(tail.copied, head.last_end);
            } else if (head.last_end > tail.end) {
                tail.end = head.last_end;
                tail.page = page;
            }
        }
    }
    return tail;
}

/* The page of that number in both, with its bytes put back. *differs: anything but how often it was written. */
static bool read_both(struct vx_ntfs_look *look, uint64_t page, bool *differs)
{
    uint32_t size = look->below.restart.page_size;
    uint16_t update;
    if (!vx_ntfs_read(look, false, &look->whole.log, page * size, look->above, size) ||
        !vx_ntfs_read(look, true, &look->below.log, page * size, look->under, size)) {
        look->unknown = true;
        return false;
    }
    if (!vx_ntfs_fix(look->above, size, &update))
        return false;
    if (!vx_ntfs_fix(look->under, size, &update))
        memset(look->under, 0, size);
    uint32_t from = look->below.restart.data_offset;
    *differs = memcmp(look->above + from, look->under + from, size - from) != 0;
    return true;
}

/* N5: the child's copy of the page in which the log ends below has the same records up to there, if it is of the same
 * round, and then the next one with the number that follows from its place. */
static void look_at_tail(struct vx_ntfs_look *look, const struct tail *tail, const struct vx_ntfs_log_page *above)
{
    const struct vx_ntfs_restart *restart = &look->below.restart;
    struct vx_ntfs_log_page under;
    uint32_t from = restart->data_offset;
    uint64_t start = tail->page * restart->page_size;
    if (!vx_ntfs_log_page_decode(vx_bytes_of(look->under, restart->page_size), &under) || under.next_record % 8 != 0 ||
        under.next_record < from || under.next_record > restart->page_size ||
        vx_ntfs_lsn_at(restart, tail->end, start) != vx_ntfs_lsn_at(restart, above->last, start))
        return;
    look->log_differs = memcmp(look->above + from, look->under + from, under.next_record - from) != 0;
    look->log_goes_on =
        !look->log_differs && above->last > tail->end && under.next_record <= restart->page_size - 8 &&
        vx_get64(look->above + under.next_record) == vx_ntfs_lsn_at(restart, tail->end, start + under.next_record);
}

static void look_at_page(struct vx_ntfs_look *look, uint64_t page, const struct tail *tail)
{
    struct vx_ntfs_log_page above;
    uint32_t size = look->below.restart.page_size;
    bool differs;
    enum vx_ntfs_held held = vx_ntfs_who(look, &look->whole.log, page * size, size);
    if (held == VX_NTFS_HELD_NONE || !read_both(look, page, &differs) || !differs ||
        !vx_ntfs_log_page_decode(vx_bytes_of(look->above, size), &above) || above.last == 0)
        return;
    look->first_page = vx_min(look->first_page, above.last);
    if (page == tail->page && held == VX_NTFS_HELD_ALL)
        look_at_tail(look, tail, &above);
}

void vx_ntfs_look_at_log(struct vx_ntfs_look *look)
{
    read_restart(look, true, &look->below, look->under);
    read_restart(look, false, &look->whole, look->above);
    if (!look->below.has_restart || !look->whole.has_restart ||
        look->below.restart.page_size != look->whole.restart.page_size ||
        look->below.restart.sequence_bits != look->whole.restart.sequence_bits)
        return;
    struct tail tail = find_tail(look);
    for (uint64_t page = look->below.restart.first_page; page < page_count(look) && !ends(look, page); page++)
        look_at_page(look, page, &tail);
    bool settled = tail.page != 0 && tail.copied <= tail.end && look->below.restart.current <= tail.end;
    look->log_goes_on = look->log_goes_on && settled && !look->ended;
    look->below.log_end = vx_max(look->below.log_end, vx_max(tail.end, tail.copied));
}
