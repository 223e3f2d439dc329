/*
 * Comparing paths from their ends. See tail.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/tail.h"

#include "base/path.h"
#include "base/utf.h"

#include <string.h>

/* Behind the prefix of a device ("\\?\", "\\.\"), of a shared folder ("\\", "\\?\UNC\"), or of both. */
static const char *without_prefix(const char *path, bool *unc)
{
    *unc = false;
    if (strncmp(path, "\\\\?\\", 4) == 0 || strncmp(path, "\\\\.\\", 4) == 0) {
        path += 4;
        *unc = vx_name_equal_part(path, path[0] && path[1] && path[2] && path[3] ? 4 : 0, "UNC\\", 4);
        return path + (*unc ? 4 : 0);
    }
    *unc = strncmp(path, "\\\\", 2) == 0;
    return path + (*unc ? 2 : 0);
}

const char *vx_tail_without_root(const char *path)
{
    bool unc;
    path = without_prefix(path, &unc);
    size_t first = strcspn(path, "\\/");
    bool drive = first == 2 && path[1] == ':';
    if ((drive || unc || strncmp(path, "Volume{", 7) == 0) && path[first] != '\0')
        path += first;
    return path + strspn(path, "\\/");
}

const char *vx_tail_with_server(const char *path)
{
    bool unc;
    const char *rest = without_prefix(path, &unc);
    return unc ? rest + strspn(rest, "\\/") : vx_tail_without_root(path);
}

bool vx_tail_last_part(const char *text, size_t *end, bool windows, const char **part, size_t *length)
{
    do {
        while (*end > 0 && vx_path_is_separator(text[*end - 1], windows))
            (*end)--;
        size_t at = *end;
        while (at > 0 && !vx_path_is_separator(text[at - 1], windows))
            at--;
        *part = text + at;
        *length = *end - at;
        *end = at;
    } while (*length == 1 && **part == '.');
    return *length > 0;
}

struct vx_tail vx_tail_order(const char *path, bool path_windows, const char *place, bool windows, int *order)
{
    struct vx_tail tail = {0};
    const char *a, *b;
    size_t a_length, b_length;
    size_t a_end = strlen(path), b_end = strlen(place);
    for (;;) {
        bool more_a = vx_tail_last_part(path, &a_end, path_windows, &a, &a_length);
        bool more_b = vx_tail_last_part(place, &b_end, windows, &b, &b_length);
        *order = more_a && more_b ? vx_name_compare_part(a, a_length, b, b_length) : more_a - more_b;
        if (!more_a) {
            tail.whole = tail.parts > 0;
            tail.equal = tail.whole && !more_b;
            return tail;
        }
        bool climbs = a_length == 2 && a[0] == '.' && a[1] == '.';
        if (*order != 0 || climbs)
            return tail;
        tail.parts++;
    }
}

struct vx_tail vx_tail_compare(const char *path, const char *place, bool windows)
{
    int order;
    return vx_tail_order(vx_tail_without_root(path), true, place, windows, &order);
}

struct vx_tail vx_tail_of_hosts(const char *path, bool path_windows, const char *place, bool windows)
{
    int order;
    return vx_tail_order(path, path_windows, place, windows, &order);
}

bool vx_tail_is_same(const char *path, const char *place, bool windows)
{
    return vx_tail_of_hosts(path, windows, place, windows).equal;
}

const char *vx_tail_name(const char *path)
{
    const char *name = path;
    for (const char *c = path; *c; c++)
        if (*c == '\\' || *c == '/')
            name = c + 1;
    return name;
}

size_t vx_tail_directory(const char *path)
{
    return (size_t)(vx_tail_name(path) - path);
}

/* What is left of the path without its last `number` parts and the separators before them. */
static size_t length_without_parts(const char *path, size_t number, bool windows)
{
    size_t end = strlen(path);
    for (; number > 0; number--) {
        while (end > 0 && !vx_path_is_separator(path[end - 1], windows))
            end--;
        while (end > 0 && vx_path_is_separator(path[end - 1], windows))
            end--;
    }
    return end;
}

char *vx_tail_there(struct vx_arena *arena, const char *named, bool windows, const char *there, const char *other)
{
    size_t parts = vx_tail_compare(there, named, windows).parts;
    size_t here_length = length_without_parts(named, parts, windows);
    size_t there_length = length_without_parts(there, parts, true);
    bool below =
        parts >= 2 && strncmp(named, other, here_length) == 0 && vx_path_is_separator(other[here_length], windows);
    if (!below || there_length == 0 || (!windows && strchr(other + here_length, '\\')))
        return NULL;
    char *made = vx_arena_format(arena, "%.*s\\%s", (int)there_length, there, other + here_length + 1);
    for (char *c = made ? made + there_length : NULL; c && *c; c++)
        *c = *c == '/' ? '\\' : *c;
    return made;
}
