/*
 * The files of Linux and other POSIX systems, as a vhdx_host. This room turns calls and errno into the interface's
 * words and knows how other programs mark a disk that is in use; what happens with a file is decided above.
 *
 * Locks. flock() keeps two of our own handles apart, and open file description locks (fcntl) talk to qemu, which
 * holds read locks on byte 100 + n for what it does with an image and on 200 + n for what other programs may not do (n
 * = 1: write, n = 3: resize). A reader therefore takes read locks on bytes 201 and 203 and on everything outside of
 * [100, 300), and then looks for marks on 101 and 103; a writer takes a write lock on all of it. In this order: two
 * programs that look first and lock afterwards miss each other. Both kinds of lock belong to the open file, not to the
 * process, so two handles of one process exclude each other too.
 *
 * Close() of another descriptor drops the classic fcntl locks (F_SETLK) of the process. Never use
 * them.
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "io/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#endif

#include "base/alloc.h"
#include "base/checked.h"

#define TRANSFER_MAX ((size_t)1 << 30) /* Linux moves 2 GiB - 4 KiB a call at most, others less than that */

struct posix_file {
    int fd;
    bool block_device;
    bool new_file; /* its size and name were never made durable: fsync instead of fdatasync */
    vhdx_file_facts facts;
};

/* ---- errors ---- */

static vhdx_status status_of(int code, bool writing)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return VHDX_NO_SPACE;
    case EFBIG:
    case EOVERFLOW:
        return VHDX_LIMIT;
    case ENOENT:
    case ENOTDIR:
        return VHDX_NOT_FOUND;
    case EROFS:
        return VHDX_READ_ONLY;
    case EACCES:
    case EPERM:
        return writing ? VHDX_READ_ONLY : VHDX_IO;
    case EBUSY:
    case ETXTBSY:
        return VHDX_BUSY;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return VHDX_ARG;
    case ENOMEM:
        return VHDX_NOMEM;
    default:
        return VHDX_IO;
    }
}

static const char *text_of(int code, char *buf, size_t size)
{
#if defined(__GLIBC__)
    return strerror_r(code, buf, size);
#else
    if (strerror_r(code, buf, size) != 0)
        snprintf(buf, size, "error %d", code);
    return buf;
#endif
}

vhdx_status vx_posix_fail(vhdx_error *err, int code, bool writing, const char *path, const char *action)
{
    char text[128];
    vhdx_status status = status_of(code, writing);
    vx_fail_system(err, status, vx_at_file(path), code, "cannot %s: %s", action, text_of(code, text, sizeof text));
    if (code == EACCES)
        return vx_advise(err, status, "run it as a user who has the right to do so");
    if (code == EPERM) /* root meets it too */
        return vx_advise(err, status,
                         "run it as a user who has the right to do so; 'lsattr' tells whether the file or its "
                         "directory is immutable, which 'chattr -i' ends");
    if (status == VHDX_ARG)
        return vx_advise(err, status, "check the name");
    return status;
}

/* ---- locks ---- */

