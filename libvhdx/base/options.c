/*
 * Checks arguments, takes options and gives reports. See options.h. The size is the caller's word,
 * and one that was never set is any number, so no more is read than structs of options will ever have.
 */
/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include <string.h>

#define LARGEST_OPTIONS 4096u

vhdx_status vx_refuse_argument(vhdx_error *err, const char *what)
{
    return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "%s", what);
}

vhdx_status vx_take_options(void *to, size_t size, const void *from, vhdx_error *err)
{
    size_t given;
    memset(to, 0, size);
    if (!from)
        return VHDX_OK;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > LARGEST_OPTIONS)
        return vx_refuse_argument(
            err, "the options do not begin with their size: struct_size = sizeof(the struct) is missing");
    const unsigned char *bytes = from;
    for (size_t i = size; i < given; i++)
        if (bytes[i] != 0)
            return vx_refuse_argument(
                err, "the options have a member that this version of the library does not know, and it is "
                     "set: use a newer library, or leave it zero");
    memcpy(to, from, given < size ? given : size);
    return VHDX_OK;
}

void vx_give_report(void *to, const void *from, size_t from_size)
{
    size_t size = 0;
    if (to)
        memcpy(&size, to, sizeof size);
    if (size <= sizeof size)
        return;
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size,
           (size < from_size ? size : from_size) - sizeof size);
}

bool vx_all_named(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!names || !names[i])
            return false;
    return true;
}
