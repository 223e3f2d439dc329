/*
 * A HyperVStorage file becomes a tree of keys. See hvs_read.h. First the log, then the object tables, which say where
 * everything else is, then the key tables, and only when all keys are there their parents: an entry that grew is in a
 * later table than its children may.
 *
 * Nothing here stops at damage that leaves something to be read: each kind is counted and told at the end.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs_read.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "io/overlay.h"
#include "config/disk_names.h"
#include "config/hvs_header.h"
#include "config/hvs_keys.h"
#include "config/hvs_log.h"
#include "config/hvs_objects.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIECE 65536u

struct place {
    uint64_t offset;
    uint32_t size;
};

struct places {
    struct place *items;
    size_t count, room;
};

struct key_table {
    struct place place;
    uint16_t index, sequence;
};

/* Where a key came from and which its parent is, until parents are found: table index << 32 | offset. */
struct origin {
    uint64_t self, parent;
};

struct reader {
    struct vx_file *file;    /* as it is, or seen through the log */
    struct vx_file *overlay; /* NULL: no pending log */
    struct vx_tree *tree;
    struct vx_config *config;
    struct places key_places, file_objects;
    struct key_table *tables;
    size_t table_count;
    struct origin *origins; /* of the keys from 1 on: origins[key - 1] */
    size_t origin_room;
    size_t key_bytes, text_bytes; /* read so far */
    uint8_t *piece;
    struct {
        size_t objects, tables, cut_tables, entries, types, values, unread_paths;
    } damaged;
};

/* ---- headers ---- */

/* Reads `size` bytes, with zeros where the file has ended. */
static vhdx_status read_padded(struct reader *r, uint8_t *buf, size_t size, uint64_t offset, vhdx_error *err)
{
    size_t got;
    return vx_file_read_some(r->file, buf, size, offset, &got, err);
}

static vhdx_status read_headers(struct reader *r, struct vx_hvs_header *active, vhdx_error *err)
{
    struct vx_hvs_header copies[2];
    uint8_t bytes[VX_HVS_HEADER_SIZE];
    bool tie;
    for (size_t i = 0; i < 2; i++) {
        VX_TRY(read_padded(r, bytes, sizeof bytes, i * VX_HVS_SECOND_HEADER, err));
        vx_hvs_header_decode(vx_bytes_of(bytes, sizeof bytes), &copies[i]);
    }
    int chosen = vx_hvs_header_choose(copies, &tie);
    if (chosen < 0)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_file_path(r->file), "configuration header", 0),
                       "neither copy of the header is valid");
    for (int i = 0; i < 2; i++)
        if (!vx_hvs_header_valid(&copies[i]))
            vx_config_finding(r->config, "copy %d of the file's header is damaged; the other one was used", i + 1);
    if (tie)
        vx_config_reason(r->config,
                         "both copies of the file's header claim to be the newest; Hyper-V refuses such a file");
    *active = copies[chosen];
    uint32_t broken = vx_hvs_header_rules(active);
    if (broken & VX_HVS_HEADER_BAD_VERSION) {
        vx_fail(err, VHDX_UNSUPPORTED, vx_at_file(vx_file_path(r->file)),
                "unsupported configuration version 0x%04" PRIx32 " (known is 0x%04x)", active->version, VX_HVS_VERSION);
        return vx_advise(err, VHDX_UNSUPPORTED,
                         "the disks that it names are not known: take nothing near it for unused");
    }
    if (broken & VX_HVS_HEADER_BAD_ALIGNMENT)
        vx_config_reason(r->config, "the file's header has an alignment of %" PRIu32 " bytes, which cannot be",
                         active->alignment);
    return VHDX_OK;
}

/* ---- replay log ---- */

/* Whether the payload is in the log and is what its checksum says. A file that ends in it makes it wrong. */
static vhdx_status payload_is_right(struct reader *r, const struct vx_hvs_header *h, const struct vx_hvs_log_entry *e,
                                    bool *right, vhdx_error *err)
{
    uLong crc = 0;
    size_t got;
    *right = false;
    if (e->payload < h->log_header_size || e->payload > h->log_size || e->length > h->log_size - e->payload)
        return VHDX_OK;
    for (uint32_t done = 0; done < e->length; done += (uint32_t)got) {
        size_t size = (size_t)vx_min(PIECE, e->length - done);
        VX_TRY(vx_file_read_some(r->file, r->piece, size, h->log_offset + e->payload + done, &got, err));
        if (got < size)
            return VHDX_OK;
        crc = crc32(crc, r->piece, (uInt)size);
    }
    *right = (uint32_t)crc == e->payload_checksum;
    return VHDX_OK;
}

