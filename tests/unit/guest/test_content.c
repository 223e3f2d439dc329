/*
 * What is recognized inside of a virtual disk. File systems are made by the programs that make them everywhere (skipped
 * where they are not installed), tables also by hand, so that single fields can be wrong. The one thing that is easy to
 * get wrong: a test of a hint must also show that damage is noticed, or it shows nothing.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "files.h"
#include "guest/filesystems.h"
#include "guest/partitions.h"

/* A disk in memory, some of which may be unreadable. */
struct disk {
    uint8_t *bytes;
    uint64_t size;
    uint64_t bad_offset, bad_length;
    uint64_t bytes_read;
};

static bool read_disk(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    struct disk *disk = context;
    if (virtual_offset > disk->size || length > disk->size - virtual_offset)
        return false;
    if (virtual_offset < disk->bad_offset + disk->bad_length && disk->bad_offset < virtual_offset + length)
        return false;
    memcpy(buf, disk->bytes + virtual_offset, length);
    disk->bytes_read += length;
    return true;
}

static struct vx_content *look(struct disk *disk, uint64_t size, uint32_t sector_size)
{
    struct vx_content_source source = {disk, read_disk, size, sector_size};
    struct vx_content *content = malloc(sizeof *content);
    vx_content_look(&source, content);
    return content;
}

static void cr_expect_look(struct disk *disk, enum vx_content_verdict verdict, const char *text)
{
    char found[400];
    struct vx_content *content = look(disk, disk->size, 0);
    vx_content_text(content, found, sizeof found);
    cr_expect_eq(content->verdict, verdict, "%s: verdict %d, +%u -%u", found, (int)content->verdict,
                 content->agreements, content->contradictions);
    cr_expect_str_eq(found, text);
    free(content);
}

static struct disk blank(uint64_t size)
{
    return (struct disk){.bytes = calloc(1, size), .size = size};
}

/* ---- file systems as their own programs make them ---- */

/* Runs a program on an empty file, and gives the file back; .bytes NULL: not installed, or it does not want. */
static struct disk make_from(uint64_t size, const char *program, const char *options, const char *input)
{
    char *directory = files_directory(), *path = files_path(directory, "image"), command[600];
    struct disk disk = {0};
    size_t length;
    snprintf(command, sizeof command,
             "PATH=$PATH:/usr/sbin:/sbin; command -v %s >/dev/null && truncate -s %llu %s && "
             "printf '%s' | %s %s %s >/dev/null 2>&1",
             program, (unsigned long long)size, path, input, program, options, path);
    const char *const arguments[] = {"sh", "-c", command, NULL};
    struct files_run run = files_run(arguments);
    if (run.status == 0) {
        disk.bytes = files_read(path, &length);
        disk.size = length;
    }
    files_run_free(&run);
    free(path);
    files_remove_directory(directory);
    return disk;
}

static struct disk make(uint64_t size, const char *program, const char *options)
{
    return make_from(size, program, options, "");
}

struct maker {
    const char *program, *options;
    uint64_t size;
    enum vx_fs_kind kind;
    uint32_t agreements;
    uint64_t damage; /* a byte of a structure that the boot block's own words lead to */
};

static const struct maker makers[] = {
    {"mkntfs", "-Q -F", 16 * VX_MIB, VX_FS_NTFS, 4, 16 * VX_MIB - 512 + 100},
    {"mkfs.vfat", "-F 16", 16 * VX_MIB, VX_FS_FAT, 3, 0},
    {"mkfs.vfat", "-F 32", 40 * VX_MIB, VX_FS_FAT, 3, 0},
    {"mkfs.exfat", "", 16 * VX_MIB, VX_FS_EXFAT, 3, 12 * 512 + 200},
    {"mke2fs", "-F -t ext2", 24 * VX_MIB, VX_FS_EXT, 2, 0},
    {"mke2fs", "-F -t ext4 -O metadata_csum -b 1024", 24 * VX_MIB, VX_FS_EXT, 3, (8192 + 1) * 1024 + 0x38},
    {"mke2fs", "-F -t ext4 -O metadata_csum -b 4096", 160 * VX_MIB, VX_FS_EXT, 3, 1024 + 0x78},
    {"mkfs.xfs", "-f", 320 * VX_MIB, VX_FS_XFS, 3, 0x30},
    {"mkfs.btrfs", "", 200 * VX_MIB, VX_FS_BTRFS, 3, 64 * VX_MIB + 0x20},
    {"mkswap", "", VX_MIB, VX_FS_SWAP, 2, 0},
};

