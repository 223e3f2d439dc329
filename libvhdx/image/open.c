/*
 * Opening, strictly: turns a survey into an image or refuses with the place. Also begin and end of writing, because
 * they decide the order of replay, new GUIDs and log. See image.h. No structure is decoded here, no byte of metadata
 * written.
 */
/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/bat_window.h"
#include "image/foreign.h"
#include "image/header_update.h"
#include "image/journal.h"
#include "image/log_replay.h"
#include "image/space.h"
#include "image/survey.h"

#include <inttypes.h>
#include <string.h>

/* A log at such a place cannot be written to. */
#define LOG_UNUSABLE                                                                                                   \
    (VX_HEADER_LOG_LENGTH_UNALIGNED | VX_HEADER_LOG_OFFSET_UNALIGNED | VX_HEADER_LOG_OFFSET_LOW |                      \
     VX_HEADER_LOG_OVERFLOW)

#define DEFAULT_LOG_LENGTH ((uint32_t)VX_MIB)

/* Header updates that must be left: replay, log, identities and close take some in each writable open, and each counts
 * twice. */
#define SEQUENCE_NUMBERS_LEFT 64u

static uint64_t header_offset(int slot)
{
    return slot == 0 ? VX_HEADER1_OFFSET : VX_HEADER2_OFFSET;
}

static vhdx_status check_file_id(const struct vx_image *image, const struct vx_survey *survey, vhdx_error *err)
{
    const char *path = vx_image_path(image), *foreign = NULL;
    if (survey->file_id_status == VHDX_OK)
        return VHDX_OK;
    if (survey->file_size == 0)
        return vx_fail(err, VHDX_NOT_VHDX, vx_at_file(path), "the file is empty");
    if (vx_foreign_look(image->file, &foreign, NULL) == VHDX_OK && foreign) {
        vx_fail(err, VHDX_NOT_VHDX, vx_at_file(path), "this is no VHDX file: it is %s", foreign);
        return vx_advise(err, VHDX_NOT_VHDX,
                         "check that this is the right file; 'qemu-img convert -O vhdx' makes a VHDX of most disks");
    }
    return vx_fail(err, VHDX_NOT_VHDX, vx_at(path, "file identifier", VX_FILE_ID_OFFSET),
                   "this is no VHDX file: its first bytes are not 'vhdxfile'");
}

static vhdx_status take_header(struct vx_image *image, const struct vx_survey *survey, unsigned flags, vhdx_error *err)
{
    const char *path = vx_image_path(image);
    if (survey->current < 0)
        return vx_fail(err, VHDX_CORRUPT, vx_at(path, "header", VX_HEADER1_OFFSET),
                       "neither copy of the header is valid");
    if (survey->tie && !(flags & VX_OPEN_INSPECT))
        return vx_fail(err, VHDX_CORRUPT, vx_at(path, "header", VX_HEADER1_OFFSET),
                       "both copies of the header have sequence number %" PRIu64 " but different content",
                       survey->headers[0].header.sequence_number);
    const struct vx_survey_header *current = &survey->headers[survey->current];
    struct vx_where where = vx_at(path, "header", header_offset(survey->current));
    if (current->rules & VX_HEADER_BAD_VERSION)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the format's version is %u, expected 1",
                       current->header.version);
    if ((current->rules & VX_HEADER_BAD_LOG_VERSION) && !vx_guid_is_zero(&current->header.log_guid) &&
        !(flags & VX_OPEN_INSPECT))
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the log's version is %u, expected 0",
                       current->header.log_version);
    image->header = current->header;
    image->header_slot = survey->current;
    return VHDX_OK;
}

