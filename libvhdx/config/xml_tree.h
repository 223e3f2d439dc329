/*
 * An XML document of the few shapes that Hyper-V wrote becomes a tree of keys: elements, their attribute "type", text.
 * No document types, no entities but the five that XML itself has, no name spaces, no CDATA: none of it is in a
 * configuration, and all of it has been used against readers. Bytes in, tree out; no file.
 *
 * The documents declare UTF-16 and are often UTF-8. The first bytes decide, the declaration is not
 * looked at.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_XML_TREE_H
#define VX_CONFIG_XML_TREE_H

#include "config/key_tree.h"

/* Whether this is the beginning of an XML document, in any of the encodings. */
bool vx_xml_recognize(struct vx_bytes first);

/*
 * Fills `tree` (begun by the caller) and links it. `flaw`: NULL, or what is wrong with the document from some place on;
 * what is before that place is in the tree. Values that cannot be right are marked as damaged. NOMEM is the only
 * failure.
 */
vhdx_status vx_xml_read(struct vx_bytes document, struct vx_tree *tree, const char **flaw, vhdx_error *err);

#endif
