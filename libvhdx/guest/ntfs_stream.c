/*
 * Files of NTFS as streams. See ntfs_stream.h. The records that hold further parts of an attribute
 * are found through the MFT, whose own further parts are found the same way; so its map grows while it is read.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/ntfs_stream.h"

#include "base/checked.h"

#include <string.h>

#define LIST_MAX 65536u
#define LIST_ENTRY 0x1Au

/* ---- records ----------------------------------------------------------------------------------------------------- */

static bool read_mft(const struct vx_ntfs_volume *ntfs, uint64_t at, uint8_t *buf, size_t length)
{
    const uint64_t cluster = ntfs->boot.cluster_size;
    while (length > 0) {
        const struct vx_ntfs_run *run = NULL;
        for (uint32_t i = 0; i < ntfs->map_count && !run; i++)
            if (at / cluster >= ntfs->map[i].first && at / cluster - ntfs->map[i].first < ntfs->map[i].count)
                run = &ntfs->map[i];
        if (!run || run->hole)
            return false;
        uint64_t in_run = at - run->first * cluster;
        size_t here = (size_t)vx_min(length, run->count * cluster - in_run);
        if (!vx_free_get(ntfs->volume, buf, here, run->cluster * cluster + in_run))
            return false;
        at += here;
        buf += here;
        length -= here;
    }
    return true;
}

bool vx_ntfs_read_record(const struct vx_ntfs_volume *ntfs, uint64_t number, uint8_t *record,
                         struct vx_ntfs_record *decoded)
{
    const size_t size = ntfs->boot.record_size;
    uint16_t update;
    return number < UINT64_C(1) << 32 && read_mft(ntfs, number * size, record, size) &&
           vx_ntfs_fix(record, size, &update) && vx_ntfs_record_decode(vx_bytes_of(record, size), decoded) &&
           decoded->in_use && (decoded->number == UINT32_MAX || decoded->number == number);
}

/* The part of an attribute that begins with that cluster of it. */
static bool find_part(const struct vx_ntfs_volume *ntfs, const uint8_t *record, const struct vx_ntfs_want *want,
                      uint64_t first, struct vx_ntfs_attribute *attribute)
{
    uint32_t at = 0;
    while (vx_ntfs_attribute_next(vx_bytes_of(record, ntfs->boot.record_size), &at, attribute))
        if (attribute->type == want->type && attribute->named == want->named &&
            (attribute->resident || attribute->first_cluster == first))
            return true;
    return false;
}

bool vx_ntfs_resident(const struct vx_ntfs_volume *ntfs, const uint8_t *record, uint32_t type, bool named,
                      struct vx_bytes *value)
{
    const struct vx_ntfs_want want = {0, type, named};
    struct vx_ntfs_attribute attribute;
    if (!find_part(ntfs, record, &want, 0, &attribute) || !attribute.resident)
        return false;
    *value = attribute.value;
    return true;
}

/* ---- runs of one attribute --------------------------------------------------------------------------------------- */

struct walk {
    uint64_t next; /* cluster of the attribute that comes next */
    vx_ntfs_run_fn *visit;
    void *context;
};

static bool walk_part(const struct vx_ntfs_volume *ntfs, struct walk *walk, const struct vx_ntfs_attribute *part)
{
    struct vx_ntfs_runs runs = vx_ntfs_runs_of(part);
    struct vx_ntfs_run run;
    if (part->resident || part->first_cluster != walk->next)
        return false;
    while (vx_ntfs_run_next(&runs, &run)) {
        if (!run.hole && (run.cluster > ntfs->clusters || run.count > ntfs->clusters - run.cluster))
            return false;
        walk->next += run.count;
        if (!walk->visit(walk->context, &run))
            return false;
    }
    return !runs.bad;
}

struct list_copy {
    struct vx_ntfs_volume *ntfs;
    uint64_t size;
};

static bool read_list_run(void *context, const struct vx_ntfs_run *run)
{
    struct list_copy *copy = context;
    struct vx_ntfs_volume *ntfs = copy->ntfs;
    uint64_t here = vx_min(run->count * ntfs->boot.cluster_size, LIST_MAX - ntfs->list_size);
    if (run->hole ||
        !vx_free_get(ntfs->volume, ntfs->list + ntfs->list_size, (size_t)here, run->cluster * ntfs->boot.cluster_size))
        return false;
    ntfs->list_size += (uint32_t)here;
    return true;
}

