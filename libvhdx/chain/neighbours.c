/*
 * The neighbours of a chain. See neighbours.h.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/neighbours.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"
#include "image/linkage.h"
#include "base/path.h"

#include <string.h>

struct finder {
    struct vx_chain *chain;
    size_t layer_count;
    const char *directory;
    struct vx_neighbours *neighbours;
    vhdx_status status;
    vhdx_error *err;
};

static bool is_layer(const struct finder *finder, struct vx_file *file)
{
    bool same;
    for (size_t i = 0; i < finder->chain->count; i++)
        if (vx_file_same(file, finder->chain->layers[i]->file, &same) && same)
            return true;
    return false;
}

static bool is_layer_name(const struct finder *finder, const char *path)
{
    for (size_t i = 0; i < finder->chain->count; i++)
        if (vx_same_path(finder->chain->host, path, vx_image_path(finder->chain->layers[i])))
            return true;
    return false;
}

/* One file may be met twice: through two spellings of its directory, or under two names. */
static bool is_known(const struct finder *finder, const struct vx_neighbour *neighbour)
{
    const vhdx_file_facts *facts = &neighbour->facts;
    for (size_t i = 0; i < finder->neighbours->count; i++) {
        const struct vx_neighbour *other = &finder->neighbours->items[i];
        if (facts->volume != 0 && other->facts.volume != 0
                ? facts->volume == other->facts.volume && facts->file[0] == other->facts.file[0] &&
                      facts->file[1] == other->facts.file[1]
                : vx_same_path(finder->chain->host, neighbour->path, other->path))
            return true;
    }
    return false;
}

static void take_linkage(struct vx_neighbour *neighbour, const struct vx_linkage *linkage)
{
    neighbour->is_disk = linkage->kind == VX_LINKAGE_NONE || linkage->kind == VX_LINKAGE_KNOWN;
    neighbour->is_obscure = linkage->kind == VX_LINKAGE_UNKNOWN;
    neighbour->has_identity = linkage->has_identity;
    neighbour->data_write_guid = linkage->data_write_guid;
    neighbour->has_linkage = linkage->has_linkage;
    neighbour->linkage = linkage->linkage;
    neighbour->is_merged = linkage->has_identity &&
                           vx_is_merged_mark(linkage->has_linkage2, &linkage->linkage2, &linkage->data_write_guid);
    neighbour->has_linkage2 = linkage->has_linkage2 && !neighbour->is_merged;
    neighbour->linkage2 = linkage->linkage2;
}

static vhdx_status append(struct vx_neighbours *neighbours, const struct vx_neighbour *neighbour, vhdx_error *err)
{
    struct vx_neighbour *items = vx_room_for(neighbours->items, neighbours->count, &neighbours->room, sizeof *items);
    if (!items)
        return vx_fail_memory(err, "the disks beside the layers");
    neighbours->items = items;
    neighbours->items[neighbours->count++] = *neighbour;
    return VHDX_OK;
}

/* A file that only its name tells us about: it may be any disk, when it is named like one and is none of the layers. */
static bool may_be_disk(const struct finder *finder, const char *path)
{
    bool windows = finder->chain->host->windows_paths;
    bool named_so = vx_path_has_extension(path, ".avhdx", windows) || vx_path_has_extension(path, ".vhdx", windows);
    return named_so && !is_layer_name(finder, path); /* ourselves, perhaps */
}

/* No disk is smaller. What is named as a checkpoint and is a ruin from its first byte on may have been anybody's
 * child. */
static bool is_ruin(const struct finder *finder, struct vx_file *file, const char *path)
{
    uint64_t size;
    return vx_path_has_extension(path, ".avhdx", finder->chain->host->windows_paths) &&
           vx_file_size(file, &size, NULL) == VHDX_OK && size > VX_MIB;
}

