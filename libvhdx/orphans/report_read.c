/*
 * From JSON to records. See report_read.h. Names of members are those of tools/report_orphans_json.c.
 *
 * A member that is missing must make a record count for more, not for less: a configuration that
 * does not say that it was read whole was not.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/report_read.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/checked.h"
#include "base/json_pieces.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

struct taker {
    struct vx_estate *estate;
    const char *path;
    unsigned source;
    vhdx_error *err;
    bool known_format, with_data, no_memory;
    unsigned lists; /* bits of those that were seen */
};

static vhdx_status fail(const struct taker *t, const char *what)
{
    return vx_fail(t->err, VHDX_CORRUPT, vx_at_file(t->path), "this is no report of 'vhdx orphans --json': %s", what);
}

static bool take_guid(const struct vx_json *value, const char *key, vhdx_guid *guid)
{
    const char *text = vx_json_text(value, key, NULL);
    return text && vx_guid_parse(text, strlen(text), guid);
}

/* A text that is to stay: the document is gone when it is needed. */
static const char *keep(struct taker *t, const char *text)
{
    const char *kept = vx_arena_text(&t->estate->arena, text);
    t->no_memory |= text && !kept;
    return kept ? kept : text ? "" : NULL;
}

static const char *keep_text(struct taker *t, const struct vx_json *value, const char *key, const char *otherwise)
{
    const char *text = vx_json_text(value, key, NULL);
    return text ? keep(t, text) : otherwise;
}

static const struct vx_json *items_of(const struct vx_json *value, const char *key)
{
    const struct vx_json *member = vx_json_member(value, key);
    return member && member->type == VX_JSON_ARRAY ? member->first : NULL;
}

static bool has_text(const struct vx_json *value, const char *key, const char *text)
{
    for (const struct vx_json *item = items_of(value, key); item; item = item->next)
        if (item->type == VX_JSON_TEXT && strcmp(item->text, text) == 0)
            return true;
    return false;
}

static bool take_texts(struct taker *t, const struct vx_json *value, const char *key, const char *const **items,
                       size_t *count)
{
    const struct vx_json *member = vx_json_member(value, key);
    size_t room = member && member->type == VX_JSON_ARRAY ? member->count : 0;
    const char **texts = vx_arena_take(&t->estate->arena, room, sizeof *texts);
    *count = 0;
    for (const struct vx_json *item = items_of(value, key); texts && item; item = item->next)
        if (item->type == VX_JSON_TEXT)
            texts[(*count)++] = keep(t, item->text);
    *items = texts;
    return texts != NULL;
}

/* ---- disks ---- */

static vhdx_disk_kind kind_of(const char *text)
{
    for (int kind = VHDX_DISK_KIND_FIXED; kind <= VHDX_DISK_KIND_VHD_DIFFERENCING; kind++)
        if (strcmp(text, vhdx_disk_kind_name((vhdx_disk_kind)kind)) == 0)
            return (vhdx_disk_kind)kind;
    return VHDX_DISK_KIND_UNKNOWN;
}

static void take_locator(struct taker *t, const struct vx_json *value, vhdx_parent_names *names)
{
    const struct vx_json *locator = vx_json_member(value, "parent_locator");
    names->has_linkage = take_guid(locator, "linkage", &names->linkage);
    names->has_linkage2 = take_guid(locator, "linkage2", &names->linkage2);
    names->relative_path = keep_text(t, locator, "relative_path", NULL);
    names->absolute_win32_path = keep_text(t, locator, "absolute_win32_path", NULL);
    names->volume_path = keep_text(t, locator, "volume_path", NULL);
}

static void take_facts(struct taker *t, const struct vx_json *value, vhdx_found_file *pub)
{
    uint64_t modified = vx_json_number(value, "modified", 0);
    pub->kind = kind_of(vx_json_text(value, "kind", ""));
    pub->file_size = vx_json_number(value, "file_size", 0);
    pub->allocated = vx_json_number(value, "allocated", pub->file_size);
    pub->modified = modified <= INT64_MAX ? (int64_t)modified : 0;
    pub->virtual_size = vx_json_number(value, "virtual_size", 0);
    pub->block_size = (uint32_t)vx_json_number(value, "block_size", 0);
    pub->logical_sector_size = (uint32_t)vx_json_number(value, "logical_sector_size", 0);
    pub->physical_sector_size = (uint32_t)vx_json_number(value, "physical_sector_size", 0);
    (void)take_guid(value, "virtual_disk_id", &pub->virtual_disk_id);
    (void)take_guid(value, "file_write_guid", &pub->file_write_guid);
    take_locator(t, value, &pub->names);
}

