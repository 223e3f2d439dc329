/*
 * Security descriptors, put together by hand as NTFS keeps them.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "base/guid.h"
#include "format/security.h"

#define MAY_ALL 0x001F01FFu

/* A descriptor with a list of entries. */
struct descriptor {
    uint8_t bytes[512];
    size_t size;
};

static void begin(struct descriptor *d)
{
    memset(d, 0, sizeof *d);
    d->bytes[0] = 1;
    vx_put16(d->bytes + 2, 0x8004);
    vx_put32(d->bytes + 16, 20);
    d->bytes[20] = 2;
    vx_put16(d->bytes + 22, 8);
    d->size = 28;
}

static void add(struct descriptor *d, uint8_t type, uint8_t flags, uint32_t mask, uint8_t authority, size_t count,
                const uint32_t *parts)
{
    uint8_t *ace = d->bytes + d->size;
    size_t size = 16 + count * 4;
    ace[0] = type;
    ace[1] = flags;
    vx_put16(ace + 2, (uint16_t)size);
    vx_put32(ace + 4, mask);
    ace[8] = 1;
    ace[9] = (uint8_t)count;
    ace[15] = authority;
    for (size_t i = 0; i < count; i++)
        vx_put32(ace + 16 + i * 4, parts[i]);
    d->size += size;
    vx_put16(d->bytes + 22, (uint16_t)(d->size - 20));
    vx_put16(d->bytes + 24, (uint16_t)(vx_get16(d->bytes + 24) + 1));
}

/* The account whose number an event log of Windows gives beside the machine's id. */
static const uint32_t machine[6] = {83, 1, 3655396106u, 1351506743u, 3915871121u, 3476744365u};
static const uint32_t administrators[2] = {32, 544}, everyone[1] = {0}, all_machines[2] = {83, 0};

static enum vx_machine_access access_of(const struct descriptor *d, struct vx_sid *sids, size_t *count)
{
    struct vx_security security;
    cr_assert_eq(vx_security_decode(vx_bytes_of(d->bytes, d->size), &security), VHDX_OK);
    return vx_security_machines(&security, sids, count);
}

Test(security, tells_the_machine_by_its_account)
{
    struct descriptor d;
    struct vx_sid sids[VX_MACHINES_MAX];
    char text[VX_SID_TEXT], guid_text[VX_GUID_TEXT];
    vhdx_guid id;
    size_t count;
    begin(&d);
    add(&d, VX_ACE_ALLOWED, 0, MAY_ALL, 5, 2, administrators);
    add(&d, VX_ACE_ALLOWED, 0, MAY_ALL, 5, 6, machine);
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_SOME);
    cr_assert_eq(count, 1);
    vx_sid_format(&sids[0], text);
    cr_expect_str_eq(text, "S-1-5-83-1-3655396106-1351506743-3915871121-3476744365");
    cr_assert(vx_sid_machine(&sids[0], &id));
    vx_guid_format(&id, guid_text);
    cr_expect_str_eq(guid_text, "d9e0eb0a-5b37-508e-9173-67e9ade83acf");
}

Test(security, finds_no_machine_among_other_accounts)
{
    struct descriptor d;
    struct vx_sid sids[VX_MACHINES_MAX];
    size_t count;
    begin(&d);
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_NONE, "an empty list");
    add(&d, VX_ACE_ALLOWED, 0, MAY_ALL, 5, 2, administrators);
    add(&d, VX_ACE_DENIED, 0, MAY_ALL, 5, 6, machine);
    add(&d, VX_ACE_ALLOWED, VX_ACE_INHERIT_ONLY, MAY_ALL, 5, 6, machine);
    add(&d, VX_ACE_ALLOWED, 0, 0x00100000, 5, 6, machine); /* may wait for it, not read it */
    add(&d, VX_ACE_ALLOWED, 0, MAY_ALL, 5, 5, machine);    /* one number short */
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_NONE);
    cr_expect_eq(count, 0);
}

Test(security, lets_all_machines_in_by_their_group_or_as_everyone)
{
    struct descriptor d;
    struct vx_sid sids[VX_MACHINES_MAX];
    size_t count;
    begin(&d);
    add(&d, VX_ACE_ALLOWED, 0, 0x80000000u, 1, 1, everyone);
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_ALL);
    begin(&d);
    add(&d, VX_ACE_ALLOWED, 0, MAY_ALL, 5, 2, all_machines);
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_ALL);
}

Test(security, keeps_nobody_out_without_a_list)
{
    struct descriptor d;
    struct vx_sid sids[VX_MACHINES_MAX];
    size_t count;
    begin(&d);
    vx_put32(d.bytes + 16, 0);
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_ALL, "present, but at no place");
    begin(&d);
    vx_put16(d.bytes + 2, 0x8000);
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_ALL, "not present");
}

Test(security, passes_over_entries_of_other_types)
{
    struct descriptor d;
    struct vx_sid sids[VX_MACHINES_MAX];
    size_t count;
    begin(&d);
    add(&d, 5, 0, MAY_ALL, 5, 6, machine);
    add(&d, VX_ACE_ALLOWED, 0, MAY_ALL, 5, 6, machine);
    cr_expect_eq(access_of(&d, sids, &count), VX_MACHINE_ACCESS_SOME);
    cr_expect_eq(count, 1);
}

Test(security, ends_where_lengths_make_no_sense)
{
    struct descriptor d;
    struct vx_security security;
    struct vx_ace ace;
    size_t at = 0;
    begin(&d);
    add(&d, VX_ACE_ALLOWED, 0, MAY_ALL, 5, 6, machine);
    for (size_t size = 0; size < d.size; size++)
        cr_expect_neq(vx_security_decode(vx_bytes_of(d.bytes, size), &security), VHDX_OK, "%zu bytes", size);
    cr_assert_eq(vx_security_decode(vx_bytes_of(d.bytes, d.size), &security), VHDX_OK);
    vx_put16(d.bytes + 30, 3); /* an entry shorter than its own head */
    cr_expect(!vx_security_next(&security, &at, &ace));
    vx_put16(d.bytes + 30, 400);
    cr_expect(!vx_security_next(&security, &at, &ace));
    vx_put16(d.bytes + 30, 40);
    d.bytes[28 + 9] = 15; /* more numbers than the entry has room for */
    cr_expect(!vx_security_next(&security, &at, &ace));
    vx_put32(d.bytes + 16, UINT32_MAX);
    cr_expect_eq(vx_security_decode(vx_bytes_of(d.bytes, d.size), &security), VHDX_TRUNCATED);
    d.bytes[0] = 2;
    cr_expect_eq(vx_security_decode(vx_bytes_of(d.bytes, d.size), &security), VHDX_CORRUPT);
}

Test(security, the_longest_account_fits_its_text)
{
    char text[VX_SID_TEXT];
    struct vx_sid sid = {.revision = 255, .count = 15, .authority = UINT64_C(0xFFFFFFFFFFFF)};
    memset(sid.parts, 0xFF, sizeof sid.parts);
    vx_sid_format(&sid, text);
    cr_expect_eq(strlen(text), strlen("S-255-281474976710655") + 15 * strlen("-4294967295"));
}
