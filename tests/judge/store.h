/*
 * Files in memory for the judge: sparse, and copied by sharing their pages, so that each command can have a copy of the
 * damaged disk of its own and what it has written is found by comparing pointers. Shares no code with the library's
 * hosts.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_JUDGE_STORE_H
#define TESTS_JUDGE_STORE_H

#include <vhdx.h>

#define STORE_PAGE 4096u

struct store;
struct store_file;

/* All memory comes from an allocator that ends the program instead of failing. */
struct store *store_new(uint64_t seed);
/* Takes NULL. No file may be open. */
void store_free(struct store *store);
const vhdx_host *store_host(struct store *store);
/* A store with the same files. */
struct store *store_copy(const struct store *store, uint64_t seed);
void store_remove(struct store *store, const char *path);

/* NULL when there is none. */
struct store_file *store_find(const struct store *store, const char *path);
/* Makes it when there is none. */
struct store_file *store_open(struct store *store, const char *path);
uint64_t store_size(const struct store_file *file);
void store_resize(struct store_file *file, uint64_t size);
/* What is behind the end reads as zeros. */
void store_read(const struct store_file *file, uint64_t offset, void *bytes, size_t length);
void store_write(struct store_file *file, uint64_t offset, const void *bytes, size_t length);
/* A page of the file, NULL when all of it is zeros (or was never written). */
const uint8_t *store_page(const struct store_file *file, uint64_t index);
/* The first page at or after `index` that is in memory; UINT64_MAX: none. */
uint64_t store_next(const struct store_file *file, uint64_t index);
/* The first page at or after `index` in which the two differ; UINT64_MAX: none. */
uint64_t store_differs(const struct store_file *a, const struct store_file *b, uint64_t index);

#endif
