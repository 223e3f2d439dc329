/*
 * Begin, commit and end of writing. See writing.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/writing.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/bat_window.h"
#include "image/header_update.h"
#include "image/journal.h"
#include "image/log_replay.h"
#include "image/space.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_LOG_LENGTH ((uint32_t)VX_MIB)

/* Header updates that must be left: replay, log, identities and close take some in each writable open, and each counts
 * twice. */
#define SEQUENCE_NUMBERS_LEFT 64u

static uint64_t header_offset(int slot)
{
    return slot == 0 ? VX_HEADER1_OFFSET : VX_HEADER2_OFFSET;
}

void vx_image_close_writer(struct vx_image *image)
{
    vx_journal_free(image->journal);
    vx_space_close(image->space);
    if (image->bat_window)
        vx_bat_window_close(image->bat_window);
    vx_free(image->bat_window);
    image->journal = NULL;
    image->space = NULL;
    image->bat_window = NULL;
}

/* MS-VHDX 2.3.3: new FileWriteGuid while LogGuid stays, replay, flush (the header's update does), and only then LogGuid
 * becomes zero. */
static vhdx_status replay_to_disk(struct vx_image *image, vhdx_error *err)
{
    struct vx_header header = image->header;
    const struct vx_head head = vx_image_head(image);
    if (image->log != VHDX_LOG_STATE_REPLAYED && image->log != VHDX_LOG_STATE_UNBEGUN)
        return VHDX_OK;
    VX_TRY(vx_new_guid(image->host, &header.file_write_guid, err));
    if (image->log == VHDX_LOG_STATE_REPLAYED) {
        VX_TRY(vx_header_update(&head, &header, err));
        VX_TRY(vx_log_replay(image->file, &image->header, &image->sequence, image->file, err));
    }
    memset(&header.log_guid, 0, sizeof header.log_guid);
    VX_TRY(vx_header_update(&head, &header, err));
    if (image->view != image->file)
        vx_file_close(image->view);
    image->view = image->file;
    image->log = VHDX_LOG_STATE_CLEAN;
    return VHDX_OK;
}

/* A disk may come without a log, or with one that is out of bounds while nothing is in it: place one of the usual
 * length. */
static vhdx_status place_log(struct vx_image *image, struct vx_header *header, vhdx_error *err)
{
    bool fresh;
    if (header->log_length > 0)
        return VHDX_OK;
    VX_TRY(vx_space_take(image->space, DEFAULT_LOG_LENGTH, &header->log_offset, &fresh, err));
    VX_TRY(vx_space_materialize(image->space, err));
    header->log_length = DEFAULT_LOG_LENGTH;
    return VHDX_OK;
}

static vhdx_status open_writer(struct vx_image *image, vhdx_error *err)
{
    VX_TRY(vx_space_open(image, &image->space, err));
    image->bat_window = vx_alloc(1, sizeof *image->bat_window);
    if (!image->bat_window)
        return vx_fail_memory(err, "a window of the BAT");
    return vx_bat_window_open(image, VX_BAT_WINDOW_LARGE, image->bat_window, err);
}

static vhdx_status check_writable(const struct vx_image *image, vhdx_error *err)
{
    const vhdx_file_facts *facts = vx_file_facts(image->file);
    struct vx_where where = vx_at_file(vx_image_path(image));
    if (image->log == VHDX_LOG_STATE_CORRUPT)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "log", image->header.log_offset),
                       "the log must be replayed, but holds no valid active sequence");
    VX_TRY(vx_image_check_log(image, err));
    if (vx_header_rules(&image->header) & VX_HEADER_LOG_MISPLACED)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "header", header_offset(image->header_slot)),
                       "the log's place makes no sense (offset 0x%" PRIx64 ", length 0x%" PRIx32 ")",
                       image->header.log_offset, image->header.log_length);
    if (image->header.sequence_number > UINT64_MAX - SEQUENCE_NUMBERS_LEFT)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_image_path(image), "header", header_offset(image->header_slot)),
                       "the header's sequence numbers are nearly used up (%" PRIu64 ")", image->header.sequence_number);
    if ((facts->attributes & VHDX_FILE_SPARSE_HARMS) && (facts->attributes & VHDX_FILE_IS_ENCRYPTED))
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the file is encrypted by its file system");
    return VHDX_OK;
}

