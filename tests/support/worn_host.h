/*
 * A host over another one, on a medium with unreadable places and in circumstances that can be chosen: attributes,
 * pieces, security descriptors. For tests of what a reader does about them. Everything else goes through as it is. The
 * one thing that is easy to get wrong: a place is bad until it is written to; here it stays bad.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_WORN_HOST_H
#define TESTS_SUPPORT_WORN_HOST_H

#include <vhdx.h>

#define WORN_PLACES 64

struct worn_place {
    char path[256];
    uint64_t offset, length;
};

struct worn_descriptor {
    char path[256];
    uint8_t bytes[256];
    size_t size;
};

struct worn_host {
    vhdx_host host; /* to be given to the library */
    const vhdx_host *below;
    struct worn_place places[WORN_PLACES];
    size_t place_count;
    struct worn_descriptor descriptors[8];
    size_t descriptor_count;
    uint32_t attributes; /* that all files show besides their own */
    const char *only;    /* path of the one file for which attributes and extents hold; NULL = all */
    uint64_t extents;    /* 0 = the host does not tell */
    uint64_t failed_reads;
    uint64_t largest_read;
};

/* `below` must outlive it. Needs no freeing. */
void worn_host_init(struct worn_host *worn, const vhdx_host *below);
/* Reads that touch this range fail. */
void worn_host_bad(struct worn_host *worn, const char *path, uint64_t offset, uint64_t length);
/* A descriptor of one entry that lets the machine of that id (NULL: administrators only) do all. */
void worn_host_grant(struct worn_host *worn, const char *path, const vhdx_guid *machine_id);

#endif
