/*
 * Replacing a disk by a new one. See replace.h. Easy to get wrong: the name that is to be overwritten may be that of a
 * layer of the chain that is read, spelled otherwise; files are compared, not names.
 */
/* SPDX-License-Identifier: MIT */
#include "replace.h"

#include "platform.h"

#include <stdlib.h>
#include <string.h>

static bool look(const char *path, vhdx_file_facts *facts, uint64_t *size)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    if (host->open(host->context, path, VHDX_OPEN_PEEK, &io, NULL) != VHDX_OK)
        return false;
    bool seen = io.ops->facts(io.file, facts, NULL) == VHDX_OK && io.ops->size(io.file, size, NULL) == VHDX_OK;
    io.ops->close(io.file);
    return seen;
}

static bool same(const vhdx_file_facts *a, const vhdx_file_facts *b)
{
    return a->volume != 0 && a->volume == b->volume && a->file[0] == b->file[0] && a->file[1] == b->file[1];
}

static bool refuse(const struct cli *cli, const char *path, const char *message, const char *advice)
{
    vhdx_error err = {.status = VHDX_EXISTS, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err.path, sizeof err.path, "%s", path);
    snprintf(err.message, sizeof err.message, "%s", message);
    snprintf(err.advice_text, sizeof err.advice_text, "%s", advice);
    err.advice = VHDX_ADVICE_TEXT;
    cli_fail(cli, &err);
    return false;
}

bool replace_begin(struct replace *replace, const struct cli *cli, const char *path, bool overwrite,
                   const char *const *kept, size_t kept_count)
{
    vhdx_file_facts facts, other;
    uint64_t size, ignored;
    *replace = (struct replace){.path = path, .written = path};
    if (!look(path, &facts, &size) || size == 0)
        return true; /* nothing to lose, or who writes says why not */
    for (size_t i = 0; i < kept_count; i++)
        if (look(kept[i], &other, &ignored) && same(&facts, &other))
            return refuse(cli, path, "it is a disk that this command reads", "choose another name");
    if (facts.attributes & VHDX_FILE_IS_BLOCK_DEVICE)
        return true;
    if (!overwrite)
        return refuse(cli, path, "a file of that name is already there",
                      "choose another name, or add --overwrite to lose what it holds");
    replace->beside = malloc(strlen(path) + sizeof REPLACE_SUFFIX);
    if (!replace->beside) {
        fputs("vhdx: out of memory\n", stderr);
        return false;
    }
    strcpy(replace->beside, path);
    strcat(replace->beside, REPLACE_SUFFIX);
    replace->written = replace->beside;
    return true;
}

static vhdx_status take_name(const struct replace *replace, vhdx_error *err)
{
    const vhdx_host *host = vhdx_native_host();
    char directory[VHDX_PATH_ROOM];
    vhdx_status status = host->rename(host->context, replace->beside, replace->path, err);
    size_t length = (size_t)(platform_base_name(replace->path) - replace->path);
    if (status != VHDX_OK) {
        host->remove(host->context, replace->beside, NULL);
        return status;
    }
    if (length == 0 || length >= sizeof directory)
        return host->sync_directory(host->context, ".", err);
    memcpy(directory, replace->path, length);
    directory[length] = '\0';
    return host->sync_directory(host->context, directory, err);
}

void replace_drop(struct replace *replace)
{
    free(replace->beside);
    replace->beside = NULL;
}

vhdx_status replace_end(struct replace *replace, vhdx_status status, vhdx_error *err)
{
    if (replace->beside && status == VHDX_OK)
        status = take_name(replace, err);
    replace_drop(replace);
    return status;
}
