/*
 * Saving old bytes. See undo_save.h for the invariants, undo.h for what a record is. Which pages of a target are saved
 * already is kept in memory, up to a bound; beyond it pages are saved again, which costs space and harms nothing (P3).
 *
 * "saved" means "put into a record", which is not yet "durable". A caller that finds everything saved must still check
 * whether a commit is due.
 */
/* SPDX-License-Identifier: MIT */
#include "undo/undo_save.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "io/pages.h"
#include "base/path.h"
#include "undo/undo.h"

#include <string.h>

#define PAGE UINT64_C(4096)
/* A write that was not announced takes its surroundings with it: the next one is likely to be near. */
#define LONE_UNIT (64 * VX_KIB)
#define SAVED_MEMORY (16 * VX_MIB) /* of all targets */
#define PATH_ROOM 4096u

struct target {
    struct vx_undo *undo;
    struct vx_file *file;
    uint32_t number;
    uint64_t size; /* the original one */
    uint64_t head_length;
    struct vx_pages saved;          /* zero: saved; absent: not known to be */
    struct vx_identity *identities; /* that are in the undo file */
    size_t identity_count, identity_room;
    struct vx_protector protector;
};

struct vx_undo {
    const vhdx_host *host;
    const char *path; /* the file's */
    char *directory;  /* absolute, where the undo file is */
    struct vx_file *file;
    struct vx_undo_writer writer;
    struct target *targets;
    size_t count;
    uint8_t *buf;
};

/* ---- saving ---- */

static uint64_t memory_used(const struct vx_undo *undo)
{
    uint64_t used = 0;
    for (size_t i = 0; i < undo->count; i++)
        used += undo->targets[i].saved.memory;
    return used;
}

/* If memory runs out, pages are saved twice; nothing worse. */
static void mark_saved(struct target *target, uint64_t first, uint64_t last)
{
    if (memory_used(target->undo) < SAVED_MEMORY)
        (void)vx_pages_fill(&target->saved, first, last, VX_PAGE_ZERO);
}

static vhdx_status save_zeros(struct target *target, uint64_t offset, uint64_t end, vhdx_error *err)
{
    struct vx_undo_record record = {.type = VX_UNDO_DATA,
                                    .codec = VX_UNDO_ZEROS,
                                    .target = target->number,
                                    .offset = offset,
                                    .length = end - offset};
    return vx_undo_put(&target->undo->writer, &record, NULL, 0, err);
}

/* The range as it is, holes of the host's file without reading them. */
static vhdx_status save_range(struct target *target, uint64_t offset, uint64_t end, vhdx_error *err)
{
    struct vx_undo *undo = target->undo;
    while (offset < end) {
        uint64_t data, data_length;
        size_t got;
        vx_file_next_data(target->file, offset, &data, &data_length);
        uint64_t hole_end = data_length == 0 ? end : vx_min(data, end);
        if (hole_end > offset) {
            VX_TRY(save_zeros(target, offset, hole_end, err));
            offset = hole_end;
            continue;
        }
        size_t piece = (size_t)vx_min(end - offset, VX_UNDO_PIECE);
        VX_TRY(vx_file_read_some(target->file, undo->buf, piece, offset, &got, err));
        VX_TRY(vx_undo_put_bytes(&undo->writer, target->number, 0, offset, undo->buf, piece, err));
        offset += piece;
    }
    return VHDX_OK;
}

/* Whole pages, of which the last one may be cut by the end of the file. `missing` (may be NULL): only looks whether one
 * is. */
static vhdx_status save_pages(struct target *target, uint64_t offset, uint64_t end, bool *missing, vhdx_error *err)
{
    uint64_t index = vx_max(offset, target->head_length) / PAGE; /* the beginning is a record of its own */
    uint64_t stop = vx_ceil_div(vx_min(end, target->size), PAGE);
    while (index < stop) {
        struct vx_page_run run = vx_pages_find(&target->saved, index);
        uint64_t count = vx_min(run.count, stop - index);
        if (run.kind == VX_PAGE_ABSENT && missing) {
            *missing = true;
            return VHDX_OK;
        }
        if (run.kind == VX_PAGE_ABSENT) {
            VX_TRY(save_range(target, index * PAGE, vx_min((index + count) * PAGE, target->size), err));
            mark_saved(target, index, index + count - 1);
        }
        index += count;
    }
    return VHDX_OK;
}