static void take_state(struct taker *t, const struct vx_json *value, struct vx_disk *disk)
{
    const char *status = vx_json_text(value, "status", "");
    disk->is_vhdx = vx_json_truth(value, "is_vhdx", true);
    disk->is_sound = vx_json_truth(value, "readable", false) && (disk->is_vhdx || vx_disk_is_vhd(disk));
    if (vx_disk_is_differencing(disk))
        disk->is_sound = disk->pub.names.has_linkage || disk->pub.names.has_linkage2;
    disk->trouble = keep_text(t, value, "trouble", NULL);
    if (!disk->is_sound && disk->is_vhdx && !disk->trouble)
        disk->trouble = "a report says too little about it";
    disk->locked = strcmp(status, "locked") == 0 || has_text(value, "flags", "in-use");
    disk->truncated = has_text(value, "flags", "truncated");
    disk->dirty = has_text(value, "flags", "dirty-log");
    if (has_text(value, "flags", "quarantined"))
        disk->pub.flags |= VHDX_DISK_FLAG_QUARANTINED;
}

static bool take_accounts(struct taker *t, const struct vx_json *value, vhdx_found_file *pub)
{
    static const char *const names[] = {"", "all", "some", "none"};
    const struct vx_json *member = vx_json_member(value, "accounts");
    const char *access = vx_json_text(value, "access", "");
    vhdx_guid *ids =
        vx_arena_take(&t->estate->arena, member && member->type == VX_JSON_ARRAY ? member->count : 0, sizeof *ids);
    for (const struct vx_json *item = items_of(value, "accounts"); ids && item; item = item->next)
        if (item->type == VX_JSON_TEXT && vx_guid_parse(item->text, strlen(item->text), &ids[pub->account_count]))
            pub->account_count++;
    for (int i = VHDX_ACCESS_ALL; i <= VHDX_ACCESS_NONE; i++)
        if (strcmp(access, names[i]) == 0)
            pub->access = (vhdx_access)i;
    pub->accounts = ids;
    return ids != NULL;
}

/* A comparison counts for the file that it was made with; without it it says nothing. */
static void take_comparison(struct taker *t, const struct vx_json *value, struct vx_disk *disk)
{
    static const char *const names[] = {"", "equal", "differs", "failed"};
    const char *word = vx_json_text(value, "comparison", ""), *status = vx_json_text(value, "status", "");
    bool copy = strcmp(status, "duplicate") == 0;
    disk->compared_as_copy = copy;
    for (int i = VHDX_COMPARISON_EQUAL; i <= VHDX_COMPARISON_FAILED; i++)
        if (strcmp(word, names[i]) == 0)
            disk->compared = (vhdx_comparison)i;
    disk->compared_with = keep_text(t, value, copy ? "same_identity" : "parent", NULL);
    disk->compared_difference = vx_json_number(value, "differing_bytes", 0);
    if (!disk->compared_with)
        disk->compared = VHDX_COMPARISON_NONE;
}

static vhdx_status take_disk(struct taker *t, const struct vx_json *value)
{
    const char *path = vx_json_text(value, "path", NULL);
    if (!path || !path[0])
        return fail(t, "a file has no path");
    struct vx_disk *disk = vx_estate_add_disk(t->estate);
    if (!disk)
        return vx_fail_memory(t->err, "a report");
    disk->pub.path = keep(t, path);
    disk->absolute = keep_text(t, value, "absolute_path", disk->pub.path);
    disk->source = t->source;
    take_facts(t, value, &disk->pub);
    disk->has_identity = take_guid(value, "data_write_guid", &disk->pub.data_write_guid);
    take_state(t, value, disk);
    take_comparison(t, value, disk);
    const char *const *names;
    size_t count;
    if (!take_accounts(t, value, &disk->pub) || !take_texts(t, value, "other_names", &names, &count))
        return vx_fail_memory(t->err, "a report");
    disk->pub.other_names = names;
    disk->pub.other_name_count = count;
    return VHDX_OK;
}

/* ---- configurations ---- */

static vhdx_config_format format_of(const char *text)
{
    static const char *const names[] = {"vmcx", "vmrs", "xml", "vhds"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0)
            return (vhdx_config_format)(i + 1);
    return VHDX_CONFIG_VMCX;
}

static vhdx_controller controller_of(const char *text)
{
    static const char *const names[] = {"none", "IDE", "SCSI", "Floppy"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0)
            return (vhdx_controller)i;
    return VHDX_CONTROLLER_OTHER;
}

