/* What the suites of configurations share: a file in memory that is read. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONFIG_PARTS_H
#define TESTS_CONFIG_PARTS_H

#include "config/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "with_memory.h"
#include "vmcx.h"

#define ID "282874FC-59D6-4F30-BC04-5FDD909C82E0"
#define CHECKPOINT "0F0F0F0F-1111-4222-8333-444444444444"
#define PATH "/vm/a.vmcx"
#define DISK "C:\\VMs\\disk.vhdx"

static struct vx_config *config;
static vhdx_error err;

static inline void end(void)
{
    vx_config_free(config);
    end_memory();
}

static inline vhdx_status read_at(const char *path)
{
    vx_config_free(config);
    config = NULL;
    memset(&err, 0, sizeof err);
    vhdx_status status = vx_config_read(host, path, 0, &config, &err);
    cr_assert((status == VHDX_OK) == (config != NULL));
    cr_assert(status == VHDX_OK || err.message[0]);
    return status;
}

static inline vhdx_status read_bytes(const char *path, const void *bytes, size_t size)
{
    cr_assert(vx_memory_host_put(memory, path, bytes, size));
    return read_at(path);
}

/* Takes the bytes over. */
static inline vhdx_status read_file(const char *path, uint8_t *bytes, size_t size)
{
    vhdx_status status = read_bytes(path, bytes, size);
    free(bytes);
    return status;
}

static inline bool has_text(const vhdx_texts *texts, const char *part)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strstr(texts->items[i], part))
            return true;
    return false;
}

static inline void expect_reason(const char *part)
{
    cr_assert_not(config->info.complete, "%s", part);
    cr_assert(has_text(&config->info.reasons, part), "no reason says '%s', the first: %s", part,
              config->info.reasons.count ? config->info.reasons.items[0] : "none");
}

static inline void expect_complete(void)
{
    cr_assert(config->info.complete, "%s", config->info.reasons.count ? config->info.reasons.items[0] : "?");
    cr_assert_eq(config->info.reasons.count, 0);
}

static inline void expect_disk(size_t i, const char *path, const char *type, vhdx_controller controller,
                               unsigned number, unsigned location)
{
    cr_assert_lt(i, config->info.drive_count);
    const vhdx_drive *disk = &config->disks[i];
    cr_assert_str_eq(disk->path, path);
    cr_assert_str_eq(disk->type, type);
    cr_assert_eq(disk->controller, controller);
    cr_assert_eq(disk->controller_number, number);
    cr_assert_eq(disk->location, location);
}

static const struct vmcx_machine plain = {.name = "Mail", .id = ID, .disks = {{DISK, NULL, VHDX_CONTROLLER_IDE, 0, 0}}};

/* ---- the traps of the container ---- */

/* A machine whose one drive is filled in by the tests. */
struct made {
    struct vmcx *v;
    int top, drive, path;
};

static inline struct made make(void)
{
    struct made m = {.v = vmcx_new()};
    m.top = vmcx_node(m.v, VMCX_ROOT, "configuration");
    vmcx_string(m.v, vmcx_node(m.v, m.top, "properties"), "name", "Mail");
    int device = vmcx_node(m.v, m.top, "_83f8638b-8dca-4152-9eda-2ca8b33039b4_");
    m.drive = vmcx_node(m.v, vmcx_node(m.v, device, "controller0"), "drive1");
    return m;
}

static inline uint8_t *build(struct made *m, size_t *size)
{
    uint8_t *file = vmcx_build(m->v, size);
    return file;
}

static inline void read_made(struct made *m)
{
    size_t size;
    uint8_t *file = build(m, &size);
    cr_assert_eq(read_file(PATH, file, size), VHDX_OK, "%s", err.message);
    vmcx_free(m->v);
}

#endif
