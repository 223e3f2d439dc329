/*
 * Comparing. See compare.h. Copies by XXH3-128 over what is not zero and where it is, so that a sparse copy equals a
 * plain one; leaves sector by sector with what their chain shows without them.
 *
 * "redundant" must hold for reading, so sizes count too, and what a leaf says to be zero is compared
 * as zeros.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/compare.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/notice.h"
#include "chain/layered.h"
#include "io/io.h"

#include <string.h>
#include <xxhash.h>

#define PIECE ((size_t)VX_MIB)

struct comparer {
    struct vx_estate *estate;
    const vhdx_host *host;
    const vhdx_orphans_options *options;
    uint8_t *first, *second; /* PIECE bytes each */
    vhdx_orphans_progress progress;
    vhdx_error *err;
};

static vhdx_status tell(struct comparer *c, uint64_t bytes)
{
    c->progress.bytes_compared += bytes;
    if (!c->options->progress || c->options->progress(c->options->progress_context, &c->progress))
        return VHDX_OK;
    return vx_fail(c->err, VHDX_CANCELLED, vx_at_file(NULL), "the comparison was cancelled");
}

static vhdx_status set_aside(struct comparer *c, struct vx_disk *disk, vhdx_status status, const vhdx_error *why)
{
    if (status == VHDX_OK)
        return VHDX_OK;
    if (vx_ends_all(status)) {
        if (c->err)
            *c->err = *why;
        return status;
    }
    disk->pub.comparison = VHDX_COMPARISON_FAILED;
    disk->trouble = vx_arena_text(&c->estate->arena, why->message);
    return VHDX_OK;
}

/* ---- copies ---- */

struct content {
    uint64_t size;
    XXH128_hash_t hash;
};

static vhdx_status hash_piece(struct comparer *c, struct vx_file *file, XXH3_state_t *state, uint64_t offset,
                              size_t length, vhdx_error *err)
{
    VX_TRY(vx_file_read(file, c->first, length, offset, err));
    for (size_t at = 0; at < length; at += VX_PAGE) {
        size_t part = (size_t)vx_min(VX_PAGE, length - at);
        uint8_t place[8];
        if (vx_is_zero(c->first + at, part))
            continue;
        vx_put64(place, offset + at);
        XXH3_128bits_update(state, place, sizeof place);
        XXH3_128bits_update(state, c->first + at, part);
    }
    return tell(c, length);
}

/* Pieces begin at multiples of PIECE, whatever the holes, so that two copies are cut alike. */
static vhdx_status hash_file(struct comparer *c, struct vx_file *file, struct content *content, vhdx_error *err)
{
    XXH3_state_t *state = XXH3_createState();
    vhdx_status status = state ? vx_file_size(file, &content->size, err) : vx_fail_memory(err, "a hash");
    if (status == VHDX_OK)
        XXH3_128bits_reset(state);
    for (uint64_t offset = 0; status == VHDX_OK && offset < content->size;) {
        uint64_t data, length;
        vx_file_next_data(file, offset, &data, &length);
        if (length == 0)
            break;
        offset = vx_max(offset, vx_round_down(data, PIECE));
        status = hash_piece(c, file, state, offset, (size_t)vx_min(PIECE, content->size - offset), err);
        offset += PIECE;
    }
    if (status == VHDX_OK)
        content->hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    return status;
}

static vhdx_status hash_disk(struct comparer *c, struct vx_disk *disk, struct content *content)
{
    struct vx_file *file;
    vhdx_error why;
    vhdx_status status = vx_file_open(c->host, disk->pub.path, VHDX_OPEN_READ, &file, &why);
    if (status == VHDX_OK) {
        status = hash_file(c, file, content, &why);
        vx_file_close(file);
    }
    return set_aside(c, disk, status, &why);
}

/* The file that the others are held against: the one that is used, else the first that was not put aside. */
static size_t reference_of(const struct vx_estate *estate, size_t ring)
{
    size_t best = VHDX_NONE, at = ring;
    do {
        const struct vx_disk *disk = &estate->disks[at];
        bool live = disk->source == 0 && !vx_disk_is_quarantined(disk);
        bool better = best == VHDX_NONE || (estate->disks[best].is_copy && !disk->is_copy);
        if (live && better)
            best = at;
        at = disk->pub.twin;
    } while (at != ring);
    return best;
}

