#!/bin/bash
# vhdx orphans on estates as people have them after a move: chains that do not open are no chains that belong together, and every
# command that is printed works as it is printed, alone and in its turn. Inputs of field reports are tried too, where they are.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
have_python || skip "needs python3"
case $VHDX in
*" "* | *.exe) skip "the advice is for a POSIX shell and names the command 'vhdx'" ;;
esac
mkdir -p bin
ln -sf "$VHDX" bin/vhdx
export PATH=$PWD/bin:$PATH

# machine FILE NAME PATH [ID]: a configuration of Server 2012 R2 without checkpoints.
machine() {
    mkdir -p "$(dirname "$1")"
    cat >"$1" <<XML
<configuration>
  <_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0>
    <pathname type="string">$3</pathname><type type="string">VHD</type>
  </drive0></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
  <global_settings><snapshots><list><size type="integer">0</size></list></snapshots></global_settings>
  <manifest><size type="integer">0</size></manifest>
  <properties><global_id type="string">${4:-282874FC-59D6-4F30-BC04-5FDD909C82E0}</global_id><name type="string">$2</name>
    <type_id type="string">Virtual Machines</type_id><version type="integer">1280</version></properties>
</configuration>
XML
}

# commands [KIND...]: the printed commands of these kinds, of the report in the file out.
commands() {
    python3 -c 'import json, sys
for family in json.load(open("out", encoding="utf-8"))["families"]:
    for step in family["steps"]:
        if step["kind"] in sys.argv[1:]:
            print(step["text"])' "$@"
}

# works DIRECTORY: each printed command of this library works by itself (on a copy), and all of them in their order.
works() {
    local line
    vhdx orphans --json "$1" >out 2>err
    commands look copy merge relink >lines
    while read -r line; do
        rm -rf copy && mkdir copy && cp -a "$1" copy
        (cd copy && eval "$line" >../line.out 2>&1)
        case $? in
        0 | 1 | 4) ;;
        *) fail "$line: $(cat line.out)" ;;
        esac
    done <lines
    commands copy merge relink quarantine >lines
    rm -rf copy && mkdir copy && cp -a "$1" copy
    (cd copy && bash -e ../lines >../line.out 2>&1) || fail "in order: $(cat lines line.out)"
}

status_of() {
    json "[f['status'] for f in d['files'] if f['path'].endswith('$1')][0]"
}

no_place_for_hyperv() {
    json_is "[s['text'] for f in d['families'] for s in f['steps'] if s['kind'] == 'hyperv' and 'C:' in s['text']]" '[]'
}

# moved NAME: what lies in NAME is a chain of a machine whose child was moved to another root.
check_moved() {
    expect 4 vhdx orphans --json "$1"
    [ "$(status_of avhdx)" = parent-moved ] || fail "$1: the child is $(status_of avhdx)"
    json_is 'sum(s["kind"] == "relink" for f in d["families"] for s in f["steps"])' 1
    json_is 'sum(s["kind"] == "merge" for f in d["families"] for s in f["steps"])' 0
    no_place_for_hyperv
    expect 4 vhdx orphans "$1"
    says_not out "everything belongs together"
    works "$1"
}

# make_moved NAME: base below NAME/data/vm, child below NAME/Windows.old/Windows/data/vm.
make_moved() {
    rm -rf "$1"
    mkdir -p "$1/was/vm" "$1/data/vm" "$1/Windows.old/Windows/data/vm"
    (cd "$1/was/vm" && vhdx create -q --size 16M base.vhdx && vhdx create -q --parent base.vhdx child.avhdx) || fail create
    mv "$1/was/vm/base.vhdx" "$1/data/vm"
    mv "$1/was/vm/child.avhdx" "$1/Windows.old/Windows/data/vm"
    rm -r "$1/was"
}
make_moved moved-machine
machine moved-machine/data/vm.xml vm 'C:\Windows\data\vm\child.avhdx'
check_moved moved-machine
make_moved moved-parent
check_moved moved-parent
json_is "[f['status'] for f in d['files'] if f['path'].endswith('avhdx')]" "['parent-moved']"