Test(content, knows_file_systems_made_by_their_own_programs)
{
    size_t seen = 0;
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        struct disk disk = make(makers[i].size, makers[i].program, makers[i].options);
        if (!disk.bytes)
            continue;
        seen++;
        struct vx_content *content = look(&disk, disk.size, 0);
        cr_expect_eq(content->whole.kind, makers[i].kind, "%s %s: %s", makers[i].program, makers[i].options,
                     vx_fs_name(content->whole.kind));
        cr_expect_eq(content->whole.agreements, makers[i].agreements, "%s %s: %u", makers[i].program, makers[i].options,
                     content->whole.agreements);
        cr_expect_eq(content->contradictions, 0, "%s %s", makers[i].program, makers[i].options);
        cr_expect_eq(content->verdict, VX_CONTENT_ALIVE);
        cr_expect_leq(content->whole.size, disk.size);
        cr_expect_gt(content->whole.size, disk.size - disk.size / 8);
        free(content);
        free(disk.bytes);
    }
    if (seen == 0)
        cr_skip_test("no program that makes file systems is installed");
}

Test(content, doubts_a_file_system_whose_further_structures_are_damaged)
{
    size_t seen = 0;
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        struct disk disk = {0};
        if (makers[i].damage != 0)
            disk = make(makers[i].size, makers[i].program, makers[i].options);
        if (!disk.bytes)
            continue;
        seen++;
        disk.bytes[makers[i].damage] ^= 0x10;
        struct vx_content *content = look(&disk, disk.size, 0);
        cr_expect_eq(content->whole.kind, makers[i].kind);
        cr_expect_eq(content->verdict, VX_CONTENT_DOUBTFUL, "%s %s", makers[i].program, makers[i].options);
        free(content);
        free(disk.bytes);
    }
    if (seen == 0)
        cr_skip_test("no program that makes file systems is installed");
}

Test(content, doubts_a_file_system_that_is_larger_than_the_disk)
{
    struct disk disk = make(16 * VX_MIB, "mke2fs", "-F -t ext2");
    if (!disk.bytes)
        cr_skip_test("mke2fs is not installed");
    disk.size -= 2 * VX_MIB;
    struct vx_content *content = look(&disk, disk.size, 0);
    cr_expect_eq(content->whole.kind, VX_FS_EXT);
    cr_expect_eq(content->whole.size, 16 * VX_MIB);
    cr_expect_eq(content->verdict, VX_CONTENT_DOUBTFUL);
    free(content);
    free(disk.bytes);
}

Test(content, takes_what_cannot_be_read_neither_for_damage_nor_for_zeros)
{
    struct disk disk = make(16 * VX_MIB, "mkntfs", "-Q -F");
    if (!disk.bytes)
        cr_skip_test("mkntfs is not installed");
    disk.bad_offset = 4096; /* all but the boot sector */
    disk.bad_length = disk.size - 4096;
    struct vx_content *content = look(&disk, disk.size, 0);
    cr_expect_eq(content->whole.kind, VX_FS_NTFS);
    cr_expect_eq(content->verdict, VX_CONTENT_ALIVE);
    cr_expect_eq(content->agreements, 1);
    free(content);
    disk.bad_offset = 0;
    cr_expect_look(&disk, VX_CONTENT_UNREADABLE, "not readable at its beginning");
    free(disk.bytes);
}

Test(content, reads_a_table_and_its_partitions_as_sfdisk_and_mkntfs_write_them)
{
    struct disk disk = make_from(64 * VX_MIB, "sfdisk", "-q", "label: gpt\\n2048,32768\\n,,S\\n");
    struct disk inside = make(16 * VX_MIB, "mkntfs", "-Q -F");
    if (!disk.bytes || !inside.bytes)
        cr_skip_test("sfdisk or mkntfs is not installed");
    memcpy(disk.bytes + VX_MIB, inside.bytes, inside.size);
    cr_expect_look(&disk, VX_CONTENT_ALIVE, "GPT with 2 partitions: NTFS 16 MiB (clean), 1 not recognized");
    free(disk.bytes);
    free(inside.bytes);
}