/* Of two that are equal this one stays, whatever is proposed for the other. */
static void keep_of_copies(struct vx_disk *other)
{
    if (other->is_copy)
        other->pub.comparison =
            VHDX_COMPARISON_EQUAL; /* of one that is used, it would say something else: see is_candidate() */
    other->is_needed = other->stays_of_copies = true;
}

static void judge_copy(struct vx_estate *estate, size_t number, size_t reference, const struct content *a,
                       const struct content *b)
{
    struct vx_disk *disk = &estate->disks[number], *other = &estate->disks[reference];
    bool equal = a->size == b->size && XXH128_isEqual(a->hash, b->hash);
    disk->pub.comparison = equal ? VHDX_COMPARISON_EQUAL : VHDX_COMPARISON_DIFFERS;
    if (equal)
        keep_of_copies(other);
}

static vhdx_status compare_ring(struct comparer *c, size_t ring)
{
    struct vx_estate *estate = c->estate;
    struct content wanted, found;
    size_t reference = reference_of(estate, ring), at = ring;
    if (reference == VHDX_NONE)
        return VHDX_OK;
    VX_TRY(hash_disk(c, &estate->disks[reference], &wanted));
    bool known = estate->disks[reference].pub.comparison != VHDX_COMPARISON_FAILED;
    do {
        struct vx_disk *disk = &estate->disks[at];
        size_t next = disk->pub.twin;
        bool wants = known && at != reference && disk->source == 0 && disk->is_copy;
        if (wants) {
            VX_TRY(hash_disk(c, disk, &found));
            if (disk->pub.comparison != VHDX_COMPARISON_FAILED)
                judge_copy(estate, at, reference, &found, &wanted);
        }
        disk->ring_done = true;
        at = next;
    } while (at != ring);
    /* From here on each equal copy points at the one that stays. */
    do {
        struct vx_disk *disk = &estate->disks[at];
        size_t next = disk->pub.twin;
        if (at != reference && disk->pub.comparison == VHDX_COMPARISON_EQUAL)
            disk->pub.twin = reference;
        at = next;
    } while (at != ring);
    return VHDX_OK;
}

static vhdx_status compare_copies(struct comparer *c)
{
    for (size_t i = 0; i < c->estate->disk_count; i++) {
        const struct vx_disk *disk = &c->estate->disks[i];
        if (disk->pub.twin != VHDX_NONE && !disk->ring_done && disk->source == 0)
            VX_TRY(compare_ring(c, i));
    }
    return VHDX_OK;
}

/* ---- leaves and what is below ---- */

static uint64_t count_different(const uint8_t *a, const uint8_t *b, size_t length, uint32_t sector)
{
    uint64_t count = 0;
    for (size_t at = 0; at < length; at += sector) {
        size_t part = (size_t)vx_min(sector, length - at);
        if (memcmp(a + at, b + at, part) != 0)
            count += part;
    }
    return count;
}

/* What the leaf says about a range, against what the layers below show. `below` is NULL where all of them say zeros. */
static vhdx_status compare_piece(struct comparer *c, struct vx_chain *chain, bool leaf_is_zero, bool below_is_zero,
                                 uint64_t offset, size_t length, uint64_t *different, vhdx_error *err)
{
    uint32_t sector = vx_chain_leaf(chain)->info.logical_sector_size;
    if (leaf_is_zero)
        memset(c->first, 0, length);
    else
        VX_TRY(vx_chain_read(chain, 0, c->first, length, offset, err));
    if (below_is_zero)
        memset(c->second, 0, length);
    else
        VX_TRY(vx_chain_read(chain, 1, c->second, length, offset, err));
    *different += count_different(c->first, c->second, length, sector);
    return tell(c, length);
}

