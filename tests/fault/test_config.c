/*
 * Reading a configuration while every allocation, read and opening fails in turn: it fails and says why, or what it
 * gives is right. A configuration that lost a disk to a lack of memory, and called itself complete, would let somebody
 * delete that disk.
 */
/* SPDX-License-Identifier: MIT */
#include "crash_host.h"
#include "fault/allocations.h"
#include "vmcx.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "282874FC-59D6-4F30-BC04-5FDD909C82E0"
#define PATH "/vm/Snapshots/a.vmcx"

static struct crash_host *host;
static const char *path;

/* Takes the bytes over. */
static void put(const char *name, uint8_t *bytes, size_t size)
{
    const vhdx_host *interface = crash_host_interface(host);
    vhdx_io io;
    cr_assert_eq(interface->open(interface->context, name, VHDX_OPEN_REPLACE, &io, NULL), VHDX_OK);
    cr_assert_eq(io.ops->write(io.file, bytes, size, 0, NULL), VHDX_OK);
    io.ops->close(io.file);
    free(bytes);
}

static const struct vmcx_machine machine = {.name = "Mail",
                                            .id = ID,
                                            .disks = {{"C:\\a\\one.vhdx", NULL, VHDX_CONTROLLER_SCSI, 1, 2},
                                                      {"C:\\a\\two.vhdx", NULL, VHDX_CONTROLLER_IDE, 0, 1}}};

/* A machine in a file with a pending log, remains and a long value; its runtime state with a saved state. */
static void put_vmcx(void)
{
    size_t size, other;
    uint32_t count;
    uint8_t *before = vmcx_of_machine(&machine, &size), *after = malloc(size);
    memcpy(after, before, size);
    after[VMCX_HEADER_2 + 60] ^= 1; /* a change that means nothing */
    put(PATH, vmcx_pending(before, after, size, &count), size);
    free(before);
    free(after);
    uint8_t *state = vmcx_runtime(true, &other);
    put("/vm/Snapshots/a.vmrs", state, other);
    path = PATH;
}

static void put_xml(void)
{
    size_t size;
    uint8_t *file = vmcx_xml_of_machine(&machine, &size);
    put("/vm/Snapshots/a.xml", file, size);
    path = "/vm/Snapshots/a.xml";
}

/* What was given in spite of the fault is right, or says that it is not all. */
static void check(const vhdx_config *config, const char *kind, uint64_t nth)
{
    const vhdx_machine_info *info = vhdx_config_info(config);
    /* the completed transaction is told always */
    bool told = info->findings.count > (info->format == VHDX_CONFIG_VMCX);
    bool right = info->drive_count == 2 && vhdx_config_drive(config, 0)->controller == VHDX_CONTROLLER_SCSI &&
                 vhdx_config_drive(config, 0)->controller_number == 1 && info->checkpoint && info->name &&
                 strcmp(info->name, "Mail") == 0 && info->has_id && info->has_machine_id;
    right = right && (info->format == VHDX_CONFIG_XML || info->saved_state == VHDX_SAVED_STATE_PRESENT || told);
    cr_assert(right || !info->complete, "%s number %" PRIu64 " fails, and the outcome is wrong", kind, nth);
}

/* What one attempt came to. */
static void judge(const char *kind, uint64_t nth, bool reached, vhdx_status status, vhdx_config *config,
                  const vhdx_error *err)
{
    cr_assert_eq(crash_host_handles(host), 0, "%s number %" PRIu64 ": a file was left open", kind, nth);
    if (status != VHDX_OK) {
        cr_assert(reached && err->status == status && err->message[0], "%s number %" PRIu64, kind, nth);
        return;
    }
    check(config, kind, nth);
    vhdx_config_free(config);
}

static void fail_all(void)
{
    const vhdx_config_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_config *config = NULL;
    vhdx_error err;
    bool reached = true;
    uint64_t nth;
    for (nth = 1; reached; nth++) {
        allocations_fail(nth, nth % 2);
        vhdx_status status = vhdx_config_open(path, &options, &config, &err);
        reached = allocations_end() >= nth;
        judge("allocation", nth, reached, status, config, &err);
    }
    cr_assert_gt(nth, 30);
    for (unsigned kind = 0; kind < 2; kind++)
        for (nth = 1, reached = true; reached; nth++) {
            const struct crash_fault fault = {.calls = kind ? CRASH_OPEN : CRASH_READ, .nth = nth, .status = VHDX_IO};
            crash_host_fault(host, &fault);
            vhdx_status status = vhdx_config_open(path, &options, &config, &err);
            reached = crash_host_calls(host) >= nth;
            crash_host_fault(host, &(struct crash_fault){0});
            judge(kind ? "opening" : "read", nth, reached, status, config, &err);
        }
}

static void begin(void)
{
    host = crash_host_new(1);
}

static void end(void)
{
    crash_host_free(host);
}

TestSuite(fault_config, .init = begin, .fini = end);

Test(fault_config, of_a_machine_with_a_pending_log)
{
    put_vmcx();
    fail_all();
}

Test(fault_config, in_xml)
{
    put_xml();
    fail_all();
}
