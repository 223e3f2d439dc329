/*
 * The virtual disk as a raw file, and as a hash: two sinks for vx_chain_stream().
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_EXPORT_H
#define VX_CHAIN_EXPORT_H

#include "chain/layered.h"

/* As vhdx_chain_export. */
vhdx_status vx_chain_export(struct vx_chain *chain, const char *path, const vhdx_stream_options *options,
                            vhdx_error *err);
/* EXISTS when a VHDX disk is at `path`, which raw bytes would destroy. */
vhdx_status vx_export_check_no_disk(const vhdx_host *host, const char *path, vhdx_error *err);
/* Writes what is not zero, page by page; runs of pages are joined. */
vhdx_status vx_write_sparse(struct vx_file *file, const uint8_t *buf, size_t length, uint64_t offset, vhdx_error *err);
/* As vhdx_chain_hash. */
vhdx_status vx_chain_hash(struct vx_chain *chain, uint8_t hash[16], const vhdx_stream_options *options,
                          vhdx_error *err);

#endif
