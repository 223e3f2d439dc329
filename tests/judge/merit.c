/*
 * What an omniscient judge would have had of a damaged disk, and what was had: the true content that is still in the
 * file, whole pages of it, and where the commands bring it to light.
 */
/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <string.h>

#include "base/bytes.h"

/* Whether the entry of the block is where it was in the damaged file, in the BAT or in a page of the log. */
static bool is_pointed_at(const struct judge_scene *scene, uint64_t block)
{
    const struct judge_disk *disk = scene->disk;
    uint64_t index = block / disk->chunk_ratio * (disk->chunk_ratio + 1) + block % disk->chunk_ratio;
    uint64_t at = disk->bat_offset + index * 8, raw = disk->blocks[block].place | disk->blocks[block].state;
    uint8_t bytes[8], wanted[8];
    vx_put64(wanted, raw);
    store_read(scene->file, at, bytes, 8);
    if (memcmp(bytes, wanted, 8) == 0)
        return true;
    for (uint64_t page = store_next(scene->file, disk->log_offset / STORE_PAGE);
         page < (disk->log_offset + disk->log_length) / STORE_PAGE; page = store_next(scene->file, page + 1)) {
        const uint8_t *sector = store_page(scene->file, page);
        if (memcmp(sector, "data", 4) == 0 && memcmp(sector + at % STORE_PAGE, wanted, 8) == 0)
            return true;
    }
    return false;
}

static bool page_reads(const struct store_file *bytes, uint64_t offset, const uint8_t *wanted)
{
    const uint8_t *page = store_page(bytes, offset / STORE_PAGE);
    return page && memcmp(page, wanted, STORE_PAGE) == 0;
}

/* By the strict reader; a child without its parent has none. */
static bool reads_after(const struct judge_disk *disk, const struct merit *merit, uint64_t at, const uint8_t *bytes)
{
    if (disk->kind == VHDX_KIND_DIFFERENCING && !disk->parent_there)
        return merit->salvaged->size > at && page_reads(merit->salvaged->raw, at, bytes);
    return merit->reading->status == VHDX_OK && page_reads(merit->reading->bytes, at, bytes);
}

static void weigh_block(const struct merit *merit, struct judge_verdict *verdict, uint64_t block)
{
    const struct judge_scene *scene = merit->scene;
    const struct judge_disk *disk = scene->disk;
    uint64_t place = disk->blocks[block].place;
    bool pointed = is_pointed_at(scene, block);
    const struct store_file *whole = store_find(disk->store, JUDGE_LEAF);
    for (uint64_t page = store_next(whole, place / STORE_PAGE);
         page != UINT64_MAX && page * STORE_PAGE < place + disk->block_size; page = store_next(whole, page + 1)) {
        uint64_t at = page * STORE_PAGE - place + block * disk->block_size;
        const uint8_t *bytes = store_page(whole, page);
        if (at >= disk->size || !page_reads(disk->truth, at, bytes) ||
            !page_reads(scene->file, page * STORE_PAGE, bytes))
            continue;
        bool there = merit->before->size > at && page_reads(merit->before->raw, at, bytes);
        verdict->content++;
        verdict->pointed += pointed;
        verdict->in_place += there;
        verdict->pointed_in_place += pointed && there;
        bool piece = !there && view_in_pieces(merit->before, page * STORE_PAGE);
        verdict->in_pieces += piece;
        if (!there && (!piece || pointed) && verdict->first_missed == 0)
            verdict->first_missed = page * STORE_PAGE;
        verdict->read_after += there && reads_after(disk, merit, at, bytes);
    }
}

void merit_weigh(const struct merit *merit, struct judge_verdict *verdict)
{
    const struct judge_disk *disk = merit->scene->disk;
    for (uint64_t i = 0; i < disk->block_count; i++)
        if (disk->blocks[i].place != VHDX_NOWHERE)
            weigh_block(merit, verdict, i);
}
