/*
 * A new disk of some format while it is written: says where in its file bytes of the disk go, and makes its structures.
 * The bytes themselves are moved by build.c. Places of the disk come in ascending order, which is what lets a target do
 * with a window on its tables. Easy to get wrong: a target's file is new, so what is not written in it are zeros
 * already; a block device is the exception.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BUILD_TARGET_H
#define VX_BUILD_TARGET_H

#include "image/create.h"

/* What is to be made, with every choice taken; settle.c fills it. */
struct vx_build_spec {
    const vhdx_host *host;
    const char *path;
    vhdx_format format;
    bool fixed, azure, overwrite, is_device;
    uint64_t virtual_size; /* 0: as many bytes as the source has */
    uint64_t room;         /* that the structures are laid out for: virtual_size, or the most it may become */
    uint64_t size_unit;    /* virtual sizes are multiples of it */
    uint64_t least_size;
    struct vx_create_spec create; /* of a VHDX; of a VHD its block size, its id in data_write_guid */
};

struct vx_target;

struct vx_target_ops {
    /* Where `length` bytes of the disk go, and how many of them (at least 1) lie together there. */
    vhdx_status (*place)(struct vx_target *target, uint64_t virtual_offset, uint64_t length, uint64_t *file_offset,
                         uint64_t *together, vhdx_error *err);
    vhdx_status (*zeros)(struct vx_target *target, uint64_t virtual_offset, uint64_t length, vhdx_error *err);
    /* The parent has them; where there is none, zeros. */
    vhdx_status (*absent)(struct vx_target *target, uint64_t virtual_offset, uint64_t length, vhdx_error *err);
    /* The disk is so large and no larger: its structures become complete and durable. Closes the file. */
    vhdx_status (*finish)(struct vx_target *target, uint64_t virtual_size, vhdx_error *err);
    /* Closes the file, if it is open, and frees the target. */
    void (*close)(struct vx_target *target);
};

struct vx_target {
    const struct vx_target_ops *ops;
    const struct vx_build_spec *spec;
    struct vx_file *file; /* NULL behind finish */
};

/* The file is `unfinished`, and nothing else has a part in it; one of that name is emptied. */
vhdx_status vx_target_vhdx(const struct vx_build_spec *spec, const char *unfinished, struct vx_target **target,
                           vhdx_error *err);
vhdx_status vx_target_vhd(const struct vx_build_spec *spec, const char *unfinished, struct vx_target **target,
                          vhdx_error *err);
vhdx_status vx_target_raw(const struct vx_build_spec *spec, const char *unfinished, struct vx_target **target,
                          vhdx_error *err);

#endif
