/*
 * An index of the disks' names. See names.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/names.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/utf.h"

#include <stdlib.h>
#include <string.h>

/* Cuts the last part of `text` off, in place. false: there is none. */
static bool climb(char *text, bool windows)
{
    size_t end = strlen(text), length;
    const char *part;
    if (!vx_tail_last_part(text, &end, windows, &part, &length))
        return false;
    while (end > 1 && vx_path_is_separator(text[end - 1], windows))
        end--;
    text[end] = '\0';
    return true;
}

char *vx_tail_follow(struct vx_estate *estate, const char *from, unsigned source, const char *relative)
{
    bool windows = vx_estate_is_windows(estate, from, source);
    size_t room = strlen(from) + strlen(relative) + 2;
    char *text = vx_arena_take(&estate->arena, room, 1);
    if (!text) {
        estate->no_memory = true;
        return NULL;
    }
    memcpy(text, from, strlen(from));
    if (!climb(text, windows))
        return NULL;
    while (*relative) {
        size_t length = strcspn(relative, "\\/");
        bool up = length == 2 && relative[0] == '.' && relative[1] == '.';
        if (up && !climb(text, windows))
            return NULL;
        if (!up && length > 0 && !(length == 1 && relative[0] == '.')) {
            size_t used = strlen(text);
            if (used > 0 && !vx_path_is_separator(text[used - 1], windows))
                text[used++] = windows && strchr(from, '\\') ? '\\' : '/';
            memcpy(text + used, relative, length);
            text[used + length] = '\0';
        }
        relative += length;
        relative += strspn(relative, "\\/");
    }
    return text;
}

/* ---- the index ---- */

/* Sorted by report, then from the path's last part to its first: what has a tail in common is together. */
struct name_entry {
    size_t disk;
    const char *place;
    unsigned source;
    bool windows;
    bool marked; /* with all that have its folder and name */
};

struct vx_name_index {
    struct name_entry *entries;
    size_t count;
    unsigned last_source;
};

static int entry_order(const void *a, const void *b)
{
    const struct name_entry *first = a, *second = b;
    const char *x, *y;
    size_t x_length, y_length, x_end = strlen(first->place), y_end = strlen(second->place);
    if (first->source != second->source)
        return first->source < second->source ? -1 : 1;
    for (;;) {
        bool more_x = vx_tail_last_part(first->place, &x_end, first->windows, &x, &x_length);
        bool more_y = vx_tail_last_part(second->place, &y_end, second->windows, &y, &y_length);
        int order = more_x && more_y ? vx_name_compare_part(x, x_length, y, y_length) : more_x - more_y;
        if (order != 0)
            return order;
        if (!more_x)
            return first->disk < second->disk ? -1 : first->disk > second->disk;
    }
}

static void add_name(struct vx_name_index *index, const struct name_entry *entry)
{
    index->entries[index->count++] = *entry;
    if (entry->source > index->last_source)
        index->last_source = entry->source;
}

struct vx_name_index *vx_names_new(const struct vx_estate *estate)
{
    struct vx_name_index *index = vx_alloc(1, sizeof *index);
    size_t room = estate->disk_count;
    for (size_t i = 0; i < estate->disk_count; i++)
        room += estate->disks[i].pub.other_name_count;
    if (index)
        index->entries = vx_alloc(room, sizeof *index->entries);
    if (!index || !index->entries) {
        vx_free(index);
        return NULL;
    }
    for (size_t i = 0; i < estate->disk_count; i++) {
        const struct vx_disk *disk = &estate->disks[i];
        bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
        struct name_entry entry = {i, disk->absolute, disk->source, windows, false};
        add_name(index, &entry);
        for (size_t j = 0; j < disk->pub.other_name_count; j++) {
            entry.place = disk->pub.other_names[j];
            entry.windows = vx_estate_is_windows(estate, entry.place, disk->source);
            add_name(index, &entry);
        }
    }
    if (index->count > 1)
        qsort(index->entries, index->count, sizeof *index->entries, entry_order);
    return index;
}

void vx_names_free(struct vx_name_index *index)
{
    if (index)
        vx_free(index->entries);
    vx_free(index);
}

static struct vx_tail tail_at(const struct vx_name_index *index, size_t at, const char *path)
{
    const struct name_entry *entry = &index->entries[at];
    return vx_tail_compare(path, entry->place, entry->windows);
}

/* Where the path would be among the entries of `source`: its best neighbours are there and before. `windows`: of the
 * path. */
