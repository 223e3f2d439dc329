/*
 * Records of an undo file, into bytes and back; docs/undo-file.md says the same in words. No file but the undo file
 * itself is touched here.
 *
 * A reader believes a record only when its checksum, its number and its way back fit, and it
 * believes nothing behind the first one that does not; a writer reuses the place of records that were cut off, so a
 * checksum is seeded with the file's own id.
 */
/* SPDX-License-Identifier: MIT */
#include "undo/undo.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

#define RECORD_MAGIC UINT32_C(0x72757876) /* "vxur" */
#define FILE_VERSION 1u
#define ALIGNMENT 8u
#define OUT_ROOM ((size_t)(2 * VX_MIB))
#define PAYLOAD_MAX ((size_t)VX_MIB)
#define IDENTITY_SIZE 32u
#define COMPRESSION_LEVEL 1 /* old bytes are written once and read hardly ever */

static const uint8_t file_magic[8] = {'v', 'h', 'd', 'x', 'u', 'n', 'd', 'o'};

static size_t padded(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* ---- the header ---- */

static void encode_header(const uint8_t id[16], uint8_t out[VX_UNDO_HEADER_SIZE])
{
    memset(out, 0, VX_UNDO_HEADER_SIZE);
    memcpy(out, file_magic, sizeof file_magic);
    vx_put32(out + 8, FILE_VERSION);
    vx_put32(out + 12, VX_UNDO_HEADER_SIZE);
    memcpy(out + 16, id, 16);
    vx_put64(out + 56, XXH3_64bits(out, 56));
}

static vhdx_status decode_header(struct vx_file *file, uint64_t *seed, vhdx_error *err)
{
    uint8_t in[VX_UNDO_HEADER_SIZE];
    size_t got;
    struct vx_where where = vx_at(vx_file_path(file), "undo file header", 0);
    VX_TRY(vx_file_read_some(file, in, sizeof in, 0, &got, err));
    if (got < sizeof in || memcmp(in, file_magic, sizeof file_magic) != 0) {
        vx_fail(err, VHDX_NOT_VHDX, where, "this is no undo file: its first bytes are not 'vhdxundo'");
        return vx_advise_code(err, VHDX_NOT_VHDX, VHDX_ADVICE_UNDO_FILE_ITSELF, NULL);
    }
    if (vx_get64(in + 56) != XXH3_64bits(in, 56))
        return vx_fail(err, VHDX_CORRUPT, where, "the header's checksum is wrong");
    if (vx_get32(in + 8) != FILE_VERSION || vx_get32(in + 12) != VX_UNDO_HEADER_SIZE)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the undo file's version is %" PRIu32 ", expected %u",
                       vx_get32(in + 8), FILE_VERSION);
    *seed = vx_get64(in + 16);
    return VHDX_OK;
}

vhdx_status vx_undo_is_blank(struct vx_file *file, bool *is_blank, vhdx_error *err)
{
    uint8_t in[VX_UNDO_HEADER_SIZE];
    uint64_t size;
    size_t got;
    VX_TRY(vx_file_size(file, &size, err));
    VX_TRY(vx_file_read_some(file, in, sizeof in, 0, &got, err));
    *is_blank = size <= sizeof in && vx_is_zero(in, sizeof in);
    if (size < sizeof in && memcmp(in, file_magic, (size_t)vx_min(size, sizeof file_magic)) == 0)
        *is_blank = true;
    return VHDX_OK;
}

/* ---- one record ---- */

static uint64_t checksum(const uint8_t header[VX_UNDO_RECORD_SIZE], const void *payload, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(payload, size, XXH3_64bits_withSeed(header, VX_UNDO_RECORD_SIZE - 8, seed));
}

static void encode_record(const struct vx_undo_record *record, const void *payload, uint64_t seed,
                          uint8_t out[VX_UNDO_RECORD_SIZE])
{
    vx_put32(out, RECORD_MAGIC);
    vx_put16(out + 4, record->type);
    vx_put16(out + 6, record->codec);
    vx_put64(out + 8, record->number);
    vx_put64(out + 16, record->previous);
    vx_put32(out + 24, record->target);
    vx_put32(out + 28, record->flags);
    vx_put64(out + 32, record->offset);
    vx_put64(out + 40, record->length);
    vx_put64(out + 48, record->content_hash);
    vx_put32(out + 56, record->payload_size);
    vx_put32(out + 60, record->batch);
    vx_put64(out + 64, checksum(out, payload, record->payload_size, seed));
}

