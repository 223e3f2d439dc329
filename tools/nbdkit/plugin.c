/*
 * A plugin for nbdkit: the chain of a VHDX as a disk on the network. The protocol, connections, TLS and filters are
 * nbdkit's; what a disk is and what a flush promises are <vhdx.h>'s. Here is only the way from one to the other.
 *
 * The disk is opened for the first client, for writing unless the server was started with -r, and closed after the last
 * one.
 */
/* SPDX-License-Identifier: MIT */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <vhdx.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#define SHORT_EXTENT 65536u /* zeros shorter than this are told as data: clients read them faster than they ask */

static struct {
    char *file;
    const char **parents; /* the strings are nbdkit's */
    size_t parent_count;
    char *overlay;
    char *discard;
    size_t layer;
    bool even_with_children;
} settings;

static vhdx_disk *disk;
static bool writable;
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

/* ---- errors ---- */

static int errno_of(vhdx_status status)
{
    switch (status) {
    case VHDX_NO_SPACE:
        return ENOSPC;
    case VHDX_NOMEM:
        return ENOMEM;
    case VHDX_ARG:
        return EINVAL;
    case VHDX_READ_ONLY:
    case VHDX_STATE:
        return EROFS;
    case VHDX_BUSY:
        return EBUSY;
    default:
        return EIO;
    }
}

static int fail(vhdx_status status, const vhdx_error *err)
{
    char text[2048];
    vhdx_error_format(err, text, sizeof text);
    nbdkit_error("%s", text);
    nbdkit_set_error(errno_of(status));
    return -1;
}

static void tell(void *context, const vhdx_notice *notice)
{
    (void)context;
    nbdkit_error("warning: %s", notice->text);
}

/* ---- settings ---- */

static int add_parent(const char *value)
{
    const char **parents = realloc(settings.parents, (settings.parent_count + 1) * sizeof *parents);
    char *path = parents ? nbdkit_realpath(value) : NULL;
    if (parents)
        settings.parents = parents;
    if (!path)
        return -1;
    settings.parents[settings.parent_count++] = path;
    return 0;
}

static int take_path(char **path, const char *value, bool is_there)
{
    free(*path);
    *path = is_there ? nbdkit_realpath(value) : nbdkit_absolute_path(value);
    return *path ? 0 : -1;
}

static int take_layer(const char *value)
{
    uint64_t layer;
    if (nbdkit_parse_uint64_t("layer", value, &layer) == -1)
        return -1;
    settings.layer = (size_t)layer;
    return 0;
}

static int vhdx_nbd_config(const char *key, const char *value)
{
    if (strcmp(key, "file") == 0)
        return take_path(&settings.file, value, true);
    if (strcmp(key, "parent") == 0)
        return add_parent(value);
    if (strcmp(key, "overlay") == 0)
        return take_path(&settings.overlay, value, false);
    if (strcmp(key, "discard") == 0)
        return take_path(&settings.discard, value, true);
    if (strcmp(key, "layer") == 0)
        return take_layer(value);
    if (strcmp(key, "with-children") == 0) {
        int yes = nbdkit_parse_bool(value);
        settings.even_with_children = yes == 1;
        return yes == -1 ? -1 : 0;
    }
    nbdkit_error("unknown parameter '%s'", key);
    return -1;
}

static int vhdx_nbd_config_complete(void)
{
    if (!settings.file) {
        nbdkit_error("which disk? Give file=DISK.vhdx");
        return -1;
    }
    if (settings.overlay && settings.discard) {
        nbdkit_error("an overlay is either kept (overlay=) or discarded (discard=)");
        return -1;
    }
    return 0;
}

/* ---- opening and closing ---- */

static vhdx_status open_disk(bool write, vhdx_notice_fn notice, vhdx_error *err)
{
    const vhdx_disk_options options = {
        .struct_size = sizeof options,
        .parents = settings.parents,
        .parent_count = settings.parent_count,
        .write = write,
        .even_with_children = settings.even_with_children,
        .overlay = write ? settings.overlay : NULL,
        .discard = write ? settings.discard : NULL,
        .layer = settings.layer,
        .notice = notice,
    };
    writable = write;
    return vhdx_disk_open(settings.file, &options, &disk, err);
}

/* What is wrong with the chain is told at once. The disk does not stay open: nbdkit forks after this, and a lock that
 * two processes have is not given up by one of them. */
static int vhdx_nbd_get_ready(void)
{
    vhdx_error err;
    vhdx_status status = open_disk(false, tell, &err);
    if (status != VHDX_OK)
        return fail(status, &err);
    vhdx_disk_close(disk, NULL);
    disk = NULL;
    return 0;
}

static int open_once(bool write)
{
    vhdx_error err;
    if (disk)
        return 0;
    vhdx_status status = open_disk(write, NULL, &err);
    if (status == VHDX_OK)
        return 0;
    disk = NULL;
    fail(status, &err);
    if (write && status == VHDX_REFUSED)
        nbdkit_error("to serve it for reading start nbdkit with -r; with discard=DIRECTORY its clients may write, too");
    return -1;
}

/* `readonly` is the server's -r, the same for all clients. An older layer is for reading in any case. */
static void *vhdx_nbd_open(int readonly)
{
    pthread_mutex_lock(&opening);
    int result = open_once(!readonly && settings.layer == 0);
    pthread_mutex_unlock(&opening);
    return result == 0 ? &disk : NULL;
}

/* After the last client. What was not flushed becomes durable here; a client that needs to know flushes. */
static void vhdx_nbd_cleanup(void)
{
    vhdx_error err;
    vhdx_status status = vhdx_disk_close(disk, &err);
    disk = NULL;
    if (status != VHDX_OK)
        fail(status, &err);
}

