/*
 * What NTFS says about two layers. See proof_ntfs.h. What holds:
 *
 *  N1  The numbers of the log (LSN) only grow, in the log and in each file record. They count when both views have a
 *      log, and no file record below has a number that the log below has not come to (a log that was made anew may
 *      begin lower). Else the times of file records count, which the guest's clock has set.
 *  N2  OTHER, another disk: a record of the volume itself was made at another time below than in the child, though the
 *      serial numbers are the same. Other serial numbers: DOUBT, the child may have formatted the volume.
 *  N3  OTHER, written to since: a file record that the child holds is later below, by its sequence number, its LSN or
 *      its time; or anything below is later than the first change that the child has made; or the log below has come
 *      further than a page of it that the child has written. LSNs and times must not say the opposite of each other:
 *      then it is DOUBT.
 *  N4  OTHER: a bit for a file record in one layer is not what the record in the other layer calls for, though below
 *      alone the two fit, and the volume was unmounted cleanly through the child. DOUBT when they do not fit there, or
 *      when a record of which each layer has a part is torn.
 *  N5  OTHER: the page of the log in which the log ends below is in the child too, from the same round, and has other
 *      records up to there; a page of the log only gets longer. As with N3, times must not say the opposite.
 *  N6  DISK: nothing of the above speaks against it, and at least two records or bits in the one layer go on or fit in
 *      the other. Never STATE: when the log goes on in the child right where it ends below, a part of that page may
 *      still be older than the child, because the last page is written again and again; and a volume that has no log,
 *      as Linux leaves it, has times only.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/proof_ntfs.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/status.h"
#include "guest/proof_ntfs_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the two sides ----------------------------------------------------------------------------------------------- */

/* false: some of the file is not in the map. */
static bool map_attribute(struct vx_bytes record, uint32_t type, uint32_t cluster, struct vx_ntfs_map *map)
{
    struct vx_ntfs_attribute attribute;
    *map = (struct vx_ntfs_map){0};
    if (!vx_ntfs_attribute_find(record, type, &attribute) || attribute.resident || attribute.first_cluster != 0)
        return false;
    struct vx_ntfs_runs runs = vx_ntfs_runs_of(&attribute);
    while (map->count < VX_NTFS_MAP_RUNS && vx_ntfs_run_next(&runs, &map->runs[map->count]))
        map->count++;
    map->size = vx_min(runs.next * cluster, attribute.data_size);
    return map->size == attribute.data_size;
}

/* A record of one view, with its bytes put back. */
static bool get_record(struct vx_ntfs_look *look, bool below, uint64_t place, struct vx_bytes *bytes,
                       struct vx_ntfs_record *record)
{
    uint32_t size = look->whole.boot.record_size;
    uint16_t update;
    *bytes = vx_bytes_of(look->above, size);
    return vx_volume_get(look->volume, below, place, look->above, size) && vx_ntfs_fix(look->above, size, &update) &&
           vx_ntfs_record_decode(*bytes, record);
}

static bool get_numbered(struct vx_ntfs_look *look, bool below, const struct vx_ntfs_side *side, uint64_t number,
                         struct vx_bytes *bytes, struct vx_ntfs_record *record)
{
    uint64_t place, here, size = side->boot.record_size;
    return vx_ntfs_find_place(&side->records, side->boot.cluster_size, number * size, &place, &here) && here >= size &&
           get_record(look, below, place, bytes, record);
}

static bool read_side(struct vx_ntfs_look *look, bool below, struct vx_ntfs_side *side)
{
    struct vx_ntfs_record record;
    struct vx_bytes bytes;
    uint32_t cluster = side->boot.cluster_size;
    if (!get_record(look, below, side->boot.mft_cluster * cluster, &bytes, &record))
        return false;
    side->all_records = map_attribute(bytes, VX_NTFS_DATA, cluster, &side->records);
    map_attribute(bytes, VX_NTFS_BITMAP, cluster, &side->bitmap);
    if (get_numbered(look, below, side, VX_NTFS_LOG_FILE, &bytes, &record))
        map_attribute(bytes, VX_NTFS_DATA, cluster, &side->log);
    side->dirty = !get_numbered(look, below, side, VX_NTFS_VOLUME, &bytes, &record) || record.dirty;
    return side->records.size >= (uint64_t)VX_NTFS_FIRST_FREE * side->boot.record_size;
}

