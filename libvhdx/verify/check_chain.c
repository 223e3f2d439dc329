/*
 * The ancestors, MS-VHDX 2.2.4, 2.6.2.6: each is examined as the first file was, and each link is judged. Goes as far
 * down as there is anything to go by; a damaged layer ends nothing as long as it says who its parent is. Then the files
 * beside the layers: other children of the same parents, and copies. Only one layer besides the first is open at a
 * time.
 *
 * The one thing that is easy to get wrong: paths in a locator are those of another machine. That one of them leads
 * nowhere here says nothing, as long as the parent was found.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/advice.h"
#include "base/alloc.h"
#include "base/guid.h"
#include "base/quote.h"
#include "chain/chain.h"
#include "base/path.h"
#include "chain/beside.h"
#include "verify/check_content.h"
#include "verify/host.h"
#include "verify/proof.h"
#include "verify/recognize.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is remembered of a layer when it is closed. */
struct layer {
    char *path;
    size_t file; /* of the report */
    vhdx_file_facts facts;
    bool has_identity, has_disk_id, has_sizes, has_linkage;
    vhdx_guid identity, disk_id, linkage;
    uint64_t virtual_size;
    uint32_t logical_sector_size;
    struct vx_host_access access;
};

struct walk {
    struct vx_verification *v; /* of the first file */
    struct vx_search search;
    struct layer *layers;
    size_t count;
};

/* ---- layers ----------------------------------------------------------------------------------------------------- */

static vhdx_status add_layer(struct walk *walk, struct vx_exam *exam, size_t file, vhdx_error *err)
{
    struct layer *layers = vx_resize(walk->layers, walk->count + 1, sizeof *layers);
    if (!layers)
        return vx_fail_memory(err, "the layers of a chain");
    walk->layers = layers;
    struct layer *layer = &layers[walk->count];
    memset(layer, 0, sizeof *layer);
    layer->path = vx_copy_string(vx_file_path(exam->raw));
    if (!layer->path)
        return vx_fail_memory(err, "a path");
    walk->count++;
    layer->file = file;
    layer->facts = *vx_file_facts(exam->raw);
    layer->has_identity = exam->header != NULL;
    if (exam->header)
        layer->identity = exam->header->data_write_guid;
    layer->has_disk_id = vx_exam_knows(exam, VX_KNOWS_DISK_ID);
    layer->disk_id = exam->disk_id;
    layer->has_sizes = vx_exam_knows(exam, VX_KNOWS_VIRTUAL_SIZE | VX_KNOWS_LOGICAL_SECTOR);
    layer->virtual_size = exam->virtual_size;
    layer->logical_sector_size = exam->logical_sector_size;
    layer->has_linkage = exam->image.parent_names.has_linkage;
    layer->linkage = exam->image.parent_names.linkage;
    return vx_host_access(exam, &layer->access, err);
}

static bool has_parent(const struct vx_exam *exam)
{
    return vx_exam_knows(exam, VX_KNOWS_PARAMETERS) && (exam->parameters.flags & VX_PARAMETER_HAS_PARENT);
}

static bool same_file(const struct walk *walk, const struct layer *layer, const char *path,
                      const vhdx_file_facts *facts)
{
    if (layer->facts.volume != 0 && facts->volume != 0)
        return layer->facts.volume == facts->volume && layer->facts.file[0] == facts->file[0] &&
               layer->facts.file[1] == facts->file[1];
    return vx_same_path(walk->v->host, layer->path, path);
}

/* The layer that is this file; NULL: none. */
static const struct layer *find_layer(const struct walk *walk, const char *path, const vhdx_file_facts *facts)
{
    for (size_t i = 0; i < walk->count; i++)
        if (same_file(walk, &walk->layers[i], path, facts))
            return &walk->layers[i];
    return NULL;
}

/* ---- a link that does not lead anywhere ------------------------------------------------------------------------- */

