/*
 * 'vhdx orphans --json' and '--json-lines'. See report_orphans.h. The document is also input
 * ('--from-json'), so each record carries all that judging it again takes, not only what was found out.
 */
/* SPDX-License-Identifier: MIT */
#include "report_orphans.h"

#include "advice.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

enum { REPORT_FORMAT = 1 };

const char *report_severity(vhdx_severity severity)
{
    return severity == VHDX_SEVERITY_ERROR ? "error" : severity == VHDX_SEVERITY_WARNING ? "warning" : "info";
}

const char *report_step_kind(vhdx_step_kind kind)
{
    static const char *const names[] = {NULL,    "note",       "look",   "relink", "copy",
                                        "merge", "quarantine", "delete", "hyperv"};
    return kind > 0 && (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "note";
}

const char *report_step_title(vhdx_step_kind kind)
{
    switch (kind) {
    case VHDX_STEP_LOOK:
        return "only reads";
    case VHDX_STEP_RELINK:
        return "changes the names of the parent in the child";
    case VHDX_STEP_COPY:
        return "writes a new disk and leaves all others as they are";
    case VHDX_STEP_MERGE:
        return "merges in place";
    case VHDX_STEP_QUARANTINE:
        return "moves files aside";
    case VHDX_STEP_DELETE:
        return "removes a file";
    case VHDX_STEP_HYPERV:
        return "PowerShell on the Hyper-V host";
    case VHDX_STEP_NOTE:
        break;
    }
    return "";
}

const char *report_machine_name(const vhdx_found_config *config)
{
    return config->info->name && config->info->name[0] ? config->info->name : config->path;
}

static const char *file_path(const vhdx_orphans *orphans, size_t number)
{
    const vhdx_found_file *file = vhdx_orphans_file(orphans, number);
    return file ? file->path : NULL;
}

static void findings(struct json *json, const vhdx_remark *items, size_t count)
{
    json_array_begin(json, "findings");
    for (size_t i = 0; i < count; i++) {
        json_row_begin(json, NULL);
        json_text(json, "id", items[i].id);
        json_text(json, "severity", report_severity(items[i].severity));
        char *whole = advice_with_remark(&items[i]);
        json_text(json, "message", whole ? whole : items[i].message);
        free(whole);
        json_object_end(json);
    }
    json_array_end(json);
}

static void texts(struct json *json, const char *key, const char *const *items, size_t count)
{
    json_array_begin(json, key);
    for (size_t i = 0; i < count; i++)
        json_text(json, NULL, items[i]);
    json_array_end(json);
}

static void paths(struct json *json, const char *key, const vhdx_orphans *orphans, const size_t *files, size_t count)
{
    json_array_begin(json, key);
    for (size_t i = 0; i < count; i++)
        json_text(json, NULL, file_path(orphans, files[i]));
    json_array_end(json);
}

/* ---- disks ---- */

/* Each machine once, by name: it may name a disk itself and in its checkpoints. */
static void machines(struct json *json, const vhdx_orphans *orphans, const vhdx_found_file *file)
{
    json_array_begin(json, "vms");
    for (size_t i = 0; i < file->reference_count; i++) {
        const char *name = report_machine_name(vhdx_orphans_config(orphans, file->references[i].config));
        bool told = false;
        for (size_t j = 0; j < i && !told; j++)
            told = strcmp(name, report_machine_name(vhdx_orphans_config(orphans, file->references[j].config))) == 0;
        if (!told)
            json_text(json, NULL, name);
    }
    json_array_end(json);
}

static const char *controller_name(vhdx_controller controller)
{
    static const char *const names[] = {"none", "IDE", "SCSI", "Floppy", "other"};
    return (size_t)controller < sizeof names / sizeof names[0] ? names[controller] : "other";
}

static void references(struct json *json, const vhdx_orphans *orphans, const vhdx_found_file *file)
{
    json_array_begin(json, "references");
    for (size_t i = 0; i < file->reference_count; i++) {
        const vhdx_found_config *config = vhdx_orphans_config(orphans, file->references[i].config);
        const vhdx_drive *disk = &config->drives[file->references[i].disk];
        json_row_begin(json, NULL);
        json_text(json, "name", report_machine_name(config));
        json_text(json, "id", config->info->id_text);
        json_text(json, "config", config->path);
        json_bool(json, "checkpoint", config->info->checkpoint);
        json_text(json, "controller", controller_name(disk->controller));
        json_number(json, "controller_number", disk->controller_number);
        json_number(json, "location", disk->location);
        json_text(json, "path", disk->path);
        json_object_end(json);
    }
    json_array_end(json);
}

static void guid(struct json *json, const char *key, bool there, const vhdx_guid *value)
{
    if (there)
        json_guid(json, key, value);
    else
        json_null(json, key);
}

static void locator(struct json *json, const vhdx_found_file *file)
{
    const vhdx_parent_names *names = &file->names;
    if (file->kind != VHDX_DISK_KIND_DIFFERENCING && file->kind != VHDX_DISK_KIND_VHD_DIFFERENCING) {
        json_null(json, "parent_locator");
        return;
    }
    json_row_begin(json, "parent_locator");
    guid(json, "linkage", names->has_linkage, &names->linkage);
    guid(json, "linkage2", names->has_linkage2, &names->linkage2);
    json_text(json, "relative_path", names->relative_path);
    json_text(json, "absolute_win32_path", names->absolute_win32_path);
    json_text(json, "volume_path", names->volume_path);
    json_object_end(json);
}

static void flags(struct json *json, uint32_t value)
{
    json_array_begin(json, "flags");
    for (unsigned bit = 0; bit < 32; bit++)
        if (value & UINT32_C(1) << bit)
            json_text(json, NULL, vhdx_disk_flag_name(UINT32_C(1) << bit));
    json_array_end(json);
}

static void comparison(struct json *json, const vhdx_found_file *file)
{
    static const char *const names[] = {NULL, "equal", "differs", "failed"};
    json_text(json, "comparison", (size_t)file->comparison < 4 ? names[file->comparison] : NULL);
    if (file->comparison == VHDX_COMPARISON_DIFFERS)
        json_number(json, "differing_bytes", file->differing_bytes);
}

static void access_of(struct json *json, const vhdx_found_file *file)
{
    static const char *const names[] = {NULL, "all", "some", "none"};
    json_text(json, "access", (size_t)file->access < 4 ? names[file->access] : NULL);
    json_array_begin(json, "accounts");
    for (size_t i = 0; i < file->account_count; i++)
        json_guid(json, NULL, &file->accounts[i]);
    json_array_end(json);
}

static void facts(struct json *json, const vhdx_found_file *file)
{
    json_number(json, "file_size", file->file_size);
    json_number(json, "allocated", file->allocated);
    json_number(json, "modified", file->modified > 0 ? (uint64_t)file->modified : 0);
    json_number(json, "virtual_size", file->virtual_size);
    json_number(json, "block_size", file->block_size);
    json_number(json, "logical_sector_size", file->logical_sector_size);
    json_number(json, "physical_sector_size", file->physical_sector_size);
    guid(json, "data_write_guid", file->has_identity, &file->data_write_guid);
    guid(json, "file_write_guid", file->has_identity, &file->file_write_guid);
    guid(json, "virtual_disk_id", file->readable && file->is_vhdx, &file->virtual_disk_id);
    locator(json, file);
    json_text(json, "absolute_path", file->absolute);
    texts(json, "other_names", file->other_names, file->other_name_count);
    json_bool(json, "is_vhdx", file->is_vhdx);
    json_bool(json, "readable", file->readable);
    json_text(json, "trouble", file->trouble);
    access_of(json, file);
}

static void file_members(struct json *json, const vhdx_orphans *orphans, const vhdx_found_file *file)
{
    json_text(json, "path", file->path);
    json_text(json, "kind", vhdx_disk_kind_name(file->kind));
    json_text(json, "role", vhdx_disk_role_name(file->role));
    json_text(json, "status", vhdx_disk_status_name(file->status));
    flags(json, file->flags);
    json_text(json, "parent", file_path(orphans, file->parent));
    paths(json, "children", orphans, file->children, file->child_count);
    machines(json, orphans, file);
    findings(json, file->remarks, file->remark_count);
    texts(json, "advice", file->advice, file->advice_count);
    references(json, orphans, file);
    json_number(json, "family", file->family);
    json_text(json, "suspect", file_path(orphans, file->suspect));
    json_text(json, "same_identity", file_path(orphans, file->twin));
    comparison(json, file);
    facts(json, file);
}

/* ---- the others ---- */

static const char *format_name(vhdx_config_format format)
{
    static const char *const names[] = {NULL, "vmcx", "vmrs", "xml", "vhds"};
    return format > 0 && (size_t)format < sizeof names / sizeof names[0] ? names[format] : "unknown";
}

static const char *saved_state_name(vhdx_saved_state state)
{
    return state == VHDX_SAVED_STATE_PRESENT ? "present" : state == VHDX_SAVED_STATE_NONE ? "none" : "unknown";
}

static void config_disks(struct json *json, const vhdx_orphans *orphans, const vhdx_found_config *config)
{
    json_array_begin(json, "disks");
    for (size_t i = 0; i < config->info->drive_count; i++) {
        const vhdx_drive *disk = &config->drives[i];
        json_row_begin(json, NULL);
        json_text(json, "path", disk->path);
        json_text(json, "type", disk->type);
        json_text(json, "controller", controller_name(disk->controller));
        json_number(json, "controller_number", disk->controller_number);
        json_number(json, "location", disk->location);
        json_text(json, "file", config->files ? file_path(orphans, config->files[i]) : NULL);
        json_object_end(json);
    }
    json_array_end(json);
}

static void config_members(struct json *json, const vhdx_orphans *orphans, const vhdx_found_config *config)
{
    const vhdx_machine_info *info = config->info;
    json_text(json, "path", config->path);
    json_text(json, "format", format_name(info->format));
    json_text(json, "name", info->name);
    json_text(json, "id", info->id_text);
    guid(json, "machine_id", info->has_machine_id, &info->machine_id);
    json_number(json, "version", info->version);
    json_bool(json, "checkpoint", info->checkpoint);
    if (info->has_checkpoint_count)
        json_number(json, "checkpoint_count", info->checkpoint_count);
    else
        json_null(json, "checkpoint_count");
    json_text(json, "saved_state", saved_state_name(info->saved_state));
    json_bool(json, "merge_pending", info->merge_pending);
    json_bool(json, "replicated", info->replicated);
    json_bool(json, "clustered", info->clustered);
    json_bool(json, "readable", config->readable);
    json_bool(json, "extra", config->extra);
    json_text(json, "absolute_path", config->absolute);
    config_disks(json, orphans, config);
    texts(json, "machines", info->machines.items, info->machines.count);
    texts(json, "reasons", info->reasons.items, info->reasons.count);
    findings(json, config->remarks, config->remark_count);
}

static void side_members(struct json *json, const vhdx_orphans *orphans, const vhdx_found_side *side)
{
    json_text(json, "path", side->path);
    json_text(json, "kind", vhdx_side_kind_name(side->kind));
    json_number(json, "file_size", side->file_size);
    json_text(json, "file", file_path(orphans, side->file));
    json_text(json, "absolute_path", side->absolute);
    findings(json, side->remarks, side->remark_count);
}

static void family_members(struct json *json, const vhdx_orphans *orphans, const vhdx_found_family *family)
{
    json_text(json, "name", family->name);
    json_number(json, "problems", family->problem_count);
    json_number(json, "bytes", family->bytes);
    json_number(json, "reclaimable", family->reclaimable);
    paths(json, "files", orphans, family->files, family->file_count);
    json_array_begin(json, "steps");
    for (size_t i = 0; i < family->step_count; i++) {
        json_row_begin(json, NULL);
        json_text(json, "kind", report_step_kind(family->steps[i].kind));
        json_text(json, "text", family->steps[i].text);
        json_text(json, "file", file_path(orphans, family->steps[i].file));
        json_object_end(json);
    }
    json_array_end(json);
    json_bool(json, "complete", family->may_delete);
    texts(json, "blockers", family->blockers, family->blocker_count);
}

static void place_members(struct json *json, const vhdx_found_place *place)
{
    json_text(json, "path", place->path);
    json_bool(json, "searched", place->searched);
    json_text(json, "reason", place->reason);
    json_bool(json, "nowhere", place->nowhere);
}

static void totals_members(struct json *json, const vhdx_found_totals *totals)
{
    json_number(json, "files_seen", totals->files_seen);
    json_number(json, "directories_seen", totals->directories_seen);
    json_number(json, "disks", totals->file_count);
    json_number(json, "configurations", totals->config_count);
    json_number(json, "families", totals->family_count);
    json_number(json, "problems", totals->problem_count);
    json_number(json, "bytes", totals->bytes);
    json_number(json, "reclaimable", totals->reclaimable);
    json_bool(json, "complete", totals->complete_asked);
    json_bool(json, "data", totals->data_compared);
}

/* ---- one document ---- */

static void all_files(struct json *json, const vhdx_orphans *orphans)
{
    const vhdx_found_file *file;
    json_array_begin(json, "files");
    for (size_t i = 0; (file = vhdx_orphans_file(orphans, i)) != NULL; i++) {
        json_object_begin(json, NULL);
        file_members(json, orphans, file);
        json_object_end(json);
    }
    json_array_end(json);
}

static void all_chains(struct json *json, const vhdx_orphans *orphans)
{
    const vhdx_found_chain *chain;
    json_array_begin(json, "chains");
    for (size_t i = 0; (chain = vhdx_orphans_chain(orphans, i)) != NULL; i++)
        paths(json, NULL, orphans, chain->files, chain->count);
    json_array_end(json);
}

static void all_families(struct json *json, const vhdx_orphans *orphans)
{
    const vhdx_found_family *family;
    json_array_begin(json, "families");
    for (size_t i = 0; (family = vhdx_orphans_family(orphans, i)) != NULL; i++) {
        json_object_begin(json, NULL);
        family_members(json, orphans, family);
        json_object_end(json);
    }
    json_array_end(json);
}

static void all_configs(struct json *json, const vhdx_orphans *orphans)
{
    const vhdx_found_config *config;
    json_array_begin(json, "configurations");
    for (size_t i = 0; (config = vhdx_orphans_config(orphans, i)) != NULL; i++) {
        json_object_begin(json, NULL);
        config_members(json, orphans, config);
        json_object_end(json);
    }
    json_array_end(json);
}

static void all_sides(struct json *json, const vhdx_orphans *orphans)
{
    const vhdx_found_side *side;
    json_array_begin(json, "side_files");
    for (size_t i = 0; (side = vhdx_orphans_side(orphans, i)) != NULL; i++) {
        json_object_begin(json, NULL);
        side_members(json, orphans, side);
        json_object_end(json);
    }
    json_array_end(json);
}

static void all_places(struct json *json, const vhdx_orphans *orphans)
{
    const vhdx_found_place *place;
    json_array_begin(json, "places");
    for (size_t i = 0; (place = vhdx_orphans_place(orphans, i)) != NULL; i++) {
        json_row_begin(json, NULL);
        place_members(json, place);
        json_object_end(json);
    }
    json_array_end(json);
}

void report_orphans_json(FILE *out, const vhdx_orphans *orphans, const vhdx_error *failure)
{
    struct json json;
    json_document_begin(&json, out);
    json_number(&json, "report_format", REPORT_FORMAT);
    json_object_begin(&json, "totals");
    totals_members(&json, vhdx_orphans_totals(orphans));
    json_object_end(&json);
    all_places(&json, orphans);
    all_files(&json, orphans);
    all_chains(&json, orphans);
    all_families(&json, orphans);
    all_configs(&json, orphans);
    all_sides(&json, orphans);
    if (failure)
        json_error(&json, failure);
    json_document_end(&json);
}

/* ---- one object a line ---- */

static void line_begin(struct json *json, FILE *out, const char *record)
{
    json_begin(json, out);
    json_row_begin(json, NULL);
    json_text(json, "record", record);
}

static void line_end(struct json *json)
{
    json_object_end(json);
    json_end(json);
}

void report_orphans_lines(FILE *out, const vhdx_orphans *orphans)
{
    struct json json;
    const vhdx_found_totals *totals = vhdx_orphans_totals(orphans);
    line_begin(&json, out, "totals");
    json_number(&json, "report_format", REPORT_FORMAT);
    totals_members(&json, totals);
    line_end(&json);
    for (size_t i = 0; i < totals->place_count; i++) {
        line_begin(&json, out, "place");
        place_members(&json, vhdx_orphans_place(orphans, i));
        line_end(&json);
    }
    for (size_t i = 0; i < totals->file_count; i++) {
        line_begin(&json, out, "file");
        file_members(&json, orphans, vhdx_orphans_file(orphans, i));
        line_end(&json);
    }
    for (size_t i = 0; i < totals->chain_count; i++) {
        const vhdx_found_chain *chain = vhdx_orphans_chain(orphans, i);
        line_begin(&json, out, "chain");
        paths(&json, "files", orphans, chain->files, chain->count);
        line_end(&json);
    }
    for (size_t i = 0; i < totals->family_count; i++) {
        line_begin(&json, out, "family");
        family_members(&json, orphans, vhdx_orphans_family(orphans, i));
        line_end(&json);
    }
    for (size_t i = 0; i < totals->config_count; i++) {
        line_begin(&json, out, "configuration");
        config_members(&json, orphans, vhdx_orphans_config(orphans, i));
        line_end(&json);
    }
    for (size_t i = 0; i < totals->side_count; i++) {
        line_begin(&json, out, "side_file");
        side_members(&json, orphans, vhdx_orphans_side(orphans, i));
        line_end(&json);
    }
}