/* The list of the record in `base`, into `list`. */
static bool read_list(struct vx_ntfs_volume *ntfs)
{
    const struct vx_ntfs_want want = {0, VX_NTFS_ATTRIBUTE_LIST, false};
    struct vx_ntfs_attribute attribute;
    struct list_copy copy = {ntfs, 0};
    struct walk walk = {0, read_list_run, &copy};
    ntfs->list_size = 0;
    if (!find_part(ntfs, ntfs->base, &want, 0, &attribute))
        return false;
    if (attribute.resident) {
        if (attribute.value.size > LIST_MAX)
            return false;
        memcpy(ntfs->list, attribute.value.data, attribute.value.size);
        ntfs->list_size = (uint32_t)attribute.value.size;
        return true;
    }
    if (attribute.data_size > LIST_MAX || !walk_part(ntfs, &walk, &attribute) || ntfs->list_size < attribute.data_size)
        return false;
    ntfs->list_size = (uint32_t)attribute.data_size;
    return true;
}

/* The next entry of the list that is of the wanted attribute: the record that holds a part, and where that begins. */
static bool next_entry(const struct vx_ntfs_volume *ntfs, const struct vx_ntfs_want *want, uint32_t *at,
                       uint64_t *record, uint64_t *first)
{
    while (*at < ntfs->list_size && ntfs->list_size - *at >= LIST_ENTRY) {
        const uint8_t *entry = ntfs->list + *at;
        uint32_t length = vx_get16(entry + 4);
        if (length < LIST_ENTRY || length > ntfs->list_size - *at)
            return false;
        *at += length;
        if (vx_get32(entry) != want->type || (entry[6] != 0) != want->named)
            continue;
        *first = vx_get64(entry + 8);
        *record = vx_get64(entry + 16) & UINT64_C(0xFFFFFFFFFFFF);
        return true;
    }
    return false;
}

static bool walk_list(struct vx_ntfs_volume *ntfs, const struct vx_ntfs_want *want, struct walk *walk, uint64_t *size)
{
    struct vx_ntfs_attribute part;
    struct vx_ntfs_record decoded;
    uint64_t record, first;
    bool any = false;
    if (!read_list(ntfs))
        return false;
    for (uint32_t at = 0; next_entry(ntfs, want, &at, &record, &first); any = true) {
        const uint8_t *holder = ntfs->base;
        if (record != want->record) {
            if (!vx_ntfs_read_record(ntfs, record, ntfs->extension, &decoded))
                return false;
            holder = ntfs->extension;
        }
        if (first != walk->next || !find_part(ntfs, holder, want, first, &part))
            return false;
        if (first == 0)
            *size = part.data_size;
        if (!walk_part(ntfs, walk, &part))
            return false;
    }
    return any;
}

