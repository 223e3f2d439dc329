/*
 * Begin, commit and end of writing: the order of replay, new GUIDs, log and space. Metadata itself changes through the
 * journal only (journal.h).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_WRITING_H
#define VX_IMAGE_WRITING_H

#include "image/image.h"

/*
 * Makes the image ready for changes: replays a dirty log to disk, checks that every byte of the file has one owner at
 * most, gives the file a new FileWriteGuid and a log of our own. `data_write_guid` is the new identity of the content,
 * NULL to keep it (MS-VHDX 2.2.2: it changes before the first change that a reader of the virtual disk could see, and
 * only then).
 */
vhdx_status vx_image_begin_write(struct vx_image *image, const vhdx_guid *data_write_guid, vhdx_error *err);
/* The same for callers that change metadata only: the FileWriteGuid and the log come with the first commit, and without
 * one not at all. */
vhdx_status vx_image_begin_metadata(struct vx_image *image, vhdx_error *err);
/* As vx_image_begin_metadata(), and the new DataWriteGuid comes with the first commit too: for changes of metadata that
 * a guest can see. */
vhdx_status vx_image_begin_change(struct vx_image *image, const vhdx_guid *data_write_guid, vhdx_error *err);
/* Refuses what vx_image_begin_write() would refuse to begin with; writes nothing, and the image need not be open for
 * writing. */
vhdx_status vx_image_check_write(struct vx_image *image, vhdx_error *err);
/* As vx_space_unused_bytes(), of an image that need not be in writing. */
vhdx_status vx_image_unused_bytes(struct vx_image *image, uint64_t least, uint64_t *bytes, vhdx_error *err);
/* Makes the journal's pending pages durable, all or none; what was released before may be taken again then. */
vhdx_status vx_image_commit(struct vx_image *image, vhdx_error *err);
/* Commits what is pending, empties the log and marks the file as cleanly closed. */
vhdx_status vx_image_end_write(struct vx_image *image, vhdx_error *err);
/* Forgets what is pending and, when everything committed before is at home, closes cleanly all the same. Never
 * fails. */
void vx_image_abandon_write(struct vx_image *image);
/* Frees what belongs to writing; writes nothing. For vx_image_close(). */
void vx_image_close_writer(struct vx_image *image);

#endif
