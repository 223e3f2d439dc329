/*
 * Building and writing parent locators. See link.h.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/link.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"
#include "base/path.h"

#include <stdio.h>
#include <string.h>

#define PATH_ROOM 4096u
#define KEYS_ROOM 1024u /* the five keys and two GUIDs */

/* A locator in the making; every key and value that it points to is in `text`. */
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

static vhdx_status put_pair(struct maker *maker, const struct vx_locator_pair *pair, vhdx_error *err)
{
    if (maker->locator->count == VX_LOCATOR_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL), "the parent locator has too many keys");
    maker->locator->pairs[maker->locator->count++] = *pair;
    return VHDX_OK;
}

static vhdx_status add_pair(struct maker *maker, const char *key, const char *value, vhdx_error *err)
{
    struct vx_locator_pair pair;
    VX_TRY(add_text(maker, key, &pair.key, err));
    VX_TRY(add_text(maker, value, &pair.value, err));
    return put_pair(maker, &pair, err);
}

static vhdx_status add_guid(struct maker *maker, const char *key, const vhdx_guid *guid, vhdx_error *err)
{
    char text[VX_GUID_TEXT], braced[VX_GUID_TEXT + 2];
    vx_guid_format(guid, text);
    snprintf(braced, sizeof braced, "{%s}", text);
    return add_pair(maker, key, braced, err);
}

static vhdx_status keep_pair(struct maker *maker, const struct vx_locator *old, const char *key, vhdx_error *err)
{
    const struct vx_locator_pair *pair = old ? vx_locator_find(old, key) : NULL;
    return pair ? put_pair(maker, pair, err) : VHDX_OK;
}

/* A letter that differs in case alone may be taken for another: the way is longer then, and right all the same. */
static bool same_char(char a, char b, bool windows)
{
    if (vx_path_is_separator(a, windows) && vx_path_is_separator(b, windows))
        return true;
    return a == b || (windows && vx_ascii_lower((uint8_t)a) == vx_ascii_lower((uint8_t)b));
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
                             const struct vx_link *link, struct paths *paths, vhdx_error *err)
{
    VX_TRY(absolute(host, child_path, paths->child, err));
    VX_TRY(absolute(host, link->parent_path, paths->parent, err));
    bool relative =
        relative_path(paths->child, paths->parent, host->windows_paths, paths->relative, sizeof paths->relative);
    if (!relative && !host->windows_paths)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(link->parent_path), "the path is too long for a parent locator");
    if (link->also_path)
        VX_TRY(absolute(host, link->also_path, paths->parent, err));
    if (host->windows_paths || link->also_path)
        VX_TRY(add_pair(maker, VX_KEY_ABSOLUTE, paths->parent, err));
    return relative ? add_pair(maker, VX_KEY_RELATIVE, paths->relative, err) : VHDX_OK;
}

/* NULs at the end, which the format forbids, are no part of a key, as in vx_locator_find(). */
static bool has_key(const struct vx_locator_pair *pair, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < pair->key.size / 2; i++)
        if (vx_get16(pair->key.data + 2 * i) != (i < length ? (unsigned char)key[i] : 0))
            return false;
    return pair->key.size / 2 >= length;
}

/* Also the second one of a key that is there twice: it would contradict what is written now. */
static bool is_ours(const struct vx_locator_pair *pair)
{
    return has_key(pair, VX_KEY_LINKAGE) || has_key(pair, VX_KEY_LINKAGE2) || has_key(pair, VX_KEY_RELATIVE) ||
           has_key(pair, VX_KEY_VOLUME) || has_key(pair, VX_KEY_ABSOLUTE);
}

/* None is lost in silence: it was put there on purpose. */
static vhdx_status keep_foreign(struct maker *maker, const struct vx_locator *old, vhdx_error *err)
{
    if (old->count > VX_LOCATOR_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL), "the parent locator has too many keys");
    for (uint32_t i = 0; i < old->count; i++)
        if (old->pairs[i].key.size > 0 && old->pairs[i].value.size > 0 && !is_ours(&old->pairs[i]))
            VX_TRY(put_pair(maker, &old->pairs[i], err));
    return VHDX_OK;
}

/* In the order of Windows: linkage, absolute, relative, volume, linkage2; then keys that are not ours. */
static vhdx_status fill(struct maker *maker, const vhdx_host *host, const char *child_path,
                        const struct vx_locator *old, const struct vx_link *link, struct paths *paths, vhdx_error *err)
{
    maker->locator->type = vx_guid_locator_type_vhdx;
    VX_TRY(add_guid(maker, VX_KEY_LINKAGE, &link->linkage, err));
    bool keep = link->keep_unknown && !host->windows_paths && !link->also_path;
    if (link->parent_path) {
        VX_TRY(keep ? keep_pair(maker, old, VX_KEY_ABSOLUTE, err) : VHDX_OK);
        VX_TRY(add_paths(maker, host, child_path, link, paths, err));
        VX_TRY(keep ? keep_pair(maker, old, VX_KEY_VOLUME, err) : VHDX_OK);
    } else {
        VX_TRY(keep_pair(maker, old, VX_KEY_ABSOLUTE, err));
        VX_TRY(keep_pair(maker, old, VX_KEY_RELATIVE, err));
        VX_TRY(keep_pair(maker, old, VX_KEY_VOLUME, err));
    }
    VX_TRY(add_guid(maker, VX_KEY_LINKAGE2, &link->linkage2, err));
    return old ? keep_foreign(maker, old, err) : VHDX_OK;
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
    struct maker maker = {.room = 4 * PATH_ROOM + KEYS_ROOM}; /* two paths as UTF-16 */
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

static vhdx_status check_or_write(struct vx_image *child, const struct vx_link *link, bool check_only, vhdx_error *err)
{
    struct vx_item_change change = {.item_id = vx_guid_parent_locator, .flags = VX_ITEM_IS_REQUIRED};
    uint8_t *bytes;
    vhdx_status status =
        vx_link_encode(child->host, vx_image_path(child), child->items.locator, link, &bytes, &change.length, err);
    if (status != VHDX_OK) {
        vx_locate(err, vx_at(vx_image_path(child), "parent locator", VHDX_NOWHERE));
        return status;
    }
    change.bytes = bytes;
    status = check_only ? vx_items_check(child, &change, 1, err) : vx_items_change(child, &change, 1, err);
    vx_free(bytes);
    return status;
}

vhdx_status vx_link_check(struct vx_image *child, const struct vx_link *link, vhdx_error *err)
{
    return check_or_write(child, link, true, err);
}

vhdx_status vx_link_write(struct vx_image *child, const struct vx_link *link, vhdx_error *err)
{
    return check_or_write(child, link, false, err);
}
