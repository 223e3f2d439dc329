/*
 * Manifests. See manifest.h and docs/manifest.md. Every line is one of a few shapes of fixed width but for its numbers,
 * and is taken only when encoding it anew gives the same text: there is one way to write a manifest.
 */
/* SPDX-License-Identifier: MIT */
#include "manifest/manifest.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/guid.h"
#include "base/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define BUFFER ((size_t)64 * 1024)
#define LINE_ROOM 256u
#define FIRST_LINE "vhdx-manifest 1"
#define END_WORD "end"

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static void put_hex(char *text, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_hex(const char **text, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = digit_of((*text)[0]), low = high < 0 ? -1 : digit_of((*text)[1]);
        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
        *text += 2;
    }
    return true;
}

/* A number as we write it: no sign, no zeros in front. */
static bool get_number(const char **text, uint64_t *number)
{
    const char *p = *text;
    uint64_t value = 0;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9')
        return false;
    while (*p >= '0' && *p <= '9') {
        uint64_t times_ten;
        if (!vx_mul(value, 10, &times_ten) || !vx_add(times_ten, (uint64_t)(*p - '0'), &value))
            return false;
        p++;
    }
    if (p == *text)
        return false;
    *text = p;
    *number = value;
    return true;
}

static bool get_word(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static void encode_line(const struct vx_manifest_line *line, char text[LINE_ROOM])
{
    char hash[33], bits[17];
    put_hex(hash, line->hash, 16);
    put_hex(bits, line->bits_hash, 8);
    if (line->kind == VX_MANIFEST_ZERO)
        snprintf(text, LINE_ROOM, "%" PRIu64 " zero\n", line->block);
    else if (line->kind == VX_MANIFEST_WHOLE)
        snprintf(text, LINE_ROOM, "%" PRIu64 " %s\n", line->block, hash);
    else
        snprintf(text, LINE_ROOM, "%" PRIu64 " %s part %s\n", line->block, hash, bits);
}

static bool decode_line(const char *text, struct vx_manifest_line *line)
{
    memset(line, 0, sizeof *line);
    if (!get_number(&text, &line->block) || !get_word(&text, " "))
        return false;
    line->kind = VX_MANIFEST_ZERO;
    if (get_word(&text, "zero"))
        return *text == '\0';
    line->kind = VX_MANIFEST_WHOLE;
    if (!get_hex(&text, line->hash, 16))
        return false;
    if (*text == '\0')
        return true;
    line->kind = VX_MANIFEST_PART;
    return get_word(&text, " part ") && get_hex(&text, line->bits_hash, 8) && *text == '\0';
}

static void encode_head(const struct vx_manifest_head *head, char *text, size_t size)
{
    char disk[VX_GUID_TEXT], data[VX_GUID_TEXT];
    vx_guid_format(&head->disk_id, disk);
    vx_guid_format(&head->data_write_guid, data);
    snprintf(text, size,
             FIRST_LINE "\ndisk %s\ndata-write %s\nvirtual-size %" PRIu64 "\nblock-size %" PRIu32
                        "\nsector-size %" PRIu32 "\nparent %s\n",
             disk, data, head->virtual_size, head->block_size, head->sector_size, head->has_parent ? "yes" : "no");
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

struct vx_manifest_writer {
    const vhdx_host *host;
    struct vx_file *file;
    char *path, *unfinished;
    char *buffer;
    size_t held;
    uint64_t written, lines;
    XXH3_state_t *hash; /* wants more alignment than memory of ours has */
    bool finished;
};

static vhdx_status write_out(struct vx_manifest_writer *writer, vhdx_error *err)
{
    VX_TRY(vx_file_write(writer->file, writer->buffer, writer->held, writer->written, err));
    writer->written += writer->held;
    writer->held = 0;
    return VHDX_OK;
}

static vhdx_status put_text(struct vx_manifest_writer *writer, const char *text, vhdx_error *err)
{
    size_t length = strlen(text);
    if (length > BUFFER - writer->held)
        VX_TRY(write_out(writer, err));
    memcpy(writer->buffer + writer->held, text, length);
    writer->held += length;
    XXH3_64bits_update(writer->hash, text, length);
    return VHDX_OK;
}

static vhdx_status open_unfinished(struct vx_manifest_writer *writer, const char *path, vhdx_error *err)
{
    writer->path = vx_copy_string(path);
    writer->unfinished = vx_path_unfinished(path, writer->host->windows_paths);
    writer->buffer = vx_alloc(BUFFER, 1);
    writer->hash = XXH3_createState();
    if (!writer->path || !writer->unfinished || !writer->buffer || !writer->hash)
        return vx_fail_memory(err, "a manifest");
    XXH3_64bits_reset(writer->hash);
    return vx_file_open(writer->host, writer->unfinished, VHDX_OPEN_REPLACE, &writer->file, err);
}

vhdx_status vx_manifest_create(const vhdx_host *host, const char *path, const struct vx_manifest_head *head,
                               struct vx_manifest_writer **out, vhdx_error *err)
{
    char text[512];
    struct vx_manifest_writer *writer = vx_alloc(1, sizeof *writer);
    if (!writer)
        return vx_fail_memory(err, "a manifest");
    writer->host = vx_host_or_native(host);
    encode_head(head, text, sizeof text);
    vhdx_status status = open_unfinished(writer, path, err);
    if (status == VHDX_OK)
        status = put_text(writer, text, err);
    if (status == VHDX_OK)
        *out = writer;
    else
        vx_manifest_close(writer);
    return status;
}

vhdx_status vx_manifest_add(struct vx_manifest_writer *writer, const struct vx_manifest_line *line, vhdx_error *err)
{
    char text[LINE_ROOM];
    encode_line(line, text);
    writer->lines++;
    return put_text(writer, text, err);
}

static vhdx_status put_end(struct vx_manifest_writer *writer, vhdx_error *err)
{
    char text[LINE_ROOM], hash[17];
    XXH64_canonical_t canonical;
    snprintf(text, sizeof text, END_WORD " %" PRIu64 " ", writer->lines);
    VX_TRY(put_text(writer, text, err));
    XXH64_canonicalFromHash(&canonical, XXH3_64bits_digest(writer->hash));
    put_hex(hash, canonical.digest, 8);
    snprintf(text, sizeof text, "%s\n", hash);
    return put_text(writer, text, err);
}

vhdx_status vx_manifest_finish(struct vx_manifest_writer *writer, vhdx_error *err)
{
    const vhdx_host *host = writer->host;
    VX_TRY(put_end(writer, err));
    VX_TRY(write_out(writer, err));
    VX_TRY(vx_file_flush(writer->file, err));
    vx_file_close(writer->file);
    writer->file = NULL;
    VX_TRY(vx_host_result(host->rename(host->context, writer->unfinished, writer->path, err), writer->path,
                          "give the manifest its name", err));
    writer->finished = true;
    char *directory = vx_path_directory(writer->path, host->windows_paths);
    if (!directory)
        return vx_fail_memory(err, "a path");
    vhdx_status status =
        vx_host_result(host->sync_directory(host->context, directory, err), directory, "flush the directory", err);
    vx_free(directory);
    return status;
}

void vx_manifest_close(struct vx_manifest_writer *writer)
{
    if (!writer)
        return;
    bool made = writer->file != NULL;
    vx_file_close(writer->file);
    if (made && !writer->finished)
        (void)writer->host->remove(writer->host->context, writer->unfinished, NULL);
    vx_free(writer->path);
    vx_free(writer->unfinished);
    vx_free(writer->buffer);
    XXH3_freeState(writer->hash);
    vx_free(writer);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

struct vx_manifest_reader {
    struct vx_file *file;
    char *buffer;
    size_t held, at;
    uint64_t place, line_number;
    struct vx_manifest_head head;
    uint64_t lines_read, last_block;
};

/* What does not even begin as a manifest was never one. */
static vhdx_status fail_manifest(const struct vx_manifest_reader *reader, const char *what, vhdx_error *err)
{
    if (reader->line_number <= 1)
        what = "this is no manifest of block hashes";
    vx_fail(err, VHDX_CORRUPT, vx_at_file(vx_file_path(reader->file)), "%s (line %" PRIu64 ")", what,
            reader->line_number);
    return vx_advise(err, VHDX_CORRUPT, "name another manifest, or move this file away so that a new one is made");
}

/* The next line without its end; false in *more at the end of the file. A line that is longer than any of ours is
 * none. */
static vhdx_status read_line(struct vx_manifest_reader *reader, char text[LINE_ROOM], bool *more, vhdx_error *err)
{
    size_t length = 0;
    *more = true;
    reader->line_number++;
    for (;;) {
        if (reader->at == reader->held) {
            VX_TRY(vx_file_read_some(reader->file, reader->buffer, BUFFER, reader->place, &reader->held, err));
            reader->place += reader->held;
            reader->at = 0;
        }
        if (reader->held == 0) {
            *more = false;
            return length == 0 ? VHDX_OK : fail_manifest(reader, "the manifest's last line has no end", err);
        }
        char c = reader->buffer[reader->at++];
        if (c == '\n')
            break;
        if (length == LINE_ROOM - 1 || c == '\0')
            return fail_manifest(reader, "this is no line of a manifest", err);
        text[length++] = c;
    }
    text[length] = '\0';
    return VHDX_OK;
}

static bool decode_guid(const char *text, const char *word, vhdx_guid *guid)
{
    char again[VX_GUID_TEXT];
    if (!get_word(&text, word) || !vx_guid_parse(text, strlen(text), guid))
        return false;
    vx_guid_format(guid, again);
    return strcmp(again, text) == 0; /* parsing takes other spellings too */
}

static bool decode_value(const char *text, const char *word, uint64_t limit, uint64_t *value)
{
    return get_word(&text, word) && get_number(&text, value) && *text == '\0' && *value <= limit;
}

static bool decode_head_line(struct vx_manifest_head *head, uint64_t number, const char *text)
{
    uint64_t value = 0;
    bool right;
    switch (number) {
    case 1:
        return strcmp(text, FIRST_LINE) == 0;
    case 2:
        return decode_guid(text, "disk ", &head->disk_id);
    case 3:
        return decode_guid(text, "data-write ", &head->data_write_guid);
    case 4:
        return decode_value(text, "virtual-size ", UINT64_MAX, &head->virtual_size);
    case 5:
        right = decode_value(text, "block-size ", UINT32_MAX, &value);
        head->block_size = (uint32_t)value;
        return right;
    case 6:
        right = decode_value(text, "sector-size ", UINT32_MAX, &value);
        head->sector_size = (uint32_t)value;
        return right;
    default:
        head->has_parent = strcmp(text, "parent yes") == 0;
        return head->has_parent || strcmp(text, "parent no") == 0;
    }
}

static vhdx_status read_head(struct vx_manifest_reader *reader, vhdx_error *err)
{
    char text[LINE_ROOM];
    bool more;
    for (uint64_t i = 1; i <= 7; i++) {
        VX_TRY(read_line(reader, text, &more, err));
        if (!more || !decode_head_line(&reader->head, i, text))
            return fail_manifest(reader, "the manifest's head is damaged", err);
    }
    return VHDX_OK;
}

/* The last line's checksum is of everything before it. Its length is known but for the count. */
static vhdx_status check_whole(struct vx_manifest_reader *reader, vhdx_error *err)
{
    XXH3_state_t hash;
    XXH64_canonical_t canonical;
    uint8_t stored[8];
    char tail[19] = "";
    uint64_t size, at = 0;
    XXH3_64bits_reset(&hash);
    VX_TRY(vx_file_size(reader->file, &size, err));
    if (size < 17)
        return fail_manifest(reader, "the manifest ends too early", err);
    while (at < size - 17) {
        size_t here = (size_t)vx_min(BUFFER, size - 17 - at);
        VX_TRY(vx_file_read(reader->file, reader->buffer, here, at, err));
        XXH3_64bits_update(&hash, reader->buffer, here);
        at += here;
    }
    VX_TRY(vx_file_read(reader->file, tail, 17, at, err));
    const char *text = tail;
    XXH64_canonicalFromHash(&canonical, XXH3_64bits_digest(&hash));
    bool right = get_hex(&text, stored, 8) && *text == '\n' && memcmp(stored, canonical.digest, 8) == 0;
    return right ? VHDX_OK : fail_manifest(reader, "the manifest is not as it was written: its checksum is wrong", err);
}

/* The first line says whether it is one at all; then its checksum; then the rest may be believed, and is checked all
 * the same. */
static vhdx_status begin_reading(struct vx_manifest_reader *reader, vhdx_error *err)
{
    reader->buffer = vx_alloc(BUFFER, 1);
    if (!reader->buffer)
        return vx_fail_memory(err, "a manifest");
    VX_TRY(read_head(reader, err));
    reader->at = reader->held = 0;
    reader->place = 0;
    VX_TRY(check_whole(reader, err));
    reader->line_number = 0;
    return read_head(reader, err);
}

vhdx_status vx_manifest_open(const vhdx_host *host, const char *path, struct vx_manifest_reader **out, vhdx_error *err)
{
    struct vx_manifest_reader *reader = vx_alloc(1, sizeof *reader);
    if (!reader)
        return vx_fail_memory(err, "a manifest");
    vhdx_status status = vx_file_open(host, path, VHDX_OPEN_READ, &reader->file, err);
    if (status == VHDX_OK)
        status = begin_reading(reader, err);
    if (status == VHDX_OK)
        *out = reader;
    else
        vx_manifest_close_reader(reader);
    return status;
}

void vx_manifest_close_reader(struct vx_manifest_reader *reader)
{
    if (!reader)
        return;
    vx_file_close(reader->file);
    vx_free(reader->buffer);
    vx_free(reader);
}

const struct vx_manifest_head *vx_manifest_head(const struct vx_manifest_reader *reader)
{
    return &reader->head;
}

static vhdx_status read_end(struct vx_manifest_reader *reader, const char *text, vhdx_error *err)
{
    char line[LINE_ROOM];
    uint64_t lines;
    uint8_t hash[8];
    bool more;
    if (!get_word(&text, " ") || !get_number(&text, &lines) || lines != reader->lines_read || !get_word(&text, " ") ||
        !get_hex(&text, hash, sizeof hash) || *text != '\0')
        return fail_manifest(reader, "the manifest's last line does not fit the others", err);
    VX_TRY(read_line(reader, line, &more, err));
    return more ? fail_manifest(reader, "something follows the manifest's last line", err) : VHDX_OK;
}

vhdx_status vx_manifest_next(struct vx_manifest_reader *reader, struct vx_manifest_line *line, bool *more,
                             vhdx_error *err)
{
    char text[LINE_ROOM];
    const char *rest = text;
    VX_TRY(read_line(reader, text, more, err));
    if (!*more)
        return fail_manifest(reader, "the manifest ends too early", err);
    if (get_word(&rest, END_WORD)) {
        *more = false;
        return read_end(reader, rest, err);
    }
    if (!decode_line(text, line) || (reader->lines_read > 0 && line->block <= reader->last_block))
        return fail_manifest(reader, "this is no line of a manifest", err);
    reader->lines_read++;
    reader->last_block = line->block;
    return VHDX_OK;
}
