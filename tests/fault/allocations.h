/*
 * Allocations that fail when asked. The allocator's names are wrapped by the linker for the program of these tests, so
 * the library needs no hook; what the host in memory allocates for itself does not count.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULT_ALLOCATIONS_H
#define TESTS_FAULT_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the `nth` allocation fails (0: none), with `for_good` all that follow too. */
void allocations_fail(uint64_t nth, bool for_good);
/* None fails any more. Returns how many there were. */
uint64_t allocations_end(void);

/* From now on bytes are counted, those of every host too. */
void allocations_measure(void);
/* Ends that. Returns the most that there were at any time beyond those at its beginning. */
uint64_t allocations_peak(void);

#endif