static uint64_t end_of(const struct vx_range *range)
{
    return range->offset + vx_min(range->length, UINT64_MAX - range->offset);
}

static vhdx_status save_lone(struct target *target, const struct vx_range *range, vhdx_error *err)
{
    bool missing = false;
    uint64_t end = vx_min(end_of(range), target->size);
    VX_TRY(save_pages(target, range->offset, end, &missing, err));
    if (!missing)
        return VHDX_OK;
    return save_pages(target, vx_round_down(range->offset, LONE_UNIT), vx_ceil_div(end, LONE_UNIT) * LONE_UNIT, NULL,
                      err);
}

/* Neighbours in one go, so that their pages make one record. */
static vhdx_status save_many(struct target *target, const struct vx_range *ranges, size_t count, vhdx_error *err)
{
    for (size_t i = 0; i < count;) {
        uint64_t begin = vx_round_down(ranges[i].offset, PAGE);
        uint64_t end = end_of(&ranges[i]);
        for (i++; i < count && ranges[i].offset >= begin && ranges[i].offset / PAGE <= end / PAGE; i++)
            end = vx_max(end, end_of(&ranges[i]));
        VX_TRY(save_pages(target, begin, end, NULL, err));
    }
    return VHDX_OK;
}

/* P4: whether all of it was durable before the work began. */
static bool lies_in_heads(const struct target *target, const struct vx_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (end_of(&ranges[i]) > target->head_length)
            return false;
    return true;
}

static vhdx_status save(void *context, const struct vx_range *ranges, size_t count, vhdx_error *err)
{
    struct target *target = context;
    struct vx_undo_writer *writer = &target->undo->writer;
    if (lies_in_heads(target, ranges, count))
        return VHDX_OK;
    vhdx_status status = count == 1 ? save_lone(target, ranges, err) : save_many(target, ranges, count, err);
    if (status == VHDX_OK)
        status = vx_undo_commit(writer, err); /* P1 */
    else
        writer->failed = true; /* P4: some are marked as saved that never will be durable */
    return status;
}

/* ---- identities ---- */

static bool same_identity(const struct vx_identity *a, const struct vx_identity *b)
{
    return memcmp(a->content, b->content, sizeof a->content) == 0 &&
           memcmp(a->writer, b->writer, sizeof a->writer) == 0;
}

static bool knows(const struct vx_identity *identities, size_t count, const struct vx_identity *identity)
{
    for (size_t i = count; i-- > 0;)
        if (same_identity(&identities[i], identity))
            return true;
    return false;
}

static vhdx_status remember(struct target *target, const struct vx_identity *identity, vhdx_error *err)
{
    struct vx_identity *identities =
        vx_room_for(target->identities, target->identity_count, &target->identity_room, sizeof *identities);
    if (!identities)
        return vx_fail_memory(err, "identities");
    target->identities = identities;
    target->identities[target->identity_count++] = *identity;
    return VHDX_OK;
}

static vhdx_status put_identity(struct target *target, const struct vx_identity *identity, vhdx_error *err)
{
    struct vx_undo_record record = {.type = VX_UNDO_IDENTITY, .target = target->number};
    uint8_t payload[sizeof identity->content + sizeof identity->writer];
    memcpy(payload, identity->content, sizeof identity->content);
    memcpy(payload + sizeof identity->content, identity->writer, sizeof identity->writer);
    return vx_undo_put(&target->undo->writer, &record, payload, sizeof payload, err);
}

