/*
 * Security descriptor: entries are inside of it, there are no more than it says, and every account has a text that
 * fits.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "format/security.h"

#include <string.h>

static void demand_account(const struct vx_sid *sid)
{
    char text[VX_SID_TEXT];
    vhdx_guid id;
    vx_sid_format(sid, text);
    FUZZ_DEMAND(strlen(text) < sizeof text && strncmp(text, "S-", 2) == 0);
    FUZZ_DEMAND(!vx_sid_machine(sid, &id) || strncmp(strchr(text + 2, '-'), "-5-83-1-", 8) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_security security;
    struct vx_sid machines[VX_MACHINES_MAX];
    struct vx_ace ace;
    size_t at = 0, count;
    if (vx_security_decode(vx_bytes_of(data, size), &security) != VHDX_OK)
        return 0;
    FUZZ_DEMAND(security.list.size <= size);
    FUZZ_DEMAND(security.list.size == 0 || (security.list.data >= data && security.list.data < data + size));
    while (vx_security_next(&security, &at, &ace)) {
        FUZZ_DEMAND(at <= security.list.size);
        demand_account(&ace.sid);
    }
    enum vx_machine_access access = vx_security_machines(&security, machines, &count);
    FUZZ_DEMAND(count <= VX_MACHINES_MAX && (access != VX_MACHINE_ACCESS_SOME || count > 0));
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size >= 20 && seed % 8 != 0) { /* revision, and a list that is present in one piece */
        data[0] = 1;
        data[2] |= 0x04;
        data[3] |= 0x80;
    }
    return size;
}
