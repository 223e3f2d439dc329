/*
 * Every call that a disk in use makes of its host fails once, and every allocation. Whatever fails says so; no file is
 * left open; what was flushed is there, also after the power failed, and every other sector is old or new. A full
 * volume is no end: once there is space, the same operation works, and nothing is lost.
 */
/* SPDX-License-Identifier: MIT */
#include "live_ops.h"

#include "fault/allocations.h"
#include "inside.h"
#include "crash_host.h"
#include "model.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#define OPERATIONS 14

struct using
{
    struct model *m;
    struct crash_host *host; /* before */
    struct live_ops *ops;
    const char *kind;
    uint64_t nth, faults;
    bool comes_back; /* the fault is a lack of space that ends */
};

static void complain(const struct using *u, const char *what, const vhdx_error *err)
{
    cr_assert_fail("seed %" PRIu64 ", %s number %" PRIu64 " fails: %s %s", u->m->seed, u->kind, u->nth, what,
                   err ? err->message : "");
}

static size_t place_of(const void *context)
{
    return crash_host_trace_length(context);
}

static const struct model_layer *leaf_of(const struct using *u)
{
    return &u->m->layers[0];
}

static void check(const struct using *u, struct crash_host *host)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_chain *chain;
    vhdx_error err;
    uint8_t *bytes = bld_alloc((size_t)leaf_of(u)->virtual_size, 1);
    if (vhdx_chain_open(leaf_of(u)->path, &options, &chain, &err) != VHDX_OK)
        complain(u, "the chain does not open:", &err);
    if (vhdx_chain_read(chain, bytes, (size_t)leaf_of(u)->virtual_size, 0, &err) != VHDX_OK)
        complain(u, "the chain cannot be read:", &err);
    if (u->ops) {
        const char *wrong = live_ops_check(u->ops, bytes, SIZE_MAX);
        if (wrong)
            complain(u, wrong, NULL);
    }
    vhdx_chain_free(chain);
    free(bytes);
}

/* After the fault, where the volume has space again. */
static vhdx_status try_again(const struct using *u, struct crash_host *host, vhdx_disk *disk, vhdx_error *err)
{
    const char *wrong;
    crash_host_fault(host, &(struct crash_fault){0});
    vhdx_status status = live_ops_again(u->ops, disk, &wrong, err);
    if (status != VHDX_OK)
        complain(u, "with space again the operation fails:", err);
    if (wrong)
        complain(u, wrong, NULL);
    return status;
}

static vhdx_status operate(const struct using *u, struct crash_host *host, vhdx_disk *disk, vhdx_error *err)
{
    const char *wrong;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        vhdx_status status = live_ops_step(u->ops, disk, &wrong, err);
        if (wrong)
            complain(u, wrong, NULL);
        if (status != VHDX_OK && (status != err->status || !err->message[0]))
            complain(u, "an operation fails without saying why", NULL);
        if (status == VHDX_NO_SPACE && u->comes_back)
            status = try_again(u, host, disk, err);
        if (status != VHDX_OK)
            return status;
    }
    return VHDX_OK;
}

static vhdx_status use(struct using *u, struct crash_host *host, vhdx_error *err)
{
    const vhdx_disk_options options = {
        .struct_size = sizeof options, .host = crash_host_interface(host), .write = true};
    vhdx_disk *disk;
    u->ops = NULL;
    vhdx_status opened = vhdx_disk_open(leaf_of(u)->path, &options, &disk, err);
    if (opened != VHDX_OK)
        return opened;
    u->ops = live_ops_new(u->m->seed, vhdx_disk_layer(disk, 0), model_expected(u->m, 0), place_of, host);
    vhdx_status status = operate(u, host, disk, err);
    vhdx_status closed = vhdx_disk_close(disk, status == VHDX_OK ? err : NULL);
    if (status == VHDX_OK && closed == VHDX_OK)
        live_ops_closed(u->ops);
    return status == VHDX_OK ? closed : status;
}

