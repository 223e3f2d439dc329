/*
 * What a reader is told of entries of the BAT that are missing. See lost_entries.h.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/lost_entries.h"

#include "base/notice.h"
#include "evidence/absent.h"
#include "evidence/old_bits.h"

#include <inttypes.h>
#include <stdio.h>

#define SHORT_BAT (2 * VX_MIB) /* 256 GiB in blocks of 1 MiB, 8 TiB in those of 32 MiB: some ms */
#define LINE 8192              /* a path, a sentence, and the path again */

static vhdx_status take(void *context, const struct vx_absent *absent, vhdx_error *err)
{
    struct vx_lost_entries *lost = context;
    bool first = lost->blocks == 0;
    (void)err;
    lost->first_block = first ? absent->first_block : vx_min(lost->first_block, absent->first_block);
    lost->blocks += absent->last_block - absent->first_block + 1;
    lost->lossless = absent->lossless && (first || lost->lossless);
    lost->sure |= absent->sure;
    return VHDX_OK;
}

/* Whether all that the log knows of a page stands there, or something is zero instead. */
static vhdx_status page_lacks(struct vx_image *image, struct vx_log_witnesses *log,
                              const struct vx_log_witness *witness, bool *lacks, vhdx_error *err)
{
    uint8_t home[VX_PAGE] = {0}, logged[VX_PAGE];
    size_t got;
    VX_TRY(vx_log_witness_page(log, witness, logged, err));
    VX_TRY(vx_file_read_some(image->view, home, sizeof home, witness->target, &got, err));
    for (size_t i = 0; i < VX_PAGE && !*lacks; i += VX_BAT_ENTRY_SIZE)
        *lacks = vx_get64(home + i) == 0 && vx_get64(logged + i) != 0;
    return VHDX_OK;
}

/* Compares the newest version of each page of the BAT in the log, a few hundred at most, with the page itself. */
static vhdx_status log_says_so(struct vx_image *image, struct vx_log_witnesses *log, bool *lacks, vhdx_error *err)
{
    uint64_t end = image->bat.file_offset + image->bat.length;
    for (size_t i = 0; i < log->count && !*lacks; i++) {
        uint64_t target = log->pages[i].target;
        if (log->pages[i].rank <= 1 && target >= image->bat.file_offset && target < end &&
            (i == 0 || log->pages[i - 1].target != target))
            VX_TRY(page_lacks(image, log, &log->pages[i], lacks, err));
    }
    return VHDX_OK;
}

static vhdx_status walk(struct vx_image *image, struct vx_log_witnesses *log, struct vx_lost_entries *lost,
                        vhdx_error *err)
{
    uint64_t size;
    struct vx_leads leads = {0};
    VX_TRY(vx_file_size(image->view, &size, err));
    const struct vx_bat_source source = {image->view, &image->geometry, image->bat.file_offset, size};
    vhdx_status status = vx_leads_of(&source, &image->header, image->regions, &leads, err);
    const struct vx_absent_search search = {.leads = &leads,
                                            .log = log->open ? log : NULL,
                                            .fixed = vx_image_is_fixed(image) && !vx_image_has_parent(image),
                                            .visit = take,
                                            .context = lost};
    if (status == VHDX_OK && leads.present > 0 && vx_claims_next_free(&leads.owned, 0) < leads.owned.slots)
        status = vx_absent_find(&search, err);
    vx_leads_close(&leads);
    return status;
}

static vhdx_status count_old_bits(void *context, uint64_t payload_block, vhdx_error *err)
{
    struct vx_lost_entries *lost = context;
    (void)payload_block;
    (void)err;
    lost->old_bits++;
    return VHDX_OK;
}

/* A log that is in use was replayed in memory: then all of its bits are there. */
static vhdx_status compare_bits(struct vx_image *image, struct vx_log_witnesses *log, struct vx_lost_entries *lost,
                                vhdx_error *err)
{
    uint64_t size;
    if (!vx_image_has_parent(image) || !log->open)
        return VHDX_OK;
    VX_TRY(vx_file_size(image->view, &size, err));
    const struct vx_bat_source source = {image->view, &image->geometry, image->bat.file_offset, size};
    return vx_old_bits_find(&source, log, count_old_bits, lost, err);
}

