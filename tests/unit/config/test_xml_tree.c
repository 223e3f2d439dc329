/* The strict reader of XML: encodings, values, and what it refuses. */
/* SPDX-License-Identifier: MIT */
#include "config/xml_tree.h"

#include "base/alloc.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct vx_tree tree;
static const char *flaw;

static void end(void)
{
    vx_tree_end(&tree);
}

TestSuite(xml_tree, .fini = end);

static void read_bytes(const void *bytes, size_t size)
{
    vx_tree_end(&tree);
    cr_assert(vx_tree_begin(&tree));
    uint8_t *copy = malloc(size + 1); /* so that a sanitizer sees a read beyond the end */
    memcpy(copy, bytes, size);
    copy = realloc(copy, size ? size : 1);
    flaw = "not set";
    cr_assert_eq(vx_xml_read(vx_bytes_of(copy, size), &tree, &flaw, NULL), VHDX_OK);
    free(copy);
}

static void read_text(const char *text)
{
    read_bytes(text, strlen(text));
}

static void expect_text(const char *path, const char *value)
{
    uint32_t key = vx_tree_find(&tree, path);
    cr_assert_neq(key, VX_TREE_NONE, "%s", path);
    char *text = vx_tree_text(&tree, key);
    cr_assert_str_eq(text, value, "%s", path);
    cr_assert_not(tree.keys[key].damaged, "%s", path);
    vx_free(text);
}

Test(xml_tree, values_of_every_type)
{
    read_text(
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<!-- remark -->\n"
        "<a><s type=\"string\"> C:\\x &amp; y&#252;&#x20AC;&lt;</s><i type='integer'>-12</i><b type=\"bool\">True</b>"
        "<c type=\"boolean\"> False </c><y type=\"bytes\">p25FZp6X1wE=\n</y><e type=\"string\"/><n/>"
        "<t>plain</t><q type=\"qword\">0x1</q></a>\n");
    cr_assert_null(flaw, "%s", flaw);
    expect_text("a/s", " C:\\x & y\xC3\xBC\xE2\x82\xAC<");
    expect_text("a/e", "");
    expect_text("a/t", "plain");
    expect_text("a/q", "0x1");
    cr_assert_eq(tree.keys[vx_tree_find(&tree, "a/i")].number, (uint64_t)-12);
    cr_assert_eq(tree.keys[vx_tree_find(&tree, "a/b")].number, 1);
    cr_assert_eq(tree.keys[vx_tree_find(&tree, "a/c")].number, 0);
    cr_assert_eq(tree.keys[vx_tree_find(&tree, "a/n")].type, VX_KEY_NODE);
    struct vx_bytes time = tree.keys[vx_tree_find(&tree, "a/y")].value;
    cr_assert_eq(time.size, 8);
    cr_assert_eq(vx_get64(time.data), 0x01D7979E66456EA7);
}

Test(xml_tree, encoding_is_that_of_the_bytes_not_of_the_declaration)
{
    static const char text[] = "<?xml encoding=\"UTF-16\"?><a><s type=\"string\">x</s></a>";
    uint8_t wide[2][2 * sizeof text + 2] = {{0xFF, 0xFE}, {0xFE, 0xFF}};
    for (size_t i = 0; i < sizeof text - 1; i++) {
        wide[0][2 + 2 * i] = (uint8_t)text[i];
        wide[1][3 + 2 * i] = (uint8_t)text[i];
    }
    for (size_t mark = 0; mark < 2; mark++)
        for (size_t order = 0; order < 2; order++) {
            read_bytes(wide[order] + (mark ? 0 : 2), 2 * (sizeof text - 1) + (mark ? 2 : 0));
            cr_assert_null(flaw, "%s", flaw);
            expect_text("a/s", "x");
            cr_assert(vx_xml_recognize(vx_bytes_of(wide[order] + (mark ? 0 : 2), 40)));
        }
    read_text("\xEF\xBB\xBF<a><s type=\"string\">x</s></a>");
    cr_assert_null(flaw);
    expect_text("a/s", "x");
}

Test(xml_tree, what_begins_otherwise_is_not_recognized)
{
    cr_assert(vx_xml_recognize(vx_bytes_of("\r\n <a/>", 7)));
    cr_assert_not(vx_xml_recognize(vx_bytes_of("", 0)));
    cr_assert_not(vx_xml_recognize(vx_bytes_of("   ", 3)));
    cr_assert_not(vx_xml_recognize(vx_bytes_of("vhdxfile", 8)));
    cr_assert_not(vx_xml_recognize(vx_bytes_of("\xFF\xFE"
                                               "a\0<\0",
                                               6)));
}