/* With success everything is as it was asked for; else as a power cut would leave it, and with one. */
static void judge(struct using *u, struct crash_host *host, vhdx_status status)
{
    crash_host_record_end(host);
    if (crash_host_handles(host) > 0)
        complain(u, "a file was left open", NULL);
    if (crash_host_wrote_after_failed_flush(host))
        complain(u, "a file was changed after a flush of it had failed", NULL);
    check(u, host);
    if (status != VHDX_OK) {
        struct crash_cut *cut = crash_cut_new(host);
        uint64_t chance = u->nth;
        while (crash_cut_place(cut) < crash_host_trace_length(host))
            crash_cut_advance(cut);
        struct crash_host *after = crash_cut_host_by_chance(cut, &chance);
        check(u, after);
        crash_host_free(after);
        crash_cut_free(cut);
    }
    if (u->ops)
        live_ops_free(u->ops);
    u->ops = NULL;
    crash_host_free(host);
}

static uint64_t step(void)
{
    return getenv("VHDX_SANITIZED") ? 23 : getenv("VHDX_SLOW") ? 1 : 3;
}

static void fail_each_call(struct using *u, const char *kind, struct crash_fault fault)
{
    vhdx_error err;
    u->kind = kind;
    u->comes_back = fault.status == VHDX_NO_SPACE;
    for (fault.nth = 1;; fault.nth += step()) {
        struct crash_host *host = crash_host_copy(u->host, fault.nth);
        u->nth = fault.nth;
        crash_host_record(host);
        crash_host_fault(host, &fault);
        vhdx_status status = use(u, host, &err);
        bool reached = crash_host_calls(host) >= fault.nth;
        crash_host_fault(host, &(struct crash_fault){0});
        judge(u, host, status);
        if (!reached && !u->comes_back)
            return;
        if (u->comes_back && fault.nth > 400)
            return;
        u->faults++;
    }
}

static void fail_each_allocation(struct using *u, bool for_good)
{
    vhdx_error err;
    bool reached = true;
    u->kind = for_good ? "from allocation on, each from" : "allocation";
    u->comes_back = false;
    for (u->nth = 1; reached; u->nth += step()) {
        struct crash_host *host = crash_host_copy(u->host, u->nth);
        crash_host_record(host);
        allocations_fail(u->nth, for_good);
        vhdx_status status = use(u, host, &err);
        reached = allocations_end() >= u->nth;
        judge(u, host, status);
        u->faults += reached;
    }
}

static void fail_everything(uint64_t seed)
{
    const struct model_wishes wishes = {.max_virtual_size = 5 << 20, .layers = 2};
    struct using u = {.m = model_new(seed, &wishes, "/disks"), .host = crash_host_new(seed)};
    vhdx_error err;
    cr_assert_eq(model_write(u.m, crash_host_interface(u.host), &err), VHDX_OK, "%s", err.message);
    fail_each_call(&u, "write", (struct crash_fault){.calls = CRASH_WRITE, .status = VHDX_IO, .torn = true});
    fail_each_call(
        &u, "write on a full volume",
        (struct crash_fault){.calls = CRASH_WRITE | CRASH_SET_SIZE, .status = VHDX_NO_SPACE, .for_good = true});
    fail_each_call(&u, "torn write on a full volume",
                   (struct crash_fault){.calls = CRASH_WRITE, .status = VHDX_NO_SPACE, .for_good = true, .torn = true});
    fail_each_call(&u, "flush", (struct crash_fault){.calls = CRASH_FLUSH, .status = VHDX_IO});
    fail_each_call(&u, "read", (struct crash_fault){.calls = CRASH_READ, .status = VHDX_IO});
    fail_each_call(&u, "opening", (struct crash_fault){.calls = CRASH_OPEN, .status = VHDX_IO});
    fail_each_call(&u, "call", (struct crash_fault){.calls = CRASH_ALL, .status = VHDX_IO, .for_good = true});
    fail_each_allocation(&u, false);
    fail_each_allocation(&u, true);
    cr_log_info("%" PRIu64 " faults", u.faults);
    model_free(u.m);
    crash_host_free(u.host);
}

Test(fault_live, of_a_child)
{
    fail_everything(3);
}

Test(fault_live, of_another_child)
{
    fail_everything(10);
}