static vhdx_status take_media(struct taker *t, const struct vx_json *value, vhdx_machine_info *info,
                              const vhdx_drive **out)
{
    const struct vx_json *member = vx_json_member(value, "disks");
    size_t room = member && member->type == VX_JSON_ARRAY ? member->count : 0;
    vhdx_drive *disks = vx_arena_take(&t->estate->arena, room, sizeof *disks);
    if (!disks)
        return vx_fail_memory(t->err, "a report");
    for (const struct vx_json *item = items_of(value, "disks"); item; item = item->next) {
        const char *path = vx_json_text(item, "path", NULL);
        if (!path)
            return fail(t, "a disk of a configuration has no path");
        disks[info->drive_count++] = (vhdx_drive){
            .path = keep(t, path),
            .type = keep_text(t, item, "type", ""),
            .controller = controller_of(vx_json_text(item, "controller", "")),
            .controller_number = (uint32_t)vx_json_number(item, "controller_number", 0),
            .location = (uint32_t)vx_json_number(item, "location", 0),
            .instance = "",
        };
    }
    *out = disks;
    return VHDX_OK;
}

static void take_machine_state(const struct vx_json *value, vhdx_machine_info *info)
{
    const char *saved = vx_json_text(value, "saved_state", "");
    info->saved_state = strcmp(saved, "present") == 0 ? VHDX_SAVED_STATE_PRESENT
                        : strcmp(saved, "none") == 0  ? VHDX_SAVED_STATE_NONE
                                                      : VHDX_SAVED_STATE_UNKNOWN;
    info->merge_pending = vx_json_truth(value, "merge_pending", false);
    info->replicated = vx_json_truth(value, "replicated", false);
    info->clustered = vx_json_truth(value, "clustered", false);
    info->checkpoint = vx_json_truth(value, "checkpoint", false);
    const struct vx_json *count = vx_json_member(value, "checkpoint_count");
    info->has_checkpoint_count = count && count->type == VX_JSON_NUMBER;
    info->checkpoint_count = info->has_checkpoint_count ? count->number : 0;
}

static vhdx_status take_config(struct taker *t, const struct vx_json *value)
{
    const char *path = vx_json_text(value, "path", NULL);
    vhdx_machine_info *info = vx_arena_take(&t->estate->arena, 1, sizeof *info);
    struct vx_machine *machine = vx_estate_add_machine(t->estate);
    if (!info || !machine)
        return vx_fail_memory(t->err, "a report");
    machine->pub.path = machine->absolute = path ? keep(t, path) : "";
    machine->pub.info = info;
    machine->source = t->source;
    if (!path || !path[0])
        return fail(t, "a configuration has no path");
    machine->absolute = keep_text(t, value, "absolute_path", machine->pub.path);
    machine->is_extra = vx_json_truth(value, "extra", false);
    machine->pub.readable = vx_json_truth(value, "readable", false);
    info->path = machine->pub.path;
    info->complete = machine->pub.readable;
    info->format = format_of(vx_json_text(value, "format", ""));
    info->name = keep_text(t, value, "name", NULL);
    info->id_text = keep_text(t, value, "id", NULL);
    info->has_id = take_guid(value, "id", &info->id);
    info->has_machine_id = take_guid(value, "machine_id", &info->machine_id);
    info->version = (uint32_t)vx_json_number(value, "version", 0);
    take_machine_state(value, info);
    if (!take_texts(t, value, "machines", &info->machines.items, &info->machines.count) ||
        !take_texts(t, value, "reasons", &info->reasons.items, &info->reasons.count))
        return vx_fail_memory(t->err, "a report");
    return take_media(t, value, info, &machine->pub.drives);
}

/* ---- the rest ---- */

static vhdx_status take_side(struct taker *t, const struct vx_json *value)
{
    const char *path = vx_json_text(value, "path", NULL), *kind = vx_json_text(value, "kind", "");
    if (!path || !path[0])
        return fail(t, "a file has no path");
    struct vx_side *side = vx_estate_add_side(t->estate);
    if (!side)
        return vx_fail_memory(t->err, "a report");
    side->pub.path = keep(t, path);
    side->absolute = keep_text(t, value, "absolute_path", side->pub.path);
    side->pub.file_size = vx_json_number(value, "file_size", 0);
    side->source = t->source;
    side->pub.kind = VHDX_SIDE_UNFINISHED;
    for (int i = VHDX_SIDE_TRACKING; i <= VHDX_SIDE_UNDO; i++)
        if (strcmp(kind, vhdx_side_kind_name((vhdx_side_kind)i)) == 0)
            side->pub.kind = (vhdx_side_kind)i;
    return VHDX_OK;
}

