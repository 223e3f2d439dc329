/*
 * The proof of a parent by content. See proof.h. Here the two are put together, and what the structures say is weighed:
 *
 *  P1  What contradicts outweighs what fits. A file that is another state is not linked to, whatever the partition
 *      table says.
 *  P2  Nothing is a proof between disks that differ in virtual disk id, size or sector size, or of which one is the
 *      other.
 *  P3  STATE holds for the disk when it holds for one file system, and every other one that is recognized is proven as
 *      well, or is a FAT file system (the EFI system partition) or swap space, in which nothing depends on the parent's
 *      state. Else it is DISK.
 *
 * Easy to get wrong: zeros prove nothing. A table of which one layer holds only zeros reads the same over any empty
 * disk.
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
#include "guest/filesystems.h"
#include "guest/proof_ext4.h"
#include "guest/proof_lvm.h"
#include "guest/proof_ntfs.h"
#include "guest/proof_xfs.h"

#include <inttypes.h>
#include <stdarg.h>
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
    return add_holders(chain, gpt->array_sector * gpt->sector_size, (uint64_t)gpt->entry_count * gpt->entry_size,
                       holders, err);
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

/* ---- file systems ----------------------------------------------------------------------------------------------- */

struct views {
    struct vx_chain *chain;
    struct vx_cursor *cursor;
    const struct vx_proof_progress *progress;
    uint64_t steps;
    bool cancelled, no_memory;
};

/* What cannot be read says nothing; that memory ran out must not look like that. */
static bool worked(struct views *views, vhdx_status status)
{
    views->no_memory = views->no_memory || status == VHDX_NOMEM;
    return status == VHDX_OK;
}

static uint64_t size_of(const struct views *views, bool below)
{
    return views->chain->layers[below ? 1 : 0]->geometry.virtual_size;
}

static bool read_view(void *context, bool below, void *buf, size_t length, uint64_t virtual_offset)
{
    struct views *views = context;
    uint64_t size = size_of(views, below);
    return virtual_offset <= size && length <= size - virtual_offset &&
           worked(views, vx_chain_read(views->chain, below ? 1 : 0, buf, length, virtual_offset, NULL));
}

static bool who_says(void *context, uint64_t virtual_offset, uint64_t limit, bool *child, uint64_t *length)
{
    struct views *views = context;
    struct vx_piece piece = {0};
    uint64_t size = size_of(views, false);
    if (virtual_offset > size || limit > size - virtual_offset ||
        !worked(views, vx_cursor_at(views->cursor, virtual_offset, limit, &piece, NULL)))
        return false;
    *child = piece.layer == 0 && piece.kind != VX_RUN_TRANSPARENT;
    *length = piece.length;
    return true;
}

static bool go_on(void *context)
{
    struct views *views = context;
    const vhdx_progress now = {VHDX_PHASE_PLAN, views->steps++, 0};
    views->cancelled = views->cancelled || (views->progress && views->progress->progress &&
                                            !views->progress->progress(views->progress->context, &now));
    return !views->cancelled;
}

/* What the file systems of the disk say together. */
struct words {
    enum vx_proof_word strongest;
    bool all_states; /* of those whose state matters, each is proven */
    char of[160];    /* the volume that says the strongest, or the first that was asked and says nothing */
    char text[500];
};

static void add_word(struct words *words, const char *where, enum vx_fs_kind kind, const struct vx_fs_proof *proof)
{
    if (proof->word <= words->strongest && (proof->word != VX_PROOF_NONE || words->text[0] || !proof->text[0]))
        return;
    words->strongest = proof->word;
    snprintf(words->of, sizeof words->of, "the %s file system %.110s", kind == VX_FS_EXT ? "ext4" : vx_fs_name(kind),
             where);
    snprintf(words->text, sizeof words->text, "%s", proof->text);
}