static size_t place_of(const struct vx_name_index *index, const char *path, bool windows, unsigned source)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct name_entry *entry = &index->entries[middle];
        int order = entry->source < source ? 1 : entry->source > source ? -1 : 0;
        if (order == 0)
            vx_tail_order(path, windows, entry->place, entry->windows, &order);
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The entries of `source` that share most parts with the path, [*first, *end), and how many parts. */
static size_t neighbours(const struct vx_name_index *index, const char *path, unsigned source, size_t *first,
                         size_t *end)
{
    size_t place = place_of(index, vx_tail_without_root(path), true, source);
    bool below = place > 0 && index->entries[place - 1].source == source;
    bool above = place < index->count && index->entries[place].source == source;
    size_t parts_below = below ? tail_at(index, place - 1, path).parts : 0;
    size_t parts_above = above ? tail_at(index, place, path).parts : 0;
    size_t parts = parts_below > parts_above ? parts_below : parts_above;
    *first = *end = place;
    while (parts > 0 && *first > 0 && index->entries[*first - 1].source == source &&
           tail_at(index, *first - 1, path).parts == parts)
        (*first)--;
    while (parts > 0 && *end < index->count && index->entries[*end].source == source &&
           tail_at(index, *end, path).parts == parts)
        (*end)++;
    return parts;
}

/* The entries of `source` with exactly that absolute path (letter case aside), [*first, *end). */
static void entries_at(const struct vx_estate *estate, const struct vx_name_index *index, const char *absolute,
                       unsigned source, size_t *first, size_t *end)
{
    bool windows = vx_estate_is_windows(estate, absolute, source);
    *first = *end = place_of(index, absolute, windows, source);
    while (*end < index->count && index->entries[*end].source == source && index->entries[*end].windows == windows &&
           vx_tail_is_same(absolute, index->entries[*end].place, windows))
        (*end)++;
}

size_t vx_names_at(const struct vx_estate *estate, const struct vx_name_index *index, const char *absolute,
                   unsigned source)
{
    size_t first, end;
    entries_at(estate, index, absolute, source, &first, &end);
    for (size_t i = first; i < end; i++)
        if (strcmp(index->entries[i].place, absolute) == 0)
            return index->entries[i].disk;
    return first < end ? index->entries[first].disk : VHDX_NONE;
}

static bool add_hit(struct vx_hit_list *list, size_t disk)
{
    if (list->count > 0 && list->disks[list->count - 1] == disk)
        return true; /* another name of the same file */
    size_t *disks = vx_room_for(list->disks, list->count, &list->room, sizeof *disks);
    if (!disks)
        return false;
    list->disks = disks;
    list->disks[list->count++] = disk;
    return true;
}

bool vx_names_all_at(const struct vx_estate *estate, const struct vx_name_index *index, const char *absolute,
                     unsigned source, struct vx_hits *hits)
{
    size_t first, end;
    memset(hits, 0, sizeof *hits);
    entries_at(estate, index, absolute, source, &first, &end);
    for (size_t i = first; i < end; i++)
        if (!add_hit(&hits->found, index->entries[i].disk))
            return false;
    return true;
}

void vx_hits_free(struct vx_hits *hits)
{
    vx_free(hits->found.disks);
    vx_free(hits->alike.disks);
    memset(hits, 0, sizeof *hits);
}

/* What follows `prefix` in `path`, part by part and whatever the letter case; NULL: another beginning. */
static const char *after_prefix(const char *path, const char *prefix)
{
    while (*prefix) {
        size_t a = strcspn(path, "\\/"), b = strcspn(prefix, "\\/");
        if (!vx_name_equal_part(path, a, prefix, b))
            return NULL;
        path += a;
        prefix += b;
        bool path_goes_on = *path != '\0';
        path += strspn(path, "\\/");
        prefix += strspn(prefix, "\\/");
        if (!path_goes_on)
            return *prefix ? NULL : path;
    }
    return path;
}

/* The disk that one map leads to, in *disk. false: no memory. */
static bool follow_map(const struct vx_estate *estate, const struct vx_name_index *index, const struct vx_path_map *map,
                       const char *path, size_t *disk)
{
    const char *rest = after_prefix(path, map->from);
    *disk = VHDX_NONE;
    if (!rest)
        return true;
    char *place = vx_path_join(map->to, rest, estate->windows);
    if (!place)
        return false;
    size_t length = strlen(place), from = strlen(map->to);
    for (size_t i = from; i < length && !estate->windows; i++) /* what is in `to` are names of this host */
        place[i] = place[i] == '\\' ? '/' : place[i];
    *disk = vx_names_at(estate, index, place, 0);
    vx_free(place);
    return true;
}

