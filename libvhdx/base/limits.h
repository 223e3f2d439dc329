/*
 * Limits of this library that more than one room keeps.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_LIMITS_H
#define VX_BASE_LIMITS_H

#define VX_CHAIN_MAX 256u /* layers of a chain; a limit of this library and of others */

#endif
