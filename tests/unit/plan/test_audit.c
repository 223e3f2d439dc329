/*
 * The auditor of repairs against wrong menders: each changes the sketch of a sound disk in one way in which a repair
 * must never change a disk, and gives an innocent reason. None may get through; changes that keep what can be had must.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "base/bytes.h"
#include "format/bat.h"
#include "memory.h"
#include "plan/audit.h"
#include "findings/findings.h"

#include <criterion/criterion.h>
#include <string.h>

#define DISK "/vm/disk.avhdx"
#define MIB (UINT64_C(1) << 20)
#define BLOCKS 12u

struct bench {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *b;
    struct vx_file *file;
    struct vx_plan *plan;
};

static struct bench begin(bool child)
{
    const struct bld_options options = {.kind = child ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC,
                                        .virtual_size = BLOCKS * MIB,
                                        .block_size = MIB,
                                        .seed = 5};
    struct bench t = {.memory = vx_memory_host_new(3)};
    vhdx_error err;
    t.host = vx_memory_host_interface(t.memory);
    t.b = bld_new(&options);
    for (uint64_t block = 1; block < 8; block += 2)
        bld_write_random(t.b, block * MIB, child && block == 5 ? 8192 : MIB, block);
    if (child)
        bld_parent(t.b, &(vhdx_guid){{1, 2, 3}}, NULL, "base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(t.b, t.host, DISK, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vx_file_open(t.host, DISK, VHDX_OPEN_WRITE, &t.file, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vx_plan_open(t.host, t.file, NULL, &t.plan, &err), VHDX_OK, "%s", err.message);
    return t;
}

static void end(struct bench *t)
{
    vx_plan_close(t->plan);
    vx_file_close(t->file);
    bld_free(t->b);
    vx_memory_host_free(t->memory);
}

/* ---- what menders do ---- */

static void put(struct bench *t, enum vx_find kind, uint64_t offset, const void *bytes, size_t length)
{
    const struct vx_reason reason = {kind, false, "all is well", NULL};
    vhdx_error err;
    cr_assert_eq(vx_plan_put(t->plan, bytes, length, offset, &reason, &err), VHDX_OK, "%s", err.message);
}

static void put_number(struct bench *t, enum vx_find kind, uint64_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    vx_put64(bytes, value);
    put(t, kind, offset, bytes, size);
}

static void put_entry(struct bench *t, enum vx_find kind, uint64_t block, uint64_t place, unsigned state)
{
    put_number(t, kind, bld_payload_entry_offset(t->b, block), place | state, 8);
}

static void put_item(struct bench *t, enum vx_find kind, const vhdx_guid *id, uint64_t value, size_t size)
{
    put_number(t, kind, bld_item_offset(t->b, id, false), value, size);
}

/* ---- wrong ones ---- */

static void clears_an_entry(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_RESERVED, 3, 0, VX_PAYLOAD_NOT_PRESENT);
}
static void keeps_the_place_only(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_STATE, 3, bld_payload_offset(t->b, 3), VX_PAYLOAD_ZERO);
}
static void leads_to_another_block(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_OVERLAP, 3, bld_payload_offset(t->b, 1), VX_PAYLOAD_FULLY_PRESENT);
}
static void swaps_two_blocks(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_OVERLAP, 3, bld_payload_offset(t->b, 1), VX_PAYLOAD_FULLY_PRESENT);
    put_entry(t, VX_FIND_BAT_OVERLAP, 1, bld_payload_offset(t->b, 3), VX_PAYLOAD_FULLY_PRESENT);
}
static void leads_behind_the_end(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_BEYOND_END, 3, 900 * MIB, VX_PAYLOAD_FULLY_PRESENT);
}
static void invents_a_block(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_EMPTY, 8, bld_payload_offset(t->b, 7), VX_PAYLOAD_FULLY_PRESENT);
}
static void writes_payload(struct bench *t)
{
    put(t, VX_FIND_BAT_RESERVED, bld_payload_offset(t->b, 7) + 4096, "mended", 6);
}
static void writes_metadata_for_the_bat(struct bench *t)
{
    put_item(t, VX_FIND_BAT_RESERVED, &vx_guid_file_parameters, 0xFFFF, 2);
}
static void writes_the_log(struct bench *t)
{
    put(t, VX_FIND_METADATA_RESERVED, bld_log_offset(t->b) + 512, "mended", 6);
}
static void makes_the_disk_smaller(struct bench *t)
{
    put_item(t, VX_FIND_METADATA_VIRTUAL_SIZE, &vx_guid_virtual_disk_size, 4 * MIB, 8);
}
static void makes_the_blocks_larger(struct bench *t)
{
    put_item(t, VX_FIND_METADATA_BLOCK_SIZE, &vx_guid_file_parameters, 2 * MIB, 4);
}
static void makes_the_sectors_larger(struct bench *t)
{
    put_item(t, VX_FIND_METADATA_LOGICAL_SECTOR, &vx_guid_logical_sector_size, 4096, 4);
}
static void gives_a_new_id(struct bench *t)
{
    put_item(t, VX_FIND_METADATA_DISK_ID, &vx_guid_virtual_disk_id, 77, 8);
}
static void cuts_the_file(struct bench *t)
{
    const struct vx_reason reason = {VX_FIND_SPACE_TRAILING, false, "all is well", NULL};
    cr_assert_eq(vx_plan_resize(t->plan, bld_payload_offset(t->b, 7), &reason, NULL), VHDX_OK);
}

