/*
 * Bytes that say where on the virtual disk they belong.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "base/checked.h"
#include "guest/anchors.h"

static uint8_t window[VX_MIB];
static struct vx_anchor_map map;

static void setup(void)
{
    memset(window, 0, sizeof window);
    map = (struct vx_anchor_map){.sector_size = 512, .virtual_size = 64 * VX_MIB, .count = 1};
    map.partitions[0].length = 64 * VX_MIB;
}

TestSuite(anchors, .init = setup);

static void put_big(size_t at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        window[at + i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

/* Two groups of 8 MiB. */
static void put_xfs(uint32_t sector_size)
{
    memcpy(window, "XFSB", 4);
    put_big(4, 4096, 4);
    put_big(8, 4096, 8);
    put_big(84, 2048, 4);
    put_big(88, 2, 4);
    put_big(100, 0xB4A5, 2);
    put_big(102, sector_size, 2);
    put_big(104, 512, 2);
    window[123] = 3;
    window[124] = 11;
}

static void put_header(size_t at, const char *magic, uint32_t group)
{
    memcpy(window + at, magic, 4);
    put_big(at + 4, 1, 4);
    put_big(at + 8, group, 4);
}

struct places {
    size_t count, at[8];
    uint64_t place[8];
};

static vhdx_status note_place(void *context, size_t at, uint64_t virtual_offset, vhdx_error *err)
{
    struct places *places = context;
    (void)err;
    cr_assert_lt(places->count, 8);
    places->at[places->count] = at;
    places->place[places->count++] = virtual_offset;
    return VHDX_OK;
}

static struct places find(void)
{
    struct places places = {0};
    cr_assert_eq(vx_anchors_find(&map, vx_bytes_of(window, sizeof window), note_place, &places, NULL), VHDX_OK);
    return places;
}

/* mkfs.xfs takes the physical sector size, which is 4096 on most disks: then the headers are 4096 bytes apart. */
Test(anchors, headers_of_xfs_are_a_sector_apart_whatever_its_size)
{
    static const uint32_t sizes[] = {512, 4096};
    for (size_t i = 0; i < 2; i++) {
        setup();
        put_xfs(sizes[i]);
        vx_anchors_learn(&map, vx_bytes_of(window, sizeof window));
        put_header(sizes[i], "XAGF", 1);
        put_header(2 * sizes[i], "XAGI", 1);
        struct places places = find();
        cr_assert_eq(places.count, 2, "sectors of %u: %zu", sizes[i], places.count);
        for (size_t k = 0; k < 2; k++) {
            cr_expect_eq(places.at[k], (k + 1) * sizes[i]);
            cr_expect_eq(places.place[k], 8 * VX_MIB + (k + 1) * sizes[i]);
        }
    }
}

Test(anchors, a_header_where_none_of_its_group_can_be_is_none)
{
    put_xfs(4096);
    vx_anchors_learn(&map, vx_bytes_of(window, sizeof window));
    put_header(512, "XAGF", 1);
    put_header(8192, "XAGF", 1);
    put_header(4096, "XAGF", 8); /* beyond the partition */
    cr_expect_eq(find().count, 0);
}