/* ---- GUID partition tables by hand ---- */

struct table {
    uint64_t size; /* of the disk */
    uint32_t sector_size;
    uint64_t first, last; /* of the one partition */
};

static void put_header(uint8_t *disk, const struct table *table, uint64_t my, uint64_t other, uint64_t array)
{
    uint8_t *header = disk + my * table->sector_size;
    uint64_t sectors = table->size / table->sector_size;
    memset(header, 0, table->sector_size);
    vx_put64(header, VX_GPT_SIGNATURE);
    vx_put32(header + 8, 0x10000);
    vx_put32(header + 12, 92);
    vx_put64(header + 24, my);
    vx_put64(header + 32, other);
    vx_put64(header + 40, 34);
    vx_put64(header + 48, sectors - 34);
    memset(header + 56, 0x77, 16);
    vx_put64(header + 72, array);
    vx_put32(header + 80, 128);
    vx_put32(header + 84, 128);
    vx_put32(header + 88, (uint32_t)crc32(0, disk + array * table->sector_size, 128 * 128));
    vx_put32(header + 16, (uint32_t)crc32(0, header, 92));
}

/* Both copies, and one partition. */
static struct disk gpt_disk(const struct table *table)
{
    struct disk disk = blank(table->size);
    uint64_t last = table->size / table->sector_size - 1, span = 16384 / table->sector_size;
    for (size_t i = 0; i < 2; i++) {
        uint8_t *entry = disk.bytes + (i ? last - span : 2) * table->sector_size;
        memset(entry, 0x55, 32);
        vx_put64(entry + 32, table->first);
        vx_put64(entry + 40, table->last);
    }
    put_header(disk.bytes, table, 1, last, 2);
    put_header(disk.bytes, table, last, 1, last - span);
    return disk;
}

static const struct table usual = {8 * VX_MIB, 512, 2048, 8191};

Test(content, tells_size_and_sector_size_from_the_places_of_the_headers)
{
    static const uint32_t sizes[2] = {512, 4096};
    for (size_t i = 0; i < 2; i++) {
        struct table table = {8 * VX_MIB, sizes[i], 40, 99};
        struct disk disk = gpt_disk(&table);
        struct vx_content *content = look(&disk, UINT64_MAX, 0);
        cr_expect_eq(content->table, VX_TABLE_GPT);
        cr_expect_eq(content->verdict, VX_CONTENT_ALIVE);
        cr_expect_eq(content->implied_size, 8 * VX_MIB);
        cr_expect_eq(content->implied_sector_size, sizes[i]);
        cr_expect_eq(content->partition_count, 1);
        cr_expect_eq(content->partitions[0].offset, 40u * sizes[i]);
        cr_expect_eq(content->partitions[0].length, 60u * sizes[i]);
        free(content);
        content = look(&disk, disk.size, 512 + 4096 - sizes[i]);
        cr_expect_eq(content->verdict, VX_CONTENT_DOUBTFUL, "the other sector size");
        free(content);
        free(disk.bytes);
    }
}

Test(content, reads_the_partitions_from_the_copy_that_is_left)
{
    for (uint64_t i = 0; i < 2; i++) {
        struct disk disk = gpt_disk(&usual);
        disk.bytes[(i ? disk.size / 512 - 1 : 1) * 512 + 57] ^= 1;
        struct vx_content *content = look(&disk, disk.size, 512);
        cr_expect_eq(i ? content->backup.damaged : content->primary.damaged, true);
        cr_expect_eq(content->table, VX_TABLE_GPT);
        cr_expect_eq(content->partition_count, 1);
        cr_expect_eq(content->implied_size, disk.size);
        cr_expect_eq(content->verdict, VX_CONTENT_DOUBTFUL);
        free(content);
        free(disk.bytes);
    }
}

Test(content, reads_the_entries_whose_checksum_is_right)
{
    struct disk disk = gpt_disk(&usual);
    disk.bytes[2 * 512 + 200] ^= 1;
    struct vx_content *content = look(&disk, disk.size, 512);
    cr_expect(!content->primary.array_right);
    cr_expect(content->backup.array_right);
    cr_expect_eq(content->partition_count, 1);
    cr_expect_eq(content->contradictions, 1);
    free(content);
    free(disk.bytes);
}

