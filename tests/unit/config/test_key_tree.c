/* The tree of keys: order, brothers of one name, circles, depth, walking. */
/* SPDX-License-Identifier: MIT */
#include "config/key_tree.h"

#include "base/alloc.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct vx_tree tree;

static void begin(void)
{
    cr_assert(vx_tree_begin(&tree));
}

static void end(void)
{
    vx_tree_end(&tree);
}

TestSuite(key_tree, .init = begin, .fini = end);

static uint32_t add(uint32_t parent, const char *name, uint8_t type, uint32_t order)
{
    const struct vx_key key = {
        .name = vx_bytes_of(name, strlen(name)), .parent = parent, .type = type, .order = order, .number = order};
    uint32_t number;
    cr_assert_eq(vx_tree_add(&tree, &key, &number), VHDX_OK);
    return number;
}

Test(key_tree, children_come_in_their_order_and_equal_ones_as_they_came)
{
    uint32_t top = add(VX_TREE_ROOT, "top", VX_KEY_NODE, 1);
    const uint32_t orders[] = {6, 2, 4, 2, 0, 9, 8, 2, 1};
    const char *names[] = {"6", "2a", "4", "2b", "0", "9", "8", "2c", "1"};
    const char *sorted[] = {"0", "1", "2a", "2b", "2c", "4", "6", "8", "9"};
    for (size_t i = 0; i < 9; i++)
        add(top, names[i], VX_KEY_INT, orders[i]);
    cr_assert_eq(vx_tree_link(&tree), 0);
    uint32_t key = tree.keys[top].child;
    for (size_t i = 0; i < 9; i++, key = tree.keys[key].next) {
        cr_assert_neq(key, VX_TREE_NONE);
        cr_assert(vx_tree_is_named(&tree, key, sorted[i]), "%zu", i);
    }
    cr_assert_eq(key, VX_TREE_NONE);
}

Test(key_tree, many_children_in_falling_order_are_sorted)
{
    for (uint32_t i = 0; i < 5000; i++)
        add(VX_TREE_ROOT, "k", VX_KEY_INT, 5000 - i);
    cr_assert_eq(vx_tree_link(&tree), 0);
    uint32_t n = 0, key = tree.keys[VX_TREE_ROOT].child;
    for (; key != VX_TREE_NONE; key = tree.keys[key].next)
        cr_assert_eq(tree.keys[key].order, ++n);
    cr_assert_eq(n, 5000);
}

Test(key_tree, brothers_of_one_name_are_all_found)
{
    uint32_t top = add(VX_TREE_ROOT, "top", VX_KEY_NODE, 1);
    add(top, "devicetype", VX_KEY_INT, 1);
    add(top, "other", VX_KEY_INT, 2);
    add(top, "DeviceType", VX_KEY_INT, 3);
    add(top, "devicetype", VX_KEY_INT, 4);
    vx_tree_link(&tree);
    uint32_t key = vx_tree_child(&tree, top, "devicetype"), sum = 0, count = 0;
    for (; key != VX_TREE_NONE; key = vx_tree_again(&tree, key), count++)
        sum += tree.keys[key].order;
    cr_assert_eq(count, 3);
    cr_assert_eq(sum, 8);
}

Test(key_tree, path_is_followed_whatever_the_letter_case)
{
    uint32_t a = add(VX_TREE_ROOT, "configuration", VX_KEY_NODE, 1);
    uint32_t b = add(a, "properties", VX_KEY_NODE, 1);
    uint32_t c = add(b, "name", VX_KEY_STRING, 1);
    vx_tree_link(&tree);
    cr_assert_eq(vx_tree_find(&tree, "Configuration/PROPERTIES/name"), c);
    cr_assert_eq(vx_tree_find(&tree, "configuration"), a);
    cr_assert_eq(vx_tree_find(&tree, "configuration/propertie"), VX_TREE_NONE);
    cr_assert_eq(vx_tree_find(&tree, "configuration/properties/name/x"), VX_TREE_NONE);
    cr_assert_eq(vx_tree_child(&tree, VX_TREE_NONE, "x"), VX_TREE_NONE);
}

