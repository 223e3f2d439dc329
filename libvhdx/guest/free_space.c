/*
 * Finding the volumes and asking their readers. See free_space.h. Each volume is read twice: all of them are checked
 * first, because a guest that hibernates in one has the others mounted too, then those that may be believed tell.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/free_space.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "guest/filesystems.h"
#include "guest/free_volume.h"
#include "guest/lvm.h"

#include <stdio.h>
#include <string.h>

#define VOLUMES_MAX 256u

/* A volume, found but not asked. */
struct found {
    uint64_t offset, length; /* on the virtual disk */
    struct vx_fs fs;
    uint32_t group;   /* of LVM: index in `groups`, from 1; 0 = a partition */
    uint32_t logical; /* which volume of it */
    bool tells;       /* it may be believed */
    bool hibernated;
    uint64_t free_bytes;
    enum vx_free_cure cure;
    char reason[200];
};

struct group {
    uint64_t offset, length; /* of the physical volume */
    struct vx_lvm lvm;
};

struct search {
    const struct vx_content_source *source;
    const struct vx_free_listener *listener;
    struct vx_content content;
    struct found *volumes;
    uint32_t count;
    struct group **groups;
    uint32_t group_count;
    uint8_t *buf;
    uint64_t run, run_end; /* free, of the virtual disk, not told yet */
    bool ended;
};

/* ---- a volume's bytes -------------------------------------------------------------------------------------------- */

struct asking {
    struct search *search;
    const struct found *found;
};

/* Where a place of the volume is on the virtual disk, and for how long. */
static bool locate(const struct asking *asking, uint64_t at, uint64_t *place, uint64_t *here)
{
    const struct found *found = asking->found;
    if (found->group == 0) {
        *place = found->offset + at;
        *here = found->length - at;
        return at < found->length;
    }
    const struct group *group = asking->search->groups[found->group - 1];
    const struct vx_lvm_volume *volume = &group->lvm.volumes[found->logical];
    for (uint32_t i = 0; i < volume->count; i++) {
        const struct vx_lvm_segment *segment = &volume->segments[i];
        if (at < segment->start || at - segment->start >= segment->length)
            continue;
        *place = group->offset + segment->place + (at - segment->start);
        *here = segment->length - (at - segment->start);
        return true;
    }
    return false;
}

static bool read_volume(void *context, void *buf, size_t length, uint64_t offset)
{
    const struct asking *asking = context;
    const struct vx_content_source *source = asking->search->source;
    uint8_t *out = buf;
    uint64_t place, here;
    while (length > 0) {
        if (!locate(asking, offset, &place, &here))
            return false;
        here = vx_min(here, length);
        if (place > source->size || here > source->size - place ||
            !source->read(source->context, out, (size_t)here, place))
            return false;
        out += here;
        offset += here;
        length -= (size_t)here;
    }
    return true;
}

static bool flush_run(struct search *search)
{
    uint64_t run = search->run, length = search->run_end - search->run;
    search->run = search->run_end = 0;
    if (length == 0)
        return true;
    search->ended = !search->listener->free(search->listener->context, run, length);
    return !search->ended;
}

/* Neighbours become one. */
static bool tell_disk(struct search *search, uint64_t place, uint64_t length)
{
    if (place != search->run_end || search->run_end == 0) {
        if (!flush_run(search))
            return false;
        search->run = place;
    }
    search->run_end = place + length;
    return true;
}

