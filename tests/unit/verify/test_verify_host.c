/*
 * What `verify` says of the host's file itself, with each record's command.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "base/checked.h"
#include "builder.h"
#include "with_memory.h"
#include "worn_host.h"

static struct worn_host worn;

static void setup(void)
{
    struct bld_options options = {.virtual_size = 4 * VX_MIB, .block_size = VX_MIB, .seed = 5};
    struct bld *b = bld_new(&options);
    begin_memory();
    worn_host_init(&worn, vx_memory_host_interface(memory));
    bld_write_random(b, 0, 3 * VX_MIB, 1);
    cr_assert_eq(bld_finish(b, &worn.host, "/d/disk.vhdx", NULL), VHDX_OK);
    bld_free(b);
}

TestSuite(verify_host, .init = setup, .fini = end_memory);

/* Exactly this finding with this in its advice; NULL: none at all. */
static void cr_expect_only(const char *id, vhdx_severity severity, const char *advice)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = &worn.host};
    vhdx_report *report = NULL;
    vhdx_error err;
    cr_assert_eq(vhdx_verify("/d/disk.vhdx", &options, &report, &err), VHDX_OK, "%s", err.message);
    const vhdx_finding *finding = vhdx_report_finding(report, 0, 0);
    if (id) {
        cr_assert(finding, "%s is not there", id);
        cr_expect_str_eq(finding->id, id);
        cr_expect_eq(finding->severity, severity);
        cr_expect(strstr(finding->advice_text, advice), "%s", finding->advice_text);
        finding = vhdx_report_finding(report, 0, 1);
    }
    cr_expect(!finding, "%s", finding ? finding->id : "");
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN);
    vhdx_report_free(report);
}

Test(verify_host, minds_a_sparse_file_only_where_hyper_v_does)
{
    worn.attributes = VHDX_FILE_IS_SPARSE;
    cr_expect_only(NULL, VHDX_SEVERITY_INFO, NULL);
    worn.attributes |= VHDX_FILE_SPARSE_HARMS;
    cr_expect_only("VHDX-HOST-SPARSE", VHDX_SEVERITY_WARNING, "\n  fsutil sparse setflag 'disk.vhdx' 0");
}

Test(verify_host, minds_a_compressed_and_an_encrypted_file)
{
    worn.attributes = VHDX_FILE_SPARSE_HARMS;
    cr_expect_only(NULL, VHDX_SEVERITY_INFO, NULL);
    worn.attributes = VHDX_FILE_SPARSE_HARMS | VHDX_FILE_IS_COMPRESSED;
    cr_expect_only("VHDX-HOST-COMPRESSED", VHDX_SEVERITY_WARNING, "\n  compact /u /f 'disk.vhdx'");
    worn.attributes = VHDX_FILE_SPARSE_HARMS | VHDX_FILE_IS_ENCRYPTED;
    cr_expect_only("VHDX-HOST-ENCRYPTED", VHDX_SEVERITY_WARNING, "\n  cipher /d 'disk.vhdx'");
}

Test(verify_host, minds_very_many_pieces_on_ntfs)
{
    worn.extents = 499999;
    worn.attributes = VHDX_FILE_SPARSE_HARMS;
    cr_expect_only(NULL, VHDX_SEVERITY_INFO, NULL);
    worn.extents = 500000;
    cr_expect_only("VHDX-HOST-EXTENTS", VHDX_SEVERITY_WARNING, "copy it to a new file");
    worn.attributes = 0;
    cr_expect_only(NULL, VHDX_SEVERITY_INFO, NULL);
}

Test(verify_host, says_that_no_machine_may_open_the_file)
{
    worn_host_grant(&worn, "/d/disk.vhdx", NULL);
    cr_expect_only("VHDX-HOST-ACCESS", VHDX_SEVERITY_INFO,
                   "\n  icacls 'disk.vhdx' /grant 'NT VIRTUAL MACHINE\\<id of the machine>:(F)'");
}

Test(verify_host, says_nothing_when_a_machine_may)
{
    const vhdx_guid machine = {{1, 2, 3, 4}};
    worn_host_grant(&worn, "/d/disk.vhdx", &machine);
    cr_expect_only(NULL, VHDX_SEVERITY_INFO, NULL);
}
