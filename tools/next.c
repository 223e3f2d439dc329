/*
 * The last command that is left. See next.h. Easy to get wrong: a name that is taken already would make of an advice a
 * refusal.
 */
/* SPDX-License-Identifier: MIT */
#include "next.h"

#include "text.h"

#include <vhdx.h>

enum { NAMES_TRIED = 9 };

static bool is_there(const char *path)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    if (host->open(host->context, path, VHDX_OPEN_PEEK, &io, NULL) != VHDX_OK)
        return false;
    io.ops->close(io.file);
    return true;
}

/* Neither the disk that is written nor its map is there yet. */
static bool is_free(const char *name)
{
    char map[VHDX_PATH_ROOM + 32];
    snprintf(map, sizeof map, "%s.map", name);
    return !is_there(name) && !is_there(map);
}

void next_salvage(const char *path)
{
    char name[VHDX_PATH_ROOM + 16];
    snprintf(name, sizeof name, "%s.raw", path);
    for (int i = 2; i <= NAMES_TRIED && !is_free(name); i++)
        snprintf(name, sizeof name, "%s.%d.raw", path, i);
    fputs("Next: vhdx export --salvage -o ", stdout);
    text_put_word(stdout, name);
    putchar(' ');
    text_put_word(stdout, path);
    fputs("\n      (writes what can be read to a new file, and a map of the rest)\n", stdout);
}
