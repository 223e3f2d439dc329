/*
 * Links between layers as `verify --chain` sees them: one fault a test, and exactly that fault reported, at the file
 * that has it.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "builder.h"
#include "with_memory.h"
#include "worn_host.h"

static struct worn_host worn;

static void setup(void)
{
    begin_memory();
    worn_host_init(&worn, vx_memory_host_interface(memory));
    host = &worn.host;
}

TestSuite(verify_chain, .init = setup, .fini = end_memory);

/* ---- layers ----------------------------------------------------------------------------------------------------- */

struct shape {
    uint64_t virtual_size;
    uint32_t sector_size;
    vhdx_guid disk_id;
};

static const struct shape usual = {8 * VX_MIB, 512, {{1, 2, 3}}};

static struct bld *layer(const struct shape *shape, vhdx_kind kind, uint64_t seed)
{
    struct bld_options options = {.kind = kind,
                                  .virtual_size = shape->virtual_size,
                                  .block_size = VX_MIB,
                                  .logical_sector_size = shape->sector_size,
                                  .virtual_disk_id = shape->disk_id,
                                  .seed = seed};
    struct bld *b = bld_new(&options);
    bld_write_random(b, 2 * VX_MIB + seed * 65536, 65536, seed);
    return b;
}

static void finish(struct bld *b, const char *path)
{
    vhdx_error err;
    cr_assert_eq(bld_finish(b, host, path, &err), VHDX_OK, "%s", err.message);
}

/* A base and a child that names it by this path; both written. */
static void write_pair(const struct shape *base_shape, const struct shape *child_shape, const char *relative)
{
    struct bld *base = layer(base_shape, VHDX_KIND_DYNAMIC, 1), *child = layer(child_shape, VHDX_KIND_DIFFERENCING, 2);
    finish(base, "/d/base.vhdx");
    bld_parent(child, bld_data_write_guid(base), NULL, relative, NULL, NULL);
    finish(child, "/d/child.avhdx");
    bld_free(base);
    bld_free(child);
}

/* ---- what is reported ------------------------------------------------------------------------------------------- */

static vhdx_report *verify(const char *path)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .chain = true};
    vhdx_report *report = NULL;
    vhdx_error err;
    cr_assert_eq(vhdx_verify(path, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

/* All that is worth a word here, as "FILE:ID FILE:ID ...". */
static const char *words(const vhdx_report *report)
{
    static char text[2000];
    text[0] = '\0';
    for (size_t file = 0; file < vhdx_report_file_count(report); file++) {
        const vhdx_finding *finding;
        for (size_t i = 0; (finding = vhdx_report_finding(report, file, i)); i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%zu:%s", text[0] ? " " : "", file,
                     finding->id);
    }
    return text;
}

static void cr_expect_words(const char *path, const char *expected)
{
    vhdx_report *report = verify(path);
    cr_expect_str_eq(words(report), expected);
    vhdx_report_free(report);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

Test(verify_chain, says_nothing_of_a_sound_chain)
{
    write_pair(&usual, &usual, ".\\base.vhdx");
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "");
    cr_assert_eq(vhdx_report_file_count(report), 2);
    cr_expect_str_eq(vhdx_report_file(report, 1)->path, "/d/base.vhdx");
    cr_expect_eq(vhdx_report_file(report, 1)->verdict, VHDX_VERDICT_CLEAN);
    vhdx_report_free(report);
}

Test(verify_chain, does_not_look_for_ancestors_unless_asked)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report = NULL;
    write_pair(&usual, &usual, ".\\nowhere.vhdx");
    host->remove(host->context, "/d/base.vhdx", NULL);
    cr_assert_eq(vhdx_verify("/d/child.avhdx", &options, &report, NULL), VHDX_OK);
    cr_expect_str_eq(words(report), "");
    vhdx_report_free(report);
}

Test(verify_chain, names_a_parent_that_is_not_there)
{
    write_pair(&usual, &usual, ".\\base.vhdx");
    host->remove(host->context, "/d/base.vhdx", NULL);
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "0:VHDX-PARENT-MISSING");
    cr_expect(strstr(vhdx_report_finding(report, 0, 0)->message, ".\\base.vhdx"));
    cr_expect_eq(vhdx_report_finding(report, 0, 0)->advice, VHDX_ADVICE_NAME_PARENT_AND_RELINK);
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_ERRORS);
    vhdx_report_free(report);
}

