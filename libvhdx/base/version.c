/*
 * The version, as it is compiled in. See vhdx_version() in vhdx.h.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#define TEXT(number) #number
#define VERSION_TEXT(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *vhdx_version(void)
{
    return VERSION_TEXT(VHDX_VERSION_MAJOR, VHDX_VERSION_MINOR, VHDX_VERSION_PATCH);
}
