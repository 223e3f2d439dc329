/*
 * The files of Windows, as a vhdx_host. This room turns calls and GetLastError() into the interface's words; UTF-16
 * does not leave it. Nothing but KERNEL32 and msvcrt may be needed: that is what Windows PE has.
 *
 * Sharing modes are the locks here: a reader shares with readers, a writer with no other handle. A disk that a running
 * machine uses gives ERROR_SHARING_VIOLATION.
 *
 * "\\?\" in front of a path lifts the limit of 260 characters, but also switches off ".", ".."
 * and '/', so the path must be made absolute first; and offsets go through OVERLAPPED, because a file position is
 * shared.
 */
/* SPDX-License-Identifier: MIT */
#define WIN32_LEAN_AND_MEAN
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include "io/win32.h"

#include <string.h>
#include <winioctl.h>

#include "base/alloc.h"
#include "base/checked.h"

#define TRANSFER_MAX (32 * VX_MIB) /* servers refuse much larger ones with ERROR_NO_SYSTEM_RESOURCES */
#define CLONE_MAX (2 * VX_GIB)     /* the call takes less than 4 GiB */
#define FSCTL_CLONE 0x98344u       /* FSCTL_DUPLICATE_EXTENTS_TO_FILE; older headers lack it */

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
            return vx_win32_fail(err, GetLastError(), false, NULL, "read");
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
            return vx_win32_fail(err, GetLastError(), true, NULL, "write");
        if (put == 0)
            return vx_win32_fail(err, ERROR_DISK_FULL, true, NULL, "write");
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
        return vx_win32_fail(err, GetLastError(), false, NULL, "find out the size");
    *size = (uint64_t)found.QuadPart;
    return VHDX_OK;
}

static vhdx_status file_set_size(void *context, uint64_t size, vhdx_error *err)
{
    const struct win32_file *file = context;
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)size;
    if (!SetFileInformationByHandle(file->handle, FileEndOfFileInfo, &end, sizeof end))
        return vx_win32_fail(err, GetLastError(), true, NULL, "change the size");
    return VHDX_OK;
}

