/*
 * Merges a chain that lies in memory: memory_chain CHILD [ANCESTOR...] PARENT
 *
 * Reads the files into memory, merges CHILD there into its immediate parent, and says what came of it; the files
 * themselves are not touched. It shows what a program needs that keeps its disks elsewhere, in an object store for
 * example: a vhdx_host of its own, progress, a cancelled merge that is gone on with, notices, and the report.
 *
 *     cc memory_chain.c $(pkg-config --cflags --libs libvhdx) -o memory_chain
 *
 * What is simple here and must not be in earnest: a file is one piece of memory, so that every byte of a sparse disk
 * costs memory; flush() has nothing to do, where a store must return only when all that was written survives a power
 * cut; and one thread at a time may use the host.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FILES 16

/* ---- files in memory -------------------------------------------------------------------------------------------- */

struct file {
    char name[256]; /* empty: this place is free */
    unsigned char *bytes;
    uint64_t size;
    int readers, writers;
};

struct store {
    struct file files[MOST_FILES];
};

/* What an open file is to the library; the same file may be open several times. */
struct handle {
    struct file *file;
    bool writes, counted;
};

static vhdx_status fail(vhdx_error *err, vhdx_status status, const char *message)
{
    if (err) /* the library adds path and offset */
        snprintf(err->message, sizeof err->message, "%s", message);
    return status;
}

static vhdx_status file_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct file *file = ((struct handle *)context)->file;
    if (offset > file->size || length > file->size - offset)
        return fail(err, VHDX_TRUNCATED, "the file ends before that");
    memcpy(buf, file->bytes + offset, length);
    return VHDX_OK;
}

static vhdx_status file_set_size(void *context, uint64_t size, vhdx_error *err)
{
    struct file *file = ((struct handle *)context)->file;
    unsigned char *bytes = size <= SIZE_MAX - 1 ? realloc(file->bytes, (size_t)size + 1) : NULL;
    if (!bytes)
        return fail(err, VHDX_NO_SPACE, "memory ran out");
    if (size > file->size)
        memset(bytes + file->size, 0, (size_t)(size - file->size));
    file->bytes = bytes;
    file->size = size;
    return VHDX_OK;
}

static vhdx_status file_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct file *file = ((struct handle *)context)->file;
    if (offset + length > file->size) {
        vhdx_status status = file_set_size(context, offset + length, err);
        if (status != VHDX_OK)
            return status;
    }
    memcpy(file->bytes + offset, buf, length);
    return VHDX_OK;
}

static vhdx_status file_size(void *context, uint64_t *size, vhdx_error *err)
{
    (void)err;
    *size = ((struct handle *)context)->file->size;
    return VHDX_OK;
}

static vhdx_status file_flush(void *context, vhdx_error *err)
{
    (void)context;
    (void)err;
    return VHDX_OK;
}

static void file_close(void *context)
{
    struct handle *handle = context;
    if (handle->counted && handle->writes)
        handle->file->writers--;
    else if (handle->counted)
        handle->file->readers--;
    free(handle);
}

/* facts, punch, clone and the hints are left out: the library does without them. */
static const vhdx_io_ops file_ops = {
    .struct_size = sizeof file_ops,
    .read = file_read,
    .write = file_write,
    .size = file_size,
    .set_size = file_set_size,
    .flush = file_flush,
    .close = file_close,
};

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* All files lie in one directory, "/". */
static const char *plain_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static struct file *find(struct store *store, const char *path)
{
    for (size_t i = 0; i < MOST_FILES; i++)
        if (store->files[i].name[0] && strcmp(store->files[i].name, plain_name(path)) == 0)
            return &store->files[i];
    return NULL;
}

static struct file *make(struct store *store, const char *path)
{
    for (size_t i = 0; i < MOST_FILES; i++)
        if (!store->files[i].name[0]) {
            store->files[i] = (struct file){0};
            snprintf(store->files[i].name, sizeof store->files[i].name, "%s", plain_name(path));
            return &store->files[i];
        }
    return NULL;
}

static vhdx_status host_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct store *store = context;
    struct file *file = find(store, path);
    bool creates = access == VHDX_OPEN_CREATE || access == VHDX_OPEN_REPLACE;
    bool writes = creates || access == VHDX_OPEN_WRITE;
    if (!file && !creates)
        return fail(err, VHDX_NOT_FOUND, "there is no such file");
    if (file && access == VHDX_OPEN_CREATE && file->size > 0)
        return fail(err, VHDX_EXISTS, "the file is there already");
    if (file && access != VHDX_OPEN_PEEK && (file->writers > 0 || (writes && file->readers > 0)))
        return fail(err, VHDX_BUSY, "the file is in use");
    struct handle *handle = calloc(1, sizeof *handle);
    if (!file && handle)
        file = make(store, path);
    if (!handle || !file) {
        free(handle);
        return fail(err, VHDX_NO_SPACE, "there is no room for another file");
    }
    if (access == VHDX_OPEN_REPLACE)
        file->size = 0;
    *handle = (struct handle){file, writes, access != VHDX_OPEN_PEEK};
    file->writers += writes;
    file->readers += !writes && handle->counted;
    *io = (vhdx_io){&file_ops, handle};
    return VHDX_OK;
}

static vhdx_status host_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                             void *visitor, vhdx_error *err)
{
    struct store *store = context;
    if (strcmp(directory, ".") != 0 && strcmp(directory, "/") != 0)
        return fail(err, VHDX_NOT_FOUND, "there is no such directory");
    for (size_t i = 0; i < MOST_FILES; i++)
        if (store->files[i].name[0] && !visit(visitor, store->files[i].name))
            break;
    return VHDX_OK;
}

