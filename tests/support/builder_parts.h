/* What the files of the builder share. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_BUILDER_PARTS_H
#define TESTS_SUPPORT_BUILDER_PARTS_H

#include "builder.h"
#include "inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/guid.h"

uint64_t bld_mix(uint64_t z);

#endif