Test(verify_chain, names_a_file_with_another_identity)
{
    write_pair(&usual, &usual, ".\\base.vhdx");
    struct bld *other = layer(&usual, VHDX_KIND_DYNAMIC, 7);
    finish(other, "/d/base.vhdx");
    bld_free(other);
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "0:VHDX-PARENT-MISMATCH");
    cr_expect(strstr(vhdx_report_finding(report, 0, 0)->message, "/d/base.vhdx"));
    vhdx_report_free(report);
}

/* A master boot record and a FAT boot sector, whose second table tells the right base from another one. */
static void write_guest(struct bld *b, const char *which)
{
    static uint8_t sector[512];
    uint64_t volume = 64 * 512;
    memset(sector, 0, sizeof sector);
    sector[446 + 4] = 6;
    vx_put32(sector + 446 + 8, 64);
    vx_put32(sector + 446 + 12, 8000);
    vx_put16(sector + 510, 0xAA55);
    if (strchr(which, 'm'))
        bld_write(b, 0, sector, sizeof sector);
    memset(sector, 0, sizeof sector);
    memcpy(sector, "\xEB\x3C\x90", 3);
    vx_put16(sector + 11, 512);
    sector[13] = 4;
    vx_put16(sector + 14, 1);
    sector[16] = 2;
    vx_put16(sector + 19, 8000);
    sector[21] = 0xF8;
    vx_put16(sector + 22, 8);
    memcpy(sector + 54, "FAT16   ", 8);
    vx_put16(sector + 510, 0xAA55);
    if (strchr(which, 'b'))
        bld_write(b, volume, sector, sizeof sector);
    memset(sector, 0, sizeof sector);
    vx_put32(sector, 0xFFFFFFF8);
    if (strchr(which, 't')) {
        bld_write(b, volume + 512, sector, sizeof sector);
        bld_write(b, volume + 9 * 512, sector, sizeof sector);
    }
}

/* Boot sector in the child, tables in the base. */
static void write_guest_pair(const char *base_holds)
{
    struct bld *base = layer(&usual, VHDX_KIND_DYNAMIC, 1), *child = layer(&usual, VHDX_KIND_DIFFERENCING, 2);
    struct bld *other = layer(&usual, VHDX_KIND_DYNAMIC, 7);
    write_guest(base, "mbt");
    write_guest(child, "mb");
    write_guest(other, base_holds);
    finish(base, "/d/base.vhdx");
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    finish(child, "/d/child.avhdx");
    if (base_holds[0])
        finish(other, "/d/base.vhdx");
    bld_free(base);
    bld_free(child);
    bld_free(other);
}

Test(verify_chain, says_that_the_content_fits_together)
{
    write_guest_pair("");
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "0:VHDX-CONTENT-ALIVE");
    cr_expect(strstr(vhdx_report_finding(report, 0, 0)->message, "MBR with 1 partition: FAT"), "%s",
              vhdx_report_finding(report, 0, 0)->message);
    vhdx_report_free(report);
}

Test(verify_chain, says_whether_the_content_fits_through_a_parent_that_is_not_the_one)
{
    static const struct {
        const char *holds, *says;
    } cases[] = {{"mbt", "together they seem to fit"}, {"m", "together they do not fit"}};
    for (size_t i = 0; i < 2; i++) {
        write_guest_pair(cases[i].holds);
        vhdx_report *report = verify("/d/child.avhdx");
        cr_expect_str_eq(words(report), "0:VHDX-PARENT-MISMATCH");
        cr_expect(strstr(vhdx_report_finding(report, 0, 0)->message, cases[i].says), "%s",
                  vhdx_report_finding(report, 0, 0)->message);
        vhdx_report_free(report);
    }
}

