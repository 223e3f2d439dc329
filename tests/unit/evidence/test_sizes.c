/*
 * Sizes that contradict everything else: one item of the metadata is changed, all else says what it was. Each kind is
 * settled to the former value, a repair writes nothing but that item, and what leaves a doubt is left to salvage or
 * asked. Large disks hold a few blocks only.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "files.h"
#include "guest.h"
#include "look.h"

#include "base/bytes.h"
#include "base/guid.h"
#include "format/bat.h"
#include "format/metadata.h"
#include "with_memory.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define DISK "/d/disk.vhdx"
#define PARENT "/d/parent.vhdx"
#define ID "VHDX-METADATA-CONTRADICTED"
#define BLOCK ((uint64_t)VX_MIB)
#define SIZE (24 * VX_MIB)

static struct bld *disk;

static void make(const struct bld_options *options, void (*fill)(uint64_t size))
{
    if (!memory) {
        begin_memory();
        host = vx_memory_host_interface(memory);
    }
    disk = bld_new(options);
    if (fill)
        fill(options->virtual_size);
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
}

static void end(void)
{
    bld_free(disk);
    end_memory();
    memory = NULL;
}

/* ---- content ---- */

static void with_gpt(uint64_t size)
{
    guest_gpt(disk, size, 3, GUEST_GPT);
    bld_write_random(disk, 5 * BLOCK, (size_t)BLOCK, 1);
    bld_write_random(disk, 9 * BLOCK, (size_t)BLOCK, 2);
}

static void without_gpt(uint64_t size)
{
    (void)size;
    bld_write_random(disk, 5 * BLOCK, (size_t)BLOCK, 1);
    bld_write_random(disk, 9 * BLOCK, (size_t)BLOCK, 2);
}

static void of_child(uint64_t size)
{
    bld_parent(disk, &(vhdx_guid){{1, 2, 3}}, NULL, ".\\parent.vhdx", NULL, NULL);
    bld_write_random(disk, 0, 8192, 1);
    bld_write_random(disk, 7 * BLOCK + 4096, 4096, 2);
    bld_write_random(disk, size - 4096, 4096, 3);
    bld_state(disk, 11, VX_PAYLOAD_ZERO);
    bld_anchor(disk, 13, VX_PAYLOAD_UNMAPPED);
}

/* ---- damage and outcome ---- */

static void set(const vhdx_guid *id, uint64_t value, size_t size)
{
    cr_assert_eq(bld_poke_int(host, DISK, bld_item_offset(disk, id, false), value, size), VHDX_OK);
}

static uint64_t item(const vhdx_guid *id)
{
    uint8_t bytes[16] = {0};
    struct look *look = look_at(host, DISK);
    cr_assert(look);
    uint32_t length = look_item(look, host, DISK, id, false, bytes, sizeof bytes);
    free(look);
    return length == 8 && !vx_guid_equal(id, &vx_guid_file_parameters) ? vx_get64(bytes) : vx_get32(bytes);
}

static uint64_t virtual_size(void)
{
    return item(&vx_guid_virtual_disk_size);
}

static uint8_t *bat(void)
{
    uint8_t *bytes = malloc((size_t)VX_MIB);
    cr_assert_eq(bld_peek(host, DISK, bld_bat_entry_offset(disk, 0), bytes, (size_t)VX_MIB), VHDX_OK);
    return bytes;
}

static vhdx_report *repair_with(vhdx_repair_options options)
{
    vhdx_report *report;
    vhdx_error err;
    options.struct_size = sizeof options;
    options.host = host;
    options.no_undo = true;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static void repair(bool salvage)
{
    vhdx_report_free(repair_with((vhdx_repair_options){.salvage = salvage}));
}

static vhdx_report *verify(void)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static const vhdx_finding *find(const vhdx_report *report, const char *id)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (strcmp(finding->id, id) == 0)
            return finding;
    return NULL;
}

static void found(vhdx_repair_class class)
{
    vhdx_report *report = verify();
    const vhdx_finding *finding = find(report, ID);
    cr_assert(finding, "nothing is contradicted");
    cr_assert_eq(finding->repair, class, "class %d: %s -> %s", finding->repair, finding->message, finding->advice_text);
    vhdx_report_free(report);
}

