/*
 * What Hyper-V minds about the host's file besides its bytes: attributes of NTFS, the number of its pieces, and whether
 * a virtual machine's account may open it. Nothing of this is wrong with the disk, so nothing of this is an error; each
 * record names the command that cures it. The one thing that is easy to get wrong: the commands are for the Windows
 * host on which the file lies in the end, not for where we run; they are for PowerShell, and stand on lines of their
 * own.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/quote.h"
#include "format/security.h"
#include "base/path.h"
#include "verify/host.h"

#define EXTENTS_EXTREME UINT64_C(500000) /* NTFS ends somewhere above a million, depending on how they lie */
#define DESCRIPTOR_ROOM 65536u
#define COPY_CURES "copy it to a new file, plainly ('copy', 'cp --sparse=never')"

/* The file's name as one word for PowerShell. */
static const char *name_of(const struct vx_verification *v, struct vx_arena *arena)
{
    return vx_quote_powershell(arena, vx_path_name(vx_file_path(v->exam->raw), v->host->windows_paths));
}

/* Without memory the record brings the usual advice. */
static void add_host(struct vx_verification *v, enum vx_find kind, const char *advice)
{
    struct vx_finding finding = vx_finding_at(kind, "file", VHDX_NOWHERE);
    finding.advice = advice;
    vx_verify_add(v, &finding);
}

static void check_attributes(struct vx_verification *v, struct vx_arena *arena)
{
    const vhdx_file_facts *facts = vx_file_facts(v->exam->raw);
    if (!(facts->attributes & VHDX_FILE_SPARSE_HARMS))
        return;
    if (facts->attributes & VHDX_FILE_IS_SPARSE)
        add_host(v, VX_FIND_HOST_SPARSE,
                 vx_arena_format(arena, COPY_CURES ", or (Windows 10 and later)\n  fsutil sparse setflag %s 0",
                                 name_of(v, arena)));
    if (facts->attributes & VHDX_FILE_IS_COMPRESSED)
        add_host(v, VX_FIND_HOST_COMPRESSED,
                 vx_arena_format(arena, "in PowerShell\n  compact /u /f %s", name_of(v, arena)));
    if (facts->attributes & VHDX_FILE_IS_ENCRYPTED)
        add_host(v, VX_FIND_HOST_ENCRYPTED,
                 vx_arena_format(arena, "as the user who encrypted it\n  cipher /d %s", name_of(v, arena)));
}

/* Elsewhere many pieces are only slow, and a copy to NTFS begins anew. */
static void check_extents(struct vx_verification *v, struct vx_arena *arena)
{
    uint64_t count;
    if (!(vx_file_facts(v->exam->raw)->attributes & VHDX_FILE_SPARSE_HARMS) || !vx_file_extents(v->exam->raw, &count) ||
        count < EXTENTS_EXTREME)
        return;
    struct vx_finding finding = vx_finding_at(VX_FIND_HOST_EXTENTS, "file", VHDX_NOWHERE);
    vx_finding_set_values(&finding, count, EXTENTS_EXTREME);
    finding.advice = vx_arena_format(
        arena, "copy it to a new file, which then lies in few pieces; in place (Sysinternals)\n  contig %s",
        name_of(v, arena));
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
    char text[VX_GUID_TEXT], sid[VX_SID_TEXT];
    struct vx_arena arena = {0};
    const char *name = vx_quote_powershell(&arena, vx_path_name(path, v->host->windows_paths));
    vhdx_guid id;
    for (size_t i = 0; i < other->count; i++) {
        if (may_read(layer, &other->machines[i]) || !vx_sid_machine(&other->machines[i], &id))
            continue;
        struct vx_finding finding = vx_finding_at(VX_FIND_HOST_ACCESS_LOST, "file", VHDX_NOWHERE);
        vx_guid_format(&id, text);
        vx_sid_format(&other->machines[i], sid);
        finding.text = text;
        finding.advice = vx_arena_format(&arena, "in PowerShell\n  icacls %s /grant '*%s:(F)'", name, sid);
        vx_verify_add(v, &finding);
    }
    vx_arena_clear(&arena);
}

static vhdx_status check_access(struct vx_verification *v, struct vx_arena *arena, vhdx_error *err)
{
    struct vx_host_access access;
    VX_TRY(vx_host_access(v->exam, &access, err));
    if (!access.known || access.who != VX_MACHINE_ACCESS_NONE)
        return VHDX_OK;
    add_host(v, VX_FIND_HOST_ACCESS,
             vx_arena_format(
                 arena, "if a machine is to use it\n  icacls %s /grant 'NT VIRTUAL MACHINE\\<id of the machine>:(F)'",
                 name_of(v, arena)));
    return VHDX_OK;
}

vhdx_status vx_check_host(struct vx_verification *v, vhdx_error *err)
{
    struct vx_arena arena = {0};
    check_attributes(v, &arena);
    check_extents(v, &arena);
    vhdx_status status = check_access(v, &arena, err);
    vx_arena_clear(&arena);
    return status;
}
