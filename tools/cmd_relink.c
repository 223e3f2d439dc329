/*
 * vhdx relink: points a child at the file of its parent. Whether the two belong together is the library's to judge; the
 * only thing that can be overruled here is the id, by --force, and never by guessing.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "machines.h"
#include "text.h"

#include <stdlib.h>

struct wish {
    const char *parent;
    struct cli_list configs;
    bool force;
};

static void print_json(const char *child, const struct wish *wish, const vhdx_machines *machines)
{
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "child", child);
    json_text(&json, "parent", wish->parent);
    json_bool(&json, "forced", wish->force);
    machines_json(&json, machines, &child);
    json_document_end(&json);
}

static void print_done(const char *child, const struct wish *wish)
{
    printf("Linked ");
    text_put(stdout, child);
    printf(" to ");
    text_put(stdout, wish->parent);
    puts(wish->force ? ", whatever its id" : "");
}

/* Another parent makes the child read otherwise; a parent at another place does not. */
static int relink(const struct cli *cli, const struct wish *wish, const vhdx_machines *machines)
{
    const vhdx_relink_options options = {.struct_size = sizeof options, .force = wish->force};
    const char *child = cli->files[0];
    struct progress progress = {0};
    struct notices notices = {.cli = cli, .progress = &progress};
    vhdx_error err;
    const vhdx_machine_change change = {
        .struct_size = sizeof change, .touched = wish->force ? 1 : 0, .state_unfit = wish->force};
    vhdx_machines_warn(machines, &change, notices_take, &notices);
    notices_free(&notices);
    if (vhdx_relink(child, wish->parent, &options, &err) != VHDX_OK)
        return cli_fail(cli, &err);
    if (cli->json)
        print_json(child, wish, machines);
    else if (!cli->quiet)
        print_done(child, wish);
    return EXIT_DONE;
}

static int find_and_relink(const struct cli *cli, const struct wish *wish)
{
    const char *disks[] = {cli->files[0]};
    vhdx_machines *machines = machines_find(cli, disks, 1, &wish->configs);
    int status = machines ? relink(cli, wish, machines) : EXIT_FAILED;
    vhdx_machines_free(machines);
    return status;
}

static int checked(const struct cli *cli, const struct wish *wish)
{
    if (!cli_files(cli, 1, 1))
        return EXIT_USAGE;
    if (!wish->parent)
        return cli_usage_error(cli->command, "no parent given (--parent PARENT)");
    return find_and_relink(cli, wish);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct wish wish = {0};
    int status;
    const struct cli_option options[] = {
        {"parent", 0, CLI_TEXT, &wish.parent, "PARENT", "the file that is CHILD's parent"},
        {"force", 0, CLI_FLAG, &wish.force, NULL,
         "take PARENT although its id is not the one that CHILD\n"
         "names: CHILD then reads whatever PARENT holds"},
        {"config", 0, CLI_LIST, &wish.configs, "PATH",
         "configuration of a machine that uses CHILD, or a\ndirectory; those beside CHILD are read too"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = checked(&cli, &wish);
    free(wish.configs.items);
    return status;
}

const struct command command_relink = {
    .name = "relink",
    .synopsis = "--parent PARENT [--force] [--config PATH]... CHILD",
    .summary = "points a child at the file of its parent",
    .details = "Writes the place of PARENT into CHILD, when PARENT has moved or got another\n"
               "name. PARENT must have the id that CHILD names, or --force must be given. Where\n"
               "the chain would become a loop, or the logical sector sizes differ, it is refused\n"
               "in every case. PARENT is not written to.",
    .run = run,
};
