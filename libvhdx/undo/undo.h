/*
 * The undo file's format: what the bytes mean that docs/undo-file.md describes, read and written. Which bytes are
 * saved, and when, is decided in undo_save.c; undo_apply.c puts them back. Nothing of any disk format is known here:
 * the identity of a disk comes as two opaque words.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_UNDO_UNDO_H
#define VX_UNDO_UNDO_H

#include "base/bytes.h"
#include "io/io.h"

#define VX_UNDO_HEADER_SIZE 64u
#define VX_UNDO_RECORD_SIZE 72u
#define VX_UNDO_PIECE ((uint64_t)1048576)       /* a record of stored or compressed bytes restores so many at most */
#define VX_UNDO_HEAD_LENGTH ((uint64_t)1048576) /* the beginning of a target, kept as one record */
#define VX_UNDO_TARGETS_MAX 4096u
#define VX_UNDO_IDENTITIES_MAX 65536u /* of one target */

enum vx_undo_type {
    VX_UNDO_TARGET = 1,   /* a file that is protected from here on */
    VX_UNDO_IDENTITY = 2, /* the identities that it may have */
    VX_UNDO_DATA = 3,     /* old bytes of it */
    VX_UNDO_END = 4,      /* the protected work came to its end */
};

enum vx_undo_codec {
    VX_UNDO_STORED = 0,
    VX_UNDO_ZLIB = 1,
    VX_UNDO_ZEROS = 2, /* all zeros: no payload, any length */
};

#define VX_UNDO_FLAG_HEAD 1u /* DATA: the beginning of the file; comes first of its target, is put back last */

struct vx_undo_record {
    uint16_t type, codec;
    uint32_t target; /* number of the target, from 0 */
    uint32_t flags;
    uint32_t batch;    /* records of one number were made durable together, before what they protect was overwritten */
    uint64_t number;   /* from 0 */
    uint64_t previous; /* place of the record before, 0 = none */
    uint64_t offset, length; /* DATA: the range in the target; TARGET: 0 and its original size */
    uint64_t content_hash;   /* DATA: XXH3-64 of the old bytes, 0 for ZEROS */
    uint32_t payload_size;
};

/* ---- writing ---- */

struct vx_undo_packer; /* a compressor with its buffers */

/* Records on their way into an open undo file. */
struct vx_undo_writer {
    struct vx_file *file;
    uint64_t seed; /* of the checksums: from the file's own id, so that records of another one are never taken for this
                      one's */
    uint64_t end;  /* where the next record goes, those in `out` included */
    uint64_t last; /* place of the last record, 0 = none */
    uint64_t next_number;
    uint32_t batch;
    uint8_t *out; /* records that were not written yet */
    size_t out_used;
    bool dirty;       /* something was put and is not durable */
    bool batch_begun; /* `batch` has a record */
    bool failed;      /* nothing more is put */
    struct vx_undo_packer *packer;
};

/* Whether the file is what a power cut may leave of an undo file that was just being made: shorter than a header, or a
 * header of zeros. */
vhdx_status vx_undo_is_blank(struct vx_file *file, bool *is_blank, vhdx_error *err);
/* Writes the header of a new undo file, durably: what comes behind it is never without it. `file` stays the caller's.
 */
vhdx_status vx_undo_writer_create(struct vx_undo_writer *writer, struct vx_file *file, const vhdx_host *host,
                                  vhdx_error *err);
struct vx_undo_content;
/* Goes on behind the last good record of a file that was read; what is behind it is cut off. */
vhdx_status vx_undo_writer_continue(struct vx_undo_writer *writer, struct vx_file *file,
                                    const struct vx_undo_content *content, vhdx_error *err);
void vx_undo_writer_close(struct vx_undo_writer *writer);
/* `record`: number, previous, batch and payload_size are filled here. */
vhdx_status vx_undo_put(struct vx_undo_writer *writer, struct vx_undo_record *record, const void *payload, size_t size,
                        vhdx_error *err);
/* DATA of `length` <= VX_UNDO_PIECE old bytes, in the shortest form. */
vhdx_status vx_undo_put_bytes(struct vx_undo_writer *writer, uint32_t target, uint32_t flags, uint64_t offset,
                              const void *bytes, size_t length, vhdx_error *err);
/* Makes durable what was put. */
vhdx_status vx_undo_commit(struct vx_undo_writer *writer, vhdx_error *err);

/* ---- reading ---- */

/* What the file says about one target. Strings are the content's. */
struct vx_undo_known {
    char *absolute; /* the path when the file was begun */
    char *relative; /* seen from the undo file's directory, "" when it did not are below it */
    uint64_t size;
    uint64_t head; /* place of the record with the file's beginning; 0 = none: nothing of the file was ever changed */
    struct vx_identity *identities;
    size_t identity_count, identity_room;
};

struct vx_undo_content {
    uint64_t seed;
    struct vx_undo_known *targets;
    size_t target_count;
    uint64_t record_count;
    uint64_t last; /* place of the last good record, 0 = none */
    uint64_t end;  /* behind the last good record */
    uint64_t file_size;
    uint64_t old_bytes; /* that all DATA records hold */
    uint32_t batch;     /* of the last record */
    bool ended;         /* the last record is END */
    bool damaged;       /* behind `end` is a record so much later that what is missing had been durable */
};

typedef vhdx_status vx_undo_visit_fn(void *context, const struct vx_undo_record *record, vhdx_error *err);

/*
 * Reads and checks all records, up to the first that is not whole, and calls `visit` (may be NULL) for each of DATA.
 * NOT_VHDX: the file is no undo file; UNSUPPORTED: of another version. Clear the content in any case.
 */
vhdx_status vx_undo_read(struct vx_file *file, struct vx_undo_content *content, vx_undo_visit_fn *visit, void *context,
                         vhdx_error *err);
void vx_undo_content_clear(struct vx_undo_content *content);

/* Buffers for reading single records: `payload` as it is, `bytes` as they were. */
struct vx_undo_reader {
    struct vx_file *file;
    uint64_t seed, file_size;
    uint8_t *payload, *bytes;
};

vhdx_status vx_undo_reader_open(struct vx_undo_reader *reader, struct vx_file *file, uint64_t seed, vhdx_error *err);
void vx_undo_reader_close(struct vx_undo_reader *reader);
/* The record at `place` with its payload; *good = false when it is not whole. */
vhdx_status vx_undo_reader_get(struct vx_undo_reader *reader, uint64_t place, struct vx_undo_record *record, bool *good,
                               vhdx_error *err);
/* The old bytes of the DATA record that was read last, into `bytes`; nothing to do for ZEROS. false: the payload does
 * not give them. */
bool vx_undo_reader_unpack(struct vx_undo_reader *reader, const struct vx_undo_record *record);

#endif
