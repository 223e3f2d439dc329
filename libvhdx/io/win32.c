/*
 * The files of Windows, as a vhdx_host. This room turns calls and GetLastError() into the interface's words; UTF-16
 * does not leave it. Nothing but KERNEL32 and msvcrt may be needed: that is what Windows PE has.
 *
 * Sharing modes are the locks here: a reader shares with readers, a writer with nobody. A disk that a running
 * machine uses gives ERROR_SHARING_VIOLATION.
 *
 * Easy to get wrong: "\\?\" in front of a path lifts the limit of 260 characters, but also switches off ".", ".."
 * and '/', so the path must be made absolute first; and offsets go through OVERLAPPED, because a file position is
 * shared.
 */
/* SPDX-License-Identifier: MIT */
#define _CRT_RAND_S
#define WIN32_LEAN_AND_MEAN
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include <vhdx.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>
#include <winioctl.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/utf.h"

#define TRANSFER_MAX (32 * VX_MIB) /* servers refuse much larger ones with ERROR_NO_SYSTEM_RESOURCES */
#define CLONE_MAX (2 * VX_GIB)     /* the call takes less than 4 GiB */
#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define FSCTL_CLONE 0x98344u /* FSCTL_DUPLICATE_EXTENTS_TO_FILE; older headers lack it */

/* DUPLICATE_EXTENTS_DATA */
struct clone_request {
    HANDLE source;
    LARGE_INTEGER source_offset;
    LARGE_INTEGER offset;
    LARGE_INTEGER length;
};

struct win32_file {
    HANDLE handle;
    bool is_refs;
    vhdx_file_facts facts;
};

/* ---- text ---- */

/* UTF-8 of `length` units; NULL: no memory. */
static char *narrow(const wchar_t *wide, size_t length)
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

static vhdx_status status_of(DWORD code, bool writing)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
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
    char *found = length > 0 ? narrow(wide, length) : NULL;
    if (found)
        snprintf(text, size, "%s", found);
    else
        snprintf(text, size, "error %lu", code);
    vx_free(found);
}

/* `action` completes "cannot ...". `path` may be NULL: the wrappers know it. */
static vhdx_status fail_with(vhdx_error *err, DWORD code, bool writing, const char *path, const char *action)
{
    vhdx_status status = status_of(code, writing);
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
    return fail_with(err, code, false, path, "make the path absolute");
}

/* The path as the calls below want it: absolute, and free of the limit of 260 characters. */
static vhdx_status call_path(const char *path, wchar_t **wide, vhdx_error *err)
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

/* ---- one open file ---- */

static OVERLAPPED at_offset(uint64_t offset)
{
    OVERLAPPED place;
    memset(&place, 0, sizeof place);
    place.Offset = (DWORD)offset;
    place.OffsetHigh = (DWORD)(offset >> 32);
    return place;
}

static vhdx_status file_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct win32_file *file = context;
    uint8_t *to = buf;
    while (length > 0) {
        OVERLAPPED place = at_offset(offset);
        DWORD got = 0;
        if (!ReadFile(file->handle, to, (DWORD)vx_min(length, TRANSFER_MAX), &got, &place))
            return fail_with(err, GetLastError(), false, NULL, "read");
        if (got == 0)
            return vx_fail(err, VHDX_TRUNCATED, vx_at_file(NULL), "the file ends too early");
        to += got;
        offset += got;
        length -= got;
    }
    return VHDX_OK;
}

static vhdx_status file_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct win32_file *file = context;
    const uint8_t *from = buf;
    while (length > 0) {
        OVERLAPPED place = at_offset(offset);
        DWORD put = 0;
        if (!WriteFile(file->handle, from, (DWORD)vx_min(length, TRANSFER_MAX), &put, &place))
            return fail_with(err, GetLastError(), true, NULL, "write");
        if (put == 0)
            return fail_with(err, ERROR_DISK_FULL, true, NULL, "write");
        from += put;
        offset += put;
        length -= put;
    }
    return VHDX_OK;
}