static vhdx_status announce(void *context, const struct vx_identity *identity, vhdx_error *err)
{
    struct target *target = context;
    if (knows(target->identities, target->identity_count, identity))
        return VHDX_OK;
    if (target->identity_count == VX_UNDO_IDENTITIES_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(target->undo->path),
                       "the undo file has too many identities of one disk");
    VX_TRY(put_identity(target, identity, err));
    VX_TRY(vx_undo_commit(&target->undo->writer, err)); /* P2 */
    return remember(target, identity, err);
}

/* ---- beginning ---- */

static vhdx_status absolute(const vhdx_host *host, const char *path, char text[PATH_ROOM], vhdx_error *err)
{
    return vx_host_result(host->absolute(host->context, path, text, PATH_ROOM, err), path, "say its whole path", err);
}

/* The rest of the path where it is below the directory, else "". */
static const char *below(const char *path, const char *directory, bool windows)
{
    size_t length = strlen(directory);
    if (strncmp(path, directory, length) != 0)
        return "";
    if (length > 0 && vx_path_is_separator(directory[length - 1], windows))
        return path + length;
    return vx_path_is_separator(path[length], windows) ? path + length + 1 : "";
}

static vhdx_status put_target(struct target *target, vhdx_error *err)
{
    struct vx_undo *undo = target->undo;
    struct vx_undo_record record = {.type = VX_UNDO_TARGET, .target = target->number, .length = target->size};
    char *text = vx_alloc(2, PATH_ROOM);
    if (!text)
        return vx_fail_memory(err, "a path");
    vhdx_status status = absolute(undo->host, vx_file_path(target->file), text, err);
    if (status == VHDX_OK) {
        const char *relative = below(text, undo->directory, undo->host->windows_paths);
        size_t first = strlen(text) + 1, second = strlen(relative) + 1;
        memmove(text + first, relative, second);
        status = vx_undo_put(&undo->writer, &record, text, first + second, err);
    }
    vx_free(text);
    return status;
}

static vhdx_status put_head(struct target *target, vhdx_error *err)
{
    struct vx_undo *undo = target->undo;
    size_t length = (size_t)target->head_length;
    VX_TRY(vx_file_read(target->file, undo->buf, length, 0, err));
    return vx_undo_put_bytes(&undo->writer, target->number, VX_UNDO_FLAG_HEAD, 0, undo->buf, length, err);
}

static void set_size(struct target *target, uint64_t size)
{
    target->size = size;
    target->head_length = vx_min(size, VX_UNDO_HEAD_LENGTH);
}

static vhdx_status set_up_target(struct vx_undo *undo, size_t i, const struct vx_undo_target *wish, vhdx_error *err)
{
    struct target *target = &undo->targets[i];
    uint64_t size;
    target->undo = undo;
    target->file = wish->file;
    target->number = (uint32_t)i;
    vx_pages_init(&target->saved, (uint32_t)PAGE);
    VX_TRY(vx_file_size(wish->file, &size, err));
    set_size(target, size);
    if (size == 0)
        return vx_fail(err, VHDX_TRUNCATED, vx_at_file(vx_file_path(wish->file)), "the file is empty");
    return VHDX_OK;
}

static vhdx_status set_up(struct vx_undo *undo, const vhdx_host *host, const char *path,
                          const struct vx_undo_target *wishes, size_t count, vhdx_error *err)
{
    char *text = vx_alloc(PATH_ROOM, 1);
    undo->host = host;
    undo->path = path;
    undo->buf = vx_alloc((size_t)VX_UNDO_PIECE, 1);
    undo->targets = vx_alloc(count, sizeof *undo->targets);
    if (!text || !undo->buf || !undo->targets) {
        vx_free(text);
        return vx_fail_memory(err, "an undo file");
    }
    vhdx_status status = absolute(host, path, text, err);
    if (status == VHDX_OK)
        undo->directory = vx_path_directory(text, host->windows_paths);
    vx_free(text);
    if (status == VHDX_OK && !undo->directory)
        status = vx_fail_memory(err, "a path");
    for (size_t i = 0; i < count && status == VHDX_OK; i++) {
        undo->count = i + 1;
        status = set_up_target(undo, i, &wishes[i], err);
    }
    return status;
}