Test(verify_chain, checks_the_structures_of_each_layer)
{
    write_pair(&usual, &usual, ".\\base.vhdx");
    cr_assert_eq(bld_poke_int(host, "/d/base.vhdx", VX_HEADER1_OFFSET + 20, 1, 1), VHDX_OK);
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "1:VHDX-HEADER-DAMAGED");
    vhdx_report_free(report);
}

Test(verify_chain, names_a_parent_that_cannot_be_read)
{
    write_pair(&usual, &usual, ".\\base.vhdx");
    worn_host_bad(&worn, "/d/base.vhdx", 0, UINT64_C(1) << 40);
    cr_expect_words("/d/child.avhdx", "0:VHDX-PARENT-UNREADABLE");
}

Test(verify_chain, tells_different_sizes_apart)
{
    struct shape larger = usual;
    larger.virtual_size += VX_MIB;
    write_pair(&usual, &larger, ".\\base.vhdx");
    cr_expect_words("/d/child.avhdx", "0:VHDX-PARENT-SIZE");
}

Test(verify_chain, minds_different_logical_sectors)
{
    struct shape other = usual;
    other.sector_size = 4096;
    write_pair(&usual, &other, ".\\base.vhdx");
    cr_expect_words("/d/child.avhdx", "0:VHDX-PARENT-SECTOR-SIZE");
}

Test(verify_chain, minds_different_disk_ids)
{
    struct shape other = usual;
    other.disk_id.bytes[0] ^= 1;
    write_pair(&usual, &other, ".\\base.vhdx");
    cr_expect_words("/d/child.avhdx", "0:VHDX-PARENT-DISK-ID");
}

Test(verify_chain, says_that_a_path_is_stale_when_the_parent_was_found_elsewhere)
{
    write_pair(&usual, &usual, "..\\elsewhere\\base.vhdx");
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "0:VHDX-PARENT-PATH-STALE");
    cr_expect(strstr(vhdx_report_finding(report, 0, 0)->message, "relative_path (..\\elsewhere\\base.vhdx)"));
    vhdx_report_free(report);
}

Test(verify_chain, says_nothing_of_paths_of_another_system)
{
    struct bld *base = layer(&usual, VHDX_KIND_DYNAMIC, 1), *child = layer(&usual, VHDX_KIND_DIFFERENCING, 2);
    finish(base, "/d/base.vhdx");
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx",
               "\\\\?\\Volume{0eba351e-0000-0000-0000-000000000000}\\VMs\\base.vhdx", "C:\\VMs\\base.vhdx");
    finish(child, "/d/child.avhdx");
    bld_free(base);
    bld_free(child);
    cr_expect_words("/d/child.avhdx", "");
}

/* Which of the two linkages is the parent's identity: 1, 2, both (3); 4: the second is the child's own. */
static void write_linked_by(int which)
{
    struct bld *base = layer(&usual, VHDX_KIND_DYNAMIC, 1), *child = layer(&usual, VHDX_KIND_DIFFERENCING, 2);
    vhdx_guid other = {{9, 9}};
    finish(base, "/d/base.vhdx");
    if (which == 4)
        bld_parent(child, bld_data_write_guid(base), bld_data_write_guid(child), ".\\base.vhdx", NULL, NULL);
    else
        bld_parent(child, which & 1 ? bld_data_write_guid(base) : &other,
                   which & 2 ? bld_data_write_guid(base) : &other, ".\\base.vhdx", NULL, NULL);
    finish(child, "/d/child.avhdx");
    bld_free(base);
    bld_free(child);
}

Test(verify_chain, tells_a_merge_that_was_begun_from_one_that_was_not)
{
    write_linked_by(2);
    cr_expect_words("/d/child.avhdx", "0:VHDX-PARENT-MERGE-BEGUN");
    write_linked_by(1);
    cr_expect_words("/d/child.avhdx", "0:VHDX-PARENT-LINKAGE2");
    write_linked_by(4);
    cr_expect_words("/d/child.avhdx", "0:VHDX-PARENT-MERGED");
    write_linked_by(3);
    cr_expect_words("/d/child.avhdx", "");
}

