/*
 * The parent locator, made anew from whatever of it can be read, and from the parent where that is found and proven: by
 * the identity that the child names, or, where the child names none, by being the very file that the caller names and
 * the same virtual disk.
 *
 * Easy to get wrong: a file that is merely there under the right name is not the parent. What the child would read
 * through a wrong one looks like its own content.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "chain/link.h"
#include "chain/resolve.h"
#include "base/path.h"
#include "verify/proof.h"

#include <string.h>

enum { COUNT_FIELD = 18 };

static const struct {
    enum vx_find kind;
    const char *gives;
    const char *costs; /* of a salvage; NULL = the usual */
} kinds[] = {
    {VX_FIND_LOCATOR_SHORT, "the parent locator can be read", NULL},
    {VX_FIND_LOCATOR_COUNT, "the parent locator can be read", NULL},
    {VX_FIND_LOCATOR_PLACE, "the parent locator holds readable entries only", NULL},
    {VX_FIND_LOCATOR_NUL, "no string of the parent locator contains a NUL", NULL},
    {VX_FIND_LOCATOR_DUPLICATE, "each key of the parent locator is there once", NULL},
    {VX_FIND_LOCATOR_NO_LINKAGE, "the parent locator says who the parent is", NULL},
    {VX_FIND_LOCATOR_LINKAGE, "the linkage in the parent locator is a GUID", NULL},
    {VX_FIND_LOCATOR_NO_PATH, "the parent locator says where the parent is", NULL},
    {VX_FIND_PARENT_LINKAGE2, "the locator does not speak of a merge that did not begin any more", NULL},
    {VX_FIND_PARENT_PATH_STALE, "the paths lead to the parent", NULL},
    {VX_FIND_METADATA_NO_LOCATOR, "a parent locator says which disk the parent is", NULL},
    {VX_FIND_PARENT_MISMATCH, "the disk is linked to the one that its content shows to be below it",
     "the certainty that this is what the disk was made on"},
};

struct mending_locator {
    struct vx_mending *m;
    struct vx_locator *locator; /* what can be read of it */
    uint8_t *bytes;             /* that it points into */
    struct vx_link link;
    bool has_linkage, has_path;
    char *parent; /* path, NULL = not found or not needed */
};

/* ---- what can be read ---- */

