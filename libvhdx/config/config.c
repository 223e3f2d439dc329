/*
 * One configuration, from the host's file to the struct. See config.h. Here the kind of file is found out and its
 * reader called; what is beside it (the runtime state, the name of its directory) is added.
 */
/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/guid.h"
#include "base/utf.h"
#include "io/io.h"
#include "base/path.h"
#include "config/config_build.h"
#include "config/config_keys.h"
#include "config/config_vhds.h"
#include "config/hvs.h"
#include "config/hvs_read.h"
#include "config/xml_tree.h"

#include <stdio.h>
#include <string.h>

#define WHOLE_FILE_MAX (16 * VX_MIB) /* of XML and VHD sets; real ones have some hundred KiB at most */

struct source {
    const vhdx_host *host;
    const char *path;
    unsigned flags;
    struct vx_file *file;
};

/* ---- which kind ---- */

/* Whether the text is in the bytes, in UTF-8 or either UTF-16: zero bytes are passed over. */
static bool contains(struct vx_bytes in, const char *text)
{
    for (size_t start = 0; start < in.size; start++) {
        size_t i = start, matched = 0;
        for (; i < in.size && text[matched] && (in.data[i] == 0 || in.data[i] == (uint8_t)text[matched]); i++)
            matched += in.data[i] != 0;
        if (!text[matched])
            return true;
    }
    return false;
}

static bool is_named_by_guid(const char *path, bool windows)
{
    const char *name = vx_path_name(path, windows), *extension = vx_path_extension(path, windows);
    vhdx_guid guid;
    return vx_guid_parse(name, strlen(name) - strlen(extension), &guid);
}

int vx_config_recognize(struct vx_bytes first, const char *path, bool windows)
{
    if (first.size >= 4 && vx_get32(first.data) == VX_HVS_SIGNATURE)
        return VHDX_CONFIG_VMCX;
    if (vx_path_has_extension(path, ".vmcx", windows))
        return VHDX_CONFIG_VMCX;
    if (vx_path_has_extension(path, ".vmrs", windows))
        return VHDX_CONFIG_VMRS;
    if (vx_path_has_extension(path, ".vhds", windows))
        return VHDX_CONFIG_VHDS;
    if (vx_xml_recognize(first) && contains(first, "<configuration"))
        return VHDX_CONFIG_XML;
    bool xml = vx_path_has_extension(path, ".xml", windows) || vx_path_has_extension(path, ".exp", windows);
    return xml && is_named_by_guid(path, windows) ? VHDX_CONFIG_XML : 0;
}

/* ---- readers ---- */

static vhdx_config_format hvs_format(const struct source *source, enum vx_config_sort sort)
{
    if (sort != VX_CONFIG_OF_NOTHING)
        return sort == VX_CONFIG_OF_STATE ? VHDX_CONFIG_VMRS : VHDX_CONFIG_VMCX;
    return vx_path_has_extension(source->path, ".vmrs", source->host->windows_paths) ? VHDX_CONFIG_VMRS
                                                                                     : VHDX_CONFIG_VMCX;
}

static vhdx_status read_hvs(const struct source *source, struct vx_tree *tree, struct vx_config *config,
                            vhdx_error *err)
{
    VX_TRY(vx_hvs_read(source->file, tree, config, err));
    enum vx_config_sort sort = vx_config_sort(tree);
    config->info.format = hvs_format(source, sort);
    vx_config_fill(tree, config);
    if (sort == VX_CONFIG_OF_NOTHING)
        vx_config_reason(config, "none of the keys that every configuration has is in it");
    if (sort == VX_CONFIG_OF_STATE && config->info.saved_state == VHDX_SAVED_STATE_UNKNOWN && config->info.complete)
        config->info.saved_state = VHDX_SAVED_STATE_NONE;
    return VHDX_OK;
}

/* The whole file, kept by the tree. */
static vhdx_status read_whole(const struct source *source, struct vx_tree *tree, struct vx_bytes *bytes,
                              vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(source->file, &size, err));
    if (size > WHOLE_FILE_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(source->path), "larger than any configuration of its kind");
    uint8_t *memory = vx_tree_blob(tree, (size_t)size);
    if (!memory)
        return vx_fail_memory(err, "a configuration");
    VX_TRY(vx_file_read(source->file, memory, (size_t)size, 0, err));
    *bytes = vx_bytes_of(memory, (size_t)size);
    return VHDX_OK;
}

