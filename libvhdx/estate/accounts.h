/*
 * Which machines' accounts a disk's security descriptor names, and what follows from it: which machines lost a disk,
 * and which disks in use their machines may not open. The descriptors themselves are read by orphans/access.c.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_ACCOUNTS_H
#define VX_ESTATE_ACCOUNTS_H

#include "estate/estate.h"

bool vx_account_is_listed(const vhdx_guid *ids, size_t count, const vhdx_guid *id);
/* After the statuses are known. false: no memory. */
bool vx_accounts_judge(struct vx_estate *estate);

#endif
