/*
 * Finds the command and runs it. The table below is dispatch, list of commands and help in one. The real main is in
 * main_posix.c and main_win32.c. Output that was never written is a failure too, so standard
 * output is asked before the process ends well.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "nearest.h"
#include "platform.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
static const struct command *const commands[] = {
    &command_info,
    &command_map,
    &command_export,
    &command_hash,
    &command_diff,
    &command_create,
    &command_convert,
    &command_merge,
    &command_compact,
    &command_relink,
    &command_set,
    &command_resize,
    &command_undo,
    &command_verify,
    &command_repair,
    &command_config,
    &command_orphans,
    &command_serve,
};
/* clang-format on */

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name, size_t length)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strlen(commands[i]->name) == length && memcmp(commands[i]->name, name, length) == 0)
            return commands[i];
    return NULL;
}

/* "vhdx-merge" and "vhdx-merge.exe" are "vhdx merge"; any other name of the file is "vhdx". */
static const struct command *command_of_program(const char *program)
{
    const char *name = platform_base_name(program);
    if (strncmp(name, "vhdx-", 5) != 0)
        return NULL;
    name += 5;
    return find_command(name, strcspn(name, "."));
}

static void print_commands(void)
{
    printf("usage: vhdx COMMAND [OPTION...] FILE...\n\n"
           "Checks, repairs, merges, changes and sorts out Hyper-V disks (VHDX, AVHDX), offline.\n\n"
           "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n'vhdx help COMMAND' tells more. 'vhdx --version' prints the version.\n"
           "'vhdx-merge' is 'vhdx merge', and so for every command.\n\n"
           "Exit status: 0 done; 1 all corrected; 4 problems are left; 8 failed or refused;\n"
           "16 bad usage.\n");
}

static int unknown_command(const char *name)
{
    const char *nearest = NULL;
    size_t length = strlen(name), least = length;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        size_t distance = nearest_distance(name, length, commands[i]->name);
        if (distance < least && nearest_fits(distance, length)) {
            least = distance;
            nearest = commands[i]->name;
        }
    }
    if (nearest)
        return cli_usage_error(NULL, "unknown command '%s'; did you mean '%s'?", name, nearest);
    return cli_usage_error(NULL, "unknown command '%s'", name);
}

static int run_without_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_commands();
            return EXIT_DONE;
        }
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
            printf("vhdx %s\n", vhdx_version());
            return EXIT_DONE;
        }
    }
    if (argc > 1)
        return cli_usage_error(NULL, "unknown option '%s'", argv[1]);
    char names[256] = "";
    for (size_t i = 0, used = 0; i < COMMAND_COUNT && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", commands[i]->name);
    return cli_usage_error(NULL, "no command given (there are %s)", names);
}

/* "vhdx help", "vhdx help merge": words that are no commands, but what many tools have. */
static int help(int argc, char **argv)
{
    char option[] = "--help", *arguments[] = {option, NULL};
    if (argc == 0 || argv[0][0] == '-') {
        print_commands();
        return EXIT_DONE;
    }
    const struct command *command = find_command(argv[0], strlen(argv[0]));
    return command ? command->run(command, 1, arguments) : unknown_command(argv[0]);
}

/* Options before the command's name ("vhdx -q merge") belong to the command: they are moved behind it. */
static int run(int argc, char **argv)
{
    const struct command *command = argc > 0 ? command_of_program(argv[0]) : NULL;
    if (command)
        return command->run(command, argc - 1, argv + 1);
    int at = 1;
    while (at < argc && argv[at][0] == '-')
        at++;
    if (at >= argc)
        return run_without_command(argc, argv);
    if (strcmp(argv[at], "help") == 0)
        return help(argc - at - 1, argv + at + 1);
    command = find_command(argv[at], strlen(argv[at]));
    if (!command)
        return unknown_command(argv[at]);
    for (; at > 1; at--)
        argv[at] = argv[at - 1];
    return command->run(command, argc - 2, argv + 2);
}

/* Of a failure that was reported already, the first report is the one that helps. A reader that goes away (head, a
 * pager that is left) has what it wanted: that is no failure of the work. */
static int finish_output(int status)
{
    bool lost = ferror(stdout) != 0;
    bool reader_left = platform_reader_left(stdout);
    errno = 0;
    lost = fclose(stdout) != 0 || lost;
    if (!lost || status >= EXIT_FAILED || errno == EPIPE || reader_left)
        return status;
    fprintf(
        stderr,
        "vhdx: standard output: what was printed is not whole%s%s; the disks are as the command was to leave them\n",
        errno ? ": " : "", errno ? strerror(errno) : "");
    return EXIT_FAILED;
}

int tool_main(int argc, char **argv)
{
    return finish_output(run(argc, argv));
}