vhdx_status vx_image_check_write(struct vx_image *image, vhdx_error *err)
{
    struct vx_space *space;
    VX_TRY(check_writable(image, err));
    VX_TRY(vx_space_open(image, &space, err));
    vx_space_close(space);
    return VHDX_OK;
}

vhdx_status vx_image_unused_bytes(struct vx_image *image, uint64_t least, uint64_t *bytes, vhdx_error *err)
{
    struct vx_space *space;
    VX_TRY(vx_space_open(image, &space, err));
    *bytes = vx_space_unused_bytes(space, least);
    vx_space_close(space);
    return VHDX_OK;
}

/* What the public interface shows of the header, after it changed. */
static void take_guids(struct vx_image *image)
{
    image->info.file_write_guid = image->header.file_write_guid;
    image->info.data_write_guid = image->header.data_write_guid;
}

static vhdx_status begin(struct vx_image *image, const vhdx_guid *data_write_guid, bool with_first_commit,
                         vhdx_error *err)
{
    if (!vx_file_writable(image->file))
        return vx_fail(err, VHDX_STATE, vx_at_file(vx_image_path(image)), "the image was not opened for writing");
    VX_TRY(check_writable(image, err));
    VX_TRY(open_writer(image, err)); /* judges the whole BAT as it is after replay, before the first byte is written */
    VX_TRY(replay_to_disk(image, err));
    struct vx_header header = image->header;
    VX_TRY(vx_new_guid(image->host, &header.file_write_guid, err));
    header.log_version = VX_LOG_VERSION; /* whatever was there: it did not matter while the log was empty */
    if (data_write_guid)
        header.data_write_guid = *data_write_guid;
    VX_TRY(place_log(image, &header, err));
    const struct vx_head head = vx_image_head(image);
    VX_TRY(vx_journal_open(&head, &header, with_first_commit, &image->journal, err));
    take_guids(image);
    return VHDX_OK;
}

vhdx_status vx_image_begin_write(struct vx_image *image, const vhdx_guid *data_write_guid, vhdx_error *err)
{
    return begin(image, data_write_guid, false, err);
}

vhdx_status vx_image_begin_metadata(struct vx_image *image, vhdx_error *err)
{
    return begin(image, NULL, true, err);
}

vhdx_status vx_image_begin_change(struct vx_image *image, const vhdx_guid *data_write_guid, vhdx_error *err)
{
    return begin(image, data_write_guid, true, err);
}

vhdx_status vx_image_commit(struct vx_image *image, vhdx_error *err)
{
    VX_TRY(vx_journal_commit(image->journal, err));
    take_guids(image);
    if (image->space)
        vx_space_committed(image->space); /* J5 */
    return VHDX_OK;
}

/* What was taken beyond the last owner and not used goes back to the host. */
static vhdx_status trim_end(struct vx_image *image, uint64_t size_before, vhdx_error *err)
{
    uint64_t end = vx_max(vx_space_end(image->space), size_before);
    return vx_file_cut(image->file, end, err);
}

vhdx_status vx_image_end_write(struct vx_image *image, vhdx_error *err)
{
    VX_TRY(vx_image_commit(image, err));
    VX_TRY(vx_journal_close(image->journal, err));
    VX_TRY(trim_end(image, image->info.file_size, err));
    VX_TRY(vx_file_flush(image->file, err));
    vx_image_close_writer(image);
    return vx_file_size(image->file, &image->info.file_size, err);
}

void vx_image_abandon_write(struct vx_image *image)
{
    if (image->journal && !vx_journal_failed(image->journal)) {
        vx_journal_discard(image->journal);
        (void)vx_journal_close(image->journal, NULL); /* when this fails the log stays, and will be replayed */
    }
    vx_image_close_writer(image);
}
