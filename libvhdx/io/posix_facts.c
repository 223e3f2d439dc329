/*
 * What the system knows of a file besides its bytes: which one it is, what kind of file system it is on, and what
 * that one is like. A file system is told by its number, and a property of it is asked for only where it has it.
 * Nothing is decided here.
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "io/posix.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#ifdef __linux__
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#endif

#include "base/bytes.h"
#include "base/checked.h"

#ifdef __linux__
#define MAGIC_NTFS3 0x7366746eL
#define MAGIC_NTFS 0x5346544eL
#define MAGIC_FUSE 0x65735546L
#define MAGIC_FAT 0x4d44L
#define MAGIC_EXT 0xEF53L
#define MAGIC_XFS 0x58465342L
#define MAGIC_BTRFS 0x9123683EL
#define MAGIC_BCACHEFS 0xCA451A4EL

/* The attributes that NTFS keeps of the file; false when the file system does not tell. */
static bool ntfs_attributes(int fd, uint32_t *attributes)
{
    uint8_t raw[4];
    if (fgetxattr(fd, "system.ntfs_attrib_be", raw, sizeof raw) == (ssize_t)sizeof raw) {
        *attributes = vx_get32_be(raw);
        return true;
    }
    if (fgetxattr(fd, "system.ntfs_attrib", raw, sizeof raw) == (ssize_t)sizeof raw) {
        *attributes = vx_get32(raw);
        return true;
    }
    return false;
}

static uint32_t file_system_facts(int fd, long magic)
{
    uint32_t attributes = 0;
    if (magic != MAGIC_NTFS3 && magic != MAGIC_NTFS && magic != MAGIC_FUSE)
        return 0;
    bool told = ntfs_attributes(fd, &attributes);
    if (magic == MAGIC_FUSE && !told)
        return 0; /* FUSE, but not ntfs-3g */
    uint32_t facts = VHDX_FILE_SPARSE_HARMS;
    facts |= attributes & 0x1 ? VHDX_FILE_IS_READ_ONLY : 0u;
    facts |= attributes & 0x200 ? VHDX_FILE_IS_SPARSE : 0u;
    facts |= attributes & 0x800 ? VHDX_FILE_IS_COMPRESSED : 0u;
    facts |= attributes & 0x4000 ? VHDX_FILE_IS_ENCRYPTED : 0u;
    return facts;
}

/* XFS_IOC_FSGEOMETRY_V1, of which two members matter here; its header is not installed everywhere. */
struct xfs_geometry {
    uint32_t block_size, others[21];
    uint32_t version, flags, more[4];
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_HAS_REFLINK (1u << 20)

static bool xfs_shares(int fd)
{
    struct xfs_geometry geometry = {0};
    return ioctl(fd, XFS_GEOMETRY, &geometry) == 0 && (geometry.flags & XFS_HAS_REFLINK);
}

/* Files that are overwritten in place (chattr +C) and others do not share with each other. */
static bool btrfs_shares(int fd)
{
    int flags = 0;
    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_NOCOW_FL);
}

/*
 * Measured (docs/performance.md): XFS takes some 50 microseconds for each range that it shares, in which it copies 100
 * KiB and more; btrfs is faster with every one. Where nothing was measured, long ranges only.
 */
static void volume_facts(int fd, vhdx_file_facts *facts)
{
    struct statfs fs; /* asked once for all: a search opens many files */
    bool shares = false;
    facts->share_least = (uint32_t)(256 * VX_KIB);
    if (fstatfs(fd, &fs) != 0)
        return;
    facts->attributes |= file_system_facts(fd, (long)fs.f_type);
    if (fs.f_bsize > 0 && fs.f_bsize <= (long)VX_MIB)
        facts->share_unit = (uint32_t)fs.f_bsize;
    if ((long)fs.f_type == MAGIC_XFS)
        shares = xfs_shares(fd);
    else if ((long)fs.f_type == MAGIC_BCACHEFS)
        shares = true;
    if ((long)fs.f_type == MAGIC_BTRFS) {
        shares = btrfs_shares(fd);
        facts->share_least = 0;
    }
    if (shares)
        facts->attributes |= VHDX_FILE_CAN_SHARE;
}

uint64_t vx_posix_largest_file(const char *path)
{
    struct statfs fs;
    if (statfs(path, &fs) != 0)
        return UINT64_MAX;
    if ((long)fs.f_type == MAGIC_FAT)
        return UINT32_MAX;
    if ((long)fs.f_type == MAGIC_EXT && fs.f_bsize > 0)
        return (uint64_t)fs.f_bsize * UINT32_MAX; /* block numbers inside a file have 32 bits */
    return UINT64_MAX;
}
/* A request without room for extents is answered with their number. */
vhdx_status vx_posix_extents(int fd, uint64_t *count)
{
    struct fiemap request = {.fm_length = FIEMAP_MAX_OFFSET};
    if (ioctl(fd, FS_IOC_FIEMAP, &request) != 0)
        return VHDX_UNSUPPORTED;
    *count = request.fm_mapped_extents;
    return VHDX_OK;
}

/* ntfs-3g and ntfs3 show the descriptor under names of their own. */
vhdx_status vx_posix_security(int fd, void *buf, size_t room, size_t *size)
{
    static const char *const names[2] = {"system.ntfs_acl", "system.ntfs_security"};
    for (size_t i = 0; i < 2; i++) {
        ssize_t length = fgetxattr(fd, names[i], NULL, 0);
        if (length <= 0)
            continue;
        *size = (size_t)length;
        if (*size > room)
            return VHDX_OK;
        length = fgetxattr(fd, names[i], buf, room);
        if (length <= 0)
            return VHDX_UNSUPPORTED;
        *size = (size_t)length;
        return VHDX_OK;
    }
    return VHDX_UNSUPPORTED;
}
#else
vhdx_status vx_posix_extents(int fd, uint64_t *count)
{
    (void)fd, (void)count;
    return VHDX_UNSUPPORTED;
}

vhdx_status vx_posix_security(int fd, void *buf, size_t room, size_t *size)
{
    (void)fd, (void)buf, (void)room, (void)size;
    return VHDX_UNSUPPORTED;
}

static void volume_facts(int fd, vhdx_file_facts *facts)
{
    (void)fd;
    (void)facts;
}

uint64_t vx_posix_largest_file(const char *path)
{
    (void)path;
    return UINT64_MAX;
}
#endif

vhdx_file_facts vx_posix_facts(int fd, const struct stat *st)
{
    vhdx_file_facts facts = {0};
    if (S_ISBLK(st->st_mode)) { /* several nodes may name one device */
        facts.volume = UINT64_MAX - 1;
        facts.file[0] = (uint64_t)st->st_rdev;
        facts.attributes = VHDX_FILE_IS_BLOCK_DEVICE;
        return facts;
    }
    facts.volume = st->st_dev ? (uint64_t)st->st_dev : UINT64_MAX;
    facts.file[0] = (uint64_t)st->st_ino;
    facts.allocated = st->st_blocks > 0 ? (uint64_t)st->st_blocks * 512 : 0;
    facts.modified = (int64_t)st->st_mtime;
    if (fd >= 0)
        volume_facts(fd, &facts);
    if ((st->st_mode & 0222) == 0)
        facts.attributes |= VHDX_FILE_IS_READ_ONLY;
    return facts;
}
