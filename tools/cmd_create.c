/*
 * vhdx create: an empty disk, or an empty differencing disk on a parent. Which sizes the format allows is the library's
 * knowledge; here only what the options say is put together.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "replace.h"
#include "report.h"

#include <stdint.h>

struct wish {
    struct cli_size size, block_size, sector_size, physical_sector_size;
    bool fixed, overwrite;
    const char *parent;
    const char *data_write_guid, *disk_id;
};

/* What the options of the library point at. */
struct ids {
    vhdx_guid data_write_guid, disk_id;
};

/* Sizes that are 32 bits wide in the format. false: the usage error was printed. */
static bool narrow(const struct cli *cli, const char *option, const struct cli_size *size, uint32_t *value)
{
    if (!size->given)
        return true;
    *value = (uint32_t)size->bytes;
    if (size->bytes != 0 && size->bytes <= UINT32_MAX)
        return true;
    cli_usage_error(cli->command, "%s: the size is out of range (1 to 4294967295 bytes)", option);
    return false;
}

/* What the help text says of it; whether it fits the rest is the library's to say. */
static bool block(const struct cli *cli, const struct cli_size *size, uint32_t *value)
{
    uint64_t bytes = size->bytes;
    if (!size->given)
        return true;
    *value = (uint32_t)bytes;
    if (bytes >= 1u << 20 && bytes <= 256u << 20 && (bytes & (bytes - 1)) == 0)
        return true;
    cli_usage_error(cli->command, "--block-size: a block has a power of two from 1M to 256M bytes");
    return false;
}

static bool disk(const struct cli *cli, const struct cli_size *size)
{
    if (!size->given || (size->bytes > 0 && size->bytes <= UINT64_C(64) << 40))
        return true;
    cli_usage_error(cli->command, "--size: a disk has at least one sector and at most 64T bytes");
    return false;
}

static bool sector(const struct cli *cli, const char *option, const struct cli_size *size, uint32_t *value)
{
    if (!narrow(cli, option, size, value))
        return false;
    if (!size->given || *value == 512 || *value == 4096)
        return true;
    cli_usage_error(cli->command, "%s: a sector has 512 or 4096 bytes", option);
    return false;
}

/* `text` NULL: not given. false: the usage error was printed. */
static bool take_id(const struct cli *cli, const char *option, const char *text, vhdx_guid *guid,
                    const vhdx_guid **taken)
{
    if (text && vhdx_guid_parse(text, guid) != VHDX_OK) {
        cli_usage_error(cli->command, "%s: '%s' is not a GUID", option, text);
        return false;
    }
    *taken = text ? guid : NULL;
    return true;
}

/* Fills `options`; `ids` must live as long. false: the usage error was printed. */
static bool understand(const struct cli *cli, const struct wish *wish, struct ids *ids, vhdx_create_options *options)
{
    *options = (vhdx_create_options){
        .struct_size = sizeof *options, .virtual_size = wish->size.bytes, .fixed = wish->fixed, .parent = wish->parent};
    if (!cli_files(cli, 1, 1) ||
        !take_id(cli, "--data-write-guid", wish->data_write_guid, &ids->data_write_guid, &options->data_write_guid) ||
        !take_id(cli, "--disk-id", wish->disk_id, &ids->disk_id, &options->virtual_disk_id))
        return false;
    if (wish->disk_id && wish->parent)
        cli_usage_error(cli->command, "a differencing disk has its parent's id: --disk-id does not go with --parent");
    else if (wish->fixed && wish->parent)
        cli_usage_error(cli->command, "a fixed disk has no parent: give --fixed or --parent");
    else if (!wish->size.given && !wish->parent)
        cli_usage_error(cli->command, "no size given (--size N, or --parent P for a differencing disk)");
    else
        return disk(cli, &wish->size) && block(cli, &wish->block_size, &options->block_size) &&
               sector(cli, "--sector-size", &wish->sector_size, &options->logical_sector_size) &&
               sector(cli, "--physical-sector-size", &wish->physical_sector_size, &options->physical_sector_size);
    return false;
}

