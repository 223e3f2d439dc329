/*
 * Whether a block with data lies where its entry says. No field tells; but where the file holds content that no block
 * owns, a block of nothing but zeros may have its content there, and one beside a part without owner may begin or end
 * elsewhere. Easy to get wrong: this reads payload, so it is asked only where something has no owner.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/absent.h"
#include "salvage/salvage.h"

static const char is_zeros[] = "the block is all zeros, but the file holds content that no block owns";
static const char has_neighbour[] =
    "content that no block owns lies directly beside the block, so its place may be wrong";

static const char is_beyond[] =
    "the block reaches beyond the end of the file, and space before it is free, so its place may be wrong";

/* A file that was cut off ends in a block that has another one before it, or a structure. */
static bool sticks_out(const struct vx_salvage_layer *layer, uint64_t place)
{
    const struct vx_rebuilt *rebuilt = layer->rebuilt;
    return place > VX_HEADER_SECTION_SIZE && place < layer->view_size &&
           rebuilt->block_size > vx_ceil_div(layer->view_size, VX_MIB) * VX_MIB - place &&
           vx_claims_is_free(&rebuilt->claims, place - VX_MIB, VX_MIB);
}

static const char *judge(struct vx_salvage_layer *layer, uint64_t place)
{
    const struct vx_rebuilt *rebuilt = layer->rebuilt;
    struct vx_file *view = layer->image->view;
    const struct vx_absent_room room = {.file = view,
                                        .file_size = layer->view_size,
                                        .owned = &rebuilt->claims,
                                        .block_size = rebuilt->block_size,
                                        .creator = ""};
    uint64_t left = VX_ABSENT_READ_MOST - vx_min(layer->asked.read, VX_ABSENT_READ_MOST), before = left;
    bool zeros = false, touches = false;
    vhdx_status status = VHDX_OK;
    if (rebuilt->unowned_block)
        status = vx_absent_is_zeros(view, place, rebuilt->block_size, &left, &zeros, NULL);
    layer->asked.read += before - left;
    if (status == VHDX_OK && !zeros && rebuilt->unowned_part)
        status = vx_absent_touches(&room, place, &touches, NULL);
    if (status != VHDX_OK) /* the host's own words come when the block is read */
        return NULL;
    return zeros ? is_zeros : touches ? has_neighbour : NULL;
}

const char *vx_salvage_doubt_place(struct vx_salvage_layer *layer, uint64_t block_offset)
{
    if (sticks_out(layer, block_offset))
        return is_beyond;
    if (!layer->rebuilt->unowned_block && !layer->rebuilt->unowned_part)
        return NULL;
    if (layer->asked.place != block_offset) {
        layer->asked.doubt = judge(layer, block_offset);
        layer->asked.place = block_offset;
    }
    return layer->asked.doubt;
}

bool vx_salvage_is_place_doubt(const char *reason)
{
    return reason == is_zeros || reason == has_neighbour;
}