/* Reads what an open file says of itself. */
static vhdx_status look_at_file(struct finder *finder, struct vx_file *file, bool *wanted,
                                struct vx_neighbour *neighbour)
{
    uint8_t signature[8];
    size_t got;
    struct vx_linkage linkage;
    bool named_so = may_be_disk(finder, neighbour->path);
    neighbour->facts = *vx_file_facts(file);
    /* The name too: a host need not tell which names are one file. */
    if (is_layer(finder, file) || is_layer_name(finder, neighbour->path) || is_known(finder, neighbour))
        return VHDX_OK;
    vhdx_status status = vx_file_read_some(file, signature, sizeof signature, 0, &got, NULL);
    *wanted = named_so;
    if (status != VHDX_OK)
        return status;
    if (!named_so && (got < sizeof signature || vx_get64(signature) != VX_SIG_FILE))
        return VHDX_OK;
    VX_TRY(vx_linkage_read(finder->chain->host, file, &linkage, NULL));
    take_linkage(neighbour, &linkage);
    neighbour->is_obscure |= linkage.kind == VX_LINKAGE_NO_DISK && is_ruin(finder, file, neighbour->path);
    *wanted = neighbour->is_disk || neighbour->is_obscure;
    return VHDX_OK;
}

/* A file that can be read and is no disk is no child; one that cannot be read may be. Only NOMEM is a failure. */
static vhdx_status look(struct finder *finder, bool *wanted, struct vx_neighbour *neighbour)
{
    struct vx_file *file;
    vhdx_status status = vx_file_open(finder->chain->host, neighbour->path, VHDX_OPEN_PEEK, &file, NULL);
    *wanted = false;
    if (status == VHDX_OK) {
        status = look_at_file(finder, file, wanted, neighbour);
        vx_file_close(file);
    } else {
        *wanted = (status == VHDX_BUSY || status == VHDX_IO) && may_be_disk(finder, neighbour->path);
    }
    neighbour->is_busy = status == VHDX_BUSY;
    neighbour->is_unreadable = status == VHDX_IO;
    return status == VHDX_NOMEM ? status : VHDX_OK;
}

static vhdx_status visit_file(struct finder *finder, const char *name)
{
    struct vx_neighbour neighbour = {0};
    bool wanted = false;
    neighbour.path = vx_path_join(finder->directory, name, finder->chain->host->windows_paths);
    if (!neighbour.path)
        return vx_fail_memory(finder->err, "the disks beside the layers");
    vhdx_status status = look(finder, &wanted, &neighbour);
    if (status != VHDX_OK)
        vx_fail_memory(finder->err, "the disks beside the layers");
    if (status == VHDX_OK && wanted)
        status = append(finder->neighbours, &neighbour, finder->err);
    if (status != VHDX_OK || !wanted)
        vx_free(neighbour.path);
    return status;
}

/*
 * A VHD set is a small file that names its members; its format is not public. A set that bears a layer's name, or holds
 * it, or says nothing that could be read, is taken to own the layer: its bookkeeping would be wrong after a merge.
 */
static bool set_owns_layer(struct finder *finder, const char *set_name, const uint8_t *bytes, size_t size)
{
    bool windows = finder->chain->host->windows_paths;
    for (size_t i = 0; i < finder->layer_count; i++) {
        const char *name = vx_path_name(vx_image_path(finder->chain->layers[i]), windows);
        if (vx_name_equal_part(set_name, vx_path_family_length(set_name, windows), name,
                               vx_path_family_length(name, windows)) ||
            vx_bytes_hold_name(vx_bytes_of(bytes, size), name))
            return true;
    }
    return !vx_bytes_hold_name(vx_bytes_of(bytes, size), ".avhdx");
}

#define SET_BYTES ((size_t)(256 * VX_KIB))

static vhdx_status visit_set(struct finder *finder, const char *name)
{
    struct vx_neighbours *neighbours = finder->neighbours;
    char *path = vx_path_join(finder->directory, name, finder->chain->host->windows_paths);
    uint8_t *bytes = vx_alloc(SET_BYTES, 1);
    struct vx_file *file = NULL;
    size_t got = 0;
    vhdx_status status = VHDX_OK;
    if (!path || !bytes)
        status = vx_fail_memory(finder->err, "a VHD set");
    else if (vx_file_open(finder->chain->host, path, VHDX_OPEN_PEEK, &file, NULL) == VHDX_OK &&
             vx_file_read_some(file, bytes, SET_BYTES, 0, &got, NULL) != VHDX_OK)
        got = 0;
    vx_file_close(file);
    if (status == VHDX_OK && !neighbours->vhd_set && set_owns_layer(finder, name, bytes, got)) {
        neighbours->vhd_set = path;
        path = NULL;
    }
    vx_free(path);
    vx_free(bytes);
    return status;
}