static vhdx_status file_size(void *context, uint64_t *size, vhdx_error *err)
{
    const struct win32_file *file = context;
    LARGE_INTEGER found;
    if (!GetFileSizeEx(file->handle, &found))
        return fail_with(err, GetLastError(), false, NULL, "find out the size");
    *size = (uint64_t)found.QuadPart;
    return VHDX_OK;
}

static vhdx_status file_set_size(void *context, uint64_t size, vhdx_error *err)
{
    const struct win32_file *file = context;
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)size;
    if (!SetFileInformationByHandle(file->handle, FileEndOfFileInfo, &end, sizeof end))
        return fail_with(err, GetLastError(), true, NULL, "change the size");
    return VHDX_OK;
}

static vhdx_status file_flush(void *context, vhdx_error *err)
{
    const struct win32_file *file = context;
    if (!FlushFileBuffers(file->handle))
        return fail_with(err, GetLastError(), true, NULL, "flush");
    return VHDX_OK;
}

static void file_close(void *context)
{
    struct win32_file *file = context;
    CloseHandle(file->handle);
    vx_free(file);
}

static vhdx_status file_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    const struct win32_file *file = context;
    (void)err;
    *facts = file->facts;
    return VHDX_OK;
}

/* The file system cannot do it, at all or for these offsets. */
static bool is_unsupported(DWORD code)
{
    switch (code) {
    case ERROR_INVALID_FUNCTION:
    case ERROR_NOT_SUPPORTED:
    case ERROR_INVALID_PARAMETER:
    case ERROR_NOT_SAME_DEVICE:
    case 347: /* ERROR_BLOCK_TOO_MANY_REFERENCES: ReFS shares a cluster among some thousand places at most */
        return true;
    default:
        return false;
    }
}

/* A file that is not sparse would keep its space, or become what Hyper-V refuses. */
static vhdx_status file_punch(void *context, uint64_t offset, uint64_t length, vhdx_error *err)
{
    const struct win32_file *file = context;
    FILE_ZERO_DATA_INFORMATION range;
    DWORD returned;
    if (!(file->facts.attributes & VHDX_FILE_IS_SPARSE))
        return VHDX_UNSUPPORTED;
    range.FileOffset.QuadPart = (LONGLONG)offset;
    range.BeyondFinalZero.QuadPart = (LONGLONG)(offset + length);
    if (DeviceIoControl(file->handle, FSCTL_SET_ZERO_DATA, &range, sizeof range, NULL, 0, &returned, NULL))
        return VHDX_OK;
    DWORD code = GetLastError();
    return is_unsupported(code) ? VHDX_UNSUPPORTED : fail_with(err, code, true, NULL, "punch a hole");
}

static DWORD clone_pieces(HANDLE to, uint64_t offset, HANDLE from, uint64_t source_offset, uint64_t length)
{
    while (length > 0) {
        struct clone_request request;
        uint64_t piece = vx_min(length, CLONE_MAX);
        DWORD returned;
        memset(&request, 0, sizeof request);
        request.source = from;
        request.source_offset.QuadPart = (LONGLONG)source_offset;
        request.offset.QuadPart = (LONGLONG)offset;
        request.length.QuadPart = (LONGLONG)piece;
        if (!DeviceIoControl(to, FSCTL_CLONE, &request, sizeof request, NULL, 0, &returned, NULL))
            return GetLastError();
        offset += piece;
        source_offset += piece;
        length -= piece;
    }
    return ERROR_SUCCESS;
}

/* The call shares only into what lies before the end of the file, so the file grows first. */
static vhdx_status file_clone(void *context, uint64_t offset, void *source, uint64_t source_offset, uint64_t length,
                              vhdx_error *err)
{
    struct win32_file *file = context;
    const struct win32_file *from = source;
    uint64_t size = 0;
    if (!file->is_refs || !from->is_refs)
        return VHDX_UNSUPPORTED;
    VX_TRY(file_size(file, &size, err));
    bool grows = offset + length > size;
    if (grows)
        VX_TRY(file_set_size(file, offset + length, err));
    DWORD code = clone_pieces(file->handle, offset, from->handle, source_offset, length);
    if (code == ERROR_SUCCESS)
        return VHDX_OK;
    if (grows)
        VX_TRY(file_set_size(file, size, err));
    return is_unsupported(code) ? VHDX_UNSUPPORTED : fail_with(err, code, true, NULL, "share bytes of another file");
}

