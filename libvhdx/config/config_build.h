/*
 * A struct vx_config while it grows: texts that are kept with it, lists of them, and the two kinds of remarks. Callers
 * need not ask each time whether there was memory: a failure is remembered, and config.c asks once at the end. Lists
 * are cut at their limits, so that a hostile file cannot fill memory; what is cut makes the configuration incomplete.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_CONFIG_BUILD_H
#define VX_CONFIG_CONFIG_BUILD_H

#include "config/config.h"

#define VX_CONFIG_DISKS_MAX 4096u
#define VX_CONFIG_TEXTS_MAX 256u
#define VX_CONFIG_MACHINES_MAX 65536u

/* NULL: no memory. `path` is copied. */
struct vx_config *vx_config_new(const char *path);
/* Whether memory ran out since. */
bool vx_config_failed(const struct vx_config *config);
void vx_config_fail(struct vx_config *config);

/* The text, which must come from vx_alloc(), belongs to the configuration from now on. NULL stands for a lack of
 * memory. */
const char *vx_config_own(struct vx_config *config, char *text);

/* Appends a copy unless it is there already. false: the list is full (or memory ran out). */
bool vx_config_add(struct vx_config *config, vhdx_texts *list, size_t limit, const char *text);
/* The texts of the disk must be kept already. */
void vx_config_add_disk(struct vx_config *config, const vhdx_drive *disk);

/* Something was not read: one sentence. */
void vx_config_reason(struct vx_config *config, const char *format, ...) VX_PRINTF(2, 3);
/* All was read, and yet. */
void vx_config_finding(struct vx_config *config, const char *format, ...) VX_PRINTF(2, 3);

#endif
