/*
 * The proof of a parent by content. See proof.h. Zeros prove nothing: a table of which one layer holds only zeros reads the same over any empty disk.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/proof.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/guid.h"
#include "chain/layered.h"
#include "io/overlay.h"
#include "verify/check_content.h"

#include <stdio.h>

#define AT_ONCE 4096u

/* Who holds bytes of a structure that are not zeros. */
struct holders {
    bool child, below;
};

static vhdx_status add_holders(struct vx_chain *chain, uint64_t offset, uint64_t length, struct holders *holders,
                               vhdx_error *err)
{
    struct vx_cursor *cursor;
    uint8_t bytes[AT_ONCE];
    VX_TRY(vx_cursor_open(chain, 0, chain->count, false, &cursor, err));
    vhdx_status status = VHDX_OK;
    while (length > 0 && status == VHDX_OK) {
        struct vx_piece piece = {0};
        status = vx_cursor_at(cursor, offset, vx_min(length, AT_ONCE), &piece, err);
        if (status == VHDX_OK)
            status = vx_chain_read(chain, 0, bytes, (size_t)piece.length, offset, err);
        if (status == VHDX_OK && piece.kind == VX_RUN_DATA && !vx_is_zero(bytes, (size_t)piece.length))
            *(piece.layer == 0 ? &holders->child : &holders->below) = true;
        offset += piece.length;
        length -= piece.length;
    }
    vx_cursor_close(cursor);
    return status;
}

/* Header and entries of one copy, both of which read well. */
static vhdx_status add_copy(struct vx_chain *chain, const struct vx_gpt *gpt, struct holders *holders, vhdx_error *err)
{
    if (!gpt->found || !gpt->array_right)
        return VHDX_OK;
    VX_TRY(add_holders(chain, gpt->my_sector * gpt->sector_size, gpt->sector_size, holders, err));
    return add_holders(chain, gpt->array_sector * gpt->sector_size, (uint64_t)gpt->entry_count * gpt->entry_size, holders,
                       err);
}

/* Each copy is held together by checksums, and the two by the disk's id in both. */
static vhdx_status spans_both(struct vx_chain *chain, const struct vx_content *content, bool *spans, vhdx_error *err)
{
    struct holders holders = {0};
    *spans = false;
    if (content->table != VX_TABLE_GPT || content->contradictions > 0 || content->partition_count == 0)
        return VHDX_OK;
    VX_TRY(add_copy(chain, &content->primary, &holders, err));
    VX_TRY(add_copy(chain, &content->backup, &holders, err));
    *spans = holders.child && holders.below;
    return VHDX_OK;
}

/* ---- the two together ---- */

static vhdx_status open_child(const struct vx_exam *child, struct vx_image **image, vhdx_error *err)
{
    struct vx_file *view;
    VX_TRY(vx_overlay_open(child->raw, 0, &view, err));
    return vx_image_open_file(child->image.host, view, 0, image, err);
}

/* Another state of the same disk, and not the child itself, nor anything made on it. */
static bool may_be_below(const struct vx_image *child, const struct vx_chain *below)
{
    const struct vx_image *parent = below->layers[0];
    for (size_t i = 0; i < below->count; i++)
        if (vx_guid_equal(&below->layers[i]->header.data_write_guid, &child->header.data_write_guid))
            return false;
    return vx_guid_equal(&parent->items.virtual_disk_id, &child->items.virtual_disk_id) &&
           parent->geometry.virtual_size == child->geometry.virtual_size &&
           parent->geometry.logical_sector_size == child->geometry.logical_sector_size;
}

static vhdx_status put_on_top(struct vx_chain *chain, struct vx_image *image, vhdx_error *err)
{
    struct vx_image **layers = vx_alloc(chain->count + 1, sizeof *layers);
    if (!layers)
        return vx_fail_memory(err, "the layers of a chain");
    layers[0] = image;
    for (size_t i = 0; i < chain->count; i++)
        layers[i + 1] = chain->layers[i];
    vx_free(chain->layers);
    chain->layers = layers;
    chain->count++;
    return VHDX_OK;
}

static void put_in_words(const struct vx_content *content, struct vx_proof *proof)
{
    char words[300];
    if (content->verdict != VX_CONTENT_ALIVE && content->verdict != VX_CONTENT_DOUBTFUL)
        return;
    vx_content_text(content, words, sizeof words);
    if (proof->proven)
        snprintf(proof->text, sizeof proof->text,
                 "; both belong to one disk: the GPT, of which a part lies in each, has the right checksums (%s); that nothing was written to "
                 "it since, and that no layer is missing between them, cannot be known",
                 words);
    else
        snprintf(proof->text, sizeof proof->text, "; together they %s (%s)",
                 content->verdict == VX_CONTENT_ALIVE ? "seem to fit" : "do not fit", words);
}

static vhdx_status judge(struct vx_chain *chain, bool may_be, struct vx_proof *proof, vhdx_error *err)
{
    struct vx_content *content = vx_alloc(1, sizeof *content);
    if (!content)
        return vx_fail_memory(err, "a look at the content");
    vx_content_of_chain(chain, content);
    proof->readable = true;
    proof->identity = chain->layers[1]->header.data_write_guid;
    vhdx_status status = may_be ? spans_both(chain, content, &proof->proven, err) : VHDX_OK;
    put_in_words(content, proof);
    vx_free(content);
    return status;
}

static vhdx_status look_through(const struct vx_exam *child, const char *candidate, const struct vx_search *search,
                                struct vx_proof *proof, vhdx_error *err)
{
    struct vx_chain *chain;
    struct vx_image *image;
    VX_TRY(vx_chain_open(child->image.host, candidate, search, NULL, &chain, NULL, err));
    vhdx_status status = open_child(child, &image, err);
    if (status == VHDX_OK) {
        bool may_be = may_be_below(image, chain);
        bool fits = image->geometry.logical_sector_size == chain->layers[0]->geometry.logical_sector_size;
        status = put_on_top(chain, image, err);
        if (status != VHDX_OK)
            vx_image_close(image);
        else if (fits)
            status = judge(chain, may_be, proof, err);
    }
    vx_chain_close(chain);
    return status;
}

vhdx_status vx_prove_parent(const struct vx_exam *child, const char *candidate, const struct vx_search *search,
                            struct vx_proof *proof, vhdx_error *err)
{
    vhdx_error why;
    *proof = (struct vx_proof){0};
    vhdx_status status = look_through(child, candidate, search, proof, &why);
    if (status != VHDX_OK)
        proof->proven = false;
    return status == VHDX_NOMEM ? vx_fail_memory(err, "a look through a parent") : VHDX_OK;
}