Test(key_tree, circles_lost_keys_and_children_of_values_are_not_reached)
{
    uint32_t a = add(VX_TREE_ROOT, "a", VX_KEY_NODE, 1);
    uint32_t b = add(a, "b", VX_KEY_NODE, 1);
    uint32_t c = add(b, "c", VX_KEY_NODE, 1);
    tree.keys[a].parent = c; /* a -> b -> c -> a */
    uint32_t self = add(VX_TREE_ROOT, "self", VX_KEY_NODE, 1);
    tree.keys[self].parent = self;
    add(VX_TREE_NONE, "lost", VX_KEY_INT, 1);
    add(77, "beyond", VX_KEY_INT, 1);
    uint32_t value = add(VX_TREE_ROOT, "value", VX_KEY_STRING, 1);
    add(value, "below", VX_KEY_INT, 1);
    cr_assert_eq(vx_tree_link(&tree), 7);
    cr_assert_eq(vx_tree_find(&tree, "a"), VX_TREE_NONE);
    cr_assert_eq(vx_tree_find(&tree, "value"), value);
    cr_assert_eq(vx_tree_find(&tree, "value/below"), VX_TREE_NONE);
}

Test(key_tree, depth_has_an_end)
{
    uint32_t key = VX_TREE_ROOT;
    for (size_t i = 0; i < VX_TREE_DEPTH_MAX + 3; i++)
        key = add(key, "n", VX_KEY_NODE, 1);
    cr_assert_eq(vx_tree_link(&tree), 3);
    cr_assert_not(tree.keys[VX_TREE_DEPTH_MAX + 1].reached);
    cr_assert(tree.keys[VX_TREE_DEPTH_MAX].reached);
    size_t walked = 0;
    for (key = VX_TREE_ROOT; key != VX_TREE_NONE; key = vx_tree_walk(&tree, VX_TREE_ROOT, key))
        walked++;
    cr_assert_eq(walked, VX_TREE_DEPTH_MAX + 1);
}

Test(key_tree, walk_visits_what_is_below_and_nothing_beside)
{
    uint32_t a = add(VX_TREE_ROOT, "a", VX_KEY_NODE, 1), b = add(VX_TREE_ROOT, "b", VX_KEY_NODE, 2);
    uint32_t a1 = add(a, "a1", VX_KEY_NODE, 1), a2 = add(a, "a2", VX_KEY_INT, 2), a11 = add(a1, "a11", VX_KEY_INT, 1);
    add(b, "b1", VX_KEY_INT, 1);
    vx_tree_link(&tree);
    const uint32_t expected[] = {a, a1, a11, a2, VX_TREE_NONE};
    uint32_t key = a;
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(key, expected[i]);
        if (key != VX_TREE_NONE)
            key = vx_tree_walk(&tree, a, key);
    }
    cr_assert_eq(vx_tree_walk(&tree, a2, a2), VX_TREE_NONE);
}

Test(key_tree, texts_come_out_of_both_encodings)
{
    struct vx_key key = {
        .name = vx_bytes_of("n", 1), .type = VX_KEY_STRING, .value = vx_bytes_of("\xFC\0X\0\0\0Y\0", 8), .utf16 = true};
    uint32_t a, b;
    cr_assert_eq(vx_tree_add(&tree, &key, &a), VHDX_OK);
    key.value = vx_bytes_of("\xC3\xBCX", 3);
    key.utf16 = false;
    cr_assert_eq(vx_tree_add(&tree, &key, &b), VHDX_OK);
    char *first = vx_tree_text(&tree, a), *second = vx_tree_text(&tree, b);
    cr_assert_str_eq(first, "\xC3\xBCX");
    cr_assert_str_eq(second, first);
    vx_free(first);
    vx_free(second);
}
