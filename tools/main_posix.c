/*
 * The command on POSIX systems: the real main, and platform.h. Nothing here knows a disk. A
 * process may be started with standard streams closed; the next file it opens would then be "standard output", and a
 * report would be printed into a disk. So the three are filled before anything else.
 */
/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE
#include "platform.h"

#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* A signal handler has no context, so this one is static. */
static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* A signal that the caller ignores (nohup, a background job) stays ignored. */
static void catch_signal(int number)
{
    struct sigaction old;
    if (sigaction(number, NULL, &old) != 0 || old.sa_handler == SIG_IGN)
        return;
    struct sigaction action = {0};
    action.sa_handler = note_interrupt;
    action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void platform_catch_interrupts(void)
{
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);              /* a limit on file sizes is an error to report, not the end */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* whole lines, also when several processes share a log */
}

bool platform_interrupted(void)
{
    return interrupted != 0;
}

const char *platform_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool platform_is_terminal(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

int platform_columns(FILE *stream)
{
    struct winsize size = {0};
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool platform_shows_colour(FILE *stream)
{
    const char *terminal = getenv("TERM"), *none = getenv("NO_COLOR");
    return platform_is_terminal(stream) && terminal && strcmp(terminal, "dumb") != 0 && !(none && none[0]);
}

bool platform_reader_left(FILE *stream)
{
    struct pollfd asked = {.fd = fileno(stream), .events = POLLOUT};
    return poll(&asked, 1, 0) == 1 && (asked.revents & POLLERR);
}

double platform_seconds(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The wrong direction on purpose: what is written to a stream that was closed must fail, and be noticed. */
static bool fill_closed_streams(void)
{
    for (int number = 0; number <= 2; number++)
        if (fcntl(number, F_GETFD) < 0 && open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY) != number)
            return false;
    return true;
}

int platform_write_denied(const char *path)
{
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 ? 0 : errno;
}

FILE *platform_create(const char *path)
{
    return fopen(path, "wb");
}

int platform_become(char *const arguments[])
{
    signal(SIGPIPE, SIG_DFL); /* ignored signals stay ignored in the next program */
    signal(SIGXFSZ, SIG_DFL);
    fflush(NULL);
    execvp(arguments[0], arguments);
    return errno;
}

static bool is_in(const char *directory, size_t length, const char *name)
{
    char path[4096];
    int written = snprintf(path, sizeof path, "%.*s/%s", (int)length, length > 0 ? directory : ".", name);
    return written > 0 && (size_t)written < sizeof path && access(path, X_OK) == 0;
}

bool platform_has_program(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        if (is_in(path, length, name))
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

char *platform_beside(const char *name)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return NULL;
    path[length] = '\0';
    char *end = strrchr(path, '/');
    size_t room = sizeof path - (size_t)(end + 1 - path);
    if (strlen(name) >= room)
        return NULL;
    memcpy(end + 1, name, strlen(name) + 1);
    return access(path, R_OK) == 0 ? strdup(path) : NULL;
}

int main(int argc, char **argv)
{
    if (!fill_closed_streams())
        return EXIT_FAILED;
    return tool_main(argc, argv);
}