/* false: no record begins here. */
static bool decode_record(const uint8_t in[VX_UNDO_RECORD_SIZE], struct vx_undo_record *record)
{
    *record = (struct vx_undo_record){.type = vx_get16(in + 4),
                                      .codec = vx_get16(in + 6),
                                      .target = vx_get32(in + 24),
                                      .flags = vx_get32(in + 28),
                                      .batch = vx_get32(in + 60),
                                      .number = vx_get64(in + 8),
                                      .previous = vx_get64(in + 16),
                                      .offset = vx_get64(in + 32),
                                      .length = vx_get64(in + 40),
                                      .content_hash = vx_get64(in + 48),
                                      .payload_size = vx_get32(in + 56)};
    return vx_get32(in) == RECORD_MAGIC && record->payload_size <= PAYLOAD_MAX;
}

/* ---- compression ---- */

struct vx_undo_packer {
    z_stream stream;
    uint8_t *packed;
};

static voidpf zlib_alloc(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return vx_alloc(count, size);
}

static void zlib_free(voidpf opaque, voidpf memory)
{
    (void)opaque;
    vx_free(memory);
}

static void packer_close(struct vx_undo_packer *packer)
{
    if (!packer)
        return;
    if (packer->stream.state)
        deflateEnd(&packer->stream);
    vx_free(packer->packed);
    vx_free(packer);
}

static vhdx_status packer_open(struct vx_undo_packer **out, vhdx_error *err)
{
    struct vx_undo_packer *packer = vx_alloc(1, sizeof *packer);
    if (!packer)
        return vx_fail_memory(err, "a compressor");
    packer->stream.zalloc = zlib_alloc;
    packer->stream.zfree = zlib_free;
    packer->packed = vx_alloc(PAYLOAD_MAX, 1);
    if (!packer->packed || deflateInit(&packer->stream, COMPRESSION_LEVEL) != Z_OK) {
        packer_close(packer);
        return vx_fail_memory(err, "a compressor");
    }
    *out = packer;
    return VHDX_OK;
}

/* Length of the compressed form, 0 when it is not shorter than the bytes are. */
static size_t pack(struct vx_undo_packer *packer, const void *bytes, size_t length)
{
    z_stream *stream = &packer->stream;
    if (length < 2 || deflateReset(stream) != Z_OK)
        return 0;
    stream->next_in = (z_const Bytef *)bytes;
    stream->avail_in = (uInt)length;
    stream->next_out = packer->packed;
    stream->avail_out = (uInt)(length - 1);
    return deflate(stream, Z_FINISH) == Z_STREAM_END ? length - 1 - stream->avail_out : 0;
}

static bool unpack(const uint8_t *payload, size_t size, uint8_t *bytes, size_t length)
{
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free};
    stream.next_in = (z_const Bytef *)payload;
    stream.avail_in = (uInt)size;
    if (inflateInit(&stream) != Z_OK)
        return false;
    stream.next_out = bytes;
    stream.avail_out = (uInt)length;
    int result = inflate(&stream, Z_FINISH);
    bool whole = result == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0;
    inflateEnd(&stream);
    return whole;
}

/* ---- writing ---- */

static vhdx_status writer_open(struct vx_undo_writer *writer, struct vx_file *file, vhdx_error *err)
{
    *writer = (struct vx_undo_writer){.file = file};
    writer->out = vx_alloc(OUT_ROOM, 1);
    if (!writer->out)
        return vx_fail_memory(err, "a buffer");
    return packer_open(&writer->packer, err);
}

vhdx_status vx_undo_writer_create(struct vx_undo_writer *writer, struct vx_file *file, const vhdx_host *host,
                                  vhdx_error *err)
{
    uint8_t id[16], header[VX_UNDO_HEADER_SIZE];
    VX_TRY(writer_open(writer, file, err));
    VX_TRY(vx_host_result(host->random(host->context, id, sizeof id, err), NULL, "give random bytes", err));
    encode_header(id, header);
    writer->seed = vx_get64(id);
    writer->end = sizeof header;
    VX_TRY(vx_file_write(file, header, sizeof header, 0, err));
    return vx_file_flush(file, err);
}

vhdx_status vx_undo_writer_continue(struct vx_undo_writer *writer, struct vx_file *file,
                                    const struct vx_undo_content *content, vhdx_error *err)
{
    VX_TRY(writer_open(writer, file, err));
    writer->seed = content->seed;
    writer->end = content->end;
    writer->last = content->last;
    writer->next_number = content->record_count;
    writer->batch = content->batch + 1;
    writer->dirty = true; /* the length, and whatever the run before left in doubt */
    return vx_file_cut(file, content->end, err);
}

