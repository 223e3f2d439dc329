/*
 * The menders: each knows one structure, looks at the sketch as an exam shows it and at the kinds of findings there
 * are, and writes into the plan what makes them go away. A mender that changed something is asked again after a new
 * exam, because damage hides damage. Nothing here touches the disk; nothing writes payload.
 *
 * Easy to get wrong: a mender decides by the bytes, not by the finding alone. What it is not sure of it leaves, and the
 * finding stays; a wrong answer in a BAT shows one file's content in another.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_REPAIR_MEND_H
#define VX_REPAIR_MEND_H

#include "image/exam.h"
#include "findings/findings.h"
#include "plan/repair_plan.h"
#include "rebuild/rebuild.h"

#define VX_CLASS_ERROR 0x80u /* one of them is an error */
#define VX_FIND_ROOM 1000u   /* findings have numbers below */

struct vx_mending {
    const vhdx_repair_options *options;
    struct vx_plan *plan;
    struct vx_exam *exam;          /* of the sketch as it is now */
    bool salvage;                  /* things may be given up */
    bool trim;                     /* space that nobody owns is given back */
    uint8_t classes[VX_FIND_ROOM]; /* by number: 1 << vhdx_repair_class of the findings there are */
    struct vx_rebuilt *rebuilt;    /* NULL until somebody needed it; see vx_mending_rebuild() */
};

/* Whether there is a finding of that kind whose repair is allowed. */
static inline bool vx_mend_is_wanted(const struct vx_mending *m, enum vx_find kind)
{
    unsigned allowed = 1u << VHDX_REPAIR_LOSSLESS | (m->salvage ? 1u << VHDX_REPAIR_SALVAGE : 0u);
    return (m->classes[kind] & allowed) != 0;
}

/* Whether one of them is an error. */
static inline bool vx_is_error(const struct vx_mending *m, enum vx_find kind)
{
    return (m->classes[kind] & VX_CLASS_ERROR) != 0;
}

/* Whether there is one at all. */
static inline bool vx_mend_is_present(const struct vx_mending *m, enum vx_find kind)
{
    return m->classes[kind] != 0;
}

/* The sizes by which all entries are measured are wrong, and must not be used: nothing is put in order by them. */
static inline bool vx_sizes_are_doubted(const struct vx_mending *m)
{
    return vx_is_error(m, VX_FIND_METADATA_CONTRADICTED);
}

typedef vhdx_status vx_mender(struct vx_mending *m, vhdx_error *err);

vx_mender vx_mend_file_id, vx_mend_headers, vx_mend_log, vx_mend_regions, vx_mend_metadata, vx_mend_locator,
    vx_mend_room, vx_mend_bat, vx_mend_space;

/* What the sketch must have been, by all the evidence there is; m->rebuilt from then on. `search_content`: see
 * rebuild.h. */
vhdx_status vx_mending_rebuild(struct vx_mending *m, bool search_content, vhdx_error *err);
/* Whether it is certain where BAT and metadata are: until then nothing is written by what stands there. */
bool vx_mend_regions_settled(const struct vx_mending *m);
/* Both copies of the region table get these bytes; their checksum is made here. */
vhdx_status vx_mend_put_regions(struct vx_mending *m, uint8_t bytes[VX_REGION_TABLE_SIZE],
                                const struct vx_reason *reason, vhdx_error *err);
/* Values of items that are lost or make no sense. */
vhdx_status vx_mend_values(struct vx_mending *m, vhdx_error *err);
/*
 * A metadata item gets these bytes: where it is when it has that length already, else in a free place of the region,
 * with a new entry when it has none. *put = false: the region or the table has no room. The metadata table must be
 * readable.
 */
vhdx_status vx_mend_put_item(struct vx_mending *m, const vhdx_guid *id, uint32_t flags, const uint8_t *bytes,
                             uint32_t length, const struct vx_reason *reason, bool *put, vhdx_error *err);
/* An item with its new bytes. */
struct vx_item_bytes {
    const vhdx_guid *id;
    uint32_t flags, length;
    const uint8_t *bytes;
};
/* The same for several, all in one change, each in a free place: where they are another item may have their bytes. */
vhdx_status vx_mend_move_items(struct vx_mending *m, const struct vx_item_bytes *items, size_t count,
                               const struct vx_reason *reason, bool *put, vhdx_error *err);
/* The bytes of a value as vx_mending_rebuild() has found it; the length of the item, 0 = it is none of fixed length. */
uint32_t vx_mend_value_of(const struct vx_rebuilt *rebuilt, enum vx_part part, uint8_t bytes[16]);
/* Entries that are gone while their items are there. */
vhdx_status vx_mend_entries(struct vx_mending *m, vhdx_error *err);
/* Entries of the metadata table that cannot be what they say. One change at a time. */
vhdx_status vx_mend_structure(struct vx_mending *m, vhdx_error *err);

#endif
