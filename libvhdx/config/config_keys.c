/*
 * What the keys of a configuration mean. See config_keys.h. Controllers are not recognized by their
 * ids, which are random for SCSI; whatever has the shape controllerN/driveM/pathname is a drive, and its kind is looked
 * up in the list of devices.
 */
/* SPDX-License-Identifier: MIT */
#include "config/config_keys.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"

#include <stdio.h>
#include <string.h>

#define DEVICE_IDE "83f8638b-8dca-4152-9eda-2ca8b33039b4"
#define DEVICE_SCSI "d422512d-2bf2-4752-809d-7b82b5fcb1b4"
#define DEVICE_FLOPPY "8f0d2762-0b00-4e04-af4f-19010527cb93"

#define GUID_TEXT_MAX 38u

/* ---- values ---- */

static bool is_there(uint32_t key)
{
    return key != VX_TREE_NONE;
}

static bool is_string(const struct vx_tree *tree, uint32_t key)
{
    return is_there(key) && tree->keys[key].type == VX_KEY_STRING;
}

/* The text of a string, kept with the configuration; "" when it is none. */
static const char *keep_text(struct vx_config *config, const struct vx_tree *tree, uint32_t key)
{
    return is_string(tree, key) ? vx_config_own(config, vx_tree_text(tree, key)) : "";
}

/* As it is at that path; NULL when it is not there or empty. */
static const char *text_at(struct vx_config *config, const struct vx_tree *tree, const char *path)
{
    const char *text = keep_text(config, tree, vx_tree_find(tree, path));
    return *text ? text : NULL;
}

static bool number_at(const struct vx_tree *tree, const char *path, uint64_t *number)
{
    uint32_t key = vx_tree_find(tree, path);
    if (!is_there(key) || tree->keys[key].type == VX_KEY_NODE || tree->keys[key].type == VX_KEY_STRING)
        return false;
    *number = tree->keys[key].number;
    return true;
}

static bool flag_at(const struct vx_tree *tree, const char *path)
{
    uint64_t number = 0;
    return number_at(tree, path, &number) && number != 0;
}

static bool parse_guid(const char *text, vhdx_guid *guid)
{
    return text && vx_guid_parse(text, strlen(text), guid);
}

/* ---- which sort ---- */

static bool has_export_keys(const struct vx_tree *tree, uint32_t top)
{
    for (uint32_t key = top; is_there(key); key = vx_tree_walk(tree, top, key))
        if (vx_tree_is_named(tree, key, "SnapShotDataRoot") ||
            (vx_tree_is_named(tree, key, "vhd") && is_there(vx_tree_child(tree, key, "source"))))
            return true;
    return false;
}

static bool name_begins(const struct vx_tree *tree, uint32_t key, const char *text)
{
    struct vx_bytes name = tree->keys[key].name;
    size_t length = strlen(text);
    return name.size >= length && memcmp(name.data, text, length) == 0;
}

static bool has_saved_state(const struct vx_tree *tree)
{
    /* Before version 5.0 what is now below savedstate is at the root. */
    for (uint32_t key = tree->keys[VX_TREE_ROOT].child; is_there(key); key = tree->keys[key].next)
        if (vx_tree_is_named(tree, key, "savedstate") || vx_tree_is_named(tree, key, "savedVM") ||
            name_begins(tree, key, "RamBlock") || name_begins(tree, key, "RamMemoryBlock"))
            return true;
    return false;
}

enum vx_config_sort vx_config_sort(const struct vx_tree *tree)
{
    uint32_t top = vx_tree_find(tree, "configuration");
    if (is_there(vx_tree_find(tree, "Configurations/VirtualMachines")))
        return VX_CONFIG_OF_HOST;
    if (is_there(vx_tree_child(tree, top, "manifest")) ||
        is_there(vx_tree_find(tree, "configuration/properties/name")) ||
        is_there(vx_tree_find(tree, "configuration/properties/global_id")))
        return VX_CONFIG_OF_MACHINE;
    if (has_saved_state(tree) || is_there(vx_tree_find(tree, "configuration/properties/version")))
        return VX_CONFIG_OF_STATE;
    if (is_there(top) && has_export_keys(tree, top))
        return VX_CONFIG_OF_EXPORT;
    return VX_CONFIG_OF_NOTHING;
}

/* ---- drives ---- */