void vx_undo_writer_close(struct vx_undo_writer *writer)
{
    packer_close(writer->packer);
    vx_free(writer->out);
    *writer = (struct vx_undo_writer){0};
}

static vhdx_status check_usable(const struct vx_undo_writer *writer, vhdx_error *err)
{
    if (!writer->failed)
        return VHDX_OK;
    return vx_fail(err, VHDX_POISONED, vx_at_file(vx_file_path(writer->file)),
                   "an earlier record could not be saved, so nothing more is overwritten");
}

static vhdx_status write_out(struct vx_undo_writer *writer, vhdx_error *err)
{
    vhdx_status status =
        vx_file_write(writer->file, writer->out, writer->out_used, writer->end - writer->out_used, err);
    writer->failed = status != VHDX_OK;
    writer->out_used = 0;
    return status;
}

vhdx_status vx_undo_put(struct vx_undo_writer *writer, struct vx_undo_record *record, const void *payload, size_t size,
                        vhdx_error *err)
{
    size_t room = VX_UNDO_RECORD_SIZE + padded(size);
    VX_TRY(check_usable(writer, err));
    if (room > OUT_ROOM - writer->out_used)
        VX_TRY(write_out(writer, err));
    uint8_t *out = writer->out + writer->out_used;
    record->number = writer->next_number++;
    record->previous = writer->last;
    record->batch = writer->batch;
    record->payload_size = (uint32_t)size;
    encode_record(record, payload, writer->seed, out);
    if (size > 0)
        memcpy(out + VX_UNDO_RECORD_SIZE, payload, size);
    memset(out + VX_UNDO_RECORD_SIZE + size, 0, padded(size) - size);
    writer->last = writer->end;
    writer->out_used += room;
    writer->end += room;
    writer->dirty = true;
    writer->batch_begun = true;
    return VHDX_OK;
}

vhdx_status vx_undo_put_bytes(struct vx_undo_writer *writer, uint32_t target, uint32_t flags, uint64_t offset,
                              const void *bytes, size_t length, vhdx_error *err)
{
    struct vx_undo_record record = {
        .type = VX_UNDO_DATA, .target = target, .flags = flags, .offset = offset, .length = length};
    if (vx_is_zero(bytes, length)) {
        record.codec = VX_UNDO_ZEROS;
        return vx_undo_put(writer, &record, NULL, 0, err);
    }
    record.content_hash = XXH3_64bits(bytes, length);
    size_t size = pack(writer->packer, bytes, length);
    record.codec = size > 0 ? VX_UNDO_ZLIB : VX_UNDO_STORED;
    return size > 0 ? vx_undo_put(writer, &record, writer->packer->packed, size, err)
                    : vx_undo_put(writer, &record, bytes, length, err);
}

vhdx_status vx_undo_commit(struct vx_undo_writer *writer, vhdx_error *err)
{
    VX_TRY(check_usable(writer, err));
    if (!writer->dirty)
        return VHDX_OK;
    VX_TRY(write_out(writer, err));
    vhdx_status status = vx_file_flush(writer->file, err);
    writer->failed = status != VHDX_OK;
    writer->dirty = writer->failed;
    writer->batch += writer->batch_begun; /* numbers without a gap: see look_behind_end() */
    writer->batch_begun = false;
    return status;
}

/* ---- reading ---- */

vhdx_status vx_undo_reader_open(struct vx_undo_reader *reader, struct vx_file *file, uint64_t seed, vhdx_error *err)
{
    *reader = (struct vx_undo_reader){.file = file, .seed = seed};
    VX_TRY(vx_file_size(file, &reader->file_size, err));
    reader->payload = vx_alloc(PAYLOAD_MAX, 1);
    reader->bytes = vx_alloc((size_t)VX_UNDO_PIECE, 1);
    return reader->payload && reader->bytes ? VHDX_OK : vx_fail_memory(err, "a buffer");
}

void vx_undo_reader_close(struct vx_undo_reader *reader)
{
    vx_free(reader->payload);
    vx_free(reader->bytes);
    *reader = (struct vx_undo_reader){0};
}

