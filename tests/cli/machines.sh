#!/bin/bash
# merge, relink and repair name the machine whose configuration mentions their disks: found where Hyper-V puts it, or given with --config.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

mkdir -p 'Mail/Virtual Hard Disks' 'Mail/virtual machines' Mail/Snapshots elsewhere
vm=282874FC-59D6-4F30-BC04-5FDD909C82E0
checkpoint=0F0F0F0F-1111-4222-8333-444444444444

# machine DISK NAME ID [MORE]
machine() {
    cat <<END
<configuration><_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive1>
<pathname type="string">D:\\Mail\\Virtual Hard Disks\\$1</pathname><type type="string">VHD</type>
</drive1></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_>${4:-}<manifest/>
<properties><name type="string">$2</name><global_id type="string">$3</global_id></properties>
<settings><global><logical_id type="string">$vm</logical_id></global></settings></configuration>
END
}
saved='<savedstate><vsvlocation type="string">D:\Mail\x.vsv</vsvlocation></savedstate>'
machine disk_2.avhdx "It's Mail" $vm "$saved" >"Mail/virtual machines/$vm.xml"
machine disk_1.avhdx 'before update' $checkpoint >Mail/Snapshots/$checkpoint.xml
machine disk_2.avhdx stranger $vm >elsewhere/stranger.xml
sed -i 's/Virtual Hard Disks/other/; s/disk_2/other/' elsewhere/stranger.xml

cd 'Mail/Virtual Hard Disks' || exit 1
chain() {
    rm -f *.vhdx *.avhdx
    vhdx create --size 4M disk.vhdx && vhdx create --parent disk.vhdx disk_1.avhdx &&
        vhdx create --parent disk_1.avhdx disk_2.avhdx || fail "create"
}
set_disk="Set-VMHardDiskDrive -VMName 'It''s Mail' -ControllerType IDE -ControllerNumber 0 -ControllerLocation 1 -Path"

# The plan and the merge: the machine's own line with the path as its host knows it, its saved state, its checkpoint.
chain
expect 0 vhdx merge --dry-run disk_2.avhdx
says out "$set_disk 'D:\\Mail\\Virtual Hard Disks\\disk_1.avhdx'"
expect 0 vhdx merge --into disk.vhdx disk_2.avhdx
says out "$set_disk 'D:\\Mail\\Virtual Hard Disks\\disk.vhdx'"
says out "Remove-VMSavedState -VMName 'It''s Mail'"
says out "Remove-VMSnapshot -VMName 'It''s Mail' -Name 'before update'"
says_not out "-VMName NAME"
says err "has a saved state"
chain
expect 0 vhdx merge --json disk_2.avhdx
json_is '[(m["name"], m["checkpoint"], m["saved_state"], m["disk"]) for m in d["machines"] if not m["checkpoint"]]' \
    '[("It'"'"'s Mail", False, True, '"'disk_2.avhdx')]"
json_is 'len(d["machines"])' 2

# A new disk: access for exactly that machine; the checkpoint is not touched.
chain
expect 0 vhdx merge -o new.vhdx disk_2.avhdx
says out "$set_disk 'D:\\Mail\\Virtual Hard Disks\\new.vhdx'"
says out "icacls 'D:\\Mail\\Virtual Hard Disks\\new.vhdx' /grant '*S-1-5-83-1-673740028-1328568790-3713991868-3766656144:(F)'"
says_not out "<VM GUID>"
says_not out Remove-VMSnapshot
rm new.vhdx

# A machine that uses a layer below the child starts from something else afterwards.
sed -i 's/disk_2/disk_1/' "../virtual machines/$vm.xml"
chain
expect 0 vhdx merge disk_2.avhdx
says err "not the newest layer"
says out "-VMName NAME"
sed -i 's/disk_1/disk_2/' "../virtual machines/$vm.xml"

# Relinking to the same content is nobody's matter; another parent is, when there is a saved state. So is a repair.
chain
expect 0 vhdx relink --parent disk_1.avhdx disk_2.avhdx
[ "$(wc -l <out)" = 1 ] && [ ! -s err ] || fail "relink prints: $(cat out err)"
expect 0 vhdx relink --force --parent disk_1.avhdx disk_2.avhdx
says err "has a saved state"
expect 0 vhdx relink --json --parent disk_1.avhdx disk_2.avhdx
json_is 'd["machines"][0]["drive"]' 'D:\Mail\Virtual Hard Disks\disk_2.avhdx'
expect 0 vhdx repair disk_2.avhdx
says err "has a saved state"

# Without a configuration beside it: the general lines; with --config (a file or a directory): the machine's again.
cp *.vhdx *.avhdx ../../elsewhere
cd ../../elsewhere || exit 1
expect 0 vhdx merge --dry-run --config ../Mail disk_2.avhdx
says out "Set-VMHardDiskDrive -VMName 'It''s Mail'"
tr -s ' \n' ' ' <out >unwrapped # prose is wrapped to the terminal
says unwrapped "perhaps another disk of that name"
expect 0 vhdx merge --dry-run --config "../Mail/virtual machines/$vm.xml" disk_2.avhdx
says out "Set-VMHardDiskDrive -VMName 'It''s Mail'"
mkdir none
expect 0 vhdx merge --dry-run --config none disk_2.avhdx
says err "none: no configuration of a virtual machine is there"
expect 8 vhdx merge --dry-run --config nowhere disk_2.avhdx
one_line_of_error
says err nowhere

# A configuration that cannot be read is named, and is no reason to stop.
head -c 300 "../Mail/virtual machines/$vm.xml" >$vm.xml
truncate -s 65536 $checkpoint.vmcx
expect 0 vhdx merge disk_2.avhdx
says err "$vm.xml: the XML document is not whole"
says err "neither copy of the header is valid"
says out "-VMName NAME"