static vhdx_status host_remove(void *context, const char *path, vhdx_error *err)
{
    struct file *file = find(context, path);
    if (!file)
        return fail(err, VHDX_NOT_FOUND, "there is no such file");
    free(file->bytes);
    *file = (struct file){0};
    return VHDX_OK;
}

static vhdx_status host_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    struct file *file = find(context, from);
    if (!file)
        return fail(err, VHDX_NOT_FOUND, "there is no such file");
    if (find(context, to))
        host_remove(context, to, NULL);
    snprintf(file->name, sizeof file->name, "%s", plain_name(to));
    return VHDX_OK;
}

static vhdx_status host_sync_directory(void *context, const char *directory, vhdx_error *err)
{
    (void)context;
    (void)directory;
    (void)err;
    return VHDX_OK;
}

static vhdx_status host_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    const char *name = plain_name(path);
    (void)context;
    int length = snprintf(text, text_size, "/%s", strcmp(name, ".") == 0 ? "" : name);
    return (size_t)length < text_size ? VHDX_OK : fail(err, VHDX_LIMIT, "the name is too long");
}

static vhdx_status host_space(void *context, const char *path, vhdx_space *space, vhdx_error *err)
{
    (void)context;
    (void)path;
    (void)err;
    *space = (vhdx_space){UINT64_MAX, UINT64_MAX}; /* not known */
    return VHDX_OK;
}

/* Becomes GUIDs: two disks that get the same would be taken for one. */
static vhdx_status host_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    FILE *source = fopen("/dev/urandom", "rb");
    (void)context;
    size_t got = source ? fread(buf, 1, length, source) : 0;
    if (source)
        fclose(source);
    return got == length ? VHDX_OK : fail(err, VHDX_IO, "no random numbers to be had");
}

static vhdx_host host_of(struct store *store)
{
    return (vhdx_host){.struct_size = sizeof(vhdx_host),
                       .context = store,
                       .open = host_open,
                       .list = host_list,
                       .remove = host_remove,
                       .rename = host_rename,
                       .sync_directory = host_sync_directory,
                       .absolute = host_absolute,
                       .space = host_space,
                       .random = host_random};
}

static bool load(struct store *store, const char *path)
{
    unsigned char buf[65536];
    struct file *file = make(store, path);
    struct handle handle = {.file = file};
    FILE *source = fopen(path, "rb");
    bool good = file && source;
    for (size_t got; good && (got = fread(buf, 1, sizeof buf, source)) > 0;)
        good = file_write(&handle, buf, got, file->size, NULL) == VHDX_OK;
    good = good && !ferror(source);
    if (source)
        fclose(source);
    return good;
}

/* ---- the merge -------------------------------------------------------------------------------------------------- */

struct work {
    bool cancel; /* when bytes begin to move */
    uint64_t moved;
};

static bool step(void *context, const vhdx_progress *progress)
{
    struct work *work = context;
    if (progress->phase == VHDX_PHASE_COPY)
        work->moved = progress->bytes_done;
    return !(work->cancel && work->moved > 0);
}

static void notice(void *context, const vhdx_notice *notice)
{
    (void)context;
    if (notice->kind == VHDX_NOTICE_WARNING)
        printf("warning: %s\n", notice->text);
}

static int complain(const vhdx_error *err)
{
    char line[2300];
    vhdx_error_format(err, line, sizeof line);
    fprintf(stderr, "%s\n", line);
    return 1;
}

/* XXH3-128 of what the disk shows, as text. */
static bool show_hash(const vhdx_host *host, const char *name, char text[33], vhdx_error *err)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    uint8_t hash[16];
    if (vhdx_chain_open(name, &options, &chain, err) != VHDX_OK)
        return false;
    bool good = vhdx_chain_hash(chain, hash, NULL, err) == VHDX_OK;
    vhdx_chain_free(chain);
    for (size_t i = 0; good && i < sizeof hash; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    return good;
}

static int merge(struct store *store, const char *child)
{
    struct work work = {.cancel = true};
    vhdx_host host = host_of(store);
    vhdx_merge_options options = {
        .struct_size = sizeof options, .host = &host, .progress = step, .progress_context = &work, .notice = notice};
    vhdx_merge_report report = {.struct_size = sizeof report};
    char before[33], after[33];
    vhdx_error err;
    if (!show_hash(&host, child, before, &err))
        return complain(&err);
    /* Somebody changes his mind; the child reads as before, and the same call goes on. */
    vhdx_status status = vhdx_merge(child, &options, &report, &err);
    if (status == VHDX_CANCELLED) {
        printf("cancelled when %" PRIu64 " bytes had moved\n", work.moved);
        if (!show_hash(&host, child, after, &err))
            return complain(&err);
        printf("the child reads %s\n", strcmp(before, after) == 0 ? "as before" : "OTHERWISE");
        work.cancel = false;
        status = vhdx_merge(child, &options, &report, &err);
    }
    if (status != VHDX_OK)
        return complain(&err);
    if (!show_hash(&host, report.target, after, &err))
        return complain(&err);
    printf("merged %" PRIu32 " layer into %s, %" PRIu64 " bytes moved\n", report.layers_merged,
           plain_name(report.target), report.bytes_copied);
    printf("%s  %s\n", after, plain_name(report.target));
    return strcmp(before, after) != 0;
}

int main(int argc, char **argv)
{
    static struct store store;
    if (argc < 3 || argc > MOST_FILES) {
        fprintf(stderr, "usage: memory_chain CHILD [ANCESTOR...] PARENT\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (!load(&store, argv[i])) {
            fprintf(stderr, "%s cannot be read\n", argv[i]);
            return 1;
        }
    int status = merge(&store, plain_name(argv[1]));
    for (size_t i = 0; i < MOST_FILES; i++)
        free(store.files[i].bytes);
    return status;
}
