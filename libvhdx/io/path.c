/*
 * Paths as text, see path.h. Easy to get wrong: a root keeps its separator ("/", "C:\"), everything else loses it;
 * and '\\' is an ordinary character of a name on hosts that are not Windows.
 */
/* SPDX-License-Identifier: MIT */
#include "io/path.h"

#include <string.h>

#include "base/alloc.h"

static bool has_drive(const char *path, bool windows)
{
    char letter = path[0];
    bool is_letter = (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
    return windows && is_letter && path[1] == ':';
}

bool vx_path_is_separator(char c, bool windows)
{
    return c == '/' || (windows && c == '\\');
}

bool vx_path_is_absolute(const char *path, bool windows)
{
    if (has_drive(path, windows))
        path += 2;
    return vx_path_is_separator(path[0], windows);
}

/* Length of what can not be taken off the front: "/", "C:", "C:\", "\\", "\\?\C:\". */
static size_t root_length(const char *path, bool windows)
{
    size_t length = 0;
    if (windows && strncmp(path, "\\\\?\\", 4) == 0)
        length = 4;
    if (has_drive(path + length, windows))
        length += 2;
    if (length == 0 && windows && vx_path_is_separator(path[0], windows) && vx_path_is_separator(path[1], windows))
        return 2;
    return length + (vx_path_is_separator(path[length], windows) ? 1 : 0);
}

const char *vx_path_name(const char *path, bool windows)
{
    const char *name = path + root_length(path, windows);
    for (const char *p = name; *p; p++)
        if (vx_path_is_separator(*p, windows))
            name = p + 1;
    return name;
}

char *vx_path_directory(const char *path, bool windows)
{
    size_t root = root_length(path, windows);
    size_t length = (size_t)(vx_path_name(path, windows) - path);
    while (length > root && vx_path_is_separator(path[length - 1], windows))
        length--;
    if (length == 0)
        return vx_copy_string(".");
    char *directory = vx_alloc(length + 1, 1);
    if (directory)
        memcpy(directory, path, length);
    return directory;
}

char *vx_path_join(const char *directory, const char *name, bool windows)
{
    if (!directory[0] || strcmp(directory, ".") == 0 || vx_path_is_absolute(name, windows))
        return vx_copy_string(name);
    size_t head = strlen(directory);
    size_t tail = strlen(name);
    char last = directory[head - 1];
    bool complete = vx_path_is_separator(last, windows) || (head == 2 && has_drive(directory, windows));
    char *joined = vx_alloc(head + tail + 2, 1);
    if (!joined)
        return NULL;
    memcpy(joined, directory, head);
    if (!complete)
        joined[head++] = windows ? '\\' : '/';
    memcpy(joined + head, name, tail);
    return joined;
}

const char *vx_path_extension(const char *path, bool windows)
{
    const char *name = vx_path_name(path, windows);
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? dot : name + strlen(name);
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool vx_path_has_extension(const char *path, const char *extension, bool windows)
{
    const char *found = vx_path_extension(path, windows);
    while (*found && ascii_lower(*found) == ascii_lower(*extension)) {
        found++;
        extension++;
    }
    return !*found && !*extension;
}
