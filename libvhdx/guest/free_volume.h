/*
 * One volume whose free space is read: where its bytes come from, what it has told, and why it cannot be believed. The
 * readers (free_ntfs.c, free_ext.c, ...) stand on it and on the decoders of this room. Each of them walks through the
 * volume twice: first to check everything, with nobody listening, then to tell.
 *
 * Unknown is used. A reader that cannot vouch for the whole volume refuses it; it never tells a
 * part.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_FREE_VOLUME_H
#define VX_GUEST_FREE_VOLUME_H

#include "base/bytes.h"
#include "base/status.h"
#include "guest/content.h"

#define VX_FREE_BUFFER (512u * 1024) /* for the reader, whatever it needs */
#define VX_FREE_KEPT 64u             /* ranges that must be in use */

/* What to do about a volume of which only zeros count. */
enum vx_free_cure {
    VX_FREE_CURE_NONE,
    VX_FREE_CURE_SHUT_DOWN, /* start the guest and shut it down */
    VX_FREE_CURE_CHECK,     /* let the guest check the file system */
    VX_FREE_CURE_SNAPSHOTS, /* remove the guest's snapshots */
};

struct vx_free_range {
    uint64_t offset, length; /* bytes of the volume */
};

struct vx_free_volume {
    void *context;
    bool (*read)(void *context, void *buf, size_t length, uint64_t offset); /* false: they cannot be had */
    bool (*tell)(void *context, uint64_t offset, uint64_t length);          /* false ends it; NULL: only checks */
    uint64_t size;
    uint64_t limit; /* of the file system: nothing behind it is told */
    uint8_t *buf;   /* VX_FREE_BUFFER bytes */
    /* What came of it. */
    uint64_t free_bytes;
    struct vx_free_range kept[VX_FREE_KEPT]; /* must not be among what is free */
    uint32_t kept_count;
    bool contradicts; /* a kept range was */
    bool hibernated;  /* the guest was not shut down, which is true of its other volumes too */
    bool ended;       /* by the listener */
    enum vx_free_cure cure;
    char reason[200];
};

/* A read inside of the volume. */
bool vx_free_get(const struct vx_free_volume *volume, void *buf, size_t length, uint64_t offset);
/* Says why only zeros count; returns false. The first reason stays. */
bool vx_free_refuse(struct vx_free_volume *volume, enum vx_free_cure cure, const char *format, ...) VX_PRINTF(3, 4);
/* A range that must not be free. false: there are too many of them to be remembered. */
bool vx_free_keep(struct vx_free_volume *volume, uint64_t offset, uint64_t length);
/* A range that is free. Ranges come in ascending order. false: the listener has had enough. */
bool vx_free_tell(struct vx_free_volume *volume, uint64_t offset, uint64_t length);

/* A bitmap that comes in pieces; a bit that is not set is free. */
struct vx_free_bits {
    struct vx_free_volume *volume;
    uint64_t base, unit; /* bytes: of the first bit's place, and that each bit stands for */
    uint64_t next;       /* bit that comes next */
    uint64_t run;        /* where the free run began that is open, UINT64_MAX = none is */
    uint64_t free;       /* bits so far */
};

struct vx_free_bits vx_free_bits_begin(struct vx_free_volume *volume, uint64_t base, uint64_t unit);
/* The next `count` bits; the lowest of a byte comes first. */
bool vx_free_bits_add(struct vx_free_bits *bits, const uint8_t *bytes, uint64_t count);
bool vx_free_bits_end(struct vx_free_bits *bits);

/* The readers. false: `reason` says why only zeros count. */
bool vx_free_ntfs(struct vx_free_volume *volume);
bool vx_free_ext(struct vx_free_volume *volume);
bool vx_free_xfs(struct vx_free_volume *volume);
bool vx_free_fat(struct vx_free_volume *volume);
bool vx_free_exfat(struct vx_free_volume *volume);

#endif