static struct vx_finding found_link(enum vx_find kind, const struct vx_exam *child)
{
    return vx_finding_at(kind, "parent locator", child->has_metadata ? child->metadata.file_offset : VHDX_NOWHERE);
}

static void report_missing(struct vx_verification *v, const vhdx_parent_names *names)
{
    struct vx_finding finding = found_link(VX_FIND_PARENT_MISSING, v->exam);
    char text[400], id[VX_GUID_TEXT];
    const char *path = names->absolute_win32_path ? names->absolute_win32_path
                       : names->relative_path     ? names->relative_path
                       : names->volume_path       ? names->volume_path
                                                  : "(no path)";
    vx_guid_format(&names->linkage, id);
    snprintf(text, sizeof text, "%.300s, id %s", path, id);
    finding.text = text;
    finding.advice_code = VHDX_ADVICE_NAME_PARENT_AND_RELINK;
    vx_verify_add(v, &finding);
}

/* The next step that a person may choose where the content leaves it open, or speaks against it. */
static void advise_mismatch(struct vx_finding *finding, const struct vx_exam *child, const char *candidate,
                            enum vx_proof_word word)
{
    vhdx_advice advice = word == VX_PROOF_STATE   ? VHDX_ADVICE_REPAIR_LINKAGE
                         : word == VX_PROOF_OTHER ? VHDX_ADVICE_RELINK_FORCED_DAMAGE
                         : word == VX_PROOF_DISK  ? VHDX_ADVICE_LOSSY_OR_RELINK_FORCED
                                                  : VHDX_ADVICE_RELINK_FORCED_WRITTEN;
    vx_finding_advise(finding, advice, candidate, vx_file_path(child->raw));
}

static vhdx_repair_class class_of(enum vx_proof_word word)
{
    return word == VX_PROOF_STATE  ? VHDX_REPAIR_LOSSLESS
           : word == VX_PROOF_DISK ? VHDX_REPAIR_SALVAGE
                                   : VHDX_REPAIR_NONE;
}

/* `only_proven`: what the content does not speak for is not worth a word. */
static vhdx_status report_mismatch(struct walk *walk, struct vx_verification *v, const char *candidate,
                                   bool only_proven, vhdx_error *err)
{
    struct vx_finding finding = found_link(VX_FIND_PARENT_MISMATCH, v->exam);
    char text[2400], expected[VX_GUID_TEXT], found[VX_GUID_TEXT] = "?";
    struct vx_proof proof = {0};
    vhdx_guid id;
    const struct vx_proof_progress progress = {v->options->progress, v->options->progress_context};
    if (candidate)
        VX_TRY(vx_prove_parent(v->exam, candidate, &walk->search, &progress, &proof, err));
    if (only_proven && class_of(proof.word) == VHDX_REPAIR_NONE)
        return VHDX_OK;
    vx_guid_format(&v->exam->image.parent_names.linkage, expected);
    if (candidate && vx_image_peek_identity(v->host, candidate, &id, NULL) == VHDX_OK)
        vx_guid_format(&id, found);
    snprintf(text, sizeof text, "expected %s, found %s in %.500s%s", expected, found, candidate ? candidate : "?",
             proof.text);
    finding.text = text;
    finding.repair = class_of(proof.word);
    if (candidate)
        advise_mismatch(&finding, v->exam, candidate, proof.word);
    vx_verify_add(v, &finding);
    return VHDX_OK;
}

static void report_unreadable(struct vx_verification *v, const vhdx_error *why)
{
    struct vx_finding finding = found_link(VX_FIND_PARENT_UNREADABLE, v->exam);
    char text[900];
    snprintf(text, sizeof text, "%.300s: %.500s", why->path, why->message);
    finding.text = text;
    bool argued = why->advice_argument[0] != '\0';
    if (why->advice > VHDX_ADVICE_TEXT && vx_advice_words(why->advice))
        vx_finding_advise(&finding, why->advice, argued ? why->advice_argument : NULL, NULL);
    else
        finding.advice = why->advice_text;
    vx_verify_add(v, &finding);
}