static vhdx_status file_next_data(void *context, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                  vhdx_error *err)
{
    const struct win32_file *file = context;
    FILE_ALLOCATED_RANGE_BUFFER asked;
    FILE_ALLOCATED_RANGE_BUFFER found;
    DWORD returned = 0;
    (void)err;
    if (!(file->facts.attributes & VHDX_FILE_IS_SPARSE))
        return VHDX_UNSUPPORTED;
    asked.FileOffset.QuadPart = (LONGLONG)offset;
    asked.Length.QuadPart = INT64_MAX - (LONGLONG)offset;
    if (!DeviceIoControl(file->handle, FSCTL_QUERY_ALLOCATED_RANGES, &asked, sizeof asked, &found, sizeof found,
                         &returned, NULL) &&
        GetLastError() != ERROR_MORE_DATA)
        return VHDX_UNSUPPORTED;
    bool none = returned < sizeof found;
    *data_offset = none ? offset : (uint64_t)found.FileOffset.QuadPart;
    *length = none ? 0 : (uint64_t)found.Length.QuadPart;
    return VHDX_OK;
}

static const vhdx_io_ops win32_ops = {
    .struct_size = sizeof win32_ops,
    .read = file_read,
    .write = file_write,
    .size = file_size,
    .set_size = file_set_size,
    .flush = file_flush,
    .close = file_close,
    .facts = file_facts,
    .punch = file_punch,
    .clone = file_clone,
    .next_data = file_next_data,
};

/* ---- opening ---- */

static uint32_t attributes_of(DWORD attributes)
{
    uint32_t facts = 0;
    facts |= attributes & FILE_ATTRIBUTE_READONLY ? VHDX_FILE_IS_READ_ONLY : 0u;
    facts |= attributes & FILE_ATTRIBUTE_SPARSE_FILE ? VHDX_FILE_IS_SPARSE : 0u;
    facts |= attributes & FILE_ATTRIBUTE_COMPRESSED ? VHDX_FILE_IS_COMPRESSED : 0u;
    facts |= attributes & FILE_ATTRIBUTE_ENCRYPTED ? VHDX_FILE_IS_ENCRYPTED : 0u;
    return facts;
}

static void identify(HANDLE handle, const BY_HANDLE_FILE_INFORMATION *info, vhdx_file_facts *facts)
{
    FILE_ID_INFO id; /* ReFS needs all 128 bits */
    facts->volume = (uint64_t)1 << 32 | info->dwVolumeSerialNumber;
    if (GetFileInformationByHandleEx(handle, FileIdInfo, &id, sizeof id))
        memcpy(facts->file, &id.FileId, sizeof facts->file);
    else
        facts->file[0] = (uint64_t)info->nFileIndexHigh << 32 | info->nFileIndexLow;
}

static vhdx_status gather_facts(struct win32_file *file, const char *path, vhdx_error *err)
{
    BY_HANDLE_FILE_INFORMATION info;
    wchar_t system[MAX_PATH + 1] = L"";
    if (!GetFileInformationByHandle(file->handle, &info))
        return fail_with(err, GetLastError(), false, path, "look at the file");
    identify(file->handle, &info, &file->facts);
    file->facts.attributes = attributes_of(info.dwFileAttributes);
    if (!GetVolumeInformationByHandleW(file->handle, NULL, 0, NULL, NULL, NULL, system, MAX_PATH + 1))
        system[0] = L'\0';
    file->is_refs = wcscmp(system, L"ReFS") == 0;
    if (!file->is_refs)
        file->facts.attributes |= VHDX_FILE_SPARSE_HARMS;
    return VHDX_OK;
}

