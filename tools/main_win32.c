/*
 * The command on Windows (and WinPE): the real main, which turns UTF-16 arguments into UTF-8, and platform.h. Nothing
 * here knows a disk. Standard output is in text mode when a process starts, and would put a
 * carriage return before every byte 10 of an exported disk.
 */
/* SPDX-License-Identifier: MIT */
#define WIN32_LEAN_AND_MEAN
#include "platform.h"

#include "exit.h"

#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* The console calls the handler on a thread of its own and gives it no context, so this one is static. */
static volatile LONG interrupted;

static BOOL WINAPI note_interrupt(DWORD event)
{
    (void)event;
    return InterlockedExchange(&interrupted, 1) == 0;
}

void platform_catch_interrupts(void)
{
    SetConsoleCtrlHandler(note_interrupt, TRUE);
}

bool platform_interrupted(void)
{
    return InterlockedCompareExchange(&interrupted, 0, 0) != 0;
}

const char *platform_base_name(const char *path)
{
    const char *name = path;
    for (const char *p = path; *p; p++)
        if (*p == '/' || *p == '\\' || *p == ':')
            name = p + 1;
    return name;
}

/* _isatty() is true of NUL as well, which is a good place to send a disk to. */
bool platform_is_terminal(FILE *stream)
{
    DWORD mode;
    return GetConsoleMode((HANDLE)_get_osfhandle(_fileno(stream)), &mode) != 0;
}

int platform_columns(FILE *stream)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (!GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(_fileno(stream)), &info))
        return 0;
    return info.srWindow.Right - info.srWindow.Left + 1;
}

/* Consoles since Windows 10 understand the sequences when asked to. */
bool platform_shows_colour(FILE *stream)
{
    DWORD mode;
    HANDLE console = (HANDLE)_get_osfhandle(_fileno(stream));
    const char *none = getenv("NO_COLOR");
    return !(none && none[0]) && GetConsoleMode(console, &mode) &&
           SetConsoleMode(console, mode | 0x0004 /* ENABLE_VIRTUAL_TERMINAL_PROCESSING */);
}

bool platform_reader_left(FILE *stream)
{
    DWORD done;
    HANDLE handle = (HANDLE)_get_osfhandle(_fileno(stream));
    return GetFileType(handle) == FILE_TYPE_PIPE && !WriteFile(handle, "", 0, &done, NULL) &&
           (GetLastError() == ERROR_BROKEN_PIPE || GetLastError() == ERROR_NO_DATA);
}

double platform_seconds(void)
{
    return (double)GetTickCount64() / 1000.0;
}

/* Who may write where is known only to the system when it is tried. */
int platform_write_denied(const char *path)
{
    (void)path;
    return 0;
}

FILE *platform_create(const char *path)
{
    int size = MultiByteToWideChar(CP_UTF8, 0, path, -1, NULL, 0);
    wchar_t *wide = size > 0 ? malloc((size_t)size * sizeof *wide) : NULL;
    FILE *file = NULL;
    if (wide && MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, size) == size)
        file = _wfopen(wide, L"wb");
    free(wide);
    return file;
}

/* nbdkit, which is what other programs are for here, does not run on Windows. */
int platform_become(char *const arguments[])
{
    (void)arguments;
    return ENOSYS;
}

bool platform_has_program(const char *name)
{
    (void)name;
    return false;
}

char *platform_beside(const char *name)
{
    (void)name;
    return NULL;
}

/* NULL when memory ran out. An unpaired surrogate becomes U+FFFD, which then names no file. */
static char *utf8_of(const wchar_t *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *utf8 = size > 0 ? malloc((size_t)size) : NULL;
    if (utf8 && WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8, size, NULL, NULL) != size) {
        free(utf8);
        return NULL;
    }
    return utf8;
}

static int run_utf8(int argc, wchar_t **wide, char **argv)
{
    for (int i = 0; i < argc; i++) {
        argv[i] = utf8_of(wide[i]);
        if (!argv[i])
            return EXIT_FAILED;
    }
    return tool_main(argc, argv);
}

int wmain(int argc, wchar_t **wide)
{
    char **argv = calloc((size_t)argc + 1, sizeof *argv);
    if (!argv)
        return EXIT_FAILED;
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stdin), _O_BINARY);
    UINT code_page = GetConsoleOutputCP();
    SetConsoleOutputCP(CP_UTF8);
    int status = run_utf8(argc, wide, argv);
    SetConsoleOutputCP(code_page);
    free(argv); /* the texts themselves live as long as the process */
    return status;
}
