/*
 * Writing log entries. See log_write.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/log_write.h"

#include "base/alloc.h"

vhdx_status vx_log_writer_open(struct vx_log_writer *writer, const vhdx_host *host, const struct vx_header *header,
                               vhdx_error *err)
{
    uint64_t start;
    *writer = (struct vx_log_writer){
        .log_offset = header->log_offset, .log_length = header->log_length, .log_guid = header->log_guid};
    /* Random as Windows does it, so that entries of other times are never taken for neighbours of ours. */
    VX_TRY(vx_host_result(host->random(host->context, &start, sizeof start, err), NULL, "give random bytes", err));
    writer->next_sequence = (start >> 1) | 1;
    return VHDX_OK;
}

void vx_log_writer_close(struct vx_log_writer *writer)
{
    vx_free(writer->entry);
    writer->entry = NULL;
}

vhdx_status vx_log_writer_to_unused(struct vx_log_writer *writer, struct vx_file *file, vhdx_error *err)
{
    uint8_t page[VX_PAGE];
    uint32_t run = 0, longest = 0;
    for (uint32_t at = 0; at < writer->log_length; at += VX_PAGE) {
        size_t got;
        VX_TRY(vx_file_read_some(file, page, VX_PAGE, writer->log_offset + at, &got, err));
        run = vx_is_zero(page, VX_PAGE) ? run + VX_PAGE : 0;
        if (run > longest) {
            longest = run;
            writer->next_at = at + VX_PAGE - run;
        }
    }
    return VHDX_OK;
}

uint32_t vx_log_writer_page_limit(const struct vx_log_writer *writer)
{
    uint32_t half = writer->log_length / VX_PAGE / 2;
    uint32_t pages = half;
    while (pages > 0 && vx_log_entry_size(pages) > (uint64_t)half * VX_PAGE)
        pages--;
    return pages;
}

static vhdx_status make_room(struct vx_log_writer *writer, size_t size, vhdx_error *err)
{
    if (size <= writer->entry_room)
        return VHDX_OK;
    uint8_t *entry = vx_resize(writer->entry, size, 1);
    if (!entry)
        return vx_fail_memory(err, "a log entry");
    writer->entry = entry;
    writer->entry_room = size;
    return VHDX_OK;
}

/* MS-VHDX 2.3.1.1: FlushedFileOffset is a size known to be stable, LastFileOffset one in which everything fits. The
 * file has been flushed as long as it is now. */
static vhdx_status set_file_offsets(struct vx_log_header *header, struct vx_file *file, vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(file, &size, err));
    header->flushed_file_offset = vx_round_down(size, VX_OBJECT_ALIGNMENT);
    if (!vx_round_up(size, VX_OBJECT_ALIGNMENT, &header->last_file_offset))
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(file)), "the file is too long");
    return VHDX_OK;
}

/* An entry that does not fit before the ring's end goes on at its beginning. */
static vhdx_status write_wrapped(struct vx_log_writer *writer, struct vx_file *file, size_t size, vhdx_error *err)
{
    size_t first = (size_t)vx_min(size, writer->log_length - writer->next_at);
    VX_TRY(vx_file_write(file, writer->entry, first, writer->log_offset + writer->next_at, err));
    if (first < size)
        VX_TRY(vx_file_write(file, writer->entry + first, size - first, writer->log_offset, err));
    return VHDX_OK;
}

vhdx_status vx_log_write(struct vx_log_writer *writer, struct vx_file *file, const struct vx_log_page *pages,
                         uint32_t page_count, vhdx_error *err)
{
    size_t size = (size_t)vx_log_entry_size(page_count);
    struct vx_log_header header = {
        .tail = writer->next_at, .sequence_number = writer->next_sequence, .log_guid = writer->log_guid};
    VX_TRY(set_file_offsets(&header, file, err));
    VX_TRY(make_room(writer, size, err));
    vx_log_entry_encode(&header, pages, page_count, writer->entry);
    VX_TRY(write_wrapped(writer, file, size, err));
    writer->next_at = (uint32_t)((writer->next_at + size) % writer->log_length);
    writer->next_sequence++;
    return VHDX_OK;
}