static bool is_writing(vhdx_file_access access)
{
    return access != VHDX_FILE_READ && access != VHDX_FILE_PEEK;
}

static HANDLE open_handle(const wchar_t *wide, vhdx_file_access access)
{
    bool makes = access == VHDX_FILE_CREATE || access == VHDX_FILE_REPLACE;
    DWORD rights = is_writing(access) ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    DWORD share = access == VHDX_FILE_READ ? FILE_SHARE_READ : 0;
    if (access == VHDX_FILE_PEEK)
        share = SHARE_ALL;
    return CreateFileW(wide, rights, share, NULL, makes ? OPEN_ALWAYS : OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
}

/* Opening a directory or a device fails or succeeds with misleading errors; better to say so at once. */
static vhdx_status refuse_kind(const wchar_t *wide, const char *path, vhdx_error *err)
{
    DWORD attributes = GetFileAttributesW(wide);
    bool device = wcsncmp(wide, L"\\\\.\\", 4) == 0;
    bool directory = attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY);
    if (!device && !directory)
        return VHDX_OK;
    vx_fail(err, VHDX_ARG, vx_at_file(path), "this is a %s and not a file", device ? "device" : "directory");
    return vx_advise(err, VHDX_ARG, "name a file");
}

static vhdx_status settle_content(struct win32_file *file, const char *path, vhdx_file_access access, vhdx_error *err)
{
    uint64_t size = 0;
    if (access == VHDX_FILE_REPLACE)
        return file_set_size(file, 0, err);
    if (access != VHDX_FILE_CREATE)
        return VHDX_OK;
    VX_TRY(file_size(file, &size, err));
    if (size != 0)
        return vx_fail(err, VHDX_EXISTS, vx_at_file(path), "a file that is not empty is already there");
    return VHDX_OK;
}

static vhdx_status prepare(struct win32_file *file, const char *path, vhdx_file_access access, vhdx_error *err)
{
    if (GetFileType(file->handle) != FILE_TYPE_DISK)
        return vx_fail(err, VHDX_ARG, vx_at_file(path), "this is a pipe or a device and not a file");
    VX_TRY(gather_facts(file, path, err));
    if (is_writing(access) && (file->facts.attributes & VHDX_FILE_IS_READ_ONLY))
        return vx_fail(err, VHDX_READ_ONLY, vx_at_file(path), "the file is marked as read-only");
    return settle_content(file, path, access, err);
}

static vhdx_status open_wide(const wchar_t *wide, const char *path, vhdx_file_access access, vhdx_io *io,
                             vhdx_error *err)
{
    VX_TRY(refuse_kind(wide, path, err));
    struct win32_file *file = vx_alloc(1, sizeof *file);
    if (!file)
        return vx_fail_memory(err, "an open file");
    file->handle = open_handle(wide, access);
    if (file->handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        vx_free(file);
        return fail_with(err, code, is_writing(access), path, "open the file");
    }
    vhdx_status status = prepare(file, path, access, err);
    if (status != VHDX_OK) {
        file_close(file);
        return status;
    }
    *io = (vhdx_io){&win32_ops, file};
    return VHDX_OK;
}

static vhdx_status host_open(void *context, const char *path, vhdx_file_access access, vhdx_io *io, vhdx_error *err)
{
    wchar_t *wide;
    (void)context;
    VX_TRY(call_path(path, &wide, err));
    vhdx_status status = open_wide(wide, path, access, io, err);
    vx_free(wide);
    return status;
}

/* ---- names ---- */

static bool is_dots(const wchar_t *name)
{
    return wcscmp(name, L".") == 0 || wcscmp(name, L"..") == 0;
}

/* Visits what `search` finds; ERROR_SUCCESS at the end. */
static DWORD visit_all(HANDLE search, WIN32_FIND_DATAW *entry, bool (*visit)(void *visitor, const char *name),
                       void *visitor)
{
    do {
        if (is_dots(entry->cFileName))
            continue;
        char *name = narrow(entry->cFileName, wcslen(entry->cFileName));
        if (!name)
            return ERROR_NOT_ENOUGH_MEMORY;
        bool go_on = visit(visitor, name);
        vx_free(name);
        if (!go_on)
            return ERROR_SUCCESS;
    } while (FindNextFileW(search, entry));
    DWORD code = GetLastError();
    return code == ERROR_NO_MORE_FILES ? ERROR_SUCCESS : code;
}