static vhdx_status fail_log(const struct vx_image *image, const struct vx_survey *survey, vhdx_error *err)
{
    struct vx_where where = vx_at(vx_image_path(image), "log", image->header.log_offset);
    if (survey->log == VX_SURVEY_LOG_UNUSABLE && survey->log_error.status != VHDX_OK) {
        if (err)
            *err = survey->log_error;
        return survey->log_error.status;
    }
    if (survey->log == VX_SURVEY_LOG_UNUSABLE)
        return vx_fail(err, VHDX_CORRUPT, where,
                       "the log must be replayed, but the header gives it no usable place (length 0x%" PRIx32 ")",
                       image->header.log_length);
    return vx_fail(err, VHDX_CORRUPT, where,
                   "the log must be replayed, but holds no valid active sequence (%" PRIu32
                   " sectors begin an entry of it)",
                   survey->sequence.own_sectors);
}

static vhdx_status take_log(struct vx_image *image, struct vx_survey *survey, unsigned flags, vhdx_error *err)
{
    image->view = image->file;
    image->log = vx_survey_log_state(survey);
    image->log_age = survey->age;
    if (survey->log == VX_SURVEY_LOG_ACTIVE) {
        image->view = survey->overlay;
        survey->overlay = NULL;
        image->sequence = survey->sequence;
    }
    return image->log != VHDX_LOG_CORRUPT || (flags & VX_OPEN_INSPECT) ? VHDX_OK : fail_log(image, survey, err);
}

static vhdx_status take_regions(struct vx_image *image, const struct vx_survey *survey, vhdx_error *err)
{
    int copy = vx_survey_choose_regions(survey, image->view);
    const struct vx_survey_regions *chosen = copy < 0 ? NULL : &survey->regions[copy];
    struct vx_where where = vx_at(vx_image_path(image), "region table", VX_REGION_TABLE1_OFFSET);
    if (!chosen)
        return vx_fail(err, VHDX_CORRUPT, where, "neither copy of the region table is usable");
    if (chosen->rules & VX_REGION_UNKNOWN_REQUIRED)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "a region that is required is not known to this program");
    image->regions = vx_alloc(1, sizeof *image->regions);
    if (!image->regions)
        return vx_fail_memory(err, "the region table");
    *image->regions = chosen->table;
    image->bat = *vx_region_find(image->regions, &vx_guid_bat_region);
    image->metadata = *vx_region_find(image->regions, &vx_guid_metadata_region);
    if (image->metadata.length > VX_METADATA_REGION_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_image_path(image), "metadata region", image->metadata.file_offset),
                       "the metadata region has 0x%" PRIx32 " bytes, more than any disk needs", image->metadata.length);
    return VHDX_OK;
}

void vx_image_take_parent_names(struct vx_image *image)
{
    const struct vx_items *items = &image->items;
    vhdx_parent_names *names = &image->parent_names;
    *names = (vhdx_parent_names){.relative_path = items->relative_path,
                                 .volume_path = items->volume_path,
                                 .absolute_win32_path = items->absolute_win32_path};
    if (items->locator) {
        names->has_linkage = vx_locator_guid(items->locator, VX_KEY_LINKAGE, &names->linkage);
        names->has_linkage2 = vx_locator_guid(items->locator, VX_KEY_LINKAGE2, &names->linkage2);
    }
}

static enum vhdx_kind kind_of(const struct vx_items *items)
{
    if (items->parameters.flags & VX_PARAMETER_HAS_PARENT)
        return VHDX_KIND_DIFFERENCING;
    return items->parameters.flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED ? VHDX_KIND_FIXED : VHDX_KIND_DYNAMIC;
}

