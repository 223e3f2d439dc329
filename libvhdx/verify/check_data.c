/*
 * The payload: every block that owns data is read, for bytes that the host cannot give any more, and for blocks that
 * are not what a manifest says. Blocks are taken in windows of the BAT, and within a window in the order in which they
 * lie in the file, so that reading is long runs whatever the order on the virtual disk, and memory does not grow with
 * the disk. The one thing that is easy to get wrong: sectors of a partially present block that the layer does not own
 * hold anything; whether they can be read, and what they are, is nobody's business.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/bat_window.h"
#include "manifest/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WINDOW_BLOCKS 65536u
#define PIECE ((size_t)256 * 1024)
#define READ_AHEAD (8 * VX_MIB)
#define STEP (16 * VX_MIB) /* between two words to the caller */

/* A block that is to be read, and what came of it. */
struct job {
    uint64_t block, file_offset;
    uint64_t bits_offset; /* of its bits in the file; 0 = it owns all its sectors */
    uint64_t length;      /* to read: up to the end of the virtual disk, and of the file */
    bool zero;            /* it says zeros; nothing is read */
    bool unreadable;      /* not all of it could be read: no hash */
    struct vx_manifest_line line;
};

struct reading {
    struct vx_verification *v;
    struct vx_exam *exam;
    struct vx_file *file;
    struct vx_bat_window bat;
    struct job *jobs;
    size_t count;
    uint8_t *buffer, *bits;
    uint32_t bits_size;
    uint64_t done, total, told;
    uint64_t announced; /* end of what the host was told to read ahead */
    /* one of them, or neither */
    struct vx_manifest_writer *writer;
    struct vx_manifest_reader *reader;
    struct vx_manifest_line expected;
    bool more_expected, same_data; /* the manifest is of exactly this content */
    XXH3_state_t *hash;
    XXH128_hash_t zeros, zeros_at_end; /* of a whole block, and of the last one */
};

/* ---- bytes that cannot be read ---------------------------------------------------------------------------------- */

/* A run of bytes in one block that could not be read, gathered until it ends. */
struct bad_run {
    uint64_t begin, end; /* within the block; equal: none */
};

static void report_bad(struct reading *r, struct job *job, struct bad_run *run)
{
    if (run->begin == run->end)
        return;
    struct vx_finding finding =
        vx_finding_at_index(VX_FIND_DATA_UNREADABLE, "payload block", job->file_offset + run->begin, job->block);
    finding.length = run->end - run->begin;
    finding.lost_offset = job->block * r->exam->geometry.block_size + run->begin;
    finding.lost_length = finding.length;
    finding.advice = "copy the file with ddrescue to another medium first; "
                     "the host's file system or drive has a damage that grows";
    vx_verify_add(r->v, &finding);
    job->unreadable = true;
    run->begin = run->end = 0;
}

/* Whether the layer owns any sector of the range, whose bits are in r->bits. */
static bool owns_any(const struct reading *r, const struct job *job, uint64_t offset, uint64_t length)
{
    uint32_t sector = r->exam->geometry.logical_sector_size;
    if (job->bits_offset == 0)
        return true;
    for (uint64_t i = offset / sector; i <= (offset + length - 1) / sector; i++)
        if (r->bits[i / 8] >> (i % 8) & 1)
            return true;
    return false;
}

static void add_bad(struct reading *r, struct job *job, struct bad_run *run, uint64_t offset, uint64_t length)
{
    if (run->begin != run->end && run->end != offset)
        report_bad(r, job, run);
    if (run->begin == run->end)
        run->begin = offset;
    run->end = offset + length;
}

/* A piece that cannot be read in one: page by page, each tried once, because a drive takes seconds to give up. */
static vhdx_status read_pages(struct reading *r, struct job *job, struct bad_run *run, uint64_t offset, size_t length,
                              vhdx_error *err)
{
    for (size_t done = 0; done < length; done += VX_PAGE) {
        size_t here = (size_t)vx_min(VX_PAGE, length - done);
        uint64_t place = job->file_offset + offset + done;
        vhdx_status status = vx_file_read(r->file, r->buffer + done, here, place, err);
        if (status == VHDX_OK && !vx_patient_bad(&r->exam->patient, place, here, NULL))
            continue;
        if (status != VHDX_OK && status != VHDX_IO)
            return status;
        vx_clear(err);
        memset(r->buffer + done, 0, here);
        if (owns_any(r, job, offset + done, here))
            add_bad(r, job, run, offset + done, here);
    }
    return VHDX_OK;
}