bool vx_ntfs_runs_each(struct vx_ntfs_volume *ntfs, const struct vx_ntfs_want *want, uint64_t *size,
                       vx_ntfs_run_fn *visit, void *context)
{
    struct walk walk = {0, visit, context};
    struct vx_ntfs_attribute attribute;
    struct vx_ntfs_record record;
    if (!vx_ntfs_read_record(ntfs, want->record, ntfs->base, &record) || !record.is_base)
        return false;
    if (record.has_list)
        return walk_list(ntfs, want, &walk, size);
    if (!find_part(ntfs, ntfs->base, want, 0, &attribute) || attribute.resident)
        return false;
    *size = attribute.data_size;
    return walk_part(ntfs, &walk, &attribute);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

struct stream {
    struct vx_ntfs_volume *ntfs;
    size_t length, have;
    uint64_t offset, *size; /* the attribute's size is known when its first run comes */
    vx_ntfs_piece_fn *visit;
    void *context;
    enum vx_ntfs_go go;
};

static bool give_piece(struct stream *stream)
{
    uint64_t left = *stream->size > stream->offset ? *stream->size - stream->offset : 0;
    size_t here = (size_t)vx_min(stream->have, left);
    if (here == 0)
        stream->go = VX_NTFS_GO_ENOUGH;
    else
        stream->go = stream->visit(stream->context, stream->ntfs->piece, here, stream->offset);
    stream->offset += stream->have;
    stream->have = 0;
    return stream->go == VX_NTFS_GO_ON;
}

static bool read_run(void *context, const struct vx_ntfs_run *run)
{
    struct stream *stream = context;
    struct vx_ntfs_volume *ntfs = stream->ntfs;
    const uint64_t cluster = ntfs->boot.cluster_size, length = run->count * cluster;
    if (run->hole) {
        stream->go = VX_NTFS_GO_WRONG;
        return false;
    }
    for (uint64_t at = 0; at < length;) {
        size_t here = (size_t)vx_min(stream->length - stream->have, length - at);
        if (!vx_free_get(ntfs->volume, ntfs->piece + stream->have, here, run->cluster * cluster + at)) {
            stream->go = VX_NTFS_GO_WRONG;
            return false;
        }
        at += here;
        stream->have += here;
        if (stream->have == stream->length && !give_piece(stream))
            return false;
    }
    return true;
}

bool vx_ntfs_stream_each(struct vx_ntfs_volume *ntfs, const struct vx_ntfs_want *want, size_t length,
                         vx_ntfs_piece_fn *visit, void *context)
{
    uint64_t size = 0;
    struct stream stream = {.ntfs = ntfs, .length = length, .size = &size, .visit = visit, .context = context};
    bool all = vx_ntfs_runs_each(ntfs, want, &size, read_run, &stream);
    if (all && stream.have > 0)
        give_piece(&stream);
    return stream.go == VX_NTFS_GO_ENOUGH || (all && stream.go == VX_NTFS_GO_ON);
}

/* ---- the volume -------------------------------------------------------------------------------------------------- */

static bool add_to_map(void *context, const struct vx_ntfs_run *run)
{
    struct vx_ntfs_volume *ntfs = context;
    if (ntfs->map_count == VX_NTFS_MAP_RUNS)
        return false;
    ntfs->map[ntfs->map_count++] = *run;
    return true;
}

/* The first part of the map is in record 0, which the boot sector leads to. */
static bool map_mft(struct vx_ntfs_volume *ntfs)
{
    const struct vx_ntfs_want want = {VX_NTFS_MFT, VX_NTFS_DATA, false};
    struct vx_ntfs_record record;
    struct vx_ntfs_attribute attribute;
    struct walk walk = {0, add_to_map, ntfs};
    uint64_t size = 0, clusters = vx_ceil_div(ntfs->boot.record_size, ntfs->boot.cluster_size);
    if (ntfs->boot.mft_cluster > ntfs->clusters || clusters > ntfs->clusters - ntfs->boot.mft_cluster)
        return false;
    ntfs->map[0] = (struct vx_ntfs_run){0, clusters, ntfs->boot.mft_cluster, false};
    ntfs->map_count = 1;
    if (!vx_ntfs_read_record(ntfs, VX_NTFS_MFT, ntfs->base, &record) || !record.is_base ||
        !find_part(ntfs, ntfs->base, &want, 0, &attribute))
        return false;
    ntfs->map_count = 0;
    if (!record.has_list)
        return walk_part(ntfs, &walk, &attribute);
    return walk_list(ntfs, &want, &walk, &size) && ntfs->map_count > 0;
}

bool vx_ntfs_volume_open(struct vx_free_volume *volume, struct vx_ntfs_volume *ntfs)
{
    uint8_t sector[VX_NTFS_BOOT_SIZE];
    *ntfs = (struct vx_ntfs_volume){.volume = volume};
    ntfs->base = volume->buf;
    ntfs->extension = ntfs->base + VX_NTFS_RECORD_MAX;
    ntfs->list = ntfs->extension + VX_NTFS_RECORD_MAX;
    ntfs->piece = ntfs->list + LIST_MAX;
    ntfs->map = (struct vx_ntfs_run *)(void *)(ntfs->piece + VX_NTFS_PIECE);
    if (!vx_free_get(volume, sector, sizeof sector, 0) ||
        !vx_ntfs_boot_decode(vx_bytes_of(sector, sizeof sector), &ntfs->boot))
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its boot sector makes no sense");
    ntfs->clusters = vx_ntfs_size(&ntfs->boot) / ntfs->boot.cluster_size;
    if (vx_ntfs_size(&ntfs->boot) > volume->size)
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "it is larger than its partition");
    volume->limit = ntfs->clusters * ntfs->boot.cluster_size;
    return map_mft(ntfs) || vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its file table (MFT) cannot be read");
}
