/*
 * Repair of a layer that a stranger has damaged. The input is a list of damages to a small disk (forge.h), before them
 * some bytes that are overwritten without mending a checksum. Whatever came of it: verify does not find again what
 * repair said it corrected, a plain repair keeps all that can be had of the disk, a second repair writes nothing, and
 * undo gives the damaged file back byte for byte.
 */
/* SPDX-License-Identifier: MIT */
#include "forge.h"
#include "fuzz.h"
#include "kept.h"

#include "base/checked.h"
#include "io/io.h"

#include <string.h>
#include <xxhash.h>

#define UNDO "/d/undo"
#define POKES 4u
#define LOOKED_AT (12 * VX_MIB) /* of a file, for its digest */

struct poke {
    uint32_t offset;
    uint8_t value;
};

static uint64_t digest(const vhdx_host *host, const char *path)
{
    static uint8_t bytes[VX_MIB];
    struct vx_file *file;
    uint64_t size, sum = 0;
    size_t got;
    FUZZ_DEMAND(vx_file_open(host, path, VHDX_OPEN_READ, &file, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_file_size(file, &size, NULL) == VHDX_OK);
    for (uint64_t at = 0; at < vx_min(size, LOOKED_AT); at += sizeof bytes) {
        FUZZ_DEMAND(vx_file_read_some(file, bytes, sizeof bytes, at, &got, NULL) == VHDX_OK);
        sum = XXH3_64bits_withSeed(bytes, got, sum + size);
    }
    vx_file_close(file);
    return sum;
}

static void poke(const vhdx_host *host, const char *path, const struct poke *pokes, size_t count)
{
    struct vx_file *file;
    uint64_t size;
    FUZZ_DEMAND(vx_file_open(host, path, VHDX_OPEN_WRITE, &file, NULL) == VHDX_OK);
    FUZZ_DEMAND(vx_file_size(file, &size, NULL) == VHDX_OK);
    for (size_t i = 0; i < count; i++)
        if (pokes[i].offset < size)
            FUZZ_DEMAND(vx_file_write(file, &pokes[i].value, 1, pokes[i].offset, NULL) == VHDX_OK);
    vx_file_close(file);
}

static vhdx_status repair(const vhdx_host *host, const char *path, bool salvage, vhdx_report **report)
{
    const vhdx_repair_options options = {
        .struct_size = sizeof options, .host = host, .salvage = salvage, .undo = UNDO, .trim = salvage};
    vhdx_error err;
    vhdx_status status = vhdx_repair(path, &options, report, &err);
    forge_demand_told(status, &err);
    return status;
}

static bool is_same(const vhdx_finding *a, const vhdx_finding *b)
{
    return a->number == b->number && a->index == b->index && (a->index != VHDX_NOWHERE || a->offset == b->offset);
}

/* What was corrected is found no more. */
static void verify_again(const vhdx_host *host, const char *path, const vhdx_report *repaired)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    const vhdx_finding *finding, *corrected;
    vhdx_report *report;
    FUZZ_DEMAND(vhdx_verify(path, &options, &report, NULL) == VHDX_OK);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        for (size_t j = 0; (corrected = vhdx_report_finding(repaired, 0, j)) != NULL; j++)
            FUZZ_DEMAND(!corrected->corrected || !is_same(finding, corrected));
    if (vhdx_report_file(repaired, 0)->verdict != VHDX_VERDICT_ERRORS)
        FUZZ_DEMAND(vhdx_report_file(report, 0)->verdict == VHDX_VERDICT_CLEAN);
    vhdx_report_free(report);
}

/* Whether the report says that one more repair would do something. */
static bool is_more_promised(const vhdx_report *report)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (!finding->corrected && finding->repair != VHDX_REPAIR_NONE)
            return true;
    return false;
}

static void try_repair(const vhdx_host *host, const char *path, bool salvage)
{
    const vhdx_undo_options undo = {.struct_size = sizeof undo, .host = host};
    vhdx_report *report, *second;
    uint64_t damaged = digest(host, path);
    struct kept before = kept_take(host, path), after;
    vhdx_status status = repair(host, path, salvage, &report);
    if (status != VHDX_OK) {
        kept_clear(&before);
        return;
    }
    after = kept_take(host, path);
    if (!salvage)
        kept_demand(&before, &after);
    kept_clear(&before);
    kept_clear(&after);
    bool written = vhdx_report_file(report, 0)->undo != NULL;
    uint64_t repaired = digest(host, path);
    FUZZ_DEMAND(written || repaired == damaged);
    verify_again(host, path, report);
    FUZZ_DEMAND(repair(host, path, salvage, &second) == VHDX_OK);
    FUZZ_DEMAND(is_more_promised(report) || (digest(host, path) == repaired && !vhdx_report_file(second, 0)->undo));
    if (written) {
        FUZZ_DEMAND(vhdx_undo(UNDO, &undo, NULL, NULL) == VHDX_OK); /* both of them */
        FUZZ_DEMAND(digest(host, path) == damaged);
    }
    vhdx_report_free(second);
    vhdx_report_free(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forge_input in = {data, size};
    struct poke pokes[POKES];
    struct forge forge;
    uint8_t flags = forge_byte(&in);
    size_t count = 1 + flags % 2, poked = flags >> 1 & 3;
    for (size_t i = 0; i < poked; i++) {
        pokes[i].offset = (uint32_t)forge_number(&in, 3) % (uint32_t)(5 * VX_MIB);
        pokes[i].value = forge_byte(&in);
    }
    forge_begin(&forge, count, &in);
    forge_steps(&forge, count - 1, &in);
    const char *path = forge.paths[count - 1];
    poke(forge.host, path, pokes, poked);
    try_repair(forge.host, path, (flags & 8) != 0);
    forge_end(&forge);
    return 0;
}