static bool visit(void *visitor, const char *name)
{
    struct finder *finder = visitor;
    if (vx_path_has_extension(name, ".vhds", finder->chain->host->windows_paths))
        finder->status = visit_set(finder, name);
    else
        finder->status = visit_file(finder, name);
    return finder->status == VHDX_OK;
}

static vhdx_status search_directory(struct finder *finder, vhdx_error *err)
{
    const vhdx_host *host = finder->chain->host;
    VX_TRY(vx_host_result(host->list(host->context, finder->directory, visit, finder, err), finder->directory,
                          "list its files", err));
    return finder->status;
}

/* A layer that was reached through a symbolic link has its family where it really is. */
static vhdx_status search_real_directory(struct finder *finder, const char *path, const char *directory,
                                         vhdx_error *err)
{
    const vhdx_host *host = finder->chain->host;
    char real[4096];
    if (host->absolute(host->context, path, real, sizeof real, NULL) != VHDX_OK)
        return VHDX_OK;
    char *real_directory = vx_path_directory(real, host->windows_paths);
    if (!real_directory)
        return vx_fail_memory(err, "a path");
    finder->directory = real_directory;
    vhdx_status status = vx_same_path(host, real_directory, directory) ? VHDX_OK : search_directory(finder, err);
    vx_free(real_directory);
    return status;
}

/* Each directory once; layers mostly are in one. */
static vhdx_status search_directories(struct finder *finder, char **directories, vhdx_error *err)
{
    bool windows = finder->chain->host->windows_paths;
    for (size_t i = 0; i < finder->layer_count; i++) {
        bool seen = false;
        directories[i] = vx_path_directory(vx_image_path(finder->chain->layers[i]), windows);
        if (!directories[i])
            return vx_fail_memory(err, "a path");
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(directories[i], directories[j]) == 0;
        finder->directory = directories[i];
        if (!seen)
            VX_TRY(search_directory(finder, err));
        VX_TRY(search_real_directory(finder, vx_image_path(finder->chain->layers[i]), directories[i], err));
    }
    return VHDX_OK;
}

static bool stop_at_once(void *visitor, const char *name)
{
    (void)visitor;
    (void)name;
    return false;
}

/* Places that are files, or are not there, are passed over; what was searched already is found again and known. */
static vhdx_status search_places(struct finder *finder, const struct vx_search *also, vhdx_error *err)
{
    const vhdx_host *host = finder->chain->host;
    for (size_t i = 0; also && i < also->place_count; i++) {
        finder->directory = also->places[i];
        if (host->list(host->context, finder->directory, stop_at_once, NULL, NULL) == VHDX_OK)
            VX_TRY(search_directory(finder, err));
    }
    return VHDX_OK;
}

vhdx_status vx_neighbours_find(struct vx_chain *chain, size_t layer_count, const struct vx_search *also,
                               struct vx_neighbours *neighbours, vhdx_error *err)
{
    struct finder finder = {
        .chain = chain, .layer_count = layer_count, .neighbours = neighbours, .status = VHDX_OK, .err = err};
    char **directories = vx_alloc(layer_count, sizeof *directories);
    memset(neighbours, 0, sizeof *neighbours);
    if (!directories)
        return vx_fail_memory(err, "the directories of the layers");
    vhdx_status status = search_directories(&finder, directories, err);
    if (status == VHDX_OK)
        status = search_places(&finder, also, err);
    for (size_t i = 0; i < layer_count; i++)
        vx_free(directories[i]);
    vx_free(directories);
    if (status != VHDX_OK)
        vx_neighbours_free(neighbours);
    return status;
}

/* ---- disks that are elsewhere ---- */

static bool is_far_layer(const struct finder *finder, const struct vx_far_disk *disk)
{
    for (size_t i = 0; disk->is_elsewhere && i < finder->chain->count; i++) {
        const struct vx_header *header = &finder->chain->layers[i]->header;
        if (disk->has_identity && vx_guid_equal(&header->data_write_guid, &disk->data_write_guid) &&
            vx_guid_equal(&header->file_write_guid, &disk->file_write_guid))
            return true;
    }
    return is_layer_name(finder, disk->path); /* a report may be this host's, and older than the disk */
}

