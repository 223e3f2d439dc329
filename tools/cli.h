/*
 * The command line: options and file names, the help text made from the same tables, and the two kinds of error lines
 * (of the person who typed, of the world). A command lists its options in a table on its stack, whose rows point at
 * the variables to fill. What an option means is the command's business.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_CLI_H
#define VHDX_TOOLS_CLI_H

#include <vhdx.h>

#include <stdbool.h>
#include <stdio.h>

#if defined(__MINGW_PRINTF_FORMAT)
#define TOOL_PRINTF(format_index, first) __attribute__((format(__MINGW_PRINTF_FORMAT, format_index, first)))
#elif defined(__GNUC__)
#define TOOL_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define TOOL_PRINTF(format_index, first)
#endif

/* A command, as the dispatch table of main.c and the help text know it. */
struct command {
    const char *name;
    const char *synopsis; /* what follows "vhdx NAME ", one form a line */
    const char *summary;  /* one line, for the list of commands */
    const char *details;  /* paragraphs for the help text, at most 80 columns */
    const char *operand;  /* what the command line names: NULL = "file" */
    const char *statuses; /* of its own, for the help text; NULL = those of every command */
    const char *examples; /* command lines for the help text, one a line, each run by a test; NULL = none */
    /* `argv` begins with the first argument after the command's name. Returns the exit status. */
    int (*run)(const struct command *self, int argc, char **argv);
};

enum cli_kind {
    CLI_FLAG, /* bool */
    CLI_TEXT, /* const char *, NULL when not given; the last one counts */
    CLI_SIZE, /* struct cli_size */
    CLI_LIST, /* struct cli_list; may be given more than once */
};

struct cli_size {
    bool given;
    uint64_t bytes;
};

/* The command frees `items`. */
struct cli_list {
    const char **items;
    size_t count;
};

struct cli_option {
    const char *name; /* without "--"; NULL = none */
    char letter;      /* 0 = none */
    enum cli_kind kind;
    void *target;
    const char *value_name; /* NULL for flags */
    const char *help;       /* may have more than one line */
};

enum cli_colour { CLI_COLOUR_AUTO, CLI_COLOUR_ALWAYS, CLI_COLOUR_NEVER };

/* The options that every command has, and the file names. */
struct cli {
    const struct command *command;
    bool quiet, verbose, json, no_progress;
    enum cli_colour colour;
    bool judges;  /* set by a command that looks for damage itself: it is not sent to `vhdx verify` */
    char **files; /* inside argv */
    size_t file_count;
};

/*
 * Reads the command line. Options and file names may come in any order; "--" ends the options. false: it has been
 * dealt with (help, version, bad usage), and `exit_status` says how to end.
 */
bool cli_parse(struct cli *cli, const struct command *command, const struct cli_option *options, size_t option_count,
               int argc, char **argv, int *exit_status);

/* Whether there are at least `least` and at most `most` files; else the usage error is printed. */
bool cli_files(const struct cli *cli, size_t least, size_t most);

/* Whether what is written to the stream may have colours: as was asked for, else where a terminal shows them. */
bool cli_shows_colour(const struct cli *cli, FILE *stream);

/* "8G", "8GiB", "1.5G", "8589934592". false when `text` is something else or too large for 64 bits. A
 * fraction needs a unit, and bytes are whole. */
bool cli_size_parse(const char *text, uint64_t *bytes);

/* Prints "vhdx: COMMAND: message; try 'vhdx COMMAND --help'" and returns EXIT_USAGE. `command` may be NULL. */
int cli_usage_error(const struct command *command, const char *format, ...) TOOL_PRINTF(2, 3);

/*
 * Prints the error as one line (several at a terminal) and returns the exit status that goes with it. Of a damaged disk
 * it names the command that looks further.
 */
int cli_error(const struct cli *cli, const vhdx_error *err);

/* The same; with --json the document of the failure goes to standard output, where nothing else may be. */
int cli_fail(const struct cli *cli, const vhdx_error *err);

/* What cli_error() prints of `err`: with the next command, where a disk is damaged. */
vhdx_error cli_advised(const struct cli *cli, const vhdx_error *err);

/* The exit status that goes with it. */
int cli_status(const vhdx_error *err);

/* What may be lost where something is written. */
struct cli_output {
    bool overwrite; /* a file with something in it */
    bool device;    /* a block device */
};

/* Whether a command may write to `path`; else the error is printed. */
bool cli_may_write(const struct cli *cli, const char *path, const struct cli_output *may);

/* Whether the rights are there to write to the file, or to make one of that name; for dry runs. */
vhdx_status cli_may_change(const char *path, vhdx_error *err);
vhdx_status cli_may_make(const char *path, vhdx_error *err);

/* Prints "vhdx: warning: text". */
void cli_warning(const char *text);
/* A vhdx_notice_fn for who opens disks to read them: warnings go to standard error at once. `context` means nothing. */
void cli_notice(void *context, const vhdx_notice *notice);

#endif
