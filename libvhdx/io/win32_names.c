/*
 * The names of Windows and all that is no open file: directories, renaming, absolute paths, free space, random
 * numbers; and the host that win32.c and this make together. Scanners hold a file for moments
 * after it was closed, so renaming needs patience.
 */
/* SPDX-License-Identifier: MIT */
#define _CRT_RAND_S
#define WIN32_LEAN_AND_MEAN
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include "io/win32.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

static bool is_dots(const wchar_t *name)
{
    return wcscmp(name, L".") == 0 || wcscmp(name, L"..") == 0;
}

typedef bool visit_entry_fn(void *visitor, const char *name, vhdx_entry_type type);

static vhdx_entry_type entry_type(DWORD attributes)
{
    if (attributes & FILE_ATTRIBUTE_REPARSE_POINT)
        return VHDX_ENTRY_LINK;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? VHDX_ENTRY_DIRECTORY : VHDX_ENTRY_FILE;
}

/* Visits what `search` finds; ERROR_SUCCESS at the end. */
static DWORD visit_all(HANDLE search, WIN32_FIND_DATAW *entry, visit_entry_fn *visit, void *visitor)
{
    do {
        if (is_dots(entry->cFileName))
            continue;
        char *name = vx_win32_narrow(entry->cFileName, wcslen(entry->cFileName));
        if (!name)
            return ERROR_NOT_ENOUGH_MEMORY;
        bool go_on = visit(visitor, name, entry_type(entry->dwFileAttributes));
        vx_free(name);
        if (!go_on)
            return ERROR_SUCCESS;
    } while (FindNextFileW(search, entry));
    DWORD code = GetLastError();
    return code == ERROR_NO_MORE_FILES ? ERROR_SUCCESS : code;
}

static DWORD list_wide(const wchar_t *directory, visit_entry_fn *visit, void *visitor)
{
    size_t length = wcslen(directory);
    wchar_t *pattern = vx_alloc(length + 3, sizeof *pattern);
    if (!pattern)
        return ERROR_NOT_ENOUGH_MEMORY;
    memcpy(pattern, directory, length * sizeof *pattern);
    if (length > 0 && pattern[length - 1] != L'\\')
        pattern[length++] = L'\\';
    pattern[length] = L'*';
    WIN32_FIND_DATAW entry;
    HANDLE search = FindFirstFileW(pattern, &entry);
    DWORD code = GetLastError();
    vx_free(pattern);
    if (search == INVALID_HANDLE_VALUE)
        return code == ERROR_FILE_NOT_FOUND ? ERROR_SUCCESS : code; /* the root of an empty volume has no "." */
    code = visit_all(search, &entry, visit, visitor);
    FindClose(search);
    return code;
}

static vhdx_status host_list_entries(void *context, const char *directory, visit_entry_fn *visit, void *visitor,
                                     vhdx_error *err)
{
    wchar_t *wide;
    (void)context;
    VX_TRY(vx_win32_path(directory, &wide, err));
    DWORD code = list_wide(wide, visit, visitor);
    vx_free(wide);
    return code == ERROR_SUCCESS ? VHDX_OK : vx_win32_fail(err, code, false, directory, "read the directory");
}

struct name_visit {
    bool (*visit)(void *visitor, const char *name);
    void *visitor;
};

static bool visit_name(void *context, const char *name, vhdx_entry_type type)
{
    const struct name_visit *names = context;
    (void)type;
    return names->visit(names->visitor, name);
}

static vhdx_status host_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                             void *visitor, vhdx_error *err)
{
    struct name_visit names = {visit, visitor};
    return host_list_entries(context, directory, visit_name, &names, err);
}