static vhdx_status take_place(struct taker *t, const struct vx_json *value)
{
    const char *path = vx_json_text(value, "path", NULL);
    if (!path)
        return fail(t, "a place has no path");
    bool searched = vx_json_truth(value, "searched", false);
    const char *reason = keep_text(t, value, "reason", searched ? NULL : "a report says so");
    vhdx_found_place place = {keep(t, path), searched, reason, !searched && vx_json_truth(value, "nowhere", false)};
    return vx_estate_put_place(t->estate, &place) ? VHDX_OK : vx_fail_memory(t->err, "a report");
}

typedef vhdx_status take_fn(struct taker *t, const struct vx_json *value);

static const struct list {
    const char *name;
    take_fn *take;
} lists[] = {
    {"places", take_place},
    {"files", take_disk},
    {"configurations", take_config},
    {"side_files", take_side},
};

enum { LISTS = sizeof lists / sizeof lists[0] };

static vhdx_status take_item(struct taker *t, const struct list *list, const struct vx_json *value)
{
    if (value->type != VX_JSON_OBJECT)
        return fail(t, "a record is no object");
    VX_TRY(list->take(t, value));
    return t->no_memory ? vx_fail_memory(t->err, "a report") : VHDX_OK;
}

/* What the judging says of the disks is not read: it is said again. */
static vhdx_status take_piece(void *context, const char *key, const struct vx_json *value, bool item, vhdx_error *err)
{
    struct taker *t = context;
    (void)err; /* it is in `t` */
    for (unsigned i = 0; i < LISTS; i++) {
        if (strcmp(key, lists[i].name) != 0)
            continue;
        if (value && !item)
            return fail(t, "a list is missing");
        t->lists |= 1u << i;
        return value ? take_item(t, &lists[i], value) : VHDX_OK;
    }
    if (value && !item && strcmp(key, "report_format") == 0)
        t->known_format = value->type == VX_JSON_NUMBER && value->number == 1;
    if (value && !item && strcmp(key, "totals") == 0)
        t->with_data = vx_json_truth(value, "data", false);
    return VHDX_OK;
}

static vhdx_status take_report(struct vx_estate *estate, const struct vx_json_source *source, unsigned number,
                               vhdx_error *err)
{
    struct taker t = {.estate = estate, .path = source->path, .source = number, .err = err};
    VX_TRY(vx_json_read_pieces(source, take_piece, &t, err));
    estate->reports_without_data |= !t.with_data;
    if (!t.known_format)
        return fail(&t, "its format is not known to this program");
    return t.lists == (1u << LISTS) - 1 ? VHDX_OK : fail(&t, "a list is missing");
}

static vhdx_status read_bytes(void *context, void *buf, size_t room, size_t *got, vhdx_error *err)
{
    struct vx_bytes *left = context;
    (void)err;
    *got = left->size < room ? left->size : room;
    if (*got > 0)
        memcpy(buf, left->data, *got);
    left->data += *got;
    left->size -= *got;
    return VHDX_OK;
}

vhdx_status vx_orphans_take_report(struct vx_estate *estate, const void *bytes, size_t size, const char *path,
                                   unsigned source, vhdx_error *err)
{
    struct vx_bytes left = vx_bytes_of(bytes, size);
    const struct vx_json_source document = {&left, read_bytes, path};
    return take_report(estate, &document, source, err);
}

struct document {
    struct vx_file *file;
    uint64_t at, size;
};

static vhdx_status read_file(void *context, void *buf, size_t room, size_t *got, vhdx_error *err)
{
    struct document *document = context;
    *got = (size_t)vx_min(room, document->size - document->at);
    VX_TRY(vx_file_read(document->file, buf, *got, document->at, err));
    document->at += *got;
    return VHDX_OK;
}

vhdx_status vx_orphans_read_report(struct vx_estate *estate, const vhdx_host *host, const char *path, unsigned source,
                                   vhdx_error *err)
{
    struct document document = {0};
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_PEEK, &document.file, err));
    vhdx_status status = vx_file_size(document.file, &document.size, err);
    if (status == VHDX_OK && document.size > VX_REPORT_SIZE_MAX)
        status = vx_fail(err, VHDX_LIMIT, vx_at_file(path), "this is too large for a report");
    const struct vx_json_source bytes = {&document, read_file, path};
    if (status == VHDX_OK)
        status = take_report(estate, &bytes, source, err);
    vx_file_close(document.file);
    if (status == VHDX_CORRUPT)
        return vx_advise_code(err, status, VHDX_ADVICE_NAME_REPORTS, NULL);
    return status;
}
