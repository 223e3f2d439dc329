/*
 * Security descriptors as NTFS keeps them ([MS-DTYP] 2.4): whose account may open a file. Decoding only; nothing here
 * is ever written. Not part of VHDX: it says whether a virtual machine may open its disk, and whose disk it was.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_SECURITY_H
#define VX_FORMAT_SECURITY_H

#include <vhdx.h>

#include "base/bytes.h"

#define VX_SID_TEXT 192 /* "S-1-" and fifteen numbers at most */

struct vx_sid {
    uint8_t revision, count;
    uint64_t authority; /* 48 bits */
    uint32_t parts[15];
};

/* An account's entry in the access list, allowing or denying. */
struct vx_ace {
    uint8_t type, flags;
    uint32_t mask;
    struct vx_sid sid; /* only of the types ALLOWED and DENIED */
};

enum {
    VX_ACE_ALLOWED = 0,
    VX_ACE_DENIED = 1,
    VX_ACE_INHERIT_ONLY = 8, /* flag: for files below a directory, not for this one */
};

struct vx_security {
    bool everybody;       /* there is no list: access is not restricted */
    struct vx_bytes list; /* the entries */
    uint32_t count;       /* that the list says it has */
};

/* TRUNCATED or CORRUPT when it is no descriptor in one piece. */
vhdx_status vx_security_decode(struct vx_bytes in, struct vx_security *out);
/* The next entry; `*at` begins as 0. false: there are no more, or they make no sense from here on. */
bool vx_security_next(const struct vx_security *security, size_t *at, struct vx_ace *ace);

void vx_sid_format(const struct vx_sid *sid, char text[VX_SID_TEXT]);
/* Whether it is the account of one virtual machine ("NT VIRTUAL MACHINE\ID"), and of which: the id is written in the
 * account's number. */
bool vx_sid_machine(const struct vx_sid *sid, vhdx_guid *machine_id);

enum vx_machine_access {
    VX_MACHINE_ACCESS_ALL,  /* every machine may read the file */
    VX_MACHINE_ACCESS_SOME, /* those in `machines` */
    VX_MACHINE_ACCESS_NONE,
};

#define VX_MACHINES_MAX 8u

/*
 * Which virtual machines the descriptor lets read the file, as far as accounts of machines, their group and Everyone
 * go: the members of other groups are not known here. Machines beyond VX_MACHINES_MAX are left out.
 */
enum vx_machine_access vx_security_machines(const struct vx_security *security, struct vx_sid machines[VX_MACHINES_MAX],
                                            size_t *count);

#endif
