/*
 * Building and writing parent locators. See link.h.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/link.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"
#include "io/path.h"

#include <stdio.h>
#include <string.h>

#define PATH_ROOM 4096u

/* A locator in the making; every key and value that it points to lies in `text`. */
struct maker {
    struct vx_locator *locator;
    uint8_t *text;
    size_t used, room;
};

static vhdx_status add_text(struct maker *maker, const char *text, struct vx_bytes *view, vhdx_error *err)
{
    size_t need = vx_utf8_to_utf16(text, maker->text + maker->used, maker->room - maker->used);
    if (need == SIZE_MAX)
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "a path is not valid UTF-8, a locator cannot hold it");
    if (need > maker->room - maker->used || need > UINT16_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL), "a path is too long for a parent locator");
    *view = vx_bytes_of(maker->text + maker->used, need);
    maker->used += need;
    return VHDX_OK;
}

static vhdx_status add_pair(struct maker *maker, const char *key, const char *value, vhdx_error *err)
{
    struct vx_locator_pair pair;
    VX_TRY(add_text(maker, key, &pair.key, err));
    VX_TRY(add_text(maker, value, &pair.value, err));
    if (maker->locator->count == VX_LOCATOR_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL), "the parent locator has too many keys");
    maker->locator->pairs[maker->locator->count++] = pair;
    return VHDX_OK;
}

static vhdx_status add_guid(struct maker *maker, const char *key, const vhdx_guid *guid, vhdx_error *err)
{
    char text[VX_GUID_TEXT], braced[VX_GUID_TEXT + 2];
    vx_guid_format(guid, text);
    snprintf(braced, sizeof braced, "{%s}", text);
    return add_pair(maker, key, braced, err);
}

static void keep_pair(struct maker *maker, const struct vx_locator *old, const char *key)
{
    const struct vx_locator_pair *pair = old ? vx_locator_find(old, key) : NULL;
    if (pair && maker->locator->count < VX_LOCATOR_MAX)
        maker->locator->pairs[maker->locator->count++] = *pair;
}

static bool same_char(char a, char b, bool windows)
{
    if (vx_path_is_separator(a, windows) && vx_path_is_separator(b, windows))
        return true;
    return a == b;
}

/* Length of the common leading directories of two absolute paths, separator included; 0: different drives. */
static size_t common_directories(const char *a, const char *b, bool windows)
{
    size_t common = 0;
    for (size_t i = 0; a[i] && b[i] && same_char(a[i], b[i], windows); i++)
        if (vx_path_is_separator(a[i], windows))
            common = i + 1;
    return common;
}

/* ".\name", "..\other\name": the form that Windows writes. false: there is no relative way, or no room. */
static bool relative_path(const char *child, const char *parent, bool windows, char *text, size_t room)
{
    size_t common = common_directories(child, parent, windows);
    size_t used = 0;
    if (common == 0)
        return false;
    for (const char *c = child + common; *c; c++)
        if (vx_path_is_separator(*c, windows)) {
            if (used + 4 > room)
                return false;
            memcpy(text + used, "..\\", 3);
            used += 3;
        }
    if (used == 0) {
        memcpy(text, ".\\", 2);
        used = 2;
    }
    size_t rest = strlen(parent + common);
    if (rest >= room - used)
        return false;
    for (size_t i = 0; i <= rest; i++)
        text[used + i] = vx_path_is_separator(parent[common + i], windows) ? '\\' : parent[common + i];
    return true;
}

struct paths {
    char child[PATH_ROOM], parent[PATH_ROOM], relative[PATH_ROOM];
};

static vhdx_status absolute(const vhdx_host *host, const char *path, char text[PATH_ROOM], vhdx_error *err)
{
    return vx_host_result(host->absolute(host->context, path, text, PATH_ROOM, err), path, "say its whole path", err);
}

