/* Links to a parent that only its content proves: to the disk, or to its very state. */
/* SPDX-License-Identifier: MIT */
#include "repair_link_parts.h"

static uint8_t state[SIZE], after[SIZE], candidate[SIZE];

TestSuite(repair_proven, .init = setup, .fini = teardown);

/* A child that names another identity than the disk under its parent's name has. */
struct doubtful {
    unsigned in_base, in_child; /* pieces of the partition table */
    uint8_t base_name, child_name;
    uint64_t base_size;
    uint8_t base_disk; /* of the virtual disk id */
};

static const struct doubtful usual = {GUEST_GPT, GUEST_HEADER, 7, 7, SIZE, 5};

static uint8_t expected[SIZE];

static void make_doubtful(const struct doubtful *pair)
{
    host->remove(host->context, UNDO, NULL); /* of another disk, which only the ids do not tell from this one */
    struct bld_options options = {
        .virtual_size = pair->base_size, .block_size = 1 << 20, .seed = 1, .virtual_disk_id = {{pair->base_disk}}};
    struct bld *base = bld_new(&options);
    options = (struct bld_options){.kind = VHDX_KIND_DIFFERENCING,
                                   .virtual_size = SIZE,
                                   .block_size = 1 << 20,
                                   .seed = 2,
                                   .virtual_disk_id = {{5}}};
    struct bld *child = bld_new(&options);
    bld_write_random(base, 3 << 20, 65536, 1);
    bld_write_random(child, (3 << 20) + 4096, 65536, 2);
    guest_gpt(base, SIZE, pair->base_name, pair->base_size == SIZE ? pair->in_base : 3 & pair->in_base);
    guest_gpt(child, SIZE, pair->child_name, pair->in_child);
    bld_parent(child, &(vhdx_guid){{6, 6}}, NULL, ".\\base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(base, host, BASE, NULL), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, AROUND_PATH, NULL), VHDX_OK);
    memset(expected, 0, sizeof expected);
    if (pair->base_size == SIZE)
        bld_apply(base, expected);
    bld_apply(child, expected);
    bld_free(base);
    bld_free(child);
}

static vhdx_report *salvage(size_t place_count)
{
    const vhdx_repair_options options = {
        .struct_size = sizeof options, .host = host, .salvage = true, .parents = places, .parent_count = place_count};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_repair(AROUND_PATH, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static void must_read_as_expected(void)
{
    static uint8_t bytes[SIZE];
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_error err;
    cr_assert_eq(vhdx_chain_open(AROUND_PATH, &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_chain_read(chain, bytes, sizeof bytes, 0, &err), VHDX_OK, "%s", err.message);
    vhdx_chain_free(chain);
    cr_assert(memcmp(bytes, expected, sizeof bytes) == 0);
}

static void must_be_salvaged(const char *parent, size_t place_count)
{
    const vhdx_undo_options undo = {.struct_size = sizeof undo, .host = host};
    uint64_t damaged = digest(AROUND_PATH), other = digest(parent);
    vhdx_error err;
    vhdx_report *report = verify();
    cr_assert(find(report, VX_FIND_PARENT_MISMATCH));
    cr_assert_eq(find(report, VX_FIND_PARENT_MISMATCH)->repair, VHDX_REPAIR_SALVAGE);
    vhdx_report_free(report);
    must_do_nothing(place_count);

    report = salvage(place_count);
    const vhdx_finding *finding = find(report, VX_FIND_PARENT_MISMATCH);
    cr_assert(finding && finding->corrected);
    cr_expect(strstr(finding->message, "GPT"), "%s", finding->message);
    cr_expect(strstr(finding->message, "cannot be known"), "%s", finding->message);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
    vhdx_report_free(report);

    report = verify();
    cr_assert_eq(vhdx_report_file(report, 0)->errors + vhdx_report_file(report, 0)->warnings, 0);
    vhdx_report_free(report);
    must_read_as_expected();
    uint64_t mended = digest(AROUND_PATH);
    vhdx_report_free(salvage(place_count));
    cr_assert_eq(digest(AROUND_PATH), mended, "a second repair writes");
    cr_assert_eq(digest(parent), other);
    cr_assert_eq(vhdx_undo(UNDO, &undo, NULL, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(digest(AROUND_PATH), damaged, "undo does not lead back");
}

static void must_not_be_salvaged(const char *why)
{
    for (size_t place_count = 0; place_count < 2; place_count++) {
        uint64_t before = digest(AROUND_PATH);
        vhdx_report_free(salvage(place_count));
        cr_expect_eq(digest(AROUND_PATH), before, "%s", why);
    }
}

Test(repair_proven, links_to_the_disk_that_a_partition_table_in_both_shows)
{
    static const unsigned in_child[] = {GUEST_HEADER, GUEST_ENTRIES, GUEST_HEADER | GUEST_ENTRIES, GUEST_BACKUP_HEADER,
                                        GUEST_GPT & ~GUEST_BACKUP_ENTRIES};
    for (size_t i = 0; i < sizeof in_child / sizeof in_child[0]; i++) {
        struct doubtful pair = usual;
        pair.in_child = in_child[i];
        make_doubtful(&pair);
        must_be_salvaged(BASE, 0);
        must_be_salvaged(BASE, 1);
    }
}

Test(repair_proven, takes_a_table_in_one_of_the_two_for_no_proof)
{
    struct doubtful pair = usual;
    make_doubtful((pair.in_child = 0, &pair));
    must_not_be_salvaged("the child has no part of it");
    make_doubtful((pair.in_child = GUEST_GPT, &pair));
    must_not_be_salvaged("the child has all of it");
    pair = (struct doubtful){0, GUEST_GPT, 7, 7, SIZE, 5};
    make_doubtful(&pair);
    must_not_be_salvaged("the base is empty");
    pair = (struct doubtful){GUEST_GPT, GUEST_HEADER | GUEST_BACKUP_HEADER, 0, 0, SIZE, 5};
    make_doubtful(&pair);
    must_not_be_salvaged("a table without partitions has the same checksum everywhere");
}

Test(repair_proven, takes_no_disk_that_the_content_contradicts)
{
    struct doubtful pair = usual;
    make_doubtful((pair.base_name = 9, &pair));
    must_not_be_salvaged("another table");
    pair = usual;
    make_doubtful((pair.base_disk = 6, &pair));
    must_not_be_salvaged("another virtual disk id");
    pair = usual;
    make_doubtful((pair.base_size = SIZE - (1 << 20), &pair));
    must_not_be_salvaged("another size");
}

/* Any layer below a missing one would fit as well. */
Test(repair_proven, asks_the_content_only_of_what_bears_the_name_of_the_parent_or_is_named)
{
    make_doubtful(&usual);
    rename_file(BASE, "/d/renamed.vhdx");
    must_not_be_salvaged("another name");
    const char *const named[] = {"/d/renamed.vhdx"};
    const vhdx_repair_options options = {
        .struct_size = sizeof options, .host = host, .salvage = true, .parents = named, .parent_count = 1};
    vhdx_report *report;
    cr_assert_eq(vhdx_repair(AROUND_PATH, &options, &report, NULL), VHDX_OK);
    cr_assert(find(report, VX_FIND_PARENT_MISMATCH) && find(report, VX_FIND_PARENT_MISMATCH)->corrected);
    vhdx_report_free(report);
    must_read_as_expected();
}

/* What hides the content is mended in the same run. */
Test(repair_proven, asks_the_content_of_the_disk_as_it_will_be)
{
    make_doubtful(&usual);
    bld_poke_int(host, AROUND_PATH, 0x30020, 0x5566, 2);
    bld_poke_int(host, AROUND_PATH, 0x40020, 0x5566, 2);
    vhdx_report_free(salvage(0));
    must_read_as_expected();
    uint64_t mended = digest(AROUND_PATH);
    vhdx_report_free(salvage(0));
    cr_assert_eq(digest(AROUND_PATH), mended, "a second repair writes");
}

Test(repair_proven, names_the_command_where_the_content_leaves_it_open)
{
    struct doubtful pair = usual;
    make_doubtful((pair.in_child = GUEST_GPT, &pair));
    vhdx_report *report = verify();
    const vhdx_finding *finding = find(report, VX_FIND_PARENT_MISMATCH);
    cr_assert(finding);
    cr_expect_eq(finding->repair, VHDX_REPAIR_NONE);
    cr_expect(strstr(finding->message, "together they seem to fit"), "%s", finding->message);
    cr_expect_eq(finding->advice, VHDX_ADVICE_RELINK_FORCED_WRITTEN, "%s", finding->advice_text);
    cr_expect_str_eq(finding->advice_arguments[0], "/d/base.vhdx");
    cr_expect_str_eq(finding->advice_arguments[1], AROUND_PATH);
    vhdx_report_free(report);
}

/* Sectors in which the two differ. */
static void write_changes(struct bld *b, const uint8_t *from, const uint8_t *to)
{
    for (size_t at = 0; at < SIZE; at += 512)
        if (memcmp(from + at, to + at, 512) != 0)
            bld_write(b, at, to + at, 512);
}

static bool with_gpt;
static uint64_t volume; /* where the file system begins: at the disk's begin, or in the partition of guest_gpt() */

/* A machine's session, after which it was unmounted. */
static void live_on(uint8_t *disk, uint32_t time, uint8_t value)
{
    uint8_t *bytes = disk + volume;
    ext4_image_change(bytes, 2, value);
    ext4_image_commit(bytes, 1, EXT4_IMAGE_FIRST + 1, time);
    ext4_image_journal(bytes, EXT4_IMAGE_FIRST + 3, 0);
    ext4_image_super(bytes, time, 100 + value, false);
    memset(disk + (6 << 20) + value * 512, value, 512);
}

/* `after` is what the child made of `state`; the candidate begins as that state. */
static void begin_states(void)
{
    memset(state, 0, sizeof state);
    ext4_image_make(state + volume, 7);
    memset(state + (5 << 20), 0x77, 4096);
    memcpy(candidate, state, sizeof state);
    memcpy(after, state, sizeof state);
    live_on(after, 2000, 5);
}

/* The child lies on the candidate, whose identity it does not know. */
static void put_states(uint8_t disk)
{
    static const uint8_t zeros[SIZE];
    host->remove(host->context, UNDO, NULL);
    struct bld_options options = {.virtual_size = SIZE, .block_size = 1 << 20, .seed = 1, .virtual_disk_id = {{disk}}};
    struct bld *base = bld_new(&options);
    options = (struct bld_options){.kind = VHDX_KIND_DIFFERENCING,
                                   .virtual_size = SIZE,
                                   .block_size = 1 << 20,
                                   .seed = 2,
                                   .virtual_disk_id = {{5}}};
    struct bld *child = bld_new(&options);
    write_changes(base, zeros, candidate);
    write_changes(child, state, after);
    if (with_gpt) {
        guest_gpt(base, SIZE, 7, GUEST_GPT);
        guest_gpt(child, SIZE, 7, GUEST_HEADER);
    }
    bld_parent(child, &(vhdx_guid){{6, 6}}, NULL, ".\\base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(base, host, BASE, NULL), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, AROUND_PATH, NULL), VHDX_OK);
    bld_apply(base, expected);
    bld_apply(child, expected);
    bld_free(base);
    bld_free(child);
}

static void must_say(vhdx_repair_class class, const char *message, vhdx_advice advice)
{
    vhdx_report *report = verify();
    const vhdx_finding *finding = find(report, VX_FIND_PARENT_MISMATCH);
    cr_assert(finding);
    cr_expect_eq(finding->repair, class, "%s", finding->message);
    cr_expect(strstr(finding->message, message), "%s", finding->message);
    cr_expect_eq(finding->advice, advice, "%s", finding->advice_text);
    vhdx_report_free(report);
}

Test(repair_proven, links_without_loss_to_the_state_that_a_journal_goes_on_from)
{
    const vhdx_undo_options undo = {.struct_size = sizeof undo, .host = host};
    vhdx_error err;
    begin_states();
    for (size_t place_count = 0; place_count < 2; place_count++) {
        put_states(5);
        uint64_t damaged = digest(AROUND_PATH), other = digest(BASE);
        must_say(VHDX_REPAIR_LOSSLESS, "the content shows that it is the state that this one was made on",
                 VHDX_ADVICE_REPAIR_LINKAGE);
        vhdx_report_free(repair(place_count, true));
        cr_assert_eq(digest(AROUND_PATH), damaged, "a dry run writes");
        vhdx_report *report = repair(place_count, false);
        const vhdx_finding *finding = find(report, VX_FIND_PARENT_MISMATCH);
        cr_assert(finding && finding->corrected);
        cr_expect(strstr(finding->message, "goes on in the child with transaction 101"), "%s", finding->message);
        cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
        cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
        vhdx_report_free(report);
        report = verify();
        cr_assert_eq(vhdx_report_file(report, 0)->errors + vhdx_report_file(report, 0)->warnings, 0);
        vhdx_report_free(report);
        must_read_as_expected();
        cr_assert(memcmp(expected, after, sizeof after) == 0);
        must_do_nothing(place_count);
        cr_assert_eq(digest(BASE), other);
        cr_assert_eq(vhdx_undo(UNDO, &undo, NULL, &err), VHDX_OK, "%s", err.message);
        cr_assert_eq(digest(AROUND_PATH), damaged, "undo does not lead back");
    }
}

Test(repair_proven, gives_something_up_where_only_bitmaps_fit)
{
    begin_states();
    ext4_image_super(candidate, 2001, 100, false); /* it was changed by a program that needs no journal */
    put_states(5);
    must_say(VHDX_REPAIR_SALVAGE, "both belong to one disk: of the ext4 file system at 0x0",
             VHDX_ADVICE_LOSSY_OR_RELINK_FORCED);
    must_do_nothing(0);
    vhdx_report_free(salvage(0));
    must_read_as_expected();
}

Test(repair_proven, links_to_no_other_state_of_the_disk_even_if_told_to_give_something_up)
{
    begin_states();
    live_on(candidate, 1500, 3); /* later: only the journal tells, all that else differs is hidden by the child */
    put_states(5);
    must_say(VHDX_REPAIR_NONE, "another state of the disk, or another disk: of the ext4 file system at 0x0",
             VHDX_ADVICE_RELINK_FORCED_DAMAGE);
    must_not_be_salvaged("a later state");
    begin_states();
    ext4_image_change(candidate, 3, 9);
    put_states(5);
    must_say(VHDX_REPAIR_NONE, "the block bitmap of group 3 has not the checksum", VHDX_ADVICE_RELINK_FORCED_DAMAGE);
    must_not_be_salvaged("another state");
    begin_states();
    memset(candidate, 0, sizeof candidate);
    ext4_image_make(candidate, 8);
    ext4_image_change(candidate, 3, 9);
    put_states(5);
    must_say(VHDX_REPAIR_NONE, "another state of the disk, or another disk", VHDX_ADVICE_RELINK_FORCED_DAMAGE);
    must_not_be_salvaged("another disk");
}

/* Its state can be proven to be right by content, but its id says that it is another disk. */
Test(repair_proven, proves_no_state_of_a_disk_with_another_id)
{
    begin_states();
    put_states(6);
    must_not_be_salvaged("another virtual disk id");
}

Test(repair_proven, says_nothing_of_states_while_a_journal_is_to_be_replayed)
{
    begin_states();
    ext4_image_super(after, 2000, 200, true);
    put_states(5);
    must_say(VHDX_REPAIR_NONE, "together they seem to fit", VHDX_ADVICE_RELINK_FORCED_WRITTEN);
    must_not_be_salvaged("a journal to be replayed");
}

/* What a partition table proves is less than what a file system says. */
Test(repair_proven, weighs_a_file_system_more_than_the_partition_table)
{
    volume = 1 << 20;
    with_gpt = true;
    begin_states();
    put_states(5);
    must_say(VHDX_REPAIR_LOSSLESS, "the ext4 file system at 0x100000 of the disk", VHDX_ADVICE_REPAIR_LINKAGE);
    live_on(candidate, 1500, 3);
    put_states(5);
    must_say(VHDX_REPAIR_NONE, "another state of the disk", VHDX_ADVICE_RELINK_FORCED_DAMAGE);
    must_not_be_salvaged("a later state");
    begin_states();
    ext4_image_super(after + volume, 2000, 200, true);
    put_states(5);
    must_say(VHDX_REPAIR_SALVAGE, "the GPT, of which a part lies in each", VHDX_ADVICE_LOSSY_OR_RELINK_FORCED);
}

static void put_boot_record(uint8_t *disk)
{
    /* 1 MiB, 2 MiB long */
    memcpy(disk + 446, (const uint8_t[16]){0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0}, 16);
    /* 4 MiB, 1 MiB long */
    memcpy(disk + 462, (const uint8_t[16]){0, 0, 0, 0, 0x83, 0, 0, 0, 0, 32, 0, 0, 0, 8, 0, 0}, 16);
    memcpy(disk + 510, "\x55\xAA", 2);
}

/* Nobody knows what another volume has gone through since, unless nothing depends on its state. */
Test(repair_proven, proves_no_state_beside_a_volume_that_cannot_be_asked)
{
    volume = 1 << 20;
    for (unsigned encrypted = 0; encrypted < 2; encrypted++) {
        begin_states();
        uint8_t *const disks[] = {state, after, candidate};
        for (size_t i = 0; i < 3; i++) {
            put_boot_record(disks[i]);
            if (encrypted)
                memcpy(disks[i] + (4 << 20), "LUKS\xBA\xBE\0\1", 8);
        }
        put_states(5);
        if (encrypted)
            must_say(VHDX_REPAIR_SALVAGE, "both belong to one disk: of the ext4 file system at 0x100000",
                     VHDX_ADVICE_LOSSY_OR_RELINK_FORCED);
        else
            must_say(VHDX_REPAIR_LOSSLESS, "the state that this one was made on", VHDX_ADVICE_REPAIR_LINKAGE);
    }
}