/* Reads the n-th entry and says whether it may be applied. The log's place was checked to be far from wrapping
 * around. */
static vhdx_status read_log_entry(struct reader *r, const struct vx_hvs_header *h, uint32_t n, uint64_t *total,
                                  struct vx_hvs_log_entry *e, bool *right, vhdx_error *err)
{
    uint8_t bytes[VX_HVS_LOG_ENTRY_SIZE];
    uint64_t offset = h->log_offset + VX_HVS_LOG_HEADER_SIZE + (uint64_t)n * VX_HVS_LOG_ENTRY_SIZE;
    *right = false;
    VX_TRY(read_padded(r, bytes, sizeof bytes, offset, err));
    vx_hvs_log_entry_decode(vx_bytes_of(bytes, sizeof bytes), e);
    *total += e->length;
    if (e->checksum != e->actual_checksum || e->destination > INT64_MAX / 2 || *total > VX_HVS_LOG_BYTES_MAX)
        return VHDX_OK;
    return payload_is_right(r, h, e, right, err);
}

static vhdx_status apply_entry(struct reader *r, const struct vx_hvs_header *h, const struct vx_hvs_log_entry *e,
                               vhdx_error *err)
{
    for (uint32_t done = 0; done < e->length;) {
        size_t size = (size_t)vx_min(PIECE, e->length - done);
        VX_TRY(vx_file_read(r->file, r->piece, size, h->log_offset + e->payload + done, err));
        VX_TRY(vx_file_write(r->overlay, r->piece, size, e->destination + done, err));
        done += (uint32_t)size;
    }
    return VHDX_OK;
}

/* All entries are looked at before the first is applied: a transaction counts whole or not at all. */
static vhdx_status replay(struct reader *r, const struct vx_hvs_header *h, uint32_t count, vhdx_error *err)
{
    struct vx_hvs_log_entry entry;
    bool right;
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        VX_TRY(read_log_entry(r, h, i, &total, &entry, &right, err));
        if (!right) {
            vx_config_reason(r->config,
                             "the file has an unfinished transaction, and its log is damaged: what stands in "
                             "the file may be half of a change");
            return VHDX_OK;
        }
    }
    VX_TRY(vx_overlay_open(r->file, 4 * (uint64_t)VX_HVS_LOG_BYTES_MAX, &r->overlay, err));
    total = 0;
    for (uint32_t i = 0; i < count; i++) {
        VX_TRY(read_log_entry(r, h, i, &total, &entry, &right, err));
        VX_TRY(apply_entry(r, h, &entry, err));
    }
    r->file = r->overlay;
    r->config->info.log_replayed = true;
    vx_config_finding(r->config,
                      "an unfinished transaction was completed in memory (%" PRIu32 " %s); the file is as it was",
                      count, count == 1 ? "change" : "changes");
    return VHDX_OK;
}

static vhdx_status read_log(struct reader *r, const struct vx_hvs_header *h, vhdx_error *err)
{
    uint8_t bytes[VX_HVS_LOG_HEADER_SIZE];
    struct vx_hvs_log log;
    uint32_t broken = VX_HVS_LOG_BAD_SIGNATURE;
    if (h->log_offset <= INT64_MAX / 4 && h->log_size <= INT64_MAX / 4) {
        VX_TRY(read_padded(r, bytes, sizeof bytes, h->log_offset, err));
        vx_hvs_log_decode(vx_bytes_of(bytes, sizeof bytes), &log);
        broken = vx_hvs_log_rules(&log);
    }
    if (broken) {
        vx_config_reason(r->config, "the replay log cannot be read: it is unknown whether a transaction is unfinished");
        return VHDX_OK;
    }
    if (log.count == 0)
        return VHDX_OK;
    if (h->log_header_size < VX_HVS_LOG_HEADER_SIZE ||
        log.count > (h->log_header_size - VX_HVS_LOG_HEADER_SIZE) / VX_HVS_LOG_ENTRY_SIZE) {
        vx_config_reason(r->config, "the file has an unfinished transaction of more changes than its log has room for");
        return VHDX_OK;
    }
    return replay(r, h, log.count, err);
}

