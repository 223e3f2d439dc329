/*
 * Trials of commands. See api_trial.h. Stands above all rooms, as the doors of the library do, because the search may
 * not see the planners. A trial takes the locks that its command would take for reading, and no
 * other.
 */
/* SPDX-License-Identifier: MIT */
#include "api_trial.h"

#include "chain/layered.h"
#include "chain/relink.h"
#include "io/io.h"
#include "merge/merge.h"
#include "findings/findings.h"
#include "evidence/lost_entries.h"
#include "repair/repair.h"

struct asking {
    const struct vx_trials *trials;
    const vhdx_host *host;
    const struct vx_trial *trial;
    uint64_t writes; /* of a plan of a repair */
};

/* The search can be cancelled while a plan is made. */
static bool go_on(void *context, const vhdx_progress *progress)
{
    const struct asking *asking = context;
    const vhdx_orphans_options *options = asking->trials->options;
    vhdx_orphans_progress now = {.commands_tried = asking->trials->count};
    (void)progress;
    return !options->progress || options->progress(options->progress_context, &now);
}

static vhdx_status ask_info(const struct asking *asking, vhdx_error *err)
{
    struct vx_image *image;
    VX_TRY(vx_image_open(asking->host, asking->trial->disk, VX_OPEN_INSPECT, &image, err));
    vx_image_close(image);
    return VHDX_OK;
}

static vhdx_status ask_verify(const struct asking *asking, vhdx_error *err)
{
    struct vx_file *file;
    uint64_t size;
    VX_TRY(vx_file_open(asking->host, asking->trial->disk, VHDX_OPEN_READ, &file, err));
    vhdx_status status = vx_file_size(file, &size, err);
    vx_file_close(file);
    return status;
}

/* All of the chain's tables are read, none of its payload; *bytes is what the chain holds. */
static vhdx_status walk_chain(struct vx_chain *chain, uint64_t *bytes, vhdx_error *err)
{
    struct vx_cursor *cursor;
    uint64_t size = vx_chain_leaf(chain)->geometry.virtual_size;
    VX_TRY(vx_cursor_open(chain, 0, chain->count, true, &cursor, err));
    vhdx_status status = VHDX_OK;
    for (uint64_t at = 0; at < size && status == VHDX_OK;) {
        struct vx_piece piece;
        status = vx_cursor_at(cursor, at, size - at, &piece, err);
        if (status == VHDX_OK && piece.kind == VX_RUN_DATA)
            *bytes += piece.length;
        at += status == VHDX_OK ? piece.length : 0;
    }
    vx_cursor_close(cursor);
    return status;
}

static vhdx_status check_output(const struct asking *asking, uint64_t bytes, vhdx_error *err)
{
    const vhdx_host *host = asking->host;
    const char *path = asking->trial->other;
    vhdx_space space = {UINT64_MAX, UINT64_MAX};
    vhdx_entry_type type;
    vhdx_file_facts facts;
    if (vx_host_look(host, path, &type, &facts, NULL) == VHDX_OK)
        return vx_fail(err, VHDX_EXISTS, vx_at_file(path), "a file of that name is already there");
    if (host->space(host->context, path, &space, NULL) == VHDX_OK && bytes > space.free_bytes)
        return vx_fail(err, VHDX_NO_SPACE, vx_at_file(path), "the volume has too little free space for a copy");
    return VHDX_OK;
}

static vhdx_status ask_chain(const struct asking *asking, vhdx_error *err)
{
    const struct vx_trial *trial = asking->trial;
    struct vx_search search = {trial->parents, trial->parent_count};
    struct vx_chain *chain;
    uint64_t bytes = 0;
    VX_TRY(vx_chain_open(asking->host, trial->disk, &search, NULL, &chain, NULL, err));
    vhdx_status status = trial->kind == VX_TRIAL_COPY ? walk_chain(chain, &bytes, err) : VHDX_OK;
    vx_chain_close(chain);
    return status == VHDX_OK && trial->kind == VX_TRIAL_COPY ? check_output(asking, bytes, err) : status;
}

static vhdx_status ask_merge(struct asking *asking, vhdx_error *err)
{
    vhdx_merge_report report = {.struct_size = sizeof report};
    const vhdx_merge_options options = {.struct_size = sizeof options,
                                        .host = asking->host,
                                        .parents = asking->trial->parents,
                                        .parent_count = asking->trial->parent_count,
                                        .into = asking->trial->other,
                                        .progress = go_on,
                                        .progress_context = asking};
    const struct vx_merge_surroundings around = {.check = vx_lost_entries_check};
    return vx_merge(asking->trial->disk, &options, true, &around, &report, err);
}

static void count_write(void *context, const vhdx_repair_write *write)
{
    struct asking *asking = context;
    (void)write;
    asking->writes++;
}

static vhdx_status ask_repair(struct asking *asking, vhdx_error *err)
{
    vhdx_report *report;
    const vhdx_repair_options options = {.struct_size = sizeof options,
                                         .host = asking->host,
                                         .dry_run = true,
                                         .salvage = asking->trial->kind == VX_TRIAL_SALVAGE,
                                         .write = count_write,
                                         .write_context = asking,
                                         .progress = go_on,
                                         .progress_context = asking};
    VX_TRY(vx_repair(asking->trial->disk, &options, &report, err));
    vx_report_free(report);
    if (asking->writes > 0)
        return VHDX_OK;
    return vx_fail(err, VHDX_REFUSED, vx_at_file(asking->trial->disk), "a repair would write nothing");
}

static vhdx_status ask(struct asking *asking, vhdx_error *err)
{
    const struct vx_trial *trial = asking->trial;
    switch (trial->kind) {
    case VX_TRIAL_INFO:
        return ask_info(asking, err);
    case VX_TRIAL_VERIFY:
        return ask_verify(asking, err);
    case VX_TRIAL_CHAIN:
    case VX_TRIAL_COPY:
        return ask_chain(asking, err);
    case VX_TRIAL_MERGE:
        return ask_merge(asking, err);
    case VX_TRIAL_RELINK:
        return vx_relink_check(asking->host, trial->disk, trial->other, err);
    case VX_TRIAL_REPAIR:
    case VX_TRIAL_SALVAGE:
        return ask_repair(asking, err);
    }
    return VHDX_OK;
}

vhdx_status vx_trial_ask(void *context, const struct vx_trial *trial, vhdx_error *err)
{
    struct vx_trials *trials = context;
    struct asking asking = {.trials = trials, .host = vx_host_or_native(trials->options->host), .trial = trial};
    vx_clear(err);
    trials->count++;
    if (!go_on(&asking, NULL))
        return vx_fail(err, VHDX_CANCELLED, vx_at_file(NULL), "the search was cancelled");
    return ask(&asking, err);
}
