/*
 * The command line. See cli.h. No option means anything here except --help and --version. File
 * names are moved to the front of argv while it is read, which is safe only because no more are written than were
 * read; and a name that a stranger chose may be printed in an error, so it goes through text.h.
 */
/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "advice.h"
#include "exit.h"
#include "json.h"
#include "nearest.h"
#include "platform.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 27 };

/* The state of reading one command line. */
struct reading {
    struct cli *cli;
    const struct cli_option *options;
    size_t option_count;
    struct cli_option common[7];
    const char *colour;
    bool help, version;
    int argc, next;
    char **argv;
};

int cli_usage_error(const struct command *command, const char *format, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fputs("vhdx: ", stderr);
    if (command)
        fprintf(stderr, "%s: ", command->name);
    text_put(stderr, message);
    fprintf(stderr, "; try 'vhdx %s%s--help'\n", command ? command->name : "", command ? " " : "");
    return EXIT_USAGE;
}

/* Damage of a disk, not of the undo file or list that is beside it; what is known to be something else is none. */
static bool is_damage(const vhdx_error *err)
{
    bool of_disk = err->path[0] && !(err->structure && strncmp(err->structure, "undo", 4) == 0);
    bool other = err->status == VHDX_NOT_VHDX && !err->structure;
    return of_disk && !other &&
           (err->status == VHDX_CORRUPT || err->status == VHDX_TRUNCATED || err->status == VHDX_NOT_VHDX);
}

vhdx_error cli_advised(const struct cli *cli, const vhdx_error *err)
{
    vhdx_error advised = *err;
    char word[sizeof err->path + 64], room[ADVICE_ROOM];
    snprintf(advised.advice_text, sizeof advised.advice_text, "%s", advice_of_error(err, room));
    advised.advice = advised.advice_text[0] ? VHDX_ADVICE_TEXT : VHDX_ADVICE_NONE; /* worded */
    size_t used = strlen(advised.advice_text);
    if (cli->judges || !is_damage(err) || strstr(advised.advice_text, "vhdx verify") ||
        vhdx_quote(err->path, VHDX_SHELL_HERE, word, sizeof word) == 0)
        return advised;
    char *end = advised.advice_text + used;
    size_t rest = sizeof advised.advice_text - used;
    int more = snprintf(end, rest, "%s'vhdx verify %s' says what can be done", used ? "; " : "", word);
    if (!word[0] || more < 0 || (size_t)more >= rest) /* half a name is another one */
        snprintf(end, rest, "%s'vhdx verify' says what can be done", used ? "; " : "");
    return advised;
}

int cli_status(const vhdx_error *err)
{
    /* What was typed makes no sense (a size), or a file is not what it should be (a directory). */
    return err->status == VHDX_ARG && !err->path[0] ? EXIT_USAGE : EXIT_FAILED;
}

int cli_error(const struct cli *cli, const vhdx_error *err)
{
    vhdx_error advised = cli_advised(cli, err);
    if (cli_status(err) == EXIT_USAGE)
        return cli_usage_error(cli->command, "%s", err->message);
    char line[sizeof advised.path + sizeof advised.message + sizeof advised.advice_text + 256];
    vhdx_error_format(&advised, line, sizeof line);
    fflush(stdout); /* both may go to one log */
    fputs("vhdx: ", stderr);
    if (platform_is_terminal(stderr))
        text_put_wrapped_line(stderr, line, 6);
    else
        text_put(stderr, line);
    fputc('\n', stderr);
    return cli_status(err);
}

int cli_fail(const struct cli *cli, const vhdx_error *err)
{
    if (cli->json) {
        struct json json;
        vhdx_error advised = cli_advised(cli, err);
        json_document_begin(&json, stdout);
        json_error(&json, &advised);
        json_document_end(&json);
    }
    return cli_error(cli, err);
}

static void refuse(const struct cli *cli, const char *path, const char *message, const char *advice)
{
    vhdx_error err = {.status = VHDX_EXISTS, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err.path, sizeof err.path, "%s", path);
    snprintf(err.message, sizeof err.message, "%s", message);
    err.advice = VHDX_ADVICE_TEXT;
    snprintf(err.advice_text, sizeof err.advice_text, "%s", advice);
    cli_fail(cli, &err);
}