/* ---- object tables ---- */

static bool add_place(struct places *places, const struct vx_hvs_object *object)
{
    struct place *items = vx_room_for(places->items, places->count, &places->room, sizeof *items);
    if (!items)
        return false;
    places->items = items;
    places->items[places->count++] = (struct place){object->offset, object->size};
    return true;
}

/* Keeps what one entry says; `next` gets the place of the next table when the last entry names one. */
static vhdx_status take_object(struct reader *r, struct vx_bytes bytes, bool last, struct place *next, vhdx_error *err)
{
    struct vx_hvs_object object;
    bool kept = true;
    vx_hvs_object_decode(bytes, &object);
    if (vx_hvs_object_rules(&object) || (object.type == VX_HVS_OBJECT_TABLE && !last)) {
        r->damaged.objects++;
        return VHDX_OK;
    }
    if (object.type == VX_HVS_OBJECT_KEYS)
        kept = add_place(&r->key_places, &object);
    else if (object.type == VX_HVS_OBJECT_FILE)
        kept = add_place(&r->file_objects, &object);
    else if (object.type == VX_HVS_OBJECT_TABLE)
        *next = (struct place){object.offset, object.size};
    return kept ? VHDX_OK : vx_fail_memory(err, "the places of key tables");
}

/* The entries of a table, in pieces. Where the file ends, so does what can be known. */
static vhdx_status read_objects(struct reader *r, uint64_t offset, uint32_t count, struct place *next, vhdx_error *err)
{
    const uint32_t each = PIECE / VX_HVS_OBJECT_SIZE;
    size_t got = 0;
    for (uint32_t first = 0; first < count; first += each) {
        uint32_t n = (uint32_t)vx_min(each, count - first);
        size_t size = (size_t)n * VX_HVS_OBJECT_SIZE;
        VX_TRY(vx_file_read_some(r->file, r->piece, size, offset + (uint64_t)first * VX_HVS_OBJECT_SIZE, &got, err));
        uint32_t whole = (uint32_t)(got / VX_HVS_OBJECT_SIZE);
        for (uint32_t i = 0; i < whole; i++)
            VX_TRY(take_object(r, vx_bytes_of(r->piece + (size_t)i * VX_HVS_OBJECT_SIZE, VX_HVS_OBJECT_SIZE),
                               first + i + 1 == count, next, err));
        if (whole < n) {
            vx_config_reason(r->config, "the file ends in the list of its parts");
            return VHDX_OK;
        }
    }
    return VHDX_OK;
}

/* One table. `place.size` 0: not known (the first one). `readable` false: it is none. */
static vhdx_status read_object_table(struct reader *r, struct place place, size_t *left, struct place *next,
                                     bool *readable, vhdx_error *err)
{
    uint8_t header[VX_HVS_OBJECTS_HEADER_SIZE];
    uint32_t count = 0;
    *next = (struct place){0, 0};
    *readable = false;
    if (place.offset > INT64_MAX / 4)
        return VHDX_OK;
    VX_TRY(read_padded(r, header, sizeof header, place.offset, err));
    if (vx_hvs_objects_decode(vx_bytes_of(header, sizeof header), &count) != VHDX_OK)
        return VHDX_OK;
    if (place.size != 0 && (place.size < sizeof header || count > (place.size - sizeof header) / VX_HVS_OBJECT_SIZE))
        return VHDX_OK;
    *readable = true;
    if (count > *left) {
        vx_config_reason(r->config, "it has more parts than any configuration");
        count = (uint32_t)*left;
    }
    *left -= count;
    return read_objects(r, place.offset + sizeof header, count, next, err);
}

static bool was_visited(const uint64_t *visited, size_t count, uint64_t offset)
{
    for (size_t i = 0; i < count; i++)
        if (visited[i] == offset)
            return true;
    return false;
}

