/*
 * Mutants: single bytes of the structures of sound disks set to other values, one at a time. Whatever comes of it,
 * verify ends with a report, what it calls sound can be opened and read, and where the content reads otherwise it says
 * something; but for those bytes that nothing in the format backs up (an entry of the BAT, the bits of a sector bitmap,
 * a size), which are counted. A sample by default, everything with VHDX_SLOW=1.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "memory.h"

#define PATH "/d/disk.vhdx"
#define BLOCK ((uint32_t)VX_MIB)
#define SIZE (8 * VX_MIB)

/* What can be told about a byte from where it lies. */
enum place { PLACE_ELSE, PLACE_BAT, PLACE_BITMAP, PLACE_SIZE, PLACES };

struct mutants {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *parent, *b;
    uint8_t content[16];
    uint64_t digest; /* of what verify says about the sound disk */
    uint64_t made, refused, differing, named, silent[PLACES];
};

static bool is_slow(void)
{
    return getenv("VHDX_SLOW") != NULL;
}

static bool content_of(const struct mutants *m, uint8_t hash[16])
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = m->host};
    vhdx_chain *chain;
    if (vhdx_chain_open(PATH, &options, &chain, NULL) != VHDX_OK)
        return false;
    /* reading terabytes of zeros tells nothing */
    bool is_huge = vhdx_chain_layer(chain, 0)->virtual_size > 16 * SIZE;
    vhdx_status status = is_huge ? VHDX_OK : vhdx_chain_hash(chain, hash, NULL, NULL);
    if (is_huge)
        memset(hash, 0xEE, 16);
    vhdx_chain_free(chain);
    return status == VHDX_OK;
}

/* A number for all that is said, of the disk alone or of its chain; 0: could not be checked. */
static uint64_t said(const struct mutants *m, bool chain, bool *errors)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = m->host, .chain = chain};
    vhdx_report *report;
    vhdx_error err;
    const vhdx_finding *finding;
    uint64_t digest = 1;
    *errors = true;
    if (vhdx_verify(PATH, &options, &report, &err) != VHDX_OK) {
        cr_expect_eq(err.status, VHDX_NOT_VHDX, "%s", err.message);
        return 0;
    }
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        digest = digest * 1000003 + finding->number * 31 + finding->index + finding->count;
    *errors = vhdx_report_file(report, 0)->errors > 0;
    vhdx_report_free(report);
    return digest;
}

static bool opens(const struct mutants *m)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = m->host};
    vhdx_image *image = NULL;
    vhdx_status status = vhdx_image_open(PATH, &options, &image, NULL);
    vhdx_image_free(image);
    return status == VHDX_OK;
}

static void judge(struct mutants *m, uint64_t offset, uint8_t value, enum place place)
{
    uint8_t content[16];
    bool errors;
    uint64_t digest = said(m, false, &errors);
    m->made++;
    cr_expect(errors || opens(m), "byte 0x%llx = 0x%02x: no errors, and cannot be opened", (unsigned long long)offset,
              value);
    bool readable = content_of(m, content);
    m->refused += !readable;
    if (readable && memcmp(content, m->content, sizeof content) == 0)
        return;
    m->differing++;
    if (digest != m->digest)
        return;
    m->silent[place]++;
    if (place == PLACE_ELSE && !readable) { /* it is the parent that does not fit: whoever asks for it is told */
        said(m, true, &errors);
        m->named += errors;
        cr_expect(errors, "byte 0x%llx = 0x%02x: the chain cannot be read, and verify finds nothing wrong with it",
                  (unsigned long long)offset, value);
    }
    cr_expect(place != PLACE_ELSE || !readable, "byte 0x%llx = 0x%02x: reads otherwise, and nothing is said",
              (unsigned long long)offset, value);
}

static void mutate(struct mutants *m, uint64_t offset, enum place place)
{
    uint8_t old, tried[4];
    size_t count = is_slow() ? 4 : 1;
    cr_assert_eq(bld_peek(m->host, PATH, offset, &old, 1), VHDX_OK);
    tried[0] = old ^ 0x01;
    tried[1] = old ^ 0x80;
    tried[2] = 0xFF;
    tried[3] = 0;
    for (size_t i = 0; i < count; i++) {
        if (tried[i] == old)
            continue;
        bld_poke(m->host, PATH, offset, &tried[i], 1);
        judge(m, offset, tried[i], place);
    }
    bld_poke(m->host, PATH, offset, &old, 1);
}

/* [offset, offset + length): every byte, or each `step`-th when there is no time. */
static void sweep(struct mutants *m, uint64_t offset, uint64_t length, uint64_t step, enum place place)
{
    for (uint64_t at = 0; offset != VHDX_NOWHERE && at < length; at += is_slow() ? 1 : step)
        mutate(m, offset + at, place);
}

