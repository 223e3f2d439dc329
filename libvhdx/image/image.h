/*
 * One open VHDX file, as the other files of this room share it. Reading goes through `view`: the file itself, or an
 * overlay in which a dirty log has been replayed. Opening never writes; vx_image_begin_write() does the first write
 * (replay, new FileWriteGuid, a log of our own), and after it metadata changes only through the journal.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_IMAGE_H
#define VX_IMAGE_IMAGE_H

#include "format/file_id.h"
#include "format/geometry.h"
#include "format/header.h"
#include "format/region.h"
#include "image/header_update.h"
#include "image/items.h"
#include "image/log_scan.h"
#include "image/survey.h"
#include "image/writing.h"
#include "io/io.h"
#include "vhd/vhd_file.h"

#include <string.h>

struct vx_journal;
struct vx_space;
struct vx_bat_window;

struct vx_image {
    const vhdx_host *host;
    struct vx_file *file;
    struct vx_file *view; /* == file, or an overlay on it */
    char creator[VX_UTF8_ROOM(VX_CREATOR_SIZE)];
    struct vx_header header; /* the current one, as on disk */
    int header_slot;         /* 0 or 1: where it is */
    enum vhdx_log_state log;
    struct vx_log_sequence sequence; /* when log is REPLAYED */
    struct vx_survey_age log_age;    /* when log is REPLAYED or STALE */
    struct vx_region_table *regions; /* the chosen copy */
    struct vx_region bat, metadata;
    struct vx_items items;
    struct vx_geometry geometry;
    vhdx_info info; /* what the public interface shows; strings belong to the members above */
    vhdx_parent_names parent_names;
    vhdx_format format; /* of others than VHDX there are view, geometry, info and parent_names only; see other.c */
    struct vx_vhd *vhd; /* of a VHD */
    /* while writing */
    struct vx_journal *journal; /* NULL until vx_image_begin_write() */
    struct vx_space *space;
    struct vx_bat_window *bat_window; /* of the writer, kept equal to what it writes */
};

enum vx_open_flags {
    VX_OPEN_WRITE = 1,   /* exclusive; nothing is written yet */
    VX_OPEN_INSPECT = 2, /* a corrupt log and contradicting headers are shown, not refused; content must not be read */
    VX_OPEN_PEEK = 4,    /* take and respect no locks */
    VX_OPEN_UNFINISHED = 8, /* a disk that is just being made: see create.h */
    VX_OPEN_VHD = 16,       /* a VHD will do as well, for reading */
    VX_OPEN_RAW = 32,       /* what is neither VHDX nor VHD is a raw disk */
    VX_OPEN_ONLY_RAW = 64,  /* whatever it looks like */
};

/* Strict: refuses what it cannot vouch for, with the place. Statuses as vhdx_image_open. */
vhdx_status vx_image_open(const vhdx_host *host, const char *path, unsigned flags, struct vx_image **image,
                          vhdx_error *err);
/* The same on an open file, which the image takes over, also on failure. */
vhdx_status vx_image_open_file(const vhdx_host *host, struct vx_file *file, unsigned flags, struct vx_image **image,
                               vhdx_error *err);
/* The DataWriteGuid of the disk at `path`: two small reads, no locks, no log. Fails as vx_image_open does for header
 * and identifier. */
vhdx_status vx_image_peek_identity(const vhdx_host *host, const char *path, vhdx_guid *data_write_guid,
                                   vhdx_error *err);
/* Takes NULL. Writes nothing: without vx_image_end_write() the log stays as it is and will be replayed. */
void vx_image_close(struct vx_image *image);

/* Tells what a reader of the disk should know of its log, as one WARNING. `notice` may be NULL. */
void vx_image_tell(const struct vx_image *image, vhdx_notice_fn notice, void *context);
/* Refuses a disk whose log contradicts it: writing to it, or merging it, would settle that in silence. */
vhdx_status vx_image_check_log(const struct vx_image *image, vhdx_error *err);

static inline const char *vx_image_path(const struct vx_image *image)
{
    return vx_file_path(image->file);
}

static inline struct vx_head vx_image_head(struct vx_image *image)
{
    return (struct vx_head){image->host, image->file, &image->header, &image->header_slot};
}

/* A disk whose bytes are those of its file, from the first on. */
static inline bool vx_image_is_plain(const struct vx_image *image)
{
    return image->format == VHDX_FORMAT_RAW || (image->vhd && vx_vhd_is_fixed(image->vhd));
}

static inline bool vx_image_has_parent(const struct vx_image *image)
{
    return image->geometry.has_parent;
}

static inline bool vx_image_is_fixed(const struct vx_image *image)
{
    return image->info.kind == VHDX_KIND_FIXED;
}

/* Reads metadata as it will be when the journal's pending pages are committed. */
vhdx_status vx_image_read_metadata(struct vx_image *image, void *buf, size_t length, uint64_t offset, vhdx_error *err);

/*
 * Whether the second linkage of a disk is its own identity: the mark of a layer whose content was merged into its
 * parent, the disk that the first linkage names, and that was kept. It never names a parent.
 */
static inline bool vx_is_merged_mark(bool has_linkage2, const vhdx_guid *linkage2, const vhdx_guid *data_write_guid)
{
    return has_linkage2 && memcmp(linkage2, data_write_guid, sizeof *linkage2) == 0;
}

static inline bool vx_image_is_merged(const struct vx_image *image)
{
    return vx_is_merged_mark(image->parent_names.has_linkage2, &image->parent_names.linkage2,
                             &image->header.data_write_guid);
}

/*
 * other.c: makes `image` (with its file) one of another format, where `flags` allow that and the file is none of a
 * VHDX. *taken: it is; else it may be a VHDX.
 */
vhdx_status vx_image_take_other(struct vx_image *image, unsigned flags, bool *taken, vhdx_error *err);

/* Takes parent_names anew from the items. */
void vx_image_take_parent_names(struct vx_image *image);
/* Takes geometry and facts anew from the items (after they were loaded or changed). */
vhdx_status vx_image_refresh(struct vx_image *image, vhdx_error *err);

#endif