#ifdef F_OFD_SETLK
static int set_lock(int fd, short type, off_t start, off_t length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    int result;
    do
        result = fcntl(fd, F_OFD_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

/* The first lock of another program that keeps us from writing to the range; false when there is none, or none can
 * tell. */
static bool find_lock(int fd, off_t start, off_t length, struct flock *lock)
{
    *lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_OFD_GETLK, lock) == 0 && lock->l_type != F_UNLCK;
}
#else
static int set_lock(int fd, short type, off_t start, off_t length)
{
    (void)fd, (void)type, (void)start, (void)length;
    return ENOSYS;
}

static bool find_lock(int fd, off_t start, off_t length, struct flock *lock)
{
    (void)fd, (void)start, (void)length, (void)lock;
    return false;
}
#endif

/* A holder without a process that we may see: the kernel, another host, another user. */
static vhdx_status fail_unseen(vhdx_error *err, int fd, const char *path, const char *what)
{
    struct flock lock;
    if (find_lock(fd, 0, 0, &lock) && lock.l_pid > 0)
        return vx_fail(err, VHDX_BUSY, vx_at_file(path), "the file is %s another program (process %ld)", what,
                       (long)lock.l_pid);
    vx_fail(err, VHDX_BUSY, vx_at_file(path), "the file is %s another program, which cannot be seen from here", what);
    if (geteuid() != 0)
        return vx_advise(err, VHDX_BUSY, "as root the same command says which one, if it runs on this host");
    return vx_advise_as(err, VHDX_BUSY, VHDX_ADVICE_END_OTHER_USE,
                        "no process of this host has it open, so the kernel (a file server), another container or "
                        "another host holds it: shut down the machine that uses the disk there, then try again");
}

/* `what` completes "the file is ... PROGRAM". */
static vhdx_status fail_busy(vhdx_error *err, int fd, const char *path, const char *what)
{
    char holders[320];
    if (!err)
        return VHDX_BUSY;
    if (!vx_posix_holders(fd, holders, sizeof holders))
        return fail_unseen(err, fd, path, what);
    return vx_fail(err, VHDX_BUSY, vx_at_file(path), "the file is %s %s", what, holders);
}

/* Another program holds it. Any other error (ENOLCK, EINVAL, ENOTSUP, ENOSYS) is a file system without locks: go on. */
static bool lock_is_held(int code)
{
    return code == EWOULDBLOCK || code == EAGAIN || code == EACCES;
}

static int flock_now(int fd, int operation)
{
    int result;
    do
        result = flock(fd, operation | LOCK_NB);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

static vhdx_status lock_for_writing(int fd, const char *path, vhdx_error *err)
{
    if (lock_is_held(flock_now(fd, LOCK_EX)) || lock_is_held(set_lock(fd, F_WRLCK, 0, 0)))
        return fail_busy(err, fd, path, "in use by");
    return VHDX_OK;
}

/* Whether another program shows, in qemu's way or by a plain write lock, that it uses the right of that byte. */
static bool is_marked(int fd, off_t byte)
{
    struct flock lock;
    if (!find_lock(fd, byte, 1, &lock))
        return false;
    bool inside = lock.l_start >= 100 && lock.l_len > 0 && lock.l_len <= 200 && lock.l_start <= 300 - lock.l_len;
    return lock.l_type == F_WRLCK || inside;
}

static vhdx_status lock_for_reading(int fd, const char *path, vhdx_error *err)
{
    static const struct {
        off_t start, length;
    } ranges[] = {{0, 100}, {201, 1}, {203, 1}, {300, 0}};
    bool held = lock_is_held(flock_now(fd, LOCK_SH));
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0] && !held; i++)
        held = lock_is_held(set_lock(fd, F_RDLCK, ranges[i].start, ranges[i].length));
    if (held || is_marked(fd, 101) || is_marked(fd, 103))
        return fail_busy(err, fd, path, "open for writing in");
    return VHDX_OK;
}

/* ---- one open file ---- */

