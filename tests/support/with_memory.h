/*
 * The set-up of suites whose disks are in memory: a host of its own for each case. A suite that needs more calls these
 * two from its own functions.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_WITH_MEMORY_H
#define TESTS_SUPPORT_WITH_MEMORY_H

#include <vhdx.h>

#include "memory.h"

static struct vx_memory_host *memory;
static const vhdx_host *host;

static inline void begin_memory(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
}

static inline void end_memory(void)
{
    vx_memory_host_free(memory);
}

#define MEMORY_SUITE(name) TestSuite(name, .init = begin_memory, .fini = end_memory)

#endif