/* A target that the undo file does not know yet, or only by name: a crash came before anything of it was changed. */
static vhdx_status begin_target(struct target *target, const struct vx_undo_target *wish,
                                const struct vx_undo_known *known, vhdx_error *err)
{
    if (!known)
        VX_TRY(put_target(target, err));
    if (!knows(target->identities, target->identity_count, &wish->identity)) {
        VX_TRY(put_identity(target, &wish->identity, err));
        VX_TRY(remember(target, &wish->identity, err));
    }
    if (!known || known->head == 0)
        VX_TRY(put_head(target, err));
    return save_many(target, wish->ranges, wish->range_count, err);
}

/* ---- going on with a file ---- */

/* An undo file that is there, and which of its targets is which of ours. */
struct earlier {
    struct vx_undo *undo;
    struct vx_undo_content content;
    size_t *ours; /* by number in the file: our target; SIZE_MAX = none */
};

static vhdx_status fail_other(const struct vx_undo *undo, const char *why, vhdx_error *err)
{
    vx_fail(err, VHDX_EXISTS, vx_at_file(undo->path), "%s", why);
    return vx_advise(err, VHDX_EXISTS, "choose another name for the undo file, or remove this one if it is not needed");
}

static vhdx_status find_own(struct earlier *earlier, vhdx_error *err)
{
    struct vx_undo *undo = earlier->undo;
    const struct vx_undo_content *content = &earlier->content;
    char *text = vx_alloc(PATH_ROOM, 1);
    vhdx_status status = VHDX_OK;
    earlier->ours = vx_alloc(content->target_count + 1, sizeof *earlier->ours);
    if (!text || !earlier->ours)
        status = vx_fail_memory(err, "an undo file");
    for (size_t i = 0; i < content->target_count && status == VHDX_OK; i++)
        earlier->ours[i] = SIZE_MAX;
    for (size_t j = 0; j < undo->count && status == VHDX_OK; j++) {
        status = absolute(undo->host, vx_file_path(undo->targets[j].file), text, err);
        for (size_t i = 0; status == VHDX_OK && i < content->target_count; i++) {
            const struct vx_undo_known *known = &content->targets[i];
            const char *relative = below(text, undo->directory, undo->host->windows_paths);
            if (*known->relative ? strcmp(relative, known->relative) == 0 : strcmp(text, known->absolute) == 0) {
                earlier->ours[i] = j;
                break; /* a second one of that path has no owner */
            }
        }
    }
    vx_free(text);
    return status;
}

/* Every target of the file must be one of ours and be as the earlier run left it. */
static vhdx_status check_own(const struct earlier *earlier, const struct vx_undo_target *wishes, vhdx_error *err)
{
    const struct vx_undo_content *content = &earlier->content;
    for (size_t i = 0; i < content->target_count; i++) {
        const struct vx_undo_known *known = &content->targets[i];
        if (earlier->ours[i] == SIZE_MAX)
            return fail_other(earlier->undo, "it is the undo file of other disks", err);
        if (knows(known->identities, known->identity_count, &wishes[earlier->ours[i]].identity) || known->head == 0)
            continue;
        vx_fail(err, VHDX_UNDO_MISMATCH, vx_at_file(known->absolute),
                "another program has written to the disk since the undo file was begun");
        return vx_advise(err, VHDX_UNDO_MISMATCH,
                         "choose another name for the undo file; it will lead back to the disks "
                         "as they are now");
    }
    return VHDX_OK;
}

static vhdx_status read_earlier(struct earlier *earlier, const struct vx_undo_target *wishes, vhdx_error *err)
{
    struct vx_undo *undo = earlier->undo;
    vhdx_error why;
    vhdx_status status = vx_undo_read(undo->file, &earlier->content, NULL, NULL, &why);
    if (status == VHDX_NOT_VHDX)
        return fail_other(undo, "a file that is not empty, and no undo file, is already there", err);
    if (status != VHDX_OK) {
        if (err)
            *err = why;
        return status;
    }
    if (earlier->content.damaged)
        return vx_fail(err, VHDX_CORRUPT, vx_at(undo->path, "undo file", earlier->content.end),
                       "records are damaged that were whole once");
    VX_TRY(find_own(earlier, err));
    return check_own(earlier, wishes, err);
}