# A linked clone in use is nothing to be done about; its golden disk is merged into by nobody who was not told of other clones.
check_clone() {
    expect 0 vhdx orphans --json "$1"
    json_is "[s['kind'] for f in d['families'] for s in f['steps']]" '[]'
    expect 0 vhdx orphans --complete "$1"
    tr -s ' \n' ' ' <out >unwrapped # prose is wrapped to the terminal
    says unwrapped "golden disk: other clones"
    works "$1"
}
mkdir -p 'same-name/golden/Virtual Hard Disks' 'same-name/web/Virtual Hard Disks'
vhdx create -q --size 16M 'same-name/golden/Virtual Hard Disks/disk.vhdx' || fail create
vhdx create -q --parent 'same-name/golden/Virtual Hard Disks/disk.vhdx' 'same-name/web/Virtual Hard Disks/disk.vhdx' ||
    fail create
machine 'same-name/web/Virtual Machines/282874FC-59D6-4F30-BC04-5FDD909C82E0.xml' web 'C:\web\Virtual Hard Disks\disk.vhdx'
check_clone same-name

# A disk in trouble: each command that is printed for it works, and what a repair would not touch is not called one.
mkdir broken
vhdx create -q --size 16M broken/disk.vhdx && vhdx create -q --size 16M broken/other.vhdx || fail create
dd if=/dev/zero of=broken/disk.vhdx bs=64K seek=3 count=2 conv=notrunc status=none # both region tables
dd if=/dev/zero of=broken/other.vhdx bs=64K seek=1 count=2 conv=notrunc status=none # both headers
works broken
grep -q 'repair.*--dry-run' lines && fail "lines of another kind: $(cat lines)"
expect 4 vhdx orphans --json broken
json 'sum("vhdx repair" in s["text"] for f in d["families"] for s in f["steps"])' >count
[ "$(cat count)" -ge 2 ] || fail "no repair is named: $(cat out)"

# A disk that is to be merged and is held by somebody: the merge is not proposed, and why is said.
mkdir busy
(cd busy && vhdx create -q --size 16M base.vhdx && vhdx create -q --parent base.vhdx leaf.avhdx &&
    vhdx create -q --parent leaf.avhdx top.avhdx) || fail create
machine busy/vm.xml vm 'D:\VMs\busy\top.avhdx'
works busy
grep -q 'vhdx merge --into' lines || fail "no merge is proposed: $(cat out)"
mkdir busy/x.avhdx.part
vhdx create -q --parent busy/base.vhdx busy/sibling.avhdx || fail create
mv busy/sibling.avhdx busy/base_sibling.bin # no search looks at its name, a merge looks at its content
works busy
rm -rf copy

# A host's list of machines: whose configuration is not here may need any disk, so nothing is to be moved; each is named.
if [ -e "${VHDX_SAMPLES:-nowhere}/found/data.vmcx.gz" ]; then
    mkdir listed
    (cd listed && vhdx create -q --size 16M base.vhdx && vhdx create -q --parent base.vhdx left.avhdx) || fail create
    expect 4 vhdx orphans --json listed
    [ -n "$(commands quarantine)" ] || fail "nothing is proposed to be moved, so this test tests nothing"
    gunzip -c "$VHDX_SAMPLES/found/data.vmcx.gz" >listed/data.vmcx
    gunzip -c "$VHDX_SAMPLES/found/base-boxes-vm.xml.gz" >listed/vm.xml
    expect 4 vhdx orphans --json listed
    [ -z "$(commands quarantine delete merge)" ] || fail "a disk is to be moved that a machine may need: $(commands quarantine)"
    json_is 'sum(f["id"] == "ORPHANS-MACHINE-NOT-FOUND" for c in d["configurations"] for f in c["findings"])' 4
    json_is '[len(c["disks"]) for c in d["configurations"] if c["path"].endswith("xml")]' '[1]'
    : >listed/EC04F346-DB96-4700-AF5B-77B3C56C38BD.VMCX # damaged, and there
    expect 4 vhdx orphans --json listed
    json_is 'sum(f["id"] == "ORPHANS-MACHINE-NOT-FOUND" for c in d["configurations"] for f in c["findings"])' 3
fi

field=${VHDX_SAMPLES:-nowhere}/../reviews/field
[ -e "$field/moved-machine.tar.gz" ] || exit 0
for name in moved-machine moved-parent same-name; do
    rm -rf "f-$name" && mkdir "f-$name" && tar -xzSf "$field/$name.tar.gz" -C "f-$name" || fail "tar"
done
check_moved f-moved-machine
check_moved f-moved-parent
check_clone f-same-name
