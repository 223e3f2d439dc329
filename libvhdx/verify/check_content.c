/*
 * What is inside of the disk, through its whole chain, as a hint: content.c with a chain in place of a disk. See
 * content.h for what it is good for; here is only what reads, and the record that says the result.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/check_content.h"

#include "base/alloc.h"
#include "chain/layered.h"

#include <stdio.h>

static bool read_chain(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    return vx_chain_read(context, 0, buf, length, virtual_offset, NULL) == VHDX_OK;
}

void vx_content_of_chain(struct vx_chain *chain, struct vx_content *content)
{
    const struct vx_geometry *geometry = &vx_chain_leaf(chain)->geometry;
    struct vx_content_source source = {chain, read_chain, geometry->virtual_size, geometry->logical_sector_size};
    vx_content_look(&source, content);
}

/* Fails when the chain does not open. The content is for vx_free(). */
static vhdx_status look(const vhdx_host *host, const char *path, const struct vx_search *search,
                        struct vx_content **content, vhdx_error *err)
{
    struct vx_chain *chain;
    VX_TRY(vx_chain_open_any(host, path, search, VX_OPEN_VHD, &chain, err));
    *content = vx_alloc(1, sizeof **content);
    if (*content)
        vx_content_of_chain(chain, *content);
    vx_chain_close(chain);
    return *content ? VHDX_OK : vx_fail_memory(err, "a look at the content");
}

vhdx_status vx_content_of_file(const vhdx_host *host, const char *path, const struct vx_search *search,
                               vhdx_content *result, vhdx_error *err)
{
    static const vhdx_content_state states[] = {
        [VX_CONTENT_UNREADABLE] = VHDX_CONTENT_STATE_UNREADABLE, [VX_CONTENT_EMPTY] = VHDX_CONTENT_STATE_EMPTY,
        [VX_CONTENT_UNKNOWN] = VHDX_CONTENT_STATE_UNKNOWN,       [VX_CONTENT_ALIVE] = VHDX_CONTENT_STATE_ALIVE,
        [VX_CONTENT_DOUBTFUL] = VHDX_CONTENT_STATE_DOUBTFUL,
    };
    struct vx_content *content;
    VX_TRY(look(host, path, search, &content, err));
    result->state = states[content->verdict];
    result->agreements = content->agreements;
    result->contradictions = content->contradictions;
    vx_content_text(content, result->text, sizeof result->text);
    vx_free(content);
    return VHDX_OK;
}

vhdx_status vx_check_content(struct vx_verification *v, vhdx_error *err)
{
    struct vx_search search = {v->options->parents, v->options->parent_count};
    struct vx_content *content;
    char text[300];
    vhdx_error why;
    if (look(v->host, vx_file_path(v->exam->raw), &search, &content, &why) != VHDX_OK)
        return why.status == VHDX_NOMEM ? vx_fail_memory(err, "the layers of a chain") : VHDX_OK;
    if (content->verdict == VX_CONTENT_ALIVE || content->verdict == VX_CONTENT_DOUBTFUL) {
        bool alive = content->verdict == VX_CONTENT_ALIVE;
        struct vx_finding finding =
            vx_finding_at(alive ? VX_FIND_CONTENT_ALIVE : VX_FIND_CONTENT_DOUBTFUL, "content", VHDX_NOWHERE);
        vx_content_text(content, text, sizeof text);
        finding.text = text;
        if (alive)
            vx_finding_set_found(&finding, content->agreements);
        else
            vx_finding_set_values(&finding, content->contradictions, content->agreements);
        vx_verify_add(v, &finding);
    }
    vx_free(content);
    return VHDX_OK;
}