static vhdx_status read_piece(struct reading *r, struct job *job, struct bad_run *run, uint64_t offset, size_t length,
                              vhdx_error *err)
{
    uint64_t place = job->file_offset + offset;
    bool known_bad = vx_patient_bad(&r->exam->patient, place, length, NULL);
    vhdx_status status = known_bad ? VHDX_IO : vx_file_read(r->file, r->buffer, length, place, err);
    if (status == VHDX_OK && !vx_patient_bad(&r->exam->patient, place, length, NULL))
        return VHDX_OK;
    if (status != VHDX_OK && status != VHDX_IO)
        return status;
    return read_pages(r, job, run, offset, length, err);
}

/* ---- hashes ----------------------------------------------------------------------------------------------------- */

/* Sectors that the layer does not own become zeros: what lies in them means nothing. */
static void blank_foreign_sectors(struct reading *r, const struct job *job, uint64_t offset, size_t length)
{
    uint32_t sector = r->exam->geometry.logical_sector_size;
    if (job->bits_offset == 0)
        return;
    for (size_t at = 0; at < length; at += sector) {
        uint64_t i = (offset + at) / sector;
        if (!(r->bits[i / 8] >> (i % 8) & 1))
            memset(r->buffer + at, 0, (size_t)vx_min(sector, length - at));
    }
}

/* The length of the block on the virtual disk: the last one may be shorter. */
static uint64_t virtual_length(const struct reading *r, uint64_t block)
{
    const struct vx_geometry *geometry = &r->exam->geometry;
    return vx_min(geometry->block_size, geometry->virtual_size - block * geometry->block_size);
}

