/*
 * The BAT in windows: a 64 TiB disk with 1 MiB blocks has 512 MiB of it, so it is never held whole. Each reader has a
 * window of its own; images stay unchanged by reading, which is what lets many threads read one chain.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_BAT_WINDOW_H
#define VX_IMAGE_BAT_WINDOW_H

#include "format/bat.h"
#include "image/image.h"

#define VX_BAT_WINDOW_LARGE (64u * 1024u) /* for walking */
#define VX_BAT_WINDOW_SMALL VX_PAGE       /* for a single read */

struct vx_bat_window {
    struct vx_image *image;
    uint64_t entries;  /* of the BAT; 0: as many as the image's geometry says at that time */
    uint32_t capacity; /* entries to hold at once */
    uint64_t first;    /* BAT index of the first entry held */
    uint32_t count;    /* entries held; 0 = none */
    uint8_t *bytes;
};

/* `size`: bytes to hold at once, a multiple of 4096. */
vhdx_status vx_bat_window_open(struct vx_image *image, uint32_t size, struct vx_bat_window *window, vhdx_error *err);
void vx_bat_window_close(struct vx_bat_window *window);

vhdx_status vx_bat_window_get(struct vx_bat_window *window, uint64_t bat_index, struct vx_bat_entry *entry,
                              vhdx_error *err);
/* Keeps a window equal to what its owner writes. */
void vx_bat_window_put(struct vx_bat_window *window, uint64_t bat_index, const struct vx_bat_entry *entry);

/*
 * The first BAT index in [bat_index, end) whose entry may be something else than all zeros; `end` when there is none.
 * Passes over holes of the host's file without reading them.
 */
vhdx_status vx_bat_window_next_set(struct vx_bat_window *window, uint64_t bat_index, uint64_t end, uint64_t *next,
                                   vhdx_error *err);

/* Place of an entry in the file. */
uint64_t vx_bat_entry_offset(const struct vx_image *image, uint64_t bat_index);

#endif