Test(xml_tree, brothers_of_one_name_stay)
{
    read_text("<a><m type=\"integer\">1</m><m type=\"integer\">2</m></a>");
    cr_assert_null(flaw);
    uint32_t first = vx_tree_find(&tree, "a/m"), second = vx_tree_again(&tree, first);
    cr_assert_eq(tree.keys[first].number, 1);
    cr_assert_eq(tree.keys[second].number, 2);
    cr_assert_eq(vx_tree_again(&tree, second), VX_TREE_NONE);
}

Test(xml_tree, whatever_is_wrong_is_said_and_what_came_before_stays)
{
    static const char *const bad[] = {
        "<a><s type=\"string\">x</s>",
        "<a><s type=\"string\">x</s></b>",
        "<a><s type=\"string\">x</s><b></a></b>",
        "<a><s type=\"string\">x</s><!DOCTYPE a></a>",
        "<a><s type=\"string\">x</s><![CDATA[y]]></a>",
        "<a><s type=\"string\">x</s><!-- y</a>",
        "<a><s type=\"string\">x</s><? y</a>",
        "<a><s type=\"string\">x</s></a",
        "<a><s type=\"string\">x</s></a><b/>",
        "<a><s type=\"string\">x</s></a>y",
        "<a><s type=\"string\">x</s></a></a>",
        "<a><s type=\"string\">x</s><></a>",
        "<a><s type=\"string\">x</s><b type></a>",
        "<a><s type=\"string\">x</s><b type=x></b></a>",
        "<a><s type=\"string\">x</s><b type=\"x",
        "<a><s type=\"string\">x</s><",
        "<a><s type=\"string\">x</s><b",
        "<a><s type=\"string\">x</s><b/",
        "<a><s type=\"string\">x</s></",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        read_text(bad[i]);
        cr_assert(flaw, "%s", bad[i]);
        expect_text("a/s", "x");
    }
}

Test(xml_tree, documents_that_are_none)
{
    static const char *const bad[] = {"",  "   ",  "x",  "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
                                      "<", "</a>", "<!", "<?"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        read_text(bad[i]);
        cr_assert(flaw, "%s", bad[i]);
        cr_assert_eq(tree.count, 1, "%s", bad[i]);
    }
}

Test(xml_tree, values_that_cannot_be_right_are_damaged)
{
    static const char *const bad[] = {
        "<a><s type=\"string\">&other;</s></a>",
        "<a><s type=\"string\">&amp</s></a>",
        "<a><s type=\"string\">&#0;</s></a>",
        "<a><s type=\"string\">&#xD800;</s></a>",
        "<a><s type=\"string\">&#x110000;</s></a>",
        "<a><s type=\"string\">&#99999999;</s></a>",
        "<a><s type=\"string\">&#;</s></a>",
        "<a><s type=\"string\">x<!-- y -->z</s></a>",
        "<a><s type=\"integer\">12x</s></a>",
        "<a><s type=\"integer\"></s></a>",
        "<a><s type=\"integer\">99999999999999999999</s></a>",
        "<a><s type=\"bool\">perhaps</s></a>",
        "<a><s type=\"bytes\">p2!5</s></a>",
        "<a><s type=\"bytes\">p2=5</s></a>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        read_text(bad[i]);
        cr_assert_null(flaw, "%s: %s", bad[i], flaw);
        cr_assert(tree.keys[vx_tree_find(&tree, "a/s")].damaged, "%s", bad[i]);
    }
    read_bytes("<a><s type=\"string\">x\0y</s></a>", 31);
    cr_assert(tree.keys[vx_tree_find(&tree, "a/s")].damaged);
}

Test(xml_tree, depth_and_length_have_ends)
{
    char *text = calloc(1, 300000);
    for (size_t i = 0; i < 100; i++)
        strcat(text, "<a>");
    read_text(text);
    cr_assert(flaw);
    cr_assert_leq(tree.count, VX_TREE_DEPTH_MAX + 1);
    memset(text, 'x', 256);
    text[0] = '<';
    strcpy(text + 257, "/>");
    read_text(text);
    cr_assert(flaw);
    strcpy(text, "<a><s type=\"string\">");
    memset(text + strlen(text), 'y', 70000);
    strcat(text, "</s></a>");
    read_text(text);
    cr_assert_null(flaw);
    uint32_t key = vx_tree_find(&tree, "a/s");
    cr_assert(tree.keys[key].unread);
    cr_assert_eq(tree.keys[key].value.size, 0);
    free(text);
}
