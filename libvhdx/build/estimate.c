/*
 * Estimates. See estimate.h. They are the most that it can be: data that turns out to be zeros takes nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "build/estimate.h"

#include "format/vhd.h"

struct counting {
    uint64_t at;
    uint64_t blocks;     /* with data */
    uint64_t blocks_end; /* behind the last block that was counted */
};

static void count_data(struct counting *counting, uint64_t length, uint64_t block_size)
{
    uint64_t first = vx_max(counting->at / block_size, counting->blocks_end);
    uint64_t end = vx_ceil_div(counting->at + length, block_size);
    if (end > first) {
        counting->blocks += end - first;
        counting->blocks_end = end;
    }
}

static uint64_t size_of_vhdx(const struct vx_build_spec *spec, uint64_t blocks)
{
    struct vx_geometry geometry;
    if (!vx_geometry_init(&geometry, spec->virtual_size, spec->create.block_size, spec->create.logical_sector_size,
                          spec->create.locator != NULL))
        return 0;
    return 3 * VX_MIB + vx_geometry_bat_region_length(&geometry) +
           (spec->fixed ? geometry.payload_count : blocks) * geometry.block_size;
}

static uint64_t size_of_vhd(const struct vx_build_spec *spec, uint64_t blocks)
{
    uint64_t block_size = spec->create.block_size;
    uint64_t entries = vx_ceil_div(spec->virtual_size, block_size);
    if (spec->fixed)
        return spec->virtual_size + VX_VHD_FOOTER_SIZE;
    return vx_round_down(VX_VHD_FOOTER_SIZE + VX_VHD_HEADER_SIZE + entries * VX_VHD_ENTRY_SIZE, VX_PAGE) + VX_PAGE +
           blocks * (block_size + VX_PAGE) + VX_VHD_FOOTER_SIZE;
}

vhdx_status vx_build_estimate(const struct vx_build_spec *spec, const struct vx_source *source,
                              vhdx_build_report *report, vhdx_error *err)
{
    struct counting counting = {0};
    uint64_t block_size = spec->create.block_size ? spec->create.block_size : VX_PAGE;
    for (;;) {
        struct vx_supply supply = {0};
        VX_TRY(source->next(source->context, &supply, err));
        if (supply.kind == VX_SUPPLY_END)
            break;
        if (supply.kind == VX_SUPPLY_BYTES || supply.kind == VX_SUPPLY_FILE) {
            count_data(&counting, supply.length, block_size);
            report->bytes_data += supply.length;
        }
        counting.at += supply.length;
    }
    report->blocks = counting.blocks;
    report->file_size = spec->format == VHDX_FORMAT_VHDX  ? size_of_vhdx(spec, counting.blocks)
                        : spec->format == VHDX_FORMAT_VHD ? size_of_vhd(spec, counting.blocks)
                                                          : spec->virtual_size;
    return VHDX_OK;
}
