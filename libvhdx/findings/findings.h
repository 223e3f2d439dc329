/*
 * What was found, file by file: the table of findings.def as values, records, and the report that gathers them. Checks
 * fill a record and hand it in; they neither print nor count nor decide what is mended. A hostile BAT breaks a rule in
 * every one of its entries, so neighbours become one record and only so many of a kind are kept; a caller that needs
 * each of them listens.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FINDINGS_FINDINGS_H
#define VX_FINDINGS_FINDINGS_H

#include "base/status.h"

enum vx_find {
#define VX_F(number, name, id, severity, repair, range, spec, sentence) VX_FIND_##name = number,
#include "findings/findings.def"
#undef VX_F
};

/* A row of the table. */
struct vx_finding_kind {
    enum vx_find number;
    const char *id;
    vhdx_severity severity;
    vhdx_repair_class repair;
    bool doubtful; /* what it names of the virtual disk is in doubt, not lost */
    const char *spec;
    const char *sentence;
};

enum {
    VX_FINDING_KINDS = 0
#define VX_F(number, name, id, severity, repair, range, spec, sentence) +1
#include "findings/findings.def"
#undef VX_F
};

size_t vx_finding_kind_count(void);
const struct vx_finding_kind *vx_finding_kind_at(size_t row);
const struct vx_finding_kind *vx_finding_kind(enum vx_find number);

/*
 * One record. vx_finding_at() makes one with the table's severity and repair class, which the check may change where it
 * knows better. Strings are copied when the record is handed in; `structure` is static storage.
 */
struct vx_finding {
    enum vx_find kind;
    vhdx_severity severity;
    vhdx_repair_class repair;
    const char *structure;
    uint64_t offset;          /* in the file, or VHDX_NOWHERE */
    uint64_t length;          /* 0 = not known */
    uint64_t index;           /* or VHDX_NOWHERE */
    uint64_t other;           /* a second index, or VHDX_NOWHERE */
    uint64_t count;           /* neighbours gathered */
    uint64_t found, expected; /* or VHDX_NOWHERE when `has_...` is false */
    bool has_found, has_expected;
    uint64_t lost_offset, lost_length; /* of the virtual disk */
    const char *text, *note;           /* for the sentence; NULL = "" */
    /* NULL and NONE: what the class of repair suggests; with a number the words are those of base/advice.def */
    const char *advice;
    vhdx_advice advice_code;
    const char *advice_arguments[2];
    /* may be joined with the record before: same kind, index one further, same values of the strings */
    bool gather;
    bool corrected; /* by a repair */
};

struct vx_finding vx_finding_at(enum vx_find kind, const char *structure, uint64_t offset);
struct vx_finding vx_finding_at_index(enum vx_find kind, const char *structure, uint64_t offset, uint64_t index);
/* Sets both values and says so. */
void vx_finding_set_values(struct vx_finding *finding, uint64_t found, uint64_t expected);
void vx_finding_set_found(struct vx_finding *finding, uint64_t found);

#define VX_FINDING_MESSAGE 1024
/*
 * Writes the kind's sentence with the record's values; cut to fit, always terminated. `scattered` records behind this
 * one, and `more` entries that are no record, say the same.
 */
void vx_finding_message(const struct vx_finding *finding, size_t scattered, uint64_t more, char *text,
                        size_t text_size);

#define VX_FINDINGS_OF_A_KIND 1000u
#define VX_LOST_RANGES 65536u

/* The report; vhdx_report of the public interface. Owns copies of everything. */
struct vhdx_report;

vhdx_status vx_report_new(vhdx_report **report, vhdx_error *err);
void vx_report_free(vhdx_report *report); /* takes NULL */

/* A further file; its number in *file. */
vhdx_status vx_report_add_file(vhdx_report *report, const char *path, size_t *file, vhdx_error *err);
/* Hands a record in. Lack of memory is remembered, and told by vx_report_finish(). */
void vx_report_add(vhdx_report *report, size_t file, const struct vx_finding *finding);
/* A range of the virtual disk that is lost or in doubt; records with a lost range do this by themselves.
 * `range->reason`: static storage. */
void vx_report_add_lost(vhdx_report *report, size_t file, const vhdx_lost_range *range);
/* What the report says of the ranges that a kind of finding concerns: lost, or doubtful. */
vhdx_lost_range vx_finding_lost(enum vx_find kind, uint64_t offset, uint64_t length);
/* Takes back all lost ranges so far: a mender counts anew. */
void vx_report_forget_lost(vhdx_report *report, size_t file);

/* Before vx_report_finish(): the records as they are kept, for a repair that plans. NULL behind the last. */
struct vx_finding *vx_report_record(vhdx_report *report, size_t file, size_t record);
/* NOMEM: a record is missing. A plan that goes by the records must ask first: what is not found is not mended. */
vhdx_status vx_report_check(const vhdx_report *report, vhdx_error *err);
/* An advice by its number, or in words of its own (TEXT). Strings are copied when the record is handed in. */
void vx_finding_advise(struct vx_finding *finding, vhdx_advice advice, const char *first, const char *second);
/* Gives a record of the report another advice; NONE: what its class suggests. With TEXT `first` has the words. */
void vx_report_advise(vhdx_report *report, struct vx_finding *finding, vhdx_advice advice, const char *first,
                      const char *second);
/* Of a file that was cut: how many bytes of it, at least, are missing. */
void vx_report_missing(vhdx_report *report, size_t file, uint64_t bytes);
/* Of a repair: where its undo file is; NULL = none. */
void vx_report_undo_path(vhdx_report *report, size_t file, const char *path);
/* Sorts, writes the messages, settles the verdicts. Then the functions of vhdx.h may be asked. NOMEM: something is
 * missing. */
vhdx_status vx_report_finish(vhdx_report *report, vhdx_error *err);

/* What the functions of that name in vhdx.h return; NULL before the report is finished. */
size_t vx_report_file_count(const vhdx_report *report);
const vhdx_file_report *vx_report_file(const vhdx_report *report, size_t file);
const vhdx_finding *vx_report_finding(const vhdx_report *report, size_t file, size_t finding);
const vhdx_lost_range *vx_report_lost(const vhdx_report *report, size_t file, size_t range);

#endif
