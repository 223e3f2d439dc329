/*
 * Who owns the file's space while a BAT is rebuilt, and what nobody owns. See rebuild.h. Easy to get wrong: a structure
 * whose place is a mere guess owns nothing; what lies there may be content.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "rebuild/rebuild_parts.h"

#define STRAYS_MAX ((size_t)1 << 16)

bool vx_rebuilt_shared(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length)
{
    return vx_claims_contested(&rebuilt->claims, file_offset, length);
}

bool vx_rebuilt_is_free(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length)
{
    return file_offset >= VX_MIB && file_offset < rebuilt->file_size && length <= rebuilt->file_size - file_offset &&
           vx_claims_is_free(&rebuilt->claims, file_offset, length);
}

vhdx_status vx_claim_structures(const struct vx_rebuilt *out, struct vx_claims *claims, vhdx_error *err)
{
    VX_TRY(vx_claims_take(claims, 0, VX_HEADER_SECTION_SIZE, err));
    VX_TRY(vx_claims_take(claims, out->header.log_offset, out->header.log_length, err));
    for (uint32_t i = 0; i < out->regions->count && i < VX_REGION_MAX; i++)
        VX_TRY(vx_claims_take(claims, out->regions->entries[i].file_offset, out->regions->entries[i].length, err));
    if (out->room.cure != VX_ROOM_LENGTH)
        return VHDX_OK;
    return vx_claims_take(claims, out->bat.file_offset + out->room.former.length,
                          out->bat.length - out->room.former.length, err);
}

vhdx_status vx_rebuild_open_claims(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    vx_claims_close(&out->claims);
    VX_TRY(vx_claims_open(work->view_size, &out->claims, err));
    return vx_claim_structures(out, &out->claims, err);
}

/* ---- entries ---- */

bool vx_rebuilt_owns(const struct vx_rebuilt *out, uint64_t index, const struct vx_bat_entry *entry, uint64_t *length)
{
    uint64_t which;
    bool payload = vx_geometry_is_payload(&out->geometry, index, &which);
    *length = payload ? out->block_size : VX_BITMAP_BLOCK_SIZE;
    if (entry->file_offset == 0 || entry->file_offset > INT64_MAX)
        return false;
    return payload ? vx_bat_payload_owns_space(entry) : out->geometry.has_parent && entry->state == VX_BITMAP_PRESENT;
}

struct vx_bat_world vx_rebuild_world(const struct vx_rebuilt *out)
{
    return (struct vx_bat_world){&out->geometry, out->file_size};
}

bool vx_rebuild_is_bad(const struct vx_rebuilt *out, uint64_t index, const struct vx_bat_entry *entry)
{
    const struct vx_bat_world world = vx_rebuild_world(out);
    return vx_bat_entry_is_bad(&world, index, entry);
}

uint32_t vx_rebuild_entries_in_page(const struct vx_rebuilt *out, uint64_t page)
{
    return vx_bat_page_entries(&out->geometry, page);
}

void vx_rebuild_look_at_page(const struct vx_rebuilt *out, uint64_t page, const uint8_t *bytes,
                             struct vx_page_look *look)
{
    const struct vx_bat_world world = vx_rebuild_world(out);
    *look = (struct vx_page_look){0};
    vx_bat_page_look(&world, page, bytes, &look->entries);
    for (uint32_t i = 0; i < vx_rebuild_entries_in_page(out, page); i++) {
        uint64_t raw = vx_get64(bytes + i * VX_BAT_ENTRY_SIZE), length, index = page * VX_BAT_PAGE_ENTRIES + i;
        struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        look->odd += vx_rebuild_is_odd(out, index, &entry);
        look->said += entry.state != VX_PAYLOAD_NOT_PRESENT;
        look->nowhere += entry.state == VX_PAYLOAD_FULLY_PRESENT && entry.reserved == 0 &&
                         (entry.file_offset < VX_MIB || entry.file_offset >= out->file_size);
        if (!vx_rebuild_is_bad(out, index, &entry) && vx_rebuilt_owns(out, index, &entry, &length)) {
            look->owners++;
            look->conflicts += !vx_claims_is_free(&out->claims, entry.file_offset, length);
        }
    }
}

vhdx_status vx_rebuild_claim_page(struct vx_rebuilt *out, uint64_t page, const uint8_t *bytes, uint64_t *contested,
                                  vhdx_error *err)
{
    for (uint32_t i = 0; i < vx_rebuild_entries_in_page(out, page); i++) {
        uint64_t length, index = page * VX_BAT_PAGE_ENTRIES + i;
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(bytes + i * VX_BAT_ENTRY_SIZE));
        if (vx_rebuild_is_bad(out, index, &entry) || !vx_rebuilt_owns(out, index, &entry, &length))
            continue;
        *contested += !vx_claims_is_free(&out->claims, entry.file_offset, length);
        VX_TRY(vx_claims_take(&out->claims, entry.file_offset, length, err));
    }
    return VHDX_OK;
}

/* ---- what nobody owns ---- */

uint64_t vx_rebuild_next_unowned(const struct vx_rebuilding *work, uint64_t mib)
{
    const struct vx_claims *claims = &work->out->claims;
    for (mib = vx_claims_next_free(claims, mib); mib < claims->slots; mib = vx_claims_next_free(claims, mib)) {
        uint64_t data, length;
        vx_file_next_data(work->view, mib * VX_MIB, &data, &length);
        if (length == 0)
            return claims->slots;
        if (data / VX_MIB <= mib)
            return mib;
        mib = data / VX_MIB;
    }
    return claims->slots;
}

