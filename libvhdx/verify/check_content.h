/*
 * The content of a chain as a hint, for the check and for a repair that asks whether a parent is the right one.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_CHECK_CONTENT_H
#define VX_VERIFY_CHECK_CONTENT_H

#include "chain/chain.h"
#include "guest/content.h"
#include "verify/verify.h"

/* Through all layers of the chain. */
void vx_content_of_chain(struct vx_chain *chain, struct vx_content *content);

/* The same of the chain of that file, for callers. */
vhdx_status vx_content_of_file(const vhdx_host *host, const char *path, const struct vx_search *search,
                               vhdx_content *result, vhdx_error *err);

/* Says what the content of the file's chain looks like, when it is recognized and the chain can be read. */
vhdx_status vx_check_content(struct vx_verification *v, vhdx_error *err);

#endif
