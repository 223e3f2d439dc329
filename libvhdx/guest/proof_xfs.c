/*
 * What XFS says about two layers. See proof_xfs.h. What holds:
 *
 *  X1  OTHER, another disk: a header of a group in the child carries another id than the one below, though both views
 *      read the same superblock; or the superblocks have other ids, and the child holds the headers of one only.
 *  X2  OTHER, written to since: a header below has a later number of the log (LSN) than the child's copy of it; or
 *      anything below, a header or a record of the log, is as late as the first change that the child has made. A
 *      number is given to one record only, and they only grow.
 *  X3  DISK: neither, and at least two headers that the child holds are those below or later states of them.
 *
 * Blocks of the log that the child holds may be copies that a former merge has made, so a record is
 * the child's only where the two differ.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/proof_xfs.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/status.h"
#include "guest/xfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GROUPS_MAX 4096u
#define LOG_MAX (128 * VX_MIB)
#define CHUNK 65536u

struct look {
    const struct vx_volume *volume;
    struct vx_xfs_super super, below;
    bool ended;
    uint32_t go_on, foreign, later;
    uint64_t newest_below; /* LSN of a header or of a record of the log */
    uint64_t first;        /* of the child's changes, UINT64_MAX = none is known */
    uint8_t above[CHUNK], under[CHUNK];
};

static bool go_on(struct look *look)
{
    look->ended = look->ended || !look->volume->views->go_on(look->volume->views->context);
    return !look->ended;
}

static bool is_lsn(uint64_t lsn)
{
    return lsn >> 32 != 0 && lsn >> 63 == 0;
}

/* ---- headers of groups ------------------------------------------------------------------------------------------- */

static void look_at_header(struct look *look, uint32_t group, enum vx_xfs_header kind)
{
    struct vx_held held = {0};
    uint8_t above_id[16], under_id[16];
    uint64_t above, under, place = vx_xfs_header_place(&look->super, group, kind);
    size_t size = look->super.sector_size;
    if (!vx_volume_get(look->volume, true, place, look->under, size) ||
        !vx_xfs_header_decode(vx_bytes_of(look->under, size), kind, &under, under_id))
        return;
    if (is_lsn(under))
        look->newest_below = vx_max(look->newest_below, under);
    if (!vx_volume_get(look->volume, false, place, look->above, size) ||
        !vx_volume_held(look->volume, place, look->above, size, &held) || !held.child || held.below ||
        !vx_xfs_header_decode(vx_bytes_of(look->above, size), kind, &above, above_id))
        return;
    if (memcmp(above_id, under_id, sizeof above_id) != 0) {
        look->foreign++;
    } else if (is_lsn(under) && is_lsn(above) && under > above) {
        look->later++;
    } else {
        look->go_on++;
        if (is_lsn(above) && above != under)
            look->first = vx_min(look->first, above);
    }
}

static void look_at_headers(struct look *look)
{
    uint32_t count = (uint32_t)vx_min(look->super.group_count, GROUPS_MAX);
    for (uint32_t group = 0; group < count && (group % 64 != 0 || go_on(look)); group++)
        for (unsigned kind = VX_XFS_FREE_SPACE; kind < VX_XFS_HEADERS; kind++)
            look_at_header(look, group, (enum vx_xfs_header)kind);
}

/* ---- log --------------------------------------------------------------------------------------------------------- */

static void look_at_log_block(struct look *look, size_t at, bool child)
{
    uint64_t lsn;
    struct vx_bytes above = vx_bytes_of(look->above + at, VX_XFS_LOG_BLOCK);
    struct vx_bytes under = vx_bytes_of(look->under + at, VX_XFS_LOG_BLOCK);
    if (vx_xfs_log_decode(under, &look->super, &lsn))
        look->newest_below = vx_max(look->newest_below, lsn);
    if (child && memcmp(above.data, under.data, VX_XFS_LOG_BLOCK) != 0 &&
        vx_xfs_log_decode(above, &look->super, &lsn) && is_lsn(lsn))
        look->first = vx_min(look->first, lsn);
}