static vhdx_status add_stray(struct vx_rebuilding *work, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    if (out->stray_count > 0) {
        struct vx_stray *last = &out->strays[out->stray_count - 1];
        if (last->file_offset + last->length == offset || out->stray_count == STRAYS_MAX) {
            last->length = offset + length - last->file_offset;
            return VHDX_OK;
        }
    }
    struct vx_stray *strays = vx_room_for(out->strays, out->stray_count, &out->stray_room, sizeof *strays);
    if (!strays)
        return vx_fail_memory(err, "the list of pieces");
    out->strays = strays;
    out->strays[out->stray_count++] = (struct vx_stray){offset, length};
    return VHDX_OK;
}

/* Space that nobody owns and that is not all zeros. */
vhdx_status vx_rebuild_strays(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint8_t *bytes = vx_alloc((size_t)VX_MIB, 1);
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the file");
    out->stray_count = 0;
    uint64_t mib = vx_rebuild_next_unowned(work, 1);
    while (status == VHDX_OK && mib < out->claims.slots) {
        size_t got = 0;
        status = vx_file_read_some(work->view, bytes, (size_t)VX_MIB, mib * VX_MIB, &got, err);
        if (status == VHDX_OK && !vx_is_zero(bytes, got))
            status = add_stray(work, mib * VX_MIB, got, err);
        if (status == VHDX_OK)
            status = vx_rebuild_progress(work, mib * VX_MIB, work->view_size, err);
        mib = vx_rebuild_next_unowned(work, mib + 1);
    }
    vx_free(bytes);
    return status;
}

/* Structures whose place is a mere guess own nothing: what lies there may be content. */
static vhdx_status claim_witnessed(const struct vx_rebuilt *out, struct vx_claims *claims, vhdx_error *err)
{
    bool tables = out->clues[VX_PART_REGIONS].witness < VX_WITNESS_GEOMETRY;
    VX_TRY(vx_claims_take(claims, 0, VX_HEADER_SECTION_SIZE, err));
    if (out->clues[VX_PART_HEADER].witness != VX_WITNESS_DEFAULT)
        VX_TRY(vx_claims_take(claims, out->header.log_offset, out->header.log_length, err));
    for (uint32_t i = 0; tables && i < out->regions->count && i < VX_REGION_MAX; i++)
        VX_TRY(vx_claims_take(claims, out->regions->entries[i].file_offset, out->regions->entries[i].length, err));
    if (!tables && out->clues[VX_PART_METADATA].witness != VX_WITNESS_DEFAULT)
        return vx_claims_take(claims, out->metadata.file_offset, out->metadata.length, err);
    return VHDX_OK;
}

vhdx_status vx_rebuild_pieces(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    VX_TRY(vx_rebuild_open_claims(work, err));
    vx_claims_forget(&out->claims);
    VX_TRY(claim_witnessed(out, &out->claims, err));
    VX_TRY(vx_rebuild_strays(work, err));
    out->only_pieces = out->stray_count > 0;
    return VHDX_OK;
}

uint64_t vx_rebuild_page_offset(const struct vx_rebuilding *work, uint64_t page)
{
    return work->out->bat.file_offset + page * VX_PAGE;
}

vhdx_status vx_rebuild_read_page(struct vx_rebuilding *work, uint64_t page, uint8_t bytes[VX_PAGE], vhdx_error *err)
{
    size_t got;
    return vx_file_read_some(work->view, bytes, VX_PAGE, vx_rebuild_page_offset(work, page), &got, err);
}

vhdx_status vx_rebuild_claims(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint64_t contested = 0;
    vx_claims_forget(&out->claims);
    VX_TRY(vx_claim_structures(out, &out->claims, err));
    for (uint64_t page = 0; page < out->page_count; page++) {
        uint8_t bytes[VX_PAGE];
        uint64_t data = 0, length;
        vx_file_next_data(work->view, vx_rebuild_page_offset(work, page), &data, &length);
        if (length == 0)
            return VHDX_OK;
        if (data < vx_rebuild_page_offset(work, page) + VX_PAGE) {
            VX_TRY(vx_rebuild_read_page(work, page, bytes, err));
            VX_TRY(vx_rebuild_claim_page(out, page, bytes, &contested, err));
        } else {
            page = (data - out->bat.file_offset) / VX_PAGE - 1;
        }
    }
    return VHDX_OK;
}

bool vx_rebuild_is_odd(const struct vx_rebuilt *out, uint64_t bat_index, const struct vx_bat_entry *entry)
{
    const uint32_t odd = VX_BAT_BAD_STATE | VX_BAT_STRAY_OFFSET | VX_BAT_ANCHOR;
    uint64_t which;
    if (entry->file_offset == 0)
        return false;
    if (vx_geometry_is_payload(&out->geometry, bat_index, &which))
        return which < out->geometry.payload_count &&
               (vx_bat_payload_rules(entry, out->geometry.has_parent) & odd) != 0;
    return out->geometry.has_parent ? (vx_bat_bitmap_rules(entry, true) & odd) != 0 : entry->state == VX_BITMAP_PRESENT;
}