static void say(struct vx_fs_proof *proof, enum vx_proof_word word, const char *text)
{
    proof->word = word;
    snprintf(proof->text, sizeof proof->text, "%s", text);
}

static bool same_shape(const struct vx_ntfs_boot *a, const struct vx_ntfs_boot *b)
{
    return a->sector_size == b->sector_size && a->cluster_size == b->cluster_size && a->record_size == b->record_size &&
           a->mft_cluster == b->mft_cluster;
}

static bool begin(struct vx_ntfs_look *look, struct vx_fs_proof *proof)
{
    uint8_t bytes[VX_NTFS_BOOT_SIZE];
    bool is_there = vx_volume_get(look->volume, true, 0, bytes, sizeof bytes) &&
                    vx_ntfs_boot_decode(vx_bytes_of(bytes, sizeof bytes), &look->below.boot);
    if (!vx_volume_get(look->volume, false, 0, bytes, sizeof bytes) ||
        !vx_ntfs_boot_decode(vx_bytes_of(bytes, sizeof bytes), &look->whole.boot)) {
        say(proof, VX_PROOF_NONE, "its boot sector cannot be read");
    } else if (!is_there) {
        say(proof, VX_PROOF_NONE, "below there is no such file system");
    } else if (look->whole.boot.serial != look->below.boot.serial) { /* or it was formatted since, and all is new */
        say(proof, VX_PROOF_DOUBT, "the volume below has another serial number");
    } else if (!same_shape(&look->whole.boot, &look->below.boot)) {
        say(proof, VX_PROOF_DOUBT, "its boot sector has other sizes below");
    } else if (!read_side(look, true, &look->below) || !read_side(look, false, &look->whole)) {
        say(proof, VX_PROOF_NONE, "the beginning of its file table cannot be read");
    } else {
        return true;
    }
    return false;
}

/* ---- in words ---------------------------------------------------------------------------------------------------- */

#define WHEN 64

/* "2026-01-31 10:00:05 UTC" */
static const char *when(uint64_t time, char text[WHEN])
{
    uint64_t seconds = time / 10000000, days = seconds / 86400, of_day = seconds % 86400;
    uint64_t from_march = days + 584694; /* 1601-01-01 from 0000-03-01 */
    uint64_t era = from_march / 146097, of_era = from_march % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    uint64_t day = of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    year += era * 400 + (month <= 2);
    snprintf(text, WHEN, "%04" PRIu64 "-%02u-%02u %02u:%02u:%02u UTC", year, (unsigned)month, (unsigned)day,
             (unsigned)(of_day / 3600), (unsigned)(of_day / 60 % 60), (unsigned)(of_day % 60));
    return text;
}

static void say_foreign(const struct vx_ntfs_look *look, struct vx_fs_proof *proof)
{
    char above[WHEN], below[WHEN];
    proof->word = VX_PROOF_OTHER;
    proof->mismatches = look->foreign;
    snprintf(proof->text, sizeof proof->text,
             "it is another disk: its own file record %" PRIu64 " was made at %s below, and at %s in the child",
             look->foreign_example.number, when(look->foreign_example.below_created, below),
             when(look->foreign_example.child_created, above));
}

/* How far the two are apart, as far as times tell. */
static void say_newest(const struct vx_ntfs_look *look, char *text, size_t size)
{
    char newest[WHEN], first[WHEN];
    int length = snprintf(text, size, "newest change %s", when(look->newest_below, newest));
    if (look->first_change != UINT64_MAX && length > 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, ", the child began to write at %s or before",
                 when(look->first_change, first));
}

static void say_written_since(const struct vx_ntfs_look *look, uint64_t lsns, uint32_t later, struct vx_fs_proof *proof)
{
    char newest[200], how[160] = "";
    say_newest(look, newest, sizeof newest);
    proof->word = VX_PROOF_OTHER;
    proof->mismatches = (uint32_t)vx_max(later, 1);
    if (later > 0)
        snprintf(how, sizeof how, "; of the file records that the child has, %" PRIu32 " %s later below", later,
                 later == 1 ? "is" : "are");
    else if (lsns > 0)
        snprintf(how, sizeof how, "; its log has gone on by %" PRIu64 " numbers below", lsns);
    snprintf(proof->text, sizeof proof->text, "files were written to the parent since (%s)%s", newest, how);
}

