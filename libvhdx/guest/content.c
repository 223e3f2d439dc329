/*
 * Looking inside of the virtual disk. See content.h. The verdict counts only what was seen: each agreement is a
 * checksum, a copy or a structure found where another one says that it is; one contradiction makes it doubtful,
 * because nothing that a guest closed cleanly contradicts itself here.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/content.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/status.h"
#include "base/text.h"
#include "guest/closed.h"
#include "guest/filesystems.h"
#include "guest/partitions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIRST_LOOK 4096u

static void add_fs(struct vx_content *content, const struct vx_fs *fs)
{
    content->agreements += fs->agreements;
    content->contradictions += fs->contradictions;
}

static void look_at_fs(const struct vx_content_source *source, uint64_t offset, uint64_t length, struct vx_fs *fs)
{
    vx_fs_look(source, offset, length, fs);
    fs->closed = vx_fs_look_closed(source, offset, length, fs->kind);
}

static void look_at_partitions(const struct vx_content_source *source, struct vx_content *content)
{
    for (uint32_t i = 0; i < content->partition_count; i++) {
        struct vx_partition *partition = &content->partitions[i];
        look_at_fs(source, partition->offset, partition->length, &partition->fs);
        add_fs(content, &partition->fs);
    }
}

static bool is_recognized(const struct vx_content *content)
{
    return content->table != VX_TABLE_NONE || content->protective_mbr || content->primary.damaged ||
           content->backup.damaged || content->whole.kind != VX_FS_NONE;
}

static enum vx_content_verdict judge(const struct vx_content_source *source, const struct vx_content *content)
{
    uint8_t bytes[FIRST_LOOK];
    if (is_recognized(content))
        return content->contradictions == 0 ? VX_CONTENT_ALIVE : VX_CONTENT_DOUBTFUL;
    if (!vx_content_read(source, bytes, (size_t)vx_min(sizeof bytes, source->size), 0))
        return VX_CONTENT_UNREADABLE;
    return vx_is_zero(bytes, (size_t)vx_min(sizeof bytes, source->size)) ? VX_CONTENT_EMPTY : VX_CONTENT_UNKNOWN;
}

void vx_content_look(const struct vx_content_source *source, struct vx_content *content)
{
    *content = (struct vx_content){0};
    vx_partitions_find(source, content);
    if (content->table == VX_TABLE_NONE)
        look_at_fs(source, 0, source->size, &content->whole);
    add_fs(content, &content->whole);
    look_at_partitions(source, content);
    content->verdict = judge(source, content);
}

/* ---- in words ---- */

static void append_size(struct vx_text *text, uint64_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    uint64_t value = size;
    while (value >= 10240 && unit < 6) {
        value /= 1024;
        unit++;
    }
    vx_text_add(text, "%" PRIu64 " %s", value, units[unit]);
}

static void append_closed(struct vx_text *text, enum vx_fs_closed closed)
{
    if (closed != VX_FS_CLOSED_UNKNOWN)
        vx_text_add(text, closed == VX_FS_CLOSED_CLEANLY ? " (clean)" : " (not closed cleanly)");
}

static void append_partitions(struct vx_text *text, const struct vx_content *content)
{
    uint32_t others = 0, told = 0;
    for (uint32_t i = 0; i < content->partition_count; i++) {
        const struct vx_partition *partition = &content->partitions[i];
        if (partition->fs.kind == VX_FS_NONE) {
            others++;
            continue;
        }
        vx_text_add(text, "%s%s ", told++ ? ", " : ": ", vx_fs_name(partition->fs.kind));
        append_size(text, partition->length);
        append_closed(text, partition->fs.closed);
    }
    if (others > 0)
        vx_text_add(text, "%s%" PRIu32 " not recognized", told ? ", " : ": ", others);
}

static void append_table(struct vx_text *text, const struct vx_content *content)
{
    vx_text_add(text, "%s with %s%" PRIu32 " partition%s", content->table == VX_TABLE_GPT ? "GPT" : "MBR",
                content->more_partitions ? "more than " : "", content->partition_count,
                content->partition_count == 1 ? "" : "s");
    append_partitions(text, content);
}

void vx_content_text(const struct vx_content *content, char *bytes, size_t size)
{
    if (size == 0)
        return;
    struct vx_text text = vx_text_begin(bytes, size);
    if (content->table != VX_TABLE_NONE) {
        append_table(&text, content);
    } else if (content->whole.kind != VX_FS_NONE) {
        vx_text_add(&text, "%s without a partition table", vx_fs_name(content->whole.kind));
        append_closed(&text, content->whole.closed);
    } else if (is_recognized(content)) {
        vx_text_add(&text, "a damaged partition table");
    } else {
        vx_text_add(&text, "%s",
                    content->verdict == VX_CONTENT_EMPTY        ? "empty at its beginning"
                    : content->verdict == VX_CONTENT_UNREADABLE ? "not readable at its beginning"
                                                                : "nothing that is recognized");
    }
}