static int report_new(const struct cli *cli)
{
    const vhdx_open_options open = {.struct_size = sizeof open};
    vhdx_error err;
    vhdx_image *image;
    if (vhdx_image_open(cli->files[0], &open, &image, &err) != VHDX_OK)
        return cli_fail(cli, &err);
    if (cli->json) {
        struct json json;
        json_document_begin(&json, stdout);
        report_info_json(&json, vhdx_image_info(image));
        json_document_end(&json);
    } else {
        report_info_text(stdout, vhdx_image_info(image), 0);
    }
    vhdx_image_free(image);
    return EXIT_DONE;
}

static int create(const struct cli *cli, const vhdx_create_options *options, bool overwrite)
{
    vhdx_error err;
    struct replace replace;
    const char *kept[] = {options->parent};
    if (!replace_begin(&replace, cli, cli->files[0], overwrite, kept, options->parent != NULL))
        return EXIT_FAILED;
    vhdx_status status = vhdx_create(replace.written, options, &err);
    if (replace_end(&replace, status, &err) != VHDX_OK)
        return cli_fail(cli, &err);
    return cli->json || (cli->verbose && !cli->quiet) ? report_new(cli) : EXIT_DONE;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct wish wish = {0};
    vhdx_create_options create_options;
    struct ids ids;
    int status;
    const struct cli_option options[] = {
        {"size", 0, CLI_SIZE, &wish.size, "N",
         "size of the virtual disk: bytes, or with K, M, G, T;\n"
         "when not given the parent's"},
        {"fixed", 0, CLI_FLAG, &wish.fixed, NULL,
         "give all blocks their place in the file now (their\nspace too where sparse files would do harm)"},
        {"block-size", 0, CLI_SIZE, &wish.block_size, "N",
         "1M to 256M, a power of two; when not given 32M for\ndynamic, 2M for fixed and differencing disks"},
        {"sector-size", 0, CLI_SIZE, &wish.sector_size, "N",
         "logical sector size, 512 (when not given) or 4096;\nwith --parent the parent's"},
        {"physical-sector-size", 0, CLI_SIZE, &wish.physical_sector_size, "N",
         "512 or 4096 (when not given); with --parent when not\ngiven the parent's"},
        {"overwrite", 0, CLI_FLAG, &wish.overwrite, NULL, "replace a file with something in it"},
        {"parent", 0, CLI_TEXT, &wish.parent, "P", "make an empty differencing disk on the disk P"},
        {"data-write-guid", 0, CLI_TEXT, &wish.data_write_guid, "GUID",
         "the new disk's DataWriteGuid, to stand in for a lost\nparent whose children name it"},
        {"disk-id", 0, CLI_TEXT, &wish.disk_id, "GUID",
         "the new disk's virtual disk id, which a stand-in for\na lost parent takes from 'vhdx info CHILD'"},
    };
    if (!cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        return status;
    if (!understand(&cli, &wish, &ids, &create_options))
        return EXIT_USAGE;
    return create(&cli, &create_options, wish.overwrite);
}

const struct command command_create = {
    .name = "create",
    .synopsis = "--size N [--fixed] [--block-size N] [--sector-size 512|4096]\n"
                " [--physical-sector-size 512|4096] [--data-write-guid GUID]\n"
                " [--disk-id GUID] [--overwrite] FILE\n"
                "--parent P [--size N] [--block-size N]\n"
                " [--physical-sector-size 512|4096] [--overwrite] FILE",
    .summary = "makes an empty disk, or an empty differencing disk on a parent",
    .details = "Makes the empty disk FILE. A file that is there already and not empty is\n"
               "refused unless --overwrite is given. Prints nothing unless --verbose or --json\n"
               "is given.",
    .run = run,
};
