/*
 * A raw disk, as a file with holes or on a block device. See target.h.
 */
/* SPDX-License-Identifier: MIT */
#include "build/target.h"

#include "base/alloc.h"

static vhdx_status raw_place(struct vx_target *target, uint64_t virtual_offset, uint64_t length, uint64_t *file_offset,
                             uint64_t *together, vhdx_error *err)
{
    (void)target;
    (void)err;
    *file_offset = virtual_offset;
    *together = length;
    return VHDX_OK;
}

/* A device held something else before. */
static vhdx_status raw_zeros(struct vx_target *target, uint64_t virtual_offset, uint64_t length, vhdx_error *err)
{
    return target->spec->is_device ? vx_file_zero(target->file, virtual_offset, length, err) : VHDX_OK;
}

static vhdx_status raw_finish(struct vx_target *target, uint64_t virtual_size, vhdx_error *err)
{
    if (!target->spec->is_device)
        VX_TRY(vx_file_grow(target->file, virtual_size, err));
    VX_TRY(vx_file_flush(target->file, err));
    vx_file_close(target->file);
    target->file = NULL;
    return VHDX_OK;
}

static void raw_close(struct vx_target *target)
{
    vx_file_close(target->file);
    vx_free(target);
}

static const struct vx_target_ops raw_ops = {raw_place, raw_zeros, raw_zeros, raw_finish, raw_close};

vhdx_status vx_target_raw(const struct vx_build_spec *spec, const char *unfinished, struct vx_target **target,
                          vhdx_error *err)
{
    struct vx_target *made = vx_alloc(1, sizeof *made);
    if (!made)
        return vx_fail_memory(err, "a new disk");
    *made = (struct vx_target){.ops = &raw_ops, .spec = spec};
    vhdx_status status = vx_file_open(spec->host, unfinished, VHDX_OPEN_REPLACE, &made->file, err);
    if (status == VHDX_OK)
        *target = made;
    else
        vx_free(made);
    return status;
}