/* A file of this host is looked at once more: the search may be of yesterday, or know it by another name. */
static vhdx_status look_again(struct finder *finder, struct vx_neighbour *neighbour)
{
    bool wanted = false;
    vhdx_status status = look(finder, &wanted, neighbour);
    if (status != VHDX_OK)
        return vx_fail_memory(finder->err, "the disks in other places");
    return wanted ? append(finder->neighbours, neighbour, finder->err) : VHDX_OK;
}

static vhdx_status take_far(struct finder *finder, const struct vx_far_disk *disk)
{
    struct vx_neighbour neighbour = {.path = vx_copy_string(disk->path)};
    size_t count = finder->neighbours->count;
    vhdx_status status = VHDX_OK;
    if (!neighbour.path)
        return vx_fail_memory(finder->err, "the disks in other places");
    if (!disk->is_elsewhere) {
        status = look_again(finder, &neighbour);
    } else if (!is_known(finder, &neighbour)) {
        neighbour.is_elsewhere = true;
        neighbour.is_disk = !disk->is_obscure && !disk->is_busy;
        neighbour.is_obscure = disk->is_obscure;
        neighbour.is_busy = disk->is_busy;
        neighbour.has_identity = disk->has_identity;
        neighbour.data_write_guid = disk->data_write_guid;
        neighbour.has_linkage = disk->has_linkage;
        neighbour.linkage = disk->linkage;
        neighbour.is_merged =
            disk->has_identity && vx_is_merged_mark(disk->has_linkage2, &disk->linkage2, &disk->data_write_guid);
        neighbour.has_linkage2 = disk->has_linkage2 && !neighbour.is_merged;
        neighbour.linkage2 = disk->linkage2;
        status = append(finder->neighbours, &neighbour, finder->err);
    }
    if (finder->neighbours->count == count)
        vx_free(neighbour.path);
    return status;
}

vhdx_status vx_neighbours_add(const struct vx_chain *chain, const struct vx_far_disks *far, bool with_uppers,
                              struct vx_neighbours *neighbours, vhdx_error *err)
{
    struct finder finder = {.chain = (struct vx_chain *)chain, .neighbours = neighbours, .err = err};
    const vhdx_guid *child = &chain->layers[0]->header.data_write_guid;
    for (size_t i = 0; far && i < far->count; i++) {
        const struct vx_far_disk *disk = &far->items[i];
        bool upper = disk->is_elsewhere && disk->has_linkage && vx_guid_equal(&disk->linkage, child);
        if (!is_far_layer(&finder, disk) && (with_uppers || !upper))
            VX_TRY(take_far(&finder, disk));
    }
    return VHDX_OK;
}

void vx_neighbours_free(struct vx_neighbours *neighbours)
{
    for (size_t i = 0; i < neighbours->count; i++)
        vx_free(neighbours->items[i].path);
    vx_free(neighbours->items);
    vx_free(neighbours->vhd_set);
    memset(neighbours, 0, sizeof *neighbours);
}

const struct vx_neighbour *vx_neighbour_find(const struct vx_neighbours *neighbours, const vhdx_guid *guid)
{
    for (size_t i = 0; i < neighbours->count; i++)
        if (neighbours->items[i].has_identity && vx_guid_equal(&neighbours->items[i].data_write_guid, guid))
            return &neighbours->items[i];
    return NULL;
}

static bool is_known_identity(const struct vx_neighbours *neighbours, const vhdx_guid *guid, const vhdx_guid *also)
{
    return vx_guid_equal(guid, also) || vx_neighbour_find(neighbours, guid);
}

bool vx_neighbour_parent(const struct vx_neighbours *neighbours, const struct vx_neighbour *disk, const vhdx_guid *also,
                         vhdx_guid *parent)
{
    bool second = disk->has_linkage2 && is_known_identity(neighbours, &disk->linkage2, also) &&
                  !(disk->has_linkage && is_known_identity(neighbours, &disk->linkage, also));
    *parent = second || !disk->has_linkage ? disk->linkage2 : disk->linkage;
    return disk->has_linkage || disk->has_linkage2;
}