/* What check_locator.c says of a locator that names nobody is not said again. */
static vhdx_status report_no_parent(struct walk *walk, struct vx_verification *v, const vhdx_error *why,
                                    const char *candidate, vhdx_error *err)
{
    const vhdx_parent_names *names = &v->exam->image.parent_names;
    switch (why->status) {
    case VHDX_NOMEM:
        return vx_fail_memory(err, "the search for a parent");
    case VHDX_PARENT_MISSING:
        report_missing(v, names);
        return VHDX_OK;
    case VHDX_PARENT_MISMATCH:
        return report_mismatch(walk, v, candidate, false, err);
    default:
        if (v->exam->image.items.locator && (names->has_linkage || names->has_linkage2) && why->path[0] &&
            strcmp(why->path, vx_file_path(v->exam->raw)) != 0)
            report_unreadable(v, why);
        return VHDX_OK;
    }
}

/* ---- a link between two layers ---------------------------------------------------------------------------------- */

/* An identity that the layers around may still be known by. Not to be known to nobody is not to be free. */
static vhdx_status is_carried(struct walk *walk, struct vx_verification *v, const struct layer *parent,
                              const vhdx_guid *id, bool *carried, vhdx_error *err)
{
    const vhdx_host *host = v->host;
    const char *path = vx_file_path(v->exam->raw), *near[2] = {path, parent->path};
    *carried = false;
    for (size_t i = 0; i < 2 && !*carried; i++) {
        char *directory = vx_path_directory(near[i], host->windows_paths);
        vhdx_status status =
            directory ? vx_identity_in(host, directory, path, id, carried, err) : vx_fail_memory(err, "a path");
        vx_free(directory);
        VX_TRY(status);
    }
    for (size_t i = 0; i < walk->search.place_count && !*carried; i++)
        VX_TRY(vx_identity_in(host, walk->search.places[i], path, id, carried, err));
    return VHDX_OK;
}

/* A second linkage that somebody beside answers to is how an interrupted merge finds what is left to do. */
static vhdx_status check_linkage(struct walk *walk, struct vx_verification *v, const struct layer *parent,
                                 vhdx_error *err)
{
    const vhdx_parent_names *names = &v->exam->image.parent_names;
    if (!parent->has_identity || !names->has_linkage2 || vx_guid_is_zero(&names->linkage2))
        return VHDX_OK;
    bool first = names->has_linkage && vx_guid_equal(&names->linkage, &parent->identity);
    bool second = vx_guid_equal(&names->linkage2, &parent->identity);
    bool carried = false;
    if (first == second)
        return VHDX_OK;
    if (first && v->exam->header && vx_guid_equal(&names->linkage2, &v->exam->header->data_write_guid)) {
        struct vx_finding merged = found_link(VX_FIND_PARENT_MERGED, v->exam);
        merged.advice = "it may go when the machine has started once from the merged disk";
        vx_verify_add(v, &merged);
        return VHDX_OK;
    }
    if (first)
        VX_TRY(is_carried(walk, v, parent, &names->linkage2, &carried, err));
    struct vx_finding finding = found_link(second ? VX_FIND_PARENT_MERGE_BEGUN : VX_FIND_PARENT_LINKAGE2, v->exam);
    if (second)
        finding.advice_code = VHDX_ADVICE_MERGE_GOES_ON;
    if (carried) {
        finding.repair = VHDX_REPAIR_NONE;
        finding.advice_code = VHDX_ADVICE_MERGE_COMPLETES;
    }
    vx_verify_add(v, &finding);
    return VHDX_OK;
}