static vhdx_status mark_record(void *context, const struct vx_undo_record *record, vhdx_error *err)
{
    struct vx_undo *undo = context;
    (void)err;
    for (size_t i = 0; i < undo->count; i++) {
        struct target *target = &undo->targets[i];
        uint64_t end = record->offset + record->length;
        uint64_t first = vx_ceil_div(record->offset, PAGE);
        uint64_t stop = end == target->size ? vx_ceil_div(end, PAGE) : end / PAGE;
        if (target->number == record->target && first < stop)
            mark_saved(target, first, stop - 1);
    }
    return VHDX_OK;
}

/* Numbers and sizes become those of the file; what it holds counts as saved. */
static vhdx_status adopt(struct earlier *earlier, vhdx_error *err)
{
    struct vx_undo *undo = earlier->undo;
    const struct vx_undo_content *content = &earlier->content;
    struct vx_undo_content again;
    uint32_t next = (uint32_t)content->target_count;
    for (size_t j = 0; j < undo->count; j++)
        undo->targets[j].number = UINT32_MAX;
    for (size_t i = 0; i < content->target_count; i++) {
        struct target *target = &undo->targets[earlier->ours[i]];
        target->number = (uint32_t)i;
        set_size(target, content->targets[i].size);
        for (size_t k = 0; k < content->targets[i].identity_count; k++)
            VX_TRY(remember(target, &content->targets[i].identities[k], err));
    }
    for (size_t j = 0; j < undo->count; j++)
        if (undo->targets[j].number == UINT32_MAX)
            undo->targets[j].number = next++;
    vhdx_status status = vx_undo_read(undo->file, &again, mark_record, undo, err);
    vx_undo_content_clear(&again);
    return status;
}

/* In the order of their numbers, which is the order in which a reader expects new ones. */
static vhdx_status begin_targets(struct vx_undo *undo, const struct vx_undo_target *wishes,
                                 const struct vx_undo_content *content, vhdx_error *err)
{
    for (size_t number = 0; number < undo->count; number++)
        for (size_t j = 0; j < undo->count; j++)
            if (undo->targets[j].number == number)
                VX_TRY(begin_target(&undo->targets[j], &wishes[j],
                                    number < content->target_count ? &content->targets[number] : NULL, err));
    return vx_undo_commit(&undo->writer, err);
}

/* ---- the file itself ---- */

static vhdx_status create(struct vx_undo *undo, const struct vx_undo_target *wishes, vhdx_error *err)
{
    const struct vx_undo_content nothing = {0};
    VX_TRY(vx_undo_writer_create(&undo->writer, undo->file, undo->host, err));
    VX_TRY(begin_targets(undo, wishes, &nothing, err));
    return vx_host_result(undo->host->sync_directory(undo->host->context, undo->directory, err), undo->path,
                          "make its name durable", err);
}

static vhdx_status go_on(struct vx_undo *undo, const struct vx_undo_target *wishes, vhdx_error *err)
{
    struct earlier earlier = {.undo = undo};
    bool is_blank;
    VX_TRY(vx_file_open(undo->host, undo->path, VHDX_OPEN_WRITE, &undo->file, err));
    VX_TRY(vx_undo_is_blank(undo->file, &is_blank, err));
    if (is_blank) {
        VX_TRY(vx_file_cut(undo->file, 0, err));
        return create(undo, wishes, err);
    }
    vhdx_status status = read_earlier(&earlier, wishes, err);
    if (status == VHDX_OK)
        status = adopt(&earlier, err);
    if (status == VHDX_OK)
        status = vx_undo_writer_continue(&undo->writer, undo->file, &earlier.content, err);
    if (status == VHDX_OK)
        status = begin_targets(undo, wishes, &earlier.content, err);
    if (status == VHDX_OK) /* the run before may have been cut off before it came to this */
        status = vx_host_result(undo->host->sync_directory(undo->host->context, undo->directory, err), undo->path,
                                "make its name durable", err);
    vx_free(earlier.ours);
    vx_undo_content_clear(&earlier.content);
    return status;
}