/* Blocks of the log that one of the two holds, all of them in one chunk. */
static void look_at_piece(struct look *look, uint64_t place, size_t length, bool child)
{
    if (!vx_volume_get(look->volume, true, place, look->under, length) ||
        (child && !vx_volume_get(look->volume, false, place, look->above, length)))
        return;
    for (size_t at = 0; at + VX_XFS_LOG_BLOCK <= length; at += VX_XFS_LOG_BLOCK)
        look_at_log_block(look, at, child);
}

static void look_at_log(struct look *look)
{
    uint64_t place = look->super.log_offset, end = place + vx_min(look->super.log_size, LOG_MAX), here;
    bool child;
    if (look->super.log_offset != look->below.log_offset || look->super.log_size != look->below.log_size)
        return;
    for (unsigned step = 0; place < end && (step % 64 != 0 || go_on(look)); step++) {
        if (!vx_volume_who(look->volume, place, vx_min(end - place, CHUNK), &child, &here))
            return;
        here = vx_min(vx_ceil_div(here, VX_XFS_LOG_BLOCK) * VX_XFS_LOG_BLOCK, end - place);
        look_at_piece(look, place, (size_t)here, child);
        place += here;
    }
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void say(struct vx_fs_proof *proof, enum vx_proof_word word, const char *text)
{
    proof->word = word;
    snprintf(proof->text, sizeof proof->text, "%s", text);
}

static void say_written_since(const struct look *look, struct vx_fs_proof *proof)
{
    char how[200] = "";
    proof->mismatches = (uint32_t)vx_max(look->later, 1);
    if (look->first != UINT64_MAX)
        snprintf(how, sizeof how,
                 ": its log has come to %" PRIu64 ":%" PRIu64 " below, and the child goes on from before, with %" PRIu64
                 ":%" PRIu64,
                 look->newest_below >> 32, look->newest_below & UINT32_MAX, look->first >> 32,
                 look->first & UINT32_MAX);
    proof->word = VX_PROOF_OTHER;
    snprintf(proof->text, sizeof proof->text, "files were written to the parent since%s", how);
}

static void judge(const struct look *look, struct vx_fs_proof *proof)
{
    if (look->foreign > 0) {
        proof->mismatches = look->foreign;
        say(proof, VX_PROOF_OTHER, "it is another disk: headers of its groups carry another id below");
    } else if (look->later > 0 || look->newest_below >= look->first) {
        say_written_since(look, proof);
    } else if (memcmp(look->super.uuid, look->below.uuid, sizeof look->super.uuid) != 0) {
        say(proof, VX_PROOF_DOUBT, "the file system there has another id below");
    } else if (look->go_on >= 2) {
        proof->matches = look->go_on;
        say(proof, VX_PROOF_DISK,
            "as far as it can tell, the parent's content is what the child was made on and only its id differs: "
            "nothing below is as late as the child's first change");
    } else {
        say(proof, VX_PROOF_NONE, "too few of its headers are in the child");
    }
}

static bool get_super(struct look *look, bool below, struct vx_xfs_super *super)
{
    for (size_t size = 512; size <= VX_XFS_SECTOR_MAX; size *= 2)
        if (vx_volume_get(look->volume, below, 0, look->above, size) &&
            vx_xfs_super_decode(vx_bytes_of(look->above, size), super))
            return true;
    return false;
}

static bool begin(struct look *look, struct vx_fs_proof *proof)
{
    if (!get_super(look, false, &look->super))
        say(proof, VX_PROOF_NONE, "its superblock is not one of version 5, or is damaged");
    else if (!get_super(look, true, &look->below))
        say(proof, VX_PROOF_NONE, "below there is no such file system");
    else if (look->super.block_size != look->below.block_size || look->super.sector_size != look->below.sector_size ||
             look->super.group_blocks != look->below.group_blocks)
        say(proof, VX_PROOF_DOUBT, "its superblock has other sizes below");
    else
        return true;
    return false;
}

vhdx_status vx_prove_by_xfs(const struct vx_volume *volume, struct vx_fs_proof *proof, vhdx_error *err)
{
    struct look *look = vx_alloc(1, sizeof *look);
    *proof = (struct vx_fs_proof){0};
    if (!look)
        return vx_fail_memory(err, "a look at a file system");
    look->volume = volume;
    look->first = UINT64_MAX;
    if (begin(look, proof)) {
        look_at_headers(look);
        look_at_log(look);
        if (!look->ended)
            judge(look, proof);
    }
    vx_free(look);
    return VHDX_OK;
}