Test(content, doubts_copies_that_name_different_disks)
{
    struct disk disk = gpt_disk(&usual), other = gpt_disk(&usual);
    uint8_t *header = disk.bytes + disk.size - 512;
    memset(header + 56, 0x78, 16);
    vx_put32(header + 16, 0);
    vx_put32(header + 16, (uint32_t)crc32(0, header, 92));
    struct vx_content *content = look(&disk, disk.size, 512);
    cr_expect(content->gpt_copies_differ);
    cr_expect_eq(content->verdict, VX_CONTENT_DOUBTFUL);
    free(content);
    free(disk.bytes);
    free(other.bytes);
}

Test(content, doubts_a_disk_that_ends_before_its_table_does)
{
    struct disk disk = gpt_disk(&usual);
    disk.size -= VX_MIB;
    struct vx_content *content = look(&disk, disk.size, 512);
    cr_expect_eq(content->implied_size, 8 * VX_MIB);
    cr_expect_eq(content->verdict, VX_CONTENT_DOUBTFUL);
    free(content);
    free(disk.bytes);
}

Test(content, takes_a_disk_that_was_made_larger_for_alive)
{
    struct disk disk = gpt_disk(&usual);
    disk.bytes = realloc(disk.bytes, 9 * VX_MIB);
    memset(disk.bytes + 8 * VX_MIB, 0, VX_MIB);
    disk.size = 9 * VX_MIB;
    struct vx_content *content = look(&disk, disk.size, 512);
    cr_expect_eq(content->implied_size, 8 * VX_MIB);
    cr_expect_eq(content->verdict, VX_CONTENT_ALIVE);
    free(content);
    free(disk.bytes);
}

Test(content, misses_the_table_that_a_protective_record_protects)
{
    struct disk disk = blank(VX_MIB);
    disk.bytes[446 + 4] = 0xEE;
    vx_put32(disk.bytes + 446 + 8, 1);
    vx_put32(disk.bytes + 446 + 12, 2047);
    vx_put16(disk.bytes + 510, 0xAA55);
    cr_expect_look(&disk, VX_CONTENT_DOUBTFUL, "a damaged partition table");
    free(disk.bytes);
}

Test(content, reads_no_array_whose_header_makes_no_sense)
{
    static const struct {
        size_t field;
        uint64_t value;
        size_t size;
    } changes[] = {
        {80, 0, 4},  {80, UINT32_MAX, 4}, {84, 0, 4},          {84, 100, 4},        {84, 1u << 31, 4},
        {12, 91, 4}, {12, UINT32_MAX, 4}, {32, UINT64_MAX, 8}, {72, UINT64_MAX, 8}, {48, 1, 8},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct disk disk = gpt_disk(&usual);
        uint8_t *header = disk.bytes + 512, bytes[8];
        vx_put64(bytes, changes[i].value);
        memcpy(header + changes[i].field, bytes, changes[i].size);
        vx_put32(header + 16, 0);
        uint32_t size = vx_get32(header + 12);
        vx_put32(header + 16, (uint32_t)crc32(0, header, size > 512 ? 512 : size));
        struct vx_content *content = look(&disk, disk.size, 512);
        cr_expect(content->primary.damaged && !content->primary.found, "field %zu", changes[i].field);
        cr_expect_lt(disk.bytes_read, VX_MIB);
        free(content);
        free(disk.bytes);
    }
}

/* ---- boot records by hand ---- */

static void put_mbr_entry(uint8_t *record, size_t number, uint8_t type, uint32_t first, uint32_t count)
{
    uint8_t *entry = record + 446 + number * 16;
    entry[4] = type;
    vx_put32(entry + 8, first);
    vx_put32(entry + 12, count);
    vx_put16(record + 510, 0xAA55);
}