/* The header as it is, but for the place of the log. */
static void put_log(struct bench *t, uint64_t place)
{
    const struct vx_reason reason = {VX_FIND_HEADERS_LOST, false, "all is well", NULL};
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_header header;
    cr_assert_eq(vx_file_read(t->file, bytes, sizeof bytes, VX_HEADER1_OFFSET, NULL), VHDX_OK);
    cr_assert_eq(vx_header_decode(vx_bytes_of(bytes, sizeof bytes), &header), VHDX_OK);
    memset(&header.log_guid, 0, sizeof header.log_guid);
    header.log_offset = place;
    if (place + header.log_length > t->plan->new_size)
        cr_assert_eq(vx_plan_resize(t->plan, place + header.log_length, &reason, NULL), VHDX_OK);
    cr_assert_eq(vx_plan_put_header(t->plan, &header, 0, &reason, NULL), VHDX_OK);
}
static void places_the_log_over_a_block(struct bench *t)
{
    put_log(t, bld_payload_offset(t->b, 7));
}
static void places_the_log_over_the_metadata(struct bench *t)
{
    put_log(t, vx_round_down(bld_item_offset(t->b, &vx_guid_file_parameters, false), MIB));
}

/* These need a child. */
static void hides_the_parent(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_RESERVED, 2, 0, VX_PAYLOAD_ZERO);
}
static void shows_the_parent(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_RESERVED, 3, 0, VX_PAYLOAD_NOT_PRESENT);
}
static void makes_a_partial_block_whole(struct bench *t)
{
    put_entry(t, VX_FIND_BAT_STATE, 5, bld_payload_offset(t->b, 5), VX_PAYLOAD_FULLY_PRESENT);
}
static void forgets_a_bitmap(struct bench *t)
{
    put_number(t, VX_FIND_BITMAP_STATE, bld_bitmap_entry_offset(t->b, 0), 0, 8);
}
static void sets_a_bit(struct bench *t)
{
    put(t, VX_FIND_BITMAP_STATE, bld_bitmap_offset(t->b, 0) + 5 * MIB / 512 / 8 + 9, "\x10", 1);
}
static void forgets_the_parent(struct bench *t)
{
    put_item(t, VX_FIND_METADATA_PARAMETER_BITS, &vx_guid_file_parameters, (uint64_t)0 << 32 | MIB, 8);
}
static void forgets_the_locator(struct bench *t)
{
    uint8_t zeros[32] = {0};
    put(t, VX_FIND_METADATA_NO_LOCATOR, bld_item_entry_offset(t->b, &vx_guid_parent_locator, false), zeros, 32);
}