/* `visited` has room for the offsets of VX_HVS_TABLES_MAX tables. */
static vhdx_status follow_tables(struct reader *r, uint64_t *visited, vhdx_error *err)
{
    struct place place = {VX_HVS_FIRST_TABLE, 0}, next;
    size_t left = VX_HVS_OBJECTS_MAX;
    bool readable;
    VX_TRY(read_object_table(r, place, &left, &next, &readable, err));
    if (!readable)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_file_path(r->file), "object table", VX_HVS_FIRST_TABLE),
                       "the list of the file's parts cannot be read");
    visited[0] = VX_HVS_FIRST_TABLE;
    for (size_t i = 1; next.offset != 0 && i < VX_HVS_TABLES_MAX && !was_visited(visited, i, next.offset); i++) {
        place = next;
        visited[i] = place.offset;
        if (place.size == 0)
            readable = false;
        else
            VX_TRY(read_object_table(r, place, &left, &next, &readable, err));
        if (!readable)
            break;
    }
    if (!readable || next.offset != 0)
        vx_config_reason(r->config, "the list of the file's parts %s", readable ? "has no end" : "breaks off");
    return VHDX_OK;
}

static vhdx_status read_object_tables(struct reader *r, vhdx_error *err)
{
    uint64_t *visited = vx_alloc(VX_HVS_TABLES_MAX, sizeof *visited);
    if (!visited)
        return vx_fail_memory(err, "the list of a configuration's parts");
    vhdx_status status = follow_tables(r, visited, err);
    vx_free(visited);
    return status;
}

/* ---- key tables ---- */

static int by_index(const void *a, const void *b)
{
    const struct key_table *x = a, *y = b;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    if (x->sequence != y->sequence)
        return x->sequence > y->sequence ? -1 : 1;
    return x->place.offset < y->place.offset ? -1 : x->place.offset > y->place.offset;
}