/* Bits of sectors behind the end of the virtual disk mean nothing. */
static void trim_bits(struct reading *r, const struct job *job)
{
    uint64_t sectors = virtual_length(r, job->block) / r->exam->geometry.logical_sector_size;
    for (uint64_t i = sectors; i < r->exam->geometry.sectors_per_block; i++)
        r->bits[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

static bool all_bits_set(const struct reading *r, const struct job *job)
{
    uint64_t sectors = virtual_length(r, job->block) / r->exam->geometry.logical_sector_size;
    for (uint64_t i = 0; i < sectors; i++)
        if (!(r->bits[i / 8] >> (i % 8) & 1))
            return false;
    return true;
}

static void hash_zeros(struct reading *r, uint64_t length, XXH128_hash_t *hash)
{
    memset(r->buffer, 0, PIECE);
    XXH3_128bits_reset(r->hash);
    for (uint64_t done = 0; done < length; done += PIECE)
        XXH3_128bits_update(r->hash, r->buffer, (size_t)vx_min(PIECE, length - done));
    *hash = XXH3_128bits_digest(r->hash);
}

static void finish_hash(struct reading *r, struct job *job)
{
    XXH128_canonical_t hash;
    XXH64_canonical_t bits;
    job->line.block = job->block;
    job->line.kind = job->bits_offset == 0 || all_bits_set(r, job) ? VX_MANIFEST_WHOLE : VX_MANIFEST_PART;
    XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(r->hash));
    memcpy(job->line.hash, hash.digest, 16);
    if (job->line.kind == VX_MANIFEST_WHOLE)
        return;
    XXH64_canonicalFromHash(&bits, XXH3_64bits(r->bits, r->bits_size));
    memcpy(job->line.bits_hash, bits.digest, 8);
}

static bool hashes(const struct reading *r)
{
    return r->writer || r->reader;
}

/* A base has the same content with a block of zeros and without the block: its manifest has no line for either. */
static bool has_line(const struct reading *r, const struct job *job)
{
    XXH128_canonical_t zeros;
    if (r->exam->geometry.has_parent)
        return true;
    bool whole = virtual_length(r, job->block) == r->exam->geometry.block_size;
    XXH128_canonicalFromHash(&zeros, whole ? r->zeros : r->zeros_at_end);
    return !job->zero && memcmp(zeros.digest, job->line.hash, 16) != 0;
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

static vhdx_status next_expected(struct reading *r, vhdx_error *err)
{
    VX_TRY(vx_manifest_next(r->reader, &r->expected, &r->more_expected, err));
    if (r->more_expected && r->expected.block >= r->exam->geometry.payload_count) {
        vx_fail(err, VHDX_CORRUPT, vx_at_file(r->v->options->manifest),
                "the manifest names a block that the disk does not have");
        return vx_advise(err, VHDX_CORRUPT, "name another manifest, or move this file away so that a new one is made");
    }
    return VHDX_OK;
}

static void report_changed(struct reading *r, uint64_t block)
{
    struct vx_finding finding = vx_finding_at_index(VX_FIND_DATA_CHANGED, "payload block", VHDX_NOWHERE, block);
    finding.gather = true;
    if (r->same_data) {
        finding.lost_offset = block * r->exam->geometry.block_size;
        finding.lost_length = virtual_length(r, block);
        finding.advice =
            "nothing that writes to a disk as it should has touched it since: restore these ranges from a backup";
    } else {
        finding.severity = VHDX_SEVERITY_INFO;
        finding.advice = "the disk was in use since the manifest was made";
    }
    vx_verify_add(r->v, &finding);
}

static bool same_line(const struct vx_manifest_line *a, const struct vx_manifest_line *b)
{
    return a->kind == b->kind && memcmp(a->hash, b->hash, 16) == 0 && memcmp(a->bits_hash, b->bits_hash, 8) == 0;
}

/* Lines for blocks before `block` that the disk does not hold any more. */
static vhdx_status compare_missing(struct reading *r, uint64_t block, vhdx_error *err)
{
    while (r->more_expected && r->expected.block < block) {
        report_changed(r, r->expected.block);
        VX_TRY(next_expected(r, err));
    }
    return VHDX_OK;
}

static vhdx_status compare_job(struct reading *r, const struct job *job, vhdx_error *err)
{
    VX_TRY(compare_missing(r, job->block, err));
    bool expected = r->more_expected && r->expected.block == job->block;
    if (!job->unreadable && !(expected && same_line(&r->expected, &job->line)))
        report_changed(r, job->block);
    return expected ? next_expected(r, err) : VHDX_OK;
}

/* ---- one window ------------------------------------------------------------------------------------------------- */

static vhdx_status read_bits(struct reading *r, const struct job *job, vhdx_error *err)
{
    size_t got;
    if (job->bits_offset == 0)
        return VHDX_OK;
    VX_TRY(vx_file_read_some(r->exam->view, r->bits, r->bits_size, job->bits_offset, &got, err));
    trim_bits(r, job);
    return VHDX_OK;
}

static vhdx_status tell(struct reading *r, uint64_t length, vhdx_error *err)
{
    r->done += length;
    if (r->done - r->told < STEP && r->done != r->total)
        return VHDX_OK;
    r->told = r->done;
    return vx_verify_step(r->v, vx_min(r->done, r->total), r->total, err);
}

/* The host is told of some MiB before they are read, over the ends of blocks that follow each other in the file. */
static void read_ahead(struct reading *r, size_t job, uint64_t offset)
{
    uint64_t begin = r->jobs[job].file_offset + offset, end = begin;
    if (begin < r->announced && r->announced - begin > READ_AHEAD / 2)
        return;
    for (size_t i = job; i < r->count && end - begin < READ_AHEAD; i++) {
        if (i > job && r->jobs[i].file_offset != end)
            break;
        end = r->jobs[i].file_offset + r->jobs[i].length;
    }
    end = vx_min(end, begin + READ_AHEAD);
    begin = begin < r->announced && r->announced < end ? r->announced : begin;
    vx_file_will_need(r->file, begin, end - begin);
    r->announced = end;
}

static vhdx_status read_job(struct reading *r, size_t number, vhdx_error *err)
{
    struct job *job = &r->jobs[number];
    struct bad_run run = {0, 0};
    VX_TRY(read_bits(r, job, err));
    if (hashes(r))
        XXH3_128bits_reset(r->hash);
    for (uint64_t done = 0; done < job->length; done += PIECE) {
        size_t here = (size_t)vx_min(PIECE, job->length - done);
        read_ahead(r, number, done);
        VX_TRY(read_piece(r, job, &run, done, here, err));
        if (hashes(r)) {
            blank_foreign_sectors(r, job, done, here);
            XXH3_128bits_update(r->hash, r->buffer, here);
        }
        VX_TRY(tell(r, here, err));
    }
    report_bad(r, job, &run);
    if (job->length < virtual_length(r, job->block))
        job->unreadable = true; /* the file is too short: check_bat.c has said so */
    if (hashes(r))
        finish_hash(r, job);
    return VHDX_OK;
}

static int compare_places(const void *left, const void *right)
{
    const struct job *a = left, *b = right;
    if (a->file_offset != b->file_offset)
        return a->file_offset < b->file_offset ? -1 : 1;
    return (a->block > b->block) - (a->block < b->block);
}

static int compare_blocks(const void *left, const void *right)
{
    const struct job *a = left, *b = right;
    return (a->block > b->block) - (a->block < b->block);
}

static vhdx_status settle_job(struct reading *r, const struct job *job, vhdx_error *err)
{
    if (!job->unreadable && !has_line(r, job))
        return VHDX_OK;
    if (r->reader)
        return compare_job(r, job, err);
    return job->unreadable ? VHDX_OK : vx_manifest_add(r->writer, &job->line, err);
}

static vhdx_status read_window(struct reading *r, vhdx_error *err)
{
    qsort(r->jobs, r->count, sizeof *r->jobs, compare_places);
    r->announced = 0;
    for (size_t i = 0; i < r->count; i++)
        if (!r->jobs[i].zero)
            VX_TRY(read_job(r, i, err));
    if (!hashes(r))
        return VHDX_OK;
    qsort(r->jobs, r->count, sizeof *r->jobs, compare_blocks);
    for (size_t i = 0; i < r->count; i++)
        VX_TRY(settle_job(r, &r->jobs[i], err));
    return VHDX_OK;
}

/* ---- the BAT ---------------------------------------------------------------------------------------------------- */

/* Where the block's bits are; without a sector bitmap (which check_bat.c reports) all sectors count as the layer's. */
static vhdx_status find_bits(struct reading *r, struct job *job, vhdx_error *err)
{
    const struct vx_geometry *geometry = &r->exam->geometry;
    struct vx_bat_entry entry;
    uint64_t index = vx_geometry_bitmap_index(geometry, job->block / geometry->chunk_ratio);
    if (!geometry->has_parent || index >= r->exam->bat_entries)
        return VHDX_OK;
    VX_TRY(vx_bat_window_get(&r->bat, index, &entry, err));
    if (entry.state == VX_BITMAP_PRESENT && entry.file_offset < r->exam->survey->file_size)
        job->bits_offset =
            entry.file_offset == 0 ? 0 : entry.file_offset + vx_geometry_bitmap_offset(geometry, job->block);
    return VHDX_OK;
}

static vhdx_status add_job(struct reading *r, uint64_t block, const struct vx_bat_entry *entry, vhdx_error *err)
{
    uint64_t size = r->exam->survey->file_size;
    struct job *job = &r->jobs[r->count];
    bool holds = entry->state == VX_PAYLOAD_FULLY_PRESENT || entry->state == VX_PAYLOAD_PARTIALLY_PRESENT;
    bool zero =
        entry->state == VX_PAYLOAD_UNDEFINED || entry->state == VX_PAYLOAD_ZERO || entry->state == VX_PAYLOAD_UNMAPPED;
    *job = (struct job){.block = block, .zero = zero, .line = {.block = block, .kind = VX_MANIFEST_ZERO}};
    if (!holds) {
        r->count += zero && hashes(r);
        return VHDX_OK;
    }
    if (entry->file_offset == 0 || entry->file_offset >= size)
        return VHDX_OK;
    job->file_offset = entry->file_offset;
    job->length = vx_min(virtual_length(r, block), size - entry->file_offset);
    r->count++;
    return entry->state == VX_PAYLOAD_PARTIALLY_PRESENT ? find_bits(r, job, err) : VHDX_OK;
}

/* All blocks of the BAT, a window after the other; entries of zeros, which say nothing, are passed over quickly. */
static vhdx_status walk(struct reading *r, vhdx_error *err)
{
    const struct vx_geometry *geometry = &r->exam->geometry;
    uint64_t block;
    for (uint64_t index = 0; index < geometry->entry_count; index++) {
        struct vx_bat_entry entry;
        VX_TRY(vx_bat_window_next_set(&r->bat, index, geometry->entry_count, &index, err));
        if (index == geometry->entry_count)
            break;
        if (!vx_geometry_is_payload(geometry, index, &block) || block >= geometry->payload_count)
            continue;
        VX_TRY(vx_bat_window_get(&r->bat, index, &entry, err));
        VX_TRY(add_job(r, block, &entry, err));
        if (r->count < WINDOW_BLOCKS)
            continue;
        VX_TRY(read_window(r, err));
        r->count = 0;
    }
    return read_window(r, err);
}

/* ---- the manifest ----------------------------------------------------------------------------------------------- */

static vhdx_status refuse_manifest(const struct reading *r, const char *path, vhdx_error *err)
{
    vx_fail(err, VHDX_ARG, vx_at_file(path), "this manifest is not of the disk %s, or of another shape of it",
            vx_file_path(r->exam->raw));
    return vx_advise(err, VHDX_ARG, "name the manifest that was made of this disk, or a file that does not exist yet");
}

static struct vx_manifest_head head_of(const struct vx_exam *exam)
{
    return (struct vx_manifest_head){.disk_id = exam->disk_id,
                                     .data_write_guid = exam->image.header.data_write_guid,
                                     .virtual_size = exam->geometry.virtual_size,
                                     .block_size = exam->geometry.block_size,
                                     .sector_size = exam->geometry.logical_sector_size,
                                     .has_parent = exam->geometry.has_parent};
}

static vhdx_status begin_manifest(struct reading *r, const char *path, vhdx_error *err)
{
    struct vx_manifest_head head = head_of(r->exam);
    vhdx_status status = vx_manifest_open(r->v->host, path, &r->reader, err);
    if (status == VHDX_NOT_FOUND) {
        vx_clear(err);
        return vx_manifest_create(r->v->host, path, &head, &r->writer, err);
    }
    if (status != VHDX_OK)
        return status;
    const struct vx_manifest_head *found = vx_manifest_head(r->reader);
    if (!vx_guid_equal(&found->disk_id, &head.disk_id) || found->virtual_size != head.virtual_size ||
        found->block_size != head.block_size || found->sector_size != head.sector_size ||
        found->has_parent != head.has_parent)
        return refuse_manifest(r, path, err);
    r->same_data = vx_guid_equal(&found->data_write_guid, &head.data_write_guid);
    return next_expected(r, err);
}

static vhdx_status end_manifest(struct reading *r, vhdx_error *err)
{
    if (r->reader)
        return compare_missing(r, UINT64_MAX, err);
    return r->writer ? vx_manifest_finish(r->writer, err) : VHDX_OK;
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

static vhdx_status prepare(struct reading *r, const char *manifest, vhdx_error *err)
{
    const struct vx_geometry *geometry = &r->exam->geometry;
    r->bits_size = vx_geometry_bitmap_length(geometry);
    r->jobs = vx_alloc((size_t)vx_min(geometry->payload_count, WINDOW_BLOCKS) + 1, sizeof *r->jobs);
    r->buffer = vx_alloc(PIECE, 1);
    r->bits = vx_alloc(r->bits_size, 1);
    r->hash = XXH3_createState();
    if (!r->jobs || !r->buffer || !r->bits || !r->hash)
        return vx_fail_memory(err, "the check of the payload");
    VX_TRY(vx_bat_window_open(&r->exam->image, VX_BAT_WINDOW_LARGE, &r->bat, err));
    if (!manifest)
        return VHDX_OK;
    hash_zeros(r, geometry->block_size, &r->zeros);
    hash_zeros(r, virtual_length(r, geometry->payload_count - 1), &r->zeros_at_end);
    return begin_manifest(r, manifest, err);
}

static void clean_up(struct reading *r)
{
    vx_manifest_close(r->writer);
    vx_manifest_close_reader(r->reader);
    vx_bat_window_close(&r->bat);
    XXH3_freeState(r->hash);
    vx_free(r->jobs);
    vx_free(r->buffer);
    vx_free(r->bits);
}

vhdx_status vx_check_data(struct vx_verification *v, const char *manifest, vhdx_error *err)
{
    struct vx_exam *exam = v->exam;
    struct reading r = {.v = v, .exam = exam};
    if (!vx_exam_is_readable(exam)) {
        if (!manifest)
            return VHDX_OK;
        vx_fail(err, VHDX_CORRUPT, vx_at_file(vx_file_path(exam->raw)), "the disk is too damaged for a manifest of it");
        return vx_advise_code(err, VHDX_CORRUPT, VHDX_ADVICE_VERIFY_WITHOUT_MANIFEST, NULL);
    }
    r.file = exam->view == exam->file ? exam->raw : exam->view;
    r.total = v->owned_blocks > 0 ? v->owned_blocks * exam->geometry.block_size : exam->survey->file_size;
    vhdx_status status = prepare(&r, manifest, err);
    if (status == VHDX_OK)
        status = walk(&r, err);
    if (status == VHDX_OK)
        status = end_manifest(&r, err);
    clean_up(&r);
    return status;
}
