/*
 * The words of an advice. Which advice is right is for the place that knows what is wrong; status.h has errors, and
 * findings.h findings that carry one.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_ADVICE_H
#define VX_BASE_ADVICE_H

#include <vhdx.h>

/* With its places for arguments; NULL where words are given beside the advice. Static. */
const char *vx_advice_words(vhdx_advice advice);

/* Writes the words with the arguments (NULL = ""), cut to fit and terminated when there is room; returns their whole
 * length. */
size_t vx_advice_format(vhdx_advice advice, const char *first, const char *second, char *text, size_t room);

#endif
