/* A host with bad sectors. See faults.h. */
/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include <stdlib.h>

#include "inside.h"
#include "io/io.h"

struct bad_file {
    struct fault_bad_host *bad;
    vhdx_io io;
};

static vhdx_status bad_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct bad_file *file = context;
    if (offset < file->bad->offset + file->bad->length && file->bad->offset < offset + length) {
        file->bad->refused++;
        return VHDX_IO;
    }
    return file->io.ops->read(file->io.file, buf, length, offset, err);
}

static vhdx_status bad_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->write(file->io.file, buf, length, offset, err);
}

static vhdx_status bad_size(void *context, uint64_t *size, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->size(file->io.file, size, err);
}

static vhdx_status bad_set_size(void *context, uint64_t size, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->set_size(file->io.file, size, err);
}

static vhdx_status bad_flush(void *context, vhdx_error *err)
{
    struct bad_file *file = context;
    return file->io.ops->flush(file->io.file, err);
}

static void bad_close(void *context)
{
    struct bad_file *file = context;
    file->io.ops->close(file->io.file);
    free(file);
}

static const vhdx_io_ops bad_ops = {.struct_size = sizeof bad_ops,
                                    .read = bad_read,
                                    .write = bad_write,
                                    .size = bad_size,
                                    .set_size = bad_set_size,
                                    .flush = bad_flush,
                                    .close = bad_close};

static vhdx_status bad_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    vhdx_io inner;
    VX_TRY(bad->host->open(bad->host->context, path, access, &inner, err));
    struct bad_file *file = bld_alloc(1, sizeof *file);
    *file = (struct bad_file){bad, inner};
    *io = (vhdx_io){&bad_ops, file};
    return VHDX_OK;
}

static vhdx_status bad_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    return bad->host->absolute(bad->host->context, path, text, text_size, err);
}

static vhdx_status bad_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                            void *visitor, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    return bad->host->list(bad->host->context, directory, visit, visitor, err);
}

static vhdx_status bad_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    struct fault_bad_host *bad = context;
    return bad->host->random(bad->host->context, buf, length, err);
}

const vhdx_host *fault_bad_host(struct fault_bad_host *bad, const vhdx_host *host, uint64_t offset, uint64_t length)
{
    *bad = (struct fault_bad_host){.host = host, .offset = offset, .length = length};
    bad->shown = (vhdx_host){.struct_size = sizeof bad->shown,
                             .context = bad,
                             .open = bad_open,
                             .list = bad_list,
                             .absolute = bad_absolute,
                             .random = bad_random};
    return &bad->shown;
}