/* One file system. */
static vhdx_status ask(const struct vx_volume *volume, const char *where, enum vx_fs_kind kind, struct words *words,
                       vhdx_error *err)
{
    struct vx_fs_proof proof = {0};
    if (kind == VX_FS_NONE || kind == VX_FS_FAT || kind == VX_FS_SWAP)
        return VHDX_OK;
    if (kind == VX_FS_EXT)
        VX_TRY(vx_prove_by_ext4(volume, &proof, err));
    if (kind == VX_FS_NTFS)
        VX_TRY(vx_prove_by_ntfs(volume, &proof, err));
    if (kind == VX_FS_XFS)
        VX_TRY(vx_prove_by_xfs(volume, &proof, err));
    words->all_states = words->all_states && proof.word == VX_PROOF_STATE;
    add_word(words, where, kind, &proof);
    return VHDX_OK;
}

static bool read_whole(void *context, void *buf, size_t length, uint64_t offset)
{
    return vx_volume_get(context, false, offset, buf, length);
}

/* What is in a logical volume; one that is not linear cannot be asked. */
static vhdx_status ask_logical(const struct vx_volume *disk, const struct vx_lvm_volume *logical, struct words *words,
                               vhdx_error *err)
{
    struct vx_lvm_view view;
    char where[120];
    struct vx_fs fs = {0};
    vx_lvm_view(disk, logical, &view);
    struct vx_volume volume = {&view.views, 0, logical->size};
    const struct vx_content_source source = {&volume, read_whole, logical->size, 0};
    if (logical->linear)
        vx_fs_look(&source, 0, logical->size, &fs);
    words->all_states = words->all_states && logical->linear;
    snprintf(where, sizeof where, "in the logical volume %.40s at 0x%" PRIx64 " of the disk", logical->name,
             disk->offset);
    return ask(&volume, where, fs.kind, words, err);
}

/* A partition, or the whole disk. */
static vhdx_status ask_partition(const struct vx_two_views *views, uint64_t offset, uint64_t length,
                                 enum vx_fs_kind kind, struct words *words, vhdx_error *err)
{
    const struct vx_volume volume = {views, offset, length};
    struct vx_lvm *lvm = NULL;
    char where[60];
    snprintf(where, sizeof where, "at 0x%" PRIx64 " of the disk", offset);
    if (kind != VX_FS_LVM)
        return ask(&volume, where, kind, words, err);
    vhdx_status status = vx_lvm_open(&volume, &lvm, err);
    words->all_states = words->all_states && lvm && !lvm->more && lvm->count > 0;
    for (uint32_t i = 0; status == VHDX_OK && lvm && i < lvm->count; i++)
        status = ask_logical(&volume, &lvm->volumes[i], words, err);
    vx_free(lvm);
    return status;
}

static vhdx_status ask_all(const struct vx_two_views *views, uint64_t size, const struct vx_content *content,
                           struct words *words, vhdx_error *err)
{
    *words = (struct words){.all_states = !content->more_partitions};
    VX_TRY(ask_partition(views, 0, size, content->whole.kind, words, err));
    for (uint32_t i = 0; i < content->partition_count; i++) {
        const struct vx_partition *partition = &content->partitions[i];
        VX_TRY(ask_partition(views, partition->offset, partition->length, partition->fs.kind, words, err));
    }
    return VHDX_OK;
}

static vhdx_status ask_file_systems(struct vx_chain *chain, const struct vx_content *content,
                                    const struct vx_proof_progress *progress, struct words *words, vhdx_error *err)
{
    struct views views = {.chain = chain, .progress = progress};
    const struct vx_two_views two = {&views, read_view, who_says, go_on};
    VX_TRY(vx_cursor_open(chain, 0, chain->count, false, &views.cursor, err));
    vhdx_status status = ask_all(&two, size_of(&views, false), content, words, err);
    vx_cursor_close(views.cursor);
    if (status == VHDX_OK && views.no_memory)
        status = vx_fail_memory(err, "a look at a file system");
    if (status == VHDX_OK && views.cancelled)
        status =
            vx_fail(err, VHDX_CANCELLED, vx_at_file(vx_file_path(chain->layers[0]->file)), "the check was cancelled");
    return status;
}

/* ---- the sentence ----------------------------------------------------------------------------------------------- */

static void say(struct vx_proof *proof, const char *format, ...) VX_PRINTF(2, 3);

static void say(struct vx_proof *proof, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(proof->text, sizeof proof->text, format, arguments);
    va_end(arguments);
}

