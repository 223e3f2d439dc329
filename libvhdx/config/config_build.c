/*
 * A configuration while it grows. See config_build.h.
 */
/* SPDX-License-Identifier: MIT */
#include "config/config_build.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct vx_config_memory {
    char **texts;
    size_t count, room;
    size_t disk_room;
    bool failed;
};

static const char *keep(struct vx_config *config, const char *text)
{
    return vx_config_own(config, vx_copy_string(text));
}

struct vx_config *vx_config_new(const char *path)
{
    struct vx_config *config = vx_alloc(1, sizeof *config);
    if (!config)
        return NULL;
    config->memory = vx_alloc(1, sizeof *config->memory);
    if (!config->memory) {
        vx_free(config);
        return NULL;
    }
    config->info.complete = true;
    config->info.path = keep(config, path);
    if (!vx_config_failed(config))
        return config;
    vx_config_free(config);
    return NULL;
}

void vx_config_free(struct vx_config *config)
{
    if (!config)
        return;
    const vhdx_texts *lists[] = {&config->info.saved_state_files, &config->info.machines,
                                 &config->info.related,           &config->info.hints,
                                 &config->info.reasons,           &config->info.findings};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        vx_free((void *)lists[i]->items);
    for (size_t i = 0; i < config->memory->count; i++)
        vx_free(config->memory->texts[i]);
    vx_free(config->memory->texts);
    vx_free(config->memory);
    vx_free(config->disks);
    vx_free(config);
}

bool vx_config_failed(const struct vx_config *config)
{
    return config->memory->failed;
}

void vx_config_fail(struct vx_config *config)
{
    config->memory->failed = true;
}

static bool make_room(struct vx_config_memory *memory)
{
    char **texts = vx_room_for(memory->texts, memory->count, &memory->room, sizeof *texts);
    if (texts)
        memory->texts = texts;
    return texts != NULL;
}

const char *vx_config_own(struct vx_config *config, char *text)
{
    struct vx_config_memory *memory = config->memory;
    if (!text || !make_room(memory)) {
        vx_free(text);
        memory->failed = true;
        return "";
    }
    memory->texts[memory->count++] = text;
    return text;
}

/* Lists are short but for that of machines, and equal neighbours are what matters there: looking at some is enough. */
static bool is_listed(const vhdx_texts *list, const char *text)
{
    size_t first = list->count > VX_CONFIG_TEXTS_MAX ? list->count - VX_CONFIG_TEXTS_MAX : 0;
    for (size_t i = first; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

bool vx_config_add(struct vx_config *config, vhdx_texts *list, size_t limit, const char *text)
{
    if (is_listed(list, text))
        return true;
    if (list->count >= limit)
        return false;
    const char **items = vx_resize((void *)list->items, list->count + 1, sizeof *items);
    if (!items) {
        vx_config_fail(config);
        return false;
    }
    list->items = items;
    items[list->count] = keep(config, text);
    list->count++;
    return true;
}

void vx_config_add_disk(struct vx_config *config, const vhdx_drive *disk)
{
    if (config->info.drive_count == VX_CONFIG_DISKS_MAX) {
        vx_config_reason(config, "it names more than %u disks", VX_CONFIG_DISKS_MAX);
        return;
    }
    vhdx_drive *disks = vx_room_for(config->disks, config->info.drive_count, &config->memory->disk_room, sizeof *disks);
    if (!disks) {
        vx_config_fail(config);
        return;
    }
    config->disks = disks;
    config->disks[config->info.drive_count++] = *disk;
}

static void add_sentence(struct vx_config *config, vhdx_texts *list, const char *format, va_list arguments)
{
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    vx_config_add(config, list, VX_CONFIG_TEXTS_MAX, text);
}

void vx_config_reason(struct vx_config *config, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_sentence(config, &config->info.reasons, format, arguments);
    va_end(arguments);
    config->info.complete = false;
}

void vx_config_finding(struct vx_config *config, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_sentence(config, &config->info.findings, format, arguments);
    va_end(arguments);
}