vhdx_status vx_undo_reader_get(struct vx_undo_reader *reader, uint64_t place, struct vx_undo_record *record, bool *good,
                               vhdx_error *err)
{
    uint8_t header[VX_UNDO_RECORD_SIZE];
    *good = false;
    if (place > reader->file_size || reader->file_size - place < sizeof header)
        return VHDX_OK;
    VX_TRY(vx_file_read(reader->file, header, sizeof header, place, err));
    if (!decode_record(header, record) || record->payload_size > reader->file_size - place - sizeof header)
        return VHDX_OK;
    VX_TRY(vx_file_read(reader->file, reader->payload, record->payload_size, place + sizeof header, err));
    *good = vx_get64(header + 64) == checksum(header, reader->payload, record->payload_size, reader->seed);
    return VHDX_OK;
}

bool vx_undo_reader_unpack(struct vx_undo_reader *reader, const struct vx_undo_record *record)
{
    if (record->codec == VX_UNDO_ZEROS)
        return record->payload_size == 0;
    if (record->length > VX_UNDO_PIECE)
        return false;
    size_t length = (size_t)record->length;
    if (record->codec == VX_UNDO_STORED && record->payload_size == length)
        memcpy(reader->bytes, reader->payload, length);
    else if (record->codec != VX_UNDO_ZLIB || !unpack(reader->payload, record->payload_size, reader->bytes, length))
        return false;
    return XXH3_64bits(reader->bytes, length) == record->content_hash;
}

/* ---- what the records say together ---- */

/* Reading all records, one after the other. */
struct scan {
    struct vx_undo_reader reader;
    struct vx_undo_content *content;
    vx_undo_visit_fn *visit;
    void *context;
};

static struct vx_undo_known *known_target(const struct scan *scan, const struct vx_undo_record *record)
{
    return record->target < scan->content->target_count ? &scan->content->targets[record->target] : NULL;
}

/* Two strings, each with its end. */
static bool split_paths(const uint8_t *payload, size_t size, const char **first, const char **second)
{
    const uint8_t *end = size > 0 ? memchr(payload, 0, size) : NULL;
    if (!end || payload[size - 1] != 0 || end == payload + size - 1 ||
        memchr(end + 1, 0, size - (size_t)(end + 1 - payload)) != payload + size - 1)
        return false;
    *first = (const char *)payload;
    *second = (const char *)end + 1;
    return **first != '\0';
}

static vhdx_status take_target(struct scan *scan, const struct vx_undo_record *record, bool *good, vhdx_error *err)
{
    struct vx_undo_content *content = scan->content;
    const char *absolute, *relative;
    *good = record->target == content->target_count && content->target_count < VX_UNDO_TARGETS_MAX &&
            record->offset == 0 && record->length > 0 && record->length <= INT64_MAX &&
            split_paths(scan->reader.payload, record->payload_size, &absolute, &relative);
    if (!*good)
        return VHDX_OK;
    struct vx_undo_known *targets = vx_resize(content->targets, content->target_count + 1, sizeof *targets);
    if (!targets)
        return vx_fail_memory(err, "the targets of an undo file");
    content->targets = targets;
    struct vx_undo_known *target = &targets[content->target_count++];
    *target = (struct vx_undo_known){.size = record->length};
    target->absolute = vx_copy_string(absolute);
    target->relative = vx_copy_string(relative);
    return target->absolute && target->relative ? VHDX_OK : vx_fail_memory(err, "a path");
}

static vhdx_status take_identity(struct scan *scan, const struct vx_undo_record *record, bool *good, vhdx_error *err)
{
    struct vx_undo_known *target = known_target(scan, record);
    *good = target && record->payload_size == IDENTITY_SIZE && target->identity_count < VX_UNDO_IDENTITIES_MAX;
    if (!*good)
        return VHDX_OK;
    struct vx_identity *identities =
        vx_room_for(target->identities, target->identity_count, &target->identity_room, sizeof *identities);
    if (!identities)
        return vx_fail_memory(err, "identities");
    target->identities = identities;
    struct vx_identity *identity = &target->identities[target->identity_count++];
    memcpy(identity->content, scan->reader.payload, sizeof identity->content);
    memcpy(identity->writer, scan->reader.payload + sizeof identity->content, sizeof identity->writer);
    return VHDX_OK;
}

static bool data_fits(const struct vx_undo_known *target, const struct vx_undo_record *record)
{
    bool is_head = record->flags == VX_UNDO_FLAG_HEAD;
    if (!target || record->length == 0 || record->offset > target->size ||
        record->length > target->size - record->offset || (record->flags & ~VX_UNDO_FLAG_HEAD) != 0)
        return false;
    if (is_head != (target->head == 0)) /* the beginning comes first, and once */
        return false;
    return !is_head || (record->offset == 0 && record->length == vx_min(target->size, VX_UNDO_HEAD_LENGTH));
}

