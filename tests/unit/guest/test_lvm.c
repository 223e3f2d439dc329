/*
 * The text in which LVM2 describes its volumes: linear ones are found with their pieces, everything else is said not to
 * be linear, and what makes no sense is none.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "guest/lvm.h"

#define ID "abcdefghijklmnopqrstuvwxyz012345"
#define BEFORE                                                                                                         \
    "# made by hand\nvg0 {\nid = \"x\"\nextent_size = 2048\nstatus = [\"READ\", \"WRITE\"]\nphysical_volumes {\n"      \
    "pv0 {\nid = \"other\"\npe_start = 4096\n}\n"                                                                      \
    "pv1 {\nid = \"abcdef-ghij-klmn-opqr-stuv-wxyz-012345\"\npe_start = 2048 # sectors\n}\n}\nlogical_volumes {\n"
#define SEGMENT(number, start, count, type, stripes, pv, place)                                                        \
    "segment" #number " {\nstart_extent = " #start "\nextent_count = " #count "\ntype = \"" type                       \
    "\"\nstripe_count = " #stripes "\nstripes = [\n\"" pv "\", " #place "\n]\n}\n"
#define AFTER "}\n}\ndescription = \"a \\\"quoted\\\" }\"\n"

static struct vx_lvm lvm;

static bool decode(const char *text)
{
    return vx_lvm_decode(vx_bytes_of(text, strlen(text)), ID, &lvm);
}

Test(lvm, finds_a_volume_of_two_pieces)
{
    cr_assert(decode(BEFORE "root {\nid = \"y\"\n" SEGMENT(1, 0, 20, "striped", 1, "pv1", 0) SEGMENT(
        2, 20, 10, "striped", 1, "pv1", 28) "}\nhome {\n" SEGMENT(1, 0, 8, "striped", 1, "pv1", 20) "}\n" AFTER));
    cr_assert_eq(lvm.count, 2);
    const struct vx_lvm_volume *root = &lvm.volumes[0];
    cr_expect_str_eq(root->name, "root");
    cr_expect(root->linear && root->count == 2 && root->size == 30 << 20);
    cr_expect(root->segments[1].start == 20 << 20 && root->segments[1].length == 10 << 20 &&
              root->segments[1].place == (1 + 28) << 20);
    cr_expect_str_eq(lvm.volumes[1].name, "home");
    cr_expect(lvm.volumes[1].linear && lvm.volumes[1].segments[0].place == 21 << 20);
}

Test(lvm, says_of_others_that_they_are_not_linear)
{
    static const char *const others[] = {
        SEGMENT(1, 0, 20, "striped", 2, "pv1", 0),
        SEGMENT(1, 0, 20, "mirror", 1, "pv1", 0),
        SEGMENT(1, 0, 20, "striped", 1, "pv0", 0),
        SEGMENT(1, 5, 20, "striped", 1, "pv1", 0), /* begins late */
        SEGMENT(1, 0, 0, "striped", 1, "pv1", 0),
        SEGMENT(1, 0, 20, "striped", 1, "pv1", 0) SEGMENT(2, 30, 20, "striped", 1, "pv1", 30),
        "segment1 {\ntype = \"thin\"\n}\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char text[4096];
        snprintf(text, sizeof text, "%sroot {\n%s}\n%s", BEFORE, others[i], AFTER);
        cr_assert(decode(text), "%zu", i);
        cr_assert_eq(lvm.count, 1);
        cr_expect_not(lvm.volumes[0].linear, "%zu", i);
    }
}

/* A thin pool's parts are linear volumes too, and none that holds a file system; a snapshot reads what its origin has
 * freed. */
Test(lvm, tells_hidden_volumes_and_snapshots)
{
    cr_assert(decode(BEFORE "pool_tdata {\nstatus = [\"READ\", \"WRITE\"]\n" SEGMENT(
        1, 0, 20, "striped", 1, "pv1",
        0) "}\nroot {\nstatus = [\"READ\", \"VISIBLE\"]\n" SEGMENT(1, 0, 8, "striped", 1, "pv1", 20) "}\n" AFTER));
    cr_expect(lvm.volumes[0].linear && !lvm.volumes[0].visible);
    cr_expect(lvm.volumes[1].linear && lvm.volumes[1].visible);
    cr_expect_not(lvm.snapshots);
    cr_assert(decode(BEFORE "root {\nstatus = [\"READ\", \"VISIBLE\"]\n" SEGMENT(
        1, 0, 20, "striped", 1, "pv1", 0) "}\nsnapshot0 {\nsegment1 {\ntype = \"snapshot\"\n}\n}\n" AFTER));
    cr_expect(lvm.snapshots);
}

Test(lvm, takes_no_text_that_makes_no_sense)
{
    char text[4096];
    snprintf(text, sizeof text, "%sroot {\n%s}\n%s", BEFORE, SEGMENT(1, 0, 20, "striped", 1, "pv1", 0), AFTER);
    cr_expect(decode(text));
    size_t whole = (size_t)(strstr(text, "description") - text) - 3;
    for (size_t length = strlen(BEFORE); length < whole; length++)
        cr_expect_not(vx_lvm_decode(vx_bytes_of(text, length), ID, &lvm), "%zu", length);
    cr_expect_not(decode(""));
    cr_expect_not(decode("}"));
    cr_expect_not(decode("vg { a { b { c { d { } } } } }"));
    cr_expect_not(vx_lvm_decode(vx_bytes_of(text, strlen(text)), "zbcdefghijklmnopqrstuvwxyz012345", &lvm));
}
