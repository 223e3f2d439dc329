/*
 * The state of an export as a map. See export_state.h. Easy to get wrong: the map is replaced as a whole, so that a
 * power cut leaves the old one or the new one.
 */
/* SPDX-License-Identifier: MIT */
#include "export_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAP_ROOM 512u

static const char format[] = "# Mapfile. Created by vhdx export\n"
                             "# content %s\n"
                             "# file %s\n"
                             "# current_pos  current_status\n"
                             "0x%" PRIX64 "  ?\n"
                             "#      pos        size  status\n"
                             "0x0  0x%" PRIX64 "  +\n"
                             "0x%" PRIX64 "  0x%" PRIX64 "  ?\n";

static vhdx_status fail(vhdx_error *err, vhdx_status status, const char *path, const char *message, const char *advice)
{
    *err = (vhdx_error){.status = status, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err->path, sizeof err->path, "%s", path);
    snprintf(err->message, sizeof err->message, "%s", message);
    snprintf(err->advice_text, sizeof err->advice_text, "%s", advice);
    err->advice = VHDX_ADVICE_TEXT;
    return status;
}

struct export_state export_state_of(const vhdx_chain *chain)
{
    const vhdx_info *leaf = vhdx_chain_layer(chain, 0);
    return (struct export_state){
        .content = leaf->data_write_guid, .file = leaf->file_write_guid, .virtual_size = leaf->virtual_size};
}

static int put_map(const struct export_state *state, char text[MAP_ROOM])
{
    char content[37], file[37];
    vhdx_guid_format(&state->content, content);
    vhdx_guid_format(&state->file, file);
    return snprintf(text, MAP_ROOM, format, content, file, state->done, state->done, state->done,
                    state->virtual_size - state->done);
}

static vhdx_status put_file(const char *path, const char *text, size_t length, vhdx_error *err)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    vhdx_status status = host->open(host->context, path, VHDX_OPEN_REPLACE, &io, err);
    if (status != VHDX_OK)
        return status;
    status = io.ops->write(io.file, text, length, 0, err);
    if (status == VHDX_OK)
        status = io.ops->flush(io.file, err);
    io.ops->close(io.file);
    return status;
}

vhdx_status export_state_write(const char *path, const struct export_state *state, vhdx_error *err)
{
    const vhdx_host *host = vhdx_native_host();
    char text[MAP_ROOM], beside[VHDX_PATH_ROOM];
    int length = put_map(state, text);
    if ((size_t)snprintf(beside, sizeof beside, "%s.new", path) >= sizeof beside)
        return fail(err, VHDX_LIMIT, path, "the name is too long", "choose a shorter one");
    vhdx_status status = put_file(beside, text, (size_t)length, err);
    return status == VHDX_OK ? host->rename(host->context, beside, path, err) : status;
}

static bool scan(const char *text, struct export_state *state)
{
    char content[37], file[37], again[MAP_ROOM];
    uint64_t done, at, from, rest;
    int fields = sscanf(text,
                        "# Mapfile. Created by vhdx export\n# content %36s\n# file %36s\n"
                        "# current_pos  current_status\n0x%" SCNx64 "  ?\n#      pos        size  status\n"
                        "0x0  0x%" SCNx64 "  +\n0x%" SCNx64 "  0x%" SCNx64 "  ?\n",
                        content, file, &at, &done, &from, &rest);
    if (fields != 6 || at != done || from != done || rest > UINT64_MAX - done ||
        vhdx_guid_parse(content, &state->content) != VHDX_OK || vhdx_guid_parse(file, &state->file) != VHDX_OK)
        return false;
    state->done = done;
    state->virtual_size = done + rest;
    put_map(state, again);
    return strcmp(again, text) == 0; /* and nothing else is in it */
}

vhdx_status export_state_read(const char *path, struct export_state *state, vhdx_error *err)
{
    const vhdx_host *host = vhdx_native_host();
    char text[MAP_ROOM] = "";
    uint64_t size = 0;
    vhdx_io io;
    vhdx_status status = host->open(host->context, path, VHDX_OPEN_PEEK, &io, err);
    if (status != VHDX_OK)
        return status;
    status = io.ops->size(io.file, &size, err);
    if (status == VHDX_OK && size < sizeof text)
        status = io.ops->read(io.file, text, (size_t)size, 0, err);
    io.ops->close(io.file);
    if (status == VHDX_OK && (size >= sizeof text || !scan(text, state)))
        return fail(err, VHDX_CORRUPT, path, "this is no map of an export that was cut off",
                    "export from the beginning, to another name or with --overwrite");
    return status;
}

bool export_state_fits(const struct export_state *a, const struct export_state *b)
{
    return memcmp(&a->content, &b->content, sizeof a->content) == 0 &&
           memcmp(&a->file, &b->file, sizeof a->file) == 0 && a->virtual_size == b->virtual_size;
}
