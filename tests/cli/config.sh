#!/bin/bash
# What a machine's configuration says, as text and as JSON; what is no configuration; and that nothing is written.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

cat >machine.xml <<'END'
<?xml version="1.0" encoding="UTF-16" standalone="yes"?>
<configuration>
  <_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0>
    <pathname type="string">D:\VMs\Büro &amp; Mail\disk_2.avhdx</pathname><type type="string">VHD</type>
  </drive0><drive1><pathname type="string"></pathname><type type="string">NONE</type></drive1></controller0>
  <controller1><drive0><pathname type="string">D:\dvd.iso</pathname><type type="string">ISO</type></drive0></controller1>
  </_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
  <global_settings><disk_merge_pending type="bool">True</disk_merge_pending>
    <snapshots><list><size type="integer">2</size></list></snapshots></global_settings>
  <manifest/>
  <properties><creation_time type="bytes">p25FZp6X1wE=
</creation_time><name type="string">Mail</name><version type="integer">1280</version>
    <global_id type="string">282874FC-59D6-4F30-BC04-5FDD909C82E0</global_id></properties>
</configuration>
END
before=$(cksum machine.xml)
expect 0 vhdx config machine.xml
[ ! -s err ] || fail "it prints errors: $(cat err)"
says out 'Mail'
says out '282874FC-59D6-4F30-BC04-5FDD909C82E0'
says out 'S-1-5-83-1-673740028-1328568790-3713991868-3766656144'
says out '5.0'
says out '2021-08-22T21:41:00Z'
says out 'IDE 0:0  VHD  D:\VMs\Büro & Mail\disk_2.avhdx'
says out 'IDE 1:0  ISO  D:\dvd.iso'
says out 'merge pending'
says_not out 'in part'

expect 0 vhdx config --json machine.xml
json_is '(d["name"], d["id"], d["format"], d["version"])' \
    "('Mail', '282874FC-59D6-4F30-BC04-5FDD909C82E0', 'xml', '5.0')"
json_is '(d["checkpoint"], d["checkpoint_count"], d["merge_pending"], d["complete"])' "(False, 2, True, True)"
json_is 'len(d["disks"])' 2
json_is '[(k["path"], k["type"], k["controller"], k["location"]) for k in d["disks"]][1]' \
    "('D:\\\\dvd.iso', 'ISO', 'IDE 1', 0)"
json_is 'd["disks"][0]["path"]' 'D:\VMs\Büro & Mail\disk_2.avhdx'

# The same file in a directory of checkpoints is one of a checkpoint.
mkdir Snapshots
cp machine.xml Snapshots
expect 0 vhdx config --json Snapshots/machine.xml
json_is 'd["checkpoint"]' True
cd Snapshots || exit 1
expect 0 vhdx config --json machine.xml
json_is 'd["checkpoint"]' True
cd ..

# Half of it: shown, said, 4. A name that is meant to change the terminal is shown escaped.
head -c 500 machine.xml >half.xml
expect 4 vhdx config half.xml
says out 'D:\VMs\Büro & Mail\disk_2.avhdx'
says out 'in part only'
expect 4 vhdx config --json half.xml
json_is 'd["complete"]' False
json_is 'len(d["reasons"])' 1
printf '<configuration><manifest/><properties><name type="string">a\033[2Jb</name></properties></configuration>' >esc.xml
expect 0 vhdx config esc.xml
says out 'a\x1b[2Jb'

# VHD sets: names that were found, and 4.
printf '\001\002set_11111111-2222-3333-4444-555555555555.avhdx\000' >set.vhds
expect 4 vhdx config --json set.vhds
json_is '(d["format"], d["disks"][0]["path"], d["disks"][0]["controller"])' \
    "('vhds', 'set_11111111-2222-3333-4444-555555555555.avhdx', None)"

vhdx create --size 4M disk.vhdx || fail "create"
for f in disk.vhdx half.txt nowhere.vmcx .; do
    [ $f != half.txt ] || echo "text" >half.txt
    expect 8 vhdx config $f
    one_line_of_error
done
truncate -s 65536 empty.vmcx
expect 8 vhdx config empty.vmcx
one_line_of_error
says err "neither copy of the header is valid"
[ "$before" = "$(cksum machine.xml)" ] || fail "the configuration was written to"

# A real one, with the runtime state beside it.
[ -e "${VHDX_SAMPLES:-}/hyperv-vm.vmcx.gz" ] || exit 0
gzip -dc "$VHDX_SAMPLES/hyperv-vm.vmcx.gz" >vm.vmcx || fail "cannot unpack"
gzip -dc "$VHDX_SAMPLES/hyperv-vm.vmrs.gz" >vm.VMRS || fail "cannot unpack"
before=$(cat vm.* | cksum)
chmod a-w vm.*
expect 0 vhdx config --json vm.vmcx
json_is '(d["name"], d["id"], d["format"], d["version"], d["version_number"], d["generation"], d["saved_state"])' \
    "('Other Location', '282874FC-59D6-4F30-BC04-5FDD909C82E0', 'vmcx', '9.0', 2304, 1, 'none')"
json_is '[(k["path"], k["type"], k["controller"], k["location"]) for k in d["disks"]]' \
    "[('C:\\\\Users\\\\Public\\\\Documents\\\\Hyper-V\\\\Virtual Hard Disks\\\\Other Location.vhdx', 'VHD', 'IDE 0', 0)]"
expect 0 vhdx config --json vm.VMRS
json_is '(d["format"], d["name"], d["disks"], d["complete"])' "('vmrs', None, [], True)"
[ "$before" = "$(cat vm.* | cksum)" ] || fail "the configuration was written to"