static vhdx_status file_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct posix_file *file = context;
    uint8_t *to = buf;
    while (length > 0) {
        ssize_t got = pread(file->fd, to, (size_t)vx_min(length, TRANSFER_MAX), (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vx_posix_fail(err, errno, false, NULL, "read");
        if (got == 0)
            return vx_fail(err, VHDX_TRUNCATED, vx_at_file(NULL), "the file ends too early");
        to += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    return VHDX_OK;
}

static vhdx_status file_write(void *context, const void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    const struct posix_file *file = context;
    const uint8_t *from = buf;
    while (length > 0) {
        ssize_t put = pwrite(file->fd, from, (size_t)vx_min(length, TRANSFER_MAX), (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) /* nothing written without an error: a device at its end */
            return vx_posix_fail(err, put < 0 ? errno : ENOSPC, true, NULL, "write");
        from += put;
        offset += (uint64_t)put;
        length -= (size_t)put;
    }
    return VHDX_OK;
}

static vhdx_status device_size(int fd, uint64_t *size, vhdx_error *err)
{
#ifdef BLKGETSIZE64
    if (ioctl(fd, BLKGETSIZE64, size) == 0)
        return VHDX_OK;
#endif
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0)
        return vx_posix_fail(err, errno, false, NULL, "find out the size of the device");
    *size = (uint64_t)end;
    return VHDX_OK;
}

static vhdx_status file_size(void *context, uint64_t *size, vhdx_error *err)
{
    const struct posix_file *file = context;
    struct stat st;
    if (file->block_device)
        return device_size(file->fd, size, err);
    if (fstat(file->fd, &st) != 0)
        return vx_posix_fail(err, errno, false, NULL, "find out the size");
    *size = (uint64_t)st.st_size;
    return VHDX_OK;
}

static vhdx_status file_set_size(void *context, uint64_t size, vhdx_error *err)
{
    const struct posix_file *file = context;
    int result;
    if (file->block_device)
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "the size of a device cannot be changed");
    do
        result = ftruncate(file->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? VHDX_OK : vx_posix_fail(err, errno, true, NULL, "change the size");
}

static int sync_data(int fd)
{
#if defined(__APPLE__)
    return fcntl(fd, F_FULLFSYNC); /* fsync leaves the bytes in the drive's cache there */
#else
    return fdatasync(fd);
#endif
}

static vhdx_status file_flush(void *context, vhdx_error *err)
{
    struct posix_file *file = context;
    int result;
    do
        result = file->new_file ? fsync(file->fd) : sync_data(file->fd);
    while (result != 0 && errno == EINTR);
    if (result != 0)
        return vx_posix_fail(err, errno, true, NULL, "flush");
    file->new_file = false;
    return VHDX_OK;
}

static void file_close(void *context)
{
    struct posix_file *file = context;
    close(file->fd); /* no news here: what must be durable was flushed */
    vx_free(file);
}

static vhdx_status file_facts(void *context, vhdx_file_facts *facts, vhdx_error *err)
{
    const struct posix_file *file = context;
    (void)err;
    *facts = file->facts;
    return VHDX_OK;
}

#ifdef __linux__
static vhdx_status file_punch(void *context, uint64_t offset, uint64_t length, vhdx_error *err)
{
    const struct posix_file *file = context;
    int result;
    do
        result = fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return VHDX_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == ENODEV)
        return VHDX_UNSUPPORTED;
    return vx_posix_fail(err, errno, true, NULL, "punch a hole");
}

static vhdx_status file_clone(void *context, uint64_t offset, void *source, uint64_t source_offset, uint64_t length,
                              vhdx_error *err)
{
    const struct posix_file *file = context;
    const struct posix_file *from = source;
    struct file_clone_range range = {from->fd, source_offset, length, offset};
    int result;
    do
        result = ioctl(file->fd, FICLONERANGE, &range);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return VHDX_OK;
    switch (errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
    case EROFS:
        return vx_posix_fail(err, errno, true, NULL, "share bytes of another file");
    default: /* other volume, alignment, file system without it, ...: an ordinary copy may still do */
        return VHDX_UNSUPPORTED;
    }
}
#endif

#ifdef POSIX_FADV_WILLNEED
static void file_will_need(void *context, uint64_t offset, uint64_t length)
{
    const struct posix_file *file = context;
    (void)posix_fadvise(file->fd, (off_t)offset, (off_t)length, POSIX_FADV_WILLNEED);
}

static void file_dont_need(void *context, uint64_t offset, uint64_t length)
{
    const struct posix_file *file = context;
    (void)posix_fadvise(file->fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
}
#endif

#ifdef SEEK_DATA
static vhdx_status file_next_data(void *context, uint64_t offset, uint64_t *data_offset, uint64_t *length,
                                  vhdx_error *err)
{
    const struct posix_file *file = context;
    (void)err;
    off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) {
        *data_offset = offset;
        *length = 0;
        return VHDX_OK;
    }
    off_t hole = data < 0 ? -1 : lseek(file->fd, data, SEEK_HOLE);
    if (hole <= data)
        return VHDX_UNSUPPORTED;
    *data_offset = (uint64_t)data;
    *length = (uint64_t)(hole - data);
    return VHDX_OK;
}
#endif

static vhdx_status file_extents(void *context, uint64_t *count, vhdx_error *err)
{
    const struct posix_file *file = context;
    (void)err;
    return vx_posix_extents(file->fd, count);
}

static vhdx_status file_security(void *context, void *buf, size_t room, size_t *size, vhdx_error *err)
{
    const struct posix_file *file = context;
    (void)err;
    return vx_posix_security(file->fd, buf, room, size);
}

static const vhdx_io_ops posix_ops = {
    .struct_size = sizeof posix_ops,
    .read = file_read,
    .write = file_write,
    .size = file_size,
    .set_size = file_set_size,
    .flush = file_flush,
    .close = file_close,
    .facts = file_facts,
#ifdef __linux__
    .punch = file_punch,
    .clone = file_clone,
#endif
#ifdef POSIX_FADV_WILLNEED
    .will_need = file_will_need,
    .dont_need = file_dont_need,
#endif
#ifdef SEEK_DATA
    .next_data = file_next_data,
#endif
    .extents = file_extents,
    .security = file_security,
};

/* ---- opening ---- */

static bool is_writing(vhdx_open_mode access)
{
    return access != VHDX_OPEN_READ && access != VHDX_OPEN_PEEK;
}

static vhdx_status refuse_kind(const struct stat *st, const char *path, vhdx_error *err)
{
    if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
        return VHDX_OK;
    vx_fail(err, VHDX_ARG, vx_at_file(path), "this is %s and not a file",
            S_ISDIR(st->st_mode) ? "a directory" : "a pipe, a socket or a character device");
    return vx_advise(err, VHDX_ARG, "name a file");
}

/* Before opening: to open some devices does something already, and root can write to files that are marked read-only.
 */
static vhdx_status look_first(const char *path, vhdx_open_mode access, struct stat *st, vhdx_error *err)
{
    *st = (struct stat){0};
    if (stat(path, st) != 0)
        return errno == ENOENT && (access == VHDX_OPEN_CREATE || access == VHDX_OPEN_REPLACE)
                   ? VHDX_OK
                   : vx_posix_fail(err, errno, is_writing(access), path, "open the file");
    VX_TRY(refuse_kind(st, path, err));
    if (is_writing(access) && (st->st_mode & 0222) == 0)
        return vx_fail(err, VHDX_READ_ONLY, vx_at_file(path), "the file's mode allows no user to write to it");
    return VHDX_OK;
}

static int open_flags(vhdx_open_mode access, bool block_device)
{
    /* should it have become a FIFO: do not wait for its other end; to files and disks it means nothing */
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    if (!is_writing(access))
        return flags | O_RDONLY;
    if (block_device)
        return flags | O_RDWR | O_EXCL; /* on Linux: EBUSY when it is mounted */
    return flags | O_RDWR | (access == VHDX_OPEN_WRITE ? 0 : O_CREAT);
}

static vhdx_status take_locks(int fd, const char *path, vhdx_open_mode access, vhdx_error *err)
{
    if (access == VHDX_OPEN_PEEK)
        return VHDX_OK;
    return is_writing(access) ? lock_for_writing(fd, path, err) : lock_for_reading(fd, path, err);
}

/* Only when the locks are held: until then the bytes may be in use. */
static vhdx_status settle_content(struct posix_file *file, const char *path, vhdx_open_mode access, vhdx_error *err)
{
    if (access == VHDX_OPEN_REPLACE && !file->block_device)
        return file_set_size(file, 0, err);
    if (access != VHDX_OPEN_CREATE)
        return VHDX_OK;
    uint64_t size = 0;
    VX_TRY(file_size(file, &size, err));
    if (size != 0)
        return vx_fail(err, VHDX_EXISTS, vx_at_file(path), "a file that is not empty is already there");
    return VHDX_OK;
}

static vhdx_status prepare(struct posix_file *file, const char *path, vhdx_open_mode access, vhdx_error *err)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return vx_posix_fail(err, errno, false, path, "look at the file");
    VX_TRY(refuse_kind(&st, path, err));
    VX_TRY(take_locks(file->fd, path, access, err));
    file->block_device = S_ISBLK(st.st_mode);
    file->new_file = access == VHDX_OPEN_CREATE || access == VHDX_OPEN_REPLACE;
    file->facts = vx_posix_facts(file->fd, &st);
    if (is_writing(access) && (file->facts.attributes & VHDX_FILE_IS_READ_ONLY))
        return vx_fail(err, VHDX_READ_ONLY, vx_at_file(path), "the file is marked as read-only");
    return settle_content(file, path, access, err);
}

vhdx_status vx_posix_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err)
{
    struct stat st;
    (void)context;
    VX_TRY(look_first(path, access, &st, err));
    struct posix_file *file = vx_alloc(1, sizeof *file);
    if (!file)
        return vx_fail_memory(err, "an open file");
    do
        file->fd = open(path, open_flags(access, S_ISBLK(st.st_mode)), 0666);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        int code = errno;
        vx_free(file);
        return vx_posix_fail(err, code, is_writing(access), path, "open the file");
    }
    vhdx_status status = prepare(file, path, access, err);
    if (status != VHDX_OK) {
        file_close(file);
        return status;
    }
    *io = (vhdx_io){&posix_ops, file};
    return VHDX_OK;
}
