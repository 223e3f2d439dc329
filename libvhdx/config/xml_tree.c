/*
 * A small, strict reader of XML. See xml_tree.h. The document is turned into UTF-8 once; names and values are views
 * into that copy, where references (&amp;) and base64 are decoded in place, because they only become shorter.
 */
/* SPDX-License-Identifier: MIT */
#include "config/xml_tree.h"

#include "base/alloc.h"
#include "base/utf.h"

#include <string.h>

#define NAME_MAX_LENGTH 255u
#define TEXT_MAX_LENGTH (64u << 10)

/* An element that is open. */
struct element {
    uint32_t key;
    size_t content;    /* where its text begins */
    bool has_children; /* elements, or comments: then it is no value */
};

struct scanner {
    struct vx_tree *tree;
    char *text;
    size_t size, at;
    struct element open[VX_TREE_DEPTH_MAX];
    size_t depth;
    bool had_root;
    const char *flaw;
};

/* ---- encodings ---- */

enum encoding { UTF8, UTF16_LITTLE, UTF16_BIG };

/* By the mark at the beginning, else by where the zero byte of the first '<' is. `skip`: bytes of the mark. */
static enum encoding encoding_of(struct vx_bytes in, size_t *skip)
{
    const uint8_t *p = in.data;
    *skip = 0;
    if (in.size >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) {
        *skip = 3;
        return UTF8;
    }
    if (in.size < 2)
        return UTF8;
    if ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == 0xFE && p[1] == 0xFF))
        *skip = 2;
    if ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == '<' && p[1] == 0))
        return UTF16_LITTLE;
    if ((p[0] == 0xFE && p[1] == 0xFF) || (p[0] == 0 && p[1] == '<'))
        return UTF16_BIG;
    return UTF8;
}

static bool to_utf8(struct scanner *s, struct vx_bytes in)
{
    size_t skip;
    enum encoding encoding = encoding_of(in, &skip);
    in = vx_bytes_of(in.data + skip, in.size - skip);
    s->text = (char *)vx_tree_blob(s->tree, encoding == UTF8 ? in.size + 1 : VX_UTF8_ROOM(in.size));
    if (!s->text)
        return false;
    s->size = in.size;
    if (encoding == UTF8 && in.size > 0)
        memcpy(s->text, in.data, in.size);
    if (encoding == UTF16_LITTLE)
        s->size = vx_utf16_to_utf8(in, s->text);
    if (encoding != UTF16_BIG)
        return true;
    uint8_t *turned = vx_tree_blob(s->tree, in.size);
    if (!turned)
        return false;
    for (size_t i = 0; i + 1 < in.size; i += 2) {
        turned[i] = in.data[i + 1];
        turned[i + 1] = in.data[i];
    }
    s->size = vx_utf16_to_utf8(vx_bytes_of(turned, in.size), s->text);
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool vx_xml_recognize(struct vx_bytes first)
{
    size_t skip;
    enum encoding encoding = encoding_of(first, &skip);
    size_t step = encoding == UTF8 ? 1 : 2, low = encoding == UTF16_BIG ? 1 : 0;
    for (size_t i = skip; i + step <= first.size; i += step) {
        if (step == 2 && first.data[i + 1 - low] != 0)
            return false;
        if (!is_space((char)first.data[i + low]))
            return first.data[i + low] == '<';
    }
    return false;
}

/* ---- the document ---- */

static bool flaw(struct scanner *s, const char *what)
{
    s->flaw = what;
    return false;
}

static bool looking_at(const struct scanner *s, const char *text)
{
    size_t length = strlen(text);
    return s->size - s->at >= length && memcmp(s->text + s->at, text, length) == 0;
}

/* Goes behind the next `end`. */
static bool skip_past(struct scanner *s, const char *end)
{
    for (; s->at < s->size; s->at++)
        if (looking_at(s, end)) {
            s->at += strlen(end);
            return true;
        }
    return flaw(s, "it ends in the middle");
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->size && is_space(s->text[s->at]))
        s->at++;
}

static bool ends_name(char c)
{
    return is_space(c) || c == '/' || c == '>' || c == '<' || c == '=' || c == '"' || c == '\'' || c == '&' ||
           c == '\0';
}

static bool take_name(struct scanner *s, struct vx_bytes *name)
{
    size_t begin = s->at;
    while (s->at < s->size && !ends_name(s->text[s->at]))
        s->at++;
    *name = vx_bytes_of(s->text + begin, s->at - begin);
    return (name->size > 0 && name->size <= NAME_MAX_LENGTH) || flaw(s, "an element has no proper name");
}