static const struct wrong {
    const char *name;
    void (*mend)(struct bench *t);
    bool child;
} wrong[] = {
    {"clears an entry", clears_an_entry, false},
    {"keeps the place only", keeps_the_place_only, false},
    {"leads to another block", leads_to_another_block, false},
    {"swaps two blocks", swaps_two_blocks, false},
    {"leads behind the end", leads_behind_the_end, false},
    {"invents a block", invents_a_block, false},
    {"writes payload", writes_payload, false},
    {"writes metadata for the BAT", writes_metadata_for_the_bat, false},
    {"writes the log", writes_the_log, false},
    {"makes the disk smaller", makes_the_disk_smaller, false},
    {"makes the blocks larger", makes_the_blocks_larger, false},
    {"makes the sectors larger", makes_the_sectors_larger, false},
    {"gives a new id", gives_a_new_id, false},
    {"cuts the file", cuts_the_file, false},
    {"places the log over a block", places_the_log_over_a_block, false},
    {"places the log over the metadata", places_the_log_over_the_metadata, false},
    {"hides the parent", hides_the_parent, true},
    {"shows the parent", shows_the_parent, true},
    {"makes a partial block whole", makes_a_partial_block_whole, true},
    {"forgets a bitmap", forgets_a_bitmap, true},
    {"sets a bit", sets_a_bit, true},
    {"forgets the parent", forgets_the_parent, true},
    {"forgets the locator", forgets_the_locator, true},
    {"clears an entry of a child", clears_an_entry, true},
    {"writes a child's payload", writes_payload, true},
};

static struct vx_audit_fault audit(const struct bench *t, bool salvage)
{
    const struct vx_audit_options options = {.salvage = salvage};
    struct vx_audit_fault fault;
    vhdx_error err;
    vx_plan_settle(t->plan);
    cr_assert_eq(vx_audit(t->plan, &options, &fault, &err), VHDX_OK, "%s", err.message);
    return fault;
}

Test(audit, no_wrong_mender_gets_through)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        for (int salvage = 0; salvage < 2; salvage++) {
            struct bench t = begin(wrong[i].child);
            cr_assert_null(audit(&t, salvage).what, "%s: the untouched disk", wrong[i].name);
            wrong[i].mend(&t);
            cr_assert(t.plan->count > 0, "%s", wrong[i].name);
            cr_assert_not_null(audit(&t, salvage).what, "%s, %s", wrong[i].name, salvage ? "salvage" : "lossless");
            end(&t);
        }
}

Test(audit, the_write_at_fault_is_named)
{
    struct bench t = begin(false);
    clears_an_entry(&t);
    struct vx_audit_fault fault = audit(&t, false);
    cr_assert_eq(fault.finding, VX_FIND_BAT_RESERVED);
    cr_assert_eq(fault.virtual_offset, 3 * MIB);
    cr_assert_eq(fault.length, MIB);
    end(&t);
}

Test(audit, what_is_listed_may_be_given_up)
{
    static const struct vx_loss loss = {"given up by this test", false, false};
    struct bench t = begin(false);
    clears_an_entry(&t);
    cr_assert_eq(vx_plan_lose(t.plan, 3 * MIB, MIB, &loss, NULL), VHDX_OK);
    cr_assert_null(audit(&t, true).what);
    cr_assert_not_null(audit(&t, false).what, "not without losses");
    end(&t);
}

Test(audit, a_list_that_lacks_one_sector_is_refused)
{
    static const struct vx_loss loss = {"given up by this test", false, false};
    struct bench t = begin(false);
    clears_an_entry(&t);
    cr_assert_eq(vx_plan_lose(t.plan, 3 * MIB, MIB - 512, &loss, NULL), VHDX_OK);
    cr_assert_not_null(audit(&t, true).what);
    end(&t);
}

Test(audit, a_log_may_move_to_the_end)
{
    struct bench t = begin(false);
    put_log(&t, bld_file_size(t.b));
    cr_assert_null(audit(&t, false).what, "%s", audit(&t, false).what);
    end(&t);
}

/* A block may move: the same bytes in another place are the same disk. */
Test(audit, a_block_that_is_copied_before_its_entry_changes_is_kept)
{
    static uint8_t block[1 << 20];
    struct bench t = begin(false);
    uint64_t end_of_file = bld_file_size(t.b);
    cr_assert_eq(vx_file_read(t.file, block, sizeof block, bld_payload_offset(t.b, 3), NULL), VHDX_OK);
    put(&t, VX_FIND_BAT_OVERLAP, end_of_file, block, sizeof block);
    put_entry(&t, VX_FIND_BAT_OVERLAP, 3, end_of_file, VX_PAYLOAD_FULLY_PRESENT);
    cr_assert_null(audit(&t, false).what, "%s", audit(&t, false).what);
    end(&t);
}