/* Where only this system's paths are known, a Windows path would be made up: only the relative one is written then. */
static vhdx_status add_paths(struct maker *maker, const vhdx_host *host, const char *child_path,
                             const char *parent_path, struct paths *paths, vhdx_error *err)
{
    VX_TRY(absolute(host, child_path, paths->child, err));
    VX_TRY(absolute(host, parent_path, paths->parent, err));
    bool relative = relative_path(paths->child, paths->parent, host->windows_paths, paths->relative,
                                  sizeof paths->relative);
    if (!relative && !host->windows_paths)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(parent_path), "the path is too long for a parent locator");
    if (host->windows_paths)
        VX_TRY(add_pair(maker, VX_KEY_ABSOLUTE, paths->parent, err));
    return relative ? add_pair(maker, VX_KEY_RELATIVE, paths->relative, err) : VHDX_OK;
}

static bool is_ours(const struct vx_locator *old, const struct vx_locator_pair *pair)
{
    static const char *const keys[] = {VX_KEY_LINKAGE, VX_KEY_LINKAGE2, VX_KEY_RELATIVE, VX_KEY_VOLUME,
                                       VX_KEY_ABSOLUTE};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (vx_locator_find(old, keys[i]) == pair)
            return true;
    return false;
}

/* In the order of Windows: linkage, absolute, relative, volume, linkage2; then keys that are not ours. */
static vhdx_status fill(struct maker *maker, const vhdx_host *host, const char *child_path,
                        const struct vx_locator *old, const struct vx_link *link, struct paths *paths,
                        vhdx_error *err)
{
    maker->locator->type = vx_guid_locator_type_vhdx;
    VX_TRY(add_guid(maker, VX_KEY_LINKAGE, &link->linkage, err));
    if (link->parent_path) {
        VX_TRY(add_paths(maker, host, child_path, link->parent_path, paths, err));
    } else {
        keep_pair(maker, old, VX_KEY_ABSOLUTE);
        keep_pair(maker, old, VX_KEY_RELATIVE);
        keep_pair(maker, old, VX_KEY_VOLUME);
    }
    VX_TRY(add_guid(maker, VX_KEY_LINKAGE2, &link->linkage2, err));
    for (uint32_t i = 0; old && i < old->count && i < VX_LOCATOR_MAX; i++)
        if (old->pairs[i].key.size > 0 && old->pairs[i].value.size > 0 && !is_ours(old, &old->pairs[i]) &&
            maker->locator->count < VX_LOCATOR_MAX)
            maker->locator->pairs[maker->locator->count++] = old->pairs[i];
    return VHDX_OK;
}

static vhdx_status encode(const struct maker *maker, uint8_t **bytes, uint32_t *size, vhdx_error *err)
{
    size_t need = vx_locator_encode(maker->locator, NULL, 0);
    if (need > VX_METADATA_ITEM_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL), "the parent locator is longer than 1 MiB");
    *bytes = vx_alloc(need, 1);
    if (!*bytes)
        return vx_fail_memory(err, "a parent locator");
    vx_locator_encode(maker->locator, *bytes, need);
    *size = (uint32_t)need;
    return VHDX_OK;
}

vhdx_status vx_link_encode(const vhdx_host *host, const char *child_path, const struct vx_locator *old,
                           const struct vx_link *link, uint8_t **bytes, uint32_t *size, vhdx_error *err)
{
    struct maker maker = {.room = 4 * PATH_ROOM};
    struct paths *paths = vx_alloc(1, sizeof *paths);
    maker.locator = vx_alloc(1, sizeof *maker.locator);
    maker.text = vx_alloc(maker.room, 1);
    vhdx_status status;
    if (paths && maker.locator && maker.text)
        status = fill(&maker, host, child_path, old, link, paths, err);
    else
        status = vx_fail_memory(err, "a parent locator");
    if (status == VHDX_OK)
        status = encode(&maker, bytes, size, err);
    vx_free(maker.text);
    vx_free(maker.locator);
    vx_free(paths);
    return status;
}

vhdx_status vx_link_write(struct vx_image *child, const struct vx_link *link, vhdx_error *err)
{
    struct vx_item_change change = {.item_id = vx_guid_parent_locator, .flags = VX_ITEM_IS_REQUIRED};
    uint8_t *bytes;
    VX_TRY(vx_link_encode(child->host, vx_image_path(child), child->items.locator, link, &bytes, &change.length, err));
    change.bytes = bytes;
    vhdx_status status = vx_items_change(child, &change, 1, err);
    vx_free(bytes);
    return status;
}
