#!/bin/bash
# Down and up with --delete come to the same: one disk under the ancestor's name that reads as the leaf did, with the
# ancestor's owner, mode, ACL and extended attributes.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
case $VHDX in
*.exe) skip "owners and modes are of another kind there" ;;
esac

make_chain 64M
leaf=$(hash_of disk_2.avhdx)
has_acl= has_attributes= has_owner=
chmod 640 disk.vhdx
setfattr -n user.origin -v "a backup" disk.vhdx 2>/dev/null && has_attributes=yes
setfacl -m u:65534:r disk.vhdx 2>/dev/null && has_acl=yes
[ "$(id -u)" = 0 ] && chown 12345:23456 disk.vhdx && has_owner=yes

facts_of() {
    stat -c '%a' "$1"
    [ -z "$has_owner" ] || stat -c '%u %g' "$1"
    [ -z "$has_attributes" ] || getfattr --only-values -n user.origin "$1" 2>&1
    [ -z "$has_acl" ] || getfacl -cn "$1" 2>/dev/null
}
wanted=$(facts_of disk.vhdx)

for direction in down up auto; do
    for into in disk.vhdx disk_1.avhdx; do
        [ "$direction$into" != updisk_1.avhdx ] || continue # it has a parent itself
        rm -rf vm
        mkdir vm
        cp -a disk.vhdx disk_1.avhdx disk_2.avhdx vm
        expect 0 vhdx merge --delete --direction $direction --into vm/$into vm/disk_2.avhdx
        expect 0 vhdx info --json vm/$into
        json_is 'd["virtual_size"]' 67108864
        [ "$(hash_of vm/$into)" = "$leaf" ] || fail "$direction: the merged disk reads differently"
        [ "$(facts_of vm/disk.vhdx)" = "$wanted" ] || fail "$direction: owner, mode, ACL or attributes are not kept:
$(facts_of vm/disk.vhdx)"
        case $into in
        disk.vhdx) [ "$(ls vm)" = disk.vhdx ] || fail "$direction: left: $(ls vm)" ;;
        *) [ "$(ls vm)" = "disk.vhdx
disk_1.avhdx" ] || fail "$direction: left: $(ls vm)" ;;
        esac
    done
done

# A layer above the merged one reads the same through the new disk, either way.
for direction in down up; do
    rm -rf vm
    mkdir vm
    cp -a disk.vhdx disk_1.avhdx disk_2.avhdx vm
    expect 0 vhdx merge --delete --direction $direction --into vm/disk.vhdx vm/disk_1.avhdx
    [ "$(ls vm)" = "disk.vhdx
disk_2.avhdx" ] || fail "$direction: left: $(ls vm)"
    reads_as vm/disk.vhdx 1.raw
    reads_as vm/disk_2.avhdx 2.raw
    [ "$(facts_of vm/disk.vhdx)" = "$wanted" ] || fail "$direction: owner, mode, ACL or attributes are not kept"
done

# Upwards only a base is an ancestor.
expect 8 vhdx merge --direction up disk_2.avhdx
one_line_of_error
says err "it has a parent itself"
says err "--into"
echo "owner ${has_owner:-not} compared, ACL ${has_acl:-not}, extended attributes ${has_attributes:-not}"
