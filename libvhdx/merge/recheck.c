/*
 * Reading back. See recheck.h. Zeros are not looked at: nothing was moved for them.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/recheck.h"

#include "base/alloc.h"
#include "merge/copy.h"

#include <inttypes.h>
#include <xxhash.h>

vhdx_status vx_recheck_open(struct vx_recheck *recheck, struct vx_chain *chain, size_t into, vhdx_error *err)
{
    *recheck = (struct vx_recheck){.chain = chain, .into = into};
    recheck->buf = vx_alloc(VX_COPY_BUFFER, 1);
    return recheck->buf ? VHDX_OK : vx_fail_memory(err, "a buffer");
}

void vx_recheck_close(struct vx_recheck *recheck)
{
    vx_free(recheck->moved);
    vx_free(recheck->buf);
    *recheck = (struct vx_recheck){0};
}

vhdx_status vx_recheck_moved(void *context, uint64_t virtual_offset, const void *buf, size_t length, vhdx_error *err)
{
    struct vx_recheck *recheck = context;
    struct vx_moved *moved = vx_room_for(recheck->moved, recheck->count, &recheck->room, sizeof *moved);
    if (!moved)
        return vx_fail_memory(err, "hashes");
    recheck->moved = moved;
    recheck->moved[recheck->count++] = (struct vx_moved){virtual_offset, length, XXH3_64bits(buf, length)};
    return VHDX_OK;
}

static vhdx_status compare(struct vx_recheck *recheck, const struct vx_moved *moved, vhdx_error *err)
{
    const char *path = vx_image_path(recheck->chain->layers[recheck->into]);
    VX_TRY(
        vx_chain_read(recheck->chain, recheck->into, recheck->buf, (size_t)moved->length, moved->virtual_offset, err));
    if (XXH3_64bits(recheck->buf, (size_t)moved->length) == moved->hash) {
        recheck->bytes += moved->length;
        return VHDX_OK;
    }
    vx_fail(err, VHDX_CORRUPT, vx_at_file(path),
            "%" PRIu64 " bytes at 0x%" PRIx64 " of the virtual disk read back otherwise than they were written",
            moved->length, moved->virtual_offset);
    return vx_advise_as(err, VHDX_CORRUPT, VHDX_ADVICE_CHECK_VOLUME,
                        "check the medium and the memory of this machine, then run the same command again");
}

vhdx_status vx_recheck_window(struct vx_recheck *recheck, vhdx_error *err)
{
    struct vx_file *file = recheck->chain->layers[recheck->into]->file;
    uint64_t size;
    VX_TRY(vx_file_size(file, &size, err));
    vx_file_dont_need(file, 0, size);
    for (size_t i = 0; i < recheck->count; i++)
        VX_TRY(compare(recheck, &recheck->moved[i], err));
    recheck->count = 0;
    return VHDX_OK;
}
