/* Faults of parent locators (34x). */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include <string.h>

#include "base/bytes.h"
#include "format/merge_mark.h"

static void raw_locator(struct fault_scene *s, const vhdx_guid *type, uint16_t count)
{
    uint8_t bytes[VX_LOCATOR_HEADER_SIZE] = {0};
    fault_child_content(s);
    memcpy(bytes, type, sizeof *type);
    vx_put16(bytes + 18, count);
    bld_locator_raw(s->b, bytes, sizeof bytes);
    fault_finish(s);
}

static void locator_short(struct fault_scene *s)
{
    raw_locator(s, &vx_guid_locator_type_vhdx, 5);
}

static void locator_type(struct fault_scene *s)
{
    raw_locator(s, &fault_unknown_id, 0);
}

static void locator_count(struct fault_scene *s)
{
    raw_locator(s, &vx_guid_locator_type_vhdx, 0);
}

#define SOME_GUID "{01020304-0000-0000-0000-000000000000}"

/* The pairs given, up to a NULL key. */
static void with_pairs(struct fault_scene *s, const char *const *pairs)
{
    fault_child_content(s);
    bld_locator_forget(s->b);
    for (size_t i = 0; pairs[i]; i += 2)
        bld_locator_pair(s->b, pairs[i], pairs[i + 1]);
    fault_finish(s);
}

static const char *const three_pairs[] = {
    "parent_linkage", SOME_GUID, "relative_path", ".\\a", "volume_path", "b", NULL};

static void locator_place(struct fault_scene *s)
{
    with_pairs(s, three_pairs);
    fault_poke(s, fault_item_at(s, &vx_guid_parent_locator) + 20 + 2 * 12, 0xFFFFFF, 4);
}

static void locator_nul(struct fault_scene *s)
{
    with_pairs(s, three_pairs);
    uint64_t item = fault_item_at(s, &vx_guid_parent_locator);
    fault_poke(s, item + fault_peek(s, item + 20 + 12 + 4, 4) + 2, 0, 2);
}

static void locator_duplicate(struct fault_scene *s)
{
    static const char *const pairs[] = {"parent_linkage", SOME_GUID, "relative_path", ".\\a", "relative_path",
                                        ".\\b",           NULL};
    with_pairs(s, pairs);
}

static void locator_no_linkage(struct fault_scene *s)
{
    static const char *const pairs[] = {"relative_path", ".\\a", NULL};
    with_pairs(s, pairs);
}

static void locator_linkage(struct fault_scene *s)
{
    static const char *const pairs[] = {"parent_linkage", "nobody", "relative_path", ".\\a", NULL};
    with_pairs(s, pairs);
}

static void locator_no_path(struct fault_scene *s)
{
    static const char *const pairs[] = {"parent_linkage", SOME_GUID, NULL};
    with_pairs(s, pairs);
}

static void locator_reserved(struct fault_scene *s)
{
    fault_child(s);
    fault_poke(s, fault_item_at(s, &vx_guid_parent_locator) + 16, 1, 2);
}

static const struct fault rows[] = {

    F(LOCATOR_SHORT, "five entries in 20 bytes", locator_short, 0),
    F(LOCATOR_TYPE, "a type that nobody knows", locator_type, 0),
    F(LOCATOR_COUNT, "no entries", locator_count, 0),
    F(LOCATOR_PLACE, "a key outside of the item", locator_place, 0),
    F(LOCATOR_NUL, "a NUL in a path", locator_nul, 0),
    F(LOCATOR_DUPLICATE, "relative_path twice", locator_duplicate, 0),
    F(LOCATOR_NO_LINKAGE, "no parent_linkage", locator_no_linkage, 0),
    F(LOCATOR_LINKAGE, "a parent_linkage that is no GUID", locator_linkage, 0),
    F(LOCATOR_NO_PATH, "no path", locator_no_path, 0),
    F(LOCATOR_RESERVED, "the reserved field is 1", locator_reserved, 0),
};

const struct fault_rows faults_of_locator = {rows, sizeof rows / sizeof rows[0]};