static void tell_bad_values(const struct vx_tree *tree, struct vx_config *config)
{
    size_t bad = 0;
    for (size_t i = 1; i < tree->count; i++)
        bad += tree->keys[i].damaged || tree->keys[i].unread;
    if (bad > 0)
        vx_config_reason(config, "%zu of its values cannot be right", bad);
}

static vhdx_status fail_not_config(const struct source *source, vhdx_error *err)
{
    return vx_fail(err, VHDX_NOT_CONFIG, vx_at_file(source->path), "not the configuration of a virtual machine");
}

static vhdx_status read_xml(const struct source *source, struct vx_tree *tree, struct vx_config *config,
                            vhdx_error *err)
{
    struct vx_bytes bytes;
    const char *flaw;
    config->info.format = VHDX_CONFIG_XML;
    VX_TRY(read_whole(source, tree, &bytes, err));
    VX_TRY(vx_xml_read(bytes, tree, &flaw, err));
    bool has_root = tree->count > 1;
    if (!has_root && flaw)
        return vx_fail(err, VHDX_CORRUPT, vx_at_file(source->path), "no XML document: %s", flaw);
    enum vx_config_sort sort = vx_config_sort(tree);
    bool of_hyperv = has_root && vx_tree_is_named(tree, 1, "configuration");
    if (!of_hyperv || (!flaw && sort != VX_CONFIG_OF_MACHINE && sort != VX_CONFIG_OF_EXPORT))
        return fail_not_config(source, err);
    if (flaw)
        vx_config_reason(config, "the XML document is not whole: %s", flaw);
    tell_bad_values(tree, config);
    vx_config_fill(tree, config);
    return VHDX_OK;
}

static vhdx_status read_vhds(const struct source *source, struct vx_tree *tree, struct vx_config *config,
                             vhdx_error *err)
{
    struct vx_bytes bytes;
    config->info.format = VHDX_CONFIG_VHDS;
    VX_TRY(read_whole(source, tree, &bytes, err));
    vx_vhds_read(bytes, config);
    return VHDX_OK;
}

static vhdx_status read_kind(const struct source *source, int kind, struct vx_config *config, vhdx_error *err)
{
    struct vx_tree tree;
    vhdx_status status = VHDX_NOMEM;
    if (!vx_tree_begin(&tree))
        vx_fail_memory(err, "a configuration");
    else if (kind == VHDX_CONFIG_XML)
        status = read_xml(source, &tree, config, err);
    else if (kind == VHDX_CONFIG_VHDS)
        status = read_vhds(source, &tree, config, err);
    else
        status = read_hvs(source, &tree, config, err);
    vx_tree_end(&tree);
    return status;
}

/* ---- what is around it ---- */

/* Whether the file's directory is called "Snapshots", whatever the letter case. */
static bool lies_in_snapshots(const struct source *source, struct vx_config *config)
{
    const vhdx_host *host = source->host;
    char absolute[4096];
    if (host->absolute(host->context, source->path, absolute, sizeof absolute, NULL) != VHDX_OK)
        snprintf(absolute, sizeof absolute, "%s", source->path);
    char *directory = vx_path_directory(absolute, host->windows_paths);
    if (!directory) {
        vx_config_fail(config);
        return false;
    }
    const char *name = vx_path_name(directory, host->windows_paths);
    bool same = vx_name_equal(name, "snapshots");
    vx_free(directory);
    return same;
}

/* Takes over what the runtime state beside the configuration says. false: no such file. */
static bool look_at_state(const struct source *source, const char *path, struct vx_config *config)
{
    struct vx_config *state;
    vhdx_error err;
    vhdx_status status = vx_config_read(source->host, path, VX_CONFIG_ALONE, &state, &err);
    if (status == VHDX_NOT_FOUND)
        return false;
    if (status == VHDX_NOMEM)
        vx_config_fail(config);
    if (status != VHDX_OK) {
        vx_config_finding(
            config, "the runtime state beside it cannot be read (%s): whether there is a saved state is not known",
            err.message);
        return true;
    }
    if (state->info.saved_state == VHDX_SAVED_STATE_PRESENT)
        vx_config_add(config, &config->info.saved_state_files, VX_CONFIG_TEXTS_MAX, path);
    if (config->info.saved_state == VHDX_SAVED_STATE_UNKNOWN)
        config->info.saved_state = state->info.saved_state;
    vx_config_free(state);
    return true;
}

