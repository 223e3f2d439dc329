/*
 * Configurations of virtual machines that tests make: a HyperVStorage file key by key, with every trap that real ones
 * have (slack with remains, moved entries, brothers of one name, free entries, long values in file objects, several
 * object tables, a pending log), and the XML of former versions. Shares no code with the library's readers. Faults are
 * made afterwards, in the bytes, with vmcx_mend() for checksums.
 *
 * The one thing that is easy to get wrong: places of keys are known only when the file has been built.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_VMCX_H
#define TESTS_SUPPORT_VMCX_H

#include <vhdx.h>

#define VMCX_ROOT (-1)

/* Places in every file that is built. The key tables and file objects come behind the log. */
enum {
    VMCX_HEADER_2 = 0x1000,
    VMCX_OBJECTS = 0x2000,
    VMCX_LOG = 0x3000,
    VMCX_LOG_PAYLOAD = 0x1000, /* from the start of the log */
    VMCX_LOG_SIZE = 0x9000,
    VMCX_REST = VMCX_LOG + VMCX_LOG_SIZE,
};

struct vmcx;

/* Ends the program rather than fail. */
struct vmcx *vmcx_new(void);
void vmcx_free(struct vmcx *v);

/* Keys that follow go into the key table of that index (1 and sequence 1 at the beginning). */
void vmcx_table(struct vmcx *v, uint16_t index, uint16_t sequence);

/* Each returns the key's number, to be given as `parent`. Parents may come later than children: see vmcx_adopt. */
int vmcx_node(struct vmcx *v, int parent, const char *name);
int vmcx_string(struct vmcx *v, int parent, const char *name, const char *text);
int vmcx_int(struct vmcx *v, int parent, const char *name, uint64_t value);
int vmcx_bool(struct vmcx *v, int parent, const char *name, bool value);
int vmcx_array(struct vmcx *v, int parent, const char *name, const void *bytes, size_t size);

void vmcx_adopt(struct vmcx *v, int key, int parent);
void vmcx_order(struct vmcx *v, int key, uint32_t order);
void vmcx_flags(struct vmcx *v, int key, uint8_t flags);
/* So many bytes more than the key needs, beginning with the UTF-16 of `remains`. */
void vmcx_slack(struct vmcx *v, int key, size_t size, const char *remains);
/* The value goes into a file object. */
void vmcx_in_file(struct vmcx *v, int key);
/* A free entry in the current table, with remains. */
void vmcx_free_entry(struct vmcx *v, size_t size, const char *remains);
/* At most so many entries in an object table, so that there are several. */
void vmcx_split_objects(struct vmcx *v, size_t entries);

/* The file; to be freed. The pair of headers has sequence numbers 8 and 7, the log is empty. */
uint8_t *vmcx_build(struct vmcx *v, size_t *size);
/* Valid after vmcx_build: offsets in the file. */
size_t vmcx_place(const struct vmcx *v, int key);
size_t vmcx_table_place(const struct vmcx *v, uint16_t index);

/* Puts the checksum of the `size` bytes at `at` into its field, 4 bytes at `at` + `field`. */
void vmcx_mend(uint8_t *file, size_t at, size_t size, size_t field);
/* The old file with a pending log that makes the new one of it, both `size` long; to be freed. Returns the entries'
 * number in `count`. */
uint8_t *vmcx_pending(const uint8_t *before, const uint8_t *after, size_t size, uint32_t *count);

/* ---- whole machines ---- */

struct vmcx_disk {
    const char *path, *type; /* type NULL = "VHD" */
    vhdx_controller controller;
    unsigned number, location;
};

struct vmcx_machine {
    const char *name, *id;
    const char *machine_id;    /* NULL = `id`; of a checkpoint: the machine's */
    const char *type_id;       /* NULL = "Virtual Machines" */
    struct vmcx_disk disks[8]; /* up to the first without path */
    unsigned checkpoints;
    bool merge_pending, clustered;
};

/* The machine as a VMCX file, as one of the former XML (UTF-16LE with its mark), or a runtime file with or without
 * saved state. */
uint8_t *vmcx_of_machine(const struct vmcx_machine *machine, size_t *size);
uint8_t *vmcx_xml_of_machine(const struct vmcx_machine *machine, size_t *size);
uint8_t *vmcx_runtime(bool saved_state, size_t *size);
/* The data.vmcx of a host with these machines. */
uint8_t *vmcx_of_host(const char *const *paths, size_t count, size_t *size);

#endif
