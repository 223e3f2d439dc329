/*
 * Disks beside a disk. See beside.h.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/beside.h"

#include "base/notice.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/guid.h"
#include "base/quote.h"
#include "chain/chain.h"
#include "format/layout.h"
#include "image/linkage.h"
#include "base/path.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 3u

struct visit {
    const vhdx_host *host;
    const char *directory;
    vx_beside_fn *visit;
    void *context;
    vhdx_status status;
    vhdx_error *err;
};

static vhdx_status look_at(const struct visit *visit, const char *path)
{
    struct vx_file *file;
    struct vx_image *image;
    uint8_t signature[8];
    size_t got;
    if (vx_file_open(visit->host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
        return VHDX_OK;
    if (vx_file_read_some(file, signature, sizeof signature, 0, &got, NULL) != VHDX_OK || got < sizeof signature ||
        vx_get64(signature) != VX_SIG_FILE) {
        vx_file_close(file);
        return VHDX_OK;
    }
    vhdx_status status = vx_image_open_file(visit->host, file, VX_OPEN_PEEK | VX_OPEN_INSPECT, &image, NULL);
    if (status != VHDX_OK)
        return status == VHDX_NOMEM ? vx_fail_memory(visit->err, "a disk beside another") : VHDX_OK;
    status = visit->visit(visit->context, image, path, visit->err);
    vx_image_close(image);
    return status;
}

static bool visit_name(void *context, const char *name)
{
    struct visit *visit = context;
    bool windows = visit->host->windows_paths;
    if (!vx_path_has_extension(name, ".vhdx", windows) && !vx_path_has_extension(name, ".avhdx", windows))
        return true;
    char *path = vx_path_join(visit->directory, name, windows);
    visit->status = path ? look_at(visit, path) : vx_fail_memory(visit->err, "a path");
    vx_free(path);
    return visit->status == VHDX_OK;
}

vhdx_status vx_disks_in(const vhdx_host *host, const char *directory, vx_beside_fn *visit, void *context,
                        vhdx_error *err)
{
    struct visit all = {host, directory, visit, context, VHDX_OK, err};
    host->list(host->context, directory, visit_name, &all, NULL);
    return all.status;
}

/* ---- one identity ---- */

struct asking {
    const vhdx_host *host;
    const char *directory, *except;
    const vhdx_guid *id;
    bool known;
    vhdx_status status;
};

/* What bears a disk's name and cannot be looked at may be any disk. */
static vhdx_status ask(struct asking *asking, const char *path)
{
    struct vx_file *file;
    struct vx_linkage linkage;
    vhdx_status status = vx_file_open(asking->host, path, VHDX_OPEN_PEEK, &file, NULL);
    if (status == VHDX_OK) {
        status = vx_linkage_read(asking->host, file, &linkage, NULL);
        vx_file_close(file);
        if (status == VHDX_OK)
            asking->known |= linkage.has_identity ? vx_guid_equal(&linkage.data_write_guid, asking->id)
                                                  : linkage.kind != VX_LINKAGE_NO_DISK;
    }
    asking->known |= status != VHDX_OK && status != VHDX_NOT_FOUND;
    return status == VHDX_NOMEM ? status : VHDX_OK;
}

static bool ask_name(void *context, const char *name)
{
    struct asking *asking = context;
    bool windows = asking->host->windows_paths;
    if (!vx_path_has_extension(name, ".vhdx", windows) && !vx_path_has_extension(name, ".avhdx", windows))
        return true;
    char *path = vx_path_join(asking->directory, name, windows);
    if (!path)
        asking->status = VHDX_NOMEM;
    else if (!vx_same_path(asking->host, path, asking->except))
        asking->status = ask(asking, path);
    vx_free(path);
    return asking->status == VHDX_OK && !asking->known;
}

vhdx_status vx_identity_in(const vhdx_host *host, const char *directory, const char *path, const vhdx_guid *id,
                           bool *known, vhdx_error *err)
{
    struct asking asking = {.host = host, .directory = directory, .except = path, .id = id, .status = VHDX_OK};
    if (host->list(host->context, directory, ask_name, &asking, NULL) != VHDX_OK)
        asking.status = ask(&asking, directory); /* a file, nothing, or what cannot be looked into */
    *known = asking.known;
    return asking.status == VHDX_OK ? VHDX_OK : vx_fail_memory(err, "the disks beside another");
}

/* ---- children ---- */

struct telling {
    const vhdx_host *host;
    const char *parent;
    const vhdx_guid *id;
    vhdx_notice_fn notice;
    void *context;
};

static bool is_child(const struct vx_image *image, const vhdx_guid *id)
{
    const vhdx_parent_names *names = &image->parent_names;
    return image->info.parent &&
           ((names->has_linkage && vx_guid_equal(&names->linkage, id)) ||
            (names->has_linkage2 && !vx_image_is_merged(image) && vx_guid_equal(&names->linkage2, id)));
}

struct counting {
    const vhdx_guid *id;
    bool windows;
    struct vx_children *children;
};

static vhdx_status count_child(void *context, const struct vx_image *image, const char *path, vhdx_error *err)
{
    const struct counting *counting = context;
    struct vx_children *children = counting->children;
    size_t length = strlen(children->names);
    (void)err;
    if (!is_child(image, counting->id))
        return VHDX_OK;
    const char *name = vx_path_name(path, counting->windows);
    if (children->count++ < NAMES_MAX && strlen(name) + 4 < sizeof children->names - length)
        snprintf(children->names + length, sizeof children->names - length, "%s%s", length > 0 ? ", " : "", name);
    return VHDX_OK;
}

vhdx_status vx_children_beside(const vhdx_host *host, const char *path, const vhdx_guid *id,
                               struct vx_children *children, vhdx_error *err)
{
    struct counting counting = {id, host->windows_paths, children};
    memset(children, 0, sizeof *children);
    if (vx_guid_is_zero(id))
        return VHDX_OK;
    char *directory = vx_path_directory(path, host->windows_paths);
    vhdx_status status =
        directory ? vx_disks_in(host, directory, count_child, &counting, err) : vx_fail_memory(err, "a path");
    vx_free(directory);
    return status;
}

static vhdx_status tell_child(void *context, const struct vx_image *image, const char *path, vhdx_error *err)
{
    const struct telling *telling = context;
    struct vx_arena arena = {0};
    if (!is_child(image, telling->id))
        return VHDX_OK;
    const char *text = vx_arena_format(&arena,
                                       "%s was made on this disk as it was, and refuses it with other content. To go "
                                       "on in spite of what is lost:",
                                       path);
    if (text)
        vx_notice_advised(telling->notice, telling->context,
                          &(vhdx_notice){.kind = VHDX_NOTICE_NEXT,
                                         .text = text,
                                         .advice = VHDX_ADVICE_RELINK_CHILD,
                                         .advice_arguments = {telling->parent, path}});
    vx_arena_clear(&arena);
    return text ? VHDX_OK : vx_fail_memory(err, "a notice");
}

vhdx_status vx_tell_children(const vhdx_host *host, const char *path, const vhdx_guid *id, vhdx_notice_fn notice,
                             void *context, vhdx_error *err)
{
    struct telling telling = {host, path, id, notice, context};
    if (!notice || vx_guid_is_zero(id))
        return VHDX_OK;
    char *directory = vx_path_directory(path, host->windows_paths);
    vhdx_status status =
        directory ? vx_disks_in(host, directory, tell_child, &telling, err) : vx_fail_memory(err, "a path");
    vx_free(directory);
    return status;
}
