/*
 * Verification of VHDs: each fault gives exactly its finding, a sound disk none, and nothing is written or repaired.
 */
/* SPDX-License-Identifier: MIT */
#include "faults_vhd.h"
#include "memory.h"

#include <criterion/criterion.h>
#include <string.h>

static struct vx_memory_host *memory;
static const vhdx_host *host;
static vhdx_error err;

static void begin(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
}

static void end(void)
{
    vx_memory_host_free(memory);
}

TestSuite(verify_vhd, .init = begin, .fini = end);

static vhdx_report *verify(bool chain, bool data)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .chain = chain, .data = data};
    vhdx_report *report = NULL;
    cr_assert_eq(vhdx_verify(FAULT_VHD_PATH, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static void judge(const struct fault_vhd *fault)
{
    bool content = fault->kind == VX_FIND_VHD_BITS_CLEAR;
    vhdx_report *report = verify(fault->kind == VX_FIND_VHD_CHAIN, content);
    const vhdx_finding *finding = vhdx_report_finding(report, 0, 0);
    cr_assert(finding, "%s: nothing is found", fault->text);
    cr_expect_eq(finding->number, fault->kind, "%s: %s, %s", fault->text, finding->id, finding->message);
    cr_expect(!strchr(finding->message, '{'), "%s", finding->message);
    cr_expect_null(vhdx_report_finding(report, 0, 1), "%s: also %s", fault->text,
                   vhdx_report_finding(report, 0, 1)->message);
    const vhdx_lost_range *lost = vhdx_report_lost(report, 0, 0);
    cr_expect_eq(lost != NULL, fault->lost_length > 0, "%s", fault->text);
    if (lost && fault->lost_length)
        cr_expect(lost->offset == fault->lost_offset && lost->length == fault->lost_length, "%s", fault->text);
    vhdx_report_free(report);
}

Test(verify_vhd, each_fault_gives_exactly_its_finding)
{
    for (size_t i = 0; i < fault_vhd_count(); i++) {
        fault_vhd_make(fault_vhd_at(i), host);
        judge(fault_vhd_at(i));
    }
}

Test(verify_vhd, a_sound_disk_gives_none)
{
    fault_vhd_make(NULL, host);
    vhdx_report *report = verify(true, true);
    cr_expect_null(vhdx_report_finding(report, 0, 0));
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN);
    vhdx_report_free(report);
}

Test(verify_vhd, a_repair_is_refused)
{
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report = NULL;
    fault_vhd_make(fault_vhd_at(0), host);
    cr_expect_eq(vhdx_repair(FAULT_VHD_PATH, &options, &report, &err), VHDX_NOT_VHDX, "%s", err.message);
}