Test(content, follows_logical_drives_of_a_boot_record)
{
    struct disk disk = blank(4 * VX_MIB);
    put_mbr_entry(disk.bytes, 0, 0x07, 64, 1000);
    put_mbr_entry(disk.bytes, 1, 0x05, 2000, 4000);
    put_mbr_entry(disk.bytes + 2000 * 512, 0, 0x83, 63, 500);
    put_mbr_entry(disk.bytes + 2000 * 512, 1, 0x05, 1000, 2000);
    put_mbr_entry(disk.bytes + 3000 * 512, 0, 0x83, 63, 600);
    struct vx_content *content = look(&disk, disk.size, 512);
    cr_expect_eq(content->table, VX_TABLE_MBR);
    cr_assert_eq(content->partition_count, 3);
    cr_expect_eq(content->partitions[1].offset, 2063 * 512);
    cr_expect_eq(content->partitions[2].offset, 3063 * 512);
    cr_expect_eq(content->partitions[2].length, 600 * 512);
    cr_expect_eq(content->verdict, VX_CONTENT_ALIVE);
    free(content);
    free(disk.bytes);
}

Test(content, leaves_a_loop_of_boot_records)
{
    struct disk disk = blank(4 * VX_MIB);
    put_mbr_entry(disk.bytes, 0, 0x05, 2000, 4000);
    put_mbr_entry(disk.bytes + 2000 * 512, 0, 0x83, 63, 500);
    put_mbr_entry(disk.bytes + 2000 * 512, 1, 0x05, 0, 2000);
    struct vx_content *content = look(&disk, disk.size, 512);
    cr_expect(content->more_partitions);
    free(content);
    free(disk.bytes);
}

Test(content, doubts_a_partition_beyond_the_end)
{
    struct disk disk = blank(VX_MIB);
    put_mbr_entry(disk.bytes, 0, 0x07, 64, UINT32_MAX);
    struct vx_content *content = look(&disk, disk.size, 512);
    cr_expect(content->partitions[0].beyond_end);
    cr_expect_eq(content->verdict, VX_CONTENT_DOUBTFUL);
    free(content);
    free(disk.bytes);
}

Test(content, does_not_take_a_boot_sector_for_a_partition_table)
{
    struct disk disk = blank(VX_MIB);
    memset(disk.bytes + 62, 0x90, 448); /* boot code reaches into the table's place */
    vx_put16(disk.bytes + 510, 0xAA55);
    cr_expect_look(&disk, VX_CONTENT_UNKNOWN, "nothing that is recognized");
    free(disk.bytes);
}

/* ---- the rest ---- */

Test(content, says_that_an_empty_disk_is_empty)
{
    struct disk disk = blank(VX_MIB);
    cr_expect_look(&disk, VX_CONTENT_EMPTY, "empty at its beginning");
    disk.size = 512;
    cr_expect_look(&disk, VX_CONTENT_EMPTY, "empty at its beginning");
    free(disk.bytes);
}

Test(content, knows_refs_and_bitlocker_by_their_first_sector)
{
    struct disk disk = blank(VX_MIB);
    memcpy(disk.bytes + 3, "ReFS\0\0\0\0", 8);
    memcpy(disk.bytes + 16, "FSRS", 4);
    vx_put64(disk.bytes + 24, 2000);
    vx_put32(disk.bytes + 32, 512);
    cr_expect_look(&disk, VX_CONTENT_ALIVE, "ReFS without a partition table");
    vx_put64(disk.bytes + 24, UINT64_MAX / 512 + 2);
    cr_expect_look(&disk, VX_CONTENT_DOUBTFUL, "ReFS without a partition table");
    memset(disk.bytes, 0, 512);
    memcpy(disk.bytes + 3, "-FVE-FS-", 8);
    vx_put16(disk.bytes + 510, 0xAA55);
    cr_expect_look(&disk, VX_CONTENT_ALIVE, "BitLocker without a partition table");
    free(disk.bytes);
}

Test(content, cuts_its_words_to_fit)
{
    struct vx_content content = {.table = VX_TABLE_MBR, .partition_count = 100};
    char text[8];
    for (size_t i = 0; i < 100; i++)
        content.partitions[i].fs.kind = VX_FS_NTFS;
    vx_content_text(&content, text, sizeof text);
    cr_expect_str_eq(text, "MBR wit");
    vx_content_text(&content, text, 1);
    cr_expect_str_eq(text, "");
    vx_content_text(&content, text, 0);
}