Test(verify_chain, finds_a_disk_that_is_its_own_ancestor)
{
    struct bld *ring = layer(&usual, VHDX_KIND_DIFFERENCING, 3);
    bld_parent(ring, bld_data_write_guid(ring), NULL, ".\\ring.avhdx", NULL, NULL);
    finish(ring, "/d/ring.avhdx");
    bld_free(ring);
    cr_expect_words("/d/ring.avhdx", "0:VHDX-CHAIN-LOOP");
}

Test(verify_chain, ends_a_chain_that_has_no_end)
{
    vhdx_guid last = {{0}};
    char path[64], name[64] = "";
    for (unsigned i = 0; i <= 256; i++) {
        struct bld_options options = {.kind = i ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC,
                                      .virtual_size = VX_MIB,
                                      .block_size = VX_MIB,
                                      .virtual_disk_id = usual.disk_id,
                                      .seed = i + 1};
        struct bld *b = bld_new(&options);
        if (i)
            bld_parent(b, &last, NULL, name, NULL, NULL);
        snprintf(name, sizeof name, ".\\%u.vhdx", i);
        snprintf(path, sizeof path, "/%u/%u.vhdx", i, i); /* each in a directory of its own: no neighbours to look at */
        snprintf(name, sizeof name, "..\\%u\\%u.vhdx", i, i);
        finish(b, path);
        last = *bld_data_write_guid(b);
        bld_free(b);
    }
    vhdx_report *report = verify("/256/256.vhdx");
    cr_expect_str_eq(words(report), "255:VHDX-CHAIN-DEPTH");
    cr_expect_eq(vhdx_report_file_count(report), 256);
    vhdx_report_free(report);
}

Test(verify_chain, names_other_children_of_the_same_parent)
{
    struct bld *base = layer(&usual, VHDX_KIND_DYNAMIC, 1), *child = layer(&usual, VHDX_KIND_DIFFERENCING, 3);
    write_pair(&usual, &usual, ".\\base.vhdx");
    finish(base, "/d/base.vhdx");
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    finish(child, "/d/sibling.avhdx");
    bld_free(base);
    bld_free(child);
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "0:VHDX-CHAIN-SIBLING");
    cr_expect(strstr(vhdx_report_finding(report, 0, 0)->message, "/d/sibling.avhdx"));
    vhdx_report_free(report);
}

Test(verify_chain, names_a_copy_of_a_layer_and_only_as_a_copy)
{
    struct bld *child = layer(&usual, VHDX_KIND_DIFFERENCING, 2), *base = layer(&usual, VHDX_KIND_DYNAMIC, 1);
    write_pair(&usual, &usual, ".\\base.vhdx");
    finish(base, "/d/base of yesterday.vhdx");
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    finish(child, "/d/child of yesterday.avhdx");
    bld_free(base);
    bld_free(child);
    cr_expect_words("/d/child.avhdx", "0:VHDX-CHAIN-TWIN 1:VHDX-CHAIN-TWIN");
}

Test(verify_chain, says_nothing_twice_of_a_locator_that_names_nobody)
{
    struct bld *child = layer(&usual, VHDX_KIND_DIFFERENCING, 2);
    bld_locator_pair(child, "relative_path", ".\\base.vhdx");
    finish(child, "/d/child.avhdx");
    bld_free(child);
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect(!strstr(words(report), "PARENT-"), "%s", words(report));
    vhdx_report_free(report);
}

Test(verify_chain, minds_a_layer_that_the_machine_of_another_may_not_read)
{
    const vhdx_guid machine = {{0x0A, 0xEB, 0xE0, 0xD9}};
    write_pair(&usual, &usual, ".\\base.vhdx");
    worn_host_grant(&worn, "/d/child.avhdx", &machine);
    cr_expect_words("/d/child.avhdx", "");
    worn_host_grant(&worn, "/d/base.vhdx", NULL);
    vhdx_report *report = verify("/d/child.avhdx");
    cr_expect_str_eq(words(report), "1:VHDX-HOST-ACCESS-LOST 1:VHDX-HOST-ACCESS");
    const char *advice = vhdx_report_finding(report, 1, 0)->advice_text;
    cr_expect(strstr(advice, "icacls 'base.vhdx' /grant '*S-1-5-83-1-3655396106-"), "%s", advice);
    vhdx_report_free(report);
}