vhdx_status vx_lost_entries_find(struct vx_image *image, enum vx_lost_effort effort, struct vx_lost_entries *lost,
                                 vhdx_error *err)
{
    struct vx_log_witnesses log = {0};
    bool is_short = image->geometry.entry_count <= SHORT_BAT / VX_BAT_ENTRY_SIZE;
    bool wanted = effort == VX_LOST_ALL || is_short;
    *lost = (struct vx_lost_entries){0};
    if (image->log == VHDX_LOG_STATE_CORRUPT || image->geometry.entry_count > image->bat.length / VX_BAT_ENTRY_SIZE)
        return VHDX_OK;
    vhdx_status status = vx_absent_open_log_of(image->file, &image->header, &log, err);
    if (status == VHDX_OK && !wanted && log.open)
        status = log_says_so(image, &log, &wanted, err);
    if (status == VHDX_OK && wanted)
        status = walk(image, &log, lost, err);
    if (status == VHDX_OK)
        status = compare_bits(image, &log, lost, err);
    vx_log_witnesses_close(&log);
    return status;
}

static void say_old_bits(const struct vx_image *image, vhdx_notice_fn notice, void *context)
{
    char line[LINE];
    snprintf(line, sizeof line,
             "%s: its log has sectors that its sector bitmaps do not have, and no header names the log any more: they "
             "read as the parent's",
             vx_image_path(image));
    vx_notice_advised(notice, context,
                      &(vhdx_notice){.kind = VHDX_NOTICE_WARNING,
                                     .text = line,
                                     .advice = VHDX_ADVICE_VERIFY_FILE,
                                     .advice_arguments = {vx_image_path(image), NULL}});
}

static void say(const struct vx_image *image, const struct vx_lost_entries *lost, vhdx_notice_fn notice, void *context)
{
    char line[LINE];
    snprintf(line, sizeof line,
             "%s: entries of the BAT %s lost: %" PRIu64 " blocks of the disk, the first at 0x%" PRIx64
             ", read as if they were never written, and content that no block owns is in the file",
             vx_image_path(image), lost->sure ? "are" : "seem to be", lost->blocks,
             lost->first_block * image->geometry.block_size);
    vx_notice_advised(notice, context,
                      &(vhdx_notice){.kind = VHDX_NOTICE_WARNING,
                                     .text = line,
                                     .advice = VHDX_ADVICE_VERIFY_FILE,
                                     .advice_arguments = {vx_image_path(image), NULL}});
}

bool vx_lost_entries_tell(struct vx_image *image, enum vx_lost_effort effort, vhdx_notice_fn notice, void *context)
{
    struct vx_lost_entries lost;
    if (!notice || image->format != VHDX_FORMAT_VHDX || vx_lost_entries_find(image, effort, &lost, NULL) != VHDX_OK)
        return false;
    if (lost.blocks > 0)
        say(image, &lost, notice, context);
    if (lost.old_bits > 0)
        say_old_bits(image, notice, context);
    return lost.blocks + lost.old_bits > 0;
}

vhdx_status vx_lost_entries_check(struct vx_image *image, vhdx_notice_fn notice, void *context, vhdx_error *err)
{
    struct vx_lost_entries lost;
    VX_TRY(vx_lost_entries_find(image, VX_LOST_ALL, &lost, err));
    if (lost.blocks > 0 && !lost.sure && notice)
        say(image, &lost, notice, context);
    if (lost.old_bits > 0 && notice)
        say_old_bits(image, notice, context);
    if (lost.blocks == 0 || !lost.sure)
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, vx_at(vx_image_path(image), "BAT", image->bat.file_offset),
            "entries are lost: %" PRIu64 " blocks of the disk, the first at 0x%" PRIx64
            ", read as if they were never written, and content that no block owns is in the file",
            lost.blocks, lost.first_block * image->geometry.block_size);
    return vx_advise_code(err, VHDX_REFUSED,
                          lost.lossless ? VHDX_ADVICE_REPAIR_ENTRIES_FIRST : VHDX_ADVICE_LOSSY_ENTRIES_FIRST, NULL);
}