static void nothing_found(void)
{
    vhdx_report *report = verify();
    const vhdx_finding *finding = find(report, ID);
    cr_assert(!finding, "%s", finding ? finding->message : "");
    vhdx_report_free(report);
}

static void is_sound(void)
{
    vhdx_report *report = verify();
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        cr_assert_eq(finding->severity, VHDX_SEVERITY_INFO, "%s", finding->message);
    vhdx_report_free(report);
}

static void content(uint8_t hash[16])
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_error err;
    cr_assert_eq(vhdx_chain_open(DISK, &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert(files_content(chain, hash, &err), "%s", err.message);
    vhdx_chain_free(chain);
}

static vhdx_salvage_report salvage(void)
{
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    vhdx_error err;
    cr_assert_eq(vhdx_salvage(DISK, "/d/raw", &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

/* A disk without parent: the item gets another value, and the former one comes back with all content; the entries of
 * the BAT are as they were at any time. */
static void comes_back(const vhdx_guid *id, uint64_t value, size_t size, vhdx_repair_class class)
{
    uint8_t before[16], after[16], *entries = bat(), *now;
    uint64_t former = item(id);
    content(before);
    set(id, value, size);
    found(class);
    cr_assert_eq(salvage().virtual_size, bld_virtual_size(disk));
    repair(false);
    now = bat();
    cr_assert_arr_eq(entries, now, VX_MIB, "plain repair changes the BAT");
    free(now);
    if (class == VHDX_REPAIR_SALVAGE) {
        cr_assert_eq(item(id), value);
        repair(true);
    }
    cr_assert_eq(item(id), former);
    now = bat();
    cr_assert_arr_eq(entries, now, VX_MIB, "salvage changes the BAT");
    content(after);
    cr_assert_arr_eq(before, after, sizeof after);
    is_sound();
    free(now);
    free(entries);
    end();
}

static const struct bld_options small = {.virtual_size = SIZE, .block_size = (uint32_t)BLOCK, .seed = 5};

/* ---- the size of the disk ---- */

Test(sizes, a_size_that_the_gpt_and_entries_contradict)
{
    make(&small, with_gpt);
    comes_back(&vx_guid_virtual_disk_size, 2 * VX_MIB, 8, VHDX_REPAIR_LOSSLESS);
}

/* A plain repair does not touch the BAT then, so verify does not promise it. */
Test(sizes, what_waits_for_the_size_is_not_called_lossless)
{
    struct bld_options options = small;
    options.virtual_size = 10 * VX_MIB;
    make(&options, without_gpt);
    cr_assert_eq(bld_poke_int(host, DISK, bld_bat_entry_offset(disk, 12), VX_PAYLOAD_UNMAPPED, 8), VHDX_OK);
    set(&vx_guid_virtual_disk_size, 2 * VX_MIB, 8);
    vhdx_report *report = verify();
    cr_assert(find(report, "VHDX-BAT-PADDING"));
    cr_expect_eq(find(report, "VHDX-BAT-PADDING")->repair, VHDX_REPAIR_SALVAGE);
    vhdx_report_free(report);
    repair(true);
    is_sound();
    end();
}

/* No entry is behind the end: the last block has the copy of the table. */
Test(sizes, a_size_that_ends_within_the_last_block)
{
    make(&small, with_gpt);
    comes_back(&vx_guid_virtual_disk_size, SIZE - 8 * 4096, 8, VHDX_REPAIR_LOSSLESS);
}

Test(sizes, what_lies_behind_the_stored_end_is_not_called_good)
{
    make(&small, with_gpt);
    set(&vx_guid_virtual_disk_size, 2 * VX_MIB, 8);
    vhdx_salvage_report report = salvage();
    cr_expect_eq(report.virtual_size, SIZE);
    cr_expect_eq(report.bytes_good, 2 * VX_MIB);
    cr_expect_eq(report.bytes_doubtful, SIZE - 2 * VX_MIB);
    end();
}

Test(sizes, entries_alone_give_a_size_by_salvage_only)
{
    struct bld_options options = small;
    options.virtual_size = 10 * VX_MIB; /* its last block is there */
    make(&options, without_gpt);
    comes_back(&vx_guid_virtual_disk_size, 2 * VX_MIB, 8, VHDX_REPAIR_SALVAGE);
}

Test(sizes, a_child_that_is_too_small_keeps_its_entries)
{
    const struct bld_options options = {
        .kind = VHDX_KIND_DIFFERENCING, .virtual_size = SIZE, .block_size = (uint32_t)BLOCK, .seed = 6};
    make(&options, of_child);
    uint8_t *entries = bat(), *now;
    set(&vx_guid_virtual_disk_size, VX_MIB, 8);
    found(VHDX_REPAIR_SALVAGE);
    for (int salvages = 0; salvages < 2; salvages++) {
        repair(salvages);
        now = bat();
        cr_assert_arr_eq(entries, now, VX_MIB);
        cr_assert_eq(virtual_size(), salvages ? SIZE : VX_MIB);
        free(now);
    }
    free(entries);
    end();
}

static void make_parent(void)
{
    struct bld_options options = small;
    begin_memory();
    options.data_write_guid = (vhdx_guid){{1, 2, 3}};
    options.virtual_size = SIZE + 512;
    struct bld *parent = bld_new(&options);
    cr_assert_eq(bld_finish(parent, host, PARENT, NULL), VHDX_OK);
    bld_free(parent);
}

Test(sizes, the_parent_that_the_locator_names_says_the_size_of_its_child)
{
    const struct bld_options options = {
        .kind = VHDX_KIND_DIFFERENCING, .virtual_size = SIZE + 512, .block_size = (uint32_t)BLOCK, .seed = 6};
    const char *const parents[] = {PARENT};
    make_parent();
    make(&options, NULL);
    bld_free(disk);
    disk = bld_new(&options);
    bld_parent(disk, &(vhdx_guid){{1, 2, 3}}, NULL, ".\\parent.vhdx", NULL, NULL);
    bld_write_random(disk, 7 * BLOCK + 4096, 4096, 2);
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
    set(&vx_guid_virtual_disk_size, VX_MIB, 8);
    vhdx_report_free(repair_with((vhdx_repair_options){.parents = parents, .parent_count = 1}));
    cr_expect_eq(virtual_size(), SIZE + 512);
    end();
}

/* The copy of the table at the stored end: what lies behind it is left over from a larger disk. */
Test(sizes, entries_behind_an_end_that_the_gpt_confirms_change_nothing)
{
    make(&small, with_gpt);
    uint64_t file_size = bld_file_size(disk);
    cr_assert_eq(bld_resize(host, DISK, file_size + BLOCK), VHDX_OK);
    cr_assert_eq(bld_poke_int(host, DISK, bld_bat_entry_offset(disk, 30), file_size | 6, 8), VHDX_OK);
    nothing_found();
    end();
}

Test(sizes, an_entry_behind_the_end_that_leads_to_anothers_block_changes_nothing)
{
    make(&small, without_gpt);
    cr_assert_eq(bld_poke_int(host, DISK, bld_bat_entry_offset(disk, 30), bld_payload_offset(disk, 5) | 6, 8), VHDX_OK);
    nothing_found();
    end();
}

Test(sizes, a_disk_that_was_made_larger_is_in_order)
{
    struct bld_options options = small;
    options.virtual_size = 2 * SIZE;
    make(&options, NULL);
    bld_free(disk);
    disk = bld_new(&options);
    guest_gpt(disk, SIZE, 3, GUEST_GPT);
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
    nothing_found();
    end();
}

Test(sizes, an_odd_size_gives_way_to_the_gpt_behind_it)
{
    make(&small, with_gpt);
    uint8_t before[16], after[16];
    content(before);
    set(&vx_guid_virtual_disk_size, 2 * VX_MIB + 7, 8);
    repair(false);
    cr_expect_eq(virtual_size(), SIZE);
    content(after);
    cr_expect_arr_eq(before, after, sizeof after);
    end();
}

/* ---- the logical sector size ---- */

Test(sizes, sectors_that_the_size_and_the_gpt_contradict)
{
    struct bld_options options = small;
    options.virtual_size = SIZE + 512;
    make(&options, with_gpt);
    comes_back(&vx_guid_logical_sector_size, 4096, 4, VHDX_REPAIR_LOSSLESS);
}

/* Nobody says which of the two is wrong; with smaller sectors nothing is cut off. */
Test(sizes, sectors_that_only_the_size_contradicts)
{
    struct bld_options options = small;
    options.virtual_size = SIZE + 512;
    make(&options, without_gpt);
    comes_back(&vx_guid_logical_sector_size, 4096, 4, VHDX_REPAIR_SALVAGE);
}

static void child_sectors(uint32_t right, uint32_t wrong)
{
    const struct bld_options options = {.kind = VHDX_KIND_DIFFERENCING,
                                        .virtual_size = SIZE,
                                        .block_size = (uint32_t)BLOCK,
                                        .logical_sector_size = right,
                                        .seed = 6};
    make(&options, of_child);
    uint8_t *entries = bat(), *now;
    set(&vx_guid_logical_sector_size, wrong, 4);
    found(VHDX_REPAIR_LOSSLESS);
    repair(false);
    now = bat();
    cr_assert_arr_eq(entries, now, VX_MIB);
    cr_assert_eq(item(&vx_guid_logical_sector_size), right);
    nothing_found();
    free(entries);
    free(now);
    end();
}

Test(sizes, the_places_of_a_childs_bitmaps_say_its_sectors)
{
    child_sectors(512, 4096);
    child_sectors(4096, 512);
}

static void every_block(uint64_t size)
{
    guest_gpt(disk, size, 3, GUEST_GPT);
    for (uint64_t block = 0; block < size / (32 * VX_MIB); block++)
        bld_write_random(disk, block * 32 * VX_MIB + 65536, 4096, block + 1);
}

static void every_block_of_4096(uint64_t size)
{
    for (uint64_t block = 0; block < size / (32 * VX_MIB); block++)
        bld_write_random(disk, block * 32 * VX_MIB + 65536, 4096, block + 1);
}

/* Behind the first 4 GiB each block would be read as its neighbour. */
Test(sizes, empty_and_used_places_of_bitmaps_say_the_sectors_of_a_base)
{
    struct bld_options options = {.virtual_size = 10 * VX_GIB, .seed = 5};
    make(&options, every_block);
    comes_back(&vx_guid_logical_sector_size, 4096, 4, VHDX_REPAIR_LOSSLESS);
    options.logical_sector_size = 4096;
    make(&options, every_block_of_4096);
    comes_back(&vx_guid_logical_sector_size, 512, 4, VHDX_REPAIR_SALVAGE);
}

/* Somebody may have copied a disk with other sectors into this one: a warning, and no repair unless it is asked for. */
Test(sizes, sectors_that_only_the_gpt_contradicts)
{
    make(&small, with_gpt);
    set(&vx_guid_logical_sector_size, 4096, 4);
    vhdx_report *report = verify();
    cr_assert(find(report, ID));
    cr_expect_eq(find(report, ID)->severity, VHDX_SEVERITY_WARNING);
    cr_expect_eq(find(report, ID)->repair, VHDX_REPAIR_SALVAGE);
    vhdx_report_free(report);
    cr_expect_eq(salvage().bytes_good, SIZE);
    repair(false);
    cr_expect_eq(item(&vx_guid_logical_sector_size), 4096);
    repair(true);
    cr_expect_eq(item(&vx_guid_logical_sector_size), 512);
    end();
}

/* ---- the block size ---- */

static void with_many_blocks(uint64_t size)
{
    guest_gpt(disk, size, 3, GUEST_GPT);
    for (uint64_t block = 1; block < 7; block++)
        bld_write_random(disk, block * 4 * VX_MIB, 3 * VX_MIB, block);
}

Test(sizes, a_block_size_that_distances_and_the_gpt_contradict)
{
    const struct bld_options options = {.virtual_size = 40 * VX_MIB, .block_size = 4 << 20, .seed = 5};
    for (uint32_t wrong = 1; wrong <= 32; wrong *= 2) {
        if (wrong == 4)
            continue;
        make(&options, with_many_blocks);
        comes_back(&vx_guid_file_parameters, wrong << 20, 4, VHDX_REPAIR_LOSSLESS);
    }
}

/* ---- what the caller says ---- */

Test(sizes, the_caller_decides)
{
    make(&small, without_gpt);
    uint8_t before[16], after[16];
    content(before);
    set(&vx_guid_virtual_disk_size, 2 * VX_MIB, 8);
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host, .assume_virtual_size = SIZE};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    cr_assert_eq(vhdx_salvage(DISK, "/d/raw", &options, &report, NULL), VHDX_OK);
    cr_expect_eq(report.bytes_good, SIZE);
    vhdx_report_free(repair_with((vhdx_repair_options){.assume_virtual_size = SIZE}));
    cr_expect_eq(virtual_size(), SIZE);
    content(after);
    cr_expect_arr_eq(before, after, sizeof after);
    is_sound();
    end();
}

/* Less than there is content for is given up only by salvage, whoever says it. */
Test(sizes, what_the_caller_says_cuts_nothing_off_without_salvage)
{
    make(&small, without_gpt);
    vhdx_report_free(repair_with((vhdx_repair_options){.assume_virtual_size = 2 * VX_MIB}));
    cr_expect_eq(virtual_size(), SIZE);
    end();
}

/* ---- neither metadata nor BAT ---- */

#define GIB_BLOCK ((uint64_t)2 * VX_MIB)

static void with_ntfs(uint64_t size)
{
    uint8_t boot[512] = {0xEB, 0x52, 0x90, 'N', 'T', 'F', 'S', ' ', ' ', ' ', ' ', 0, 2, 8};
    vx_put64(boot + 0x28, size / 512 - 1);
    vx_put64(boot + 0x30, 4);
    vx_put64(boot + 0x38, 8);
    boot[0x40] = 0xF6;
    boot[510] = 0x55;
    boot[511] = 0xAA;
    bld_write(disk, 0, boot, sizeof boot);
    for (uint64_t block = 1; block < 6; block++)
        bld_write_random(disk, block * GIB_BLOCK, (size_t)GIB_BLOCK, block);
    bld_write(disk, size - 512, boot, sizeof boot);
}

/* A clean disk whose log still has pages of the BAT. */
static void lose_metadata_and_bat(bool logged)
{
    const uint8_t none[16] = {0};
    uint8_t *zeros = calloc(1, (size_t)VX_MIB);
    const struct bld_options options = {.virtual_size = VX_GIB, .block_size = (uint32_t)GIB_BLOCK, .seed = 5};
    begin_memory();
    disk = bld_new(&options);
    with_ntfs(VX_GIB);
    if (logged)
        bld_log_dirty(disk, &(struct bld_log){.what = BLD_LOG_BAT, .sequence = 7});
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
    cr_assert_eq(bld_poke_header(host, DISK, 3, 48, none, sizeof none), VHDX_OK);
    cr_assert_eq(bld_poke(host, DISK, bld_bat_entry_offset(disk, 0), zeros, (size_t)VX_MIB), VHDX_OK);
    cr_assert_eq(bld_poke(host, DISK, bld_region_offset(disk, &vx_guid_metadata_region), zeros, (size_t)VX_MIB),
                 VHDX_OK);
    free(zeros);
}

Test(sizes, the_log_and_the_file_system_know_sizes_that_nothing_else_tells)
{
    for (int logged = 0; logged < 2; logged++) {
        lose_metadata_and_bat(logged);
        cr_expect_eq(salvage().virtual_size, VX_GIB, "%d", logged);
        repair(true);
        cr_expect_eq(virtual_size(), VX_GIB, "%d", logged);
        if (logged)
            cr_expect_eq(item(&vx_guid_file_parameters), GIB_BLOCK);
        end();
    }
}
