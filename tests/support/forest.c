/*
 * Forests. See forest.h.
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "forest.h"

#include "builder.h"
#include "files.h"
#include "vmcx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static vhdx_status no_flush(void *file, vhdx_error *err)
{
    (void)file;
    (void)err;
    return VHDX_OK;
}

static vhdx_status quick_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    static vhdx_io_ops ops;
    const vhdx_host *native = vhdx_native_host();
    (void)context;
    vhdx_status status = native->open(native->context, path, access, io, err);
    if (status != VHDX_OK)
        return status;
    ops = *io->ops;
    ops.flush = no_flush;
    io->ops = &ops;
    return VHDX_OK;
}

static const vhdx_host *quick_host(void)
{
    static vhdx_host host;
    host = *vhdx_native_host();
    host.open = quick_open;
    return &host;
}

static void die(const char *what)
{
    fprintf(stderr, "forest: %s\n", what);
    abort();
}

void forest_open(struct forest *f)
{
    f->directory = files_directory();
    f->seed = 1;
}

void forest_open_large(struct forest *f)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* each test is a process of its own */
    forest_open(f);
}

void forest_close(struct forest *f)
{
    files_remove_directory(f->directory);
}

char *forest_path(struct forest *f, const char *name)
{
    char *path = files_path(f->directory, name);
    for (char *c = path + strlen(f->directory) + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            mkdir(path, 0777);
            *c = '/';
        }
    return path;
}

vhdx_guid forest_disk(struct forest *f, const struct forest_disk *disk)
{
    vhdx_error err;
    struct bld_options options = {.kind = disk->parent ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC,
                                  .virtual_size = 4 << 20,
                                  .block_size = 1 << 20,
                                  .seed = f->seed++};
    if (disk->id)
        options.data_write_guid = *disk->id;
    if (disk->disk_id)
        options.virtual_disk_id = *disk->disk_id;
    struct bld *b = bld_new(&options);
    if (disk->parent)
        bld_parent(b, disk->parent, NULL, disk->relative, NULL, disk->absolute);
    if (disk->content)
        bld_write_random(b, 0, 4096, disk->content);
    if (disk->dirty)
        bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_ALL});
    char *path = forest_path(f, disk->name);
    if (bld_finish(b, quick_host(), path, &err) != VHDX_OK)
        die(err.message);
    vhdx_guid id = *bld_data_write_guid(b);
    free(path);
    bld_free(b);
    return id;
}

void forest_machine(struct forest *f, const char *name, const char *machine, const char *const *disks)
{
    char id[64];
    size_t size;
    snprintf(id, sizeof id, "%08X-0000-4000-8000-0000000000AA", (unsigned)f->seed++);
    struct vmcx_machine made = {.name = machine, .id = id};
    for (size_t i = 0; disks[i] && i < 8; i++)
        made.disks[i] =
            (struct vmcx_disk){.path = disks[i], .controller = VHDX_CONTROLLER_SCSI, .location = (unsigned)i};
    bool xml = strstr(name, ".xml") != NULL;
    uint8_t *bytes = xml ? vmcx_xml_of_machine(&made, &size) : vmcx_of_machine(&made, &size);
    char *path = forest_path(f, name);
    if (!bytes || !files_write(path, bytes, size))
        die("cannot write a configuration");
    free(path);
    free(bytes);
}
