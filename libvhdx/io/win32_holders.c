/*
 * The processes that have a file open, as the Restart Manager of Windows tells. It is loaded when it is needed, because
 * Windows PE has none. Only for the words of an error. The service names processes of this host only, and a disk of a
 * running machine is held by the kernel (its worker process is named at best): an empty answer proves nothing.
 */
/* SPDX-License-Identifier: MIT */
#define WIN32_LEAN_AND_MEAN
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include "base/text.h"
#include "io/win32.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { SHOWN_MAX = 3, SESSION_KEY_ROOM = 33, NAME_MAX_UNITS = 256, SERVICE_MAX_UNITS = 64, TOLD_MAX = 16 };

/* RM_PROCESS_INFO */
struct told_process {
    DWORD process_id;
    FILETIME started;
    WCHAR name[NAME_MAX_UNITS];
    WCHAR service[SERVICE_MAX_UNITS];
    int type;
    ULONG status;
    DWORD session;
    BOOL restartable;
};

typedef DWORD(WINAPI *start_fn)(DWORD *session, DWORD flags, WCHAR key[SESSION_KEY_ROOM]);
typedef DWORD(WINAPI *register_fn)(DWORD session, UINT file_count, LPCWSTR files[], UINT application_count,
                                   void *applications, UINT service_count, LPCWSTR services[]);
typedef DWORD(WINAPI *list_fn)(DWORD session, UINT *needed, UINT *count, struct told_process *processes,
                               DWORD *reasons);
typedef DWORD(WINAPI *end_fn)(DWORD session);

struct manager {
    HMODULE library;
    start_fn start;
    register_fn add;
    list_fn list;
    end_fn end;
};

static void (*function_of(HMODULE library, const char *name))(void)
{
    return (void (*)(void))GetProcAddress(library, name);
}

static bool load(struct manager *manager)
{
    manager->library = LoadLibraryExW(L"rstrtmgr.dll", NULL, 0x00000800 /* LOAD_LIBRARY_SEARCH_SYSTEM32 */);
    if (!manager->library)
        return false;
    manager->start = (start_fn)function_of(manager->library, "RmStartSession");
    manager->add = (register_fn)function_of(manager->library, "RmRegisterResources");
    manager->list = (list_fn)function_of(manager->library, "RmGetList");
    manager->end = (end_fn)function_of(manager->library, "RmEndSession");
    return manager->start && manager->add && manager->list && manager->end;
}

static UINT ask(const struct manager *manager, const wchar_t *path, struct told_process *processes)
{
    WCHAR key[SESSION_KEY_ROOM] = L"";
    LPCWSTR files[] = {path};
    UINT needed = 0, count = TOLD_MAX;
    DWORD session, reasons = 0;
    if (manager->start(&session, 0, key) != ERROR_SUCCESS)
        return 0;
    if (manager->add(session, 1, files, 0, NULL, 0, NULL) != ERROR_SUCCESS ||
        manager->list(session, &needed, &count, processes, &reasons) != ERROR_SUCCESS)
        count = 0;
    manager->end(session);
    return count < TOLD_MAX ? count : TOLD_MAX;
}

static void write_names(const struct told_process *processes, UINT count, char *text, size_t room)
{
    UINT shown = count < SHOWN_MAX ? count : SHOWN_MAX;
    struct vx_text out = vx_text_begin(text, room);
    for (UINT i = 0; i < shown; i++) {
        size_t length = 0;
        while (length < NAME_MAX_UNITS && processes[i].name[length])
            length++;
        char *name = vx_win32_narrow(processes[i].name, length);
        vx_text_add(&out, "%s%s (process %lu)",
                    i == 0                             ? ""
                    : i + 1 == shown && shown == count ? " and "
                                                       : ", ",
                    name ? name : "a program", (unsigned long)processes[i].process_id);
        vx_free(name);
    }
    if (shown < count)
        vx_text_add(&out, " and %u more", count - shown);
}

bool vx_win32_holders(const char *path, char *text, size_t room)
{
    struct manager manager = {NULL, NULL, NULL, NULL, NULL};
    struct told_process *processes = vx_alloc(TOLD_MAX, sizeof *processes);
    wchar_t *wide = NULL;
    UINT count = 0;
    if (processes && load(&manager) && vx_win32_path(path, &wide, NULL) == VHDX_OK) /* it takes no longer prefix */
        count = ask(&manager, wcsncmp(wide, L"\\\\?\\", 4) == 0 && wide[5] == L':' ? wide + 4 : wide, processes);
    if (count > 0)
        write_names(processes, count, text, room);
    if (manager.library)
        FreeLibrary(manager.library);
    vx_free(wide);
    vx_free(processes);
    return count > 0;
}