vhdx_status vx_image_refresh(struct vx_image *image, vhdx_error *err)
{
    const struct vx_items *items = &image->items;
    bool has_parent = (items->parameters.flags & VX_PARAMETER_HAS_PARENT) != 0;
    if (!vx_geometry_init(&image->geometry, items->virtual_size, items->parameters.block_size,
                          items->logical_sector_size, has_parent))
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "metadata", image->metadata.file_offset),
                       "block size, sector size and disk size do not fit together");
    if (image->bat.length / VX_BAT_ENTRY_SIZE < image->geometry.entry_count)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "BAT", image->bat.file_offset),
                       "the BAT region has 0x%" PRIx32 " bytes, %" PRIu64 " entries do not fit", image->bat.length,
                       image->geometry.entry_count);
    vx_image_take_parent_names(image);
    image->info = (vhdx_info){.path = vx_image_path(image),
                              .kind = kind_of(items),
                              .log = image->log,
                              .virtual_size = items->virtual_size,
                              .file_size = image->info.file_size,
                              .block_size = items->parameters.block_size,
                              .logical_sector_size = items->logical_sector_size,
                              .physical_sector_size = items->physical_sector_size,
                              .virtual_disk_id = items->virtual_disk_id,
                              .file_write_guid = image->header.file_write_guid,
                              .data_write_guid = image->header.data_write_guid,
                              .creator = image->creator,
                              .parent = has_parent ? &image->parent_names : NULL};
    return VHDX_OK;
}

static vhdx_status take_survey(struct vx_image *image, struct vx_survey *survey, unsigned flags, vhdx_error *err)
{
    VX_TRY(check_file_id(image, survey, err));
    memcpy(image->creator, survey->file_id.creator, sizeof image->creator);
    VX_TRY(take_header(image, survey, flags, err));
    VX_TRY(take_log(image, survey, flags, err));
    VX_TRY(take_regions(image, survey, err));
    image->info.file_size = survey->file_size;
    VX_TRY(vx_items_load(image->view, &image->metadata, (flags & VX_OPEN_UNFINISHED) != 0, &image->items, err));
    return vx_image_refresh(image, err);
}

vhdx_status vx_image_open_file(const vhdx_host *host, struct vx_file *file, unsigned flags, struct vx_image **out,
                               vhdx_error *err)
{
    struct vx_survey *survey = NULL;
    struct vx_image *image = vx_alloc(1, sizeof *image);
    if (!image) {
        vx_file_close(file);
        return vx_fail_memory(err, "an image");
    }
    image->host = vx_host_or_native(host);
    image->file = file;
    vhdx_status status = vx_survey_make(file, &survey, err);
    if (status == VHDX_OK)
        status = take_survey(image, survey, flags, err);
    vx_survey_free(survey);
    if (status == VHDX_OK)
        *out = image;
    else
        vx_image_close(image);
    return status;
}

vhdx_status vx_image_open(const vhdx_host *host, const char *path, unsigned flags, struct vx_image **image,
                          vhdx_error *err)
{
    struct vx_file *file;
    vhdx_file_access access = flags & VX_OPEN_WRITE  ? VHDX_FILE_WRITE
                              : flags & VX_OPEN_PEEK ? VHDX_FILE_PEEK
                                                     : VHDX_FILE_READ;
    VX_TRY(vx_file_open(vx_host_or_native(host), path, access, &file, err));
    return vx_image_open_file(host, file, flags, image, err);
}

static vhdx_status identity(struct vx_image *image, struct vx_survey *survey, vhdx_error *err)
{
    VX_TRY(vx_survey_headers(image->file, survey, err));
    VX_TRY(check_file_id(image, survey, err));
    return take_header(image, survey, 0, err);
}

vhdx_status vx_image_peek_identity(const vhdx_host *host, const char *path, vhdx_guid *data_write_guid,
                                   vhdx_error *err)
{
    struct vx_image image = {.host = vx_host_or_native(host)};
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_file_open(image.host, path, VHDX_FILE_PEEK, &image.file, err);
    if (status == VHDX_OK)
        status = identity(&image, survey, err);
    vx_file_close(image.file);
    vx_free(survey);
    if (status == VHDX_OK)
        *data_write_guid = image.header.data_write_guid;
    return status;
}

static void close_writer(struct vx_image *image)
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

void vx_image_close(struct vx_image *image)
{
    if (!image)
        return;
    close_writer(image);
    vx_items_free(&image->items);
    vx_free(image->regions);
    if (image->view != image->file)
        vx_file_close(image->view);
    vx_file_close(image->file);
    vx_free(image);
}

