/*
 * What an NTFS file system, of which a part is in a child and another in the layers below, says about the two:
 * nothing that speaks against the layers below, the same disk written to since, another disk, or that it cannot tell.
 *
 * Mind clocks. A time in a file record is what the guest's clock said, and programs set some of them; the
 * numbers of the log (LSN) are free of that, but a volume that only Linux wrote has none. So times count only where
 * there is no log.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_PROOF_NTFS_H
#define VX_GUEST_PROOF_NTFS_H

#include "guest/two_views.h"

/*
 * Reads some 100 MiB at most where there are not many files, 600 MiB in any case, of file records and of the log. Only
 * NOMEM is a failure.
 */
vhdx_status vx_prove_by_ntfs(const struct vx_volume *volume, struct vx_fs_proof *proof, vhdx_error *err);

#endif
