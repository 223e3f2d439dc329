/* Whole machines as VMCX, VMRS and XML files. See vmcx.h. */
/* SPDX-License-Identifier: MIT */
#include "vmcx_parts.h"

/* ---- whole machines ---- */

#define IDE "83f8638b-8dca-4152-9eda-2ca8b33039b4"
#define SCSI "d422512d-2bf2-4752-809d-7b82b5fcb1b4"
#define FLOPPY "8f0d2762-0b00-4e04-af4f-19010527cb93"

/* "controller" below the device, made when it is not there yet. SCSI controllers are one device each. */
struct devices {
    int nodes[16]; /* by device */
    int controllers[16][4];
    unsigned listed;
};

static void instance_of(vhdx_controller controller, unsigned number, char text[40])
{
    if (controller == VHDX_CONTROLLER_SCSI)
        snprintf(text, 40, "73e0f0c5-c0bc-4e16-a458-%012x", number + 1);
    else
        snprintf(text, 40, "%s", controller == VHDX_CONTROLLER_FLOPPY ? FLOPPY : IDE);
}

static unsigned device_number(const struct vmcx_disk *disk)
{
    return disk->controller == VHDX_CONTROLLER_SCSI ? 2 + disk->number : disk->controller == VHDX_CONTROLLER_FLOPPY;
}

static void add_disk(struct vmcx *v, int top, struct devices *devices, const struct vmcx_disk *disk)
{
    char instance[40], name[48];
    unsigned device = device_number(disk), child = disk->controller == VHDX_CONTROLLER_SCSI ? 0 : disk->number;
    if (device >= 16 || child >= 4)
        abort();
    instance_of(disk->controller, disk->number, instance);
    if (!devices->nodes[device]) {
        snprintf(name, sizeof name, "_%s_", instance);
        devices->nodes[device] = vmcx_node(v, top, name);
    }
    if (!devices->controllers[device][child]) {
        snprintf(name, sizeof name, "controller%u", child);
        devices->controllers[device][child] = vmcx_node(v, devices->nodes[device], name);
    }
    snprintf(name, sizeof name, "drive%u", disk->location);
    int drive = vmcx_node(v, devices->controllers[device][child], name);
    vmcx_string(v, drive, "pathname", disk->path);
    vmcx_string(v, drive, "type", disk->type ? disk->type : "VHD");
}

static void add_device(struct vmcx *v, int manifest, unsigned n, const char *device, const char *instance)
{
    char name[16];
    snprintf(name, sizeof name, "vdev%03u", n);
    int node = vmcx_node(v, manifest, name);
    vmcx_string(v, node, "device", device);
    vmcx_string(v, node, "instance", instance);
    vmcx_int(v, node, "flags", 1);
}

static void add_manifest(struct vmcx *v, int top, const struct vmcx_machine *machine)
{
    unsigned scsi = 0;
    char instance[40];
    int manifest = vmcx_node(v, top, "manifest");
    vmcx_int(v, manifest, "version", 512);
    add_device(v, manifest, 1, FLOPPY, FLOPPY);
    add_device(v, manifest, 2, IDE, IDE);
    for (size_t i = 0; i < 8 && machine->disks[i].path; i++)
        if (machine->disks[i].controller == VHDX_CONTROLLER_SCSI && machine->disks[i].number >= scsi)
            scsi = machine->disks[i].number + 1;
    for (unsigned i = 0; i < scsi; i++) {
        instance_of(VHDX_CONTROLLER_SCSI, i, instance);
        add_device(v, manifest, 3 + i, SCSI, instance);
    }
}

uint8_t *vmcx_of_machine(const struct vmcx_machine *machine, size_t *size)
{
    struct vmcx *v = vmcx_new();
    struct devices devices = {{0}, {{0}}, 0};
    int top = vmcx_node(v, VMCX_ROOT, "configuration");
    int properties = vmcx_node(v, top, "properties");
    vmcx_string(v, properties, "global_id", machine->id);
    vmcx_string(v, properties, "name", machine->name);
    vmcx_string(v, properties, "type_id", machine->type_id ? machine->type_id : "Virtual Machines");
    vmcx_int(v, properties, "version", 0x0900);
    vmcx_int(v, properties, "subtype", 1);
    vmcx_bool(v, properties, "highly_available", machine->clustered);
    int settings = vmcx_node(v, vmcx_node(v, top, "settings"), "global");
    vmcx_string(v, settings, "logical_id", machine->machine_id ? machine->machine_id : machine->id);
    int global = vmcx_node(v, top, "global_settings");
    vmcx_bool(v, global, "disk_merge_pending", machine->merge_pending);
    int list = vmcx_node(v, vmcx_node(v, global, "snapshots"), "list");
    vmcx_int(v, list, "size", machine->checkpoints);
    add_manifest(v, top, machine);
    for (size_t i = 0; i < 8 && machine->disks[i].path; i++)
        add_disk(v, top, &devices, &machine->disks[i]);
    uint8_t *file = vmcx_build(v, size);
    vmcx_free(v);
    return file;
}