/* The number behind `prefix` in a name, as in "drive12"; false when the name is something else. */
static bool numbered(const struct vx_tree *tree, uint32_t key, const char *prefix, uint32_t *number)
{
    struct vx_bytes name = tree->keys[key].name;
    size_t length = strlen(prefix), i = length;
    char head[16] = {0};
    uint32_t value = 0;
    if (name.size <= length || name.size - length > 6)
        return false;
    memcpy(head, name.data, length);
    if (!vx_name_equal(head, prefix))
        return false;
    for (; i < name.size && name.data[i] >= '0' && name.data[i] <= '9'; i++)
        value = 10 * value + (uint32_t)(name.data[i] - '0');
    *number = value;
    return i == name.size;
}

/* What the manifest lists, so far as it can own drives; a real one has some forty devices. */
#define DEVICES_MAX 512u

struct device {
    char instance[GUID_TEXT_MAX + 1];
    vhdx_controller kind;
    uint32_t number; /* SCSI controllers that come before it, when it is one */
};

struct devices {
    struct device *items;
    size_t count;
};

static vhdx_controller kind_of(const char *device)
{
    return vx_name_equal(device, DEVICE_IDE)      ? VHDX_CONTROLLER_IDE
           : vx_name_equal(device, DEVICE_SCSI)   ? VHDX_CONTROLLER_SCSI
           : vx_name_equal(device, DEVICE_FLOPPY) ? VHDX_CONTROLLER_FLOPPY
                                                  : VHDX_CONTROLLER_OTHER;
}

/* A short string into the caller's room; "" when it is none, or longer. Ids never are; braces fall away. */
static void short_text(struct vx_config *config, const struct vx_tree *tree, uint32_t key, char text[GUID_TEXT_MAX + 1])
{
    text[0] = '\0';
    if (!is_string(tree, key))
        return;
    char *all = vx_tree_text(tree, key);
    if (!all) {
        vx_config_fail(config);
        return;
    }
    size_t length = strlen(all);
    if (length >= 2 && length <= GUID_TEXT_MAX && all[0] == '{' && all[length - 1] == '}')
        snprintf(text, GUID_TEXT_MAX + 1, "%.*s", (int)length - 2, all + 1);
    else if (length <= GUID_TEXT_MAX)
        snprintf(text, GUID_TEXT_MAX + 1, "%s", all);
    vx_free(all);
}

static void list_devices(const struct vx_tree *tree, struct vx_config *config, struct devices *devices)
{
    uint32_t manifest = vx_tree_find(tree, "configuration/manifest"), scsi = 0;
    char kind[GUID_TEXT_MAX + 1];
    uint32_t entry = is_there(manifest) ? tree->keys[manifest].child : VX_TREE_NONE;
    devices->count = 0;
    devices->items = vx_alloc(DEVICES_MAX, sizeof *devices->items);
    if (!devices->items) {
        vx_config_fail(config);
        return;
    }
    for (; is_there(entry) && devices->count < DEVICES_MAX; entry = tree->keys[entry].next) {
        struct device *device = &devices->items[devices->count];
        short_text(config, tree, vx_tree_child(tree, entry, "device"), kind);
        short_text(config, tree, vx_tree_child(tree, entry, "instance"), device->instance);
        device->kind = kind_of(kind);
        device->number = device->kind == VHDX_CONTROLLER_SCSI ? scsi++ : 0;
        devices->count += device->instance[0] != '\0';
    }
}

/* What the manifest does not have is known by its id when it is one that all machines share. */
static struct device find_device(const struct devices *devices, const char *instance)
{
    for (size_t i = 0; i < devices->count; i++)
        if (vx_name_equal(devices->items[i].instance, instance))
            return devices->items[i];
    return (struct device){.kind = kind_of(instance)};
}

/* An editor that lays XML out puts line ends and blanks around a value, or in the place of an empty one. No name of a
 * file begins or ends so. */
static const char *keep_path(struct vx_config *config, const struct vx_tree *tree, uint32_t key)
{
    static const char blanks[] = " \t\r\n";
    const char *text = keep_text(config, tree, key);
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]))
        length--;
    if (text[length] == '\0')
        return text;
    char *cut = vx_alloc(length + 1, 1);
    if (cut)
        memcpy(cut, text, length);
    return vx_config_own(config, cut);
}