/* Of several maps that lead to a disk the one with the longest beginning knows best: "D:\VMs" before "D:\". */
static bool find_mapped(const struct vx_estate *estate, const struct vx_name_index *index, const char *path,
                        unsigned source, struct vx_hits *hits)
{
    size_t best = VHDX_NONE, best_length = 0;
    for (size_t i = 0; i < estate->map_count && source == 0; i++) {
        size_t disk, length = strlen(estate->maps[i].from);
        if (!follow_map(estate, index, &estate->maps[i], path, &disk))
            return false;
        if (disk == VHDX_NONE || (best != VHDX_NONE && length <= best_length))
            continue;
        best = disk;
        best_length = length;
    }
    hits->mapped = best != VHDX_NONE;
    return !hits->mapped || add_hit(&hits->found, best);
}

static bool lies_in_root(const struct vx_estate *estate, const char *place)
{
    size_t length = (size_t)(vx_path_name(place, estate->windows) - place);
    while (length > 1 && vx_path_is_separator(place[length - 1], estate->windows))
        length--;
    for (size_t i = 0; i < estate->root_count; i++)
        if (strlen(estate->roots[i]) == length && strncmp(estate->roots[i], place, length) == 0)
            return true;
    return false;
}

static bool find_in(const struct vx_estate *estate, const struct vx_name_index *index, const char *path,
                    unsigned source, struct vx_hits *hits)
{
    size_t first, end;
    size_t parts = neighbours(index, path, source, &first, &end);
    if (parts == 0 || parts < hits->parts)
        return true;
    for (size_t i = first; i < end; i++) {
        const struct name_entry *entry = &index->entries[i];
        if (parts < 2 && !(tail_at(index, i, path).whole && lies_in_root(estate, entry->place))) {
            if (!add_hit(&hits->alike, entry->disk))
                return false;
            continue;
        }
        if (parts > hits->parts)
            hits->found.count = 0;
        hits->parts = parts;
        if (!add_hit(&hits->found, entry->disk))
            return false;
    }
    return true;
}

static bool find_text(const struct vx_estate *estate, const struct vx_name_index *index, const char *path,
                      unsigned source, bool any_source, struct vx_hits *hits)
{
    if (!find_mapped(estate, index, path, source, hits) || hits->mapped)
        return hits->mapped;
    for (unsigned i = any_source ? 0 : source; i <= (any_source ? index->last_source : source); i++)
        if (!find_in(estate, index, path, i, hits))
            return false;
    return true;
}

/* ---- other ways to write a name ---- */

/* "D:\a \b.\..\c.vhdx::$DATA" in quotation marks is "D:\a\c.vhdx" to Windows. In a buffer of the caller's with room for
 * all of `path`. */
static void write_plainly(const char *path, char *plain)
{
    size_t used = 0, root = 0;
    path += *path == '"';
    if (strncmp(path, "\\\\?\\", 4) == 0 || strncmp(path, "\\\\.\\", 4) == 0)
        root = 4;
    memcpy(plain, path, root);
    used = root;
    for (path += root; *path;) {
        size_t length = strcspn(path, "\\/"), kept = strcspn(path, "\\/\"");
        const char *stream = memchr(path, ':', kept);
        if (stream && stream - path > 1) /* not a drive's */
            kept = (size_t)(stream - path);
        bool up = length == 2 && path[0] == '.' && path[1] == '.';
        while (kept > 0 && (path[kept - 1] == '.' || path[kept - 1] == ' '))
            kept--;
        memmove(plain + used, path, kept);
        used += kept;
        while (up && used > root && vx_path_is_separator(plain[used - 1], true))
            used--;
        while (up && used > root && !vx_path_is_separator(plain[used - 1], true))
            used--;
        path += length;
        if (*path && (kept > 0 || used == root))
            plain[used++] = *path;
        path += *path != '\0';
    }
    plain[used] = '\0';
}

/* The beginning of a short name that is made of the long one: "WEB_1~1.AVH", or with four digits "WEA1B2~1.AVH". 0: no
 * short name. */
