/*
 * What the fuzz targets share. A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput(); it holds properties with
 * FUZZ_DEMAND, because "did not crash" says little. Inputs stay short: a structure of fixed size is the input with
 * zeros behind it. Where a structure has a checksum, the target's own mutator mends it, or the fuzzer would never get
 * past it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
/* libFuzzer's own; replay.c brings one that does nothing. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Ends the program when a property does not hold. */
#define FUZZ_DEMAND(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fuzz_broken(__FILE__, __LINE__, #condition);                                                               \
    } while (0)
_Noreturn void fuzz_broken(const char *file, int line, const char *condition);

/* The input, or its beginning, with zeros up to `room` behind it. Returns how many bytes came from the input. */
size_t fuzz_expand(const uint8_t *data, size_t size, uint8_t *out, size_t room);

/* Mutates; then, seven times in eight, puts the checksum that `checksum_of` computes into the 4 bytes at `field`. */
size_t fuzz_mutate_and_mend(uint8_t *data, size_t size, size_t max_size, unsigned int seed, size_t field,
                            uint32_t (*checksum_of)(const uint8_t *data, size_t size));

#endif