/* Reads the headers of all key tables and keeps the newest of each index, sorted. */
static vhdx_status choose_tables(struct reader *r, vhdx_error *err)
{
    uint8_t bytes[VX_HVS_KEYS_HEADER_SIZE];
    struct vx_hvs_keys keys;
    size_t kept = 0;
    r->tables = vx_alloc(r->key_places.count, sizeof *r->tables);
    if (!r->tables)
        return vx_fail_memory(err, "key tables");
    for (size_t i = 0; i < r->key_places.count; i++) {
        struct place place = r->key_places.items[i];
        memset(bytes, 0, sizeof bytes);
        if (place.offset <= INT64_MAX / 4)
            VX_TRY(read_padded(r, bytes, sizeof bytes, place.offset, err));
        vx_hvs_keys_decode(vx_bytes_of(bytes, sizeof bytes), &keys);
        if (vx_hvs_keys_rules(&keys))
            r->damaged.tables++;
        else
            r->tables[r->table_count++] = (struct key_table){place, keys.index, keys.sequence};
    }
    qsort(r->tables, r->table_count, sizeof *r->tables, by_index);
    for (size_t i = 0; i < r->table_count; i++) {
        if (kept == 0 || r->tables[kept - 1].index != r->tables[i].index)
            r->tables[kept++] = r->tables[i];
        else if (r->tables[kept - 1].sequence == r->tables[i].sequence)
            vx_config_reason(r->config, "two key tables claim to be the newest of number %u", r->tables[i].index);
    }
    r->table_count = kept;
    return VHDX_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Whether the list of the file's parts has an object there that is large enough. The list is sorted by now. */
static bool is_known_object(const struct reader *r, const struct vx_hvs_entry *entry)
{
    const struct place wanted = {entry->object_offset, 0};
    const struct place *found = r->file_objects.count == 0 ? NULL
                                                           : bsearch(&wanted, r->file_objects.items,
                                                                     r->file_objects.count, sizeof wanted, by_offset);
    return found && entry->object_size <= found->size;
}

/* The value of a string that is in a file object. Arrays stay where they are: nothing that matters here is one. */
static vhdx_status read_value(struct reader *r, const struct vx_hvs_entry *entry, struct vx_key *key, vhdx_error *err)
{
    size_t got;
    if (key->type != VX_KEY_STRING || entry->object_size > VX_HVS_TEXT_MAX ||
        entry->object_size > VX_HVS_FILE_OBJECTS_MAX - r->text_bytes) {
        key->unread = true;
        return VHDX_OK;
    }
    key->damaged = key->damaged || !is_known_object(r, entry);
    if (entry->object_offset > INT64_MAX / 4)
        return VHDX_OK;
    r->text_bytes += entry->object_size;
    uint8_t *text = vx_tree_blob(r->tree, entry->object_size);
    if (!text)
        return vx_fail_memory(err, "a long value");
    VX_TRY(vx_file_read_some(r->file, text, entry->object_size, entry->object_offset, &got, err));
    key->value = vx_bytes_of(text, got);
    key->damaged = key->damaged || got < entry->object_size;
    return VHDX_OK;
}

static bool is_path_key(const struct vx_key *key)
{
    return key->name.size == 8 && memcmp(key->name.data, "pathname", 8) == 0;
}

static void count_damage(struct reader *r, uint32_t broken, const struct vx_key *key)
{
    r->damaged.types += (broken & VX_HVS_ENTRY_BAD_TYPE) != 0;
    r->damaged.entries += (broken & (VX_HVS_ENTRY_BAD_CHECKSUM | VX_HVS_ENTRY_BAD_SHAPE)) != 0;
    r->damaged.values += key->damaged && !broken;
    r->damaged.unread_paths += key->unread && is_path_key(key);
}

static bool add_origin(struct reader *r, uint32_t key, struct origin origin)
{
    struct origin *origins = vx_room_for(r->origins, key - 1, &r->origin_room, sizeof *origins);
    if (!origins)
        return false;
    r->origins = origins;
    r->origins[key - 1] = origin;
    return true;
}

static vhdx_status take_entry(struct reader *r, const struct key_table *table, size_t offset,
                              const struct vx_hvs_entry *entry, vhdx_error *err)
{
    uint32_t broken = vx_hvs_entry_rules(entry), number;
    struct vx_key key = {.name = entry->name,
                         .value = entry->value,
                         .number = entry->number,
                         .parent = VX_TREE_NONE,
                         .order = entry->order,
                         .type = entry->type,
                         .utf16 = true,
                         .damaged = broken != 0};
    if (entry->flags & VX_HVS_ENTRY_IN_FILE && !entry->misshapen)
        VX_TRY(read_value(r, entry, &key, err));
    else if (entry->type == VX_KEY_STRING && entry->value.size > VX_HVS_TEXT_MAX)
        key.unread = true;
    if (key.unread)
        key.value = vx_bytes_of(NULL, 0);
    count_damage(r, broken, &key);
    vhdx_status status = vx_tree_add(r->tree, &key, &number);
    if (status == VHDX_LIMIT)
        return vx_fail(err, status, vx_at_file(vx_file_path(r->file)), "it has more than %u keys", VX_TREE_KEYS_MAX);
    const struct origin origin = {(uint64_t)table->index << 32 | offset,
                                  (uint64_t)entry->parent_table << 32 | entry->parent_offset};
    if (status != VHDX_OK || !add_origin(r, number, origin))
        return vx_fail_memory(err, "keys");
    return VHDX_OK;
}

static vhdx_status take_entries(struct reader *r, const struct key_table *table, struct vx_bytes bytes, vhdx_error *err)
{
    struct vx_hvs_entry entry;
    for (size_t offset = VX_HVS_KEYS_HEADER_SIZE; offset < bytes.size; offset += entry.size) {
        if (vx_hvs_entry_decode(bytes, offset, &entry) != VHDX_OK) {
            r->damaged.cut_tables++;
            return VHDX_OK;
        }
        vx_disk_names_find(entry.slack, VX_NAMES_UTF16, r->config, &r->config->info.hints);
        if (entry.type != VX_HVS_ENTRY_FREE)
            VX_TRY(take_entry(r, table, offset, &entry, err));
    }
    return VHDX_OK;
}

static vhdx_status read_key_table(struct reader *r, const struct key_table *table, vhdx_error *err)
{
    size_t size = table->place.size, got;
    uint64_t file_size;
    VX_TRY(vx_file_size(r->file, &file_size, err));
    if (table->place.offset >= file_size || size < VX_HVS_KEYS_HEADER_SIZE ||
        size > VX_HVS_KEYS_BYTES_MAX - r->key_bytes) {
        r->damaged.cut_tables++;
        return VHDX_OK;
    }
    if (size > file_size - table->place.offset) {
        size = (size_t)(file_size - table->place.offset);
        r->damaged.cut_tables++;
    }
    r->key_bytes += size;
    uint8_t *bytes = vx_tree_blob(r->tree, size);
    if (!bytes)
        return vx_fail_memory(err, "a key table");
    VX_TRY(vx_file_read_some(r->file, bytes, size, table->place.offset, &got, err));
    return take_entries(r, table, vx_bytes_of(bytes, size), err);
}

/* ---- parents ---- */

/* The key that begins at that place; keys were read in the order of their places. */
static uint32_t key_at(const struct reader *r, uint64_t place)
{
    size_t first = 0, end = r->tree->count - 1;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (r->origins[middle].self < place)
            first = middle + 1;
        else
            end = middle;
    }
    return first < r->tree->count - 1 && r->origins[first].self == place ? (uint32_t)first + 1 : VX_TREE_NONE;
}

