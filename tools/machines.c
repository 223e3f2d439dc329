/*
 * Machines of a command's disks. See machines.h.
 */
/* SPDX-License-Identifier: MIT */
#include "machines.h"

vhdx_machines *machines_find(const struct cli *cli, const char *const *disks, size_t disk_count,
                             const struct cli_list *configs)
{
    const vhdx_config_find_options options = {
        .struct_size = sizeof options, .configs = configs->items, .config_count = configs->count};
    vhdx_machines *machines = NULL;
    vhdx_error err;
    if (vhdx_machines_find(disks, disk_count, &options, &machines, &err) != VHDX_OK)
        cli_fail(cli, &err);
    return machines;
}

static void machine_json(struct json *json, const vhdx_machine *machine, const char *const *disks)
{
    json_row_begin(json, NULL);
    json_text(json, "name", machine->name);
    if (machine->has_id)
        json_guid(json, "id", &machine->id);
    else
        json_null(json, "id");
    json_text(json, "config", machine->config);
    json_bool(json, "checkpoint", machine->checkpoint);
    json_bool(json, "saved_state", machine->saved_state);
    json_text(json, "disk", disks[machine->disk]);
    json_text(json, "drive", machine->drive.path);
    json_bool(json, "name_only", machine->name_only);
    json_object_end(json);
}

void machines_json(struct json *json, const vhdx_machines *machines, const char *const *disks)
{
    json_array_begin(json, "machines");
    for (size_t i = 0; i < vhdx_machines_count(machines); i++)
        machine_json(json, vhdx_machines_item(machines, i), disks);
    json_array_end(json);
}