/* The runtime state has the configuration's name with another extension, in either case. */
static void find_state(const struct source *source, struct vx_config *config)
{
    static const char *const extensions[] = {".vmrs", ".VMRS"};
    size_t length = strlen(source->path) - strlen(vx_path_extension(source->path, source->host->windows_paths));
    for (size_t i = 0; i < 2; i++) {
        char *path = vx_alloc(length + 6, 1);
        if (!path) {
            vx_config_fail(config);
            return;
        }
        memcpy(path, source->path, length);
        memcpy(path + length, extensions[i], 6);
        bool found = look_at_state(source, path, config);
        vx_free(path);
        if (found)
            return;
    }
}

/* Before Server 2016 the saved state is in a folder of the configuration's name, "ID/ID.vsv"; where files were
 * gathered, beside it. */
static void find_old_state(const struct source *source, struct vx_config *config)
{
    static const char *const extensions[] = {".vsv", ".VSV"};
    bool windows = source->host->windows_paths;
    const char *name = vx_path_name(source->path, windows);
    size_t length = strlen(source->path) - strlen(vx_path_extension(source->path, windows));
    int stem = (int)(length - (size_t)(name - source->path));
    size_t room = length + (size_t)stem + 8;
    char *path = vx_alloc(room, 1);
    if (!path)
        vx_config_fail(config);
    for (size_t i = 0; path && i < 4; i++) {
        struct vx_file *file;
        if (i < 2)
            snprintf(path, room, "%.*s/%.*s%s", (int)length, source->path, stem, name, extensions[i]);
        else
            snprintf(path, room, "%.*s%s", (int)length, source->path, extensions[i - 2]);
        if (vx_file_open(source->host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
            continue;
        vx_file_close(file);
        vx_config_add(config, &config->info.saved_state_files, VX_CONFIG_TEXTS_MAX, path);
        config->info.saved_state = VHDX_SAVED_STATE_PRESENT;
        break;
    }
    vx_free(path);
}

static void look_around(const struct source *source, struct vx_config *config)
{
    vhdx_machine_info *info = &config->info;
    bool of_machine =
        info->format == VHDX_CONFIG_XML || (info->format == VHDX_CONFIG_VMCX && info->machines.count == 0);
    if (!of_machine)
        return;
    info->checkpoint = info->checkpoint || lies_in_snapshots(source, config);
    if (info->format == VHDX_CONFIG_VMCX && !(source->flags & VX_CONFIG_ALONE))
        find_state(source, config);
    bool old = info->format == VHDX_CONFIG_XML && !info->checkpoint && info->saved_state == VHDX_SAVED_STATE_UNKNOWN;
    if (old && !(source->flags & VX_CONFIG_ALONE))
        find_old_state(source, config);
}

static vhdx_status read_file(const struct source *source, struct vx_config *config, vhdx_error *err)
{
    uint8_t first[VX_CONFIG_FIRST];
    size_t got;
    VX_TRY(vx_file_read_some(source->file, first, sizeof first, 0, &got, err));
    int kind = vx_config_recognize(vx_bytes_of(first, got), source->path, source->host->windows_paths);
    if (kind == 0)
        return fail_not_config(source, err);
    VX_TRY(read_kind(source, kind, config, err));
    look_around(source, config);
    return vx_config_failed(config) ? vx_fail_memory(err, "a configuration") : VHDX_OK;
}

vhdx_status vx_config_read(const vhdx_host *host, const char *path, unsigned flags, struct vx_config **config,
                           vhdx_error *err)
{
    struct source source = {.host = vx_host_or_native(host), .path = path, .flags = flags};
    VX_TRY(vx_file_open(source.host, path, VHDX_OPEN_PEEK, &source.file, err));
    struct vx_config *made = vx_config_new(path);
    vhdx_status status = made ? read_file(&source, made, err) : vx_fail_memory(err, "a configuration");
    vx_file_close(source.file);
    if (status == VHDX_OK)
        *config = made;
    else
        vx_config_free(made);
    return status;
}