static vhdx_status open_file(struct vx_undo *undo, const struct vx_undo_target *wishes, vhdx_error *err)
{
    vhdx_status status = vx_file_open(undo->host, undo->path, VHDX_OPEN_CREATE, &undo->file, err);
    if (status == VHDX_EXISTS)
        return go_on(undo, wishes, err);
    if (status != VHDX_OK)
        return status;
    status = create(undo, wishes, err);
    if (status != VHDX_OK) {
        vx_file_close(undo->file);
        undo->file = NULL;
        undo->host->remove(undo->host->context, undo->path, NULL);
    }
    return status;
}

vhdx_status vx_undo_begin(const vhdx_host *host, const char *path, const struct vx_undo_target *targets, size_t count,
                          struct vx_undo **out, vhdx_error *err)
{
    if (count > VX_UNDO_TARGETS_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(path), "an undo file for more than %u disks", VX_UNDO_TARGETS_MAX);
    struct vx_undo *undo = vx_alloc(1, sizeof *undo);
    if (!undo)
        return vx_fail_memory(err, "an undo file");
    vhdx_status status = set_up(undo, host, path, targets, count, err);
    if (status == VHDX_OK)
        status = open_file(undo, targets, err);
    if (status != VHDX_OK) {
        vx_undo_close(undo);
        return status;
    }
    undo->path = vx_file_path(undo->file);
    for (size_t i = 0; i < undo->count; i++) {
        struct target *target = &undo->targets[i];
        target->protector = (struct vx_protector){target, save, announce};
        vx_file_protect(target->file, &target->protector);
    }
    *out = undo;
    return VHDX_OK;
}

static vhdx_status check(struct vx_undo *undo, const struct vx_undo_target *wishes, vhdx_error *err)
{
    struct earlier earlier = {.undo = undo};
    bool is_blank = false;
    vhdx_status status = vx_file_open(undo->host, undo->path, VHDX_OPEN_READ, &undo->file, err);
    if (status == VHDX_NOT_FOUND) {
        vx_clear(err);
        return VHDX_OK;
    }
    if (status == VHDX_OK)
        status = vx_undo_is_blank(undo->file, &is_blank, err);
    if (status == VHDX_OK && !is_blank)
        status = read_earlier(&earlier, wishes, err);
    vx_free(earlier.ours);
    vx_undo_content_clear(&earlier.content);
    return status;
}

vhdx_status vx_undo_check(const vhdx_host *host, const char *path, const struct vx_undo_target *targets, size_t count,
                          vhdx_error *err)
{
    struct vx_undo undo = {0};
    vhdx_status status = set_up(&undo, host, path, targets, count, err);
    if (status == VHDX_OK)
        status = check(&undo, targets, err);
    vx_file_close(undo.file);
    vx_free(undo.targets);
    vx_free(undo.directory);
    vx_free(undo.buf);
    return status;
}

/* ---- the end ---- */

vhdx_status vx_undo_end(struct vx_undo *undo, vhdx_error *err)
{
    struct vx_undo_record record = {.type = VX_UNDO_END};
    VX_TRY(vx_undo_put(&undo->writer, &record, NULL, 0, err));
    return vx_undo_commit(&undo->writer, err);
}

void vx_undo_close(struct vx_undo *undo)
{
    if (!undo)
        return;
    for (size_t i = 0; i < undo->count; i++) {
        struct target *target = &undo->targets[i];
        if (target->file && target->protector.context)
            vx_file_protect(target->file, NULL);
        vx_pages_clear(&target->saved);
        vx_free(target->identities);
    }
    vx_undo_writer_close(&undo->writer);
    vx_file_close(undo->file);
    vx_free(undo->targets);
    vx_free(undo->directory);
    vx_free(undo->buf);
    vx_free(undo);
}

uint64_t vx_undo_length(const struct vx_undo *undo)
{
    return undo->writer.end;
}
