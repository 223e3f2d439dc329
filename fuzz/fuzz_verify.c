/*
 * Verification of one damaged layer on a sound parent, or alone. The input is a list of damages, see forge.h. What
 * verify calls sound can be opened and read from end to end, and what cannot be opened has an error; a check writes
 * nothing and says the same twice.
 */
/* SPDX-License-Identifier: MIT */
#include "forge.h"
#include "fuzz.h"

#include "base/status.h"

#include <string.h>

/* What a report says, in one number. */
static uint64_t sum_of(const vhdx_report *report)
{
    uint64_t sum = 0;
    const vhdx_finding *finding;
    for (size_t file = 0; file < vhdx_report_file_count(report); file++)
        for (size_t i = 0; (finding = vhdx_report_finding(report, file, i)) != NULL; i++)
            sum = sum * 31 + finding->number + finding->offset * 7 + finding->index * 3 + strlen(finding->message);
    return sum;
}

static void check_shape(const vhdx_report *report)
{
    for (size_t file = 0; file < vhdx_report_file_count(report); file++) {
        const vhdx_file_report *facts = vhdx_report_file(report, file);
        const vhdx_finding *finding;
        const vhdx_lost_range *range;
        uint64_t end = 0;
        for (size_t i = 0; i < facts->finding_count; i++) {
            finding = vhdx_report_finding(report, file, i);
            FUZZ_DEMAND(finding && finding->message[0] && finding->count >= 1 && !strchr(finding->message, '{'));
        }
        for (size_t i = 0; i < facts->lost_count; i++) {
            range = vhdx_report_lost(report, file, i);
            FUZZ_DEMAND(range && range->length > 0 && range->offset >= end);
            end = range->offset + range->length;
        }
        FUZZ_DEMAND((facts->verdict == VHDX_VERDICT_CLEAN) == (facts->errors == 0));
    }
}

static vhdx_report *verify(const struct forge *forge, const char *path, vhdx_status *status)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = forge->host};
    vhdx_report *report = NULL;
    vhdx_error err;
    *status = vhdx_verify(path, &options, &report, &err);
    forge_demand_told(*status, &err);
    if (report)
        check_shape(report);
    return report;
}

/* The layer alone, read through whatever chain it has. */
static void compare(const struct forge *forge, const char *path, const vhdx_report *report)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = forge->host};
    vhdx_image *image = NULL;
    vhdx_status opened = vhdx_image_open(path, &options, &image, NULL);
    bool sound = report && vhdx_report_file(report, 0)->errors == 0;
    FUZZ_DEMAND(!sound || opened == VHDX_OK);
    vhdx_image_free(image);
    vhdx_chain *chain = NULL;
    if (sound && vhdx_chain_open(path, &options, &chain, NULL) == VHDX_OK) {
        vhdx_walk *walk = NULL;
        vhdx_extent extent;
        FUZZ_DEMAND(vhdx_walk_new(chain, 0, &walk, NULL) == VHDX_OK);
        do
            FUZZ_DEMAND(vhdx_walk_next(walk, &extent, NULL) == VHDX_OK);
        while (extent.length > 0);
        vhdx_walk_free(walk);
    }
    vhdx_chain_free(chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forge_input in = {data, size};
    struct forge forge;
    size_t count = 1 + forge_byte(&in) % 2;
    forge_begin(&forge, count, &in);
    forge_steps(&forge, count - 1, &in);
    const char *path = forge.paths[count - 1];
    vhdx_status status, again;
    uint64_t file_size = vx_memory_host_size(forge.memory, path);
    vhdx_report *report = verify(&forge, path, &status);
    compare(&forge, path, report);
    vhdx_report *second = verify(&forge, path, &again);
    FUZZ_DEMAND(status == again && vx_memory_host_size(forge.memory, path) == file_size);
    FUZZ_DEMAND(!report || sum_of(report) == sum_of(second));
    vhdx_report_free(report);
    vhdx_report_free(second);
    forge_end(&forge);
    return 0;
}