static vhdx_status compare_held(struct comparer *c, struct vx_chain *chain, struct vx_cursor *below,
                                const struct vx_piece *piece, uint64_t *different, vhdx_error *err)
{
    uint64_t parent_size = chain->layers[1]->info.virtual_size;
    for (uint64_t done = 0; done < piece->length;) {
        uint64_t offset = piece->virtual_offset + done, length = piece->length - done;
        struct vx_piece under = {.kind = VX_RUN_ZERO, .length = length};
        if (offset < parent_size)
            VX_TRY(vx_cursor_at(below, offset, vx_min(length, parent_size - offset), &under, err));
        bool both_zero = piece->kind == VX_RUN_ZERO && under.kind != VX_RUN_DATA;
        if (!both_zero)
            under.length = vx_min(under.length, PIECE);
        if (!both_zero)
            VX_TRY(compare_piece(c, chain, piece->kind == VX_RUN_ZERO, under.kind != VX_RUN_DATA, offset,
                                 (size_t)under.length, different, err));
        done += under.length;
    }
    return VHDX_OK;
}

static vhdx_status compare_chain(struct comparer *c, struct vx_chain *chain, uint64_t *different, vhdx_error *err)
{
    struct vx_cursor *leaf = NULL, *below = NULL;
    uint64_t size = vx_chain_leaf(chain)->info.virtual_size, parent_size = chain->layers[1]->info.virtual_size;
    vhdx_status status = vx_cursor_open(chain, 0, 1, true, &leaf, err);
    if (status == VHDX_OK)
        status = vx_cursor_open(chain, 1, chain->count, true, &below, err);
    for (uint64_t offset = 0; status == VHDX_OK && offset < size;) {
        struct vx_piece piece;
        status = vx_cursor_at(leaf, offset, size - offset, &piece, err);
        if (status == VHDX_OK && piece.kind != VX_RUN_TRANSPARENT)
            status = compare_held(c, chain, below, &piece, different, err);
        offset += status == VHDX_OK ? piece.length : 0;
    }
    vx_cursor_close(leaf);
    vx_cursor_close(below);
    *different += size > parent_size ? size - parent_size : parent_size - size;
    return status;
}

/* The files of the chain, as they were found: the locators may lead elsewhere. */
static size_t list_parents(const struct vx_estate *estate, const struct vx_disk *disk, const char *paths[VX_CHAIN_MAX])
{
    size_t count = 0;
    for (size_t at = disk->pub.parent; at != VHDX_NONE && count < VX_CHAIN_MAX; at = estate->disks[at].pub.parent)
        paths[count++] = estate->disks[at].pub.path;
    return count;
}

static vhdx_status compare_leaf(struct comparer *c, struct vx_disk *disk)
{
    const char *paths[VX_CHAIN_MAX];
    struct vx_search search = {paths, list_parents(c->estate, disk, paths)};
    struct vx_chain *chain;
    size_t into;
    uint64_t different = 0;
    vhdx_error why;
    vhdx_status status = vx_chain_open(c->host, disk->pub.path, &search, NULL, &chain, &into, &why);
    if (status == VHDX_OK) {
        status = chain->count > 1 ? compare_chain(c, chain, &different, &why)
                                  : vx_fail(&why, VHDX_PARENT_MISSING, vx_at_file(disk->pub.path), "it has no parent");
        vx_chain_close(chain);
    }
    if (status == VHDX_OK) {
        disk->pub.comparison = different ? VHDX_COMPARISON_DIFFERS : VHDX_COMPARISON_EQUAL;
        disk->pub.differing_bytes = different;
    }
    return set_aside(c, disk, status, &why);
}

static bool is_candidate(const struct vx_disk *disk)
{
    return vx_disk_is_differencing(disk) && !vx_disk_is_vhd(disk) && disk->source == 0 &&
           disk->pub.parent != VHDX_NONE && !disk->is_needed && !(disk->pub.flags & VHDX_DISK_FLAG_BROKEN_BELOW) &&
           (disk->pub.status == VHDX_DISK_STATUS_ORPHAN || disk->pub.status == VHDX_DISK_STATUS_PARENT_MOVED);
}

static vhdx_status compare_leaves(struct comparer *c)
{
    for (size_t i = 0; i < c->estate->disk_count; i++)
        if (is_candidate(&c->estate->disks[i]))
            VX_TRY(compare_leaf(c, &c->estate->disks[i]));
    return VHDX_OK;
}

