/*
 * The wrapped allocator. See allocations.h.
 */
/* SPDX-License-Identifier: MIT */
#include "fault/allocations.h"

#include "crash_host.h"

#include <stdlib.h>

static bool armed, failing_for_good;
static uint64_t allocations, failing_allocation;

void allocations_fail(uint64_t nth, bool for_good)
{
    allocations = 0;
    failing_allocation = nth;
    failing_for_good = for_good;
    armed = true;
}

uint64_t allocations_end(void)
{
    armed = false;
    return allocations;
}

static bool refuses(void)
{
    if (!armed || crash_host_allocating > 0)
        return false;
    allocations++;
    return failing_allocation > 0 && (allocations == failing_allocation ||
                                      (failing_for_good && allocations > failing_allocation));
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return refuses() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuses() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return refuses() ? NULL : __real_realloc(memory, size);
}
