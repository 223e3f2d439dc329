/*
 * How Windows says things: UTF-8 and UTF-16, GetLastError(), paths. "\\?\" in front of a path
 * lifts the limit of 260 characters, but also switches off ".", ".." and '/', so the path must be made absolute
 * first.
 */
/* SPDX-License-Identifier: MIT */
#define WIN32_LEAN_AND_MEAN
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include "io/win32.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf.h"

/* ---- text ---- */

char *vx_win32_narrow(const wchar_t *wide, size_t length)
{
    char *text = vx_alloc(VX_UTF8_ROOM(length * 2), 1);
    if (text)
        vx_utf16_to_utf8(vx_bytes_of(wide, length * 2), text);
    return text;
}

static vhdx_status widen(const char *text, wchar_t **wide, vhdx_error *err)
{
    size_t size = vx_utf8_to_utf16(text, NULL, 0);
    if (size == SIZE_MAX)
        return vx_fail(err, VHDX_ARG, vx_at_file(text), "the name is not UTF-8");
    *wide = vx_alloc(size / 2 + 1, sizeof **wide);
    if (!*wide)
        return vx_fail_memory(err, "a path");
    vx_utf8_to_utf16(text, (uint8_t *)*wide, size);
    return VHDX_OK;
}

/* ---- errors ---- */

vhdx_status vx_win32_status(DWORD code, bool writing)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_CANT_RESOLVE_FILENAME: /* a link that leads back to itself */
        return VHDX_NOT_FOUND;
    case ERROR_ACCESS_DENIED:
        return writing ? VHDX_READ_ONLY : VHDX_IO;
    case ERROR_WRITE_PROTECT:
        return VHDX_READ_ONLY;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
    case ERROR_BUSY:
        return VHDX_BUSY;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case 1295: /* ERROR_DISK_QUOTA_EXCEEDED, which some headers lack */
        return VHDX_NO_SPACE;
    case ERROR_FILE_TOO_LARGE:
        return VHDX_LIMIT;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
        return VHDX_NOMEM;
    case ERROR_HANDLE_EOF:
        return VHDX_TRUNCATED;
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_FILENAME_EXCED_RANGE:
        return VHDX_ARG;
    default:
        return VHDX_IO;
    }
}

/* The system's sentence without its line end and full stop. */
static void text_of(DWORD code, char *text, size_t size)
{
    wchar_t wide[256];
    DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, code, 0, wide,
                                  sizeof wide / sizeof wide[0], NULL);
    while (length > 0 && (wide[length - 1] <= L' ' || wide[length - 1] == L'.'))
        length--;
    char *found = length > 0 ? vx_win32_narrow(wide, length) : NULL;
    if (found)
        snprintf(text, size, "%s", found);
    else
        snprintf(text, size, "error %lu", code);
    vx_free(found);
}

vhdx_status vx_win32_fail(vhdx_error *err, DWORD code, bool writing, const char *path, const char *action)
{
    vhdx_status status = vx_win32_status(code, writing);
    if (!err)
        return status;
    char text[400];
    text_of(code, text, sizeof text);
    vx_fail_system(err, status, vx_at_file(path), (int)code, "cannot %s: %s", action, text);
    if (code == ERROR_ACCESS_DENIED)
        return vx_advise(err, status, "take away its read-only attribute, or run this as a user who has the right to");
    if (status == VHDX_ARG)
        return vx_advise(err, status, "check the name");
    return status;
}

/* ---- paths ---- */

/* The absolute form, with `room` units left free in front of it. */
static vhdx_status full_path(const char *path, size_t room, wchar_t **full, vhdx_error *err)
{
    wchar_t *wide;
    VX_TRY(widen(path[0] ? path : ".", &wide, err));
    DWORD size = GetFullPathNameW(wide, 0, NULL, NULL);
    *full = size ? vx_alloc(size + room, sizeof **full) : NULL;
    if (size && !*full) {
        vx_free(wide);
        return vx_fail_memory(err, "a path");
    }
    DWORD length = size ? GetFullPathNameW(wide, size, *full + room, NULL) : 0;
    DWORD code = GetLastError();
    vx_free(wide);
    if (length > 0 && length < size)
        return VHDX_OK;
    vx_free(*full);
    return vx_win32_fail(err, code, false, path, "make the path absolute");
}

vhdx_status vx_win32_path(const char *path, wchar_t **wide, vhdx_error *err)
{
    wchar_t *full;
    VX_TRY(full_path(path, 8, &full, err));
    const wchar_t *bare = full + 8;
    const wchar_t *prefix = L"\\\\?\\";
    if (wcsncmp(bare, L"\\\\?\\", 4) == 0 || wcsncmp(bare, L"\\\\.\\", 4) == 0) {
        prefix = L"";
    } else if (wcsncmp(bare, L"\\\\", 2) == 0) {
        prefix = L"\\\\?\\UNC\\";
        bare += 2;
    }
    size_t head = wcslen(prefix);
    size_t length = wcslen(bare) + 1;
    memmove(full + head, bare, length * sizeof *full);
    memcpy(full, prefix, head * sizeof *full);
    *wide = full;
    return VHDX_OK;
}
