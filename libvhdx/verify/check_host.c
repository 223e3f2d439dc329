/*
 * What Hyper-V minds about the host's file besides its bytes: attributes of NTFS, the number of its pieces, and whether a virtual machine's account may open it.
 * Nothing of this is wrong with the disk, so nothing of this is an error; each record names the command that cures it. The one
 * thing that is easy to get wrong: the commands are for the Windows host on which the file lies in the end, not for where we run.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "format/security.h"
#include "io/path.h"
#include "verify/host.h"

#include <stdio.h>

#define EXTENTS_EXTREME UINT64_C(500000) /* NTFS ends somewhere above a million, depending on how they lie */
#define DESCRIPTOR_ROOM 65536u
#define COPY_CURES "or copy it to a new file, plainly ('copy', 'cp --sparse=never')"

static const char *name_of(const struct vx_verification *v)
{
    return vx_path_name(vx_file_path(v->exam->raw), v->host->windows_paths);
}

static void add_host(struct vx_verification *v, enum vx_find kind, const char *advice)
{
    struct vx_finding finding = vx_found(kind, "file", VHDX_NOWHERE);
    finding.advice = advice;
    vx_verify_add(v, &finding);
}

static void check_attributes(struct vx_verification *v)
{
    const vhdx_file_facts *facts = vx_file_facts(v->exam->raw);
    char advice[700];
    if (!(facts->attributes & VHDX_FILE_SPARSE_HARMS))
        return;
    if (facts->attributes & VHDX_FILE_IS_SPARSE) {
        snprintf(advice, sizeof advice, "fsutil sparse setflag \"%.300s\" 0 (Windows 10 and later), " COPY_CURES, name_of(v));
        add_host(v, VX_FIND_HOST_SPARSE, advice);
    }
    if (facts->attributes & VHDX_FILE_IS_COMPRESSED) {
        snprintf(advice, sizeof advice, "compact /u /f \"%.300s\"", name_of(v));
        add_host(v, VX_FIND_HOST_COMPRESSED, advice);
    }
    if (facts->attributes & VHDX_FILE_IS_ENCRYPTED) {
        snprintf(advice, sizeof advice, "cipher /d \"%.300s\", as the user who encrypted it", name_of(v));
        add_host(v, VX_FIND_HOST_ENCRYPTED, advice);
    }
}

/* Elsewhere many pieces are only slow, and a copy to NTFS begins anew. */
static void check_extents(struct vx_verification *v)
{
    char advice[700];
    uint64_t count;
    if (!(vx_file_facts(v->exam->raw)->attributes & VHDX_FILE_SPARSE_HARMS) || !vx_file_extents(v->exam->raw, &count) ||
        count < EXTENTS_EXTREME)
        return;
    struct vx_finding finding = vx_found(VX_FIND_HOST_EXTENTS, "file", VHDX_NOWHERE);
    vx_found_values(&finding, count, EXTENTS_EXTREME);
    snprintf(advice, sizeof advice,
             "copy it to a new file, which then lies in few pieces; in place: contig \"%.300s\" (Sysinternals)", name_of(v));
    finding.advice = advice;
    vx_verify_add(v, &finding);
}

vhdx_status vx_host_access(struct vx_exam *exam, struct vx_host_access *access, vhdx_error *err)
{
    struct vx_security security;
    size_t size;
    *access = (struct vx_host_access){0};
    uint8_t *bytes = vx_alloc(DESCRIPTOR_ROOM, 1);
    if (!bytes)
        return vx_fail_memory(err, "a security descriptor");
    if (vx_file_security(exam->raw, bytes, DESCRIPTOR_ROOM, &size) &&
        vx_security_decode(vx_bytes_of(bytes, size), &security) == VHDX_OK) {
        access->known = true;
        access->who = vx_security_machines(&security, access->machines, &access->count);
    }
    vx_free(bytes);
    return VHDX_OK;
}

static bool may_read(const struct vx_host_access *access, const struct vx_sid *machine)
{
    vhdx_guid own, wanted;
    if (!access->known || access->who == VX_MACHINE_ACCESS_ALL || !vx_sid_machine(machine, &wanted))
        return true;
    for (size_t i = 0; i < access->count; i++)
        if (vx_sid_machine(&access->machines[i], &own) && vx_guid_equal(&own, &wanted))
            return true;
    return false;
}

void vx_check_access_of(struct vx_verification *v, const char *path, const struct vx_host_access *layer,
                        const struct vx_host_access *other)
{
    char text[VX_GUID_TEXT], sid[VX_SID_TEXT], advice[700];
    vhdx_guid id;
    for (size_t i = 0; i < other->count; i++) {
        if (may_read(layer, &other->machines[i]) || !vx_sid_machine(&other->machines[i], &id))
            continue;
        struct vx_finding finding = vx_found(VX_FIND_HOST_ACCESS_LOST, "file", VHDX_NOWHERE);
        vx_guid_format(&id, text);
        vx_sid_format(&other->machines[i], sid);
        snprintf(advice, sizeof advice, "icacls \"%.300s\" /grant *%s:(F)", vx_path_name(path, v->host->windows_paths), sid);
        finding.text = text;
        finding.advice = advice;
        vx_verify_add(v, &finding);
    }
}

static vhdx_status check_access(struct vx_verification *v, vhdx_error *err)
{
    struct vx_host_access access;
    char advice[700];
    VX_TRY(vx_host_access(v->exam, &access, err));
    if (!access.known || access.who != VX_MACHINE_ACCESS_NONE)
        return VHDX_OK;
    snprintf(advice, sizeof advice,
             "if a machine is to use it: icacls \"%.300s\" /grant \"NT VIRTUAL MACHINE\\<id of the machine>\":(F)", name_of(v));
    add_host(v, VX_FIND_HOST_ACCESS, advice);
    return VHDX_OK;
}

vhdx_status vx_check_host(struct vx_verification *v, vhdx_error *err)
{
    check_attributes(v);
    check_extents(v);
    return check_access(v, err);
}
