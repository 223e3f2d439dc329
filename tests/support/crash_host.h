/*
 * A host in memory that fails and loses power when asked. It writes down, in one order, everything that is done to
 * its files; from that it makes the files as a power cut at any place may leave them: what was done to a file before
 * its last flush is there, of what was done later any part may be; names likewise, with the directory's sync in the
 * place of the flush. It also fails the n-th call of a kind.
 *
 * It shares no code with the library's own memory host, and copies a set of files by sharing their pages, so that a
 * state costs little. The one thing that is easy to get wrong: a state has the calls that were not yet durable as a
 * subset in their old order; reordering comes from what is left out.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CRASH_HOST_H
#define TESTS_SUPPORT_CRASH_HOST_H

#include <vhdx.h>

struct crash_host;

/* `seed` for the host's random(). All memory comes from an allocator that ends the program rather than fail. */
struct crash_host *crash_host_new(uint64_t seed);
/* Takes NULL. No file may be open. */
void crash_host_free(struct crash_host *host);
const vhdx_host *crash_host_interface(struct crash_host *host);
/* Attributes that every file of the host shows: VHDX_FILE_SPARSE_HARMS for a file system as NTFS, VHDX_FILE_CAN_SHARE
 * for one as XFS. */
void crash_host_attributes(struct crash_host *host, uint32_t attributes);
/* Bytes shared so far, on a host with VHDX_FILE_CAN_SHARE. */
uint64_t crash_host_shared(const struct crash_host *host);
/* A host with the same files. */
struct crash_host *crash_host_copy(const struct crash_host *host, uint64_t seed);

bool crash_host_exists(const struct crash_host *host, const char *path);
/* UINT64_MAX when there is no such file. */
uint64_t crash_host_size(const struct crash_host *host, const char *path);
void crash_host_remove(struct crash_host *host, const char *path);
/* Depends on names, sizes and bytes of all files. */
uint64_t crash_host_digest(const struct crash_host *host);
/* Open handles. */
size_t crash_host_handles(const struct crash_host *host);

/* Set while the host allocates for itself: a test that makes allocations fail must leave these alone. */
extern volatile int crash_host_allocating; /* volatile: compilers know that malloc does not look at it */

/* ---- faults ----------------------------------------------------------------------------------------------------- */

enum {
    CRASH_READ = 1 << 0,
    CRASH_WRITE = 1 << 1, /* also punching and cloning */
    CRASH_FLUSH = 1 << 2,
    CRASH_SET_SIZE = 1 << 3,
    CRASH_NAME = 1 << 4, /* remove, rename, sync_directory */
    CRASH_OPEN = 1 << 5,
    CRASH_ALL = (1 << 6) - 1,
};

struct crash_fault {
    unsigned calls; /* CRASH_*: the calls that count */
    uint64_t nth;   /* the first that fails, from 1; 0 = none */
    bool for_good;  /* so do all that follow */
    bool torn;      /* a write that fails leaves its first half */
    vhdx_status status;
};

/* Begins to count anew. */
void crash_host_fault(struct crash_host *host, const struct crash_fault *fault);
/* Calls of the chosen kinds since then. */
uint64_t crash_host_calls(const struct crash_host *host);
/* Whether a file was changed after a flush of it had failed. */
bool crash_host_wrote_after_failed_flush(const struct crash_host *host);

/* ---- power cuts ------------------------------------------------------------------------------------------------- */

/* Takes all that is there for durable and writes down what is done from now on. */
void crash_host_record(struct crash_host *host);
/* What follows is not written down. */
void crash_host_record_end(struct crash_host *host);
/* Calls written down: a cut may be before the first, ..., after the last. */
size_t crash_host_trace_length(const struct crash_host *host);
/* A line about the n-th call, for messages. Static storage. */
const char *crash_host_trace_text(const struct crash_host *host, size_t n);

/* What is durable, and what hangs in the air, at one place of the trace. The host must outlive it. */
struct crash_cut;

/* Before the first call. */
struct crash_cut *crash_cut_new(const struct crash_host *host);
void crash_cut_free(struct crash_cut *cut);
/* One call further. */
void crash_cut_advance(struct crash_cut *cut);
size_t crash_cut_place(const struct crash_cut *cut);
/* Calls that may or may not have reached the disk, oldest first. */
size_t crash_cut_pending(const struct crash_cut *cut);
/* Number of the i-th of them in the trace. */
size_t crash_cut_pending_call(const struct crash_cut *cut, size_t i);
bool crash_cut_pending_is_write(const struct crash_cut *cut, size_t i);

enum crash_fate {
    CRASH_LOST = 0,
    CRASH_KEPT = 1,
    CRASH_TORN = 2, /* of a write, some of its sectors of 512 bytes; else as KEPT */
};

/* The files after the cut; `fates` has one enum crash_fate for each pending call. `seed` decides how writes are
 * torn. */
struct crash_host *crash_cut_host(const struct crash_cut *cut, const uint8_t *fates, uint64_t seed);

/* By chance: a cut at some place of what `host` has recorded, and the files after a cut (of the calls that hang in the
 * air all are lost, all are kept, or each has a fate of its own). `chance` is the state of bld_random(). */
struct crash_cut *crash_cut_by_chance(const struct crash_host *host, uint64_t *chance);
struct crash_host *crash_cut_host_by_chance(const struct crash_cut *cut, uint64_t *chance);

#endif