static void find_parents(struct reader *r)
{
    for (size_t i = 1; i < r->tree->count; i++) {
        uint64_t parent = r->origins[i - 1].parent;
        r->tree->keys[i].parent = parent == 0 ? VX_TREE_ROOT : key_at(r, parent);
    }
}

/* A path whose key hangs nowhere may still be that of a disk in use. */
static void keep_lost_paths(struct reader *r)
{
    for (size_t i = 1; i < r->tree->count; i++) {
        const struct vx_key *key = &r->tree->keys[i];
        if (key->reached || key->type != VX_KEY_STRING || !is_path_key(key))
            continue;
        const char *text = vx_config_own(r->config, vx_tree_text(r->tree, (uint32_t)i));
        if (*text)
            vx_config_add(r->config, &r->config->info.hints, VX_CONFIG_TEXTS_MAX, text);
    }
}

static void tell_count(struct reader *r, size_t count, const char *one, const char *many)
{
    if (count == 1)
        vx_config_reason(r->config, "1 %s", one);
    else if (count > 1)
        vx_config_reason(r->config, "%zu %s", count, many);
}

static void tell_damage(struct reader *r, size_t lost)
{
    tell_count(r, r->damaged.objects, "entry in the list of the file's parts is damaged",
               "entries in the list of the file's parts are damaged");
    tell_count(r, r->damaged.tables, "key table has a damaged header", "key tables have a damaged header");
    tell_count(r, r->damaged.cut_tables, "key table breaks off", "key tables break off");
    tell_count(r, r->damaged.entries, "key has a wrong checksum", "keys have wrong checksums");
    tell_count(r, r->damaged.types, "key has an unknown type", "keys have unknown types");
    tell_count(r, r->damaged.values, "long value is not where it should be",
               "long values are not where they should be");
    tell_count(r, r->damaged.unread_paths, "path is longer than any path", "paths are longer than any path");
    tell_count(r, lost, "key hangs nowhere", "keys hang nowhere");
}

static vhdx_status read_all(struct reader *r, vhdx_error *err)
{
    struct vx_hvs_header header;
    r->piece = vx_alloc(1, PIECE);
    if (!r->piece)
        return vx_fail_memory(err, "reading a configuration");
    VX_TRY(read_headers(r, &header, err));
    VX_TRY(read_log(r, &header, err));
    VX_TRY(read_object_tables(r, err));
    VX_TRY(choose_tables(r, err));
    if (r->file_objects.count > 1)
        qsort(r->file_objects.items, r->file_objects.count, sizeof *r->file_objects.items, by_offset);
    for (size_t i = 0; i < r->table_count; i++)
        VX_TRY(read_key_table(r, &r->tables[i], err));
    find_parents(r);
    size_t lost = vx_tree_link(r->tree);
    keep_lost_paths(r);
    tell_damage(r, lost);
    return VHDX_OK;
}

vhdx_status vx_hvs_read(struct vx_file *file, struct vx_tree *tree, struct vx_config *config, vhdx_error *err)
{
    struct reader r = {.file = file, .tree = tree, .config = config};
    vhdx_status status = read_all(&r, err);
    vx_free(r.key_places.items);
    vx_free(r.file_objects.items);
    vx_free(r.tables);
    vx_free(r.origins);
    vx_free(r.piece);
    vx_file_close(r.overlay);
    return status;
}