/* No rights are asked for: what is in use can be looked at too. Links are followed. */
static vhdx_status host_look(void *context, const char *path, vhdx_entry_type *type, vhdx_file_facts *facts,
                             vhdx_error *err)
{
    wchar_t *wide;
    BY_HANDLE_FILE_INFORMATION info;
    (void)context;
    VX_TRY(vx_win32_path(path, &wide, err));
    HANDLE handle = CreateFileW(wide, 0, VX_WIN32_SHARE_ALL, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    DWORD code = handle == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
    vx_free(wide);
    if (code == ERROR_SUCCESS && !GetFileInformationByHandle(handle, &info))
        code = GetLastError();
    if (code == ERROR_SUCCESS) {
        *type = info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? VHDX_ENTRY_DIRECTORY : VHDX_ENTRY_FILE;
        memset(facts, 0, sizeof *facts);
        vx_win32_identify(handle, &info, facts);
    }
    if (handle != INVALID_HANDLE_VALUE)
        CloseHandle(handle);
    return code == ERROR_SUCCESS ? VHDX_OK : vx_win32_fail(err, code, false, path, "look at it");
}

static vhdx_status host_remove(void *context, const char *path, vhdx_error *err)
{
    wchar_t *wide;
    (void)context;
    VX_TRY(vx_win32_path(path, &wide, err));
    DWORD code = DeleteFileW(wide) ? ERROR_SUCCESS : GetLastError();
    vx_free(wide);
    return code == ERROR_SUCCESS ? VHDX_OK : vx_win32_fail(err, code, true, path, "remove the file");
}

/* Virus scanners and indexers hold a file for moments after it was closed: two seconds of patience. */
static DWORD move_with_patience(const wchar_t *from, const wchar_t *to)
{
    for (DWORD pause = 16;; pause *= 2) {
        if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
            return ERROR_SUCCESS;
        DWORD code = GetLastError();
        bool may_pass = code == ERROR_ACCESS_DENIED || code == ERROR_SHARING_VIOLATION;
        if (!may_pass || pause > 1024)
            return code;
        Sleep(pause);
    }
}

static vhdx_status host_rename(void *context, const char *from, const char *to, vhdx_error *err)
{
    wchar_t *wide_from;
    wchar_t *wide_to;
    (void)context;
    VX_TRY(vx_win32_path(from, &wide_from, err));
    vhdx_status status = vx_win32_path(to, &wide_to, err);
    if (status != VHDX_OK) {
        vx_free(wide_from);
        return status;
    }
    DWORD code = move_with_patience(wide_from, wide_to);
    vx_free(wide_from);
    vx_free(wide_to);
    return code == ERROR_SUCCESS ? VHDX_OK : vx_win32_fail(err, code, true, from, "rename the file");
}

/* ReplaceFileW keeps the ACL and attributes of what it replaces. */
static vhdx_status host_replace(void *context, const char *from, const char *to, vhdx_error *err)
{
    wchar_t *wide_from;
    wchar_t *wide_to;
    VX_TRY(vx_win32_path(from, &wide_from, err));
    vhdx_status status = vx_win32_path(to, &wide_to, err);
    if (status != VHDX_OK) {
        vx_free(wide_from);
        return status;
    }
    bool done = ReplaceFileW(wide_to, wide_from, NULL, REPLACEFILE_WRITE_THROUGH, NULL, NULL);
    vx_free(wide_from);
    vx_free(wide_to);
    return done ? VHDX_OK : host_rename(context, from, to, err);
}

/* Renames are written through already; for the rest Windows lets only some users flush a directory, so it is tried.
 */
static vhdx_status host_sync_directory(void *context, const char *directory, vhdx_error *err)
{
    wchar_t *wide;
    (void)context;
    VX_TRY(vx_win32_path(directory, &wide, err));
    HANDLE handle =
        CreateFileW(wide, GENERIC_WRITE, VX_WIN32_SHARE_ALL, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    DWORD code = handle == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
    vx_free(wide);
    if (handle != INVALID_HANDLE_VALUE) {
        (void)FlushFileBuffers(handle);
        CloseHandle(handle);
    }
    if (vx_win32_status(code, false) == VHDX_NOT_FOUND)
        return vx_win32_fail(err, code, false, directory, "open the directory");
    return VHDX_OK;
}

/* Short names become the long ones, in the letter case of the directory; only for what exists. Takes `full` over. */
static wchar_t *long_names(wchar_t *full)
{
    DWORD size = GetLongPathNameW(full, NULL, 0);
    wchar_t *found = size ? vx_alloc(size, sizeof *found) : NULL;
    DWORD length = found ? GetLongPathNameW(full, found, size) : 0;
    bool usable = length > 0 && length < size;
    vx_free(usable ? full : found);
    return usable ? found : full;
}

/* Whether Windows takes the path as it is; not when a part ends in a dot or is the name of a device. */
static bool is_unchanging(const wchar_t *path)
{
    DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
    wchar_t *full = size ? vx_alloc(size, sizeof *full) : NULL;
    bool same = full && GetFullPathNameW(path, size, full, NULL) < size && wcscmp(full, path) == 0;
    vx_free(full);
    return same;
}

/* What is left of "\\?\C:\x" and "\\?\UNC\server\x" where that means the same without the prefix; inside `full`. */
static const wchar_t *without_prefix(wchar_t *full)
{
    if (wcsncmp(full, L"\\\\?\\", 4) != 0)
        return full;
    if (wcsncmp(full + 4, L"UNC\\", 4) == 0) {
        full[6] = L'\\';
        if (is_unchanging(full + 6))
            return full + 6;
        full[6] = L'C';
        return full;
    }
    if (!full[4] || wcsncmp(full + 5, L":\\", 2) != 0)
        return full;
    if (full[4] >= L'a' && full[4] <= L'z')
        full[4] -= L'a' - L'A';
    return is_unchanging(full + 4) ? full + 4 : full;
}

/*
 * As far as possible without opening the file, which its holder may not allow, one file has one text here: with and
 * without "\\?\", by short or long names, in whatever letter case. Names that lead elsewhere (junctions, substituted
 * drives) stay as they are.
 */
static vhdx_status host_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    wchar_t *full;
    (void)context;
    VX_TRY(vx_win32_path(path, &full, err));
    full = long_names(full);
    const wchar_t *plain = without_prefix(full);
    char *found = vx_win32_narrow(plain, wcslen(plain));
    vx_free(full);
    if (!found)
        return vx_fail_memory(err, "a path");
    size_t size = strlen(found) + 1;
    if (size <= text_size)
        memcpy(text, found, size);
    vx_free(found);
    if (size > text_size)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(path), "the path is too long");
    return VHDX_OK;
}

