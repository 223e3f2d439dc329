/*
 * Names of the values that a search tells. See vhdx.h.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include <stddef.h>

const char *vhdx_disk_status_name(vhdx_disk_status status)
{
    static const char *const names[] = {
        NULL,         "in-use-by-vm",   "active-not-leaf", "checkpoint",       "vhd-set",         "orphan",
        "standalone", "parent-missing", "parent-moved",    "linkage-mismatch", "parent-modified", "duplicate",
        "cycle",      "unreadable",     "locked",
    };
    return status > 0 && (size_t)status < sizeof names / sizeof names[0] ? names[status] : "unknown";
}

const char *vhdx_disk_role_name(vhdx_disk_role role)
{
    static const char *const names[] = {NULL, "base", "intermediate", "leaf"};
    return role > 0 && (size_t)role < sizeof names / sizeof names[0] ? names[role] : "unknown";
}

const char *vhdx_disk_kind_name(vhdx_disk_kind kind)
{
    static const char *const names[] = {"unknown", "fixed", "dynamic", "differencing", "vhd", "vhd-differencing"};
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

const char *vhdx_disk_flag_name(uint32_t flag)
{
    static const char *const names[] = {
        "dirty-log",     "truncated",    "size-differs",     "sector-size-differs", "saved-state",
        "merge-pending", "replicated",   "tracked",          "clustered",           "set-member",
        "quarantined",   "other-use",    "recovery",         "merge-begun",         "in-use",
        "named-alike",   "broken-below", "checkpoint-named", "access-missing",      "foreign",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (flag == UINT32_C(1) << i)
            return names[i];
    return NULL;
}

const char *vhdx_side_kind_name(vhdx_side_kind kind)
{
    static const char *const names[] = {
        NULL,          "tracking", "replica-log", "guest-state", "runtime-state",
        "saved-state", "pmem",     "vhd-set",     "unfinished",  "undo",
    };
    return kind > 0 && (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}
