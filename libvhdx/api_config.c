/*
 * The public functions of configurations of virtual machines. As in api.c, arguments are checked and no logic belongs
 * here.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "base/alloc.h"
#include "base/options.h"
#include "config/config.h"
#include "config/config_find.h"
#include "config/machines.h"
#include "base/sid.h"

struct vhdx_config {
    struct vx_config *config;
};

vhdx_status vhdx_config_open(const char *path, const vhdx_config_options *given, vhdx_config **config, vhdx_error *err)
{
    vhdx_config_options options;
    vx_clear(err);
    if (!path || !config)
        return vx_refuse_argument(err, "vhdx_config_open: a path and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_config *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "a configuration");
    vhdx_status status = vx_config_read(options.host, path, options.alone ? VX_CONFIG_ALONE : 0, &handle->config, err);
    if (status == VHDX_OK)
        *config = handle;
    else
        vx_free(handle);
    return status;
}

void vhdx_config_free(vhdx_config *config)
{
    if (config)
        vx_config_free(config->config);
    vx_free(config);
}

const vhdx_machine_info *vhdx_config_info(const vhdx_config *config)
{
    return &config->config->info;
}

const vhdx_drive *vhdx_config_drive(const vhdx_config *config, size_t index)
{
    return index < config->config->info.drive_count ? &config->config->disks[index] : NULL;
}

vhdx_status vhdx_config_find(const char *const *disks, size_t disk_count, const vhdx_config_find_options *given,
                             vhdx_mention_fn visit, void *context, vhdx_error *err)
{
    vhdx_config_find_options options;
    vx_clear(err);
    if (!visit || !vx_all_named(disks, disk_count))
        return vx_refuse_argument(err, "vhdx_config_find: names of disks and a function to call are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.configs, options.config_count))
        return vx_refuse_argument(err, "vhdx_config_find: a configuration has no name");
    return vx_config_find(disks, disk_count, &options, visit, context, err);
}

void vhdx_machine_sid(const vhdx_guid *machine_id, char text[VHDX_SID_ROOM])
{
    vx_machine_sid(machine_id, text);
}

vhdx_status vhdx_machines_find(const char *const *disks, size_t disk_count, const vhdx_config_find_options *given,
                               vhdx_machines **machines, vhdx_error *err)
{
    vhdx_config_find_options options;
    vx_clear(err);
    if (!machines || !vx_all_named(disks, disk_count))
        return vx_refuse_argument(err, "vhdx_machines_find: names of disks and a place for the handle are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.configs, options.config_count))
        return vx_refuse_argument(err, "vhdx_machines_find: a configuration has no name");
    return vx_machines_find(disks, disk_count, &options, machines, err);
}

void vhdx_machines_free(vhdx_machines *machines)
{
    vx_machines_free(machines);
}

size_t vhdx_machines_count(const vhdx_machines *machines)
{
    return machines->count;
}

const vhdx_machine *vhdx_machines_item(const vhdx_machines *machines, size_t number)
{
    return number < machines->count ? &machines->items[number] : NULL;
}

void vhdx_machines_warn(const vhdx_machines *machines, const vhdx_machine_change *given, vhdx_notice_fn notice,
                        void *context)
{
    vhdx_machine_change change;
    if (machines && vx_take_options(&change, sizeof change, given, NULL) == VHDX_OK)
        vx_machines_warn(machines, &change, notice, context);
}

void vhdx_machines_next(const vhdx_machines *machines, const vhdx_machine_change *given, vhdx_notice_fn notice,
                        void *context)
{
    vhdx_machine_change change;
    if (machines && vx_take_options(&change, sizeof change, given, NULL) == VHDX_OK)
        vx_machines_next(machines, &change, notice, context);
}