/* Cuts the name off, so that a file which is not there yet becomes its directory; a root stays. */
static void cut_name(wchar_t *wide)
{
    wchar_t *last = wcsrchr(wide, L'\\');
    if (last && last[1])
        last[1] = L'\0';
}

static uint64_t largest_file(const wchar_t *wide)
{
    wchar_t root[MAX_PATH + 1];
    wchar_t system[MAX_PATH + 1];
    if (!GetVolumePathNameW(wide, root, MAX_PATH + 1) ||
        !GetVolumeInformationW(root, NULL, 0, NULL, NULL, NULL, system, MAX_PATH + 1))
        return UINT64_MAX;
    return wcsncmp(system, L"FAT", 3) == 0 ? UINT32_MAX : UINT64_MAX; /* not exFAT */
}

static vhdx_status host_space(void *context, const char *path, vhdx_space *space, vhdx_error *err)
{
    wchar_t *wide;
    ULARGE_INTEGER available;
    (void)context;
    VX_TRY(vx_win32_path(path, &wide, err));
    DWORD attributes = GetFileAttributesW(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_DIRECTORY))
        cut_name(wide);
    DWORD code = GetDiskFreeSpaceExW(wide, &available, NULL, NULL) ? ERROR_SUCCESS : GetLastError();
    uint64_t largest = largest_file(wide);
    vx_free(wide);
    if (code != ERROR_SUCCESS)
        return vx_win32_fail(err, code, false, path, "ask for the free space of the volume");
    *space = (vhdx_space){available.QuadPart, largest};
    return VHDX_OK;
}

static vhdx_status host_random(void *context, void *buf, size_t length, vhdx_error *err)
{
    uint8_t *to = buf;
    (void)context;
    for (size_t i = 0; i < length; i += sizeof(unsigned)) {
        unsigned number;
        if (rand_s(&number) != 0)
            return vx_fail(err, VHDX_IO, vx_at_file(NULL), "cannot get random numbers");
        memcpy(to + i, &number, (size_t)vx_min(sizeof number, length - i));
    }
    return VHDX_OK;
}

const vhdx_host *vhdx_native_host(void)
{
    static const vhdx_host host = {
        .struct_size = sizeof host,
        .windows_paths = true,
        .open = vx_win32_open,
        .list = host_list,
        .remove = host_remove,
        .rename = host_rename,
        .replace = host_replace,
        .sync_directory = host_sync_directory,
        .absolute = host_absolute,
        .space = host_space,
        .random = host_random,
        .list_entries = host_list_entries,
        .look = host_look,
    };
    return &host;
}