static void say_bits(const struct vx_ntfs_look *look, struct vx_fs_proof *proof)
{
    bool whole_below = look->bits_wrong_below == 0 && look->damaged == 0 && look->torn == 0;
    proof->word = whole_below ? VX_PROOF_OTHER : VX_PROOF_DOUBT;
    proof->mismatches = look->bits_wrong + look->torn;
    if (look->bits_wrong > 0)
        snprintf(proof->text, sizeof proof->text,
                 "of %" PRIu32 " file records, the first of them %" PRIu64
                 ", one layer says that they are in use and the other that they are not",
                 look->bits_wrong, look->wrong_bit);
    else
        snprintf(proof->text, sizeof proof->text, "a file record of which each layer has a part is torn");
}

static void say_right(const struct vx_ntfs_look *look, struct vx_fs_proof *proof)
{
    char newest[200];
    say_newest(look, newest, sizeof newest);
    proof->matches = look->go_on + look->bits_fit;
    proof->word = VX_PROOF_DISK;
    snprintf(proof->text, sizeof proof->text,
             "as far as it can tell, the parent's content is what the child was made on and only its id differs: "
             "%s (%s)%s%s",
             look->first_change != UINT64_MAX ? "nothing below is later than the child's first change"
                                              : "no file record is later below than in the child",
             newest, look->log_goes_on ? ", and its log goes on in the child where it ends below" : "",
             look->unknown ? "; not all of it could be looked at" : "");
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

/* What LSNs and times each say of whether below is later. */
struct later {
    bool lsn_counts, by_lsn, by_time, against_lsn;
    uint64_t lsns; /* by how much */
};

static struct later find_later(const struct vx_ntfs_look *look)
{
    struct later later = {0};
    bool has_first = look->first_change != UINT64_MAX;
    later.lsn_counts =
        look->whole.has_restart && look->below.has_restart && look->below.newest_lsn <= look->below.log_end;
    later.by_time = look->later_time > 0 || (has_first && look->newest_below > look->first_change);
    if (!later.lsn_counts)
        return later;
    /* a page of the log may have been written again without another record in it, a file record was not */
    later.by_lsn = look->later_lsn > 0 || look->log_differs || look->below.log_end >= look->first_lsn ||
                   look->below.log_end > look->first_page;
    if (later.by_lsn)
        later.lsns = look->below.log_end - vx_min(look->below.log_end, vx_min(look->first_lsn, look->first_page));
    later.against_lsn = has_first && !later.by_time;
    return later;
}

static void judge(const struct vx_ntfs_look *look, struct vx_fs_proof *proof)
{
    struct later later = find_later(look);
    bool time_counts = later.by_time && !later.lsn_counts;
    uint32_t count = look->reused_below + (later.lsn_counts ? look->later_lsn : look->later_time);
    if (look->foreign > 0) {
        say_foreign(look, proof);
    } else if (later.by_lsn && later.against_lsn && look->reused_below == 0) {
        proof->mismatches = 1;
        say(proof, VX_PROOF_DOUBT,
            "by the numbers of its log it was written to below since, and by the times of its files it was not");
    } else if (look->reused_below > 0 || later.by_lsn || time_counts) {
        say_written_since(look, later.lsns, count, proof);
    } else if (look->bits_wrong > 0 || look->torn > 0) {
        say_bits(look, proof);
    } else if (look->go_on + look->bits_fit >= 2) {
        say_right(look, proof);
    } else {
        say(proof, VX_PROOF_NONE, "too little of its file table is in the child");
    }
}

vhdx_status vx_prove_by_ntfs(const struct vx_volume *volume, struct vx_fs_proof *proof, vhdx_error *err)
{
    struct vx_ntfs_look *look = vx_alloc(1, sizeof *look);
    *proof = (struct vx_fs_proof){0};
    if (!look)
        return vx_fail_memory(err, "a look at a file system");
    look->volume = volume;
    look->first_change = look->first_lsn = look->first_page = UINT64_MAX;
    if (begin(look, proof)) {
        vx_ntfs_look_at_log(look);
        vx_ntfs_look_at_records(look);
        if (!look->ended)
            judge(look, proof);
    }
    vx_free(look);
    return VHDX_OK;
}