static DWORD list_wide(const wchar_t *directory, bool (*visit)(void *visitor, const char *name), void *visitor)
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

static vhdx_status host_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                             void *visitor, vhdx_error *err)
{
    wchar_t *wide;
    (void)context;
    VX_TRY(call_path(directory, &wide, err));
    DWORD code = list_wide(wide, visit, visitor);
    vx_free(wide);
    return code == ERROR_SUCCESS ? VHDX_OK : fail_with(err, code, false, directory, "read the directory");
}

static vhdx_status host_remove(void *context, const char *path, vhdx_error *err)
{
    wchar_t *wide;
    (void)context;
    VX_TRY(call_path(path, &wide, err));
    DWORD code = DeleteFileW(wide) ? ERROR_SUCCESS : GetLastError();
    vx_free(wide);
    return code == ERROR_SUCCESS ? VHDX_OK : fail_with(err, code, true, path, "remove the file");
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
    VX_TRY(call_path(from, &wide_from, err));
    vhdx_status status = call_path(to, &wide_to, err);
    if (status != VHDX_OK) {
        vx_free(wide_from);
        return status;
    }
    DWORD code = move_with_patience(wide_from, wide_to);
    vx_free(wide_from);
    vx_free(wide_to);
    return code == ERROR_SUCCESS ? VHDX_OK : fail_with(err, code, true, from, "rename the file");
}

/* ReplaceFileW keeps the ACL and attributes of what it replaces. */
static vhdx_status host_replace(void *context, const char *from, const char *to, vhdx_error *err)
{
    wchar_t *wide_from;
    wchar_t *wide_to;
    VX_TRY(call_path(from, &wide_from, err));
    vhdx_status status = call_path(to, &wide_to, err);
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
    VX_TRY(call_path(directory, &wide, err));
    HANDLE handle = CreateFileW(wide, GENERIC_WRITE, SHARE_ALL, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    DWORD code = handle == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
    vx_free(wide);
    if (handle != INVALID_HANDLE_VALUE) {
        (void)FlushFileBuffers(handle);
        CloseHandle(handle);
    }
    if (status_of(code, false) == VHDX_NOT_FOUND)
        return fail_with(err, code, false, directory, "open the directory");
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

/* Whether Windows takes the path as it stands; not when a part ends in a dot or is the name of a device. */
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
 * One file has one text here as far as that can be had without opening it, which its holder may not allow: with and
 * without "\\?\", by short or long names, in whatever letter case. Names that lead elsewhere (junctions, substituted
 * drives) stay as they are.
 */
static vhdx_status host_absolute(void *context, const char *path, char *text, size_t text_size, vhdx_error *err)
{
    wchar_t *full;
    (void)context;
    VX_TRY(call_path(path, &full, err));
    full = long_names(full);
    const wchar_t *plain = without_prefix(full);
    char *found = narrow(plain, wcslen(plain));
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
    VX_TRY(call_path(path, &wide, err));
    DWORD attributes = GetFileAttributesW(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_DIRECTORY))
        cut_name(wide);
    DWORD code = GetDiskFreeSpaceExW(wide, &available, NULL, NULL) ? ERROR_SUCCESS : GetLastError();
    uint64_t largest = largest_file(wide);
    vx_free(wide);
    if (code != ERROR_SUCCESS)
        return fail_with(err, code, false, path, "ask for the free space of the volume");
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
        .open = host_open,
        .list = host_list,
        .remove = host_remove,
        .rename = host_rename,
        .replace = host_replace,
        .sync_directory = host_sync_directory,
        .absolute = host_absolute,
        .space = host_space,
        .random = host_random,
    };
    return &host;
}