#define CANNOT_BE_KNOWN                                                                                                \
    "that nothing was written to it since, and that no layer is missing between them, cannot be known"

static void put_in_words(const struct vx_content *content, const struct words *words, struct vx_proof *proof)
{
    char seen[300], mute[760] = "";
    vx_content_text(content, seen, sizeof seen);
    if (words->strongest == VX_PROOF_NONE && words->text[0])
        snprintf(mute, sizeof mute, "; %s was asked and cannot tell: %s", words->of, words->text);
    if (words->strongest == VX_PROOF_OTHER)
        say(proof, "; the content says that it is another state of the disk, or another disk: of %s, %s", words->of,
            words->text);
    else if (words->strongest == VX_PROOF_DOUBT)
        say(proof, "; together they do not fit (%s): of %s, %s", seen, words->of, words->text);
    else if (proof->word == VX_PROOF_STATE)
        say(proof,
            "; the content shows that it is the state that this one was made on, and only its id differs: of %s, %s "
            "(%s)",
            words->of, words->text, seen);
    else if (proof->word == VX_PROOF_DISK && words->strongest != VX_PROOF_NONE)
        say(proof, "; both belong to one disk: of %s, %s (%s); " CANNOT_BE_KNOWN, words->of, words->text, seen);
    else if (proof->word == VX_PROOF_DISK)
        say(proof,
            "; both belong to one disk: the GPT, of which a part lies in each, has the right checksums "
            "(%s); " CANNOT_BE_KNOWN "%s",
            seen, mute);
    else if (content->verdict == VX_CONTENT_ALIVE || content->verdict == VX_CONTENT_DOUBTFUL)
        say(proof, "; together they %s (%s)%s", content->verdict == VX_CONTENT_ALIVE ? "seem to fit" : "do not fit",
            seen, mute);
}

/* P1, P2, P3. */
static enum vx_proof_word weigh(const struct vx_content *content, const struct words *words, bool may_be, bool gpt)
{
    if (words->strongest >= VX_PROOF_DOUBT)
        return words->strongest;
    if (!may_be || content->contradictions > 0)
        return VX_PROOF_NONE;
    if (words->strongest == VX_PROOF_STATE && words->all_states)
        return VX_PROOF_STATE;
    return gpt || words->strongest != VX_PROOF_NONE ? VX_PROOF_DISK : VX_PROOF_NONE;
}

static vhdx_status judge(struct vx_chain *chain, bool may_be, const struct vx_proof_progress *progress,
                         struct vx_proof *proof, vhdx_error *err)
{
    struct vx_content *content = vx_alloc(1, sizeof *content);
    struct words words;
    bool gpt = false;
    if (!content)
        return vx_fail_memory(err, "a look at the content");
    vx_content_of_chain(chain, content);
    vhdx_status status = spans_both(chain, content, &gpt, err);
    if (status == VHDX_OK)
        status = ask_file_systems(chain, content, progress, &words, err);
    if (status == VHDX_OK) {
        proof->readable = true;
        proof->identity = chain->layers[1]->header.data_write_guid;
        proof->word = weigh(content, &words, may_be, gpt);
        put_in_words(content, &words, proof);
    }
    vx_free(content);
    return status;
}

static vhdx_status look_through(const struct vx_exam *child, const char *candidate, const struct vx_search *search,
                                const struct vx_proof_progress *progress, struct vx_proof *proof, vhdx_error *err)
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
            status = judge(chain, may_be, progress, proof, err);
    }
    vx_chain_close(chain);
    return status;
}

vhdx_status vx_prove_parent(const struct vx_exam *child, const char *candidate, const struct vx_search *search,
                            const struct vx_proof_progress *progress, struct vx_proof *proof, vhdx_error *err)
{
    vhdx_error why;
    *proof = (struct vx_proof){0};
    vhdx_status status = look_through(child, candidate, search, progress, proof, &why);
    if (status == VHDX_CANCELLED) {
        if (err)
            *err = why;
        return status;
    }
    return status == VHDX_NOMEM ? vx_fail_memory(err, "a look through a parent") : VHDX_OK;
}
