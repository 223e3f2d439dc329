/*
 * vhdx config: what the configuration of a virtual machine says, above all which disks it needs. Reads one file (and
 * the runtime state beside it) and writes nothing. A configuration that was read in part only must
 * not look like a whole one, so that is said on both outputs and by the exit status.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

enum { SHORT_TEXT = 96 };

static const char *format_name(vhdx_config_format format)
{
    switch (format) {
    case VHDX_CONFIG_VMCX:
        return "vmcx";
    case VHDX_CONFIG_VMRS:
        return "vmrs";
    case VHDX_CONFIG_XML:
        return "xml";
    case VHDX_CONFIG_VHDS:
        return "vhds";
    }
    return "unknown";
}

static const char *controller_name(vhdx_controller controller)
{
    switch (controller) {
    case VHDX_CONTROLLER_NONE:
        return "none";
    case VHDX_CONTROLLER_IDE:
        return "IDE";
    case VHDX_CONTROLLER_SCSI:
        return "SCSI";
    case VHDX_CONTROLLER_FLOPPY:
        return "Floppy";
    case VHDX_CONTROLLER_OTHER:
        break;
    }
    return "other";
}

static const char *state_name(vhdx_saved_state state)
{
    return state == VHDX_SAVED_STATE_PRESENT ? "present" : state == VHDX_SAVED_STATE_NONE ? "none" : "unknown";
}

/* "9.0" of 0x0900. */
static void version_text(uint32_t version, char text[SHORT_TEXT])
{
    snprintf(text, SHORT_TEXT, "%" PRIu32 ".%" PRIu32, version >> 8, version & 255);
}

/* Days since 1970-01-01 to a date, by counting eras of 400 years. */
static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468; /* from 0000-03-01 */
    int64_t era = days / 146097, of_era = days % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    *day = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* "2021-08-22T21:41:00Z" of a FILETIME. */
