/*
 * vhdx serve: a chain as a disk on a private socket, for as long as another program runs. The server is nbdkit with the
 * plugin that is built beside this command; here are only the words for both. For reading unless something else is
 * asked for: who looks into a broken machine must not change it by looking.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "platform.h"

#include <stdlib.h>
#include <string.h>

#define PLUGIN "nbdkit-vhdx-plugin.so"
#define ARGUMENTS_MAX 24 /* besides the places of parents */

struct serving {
    struct cli_list parents;
    const char *overlay, *discard, *layer;
    bool write;
};

/* The arguments of nbdkit while they are gathered; the texts live as long as the process. */
struct arguments {
    char **items;
    size_t count;
    bool failed;
};

static void add(struct arguments *arguments, const char *name, const char *value)
{
    char *text = malloc(strlen(name) + strlen(value) + 1);
    if (!text) {
        arguments->failed = true;
        return;
    }
    strcpy(text, name);
    strcat(text, value);
    arguments->items[arguments->count++] = text;
}

static bool is_uri(const char *at)
{
    return strncmp(at, "$uri", 4) == 0;
}

/* One word for the shell, in which "$uri" alone keeps its meaning. Returns behind it. */
static char *put_word(char *to, const char *word)
{
    *to++ = '"';
    for (; *word; word++) {
        if (strchr("\\\"`", *word) || (*word == '$' && !is_uri(word)))
            *to++ = '\\';
        *to++ = *word;
    }
    *to++ = '"';
    return to;
}

/* One argument is a line for the shell, as nbdkit takes it; several are words of a command. */
static char *command_line(char **words, size_t count)
{
    size_t room = 1;
    for (size_t i = 0; i < count; i++)
        room += 2 * strlen(words[i]) + 3;
    char *line = malloc(room), *to = line;
    if (!line)
        return NULL;
    if (count == 1) {
        strcpy(line, words[0]);
        return line;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *to++ = ' ';
        to = put_word(to, words[i]);
    }
    *to = '\0';
    return line;
}

static bool gather(struct arguments *arguments, const struct cli *cli, const struct serving *serving)
{
    char *plugin = platform_beside(PLUGIN);
    char *line = command_line(cli->files + 1, cli->file_count - 1);
    bool read_only = !serving->write && !serving->overlay && !serving->discard;
    arguments->items = calloc(ARGUMENTS_MAX + serving->parents.count, sizeof *arguments->items);
    if (!arguments->items || !line)
        return false;
    add(arguments, "nbdkit", "");
    add(arguments, "-U", "-");
    if (read_only)
        add(arguments, "-r", "");
    add(arguments, plugin ? plugin : "vhdx", "");
    add(arguments, "file=", cli->files[0]);
    for (size_t i = 0; i < serving->parents.count; i++)
        add(arguments, "parent=", serving->parents.items[i]);
    if (serving->layer)
        add(arguments, "layer=", serving->layer);
    if (serving->overlay)
        add(arguments, "overlay=", serving->overlay);
    if (serving->discard)
        add(arguments, "discard=", serving->discard);
    add(arguments, "--run", "");
    add(arguments, line, "");
    free(plugin);
    free(line);
    return !arguments->failed;
}

/* What nbdkit would say in words of its own is said here in ours: the chain is opened once before. */
static vhdx_status try_disk(const struct cli *cli, const struct serving *serving, vhdx_error *err)
{
    const vhdx_disk_options options = {.struct_size = sizeof options,
                                       .parents = serving->parents.items,
                                       .parent_count = serving->parents.count,
                                       .write = serving->write,
                                       .layer = serving->layer ? strtoul(serving->layer, NULL, 10) : 0,
                                       .notice = cli_notice};
    vhdx_disk *disk;
    vhdx_status status = vhdx_disk_open(cli->files[0], &options, &disk, err);
    return status == VHDX_OK ? vhdx_disk_close(disk, err) : status;
}

/* What is missing is no matter of the disk. */
static int cannot_start(const struct cli *cli, const char *why, const char *advice)
{
    vhdx_error err = {
        .status = VHDX_UNSUPPORTED, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE, .advice = VHDX_ADVICE_TEXT};
    snprintf(err.message, sizeof err.message, "%s", why);
    snprintf(err.advice_text, sizeof err.advice_text, "%s", advice);
    return cli_fail(cli, &err);
}

static int serve(const struct cli *cli, const struct serving *serving)
{
    struct arguments arguments = {0};
    vhdx_error err;
    if (!platform_has_program("nbdkit"))
        return cannot_start(cli, "nbdkit, which is the server, is not installed",
                            "on Debian and Ubuntu: apt-get install nbdkit");
    if (try_disk(cli, serving, &err) != VHDX_OK)
        return cli_fail(cli, &err);
    if (!gather(&arguments, cli, serving))
        return cannot_start(cli, "there is not enough memory", "end other programs, then try again");
    char why[200];
    snprintf(why, sizeof why, "nbdkit cannot be started: %s", strerror(platform_become(arguments.items)));
    return cannot_start(cli, why, "start it by hand to see what is wrong with it");
}

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0' && strlen(text) < 10;
}

static int check(const struct cli *cli, const struct serving *serving)
{
    int aside = (serving->write ? 1 : 0) + (serving->overlay ? 1 : 0) + (serving->discard ? 1 : 0);
    if (cli->file_count < 2)
        return cli_usage_error(cli->command, "a disk and, behind '--', a command are needed");
    if (aside > 1)
        return cli_usage_error(cli->command, "--write, --overlay and --discard exclude each other");
    if (serving->layer && !is_number(serving->layer))
        return cli_usage_error(cli->command, "--layer: '%s' is no number", serving->layer);
    if (serving->layer && aside > 0)
        return cli_usage_error(cli->command, "an older layer is for reading only");
    return serve(cli, serving);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct serving serving = {0};
    int status;
    const struct cli_option options[] = {
        {"parent", 0, CLI_LIST, &serving.parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
        {"layer", 0, CLI_TEXT, &serving.layer, "N", "serve the N-th layer below DISK instead"},
        {"overlay", 0, CLI_TEXT, &serving.overlay, "NEW", "what is written goes to this new AVHDX, and stays"},
        {"discard", 0, CLI_TEXT, &serving.discard, "DIR",
         "what is written goes to a file in DIR, and is gone at\nthe end"},
        {"write", 'w', CLI_FLAG, &serving.write, NULL, "what is written goes to DISK"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = check(&cli, &serving);
    free(serving.parents.items);
    return status;
}

const struct command command_serve = {
    .name = "serve",
    .synopsis = "[--overlay NEW | --discard DIR | --write] DISK -- COMMAND...",
    .summary = "runs a command with the chain as a disk on a private socket",
    .details = "Starts nbdkit with the chain of DISK on a socket in a temporary directory, runs\n"
               "COMMAND with its address in $uri, and ends when COMMAND does. COMMAND is one\n"
               "line for the shell, or several words in which only $uri is replaced: write\n"
               "'$uri' in single quotes. Nothing can be written unless one of the options\n"
               "says where to.",
    .operand = "disk and command",
    .statuses = "that of COMMAND",
    .examples = "vhdx serve disk_2.avhdx -- nbdinfo '$uri'\n"
                "vhdx serve disk_2.avhdx -- nbdcopy '$uri' disk.raw\n"
                "vhdx serve --layer 1 disk_2.avhdx -- nbdinfo --map '$uri'",
    .run = run,
};
