/*
 * Children of one disk. See children.h. Easy to get wrong: a copy beside its original has the same id as long as it is
 * only a copy, and the original's children lie beside it too.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/children.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/guid.h"
#include "base/notice.h"

struct family {
    struct vx_image *image;
    const vhdx_guid *id;
    const struct vx_neighbours *neighbours;
    const struct vx_neighbour **children;
    size_t count;
};

static bool names(const struct vx_neighbour *disk, const vhdx_guid *id)
{
    return (disk->has_linkage && vx_guid_equal(&disk->linkage, id)) ||
           (disk->has_linkage2 && vx_guid_equal(&disk->linkage2, id));
}

/* A second linkage is only a memory where the disk that the first one names is at hand. */
static bool is_made_on(const struct family *family, const struct vx_neighbour *disk)
{
    if (!disk->is_disk || !names(disk, family->id))
        return false;
    return !disk->has_linkage || vx_guid_equal(&disk->linkage, family->id) ||
           !vx_neighbour_find(family->neighbours, &disk->linkage);
}

/* A layer that was merged into the disk and kept says nothing that the disk does not hold; unless others need it. */
static bool is_spent(const struct family *family, const struct vx_neighbour *disk)
{
    if (!disk->is_merged || !disk->has_identity)
        return false;
    for (size_t i = 0; i < family->neighbours->count; i++)
        if (names(&family->neighbours->items[i], &disk->data_write_guid))
            return false;
    return true;
}

/* Whether the child's own paths lead to another file of the same id. What cannot be told is no reason to believe it. */
static bool leads_to_copy(const struct family *family, const struct vx_neighbour *disk)
{
    const vhdx_host *host = family->image->host;
    const struct vx_search nowhere = {0};
    struct vx_image *child;
    struct vx_file *file = NULL;
    char *path = NULL;
    bool same = true;
    if (disk->is_elsewhere || !vx_neighbour_find(family->neighbours, family->id) ||
        vx_image_open(host, disk->path, VX_OPEN_PEEK | VX_OPEN_INSPECT, &child, NULL) != VHDX_OK)
        return false;
    const struct vx_child named = vx_child_of(child);
    if (vx_resolve_parent(&named, &nowhere, &path, NULL) == VHDX_OK &&
        vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL) == VHDX_OK &&
        !vx_file_same(file, family->image->file, &same))
        same = vx_same_path(host, path, vx_image_path(family->image));
    bool other = file && !same;
    vx_file_close(file);
    vx_free(path);
    vx_image_close(child);
    return other;
}

static bool may_be_child(const struct vx_neighbour *disk)
{
    return disk->is_busy || disk->is_unreadable || disk->is_obscure;
}

static void find_children(struct family *family)
{
    for (size_t i = 0; i < family->neighbours->count; i++) {
        const struct vx_neighbour *disk = &family->neighbours->items[i];
        bool made_on = is_made_on(family, disk) && !is_spent(family, disk) && !leads_to_copy(family, disk);
        if (made_on || may_be_child(disk))
            family->children[family->count++] = disk;
    }
}

/* What is to be said of it: begins with what it is. */
static const char *text_of(const struct vx_neighbour *disk)
{
    if (disk->is_busy)
        return "is in use and may have been made on this disk";
    if (disk->is_unreadable)
        return "cannot be read and may have been made on this disk";
    if (disk->is_obscure)
        return "is damaged, does not say who its parent is, and may have been made on this disk";
    return "was made on this disk, and would no longer open";
}

static const struct vx_neighbour *gravest(const struct family *family)
{
    for (size_t i = 0; i < family->count; i++)
        if (!may_be_child(family->children[i]))
            return family->children[i];
    return family->children[0];
}

static vhdx_status refuse(const struct family *family, const struct vx_children_wish *wish, vhdx_error *err)
{
    const struct vx_neighbour *first = gravest(family);
    struct vx_arena arena = {0};
    const char *more = family->count > 1 ? vx_arena_format(&arena, " (and %zu more)", family->count - 1) : "";
    vx_fail(err, VHDX_REFUSED, vx_at_file(vx_image_path(family->image)), "%s%s %s", first->path, more ? more : "",
            text_of(first));
    vx_arena_clear(&arena);
    return vx_advise_code(err, VHDX_REFUSED, wish->advice, NULL);
}

static vhdx_status judge(const struct family *family, const struct vx_children_wish *wish, vhdx_error *err)
{
    for (size_t i = 0; i < family->count; i++)
        vx_notice(wish->notice, wish->notice_context, VHDX_NOTICE_WARNING, "%s %s", family->children[i]->path,
                  text_of(family->children[i]));
    if (wish->force)
        return VHDX_OK;
    if (family->count > 0)
        return refuse(family, wish, err);
    if (family->neighbours->vhd_set)
        return vx_fail(err, VHDX_REFUSED, vx_at_file(vx_image_path(family->image)),
                       "it may belong to the VHD set %s, whose bookkeeping would be wrong afterwards",
                       family->neighbours->vhd_set);
    return VHDX_OK;
}

vhdx_status vx_children_check(struct vx_image *image, const struct vx_children_wish *wish, vhdx_error *err)
{
    struct vx_chain chain = {.host = image->host, .layers = &image, .count = 1};
    struct vx_neighbours neighbours;
    VX_TRY(vx_neighbours_find(&chain, 1, NULL, &neighbours, err));
    vhdx_status status = vx_neighbours_add(&chain, wish->far, true, &neighbours, err);
    struct family family = {.image = image, .id = &image->header.data_write_guid, .neighbours = &neighbours};
    family.children = vx_alloc(neighbours.count + 1, sizeof *family.children);
    if (status == VHDX_OK && !family.children)
        status = vx_fail_memory(err, "the disks beside a disk");
    if (status == VHDX_OK) {
        find_children(&family);
        status = judge(&family, wish, err);
    }
    vx_free(family.children);
    vx_neighbours_free(&neighbours);
    return status;
}
