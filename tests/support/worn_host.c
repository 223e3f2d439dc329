/*
 * See worn_host.h.
 */
/* SPDX-License-Identifier: MIT */
#include "worn_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "inside.h"

struct worn_file {
    struct worn_host *worn;
    vhdx_io below;
    char path[256];
};

static bool is_bad(const struct worn_file *file, uint64_t offset, size_t length)
{
    for (size_t i = 0; i < file->worn->place_count; i++) {
        const struct worn_place *place = &file->worn->places[i];
        if (strcmp(place->path, file->path) == 0 && offset < place->offset + place->length &&
            place->offset < offset + length)
            return true;
    }
    return false;
}

static vhdx_status worn_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct worn_file *file = context;
    if (length > file->worn->largest_read)
        file->worn->largest_read = length;
    if (!is_bad(file, offset, length))
        return file->below.ops->read(file->below.file, buf, length, offset, err);
    file->worn->failed_reads++;
    memset(buf, 0xEE, length); /* what a failed read leaves must not be believed */
    return VHDX_IO;
}

static vhdx_status worn_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct worn_file *file = context;
    return file->below.ops->write(file->below.file, buf, length, offset, err);
}

static vhdx_status worn_size(void *context, uint64_t *size, vhdx_error *err)
{
    struct worn_file *file = context;
    return file->below.ops->size(file->below.file, size, err);
}

static vhdx_status worn_set_size(void *context, uint64_t size, vhdx_error *err)
{
    struct worn_file *file = context;
    return file->below.ops->set_size(file->below.file, size, err);
}

static vhdx_status worn_flush(void *context, vhdx_error *err)
{
    struct worn_file *file = context;
    return file->below.ops->flush(file->below.file, err);
}

static void worn_close(void *context)
{
    struct worn_file *file = context;
    file->below.ops->close(file->below.file);
    free(file);
}

static bool is_meant(const struct worn_file *file)
{
    return !file->worn->only || strcmp(file->worn->only, file->path) == 0;
}

static vhdx_status worn_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    struct worn_file *file = context;
    vhdx_status status = VHDX_OK;
    memset(facts, 0, sizeof *facts);
    if (file->below.ops->facts)
        status = file->below.ops->facts(file->below.file, facts, err);
    if (is_meant(file))
        facts->attributes |= file->worn->attributes;
    return status;
}

static vhdx_status worn_extents(void *context, uint64_t *count, vhdx_error *err)
{
    const struct worn_file *file = context;
    (void)err;
    *count = is_meant(file) ? file->worn->extents : 0;
    return *count ? VHDX_OK : VHDX_UNSUPPORTED;
}

static vhdx_status worn_security(void *context, void *buf, size_t room, size_t *size, vhdx_error *err)
{
    const struct worn_file *file = context;
    (void)err;
    for (size_t i = 0; i < file->worn->descriptor_count; i++) {
        const struct worn_descriptor *descriptor = &file->worn->descriptors[i];
        if (strcmp(descriptor->path, file->path) != 0)
            continue;
        *size = descriptor->size;
        if (*size <= room)
            memcpy(buf, descriptor->bytes, *size);
        return VHDX_OK;
    }
    return VHDX_UNSUPPORTED;
}

static const vhdx_io_ops worn_ops = {
    .struct_size = sizeof worn_ops,
    .read = worn_read,
    .write = worn_write,
    .size = worn_size,
    .set_size = worn_set_size,
    .flush = worn_flush,
    .close = worn_close,
    .facts = worn_facts,
    .extents = worn_extents,
    .security = worn_security,
};

static vhdx_status worn_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct worn_host *worn = context;
    struct worn_file *file = bld_alloc(1, sizeof *file);
    file->worn = worn;
    snprintf(file->path, sizeof file->path, "%s", path);
    vhdx_status status = worn->below->open(worn->below->context, path, access, &file->below, err);
    if (status != VHDX_OK) {
        free(file);
        return status;
    }
    *io = (vhdx_io){&worn_ops, file};
    return VHDX_OK;
}

static vhdx_status worn_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                             void *visitor, vhdx_error *err)
{
    const vhdx_host *below = ((struct worn_host *)context)->below;
    return below->list(below->context, directory, visit, visitor, err);
}

static vhdx_status worn_remove(void *context, const char *path, vhdx_error *err)
{
    const vhdx_host *below = ((struct worn_host *)context)->below;
    return below->remove(below->context, path, err);
}

static vhdx_status worn_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    const vhdx_host *below = ((struct worn_host *)context)->below;
    return below->rename(below->context, from, to, err);
}

static vhdx_status worn_sync(void *context, const char *directory, vhdx_error *err)
{
    const vhdx_host *below = ((struct worn_host *)context)->below;
    return below->sync_directory(below->context, directory, err);
}

static vhdx_status worn_absolute(void *context, const char *path, char *text, size_t size, vhdx_error *err)
{
    const vhdx_host *below = ((struct worn_host *)context)->below;
    return below->absolute(below->context, path, text, size, err);
}

static vhdx_status worn_space(void *context, const char *path, vhdx_space *space, vhdx_error *err)
{
    const vhdx_host *below = ((struct worn_host *)context)->below;
    return below->space(below->context, path, space, err);
}

static vhdx_status worn_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    const vhdx_host *below = ((struct worn_host *)context)->below;
    return below->random(below->context, buf, length, err);
}

void worn_host_init(struct worn_host *worn, const vhdx_host *below)
{
    memset(worn, 0, sizeof *worn);
    worn->below = below;
    worn->host = (vhdx_host){.struct_size = sizeof worn->host,
                             .context = worn,
                             .windows_paths = below->windows_paths,
                             .open = worn_open,
                             .list = worn_list,
                             .remove = worn_remove,
                             .rename = worn_rename,
                             .sync_directory = worn_sync,
                             .absolute = worn_absolute,
                             .space = worn_space,
                             .random = worn_random};
}

void worn_host_bad(struct worn_host *worn, const char *path, uint64_t offset, uint64_t length)
{
    struct worn_place *place = &worn->places[worn->place_count++];
    BLD_DEMAND(worn->place_count <= WORN_PLACES, "too many bad places");
    snprintf(place->path, sizeof place->path, "%s", path);
    place->offset = offset;
    place->length = length;
}

void worn_host_grant(struct worn_host *worn, const char *path, const vhdx_guid *machine_id)
{
    struct worn_descriptor *descriptor = &worn->descriptors[worn->descriptor_count++];
    uint8_t *bytes = descriptor->bytes, *sid = bytes + 36;
    size_t parts = machine_id ? 6 : 2;
    BLD_DEMAND(worn->descriptor_count <= 8, "too many descriptors");
    snprintf(descriptor->path, sizeof descriptor->path, "%s", path);
    bytes[0] = 1;
    vx_put16(bytes + 2, 0x8004);
    vx_put32(bytes + 16, 20);
    bytes[20] = 2;
    vx_put16(bytes + 22, (uint16_t)(24 + parts * 4));
    bytes[24] = 1;
    vx_put16(bytes + 30, (uint16_t)(16 + parts * 4));
    vx_put32(bytes + 32, 0x001F01FF);
    sid[0] = 1;
    sid[1] = (uint8_t)parts;
    sid[7] = 5;
    vx_put32(sid + 8, machine_id ? 83 : 32);
    vx_put32(sid + 12, machine_id ? 1 : 544);
    for (size_t i = 0; machine_id && i < 4; i++)
        vx_put32(sid + 16 + i * 4, vx_get32(machine_id->bytes + i * 4));
    descriptor->size = 44 + parts * 4;
}
