/* What the suites of classification share: an estate of made-up records, and what is expected of it. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CLASSIFY_PARTS_H
#define TESTS_CLASSIFY_PARTS_H

#include <criterion/criterion.h>

#include "builder.h"
#include "estate.h"

#include <stdio.h>
#include <string.h>

static struct est e;

static inline void open_estate(void)
{
    est_open(&e);
}

static inline void close_estate(void)
{
    est_close(&e);
}

#define expect_status(path, status)                                                                                    \
    cr_expect_str_eq(est_status(&e, path), status, "%s is '%s', expected '%s'", path, est_status(&e, path), status)

static inline const char *merge_step(void)
{
    for (size_t i = 0; i < e.estate->family_count; i++)
        for (size_t j = 0; j < e.estate->families[i].step_count; j++)
            if (e.estate->families[i].steps[j].kind == VHDX_STEP_MERGE)
                return e.estate->families[i].steps[j].text;
    return "(none)";
}

#endif