static bool tell_volume(void *context, uint64_t offset, uint64_t length)
{
    const struct asking *asking = context;
    uint64_t place, here;
    while (length > 0) {
        if (!locate(asking, offset, &place, &here))
            return false;
        here = vx_min(here, length);
        if (!tell_disk(asking->search, place, here))
            return false;
        offset += here;
        length -= here;
    }
    return true;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static void refuse(struct found *found, enum vx_free_cure cure, const char *reason)
{
    if (found->reason[0])
        return;
    snprintf(found->reason, sizeof found->reason, "%s", reason);
    found->cure = cure;
}

static struct found *add_volume(struct search *search, uint64_t offset, uint64_t length)
{
    if (search->count == VOLUMES_MAX)
        return NULL;
    struct found *found = &search->volumes[search->count++];
    *found = (struct found){.offset = offset, .length = length};
    return found;
}

static bool is_raid_block(const struct search *search, const struct found *found, uint64_t at)
{
    uint8_t bytes[4];
    const struct asking asking = {(struct search *)(uintptr_t)search, found};
    return at < found->length && found->length - at >= sizeof bytes &&
           read_volume((void *)(uintptr_t)&asking, bytes, sizeof bytes, at) && vx_get32(bytes) == UINT32_C(0xA92B4EFC);
}

/* A member of an array may show the file system of the whole, of which it holds every n-th piece. */
static bool is_raid_member(const struct search *search, const struct found *found)
{
    uint64_t length = found->length;
    return is_raid_block(search, found, 0) || is_raid_block(search, found, 4096) ||
           (length >= 64 * VX_KIB && is_raid_block(search, found, vx_round_down(length, 64 * VX_KIB) - 64 * VX_KIB)) ||
           (length >= 8 * VX_KIB && is_raid_block(search, found, vx_round_down(length - 8 * VX_KIB, 4 * VX_KIB)));
}

static bool is_type(const struct vx_partition *partition, const uint8_t id[16])
{
    return memcmp(partition->type.bytes, id, 16) == 0;
}

/* Types of partitions whose content is a part of something else. NULL: of none. */
static const char *composed_of(const struct vx_partition *partition)
{
    static const uint8_t ldm_data[16] = {0xA0, 0x60, 0x9B, 0xAF, 0x31, 0x14, 0x62, 0x4F,
                                         0xBC, 0x68, 0x33, 0x11, 0x71, 0x4A, 0x69, 0xAD};
    static const uint8_t ldm_metadata[16] = {0xAA, 0xC8, 0x08, 0x58, 0x8F, 0x7E, 0xE0, 0x42,
                                             0x85, 0xD2, 0xE1, 0xE9, 0x04, 0x34, 0xCF, 0xB3};
    static const uint8_t spaces[16] = {0x8F, 0xAF, 0x5C, 0xE7, 0x80, 0xF6, 0xEE, 0x4C,
                                       0xAF, 0xA3, 0xB0, 0x01, 0xE5, 0x6E, 0xFC, 0x2D};
    static const uint8_t raid[16] = {0x0F, 0x88, 0x9D, 0xA1, 0xFC, 0x05, 0x3B, 0x4D,
                                     0xA0, 0x06, 0x74, 0x3F, 0x0F, 0x84, 0x91, 0x1E};
    if (partition->mbr_type == 0x42 || is_type(partition, ldm_data) || is_type(partition, ldm_metadata))
        return "it is a part of a dynamic disk";
    if (is_type(partition, spaces))
        return "it is a part of Storage Spaces";
    if (partition->mbr_type == 0xFD || is_type(partition, raid))
        return "it is a member of an array (Linux RAID)";
    return NULL;
}

static void judge_kind(struct search *search, struct found *found)
{
    static const char *const unread[] = {
        [VX_FS_NONE] = "nothing that is known begins here",
        [VX_FS_REFS] = "its free space is not read",
        [VX_FS_BITLOCKER] = "it is encrypted",
        [VX_FS_BTRFS] = "its free space is not read",
        [VX_FS_LUKS] = "it is encrypted",
        [VX_FS_SWAP] = "what it holds is in use while it is mounted",
    };
    enum vx_fs_kind kind = found->fs.kind;
    if (is_raid_member(search, found))
        refuse(found, VX_FREE_CURE_NONE, "it is a member of an array (Linux RAID)");
    if ((unsigned)kind < sizeof unread / sizeof unread[0] && unread[kind])
        refuse(found, VX_FREE_CURE_NONE, unread[kind]);
    if (found->fs.contradictions > 0)
        refuse(found, VX_FREE_CURE_CHECK, "its boot sectors, their copies or their checksums contradict each other");
}

static bool read_physical(void *context, void *buf, size_t length, uint64_t offset)
{
    return read_volume(context, buf, length, offset);
}

/* Looks at a logical volume as at a partition. */
static bool read_logical(void *context, void *buf, size_t length, uint64_t offset)
{
    return read_volume(context, buf, length, offset);
}

static void add_logical(struct search *search, const struct group *group, uint32_t number)
{
    const struct vx_lvm_volume *volume = &group->lvm.volumes[number];
    struct found *found =
        add_volume(search, volume->count > 0 ? group->offset + volume->segments[0].place : group->offset, volume->size);
    if (!found)
        return;
    found->group = search->group_count;
    found->logical = number;
    struct asking asking = {search, found};
    const struct vx_content_source source = {&asking, read_logical, volume->size, search->source->sector_size};
    if (!volume->linear || !volume->visible) {
        refuse(found, VX_FREE_CURE_NONE,
               volume->visible ? "it is not linear, or not whole on this disk"
                               : "it is a hidden part of another logical volume");
        return;
    }
    if (group->lvm.snapshots)
        refuse(found, VX_FREE_CURE_SNAPSHOTS, "its volume group has snapshots, which read what is free by now");
    vx_fs_look(&source, 0, volume->size, &found->fs);
    judge_kind(search, found);
}

/* Segments must be in the physical volume, and none in another one's. */
static bool are_apart(const struct group *group)
{
    for (uint32_t i = 0; i < group->lvm.count; i++)
        for (uint32_t j = 0; j < group->lvm.volumes[i].count; j++) {
            const struct vx_lvm_segment *a = &group->lvm.volumes[i].segments[j];
            if (a->place > group->length || a->length > group->length - a->place)
                return false;
            for (uint32_t k = 0; k <= i; k++)
                for (uint32_t m = 0; m < (k < i ? group->lvm.volumes[k].count : j); m++) {
                    const struct vx_lvm_segment *b = &group->lvm.volumes[k].segments[m];
                    if (a->place < b->place + b->length && b->place < a->place + a->length)
                        return false;
                }
        }
    return true;
}

static vhdx_status open_group(struct search *search, struct found *physical, vhdx_error *err)
{
    struct asking asking = {search, physical};
    const struct vx_lvm_source source = {&asking, read_physical};
    char id[33];
    size_t size;
    struct group **groups = vx_resize(search->groups, search->group_count + 1, sizeof *groups);
    struct group *group = groups ? vx_alloc(1, sizeof *group) : NULL;
    if (groups)
        search->groups = groups;
    if (!group)
        return vx_fail_memory(err, "a volume group");
    group->offset = physical->offset;
    group->length = physical->length;
    if (!vx_lvm_find(&source, id, search->buf, &size) ||
        !vx_lvm_decode(vx_bytes_of(search->buf, size), id, &group->lvm) || !are_apart(group)) {
        vx_free(group);
        refuse(physical, VX_FREE_CURE_NONE, "its volume group cannot be read");
        return VHDX_OK;
    }
    search->groups[search->group_count++] = group;
    refuse(physical, VX_FREE_CURE_NONE, "of what lies outside of its logical volumes nothing is known");
    for (uint32_t i = 0; i < group->lvm.count; i++)
        add_logical(search, group, i);
    return VHDX_OK;
}

static void find_partitions(struct search *search)
{
    const struct vx_content *content = &search->content;
    bool no_table = content->table == VX_TABLE_NONE && !content->protective_mbr && !content->primary.damaged &&
                    !content->backup.damaged;
    for (uint32_t i = 0; i < content->partition_count; i++) {
        const struct vx_partition *partition = &content->partitions[i];
        struct found *found = add_volume(search, partition->offset, partition->length);
        if (!found)
            return;
        found->fs = partition->fs;
        if (composed_of(partition))
            refuse(found, VX_FREE_CURE_NONE, composed_of(partition));
        if (partition->beyond_end)
            refuse(found, VX_FREE_CURE_CHECK, "it ends behind the end of the disk");
    }
    if (no_table && content->whole.kind != VX_FS_NONE)
        add_volume(search, 0, search->source->size)->fs = content->whole;
}

static bool overlap(const struct found *a, const struct found *b)
{
    return a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

/* What contradicts itself is believed in nothing: copies of a table, partitions that share bytes. */
static void judge_table(struct search *search)
{
    const struct vx_content *content = &search->content;
    bool differ = content->gpt_copies_differ ||
                  (content->table == VX_TABLE_GPT && content->primary.found && !content->primary.array_right);
    for (uint32_t i = 0; i < search->count; i++) {
        if (differ)
            refuse(&search->volumes[i], VX_FREE_CURE_NONE, "the copies of the partition table differ");
        for (uint32_t j = 0; j < i; j++)
            if (overlap(&search->volumes[i], &search->volumes[j])) {
                refuse(&search->volumes[i], VX_FREE_CURE_NONE, "it overlaps another partition");
                refuse(&search->volumes[j], VX_FREE_CURE_NONE, "it overlaps another partition");
            }
    }
}

static vhdx_status find_volumes(struct search *search, vhdx_error *err)
{
    vx_content_look(search->source, &search->content);
    find_partitions(search);
    judge_table(search);
    uint32_t partitions = search->count;
    for (uint32_t i = 0; i < partitions; i++)
        judge_kind(search, &search->volumes[i]);
    for (uint32_t i = 0; i < partitions; i++)
        if (search->volumes[i].fs.kind == VX_FS_LVM && !search->volumes[i].reason[0])
            VX_TRY(open_group(search, &search->volumes[i], err));
    return VHDX_OK;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static bool ask(struct search *search, struct found *found, bool tell)
{
    struct asking asking = {search, found};
    struct vx_free_volume volume = {.context = &asking,
                                    .read = read_volume,
                                    .tell = tell ? tell_volume : NULL,
                                    .size = found->length,
                                    .limit = found->length,
                                    .buf = search->buf};
    bool right = found->fs.kind == VX_FS_NTFS    ? vx_free_ntfs(&volume)
                 : found->fs.kind == VX_FS_EXT   ? vx_free_ext(&volume)
                 : found->fs.kind == VX_FS_XFS   ? vx_free_xfs(&volume)
                 : found->fs.kind == VX_FS_FAT   ? vx_free_fat(&volume)
                 : found->fs.kind == VX_FS_EXFAT ? vx_free_exfat(&volume)
                                                 : false;
    if (!right)
        refuse(found, volume.cure, volume.reason[0] ? volume.reason : "its free space is not read");
    found->hibernated = volume.hibernated;
    found->free_bytes = volume.free_bytes;
    return right;
}

static void check_volumes(struct search *search)
{
    bool hibernated = false;
    for (uint32_t i = 0; i < search->count; i++) {
        struct found *found = &search->volumes[i];
        found->tells = !found->reason[0] && ask(search, found, false);
        hibernated = hibernated || found->hibernated;
    }
    for (uint32_t i = 0; i < search->count && hibernated; i++) {
        search->volumes[i].tells = false;
        refuse(&search->volumes[i], VX_FREE_CURE_SHUT_DOWN, "the guest hibernates, and may have it mounted");
    }
}

static const char *cure_text(enum vx_free_cure cure)
{
    static const char *const texts[] = {
        [VX_FREE_CURE_NONE] = "",
        [VX_FREE_CURE_SHUT_DOWN] = "start the guest and shut it down, then compact again",
        [VX_FREE_CURE_CHECK] = "let the guest check it (chkdsk, fsck), then compact again",
        [VX_FREE_CURE_SNAPSHOTS] = "delete the snapshots in the guest, then compact again",
    };
    return texts[cure];
}

static void tell_of(const struct search *search, const struct found *found)
{
    const struct vx_free_listener *listener = search->listener;
    const char *name = found->group ? search->groups[found->group - 1]->lvm.volumes[found->logical].name : "";
    const vhdx_volume volume = {.offset = found->offset,
                                .length = found->length,
                                .file_system = vx_fs_name(found->fs.kind),
                                .name = name,
                                .known = found->tells,
                                .free_bytes = found->tells ? found->free_bytes : 0,
                                .reason = found->reason,
                                .advice = found->reason[0] ? cure_text(found->cure) : ""};
    if (listener->volume)
        listener->volume(listener->volume_context, &volume);
}

static vhdx_status tell_all(struct search *search, vhdx_error *err)
{
    for (uint32_t i = 0; i < search->count; i++) {
        struct found *found = &search->volumes[i];
        tell_of(search, found);
        if (!found->tells)
            continue;
        bool told = ask(search, found, true) && flush_run(search);
        if (search->ended)
            return VHDX_CANCELLED;
        if (!told)
            return vx_fail(err, VHDX_IO, vx_at_file(NULL),
                           "a file system of the virtual disk reads otherwise than a moment before");
    }
    return VHDX_OK;
}

vhdx_status vx_free_space_find(const struct vx_content_source *source, const struct vx_free_listener *listener,
                               vhdx_error *err)
{
    struct search *search = vx_alloc(1, sizeof *search);
    vhdx_status status = VHDX_NOMEM;
    if (search) {
        search->source = source;
        search->listener = listener;
        search->volumes = vx_alloc(VOLUMES_MAX, sizeof *search->volumes);
        search->buf = vx_alloc(VX_FREE_BUFFER, 1);
    }
    if (!search || !search->volumes || !search->buf)
        vx_fail_memory(err, "the volumes of a disk");
    else
        status = find_volumes(search, err);
    if (status == VHDX_OK) {
        check_volumes(search);
        status = tell_all(search, err);
    }
    for (uint32_t i = 0; search && i < search->group_count; i++)
        vx_free(search->groups[i]);
    if (search) {
        vx_free(search->groups);
        vx_free(search->volumes);
        vx_free(search->buf);
    }
    vx_free(search);
    return status;
}
