/*
 * Real files and other programs for tests: directories that vanish, whole files, commands with what they print, the
 * samples that other software wrote. The one thing that is easy to get wrong: Criterion runs each test in a process of
 * its own, so nothing is shared between tests.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

#include <vhdx.h>

/* A new directory under TMPDIR; ends the program when there is none to be had. */
char *files_directory(void);
/* Removes it with all that is in it and frees the name. */
void files_remove_directory(char *directory);
/* "DIRECTORY/NAME", to be freed. */
char *files_path(const char *directory, const char *name);

/* The file's bytes, to be freed; NULL when it cannot be read. */
uint8_t *files_read(const char *path, size_t *size);
bool files_write(const char *path, const void *bytes, size_t size);

struct files_run {
    int status;   /* as given to exit; 128 + number when a signal ended it, 127 when it could not be started */
    char *output; /* standard output, terminated */
    char *errors; /* standard error, terminated */
};
/* Runs `arguments` (NULL at the end) and waits for it. */
struct files_run files_run(const char *const *arguments);
void files_run_free(struct files_run *run);
/* Whether PATH has a program of that name. */
bool files_program_exists(const char *name);

/*
 * Unpacks a sample (its name without .gz) into the directory; the path to be freed, NULL when VHDX_SAMPLES is not set
 * or it is not there.
 */
char *files_sample(const char *directory, const char *name);

/* XXH3 of a file's bytes and size, on any host. false: cannot be read. */
bool files_digest(const vhdx_host *host, const char *path, uint64_t *digest);
/* Of the virtual disk's content, however large: the places and bytes of all that is not zeros. false: cannot be
 * read. */
bool files_content(vhdx_chain *chain, uint8_t hash[16], vhdx_error *err);

#endif