bool cli_may_write(const struct cli *cli, const char *path, const struct cli_output *may)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    vhdx_file_facts facts = {0};
    uint64_t size = 0;
    if (host->open(host->context, path, VHDX_OPEN_PEEK, &io, NULL) != VHDX_OK)
        return true; /* nothing there, or the one who writes says why not */
    if (io.ops->facts(io.file, &facts, NULL) != VHDX_OK || io.ops->size(io.file, &size, NULL) != VHDX_OK)
        size = 0;
    io.ops->close(io.file);
    bool device = (facts.attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
    if (device && !may->device)
        refuse(cli, path, "this is a device, and what it holds would be lost", "add --device if that is meant");
    else if (!device && size > 0 && !may->overwrite)
        refuse(cli, path, "a file of that name is already there",
               "choose another name, or add --overwrite to lose what it holds");
    else
        return true;
    return false;
}

static vhdx_status denied(vhdx_error *err, const char *path, int code, const char *action)
{
    *err = (vhdx_error){.status = VHDX_READ_ONLY, .system_code = code, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err->path, sizeof err->path, "%s", path);
    snprintf(err->message, sizeof err->message, "cannot %s: %s", action, strerror(code));
    err->advice = VHDX_ADVICE_TEXT;
    snprintf(err->advice_text, sizeof err->advice_text, "%s",
             code == EROFS ? "work on a copy on another volume" : "run it as a user who has the right to do so");
    return VHDX_READ_ONLY;
}

vhdx_status cli_may_change(const char *path, vhdx_error *err)
{
    int code = platform_write_denied(path);
    return code == 0 || code == ENOENT ? VHDX_OK : denied(err, path, code, "write to the file");
}

vhdx_status cli_may_make(const char *path, vhdx_error *err)
{
    char directory[2048];
    size_t length = (size_t)(platform_base_name(path) - path);
    if (length >= sizeof directory)
        return VHDX_OK;
    memcpy(directory, path, length);
    directory[length] = '\0';
    int code = platform_write_denied(length ? directory : ".");
    return code == 0 ? VHDX_OK : denied(err, path, code, "make the file");
}

void cli_warning(const char *text)
{
    fflush(stdout);
    fputs("vhdx: warning: ", stderr);
    text_put_lines(stderr, text, 2);
    fputc('\n', stderr);
}

void cli_notice(void *context, const vhdx_notice *notice)
{
    (void)context;
    if (notice->kind != VHDX_NOTICE_WARNING)
        return;
    char *text = advice_with_notice(notice);
    cli_warning(text ? text : notice->text);
    free(text);
}

/* The power of two of a unit, -1 for none; *rest is what follows it. */
static int unit_shift(const char *text, const char **rest)
{
    static const char units[] = "KMGT";
    *rest = text;
    const char *unit = *text ? strchr(units, toupper((unsigned char)*text)) : NULL;
    if (!unit)
        return 0;
    *rest = text + 1;
    if ((*rest)[0] == 'i' && ((*rest)[1] == 'B' || (*rest)[1] == '\0'))
        (*rest)++;
    return 10 * (int)(unit - units + 1);
}

