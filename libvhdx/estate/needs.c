/*
 * Needs. See needs.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/needs.h"

#include "base/guid.h"
#include "base/utf.h"
#include "base/path.h"
#include "estate/vhd_sets.h"

#include <string.h>

static const vhdx_guid *id_of(const vhdx_machine_info *info)
{
    return info->has_machine_id ? &info->machine_id : info->has_id && !info->checkpoint ? &info->id : NULL;
}

/* Also where it is not known: then it may be. */
static bool is_same_machine(const struct vx_estate *estate, size_t a, size_t b)
{
    const vhdx_guid *first = id_of(estate->machines[a].pub.info), *second = id_of(estate->machines[b].pub.info);
    return a == b || !first || !second || vx_guid_equal(first, second);
}

/* false: that was known. */
static bool add_user(const struct vx_estate *estate, struct vx_disk *disk, size_t user, bool several)
{
    if (disk->several_users || user == 0)
        return false;
    if (disk->user == 0)
        disk->user = user;
    else if (is_same_machine(estate, disk->user - 1, user - 1) && !several)
        return false;
    else
        disk->several_users = true;
    disk->several_users |= several;
    return true;
}

static void name_users(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++)
        for (const struct vx_reference *r = estate->disks[i].references; r; r = r->next)
            add_user(estate, &estate->disks[i], r->pub.config + 1, false);
}

/* The machines that need what hangs on a disk need that too; each disk changes twice at most. */
static void hand_users_down(struct vx_estate *estate, size_t number)
{
    size_t user = estate->disks[number].user;
    bool several = estate->disks[number].several_users;
    for (size_t at = estate->disks[number].pub.parent; at != VHDX_NONE; at = estate->disks[at].pub.parent)
        if (!add_user(estate, &estate->disks[at], user, several))
            return;
}

static bool is_named_by(const struct vx_estate *estate, const struct vx_disk *disk, size_t user)
{
    for (const struct vx_reference *r = disk->references; r; r = r->next)
        if (is_same_machine(estate, r->pub.config, user - 1))
            return true;
    return false;
}

/*
 * A machine that names a disk on which others have their clones is the master of these, and is not to be started; but
 * nothing is wrong with it. Where anything that hangs on the disk may be the machine's own, that may be its newest
 * state.
 */
static bool is_template(const struct vx_estate *estate, const struct vx_disk *disk)
{
    size_t clones = 0;
    for (size_t i = 0; i < disk->pub.child_count; i++) {
        const struct vx_disk *child = &estate->disks[disk->pub.children[i]];
        if (vx_disk_is_quarantined(child))
            continue;
        if (child->user == 0 || child->several_users || is_named_by(estate, disk, child->user))
            return false;
        clones++;
    }
    return clones > 0;
}

/* Marks the ancestors; ends where everything is marked already, so that all walks together are short. */
static void need_ancestors(struct vx_estate *estate, size_t number)
{
    const struct vx_disk *leaf = &estate->disks[number];
    bool machine = leaf->named_by_machine, checkpoint = leaf->named_by_checkpoint;
    uint32_t inherited = leaf->inherited;
    for (size_t at = leaf->pub.parent; at != VHDX_NONE; at = estate->disks[at].pub.parent) {
        struct vx_disk *disk = &estate->disks[at];
        bool known = (disk->needed_by_machine || !machine) && (disk->needed_by_checkpoint || !checkpoint) &&
                     (disk->inherited & inherited) == inherited;
        if (known)
            return;
        disk->needed_by_machine |= machine;
        disk->needed_by_checkpoint |= checkpoint;
        disk->inherited |= inherited;
    }
}

static void serve_ancestors(struct vx_estate *estate, size_t number)
{
    for (size_t at = estate->disks[number].pub.parent; at != VHDX_NONE && !estate->disks[at].serves_others;
         at = estate->disks[at].pub.parent)
        estate->disks[at].serves_others = true;
}

/* Files that people keep without any machine that names them. */
static bool is_of_other_use(const struct vx_disk *disk, bool windows)
{
    static const char *const names[] = {"ext4.vhdx", "swap.vhdx", "docker_data.vhdx", "sandbox.vhdx",
                                        "RW.vhdx",   "RO.vhdx",   "Merge.vhdx"};
    static const char *const beginnings[] = {"UVHD-", "Profile_", "ODFC_"};
    const char *name = vx_path_name(disk->absolute, windows);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (vx_name_equal(name, names[i]))
            return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (strlen(name) > strlen(beginnings[i]) &&
            vx_name_equal_part(name, strlen(beginnings[i]), beginnings[i], strlen(beginnings[i])))
            return true;
    for (const char *part = disk->absolute; *part;) {
        size_t length = strcspn(part, "\\/");
        if (vx_name_equal_part(part, length, "WindowsImageBackup", strlen("WindowsImageBackup")))
            return true;
        part += length;
        part += *part != '\0';
    }
    return false;
}

static bool is_recovery(const struct vx_disk *disk, bool windows)
{
    static const char ending[] = "-AutoRecovery";
    const char *name = vx_path_name(disk->absolute, windows);
    size_t stem = (size_t)(vx_path_extension(name, windows) - name), length = sizeof ending - 1;
    return stem > length && vx_name_equal_part(name + stem - length, length, ending, length);
}

static void mark_by_name(struct vx_estate *estate, struct vx_disk *disk)
{
    bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
    if (is_of_other_use(disk, windows))
        disk->pub.flags |= VHDX_DISK_FLAG_OTHER_USE;
    if (is_recovery(disk, windows))
        disk->pub.flags |= VHDX_DISK_FLAG_RECOVERY;
}

bool vx_needs_mark(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        mark_by_name(estate, disk);
        if (disk->named_by_machine || disk->named_by_checkpoint)
            need_ancestors(estate, i);
    }
    name_users(estate);
    for (size_t i = 0; i < estate->disk_count; i++)
        hand_users_down(estate, i);
    for (size_t i = 0; i < estate->disk_count; i++)
        estate->disks[i].is_template = estate->disks[i].named_by_machine && is_template(estate, &estate->disks[i]);
    if (!vx_sets_spread(estate))
        return false;
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        bool other = disk->named_by_machine || disk->named_by_checkpoint || disk->in_set ||
                     (disk->pub.flags & VHDX_DISK_FLAG_OTHER_USE);
        if (other)
            serve_ancestors(estate, i);
        disk->is_needed |= disk->named_by_machine || disk->named_by_checkpoint || disk->needed_by_machine ||
                           disk->needed_by_checkpoint || disk->named_alike || disk->named_less || disk->in_set ||
                           disk->locked || disk->is_suspect || disk->is_namesake;
    }
    return true;
}
