/*
 * Real files, key by key: the tree is written out as text and its length and CRC-32 are compared with those of the same
 * text as another reader, in another language, has written it. The numbers of keys of each type are those that are
 * published for these files.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs_read.h"

#include "base/alloc.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "files.h"

/* The path of a key: its name behind those of its parents. */
static void put_path(FILE *out, const struct vx_tree *tree, uint32_t key)
{
    if (key == VX_TREE_ROOT)
        return;
    put_path(out, tree, tree->keys[key].parent);
    fprintf(out, "/%.*s", (int)tree->keys[key].name.size, (const char *)tree->keys[key].name.data);
}

/* "PATH TYPE VALUE" */
static void put_key(FILE *out, const struct vx_tree *tree, uint32_t key)
{
    const struct vx_key *k = &tree->keys[key];
    put_path(out, tree, key);
    fprintf(out, " %u ", k->type);
    if (k->type == VX_KEY_STRING) {
        char *text = vx_tree_text(tree, key);
        fputs(text, out);
        vx_free(text);
    } else if (k->type == VX_KEY_ARRAY) {
        for (size_t i = 0; i < k->value.size; i++)
            fprintf(out, "%02x", k->value.data[i]);
    } else if (k->type != VX_KEY_NODE) {
        fprintf(out, "%" PRIu64, k->number);
    }
    fputc('\n', out);
}

static void check(const char *name, const size_t counts[10], size_t length, uint32_t crc)
{
    char *directory = files_directory(), *path = files_sample(directory, name);
    if (!path) {
        files_remove_directory(directory);
        cr_skip_test("VHDX_SAMPLES does not have it");
    }
    struct vx_file *file;
    struct vx_tree tree;
    struct vx_config *config = vx_config_new(path);
    cr_assert(vx_tree_begin(&tree) && config);
    cr_assert_eq(vx_file_open(NULL, path, VHDX_OPEN_PEEK, &file, NULL), VHDX_OK);
    cr_assert_eq(vx_hvs_read(file, &tree, config, NULL), VHDX_OK);
    cr_assert(config->info.complete);
    cr_assert_eq(config->info.findings.count, 0);
    char *text = NULL;
    size_t size = 0, found[10] = {0};
    FILE *out = open_memstream(&text, &size);
    uint32_t key = vx_tree_walk(&tree, VX_TREE_ROOT, VX_TREE_ROOT);
    for (; key != VX_TREE_NONE; key = vx_tree_walk(&tree, VX_TREE_ROOT, key)) {
        put_key(out, &tree, key);
        found[tree.keys[key].type]++;
    }
    fclose(out);
    for (size_t i = 0; i < 10; i++)
        cr_assert_eq(found[i], counts[i], "type %zu: %zu", i, found[i]);
    cr_assert_eq(size, length, "%zu", size);
    cr_assert_eq(crc32(0, (const Bytef *)text, (uInt)size), crc);
    free(text);
    vx_file_close(file);
    vx_tree_end(&tree);
    vx_config_free(config);
    free(path);
    files_remove_directory(directory);
}

Test(hvs_read, every_key_of_a_real_configuration)
{
    static const size_t counts[10] = {
        [VX_KEY_INT] = 106, [VX_KEY_STRING] = 160, [VX_KEY_ARRAY] = 2, [VX_KEY_BOOL] = 35, [VX_KEY_NODE] = 106};
    check("hyperv-vm.vmcx", counts, 27092, 0xda13d993);
}

Test(hvs_read, every_key_of_a_real_runtime_state)
{
    static const size_t counts[10] = {[VX_KEY_INT] = 44, [VX_KEY_STRING] = 36, [VX_KEY_BOOL] = 10, [VX_KEY_NODE] = 23};
    check("hyperv-vm.vmrs", counts, 9893, 0x037ec576);
}