static bool equals(struct vx_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* name="value", and what it means for the element's type. */
static bool take_attribute(struct scanner *s, struct vx_bytes *type)
{
    struct vx_bytes name;
    if (!take_name(s, &name))
        return false;
    skip_space(s);
    if (!looking_at(s, "="))
        return flaw(s, "an attribute has no value");
    s->at++;
    skip_space(s);
    if (s->at >= s->size || (s->text[s->at] != '"' && s->text[s->at] != '\''))
        return flaw(s, "an attribute's value is not quoted");
    char quote[2] = {s->text[s->at++], '\0'};
    size_t begin = s->at;
    if (!skip_past(s, quote))
        return false;
    if (equals(name, "type"))
        *type = vx_bytes_of(s->text + begin, s->at - 1 - begin);
    return true;
}

/* What an element without type is: a node, unless it turns out to hold text. */
static uint8_t type_of(struct vx_bytes type)
{
    if (type.size == 0)
        return VX_KEY_NODE;
    if (equals(type, "integer"))
        return VX_KEY_INT;
    if (equals(type, "bool") || equals(type, "boolean"))
        return VX_KEY_BOOL;
    return equals(type, "bytes") ? VX_KEY_ARRAY : VX_KEY_STRING;
}

static bool add_element(struct scanner *s, struct vx_bytes name, struct vx_bytes type, vhdx_status *status)
{
    uint32_t number;
    if (s->depth == 0 && s->had_root)
        return flaw(s, "it has more than one outermost element");
    if (s->depth == VX_TREE_DEPTH_MAX)
        return flaw(s, "its elements are nested too deeply");
    struct vx_key key = {.name = name,
                         .parent = s->depth ? s->open[s->depth - 1].key : VX_TREE_ROOT,
                         .order = (uint32_t)s->tree->count,
                         .type = type_of(type)};
    *status = vx_tree_add(s->tree, &key, &number);
    if (*status == VHDX_LIMIT)
        return flaw(s, "it has more elements than any configuration");
    if (*status != VHDX_OK)
        return false;
    if (s->depth) {
        struct element *parent = &s->open[s->depth - 1];
        parent->has_children = true;
        s->tree->keys[parent->key].type = VX_KEY_NODE;
    }
    s->had_root = true;
    s->open[s->depth++] = (struct element){.key = number, .content = s->at};
    return true;
}

/* ---- values ---- */

static bool put_character(char *out, size_t *used, uint32_t c)
{
    if (c == 0 || c > 0x10FFFF || vx_is_surrogate(c))
        return false;
    *used += vx_utf8_put(c, out + *used);
    return true;
}

/* "#65" or "#x41". */
static bool numeric(const char *name, size_t length, uint32_t *c)
{
    unsigned base = length > 1 && name[1] == 'x' ? 16 : 10;
    size_t i = base == 16 ? 2 : 1;
    *c = 0;
    if (i >= length || length - i > 7)
        return false;
    for (; i < length; i++) {
        unsigned digit = vx_digit_value(name[i]);
        if (digit >= base)
            return false;
        *c = *c * base + digit;
    }
    return true;
}

/* What is between '&' and ';'. */
static bool reference(const char *name, size_t length, uint32_t *c)
{
    static const struct {
        const char *name;
        char character;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    if (length > 0 && name[0] == '#')
        return numeric(name, length, c);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0) {
            *c = (uint8_t)known[i].character;
            return true;
        }
    return false;
}

/* A reference is never shorter than what it stands for: four characters at least for a byte, eight for four. */
static bool decode_references(char *text, size_t *size)
{
    size_t used = 0;
    for (size_t i = 0; i < *size;) {
        uint32_t c;
        if (text[i] != '&') {
            text[used++] = text[i++];
            continue;
        }
        size_t end = i + 1;
        while (end < *size && end - i < 12 && text[end] != ';')
            end++;
        if (end >= *size || text[end] != ';' || !reference(text + i + 1, end - i - 1, &c) ||
            !put_character(text, &used, c))
            return false;
        i = end + 1;
    }
    *size = used;
    return true;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool decode_base64(char *text, size_t *size)
{
    size_t used = 0, i = 0;
    uint32_t bits = 0, count = 0;
    for (; i < *size && text[i] != '='; i++) {
        if (is_space(text[i]))
            continue;
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFFFF;
        count += 6;
        if (count >= 8) {
            count -= 8;
            text[used++] = (char)(uint8_t)(bits >> count);
        }
    }
    for (; i < *size; i++)
        if (text[i] != '=' && !is_space(text[i]))
            return false;
    *size = used;
    return true;
}

static bool decode_integer(const char *text, size_t size, uint64_t *number)
{
    size_t i = 0;
    bool negative = size > 0 && text[0] == '-';
    *number = 0;
    i += negative;
    if (i == size)
        return false;
    for (; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || *number > (UINT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    *number = negative ? 0 - *number : *number;
    return true;
}

static void trim(struct vx_bytes *value)
{
    while (value->size > 0 && is_space((char)value->data[0]))
        *value = vx_bytes_of(value->data + 1, value->size - 1);
    while (value->size > 0 && is_space((char)value->data[value->size - 1]))
        value->size--;
}

static bool decode_bool(struct vx_bytes value, uint64_t *number)
{
    *number = equals(value, "True") || equals(value, "true") || equals(value, "1");
    return *number || equals(value, "False") || equals(value, "false") || equals(value, "0");
}

/* Gives the key of an element without children its value; the text is the scanner's and may be changed. */
static void take_value(struct vx_key *key, char *text, size_t size)
{
    struct vx_bytes value = vx_bytes_of(text, size), trimmed = value;
    trim(&trimmed);
    if (key->type == VX_KEY_NODE && trimmed.size > 0)
        key->type = VX_KEY_STRING;
    if (key->type == VX_KEY_NODE)
        return;
    if (key->type == VX_KEY_INT) {
        key->damaged = !decode_integer((const char *)trimmed.data, trimmed.size, &key->number);
    } else if (key->type == VX_KEY_BOOL) {
        key->damaged = !decode_bool(trimmed, &key->number);
    } else {
        key->damaged = !(key->type == VX_KEY_ARRAY ? decode_base64(text, &size) : decode_references(text, &size));
        key->damaged = key->damaged || (key->type == VX_KEY_STRING && size > 0 && memchr(text, 0, size) != NULL);
        key->unread = size > TEXT_MAX_LENGTH;
        key->value = vx_bytes_of(text, key->unread ? 0 : size);
    }
}

/* ---- tags ---- */

/* Takes the innermost element away; its text ends at `end`. */
static void close_element(struct scanner *s, size_t end)
{
    const struct element *element = &s->open[--s->depth];
    if (!element->has_children)
        take_value(&s->tree->keys[element->key], s->text + element->content, end - element->content);
}

static bool take_end_tag(struct scanner *s)
{
    size_t end = s->at;
    struct vx_bytes name;
    s->at += 2;
    if (!take_name(s, &name))
        return false;
    skip_space(s);
    if (!looking_at(s, ">"))
        return flaw(s, "an end tag is not ended");
    s->at++;
    if (s->depth == 0)
        return flaw(s, "an element ends that did not begin");
    struct vx_bytes open = s->tree->keys[s->open[s->depth - 1].key].name;
    if (open.size != name.size || memcmp(open.data, name.data, name.size) != 0)
        return flaw(s, "an element ends in another one");
    close_element(s, end);
    return true;
}

static bool take_start_tag(struct scanner *s, vhdx_status *status)
{
    struct vx_bytes name, type = vx_bytes_of(NULL, 0);
    s->at++;
    if (!take_name(s, &name))
        return false;
    for (skip_space(s); s->at < s->size && s->text[s->at] != '>' && s->text[s->at] != '/'; skip_space(s))
        if (!take_attribute(s, &type))
            return false;
    bool empty = looking_at(s, "/>");
    if (!empty && !looking_at(s, ">"))
        return flaw(s, s->at < s->size ? "a start tag is not ended" : "it ends in the middle");
    s->at += empty ? 2 : 1;
    if (!add_element(s, name, type, status))
        return false;
    if (empty)
        close_element(s, s->at);
    return true;
}

/* Comments and processing instructions. A value with one inside cannot be told from its text: it counts as damaged. */
static bool skip_remark(struct scanner *s)
{
    if (s->depth) {
        struct vx_key *key = &s->tree->keys[s->open[s->depth - 1].key];
        key->damaged = key->type != VX_KEY_NODE;
        s->open[s->depth - 1].has_children = true;
    }
    return skip_past(s, looking_at(s, "<?") ? "?>" : "-->");
}

static bool take_tag(struct scanner *s, vhdx_status *status)
{
    if (looking_at(s, "<?") || looking_at(s, "<!--"))
        return skip_remark(s);
    if (looking_at(s, "<!"))
        return flaw(s, "it has a document type or a section that no configuration has");
    return looking_at(s, "</") ? take_end_tag(s) : take_start_tag(s, status);
}

/* Up to the next tag; outside of the outermost element nothing but space may be. */
static bool skip_text(struct scanner *s)
{
    while (s->at < s->size && s->text[s->at] != '<') {
        if (s->depth == 0 && !is_space(s->text[s->at]))
            return flaw(s, "there is text outside of its outermost element");
        s->at++;
    }
    return true;
}

static void scan(struct scanner *s, vhdx_status *status)
{
    while (skip_text(s) && s->at < s->size)
        if (!take_tag(s, status))
            return;
    if (!s->flaw && (s->depth > 0 || !s->had_root))
        flaw(s, "it ends in the middle");
}

vhdx_status vx_xml_read(struct vx_bytes document, struct vx_tree *tree, const char **flaw_out, vhdx_error *err)
{
    struct scanner s = {.tree = tree};
    vhdx_status status = VHDX_OK;
    if (!to_utf8(&s, document))
        return vx_fail_memory(err, "an XML document");
    scan(&s, &status);
    if (status == VHDX_NOMEM)
        return vx_fail_memory(err, "the elements of an XML document");
    vx_tree_link(tree);
    *flaw_out = s.flaw;
    return VHDX_OK;
}
