/*
 * Pointing a child at its parent's file, when that has moved or, at the caller's own risk, when it is another one.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_RELINK_H
#define VX_CHAIN_RELINK_H

#include "image/image.h"

/* As vhdx_relink. */
vhdx_status vx_relink(const vhdx_host *host, const char *child, const char *parent, bool force, vhdx_error *err);
/* Refuses what vx_relink would refuse (without `force`), and writes nothing. */
vhdx_status vx_relink_check(const vhdx_host *host, const char *child, const char *parent, vhdx_error *err);

#endif