static void vhdx_nbd_unload(void)
{
    vhdx_disk_close(disk, NULL);
    for (size_t i = 0; i < settings.parent_count; i++)
        free((void *)settings.parents[i]);
    free(settings.parents);
    free(settings.file);
    free(settings.overlay);
    free(settings.discard);
}

/* ---- facts ---- */

static int64_t vhdx_nbd_get_size(void *handle)
{
    (void)handle;
    return (int64_t)vhdx_disk_layer(disk, 0)->virtual_size;
}

static int vhdx_nbd_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
    (void)handle;
    *minimum = 1;
    *preferred = 4096;
    *maximum = UINT32_MAX;
    return 0;
}

static int yes(void *handle)
{
    (void)handle;
    return 1;
}

static int can_write(void *handle)
{
    (void)handle;
    return writable;
}

static int can_fua(void *handle)
{
    (void)handle;
    return NBDKIT_FUA_NATIVE;
}

static int can_cache(void *handle)
{
    (void)handle;
    return NBDKIT_CACHE_EMULATE;
}

/* ---- requests ---- */

static int vhdx_nbd_flush(void *handle, uint32_t flags)
{
    vhdx_error err;
    (void)handle;
    (void)flags;
    vhdx_status status = vhdx_disk_flush(disk, &err);
    return status == VHDX_OK ? 0 : fail(status, &err);
}

static int finish(vhdx_status status, const vhdx_error *err, uint32_t flags)
{
    if (status != VHDX_OK)
        return fail(status, err);
    return flags & NBDKIT_FLAG_FUA ? vhdx_nbd_flush(NULL, 0) : 0;
}

static int vhdx_nbd_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    vhdx_error err;
    (void)handle;
    (void)flags;
    return finish(vhdx_disk_read(disk, buf, count, offset, &err), &err, 0);
}

static int vhdx_nbd_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    vhdx_error err;
    (void)handle;
    return finish(vhdx_disk_write(disk, buf, count, offset, &err), &err, flags);
}

static int vhdx_nbd_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    vhdx_error err;
    (void)handle;
    return finish(vhdx_disk_trim(disk, offset, count, &err), &err, flags);
}

static int vhdx_nbd_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    vhdx_error err;
    (void)handle;
    return finish(vhdx_disk_zero(disk, offset, count, !(flags & NBDKIT_FLAG_MAY_TRIM), &err), &err, flags);
}

struct answer {
    struct nbdkit_extents *extents;
    bool one, failed;
    uint64_t offset, length; /* of the extent that is gathered */
    uint32_t type;
};

static bool send_extent(struct answer *answer)
{
    if (answer->length > 0 && nbdkit_add_extent(answer->extents, answer->offset, answer->length, answer->type) == -1)
        answer->failed = true;
    return !answer->failed;
}

static bool add_extent(void *context, const vhdx_extent *extent)
{
    struct answer *answer = context;
    bool data = extent->state == VHDX_EXTENT_DATA || extent->length < SHORT_EXTENT;
    uint32_t type = data ? 0 : NBDKIT_EXTENT_ZERO | NBDKIT_EXTENT_HOLE;
    if (answer->length > 0 && answer->type == type) {
        answer->length += extent->length;
        return true;
    }
    if (answer->length > 0 && answer->one)
        return false; /* it is sent at the end */
    if (!send_extent(answer))
        return false;
    answer->offset = extent->virtual_offset;
    answer->length = extent->length;
    answer->type = type;
    return true;
}

static int vhdx_nbd_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                            struct nbdkit_extents *extents)
{
    struct answer answer = {.extents = extents, .one = (flags & NBDKIT_FLAG_REQ_ONE) != 0};
    vhdx_error err;
    (void)handle;
    vhdx_status status = vhdx_disk_extents(disk, offset, count, add_extent, &answer, &err);
    if (status != VHDX_OK)
        return fail(status, &err);
    return send_extent(&answer) ? 0 : -1;
}

static struct nbdkit_plugin plugin = {
    .name = "vhdx",
    .longname = "nbdkit plugin for Hyper-V virtual disks (VHDX, AVHDX chains)",
    .description = "Serves a VHDX, with all layers below it, as a disk.",
    .config = vhdx_nbd_config,
    .config_complete = vhdx_nbd_config_complete,
    .config_help = "file=DISK            (required) the disk, or the layer of a chain\n"
                   "parent=PATH          a file or directory in which to look for its ancestors; may be repeated\n"
                   "layer=N              serve the N-th layer below it, for reading\n"
                   "overlay=NEW.avhdx    what clients write goes to this new differencing disk\n"
                   "discard=DIRECTORY    what clients write goes to a file there, and is gone at the end\n"
                   "with-children=true   write to a disk although others are its children",
    .magic_config_key = "file",
    .get_ready = vhdx_nbd_get_ready,
    .open = vhdx_nbd_open,
    .cleanup = vhdx_nbd_cleanup,
    .unload = vhdx_nbd_unload,
    .get_size = vhdx_nbd_get_size,
    .block_size = vhdx_nbd_block_size,
    .can_write = can_write,
    .can_flush = yes,
    .can_trim = can_write,
    .can_zero = can_write,
    .can_fua = can_fua,
    .can_multi_conn = yes,
    .can_extents = yes,
    .can_cache = can_cache,
    .pread = vhdx_nbd_pread,
    .pwrite = vhdx_nbd_pwrite,
    .flush = vhdx_nbd_flush,
    .trim = vhdx_nbd_trim,
    .zero = vhdx_nbd_zero,
    .extents = vhdx_nbd_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
