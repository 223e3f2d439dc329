/*
 * The wrapped allocator. See allocations.h.
 */
/* SPDX-License-Identifier: MIT */
#include "fault/allocations.h"

#include "crash_host.h"

#include <malloc.h>
#include <stdlib.h>

static bool armed, failing_for_good, measuring;
static uint64_t allocations, failing_allocation;
static int64_t bytes, most_bytes;

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

void allocations_measure(void)
{
    bytes = most_bytes = 0;
    measuring = true;
}

uint64_t allocations_peak(void)
{
    measuring = false;
    return (uint64_t)most_bytes;
}

static void *count(void *memory)
{
    if (measuring && memory)
        bytes += (int64_t)malloc_usable_size(memory);
    if (bytes > most_bytes)
        most_bytes = bytes;
    return memory;
}

static void discount(void *memory)
{
    if (measuring && memory)
        bytes -= (int64_t)malloc_usable_size(memory);
}

static bool refuses(void)
{
    if (!armed || crash_host_allocating > 0)
        return false;
    allocations++;
    return failing_allocation > 0 &&
           (allocations == failing_allocation || (failing_for_good && allocations > failing_allocation));
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
    return refuses() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t items, size_t size)
{
    return refuses() ? NULL : count(__real_calloc(items, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (refuses())
        return NULL;
    discount(memory);
    void *moved = __real_realloc(memory, size);
    if (!moved)
        count(memory); /* it is still there */
    return count(moved);
}

void __wrap_free(void *memory)
{
    discount(memory);
    __real_free(memory);
}