static size_t short_stem(const char *name)
{
    size_t stem = strcspn(name, "~.");
    if (stem == 0 || stem > 6 || name[stem] != '~' || name[stem + 1] < '1' || name[stem + 1] > '9')
        return 0;
    size_t number = strspn(name + stem + 1, "0123456789");
    const char *rest = name + stem + 1 + number;
    if (stem + 1 + number > 8 || (*rest != '\0' && *rest != '.') || strlen(rest) > 4)
        return 0;
    return stem == 6 && strspn(name + 2, "0123456789ABCDEFabcdef") >= 4 ? 2 : stem;
}

static bool may_be_short_for(const char *short_name, size_t stem, const char *name)
{
    size_t letters = 0;
    for (; *name && letters < stem; name++) {
        if (*name == ' ' || *name == '.')
            continue;
        bool replaced = (unsigned char)*name >= 0x80 || strchr("+,;=[]", *name) != NULL;
        if (!replaced && !vx_name_equal_part(name, 1, short_name + letters, 1))
            return false;
        letters++;
    }
    return letters == stem;
}

/* What a short name means only its volume knows. Here it may be any disk that begins as it does. */
static bool find_short(const struct vx_estate *estate, const char *path, unsigned source, bool any_source,
                       struct vx_hits *hits)
{
    const char *name = vx_tail_name(path);
    size_t stem = short_stem(name);
    for (size_t i = 0; stem > 0 && i < estate->disk_count; i++) {
        const struct vx_disk *disk = &estate->disks[i];
        if ((any_source || disk->source == source) && may_be_short_for(name, stem, vx_tail_name(disk->absolute)) &&
            !add_hit(&hits->alike, i))
            return false;
    }
    return true;
}

bool vx_names_find(const struct vx_estate *estate, const struct vx_name_index *index, const char *path, unsigned source,
                   bool any_source, struct vx_hits *hits)
{
    memset(hits, 0, sizeof *hits);
    if (!find_text(estate, index, path, source, any_source, hits))
        return false;
    char *plain = hits->found.count > 0 ? NULL : vx_alloc(strlen(path) + 1, 1);
    if (hits->found.count == 0 && !plain)
        return false;
    if (plain)
        write_plainly(path, plain);
    bool ok = true;
    if (plain && strcmp(plain, path) != 0)
        ok = find_text(estate, index, plain, source, any_source, hits);
    if (plain && ok && hits->found.count == 0 && hits->alike.count == 0)
        ok = find_short(estate, plain, source, any_source, hits);
    vx_free(plain);
    if (hits->found.count > 0)
        hits->alike.count = 0;
    return ok;
}

/* ---- of the same folder and name ---- */

/* "folder\name" at the end of the path; NULL: there is no folder. */
static const char *folder_and_name(const char *path)
{
    const char *name = vx_tail_name(path), *folder = name;
    while (folder > path && vx_path_is_separator(folder[-1], true))
        folder--;
    if (folder == path || folder[-1] == ':')
        return NULL;
    while (folder > path && !vx_path_is_separator(folder[-1], true))
        folder--;
    return *name ? folder : NULL;
}

/* Shared folders are there for several hosts. */
static bool is_shared(const char *path)
{
    static const char cluster[] = "ClusterStorage";
    const char *rest = vx_tail_without_root(path);
    bool unc = strncmp(path, "\\\\", 2) == 0 && path[2] != '?' && path[2] != '.';
    bool long_unc = strncmp(path, "\\\\?\\", 4) == 0 && strlen(path) > 8 && vx_name_equal_part(path + 4, 4, "UNC\\", 4);
    return unc || long_unc || vx_name_equal_part(rest, strcspn(rest, "\\/"), cluster, sizeof cluster - 1);
}

/* All of them are together, so that a look at the first one tells whether it has been done. */
static void mark_namesakes(struct vx_estate *estate, const char *tail, unsigned source)
{
    struct vx_name_index *index = estate->names;
    for (size_t i = place_of(index, tail, true, source); i < index->count; i++) {
        struct name_entry *entry = &index->entries[i];
        if (entry->source != source || tail_at(index, i, tail).parts < 2 || entry->marked)
            return;
        entry->marked = true;
        estate->disks[entry->disk].named_less = true;
    }
}

void vx_names_mark_namesakes(struct vx_estate *estate, const char *path, unsigned source)
{
    const struct vx_name_index *index = estate->names;
    const char *tail = folder_and_name(path);
    if (!tail || (vx_estate_is_windows(estate, path, source) && vx_names_at(estate, index, path, source) != VHDX_NONE))
        return;
    bool all = is_shared(path);
    for (unsigned i = all ? 0 : source; i <= (all ? index->last_source : source); i++)
        mark_namesakes(estate, tail, i);
}