/* Puts the journal's pending pages over what was read. */
static void apply_pending(const struct vx_image *image, uint8_t *buf, size_t length, uint64_t offset)
{
    uint64_t end = offset + length;
    for (uint64_t page = vx_round_down(offset, VX_PAGE); page < end; page += VX_PAGE) {
        const uint8_t *pending = vx_journal_pending(image->journal, page);
        if (!pending)
            continue;
        uint64_t from = vx_max(page, offset);
        uint64_t to = vx_min(page + VX_PAGE, end);
        memcpy(buf + (from - offset), pending + (from - page), (size_t)(to - from));
    }
}

vhdx_status vx_image_read_metadata(struct vx_image *image, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    VX_TRY(vx_file_read(image->view, buf, length, offset, err));
    if (image->journal)
        apply_pending(image, buf, length, offset);
    return VHDX_OK;
}

/* MS-VHDX 2.3.3: new FileWriteGuid while LogGuid stays, replay, flush (the header's update does), and only then LogGuid
 * becomes zero. */
static vhdx_status replay_to_disk(struct vx_image *image, vhdx_error *err)
{
    struct vx_header header = image->header;
    if (image->log != VHDX_LOG_REPLAYED && image->log != VHDX_LOG_UNBEGUN)
        return VHDX_OK;
    VX_TRY(vx_new_guid(image->host, &header.file_write_guid, err));
    if (image->log == VHDX_LOG_REPLAYED) {
        VX_TRY(vx_header_update(image, &header, err));
        VX_TRY(vx_log_replay(image->file, &image->header, &image->sequence, image->file, err));
    }
    memset(&header.log_guid, 0, sizeof header.log_guid);
    VX_TRY(vx_header_update(image, &header, err));
    if (image->view != image->file)
        vx_file_close(image->view);
    image->view = image->file;
    image->log = VHDX_LOG_CLEAN;
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
    if (image->log == VHDX_LOG_CORRUPT)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "log", image->header.log_offset),
                       "the log must be replayed, but holds no valid active sequence");
    VX_TRY(vx_image_check_log(image, err));
    if (vx_header_rules(&image->header) & LOG_UNUSABLE)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "header", header_offset(image->header_slot)),
                       "the log's place makes no sense (offset 0x%" PRIx64 ", length 0x%" PRIx32 ")",
                       image->header.log_offset, image->header.log_length);
    if (image->header.sequence_number > UINT64_MAX - SEQUENCE_NUMBERS_LEFT)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_image_path(image), "header", header_offset(image->header_slot)),
                       "the header's sequence numbers are nearly used up (%" PRIu64 ")",
                       image->header.sequence_number);
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
    return vx_journal_open(image, &header, with_first_commit, err);
}

vhdx_status vx_image_begin_write(struct vx_image *image, const vhdx_guid *data_write_guid, vhdx_error *err)
{
    return begin(image, data_write_guid, false, err);
}

vhdx_status vx_image_begin_metadata(struct vx_image *image, vhdx_error *err)
{
    return begin(image, NULL, true, err);
}

/* What was taken beyond the last owner and not used goes back to the host. */
static vhdx_status trim_end(struct vx_image *image, uint64_t size_before, vhdx_error *err)
{
    uint64_t end = vx_max(vx_space_end(image->space), size_before);
    return vx_file_cut(image->file, end, err);
}

vhdx_status vx_image_end_write(struct vx_image *image, vhdx_error *err)
{
    VX_TRY(vx_journal_commit(image->journal, err));
    VX_TRY(vx_journal_close(image->journal, err));
    VX_TRY(trim_end(image, image->info.file_size, err));
    VX_TRY(vx_file_flush(image->file, err));
    close_writer(image);
    return vx_file_size(image->file, &image->info.file_size, err);
}

void vx_image_abandon_write(struct vx_image *image)
{
    if (!image->journal)
        return;
    if (!vx_journal_failed(image->journal)) {
        vx_journal_discard(image->journal);
        (void)vx_journal_close(image->journal, NULL); /* when this fails the log stays, and will be replayed */
    }
    close_writer(image);
}