static void check_sizes(struct vx_verification *v, const struct layer *child, const struct layer *parent)
{
    struct vx_finding finding;
    if (!child->has_sizes || !parent->has_sizes)
        return;
    if (child->logical_sector_size != parent->logical_sector_size) {
        finding = found_link(VX_FIND_PARENT_SECTOR_SIZE, v->exam);
        vx_finding_set_values(&finding, child->logical_sector_size, parent->logical_sector_size);
        finding.advice = "these two cannot belong together; find the right parent";
        vx_verify_add(v, &finding);
    }
    if (child->virtual_size != parent->virtual_size) {
        finding = found_link(VX_FIND_PARENT_SIZE, v->exam);
        vx_finding_set_values(&finding, child->virtual_size, parent->virtual_size);
        vx_verify_add(v, &finding);
    }
}

static void check_disk_id(struct vx_verification *v, const struct layer *child, const struct layer *parent)
{
    struct vx_finding finding = found_link(VX_FIND_PARENT_DISK_ID, v->exam);
    char own[VX_GUID_TEXT], other[VX_GUID_TEXT];
    if (!child->has_disk_id || !parent->has_disk_id || vx_guid_equal(&child->disk_id, &parent->disk_id))
        return;
    vx_guid_format(&child->disk_id, own);
    vx_guid_format(&parent->disk_id, other);
    finding.text = own;
    finding.note = other;
    vx_verify_add(v, &finding);
}

static void report_stale(struct vx_verification *v, const char *key, const char *path)
{
    struct vx_finding finding = found_link(VX_FIND_PARENT_PATH_STALE, v->exam);
    char text[500];
    snprintf(text, sizeof text, "%s (%.400s)", key, path);
    finding.text = text;
    finding.advice_code = VHDX_ADVICE_REPAIR_PATHS;
    vx_verify_add(v, &finding);
}