static void sweep_structures(struct mutants *m)
{
    uint64_t metadata = bld_region_offset(m->b, &vx_guid_metadata_region);
    sweep(m, 0, 32, 3, PLACE_ELSE);
    sweep(m, VX_HEADER1_OFFSET, 96, 5, PLACE_ELSE);
    sweep(m, VX_HEADER2_OFFSET, 96, 5, PLACE_ELSE);
    sweep(m, VX_REGION_TABLE1_OFFSET, 112, 7, PLACE_ELSE);
    sweep(m, VX_REGION_TABLE2_OFFSET, 112, 7, PLACE_ELSE);
    sweep(m, metadata, 32 + 7 * 32, 7, PLACE_ELSE);
    uint64_t size = bld_item_offset(m->b, &vx_guid_virtual_disk_size, false);
    for (uint64_t at = metadata + 0x10000; at < metadata + 0x10000 + 0x200; at += is_slow() ? 1 : 5)
        mutate(m, at, at >= size && at < size + 8 ? PLACE_SIZE : PLACE_ELSE);
    sweep(m, bld_bat_entry_offset(m->b, 0), 8 * 10, 3, PLACE_BAT);
    sweep(m, bld_bitmap_entry_offset(m->b, 0), 8, 1, PLACE_BAT);
    sweep(m, bld_bitmap_offset(m->b, 0), 256 * 3, 97, PLACE_BITMAP);
    for (unsigned i = 0; i < bld_log_entry_count(m->b); i++)
        sweep(m, bld_log_entry_offset(m->b, i), 64 + 4 * 32, 7, PLACE_ELSE);
}

static void begin(struct mutants *m, vhdx_kind kind, const struct bld_options *more, const struct bld_log *log)
{
    vhdx_error err;
    struct bld_options options = *more;
    *m = (struct mutants){.memory = vx_memory_host_new(1)};
    m->host = vx_memory_host_interface(m->memory);
    options.kind = kind;
    options.virtual_size = SIZE;
    options.block_size = BLOCK;
    options.seed = 11;
    m->b = bld_new(&options);
    if (kind == VHDX_KIND_DIFFERENCING) {
        struct bld_options base = {.virtual_size = SIZE, .block_size = BLOCK, .seed = 12};
        m->parent = bld_new(&base);
        bld_fill_random(m->parent, 13, SIZE);
        cr_assert_eq(bld_finish(m->parent, m->host, "/d/parent.vhdx", &err), VHDX_OK);
        bld_parent(m->b, bld_data_write_guid(m->parent), NULL, ".\\parent.vhdx", NULL, NULL);
        bld_write_random(m->b, 4096, 8192, 1);
        bld_write_random(m->b, 2 * VX_MIB, 4096, 2);
        bld_state(m->b, 4, VX_PAYLOAD_ZERO);
        bld_state(m->b, 5, VX_PAYLOAD_FULLY_PRESENT);
    } else {
        bld_write_random(m->b, 4096, 3 * VX_MIB, 1);
        bld_write_random(m->b, 6 * VX_MIB, 4096, 2);
    }
    if (log)
        bld_log_dirty(m->b, log);
    cr_assert_eq(bld_finish(m->b, m->host, PATH, &err), VHDX_OK, "%s", err.message);
    bool errors;
    m->digest = said(m, false, &errors);
    cr_assert(!errors && content_of(m, m->content));
}

static void run(const char *name, vhdx_kind kind, const struct bld_options *options, const struct bld_log *log)
{
    struct mutants m;
    begin(&m, kind, options, log);
    sweep_structures(&m);
    cr_log_info("%s: %llu mutants, %llu cannot be read, %llu read otherwise; nothing said of %llu in the BAT, %llu in "
                "bitmaps, %llu sizes, "
                "%llu others that the chain refuses, of which verify --chain names %llu",
                name, (unsigned long long)m.made, (unsigned long long)m.refused,
                (unsigned long long)(m.differing - m.refused), (unsigned long long)m.silent[PLACE_BAT],
                (unsigned long long)m.silent[PLACE_BITMAP], (unsigned long long)m.silent[PLACE_SIZE],
                (unsigned long long)m.silent[PLACE_ELSE], (unsigned long long)m.named);
    cr_expect_gt(m.made, 100);
    cr_expect_gt(m.differing, 0); /* or the sweep would prove nothing */
    bld_free(m.b);
    bld_free(m.parent);
    vx_memory_host_free(m.memory);
}

Test(mutants, of_a_dynamic_disk_never_pass_unnoticed, .timeout = 3600)
{
    run("dynamic", VHDX_KIND_DYNAMIC, &(struct bld_options){.stale_table_entry = true}, NULL);
}

Test(mutants, of_a_fixed_disk_as_qemu_lays_it_out_never_pass_unnoticed, .timeout = 3600)
{
    run("fixed", VHDX_KIND_FIXED, &(struct bld_options){.layout = BLD_LAYOUT_QEMU}, NULL);
}

Test(mutants, of_a_dirty_disk_never_pass_unnoticed, .timeout = 3600)
{
    run("dirty", VHDX_KIND_DYNAMIC, &(struct bld_options){.log_residue = false},
        &(struct bld_log){.what = BLD_LOG_ALL, .sequence = 77});
}

Test(mutants, of_a_child_never_pass_unnoticed, .timeout = 3600)
{
    run("child", VHDX_KIND_DIFFERENCING, &(struct bld_options){.stale_table_entry = true}, NULL);
}
