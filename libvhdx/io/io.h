/*
 * One open file of the host, and the doors that everyone uses to it. The wrappers check ranges, count, add path and
 * offset to errors, supply what the host lacks (punch -> zeros, next_data -> "all of it"), and poison the handle
 * when a flush failed: then nothing is written any more. Whole or failed, never short. What is in the files is none
 * of this room's business.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_IO_H
#define VX_IO_IO_H

#include <stdatomic.h>

#include "base/ranges.h"
#include "base/status.h"

struct vx_file;

/* The identity of a file's content and of its last writer, in two words of the room that knows the format. */
struct vx_identity {
    uint8_t content[16], writer[16];
};

/* Gets to see the bytes of a file before they are lost; see undo_save.h. What fails here is not done. */
struct vx_protector {
    void *context;
    vhdx_status (*save)(void *context, const struct vx_range *ranges, size_t count, vhdx_error *err);
    vhdx_status (*announce)(void *context, const struct vx_identity *identity, vhdx_error *err);
};

/* Atomic because any number of threads may read one file. */
struct vx_file_counters {
    _Atomic uint64_t reads, writes, clones, flushes, bytes_read, bytes_written, bytes_cloned;
};

/* `host` NULL: the native one. Never NULL. */
const vhdx_host *vx_host_or_native(const vhdx_host *host);

/*
 * Passes on the result of a host's function that is called without a door of its own: a failure of which the host said
 * nothing gets its message here ("the file's host failed to ACTION").
 */
vhdx_status vx_host_result(vhdx_status status, const char *path, const char *action, vhdx_error *err);

/*
 * What is in a directory, with the kind of each. A host that does not tell kinds says UNKNOWN for all of them:
 * vx_host_look() then tries.
 */
typedef bool vx_visit_entry_fn(void *visitor, const char *name, vhdx_entry_type type);
vhdx_status vx_host_list_entries(const vhdx_host *host, const char *directory, vx_visit_entry_fn *visit, void *visitor,
                                 vhdx_error *err);
/* What is at a path, through links; `facts` are all zero where the host does not tell. */
vhdx_status vx_host_look(const vhdx_host *host, const char *path, vhdx_entry_type *type, vhdx_file_facts *facts,
                         vhdx_error *err);

vhdx_status vx_file_open(const vhdx_host *host, const char *path, vhdx_open_mode access, struct vx_file **file,
                         vhdx_error *err);
/* Wraps an already open vhdx_io (the overlay does so); takes it over also on failure. `writable`: writes are
 * allowed. */
vhdx_status vx_file_wrap(vhdx_io io, const char *path, bool writable, struct vx_file **file, vhdx_error *err);
/* Takes NULL. Does not flush. */
void vx_file_close(struct vx_file *file);

const char *vx_file_path(const struct vx_file *file);
bool vx_file_writable(const struct vx_file *file);
const struct vx_file_counters *vx_file_counters(const struct vx_file *file);
const vhdx_file_facts *vx_file_facts(const struct vx_file *file); /* gathered at open */
/* For a file whose own bytes are not those of a host that minds holes (the overlay): grow and zero the cheap way. */
void vx_file_allow_holes(struct vx_file *file);
/* false when a host lacks identities: then two names must be compared otherwise. */
bool vx_file_same(const struct vx_file *a, const struct vx_file *b, bool *same);

/* From now on the size is what it is now: for a quick look at a file that another program may be writing to. Returns
 * it. */
vhdx_status vx_file_hold_size(struct vx_file *file, uint64_t *size, vhdx_error *err);

/* TRUNCATED when the range ends beyond the end of the file. */
vhdx_status vx_file_read(struct vx_file *file, void *buf, size_t length, uint64_t offset, vhdx_error *err);
/* Reads what there is of the range (*got may be 0) and fills the rest of `buf` with zeros. */
vhdx_status vx_file_read_some(struct vx_file *file, void *buf, size_t length, uint64_t offset, size_t *got,
                              vhdx_error *err);
vhdx_status vx_file_write(struct vx_file *file, const void *buf, size_t length, uint64_t offset, vhdx_error *err);
vhdx_status vx_file_size(struct vx_file *file, uint64_t *size, vhdx_error *err);
/* Makes the file `size` long if it is shorter; what is gained reads as zeros. Where sparse files harm, zeros are
 * written in order. */
vhdx_status vx_file_grow(struct vx_file *file, uint64_t size, vhdx_error *err);
/* Cuts the file if it is longer. */
vhdx_status vx_file_cut(struct vx_file *file, uint64_t size, vhdx_error *err);
/* Returns at once when nothing was changed through this handle since the last flush; the first one always reaches the
 * host. */
vhdx_status vx_file_flush(struct vx_file *file, vhdx_error *err);
/* Makes the range read as zeros: by punching where the host can and sparse files do no harm, else by writing. As
 * with a write, the file grows when the range ends beyond its end. */
vhdx_status vx_file_zero(struct vx_file *file, uint64_t offset, uint64_t length, vhdx_error *err);
/* Gives the volume the space of a range inside the file; it reads as zeros then. UNSUPPORTED (no error text): the host
 * cannot, and the range is as it was. */
vhdx_status vx_file_give_back(struct vx_file *file, uint64_t offset, uint64_t length, vhdx_error *err);
/* Shares bytes of `source`. UNSUPPORTED (no error text): the caller copies. */
vhdx_status vx_file_clone(struct vx_file *file, uint64_t offset, struct vx_file *source, uint64_t source_offset,
                          uint64_t length, vhdx_error *err);
/* Whether the two hosts' files say that sharing works; what a plan counts on. Only vx_file_clone() knows. */
bool vx_file_may_clone(const struct vx_file *file, const struct vx_file *source);
/* NULL: nobody. The protector must outlive the file, or be taken away. */
bool vx_file_is_protected(const struct vx_file *file);
void vx_file_protect(struct vx_file *file, const struct vx_protector *protector);
/*
 * Tells the protector, if there is one, what is going to change. Nobody has to: each change is told by itself; but many
 * at once cost one flush instead of one each. The ranges should be sorted.
 */
vhdx_status vx_file_will_change(struct vx_file *file, const struct vx_range *ranges, size_t count, vhdx_error *err);
/* Tells the protector the identity that the file will have; to be called before the bytes that say so are written. */
vhdx_status vx_file_will_be(struct vx_file *file, const struct vx_identity *identity, vhdx_error *err);
void vx_file_will_need(struct vx_file *file, uint64_t offset, uint64_t length);
void vx_file_dont_need(struct vx_file *file, uint64_t offset, uint64_t length);
/* The first range at or after `offset` that may hold something; *length = 0: none up to the end. Never fails: a host
 * that cannot tell says "all of it". */
void vx_file_next_data(struct vx_file *file, uint64_t offset, uint64_t *data_offset, uint64_t *length);
/* In how many pieces the file is on its volume; false: the host does not tell. */
bool vx_file_extents(struct vx_file *file, uint64_t *count);
/* The file's security descriptor as NTFS has it, whole, `*size` bytes of `room`; false: there is none to be read, or it
 * is longer. */
bool vx_file_security(struct vx_file *file, void *buf, size_t room, size_t *size);

#endif