/* An absolute path means something only on a system of the kind that it was written on. */
static bool leads_elsewhere(struct walk *walk, const char *path, const struct layer *parent)
{
    struct vx_file *file;
    if (!path || !walk->v->host->windows_paths || !vx_path_is_absolute(path, true))
        return false;
    if (vx_file_open(walk->v->host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
        return true;
    bool same = same_file(walk, parent, path, vx_file_facts(file));
    vx_file_close(file);
    return !same;
}

static void check_paths(struct walk *walk, struct vx_verification *v, const struct layer *parent)
{
    const vhdx_parent_names *names = &v->exam->image.parent_names;
    const struct vx_child child = vx_child_of(&v->exam->image);
    if (names->relative_path && !vx_resolve_relative(&child))
        report_stale(v, "relative_path", names->relative_path);
    if (leads_elsewhere(walk, names->absolute_win32_path, parent))
        report_stale(v, "absolute_win32_path", names->absolute_win32_path);
    if (leads_elsewhere(walk, names->volume_path, parent))
        report_stale(v, "volume_path", names->volume_path);
}

static vhdx_status check_link(struct walk *walk, struct vx_verification *v, vhdx_error *err)
{
    const struct layer *child = &walk->layers[walk->count - 2], *parent = &walk->layers[walk->count - 1];
    VX_TRY(check_linkage(walk, v, parent, err));
    check_sizes(v, child, parent);
    check_disk_id(v, child, parent);
    check_paths(walk, v, parent);
    return VHDX_OK;
}

/* As much of it as a repair can put right, without an exam of the parent. */
static vhdx_status check_near(struct walk *walk, struct vx_verification *v, char *path, vhdx_error *err)
{
    struct vx_image *image;
    vhdx_status status = vx_image_open(v->host, path, VX_OPEN_PEEK | VX_OPEN_INSPECT, &image, NULL);
    if (status != VHDX_OK)
        return status == VHDX_NOMEM ? vx_fail_memory(err, "a look at a parent") : VHDX_OK;
    struct layer parent = {.path = path,
                           .facts = *vx_file_facts(image->file),
                           .has_identity = true,
                           .identity = image->header.data_write_guid};
    if (!same_file(walk, &parent, vx_file_path(v->exam->raw), vx_file_facts(v->exam->raw))) {
        status = check_linkage(walk, v, &parent, err);
        check_paths(walk, v, &parent);
    }
    vx_image_close(image);
    return status;
}

vhdx_status vx_check_own_link(struct vx_verification *v, vhdx_error *err)
{
    struct walk walk = {.v = v, .search = {v->options->parents, v->options->parent_count}};
    vhdx_error why;
    char *path, *candidate;
    if (!has_parent(v->exam))
        return VHDX_OK;
    const struct vx_child child = vx_child_of(&v->exam->image);
    vhdx_status status = vx_resolve_parent_or(&child, &walk.search, &path, &candidate, &why);
    if (status == VHDX_NOMEM)
        return vx_fail_memory(err, "the search for a parent");
    if (status == VHDX_OK)
        status = check_near(&walk, v, path, err);
    else
        status = candidate ? report_mismatch(&walk, v, candidate, true, err) : VHDX_OK;
    vx_free(path);
    vx_free(candidate);
    return status;
}

/* ---- going down ------------------------------------------------------------------------------------------------- */

/* Examines the parent at `path` as a file of its own. *next has its exam; NULL: the chain ends here. */
static vhdx_status examine_parent(struct walk *walk, struct vx_verification *v, const char *path,
                                  struct vx_verification *next, vhdx_error *err)
{
    char evidence[VX_EVIDENCE_ROOM];
    vhdx_error why;
    vhdx_status status = vx_exam_open(v->host, path, VHDX_OPEN_READ, NULL, &next->exam, &why);
    if (status == VHDX_OK) {
        status = vx_recognize(next->exam, evidence, &why);
        if (status != VHDX_OK)
            vx_exam_close(next->exam);
    }
    if (status == VHDX_NOMEM)
        return vx_fail_memory(err, "the exam of a disk");
    if (status != VHDX_OK) {
        next->exam = NULL;
        report_unreadable(v, &why);
        return VHDX_OK;
    }
    if (find_layer(walk, path, vx_file_facts(next->exam->raw))) {
        struct vx_finding finding = found_link(VX_FIND_CHAIN_LOOP, v->exam);
        vx_verify_add(v, &finding);
        vx_exam_close(next->exam);
        next->exam = NULL;
        return VHDX_OK;
    }
    VX_TRY(vx_report_add_file(v->report, path, &next->file, err));
    VX_TRY(vx_verify_structures(next, err));
    VX_TRY(vx_check_host(next, err));
    if (v->options->data)
        VX_TRY(vx_check_data(next, NULL, err));
    VX_TRY(add_layer(walk, next->exam, next->file, err));
    return check_link(walk, v, err);
}

/* One layer further. `next` is all zero but for what all files share. */
static vhdx_status go_down(struct walk *walk, struct vx_verification *v, struct vx_verification *next, vhdx_error *err)
{
    char *path, *candidate;
    vhdx_error why;
    if (walk->count == VX_CHAIN_MAX) {
        struct vx_finding finding = found_link(VX_FIND_CHAIN_DEPTH, v->exam);
        vx_finding_set_values(&finding, VX_CHAIN_MAX + 1, VX_CHAIN_MAX);
        vx_verify_add(v, &finding);
        return VHDX_OK;
    }
    vx_clear(&why);
    const struct vx_child child = vx_child_of(&v->exam->image);
    vhdx_status status = vx_resolve_parent_or(&child, &walk->search, &path, &candidate, &why);
    if (status == VHDX_OK)
        status = examine_parent(walk, v, path, next, err);
    else
        status = report_no_parent(walk, v, &why, candidate, err);
    vx_free(path);
    vx_free(candidate);
    return status;
}

static vhdx_status walk_down(struct walk *walk, vhdx_error *err)
{
    struct vx_verification current = *walk->v;
    vhdx_status status = add_layer(walk, current.exam, current.file, err);
    while (status == VHDX_OK && current.exam && has_parent(current.exam)) {
        struct vx_verification next = {.host = walk->v->host, .options = walk->v->options, .report = walk->v->report};
        status = go_down(walk, &current, &next, err);
        if (current.exam != walk->v->exam)
            vx_exam_close(current.exam);
        current = next;
    }
    if (current.exam != walk->v->exam)
        vx_exam_close(current.exam);
    return status;
}

/* ---- files beside the layers ------------------------------------------------------------------------------------ */

static void report_beside(struct walk *walk, const struct layer *layer, enum vx_find kind, const char *path,
                          const char *advice)
{
    struct vx_finding finding =
        vx_finding_at(kind, kind == VX_FIND_CHAIN_SIBLING ? "parent locator" : "header", VHDX_NOWHERE);
    finding.text = path;
    finding.advice = advice;
    vx_report_add(walk->v->report, layer->file, &finding);
}

static vhdx_status compare_beside(void *context, const struct vx_image *image, const char *path, vhdx_error *err)
{
    struct walk *walk = context;
    const vhdx_parent_names *names = &image->parent_names;
    (void)err;
    if (find_layer(walk, path, vx_file_facts(image->file)))
        return VHDX_OK;
    for (size_t i = 0; i < walk->count; i++) {
        const struct layer *layer = &walk->layers[i];
        if (layer->has_identity && !vx_guid_is_zero(&layer->identity) &&
            vx_guid_equal(&layer->identity, &image->header.data_write_guid)) {
            report_beside(
                walk, layer, VX_FIND_CHAIN_TWIN, path,
                "a copy, or two disks that were one: nothing but the names tells a child which one is its parent");
            return VHDX_OK; /* a copy has the same parent too */
        }
        if (layer->has_linkage && image->info.parent && names->has_linkage &&
            vx_guid_equal(&layer->linkage, &names->linkage))
            report_beside(walk, layer, VX_FIND_CHAIN_SIBLING, path,
                          "merging either into the parent makes the other one useless");
    }
    return VHDX_OK;
}

/* Whether a layer before this one lies in the directory. */
static bool is_searched(const struct walk *walk, size_t layer, const char *directory)
{
    bool windows = walk->v->host->windows_paths, same = false;
    for (size_t i = 0; i < layer && !same; i++) {
        char *other = vx_path_directory(walk->layers[i].path, windows);
        same = other && strcmp(other, directory) == 0;
        vx_free(other);
    }
    return same;
}

/* Each directory once; layers mostly lie in one. */
static vhdx_status look_around(struct walk *walk, vhdx_error *err)
{
    const vhdx_host *host = walk->v->host;
    for (size_t i = 0; i < walk->count; i++) {
        char *directory = vx_path_directory(walk->layers[i].path, host->windows_paths);
        if (!directory)
            return vx_fail_memory(err, "a path");
        vhdx_status status =
            is_searched(walk, i, directory) ? VHDX_OK : vx_disks_in(host, directory, compare_beside, walk, err);
        vx_free(directory);
        VX_TRY(status);
    }
    return VHDX_OK;
}

/* The machine that may read the first disk has to read all below it. Not the other way round: several machines may
 * share a base. */
static void check_access(struct walk *walk)
{
    for (size_t i = 1; i < walk->count; i++) {
        struct vx_verification v = *walk->v;
        v.file = walk->layers[i].file;
        vx_check_access_of(&v, walk->layers[i].path, &walk->layers[i].access, &walk->layers[0].access);
    }
}

vhdx_status vx_check_chain(struct vx_verification *v, vhdx_error *err)
{
    struct walk walk = {.v = v, .search = {v->options->parents, v->options->parent_count}};
    vhdx_status status = walk_down(&walk, err);
    if (status == VHDX_OK)
        status = look_around(&walk, err);
    if (status == VHDX_OK)
        status = vx_check_content(v, err);
    if (status == VHDX_OK)
        check_access(&walk);
    for (size_t i = 0; i < walk.count; i++)
        vx_free(walk.layers[i].path);
    vx_free(walk.layers);
    return status;
}
