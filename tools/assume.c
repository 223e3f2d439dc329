/*
 * Reading --assume. See assume.h. A value that no disk has is a mistake of typing, so it is refused here.
 */
/* SPDX-License-Identifier: MIT */
#include "assume.h"

#include <string.h>

static const uint64_t block_least = UINT64_C(1) << 20, block_most = UINT64_C(256) << 20, size_most = UINT64_C(1) << 46;

/* The text behind "WHAT="; NULL: the option is about something else. */
static const char *value_of(const char *text, const char *what)
{
    size_t length = strlen(what);
    return strncmp(text, what, length) == 0 && text[length] == '=' ? text + length + 1 : NULL;
}

static bool take(const struct command *command, const char *text, struct assume *assume)
{
    const char *size = value_of(text, "virtual-size"), *block = value_of(text, "block-size"),
               *sector = value_of(text, "logical-sector"),
               *value = size    ? size
                        : block ? block
                                : sector;
    uint64_t number;
    if (!value)
        cli_usage_error(command, "--assume: virtual-size=N, block-size=N or logical-sector=N is wanted, not '%s'",
                        text);
    else if (!cli_size_parse(value, &number))
        cli_usage_error(command, "--assume: '%s' is not a size", value);
    else if (size && (number == 0 || number > size_most || number % 512 != 0))
        cli_usage_error(command, "--assume: a disk has up to 64 TiB, in whole sectors of 512 bytes");
    else if (block && (number < block_least || number > block_most || (number & (number - 1)) != 0))
        cli_usage_error(command, "--assume: a block has 1 MiB to 256 MiB, a power of two");
    else if (sector && number != 512 && number != 4096)
        cli_usage_error(command, "--assume: a sector has 512 or 4096 bytes");
    else {
        assume->virtual_size = size ? number : assume->virtual_size;
        assume->block_size = block ? (uint32_t)number : assume->block_size;
        assume->logical_sector = sector ? (uint32_t)number : assume->logical_sector;
        return true;
    }
    return false;
}

bool assume_parse(const struct command *command, const struct cli_list *given, struct assume *assume)
{
    for (size_t i = 0; i < given->count; i++)
        if (!take(command, given->items[i], assume))
            return false;
    return true;
}