uint8_t *vmcx_runtime(bool saved_state, size_t *size)
{
    struct vmcx *v = vmcx_new();
    vmcx_int(v, vmcx_node(v, vmcx_node(v, VMCX_ROOT, "configuration"), "properties"), "version", 0x0900);
    if (saved_state)
        vmcx_string(v, vmcx_node(v, VMCX_ROOT, "savedstate"), "type", "Normal");
    uint8_t *file = vmcx_build(v, size);
    vmcx_free(v);
    return file;
}

uint8_t *vmcx_of_host(const char *const *paths, size_t count, size_t *size)
{
    struct vmcx *v = vmcx_new();
    char name[32];
    int list = vmcx_node(v, vmcx_node(v, VMCX_ROOT, "Configurations"), "VirtualMachines");
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%zu", i);
        vmcx_string(v, list, name, paths[i]);
    }
    uint8_t *file = vmcx_build(v, size);
    vmcx_free(v);
    return file;
}

/* ---- XML ---- */

struct document {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void say(struct document *d, const char *format, ...)
{
    va_list arguments;
    d->text = vmcx_need(realloc(d->text, d->size + 8192));
    va_start(arguments, format);
    int length = vsnprintf(d->text + d->size, 8192, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= 8192)
        abort();
    d->size += (size_t)length;
}

static void say_escaped(struct document *d, const char *name, const char *value)
{
    say(d, "<%s type=\"string\">", name);
    for (; *value; value++) {
        if (*value == '&' || *value == '<')
            say(d, "%s", *value == '&' ? "&amp;" : "&lt;");
        else
            say(d, "%c", *value);
    }
    say(d, "</%s>\n", name);
}

static void say_disks(struct document *d, const struct vmcx_machine *machine)
{
    char instance[40];
    for (size_t i = 0; i < 8 && machine->disks[i].path; i++) {
        const struct vmcx_disk *disk = &machine->disks[i];
        unsigned child = disk->controller == VHDX_CONTROLLER_SCSI ? 0 : disk->number;
        instance_of(disk->controller, disk->number, instance);
        say(d, "<_%s_>\n<controller%u>\n<drive%u>\n", instance, child, disk->location);
        say_escaped(d, "pathname", disk->path);
        say_escaped(d, "type", disk->type ? disk->type : "VHD");
        say(d, "</drive%u>\n</controller%u>\n</_%s_>\n", disk->location, child, instance);
    }
}

uint8_t *vmcx_xml_of_machine(const struct vmcx_machine *machine, size_t *size)
{
    struct document d = {NULL, 0};
    say(&d, "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-16\" standalone=\"yes\"?>\r\n<configuration>\n");
    say_disks(&d, machine);
    say(&d, "<global_settings>\n<disk_merge_pending type=\"bool\">%s</disk_merge_pending>\n",
        machine->merge_pending ? "True" : "False");
    say(&d, "<snapshots><list><size type=\"integer\">%u</size></list></snapshots>\n</global_settings>\n",
        machine->checkpoints);
    say(&d, "<manifest>\n<vdev001><device type=\"string\">" FLOPPY "</device><instance type=\"string\">" FLOPPY
            "</instance></vdev001>\n<vdev002><device type=\"string\">83F8638B-8DCA-4152-9EDA-2CA8B33039B4</device>"
            "<instance type=\"string\">83F8638B-8DCA-4152-9EDA-2CA8B33039B4</instance></vdev002>\n");
    for (unsigned i = 0; i < 4; i++) {
        char instance[40];
        instance_of(VHDX_CONTROLLER_SCSI, i, instance);
        say(&d,
            "<vdev%03u><device type=\"string\">" SCSI "</device><instance type=\"string\">%s</instance></vdev%03u>\n",
            3 + i, instance, 3 + i);
    }
    say(&d, "</manifest>\n<properties>\n<creation_time type=\"bytes\">p25FZp6X1wE=\n</creation_time>\n");
    say_escaped(&d, "global_id", machine->id);
    say_escaped(&d, "name", machine->name);
    say_escaped(&d, "type_id", machine->type_id ? machine->type_id : "Virtual Machines");
    say(&d, "<version type=\"integer\">1280</version>\n</properties>\n<settings><global>");
    say_escaped(&d, "logical_id", machine->machine_id ? machine->machine_id : machine->id);
    say(&d, "</global></settings>\n</configuration>\n");
    uint8_t *file = vmcx_utf16(d.text, size);
    free(d.text);
    return file;
}