static void estimate(struct comparer *c)
{
    for (size_t i = 0; i < c->estate->disk_count; i++) {
        const struct vx_disk *disk = &c->estate->disks[i];
        if (disk->pub.twin != VHDX_NONE || is_candidate(disk))
            c->progress.bytes_total += disk->pub.allocated;
    }
    c->progress.disks_found = c->estate->disk_count;
    c->progress.configs_found = c->estate->machine_count;
    c->progress.files_seen = c->estate->totals.files_seen;
    c->progress.directories_seen = c->estate->totals.directories_seen;
}

/* ---- what reports say ---- */

/* The disk of a report that has this path there; names in a report are whole or relative, so the paths as they are told
 * count. */
static size_t disk_of_report(const struct vx_estate *estate, const char *path, unsigned source)
{
    size_t low = 0, high = estate->disk_count; /* sorted by path, then by report */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct vx_disk *disk = &estate->disks[middle];
        int order = strcmp(disk->pub.path, path);
        if (order < 0 || (order == 0 && disk->source < source))
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < estate->disk_count && estate->disks[low].source == source &&
                 strcmp(estate->disks[low].pub.path, path) == 0;
    return found ? low : VHDX_NONE;
}

/* Every layer below is one that the report's host saw: then its identities say that it is the chain that was compared.
 */
static bool is_chain_of_one_report(const struct vx_estate *estate, const struct vx_disk *disk)
{
    for (size_t at = disk->pub.parent; at != VHDX_NONE; at = estate->disks[at].pub.parent)
        if (estate->disks[at].source != disk->source || estate->disks[at].in_cycle)
            return false;
    return true;
}

static bool was_compared_as_copy(const struct vx_disk *disk, const struct vx_disk *other)
{
    return disk->is_copy && disk->compared_as_copy && other != disk && other->has_identity &&
           vx_guid_equal(&other->pub.data_write_guid, &disk->pub.data_write_guid);
}

static bool was_compared_as_leaf(const struct vx_estate *estate, const struct vx_disk *disk, size_t with)
{
    return !disk->compared_as_copy && disk->pub.parent == with && is_chain_of_one_report(estate, disk) &&
           (disk->pub.status == VHDX_DISK_STATUS_ORPHAN || disk->pub.status == VHDX_DISK_STATUS_PARENT_MOVED);
}

static void carry(struct vx_estate *estate, struct vx_disk *disk)
{
    size_t with = disk_of_report(estate, disk->compared_with, disk->source);
    if (with == VHDX_NONE || disk->in_cycle)
        return;
    struct vx_disk *other = &estate->disks[with];
    bool copy = was_compared_as_copy(disk, other);
    if (!copy && !was_compared_as_leaf(estate, disk, with))
        return;
    disk->pub.comparison = disk->compared;
    disk->pub.differing_bytes = disk->compared_difference;
    if (copy && disk->compared == VHDX_COMPARISON_EQUAL && !disk->stays_of_copies)
        keep_of_copies(other);
    if (copy && disk->compared == VHDX_COMPARISON_EQUAL)
        disk->pub.twin = with;
}

/* From the end: as in compare_ring() the first of several equal ones stays. */
void vx_compare_carry(struct vx_estate *estate)
{
    for (size_t i = estate->disk_count; i-- > 0;)
        if (estate->disks[i].compared != VHDX_COMPARISON_NONE)
            carry(estate, &estate->disks[i]);
}

vhdx_status vx_orphans_compare(struct vx_estate *estate, const vhdx_orphans_options *options, vhdx_error *err)
{
    struct comparer c = {.estate = estate, .host = vx_host_or_native(options->host), .options = options, .err = err};
    c.first = vx_alloc(PIECE, 1);
    c.second = vx_alloc(PIECE, 1);
    estimate(&c);
    vhdx_status status = c.first && c.second ? compare_copies(&c) : vx_fail_memory(err, "a comparison");
    if (status == VHDX_OK)
        status = compare_leaves(&c);
    vx_free(c.first);
    vx_free(c.second);
    return status;
}
