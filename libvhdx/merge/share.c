/*
 * Sharing, see share.h. What is shared is decided in copy.c.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/share.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/notice.h"
#include "merge/aftermath.h"

#define DEFAULT_UNIT 4096u
#define MANY_REFUSALS                                                                                                  \
    16u /* ReFS refuses clusters that are shared thousands of times: that is no reason to give up at once */

struct vx_share_parts vx_share_parts(const struct vx_file *target, uint64_t source_offset, uint64_t target_offset,
                                     uint64_t length)
{
    const vhdx_file_facts *facts = vx_file_facts(target);
    uint64_t unit = facts->share_unit ? facts->share_unit : DEFAULT_UNIT;
    uint64_t head = (unit - source_offset % unit) % unit;
    struct vx_share_parts parts = {head, 0};
    if (source_offset % unit != target_offset % unit || head >= length)
        return (struct vx_share_parts){0};
    parts.body = (length - head) / unit * unit;
    return parts.body > 0 && parts.body >= facts->share_least ? parts : (struct vx_share_parts){0};
}

void vx_sharing_clear(struct vx_sharing *sharing)
{
    vx_free(sharing->pairs);
    sharing->pairs = NULL;
    sharing->count = 0;
}

static struct vx_share_pair *find_pair(const struct vx_sharing *sharing, const struct vx_file *source)
{
    for (size_t i = 0; i < sharing->count; i++)
        if (sharing->pairs[i].source == source)
            return &sharing->pairs[i];
    return NULL;
}

enum vx_share_state vx_sharing_state(const struct vx_sharing *sharing, const struct vx_file *source)
{
    const struct vx_share_pair *pair = find_pair(sharing, source);
    return pair ? pair->state : VX_SHARE_UNTRIED;
}

/* NULL: no memory. There are as many pairs as layers, and a new one is rare. */
static struct vx_share_pair *take_pair(struct vx_sharing *sharing, const struct vx_file *source)
{
    struct vx_share_pair *pair = find_pair(sharing, source);
    if (pair)
        return pair;
    struct vx_share_pair *pairs = vx_resize(sharing->pairs, sharing->count + 1, sizeof *pairs);
    if (!pairs)
        return NULL;
    sharing->pairs = pairs;
    pairs[sharing->count] = (struct vx_share_pair){.source = source};
    return &pairs[sharing->count++];
}

static void shared(const struct vx_sharing *sharing, struct vx_share_pair *pair)
{
    pair->refusals = 0;
    if (pair->state == VX_SHARE_UNTRIED)
        vx_notice(sharing->notice, sharing->notice_context, VHDX_NOTICE_DETAIL,
                  "%s: its bytes are shared with the merged disk (reflink), not copied", vx_file_path(pair->source));
    pair->state = VX_SHARE_WORKS;
}

static void refused(const struct vx_sharing *sharing, struct vx_share_pair *pair)
{
    pair->refusals++;
    if (pair->state == VX_SHARE_WORKS && pair->refusals < MANY_REFUSALS)
        return;
    vx_notice(sharing->notice, sharing->notice_context, VHDX_NOTICE_DETAIL,
              pair->state == VX_SHARE_WORKS
                  ? "%s: the file system shares no more of its bytes with the merged disk; the rest is copied"
                  : "%s: the file system cannot share its bytes with the merged disk; they are copied",
              vx_file_path(pair->source));
    pair->state = VX_SHARE_FAILS;
}

vhdx_status vx_sharing_try(struct vx_sharing *sharing, struct vx_file *target, uint64_t offset, struct vx_file *source,
                           uint64_t source_offset, uint64_t length, vhdx_error *err)
{
    struct vx_share_pair *pair = take_pair(sharing, source);
    if (!pair)
        return vx_fail_memory(err, "the plan of a merge");
    if (pair->state == VX_SHARE_FAILS)
        return VHDX_UNSUPPORTED;
    vhdx_status status = vx_file_clone(target, offset, source, source_offset, length, err);
    if (status == VHDX_OK)
        shared(sharing, pair);
    else if (status == VHDX_UNSUPPORTED)
        refused(sharing, pair);
    return status;
}