static bool same_string(struct vx_bytes a, struct vx_bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool is_there(const struct vx_locator *locator, uint16_t count, struct vx_bytes key)
{
    for (uint16_t i = 0; i < count; i++)
        if (same_string(locator->pairs[i].key, key))
            return true;
    return false;
}

/* Up to its first NUL, without half a character. */
static struct vx_bytes clean_string(struct vx_bytes string)
{
    for (size_t i = 0; i + 1 < string.size; i += 2)
        if (vx_get16(string.data + i) == 0)
            string.size = i;
    string.size -= string.size % 2;
    return string;
}

static void clean_pairs(struct vx_locator *locator)
{
    uint16_t kept = 0, count = (uint16_t)vx_min(locator->count, VX_LOCATOR_MAX);
    for (uint16_t i = 0; i < count; i++) {
        struct vx_locator_pair pair = {clean_string(locator->pairs[i].key), clean_string(locator->pairs[i].value)};
        if (pair.key.size > 0 && pair.value.size > 0 && !is_there(locator, kept, pair.key))
            locator->pairs[kept++] = pair;
    }
    locator->count = kept;
    locator->bad_pairs = 0;
    locator->reserved = 0;
    locator->type = vx_guid_locator_type_vhdx;
}

/* As the exam has it; where no entry names one, as its bytes still stand in the region. */
static vhdx_status find_bytes(struct mending_locator *l, struct vx_bytes *bytes, vhdx_error *err)
{
    const struct vx_exam *exam = l->m->exam;
    *bytes = vx_bytes_of(exam->locator_bytes, exam->locator_bytes ? exam->locator_size : 0);
    if (exam->locator_bytes || !vx_mend_is_wanted(l->m, VX_FIND_METADATA_NO_LOCATOR))
        return VHDX_OK;
    VX_TRY(vx_mending_rebuild(l->m, false, err));
    const struct vx_rebuilt *rebuilt = l->m->rebuilt;
    *bytes = vx_bytes_of(rebuilt->locator, rebuilt->locator ? rebuilt->locator_size : 0);
    return VHDX_OK;
}

/* A locator that claims more entries than it has room for is read as far as it goes. */
static vhdx_status read_locator(struct mending_locator *l, vhdx_error *err)
{
    struct vx_bytes found;
    VX_TRY(find_bytes(l, &found, err));
    uint32_t size = (uint32_t)found.size;
    l->locator = vx_alloc(1, sizeof *l->locator);
    l->bytes = vx_alloc(size ? size : 1, 1);
    if (!l->locator || !l->bytes)
        return vx_fail_memory(err, "the parent locator");
    if (size >= VX_LOCATOR_HEADER_SIZE) {
        memcpy(l->bytes, found.data, size);
        uint32_t room = (size - VX_LOCATOR_HEADER_SIZE) / VX_LOCATOR_ENTRY_SIZE;
        if (vx_get16(l->bytes + COUNT_FIELD) > room)
            vx_put16(l->bytes + COUNT_FIELD, (uint16_t)room);
        if (vx_locator_decode(vx_bytes_of(l->bytes, size), l->locator) != VHDX_OK)
            l->locator->count = 0;
    }
    clean_pairs(l->locator);
    l->has_linkage = vx_locator_guid(l->locator, VX_KEY_LINKAGE, &l->link.linkage);
    if (!vx_locator_guid(l->locator, VX_KEY_LINKAGE2, &l->link.linkage2))
        memset(&l->link.linkage2, 0, sizeof l->link.linkage2);
    l->has_path = vx_locator_find(l->locator, VX_KEY_RELATIVE) || vx_locator_find(l->locator, VX_KEY_VOLUME) ||
                  vx_locator_find(l->locator, VX_KEY_ABSOLUTE);
    return VHDX_OK;
}

/* ---- the parent ---- */

/* Any disk that the caller names, or that lies beside the child, if it has the identity that the child names. */
static vhdx_status find_by_identity(struct mending_locator *l, const struct vx_search *search, vhdx_error *err)
{
    const vhdx_parent_names names = {
        .has_linkage = true, .linkage = l->link.linkage, .has_linkage2 = true, .linkage2 = l->link.linkage2};
    struct vx_child child = vx_child_of(&l->m->exam->image);
    child.names = &names;
    vhdx_status status = vx_resolve_parent(&child, search, &l->parent, NULL);
    if (status != VHDX_OK)
        l->parent = NULL;
    return status == VHDX_NOMEM ? vx_fail_memory(err, "the search for a parent") : VHDX_OK;
}

typedef vhdx_status search_fn(struct mending_locator *l, const struct vx_search *search, vhdx_error *err);

/* Where the caller says, and beside the child. */
static vhdx_status search(struct mending_locator *l, search_fn *find, vhdx_error *err)
{
    const vhdx_repair_options *options = l->m->options;
    char *directory = vx_path_directory(vx_file_path(l->m->plan->file), l->m->plan->host->windows_paths);
    const char **places = vx_alloc(options->parent_count + 1, sizeof *places);
    vhdx_status status = directory && places ? VHDX_OK : vx_fail_memory(err, "the places of a parent");
    for (size_t i = 0; status == VHDX_OK && i < options->parent_count; i++)
        places[i] = options->parents[i];
    if (status == VHDX_OK) {
        places[options->parent_count] = directory;
        status = find(l, &(struct vx_search){places, options->parent_count + 1}, err);
    }
    vx_free(places);
    vx_free(directory);
    return status;
}

/* The caller says that this is the parent; it must be another state of the same virtual disk at least. */
static vhdx_status take_named(struct mending_locator *l, const char *path, vhdx_error *err)
{
    const struct vx_exam *exam = l->m->exam;
    struct vx_image *parent;
    bool same_file = false;
    if (vx_image_open(l->m->plan->host, path, VX_OPEN_PEEK | VX_OPEN_INSPECT, &parent, NULL) != VHDX_OK)
        return VHDX_OK;
    bool fits = !(vx_file_same(parent->file, l->m->plan->file, &same_file) && same_file) &&
                !vx_guid_equal(&parent->header.data_write_guid, &exam->header->data_write_guid) &&
                vx_exam_knows(exam, VX_KNOWS_DISK_ID | VX_KNOWS_LOGICAL_SECTOR) &&
                vx_guid_equal(&parent->items.virtual_disk_id, &exam->disk_id) &&
                parent->geometry.logical_sector_size == exam->logical_sector_size;
    if (fits) {
        l->link.linkage = parent->header.data_write_guid;
        l->has_linkage = true;
        l->parent = vx_copy_string(path);
    }
    vx_image_close(parent);
    return !fits || l->parent ? VHDX_OK : vx_fail_memory(err, "a path");
}

/* The file that is found instead, as long as the content speaks for it. The same search as that of the finding. */
static vhdx_status find_by_content(struct mending_locator *l, const struct vx_search *search, vhdx_error *err)
{
    const struct vx_child child = vx_child_of(&l->m->exam->image);
    struct vx_proof proof;
    char *path, *candidate;
    vhdx_status status = vx_resolve_parent_or(&child, search, &path, &candidate, NULL);
    vx_free(path);
    if (status != VHDX_PARENT_MISMATCH)
        return status == VHDX_NOMEM ? vx_fail_memory(err, "the search for a parent") : VHDX_OK;
    const struct vx_proof_progress progress = {l->m->options->progress, l->m->options->progress_context};
    status = vx_prove_parent(l->m->exam, candidate, search, &progress, &proof, err);
    bool certain = proof.word == VX_PROOF_STATE;
    l->has_linkage = status == VHDX_OK && (certain || (l->m->salvage && proof.word == VX_PROOF_DISK));
    if (l->has_linkage) {
        l->link.linkage = proof.identity;
        memset(&l->link.linkage2, 0, sizeof l->link.linkage2);
        l->parent = candidate;
        candidate = NULL;
    }
    vx_free(candidate);
    return status;
}

static vhdx_status find_parent(struct mending_locator *l, size_t row, vhdx_error *err)
{
    const vhdx_repair_options *options = l->m->options;
    bool stale = vx_mend_is_wanted(l->m, VX_FIND_PARENT_PATH_STALE);
    if (kinds[row].kind == VX_FIND_PARENT_MISMATCH)
        return search(l, find_by_content, err);
    if (l->has_linkage && (stale || !l->has_path))
        VX_TRY(search(l, find_by_identity, err));
    if (vx_mend_is_wanted(l->m, VX_FIND_PARENT_LINKAGE2))
        memset(&l->link.linkage2, 0, sizeof l->link.linkage2);
    if (l->has_linkage)
        return VHDX_OK;
    memset(&l->link.linkage2, 0, sizeof l->link.linkage2);
    return options->parent_count == 1 ? take_named(l, options->parents[0], err) : VHDX_OK;
}

/* ---- all of it ---- */

static vhdx_status write_locator(struct mending_locator *l, size_t row, vhdx_error *err)
{
    bool salvage =
        vx_mend_is_wanted(l->m, kinds[row].kind) && !(l->m->classes[kinds[row].kind] & 1u << VHDX_REPAIR_LOSSLESS);
    const struct vx_reason reason = {kinds[row].kind, salvage, kinds[row].gives,
                                     salvage && !kinds[row].costs
                                         ? "the certainty that it is the last one that the disk had"
                                     : salvage ? kinds[row].costs
                                               : NULL};
    uint8_t *bytes = NULL;
    uint32_t size;
    bool put;
    if (!l->has_linkage || (!l->has_path && !l->parent))
        return VHDX_OK; /* what is missing cannot be had: a locator that leads nowhere helps nobody */
    l->link.parent_path = l->parent;
    l->link.keep_unknown = true;
    vhdx_status status =
        vx_link_encode(l->m->plan->host, vx_file_path(l->m->plan->file), l->locator, &l->link, &bytes, &size, err);
    if (status == VHDX_LIMIT || status == VHDX_ARG)
        return VHDX_OK; /* the way to the parent cannot be said in a locator, which is no reason to mend nothing else */
    VX_TRY(status);
    status = vx_mend_put_item(l->m, &vx_guid_parent_locator, VX_ITEM_IS_REQUIRED, bytes, size, &reason, &put, err);
    vx_free(bytes);
    return status;
}

vhdx_status vx_mend_locator(struct vx_mending *m, vhdx_error *err)
{
    struct mending_locator l = {.m = m};
    size_t row = 0, rows = sizeof kinds / sizeof kinds[0];
    while (row < rows && !vx_mend_is_wanted(m, kinds[row].kind) &&
           !(kinds[row].kind == VX_FIND_METADATA_NO_LOCATOR && vx_mend_is_present(m, kinds[row].kind)))
        row++;
    if (row == rows || !m->exam->table)
        return VHDX_OK;
    vhdx_status status = read_locator(&l, err);
    if (status == VHDX_OK)
        status = find_parent(&l, row, err);
    if (status == VHDX_OK)
        status = write_locator(&l, row, err);
    vx_free(l.parent);
    vx_free(l.locator);
    vx_free(l.bytes);
    return status;
}