static void add_drive(const struct vx_tree *tree, struct vx_config *config, uint32_t drive, const vhdx_drive *place)
{
    vhdx_drive disk = *place;
    disk.type = keep_text(config, tree, vx_tree_child(tree, drive, "type"));
    for (uint32_t key = vx_tree_child(tree, drive, "pathname"); is_there(key); key = vx_tree_again(tree, key)) {
        if (!is_string(tree, key))
            vx_config_reason(config, "the path of a drive is no text");
        disk.path = keep_path(config, tree, key);
        disk.damaged = tree->keys[key].damaged;
        if (*disk.path)
            vx_config_add_disk(config, &disk);
    }
}

static void add_drives_of(const struct vx_tree *tree, struct vx_config *config, uint32_t controller,
                          const vhdx_drive *place)
{
    vhdx_drive drive = *place;
    for (uint32_t d = tree->keys[controller].child; is_there(d); d = tree->keys[d].next)
        if (numbered(tree, d, "drive", &drive.location))
            add_drive(tree, config, d, &drive);
}

static bool has_controllers(const struct vx_tree *tree, uint32_t node)
{
    uint32_t number, c = tree->keys[node].child;
    while (is_there(c) && !numbered(tree, c, "controller", &number))
        c = tree->keys[c].next;
    return is_there(c);
}

/* `node` is named "_INSTANCE_". */
static void add_controllers(const struct vx_tree *tree, struct vx_config *config, const struct devices *devices,
                            uint32_t node)
{
    size_t length = tree->keys[node].name.size;
    uint32_t number;
    char *name = vx_tree_name(tree, node);
    if (!name) {
        vx_config_fail(config);
        return;
    }
    if (name[length - 1] == '_')
        name[length - 1] = '\0';
    vx_config_own(config, name);
    struct device device = find_device(devices, name + 1);
    for (uint32_t c = tree->keys[node].child; is_there(c); c = tree->keys[c].next) {
        if (!numbered(tree, c, "controller", &number))
            continue;
        const vhdx_drive place = {
            .controller = device.kind, .controller_number = device.number + number, .instance = name + 1};
        add_drives_of(tree, config, c, &place);
    }
}

static void add_drives(const struct vx_tree *tree, struct vx_config *config)
{
    struct devices devices;
    list_devices(tree, config, &devices);
    uint32_t top = vx_tree_find(tree, "configuration");
    for (; is_there(top); top = vx_tree_again(tree, top))
        for (uint32_t node = tree->keys[top].child; is_there(node); node = tree->keys[node].next)
            if (tree->keys[node].name.size > 1 && tree->keys[node].name.data[0] == '_' && has_controllers(tree, node) &&
                !vx_config_failed(config))
                add_controllers(tree, config, &devices, node);
    vx_free(devices.items);
}

/* ---- the rest of a machine ---- */

static void fill_identity(const struct vx_tree *tree, struct vx_config *config)
{
    vhdx_machine_info *info = &config->info;
    uint64_t number;
    info->name = text_at(config, tree, "configuration/properties/name");
    info->id_text = text_at(config, tree, "configuration/properties/global_id");
    info->has_id = parse_guid(info->id_text, &info->id);
    const char *machine = text_at(config, tree, "configuration/settings/global/logical_id");
    info->has_machine_id = parse_guid(machine, &info->machine_id);
    if (number_at(tree, "configuration/properties/version", &number) && number <= UINT32_MAX)
        info->version = (uint32_t)number;
    if (number_at(tree, "configuration/properties/subtype", &number) && number <= 1)
        info->generation = (uint32_t)number + 1;
    uint32_t created = vx_tree_find(tree, "configuration/properties/creation_time");
    if (is_there(created) && tree->keys[created].type == VX_KEY_ARRAY && tree->keys[created].value.size == 8)
        info->creation_time = vx_get64(tree->keys[created].value.data);
}

/* That "Snapshots" is what a checkpoint says of itself is likely, and no more: no sample of it was at hand. */
static bool says_checkpoint(struct vx_config *config, const struct vx_tree *tree)
{
    char type[GUID_TEXT_MAX + 1];
    short_text(config, tree, vx_tree_find(tree, "configuration/properties/type_id"), type);
    return vx_name_equal(type, "Snapshots") || vx_name_equal(type, "Snapshot");
}

