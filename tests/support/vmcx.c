/*
 * Configurations of virtual machines that tests make. See vmcx.h.
 */
/* SPDX-License-Identifier: MIT */
#include "vmcx_parts.h"

#define PAGE 0x1000u
enum { FREE = 1, INT = 3, STRING = 6, ARRAY = 7, BOOL = 8, NODE = 9 };

void *vmcx_need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void put(uint8_t *p, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

/* UTF-16LE of UTF-8 without characters beyond U+FFFF. */
uint8_t *vmcx_utf16(const char *text, size_t *size)
{
    uint8_t *out = vmcx_need(calloc(2, strlen(text) + 1));
    const uint8_t *t = (const uint8_t *)text;
    *size = 0;
    while (*t) {
        unsigned c = *t++;
        if (c >= 0xE0) {
            c = (c & 15) << 12 | (t[0] & 63u) << 6 | (t[1] & 63u);
            t += 2;
        } else if (c >= 0xC0) {
            c = (c & 31) << 6 | (*t++ & 63u);
        }
        put(out + *size, c, 2);
        *size += 2;
    }
    return out;
}

struct vmcx *vmcx_new(void)
{
    struct vmcx *v = vmcx_need(calloc(1, sizeof *v));
    v->split = 227;
    vmcx_table(v, 1, 1);
    return v;
}

void vmcx_free(struct vmcx *v)
{
    for (size_t i = 0; i < v->count; i++) {
        free(v->keys[i].value);
        free(v->keys[i].slack);
    }
    free(v->keys);
    free(v);
}

void vmcx_table(struct vmcx *v, uint16_t index, uint16_t sequence)
{
    if (v->table_count == 64)
        abort();
    v->current = v->table_count;
    v->tables[v->table_count++] = (struct table){.index = index, .sequence = sequence};
}

static int add(struct vmcx *v, int parent, uint8_t type, const char *name, const void *value, size_t size)
{
    v->keys = vmcx_need(realloc(v->keys, (v->count + 1) * sizeof *v->keys));
    struct key *key = &v->keys[v->count];
    *key = (struct key){.parent = parent, .type = type, .size = size, .table = v->current};
    snprintf(key->name, sizeof key->name, "%s", name);
    key->value = vmcx_need(malloc(size + 1));
    if (size > 0)
        memcpy(key->value, value, size);
    key->order = 2 * (uint32_t)(v->count + 1);
    return (int)v->count++;
}

int vmcx_node(struct vmcx *v, int parent, const char *name)
{
    static const uint8_t nothing[12];
    return add(v, parent, NODE, name, nothing, sizeof nothing);
}

int vmcx_string(struct vmcx *v, int parent, const char *name, const char *text)
{
    size_t size;
    uint8_t *bytes = vmcx_utf16(text, &size);
    int key = add(v, parent, STRING, name, bytes, size);
    free(bytes);
    return key;
}

int vmcx_int(struct vmcx *v, int parent, const char *name, uint64_t value)
{
    uint8_t bytes[8];
    put(bytes, value, 8);
    return add(v, parent, INT, name, bytes, 8);
}

int vmcx_bool(struct vmcx *v, int parent, const char *name, bool value)
{
    const uint8_t bytes[4] = {value};
    return add(v, parent, BOOL, name, bytes, 4);
}

int vmcx_array(struct vmcx *v, int parent, const char *name, const void *bytes, size_t size)
{
    return add(v, parent, ARRAY, name, bytes, size);
}

void vmcx_adopt(struct vmcx *v, int key, int parent)
{
    v->keys[key].parent = parent;
}

void vmcx_order(struct vmcx *v, int key, uint32_t order)
{
    v->keys[key].order = order;
}

void vmcx_flags(struct vmcx *v, int key, uint8_t flags)
{
    v->keys[key].flags |= flags;
}

void vmcx_slack(struct vmcx *v, int key, size_t size, const char *remains)
{
    size_t text_size;
    uint8_t *text = vmcx_utf16(remains, &text_size);
    struct key *k = &v->keys[key];
    free(k->slack);
    k->slack = vmcx_need(calloc(1, size + 1));
    k->slack_size = size;
    memcpy(k->slack, text, text_size < size ? text_size : size);
    free(text);
}

void vmcx_in_file(struct vmcx *v, int key)
{
    v->keys[key].in_file = true;
    v->keys[key].flags |= 1;
}

void vmcx_free_entry(struct vmcx *v, size_t size, const char *remains)
{
    int key = add(v, VMCX_ROOT, FREE, "", NULL, 0);
    vmcx_slack(v, key, size, remains);
}

void vmcx_split_objects(struct vmcx *v, size_t entries)
{
    v->split = entries;
}

/* ---- layout ---- */

static bool is_counted(const struct key *key)
{
    return !key->in_file && (key->type == STRING || key->type == ARRAY);
}

static size_t value_size(const struct key *key)
{
    return key->in_file ? 12 : key->size + (is_counted(key) ? 4 : 0);
}

static size_t entry_size(const struct key *key)
{
    if (key->type == FREE)
        return 21 + key->slack_size;
    return 21 + strlen(key->name) + 1 + value_size(key) + key->slack_size;
}

static size_t round_up(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

/* Gives each table and file object its place. Returns where the object tables after the first begin. */
static size_t lay_out(struct vmcx *v)
{
    size_t at = VMCX_REST;
    for (size_t t = 0; t < v->table_count; t++)
        v->tables[t].size = 10;
    for (size_t i = 0; i < v->count; i++) {
        struct table *table = &v->tables[v->keys[i].table];
        v->keys[i].offset = table->size;
        table->size += entry_size(&v->keys[i]);
    }
    for (size_t t = 0; t < v->table_count; t++) {
        v->tables[t].place = at;
        at += round_up(v->tables[t].size + 6); /* what is left must hold a free entry */
    }
    for (size_t i = 0; i < v->count; i++)
        if (v->keys[i].in_file) {
            v->keys[i].object = at;
            at += round_up(v->keys[i].size);
        }
    return at;
}

static void put_entry(const struct vmcx *v, const struct key *key, uint8_t *p)
{
    size_t name = strlen(key->name) + 1, size = entry_size(key);
    p[0] = key->type;
    p[1] = key->flags;
    put(p + 2, size, 4);
    if (key->type == FREE) {
        memset(p + 6, 0xFD, size - 6);
        memcpy(p + 21, key->slack, key->slack_size);
        return;
    }
    if (key->parent != VMCX_ROOT) {
        const struct key *parent = &v->keys[key->parent];
        put(p + 6, v->tables[parent->table].index, 2);
        put(p + 8, parent->offset, 4);
    }
    put(p + 16, key->order, 4);
    p[20] = (uint8_t)name;
    memcpy(p + 21, key->name, name);
    uint8_t *value = p + 21 + name;
    if (is_counted(key))
        put(value, key->size, 4);
    if (key->in_file) {
        put(value, key->size, 4);
        put(value + 4, key->object, 8);
    } else {
        memcpy(value + (is_counted(key) ? 4 : 0), key->value, key->size);
    }
    if (key->slack_size)
        memcpy(value + value_size(key), key->slack, key->slack_size);
    vmcx_mend(p, 0, size - key->slack_size, 12);
}

static void put_tables(const struct vmcx *v, uint8_t *file)
{
    for (size_t t = 0; t < v->table_count; t++) {
        uint8_t *p = file + v->tables[t].place;
        put(p, 2, 2);
        put(p + 2, v->tables[t].index, 2);
        put(p + 4, v->tables[t].sequence, 2);
        vmcx_mend(p, 0, 10, 6);
        size_t end = round_up(v->tables[t].size + 6);
        p[v->tables[t].size] = FREE;
        put(p + v->tables[t].size + 2, end - v->tables[t].size, 4);
    }
    for (size_t i = 0; i < v->count; i++) {
        const struct key *key = &v->keys[i];
        put_entry(v, key, file + v->tables[key->table].place + key->offset);
        if (key->in_file)
            memcpy(file + key->object, key->value, key->size);
    }
}

/* ---- object tables ---- */

static size_t list_objects(const struct vmcx *v, struct object *objects)
{
    size_t n = 0;
    for (size_t t = 0; t < v->table_count; t++)
        objects[n++] = (struct object){2, v->tables[t].place, (uint32_t)round_up(v->tables[t].size + 6)};
    for (size_t i = 0; i < v->count; i++)
        if (v->keys[i].in_file)
            objects[n++] = (struct object){3, v->keys[i].object, (uint32_t)round_up(v->keys[i].size)};
    objects[n++] = (struct object){6, VMCX_LOG, VMCX_LOG_SIZE};
    objects[n++] = (struct object){4, 0x100000, 0x3000};
    return n;
}

static void put_object(uint8_t *p, const struct object *object)
{
    p[0] = object->type;
    put(p + 5, object->offset, 8);
    put(p + 13, object->size, 4);
    p[17] = object->type != 0;
    vmcx_mend(p, 0, 18, 1);
}

static void put_objects(const struct vmcx *v, uint8_t *file, const struct object *objects, size_t count, size_t more)
{
    static const struct object empty;
    size_t at = VMCX_OBJECTS, done = 0;
    do {
        put(file + at, 0x01110001, 4);
        put(file + at + 4, v->split, 4);
        for (size_t i = 0; i + 1 < v->split; i++, done++)
            put_object(file + at + 8 + 18 * i, done < count ? &objects[done] : &empty);
        const struct object next = {1, more, PAGE};
        put_object(file + at + 8 + 18 * (v->split - 1), done < count ? &next : &empty);
        at = more;
        more += PAGE;
    } while (done < count);
}

static void put_header(uint8_t *p, uint16_t sequence)
{
    put(p, 0x01282014, 4);
    put(p + 8, sequence, 2);
    put(p + 10, 0x0400, 4);
    put(p + 22, PAGE, 4);
    put(p + 26, VMCX_LOG, 8);
    put(p + 34, VMCX_LOG_SIZE, 8);
    put(p + 42, VMCX_LOG_PAYLOAD, 4);
    vmcx_mend(p, 0, 46, 4);
}

static void put_log(uint8_t *p, uint32_t count)
{
    put(p, 0x01110003, 4);
    put(p + 8, count, 4);
    put(p + 13, 145, 4);
    vmcx_mend(p, 0, 34, 4);
}

uint8_t *vmcx_build(struct vmcx *v, size_t *size)
{
    size_t end = lay_out(v);
    struct object *objects = vmcx_need(calloc(v->table_count + v->count + 2, sizeof *objects));
    size_t count = list_objects(v, objects);
    *size = end + (v->split < 227 ? PAGE * (count / (v->split - 1)) : 0);
    uint8_t *file = vmcx_need(calloc(1, *size));
    put_header(file, 8);
    put_header(file + VMCX_HEADER_2, 7);
    put_objects(v, file, objects, count, end);
    put_log(file + VMCX_LOG, 0);
    put_tables(v, file);
    free(objects);
    return file;
}

size_t vmcx_place(const struct vmcx *v, int key)
{
    return v->tables[v->keys[key].table].place + v->keys[key].offset;
}

size_t vmcx_table_place(const struct vmcx *v, uint16_t index)
{
    for (size_t t = 0; t < v->table_count; t++)
        if (v->tables[t].index == index)
            return v->tables[t].place;
    abort();
}

void vmcx_mend(uint8_t *file, size_t at, size_t size, size_t field)
{
    memset(file + at + field, 0, 4);
    put(file + at + field, crc32(0, file + at, (uInt)size), 4);
}

uint8_t *vmcx_pending(const uint8_t *before, const uint8_t *after, size_t size, uint32_t *count)
{
    uint8_t *file = vmcx_need(malloc(size)), *log = file + VMCX_LOG;
    size_t payload = VMCX_LOG_PAYLOAD;
    memcpy(file, before, size);
    *count = 0;
    for (size_t i = 0; i < size; i++) {
        size_t length = 0;
        while (i + length < size && before[i + length] != after[i + length])
            length++;
        if (length == 0)
            continue;
        if (*count == 145 || payload + length > VMCX_LOG_SIZE)
            abort();
        uint8_t *entry = log + 34 + 28 * (*count)++;
        memcpy(log + payload, after + i, length);
        put(entry, i, 8);
        put(entry + 8, length, 4);
        put(entry + 12, payload, 8);
        put(entry + 24, crc32(0, log + payload, (uInt)length), 4);
        vmcx_mend(entry, 0, 28, 20);
        payload += length;
        i += length;
    }
    put_log(log, *count);
    return file;
}