static bool read_digits(const char **text, uint64_t *value)
{
    if (!isdigit((unsigned char)**text))
        return false;
    for (*value = 0; isdigit((unsigned char)**text); (*text)++) {
        uint64_t digit = (uint64_t)(**text - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return true;
}

/* The digits behind the point as a share of one unit of 2 to the power of 40 at most, cut to whole bytes. */
static bool read_fraction(const char **text, uint64_t *numerator, uint64_t *denominator)
{
    *numerator = 0;
    *denominator = 1;
    if (**text != '.')
        return true;
    const char *first = ++*text;
    if (!read_digits(text, numerator) || *text - first > 6)
        return false;
    for (const char *p = first; p < *text; p++)
        *denominator *= 10;
    return true;
}

bool cli_size_parse(const char *text, uint64_t *bytes)
{
    uint64_t value, numerator, denominator;
    if (!read_digits(&text, &value) || !read_fraction(&text, &numerator, &denominator))
        return false;
    int shift = unit_shift(text, &text);
    if (*text == 'B')
        text++;
    if (*text || value > UINT64_MAX >> shift || (denominator > 1 && shift == 0))
        return false;
    uint64_t part = (numerator << shift) / denominator; /* below 2 to the power of 60 */
    if (part > UINT64_MAX - (value << shift))
        return false;
    *bytes = (value << shift) + part;
    return true;
}

static void fill_common(struct reading *r)
{
    struct cli *cli = r->cli;
    const struct cli_option rows[] = {
        {"json", 0, CLI_FLAG, &cli->json, NULL, "print one JSON document on standard output"},
        {"quiet", 'q', CLI_FLAG, &cli->quiet, NULL, "no progress, no warnings, no report at the end"},
        {"verbose", 'v', CLI_FLAG, &cli->verbose, NULL, "say more"},
        {"no-progress", 0, CLI_FLAG, &cli->no_progress, NULL, "no progress bar"},
        {"color", 0, CLI_TEXT, &r->colour, "WHEN",
         "auto (when not given: at a terminal, unless NO_COLOR\nis set), always, never"},
        {"help", 'h', CLI_FLAG, &r->help, NULL, "this text"},
        {"version", 0, CLI_FLAG, &r->version, NULL, "the version"},
    };
    memcpy(r->common, rows, sizeof rows);
}

static void print_option(const struct cli_option *option)
{
    char left[64] = "";
    int used = snprintf(left, sizeof left, "  ");
    if (option->letter)
        used += snprintf(left + used, sizeof left - (size_t)used, "-%c%s", option->letter, option->name ? ", " : "");
    if (option->name)
        used += snprintf(left + used, sizeof left - (size_t)used, "--%s", option->name);
    if (option->value_name)
        snprintf(left + used, sizeof left - (size_t)used, " %s", option->value_name);
    if (strlen(left) > HELP_COLUMN - 2)
        printf("%s\n%*s", left, HELP_COLUMN, "");
    else
        printf("%-*s", HELP_COLUMN, left);
    text_put_lines(stdout, option->help, HELP_COLUMN);
    putchar('\n');
}

static void print_synopsis(const struct command *command)
{
    const char *lead = "usage: ";
    for (const char *line = command->synopsis; *line;) {
        size_t length = strcspn(line, "\n");
        if (*line == ' ') /* goes on from the line before */
            printf("%*s%.*s\n", 12 + (int)strlen(command->name), "", (int)length, line);
        else
            printf("%svhdx %s %.*s\n", lead, command->name, (int)length, line);
        line += line[length] ? length + 1 : length;
        lead = "       ";
    }
}

static void print_help(const struct reading *r)
{
    const struct command *command = r->cli->command;
    print_synopsis(command);
    printf("\n%s\n", command->details);
    if (r->option_count)
        printf("\nOptions:\n");
    for (size_t i = 0; i < r->option_count; i++)
        print_option(&r->options[i]);
    printf("\nOptions of every command (\"--\" ends options):\n");
    for (size_t i = 0; i < sizeof r->common / sizeof r->common[0]; i++)
        print_option(&r->common[i]);
    if (command->examples) {
        printf("\nExamples:\n  ");
        text_put_lines(stdout, command->examples, 2);
        putchar('\n');
    }
    char statuses[160];
    snprintf(statuses, sizeof statuses, "%s; 8 failed or refused; 16 bad usage.",
             command->statuses ? command->statuses : "0 done");
    printf("\nExit status: ");
    text_put_wrapped_line(stdout, statuses, 13);
    putchar('\n');
}

static bool has_name(const struct cli_option *option, const char *name, size_t length)
{
    return option->name && strlen(option->name) == length && memcmp(option->name, name, length) == 0;
}

/* By name, or by letter when `name` is NULL. */
static const struct cli_option *find_option(const struct reading *r, const char *name, size_t length, char letter)
{
    for (size_t i = 0; i < r->option_count; i++)
        if (name ? has_name(&r->options[i], name, length) : r->options[i].letter == letter)
            return &r->options[i];
    for (size_t i = 0; i < sizeof r->common / sizeof r->common[0]; i++)
        if (name ? has_name(&r->common[i], name, length) : r->common[i].letter == letter)
            return &r->common[i];
    return NULL;
}

/* A list can have no more items than the command line has words. */
static bool append(struct cli_list *list, const char *value, int argc)
{
    if (!list->items)
        list->items = calloc((size_t)argc, sizeof *list->items);
    if (!list->items) {
        fputs("vhdx: memory ran out\n", stderr);
        return false;
    }
    list->items[list->count++] = value;
    return true;
}

/* `shown` is the option as it was typed, `value` NULL for a flag. Returns EXIT_DONE or what to end with. */
static int apply(struct reading *r, const struct cli_option *option, const char *shown, const char *value)
{
    struct cli_size *size = option->target;
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->target = true;
        return EXIT_DONE;
    case CLI_TEXT:
        *(const char **)option->target = value;
        return EXIT_DONE;
    case CLI_LIST:
        return append(option->target, value, r->argc) ? EXIT_DONE : EXIT_FAILED;
    case CLI_SIZE:
        size->given = true;
        if (cli_size_parse(value, &size->bytes))
            return EXIT_DONE;
        return cli_usage_error(r->cli->command,
                               "%s: '%s' is not a size (such as 4096, 64M, 127G or 2T), or one too large for 64 bits",
                               shown, value);
    }
    return EXIT_DONE;
}

/* A value that is not in the same word is the next word. */
static int apply_valued(struct reading *r, const struct cli_option *option, const char *shown, const char *value)
{
    if (!value && r->next < r->argc)
        value = r->argv[r->next++];
    if (!value)
        return cli_usage_error(r->cli->command, "option '%s' needs a value (%s)", shown, option->value_name);
    if (!*value)
        return cli_usage_error(r->cli->command, "option '%s' has an empty value", shown);
    return apply(r, option, shown, value);
}

/* The name of an option that was perhaps meant; NULL: none is near. */
static const char *nearest_option(const struct reading *r, const char *word, size_t length)
{
    const char *nearest = NULL;
    size_t least = length;
    for (size_t i = 0; i < r->option_count + sizeof r->common / sizeof r->common[0]; i++) {
        const char *name = i < r->option_count ? r->options[i].name : r->common[i - r->option_count].name;
        size_t distance = name ? nearest_distance(word, length, name) : length;
        bool begins = name && length >= 3 && strncmp(name, word, length) == 0;
        if (begins || (distance < least && nearest_fits(distance, length))) {
            least = begins ? 0 : distance;
            nearest = name;
        }
    }
    return nearest;
}

static int unknown_option(const struct reading *r, const char *word, size_t length, const char *shown)
{
    const char *nearest = nearest_option(r, word, length);
    if (nearest)
        return cli_usage_error(r->cli->command, "unknown option '%s'; did you mean '--%s'?", shown, nearest);
    return cli_usage_error(r->cli->command, "unknown option '%s'", shown);
}

static int read_long(struct reading *r, const char *word)
{
    size_t length = strcspn(word + 2, "=");
    const char *value = word[2 + length] ? word + 2 + length + 1 : NULL;
    const struct cli_option *option = find_option(r, word + 2, length, 0);
    char shown[64];
    snprintf(shown, sizeof shown, "%.*s", length < 60 ? (int)length + 2 : 62, word);
    if (!option)
        return unknown_option(r, word + 2, length, shown);
    if (option->kind != CLI_FLAG)
        return apply_valued(r, option, shown, value);
    if (value)
        return cli_usage_error(r->cli->command, "option '%s' takes no value", shown);
    return apply(r, option, shown, NULL);
}

/* One or more letters in one word: -qv, -o NEW, -oNEW. */
static int read_letters(struct reading *r, const char *word)
{
    for (const char *p = word + 1; *p; p++) {
        const struct cli_option *option = find_option(r, NULL, 0, *p);
        const char shown[] = {'-', *p, '\0'};
        if (!option)
            return cli_usage_error(r->cli->command, "unknown option '%s'", (*p & 0x80) ? word : shown);
        if (option->kind != CLI_FLAG)
            return apply_valued(r, option, shown, p[1] ? p + 1 : NULL);
        int status = apply(r, option, shown, NULL);
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}

/* Ends early, with success, where the help or the version is asked for. */
static int read_words(struct reading *r)
{
    bool options_end = false;
    while (r->next < r->argc && !r->help && !r->version) {
        char *word = r->argv[r->next++];
        int status = EXIT_DONE;
        if (options_end || word[0] != '-' || word[1] == '\0')
            r->cli->files[r->cli->file_count++] = word;
        else if (strcmp(word, "--") == 0)
            options_end = true;
        else if (word[1] == '-')
            status = read_long(r, word);
        else
            status = read_letters(r, word);
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}

static bool stop_at_once(void *visitor, const char *name)
{
    (void)visitor;
    (void)name;
    return false;
}

static bool is_there(const char *place)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    if (host->list(host->context, place, stop_at_once, NULL, NULL) == VHDX_OK)
        return true;
    vhdx_status status = host->open(host->context, place, VHDX_OPEN_PEEK, &io, NULL);
    if (status == VHDX_OK)
        io.ops->close(io.file);
    return status != VHDX_NOT_FOUND && status != VHDX_ARG;
}

/* A place to look for ancestors that is not there is most likely a slip of the pen. */
static void warn_of_places(const struct reading *r)
{
    for (size_t i = 0; i < r->option_count; i++) {
        bool places = r->options[i].kind == CLI_LIST && has_name(&r->options[i], "parent", strlen("parent"));
        const struct cli_list *list = places ? r->options[i].target : NULL;
        for (size_t j = 0; list && !r->cli->quiet && j < list->count; j++) {
            char text[2048];
            snprintf(text, sizeof text, "--%s: %s is neither a directory nor a file", r->options[i].name,
                     list->items[j]);
            if (!is_there(list->items[j]))
                cli_warning(text);
        }
    }
}

static int take_colour(struct reading *r)
{
    static const char *const names[] = {"auto", "always", "never"};
    for (size_t i = 0; r->colour && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(r->colour, names[i]) == 0) {
            r->cli->colour = (enum cli_colour)i;
            return EXIT_DONE;
        }
    if (!r->colour)
        return EXIT_DONE;
    return cli_usage_error(r->cli->command, "--color: '%s' is none of auto, always, never", r->colour);
}

bool cli_shows_colour(const struct cli *cli, FILE *stream)
{
    return cli->colour == CLI_COLOUR_AUTO ? platform_shows_colour(stream) : cli->colour == CLI_COLOUR_ALWAYS;
}

bool cli_parse(struct cli *cli, const struct command *command, const struct cli_option *options, size_t option_count,
               int argc, char **argv, int *exit_status)
{
    *cli = (struct cli){.command = command, .files = argv};
    struct reading r = {.cli = cli, .options = options, .option_count = option_count, .argc = argc, .argv = argv};
    fill_common(&r);
    *exit_status = read_words(&r);
    if (*exit_status == EXIT_DONE)
        *exit_status = take_colour(&r);
    if (*exit_status != EXIT_DONE)
        return false;
    if (r.help)
        print_help(&r);
    else if (r.version)
        printf("vhdx %s\n", vhdx_version());
    else
        warn_of_places(&r);
    return !r.help && !r.version;
}

bool cli_files(const struct cli *cli, size_t least, size_t most)
{
    if (cli->file_count < least)
        cli_usage_error(cli->command, "no %s given", cli->command->operand ? cli->command->operand : "file");
    else if (cli->file_count > most)
        cli_usage_error(cli->command, "unexpected argument '%s'", cli->files[most]);
    for (size_t i = 0; i < cli->file_count && i < most; i++)
        if (!*cli->files[i]) {
            cli_usage_error(cli->command, "a file name is empty");
            return false;
        }
    return cli->file_count >= least && cli->file_count <= most;
}