static void fill_state(const struct vx_tree *tree, struct vx_config *config)
{
    vhdx_machine_info *info = &config->info;
    info->checkpoint = says_checkpoint(config, tree);
    info->has_checkpoint_count =
        number_at(tree, "configuration/global_settings/snapshots/list/size", &info->checkpoint_count);
    info->merge_pending = flag_at(tree, "configuration/global_settings/disk_merge_pending");
    info->clustered = flag_at(tree, "configuration/properties/highly_available");
    uint32_t replication = vx_tree_find(tree, "configuration/global_settings/replication");
    info->replicated = is_there(replication) && is_there(tree->keys[replication].child);
    static const char *const saved[] = {"configuration/savedstate/vsvlocation", "configuration/savedstate/memlocation"};
    for (size_t i = 0; i < 2; i++) {
        const char *path = text_at(config, tree, saved[i]);
        if (!path)
            continue;
        vx_config_add(config, &info->saved_state_files, VX_CONFIG_TEXTS_MAX, path);
        info->saved_state = VHDX_SAVED_STATE_PRESENT;
    }
}

static void fill_places(const struct vx_tree *tree, struct vx_config *config)
{
    vhdx_machine_info *info = &config->info;
    uint32_t top = vx_tree_find(tree, "configuration");
    info->data_root = text_at(config, tree, "configuration/global_settings/data_root");
    info->checkpoint_root = text_at(config, tree, "configuration/global_settings/snapshots/data_root");
    info->paging_root = text_at(config, tree, "configuration/global_settings/slp_data_root");
    uint32_t node = is_there(top) ? tree->keys[top].child : VX_TREE_NONE;
    for (; is_there(node) && !info->guest_state; node = tree->keys[node].next) {
        const char *path = keep_text(config, tree, vx_tree_child(tree, node, "StateFilePath"));
        info->guest_state = *path ? path : NULL;
    }
}

/* "KEY = ID" for each id below `top` that is not the configuration's own. */
static void fill_related(const struct vx_tree *tree, struct vx_config *config, const char *path)
{
    uint32_t top = vx_tree_find(tree, path);
    char text[GUID_TEXT_MAX + 1], line[256 + 3 + GUID_TEXT_MAX + 1];
    vhdx_guid guid;
    for (uint32_t key = top; is_there(key); key = vx_tree_walk(tree, top, key)) {
        if (key == top || vx_tree_is_named(tree, key, "global_id"))
            continue;
        short_text(config, tree, key, text);
        if (!parse_guid(text, &guid) || vx_guid_is_zero(&guid))
            continue;
        char *name = vx_tree_name(tree, key);
        if (!name) {
            vx_config_fail(config);
            return;
        }
        snprintf(line, sizeof line, "%s = %s", name, text);
        vx_free(name);
        if (!vx_config_add(config, &config->info.related, VX_CONFIG_TEXTS_MAX, line))
            return;
    }
}

static void add_strings(const struct vx_tree *tree, struct vx_config *config, const char *path)
{
    uint32_t top = vx_tree_find(tree, path);
    for (uint32_t key = top; is_there(key); key = vx_tree_walk(tree, top, key)) {
        const char *text = keep_text(config, tree, key);
        if (*text && !vx_config_add(config, &config->info.machines, VX_CONFIG_MACHINES_MAX, text)) {
            vx_config_reason(config, "it lists more than %u machines", VX_CONFIG_MACHINES_MAX);
            return;
        }
    }
}

/* Where disks were before an export: hints, no more. */
static void add_former_places(const struct vx_tree *tree, struct vx_config *config)
{
    for (uint32_t key = VX_TREE_ROOT; is_there(key); key = vx_tree_walk(tree, VX_TREE_ROOT, key)) {
        if (!vx_tree_is_named(tree, key, "source") || tree->keys[key].parent == VX_TREE_NONE ||
            !vx_tree_is_named(tree, tree->keys[key].parent, "vhd"))
            continue;
        const char *text = keep_text(config, tree, key);
        if (*text)
            vx_config_add(config, &config->info.hints, VX_CONFIG_TEXTS_MAX, text);
    }
}

void vx_config_fill(const struct vx_tree *tree, struct vx_config *config)
{
    fill_identity(tree, config);
    fill_state(tree, config);
    fill_places(tree, config);
    fill_related(tree, config, "configuration/properties");
    fill_related(tree, config, "configuration/global_settings/snapshots");
    add_drives(tree, config);
    add_strings(tree, config, "Configurations/VirtualMachines");
    add_former_places(tree, config);
    if (has_saved_state(tree))
        config->info.saved_state = VHDX_SAVED_STATE_PRESENT;
}