static vhdx_status file_flush(void *context, vhdx_error *err)
{
    const struct win32_file *file = context;
    if (!FlushFileBuffers(file->handle))
        return vx_win32_fail(err, GetLastError(), true, NULL, "flush");
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
    return is_unsupported(code) ? VHDX_UNSUPPORTED : vx_win32_fail(err, code, true, NULL, "punch a hole");
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

/* The call shares only into what is before the end of the file, so the file grows first. */
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
    return is_unsupported(code) ? VHDX_UNSUPPORTED
                                : vx_win32_fail(err, code, true, NULL, "share bytes of another file");
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

/* The system tells pieces in portions; each ends where the next begins. */
static vhdx_status file_extents(void *context, uint64_t *count, vhdx_error *err)
{
    const struct win32_file *file = context;
    STARTING_VCN_INPUT_BUFFER asked;
    uint64_t buffer[4096];
    RETRIEVAL_POINTERS_BUFFER *found = (RETRIEVAL_POINTERS_BUFFER *)(void *)buffer;
    DWORD returned;
    (void)err;
    *count = 0;
    asked.StartingVcn.QuadPart = 0;
    for (;;) {
        DWORD code = ERROR_SUCCESS;
        if (!DeviceIoControl(file->handle, FSCTL_GET_RETRIEVAL_POINTERS, &asked, sizeof asked, buffer, sizeof buffer,
                             &returned, NULL))
            code = GetLastError();
        if (code == ERROR_HANDLE_EOF) /* no pieces: so small that it is in its record */
            return VHDX_OK;
        if (code != ERROR_SUCCESS && code != ERROR_MORE_DATA)
            return VHDX_UNSUPPORTED;
        *count += found->ExtentCount;
        if (code == ERROR_SUCCESS || found->ExtentCount == 0)
            return VHDX_OK;
        asked.StartingVcn = found->Extents[found->ExtentCount - 1].NextVcn;
    }
}

/* What GetFileSecurity() calls; by this name it is in a library that Windows PE is sure to have. */
typedef LONG(NTAPI *query_security_fn)(HANDLE handle, ULONG information, void *buf, ULONG length, ULONG *needed);

#define WANTED_SECURITY 7u /* owner, group, DACL */
#define STATUS_TOO_SMALL ((LONG)0xC0000023)

static vhdx_status file_security(void *context, void *buf, size_t room, size_t *size, vhdx_error *err)
{
    const struct win32_file *file = context;
    ULONG needed = 0;
    (void)err;
    HMODULE library = GetModuleHandleW(L"ntdll.dll");
    FARPROC found = library ? GetProcAddress(library, "NtQuerySecurityObject") : NULL;
    if (!found)
        return VHDX_UNSUPPORTED;
    query_security_fn query = (query_security_fn)(void (*)(void))found;
    LONG result = query(file->handle, WANTED_SECURITY, buf, (ULONG)vx_min(room, 1 << 20), &needed);
    if (result < 0 && result != STATUS_TOO_SMALL)
        return VHDX_UNSUPPORTED;
    *size = needed;
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
    .extents = file_extents,
    .security = file_security,
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

/* 100 ns since 1601 become seconds since 1970. */
static int64_t seconds_of(const FILETIME *time)
{
    uint64_t ticks = (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
    return ticks ? (int64_t)(ticks / 10000000) - INT64_C(11644473600) : 0;
}

void vx_win32_identify(HANDLE handle, const BY_HANDLE_FILE_INFORMATION *info, vhdx_file_facts *facts)
{
    FILE_ID_INFO id; /* ReFS needs all 128 bits */
    FILE_STANDARD_INFO standard;
    facts->volume = (uint64_t)1 << 32 | info->dwVolumeSerialNumber;
    if (GetFileInformationByHandleEx(handle, FileIdInfo, &id, sizeof id))
        memcpy(facts->file, &id.FileId, sizeof facts->file);
    else
        facts->file[0] = (uint64_t)info->nFileIndexHigh << 32 | info->nFileIndexLow;
    if (GetFileInformationByHandleEx(handle, FileStandardInfo, &standard, sizeof standard))
        facts->allocated = (uint64_t)standard.AllocationSize.QuadPart;
    facts->modified = seconds_of(&info->ftLastWriteTime);
}

/* Clusters are 4 or 64 KiB, so multiples of the larger ones always do. What one call costs was not measured. */
static void refs_facts(vhdx_file_facts *facts)
{
    facts->attributes |= VHDX_FILE_CAN_SHARE;
    facts->share_unit = (uint32_t)(64 * VX_KIB);
    facts->share_least = (uint32_t)(256 * VX_KIB);
}

static vhdx_status gather_facts(struct win32_file *file, const char *path, vhdx_error *err)
{
    BY_HANDLE_FILE_INFORMATION info;
    wchar_t system[MAX_PATH + 1] = L"";
    if (!GetFileInformationByHandle(file->handle, &info))
        return vx_win32_fail(err, GetLastError(), false, path, "look at the file");
    vx_win32_identify(file->handle, &info, &file->facts);
    file->facts.attributes = attributes_of(info.dwFileAttributes);
    if (!GetVolumeInformationByHandleW(file->handle, NULL, 0, NULL, NULL, NULL, system, MAX_PATH + 1))
        system[0] = L'\0';
    file->is_refs = wcscmp(system, L"ReFS") == 0;
    if (!file->is_refs)
        file->facts.attributes |= VHDX_FILE_SPARSE_HARMS;
    else
        refs_facts(&file->facts);
    return VHDX_OK;
}

static bool is_writing(vhdx_open_mode access)
{
    return access != VHDX_OPEN_READ && access != VHDX_OPEN_PEEK;
}

static HANDLE open_handle(const wchar_t *wide, vhdx_open_mode access)
{
    bool makes = access == VHDX_OPEN_CREATE || access == VHDX_OPEN_REPLACE;
    DWORD rights = is_writing(access) ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    DWORD share = access == VHDX_OPEN_READ ? FILE_SHARE_READ : 0;
    if (access == VHDX_OPEN_PEEK)
        share = VX_WIN32_SHARE_ALL;
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

static vhdx_status settle_content(struct win32_file *file, const char *path, vhdx_open_mode access, vhdx_error *err)
{
    uint64_t size = 0;
    if (access == VHDX_OPEN_REPLACE)
        return file_set_size(file, 0, err);
    if (access != VHDX_OPEN_CREATE)
        return VHDX_OK;
    VX_TRY(file_size(file, &size, err));
    if (size != 0)
        return vx_fail(err, VHDX_EXISTS, vx_at_file(path), "a file that is not empty is already there");
    return VHDX_OK;
}

static vhdx_status prepare(struct win32_file *file, const char *path, vhdx_open_mode access, vhdx_error *err)
{
    if (GetFileType(file->handle) != FILE_TYPE_DISK)
        return vx_fail(err, VHDX_ARG, vx_at_file(path), "this is a pipe or a device and not a file");
    VX_TRY(gather_facts(file, path, err));
    if (is_writing(access) && (file->facts.attributes & VHDX_FILE_IS_READ_ONLY))
        return vx_fail(err, VHDX_READ_ONLY, vx_at_file(path), "the file is marked as read-only");
    return settle_content(file, path, access, err);
}

static vhdx_status fail_open(vhdx_error *err, DWORD code, const char *path, vhdx_open_mode access)
{
    char holders[400];
    if (code != ERROR_SHARING_VIOLATION || !err)
        return vx_win32_fail(err, code, is_writing(access), path, "open the file");
    if (vx_win32_holders(path, holders, sizeof holders))
        return vx_fail_system(err, VHDX_BUSY, vx_at_file(path), (int)code, "the file is in use by %s", holders);
    vx_win32_fail(err, code, is_writing(access), path, "open the file");
    return vx_advise_as(err, VHDX_BUSY, VHDX_ADVICE_END_OTHER_USE,
                        "no program of this host can be seen that has it open: a running machine, a mounted disk, the "
                        "system or another host may hold it; end that, then try again");
}

static vhdx_status open_wide(const wchar_t *wide, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    VX_TRY(refuse_kind(wide, path, err));
    struct win32_file *file = vx_alloc(1, sizeof *file);
    if (!file)
        return vx_fail_memory(err, "an open file");
    file->handle = open_handle(wide, access);
    if (file->handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        vx_free(file);
        return fail_open(err, code, path, access);
    }
    vhdx_status status = prepare(file, path, access, err);
    if (status != VHDX_OK) {
        file_close(file);
        return status;
    }
    *io = (vhdx_io){&win32_ops, file};
    return VHDX_OK;
}

vhdx_status vx_win32_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    wchar_t *wide;
    (void)context;
    VX_TRY(vx_win32_path(path, &wide, err));
    vhdx_status status = open_wide(wide, path, access, io, err);
    vx_free(wide);
    return status;
}
