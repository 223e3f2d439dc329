/*
 * Paths as text, see path.h. A root keeps its separator ("/", "C:\"), everything else loses it;
 * and '\\' is an ordinary character of a name on hosts that are not Windows.
 */
/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/guid.h"
#include "base/utf.h"

static bool has_drive(const char *path, bool windows)
{
    return windows && vx_ascii_is_letter((uint8_t)path[0]) && path[1] == ':';
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

/* Where the last part of what is made so far begins; `length` is behind a separator, or 0. */
static size_t last_part(const char *made, size_t length, bool windows)
{
    size_t begin = length > 0 ? length - 1 : 0;
    while (begin > 0 && !vx_path_is_separator(made[begin - 1], windows))
        begin--;
    return begin;
}

/* Whether the part is a name that ".." behind it takes back: no root, no drive, no "..". */
static bool is_taken_back(const char *part, size_t length)
{
    return length > 1 && !memchr(part, ':', length) && !(length == 3 && part[0] == '.' && part[1] == '.');
}

char *vx_path_straight(const char *path, bool windows)
{
    char *made = vx_copy_string(path);
    size_t used = 0;
    while (made && *path) {
        size_t length = 0;
        while (path[length] && !vx_path_is_separator(path[length], windows))
            length++;
        size_t whole = length + (path[length] != '\0'), last = last_part(made, used, windows);
        bool here = length == 1 && path[0] == '.' && whole > length;
        bool up = length == 2 && path[0] == '.' && path[1] == '.' && whole > length;
        if (up && is_taken_back(made + last, used - last)) {
            used = last;
        } else if (!here || used > 0) {
            memcpy(made + used, path, whole);
            used += whole;
        }
        path += whole;
    }
    if (made)
        made[used] = '\0';
    return made;
}

const char *vx_path_extension(const char *path, bool windows)
{
    const char *name = vx_path_name(path, windows);
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? dot : name + strlen(name);
}

bool vx_path_has_extension(const char *path, const char *extension, bool windows)
{
    return vx_name_equal(vx_path_extension(path, windows), extension);
}

/* Some file systems count a name's bytes, others its characters: taking characters off makes it shorter for both. A
 * byte that begins none goes with what is before it. */
static size_t without_last_characters(const char *name, size_t number)
{
    size_t length = strlen(name);
    while (number > 0 && length > 0) {
        length--;
        number -= ((unsigned char)name[length] & 0xc0U) != 0x80;
    }
    return length;
}

char *vx_path_unfinished(const char *path, bool windows)
{
    enum { LONG_NAME = 100, ADDED = 20 }; /* ".01234567.unfinished"; a name of 100 bytes has 25 characters at least */
    const char *name = vx_path_name(path, windows);
    size_t room = strlen(path) + ADDED + 1;
    char *made = vx_alloc(room, 1);
    if (!made)
        return NULL;
    if (strlen(name) <= LONG_NAME)
        snprintf(made, room, "%s.unfinished", path);
    else
        snprintf(made, room, "%.*s.%08" PRIx32 ".unfinished",
                 (int)((size_t)(name - path) + without_last_characters(name, ADDED)), path,
                 vx_crc32c(0, name, strlen(name)));
    return made;
}

bool vx_path_is_disk_name(const char *path, bool windows)
{
    static const char *const extensions[] = {".vhdx", ".avhdx", ".vhd", ".avhd"};
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (vx_path_has_extension(path, extensions[i], windows))
            return true;
    return false;
}

size_t vx_path_family_length(const char *name, bool windows)
{
    enum { GUID = 36 };
    size_t stem = (size_t)(vx_path_extension(name, windows) - name);
    vhdx_guid guid;
    if (stem > GUID + 1 && name[stem - GUID - 1] == '_' && vx_guid_parse(name + stem - GUID, GUID, &guid))
        return stem - GUID - 1;
    return stem;
}

void vx_path_put(char text[VHDX_PATH_ROOM], const char *path)
{
    size_t length = strlen(path);
    text[0] = '\0';
    if (length < VHDX_PATH_ROOM)
        memcpy(text, path, length + 1);
}