static vhdx_status take_data(struct scan *scan, const struct vx_undo_record *record, uint64_t place, bool *good,
                             vhdx_error *err)
{
    struct vx_undo_known *target = known_target(scan, record);
    *good = data_fits(target, record) && vx_undo_reader_unpack(&scan->reader, record);
    if (!*good)
        return VHDX_OK;
    if (record->flags & VX_UNDO_FLAG_HEAD)
        target->head = place;
    scan->content->old_bytes += vx_min(record->length, UINT64_MAX - scan->content->old_bytes);
    return scan->visit ? scan->visit(scan->context, record, err) : VHDX_OK;
}

/* `good`: the record is where it should, and says something that makes sense there. */
static vhdx_status take_record(struct scan *scan, const struct vx_undo_record *record, uint64_t place, bool *good,
                               vhdx_error *err)
{
    const struct vx_undo_content *content = scan->content;
    *good =
        record->number == content->record_count && record->previous == content->last && record->batch >= content->batch;
    if (!*good)
        return VHDX_OK;
    switch (record->type) {
    case VX_UNDO_TARGET:
        return take_target(scan, record, good, err);
    case VX_UNDO_IDENTITY:
        return take_identity(scan, record, good, err);
    case VX_UNDO_DATA:
        return take_data(scan, record, place, good, err);
    default:
        *good = record->type == VX_UNDO_END && record->payload_size == 0;
        return VHDX_OK;
    }
}

static vhdx_status read_records(struct scan *scan, vhdx_error *err)
{
    struct vx_undo_content *content = scan->content;
    for (;;) {
        struct vx_undo_record record;
        bool good;
        VX_TRY(vx_undo_reader_get(&scan->reader, content->end, &record, &good, err));
        if (good)
            VX_TRY(take_record(scan, &record, content->end, &good, err));
        if (!good)
            return VHDX_OK;
        content->record_count++;
        content->last = content->end;
        content->end += VX_UNDO_RECORD_SIZE + padded(record.payload_size);
        content->batch = record.batch;
        content->ended = record.type == VX_UNDO_END;
    }
}

/*
 * Whether the records that are missing behind the end had been durable: a batch begins only after the one before was
 * flushed, so that a whole record two batches later proves it. One batch later it may be what a power cut left of a
 * batch that protects nothing yet.
 */
static vhdx_status look_behind_end(struct scan *scan, vhdx_error *err)
{
    struct vx_undo_content *content = scan->content;
    uint64_t budget = content->file_size; /* for payloads of what looks like a record and is none */
    uint8_t sector[4096 + VX_UNDO_RECORD_SIZE];
    for (uint64_t at = content->end; at < content->file_size && !content->damaged; at += 4096) {
        size_t got;
        VX_TRY(vx_file_read_some(scan->reader.file, sector, sizeof sector, at, &got, err));
        for (size_t i = 0; i < 4096 && i + VX_UNDO_RECORD_SIZE <= got && !content->damaged; i += ALIGNMENT) {
            struct vx_undo_record record;
            bool good;
            if (!decode_record(sector + i, &record) || record.number <= content->record_count ||
                record.batch < content->batch + 2 || record.payload_size > budget)
                continue;
            budget -= record.payload_size;
            VX_TRY(vx_undo_reader_get(&scan->reader, at + i, &record, &good, err));
            content->damaged = good;
        }
    }
    return VHDX_OK;
}

vhdx_status vx_undo_read(struct vx_file *file, struct vx_undo_content *content, vx_undo_visit_fn *visit, void *context,
                         vhdx_error *err)
{
    struct scan scan = {.content = content, .visit = visit, .context = context};
    *content = (struct vx_undo_content){.end = VX_UNDO_HEADER_SIZE};
    VX_TRY(decode_header(file, &content->seed, err));
    VX_TRY(vx_file_size(file, &content->file_size, err));
    vhdx_status status = vx_undo_reader_open(&scan.reader, file, content->seed, err);
    if (status == VHDX_OK)
        status = read_records(&scan, err);
    if (status == VHDX_OK && content->record_count > 0 && content->batch < UINT32_MAX - 2)
        status = look_behind_end(&scan, err);
    vx_undo_reader_close(&scan.reader);
    return status;
}

void vx_undo_content_clear(struct vx_undo_content *content)
{
    for (size_t i = 0; i < content->target_count; i++) {
        vx_free(content->targets[i].absolute);
        vx_free(content->targets[i].relative);
        vx_free(content->targets[i].identities);
    }
    vx_free(content->targets);
    *content = (struct vx_undo_content){0};
}