static void time_text(uint64_t filetime, char text[SHORT_TEXT])
{
    uint64_t seconds = filetime / 10000000;
    int64_t year, month, day;
    date_of((int64_t)(seconds / 86400) - 134774, &year, &month, &day);
    seconds %= 86400;
    snprintf(text, SHORT_TEXT, "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02u:%02u:%02uZ", year, month, day,
             (unsigned)(seconds / 3600), (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
}

/* The machine whose account needs access to the disks. */
static const vhdx_guid *machine_of(const vhdx_machine_info *info)
{
    return info->has_machine_id ? &info->machine_id : info->has_id && !info->checkpoint ? &info->id : NULL;
}

/* ---- text ---- */

static void row(const char *label, const char *value)
{
    if (value)
        report_row(stdout, 0, label, value);
}

static void print_texts(const char *heading, const vhdx_texts *texts)
{
    if (texts->count == 0)
        return;
    printf("\n%s\n", heading);
    for (size_t i = 0; i < texts->count; i++) {
        fputs("  ", stdout);
        text_put(stdout, texts->items[i]);
        putchar('\n');
    }
}

static const char *sort_text(const vhdx_machine_info *info)
{
    if (info->format == VHDX_CONFIG_VHDS)
        return "VHD set";
    if (info->format == VHDX_CONFIG_VMRS)
        return "runtime state";
    if (info->machines.count > 0)
        return "list of a host's machines";
    return info->checkpoint ? "checkpoint" : "machine";
}

static void print_identity(const vhdx_machine_info *info)
{
    char text[SHORT_TEXT], sid[VHDX_SID_ROOM], guid[37];
    row("file", info->path);
    snprintf(text, sizeof text, "%s (%s)", format_name(info->format), sort_text(info));
    row("format", text);
    row("name", info->name);
    row("id", info->id_text);
    if (info->checkpoint && info->has_machine_id) {
        vhdx_guid_format(&info->machine_id, guid);
        row("machine id", guid);
    }
    if (info->version) {
        version_text(info->version, text);
        row("version", text);
    }
    if (info->generation)
        row("generation", info->generation == 1 ? "1" : "2");
    if (info->creation_time) {
        time_text(info->creation_time, text);
        row("created", text);
    }
    if (machine_of(info)) {
        vhdx_machine_sid(machine_of(info), sid);
        row("account", sid);
    }
}

static void print_state(const vhdx_machine_info *info)
{
    char text[SHORT_TEXT];
    if (info->has_checkpoint_count) {
        snprintf(text, sizeof text, "%" PRIu64, info->checkpoint_count);
        row("checkpoints", text);
    }
    if (info->format != VHDX_CONFIG_VHDS)
        row("saved state", state_name(info->saved_state));
    for (size_t i = 0; i < info->saved_state_files.count; i++)
        row("saved state file", info->saved_state_files.items[i]);
    row("guest state file", info->guest_state);
    row("data directory", info->data_root);
    row("checkpoint directory", info->checkpoint_root);
    row("paging directory", info->paging_root);
    if (info->merge_pending)
        row("merge pending", "yes: Hyper-V itself has a merge to do; let it, if it can");
    if (info->replicated)
        row("replication", "yes: after an offline change it must resynchronize");
    if (info->clustered)
        row("clustered", "yes: another node may be running it");
}

static void print_disks(const vhdx_config *config)
{
    const vhdx_machine_info *info = vhdx_config_info(config);
    for (size_t i = 0; i < info->drive_count; i++) {
        const vhdx_drive *disk = vhdx_config_drive(config, i);
        if (i == 0)
            puts("\nDisks");
        fputs("  ", stdout);
        if (disk->controller == VHDX_CONTROLLER_NONE)
            fputs("member", stdout);
        else
            printf("%s %" PRIu32 ":%" PRIu32, controller_name(disk->controller), disk->controller_number,
                   disk->location);
        fputs("  ", stdout);
        text_put(stdout, *disk->type ? disk->type : "?");
        fputs("  ", stdout);
        text_put(stdout, disk->path);
        puts(disk->damaged ? "  (damaged)" : "");
    }
    bool may_have = info->format != VHDX_CONFIG_VMRS && info->machines.count == 0;
    if (info->drive_count == 0 && may_have && info->complete)
        puts("\nNo disk is attached.");
}

static void print_config(const vhdx_config *config)
{
    const vhdx_machine_info *info = vhdx_config_info(config);
    print_identity(info);
    print_state(info);
    print_disks(config);
    print_texts("Registered machines", &info->machines);
    print_texts("Other ids in its properties", &info->related);
    print_texts("Remains of former paths (they prove nothing)", &info->hints);
    print_texts("Also", &info->findings);
    print_texts("Read in part only: there may be disks that are not listed, because", &info->reasons);
}

/* ---- JSON ---- */

static void json_texts(struct json *json, const char *key, const vhdx_texts *texts)
{
    json_array_begin(json, key);
    for (size_t i = 0; i < texts->count; i++)
        json_text(json, NULL, texts->items[i]);
    json_array_end(json);
}

static void json_count(struct json *json, const char *key, bool known, uint64_t count)
{
    if (known)
        json_number(json, key, count);
    else
        json_null(json, key);
}

static void json_identity(struct json *json, const vhdx_machine_info *info)
{
    char text[SHORT_TEXT], sid[VHDX_SID_ROOM];
    json_text(json, "path", info->path);
    json_text(json, "format", format_name(info->format));
    json_text(json, "name", info->name);
    json_text(json, "id", info->id_text);
    if (info->has_machine_id)
        json_guid(json, "machine_id", &info->machine_id);
    else
        json_null(json, "machine_id");
    version_text(info->version, text);
    json_text(json, "version", info->version ? text : NULL);
    json_count(json, "version_number", info->version != 0, info->version);
    json_count(json, "generation", info->generation != 0, info->generation);
    time_text(info->creation_time, text);
    json_text(json, "created", info->creation_time ? text : NULL);
    if (machine_of(info))
        vhdx_machine_sid(machine_of(info), sid);
    json_text(json, "sid", machine_of(info) ? sid : NULL);
}

static void json_state(struct json *json, const vhdx_machine_info *info)
{
    json_bool(json, "checkpoint", info->checkpoint);
    json_count(json, "checkpoint_count", info->has_checkpoint_count, info->checkpoint_count);
    json_text(json, "saved_state", state_name(info->saved_state));
    json_texts(json, "saved_state_files", &info->saved_state_files);
    json_text(json, "guest_state", info->guest_state);
    json_text(json, "data_root", info->data_root);
    json_text(json, "checkpoint_root", info->checkpoint_root);
    json_text(json, "paging_root", info->paging_root);
    json_bool(json, "merge_pending", info->merge_pending);
    json_bool(json, "replicated", info->replicated);
    json_bool(json, "clustered", info->clustered);
}

static void json_disks(struct json *json, const vhdx_config *config)
{
    char text[SHORT_TEXT];
    json_array_begin(json, "disks");
    for (size_t i = 0; i < vhdx_config_info(config)->drive_count; i++) {
        const vhdx_drive *disk = vhdx_config_drive(config, i);
        bool placed = disk->controller != VHDX_CONTROLLER_NONE;
        snprintf(text, sizeof text, "%s %" PRIu32, controller_name(disk->controller), disk->controller_number);
        json_row_begin(json, NULL);
        json_text(json, "path", disk->path);
        json_text(json, "type", disk->type);
        json_text(json, "controller", placed ? text : NULL);
        json_text(json, "controller_type", placed ? controller_name(disk->controller) : NULL);
        json_count(json, "controller_number", placed, disk->controller_number);
        json_count(json, "location", placed, disk->location);
        json_bool(json, "damaged", disk->damaged);
        json_object_end(json);
    }
    json_array_end(json);
}

static void print_json(const vhdx_config *config)
{
    const vhdx_machine_info *info = vhdx_config_info(config);
    struct json json;
    json_begin(&json, stdout);
    json_object_begin(&json, NULL);
    json_identity(&json, info);
    json_state(&json, info);
    json_disks(&json, config);
    json_texts(&json, "machines", &info->machines);
    json_texts(&json, "related", &info->related);
    json_texts(&json, "hints", &info->hints);
    json_bool(&json, "log_replayed", info->log_replayed);
    json_bool(&json, "complete", info->complete);
    json_texts(&json, "reasons", &info->reasons);
    json_texts(&json, "findings", &info->findings);
    json_object_end(&json);
    json_end(&json);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    vhdx_config *config;
    vhdx_error err;
    int status;
    if (!cli_parse(&cli, self, NULL, 0, argc, argv, &status))
        return status;
    cli.judges = true; /* this is no disk */
    if (!cli_files(&cli, 1, 1))
        return EXIT_USAGE;
    if (vhdx_config_open(cli.files[0], NULL, &config, &err) != VHDX_OK)
        return cli_fail(&cli, &err);
    if (cli.json)
        print_json(config);
    else
        print_config(config);
    status = vhdx_config_info(config)->complete ? EXIT_DONE : EXIT_LEFT;
    vhdx_config_free(config);
    return status;
}

const struct command command_config = {
    .name = "config",
    .synopsis = "FILE",
    .operand = "configuration",
    .statuses = "0 done; 4 read in part only",
    .summary = "shows name, disks and state of a machine, from its configuration",
    .details = "Reads the configuration of a virtual machine or of a checkpoint: .vmcx (Server\n"
               "2016 and later), .vmrs (runtime or saved state), .xml (Server 2012 R2 and\n"
               "before), .vhds (VHD set; names only). A transaction that Hyper-V did not finish\n"
               "is completed in memory. Nothing is written. Ends with 4 when the file could be\n"
               "read in part only: then it may name disks that are not shown.",
    .run = run,
};
